//! A job's trace: a Merkle tree over its steps.
//!
//! ```text
//! step hash = SHA-256(step bytes)
//! leaf i    = SHA-256(0x00 ‖ job ‖ i as u64 LE ‖ step hash)
//! node      = SHA-256(0x01 ‖ left ‖ right)
//! root      = SHA-256(0x02 ‖ job ‖ number of steps as u64 LE ‖ top node)
//! ```
//!
//! The tree has the shape of RFC 9162: a node's left subtree holds the largest power of two of leaves that
//! is smaller than its own count, so no leaf is ever repeated to fill a level. A leaf binds the job and its
//! index (a proof can't be replayed for another job or another place), the three prefixes keep leaves, nodes
//! and roots apart, and the root binds the number of steps, so a shortened trace has another root.
//! SHA-256 because the program can recompute it with a syscall.

use sha2::{Digest, Sha256};

/// A SHA-256 digest, or a job's 32-byte id (its account's address).
pub type Hash = [u8; 32];

/// Most steps in one trace: 32 bytes a step are kept while it is built, so this is 512 MiB.
pub const MAX_STEPS: u64 = 1 << 24;

/// Most siblings in an inclusion proof: log2 of [`MAX_STEPS`].
pub const MAX_SIBLINGS: usize = 24;

const LEAF: u8 = 0;
const NODE: u8 = 1;
const ROOT: u8 = 2;

/// The top of a tree without leaves.
const EMPTY_TOP: Hash = [0; 32];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("a trace holds at most {MAX_STEPS} steps; split the job")]
    TooManySteps,
    #[error("step {index} was asked for, but the trace has {n_steps} steps (0 to {n_steps} − 1)")]
    NoSuchStep { index: u64, n_steps: u64 },
    #[error(
        "a proof for step {index} of {n_steps} needs {expected} siblings, this one has {found}"
    )]
    WrongLength {
        index: u64,
        n_steps: u64,
        expected: usize,
        found: usize,
    },
    #[error("the proof for step {index} leads to another root: the step is not in this trace")]
    WrongRoot { index: u64 },
}

/// The hash of a step's bytes, which its leaf commits to.
pub fn step_hash(step: &[u8]) -> Hash {
    Sha256::digest(step).into()
}

fn leaf_hash(job: &Hash, index: u64, step: &Hash) -> Hash {
    Sha256::new()
        .chain_update([LEAF])
        .chain_update(job)
        .chain_update(index.to_le_bytes())
        .chain_update(step)
        .finalize()
        .into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([NODE])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

fn root_hash(job: &Hash, n_steps: u64, top: &Hash) -> Hash {
    Sha256::new()
        .chain_update([ROOT])
        .chain_update(job)
        .chain_update(n_steps.to_le_bytes())
        .chain_update(top)
        .finalize()
        .into()
}

/// Collects a job's steps in order.
pub struct TraceBuilder {
    job: Hash,
    leaves: Vec<Hash>,
}

impl TraceBuilder {
    pub fn new(job: Hash) -> Self {
        Self {
            job,
            leaves: Vec::new(),
        }
    }

    /// Appends a step by its bytes.
    pub fn push(&mut self, step: &[u8]) -> Result<(), ProofError> {
        self.push_hash(&step_hash(step))
    }

    /// Appends a step by the hash of its bytes ([`step_hash`]).
    pub fn push_hash(&mut self, step: &Hash) -> Result<(), ProofError> {
        let index = self.leaves.len() as u64;
        if index >= MAX_STEPS {
            return Err(ProofError::TooManySteps);
        }
        self.leaves.push(leaf_hash(&self.job, index, step));
        Ok(())
    }

    /// Steps so far.
    pub fn n_steps(&self) -> u64 {
        self.leaves.len() as u64
    }

    pub fn finish(self) -> Trace {
        let mut levels = vec![self.leaves];
        while levels[levels.len() - 1].len() > 1 {
            let below = &levels[levels.len() - 1];
            // A last node without a partner moves up as it is: that is RFC 9162's shape.
            let level = below
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    [alone] => *alone,
                    _ => unreachable!("chunks(2) yields one or two"),
                })
                .collect();
            levels.push(level);
        }
        Trace {
            job: self.job,
            levels,
        }
    }
}

/// A finished trace: gives its root and proofs for its steps.
#[derive(Debug)]
pub struct Trace {
    job: Hash,
    /// `levels[0]` are the leaves; the last level holds at most one node.
    levels: Vec<Vec<Hash>>,
}

impl Trace {
    pub fn n_steps(&self) -> u64 {
        self.levels[0].len() as u64
    }

    /// The 32 bytes a worker commits to on chain.
    pub fn root(&self) -> Hash {
        let top = self.levels[self.levels.len() - 1].first();
        root_hash(&self.job, self.n_steps(), top.unwrap_or(&EMPTY_TOP))
    }

    /// Proves that step `index` is in this trace.
    pub fn prove(&self, index: u64) -> Result<Inclusion, ProofError> {
        let n_steps = self.n_steps();
        if index >= n_steps {
            return Err(ProofError::NoSuchStep { index, n_steps });
        }
        let mut at = index as usize;
        let mut siblings = Vec::new();
        for level in &self.levels {
            if let Some(sibling) = level.get(at ^ 1) {
                siblings.push(*sibling);
            }
            at /= 2;
        }
        Ok(Inclusion {
            index,
            n_steps,
            siblings,
        })
    }
}

/// A proof that a step is at one place of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    pub index: u64,
    pub n_steps: u64,
    /// From the leaf's level upwards; levels at which the path has no partner are left out.
    pub siblings: Vec<Hash>,
}

impl Inclusion {
    /// Checks that a step with hash `step` ([`step_hash`]) is at `self.index` of the trace with `root` that
    /// belongs to `job`.
    pub fn verify(&self, job: &Hash, root: &Hash, step: &Hash) -> Result<(), ProofError> {
        let Self {
            index,
            n_steps,
            ref siblings,
        } = *self;
        if n_steps > MAX_STEPS {
            return Err(ProofError::TooManySteps);
        }
        if index >= n_steps {
            return Err(ProofError::NoSuchStep { index, n_steps });
        }
        let expected = path_length(index, n_steps);
        if siblings.len() != expected {
            return Err(ProofError::WrongLength {
                index,
                n_steps,
                expected,
                found: siblings.len(),
            });
        }
        let mut node = leaf_hash(job, index, step);
        let mut remaining = siblings.iter();
        let (mut at, mut width) = (index, n_steps);
        while width > 1 {
            if at ^ 1 < width
                && let Some(sibling) = remaining.next()
            {
                node = if at & 1 == 0 {
                    node_hash(&node, sibling)
                } else {
                    node_hash(sibling, &node)
                };
            }
            at /= 2;
            width = width.div_ceil(2);
        }
        if root_hash(job, n_steps, &node) == *root {
            Ok(())
        } else {
            Err(ProofError::WrongRoot { index })
        }
    }
}

/// Siblings on the way from leaf `index` to the top of a tree of `n_steps` leaves.
fn path_length(index: u64, n_steps: u64) -> usize {
    let (mut at, mut width, mut length) = (index, n_steps, 0);
    while width > 1 {
        length += usize::from(at ^ 1 < width);
        at /= 2;
        width = width.div_ceil(2);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(job: Hash, n: u64) -> Trace {
        let mut builder = TraceBuilder::new(job);
        for i in 0..n {
            builder.push(&i.to_be_bytes()).unwrap();
        }
        builder.finish()
    }

    /// The definition in the module's words, written the slow way.
    fn top(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_TOP,
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(&top(&many[..split]), &top(&many[split..]))
            }
        }
    }

    #[test]
    fn root_follows_the_recursive_definition() {
        let job = [7; 32];
        for n in 0..70 {
            let leaves: Vec<_> = (0..n)
                .map(|i| leaf_hash(&job, i, &step_hash(&i.to_be_bytes())))
                .collect();
            assert_eq!(
                trace(job, n).root(),
                root_hash(&job, n, &top(&leaves)),
                "{n}"
            );
        }
    }

    #[test]
    fn root_is_fixed_for_ever() {
        // SHA-256 over the documented layout, computed with Python's hashlib (see tests/trace_vectors.py).
        let mut builder = TraceBuilder::new([1; 32]);
        for step in [&b"a"[..], b"b", b"c"] {
            builder.push(step).unwrap();
        }
        assert_eq!(hex(&builder.finish().root()), ROOT_OF_ABC);
        assert_eq!(
            hex(&TraceBuilder::new([1; 32]).finish().root()),
            ROOT_OF_NOTHING
        );
    }
    const ROOT_OF_ABC: &str = "75c30fe80cf09eea2f8a58adbf32f8d0196f283bc4ef4e1c1860e4e11d5ee486";
    const ROOT_OF_NOTHING: &str =
        "496e4b0af1ed2f748a6129a040437ec33bb1653696ebfafcd40cd1c2c1e258e2";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn proofs_are_no_longer_than_their_limit() {
        assert!(path_length(0, MAX_STEPS) <= MAX_SIBLINGS);
        assert!(path_length(MAX_STEPS - 1, MAX_STEPS) <= MAX_SIBLINGS);
    }

    #[test]
    fn a_proof_for_a_step_outside_is_refused() {
        let t = trace([0; 32], 5);
        assert_eq!(
            t.prove(5),
            Err(ProofError::NoSuchStep {
                index: 5,
                n_steps: 5
            })
        );
        assert!(trace([0; 32], 0).prove(0).is_err());
    }
}
