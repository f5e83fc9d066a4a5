use crate::prelude::*;

use crate::{errors::IoError, state::serialise_as_bytes};

/// A change of the configuration that was published and waits. Its address is that of its hash; the event of its creation
/// carries all of it.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Proposal {
    /// SHA-256 of `io_protocol::change::preimage`.
    pub hash: [u8; 32],
    /// Who proposed it, and may withdraw it.
    pub proposer: Pubkey,
    /// The account that it changes.
    pub target: Pubkey,
    /// The instruction that it is.
    pub tag: [u8; 8],
    pub proposed_at: i64,
    /// It may take effect from then on, Unix seconds.
    pub ready_at: i64,
    /// And not after.
    pub expires_at: i64,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 46],
}
serialise_as_bytes!(Proposal);

impl Proposal {
    /// It may take effect at `now`.
    pub fn require_mature(&self, now: i64) -> Result<()> {
        require!(now >= self.ready_at, IoError::ProposalNotReady);
        require!(now <= self.expires_at, IoError::ProposalExpired);
        Ok(())
    }
}
