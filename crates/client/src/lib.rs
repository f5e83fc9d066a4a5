//! The Rust SDK of IO Network.
//!
//! - [`rpc`]: reading, with explicit commitment, time limits and bounded retries;
//! - [`accounts`], [`pda`]: the program's accounts, typed and checked, and their addresses;
//! - [`instructions`], [`ed25519`], [`tokens`]: one function for each instruction;
//! - [`send`], [`journal`]: the one way to send, landing once or provably never, over crashes;
//! - [`subscribe`], [`events`]: what the program did, complete, once and in order; and accounts as they change;
//! - [`audit`]: which jobs an oracle has to re-run; [`challenge`]: proving a wrong hardware proof to the program;
//! - [`keys`]: key files.

pub mod accounts;
pub mod audit;
pub mod challenge;
pub mod ed25519;
pub mod error;
pub mod events;
#[cfg(test)]
mod idl;
pub mod instructions;
pub mod journal;
pub mod keys;
pub mod pda;
pub mod rpc;
pub mod send;
pub mod subscribe;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tokens;
pub mod vrf;

pub use anchor_lang::prelude::Pubkey;
pub use error::{Error, Result};
pub use io_network;
pub use keys::{SharedSigner, Wallet};
pub use rpc::Rpc;
pub use send::{Landed, Request, SendConfig, Sender};
pub use solana_commitment_config::CommitmentConfig;
pub use solana_hash::Hash;
pub use solana_instruction::Instruction;
pub use solana_signature::Signature;
pub use solana_signer::Signer;
