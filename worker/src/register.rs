//! Registering: what a provider does once, before its worker can run. Each step looks first and does only what is missing,
//! so that all of them may be repeated.

use anyhow::{Context, Result, bail, ensure};
use io_client::{
    Pubkey, Signature, accounts,
    instructions::{self, RegisterDeviceArgs},
    io_network::state::DeviceClass,
    pda, tokens,
};

use crate::{chain::Chain, devices::Device};

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The account.
    pub address: Pubkey,
    /// The transaction, if one was needed.
    pub signature: Option<Signature>,
}

/// Creates the provider of the key that `authority` signs with. Earnings go to token accounts of `payout_owner`.
pub async fn register_provider(authority: &Chain, payout_owner: &Pubkey) -> Result<Registered> {
    let owner = authority.address();
    let address = pda::provider(&owner);
    if let Some(provider) = authority.provider(&address).await? {
        ensure!(
            provider.payout_owner == *payout_owner,
            "the provider {address} exists and pays out to {}, not to {payout_owner}: change it with `io provider payout`",
            provider.payout_owner
        );
        return Ok(Registered {
            address,
            signature: None,
        });
    }
    let instruction = instructions::register_provider(&owner, &authority.io_mint(), payout_owner);
    let landed = authority
        .send(format!("register-provider:{address}"), vec![instruction])
        .await
        .context("registering the provider failed")?;
    Ok(Registered {
        address,
        signature: Some(landed.signature),
    })
}

/// Stakes what is missing so that at least `total` IO base units are staked, from the authority's IO account.
pub async fn ensure_stake(authority: &Chain, total: u64) -> Result<Registered> {
    let owner = authority.address();
    let address = pda::provider(&owner);
    let provider = authority
        .provider(&address)
        .await?
        .with_context(|| format!("{owner} has no provider: run `io provider register` first"))?;
    let Some(missing) = total
        .checked_sub(provider.staked)
        .filter(|missing| *missing > 0)
    else {
        return Ok(Registered {
            address,
            signature: None,
        });
    };
    let account = tokens::associated(&owner, &authority.io_mint());
    let balance = tokens::balance(authority.rpc(), &account)
        .await?
        .unwrap_or(0);
    ensure!(
        balance >= missing,
        "staking needs {missing} IO base units more, and {owner}'s account {account} holds {balance}: send IO there"
    );
    let instruction = instructions::stake(&owner, &account, missing);
    // From this stake to that one: a repeated call after a crash is the same intent, a later top-up is another.
    let intent = format!(
        "stake:{address}:{}:{total}:{}",
        provider.staked, provider.slash_cases
    );
    let landed = authority
        .send(intent, vec![instruction])
        .await
        .context("staking failed")?;
    Ok(Registered {
        address,
        signature: Some(landed.signature),
    })
}

/// Binds a device to the authority's provider. `bond` is in IO base units; `None` binds the least that its class needs.
pub async fn register_device(
    authority: &Chain,
    device: &Device,
    class: u16,
    operator: &Pubkey,
    bond: Option<u64>,
) -> Result<Registered> {
    let owner = authority.address();
    let (provider_address, address) = (pda::provider(&owner), device.address());
    if let Some(existing) = authority.device(&address).await? {
        ensure!(
            existing.provider == provider_address,
            "the device {address} is registered to the provider {}: its owner must retire it first",
            existing.provider
        );
        ensure!(
            existing.operator == *operator,
            "the device {address} is run by the operator {}, not by {operator}: change it with `io device operator`",
            existing.operator
        );
        return Ok(Registered {
            address,
            signature: None,
        });
    }
    let provider = authority
        .provider(&provider_address)
        .await?
        .with_context(|| format!("{owner} has no provider: run `io provider register` first"))?;
    let class_account: Option<DeviceClass> =
        accounts::fetch_maybe(authority.rpc(), &pda::class(class)).await?;
    let Some(class_account) = class_account else {
        bail!("there is no device class {class}: see `io network classes`")
    };
    let least = io_protocol::money::minimum_bond(
        authority.network().await?.min_bond,
        class_account.multiplier_e2,
    )
    .map_err(|_| anyhow::anyhow!("the class's least bond overflows"))?;
    let bond = bond.unwrap_or(least);
    ensure!(
        bond >= least,
        "the bond is {bond}, and this class needs at least {least} IO base units"
    );
    ensure!(
        bond <= provider.free(),
        "the bond is {bond} IO base units, and {} of the stake are free: stake more first",
        provider.free()
    );
    let args = RegisterDeviceArgs {
        hardware: device.hardware,
        operator: *operator,
        bond,
    };
    let instruction = instructions::register_device(&owner, class, args);
    // A device may be retired and registered again; the provider's own counters tell the two apart.
    let intent = format!(
        "register-device:{address}:{}:{}:{}",
        provider.completed, provider.failed, provider.devices
    );
    let landed = authority
        .send(intent, vec![instruction])
        .await
        .context("registering the device failed")?;
    Ok(Registered {
        address,
        signature: Some(landed.signature),
    })
}
