use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{log_snapshot, SlashCaseClosed},
    instructions::slash::invoke_as_case,
    state::{Network, SlashCase},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct CloseSlashCase<'info> {
    pub network: AccountLoader<'info, Network>,
    /// CHECK: paid for the case's rent and gets it back, checked in `validate`.
    #[account(mut)]
    pub opener: UncheckedAccount<'info>,
    #[account(mut, close = opener)]
    pub slash_case: AccountLoader<'info, SlashCase>,
    /// CHECK: the case's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, which burns what somebody gave to the vault; checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl CloseSlashCase<'_> {
    /// network: the only account of its type · opener: the case's · slash_case: decided, nothing owed · slash_vault: the case's
    /// PDA · io_mint: the network's · token_program: by address. Anybody may send it. Returns what is left in the vault.
    fn validate(&self) -> Result<u64> {
        let case = self.slash_case.load()?;
        require!(case.state()?.is_final(), IoError::WrongState);
        require!(case.liabilities()? == 0, IoError::StillOwed);
        require_keys_eq!(case.opener, self.opener.key(), IoError::WrongAccount);
        case.require_vault(&self.slash_case.key(), self.slash_vault.key)?;
        require_keys_eq!(
            self.network.load()?.io_mint,
            self.io_mint.key(),
            IoError::WrongMint
        );
        let held =
            token::read(&self.slash_vault).ok_or_else(|| error!(IoError::BadTokenAccount))?;
        Ok(held.amount)
    }
}

pub fn close_slash_case(ctx: Context<CloseSlashCase>) -> Result<()> {
    let a = ctx.accounts;
    let left = a.validate()?;
    let case = *a.slash_case.load()?;
    let mut batch = Batch::new();
    // A token account closes only when it is empty: a gift may not keep it open.
    batch.burn(&a.slash_vault, &a.io_mint, a.slash_case.as_ref(), left);
    batch.close(&a.slash_vault, &a.opener, a.slash_case.as_ref());
    invoke_as_case(&case, &a.token_program, batch)?;
    log_snapshot::<SlashCaseClosed, _>(Some(&a.slash_case.key()), None, &case);
    Ok(())
}
