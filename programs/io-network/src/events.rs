//! Events. Each carries the whole account after the change (and the state before), so that replaying the events of
//! an account rebuilds it. Written straight from account bytes: no formatting, one log line.

use crate::prelude::*;

use crate::state::*;

/// A job changed state, or what it owes changed.
#[event]
pub struct JobChanged {
    pub job: Pubkey,
    /// `JobState` before.
    pub before: u8,
    pub after: Job,
}

/// A device was registered, attested, bonded, switched, or moved on with a job.
#[event]
pub struct DeviceChanged {
    pub device: Pubkey,
    pub after: Device,
}

/// A device was retired and its account closed.
#[event]
pub struct DeviceRetired {
    pub device: Pubkey,
    pub last: Device,
}

/// A provider was registered or its stake changed.
#[event]
pub struct ProviderChanged {
    pub provider: Pubkey,
    pub after: Provider,
}

/// A penalty moved from stake to a case.
#[event]
pub struct SlashCaseChanged {
    pub case: Pubkey,
    pub after: SlashCase,
}

/// A decided slash case was closed.
#[event]
pub struct SlashCaseClosed {
    pub case: Pubkey,
    pub last: SlashCase,
}

/// An oracle's bond was opened or changed.
#[event]
pub struct OracleChanged {
    pub oracle: Pubkey,
    pub after: Oracle,
}

/// A co-staker joined, earned, was paid, or is leaving.
#[event]
pub struct CoStakeChanged {
    pub co_stake: Pubkey,
    pub after: CoStake,
}

/// A co-staker left with everything.
#[event]
pub struct CoStakeClosed {
    pub co_stake: Pubkey,
    pub last: CoStake,
}

/// A finished job's account was closed.
#[event]
pub struct JobClosed {
    pub job: Pubkey,
    pub last: Job,
}

/// The network's configuration changed.
#[event]
pub struct NetworkChanged {
    pub after: Network,
}

/// The oracle set changed.
#[event]
pub struct OracleSetChanged {
    pub after: OracleSet,
}

/// A device class was added or changed.
#[event]
pub struct DeviceClassChanged {
    pub class: Pubkey,
    pub after: DeviceClass,
}

/// A payment mint was added or changed.
#[event]
pub struct PaymentMintChanged {
    pub payment: Pubkey,
    pub after: PaymentMint,
}

/// A change of the configuration was published. It can take effect when it is ready, unless it is withdrawn.
#[event]
pub struct ProposalChanged {
    pub proposal: Pubkey,
    pub after: Proposal,
    /// The instruction's arguments: all that the change is.
    pub arguments: Vec<u8>,
}

/// A published change took effect or was withdrawn.
#[event]
pub struct ProposalClosed {
    pub proposal: Pubkey,
    pub last: Proposal,
}

/// Emission was initialised, minted, given a root, claimed from, or its split changed.
#[event]
pub struct EmissionChanged {
    pub after: Emission,
}

/// A vesting account was created, claimed from or handed over.
#[event]
pub struct VestingChanged {
    pub vesting: Pubkey,
    pub after: Vesting,
}

/// A rule for buying IO back was made, changed or used.
#[event]
pub struct BuyBackChanged {
    pub buy_back: Pubkey,
    pub after: BuyBack,
}

/// An account of an earlier version was brought to today's layout.
#[event]
pub struct AccountMigrated {
    pub account: Pubkey,
    /// All of it, discriminator included.
    pub data: Vec<u8>,
}

/// A sponsor put into a job's escrow.
#[event]
pub struct DepositChanged {
    pub deposit: Pubkey,
    pub after: Deposit,
}

/// A sponsor's share was released.
#[event]
pub struct DepositClosed {
    pub deposit: Pubkey,
    pub last: Deposit,
}

/// What proves a wrong cell was committed to, or a part of it written.
#[event]
pub struct EvidenceChanged {
    pub evidence: Pubkey,
    pub after: Evidence,
}

/// Evidence was closed.
#[event]
pub struct EvidenceClosed {
    pub evidence: Pubkey,
    pub last: Evidence,
}

/// Logs an event whose fields are `key` (if any), `before` (if any) and an account snapshot. Byte for byte what
/// `emit!` would write, without building the event on the stack.
pub fn log_snapshot<E: Discriminator, T: bytemuck::NoUninit>(
    key: Option<&Pubkey>,
    before: Option<u8>,
    after: &T,
) {
    let snapshot = bytemuck::bytes_of(after);
    let mut bytes = Vec::with_capacity(8 + 32 + 1 + snapshot.len());
    bytes.extend_from_slice(E::DISCRIMINATOR);
    if let Some(key) = key {
        bytes.extend_from_slice(key.as_ref());
    }
    bytes.extend(before);
    bytes.extend_from_slice(snapshot);
    anchor_lang::solana_program::log::sol_log_data(&[&bytes]);
}

pub fn job_changed(key: &Pubkey, before: JobState, after: &Job) {
    log_snapshot::<JobChanged, _>(Some(key), Some(before as u8), after);
}

pub fn device_changed(key: &Pubkey, after: &Device) {
    log_snapshot::<DeviceChanged, _>(Some(key), None, after);
}

pub fn provider_changed(key: &Pubkey, after: &Provider) {
    log_snapshot::<ProviderChanged, _>(Some(key), None, after);
}

pub fn slash_case_changed(key: &Pubkey, after: &SlashCase) {
    log_snapshot::<SlashCaseChanged, _>(Some(key), None, after);
}

pub fn oracle_changed(key: &Pubkey, after: &Oracle) {
    log_snapshot::<OracleChanged, _>(Some(key), None, after);
}

pub fn co_stake_changed(key: &Pubkey, after: &CoStake) {
    log_snapshot::<CoStakeChanged, _>(Some(key), None, after);
}
