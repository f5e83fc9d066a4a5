use crate::prelude::*;
use io_protocol::slashing;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::{IoError, MoneyResult},
    events::{job_changed, provider_changed, slash_case_changed},
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
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`; it need not be there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
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
    /// job's · stake_vault, co_vault: the provider's PDAs · slash_case, slash_vault: created here at their PDAs ·
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
        let (provider, key) = (self.provider.load()?, self.provider.key());
        provider.require_stake_vault(&key, self.stake_vault.key)?;
        provider.require_co_vault(&key, self.co_vault.key)
    }
}

pub fn open_slash_case(ctx: Context<OpenSlashCase>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let address = a.slash_case.key();
    let creator = Creator::new(&a.opener, &a.system_program)?;
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.slash_vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::VAULT, address.as_ref(), &[ctx.bumps.slash_vault]],
    )?;

    let mut job = a.job.load_mut()?;
    let state = job.state()?;
    let amount = core::mem::take(&mut job.penalty_due);
    let (number, owner_part, co_part) = {
        let mut provider = a.provider.load_mut()?;
        let (owner_part, co_part) = provider.slash(amount)?;
        let number = provider.slash_cases;
        provider.slash_cases = number.checked_add(1).or_overflow()?;
        provider.invariant()?;
        provider_changed(&a.provider.key(), &provider);
        (number, owner_part, co_part)
    };
    {
        let now = Clock::get()?.unix_timestamp;
        let network = a.network.load()?;
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
        (case.cause, case.subject) = match state {
            JobState::Rejected => {
                case.challenger = job.challenger;
                case.accusers = job.accusers;
                (SlashCause::Rejected as u8, job.output_hash)
            }
            _ => (SlashCause::Expired as u8, job.spec_hash),
        };
        case.number = number;
        case.amount = amount;
        case.owner_part = owner_part;
        case.co_part = co_part;
        case.appeal_bond =
            slashing::appeal_bond(amount, network.appeal_bond_bps, network.appeal_bond_floor)
                .or_overflow()?;
        case.opened_at = now;
        case.appeal_until = now.saturating_add(i64::from(network.appeal_seconds));
        case.decision_seconds = network.decision_seconds;
        case.renter_bps = network.slash_renter_bps;
        case.challenger_bps = network.slash_challenger_bps;
        case.bump = ctx.bumps.slash_case;
        case.vault_bump = ctx.bumps.slash_vault;
        case.version = VERSION;
        case.invariant()?;
        job.invariant()?;
        job_changed(&a.job.key(), state, &job);
        slash_case_changed(&address, &case);
    }
    drop(job);
    let provider = *a.provider.load()?;
    let mut batch = Batch::new();
    batch.initialize(&a.slash_vault, &a.io_mint, &address);
    batch.transfer(
        &a.stake_vault,
        &a.slash_vault,
        a.provider.as_ref(),
        owner_part,
    );
    batch.transfer(&a.co_vault, &a.slash_vault, a.provider.as_ref(), co_part);
    batch.invoke(
        &a.token_program,
        &[&provider.signer_seeds(&[provider.bump])],
    )
}
