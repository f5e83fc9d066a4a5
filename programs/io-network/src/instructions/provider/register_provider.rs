use anchor_lang::prelude::*;

use crate::{
    accounts_util::create_pda,
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
    #[account(init, payer = authority, space = Provider::SPACE, seeds = [seeds::PROVIDER, authority.key().as_ref()], bump)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: created here at its PDA, checked in the handler.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl RegisterProvider<'_> {
    /// authority: signs for itself · network: the only account of its type · provider: created here at its PDA ·
    /// stake_vault: PDA, in the handler · io_mint: the network's · token_program, system_program: by address.
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
    let (vault, vault_bump) = Pubkey::find_program_address(&[seeds::STAKE, address.as_ref()], &crate::ID);
    require_keys_eq!(vault, a.stake_vault.key(), IoError::WrongAccount);
    create_pda(
        &a.authority,
        &a.stake_vault,
        &a.system_program,
        TOKEN_ACCOUNT_LEN,
        &token::TOKEN_PROGRAM,
        &[seeds::STAKE, address.as_ref(), &[vault_bump]],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.stake_vault, &a.io_mint, &address);
    batch.invoke(&a.token_program, &[])?;

    let mut provider = a.provider.load_init()?;
    provider.authority = a.authority.key();
    provider.payout_owner = payout_owner;
    provider.since = Clock::get()?.unix_timestamp;
    provider.bump = ctx.bumps.provider;
    provider.vault_bump = vault_bump;
    provider.version = VERSION;
    provider.invariant()?;
    provider_changed(&address, &provider);
    Ok(())
}
