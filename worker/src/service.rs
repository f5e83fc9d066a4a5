//! The running service: start, the loop that hears, and the end.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use io_api::client::OracleClient;
use io_client::{
    Pubkey, Wallet,
    accounts::{decode, field, kind_filters},
    io_network::{
        self,
        state::{DeviceState, Job},
    },
    subscribe::{AccountStream, FollowConfig},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    attest, blobs,
    chain::{Chain, local_time},
    config::{Config, DeviceSelection},
    devices::{self, Sampler},
    job,
    journal::{Journal, Record},
    leases,
    limits::*,
    link::{Event, Link, Offer, jittered},
    lock::{Lock, device_lock_path},
    offers, prices,
    prove::{
        hardware::{self, Proving},
        self_test::{self, self_test},
    },
    worker::{Worker, lock},
};

/// Runs a worker until `shutdown`. Jobs that run then stay in the journal: the next start goes on with them.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<()> {
    config.check()?;
    let in_use = format!(
        "another worker uses {}: end it, or give this one a data_dir of its own",
        config.data_dir.display()
    );
    let _folder = Lock::take(&config.data_dir.join("lock"), &in_use).await?;
    let operator = Wallet::load(&config.operator)?;
    let selection = config.device.clone();
    let device = tokio::task::spawn_blocking(move || devices::select(&selection)).await??;
    let in_use = format!(
        "another worker runs the device {}: one worker a device",
        device.address()
    );
    let lock_path = device_lock_path(
        &device.address().to_string(),
        &operator.address().to_string(),
    );
    let _device = Lock::take(&lock_path, &in_use).await?;
    tracing::info!(device = %device.address(), name = device.name, memory_mib = device.memory_mib, threads = device.threads, "device");

    let (transactions, address) = (config.data_dir.join("transactions.jsonl"), device.address());
    let connect = || Chain::connect(&config.rpc_url, &transactions, operator.clone());
    let Some(chain) = patiently("connecting to the chain", &shutdown, connect).await? else {
        return Ok(());
    };
    let registered = || chain.registered_device(&address);
    let Some(account) = patiently("reading the device's account", &shutdown, registered).await?
    else {
        return Ok(());
    };
    warn_about_balance(&chain).await;

    let test = self_test(&config, &device, false).await?;
    for note in &test.notes {
        tracing::warn!(note, "self-test");
    }
    anyhow::ensure!(
        !test.engines.is_empty() || matches!(device.selection, DeviceSelection::Nvidia { .. }),
        "no engine can run here: {}",
        test.notes.join("; ")
    );
    tracing::info!(engines = ?test.engines, tops = f64::from(test.tops_e2()) / 100.0, backend = test.hardware.backend, "self-test (units a second)");
    let threads = self_test::threads(&config, &device);
    let of_device = device.clone();
    let prover =
        tokio::task::spawn_blocking(move || hardware::Prover::open(&of_device, threads)).await??;
    let proving = Proving::new(prover, test.hardware.clone(), threads);

    let oracles = config
        .oracles
        .iter()
        .map(|url| OracleClient::for_deployment(url, chain.deployment()))
        .collect::<Result<Vec<_>, _>>()?;
    let journal_dir = config.jobs_dir();
    let journal = tokio::task::spawn_blocking(move || {
        let journal = Journal::open(&journal_dir)?;
        journal.sweep()?;
        anyhow::Ok(journal)
    })
    .await??;
    let asks = prices::current(&config)?;
    let (outbound, receivers): (Vec<_>, Vec<_>) =
        oracles.iter().map(|_| mpsc::channel(LINK_QUEUE)).unzip();
    let draining = account.state == DeviceState::Draining as u8;
    let worker = Arc::new(Worker::new(
        config,
        chain,
        device,
        account.provider,
        test,
        proving,
        journal,
        oracles,
        outbound,
        asks,
        draining,
        shutdown.clone(),
    ));

    resume(&worker);
    let (events, mut heard) = mpsc::channel(LINK_QUEUE);
    for (index, (oracle, outbound)) in worker.oracles.iter().zip(receivers).enumerate() {
        let of = worker.clone();
        let link = Link {
            index,
            url: oracle.link_url(),
            deployment: worker.chain.deployment(),
            device: worker.address.to_bytes(),
            key: worker.chain.request_key(),
            heartbeat: Arc::new(move |rtt| of.heartbeat(rtt)),
            heartbeat_every: Duration::from_secs(worker.config.heartbeat_seconds),
            reconnect: LINK_RECONNECT,
        };
        worker.tasks.spawn(link.run(
            outbound,
            worker.news.subscribe(),
            events.clone(),
            shutdown.clone(),
        ));
    }
    drop(events);
    worker.tasks.spawn(attest::keep(worker.clone()));
    worker.tasks.spawn(follow_jobs(worker.clone()));
    worker.tasks.spawn(sample(worker.clone()));
    worker.tasks.spawn(follow_device(worker.clone()));
    worker.tasks.spawn(tidy(worker.clone()));

    let mut conflicts = BTreeMap::new();
    let mut ousted = None;
    loop {
        let event = tokio::select! {
            () = shutdown.cancelled() => break,
            event = heard.recv() => event,
        };
        match &event {
            Some(Event::Conflict { link, message }) => {
                conflicts.insert(*link, message.clone());
                // One oracle alone must not be able to stop a worker.
                if conflicts.len() * 2 > worker.oracles.len() {
                    ousted = conflicts.into_values().next();
                    shutdown.cancel();
                    break;
                }
            }
            Some(Event::Up { link, .. }) => {
                conflicts.remove(link);
            }
            _ => {}
        }
        match event {
            Some(event) => hear(&worker, event),
            None => break,
        }
    }

    let unfinished = worker.journal.unfinished().len();
    tracing::info!(
        jobs = unfinished,
        "shutting down; unfinished jobs stay in the journal"
    );
    worker.tasks.close();
    // A link says goodbye and an engine notices its end within this; nothing on disk needs more.
    if timeout(SHUTDOWN_GRACE, worker.tasks.wait()).await.is_err() {
        tracing::debug!("not everything ended in time");
    }
    if let Some(reason) = ousted {
        anyhow::bail!(
            "{reason}. One device and its operator key are for one worker: end the other one, or register this machine as a \
             device of its own with a key of its own. (A configuration that names one oracle twice ends like this, too.) No job \
             is lost: the other worker goes on with what the chain shows"
        );
    }
    Ok(())
}

/// Tries until it works: a service may start before what it needs. Gives up only on what waiting can't mend.
async fn patiently<T, Fut>(
    what: &str,
    shutdown: &CancellationToken,
    attempt: impl Fn() -> Fut,
) -> Result<Option<T>>
where
    Fut: Future<Output = Result<T>>,
{
    let mut pause = RETRY;
    loop {
        let error = tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            outcome = attempt() => match outcome {
                Ok(done) => return Ok(Some(done)),
                Err(error) => error,
            },
        };
        let transient = error
            .downcast_ref::<io_client::Error>()
            .is_some_and(|error| {
                error.is_transient() || matches!(error, io_client::Error::NoAccount { .. })
            });
        if !transient {
            return Err(error);
        }
        tracing::warn!(error = %format!("{error:#}"), "{what}: will be tried again");
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = sleep(jittered(pause)) => {}
        }
        pause = (pause * 2).min(LONGEST_RETRY);
    }
}

async fn warn_about_balance(chain: &Chain) {
    if let Ok(lamports) = chain.rpc().balance(&chain.address()).await
        && lamports < LOW_BALANCE_LAMPORTS
    {
        tracing::warn!(operator = %chain.address(), lamports, "the operator has little SOL for transaction fees: send it some");
    }
}

/// Takes up what an earlier process left, and follows its transactions to their ends.
fn resume(worker: &Arc<Worker>) {
    for record in worker.journal.unfinished() {
        let Ok(address) = record.address() else {
            continue;
        };
        if let Some((handle, inbox)) = worker.take_up(address, record.created_slot) {
            tracing::info!(job = %address, "taken up again");
            worker
                .tasks
                .spawn(job::drive(worker.clone(), record, handle, inbox, None));
        }
    }
    let (sender, shutdown) = (worker.chain.sender().clone(), worker.shutdown.clone());
    worker.tasks.spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            resumed = sender.resume() => match resumed {
                Ok(ended) => for (intent, outcome) in ended {
                    tracing::info!(intent, landed = outcome.is_ok(), "a transaction of an earlier process");
                },
                Err(error) => tracing::warn!(%error, "earlier transactions can't be followed"),
            },
        }
    });
}

fn hear(worker: &Arc<Worker>, event: Event) {
    match event {
        Event::Up { link, oracle } => {
            worker.proving.is_of(link, oracle);
            worker.attest_now.notify_one();
            hardware::claim(worker, link);
        }
        Event::Down { link } => worker.proving.is_gone(link),
        Event::Hardware { link, message } => hardware::hear(worker, link, *message),
        Event::Attested { attestation } => {
            let handle = attestation
                .job
                .parse()
                .ok()
                .and_then(|job| worker.handle(&job));
            if let Some(handle) =
                handle.filter(|handle| handle.created_slot == attestation.created_slot)
            {
                // One that doesn't fit is asked for.
                let _ = handle.inbox.try_send(attestation);
            }
        }
        Event::Offer { link, offer } => consider(worker, link, offer),
        Event::Request {
            link,
            job,
            request,
            spec,
        } => {
            let of = worker.clone();
            worker
                .tasks
                .spawn(leases::answer(of, link, job, request, spec));
        }
        Event::Conflict { .. } => {}
    }
}

/// Looks at an offer beside, holding the device for it: two offers are never both taken. While the device is busy an offer
/// waits a little: many jobs are short, and whoever is declined isn't asked again so soon.
fn consider(worker: &Arc<Worker>, link: usize, offer: Offer) {
    let Ok(address) = offer.job.parse() else {
        return worker.decline(link, &offer.job, "the job's address isn't one");
    };
    if worker.takes_no_jobs() {
        return worker.decline(link, &offer.job, "the device is draining");
    }
    let Ok(place) = worker.pending.clone().try_acquire_owned() else {
        return worker.decline(link, &offer.job, "too many offers wait already");
    };
    let Some((handle, inbox)) = worker.take_up(address, offer.created_slot) else {
        tracing::debug!(job = offer.job, "offered again");
        return;
    };
    let of = worker.clone();
    worker.tasks.spawn(async move {
        let looked = tokio::select! {
            () = of.shutdown.cancelled() => Err("the worker is shutting down".to_owned()),
            looked = look_at(&of, link, &offer, address) => looked,
        };
        drop(place);
        match looked {
            Ok((record, permit)) => job::drive(of, record, handle, inbox, Some(permit)).await,
            Err(reason) => {
                of.let_go(&address);
                of.decline(link, &offer.job, &reason);
            }
        }
    });
}

/// A record of the job in the journal, and the device for it; or why it is declined.
async fn look_at(
    worker: &Worker,
    link: usize,
    offer: &Offer,
    address: Pubkey,
) -> Result<(Record, OwnedSemaphorePermit), String> {
    let permit = timeout(OFFER_WAIT, worker.slot.clone().acquire_owned())
        .await
        .map_err(|_| "the device is busy")?
        .map_err(|_| "the worker is shutting down")?;
    let busy = Busy::with(worker, address);
    let record = offers::evaluate(worker, link, offer).await?;
    // In the journal before anything is promised.
    worker
        .put(&record)
        .await
        .map_err(|error| format!("{error:#}"))?;
    busy.goes_on();
    Ok((record, permit))
}

/// Says in heartbeats that the device is busy, until it is dropped.
struct Busy<'a>(Option<&'a Worker>);

impl<'a> Busy<'a> {
    fn with(worker: &'a Worker, job: Pubkey) -> Self {
        worker.busy_with(Some(job));
        Self(Some(worker))
    }

    /// Whoever drives the job says when it ends.
    fn goes_on(mut self) {
        self.0 = None;
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(worker) = self.0 {
            worker.busy_with(None);
        }
    }
}

/// Hears of changes to this device's jobs, and takes up those that only the chain knows of.
async fn follow_jobs(worker: Arc<Worker>) {
    let mut filters = kind_filters::<Job>();
    filters.push(field(
        std::mem::offset_of!(Job, device),
        worker.address.as_ref(),
    ));
    let config = FollowConfig {
        resync: SWEEP_EVERY,
        ..FollowConfig::default()
    };
    let stream = AccountStream::start(
        worker.chain.rpc().clone(),
        &worker.config.ws_url,
        io_network::ID,
        filters,
        config,
    );
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            tracing::error!(%error, "ws_url can't be used: jobs are looked at every few seconds only");
            return;
        }
    };
    loop {
        let update = tokio::select! {
            () = worker.shutdown.cancelled() => return,
            update = stream.next() => update,
        };
        let Some(update) = update else { return };
        if let Some(handle) = worker.handle(&update.address) {
            handle.changed.notify_one();
            continue;
        }
        let Some(account) = update.account else {
            continue;
        };
        let adopted = match decode::<Job>(&update.address, &account) {
            Ok(job) => job::adopt(&worker, update.address, &job).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = adopted {
            tracing::warn!(job = %update.address, error = %format!("{error:#}"), "can't be taken up");
        }
    }
}

/// Samples the device for heartbeats, and notices changed prices.
async fn sample(worker: Arc<Worker>) {
    let mut sampler = Sampler::new(&worker.device);
    let mut asks_changed = prices::changed_at(&worker.config.data_dir);
    loop {
        tokio::select! {
            () = worker.shutdown.cancelled() => return,
            () = sleep(Duration::from_secs(worker.config.heartbeat_seconds)) => {}
        }
        let sampled = tokio::task::spawn_blocking(move || {
            let sample = sampler.sample();
            (sampler, sample)
        })
        .await;
        let Ok((again, sample)) = sampled else { return };
        sampler = again;
        lock(&worker.state).sample = sample;
        let changed = prices::changed_at(&worker.config.data_dir);
        if changed != asks_changed {
            asks_changed = changed;
            match prices::current(&worker.config) {
                Ok(asks) => {
                    tracing::info!(?asks, "prices changed");
                    lock(&worker.state).asks = asks;
                    worker.tell();
                }
                Err(error) => {
                    tracing::warn!(error = %format!("{error:#}"), "the prices stay as they were")
                }
            }
        }
    }
}

/// Notices when the device is drained, given to another operator or retired.
async fn follow_device(worker: Arc<Worker>) {
    loop {
        tokio::select! {
            () = worker.shutdown.cancelled() => return,
            () = sleep(DEVICE_EVERY) => {}
        }
        match worker.chain.registered_device(&worker.address).await {
            Ok(device) => {
                let draining = device.state == DeviceState::Draining as u8;
                if worker.draining.swap(draining, Ordering::Relaxed) != draining {
                    tracing::info!(draining, "the device was switched");
                    worker.tell();
                }
            }
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the device's account"),
        }
    }
}

/// Deletes what is no longer needed, and unloads what is idle.
async fn tidy(worker: Arc<Worker>) {
    let idle = Duration::from_secs(worker.config.idle_unload_seconds.max(1));
    let mut clean_in = Duration::ZERO;
    let mut unload_in = idle;
    loop {
        let pause = clean_in.min(unload_in);
        tokio::select! {
            () = worker.shutdown.cancelled() => return,
            () = sleep(pause) => {}
        }
        clean_in = clean_in.saturating_sub(pause);
        unload_in = unload_in.saturating_sub(pause);
        if unload_in.is_zero() {
            unload_in = worker
                .engines
                .unload_if_idle(idle)
                .max(Duration::from_millis(100));
        }
        if clean_in.is_zero() {
            clean_in = CLEAN_EVERY;
            let of = worker.clone();
            // Results of finished jobs first, by age; then blobs, by use. Nothing while a job may be using them.
            let busy = lock(&worker.state).job.is_some();
            let cleaned = tokio::task::spawn_blocking(move || clean(&of, busy)).await;
            if let Ok(Err(error)) = cleaned {
                tracing::warn!(error = %format!("{error:#}"), "cleaning up");
            }
        }
    }
}

fn clean(worker: &Worker, busy: bool) -> Result<()> {
    let kept_since = local_time()
        .saturating_sub(i64::try_from(worker.config.retention_seconds).unwrap_or(i64::MAX));
    for record in worker.journal.ended_before(kept_since) {
        worker
            .journal
            .forget(&record)
            .with_context(|| format!("forgetting {}", record.job))?;
    }
    // Too many for the disk: what ended longest ago goes before its retention is over.
    while let (bytes, Some(oldest)) = worker.journal.results()?
        && bytes > worker.config.max_disk_bytes
    {
        tracing::warn!(
            job = oldest.job,
            bytes,
            "max_disk_bytes is reached: an old result is deleted early"
        );
        worker.journal.forget(&oldest)?;
    }
    if !busy {
        let deleted = blobs::clean(&worker.config.blobs_dir(), worker.config.max_disk_bytes)?;
        if deleted > 0 {
            tracing::info!(deleted, "blobs cleaned away");
        }
    }
    Ok(())
}
