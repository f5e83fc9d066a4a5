//! What the tests of the whole system share. The on-chain tests run the program's real bytecode and the real token
//! program in a virtual machine: `World` is a network on it, `Call` one instruction as it should be.

pub mod artifacts;
pub mod books;
pub mod calls;
pub mod ed25519;
pub mod events;
pub mod fuzz;
pub mod hardware;
pub mod keys;
pub mod leases;
pub mod outcome;
pub mod parties;
pub mod reckon;
pub mod spl;
pub mod stage;
pub mod stakes;
pub mod treasury;
pub mod world;

pub use calls::{MEASURED, OUTPUT, TRACE, terms};
pub use leases::{LEASED, LONGEST, lease_terms};
pub use outcome::{
    Done, ESCALATION, FROZEN, Failed, IN_USE, INSUFFICIENT, MISSING_SIGNATURE, NOT_TOKEN_OWNER,
    Outcome, Refusal,
};
pub use parties::{Party, Rig, START_IO, START_USD};
pub use stage::{ASK, At, Stage, UNITS};
pub use stakes::STAKE;
pub use world::{CLASS_BIG, CLASS_SMALL, Call, Mint, PARAMS, USD, World};
