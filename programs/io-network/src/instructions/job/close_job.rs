use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{log_snapshot, JobClosed},
    instructions::job::{invoke_as_job, job_vault},
    state::Job,
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct CloseJob<'info> {
    /// The renter or the payer at any time; anybody once the retention is over.
    pub signer: Signer<'info>,
    /// CHECK: the job's payer, checked in `validate`. Receives the rent.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
    #[account(mut, close = payer)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: the job's vault, checked before it is read.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: receives what somebody added to the vault after the end: the job's own refund account, or any usable one that
    /// the payer names. Checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl CloseJob<'_> {
    /// signer: renter or payer, or anybody after the retention · payer: the job's · job: final, nothing owed, no penalty pending,
    /// not of this slot · vault: the job's own, when it is read · payer_token: the job's own unless the payer signs ·
    /// token_program: by address. Returns what is left in the vault.
    fn validate(&self, clock: &Clock) -> Result<u64> {
        let job = self.job.load()?;
        // Statements tell jobs at one address apart by their slot of creation: two must not share one.
        require!(job.created_slot < clock.slot, IoError::RetentionNotOver);
        require!(job.state()?.is_final(), IoError::WrongState);
        require!(
            job.liabilities()? == 0 && job.deposits == 0,
            IoError::StillOwed
        );
        require!(job.penalty_due == 0, IoError::PenaltyPending);
        require_keys_eq!(job.payer, self.payer.key(), IoError::WrongAccount);
        let signer = self.signer.key();
        let kept_until = job
            .finished_at
            .saturating_add(i64::from(job.retention_seconds));
        let allowed = job.is_customer(&signer) || clock.unix_timestamp > kept_until;
        require!(allowed, IoError::RetentionNotOver);
        let destination = self.payer_token.key();
        require!(
            destination == job.payer_token || signer == job.payer,
            IoError::WrongAccount
        );
        require_keys_neq!(destination, job.vault, IoError::SameAccount);
        let left = job_vault(&job, &self.vault)?.amount;
        if left > 0 {
            token::require_usable(&self.payer_token, &job.mint)?;
        }
        Ok(left)
    }
}

pub fn close_job(ctx: Context<CloseJob>) -> Result<()> {
    let a = ctx.accounts;
    let left = a.validate(&Clock::get()?)?;
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.payer_token, a.job.as_ref(), left);
    batch.close(&a.vault, &a.payer, a.job.as_ref());
    invoke_as_job(&a.job, &a.token_program, batch)?;
    log_snapshot::<JobClosed, _>(Some(&a.job.key()), None, &*a.job.load()?);
    Ok(())
}
