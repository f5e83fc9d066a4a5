//! `io token`.

use clap::{Args, Subcommand};
use io_client::{
    Pubkey, accounts,
    instructions::{self, InitializeEmissionArgs, VestingArgs},
    io_network::state::{Emission, Vesting},
    pda, tokens,
};
use io_protocol::emission::{ALLOCATIONS, CAP, EPOCH_SECONDS, epoch_emission};
use serde_json::{Map, Value, json};

use crate::{
    amount::Unit,
    cli::duration,
    context::{Context, address, put_amount, random_u64},
    failure::{Failure, Result},
    output::utc,
};

#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// How much IO there is: cap, genesis, emitted, burned, and what comes next.
    Supply,
    /// The parts of the genesis supply, and what of them is available.
    Vesting,
    /// Claim what has vested to the wallet.
    ClaimVested(ClaimVestedArgs),
    /// Propose another beneficiary of a part; they accept it.
    HandOver {
        /// Which part: its name or number, as `io token vesting` lists them.
        part: String,
        /// The new beneficiary.
        beneficiary: String,
    },
    /// Take a part over, as its proposed beneficiary.
    AcceptHandOver {
        /// Which part.
        part: String,
    },
    /// Mint what all epochs that are over emit. Anybody may; oracles do it by themselves.
    Advance,
    /// Make the program the only one that can mint IO, for good. Signed by the administrator, who is the new mint's authority.
    Init(InitArgs),
    /// Mint one part of the genesis supply into its vesting account.
    CreateVesting(CreateVestingArgs),
    /// Change the enterprise classes' share of later epochs.
    SetEnterpriseShare {
        /// Basis points; 9500 is 95 %.
        bps: u16,
    },
}

#[derive(Debug, Args)]
pub struct ClaimVestedArgs {
    /// Which part: its name or number, as `io token vesting` lists them.
    pub part: String,
    /// Token account of IO to pay to; the wallet's associated one when absent.
    #[arg(long, value_name = "ACCOUNT")]
    pub to: Option<String>,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Length of an epoch, 1 s to 1 h. Real networks have hours.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub epoch: std::time::Duration,
    /// Enterprise classes' share, basis points.
    #[arg(long, default_value_t = 9_500)]
    pub enterprise_bps: u16,
}

#[derive(Debug, Args)]
pub struct CreateVestingArgs {
    /// Which part: its name or number.
    pub part: String,
    /// Who it vests to.
    #[arg(long, value_name = "ADDRESS")]
    pub beneficiary: String,
    /// When it starts, Unix seconds; now when absent.
    #[arg(long, value_name = "TIME")]
    pub start: Option<i64>,
    /// Nothing before this long after the start.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub cliff: std::time::Duration,
    /// Then linearly over this long.
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration)]
    pub linear: std::time::Duration,
}

/// The emission; an error that says what to do when it was not started.
pub async fn emission(ctx: &Context) -> Result<Emission> {
    ctx.network().await?;
    accounts::fetch_maybe::<Emission>(&ctx.rpc, &pda::emission())
        .await?
        .ok_or_else(|| {
            Failure::not_found("this network's IO is not minted by the program yet")
                .hint("The administrator starts it with `io token init`.")
        })
}

fn part(text: &str) -> Result<u8> {
    let by_name = ALLOCATIONS.iter().position(|a| a.name == text);
    let found = by_name.or_else(|| text.parse().ok().filter(|i| *i < ALLOCATIONS.len()));
    found.map(|i| i as u8).ok_or_else(|| {
        let names: Vec<&str> = ALLOCATIONS.iter().map(|a| a.name).collect();
        Failure::usage(format!("PART is '{text}'")).hint(format!(
            "Expected one of {} or a number from 0 to {}.",
            names.join(", "),
            ALLOCATIONS.len() - 1
        ))
    })
}

fn seconds(what: &str, time: std::time::Duration) -> Result<u32> {
    u32::try_from(time.as_secs()).map_err(|_| Failure::usage(format!("{what} is too long")))
}

pub fn emission_json(emission: &Emission) -> Value {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("mint".into(), json!(emission.mint.to_string()));
    object.insert("vault".into(), json!(emission.vault.to_string()));
    object.insert("genesis_at".into(), json!(emission.genesis_at));
    object.insert("epoch_seconds".into(), json!(emission.epoch_seconds));
    object.insert("enterprise_bps".into(), json!(emission.enterprise_bps));
    object.insert("epochs_done".into(), json!(emission.epochs_done));
    put_amount(&mut object, "minted", emission.minted, &io);
    put_amount(&mut object, "claimed", emission.claimed, &io);
    object.insert("root_epoch".into(), json!(emission.root_epoch));
    object.insert("root".into(), json!(hex::encode(emission.root)));
    object.insert("root_blob".into(), json!(hex::encode(emission.root_blob)));
    put_amount(&mut object, "root_total", emission.root_total, &io);
    Value::Object(object)
}

pub fn vesting_json(address: &Pubkey, vesting: &Vesting, now: i64) -> Value {
    let io = Unit::io();
    let name = ALLOCATIONS
        .get(usize::from(vesting.index))
        .map_or("", |a| a.name);
    let mut object = Map::new();
    object.insert("vesting".into(), json!(address.to_string()));
    object.insert("part".into(), json!(name));
    object.insert("index".into(), json!(vesting.index));
    object.insert("beneficiary".into(), json!(vesting.beneficiary.to_string()));
    if vesting.pending != Pubkey::default() {
        object.insert("proposed".into(), json!(vesting.pending.to_string()));
    }
    put_amount(&mut object, "total", vesting.total, &io);
    put_amount(&mut object, "claimed", vesting.claimed, &io);
    put_amount(&mut object, "claimable", vesting.claimable(now), &io);
    object.insert("start_at".into(), json!(vesting.start_at));
    object.insert("cliff_seconds".into(), json!(vesting.cliff_seconds));
    object.insert("linear_seconds".into(), json!(vesting.linear_seconds));
    Value::Object(object)
}

async fn vestings(ctx: &Context) -> Result<Vec<(Pubkey, Vesting)>> {
    let addresses: Vec<Pubkey> = (0..ALLOCATIONS.len() as u8).map(pda::vesting).collect();
    let found = accounts::fetch_many::<Vesting>(&ctx.rpc, &addresses).await?;
    Ok(addresses
        .into_iter()
        .zip(found)
        .filter_map(|(address, vesting)| Some((address, vesting?)))
        .collect())
}

pub async fn run(command: &TokenCommand, ctx: &Context) -> Result<()> {
    match command {
        TokenCommand::Supply => supply(ctx).await,
        TokenCommand::Vesting => list(ctx).await,
        TokenCommand::ClaimVested(args) => claim_vested(args, ctx).await,
        TokenCommand::HandOver {
            part: text,
            beneficiary,
        } => {
            let (wallet, index) = (ctx.wallet()?, part(text)?);
            let to = address("BENEFICIARY", beneficiary)?;
            ctx.confirm(&format!("Propose {to} as the new beneficiary?"))?;
            let instruction = instructions::propose_beneficiary(&wallet.address(), index, &to);
            let intent = format!("hand-over:{index}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let fields =
                json!({"part": ALLOCATIONS[usize::from(index)].name, "proposed": to.to_string()});
            ctx.report(
                &done,
                "proposed; they take it with: io token accept-hand-over",
                fields,
            )
            .await
        }
        TokenCommand::AcceptHandOver { part: text } => {
            let (wallet, index) = (ctx.wallet()?, part(text)?);
            let instruction = instructions::accept_beneficiary(&wallet.address(), index);
            let intent = format!("accept-hand-over:{index}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let fields = json!({"part": ALLOCATIONS[usize::from(index)].name, "beneficiary": wallet.address().to_string()});
            ctx.report(&done, "yours", fields).await
        }
        TokenCommand::Advance => {
            let (wallet, before) = (ctx.wallet()?, emission(ctx).await?);
            let instruction = instructions::advance_epoch(&before.mint);
            let intent = format!("advance:{}:{}", before.epochs_done, random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let after = emission(ctx).await?;
            let mut fields = Map::new();
            fields.insert("epochs_done".into(), json!(after.epochs_done));
            put_amount(
                &mut fields,
                "minted",
                after.minted.saturating_sub(before.minted),
                &Unit::io(),
            );
            ctx.report(&done, "minted", Value::Object(fields)).await
        }
        TokenCommand::Init(args) => {
            let (wallet, network) = (ctx.wallet()?, ctx.network().await?);
            let epoch_seconds = seconds("--epoch", args.epoch)?;
            if epoch_seconds != EPOCH_SECONDS && !ctx.is_local() {
                ctx.say(format!(
                    "note: real networks have epochs of {EPOCH_SECONDS} s; with {epoch_seconds} s the same amounts are emitted in less time"
                ));
            }
            ctx.confirm("Hand the right to mint IO to the program, for good?")?;
            let args = InitializeEmissionArgs {
                epoch_seconds,
                enterprise_bps: args.enterprise_bps,
            };
            let instruction =
                instructions::initialize_emission(&wallet.address(), &network.io_mint, args);
            let done = ctx
                .transact(
                    format!("init-emission:{}", random_u64()?),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let fields =
                json!({"emission": pda::emission().to_string(), "epoch_seconds": epoch_seconds});
            ctx.report(
                &done,
                "started; next: io token create-vesting, for every part",
                fields,
            )
            .await
        }
        TokenCommand::CreateVesting(args) => {
            let (wallet, network) = (ctx.wallet()?, ctx.network().await?);
            let vesting = VestingArgs {
                index: part(&args.part)?,
                beneficiary: address("--beneficiary", &args.beneficiary)?,
                start_at: match args.start {
                    Some(start) => start,
                    None => ctx.rpc.chain_time().await?,
                },
                cliff_seconds: seconds("--cliff", args.cliff)?,
                linear_seconds: seconds("--linear", args.linear)?,
            };
            let allocation = ALLOCATIONS[usize::from(vesting.index)];
            ctx.confirm(&format!(
                "Mint {} for {}, cliff {} s, then linearly over {} s? This cannot be changed.",
                Unit::io().show(allocation.amount),
                vesting.beneficiary,
                vesting.cliff_seconds,
                vesting.linear_seconds
            ))?;
            let instruction =
                instructions::create_vesting(&wallet.address(), &network.io_mint, vesting);
            let done = ctx
                .transact(
                    format!("create-vesting:{}:{}", vesting.index, random_u64()?),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("part".into(), json!(allocation.name));
            put_amount(&mut fields, "total", allocation.amount, &Unit::io());
            ctx.report(&done, "created", Value::Object(fields)).await
        }
        TokenCommand::SetEnterpriseShare { bps } => {
            let wallet = ctx.wallet()?;
            let instruction = instructions::set_enterprise_share(&wallet.address(), *bps);
            let fields = json!({"enterprise_bps": bps});
            super::network::administer(ctx, &wallet, "changed", instruction, fields).await
        }
    }
}

async fn supply(ctx: &Context) -> Result<()> {
    let (mint, io) = (emission(ctx).await?.mint, Unit::io());
    let now = ctx.rpc.chain_time().await?;
    let genesis: u64 = vestings(ctx).await?.iter().map(|(_, v)| v.total).sum();
    // Of one moment: an epoch that is minted in between is in both or in neither.
    let both = ctx.rpc.accounts(&[pda::emission(), mint]).await?;
    let [Some(emission), Some(mint)] = both.as_slice() else {
        return Err(Failure::not_found("the IO mint is missing"));
    };
    let emission: Emission = accounts::decode(&pda::emission(), emission)?;
    let supply = tokens::supply(&mint.data)
        .ok_or_else(|| Failure::failed("the IO mint's account is not a mint's"))?;
    let minted = genesis.saturating_add(emission.minted);
    let (calendar, epoch) = (emission.calendar(), emission.calendar().epoch_at(now));
    let mut object = Map::new();
    let amounts = [
        ("cap", CAP),
        ("genesis", genesis),
        ("emitted", emission.minted),
        ("burned", minted.saturating_sub(supply)),
        ("supply", supply),
        ("rewards_claimed", emission.claimed),
        ("this_epoch", epoch_emission(epoch)),
    ];
    for (name, amount) in amounts {
        put_amount(&mut object, name, amount, &io);
    }
    object.insert("epoch".into(), json!(epoch));
    object.insert("epochs_minted".into(), json!(emission.epochs_done));
    object.insert("epoch_ends_at".into(), json!(calendar.ends_at(epoch)));
    let mut rows: Vec<(&str, String)> = amounts
        .iter()
        .map(|(name, amount)| (*name, io.show(*amount)))
        .collect();
    let ends = if epoch == 0 {
        format!("the first begins {}", utc(emission.genesis_at))
    } else {
        format!("{epoch}, ends {}", utc(calendar.ends_at(epoch)))
    };
    rows.push(("epoch", ends));
    ctx.out.record(&Value::Object(object), &rows)
}

async fn list(ctx: &Context) -> Result<()> {
    emission(ctx).await?;
    let (now, io) = (ctx.rpc.chain_time().await?, Unit::io());
    let found = vestings(ctx).await?;
    let items: Vec<Value> = found
        .iter()
        .map(|(address, vesting)| vesting_json(address, vesting, now))
        .collect();
    let cells: Vec<Vec<String>> = found
        .iter()
        .map(|(_, v)| {
            vec![
                v.index.to_string(),
                ALLOCATIONS
                    .get(usize::from(v.index))
                    .map_or(String::new(), |a| a.name.to_owned()),
                v.beneficiary.to_string(),
                io.show(v.total),
                io.show(v.claimed),
                io.show(v.claimable(now)),
                utc(v.terms().ends_at()),
            ]
        })
        .collect();
    let columns = [
        "#",
        "part",
        "beneficiary",
        "total",
        "claimed",
        "claimable",
        "all by",
    ];
    ctx.out
        .list(&items, &columns, &cells, "no part was minted yet")
}

async fn claim_vested(args: &ClaimVestedArgs, ctx: &Context) -> Result<()> {
    let (wallet, index, io) = (ctx.wallet()?, part(&args.part)?, Unit::io());
    let emission = emission(ctx).await?;
    let vesting: Vesting = accounts::fetch(&ctx.rpc, &pda::vesting(index)).await?;
    let claimable = vesting.claimable(ctx.rpc.chain_time().await?);
    if claimable == 0 {
        return Err(Failure::funds("nothing has vested that was not claimed")
            .hint("`io token vesting` shows the terms."));
    }
    let owner = wallet.address();
    let (to, mut instructions) = match &args.to {
        Some(text) => (address("--to", text)?, Vec::new()),
        None => (
            tokens::associated(&owner, &emission.mint),
            vec![tokens::create_associated(&owner, &owner, &emission.mint)],
        ),
    };
    ctx.confirm(&format!("Claim {} to {to}?", io.show(claimable)))?;
    instructions.push(instructions::claim_vested(&owner, index, &to));
    let intent = format!("claim-vested:{index}:{}", random_u64()?);
    let done = ctx.transact(intent, &wallet, &[], instructions).await?;
    let mut fields = Map::new();
    fields.insert("part".into(), json!(ALLOCATIONS[usize::from(index)].name));
    put_amount(&mut fields, "claimed", claimable, &io);
    fields.insert("to".into(), json!(to.to_string()));
    ctx.report(&done, "claimed", Value::Object(fields)).await
}
