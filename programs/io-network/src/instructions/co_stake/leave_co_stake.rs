use crate::prelude::*;

use crate::{
    errors::IoError,
    events::co_stake_changed,
    state::{CoStake, Network, Provider},
};

#[derive(Accounts)]
pub struct LeaveCoStake<'info> {
    /// The co-staker; or the provider's authority, which needs its co-stakers gone to leave itself.
    pub signer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub co_stake: AccountLoader<'info, CoStake>,
}

impl LeaveCoStake<'_> {
    /// signer: the co-staker or the provider's authority · network: the only account of its type · provider: the co-stake's ·
    /// co_stake: stays until now; a notice that runs can be neither repeated nor taken back.
    fn validate(&self) -> Result<()> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        require_keys_eq!(co.provider, self.provider.key(), IoError::WrongAccount);
        let signer = self.signer.key();
        require!(
            signer == co.co_staker || signer == provider.authority,
            IoError::NotCoStaker
        );
        require!(co.notice_until == 0, IoError::AlreadyLeaving);
        Ok(())
    }
}

/// Gives notice. The shares stay at risk, and earn, until it is over.
pub fn leave_co_stake(ctx: Context<LeaveCoStake>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let notice = i64::from(a.network.load()?.co_notice_seconds);
    let mut co = a.co_stake.load_mut()?;
    co.notice_until = Clock::get()?.unix_timestamp.saturating_add(notice);
    co.invariant(&*a.provider.load()?)?;
    co_stake_changed(&a.co_stake.key(), &co);
    Ok(())
}
