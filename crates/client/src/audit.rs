//! Which jobs an oracle has to audit: from the job's account, the oracle set and what the oracle's key draws for the submission. Oracles
//! follow it, and anybody holds them to it with the same functions.

use io_network::state::Job;
use io_proof::{
    Hash,
    audit::{self, AtStake},
    sample_seed,
};
use io_protocol::{
    messages::{Bytes32, Deployment},
    money,
};

use crate::vrf::Output;

/// Domain of the input that the draw and the sample follow from.
pub const SAMPLE_DOMAIN: [u8; 16] = *b"io/sample/2.....";

/// What an oracle draws for ([`crate::vrf`]): a submission.
pub fn sample_message(
    deployment: &Deployment,
    job: &Bytes32,
    created_slot: u64,
    output_hash: &Bytes32,
) -> Vec<u8> {
    let mut message = SAMPLE_DOMAIN.to_vec();
    message.extend(deployment.program);
    message.extend(deployment.cluster);
    message.extend(job);
    message.extend(created_slot.to_le_bytes());
    message.extend(output_hash);
    message
}

/// What that makes: the seed of the draw and of the sample.
pub fn seed(address: &Bytes32, job: &Job, output: &Output) -> Hash {
    sample_seed(address, &job.trace_root, &job.output_hash, &[output])
}

/// What an oracle's draw for a submission comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draw {
    /// Of the draw, and of the sample.
    pub seed: Hash,
    /// With what chance the oracle has to audit, ppm.
    pub rate_ppm: u32,
    /// Whether it has to.
    pub audits: bool,
}

/// Whether the oracle whose key draws this output for [`sample_message`] audits a submission of a device with this reputation, when it
/// is one of `oracles`, of which `quorum` pay a result. Oracles decide by it, and whoever holds them to it asks the same.
pub fn draw(
    address: &Bytes32,
    job: &Job,
    output: &Output,
    reputation_bps: u16,
    oracles: u32,
    quorum: u32,
) -> Draw {
    let seed = seed(address, job, output);
    let rate_ppm = rate_ppm(job, reputation_bps, oracles, quorum);
    Draw {
        seed,
        rate_ppm,
        audits: audit::is_drawn(&seed, rate_ppm),
    }
}

/// With what chance each of `oracles`, of which `quorum` pay a result, has to audit this job, ppm. A job whose figures overflow
/// is audited.
pub fn rate_ppm(job: &Job, reputation_bps: u16, oracles: u32, quorum: u32) -> u32 {
    let at_stake = || {
        let payment = money::payment_floor(job.units, job.ask)?;
        // Both weighed in IO. The payment is rounded down and the gain up, so that the rate errs upwards.
        let payment = u128::from(payment) * u128::from(job.io_per_unit_e9) / 1_000_000_000;
        Ok::<_, money::MoneyError>(AtStake {
            stake: money::share_floor(job.exposure, job.reject_penalty_bps)?,
            payment: u64::try_from(payment).unwrap_or(0),
            gain: job.exposure,
            reputation_bps,
        })
    };
    match at_stake() {
        Ok(at_stake) => audit::oracle_ppm(oracles, quorum, audit::wanted_ppm(at_stake)),
        Err(_) => io_proof::PPM,
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    #[test]
    fn a_sample_belongs_to_one_submission() {
        let deployment = |program, cluster| Deployment {
            program: [program; 32],
            cluster: [cluster; 32],
        };
        let base = sample_message(&deployment(1, 2), &[3; 32], 4, &[5; 32]);
        let others = [
            sample_message(&deployment(9, 2), &[3; 32], 4, &[5; 32]),
            sample_message(&deployment(1, 9), &[3; 32], 4, &[5; 32]),
            sample_message(&deployment(1, 2), &[9; 32], 4, &[5; 32]),
            sample_message(&deployment(1, 2), &[3; 32], 9, &[5; 32]),
            sample_message(&deployment(1, 2), &[3; 32], 4, &[9; 32]),
        ];
        assert!(
            others
                .iter()
                .all(|other| *other != base && other.len() == base.len())
        );
    }

    /// The draw is of the output and the submission, at the rate of the job: another output or result, another draw.
    #[test]
    fn a_draw_is_of_one_output_for_one_submission() {
        let job = Job {
            units: 1_000,
            ask: 5_000_000,
            io_per_unit_e9: 1_000_000_000,
            exposure: 5_000_000,
            reject_penalty_bps: 10_000,
            ..Job::zeroed()
        };
        let of = |job: &Job, n: u8, reputation| draw(&[1; 32], job, &[n; 64], reputation, 3, 2);
        assert_eq!(of(&job, 1, 9_500), of(&job, 1, 9_500));
        let drawn = (0..=255).filter(|n| of(&job, *n, 9_500).audits).count();
        // 80.6 % of 256, four standard deviations are 25.
        assert!((182..=231).contains(&drawn), "{drawn}");
        assert!((0..=255).all(|n| of(&job, n, 5_000).audits), "a newcomer's");
        let other = Job {
            output_hash: [1; 32],
            ..job
        };
        assert_ne!(of(&job, 1, 9_500).seed, of(&other, 1, 9_500).seed);
        assert_eq!(of(&job, 1, 9_500).rate_ppm, rate_ppm(&job, 9_500, 3, 2));
    }

    /// With the terms that a network starts with: a newcomer's job is audited by everybody, an established device's as often as its
    /// penalty and its payment ask.
    #[test]
    fn a_jobs_rate_follows_from_its_terms() {
        let job = Job {
            units: 1_000,
            ask: 5_000_000,
            io_per_unit_e9: 1_000_000_000,
            exposure: 5_000_000,
            reject_penalty_bps: 10_000,
            ..Job::zeroed()
        };
        assert_eq!(rate_ppm(&job, 5_000, 3, 2), io_proof::PPM);
        let trusted = rate_ppm(&job, 9_500, 3, 2);
        // One of the three signs whatever it drew: p² = 0.65 of the two others.
        assert!((806_000..807_000).contains(&trusted), "{trusted}");
        // The penalty is half: with nothing else at stake, more has to be audited.
        let cheaper = Job {
            reject_penalty_bps: 5_000,
            ..job
        };
        assert!(rate_ppm(&cheaper, 9_500, 3, 2) > trusted);
        let absurd = Job {
            units: u64::MAX,
            ask: u64::MAX,
            ..job
        };
        assert_eq!(rate_ppm(&absurd, 9_500, 3, 2), io_proof::PPM);
    }
}
