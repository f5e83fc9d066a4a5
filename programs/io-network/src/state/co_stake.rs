use crate::prelude::*;
use io_protocol::{costake, messages};

use crate::{
    constants::EVIDENCE_SECONDS,
    errors::{IoError, MoneyResult},
    state::{serialise_as_bytes, Provider},
};

/// Somebody's stake beside a provider's own, with the terms of its joining.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct CoStake {
    /// Provider account.
    pub provider: Pubkey,
    pub co_staker: Pubkey,
    /// Shares of the pool that earn rewards.
    pub earning: u64,
    /// Shares that will, once the provider's rewards up to `joined_at` are claimed.
    pub pending: u64,
    /// Earned and not paid yet, before commission, IO base units.
    pub rewards: u64,
    /// Reward accumulator up to which `rewards` is counted: low and high half.
    pub acc: [u64; 2],
    /// Fixed when it left the pool, IO base units.
    pub unbonding: u64,
    /// When the pending shares joined.
    pub joined_at: i64,
    /// Leaving: the notice ends then; 0 while it stays.
    pub notice_until: i64,
    /// Out of the pool: can be withdrawn from then on; 0 while it is in.
    pub ready_at: i64,
    /// The provider's commission on rewards, fixed at joining, basis points.
    pub commission_bps: u16,
    pub bump: u8,
    pub version: u8,
    /// Bonds that cover it can be freed from then on for a day, Unix seconds (i64 little-endian); 0 before somebody asked for that.
    pub release_at: [u8; 8],
    pub reserved: [u8; 52],
}
serialise_as_bytes!(CoStake);

impl CoStake {
    pub fn shares(&self) -> Result<u64> {
        self.earning.checked_add(self.pending).or_overflow()
    }

    /// What its shares are worth in the pool, IO base units, rounded down.
    pub fn worth(&self, provider: &Provider) -> Result<u64> {
        Ok(costake::assets_of(
            self.shares()?,
            provider.co_shares,
            provider.co_assets,
        ))
    }

    /// It is in the pool, and its notice is over.
    pub fn require_notice_over(&self, now: i64) -> Result<()> {
        require!(self.notice_until != 0, IoError::NotLeaving);
        require!(self.ready_at == 0, IoError::WrongState);
        require!(now >= self.notice_until, IoError::DeadlineNotPassed);
        Ok(())
    }

    pub fn release_at(&self) -> i64 {
        i64::from_le_bytes(self.release_at)
    }

    /// Bonds were asked for, and may still be freed. What was asked for and not used in its day is asked for again: nobody keeps a way out
    /// ready.
    pub fn bonds_called(&self, now: i64) -> bool {
        let at = self.release_at();
        at != 0 && now < at.saturating_add(EVIDENCE_SECONDS)
    }

    /// Bonds are asked for: what devices showed up to now can be proven wrong for a day after the end of this hour, and nothing is freed
    /// before. What they show later doesn't put it off.
    pub fn call_bonds(&mut self, now: i64) {
        let at = now
            .saturating_add(messages::EPOCH_SECONDS)
            .saturating_add(EVIDENCE_SECONDS);
        self.release_at = at.to_le_bytes();
    }

    /// Counts what was earned up to now.
    pub fn settle(&mut self, provider: &Provider) -> Result<()> {
        let acc = provider.accumulator();
        let earned = costake::earned(self.earning, acc, join(self.acc)).or_overflow()?;
        self.rewards = self.rewards.checked_add(earned).or_overflow()?;
        self.acc = halves(acc);
        Ok(())
    }

    /// Takes what was earned: (co-staker's, owner's commission). The pool owes it no more.
    pub fn take_rewards(&mut self, provider: &mut Provider) -> Result<(u64, u64)> {
        let gross = core::mem::take(&mut self.rewards);
        let (own, commission) =
            costake::split_commission(gross, self.commission_bps).or_overflow()?;
        provider.co_rewards = provider.co_rewards.checked_sub(gross).or_overflow()?;
        provider.staked = provider.staked.checked_add(commission).or_overflow()?;
        Ok((own, commission))
    }

    pub fn invariant(&self, provider: &Provider) -> Result<()> {
        require!(
            self.shares()? <= provider.co_shares && self.earning <= provider.co_earning,
            IoError::Invariant
        );
        require!(self.rewards <= provider.co_rewards, IoError::Invariant);
        require!(
            self.ready_at == 0 || (self.notice_until != 0 && self.shares()? == 0),
            IoError::Invariant
        );
        require!(
            self.ready_at != 0 || self.unbonding == 0,
            IoError::Invariant
        );
        Ok(())
    }
}

/// A 128-bit number from its low and high half. Two halves keep the accounts' alignment at 8 on every compiler.
pub fn join([low, high]: [u64; 2]) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

/// The low and high half of a 128-bit number.
pub fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
}
