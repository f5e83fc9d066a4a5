//! What has to happen to jobs whoever else is there: wrong results disputed and rejected, deadlines kept, results settled
//! whose worker has vanished, penalties moved. The oracle that leads a job acts first, the others after it one by one;
//! every step is safe to repeat, and what another did first is no error.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use io_api::{
    auth::verify_signature,
    text,
    types::{Attestation, WireVerdict},
};
use io_client::{
    Instruction, Pubkey, Request, Signature, ed25519, instructions,
    io_network::{
        constants::MAX_ORACLES,
        state::{Job, JobState, OracleSet},
    },
};
use io_protocol::messages::{Bytes32, Verdict};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    oracle::{Oracle, lock},
    verify::{Decision, confirms, patience_ends, verdict},
};

/// Pauses between looks at the jobs, on a chain far away and on one here.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY_LOCAL: Duration = Duration::from_millis(500);
/// Jobs acted upon in one look.
const MAX_ACTIONS: usize = 256;
/// After a failure a thing is left alone for so long, doubling up to the longest.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The same for signatures that peers do not have yet.
const LONGEST_GATHER: Duration = Duration::from_secs(4);
/// Pause after news, in which more is gathered.
const GATHER: Duration = Duration::from_millis(20);
/// Failures remembered.
const MAX_FAILURES: usize = 100_000;
/// Longest wait for one peer's verdict.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds past a deadline before it counts: the chain's clock wavers.
const PAST: i64 = 1;

/// What is due for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Object to a result found wrong, or to one that nobody could check in time.
    Dispute,
    /// Gather a quorum against it.
    Reject,
    /// Gather a quorum for it: its worker does not.
    Settle,
    /// Nobody objected in time.
    SettleUnobjected,
    Expire,
    /// Move a penalty to a slash case.
    Slash,
}

impl Due {
    fn name(self) -> &'static str {
        match self {
            Due::Dispute => "dispute",
            Due::Reject => "reject",
            Due::Settle => "settle",
            Due::SettleUnobjected => "settle-unobjected",
            Due::Expire => "expire",
            Due::Slash => "slash",
        }
    }

    /// Names the thing to be done about this creation of a job.
    fn what(self, address: &Pubkey, job: &Job) -> String {
        format!("{}:{address}:{}", self.name(), job.created_slot)
    }
}

/// Delays, seconds.
#[derive(Clone, Copy, Debug)]
pub struct Delays {
    /// For each place behind the leader.
    pub rank: i64,
    /// For the worker to settle.
    pub grace: i64,
}

/// What an oracle of this rank has to do about a job now. Pure.
pub fn due(
    job: &Job,
    found: Option<&Decision>,
    rank: usize,
    now: i64,
    delays: Delays,
) -> Option<Due> {
    let wait = delays
        .rank
        .saturating_mul(i64::try_from(rank).unwrap_or(i64::MAX));
    let passed = |deadline: i64| now > deadline.saturating_add(PAST).saturating_add(wait);
    let state = job.state().ok()?;
    match state {
        JobState::Open => passed(job.deadline).then_some(Due::Expire),
        // `leases` sees to those.
        JobState::Running if job.is_lease() => None,
        JobState::Running => passed(job.run_until).then_some(Due::Expire),
        JobState::Submitted => match found {
            // At once, whatever the rank: one that objects is enough, and the window ends.
            Some(found) if !found.valid => (now <= job.challenge_until)
                .then_some(Due::Dispute)
                .or(Some(Due::Reject)),
            _ if passed(job.challenge_until) => Some(Due::SettleUnobjected),
            Some(_) if passed(job.submitted_at.saturating_add(delays.grace)) => Some(Due::Settle),
            // Silence pays. A result that could not be checked (too much to check, a spec that no machine can run, inputs that
            // are gone) must not be paid by it: after an objection a quorum decides, or the payer is refunded and nobody is
            // penalised.
            None if now >= patience_ends(job.submitted_at, job.challenge_until)
                && now <= job.challenge_until =>
            {
                Some(Due::Dispute)
            }
            _ => None,
        },
        JobState::Disputed => match found {
            _ if passed(job.dispute_until) => Some(Due::Expire),
            Some(found) if !found.valid => {
                (now >= found.at.saturating_add(wait)).then_some(Due::Reject)
            }
            Some(_) => passed(job.submitted_at.saturating_add(delays.grace)).then_some(Due::Settle),
            None => None,
        },
        _ => (job.penalty_due > 0 && passed(job.finished_at)).then_some(Due::Slash),
    }
}

/// What went wrong lately, and until when it is left alone.
#[derive(Default)]
struct Failures(Mutex<HashMap<String, (Instant, Duration)>>);

impl Failures {
    fn holds_back(&self, what: &str) -> bool {
        lock(&self.0)
            .get(what)
            .is_some_and(|(until, _)| Instant::now() < *until)
    }

    fn forget(&self, what: &str) {
        lock(&self.0).remove(what);
    }

    fn note(&self, what: String, longest: Duration) {
        let mut failures = lock(&self.0);
        if failures.len() >= MAX_FAILURES {
            failures.clear();
        }
        let pause = failures
            .get(&what)
            .map_or(RETRY, |(_, pause)| *pause * 2)
            .min(longest);
        failures.insert(what, (Instant::now() + pause, pause));
    }
}

/// Looks after the jobs until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    let failures = Arc::new(Failures::default());
    let every = oracle.every(LOOK_EVERY_LOCAL, LOOK_EVERY);
    let mut news = oracle.news.subscribe();
    loop {
        let _ = timeout(every, news.changed()).await;
        // Much news is looked at once.
        sleep(GATHER).await;
        if oracle.shutdown.is_cancelled() {
            return;
        }
        for (address, job, due) in find(&oracle, &failures).await {
            let (what, failures) = (due.what(&address, &job), failures.clone());
            oracle.once(what.clone(), |oracle| async move {
                // Gathering is tried again soon: peers decide at their own pace.
                let mut longest = if matches!(due, Due::Reject | Due::Settle) {
                    LONGEST_GATHER
                } else {
                    LONGEST_RETRY
                };
                let kind = due.name();
                match act(&oracle, &address, &job, due).await {
                    Ok(true) => {
                        failures.forget(&what);
                        oracle.metrics.keeper.get_or_create(&[("kind", kind)]).inc();
                        tracing::info!(job = %address, kind, "done");
                        return;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        let refused = error
                            .downcast_ref::<io_client::Error>()
                            .and_then(|error| error.io_error());
                        let error = format!("{error:#}");
                        match refused {
                            // Somebody else was first: the index shows it in a moment.
                            Some(_) => tracing::debug!(job = %address, kind, error, "not done"),
                            None => {
                                longest = LONGEST_RETRY;
                                tracing::warn!(job = %address, kind, error, "not done");
                            }
                        }
                    }
                }
                failures.note(what, longest);
            });
        }
    }
}

async fn find(oracle: &Oracle, failures: &Failures) -> Vec<(Pubkey, Job, Due)> {
    let certain = oracle.clock.certain();
    let delays = Delays {
        rank: oracle.config.keeper_seconds.into(),
        grace: oracle.config.settle_grace_seconds.into(),
    };
    let jobs: Vec<(Pubkey, Job)> = {
        let tables = oracle.index.read();
        for (state, count) in tables.counts() {
            let label = state_name(state);
            oracle
                .metrics
                .jobs
                .get_or_create(&[("state", label)])
                .set(count as i64);
        }
        let states = [
            JobState::Disputed,
            JobState::Submitted,
            JobState::Running,
            JobState::Open,
        ];
        let keys = states
            .iter()
            .flat_map(|state| tables.in_state(*state))
            .chain(tables.penalties());
        keys.filter_map(|key| Some((*key, *tables.jobs.get(key)?)))
            .collect()
    };
    let mut found = Vec::new();
    for (address, job) in jobs {
        let submitted = matches!(job.state(), Ok(JobState::Submitted | JobState::Disputed));
        let decided = if submitted {
            match verdict(oracle, &address, &job).await {
                Ok(decided) => decided,
                Err(error) => {
                    tracing::error!(error = %format!("{error:#}"), "can't read verdicts");
                    continue;
                }
            }
        } else {
            None
        };
        // Most jobs need nothing, even of the leader.
        if due(&job, decided.as_ref(), 0, certain, delays).is_none() {
            continue;
        }
        // Only an active oracle may dispute, and a quorum is of active ones; deadlines are anybody's.
        let rank = oracle.rank(&address);
        let place = rank.unwrap_or(MAX_ORACLES);
        match due(&job, decided.as_ref(), place, certain, delays) {
            Some(Due::Dispute | Due::Reject | Due::Settle) if rank.is_none() => {}
            Some(Due::Slash) if !oracle.config.open_slash_cases => {}
            Some(due) if failures.holds_back(&due.what(&address, &job)) => {}
            Some(due) => found.push((address, job, due)),
            None => {}
        }
        if found.len() >= MAX_ACTIONS {
            break;
        }
    }
    found
}

pub fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::None => "none",
        JobState::Open => "open",
        JobState::Running => "running",
        JobState::Submitted => "submitted",
        JobState::Disputed => "disputed",
        JobState::Settled => "settled",
        JobState::Rejected => "rejected",
        JobState::Cancelled => "cancelled",
        JobState::Expired => "expired",
    }
}

/// Does what is due. `Ok(false)`: not possible yet.
async fn act(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job, due: Due) -> Result<bool> {
    let instructions = match due {
        Due::Dispute => vec![instructions::dispute_job(&oracle.key, address)],
        Due::Expire => vec![instructions::expire_job(address, job)],
        Due::SettleUnobjected => vec![instructions::settle_job(address, job)],
        Due::Settle => match gather(oracle, address, job, Verdict::Valid).await? {
            Some(check) => vec![check, instructions::settle_job(address, job)],
            None => return Ok(false),
        },
        Due::Reject => match gather(oracle, address, job, Verdict::Invalid).await? {
            Some(check) => vec![check, instructions::reject_job(address, job)],
            None => return Ok(false),
        },
        Due::Slash => {
            let number = oracle
                .index
                .read()
                .providers
                .get(&job.provider)
                .context("its provider is not indexed")?
                .slash_cases;
            vec![instructions::open_slash_case(
                &oracle.key,
                address,
                job,
                number,
                &oracle.io_mint,
            )]
        }
    };
    if let Some(now) = oracle.index.job(address)
        && (now.created_slot, now.state) != (job.created_slot, job.state)
    {
        return Ok(false);
    }
    // A transition happens once in a job's life; a statement of another oracle set, or about a dispute, is another transaction.
    let set = oracle.index.set().map_or(0, |set| set.version);
    let asked = if job.was_disputed() { ":disputed" } else { "" };
    let intent = format!("{}:{address}:{}:{set}{asked}", due.name(), job.created_slot);
    oracle
        .sender
        .send(&Request::new(intent, oracle.wallet.signer(), instructions))
        .await?;
    Ok(true)
}

/// What a peer's answer adds to a quorum: nothing, unless an active oracle signed this very statement. Pure.
pub(crate) fn endorsement(
    key: &Bytes32,
    theirs: &Attestation,
    set: &OracleSet,
    statement: &[u8],
    verdict: Verdict,
) -> Option<(Pubkey, Signature)> {
    set.position(key)?;
    let said = match theirs.verdict {
        WireVerdict::Valid => Verdict::Valid,
        WireVerdict::Invalid => Verdict::Invalid,
    };
    let signature = text::parse_signature(&theirs.signature)?;
    (said == verdict && verify_signature(key, statement, &signature))
        .then(|| (Pubkey::new_from_array(*key), Signature::from(signature)))
}

/// A quorum's signatures over a verdict, as the instruction that checks them; `None` while there are too few. Of a disputed job those
/// about the dispute: what was signed before it is worth nothing any more.
async fn gather(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
    wanted: Verdict,
) -> Result<Option<Instruction>> {
    let Some(set) = oracle.index.set() else {
        bail!("the oracle set is not indexed")
    };
    let statement = job
        .statement(address, oracle.deployment, set.version, wanted)
        .to_bytes();
    // Only what was decided is signed: a fork may have put another submission in its place.
    let Some(own) = verdict(oracle, address, job)
        .await?
        .filter(|found| found.is_about(job) && found.verdict() == wanted)
    else {
        return Ok(None);
    };
    let quorum = usize::from(set.quorum);
    let mut signatures: Vec<(Pubkey, Signature)> =
        vec![(oracle.key, oracle.wallet.sign(&statement))];
    for (key, peer) in oracle.peers.known() {
        if signatures.len() >= quorum {
            break;
        }
        if set.position(&key).is_none() {
            continue;
        }
        let Ok(Ok(Some(theirs))) =
            timeout(PEER_TIMEOUT, peer.attestation(&address.to_bytes())).await
        else {
            continue;
        };
        let Some(signature) = endorsement(&key, &theirs, &set, &statement, wanted) else {
            continue;
        };
        // Numbers that machines may see differently cost nobody a stake before those who say so have re-run the same steps.
        if wanted == Verdict::Invalid
            && own.tolerant
            && !confirms(oracle, address, job, &own, &theirs.wrong_steps).await
        {
            continue;
        }
        signatures.push(signature);
    }
    if signatures.len() < quorum {
        return Ok(None);
    }
    signatures.sort_by_key(|(key, _)| key.to_bytes());
    Ok(Some(ed25519::verify(&statement, &signatures)?))
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use io_client::Wallet;
    use io_protocol::messages::Deployment;

    use super::*;

    const DELAYS: Delays = Delays { rank: 10, grace: 5 };

    fn job(state: JobState) -> Job {
        Job {
            state: state as u8,
            deadline: 1_000,
            run_until: 500,
            submitted_at: 400,
            challenge_until: 600,
            dispute_until: 800,
            finished_at: 700,
            ..Job::zeroed()
        }
    }

    fn decided(valid: bool) -> Decision {
        Decision {
            valid,
            output_hash: String::new(),
            units: 1,
            epoch: 0,
            checked_steps: 1,
            total_steps: 1,
            reason: None,
            verify_ms: 1,
            sample_proof: None,
            audit: None,
            wrong_steps: Vec::new(),
            tolerant: false,
            disputed: false,
            at: 410,
        }
    }

    fn at(state: JobState, found: Option<bool>, rank: usize, now: i64) -> Option<Due> {
        due(&job(state), found.map(decided).as_ref(), rank, now, DELAYS)
    }

    #[test]
    fn deadlines_are_kept_by_one_after_the_other() {
        for (state, deadline) in [
            (JobState::Open, 1_000),
            (JobState::Running, 500),
            (JobState::Disputed, 800),
        ] {
            assert_eq!(at(state, None, 0, deadline + PAST), None);
            assert_eq!(at(state, None, 0, deadline + PAST + 1), Some(Due::Expire));
            assert_eq!(at(state, None, 2, deadline + PAST + 20), None);
            assert_eq!(at(state, None, 2, deadline + PAST + 21), Some(Due::Expire));
        }
    }

    #[test]
    fn what_this_oracle_found_wrong_it_never_helps_to_settle() {
        for now in 400..2_000 {
            for rank in 0..3 {
                for state in [JobState::Submitted, JobState::Disputed] {
                    let due = at(state, Some(false), rank, now);
                    assert!(
                        !matches!(due, Some(Due::Settle | Due::SettleUnobjected)),
                        "{state:?} {now}: {due:?}"
                    );
                }
            }
        }
        assert_eq!(
            at(JobState::Submitted, Some(false), 2, 410),
            Some(Due::Dispute),
            "at once, whatever the rank"
        );
        assert_eq!(
            at(JobState::Submitted, Some(false), 0, 601),
            Some(Due::Reject),
            "too late to object: a quorum still can"
        );
        assert_eq!(
            at(JobState::Disputed, Some(false), 0, 410),
            Some(Due::Reject)
        );
        assert_eq!(at(JobState::Disputed, Some(false), 1, 410), None);
    }

    #[test]
    fn a_vanished_workers_result_is_settled_for_it() {
        assert_eq!(
            at(JobState::Submitted, Some(true), 0, 405),
            None,
            "the worker's turn"
        );
        assert_eq!(
            at(JobState::Submitted, Some(true), 0, 407),
            Some(Due::Settle)
        );
        assert_eq!(
            at(JobState::Disputed, Some(true), 0, 407),
            Some(Due::Settle)
        );
        assert_eq!(
            at(JobState::Submitted, None, 0, 500),
            None,
            "without a verdict nothing while there is time to come to one"
        );
        assert_eq!(
            at(JobState::Submitted, None, 0, 602),
            Some(Due::SettleUnobjected)
        );
        assert_eq!(
            at(JobState::Submitted, Some(true), 0, 602),
            Some(Due::SettleUnobjected)
        );
    }

    /// Silence would pay what nobody has checked.
    #[test]
    fn what_could_not_be_checked_is_objected_to_before_the_window_ends() {
        // A quarter of the window of 200 seconds is left.
        for rank in 0..3 {
            assert_eq!(at(JobState::Submitted, None, rank, 549), None);
            assert_eq!(at(JobState::Submitted, None, rank, 550), Some(Due::Dispute));
            assert_eq!(at(JobState::Submitted, None, rank, 600), Some(Due::Dispute));
        }
        assert_eq!(
            at(JobState::Submitted, None, 0, 601),
            None,
            "too late to object"
        );
        for valid in [true, false] {
            let early = at(JobState::Submitted, Some(valid), 0, 401);
            assert_eq!(early == Some(Due::Dispute), !valid, "{valid}");
        }
        assert_ne!(
            at(JobState::Submitted, Some(true), 0, 550),
            Some(Due::Dispute),
            "found right"
        );
    }

    #[test]
    fn a_decision_is_about_one_submission() {
        let submitted = Job {
            output_hash: [3; 32],
            units: 5,
            ..job(JobState::Submitted)
        };
        let found = Decision {
            output_hash: text::hash(&submitted.output_hash),
            units: 5,
            epoch: io_protocol::messages::epoch_of(submitted.submitted_at),
            ..decided(true)
        };
        assert!(found.is_about(&submitted));
        for other in [
            Job {
                output_hash: [4; 32],
                ..submitted
            },
            Job {
                units: 6,
                ..submitted
            },
            Job {
                submitted_at: submitted.submitted_at + 3_600,
                ..submitted
            },
        ] {
            assert!(!found.is_about(&other));
        }
    }

    /// What peers answer is theirs to make up: a signature that isn't one, somebody else's, over another job, submission, set or
    /// verdict, or of a peer that is no oracle would make a transaction that the program refuses, over and over.
    #[test]
    fn only_an_active_oracles_signature_over_this_statement_adds_to_a_quorum() {
        let (peer, stranger) = (Wallet::from_seed(&[1; 32]), Wallet::from_seed(&[2; 32]));
        let mut set = OracleSet {
            version: 4,
            count: 1,
            used: 1,
            quorum: 1,
            ..OracleSet::zeroed()
        };
        set.oracles[0] = peer.address();
        let deployment = Deployment {
            program: [5; 32],
            cluster: [6; 32],
        };
        let subject = Job {
            challenger: Pubkey::new_from_array([8; 32]),
            ..job(JobState::Disputed)
        };
        let address = Pubkey::new_from_array([9; 32]);
        let statement = |job: &Job, set_version, verdict| {
            job.statement(&address, deployment, set_version, verdict)
                .to_bytes()
        };
        let right = statement(&subject, 4, Verdict::Invalid);
        let answer = |by: &Wallet, over: &[u8], verdict| Attestation {
            oracle: by.address().to_string(),
            set_version: 4,
            job: address.to_string(),
            created_slot: 0,
            epoch: 0,
            verdict,
            output_hash: String::new(),
            units: 0,
            signature: by.sign(over).to_string(),
            checked_steps: 1,
            total_steps: 1,
            reason: None,
            verify_ms: 1,
            sample_proof: None,
            audit: None,
            audit_signature: None,
            wrong_steps: Vec::new(),
            disputed: true,
        };
        let adds = |by: &Wallet, theirs: &Attestation| {
            endorsement(
                &by.address().to_bytes(),
                theirs,
                &set,
                &right,
                Verdict::Invalid,
            )
        };
        let good = answer(&peer, &right, WireVerdict::Invalid);
        assert_eq!(adds(&peer, &good).map(|(key, _)| key), Some(peer.address()));
        // No oracle, whatever it signs; an oracle with another's signature.
        assert_eq!(
            adds(&stranger, &answer(&stranger, &right, WireVerdict::Invalid)),
            None
        );
        assert_eq!(
            adds(&peer, &answer(&stranger, &right, WireVerdict::Invalid)),
            None
        );
        let foreign = [
            statement(
                &Job {
                    units: 1,
                    ..subject
                },
                4,
                Verdict::Invalid,
            ),
            statement(&subject, 3, Verdict::Invalid),
            statement(&subject, 4, Verdict::Valid),
            // From before somebody objected.
            statement(
                &Job {
                    challenger: Pubkey::default(),
                    ..subject
                },
                4,
                Verdict::Invalid,
            ),
        ];
        for over in foreign {
            assert_eq!(
                adds(&peer, &answer(&peer, &over, WireVerdict::Invalid)),
                None
            );
        }
        // It says another verdict than it signed.
        assert_eq!(
            adds(&peer, &answer(&peer, &right, WireVerdict::Valid)),
            None
        );
        for signature in ["", "x", &"1".repeat(500)] {
            let broken = Attestation {
                signature: signature.to_owned(),
                ..good.clone()
            };
            assert_eq!(adds(&peer, &broken), None);
        }
    }

    #[test]
    fn penalties_are_moved_once_there_are_any() {
        for state in [JobState::Rejected, JobState::Expired] {
            assert_eq!(at(state, None, 0, 5_000), None);
            let owing = Job {
                penalty_due: 1,
                ..job(state)
            };
            assert_eq!(due(&owing, None, 0, 702, DELAYS), Some(Due::Slash));
        }
    }
}
