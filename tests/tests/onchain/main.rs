//! The on-chain programs, as bytecode on a virtual machine. One binary: the machine takes long to link.

mod administration;
mod attestations;
mod co_stake;
mod consumer;
mod cu;
mod deadlines;
mod emission;
mod events;
mod griefing;
mod guidance;
mod layouts;
mod ledger;
mod migration;
mod model;
mod money;
mod oracle_bonds;
mod providers;
mod races;
mod slashing;
mod stake_machine;
mod state_machine;
mod substitution;
mod timelock;
mod token_2022;
mod transitions;
mod treasury;
