use crate::prelude::*;
use io_protocol::deposits;

use crate::{
    constants::VERSION,
    errors::{IoError, MoneyResult},
    state::{serialise_as_bytes, Job},
};

/// A sponsor's part of a job's escrow. It covers an interval of it, and gets that interval's share of what is left.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Deposit {
    pub job: Pubkey,
    /// Paid it and the rent; gets its share and the rent back.
    pub sponsor: Pubkey,
    /// Where its share goes.
    pub token_account: Pubkey,
    /// What was in the escrow before it, base units of the job's mint.
    pub start: u64,
    /// Base units.
    pub amount: u64,
    pub created_at: i64,
    /// Tells the deposits of one sponsor in one job apart.
    pub index: u16,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 52],
}
serialise_as_bytes!(Deposit);

impl Deposit {
    /// Its share of the refund of a job that is final.
    pub fn share(&self, job: &Job) -> Result<u64> {
        deposits::refund_share(job.refunded, self.start, self.amount, job.funded).or_overflow()
    }

    pub fn invariant(&self) -> Result<()> {
        require!(
            self.version == VERSION && self.amount > 0,
            IoError::Invariant
        );
        Ok(())
    }
}
