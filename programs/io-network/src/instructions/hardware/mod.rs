//! Proof of a wrong hardware commitment, by anybody, without an oracle.

mod commit_evidence;
mod prove_bad_cell;
mod write_evidence;

pub use {commit_evidence::*, prove_bad_cell::*, write_evidence::*};
