use crate::prelude::*;

use crate::{
    constants::EVICT_SECONDS,
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
    /// authority: the provider's · provider: bound by its authority · device: the provider's, without unsettled jobs or
    /// a penalty due, its figures answered for.
    fn validate(&self, now: i64) -> Result<()> {
        let device = self.device.load()?;
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        require!(device.open_jobs == 0, IoError::DeviceBusy);
        device.require_paid()?;
        device.require_answered(now)
    }
}

pub fn retire_device(ctx: Context<RetireDevice>) -> Result<()> {
    let a = ctx.accounts;
    a.validate(Clock::get()?.unix_timestamp)?;
    retire(&a.provider, &a.device)
}

/// Frees a device's bond and leaves its record with the provider. The account closes with the instruction.
fn retire<'info>(
    provider_loader: &AccountLoader<'info, Provider>,
    device_loader: &AccountLoader<'info, Device>,
) -> Result<()> {
    let device = device_loader.load()?;
    let mut provider = provider_loader.load_mut()?;
    provider.release(device.bond)?;
    provider.record.change(|r| r.with(device.record.into()));
    provider.completed = provider.completed.saturating_add(device.completed);
    provider.failed = provider.failed.saturating_add(device.failed);
    provider.devices = provider.devices.checked_sub(1).or_overflow()?;
    provider.invariant()?;
    provider_changed(&provider_loader.key(), &provider);
    log_snapshot::<DeviceRetired, _>(Some(&device_loader.key()), None, &*device);
    Ok(())
}

#[derive(Accounts)]
pub struct EvictDevice<'info> {
    /// CHECK: the provider's authority, checked in `validate`. Receives the rent.
    #[account(mut)]
    pub authority: UncheckedAccount<'info>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut, close = authority)]
    pub device: AccountLoader<'info, Device>,
}

impl EvictDevice<'_> {
    /// authority: the provider's · provider: the device's · device: never attested, a day after its registration; it can have no
    /// jobs. Anybody may send it: a hardware id is not for keeping from its owner.
    fn validate(&self, now: i64) -> Result<()> {
        let device = self.device.load()?;
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::WrongAccount
        );
        require!(device.attested_at == 0, IoError::DeviceAttested);
        require!(
            now > device.since.saturating_add(EVICT_SECONDS),
            IoError::DeadlineNotPassed
        );
        require!(device.open_jobs == 0, IoError::DeviceBusy);
        Ok(())
    }
}

pub fn evict_device(ctx: Context<EvictDevice>) -> Result<()> {
    let a = ctx.accounts;
    a.validate(Clock::get()?.unix_timestamp)?;
    retire(&a.provider, &a.device)
}
