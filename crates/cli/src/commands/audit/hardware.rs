//! `io audit hardware`: checking what oracles accepted, with nothing but what they publish.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use clap::Args;
use io_api::{
    auth::verify_signature,
    client::{ClientError, OracleClient},
    text,
    types::{Burst, Figures, HardwareProof, OpenRequest, ProofOutcome},
};
use io_client::{
    Pubkey, Signature, Wallet, accounts,
    challenge::{self, Challenge, Failed, Moot, Step},
    instructions,
    io_network::{
        constants::EVIDENCE_SECONDS,
        state::{Device, OracleSet},
    },
};
use io_oracle::hardware::{Rounds, check_rows};
use io_proof::hardware::{
    Committed, Hash, OpenedRow, RowTree, Shape, WrongCell,
    cell::MAX_N,
    check::MAX_ROWS,
    memory::{STRIDE, Walk, check_walk},
    pace, reveal_seed, round_seed,
    seeds::{memory_seed, walk_subject},
    sizes,
    tree::row_root,
    wrong::wrong_cell,
};
use io_protocol::{
    hardware::{CommitmentStatement, RevealStatement, RoundStatement},
    messages::{Deployment, EPOCH_SECONDS, epoch_of},
};
use io_prover::Backend as _;
use serde_json::{Map, Value, json};

use crate::{
    context::{Context, address, random_u64},
    failure::{Failure, Result},
};

/// Proofs of one oracle and hour that are looked at.
const MAX_PROOFS: usize = 1_000_000;
/// Opened rows of a record, bytes: as many as may be asked for, of the largest matrix.
const MAX_OPENED_BYTES: u64 = MAX_ROWS as u64 * OpenedRow::wire_len(MAX_N) as u64;
/// Strides of a walk, at least: fewer are over before their time can be told from the link's.
const LEAST_STRIDES: u32 = 1_024;
/// How long what was opened has to be there, seconds: oracles keep it for a day.
const KEPT_SECONDS: i64 = 23 * 3_600;
/// Slots in which a blockhash is looked for, from the one that the oracle names: nodes differ in which block's is the newest.
const NEAR_SLOTS: [i64; 5] = [0, -1, 1, -2, 2];
/// Age of a blockhash when it opens a round, at most, seconds: one could compute beforehand from an older one.
const NEW_SECONDS: u64 = 120;

#[derive(Debug, Args)]
pub struct HardwareArgs {
    /// Hours since the Unix epoch; the current hour when absent.
    #[arg(long)]
    pub epoch: Option<u64>,
    /// This device's proofs only.
    #[arg(long)]
    pub device: Option<String>,
    /// Passes of each proof that are computed anew, chosen at random; 0 for none.
    #[arg(long, default_value_t = 1)]
    pub passes: u32,
    /// Prove wrong cells to the program, and pay the rent of the slash case until it ends.
    #[arg(long)]
    pub prove: bool,
}

/// A proof's record, read and found to be signed as it says.
struct Record {
    proof: HardwareProof,
    committed: Option<Committed>,
    statement: Option<CommitmentStatement>,
    reveal: Option<Hash>,
    seed: Hash,
    walk: Walk,
}

fn field(text: Option<&str>, what: &str) -> Result<Hash, String> {
    text.and_then(text::parse_hash)
        .ok_or_else(|| format!("{what} is missing or no hash"))
}

fn signed(
    key: &Hash,
    message: &[u8],
    signature: Option<&str>,
    what: &str,
) -> Result<[u8; 64], String> {
    let signature = signature
        .and_then(text::parse_signature)
        .ok_or_else(|| format!("{what} has no signature"))?;
    if verify_signature(key, message, &signature) {
        Ok(signature)
    } else {
        Err(format!("{what} is not signed by {}", text::key(key)))
    }
}

/// Recomputes everything of a record that follows from the rest of it. Pure.
fn read(
    deployment: Deployment,
    oracle: &str,
    epoch: u64,
    proof: HardwareProof,
) -> Result<Record, String> {
    let opening = &proof.opening;
    if opening.oracle != oracle || opening.epoch != epoch || epoch_of(proof.at) != epoch {
        return Err("the record is of another oracle or hour than it was asked of".into());
    }
    let key = text::parse_key(oracle).ok_or("the oracle's key")?;
    let device = text::parse_key(&proof.device).ok_or("the device's key")?;
    let operator = text::parse_key(&proof.operator).ok_or("the operator's key")?;
    let statement = RoundStatement {
        deployment,
        oracle: key,
        epoch,
        blockhash: text::parse_key(&opening.blockhash).ok_or("the blockhash")?,
    }
    .to_bytes();
    let signature = signed(&key, &statement, Some(&opening.signature), "the round")?;
    let seed = round_seed(&statement, &signature);
    if text::hash(&seed) != proof.round {
        return Err("the round's seed does not follow from its signature".into());
    }
    let committed = match proof.roots.is_empty() {
        true => None,
        false => Some(Committed {
            round_seed: seed,
            device,
            n: proof.ask.n,
            roots: proof
                .roots
                .iter()
                .map(|root| text::parse_hash(root))
                .collect::<Option<_>>()
                .ok_or("a root is no hash")?,
        }),
    };
    let statement = match &committed {
        None => None,
        Some(committed) => {
            let statement = CommitmentStatement {
                deployment,
                device,
                epoch,
                round_seed: seed,
                commitment: field(proof.commitment.as_deref(), "the commitment")?,
            };
            if committed.commitment() != statement.commitment {
                return Err("the commitment is not that of the roots".into());
            }
            let signature = proof.commitment_signature.as_deref();
            signed(
                &operator,
                &statement.to_bytes(),
                signature,
                "the commitment",
            )?;
            Some(statement)
        }
    };
    let reveal = match &proof.reveal_signature {
        None => None,
        Some(signature) => {
            let statement = RevealStatement {
                deployment,
                oracle: key,
                round_seed: seed,
            };
            let signature = signed(&key, &statement.to_bytes(), Some(signature), "the reveal")?;
            Some(reveal_seed(&seed, &signature))
        }
    };
    if let Some(figures) = proof.figures {
        let (Some(commit), Some(walk)) = (proof.commit_micros, proof.walk_micros) else {
            return Err("figures without times".into());
        };
        let ask = proof.ask;
        let shape = Shape {
            n: ask.n,
            passes: ask.passes,
        };
        shape.check().map_err(|error| error.to_string())?;
        let bandwidth =
            u64::from(ask.strides) * u64::from(STRIDE) * 64 * 1_000_000 / walk.max(1) / (1 << 20);
        let link = proof.link.clone().unwrap_or_default();
        let best = |bursts: &[Burst]| pace::best(bursts.iter().map(|b| (b.bytes, b.micros)));
        if figures.tops_e2 > shape.tops_e2(commit)
            || (!proof.hired && u64::from(figures.memory_mib) > ask.segments / 256)
            || u64::from(figures.bandwidth_mib_s) > bandwidth
            || figures.down_mbit > best(&link.down)
            || figures.up_mbit > best(&link.up)
            || figures.latency_ms < pace::latency_ms(&link.pings)
            || proof.outcome != ProofOutcome::Proven
        {
            return Err("the figures are above what was measured".into());
        }
    }
    let walk = Walk {
        seed: memory_seed(&seed, &device),
        segments: proof.ask.segments,
        strides: proof.ask.strides,
    };
    Ok(Record {
        proof,
        committed,
        statement,
        reveal,
        seed,
        walk,
    })
}

/// Checks what a record's device opened: rows, and the states of its walk. Blocks.
fn opened(
    deployment: Deployment,
    record: &Record,
    rows: &[u8],
    states: &[u8],
) -> Result<(), String> {
    let (Some(committed), Some(reveal)) = (&record.committed, &record.reveal) else {
        return Err("proven without a commitment or a reveal".into());
    };
    let (proof, ask) = (&record.proof, record.proof.ask);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = io_prover::checker(&record.seed, reveal, ask.n, threads)
        .map_err(|error| error.to_string())?;
    check_rows(&checker, committed, ask.rows, rows)?;
    let root = field(proof.walk_root.as_deref(), "the walk's root")?;
    let key = text::parse_key(&proof.opening.oracle).ok_or("the oracle's key")?;
    let subject = walk_subject(&record.seed, &committed.device, &root);
    let statement = RevealStatement {
        deployment,
        oracle: key,
        round_seed: subject,
    };
    let draw = proof.draw_signature.as_deref();
    let draw = signed(&key, &statement.to_bytes(), draw, "the draw")?;
    let draw = reveal_seed(&subject, &draw);
    check_walk(&record.walk, reveal, &root, &draw, ask.open_strides, states)
        .map_err(|error| error.to_string())
}

/// What is asked of a device less than it has to be, or counts that came too late. A local network's devices share a machine: its clock
/// decides nothing. Pure.
fn weak(proof: &HardwareProof, local: bool) -> Option<String> {
    let ask = &proof.ask;
    let asked = [
        (ask.rows, sizes::ROWS.min(ask.n), "rows opened"),
        (
            ask.open_strides,
            sizes::OPEN_STRIDES,
            "strides walked again",
        ),
        (ask.strides, LEAST_STRIDES, "strides"),
    ];
    let less = asked.into_iter().find(|(asked, least, _)| asked < least);
    if let Some((asked, least, what)) = less {
        return Some(format!(
            "the oracle asks for less than it has to: {asked} {what}, of at least {least}"
        ));
    }
    if let Some(figures) = proof.figures.filter(|_| !local) {
        let (published, commit) = (Rounds::default(), proof.commit_micros.unwrap_or(u64::MAX));
        if !published.is_in_time(Duration::from_micros(commit)) {
            return Some(format!(
                "the oracle counts a commitment that came after {} ms, of at most {}",
                commit / 1_000,
                published.commit_ms()
            ));
        }
        let shape = Shape {
            n: ask.n,
            passes: ask.passes,
        };
        if figures.tops_e2 > shape.tops_e2(commit.max(published.claimed_micros(proof.hired))) {
            return Some(format!(
                "the oracle counts work that fills less than {} % of the window as if it filled that",
                published.fill(proof.hired)
            ));
        }
    }
    let hops = u64::from(ask.strides) * u64::from(STRIDE);
    let late = proof.walk_micros.unwrap_or(0).saturating_mul(1_000) / hops.max(1);
    let counts = proof.figures.is_some_and(|figures| figures.memory_mib > 0);
    (late > sizes::MAX_HOP_NS && counts && !proof.hired && !local)
        .then(|| format!("the oracle takes memory for shown that answered in {late} ns"))
}

/// The row roots of a pass as they should be. Blocks; n³ operations.
fn recompute(committed: &Committed, pass: u32) -> Result<Vec<Hash>, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = io_prover::for_host(threads);
    let mut loaded = cpu
        .load(&committed.b_seed(), committed.n)
        .map_err(|error| error.to_string())?;
    loaded
        .row_roots(&committed.a_seed(pass), &AtomicBool::new(false))
        .map_err(|error| error.to_string())
}

/// Has the device open what it committed to until one wrong cell is found. `right` are the row roots as they should be.
async fn narrow(
    client: &OracleClient,
    record: &Record,
    committed: &Committed,
    pass: u32,
    right: &[Hash],
) -> Result<WrongCell, String> {
    let round = record.seed;
    let ask = async |rows: Vec<u32>, bytes: u64| {
        let request = OpenRequest { pass, rows };
        let reply = client.open_rows(&round, &committed.device, &request).await;
        let blob = reply.map_err(|error| error.to_string())?.blob;
        let blob = text::parse_hash(&blob).ok_or("the answer names no blob")?;
        let found = client.get_blob_bytes(&blob, bytes).await;
        found.map_err(|error: ClientError| error.to_string())
    };
    let (a_seed, b_seed) = (committed.a_seed(pass), committed.b_seed());
    let root = committed.roots[pass as usize];
    let found = ask(Vec::new(), u64::from(committed.n) * 32).await?;
    let roots = found.as_chunks::<32>().0.to_vec();
    if roots.len() != right.len() || RowTree::new(roots.clone()).root(&a_seed, &b_seed) != root {
        return Err("the device opens other row roots than it committed to".into());
    }
    let row = roots.iter().zip(right).position(|(a, b)| a != b);
    let row = row
        .ok_or("every row root is right, and the pass's root is not: it can't be narrowed down")?
        as u32;
    let found = ask(vec![row], OpenedRow::wire_len(committed.n) as u64).await?;
    let opened = OpenedRow::from_bytes(committed.n, &found)
        .filter(|opened| (opened.pass, opened.row) == (pass, row))
        .filter(|opened| row_root(&opened.cells) == roots[row as usize])
        .ok_or("the device opens another row than it committed to")?;
    let opened = OpenedRow {
        path: RowTree::new(roots).row_path(row),
        ..opened
    };
    let of = committed.clone();
    tokio::task::spawn_blocking(move || {
        let cpu = io_prover::for_host(1);
        let right = cpu.rows(&of.b_seed(), of.n, &[(of.a_seed(pass), row)]);
        let col = opened.cells.iter().zip(&right[0]).position(|(a, b)| a != b);
        let col = col.ok_or("every cell of the row is right")? as u32;
        WrongCell::new(&of, &opened, col).map_err(|error| error.to_string())
    })
    .await
    .map_err(|error| error.to_string())?
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        let message = failed.to_string();
        match failed {
            Failed::Client(error) => error.into(),
            Failed::Moot(Moot::Gone(_)) => Self::not_found(message),
            Failed::Unripe { .. } | Failed::Early { .. } => {
                Self::failed(message).hint("Look at the cluster with `io doctor`, and try again.")
            }
            Failed::Numbers | Failed::Contended(_) => {
                Self::failed(message).hint("Nothing was proven. Run the command again.")
            }
            Failed::Moot(_) => Self::failed(message),
        }
    }
}

/// Commits to the claim, waits, writes it, proves it, and closes what was written. Returns the case, if anything was left to take, and the
/// proof's signature; with `--dry-run` neither, for nothing can be written before the commitment is there.
async fn prove(
    ctx: &Context,
    wallet: &Wallet,
    record: &Record,
    wrong: &WrongCell,
) -> Result<(Option<Pubkey>, Value)> {
    let (Some(committed), Some(statement)) = (&record.committed, record.statement) else {
        return Err(Failure::failed("nothing was committed to"));
    };
    let signature = record
        .proof
        .commitment_signature
        .as_deref()
        .and_then(text::parse_signature)
        .ok_or_else(|| Failure::failed("the commitment has no signature"))?;
    let mut salt = [0; 32];
    getrandom::fill(&mut salt)
        .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
    let challenge = Challenge::new(
        statement,
        address("the operator", &record.proof.operator)?,
        Signature::from(signature),
        committed,
        wrong,
        salt,
    )
    .map_err(|error| Failure::failed(format!("the program would refuse it: {error}")))?;
    let network = ctx.network().await?;
    if ctx.dry_run {
        challenge::provable(&ctx.rpc, &statement, &challenge.operator).await?;
        let me = wallet.address();
        let commitment = instructions::evidence_commitment(&me, &salt, &challenge.claim);
        let commit = instructions::commit_evidence(&me, commitment);
        let intent = format!("evidence-commit:{}", random_u64()?);
        ctx.transact(intent, wallet, &[], vec![commit]).await?;
        return Ok((None, Value::Null));
    }
    let told = |step| {
        ctx.say(match step {
            Step::Committed => {
                "Committed to the wrong cell. It is shown in a moment: whoever copies it then comes too late."
            }
            Step::Written => "Everybody can see it now. It is being proven.",
        });
    };
    let sender = ctx.sender().await?;
    let proven = challenge::prove(sender, wallet, &network.io_mint, &challenge, told).await?;
    Ok((proven.case, json!(proven.signature.to_string())))
}

async fn proofs(
    client: &OracleClient,
    epoch: u64,
    device: Option<&str>,
) -> Result<(String, Vec<HardwareProof>)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = client.hardware_proofs(epoch, after.as_deref()).await?;
        let wanted = |proof: &HardwareProof| device.is_none_or(|device| proof.device == device);
        found.extend(page.proofs.into_iter().filter(wanted));
        match page.next {
            Some(next) if found.len() < MAX_PROOFS => after = Some(next),
            _ => return Ok((page.oracle, found)),
        }
    }
}

#[derive(Default)]
struct Totals {
    proofs: u64,
    proven: u64,
    rows: u64,
    passes: u64,
    rounds: u64,
    problems: Vec<Value>,
    unproven: u64,
    /// Blockhashes and times by slot, as the node has them; none where it keeps no block.
    blocks: HashMap<u64, Option<Block>>,
    /// Rounds that were looked at.
    seen: HashSet<Hash>,
    /// What each oracle showed of each device.
    shown: HashMap<String, HashMap<String, Vec<Figures>>>,
    /// Oracles that were asked.
    asked: HashSet<String>,
    /// As they are on chain.
    devices: BTreeMap<Pubkey, Device>,
    /// On a local network, whose clock decides nothing.
    local: bool,
}

type Block = (String, Option<i64>);

impl Totals {
    fn problem(&mut self, object: Map<String, Value>) {
        self.unproven += 1;
        self.problems.push(Value::Object(object));
    }

    /// Whether who signed a commitment was not the device's operator then: nobody answers for it. Told of the last day only, as what an
    /// earlier operator signed is forgotten on chain.
    async fn is_an_outsiders(&mut self, ctx: &Context, record: &Record, now: i64) -> Result<bool> {
        let Some(statement) = &record.statement else {
            return Ok(false);
        };
        let key = Pubkey::new_from_array(statement.device);
        let is = |device: &Device| is_an_outsiders(device, &record.proof, now);
        if !self.devices.get(&key).is_some_and(is) {
            return Ok(false);
        }
        // It may have another operator since the accounts were read.
        let Some(device) = accounts::fetch_maybe::<Device>(&ctx.rpc, &key).await? else {
            return Ok(false);
        };
        self.devices.insert(key, device);
        Ok(is(&device))
    }

    fn note(&mut self, record: &Record) {
        if let Some(figures) = record.proof.figures {
            self.shown
                .entry(record.proof.device.clone())
                .or_default()
                .entry(record.proof.opening.oracle.clone())
                .or_default()
                .push(figures);
        }
    }

    /// Whether the chain had the round's blockhash where the oracle says, or a block next to it: else its seed could be of any time. `None`
    /// where the node doesn't keep those blocks.
    async fn is_of_the_chain(&mut self, ctx: &Context, record: &Record) -> Result<Option<bool>> {
        let opening = &record.proof.opening;
        let mut near = Vec::new();
        for away in NEAR_SLOTS {
            let slot = opening.slot.saturating_add_signed(away);
            let kept = match self.blocks.entry(slot) {
                Entry::Occupied(kept) => kept.into_mut(),
                Entry::Vacant(place) => place.insert(ctx.rpc.block_at(slot).await?),
            };
            near.extend(kept.clone());
        }
        Ok(is_among(&near, &opening.blockhash, record.proof.at))
    }
}

/// Whether a blockhash is one of those that the node keeps, and was new when the round is said to have been; `None` where it keeps none. Pure.
fn is_among(kept: &[Block], blockhash: &str, at: i64) -> Option<bool> {
    let new = |time: &Option<i64>| time.is_none_or(|time| time.abs_diff(at) <= NEW_SECONDS);
    let found = |(hash, time): &Block| hash == blockhash && new(time);
    (!kept.is_empty()).then(|| kept.iter().any(found))
}

/// Whether figures on chain are no better than a round showed. Pure.
fn covers(shown: &Figures, device: &Device) -> bool {
    shown.measured_at <= device.attested_at
        && shown.tops_e2 >= device.tops_e2
        && shown.memory_mib >= device.memory_mib
        && shown.bandwidth_mib_s >= device.bandwidth_mib_s
        && shown.down_mbit >= device.down_mbit
        && shown.up_mbit >= device.up_mbit
        && shown.latency_ms <= device.latency_ms
}

/// Whether a proof's operator is not who operated the device in that hour of the last day; of an earlier registration nothing is known. Pure.
fn is_an_outsiders(device: &Device, proof: &HardwareProof, now: i64) -> bool {
    let epoch = epoch_of(proof.at);
    let is_known =
        proof.at >= device.since && epoch > epoch_of(now.saturating_sub(EVIDENCE_SECONDS));
    let key = text::parse_key(&proof.operator).unwrap_or_default();
    is_known && !device.operated_by(&key, epoch)
}

/// Attested figures are what a quorum measured: compares those of this hour with the records of it and of the hours before. Oracles that
/// were not asked are taken to have records.
fn attested(set: &OracleSet, epoch: u64, only: Option<&str>, totals: &mut Totals) {
    let oracles: Vec<String> = set.active().map(|key| key.to_string()).collect();
    let unasked = oracles.iter().filter(|key| !totals.asked.contains(*key));
    let unasked = unasked.count();
    for (key, device) in std::mem::take(&mut totals.devices) {
        let name = key.to_string();
        if epoch_of(device.attested_at) != epoch || only.is_some_and(|only| only != name) {
            continue;
        }
        let by_oracle = totals.shown.get(&name);
        let covering = oracles
            .iter()
            .filter_map(|oracle| by_oracle?.get(oracle))
            .filter(|shown| shown.iter().any(|shown| covers(shown, &device)))
            .count();
        if covering + unasked < usize::from(set.quorum) {
            let mut object = Map::new();
            object.insert("device".into(), json!(name));
            let what = format!(
                "{covering} oracles have records of what is attested on chain, and {} had to sign it",
                set.quorum
            );
            object.insert("problem".into(), json!(what));
            totals.problem(object);
        }
    }
}

pub async fn run(args: &HardwareArgs, ctx: &Context) -> Result<()> {
    let deployment = ctx.network().await?.deployment();
    let wallet = args.prove.then(|| ctx.wallet()).transpose()?;
    let device = args
        .device
        .as_deref()
        .map(|d| address("--device", d))
        .transpose()?;
    let device = device.map(|device| device.to_string());
    let now = ctx.rpc.chain_time().await?;
    let current = epoch_of(now);
    let epoch = args.epoch.unwrap_or(current);
    if epoch > current {
        return Err(Failure::not_found(format!(
            "no oracle has a proof of the hour {epoch}: it lies in the future, the current one is {current}"
        ))
        .hint("Name an earlier one, or leave --epoch out for the current one."));
    }
    let oracles = ctx.oracles()?;
    let set = accounts::oracle_set(&ctx.rpc).await?;
    // Hours whose records may be behind attested figures.
    let lasts = Rounds::default().fresh_seconds(set.count.into());
    let behind = u64::from(lasts).div_ceil(EPOCH_SECONDS.unsigned_abs());
    let (_, devices) = accounts::fetch_all::<Device>(&ctx.rpc, Vec::new()).await?;
    let mut totals = Totals {
        devices: devices.into_iter().collect(),
        local: ctx.is_local_network(&deployment),
        ..Totals::default()
    };
    for client in &oracles.clients {
        for earlier in epoch.saturating_sub(behind)..epoch {
            let (oracle, found) = proofs(client, earlier, device.as_deref()).await?;
            let read = |proof| read(deployment, &oracle, earlier, proof).ok();
            for record in found.into_iter().filter_map(read) {
                // What nobody answers for is no record of anything.
                if !totals.is_an_outsiders(ctx, &record, now).await? {
                    totals.note(&record);
                }
            }
        }
        let (oracle, found) = proofs(client, epoch, device.as_deref()).await?;
        totals.asked.insert(oracle.clone());
        let mut weaker = None;
        for proof in found {
            totals.proofs += 1;
            totals.proven += u64::from(proof.outcome == ProofOutcome::Proven);
            weaker = weaker.or_else(|| weak(&proof, totals.local));
            one(
                args,
                ctx,
                client,
                &oracle,
                deployment,
                epoch,
                now,
                proof,
                wallet.as_ref(),
                &mut totals,
            )
            .await?;
        }
        if let Some(what) = weaker {
            let mut object = Map::new();
            object.insert("oracle".into(), json!(oracle));
            object.insert("problem".into(), json!(what));
            totals.problem(object);
        }
    }
    attested(&set, epoch, device.as_deref(), &mut totals);
    // What is attested without a proof is a problem, and told as such.
    if let Some(device) = &device
        && totals.proofs == 0
        && totals.problems.is_empty()
    {
        return Err(Failure::not_found(format!(
            "no oracle has a proof of the device {device} in the hour {epoch}"
        ))
        .hint("`io device show DEVICE` tells when its figures were measured; --epoch names another hour."));
    }
    let value = json!({
        "epoch": epoch, "oracles": oracles.clients.len(), "proofs": totals.proofs, "proven": totals.proven,
        "rows_checked": totals.rows, "passes_recomputed": totals.passes, "rounds": totals.seen.len(),
        "rounds_of_known_blocks": totals.rounds, "local": totals.local, "problems": totals.problems,
    });
    let mut rows = vec![
        ("epoch", epoch.to_string()),
        (
            "proofs",
            format!(
                "{} by {} oracles, {} proven",
                totals.proofs,
                oracles.clients.len(),
                totals.proven
            ),
        ),
        (
            "checked",
            format!(
                "the opened rows and walks of {}, {} passes computed anew, the blockhashes of {} of {} rounds",
                totals.rows,
                totals.passes,
                totals.rounds,
                totals.seen.len()
            ),
        ),
    ];
    if totals.local {
        let unjudged = "times and blockhashes: a local network's devices share a machine";
        rows.push(("not judged", unjudged.to_owned()));
    }
    for problem in &totals.problems {
        let of = problem["device"].as_str().or(problem["oracle"].as_str());
        let what = problem["problem"].as_str().unwrap_or_default();
        rows.push(("problem", format!("{}: {what}", of.unwrap_or_default())));
    }
    ctx.out.record(&value, &rows)?;
    match totals.unproven {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} proofs are not what they should be"))
            .hint("A wrong cell can be proven to the program: --prove. Other problems are the oracle's: ask its operator.")),
    }
}

/// A blob that a record names, if the oracle still has it.
async fn fetched(client: &OracleClient, name: Option<&str>, bytes: u64) -> Result<Option<Vec<u8>>> {
    let Some(hash) = name.and_then(text::parse_hash) else {
        return Ok(None);
    };
    match client.get_blob_bytes(&hash, bytes).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[allow(clippy::too_many_arguments)]
async fn one(
    args: &HardwareArgs,
    ctx: &Context,
    client: &OracleClient,
    oracle: &str,
    deployment: Deployment,
    epoch: u64,
    now: i64,
    proof: HardwareProof,
    wallet: Option<&Wallet>,
    totals: &mut Totals,
) -> Result<()> {
    let (device, round) = (proof.device.clone(), proof.round.clone());
    let problem = |what: String| {
        let mut object = Map::new();
        object.insert("oracle".into(), json!(oracle));
        object.insert("device".into(), json!(device));
        object.insert("round".into(), json!(round));
        object.insert("problem".into(), json!(what));
        object
    };
    let record = match read(deployment, oracle, epoch, proof) {
        Ok(record) => Arc::new(record),
        Err(reason) => {
            totals.problem(problem(reason));
            return Ok(());
        }
    };
    if totals.is_an_outsiders(ctx, &record, now).await? {
        totals.problem(problem(format!(
            "the commitment is signed by {}, who was not the device's operator",
            record.proof.operator
        )));
        return Ok(());
    }
    totals.note(&record);
    // A round is of all its devices, and looked up once.
    if totals.seen.insert(record.seed) {
        let slot = record.proof.opening.slot;
        let of_the_chain = totals.is_of_the_chain(ctx, &record).await?;
        totals.rounds += u64::from(of_the_chain == Some(true));
        // A local network makes up the hashes of its empty blocks when it is asked, and others than it had.
        if of_the_chain == Some(false) && !totals.local {
            totals.problem(problem(format!(
                "the round's blockhash is none of those around slot {slot}"
            )));
        }
    }
    let length = (OpenedRow::wire_len(record.proof.ask.n) as u64)
        .saturating_mul(record.proof.ask.rows.into())
        .min(MAX_OPENED_BYTES);
    let rows = fetched(client, record.proof.rows.as_deref(), length).await;
    let is_kept = now.saturating_sub(record.proof.at) < KEPT_SECONDS;
    // What an oracle refused itself has no figures. A wrong cell among the rows that it has costs the device its bond all the same.
    if record.proof.outcome != ProofOutcome::Proven {
        match rows {
            Ok(Some(rows)) => {
                if let Some(wrong) = wrong_among(&record, Arc::new(rows)).await? {
                    show(ctx, &record, &wrong, problem, wallet, totals).await?;
                }
            }
            // Who says that something is wrong in them had them. Without that verdict the device may have named anything.
            _ if is_kept && record.proof.outcome == ProofOutcome::Wrong => totals.problem(problem(
                "what the oracle found wrong is not to be had, and a day is not over".into(),
            )),
            _ => {}
        }
        return Ok(());
    }
    let length = record.walk.states_len() as u64;
    let states = fetched(client, record.proof.walk_root.as_deref(), length).await;
    match (rows, states) {
        (Ok(Some(rows)), Ok(Some(states))) => {
            let (of, rows) = (record.clone(), Arc::new(rows));
            let opened_rows = rows.clone();
            let checked =
                crate::blocking(move || Ok(opened(deployment, &of, &opened_rows, &states))).await?;
            totals.rows += 1;
            if let Err(reason) = checked {
                // Whatever becomes of the device.
                totals.problem(problem(format!(
                    "the oracle accepted what it should not have: {reason}"
                )));
                if let Some(wrong) = wrong_among(&record, rows).await? {
                    show(ctx, &record, &wrong, problem, wallet, totals).await?;
                }
                return Ok(());
            }
        }
        // Whatever the oracle answers instead, the rest is still looked at.
        (rows, states) if is_kept => {
            let why = rows.err().or(states.err());
            let why = why.map_or(String::new(), |error| format!(": {}", error.message));
            totals.problem(problem(format!(
                "what the device opened is not to be had, and a day is not over{why}"
            )));
        }
        _ => {}
    }
    let Some(committed) = record.committed.clone() else {
        return Ok(());
    };
    let count = committed.roots.len() as u32;
    let first = (random_u64()? % u64::from(count.max(1))) as u32;
    for at in 0..args.passes.min(count) {
        let pass = (first + at) % count;
        let of = committed.clone();
        let right = crate::blocking(move || Ok(recompute(&of, pass))).await?;
        let right = right.map_err(Failure::failed)?;
        totals.passes += 1;
        let root = RowTree::new(right.clone()).root(&committed.a_seed(pass), &committed.b_seed());
        if root == committed.roots[pass as usize] {
            continue;
        }
        match narrow(client, &record, &committed, pass, &right).await {
            Err(reason) => {
                totals.problem(problem(format!(
                    "pass {pass} is not the product, and no cell can be shown: {reason}"
                )));
            }
            Ok(wrong) => show(ctx, &record, &wrong, problem, wallet, totals).await?,
        }
        return Ok(());
    }
    Ok(())
}

/// The first wrong cell of what a device opened to the oracle, as it committed to it: the rows alone show it.
async fn wrong_among(record: &Arc<Record>, rows: Arc<Vec<u8>>) -> Result<Option<WrongCell>> {
    let of = record.clone();
    let found = move || {
        let committed = of.committed.as_ref();
        Ok(committed.and_then(|committed| wrong_cell(committed, &rows)))
    };
    crate::blocking(found).await
}

/// Tells of a wrong cell: in which case the bond lies for it already, or whether it can be proven; and with a wallet proves it.
async fn show(
    ctx: &Context,
    record: &Record,
    wrong: &WrongCell,
    problem: impl Fn(String) -> Map<String, Value>,
    wallet: Option<&Wallet>,
    totals: &mut Totals,
) -> Result<()> {
    let Some(statement) = record.statement else {
        return Ok(());
    };
    let operator = address("the operator", &record.proof.operator)?;
    let mut what = format!(
        "cell ({}, {}) of pass {} is {} and should be {}",
        wrong.row, wrong.col, wrong.pass, wrong.committed, wrong.right
    );
    let mut more = Map::new();
    if let Some((case, opened)) = challenge::case_of(&ctx.rpc, &statement).await? {
        what.push_str(&format!(
            ": {} has proven it, and what it costs is in the slash case {case}",
            opened.challenger
        ));
        more.insert("case".into(), json!(case.to_string()));
        more.insert("challenger".into(), json!(opened.challenger.to_string()));
    } else {
        match challenge::provable(&ctx.rpc, &statement, &operator).await {
            Err(Failed::Moot(moot)) => {
                // Of a device that was faulted on this day there is nothing left to be done.
                totals.unproven += u64::from(!matches!(moot, Moot::Proven { .. }));
                more.insert("refused".into(), json!(moot.to_string()));
            }
            // A node that is behind: the rest is still looked at.
            Err(early @ Failed::Early { .. }) => {
                totals.unproven += 1;
                more.insert("refused".into(), json!(early.to_string()));
            }
            Err(error) => return Err(error.into()),
            Ok(_) => match wallet {
                None => {
                    totals.unproven += 1;
                    what.push_str(", which can be proven to the program: --prove");
                    more.insert("provable".into(), json!(true));
                }
                Some(wallet) => match prove(ctx, wallet, record, wrong).await {
                    Ok((case, signature)) => {
                        more.insert("case".into(), json!(case.map(|case| case.to_string())));
                        more.insert("signature".into(), signature);
                    }
                    // Somebody was first, or it is too late for this one: the rest is still looked at.
                    Err(failure) => {
                        totals.unproven += 1;
                        more.insert("refused".into(), json!(failure.message));
                    }
                },
            },
        }
    }
    let mut object = problem(what);
    for (name, number) in [("pass", wrong.pass), ("row", wrong.row), ("col", wrong.col)] {
        object.insert(name.into(), json!(number));
    }
    object.insert("committed".into(), json!(wrong.committed));
    object.insert("right".into(), json!(wrong.right));
    object.extend(more);
    totals.problems.push(Value::Object(object));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blockhash_is_of_the_chain_or_not_or_nobody_knows() {
        let kept = [("A".to_owned(), Some(1_000)), ("B".to_owned(), None)];
        assert_eq!(is_among(&kept, "A", 1_120), Some(true));
        assert_eq!(is_among(&kept, "A", 1_121), Some(false), "it was old");
        assert_eq!(is_among(&kept, "B", 0), Some(true));
        assert_eq!(is_among(&kept, "C", 1_000), Some(false));
        assert_eq!(is_among(&[], "C", 1_000), None);
    }

    /// As an oracle of the main network has it.
    fn honest() -> HardwareProof {
        serde_json::from_value(json!({
            "device": "", "provider": "", "operator": "", "class": 0, "backend": "", "at": 0,
            "opening": {"oracle": "", "epoch": 0, "blockhash": "", "slot": 0, "signature": ""},
            "round": "",
            "ask": {
                "n": 1_024, "passes": 75, "rows": sizes::ROWS, "segments": 256,
                "strides": sizes::STRIDES, "open_strides": sizes::OPEN_STRIDES,
            },
            "hired": false, "regular": true, "commit_micros": 1_400_000, "roots": [],
            "commitment": null, "commitment_signature": null, "reveal_signature": null,
            "walk_root": null, "walk_micros": 600_000, "draw_signature": null, "rows": null,
            "link": null, "outcome": "proven", "reason": null,
            "figures": {
                "measured_at": 0, "tops_e2": 10, "memory_mib": 1, "bandwidth_mib_s": 0,
                "down_mbit": 0, "up_mbit": 0, "latency_ms": 1,
            },
        }))
        .unwrap()
    }

    #[test]
    fn who_asks_for_less_than_the_published_numbers_is_named() {
        let proof = honest();
        assert_eq!(weak(&proof, false), None);
        let with = |change: &dyn Fn(&mut HardwareProof)| {
            let mut other = proof.clone();
            change(&mut other);
            weak(&other, false).unwrap_or_default()
        };
        assert!(with(&|p| p.ask.rows = 15).contains("15 rows opened"));
        assert!(with(&|p| p.ask.open_strides = 5).contains("5 strides walked again"));
        assert!(with(&|p| p.ask.strides = 1_023).contains("1023 strides"));
        assert!(with(&|p| p.walk_micros = Some(700_000)).contains("2670 ns"));
        assert!(with(&|p| p.commit_micros = Some(2_000_001)).contains("came after 2000 ms"));
        // The figure that 75 passes in 1.4 s have; whoever claims them has 1.5 s of work.
        assert!(with(&|p| p.figures.as_mut().unwrap().tops_e2 = 11).contains("less than 75 %"));
        assert_eq!(with(&|p| p.hired = true), "");
        let hired = with(&|p| {
            p.hired = true;
            p.ask.passes = 37;
            p.figures.as_mut().unwrap().tops_e2 = 12;
        });
        assert!(hired.contains("less than 35 %"), "{hired}");
        let mut late = proof.clone();
        late.commit_micros = Some(30_000_000);
        assert_eq!(weak(&late, true), None, "a local network's");
        let none = with(&|p| {
            p.walk_micros = Some(700_000);
            p.figures.as_mut().unwrap().memory_mib = 0;
        });
        assert_eq!(none, "");
    }

    /// A key that stands for nothing could sign wrong roots for an oracle that lets them pass.
    #[test]
    fn whoever_signs_for_a_device_has_to_be_its_operator() {
        const HOUR: i64 = EPOCH_SECONDS;
        let (own, other) = (Pubkey::new_unique(), Pubkey::new_unique());
        let mut device = Device {
            operator: own,
            operator_since: 10 * HOUR,
            since: 10 * HOUR,
            ..bytemuck::Zeroable::zeroed()
        };
        let outside = |device: &Device, key: &Pubkey, epoch: i64, hour: i64| {
            let proof = HardwareProof {
                operator: key.to_string(),
                at: epoch * HOUR,
                ..honest()
            };
            is_an_outsiders(device, &proof, hour * HOUR)
        };
        assert!(!outside(&device, &own, 40, 40));
        assert!(outside(&device, &other, 40, 40));
        assert!(outside(&device, &Pubkey::default(), 40, 40));
        assert!(!outside(&device, &other, 9, 30), "registered by another");
        assert!(outside(&device, &other, 17, 40));
        assert!(!outside(&device, &other, 16, 40), "a day ago");
        let anew = Device {
            since: 40 * HOUR + 1,
            ..device
        };
        assert!(
            !outside(&anew, &other, 40, 40),
            "in that hour, before it was"
        );
        device.change_operator(other, 40 * HOUR).unwrap();
        assert!(!outside(&device, &own, 40, 41));
        assert!(outside(&device, &own, 41, 41));
        assert!(!outside(&device, &other, 41, 41));
    }

    #[test]
    fn attested_figures_are_covered_by_a_round_that_came_before_and_was_no_worse() {
        let shown = Figures {
            measured_at: 100,
            tops_e2: 50,
            memory_mib: 64,
            bandwidth_mib_s: 7,
            down_mbit: 90,
            up_mbit: 40,
            latency_ms: 3,
        };
        let device = Device {
            attested_at: 100,
            tops_e2: 50,
            memory_mib: 64,
            bandwidth_mib_s: 7,
            down_mbit: 90,
            up_mbit: 40,
            latency_ms: 3,
            ..bytemuck::Zeroable::zeroed()
        };
        assert!(covers(&shown, &device));
        for better in [
            Device {
                attested_at: 99,
                ..device
            },
            Device {
                tops_e2: 51,
                ..device
            },
            Device {
                memory_mib: 65,
                ..device
            },
            Device {
                bandwidth_mib_s: 8,
                ..device
            },
            Device {
                down_mbit: 91,
                ..device
            },
            Device {
                up_mbit: 41,
                ..device
            },
            Device {
                latency_ms: 2,
                ..device
            },
        ] {
            assert!(!covers(&shown, &better));
        }
    }
}
