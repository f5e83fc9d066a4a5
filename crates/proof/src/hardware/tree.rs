//! Trees over a pass's cells and over a round's passes, in bounded memory: cells are hashed as they come, and only the
//! n row roots are kept.

use super::{
    Hash, Software,
    cell::{
        LEAF_BYTES, LEAF_CELLS, commitment_hash, item_hash, item_path_len, leaf_hash, node_hash,
        pass_root,
    },
    seeds,
};

/// Levels of a tree: leaves first; a last node without a partner moves up.
fn levels(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let mut levels = vec![leaves];
    while levels[levels.len() - 1].len() > 1 {
        let level = levels[levels.len() - 1]
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash::<Software>(left, right),
                _ => pair[0],
            })
            .collect();
        levels.push(level);
    }
    levels
}

fn path(levels: &[Vec<Hash>], mut at: usize) -> Vec<Hash> {
    let mut siblings = Vec::new();
    for level in levels {
        siblings.extend(level.get(at ^ 1));
        at /= 2;
    }
    siblings
}

fn leaf_bytes(cells: &[i32]) -> [u8; LEAF_BYTES] {
    let mut bytes = [0; LEAF_BYTES];
    for (to, cell) in bytes.chunks_exact_mut(4).zip(cells) {
        to.copy_from_slice(&cell.to_le_bytes());
    }
    bytes
}

fn row_leaves(cells: &[i32]) -> Vec<Hash> {
    cells
        .chunks_exact(LEAF_CELLS)
        .map(|cells| leaf_hash::<Software>(&leaf_bytes(cells)))
        .collect()
}

/// The root of one row's n/32 leaves.
pub fn row_root(cells: &[i32]) -> Hash {
    let mut nodes = row_leaves(cells);
    let mut width = nodes.len();
    while width > 1 {
        width /= 2;
        for i in 0..width {
            nodes[i] = node_hash::<Software>(&nodes[2 * i], &nodes[2 * i + 1]);
        }
    }
    nodes[0]
}

/// The leaf of a row that holds a cell, and its siblings to the row's root.
pub fn leaf_in_row(cells: &[i32], col: u32) -> ([u8; LEAF_BYTES], Vec<Hash>) {
    let leaf = col as usize / LEAF_CELLS;
    (
        leaf_bytes(&cells[leaf * LEAF_CELLS..][..LEAF_CELLS]),
        path(&levels(row_leaves(cells)), leaf),
    )
}

/// A pass's tree above its row roots.
#[derive(Debug, Clone)]
pub struct RowTree {
    levels: Vec<Vec<Hash>>,
}

impl RowTree {
    /// From the roots of all n rows, in order ([`row_root`]).
    pub fn new(row_roots: Vec<Hash>) -> Self {
        Self {
            levels: levels(row_roots),
        }
    }

    /// The roots of all rows, in order.
    pub fn row_roots(&self) -> &[Hash] {
        &self.levels[0]
    }

    pub fn root(&self, a_seed: &Hash, b_seed: &Hash) -> Hash {
        let n = self.levels[0].len() as u32;
        pass_root::<Software>(a_seed, b_seed, n, &self.levels[self.levels.len() - 1][0])
    }

    /// Siblings from a row's root to the top: log2 n.
    pub fn row_path(&self, row: u32) -> Vec<Hash> {
        path(&self.levels, row as usize)
    }

    /// A leaf of a row and its siblings to the pass's top, for [`super::cell::CellClaim`].
    pub fn cell_path(&self, row: u32, cells: &[i32], col: u32) -> ([u8; LEAF_BYTES], Vec<Hash>) {
        let (leaf, mut siblings) = leaf_in_row(cells, col);
        siblings.extend(self.row_path(row));
        (leaf, siblings)
    }
}

/// What a worker commits to in a round: the roots of its passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub round_seed: Hash,
    pub device: Hash,
    pub n: u32,
    pub roots: Vec<Hash>,
}

impl Committed {
    fn items(&self) -> Vec<Hash> {
        let items = self.roots.iter().enumerate();
        items
            .map(|(pass, root)| item_hash::<Software>(pass as u32, root))
            .collect()
    }

    /// The 32 bytes that the worker's operator signs. Needs at least one pass.
    pub fn commitment(&self) -> Hash {
        let levels = levels(self.items());
        let top = levels[levels.len() - 1]
            .first()
            .copied()
            .unwrap_or_default();
        commitment_hash::<Software>(
            &self.round_seed,
            &self.device,
            self.n,
            self.roots.len() as u32,
            &top,
        )
    }

    /// Siblings from a pass's item to the top.
    pub fn item_path(&self, pass: u32) -> Vec<Hash> {
        let siblings = path(&levels(self.items()), pass as usize);
        debug_assert_eq!(siblings.len(), item_path_len(pass, self.roots.len() as u32));
        siblings
    }

    /// The seed of a pass's A, from the roots before it.
    pub fn a_seed(&self, pass: u32) -> Hash {
        let before = (pass as usize)
            .checked_sub(1)
            .map_or([0; 32], |before| self.roots[before]);
        seeds::a_seed(&self.round_seed, &self.device, self.n, pass, &before)
    }

    pub fn b_seed(&self) -> Hash {
        seeds::b_seed(&self.round_seed, self.n)
    }
}
