//! Serving a lease: the device is the renter's, its time is brought to account, and the renter's requests are run on it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use io_api::{
    lease::{Source, gather},
    text,
    types::{LeaseAnswer, ToOracle},
};
use io_client::{
    Instruction, Pubkey, ed25519,
    instructions::{self, CheckpointArgs},
    io_network::state::{Job, JobState},
};
use io_engines::{BlobHash, CancelToken};
use io_protocol::lease::LeaseStatement;
use tokio::time::timeout;

use crate::{
    blobs,
    limits::*,
    offers,
    prove::{Progress, Run, self_test},
    worker::{Worker, lock},
};

/// What a serving device has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Serve; nothing is due for so many seconds.
    Serve(i64),
    /// Bring what was served to account.
    Checkpoint,
    /// It is over: the rest returns, the device is free.
    Finish,
}

/// What follows for a running lease. Pure.
pub fn next(job: &Job, now: i64) -> Next {
    let counted = job.submitted_at >= job.run_until;
    let grace = job
        .run_until
        .saturating_add(job.challenge_seconds.into())
        .saturating_add(1);
    if counted || now > grace {
        return Next::Finish;
    }
    let due = job
        .submitted_at
        .max(job.accepted_at)
        .saturating_add(CHECKPOINT_SECONDS)
        .min(job.run_until.saturating_add(1));
    match due.saturating_sub(now) {
        wait if wait > 0 => Next::Serve(wait),
        _ => Next::Checkpoint,
    }
}

/// A checkpoint with a quorum's signatures, and the time that it is for; `None` while too few oracles counted more.
pub async fn checkpoint(
    worker: &Worker,
    address: &Pubkey,
    job: &Job,
) -> Result<Option<(i64, Vec<Instruction>)>> {
    let set = worker.chain.oracle_set().await?;
    let sources: Vec<Source> = worker.oracles.iter().cloned().map(Source::Remote).collect();
    let members: Vec<_> = set.active().map(Pubkey::to_bytes).collect();
    let last = LeaseStatement {
        deployment: worker.chain.deployment(),
        set_version: set.version,
        job: address.to_bytes(),
        created_slot: job.created_slot,
        seconds: job.units,
        at: job.submitted_at,
    };
    let quorum = usize::from(set.quorum);
    let key = worker.chain.request_key();
    let gathered = gather(&key, &sources, last, &members, quorum, job.run_until).await;
    let Some(gathered) = gathered else {
        return Ok(None);
    };
    let signatures: Vec<_> = gathered
        .signatures
        .iter()
        .map(|(key, signature)| (Pubkey::new_from_array(*key), (*signature).into()))
        .collect();
    let LeaseStatement { seconds, at, .. } = gathered.statement;
    Ok(Some((
        at,
        vec![
            ed25519::verify(&gathered.statement.to_bytes(), &signatures)?,
            instructions::checkpoint_job(address, job, CheckpointArgs { seconds, at }),
        ],
    )))
}

/// Runs a renter's request and tells the oracle that passed it on what came of it.
pub async fn answer(worker: Arc<Worker>, link: usize, job: String, request: u64, spec: String) {
    let outcome = tokio::select! {
        () = worker.shutdown.cancelled() => Err(anyhow!("the worker is shutting down")),
        outcome = run(&worker, link, &job, &spec) => outcome,
    };
    let (answer, error) = match outcome {
        Ok(answer) => (Some(answer), None),
        Err(error) => {
            let mut reason = format!("{error:#}");
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
            (None, Some(reason))
        }
    };
    if let Some(outbound) = worker.outbound.get(link) {
        let answer = ToOracle::Answer {
            job,
            request,
            answer,
            error,
        };
        let _ = outbound.send(answer).await;
    }
}

async fn run(worker: &Worker, link: usize, job: &str, spec: &str) -> Result<LeaseAnswer> {
    let address: Pubkey = job.parse().context("the job's address isn't one")?;
    let hash = BlobHash(text::parse_hash(spec).context("the spec's hash isn't one")?);
    anyhow::ensure!(
        lock(&worker.state).job == Some(address),
        "this device doesn't serve that lease now"
    );
    // One after the other: the device is one.
    let _turn = worker.requests.lock().await;
    let (job, now) = tokio::try_join!(worker.chain.job(&address), worker.chain.time())?;
    let job = job
        .filter(|job| {
            job.is_lease() && job.state == JobState::Running as u8 && job.device == worker.address
        })
        .context("the chain shows no lease of this device")?;
    let left = Duration::from_secs(u64::try_from(job.run_until.saturating_sub(now)).unwrap_or(0));
    let work = async {
        let spec = offers::fetch_spec(worker, link, hash)
            .await
            .map_err(|reason| anyhow!(reason))?;
        offers::check_spec(&spec, &job, worker.device.memory_mib).map_err(|r| anyhow!(r))?;
        let fetched = |done, total| worker.progress(&address, "fetching", done, total);
        offers::fetch_inputs(worker, link, &spec, &fetched).await?;
        let out_dir = requests_dir(worker);
        // What the request before left.
        match tokio::fs::remove_dir_all(&out_dir).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => bail!(error),
            _ => {}
        }
        worker.progress(&address, "loading", 0, 0);
        let (cancel, progress) = (CancelToken::new(), Arc::new(Progress::default()));
        let _guard = CancelOnDrop(cancel.clone());
        let mut running = std::pin::pin!(worker.engines.run(Run {
            spec,
            blobs: worker.blobs.clone(),
            out_dir,
            job: address.to_bytes(),
            threads: self_test::threads(&worker.config, &worker.device),
            canaries: None,
            cancel,
            progress: progress.clone(),
        }));
        let (mut reports, mut reported) = (tokio::time::interval(PROGRESS_EVERY), (0, 0));
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome?,
                _ = reports.tick() => worker.report(&address, &progress, &mut reported),
            }
        };
        let oracle = worker.oracles.get(link).context("no such oracle")?;
        let key = worker.chain.request_key();
        blobs::upload(oracle, &key, &blobs::result_blobs(&outcome)).await?;
        anyhow::Ok(LeaseAnswer {
            output_hash: outcome.output_hash.to_string(),
            units: outcome.units,
        })
    };
    timeout(left, work)
        .await
        .context("the lease ended before the work")?
}

/// Where the newest request's result lies.
fn requests_dir(worker: &Worker) -> PathBuf {
    worker.config.data_dir.join("requests")
}

/// Ends an engine's run when whoever waits for it goes away.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    #[test]
    fn time_is_brought_to_account_and_ends() {
        let mut job = Job {
            accepted_at: 1_000,
            run_until: 1_090,
            challenge_seconds: 120,
            ..Job::zeroed()
        };
        assert_eq!(next(&job, 1_000), Next::Serve(60));
        assert_eq!(next(&job, 1_059), Next::Serve(1));
        assert_eq!(next(&job, 1_060), Next::Checkpoint);
        job.submitted_at = 1_058;
        // The rest is counted when it is over, not a second before.
        assert_eq!(next(&job, 1_060), Next::Serve(31));
        assert_eq!(next(&job, 1_090), Next::Serve(1));
        assert_eq!(next(&job, 1_091), Next::Checkpoint);
        assert_eq!(next(&job, 1_211), Next::Checkpoint);
        assert_eq!(next(&job, 1_212), Next::Finish, "nobody counts any more");
        job.submitted_at = 1_090;
        assert_eq!(next(&job, 1_091), Next::Finish);
    }
}
