use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::{IoError, MoneyResult},
    events::{device_changed, provider_changed},
    seeds,
    state::{Device, DeviceClass, Network, Provider},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct RegisterDeviceArgs {
    /// SHA-256 of the hardware id.
    pub hardware: [u8; 32],
    /// Hot key of the device.
    pub operator: Pubkey,
    /// Stake to bind, IO base units; at least the class's minimum.
    pub bond: u64,
}

#[derive(Accounts)]
#[instruction(args: RegisterDeviceArgs)]
pub struct RegisterDevice<'info> {
    #[account(mut)]
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    pub class: AccountLoader<'info, DeviceClass>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::DEVICE, args.hardware.as_ref()], bump)]
    pub device: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl RegisterDevice<'_> {
    /// authority: the provider's · network: the only account of its type · provider: bound by its authority · class: any of
    /// its type, the provider's claim, which attestation checks · device: created here at its PDA · system_program: by type.
    fn validate(&self, args: &RegisterDeviceArgs) -> Result<()> {
        self.network.load()?.require_running()?;
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        require_keys_neq!(args.operator, Pubkey::default(), IoError::WrongAccount);
        Ok(())
    }
}

pub fn register_device(ctx: Context<RegisterDevice>, args: RegisterDeviceArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&args)?;
    let class = a.class.load()?;
    let seeds: &[&[u8]] = &[seeds::DEVICE, &args.hardware, &[ctx.bumps.device]];
    let mut device =
        Creator::new(&a.authority, &a.system_program)?.create::<Device>(&a.device, seeds)?;
    device.provider = a.provider.key();
    device.operator = args.operator;
    device.hardware = args.hardware;
    device.class = class.id;
    device.multiplier_e2 = class.multiplier_e2;
    device.since = Clock::get()?.unix_timestamp;
    device.bump = ctx.bumps.device;
    device.version = VERSION;
    device.bond = args.bond;
    require!(
        device.is_bonded(a.network.load()?.min_bond)?,
        IoError::BondTooSmall
    );

    let mut provider = a.provider.load_mut()?;
    provider.commit(args.bond)?;
    provider.devices = provider.devices.checked_add(1).or_overflow()?;
    provider.invariant()?;
    device.invariant()?;
    provider_changed(&a.provider.key(), &provider);
    device_changed(&a.device.key(), &device);
    Ok(())
}
