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

/// What a case is opened with: a penalty moves from the provider's stake into the case's own vault.
pub struct CaseOpening<'a, 'info> {
    pub opener: &'a AccountInfo<'info>,
    pub network: &'a AccountLoader<'info, Network>,
    pub provider: &'a AccountLoader<'info, Provider>,
    pub stake_vault: &'a AccountInfo<'info>,
    pub co_vault: &'a AccountInfo<'info>,
    /// At its PDA, with the provider's next number; so is its vault.
    pub slash_case: &'a AccountInfo<'info>,
    pub slash_vault: &'a AccountInfo<'info>,
    pub io_mint: &'a AccountInfo<'info>,
    pub token_program: &'a AccountInfo<'info>,
    pub system_program: &'a AccountInfo<'info>,
    pub case_bump: u8,
    pub vault_bump: u8,
}

impl CaseOpening<'_, '_> {
    /// stake_vault, co_vault: the provider's PDAs · io_mint: the network's · token_program: by address, in the call · the rest: the
    /// caller's.
    pub fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.network.load()?.io_mint,
            *self.io_mint.key,
            IoError::WrongMint
        );
        let (provider, key) = (self.provider.load()?, self.provider.key());
        provider.require_stake_vault(&key, self.stake_vault.key)?;
        provider.require_co_vault(&key, self.co_vault.key)
    }

    /// Opens the case over what was taken from the owner and from the pool; `about` says what it is about.
    pub fn open(
        &self,
        (owner_part, co_part): (u64, u64),
        now: i64,
        about: impl FnOnce(&mut SlashCase),
    ) -> Result<()> {
        let amount = owner_part.checked_add(co_part).or_overflow()?;
        let address = *self.slash_case.key;
        let creator = Creator::new(self.opener, self.system_program)?;
        creator.create_for(
            &token::TOKEN_PROGRAM,
            self.slash_vault,
            TOKEN_ACCOUNT_LEN,
            &[seeds::VAULT, address.as_ref(), &[self.vault_bump]],
        )?;
        let number = {
            let mut provider = self.provider.load_mut()?;
            let number = provider.slash_cases;
            provider.slash_cases = number.checked_add(1).or_overflow()?;
            provider.invariant()?;
            provider_changed(&self.provider.key(), &provider);
            number
        };
        {
            let network = self.network.load()?;
            let provider = self.provider.key();
            let seeds: &[&[u8]] = &[
                seeds::SLASH,
                provider.as_ref(),
                &number.to_le_bytes(),
                &[self.case_bump],
            ];
            let mut case = creator.create::<SlashCase>(self.slash_case, seeds)?;
            case.provider = provider;
            case.opener = *self.opener.key;
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
            case.bump = self.case_bump;
            case.vault_bump = self.vault_bump;
            case.version = VERSION;
            about(&mut case);
            case.invariant()?;
            slash_case_changed(&address, &case);
        }
        let provider = *self.provider.load()?;
        let mut batch = Batch::new();
        batch.initialize(self.slash_vault, self.io_mint, &address);
        batch.transfer(
            self.stake_vault,
            self.slash_vault,
            self.provider.as_ref(),
            owner_part,
        );
        batch.transfer(
            self.co_vault,
            self.slash_vault,
            self.provider.as_ref(),
            co_part,
        );
        batch.invoke(
            self.token_program,
            &[&provider.signer_seeds(&[provider.bump])],
        )
    }
}

impl OpenSlashCase<'_> {
    /// opener: pays, nothing else · network: the only account of its type · job: final, with a penalty due · provider: the
    /// job's · slash_case, slash_vault: created here at their PDAs · the rest: in `CaseOpening::validate` and by address.
    fn validate(&self) -> Result<()> {
        let job = self.job.load()?;
        require!(job.state()?.is_final(), IoError::WrongState);
        require!(job.penalty_due > 0, IoError::NothingOwed);
        require_keys_eq!(job.provider, self.provider.key(), IoError::WrongAccount);
        Ok(())
    }
}

pub fn open_slash_case(ctx: Context<OpenSlashCase>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let opening = CaseOpening {
        opener: &a.opener,
        network: &a.network,
        provider: &a.provider,
        stake_vault: &a.stake_vault,
        co_vault: &a.co_vault,
        slash_case: &a.slash_case,
        slash_vault: &a.slash_vault,
        io_mint: &a.io_mint,
        token_program: &a.token_program,
        system_program: &a.system_program,
        case_bump: ctx.bumps.slash_case,
        vault_bump: ctx.bumps.slash_vault,
    };
    opening.validate()?;
    let job = {
        let mut job = a.job.load_mut()?;
        let state = job.state()?;
        let due = *job;
        job.penalty_due = 0;
        job.invariant()?;
        job_changed(&a.job.key(), state, &job);
        due
    };
    let (key, now) = (a.job.key(), Clock::get()?.unix_timestamp);
    let parts = a.provider.load_mut()?.slash(job.penalty_due)?;
    opening.open(parts, now, |case| {
        case.device = job.device;
        case.job = key;
        case.renter = job.renter;
        (case.cause, case.subject) = if job.state == JobState::Rejected as u8 {
            case.challenger = job.challenger;
            case.accusers = job.accusers;
            (SlashCause::Rejected as u8, job.output_hash)
        } else {
            (SlashCause::Expired as u8, job.spec_hash)
        };
    })
}
