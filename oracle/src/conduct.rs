//! Other oracles' conduct: whether one that signed that it ran a job, and that the result is right, can have run it.
//!
//! An exact job has one right result, and whoever ran it knows it. So this oracle checks the result as it would for a verdict of its own,
//! by running the job up to the first step that differs. Where one does, and it is nothing that depends on the machine, the word was
//! untrue, and this oracle signs that. A quorum of such signatures costs the other its bond and its place (`convict_oracle`).
//!
//! Anybody may ask, with the attestation of an oracle that has something to lose. A job is run once for all that is asked about it while
//! this process runs, one short and one long job at a time, when none waits for its verdict.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Result;
use io_api::{
    text,
    types::{Attestation, Conduct, ConductState, Finding},
};
use io_client::{
    Pubkey, accounts,
    io_network::state::{Job, Oracle as OracleBond, VerificationClass},
    pda,
};
use io_engines::{
    BlobHash, JobSpec, Manifest, RejectReason, Sampling, Verdict as EngineVerdict,
    manifest::ManifestError, wasm::published_root,
};
use io_protocol::{
    messages::{Bytes32, ResultStatement, epoch_of},
    slashing::ConductStatement,
};
use tokio::time::timeout;

use crate::{
    api::error::Refusal,
    oracle::{Oracle, lock},
    rewards,
    turns::Turns,
    verify::{self, Gap},
};

/// Jobs of which is known what running them came to.
const MAX_KNOWN: usize = 10_000;
/// How long until a job is tried again that could not be run; twice as long after each further try.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Jobs that wait to be run for somebody's question, at most; and for questions about one oracle. Of short and of long ones each.
const MAX_WAITING: usize = 256;
const MAX_WAITING_EACH: usize = 64;
/// A job is long when its device took more than this, seconds, or when running it does: short ones do not wait for it.
const LONG: u32 = 600;
/// How long a place among the checks is waited for, and how many times a run gives way to a job that waits for its verdict: then it runs beside
/// them.
const PATIENCE: Duration = Duration::from_secs(600);
const GIVE_WAY: u32 = 5;
/// Attestations of one oracle about one job that are kept: it could sign any number.
const MAX_EVIDENCE: usize = 4;

/// What running a job here came to.
#[derive(Clone, Debug)]
enum Found {
    /// What was attested.
    Same,
    Other,
    /// Nobody can be held to it: what comes out depends on the machine, or is not under the oracle's signature.
    Nothing(String),
    /// This oracle cannot tell now.
    NotNow(String),
}

impl Found {
    fn not_now(why: impl Into<String>) -> Self {
        Self::NotNow(why.into())
    }
}

/// What is known of a job, since when, and after how many tries.
#[derive(Clone, Debug)]
struct Known {
    found: Found,
    at: Instant,
    tries: u32,
}

impl Known {
    /// Whether another try may come to more.
    fn is_over(&self) -> bool {
        let wait = TRY_AGAIN.saturating_mul(1 << self.tries.clamp(1, 12).saturating_sub(1));
        matches!(self.found, Found::NotNow(_)) && self.at.elapsed() >= wait
    }
}

/// A job, and the slot of its creation.
type Question = (Pubkey, u64);

/// A job that waits or is run.
#[derive(Clone, Copy)]
struct Waits {
    accused: Pubkey,
    job: Job,
}

impl Waits {
    fn is_long(&self) -> bool {
        let took = self.job.submitted_at.saturating_sub(self.job.accepted_at);
        took > i64::from(LONG)
    }
}

/// What is known, and what is being found out.
pub struct Conducts {
    known: Mutex<HashMap<Question, Known>>,
    waiting: Mutex<HashMap<Question, Waits>>,
    /// Attestations that this oracle keeps, by job and oracle.
    evidence: Mutex<HashMap<(Question, Pubkey), HashSet<Bytes32>>>,
    /// One short and one long job at a time, those on which most money hung first.
    short: Arc<Turns>,
    long: Arc<Turns>,
}

impl Default for Conducts {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            waiting: Mutex::default(),
            evidence: Mutex::default(),
            short: Turns::new(1),
            long: Turns::new(1),
        }
    }
}

/// What comes of a question.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// It has a place, and is to be run.
    Run,
    /// It is being run, or has been a moment ago.
    Wait,
    /// All places are taken.
    Full,
}

impl Conducts {
    fn keep(&self, job: Question, found: Found) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        let tries = known.get(&job).map_or(0, |before| before.tries);
        known.insert(
            job,
            Known {
                found,
                at: Instant::now(),
                tries: tries.saturating_add(1),
            },
        );
    }

    /// What is known of a job, unless it is to be tried again.
    fn known(&self, job: &Question) -> Option<Found> {
        lock(&self.known)
            .get(job)
            .filter(|known| !known.is_over())
            .map(|known| known.found.clone())
    }

    fn begin(&self, question: Question, waits: Waits) -> Begin {
        let mut waiting = lock(&self.waiting);
        if waiting.contains_key(&question) || self.known(&question).is_some() {
            return Begin::Wait;
        }
        let long = waits.is_long();
        let alike = || waiting.values().filter(|other| other.is_long() == long);
        let of_accused = alike().filter(|other| other.accused == waits.accused);
        if alike().count() >= MAX_WAITING || of_accused.count() >= MAX_WAITING_EACH {
            return Begin::Full;
        }
        waiting.insert(question, waits);
        Begin::Run
    }

    /// Jobs whose data are still needed.
    pub fn waiting(&self) -> Vec<Job> {
        let waiting = lock(&self.waiting);
        waiting.values().map(|waits| waits.job).collect()
    }

    /// Whether an attestation is kept: one of the first few about a job by one oracle.
    fn keeps(&self, job: Question, accused: Pubkey, evidence: Bytes32) -> bool {
        let mut all = lock(&self.evidence);
        if all.len() >= MAX_KNOWN {
            all.clear();
        }
        let of_both = all.entry((job, accused)).or_default();
        of_both.contains(&evidence) || of_both.len() < MAX_EVIDENCE && of_both.insert(evidence)
    }
}

/// Gives the place back when it is dropped.
struct Place(Arc<Oracle>, Question);

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.conducts.waiting).remove(&self.1);
    }
}

/// What an engine's verdict about the attested result says of the attestation. Pure.
fn judge(verdict: EngineVerdict) -> Found {
    match verdict {
        EngineVerdict::Accept(_) => Found::Same,
        EngineVerdict::Reject(rejection) => match rejection.reason {
            // A trace's root is not part of what the oracle signed.
            RejectReason::Trace | RejectReason::OfThisMachine => Found::Nothing(rejection.detail),
            reason if reason.is_objective() => Found::Other,
            _ => Found::Nothing(rejection.detail),
        },
        EngineVerdict::Inconclusive { reason } => Found::not_now(reason),
    }
}

/// Answers whoever shows another oracle's attestation.
pub async fn look(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    said: &Attestation,
) -> Result<Conduct, Refusal> {
    let statement = said
        .vouches_by_running(oracle.deployment, &address.to_bytes())
        .map_err(|why| {
            Refusal::bad(format!(
                "the attestation holds nothing against anybody: {why}"
            ))
        })?;
    let accused = text::parse_key(&said.oracle)
        .map(Pubkey::new_from_array)
        .ok_or_else(|| Refusal::bad("the attestation's oracle is no address"))?;
    if accused == oracle.key {
        return Err(Refusal::conflict(
            "the attestation is this oracle's own",
            "ask the others",
        ));
    }
    let unknown = || {
        Refusal::not_found(format!(
            "this oracle knows no exact job {address} with that result, ended"
        ))
    };
    let row = oracle
        .db
        .job(&address.to_string())
        .await?
        .ok_or_else(unknown)?;
    let job: Job = bytemuck::try_pod_read_unaligned(&row.data)
        .map_err(|_| Refusal::internal(&anyhow::anyhow!("a stored job is damaged")))?;
    if !is_about(&statement, &job) {
        return Err(unknown());
    }
    if !can_lose(oracle, &accused).await? {
        return Err(Refusal::not_found(format!(
            "{accused} is no oracle of the set, and has no bond that one needs"
        )));
    }
    let question = (*address, job.created_slot);
    let known = oracle.conducts.known(&question);
    let known = match known {
        None if ran_it(oracle, address, &job).await? => Some(Found::Same),
        known => known,
    };
    let (state, reason, finding) = match known {
        None => {
            start(oracle, *address, job, accused)?;
            (ConductState::Running, None, None)
        }
        Some(Found::Same) => (
            ConductState::Right,
            Some("running the job comes to the same result".to_owned()),
            None,
        ),
        Some(Found::Nothing(why) | Found::NotNow(why)) => (ConductState::Unable, Some(why), None),
        Some(Found::Other) => {
            let finding = sign(oracle, &accused, &job, said, &statement).await?;
            (ConductState::Untrue, None, Some(finding))
        }
    };
    Ok(Conduct {
        oracle: oracle.key.to_string(),
        accused: accused.to_string(),
        state,
        reason,
        finding,
    })
}

/// Whether it is an oracle of the set, or has a bond that one needs: whoever calls itself one must not keep others at work.
async fn can_lose(oracle: &Oracle, accused: &Pubkey) -> Result<bool, Refusal> {
    let set = oracle.index.set();
    if set.is_some_and(|set| set.position(accused.as_ref()).is_some()) {
        return Ok(true);
    }
    let least = {
        let tables = oracle.index.read();
        tables.network.map_or(0, |network| network.min_oracle_bond)
    };
    let bond = accounts::fetch_maybe::<OracleBond>(&oracle.rpc, &pda::oracle(accused))
        .await
        .map_err(|_| Refusal::unavailable("the chain does not answer"))?;
    let at_stake = bond.and_then(|bond| bond.liabilities().ok()).unwrap_or(0);
    Ok(at_stake >= least.max(1))
}

/// Whether this oracle has run the job for its own verdict, and found its result right.
async fn ran_it(oracle: &Oracle, address: &Pubkey, job: &Job) -> Result<bool> {
    for disputed in [false, true] {
        let found = verify::decision(oracle, address, job.created_slot, disputed).await?;
        if found.is_some_and(|found| found.valid && found.is_about(job) && !found.is_of_form_only())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a statement is about the result that an exact job ended with. Pure.
fn is_about(statement: &ResultStatement, job: &Job) -> bool {
    job.verification == VerificationClass::Exact as u8
        && job.state().is_ok_and(|state| state.is_final())
        && statement.created_slot == job.created_slot
        && statement.epoch == epoch_of(job.submitted_at)
        && statement.output_hash == job.output_hash
        && statement.units == job.units
}

/// Signs what was found, and keeps what it is about.
async fn sign(
    oracle: &Arc<Oracle>,
    accused: &Pubkey,
    job: &Job,
    said: &Attestation,
    statement: &ResultStatement,
) -> Result<Finding, Refusal> {
    let set = oracle
        .index
        .set()
        .ok_or_else(|| Refusal::unavailable("the oracle set is not indexed yet"))?;
    let bytes = said.evidence().map_err(anyhow::Error::from)?;
    let evidence = *blake3::hash(&bytes).as_bytes();
    let question = (Pubkey::new_from_array(statement.job), job.created_slot);
    // What it lost its bond by is to be had afterwards. It is signed about in any case: who signs many words must not hide one behind others.
    if oracle.conducts.keeps(question, *accused, evidence) {
        rewards::store(oracle, &bytes).await?;
        oracle
            .db
            .keep_evidence(&text::hash(&evidence), oracle.clock.now())
            .await?;
    }
    let conduct = ConductStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        oracle: accused.to_bytes(),
        job: statement.job,
        created_slot: statement.created_slot,
        epoch: statement.epoch,
        evidence,
        finder: job.renter.to_bytes(),
    };
    Ok(Finding {
        set_version: set.version,
        created_slot: statement.created_slot,
        epoch: statement.epoch,
        evidence: text::hash(&evidence),
        finder: job.renter.to_string(),
        signature: oracle.wallet.sign(&conduct.to_bytes()).to_string(),
    })
}

/// Runs the job beside everything else, once.
fn start(oracle: &Arc<Oracle>, address: Pubkey, job: Job, accused: Pubkey) -> Result<(), Refusal> {
    let question = (address, job.created_slot);
    let waits = Waits { accused, job };
    match oracle.conducts.begin(question, waits) {
        Begin::Wait => return Ok(()),
        Begin::Full => {
            return Err(Refusal::unavailable(
                "other jobs are being run for such questions",
            ));
        }
        Begin::Run => {}
    }
    let place = Place(oracle.clone(), question);
    let what = format!("conduct:{address}:{}", job.created_slot);
    oracle.once(what, move |oracle| async move {
        let _place = place;
        let found = find_out(&oracle, &address, &job, waits.is_long()).await;
        tracing::info!(job = %address, ?found, "ran a job for a question about another oracle");
        oracle.conducts.keep(question, found);
    });
    Ok(())
}

async fn find_out(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job, mut long: bool) -> Found {
    let spec = match verify::gather(oracle, address, job).await {
        Ok(spec) => spec,
        Err(Gap::Missing(what) | Gap::Lacking(what)) => {
            return Found::not_now(format!("{what} is not to be had now"));
        }
        Err(Gap::Wrong(why)) => return Found::Nothing(why),
    };
    let claimed = match Manifest::load(&oracle.blobs, &BlobHash(job.output_hash)) {
        Ok(claimed) => claimed,
        // Of another version of this program, perhaps.
        Err(ManifestError::Malformed(why)) => {
            return Found::Nothing(format!("the result's manifest can't be read here: {why}"));
        }
        Err(ManifestError::Blob(error)) => return Found::not_now(error.to_string()),
    };
    if let Some(kind) = claimed.failure_of_a_machine() {
        return Found::Nothing(format!(
            "a result that ends with '{kind}' depends on the machine that runs the job"
        ));
    }
    // The steps are under the oracle's signature, as part of the result; the committed root isn't: a wrong one must not end the check before
    // the run.
    let root = published_root(&oracle.blobs, &claimed, &address.to_bytes());
    let job = Job {
        trace_root: root.unwrap_or(job.trace_root),
        ..*job
    };
    let verdict = loop {
        let (turns, longest) = match long {
            false => (&oracle.conducts.short, Duration::from_secs(LONG.into())),
            // The engine ends it by the job's own limit.
            true => (&oracle.conducts.long, Duration::MAX),
        };
        let _alone = turns.take(job.exposure).await;
        match timeout(longest, run(oracle, address, &job, &spec)).await {
            Ok(verdict) => break verdict,
            // A device that made up the rest took less time than the work does.
            Err(_) => long = true,
        }
    };
    judge(verdict)
}

/// One run, which jobs that wait for a verdict come before; but not for ever.
async fn run(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    job: &Job,
    spec: &Arc<JobSpec>,
) -> EngineVerdict {
    let whole = Sampling {
        seed: [0; 32],
        count: u32::MAX,
        also: Vec::new(),
        audit: true,
    };
    let mut gave_way = 0;
    loop {
        let turn = match gave_way < GIVE_WAY {
            true => timeout(PATIENCE, oracle.verifying.take_idle()).await.ok(),
            false => None,
        };
        tokio::select! {
            verdict = verify::verify_once(oracle, address, job, spec, whole.clone()) => return verdict,
            () = oracle.verifying.wanted(), if turn.is_some() => gave_way += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use io_client::io_network::state::JobState;

    use super::*;

    /// Only what every machine comes to, and the oracle signed, is held against it.
    #[test]
    fn only_what_every_machine_comes_to_is_held_against_anybody() {
        let rejected = |reason| {
            judge(EngineVerdict::Reject(io_engines::Rejection {
                reason,
                detail: "why".to_owned(),
                steps: Vec::new(),
            }))
        };
        for reason in [
            RejectReason::Differs,
            RejectReason::Units,
            RejectReason::OtherJob,
            RejectReason::Malformed,
        ] {
            assert!(matches!(rejected(reason), Found::Other), "{reason:?}");
        }
        for reason in [
            RejectReason::OfThisMachine,
            RejectReason::Trace,
            RejectReason::Mismatch,
        ] {
            assert!(matches!(rejected(reason), Found::Nothing(_)), "{reason:?}");
        }
        let right = EngineVerdict::Accept(io_engines::Checked {
            units: 1,
            steps: 1,
            checked: 1,
            worst: None,
        });
        assert!(matches!(judge(right), Found::Same));
        let reason = "a blob is gone".to_owned();
        assert!(matches!(
            judge(EngineVerdict::Inconclusive { reason }),
            Found::NotNow(_)
        ));
    }

    /// Questions about one oracle leave places for those about others, long jobs for short ones, and many about one job have one.
    #[test]
    fn questions_have_so_many_places() {
        let conducts = Conducts::default();
        let key = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_le_bytes());
            Pubkey::new_from_array(key)
        };
        let (each, all) = (MAX_WAITING_EACH as u16, MAX_WAITING as u16);
        let begin = |n, accused, long: bool| {
            let job = Job {
                accepted_at: 1_000,
                submitted_at: 1_600 + i64::from(long),
                ..Job::zeroed()
            };
            let accused = key(accused);
            conducts.begin((key(n), 1), Waits { accused, job })
        };
        for n in 0..each {
            assert_eq!(begin(n, 999, true), Begin::Run);
            assert_eq!(begin(n, 999, true), Begin::Wait, "the same question");
        }
        assert_eq!(begin(each, 999, true), Begin::Full, "its places are taken");
        for n in each..all {
            assert_eq!(begin(n, 1_000 + n, true), Begin::Run);
        }
        assert_eq!(conducts.waiting().len(), MAX_WAITING);
        assert_eq!(begin(all, 2_000, true), Begin::Full, "all are taken");
        assert_eq!(begin(all, 999, false), Begin::Run, "a short one");
        lock(&conducts.waiting).remove(&(key(0), 1));
        assert_eq!(begin(all + 1, 2_000, true), Begin::Run);
        // One that came to its end a moment ago is not run again.
        conducts.keep((key(0), 1), Found::Other);
        assert_eq!(begin(0, 999, true), Begin::Wait);
    }

    /// What cannot be told now is tried again, ever later; what is known stays.
    #[test]
    fn what_could_not_be_run_is_tried_again_ever_later() {
        let conducts = Conducts::default();
        let job = (Pubkey::new_from_array([1; 32]), 1);
        let known = || lock(&conducts.known)[&job].clone();
        for tries in 1..=3 {
            conducts.keep(job, Found::NotNow(String::new()));
            let known = known();
            assert_eq!(known.tries, tries);
            assert!(!known.is_over());
            let ago = |seconds| Known {
                at: Instant::now() - Duration::from_secs(seconds),
                ..known.clone()
            };
            let wait = 60 << (tries - 1);
            assert!(!ago(wait - 1).is_over() && ago(wait).is_over(), "{tries}");
        }
        for lasting in [Found::Same, Found::Other, Found::Nothing(String::new())] {
            conducts.keep(job, lasting);
            let long_ago = Known {
                at: Instant::now() - Duration::from_secs(86_400),
                ..known()
            };
            assert!(!long_ago.is_over());
        }
    }

    /// An oracle could sign any number of attestations about one job: a few are kept.
    #[test]
    fn few_attestations_of_one_oracle_are_kept() {
        let conducts = Conducts::default();
        let key = |n: u8| Pubkey::new_from_array([n; 32]);
        let job = (key(1), 1);
        for n in 0..4 {
            assert!(conducts.keeps(job, key(9), [n; 32]));
        }
        assert!(!conducts.keeps(job, key(9), [4; 32]));
        assert!(conducts.keeps(job, key(9), [0; 32]), "one of those");
        assert!(conducts.keeps(job, key(8), [4; 32]), "another oracle's");
        assert!(conducts.keeps((key(1), 2), key(9), [4; 32]), "another job");
    }

    #[test]
    fn a_statement_is_about_the_result_that_an_exact_job_ended_with() {
        let job = Job {
            output_hash: [4; 32],
            units: 3,
            created_slot: 5,
            submitted_at: 7_200,
            state: JobState::Rejected as u8,
            ..Job::zeroed()
        };
        let statement = ResultStatement {
            deployment: io_protocol::messages::Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            set_version: 1,
            job: [3; 32],
            created_slot: 5,
            epoch: 2,
            verdict: io_protocol::messages::Verdict::Valid,
            output_hash: job.output_hash,
            units: 3,
            disputed: false,
        };
        assert!(is_about(&statement, &job));
        let others = [
            Job {
                state: JobState::Submitted as u8,
                ..job
            },
            Job {
                verification: VerificationClass::Tolerant as u8,
                ..job
            },
            Job {
                created_slot: 6,
                ..job
            },
            Job {
                submitted_at: 10_800,
                ..job
            },
            Job {
                output_hash: [9; 32],
                ..job
            },
            Job { units: 4, ..job },
        ];
        for (i, other) in others.iter().enumerate() {
            assert!(!is_about(&statement, other), "{i}");
        }
    }
}
