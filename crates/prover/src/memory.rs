//! The walk through host memory.

use io_proof::hardware::{
    Hash,
    memory::{MemoryError, SEGMENT_WORDS, Walk, Walked, segment},
};

/// Host memory, filled for one walk.
pub struct Filled {
    walk: Walk,
    words: Vec<u64>,
}

/// Fills `walk.segments` × 4 KiB on `threads` threads.
pub fn fill(walk: Walk, threads: usize) -> Result<Filled, MemoryError> {
    walk.check()?;
    let mut words = vec![0; walk.words() as usize];
    let part = walk
        .segments
        .div_ceil(threads.clamp(1, super::cpu::MAX_THREADS) as u64) as usize;
    std::thread::scope(|scope| {
        for (at, chunk) in words.chunks_mut(part * SEGMENT_WORDS).enumerate() {
            scope.spawn(move || {
                for (i, to) in chunk.chunks_exact_mut(SEGMENT_WORDS).enumerate() {
                    to.copy_from_slice(&segment(&walk.seed, (at * part + i) as u64));
                }
            });
        }
    });
    Ok(Filled { walk, words })
}

impl Filled {
    /// Walks from `start`, which nobody knew while memory was filled.
    pub fn walk(&self, start: &Hash) -> Result<Walked, MemoryError> {
        let mut states = Vec::with_capacity(self.walk.strides as usize + 1);
        let mut state = self.walk.start(start);
        states.push(state);
        for _ in 0..self.walk.strides {
            state = self
                .walk
                .stride(state, |address| self.words[address as usize]);
            states.push(state);
        }
        Walked::new(&self.walk, states)
    }
}
