use crate::prelude::*;
use io_protocol::money::FeeTerms;

use crate::{
    constants::*,
    errors::{IoError, MoneyResult},
    state::serialise_as_bytes,
};

/// A mint that jobs may be paid in.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct PaymentMint {
    pub mint: Pubkey,
    /// Treasury token accounts; zero until `init_treasury_shard` made it.
    pub shards: [Pubkey; 16],
    /// The treasury's main token account, which shards are swept into; zero until `init_treasury_main` made it.
    pub main: Pubkey,
    /// Weight of this mint in exposure: IO base units per 10⁹ base units of it. IO itself: 10⁹.
    pub io_per_unit_e9: u64,
    /// Moved from shards to the main account ever, base units. With the next three: the main account holds
    /// `swept − burned − withdrawn − bought`, and what strangers added.
    pub swept: u64,
    /// Burned in sweeps.
    pub burned: u64,
    /// Paid to the treasury's owner.
    pub withdrawn: u64,
    /// Paid for IO that was bought back.
    pub bought: u64,
    /// Extra fee of the renter when paying in this mint, basis points.
    pub fee_bps: u16,
    /// 1 while new jobs may use it.
    pub enabled: u8,
    pub decimals: u8,
    /// 1 for a mint of the Token-2022 program.
    pub token_2022: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 57],
}
serialise_as_bytes!(PaymentMint);

impl PaymentMint {
    pub fn fees(&self, reserve_bps: u16) -> FeeTerms {
        FeeTerms {
            reserve_bps,
            provider_bps: reserve_bps,
            payment_bps: self.fee_bps,
        }
    }

    /// The shard that a job's fees go to.
    pub fn shard_for(&self, job: &Pubkey) -> Pubkey {
        self.shards[usize::from(job.as_ref()[0]) % TREASURY_SHARDS]
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.fee_bps <= MAX_FEE_BPS, IoError::ParameterOutOfBounds);
        let out = self
            .burned
            .checked_add(self.withdrawn)
            .and_then(|sum| sum.checked_add(self.bought))
            .or_overflow()?;
        require!(out <= self.swept, IoError::TreasuryTooSmall);
        require!(self.io_per_unit_e9 > 0, IoError::ParameterOutOfBounds);
        require!(
            self.enabled <= 1 && self.token_2022 <= 1,
            IoError::Invariant
        );
        Ok(())
    }
}
