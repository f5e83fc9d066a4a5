use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::{log_snapshot, NetworkChanged, OracleSetChanged},
    program::IoNetwork,
    seeds,
    state::{Network, NetworkParams, OracleSet},
    token,
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct InitializeNetworkArgs {
    /// Genesis hash of the cluster.
    pub cluster: [u8; 32],
    pub params: NetworkParams,
    pub quorum: u8,
    /// The first oracle set, at most 32.
    pub oracles: Vec<Pubkey>,
}

#[derive(Accounts)]
pub struct InitializeNetwork<'info> {
    /// Becomes the administrator. Must be the program's upgrade authority, so that nobody can be first.
    #[account(mut)]
    pub authority: Signer<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::NETWORK], bump)]
    pub network: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::ORACLES], bump)]
    pub oracle_set: UncheckedAccount<'info>,
    /// CHECK: a mint of the SPL Token program, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    #[account(constraint = program.programdata_address()? == Some(program_data.key()) @ IoError::WrongAccount)]
    pub program: Program<'info, IoNetwork>,
    pub program_data: Account<'info, ProgramData>,
    pub system_program: Program<'info, System>,
}

impl InitializeNetwork<'_> {
    /// authority: is the upgrade authority · network, oracle_set: created here at their PDAs · io_mint: an SPL mint with
    /// IO's decimals · program, program_data: this program and its data, by constraint · system_program: by type.
    fn validate(&self) -> Result<()> {
        let upgrade_authority = self.program_data.upgrade_authority_address;
        require!(
            upgrade_authority == Some(self.authority.key()),
            IoError::NotUpgradeAuthority
        );
        require!(
            token::mint_decimals(&self.io_mint)? == io_protocol::money::IO_DECIMALS,
            IoError::WrongMint
        );
        Ok(())
    }
}

pub fn initialize_network(
    ctx: Context<InitializeNetwork>,
    args: InitializeNetworkArgs,
) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let creator = Creator::new(&a.authority, &a.system_program)?;
    let mut network =
        creator.create::<Network>(&a.network, &[seeds::NETWORK, &[ctx.bumps.network]])?;
    network.admin = a.authority.key();
    network.io_mint = a.io_mint.key();
    network.cluster = args.cluster;
    network.set_params(&args.params);
    network.bump = ctx.bumps.network;
    network.version = VERSION;
    network.invariant()?;
    log_snapshot::<NetworkChanged, _>(None, None, &*network);
    drop(network);

    let mut set =
        creator.create::<OracleSet>(&a.oracle_set, &[seeds::ORACLES, &[ctx.bumps.oracle_set]])?;
    set.bump = ctx.bumps.oracle_set;
    set.layout = VERSION;
    set.replace(args.quorum, &args.oracles)?;
    log_snapshot::<OracleSetChanged, _>(None, None, &*set);
    Ok(())
}
