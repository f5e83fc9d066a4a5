use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    seeds,
    state::{serialise_as_bytes, vault_address},
};

/// Why a case was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlashCause {
    Expired = 1,
    Rejected = 2,
    /// A wrong cell under the operator's signature over its hardware proof.
    BadCell = 3,
}

/// Where a case stands: Open → Upheld when nobody appealed in time; Open → Appealed → Upheld or Returned as a quorum decides. When none
/// does in time, Returned, but for a wrong cell, which needs no oracle's word: Upheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SlashState {
    /// The penalty is escrowed; the provider may appeal.
    Open = 0,
    /// The provider appealed, with a bond beside the penalty; a quorum without the accusers decides.
    Appealed = 1,
    /// Divided: what the renter and the challenger are owed is left.
    Upheld = 2,
    /// Given back; what the appellant is owed is left.
    Returned = 3,
}

impl SlashState {
    pub fn is_final(self) -> bool {
        matches!(self, SlashState::Upheld | SlashState::Returned)
    }
}

impl TryFrom<u8> for SlashState {
    type Error = anchor_lang::error::Error;

    fn try_from(value: u8) -> Result<Self> {
        Ok(match value {
            0 => SlashState::Open,
            1 => SlashState::Appealed,
            2 => SlashState::Upheld,
            3 => SlashState::Returned,
            _ => return err!(IoError::Invariant),
        })
    }
}

/// Who has a share of a decided case.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlashParty {
    Renter,
    Challenger,
    Appellant,
}

/// A penalty taken from a provider's stake, escrowed in a vault of its own until it is decided.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct SlashCase {
    pub provider: Pubkey,
    pub device: Pubkey,
    /// The job that it is about; zero for a hardware proof.
    pub job: Pubkey,
    /// Renter of that job: a share of an upheld penalty is theirs; zero for a hardware proof.
    pub renter: Pubkey,
    /// Who disputed the job's result, or proved a wrong cell; zero when nobody did.
    pub challenger: Pubkey,
    /// Who appealed; zero when nobody did.
    pub appellant: Pubkey,
    /// Who paid for this account's rent.
    pub opener: Pubkey,
    /// What it is about: the output hash that was rejected, the spec hash of a job that expired, or the
    /// commitment of a hardware proof.
    pub subject: [u8; 32],
    pub number: u64,
    /// The penalty, IO base units.
    pub amount: u64,
    /// Of it, from the owner's stake and from the co-stakers' pool.
    pub owner_part: u64,
    pub co_part: u64,
    /// What an appeal puts beside the penalty, fixed when the case was opened.
    pub appeal_bond: u64,
    /// What is still to be delivered of a decided case.
    pub owed_renter: u64,
    pub owed_challenger: u64,
    pub owed_appellant: u64,
    /// Burned when it was decided.
    pub burned: u64,
    pub opened_at: i64,
    /// The provider may appeal until then, Unix seconds.
    pub appeal_until: i64,
    /// An appeal that nobody decides by then succeeds, but for one about a wrong cell; 0 before there is one.
    pub decide_until: i64,
    pub decided_at: i64,
    /// Slots of the oracles that accused, as bits: they don't decide the appeal.
    pub accusers: u32,
    /// How long an appeal waits for a decision, seconds, as it was when the case was opened; so are the next two.
    pub decision_seconds: u32,
    pub renter_bps: u16,
    pub challenger_bps: u16,
    pub cause: u8,
    /// `SlashState`.
    pub state: u8,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    /// BLAKE3 of what an accusing oracle found, a blob; zero while none has filed it.
    pub evidence: [u8; 32],
    /// What the fault that this case is about left due, IO base units (u64 little-endian): it goes with a case that is given back.
    pub due: [u8; 8],
    pub reserved: [u8; 15],
}
serialise_as_bytes!(SlashCase);

impl SlashCase {
    pub fn state(&self) -> Result<SlashState> {
        SlashState::try_from(self.state)
    }

    pub fn due(&self) -> u64 {
        u64::from_le_bytes(self.due)
    }

    /// What the case's vault owes.
    pub fn liabilities(&self) -> Result<u64> {
        let parts = match self.state()? {
            SlashState::Open => [self.amount, 0, 0],
            SlashState::Appealed => [self.amount, self.appeal_bond, 0],
            _ => [self.owed_renter, self.owed_challenger, self.owed_appellant],
        };
        parts
            .into_iter()
            .try_fold(0u64, |sum, part| sum.checked_add(part))
            .or_overflow()
    }

    /// The one token account of this case.
    pub fn require_vault(&self, address: &Pubkey, vault: &Pubkey) -> Result<()> {
        let expected = vault_address(seeds::VAULT, address, self.vault_bump)?;
        require_keys_eq!(expected, *vault, IoError::WrongAccount);
        Ok(())
    }

    pub fn invariant(&self) -> Result<()> {
        let state = self.state()?;
        require!(
            self.owner_part.checked_add(self.co_part) == Some(self.amount),
            IoError::Invariant
        );
        require!(
            state.is_final()
                || self.owed_renter | self.owed_challenger | self.owed_appellant | self.burned == 0,
            IoError::Invariant
        );
        let appealed = self.appellant != Pubkey::default();
        require!(
            appealed == (self.decide_until != 0) && (appealed || self.owed_appellant == 0),
            IoError::Invariant
        );
        // At least half of an upheld penalty is burned, and all of the bond of an appeal that failed.
        let bond = if appealed { self.appeal_bond } else { 0 };
        require!(
            state != SlashState::Upheld
                || self
                    .burned
                    .checked_sub(bond)
                    .is_some_and(|b| b >= self.amount - self.amount / 2),
            IoError::Invariant
        );
        self.liabilities()?;
        Ok(())
    }
}
