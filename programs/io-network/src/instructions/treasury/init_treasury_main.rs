use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    errors::IoError,
    events::{log_snapshot, PaymentMintChanged},
    seeds,
    state::{Network, PaymentMint},
    token::{Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
pub struct InitTreasuryMain<'info> {
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the payment mint, checked in `validate`.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::TREASURY_MAIN, mint.key().as_ref()], bump)]
    pub main: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl InitTreasuryMain<'_> {
    /// payer: pays, nothing else · network: the only account of its type, becomes the account's authority · payment: any of its
    /// type · mint: the one in payment · main: created here at its PDA · token_program, system_program: by address.
    fn validate(&self) -> Result<()> {
        let payment = self.payment.load()?;
        require_keys_eq!(payment.mint, self.mint.key(), IoError::WrongMint);
        require_keys_eq!(payment.main, Pubkey::default(), IoError::SameAccount);
        Ok(())
    }
}

pub fn init_treasury_main(ctx: Context<InitTreasuryMain>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let mint = a.mint.key();
    Creator::new(&a.payer, &a.system_program)?.create_for(
        a.mint.owner,
        &a.main,
        TOKEN_ACCOUNT_LEN,
        &[seeds::TREASURY_MAIN, mint.as_ref(), &[ctx.bumps.main]],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.main, &a.mint, &a.network.key());
    batch.invoke(&a.token_program, &[])?;
    let mut payment = a.payment.load_mut()?;
    payment.main = a.main.key();
    payment.invariant()?;
    log_snapshot::<PaymentMintChanged, _>(Some(&a.payment.key()), None, &*payment);
    Ok(())
}
