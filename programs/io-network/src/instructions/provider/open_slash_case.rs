use anchor_lang::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::{APPEAL_SECONDS, VERSION},
    errors::{IoError, MoneyResult},
    events::{job_changed, log_snapshot, provider_changed, SlashCaseChanged},
    seeds,
    state::{Job, JobState, Network, Provider, SlashCase, SlashCause},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
pub struct OpenSlashCase<'info> {
    /// Pays the rent, which is theirs again when the case ends. Anybody.
    #[account(mut)]
    pub opener: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the provider's stake vault, a PDA checked in `validate`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::SLASH, provider.key().as_ref(), &provider.load()?.slash_cases.to_le_bytes()], bump)]
    pub slash_case: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, slash_case.key().as_ref()], bump)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl OpenSlashCase<'_> {
    /// opener: pays, nothing else · network: the only account of its type · job: final, with a penalty due · provider: the
    /// job's · stake_vault: the provider's PDA · slash_case, slash_vault: created here at their PDAs ·
    /// io_mint: the network's · token_program, system_program: by address.
    fn validate(&self) -> Result<()> {
        let job = self.job.load()?;
        require!(job.state()?.is_final(), IoError::WrongState);
        require!(job.penalty_due > 0, IoError::NothingOwed);
        require_keys_eq!(job.provider, self.provider.key(), IoError::WrongAccount);
        require_keys_eq!(
            self.network.load()?.io_mint,
            self.io_mint.key(),
            IoError::WrongMint
        );
        let key = self.provider.key();
        let bump = self.provider.load()?.vault_bump;
        let vault =
            Pubkey::create_program_address(&[seeds::STAKE, key.as_ref(), &[bump]], &crate::ID)
                .map_err(|_| error!(IoError::WrongAccount))?;
        require_keys_eq!(vault, self.stake_vault.key(), IoError::WrongAccount);
        Ok(())
    }
}

pub fn open_slash_case(ctx: Context<OpenSlashCase>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let address = a.slash_case.key();
    let number = a.provider.load()?.slash_cases;
    let creator = Creator::new(&a.opener, &a.system_program)?;
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.slash_vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::VAULT, address.as_ref(), &[ctx.bumps.slash_vault]],
    )?;

    let amount = {
        let mut job = a.job.load_mut()?;
        let state = job.state()?;
        let amount = core::mem::take(&mut job.penalty_due);
        let now = Clock::get()?.unix_timestamp;
        let seeds: &[&[u8]] = &[
            seeds::SLASH,
            job.provider.as_ref(),
            &number.to_le_bytes(),
            &[ctx.bumps.slash_case],
        ];
        let mut case = creator.create::<SlashCase>(&a.slash_case, seeds)?;
        case.provider = job.provider;
        case.device = job.device;
        case.job = a.job.key();
        case.renter = job.renter;
        case.opener = a.opener.key();
        (case.cause, case.evidence) = match state {
            JobState::Rejected => (SlashCause::Rejected as u8, job.output_hash),
            _ => (SlashCause::Expired as u8, job.spec_hash),
        };
        case.number = number;
        case.amount = amount;
        case.opened_at = now;
        case.appeal_until = now.checked_add(APPEAL_SECONDS).or_overflow()?;
        case.bump = ctx.bumps.slash_case;
        case.vault_bump = ctx.bumps.slash_vault;
        case.version = VERSION;
        job.invariant()?;
        job_changed(&a.job.key(), state, &job);
        log_snapshot::<SlashCaseChanged, _>(Some(&address), None, &*case);
        amount
    };
    let (authority, bump) = {
        let mut provider = a.provider.load_mut()?;
        provider.release(amount)?;
        provider.staked = provider.staked.checked_sub(amount).or_overflow()?;
        provider.slash_cases = provider.slash_cases.checked_add(1).or_overflow()?;
        provider.invariant()?;
        provider_changed(&a.provider.key(), &provider);
        (provider.authority, provider.bump)
    };
    let mut batch = Batch::new();
    batch.initialize(&a.slash_vault, &a.io_mint, &address);
    batch.transfer(&a.stake_vault, &a.slash_vault, a.provider.as_ref(), amount);
    batch.invoke(
        &a.token_program,
        &[&[seeds::PROVIDER, authority.as_ref(), &[bump]]],
    )
}
