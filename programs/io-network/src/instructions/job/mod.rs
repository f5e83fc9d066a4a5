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
    accept_job::*, cancel_job::*, close_job::*, create_job::*, dispute_job::*, expire_job::*, reject_job::*,
    release_owed::*, settle_job::*, submit_result::*,
};

use anchor_lang::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    seeds,
    state::Job,
    token::{self, Batch},
};

/// A share of a vault and the account it goes to.
struct Share<'a, 'info> {
    to: &'a AccountInfo<'info>,
    amount: u64,
}

/// Pays shares out of a job's vault in one token call. Returns what could not be delivered, share by share: a payee whose
/// account cannot receive now blocks nobody, its share stays in the vault.
fn pay_out<'info, const N: usize>(
    job: &AccountLoader<'info, Job>,
    vault: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
    mint: &Pubkey,
    shares: [Share<'_, 'info>; N],
) -> Result<[u64; N]> {
    let mut owed = [0u64; N];
    let mut batch = Batch::new();
    for (share, owed) in shares.iter().zip(&mut owed) {
        if token::can_receive(share.to, mint) {
            batch.transfer(vault, share.to, job.as_ref(), share.amount);
        } else {
            *owed = share.amount;
        }
    }
    invoke_as_job(job, token_program, batch)?;
    Ok(owed)
}

/// Sends a token call signed by the job, the authority of its vault.
fn invoke_as_job<'info>(job: &AccountLoader<'info, Job>, token_program: &AccountInfo<'info>, batch: Batch<'info>) -> Result<()> {
    let (renter, nonce, bump) = {
        let job = job.load()?;
        (job.renter, job.nonce.to_le_bytes(), [job.bump])
    };
    batch.invoke(token_program, &[&[seeds::JOB, renter.as_ref(), &nonce, &bump]])
}

/// Balance of a job's own vault.
fn vault_balance(job: &Job, vault: &AccountInfo) -> Result<u64> {
    require_keys_eq!(job.vault, *vault.key, IoError::WrongAccount);
    Ok(token::require_usable(vault, &job.mint)?.amount)
}

/// Refunds everything in the vault to the payer and records it. The job's state is already final.
fn refund_all<'info>(
    job: &AccountLoader<'info, Job>,
    vault: &AccountInfo<'info>,
    payer_token: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
) -> Result<()> {
    let (balance, mint) = {
        let job = job.load()?;
        (vault_balance(&job, vault)?, job.mint)
    };
    let [owed] = pay_out(job, vault, token_program, &mint, [Share { to: payer_token, amount: balance }])?;
    let mut job = job.load_mut()?;
    job.refunded = balance;
    job.owed_payer = owed;
    job.invariant()
}

/// Adds to what a job's parties are owed.
fn add(total: u64, more: u64) -> Result<u64> {
    total.checked_add(more).or_overflow()
}
