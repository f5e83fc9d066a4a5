use anchor_lang::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    state::serialise_as_bytes,
};

/// Stake on its way out: counts for nothing, can be withdrawn from `ready_at`.
#[zero_copy]
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Unbonding {
    /// IO base units; 0 marks a free entry.
    pub amount: u64,
    /// Unix seconds.
    pub ready_at: i64,
}

/// A provider: owns devices, stakes, earns.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    pub authority: Pubkey,
    /// Owner of the token accounts that earnings go to.
    pub payout_owner: Pubkey,
    /// IO base units that count as stake. The stake vault holds this plus all unbonding entries.
    pub staked: u64,
    /// Part of `staked` that is bonded to devices or due as a penalty; it cannot be unstaked.
    pub committed: u64,
    pub unbonding: [Unbonding; 8],
    /// Counters of devices that were retired. A device's own counters are on the device.
    pub completed: u64,
    pub failed: u64,
    /// IO base units claimed as rewards, ever.
    pub claimed: u64,
    pub since: i64,
    /// Slash cases opened, ever: numbers the next.
    pub slash_cases: u64,
    pub devices: u32,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    pub reserved: [u8; 65],
}
serialise_as_bytes!(Provider);

impl Provider {
    /// Stake that is neither bonded nor due.
    pub fn free(&self) -> u64 {
        self.staked.saturating_sub(self.committed)
    }

    /// What the stake vault owes.
    pub fn liabilities(&self) -> Result<u64> {
        self.unbonding
            .iter()
            .try_fold(self.staked, |sum, u| sum.checked_add(u.amount))
            .or_overflow()
    }

    /// Binds free stake to a device.
    pub fn commit(&mut self, amount: u64) -> Result<()> {
        require!(amount <= self.free(), IoError::StakeNotFree);
        self.committed = self.committed.checked_add(amount).or_overflow()?;
        Ok(())
    }

    /// Frees what was bound to a device.
    pub fn release(&mut self, amount: u64) -> Result<()> {
        self.committed = self.committed.checked_sub(amount).or_overflow()?;
        Ok(())
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.committed <= self.staked, IoError::Invariant);
        self.liabilities()?;
        Ok(())
    }
}
