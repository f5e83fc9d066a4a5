//! The treasury buys IO back: a rising price inside bounds, a budget an epoch, and what is bought is burned.

use crate::money::{E9, MoneyError};

/// The price at `elapsed` of `length` seconds: rises evenly from `floor` to `ceiling`, rounded down. Base units of the mint
/// for 10⁹ base units of IO.
pub fn price_at(floor: u64, ceiling: u64, elapsed: u64, length: u64) -> u64 {
    let length = length.max(1);
    let rise = u128::from(ceiling.saturating_sub(floor)) * u128::from(elapsed.min(length));
    floor.saturating_add((rise / u128::from(length)) as u64)
}

/// What the treasury pays for `io` base units of IO, rounded **down**.
pub fn payout_floor(io: u64, price_e9: u64) -> Result<u64, MoneyError> {
    u64::try_from(u128::from(io) * u128::from(price_e9) / E9).map_err(|_| MoneyError::Overflow)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_price_rises_from_floor_to_ceiling() {
        assert_eq!(price_at(100, 200, 0, 3_600), 100);
        assert_eq!(price_at(100, 200, 1_800, 3_600), 150);
        assert_eq!(price_at(100, 200, 3_599, 3_600), 199);
        assert_eq!(price_at(100, 200, 3_600, 3_600), 200);
        assert_eq!(price_at(100, 200, 9_999, 3_600), 200);
        assert_eq!(price_at(0, u64::MAX, u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(price_at(5, 5, 0, 0), 5);
    }

    #[test]
    fn a_payout_is_price_times_amount() {
        // 2 USDC (6 decimals) for 1 IO (8 decimals): 20,000,000 for 10⁹ base units.
        assert_eq!(payout_floor(100_000_000, 20_000_000), Ok(2_000_000));
        assert_eq!(payout_floor(49, 20_000_000), Ok(0));
        assert_eq!(payout_floor(50, 20_000_000), Ok(1));
        assert_eq!(payout_floor(u64::MAX, u64::MAX), Err(MoneyError::Overflow));
    }

    proptest! {
        #[test]
        fn prices_rise_and_stay_inside(a: u64, b: u64, s in 0u64..10_000, t in 0u64..10_000) {
            let (floor, ceiling) = (a.min(b), a.max(b));
            let (early, late) = (price_at(floor, ceiling, s.min(t), 3_600), price_at(floor, ceiling, s.max(t), 3_600));
            prop_assert!(floor <= early && early <= late && late <= ceiling);
        }

        #[test]
        fn selling_in_parts_never_brings_more(x in 0u64..1 << 40, y in 0u64..1 << 40, price in 0u64..1 << 40) {
            let apart = payout_floor(x, price).unwrap() + payout_floor(y, price).unwrap();
            let whole = payout_floor(x + y, price).unwrap();
            prop_assert!(apart <= whole && whole <= apart + 1);
            prop_assert!(u128::from(whole) * E9 <= u128::from(x + y) * u128::from(price));
        }
    }
}
