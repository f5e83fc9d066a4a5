//! Which jobs are audited: a rate from what is at stake, and a draw that nobody could foresee.
//!
//! An oracle either re-runs a job (all of it or a sample, as its class says) or looks at its form only. Which of the two follows from
//! what its key draws for the submission ([`crate::sample_seed`]), at a rate that anybody can compute from the job's account:
//!
//! ```text
//! wanted     = MARGIN · g / (S + R), at least FLOOR, at most 1            S > g/p − R, solved for p (crate::economics)
//! an oracle's = the smallest p with  Σ_{j ≥ k} C(n, j) (1−p)^j p^(n−j) ≤ 1 − wanted      of n = oracles − c, k = quorum − c
//! ```
//!
//! The sum is the chance that k of n oracles draw nothing: as many signatures as a wrong result still needs to be paid when c =
//! [`FRIENDS`] oracles sign it whatever they drew, as one does that the worker bought. Where a quorum is one signature such an oracle
//! pays what it likes, and no rate helps: then c = 0. Whoever has shown too little is audited by every oracle ([`MIN_REPUTATION_BPS`]).
//!
//! A tolerant audit runs m ≥ 1 of the job's steps again. A worker that fakes a fraction f of them gains f·g and is found with the
//! chance 1 − (1−f)^m ≥ f, so what holds for the whole job holds for every part of it.

use crate::economics::{PPM, min_audit_for_honesty};
use crate::trace::Hash;
use sha2::{Digest, Sha256};

/// No job is audited with a lower chance, ppm.
pub const FLOOR_PPM: u32 = 250_000;
/// How much more than what honesty needs is audited, percent.
pub const MARGIN_PERCENT: u32 = 130;
/// Below this reputation every job is audited, basis points. A newcomer has 5,000; 32 completed jobs with the volume to go
/// with them have 9,000.
pub const MIN_REPUTATION_BPS: u16 = 9_000;
/// Oracles of a set that may sign for a worker whatever they drew, without its cheating paying.
pub const FRIENDS: u32 = 1;
/// Most oracles in a set.
const MAX_ORACLES: u32 = 32;

const DRAW: u8 = 4;
/// Fixed-point one.
const ONE: u128 = 1 << 60;

/// What an audit rate follows from. Amounts are IO base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtStake {
    /// Lost by a worker that is caught, besides the payment: the penalty.
    pub stake: u64,
    pub payment: u64,
    /// What cheating can bring: the job's exposure.
    pub gain: u64,
    /// Of the device, with its provider's, when the result was checked.
    pub reputation_bps: u16,
}

/// The chance that a wrong result must have of being audited before it is paid, ppm.
pub fn wanted_ppm(at: AtStake) -> u32 {
    if at.reputation_bps < MIN_REPUTATION_BPS {
        return PPM;
    }
    let Some(least) = min_audit_for_honesty(at.stake, at.payment, at.gain) else {
        return PPM;
    };
    let wanted = u64::from(least) * u64::from(MARGIN_PERCENT) / 100;
    (wanted.min(PPM.into()) as u32).max(FLOOR_PPM)
}

/// The chance that at least `quorum` of `oracles` draw no audit when each draws one with the chance `ppm`: 60 fractional bits,
/// rounded up.
fn unaudited(oracles: u32, quorum: u32, ppm: u32) -> u128 {
    let audited = u128::from(ppm.min(PPM)) * ONE / u128::from(PPM);
    let power = |base: u128, n: u32| (0..n).fold(ONE, |p, _| (p * base).div_ceil(ONE));
    let mut ways = 1u128;
    let mut sum = 0;
    for j in 0..=oracles {
        if j >= quorum {
            sum += ways * (power(ONE - audited, j) * power(audited, oracles - j)).div_ceil(ONE);
        }
        ways = ways * u128::from(oracles - j) / u128::from(j + 1);
    }
    sum.min(ONE)
}

/// With what chance each of `oracles` must audit, ppm, so that a result that needs `quorum` signatures is audited with a
/// chance of at least `wanted` ppm before it has them, [`FRIENDS`] of them without a look.
pub fn oracle_ppm(oracles: u32, quorum: u32, wanted: u32) -> u32 {
    let oracles = oracles.clamp(1, MAX_ORACLES);
    let quorum = quorum.clamp(1, oracles);
    let friends = FRIENDS.min(quorum - 1);
    let (oracles, quorum) = (oracles - friends, quorum - friends);
    let bearable = u128::from(PPM - wanted.min(PPM)) * ONE / u128::from(PPM);
    let (mut least, mut enough) = (0, PPM);
    while least < enough {
        let middle = least + (enough - least) / 2;
        if unaudited(oracles, quorum, middle) <= bearable {
            enough = middle;
        } else {
            least = middle + 1;
        }
    }
    enough
}

/// Whether the oracle whose key drew this seed ([`crate::sample_seed`]) has to audit.
pub fn is_drawn(seed: &Hash, ppm: u32) -> bool {
    let hash: Hash = Sha256::new()
        .chain_update([DRAW])
        .chain_update(seed)
        .finalize()
        .into();
    let [a, b, c, d, e, f, g, h, ..] = hash;
    let word = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    // word / 2⁶⁴ < ppm / 10⁶
    u128::from(word) * u128::from(PPM) < u128::from(ppm) << 64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::economics::honesty_holds;

    const TRUSTED: AtStake = AtStake {
        stake: 1_000,
        payment: 1_000,
        gain: 1_000,
        reputation_bps: 9_500,
    };

    /// Whatever is at stake: a job audited at its rate is one where cheating loses, and where no rate would do all are audited.
    #[test]
    fn cheating_loses_at_every_rate() {
        let amounts = [0, 1, 7, 1_000, 123_456_789, u64::MAX / 3, u64::MAX];
        for stake in amounts {
            for payment in amounts {
                for gain in amounts {
                    let at = AtStake {
                        stake,
                        payment,
                        gain,
                        ..TRUSTED
                    };
                    let ppm = wanted_ppm(at);
                    assert!((FLOOR_PPM..=PPM).contains(&ppm));
                    assert!(
                        ppm == PPM || honesty_holds(stake, payment, gain, ppm),
                        "{at:?}: {ppm}"
                    );
                }
            }
        }
        assert_eq!(wanted_ppm(TRUSTED), 650_001);
        let richer = AtStake {
            stake: 100_000,
            ..TRUSTED
        };
        assert_eq!(wanted_ppm(richer), FLOOR_PPM);
        let poor = AtStake {
            stake: 0,
            payment: 1_000,
            ..TRUSTED
        };
        assert_eq!(wanted_ppm(poor), PPM, "with nothing to lose");
        let newcomer = AtStake {
            reputation_bps: MIN_REPUTATION_BPS - 1,
            ..richer
        };
        assert_eq!(wanted_ppm(newcomer), PPM);
    }

    /// For every set of oracles, against floating point: the rate is enough though one oracle signs whatever it drew, and one less isn't.
    #[test]
    fn a_quorum_without_an_audit_is_as_rare_as_wanted() {
        let miss = |n: u32, k: u32, ppm: u32| -> f64 {
            let p = f64::from(ppm) / 1e6;
            let mut ways = 1.0;
            let mut sum = 0.0;
            for j in 0..=n {
                if j >= k {
                    sum += ways * (1.0 - p).powi(j as i32) * p.powi((n - j) as i32);
                }
                ways = ways * f64::from(n - j) / f64::from(j + 1);
            }
            sum
        };
        for n in 1..=MAX_ORACLES {
            for k in 1..=n {
                // A quorum of one is that oracle's alone.
                let (others, needed) = if k == 1 { (n, k) } else { (n - 1, k - 1) };
                for wanted in [FLOOR_PPM, 500_001, 900_000, PPM] {
                    let ppm = oracle_ppm(n, k, wanted);
                    let bearable = 1.0 - f64::from(wanted) / 1e6;
                    let paid = miss(others, needed, ppm);
                    assert!(paid <= bearable + 1e-9, "{n} {k} {wanted}");
                    assert!(miss(n, k, ppm) <= paid + 1e-9, "{n} {k} {wanted}");
                    assert!(
                        ppm == 0 || miss(others, needed, ppm - 1) > bearable - 1e-6,
                        "{n} {k} {wanted}"
                    );
                }
                assert_eq!(oracle_ppm(n, k, PPM), PPM, "all or nothing");
            }
        }
        assert_eq!(oracle_ppm(1, 1, 500_000), 500_000);
        // One of two others audits: 1 − (1 − p²) = ½.
        assert_eq!(oracle_ppm(3, 2, 500_000), 707_107);
    }

    #[test]
    fn draws_are_as_frequent_as_their_rate() {
        let drawn = |ppm| {
            let seeds = (0..20_000u32).map(|i| crate::trace::step_hash(&i.to_le_bytes()));
            seeds.filter(|seed| is_drawn(seed, ppm)).count()
        };
        assert_eq!((drawn(0), drawn(PPM)), (0, 20_000));
        for ppm in [250_000, 650_000] {
            let expected = f64::from(ppm) / 50.0;
            // Four standard deviations.
            let off = 4.0 * (expected * (1.0 - f64::from(ppm) / 1e6)).sqrt();
            assert!((drawn(ppm) as f64 - expected).abs() < off, "{ppm}");
        }
    }
}
