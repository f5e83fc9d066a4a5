use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{co_stake_changed, provider_changed},
    state::{CoStake, Network, Provider},
};

#[derive(Accounts)]
pub struct StartCoUnbond<'info> {
    /// Anybody; only the co-staker while a case with a part of the pool is undecided.
    pub signer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub co_stake: AccountLoader<'info, CoStake>,
}

impl StartCoUnbond<'_> {
    /// signer: see there · network: the only account of its type · provider: the co-stake's · co_stake: its notice is over, and it
    /// is in the pool.
    fn validate(&self, now: i64) -> Result<()> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        require_keys_eq!(co.provider, self.provider.key(), IoError::WrongAccount);
        co.require_notice_over(now)?;
        // What an undecided case took may come back to the pool: who leaves before forgoes that, by its own choice only.
        require!(
            provider.co_disputed == 0 || self.signer.key() == co.co_staker,
            IoError::CaseUndecided
        );
        Ok(())
    }
}

/// Fixes what the shares are worth now. It is at risk no more, and can be withdrawn after the unbonding time.
pub fn start_co_unbond(ctx: Context<StartCoUnbond>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let mut provider = a.provider.load_mut()?;
    let mut co = a.co_stake.load_mut()?;
    co.settle(&provider)?;
    let (worth, shares) = (co.worth(&provider)?, co.shares()?);
    provider.co_assets = provider.co_assets.checked_sub(worth).or_overflow()?;
    provider.co_shares = provider.co_shares.checked_sub(shares).or_overflow()?;
    provider.co_earning = provider.co_earning.checked_sub(co.earning).or_overflow()?;
    require!(
        provider.committed <= provider.collateral(),
        IoError::StakeNotFree
    );
    co.earning = 0;
    co.pending = 0;
    co.unbonding = worth;
    co.ready_at = now.saturating_add(i64::from(a.network.load()?.unbond_seconds));
    co.invariant(&provider)?;
    provider.invariant()?;
    co_stake_changed(&a.co_stake.key(), &co);
    provider_changed(&a.provider.key(), &provider);
    Ok(())
}
