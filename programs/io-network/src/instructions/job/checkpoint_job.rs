use crate::prelude::*;
use io_protocol::{
    lease::{most_seconds, LeaseStatement},
    money::{self, Split},
};

use crate::{
    attest,
    errors::{IoError, MoneyResult},
    events::job_changed,
    instructions::job::{add, job_vault, pay_out, Share},
    state::{Job, JobState, Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct CheckpointArgs {
    /// Seconds since acceptance in which the device served, all together.
    pub seconds: u64,
    /// Unix time up to which they were counted.
    pub at: i64,
}

#[derive(Accounts)]
pub struct CheckpointJob<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: the job's vault, checked before it is read.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: where the provider is paid, fixed at acceptance, checked in `validate`.
    #[account(mut)]
    pub provider_token: UncheckedAccount<'info>,
    /// CHECK: where fees go, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub treasury: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl CheckpointJob<'_> {
    /// network, oracle_set: the only accounts of their types · job: a running lease · vault, provider_token, treasury: the
    /// job's own · instructions: by address, in `attest` · token_program: by address. Anybody may send it: a quorum's
    /// signatures decide.
    fn validate(&self, args: &CheckpointArgs, now: i64) -> Result<()> {
        let job = self.job.load()?;
        job.require_running_lease()?;
        require_keys_eq!(
            job.provider_token,
            self.provider_token.key(),
            IoError::WrongAccount
        );
        require_keys_eq!(job.treasury, self.treasury.key(), IoError::WrongAccount);
        // Time only goes on, and nothing is taken back.
        require!(
            args.at > job.submitted_at && args.at <= now && args.seconds >= job.units,
            IoError::BadCheckpoint
        );
        require!(
            args.seconds <= most_seconds(job.accepted_at, job.run_until, args.at),
            IoError::BadCheckpoint
        );
        let set = self.oracle_set.load()?;
        let statement = LeaseStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            job: self.job.key().to_bytes(),
            created_slot: job.created_slot,
            seconds: args.seconds,
            at: args.at,
        };
        let quorum = usize::from(set.quorum);
        attest::require_signatures(&self.instructions, &set, &statement.to_bytes(), quorum)?;
        Ok(())
    }
}

pub fn checkpoint_job(ctx: Context<CheckpointJob>, args: CheckpointArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&args, Clock::get()?.unix_timestamp)?;
    // All that is due for the time so far, less what was paid: however it is cut into checkpoints, it comes to the same.
    let (total, provider, treasury, held) = {
        let job = a.job.load()?;
        let held = job_vault(&job, &a.vault)?;
        let total: Split =
            money::split_settlement(job.funded, args.seconds, job.ask, job.fee_terms())
                .or_overflow()?;
        let provider = total.provider.checked_sub(job.paid).or_overflow()?;
        let treasury = total.treasury.checked_sub(job.fees).or_overflow()?;
        (total, provider, treasury, held)
    };
    let [owed_provider, owed_treasury] = pay_out(
        &a.job,
        &a.vault,
        &held,
        &a.token_program,
        [
            Share {
                to: &a.provider_token,
                amount: provider,
            },
            Share {
                to: &a.treasury,
                amount: treasury,
            },
        ],
    )?;
    let mut job = a.job.load_mut()?;
    job.paid = total.provider;
    job.fees = total.treasury;
    job.owed_provider = add(job.owed_provider, owed_provider)?;
    job.owed_treasury = add(job.owed_treasury, owed_treasury)?;
    job.units = args.seconds;
    job.submitted_at = args.at;
    job.invariant()?;
    job_changed(&a.job.key(), JobState::Running, &job);
    Ok(())
}
