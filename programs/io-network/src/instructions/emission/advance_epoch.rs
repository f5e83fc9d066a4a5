use crate::prelude::*;
use io_protocol::emission;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, EmissionChanged},
    seeds,
    state::Emission,
    token::Batch,
};

#[derive(Accounts)]
pub struct AdvanceEpoch<'info> {
    #[account(mut)]
    pub emission: AccountLoader<'info, Emission>,
    /// CHECK: the mint recorded in the emission, checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: the reward vault recorded in the emission, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl AdvanceEpoch<'_> {
    /// emission: the only account of its type · io_mint, vault: recorded in the emission · token_program: by address.
    /// Anybody may send it: the clock decides.
    fn validate(&self) -> Result<()> {
        let emission = self.emission.load()?;
        require_keys_eq!(emission.mint, self.io_mint.key(), IoError::WrongMint);
        require_keys_eq!(emission.vault, self.vault.key(), IoError::WrongAccount);
        require!(emission.genesis_complete(), IoError::GenesisIncomplete);
        Ok(())
    }
}

/// Mints what all epochs that are over emit, less what was minted: any number of them at once.
pub fn advance_epoch(ctx: Context<AdvanceEpoch>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let (due, bump) = {
        let mut emission = a.emission.load_mut()?;
        let ended = emission.calendar().ended(now);
        require!(ended > emission.epochs_done, IoError::EpochNotOver);
        let total = emission::emitted(ended);
        let due = total.checked_sub(emission.minted).or_overflow()?;
        emission.epochs_done = ended;
        emission.minted = total;
        emission.invariant()?;
        log_snapshot::<EmissionChanged, _>(None, None, &*emission);
        (due, emission.bump)
    };
    let mut batch = Batch::new();
    batch.mint_to(&a.io_mint, &a.vault, a.emission.as_ref(), due);
    batch.invoke(&a.token_program, &[&[seeds::EMISSION, &[bump]]])
}
