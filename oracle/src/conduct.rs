//! Other oracles' conduct: whether one that signed that it ran a job, and that the result is right, can have run it.
//!
//! An exact job has one right result, and whoever ran it knows it. So this oracle runs the job itself and compares all that was committed
//! to: output, trace and units. Where they differ, and neither result is a failure that depends on the machine, the word was untrue, and
//! this oracle signs that. A quorum of such signatures costs the other its bond and its place (`convict_oracle`).
//!
//! Anybody may ask, with the attestation. Each job is run once for all that is ever asked about it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use io_api::{
    text,
    types::{Attestation, Conduct, ConductState, Finding},
};
use io_client::{
    Pubkey, accounts,
    io_network::state::{Job, VerificationClass},
    pda,
};
use io_engines::{
    BlobHash, CancelToken, Control, FirstOf, JobSpec, Manifest, Outcome, manifest::ManifestError,
};
use io_protocol::{
    messages::{ResultStatement, epoch_of},
    slashing::ConductStatement,
};

use tokio::sync::Semaphore;

use crate::{
    api::error::Refusal,
    oracle::{Oracle, lock},
    rewards,
    verify::{self, CancelOnDrop, Gap},
};

/// Where in the data folder jobs are run.
pub const FOLDER: &str = "conduct";
/// Jobs of which is known what running them came to.
const MAX_KNOWN: usize = 10_000;
/// When a job is tried again that could not be run.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Jobs that wait to be run for somebody's question, at most.
const MAX_WAITING: usize = 16;

/// What running a job here came to.
#[derive(Clone, Debug)]
enum Found {
    /// What its device had committed to.
    Same,
    Other,
    /// What comes out depends on the machine: no oracle can tell.
    OfAMachine(String),
    /// This oracle cannot tell now.
    NotNow(String, Instant),
}

impl Found {
    fn not_now(why: String) -> Self {
        Self::NotNow(why, Instant::now())
    }

    /// Whether another try may come to more.
    fn is_over(&self) -> bool {
        matches!(self, Self::NotNow(_, at) if at.elapsed() >= TRY_AGAIN)
    }
}

/// What is known, by job and the slot of its creation, and places for what is being found out.
pub struct Conducts {
    known: Mutex<HashMap<(Pubkey, u64), Found>>,
    places: Arc<Semaphore>,
}

impl Default for Conducts {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
        }
    }
}

impl Conducts {
    fn keep(&self, job: (Pubkey, u64), found: Found) {
        let mut known = lock(&self.known);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(job, found);
    }
}

/// What running the job came to, beside what its device committed to. Pure.
fn compare(job: &Job, claimed: &Manifest, right: &Outcome) -> Found {
    for manifest in [claimed, &right.manifest] {
        if let Some(kind) = manifest.failure_of_a_machine() {
            return Found::OfAMachine(format!(
                "a result that ends with '{kind}' depends on the machine that runs the job"
            ));
        }
    }
    let same = right.output_hash.0 == job.output_hash
        && right.trace_root == job.trace_root
        && right.units == job.units;
    if same { Found::Same } else { Found::Other }
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
    // Whoever has no bond account can lose none.
    let bonded = accounts::fetch_maybe::<io_client::io_network::state::Oracle>(
        &oracle.rpc,
        &pda::oracle(&accused),
    )
    .await
    .map_err(|_| Refusal::unavailable("the chain does not answer"))?;
    if bonded.is_none() {
        return Err(Refusal::not_found(format!(
            "{accused} never had an oracle's bond"
        )));
    }
    let key = (*address, job.created_slot);
    let known = lock(&oracle.conducts.known)
        .get(&key)
        .filter(|found| !found.is_over())
        .cloned();
    let known = match known {
        None if ran_it(oracle, address, &job).await? => Some(Found::Same),
        known => known,
    };
    let (state, reason, finding) = match known {
        None => {
            start(oracle, *address, job)?;
            (ConductState::Running, None, None)
        }
        Some(Found::Same) => (
            ConductState::Right,
            Some("running the job comes to the same result".to_owned()),
            None,
        ),
        Some(Found::OfAMachine(why) | Found::NotNow(why, _)) => {
            (ConductState::Unable, Some(why), None)
        }
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
    let bytes = serde_json::to_vec(&said.signed_part()).map_err(anyhow::Error::from)?;
    let evidence = rewards::store(oracle, &bytes).await?;
    oracle
        .db
        .keep_evidence(&text::hash(&evidence), oracle.clock.now())
        .await?;
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
fn start(oracle: &Arc<Oracle>, address: Pubkey, job: Job) -> Result<(), Refusal> {
    let what = format!("conduct:{address}:{}", job.created_slot);
    if oracle.is_busy(&what) {
        return Ok(());
    }
    let place = oracle
        .conducts
        .places
        .clone()
        .try_acquire_owned()
        .map_err(|_| Refusal::unavailable("other jobs are being run for such questions"))?;
    oracle.once(what, move |oracle| async move {
        let _place = place;
        let found = find_out(&oracle, &address, &job).await;
        tracing::info!(job = %address, ?found, "ran a job for a question about another oracle");
        oracle.conducts.keep((address, job.created_slot), found);
    });
    Ok(())
}

async fn find_out(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Found {
    let spec = match verify::gather(oracle, address, job).await {
        Ok(spec) => spec,
        Err(Gap::Missing(what) | Gap::Lacking(what)) => {
            return Found::not_now(format!("{what} is not to be had any more"));
        }
        Err(Gap::Wrong(why)) => return Found::not_now(why),
    };
    let claimed = match Manifest::load(&oracle.blobs, &BlobHash(job.output_hash)) {
        Ok(claimed) => claimed,
        // It need not be run: whoever ran the job has looked at it first.
        Err(ManifestError::Malformed(_)) => return Found::Other,
        Err(ManifestError::Blob(error)) => return Found::not_now(error.to_string()),
    };
    let outcome = loop {
        // Jobs that wait for a verdict go first, also when they come later.
        let _turn = oracle.verifying.take_idle().await;
        tokio::select! {
            outcome = run(oracle, address, &spec) => break outcome,
            () = oracle.verifying.wanted() => {}
        }
    };
    match outcome {
        Ok(right) => compare(job, &claimed, &right),
        Err(error) => Found::not_now(format!("the job can't be run here now: {error:#}")),
    }
}

async fn run(oracle: &Arc<Oracle>, address: &Pubkey, spec: &Arc<JobSpec>) -> Result<Outcome> {
    let folder = oracle.config.data_dir.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let folder = tempfile::tempdir_in(&folder)?;
    let cancel = CancelToken::new();
    let (mine, me, spec, job) = (
        cancel.clone(),
        oracle.clone(),
        spec.clone(),
        address.to_bytes(),
    );
    let work = tokio::task::spawn_blocking(move || {
        let control = Control {
            job,
            progress: &|_| {},
            cancel: mine,
            threads: me.config.verify_threads,
            canary: false,
        };
        let blobs = FirstOf(&[&me.blobs, &me.models]);
        // The folder goes with the run, also with one that nobody waits for any more.
        me.engines
            .get(&spec)
            .run(&spec, &blobs, folder.path(), &control)
    });
    // Dropped with this task: the thread ends within a second.
    let _stop = CancelOnDrop(cancel);
    Ok(work.await.context("the run broke off")??)
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use io_client::io_network::state::JobState;
    use io_engines::{Failure, Status, manifest::MANIFEST_VERSION};

    use super::*;

    fn manifest(status: Status, units: u64) -> Manifest {
        Manifest {
            version: MANIFEST_VERSION,
            spec: BlobHash([1; 32]),
            status,
            units,
            steps: 1,
            files: Vec::new(),
        }
    }

    fn failed(kind: &str) -> Status {
        Status::Failed(Failure {
            kind: kind.to_owned(),
            message: String::new(),
            fuel: 0,
        })
    }

    fn outcome(manifest: Manifest) -> Outcome {
        Outcome {
            output_hash: manifest.hash(),
            trace_root: [2; 32],
            units: manifest.units,
            manifest,
            files: Vec::new(),
        }
    }

    fn job_of(claimed: &Manifest) -> Job {
        Job {
            output_hash: claimed.hash().0,
            trace_root: [2; 32],
            units: claimed.units,
            created_slot: 5,
            submitted_at: 7_200,
            state: JobState::Rejected as u8,
            ..Job::zeroed()
        }
    }

    /// Another output, trace or count of units is another result; one that another machine would not come to says nothing.
    #[test]
    fn only_what_every_machine_comes_to_is_held_against_anybody() {
        let claimed = manifest(Status::Ok, 3);
        let job = job_of(&claimed);
        let right = outcome(claimed.clone());
        assert!(matches!(compare(&job, &claimed, &right), Found::Same));
        for other in [
            outcome(manifest(Status::Ok, 4)),
            outcome(manifest(failed("unreachable"), 3)),
            Outcome {
                trace_root: [3; 32],
                ..right.clone()
            },
        ] {
            assert!(matches!(compare(&job, &claimed, &other), Found::Other));
        }
        let fewer = Job { units: 2, ..job };
        assert!(matches!(compare(&fewer, &claimed, &right), Found::Other));
        for kind in ["time_limit", "stack_overflow"] {
            let of_a_machine = manifest(failed(kind), 3);
            for (claimed, right) in [
                (&of_a_machine, &right),
                (&claimed, &outcome(of_a_machine.clone())),
            ] {
                let found = compare(&job_of(claimed), claimed, right);
                assert!(matches!(found, Found::OfAMachine(_)), "{kind}: {found:?}");
            }
        }
    }

    #[test]
    fn a_statement_is_about_the_result_that_an_exact_job_ended_with() {
        let job = job_of(&manifest(Status::Ok, 3));
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
