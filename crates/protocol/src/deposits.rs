//! Sponsored deposits: several payers fund one escrow, and each gets its share of what is left.
//!
//! A deposit covers an interval of the escrow: the payer's own from 0, each sponsor's from where the one before ended. Its
//! share of a refund is the difference of two rounded-down fractions, so that all shares add up to the refund exactly,
//! however many there are and whenever each is paid.

use crate::money::MoneyError;

/// A deposit covers at least one in this many of the escrow, or all that is missing: so nobody can hang more than as many
/// on a job.
pub const MIN_DEPOSIT_SHARE: u64 = 64;

/// Share of the deposit that covers `[start, start + amount)` of `funded` in a refund:
/// `⌊refund · (start + amount) / funded⌋ − ⌊refund · start / funded⌋`.
pub fn refund_share(refund: u64, start: u64, amount: u64, funded: u64) -> Result<u64, MoneyError> {
    let end = start.checked_add(amount).ok_or(MoneyError::Overflow)?;
    if funded == 0 || end > funded {
        return Err(MoneyError::Overflow);
    }
    // No more than `refund` each, since neither point lies beyond `funded`.
    let up_to = |point: u64| (u128::from(refund) * u128::from(point) / u128::from(funded)) as u64;
    Ok(up_to(end) - up_to(start))
}

/// What a sponsor who offers `amount` puts into an escrow of which `funded` is there: no more than is missing. `None` when
/// nothing is missing, or when it would be too little to count.
pub fn accepted_deposit(amount: u64, funded: u64, escrow: u64) -> Option<u64> {
    let missing = escrow.checked_sub(funded)?;
    let taken = amount.min(missing);
    let enough = taken == missing || taken >= escrow.div_ceil(MIN_DEPOSIT_SHARE);
    (taken > 0 && enough).then_some(taken)
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn worked_example() {
        // 100 escrowed as 50, 30 and 20; 33 come back.
        let shares: Vec<_> = [(0, 50), (50, 30), (80, 20)]
            .into_iter()
            .map(|(start, amount)| refund_share(33, start, amount, 100).unwrap())
            .collect();
        assert_eq!(shares, [16, 10, 7]);
        assert_eq!(refund_share(1, 0, 1, 0), Err(MoneyError::Overflow));
        assert_eq!(refund_share(1, 0, 101, 100), Err(MoneyError::Overflow));
        assert_eq!(refund_share(1, u64::MAX, 1, 100), Err(MoneyError::Overflow));
        assert_eq!(refund_share(u64::MAX, 0, u64::MAX, u64::MAX), Ok(u64::MAX));
    }

    #[test]
    fn deposits_are_neither_too_small_nor_too_many() {
        assert_eq!(accepted_deposit(10, 0, 640), Some(10));
        assert_eq!(accepted_deposit(9, 0, 640), None, "below a 64th");
        assert_eq!(accepted_deposit(10, 0, 641), None, "a 64th, rounded up");
        assert_eq!(
            accepted_deposit(9, 635, 640),
            Some(5),
            "all that is missing"
        );
        assert_eq!(accepted_deposit(4, 635, 640), None);
        assert_eq!(accepted_deposit(9, 640, 640), None, "nothing is missing");
        assert_eq!(accepted_deposit(9, 641, 640), None);
        assert_eq!(accepted_deposit(0, 0, 640), None);
        assert_eq!(accepted_deposit(u64::MAX, 0, 640), Some(640));
    }

    proptest! {
        /// Against exact rationals: the shares add up to the refund, and none is a whole unit away from its fraction.
        #[test]
        fn shares_add_up(parts in prop::collection::vec(1u64..1 << 50, 1..20), refund: u64) {
            let funded: u64 = parts.iter().sum();
            let (mut start, mut sum) = (0, 0u64);
            for amount in &parts {
                let share = refund_share(refund, start, *amount, funded).unwrap();
                let exact = BigRational::new(BigInt::from(refund) * BigInt::from(*amount), BigInt::from(funded));
                let off = exact - BigRational::from(BigInt::from(share));
                let one = BigRational::from(BigInt::from(1));
                prop_assert!(off > -one.clone() && off < one);
                start += amount;
                sum += share;
            }
            prop_assert_eq!(sum, refund);
        }

        #[test]
        fn no_deposit_overfunds(amount: u64, funded: u64, escrow: u64) {
            if let Some(taken) = accepted_deposit(amount, funded, escrow) {
                prop_assert!(taken <= amount && funded + taken <= escrow);
            }
        }
    }
}
