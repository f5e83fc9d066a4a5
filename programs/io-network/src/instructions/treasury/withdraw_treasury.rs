use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, PaymentMintChanged},
    guard, instruction, seeds,
    state::{Network, PaymentMint, Proposal},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct WithdrawTreasury<'info> {
    /// Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the treasury's main account of the mint, checked in `validate`.
    #[account(mut)]
    pub main: UncheckedAccount<'info>,
    /// CHECK: a usable account of the mint that the treasury's owner owns, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

impl WithdrawTreasury<'_> {
    /// admin, proposal: by `guard`; a proposal names the destination · network: the only account of its type · payment: any of
    /// its type · main: recorded in payment · destination: usable, of the mint, owned by the recorded treasury owner ·
    /// token_program: by address.
    fn validate(&self) -> Result<()> {
        let payment = self.payment.load()?;
        require_keys_eq!(payment.main, self.main.key(), IoError::WrongAccount);
        let to = token::require_usable(&self.destination, &payment.mint)?;
        let owner = self.network.load()?.treasury_owner;
        require_keys_eq!(to.owner, owner, IoError::WrongOwner);
        require_keys_neq!(
            self.main.key(),
            self.destination.key(),
            IoError::SameAccount
        );
        Ok(())
    }
}

pub fn withdraw_treasury(ctx: Context<WithdrawTreasury>, amount: u64) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::WithdrawTreasury { amount };
    let target = a.destination.key();
    guard::authorise(&a.network, &a.admin, &a.proposal, &target, &call)?;
    a.validate()?;
    require!(amount > 0, IoError::ZeroAmount);
    {
        let mut payment = a.payment.load_mut()?;
        payment.withdrawn = payment.withdrawn.checked_add(amount).or_overflow()?;
        payment.invariant()?;
        log_snapshot::<PaymentMintChanged, _>(Some(&a.payment.key()), None, &*payment);
    }
    let bump = a.network.load()?.bump;
    let mut batch = Batch::new();
    batch.transfer(&a.main, &a.destination, a.network.as_ref(), amount);
    batch.invoke(&a.token_program, &[&[seeds::NETWORK, &[bump]]])
}
