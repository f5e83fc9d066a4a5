use crate::prelude::*;
use anchor_lang::system_program;

use crate::{
    accounts_util::Creator,
    constants::MAX_BPS,
    errors::IoError,
    events::provider_changed,
    seeds,
    state::{Network, Provider},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
pub struct SetCoStakeTerms<'info> {
    /// Pays the rent of the pool's vault the first time.
    #[account(mut)]
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`; created here if it isn't there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl SetCoStakeTerms<'_> {
    /// authority: the provider's · network: the only account of its type · provider: bound by its authority · co_vault: the
    /// provider's PDA · io_mint: the network's · token_program, system_program: by address.
    fn validate(&self, commission_bps: u16) -> Result<()> {
        let provider = self.provider.load()?;
        require_keys_eq!(
            provider.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        provider.require_co_vault(&self.provider.key(), self.co_vault.key)?;
        require_keys_eq!(
            self.network.load()?.io_mint,
            self.io_mint.key(),
            IoError::WrongMint
        );
        require!(commission_bps <= MAX_BPS, IoError::ParameterOutOfBounds);
        Ok(())
    }
}

/// Co-stakers that joined before keep their terms.
pub fn set_co_stake_terms(
    ctx: Context<SetCoStakeTerms>,
    commission_bps: u16,
    open: bool,
) -> Result<()> {
    let a = ctx.accounts;
    a.validate(commission_bps)?;
    let address = a.provider.key();
    if *a.co_vault.owner == system_program::ID {
        let bump = a.provider.load()?.co_vault_bump;
        Creator::new(&a.authority, &a.system_program)?.create_for(
            &token::TOKEN_PROGRAM,
            &a.co_vault,
            TOKEN_ACCOUNT_LEN,
            &[seeds::CO_VAULT, address.as_ref(), &[bump]],
        )?;
        let mut batch = Batch::new();
        batch.initialize(&a.co_vault, &a.io_mint, &address);
        batch.invoke(&a.token_program, &[])?;
    } else {
        require_keys_eq!(
            a.token_program.key(),
            token::TOKEN_PROGRAM,
            IoError::WrongAccount
        );
    }
    let mut provider = a.provider.load_mut()?;
    provider.commission_bps = commission_bps;
    provider.co_open = u8::from(open);
    provider.invariant()?;
    provider_changed(&address, &provider);
    Ok(())
}
