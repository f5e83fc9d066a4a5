//! The whole system on a local chain: `io up` with three oracles (two decide) and workers, used by the `io` command. Each
//! test has a market of its own and asserts every base unit that moved.

mod appeals;
mod audits;
mod bad_input;
mod commands;
mod crashes;
mod disagreement;
mod happy;
mod leases;
mod outages;
mod provider;
mod rewards;
mod unreliable_rpc;
mod vanished;
