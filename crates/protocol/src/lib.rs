//! Rules that the on-chain program, the services and the tests share.
//!
//! Everything here is pure: no clock, no I/O, no Anchor. The same function runs inside the program, in an
//! oracle and in a test, so that the three can never disagree about money or about what a signature means.

pub mod buyback;
pub mod change;
pub mod costake;
pub mod deposits;
pub mod emission;
pub mod evidence;
pub mod guidance;
pub mod hardware;
pub mod lease;
pub mod messages;
pub mod money;
pub mod reputation;
pub mod rewards;
pub mod scores;
pub mod slashing;
