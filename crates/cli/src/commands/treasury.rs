//! `io treasury`: the network's fees, what becomes of them, and selling IO to it.

use clap::{Args, Subcommand};
use io_client::{
    Pubkey, accounts,
    instructions::{self, BuyBackArgs},
    io_network::state::{BuyBack, PaymentMint},
    pda, tokens,
};
use serde_json::{Map, Value, json};

use crate::{
    amount::Unit,
    commands::network::{administer, buy_back_json},
    context::{Context, Mint, address, put_amount, random_u64},
    failure::{Failure, Result},
};

#[derive(Debug, Subcommand)]
pub enum TreasuryCommand {
    /// What the treasury holds, burned, paid and bought, for each payment mint.
    Show,
    /// Move fees from a mint's shards to its main account; of IO the network's share is burned. Anybody may.
    Sweep {
        /// IO, a symbol of the configuration, or a mint's address.
        #[arg(default_value = "io")]
        mint: String,
    },
    /// Say whose token accounts the treasury may pay to. The administrator, after the timelock.
    SetOwner {
        /// Their address; "none" for nobody.
        owner: String,
    },
    /// Pay from the treasury to its owner. The administrator, after the timelock.
    Withdraw {
        /// How much, in the mint's unit.
        amount: String,
        #[arg(long, default_value = "io")]
        mint: String,
        /// The owner's token account; their associated one when absent.
        #[arg(long, value_name = "ACCOUNT")]
        to: Option<String>,
    },
    /// Say at what price the treasury buys IO back. The administrator, after the timelock.
    SetBuyBack(BuyBackOptions),
    /// Sell IO to the treasury at the price of the moment. It is burned.
    Sell {
        /// How much IO.
        amount: String,
        /// What it is paid in.
        #[arg(long)]
        mint: String,
        /// The least to accept, in that mint's unit.
        #[arg(long, value_name = "AMOUNT")]
        min_out: String,
    },
    /// Bring an account of an earlier version of the program to today's layout. Anybody may.
    Migrate {
        /// The account.
        account: String,
    },
}

#[derive(Debug, Args)]
pub struct BuyBackOptions {
    /// What IO is bought with.
    pub mint: String,
    /// Price of 1 IO at the beginning of an hour, in the mint's unit.
    #[arg(long, value_name = "AMOUNT")]
    pub floor: String,
    /// Price of 1 IO at the end of an hour.
    #[arg(long, value_name = "AMOUNT")]
    pub ceiling: String,
    /// The most that is paid in an hour.
    #[arg(long, value_name = "AMOUNT")]
    pub budget: String,
    /// Stop buying.
    #[arg(long)]
    pub disabled: bool,
}

/// Prices on chain are for 10⁹ base units of IO: 10 IO.
const IO_A_PRICE: u64 = 10;

async fn payment_of(ctx: &Context, mint: &Mint) -> Result<PaymentMint> {
    Ok(accounts::fetch(&ctx.rpc, &pda::payment(&mint.address)).await?)
}

async fn show(ctx: &Context) -> Result<()> {
    let network = ctx.network().await?;
    let mut mints = accounts::fetch_all::<PaymentMint>(&ctx.rpc, Vec::new())
        .await?
        .1;
    mints.sort_by_key(|(_, payment)| (payment.mint != network.io_mint, payment.mint));
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for (_, payment) in &mints {
        let unit = Unit {
            symbol: ctx.symbol(&payment.mint, network),
            decimals: payment.decimals,
        };
        let mut unswept = 0_u64;
        for shard in payment.shards.iter().filter(|s| **s != Pubkey::default()) {
            let held = tokens::balance(&ctx.rpc, shard).await?.unwrap_or(0);
            unswept = unswept.saturating_add(held);
        }
        let spent = payment.burned + payment.withdrawn + payment.bought;
        let main = payment.swept.saturating_sub(spent);
        let rule =
            accounts::fetch_maybe::<BuyBack>(&ctx.rpc, &pda::buy_back(&payment.mint)).await?;
        let mut object = Map::new();
        object.insert("mint".into(), json!(payment.mint.to_string()));
        object.insert("symbol".into(), json!(unit.symbol));
        for (name, amount) in [
            ("unswept", unswept),
            ("main", main),
            ("swept", payment.swept),
            ("burned", payment.burned),
            ("withdrawn", payment.withdrawn),
            ("bought", payment.bought),
        ] {
            put_amount(&mut object, name, amount, &unit);
        }
        object.insert("buy_back".into(), json!(rule.as_ref().map(buy_back_json)));
        values.push(Value::Object(object));
        rows.push(
            [
                unswept,
                main,
                payment.burned,
                payment.withdrawn,
                payment.bought,
            ]
            .map(|amount| unit.show(amount))
            .to_vec(),
        );
    }
    ctx.out.list(
        &values,
        &["UNSWEPT", "MAIN", "BURNED", "WITHDRAWN", "PAID FOR IO"],
        &rows,
        "No payment mints yet.",
    )
}

async fn sweep(ctx: &Context, mint: &Mint) -> Result<()> {
    let wallet = ctx.wallet()?;
    let mut payment = payment_of(ctx, mint).await?;
    let mut all = Vec::new();
    if payment.main == Pubkey::default() {
        all.push(instructions::init_treasury_main(
            &wallet.address(),
            &payment,
        ));
        payment.main = pda::treasury_main(&mint.address);
    }
    let (mut shards, mut total) = (Vec::new(), 0_u64);
    for shard in payment.shards.iter().filter(|s| **s != Pubkey::default()) {
        let held = tokens::balance(&ctx.rpc, shard).await?.unwrap_or(0);
        if held > 0 {
            shards.push(*shard);
            total = total.saturating_add(held);
        }
    }
    if shards.is_empty() {
        return Err(
            Failure::not_found("there are no fees to sweep in this mint")
                .hint("Fees come with settled jobs: io treasury show"),
        );
    }
    all.push(instructions::sweep_treasury(&payment, &shards));
    let done = ctx
        .transact(format!("sweep:{}", random_u64()?), &wallet, &[], all)
        .await?;
    let fields = json!({"mint": mint.address.to_string(), "swept": total, "shards": shards.len()});
    let what = format!("swept {}", mint.unit.show(total));
    ctx.report(&done, &what, fields).await
}

async fn sell(ctx: &Context, amount: &str, mint: &Mint, min_out: &str) -> Result<()> {
    let wallet = ctx.wallet()?;
    let io = Unit::io().parse("AMOUNT", amount)?;
    let least = mint.unit.parse("--min-out", min_out)?;
    let network = ctx.network().await?;
    let owner = wallet.address();
    let payment = payment_of(ctx, mint).await?;
    let to = tokens::associated_of(&mint.token_program, &owner, &mint.address);
    let done = ctx
        .transact(
            format!("sell:{}", random_u64()?),
            &wallet,
            &[],
            vec![
                tokens::create_associated_of(&mint.token_program, &owner, &owner, &mint.address),
                instructions::sell_to_treasury(
                    &owner,
                    &network.io_mint,
                    &tokens::associated(&owner, &network.io_mint),
                    &payment,
                    &to,
                    io,
                    least,
                ),
            ],
        )
        .await?;
    let fields = json!({"sold": io, "mint": mint.address.to_string(), "to": to.to_string()});
    ctx.report(&done, "sold, and burned", fields).await
}

pub async fn run(command: &TreasuryCommand, ctx: &Context) -> Result<()> {
    match command {
        TreasuryCommand::Show => show(ctx).await,
        TreasuryCommand::Sweep { mint } => sweep(ctx, &ctx.mint(Some(mint)).await?).await,
        TreasuryCommand::Sell {
            amount,
            mint,
            min_out,
        } => sell(ctx, amount, &ctx.mint(Some(mint)).await?, min_out).await,
        TreasuryCommand::SetOwner { owner } => {
            let wallet = ctx.wallet()?;
            let owner = match owner.as_str() {
                "none" => Pubkey::default(),
                text => address("OWNER", text)?,
            };
            let instruction = instructions::set_treasury_owner(&wallet.address(), &owner);
            let fields = json!({"treasury_owner": owner.to_string()});
            administer(ctx, &wallet, "treasury owner changed", instruction, fields).await
        }
        TreasuryCommand::Withdraw { amount, mint, to } => {
            let wallet = ctx.wallet()?;
            let mint = ctx.mint(Some(mint)).await?;
            let amount = mint.unit.parse("AMOUNT", amount)?;
            let owner = ctx.network().await?.treasury_owner;
            let to = match to {
                Some(text) => address("--to", text)?,
                None => tokens::associated_of(&mint.token_program, &owner, &mint.address),
            };
            let payment = payment_of(ctx, &mint).await?;
            let instruction =
                instructions::withdraw_treasury(&wallet.address(), &payment, &to, amount);
            let fields = json!({"amount": amount, "to": to.to_string()});
            administer(ctx, &wallet, "paid to the owner", instruction, fields).await
        }
        TreasuryCommand::SetBuyBack(options) => {
            let wallet = ctx.wallet()?;
            let mint = ctx.mint(Some(&options.mint)).await?;
            let price = |what: &str, text: &str| {
                mint.unit
                    .parse(what, text)?
                    .checked_mul(IO_A_PRICE)
                    .ok_or_else(|| Failure::usage(format!("{what} is {text}: too large")))
            };
            let args = BuyBackArgs {
                floor_price: price("--floor", &options.floor)?,
                ceiling_price: price("--ceiling", &options.ceiling)?,
                budget: mint.unit.parse("--budget", &options.budget)?,
                enabled: !options.disabled,
            };
            let instruction = instructions::set_buy_back(&wallet.address(), &mint.address, args);
            let fields = json!({"mint": mint.address.to_string(), "enabled": args.enabled});
            administer(ctx, &wallet, "buy-back rule set", instruction, fields).await
        }
        TreasuryCommand::Migrate { account } => {
            let wallet = ctx.wallet()?;
            let account = address("ACCOUNT", account)?;
            let instruction = instructions::migrate_account(&wallet.address(), &account);
            let fields = json!({"account": account.to_string()});
            let intent = format!("migrate:{account}");
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            ctx.report(&done, "brought to today's layout", fields).await
        }
    }
}
