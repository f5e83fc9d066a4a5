mod attest_device;
mod manage_device;
mod register_device;
mod retire_device;

pub use {attest_device::*, manage_device::*, register_device::*, retire_device::*};
