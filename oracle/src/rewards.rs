//! Rewards: what each device was up, who earned what, and the root that a quorum signs.
//!
//! 1. Heartbeats (signed by the device's operator) and running jobs mark slots of the current epoch; they are written to the
//!    database every look, so that a restart loses seconds at most.
//! 2. When an epoch is over, every oracle makes a report of it, once, stores it as a blob, and signs it for whoever asks.
//! 3. The epoch's leader puts the reports together, computes the leaf set, and asks the others to sign its root. The next leads
//!    when nothing happens. Everything follows from the reports, so the others compute the same and compare; the one choice a
//!    leader has is which reports are in, and an oracle whose own is left out does not sign.
//! 4. With a quorum's signatures anybody can publish the root; the leader does.
//!
//! An oracle signs one root an epoch, whatever happens: it is in the database before it is signed, a leader that takes over adopts
//! what peers have signed already, and an oracle signs nothing for epochs that were over before its database was made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use io_api::{
    auth::{RequestKey, verify_signature},
    text,
    types::{Amount, Rewards, SignRootRequest, SignedReport as WireReport, SignedRoot as WireRoot},
};
use io_client::{
    Instruction, Pubkey, Request, Signature, ed25519,
    instructions::{self, PublishRootArgs},
    io_network::state::{Device, Emission, JobState, OracleSet},
};
use io_protocol::{
    emission::Calendar,
    evidence::{Evidence, LeafSet, Report, ReportStatement, Row, SignedReport, compute, merge},
    messages::{Bytes32, RewardStatement},
    rewards::{Native, Tree},
    scores::{DeviceEpoch, slots_between},
};
use tokio::time::timeout;

use crate::{
    db::{RootRow, UptimeRow},
    matching,
    oracle::{Oracle, lock},
    specs,
};

/// Pauses between looks, on a chain far away and on one here.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
pub const LOOK_EVERY_LOCAL: Duration = Duration::from_millis(500);
/// A report is made this long after its epoch's end, seconds: late heartbeats and the index settle.
const REPORT_AFTER: i64 = 4;
/// Leaders take turns, seconds.
const TURN_SECONDS: u32 = 10;
/// A leader waits for the reports of all active oracles this long after an epoch's end, then goes on with a quorum, seconds.
const ALL_REPORTS_SECONDS: i64 = 15;
/// Epochs without a root after which one that cannot be agreed on is passed over; what it emitted is carried over.
const STUCK_EPOCHS: u64 = 6;
/// Epochs whose reports and roots are kept after a later root is on chain: a quarter of a year of hours.
const KEEP_EPOCHS: u64 = 2_190;
/// Largest report, evidence or leaf set that is read, bytes.
const MAX_BYTES: u64 = 1 << 30;
/// Slots that wait to be written, of as many devices; more are dropped.
const MAX_PENDING: usize = 400_000;
/// Longest wait for one peer's answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// Epochs that one heartbeat can touch: with epochs of a second, as many as it covers seconds.
const MAX_EPOCHS_A_BEAT: usize = 64;
/// When this oracle's database began.
const SINCE: &str = "rewards_since";

/// Slots marked since the last write: (epoch, device) → (seen, hired).
#[derive(Default)]
pub struct Uptime(Mutex<HashMap<(u64, Bytes32), (u64, u64)>>);

impl Uptime {
    fn mark(&self, epoch: u64, device: Bytes32, seen: u64, hired: u64) {
        let mut pending = lock(&self.0);
        if pending.len() < MAX_PENDING || pending.contains_key(&(epoch, device)) {
            let entry = pending.entry((epoch, device)).or_default();
            entry.0 |= seen;
            entry.1 |= hired;
        }
    }

    fn take(&self) -> HashMap<(u64, Bytes32), (u64, u64)> {
        std::mem::take(&mut *lock(&self.0))
    }
}

/// A device's heartbeat came in, `after` the one before it on the same link. It stands for the time since that one, unless
/// it was so long that the device counted as gone.
pub fn beat(oracle: &Oracle, device: &Pubkey, after: Option<Duration>) {
    let Some(emission) = oracle.index.emission() else {
        return;
    };
    let stale = i64::from(oracle.config.stale_seconds);
    let covered = after
        .and_then(|after| i64::try_from(after.as_secs()).ok())
        .filter(|seconds| *seconds <= stale)
        .unwrap_or(0);
    let now = oracle.clock.now();
    for (epoch, slots) in marks(&emission.calendar(), now.saturating_sub(covered), now) {
        oracle.uptime.mark(epoch, device.to_bytes(), slots, 0);
    }
}

/// The slots from one time to another, inclusive, by epoch. Spans are short: of two epochs at most that last longer.
fn marks(calendar: &Calendar, begin: i64, end: i64) -> Vec<(u64, u64)> {
    let first = calendar.epoch_at(begin).max(1);
    let last = calendar.epoch_at(end);
    (first..=last)
        .take(MAX_EPOCHS_A_BEAT)
        .map(|epoch| {
            let starts = calendar.begins_at(epoch);
            let slots = slots_between(
                begin.saturating_sub(starts),
                end.saturating_sub(starts),
                calendar.epoch_seconds,
            );
            (epoch, slots)
        })
        .collect()
}

/// Looks after rewards until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    let every = oracle.every(LOOK_EVERY_LOCAL, LOOK_EVERY);
    while oracle.pause(every).await {
        if let Err(error) = look(&oracle).await {
            tracing::warn!(error = %format!("{error:#}"), "rewards");
        }
    }
}

async fn look(oracle: &Arc<Oracle>) -> Result<()> {
    let (Some(emission), Some(set)) = (oracle.index.emission(), oracle.index.set()) else {
        return Ok(());
    };
    let (calendar, now) = (emission.calendar(), oracle.clock.certain());
    mark_jobs(oracle, &emission);
    write_slots(oracle).await?;
    let since = since(oracle, calendar.epoch_at(now)).await?;
    let Some(rank) = matching::rank(
        &turn_key(&emission),
        &oracle.active_oracles(),
        &oracle.key.to_bytes(),
    ) else {
        return Ok(());
    };
    let over = calendar.ended(now.saturating_sub(REPORT_AFTER));
    let first = (emission.root_epoch + 1)
        .max(since)
        .max(over.saturating_sub(KEEP_EPOCHS));
    for epoch in first..=over {
        if oracle.db.report(epoch).await?.is_none() {
            make_report(oracle, &emission, epoch).await?;
        }
    }
    if let Some(before) = emission.root_epoch.checked_sub(KEEP_EPOCHS) {
        oracle.db.forget_rewards(before).await?;
    }
    let Some(epoch) = next_epoch(oracle, &emission, over, since).await? else {
        return Ok(());
    };
    let began = calendar.ends_at(epoch).saturating_add(REPORT_AFTER);
    let active = usize::from(set.count);
    if matching::turn(began, now, TURN_SECONDS, active) == rank {
        oracle.once(format!("rewards:{epoch}"), move |oracle| async move {
            match lead(&oracle, &emission, &set, epoch).await {
                Ok(true) => tracing::info!(epoch, "root published"),
                Ok(false) => {}
                Err(error) => {
                    let refused = error
                        .downcast_ref::<io_client::Error>()
                        .and_then(|error| error.io_error());
                    let error = format!("{error:#}");
                    match refused {
                        // Somebody else was first.
                        Some(_) => tracing::debug!(epoch, error, "root not published"),
                        None => tracing::warn!(epoch, error, "root not published"),
                    }
                }
            }
        });
    }
    Ok(())
}

/// What the order of leaders follows from: another with every root.
fn turn_key(emission: &Emission) -> Bytes32 {
    *blake3::hash(&emission.root_epoch.to_le_bytes()).as_bytes()
}

/// Running jobs make their devices hired.
fn mark_jobs(oracle: &Oracle, emission: &Emission) {
    let (calendar, now) = (emission.calendar(), oracle.clock.certain());
    let epoch = calendar.epoch_at(now);
    if epoch == 0 {
        return;
    }
    let begin = calendar.begins_at(epoch);
    let tables = oracle.index.read();
    for job in tables.in_state(JobState::Running) {
        if let Some(job) = tables.jobs.get(job) {
            let slots = slots_between(
                job.accepted_at.saturating_sub(begin),
                now.min(job.run_until).saturating_sub(begin),
                calendar.epoch_seconds,
            );
            oracle.uptime.mark(epoch, job.device.to_bytes(), 0, slots);
        }
    }
}

async fn write_slots(oracle: &Oracle) -> Result<()> {
    let mut by_epoch: HashMap<u64, Vec<UptimeRow>> = HashMap::new();
    for ((epoch, device), (seen, hired)) in oracle.uptime.take() {
        by_epoch.entry(epoch).or_default().push(UptimeRow {
            device,
            seen,
            hired,
        });
    }
    for (epoch, rows) in by_epoch {
        oracle.db.add_uptime(epoch, &rows).await?;
    }
    Ok(())
}

/// The epoch in which this oracle's database was made. A database that was lost may have signed roots of earlier ones.
pub async fn since(oracle: &Oracle, now: u64) -> Result<u64> {
    if let Some(text) = oracle.db.meta(SINCE).await? {
        return text.parse().context("the epoch in the database");
    }
    let first = now.max(1);
    oracle.db.set_meta(SINCE, &first.to_string()).await?;
    Ok(first)
}

/// What this oracle saw in an epoch, as a blob; the first that is kept counts.
async fn make_report(oracle: &Arc<Oracle>, emission: &Emission, epoch: u64) -> Result<()> {
    let calendar = emission.calendar();
    let uptime = oracle.db.uptime(epoch).await?;
    let mut rows: Vec<Row> = {
        let tables = oracle.index.read();
        let network = tables.network.context("the network is not indexed")?;
        let fresh = calendar
            .ends_at(epoch)
            .saturating_sub(i64::from(network.attestation_seconds));
        let row = |marked: &UptimeRow| {
            let device = tables.devices.get(&Pubkey::new_from_array(marked.device))?;
            let class = tables.class_of(device)?;
            let provider = tables.providers.get(&device.provider)?;
            counts(device, network.min_bond, fresh).then_some(Row {
                device: marked.device,
                provider: device.provider.to_bytes(),
                seen: DeviceEpoch {
                    group: class.group,
                    multiplier_e2: device.multiplier_e2,
                    tops_e2: device.tops_e2,
                    norm_tops_e2: class.norm_tops_e2,
                    reputation_bps: device.reputation_bps(provider, calendar.ends_at(epoch)),
                    seen: marked.seen,
                    hired: marked.hired,
                },
            })
        };
        uptime.iter().filter_map(row).collect()
    };
    rows.sort_unstable_by_key(|row| row.device);
    let bytes = Report { epoch, rows }.to_bytes();
    let hash = store(oracle, &bytes).await?;
    oracle.db.keep_report(epoch, &text::hash(&hash)).await?;
    Ok(())
}

/// Whether a device earns: it was attested since `fresh`, has the least bond of its class, and owes no penalty. Pure.
fn counts(device: &Device, min_bond: u64, fresh: i64) -> bool {
    let bonded = device.is_bonded(min_bond).unwrap_or(false);
    device.attested_at > 0 && device.attested_at >= fresh && bonded && device.fault_due() == 0
}

/// Keeps bytes of this oracle's own making as a blob.
pub async fn store(oracle: &Oracle, bytes: &[u8]) -> Result<Bytes32> {
    let hash = *blake3::hash(bytes).as_bytes();
    let guard = oracle.blobs.puller(&hash);
    let _alone = guard.lock().await;
    if !oracle.blobs.has(&hash) {
        let path = oracle.blobs.pull_path(&hash);
        tokio::fs::write(&path, bytes)
            .await
            .with_context(|| format!("can't write {}", path.display()))?;
        oracle.blobs.adopt(&hash, path).await?;
    }
    Ok(hash)
}

/// A blob of rewards, from here or a peer.
pub async fn fetch(oracle: &Arc<Oracle>, hash: &Bytes32) -> Result<Vec<u8>> {
    ensure!(
        specs::pull(oracle, hash, MAX_BYTES).await,
        "no oracle has blob {} now",
        text::hash(hash)
    );
    Ok(oracle.blobs.read(hash, MAX_BYTES).await?)
}

fn parse_hash(text: &str) -> Result<Bytes32> {
    text::parse_hash(text).with_context(|| format!("'{text}' is no hash"))
}

/// The epoch that gets the next root: the first after the last one that is over, unless nobody was up in it, or it has stood
/// in the way for too long.
async fn next_epoch(
    oracle: &Arc<Oracle>,
    emission: &Emission,
    over: u64,
    since: u64,
) -> Result<Option<u64>> {
    for epoch in emission.root_epoch + 1..=over {
        let passed = over - epoch >= STUCK_EPOCHS;
        if !passed && epoch >= since && !nothing_to_pay(oracle, emission, epoch).await? {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}

/// Without an earlier leaf set, an epoch in which this oracle saw nobody gets no root: there is no tree without leaves.
async fn nothing_to_pay(oracle: &Arc<Oracle>, emission: &Emission, epoch: u64) -> Result<bool> {
    if emission.root_epoch > 0 {
        return Ok(false);
    }
    let Some(hash) = oracle.db.report(epoch).await? else {
        return Ok(true);
    };
    let report = Report::from_bytes(&fetch(oracle, &parse_hash(&hash)?).await?)?;
    Ok(report.rows.is_empty())
}

/// Leads an epoch to its root. `Ok(false)`: not possible yet.
async fn lead(
    oracle: &Arc<Oracle>,
    emission: &Emission,
    set: &OracleSet,
    epoch: u64,
) -> Result<bool> {
    let row = match oracle.db.root(epoch).await? {
        Some(row) => row,
        None => match adopt(oracle, emission, set, epoch).await? {
            Some(row) => row,
            None => match compose(oracle, emission, set, epoch).await? {
                Some(row) => row,
                None => return Ok(false),
            },
        },
    };
    let Some(check) = gather(oracle, set, &row).await? else {
        return Ok(false);
    };
    let now = oracle
        .index
        .emission()
        .context("the emission is not indexed")?;
    if now.root_epoch >= epoch {
        return Ok(false);
    }
    let mut all: Vec<Instruction> = Vec::new();
    if now.epochs_done < epoch {
        all.push(instructions::advance_epoch(&emission.mint));
    }
    all.push(check);
    all.push(instructions::publish_root(PublishRootArgs {
        epoch,
        root: parse_hash(&row.root)?,
        total: row.total,
        blob: parse_hash(&row.leaves)?,
    }));
    let intent = format!("root:{epoch}:{}:{}", set.version, row.leaves);
    oracle
        .sender
        .send(&Request::new(intent, oracle.wallet.signer(), all))
        .await?;
    Ok(true)
}

/// What a peer has signed for an epoch already: signing another could leave the epoch without a quorum.
async fn adopt(
    oracle: &Arc<Oracle>,
    emission: &Emission,
    set: &OracleSet,
    epoch: u64,
) -> Result<Option<RootRow>> {
    for (key, peer) in oracle.peers.known() {
        if set.position(&key).is_none() {
            continue;
        }
        let Ok(Ok(Some(theirs))) = timeout(PEER_TIMEOUT, peer.rewards(epoch)).await else {
            continue;
        };
        let Some(leaves) = theirs.signed.and_then(|s| text::parse_hash(&s.leaves)) else {
            continue;
        };
        match check(oracle, emission, set, epoch, &leaves).await {
            Ok(row) => return Ok(Some(oracle.db.keep_root(&row).await?)),
            Err(error) => {
                tracing::warn!(epoch, peer = peer.host(), error = %format!("{error:#}"), "a peer signed what does not follow from its evidence");
            }
        }
    }
    Ok(None)
}

/// Puts the reports of an epoch together and computes its leaf set; `None` while too few reports are there.
async fn compose(
    oracle: &Arc<Oracle>,
    emission: &Emission,
    set: &OracleSet,
    epoch: u64,
) -> Result<Option<RootRow>> {
    let Some(own) = oracle.db.report(epoch).await? else {
        return Ok(None);
    };
    let own = parse_hash(&own)?;
    let mut reports = vec![SignedReport {
        oracle: oracle.key.to_bytes(),
        signature: sign_report(oracle, epoch, own).into(),
        report: fetch(oracle, &own).await?,
    }];
    for (key, peer) in oracle.peers.known() {
        if set.position(&key).is_none() {
            continue;
        }
        let Ok(Ok(Some(theirs))) = timeout(PEER_TIMEOUT, peer.rewards(epoch)).await else {
            continue;
        };
        let Some(wire) = theirs.report else { continue };
        let (Some(hash), Some(signature)) = (
            text::parse_hash(&wire.report),
            text::parse_signature(&wire.signature),
        ) else {
            continue;
        };
        let statement = report_statement(oracle, epoch, hash);
        if !verify_signature(&key, &statement, &signature) {
            tracing::warn!(peer = peer.host(), "a report with a bad signature");
            continue;
        }
        let Ok(report) = fetch(oracle, &hash).await else {
            continue;
        };
        // One that does not read would spoil the evidence for all.
        if Report::from_bytes(&report).is_ok_and(|read| read.epoch == epoch) {
            reports.push(SignedReport {
                oracle: key,
                signature,
                report,
            });
        }
    }
    let waited = oracle
        .clock
        .certain()
        .saturating_sub(emission.calendar().ends_at(epoch));
    let enough = reports.len() >= usize::from(set.count)
        || (reports.len() >= usize::from(set.quorum) && waited >= ALL_REPORTS_SECONDS);
    if !enough {
        return Ok(None);
    }
    reports.sort_unstable_by_key(|report| report.oracle);
    let evidence = Evidence {
        epoch,
        quorum: set.quorum,
        reports,
    };
    let before = leaves_before(oracle, emission).await?;
    let bytes = evidence.to_bytes();
    let hash = *blake3::hash(&bytes).as_bytes();
    let leaves = leaves_of(&evidence, hash, emission, before.as_ref())?;
    if leaves.leaves.is_empty() {
        return Ok(None);
    }
    let tree = Tree::build::<Native>(&oracle.deployment.program, &leaves.leaves)?;
    store(oracle, &bytes).await?;
    let stored = store(oracle, &leaves.to_bytes()).await?;
    let row = RootRow {
        epoch,
        root: text::hash(&tree.root()),
        total: tree.total(),
        leaves: text::hash(&stored),
        evidence: text::hash(&hash),
    };
    Ok(Some(oracle.db.keep_root(&row).await?))
}

/// The leaf set that the chain has the root of, with its hash.
async fn leaves_before(
    oracle: &Arc<Oracle>,
    emission: &Emission,
) -> Result<Option<(LeafSet, Bytes32)>> {
    if emission.root_epoch == 0 {
        return Ok(None);
    }
    let bytes = fetch(oracle, &emission.root_blob).await?;
    Ok(Some((LeafSet::from_bytes(&bytes)?, emission.root_blob)))
}

/// The leaf set that follows from evidence. Pure.
fn leaves_of(
    evidence: &Evidence,
    hash: Bytes32,
    emission: &Emission,
    before: Option<&(LeafSet, Bytes32)>,
) -> Result<LeafSet> {
    let rows = merge(&evidence.read()?, usize::from(evidence.quorum));
    let before = before.map(|(set, hash)| (set, *hash));
    let computed = compute(before, evidence.epoch, &rows, hash, emission.enterprise_bps);
    let (leaves, _) =
        computed.context("the amounts do not fit, or the epoch is not a later one")?;
    Ok(leaves)
}

/// Whether a leaf set is the one that follows from its evidence and the chain, and may be signed. Returns what to sign.
async fn check(
    oracle: &Arc<Oracle>,
    emission: &Emission,
    set: &OracleSet,
    epoch: u64,
    hash: &Bytes32,
) -> Result<RootRow> {
    let calendar = emission.calendar();
    let over = calendar.ended(oracle.clock.now());
    let since = since(oracle, calendar.epoch_at(oracle.clock.now())).await?;
    ensure!(
        epoch > emission.root_epoch && epoch <= over,
        "epoch {epoch} is not one of those without a root that are over ({} to {over})",
        emission.root_epoch + 1
    );
    ensure!(
        epoch >= since,
        "this oracle's database was made in epoch {since}: it signs nothing for earlier ones"
    );
    for passed in emission.root_epoch + 1..epoch {
        ensure!(
            over - passed >= STUCK_EPOCHS
                || passed < since
                || nothing_to_pay(oracle, emission, passed).await?,
            "epoch {passed} has no root yet"
        );
    }
    let leaves = LeafSet::from_bytes(&fetch(oracle, hash).await?)?;
    ensure!(leaves.epoch == epoch, "it is of epoch {}", leaves.epoch);
    let evidence = Evidence::from_bytes(&fetch(oracle, &leaves.evidence).await?)?;
    ensure!(
        evidence.epoch == epoch,
        "its evidence is of epoch {}",
        evidence.epoch
    );
    ensure!(
        evidence.quorum == set.quorum,
        "its evidence is for a quorum of {}, and the set's is {}",
        evidence.quorum,
        set.quorum
    );
    for signed in &evidence.reports {
        ensure!(
            set.position(&signed.oracle).is_some(),
            "a report is by {}, who is not in the set",
            text::key(&signed.oracle)
        );
        let report = *blake3::hash(&signed.report).as_bytes();
        ensure!(
            verify_signature(
                &signed.oracle,
                &report_statement(oracle, epoch, report),
                &signed.signature
            ),
            "the report of {} has a bad signature",
            text::key(&signed.oracle)
        );
    }
    if let Some(own) = oracle.db.report(epoch).await? {
        let own = parse_hash(&own)?;
        let included = evidence.reports.iter().any(|signed| {
            signed.oracle == oracle.key.to_bytes()
                && *blake3::hash(&signed.report).as_bytes() == own
        });
        ensure!(included, "this oracle's own report is not in the evidence");
    }
    let before = leaves_before(oracle, emission).await?;
    let expected = leaves_of(&evidence, leaves.evidence, emission, before.as_ref())?;
    ensure!(
        expected == leaves,
        "it is not the leaf set that follows from its evidence"
    );
    let tree = Tree::build::<Native>(&oracle.deployment.program, &leaves.leaves)?;
    Ok(RootRow {
        epoch,
        root: text::hash(&tree.root()),
        total: tree.total(),
        leaves: text::hash(hash),
        evidence: text::hash(&leaves.evidence),
    })
}

fn report_statement(oracle: &Oracle, epoch: u64, report: Bytes32) -> Vec<u8> {
    ReportStatement {
        deployment: oracle.deployment,
        epoch,
        report,
    }
    .to_bytes()
    .to_vec()
}

fn sign_report(oracle: &Oracle, epoch: u64, report: Bytes32) -> Signature {
    oracle.wallet.sign(&report_statement(oracle, epoch, report))
}

fn root_statement(oracle: &Oracle, set_version: u64, row: &RootRow) -> Result<RewardStatement> {
    Ok(RewardStatement {
        deployment: oracle.deployment,
        set_version,
        epoch: row.epoch,
        root: parse_hash(&row.root)?,
        total: row.total,
        blob: parse_hash(&row.leaves)?,
    })
}

/// Signs what the database holds for an epoch: nothing else is ever signed.
fn sign_root(oracle: &Oracle, set: &OracleSet, row: &RootRow) -> Result<WireRoot> {
    let statement = root_statement(oracle, set.version, row)?;
    Ok(WireRoot {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        epoch: row.epoch,
        root: row.root.clone(),
        total: Amount(row.total),
        leaves: row.leaves.clone(),
        signature: oracle.wallet.sign(&statement.to_bytes()).to_string(),
    })
}

/// A quorum's signatures over a root, as the instruction that checks them; `None` while there are too few.
async fn gather(
    oracle: &Arc<Oracle>,
    set: &OracleSet,
    row: &RootRow,
) -> Result<Option<Instruction>> {
    let statement = root_statement(oracle, set.version, row)?.to_bytes();
    let quorum = usize::from(set.quorum);
    let mut signatures: Vec<(Pubkey, Signature)> =
        vec![(oracle.key, oracle.wallet.sign(&statement))];
    let wallet = oracle.wallet.clone();
    let key = RequestKey::new(oracle.key.to_bytes(), move |message| {
        wallet.sign(message).into()
    });
    let request = SignRootRequest {
        leaves: row.leaves.clone(),
    };
    for (theirs, peer) in oracle.peers.known() {
        if signatures.len() >= quorum {
            break;
        }
        if set.position(&theirs).is_none() {
            continue;
        }
        match timeout(PEER_TIMEOUT, peer.sign_root(&key, row.epoch, &request)).await {
            Ok(Ok(signed)) => {
                if let Some(signature) = text::parse_signature(&signed.signature)
                    && verify_signature(&theirs, &statement, &signature)
                {
                    signatures.push((Pubkey::new_from_array(theirs), Signature::from(signature)));
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(epoch = row.epoch, peer = peer.host(), %error, "no signature")
            }
            Err(_) => tracing::debug!(epoch = row.epoch, peer = peer.host(), "too slow"),
        }
    }
    if signatures.len() < quorum {
        return Ok(None);
    }
    signatures.sort_by_key(|(key, _)| key.to_bytes());
    Ok(Some(ed25519::verify(&statement, &signatures)?))
}

/// What this oracle says of an epoch; `None` when it has nothing.
pub async fn view(oracle: &Arc<Oracle>, epoch: u64) -> Result<Option<Rewards>> {
    let report = oracle.db.report(epoch).await?;
    let row = oracle.db.root(epoch).await?;
    if report.is_none() && row.is_none() {
        return Ok(None);
    }
    let report = match report {
        None => None,
        Some(report) => Some(WireReport {
            signature: sign_report(oracle, epoch, parse_hash(&report)?).to_string(),
            report,
        }),
    };
    let set = oracle.index.set();
    let signed = match (row, set) {
        (Some(row), Some(set)) => Some(sign_root(oracle, &set, &row)?),
        _ => None,
    };
    Ok(Some(Rewards {
        oracle: oracle.key.to_string(),
        epoch,
        report,
        signed,
    }))
}

/// Signs a leaf set for a peer, after checking all of it.
pub async fn sign_for_peer(oracle: &Arc<Oracle>, epoch: u64, leaves: &Bytes32) -> Result<WireRoot> {
    let emission = oracle
        .index
        .emission()
        .context("the emission is not indexed")?;
    let set = oracle
        .index
        .set()
        .context("the oracle set is not indexed")?;
    let kept = match oracle.db.root(epoch).await? {
        Some(kept) => kept,
        None => {
            let row = check(oracle, &emission, &set, epoch, leaves).await?;
            oracle.db.keep_root(&row).await?
        }
    };
    if kept.leaves != text::hash(leaves) {
        bail!(
            "this oracle has signed leaf set {} for epoch {epoch}, and signs one an epoch",
            kept.leaves
        );
    }
    sign_root(oracle, &set, &kept)
}

#[cfg(test)]
mod tests {
    use io_protocol::scores::ALL_SLOTS;

    use super::*;

    #[test]
    fn heartbeats_stand_for_the_time_between_them() {
        let hours = Calendar {
            genesis_at: 7_200,
            epoch_seconds: 3_600,
        };
        assert_eq!(marks(&hours, 7_000, 7_199), [], "before the first epoch");
        assert_eq!(marks(&hours, 7_190, 7_205), [(1, 1)]);
        assert_eq!(marks(&hours, 7_259, 7_260), [(1, 0b11)]);
        assert_eq!(marks(&hours, 10_799, 10_800), [(1, 1 << 59), (2, 1)]);
        let short = Calendar {
            epoch_seconds: 2,
            ..hours
        };
        assert_eq!(
            marks(&short, 7_201, 7_204),
            [
                (1, ALL_SLOTS & !((1 << 30) - 1)),
                (2, ALL_SLOTS),
                (3, (1 << 30) - 1)
            ]
        );
        assert_eq!(marks(&short, 7_200, i64::MAX).len(), MAX_EPOCHS_A_BEAT);
    }

    #[test]
    fn what_is_stale_or_underbonded_or_owes_earns_nothing() {
        let device = Device {
            bond: 125,
            multiplier_e2: 125,
            attested_at: 1_000,
            ..bytemuck::Zeroable::zeroed()
        };
        let counts = |change: fn(&mut Device)| {
            let mut changed = device;
            change(&mut changed);
            super::counts(&changed, 100, 1_000)
        };
        assert!(counts(|_| ()));
        assert!(!counts(|d| d.attested_at = 999));
        assert!(!counts(|d| d.bond = 124));
        assert!(!counts(|d| d.fault_due = 1u64.to_le_bytes()));
        let never = Device {
            attested_at: 0,
            ..device
        };
        assert!(!super::counts(&never, 100, 0), "never attested");
    }

    #[test]
    fn slots_wait_until_they_are_written_and_then_no_more() {
        let uptime = Uptime::default();
        uptime.mark(1, [1; 32], 0b01, 0);
        uptime.mark(1, [1; 32], 0b10, 0b100);
        uptime.mark(2, [1; 32], 0, 1);
        let taken = uptime.take();
        assert_eq!(taken[&(1, [1; 32])], (0b11, 0b100));
        assert_eq!(taken[&(2, [1; 32])], (0, 1));
        assert!(uptime.take().is_empty());
    }
}
