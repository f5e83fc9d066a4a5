use crate::prelude::*;

use crate::{
    errors::IoError,
    events::job_changed,
    instructions::job::refund_rest,
    state::{Job, JobState},
};

#[derive(Accounts)]
pub struct CancelJob<'info> {
    /// The renter or the payer.
    pub signer: Signer<'info>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: the job's vault, checked before it is read.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: where the refund goes, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl CancelJob<'_> {
    /// signer: the job's renter or payer · job: open · vault: the job's own, in `refund_rest` · payer_token: the job's own ·
    /// token_program: by address.
    fn validate(&self) -> Result<()> {
        let job = self.job.load()?;
        job.require_state(JobState::Open)?;
        require!(job.is_customer(self.signer.key), IoError::NotRenter);
        require_keys_eq!(
            job.payer_token,
            self.payer_token.key(),
            IoError::WrongAccount
        );
        Ok(())
    }
}

pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    {
        let mut job = a.job.load_mut()?;
        job.finished_at = Clock::get()?.unix_timestamp;
        job.state = JobState::Cancelled as u8;
    }
    refund_rest(&a.job, &a.vault, &a.payer_token, &a.token_program)?;
    job_changed(&a.job.key(), JobState::Open, &*a.job.load()?);
    Ok(())
}
