//! One cell of a committed product, checked from seeds alone: what the on-chain fraud proof runs.
//!
//! No allocation, no `std`, hashing through [`Sha256`] so that the program uses its syscall. A challenger shows a
//! leaf of 32 cells, its path to a pass's root, and that root's path to the commitment that the worker signed;
//! [`bad_cell`] expands one row of A and one column of B and recomputes the cell.
//!
//! ```text
//! stream block t of a seed = SHA-256(seed ‖ t as u32 LE)                        32 bytes
//! A[i][k]  = byte k mod 32 of block i·n/32 + k/32 of the A seed, less 128       row-major
//! B[k][j]  = byte k mod 32 of block j·n/32 + k/32 of the B seed, less 128       column-major
//! leaf     = SHA-256(0x00 ‖ 32 cells as i32 LE)                                 cells 32·m … 32·m+31 of the row-major C
//! node     = SHA-256(0x01 ‖ left ‖ right)
//! pass     = SHA-256(0x02 ‖ A seed ‖ B seed ‖ n as u32 LE ‖ top node)
//! item j   = SHA-256(0x03 ‖ j as u32 LE ‖ pass root j)
//! commitment = SHA-256(0x04 ‖ round seed ‖ device ‖ n as u32 LE ‖ passes as u32 LE ‖ top of the items' tree)
//! evidence = SHA-256(0x05 ‖ challenger ‖ salt ‖ claim as the program stores it)
//! ```
//!
//! Leaves, nodes, roots and items have different first bytes, and n and the number of passes fix every path's
//! length: no node can pass for a leaf, no short tree for a tall one. A pass's root holds its seeds, so a cell is
//! right or wrong by the commitment's own word. One stream block is one compression of SHA-256 (36 bytes).

use super::Hash;

/// SHA-256 over the concatenation of byte strings.
pub trait Sha256 {
    fn hash(parts: &[&[u8]]) -> Hash;

    /// The same, into memory that is there already: on the virtual machine, what is returned is copied.
    #[inline(always)]
    fn hash_into(parts: &[&[u8]], hash: &mut Hash) {
        *hash = Self::hash(parts);
    }
}

/// Cells in a leaf.
pub const LEAF_CELLS: usize = 32;
/// Bytes of a leaf: cells are i32, little-endian.
pub const LEAF_BYTES: usize = LEAF_CELLS * 4;
/// Bytes of a stream block.
pub const BLOCK_BYTES: usize = 32;
/// Smallest matrix: one leaf a row.
pub const MIN_N: u32 = 32;
/// Largest matrix. Products of int8 are at most 2¹⁴, so sums are exact in i32 for n ≤ 131,071; stream counters
/// (n²/32) fit in u32 beyond that.
pub const MAX_N: u32 = 32_768;
/// Most passes of one round.
pub const MAX_PASSES: u32 = 256;
/// Most siblings between a leaf and its pass's top: log2(MAX_N²/32).
pub const MAX_CELL_PATH: usize = 25;
/// Most siblings between an item and the top of the commitment: log2 [`MAX_PASSES`].
pub const MAX_ITEM_PATH: usize = 8;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const PASS: u8 = 2;
const ITEM: u8 = 3;
const COMMITMENT: u8 = 4;
const EVIDENCE: u8 = 5;

/// Why a cell claim proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    #[error("n is {0}: a power of two from {MIN_N} to {MAX_N} was expected")]
    Size(u32),
    #[error("{0} passes: 1 to {MAX_PASSES} were expected")]
    Passes(u32),
    #[error("there is no such pass, row or column in this commitment")]
    OutOfRange,
    #[error("the path has {found} siblings where {expected} lead from the leaf to the root")]
    PathLength { expected: usize, found: usize },
    #[error("the path leads to another commitment than the signed one: the cell is not in it")]
    WrongRoot,
    #[error("the committed cell is right ({0}): there is nothing to prove")]
    CellIsRight(i32),
}

/// Checks that n is a power of two in range. Powers of two make every tree full.
pub fn check_n(n: u32) -> Result<(), CellError> {
    if n.is_power_of_two() && (MIN_N..=MAX_N).contains(&n) {
        Ok(())
    } else {
        Err(CellError::Size(n))
    }
}

/// Checks the number of passes.
pub fn check_passes(passes: u32) -> Result<(), CellError> {
    if (1..=MAX_PASSES).contains(&passes) {
        Ok(())
    } else {
        Err(CellError::Passes(passes))
    }
}

/// What a stream block is the hash of; the last four bytes are its number. One contiguous string, for the syscall charges
/// by string.
#[inline(always)]
fn stream_message(seed: &Hash) -> [u8; 36] {
    let mut message = [0; 36];
    message[..32].copy_from_slice(seed);
    message
}

/// Block `t` of a seed's stream.
#[inline]
pub fn stream_block<H: Sha256>(seed: &Hash, t: u32) -> [u8; BLOCK_BYTES] {
    let mut message = stream_message(seed);
    message[32..].copy_from_slice(&t.to_le_bytes());
    H::hash(&[&message])
}

pub fn leaf_hash<H: Sha256>(cells: &[u8; LEAF_BYTES]) -> Hash {
    H::hash(&[&[LEAF], cells])
}

pub fn node_hash<H: Sha256>(left: &Hash, right: &Hash) -> Hash {
    H::hash(&[&[NODE], left, right])
}

pub fn pass_root<H: Sha256>(a_seed: &Hash, b_seed: &Hash, n: u32, top: &Hash) -> Hash {
    H::hash(&[&[PASS], a_seed, b_seed, &n.to_le_bytes(), top])
}

pub fn item_hash<H: Sha256>(pass: u32, root: &Hash) -> Hash {
    H::hash(&[&[ITEM], &pass.to_le_bytes(), root])
}

pub fn commitment_hash<H: Sha256>(
    round_seed: &Hash,
    device: &Hash,
    n: u32,
    passes: u32,
    top: &Hash,
) -> Hash {
    H::hash(&[
        &[COMMITMENT],
        round_seed,
        device,
        &n.to_le_bytes(),
        &passes.to_le_bytes(),
        top,
    ])
}

/// What a challenger commits to before the claim is written. The challenger is in it, so that nobody proves with another's; the salt, so that
/// it tells a device that knows its own wrong cells nothing.
pub fn evidence_hash<H: Sha256>(challenger: &Hash, salt: &Hash, claim: &[u8]) -> Hash {
    H::hash(&[&[EVIDENCE], challenger, salt, claim])
}

/// Siblings between an item and the top of a tree of `passes` items. The shape is RFC 9162's: a last node without
/// a partner moves up as it is.
pub fn item_path_len(pass: u32, passes: u32) -> usize {
    let (mut at, mut width, mut len) = (pass, passes, 0);
    while width > 1 {
        len += usize::from(at ^ 1 < width);
        at /= 2;
        width = width.div_ceil(2);
    }
    len
}

/// The top of a full tree, from a node at place `at` of its level and the siblings above it.
pub fn fold_full<H: Sha256>(node: Hash, at: u32, siblings: &[Hash]) -> Hash {
    siblings
        .iter()
        .fold((node, at), |(node, at), sibling| {
            let parent = if at & 1 == 0 {
                node_hash::<H>(&node, sibling)
            } else {
                node_hash::<H>(sibling, &node)
            };
            (parent, at >> 1)
        })
        .0
}

/// The top of the items' tree from one item. `siblings` has [`item_path_len`] entries.
fn fold_items<H: Sha256>(item: Hash, pass: u32, passes: u32, siblings: &[Hash]) -> Hash {
    let mut node = item;
    let mut rest = siblings.iter();
    let (mut at, mut width) = (pass, passes);
    while width > 1 {
        if at ^ 1 < width
            && let Some(sibling) = rest.next()
        {
            node = if at & 1 == 0 {
                node_hash::<H>(&node, sibling)
            } else {
                node_hash::<H>(sibling, &node)
            };
        }
        at /= 2;
        width = width.div_ceil(2);
    }
    node
}

/// Blocks of a row, and of a column, that are hashed before they are multiplied.
const GATHERED: usize = 16;

/// Σ A·B over eight elements of a row and of a column, as their streams have them, in the upper half. The lower half has four other
/// products, added up, and is a carry if that is negative.
///
/// Elements are taken in pairs p + q·2³²: (p + q·2³²)·(s + r·2³²) = p·s + (p·r + q·s)·2³² modulo 2⁶⁴, which is half of the multiplications
/// that it takes one by one. Wrapping throughout: checked additions would double the instructions.
#[inline(always)]
fn eight_products(x: [u8; 8], y: [u8; 8]) -> u64 {
    const BYTES: u64 = 0xff_0000_00ff;
    const BIAS: u64 = 0x80_0000_0080;
    let element = |bytes: u64, shift: u32| ((bytes >> shift) & BYTES).wrapping_sub(BIAS);
    let x = u64::from_le_bytes(x);
    // The second of each pair first.
    let y = u64::from_le_bytes(y).rotate_left(32);
    [0, 8, 16, 24].iter().fold(0, |sum: u64, shift| {
        sum.wrapping_add(element(x, *shift).wrapping_mul(element(y, *shift)))
    })
}

/// C[row][col] = Σₖ A[row][k]·B[k][col], from the seeds: n/16 compressions of SHA-256 and n products.
// A function of its own: what is alive around it would take registers from its loop.
#[inline(never)]
pub fn recompute_cell<H: Sha256>(a_seed: &Hash, b_seed: &Hash, n: u32, row: u32, col: u32) -> i32 {
    let blocks = n / BLOCK_BYTES as u32;
    let mut products = 0_u64;
    let (mut of_a, mut of_b) = (stream_message(a_seed), stream_message(b_seed));
    let (mut at_a, mut at_b) = (row.wrapping_mul(blocks), col.wrapping_mul(blocks));
    // The row's, then the column's: one address leads to both.
    let mut gathered = [[[0; BLOCK_BYTES]; GATHERED]; 2];
    let mut left = blocks as usize;
    while left > 0 {
        let some = left.min(GATHERED);
        left -= some;
        let [xs, ys] = gathered.each_mut().map(|all| &mut all[..some]);
        for (x, y) in xs.iter_mut().zip(ys) {
            of_a[32..].copy_from_slice(&at_a.to_le_bytes());
            of_b[32..].copy_from_slice(&at_b.to_le_bytes());
            at_a = at_a.wrapping_add(1);
            at_b = at_b.wrapping_add(1);
            H::hash_into(&[&of_a], x);
            H::hash_into(&[&of_b], y);
        }
        // Hidden: as places of the stack they would be reckoned anew at each turn.
        let hidden = core::hint::black_box(&gathered);
        let [xs, ys] = hidden
            .each_ref()
            .map(|all| all[..some].as_flattened().as_chunks().0);
        products = xs.iter().zip(ys).fold(products, |products, (x, y)| {
            products.wrapping_add(eight_products(*x, *y))
        });
    }
    // |C| ≤ 2¹⁴·n < 2³¹, and so is what is below it: rounded, it carries nothing.
    (products.wrapping_add(1 << 31) >> 32) as i32
}

/// Where a cell is, and everything that leads from it to a commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellClaim<'a> {
    pub n: u32,
    pub passes: u32,
    pub pass: u32,
    pub row: u32,
    pub col: u32,
    pub a_seed: Hash,
    pub b_seed: Hash,
    /// The leaf that holds the cell, as committed.
    pub leaf: &'a [u8; LEAF_BYTES],
    /// From the leaf's level upwards: log2(n²/32) siblings.
    pub path: &'a [Hash],
    /// From the item's level upwards: [`item_path_len`] siblings.
    pub item_path: &'a [Hash],
}

/// A wrong cell, proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCell {
    pub committed: i32,
    pub right: i32,
}

impl CellClaim<'_> {
    /// The commitment that this claim's leaf and paths lead to.
    pub fn commitment<H: Sha256>(
        &self,
        round_seed: &Hash,
        device: &Hash,
    ) -> Result<Hash, CellError> {
        check_n(self.n)?;
        check_passes(self.passes)?;
        if self.pass >= self.passes || self.row >= self.n || self.col >= self.n {
            return Err(CellError::OutOfRange);
        }
        let leaves_a_row = self.n / LEAF_CELLS as u32;
        let lengths = [
            (
                (self.n * leaves_a_row).trailing_zeros() as usize,
                self.path.len(),
            ),
            (item_path_len(self.pass, self.passes), self.item_path.len()),
        ];
        for (expected, found) in lengths {
            if expected != found {
                return Err(CellError::PathLength { expected, found });
            }
        }
        let place = self.row * leaves_a_row + self.col / LEAF_CELLS as u32;
        let top = fold_full::<H>(leaf_hash::<H>(self.leaf), place, self.path);
        let root = pass_root::<H>(&self.a_seed, &self.b_seed, self.n, &top);
        let item = item_hash::<H>(self.pass, &root);
        let top = fold_items::<H>(item, self.pass, self.passes, self.item_path);
        Ok(commitment_hash::<H>(
            round_seed,
            device,
            self.n,
            self.passes,
            &top,
        ))
    }

    /// The cell as committed.
    pub fn committed(&self) -> i32 {
        let at = self.col as usize % LEAF_CELLS * 4;
        i32::from_le_bytes([
            self.leaf[at],
            self.leaf[at + 1],
            self.leaf[at + 2],
            self.leaf[at + 3],
        ])
    }
}

/// Proves that `commitment`, made by `device` for the round of `round_seed`, holds a wrong cell.
///
/// The cheap checks come first: a claim that leads elsewhere costs its paths, not the row and the column.
pub fn bad_cell<H: Sha256>(
    claim: &CellClaim,
    round_seed: &Hash,
    device: &Hash,
    commitment: &Hash,
) -> Result<BadCell, CellError> {
    if claim.commitment::<H>(round_seed, device)? != *commitment {
        return Err(CellError::WrongRoot);
    }
    let right = recompute_cell::<H>(&claim.a_seed, &claim.b_seed, claim.n, claim.row, claim.col);
    let committed = claim.committed();
    if committed == right {
        return Err(CellError::CellIsRight(right));
    }
    Ok(BadCell { committed, right })
}
