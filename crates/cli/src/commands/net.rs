//! `io net`.

use clap::Subcommand;
use io_client::{
    accounts::{self, AnyAccount},
    io_network::state::{Device, Job, JobState, Provider},
};
use serde_json::{Map, Value, json};

use super::{device, job, network, provider, slash, token};
use crate::{
    amount::Unit,
    context::{Context, address, put_amount},
    failure::{Failure, Result},
};

#[derive(Debug, Subcommand)]
pub enum NetCommand {
    /// Totals: providers, devices, stake, jobs by state.
    Stats,
    /// Any account of the program, decoded.
    Account {
        /// Its address.
        address: String,
    },
}

pub async fn run(command: &NetCommand, ctx: &Context) -> Result<()> {
    match command {
        NetCommand::Stats => stats(ctx).await,
        NetCommand::Account { address: text } => {
            let address = address("ADDRESS", text)?;
            let (slot, account) = ctx.rpc.account(&address).await?.ok_or_else(|| {
                Failure::not_found(format!(
                    "there is nothing at {address} on the cluster at {}",
                    ctx.rpc.host()
                ))
                .hint("It may have been closed. Check the cluster with -u.")
            })?;
            let decoded = if account.owner == io_client::io_network::ID {
                AnyAccount::decode(&address, &account)?
            } else {
                None
            };
            let (kind, fields) = match decoded {
                None => {
                    return Err(Failure::not_found(format!("{address} is no account of this program: its owner is {}", account.owner))
                        .hint("Name a job, device, provider, class, payment mint, slash case, oracle set or network account."));
                }
                Some(AnyAccount::Network(network)) => ("network", network::network_json(&network)),
                Some(AnyAccount::OracleSet(set)) => ("oracle_set", network::oracles_json(&set)),
                Some(AnyAccount::PaymentMint(payment)) => {
                    let symbol = ctx.symbol(&payment.mint, ctx.network().await?);
                    ("payment_mint", network::mint_json(&payment, &symbol))
                }
                Some(AnyAccount::DeviceClass(class)) => {
                    ("device_class", network::class_json(&class))
                }
                Some(AnyAccount::Provider(found)) => (
                    "provider",
                    Value::Object(provider::provider_json(&address, &found)),
                ),
                Some(AnyAccount::Device(found)) => (
                    "device",
                    Value::Object(device::device_json(&address, &found)),
                ),
                Some(AnyAccount::Job(found)) => {
                    let unit = ctx.unit_of(&found.mint).await?;
                    (
                        "job",
                        Value::Object(job::show::job_json(&address, &found, &unit, None)?),
                    )
                }
                Some(AnyAccount::Deposit(deposit)) => {
                    let job = accounts::fetch::<Job>(&ctx.rpc, &deposit.job).await?;
                    let unit = ctx.unit_of(&job.mint).await?;
                    let mut object = Map::new();
                    object.insert("job".into(), json!(deposit.job.to_string()));
                    object.insert("sponsor".into(), json!(deposit.sponsor.to_string()));
                    object.insert(
                        "token_account".into(),
                        json!(deposit.token_account.to_string()),
                    );
                    put_amount(&mut object, "amount", deposit.amount, &unit);
                    object.insert("created_at".into(), json!(deposit.created_at));
                    ("deposit", Value::Object(object))
                }
                Some(AnyAccount::SlashCase(case)) => (
                    "slash_case",
                    Value::Object(slash::case_json(&address, &case)),
                ),
                Some(AnyAccount::CoStake(stake)) => {
                    let io = Unit::io();
                    let mut object = Map::new();
                    object.insert("provider".into(), json!(stake.provider.to_string()));
                    object.insert("co_staker".into(), json!(stake.co_staker.to_string()));
                    object.insert("commission_bps".into(), json!(stake.commission_bps));
                    put_amount(&mut object, "rewards", stake.rewards, &io);
                    put_amount(&mut object, "unbonding", stake.unbonding, &io);
                    object.insert("joined_at".into(), json!(stake.joined_at));
                    object.insert("notice_until".into(), json!(stake.notice_until));
                    object.insert("ready_at".into(), json!(stake.ready_at));
                    ("co_stake", Value::Object(object))
                }
                Some(AnyAccount::Oracle(oracle)) => {
                    let io = Unit::io();
                    let mut object = Map::new();
                    object.insert("key".into(), json!(oracle.key.to_string()));
                    object.insert("owner".into(), json!(oracle.owner.to_string()));
                    put_amount(&mut object, "bond", oracle.bond, &io);
                    put_amount(&mut object, "unbonding", oracle.unbonding, &io);
                    object.insert("ready_at".into(), json!(oracle.ready_at));
                    put_amount(&mut object, "slashed", oracle.slashed, &io);
                    ("oracle", Value::Object(object))
                }
                Some(AnyAccount::Emission(emission)) => {
                    ("emission", token::emission_json(&emission))
                }
                Some(AnyAccount::Vesting(vesting)) => (
                    "vesting",
                    token::vesting_json(&address, &vesting, ctx.rpc.chain_time().await?),
                ),
                Some(AnyAccount::BuyBack(rule)) => ("buy_back", network::buy_back_json(&rule)),
                Some(AnyAccount::Proposal(proposal)) => {
                    ("proposal", network::proposal_json(&address, &proposal))
                }
            };
            let mut object = Map::new();
            object.insert("kind".into(), json!(kind));
            object.insert("address".into(), json!(address.to_string()));
            object.insert("slot".into(), json!(slot));
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            job::show::show(ctx, &Value::Object(object))
        }
    }
}

async fn stats(ctx: &Context) -> Result<()> {
    ctx.network().await?;
    let io = Unit::io();
    let (slot, providers) = accounts::fetch_all::<Provider>(&ctx.rpc, Vec::new()).await?;
    let devices = accounts::fetch_all::<Device>(&ctx.rpc, Vec::new()).await?.1;
    let jobs = accounts::fetch_all::<Job>(&ctx.rpc, Vec::new()).await?.1;
    let staked = providers.iter().fold(0_u64, |sum, (_, provider)| {
        sum.saturating_add(provider.staked)
    });
    let mut by_state: Map<String, Value> = Map::new();
    for state in 1..=JobState::Expired as u8 {
        let Ok(state) = JobState::try_from(state) else {
            continue;
        };
        let count = jobs
            .iter()
            .filter(|(_, job)| job.state == state as u8)
            .count();
        by_state.insert(job::show::state_name(state).to_owned(), json!(count));
    }
    let completed: u64 = devices
        .iter()
        .map(|(_, device)| device.completed)
        .sum::<u64>()
        + providers
            .iter()
            .map(|(_, provider)| provider.completed)
            .sum::<u64>();
    let mut object = Map::new();
    object.insert("slot".into(), json!(slot));
    object.insert("providers".into(), json!(providers.len()));
    object.insert("devices".into(), json!(devices.len()));
    object.insert(
        "idle".into(),
        json!(
            devices
                .iter()
                .filter(|(_, device)| device.is_idle())
                .count()
        ),
    );
    put_amount(&mut object, "staked", staked, &io);
    object.insert("completed".into(), json!(completed));
    object.insert("jobs".into(), Value::Object(by_state.clone()));
    let states: Vec<String> = by_state
        .iter()
        .filter(|(_, count)| **count != json!(0))
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let rows = [
        ("slot", slot.to_string()),
        ("providers", providers.len().to_string()),
        ("devices", devices.len().to_string()),
        ("staked", io.show(staked)),
        ("jobs completed", completed.to_string()),
        (
            "jobs on chain",
            if states.is_empty() {
                "none".to_owned()
            } else {
                states.join(", ")
            },
        ),
    ];
    ctx.out.record(&Value::Object(object), &rows)
}
