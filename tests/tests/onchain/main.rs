//! The on-chain program, as bytecode on a virtual machine. One binary: the machine takes long to link.

mod administration;
mod deadlines;
mod griefing;
mod money;
mod providers;
mod races;
mod transitions;
