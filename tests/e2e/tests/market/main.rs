//! The whole system on a local chain: `io up` with three oracles (two decide) and workers, used by the `io` command. Each
//! test has a market of its own and asserts every base unit that moved.

mod appeals;
mod audits;
mod bad_input;
mod commands;
mod crashes;
mod disagreement;
mod disputes;
mod guidance;
mod happy;
mod hardware;
mod leases;
mod outages;
mod provider;
mod rewards;
mod timelock;
mod unreliable_rpc;
mod vanished;
