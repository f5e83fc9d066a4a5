use anchor_lang::prelude::*;
use io_protocol::messages::{epoch_end, epoch_of, DeviceStatement, Measured};

use crate::{
    attest,
    constants::MAX_ATTESTATION_EPOCHS,
    errors::IoError,
    events::device_changed,
    state::{Device, DeviceClass, Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct AttestDeviceArgs {
    /// Epoch of the measurement: the current one or the one before.
    pub epoch: u64,
    /// Int8 tera-operations a second, hundredths.
    pub tops_e2: u32,
    /// MiB.
    pub memory_mib: u32,
    /// MiB/s.
    pub bandwidth_mib_s: u32,
    /// Packed ISO 3166 code, 0 unknown.
    pub region: u16,
}

impl AttestDeviceArgs {
    fn measured(&self) -> Measured {
        Measured {
            tops_e2: self.tops_e2,
            memory_mib: self.memory_mib,
            bandwidth_mib_s: self.bandwidth_mib_s,
            region: self.region,
        }
    }
}

#[derive(Accounts)]
pub struct AttestDevice<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    pub class: AccountLoader<'info, DeviceClass>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
}

impl AttestDevice<'_> {
    /// network, oracle_set: the only accounts of their types · class: the device's · device: named by the signed statement ·
    /// instructions: by address, in `attest`. Anybody may send it: the quorum's signatures decide.
    fn validate(&self, args: &AttestDeviceArgs, now: i64) -> Result<()> {
        let device = self.device.load()?;
        let class = self.class.load()?;
        require!(class.id == device.class, IoError::WrongAccount);
        let current = epoch_of(now);
        require!(
            args.epoch <= current
                && args.epoch + MAX_ATTESTATION_EPOCHS >= current
                && args.epoch >= device.attested_epoch,
            IoError::EpochNotAcceptable
        );
        require!(
            args.tops_e2 >= class.min_tops_e2 && args.memory_mib >= class.min_memory_mib,
            IoError::RequirementNotMet
        );
        let set = self.oracle_set.load()?;
        let statement = DeviceStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            device: self.device.key().to_bytes(),
            epoch: args.epoch,
            measured: args.measured(),
        };
        attest::require_signatures(
            &self.instructions,
            &set,
            &statement.to_bytes(),
            usize::from(set.quorum),
        )?;
        Ok(())
    }
}

pub fn attest_device(ctx: Context<AttestDevice>, args: AttestDeviceArgs) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(&args, now)?;
    let mut device = a.device.load_mut()?;
    // However late or often it is delivered, a statement is no younger than its epoch.
    device.attested_at = now.min(epoch_end(args.epoch));
    device.attested_epoch = args.epoch;
    device.multiplier_e2 = a.class.load()?.multiplier_e2;
    device.tops_e2 = args.tops_e2;
    device.memory_mib = args.memory_mib;
    device.bandwidth_mib_s = args.bandwidth_mib_s;
    device.region = args.region;
    device.invariant()?;
    device_changed(&a.device.key(), &device);
    Ok(())
}
