use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, BuyBackChanged, PaymentMintChanged},
    guard, instruction, seeds,
    state::{BuyBack, Network, PaymentMint, Proposal},
    token::{self, Batch},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct BuyBackArgs {
    /// Base units of the mint for 10⁹ base units of IO at the beginning of an hour, more than 0.
    pub floor_price: u64,
    /// And at its end.
    pub ceiling_price: u64,
    /// The most that is paid in an hour, base units of the mint.
    pub budget: u64,
    pub enabled: bool,
}

#[derive(Accounts)]
pub struct SetBuyBack<'info> {
    /// Pays the rent. Receives a used proposal's.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the rule of the payment's mint, at its PDA; created here when it is not there yet.
    #[account(mut, seeds = [seeds::BUY_BACK, payment.load()?.mint.as_ref()], bump)]
    pub buy_back: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network: the only account of its type · payment: of any mint but IO · buy_back: at the mint's
/// PDA · system_program: by type. What was spent this hour stays spent.
pub fn set_buy_back<'info>(
    ctx: Context<'info, SetBuyBack<'info>>,
    args: BuyBackArgs,
) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::SetBuyBack { args };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.buy_back.key(), &call)?;
    let mint = a.payment.load()?.mint;
    require_keys_neq!(mint, a.network.load()?.io_mint, IoError::WrongMint);
    if a.buy_back.owner != &crate::ID {
        let seeds: &[&[u8]] = &[seeds::BUY_BACK, mint.as_ref(), &[ctx.bumps.buy_back]];
        let mut rule =
            Creator::new(&a.admin, &a.system_program)?.create::<BuyBack>(&a.buy_back, seeds)?;
        rule.mint = mint;
        rule.bump = ctx.bumps.buy_back;
        rule.version = VERSION;
    }
    let loader = AccountLoader::<BuyBack>::try_from(&a.buy_back)?;
    let mut rule = loader.load_mut()?;
    rule.floor_price = args.floor_price;
    rule.ceiling_price = args.ceiling_price;
    rule.budget = args.budget;
    rule.enabled = u8::from(args.enabled);
    rule.invariant()?;
    log_snapshot::<BuyBackChanged, _>(Some(a.buy_back.key), None, &*rule);
    Ok(())
}

#[derive(Accounts)]
pub struct SellToTreasury<'info> {
    /// Anybody.
    pub seller: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    #[account(mut)]
    pub buy_back: AccountLoader<'info, BuyBack>,
    /// CHECK: the IO mint, checked in `validate`. What is sold is burned.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: the seller's IO; the token program checks whose it is.
    #[account(mut)]
    pub seller_io: UncheckedAccount<'info>,
    /// CHECK: the treasury's main account of the mint, checked in `validate`.
    #[account(mut)]
    pub main: UncheckedAccount<'info>,
    /// CHECK: where the seller is paid, checked in `validate`.
    #[account(mut)]
    pub seller_token: UncheckedAccount<'info>,
    /// CHECK: IO's token program, checked by the batched call.
    pub io_token_program: UncheckedAccount<'info>,
    /// CHECK: the mint's token program, checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl SellToTreasury<'_> {
    /// seller: signs for its IO · network: the only account of its type · payment, buy_back: of one mint · io_mint: the
    /// network's · seller_io: of IO; its owner has to be the seller · main: recorded in payment · seller_token: usable, of the
    /// mint, not the treasury's · io_token_program, token_program: by address.
    fn validate(&self) -> Result<()> {
        let network = self.network.load()?;
        network.require_running()?;
        let payment = self.payment.load()?;
        require_keys_eq!(payment.mint, self.buy_back.load()?.mint, IoError::WrongMint);
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        require_keys_eq!(payment.main, self.main.key(), IoError::WrongAccount);
        token::require_usable(&self.seller_io, &network.io_mint)?;
        token::require_usable(&self.seller_token, &payment.mint)?;
        require_keys_neq!(
            self.main.key(),
            self.seller_token.key(),
            IoError::SameAccount
        );
        Ok(())
    }
}

pub fn sell_to_treasury(ctx: Context<SellToTreasury>, io: u64, min_out: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    require!(io > 0, IoError::ZeroAmount);
    let out = {
        let mut rule = a.buy_back.load_mut()?;
        let out = rule.sell(io, Clock::get()?.unix_timestamp)?;
        require!(out >= min_out, IoError::PriceTooLow);
        rule.invariant()?;
        log_snapshot::<BuyBackChanged, _>(Some(&a.buy_back.key()), None, &*rule);
        let mut payment = a.payment.load_mut()?;
        payment.bought = payment.bought.checked_add(out).or_overflow()?;
        payment.invariant()?;
        log_snapshot::<PaymentMintChanged, _>(Some(&a.payment.key()), None, &*payment);
        out
    };
    let mut burn = Batch::new();
    burn.burn(&a.seller_io, &a.io_mint, &a.seller, io);
    burn.invoke(&a.io_token_program, &[])?;
    let bump = a.network.load()?.bump;
    let mut pay = Batch::new();
    pay.transfer(&a.main, &a.seller_token, a.network.as_ref(), out);
    pay.invoke(&a.token_program, &[&[seeds::NETWORK, &[bump]]])
}
