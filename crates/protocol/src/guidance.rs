//! Reference prices: what an hour of a device of a class costs, as a guide. Offers stay free.
//!
//! Once an epoch a quorum of oracles attests how much of a class's time was hired, its utilisation `u`. The price moves towards
//! the utilisation `t` that the network aims at, as block prices do under EIP-1559:
//!
//! price′ = price · (1 + (u − t) / t / 8), at most ± 1/8 in one epoch, inside the class's floor and ceiling.
//!
//! Utilisation is not an opinion: it follows from the evidence of an epoch whose root is on chain ([`utilisation`]), so that every
//! oracle signs the same bytes, and anybody can compute them again.

use std::collections::BTreeMap;

use crate::{
    evidence::Row,
    messages::{Bytes32, Deployment, Writer},
    money::BPS,
    scores::ALL_SLOTS,
};

/// Domain of [`GuidanceStatement`].
pub const GUIDANCE_DOMAIN: [u8; 16] = *b"io/guidance/1...";
/// A price moves by at most one part in this many an epoch.
pub const STEP_DIVISOR: u64 = 8;

/// An oracle's statement about the utilisation of a class in an epoch that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuidanceStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Class account.
    pub class: Bytes32,
    /// Epoch of emission (see [`crate::emission::Calendar`]), the first is 1.
    pub epoch: u64,
    /// Hired share of the class's attested time, basis points.
    pub utilisation_bps: u16,
}

/// Bytes of a [`GuidanceStatement`].
pub const GUIDANCE_LEN: usize = 16 + 32 + 32 + 8 + 32 + 8 + 2;

impl GuidanceStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; GUIDANCE_LEN] {
        let mut w = Writer::<GUIDANCE_LEN>::new();
        w.put(&GUIDANCE_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.class);
        w.put(&self.epoch.to_le_bytes());
        w.put(&self.utilisation_bps.to_le_bytes());
        w.finish()
    }
}

/// Share of `available` seconds that were hired, basis points, rounded down, at most all. Nothing available is nothing hired.
pub fn utilisation_bps(hired: u64, available: u64) -> u16 {
    if available == 0 {
        return 0;
    }
    (u128::from(hired.min(available)) * u128::from(BPS) / u128::from(available)) as u16
}

/// Utilisation of each class in an epoch, basis points, from its rows as [`crate::evidence::merge`] gives them: slots in which
/// devices of the class were hired over slots in which they were up. `class_of` names a device's class; devices without one don't
/// count. A class that nobody was up in is absent: without supply there is nothing to learn about demand, and its price stays.
pub fn utilisation(rows: &[Row], class_of: impl Fn(&Bytes32) -> Option<u16>) -> BTreeMap<u16, u16> {
    let mut slots: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let up = u64::from(row.seen.slots());
        if let Some(class) = class_of(&row.device).filter(|_| up > 0) {
            let (hired, available) = slots.entry(class).or_default();
            *hired += u64::from((row.seen.hired & ALL_SLOTS).count_ones());
            *available += up;
        }
    }
    slots
        .into_iter()
        .map(|(class, (hired, available))| (class, utilisation_bps(hired, available)))
        .collect()
}

/// The next reference price. Steps are rounded down, but a price that should rise rises by at least one base unit; the result
/// lies inside `floor..=ceiling`.
pub fn next_price(
    price: u64,
    utilisation_bps: u16,
    target_bps: u16,
    floor: u64,
    ceiling: u64,
) -> u64 {
    let (u, t) = (u64::from(utilisation_bps), u64::from(target_bps.max(1)));
    let off = u.abs_diff(t).min(t);
    let step = (u128::from(price) * u128::from(off) / u128::from(t * STEP_DIVISOR)) as u64;
    let moved = if u > t {
        price.saturating_add(step.max(1))
    } else {
        price - step
    };
    moved.min(ceiling).max(floor)
}

/// What an hour costs at `price` for 1,000 units, on a device that does `units_e3` thousandths of a unit a second; rounded up.
/// `None` when it does not fit.
pub fn price_of_an_hour(price: u64, units_e3: u64) -> Option<u64> {
    let hour = u128::from(price) * u128::from(units_e3);
    u64::try_from(hour.checked_mul(3_600)?.div_ceil(1_000 * 1_000)).ok()
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn landmarks() {
        // At the target nothing moves; full use of a target of one half is + 1/8, idleness − 1/8.
        assert_eq!(next_price(8_000, 7_000, 7_000, 0, u64::MAX), 8_000);
        assert_eq!(next_price(8_000, 10_000, 5_000, 0, u64::MAX), 9_000);
        assert_eq!(next_price(8_000, 0, 5_000, 0, u64::MAX), 7_000);
        assert_eq!(next_price(8_000, 0, 7_000, 0, u64::MAX), 7_000);
        assert_eq!(next_price(8_000, 0, 7_000, 7_500, u64::MAX), 7_500);
        assert_eq!(next_price(8_000, 10_000, 5_000, 0, 8_100), 8_100);
        // A low target does not make for larger steps, and the smallest price can still rise.
        assert_eq!(next_price(8_000, 10_000, 1, 0, u64::MAX), 9_000);
        assert_eq!(next_price(1, 7_001, 7_000, 0, u64::MAX), 2);
        assert_eq!(next_price(u64::MAX, 10_000, 5_000, 0, u64::MAX), u64::MAX);
        assert_eq!(next_price(0, 0, 0, 0, 0), 0);
    }

    #[test]
    fn utilisation_is_a_share() {
        assert_eq!(utilisation_bps(0, 0), 0);
        assert_eq!(utilisation_bps(5, 0), 0);
        assert_eq!(utilisation_bps(1, 3), 3_333);
        assert_eq!(utilisation_bps(3, 3), 10_000);
        assert_eq!(utilisation_bps(u64::MAX, 1), 10_000);
        assert_eq!(utilisation_bps(u64::MAX, u64::MAX), 10_000);
    }

    #[test]
    fn a_classs_utilisation_is_that_of_all_its_devices_together() {
        use crate::scores::DeviceEpoch;
        let row = |device: u8, seen, hired| Row {
            device: [device; 32],
            provider: [9; 32],
            seen: DeviceEpoch {
                seen,
                hired,
                ..DeviceEpoch::default()
            },
        };
        let rows = [
            row(1, 0b1111, 0b0001),
            row(2, 0b0011, 0b0100),
            // Bits beyond the slots of an epoch are nothing.
            row(3, ALL_SLOTS | 1 << 60, u64::MAX),
            row(4, 0, 0),
            row(5, 0b1, 0),
            row(6, 0b1, 0b1),
        ];
        let class_of = |device: &Bytes32| match device[0] {
            1 | 2 => Some(7),
            3 => Some(8),
            4 => Some(9),
            5 => Some(10),
            _ => None,
        };
        // Class 7: one of four slots, and one of three, of which the hired one was not seen.
        assert_eq!(
            utilisation(&rows, class_of),
            BTreeMap::from([(7, 2_857), (8, 10_000), (10, 0)])
        );
        assert_eq!(utilisation(&[], class_of), BTreeMap::new());
    }

    #[test]
    fn an_hour_is_3_600_seconds() {
        // 0.5 IO for 1,000 units at 20 units a second: 72,000 units, 36 IO.
        assert_eq!(price_of_an_hour(50_000_000, 20_000), Some(3_600_000_000));
        assert_eq!(price_of_an_hour(1, 1), Some(1));
        assert_eq!(price_of_an_hour(0, 5), Some(0));
        assert_eq!(price_of_an_hour(u64::MAX, u64::MAX), None);
    }

    #[test]
    fn every_field_of_a_statement_changes_its_bytes() {
        let base = GuidanceStatement {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            set_version: 3,
            class: [4; 32],
            epoch: 5,
            utilisation_bps: 6,
        };
        let other = |change: fn(&mut GuidanceStatement)| {
            let mut s = base;
            change(&mut s);
            s.to_bytes()
        };
        let all = std::collections::HashSet::from([
            base.to_bytes(),
            other(|s| s.deployment.program = [9; 32]),
            other(|s| s.deployment.cluster = [9; 32]),
            other(|s| s.set_version = 9),
            other(|s| s.class = [9; 32]),
            other(|s| s.epoch = 9),
            other(|s| s.utilisation_bps = 9),
        ]);
        assert_eq!(all.len(), 7);
        assert_eq!(&base.to_bytes()[..16], b"io/guidance/1...");
    }

    proptest! {
        #[test]
        fn steps_are_the_formulas(price in 0u64..1 << 62, u in 0u16..=10_000, t in 1u16..10_000) {
            let next = next_price(price, u, t, 0, u64::MAX);
            let exactly = |x: u64| BigRational::from_integer(BigInt::from(x));
            let eighth = exactly(1) / exactly(8);
            let (u, t) = (exactly(u.into()), exactly(t.into()));
            let change = ((u - &t) / t / exactly(8)).clamp(-eighth.clone(), eighth);
            let error = exactly(next) - exactly(price) * (exactly(1) + change);
            prop_assert!(error <= exactly(1) && error >= -exactly(1), "{error}");
            prop_assert!(next <= price + price / 8 + 1 && next >= price - price / 8);
        }

        #[test]
        fn prices_stay_inside_their_bounds(price: u64, u in 0u16..=10_000, t: u16, a: u64, b: u64) {
            let (floor, ceiling) = (a.min(b), a.max(b));
            let next = next_price(price, u, t, floor, ceiling);
            prop_assert!((floor..=ceiling).contains(&next));
        }
    }
}
