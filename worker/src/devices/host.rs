//! The host's CPU and memory.

use std::{fs, path::PathBuf, time::Instant};

use anyhow::{Context, Result};

use super::{Device, Sample, hardware_id};
use crate::config::DeviceSelection;

/// Files of the kernel that are read here are small; more than this isn't read.
const MAX_PROC_BYTES: usize = 1 << 20;
/// Share of the host's memory that jobs can use, percent: the rest is the system's.
const USABLE_PERCENT: u64 = 90;
/// Sensor chips looked at, and sensors of each.
const MAX_CHIPS: usize = 64;
/// Sensors of CPUs by the kernel's driver name.
const CPU_SENSORS: [&str; 5] = [
    "k10temp",
    "coretemp",
    "zenpower",
    "cpu_thermal",
    "cpu-thermal",
];

/// Describes the host, or one of `parts` equal parts of it.
pub fn find(part: u16, parts: u16) -> Result<Device> {
    let cpu = CpuInfo::read()?;
    let total_kib =
        memory_kib("MemTotal:").context("/proc/meminfo doesn't say how much memory there is")?;
    // systemd's id, stable over reboots; the D-Bus file is the same on systems without systemd.
    let machine = ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()))
        .context("this machine has no /etc/machine-id: make one with `systemd-machine-id-setup`, so that the device keeps its identity")?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = u64::from(parts.max(1));
    let mut id = vec![
        machine.as_bytes(),
        cpu.vendor.as_bytes(),
        cpu.family.as_bytes(),
        cpu.model.as_bytes(),
        cpu.name.as_bytes(),
    ];
    let which = [part.to_le_bytes(), parts.to_le_bytes()].concat();
    if parts > 1 {
        id.push(&which);
    }
    let usable_mib = total_kib / 1024 * USABLE_PERCENT / 100 / share;
    Ok(Device {
        selection: DeviceSelection::Host { part, parts },
        name: if parts > 1 {
            format!("{} (part {} of {parts})", cpu.name, part + 1)
        } else {
            cpu.name.clone()
        },
        hardware: hardware_id("host", &id),
        memory_mib: u32::try_from(usable_mib).unwrap_or(u32::MAX),
        threads: (threads / usize::from(parts.max(1))).max(1),
        unusable_because: None,
    })
}

struct CpuInfo {
    vendor: String,
    family: String,
    model: String,
    name: String,
}

impl CpuInfo {
    fn read() -> Result<Self> {
        let text = read_bounded("/proc/cpuinfo").context("can't read /proc/cpuinfo")?;
        Ok(Self::parse(&text))
    }

    /// Of the first processor; what isn't there (other architectures name other things) is empty.
    fn parse(text: &str) -> Self {
        let field = |names: &[&str]| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(key, _)| names.contains(&key.trim()))
                .map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let name = field(&["model name", "Model", "cpu model"]);
        Self {
            vendor: field(&["vendor_id", "CPU implementer"]),
            family: field(&["cpu family", "CPU architecture"]),
            model: field(&["model", "CPU part"]),
            name: if name.is_empty() {
                format!("{} CPU", std::env::consts::ARCH)
            } else {
                name
            },
        }
    }
}

fn read_bounded(path: &str) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)
        .ok()?
        .take(MAX_PROC_BYTES as u64)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// A row of /proc/meminfo, KiB.
fn memory_kib(key: &str) -> Option<u64> {
    let text = read_bounded("/proc/meminfo")?;
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    })
}

/// MiB that are free for new work.
pub fn available_mib() -> u64 {
    memory_kib("MemAvailable:").unwrap_or(0) / 1024
}

/// Reads load, memory, temperature and power.
pub struct Sampler {
    parts: u64,
    /// Busy and all ticks of all processors, so far.
    ticks: Option<(u64, u64)>,
    temperature: Option<PathBuf>,
    energy: Option<PathBuf>,
    /// Microjoules so far, and when.
    joules: Option<(u64, Instant)>,
}

impl Sampler {
    pub fn new(parts: u16) -> Self {
        Self {
            parts: u64::from(parts.max(1)),
            ticks: cpu_ticks(),
            temperature: temperature_file(),
            energy: energy_file(),
            joules: None,
        }
    }

    pub fn sample(&mut self) -> Sample {
        let ticks = cpu_ticks();
        let load = match (self.ticks, ticks) {
            (Some((busy_before, all_before)), Some((busy, all))) if all > all_before => {
                (busy.saturating_sub(busy_before) as f64 / (all - all_before) as f64)
                    .clamp(0.0, 1.0)
            }
            _ => 0.0,
        };
        self.ticks = ticks;
        let used_kib = memory_kib("MemTotal:")
            .unwrap_or(0)
            .saturating_sub(memory_kib("MemAvailable:").unwrap_or(0));
        Sample {
            load,
            memory_used_mib: u32::try_from(used_kib / 1024 / self.parts).unwrap_or(u32::MAX),
            temperature_c: self
                .temperature
                .as_deref()
                .and_then(read_number)
                .map(|milli| milli as f32 / 1_000.0),
            power_w: self.power(),
        }
    }

    fn power(&mut self) -> Option<f32> {
        let now = (read_number(self.energy.as_deref()?)?, Instant::now());
        let before = self.joules.replace(now)?;
        let seconds = now.1.duration_since(before.1).as_secs_f64();
        // The counter starts again at zero now and then.
        let microjoules = now.0.checked_sub(before.0)?;
        (seconds > 0.0).then(|| (microjoules as f64 / 1e6 / seconds) as f32)
    }
}

/// Busy and all ticks of all processors since boot.
fn cpu_ticks() -> Option<(u64, u64)> {
    parse_ticks(&read_bounded("/proc/stat")?)
}

/// `cpu user nice system idle iowait irq softirq steal …`; guest time is in user time already.
fn parse_ticks(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
    let all = ticks
        .iter()
        .fold(0_u64, |sum, tick| sum.saturating_add(*tick));
    Some((all.saturating_sub(idle), all))
}

fn read_number(path: &std::path::Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The CPU's temperature sensor, where the kernel shows one.
fn temperature_file() -> Option<PathBuf> {
    let chips = fs::read_dir("/sys/class/hwmon")
        .ok()?
        .take(MAX_CHIPS)
        .flatten();
    let chip = chips.map(|entry| entry.path()).find(|chip| {
        fs::read_to_string(chip.join("name")).is_ok_and(|name| CPU_SENSORS.contains(&name.trim()))
    })?;
    let file = chip.join("temp1_input");
    read_number(&file).map(|_| file)
}

/// The processor package's energy counter, where the kernel shows one and lets us read it.
fn energy_file() -> Option<PathBuf> {
    let file = PathBuf::from("/sys/class/powercap/intel-rapl:0/energy_uj");
    read_number(&file).map(|_| file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_descriptions_of_several_makers_are_read() {
        let amd = CpuInfo::parse(
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n",
        );
        assert_eq!(
            (
                amd.vendor.as_str(),
                amd.family.as_str(),
                amd.model.as_str(),
                amd.name.as_str()
            ),
            ("AuthenticAMD", "25", "17", "AMD EPYC")
        );
        let arm = CpuInfo::parse(
            "processor : 0\nCPU implementer : 0x41\nCPU architecture: 8\nCPU part : 0xd0c\n",
        );
        assert_eq!((arm.vendor.as_str(), arm.model.as_str()), ("0x41", "0xd0c"));
        assert!(arm.name.ends_with("CPU"));
        assert!(CpuInfo::parse("").name.ends_with("CPU"));
    }

    #[test]
    fn idle_and_waiting_time_is_not_load() {
        assert_eq!(
            parse_ticks("cpu  10 0 20 60 10 0 0 0 0 0\ncpu0 1 1 1 1"),
            Some((30, 100))
        );
        assert_eq!(parse_ticks("cpu  x"), None);
        assert_eq!(parse_ticks(""), None);
    }
}
