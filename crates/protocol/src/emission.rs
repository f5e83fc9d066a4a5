//! IO's supply: the genesis allocation, vesting, and the hourly emission of twenty years.
//!
//! Emission starts at 8 % of the genesis supply a year, paid by the epoch, and falls by a fixed factor every epoch:
//! `E_T = G·r₁·q^(T−1)` with `G` = 500,000,000 IO, `r₁` = 0.08 / 8,760 and `q` = 1 − 1.38869523959793 × 10⁻⁵. After `T` epochs
//!
//! ```text
//! C(T) = G·r₁·(1 − q^T) / (1 − q)
//! ```
//!
//! have been emitted. The program mints `floor(C(T))` less what it minted before, so that catching up any number of
//! epochs at once comes to the same as minting each in its hour: nothing is lost to rounding, and nothing is gained.
//! `C(175,319)` is 300,000,000.00044093… IO exactly (often given as 300,000,000.0006, a sum of floating-point numbers); the last
//! epoch is clamped to what is left of the 300,000,000.

use crate::money::IO;

/// The most IO that there will ever be, base units.
pub const CAP: u64 = 800_000_000 * IO;
/// Minted at genesis, base units.
pub const GENESIS: u64 = 500_000_000 * IO;
/// Emitted over all epochs, base units.
pub const EMISSION: u64 = CAP - GENESIS;
/// Epochs until everything is emitted (20 years of 8,766 hours, less one).
pub const EPOCHS: u64 = 175_319;
/// Length of an epoch on a real network, seconds. Local networks may choose a shorter one when they are initialised.
pub const EPOCH_SECONDS: u32 = 3_600;

/// One part of the genesis supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// For whom.
    pub name: &'static str,
    /// Base units.
    pub amount: u64,
}

/// The genesis supply: shares of the cap as published, and the community the rest of the 500,000,000. The position is the
/// index of its vesting account.
pub const ALLOCATIONS: [Allocation; 5] = [
    Allocation {
        name: "seed",
        amount: CAP / 1_000 * 125,
    },
    Allocation {
        name: "series-a",
        amount: CAP / 1_000 * 102,
    },
    Allocation {
        name: "core",
        amount: CAP / 1_000 * 113,
    },
    Allocation {
        name: "ecosystem",
        amount: CAP / 1_000 * 160,
    },
    Allocation {
        name: "community",
        amount: GENESIS - CAP / 1_000 * 500,
    },
];

/// Numerator of `1 − q` over 10¹⁹.
const DECAY_E19: u128 = 138_869_523_959_793;
const TEN_19: u128 = 10_000_000_000_000_000_000;
/// Bits after the point of [`LIMIT`].
const LIMIT_SHIFT: u32 = 72;
/// What would be emitted in the end if nothing stopped it, `G·r₁/(1 − q)` base units, with 72 bits after the point.
const LIMIT: u128 = limit();
/// `q^(2^i)` as a fraction of 2¹²⁸, for every bit of an epoch's number.
const POWERS: [u128; 18] = powers();

const fn limit() -> u128 {
    // G·r₁ = G · 8 / 100 / 8,760.
    let numerator = (GENESIS / 100 * 8) as u128 * TEN_19;
    let denominator = 8_760 * DECAY_E19;
    let whole = numerator / denominator;
    let rest = numerator % denominator;
    let high = (rest << 64) / denominator;
    let rest = (rest << 64) % denominator;
    let low = (rest << (LIMIT_SHIFT - 64)) / denominator;
    // The three share no bit.
    (whole << LIMIT_SHIFT) | (high << (LIMIT_SHIFT - 64)) | low
}

const fn powers() -> [u128; 18] {
    // 2¹²⁸·(1 − q), in two steps of long division.
    let high = (DECAY_E19 << 64) / TEN_19;
    let rest = (DECAY_E19 << 64) % TEN_19;
    let decay = (high << 64) | ((rest << 64) / TEN_19);
    let mut powers = [decay.wrapping_neg(); 18];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = multiply_high(powers[i - 1], powers[i - 1]);
        i += 1;
    }
    powers
}

/// The upper half of the 256-bit product, rounded down.
const fn multiply_high(a: u128, b: u128) -> u128 {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0) = (a >> 64, a & LOW);
    let (b1, b0) = (b >> 64, b & LOW);
    let (x, y) = (a1 * b0, a0 * b1);
    let middle = ((a0 * b0) >> 64) + (x & LOW) + (y & LOW);
    a1 * b1 + (x >> 64) + (y >> 64) + (middle >> 64)
}

/// Base units emitted in the first `epochs` epochs, rounded down; never more than [`EMISSION`].
///
/// The error before rounding is below 2⁻⁵⁰ base units; over the whole schedule the result is the exact one.
pub fn emitted(epochs: u64) -> u64 {
    if epochs == 0 {
        return 0;
    }
    if epochs >= EPOCHS {
        return EMISSION;
    }
    let mut power: Option<u128> = None;
    for (i, factor) in POWERS.iter().enumerate() {
        if epochs >> i & 1 == 1 {
            power = Some(power.map_or(*factor, |p| multiply_high(p, *factor)));
        }
    }
    // 1 − q^T; q^T lies strictly between 0 and 1 here.
    let gone = power.map_or(0, u128::wrapping_neg);
    let whole = multiply_high(LIMIT, gone) >> LIMIT_SHIFT;
    (whole as u64).min(EMISSION)
}

/// Base units that the `epoch`-th epoch emits; the first is 1.
pub fn epoch_emission(epoch: u64) -> u64 {
    emitted(epoch).saturating_sub(emitted(epoch.saturating_sub(1)))
}

/// How an allocation becomes available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct VestingTerms {
    /// Unix seconds.
    pub start_at: i64,
    /// Nothing before this long after the start, seconds.
    pub cliff_seconds: u32,
    /// From the cliff on, linearly over this long, seconds. 0: everything at the cliff.
    pub linear_seconds: u32,
}

impl VestingTerms {
    /// Base units of `total` that are available at `now`, rounded down.
    pub fn vested(&self, total: u64, now: i64) -> u64 {
        let since = now as i128 - self.start_at as i128 - self.cliff_seconds as i128;
        if since < 0 {
            0
        } else if since >= self.linear_seconds as i128 {
            total
        } else {
            // Below `total`, as `since` is below `linear_seconds`.
            (total as u128 * since as u128 / self.linear_seconds as u128) as u64
        }
    }

    /// Unix time at which everything is available.
    pub fn ends_at(&self) -> i64 {
        self.start_at
            .saturating_add(i64::from(self.cliff_seconds))
            .saturating_add(i64::from(self.linear_seconds))
    }
}

/// When emission happens: epochs of a fixed length, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Unix time at which epoch 1 begins.
    pub genesis_at: i64,
    /// Length of an epoch, seconds, at least 1.
    pub epoch_seconds: u32,
}

impl Calendar {
    /// The next full epoch by the wall clock (on a real network: the next full hour) is the first.
    pub fn starting(now: i64, epoch_seconds: u32) -> Self {
        // Unsigned: the chain's bytecode has no signed division.
        let length = u64::from(epoch_seconds.max(1));
        let next = (now.max(0) as u64 / length + 1).saturating_mul(length);
        Self {
            genesis_at: i64::try_from(next).unwrap_or(i64::MAX),
            epoch_seconds: epoch_seconds.max(1),
        }
    }

    /// Number of the epoch that `now` lies in; 0 before the first.
    pub fn epoch_at(&self, now: i64) -> u64 {
        if now < self.genesis_at {
            return 0;
        }
        now.abs_diff(self.genesis_at) / u64::from(self.epoch_seconds) + 1
    }

    /// Epochs that are over at `now`.
    pub fn ended(&self, now: i64) -> u64 {
        self.epoch_at(now).saturating_sub(1)
    }

    /// First second of an epoch.
    pub fn begins_at(&self, epoch: u64) -> i64 {
        let after = i64::try_from(epoch.saturating_sub(1)).unwrap_or(i64::MAX);
        self.genesis_at
            .saturating_add(after.saturating_mul(i64::from(self.epoch_seconds)))
    }

    /// First second after an epoch.
    pub fn ends_at(&self, epoch: u64) -> i64 {
        self.begins_at(epoch.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::{BigInt, BigUint};
    use num_rational::BigRational;
    use proptest::prelude::*;

    /// Bits after the point of the reference.
    const BITS: u32 = 640;

    /// The two constants that long division makes, against one division of whole numbers.
    #[test]
    fn the_constants_are_exact_to_their_last_bit() {
        let (ten_19, decay) = (BigUint::from(TEN_19), BigUint::from(DECAY_E19));
        let limit = ((BigUint::from(GENESIS) * 8u8 * &ten_19) << LIMIT_SHIFT)
            / (BigUint::from(876_000u32) * &decay);
        assert_eq!(BigUint::from(LIMIT), limit);
        let one = BigUint::from(1u8) << 128;
        let mut power = &one - (&decay << 128) / &ten_19;
        for (i, found) in POWERS.iter().enumerate() {
            assert_eq!(BigUint::from(*found), power, "{i}");
            power = (&power * &power) >> 128;
        }
    }

    /// The definition itself: exact rationals, summed epoch by epoch.
    #[test]
    fn early_epochs_are_the_exact_rational_rounded_down() {
        let q = BigRational::new((TEN_19 - DECAY_E19).into(), TEN_19.into());
        let mut emission = BigRational::new((BigInt::from(GENESIS)) * 8, 876_000.into());
        let mut sum = BigRational::from_integer(0.into());
        for epoch in 0..=300 {
            let want = sum.floor().to_integer();
            assert_eq!(BigInt::from(emitted(epoch)), want, "{epoch}");
            sum += &emission;
            emission *= &q;
        }
    }

    /// Every one of the 175,319 epochs against interval arithmetic of 640 bits: the exact value lies between two bounds
    /// that have the same integer part, so the rounded-down exact value is known for certain.
    #[test]
    fn the_whole_schedule_is_exact() {
        let one = BigUint::from(1u8) << BITS;
        let q_num = BigUint::from(TEN_19 - DECAY_E19);
        let den = BigUint::from(TEN_19);
        let (mut low, mut high) = (one.clone(), one.clone());
        let scale_num = BigUint::from(GENESIS) * 8u32 * &den;
        let scale_den = BigUint::from(876_000u64) * DECAY_E19;
        let (mut sum, mut worst) = (0u64, 0u64);
        for epoch in 1..=EPOCHS {
            // Rounded down and up: the true power stays between.
            low = &low * &q_num / &den;
            high = (&high * &q_num + &den - 1u8) / &den;
            let least: BigUint = ((&one - &high) * &scale_num / &scale_den) >> BITS;
            let most: BigUint = ((&one - &low) * &scale_num / &scale_den) >> BITS;
            assert_eq!(least, most, "the reference is too coarse at {epoch}");
            let want = u64::try_from(&least).unwrap().min(EMISSION);
            worst = worst.max(emitted(epoch).abs_diff(want));
            sum += epoch_emission(epoch);
            if epoch == EPOCHS - 1 {
                assert!(most < BigUint::from(EMISSION), "the end comes too early");
            }
            if epoch == EPOCHS {
                assert_eq!(least, BigUint::from(EMISSION + 44_093));
            }
        }
        // Shown with `--nocapture`.
        println!("largest error of the emission schedule: {worst} base units");
        assert_eq!(worst, 0);
        assert_eq!(sum, EMISSION);
    }

    #[test]
    fn allocations_are_the_published_ones() {
        let amounts = ALLOCATIONS.map(|a| a.amount / IO);
        assert_eq!(
            amounts,
            [
                100_000_000,
                81_600_000,
                90_400_000,
                128_000_000,
                100_000_000
            ]
        );
        assert_eq!(ALLOCATIONS.iter().map(|a| a.amount).sum::<u64>(), GENESIS);
        // The first hour emits 8 % of the genesis supply over 8,760.
        assert_eq!(epoch_emission(1), 456_621_004_566);
        assert_eq!(emitted(u64::MAX), EMISSION);
        assert_eq!(epoch_emission(EPOCHS + 1), 0);
        assert_eq!(epoch_emission(0), 0);
    }

    #[test]
    fn vesting_by_the_second() {
        let terms = VestingTerms {
            start_at: 1_000,
            cliff_seconds: 100,
            linear_seconds: 50,
        };
        for (now, want) in [
            (i64::MIN, 0),
            (999, 0),
            (1_099, 0),
            (1_100, 0),
            (1_101, 20),
            (1_149, 980),
            (1_150, 1_000),
            (i64::MAX, 1_000),
        ] {
            assert_eq!(terms.vested(1_000, now), want, "{now}");
        }
        let at_once = VestingTerms {
            start_at: 1_000,
            ..VestingTerms::default()
        };
        assert_eq!(at_once.vested(7, 999), 0);
        assert_eq!(at_once.vested(7, 1_000), 7);
        let cliff_only = VestingTerms {
            linear_seconds: 0,
            ..terms
        };
        assert_eq!(cliff_only.vested(7, 1_099), 0);
        assert_eq!(cliff_only.vested(7, 1_100), 7);
        assert_eq!(cliff_only.ends_at(), 1_100);
    }

    #[test]
    fn epochs_begin_at_full_hours() {
        let calendar = Calendar::starting(7_201, 3_600);
        assert_eq!(calendar.genesis_at, 10_800);
        for (now, epoch, ended) in [
            (0, 0, 0),
            (10_799, 0, 0),
            (10_800, 1, 0),
            (14_399, 1, 0),
            (14_400, 2, 1),
        ] {
            assert_eq!(
                (calendar.epoch_at(now), calendar.ended(now)),
                (epoch, ended)
            );
        }
        assert_eq!(calendar.begins_at(1), 10_800);
        assert_eq!(calendar.ends_at(1), 14_400);
        assert_eq!(Calendar::starting(7_200, 3_600).genesis_at, 10_800);
        assert_eq!(calendar.begins_at(u64::MAX), i64::MAX);
    }

    proptest! {
        #[test]
        fn catching_up_is_the_same_as_hour_by_hour(from in 0..EPOCHS, more in 0u64..3_000) {
            let to = from + more;
            let by_hour: u64 = (from + 1..=to).map(epoch_emission).sum();
            prop_assert_eq!(by_hour, emitted(to) - emitted(from));
        }

        #[test]
        fn products_are_those_of_big_integers(a: u128, b: u128) {
            let want = (BigUint::from(a) * BigUint::from(b)) >> 128u32;
            prop_assert_eq!(BigUint::from(multiply_high(a, b)), want);
        }

        #[test]
        fn vesting_is_exact_and_never_falls(
            total: u64, start in -1i64 << 40..1 << 40, cliff: u32, linear: u32, a in -1i64 << 41..1 << 41, b in 0i64..1 << 41,
        ) {
            let terms = VestingTerms { start_at: start, cliff_seconds: cliff, linear_seconds: linear };
            let (first, second) = (terms.vested(total, a), terms.vested(total, a + b));
            prop_assert!(first <= second && second <= total);
            let since = a - start - i64::from(cliff);
            if since >= 0 && since < i64::from(linear) {
                let exact = BigRational::new(total.into(), 1.into()) * BigRational::new(since.into(), linear.into());
                prop_assert_eq!(BigInt::from(first), exact.floor().to_integer());
            }
        }
    }
}
