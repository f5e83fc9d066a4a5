use crate::prelude::*;

use crate::{
    errors::IoError,
    events::slash_case_changed,
    instructions::slash::invoke_as_case,
    state::{Network, SlashCase, SlashParty},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct PaySlashShare<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub slash_case: AccountLoader<'info, SlashCase>,
    /// CHECK: the case's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: a usable IO token account that the party owns, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl PaySlashShare<'_> {
    /// network: the only account of its type · slash_case: decided · slash_vault: the case's PDA · destination: usable, of IO,
    /// owned by the party · token_program: by address. Anybody may send it: it can only go to its owner.
    fn validate(&self, party: SlashParty) -> Result<()> {
        let case = self.slash_case.load()?;
        require!(case.state()?.is_final(), IoError::WrongState);
        case.require_vault(&self.slash_case.key(), self.slash_vault.key)?;
        let owner = match party {
            SlashParty::Renter => case.renter,
            SlashParty::Challenger => case.challenger,
            SlashParty::Appellant => case.appellant,
        };
        let paid_to = token::require_usable(&self.destination, &self.network.load()?.io_mint)?;
        require_keys_eq!(paid_to.owner, owner, IoError::WrongOwner);
        Ok(())
    }
}

pub fn pay_slash_share(ctx: Context<PaySlashShare>, party: SlashParty) -> Result<()> {
    let a = ctx.accounts;
    a.validate(party)?;
    let amount = {
        let mut case = a.slash_case.load_mut()?;
        let owed = match party {
            SlashParty::Renter => &mut case.owed_renter,
            SlashParty::Challenger => &mut case.owed_challenger,
            SlashParty::Appellant => &mut case.owed_appellant,
        };
        let amount = core::mem::take(owed);
        require!(amount > 0, IoError::NothingOwed);
        case.invariant()?;
        slash_case_changed(&a.slash_case.key(), &case);
        amount
    };
    let mut batch = Batch::new();
    batch.transfer(
        &a.slash_vault,
        &a.destination,
        a.slash_case.as_ref(),
        amount,
    );
    let case = *a.slash_case.load()?;
    invoke_as_case(&case, &a.token_program, batch)
}
