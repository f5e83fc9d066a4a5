//! Measures devices' links ([`io_proof::hardware::pace`]): pings, and bursts of random bytes each way, over the link itself.
//!
//! One exchange at a time with a device, and few devices at a time, so that they share little of what this oracle's own connection
//! carries. Each has its turn for so long at most, however slowly it answers.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Bytes;
use io_api::{
    text,
    types::{Burst, Figures, LinkTimes, ToWorker},
};
use io_client::Pubkey;
use io_proof::hardware::{
    Hash, Software,
    cell::Sha256,
    pace::{
        BURSTS, GO_ON_MICROS, MAX_LATENCY_MS, PATIENCE_MICROS, PINGS, best, latency_ms, payload,
    },
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{
    link::{Links, Parcel},
    oracle::{Oracle, lock},
};

/// Devices whose links are measured at once.
const AT_ONCE: usize = 8;
/// Bytes of a burst in one frame.
const FRAME: usize = 32 * 1024;
const BURST_PATIENCE: Duration = Duration::from_micros(PATIENCE_MICROS);
const PING_PATIENCE: Duration = Duration::from_millis(MAX_LATENCY_MS as u64);
/// Longest turn of a device. It holds the pings and both first bursts of a link that takes 300 ms there and back and carries 1 Mbit/s; what
/// has not come by then has no figure.
const TURN: Duration = Duration::from_secs(6);
const _: () = assert!(
    TURN.as_micros() as u64 >= PINGS as u64 * 300_000 + 2 * PATIENCE_MICROS
        && TURN.as_micros() < PINGS as u128 * PING_PATIENCE.as_micros()
);

/// What a device's link is to bring.
enum Awaited {
    Pong([u8; 8]),
    Hash { sha256: String },
    Bytes { expected: Vec<u8>, at: usize },
}

/// When it came; `None` when something else did.
type Came = Option<Instant>;

struct Exchange {
    request: u64,
    awaited: Awaited,
    done: oneshot::Sender<Came>,
}

/// Exchanges with devices over their links.
pub struct Paces {
    /// One of a device at most.
    exchanges: Mutex<HashMap<Pubkey, Exchange>>,
    /// The next request's number.
    next: AtomicU64,
    turns: Semaphore,
}

impl Default for Paces {
    fn default() -> Self {
        Self {
            exchanges: Mutex::default(),
            next: AtomicU64::default(),
            turns: Semaphore::new(AT_ONCE),
        }
    }
}

impl Paces {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn begin(&self, device: &Pubkey, request: u64, awaited: Awaited) -> oneshot::Receiver<Came> {
        let (done, came) = oneshot::channel();
        let exchange = Exchange {
            request,
            awaited,
            done,
        };
        lock(&self.exchanges).insert(*device, exchange);
        came
    }

    /// Ends a device's exchange if `how` has a word on it.
    fn end(&self, device: &Pubkey, how: impl FnOnce(&mut Exchange) -> Option<Came>) {
        let mut exchanges = lock(&self.exchanges);
        if let Some(came) = exchanges.get_mut(device).and_then(how)
            && let Some(exchange) = exchanges.remove(device)
        {
            let _ = exchange.done.send(came);
        }
    }

    /// A pong came.
    pub fn pong(&self, device: &Pubkey, payload: &[u8]) {
        let now = Instant::now();
        self.end(device, |exchange| match &exchange.awaited {
            Awaited::Pong(nonce) if nonce == payload => Some(Some(now)),
            _ => None,
        });
    }

    /// A device says what the bytes hash to that it was sent.
    pub fn downloaded(&self, device: &Pubkey, request: u64, said: &str) {
        let now = Instant::now();
        self.end(device, |exchange| match &exchange.awaited {
            Awaited::Hash { sha256 } if exchange.request == request => {
                Some((said == sha256).then_some(now))
            }
            _ => None,
        });
    }

    /// A frame of bytes came: those of an upload that is over are passed over. False for what can't be one.
    pub fn uploaded(&self, device: &Pubkey, frame: &[u8]) -> bool {
        let now = Instant::now();
        let Some((request, bytes)) = frame.split_first_chunk() else {
            return false;
        };
        let request = u64::from_le_bytes(*request);
        self.end(device, |exchange| {
            let Awaited::Bytes { expected, at } = &mut exchange.awaited else {
                return None;
            };
            if exchange.request != request {
                return None;
            }
            let end = at.saturating_add(bytes.len());
            if expected.get(*at..end) != Some(bytes) {
                return Some(None);
            }
            *at = end;
            (end == expected.len()).then_some(Some(now))
        });
        request < self.next.load(Ordering::Relaxed)
    }

    /// Nobody waits for a device any more.
    pub fn forget(&self, device: &Pubkey) {
        lock(&self.exchanges).remove(device);
    }

    /// Measures a device's link when it is its turn, for `longest` at most.
    async fn measure(&self, links: &Links, device: &Pubkey, longest: Duration) -> LinkTimes {
        // Never closed.
        let _turn = self.turns.acquire().await;
        let mut times = LinkTimes::default();
        let measured = Measured {
            paces: self,
            links,
            device,
        };
        // What has come by then counts.
        let _ = timeout(longest, measured.all(&mut times)).await;
        times
    }
}

/// How an exchange ended.
enum End {
    /// After so many microseconds.
    Right(u64),
    Late,
    Wrong,
}

/// A device that is measured.
struct Measured<'a> {
    paces: &'a Paces,
    links: &'a Links,
    device: &'a Pubkey,
}

/// Ends an exchange, however it ends: when the device's turn is over, too.
struct Waiting<'a>(&'a Paces, &'a Pubkey);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.forget(self.1);
    }
}

impl Measured<'_> {
    /// Sends the device what an answer is awaited to.
    async fn exchange(
        &self,
        (request, awaited): (u64, Awaited),
        parcels: Vec<Parcel>,
        patience: Duration,
    ) -> End {
        let came = self.paces.begin(self.device, request, awaited);
        let _waiting = Waiting(self.paces, self.device);
        let sent = Instant::now();
        let all = parcels
            .into_iter()
            .all(|parcel| self.links.put(self.device, parcel));
        if !all {
            return End::Late;
        }
        match timeout(patience, came).await {
            Ok(Ok(Some(at))) => End::Right(at.saturating_duration_since(sent).as_micros() as u64),
            Ok(Ok(None)) => End::Wrong,
            // In time neither, or its link has ended.
            Ok(Err(_)) | Err(_) => End::Late,
        }
    }

    async fn ping(&self) -> End {
        let Some(nonce) = random() else {
            return End::Late;
        };
        let awaited = (self.paces.number(), Awaited::Pong(nonce));
        let parcels = vec![Parcel::Ping(nonce)];
        self.exchange(awaited, parcels, PING_PATIENCE).await
    }

    /// The device isn't told the seed: it can't know the hash without the bytes.
    async fn download(&self, bytes: u32) -> End {
        let Some(seed) = random() else {
            return End::Late;
        };
        let request = self.paces.number();
        let (frames, sha256) = frames(&seed, bytes);
        let mut parcels = vec![Parcel::Message(Box::new(ToWorker::Download {
            request,
            bytes,
        }))];
        parcels.extend(frames.into_iter().map(Parcel::Bytes));
        let awaited = (request, Awaited::Hash { sha256 });
        self.exchange(awaited, parcels, BURST_PATIENCE).await
    }

    async fn upload(&self, bytes: u32) -> End {
        let Some(seed) = random() else {
            return End::Late;
        };
        let request = self.paces.number();
        let expected = payload(&seed, bytes);
        let message = ToWorker::Upload {
            request,
            seed: text::hash(&seed),
            bytes,
        };
        let awaited = (request, Awaited::Bytes { expected, at: 0 });
        let parcels = vec![Parcel::Message(Box::new(message))];
        self.exchange(awaited, parcels, BURST_PATIENCE).await
    }

    /// Puts what the link shows into `times`, one exchange after the other.
    async fn all(&self, times: &mut LinkTimes) {
        for _ in 0..PINGS {
            match self.ping().await {
                End::Right(micros) => times.pings.push(micros),
                End::Late | End::Wrong => {
                    times.pings.push(PING_PATIENCE.as_micros() as u64);
                    break;
                }
            }
        }
        for bytes in BURSTS {
            let end = self.download(bytes).await;
            if !goes_on(&mut times.down, bytes, end) {
                break;
            }
        }
        for bytes in BURSTS {
            let end = self.upload(bytes).await;
            if !goes_on(&mut times.up, bytes, end) {
                break;
            }
        }
    }
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Some(bytes),
        Err(error) => {
            tracing::error!(%error, "no randomness: links are not measured");
            None
        }
    }
}

/// A burst in frames, and its SHA-256.
fn frames(seed: &Hash, bytes: u32) -> (Vec<Bytes>, String) {
    let mut rest = Bytes::from(payload(seed, bytes));
    let sha256 = text::hash(&Software::hash(&[&rest]));
    let mut frames = Vec::new();
    while !rest.is_empty() {
        frames.push(rest.split_to(rest.len().min(FRAME)));
    }
    (frames, sha256)
}

/// Takes a burst's end in, and says whether another is sent. One that was answered wrongly takes all of them.
fn goes_on(all: &mut Vec<Burst>, bytes: u32, end: End) -> bool {
    match end {
        End::Right(micros) => {
            all.push(Burst { bytes, micros });
            micros <= GO_ON_MICROS
        }
        End::Late => false,
        End::Wrong => {
            all.clear();
            false
        }
    }
}

/// Measures a device's link, when it is its turn.
pub async fn measure(oracle: &Oracle, device: &Pubkey) -> LinkTimes {
    oracle.paces.measure(&oracle.links, device, TURN).await
}

/// Figures with what a link showed. Pure.
pub fn with(figures: Figures, times: &LinkTimes) -> Figures {
    let best_of = |bursts: &[Burst]| best(bursts.iter().map(|burst| (burst.bytes, burst.micros)));
    Figures {
        down_mbit: best_of(&times.down),
        up_mbit: best_of(&times.up),
        latency_ms: latency_ms(&times.pings),
        ..figures
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    const DEVICE: Pubkey = Pubkey::new_from_array([7; 32]);

    fn frame(request: u64, bytes: &[u8]) -> Vec<u8> {
        [&request.to_le_bytes()[..], bytes].concat()
    }

    /// Nothing that ends the exchange has come.
    const WAITED_FOR: Result<Came, TryRecvError> = Err(TryRecvError::Empty);

    #[test]
    fn only_the_answer_to_what_was_sent_counts_and_once() {
        let paces = Paces::default();
        let is_over = || lock(&paces.exchanges).is_empty();
        let mut came = paces.begin(&DEVICE, 0, Awaited::Pong([1; 8]));
        paces.pong(&DEVICE, &[2; 8]);
        paces.pong(&Pubkey::new_from_array([8; 32]), &[1; 8]);
        assert_eq!(came.try_recv(), WAITED_FOR, "another's pong, another pong");
        paces.pong(&DEVICE, &[1; 8]);
        assert!(came.try_recv().unwrap().is_some() && is_over());
        // The same pong again is not the next ping's, and neither is that one's for a burst.
        let mut came = paces.begin(&DEVICE, 1, Awaited::Pong([2; 8]));
        paces.pong(&DEVICE, &[1; 8]);
        assert_eq!(came.try_recv(), WAITED_FOR);
        paces.pong(&DEVICE, &[2; 8]);
        assert!(came.try_recv().unwrap().is_some() && is_over());

        let awaited = |sha256: &str| Awaited::Hash {
            sha256: sha256.into(),
        };
        let mut came = paces.begin(&DEVICE, 5, awaited("a"));
        paces.pong(&DEVICE, &[2; 8]);
        paces.downloaded(&DEVICE, 4, "a");
        assert_eq!(came.try_recv(), WAITED_FOR, "an earlier request's");
        paces.downloaded(&DEVICE, 5, "a");
        assert!(came.try_recv().unwrap().is_some() && is_over());
        let mut came = paces.begin(&DEVICE, 6, awaited("a"));
        paces.downloaded(&DEVICE, 5, "a");
        assert_eq!(came.try_recv(), WAITED_FOR, "that was told before");
        paces.downloaded(&DEVICE, 6, "b");
        assert_eq!(came.try_recv(), Ok(None), "a lie");
        paces.downloaded(&DEVICE, 6, "a");
        assert!(is_over(), "it is too late for the truth");
    }

    /// A device that answers nothing, or nothing in time, takes its turn and no more; what it did answer counts.
    #[tokio::test]
    async fn a_device_that_stalls_has_its_turn_and_no_more() {
        const SHORT: Duration = Duration::from_millis(300);
        let (paces, links) = (Paces::default(), Links::default());
        let mut link = links.link(DEVICE);
        let answers = async {
            // Pings are answered, bursts are not.
            while let Some(parcel) = link.recv().await {
                if let Parcel::Ping(nonce) = parcel {
                    paces.pong(&DEVICE, &nonce);
                }
            }
        };
        let begun = Instant::now();
        let times = tokio::select! {
            times = paces.measure(&links, &DEVICE, SHORT) => times,
            () = answers => panic!("the link has ended"),
        };
        let took = begun.elapsed();
        assert!(
            (SHORT..BURST_PATIENCE).contains(&took),
            "not even one burst's patience: {took:?}"
        );
        assert_eq!(
            (times.pings.len(), times.down, times.up),
            (PINGS, vec![], vec![])
        );
        assert_eq!(paces.turns.available_permits(), AT_ONCE);
        assert!(lock(&paces.exchanges).is_empty(), "nobody waits for it");
    }

    #[test]
    fn an_upload_is_its_seeds_bytes_in_order() {
        let paces = Paces::default();
        let upload = |paces: &Paces| {
            let request = paces.number();
            let expected = vec![1, 2, 3, 4];
            let came = paces.begin(&DEVICE, request, Awaited::Bytes { expected, at: 0 });
            (request, came)
        };
        let (request, mut came) = upload(&paces);
        assert!(paces.uploaded(&DEVICE, &frame(request, &[1, 2, 3])));
        assert_eq!(came.try_recv(), WAITED_FOR);
        assert!(paces.uploaded(&DEVICE, &frame(request, &[4])));
        assert!(came.try_recv().unwrap().is_some());
        assert!(
            paces.uploaded(&DEVICE, &frame(request, &[1, 2, 3, 4])),
            "late, and of no account"
        );
        for wrong in [&[1, 2, 4, 3][..], &[1, 2, 3, 4, 5], &[2]] {
            let (request, mut came) = upload(&paces);
            assert!(paces.uploaded(&DEVICE, &frame(request - 1, wrong)));
            assert_eq!(came.try_recv(), WAITED_FOR, "an earlier request's");
            assert!(paces.uploaded(&DEVICE, &frame(request, wrong)));
            assert_eq!(came.try_recv().unwrap(), None, "{wrong:?}");
        }
        let (request, _came) = upload(&paces);
        assert!(!paces.uploaded(&DEVICE, &frame(request + 1, &[1])));
        assert!(!paces.uploaded(&DEVICE, &[0; 7]));
    }

    #[test]
    fn a_larger_burst_follows_a_quick_one_and_a_lie_takes_all() {
        let run = |ends: [End; 2]| {
            let mut all = Vec::new();
            for (bytes, end) in BURSTS.into_iter().zip(ends) {
                if !goes_on(&mut all, bytes, end) {
                    break;
                }
            }
            all
        };
        let burst = |which: usize, micros| Burst {
            bytes: BURSTS[which],
            micros,
        };
        let (quick, slow) = (GO_ON_MICROS, GO_ON_MICROS + 1);
        assert_eq!(
            run([End::Right(quick), End::Right(slow)]),
            [burst(0, quick), burst(1, slow)]
        );
        assert_eq!(
            run([End::Right(slow), End::Wrong]),
            [burst(0, slow)],
            "there is no second"
        );
        assert_eq!(run([End::Right(quick), End::Late]), [burst(0, quick)]);
        assert_eq!(run([End::Right(quick), End::Wrong]), []);
        assert_eq!(run([End::Late, End::Right(1)]), []);
    }

    #[test]
    fn a_burst_is_cut_into_frames_and_hashed_whole() {
        let (frames, sha256) = frames(&[1; 32], BURSTS[0] + 5);
        assert_eq!(frames.last().map(Bytes::len), Some(5));
        let whole = frames.concat();
        assert_eq!(whole, payload(&[1; 32], BURSTS[0] + 5));
        assert_eq!(sha256, text::hash(&Software::hash(&[&whole])));
    }
}
