use crate::prelude::*;

use crate::{
    errors::IoError,
    events::job_changed,
    state::{Job, JobState, OracleSet},
};

#[derive(Accounts)]
pub struct DisputeJob<'info> {
    /// The renter, or an active oracle: one honest oracle is enough to keep a wrong result from settling by silence.
    pub disputer: Signer<'info>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
}

impl DisputeJob<'_> {
    /// disputer: the job's renter or an active oracle · oracle_set: the only account of its type · job: submitted, inside its
    /// challenge window.
    fn validate(&self, now: i64) -> Result<()> {
        let job = self.job.load()?;
        job.require_state(JobState::Submitted)?;
        require!(now <= job.challenge_until, IoError::ChallengeWindowOver);
        let disputer = self.disputer.key();
        let is_oracle = || -> Result<bool> {
            Ok(self
                .oracle_set
                .load()?
                .position(disputer.as_ref())
                .is_some())
        };
        require!(disputer == job.renter || is_oracle()?, IoError::NotRenter);
        Ok(())
    }
}

pub fn dispute_job(ctx: Context<DisputeJob>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let mut job = a.job.load_mut()?;
    job.dispute_until = now.saturating_add(job.dispute_window());
    job.challenger = a.disputer.key();
    job.state = JobState::Disputed as u8;
    job.invariant()?;
    job_changed(&a.job.key(), JobState::Submitted, &job);
    Ok(())
}
