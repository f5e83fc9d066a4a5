use anchor_lang::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, provider_changed, DeviceRetired},
    state::{Device, Provider},
};

#[derive(Accounts)]
pub struct RetireDevice<'info> {
    /// Receives the rent.
    #[account(mut)]
    pub authority: Signer<'info>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut, close = authority)]
    pub device: AccountLoader<'info, Device>,
}

impl RetireDevice<'_> {
    /// authority: the provider's · provider: bound by its authority · device: the provider's, without unsettled jobs.
    fn validate(&self) -> Result<()> {
        let device = self.device.load()?;
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        require!(device.open_jobs == 0, IoError::DeviceBusy);
        Ok(())
    }
}

pub fn retire_device(ctx: Context<RetireDevice>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let device = a.device.load()?;
    let mut provider = a.provider.load_mut()?;
    provider.release(device.bond)?;
    provider.completed = provider.completed.saturating_add(device.completed);
    provider.failed = provider.failed.saturating_add(device.failed);
    provider.devices = provider.devices.checked_sub(1).or_overflow()?;
    provider.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    log_snapshot::<DeviceRetired, _>(Some(&a.device.key()), None, &*device);
    Ok(())
}
