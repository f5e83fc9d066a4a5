//! Rounds of the hardware proof (`io_proof::hardware`): who is asked when, what is asked, and what this oracle has measured.
//!
//! 1. A round opens for all linked devices at the same time, at least hourly with jitter, and at once for a device without figures. Its
//!    seed is this oracle's signature over the newest blockhash.
//! 2. Devices commit to their products, fill memory, and say so. Their time is what passes here between the opening and the commitment.
//! 3. When all have, or patience ends, the oracle reveals the second seed: rows are drawn, and the walk through memory begins.
//!    Once a walk's root is in, another signature draws the strides that are walked again.
//! 4. Rows and the walk's states come as blobs. All devices of a round share one B·r. When all were checked, the links of those whose proof was right are
//!    measured ([`pace`]); the others are told before that. What was asked, sent, signed and found is one record a device and round in
//!    the database, and for everybody at `/v1/hardware/{epoch}`.
//!
//! Being slow lowers a figure. A wrong row or stride refuses the device, and a row that is wrong as it was committed to costs it its bond
//! ([`challenge`]). [`attest`](crate::attest) signs no figure above what was measured here.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
    sync::{Arc, LazyLock, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use io_api::{
    auth::verify_signature,
    text,
    types::{
        Figures, HardwareClaim, HardwareProof, HardwareProofs, LinkTimes, OpenRequest, ProofAsk,
        ProofOutcome, RoundOpening, ToWorker,
    },
};
use io_client::{
    Pubkey,
    io_network::{constants::EVIDENCE_SECONDS, state::Device},
    rpc::Blockhash,
};
use io_proof::hardware::{
    Checker, Committed, Hash, OpenedRow,
    cell::check_n,
    memory::{Walk, check_walk},
    reveal_seed, round_seed,
    seeds::{memory_seed, walk_subject},
    sizes::{Allowance, LEAST_N},
};
use io_protocol::{
    hardware::{CommitmentStatement, RevealStatement, RoundStatement},
    messages::{Bytes32, Deployment, EPOCH_SECONDS, epoch_of},
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{sleep, timeout, timeout_at},
};

use crate::{
    db::ProofRow,
    oracle::{Oracle, lock},
    pace,
};

pub mod challenge;
pub mod rules;

pub use rules::Rounds;
use rules::{JITTER_PERCENT, Standing, ask, measured};

/// Claims that come together are asked together: the first waits this long for more.
const GATHER: Duration = Duration::from_millis(50);
/// Pause between looks at who is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A round waits for a new blockhash: tries, and the pause between them.
const BLOCKHASH_TRIES: u32 = 100;
const BLOCKHASH_AGAIN: Duration = Duration::from_millis(100);
/// Blockhashes that are remembered: a node forgets one after 150 slots.
const USED_BLOCKHASHES: usize = 512;
/// First pause before a device without usable figures is asked again; it doubles with every failure.
const RETRY: Duration = Duration::from_secs(2);
/// Words from devices that wait for a round to take them, for each of its devices.
const INBOX_EACH: usize = 8;
/// Most devices of a round: more are asked in another beside it.
const MAX_DEVICES: usize = 16_384;
/// Devices of a round whose rows are in memory, and are checked, at once.
const CHECKS: usize = 8;
/// Hours whose records are kept.
const KEEP_EPOCHS: u64 = 168;
/// Records of a page.
pub const PAGE: usize = 100;
/// Longest description of a backend, bytes.
const MAX_BACKEND: usize = 128;
/// A reason in a record, bytes.
const MAX_REASON: usize = 200;
/// Rows of one audit, audits of a device in a period, those of them that one address may ask for, and how long an answer is waited for.
const MAX_AUDIT_ROWS: usize = 16;
const MAX_AUDITS: usize = 64;
const MAX_AUDITS_BY_ONE: usize = 32;
const AUDIT_PERIOD: Duration = Duration::from_secs(3_600);
const AUDIT_PATIENCE: Duration = Duration::from_secs(25);
/// Answers to audits that are remembered: whoever asks the same has them without the device.
const MAX_ANSWERS: usize = 1_024;
/// Devices whose standing is remembered.
const MAX_KNOWN: usize = 2 * crate::link::MAX_LINKS;

/// What rounds took of a device lately.
#[derive(Clone, Debug, Default)]
struct Spent(VecDeque<(Instant, u64)>);

impl Spent {
    fn take_off(&mut self, now: Instant, period: Duration) {
        while self
            .0
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) >= period)
        {
            self.0.pop_front();
        }
    }

    /// Milliseconds within the last `period`.
    fn total(&mut self, now: Instant, period: Duration) -> u64 {
        self.take_off(now, period);
        self.0.iter().map(|(_, ms)| ms).sum()
    }
}

/// What [`Allowance`]s count from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Default)]
struct Known {
    standing: Standing,
    spent: Spent,
    /// None before the first round.
    allowance: Option<Allowance>,
    /// In a round now.
    busy: bool,
    /// When it is asked again besides the regular rounds.
    due: Option<Instant>,
    failures: u32,
    /// How it was audited lately.
    audits: VecDeque<Audit>,
}

/// A device was asked to open rows.
#[derive(Clone, Copy)]
struct Audit {
    request: u64,
    at: Instant,
    by: IpAddr,
}

/// What an audit asks for.
#[derive(Clone, PartialEq, Eq)]
struct Question {
    device: Pubkey,
    round: Hash,
    pass: u32,
    rows: Vec<u32>,
}

impl Known {
    /// Whether `by` may have the device open rows now.
    fn may_audit(&mut self, now: Instant, by: IpAddr) -> Result<(), String> {
        self.audits
            .retain(|audit| now.saturating_duration_since(audit.at) < AUDIT_PERIOD);
        let own = self.audits.iter().filter(|audit| audit.by == by).count();
        match self.audits.len() < MAX_AUDITS && own < MAX_AUDITS_BY_ONE {
            true => Ok(()),
            false => {
                Err("the device was audited too often in this hour: ask another oracle".into())
            }
        }
    }
}

/// What a device says in a round.
pub enum Said {
    Committed {
        roots: Vec<String>,
        signature: String,
    },
    Filled,
    Walked {
        root: String,
    },
    Opened {
        rows: String,
    },
    Unready {
        reason: String,
    },
}

struct Heard {
    device: Pubkey,
    at: Instant,
    said: Said,
}

#[derive(Default)]
struct State {
    claims: HashMap<Pubkey, HardwareClaim>,
    known: HashMap<Pubkey, Known>,
    rounds: HashMap<Hash, mpsc::Sender<Heard>>,
    /// Who waits for a device's answer to an audit.
    audits: HashMap<u64, (Pubkey, oneshot::Sender<Result<String, String>>)>,
    next_audit: u64,
    /// The newest answers to audits: what was asked, and the blob.
    answers: VecDeque<(Question, Hash)>,
    /// When the next round of all devices is.
    regular: Option<Instant>,
    /// Of the newest rounds.
    blockhashes: VecDeque<Bytes32>,
}

/// Rounds, and what they showed.
#[derive(Default)]
pub struct Hardware {
    state: Mutex<State>,
    claimed: Notify,
    challenges: challenge::Challenges,
}

impl Hardware {
    /// A linked device is ready to be asked.
    pub fn claim(
        &self,
        oracle: &Oracle,
        device: &Pubkey,
        claim: HardwareClaim,
    ) -> Result<(), String> {
        check_n(claim.n).map_err(|error| error.to_string())?;
        if claim.n < LEAST_N || claim.backend.len() > MAX_BACKEND || claim.memory_mib == 0 {
            return Err(format!(
                "a claim is of n from {LEAST_N}, at least 1 MiB, and a backend of at most {MAX_BACKEND} bytes"
            ));
        }
        let figures = self.figures(oracle, device);
        let usable = figures.is_some_and(|figures| meets_class(oracle, device, &figures));
        {
            let mut state = lock(&self.state);
            state.claims.insert(*device, claim);
            if state.known.len() >= MAX_KNOWN {
                let State { known, claims, .. } = &mut *state;
                let now = oracle.clock.now();
                // A refusal holds for whoever links again later.
                known.retain(|device, known| {
                    claims.contains_key(device) || known.standing.is_refused(now)
                });
            }
            let known = state.known.entry(*device).or_default();
            if !usable && known.due.is_none() {
                known.due = Some(Instant::now());
            }
        }
        if usable {
            // A worker that started again.
            let outcome = ProofOutcome::Proven;
            oracle.links.send(
                device,
                ToWorker::Measured {
                    round: None,
                    figures,
                    outcome,
                    reason: None,
                },
            );
        } else {
            self.claimed.notify_one();
        }
        Ok(())
    }

    /// A device's link has ended: no round waits for it.
    pub fn unlinked(&self, device: &Pubkey) {
        let mut state = lock(&self.state);
        state.claims.remove(device);
        for inbox in state.rounds.values() {
            let (device, at) = (*device, Instant::now());
            let reason = "the device's link has ended".to_owned();
            let said = Said::Unready { reason };
            // One that has no room is not waiting.
            let _ = inbox.try_send(Heard { device, at, said });
        }
    }

    /// Hands on what a device says in a round; false when there is no such round.
    pub fn heard(&self, device: &Pubkey, round: &str, said: Said) -> bool {
        let at = Instant::now();
        let Some(round) = text::parse_hash(round) else {
            return false;
        };
        let device = *device;
        lock(&self.state)
            .rounds
            .get(&round)
            .is_some_and(|inbox| inbox.try_send(Heard { device, at, said }).is_ok())
    }

    /// Asks a device to open more of what it committed to, for `by`, who audits it. Returns a blob's hash.
    pub async fn open(
        &self,
        oracle: &Oracle,
        by: IpAddr,
        device: &Pubkey,
        round: &Hash,
        asked: OpenRequest,
    ) -> Result<String, String> {
        if asked.rows.len() > MAX_AUDIT_ROWS {
            return Err(format!(
                "{} rows: at most {MAX_AUDIT_ROWS}",
                asked.rows.len()
            ));
        }
        let question = Question {
            device: *device,
            round: *round,
            pass: asked.pass,
            rows: asked.rows.clone(),
        };
        if let Some(blob) = self.answer_to(&question)
            && oracle.blobs.has(&blob)
        {
            return Ok(text::hash(&blob));
        }
        let (answer, answered) = oneshot::channel();
        let request = {
            let mut state = lock(&self.state);
            let at = Instant::now();
            state.next_audit += 1;
            let request = state.next_audit;
            let known = state.known.entry(*device).or_default();
            known.may_audit(at, by)?;
            known.audits.push_back(Audit { request, at, by });
            state.audits.retain(|_, (_, waiting)| !waiting.is_closed());
            state.audits.insert(request, (*device, answer));
            request
        };
        let message = ToWorker::Open {
            round: text::hash(round),
            request,
            pass: asked.pass,
            rows: asked.rows,
        };
        if !oracle.links.send(device, message) {
            // It didn't reach the device, and took none of its time.
            let mut state = lock(&self.state);
            state.audits.remove(&request);
            if let Some(known) = state.known.get_mut(device) {
                known.audits.retain(|audit| audit.request != request);
            }
            return Err("the device is not linked here".into());
        }
        let blob = match timeout(AUDIT_PATIENCE, answered).await {
            Ok(Ok(answer)) => answer?,
            _ => return Err("the device did not answer".into()),
        };
        if let Some(hash) = text::parse_hash(&blob) {
            self.keep_answer(question, hash);
        }
        Ok(blob)
    }

    fn answer_to(&self, question: &Question) -> Option<Hash> {
        lock(&self.state)
            .answers
            .iter()
            .find(|(asked, _)| asked == question)
            .map(|(_, blob)| *blob)
    }

    fn keep_answer(&self, question: Question, blob: Hash) {
        let answers = &mut lock(&self.state).answers;
        answers.retain(|(asked, _)| *asked != question);
        if answers.len() >= MAX_ANSWERS {
            answers.pop_front();
        }
        answers.push_back((question, blob));
    }

    pub fn reopened(&self, device: &Pubkey, request: u64, answer: Result<String, String>) {
        let mut state = lock(&self.state);
        if state
            .audits
            .get(&request)
            .is_some_and(|(of, _)| of == device)
            && let Some((_, waiting)) = state.audits.remove(&request)
        {
            let _ = waiting.send(answer);
        }
    }

    /// What this oracle signs of a device now.
    pub fn figures(&self, oracle: &Oracle, device: &Pubkey) -> Option<Figures> {
        let (now, fresh) = (oracle.clock.now(), fresh_seconds(oracle));
        lock(&self.state)
            .known
            .get(device)?
            .standing
            .figures(now, fresh)
    }
}

/// How many oracles share a device's time.
fn oracles(oracle: &Oracle) -> u32 {
    oracle.index.set().map_or(1, |set| u32::from(set.count))
}

/// For how long figures are signed now, seconds.
fn fresh_seconds(oracle: &Oracle) -> u32 {
    oracle.config.rounds.fresh_seconds(oracles(oracle))
}

fn meets_class(oracle: &Oracle, device: &Pubkey, figures: &Figures) -> bool {
    let tables = oracle.index.read();
    tables
        .devices
        .get(device)
        .and_then(|device| tables.class_of(device))
        .is_none_or(|class| {
            figures.tops_e2 >= class.min_tops_e2 && figures.memory_mib >= class.min_memory_mib
        })
}

/// Opens rounds until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    if let Err(error) = restore(&oracle).await {
        tracing::warn!(error = %format!("{error:#}"), "earlier hardware proofs can't be read: devices are measured anew");
    }
    oracle.spawn(challenge::keep);
    loop {
        tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            () = oracle.hardware.claimed.notified() => sleep(GATHER).await,
            () = sleep(LOOK_EVERY) => {}
        }
        open_due(&oracle);
    }
}

/// What was measured before this process started.
async fn restore(oracle: &Oracle) -> Result<()> {
    let rounds = &oracle.config.rounds;
    let (now, fresh) = (oracle.clock.now(), fresh_seconds(oracle));
    let since = now.saturating_sub(rounds.refuse_seconds.max(fresh).into());
    // What was signed in the hour a day ago can still be proven wrong.
    let earliest = since.min(now.saturating_sub(EVIDENCE_SECONDS + EPOCH_SECONDS));
    let mut last = None;
    loop {
        let mut page = oracle
            .db
            .proofs_since(earliest, last.as_ref(), PAGE as i64)
            .await?;
        for row in &page {
            let proof: HardwareProof = match serde_json::from_str(&row.record) {
                Ok(proof) => proof,
                Err(error) => {
                    tracing::warn!(%error, "a record of a hardware proof can't be read: it is left out");
                    continue;
                }
            };
            let Ok(device) = proof.device.parse::<Pubkey>() else {
                continue;
            };
            if proof.outcome == ProofOutcome::Wrong && proof.rows.is_some() {
                let found = challenge::Found {
                    epoch: row.epoch,
                    round: row.round,
                    device,
                };
                challenge::found_before(oracle, found);
            }
            if row.at < since {
                continue;
            }
            let mut state = lock(&oracle.hardware.state);
            if state.known.len() >= MAX_KNOWN && !state.known.contains_key(&device) {
                continue;
            }
            let standing = &mut state.known.entry(device).or_default().standing;
            match (proof.outcome, proof.figures) {
                (ProofOutcome::Wrong, _) => {
                    standing.wrong(proof.at.saturating_add(rounds.refuse_seconds.into()))
                }
                (ProofOutcome::Proven, Some(figures)) => {
                    standing.proven(figures, proof.regular, fresh)
                }
                (ProofOutcome::Withheld, _) => standing.withheld(),
                _ => standing.missed(proof.regular),
            }
        }
        let is_last = page.len() < PAGE;
        last = page.pop();
        if is_last {
            return Ok(());
        }
    }
}

/// A device that is asked, with what it is judged by.
struct Asked {
    device: Pubkey,
    account: Device,
    claim: HardwareClaim,
    ask: ProofAsk,
    hired: bool,
    regular: bool,
    /// The class's least figures.
    least: (u32, u32),
}

fn jitter() -> u64 {
    // Each state is seeded from the system's randomness.
    RandomState::new().build_hasher().finish() % (JITTER_PERCENT * 1_000)
}

fn open_due(oracle: &Arc<Oracle>) {
    let rounds = &oracle.config.rounds;
    let Some(set) = oracle.index.set() else {
        return;
    };
    // Whoever isn't in the set signs nothing: it takes no device's time.
    if set.position(oracle.key.as_ref()).is_none() {
        return;
    }
    let (oracles, now, chain_now) = (u32::from(set.count), Instant::now(), oracle.clock.now());
    let (period, fresh, began) = (rounds.every(oracles), rounds.fresh_seconds(oracles), *BEGAN);
    let mut due: Vec<Asked> = Vec::new();
    {
        let tables = oracle.index.read();
        let mut state = lock(&oracle.hardware.state);
        let State {
            claims,
            known,
            regular,
            ..
        } = &mut *state;
        let next = || now + period.mul_f64(1.0 - jitter() as f64 / 100_000.0);
        let all = *regular.get_or_insert_with(next) <= now;
        if all {
            *regular = Some(next());
        }
        // Where nobody is linked, it is this oracle that is away.
        if all && !claims.is_empty() {
            // Whoever is not linked when all are asked, and has figures, is as one that does not answer. Else two identities of one device
            // could be linked for all the time between.
            for (device, known) in known.iter_mut() {
                if !claims.contains_key(device)
                    && known.standing.figures(chain_now, fresh).is_some()
                {
                    known.standing.missed(true);
                }
            }
        }
        for (device, claim) in claims.iter() {
            let Some(account) = tables.devices.get(device) else {
                continue;
            };
            let known = known.entry(*device).or_default();
            let standing = &known.standing;
            let early = standing.may_retry(chain_now, fresh)
                && match known.due {
                    Some(at) => at <= now,
                    // Nobody asked for longer than figures last.
                    None => standing.figures(chain_now, fresh).is_none(),
                };
            if !(all || early) || known.standing.is_refused(chain_now) {
                continue;
            }
            if known.busy {
                known.standing.missed(all);
                continue;
            }
            let hired = account.current_job != Pubkey::default();
            let busy_ms = rounds.busy_ms(hired);
            let now_ms = now.saturating_duration_since(began).as_millis() as u64;
            let allowance = known
                .allowance
                .get_or_insert_with(|| Allowance::new(now_ms, oracles));
            if !allowance.spend(now_ms, busy_ms * 1_000, oracles) {
                oracle.metrics.proofs_put_off.inc();
                // Asked later it would be asked alone.
                known.standing.missed(all);
                known.due.get_or_insert(now);
                continue;
            }
            let class = tables.class_of(account);
            let least = class.map_or((0, 0), |c| (c.min_tops_e2, c.min_memory_mib));
            known.spent.0.push_back((now, busy_ms));
            known.busy = true;
            known.due = None;
            due.push(Asked {
                device: *device,
                account: *account,
                claim: claim.clone(),
                ask: ask(rounds, claim, least.1, hired),
                hired,
                regular: all,
                least,
            });
        }
        let spent = known
            .values_mut()
            .map(|known| known.spent.total(now, period))
            .max();
        let share = spent.unwrap_or(0) as f64 / period.as_millis().max(1) as f64;
        oracle.metrics.proof_share.set(share);
    }
    while !due.is_empty() {
        let rest = due.split_off(due.len().min(MAX_DEVICES));
        let asked = std::mem::replace(&mut due, rest);
        oracle.spawn(|oracle| run(oracle, asked));
    }
}

/// Closes a round's inbox, however it ends.
struct Open {
    oracle: Arc<Oracle>,
    round: Hash,
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.oracle.hardware.state).rounds.remove(&self.round);
    }
}

/// Frees a device of a round, however its turn ends.
struct Busy {
    oracle: Arc<Oracle>,
    device: Pubkey,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = lock(&self.oracle.hardware.state);
        if let Some(known) = state.known.get_mut(&self.device) {
            known.busy = false;
        }
    }
}

async fn run(oracle: Arc<Oracle>, asked: Vec<Asked>) {
    let devices: Vec<Pubkey> = asked.iter().map(|asked| asked.device).collect();
    let turns = asked.into_iter().map(|asked| Turn::new(&oracle, asked));
    let turns = turns.collect();
    if let Err(error) = round(&oracle, turns).await {
        tracing::warn!(error = %format!("{error:#}"), "a round of hardware proofs failed");
        let mut state = lock(&oracle.hardware.state);
        for device in devices {
            let known = state.known.entry(device).or_default();
            known.failures = known.failures.saturating_add(1);
            known.due = Some(Instant::now() + retry(known.failures));
        }
    }
}

fn retry(failures: u32) -> Duration {
    RETRY * 2_u32.pow(failures.min(12))
}

/// A device on its way through a round.
struct Turn {
    asked: Asked,
    /// Until its end the device is in no other round.
    _busy: Busy,
    /// When it was asked.
    sent: Instant,
    committed: Option<(Committed, u64, String)>,
    filled: bool,
    revealed_at: Option<Instant>,
    walk: Option<(Hash, u64)>,
    draw: Option<[u8; 64]>,
    /// The blob of rows.
    opened: Option<Bytes32>,
    link: Option<LinkTimes>,
    ended: Option<(ProofOutcome, String)>,
}

impl Turn {
    fn new(oracle: &Arc<Oracle>, asked: Asked) -> Self {
        let busy = Busy {
            oracle: oracle.clone(),
            device: asked.device,
        };
        Self {
            asked,
            _busy: busy,
            sent: Instant::now(),
            committed: None,
            filled: false,
            revealed_at: None,
            walk: None,
            draw: None,
            opened: None,
            link: None,
            ended: None,
        }
    }

    fn is_proven(&self) -> bool {
        matches!(self.ended, Some((ProofOutcome::Proven, _)))
    }

    fn end(&mut self, outcome: ProofOutcome, reason: impl Into<String>) {
        if self.ended.is_none() {
            let reason: String = reason.into();
            let reason = reason[..reason.floor_char_boundary(MAX_REASON)].to_owned();
            self.ended = Some((outcome, reason));
        }
    }

    fn walk(&self, round: &Hash) -> Walk {
        Walk {
            seed: memory_seed(round, &self.asked.device.to_bytes()),
            segments: self.asked.ask.segments,
            strides: self.asked.ask.strides,
        }
    }
}

/// Waits for words of devices until all of them are as far as `done` says, or until `deadline`.
async fn listen(
    inbox: &mut mpsc::Receiver<Heard>,
    turns: &mut HashMap<Pubkey, Turn>,
    deadline: Instant,
    done: impl Fn(&Turn) -> bool,
    mut take: impl FnMut(&mut Turn, Instant, Said),
) {
    while turns
        .values()
        .any(|turn| turn.ended.is_none() && !done(turn))
    {
        let heard = match timeout_at(deadline.into(), inbox.recv()).await {
            Ok(Some(heard)) => heard,
            _ => return,
        };
        if let Some(turn) = turns.get_mut(&heard.device)
            && turn.ended.is_none()
        {
            take(turn, heard.at, heard.said);
        }
    }
}

/// A blockhash that no earlier round of this process had: the same would give the same seeds, and those of a round that is over
/// are known.
async fn new_blockhash(oracle: &Oracle) -> Result<Blockhash> {
    for _ in 0..BLOCKHASH_TRIES {
        let newest = oracle.rpc.latest_blockhash().await?;
        {
            let used = &mut lock(&oracle.hardware.state).blockhashes;
            if !used.contains(&newest.hash.to_bytes()) {
                used.push_back(newest.hash.to_bytes());
                if used.len() > USED_BLOCKHASHES {
                    used.pop_front();
                }
                return Ok(newest);
            }
        }
        sleep(BLOCKHASH_AGAIN).await;
    }
    anyhow::bail!("the chain makes no new blocks")
}

async fn round(oracle: &Arc<Oracle>, asked: Vec<Turn>) -> Result<()> {
    let rounds = oracle.config.rounds.clone();
    let blockhash = new_blockhash(oracle).await?;
    let at = oracle.clock.now();
    let epoch = epoch_of(at);
    let statement = RoundStatement {
        deployment: oracle.deployment,
        oracle: oracle.key.to_bytes(),
        epoch,
        blockhash: blockhash.hash.to_bytes(),
    };
    let signature: [u8; 64] = oracle.wallet.sign(&statement.to_bytes()).into();
    let seed = round_seed(&statement.to_bytes(), &signature);
    let opening = RoundOpening {
        oracle: oracle.key.to_string(),
        epoch,
        blockhash: text::key(&statement.blockhash),
        slot: blockhash.slot,
        signature: text::signature(&signature),
    };
    let (sender, mut inbox) = mpsc::channel(INBOX_EACH * asked.len());
    lock(&oracle.hardware.state).rounds.insert(seed, sender);
    let _open = Open {
        oracle: oracle.clone(),
        round: seed,
    };

    let mut turns = HashMap::new();
    for mut turn in asked {
        // Each device's own clock: it takes a while to ask thousands.
        turn.sent = Instant::now();
        let message = ToWorker::Round {
            opening: opening.clone(),
            ask: turn.asked.ask,
        };
        if !oracle.links.send(&turn.asked.device, message) {
            turn.end(
                ProofOutcome::Missed,
                "the device's link is gone or too slow",
            );
        }
        turns.insert(turn.asked.device, turn);
    }

    let deployment = oracle.deployment;
    listen(
        &mut inbox,
        &mut turns,
        Instant::now() + rounds.patience(),
        |turn| turn.filled,
        |turn, at, said| match said {
            Said::Committed { roots, signature } if turn.committed.is_none() => {
                let found = commitment(&turn.asked, &deployment, epoch, &seed, &roots, &signature);
                match found {
                    Ok(committed) => {
                        let took = at.saturating_duration_since(turn.sent);
                        turn.committed = Some((committed, took.as_micros() as u64, signature));
                        if !rounds.is_in_time(took) {
                            let reason = format!(
                                "committed after {} ms, and {} are the most",
                                took.as_millis(),
                                rounds.commit_ms()
                            );
                            turn.end(ProofOutcome::Missed, reason);
                        }
                    }
                    Err(reason) => turn.end(ProofOutcome::Missed, reason),
                }
            }
            Said::Filled => turn.filled = turn.committed.is_some(),
            Said::Unready { reason } => turn.end(ProofOutcome::Missed, reason),
            _ => {}
        },
    )
    .await;
    for turn in turns.values_mut().filter(|turn| !turn.filled) {
        turn.end(
            ProofOutcome::Missed,
            "no commitment, or no memory filled, in time",
        );
    }

    // Nobody commits any more: the second seed may be known.
    let reveal_statement = RevealStatement {
        deployment,
        oracle: oracle.key.to_bytes(),
        round_seed: seed,
    };
    let revealed: [u8; 64] = oracle.wallet.sign(&reveal_statement.to_bytes()).into();
    let reveal = reveal_seed(&seed, &revealed);
    for turn in turns.values_mut().filter(|turn| turn.ended.is_none()) {
        let message = ToWorker::Reveal {
            round: text::hash(&seed),
            signature: text::signature(&revealed),
        };
        if oracle.links.send(&turn.asked.device, message) {
            turn.revealed_at = Some(Instant::now());
        } else {
            turn.end(
                ProofOutcome::Missed,
                "the device's link is gone or too slow",
            );
        }
    }
    let sizes: HashSet<u32> = turns
        .values()
        .filter(|turn| turn.ended.is_none())
        .map(|turn| turn.asked.ask.n)
        .collect();
    let checkers = tokio::task::spawn_blocking(move || {
        sizes
            .into_iter()
            .map(|n| Ok((n, Arc::new(Checker::new(&seed, &reveal, n)?))))
            .collect::<Result<HashMap<u32, Arc<Checker>>>>()
    });
    listen(
        &mut inbox,
        &mut turns,
        Instant::now() + rounds.patience(),
        |turn| turn.opened.is_some(),
        |turn, at, said| match said {
            Said::Walked { root } if turn.walk.is_none() => {
                let (Some(root), Some(from)) = (text::parse_hash(&root), turn.revealed_at) else {
                    return turn.end(ProofOutcome::Withheld, "the walk's root is no hash");
                };
                let micros = at.saturating_duration_since(from).as_micros() as u64;
                turn.walk = Some((root, micros));
                let subject = walk_subject(&seed, &turn.asked.device.to_bytes(), &root);
                let statement = RevealStatement {
                    round_seed: subject,
                    ..reveal_statement
                };
                turn.draw = Some(oracle.wallet.sign(&statement.to_bytes()).into());
            }
            Said::Opened { rows } if turn.draw.is_some() && turn.opened.is_none() => {
                match text::parse_hash(&rows) {
                    Some(rows) => turn.opened = Some(rows),
                    None => turn.end(ProofOutcome::Withheld, "the opening is no blob"),
                }
            }
            Said::Unready { reason } => turn.end(ProofOutcome::Withheld, reason),
            _ => {}
        },
    )
    .await;
    let checkers = checkers.await??;
    let (opening, checkers, revealed) = (&opening, &checkers, &revealed);
    let (seed, reveal) = (&seed, &reveal);
    let check = |turn: Turn| async move {
        let turn = judge(oracle, turn, seed, reveal, checkers).await;
        if turn.is_proven() {
            return Ok(Some(turn));
        }
        conclude(oracle, turn, at, opening, seed, revealed).await?;
        Ok(None)
    };
    let measure = |mut turn: Turn| async move {
        turn.link = Some(pace::measure(oracle, &turn.asked.device).await);
        conclude(oracle, turn, at, opening, seed, revealed).await
    };
    unproven_first(turns.into_values(), check, measure).await?;
    if let Some(before) = epoch.checked_sub(KEEP_EPOCHS) {
        oracle.db.forget_proofs(before).await?;
    }
    Ok(())
}

/// Ends turns: `check` ends those that are not proven, and gives the others back. They have to be measured, which takes as long as their
/// links need: that waits until all were checked, and nobody for it. [`pace`] says how many links are measured at once.
async fn unproven_first<T, C, M>(
    turns: impl IntoIterator<Item = T>,
    check: impl Fn(T) -> C,
    measure: impl FnMut(T) -> M,
) -> Result<()>
where
    C: Future<Output = Result<Option<T>>>,
    M: Future<Output = Result<()>>,
{
    let proven: Vec<T> = stream::iter(turns)
        .map(check)
        .buffer_unordered(CHECKS)
        .try_filter_map(future::ok)
        .try_collect()
        .await?;
    stream::iter(proven.into_iter().map(Ok))
        .try_for_each_concurrent(None, measure)
        .await
}

/// A device's commitment, if it signed one to as many roots as passes were asked for.
fn commitment(
    asked: &Asked,
    deployment: &Deployment,
    epoch: u64,
    seed: &Hash,
    roots: &[String],
    signature: &str,
) -> Result<Committed, String> {
    if roots.len() != asked.ask.passes as usize {
        return Err(format!(
            "{} roots came, of {} passes",
            roots.len(),
            asked.ask.passes
        ));
    }
    let roots = roots
        .iter()
        .map(|root| text::parse_hash(root))
        .collect::<Option<Vec<Hash>>>()
        .ok_or("a root is no hash")?;
    let committed = Committed {
        round_seed: *seed,
        device: asked.device.to_bytes(),
        n: asked.ask.n,
        roots,
    };
    let statement = commitment_statement(*deployment, epoch, &committed);
    let signature = text::parse_signature(signature).ok_or("the commitment's signature is none")?;
    if !verify_signature(
        &asked.account.operator.to_bytes(),
        &statement.to_bytes(),
        &signature,
    ) {
        return Err("the commitment isn't signed by the device's operator".into());
    }
    Ok(committed)
}

/// What a device's operator signs of a commitment in an hour.
fn commitment_statement(
    deployment: Deployment,
    epoch: u64,
    committed: &Committed,
) -> CommitmentStatement {
    CommitmentStatement {
        deployment,
        device: committed.device,
        epoch,
        round_seed: committed.round_seed,
        commitment: committed.commitment(),
    }
}

/// Reads what was opened and checks it.
async fn judge(
    oracle: &Arc<Oracle>,
    mut turn: Turn,
    seed: &Hash,
    reveal: &Hash,
    checkers: &HashMap<u32, Arc<Checker>>,
) -> Turn {
    if turn.ended.is_some() {
        return turn;
    }
    let ask = turn.asked.ask;
    let (Some(rows), Some((root, _)), Some(draw), Some((committed, _, _)), Some(checker)) = (
        turn.opened,
        turn.walk,
        turn.draw,
        turn.committed.clone(),
        checkers.get(&ask.n).cloned(),
    ) else {
        turn.end(
            ProofOutcome::Withheld,
            "what was drawn was not opened in time",
        );
        return turn;
    };
    let walk = turn.walk(seed);
    let length = OpenedRow::wire_len(ask.n) as u64 * u64::from(ask.rows);
    let read = future::try_join(
        oracle.blobs.read(&rows, length),
        oracle.blobs.read(&root, walk.states_len() as u64),
    );
    let (rows, states) = match read.await {
        Ok(both) => both,
        Err(error) => {
            turn.end(ProofOutcome::Withheld, format!("what was opened: {error}"));
            return turn;
        }
    };
    let subject = walk_subject(seed, &committed.device, &root);
    let (draw, reveal) = (reveal_seed(&subject, &draw), *reveal);
    let started = Instant::now();
    let checked = tokio::task::spawn_blocking(move || {
        check_rows(&checker, &committed, ask.rows, &rows)?;
        check_walk(&walk, &reveal, &root, &draw, ask.open_strides, &states)
            .map_err(|error| error.to_string())
    })
    .await;
    oracle
        .metrics
        .proof_check_seconds
        .observe(started.elapsed().as_secs_f64());
    match checked {
        Ok(Ok(())) => turn.end(ProofOutcome::Proven, ""),
        Ok(Err(reason)) => turn.end(ProofOutcome::Wrong, reason),
        Err(error) => {
            // This oracle's own failure: nothing is known of the device, and no round counts as missed.
            tracing::error!(%error, "a check of a hardware proof failed");
            turn.asked.regular = false;
            turn.end(ProofOutcome::Missed, "this oracle's check failed");
        }
    }
    turn
}

/// Checks an upload of opened rows. Pure.
pub fn check_rows(
    checker: &Checker,
    committed: &Committed,
    rows: u32,
    bytes: &[u8],
) -> Result<(), String> {
    let mut check = checker
        .begin(committed, rows)
        .map_err(|error| error.to_string())?;
    for row in bytes.chunks(OpenedRow::wire_len(committed.n)) {
        let row = OpenedRow::from_bytes(committed.n, row)
            .ok_or("the opened rows are not of the agreed length")?;
        check.row(&row).map_err(|error| error.to_string())?;
    }
    check.finish().map_err(|error| error.to_string())
}

/// Keeps a proof's record, changes the device's standing by it, and tells the worker.
async fn conclude(
    oracle: &Arc<Oracle>,
    turn: Turn,
    at: i64,
    opening: &RoundOpening,
    seed: &Hash,
    revealed: &[u8; 64],
) -> Result<()> {
    let rounds = &oracle.config.rounds;
    let (asked, fresh) = (&turn.asked, fresh_seconds(oracle));
    let (outcome, reason) = turn
        .ended
        .clone()
        .unwrap_or((ProofOutcome::Withheld, String::new()));
    let reason = (!reason.is_empty()).then_some(reason);
    let (device, ask) = (asked.device, asked.ask);
    let figures = match (outcome, &turn.committed, turn.walk) {
        (ProofOutcome::Proven, Some((_, commit_micros, _)), Some((_, walk_micros))) => {
            let state = lock(&oracle.hardware.state);
            let known = state.known.get(&device);
            let before = known.and_then(|known| known.standing.newest());
            let (ask, hired) = (&asked.ask, asked.hired);
            let proven = measured(rounds, ask, hired, *commit_micros, walk_micros, before, at);
            Some(match &turn.link {
                Some(times) => pace::with(proven, times),
                None => proven,
            })
        }
        _ => None,
    };
    let proof = HardwareProof {
        device: device.to_string(),
        provider: asked.account.provider.to_string(),
        operator: asked.account.operator.to_string(),
        class: asked.account.class,
        backend: asked.claim.backend.clone(),
        at,
        opening: opening.clone(),
        round: text::hash(seed),
        ask,
        hired: asked.hired,
        regular: asked.regular,
        commit_micros: turn.committed.as_ref().map(|(_, micros, _)| *micros),
        roots: turn
            .committed
            .iter()
            .flat_map(|(c, _, _)| c.roots.iter().map(text::hash))
            .collect(),
        commitment: turn
            .committed
            .as_ref()
            .map(|(c, _, _)| text::hash(&c.commitment())),
        commitment_signature: turn
            .committed
            .as_ref()
            .map(|(_, _, signature)| signature.clone()),
        reveal_signature: turn.revealed_at.map(|_| text::signature(revealed)),
        walk_root: turn.walk.map(|(root, _)| text::hash(&root)),
        walk_micros: turn.walk.map(|(_, micros)| micros),
        draw_signature: turn.draw.map(|draw| text::signature(&draw)),
        rows: turn.opened.as_ref().map(text::hash),
        link: turn.link.clone(),
        outcome,
        reason: reason.clone(),
        figures,
    };
    let record = serde_json::to_string(&proof).context("a record")?;
    // On disk before it counts: a restart must not forget a fault.
    oracle
        .db
        .keep_proof(&ProofRow {
            epoch: opening.epoch,
            at,
            round: *seed,
            device: device.to_bytes(),
            record,
        })
        .await?;
    let label = match outcome {
        ProofOutcome::Proven => "proven",
        ProofOutcome::Missed => "missed",
        ProofOutcome::Withheld => "withheld",
        ProofOutcome::Wrong => "wrong",
    };
    oracle
        .metrics
        .proofs
        .get_or_create(&[("outcome", label)])
        .inc();
    if outcome == ProofOutcome::Wrong && turn.opened.is_some() {
        let found = challenge::Found {
            epoch: opening.epoch,
            round: *seed,
            device,
        };
        challenge::found(oracle, found);
    }
    match outcome {
        ProofOutcome::Proven => tracing::info!(%device, ?figures, "hardware proven"),
        ProofOutcome::Wrong => {
            tracing::warn!(%device, reason, "a wrong hardware proof: the device is refused")
        }
        _ => tracing::info!(%device, label, reason, "no hardware proof"),
    }
    {
        let mut state = lock(&oracle.hardware.state);
        let known = state.known.entry(device).or_default();
        if turn.committed.is_none()
            && let Some(allowance) = &mut known.allowance
        {
            // It took none of the device's time, or next to none.
            allowance.correct(rounds.busy_ms(asked.hired) * 1_000, 0, oracles(oracle));
        }
        let standing = &mut known.standing;
        match (outcome, figures) {
            (ProofOutcome::Proven, Some(figures)) => standing.proven(figures, asked.regular, fresh),
            (ProofOutcome::Withheld, _) => standing.withheld(),
            (ProofOutcome::Wrong, _) => {
                standing.wrong(at.saturating_add(rounds.refuse_seconds.into()))
            }
            _ => standing.missed(asked.regular),
        }
        let good = standing
            .figures(at, fresh)
            .is_some_and(|f| f.tops_e2 >= asked.least.0 && f.memory_mib >= asked.least.1);
        if good {
            known.failures = 0;
            // What it claimed meanwhile asks for nothing more.
            known.due = None;
        } else if standing.may_retry(at, fresh) {
            known.due = Some(Instant::now() + retry(known.failures));
            known.failures = known.failures.saturating_add(1);
        }
    }
    let figures = oracle.hardware.figures(oracle, &device);
    oracle.links.send(
        &device,
        ToWorker::Measured {
            round: Some(text::hash(seed)),
            figures,
            outcome,
            reason,
        },
    );
    Ok(())
}

/// A page of an hour's records.
pub async fn view(
    oracle: &Oracle,
    epoch: u64,
    after: Option<&(Hash, Hash)>,
) -> Result<HardwareProofs> {
    let rows = oracle.db.proofs(epoch, after, PAGE as i64).await?;
    let proofs = rows
        .iter()
        .map(|row| serde_json::from_str(row).context("a record in the database"))
        .collect::<Result<Vec<HardwareProof>>>()?;
    let next = match proofs.last() {
        Some(last) if proofs.len() == PAGE => Some(format!("{}.{}", last.round, last.device)),
        _ => None,
    };
    Ok(HardwareProofs {
        oracle: oracle.key.to_string(),
        epoch,
        proofs,
        next,
    })
}

/// `after` of a page: a round and a device.
pub fn parse_after(text: &str) -> Option<(Hash, Hash)> {
    let (round, device) = text.split_once('.')?;
    Some((text::parse_hash(round)?, text::parse_key(device)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Devices that stall while they are measured keep nobody waiting: neither those that have nothing to be measured, nor, beyond the
    /// limit that there is for links, each other.
    #[test]
    fn the_unproven_are_ended_before_anybody_is_measured() {
        let (ended, begun) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        // More than are checked at once, on both sides.
        let proven = |n: &usize| n.is_multiple_of(2);
        let check = |n: usize| {
            let (ended, begun) = (&ended, &begun);
            async move {
                assert!(lock(begun).is_empty(), "{n} is checked behind a link");
                if proven(&n) {
                    return Ok(Some(n));
                }
                lock(ended).push(n);
                Ok(None)
            }
        };
        let measure = |n: usize| {
            lock(&begun).push(n);
            future::pending()
        };
        let all = 0..6 * CHECKS;
        let mut ends = std::pin::pin!(unproven_first(all.clone(), check, measure));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(ends.as_mut().poll(&mut context).is_pending());
        let sorted = |mutex: &Mutex<Vec<usize>>| {
            let mut all = lock(mutex).clone();
            all.sort_unstable();
            all
        };
        let (yes, no): (Vec<usize>, Vec<usize>) = all.partition(proven);
        assert_eq!((sorted(&begun), sorted(&ended)), (yes, no));
    }

    #[test]
    fn one_address_has_a_part_of_a_devices_audits() {
        let (mut known, now) = (Known::default(), Instant::now());
        let mut ask = |at: Instant, by: [u8; 4]| {
            let by = IpAddr::from(by);
            let may = known.may_audit(at, by).is_ok();
            if may {
                let request = 0;
                known.audits.push_back(Audit { request, at, by });
            }
            may
        };
        let taken = |ask: &mut dyn FnMut(Instant, [u8; 4]) -> bool, by| {
            (0..MAX_AUDITS).filter(|_| ask(now, by)).count()
        };
        assert_eq!(taken(&mut ask, [1, 1, 1, 1]), MAX_AUDITS_BY_ONE);
        assert_eq!(taken(&mut ask, [1, 1, 1, 2]), MAX_AUDITS_BY_ONE);
        assert_eq!(
            taken(&mut ask, [1, 1, 1, 3]),
            0,
            "the device has answered enough"
        );
        assert!(ask(now + AUDIT_PERIOD, [1, 1, 1, 3]), "the next hour");
    }

    #[test]
    fn what_is_asked_again_is_answered_from_memory() {
        let hardware = Hardware::default();
        let question = |pass| Question {
            device: Pubkey::new_from_array([7; 32]),
            round: [1; 32],
            pass,
            rows: vec![1, 2],
        };
        hardware.keep_answer(question(0), [2; 32]);
        hardware.keep_answer(question(0), [3; 32]);
        assert_eq!(hardware.answer_to(&question(0)), Some([3; 32]));
        assert_eq!(hardware.answer_to(&question(1)), None);
        for pass in 1..=MAX_ANSWERS as u32 {
            hardware.keep_answer(question(pass), [4; 32]);
        }
        assert_eq!(hardware.answer_to(&question(0)), None, "the oldest goes");
    }
}
