use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::provider_changed,
    state::{Network, Provider, Unbonding},
    token::{self, Batch},
};

/// Accounts for staking and for withdrawing.
#[derive(Accounts)]
pub struct MoveStake<'info> {
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the provider's stake vault, a PDA checked in `validate`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: an IO token account: pays a stake, receives a withdrawal. Checked in `validate`.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl MoveStake<'_> {
    /// authority: the provider's · network: the only account of its type · provider: bound by its authority ·
    /// stake_vault: the provider's PDA · token_account: usable, of IO, not the vault (the token program checks the authority of
    /// what is paid) · token_program: by address.
    fn validate(&self) -> Result<()> {
        let provider = self.provider.load()?;
        require_keys_eq!(
            provider.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        let vault = self.stake_vault.key();
        provider.require_stake_vault(&self.provider.key(), &vault)?;
        require_keys_neq!(vault, self.token_account.key(), IoError::SameAccount);
        token::require_usable(&self.token_account, &self.network.load()?.io_mint)?;
        Ok(())
    }
}

pub fn stake(ctx: Context<MoveStake>, amount: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    a.network.load()?.require_running()?;
    require!(amount > 0, IoError::ZeroAmount);
    let mut batch = Batch::new();
    batch.transfer(&a.token_account, &a.stake_vault, &a.authority, amount);
    batch.invoke(&a.token_program, &[])?;
    let mut provider = a.provider.load_mut()?;
    provider.staked = provider.staked.checked_add(amount).or_overflow()?;
    provider.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    Ok(())
}

pub fn withdraw_stake(ctx: Context<MoveStake>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let amount = {
        let mut provider = a.provider.load_mut()?;
        let mut amount = 0u64;
        for entry in provider
            .unbonding
            .iter_mut()
            .filter(|u| u.amount > 0 && u.ready_at <= now)
        {
            amount = amount.checked_add(entry.amount).or_overflow()?;
            *entry = Unbonding::default();
        }
        require!(amount > 0, IoError::NothingMatured);
        provider.invariant()?;
        provider_changed(&a.provider.key(), &provider);
        amount
    };
    let provider = *a.provider.load()?;
    let mut batch = Batch::new();
    batch.transfer(
        &a.stake_vault,
        &a.token_account,
        a.provider.as_ref(),
        amount,
    );
    batch.invoke(
        &a.token_program,
        &[&provider.signer_seeds(&[provider.bump])],
    )
}
