//! `io stake`.

use clap::Subcommand;
use io_client::{instructions, tokens};
use serde_json::{Map, Value, json};

use super::provider;
use crate::{
    amount::Unit,
    context::{Context, put_amount, random_u64},
    failure::{Failure, Result},
    output::utc,
};

#[derive(Debug, Subcommand)]
pub enum StakeCommand {
    /// Stake IO from the wallet.
    Add {
        /// Amount of IO.
        amount: String,
    },
    /// What is staked, bonded, free, and on its way out.
    Status {
        /// The provider's authority or account; the wallet's own when absent.
        address: Option<String>,
    },
    /// Start taking free stake out. It counts for nothing at once, and can be withdrawn when the unbonding time is over.
    Unstake {
        /// Amount of IO.
        amount: String,
    },
    /// Withdraw everything whose unbonding time is over.
    Withdraw,
}

pub async fn run(command: &StakeCommand, ctx: &Context) -> Result<()> {
    let io = Unit::io();
    match command {
        StakeCommand::Add { amount } => {
            let wallet = ctx.wallet()?;
            let base = io.parse("AMOUNT", amount)?;
            if base == 0 {
                return Err(Failure::usage("AMOUNT is 0").hint("Stake more than nothing."));
            }
            let network = ctx.network().await?;
            let (account, provider) = provider::find(ctx, None).await?;
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            let held = tokens::balance(&ctx.rpc, &token).await?.unwrap_or(0);
            if held < base {
                return Err(Failure::funds(format!(
                    "the wallet holds {}, less than {}",
                    io.show(held),
                    io.show(base)
                ))
                .hint(if ctx.is_local() {
                    "Send IO to the wallet, or stake less. On a local network the wallets made by `io up` hold some (-u localnet)."
                } else {
                    "Send IO to the wallet, or stake less."
                }));
            }
            ctx.confirm(&format!("Stake {}?", io.show(base)))?;
            let instruction = instructions::stake(&wallet.address(), &token, base);
            let done = ctx
                .transact(
                    format!("stake:{account}:{}", random_u64()?),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("provider".into(), json!(account.to_string()));
            put_amount(&mut fields, "added", base, &io);
            put_amount(
                &mut fields,
                "staked",
                provider.staked.saturating_add(base),
                &io,
            );
            ctx.report(&done, "staked", Value::Object(fields)).await
        }
        StakeCommand::Status { address } => {
            let (account, provider) = provider::find(ctx, address.as_deref()).await?;
            let now = ctx.rpc.chain_time().await?;
            let mut object = Map::new();
            object.insert("provider".into(), json!(account.to_string()));
            put_amount(&mut object, "staked", provider.staked, &io);
            put_amount(&mut object, "committed", provider.committed, &io);
            put_amount(&mut object, "free", provider.free(), &io);
            put_amount(&mut object, "unstakeable", provider.unstakeable(), &io);
            put_amount(&mut object, "co_staked", provider.co_assets, &io);
            let leaving: Vec<_> = provider
                .unbonding
                .iter()
                .filter(|entry| entry.amount > 0)
                .collect();
            let matured = leaving
                .iter()
                .filter(|entry| entry.ready_at <= now)
                .map(|entry| entry.amount)
                .sum();
            put_amount(&mut object, "withdrawable", matured, &io);
            let mut rows = vec![
                ("provider", account.to_string()),
                ("staked", io.show(provider.staked)),
                ("committed", io.show(provider.committed)),
                ("free", io.show(provider.free())),
                ("unstakeable", io.show(provider.unstakeable())),
                ("co-staked", io.show(provider.co_assets)),
                ("withdrawable", io.show(matured)),
            ];
            for entry in &leaving {
                rows.push((
                    "leaving",
                    format!("{} from {}", io.show(entry.amount), utc(entry.ready_at)),
                ));
            }
            let list = leaving.iter().map(|entry| {
                json!({"amount": entry.amount, "amount_text": io.show(entry.amount), "ready_at": entry.ready_at})
            });
            object.insert("unbonding".into(), list.collect());
            ctx.out.record(&Value::Object(object), &rows)
        }
        StakeCommand::Unstake { amount } => {
            let wallet = ctx.wallet()?;
            let base = io.parse("AMOUNT", amount)?;
            if base == 0 {
                return Err(Failure::usage("AMOUNT is 0").hint("Take out more than nothing."));
            }
            let network = ctx.network().await?;
            let (account, provider) = provider::find(ctx, None).await?;
            if base > provider.unstakeable() {
                return Err(Failure::funds(format!("{} can be taken out, less than {}", io.show(provider.unstakeable()), io.show(base)))
                    .hint("The rest is bonded to devices, due as a penalty, or the first loss that co-stakers rely on: retire a device, \
                           let co-stakers leave (`io co-stake leave --of`), or take out less."));
            }
            let days = f64::from(network.unbond_seconds);
            ctx.confirm(&format!(
                "Take {} out? It counts for nothing from now on and can be withdrawn in {}.",
                io.show(base),
                crate::output::seconds(days)
            ))?;
            let instruction = instructions::request_unstake(&wallet.address(), base);
            let done = ctx
                .transact(
                    format!("unstake:{account}:{}", random_u64()?),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("provider".into(), json!(account.to_string()));
            put_amount(&mut fields, "leaving", base, &io);
            ctx.report(
                &done,
                "unbonding; withdraw it later with: io stake withdraw",
                Value::Object(fields),
            )
            .await
        }
        StakeCommand::Withdraw => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let (account, provider) = provider::find(ctx, None).await?;
            let now = ctx.rpc.chain_time().await?;
            let matured: u64 = provider
                .unbonding
                .iter()
                .filter(|entry| entry.amount > 0 && entry.ready_at <= now)
                .map(|entry| entry.amount)
                .sum();
            if matured == 0 {
                let next = provider
                    .unbonding
                    .iter()
                    .filter(|entry| entry.amount > 0)
                    .min_by_key(|entry| entry.ready_at);
                return Err(match next {
                    Some(entry) => Failure::failed(format!(
                        "nothing can be withdrawn yet: the next {} are free from {}",
                        io.show(entry.amount),
                        utc(entry.ready_at)
                    ))
                    .hint("Run this again then. `io stake status` lists all that is on its way out."),
                    None => Failure::failed("nothing is on its way out")
                        .hint("Start with `io stake unstake AMOUNT`; it can be withdrawn when the unbonding time is over."),
                });
            }
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            let instructions = vec![
                tokens::create_associated(&wallet.address(), &wallet.address(), &network.io_mint),
                instructions::withdraw_stake(&wallet.address(), &token),
            ];
            let done = ctx
                .transact(
                    format!("withdraw:{account}:{}", random_u64()?),
                    &wallet,
                    &[],
                    instructions,
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("provider".into(), json!(account.to_string()));
            put_amount(&mut fields, "withdrawn", matured, &io);
            ctx.report(&done, "withdrawn", Value::Object(fields)).await
        }
    }
}
