//! Which steps an oracle re-runs, and how likely that finds a cheater.

use crate::trace::Hash;
use sha2::{Digest, Sha256};

/// Most steps sampled at once. A check that wants more re-runs the whole job.
pub const MAX_SAMPLE: u32 = 65_536;

const SEED: u8 = 3;

/// The seed of a sample: `SHA-256(0x03 ‖ job ‖ trace root ‖ output hash ‖ each source's length as u64 LE ‖
/// source)`.
///
/// `sources` are what did not exist when the root and the output were committed: what the sampling oracle's
/// key draws for the committed result, the first blockhash after it. The worker can't choose its wrong
/// steps around a sample it could not know; anybody can recompute the sample later.
pub fn sample_seed(job: &Hash, trace_root: &Hash, output_hash: &Hash, sources: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new()
        .chain_update([SEED])
        .chain_update(job)
        .chain_update(trace_root)
        .chain_update(output_hash);
    for source in sources {
        hash.update((source.len() as u64).to_le_bytes());
        hash.update(source);
    }
    hash.finalize().into()
}

/// `min(k, n_steps, MAX_SAMPLE)` distinct steps out of `0..n_steps`, sorted; every set of that size is
/// equally likely over random seeds.
///
/// Floyd's algorithm (Bentley & Floyd, "A sample of brilliance", CACM 30(9), 1987) over the 64-bit words of
/// SHA-256(seed ‖ counter as u64 LE), with rejection so that no step is favoured.
pub fn sample_steps(seed: &Hash, n_steps: u64, k: u32) -> Vec<u64> {
    let k = u64::from(k.min(MAX_SAMPLE)).min(n_steps);
    let mut words = Words::new(seed);
    let mut chosen = std::collections::BTreeSet::new();
    for upper in n_steps - k..n_steps {
        let candidate = words.up_to(upper);
        if !chosen.insert(candidate) {
            chosen.insert(upper);
        }
    }
    chosen.into_iter().collect()
}

/// A stream of uniform words from a seed.
struct Words {
    seed: Hash,
    counter: u64,
    block: Hash,
    used: usize,
}

impl Words {
    fn new(seed: &Hash) -> Self {
        Self {
            seed: *seed,
            counter: 0,
            block: [0; 32],
            used: 32,
        }
    }

    fn next(&mut self) -> u64 {
        if self.used == self.block.len() {
            self.block = Sha256::new()
                .chain_update(self.seed)
                .chain_update(self.counter.to_le_bytes())
                .finalize()
                .into();
            self.counter += 1;
            self.used = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.block[self.used..self.used + 8]);
        self.used += 8;
        u64::from_le_bytes(word)
    }

    /// Uniform in `0..=upper`. Each try succeeds with a chance above one half.
    fn up_to(&mut self, upper: u64) -> u64 {
        let Some(bound) = upper.checked_add(1) else {
            return self.next();
        };
        // Words below 2^64 mod bound would favour small results.
        let reject_below = bound.wrapping_neg() % bound;
        loop {
            let word = self.next();
            if word >= reject_below {
                return word % bound;
            }
        }
    }
}

/// The chance that a sample of `k` distinct steps out of `n_steps` holds at least one of `wrong` wrong ones:
/// the hypergeometric distribution's `1 − C(n−w, k) / C(n, k) = 1 − Π_{i<k} (n−w−i)/(n−i)`.
pub fn detection_probability(n_steps: u64, wrong: u64, k: u32) -> f64 {
    let wrong = wrong.min(n_steps);
    let k = u64::from(k).min(n_steps);
    if wrong == 0 || k == 0 {
        return 0.0;
    }
    let right = n_steps - wrong;
    if k > right {
        return 1.0;
    }
    1.0 - (0..k)
        .map(|i| (right - i) as f64 / (n_steps - i) as f64)
        .product::<f64>()
}

/// The smallest sample that finds `wrong` wrong steps out of `n_steps` with at least the chance `target`
/// (0 to 1); `None` when no sample up to [`MAX_SAMPLE`] does, or when nothing is wrong.
pub fn sample_size_for(n_steps: u64, wrong: u64, target: f64) -> Option<u32> {
    let wrong = wrong.min(n_steps);
    if wrong == 0 || target.is_nan() {
        return None;
    }
    let right = n_steps - wrong;
    let mut missed = 1.0;
    for k in 0..=MAX_SAMPLE {
        if 1.0 - missed >= target {
            return Some(k);
        }
        let i = u64::from(k);
        if i > right {
            break;
        }
        missed *= right.saturating_sub(i) as f64 / (n_steps - i) as f64;
    }
    None
}
