use crate::prelude::*;
use io_protocol::messages::{DeviceStatement, Measured};

use crate::{
    attest,
    constants::MAX_MEASUREMENT_AGE,
    errors::IoError,
    events::device_changed,
    state::{Device, DeviceClass, Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct AttestDeviceArgs {
    /// When the figures were measured, Unix seconds: at most an hour ago, later than the figures on record.
    pub measured_at: i64,
    /// Int8 tera-operations a second, hundredths.
    pub tops_e2: u32,
    /// MiB.
    pub memory_mib: u32,
    /// MiB/s.
    pub bandwidth_mib_s: u32,
    /// Mbit/s of its link to the worst of the signing oracles, each way.
    pub down_mbit: u32,
    pub up_mbit: u32,
    /// Longest round trip to a signing oracle, milliseconds.
    pub latency_ms: u16,
    /// Packed ISO 3166 code, 0 unknown.
    pub region: u16,
}

impl AttestDeviceArgs {
    fn measured(&self) -> Measured {
        Measured {
            tops_e2: self.tops_e2,
            memory_mib: self.memory_mib,
            bandwidth_mib_s: self.bandwidth_mib_s,
            down_mbit: self.down_mbit,
            up_mbit: self.up_mbit,
            latency_ms: self.latency_ms,
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
    /// network, oracle_set: the only accounts of their types · class: the device's · device: named by the signed statement,
    /// with its provider, class and time of registration ·
    /// instructions: by address, in `attest`. Anybody may send it: the quorum's signatures decide.
    fn validate(&self, args: &AttestDeviceArgs, now: i64) -> Result<()> {
        let device = self.device.load()?;
        let class = self.class.load()?;
        require!(class.id == device.class, IoError::WrongAccount);
        require!(
            args.measured_at <= now
                && args.measured_at.saturating_add(MAX_MEASUREMENT_AGE) >= now
                && args.measured_at > device.attested_at,
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
            provider: device.provider.to_bytes(),
            class: device.class,
            since: device.since,
            measured_at: args.measured_at,
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
    // However late it is delivered, an attestation is as old as its measurement.
    device.attested_at = args.measured_at;
    device.multiplier_e2 = a.class.load()?.multiplier_e2;
    device.tops_e2 = args.tops_e2;
    device.memory_mib = args.memory_mib;
    device.bandwidth_mib_s = args.bandwidth_mib_s;
    device.down_mbit = args.down_mbit;
    device.up_mbit = args.up_mbit;
    device.latency_ms = args.latency_ms;
    device.region = args.region;
    device.invariant()?;
    device_changed(&a.device.key(), &device);
    Ok(())
}
