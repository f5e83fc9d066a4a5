//! Others' stake beside a provider's own.

mod activate_co_stake;
mod claim_co_rewards;
mod join_co_stake;
mod leave_co_stake;
mod release_bond_for_leaver;
mod set_co_stake_terms;
mod start_co_unbond;
mod withdraw_co_stake;

pub use {
    activate_co_stake::*, claim_co_rewards::*, join_co_stake::*, leave_co_stake::*,
    release_bond_for_leaver::*, set_co_stake_terms::*, start_co_unbond::*, withdraw_co_stake::*,
};
