//! `io rewards`.

use clap::{Args, Subcommand};
use io_api::{auth::verify_signature, text};
use io_client::{
    Pubkey, accounts,
    instructions::{self, ClaimRewardsArgs},
    io_network::state::Emission,
    tokens,
};
use io_engines::BlobHash;
use io_protocol::{
    evidence::{Earned, Evidence, LeafSet, ReportStatement, compute, merge},
    messages::{Bytes32, RewardStatement},
    rewards::{Native, Tree, root_of},
    scores::{SLOTS, budgets},
};
use serde_json::{Map, Value, json};

use super::{provider, token};
use crate::{
    amount::Unit,
    context::{Context, put_amount, random_u64},
    failure::{Exit, Failure, Result},
    oracles::Oracles,
};

/// Largest leaf set or evidence that is read, bytes.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Debug, Subcommand)]
pub enum RewardsCommand {
    /// What a provider earned since genesis, claimed, and can claim now.
    Show {
        /// The provider's authority or account; the wallet's own when absent.
        address: Option<String>,
    },
    /// Claim what a provider can claim. It goes to its payout owner, whoever sends this.
    Claim {
        /// The provider's authority or account; the wallet's own when absent.
        address: Option<String>,
    },
    /// Compute an epoch again from public data: why each device was paid what it was, and that the chain agrees.
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The provider's authority or account; the wallet's own when absent.
    pub address: Option<String>,
    /// Epoch of emission; the newest with a root when absent.
    #[arg(long, value_name = "N")]
    pub epoch: Option<u64>,
    /// Devices of all providers.
    #[arg(long)]
    pub all: bool,
}

pub async fn run(command: &RewardsCommand, ctx: &Context) -> Result<()> {
    match command {
        RewardsCommand::Show { address } => show(address.as_deref(), ctx).await,
        RewardsCommand::Claim { address } => claim(address.as_deref(), ctx).await,
        RewardsCommand::Explain(args) => explain(args, ctx).await,
    }
}

fn damaged(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("the {what} does not read: {error}"))
        .hint("It has the hash that was asked for: program and command are of different versions.")
}

async fn leaves(oracles: &Oracles, hash: Bytes32) -> Result<LeafSet> {
    let bytes = oracles.blob(&BlobHash(hash), MAX_BYTES).await?;
    LeafSet::from_bytes(&bytes).map_err(|error| damaged("leaf set", error))
}

/// The leaf set that the chain has the root of, checked against that root.
async fn newest(ctx: &Context, emission: &Emission) -> Result<Option<(LeafSet, Tree)>> {
    if emission.root_epoch == 0 {
        return Ok(None);
    }
    let set = leaves(&ctx.oracles()?, emission.root_blob).await?;
    let tree = tree_of(&set)?;
    if tree.root() != emission.root || tree.total() != emission.root_total {
        return Err(
            Failure::failed("the leaf set does not have the root that the chain has").hint(
                "The oracles signed a root that is not that of their leaf set: tell everybody.",
            ),
        );
    }
    Ok(Some((set, tree)))
}

fn tree_of(set: &LeafSet) -> Result<Tree> {
    let program = io_client::io_network::ID.to_bytes();
    Tree::build::<Native>(&program, &set.leaves).map_err(|error| damaged("leaf set", error))
}

async fn show(address: Option<&str>, ctx: &Context) -> Result<()> {
    let emission = token::emission(ctx).await?;
    let (account, found) = provider::find(ctx, address).await?;
    let earned = newest(ctx, &emission)
        .await?
        .and_then(|(set, _)| set.find(&account.to_bytes()))
        .map_or(0, |(_, leaf)| leaf.cumulative);
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("provider".into(), json!(account.to_string()));
    object.insert("payout_owner".into(), json!(found.payout_owner.to_string()));
    object.insert("root_epoch".into(), json!(emission.root_epoch));
    let claimable = earned.saturating_sub(found.claimed);
    let amounts = [
        ("earned", earned),
        ("claimed", found.claimed),
        ("claimable", claimable),
    ];
    let mut rows = vec![
        ("provider", account.to_string()),
        ("up to epoch", emission.root_epoch.to_string()),
    ];
    for (name, amount) in amounts {
        put_amount(&mut object, name, amount, &io);
        rows.push((name, io.show(amount)));
    }
    ctx.out.record(&Value::Object(object), &rows)
}

/// A claim that a new root overtook is made anew so many times.
const CLAIM_AGAIN: u32 = 3;

/// Claims by the newest root.
async fn claim(address: Option<&str>, ctx: &Context) -> Result<()> {
    let mut again = CLAIM_AGAIN;
    loop {
        let emission = token::emission(ctx).await?;
        let Err(failure) = claim_from(&emission, address, ctx).await else {
            return Ok(());
        };
        if again == 0 || failure.exit != Exit::Failed {
            return Err(failure);
        }
        let newest = match token::emission(ctx).await {
            Ok(now) if now.root_epoch != emission.root_epoch => now.root_epoch,
            _ => return Err(failure),
        };
        again -= 1;
        ctx.say(format!(
            "the root of epoch {newest} came meanwhile: claiming by it"
        ));
    }
}

async fn claim_from(emission: &Emission, address: Option<&str>, ctx: &Context) -> Result<()> {
    let (wallet, io) = (ctx.wallet()?, Unit::io());
    let (account, found) = provider::find(ctx, address).await?;
    let nothing = || {
        Failure::funds("nothing to claim: everything up to the current root was paid")
            .hint("`io rewards show` shows it; a new root comes with every epoch.")
    };
    let (set, tree) = newest(ctx, emission).await?.ok_or_else(nothing)?;
    let (index, leaf) = set.find(&account.to_bytes()).ok_or_else(nothing)?;
    let amount = leaf.cumulative.saturating_sub(found.claimed);
    if amount == 0 {
        return Err(nothing());
    }
    let proof = tree.proof::<Native>(index).unwrap_or_default();
    let args = ClaimRewardsArgs {
        cumulative: leaf.cumulative,
        index: u32::try_from(index).map_err(|_| Failure::failed("too many leaves"))?,
        proof,
    };
    let to = tokens::associated(&found.payout_owner, &emission.mint);
    ctx.confirm(&format!(
        "Claim {} for {}, to {to}?",
        io.show(amount),
        found.payout_owner
    ))?;
    let all = vec![
        tokens::create_associated(&wallet.address(), &found.payout_owner, &emission.mint),
        instructions::claim_rewards(&wallet.address(), &account, &to, args),
    ];
    let intent = format!("claim:{account}:{}:{}", leaf.cumulative, random_u64()?);
    let done = ctx.transact(intent, &wallet, &[], all).await?;
    let mut fields = Map::new();
    fields.insert("provider".into(), json!(account.to_string()));
    put_amount(&mut fields, "claimed", amount, &io);
    fields.insert("to".into(), json!(to.to_string()));
    ctx.report(&done, "claimed", Value::Object(fields)).await
}

/// An epoch's leaf set, and what vouches for it.
struct Found {
    hash: Bytes32,
    /// The chain has its root now.
    on_chain: bool,
    /// Oracles of the present set that signed it.
    signers: Vec<Pubkey>,
}

async fn find(ctx: &Context, emission: &Emission, epoch: u64) -> Result<Found> {
    let (network, set) = (ctx.network().await?, accounts::oracle_set(&ctx.rpc).await?);
    let mut hash = (epoch == emission.root_epoch).then_some(emission.root_blob);
    let mut signers = Vec::new();
    for view in ctx.oracles()?.rewards(epoch).await {
        let Some(signed) = view.signed else { continue };
        let parsed = (
            text::parse_key(&signed.oracle),
            text::parse_hash(&signed.root),
            text::parse_hash(&signed.leaves),
            text::parse_signature(&signed.signature),
        );
        let (Some(key), Some(root), Some(blob), Some(signature)) = parsed else {
            continue;
        };
        let statement = RewardStatement {
            deployment: network.deployment(),
            set_version: signed.set_version,
            epoch,
            root,
            total: signed.total.0,
            blob,
        };
        let counts = set.position(&key).is_some()
            && *hash.get_or_insert(blob) == blob
            && verify_signature(&key, &statement.to_bytes(), &signature);
        if counts {
            signers.push(Pubkey::new_from_array(key));
        }
    }
    signers.sort();
    signers.dedup();
    let hash = hash.ok_or_else(|| {
        Failure::not_found(format!("no oracle has a leaf set of epoch {epoch}"))
            .hint("Epochs without a root are carried over to the next; older than a quarter of a year may be gone.")
    })?;
    let on_chain = epoch == emission.root_epoch;
    if !on_chain && signers.len() < usize::from(set.quorum) {
        return Err(Failure::failed(format!(
            "only {} oracles vouch for a leaf set of epoch {epoch}, and {} are a quorum",
            signers.len(),
            set.quorum
        ))
        .hint("Name more oracles with --oracle."));
    }
    Ok(Found {
        hash,
        on_chain,
        signers,
    })
}

async fn explain(args: &ExplainArgs, ctx: &Context) -> Result<()> {
    let emission = token::emission(ctx).await?;
    let epoch = match args.epoch {
        Some(epoch) => epoch,
        None if emission.root_epoch > 0 => emission.root_epoch,
        None => {
            return Err(Failure::not_found("no epoch has a root yet")
                .hint("`io token supply` shows when the next epoch ends."));
        }
    };
    let whose = match (&args.address, args.all) {
        (None, true) => None,
        (address, _) => Some(provider::find(ctx, address.as_deref()).await?.0),
    };
    let found = find(ctx, &emission, epoch).await?;
    let oracles = ctx.oracles()?;
    let set = leaves(&oracles, found.hash).await?;
    let (earned, reports) = recompute(ctx, &oracles, &set, epoch).await?;
    let tree = tree_of(&set)?;
    if found.on_chain && tree.root() != emission.root {
        return Err(Failure::failed(
            "the leaf set does not have the root that the chain has",
        ));
    }
    let io = Unit::io();
    let totals = earned.iter().fold([0u128; 2], |mut totals, e| {
        totals[usize::from(e.row.seen.group) % 2] += e.row.seen.score();
        totals
    });
    let (mut items, mut cells) = (Vec::new(), Vec::new());
    for e in earned
        .iter()
        .filter(|e| whose.is_none_or(|p| e.row.provider == p.to_bytes()))
    {
        let (device, seen) = (Pubkey::new_from_array(e.row.device), &e.row.seen);
        let group = ["community", "enterprise"][usize::from(seen.group) % 2];
        let mut item = Map::new();
        item.insert("device".into(), json!(device.to_string()));
        let owner = Pubkey::new_from_array(e.row.provider);
        item.insert("provider".into(), json!(owner.to_string()));
        item.insert("group".into(), json!(group));
        item.insert("multiplier_e2".into(), json!(seen.multiplier_e2));
        item.insert("slots".into(), json!(seen.slots()));
        item.insert("hired_slots".into(), json!(seen.hired.count_ones()));
        item.insert("performance_bps".into(), json!(seen.performance_bps()));
        item.insert("reputation_bps".into(), json!(seen.reputation_bps));
        item.insert("score".into(), json!(seen.score().to_string()));
        let of = totals[usize::from(seen.group) % 2];
        item.insert("scores_of_group".into(), json!(of.to_string()));
        put_amount(&mut item, "earned", e.amount, &io);
        items.push(Value::Object(item));
        cells.push(vec![
            device.to_string(),
            group.to_owned(),
            crate::amount::decimal(seen.multiplier_e2.into(), 2),
            format!("{}/{SLOTS}", seen.slots()),
            percent(seen.performance_bps()),
            percent(seen.reputation_bps.into()),
            io.show(e.amount),
        ]);
    }
    let proven = match whose.and_then(|p| set.find(&p.to_bytes())) {
        None => None,
        Some((index, leaf)) => {
            let proof = tree.proof::<Native>(index).unwrap_or_default();
            let hash = leaf.hash::<Native>(&io_client::io_network::ID.to_bytes());
            let at = u32::try_from(index).unwrap_or(u32::MAX);
            if root_of::<Native>(hash, at, &proof) != Some(tree.root()) {
                return Err(Failure::failed(
                    "the provider's proof does not lead to the root",
                ));
            }
            Some((leaf.cumulative, proof.len()))
        }
    };
    let vouched = if found.on_chain {
        "the chain has this root".to_owned()
    } else {
        format!("signed by {} oracles", found.signers.len())
    };
    let emitted = io_protocol::emission::epoch_emission(epoch);
    let [community, enterprise] = budgets(emitted, set.enterprise_bps);
    if !ctx.out.for_people() {
        let mut object = Map::new();
        object.insert("epoch".into(), json!(epoch));
        object.insert("root".into(), json!(hex::encode(tree.root())));
        object.insert("leaves".into(), json!(hex::encode(found.hash)));
        object.insert("evidence".into(), json!(hex::encode(set.evidence)));
        object.insert("on_chain".into(), json!(found.on_chain));
        let keys = found.signers.iter().map(ToString::to_string);
        object.insert("signers".into(), keys.collect());
        put_amount(&mut object, "emitted", emitted, &io);
        put_amount(&mut object, "enterprise_budget", enterprise, &io);
        put_amount(&mut object, "community_budget", community, &io);
        put_amount(&mut object, "carried_community", set.carry[0], &io);
        put_amount(&mut object, "carried_enterprise", set.carry[1], &io);
        if let Some((cumulative, levels)) = proven {
            put_amount(&mut object, "cumulative", cumulative, &io);
            object.insert("proof_levels".into(), json!(levels));
        }
        object.insert("reports".into(), json!(reports));
        object.insert("devices".into(), Value::Array(items));
        return ctx.out.document(&Value::Object(object));
    }
    ctx.say(format!(
        "epoch {epoch}: {} emitted, {} for enterprise, {} for community. Computed again from {reports} oracles' reports: it agrees; {vouched}.",
        io.show(emitted),
        io.show(enterprise),
        io.show(community),
    ));
    if let Some((cumulative, levels)) = proven {
        ctx.say(format!(
            "earned since genesis: {}; the proof of {levels} levels leads to the root.",
            io.show(cumulative)
        ));
    }
    let columns = [
        "device",
        "group",
        "multiplier",
        "up",
        "performance",
        "reputation",
        "earned",
    ];
    ctx.out
        .list(&items, &columns, &cells, "no device was up in this epoch")
}

fn percent(bps: u64) -> String {
    format!("{} %", crate::amount::decimal(bps, 2))
}

/// Computes a leaf set again from its evidence and the set before; an error when it comes out otherwise. What each device
/// earned, and the number of reports.
async fn recompute(
    ctx: &Context,
    oracles: &Oracles,
    set: &LeafSet,
    epoch: u64,
) -> Result<(Vec<Earned>, usize)> {
    let bytes = oracles.blob(&BlobHash(set.evidence), MAX_BYTES).await?;
    let evidence = Evidence::from_bytes(&bytes).map_err(|error| damaged("evidence", error))?;
    let deployment = ctx.network().await?.deployment();
    for signed in &evidence.reports {
        let statement = ReportStatement {
            deployment,
            epoch,
            report: BlobHash::of(&signed.report).0,
        };
        if !verify_signature(&signed.oracle, &statement.to_bytes(), &signed.signature) {
            return Err(Failure::failed(format!(
                "the report of {} has a bad signature",
                text::key(&signed.oracle)
            )));
        }
    }
    let reports = evidence
        .read()
        .map_err(|error| damaged("evidence", error))?;
    let rows = merge(&reports, usize::from(evidence.quorum));
    let before = match set.previous_epoch {
        0 => None,
        _ => Some(leaves(oracles, set.previous).await?),
    };
    let before = before.as_ref().map(|before| (before, set.previous));
    match compute(before, epoch, &rows, set.evidence, set.enterprise_bps) {
        Some((computed, earned)) if computed == *set => Ok((earned, reports.len())),
        _ => Err(Failure::failed(format!(
            "the leaf set of epoch {epoch} does not follow from its evidence"
        ))
        .hint("The oracles that signed it were wrong: tell everybody.")),
    }
}
