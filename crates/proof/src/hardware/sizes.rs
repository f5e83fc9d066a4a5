//! How much work a window holds.

use super::cell::{CellError, MAX_N, MAX_PASSES, check_n, check_passes};

/// A round's window: from sending the round's seed to the commitment's arrival.
pub const WINDOW_MS: u32 = 2_000;
/// Share of the window that an honest device's passes fill at most, percent, so that the rest covers the way there and back (≤ 500 ms),
/// and two identities on one device (140 to 150 %) don't fit. Passes are whole: from 0.03 TOPS on they fill 70 % at least, 64 % at 0.01
/// TOPS, and any part of the window or more than it, in one pass, of what is slower still; what needs more than the window can't be proven.
pub const FILL_PERCENT: u32 = 75;
/// The same for a device that a renter uses: the proof shares the device with the job.
pub const HIRED_FILL_PERCENT: u32 = 35;
/// Rows opened of each device.
pub const ROWS: u32 = 16;
/// Share of a device's time that all proofs together may take: 0.5 %.
pub const BUDGET_PPM: u32 = 5_000;
/// A pass takes so long at least, and at most eight times that, where n can still grow: fine enough to fill the window to 5 %,
/// and long enough that hashing (which grows as n²) stays small beside the
/// product (n³).
const PASS_MICROS: u64 = 12_500;
/// Smallest n that rounds use.
pub const LEAST_N: u32 = 1_024;
/// Passes that fill a window, at least, where n can still shrink: a pass more or less is then at most an eighth of it.
const MIN_PASSES: u64 = 8;
/// Seconds between two rounds of one oracle, at least.
pub const ROUND_SECONDS: u32 = 3_600;
/// Strides of a walk, and how many of them are walked again.
pub const STRIDES: u32 = 16_384;
pub const OPEN_STRIDES: u32 = 6;
/// Longest mean time of a hop, nanoseconds, the way there and back included. Deriving a word that isn't there takes 576 compressions of
/// SHA-256 one after another on average, 20,000 ns on the fastest cores; memory answers in about 200 ns, a GPU's in 1,000.
pub const MAX_HOP_NS: u64 = 2_500;

/// What a device is asked to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub n: u32,
    pub passes: u32,
}

impl Shape {
    pub fn check(&self) -> Result<(), CellError> {
        check_n(self.n)?;
        check_passes(self.passes)
    }

    /// int8 operations of the products: 2·n³ a pass.
    pub fn operations(&self) -> u128 {
        2 * u128::from(self.n).pow(3) * u128::from(self.passes)
    }

    /// Hundredths of TOPS reached when all passes took `micros`, hashing and travel included. Rounded down.
    pub fn tops_e2(&self, micros: u64) -> u32 {
        let value = self.operations() / (u128::from(micros.max(1)) * 10_000);
        u32::try_from(value).unwrap_or(u32::MAX)
    }

    /// The work that a device which takes `pass_micros` for a pass of size `n` does in `fill_percent` of the window:
    /// never none, and never more than [`MAX_PASSES`].
    pub fn for_window(n: u32, pass_micros: u64, fill_percent: u32, window_ms: u32) -> Self {
        let budget = u64::from(window_ms) * 10 * u64::from(fill_percent);
        let passes = budget / pass_micros.max(1);
        Self {
            n,
            passes: passes.clamp(1, u64::from(MAX_PASSES)) as u32,
        }
    }

    /// The work for a device that claims to take `pass_micros` for a pass of size `n`: the largest n with at least
    /// [`MIN_PASSES`] passes, so that they fill the window closely.
    pub fn for_claim(mut n: u32, mut pass_micros: u64, fill_percent: u32, window_ms: u32) -> Self {
        let budget = u64::from(window_ms) * 10 * u64::from(fill_percent);
        while n > LEAST_N && budget / pass_micros.max(1) < MIN_PASSES {
            n /= 2;
            pass_micros /= 8;
        }
        while n < MAX_N && budget / pass_micros.max(1) >= 16 * MIN_PASSES {
            n *= 2;
            pass_micros = pass_micros.saturating_mul(8);
        }
        Self::for_window(n, pass_micros, fill_percent, window_ms)
    }

    /// Seconds between two rounds of one oracle so that `oracles` of them together stay within the budget when each takes
    /// `busy_ms` of the device, at least `least_seconds`.
    pub fn round_seconds(oracles: u32, busy_ms: u64, least_seconds: u32) -> u32 {
        let needed = (busy_ms * 1_000 * u64::from(oracles)).div_ceil(u64::from(BUDGET_PPM));
        u32::try_from(needed).unwrap_or(u32::MAX).max(least_seconds)
    }
}

/// What a round takes of a device, milliseconds: a window's fill for the passes, as much for filling memory, and half as much for the walk and
/// for opening rows.
pub fn busy_ms(window_ms: u32, fill_percent: u32) -> u64 {
    u64::from(window_ms) * 5 * u64::from(fill_percent) / 200
}

/// The time that one oracle's proofs may still take of a device. It grows by the oracle's part of the budget, up to an hour's part; a round
/// may begin while there is any left, and what it takes beyond that, as much again at most, is made up for before the next.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    left_micros: i64,
    at_ms: u64,
}

impl Allowance {
    /// An hour's part of one of `oracles`, microseconds.
    fn most(oracles: u32) -> i64 {
        3_600 * i64::from(BUDGET_PPM) / i64::from(oracles.max(1))
    }

    /// At `now_ms`, milliseconds from any one moment.
    pub fn new(now_ms: u64, oracles: u32) -> Self {
        Self {
            left_micros: Self::most(oracles),
            at_ms: now_ms,
        }
    }

    /// Whether a round of `micros` may begin, and if so counts it.
    pub fn spend(&mut self, now_ms: u64, micros: u64, oracles: u32) -> bool {
        let passed = i64::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(i64::MAX);
        let grown =
            passed.saturating_mul(i64::from(BUDGET_PPM)) / 1_000 / i64::from(oracles.max(1));
        // What is less than a microsecond is not lost: time counts from where it was last whole.
        if grown > 0 {
            self.left_micros = self
                .left_micros
                .saturating_add(grown)
                .min(Self::most(oracles));
            self.at_ms = now_ms;
        }
        let may = self.left_micros > 0;
        if may {
            self.left_micros = self
                .left_micros
                .saturating_sub(i64::try_from(micros).unwrap_or(i64::MAX));
        }
        may
    }

    /// A round that was counted as `reckoned` microseconds took `micros` in fact. A machine that stood still owes no more than an hour's part.
    pub fn correct(&mut self, reckoned: u64, micros: u64, oracles: u32) {
        let signed = |micros| i64::try_from(micros).unwrap_or(i64::MAX);
        self.left_micros = self
            .left_micros
            .saturating_add(signed(reckoned))
            .saturating_sub(signed(micros))
            .max(-Self::most(oracles));
    }
}

/// The matrix size for a device of `tops_e2` (hundredths of TOPS).
pub fn n_for(tops_e2: u32) -> u32 {
    let in_a_pass = u128::from(tops_e2.max(1)) * 10_000 * u128::from(PASS_MICROS);
    let mut n = LEAST_N;
    while n < MAX_N && 2 * u128::from(n).pow(3) < in_a_pass {
        n *= 2;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hundredths of TOPS: the least that fills the window as it should, and beyond any chip's dense peak (a B200's is 4,500).
    const LEAST_E2: u32 = 3;
    const MOST_E2: u32 = 500_000;

    /// Parts of the window that one device's passes fill when it does what it claims, by both ways to a shape.
    fn fills(tops_e2: u32) -> [f64; 2] {
        let n = n_for(tops_e2);
        let pass = (2.0 * f64::from(n).powi(3) / (f64::from(tops_e2) * 1e10) * 1e6) as u64;
        [
            Shape::for_window(n, pass, FILL_PERCENT, WINDOW_MS),
            Shape::for_claim(n, pass, FILL_PERCENT, WINDOW_MS),
        ]
        .map(|shape| {
            assert!(shape.check().is_ok(), "{tops_e2}: {shape:?}");
            let of_n = pass as f64 * (f64::from(shape.n) / f64::from(n)).powi(3);
            of_n * f64::from(shape.passes) / 1_000.0 / f64::from(WINDOW_MS)
        })
    }

    #[test]
    fn one_device_fills_seventy_to_seventy_five_percent_of_the_window_and_two_identities_do_not_fit()
     {
        // A prime step, so that no power of two is kept to.
        let speeds = (LEAST_E2..100).chain((100..MOST_E2).step_by(37));
        for tops_e2 in speeds.chain([24_000, 66_000, 120_000, 198_000]) {
            for fill in fills(tops_e2) {
                assert!((0.70..=0.75).contains(&fill), "{tops_e2} fills {fill}");
                assert!(2.0 * fill > 1.0);
            }
        }
    }

    /// A board of 0.01 or 0.02 TOPS does few passes of the least n, and what is slower one.
    #[test]
    fn the_slowest_devices_fill_less_by_up_to_a_pass() {
        for (tops_e2, least, most) in [(1, 0.64, 0.65), (2, 0.69, 0.70)] {
            for fill in fills(tops_e2) {
                assert!((least..most).contains(&fill), "{tops_e2} fills {fill}");
            }
        }
        for pass_micros in [800_000, 1_500_000, 1_500_001, 60_000_000] {
            let shape = Shape::for_claim(LEAST_N, pass_micros, FILL_PERCENT, WINDOW_MS);
            assert_eq!((shape.n, shape.passes), (LEAST_N, 1), "{pass_micros}");
        }
    }

    /// However far a claim is off, the work stays within what is asked of an honest device or is the least there is.
    #[test]
    fn any_claim_gives_a_valid_shape_within_the_window() {
        for n in [1_024, 2_048, 32_768] {
            for pass in [0, 1, 1_000, 100_000, u64::MAX] {
                let shape = Shape::for_claim(n, pass, FILL_PERCENT, WINDOW_MS);
                assert!(shape.check().is_ok(), "{n} {pass}: {shape:?}");
            }
        }
        let slow = Shape::for_claim(32_768, u64::MAX, FILL_PERCENT, WINDOW_MS);
        assert_eq!((slow.n, slow.passes), (LEAST_N, 1));
    }

    #[test]
    fn the_figure_follows_from_operations_and_time() {
        let shape = Shape {
            n: 16_384,
            passes: 10,
        };
        // 2·16384³·10 operations in 0.1 s are 879.6 TOPS.
        assert_eq!(shape.tops_e2(100_000), 87_960);
        assert_eq!(shape.tops_e2(0), u32::MAX);
    }

    /// Rounds come up to a fifth earlier than at the latest, and all of them fit; more than that don't.
    #[test]
    fn regular_rounds_always_fit_and_no_more_than_the_budget_is_spent() {
        let busy = busy_ms(WINDOW_MS, FILL_PERCENT);
        for oracles in 1..=32 {
            let least = u64::from(Shape::round_seconds(oracles, busy, 0));
            let mut allowance = Allowance::new(0, oracles);
            for round in 0..1_000 {
                let now_ms = round * least * 1_000;
                assert!(
                    allowance.spend(now_ms, busy * 1_000, oracles),
                    "{oracles}, {round}"
                );
            }
            // Whoever asks every second has its part, and an hour's more at the beginning.
            let mut allowance = Allowance::new(0, oracles);
            let hours = 200;
            let asked =
                (0..hours * 3_600).filter(|s| allowance.spend(s * 1_000, busy * 1_000, oracles));
            let spent_ms = asked.count() as u64 * busy;
            let hours_part = 3_600 * u64::from(BUDGET_PPM) / 1_000 / u64::from(oracles);
            let part = hours * hours_part;
            assert!(
                spent_ms <= part + hours_part + busy,
                "{oracles}: {spent_ms} of {part}"
            );
            assert!(
                spent_ms + 2 * busy >= part,
                "{oracles}: {spent_ms} of {part}"
            );
        }
    }

    #[test]
    fn what_a_round_took_in_fact_is_made_up_for() {
        let mut allowance = Allowance::new(0, 3);
        assert!(allowance.spend(0, 1, 3));
        // It took the hour's part of 6 s, and 1 s more: a sixth of an hour's growth.
        allowance.correct(1, 7_000_000, 3);
        assert!(!allowance.spend(599_000, 1, 3));
        assert!(allowance.spend(601_000, 1, 3));
        // A machine that slept.
        let mut slept = Allowance::new(0, 3);
        assert!(slept.spend(0, 1, 3));
        slept.correct(1, 600_000_000, 3);
        assert!(!slept.spend(3_600_000, 1, 3));
        assert!(slept.spend(3_601_000, 1, 3));
        // However long nothing is asked, it is never more than an hour's.
        assert!(allowance.spend(1_000_000_000, 6_000_000, 3));
        assert!(!allowance.spend(1_000_000_000, 1, 3));
    }

    #[test]
    fn any_number_of_oracles_stays_within_the_budget() {
        for oracles in 1..=32 {
            let busy_ms = busy_ms(WINDOW_MS, FILL_PERCENT);
            let every = u64::from(Shape::round_seconds(oracles, busy_ms, ROUND_SECONDS));
            assert!(
                busy_ms * u64::from(oracles) * 1_000 <= every * u64::from(BUDGET_PPM),
                "{oracles}"
            );
        }
    }
}
