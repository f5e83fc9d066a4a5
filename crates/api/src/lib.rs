//! The oracle's HTTP and WebSocket interface: types that the oracle, the worker and the command line share, request
//! signing, and a client.
//!
//! Keys, hashes and signatures travel as text: keys, signatures and transaction ids in base58, BLAKE3 hashes and roots in
//! lower-case hex. Amounts are base units as decimal **strings** (JavaScript numbers end at 2⁵³). Times are Unix
//! milliseconds unless a field says seconds.

pub mod auth;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod lease;
pub mod text;
pub mod types;
