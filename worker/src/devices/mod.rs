//! Devices: what hardware is here, who it is, how it is doing and what it measures.
//!
//! A device proves itself with what it is: the host's CPU (or a part of it), or an NVIDIA GPU. The engines of this version compute on the
//! host's CPU: a GPU takes no jobs ([`NO_ENGINE_FOR_A_GPU`]).

pub mod host;
pub mod nvidia;

use anyhow::{Result, bail};
use io_client::{Pubkey, pda};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::DeviceSelection;

/// What whoever selects a GPU is told.
pub const NO_ENGINE_FOR_A_GPU: &str = "no engine of this version computes on a GPU: it proves itself, earns rewards for being there, and takes no jobs";

/// A device found on this machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Device {
    /// What selects it in the configuration.
    pub selection: DeviceSelection,
    /// As its maker calls it.
    pub name: String,
    /// SHA-256 over what identifies the hardware. The raw identifiers never leave this machine.
    #[serde(serialize_with = "as_hex")]
    pub hardware: [u8; 32],
    /// MiB that jobs can use.
    pub memory_mib: u32,
    /// Threads that jobs can use; for a GPU its host's, which check its proofs.
    pub threads: usize,
    /// Why it can't take jobs, if it can't.
    pub unusable_because: Option<String>,
}

fn as_hex<S: serde::Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&hex::encode(bytes))
}

impl Device {
    /// The device's account.
    pub fn address(&self) -> Pubkey {
        pda::device(&self.hardware)
    }
}

/// How a device is doing. What the hardware doesn't tell is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Default)]
pub struct Sample {
    /// 0 to 1.
    pub load: f64,
    pub memory_used_mib: u32,
    /// Degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Watts.
    pub power_w: Option<f32>,
}

/// What was looked for, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub devices: Vec<Device>,
    /// In words: why there are no GPUs, for example.
    pub notes: Vec<String>,
}

/// Looks for devices. Blocks; takes milliseconds.
pub fn find() -> Result<Found> {
    let mut found = Found {
        devices: vec![host::find(0, 1)?],
        notes: Vec::new(),
    };
    match nvidia::find() {
        Ok(gpus) if gpus.is_empty() => found
            .notes
            .push("The NVIDIA driver is here and sees no GPU.".into()),
        Ok(gpus) => found.devices.extend(gpus),
        Err(reason) => found.notes.push(format!(
            "No NVIDIA GPU can be used ({reason}); the CPU is used."
        )),
    }
    Ok(found)
}

/// The device that a configuration selects.
pub fn select(selection: &DeviceSelection) -> Result<Device> {
    match *selection {
        DeviceSelection::Host { part, parts } => host::find(part, parts),
        DeviceSelection::Nvidia { index } => match nvidia::find() {
            Err(reason) => bail!(
                "device selects NVIDIA GPU {index}, but {reason}; select {{\"kind\":\"host\"}}"
            ),
            // One that does not answer is left out: no other takes its place.
            Ok(gpus) => match gpus.into_iter().find(|gpu| gpu.selection == *selection) {
                None => bail!(
                    "device selects NVIDIA GPU {index}, which isn't here or doesn't answer; see `io device find`"
                ),
                Some(gpu) => match gpu.unusable_because {
                    Some(reason) => bail!("device selects {}, but {reason}", gpu.name),
                    None => Ok(gpu),
                },
            },
        },
    }
}

/// Hashes what identifies hardware. Parts are separated by their lengths, so that no two lists look alike.
fn hardware_id(kind: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut id = Sha256::new()
        .chain_update(b"io/hardware/1")
        .chain_update((kind.len() as u64).to_le_bytes())
        .chain_update(kind);
    for part in parts {
        id.update((part.len() as u64).to_le_bytes());
        id.update(part);
    }
    id.finalize().into()
}

/// Takes samples of one device; keeps what differences are taken from.
pub enum Sampler {
    Host(host::Sampler),
    Nvidia(Box<nvidia::Sampler>),
}

impl Sampler {
    pub fn new(device: &Device) -> Self {
        match device.selection {
            DeviceSelection::Host { parts, .. } => Self::Host(host::Sampler::new(parts)),
            DeviceSelection::Nvidia { index } => {
                Self::Nvidia(Box::new(nvidia::Sampler::new(index)))
            }
        }
    }

    /// The state since the last call. Reads a few small files; call it from a thread that may block.
    pub fn sample(&mut self) -> Sample {
        match self {
            Self::Host(sampler) => sampler.sample(),
            Self::Nvidia(sampler) => sampler.sample(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn this_machine_has_a_cpu_and_its_identity_is_stable() {
        let first = find().unwrap();
        let again = find().unwrap();
        assert_eq!(first.devices, again.devices);
        let cpu = &first.devices[0];
        assert_eq!(cpu.selection, DeviceSelection::default());
        assert!(
            cpu.memory_mib >= 64 && cpu.threads >= 1 && !cpu.name.is_empty(),
            "{cpu:?}"
        );
        assert_eq!(select(&cpu.selection).unwrap(), *cpu);
        // A GPU is either found or its absence explained.
        assert!(first.devices.len() > 1 || !first.notes.is_empty());
    }

    #[test]
    fn the_machines_own_id_does_not_leave() {
        let Ok(raw) = std::fs::read_to_string("/etc/machine-id") else {
            return;
        };
        let shown = serde_json::to_string(&find().unwrap()).unwrap();
        assert!(
            !shown.contains(raw.trim()),
            "the raw machine id is in {shown}"
        );
    }

    #[test]
    fn parts_of_a_host_are_devices_of_their_own_with_their_share() {
        let whole = select(&DeviceSelection::Host { part: 0, parts: 1 }).unwrap();
        let halves: Vec<_> = (0..2)
            .map(|part| select(&DeviceSelection::Host { part, parts: 2 }).unwrap())
            .collect();
        let addresses: HashSet<_> = [&whole, &halves[0], &halves[1]]
            .into_iter()
            .map(Device::address)
            .collect();
        assert_eq!(addresses.len(), 3);
        assert_eq!(halves[0].memory_mib, whole.memory_mib / 2);
        assert!(halves[0].threads >= 1 && halves[0].threads <= whole.threads);
    }

    #[test]
    fn hardware_ids_keep_their_parts_apart() {
        let ids = [
            hardware_id("host", &[b"ab", b"c"]),
            hardware_id("host", &[b"a", b"bc"]),
            hardware_id("host", &[b"abc"]),
            hardware_id("gpu", &[b"abc"]),
        ];
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }

    #[test]
    fn a_gpu_that_is_not_here_is_refused_with_what_to_do() {
        let error = select(&DeviceSelection::Nvidia { index: 63 })
            .unwrap_err()
            .to_string();
        assert!(error.contains("63"), "{error}");
    }

    #[test]
    fn samples_of_the_host_make_sense() {
        let device = select(&DeviceSelection::default()).unwrap();
        let mut sampler = Sampler::new(&device);
        for _ in 0..2 {
            let sample = sampler.sample();
            assert!((0.0..=1.0).contains(&sample.load), "{sample:?}");
            assert!(sample.memory_used_mib > 0);
            assert!(
                sample
                    .temperature_c
                    .is_none_or(|t| (-50.0..150.0).contains(&t))
            );
            assert!(sample.power_w.is_none_or(|w| (0.0..10_000.0).contains(&w)));
        }
    }
}
