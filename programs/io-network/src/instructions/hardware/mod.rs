//! Proof of a wrong hardware commitment, by anybody, without an oracle.

mod commit_evidence;
mod open_fault_case;
mod prove_bad_cell;
mod write_evidence;

pub use {commit_evidence::*, open_fault_case::*, prove_bad_cell::*, write_evidence::*};
