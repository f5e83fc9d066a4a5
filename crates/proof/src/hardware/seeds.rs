//! Every seed of a round, each with a domain of its own.

use super::{Hash, Software, cell::Sha256};

fn hash(parts: &[&[u8]]) -> Hash {
    Software::hash(parts)
}

/// The seed of a round: `SHA-256("io/hw/round/1" ‖ statement's length as u64 LE ‖ statement ‖ signature)`.
///
/// `statement` names program, cluster, oracle, epoch and the newest blockhash
/// (`io_protocol::messages::RoundStatement`); `signature` is the oracle's ed25519 signature over it. The blockhash
/// did not exist earlier and the signature is the oracle's alone, so that no worker can foresee the seed; anybody can
/// check it later.
pub fn round_seed(statement: &[u8], signature: &[u8; 64]) -> Hash {
    let len = (statement.len() as u64).to_le_bytes();
    hash(&[b"io/hw/round/1", &len, statement, signature])
}

/// The seed that draws r and the opened rows: `SHA-256("io/hw/reveal/1" ‖ round seed ‖ signature)`, from the oracle's
/// signature over the closed round (`io_protocol::messages::RevealStatement`). It exists once the window is over.
pub fn reveal_seed(round_seed: &Hash, signature: &[u8; 64]) -> Hash {
    hash(&[b"io/hw/reveal/1", round_seed, signature])
}

/// The seed of B: one for all devices of a round that use this n.
pub fn b_seed(round_seed: &Hash, n: u32) -> Hash {
    hash(&[b"io/hw/b/1", round_seed, &n.to_le_bytes()])
}

/// The seed of a pass's A. `before` is the root of the pass before; zeroes for pass 0. So pass j + 1 can't begin on any
/// machine before pass j is whole.
pub fn a_seed(round_seed: &Hash, device: &Hash, n: u32, pass: u32, before: &Hash) -> Hash {
    let (n, pass) = (n.to_le_bytes(), pass.to_le_bytes());
    hash(&[b"io/hw/a/1", round_seed, device, &n, &pass, before])
}

/// The seed of r's elements.
pub(super) fn r_seed(reveal: &Hash, n: u32) -> Hash {
    hash(&[b"io/hw/r/1", reveal, &n.to_le_bytes()])
}

/// The seed of a device's opened rows: it holds the commitment, so a worker can't commit around the draw.
pub(super) fn draw_seed(reveal: &Hash, device: &Hash, commitment: &Hash) -> Hash {
    hash(&[b"io/hw/draw/1", reveal, device, commitment])
}

/// The seed of a device's memory: known with the round.
pub fn memory_seed(round_seed: &Hash, device: &Hash) -> Hash {
    hash(&[b"io/hw/memory/1", round_seed, device])
}

/// What an oracle signs in place of the round (`io_protocol::hardware::RevealStatement`) to draw the strides of a committed walk:
/// nobody knows them before the walk's root is fixed.
pub fn walk_subject(round_seed: &Hash, device: &Hash, root: &Hash) -> Hash {
    hash(&[b"io/hw/walked/1", round_seed, device, root])
}
