//! Proof of compute: what a worker commits to, what an oracle samples, and when cheating doesn't pay.
//!
//! Pure functions over bytes: no I/O, no clock, no randomness of its own. The same code runs in workers
//! (to commit), in oracles (to sample and check) and in anybody's audit afterwards.
//!
//! * [`trace`]: a job's steps in one 32-byte root, and proofs that a step belongs to it.
//! * [`sample`]: which steps are checked, from a seed nobody could foresee when the root was committed, and
//!   how likely a cheater is to be caught.
//! * [`economics`]: the stake that makes cheating a loss.

pub mod economics;
pub mod sample;
pub mod trace;

pub use economics::{PPM, honesty_holds, min_stake_for_honesty};
pub use sample::{MAX_SAMPLE, detection_probability, sample_seed, sample_size_for, sample_steps};
pub use trace::{Hash, Inclusion, MAX_STEPS, ProofError, Trace, TraceBuilder, step_hash};
