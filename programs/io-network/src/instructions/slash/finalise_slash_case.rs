use crate::prelude::*;

use crate::{
    errors::IoError,
    instructions::slash::Resolution,
    state::{Network, Provider, SlashCase, SlashCause, SlashState},
};

#[derive(Accounts)]
pub struct FinaliseSlashCase<'info> {
    pub network: AccountLoader<'info, Network>,
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
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

/// network: the only account of its type · slash_case: undecided, and time has decided · the rest: in `Resolution::validate`.
/// Anybody may send it.
pub fn finalise_slash_case(ctx: Context<FinaliseSlashCase>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
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
    let (state, appeal_until, decide_until, cause) = {
        let case = a.slash_case.load()?;
        (
            case.state()?,
            case.appeal_until,
            case.decide_until,
            case.cause,
        )
    };
    match state {
        SlashState::Open => {
            require!(now > appeal_until, IoError::DeadlineNotPassed);
            resolution.uphold(now)
        }
        SlashState::Appealed => {
            require!(now > decide_until, IoError::DeadlineNotPassed);
            // A wrong cell was found by the program: it takes a quorum's word to forgive it, and not its silence.
            match cause == SlashCause::BadCell as u8 {
                true => resolution.uphold(now),
                false => resolution.give_back(now),
            }
        }
        _ => err!(IoError::WrongState),
    }
}
