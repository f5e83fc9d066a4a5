use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, VestingChanged},
    seeds,
    state::Vesting,
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct ClaimVested<'info> {
    pub beneficiary: Signer<'info>,
    #[account(mut)]
    pub vesting: AccountLoader<'info, Vesting>,
    /// CHECK: the vesting account's vault, checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: a usable token account of the vault's mint, checked in `validate`.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ClaimVested<'_> {
    /// beneficiary: recorded in the vesting account · vesting: bound by its beneficiary · vault: recorded in the vesting
    /// account · token_account: usable, of the vault's mint, not the vault; the beneficiary's choice · token_program: by
    /// address.
    fn validate(&self) -> Result<()> {
        let vesting = self.vesting.load()?;
        require_keys_eq!(
            vesting.beneficiary,
            self.beneficiary.key(),
            IoError::NotBeneficiary
        );
        require_keys_eq!(vesting.vault, self.vault.key(), IoError::WrongAccount);
        require_keys_neq!(
            vesting.vault,
            self.token_account.key(),
            IoError::SameAccount
        );
        let vault = token::read(&self.vault).ok_or_else(|| error!(IoError::BadTokenAccount))?;
        token::require_usable(&self.token_account, &vault.mint)?;
        Ok(())
    }
}

pub fn claim_vested(ctx: Context<ClaimVested>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let now = Clock::get()?.unix_timestamp;
    let (amount, index, bump) = {
        let mut vesting = a.vesting.load_mut()?;
        let amount = vesting.claimable(now);
        require!(amount > 0, IoError::NothingVested);
        vesting.claimed = vesting.claimed.checked_add(amount).or_overflow()?;
        vesting.invariant()?;
        log_snapshot::<VestingChanged, _>(Some(&a.vesting.key()), None, &*vesting);
        (amount, vesting.index, vesting.bump)
    };
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.token_account, a.vesting.as_ref(), amount);
    batch.invoke(&a.token_program, &[&[seeds::VESTING, &[index], &[bump]]])
}

/// Accounts for handing a vesting account over, in two steps.
#[derive(Accounts)]
pub struct HandVesting<'info> {
    /// The beneficiary proposes, the proposed accepts.
    pub signer: Signer<'info>,
    #[account(mut)]
    pub vesting: AccountLoader<'info, Vesting>,
}

/// signer: the beneficiary · vesting: bound by its beneficiary. The zero key takes a proposal back.
pub fn propose_beneficiary(ctx: Context<HandVesting>, beneficiary: Pubkey) -> Result<()> {
    let a = ctx.accounts;
    let mut vesting = a.vesting.load_mut()?;
    require_keys_eq!(vesting.beneficiary, a.signer.key(), IoError::NotBeneficiary);
    vesting.pending = beneficiary;
    vesting.invariant()?;
    log_snapshot::<VestingChanged, _>(Some(&a.vesting.key()), None, &*vesting);
    Ok(())
}

/// signer: was proposed · vesting: bound by the proposal.
pub fn accept_beneficiary(ctx: Context<HandVesting>) -> Result<()> {
    let a = ctx.accounts;
    let mut vesting = a.vesting.load_mut()?;
    require_keys_eq!(vesting.pending, a.signer.key(), IoError::NotBeneficiary);
    vesting.beneficiary = vesting.pending;
    vesting.pending = Pubkey::default();
    vesting.invariant()?;
    log_snapshot::<VestingChanged, _>(Some(&a.vesting.key()), None, &*vesting);
    Ok(())
}
