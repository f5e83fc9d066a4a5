//! Signatures over devices' measured figures: only for devices that are linked here, within their class, and not beyond
//! what the link shows.

use io_api::types::{DeviceAttestRequest, DeviceAttestation};
use io_client::Pubkey;
use io_protocol::messages::{DeviceStatement, Measured, epoch_of};

use crate::{api::error::Refusal, oracle::Oracle};

/// Figures beyond these are a mistake whatever the device: int8 TOPS in hundredths, MiB, MiB/s.
const MOST_TOPS_E2: u32 = 2_000_000;
const MOST_MEMORY_MIB: u32 = 16 * 1024 * 1024;
const MOST_BANDWIDTH_MIB_S: u32 = 64 * 1024 * 1024;

/// Signs a device's figures, or says why not. The caller has checked that the operator asks.
pub fn device(
    oracle: &Oracle,
    address: &Pubkey,
    request: &DeviceAttestRequest,
) -> Result<DeviceAttestation, Refusal> {
    let (device, class, set) = {
        let tables = oracle.index.read();
        let device = tables
            .devices
            .get(address)
            .copied()
            .ok_or_else(|| Refusal::not_found(format!("no device at {address}")))?;
        let class = tables.class_of(&device).copied();
        (device, class, tables.set)
    };
    let class =
        class.ok_or_else(|| Refusal::unavailable("the device's class is not indexed yet"))?;
    let set = set.ok_or_else(|| Refusal::unavailable("the oracle set is not indexed yet"))?;
    if set.position(oracle.key.as_ref()).is_none() {
        return Err(Refusal::unavailable(
            "this oracle is not in the active set: ask another",
        ));
    }
    let now = epoch_of(oracle.clock.now());
    if request.epoch != now && request.epoch + 1 != now {
        return Err(Refusal::bad(format!(
            "epoch {} is not the current one ({now}) nor the one before",
            request.epoch
        )));
    }
    let region = match &request.region {
        None => 0,
        Some(text) => io_api::text::parse_region(text)
            .ok_or_else(|| Refusal::bad("the region is not a two-letter ISO 3166 code, like DE"))?,
    };
    let link = oracle.links.state(address).ok_or_else(|| {
        Refusal::conflict(
            "the device is not linked to this oracle",
            "connect its worker to /v1/link first",
        )
    })?;
    if link
        .heartbeat_at
        .is_none_or(|at| at.elapsed().as_secs() > u64::from(oracle.config.stale_seconds))
    {
        return Err(Refusal::conflict(
            "the device has sent no heartbeat lately",
            "try again in a few seconds",
        ));
    }
    if request.tops_e2 < class.min_tops_e2 || request.memory_mib < class.min_memory_mib {
        return Err(Refusal::bad(format!(
            "{}.{:02} TOPS and {} MiB are below the class's least, {}.{:02} TOPS and {} MiB",
            request.tops_e2 / 100,
            request.tops_e2 % 100,
            request.memory_mib,
            class.min_tops_e2 / 100,
            class.min_tops_e2 % 100,
            class.min_memory_mib
        )));
    }
    if request.tops_e2 > MOST_TOPS_E2
        || request.memory_mib > MOST_MEMORY_MIB
        || request.bandwidth_mib_s > MOST_BANDWIDTH_MIB_S
    {
        return Err(Refusal::bad("the figures are beyond any device's"));
    }
    let used = link
        .heartbeat
        .map_or(0, |heartbeat| heartbeat.memory_used_mib);
    if used > request.memory_mib {
        return Err(Refusal::bad(format!(
            "the device uses {used} MiB by its heartbeat, and claims to have {}",
            request.memory_mib
        )));
    }
    let statement = DeviceStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        device: address.to_bytes(),
        epoch: request.epoch,
        measured: Measured {
            tops_e2: request.tops_e2,
            memory_mib: request.memory_mib,
            bandwidth_mib_s: request.bandwidth_mib_s,
            region,
        },
    };
    tracing::info!(device = %address, class = device.class, epoch = request.epoch, tops_e2 = request.tops_e2, "figures signed");
    Ok(DeviceAttestation {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        device: address.to_string(),
        epoch: request.epoch,
        signature: oracle.wallet.sign(&statement.to_bytes()).to_string(),
    })
}
