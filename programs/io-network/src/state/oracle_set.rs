use anchor_lang::prelude::*;

use crate::{constants::MAX_ORACLES, errors::IoError, state::serialise_as_bytes};

/// The oracles whose signatures count. Every change raises `version`, which every statement names: a statement
/// signed for an earlier set is void.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct OracleSet {
    pub version: u64,
    /// The first `count` are active; the rest are zero.
    pub oracles: [Pubkey; 32],
    pub count: u8,
    /// Signatures that a decision needs.
    pub quorum: u8,
    pub bump: u8,
    pub layout: u8,
    pub reserved: [u8; 60],
}
serialise_as_bytes!(OracleSet);

impl OracleSet {
    pub fn active(&self) -> &[Pubkey] {
        &self.oracles[..usize::from(self.count).min(MAX_ORACLES)]
    }

    /// Position of an active oracle.
    pub fn position(&self, key: &[u8]) -> Option<usize> {
        // Eight bytes tell almost all keys apart; comparing all 32 of each costs compute.
        let head = key.get(..8)?;
        self.active()
            .iter()
            .position(|o| &o.as_ref()[..8] == head && o.as_ref() == key)
    }

    pub fn invariant(&self) -> Result<()> {
        let count = usize::from(self.count);
        require!(count <= MAX_ORACLES, IoError::BadOracleSet);
        require!(
            self.quorum >= 1 && self.quorum <= self.count,
            IoError::BadOracleSet
        );
        for (i, key) in self.active().iter().enumerate() {
            require!(*key != Pubkey::default(), IoError::BadOracleSet);
            require!(!self.oracles[..i].contains(key), IoError::BadOracleSet);
        }
        Ok(())
    }
}
