use crate::prelude::*;
use io_protocol::{
    buyback,
    messages::{epoch_of, EPOCH_SECONDS},
};

use crate::{
    errors::{IoError, MoneyResult},
    state::serialise_as_bytes,
};

/// At what price the treasury buys IO back for one of its mints. The price rises within each hour, so that the treasury
/// pays no more than the keenest seller asks.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct BuyBack {
    pub mint: Pubkey,
    /// Base units of the mint for 10⁹ base units of IO at the beginning of an hour.
    pub floor_price: u64,
    /// And at its end: never more.
    pub ceiling_price: u64,
    /// The most that is paid in an hour, base units of the mint.
    pub budget: u64,
    /// The hour (since the Unix epoch) that `spent` is of.
    pub epoch: u64,
    /// Paid in that hour, base units of the mint.
    pub spent: u64,
    /// Paid ever, base units of the mint.
    pub paid: u64,
    /// IO bought and burned ever, base units.
    pub burned: u64,
    /// 1 while it buys.
    pub enabled: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 61],
}
serialise_as_bytes!(BuyBack);

impl BuyBack {
    /// The price at `now`, base units of the mint for 10⁹ base units of IO.
    pub fn price_at(&self, now: i64) -> u64 {
        let elapsed = now.max(0) as u64 % EPOCH_SECONDS as u64;
        buyback::price_at(
            self.floor_price,
            self.ceiling_price,
            elapsed,
            EPOCH_SECONDS as u64 - 1,
        )
    }

    /// Books a sale of `io` base units at `now`. Returns what the seller gets.
    pub fn sell(&mut self, io: u64, now: i64) -> Result<u64> {
        require!(self.enabled == 1, IoError::NoBuyBack);
        let epoch = epoch_of(now);
        if epoch != self.epoch {
            (self.epoch, self.spent) = (epoch, 0);
        }
        let out = buyback::payout_floor(io, self.price_at(now)).or_overflow()?;
        require!(out > 0, IoError::ZeroAmount);
        self.spent = self.spent.checked_add(out).or_overflow()?;
        require!(self.spent <= self.budget, IoError::BudgetSpent);
        self.paid = self.paid.checked_add(out).or_overflow()?;
        self.burned = self.burned.checked_add(io).or_overflow()?;
        Ok(out)
    }

    pub fn invariant(&self) -> Result<()> {
        require!(
            self.floor_price > 0 && self.floor_price <= self.ceiling_price,
            IoError::ParameterOutOfBounds
        );
        require!(self.enabled <= 1, IoError::Invariant);
        Ok(())
    }
}
