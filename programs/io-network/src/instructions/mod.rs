//! One instruction a file: arguments, accounts, `validate()` and handler.

mod device;
mod emission;
mod job;
mod network;
mod provider;

pub use {device::*, emission::*, job::*, network::*, provider::*};
