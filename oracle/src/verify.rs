//! Verifying a submission: fetch what it names, run it again (all of it or an unforeseeable sample), and decide once. When somebody
//! disputes the result, an oracle that has only looked at its form runs it, and decides once more: the two verdicts are statements of
//! different domains, and only the second counts from then on.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use anyhow::{Context, Result};
use io_api::{
    text,
    types::{Attestation, Audit, WireVerdict},
};
use io_client::{
    Pubkey, audit,
    io_network::state::{Job, JobState, VerificationClass},
    vrf::Proof,
};
use io_engines::{
    BlobHash, CancelToken, Claim, Control, FirstOf, JobSpec, Manifest, RejectReason, Sampling,
    Verdict as EngineVerdict,
    limits::{MAX_MANIFEST_BYTES, MAX_WRONG_STEPS},
};
use io_protocol::messages::{ResultStatement, Verdict, epoch_of};
use serde::{Deserialize, Serialize};
use tokio::time::{sleep_until, timeout};

use crate::{
    blobs::unix_now,
    keeper::endorsement,
    oracle::{Oracle, SpecState, lock},
    specs,
};

/// Floating point differs between machines, so a mismatch is looked at again with so many times the sample before it is one.
const ESCALATION: u32 = 8;
/// Longest wait for a peer's verdict about a disputed job.
const PEER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);
/// Data that is still missing this share of the window (and at least and at most so many seconds) before its end counts as
/// unavailable: there must be time to object.
const MARGIN_PERCENT: i64 = 25;
const LEAST_MARGIN: i64 = 1;
const MOST_MARGIN: i64 = 60;
/// Longest reason that is stored, bytes.
const MAX_REASON: usize = 500;
/// Verdicts kept at hand.
const MAX_CACHED: usize = 100_000;
/// Pauses while a check that began before a dispute is waited for.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_millis(100);

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
    #[serde(default)]
    pub sample_proof: Option<String>,
    #[serde(default)]
    pub audit: Option<Audit>,
    #[serde(default)]
    pub wrong_steps: Vec<u64>,
    /// Whether it rests on numbers that another machine could see otherwise: then only those who re-ran the same steps reject
    /// together.
    #[serde(default)]
    pub tolerant: bool,
    /// Whether it is about the dispute over the submission.
    #[serde(default)]
    pub disputed: bool,
    /// Unix seconds by the chain's clock.
    pub at: i64,
}

impl Decision {
    fn new(checked: Checked, job: &Job, at: i64) -> Self {
        Self {
            valid: checked.valid,
            output_hash: text::hash(&job.output_hash),
            units: job.units,
            epoch: epoch_of(job.submitted_at),
            checked_steps: checked.checked,
            total_steps: checked.total,
            reason: checked.reason.map(|mut reason| {
                reason.truncate(reason.floor_char_boundary(MAX_REASON));
                reason
            }),
            verify_ms: checked.took_ms,
            sample_proof: checked.sample.map(|proof| text::proof(&proof)),
            audit: checked.audit,
            wrong_steps: checked.wrong_steps,
            tolerant: checked.tolerant,
            disputed: job.was_disputed(),
            at,
        }
    }

    pub fn verdict(&self) -> Verdict {
        if self.valid {
            Verdict::Valid
        } else {
            Verdict::Invalid
        }
    }

    /// Whether it and somebody else's verdict rest on the same step.
    fn shares_a_wrong_step(&self, theirs: &[u64]) -> bool {
        self.wrong_steps.iter().any(|step| theirs.contains(step))
    }

    /// Whether this oracle signed for the result's form and never ran it.
    pub fn is_of_form_only(&self) -> bool {
        self.valid && !self.audit.as_ref().is_some_and(|audit| audit.audited)
    }

    /// Whether what was found before a dispute answers it as well, when peers found these steps of a job of this class wrong: something
    /// wrong, or the whole work right. A sample says nothing of steps that aren't in it.
    fn answers_a_dispute(&self, verification: u8, suspected: &[u64]) -> bool {
        let sampled = verification == VerificationClass::Tolerant as u8;
        !self.valid || !self.is_of_form_only() && (!sampled || suspected.is_empty())
    }

    /// Whether it was found about the submission that the chain shows now.
    pub fn is_about(&self, job: &Job) -> bool {
        self.output_hash == text::hash(&job.output_hash)
            && self.units == job.units
            && self.epoch == epoch_of(job.submitted_at)
    }
}

/// A job, the slot of its creation, and steps that a peer found wrong.
type Suspicion = (Pubkey, u64, Vec<u64>);

/// A job, the slot of its creation, and whether it is about the dispute over its result.
type Question = (Pubkey, u64, bool);

/// Decisions at hand, and the questions that the database has none about: nobody but this process writes them there, so it is
/// asked once for each. The database has all of them.
#[derive(Default)]
pub struct Verdicts {
    decisions: Mutex<HashMap<Question, Option<Decision>>>,
    /// Whether steps that a peer found wrong are wrong here.
    confirmed: Mutex<HashMap<Suspicion, bool>>,
}

impl Verdicts {
    fn cached(&self, question: &Question) -> Option<Decision> {
        lock(&self.decisions).get(question).cloned().flatten()
    }

    /// Whether the database has been asked, and had none.
    fn has_none(&self, question: &Question) -> bool {
        lock(&self.decisions)
            .get(question)
            .is_some_and(Option::is_none)
    }

    /// Notes that there is none, unless one was made meanwhile.
    fn none(&self, question: Question) {
        self.room().entry(question).or_insert(None);
    }

    fn room(&self) -> std::sync::MutexGuard<'_, HashMap<Question, Option<Decision>>> {
        let mut cache = lock(&self.decisions);
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache
    }

    fn keep(&self, question: Question, decision: Decision) {
        self.room().insert(question, Some(decision));
    }
}

/// What this oracle has decided about a submission, or about the dispute over it.
pub async fn decision(
    oracle: &Oracle,
    job: &Pubkey,
    created_slot: u64,
    disputed: bool,
) -> Result<Option<Decision>> {
    let question = (*job, created_slot, disputed);
    if let Some(decision) = oracle.verdicts.cached(&question) {
        return Ok(Some(decision));
    }
    if oracle.verdicts.has_none(&question) {
        return Ok(None);
    }
    let stored = oracle
        .db
        .verdict(&job.to_string(), created_slot, disputed)
        .await?;
    let Some(text) = stored else {
        oracle.verdicts.none(question);
        return Ok(None);
    };
    let decision: Decision = serde_json::from_str(&text).context("a stored verdict is damaged")?;
    oracle.verdicts.keep(question, decision.clone());
    Ok(Some(decision))
}

/// What it has decided that counts for a job as it stands: once somebody has disputed the result, only what it found then.
pub async fn verdict(oracle: &Oracle, address: &Pubkey, job: &Job) -> Result<Option<Decision>> {
    decision(oracle, address, job.created_slot, job.was_disputed()).await
}

/// The newest that it has decided: about the dispute, if there was one.
pub async fn last_word(
    oracle: &Oracle,
    job: &Pubkey,
    created_slot: u64,
) -> Result<Option<Decision>> {
    match decision(oracle, job, created_slot, true).await? {
        Some(found) => Ok(Some(found)),
        None => decision(oracle, job, created_slot, false).await,
    }
}

/// Names the task that decides about a submission, or about the dispute over it.
pub fn task(job: &Pubkey, created_slot: u64, disputed: bool) -> String {
    format!("verify:{job}:{created_slot}:{disputed}")
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
        disputed: decision.disputed,
    };
    let mut said = Attestation {
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
        disputed: decision.disputed,
        signature: oracle.wallet.sign(&statement.to_bytes()).to_string(),
        checked_steps: decision.checked_steps,
        total_steps: decision.total_steps,
        reason: decision.reason.clone(),
        verify_ms: decision.verify_ms,
        sample_proof: decision.sample_proof.clone(),
        audit: decision.audit.clone(),
        audit_signature: None,
        wrong_steps: decision.wrong_steps.clone(),
    };
    // What it did is stored with what it found, and never another.
    let did = said.audit_statement(&statement).to_bytes();
    said.audit_signature = Some(oracle.wallet.sign(&did).to_string());
    Some(said)
}

/// What checking came to.
#[derive(Debug)]
enum Outcome {
    Decided(Checked),
    /// This machine can't tell now.
    Unable(String),
}

#[derive(Debug, Default)]
struct Checked {
    valid: bool,
    checked: u64,
    total: u64,
    reason: Option<String>,
    wrong_steps: Vec<u64>,
    tolerant: bool,
    sample: Option<Proof>,
    audit: Option<Audit>,
    took_ms: u64,
}

fn invalid(reason: String) -> Outcome {
    Outcome::Decided(Checked {
        reason: Some(reason),
        ..Checked::default()
    })
}

/// Since when nothing can have been signed of what a job asks about now: its submission, or the dispute. Unix seconds.
fn asked_since(job: &Job) -> i64 {
    match job.was_disputed() {
        false => job.submitted_at,
        true => job.dispute_until.saturating_sub(job.dispute_window()),
    }
}

/// What this oracle found before a dispute, if that answers it. A check that had begun is waited for: it has seen the dispute, and
/// runs the work.
async fn answered_before(oracle: &Oracle, address: &Pubkey, job: &Job) -> Result<Option<Decision>> {
    while oracle.is_busy(&task(address, job.created_slot, false)) {
        if !oracle.pause(LOOK_AGAIN).await {
            return Ok(None);
        }
    }
    let Some(found) = decision(oracle, address, job.created_slot, false)
        .await?
        .filter(|found| found.is_about(job) && !found.is_of_form_only())
    else {
        return Ok(None);
    };
    let suspected = match found.answers_a_dispute(job.verification, &[0]) {
        true => Vec::new(),
        // It hangs on whether anybody found a step wrong.
        false => suspected(oracle, address, job).await,
    };
    Ok(Some(found).filter(|found| found.answers_a_dispute(job.verification, &suspected)))
}

/// Decides about a submission, or about the dispute over it, stores the decision, and tells the worker.
pub async fn verify(oracle: Arc<Oracle>, address: Pubkey, job: Job) {
    match verdict(&oracle, &address, &job).await {
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
    match oracle.db.was_there_at(asked_since(&job)).await {
        Ok(true) => {}
        Ok(false) => {
            return tracing::warn!(job = %address, "no verdict: submitted before this database was made; the others decide");
        }
        Err(error) => {
            return tracing::error!(job = %address, error = %format!("{error:#}"), "no verdict: can't read the database");
        }
    }
    let earlier = match job.was_disputed() {
        true => answered_before(&oracle, &address, &job).await,
        false => Ok(None),
    };
    let decision = match earlier {
        Ok(Some(earlier)) => Decision {
            disputed: true,
            at: oracle.clock.now(),
            ..earlier
        },
        Ok(None) => match found(&oracle, &address, &job).await {
            Some(found) => found,
            None => return,
        },
        Err(error) => {
            return tracing::error!(job = %address, error = %format!("{error:#}"), "can't read verdicts");
        }
    };
    if let Err(error) = decide(&oracle, &address, job.created_slot, &decision).await {
        tracing::error!(job = %address, error = %format!("{error:#}"), "the verdict can't be stored, so it is not given");
        return;
    }
    let label = if decision.valid { "valid" } else { "invalid" };
    oracle
        .metrics
        .verdicts
        .get_or_create(&[("verdict", label)])
        .inc();
    if let Some(audit) = &decision.audit {
        let kind = if audit.audited { "audited" } else { "form" };
        oracle.metrics.audits.get_or_create(&[("kind", kind)]).inc();
    }
    tracing::info!(
        job = %address,
        verdict = label,
        disputed = decision.disputed,
        checked = decision.checked_steps,
        total = decision.total_steps,
        took_ms = decision.verify_ms,
        reason = decision.reason,
        "verified"
    );
    push(&oracle, &address, &job).await;
    oracle.tell();
}

/// Checks a submission. `None`: the job has ended meanwhile, or this machine can't tell.
async fn found(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Option<Decision> {
    oracle.update_note(address, job.created_slot, |note| note.verifying = true);
    let outcome = check(oracle, address, job).await?;
    oracle.update_note(address, job.created_slot, |note| note.verifying = false);
    match outcome {
        Outcome::Decided(checked) => Some(Decision::new(checked, job, oracle.clock.now())),
        Outcome::Unable(reason) => {
            tracing::error!(job = %address, reason, "no verdict: this machine can't tell");
            None
        }
    }
}

/// What a rejected job's appeal is decided by: this oracle's verdict about the result if that rests on running it, else a full check
/// now. A Valid that was given for the form alone stays what is decided and signed about the job, but says nothing about an appeal.
/// Without data it says nothing: what is gone now may have been there in time.
pub async fn review(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Result<Option<Decision>> {
    let given = last_word(oracle, address, job.created_slot).await?;
    if given.as_ref().is_some_and(|found| !found.is_of_form_only()) {
        return Ok(given);
    }
    if given.is_none() && !oracle.db.was_there_at(job.submitted_at).await? {
        return Ok(None);
    }
    let outcome = match gather(oracle, address, job).await {
        Ok(spec) => run(oracle, address, job, spec, true).await,
        Err(_) => return Ok(None),
    };
    let Outcome::Decided(checked) = outcome else {
        return Ok(None);
    };
    let found = Decision::new(checked, job, oracle.clock.now());
    if given.is_some() {
        return Ok(Some(found));
    }
    decide(oracle, address, job.created_slot, &found).await?;
    verdict(oracle, address, job).await
}

/// Stores a decision; what is stored already stays.
async fn decide(
    oracle: &Oracle,
    address: &Pubkey,
    created_slot: u64,
    decision: &Decision,
) -> Result<()> {
    let text = serde_json::to_string(decision)?;
    let disputed = decision.disputed;
    let stored = oracle
        .db
        .decide(
            &address.to_string(),
            created_slot,
            disputed,
            &text,
            unix_now(),
        )
        .await?;
    let stored: Decision = serde_json::from_str(&stored).context("a stored verdict is damaged")?;
    oracle
        .verdicts
        .keep((*address, created_slot, disputed), stored);
    Ok(())
}

/// Sends the worker this oracle's verdict that counts now, if it is linked here.
pub async fn push(oracle: &Oracle, address: &Pubkey, job: &Job) {
    let disputed = job.was_disputed() || objected(oracle, address, job);
    if let Some(decision) = oracle
        .verdicts
        .cached(&(*address, job.created_slot, disputed))
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
                    outcome = run(oracle, address, job, spec, job.was_disputed()) => outcome,
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

pub enum Gap {
    /// Of the result, which its device must make available: in the end that counts against it.
    Missing(String),
    /// Of what the renter brought: no fault of the device's, so it is never held against it. The keeper objects without a
    /// verdict, and the escrow goes back when nobody could decide.
    Lacking(String),
    /// The result, or what it is about, is wrong.
    Wrong(String),
}

/// Brings everything that a check needs here.
pub async fn gather(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
) -> Result<Arc<JobSpec>, Gap> {
    let note = oracle.note(address);
    let spec = match note.spec {
        SpecState::Ready(spec) if note.created_slot == job.created_slot => spec,
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

/// Runs the check itself: an audit if it must be one, if this oracle's key draws one or if somebody objects, else a look at
/// the form.
async fn run(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
    spec: Arc<JobSpec>,
    must_audit: bool,
) -> Outcome {
    let _turn = oracle.verifying.take(job.exposure).await;
    let message = audit::sample_message(
        &oracle.deployment,
        &address.to_bytes(),
        job.created_slot,
        &job.output_hash,
    );
    let Some((proof, output)) = oracle.wallet.draw(&message) else {
        return Outcome::Unable("this key draws nothing for the submission".to_owned());
    };
    let (reputation_bps, oracles, quorum) = drawn_from(oracle, job);
    let audit::Draw {
        seed,
        rate_ppm,
        audits: drawn,
    } = audit::draw(
        &address.to_bytes(),
        job,
        &output,
        reputation_bps,
        oracles,
        quorum,
    );
    let count = match oracle.config.sample_steps {
        0 => io_engines::embed::DEFAULT_SAMPLE,
        steps => steps,
    };
    let start = Instant::now();
    let mut audited = must_audit || drawn || objected(oracle, address, job);
    let mut also = if must_audit || objected(oracle, address, job) {
        suspected(oracle, address, job).await
    } else {
        Vec::new()
    };
    let sampling = |audit, count, also: &Vec<u64>| Sampling {
        seed,
        count,
        also: also.clone(),
        audit,
    };
    let mut found = verify_once(oracle, address, job, &spec, sampling(audited, count, &also)).await;
    if !audited && objected(oracle, address, job) {
        // Meanwhile: whoever has not decided yet looks into it.
        audited = true;
        also = suspected(oracle, address, job).await;
        found = verify_once(oracle, address, job, &spec, sampling(true, count, &also)).await;
    }
    if let EngineVerdict::Reject(rejection) = &found
        && rejection.reason == RejectReason::Mismatch
    {
        tracing::info!(job = %address, detail = rejection.detail, "a mismatch: checking more of it");
        also.extend(&rejection.steps);
        let more = count.saturating_mul(ESCALATION);
        found = verify_once(oracle, address, job, &spec, sampling(true, more, &also)).await;
    }
    let took = start.elapsed();
    oracle.metrics.verify_seconds.observe(took.as_secs_f64());
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    match judge(found, job.units) {
        Outcome::Decided(checked) => Outcome::Decided(Checked {
            sample: Some(proof),
            audit: Some(Audit {
                audited,
                rate_ppm,
                reputation_bps,
            }),
            took_ms,
            ..checked
        }),
        unable => unable,
    }
}

/// What the chance of an audit follows from, beside the job: the device's reputation (one that isn't known has none), the number of oracles
/// and their quorum.
fn drawn_from(oracle: &Oracle, job: &Job) -> (u16, u32, u32) {
    let reputation = {
        let tables = oracle.index.read();
        match (
            tables.devices.get(&job.device),
            tables.providers.get(&job.provider),
        ) {
            (Some(device), Some(provider)) => device.reputation_bps(provider, job.submitted_at),
            _ => 0,
        }
    };
    let (oracles, quorum) = oracle
        .index
        .set()
        .map_or((1, 1), |set| (set.count.into(), set.quorum.into()));
    (reputation, oracles, quorum)
}

/// Whether somebody has disputed the result.
fn objected(oracle: &Oracle, address: &Pubkey, job: &Job) -> bool {
    oracle.index.job(address).is_some_and(|now| {
        now.created_slot == job.created_slot && matches!(now.state(), Ok(JobState::Disputed))
    })
}

/// Steps of a disputed or rejected job that other oracles found wrong, under their signatures: where to look, and no more.
async fn suspected(oracle: &Oracle, address: &Pubkey, job: &Job) -> Vec<u64> {
    let mut steps = Vec::new();
    let Some(set) = oracle.index.set() else {
        return steps;
    };
    let statement = job.statement(address, oracle.deployment, set.version, Verdict::Invalid);
    for (key, peer) in oracle.peers.known() {
        let Ok(Ok(Some(theirs))) =
            timeout(PEER_TIMEOUT, peer.attestation(&address.to_bytes())).await
        else {
            continue;
        };
        // From before the dispute, or about it: either says where to look.
        let said = ResultStatement {
            disputed: theirs.disputed,
            ..statement
        }
        .to_bytes();
        if endorsement(&key, &theirs, &set, &said, Verdict::Invalid).is_some() {
            steps.extend(theirs.wrong_steps.into_iter().take(MAX_WRONG_STEPS));
        }
    }
    steps
}

/// Whether an Invalid of a peer rests on steps that were found wrong here too: by this oracle's own check, or by running just those
/// again now.
pub async fn confirms(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
    own: &Decision,
    theirs: &[u64],
) -> bool {
    if own.shares_a_wrong_step(theirs) {
        return true;
    }
    let steps: Vec<u64> = theirs.iter().copied().take(MAX_WRONG_STEPS).collect();
    if steps.is_empty() {
        return false;
    }
    let key = (*address, job.created_slot, steps.clone());
    if let Some(known) = lock(&oracle.verdicts.confirmed).get(&key) {
        return *known;
    }
    let Ok(spec) = gather(oracle, address, job).await else {
        return false;
    };
    let sampling = Sampling {
        seed: [0; 32],
        count: 0,
        also: steps,
        audit: true,
    };
    let found = match verify_once(oracle, address, job, &spec, sampling).await {
        EngineVerdict::Inconclusive { .. } => return false,
        EngineVerdict::Reject(rejection) => rejection.reason == RejectReason::Mismatch,
        EngineVerdict::Accept(_) => false,
    };
    tracing::info!(job = %address, found, "re-ran the steps that a peer found wrong");
    let mut confirmed = lock(&oracle.verdicts.confirmed);
    if confirmed.len() >= MAX_CACHED {
        confirmed.clear();
    }
    confirmed.insert(key, found);
    found
}

/// One check by the engine, on a thread that may be busy for long.
pub async fn verify_once(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
    spec: &Arc<JobSpec>,
    sampling: Sampling,
) -> EngineVerdict {
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
    let (me, spec) = (oracle.clone(), spec.clone());
    let work = tokio::task::spawn_blocking(move || {
        let control = Control {
            job: job_id,
            progress: &|_| {},
            cancel: mine,
            threads,
            canary: false,
        };
        let blobs = FirstOf(&[&me.blobs, &me.models]);
        me.engines
            .get(&spec)
            .verify(&spec, &blobs, &claim, &sampling, &control)
    });
    // Dropped with this task: the thread ends within a second.
    let _stop = CancelOnDrop(cancel);
    work.await
        .unwrap_or_else(|error| EngineVerdict::Inconclusive {
            reason: format!("the check broke off: {error}"),
        })
}

/// What an engine's verdict means for a submission of so many units. Pure.
fn judge(verdict: EngineVerdict, units: u64) -> Outcome {
    match verdict {
        EngineVerdict::Accept(checked) if checked.units != units => Outcome::Decided(Checked {
            checked: checked.checked,
            total: checked.steps,
            reason: Some(format!(
                "{} units are right for this job, {} were submitted",
                checked.units, units
            )),
            ..Checked::default()
        }),
        EngineVerdict::Accept(checked) => Outcome::Decided(Checked {
            valid: true,
            checked: checked.checked,
            total: checked.steps,
            ..Checked::default()
        }),
        EngineVerdict::Reject(rejection) => Outcome::Decided(Checked {
            reason: Some(format!("{:?}: {}", rejection.reason, rejection.detail)),
            tolerant: !rejection.reason.is_objective(),
            wrong_steps: rejection.steps,
            ..Checked::default()
        }),
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
    use bytemuck::Zeroable as _;

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
                worst: None,
            })
        };
        let valid = |verdict| match judge(verdict, 5) {
            Outcome::Decided(checked) => (checked.valid, checked.reason.unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        assert_eq!(valid(accepted(5)), (true, String::new()));
        for units in [4, 6, 0, u64::MAX] {
            let (valid, reason) = valid(accepted(units));
            assert!(!valid && reason.contains("5 were submitted"), "{reason}");
        }
        let unable = EngineVerdict::Inconclusive { reason: "x".into() };
        assert!(matches!(
            judge(unable, 5),
            Outcome::Unable(reason) if reason == "x"
        ));
    }

    /// The database is asked once about each submission, and what is decided meanwhile is never forgotten over it.
    #[test]
    fn that_there_is_no_decision_is_remembered_until_there_is_one() {
        let (verdicts, job) = (Verdicts::default(), Pubkey::new_from_array([1; 32]));
        let question = (job, 1, false);
        assert!(!verdicts.has_none(&question));
        verdicts.none(question);
        assert!(verdicts.has_none(&question) && !verdicts.has_none(&(job, 2, false)));
        assert!(!verdicts.has_none(&(job, 1, true)), "another question");
        assert_eq!(verdicts.cached(&question), None);
        let decision = Decision {
            valid: true,
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
            at: 1,
        };
        verdicts.keep(question, decision.clone());
        // A question that was asked before comes back after.
        verdicts.none(question);
        assert!(!verdicts.has_none(&question));
        assert_eq!(verdicts.cached(&question), Some(decision));
        assert_eq!(verdicts.cached(&(job, 1, true)), None);
    }

    /// What was found, by an audit or not; `None` as it was stored before that was said.
    fn found(valid: bool, audited: Option<bool>) -> Decision {
        let checked = Checked {
            valid,
            audit: audited.map(|audited| Audit {
                audited,
                rate_ppm: 1,
                reputation_bps: 1,
            }),
            ..Checked::default()
        };
        Decision::new(checked, &Job::zeroed(), 0)
    }

    /// An oracle that has run the work, or found the result wrong, has answered a dispute before it is raised; one that vouched for the
    /// form has not, and neither has one whose sample leaves out what another found wrong.
    #[test]
    fn a_look_at_the_form_answers_no_dispute() {
        let (exact, tolerant) = (
            VerificationClass::Exact as u8,
            VerificationClass::Tolerant as u8,
        );
        for class in [exact, tolerant] {
            for suspected in [&[][..], &[7]] {
                for form in [None, Some(false)] {
                    assert!(!found(true, form).answers_a_dispute(class, suspected));
                }
                for audited in [None, Some(false), Some(true)] {
                    assert!(found(false, audited).answers_a_dispute(class, suspected));
                }
            }
        }
        let ran = found(true, Some(true));
        assert!(ran.answers_a_dispute(exact, &[]) && ran.answers_a_dispute(exact, &[7]));
        assert!(ran.answers_a_dispute(tolerant, &[]));
        assert!(!ran.answers_a_dispute(tolerant, &[7]));
    }

    /// What is decided about a dispute is told apart from what was decided before it, and asked for as of the dispute.
    #[test]
    fn a_decision_knows_what_it_is_about() {
        let submitted = Job {
            accepted_at: 90,
            submitted_at: 100,
            dispute_until: 0,
            dispute_seconds: 30,
            ..Job::zeroed()
        };
        let disputed = Job {
            challenger: Pubkey::new_from_array([1; 32]),
            dispute_until: 190,
            ..submitted
        };
        let decide = |job: &Job| Decision::new(Checked::default(), job, 0);
        assert!(!decide(&submitted).disputed && decide(&disputed).disputed);
        assert_eq!(
            (asked_since(&submitted), asked_since(&disputed)),
            (100, 140)
        );
        // As it was stored before there were two.
        let mut stored = serde_json::to_value(decide(&submitted)).unwrap();
        stored.as_object_mut().unwrap().remove("disputed");
        let read: Decision = serde_json::from_value(stored).unwrap();
        assert_eq!(read, decide(&submitted));
    }

    /// A Valid that rests on no run is told from one that does; what was found wrong stands however it was found.
    #[test]
    fn a_valid_of_form_only_is_known() {
        assert!(found(true, Some(false)).is_of_form_only());
        assert!(found(true, None).is_of_form_only());
        assert!(!found(true, Some(true)).is_of_form_only());
        for audited in [None, Some(false), Some(true)] {
            assert!(!found(false, audited).is_of_form_only());
        }
    }

    /// Two oracles that found different passages of one result wrong have not seen the same.
    #[test]
    fn a_mismatch_names_its_steps_and_is_shared_only_with_those_who_saw_one_of_them() {
        let rejected = |reason, steps: &[u64]| {
            let rejection = io_engines::Rejection {
                reason,
                detail: "x".into(),
                steps: steps.to_vec(),
            };
            match judge(EngineVerdict::Reject(rejection), 5) {
                Outcome::Decided(checked) => Decision::new(checked, &Job::zeroed(), 0),
                other => panic!("{other:?}"),
            }
        };
        let mismatch = rejected(RejectReason::Mismatch, &[3, 9]);
        assert!(mismatch.tolerant && !mismatch.valid);
        assert_eq!(mismatch.wrong_steps, [3, 9]);
        assert!(mismatch.shares_a_wrong_step(&[1, 9]));
        assert!(!mismatch.shares_a_wrong_step(&[1, 2]));
        assert!(!mismatch.shares_a_wrong_step(&[]));
        // What is wrong for everybody needs no second look.
        assert!(!rejected(RejectReason::Differs, &[3]).tolerant);
    }
}
