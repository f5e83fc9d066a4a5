use crate::prelude::*;
use io_protocol::messages::Verdict;

use crate::{
    attest,
    errors::IoError,
    events::{device_changed, job_changed},
    instructions::job::refund_rest,
    state::{Device, Job, JobState, Network, OracleSet},
};

#[derive(Accounts)]
pub struct RejectJob<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
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
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl RejectJob<'_> {
    /// network, oracle_set: the only accounts of their types · job: submitted or disputed · device, payer_token: the job's own ·
    /// vault: the job's own, in `refund_rest` · instructions: by address, in `attest` · token_program: by address. Anybody may send
    /// it: a quorum's signatures decide. Returns the slots of those that signed.
    fn validate(&self) -> Result<u32> {
        let job = self.job.load()?;
        require!(
            matches!(job.state()?, JobState::Submitted | JobState::Disputed),
            IoError::WrongState
        );
        require_keys_eq!(job.device, self.device.key(), IoError::WrongAccount);
        require_keys_eq!(
            job.payer_token,
            self.payer_token.key(),
            IoError::WrongAccount
        );
        let set = self.oracle_set.load()?;
        let deployment = self.network.load()?.deployment();
        let statement = job.statement(&self.job.key(), deployment, set.version, Verdict::Invalid);
        attest::require_signatures(
            &self.instructions,
            &set,
            &statement.to_bytes(),
            usize::from(set.quorum),
        )
    }
}

pub fn reject_job(ctx: Context<RejectJob>) -> Result<()> {
    let a = ctx.accounts;
    let accusers = a.validate()?;
    let key = a.job.key();
    let now = Clock::get()?.unix_timestamp;
    let before = {
        let mut job = a.job.load_mut()?;
        let before = job.state()?;
        let mut device = a.device.load_mut()?;
        device.end_job(&key, job.exposure)?;
        job.penalty_due = device.penalise(job.exposure, job.reject_penalty_bps, now)?;
        job.accusers = accusers;
        job.finished_at = now;
        job.state = JobState::Rejected as u8;
        device.invariant()?;
        device_changed(&a.device.key(), &device);
        before
    };
    refund_rest(&a.job, &a.vault, &a.payer_token, &a.token_program)?;
    job_changed(&key, before, &*a.job.load()?);
    Ok(())
}
