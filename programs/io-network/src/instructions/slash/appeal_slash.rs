use crate::prelude::*;

use crate::{
    errors::IoError,
    events::slash_case_changed,
    state::{Network, Provider, SlashCase, SlashState},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct AppealSlash<'info> {
    pub authority: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub slash_case: AccountLoader<'info, SlashCase>,
    /// CHECK: the case's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: pays the appeal's bond: a usable IO token account, checked in `validate`.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl AppealSlash<'_> {
    /// authority: the provider's · network: the only account of its type · provider: bound by its authority · slash_case: the
    /// provider's, open, in time · slash_vault: the case's PDA · token_account: usable, of IO, not the vault (the token
    /// program checks who may pay from it) · token_program: by address.
    fn validate(&self, now: i64) -> Result<()> {
        let case = self.slash_case.load()?;
        require_keys_eq!(
            self.provider.load()?.authority,
            self.authority.key(),
            IoError::NotProviderAuthority
        );
        require_keys_eq!(case.provider, self.provider.key(), IoError::WrongAccount);
        require!(case.state()? == SlashState::Open, IoError::WrongState);
        require!(now <= case.appeal_until, IoError::DeadlinePassed);
        case.require_vault(&self.slash_case.key(), self.slash_vault.key)?;
        require_keys_neq!(
            self.slash_vault.key(),
            self.token_account.key(),
            IoError::SameAccount
        );
        token::require_usable(&self.token_account, &self.network.load()?.io_mint)?;
        Ok(())
    }
}

pub fn appeal_slash(ctx: Context<AppealSlash>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let bond = {
        let mut case = a.slash_case.load_mut()?;
        case.appellant = a.authority.key();
        case.decide_until = now.saturating_add(i64::from(case.decision_seconds));
        case.state = SlashState::Appealed as u8;
        case.invariant()?;
        slash_case_changed(&a.slash_case.key(), &case);
        case.appeal_bond
    };
    let mut batch = Batch::new();
    batch.transfer(&a.token_account, &a.slash_vault, &a.authority, bond);
    batch.invoke(&a.token_program, &[])
}
