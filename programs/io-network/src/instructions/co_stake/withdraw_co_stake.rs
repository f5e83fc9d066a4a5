use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, provider_changed, CoStakeClosed},
    state::{CoStake, Network, Provider},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct WithdrawCoStake<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the co-stake's owner, checked in `validate`. Receives the rent.
    #[account(mut)]
    pub co_staker: UncheckedAccount<'info>,
    #[account(mut, close = co_staker)]
    pub co_stake: AccountLoader<'info, CoStake>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: the provider's stake vault, where commission goes; a PDA checked in `validate`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: a usable IO token account that the co-staker owns, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl WithdrawCoStake<'_> {
    /// network: the only account of its type · provider: the co-stake's · co_staker: the co-stake's · co_stake: out of the pool,
    /// its time is over · co_vault, stake_vault: the provider's PDAs · destination: usable, of IO, the co-staker's ·
    /// token_program: by address. Anybody may send it: it can only go to its owner.
    fn validate(&self, now: i64) -> Result<()> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        let key = self.provider.key();
        require_keys_eq!(co.provider, key, IoError::WrongAccount);
        require_keys_eq!(co.co_staker, self.co_staker.key(), IoError::WrongAccount);
        require!(
            co.ready_at != 0 && co.ready_at <= now,
            IoError::NothingMatured
        );
        provider.require_co_vault(&key, self.co_vault.key)?;
        provider.require_stake_vault(&key, self.stake_vault.key)?;
        let paid_to = token::require_usable(&self.destination, &self.network.load()?.io_mint)?;
        require_keys_eq!(paid_to.owner, co.co_staker, IoError::WrongOwner);
        Ok(())
    }
}

/// Pays everything out, earned rewards too, and closes the account.
pub fn withdraw_co_stake(ctx: Context<WithdrawCoStake>) -> Result<()> {
    let a = ctx.accounts;
    a.validate(Clock::get()?.unix_timestamp)?;
    let mut co = *a.co_stake.load()?;
    // What its last event told is what is closed.
    log_snapshot::<CoStakeClosed, _>(Some(&a.co_stake.key()), None, &co);
    let (own, commission) = {
        let mut provider = a.provider.load_mut()?;
        let (earned, commission) = co.take_rewards(&mut provider)?;
        provider.co_stakers = provider.co_stakers.checked_sub(1).or_overflow()?;
        provider.invariant()?;
        provider_changed(&a.provider.key(), &provider);
        (co.unbonding.checked_add(earned).or_overflow()?, commission)
    };
    let provider = *a.provider.load()?;
    let mut batch = Batch::new();
    batch.transfer(&a.co_vault, &a.destination, a.provider.as_ref(), own);
    batch.transfer(&a.co_vault, &a.stake_vault, a.provider.as_ref(), commission);
    batch.invoke(
        &a.token_program,
        &[&provider.signer_seeds(&[provider.bump])],
    )
}
