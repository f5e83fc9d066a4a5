//! Proof of memory: a chained random walk through all of it.
//!
//! Memory is cut into segments of 4 KiB. A segment is filled by a chain of hashes forward and a second one backward, each over earlier links
//! at distances of every power of two, too:
//!
//! ```text
//! f₀ = SHA-256(seed ‖ segment as u64 LE),  fₜ = SHA-256(fₜ₋₁ ‖ four earlier f)                 t < 128
//! m₁₂₇ = SHA-256(f₁₂₇),  mₜ = SHA-256(fₜ ‖ mₜ₊₁ ‖ three later m)                                 what is stored, from the end
//! ```
//!
//! so that a word that is not there costs 192 hashes on average, one after another, where memory answers in one access. Without the links to earlier
//! ones a few of each chain would be enough to derive the rest from, at a few hashes. The
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
//! memory-hard functions", CCS 2017, with more parents) whoever shortens the longest path to an eighth of the walk has
//! to invent nearly half of all states, by the best way we know (`io_cheats::invented_for`). Every hop is keyed by the reveal, so that nothing is walked before it.
//!
//! What this does not show: that the memory is of one kind (a slower kind shows in the time), and that all of it is there: who keeps two thirds of
//! each segment's blocks, or nine tenths of the segments, derives the rest in time.

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
/// Links of a segment's block to others of its chain, beside the one to its neighbour: forward so many, backward one less.
const LINKS: usize = 4;
/// Compressions of SHA-256 that a missing word costs, one after another, on average over the words: all of the chain forward and half of
/// the one backward, three each.
pub const COMPRESSIONS_TO_DERIVE: u32 = 3 * (SEGMENT_BLOCKS as u32 + SEGMENT_BLOCKS as u32 / 2);

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

/// What the links of block t, counted from its chain's beginning, lead to: at distances that are uniform within a power of two, and the powers
/// equally likely. The same in every segment.
const LINKED: [[u8; LINKS]; SEGMENT_BLOCKS] = {
    let mut linked = [[0; LINKS]; SEGMENT_BLOCKS];
    let mut t = 1;
    while t < SEGMENT_BLOCKS {
        let mut link = 0;
        while link < LINKS {
            linked[t][link] = earlier(t as u32, scramble((t * LINKS + link) as u64)) as u8;
            link += 1;
        }
        t += 1;
    }
    linked
};

/// One of 0..i, by `draw`: at a distance that is uniform within a power of two, and each power equally likely.
#[inline]
const fn earlier(i: u32, draw: u64) -> u32 {
    let scales = i.ilog2() as u64 + 1;
    let least = 1_u64 << (((draw >> 32) * scales) >> 32);
    let rest = i as u64 - least + 1;
    let width = if least < rest { least } else { rest };
    i - (least + (((draw & 0xffff_ffff) * width) >> 32)) as u32
}

/// A segment's words.
pub fn segment(seed: &Hash, index: u64) -> [u64; SEGMENT_WORDS] {
    let mut words = [0; SEGMENT_WORDS];
    derive(seed, index, 0, |t, block| {
        for (word, bytes) in words[4 * t..4 * t + 4]
            .iter_mut()
            .zip(block.as_chunks::<8>().0)
        {
            *word = u64::from_le_bytes(*bytes);
        }
    });
    words
}

/// One word of a segment, without those before it.
pub fn word(seed: &Hash, index: u64, at: usize) -> u64 {
    let mut word = 0;
    derive(seed, index, at / 4, |t, block| {
        if t == at / 4 {
            word = words(block)[at % 4];
        }
    });
    word
}

/// Derives a segment's blocks from the last to `first`.
fn derive(seed: &Hash, index: u64, first: usize, mut block: impl FnMut(usize, &Hash)) {
    const LAST: usize = SEGMENT_BLOCKS - 1;
    let mut forward = [[0; 32]; SEGMENT_BLOCKS];
    forward[0] = Software::hash(&[seed, &index.to_le_bytes()]);
    for t in 1..SEGMENT_BLOCKS {
        let [a, b, c, d] = LINKED[t].map(|link| &forward[usize::from(link)]);
        forward[t] = Software::hash(&[&forward[t - 1], a, b, c, d]);
    }
    // The backward chain takes the forward one's place.
    let blocks = &mut forward;
    blocks[LAST] = Software::hash(&[&blocks[LAST]]);
    block(LAST, &blocks[LAST]);
    for t in (first..LAST).rev() {
        let [a, b, c, _] = LINKED[LAST - t].map(|link| &blocks[LAST - usize::from(link)]);
        blocks[t] = Software::hash(&[&blocks[t], &blocks[t + 1], a, b, c]);
        block(t, &blocks[t]);
    }
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
const fn scramble(x: u64) -> u64 {
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
            let draw = scramble(self.graph ^ (u64::from(i) * PARENTS as u64 + p as u64));
            earlier(i, draw)
        })
    }

    /// The state that stride `i` begins with, from all states before it.
    fn begin(&self, i: u32, states: &[u64]) -> u64 {
        self.parents(i)
            .into_iter()
            // The state before goes through a step first: a parent that is the same state must not take it out again.
            .fold(
                self.step(states[i as usize - 1], i.into()),
                |state, parent| self.step(state, states[parent as usize]),
            )
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

/// Checks a walk's states, `bytes` of which `root` is the BLAKE3: where it begins, and the drawn strides, STRIDE ·
/// [`COMPRESSIONS_TO_DERIVE`] compressions of SHA-256 each.
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
            let at = (address % SEGMENT_WORDS as u64) as usize;
            word(&walk.seed, address / SEGMENT_WORDS as u64, at)
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
