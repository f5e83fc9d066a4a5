//! What becomes of a penalty: appeal, decision, delivery.

mod appeal_slash;
mod close_slash_case;
mod decide_slash;
mod file_evidence;
mod finalise_slash_case;
mod pay_slash_share;

pub use {
    appeal_slash::*, close_slash_case::*, decide_slash::*, file_evidence::*,
    finalise_slash_case::*, pay_slash_share::*,
};

use crate::prelude::*;
use io_protocol::slashing;

use crate::{
    errors::{IoError, MoneyResult},
    events::{device_changed, provider_changed, slash_case_changed},
    seeds,
    state::{Device, Provider, SlashCase, SlashState},
    token::Batch,
};

/// The accounts that a decision moves money between.
struct Resolution<'a, 'info> {
    provider: &'a AccountLoader<'info, Provider>,
    device: &'a AccountInfo<'info>,
    case: &'a AccountLoader<'info, SlashCase>,
    slash_vault: &'a AccountInfo<'info>,
    stake_vault: &'a AccountInfo<'info>,
    co_vault: &'a AccountInfo<'info>,
    io_mint: &'a AccountInfo<'info>,
    token_program: &'a AccountInfo<'info>,
}

impl Resolution<'_, '_> {
    /// provider, device: the case's; the device may be gone · slash_vault: the case's PDA · stake_vault, co_vault: the provider's PDAs · io_mint: given ·
    /// token_program: by address, in the call.
    fn validate(&self, io_mint: &Pubkey) -> Result<()> {
        let (case, provider) = (self.case.load()?, self.provider.load()?);
        let key = self.provider.key();
        require_keys_eq!(case.provider, key, IoError::WrongAccount);
        require_keys_eq!(case.device, *self.device.key, IoError::WrongAccount);
        case.require_vault(&self.case.key(), self.slash_vault.key)?;
        provider.require_stake_vault(&key, self.stake_vault.key)?;
        provider.require_co_vault(&key, self.co_vault.key)?;
        require_keys_eq!(*io_mint, *self.io_mint.key, IoError::WrongMint);
        Ok(())
    }

    /// The penalty stands: shares are owed, the rest and the bond of a failed appeal burn.
    fn uphold(&self, now: i64) -> Result<()> {
        let burn = {
            let mut case = self.case.load_mut()?;
            let appealed = case.state()? == SlashState::Appealed;
            let challenger_bps = match case.challenger == Pubkey::default() {
                true => 0,
                false => case.challenger_bps,
            };
            let split = slashing::split_penalty(case.amount, case.renter_bps, challenger_bps)
                .or_overflow()?;
            let bond = if appealed { case.appeal_bond } else { 0 };
            case.owed_renter = split.renter;
            case.owed_challenger = split.challenger;
            case.burned = split.burn.checked_add(bond).or_overflow()?;
            case.state = SlashState::Upheld as u8;
            case.decided_at = now;
            let mut provider = self.provider.load_mut()?;
            provider.co_disputed = provider
                .co_disputed
                .checked_sub(case.co_part)
                .or_overflow()?;
            self.tell(&case, &provider)?;
            case.burned
        };
        let mut batch = Batch::new();
        batch.burn(self.slash_vault, self.io_mint, self.case.as_ref(), burn);
        let case = *self.case.load()?;
        invoke_as_case(&case, self.token_program, batch)
    }

    /// The penalty was wrong: everything goes back to where it was taken from. A pool that everybody left gives its part to the
    /// owner, who answered for it first.
    fn give_back(&self, now: i64) -> Result<()> {
        let (to_owner, to_pool) = {
            let mut case = self.case.load_mut()?;
            let mut provider = self.provider.load_mut()?;
            if case.state()? == SlashState::Appealed {
                case.owed_appellant = case.appeal_bond;
            }
            let (to_owner, to_pool) = match provider.co_shares {
                0 => (case.amount, 0),
                _ => (case.owner_part, case.co_part),
            };
            provider.staked = provider.staked.checked_add(to_owner).or_overflow()?;
            provider.co_assets = provider.co_assets.checked_add(to_pool).or_overflow()?;
            provider.co_disputed = provider
                .co_disputed
                .checked_sub(case.co_part)
                .or_overflow()?;
            case.state = SlashState::Returned as u8;
            case.decided_at = now;
            self.tell(&case, &provider)?;
            self.forgive(&case)?;
            (to_owner, to_pool)
        };
        let mut batch = Batch::new();
        batch.transfer(
            self.slash_vault,
            self.stake_vault,
            self.case.as_ref(),
            to_owner,
        );
        batch.transfer(self.slash_vault, self.co_vault, self.case.as_ref(), to_pool);
        let case = *self.case.load()?;
        invoke_as_case(&case, self.token_program, batch)
    }

    /// What a wrong penalty left due is due no more. A device that is gone owed nothing, and one that was registered anew owes nothing of that.
    fn forgive(&self, case: &SlashCase) -> Result<()> {
        let due = case.due();
        if due == 0 || self.device.owner != &crate::ID {
            return Ok(());
        }
        let mut data = self.device.try_borrow_mut_data()?;
        let (tag, body) = data
            .split_at_mut_checked(Device::DISCRIMINATOR.len())
            .ok_or_else(|| error!(IoError::WrongAccount))?;
        require!(tag == Device::DISCRIMINATOR, IoError::WrongAccount);
        let device = bytemuck::try_from_bytes_mut::<Device>(body)
            .map_err(|_| error!(IoError::WrongAccount))?;
        if device.provider != case.provider || device.since > case.opened_at {
            return Ok(());
        }
        device.forgive(due);
        device.invariant()?;
        device_changed(self.device.key, device);
        Ok(())
    }

    fn tell(&self, case: &SlashCase, provider: &Provider) -> Result<()> {
        case.invariant()?;
        provider.invariant()?;
        slash_case_changed(&self.case.key(), case);
        provider_changed(&self.provider.key(), provider);
        Ok(())
    }
}

/// Sends a token call signed by the case, the authority of its vault.
fn invoke_as_case<'info>(
    case: &SlashCase,
    token_program: &AccountInfo<'info>,
    batch: Batch<'info>,
) -> Result<()> {
    let (number, bump) = (case.number.to_le_bytes(), [case.bump]);
    let seeds: [&[u8]; 4] = [seeds::SLASH, case.provider.as_ref(), &number, &bump];
    batch.invoke(token_program, &[&seeds])
}
