use crate::prelude::*;
use io_protocol::{messages::Verdict, money};

use crate::{
    attest,
    errors::{IoError, MoneyResult},
    events::{device_changed, job_changed},
    instructions::job::{job_vault, pay_out, Share},
    state::{Device, Job, JobState, Network, OracleSet},
};

#[derive(Accounts)]
pub struct SettleJob<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    /// CHECK: the job's vault, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: where the provider is paid, fixed at acceptance, checked in `validate`.
    #[account(mut)]
    pub provider_token: UncheckedAccount<'info>,
    /// CHECK: where the rest is returned, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: where fees go, fixed at creation, checked in `validate`.
    #[account(mut)]
    pub treasury: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest` unless the job was left unobjected.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl SettleJob<'_> {
    /// network, oracle_set: the only accounts of their types · job: submitted or disputed · device, vault, provider_token,
    /// payer_token, treasury: the job's own · instructions: by address, in `attest` · token_program: by address. Anybody may send it:
    /// signatures or time decide, and the job's own accounts say where money goes. Of a disputed job only what was signed about the dispute
    /// counts (`Job::statement`).
    fn validate(&self, now: i64) -> Result<()> {
        let job = self.job.load()?;
        let state = job.state()?;
        require!(
            matches!(state, JobState::Submitted | JobState::Disputed),
            IoError::WrongState
        );
        require_keys_eq!(job.device, self.device.key(), IoError::WrongAccount);
        require_keys_eq!(
            job.provider_token,
            self.provider_token.key(),
            IoError::WrongAccount
        );
        require_keys_eq!(
            job.payer_token,
            self.payer_token.key(),
            IoError::WrongAccount
        );
        require_keys_eq!(job.treasury, self.treasury.key(), IoError::WrongAccount);
        if state == JobState::Submitted && now > job.challenge_until {
            return Ok(());
        }
        let set = self.oracle_set.load()?;
        let deployment = self.network.load()?.deployment();
        let statement = job.statement(&self.job.key(), deployment, set.version, Verdict::Valid);
        let quorum = usize::from(set.quorum);
        match attest::require_signatures(&self.instructions, &set, &statement.to_bytes(), quorum) {
            Ok(_) => Ok(()),
            Err(e)
                if e == error!(IoError::NoSignatureInstruction) && state == JobState::Submitted =>
            {
                err!(IoError::ChallengeWindowOpen)
            }
            Err(e) => Err(e),
        }
    }
}

pub fn settle_job(ctx: Context<SettleJob>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
    let (split, payers, held) = {
        let job = a.job.load()?;
        let held = job_vault(&job, &a.vault)?;
        let split = money::split_settlement(held.amount, job.units, job.ask, job.fee_terms())
            .or_overflow()?;
        (split, job.payers_share(split.payer)?, held)
    };
    let [owed_provider, owed_treasury, owed_payer] = pay_out(
        &a.job,
        &a.vault,
        &held,
        &a.token_program,
        [
            Share {
                to: &a.provider_token,
                amount: split.provider,
            },
            Share {
                to: &a.treasury,
                amount: split.treasury,
            },
            Share {
                to: &a.payer_token,
                amount: payers,
            },
        ],
    )?;
    let key = a.job.key();
    let mut job = a.job.load_mut()?;
    let before = job.state()?;
    job.paid = split.provider;
    job.fees = split.treasury;
    job.refunded = split.payer;
    job.owed_provider = owed_provider;
    job.owed_treasury = owed_treasury;
    job.owed_payer = owed_payer;
    job.owed_sponsors = split.payer - payers;
    job.finished_at = now;
    job.state = JobState::Settled as u8;
    let mut device = a.device.load_mut()?;
    device.end_job(&key, job.exposure)?;
    device.succeed(split.provider, job.io_per_unit_e9, now)?;
    job.invariant()?;
    device.invariant()?;
    job_changed(&key, before, &job);
    device_changed(&a.device.key(), &device);
    Ok(())
}
