//! Verdicts about a submitted result: gathering them, checking each, and settling with a quorum of them.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use io_api::{
    auth::verify_signature,
    client::OracleClient,
    text,
    types::{Attestation, WireVerdict},
};
use io_client::{
    Instruction, Pubkey, Signature, ed25519, instructions,
    io_network::state::{Job, OracleSet},
};
use io_protocol::messages::{Deployment, ResultStatement, Verdict};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};

use crate::limits::*;

/// Verdicts about one submission, each by an active oracle over exactly what the program will rebuild.
pub struct Verdicts {
    valid: ResultStatement,
    invalid: ResultStatement,
    set: OracleSet,
    signed: HashMap<Pubkey, (Verdict, Signature)>,
}

impl Verdicts {
    /// About a job that has been submitted, and disputed or not.
    pub fn about(address: &Pubkey, job: &Job, deployment: Deployment, set: OracleSet) -> Self {
        let statement = |verdict| job.statement(address, deployment, set.version, verdict);
        Self {
            valid: statement(Verdict::Valid),
            invalid: statement(Verdict::Invalid),
            set,
            signed: HashMap::new(),
        }
    }

    /// Whether these are verdicts about a dispute.
    pub fn disputed(&self) -> bool {
        self.valid.disputed
    }

    /// About the same submission, before or after a dispute, for the same oracle set.
    pub fn same_subject(&self, other: &Self) -> bool {
        self.valid == other.valid && self.set == other.set
    }

    /// Takes a verdict, or says why it is worth nothing.
    pub fn add(&mut self, attestation: &Attestation) -> Result<Verdict, String> {
        let key = text::parse_key(&attestation.oracle).ok_or("the oracle's key isn't one")?;
        let oracle = Pubkey::new_from_array(key);
        if self.set.position(&key).is_none() {
            return Err(format!("{oracle} isn't an active oracle"));
        }
        let (verdict, statement) = match attestation.verdict {
            WireVerdict::Valid => (Verdict::Valid, &self.valid),
            WireVerdict::Invalid => (Verdict::Invalid, &self.invalid),
        };
        // What it says it is about is for people; the signature is over what the chain says.
        if attestation.set_version != statement.set_version {
            return Err(format!(
                "{oracle} signed for set {}, and now it is {}",
                attestation.set_version, statement.set_version
            ));
        }
        let signature =
            text::parse_signature(&attestation.signature).ok_or("the signature isn't one")?;
        if !verify_signature(&key, &statement.to_bytes(), &signature) {
            return Err(format!(
                "{oracle}'s signature is over something else than this submission"
            ));
        }
        if let Some((earlier, _)) = self.signed.get(&oracle)
            && *earlier != verdict
        {
            tracing::error!(%oracle, job = %Pubkey::new_from_array(statement.job), "an oracle signed both valid and invalid");
            return Err(format!("{oracle} has signed the opposite before"));
        }
        self.signed
            .insert(oracle, (verdict, Signature::from(signature)));
        Ok(verdict)
    }

    pub fn has(&self, oracle: &str) -> bool {
        oracle
            .parse()
            .is_ok_and(|key: Pubkey| self.signed.contains_key(&key))
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.signed
            .values()
            .filter(|(said, _)| *said == verdict)
            .count()
    }

    pub fn quorum(&self) -> usize {
        usize::from(self.set.quorum).max(1)
    }

    /// What settles the job, once a quorum says that the result is valid.
    pub fn settlement(&self, address: &Pubkey, job: &Job) -> Result<Option<Vec<Instruction>>> {
        let mut signatures: Vec<(Pubkey, Signature)> = self
            .signed
            .iter()
            .filter(|(_, (verdict, _))| *verdict == Verdict::Valid)
            .map(|(oracle, (_, signature))| (*oracle, *signature))
            .collect();
        if signatures.len() < self.quorum() {
            return Ok(None);
        }
        // The same ones each time, and no more than needed: each costs bytes and fees.
        signatures.sort_by_key(|(oracle, _)| oracle.to_bytes());
        signatures.truncate(self.quorum());
        let check = ed25519::verify(&self.valid.to_bytes(), &signatures)?;
        Ok(Some(vec![check, instructions::settle_job(address, job)]))
    }
}

/// Asks every oracle for its verdict, at first `every` so often; what comes goes to `inbox`. Of a disputed job: for what it found then.
/// Ends with the returned set.
pub fn ask(
    oracles: &[OracleClient],
    job: Pubkey,
    disputed: bool,
    every: Duration,
    inbox: &mpsc::Sender<Box<Attestation>>,
) -> JoinSet<()> {
    let mut asking = JoinSet::new();
    for oracle in oracles {
        let (oracle, inbox) = (oracle.clone(), inbox.clone());
        asking.spawn(async move {
            let mut pause = every;
            loop {
                match oracle.attestation_at(&job.to_bytes(), Some(disputed)).await {
                    Ok(Some(attestation)) => {
                        if inbox.send(Box::new(attestation)).await.is_err() {
                            return;
                        }
                        // It may have to sign again, for a newer oracle set.
                        pause = LONGEST_GATHER;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::debug!(oracle = oracle.host(), %error, "no verdict"),
                }
                sleep(pause).await;
                pause = pause.mul_f64(1.5).min(LONGEST_GATHER);
            }
        });
    }
    asking
}

/// How long to wait for more before the chain is looked at again.
pub const LOOK: Duration = CHAIN_EVERY;

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use io_client::Wallet;
    use io_client::io_network::state::JobState;

    const JOB: Pubkey = Pubkey::new_from_array([9; 32]);
    const DEPLOYMENT: Deployment = Deployment {
        program: [1; 32],
        cluster: [2; 32],
    };

    struct Case {
        oracles: Vec<Wallet>,
        job: Job,
        verdicts: Verdicts,
    }

    fn case() -> Case {
        let oracles: Vec<Wallet> = (1..=3).map(|seed| Wallet::from_seed(&[seed; 32])).collect();
        let mut set = OracleSet {
            version: 4,
            count: 3,
            used: 3,
            quorum: 2,
            ..OracleSet::zeroed()
        };
        for (slot, oracle) in set.oracles.iter_mut().zip(&oracles) {
            *slot = oracle.address();
        }
        let job = Job {
            state: JobState::Submitted as u8,
            created_slot: 5,
            submitted_at: 7_200,
            output_hash: [3; 32],
            units: 10,
            ..Job::zeroed()
        };
        let verdicts = Verdicts::about(&JOB, &job, DEPLOYMENT, set);
        Case {
            oracles,
            job,
            verdicts,
        }
    }

    fn attestation(oracle: &Wallet, job: &Job, set_version: u64, verdict: Verdict) -> Attestation {
        let statement = job.statement(&JOB, DEPLOYMENT, set_version, verdict);
        Attestation {
            oracle: oracle.address().to_string(),
            set_version,
            job: JOB.to_string(),
            created_slot: job.created_slot,
            epoch: 2,
            verdict: if verdict == Verdict::Valid {
                WireVerdict::Valid
            } else {
                WireVerdict::Invalid
            },
            output_hash: text::hash(&job.output_hash),
            units: job.units,
            disputed: job.was_disputed(),
            signature: oracle.sign(&statement.to_bytes()).to_string(),
            checked_steps: 1,
            total_steps: 1,
            reason: None,
            verify_ms: 0,
            sample_proof: None,
            audit: None,
            audit_signature: None,
            wrong_steps: Vec::new(),
        }
    }

    #[test]
    fn a_quorum_settles_and_fewer_do_not() {
        let Case {
            oracles,
            job,
            mut verdicts,
        } = case();
        verdicts
            .add(&attestation(&oracles[0], &job, 4, Verdict::Valid))
            .unwrap();
        // The same oracle twice counts once.
        verdicts
            .add(&attestation(&oracles[0], &job, 4, Verdict::Valid))
            .unwrap();
        assert!(verdicts.settlement(&JOB, &job).unwrap().is_none());
        verdicts
            .add(&attestation(&oracles[1], &job, 4, Verdict::Valid))
            .unwrap();
        verdicts
            .add(&attestation(&oracles[2], &job, 4, Verdict::Valid))
            .unwrap();
        let settlement = verdicts.settlement(&JOB, &job).unwrap().unwrap();
        assert_eq!(settlement.len(), 2);
        assert_eq!(settlement[0].program_id, ed25519::ED25519_PROGRAM);
        assert_eq!(
            settlement[0].data[0], 2,
            "as many signatures as the quorum, no more"
        );
        assert_eq!(
            settlement,
            verdicts.settlement(&JOB, &job).unwrap().unwrap(),
            "the same each time"
        );
    }

    #[test]
    fn what_is_not_about_this_submission_is_refused() {
        let Case {
            oracles,
            job,
            mut verdicts,
        } = case();
        let stranger = Wallet::from_seed(&[77; 32]);
        let other_output = Job {
            output_hash: [4; 32],
            ..job
        };
        let other_units = Job { units: 11, ..job };
        let recreated = Job {
            created_slot: 6,
            ..job
        };
        let mut forged = attestation(&oracles[0], &job, 4, Verdict::Valid);
        forged.signature = oracles[1].sign(b"something").to_string();
        let mut garbage = forged.clone();
        garbage.signature = "l0O".into();
        let mut flipped = attestation(&oracles[0], &job, 4, Verdict::Invalid);
        flipped.verdict = WireVerdict::Valid;
        let bad = [
            attestation(&stranger, &job, 4, Verdict::Valid),
            attestation(&oracles[0], &job, 3, Verdict::Valid),
            attestation(&oracles[0], &other_output, 4, Verdict::Valid),
            attestation(&oracles[0], &other_units, 4, Verdict::Valid),
            attestation(&oracles[0], &recreated, 4, Verdict::Valid),
            forged,
            garbage,
            flipped,
        ];
        for attestation in bad {
            assert!(verdicts.add(&attestation).is_err(), "{attestation:?}");
        }
        assert_eq!(
            verdicts.count(Verdict::Valid) + verdicts.count(Verdict::Invalid),
            0
        );
    }

    /// Once somebody objects, what oracles signed before is worth nothing: the program asks for another statement.
    #[test]
    fn a_dispute_begins_anew() {
        let Case {
            oracles,
            job,
            mut verdicts,
        } = case();
        let set = verdicts.set;
        for oracle in &oracles {
            let before = attestation(oracle, &job, 4, Verdict::Valid);
            verdicts.add(&before).unwrap();
        }
        let disputed = Job {
            state: JobState::Disputed as u8,
            challenger: Pubkey::new_from_array([8; 32]),
            ..job
        };
        let mut anew = Verdicts::about(&JOB, &disputed, DEPLOYMENT, set);
        assert!(!verdicts.same_subject(&anew));
        assert!(anew.disputed() && !verdicts.disputed());
        for oracle in &oracles {
            let before = attestation(oracle, &job, 4, Verdict::Valid);
            anew.add(&before).unwrap_err();
            // Nor by saying that it is about the dispute.
            let relabelled = Attestation {
                disputed: true,
                ..before
            };
            anew.add(&relabelled).unwrap_err();
        }
        assert!(anew.settlement(&JOB, &disputed).unwrap().is_none());
        for oracle in &oracles[..2] {
            let about = attestation(oracle, &disputed, 4, Verdict::Valid);
            anew.add(&about).unwrap();
            verdicts.add(&about).unwrap_err();
        }
        assert!(anew.settlement(&JOB, &disputed).unwrap().is_some());
    }

    #[test]
    fn an_invalid_verdict_never_helps_to_settle_and_nobody_votes_twice() {
        let Case {
            oracles,
            job,
            mut verdicts,
        } = case();
        assert_eq!(
            verdicts.add(&attestation(&oracles[0], &job, 4, Verdict::Invalid)),
            Ok(Verdict::Invalid)
        );
        verdicts
            .add(&attestation(&oracles[1], &job, 4, Verdict::Valid))
            .unwrap();
        assert!(
            verdicts
                .add(&attestation(&oracles[0], &job, 4, Verdict::Valid))
                .is_err()
        );
        assert_eq!(
            (
                verdicts.count(Verdict::Valid),
                verdicts.count(Verdict::Invalid)
            ),
            (1, 1)
        );
        assert!(verdicts.settlement(&JOB, &job).unwrap().is_none());
    }
}
