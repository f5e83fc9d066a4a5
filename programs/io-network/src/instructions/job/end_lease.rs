use crate::prelude::*;
use io_protocol::lease::EndedBy;

use crate::{
    errors::IoError,
    events::job_changed,
    state::{Device, Job, JobState, Provider},
};

#[derive(Accounts)]
pub struct EndLease<'info> {
    /// The renter or the payer, who end it now; or the provider's authority or the device's operator, with notice.
    pub signer: Signer<'info>,
    pub provider: AccountLoader<'info, Provider>,
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
}

impl EndLease<'_> {
    /// signer: a party of the lease · provider, device: the job's own · job: a running lease. Returns who ends it.
    fn validate(&self) -> Result<EndedBy> {
        let job = self.job.load()?;
        job.require_running_lease()?;
        require_keys_eq!(job.provider, self.provider.key(), IoError::WrongAccount);
        require_keys_eq!(job.device, self.device.key(), IoError::WrongAccount);
        let signer = self.signer.key();
        if job.is_customer(&signer) {
            return Ok(EndedBy::Renter);
        }
        let serves =
            signer == self.provider.load()?.authority || signer == self.device.load()?.operator;
        require!(serves, IoError::NotRenter);
        Ok(EndedBy::Provider)
    }
}

pub fn end_lease(ctx: Context<EndLease>) -> Result<()> {
    let a = ctx.accounts;
    let by = a.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let mut job = a.job.load_mut()?;
    let until = match by {
        EndedBy::Provider => now.saturating_add(i64::from(job.notice_seconds)),
        _ => now,
    };
    require!(until < job.run_until, IoError::LeaseEnded);
    job.run_until = until;
    // The first to speak ended it.
    if job.ended_by == EndedBy::Nobody as u8 {
        job.ended_by = by as u8;
    }
    job.invariant()?;
    job_changed(&a.job.key(), JobState::Running, &job);
    Ok(())
}
