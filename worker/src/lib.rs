//! The worker service: runs jobs on one device, proves the work and is paid for it.
//!
//! - [`run`] is the service; [`Config`] configures it;
//! - [`devices`]: which hardware is here (the command line registers it);
//! - [`link`]: one WebSocket to each oracle; `offers`: which jobs to take;
//! - [`journal`]: what survives a crash, and what to do next; `job`: doing it;
//! - [`prove`]: running the engines, proving the hardware, the self-test; [`settle`]: verdicts and the settlement;
//! - `attest`: keeping the device's figures attested; [`prices`]: what it asks.
//!
//! The chain is the truth about a job; the journal only adds what was intended and what lies on this disk. So a worker
//! may be killed at any moment: at the next start it reads both and goes on, or the job expires and the renter is refunded.

mod attest;
mod blobs;
pub mod canary;
pub mod chain;
pub mod config;
pub mod devices;
mod faults;
mod job;
pub mod journal;
mod leases;
pub mod limits;
pub mod link;
pub mod lock;
mod offers;
pub mod prices;
pub mod prove;
mod service;
pub mod settle;
mod worker;

pub use config::{Config, DeviceSelection, EngineConfig};
pub use prove::self_test::{SelfTest, self_test};
pub use service::run;
