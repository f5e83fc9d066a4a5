use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    events::{log_snapshot, PaymentMintChanged},
    guard, instruction, seeds,
    state::{Network, PaymentMint, Proposal},
    token,
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct PaymentMintArgs {
    /// IO base units per 10⁹ base units of the mint, for exposure.
    pub io_per_unit_e9: u64,
    /// Extra fee of the renter, basis points.
    pub fee_bps: u16,
    pub enabled: bool,
}

#[derive(Accounts)]
pub struct AddPaymentMint<'info> {
    /// Administrator or parameters role. Pays the rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: a mint of the SPL Token program, checked in `validate`.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::PAYMENT, mint.key().as_ref()], bump)]
    pub payment: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

fn write(payment: &mut PaymentMint, address: &Pubkey, args: &PaymentMintArgs) -> Result<()> {
    payment.io_per_unit_e9 = args.io_per_unit_e9;
    payment.fee_bps = args.fee_bps;
    payment.enabled = u8::from(args.enabled);
    payment.invariant()?;
    log_snapshot::<PaymentMintChanged, _>(Some(address), None, payment);
    Ok(())
}

/// admin, proposal: by `guard` · network: the only account of its type · mint: of the SPL Token program, or of Token-2022 with
/// harmless extensions · payment: created here at its PDA ·
/// system_program: by type.
pub fn add_payment_mint(ctx: Context<AddPaymentMint>, args: PaymentMintArgs) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::AddPaymentMint { args };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.payment.key(), &call)?;
    let (decimals, token_2022) = token::payment_mint(&a.mint)?;
    let mint = a.mint.key();
    let seeds: &[&[u8]] = &[seeds::PAYMENT, mint.as_ref(), &[ctx.bumps.payment]];
    let mut payment =
        Creator::new(&a.admin, &a.system_program)?.create::<PaymentMint>(&a.payment, seeds)?;
    payment.mint = mint;
    payment.decimals = decimals;
    payment.token_2022 = u8::from(token_2022);
    payment.bump = ctx.bumps.payment;
    payment.version = VERSION;
    write(&mut payment, &a.payment.key(), &args)
}

#[derive(Accounts)]
pub struct UpdatePaymentMint<'info> {
    /// Administrator or parameters role. Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network: the only account of its type · payment: any account of its type, the administrator
/// chooses which.
pub fn update_payment_mint(ctx: Context<UpdatePaymentMint>, args: PaymentMintArgs) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::UpdatePaymentMint { args };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.payment.key(), &call)?;
    let mut payment = a.payment.load_mut()?;
    write(&mut payment, &a.payment.key(), &args)
}
