use crate::prelude::*;

use crate::{
    constants::MAX_ORACLES,
    errors::{IoError, MoneyResult},
    state::serialise_as_bytes,
};

/// The oracles whose signatures count. Every change raises `version`, which every statement names: a statement
/// signed for an earlier set is void.
///
/// An oracle keeps its slot as long as it is in the set; whoever leaves leaves a hole, which is filled again only after all
/// other slots were. A bit mask of slots therefore names oracles for a long time.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct OracleSet {
    pub version: u64,
    /// Active oracles by slot; zero is a hole.
    pub oracles: [Pubkey; 32],
    /// Active oracles.
    pub count: u8,
    /// Signatures that a decision needs.
    pub quorum: u8,
    pub bump: u8,
    pub layout: u8,
    /// Slots that were ever used.
    pub used: u8,
    /// The slot after the one that was filled last.
    pub next: u8,
    pub reserved: [u8; 58],
}
serialise_as_bytes!(OracleSet);

impl OracleSet {
    fn slots(&self) -> &[Pubkey] {
        &self.oracles[..usize::from(self.used).min(MAX_ORACLES)]
    }

    pub fn active(&self) -> impl Iterator<Item = &Pubkey> {
        self.slots().iter().filter(|o| **o != Pubkey::default())
    }

    /// Slot of an active oracle.
    pub fn position(&self, key: &[u8]) -> Option<usize> {
        // Eight bytes tell almost all keys apart; comparing all 32 of each costs compute.
        let head = key.get(..8)?;
        let found = self
            .slots()
            .iter()
            .position(|o| &o.as_ref()[..8] == head && o.as_ref() == key)?;
        (self.oracles[found] != Pubkey::default()).then_some(found)
    }

    /// Slots of all active oracles, as bits.
    pub fn mask(&self) -> u32 {
        self.slots()
            .iter()
            .enumerate()
            .filter(|(_, o)| **o != Pubkey::default())
            .fold(0, |mask, (slot, _)| mask | 1 << slot)
    }

    /// Makes `oracles` the active ones and raises the version. Whoever stays keeps its slot.
    pub fn replace(&mut self, quorum: u8, oracles: &[Pubkey]) -> Result<()> {
        require!(oracles.len() <= MAX_ORACLES, IoError::BadOracleSet);
        for slot in 0..usize::from(self.used) {
            if !oracles.contains(&self.oracles[slot]) {
                self.oracles[slot] = Pubkey::default();
            }
        }
        for key in oracles {
            require_keys_neq!(*key, Pubkey::default(), IoError::BadOracleSet);
            if self.position(key.as_ref()).is_none() {
                self.fill(key)?;
            }
        }
        self.quorum = quorum;
        self.recount()?;
        // Fewer slots than keys: one was named twice.
        require!(
            usize::from(self.count) == oracles.len(),
            IoError::BadOracleSet
        );
        self.invariant()
    }

    /// Takes one oracle out, if the rest can still reach the quorum.
    pub fn remove(&mut self, slot: usize) -> Result<bool> {
        if self.count <= self.quorum {
            return Ok(false);
        }
        self.oracles[slot] = Pubkey::default();
        self.recount()?;
        self.invariant()?;
        Ok(true)
    }

    fn fill(&mut self, key: &Pubkey) -> Result<()> {
        let slot = (0..MAX_ORACLES)
            .map(|i| (usize::from(self.next) + i) % MAX_ORACLES)
            .find(|slot| self.oracles[*slot] == Pubkey::default())
            .ok_or_else(|| error!(IoError::BadOracleSet))?;
        self.oracles[slot] = *key;
        self.used = self.used.max(slot as u8 + 1);
        self.next = (slot as u8 + 1) % MAX_ORACLES as u8;
        Ok(())
    }

    fn recount(&mut self) -> Result<()> {
        self.count = self.mask().count_ones() as u8;
        self.version = self.version.checked_add(1).or_overflow()?;
        Ok(())
    }

    pub fn invariant(&self) -> Result<()> {
        require!(
            usize::from(self.used) <= MAX_ORACLES && usize::from(self.next) < MAX_ORACLES,
            IoError::BadOracleSet
        );
        require!(
            u32::from(self.count) == self.mask().count_ones(),
            IoError::BadOracleSet
        );
        require!(
            self.quorum >= 1 && self.quorum <= self.count,
            IoError::BadOracleSet
        );
        Ok(())
    }
}
