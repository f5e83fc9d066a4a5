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
//! walk's next address depends on the word read: it can neither be foreseen nor split. Its states, every
//! [`STRIDE`] hops, form a trace ([`crate::trace`]) whose root is committed; strides drawn afterwards are
//! walked again from segments derived anew.
//!
//! What this does not show: that the memory is of one kind (a slower kind shows in the time), and that nobody keeps
//! half of a segment's blocks and derives the rest: that saves memory, and costs several hashes at every second hop.

use super::{Hash, Software, cell::Sha256};
use crate::{
    sample::sample_steps,
    trace::{Inclusion, ProofError, Trace, TraceBuilder, step_hash},
};

/// Blocks of 32 bytes in a segment.
pub const SEGMENT_BLOCKS: usize = 128;
/// Bytes of a segment.
pub const SEGMENT_BYTES: usize = SEGMENT_BLOCKS * 32;
/// 64-bit words of a segment.
pub const SEGMENT_WORDS: usize = SEGMENT_BYTES / 8;
/// Hops between two committed states.
pub const STRIDE: u32 = 64;
/// Most strides of one walk: four million hops.
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
    #[error("{found} strides came where {expected} were drawn")]
    Missing { expected: usize, found: usize },
    #[error("stride {found} came where {expected} was drawn")]
    NotDrawn { expected: u32, found: u32 },
    #[error(transparent)]
    NotCommitted(#[from] ProofError),
    #[error("stride {0} does not lead from its first state to its last: the memory was not there")]
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

    /// The walk's first state. `start` did not exist before the memory was to be filled: the walk can't precede it.
    pub fn start(&self, start: &Hash) -> u64 {
        let hash = Software::hash(&[b"io/hw/walk/1", &self.seed, start]);
        u64::from_le_bytes(hash[..8].try_into().unwrap_or_default())
    }

    /// The address that a state reads: the high half of the product is uniform in 0..words (Lemire, 2019).
    #[inline]
    pub fn address(&self, state: u64) -> u64 {
        ((u128::from(state) * u128::from(self.words())) >> 64) as u64
    }

    /// The state after reading `word`: a bijection of the state for every word (the odd constants are splitmix64's), so
    /// that walks don't run together more than chance has it.
    #[inline]
    pub fn step(state: u64, word: u64) -> u64 {
        let x = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// Walks one stride.
    pub fn stride(&self, mut state: u64, mut read: impl FnMut(u64) -> u64) -> u64 {
        for _ in 0..STRIDE {
            state = Self::step(state, read(self.address(state)));
        }
        state
    }
}

/// A finished walk: its states at each stride's end, from the first.
pub struct Walked {
    pub states: Vec<u64>,
    trace: Trace,
}

impl Walked {
    /// From the state before each stride and the last: strides + 1 of them.
    pub fn new(walk: &Walk, states: Vec<u64>) -> Result<Self, MemoryError> {
        walk.check()?;
        let expected = walk.strides as usize + 1;
        if states.len() != expected {
            return Err(MemoryError::Missing {
                expected,
                found: states.len(),
            });
        }
        let mut builder = TraceBuilder::new(walk.seed);
        for pair in states.windows(2) {
            builder.push(&step(pair[0], pair[1]))?;
        }
        Ok(Self {
            states,
            trace: builder.finish(),
        })
    }

    pub fn root(&self) -> Hash {
        self.trace.root()
    }

    /// Opens one stride.
    pub fn open(&self, stride: u32) -> Result<OpenedStride, MemoryError> {
        let proof = self.trace.prove(u64::from(stride))?;
        let at = stride as usize;
        Ok(OpenedStride {
            from: self.states[at],
            to: self.states[at + 1],
            proof,
        })
    }
}

/// A stride's bytes: both of its states, so that neighbours that were both opened agree.
fn step(from: u64, to: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&from.to_le_bytes());
    bytes[8..].copy_from_slice(&to.to_le_bytes());
    bytes
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedStride {
    pub from: u64,
    pub to: u64,
    pub proof: Inclusion,
}

/// Strides that are walked again: `k` pairs of neighbours' firsts, drawn after the commitment.
pub fn drawn_strides(reveal: &Hash, walk: &Walk, root: &Hash, k: u32) -> Vec<u32> {
    let seed = Software::hash(&[b"io/hw/strides/1", reveal, &walk.seed, root]);
    sample_steps(&seed, u64::from(walk.strides), k)
        .into_iter()
        .map(|stride| stride as u32)
        .collect()
}

/// Checks the drawn strides against the committed root: 64·256 hashes each.
pub fn check_walk(
    walk: &Walk,
    root: &Hash,
    reveal: &Hash,
    k: u32,
    opened: &[OpenedStride],
) -> Result<(), MemoryError> {
    walk.check()?;
    let drawn = drawn_strides(reveal, walk, root, k);
    if drawn.len() != opened.len() {
        return Err(MemoryError::Missing {
            expected: drawn.len(),
            found: opened.len(),
        });
    }
    for (expected, opened) in drawn.into_iter().zip(opened) {
        let found = u32::try_from(opened.proof.index).unwrap_or(u32::MAX);
        if found != expected || opened.proof.n_steps != u64::from(walk.strides) {
            return Err(MemoryError::NotDrawn { expected, found });
        }
        opened
            .proof
            .verify(&walk.seed, root, &step_hash(&step(opened.from, opened.to)))?;
        let mut last = None;
        let to = walk.stride(opened.from, |address| {
            let index = address / SEGMENT_WORDS as u64;
            let words = match last {
                Some((at, words)) if at == index => words,
                _ => segment(&walk.seed, index),
            };
            last = Some((index, words));
            words[(address % SEGMENT_WORDS as u64) as usize]
        });
        if to != opened.to {
            return Err(MemoryError::WrongWalk(expected));
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
/// passes when all its hops fall on held segments, `held^64`, and (1 − f)^k over strides.
pub fn caught_guessing(held: f64, k: u32) -> f64 {
    1.0 - held.clamp(0.0, 1.0).powf(f64::from(STRIDE) * f64::from(k))
}
