mod accept_job;
mod cancel_job;
mod checkpoint_job;
mod close_job;
mod create_job;
mod dispute_job;
mod end_lease;
mod expire_job;
mod extend_job;
mod finish_lease;
mod fund_job;
mod reject_job;
mod release_deposit;
mod release_owed;
mod settle_job;
mod submit_result;

pub use {
    accept_job::*, cancel_job::*, checkpoint_job::*, close_job::*, create_job::*, dispute_job::*,
    end_lease::*, expire_job::*, extend_job::*, finish_lease::*, fund_job::*, reject_job::*,
    release_deposit::*, release_owed::*, settle_job::*, submit_result::*,
};

use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::{IoError, MoneyResult},
    events::{job_changed, log_snapshot, DepositChanged},
    seeds,
    state::{Deposit, Job},
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

/// Refunds what the vault owes to nobody else, and records it: the payer's share at once, the sponsors' when each is
/// released. The job's state is already final.
fn refund_rest<'info>(
    job: &AccountLoader<'info, Job>,
    vault: &AccountInfo<'info>,
    payer_token: &AccountInfo<'info>,
    token_program: &AccountInfo<'info>,
) -> Result<()> {
    let (held, refund, payers) = {
        let job = job.load()?;
        let held = job_vault(&job, vault)?;
        let refund = held
            .amount
            .checked_sub(add(job.owed_provider, job.owed_treasury)?)
            .or_overflow()?;
        (held, refund, job.payers_share(refund)?)
    };
    let [owed] = pay_out(
        job,
        vault,
        &held,
        token_program,
        [Share {
            to: payer_token,
            amount: payers,
        }],
    )?;
    let mut job = job.load_mut()?;
    job.refunded = refund;
    job.owed_payer = owed;
    job.owed_sponsors = refund - payers;
    job.invariant()
}

/// A sponsor's money on its way into a job's escrow.
struct Funding<'a, 'info> {
    sponsor: &'a Signer<'info>,
    job: &'a AccountLoader<'info, Job>,
    deposit: &'a AccountInfo<'info>,
    vault: &'a AccountInfo<'info>,
    sponsor_token: &'a AccountInfo<'info>,
    token_program: &'a AccountInfo<'info>,
    system_program: &'a AccountInfo<'info>,
    index: u16,
    bump: u8,
}

impl Funding<'_, '_> {
    /// The job's own vault, and a usable account of its mint that the sponsor owns.
    fn validate(&self) -> Result<()> {
        let job = self.job.load()?;
        require_keys_eq!(job.vault, *self.vault.key, IoError::WrongAccount);
        let from = token::require_usable(self.sponsor_token, &job.mint)?;
        require_keys_eq!(from.owner, *self.sponsor.key, IoError::WrongOwner);
        Ok(())
    }

    /// Records `amount` on top of what is in the escrow, and moves it there.
    fn put(&self, amount: u64, now: i64) -> Result<()> {
        let (key, sponsor) = (self.job.key(), self.sponsor.key());
        let creator = Creator::new(self.sponsor, self.system_program)?;
        {
            let mut deposit = creator.create::<Deposit>(
                self.deposit,
                &[
                    seeds::DEPOSIT,
                    key.as_ref(),
                    sponsor.as_ref(),
                    &self.index.to_le_bytes(),
                    &[self.bump],
                ],
            )?;
            let mut job = self.job.load_mut()?;
            deposit.job = key;
            deposit.sponsor = sponsor;
            deposit.token_account = *self.sponsor_token.key;
            deposit.start = job.funded;
            deposit.amount = amount;
            deposit.created_at = now;
            deposit.index = self.index;
            deposit.bump = self.bump;
            deposit.version = VERSION;
            deposit.invariant()?;
            job.funded = add(job.funded, amount)?;
            job.deposits = job.deposits.checked_add(1).or_overflow()?;
            job.invariant()?;
            log_snapshot::<DepositChanged, _>(Some(self.deposit.key), None, &*deposit);
            job_changed(&key, job.state()?, &job);
        }
        let mut batch = Batch::new();
        batch.transfer(self.sponsor_token, self.vault, self.sponsor, amount);
        batch.invoke(self.token_program, &[])
    }
}

/// Adds to what a job's parties are owed.
fn add(total: u64, more: u64) -> Result<u64> {
    total.checked_add(more).or_overflow()
}
