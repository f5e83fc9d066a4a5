//! One file for each command.

pub mod audit;
pub mod co_stake;
pub mod completions;
pub mod config;
pub mod demo;
pub mod device;
pub mod doctor;
pub mod job;
pub mod lease;
pub mod net;
pub mod network;
pub mod offers;
pub mod oracle;
pub mod oracle_bond;
pub mod oracle_conduct;
pub mod provider;
pub mod quote;
pub mod requirement;
pub mod rewards;
pub mod slash;
pub mod stake;
pub mod token;
pub mod treasury;
pub mod up;
pub mod wallet;
pub mod worker;
