use crate::prelude::*;

use io_protocol::costake;

use crate::{
    constants::MAX_BPS,
    errors::{IoError, MoneyResult},
    seeds,
    state::{halves, join, serialise_as_bytes, Record},
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
    /// Part of the stake, co-stake included, that is bonded to devices or due as a penalty; it cannot leave.
    pub committed: u64,
    /// What co-stakers have at stake beside, IO base units. The pool's vault holds this, what unbonds, and `co_rewards`.
    pub co_assets: u64,
    /// Shares of that.
    pub co_shares: u64,
    /// Of them, those that earn rewards already.
    pub co_earning: u64,
    /// Rewards in the pool's vault that co-stakers have not been paid yet.
    pub co_rewards: u64,
    /// Rewards of one earning share, ever, scaled by 2⁶⁴: low and high half.
    pub co_acc: [u64; 2],
    /// The pool's part in slash cases that are not decided.
    pub co_disputed: u64,
    /// Rewards are claimed for all time before this, Unix seconds.
    pub claimed_until: i64,
    pub unbonding: [Unbonding; 8],
    /// What retired devices did: their reputation lives on.
    pub record: Record,
    /// Counters of devices that were retired. A device's own counters are on the device.
    pub completed: u64,
    pub failed: u64,
    /// IO base units claimed as rewards, ever.
    pub claimed: u64,
    pub since: i64,
    /// Slash cases opened, ever: numbers the next.
    pub slash_cases: u64,
    pub devices: u32,
    pub co_stakers: u32,
    /// Commission on the rewards of co-stakers that join now, basis points.
    pub commission_bps: u16,
    pub bump: u8,
    pub vault_bump: u8,
    pub co_vault_bump: u8,
    /// 1 while co-stakers may join.
    pub co_open: u8,
    pub version: u8,
    pub reserved: [u8; 65],
}
serialise_as_bytes!(Provider);

impl Provider {
    /// The provider's PDA, the authority of its vaults, signs with these and its bump.
    pub fn signer_seeds<'a>(&'a self, bump: &'a [u8; 1]) -> [&'a [u8]; 3] {
        [seeds::PROVIDER, self.authority.as_ref(), bump]
    }

    /// The one token account of the owner's stake.
    pub fn require_stake_vault(&self, address: &Pubkey, vault: &Pubkey) -> Result<()> {
        let expected = vault_address(seeds::STAKE, address, self.vault_bump)?;
        require_keys_eq!(expected, *vault, IoError::WrongAccount);
        Ok(())
    }

    /// The one token account of the co-stakers' pool. It may not be there yet.
    pub fn require_co_vault(&self, address: &Pubkey, vault: &Pubkey) -> Result<()> {
        let expected = vault_address(seeds::CO_VAULT, address, self.co_vault_bump)?;
        require_keys_eq!(expected, *vault, IoError::WrongAccount);
        Ok(())
    }

    /// All that stands behind bonds and penalties.
    pub fn collateral(&self) -> u64 {
        self.staked.saturating_add(self.co_assets)
    }

    /// Stake, co-stake included, that is neither bonded nor due.
    pub fn free(&self) -> u64 {
        self.collateral().saturating_sub(self.committed)
    }

    /// What the owner may take out: free, and not the first loss that its co-stakers rely on.
    pub fn unstakeable(&self) -> u64 {
        self.free().min(self.staked.saturating_sub(self.co_assets))
    }

    pub fn accumulator(&self) -> u128 {
        join(self.co_acc)
    }

    /// Divides a claimed reward between the owner and the pool: the owner's part is to be paid out, the pool's part goes to the
    /// pool's vault. All rewards of the time before `until` are claimed with it.
    pub fn divide_reward(&mut self, amount: u64, until: i64) -> Result<(u64, u64)> {
        let (owner, pool) = costake::split_reward(
            amount,
            self.staked,
            self.co_assets,
            self.co_shares,
            self.co_earning,
        );
        if pool > 0 {
            let acc = costake::accrue(self.accumulator(), pool, self.co_earning).or_overflow()?;
            self.co_acc = halves(acc);
            self.co_rewards = self.co_rewards.checked_add(pool).or_overflow()?;
        }
        self.claimed_until = self.claimed_until.max(until);
        Ok((owner, pool))
    }

    /// Takes a penalty: the owner's stake first. Returns (owner's part, pool's part).
    pub fn slash(&mut self, amount: u64) -> Result<(u64, u64)> {
        let (owner, pool) =
            costake::split_loss(amount, self.staked, self.co_assets).or_overflow()?;
        self.release(amount)?;
        self.staked -= owner;
        self.co_assets -= pool;
        self.co_disputed = self.co_disputed.checked_add(pool).or_overflow()?;
        Ok((owner, pool))
    }

    /// Takes up to `amount` of what is the owner's alone and binds nothing: free stake, then what is on its way out. Co-stakers answer for
    /// bonds, not for this. Returns what it took.
    pub fn take_unbound(&mut self, amount: u64) -> u64 {
        let free = amount.min(self.free()).min(self.staked);
        self.staked -= free;
        let mut left = amount - free;
        for entry in &mut self.unbonding {
            let part = left.min(entry.amount);
            left -= part;
            entry.amount -= part;
            if entry.amount == 0 {
                *entry = Unbonding::default();
            }
        }
        amount - left
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
        require!(self.committed <= self.collateral(), IoError::Invariant);
        require!(self.co_earning <= self.co_shares, IoError::Invariant);
        require!(
            self.co_shares > 0 || self.co_assets == 0,
            IoError::Invariant
        );
        require!(
            self.commission_bps <= MAX_BPS && self.co_open <= 1,
            IoError::Invariant
        );
        self.liabilities()?;
        Ok(())
    }
}

/// Address of a token account that belongs to one of the program's accounts.
pub fn vault_address(seed: &[u8], of: &Pubkey, bump: u8) -> Result<Pubkey> {
    Pubkey::create_program_address(&[seed, of.as_ref(), &[bump]], &crate::ID)
        .map_err(|_| error!(IoError::WrongAccount))
}
