//! One instruction a file: arguments, accounts, `validate()` and handler.

mod co_stake;
mod device;
mod emission;
mod job;
mod network;
mod oracle;
mod provider;
mod slash;
mod treasury;

pub use {
    co_stake::*, device::*, emission::*, job::*, network::*, oracle::*, provider::*, slash::*,
    treasury::*,
};
