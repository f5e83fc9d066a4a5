//! The worker's side of measuring a link ([`io_proof::hardware::pace`]): hashes the bytes that come, and sends those that are asked for.

use anyhow::{Context, Result, ensure};
use io_api::{text, types::ToOracle};
use io_proof::hardware::pace::{BURSTS, payload};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use crate::limits::{MAX_PACE_BYTES, PACE_FRAME_BYTES, PACE_PERIOD};

/// A burst that is coming in.
struct Incoming {
    request: u64,
    left: usize,
    hash: Sha256,
}

/// Bursts over one link, however often it is lost.
pub(super) struct Pace {
    incoming: Option<Incoming>,
    /// Bytes both ways since then.
    since: Instant,
    spent: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            incoming: None,
            since: Instant::now(),
            spent: 0,
        }
    }

    fn spend(&mut self, bytes: u32) -> Result<()> {
        ensure!(
            BURSTS.contains(&bytes),
            "the oracle wants to measure the link with {bytes} bytes: {BURSTS:?} are agreed"
        );
        if self.since.elapsed() >= PACE_PERIOD {
            (self.since, self.spent) = (Instant::now(), 0);
        }
        self.spent += u64::from(bytes);
        ensure!(
            self.spent <= MAX_PACE_BYTES,
            "the oracle has measured the link with {MAX_PACE_BYTES} bytes in this hour, and wants more"
        );
        Ok(())
    }

    /// So many bytes will come.
    pub(super) fn download(&mut self, request: u64, bytes: u32) -> Result<()> {
        self.spend(bytes)?;
        self.incoming = Some(Incoming {
            request,
            left: bytes as usize,
            hash: Sha256::new(),
        });
        Ok(())
    }

    /// Bytes came: what to say when they were the last.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<ToOracle>> {
        let incoming = self
            .incoming
            .as_mut()
            .filter(|incoming| bytes.len() <= incoming.left)
            .context("the oracle sent bytes that it had not announced")?;
        incoming.hash.update(bytes);
        incoming.left -= bytes.len();
        if incoming.left > 0 {
            return Ok(None);
        }
        let Some(Incoming { request, hash, .. }) = self.incoming.take() else {
            return Ok(None);
        };
        let sha256 = text::hash(&hash.finalize().into());
        Ok(Some(ToOracle::Downloaded { request, sha256 }))
    }

    /// Frames of the bytes that follow from a seed.
    pub(super) fn upload(
        &mut self,
        request: u64,
        seed: &str,
        bytes: u32,
    ) -> Result<impl Iterator<Item = Message>> {
        self.spend(bytes)?;
        let seed = text::parse_hash(seed).context("the seed of a burst is no hash")?;
        let payload = payload(&seed, bytes);
        let frames = payload.len().div_ceil(PACE_FRAME_BYTES);
        Ok((0..frames).map(move |n| {
            let part = payload.chunks(PACE_FRAME_BYTES).nth(n).unwrap_or_default();
            Message::Binary([&request.to_le_bytes()[..], part].concat().into())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oracle_measures_with_agreed_bursts_and_not_for_ever() {
        let mut pace = Pace::new();
        assert!(pace.download(0, BURSTS[0] + 1).is_err());
        assert!(pace.upload(0, "no hash", BURSTS[0]).is_err());
        let mut pace = Pace::new();
        let seed = text::hash(&[1; 32]);
        let most = MAX_PACE_BYTES / (2 * u64::from(BURSTS[1]));
        for n in 0..most {
            assert!(pace.download(n, BURSTS[1]).is_ok(), "{n}");
            assert!(pace.upload(n, &seed, BURSTS[1]).is_ok(), "{n}");
        }
        assert!(pace.download(most, BURSTS[0]).is_err());
        pace.since -= PACE_PERIOD;
        assert!(pace.download(most, BURSTS[0]).is_ok(), "the next hour");
    }

    #[test]
    fn only_announced_bytes_are_taken() {
        let mut pace = Pace::new();
        assert!(pace.take(&[0]).is_err());
        pace.download(7, BURSTS[0]).unwrap();
        let rest = vec![0; BURSTS[0] as usize - 1];
        assert_eq!(pace.take(&[1]).unwrap(), None);
        assert!(pace.take(&[rest.as_slice(), &[0]].concat()).is_err());
        let Some(ToOracle::Downloaded { request, sha256 }) = pace.take(&rest).unwrap() else {
            panic!("no answer");
        };
        let hash = Sha256::digest([&[1][..], rest.as_slice()].concat());
        assert_eq!((request, sha256), (7, text::hash(&hash.into())));
        assert!(pace.take(&[0]).is_err(), "it is over");
    }
}
