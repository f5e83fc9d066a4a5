//! The client against a real chain, behind an RPC node that misbehaves.
//!
//! Each test has a chain of its own (see `io_client::testing`), or, with IO_TEST_RPC_URL set, shares one; docs/localnet.md
//! says how to run it against solana-test-validator.

mod accounts;
mod challenge;
mod deploy;
mod send;
mod subscribe;
