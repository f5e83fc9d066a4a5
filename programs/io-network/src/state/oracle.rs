use crate::prelude::*;
use anchor_lang::Discriminator;

use crate::{
    errors::{IoError, MoneyResult},
    seeds,
    state::{serialise_as_bytes, vault_address},
};

/// An oracle's bond: lost when two of its signatures contradict each other, or when a quorum of the others finds that it signed what it
/// had not done. Membership is the `OracleSet`'s.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Oracle {
    /// The key that signs statements.
    pub key: Pubkey,
    /// Who takes the bond out.
    pub owner: Pubkey,
    /// IO base units at stake. The vault holds this and what unbonds.
    pub bond: u64,
    /// On its way out since the last request; still at stake until it is withdrawn.
    pub unbonding: u64,
    /// When that can be withdrawn, Unix seconds.
    pub ready_at: i64,
    /// Lost, ever.
    pub slashed: u64,
    pub since: i64,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    /// What a quorum of the others found it out by: BLAKE3 of the untrue attestation. Zeroes: nothing.
    pub convicted_by: [u8; 32],
    /// 1 once its fault was shown, also when there was nothing left to lose: it bonds no more, and enters no set that asks for bonds.
    pub barred: u8,
    pub reserved: [u8; 28],
}
serialise_as_bytes!(Oracle);

impl Oracle {
    /// Reads account data if they are an `Oracle`'s. The caller has checked the owner.
    pub fn read(data: &[u8]) -> Option<&Self> {
        let body = data.strip_prefix(Self::DISCRIMINATOR)?;
        bytemuck::try_from_bytes(body).ok()
    }

    /// What the vault owes.
    pub fn liabilities(&self) -> Result<u64> {
        self.bond.checked_add(self.unbonding).or_overflow()
    }

    /// Nothing was ever shown against it.
    pub fn require_unblemished(&self) -> Result<()> {
        require!(
            self.slashed == 0 && self.barred == 0,
            IoError::OracleSlashed
        );
        Ok(())
    }

    /// The one token account of this oracle's bond.
    pub fn require_vault(&self, address: &Pubkey, vault: &Pubkey) -> Result<()> {
        let expected = vault_address(seeds::STAKE, address, self.vault_bump)?;
        require_keys_eq!(expected, *vault, IoError::WrongAccount);
        Ok(())
    }

    pub fn invariant(&self) -> Result<()> {
        require_keys_neq!(self.key, Pubkey::default(), IoError::Invariant);
        require!(self.unbonding > 0 || self.ready_at == 0, IoError::Invariant);
        self.liabilities()?;
        Ok(())
    }
}
