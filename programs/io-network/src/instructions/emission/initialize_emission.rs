use crate::prelude::*;
use io_protocol::{emission::Calendar, money::IO_DECIMALS};

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::{log_snapshot, EmissionChanged},
    seeds,
    state::{Emission, Network},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct InitializeEmissionArgs {
    /// Length of an epoch, seconds; 3,600 on a real network. Fixed for good.
    pub epoch_seconds: u32,
    /// Share of an epoch's emission for enterprise classes, basis points.
    pub enterprise_bps: u16,
}

#[derive(Accounts)]
pub struct InitializeEmission<'info> {
    /// The network's administrator, and mint authority of IO until now. Pays the rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::EMISSION], bump)]
    pub emission: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, emission.key().as_ref()], bump)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl InitializeEmission<'_> {
    /// admin: recorded in the network · network: the only account of its type · emission, vault: created here at their PDAs ·
    /// io_mint: the network's, nothing minted yet, no freeze authority, under the administrator's authority ·
    /// token_program, system_program: by address.
    fn validate(&self) -> Result<()> {
        let network = self.network.load()?;
        require_keys_eq!(network.admin, self.admin.key(), IoError::NotAdmin);
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        let mint = token::read_mint(&self.io_mint)?;
        let clean = mint.supply == 0
            && !mint.freezable
            && mint.decimals == IO_DECIMALS
            && mint.authority == Some(self.admin.key());
        require!(clean, IoError::MintNotClean);
        Ok(())
    }
}

pub fn initialize_emission(
    ctx: Context<InitializeEmission>,
    args: InitializeEmissionArgs,
) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let creator = Creator::new(&a.admin, &a.system_program)?;
    let address = a.emission.key();
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::VAULT, address.as_ref(), &[ctx.bumps.vault]],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.vault, &a.io_mint, &address);
    batch.set_mint_authority(&a.io_mint, &a.admin, &address);
    batch.invoke(&a.token_program, &[])?;

    let calendar = Calendar::starting(Clock::get()?.unix_timestamp, args.epoch_seconds);
    let seeds: &[&[u8]] = &[seeds::EMISSION, &[ctx.bumps.emission]];
    let mut emission = creator.create::<Emission>(&a.emission, seeds)?;
    emission.mint = a.io_mint.key();
    emission.vault = a.vault.key();
    emission.genesis_at = calendar.genesis_at;
    emission.epoch_seconds = args.epoch_seconds;
    emission.enterprise_bps = args.enterprise_bps;
    emission.bump = ctx.bumps.emission;
    emission.vault_bump = ctx.bumps.vault;
    emission.version = VERSION;
    emission.invariant()?;
    log_snapshot::<EmissionChanged, _>(None, None, &*emission);
    Ok(())
}
