//! The tree of rewards: who may have claimed how much, in all.
//!
//! An epoch's leaf set lists every provider that ever earned, with the **cumulative** amount that it earned since genesis.
//! A claim proves one leaf and pays what is above the provider's earlier claims, so that a proof is good for all epochs up
//! to its own, and used twice it pays nothing.
//!
//! Hashes are SHA-256 (the chain has it as a system call). A leaf is `H(0 ‖ domain ‖ program ‖ provider ‖ cumulative)`, an
//! inner node `H(1 ‖ left ‖ right)`: neither can pass for the other. Leaves are sorted by provider, each provider once. The
//! last level is filled up with zero hashes to a power of two, so that the proof of a leaf is as long as the tree is
//! deep, and the bits of its position say on which side each step lies.

// The Solana target's own name for its system.
#![allow(unexpected_cfgs)]

use crate::messages::Bytes32;

/// Levels of a tree, at most: 16,777,216 providers.
pub const MAX_LEVELS: usize = 24;
/// First byte of what is hashed to a leaf, and of what is hashed to an inner node.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];
/// Domain of a leaf.
pub const LEAF_DOMAIN: [u8; 16] = *b"io/reward-leaf/1";
/// What fills the last level up.
const EMPTY: Bytes32 = [0; 32];

/// SHA-256 of parts, one after the other. The program brings the system call, everybody else [`Native`].
pub trait Sha256 {
    /// The hash.
    fn hash(parts: &[&[u8]]) -> Bytes32;
}

/// SHA-256 as a library.
#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
#[derive(Clone, Copy, Debug)]
pub struct Native;

#[cfg(not(any(target_os = "solana", target_arch = "bpf")))]
impl Sha256 for Native {
    fn hash(parts: &[&[u8]]) -> Bytes32 {
        use sha2::Digest;
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }
}

/// What a provider earned since genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// Provider account.
    pub provider: Bytes32,
    /// IO base units.
    pub cumulative: u64,
}

impl Leaf {
    /// The leaf's hash, for one program.
    pub fn hash<H: Sha256>(&self, program: &Bytes32) -> Bytes32 {
        H::hash(&[
            &LEAF,
            &LEAF_DOMAIN,
            program,
            &self.provider,
            &self.cumulative.to_le_bytes(),
        ])
    }
}

fn node<H: Sha256>(left: &Bytes32, right: &Bytes32) -> Bytes32 {
    H::hash(&[&NODE, left, right])
}

/// The root that a proof leads to: `index` is the leaf's position. `None` if the position lies outside of a tree of that
/// depth, or the proof is longer than [`MAX_LEVELS`].
pub fn root_of<H: Sha256>(leaf: Bytes32, index: u32, proof: &[Bytes32]) -> Option<Bytes32> {
    if proof.len() > MAX_LEVELS || u64::from(index) >> proof.len() != 0 {
        return None;
    }
    let mut hash = leaf;
    for (level, sibling) in proof.iter().enumerate() {
        hash = if index >> level & 1 == 0 {
            node::<H>(&hash, sibling)
        } else {
            node::<H>(sibling, &hash)
        };
    }
    Some(hash)
}

/// Why leaves make no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// There are no leaves.
    Empty,
    /// More leaves than a tree of [`MAX_LEVELS`] has room for.
    TooMany,
    /// The leaf at this position is not behind the one before it: a provider comes once, in ascending order.
    Unsorted(usize),
    /// The amounts together do not fit `u64`.
    Overflow,
}

impl core::fmt::Display for TreeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            TreeError::Empty => write!(f, "there are no leaves"),
            TreeError::TooMany => write!(f, "more than {} leaves", 1u64 << MAX_LEVELS),
            TreeError::Unsorted(at) => {
                write!(f, "leaf {at} is not behind the one before it, by provider")
            }
            TreeError::Overflow => write!(f, "the amounts together do not fit 64 bits"),
        }
    }
}

impl std::error::Error for TreeError {}

/// All amounts together, base units; checks that the leaves are sorted, each provider once.
pub fn total(leaves: &[Leaf]) -> Result<u64, TreeError> {
    if leaves.is_empty() {
        return Err(TreeError::Empty);
    }
    if leaves.len() > 1 << MAX_LEVELS {
        return Err(TreeError::TooMany);
    }
    if let Some(at) = leaves
        .windows(2)
        .position(|pair| pair[0].provider >= pair[1].provider)
    {
        return Err(TreeError::Unsorted(at + 1));
    }
    leaves
        .iter()
        .try_fold(0u64, |sum, leaf| sum.checked_add(leaf.cumulative))
        .ok_or(TreeError::Overflow)
}

/// A tree with all its nodes, for making proofs.
#[derive(Clone, Debug)]
pub struct Tree {
    /// From the leaves up; the last holds the root. A level holds what is not filled up.
    levels: Vec<Vec<Bytes32>>,
    /// All amounts together, base units.
    total: u64,
}

impl Tree {
    /// Hashes leaves that are sorted by provider, each provider once.
    pub fn build<H: Sha256>(program: &Bytes32, leaves: &[Leaf]) -> Result<Self, TreeError> {
        let total = total(leaves)?;
        let mut levels = vec![
            leaves
                .iter()
                .map(|leaf| leaf.hash::<H>(program))
                .collect::<Vec<_>>(),
        ];
        let mut empty = EMPTY;
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below
                .chunks(2)
                .map(|pair| node::<H>(&pair[0], pair.get(1).unwrap_or(&empty)))
                .collect();
            empty = node::<H>(&empty, &empty);
            levels.push(above);
        }
        Ok(Self { levels, total })
    }

    /// The root.
    pub fn root(&self) -> Bytes32 {
        self.levels
            .last()
            .and_then(|top| top.first())
            .copied()
            .unwrap_or(EMPTY)
    }

    /// All amounts together, base units.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Hashes beside the way from a leaf to the root, from below; none if there is no such leaf.
    pub fn proof<H: Sha256>(&self, index: usize) -> Option<Vec<Bytes32>> {
        if index >= self.levels.first()?.len() {
            return None;
        }
        let mut empty = EMPTY;
        let mut proof = Vec::with_capacity(self.levels.len());
        for (level, nodes) in self.levels[..self.levels.len() - 1].iter().enumerate() {
            proof.push(*nodes.get((index >> level) ^ 1).unwrap_or(&empty));
            empty = node::<H>(&empty, &empty);
        }
        Some(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROGRAM: Bytes32 = [9; 32];

    fn leaves(n: u64) -> Vec<Leaf> {
        let mut leaves: Vec<Leaf> = (0..n)
            .map(|i| Leaf {
                provider: Native::hash(&[&i.to_le_bytes()]),
                cumulative: i * 7 + 1,
            })
            .collect();
        leaves.sort();
        leaves
    }

    fn tree(leaves: &[Leaf]) -> Tree {
        Tree::build::<Native>(&PROGRAM, leaves).unwrap()
    }

    #[test]
    fn every_proof_leads_to_the_root_and_to_no_other() {
        for n in [1, 2, 3, 4, 5, 7, 8, 9, 31, 33] {
            let leaves = leaves(n);
            let tree = tree(&leaves);
            let other = Tree::build::<Native>(&[8; 32], &leaves).unwrap();
            assert_ne!(tree.root(), other.root(), "another program's tree");
            assert_eq!(tree.total(), leaves.iter().map(|l| l.cumulative).sum());
            for (i, leaf) in leaves.iter().enumerate() {
                let proof = tree.proof::<Native>(i).unwrap();
                let hash = leaf.hash::<Native>(&PROGRAM);
                let reached = root_of::<Native>(hash, i as u32, &proof);
                assert_eq!(reached, Some(tree.root()), "{i} of {n}");
                let richer = Leaf {
                    cumulative: leaf.cumulative + 1,
                    ..*leaf
                };
                let reached = root_of::<Native>(richer.hash::<Native>(&PROGRAM), i as u32, &proof);
                assert_ne!(reached, Some(tree.root()));
                if n > 1 {
                    assert_ne!(
                        root_of::<Native>(hash, i as u32 ^ 1, &proof),
                        Some(tree.root())
                    );
                    // A shorter proof ends below the root, a longer one above it.
                    let short = root_of::<Native>(hash, (i as u32) & 1, &proof[..1]);
                    assert!(short != Some(tree.root()) || proof.len() == 1);
                }
            }
            assert_eq!(tree.proof::<Native>(leaves.len()), None);
        }
    }

    #[test]
    fn an_inner_node_is_no_leaf() {
        let leaves = leaves(4);
        let tree = tree(&leaves);
        let proof = tree.proof::<Native>(0).unwrap();
        let inner = node::<Native>(&leaves[0].hash::<Native>(&PROGRAM), &proof[0]);
        // The node itself does lead up, but no leaf hashes to it: the first byte differs.
        assert_eq!(root_of::<Native>(inner, 0, &proof[1..]), Some(tree.root()));
        let mut forged = Vec::new();
        forged.extend_from_slice(&leaves[0].hash::<Native>(&PROGRAM));
        forged.extend_from_slice(&proof[0]);
        assert_ne!(Native::hash(&[&LEAF, &forged]), inner);
    }

    #[test]
    fn positions_and_proofs_have_limits() {
        assert_eq!(root_of::<Native>([1; 32], 1, &[]), None);
        assert_eq!(root_of::<Native>([1; 32], 2, &[[0; 32]]), None);
        assert_eq!(root_of::<Native>([1; 32], 0, &[]), Some([1; 32]));
        let long = vec![[0; 32]; MAX_LEVELS + 1];
        assert_eq!(root_of::<Native>([1; 32], 0, &long), None);
        assert!(root_of::<Native>([1; 32], u32::MAX >> 8, &long[1..]).is_some());
        assert_eq!(
            root_of::<Native>([1; 32], 1 << MAX_LEVELS, &long[1..]),
            None
        );
    }

    #[test]
    fn a_tree_has_room_for_as_many_as_its_levels_say() {
        let mut leaves: Vec<Leaf> = (0..=1u32 << MAX_LEVELS)
            .map(|n| {
                let mut provider = [0; 32];
                provider[..4].copy_from_slice(&n.to_be_bytes());
                Leaf {
                    provider,
                    cumulative: 3,
                }
            })
            .collect();
        assert_eq!(total(&leaves), Err(TreeError::TooMany));
        leaves.pop();
        assert_eq!(total(&leaves), Ok(3 << MAX_LEVELS));
        let text = TreeError::TooMany.to_string();
        assert!(text.contains(&leaves.len().to_string()), "{text}");
    }

    #[test]
    fn only_sorted_leaves_make_a_tree() {
        let mut leaves = leaves(3);
        leaves.swap(0, 1);
        assert_eq!(total(&leaves), Err(TreeError::Unsorted(1)));
        leaves[1] = leaves[0];
        assert_eq!(total(&leaves), Err(TreeError::Unsorted(1)));
        assert_eq!(total(&[]), Err(TreeError::Empty));
        let most = [
            Leaf {
                provider: [1; 32],
                cumulative: u64::MAX,
            },
            Leaf {
                provider: [2; 32],
                cumulative: 1,
            },
        ];
        assert_eq!(total(&most), Err(TreeError::Overflow));
    }

    #[test]
    fn a_million_providers() {
        let leaves: Vec<Leaf> = (0..1_000_000u64)
            .map(|i| {
                let mut provider = [0; 32];
                provider[..8].copy_from_slice(&i.to_be_bytes());
                Leaf {
                    provider,
                    cumulative: i,
                }
            })
            .collect();
        let tree = tree(&leaves);
        let proof = tree.proof::<Native>(777_777).unwrap();
        assert_eq!(proof.len(), 20);
        let hash = leaves[777_777].hash::<Native>(&PROGRAM);
        assert_eq!(root_of::<Native>(hash, 777_777, &proof), Some(tree.root()));
    }

    proptest! {
        #[test]
        fn foreign_proofs_lead_elsewhere(n in 2u64..40, a: prop::sample::Index, bent: prop::sample::Index, bit in 0u8..8) {
            let leaves = leaves(n);
            let tree = tree(&leaves);
            let i = a.index(leaves.len());
            let mut proof = tree.proof::<Native>(i).unwrap();
            let at = bent.index(proof.len() * 32);
            proof[at / 32][at % 32] ^= 1 << bit;
            let reached = root_of::<Native>(leaves[i].hash::<Native>(&PROGRAM), i as u32, &proof);
            prop_assert_ne!(reached, Some(tree.root()));
        }
    }
}
