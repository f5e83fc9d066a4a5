use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{device_changed, provider_changed},
    state::{Device, DeviceState, Network, Provider},
};

/// Accounts of the provider's instructions about one device.
#[derive(Accounts)]
pub struct ManageDevice<'info> {
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
}

impl ManageDevice<'_> {
    /// authority: the provider's · network: the only account of its type · provider: bound by its authority · device: the
    /// provider's.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        require_keys_eq!(
            self.device.load()?.provider,
            self.provider.key(),
            IoError::WrongAccount
        );
        Ok(())
    }
}

pub fn set_device_bond(ctx: Context<ManageDevice>, bond: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let mut provider = a.provider.load_mut()?;
    let mut device = a.device.load_mut()?;
    // Stake may leave a device that no longer works, down to its exposure, once it has answered for its figures and owes nothing; raising
    // needs no minimum either: a penalised device may come back in steps. Accepting a job checks the minimum.
    require!(bond >= device.exposure, IoError::BondBelowExposure);
    if bond < device.bond {
        device.require_paid()?;
        device.require_answered(Clock::get()?.unix_timestamp)?;
    }
    provider.release(device.bond)?;
    provider.commit(bond)?;
    device.bond = bond;
    provider.invariant()?;
    device.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    device_changed(&a.device.key(), &device);
    Ok(())
}

pub fn set_device_operator(ctx: Context<ManageDevice>, operator: Pubkey) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    require_keys_neq!(operator, Pubkey::default(), IoError::WrongAccount);
    let mut device = a.device.load_mut()?;
    device.change_operator(operator, Clock::get()?.unix_timestamp)?;
    device.invariant()?;
    device_changed(&a.device.key(), &device);
    Ok(())
}

#[derive(Accounts)]
pub struct SetDeviceDraining<'info> {
    pub signer: Signer<'info>,
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
}

impl SetDeviceDraining<'_> {
    /// signer: the provider's authority or the device's operator · provider: the device's · device: any of its type, bound by
    /// its signer.
    fn validate(&self) -> Result<()> {
        let device = self.device.load()?;
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        let signer = self.signer.key();
        let allowed = signer == device.operator || signer == self.provider.load()?.authority;
        require!(allowed, IoError::NotOperator);
        Ok(())
    }
}

pub fn set_device_draining(ctx: Context<SetDeviceDraining>, draining: bool) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let mut device = a.device.load_mut()?;
    device.state = if draining {
        DeviceState::Draining
    } else {
        DeviceState::Active
    } as u8;
    device.invariant()?;
    device_changed(&a.device.key(), &device);
    Ok(())
}
