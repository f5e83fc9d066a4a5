//! A run's trace: what can be seen of it, the same everywhere, as its fuel goes down.

use super::PAGE_BYTES;
use crate::blob::BlobHash;
use io_proof::{Hash, step_hash};

/// The file that holds the step's hashes, 32 bytes each, of a run with more than one step.
pub const STEPS_FILE: &str = "steps.bin";
/// Fuel of a step for each page of memory, so that hashing costs about the same part of a run whatever the size of its memory. A page
/// takes 6 to 10 µs (BLAKE3 with AVX-512); this much fuel 0.24 ms in the tightest loop, and 2.4 ms in one that waits for memory: a
/// trace costs 0.3 to 5 % of a run.
pub const STEP_FUEL_PER_PAGE: u64 = 2_000_000;
/// Most steps before the summary.
pub const MAX_SLICES: u64 = 4_096;

/// The fuel of a step of a job with so much fuel, with a memory of so many bytes.
pub fn step_fuel(fuel: u64, memory_bytes: u64) -> u64 {
    let pages = memory_bytes.div_ceil(PAGE_BYTES).max(1);
    fuel.div_ceil(MAX_SLICES).max(pages * STEP_FUEL_PER_PAGE)
}

/// Collects the steps of a run, or compares them with those that somebody committed to.
pub struct Recorder {
    /// The job's.
    fuel: u64,
    /// Fuel used when a host function last looked, and slices of fuel since then.
    seen: u64,
    slices: u64,
    /// Fuel used when the last step ended.
    last: u64,
    /// Bytes of memory, as the limiter has allowed them.
    memory_bytes: u64,
    output: blake3::Hasher,
    output_bytes: u64,
    hashes: Vec<Hash>,
    committed: Option<Vec<Hash>>,
    departed: Option<Departure>,
}

/// The first step of a run that isn't the committed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departure {
    pub step: u64,
    /// Fuel used at its end.
    pub fuel: u64,
    pub right: Hash,
    /// `None` where the committed run had ended.
    pub committed: Option<Hash>,
}

impl Recorder {
    /// `committed`: the steps' hashes to compare with, the summary's not among them.
    pub fn new(fuel: u64, committed: Option<Vec<Hash>>) -> Self {
        Self {
            fuel,
            seen: 0,
            slices: 0,
            last: 0,
            memory_bytes: 0,
            output: blake3::Hasher::new(),
            output_bytes: 0,
            hashes: Vec::new(),
            committed,
            departed: None,
        }
    }

    pub fn grown(&mut self, memory_bytes: usize) {
        self.memory_bytes = memory_bytes as u64;
    }

    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes as usize
    }

    pub fn wrote(&mut self, output: &[u8]) {
        self.output.update(output);
        self.output_bytes += output.len() as u64;
    }

    /// A host function sees how much fuel is used: whether a step ends here.
    pub fn at(&mut self, used: u64) -> bool {
        (self.seen, self.slices) = (used, 0);
        self.is_due(used)
    }

    /// Another slice of fuel is used up since then: whether a step ends here.
    pub fn after_slice(&mut self, slice: u64) -> bool {
        self.slices += 1;
        self.is_due(self.used(slice))
    }

    fn is_due(&self, used: u64) -> bool {
        used - self.last >= step_fuel(self.fuel, self.memory_bytes)
    }

    fn used(&self, slice: u64) -> u64 {
        self.seen + self.slices * slice
    }

    /// Ends a step.
    pub fn end_step(&mut self, slice: u64, memory: &[u8]) {
        let used = self.used(slice);
        let mut step = b"io-wasm/2/step".to_vec();
        step.extend(used.to_le_bytes());
        step.extend((memory.len() as u64).to_le_bytes());
        step.extend(BlobHash::of(memory).0);
        step.extend(self.output_bytes.to_le_bytes());
        step.extend(self.output.finalize().as_bytes());
        let right = step_hash(&step);
        if let Some(committed) = &self.committed
            && self.departed.is_none()
        {
            let committed = committed.get(self.hashes.len()).copied();
            if committed != Some(right) {
                self.departed = Some(Departure {
                    step: self.hashes.len() as u64,
                    fuel: used,
                    right,
                    committed,
                });
            }
        }
        self.hashes.push(right);
        self.last = used;
    }

    pub fn departed(&self) -> Option<&Departure> {
        self.departed.as_ref()
    }

    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }
}

/// The hashes in a steps' file; `None` if it isn't one.
pub fn parse(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, []) = bytes.as_chunks::<32>() else {
        return None;
    };
    ((2..=MAX_SLICES as usize + 1).contains(&hashes.len())).then(|| hashes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_at_most_its_number_of_steps_and_none_is_shorter_than_its_memory_asks() {
        for fuel in [
            1,
            1_000_000,
            5_000_000_000,
            crate::limits::MAX_FUEL - 1,
            crate::limits::MAX_FUEL,
        ] {
            for memory in [0, 1, PAGE_BYTES, 16 << 20, 4 << 30] {
                let step = step_fuel(fuel, memory);
                assert!(fuel / step <= MAX_SLICES, "{fuel} {memory}");
                assert!(step >= STEP_FUEL_PER_PAGE * memory.div_ceil(PAGE_BYTES));
            }
        }
    }

    /// Each thing that a step binds changes its hash.
    #[test]
    fn a_step_binds_memory_output_and_fuel() {
        let step = |used: u64, memory: &[u8], output: &[u8]| {
            let mut recorder = Recorder::new(10, None);
            recorder.wrote(output);
            recorder.at(used);
            recorder.end_step(1, memory);
            recorder.hashes()[0]
        };
        let base = step(5, b"memory", b"output");
        assert_eq!(base, step(5, b"memory", b"output"));
        for other in [
            step(6, b"memory", b"output"),
            step(5, b"memorY", b"output"),
            step(5, b"memory\0", b"output"),
            step(5, b"memory", b"outpuT"),
            step(5, b"memory", b""),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_first_step_that_differs_is_found_even_where_later_ones_agree_again() {
        let run = |committed| {
            let mut recorder = Recorder::new(1 << 40, committed);
            for i in 1..=5_u64 {
                recorder.at(i);
                recorder.end_step(1, &i.to_le_bytes());
            }
            recorder
        };
        let honest = run(None).hashes().to_vec();
        assert_eq!(run(Some(honest.clone())).departed(), None);
        let mut wrong = honest.clone();
        wrong[2] = [0; 32];
        let departed = run(Some(wrong)).departed().cloned().unwrap();
        assert_eq!((departed.step, departed.fuel), (2, 3));
        assert_eq!(departed.committed, Some([0; 32]));
        assert_eq!(departed.right, honest[2]);
        let short = run(Some(honest[..4].to_vec())).departed().cloned().unwrap();
        assert_eq!((short.step, short.committed), (4, None));
    }
}
