//! The on-chain programs, as bytecode on a virtual machine. One binary: the machine takes long to link.

mod administration;
mod attestations;
mod consumer;
mod cu;
mod deadlines;
mod emission;
mod events;
mod griefing;
mod layouts;
mod ledger;
mod model;
mod money;
mod providers;
mod races;
mod state_machine;
mod substitution;
mod timelock;
mod transitions;
