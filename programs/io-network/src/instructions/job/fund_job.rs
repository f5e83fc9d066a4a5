use crate::prelude::*;
use io_protocol::deposits;

use crate::{
    errors::IoError,
    instructions::job::Funding,
    seeds,
    state::{Job, JobState, Network},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct FundJobArgs {
    /// Slot of the job's creation: a job created at the same address since is another one.
    pub created_slot: u64,
    /// The most that the sponsor puts in, base units: no more than is missing is taken.
    pub amount: u64,
    /// Tells the sponsor's deposits in this job apart: any number that it did not use yet.
    pub index: u16,
}

#[derive(Accounts)]
#[instruction(args: FundJobArgs)]
pub struct FundJob<'info> {
    /// Pays the deposit and its rent, and gets its share and the rent back. Anybody may.
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

impl FundJob<'_> {
    /// sponsor: signs for itself · network: the only account of its type · job: open, in time, the one meant · deposit:
    /// created here at its PDA · vault, sponsor_token: by `Funding` · token_program, system_program: by address. Returns what
    /// is taken.
    fn validate(&self, args: &FundJobArgs, now: i64) -> Result<u64> {
        self.network.load()?.require_running()?;
        let job = self.job.load()?;
        job.require_state(JobState::Open)?;
        job.require_created_at(args.created_slot)?;
        require!(now < job.deadline, IoError::DeadlinePassed);
        require!(job.funded < job.escrow, IoError::FundedAlready);
        deposits::accepted_deposit(args.amount, job.funded, job.escrow)
            .ok_or_else(|| error!(IoError::DepositTooSmall))
    }
}

pub fn fund_job(ctx: Context<FundJob>, args: FundJobArgs) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let amount = a.validate(&args, now)?;
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
    funding.put(amount, now)
}
