use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{co_stake_changed, provider_changed},
    state::{CoStake, Provider},
};

#[derive(Accounts)]
pub struct ActivateCoStake<'info> {
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub co_stake: AccountLoader<'info, CoStake>,
}

impl ActivateCoStake<'_> {
    /// provider: the co-stake's · co_stake: with shares that don't earn yet, whose past is paid for. Anybody may send it.
    fn validate(&self) -> Result<()> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        require_keys_eq!(co.provider, self.provider.key(), IoError::WrongAccount);
        require!(co.pending > 0, IoError::NothingOwed);
        require!(
            provider.claimed_until >= co.joined_at,
            IoError::NotEarningYet
        );
        Ok(())
    }
}

/// From now on all its shares earn.
pub fn activate_co_stake(ctx: Context<ActivateCoStake>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let mut provider = a.provider.load_mut()?;
    let mut co = a.co_stake.load_mut()?;
    co.settle(&provider)?;
    let pending = core::mem::take(&mut co.pending);
    co.earning = co.earning.checked_add(pending).or_overflow()?;
    provider.co_earning = provider.co_earning.checked_add(pending).or_overflow()?;
    co.invariant(&provider)?;
    provider.invariant()?;
    co_stake_changed(&a.co_stake.key(), &co);
    provider_changed(&a.provider.key(), &provider);
    Ok(())
}
