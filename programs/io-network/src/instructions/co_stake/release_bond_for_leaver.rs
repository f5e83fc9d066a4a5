use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{co_stake_changed, device_changed, provider_changed},
    state::{CoStake, Device, Provider},
};

#[derive(Accounts)]
pub struct ReleaseBondForLeaver<'info> {
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub co_stake: AccountLoader<'info, CoStake>,
}

impl ReleaseBondForLeaver<'_> {
    /// provider: the device's and the co-stake's · device: the provider's; to free something of it, bonded above its exposure and owing no
    /// penalty · co_stake: its notice is over and the rest does not cover all bonds. Anybody may send it. Returns how much is short.
    fn validate(&self, now: i64) -> Result<u64> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        let key = self.provider.key();
        require_keys_eq!(co.provider, key, IoError::WrongAccount);
        require_keys_eq!(self.device.load()?.provider, key, IoError::WrongAccount);
        co.require_notice_over(now)?;
        let rest = provider.collateral().saturating_sub(co.worth(&provider)?);
        let short = provider.committed.saturating_sub(rest);
        require!(short > 0, IoError::BondNotShort);
        Ok(short)
    }
}

/// The owner had the notice to refill. What runs stays covered: no bond falls below its device's exposure. The first call only starts the
/// day in which devices answer for what they showed before; calls on the day after that free bonds, and later ones start anew.
pub fn release_bond_for_leaver(ctx: Context<ReleaseBondForLeaver>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let short = a.validate(now)?;
    {
        let mut co = a.co_stake.load_mut()?;
        if !co.bonds_called(now) {
            co.call_bonds(now);
            co_stake_changed(&a.co_stake.key(), &co);
            return Ok(());
        }
        require!(now >= co.release_at(), IoError::StillAnswering);
    }
    let mut provider = a.provider.load_mut()?;
    let mut device = a.device.load_mut()?;
    let spare = device.bond.checked_sub(device.exposure).or_overflow()?;
    let freed = short.min(spare);
    device.require_paid()?;
    require!(freed > 0, IoError::BondBelowExposure);
    device.bond -= freed;
    provider.release(freed)?;
    provider.invariant()?;
    device.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    device_changed(&a.device.key(), &device);
    Ok(())
}
