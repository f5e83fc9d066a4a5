//! What the parts of a running worker share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use io_api::{
    auth::now_ms,
    client::OracleClient,
    types::{Attestation, EngineOffer, Heartbeat, Progress, ToOracle},
};
use io_client::Pubkey;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    blobs::LocalBlobs,
    chain::{Chain, local_time},
    config::Config,
    devices::{Device, Sample},
    journal::{Journal, Record},
    limits::*,
    prices::Asks,
    prove::{self, EngineHost, hardware::Proving, self_test::SelfTest},
};

/// Jobs worked on at once: until a result is submitted, the program binds a device to one.
pub const CONCURRENT_JOBS: usize = 1;
/// A run shorter than this tells more about starting than about speed.
const LEARN_FROM: Duration = Duration::from_secs(1);
/// Weight of the newest run in an engine's speed.
const LEARN_WEIGHT: f64 = 0.3;
/// Verdicts that wait for a job's turn.
const INBOX: usize = 2 * MAX_ORACLES;

/// A running worker.
pub struct Worker {
    pub config: Config,
    pub chain: Chain,
    pub device: Device,
    /// The device's account, and its provider's.
    pub address: Pubkey,
    pub provider: Pubkey,
    pub test: SelfTest,
    pub proving: Proving,
    pub journal: Arc<Journal>,
    pub blobs: LocalBlobs,
    pub engines: Arc<EngineHost>,
    pub oracles: Vec<OracleClient>,
    pub outbound: Vec<mpsc::Sender<ToOracle>>,
    /// One permit: whoever holds it uses the device.
    pub slot: Arc<Semaphore>,
    /// A permit for each offer that may be looked at or wait.
    pub pending: Arc<Semaphore>,
    pub state: Mutex<State>,
    /// Grows when the oracles should hear of a change at once.
    pub news: watch::Sender<u64>,
    sequence: AtomicU64,
    /// The device is being drained, on chain.
    pub draining: AtomicBool,
    jobs: Mutex<HashMap<Pubkey, Arc<Handle>>>,
    /// Woken when a link comes up or the device's account changes.
    pub attest_now: Notify,
    pub shutdown: CancellationToken,
    /// Held while a request of a lease runs.
    pub requests: tokio::sync::Mutex<()>,
    pub tasks: TaskTracker,
}

/// What heartbeats tell.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub sample: Sample,
    pub job: Option<Pubkey>,
    pub asks: Asks,
    /// Units of work a second by engine: measured at first, then learnt from the jobs that were run.
    pub speeds: BTreeMap<String, f64>,
}

/// A job that is being driven, for whoever has news about it.
pub struct Handle {
    pub created_slot: u64,
    pub inbox: mpsc::Sender<Box<Attestation>>,
    /// Its account changed.
    pub changed: Notify,
}

/// A speed after one more run of `units` that took `took`.
fn learnt(speed: f64, units: u64, took: Duration) -> f64 {
    if took < LEARN_FROM {
        return speed;
    }
    speed + LEARN_WEIGHT * (units as f64 / took.as_secs_f64() - speed)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        config: Config,
        chain: Chain,
        device: Device,
        provider: Pubkey,
        test: SelfTest,
        proving: Proving,
        journal: Journal,
        oracles: Vec<OracleClient>,
        outbound: Vec<mpsc::Sender<ToOracle>>,
        asks: Asks,
        draining: bool,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            address: device.address(),
            blobs: LocalBlobs::new(&config),
            engines: Arc::default(),
            slot: Arc::new(Semaphore::new(CONCURRENT_JOBS)),
            pending: Arc::new(Semaphore::new(MAX_PENDING_OFFERS)),
            state: Mutex::new(State {
                asks,
                speeds: test.engines.clone(),
                ..State::default()
            }),
            news: watch::channel(0).0,
            // Later than any sequence of an earlier process: heartbeats are more than a millisecond apart.
            sequence: AtomicU64::new(now_ms()),
            draining: AtomicBool::new(draining),
            jobs: Mutex::default(),
            attest_now: Notify::new(),
            requests: tokio::sync::Mutex::new(()),
            tasks: TaskTracker::new(),
            journal: Arc::new(journal),
            config,
            chain,
            device,
            provider,
            test,
            proving,
            oracles,
            outbound,
            shutdown,
        }
    }

    /// The device's state now.
    pub fn heartbeat(&self, rtt_ms: Option<u32>) -> Heartbeat {
        let state = lock(&self.state).clone();
        let offer = |(name, speed): (&String, &f64)| {
            let ask = *state.asks.get(name)?;
            Some((name.clone(), EngineOffer { ask, speed: *speed }))
        };
        let engines = state.speeds.iter().filter_map(offer).collect();
        Heartbeat {
            device: self.address.to_string(),
            sequence: self.sequence.fetch_add(1, Ordering::Relaxed) + 1,
            at_ms: now_ms(),
            engines,
            load: state.sample.load,
            // The rest of the host may use what jobs can't.
            memory_used_mib: state.sample.memory_used_mib.min(self.device.memory_mib),
            temperature_c: state.sample.temperature_c,
            power_w: state.sample.power_w,
            draining: self.takes_no_jobs(),
            job: state.job.map(|job| job.to_string()),
            rtt_ms,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Learns from a run how fast an engine is here.
    pub fn learn_speed(&self, engine: &str, units: u64, took: Duration) {
        if let Some(speed) = lock(&self.state).speeds.get_mut(engine) {
            *speed = learnt(*speed, units, took);
        }
    }

    pub fn takes_no_jobs(&self) -> bool {
        self.shutdown.is_cancelled() || self.draining.load(Ordering::Relaxed)
    }

    /// Sends a heartbeat on every link now.
    pub fn tell(&self) {
        self.news.send_modify(|version| *version += 1);
    }

    /// What the device is busy with, for heartbeats.
    pub fn busy_with(&self, job: Option<Pubkey>) {
        lock(&self.state).job = job;
        self.tell();
    }

    /// To every oracle; what a slow link doesn't take is dropped: all of it is for information.
    pub fn broadcast(&self, message: &ToOracle) {
        for link in &self.outbound {
            let _ = link.try_send(message.clone());
        }
    }

    pub fn progress(&self, job: &Pubkey, phase: &str, done: u64, total: u64) {
        let progress = Progress {
            phase: phase.into(),
            done,
            total,
            at_ms: now_ms(),
        };
        self.broadcast(&ToOracle::Progress {
            job: job.to_string(),
            progress,
        });
    }

    /// Tells how far a run is, if it moved since `reported`.
    pub fn report(&self, job: &Pubkey, run: &prove::Progress, reported: &mut (u64, u64)) {
        let at = (
            run.done.load(Ordering::Relaxed),
            run.total.load(Ordering::Relaxed),
        );
        if at != *reported && at.1 > 0 {
            *reported = at;
            self.progress(job, "running", at.0, at.1);
        }
    }

    pub fn decline(&self, link: usize, job: &str, reason: &str) {
        tracing::info!(job, reason, "declined");
        let mut reason: String = reason.chars().take(MAX_REASON_BYTES / 4).collect();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        if let Some(link) = self.outbound.get(link) {
            let _ = link.try_send(ToOracle::Decline {
                job: job.into(),
                reason,
            });
        }
    }

    /// Keeps a record; it survives a crash when this returns.
    pub async fn put(&self, record: &Record) -> Result<()> {
        let (journal, record) = (self.journal.clone(), record.clone());
        tokio::task::spawn_blocking(move || journal.put(&record)).await?
    }

    /// Starts to drive a job, unless it is driven already. Returns its handle and inbox.
    pub fn take_up(
        &self,
        job: Pubkey,
        created_slot: u64,
    ) -> Option<(Arc<Handle>, mpsc::Receiver<Box<Attestation>>)> {
        let mut jobs = lock(&self.jobs);
        if jobs.contains_key(&job) {
            return None;
        }
        let (inbox, receiver) = mpsc::channel(INBOX);
        let handle = Arc::new(Handle {
            created_slot,
            inbox,
            changed: Notify::new(),
        });
        jobs.insert(job, handle.clone());
        Some((handle, receiver))
    }

    pub fn let_go(&self, job: &Pubkey) {
        lock(&self.jobs).remove(job);
    }

    pub fn handle(&self, job: &Pubkey) -> Option<Arc<Handle>> {
        lock(&self.jobs).get(job).cloned()
    }

    /// Ends a record: what is left of it waits for its retention.
    pub async fn end(&self, record: &mut Record, reason: &str) -> Result<()> {
        record.ended = Some(reason.to_owned());
        record.ended_at = Some(local_time());
        self.put(record).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_follows_the_runs_and_ignores_short_ones() {
        assert_eq!(learnt(10.0, 1_000, Duration::from_millis(900)), 10.0);
        let mut speed = 10.0;
        for _ in 0..20 {
            speed = learnt(speed, 400, Duration::from_secs(4));
        }
        assert!((99.0..100.0).contains(&speed), "{speed}");
        assert!(learnt(speed, 0, Duration::from_secs(9)) > 0.0);
    }
}
