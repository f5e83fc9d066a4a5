use crate::prelude::*;
use io_protocol::emission::{self, Calendar, VestingTerms, ALLOCATIONS};

use crate::{constants::*, errors::IoError, state::serialise_as_bytes};

/// The supply of IO beyond genesis, and who may claim it. Mint authority of IO, and owner of the reward vault.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Emission {
    /// The IO mint.
    pub mint: Pubkey,
    /// The reward vault: what was minted and not claimed.
    pub vault: Pubkey,
    /// Root of the tree of cumulative rewards; zero before the first.
    pub root: [u8; 32],
    /// BLAKE3 of the leaf set that the root is made of.
    pub root_blob: [u8; 32],
    /// Unix seconds at which epoch 1 begins.
    pub genesis_at: i64,
    /// Epochs whose emission was minted: all that were over at the last `advance_epoch`.
    pub epochs_done: u64,
    /// IO base units emitted so far, without the genesis.
    pub minted: u64,
    /// Epoch of the root; 0 before the first.
    pub root_epoch: u64,
    /// All leaves of the root together, IO base units.
    pub root_total: u64,
    /// IO base units claimed so far.
    pub claimed: u64,
    /// Length of an epoch, seconds: 3,600 on a real network, fixed for good.
    pub epoch_seconds: u32,
    /// Share of an epoch's emission for enterprise classes, basis points; the rest is the community's.
    pub enterprise_bps: u16,
    /// One bit for each vesting account that was created.
    pub vestings: u8,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    pub reserved: [u8; 62],
}
serialise_as_bytes!(Emission);

impl Emission {
    pub fn calendar(&self) -> Calendar {
        Calendar {
            genesis_at: self.genesis_at,
            epoch_seconds: self.epoch_seconds,
        }
    }

    /// All of the genesis supply was minted into its vesting accounts.
    pub fn genesis_complete(&self) -> bool {
        self.vestings == ALL_VESTINGS
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, IoError::Invariant);
        // What is due `advance_epoch` computes; doing it again with every claim would cost half as much as the claim.
        require!(self.minted <= emission::EMISSION, IoError::Invariant);
        require!(self.root_epoch <= self.epochs_done, IoError::Invariant);
        require!(
            self.claimed <= self.root_total && self.root_total <= self.minted,
            IoError::Invariant
        );
        require!(self.vestings & !ALL_VESTINGS == 0, IoError::Invariant);
        require!(
            self.enterprise_bps <= MAX_BPS
                && (1..=emission::EPOCH_SECONDS).contains(&self.epoch_seconds),
            IoError::ParameterOutOfBounds
        );
        Ok(())
    }
}

/// A part of the genesis supply, on its way to a beneficiary.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Vesting {
    pub beneficiary: Pubkey,
    /// Proposed by the beneficiary; zero when none.
    pub pending: Pubkey,
    /// The vault that holds what was not claimed.
    pub vault: Pubkey,
    /// IO base units.
    pub total: u64,
    pub claimed: u64,
    /// Unix seconds.
    pub start_at: i64,
    /// Nothing before this long after the start, seconds.
    pub cliff_seconds: u32,
    /// Then linearly over this long, seconds; 0: all at once.
    pub linear_seconds: u32,
    /// Which allocation.
    pub index: u8,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    pub reserved: [u8; 60],
}
serialise_as_bytes!(Vesting);

impl Vesting {
    pub fn terms(&self) -> VestingTerms {
        VestingTerms {
            start_at: self.start_at,
            cliff_seconds: self.cliff_seconds,
            linear_seconds: self.linear_seconds,
        }
    }

    /// IO base units that can be claimed at `now`.
    pub fn claimable(&self, now: i64) -> u64 {
        self.terms()
            .vested(self.total, now)
            .saturating_sub(self.claimed)
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, IoError::Invariant);
        let allocation = ALLOCATIONS.get(usize::from(self.index));
        require!(
            allocation.is_some_and(|a| a.amount == self.total),
            IoError::Invariant
        );
        require!(self.claimed <= self.total, IoError::Invariant);
        require!(
            self.beneficiary != Pubkey::default(),
            IoError::ParameterOutOfBounds
        );
        require!(
            self.cliff_seconds <= MAX_VESTING_SECONDS && self.linear_seconds <= MAX_VESTING_SECONDS,
            IoError::ParameterOutOfBounds
        );
        Ok(())
    }
}
