//! Verifying a submission: fetch what it names, run it again (all of it or an unforeseeable sample), and decide once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::{Context, Result};
use io_api::{
    text,
    types::{Attestation, WireVerdict},
};
use io_client::{
    Pubkey,
    io_network::state::{Job, JobState},
};
use io_engines::{
    BlobHash, CancelToken, Claim, Control, FirstOf, JobSpec, Manifest, Sampling,
    Verdict as EngineVerdict, limits::MAX_MANIFEST_BYTES,
};
use io_protocol::messages::{Bytes32, ResultStatement, Verdict, epoch_of};
use serde::{Deserialize, Serialize};
use tokio::time::sleep_until;

use crate::{
    blobs::unix_now,
    oracle::{Oracle, SpecState, lock},
    specs,
};

/// Domain of the signature that a sample is drawn from.
pub const SAMPLE_DOMAIN: [u8; 16] = *b"io/sample/1.....";
/// Data that is still missing this share of the window (and at least and at most so many seconds) before its end counts as
/// unavailable: there must be time to object.
const MARGIN_PERCENT: i64 = 25;
const LEAST_MARGIN: i64 = 1;
const MOST_MARGIN: i64 = 60;
/// Longest reason that is stored, bytes.
const MAX_REASON: usize = 500;
/// Verdicts kept at hand.
const MAX_CACHED: usize = 100_000;

/// What is decided about a submission, once and for ever. The signature is made when it is asked for: it names the oracle
/// set, which may change; what it says may not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub valid: bool,
    pub output_hash: String,
    pub units: u64,
    pub epoch: u64,
    pub checked_steps: u64,
    pub total_steps: u64,
    pub reason: Option<String>,
    pub verify_ms: u64,
    pub sample_signature: Option<String>,
    /// Unix seconds by the chain's clock.
    pub at: i64,
}

impl Decision {
    pub fn verdict(&self) -> Verdict {
        if self.valid {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    /// Whether it was found about the submission that the chain shows now.
    pub fn is_about(&self, job: &Job) -> bool {
        self.output_hash == text::hash(&job.output_hash)
            && self.units == job.units
            && self.epoch == epoch_of(job.submitted_at)
    }
}

/// Decisions at hand, and the submissions that the database has none about: nobody but this process writes them there, so it is
/// asked once for each. The database has all of them.
#[derive(Default)]
pub struct Verdicts(Mutex<HashMap<(Pubkey, u64), Option<Decision>>>);

impl Verdicts {
    pub fn cached(&self, job: &Pubkey, created_slot: u64) -> Option<Decision> {
        lock(&self.0).get(&(*job, created_slot)).cloned().flatten()
    }

    /// Whether the database has been asked, and had none.
    fn has_none(&self, job: &Pubkey, created_slot: u64) -> bool {
        lock(&self.0)
            .get(&(*job, created_slot))
            .is_some_and(Option::is_none)
    }

    /// Notes that there is none, unless one was made meanwhile.
    fn none(&self, job: &Pubkey, created_slot: u64) {
        self.room().entry((*job, created_slot)).or_insert(None);
    }

    fn room(&self) -> std::sync::MutexGuard<'_, HashMap<(Pubkey, u64), Option<Decision>>> {
        let mut cache = lock(&self.0);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache
    }

    fn keep(&self, job: &Pubkey, created_slot: u64, decision: Decision) {
        self.room().insert((*job, created_slot), Some(decision));
    }
}

/// What this oracle has decided about a submission.
pub async fn decision(
    oracle: &Oracle,
    job: &Pubkey,
    created_slot: u64,
) -> Result<Option<Decision>> {
    if let Some(decision) = oracle.verdicts.cached(job, created_slot) {
        return Ok(Some(decision));
    }
    if oracle.verdicts.has_none(job, created_slot) {
        return Ok(None);
    }
    let Some(text) = oracle.db.verdict(&job.to_string(), created_slot).await? else {
        oracle.verdicts.none(job, created_slot);
        return Ok(None);
    };
    let decision: Decision = serde_json::from_str(&text).context("a stored verdict is damaged")?;
    oracle.verdicts.keep(job, created_slot, decision.clone());
    Ok(Some(decision))
}

/// Name of the time in the database at which it was made.
const MADE_AT: &str = "made_at";

/// Whether this oracle may give a verdict about a submission of that time. A database that was lost may have held one: about what
/// was submitted before this one was made it says nothing, so that it never says two things.
async fn may_judge(oracle: &Oracle, submitted_at: i64) -> Result<bool> {
    let text = oracle.db.meta(MADE_AT).await?;
    let made_at: i64 = text
        .context("the database does not say when it was made")?
        .parse()
        .context("the time in the database")?;
    Ok(submitted_at >= made_at)
}

/// Notes by the chain's clock when the database was made, at its first start.
pub async fn remember_start(oracle: &Oracle) -> Result<()> {
    if oracle.db.meta(MADE_AT).await?.is_none() {
        let now = oracle.clock.certain();
        oracle.db.set_meta(MADE_AT, &now.to_string()).await?;
    }
    Ok(())
}

/// Signs a decision for the oracle set of now.
pub fn attest(
    oracle: &Oracle,
    job: &Pubkey,
    created_slot: u64,
    decision: &Decision,
) -> Option<Attestation> {
    let set_version = oracle.index.set()?.version;
    let statement = ResultStatement {
        deployment: oracle.deployment,
        set_version,
        job: job.to_bytes(),
        created_slot,
        epoch: decision.epoch,
        verdict: decision.verdict(),
        output_hash: text::parse_hash(&decision.output_hash)?,
        units: decision.units,
    };
    Some(Attestation {
        oracle: oracle.key.to_string(),
        set_version,
        job: job.to_string(),
        created_slot,
        epoch: decision.epoch,
        verdict: if decision.valid {
            WireVerdict::Valid
        } else {
            WireVerdict::Invalid
        },
        output_hash: decision.output_hash.clone(),
        units: decision.units,
        signature: oracle.wallet.sign(&statement.to_bytes()).to_string(),
        checked_steps: decision.checked_steps,
        total_steps: decision.total_steps,
        reason: decision.reason.clone(),
        verify_ms: decision.verify_ms,
        sample_signature: decision.sample_signature.clone(),
    })
}

/// What this oracle signs to draw the sample for a submission.
pub fn sample_message(
    program: &Bytes32,
    cluster: &Bytes32,
    job: &Bytes32,
    created_slot: u64,
    output_hash: &Bytes32,
) -> Vec<u8> {
    let mut message = SAMPLE_DOMAIN.to_vec();
    message.extend(program);
    message.extend(cluster);
    message.extend(job);
    message.extend(created_slot.to_le_bytes());
    message.extend(output_hash);
    message
}

/// What checking came to.
#[derive(Debug)]
enum Outcome {
    Decided {
        valid: bool,
        checked: u64,
        total: u64,
        reason: Option<String>,
        sample: Option<[u8; 64]>,
        took_ms: u64,
    },
    /// This machine can't tell now.
    Unable(String),
}

fn invalid(reason: String) -> Outcome {
    Outcome::Decided {
        valid: false,
        checked: 0,
        total: 0,
        reason: Some(reason),
        sample: None,
        took_ms: 0,
    }
}

/// Decides about a submission, stores the decision, and tells the worker.
pub async fn verify(oracle: Arc<Oracle>, address: Pubkey, job: Job) {
    match decision(&oracle, &address, job.created_slot).await {
        Ok(None) => {}
        Ok(Some(_)) => return push(&oracle, &address, &job).await,
        Err(error) => {
            return tracing::error!(job = %address, error = %format!("{error:#}"), "can't read verdicts");
        }
    }
    // Its signature would count for nothing.
    if oracle.rank(&address).is_none() {
        return;
    }
    match may_judge(&oracle, job.submitted_at).await {
        Ok(true) => {}
        Ok(false) => {
            return tracing::warn!(job = %address, "no verdict: submitted before this database was made; the others decide");
        }
        Err(error) => {
            return tracing::error!(job = %address, error = %format!("{error:#}"), "no verdict: can't read the database");
        }
    }
    oracle.update_note(&address, job.created_slot, |note| note.verifying = true);
    let outcome = check(&oracle, &address, &job).await;
    if outcome.is_some() {
        oracle.update_note(&address, job.created_slot, |note| note.verifying = false);
    }
    let (valid, checked, total, reason, sample, took_ms) = match outcome {
        Some(Outcome::Decided {
            valid,
            checked,
            total,
            reason,
            sample,
            took_ms,
        }) => (valid, checked, total, reason, sample, took_ms),
        Some(Outcome::Unable(reason)) => {
            tracing::error!(job = %address, reason, "no verdict: this machine can't tell");
            return;
        }
        // The job has ended meanwhile.
        None => return,
    };
    let decision = Decision {
        valid,
        output_hash: text::hash(&job.output_hash),
        units: job.units,
        epoch: epoch_of(job.submitted_at),
        checked_steps: checked,
        total_steps: total,
        reason: reason.map(|mut reason| {
            while reason.len() > MAX_REASON {
                reason.pop();
            }
            reason
        }),
        verify_ms: took_ms,
        sample_signature: sample.map(|signature| text::signature(&signature)),
        at: oracle.clock.now(),
    };
    if let Err(error) = decide(&oracle, &address, job.created_slot, &decision).await {
        tracing::error!(job = %address, error = %format!("{error:#}"), "the verdict can't be stored, so it is not given");
        return;
    }
    let label = if valid { "valid" } else { "invalid" };
    oracle
        .metrics
        .verdicts
        .get_or_create(&[("verdict", label)])
        .inc();
    tracing::info!(job = %address, verdict = label, checked, total, took_ms, reason = decision.reason, "verified");
    push(&oracle, &address, &job).await;
    oracle.tell();
}

/// Checks a rejected job's result for its appeal, if this oracle has no verdict about it yet and the data is still to be had.
/// Without data it says nothing: what is gone now may have been there in time.
pub async fn review(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Result<Option<Decision>> {
    if let Some(found) = decision(oracle, address, job.created_slot).await? {
        return Ok(Some(found));
    }
    if !may_judge(oracle, job.submitted_at).await? {
        return Ok(None);
    }
    let outcome = match gather(oracle, address, job).await {
        Ok(spec) => run(oracle, address, job, spec).await,
        Err(_) => return Ok(None),
    };
    let Outcome::Decided {
        valid,
        checked,
        total,
        reason,
        sample,
        took_ms,
    } = outcome
    else {
        return Ok(None);
    };
    let found = Decision {
        valid,
        output_hash: text::hash(&job.output_hash),
        units: job.units,
        epoch: epoch_of(job.submitted_at),
        checked_steps: checked,
        total_steps: total,
        reason: reason.map(|reason| reason.chars().take(MAX_REASON / 4).collect()),
        verify_ms: took_ms,
        sample_signature: sample.map(|signature| text::signature(&signature)),
        at: oracle.clock.now(),
    };
    decide(oracle, address, job.created_slot, &found).await?;
    decision(oracle, address, job.created_slot).await
}

/// Stores a decision; what is stored already stays.
async fn decide(
    oracle: &Oracle,
    address: &Pubkey,
    created_slot: u64,
    decision: &Decision,
) -> Result<()> {
    let text = serde_json::to_string(decision)?;
    let stored = oracle
        .db
        .decide(&address.to_string(), created_slot, &text, unix_now())
        .await?;
    let stored: Decision = serde_json::from_str(&stored).context("a stored verdict is damaged")?;
    oracle.verdicts.keep(address, created_slot, stored);
    Ok(())
}

/// Sends the worker this oracle's verdict, if it is linked here.
pub async fn push(oracle: &Oracle, address: &Pubkey, job: &Job) {
    if let Some(decision) = oracle.verdicts.cached(address, job.created_slot)
        && let Some(attestation) = attest(oracle, address, job.created_slot, &decision)
    {
        oracle.links.send(
            &job.device,
            io_api::types::ToWorker::Attested { attestation },
        );
    }
}

/// When missing data counts as unavailable, by the chain's clock.
pub fn patience_ends(from: i64, until: i64) -> i64 {
    let margin =
        (until.saturating_sub(from).max(0) * MARGIN_PERCENT / 100).clamp(LEAST_MARGIN, MOST_MARGIN);
    until.saturating_sub(margin)
}

async fn check(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Option<Outcome> {
    let mut pause = specs::LOOK;
    loop {
        let now = oracle
            .index
            .job(address)
            .filter(|now| now.created_slot == job.created_slot)?;
        let ends = match now.state().ok()? {
            JobState::Submitted => patience_ends(job.submitted_at, now.challenge_until),
            JobState::Disputed => patience_ends(job.submitted_at, now.dispute_until),
            _ => return None,
        };
        let trouble = match gather(oracle, address, job).await {
            Ok(spec) => {
                // Whatever the check still has to do: when the job has ended, others need this machine.
                let outcome = tokio::select! {
                    outcome = run(oracle, address, job, spec) => outcome,
                    () = ended(oracle, address, job.created_slot) => return None,
                };
                match outcome {
                    Outcome::Unable(reason) => reason,
                    decided => return Some(decided),
                }
            }
            Err(Gap::Wrong(reason)) => return Some(invalid(reason)),
            Err(Gap::Missing(what)) => {
                if oracle.clock.now() >= ends {
                    return Some(invalid(format!(
                        "unavailable before the window's end: {what}"
                    )));
                }
                oracle.update_note(address, job.created_slot, |note| {
                    note.reason = Some(format!("waiting for {what}"))
                });
                what
            }
            // Not the device's fault: the keeper objects, so that silence does not pay for it.
            Err(Gap::Lacking(what)) => {
                oracle.update_note(address, job.created_slot, |note| {
                    note.reason = Some(format!("waiting for {what}"))
                });
                what
            }
        };
        // What this machine can't do it abstains from: others may.
        if oracle.clock.now() >= now.challenge_until.max(now.dispute_until) {
            return Some(Outcome::Unable(trouble));
        }
        let end = specs::until(oracle, ends);
        tokio::select! {
            () = specs::wait(oracle, pause) => {}
            () = sleep_until(end), if end > tokio::time::Instant::now() => {}
        }
        pause = specs::longer(pause);
    }
}

/// Returns once the job waits for no verdict any more.
async fn ended(oracle: &Oracle, address: &Pubkey, created_slot: u64) {
    let mut news = oracle.news.subscribe();
    while oracle.index.job(address).is_some_and(|now| {
        now.created_slot == created_slot
            && matches!(now.state(), Ok(JobState::Submitted | JobState::Disputed))
    }) && news.changed().await.is_ok()
    {}
}

enum Gap {
    /// Of the result, which its device must make available: in the end that counts against it.
    Missing(String),
    /// Of what the renter brought: no fault of the device's, so it is never held against it. The keeper objects without a
    /// verdict, and the escrow goes back when nobody could decide.
    Lacking(String),
    /// The result, or what it is about, is wrong.
    Wrong(String),
}

/// Brings everything that a check needs here.
async fn gather(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Result<Arc<JobSpec>, Gap> {
    let spec = match oracle.note(address).spec {
        SpecState::Ready(spec) => spec,
        _ => {
            specs::pull(oracle, &job.spec_hash, io_engines::limits::MAX_SPEC_BYTES).await;
            match specs::read(oracle, job).await {
                Ok(Some(spec)) => Arc::new(spec),
                Ok(None) => {
                    return Err(Gap::Lacking(format!(
                        "the spec {}",
                        text::hash(&job.spec_hash)
                    )));
                }
                Err(reason) => return Err(Gap::Wrong(format!("the spec is wrong: {reason}"))),
            }
        }
    };
    let inputs: Vec<_> = spec
        .blobs()
        .iter()
        .map(|blob| (blob.hash.0, blob.size))
        .collect();
    if let Some(hash) = specs::missing(oracle, &inputs).await.first() {
        return Err(Gap::Lacking(format!("the input {}", text::hash(hash))));
    }
    if !specs::pull(oracle, &job.output_hash, MAX_MANIFEST_BYTES).await {
        // A blob of that name that is no manifest: the engine says what is wrong with it.
        if oracle.blobs.has(&job.output_hash) {
            return Ok(spec);
        }
        return Err(Gap::Missing(format!(
            "the result's manifest {}",
            text::hash(&job.output_hash)
        )));
    }
    if let Ok(manifest) = Manifest::load(&oracle.blobs, &BlobHash(job.output_hash)) {
        let files: Vec<_> = manifest
            .files
            .iter()
            .map(|file| (file.hash.0, file.size))
            .collect();
        if let Some(hash) = specs::missing(oracle, &files).await.first() {
            return Err(Gap::Missing(format!(
                "the result's file {}",
                text::hash(hash)
            )));
        }
    }
    Ok(spec)
}

/// Runs the check itself, on a thread that may be busy for long.
async fn run(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job, spec: Arc<JobSpec>) -> Outcome {
    let _turn = oracle.verifying.take(job.exposure).await;
    let (program, cluster) = (oracle.deployment.program, oracle.deployment.cluster);
    let message = sample_message(
        &program,
        &cluster,
        &address.to_bytes(),
        job.created_slot,
        &job.output_hash,
    );
    let signature: [u8; 64] = oracle.wallet.sign(&message).into();
    let seed = io_proof::sample_seed(
        &address.to_bytes(),
        &job.trace_root,
        &job.output_hash,
        &[&signature],
    );
    let count = match oracle.config.sample_steps {
        0 => io_engines::embed::DEFAULT_SAMPLE,
        steps => steps,
    };
    let claim = Claim {
        output_hash: BlobHash(job.output_hash),
        trace_root: job.trace_root,
        units: job.units,
    };
    let cancel = CancelToken::new();
    let (mine, job_id, threads) = (
        cancel.clone(),
        address.to_bytes(),
        oracle.config.verify_threads,
    );
    let me = oracle.clone();
    let start = Instant::now();
    let work = tokio::task::spawn_blocking(move || {
        let control = Control {
            job: job_id,
            progress: &|_| {},
            cancel: mine,
            threads,
        };
        let blobs = FirstOf(&[&me.blobs, &me.models]);
        me.engines
            .get(&spec)
            .verify(&spec, &blobs, &claim, &Sampling { seed, count }, &control)
    });
    // Dropped with this task: the thread ends within a second.
    let _stop = CancelOnDrop(cancel);
    let verdict = match work.await {
        Ok(verdict) => verdict,
        Err(error) => return Outcome::Unable(format!("the check broke off: {error}")),
    };
    let took = start.elapsed();
    oracle.metrics.verify_seconds.observe(took.as_secs_f64());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    judge(verdict, job.units, signature, took_ms)
}

/// What an engine's verdict means for a submission of so many units. Pure.
fn judge(verdict: EngineVerdict, units: u64, signature: [u8; 64], took_ms: u64) -> Outcome {
    match verdict {
        EngineVerdict::Accept(checked) if checked.units != units => Outcome::Decided {
            valid: false,
            checked: checked.checked,
            total: checked.steps,
            reason: Some(format!(
                "{} units are right for this job, {} were submitted",
                checked.units, units
            )),
            sample: Some(signature),
            took_ms,
        },
        EngineVerdict::Accept(checked) => Outcome::Decided {
            valid: true,
            checked: checked.checked,
            total: checked.steps,
            reason: None,
            sample: (checked.checked < checked.steps).then_some(signature),
            took_ms,
        },
        EngineVerdict::Reject(rejection) => Outcome::Decided {
            valid: false,
            checked: 0,
            total: 0,
            reason: Some(format!("{:?}: {}", rejection.reason, rejection.detail)),
            sample: Some(signature),
            took_ms,
        },
        EngineVerdict::Inconclusive { reason } => Outcome::Unable(reason),
    }
}

struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_leaves_time_to_object() {
        assert_eq!(patience_ends(0, 1_000), 940);
        assert_eq!(patience_ends(0, 100), 75);
        assert_eq!(patience_ends(0, 3), 2);
        assert_eq!(patience_ends(50, 50), 49);
        assert_eq!(patience_ends(i64::MAX, i64::MIN), i64::MIN);
    }

    /// The units that are paid are those of the work, whatever an engine thought of everything else.
    #[test]
    fn other_units_than_the_works_are_invalid() {
        let accepted = |units| {
            EngineVerdict::Accept(io_engines::Checked {
                units,
                steps: 9,
                checked: 3,
                worst_cosine: None,
            })
        };
        let valid = |verdict| match judge(verdict, 5, [1; 64], 0) {
            Outcome::Decided { valid, reason, .. } => (valid, reason.unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        assert_eq!(valid(accepted(5)), (true, String::new()));
        for units in [4, 6, 0, u64::MAX] {
            let (valid, reason) = valid(accepted(units));
            assert!(!valid && reason.contains("5 were submitted"), "{reason}");
        }
        let unable = EngineVerdict::Inconclusive { reason: "x".into() };
        assert!(matches!(
            judge(unable, 5, [1; 64], 0),
            Outcome::Unable(reason) if reason == "x"
        ));
    }

    /// The database is asked once about each submission, and what is decided meanwhile is never forgotten over it.
    #[test]
    fn that_there_is_no_decision_is_remembered_until_there_is_one() {
        let (verdicts, job) = (Verdicts::default(), Pubkey::new_from_array([1; 32]));
        assert!(!verdicts.has_none(&job, 1));
        verdicts.none(&job, 1);
        assert!(verdicts.has_none(&job, 1) && !verdicts.has_none(&job, 2));
        assert_eq!(verdicts.cached(&job, 1), None);
        let decision = Decision {
            valid: true,
            output_hash: String::new(),
            units: 1,
            epoch: 0,
            checked_steps: 1,
            total_steps: 1,
            reason: None,
            verify_ms: 1,
            sample_signature: None,
            at: 1,
        };
        verdicts.keep(&job, 1, decision.clone());
        // A question that was asked before comes back after.
        verdicts.none(&job, 1);
        assert!(!verdicts.has_none(&job, 1));
        assert_eq!(verdicts.cached(&job, 1), Some(decision));
    }

    #[test]
    fn a_sample_belongs_to_one_submission() {
        let base = sample_message(&[1; 32], &[2; 32], &[3; 32], 4, &[5; 32]);
        let others = [
            sample_message(&[9; 32], &[2; 32], &[3; 32], 4, &[5; 32]),
            sample_message(&[1; 32], &[9; 32], &[3; 32], 4, &[5; 32]),
            sample_message(&[1; 32], &[2; 32], &[9; 32], 4, &[5; 32]),
            sample_message(&[1; 32], &[2; 32], &[3; 32], 9, &[5; 32]),
            sample_message(&[1; 32], &[2; 32], &[3; 32], 4, &[9; 32]),
        ];
        assert!(
            others
                .iter()
                .all(|other| *other != base && other.len() == base.len())
        );
    }
}
