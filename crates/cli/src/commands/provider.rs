//! `io provider`.

use clap::Subcommand;
use io_client::{
    Pubkey, accounts, instructions,
    io_network::state::{Device, Provider},
    pda,
};
use serde_json::{Map, Value, json};

use crate::{
    amount::Unit,
    context::{Context, address, put_amount},
    failure::{Failure, Result},
};

#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
    /// Register the wallet as a provider.
    Register {
        /// Owner of the token accounts that earnings go to; the wallet itself when absent.
        #[arg(long, value_name = "ADDRESS")]
        payout: Option<String>,
    },
    /// A provider's registration: the wallet's own, or another's.
    Show {
        /// The provider's authority or account.
        address: Option<String>,
    },
    /// Change who owns the accounts that earnings go to. Jobs already accepted keep theirs.
    Payout {
        /// The new owner.
        owner: String,
    },
}

/// The wallet must be the authority of the provider that owns a device.
pub fn must_own(wallet: &io_client::Wallet, account: &Pubkey, device: &Device) -> Result<()> {
    if device.provider == pda::provider(&wallet.address()) {
        return Ok(());
    }
    Err(Failure::wallet(format!(
        "the device {account} is of the provider {}, whose authority the wallet {} is not",
        device.provider,
        wallet.address()
    ))
    .hint("Sign with the provider's authority: -k FILE. `io provider show PROVIDER` names it."))
}

/// The provider that `text` means: an authority, a provider account, or the wallet's own when absent.
pub async fn find(ctx: &Context, text: Option<&str>) -> Result<(Pubkey, Provider)> {
    let (given, own) = match text {
        Some(text) => (address("ADDRESS", text)?, false),
        None => (ctx.wallet()?.address(), true),
    };
    let derived = pda::provider(&given);
    if let Some(provider) = accounts::fetch_maybe::<Provider>(&ctx.rpc, &derived).await? {
        return Ok((derived, provider));
    }
    if !own && let Ok(Some(provider)) = accounts::fetch_maybe::<Provider>(&ctx.rpc, &given).await {
        return Ok((given, provider));
    }
    Err(Failure::not_found(format!(
        "{given} is no provider on the cluster at {}",
        ctx.rpc.host()
    ))
    .hint("Register with `io provider register`, or check -k and -u."))
}

pub fn provider_json(account: &Pubkey, provider: &Provider) -> Map<String, Value> {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("provider".into(), json!(account.to_string()));
    object.insert("authority".into(), json!(provider.authority.to_string()));
    object.insert(
        "payout_owner".into(),
        json!(provider.payout_owner.to_string()),
    );
    put_amount(&mut object, "staked", provider.staked, &io);
    put_amount(&mut object, "committed", provider.committed, &io);
    put_amount(&mut object, "free", provider.free(), &io);
    object.insert("devices".into(), json!(provider.devices));
    object.insert("completed".into(), json!(provider.completed));
    object.insert("failed".into(), json!(provider.failed));
    object.insert("slash_cases".into(), json!(provider.slash_cases));
    object.insert("since".into(), json!(provider.since));
    object
}

pub async fn run(command: &ProviderCommand, ctx: &Context) -> Result<()> {
    match command {
        ProviderCommand::Register { payout } => {
            let wallet = ctx.wallet()?;
            let owner = match payout {
                Some(text) => address("--payout", text)?,
                None => wallet.address(),
            };
            let network = ctx.network().await?;
            let account = pda::provider(&wallet.address());
            if accounts::fetch_maybe::<Provider>(&ctx.rpc, &account)
                .await?
                .is_some()
            {
                return Err(Failure::failed(format!("{} is a provider already", wallet.address()))
                    .hint("`io provider show` shows it; `io provider payout` changes where earnings go."));
            }
            let instruction =
                instructions::register_provider(&wallet.address(), &network.io_mint, &owner);
            let done = ctx
                .transact(
                    format!("register-provider:{account}"),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let fields = json!({
                "provider": account.to_string(), "authority": wallet.address().to_string(), "payout_owner": owner.to_string(),
            });
            ctx.report(&done, "registered; next: io stake add AMOUNT", fields)
                .await
        }
        ProviderCommand::Show { address } => {
            let (account, provider) = find(ctx, address.as_deref()).await?;
            super::job::show::show(ctx, &Value::Object(provider_json(&account, &provider)))
        }
        ProviderCommand::Payout { owner } => {
            let wallet = ctx.wallet()?;
            let owner = address("OWNER", owner)?;
            if owner == Pubkey::default() {
                return Err(Failure::usage(format!(
                    "OWNER is {owner}, whose accounts nobody can use"
                ))
                .hint("Name the address of a wallet."));
            }
            let (account, _) = find(ctx, None).await?;
            ctx.confirm(&format!(
                "Send the earnings of jobs accepted from now on to accounts of {owner}?"
            ))?;
            let instruction = instructions::set_payout_owner(&wallet.address(), &owner);
            let intent = format!("payout:{account}:{}", crate::context::random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let fields =
                json!({"provider": account.to_string(), "payout_owner": owner.to_string()});
            ctx.report(&done, "changed", fields).await
        }
    }
}
