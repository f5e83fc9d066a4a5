use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::TREASURY_SHARDS,
    errors::IoError,
    events::{log_snapshot, PaymentMintChanged},
    seeds,
    state::{Network, PaymentMint},
    token::{Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
#[instruction(shard: u8)]
pub struct InitTreasuryShard<'info> {
    /// Pays the rent.
    #[account(mut)]
    pub payer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the payment mint, checked in `validate`.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::TREASURY, mint.key().as_ref(), &[shard]], bump)]
    pub treasury: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl InitTreasuryShard<'_> {
    /// payer: pays, nothing else · network: the only account of its type, becomes the shard's authority · payment: any of its
    /// type · mint: the one in payment · treasury: created here at its PDA · token_program, system_program: by address.
    fn validate(&self, shard: u8) -> Result<()> {
        require!(
            usize::from(shard) < TREASURY_SHARDS,
            IoError::ParameterOutOfBounds
        );
        let payment = self.payment.load()?;
        require_keys_eq!(payment.mint, self.mint.key(), IoError::WrongMint);
        require_keys_eq!(
            payment.shards[usize::from(shard)],
            Pubkey::default(),
            IoError::SameAccount
        );
        Ok(())
    }
}

pub fn init_treasury_shard(ctx: Context<InitTreasuryShard>, shard: u8) -> Result<()> {
    let a = ctx.accounts;
    a.validate(shard)?;
    let mint = a.mint.key();
    Creator::new(&a.payer, &a.system_program)?.create_for(
        a.mint.owner,
        &a.treasury,
        TOKEN_ACCOUNT_LEN,
        &[
            seeds::TREASURY,
            mint.as_ref(),
            &[shard],
            &[ctx.bumps.treasury],
        ],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.treasury, &a.mint, &a.network.key());
    batch.invoke(&a.token_program, &[])?;
    let mut payment = a.payment.load_mut()?;
    payment.shards[usize::from(shard)] = a.treasury.key();
    payment.invariant()?;
    log_snapshot::<PaymentMintChanged, _>(Some(&a.payment.key()), None, &*payment);
    Ok(())
}
