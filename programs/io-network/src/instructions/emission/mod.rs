mod advance_epoch;
mod claim_rewards;
mod create_vesting;
mod initialize_emission;
mod manage_vesting;
mod publish_root;
mod set_enterprise_share;

pub use {
    advance_epoch::*, claim_rewards::*, create_vesting::*, initialize_emission::*,
    manage_vesting::*, publish_root::*, set_enterprise_share::*,
};
