//! Gathering a checkpoint of a lease: what a quorum of oracles counted, and their signatures over it.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use io_protocol::{lease::LeaseStatement, messages::Bytes32};
use tokio::time::timeout;

use crate::{
    auth::{RequestKey, verify_signature},
    client::OracleClient,
    text,
    types::{LeaseCount, LeaseSignature},
};

/// Longest wait for one oracle.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Signs seconds up to a time, or says why not.
pub type Sign =
    Box<dyn Fn(u64, i64) -> BoxFuture<'static, Result<LeaseSignature, String>> + Send + Sync>;

/// Where a count and a signature come from.
pub enum Source {
    /// Another process.
    Remote(OracleClient),
    /// This oracle itself.
    Own(LeaseCount, Sign),
}

/// A checkpoint that a quorum signed.
pub struct Gathered {
    pub statement: LeaseStatement,
    pub signatures: Vec<(Bytes32, [u8; 64])>,
}

/// What a quorum of `counts` agrees on: the most seconds that so many counted, up to the earliest time of theirs. Pure.
pub fn agreed(counts: &[(u64, i64)], quorum: usize) -> Option<(u64, i64)> {
    let mut counts = counts.to_vec();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let first = counts.get(..quorum.max(1))?;
    let seconds = first.iter().map(|(seconds, _)| *seconds).min()?;
    let at = first.iter().map(|(_, at)| *at).min()?;
    Some((seconds, at))
}

/// Gathers a checkpoint that goes beyond `last`, the job's newest one (with its deployment, set and job). `None` when the
/// oracles of the set have counted nothing more, or too few of them sign. `asker` is the device's operator, or an active oracle once
/// the lease is over.
pub async fn gather(
    asker: &RequestKey,
    sources: &[Source],
    last: LeaseStatement,
    members: &[Bytes32],
    quorum: usize,
    run_until: i64,
) -> Option<Gathered> {
    let job = last.job;
    let counts = join_all(sources.iter().map(|source| async move {
        let count = match source {
            Source::Remote(client) => timeout(TIMEOUT, client.lease_count(&job))
                .await
                .ok()?
                .ok()??,
            Source::Own(count, _) => count.clone(),
        };
        (count.created_slot == last.created_slot).then_some((count.seconds, count.at))
    }))
    .await;
    let counts: Vec<_> = counts.into_iter().flatten().collect();
    let (seconds, at) = agreed(&counts, quorum)?;
    // A count to the end closes the lease: those who counted much more do not sign it, and what is below still pays.
    for at in [at, at.min(run_until - 1)] {
        if at <= last.at || seconds < last.seconds {
            continue;
        }
        let statement = LeaseStatement {
            seconds,
            at,
            ..last
        };
        let message = statement.to_bytes();
        let signed = join_all(sources.iter().map(|source| async move {
            let answer = match source {
                Source::Remote(client) => {
                    let answer = client.sign_lease(asker, &job, seconds, at);
                    timeout(TIMEOUT, answer).await.ok()?.ok()?
                }
                Source::Own(_, sign) => sign(seconds, at).await.ok()?,
            };
            Some((
                text::parse_key(&answer.oracle)?,
                text::parse_signature(&answer.signature)?,
            ))
        }))
        .await;
        let mut signatures: Vec<(Bytes32, [u8; 64])> = signed
            .into_iter()
            .flatten()
            .filter(|(key, signature)| {
                members.contains(key) && verify_signature(key, &message, signature)
            })
            .collect();
        signatures.sort_unstable_by_key(|(key, _)| *key);
        signatures.dedup_by_key(|(key, _)| *key);
        // Each signature costs bytes and fees.
        signatures.truncate(quorum);
        if signatures.len() == quorum {
            return Some(Gathered {
                statement,
                signatures,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_agrees_on_the_most_that_so_many_counted() {
        let counts = [(1_000, 50), (500, 60), (10, 70)];
        assert_eq!(agreed(&counts, 1), Some((1_000, 50)));
        assert_eq!(agreed(&counts, 2), Some((500, 50)));
        assert_eq!(agreed(&counts, 3), Some((10, 50)));
        assert_eq!(agreed(&counts, 4), None);
        assert_eq!(agreed(&[], 1), None);
    }
}
