//! What a device earns in an epoch of emission: one function of public inputs, in integers.
//!
//! ```text
//! score    = multiplier × slots × performance × reputation
//! payable  = budget of the group + min(what it carried over, its budget)
//! earned   = floor(payable × score / all scores of the group)
//! ```
//!
//! - `multiplier`: of the device's class, in hundredths;
//! - `slots`: how many of the epoch's 60 slots the device was up in. A slot counts when a quorum of oracles saw a signed heartbeat
//!   in it, or the device ran a job in it: time that somebody paid for is up time whatever happened to the heartbeats;
//! - `performance`: measured int8 operations a second over the class's norm, in basis points, at most 15,000: measuring beyond
//!   one and a half times the norm earns nothing more;
//! - `reputation`: the score of [`crate::reputation`], in basis points.
//!
//! An epoch's emission is split between two groups of classes, enterprise and community. What a group does not pay out (rounding, or no
//! device was up) is carried over to its later epochs, of which each pays at most twice its budget: nobody can
//! collect a long backlog by being the first to come back.

use crate::money::BPS;

/// Parts that an epoch is divided into for up time (of a minute each when an epoch is an hour).
pub const SLOTS: u32 = 60;
/// All slots of an epoch, as a mask.
pub const ALL_SLOTS: u64 = (1 << SLOTS) - 1;
/// Largest measured performance that counts, basis points of the class's norm.
pub const MAX_PERFORMANCE_BPS: u64 = 15_000;
/// Groups of classes: 0 community, 1 enterprise.
pub const GROUPS: usize = 2;

/// The slot that a time lies in, counted in seconds since the epoch began. `None` outside of the epoch.
pub fn slot_of(since_epoch_began: i64, epoch_seconds: u32) -> Option<u32> {
    let since = u64::try_from(since_epoch_began).ok()?;
    (since < u64::from(epoch_seconds))
        .then(|| (since * u64::from(SLOTS) / u64::from(epoch_seconds)) as u32)
}

/// Mask of the slots that a span touches: from `begin` to `end` inclusive, in seconds since the epoch began; clipped to
/// the epoch. With epochs shorter than [`SLOTS`] seconds, one second is several slots.
pub fn slots_between(begin: i64, end: i64, epoch_seconds: u32) -> u64 {
    let length = i64::from(epoch_seconds);
    if end < begin || end < 0 || begin >= length {
        return 0;
    }
    let slots = i64::from(SLOTS);
    let first = begin.max(0) * slots / length;
    // The last slot that the last second has a part in.
    let last = ((end.min(length - 1) + 1) * slots - 1) / length;
    (first..=last).fold(0, |mask, slot| mask | 1 << slot)
}

/// What a device's score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DeviceEpoch {
    /// Group of its class: 0 community, 1 enterprise.
    pub group: u8,
    /// Class multiplier, hundredths.
    pub multiplier_e2: u32,
    /// Measured int8 TOPS, hundredths.
    pub tops_e2: u32,
    /// The class's norm, int8 TOPS in hundredths; 0: the class has none, and performance is one.
    pub norm_tops_e2: u32,
    /// Reputation, basis points.
    pub reputation_bps: u16,
    /// Slots with a heartbeat.
    pub seen: u64,
    /// Slots with a job running.
    pub hired: u64,
}

impl DeviceEpoch {
    /// Slots that the device was up in.
    pub fn slots(&self) -> u32 {
        ((self.seen | self.hired) & ALL_SLOTS).count_ones()
    }

    /// Measured performance over the class's norm, basis points, rounded down.
    pub fn performance_bps(&self) -> u64 {
        match self.norm_tops_e2 {
            0 => BPS,
            norm => (u64::from(self.tops_e2) * BPS / u64::from(norm)).min(MAX_PERFORMANCE_BPS),
        }
    }

    /// The score: a weight without unit. Exact: the largest product of the factors' limits is below 2⁶⁸.
    pub fn score(&self) -> u128 {
        u128::from(self.multiplier_e2)
            * u128::from(self.slots())
            * u128::from(self.performance_bps())
            * u128::from(self.reputation_bps)
    }
}

/// What an epoch pays, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Distribution {
    /// IO base units of each device, in the order given.
    pub earned: Vec<u64>,
    /// IO base units of each group that later epochs may pay.
    pub carry: [u64; GROUPS],
}

/// The parts of an epoch's emission: `enterprise_bps` of it, rounded down, to enterprise, the rest to community.
pub fn budgets(emission: u64, enterprise_bps: u16) -> [u64; GROUPS] {
    let enterprise =
        (u128::from(emission) * u128::from(enterprise_bps).min(BPS as u128) / BPS as u128) as u64;
    [emission - enterprise, enterprise]
}

/// Divides what an epoch emits. `emission` IO base units plus `carry` are exactly what is earned and carried on.
/// `None` if that sum does not fit.
pub fn distribute(
    devices: &[DeviceEpoch],
    emission: u64,
    enterprise_bps: u16,
    carry: [u64; GROUPS],
) -> Option<Distribution> {
    let budgets = budgets(emission, enterprise_bps);
    let mut scores = [0u128; GROUPS];
    for device in devices {
        scores[usize::from(device.group) % GROUPS] += device.score();
    }
    let mut left = [0u64; GROUPS];
    let mut payable = [0u64; GROUPS];
    for group in 0..GROUPS {
        left[group] = budgets[group].checked_add(carry[group])?;
        payable[group] = budgets[group].checked_add(carry[group].min(budgets[group]))?;
    }
    let mut earned = Vec::with_capacity(devices.len());
    for device in devices {
        let group = usize::from(device.group) % GROUPS;
        let amount = match scores[group] {
            0 => 0,
            all => share_floor(payable[group], device.score(), all),
        };
        left[group] = left[group].checked_sub(amount)?;
        earned.push(amount);
    }
    Some(Distribution {
        earned,
        carry: left,
    })
}

/// `floor(amount × part / whole)` for `part ≤ whole`, without overflow: 64 steps of long division when the product does
/// not fit.
fn share_floor(amount: u64, part: u128, whole: u128) -> u64 {
    if let Some(product) = u128::from(amount).checked_mul(part) {
        return (product / whole) as u64;
    }
    let (mut quotient, mut rest) = (0u64, 0u128);
    for bit in (0..64).rev() {
        // `rest` is below `whole`, and `part` at most `whole`: below 2¹²⁶ both, for any number of devices that there can be.
        rest <<= 1;
        quotient <<= 1;
        if amount >> bit & 1 == 1 {
            rest += part;
        }
        while rest >= whole {
            rest -= whole;
            quotient += 1;
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    fn device(group: u8, multiplier_e2: u32, slots: u32) -> DeviceEpoch {
        DeviceEpoch {
            group,
            multiplier_e2,
            tops_e2: 1_000,
            norm_tops_e2: 1_000,
            reputation_bps: 10_000,
            seen: (1 << slots) - 1,
            hired: 0,
        }
    }

    #[test]
    fn a_worked_example() {
        // An hour of 1,000,000 base units: an H100 all hour and a B200 half of it, one 4090.
        let devices = [
            device(1, 1_000, 60),
            device(1, 3_000, 30),
            device(0, 125, 60),
        ];
        let d = distribute(&devices, 1_000_000, 9_500, [0, 0]).unwrap();
        assert_eq!(d.earned, [380_000, 570_000, 50_000]);
        assert_eq!(d.carry, [0, 0]);
    }

    #[test]
    fn a_group_without_devices_carries_over_and_pays_at_most_twice_its_budget() {
        let first = distribute(&[device(0, 125, 1)], 1_000, 9_500, [0, 0]).unwrap();
        assert_eq!(
            first,
            Distribution {
                earned: vec![50],
                carry: [0, 950]
            }
        );
        let later = distribute(&[device(1, 125, 1)], 1_000, 9_500, [0, 9_500]).unwrap();
        assert_eq!(
            later,
            Distribution {
                earned: vec![1_900],
                carry: [50, 8_550]
            }
        );
    }

    #[test]
    fn hired_time_is_up_time_and_counts_once() {
        let mut d = device(1, 1_000, 10);
        d.hired = 0b111 << 9;
        assert_eq!(d.slots(), 12);
        d.seen = u64::MAX;
        assert_eq!(d.slots(), SLOTS);
    }

    #[test]
    fn performance_is_bounded() {
        let mut d = device(1, 1_000, 60);
        assert_eq!(d.performance_bps(), 10_000);
        d.tops_e2 = 1_499;
        assert_eq!(d.performance_bps(), 14_990);
        d.tops_e2 = u32::MAX;
        assert_eq!(d.performance_bps(), MAX_PERFORMANCE_BPS);
        d.norm_tops_e2 = 0;
        assert_eq!(d.performance_bps(), 10_000);
    }

    #[test]
    fn slots_of_times_and_spans() {
        assert_eq!(slot_of(-1, 3_600), None);
        assert_eq!(slot_of(0, 3_600), Some(0));
        assert_eq!(slot_of(59, 3_600), Some(0));
        assert_eq!(slot_of(60, 3_600), Some(1));
        assert_eq!(slot_of(3_599, 3_600), Some(59));
        assert_eq!(slot_of(3_600, 3_600), None);
        assert_eq!(slot_of(1, 10), Some(6));
        assert_eq!(slots_between(0, 3_599, 3_600), ALL_SLOTS);
        assert_eq!(slots_between(-5, 99_999, 3_600), ALL_SLOTS);
        assert_eq!(slots_between(59, 60, 3_600), 0b11);
        assert_eq!(slots_between(125, 125, 3_600), 0b100);
        assert_eq!(slots_between(60, 59, 3_600), 0);
        assert_eq!(slots_between(3_600, 3_700, 3_600), 0);
        assert_eq!(slots_between(-9, -1, 3_600), 0);
        // Ten seconds an epoch: the first second is six slots.
        assert_eq!(slots_between(0, 0, 10), 0b11_1111);
        assert_eq!(slots_between(0, 9, 10), ALL_SLOTS);
    }

    proptest! {
        #[test]
        fn shares_are_exact_rationals_rounded_down_and_add_up(
            rows in prop::collection::vec((0u8..2, 0u32..=10_000, any::<u64>(), any::<u32>(), 0u32..100_000, 0u16..=10_000), 0..40),
            emission in 0u64..1 << 55, bps in 0u16..=10_000, carry: [u32; 2],
        ) {
            let carry = carry.map(u64::from);
            let devices: Vec<DeviceEpoch> = rows
                .into_iter()
                .map(|(group, multiplier_e2, seen, tops_e2, norm_tops_e2, reputation_bps)| DeviceEpoch {
                    group, multiplier_e2, tops_e2, norm_tops_e2, reputation_bps, seen, hired: seen.rotate_left(7),
                })
                .collect();
            let d = distribute(&devices, emission, bps, carry).unwrap();
            let paid: u64 = d.earned.iter().sum();
            prop_assert_eq!(paid + d.carry[0] + d.carry[1], emission + carry[0] + carry[1]);
            for (group, carried) in carry.into_iter().enumerate() {
                let budget = BigRational::from_integer(budgets(emission, bps)[group].into());
                let payable = budget.clone() + BigRational::from_integer(carried.into()).min(budget);
                let all: BigInt = devices.iter().filter(|x| usize::from(x.group) == group).map(|x| BigInt::from(x.score())).sum();
                for (x, earned) in devices.iter().zip(&d.earned).filter(|(x, _)| usize::from(x.group) == group) {
                    let want = if all == BigInt::from(0) {
                        BigInt::from(0)
                    } else {
                        (payable.clone() * BigRational::new(x.score().into(), all.clone())).floor().to_integer()
                    };
                    prop_assert_eq!(BigInt::from(*earned), want);
                }
            }
        }

        #[test]
        fn long_division_is_exact(amount: u64, part in 0u128..1 << 100, more in 1u128..1 << 100) {
            let whole = part + more;
            let want = BigInt::from(amount) * BigInt::from(part) / BigInt::from(whole);
            prop_assert_eq!(BigInt::from(share_floor(amount, part, whole)), want);
        }

        #[test]
        fn every_second_lies_in_a_slot_of_its_span(length in 1u32..10_000, a in 0i64..10_000, b in 0i64..10_000) {
            let (begin, end) = (a.min(b), a.max(b));
            let mask = slots_between(begin, end, length);
            for second in begin..=end.min(begin + 200) {
                if let Some(slot) = slot_of(second, length) {
                    prop_assert!(mask >> slot & 1 == 1);
                }
            }
        }
    }
}
