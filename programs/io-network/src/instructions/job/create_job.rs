use crate::prelude::*;
use io_protocol::{lease::MIN_LEASE_SECONDS, money};

use crate::{
    accounts_util::Creator,
    constants::*,
    errors::{IoError, MoneyResult},
    events::job_changed,
    seeds,
    state::{Job, JobKind, JobState, JobTerms, Network, PaymentMint, VerificationClass},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
#[instruction(terms: JobTerms)]
pub struct CreateJob<'info> {
    /// Whose job it is. May be a PDA of another program, signing through CPI.
    pub renter: Signer<'info>,
    /// Funds the escrow and the rent, and gets both back. May be the renter.
    #[account(mut)]
    pub payer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub payment: AccountLoader<'info, PaymentMint>,
    /// CHECK: the payment mint, checked in `validate`.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::JOB, renter.key().as_ref(), &terms.nonce.to_le_bytes()], bump)]
    pub job: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, job.key().as_ref()], bump)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: pays the escrow and receives refunds; the payer's, checked in `validate`.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl CreateJob<'_> {
    /// renter, payer: sign for themselves · network: the only account of its type · payment: of the mint, enabled · mint: by
    /// payment · job, vault: created here at their PDAs · payer_token: a usable account of the mint that the
    /// payer owns · token_program, system_program: by address.
    fn validate(&self, terms: &JobTerms, now: i64) -> Result<()> {
        self.network.load()?.require_running()?;
        let payment = self.payment.load()?;
        require_keys_eq!(payment.mint, self.mint.key(), IoError::WrongMint);
        require!(payment.enabled == 1, IoError::MintNotAllowed);
        let from = token::require_usable(&self.payer_token, &payment.mint)?;
        require_keys_eq!(from.owner, self.payer.key(), IoError::WrongOwner);

        require!(terms.spec_hash != [0; 32], IoError::BadTerms);
        require!(
            terms.max_price > 0 && terms.max_units > 0,
            IoError::BadTerms
        );
        require!(
            (1..=MAX_RUN_SECONDS).contains(&terms.max_run_seconds),
            IoError::BadTerms
        );
        require!(
            terms.deadline > now && terms.deadline.saturating_sub(now) <= MAX_DEADLINE_SECONDS,
            IoError::BadTerms
        );
        require!(
            u64::from(terms.min_reputation_bps) <= money::BPS,
            IoError::BadTerms
        );
        require!(
            terms.verification <= VerificationClass::Metered as u8,
            IoError::BadTerms
        );
        require!(terms.devices == 1, IoError::BadTerms);
        if terms.kind != JobKind::Task as u8 {
            let lease = terms.kind == JobKind::Lease as u8
                && terms.verification == VerificationClass::Metered as u8;
            let seconds = MIN_LEASE_SECONDS..=u64::from(terms.max_run_seconds);
            require!(
                lease && seconds.contains(&terms.max_units),
                IoError::BadTerms
            );
        }
        Ok(())
    }
}

pub fn create_job(ctx: Context<CreateJob>, terms: JobTerms) -> Result<()> {
    let a = ctx.accounts;
    let clock = Clock::get()?;
    a.validate(&terms, clock.unix_timestamp)?;
    let address = a.job.key();
    let creator = Creator::new(&a.payer, &a.system_program)?;
    let renter = a.renter.key();
    creator.create_for(
        a.mint.owner,
        &a.vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::VAULT, address.as_ref(), &[ctx.bumps.vault]],
    )?;
    let mut job = creator.create::<Job>(
        &a.job,
        &[
            seeds::JOB,
            renter.as_ref(),
            &terms.nonce.to_le_bytes(),
            &[ctx.bumps.job],
        ],
    )?;
    let funded = {
        let network = a.network.load()?;
        let payment = a.payment.load()?;
        let fees = payment.fees(network.reserve_bps);
        let escrow = money::escrow_for(terms.max_units, terms.max_price, fees).or_overflow()?;
        require!(escrow <= terms.max_escrow, IoError::EscrowTooHigh);
        require!(terms.deposit <= escrow, IoError::BadTerms);
        let funded = match terms.deposit {
            0 => escrow,
            part => part,
        };
        let treasury = payment.shard_for(&address);
        require_keys_neq!(treasury, Pubkey::default(), IoError::MintNotAllowed);

        job.renter = renter;
        job.payer = a.payer.key();
        job.mint = payment.mint;
        job.vault = a.vault.key();
        job.payer_token = a.payer_token.key();
        job.treasury = treasury;
        job.spec_hash = terms.spec_hash;
        job.nonce = terms.nonce;
        job.max_price = terms.max_price;
        job.max_units = terms.max_units;
        job.escrow = escrow;
        job.funded = funded;
        job.deposited = funded;
        job.io_per_unit_e9 = payment.io_per_unit_e9;
        job.created_slot = clock.slot;
        job.created_at = clock.unix_timestamp;
        job.match_until = clock.unix_timestamp + i64::from(network.match_seconds);
        job.deadline = terms.deadline;
        job.max_run_seconds = terms.max_run_seconds;
        job.min_multiplier_e2 = terms.min_multiplier_e2;
        job.min_memory_mib = terms.min_memory_mib;
        job.challenge_seconds = network.challenge_seconds;
        job.dispute_seconds = network.dispute_seconds;
        job.retention_seconds = network.retention_seconds;
        job.notice_seconds = network.reclaim_notice_seconds;
        job.kind = terms.kind;
        job.class = terms.class;
        job.region = terms.region;
        job.min_reputation_bps = terms.min_reputation_bps;
        job.reserve_bps = fees.reserve_bps;
        job.provider_reserve_bps = fees.provider_bps;
        job.token_2022 = payment.token_2022;
        job.payment_bps = fees.payment_bps;
        job.expire_penalty_bps = network.expire_penalty_bps;
        job.reject_penalty_bps = network.reject_penalty_bps;
        job.verification = terms.verification;
        job.devices = terms.devices;
        job.state = JobState::Open as u8;
        job.bump = ctx.bumps.job;
        job.vault_bump = ctx.bumps.vault;
        job.version = VERSION;
        job.invariant()?;
        job_changed(&address, JobState::None, &job);
        drop(job);
        funded
    };
    let mut batch = Batch::new();
    batch.initialize(&a.vault, &a.mint, &address);
    batch.transfer(&a.payer_token, &a.vault, &a.payer, funded);
    batch.invoke(&a.token_program, &[])
}
