//! Proof of a wrong hardware commitment, by anybody, without an oracle.

mod prove_bad_cell;
mod write_evidence;

pub use {prove_bad_cell::*, write_evidence::*};
