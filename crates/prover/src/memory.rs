//! The walk through host memory.

use std::sync::atomic::{AtomicBool, Ordering};

use io_proof::hardware::{
    Hash,
    memory::{SEGMENT_WORDS, Walk, segment},
};

use crate::ProveError;

/// Host memory, filled for one walk.
pub struct Filled {
    walk: Walk,
    words: Vec<u64>,
}

/// Fills `walk.segments` × 4 KiB on `threads` threads. Memory that there isn't is an error: whoever asks for too much must not end the process.
pub fn fill(walk: Walk, threads: usize) -> Result<Filled, ProveError> {
    fill_until(walk, threads, &AtomicBool::new(false))
}

/// The same; `stop` ends it early.
pub fn fill_until(walk: Walk, threads: usize, stop: &AtomicBool) -> Result<Filled, ProveError> {
    let unavailable = ProveError::Unavailable;
    walk.check()
        .map_err(|error| unavailable(error.to_string()))?;
    let needed = usize::try_from(walk.words()).map_err(|error| unavailable(error.to_string()))?;
    let mut words: Vec<u64> = Vec::new();
    words
        .try_reserve_exact(needed)
        .map_err(|error| unavailable(format!("{} segments of memory: {error}", walk.segments)))?;
    words.resize(needed, 0);
    let part = walk
        .segments
        .div_ceil(threads.clamp(1, super::cpu::MAX_THREADS) as u64) as usize;
    std::thread::scope(|scope| {
        for (at, chunk) in words.chunks_mut(part * SEGMENT_WORDS).enumerate() {
            scope.spawn(move || {
                for (i, to) in chunk.chunks_exact_mut(SEGMENT_WORDS).enumerate() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    to.copy_from_slice(&segment(&walk.seed, (at * part + i) as u64));
                }
            });
        }
    });
    if stop.load(Ordering::Relaxed) {
        return Err(ProveError::Cancelled);
    }
    Ok(Filled { walk, words })
}

impl Filled {
    /// Walks the way that `reveal` shows, which nobody knew while memory was filled: the states.
    pub fn walk(&self, reveal: &Hash) -> Vec<u64> {
        self.walk
            .path(reveal)
            .walk(|address| self.words[address as usize])
    }
}

#[cfg(test)]
mod tests {
    use io_proof::hardware::memory::MAX_SEGMENTS;

    use super::*;

    #[test]
    fn memory_of_no_size_is_refused() {
        let walk = |segments| Walk {
            seed: [1; 32],
            segments,
            strides: 1,
        };
        for segments in [0, MAX_SEGMENTS + 1] {
            assert!(matches!(
                fill(walk(segments), 1),
                Err(ProveError::Unavailable(_))
            ));
        }
        assert!(fill(walk(3), 2).is_ok());
    }
}
