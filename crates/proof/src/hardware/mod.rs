//! Proof that a device is the hardware it says it is, in exact integers.
//!
//! An oracle opens a *round* for all its devices at once: a seed nobody could foresee ([`round_seed`]). Each device
//! multiplies int8 matrices expanded from it, one *pass* after another, and commits to all products
//! ([`Committed`]) inside the window. B is the same for all devices of a round, A differs by device and pass, and a
//! pass's A depends on the root of the pass before. Only then does the oracle reveal a second seed ([`reveal_seed`]),
//! which draws a vector r and the rows to open; [`Checker`] checks them.
//!
//! * [`cell`]: layouts, and the on-chain proof of one wrong cell (no `std`, no allocation).
//! * [`wrong`]: a wrong cell among the rows that a device opened, with all that proves it.
//! * [`memory`]: the claimed memory, by a walk that needs all of it.
//! * [`pace`]: what the link to an oracle shows.
//! * [`sizes`]: how much work a window holds. [`soundness`]: how likely a cheater is caught.
//!
//! Backends that produce proofs quickly are in `io-prover`; [`reference`] is the definition they are tested against.

pub mod cell;
#[cfg(feature = "std")]
pub mod check;
#[cfg(feature = "std")]
pub mod field;
#[cfg(feature = "std")]
pub mod memory;
#[cfg(feature = "std")]
pub mod pace;
#[cfg(feature = "std")]
pub mod reference;
#[cfg(feature = "std")]
pub mod seeds;
#[cfg(feature = "std")]
pub mod sizes;
#[cfg(feature = "std")]
pub mod soundness;
#[cfg(feature = "std")]
pub mod tree;
#[cfg(feature = "std")]
pub mod wrong;

#[cfg(feature = "std")]
pub use {
    check::{CheckError, Checker, ColumnSums, OpenedRow, RowsCheck, drawn_rows},
    seeds::{a_seed, b_seed, reveal_seed, round_seed},
    sizes::Shape,
    tree::{Committed, RowTree},
    wrong::WrongCell,
};

/// A SHA-256 digest, a seed, or an account's address.
pub type Hash = [u8; 32];

/// SHA-256 off chain.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy)]
pub struct Software;

#[cfg(feature = "std")]
impl cell::Sha256 for Software {
    fn hash(parts: &[&[u8]]) -> Hash {
        use sha2::Digest;
        let mut hash = sha2::Sha256::new();
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }
}
