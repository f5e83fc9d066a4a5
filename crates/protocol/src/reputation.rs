//! Reputation: a score in basis points (0 to 10,000) from what a device and its provider did.
//!
//! ```text
//! good  = min(jobs completed, 4 · log₂(1 + volume / 1 IO))
//! score = (good + 4) / (good + 4 · jobs failed + 8), at least 1,000
//! ```
//!
//! Jobs completed, jobs failed and volume (what was earned, weighed in IO) halve every 90 days, a day at a time. So:
//! - a newcomer starts at 5,000, and whoever failed long ago comes back to it;
//! - a failure weighs four successes;
//! - many jobs count only with the volume to go with them, and volume counts less and less: splitting a payment into many
//!   jobs, or paying for one large one, gains nothing;
//! - nobody falls so low that no renter's minimum lets them back.
//!
//! `docs/reputation.md` works out what faking it costs.

/// Days in which a record loses half its weight.
pub const HALF_LIFE_DAYS: u64 = 90;
/// Seconds in a day.
pub const DAY_SECONDS: i64 = 86_400;
/// Nobody's score is lower, basis points.
pub const FLOOR_BPS: u16 = 1_000;
/// Score of somebody without a record, basis points.
pub const NEWCOMER_BPS: u16 = 5_000;
/// Scale of the counters: one job is 2¹⁶.
pub const ONE: u64 = 1 << SHIFT;

const SHIFT: u32 = 16;
/// 2^(−1/90) · 2³², rounded down.
const DAY_FACTOR: u64 = 4_262_016_076;
/// After that many days nothing is left of 64 bits.
const FORGOTTEN_DAYS: u64 = 64 * HALF_LIFE_DAYS;
/// Weight of a failure against a success.
const FAILURE_WEIGHT: u64 = 4;
/// Prior successes and prior observations: they set the newcomer's score to one half.
const PRIOR_SUCCESS: u64 = 4 * ONE;
const PRIOR_TOTAL: u64 = 8 * ONE;
/// Volume that counts as one step, IO base units.
const VOLUME_UNIT: u64 = 100_000_000;
/// Jobs that a doubling of volume is worth.
const JOBS_A_DOUBLING: u64 = 4;

/// The day (since the Unix epoch) that a Unix time lies in. Times before 1970 count as day 0.
pub fn day_of(unix_seconds: i64) -> u64 {
    unix_seconds.max(0) as u64 / DAY_SECONDS as u64
}

/// What somebody did, as it weighs on `day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Jobs completed, scaled by [`ONE`].
    pub completed: u64,
    /// Jobs failed (expired or rejected), scaled by [`ONE`].
    pub failed: u64,
    /// Earned, IO base units.
    pub volume: u64,
    /// Days since the Unix epoch.
    pub day: u64,
}

impl Record {
    /// The same record as it weighs on a later day; an earlier one changes nothing. Rounded down.
    pub fn on(self, day: u64) -> Self {
        let Some(days) = day.checked_sub(self.day).filter(|days| *days > 0) else {
            return self;
        };
        let factor = factor(days);
        Self {
            completed: scale(self.completed, factor),
            failed: scale(self.failed, factor),
            volume: scale(self.volume, factor),
            day,
        }
    }

    /// A completed job that earned `volume`, IO base units.
    pub fn succeeded(self, volume: u64, day: u64) -> Self {
        let now = self.on(day);
        Self {
            completed: now.completed.saturating_add(ONE),
            volume: now.volume.saturating_add(volume),
            ..now
        }
    }

    /// A job that expired or was rejected.
    pub fn failed(self, day: u64) -> Self {
        let now = self.on(day);
        Self {
            failed: now.failed.saturating_add(ONE),
            ..now
        }
    }

    /// Both records as one.
    pub fn with(self, other: Self) -> Self {
        let day = self.day.max(other.day);
        let (a, b) = (self.on(day), other.on(day));
        Self {
            completed: a.completed.saturating_add(b.completed),
            failed: a.failed.saturating_add(b.failed),
            volume: a.volume.saturating_add(b.volume),
            day,
        }
    }

    /// The score on `day`, basis points.
    pub fn score_bps(self, day: u64) -> u16 {
        let now = self.on(day);
        let good = now.completed.min(worth(now.volume));
        // Jobs that volume vouches for are few: products stay far below 2⁶⁴.
        let bad = now.failed.min(1 << 40) * FAILURE_WEIGHT;
        let score = (good + PRIOR_SUCCESS) * 10_000 / (good + bad + PRIOR_TOTAL);
        (score as u16).max(FLOOR_BPS)
    }
}

/// 2^(−days/90) in 32 fractional bits, rounded down.
fn factor(days: u64) -> u64 {
    if days >= FORGOTTEN_DAYS {
        return 0;
    }
    // Whole half-lives are shifts, so at most 89 days are multiplied out.
    let (halves, mut rest) = (days / HALF_LIFE_DAYS, days % HALF_LIFE_DAYS);
    let (mut result, mut power) = (1u64 << 32, DAY_FACTOR);
    while rest > 0 {
        if rest & 1 == 1 {
            result = scale(result, power);
        }
        power = scale(power, power);
        rest >>= 1;
    }
    result >> halves.min(63)
}

/// `value · factor / 2³²`, rounded down, for a factor of at most 2³².
fn scale(value: u64, factor: u64) -> u64 {
    (value >> 32) * factor + (((value & 0xffff_ffff) * factor) >> 32)
}

/// Jobs that a volume vouches for, scaled by [`ONE`]: `4 · log₂(1 + volume / 1 IO)`, the logarithm taken linearly between
/// powers of two.
fn worth(volume: u64) -> u64 {
    let x =
        ((volume / VOLUME_UNIT) << SHIFT) + ((volume % VOLUME_UNIT) << SHIFT) / VOLUME_UNIT + ONE;
    let whole = x.ilog2() - SHIFT;
    let fraction = (x >> whole) - ONE;
    JOBS_A_DOUBLING * ((u64::from(whole) << SHIFT) + fraction)
}

/// Reservation fee of a provider with this score, basis points: at best half of the renter's, at a newcomer's score and below
/// all of it. Rounded up.
pub fn provider_reserve_bps(reserve_bps: u16, score_bps: u16) -> u16 {
    let above = u32::from(score_bps.min(10_000).saturating_sub(NEWCOMER_BPS));
    reserve_bps - (u32::from(reserve_bps) * above / 10_000) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IO: u64 = VOLUME_UNIT;

    fn record(completed: u64, failed: u64, volume: u64) -> Record {
        Record {
            completed: completed * ONE,
            failed: failed * ONE,
            volume,
            day: 100,
        }
    }

    fn score(completed: u64, failed: u64, volume: u64) -> u16 {
        record(completed, failed, volume).score_bps(100)
    }

    #[test]
    fn landmarks() {
        assert_eq!(score(0, 0, 0), NEWCOMER_BPS);
        assert_eq!(score(12, 0, 7 * IO), 8_000, "4 · log₂ 8 = 12 jobs");
        assert_eq!(score(12, 0, u64::MAX), 8_000, "no more than there were");
        assert_eq!(score(u64::MAX / ONE, 0, 0), 5_000, "jobs for nothing");
        assert_eq!(score(1_000, 0, 1_023 * IO), 9_166);
        assert_eq!(score(1_000, 0, 1_023 * IO), score(40, 0, 1_023 * IO));
        assert_eq!(score(0, 1, 0), 3_333);
        assert_eq!(score(0, 8, 0), 1_000);
        assert_eq!(score(0, u64::MAX / ONE, 0), FLOOR_BPS);
        assert!(score(u64::MAX / ONE, u64::MAX / ONE, u64::MAX) >= FLOOR_BPS);
    }

    /// Figures that docs/reputation.md gives.
    #[test]
    fn the_figures_of_the_documentation() {
        assert_eq!(score(100, 0, 127 * IO), 8_888);
        assert_eq!(score(1_000, 0, 1_023 * IO), 9_166);
        assert_eq!(score(1_000, 0, 262_143 * IO), 9_500);
        assert_eq!(score(40, 1, 1_023 * IO), 8_461);
        assert_eq!(record(0, 5, 0).score_bps(190), 2_222);
        assert_eq!(provider_reserve_bps(25, 9_166), 15);
    }

    #[test]
    fn a_day_has_86_400_seconds() {
        assert_eq!(day_of(i64::MIN), 0);
        assert_eq!(day_of(-1), 0);
        assert_eq!(day_of(86_399), 0);
        assert_eq!(day_of(86_400), 1);
        assert_eq!(day_of(i64::MAX), 106_751_991_167_300);
    }

    #[test]
    fn what_is_done_counts_on_its_day() {
        let before = record(2, 1, 3 * IO);
        let after = before.succeeded(IO, 190);
        assert_eq!(
            after,
            Record {
                completed: 2 * ONE,
                failed: ONE / 2,
                volume: 5 * IO / 2,
                day: 190
            }
        );
        let after = before.failed(190);
        assert_eq!(
            after,
            Record {
                completed: ONE,
                failed: 3 * ONE / 2,
                volume: 3 * IO / 2,
                day: 190
            }
        );
        // Of what comes late, nothing is taken back, and no day is counted twice.
        assert_eq!(before.on(100), before);
        assert_eq!(before.on(99), before);
        assert_eq!(before.succeeded(0, 99).day, 100);
    }

    #[test]
    fn worth_is_the_logarithm() {
        for (volume, jobs) in [(0, 0), (IO, 4), (3 * IO, 8), (1_023 * IO, 40)] {
            assert_eq!(worth(volume), jobs * ONE);
        }
        assert_eq!(worth(IO / 2), 2 * ONE);
        assert!(worth(u64::MAX) < 152 * ONE);
    }

    #[test]
    fn records_halve_in_90_days() {
        let record = record(64, 32, 1_000 * IO);
        for halves in 1..10u64 {
            let later = record.on(100 + 90 * halves);
            assert_eq!(later.completed, (64 * ONE) >> halves);
            assert_eq!(later.failed, (32 * ONE) >> halves);
            assert_eq!(later.volume, (1_000 * IO) >> halves);
        }
        let gone = record.on(u64::MAX);
        assert_eq!((gone.completed, gone.failed, gone.volume), (0, 0, 0));
        assert_eq!(gone.score_bps(u64::MAX), NEWCOMER_BPS);
        // A failure is forgiven by time alone.
        assert!(score(0, 5, 0) < 2_000);
        assert!(
            Record {
                failed: 5 * ONE,
                ..Record::default()
            }
            .score_bps(900)
                > 4_800
        );
    }

    #[test]
    fn the_days_factor_is_right() {
        // 90 days by single steps come to one half, within the rounding of 90 products.
        let mut record = record(1 << 30, 0, 0);
        for day in 101..=190 {
            record = record.on(day);
        }
        let half = (1u64 << 30) * ONE / 2;
        assert!(record.completed <= half && half - record.completed < half >> 24);
        let exact = (2f64).powf(-1.0 / 90.0) * (1u64 << 32) as f64;
        assert!((exact - DAY_FACTOR as f64).abs() < 1.5, "{exact}");
    }

    #[test]
    fn discounts() {
        assert_eq!(provider_reserve_bps(25, 0), 25);
        assert_eq!(provider_reserve_bps(25, 5_000), 25);
        assert_eq!(provider_reserve_bps(25, 8_000), 18);
        assert_eq!(provider_reserve_bps(25, 10_000), 13);
        assert_eq!(provider_reserve_bps(500, u16::MAX), 250);
        assert_eq!(provider_reserve_bps(0, 10_000), 0);
        assert_eq!(provider_reserve_bps(u16::MAX, 10_000), 32_768);
    }

    proptest! {
        #[test]
        fn success_raises_and_failure_lowers(c in 0u64..1 << 40, f in 0u64..1 << 20, v: u64, more in 0u64..1 << 50) {
            let record = Record { completed: c, failed: f * ONE / 7, volume: v, day: 9 };
            let now = record.score_bps(9);
            prop_assert!(record.succeeded(more, 9).score_bps(9) >= now);
            prop_assert!(record.failed(9).score_bps(9) <= now);
            prop_assert!((FLOOR_BPS..=10_000).contains(&now));
        }

        /// However a volume is split into jobs, and however the jobs are grouped into devices, it vouches for the same.
        #[test]
        fn splitting_gains_nothing(parts in prop::collection::vec(0u64..1 << 40, 1..30)) {
            let whole = parts.iter().fold(Record::default(), |r, v| r.succeeded(*v, 5));
            let total: u64 = parts.iter().sum();
            let most = Record { completed: u64::MAX, volume: total, ..whole };
            prop_assert!(whole.score_bps(5) <= most.score_bps(5));
            let (left, right) = parts.split_at(parts.len() / 2);
            let one = |parts: &[u64]| parts.iter().fold(Record::default(), |r, v| r.succeeded(*v, 5));
            prop_assert_eq!(one(left).with(one(right)), whole);
        }

        /// Looking often or seldom comes to the same, but for rounding.
        #[test]
        fn decay_does_not_depend_on_how_often_it_is_taken(v in 0u64..1 << 60, a in 0u64..400, b in 0u64..400) {
            let record = Record { volume: v, ..Record::default() };
            let (once, twice) = (record.on(a + b).volume, record.on(a).on(a + b).volume);
            let error = once.abs_diff(twice);
            prop_assert!(error <= 2 + (v >> 24), "{once} and {twice}");
        }

        #[test]
        fn nothing_overflows(completed: u64, failed: u64, volume: u64, day: u64, on: u64, more: u64) {
            let record = Record { completed, failed, volume, day };
            let other = record.succeeded(more, on).failed(on).with(record);
            prop_assert!((FLOOR_BPS..=10_000).contains(&other.score_bps(on)));
        }
    }
}
