//! End-to-end tests: the real `io up` with its chain, oracles and workers as processes of their own, used through the `io`
//! command and looked at through the chain.
//!
//! Functions here panic instead of returning errors, with what to do: a test that cannot run has failed. Nothing here
//! sleeps to give something time: everything is asked for again until it is so, or until a deadline has passed.

pub mod books;
pub mod command;
pub mod inputs;
pub mod jobs;
pub mod market;
pub mod process;

pub use books::{Books, Moved, payment};
pub use command::Ran;
pub use market::{Market, Options};

/// Addresses, accounts and the state of jobs, as the tests use them all the time.
pub use io_client::{Pubkey, io_network::state::JobState};
