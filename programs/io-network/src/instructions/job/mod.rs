mod accept_job;
mod cancel_job;
mod close_job;
mod create_job;
mod dispute_job;
mod expire_job;
mod reject_job;
mod release_owed;
mod settle_job;
mod submit_result;

pub use {
    accept_job::*, cancel_job::*, close_job::*, create_job::*, dispute_job::*, expire_job::*,
    reject_job::*, release_owed::*, settle_job::*, submit_result::*,
};

use anchor_lang::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    seeds,
    state::Job,
    token::{self, Batch, TokenAccount},
};

/// A share of a vault and the account it goes to.
struct Share<'a, 'info> {
    to: &'a AccountInfo<'info>,
    amount: u64,
}

/// Pays shares out of a job's vault in one token call. Returns what could not be delivered, share by share: a payee whose
/// account cannot receive now blocks nobody, its share stays in the vault; a vault that the mint froze blocks nobody either,
/// all its shares stay.
fn pay_out<'info, const N: usize>(
    job: &AccountLoader<'info, Job>,
    vault: &AccountInfo<'info>,
    held: &TokenAccount,
    token_program: &AccountInfo<'info>,
    shares: [Share<'_, 'info>; N],
) -> Result<[u64; N]> {
    let mut owed = [0u64; N];
    let mut batch = Batch::new();
    for (share, owed) in shares.iter().zip(&mut owed) {
        if held.usable && token::can_receive(share.to, &held.mint) {
            batch.transfer(vault, share.to, job.as_ref(), share.amount);
        } else {
            *owed = share.amount;
        }
    }
    invoke_as_job(job, token_program, batch)?;
    Ok(owed)
}

/// Sends a token call signed by the job, the authority of its vault.
fn invoke_as_job<'info>(
    job: &AccountLoader<'info, Job>,
    token_program: &AccountInfo<'info>,
    batch: Batch<'info>,
) -> Result<()> {
    let (renter, nonce, bump) = {
        let job = job.load()?;
        (job.renter, job.nonce.to_le_bytes(), [job.bump])
    };
    batch.invoke(
        token_program,
        &[&[seeds::JOB, renter.as_ref(), &nonce, &bump]],
    )
}

/// A job's own vault.
fn job_vault(job: &Job, vault: &AccountInfo) -> Result<TokenAccount> {
    require_keys_eq!(job.vault, *vault.key, IoError::WrongAccount);
    token::read(vault).ok_or_else(|| error!(IoError::BadTokenAccount))
}

/// Refunds everything in the vault to the payer and records it. The job's state is already final.
fn refund_all<'info>(
    job: &AccountLoader<'info, Job>,
    vault: &AccountInfo<'info>,
    payer_token: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
) -> Result<()> {
    let held = job_vault(&*job.load()?, vault)?;
    let [owed] = pay_out(
        job,
        vault,
        &held,
        token_program,
        [Share {
            to: payer_token,
            amount: held.amount,
        }],
    )?;
    let mut job = job.load_mut()?;
    job.refunded = held.amount;
    job.owed_payer = owed;
    job.invariant()
}

/// Adds to what a job's parties are owed.
fn add(total: u64, more: u64) -> Result<u64> {
    total.checked_add(more).or_overflow()
}
