//! Proving a wrong cell of a hardware proof to the program: commit to the claim, wait, write it, prove it, and close what was written.
//!
//! Whoever copies what is written has committed to nothing yet, and comes [`EVIDENCE_SLOTS`] late. A key has one account to write into, so
//! it proves one claim at a time.
//!
//! [`prove`] asks the chain how far it is before every step, and every step's intent follows from the claim, the salt and what is on
//! chain: called again with the same [`Challenge`], after a crash at any moment, it goes on where it was. It ends with [`Moot`] when
//! somebody else was first, or when there is nothing to be proven any more, and then gives the rent back. The program takes one proof a
//! device and day, whatever is sent.

use std::{
    mem::offset_of,
    time::{Duration, Instant},
};

use anchor_lang::prelude::Pubkey;
use io_network::{
    constants::EVIDENCE_SECONDS,
    state::{CLAIM_BYTES, Device, Evidence, Provider, SlashCase, SlashCause},
};
use io_proof::hardware::{
    Committed, Software, WrongCell,
    cell::{CellError, bad_cell},
};
use io_protocol::{hardware::CommitmentStatement, messages::epoch_of};
use solana_signature::Signature;

use crate::{
    accounts::{self, ProgramAccount},
    ed25519,
    error::Error,
    instructions::{self, EVIDENCE_SLOTS, MAX_EVIDENCE_PART},
    keys::Wallet,
    pda,
    rpc::Rpc,
    send::{Request, SIGNATURE_FEE, Sender},
    tokens::TOKEN_ACCOUNT_BYTES,
};

/// How long a commitment may take to be old enough, and how often that is looked at.
const RIPE_PATIENCE: Duration = Duration::from_secs(120);
const RIPE_POLL: Duration = Duration::from_millis(200);
/// Commitments of one call: another process with the same key may take their place.
const COMMIT_TRIES: u32 = 3;
/// Numbers that are tried for a case: others may take the next one meanwhile.
const NUMBER_TRIES: usize = 5;
/// Signatures that all transactions of a challenge have together, and some to spare.
const SIGNATURES: u64 = 10;

/// A wrong cell under an operator's signature, as it is brought before the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub statement: CommitmentStatement,
    /// Who signed the statement.
    pub operator: Pubkey,
    pub signature: Signature,
    /// As the program stores it ([`instructions::evidence_bytes`]).
    pub claim: Vec<u8>,
    /// Hides the claim in the commitment until it is written. Random, and kept: another is another commitment.
    pub salt: [u8; 32],
}

impl Challenge {
    /// An error where the program would refuse the claim.
    pub fn new(
        statement: CommitmentStatement,
        operator: Pubkey,
        signature: Signature,
        committed: &Committed,
        wrong: &WrongCell,
        salt: [u8; 32],
    ) -> std::result::Result<Self, CellError> {
        let claim = wrong.claim(committed);
        bad_cell::<Software>(
            &claim,
            &statement.round_seed,
            &statement.device,
            &statement.commitment,
        )?;
        // Paths of a claim that leads to its commitment are as long as they have to be.
        let claim = instructions::evidence_bytes(&claim).ok_or(CellError::OutOfRange)?;
        Ok(Self {
            statement,
            operator,
            signature,
            claim,
            salt,
        })
    }
}

/// Why nothing can be proven by a claim any more, or never could.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Moot {
    #[error("the device {0} was retired")]
    Gone(Pubkey),
    #[error("a wrong cell of {device} was proven already: one counts a day")]
    Proven {
        device: Pubkey,
        /// The case in which the bond lies for this very commitment, while there is one, and who proved it.
        case: Option<(Pubkey, Pubkey)>,
    },
    #[error(
        "what was signed in the hour {epoch} can't be proven wrong any more: a proof counts for a day"
    )]
    TooOld { epoch: u64 },
    #[error("{operator} was not the operator of {device} when it signed, as the chain has it")]
    NotOperator { device: Pubkey, operator: Pubkey },
}

/// Why a challenge did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error(transparent)]
    Moot(#[from] Moot),
    /// By the clock of the node that was asked.
    #[error("the hour {epoch} has not begun on chain yet")]
    Early { epoch: u64 },
    #[error("the chain did not reach slot {slot} within {} s", RIPE_PATIENCE.as_secs())]
    Unripe { slot: u64 },
    #[error("another process commits to other claims with the key {0} at the same time")]
    Contended(Pubkey),
    #[error(
        "other cases of the provider took the next number {NUMBER_TRIES} times before this one had it"
    )]
    Numbers,
    #[error(transparent)]
    Client(#[from] Error),
}

/// How far a challenge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From now on whoever copies the claim is late.
    Committed,
    /// Everybody can read it.
    Written,
}

/// A wrong cell was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    pub signature: Signature,
    /// Where the bond is; `None` when there was nothing left to take.
    pub case: Option<Pubkey>,
}

/// Why the program would refuse a proof of what was signed, for good, if it would. Pure.
pub fn moot(
    device: &Device,
    provider: &Provider,
    statement: &CommitmentStatement,
    operator: &Pubkey,
    now: i64,
) -> Option<Moot> {
    let key = Pubkey::new_from_array(statement.device);
    let epoch = statement.epoch;
    if epoch < epoch_of(now.saturating_sub(EVIDENCE_SECONDS)) {
        return Some(Moot::TooOld { epoch });
    }
    // Who held the hardware before it was registered anew is another's business.
    if epoch < epoch_of(device.since) || !device.operated_by(operator.as_ref(), epoch) {
        return Some(Moot::NotOperator {
            device: key,
            operator: *operator,
        });
    }
    // What a fault still costs can be taken as long as it is proven.
    let takes = device.fault_due() > 0 && accounts::can_pay(device, provider);
    (!device.faultable(now) && !takes).then_some(Moot::Proven {
        device: key,
        case: None,
    })
}

/// The device of a statement and its provider, if a wrong cell under it can be proven now.
pub async fn provable(
    rpc: &Rpc,
    statement: &CommitmentStatement,
    operator: &Pubkey,
) -> std::result::Result<(Device, Provider), Failed> {
    let key = Pubkey::new_from_array(statement.device);
    let device = accounts::fetch_maybe::<Device>(rpc, &key)
        .await?
        .ok_or(Moot::Gone(key))?;
    let provider = accounts::fetch::<Provider>(rpc, &device.provider).await?;
    let now = rpc.chain_time().await?;
    let epoch = statement.epoch;
    if epoch > epoch_of(now) {
        return Err(Failed::Early { epoch });
    }
    match moot(&device, &provider, statement, operator, now) {
        None => Ok((device, provider)),
        Some(Moot::Proven { device, .. }) => {
            let case = case_of(rpc, statement).await?;
            let case = case.map(|(address, case)| (address, case.challenger));
            Err(Moot::Proven { device, case }.into())
        }
        Some(moot) => Err(moot.into()),
    }
}

/// The case of this very commitment, while there is one.
pub async fn case_of(
    rpc: &Rpc,
    statement: &CommitmentStatement,
) -> crate::Result<Option<(Pubkey, SlashCase)>> {
    let subject = accounts::field(offset_of!(SlashCase, subject), &statement.commitment);
    let (_, cases) = accounts::fetch_all::<SlashCase>(rpc, vec![subject]).await?;
    Ok(cases.into_iter().find(|(_, case)| {
        case.cause == SlashCause::BadCell as u8 && case.device.to_bytes() == statement.device
    }))
}

/// Lamports that a challenge takes, most of which come back: the rent of what is written until it is closed, the case's rent until it ends.
pub async fn lamports_needed(rpc: &Rpc, challenger: &Pubkey) -> crate::Result<u64> {
    let mut bytes = vec![SlashCase::SIZE, TOKEN_ACCOUNT_BYTES];
    if rpc.account(&pda::evidence(challenger)).await?.is_none() {
        bytes.push(Evidence::SIZE);
    }
    let mut needed = SIGNATURES * SIGNATURE_FEE;
    for bytes in bytes {
        needed = needed.saturating_add(rpc.rent_minimum(bytes).await?);
    }
    Ok(needed)
}

/// Proves a wrong cell, or goes on with what an earlier call began. See the module's description.
pub async fn prove(
    sender: &Sender,
    challenger: &Wallet,
    io_mint: &Pubkey,
    challenge: &Challenge,
    told: impl Fn(Step),
) -> std::result::Result<Proven, Failed> {
    let me = challenger.address();
    let course = Course {
        sender,
        challenger,
        me,
        challenge,
        commitment: instructions::evidence_commitment(&me, &challenge.salt, &challenge.claim),
    };
    let ended = course.run(io_mint, told).await;
    // The rent of what is not needed any more.
    if let Err(Failed::Moot(_)) = &ended
        && let Err(error) = course.close().await
    {
        tracing::warn!(%error, "what was written for a challenge is not closed");
    }
    ended
}

/// One challenge on its way.
struct Course<'a> {
    sender: &'a Sender,
    challenger: &'a Wallet,
    me: Pubkey,
    challenge: &'a Challenge,
    commitment: [u8; 32],
}

impl Course<'_> {
    /// Names a step, so that it is done once for what is on chain.
    fn intent(&self, step: &str, at: impl std::fmt::Display) -> String {
        // As short as a hash can be written.
        format!("{step}:{}:{at}", Pubkey::new_from_array(self.commitment))
    }

    async fn send(
        &self,
        intent: String,
        instructions: Vec<solana_instruction::Instruction>,
    ) -> crate::Result<Signature> {
        let request = Request::new(intent, self.challenger.signer(), instructions);
        Ok(self.sender.send(&request).await?.signature)
    }

    async fn provable(&self) -> std::result::Result<(Device, Provider), Failed> {
        let Challenge {
            statement,
            operator,
            ..
        } = self.challenge;
        provable(self.sender.rpc(), statement, operator).await
    }

    async fn run(
        &self,
        io_mint: &Pubkey,
        told: impl Fn(Step),
    ) -> std::result::Result<Proven, Failed> {
        self.provable().await?;
        let evidence = self.commit(&told).await?;
        self.ripe(evidence.committed_slot.saturating_add(EVIDENCE_SLOTS))
            .await?;
        // Who was first meanwhile leaves nothing to be shown.
        let (device, provider) = self.provable().await?;
        self.write(&evidence).await?;
        told(Step::Written);
        self.bring(&device, provider.slash_cases, &evidence, io_mint)
            .await
    }

    /// What is on chain of this commitment.
    async fn committed(&self) -> crate::Result<Option<Evidence>> {
        let address = pda::evidence(&self.me);
        let evidence = accounts::fetch_maybe::<Evidence>(self.sender.rpc(), &address).await?;
        Ok(evidence.filter(|evidence| evidence.commitment == self.commitment))
    }

    async fn commit(&self, told: impl Fn(Step)) -> std::result::Result<Evidence, Failed> {
        for _ in 0..COMMIT_TRIES {
            if let Some(evidence) = self.committed().await? {
                return Ok(evidence);
            }
            // What landed before is gone again: another claim took its place, or it was closed. Whoever commits twice waits anew.
            let rpc = self.sender.rpc();
            let slot = rpc.position(rpc.commitment()).await?.slot;
            let commit = instructions::commit_evidence(&self.me, self.commitment);
            self.send(self.intent("evidence-commit", slot), vec![commit])
                .await?;
            told(Step::Committed);
        }
        let evidence = self.committed().await?;
        evidence.ok_or(Failed::Contended(self.me))
    }

    /// Waits until a proof may be brought.
    async fn ripe(&self, slot: u64) -> std::result::Result<(), Failed> {
        let (rpc, waited) = (self.sender.rpc(), Instant::now());
        while rpc.position(rpc.commitment()).await?.slot < slot {
            if waited.elapsed() > RIPE_PATIENCE {
                return Err(Failed::Unripe { slot });
            }
            tokio::time::sleep(RIPE_POLL).await;
        }
        Ok(())
    }

    /// Writes what is not written yet.
    async fn write(&self, evidence: &Evidence) -> std::result::Result<(), Failed> {
        let parts = missing(&self.challenge.claim, written(evidence));
        for (offset, part) in parts {
            let write = instructions::write_evidence(&self.me, offset, part);
            let at = format!("{offset}:{}", evidence.committed_slot);
            self.send(self.intent("evidence-write", at), vec![write])
                .await?;
        }
        Ok(())
    }

    /// Brings the proof with the number of the provider's next case, and with the one after when another case took it meanwhile: what was
    /// committed to names none.
    async fn bring(
        &self,
        device: &Device,
        mut number: u64,
        evidence: &Evidence,
        io_mint: &Pubkey,
    ) -> std::result::Result<Proven, Failed> {
        let Challenge {
            statement,
            operator,
            signature,
            salt,
            ..
        } = self.challenge;
        let signed = ed25519::verify(&statement.to_bytes(), &[(*operator, *signature)])?;
        let (key, provider) = (Pubkey::new_from_array(statement.device), device.provider);
        for _ in 0..NUMBER_TRIES {
            let all = vec![
                signed.clone(),
                instructions::prove_bad_cell(&self.me, &key, &provider, number, io_mint, *salt),
                instructions::close_evidence(&self.me),
            ];
            let at = format!("{number}:{}", evidence.committed_slot);
            let error = match self.send(self.intent("bad-cell", at), all).await {
                Ok(signature) => {
                    let case = pda::slash_case(&provider, number);
                    // Where nothing was left to take, the number is another's by now, or will be.
                    let opened = accounts::fetch_maybe::<SlashCase>(self.sender.rpc(), &case)
                        .await?
                        .filter(|case| case.subject == statement.commitment);
                    let case = opened.map(|_| case);
                    return Ok(Proven { signature, case });
                }
                Err(error) => error,
            };
            if !is_refusal(&error) {
                return Err(error.into());
            }
            let (_, now) = self.provable().await?;
            if now.slash_cases == number {
                return Err(error.into());
            }
            number = now.slash_cases;
        }
        Err(Failed::Numbers)
    }

    /// Closes what was written, if it is this challenge's.
    async fn close(&self) -> crate::Result<()> {
        if let Some(evidence) = self.committed().await? {
            let close = instructions::close_evidence(&self.me);
            let intent = self.intent("evidence-close", evidence.committed_slot);
            self.send(intent, vec![close]).await?;
        }
        Ok(())
    }
}

/// What a program refused changed nothing. Of anything else it isn't known, and it might be proven twice.
fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Program(_))
}

/// The claim as it is on chain.
fn written(evidence: &Evidence) -> &[u8] {
    &bytemuck::bytes_of(evidence)[offset_of!(Evidence, n)..][..CLAIM_BYTES]
}

/// Parts of a claim that are not written yet, each with its offset.
fn missing<'a>(claim: &'a [u8], written: &[u8]) -> Vec<(u16, &'a [u8])> {
    let parts = claim.chunks(MAX_EVIDENCE_PART).enumerate();
    let parts = parts.map(|(at, part)| (at * MAX_EVIDENCE_PART, part));
    let missing =
        parts.filter(|(offset, part)| written.get(*offset..offset + part.len()) != Some(*part));
    // A claim has 1,280 bytes.
    missing.map(|(at, part)| (at as u16, part)).collect()
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use io_protocol::messages::Deployment;

    use super::*;
    use crate::{error::ProgramError, testing};

    const HOUR: i64 = 3_600;
    const OPERATOR: Pubkey = Pubkey::new_from_array([7; 32]);

    fn statement(epoch: u64) -> CommitmentStatement {
        CommitmentStatement {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            device: [3; 32],
            epoch,
            round_seed: [4; 32],
            commitment: [5; 32],
        }
    }

    /// A device that is registered in hour 10, and a provider all of whose stake is its bond.
    fn parties() -> (Device, Provider) {
        let device = Device {
            operator: OPERATOR,
            operator_since: 10 * HOUR,
            since: 10 * HOUR,
            bond: 100,
            ..Device::zeroed()
        };
        let provider = Provider {
            staked: 100,
            committed: 100,
            ..Provider::zeroed()
        };
        (device, provider)
    }

    #[test]
    fn what_the_program_would_refuse_is_not_begun() {
        let (device, provider) = parties();
        let at = |epoch: u64, device: &Device, hour: i64| {
            moot(device, &provider, &statement(epoch), &OPERATOR, hour * HOUR)
        };
        assert_eq!(at(40, &device, 40), None);
        assert_eq!(at(40, &device, 64), None, "a day later");
        assert_eq!(at(40, &device, 65), Some(Moot::TooOld { epoch: 40 }));
        let other = |moot: Option<Moot>| matches!(moot, Some(Moot::NotOperator { .. }));
        assert!(other(at(9, &device, 20)), "before it was registered");
        let mut changed = device;
        changed
            .change_operator(Pubkey::new_from_array([8; 32]), 40 * HOUR)
            .unwrap();
        assert_eq!(at(40, &changed, 41), None, "in that hour it still was");
        assert!(other(at(41, &changed, 41)));
    }

    #[test]
    fn one_fault_counts_a_day_and_what_it_still_costs_can_be_taken() {
        let (device, provider) = parties();
        let at = |device: &Device, provider: &Provider| {
            moot(device, provider, &statement(40), &OPERATOR, 41 * HOUR)
        };
        let proven = Some(Moot::Proven {
            device: Pubkey::new_from_array([3; 32]),
            case: None,
        });
        let faulted = Device {
            faulty_epoch: 40_u64.to_le_bytes(),
            ..device
        };
        assert_eq!(at(&faulted, &provider), proven);
        let owing = Device {
            fault_due: 1_u64.to_le_bytes(),
            ..faulted
        };
        assert_eq!(at(&owing, &provider), None, "the bond can pay");
        let bound = Device {
            exposure: 100,
            ..owing
        };
        assert_eq!(at(&bound, &provider), proven, "nothing can pay");
        let long_ago = Device {
            faulty_epoch: 16_u64.to_le_bytes(),
            ..device
        };
        assert_eq!(at(&long_ago, &provider), None);
    }

    /// After a crash only what is missing is written; what another claim left counts for nothing.
    #[test]
    fn a_claim_is_written_in_parts_that_are_not_there_yet() {
        let claim: Vec<u8> = (0..CLAIM_BYTES).map(|at| at as u8 | 1).collect();
        let mut evidence = Evidence::zeroed();
        assert_eq!(written(&evidence).len(), claim.len());
        let offsets = |evidence: &Evidence| -> Vec<u16> {
            let parts = missing(&claim, written(evidence));
            parts.iter().map(|(offset, _)| *offset).collect()
        };
        assert_eq!(offsets(&evidence), [0, 800]);
        for (offset, part) in missing(&claim, &[]) {
            assert!(part.len() <= MAX_EVIDENCE_PART);
            evidence.write(offset.into(), part).unwrap();
            if offset == 0 {
                assert_eq!(offsets(&evidence), [800]);
            }
        }
        assert_eq!(offsets(&evidence), [0; 0]);
        evidence.write(3, &[0]).unwrap();
        assert_eq!(offsets(&evidence), [0]);
    }

    /// What is committed to and written is what the program reads, and finds wrong.
    #[test]
    fn a_challenge_holds_the_claim_as_the_program_stores_it() {
        let (round, device) = ([4; 32], [3; 32]);
        let (committed, wrong) = testing::wrong_cell(round, device);
        let signed = CommitmentStatement {
            commitment: committed.commitment(),
            ..statement(40)
        };
        let challenge = |statement, wrong: &WrongCell| {
            let signature = Signature::default();
            Challenge::new(statement, OPERATOR, signature, &committed, wrong, [6; 32])
        };
        let made = challenge(signed, &wrong).unwrap();
        let mut evidence = Evidence::zeroed();
        for (offset, part) in missing(&made.claim, &[]) {
            evidence.write(offset.into(), part).unwrap();
        }
        let read = evidence.claim().unwrap();
        assert_eq!(read, wrong.claim(&committed));
        let found = bad_cell::<Software>(&read, &round, &device, &signed.commitment).unwrap();
        assert_eq!(found.committed, found.right + 1);
        // Nothing is begun that leads elsewhere, or is right.
        assert_eq!(challenge(statement(40), &wrong), Err(CellError::WrongRoot));
        let beside = WrongCell {
            col: 10,
            ..wrong.clone()
        };
        assert!(matches!(
            challenge(signed, &beside),
            Err(CellError::CellIsRight(_))
        ));
    }

    /// Cases of the same provider that are opened at the same time take each other's numbers: only what surely changed nothing is tried
    /// again.
    #[test]
    fn what_may_have_landed_is_not_brought_again() {
        let refused = Error::Program(Box::new(ProgramError {
            program: io_network::ID,
            code: Some(1),
            name: None,
            message: "seeds".into(),
            io_error: None,
            instruction: 1,
            logs: Vec::new(),
            signature: None,
        }));
        assert!(is_refusal(&refused));
        assert!(!is_refusal(&Error::Unresolved {
            signature: Signature::default(),
            seconds: 60,
            last_refusal: None,
        }));
    }
}
