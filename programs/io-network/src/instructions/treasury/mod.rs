mod buy_back;
mod init_treasury_main;
mod set_treasury_owner;
mod sweep_treasury;
mod withdraw_treasury;

pub use {
    buy_back::*, init_treasury_main::*, set_treasury_owner::*, sweep_treasury::*,
    withdraw_treasury::*,
};
