//! When honesty pays: DESIGN.md section 7, in exact integers.
//!
//! A cheater gains `g` (the work it did not do, or what a wrong result is worth to it) whether or not it is
//! caught, and with the chance `p` it is audited, loses its stake `S` and the payment `R`. Cheating is a loss
//! when `p · (S + R) > g`, that is `S > g/p − R`.

/// Probabilities are parts per million.
pub const PPM: u32 = 1_000_000;

/// Whether cheating loses money on average: `audit_ppm · (stake + payment) > gain · 10⁶`. Amounts are base
/// units of one token. An audit chance of zero makes nobody honest; chances above one count as one.
pub fn honesty_holds(stake: u64, payment: u64, gain: u64, audit_ppm: u32) -> bool {
    let at_risk = u128::from(stake) + u128::from(payment);
    u128::from(audit_ppm.min(PPM)) * at_risk > u128::from(gain) * u128::from(PPM)
}

/// The smallest stake, in base units, for which [`honesty_holds`]; `None` when no stake does (an audit chance
/// of zero, or more than a `u64`).
pub fn min_stake_for_honesty(payment: u64, gain: u64, audit_ppm: u32) -> Option<u64> {
    let audit_ppm = u128::from(audit_ppm.min(PPM));
    let at_risk = (u128::from(gain) * u128::from(PPM)).checked_div(audit_ppm)? + 1;
    u64::try_from(at_risk.saturating_sub(u128::from(payment))).ok()
}

/// The smallest audit chance, ppm, for which [`honesty_holds`]; `None` where even certainty is not enough.
pub fn min_audit_for_honesty(stake: u64, payment: u64, gain: u64) -> Option<u32> {
    let at_risk = u128::from(stake) + u128::from(payment);
    let least = (u128::from(gain) * u128::from(PPM)).checked_div(at_risk)? + 1;
    u32::try_from(least).ok().filter(|ppm| *ppm <= PPM)
}
