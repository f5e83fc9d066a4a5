use crate::prelude::*;
use io_protocol::money;

use crate::{
    constants::TREASURY_SHARDS,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, PaymentMintChanged},
    seeds,
    state::{Network, PaymentMint},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct SweepTreasury<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the payment mint, checked in `validate`. Written when IO is burned.
    #[account(mut)]
    pub mint: UncheckedAccount<'info>,
    /// CHECK: the treasury's main account of the mint, checked in `validate`.
    #[account(mut)]
    pub main: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl SweepTreasury<'_> {
    /// network: the only account of its type · payment: any of its type · mint, main: recorded in payment · token_program: by
    /// address · remaining accounts: shards recorded in payment, each once. Anybody may send it: it moves the treasury's money
    /// inside the treasury, or burns the share that the parameters say.
    fn validate(&self, shards: &[AccountInfo]) -> Result<u64> {
        let payment = self.payment.load()?;
        require_keys_eq!(payment.mint, self.mint.key(), IoError::WrongMint);
        require_keys_eq!(payment.main, self.main.key(), IoError::WrongAccount);
        require!(
            (1..=TREASURY_SHARDS).contains(&shards.len()),
            IoError::WrongAccount
        );
        let (mut seen, mut total) = (0u16, 0u64);
        for shard in shards {
            let at = payment
                .shards
                .iter()
                .position(|known| known == shard.key && *known != Pubkey::default())
                .ok_or_else(|| error!(IoError::WrongAccount))?;
            require!(seen & (1 << at) == 0, IoError::SameAccount);
            seen |= 1 << at;
            let held = token::require_usable(shard, &payment.mint)?;
            total = total.checked_add(held.amount).or_overflow()?;
        }
        require!(total > 0, IoError::ZeroAmount);
        Ok(total)
    }
}

pub fn sweep_treasury<'info>(ctx: Context<'info, SweepTreasury<'info>>) -> Result<()> {
    let shards = ctx.remaining_accounts;
    let a = ctx.accounts;
    let total = a.validate(shards)?;
    let (bump, burned) = {
        let network = a.network.load()?;
        // Rounded down: the treasury keeps the rest.
        let burned = match network.io_mint == a.mint.key() {
            true => money::share_floor(total, network.burn_bps).or_overflow()?,
            false => 0,
        };
        (network.bump, burned)
    };
    let mut batch = Batch::new();
    for shard in shards {
        let mint = a.mint.key();
        let amount = token::require_usable(shard, &mint)?.amount;
        batch.transfer(shard, &a.main, a.network.as_ref(), amount);
    }
    batch.burn(&a.main, &a.mint, a.network.as_ref(), burned);
    batch.invoke(&a.token_program, &[&[seeds::NETWORK, &[bump]]])?;
    let mut payment = a.payment.load_mut()?;
    payment.swept = payment.swept.checked_add(total).or_overflow()?;
    payment.burned = payment.burned.checked_add(burned).or_overflow()?;
    payment.invariant()?;
    log_snapshot::<PaymentMintChanged, _>(Some(&a.payment.key()), None, &*payment);
    Ok(())
}
