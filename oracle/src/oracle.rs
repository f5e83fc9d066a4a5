//! The running oracle: what its parts share, and how news travels between them.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, TryLockError},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use io_api::types::Progress;
use io_client::{
    CommitmentConfig, Pubkey, Rpc, SendConfig, Sender, Wallet, accounts,
    io_network::state::{Job, JobState},
    journal::FileJournal,
};
use io_engines::{BlobHash, Engines, JobSpec};
use io_protocol::messages::{Bytes32, Deployment};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config,
    blobs::{BlobStore, Quotas},
    chain::{ChainClock, Index},
    conduct::Conducts,
    db::Db,
    hardware::Hardware,
    link::Links,
    live::Live,
    market::Market,
    metrics::Metrics,
    models::Models,
    nonces::Nonces,
    pace::Paces,
    peers::Peers,
    rewards::Uptime,
    turns::Turns,
    verify::Verdicts,
};

/// Pauses between looks for the network's account at the start.
const START_PAUSE: Duration = Duration::from_millis(500);

/// What is known of a job beside the chain.
#[derive(Clone, Default)]
pub struct Note {
    pub created_slot: u64,
    pub spec: SpecState,
    /// What the spec names can be had here or at a peer. Until then the job is nobody's.
    pub inputs: InputState,
    /// Reported by the device; not proven.
    pub progress: Option<Progress>,
    /// Why it waits.
    pub reason: Option<String>,
    pub verifying: bool,
}

#[derive(Clone, Default)]
pub enum SpecState {
    /// Being looked for.
    #[default]
    Wanted,
    /// Looked for at least once, and not there.
    Missing,
    Invalid(String),
    Ready(Arc<JobSpec>),
}

#[derive(Clone, Copy, Default)]
pub enum InputState {
    /// Being looked for.
    #[default]
    Wanted,
    /// Looked for at least once, and this one was not there.
    Missing(BlobHash),
    Ready,
}

pub struct Oracle {
    pub config: Config,
    pub wallet: Wallet,
    pub key: Pubkey,
    /// This process among all that may run with this key, and since when (Unix milliseconds).
    pub instance: Bytes32,
    pub started_ms: u64,
    pub rpc: Rpc,
    pub sender: Sender,
    pub deployment: Deployment,
    pub io_mint: Pubkey,
    pub index: Index,
    pub clock: ChainClock,
    pub db: Db,
    pub blobs: BlobStore,
    pub peers: Peers,
    pub links: Links,
    pub hardware: Hardware,
    pub paces: Paces,
    pub leases: crate::leases::Leases,
    pub live: Live,
    pub market: Mutex<Market>,
    pub verdicts: Verdicts,
    pub conducts: Conducts,
    pub engines: Engines,
    pub models: Models,
    pub nonces: Nonces,
    pub metrics: Metrics,
    /// Slots in which devices were up, not written yet.
    pub uptime: Uptime,
    pub verifying: Arc<Turns>,
    pub shutdown: CancellationToken,
    pub tasks: TaskTracker,
    /// Rises with everything that may concern matching or keeping.
    pub news: watch::Sender<u64>,
    /// Rises with every blob that somebody has uploaded.
    pub blob_news: watch::Sender<u64>,
    notes: Mutex<HashMap<Pubkey, Note>>,
    /// Things that are being done, each once at a time.
    busy: Mutex<HashSet<String>>,
    me: Weak<Oracle>,
    /// Held as long as the oracle runs.
    _lock: File,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder that another process holds is waited for this long, with such pauses: it may have been killed a moment ago.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// One oracle a folder.
async fn lock_folder(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("can't open {}", path.display()))?;
    let deadline = tokio::time::Instant::now() + LOCK_PATIENCE;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                if !told {
                    tracing::info!(folder = %folder.display(), "another oracle uses this folder; waiting a moment for it to end");
                    told = true;
                }
                tokio::time::sleep(LOCK_AGAIN).await;
            }
            Err(TryLockError::WouldBlock) => bail!(
                "another oracle uses {}: end that one, or give this one a `data_dir` of its own",
                folder.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("can't lock {}", path.display()));
            }
        }
    }
}

impl Oracle {
    pub async fn start(config: Config, shutdown: CancellationToken) -> Result<Arc<Self>> {
        config.check()?;
        let wallet = Wallet::load(&config.key)?;
        let folder = &config.data_dir;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("can't create {}", folder.display()))?;
        let lock = lock_folder(folder).await?;
        let rpc = Rpc::new(&config.rpc_url, CommitmentConfig::confirmed())?;
        let network = wait_for_network(&rpc, &shutdown).await?;
        let deployment = network.deployment();
        let db = Db::open(&folder.join("oracle.sqlite")).await?;
        check_deployment(&db, &network.cluster, &network.io_mint, folder).await?;
        let quotas = Quotas {
            blob: config.max_blob_bytes,
            uploader: config.max_uploader_bytes,
            total: config.max_store_bytes,
        };
        let blobs = BlobStore::open(folder.join("blobs"), quotas, db.clone()).await?;
        let journal = Arc::new(FileJournal::open(&folder.join("journal.jsonl"))?);
        let send = if config.local_chain {
            SendConfig::local()
        } else {
            SendConfig::default()
        };
        let sender = Sender::new(rpc.clone(), journal, send);
        let peers = Peers::new(&config.peers, deployment)?;
        let models = Models::new(&config.model_dirs)?;
        let market = Mutex::new(Market::default());
        let verifying = Turns::new(config.verify_concurrency);
        let key = wallet.address();
        let engines = Engines::new()?;
        Ok(Arc::new_cyclic(|me| Self {
            wallet,
            key,
            instance: Wallet::generate().address().to_bytes(),
            started_ms: io_api::auth::now_ms(),
            rpc,
            sender,
            deployment,
            io_mint: network.io_mint,
            index: Index::default(),
            clock: ChainClock::default(),
            db,
            blobs,
            peers,
            links: Links::default(),
            hardware: Hardware::default(),
            paces: Paces::default(),
            leases: Default::default(),
            live: Live::default(),
            market,
            verdicts: Verdicts::default(),
            conducts: Conducts::default(),
            engines,
            models,
            nonces: Nonces::since(io_api::auth::now_ms()),
            metrics: Metrics::default(),
            uptime: Uptime::default(),
            verifying,
            shutdown,
            tasks: TaskTracker::new(),
            news: watch::channel(0).0,
            blob_news: watch::channel(0).0,
            notes: Mutex::default(),
            busy: Mutex::default(),
            me: me.clone(),
            config,
            _lock: lock,
        }))
    }

    /// Runs a task of this oracle's, ended by its shutdown.
    pub fn spawn<F>(&self, task: impl FnOnce(Arc<Oracle>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(me) = self.me.upgrade() else { return };
        let task = task(me);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Does `what` in a task of its own unless it is being done.
    pub fn once<F>(&self, what: String, task: impl FnOnce(Arc<Oracle>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(me) = self.me.upgrade() else { return };
        if !lock(&self.busy).insert(what.clone()) {
            return;
        }
        let guard = Busy {
            oracle: me.clone(),
            what,
        };
        let task = task(me);
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            let _guard = guard;
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Whether something is being done by [`Self::once`].
    pub fn is_busy(&self, what: &str) -> bool {
        lock(&self.busy).contains(what)
    }

    /// Tells the loops to look again.
    pub fn tell(&self) {
        self.news.send_modify(|n| *n = n.wrapping_add(1));
    }

    // Notes

    pub fn note(&self, job: &Pubkey) -> Note {
        lock(&self.notes).get(job).cloned().unwrap_or_default()
    }

    /// Changes what is known of a job of this creation, while it is there: who worked on one before it at the same address comes too late.
    pub fn update_note(&self, address: &Pubkey, created_slot: u64, change: impl FnOnce(&mut Note)) {
        let is_there = |job: Job| job.created_slot == created_slot;
        if !self.index.job(address).is_some_and(is_there) {
            return;
        }
        let mut notes = lock(&self.notes);
        let note = notes.entry(*address).or_default();
        if note.created_slot != created_slot {
            *note = Note {
                created_slot,
                ..Note::default()
            };
        }
        change(note);
        drop(notes);
        self.live.job(address);
    }

    // News

    pub fn job_changed(&self, address: &Pubkey) {
        let job = self.index.job(address);
        match job
            .as_ref()
            .and_then(|job| job.state().ok().map(|state| (job, state)))
        {
            Some((job, state)) if !state.is_final() => {
                self.update_note(address, job.created_slot, |_| {});
                self.work_on(*address, job, state);
            }
            _ => {
                lock(&self.notes).remove(address);
            }
        }
        if job.is_none_or(|job| job.state != JobState::Open as u8) {
            let device = lock(&self.market).end_ticket(address);
            if let Some(device) = device {
                self.refresh_device(&device);
            }
        }
        self.tell();
    }

    /// Starts what a job's state asks for.
    pub fn work_on(&self, address: Pubkey, job: &Job, state: JobState) {
        let job = *job;
        self.once(format!("spec:{address}:{}", job.created_slot), |oracle| {
            crate::specs::resolve(oracle, address, job)
        });
        match state {
            JobState::Running => {
                self.once(format!("inputs:{address}:{}", job.created_slot), |oracle| {
                    crate::specs::prefetch(oracle, address, job)
                });
            }
            JobState::Submitted | JobState::Disputed => {
                let what = crate::verify::task(&address, job.created_slot, job.was_disputed());
                self.once(what, |oracle| crate::verify::verify(oracle, address, job));
            }
            _ => {}
        }
    }

    pub fn device_changed(&self, device: &Pubkey) {
        if self.refresh_device(device) {
            self.tell();
        }
    }

    pub fn all_changed(&self) {
        for device in self.links.devices() {
            self.refresh_device(&device);
        }
        self.tell();
    }

    /// Keys of the active set, in the account's order.
    pub fn active_oracles(&self) -> Vec<Bytes32> {
        self.index
            .set()
            .map(|set| set.active().map(|key| key.to_bytes()).collect())
            .unwrap_or_default()
    }

    /// Place of this oracle among a job's leaders; `None` when it is not active.
    pub fn rank(&self, job: &Pubkey) -> Option<usize> {
        crate::matching::rank(
            &job.to_bytes(),
            &self.active_oracles(),
            &self.key.to_bytes(),
        )
    }

    /// How often to look at something: on a local chain somebody waits for it.
    pub fn every(&self, on_a_local_chain: Duration, elsewhere: Duration) -> Duration {
        if self.config.local_chain {
            on_a_local_chain
        } else {
            elsewhere
        }
    }

    /// Waits between two looks; `false`, and at once, when this oracle ends.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.shutdown.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

struct Busy {
    oracle: Arc<Oracle>,
    what: String,
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.oracle.busy).remove(&self.what);
    }
}

/// The network's account; waits until the network has been set up.
async fn wait_for_network(
    rpc: &Rpc,
    shutdown: &CancellationToken,
) -> Result<io_client::io_network::state::Network> {
    let mut told = false;
    loop {
        ensure!(
            !shutdown.is_cancelled(),
            "told to stop before the network was there"
        );
        match accounts::fetch_maybe(rpc, &io_client::pda::network()).await {
            Ok(Some(network)) => return Ok(network),
            Ok(None) => {
                if !told {
                    tracing::info!("the network is not set up on this chain yet: waiting");
                }
                told = true;
            }
            Err(error) if error.is_transient() => tracing::warn!(%error, "waiting for the chain"),
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(START_PAUSE) => {}
        }
    }
}

/// A folder belongs to one deployment.
async fn check_deployment(
    db: &Db,
    cluster: &Bytes32,
    io_mint: &Pubkey,
    folder: &Path,
) -> Result<()> {
    let ours = format!(
        "{}:{}:{io_mint}",
        io_client::io_network::ID,
        io_api::text::key(cluster)
    );
    match db.meta("deployment").await? {
        None => db.set_meta("deployment", &ours).await,
        Some(theirs) if theirs == ours => Ok(()),
        Some(theirs) => bail!(
            "{} belongs to another deployment ({theirs}, and the chain is {ours}): use another `data_dir`, or delete this one",
            folder.display()
        ),
    }
}
