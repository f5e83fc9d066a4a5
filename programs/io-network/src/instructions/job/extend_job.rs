use crate::prelude::*;
use io_protocol::{lease::EndedBy, money};

use crate::{
    errors::{IoError, MoneyResult},
    instructions::job::{add, Funding},
    seeds,
    state::{Job, Network},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct ExtendJobArgs {
    /// Slot of the job's creation: a job created at the same address since is another one.
    pub created_slot: u64,
    /// Seconds to add.
    pub seconds: u64,
    /// The most that the sponsor puts in for it, base units.
    pub max_amount: u64,
    /// Tells the sponsor's deposits in this job apart: any number that it did not use yet.
    pub index: u16,
}

#[derive(Accounts)]
#[instruction(args: ExtendJobArgs)]
pub struct ExtendJob<'info> {
    /// The renter or the payer.
    pub signer: Signer<'info>,
    /// Pays for the added time and for the deposit's rent. May be the signer.
    #[account(mut)]
    pub sponsor: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::DEPOSIT, job.key().as_ref(), sponsor.key().as_ref(), &args.index.to_le_bytes()], bump)]
    pub deposit: UncheckedAccount<'info>,
    /// CHECK: the job's vault, checked by `Funding`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the sponsor's, checked by `Funding`.
    #[account(mut)]
    pub sponsor_token: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl ExtendJob<'_> {
    /// signer: the job's renter or payer · sponsor: signs for itself · network: the only account of its type · job: a running
    /// lease that nobody ended, the one meant · deposit: created here at its PDA · vault, sponsor_token: by `Funding` ·
    /// token_program, system_program: by address.
    fn validate(&self, args: &ExtendJobArgs, now: i64) -> Result<()> {
        self.network.load()?.require_running()?;
        let job = self.job.load()?;
        job.require_running_lease()?;
        job.require_created_at(args.created_slot)?;
        require!(job.is_customer(self.signer.key), IoError::NotRenter);
        let goes_on = job.ended_by == EndedBy::Nobody as u8 && now < job.run_until;
        require!(goes_on, IoError::LeaseEnded);
        Ok(())
    }
}

pub fn extend_job(ctx: Context<ExtendJob>, args: ExtendJobArgs) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(&args, now)?;
    let funding = Funding {
        sponsor: &a.sponsor,
        job: &a.job,
        deposit: &a.deposit,
        vault: &a.vault,
        sponsor_token: &a.sponsor_token,
        token_program: &a.token_program,
        system_program: &a.system_program,
        index: args.index,
        bump: ctx.bumps.deposit,
    };
    funding.validate()?;
    let more = {
        let mut job = a.job.load_mut()?;
        let seconds = add(job.max_units, args.seconds)?;
        require!(
            args.seconds > 0 && seconds <= u64::from(job.max_run_seconds),
            IoError::BadUnits
        );
        let escrow = money::escrow_for(seconds, job.max_price, job.fee_terms()).or_overflow()?;
        let more = escrow.checked_sub(job.escrow).or_overflow()?;
        require!(more > 0, IoError::ZeroAmount);
        require!(more <= args.max_amount, IoError::EscrowTooHigh);
        job.max_units = seconds;
        job.escrow = escrow;
        job.run_until = job.accepted_at.saturating_add_unsigned(seconds);
        more
    };
    funding.put(more, now)
}
