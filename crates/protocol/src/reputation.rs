//! The on-chain reputation score of a device, in basis points (0 to 10,000).
//!
//! `score = (completed + 4) / (completed + 4·failed + 8)`, a smoothed success rate in which a failure
//! weighs four successes: a newcomer starts at 5,000, so it can be asked for nothing more than a renter chooses to
//! ask, twelve jobs done well bring 8,000, and one failure in a hundred costs about 4 %.

/// Weight of a failure against a success.
const FAILURE_WEIGHT: u128 = 4;
/// Prior successes and prior observations: they set the newcomer's score to one half.
const PRIOR_SUCCESS: u128 = 4;
const PRIOR_TOTAL: u128 = 8;

/// Score in basis points of a device that completed `completed` jobs and failed `failed` (expired or rejected).
pub fn score_bps(completed: u64, failed: u64) -> u16 {
    let good = completed as u128 + PRIOR_SUCCESS;
    let all = completed as u128 + FAILURE_WEIGHT * failed as u128 + PRIOR_TOTAL;
    (good * 10_000 / all) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn landmarks() {
        assert_eq!(score_bps(0, 0), 5_000);
        assert_eq!(score_bps(12, 0), 8_000);
        assert_eq!(score_bps(99, 1), 9_279);
        assert_eq!(score_bps(0, 1), 3_333);
        assert!(score_bps(u64::MAX, 0) <= 10_000);
    }

    proptest! {
        #[test]
        fn success_raises_and_failure_lowers(c in 0u64..1 << 50, f in 0u64..1 << 50) {
            prop_assert!(score_bps(c + 1, f) >= score_bps(c, f));
            prop_assert!(score_bps(c, f + 1) <= score_bps(c, f));
            prop_assert!(score_bps(c, f) <= 10_000);
        }
    }
}
