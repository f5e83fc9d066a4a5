use anchor_lang::prelude::*;
use io_protocol::money::FeeTerms;

use crate::{constants::*, errors::IoError, state::serialise_as_bytes};

/// A mint that jobs may be paid in.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct PaymentMint {
    pub mint: Pubkey,
    /// Treasury token accounts; zero until `init_treasury_shard` made it.
    pub shards: [Pubkey; 16],
    /// Weight of this mint in exposure: IO base units per 10⁹ base units of it. IO itself: 10⁹.
    pub io_per_unit_e9: u64,
    /// Extra fee of the renter when paying in this mint, basis points.
    pub fee_bps: u16,
    /// 1 while new jobs may use it.
    pub enabled: u8,
    pub decimals: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 58],
}
serialise_as_bytes!(PaymentMint);

impl PaymentMint {
    pub fn fees(&self, reserve_bps: u16) -> FeeTerms {
        FeeTerms {
            reserve_bps,
            payment_bps: self.fee_bps,
        }
    }

    /// The shard that a job's fees go to.
    pub fn shard_for(&self, job: &Pubkey) -> Pubkey {
        self.shards[usize::from(job.as_ref()[0]) % TREASURY_SHARDS]
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.fee_bps <= MAX_FEE_BPS, IoError::ParameterOutOfBounds);
        require!(self.io_per_unit_e9 > 0, IoError::ParameterOutOfBounds);
        require!(self.enabled <= 1, IoError::Invariant);
        Ok(())
    }
}
