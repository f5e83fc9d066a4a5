mod manage_provider;
mod move_stake;
mod open_slash_case;
mod register_provider;

pub use {manage_provider::*, move_stake::*, open_slash_case::*, register_provider::*};
