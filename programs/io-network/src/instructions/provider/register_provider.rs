use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::provider_changed,
    seeds,
    state::{Network, Provider},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
pub struct RegisterProvider<'info> {
    #[account(mut)]
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::PROVIDER, authority.key().as_ref()], bump)]
    pub provider: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::STAKE, provider.key().as_ref()], bump)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl RegisterProvider<'_> {
    /// authority: signs for itself · network: the only account of its type · provider: created here at its PDA ·
    /// stake_vault: created here at its PDA · io_mint: the network's · token_program, system_program: by address.
    fn validate(&self, payout_owner: &Pubkey) -> Result<()> {
        let network = self.network.load()?;
        network.require_running()?;
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        require_keys_neq!(*payout_owner, Pubkey::default(), IoError::WrongAccount);
        Ok(())
    }
}

pub fn register_provider(ctx: Context<RegisterProvider>, payout_owner: Pubkey) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&payout_owner)?;
    let address = a.provider.key();
    let creator = Creator::new(&a.authority, &a.system_program)?;
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.stake_vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::STAKE, address.as_ref(), &[ctx.bumps.stake_vault]],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.stake_vault, &a.io_mint, &address);
    batch.invoke(&a.token_program, &[])?;

    let authority = a.authority.key();
    let seeds: &[&[u8]] = &[seeds::PROVIDER, authority.as_ref(), &[ctx.bumps.provider]];
    let mut provider = creator.create::<Provider>(&a.provider, seeds)?;
    provider.authority = authority;
    provider.payout_owner = payout_owner;
    provider.since = Clock::get()?.unix_timestamp;
    provider.bump = ctx.bumps.provider;
    provider.vault_bump = ctx.bumps.stake_vault;
    // The pool's vault is made when there are terms; its address is known from now on.
    provider.co_vault_bump =
        Pubkey::find_program_address(&[seeds::CO_VAULT, address.as_ref()], &crate::ID).1;
    provider.version = VERSION;
    provider.invariant()?;
    provider_changed(&address, &provider);
    Ok(())
}
