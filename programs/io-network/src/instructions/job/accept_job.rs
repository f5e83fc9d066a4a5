use crate::prelude::*;
use io_protocol::{messages::TicketStatement, reputation};

use crate::{
    attest,
    errors::{IoError, MoneyResult},
    events::{device_changed, job_changed},
    state::{Device, Job, JobState, Network, OracleSet, Provider},
    token,
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct AcceptJobArgs {
    /// Slot of the job's creation: a job created at the same address since is another one.
    pub created_slot: u64,
    /// Price of 1,000 units that the device asks, at most the job's limit. While the job is reserved: the ask in the ticket.
    pub ask: u64,
    /// Expiry of the match ticket whose signature is in the instruction before; 0 for none.
    pub ticket_expires_at: i64,
}

#[derive(Accounts)]
pub struct AcceptJob<'info> {
    pub operator: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: where the provider will be paid, checked in `validate`.
    pub provider_token: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest` when there is a ticket; else unread.
    pub instructions: UncheckedAccount<'info>,
}

impl AcceptJob<'_> {
    /// operator: the device's · network, oracle_set: the only accounts of their types · provider: the device's · device: idle,
    /// attested, bonded, owes no penalty, meets the requirement · job: open, funded, in time, the one meant · provider_token: a usable account of the job's mint owned by the
    /// provider's payout owner · instructions: by address, in `attest`, if a ticket is brought. Returns the job's exposure.
    fn validate(&self, args: &AcceptJobArgs, now: i64) -> Result<u64> {
        let (job, device, provider) =
            (self.job.load()?, self.device.load()?, self.provider.load()?);
        let network = self.network.load()?;
        job.require_state(JobState::Open)?;
        job.require_created_at(args.created_slot)?;
        require!(job.funded == job.escrow, IoError::NotFunded);
        require!(now < job.deadline, IoError::DeadlinePassed);
        require_keys_eq!(device.operator, self.operator.key(), IoError::NotOperator);
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        require!(device.is_idle(), IoError::DeviceNotIdle);
        device.require_paid()?;
        let attested_until = device
            .attested_at
            .saturating_add(i64::from(network.attestation_seconds));
        require!(
            device.attested_at > 0 && now <= attested_until,
            IoError::AttestationStale
        );
        require!(
            job.met_by(&device, &provider, now),
            IoError::RequirementNotMet
        );
        require!(device.is_bonded(network.min_bond)?, IoError::BondTooSmall);
        require!(args.ask <= job.max_price, IoError::AskTooHigh);

        let exposure = job.exposure_at(args.ask)?;
        let total = device.exposure.checked_add(exposure).or_overflow()?;
        require!(total <= device.bond, IoError::ExposureExceedsBond);

        let paid_to = token::require_usable(&self.provider_token, &job.mint)?;
        require_keys_eq!(paid_to.owner, provider.payout_owner, IoError::WrongOwner);
        require_keys_neq!(self.provider_token.key(), job.vault, IoError::SameAccount);
        require_keys_neq!(
            self.provider_token.key(),
            job.payer_token,
            IoError::SameAccount
        );

        if now <= job.match_until {
            require!(args.ticket_expires_at != 0, IoError::TicketRequired);
            require!(now <= args.ticket_expires_at, IoError::TicketExpired);
            let set = self.oracle_set.load()?;
            let ticket = TicketStatement {
                deployment: network.deployment(),
                set_version: set.version,
                job: self.job.key().to_bytes(),
                created_slot: job.created_slot,
                device: self.device.key().to_bytes(),
                ask: args.ask,
                expires_at: args.ticket_expires_at,
            };
            attest::require_signatures(&self.instructions, &set, &ticket.to_bytes(), 1)?;
        }
        Ok(exposure)
    }
}

pub fn accept_job(ctx: Context<AcceptJob>, args: AcceptJobArgs) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let exposure = a.validate(&args, now)?;
    let (job_key, device_key) = (a.job.key(), a.device.key());
    let mut job = a.job.load_mut()?;
    job.provider = a.provider.key();
    job.device = device_key;
    job.provider_token = a.provider_token.key();
    job.ask = args.ask;
    job.exposure = exposure;
    job.accepted_at = now;
    job.run_until = match job.is_lease() {
        true => now.saturating_add_unsigned(job.max_units),
        false => now
            .saturating_add(i64::from(job.max_run_seconds))
            .min(job.deadline),
    };
    job.state = JobState::Running as u8;

    let mut device = a.device.load_mut()?;
    let score = device.reputation_bps(&*a.provider.load()?, now);
    job.provider_reserve_bps = reputation::provider_reserve_bps(job.reserve_bps, score);
    device.current_job = job_key;
    device.exposure = device.exposure.checked_add(exposure).or_overflow()?;
    device.open_jobs = device.open_jobs.checked_add(1).or_overflow()?;
    job.invariant()?;
    device.invariant()?;
    job_changed(&job_key, JobState::Open, &job);
    device_changed(&device_key, &device);
    Ok(())
}
