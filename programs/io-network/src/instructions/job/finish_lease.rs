use crate::prelude::*;
use io_protocol::lease;

use crate::{
    errors::IoError,
    events::{device_changed, job_changed},
    instructions::job::refund_rest,
    state::{Device, Job, JobState},
};

#[derive(Accounts)]
pub struct FinishLease<'info> {
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    /// CHECK: the job's vault, checked before it is read.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: where the refund goes, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl FinishLease<'_> {
    /// job: a running lease that is over: its time was counted to the end, or nobody may count any more · device,
    /// payer_token: the job's own · vault: the job's own, in `refund_rest` · token_program: by address. Anybody may send it:
    /// time decides.
    fn validate(&self, now: i64) -> Result<()> {
        let job = self.job.load()?;
        job.require_running_lease()?;
        let counted = job.submitted_at >= job.run_until;
        let grace = i64::from(job.challenge_seconds);
        require!(
            counted || now > job.run_until.saturating_add(grace),
            IoError::LeaseNotOver
        );
        require_keys_eq!(job.device, self.device.key(), IoError::WrongAccount);
        require_keys_eq!(
            job.payer_token,
            self.payer_token.key(),
            IoError::WrongAccount
        );
        Ok(())
    }
}

pub fn finish_lease(ctx: Context<FinishLease>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let key = a.job.key();
    {
        let mut job = a.job.load_mut()?;
        let mut device = a.device.load_mut()?;
        device.end_job(&key, job.exposure)?;
        job.state = JobState::Settled as u8;
        if lease::is_fault(job.units, job.accepted_at, job.run_until, job.ended_by) {
            job.penalty_due = device.penalise(job.exposure, job.expire_penalty_bps, now)?;
            job.state = JobState::Expired as u8;
        } else {
            device.succeed(job.paid, job.io_per_unit_e9, now)?;
        }
        job.finished_at = now;
        device.invariant()?;
        device_changed(&a.device.key(), &device);
    }
    refund_rest(&a.job, &a.vault, &a.payer_token, &a.token_program)?;
    job_changed(&key, JobState::Running, &*a.job.load()?);
    Ok(())
}
