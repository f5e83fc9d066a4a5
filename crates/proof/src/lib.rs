//! Proof of compute: what a worker commits to, what an oracle samples, and when cheating doesn't pay.
//!
//! Pure functions over bytes: no I/O, no clock, no randomness of its own. The same code runs in workers
//! (to commit), in oracles (to sample and check) and in anybody's audit afterwards.
//!
//! * [`trace`]: a job's steps in one 32-byte root, and proofs that a step belongs to it.
//! * [`hardware`]: that a device is the hardware it says it is.
//! * [`sample`]: which steps are checked, from a seed nobody could foresee when the root was committed, and
//!   how likely a cheater is to be caught.
//! * [`economics`]: the stake that makes cheating a loss.
//! * [`audit`]: which jobs are re-run at all, so that it stays one.

#![cfg_attr(not(feature = "std"), no_std)]

#[cfg(feature = "std")]
pub mod audit;
#[cfg(feature = "std")]
pub mod economics;
pub mod hardware;
#[cfg(feature = "std")]
pub mod sample;
#[cfg(feature = "std")]
pub mod trace;

#[cfg(feature = "std")]
pub use economics::{PPM, honesty_holds, min_audit_for_honesty, min_stake_for_honesty};
#[cfg(feature = "std")]
pub use sample::{MAX_SAMPLE, detection_probability, sample_seed, sample_size_for, sample_steps};
#[cfg(feature = "std")]
pub use trace::{Hash, Inclusion, MAX_STEPS, ProofError, Trace, TraceBuilder, step_hash};
