//! The oracle: indexes the chain, matches jobs to devices, keeps blobs, verifies results, signs verdicts, and sees to it that
//! no job stays undecided.
//!
//! - [`chain`]: the index of accounts, and the history of jobs;
//! - [`matching`]: which device is best for a job, pure; `market`: the tickets that follow from it;
//! - [`verify`]: fetching and re-running what was submitted, deciding once; [`attest`]: devices' figures;
//! - [`hardware`]: what devices are, measured in rounds;
//! - [`keeper`]: disputes, rejections, deadlines; [`rewards`]: who was up, who earned what; [`guidance`]: reference prices;
//! - [`blobs`]: bytes by their hash; [`api`] and [`link`]: HTTP, and the workers' WebSockets.
//!
//! What the oracle knows comes from the chain and comes back from it; what it must not forget (verdicts, tickets, sent
//! transactions) is on disk before anybody sees it.

pub mod api;
pub mod attest;
pub mod blobs;
pub mod chain;
pub mod conduct;
mod config;
pub mod db;
pub mod guidance;
pub mod hardware;
pub mod keeper;
pub mod leases;
pub mod link;
pub mod live;
mod market;
pub mod matching;
mod metrics;
mod models;
mod nonces;
mod oracle;
mod pace;
mod peers;
pub mod rewards;
pub mod slashes;
mod specs;
pub mod turns;
pub mod verify;

use std::{collections::HashSet, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
pub use config::{Config, MAX_PEERS};
use io_client::io_network::state::JobState;
use io_engines::{BlobHash, Manifest};
use oracle::Oracle;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Pause between collections of blobs that nothing names.
const COLLECT_EVERY: Duration = Duration::from_secs(300);
/// How long a port in use is waited for, and the pause between tries.
const LISTEN_PATIENCE: Duration = Duration::from_secs(5);
const LISTEN_AGAIN: Duration = Duration::from_millis(100);
/// Time for tasks to end after shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Runs an oracle until `shutdown`.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<()> {
    let (ready, _) = oneshot::channel();
    run_with_ready(config, shutdown, ready).await
}

/// Runs an oracle until `shutdown`; `ready` gets the API's address once it answers.
pub async fn run_with_ready(
    config: Config,
    shutdown: CancellationToken,
    ready: oneshot::Sender<SocketAddr>,
) -> Result<()> {
    let listen = config.listen;
    let listener = bind(listen, &shutdown).await?;
    let address = listener.local_addr()?;
    let oracle = match Oracle::start(config, shutdown.clone()).await {
        Ok(oracle) => oracle,
        Err(_) if shutdown.is_cancelled() => return Ok(()),
        Err(error) => return Err(error),
    };
    tracing::info!(oracle = %oracle.key, %address, cluster = %io_api::text::key(&oracle.deployment.cluster), "starting");
    let (whole, is_whole) = watch::channel(false);
    // The clock first: everything is measured by it.
    let (time, slot) = chain::read_time(&oracle).await?;
    oracle.clock.set(time, slot, false);

    let failed = CancellationToken::new();
    let essential =
        |name: &'static str, task: std::pin::Pin<Box<dyn Future<Output = Result<()>> + Send>>| {
            let (shutdown, failed) = (oracle.shutdown.clone(), failed.clone());
            oracle.tasks.spawn(async move {
            if let Err(error) = task.await {
                tracing::error!(task = name, error = %format!("{error:#}"), "the oracle can't go on");
                failed.cancel();
                shutdown.cancel();
            }
        });
        };
    oracle.db.remember_start(oracle.clock.certain()).await?;
    essential(
        "accounts",
        Box::pin(chain::follow_accounts(oracle.clone(), whole)),
    );
    essential("events", Box::pin(chain::follow_events(oracle.clone())));
    let with = |oracle: &Arc<Oracle>| oracle.clone();
    oracle
        .tasks
        .spawn(chain::keep_time(with(&oracle), is_whole));
    oracle.spawn(resume);
    essential("peers", Box::pin(peers::meet(oracle.clone())));
    oracle.tasks.spawn(market::keep_matching(with(&oracle)));
    oracle.tasks.spawn(keeper::keep(with(&oracle)));
    oracle.tasks.spawn(rewards::keep(with(&oracle)));
    oracle.tasks.spawn(guidance::keep(with(&oracle)));
    oracle.tasks.spawn(hardware::keep(with(&oracle)));
    oracle.tasks.spawn(leases::keep(with(&oracle)));
    oracle.tasks.spawn(slashes::keep(with(&oracle)));
    oracle.spawn(collect);
    let router = api::router(oracle.clone());
    let server = tokio::spawn(api::server::serve(oracle.clone(), listener, router));
    let _ = ready.send(address);
    tracing::info!(%address, "ready");

    shutdown.cancelled().await;
    let _ = server.await;
    oracle.tasks.close();
    if timeout(SHUTDOWN_GRACE, oracle.tasks.wait()).await.is_err() {
        tracing::warn!("some tasks did not end in time");
    }
    oracle.db.close().await;
    anyhow::ensure!(
        !failed.is_cancelled(),
        "the oracle could not go on; its log says why"
    );
    Ok(())
}

/// Listens; waits a moment for a port that an earlier run has not let go of yet.
async fn bind(listen: SocketAddr, shutdown: &CancellationToken) -> Result<TcpListener> {
    let deadline = Instant::now() + LISTEN_PATIENCE;
    loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => return Ok(listener),
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && Instant::now() < deadline
                    && !shutdown.is_cancelled() =>
            {
                sleep(LISTEN_AGAIN).await;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("can't listen on {listen}: is another oracle there?")
                });
            }
        }
    }
}

/// Follows transactions of an earlier run to their end.
async fn resume(oracle: Arc<Oracle>) {
    match oracle.sender.resume().await {
        Ok(ended) => {
            for (intent, outcome) in ended {
                match outcome {
                    Ok(landed) => {
                        tracing::info!(intent, signature = %landed.signature, "of an earlier run: landed")
                    }
                    Err(error) => tracing::info!(intent, %error, "of an earlier run: not landed"),
                }
            }
        }
        Err(error) => tracing::warn!(%error, "can't follow the transactions of an earlier run"),
    }
}

/// Frees the store of what nothing names.
async fn collect(oracle: Arc<Oracle>) {
    loop {
        sleep(COLLECT_EVERY).await;
        let mut jobs: Vec<_> = oracle.index.read().jobs.values().copied().collect();
        jobs.extend(oracle.conducts.waiting());
        let mut named = HashSet::new();
        match oracle.db.named_blobs().await {
            Ok(hashes) => named.extend(
                hashes
                    .iter()
                    .filter_map(|text| io_api::text::parse_hash(text)),
            ),
            Err(error) => {
                // Rather keep all than lose what a root or a penalty stands on.
                tracing::warn!(error = %format!("{error:#}"), "can't read which blobs roots and slash cases name");
                continue;
            }
        }
        for job in &jobs {
            named.insert(job.spec_hash);
            if let Ok(Some(spec)) = specs::read(&oracle, job).await {
                named.extend(spec.blobs().iter().map(|blob| blob.hash.0));
            }
            if job.state >= JobState::Submitted as u8 && job.submitted_at != 0 {
                named.insert(job.output_hash);
                if let Ok(manifest) = Manifest::load(&oracle.blobs, &BlobHash(job.output_hash)) {
                    named.extend(manifest.files.iter().map(|file| file.hash.0));
                }
            }
        }
        match oracle
            .blobs
            .collect(
                &named,
                oracle.config.partial_seconds,
                oracle.config.unreferenced_seconds,
            )
            .await
        {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "blobs dropped that nothing names"),
            Err(error) => tracing::warn!(%error, "collecting blobs"),
        }
    }
}
