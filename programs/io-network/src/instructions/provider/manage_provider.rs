use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::provider_changed,
    state::{Network, Provider, Unbonding},
};

/// Accounts of the provider's own instructions that move no tokens.
#[derive(Accounts)]
pub struct ManageProvider<'info> {
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
}

impl ManageProvider<'_> {
    /// authority: the provider's · network: the only account of its type, read for the unbonding time · provider: any of
    /// its type, bound by its authority.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        Ok(())
    }
}

pub fn set_payout_owner(ctx: Context<ManageProvider>, payout_owner: Pubkey) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    require_keys_neq!(payout_owner, Pubkey::default(), IoError::WrongAccount);
    let mut provider = a.provider.load_mut()?;
    provider.payout_owner = payout_owner;
    provider.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    Ok(())
}

pub fn request_unstake(ctx: Context<ManageProvider>, amount: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    require!(amount > 0, IoError::ZeroAmount);
    let ready_at = Clock::get()?.unix_timestamp + i64::from(a.network.load()?.unbond_seconds);
    let mut provider = a.provider.load_mut()?;
    require!(amount <= provider.unstakeable(), IoError::StakeNotFree);
    let entry = provider.unbonding.iter_mut().find(|u| u.amount == 0);
    *entry.ok_or_else(|| error!(IoError::TooManyUnbonding))? = Unbonding { amount, ready_at };
    provider.staked = provider.staked.checked_sub(amount).or_overflow()?;
    provider.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    Ok(())
}
