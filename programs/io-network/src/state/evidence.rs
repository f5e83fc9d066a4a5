use crate::prelude::*;
use io_proof::hardware::cell::{
    evidence_hash, CellClaim, Sha256, LEAF_BYTES, MAX_CELL_PATH, MAX_ITEM_PATH,
};

use crate::{constants::EVIDENCE_SLOTS, errors::IoError, state::serialise_as_bytes};

/// Bytes of a claim, as a challenger writes it.
pub const CLAIM_BYTES: usize =
    8 * 4 + 2 * 32 + LEAF_BYTES + 32 * MAX_CELL_PATH + 32 * MAX_ITEM_PATH;

/// What leads from one wrong cell to a device's commitment, written by a challenger before the proof: it is larger than a transaction. Before that
/// they committed to it themselves.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who writes it, proves with it, and gets its rent back when they close it.
    pub challenger: Pubkey,
    /// Size of the matrices, passes of the round, and which pass, row and column the cell is in.
    pub n: u32,
    pub passes: u32,
    pub pass: u32,
    pub row: u32,
    pub col: u32,
    /// Siblings from the leaf to its pass's top, and from the pass's item to the commitment's top.
    pub path_len: u32,
    pub item_path_len: u32,
    pub spare: u32,
    pub a_seed: [u8; 32],
    pub b_seed: [u8; 32],
    /// The 32 committed cells, i32 little-endian.
    pub leaf: [u8; LEAF_BYTES],
    pub path: [[u8; 32]; MAX_CELL_PATH],
    pub item_path: [[u8; 32]; MAX_ITEM_PATH],
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 30],
    /// `evidence_hash` of the challenger, a salt and the claim; and the slot in which they committed to it.
    pub commitment: [u8; 32],
    pub committed_slot: u64,
}
serialise_as_bytes!(Evidence);

/// Where the claim lies, behind the challenger.
const CLAIM_AT: usize = 32;

impl Evidence {
    /// Notes what the challenger will show.
    pub fn commit(&mut self, commitment: [u8; 32], slot: u64) {
        self.commitment = commitment;
        self.committed_slot = slot;
    }

    /// The claim is what was committed to with this salt, at least [`EVIDENCE_SLOTS`] before `slot`.
    pub fn require_committed<H: Sha256>(&self, salt: &[u8; 32], slot: u64) -> Result<()> {
        let claim = &bytemuck::bytes_of(self)[CLAIM_AT..CLAIM_AT + CLAIM_BYTES];
        let hash = evidence_hash::<H>(&self.challenger.to_bytes(), salt, claim);
        require!(hash == self.commitment, IoError::NotCommitted);
        require!(
            slot >= self.committed_slot.saturating_add(EVIDENCE_SLOTS),
            IoError::CommitmentTooNew
        );
        Ok(())
    }

    /// Writes a part of the claim.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        let claim = &mut bytemuck::bytes_of_mut(self)[CLAIM_AT..CLAIM_AT + CLAIM_BYTES];
        let part = offset
            .checked_add(bytes.len())
            .and_then(|end| claim.get_mut(offset..end))
            .ok_or_else(|| error!(IoError::ParameterOutOfBounds))?;
        part.copy_from_slice(bytes);
        Ok(())
    }

    /// The claim, with paths of the lengths that it names.
    pub fn claim(&self) -> Result<CellClaim<'_>> {
        let path = self.path.get(..self.path_len as usize);
        let item_path = self.item_path.get(..self.item_path_len as usize);
        let (Some(path), Some(item_path)) = (path, item_path) else {
            return err!(IoError::ParameterOutOfBounds);
        };
        Ok(CellClaim {
            n: self.n,
            passes: self.passes,
            pass: self.pass,
            row: self.row,
            col: self.col,
            a_seed: self.a_seed,
            b_seed: self.b_seed,
            leaf: &self.leaf,
            path,
            item_path,
        })
    }
}

const _: () = assert!(
    core::mem::offset_of!(Evidence, n) == CLAIM_AT
        && core::mem::offset_of!(Evidence, bump) == CLAIM_AT + CLAIM_BYTES,
    "the claim is what lies between the challenger and the bump"
);
