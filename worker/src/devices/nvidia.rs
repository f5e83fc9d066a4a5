//! NVIDIA GPUs, through the driver's own library, which is loaded only when it is there.

use nvml_wrapper::{Nvml, enum_wrappers::device::TemperatureSensor, error::NvmlError};

use super::{Device, Sample, hardware_id};
use crate::config::DeviceSelection;

/// GPUs of one machine that are looked at.
const MAX_GPUS: u32 = 64;

/// Every GPU that the driver shows. The error says, in words, why none can be asked for.
pub fn find() -> Result<Vec<Device>, String> {
    let nvml = Nvml::init().map_err(|error| match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "the NVIDIA driver isn't installed".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is installed and not loaded".to_owned(),
        other => format!("the NVIDIA driver says: {other}"),
    })?;
    let count = nvml
        .device_count()
        .map_err(|e| format!("the NVIDIA driver doesn't say how many GPUs there are: {e}"))?;
    let mut devices = Vec::new();
    for index in 0..count.min(MAX_GPUS) {
        match describe(&nvml, index) {
            Ok(device) => devices.push(device),
            // One broken GPU hides no other.
            Err(error) => tracing::warn!(index, %error, "an NVIDIA GPU doesn't answer"),
        }
    }
    Ok(devices)
}

/// A GPU's hardware id, of its UUID.
pub fn hardware(uuid: &str) -> [u8; 32] {
    hardware_id("nvidia", &[uuid.as_bytes()])
}

fn describe(nvml: &Nvml, index: u32) -> Result<Device, NvmlError> {
    let gpu = nvml.device_by_index(index)?;
    let memory = gpu.memory_info()?;
    let capability = gpu.cuda_compute_capability()?;
    Ok(Device {
        selection: DeviceSelection::Nvidia { index },
        name: gpu.name()?,
        hardware: hardware(&gpu.uuid()?),
        memory_mib: u32::try_from(memory.total / (1024 * 1024)).unwrap_or(u32::MAX),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        unusable_because: io_prover::cuda::target((capability.major, capability.minor))
            .err()
            .map(|error| error.to_string()),
    })
}

pub struct Sampler {
    nvml: Option<Nvml>,
    index: u32,
}

impl Sampler {
    pub fn new(index: u32) -> Self {
        Self {
            nvml: Nvml::init().ok(),
            index,
        }
    }

    pub fn sample(&mut self) -> Sample {
        let Some(gpu) = self
            .nvml
            .as_ref()
            .and_then(|nvml| nvml.device_by_index(self.index).ok())
        else {
            return Sample::default();
        };
        Sample {
            load: gpu
                .utilization_rates()
                .map_or(0.0, |rates| f64::from(rates.gpu.min(100)) / 100.0),
            memory_used_mib: gpu.memory_info().map_or(0, |memory| {
                u32::try_from(memory.used / (1024 * 1024)).unwrap_or(u32::MAX)
            }),
            temperature_c: gpu
                .temperature(TemperatureSensor::Gpu)
                .ok()
                .map(|degrees| degrees as f32),
            power_w: gpu
                .power_usage()
                .ok()
                .map(|milliwatts| milliwatts as f32 / 1_000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_machine_without_a_driver_says_so() {
        match super::find() {
            Ok(gpus) => assert!(
                gpus.iter()
                    .all(|gpu| gpu.memory_mib > 0 && gpu.threads > 0 && !gpu.name.is_empty())
            ),
            Err(reason) => assert!(reason.contains("NVIDIA"), "{reason}"),
        }
    }
}
