use crate::prelude::*;

use crate::{
    errors::IoError,
    events::device_changed,
    instructions::provider::CaseOpening,
    seeds,
    state::{Device, Network, Provider, SlashCause},
};

#[derive(Accounts)]
pub struct OpenFaultCase<'info> {
    /// Pays the rent, which is theirs again when the case ends. Anybody.
    #[account(mut)]
    pub opener: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the provider's stake vault, a PDA checked in `CaseOpening`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `CaseOpening`; it need not be there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::SLASH, provider.key().as_ref(), &provider.load()?.slash_cases.to_le_bytes()], bump)]
    pub slash_case: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, slash_case.key().as_ref()], bump)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `CaseOpening`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl OpenFaultCase<'_> {
    /// opener: pays, nothing else · network: the only account of its type · device: owes a penalty, and who proved its fault has had a day
    /// to take it · provider: the device's · the rest: in `CaseOpening::validate` and by address.
    fn validate(&self, now: i64) -> Result<()> {
        let device = self.device.load()?;
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        require!(device.fault_due() > 0, IoError::NothingOwed);
        require!(device.faultable(now), IoError::DeadlineNotPassed);
        Ok(())
    }
}

/// What a proven fault still costs moves into a slash case, as far as the bond and the owner's stake have it by now. The proof is no longer
/// brought, so there is no challenger: the share burns.
pub fn open_fault_case(ctx: Context<OpenFaultCase>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    a.validate(now)?;
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
    let parts = {
        let (mut device, mut provider) = (a.device.load_mut()?, a.provider.load_mut()?);
        let penalty = device.fault_due();
        let parts = device.pay(&mut provider, penalty)?;
        device.invariant()?;
        device_changed(&a.device.key(), &device);
        parts
    };
    require!(parts != (0, 0), IoError::StakeNotFree);
    let device = a.device.key();
    opening.open(parts, now, |case| {
        case.device = device;
        case.cause = SlashCause::BadCell as u8;
        // There is no renter: that share burns.
        case.renter_bps = 0;
    })
}
