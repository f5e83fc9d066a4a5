//! Which jobs an oracle has to audit: from the job's account, the oracle set and the oracle's signature over the submission. Oracles
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

/// Domain of the signature that the draw and the sample follow from.
pub const SAMPLE_DOMAIN: [u8; 16] = *b"io/sample/1.....";

/// What an oracle signs to draw for a submission.
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

/// What that signature makes: the seed of the draw and of the sample.
pub fn seed(address: &Bytes32, job: &Job, signature: &[u8; 64]) -> Hash {
    sample_seed(address, &job.trace_root, &job.output_hash, &[signature])
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
        // 3p² − 2p³ = 0.65
        assert!((600_000..605_000).contains(&trusted), "{trusted}");
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
