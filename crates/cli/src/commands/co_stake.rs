//! `io co-stake`.

use clap::Subcommand;
use io_client::{
    Instruction, Pubkey, Wallet, accounts, instructions,
    io_network::state::{CoStake, Device, Provider},
    pda, tokens,
};
use serde_json::{Map, Value, json};

use super::provider;
use crate::{
    amount::Unit,
    context::{Context, address, put_amount, random_u64},
    failure::{Failure, Result},
    output::{seconds, short, utc},
};

#[derive(Debug, Subcommand)]
pub enum CoStakeCommand {
    /// Say whether co-stakers may join the wallet's provider, and at which commission on their rewards.
    Terms {
        /// Commission, percent with at most two decimals.
        #[arg(long, value_name = "PERCENT")]
        commission: String,
        /// Nobody may join any more; who is in stays.
        #[arg(long)]
        closed: bool,
    },
    /// Stake IO beside a provider's own.
    Join {
        /// The provider's authority or account.
        provider: String,
        /// Amount of IO.
        amount: String,
        /// Refuse a commission above this, percent [default: what the provider asks now].
        #[arg(long, value_name = "PERCENT")]
        max_commission: Option<String>,
    },
    /// The wallet's co-stake with a provider.
    Show {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
    /// Everybody's co-stake with a provider.
    List {
        /// The provider's authority or account; the wallet's own when absent.
        provider: Option<String>,
    },
    /// Let shares earn: the provider's rewards up to the joining must be claimed. Anybody may.
    Activate {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
    /// Pay a co-staker its rewards, less the commission. Anybody may; it can only go to the co-staker.
    Claim {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
    /// Give notice: the wallet's own, or as a provider a co-staker's.
    Leave {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
    /// After the notice, take the stake out of the pool; bonds that it stands behind are lowered first. Anybody may.
    Unbond {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
    /// Withdraw everything when the unbonding time is over. Anybody may; it can only go to the co-staker.
    Withdraw {
        /// The provider's authority or account.
        provider: String,
        /// Whose co-stake; the wallet's own when absent.
        #[arg(long, value_name = "ADDRESS")]
        of: Option<String>,
    },
}

/// Basis points out of a percentage that a person typed.
fn basis_points(what: &str, text: &str) -> Result<u16> {
    let percent = Unit {
        symbol: "%".to_owned(),
        decimals: 2,
    };
    let bps = percent.parse(what, text.trim_end_matches('%'))?;
    u16::try_from(bps)
        .ok()
        .filter(|bps| *bps <= 10_000)
        .ok_or_else(|| {
            Failure::usage(format!("{what} is {text}, more than all of it"))
                .hint("Write a percentage from 0 to 100, like 10 or 2.5.")
        })
}

fn percent(bps: u16) -> String {
    format!("{}.{:02} %", bps / 100, bps % 100)
}

/// A co-stake with its provider.
struct Found {
    provider_account: Pubkey,
    provider: Provider,
    who: Pubkey,
    co: CoStake,
}

async fn find(ctx: &Context, provider_text: &str, of: Option<&str>) -> Result<Found> {
    let (provider_account, provider) = provider::find(ctx, Some(provider_text)).await?;
    let who = match of {
        Some(text) => address("--of", text)?,
        None => ctx.wallet()?.address(),
    };
    let account = pda::co_stake(&provider_account, &who);
    let co = accounts::fetch_maybe::<CoStake>(&ctx.rpc, &account)
        .await?
        .ok_or_else(|| {
            Failure::not_found(format!(
                "{who} has no co-stake with the provider {provider_account}"
            ))
            .hint("`io co-stake list PROVIDER` shows who has; `io co-stake join` makes one.")
        })?;
    Ok(Found {
        provider_account,
        provider,
        who,
        co,
    })
}

fn state_of(co: &CoStake) -> &'static str {
    match (co.notice_until, co.ready_at) {
        (0, _) if co.pending > 0 && co.earning == 0 => "joined",
        (0, _) => "earning",
        (_, 0) => "leaving",
        _ => "unbonding",
    }
}

fn co_stake_json(who: &Pubkey, co: &CoStake, provider: &Provider) -> Result<Map<String, Value>> {
    let io = Unit::io();
    let overflow = || Failure::failed("the co-stake's account is damaged: its shares overflow");
    let mut object = Map::new();
    object.insert("co_staker".into(), json!(who.to_string()));
    object.insert("provider".into(), json!(co.provider.to_string()));
    object.insert("state".into(), json!(state_of(co)));
    let worth = co.worth(provider).map_err(|_| overflow())?;
    put_amount(&mut object, "worth", worth, &io);
    let mut settled = *co;
    settled.settle(provider).map_err(|_| overflow())?;
    put_amount(&mut object, "rewards", settled.rewards, &io);
    put_amount(&mut object, "unbonding", co.unbonding, &io);
    object.insert("commission_bps".into(), json!(co.commission_bps));
    object.insert("earning_shares".into(), json!(co.earning));
    object.insert("pending_shares".into(), json!(co.pending));
    object.insert("joined_at".into(), json!(co.joined_at));
    object.insert("notice_until".into(), json!(co.notice_until));
    object.insert("bonds_free_at".into(), json!(co.release_at()));
    object.insert("ready_at".into(), json!(co.ready_at));
    Ok(object)
}

/// Sends an instruction about a co-stake and tells of it.
async fn act(
    ctx: &Context,
    name: &str,
    found: &Found,
    wallet: &Wallet,
    instructions: Vec<Instruction>,
    done: &str,
) -> Result<()> {
    let account = pda::co_stake(&found.provider_account, &found.who);
    let intent = format!("co-stake-{name}:{account}:{}", random_u64()?);
    let sent = ctx.transact(intent, wallet, &[], instructions).await?;
    let fields = json!({
        "co_stake": account.to_string(), "provider": found.provider_account.to_string(), "co_staker": found.who.to_string(),
    });
    ctx.report(&sent, done, fields).await
}

pub async fn run(command: &CoStakeCommand, ctx: &Context) -> Result<()> {
    let io = Unit::io();
    match command {
        CoStakeCommand::Terms { commission, closed } => {
            let wallet = ctx.wallet()?;
            let bps = basis_points("--commission", commission)?;
            let network = ctx.network().await?;
            let (account, _) = provider::find(ctx, None).await?;
            let instruction =
                instructions::set_co_stake_terms(&wallet.address(), &network.io_mint, bps, !closed);
            let intent = format!("co-stake-terms:{account}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let fields =
                json!({"provider": account.to_string(), "commission_bps": bps, "open": !closed});
            ctx.report(
                &done,
                "set; co-stakers keep the commission of their joining",
                fields,
            )
            .await
        }
        CoStakeCommand::Join {
            provider: text,
            amount,
            max_commission,
        } => {
            let wallet = ctx.wallet()?;
            let base = io.parse("AMOUNT", amount)?;
            let network = ctx.network().await?;
            let (account, provider) = provider::find(ctx, Some(text)).await?;
            if provider.co_open == 0 {
                return Err(Failure::failed(format!(
                    "the provider {account} takes no co-stake now"
                ))
                .hint("It opens with `io co-stake terms`, which only the provider can do."));
            }
            let most = match max_commission {
                Some(text) => basis_points("--max-commission", text)?,
                None => provider.commission_bps,
            };
            let room = provider.staked.saturating_sub(provider.co_assets);
            if base > room {
                return Err(Failure::funds(format!(
                    "the provider's own stake has room for {} more, less than {}",
                    io.show(room),
                    io.show(base)
                ))
                .hint(
                    "Co-stake may not exceed what the owner itself has staked: join with less.",
                ));
            }
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            let held = tokens::balance(&ctx.rpc, &token).await?.unwrap_or(0);
            if held < base {
                return Err(Failure::funds(format!(
                    "the wallet holds {}, less than {}",
                    io.show(held),
                    io.show(base)
                ))
                .hint("Send IO to the wallet, or join with less."));
            }
            ctx.confirm(&format!(
                "Stake {} beside {}? The provider takes {} of its rewards; what it is slashed beyond its own {} is lost from the pool; \
                 leaving takes {} of notice and {} of unbonding.",
                io.show(base),
                short(&account.to_string()),
                percent(provider.commission_bps),
                io.show(provider.staked),
                seconds(f64::from(network.co_notice_seconds)),
                seconds(f64::from(network.unbond_seconds)),
            ))?;
            let instruction =
                instructions::join_co_stake(&wallet.address(), &account, &token, base, most);
            let co_stake = pda::co_stake(&account, &wallet.address());
            let intent = format!("co-stake-join:{co_stake}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let mut fields = Map::new();
            fields.insert("co_stake".into(), json!(co_stake.to_string()));
            fields.insert("provider".into(), json!(account.to_string()));
            put_amount(&mut fields, "added", base, &io);
            ctx.report(
                &done,
                "joined; it earns after the provider's next claim: io co-stake activate",
                Value::Object(fields),
            )
            .await
        }
        CoStakeCommand::Show { provider, of } => {
            let found = find(ctx, provider, of.as_deref()).await?;
            let mut object = co_stake_json(&found.who, &found.co, &found.provider)?;
            if ctx.out.for_people() {
                for name in ["joined_at", "notice_until", "ready_at"] {
                    if let Some(at) = object.get(name).and_then(Value::as_i64) {
                        let text = if at == 0 { "-".to_owned() } else { utc(at) };
                        object.insert(name.into(), json!(text));
                    }
                }
            }
            super::job::show::show(ctx, &Value::Object(object))
        }
        CoStakeCommand::List { provider: text } => {
            let (account, provider) = provider::find(ctx, text.as_deref()).await?;
            let mut all = accounts::co_stakes_of_provider(&ctx.rpc, &account).await?;
            all.sort_by_key(|(_, co)| (std::cmp::Reverse(co.earning), co.co_staker));
            let (mut items, mut cells) = (Vec::new(), Vec::new());
            for (_, co) in &all {
                let object = co_stake_json(&co.co_staker, co, &provider)?;
                let text = |name: &str| {
                    object
                        .get(&format!("{name}_text"))
                        .and_then(Value::as_str)
                        .unwrap_or("-")
                        .to_owned()
                };
                cells.push(vec![
                    co.co_staker.to_string(),
                    state_of(co).to_owned(),
                    text("worth"),
                    text("rewards"),
                    percent(co.commission_bps),
                ]);
                items.push(Value::Object(object));
            }
            ctx.out.list(
                &items,
                &["CO-STAKER", "STATE", "WORTH", "REWARDS", "COMMISSION"],
                &cells,
                "Nobody co-stakes with this provider.",
            )
        }
        CoStakeCommand::Activate { provider, of } => {
            let wallet = ctx.wallet()?;
            let found = find(ctx, provider, of.as_deref()).await?;
            let instruction = instructions::activate_co_stake(&found.provider_account, &found.who);
            act(
                ctx,
                "activate",
                &found,
                &wallet,
                vec![instruction],
                "earning from now on",
            )
            .await
        }
        CoStakeCommand::Claim { provider, of } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let found = find(ctx, provider, of.as_deref()).await?;
            let token = tokens::associated(&found.who, &network.io_mint);
            let instructions = vec![
                tokens::create_associated(&wallet.address(), &found.who, &network.io_mint),
                instructions::claim_co_rewards(&found.provider_account, &found.who, &token),
            ];
            act(ctx, "claim", &found, &wallet, instructions, "paid").await
        }
        CoStakeCommand::Leave { provider, of } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let found = find(ctx, provider, of.as_deref()).await?;
            ctx.confirm(&format!(
                "Give notice? It ends in {} and cannot be taken back; until then the stake earns and is at risk.",
                seconds(f64::from(network.co_notice_seconds))
            ))?;
            let instruction = instructions::leave_co_stake(
                &wallet.address(),
                &found.provider_account,
                &found.who,
            );
            act(
                ctx,
                "leave",
                &found,
                &wallet,
                vec![instruction],
                "notice given; then: io co-stake unbond",
            )
            .await
        }
        CoStakeCommand::Unbond { provider, of } => {
            let wallet = ctx.wallet()?;
            let found = find(ctx, provider, of.as_deref()).await?;
            let (instructions, told) = unbond(ctx, &wallet, &found).await?;
            act(ctx, "unbond", &found, &wallet, instructions, told).await
        }
        CoStakeCommand::Withdraw { provider, of } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let found = find(ctx, provider, of.as_deref()).await?;
            let token = tokens::associated(&found.who, &network.io_mint);
            let instructions = vec![
                tokens::create_associated(&wallet.address(), &found.who, &network.io_mint),
                instructions::withdraw_co_stake(&found.provider_account, &found.who, &token),
            ];
            act(ctx, "withdraw", &found, &wallet, instructions, "withdrawn").await
        }
    }
}

/// Devices whose bonds are lowered in one transaction, at most.
const MAX_RELEASES: usize = 8;

/// Takes the stake out, after as many bonds are lowered as it stands behind; if there are any, they are asked for first. And what to say
/// of it.
async fn unbond(
    ctx: &Context,
    wallet: &Wallet,
    found: &Found,
) -> Result<(Vec<Instruction>, &'static str)> {
    let (provider, co) = (&found.provider, &found.co);
    let worth = co
        .worth(provider)
        .map_err(|_| Failure::failed("the co-stake's account is damaged: its shares overflow"))?;
    let rest = provider.collateral().saturating_sub(worth);
    let mut short = provider.committed.saturating_sub(rest);
    let mut instructions = Vec::new();
    if short > 0 {
        let from = co.release_at();
        if from > ctx.rpc.chain_time().await? {
            return Err(Failure::failed(format!(
                "{} of it stands behind devices' bonds, which are freed a day after they were asked for",
                Unit::io().show(short)
            ))
            .hint(format!("Try again from {} on.", utc(from))));
        }
        let mut devices: Vec<(Pubkey, Device)> =
            accounts::devices_of_provider(&ctx.rpc, &found.provider_account).await?;
        devices.sort_by_key(|(_, d)| std::cmp::Reverse(d.bond.saturating_sub(d.exposure)));
        for (device, state) in devices.into_iter().take(MAX_RELEASES) {
            let spare = state.bond.saturating_sub(state.exposure);
            if short == 0 || spare == 0 {
                break;
            }
            // What it owes is taken from its bond: nothing is freed before.
            if state.fault_due() > 0 {
                continue;
            }
            short = short.saturating_sub(spare);
            instructions.push(instructions::release_bond_for_leaver(
                &found.provider_account,
                &device,
                &found.who,
            ));
            if from == 0 {
                return Ok((
                    instructions,
                    "devices' bonds asked for; a day and an hour from now: io co-stake unbond again",
                ));
            }
        }
    }
    if short > 0 {
        return Err(Failure::failed(format!(
            "{} of it stands behind jobs that are not settled, or penalties that are due",
            Unit::io().show(short)
        ))
        .hint("Try again when they are: nothing is lost meanwhile."));
    }
    instructions.push(instructions::start_co_unbond(
        &wallet.address(),
        &found.provider_account,
        &found.who,
    ));
    Ok((instructions, "unbonding; then: io co-stake withdraw"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        for (text, bps) in [
            ("10", 1_000),
            ("2.5%", 250),
            ("0", 0),
            ("100", 10_000),
            ("0.01", 1),
        ] {
            assert_eq!(basis_points("it", text).unwrap(), bps);
        }
        for text in ["", "100.01", "1.234", "-1", "ten"] {
            assert!(basis_points("it", text).is_err(), "{text}");
        }
        assert_eq!(percent(1_005), "10.05 %");
    }
}
