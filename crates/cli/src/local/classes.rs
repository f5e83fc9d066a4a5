//! The device classes that a network starts with.

use io_client::instructions::{ClassArgs, class_name};
use io_protocol::money::IO;

/// Share of a data sheet's int8 figure (dense) that a device of the class must measure, percent.
const LEAST_TOPS_PERCENT: u32 = 40;
/// Share of the nominal memory that must be usable, percent.
const LEAST_MEMORY_PERCENT: u32 = 90;
/// Int8 TOPS that a CPU earns its class's whole multiplier with. A machine may be registered in parts, and rewards are weighed by what each part
/// measures: however many there are, together they earn what the machine does. With a multiplier of 0.1, a TOPS earns about what it
/// does on an RTX 4080 (2.75 for 390).
const CPU_NORM_TOPS: u32 = 10;
/// Where a class's reference price begins, IO base units an hour for each hundredth of its reward multiplier: 10 IO for an H100. There
/// is no market here to ask.
const REFERENCE_E2: u64 = IO / 100;
/// A reference price stays between this part and this multiple of where it began.
const PRICE_RANGE: u64 = 10;

struct Class {
    id: u16,
    name: &'static str,
    /// Reward multiplier, hundredths.
    multiplier_e2: u32,
    /// Int8 TOPS without sparsity, from NVIDIA's data sheets.
    tops: u32,
    /// GiB.
    memory: u32,
    enterprise: bool,
}

const fn class(
    id: u16,
    name: &'static str,
    multiplier_e2: u32,
    tops: u32,
    memory: u32,
    enterprise: bool,
) -> Class {
    Class {
        id,
        name,
        multiplier_e2,
        tops,
        memory,
        enterprise,
    }
}

const GPUS: [Class; 12] = [
    class(1, "B200", 3_000, 4_500, 180, true),
    class(2, "H200", 1_200, 1_979, 141, true),
    class(3, "H100", 1_000, 1_979, 80, true),
    class(4, "A100-80", 500, 624, 80, true),
    class(5, "RTX 6000 Ada", 450, 728, 48, true),
    class(6, "L40S", 300, 733, 48, true),
    class(7, "RTX 4080", 275, 390, 16, false),
    class(8, "A100-40", 200, 624, 40, true),
    class(9, "RTX 3090", 175, 284, 24, false),
    class(10, "RTX 4090", 125, 660, 24, false),
    class(11, "T4", 50, 130, 16, true),
    class(12, "L4", 25, 242, 24, true),
];

/// Number of the class of a host's CPU.
pub const CPU: u16 = 0;

/// A host's CPU and the GPUs.
pub fn all() -> Vec<ClassArgs> {
    let priced = |class: ClassArgs| {
        let reference_price = REFERENCE_E2 * u64::from(class.multiplier_e2);
        ClassArgs {
            price_floor: reference_price / PRICE_RANGE,
            price_ceiling: reference_price * PRICE_RANGE,
            reference_price,
            ..class
        }
    };
    let cpu = ClassArgs {
        id: CPU,
        name: class_name("CPU"),
        multiplier_e2: 10,
        // Any machine, however busy: what it has shown is on its account.
        min_tops_e2: 0,
        min_memory_mib: 16,
        norm_tops_e2: CPU_NORM_TOPS * 100,
        group: 0,
        price_floor: 0,
        price_ceiling: 0,
        reference_price: 0,
    };
    let gpus = GPUS.iter().map(|gpu| ClassArgs {
        id: gpu.id,
        name: class_name(gpu.name),
        multiplier_e2: gpu.multiplier_e2,
        min_tops_e2: gpu.tops * LEAST_TOPS_PERCENT,
        min_memory_mib: gpu.memory * 1_024 / 100 * LEAST_MEMORY_PERCENT,
        norm_tops_e2: gpu.tops * 100,
        group: u8::from(gpu.enterprise),
        price_floor: 0,
        price_ceiling: 0,
        reference_price: 0,
    });
    std::iter::once(cpu).chain(gpus).map(priced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_distinct_numbers_and_sound_figures() {
        let all = all();
        assert_eq!(all.len(), 13);
        for (i, class) in all.iter().enumerate() {
            assert_eq!(usize::from(class.id), i);
            assert!(class.multiplier_e2 >= 1 && class.min_memory_mib >= 1);
            assert!(class.id == CPU || class.min_tops_e2 >= 1);
        }
        assert_eq!(all[3].min_tops_e2, 79_160);
        // Else every identity on a machine earned as much as the machine.
        assert!(all.iter().all(|class| class.norm_tops_e2 >= 1));
        let h100 = [
            all[3].price_floor,
            all[3].reference_price,
            all[3].price_ceiling,
        ];
        assert_eq!(h100, [IO, 10 * IO, 100 * IO]);
    }
}
