mod add_class;
mod add_payment_mint;
mod administer;
mod init_treasury_shard;
mod initialize_network;
mod propose_change;
mod set_oracles;

pub use {
    add_class::*, add_payment_mint::*, administer::*, init_treasury_shard::*,
    initialize_network::*, propose_change::*, set_oracles::*,
};
