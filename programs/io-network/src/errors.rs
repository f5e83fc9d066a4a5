//! Errors. Each text says what was expected and what to do.

use crate::prelude::*;
use io_protocol::money::MoneyError;

#[error_code]
#[derive(PartialEq, Eq)]
pub enum IoError {
    #[msg("Only the network's administrator, or whom it gave the role for this, may do this")]
    NotAdmin,
    #[msg("Only the program's upgrade authority may initialise the network")]
    NotUpgradeAuthority,
    #[msg("Only the administrator that was proposed may accept")]
    NotPendingAdmin,
    #[msg("A parameter is outside its bounds; see constants.rs")]
    ParameterOutOfBounds,
    #[msg(
        "The network is paused for new jobs and stakes; settlements, refunds and withdrawals go on"
    )]
    Paused,
    #[msg("The account is not the one that this instruction requires")]
    WrongAccount,
    #[msg("The account at this address is not owned by the program that must own it")]
    WrongOwner,
    #[msg("The mint is not the one required")]
    WrongMint,
    #[msg("The mint is not an allowed payment mint")]
    MintNotAllowed,
    #[msg("The token account is not valid: expected an initialised, unfrozen account of the SPL Token program")]
    BadTokenAccount,
    #[msg("Two accounts that must differ are the same")]
    SameAccount,
    #[msg("Amount overflows or underflows")]
    Overflow,
    #[msg("The amount must be greater than zero")]
    ZeroAmount,
    #[msg("The signer is not the provider's authority")]
    NotProviderAuthority,
    #[msg("The signer is not the device's operator")]
    NotOperator,
    #[msg("The signer is neither the job's renter nor its payer")]
    NotRenter,
    #[msg("The stake is not free: it is bonded to devices, due as a penalty, or not there")]
    StakeNotFree,
    #[msg("All unbonding entries are in use: withdraw a matured one first")]
    TooManyUnbonding,
    #[msg("Nothing has matured yet: wait until the unbonding time has passed")]
    NothingMatured,
    #[msg("The bond is below the minimum for the device's class")]
    BondTooSmall,
    #[msg("The bond is below the device's exposure in unsettled jobs")]
    BondBelowExposure,
    #[msg("The device still has unsettled jobs: wait until they are settled")]
    DeviceBusy,
    #[msg("The device does not take jobs: it is draining or already runs one")]
    DeviceNotIdle,
    #[msg("The device's attestation is missing or too old: ask the oracles to attest it again")]
    AttestationStale,
    #[msg("The device does not meet the job's requirement")]
    RequirementNotMet,
    #[msg("The device's bond does not cover what it could gain from this job")]
    ExposureExceedsBond,
    #[msg("The ask is above the most that the job pays")]
    AskTooHigh,
    #[msg("The job is reserved for a matched device: bring a valid ticket, or wait until the match window ends")]
    TicketRequired,
    #[msg("The match ticket has expired")]
    TicketExpired,
    #[msg("The job is not in a state that allows this")]
    WrongState,
    #[msg("The job's terms are not valid")]
    BadTerms,
    #[msg("The deadline has passed")]
    DeadlinePassed,
    #[msg("The deadline has not passed yet")]
    DeadlineNotPassed,
    #[msg("The challenge window is still open: bring a quorum's signatures or wait")]
    ChallengeWindowOpen,
    #[msg("The challenge window is over")]
    ChallengeWindowOver,
    #[msg("The units are zero, or more than the job or the submission allows")]
    BadUnits,
    #[msg("Expected an Ed25519 instruction directly before this one")]
    NoSignatureInstruction,
    #[msg(
        "The Ed25519 instruction is malformed: offsets must lie inside it, with nothing left over"
    )]
    MalformedSignatureInstruction,
    #[msg("A signed message is not the one this instruction requires")]
    WrongMessage,
    #[msg("A signer is not an active member of the oracle set")]
    NotAnOracle,
    #[msg("The same oracle signed twice")]
    DuplicateOracle,
    #[msg("Fewer signatures than the quorum")]
    QuorumNotReached,
    #[msg("The oracle set or its quorum is not valid")]
    BadOracleSet,
    #[msg("The measurement or the epoch is no newer than one already recorded, too old, or from the future")]
    EpochNotAcceptable,
    #[msg("Something is still owed from this job: release it first")]
    StillOwed,
    #[msg("Nothing is owed to this party")]
    NothingOwed,
    #[msg("A penalty of this job has not been moved to a slash case yet: open it first")]
    PenaltyPending,
    #[msg("The job is kept until its retention ends; only its renter or payer may close it before, from the next slot on")]
    RetentionNotOver,
    #[msg("An account invariant would break; this is a bug, nothing was changed")]
    Invariant,
    #[msg("The network has a timelock: propose this change first and wait until it is ready")]
    ProposalRequired,
    #[msg("The proposal is of another change: propose exactly this one")]
    WrongProposal,
    #[msg("The proposed change is not ready yet: wait until its timelock has passed")]
    ProposalNotReady,
    #[msg("The proposed change has lapsed: propose it again")]
    ProposalExpired,
    #[msg("No instruction of this tag waits for a timelock: send it directly")]
    NotProposable,
    #[msg("The signer is neither the co-staker nor the provider's authority")]
    NotCoStaker,
    #[msg("The provider takes no co-stake now")]
    CoStakeClosed,
    #[msg("The provider's commission is above the most that was named: look at its terms again")]
    CommissionTooHigh,
    #[msg("Co-stake may not exceed what the owner itself has staked")]
    CoStakeTooLarge,
    #[msg("The amount is below the least co-stake, or buys no whole share: join with more")]
    CoStakeTooSmall,
    #[msg("The pool lost everything: its co-stakers have to leave before somebody can join")]
    PoolWipedOut,
    #[msg("A provider's authority or payout owner cannot co-stake with it: stake instead")]
    OwnCoStake,
    #[msg("It is leaving already")]
    AlreadyLeaving,
    #[msg("It is not leaving: give notice first")]
    NotLeaving,
    #[msg("A slash case with a part of the pool is undecided: wait, or leave yourself and forgo what it may return")]
    CaseUndecided,
    #[msg("Rewards up to the time of joining have not been claimed yet: claim the provider's rewards first")]
    NotEarningYet,
    #[msg("The rest covers all bonds: nothing has to be lowered")]
    BondNotShort,
    #[msg("The device was attested: only its provider can retire it")]
    DeviceAttested,
    #[msg("The bond is below the network's minimum for an oracle in the set")]
    OracleBondTooSmall,
    #[msg("A new oracle needs its Oracle account, with the minimum bond, among the remaining accounts")]
    OracleBondRequired,
    #[msg("The oracle was slashed: it can neither bond nor enter a set again")]
    OracleSlashed,
    #[msg("An earlier withdrawal is on its way: withdraw it first")]
    UnbondingInProgress,
    #[msg("The signer is not the owner of the oracle's bond")]
    NotOracleOwner,
    #[msg("The two statements do not contradict each other, or are not of this network")]
    NoContradiction,
    #[msg("An oracle that accused may not decide the appeal")]
    AccuserMayNotDecide,
    #[msg("The IO mint must be new: nothing minted, 8 decimals, no freeze authority, and the administrator its mint authority")]
    MintNotClean,
    #[msg("Not all of the genesis supply is in its vesting accounts yet: create the missing ones first")]
    GenesisIncomplete,
    #[msg("The signer is not the vesting account's beneficiary, or was not proposed as one")]
    NotBeneficiary,
    #[msg("Nothing has vested that was not claimed: wait for the cliff or the next second")]
    NothingVested,
    #[msg("The epoch is not over yet, or its emission was not minted: wait, and advance the epoch first")]
    EpochNotOver,
    #[msg("A root of this epoch or of a later one was already published")]
    RootNotNewer,
    #[msg("The rewards of a root may neither fall nor exceed what was minted")]
    TotalOutOfRange,
    #[msg("The proof does not lead to the current root: fetch the proof of the newest leaf set")]
    BadProof,
    #[msg("Nothing to claim: everything up to the current root was paid")]
    NothingToClaim,
    #[msg("The mint has a Token-2022 extension that is not allowed: metadata and group pointers are, nothing else is")]
    ExtensionNotAllowed,
    #[msg("The treasury does not buy IO for this mint now")]
    NoBuyBack,
    #[msg("This hour's budget does not cover it: sell less, or wait for the next hour")]
    BudgetSpent,
    #[msg(
        "The price is below the least that the seller named: wait, it rises until the hour ends"
    )]
    PriceTooLow,
    #[msg("The class has no reference price: give it a floor and a ceiling first")]
    NoGuidance,
    #[msg("The account has today's layout already, or is too short to be one")]
    NothingToMigrate,
    #[msg(
        "Another job was created at this address since: look at it again before you sign for it"
    )]
    AnotherJob,
    #[msg("The escrow would be above the most that the payer named: fees changed, ask for a new quote")]
    EscrowTooHigh,
    #[msg("The job is not funded yet: sponsors have to put in the rest of its escrow")]
    NotFunded,
    #[msg("Nothing is missing in this job's escrow")]
    FundedAlready,
    #[msg(
        "The deposit is too small: put in at least a 64th of the escrow, or all that is missing"
    )]
    DepositTooSmall,
    #[msg("The job is no lease")]
    NotALease,
    #[msg("The lease ends by then anyway")]
    LeaseEnded,
    #[msg("The lease goes on, or what was served until its end may still be attested: wait")]
    LeaseNotOver,
    #[msg("The seconds or the time of this checkpoint are not later than the last one's, lie in the future, or are more than have passed")]
    BadCheckpoint,
    #[msg(
        "The treasury's main account holds less than that: sweep the shards first, or ask for less"
    )]
    TreasuryTooSmall,
    #[msg("The committed cell is right: there is nothing to prove")]
    CellIsRight,
    #[msg("What the device signed for its newest figures can still be proven wrong: stop its worker, and try again 24 hours after the end of the hour they were measured in")]
    StillAnswering,
    #[msg("The evidence is not what its challenger committed to: commit to it, wait, write it, and prove it")]
    NotCommitted,
    #[msg("The evidence was committed to less than 32 slots ago: wait, and prove it then")]
    CommitmentTooNew,
    #[msg("The device owes a penalty for a wrong hardware proof: add stake, then pay it with `io device pay-penalty`")]
    PenaltyUnpaid,
    #[msg("The oracle that a finding is about may not be among those who sign it")]
    AccusedMayNotDecide,
}

impl From<MoneyError> for IoError {
    fn from(_: MoneyError) -> Self {
        IoError::Overflow
    }
}

/// Turns money-math errors into the program's own.
pub trait MoneyResult<T> {
    fn or_overflow(self) -> Result<T>;
}

impl<T> MoneyResult<T> for core::result::Result<T, MoneyError> {
    fn or_overflow(self) -> Result<T> {
        self.map_err(|e| error!(IoError::from(e)))
    }
}

impl<T> MoneyResult<T> for Option<T> {
    fn or_overflow(self) -> Result<T> {
        self.ok_or_else(|| error!(IoError::Overflow))
    }
}
