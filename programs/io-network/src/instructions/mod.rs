//! One instruction a file: arguments, accounts, `validate()` and handler.

mod device;
mod job;
mod network;
mod provider;

pub use {device::*, job::*, network::*, provider::*};
