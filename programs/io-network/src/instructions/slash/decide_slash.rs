use crate::prelude::*;
use io_protocol::slashing::{signatures_needed, SlashStatement, SlashVerdict};

use crate::{
    attest,
    errors::IoError,
    instructions::slash::Resolution,
    state::{Network, OracleSet, Provider, SlashCase, SlashState},
};

#[derive(Accounts)]
pub struct DecideSlash<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the case's device, checked in `validate`; it may be gone. What a penalty that is given back left due is due no more.
    #[account(mut)]
    pub device: UncheckedAccount<'info>,
    #[account(mut)]
    pub slash_case: AccountLoader<'info, SlashCase>,
    /// CHECK: the case's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: the provider's stake vault, a PDA checked in `validate`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`; it need not be there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, which burns; checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl DecideSlash<'_> {
    /// network, oracle_set: the only accounts of their types · slash_case: appealed, in time · instructions: by address, in
    /// `attest`; nobody that accused signs · the rest: in `Resolution::validate`. Anybody may send it: signatures decide.
    fn validate(&self, verdict: SlashVerdict, now: i64) -> Result<()> {
        let case = self.slash_case.load()?;
        require!(case.state()? == SlashState::Appealed, IoError::WrongState);
        require!(now <= case.decide_until, IoError::DeadlinePassed);
        let set = self.oracle_set.load()?;
        let active = set.mask();
        let need = signatures_needed(
            u32::from(set.quorum),
            active.count_ones(),
            (active & case.accusers).count_ones(),
        );
        let statement = SlashStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            case: self.slash_case.key().to_bytes(),
            opened_at: case.opened_at,
            verdict,
        };
        let signers = attest::require_signatures(
            &self.instructions,
            &set,
            &statement.to_bytes(),
            need as usize,
        )?;
        require!(signers & case.accusers == 0, IoError::AccuserMayNotDecide);
        Ok(())
    }
}

pub fn decide_slash(ctx: Context<DecideSlash>, verdict: u8) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    let verdict =
        SlashVerdict::from_u8(verdict).ok_or_else(|| error!(IoError::ParameterOutOfBounds))?;
    let resolution = Resolution {
        provider: &a.provider,
        device: &a.device,
        case: &a.slash_case,
        slash_vault: &a.slash_vault,
        stake_vault: &a.stake_vault,
        co_vault: &a.co_vault,
        io_mint: &a.io_mint,
        token_program: &a.token_program,
    };
    resolution.validate(&a.network.load()?.io_mint)?;
    a.validate(verdict, now)?;
    match verdict {
        SlashVerdict::Upheld => resolution.uphold(now),
        SlashVerdict::Returned => resolution.give_back(now),
    }
}
