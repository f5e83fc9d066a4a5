//! Proof of memory: a chained random walk through all of it.
//!
//! Memory is cut into segments of 4 KiB. A segment is filled by a chain of hashes forward and a second one backward:
//!
//! ```text
//! f₀ = SHA-256(seed ‖ segment as u64 LE),  fₜ = SHA-256(fₜ₋₁)          t < 128
//! m₁₂₈ = f₁₂₇,  mₜ = SHA-256(fₜ ‖ mₜ₊₁)                                 what is stored, from the end
//! ```
//!
//! so that a word that is not there costs up to 256 hashes, one after another, where memory answers in one access. The
//! walk's next address depends on the word read: it can neither be foreseen nor split. Every [`STRIDE`] hops its state is kept:
//!
//! ```text
//! s₀, key, graph = words of SHA-256("io/hw/walk/2" ‖ seed ‖ reveal)
//! sᵢ = hops from the mixture of sᵢ₋₁ and PARENTS earlier states         drawn by `graph`, log-uniform in their distance
//! ```
//!
//! All states go to the checker, which draws some strides afterwards and walks them again from segments derived anew. A walker without
//! the memory has to derive words in parallel to be in time, and so to invent states that it has not come to yet. A chain would have
//! it invent a handful. In this graph (that of Alwen, Blocki and Harsha, "Practical graphs for optimal side-channel resistant
//! memory-hard functions", CCS 2017, with more parents) whoever shortens the longest path to 2/7 of the walk has to
//! invent more than a third of all states, by the best way we know (`io_cheats::invented_for`). Every hop is keyed by the reveal, so that nothing is walked before it.
//!
//! What this does not show: that the memory is of one kind (a slower kind shows in the time), and that nobody keeps
//! half of a segment's blocks and derives the rest: that saves memory, and costs several hashes at every second hop.

use super::{Hash, Software, cell::Sha256};
use crate::sample::sample_steps;

/// Blocks of 32 bytes in a segment.
pub const SEGMENT_BLOCKS: usize = 128;
/// Bytes of a segment.
pub const SEGMENT_BYTES: usize = SEGMENT_BLOCKS * 32;
/// 64-bit words of a segment.
pub const SEGMENT_WORDS: usize = SEGMENT_BYTES / 8;
/// Hops between two states that are kept.
pub const STRIDE: u32 = 16;
/// Earlier states that a stride begins from, beside the one before.
pub const PARENTS: usize = 8;
/// Most strides of one walk: a million hops, and half a MiB of states.
pub const MAX_STRIDES: u32 = 65_536;
/// Most memory: 1 TiB.
pub const MAX_SEGMENTS: u64 = 1 << 28;
/// Sequential hashes that a missing word costs.
pub const HASHES_TO_DERIVE: u32 = 2 * SEGMENT_BLOCKS as u32;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    #[error(
        "{segments} segments, {strides} strides: 1 to {MAX_SEGMENTS} and 1 to {MAX_STRIDES} were expected"
    )]
    Size { segments: u64, strides: u32 },
    #[error("{found} bytes of states came where {expected} were expected")]
    Length { expected: usize, found: usize },
    #[error("the walk does not begin where it had to")]
    Start,
    #[error("stride {0} does not lead from its states to its last: the memory was not there")]
    WrongWalk(u32),
}

/// A segment's words.
pub fn segment(seed: &Hash, index: u64) -> [u64; SEGMENT_WORDS] {
    let mut forward = [[0; 32]; SEGMENT_BLOCKS];
    forward[0] = Software::hash(&[seed, &index.to_le_bytes()]);
    for t in 1..SEGMENT_BLOCKS {
        forward[t] = Software::hash(&[&forward[t - 1]]);
    }
    let mut words = [0; SEGMENT_WORDS];
    let mut after = forward[SEGMENT_BLOCKS - 1];
    for t in (0..SEGMENT_BLOCKS).rev() {
        after = Software::hash(&[&forward[t], &after]);
        for (word, bytes) in words[4 * t..4 * t + 4]
            .iter_mut()
            .zip(after.as_chunks::<8>().0)
        {
            *word = u64::from_le_bytes(*bytes);
        }
    }
    words
}

/// What a walk goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// `seeds::memory_seed`.
    pub seed: Hash,
    /// Segments of 4 KiB claimed.
    pub segments: u64,
    pub strides: u32,
}

impl Walk {
    pub fn check(&self) -> Result<(), MemoryError> {
        if (1..=MAX_SEGMENTS).contains(&self.segments) && (1..=MAX_STRIDES).contains(&self.strides)
        {
            Ok(())
        } else {
            Err(MemoryError::Size {
                segments: self.segments,
                strides: self.strides,
            })
        }
    }

    pub fn words(&self) -> u64 {
        self.segments * SEGMENT_WORDS as u64
    }

    /// Bytes of the walk's states.
    pub fn states_len(&self) -> usize {
        (self.strides as usize + 1) * 8
    }

    /// The walk's way. `reveal` did not exist before the memory was to be filled: nothing of the walk can precede it.
    pub fn path(&self, reveal: &Hash) -> Path {
        let hash = Software::hash(&[b"io/hw/walk/2", &self.seed, reveal]);
        let [first, key, graph, _] = words(&hash);
        Path {
            words: self.words(),
            strides: self.strides,
            first,
            key,
            graph,
        }
    }
}

fn words(hash: &Hash) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// splitmix64's output function: a bijection.
#[inline]
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The way of one walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    words: u64,
    pub strides: u32,
    /// The state before the first stride.
    pub first: u64,
    /// Mixed into every hop.
    pub key: u64,
    /// Draws the parents.
    pub graph: u64,
}

impl Path {
    /// The address that a state reads: the high half of the product is uniform in 0..words (Lemire, 2019).
    #[inline]
    pub fn address(&self, state: u64) -> u64 {
        ((u128::from(state) * u128::from(self.words)) >> 64) as u64
    }

    /// The state after `word`: a bijection of the state for every word, so that walks don't run together more than chance has it.
    #[inline]
    fn step(&self, state: u64, word: u64) -> u64 {
        scramble(state ^ word ^ self.key)
    }

    /// The earlier states (0 is the first) that stride `i` (from 1) begins from: their distances are uniform within a power of two, and
    /// the powers are equally likely.
    pub fn parents(&self, i: u32) -> [u32; PARENTS] {
        std::array::from_fn(|p| {
            let x = scramble(self.graph ^ (u64::from(i) * PARENTS as u64 + p as u64));
            let scales = u64::from(i.ilog2()) + 1;
            let least = 1_u64 << (((x >> 32) * scales) >> 32);
            let width = least.min(u64::from(i) - least + 1);
            i - (least + (((x & 0xffff_ffff) * width) >> 32)) as u32
        })
    }

    /// The state that stride `i` begins with, from all states before it.
    fn begin(&self, i: u32, states: &[u64]) -> u64 {
        self.parents(i)
            .into_iter()
            .fold(states[i as usize - 1], |state, parent| {
                self.step(state, states[parent as usize])
            })
    }

    /// The state at the end of stride `i`, from all states before it.
    pub fn stride(&self, i: u32, states: &[u64], mut read: impl FnMut(u64) -> u64) -> u64 {
        let mut state = self.begin(i, states);
        for _ in 0..STRIDE {
            state = self.step(state, read(self.address(state)));
        }
        state
    }

    /// Walks all of it: strides + 1 states.
    pub fn walk(&self, mut read: impl FnMut(u64) -> u64) -> Vec<u64> {
        let mut states = Vec::with_capacity(self.strides as usize + 1);
        states.push(self.first);
        for i in 1..=self.strides {
            let end = self.stride(i, &states, &mut read);
            states.push(end);
        }
        states
    }
}

/// States as they go to a checker, little-endian. A walk's root is the BLAKE3 of these bytes.
pub fn states_to_bytes(states: &[u64]) -> Vec<u8> {
    states
        .iter()
        .flat_map(|state| state.to_le_bytes())
        .collect()
}

/// Strides (from 1) that are walked again: `k` of them, drawn by `draw` when the root was fixed.
pub fn drawn_strides(draw: &Hash, walk: &Walk, root: &Hash, k: u32) -> Vec<u32> {
    let seed = Software::hash(&[b"io/hw/strides/2", draw, &walk.seed, root]);
    sample_steps(&seed, u64::from(walk.strides), k)
        .into_iter()
        .map(|stride| stride as u32 + 1)
        .collect()
}

/// Checks a walk's states, `bytes` of which `root` is the BLAKE3: where it begins, and the drawn strides, which are STRIDE · 384
/// compressions of SHA-256 each.
pub fn check_walk(
    walk: &Walk,
    reveal: &Hash,
    root: &Hash,
    draw: &Hash,
    k: u32,
    bytes: &[u8],
) -> Result<(), MemoryError> {
    walk.check()?;
    if bytes.len() != walk.states_len() {
        return Err(MemoryError::Length {
            expected: walk.states_len(),
            found: bytes.len(),
        });
    }
    let states: Vec<u64> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|state| u64::from_le_bytes(*state))
        .collect();
    let path = walk.path(reveal);
    if states[0] != path.first {
        return Err(MemoryError::Start);
    }
    for stride in drawn_strides(draw, walk, root, k) {
        let to = path.stride(stride, &states, |address| {
            let words = segment(&walk.seed, address / SEGMENT_WORDS as u64);
            words[(address % SEGMENT_WORDS as u64) as usize]
        });
        if to != states[stride as usize] {
            return Err(MemoryError::WrongWalk(stride));
        }
    }
    Ok(())
}

/// How much longer the walk takes a device that holds only a fraction `held` of the segments and derives the others:
/// `held + (1 − held) · derive / access`, both times in nanoseconds. Beyond the window's slack (4/3) it comes too late.
pub fn slowdown(held: f64, access_ns: f64, derive_ns: f64) -> f64 {
    held + (1.0 - held) * derive_ns / access_ns
}

/// The chance that `k` drawn strides find a walker that guesses the words of segments which it doesn't hold: a stride
/// passes when all its hops fall on held segments, `held^STRIDE`.
pub fn caught_guessing(held: f64, k: u32) -> f64 {
    1.0 - held.clamp(0.0, 1.0).powf(f64::from(STRIDE) * f64::from(k))
}
