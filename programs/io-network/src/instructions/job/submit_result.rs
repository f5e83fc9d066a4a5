use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{device_changed, job_changed},
    state::{Device, Job, JobState},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct SubmitResultArgs {
    /// BLAKE3 of the output manifest.
    pub output_hash: [u8; 32],
    /// Root of the trace over the job's steps.
    pub trace_root: [u8; 32],
    /// Units of work done, in the engine's unit.
    pub units: u64,
}

#[derive(Accounts)]
pub struct SubmitResult<'info> {
    pub operator: Signer<'info>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
}

impl SubmitResult<'_> {
    /// operator: the device's · device: the job's · job: running, in time.
    fn validate(&self, args: &SubmitResultArgs, now: i64) -> Result<()> {
        let (job, device) = (self.job.load()?, self.device.load()?);
        // A lease has no result: its time is attested.
        require!(!job.is_lease(), IoError::WrongState);
        job.require_state(JobState::Running)?;
        require_keys_eq!(job.device, self.device.key(), IoError::WrongAccount);
        require_keys_eq!(device.operator, self.operator.key(), IoError::NotOperator);
        require!(now <= job.run_until, IoError::DeadlinePassed);
        require!(
            args.units > 0 && args.units <= job.max_units,
            IoError::BadUnits
        );
        require!(args.output_hash != [0; 32], IoError::BadTerms);
        Ok(())
    }
}

pub fn submit_result(ctx: Context<SubmitResult>, args: SubmitResultArgs) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(&args, now)?;
    let mut job = a.job.load_mut()?;
    job.output_hash = args.output_hash;
    job.trace_root = args.trace_root;
    job.units = args.units;
    job.submitted_at = now;
    job.challenge_until = now.saturating_add(i64::from(job.challenge_seconds));
    job.state = JobState::Submitted as u8;
    // The device is free for its next job; the exposure of this one binds until it is settled.
    let mut device = a.device.load_mut()?;
    device.current_job = Pubkey::default();
    job.invariant()?;
    device.invariant()?;
    job_changed(&a.job.key(), JobState::Running, &job);
    device_changed(&a.device.key(), &device);
    Ok(())
}
