//! An integrator: a program whose own account rents computing.
//!
//! Each user has a *desk*, a PDA of this program. The desk is the renter of the user's jobs (it signs through CPI), the user
//! pays. When a job is settled, anybody may bring its result hash to the desk, where the program can use it.
//! `docs/integrators.md` walks through it.

// Handlers and the functions of the program module share their names; Anchor needs both at the root.
#![allow(ambiguous_glob_reexports)]

use anchor_lang::{
    prelude::*, solana_program::instruction::Instruction, InstructionData, ToAccountMetas,
};
use io_network::{
    cpi::accounts::CancelJob,
    invoke::invoke,
    program::IoNetwork,
    state::{Job, JobState, JobTerms},
};

#[cfg(target_arch = "bpf")]
use io_sbf_builtins as _;

declare_id!("3yaZkVjVZbCpsuFD6DzzZ4SWqy7HWAZiw4wW1JXtthhv");

/// Seed of a desk; the other is the user's key.
pub const DESK: &[u8] = b"desk";

#[program]
pub mod io_consumer {
    use super::*;

    /// Opens the user's desk.
    pub fn open_desk(ctx: Context<OpenDesk>) -> Result<()> {
        let mut desk = ctx.accounts.desk.load_init()?;
        desk.user = ctx.accounts.user.key();
        desk.bump = ctx.bumps.desk;
        Ok(())
    }

    /// Escrows a job whose renter is the desk and whose payer is the user.
    pub fn request_job(ctx: Context<RequestJob>, terms: JobTerms) -> Result<()> {
        let a = ctx.accounts;
        let user = a.user.key();
        let bump = [a.desk.load_mut()?.request()?];
        let seeds: &[&[u8]] = &[DESK, user.as_ref(), &bump];
        let accounts = io_network::accounts::CreateJob {
            renter: a.desk.key(),
            payer: user,
            network: a.network.key(),
            payment: a.payment.key(),
            mint: a.mint.key(),
            job: a.job.key(),
            vault: a.vault.key(),
            payer_token: a.payer_token.key(),
            token_program: a.token_program.key(),
            system_program: a.system_program.key(),
        };
        // `io_network::cpi::create_job` does the same for some 2,600 compute units more: it collects the accounts in one list
        // each and compares every one with every other. `withdraw_job` below calls that way.
        invoke(
            Instruction {
                program_id: a.io_network.key(),
                accounts: accounts.to_account_metas(None),
                data: io_network::instruction::CreateJob { terms }.data(),
            },
            &[
                a.desk.to_account_info(),
                a.user.to_account_info(),
                a.network.to_account_info(),
                a.payment.to_account_info(),
                a.mint.to_account_info(),
                a.job.to_account_info(),
                a.vault.to_account_info(),
                a.payer_token.to_account_info(),
                a.token_program.to_account_info(),
                a.system_program.to_account_info(),
            ],
            &[seeds],
        )
    }

    /// Takes back a job that no device accepted. The refund goes to the user.
    pub fn withdraw_job(ctx: Context<WithdrawJob>) -> Result<()> {
        let a = ctx.accounts;
        let user = a.user.key();
        let bump = [a.desk.load()?.bump];
        let seeds: &[&[u8]] = &[DESK, user.as_ref(), &bump];
        let accounts = CancelJob {
            signer: a.desk.to_account_info(),
            job: a.job.to_account_info(),
            vault: a.vault.to_account_info(),
            payer_token: a.payer_token.to_account_info(),
            token_program: a.token_program.to_account_info(),
        };
        io_network::cpi::cancel_job(CpiContext::new_with_signer(
            a.io_network.key(),
            accounts,
            &[seeds],
        ))
    }

    /// Copies the result hash of one of the desk's settled jobs. Anybody may bring it: the job account proves it.
    pub fn take_result(ctx: Context<TakeResult>) -> Result<()> {
        let job = ctx.accounts.job.load()?;
        let address = ctx.accounts.desk.key();
        require_keys_eq!(job.renter, address, ConsumerError::NotOurJob);
        let mut desk = ctx.accounts.desk.load_mut()?;
        require!(job.state()? == JobState::Settled, ConsumerError::NotSettled);
        // Old results stay true: without an order anybody could roll the desk back to one.
        let order = (job.created_slot, job.nonce);
        require!(
            order > (desk.last_created_slot, desk.last_nonce),
            ConsumerError::NotNewer
        );
        desk.last_created_slot = job.created_slot;
        desk.last_nonce = job.nonce;
        desk.last_result = job.output_hash;
        desk.last_spec = job.spec_hash;
        Ok(())
    }
}

/// A user's desk: the renter of its jobs. Read where it lies: decoding and encoding it would cost a sixth of a call.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Desk {
    pub user: Pubkey,
    /// Jobs requested, ever.
    pub jobs: u64,
    /// Output hash of the newest result taken; zero before the first.
    pub last_result: [u8; 32],
    /// Spec hash of that job.
    pub last_spec: [u8; 32],
    /// Slot of that job's creation; only a job created later is newer.
    pub last_created_slot: u64,
    /// Its nonce, for jobs created in one slot.
    pub last_nonce: u64,
    pub bump: u8,
    pub reserved: [u8; 7],
}

impl Desk {
    /// Counts one more job. Returns the desk's bump.
    fn request(&mut self) -> Result<u8> {
        self.jobs = self.jobs.checked_add(1).ok_or(ConsumerError::TooManyJobs)?;
        Ok(self.bump)
    }
}

#[derive(Accounts)]
pub struct OpenDesk<'info> {
    #[account(mut)]
    pub user: Signer<'info>,
    #[account(init, payer = user, space = 8 + core::mem::size_of::<Desk>(), seeds = [DESK, user.key().as_ref()], bump)]
    pub desk: AccountLoader<'info, Desk>,
    pub system_program: Program<'info, System>,
}

#[derive(Accounts)]
pub struct RequestJob<'info> {
    #[account(mut)]
    pub user: Signer<'info>,
    #[account(mut, has_one = user)]
    pub desk: AccountLoader<'info, Desk>,
    /// CHECK: checked by IO Network.
    pub network: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network.
    pub payment: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network.
    pub mint: UncheckedAccount<'info>,
    /// CHECK: created and checked by IO Network.
    #[account(mut)]
    pub job: UncheckedAccount<'info>,
    /// CHECK: created and checked by IO Network.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network: the user's, of the mint.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network.
    pub token_program: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network.
    pub system_program: UncheckedAccount<'info>,
    pub io_network: Program<'info, IoNetwork>,
}

#[derive(Accounts)]
pub struct WithdrawJob<'info> {
    pub user: Signer<'info>,
    #[account(has_one = user)]
    pub desk: AccountLoader<'info, Desk>,
    /// CHECK: checked by IO Network: open, and the desk its renter.
    #[account(mut)]
    pub job: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network: the job's.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network: fixed when the job was created.
    #[account(mut)]
    pub payer_token: UncheckedAccount<'info>,
    /// CHECK: checked by IO Network.
    pub token_program: UncheckedAccount<'info>,
    pub io_network: Program<'info, IoNetwork>,
}

#[derive(Accounts)]
pub struct TakeResult<'info> {
    #[account(mut)]
    pub desk: AccountLoader<'info, Desk>,
    /// Owned by IO Network: its type says so.
    pub job: AccountLoader<'info, Job>,
}

#[error_code]
pub enum ConsumerError {
    #[msg("This desk has requested as many jobs as it can count")]
    TooManyJobs,
    #[msg("The job's renter is not this desk")]
    NotOurJob,
    #[msg("The job is not settled yet: wait for its settlement")]
    NotSettled,
    #[msg("The desk has the result of this job or of one created after it")]
    NotNewer,
}
