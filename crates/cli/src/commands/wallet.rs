//! `io keygen` and `io airdrop`: a key, and something on it to begin with.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use io_client::{Pubkey, Wallet, tokens};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    amount::Unit,
    context::{Context, address},
    failure::{Failure, Result},
    output::Output,
};

/// Longest wait for a faucet's SOL to arrive, and the pause between looks.
const ARRIVAL: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Args)]
pub struct KeygenArgs {
    /// Where the key goes: a file that isn't there yet. It has no passphrase; whoever can read it can spend what it holds.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub struct AirdropArgs {
    /// SOL from the cluster's faucet.
    #[arg(value_name = "SOL", default_value = "1")]
    pub sol: String,
    /// Who gets it: an address. The wallet when absent.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// IO as well, from the wallet; on a local network only.
    #[arg(long, value_name = "AMOUNT", requires = "to")]
    pub io: Option<String>,
}

/// Makes a key in the form of Solana's tools, for its owner's eyes only.
pub fn keygen(args: &KeygenArgs, out: &Output) -> Result<()> {
    let wallet = Wallet::generate();
    wallet.save(&args.file).map_err(|error| {
        Failure::wallet(error.to_string())
            .hint("Name a file that isn't there yet, in a folder that is.")
    })?;
    let (address, file) = (
        wallet.address().to_string(),
        args.file.display().to_string(),
    );
    out.record(
        &json!({"address": address, "file": file}),
        &[("address", address.clone()), ("file", file.clone())],
    )
}

pub async fn airdrop(args: &AirdropArgs, ctx: &Context) -> Result<()> {
    let sol = Unit::sol();
    let lamports = sol.parse("SOL", &args.sol)?;
    let to: Pubkey = match &args.to {
        Some(text) => address("--to", text)?,
        None => ctx.wallet()?.address(),
    };
    let mut value = json!({"address": to.to_string()});
    if ctx.dry_run {
        return Err(Failure::usage("a faucet has no dry run").hint("Leave out --dry-run."));
    }
    // IO first: it fails where nothing should be given at all.
    if let Some(text) = &args.io {
        if !ctx.is_local() {
            return Err(Failure::usage(format!(
                "IO is given away on local networks only, and the cluster is at {}",
                ctx.rpc.host()
            ))
            .hint("Leave out --io, or use the network of `io up` with -u localnet."));
        }
        let amount = Unit::io().parse("--io", text)?;
        let wallet = ctx.wallet()?;
        let mint = ctx.network().await?.io_mint;
        let (from, account) = (
            tokens::associated(&wallet.address(), &mint),
            tokens::associated(&to, &mint),
        );
        let held = tokens::balance(&ctx.rpc, &from).await?.unwrap_or(0);
        if held < amount {
            return Err(Failure::funds(format!(
                "the wallet {} holds {}, and {} are to be given",
                wallet.address(),
                Unit::io().show(held),
                Unit::io().show(amount)
            ))
            .hint("The wallets made by `io up` hold IO: choose one with -k."));
        }
        let give = vec![
            tokens::create_associated(&wallet.address(), &to, &mint),
            tokens::transfer(
                &mint,
                Unit::io().decimals,
                &from,
                &account,
                &wallet.address(),
                amount,
            ),
        ];
        let nonce = crate::context::random_u64()?;
        ctx.transact(format!("airdrop:{to}:{nonce}"), &wallet, &[], give)
            .await?;
        let now = tokens::balance(&ctx.rpc, &account).await?.unwrap_or(0);
        value["io"] = json!(now);
        value["io_text"] = json!(Unit::io().show(now));
    }
    let before = ctx.rpc.balance(&to).await?;
    if lamports > 0 {
        ctx.rpc.request_airdrop(&to, lamports).await.map_err(|error| {
            Failure::from(error).hint(
                "Local networks and devnet have a faucet, which gives a little at a time; on mainnet there is none.",
            )
        })?;
        let until = Instant::now() + ARRIVAL;
        while ctx.rpc.balance(&to).await? <= before {
            if Instant::now() > until {
                return Err(Failure::time_out(format!(
                    "the faucet took the request, and nothing has arrived at {to} in {} s",
                    ARRIVAL.as_secs()
                ))
                .hint("Ask for less, or again in a minute."));
            }
            sleep(LOOK).await;
        }
    }
    let now = ctx.rpc.balance(&to).await?;
    value["sol"] = json!(now);
    value["sol_text"] = json!(sol.show(now));
    let mut rows = vec![("address", to.to_string()), ("holds", sol.show(now))];
    if let Some(io) = value["io_text"].as_str() {
        rows.push(("and", io.to_owned()));
    }
    ctx.out.record(&value, &rows)
}
