//! The on-chain program, as bytecode on a virtual machine. One binary: the machine takes long to link.

mod administration;
mod attestations;
mod cu;
mod deadlines;
mod griefing;
mod model;
mod money;
mod providers;
mod races;
mod state_machine;
mod substitution;
mod transitions;
