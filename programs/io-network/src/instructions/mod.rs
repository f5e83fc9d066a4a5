//! One instruction a file: arguments, accounts, `validate()` and handler.

mod co_stake;
mod device;
mod emission;
mod hardware;
mod job;
mod network;
mod oracle;
mod provider;
mod slash;
mod treasury;

pub use {
    co_stake::*, device::*, emission::*, hardware::*, job::*, network::*, oracle::*, provider::*,
    slash::*, treasury::*,
};
