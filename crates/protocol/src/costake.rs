//! Co-staking: others' stake beside a provider's own.
//!
//! Co-stakers hold *shares* of a pool. Only recorded assets count, so whatever somebody sends to the pool's vault changes
//! nothing. A slash takes the owner's stake first, then pool assets, so that all shares lose alike. Rewards are an accumulator
//! per share, scaled by 2⁶⁴ and rounded down: who joins later earns nothing of the past, and what is paid never exceeds
//! what came in.

use crate::money::{BPS, MoneyError, fee_ceil};

/// Fraction bits of the reward accumulator.
const ACC_BITS: u32 = 64;

/// Why shares cannot be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// The pool lost everything while shares are still held: nothing can be priced until their holders have left.
    WipedOut,
    /// Rounding would cost the joiner more than 0.01 % and one base unit.
    Dust,
    /// The result does not fit.
    Overflow,
}

/// Shares for `amount` base units joining a pool of `shares` that are worth `assets`, rounded **down**.
///
/// The first share costs one base unit. A join that would lose more than a ten-thousandth (and one base unit) to rounding is
/// refused: no history of slashes and returns can make a later joiner pay for dust shares.
pub fn shares_for(amount: u64, shares: u64, assets: u64) -> Result<u64, JoinError> {
    if shares == 0 {
        return Ok(amount);
    }
    if assets == 0 {
        return Err(JoinError::WipedOut);
    }
    let issued = u64::try_from(u128::from(amount) * u128::from(shares) / u128::from(assets))
        .map_err(|_| JoinError::Overflow)?;
    let all_shares = shares.checked_add(issued).ok_or(JoinError::Overflow)?;
    let all_assets = assets.checked_add(amount).ok_or(JoinError::Overflow)?;
    let worth = assets_of(issued, all_shares, all_assets);
    // Who gets a share puts in at least a base unit.
    if issued == 0 || worth < amount - amount / BPS - 1 {
        return Err(JoinError::Dust);
    }
    Ok(issued)
}

/// What `held` of `shares` are worth, rounded **down**. All of them are worth all assets.
pub fn assets_of(held: u64, shares: u64, assets: u64) -> u64 {
    if shares == 0 || held == 0 {
        return 0;
    }
    // held ≤ shares: the quotient is at most `assets`.
    (u128::from(held.min(shares)) * u128::from(assets) / u128::from(shares)) as u64
}

/// A loss between the owner's stake and the pool: the owner's first. Returns (owner's part, pool's part).
pub fn split_loss(amount: u64, staked: u64, pool: u64) -> Result<(u64, u64), MoneyError> {
    let owner = amount.min(staked);
    let rest = amount - owner;
    if rest > pool {
        return Err(MoneyError::Overflow);
    }
    Ok((owner, rest))
}

/// Divides a claimed reward between the owner and the pool's earning shares by what each has at stake. The pool's part is
/// rounded **down**; shares that do not earn yet count as if they weren't there. Returns (owner's part, pool's part).
pub fn split_reward(amount: u64, staked: u64, pool: u64, shares: u64, earning: u64) -> (u64, u64) {
    let weight = u128::from(assets_of(earning, shares, pool));
    if weight == 0 {
        return (amount, 0);
    }
    let all = u128::from(staked) + weight;
    // weight ≤ all: the quotient is at most `amount`.
    let part = (u128::from(amount) * weight / all) as u64;
    (amount - part, part)
}

/// The accumulator after `reward` base units came in for `earning` shares (not zero), rounded **down**.
pub fn accrue(acc: u128, reward: u64, earning: u64) -> Result<u128, MoneyError> {
    let step = (u128::from(reward) << ACC_BITS)
        .checked_div(u128::from(earning))
        .ok_or(MoneyError::Overflow)?;
    acc.checked_add(step).ok_or(MoneyError::Overflow)
}

/// What `shares` earned while the accumulator went from `since` to `acc`, rounded **down**.
///
/// Shares never exceeded the earning shares of any step in between, so the product is at most 2⁶⁴ times all rewards and fits.
pub fn earned(shares: u64, acc: u128, since: u128) -> Result<u64, MoneyError> {
    let grown = acc.checked_sub(since).ok_or(MoneyError::Overflow)?;
    let scaled = grown
        .checked_mul(u128::from(shares))
        .ok_or(MoneyError::Overflow)?;
    u64::try_from(scaled >> ACC_BITS).map_err(|_| MoneyError::Overflow)
}

/// Divides a co-staker's earnings by its own terms; the commission is rounded **up**. Returns (co-staker's, owner's).
pub fn split_commission(earnings: u64, commission_bps: u16) -> Result<(u64, u64), MoneyError> {
    let commission = fee_ceil(earnings, commission_bps)?.min(earnings);
    Ok((earnings - commission, commission))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;

    fn big(x: u64) -> BigRational {
        BigRational::from_integer(BigInt::from(x))
    }

    #[test]
    fn the_first_share_costs_one_base_unit() {
        assert_eq!(shares_for(500, 0, 0), Ok(500));
        assert_eq!(shares_for(500, 1_000, 500), Ok(1_000));
        assert_eq!(assets_of(1_000, 2_000, 1_000), 500);
        assert_eq!(assets_of(7, 0, 9), 0);
    }

    #[test]
    fn a_pool_that_lost_everything_takes_nobody() {
        assert_eq!(shares_for(500, 10, 0), Err(JoinError::WipedOut));
    }

    #[test]
    fn dust_shares_are_worth_no_join() {
        // One share worth 1,000: 1,999 would buy one share and lose half of it.
        assert_eq!(shares_for(1_999, 1, 1_000), Err(JoinError::Dust));
        assert_eq!(shares_for(999, 1, 1_000), Err(JoinError::Dust));
        assert_eq!(shares_for(2_000, 1, 1_000), Ok(2));
        assert_eq!(shares_for(0, 10, 10), Err(JoinError::Dust));
    }

    #[test]
    fn a_join_may_lose_a_ten_thousandth_and_one_base_unit() {
        // 3,327 shares, worth 19,997 of the 20,000: two for the ten-thousandth, and one.
        assert_eq!(shares_for(20_000, 46_602, 280_113), Ok(3_327));
        // 4,119 shares, worth 24,996 of the 25,000: one too many.
        assert_eq!(shares_for(25_000, 31_025, 188_273), Err(JoinError::Dust));
        assert_eq!(shares_for(0, 5, 5), Err(JoinError::Dust));
    }

    #[test]
    fn the_owner_loses_first() {
        assert_eq!(split_loss(70, 100, 50), Ok((70, 0)));
        assert_eq!(split_loss(120, 100, 50), Ok((100, 20)));
        assert_eq!(split_loss(150, 100, 50), Ok((100, 50)));
        assert_eq!(split_loss(151, 100, 50), Err(MoneyError::Overflow));
    }

    #[test]
    fn a_reward_is_divided_by_stake_and_each_ones_own_terms() {
        // 300 of the owner, 100 in the pool, all of it earning: a quarter is the pool's, 10 % of that the owner's.
        let (owner, pool) = split_reward(1_000, 300, 100, 100, 100);
        assert_eq!((owner, pool), (750, 250));
        let acc = accrue(0, pool, 100).unwrap();
        assert_eq!(earned(100, acc, 0), Ok(250));
        assert_eq!(split_commission(250, 1_000), Ok((225, 25)));
        // Half of the shares don't earn yet: what they would have earned is divided as if they weren't there.
        assert_eq!(split_reward(1_000, 300, 100, 100, 50), (858, 142));
        assert_eq!(split_reward(1_000, 0, 0, 0, 0), (1_000, 0));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Join(u64),
        Leave(usize),
        Reward(u64),
        Slash(u64),
        Return(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (1u64..1 << 50).prop_map(Step::Join),
            1 => (0usize..16).prop_map(Step::Leave),
            3 => (1u64..1 << 50).prop_map(Step::Reward),
            1 => (1u64..1 << 50).prop_map(Step::Slash),
            1 => (1u64..1 << 40).prop_map(Step::Return),
        ]
    }

    struct Member {
        shares: u64,
        since: u128,
        /// Exactly what it earned.
        exact: BigRational,
    }

    proptest! {
        /// Any history against exact fractions: nobody is paid more than is theirs, nobody misses more than a base unit for a
        /// payment, the pool never owes more than it has.
        #[test]
        fn any_history_against_exact_fractions(steps in proptest::collection::vec(step(), 1..60)) {
            let (mut shares, mut assets, mut acc) = (0u64, 0u64, 0u128);
            let mut members: Vec<Member> = Vec::new();
            let (mut put_in, mut paid, mut rewards, mut rewards_paid) = (0u128, 0u128, 0u128, 0u128);
            let mut accrued = 0u64;
            for step in steps {
                match step {
                    Step::Join(amount) => {
                        let Ok(issued) = shares_for(amount, shares, assets) else { continue };
                        if shares > 0 {
                            let fair = big(amount) * big(shares) / big(assets);
                            prop_assert!(big(issued) <= fair && fair < big(issued) + big(1));
                        }
                        shares += issued;
                        assets += amount;
                        put_in += u128::from(amount);
                        // No more than 0.01 % and one base unit is lost by joining and leaving at once.
                        prop_assert!(assets_of(issued, shares, assets) + amount / BPS + 1 >= amount);
                        members.push(Member { shares: issued, since: acc, exact: big(0) });
                    }
                    Step::Leave(which) => {
                        if members.is_empty() { continue }
                        let member = members.swap_remove(which % members.len());
                        let worth = assets_of(member.shares, shares, assets);
                        let fair = big(member.shares) * big(assets) / big(shares);
                        prop_assert!(big(worth) <= fair && fair < big(worth) + big(1));
                        shares -= member.shares;
                        assets -= worth;
                        paid += u128::from(worth);
                        let got = earned(member.shares, acc, member.since).unwrap();
                        prop_assert!(big(got) <= member.exact);
                        rewards_paid += u128::from(got);
                        let (own, commission) = split_commission(got, 777).unwrap();
                        prop_assert_eq!(own + commission, got);
                    }
                    Step::Reward(amount) => {
                        if shares == 0 { continue }
                        acc = accrue(acc, amount, shares).unwrap();
                        rewards += u128::from(amount);
                        accrued += 1;
                        for member in &mut members {
                            member.exact += big(amount) * big(member.shares) / big(shares);
                        }
                    }
                    Step::Slash(amount) => {
                        let loss = amount.min(assets);
                        assets -= loss;
                        paid += u128::from(loss);
                    }
                    Step::Return(amount) => {
                        if shares == 0 { continue }
                        assets += amount;
                        put_in += u128::from(amount);
                    }
                }
                prop_assert_eq!(put_in - paid, u128::from(assets));
                prop_assert_eq!(members.iter().map(|m| m.shares).sum::<u64>(), shares);
                let owed: u128 = members.iter().map(|m| u128::from(earned(m.shares, acc, m.since).unwrap())).sum();
                prop_assert!(rewards_paid + owed <= rewards);
            }
            // What rounding kept: less than a base unit for the payment, and 2⁻⁶⁴ a share for each accrual.
            for member in &members {
                let got = earned(member.shares, acc, member.since).unwrap();
                let accruals = BigRational::new(
                    BigInt::from(member.shares) * BigInt::from(accrued),
                    BigInt::from(1u128 << ACC_BITS),
                );
                prop_assert!(member.exact < big(got) + big(1) + accruals);
            }
        }

        #[test]
        fn a_reward_is_divided_whole(amount: u64, staked: u64, pool: u64, shares: u64, part in 0.0f64..=1.0) {
            let earning = ((shares as f64 * part) as u64).min(shares);
            let (owner, co) = split_reward(amount, staked, pool, shares, earning);
            prop_assert_eq!(u128::from(owner) + u128::from(co), u128::from(amount));
            if shares > 0 && (staked > 0 || pool > 0) {
                let weight = big(assets_of(earning, shares, pool));
                let all = big(staked) + &weight;
                if all > big(0) {
                    let fair = big(amount) * weight / all;
                    prop_assert!(big(co) <= fair && fair < big(co) + big(1));
                }
            }
        }

        #[test]
        fn joining_never_dilutes(amount in 1u64..1 << 56, shares in 1u64..1 << 56, assets in 1u64..1 << 56, held in 0.0f64..=1.0) {
            let held = ((shares as f64 * held) as u64).min(shares);
            let before = assets_of(held, shares, assets);
            if let Ok(issued) = shares_for(amount, shares, assets) {
                prop_assert!(assets_of(held, shares + issued, assets + amount) >= before);
            }
        }

        #[test]
        fn commission_never_exceeds_earnings(earnings: u64, bps in 0u16..=10_000) {
            let (own, commission) = split_commission(earnings, bps).unwrap();
            prop_assert_eq!(u128::from(own) + u128::from(commission), u128::from(earnings));
            prop_assert!(u128::from(commission) * 10_000 >= u128::from(earnings) * u128::from(bps));
        }
    }
}
