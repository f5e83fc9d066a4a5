//! Keys from a seed: the same seed gives the same keys, on every machine.

use anchor_lang::prelude::Pubkey;
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// An endless row of keys.
#[derive(Clone)]
pub struct Keys {
    seed: u64,
    next: u64,
}

impl Keys {
    pub fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    /// 32 bytes that nobody else gets.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"io-tests");
        hash.update(self.seed.to_le_bytes());
        hash.update(self.next.to_le_bytes());
        self.next += 1;
        hash.finalize().into()
    }

    pub fn keypair(&mut self) -> Keypair {
        Keypair::new_from_array(self.bytes())
    }

    pub fn pubkey(&mut self) -> Pubkey {
        self.keypair().pubkey()
    }
}
