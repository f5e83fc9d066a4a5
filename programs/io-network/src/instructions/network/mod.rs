mod add_class;
mod add_payment_mint;
mod administer;
mod init_treasury_shard;
mod initialize_network;
mod migrate_account;
mod propose_change;
mod set_oracles;
mod update_guidance;

pub use {
    add_class::*, add_payment_mint::*, administer::*, init_treasury_shard::*,
    initialize_network::*, migrate_account::*, propose_change::*, set_oracles::*,
    update_guidance::*,
};
