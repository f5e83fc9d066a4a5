//! Signatures over devices' figures: only for devices that are linked here, within their class, and not beyond what this oracle has
//! measured itself ([`crate::hardware`]).

use io_api::types::{DeviceAttestRequest, DeviceAttestation, Figures};
use io_client::{
    Pubkey,
    io_network::state::{Device, DeviceClass},
};
use io_protocol::messages::{DeviceStatement, Measured};

use crate::{api::error::Refusal, link::LinkState, oracle::Oracle};

/// Oldest requests that are signed, and how far a device's clock may be ahead of the chain's, seconds. How old a measurement may be is the
/// configuration's `rounds.figures_seconds`.
const MOST_AGE: i64 = 120;
const MOST_AHEAD: i64 = 5;

/// What an oracle knows about a device whose figures it is asked to sign.
#[derive(Clone, Copy)]
struct View<'a> {
    device: &'a Device,
    class: &'a DeviceClass,
    /// Whether this oracle is in the active set.
    active: bool,
    link: Option<&'a LinkState>,
    /// What this oracle measured lately.
    figures: Option<Figures>,
    /// Heartbeats older than this are none, seconds.
    stale_seconds: u32,
    /// By the chain's clock.
    now: i64,
}

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
    let link = oracle.links.state(address);
    let view = View {
        device: &device,
        class: &class,
        active: set.position(oracle.key.as_ref()).is_some(),
        link: link.as_ref(),
        figures: oracle.hardware.figures(oracle, address),
        stale_seconds: oracle.config.stale_seconds,
        now: oracle.clock.now(),
    };
    let measured = check(&view, request)?;
    let statement = DeviceStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        device: address.to_bytes(),
        provider: device.provider.to_bytes(),
        class: device.class,
        since: device.since,
        measured_at: request.measured_at,
        measured,
    };
    tracing::info!(device = %address, class = device.class, measured_at = request.measured_at, tops_e2 = request.tops_e2, "figures signed");
    Ok(DeviceAttestation {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        device: address.to_string(),
        provider: device.provider.to_string(),
        class: device.class,
        since: device.since,
        measured_at: request.measured_at,
        signature: oracle.wallet.sign(&statement.to_bytes()).to_string(),
    })
}

/// The figures to sign, or why none are. Pure.
fn check(view: &View<'_>, request: &DeviceAttestRequest) -> Result<Measured, Refusal> {
    let View {
        device, class, now, ..
    } = *view;
    if !view.active {
        return Err(Refusal::unavailable(
            "this oracle is not in the active set: ask another",
        ));
    }
    let fresh = now.saturating_sub(MOST_AGE)..=now.saturating_add(MOST_AHEAD);
    if !fresh.contains(&request.measured_at) {
        return Err(Refusal::bad(format!(
            "measured at {}, and it is {now} by the chain's clock: figures are signed for {MOST_AGE} s",
            request.measured_at
        )));
    }
    if request.measured_at <= device.attested_at {
        return Err(Refusal::conflict(
            format!(
                "the chain has figures from {} already, these are from {}",
                device.attested_at, request.measured_at
            ),
            "measure again",
        ));
    }
    let region = match &request.region {
        None => 0,
        Some(text) => io_api::text::parse_region(text)
            .ok_or_else(|| Refusal::bad("the region is not a two-letter ISO 3166 code, like DE"))?,
    };
    let link = view.link.ok_or_else(|| {
        Refusal::conflict(
            "the device is not linked to this oracle",
            "connect its worker to /v1/link first",
        )
    })?;
    if link
        .heartbeat_at
        .is_none_or(|at| at.elapsed().as_secs() > u64::from(view.stale_seconds))
    {
        return Err(Refusal::conflict(
            "the device has sent no heartbeat lately",
            "try again in a few seconds",
        ));
    }
    let Some(figures) = view.figures else {
        return Err(Refusal::conflict(
            "this oracle has not measured the device lately, or has found its proofs wrong",
            "keep the worker linked: a device without figures is asked for a hardware proof at once",
        ));
    };
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
    if request.tops_e2 > figures.tops_e2
        || request.memory_mib > figures.memory_mib
        || request.bandwidth_mib_s > figures.bandwidth_mib_s
        || request.down_mbit > figures.down_mbit
        || request.up_mbit > figures.up_mbit
        || request.latency_ms < figures.latency_ms
    {
        return Err(Refusal::bad(format!(
            "this oracle measured {}.{:02} TOPS, {} MiB, {} MiB/s, {} Mbit/s down, {} Mbit/s up and {} ms, and signs nothing better",
            figures.tops_e2 / 100,
            figures.tops_e2 % 100,
            figures.memory_mib,
            figures.bandwidth_mib_s,
            figures.down_mbit,
            figures.up_mbit,
            figures.latency_ms
        )));
    }
    Ok(Measured {
        tops_e2: request.tops_e2,
        memory_mib: request.memory_mib,
        bandwidth_mib_s: request.bandwidth_mib_s,
        down_mbit: request.down_mbit,
        up_mbit: request.up_mbit,
        latency_ms: request.latency_ms,
        region,
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use bytemuck::Zeroable;

    use super::*;

    const FIGURES: Figures = Figures {
        measured_at: 1_900,
        tops_e2: 10,
        memory_mib: 64,
        bandwidth_mib_s: 5,
        down_mbit: 100,
        up_mbit: 50,
        latency_ms: 20,
    };

    #[test]
    fn figures_are_signed_by_an_active_oracle_for_a_device_that_beats() {
        let device = Device {
            attested_at: 1_000,
            ..Device::zeroed()
        };
        let class = DeviceClass {
            min_tops_e2: 10,
            min_memory_mib: 64,
            ..DeviceClass::zeroed()
        };
        let request = DeviceAttestRequest {
            measured_at: 2_000,
            tops_e2: 10,
            memory_mib: 64,
            bandwidth_mib_s: 5,
            down_mbit: 100,
            up_mbit: 50,
            latency_ms: 20,
            region: Some("DE".into()),
        };
        let beat = |age: u64| LinkState {
            heartbeat: None,
            heartbeat_at: Instant::now().checked_sub(Duration::from_secs(age)),
        };
        let (fresh, silent) = (beat(0), LinkState::default());
        let stale = beat(32);
        let good = View {
            device: &device,
            class: &class,
            active: true,
            link: Some(&fresh),
            figures: Some(FIGURES),
            stale_seconds: 30,
            now: 2_000,
        };
        let measured = check(&good, &request).unwrap();
        assert_eq!((measured.tops_e2, measured.region), (10, 0x4445));
        let status = |view: &View<'_>| check(view, &request).unwrap_err().status.as_u16();
        assert_eq!(
            status(&View {
                active: false,
                ..good
            }),
            503
        );
        for link in [None, Some(&silent), Some(&stale)] {
            assert_eq!(status(&View { link, ..good }), 409, "{}", link.is_some());
        }
        let newer = Device {
            attested_at: 2_000,
            ..device
        };
        assert_eq!(
            status(&View {
                device: &newer,
                ..good
            }),
            409
        );
        // Nothing beyond what was measured here, in any figure; and nothing unmeasured.
        assert_eq!(
            status(&View {
                figures: None,
                ..good
            }),
            409
        );
        for less in [
            Figures {
                tops_e2: 9,
                ..FIGURES
            },
            Figures {
                memory_mib: 63,
                ..FIGURES
            },
            Figures {
                bandwidth_mib_s: 4,
                ..FIGURES
            },
            Figures {
                down_mbit: 99,
                ..FIGURES
            },
            Figures {
                up_mbit: 49,
                ..FIGURES
            },
            Figures {
                latency_ms: 21,
                ..FIGURES
            },
        ] {
            let figures = Some(less);
            assert_eq!(status(&View { figures, ..good }), 400, "{less:?}");
        }
        // Worse than what was measured here, for another oracle's sake.
        let modest = DeviceAttestRequest {
            down_mbit: 1,
            up_mbit: 0,
            latency_ms: 300,
            ..request.clone()
        };
        let measured = check(&good, &modest).unwrap();
        assert_eq!(
            (measured.down_mbit, measured.up_mbit, measured.latency_ms),
            (1, 0, 300)
        );
        for now in [2_000 + MOST_AGE + 1, 2_000 - MOST_AHEAD - 1] {
            assert_eq!(status(&View { now, ..good }), 400, "at {now}");
        }
        for now in [2_000 + MOST_AGE, 2_000 - MOST_AHEAD] {
            assert!(check(&View { now, ..good }, &request).is_ok(), "at {now}");
        }
    }
}
