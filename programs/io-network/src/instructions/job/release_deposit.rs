use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{job_changed, log_snapshot, DepositClosed},
    instructions::job::invoke_as_job,
    state::{Deposit, Job},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct ReleaseDeposit<'info> {
    /// The sponsor, who may name any account; or anybody, who can only deliver to the sponsor.
    pub signer: Signer<'info>,
    /// CHECK: the deposit's sponsor, checked in `validate`. Receives the rent.
    #[account(mut)]
    pub sponsor: UncheckedAccount<'info>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    #[account(mut, close = sponsor)]
    pub deposit: AccountLoader<'info, Deposit>,
    /// CHECK: the job's vault, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the account that the deposit came from, another one of the sponsor's, or any that the sponsor names. Checked in
    /// `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ReleaseDeposit<'_> {
    /// signer: the sponsor, or anybody if the destination is the sponsor's · sponsor, job: the deposit's · job: final ·
    /// vault: the job's own · destination: usable, of the mint, not the vault, if anything is left · token_program: by
    /// address. Returns the deposit's share.
    fn validate(&self) -> Result<u64> {
        let (job, deposit) = (self.job.load()?, self.deposit.load()?);
        require_keys_eq!(deposit.job, self.job.key(), IoError::WrongAccount);
        require_keys_eq!(deposit.sponsor, self.sponsor.key(), IoError::WrongAccount);
        require!(job.state()?.is_final(), IoError::WrongState);
        require_keys_eq!(job.vault, self.vault.key(), IoError::WrongAccount);
        let destination = self.destination.key();
        require_keys_neq!(job.vault, destination, IoError::SameAccount);
        let to = token::read(&self.destination);
        let allowed = destination == deposit.token_account
            || self.signer.key() == deposit.sponsor
            || to.is_some_and(|to| to.owner == deposit.sponsor);
        require!(allowed, IoError::WrongAccount);
        let share = deposit.share(&job)?;
        if share > 0 {
            token::require_usable(&self.destination, &job.mint)?;
        }
        Ok(share)
    }
}

pub fn release_deposit(ctx: Context<ReleaseDeposit>) -> Result<()> {
    let a = ctx.accounts;
    let share = a.validate()?;
    {
        let mut job = a.job.load_mut()?;
        job.owed_sponsors = job.owed_sponsors.checked_sub(share).or_overflow()?;
        job.deposits = job.deposits.checked_sub(1).or_overflow()?;
        job.invariant()?;
    }
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.destination, a.job.as_ref(), share);
    invoke_as_job(&a.job, &a.token_program, batch)?;
    let job = a.job.load()?;
    job_changed(&a.job.key(), job.state()?, &job);
    log_snapshot::<DepositClosed, _>(Some(&a.deposit.key()), None, &*a.deposit.load()?);
    Ok(())
}
