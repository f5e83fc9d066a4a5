//! Proving the hardware to the oracles: what computes, how fast, and answering a round.
//!
//! An oracle that this device links to hears its claim; then it opens rounds as it likes, within the budget that this worker keeps
//! over all oracles together. A device answers one round at a time: a second one that comes meanwhile is told so, and asked again.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use io_api::{
    auth::verify_signature,
    client::BlobSource,
    text,
    types::{Figures, HardwareClaim, ProofAsk, ProofOutcome, RoundOpening, ToOracle, ToWorker},
};
use io_proof::hardware::{
    Hash, OpenedRow, Shape,
    cell::MAX_N,
    drawn_rows,
    memory::{Walk, states_to_bytes},
    reveal_seed, round_seed,
    seeds::memory_seed,
    sizes::{Allowance, LEAST_N, WINDOW_MS},
};
use io_protocol::hardware::{CommitmentStatement, RevealStatement, RoundStatement};
use io_prover::{
    Backend, Proof, ProveError,
    cpu::Cpu,
    cuda::{Gpu, ordinal_of},
    memory,
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::DeviceSelection,
    devices::{Device, nvidia},
    limits::*,
    prove::claims::{Claims, claimed_passes, is_late},
    worker::{Worker, lock},
};

/// Runs of each measurement; the best counts: what else the machine does makes it worse.
const ROUNDS: u32 = 3;
/// A measured pass takes at least this long, where a larger one is possible. Of a GPU's small passes hashing is a larger part than of those that
/// it is asked for.
const LEAST_PASS: Duration = Duration::from_millis(10);
const LEAST_GPU_PASS: Duration = Duration::from_millis(50);
/// Memory that is filled to measure how fast that is: 16 MiB on a host, 1 GiB on a GPU.
const HOST_SEGMENTS: u64 = 16 * 256;
const GPU_SEGMENTS: u64 = 1_024 * 256;
/// Free memory of a GPU that a walk through the rest needs.
const GPU_RESERVE_MIB: u32 = 256;

/// What computes a device's proofs.
pub enum Prover {
    Host(Cpu),
    Nvidia { gpu: Box<Gpu>, host: Cpu },
}

/// Memory filled for a walk.
enum Filled<'a> {
    Host(memory::Filled),
    Nvidia(io_prover::cuda::FilledGpu<'a>),
}

impl Filled<'_> {
    fn walk(&self, reveal: &Hash) -> Result<Vec<u64>> {
        Ok(match self {
            Self::Host(filled) => filled.walk(reveal),
            Self::Nvidia(filled) => filled.walk(reveal)?,
        })
    }
}

impl Prover {
    /// For a device, on `threads` threads of its host. The error says what is missing.
    pub fn open(device: &Device, threads: usize) -> Result<Self, ProveError> {
        let host = io_prover::for_host(threads);
        Ok(match device.selection {
            DeviceSelection::Host { .. } => Self::Host(host),
            DeviceSelection::Nvidia { .. } => {
                let is = |uuid: &str| nvidia::hardware(uuid) == device.hardware;
                Self::Nvidia {
                    gpu: Box::new(Gpu::open(ordinal_of(is)?)?),
                    host,
                }
            }
        })
    }

    fn backend(&self) -> &dyn Backend {
        match self {
            Self::Host(cpu) => cpu,
            Self::Nvidia { gpu, .. } => &**gpu,
        }
    }

    /// Rows are opened on the host: they are few.
    fn host(&self) -> &Cpu {
        match self {
            Self::Host(cpu) | Self::Nvidia { host: cpu, .. } => cpu,
        }
    }

    /// `stop` ends it early on a host; a GPU is done in a moment.
    fn fill(
        &self,
        walk: Walk,
        threads: usize,
        stop: &AtomicBool,
    ) -> Result<Filled<'_>, ProveError> {
        Ok(match self {
            Self::Host(_) => Filled::Host(memory::fill_until(walk, threads, stop)?),
            Self::Nvidia { gpu, .. } => Filled::Nvidia(gpu.fill(walk)?),
        })
    }

    /// Measures this prover. Blocks for about a second.
    pub fn claim(&self, memory_mib: u32, threads: usize) -> Result<HardwareClaim> {
        let stop = AtomicBool::new(false);
        let seed: Hash = *blake3::hash(b"self-test").as_bytes();
        let least = match self {
            Self::Host(_) => LEAST_PASS,
            Self::Nvidia { .. } => LEAST_GPU_PASS,
        };
        let measure = |n| {
            let mut best = Duration::MAX;
            for _ in 0..ROUNDS {
                let started = Instant::now();
                io_prover::prove(self.backend(), &seed, &seed, Shape { n, passes: 1 }, &stop)?;
                best = best.min(started.elapsed());
            }
            Ok::<_, ProveError>(best)
        };
        let (mut n, mut pass) = (LEAST_N, measure(LEAST_N)?);
        while pass < least && n < MAX_N {
            // Of what its memory has no room for it is not asked.
            let Ok(larger) = measure(2 * n) else {
                break;
            };
            (n, pass) = (2 * n, larger);
        }
        let segments = match self {
            Self::Host(_) => HOST_SEGMENTS,
            Self::Nvidia { .. } => GPU_SEGMENTS,
        };
        let walk = Walk {
            seed,
            segments,
            strides: 1,
        };
        let started = Instant::now();
        drop(self.fill(walk, threads, &stop)?);
        let fill_mib_s = segments as f64 / 256.0 / started.elapsed().as_secs_f64().max(1e-6);
        let memory_mib = match self {
            Self::Host(_) => memory_mib,
            Self::Nvidia { gpu, .. } => {
                let free = u32::try_from(gpu.free_memory()? / (1024 * 1024));
                free.unwrap_or(u32::MAX).saturating_sub(GPU_RESERVE_MIB)
            }
        };
        Ok(HardwareClaim {
            backend: self.backend().name(),
            n,
            pass_micros: pass.as_micros() as u64,
            memory_mib,
            fill_mib_s: fill_mib_s as u32,
        })
    }
}

/// Hundredths of TOPS of a claim.
pub fn claimed_tops_e2(claim: &HardwareClaim) -> u32 {
    Shape {
        n: claim.n,
        passes: 1,
    }
    .tops_e2(claim.pass_micros)
}

/// What proofs may still take of this device: each oracle's part of the budget, which another can't use up.
struct Budget {
    began: Instant,
    /// By link: the allowance, and what its newest round was reckoned to take, microseconds.
    allowances: HashMap<usize, (Allowance, u64)>,
    /// What rounds took lately.
    spent: VecDeque<(Instant, Duration)>,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            allowances: HashMap::new(),
            spent: VecDeque::new(),
        }
    }
}

impl Budget {
    const PERIOD: Duration = Duration::from_secs(3_600);

    /// Whether a round of the oracle at `link` may begin that is reckoned to take `cost`, and if so counts it.
    fn spend(&mut self, now: Instant, link: usize, cost: Duration, oracles: u32) -> bool {
        let now_ms = now.saturating_duration_since(self.began).as_millis() as u64;
        let (allowance, reckoned) = self
            .allowances
            .entry(link)
            .or_insert_with(|| (Allowance::new(now_ms, oracles), 0));
        let micros = cost.as_micros() as u64;
        let may = allowance.spend(now_ms, micros, oracles);
        if may {
            *reckoned = micros;
        }
        may
    }

    /// What the newest round of an oracle took in fact.
    fn took(&mut self, now: Instant, link: usize, cost: Duration, oracles: u32) {
        if let Some((allowance, reckoned)) = self.allowances.get_mut(&link) {
            let micros = cost.as_micros() as u64;
            allowance.correct(std::mem::take(reckoned), micros, oracles);
        }
        self.spent.push_back((now, cost));
    }

    /// Share of the last hour that rounds took, 0 to 1.
    fn share(&mut self, now: Instant) -> f64 {
        while self
            .spent
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= Self::PERIOD)
        {
            self.spent.pop_front();
        }
        let spent: Duration = self.spent.iter().map(|(_, cost)| *cost).sum();
        spent.as_secs_f64() / Self::PERIOD.as_secs_f64()
    }
}

/// Longest time that an ask is reckoned to take.
const MOST_RECKONED_SECONDS: f64 = 86_400.0;
/// Segments of 4 KiB in a MiB.
const SEGMENTS_A_MIB: u64 = 256;

/// What an ask's passes take of this device at the speed that it claims.
fn computing(claim: &HardwareClaim, ask: &ProofAsk) -> Duration {
    let seconds = claim.pass_micros as f64 / 1e6 * claimed_passes(claim, ask);
    Duration::from_secs_f64(seconds.min(MOST_RECKONED_SECONDS))
}

/// What filling its memory takes, likewise.
fn filling(claim: &HardwareClaim, ask: &ProofAsk) -> Duration {
    let mib = ask.segments as f64 / SEGMENTS_A_MIB as f64;
    let seconds = mib / f64::from(claim.fill_mib_s.max(1));
    Duration::from_secs_f64(seconds.min(MOST_RECKONED_SECONDS))
}

/// What a round takes of this device at the speed that it claims.
fn cost(claim: &HardwareClaim, ask: &ProofAsk) -> Duration {
    computing(claim, ask) + filling(claim, ask)
}

/// Whether an oracle asks for no more than one round may take of this device: not more memory than it claims, and not hours of it.
/// A single pass of the least size is always taken up, however slow the device is. Pure.
fn check_ask(claim: &HardwareClaim, ask: &ProofAsk) -> Result<()> {
    Shape {
        n: ask.n,
        passes: ask.passes,
    }
    .check()?;
    ensure!(
        ask.rows <= MAX_ASKED_ROWS,
        "{} rows were asked for: at most {MAX_ASKED_ROWS}",
        ask.rows
    );
    let claimed = u64::from(claim.memory_mib) * SEGMENTS_A_MIB;
    ensure!(
        ask.segments <= claimed,
        "{} segments of memory were asked for, and the device claims {claimed}",
        ask.segments
    );
    let (passes, most) = (
        computing(claim, ask),
        Duration::from_millis(WINDOW_MS.into()) * MAX_ASKED_WINDOWS,
    );
    let least = ask.passes == 1 && ask.n <= LEAST_N;
    ensure!(
        least || passes <= most,
        "passes of {passes:?} were asked for: at most {most:?}"
    );
    let filling = filling(claim, ask);
    ensure!(
        filling <= MAX_ASKED_FILLING,
        "filling memory for {filling:?} was asked for: at most {MAX_ASKED_FILLING:?}"
    );
    Ok(())
}

/// The round that the device is busy with.
struct Running {
    seed: Hash,
    /// Its oracle's.
    link: usize,
    /// Where the signature of the reveal goes; `None` when the round is over for its oracle.
    reveal: Option<mpsc::Sender<[u8; 64]>>,
    over: Over,
}

/// Whether a round is over for its oracle: then what is done for it ends.
#[derive(Clone, Default)]
struct Over {
    /// Also when the worker shuts down.
    stop: Arc<AtomicBool>,
    ended: CancellationToken,
}

impl Over {
    fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.cancel();
    }
}

impl Running {
    fn is(&self, seed: &Hash, link: usize) -> bool {
        (self.seed, self.link) == (*seed, link)
    }
}

/// The device is busy with a round, however that ends.
struct Busy<'a> {
    worker: &'a Worker,
    seed: Hash,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.worker.proving.is_free_of(&self.seed);
    }
}

/// A round that was taken up.
struct Begun {
    seed: Hash,
    reveal: mpsc::Receiver<[u8; 64]>,
    over: Over,
}

/// Tells whoever watches a computation that it has ended, however it does.
struct Ends<'a>(&'a AtomicBool, &'a std::thread::Thread);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.unpark();
    }
}

/// This worker's side of the hardware proof.
pub struct Proving {
    prover: Prover,
    claims: Mutex<Claims>,
    threads: usize,
    budget: Mutex<Budget>,
    /// What audits took: as much again.
    audits: Mutex<Budget>,
    /// Until the device has stopped doing anything for it.
    running: Mutex<Option<Running>>,
    /// Newest rounds that were committed to, for whoever audits them.
    kept: Mutex<VecDeque<(Hash, Arc<Proof>)>>,
    /// What each oracle measured last, by link.
    measured: Mutex<HashMap<usize, Figures>>,
    /// Rises with every word of an oracle about this device.
    told: tokio::sync::watch::Sender<u64>,
    /// Held while one oracle is asked for a round: they take turns.
    claiming: tokio::sync::Mutex<()>,
    /// Until when an oracle gets no round, by link.
    resting: Mutex<HashMap<usize, Instant>>,
    /// Links that wait for their turn to be told of a claim.
    untold: Mutex<HashSet<usize>>,
    /// Whose each link is that is up.
    speakers: Mutex<HashMap<usize, String>>,
    /// Held while rows are opened for an audit: one at a time, so that audits take little of the device.
    auditing: Mutex<()>,
}

impl Proving {
    pub fn new(prover: Prover, claim: HardwareClaim, threads: usize) -> Self {
        Self {
            prover,
            claims: Mutex::new(Claims::new(claim)),
            threads,
            budget: Mutex::default(),
            audits: Mutex::default(),
            running: Mutex::default(),
            kept: Mutex::default(),
            measured: Mutex::default(),
            told: tokio::sync::watch::channel(0).0,
            claiming: tokio::sync::Mutex::default(),
            resting: Mutex::default(),
            untold: Mutex::default(),
            speakers: Mutex::default(),
            auditing: Mutex::default(),
        }
    }

    /// What the newest round of an oracle took counts against its part of the budget. Returns the share of the last hour that rounds took.
    fn spent(&self, link: usize, busy: Duration, oracles: u32) -> f64 {
        let (mut budget, now) = (lock(&self.budget), Instant::now());
        budget.took(now, link, busy, oracles);
        budget.share(now)
    }

    /// The running round is over for its oracle, if `which` says so: what is done for it stops, and then the device is free.
    fn give_up(&self, which: impl FnOnce(&Running) -> bool) {
        let mut running = lock(&self.running);
        if let Some(running) = running.as_mut().filter(|running| which(running)) {
            running.reveal = None;
            running.over.end();
        }
    }

    /// Links that are up and don't wait to be told of a claim: now they do.
    fn to_be_told(&self) -> Vec<usize> {
        let links: Vec<usize> = lock(&self.speakers).keys().copied().collect();
        let mut untold = lock(&self.untold);
        links
            .into_iter()
            .filter(|link| untold.insert(*link))
            .collect()
    }

    /// Nothing is done for a round any more.
    fn is_free_of(&self, seed: &Hash) {
        let mut running = lock(&self.running);
        *running = running.take().filter(|running| running.seed != *seed);
    }

    /// A link is down.
    pub fn is_gone(&self, link: usize) {
        lock(&self.speakers).remove(&link);
        self.give_up(|running| running.link == link);
    }

    /// Whose a link is that is up now.
    pub fn is_of(&self, link: usize, oracle: String) {
        lock(&self.speakers).insert(link, oracle);
    }

    /// An oracle had this device wait for so long in its round.
    fn rest(&self, link: usize, now: Instant, waited: Duration) {
        let pause = (waited * PAUSES_A_WAIT).min(LONGEST_PAUSE);
        lock(&self.resting).insert(link, now + pause);
    }

    /// Whether an oracle has to wait, for having had the device wait.
    fn is_resting(&self, link: usize, now: Instant) -> bool {
        lock(&self.resting)
            .get(&link)
            .is_some_and(|until| now < *until)
    }

    fn keep(&self, seed: Hash, proof: Arc<Proof>) {
        let rows = |proof: &Proof| proof.committed.roots.len() * proof.committed.n as usize;
        let mut kept = lock(&self.kept);
        kept.push_back((seed, proof));
        while kept.len() > 1
            && (kept.len() > KEPT_ROUNDS
                || kept.iter().map(|(_, proof)| rows(proof)).sum::<usize>() > KEPT_ROWS)
        {
            kept.pop_front();
        }
    }

    /// What oracles measured, by link.
    pub fn measured(&self) -> Vec<(usize, Figures)> {
        lock(&self.measured).iter().map(|(k, v)| (*k, *v)).collect()
    }
}

/// A link is up: tells the oracle that the device is ready.
pub fn claim(worker: &Arc<Worker>, link: usize) {
    // What an earlier connection began is over.
    worker.proving.give_up(|running| running.link == link);
    if lock(&worker.proving.untold).insert(link) {
        worker.tasks.spawn(tell(worker.clone(), link));
    }
}

/// The claim is another one: tells every oracle that is there. Those that come later are told then.
fn claim_anew(worker: &Arc<Worker>) {
    for link in worker.proving.to_be_told() {
        worker.tasks.spawn(tell(worker.clone(), link));
    }
}

/// Tells an oracle what this device claims. Oracles are told one after another, so that each measures the device alone.
async fn tell(worker: Arc<Worker>, link: usize) {
    let proving = &worker.proving;
    let turn = async {
        let _turn = proving.claiming.lock().await;
        let mut told = proving.told.subscribe();
        // Whatever is claimed anew after this is told anew.
        lock(&proving.untold).remove(&link);
        let claim = lock(&proving.claims).now().clone();
        let is_there = lock(&proving.speakers).contains_key(&link);
        let measured = async {
            worker.outbound[link]
                .send(ToOracle::Claim { claim })
                .await?;
            anyhow::Ok(told.changed().await?)
        };
        if is_there {
            // However it ends, the next oracle is told.
            let _ = tokio::time::timeout(CLAIM_TURN, measured).await;
        }
    };
    tokio::select! {
        () = worker.shutdown.cancelled() => {}
        () = turn => {}
    }
}

/// Takes what an oracle says about a round.
pub fn hear(worker: &Arc<Worker>, link: usize, message: ToWorker) {
    let proving = &worker.proving;
    match message {
        ToWorker::Round { .. } if crate::faults::no_rounds() => {}
        ToWorker::Round { opening, ask } => {
            let of = worker.clone();
            worker.tasks.spawn_blocking(move || {
                let begun = match begin(&of, link, &opening, &ask) {
                    Ok(begun) => begun,
                    Err(error) => {
                        return tracing::debug!(error = %format!("{error:#}"), "no round");
                    }
                };
                let (seed, began) = (begun.seed, Instant::now());
                let _until_then = Busy { worker: &of, seed };
                let mut busy = Duration::ZERO;
                let answered = answer(&of, link, &opening, &ask, begun, &mut busy);
                let (held, oracles) = (began.elapsed(), of.oracles.len() as u32);
                let share = of.proving.spent(link, busy, oracles);
                // Whatever kept the device waiting, also if it was only that the oracle went away.
                of.proving.rest(link, Instant::now(), held - busy.min(held));
                let oracle = &opening.oracle;
                match answered {
                    Ok(()) => {
                        tracing::info!(?busy, share, all = ?held, "a hardware proof is with the oracle")
                    }
                    Err(error) if error.is::<Ended>() => {
                        tracing::info!(?busy, share, oracle, "an oracle has ended its round")
                    }
                    Err(error) => {
                        let reason = format!("{error:#}");
                        tracing::warn!(oracle, reason, "a hardware proof failed");
                        unready(&of, link, &seed, &reason);
                    }
                }
            });
        }
        ToWorker::Reveal { round, signature } => revealed(proving, link, &round, &signature),
        ToWorker::Open {
            round,
            request,
            pass,
            rows,
        } => {
            let of = worker.clone();
            worker.tasks.spawn_blocking(move || {
                let (blob, error) = match reopen(&of, link, &round, pass, &rows) {
                    Ok(blob) => (Some(blob), None),
                    Err(error) => (None, Some(format!("{error:#}"))),
                };
                let answer = ToOracle::Reopened {
                    request,
                    blob,
                    error,
                };
                let _ = of.outbound[link].try_send(answer);
            });
        }
        ToWorker::Measured {
            round,
            figures,
            outcome,
            reason,
        } => {
            match figures {
                Some(figures) => {
                    tracing::info!(?figures, "measured by an oracle");
                    lock(&proving.measured).insert(link, figures);
                    worker.attest_now.notify_one();
                }
                None => {
                    tracing::warn!(?outcome, reason, "an oracle has no figures of this device");
                    lock(&proving.measured).remove(&link);
                }
            }
            if let Some(round) = round.as_deref().and_then(text::parse_hash) {
                proving.give_up(|running| running.is(&round, link));
                if outcome == ProofOutcome::Missed && lock(&proving.claims).missed(&round, link) {
                    claim_anew(worker);
                }
            }
            proving.told.send_modify(|n| *n = n.wrapping_add(1));
        }
        _ => {}
    }
}

fn revealed(proving: &Proving, link: usize, round: &str, signature: &str) {
    let (Some(round), Some(signature)) =
        (text::parse_hash(round), text::parse_signature(signature))
    else {
        return;
    };
    if let Some(running) = &*lock(&proving.running)
        && running.is(&round, link)
        && let Some(reveal) = &running.reveal
    {
        let _ = reveal.send(signature);
    }
}

fn unready(worker: &Worker, link: usize, round: &Hash, reason: &str) {
    let reason = reason[..reason.floor_char_boundary(MAX_REASON_BYTES / 4)].to_owned();
    let round = text::hash(round);
    let _ = worker.outbound[link].try_send(ToOracle::Unready { round, reason });
}

/// Takes a round up, if the device is free and has the time for it.
fn begin(worker: &Worker, link: usize, opening: &RoundOpening, ask: &ProofAsk) -> Result<Begun> {
    let proving = &worker.proving;
    let key = text::parse_key(&opening.oracle).context("the oracle's key")?;
    let blockhash = text::parse_key(&opening.blockhash).context("the blockhash")?;
    let signature = text::parse_signature(&opening.signature).context("the signature")?;
    let statement = RoundStatement {
        deployment: worker.chain.deployment(),
        oracle: key,
        epoch: opening.epoch,
        blockhash,
    }
    .to_bytes();
    ensure!(
        lock(&proving.speakers).get(&link) == Some(&opening.oracle),
        "the round is another oracle's than the link"
    );
    ensure!(
        verify_signature(&key, &statement, &signature),
        "the round isn't signed by the oracle that it names"
    );
    let seed = round_seed(&statement, &signature);
    let claim = lock(&proving.claims).most();
    if let Err(error) = check_ask(&claim, ask) {
        unready(worker, link, &seed, &format!("{error:#}"));
        return Err(error);
    }
    if proving.is_resting(link, Instant::now()) {
        let reason = "this oracle had the device wait in its last round: ask again later";
        unready(worker, link, &seed, reason);
        bail!(reason);
    }
    let mut running = lock(&proving.running);
    if running.is_some() {
        let reason = "the device is busy with another round: ask again";
        unready(worker, link, &seed, reason);
        bail!(reason);
    }
    let oracles = worker.oracles.len() as u32;
    let cost = cost(&claim, ask);
    if !lock(&proving.budget).spend(Instant::now(), link, cost, oracles) {
        let reason = "this hour's time for this oracle's hardware proofs is spent";
        unready(worker, link, &seed, reason);
        bail!(reason);
    }
    tracing::debug!(?cost, ?ask, "a hardware proof is asked for");
    let ((sender, reveal), over) = (mpsc::channel(), Over::default());
    *running = Some(Running {
        seed,
        link,
        reveal: Some(sender),
        over: over.clone(),
    });
    Ok(Begun { seed, reveal, over })
}

/// A round is over for its oracle.
#[derive(Debug, thiserror::Error)]
#[error("the oracle has ended it")]
struct Ended;

/// Waits for the oracle's reveal, and ends when the worker does.
fn wait(worker: &Worker, reveal: &mpsc::Receiver<[u8; 64]>) -> Result<[u8; 64]> {
    let until = Instant::now() + ROUND_PATIENCE;
    loop {
        match reveal.recv_timeout(RETRY) {
            Ok(signature) => return Ok(signature),
            Err(RecvTimeoutError::Disconnected) => bail!(Ended),
            Err(RecvTimeoutError::Timeout) => {
                ensure!(
                    !worker.shutdown.is_cancelled(),
                    "the worker is shutting down"
                );
                ensure!(
                    Instant::now() < until,
                    "the oracle goes on with the round no more"
                );
            }
        }
    }
}

/// Answers a round to its end; [`Ended`] when its oracle has ended it before. `busy` rises by how long the device was busy with it, also where it fails.
fn answer(
    worker: &Arc<Worker>,
    link: usize,
    opening: &RoundOpening,
    ask: &ProofAsk,
    begun: Begun,
    busy: &mut Duration,
) -> Result<()> {
    let (proving, started) = (&worker.proving, Instant::now());
    let Begun { seed, reveal, over } = begun;
    let (device, round) = (worker.address.to_bytes(), text::hash(&seed));
    let say = |message: ToOracle| {
        worker.outbound[link]
            .try_send(message)
            .map_err(|_| anyhow::anyhow!("the link is gone or too slow"))
    };
    let stop: &AtomicBool = &over.stop;
    let shape = Shape {
        n: ask.n,
        passes: ask.passes,
    };
    let done = AtomicBool::new(false);
    let done = &done;
    let proved = std::thread::scope(|scope| {
        // Passes of a large matrix are long: a shutdown doesn't wait for them.
        let watch = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                if worker.shutdown.is_cancelled() {
                    return stop.store(true, Ordering::Relaxed);
                }
                std::thread::park_timeout(LOOK_FOR_SHUTDOWN);
            }
        });
        let _ends = Ends(done, watch.thread());
        let (backend, host) = (proving.prover.backend(), proving.prover.host());
        let proof = io_prover::prove_checked(backend, host, &seed, &device, shape, stop);
        #[cfg(feature = "faults")]
        crate::faults::hold_up(started, computing(&lock(&proving.claims).most(), ask));
        *busy = started.elapsed();
        proof
    });
    let was_cancelled = matches!(proved, Err(ProveError::Cancelled));
    // Passes that were stopped would have taken longer still.
    if (proved.is_ok() || was_cancelled && is_late(*busy))
        && lock(&proving.claims).took(seed, link, ask, *busy)
    {
        claim_anew(worker);
    }
    ensure!(!was_cancelled || worker.shutdown.is_cancelled(), Ended);
    let proof = proved?;
    #[cfg(feature = "faults")]
    let proof = crate::faults::with_a_wrong_cell(proof, proving.prover.host());
    let proof = Arc::new(proof);
    proving.keep(seed, proof.clone());
    let committed = &proof.committed;
    let statement = CommitmentStatement {
        deployment: worker.chain.deployment(),
        device,
        epoch: opening.epoch,
        round_seed: seed,
        commitment: committed.commitment(),
    };
    say(ToOracle::Committed {
        round: round.clone(),
        roots: committed.roots.iter().map(text::hash).collect(),
        signature: worker.chain.sign(&statement.to_bytes()),
    })?;
    let walk = Walk {
        seed: memory_seed(&seed, &device),
        segments: ask.segments,
        strides: ask.strides,
    };
    let filled = proving.prover.fill(walk, proving.threads, stop);
    *busy = started.elapsed();
    ensure!(!over.ended.is_cancelled(), Ended);
    let filled = filled?;
    say(ToOracle::Filled {
        round: round.clone(),
    })?;

    let oracle = text::parse_key(&opening.oracle).context("the oracle's key")?;
    let statement = RevealStatement {
        deployment: worker.chain.deployment(),
        oracle,
        round_seed: seed,
    };
    let revealed = wait(worker, &reveal)?;
    ensure!(
        verify_signature(&oracle, &statement.to_bytes(), &revealed),
        "the reveal isn't signed by the oracle"
    );
    let reveal = reveal_seed(&seed, &revealed);
    let walking = Instant::now();
    let states = states_to_bytes(&filled.walk(&reveal)?);
    drop(filled);
    *busy += walking.elapsed();
    say(ToOracle::Walked {
        round: round.clone(),
        root: text::hash(blake3::hash(&states).as_bytes()),
    })?;
    upload(worker, link, &states, &over.ended)?;
    let began = Instant::now();
    let rows = open(proving, &proof, &drawn_rows(&reveal, committed, ask.rows));
    *busy += began.elapsed();
    let rows = upload(worker, link, &rows, &over.ended)?;
    say(ToOracle::Opened { round, rows })
}

/// Rows as they go to an oracle.
fn open(proving: &Proving, proof: &Proof, rows: &[(u32, u32)]) -> Vec<u8> {
    #[cfg_attr(not(feature = "faults"), allow(unused_mut))]
    let mut opened = proof.open_rows(proving.prover.host(), rows);
    #[cfg(feature = "faults")]
    crate::faults::open_the_wrong_cell(&mut opened, proof);
    opened.iter().flat_map(OpenedRow::to_bytes).collect()
}

/// Uploads to the oracle of a link, which must take it in time. Returns the blob's hash; [`Ended`] when what it is for ends before.
fn upload(worker: &Worker, link: usize, bytes: &[u8], ended: &CancellationToken) -> Result<String> {
    let blob = *blake3::hash(bytes).as_bytes();
    let key = worker.chain.request_key();
    let upload = worker.oracles[link].put_blob(&key, &blob, BlobSource::Bytes(bytes), |_| {});
    tokio::runtime::Handle::current().block_on(async {
        tokio::select! {
            () = worker.shutdown.cancelled() => bail!("the worker is shutting down"),
            () = ended.cancelled() => bail!(Ended),
            uploaded = tokio::time::timeout(ROUND_PATIENCE, upload) => {
                uploaded
                    .context("the oracle takes what was opened too slowly")?
                    .context("uploading what was opened")?;
                Ok(text::hash(&blob))
            }
        }
    })
}

/// Opens more of a round for an audit: rows of a pass, or the roots of all its rows.
fn reopen(worker: &Worker, link: usize, round: &str, pass: u32, rows: &[u32]) -> Result<String> {
    let proving = &worker.proving;
    let turn = match proving.auditing.try_lock() {
        Ok(turn) => turn,
        Err(TryLockError::Poisoned(turn)) => PoisonError::into_inner(turn),
        Err(TryLockError::WouldBlock) => bail!("the device answers another audit: ask again"),
    };
    let (started, oracles) = (Instant::now(), worker.oracles.len() as u32);
    ensure!(
        lock(&proving.audits).spend(started, link, Duration::ZERO, oracles),
        "this hour's time for this oracle's audits is spent"
    );
    let seed = text::parse_hash(round).context("the round")?;
    let proof = lock(&proving.kept)
        .iter()
        .find(|(kept, _)| *kept == seed)
        .map(|(_, proof)| proof.clone())
        .context("this round is not kept any more")?;
    let tree = proof.tree(pass).context("there is no such pass")?;
    ensure!(
        rows.len() <= MAX_AUDIT_ROWS && rows.iter().all(|row| *row < proof.committed.n),
        "at most {MAX_AUDIT_ROWS} rows that there are"
    );
    let bytes = if rows.is_empty() {
        tree.row_roots().as_flattened().to_vec()
    } else {
        let rows: Vec<_> = rows.iter().map(|row| (pass, *row)).collect();
        open(proving, &proof, &rows)
    };
    lock(&proving.audits).took(Instant::now(), link, started.elapsed(), oracles);
    // Another audit need not wait until this one's oracle has taken all of it.
    drop(turn);
    upload(worker, link, &bytes, &CancellationToken::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However much one asks for, the others have their rounds, and it waits until it has made up for it.
    #[test]
    fn no_oracle_uses_up_the_others_part() {
        let mut budget = Budget::default();
        let start = budget.began;
        let (much, round) = (Duration::from_secs(13), Duration::from_secs(3));
        assert!(budget.spend(start, 0, much, 3));
        assert!(!budget.spend(start + Duration::from_secs(3_600), 0, round, 3));
        for link in [1, 2] {
            assert!(budget.spend(start, link, round, 3));
            assert!(budget.spend(start + Duration::from_secs(2_880), link, round, 3));
        }
        assert!(budget.spend(start + Duration::from_secs(4_300), 0, round, 3));
    }

    #[test]
    fn what_a_round_took_in_fact_is_what_counts() {
        let mut budget = Budget::default();
        let start = budget.began;
        assert!(budget.spend(start, 0, Duration::from_secs(1), 3));
        budget.took(start, 0, Duration::from_secs(7), 3);
        assert!((budget.share(start) - 7.0 / 3_600.0).abs() < 1e-9);
        assert!(!budget.spend(start, 0, Duration::from_secs(1), 3));
        // Counted once.
        budget.took(start, 0, Duration::ZERO, 3);
        assert!(!budget.spend(start + Duration::from_secs(500), 0, Duration::ZERO, 3));
        assert!(budget.spend(start + Duration::from_secs(700), 0, Duration::ZERO, 3));
        assert_eq!(budget.share(start + Budget::PERIOD), 0.0);
    }

    fn claim() -> HardwareClaim {
        HardwareClaim {
            backend: String::new(),
            n: 1_024,
            pass_micros: 10_000,
            memory_mib: 4_096,
            fill_mib_s: 64,
        }
    }

    fn ask(n: u32, passes: u32, mib: u64) -> ProofAsk {
        ProofAsk {
            n,
            passes,
            rows: 1,
            segments: mib * SEGMENTS_A_MIB,
            strides: 1,
            open_strides: 1,
        }
    }

    /// A round that is drawn out keeps the others from theirs: its oracle is out for many times as long.
    #[test]
    fn an_oracle_that_had_the_device_wait_waits_itself() {
        let proving = Proving::new(Prover::Host(io_prover::for_host(1)), claim(), 1);
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert!(!proving.is_resting(0, now));
        proving.rest(0, now, Duration::from_secs(30));
        assert!(proving.is_resting(0, after(599)));
        assert!(!proving.is_resting(0, after(600)));
        assert!(!proving.is_resting(1, now), "another oracle");
        proving.rest(0, now, Duration::from_secs(10_000));
        assert!(!proving.is_resting(0, after(3_600)), "not for ever");
    }

    /// Oracles that are away are told when they come, and nobody waits for them.
    #[test]
    fn a_new_claim_is_for_every_oracle_that_is_there_once() {
        let proving = Proving::new(Prover::Host(io_prover::for_host(1)), claim(), 1);
        let told = || {
            let mut links = proving.to_be_told();
            links.sort_unstable();
            links
        };
        assert_eq!(told(), [0; 0]);
        for link in [0, 2, 3] {
            proving.is_of(link, String::new());
        }
        proving.is_gone(3);
        assert_eq!(told(), [0, 2]);
        assert_eq!(told(), [0; 0], "they wait already");
        lock(&proving.untold).remove(&2);
        assert_eq!(told(), [2], "of what is claimed after that");
    }

    /// An oracle that ends its round, or says so of another, frees the device for nobody before it has stopped.
    #[test]
    fn a_round_that_is_over_holds_the_device_until_it_has_stopped() {
        let proving = Proving::new(Prover::Host(io_prover::for_host(1)), claim(), 1);
        let ((sender, reveal), over) = (mpsc::channel(), Over::default());
        *lock(&proving.running) = Some(Running {
            seed: [1; 32],
            link: 0,
            reveal: Some(sender),
            over: over.clone(),
        });
        let is_over = || over.stop.load(Ordering::Relaxed) && over.ended.is_cancelled();
        for (seed, link) in [([1; 32], 1), ([2; 32], 0)] {
            proving.give_up(|running| running.is(&seed, link));
            revealed(
                &proving,
                link,
                &text::hash(&seed),
                &text::signature(&[3; 64]),
            );
            assert!(!is_over() && reveal.try_recv().is_err());
        }
        let of = text::hash(&[1; 32]);
        revealed(&proving, 0, &of, &text::signature(&[3; 64]));
        assert_eq!(reveal.try_recv(), Ok([3; 64]));
        proving.give_up(|running| running.is(&[1; 32], 0));
        assert!(is_over());
        assert_eq!(reveal.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        proving.is_free_of(&[2; 32]);
        assert!(lock(&proving.running).is_some());
        proving.is_free_of(&[1; 32]);
        assert!(lock(&proving.running).is_none());
    }

    #[test]
    fn a_rounds_cost_follows_from_the_claim() {
        let cost = cost(&claim(), &ask(2_048, 2, 64));
        assert_eq!(cost, Duration::from_millis(1_160));
    }

    #[test]
    fn one_ask_takes_neither_hours_nor_more_memory_than_is_claimed() {
        let claim = claim();
        assert!(
            check_ask(&claim, &ask(1_024, 150, 96)).is_ok(),
            "as oracles ask"
        );
        assert!(
            check_ask(&claim, &ask(2_048, 50, 96)).is_ok(),
            "two windows"
        );
        assert!(check_ask(&claim, &ask(2_048, 51, 96)).is_err());
        assert!(
            check_ask(&claim, &ask(1_024, 1, 640)).is_ok(),
            "10 s of filling"
        );
        assert!(check_ask(&claim, &ask(1_024, 1, 641)).is_err());
        let rows = |rows| ProofAsk {
            rows,
            ..ask(1_024, 1, 1)
        };
        assert!(check_ask(&claim, &rows(MAX_ASKED_ROWS)).is_ok());
        assert!(check_ask(&claim, &rows(MAX_ASKED_ROWS + 1)).is_err());
        let quick = HardwareClaim {
            fill_mib_s: 4_096,
            ..claim.clone()
        };
        assert!(check_ask(&quick, &ask(1_024, 1, 4_096)).is_ok());
        assert!(
            check_ask(&quick, &ask(1_024, 1, 4_097)).is_err(),
            "beyond the claim"
        );
        // A device that takes longer than the window for the least there is.
        let slow = HardwareClaim {
            pass_micros: 60_000_000,
            ..claim
        };
        assert!(check_ask(&slow, &ask(1_024, 1, 1)).is_ok());
        assert!(check_ask(&slow, &ask(1_024, 2, 1)).is_err());
        assert!(check_ask(&slow, &ask(2_048, 1, 1)).is_err());
    }
}
