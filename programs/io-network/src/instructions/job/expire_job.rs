use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{device_changed, job_changed},
    instructions::job::refund_rest,
    state::{Device, Job, JobState},
};

#[derive(Accounts)]
pub struct ExpireJob<'info> {
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// The job's device, if one accepted it.
    #[account(mut)]
    pub device: Option<AccountLoader<'info, Device>>,
    /// CHECK: the job's vault, checked before it is read.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: where the refund goes, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ExpireJob<'_> {
    /// job: past the deadline of its state · device: the job's own, there exactly if one accepted · vault: the job's own, in
    /// `refund_rest` · payer_token: the job's own · token_program: by address. Anybody may send it: time decides.
    fn validate(&self, now: i64) -> Result<()> {
        let job = self.job.load()?;
        let until = match job.state()? {
            JobState::Open => job.deadline,
            // A lease is finished: its attested time was paid.
            JobState::Running if !job.is_lease() => job.run_until,
            JobState::Disputed => job.dispute_until,
            _ => return err!(IoError::WrongState),
        };
        require!(now > until, IoError::DeadlineNotPassed);
        let device = self.device.as_ref().map(|d| d.key()).unwrap_or_default();
        require_keys_eq!(job.device, device, IoError::WrongAccount);
        require_keys_eq!(
            job.payer_token,
            self.payer_token.key(),
            IoError::WrongAccount
        );
        Ok(())
    }
}

pub fn expire_job(ctx: Context<ExpireJob>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let key = a.job.key();
    let before = {
        let mut job = a.job.load_mut()?;
        let before = job.state()?;
        if let Some(loader) = &a.device {
            let mut device = loader.load_mut()?;
            device.end_job(&key, job.exposure)?;
            // A dispute that nobody decided is nobody's proven fault.
            if before == JobState::Running {
                job.penalty_due = device.penalise(job.exposure, job.expire_penalty_bps, now)?;
            }
            device.invariant()?;
            device_changed(&loader.key(), &device);
        }
        job.finished_at = now;
        job.state = JobState::Expired as u8;
        before
    };
    refund_rest(&a.job, &a.vault, &a.payer_token, &a.token_program)?;
    job_changed(&key, before, &*a.job.load()?);
    Ok(())
}
