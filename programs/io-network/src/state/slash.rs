use anchor_lang::prelude::*;

use crate::state::serialise_as_bytes;

/// Why a case was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlashCause {
    Expired = 1,
    Rejected = 2,
}

/// A penalty taken from a provider's stake, escrowed in a vault of its own until it is decided.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct SlashCase {
    pub provider: Pubkey,
    pub device: Pubkey,
    /// The job that it is about.
    pub job: Pubkey,
    /// Renter of that job: a share of an upheld penalty is theirs.
    pub renter: Pubkey,
    /// Who paid for this account's rent.
    pub opener: Pubkey,
    /// Hash of the evidence: the output hash that was rejected, or the spec hash of a job that expired.
    pub evidence: [u8; 32],
    pub number: u64,
    /// IO base units in the case's vault.
    pub amount: u64,
    pub opened_at: i64,
    /// The provider may appeal until then, Unix seconds.
    pub appeal_until: i64,
    pub cause: u8,
    /// 0 open.
    pub state: u8,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    pub reserved: [u8; 59],
}
serialise_as_bytes!(SlashCase);
