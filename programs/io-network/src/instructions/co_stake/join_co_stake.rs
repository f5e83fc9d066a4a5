use crate::prelude::*;
use anchor_lang::{system_program, Discriminator};
use io_protocol::costake::{self, JoinError};

use crate::{
    accounts_util::Creator,
    constants::{MIN_CO_STAKE, VERSION},
    errors::{IoError, MoneyResult},
    events::{co_stake_changed, provider_changed},
    seeds,
    state::{CoStake, Network, Provider},
    token::{self, Batch},
};

impl From<JoinError> for IoError {
    fn from(e: JoinError) -> Self {
        match e {
            JoinError::WipedOut => IoError::PoolWipedOut,
            JoinError::Dust => IoError::CoStakeTooSmall,
            JoinError::Overflow => IoError::Overflow,
        }
    }
}

#[derive(Accounts)]
pub struct JoinCoStake<'info> {
    /// Pays the stake, and the rent the first time.
    #[account(mut)]
    pub co_staker: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: created here at its PDA, or the one that is there already.
    #[account(mut, seeds = [seeds::CO_STAKE, provider.key().as_ref(), co_staker.key().as_ref()], bump)]
    pub co_stake: UncheckedAccount<'info>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: pays: a usable IO token account, checked in `validate`.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl JoinCoStake<'_> {
    /// co_staker: signs for itself, is not the provider · network: the only account of its type · provider: any that takes
    /// co-stake · co_stake: at its PDA · co_vault: the provider's PDA · token_account: usable, of IO, not the vault (the token
    /// program checks who may pay from it) · token_program, system_program: by address.
    fn validate(&self, amount: u64, max_commission_bps: u16) -> Result<()> {
        let (provider, network) = (self.provider.load()?, self.network.load()?);
        network.require_running()?;
        provider.require_co_vault(&self.provider.key(), self.co_vault.key)?;
        let who = self.co_staker.key();
        require!(
            who != provider.authority && who != provider.payout_owner,
            IoError::OwnCoStake
        );
        require!(provider.co_open == 1, IoError::CoStakeClosed);
        require!(
            provider.commission_bps <= max_commission_bps,
            IoError::CommissionTooHigh
        );
        // Who joins now would buy a part of what an undecided case may return.
        require!(provider.co_disputed == 0, IoError::CaseUndecided);
        require!(amount >= MIN_CO_STAKE, IoError::CoStakeTooSmall);
        let assets = provider.co_assets.checked_add(amount).or_overflow()?;
        require!(assets <= provider.staked, IoError::CoStakeTooLarge);
        require_keys_neq!(
            self.co_vault.key(),
            self.token_account.key(),
            IoError::SameAccount
        );
        token::require_usable(&self.token_account, &network.io_mint)?;
        Ok(())
    }
}

/// Earns from the first reward on that the provider claims for a time after the joining.
pub fn join_co_stake(
    ctx: Context<JoinCoStake>,
    amount: u64,
    max_commission_bps: u16,
) -> Result<()> {
    let a = ctx.accounts;
    a.validate(amount, max_commission_bps)?;
    let now = Clock::get()?.unix_timestamp;
    let (address, key) = (a.provider.key(), a.co_stake.key());
    let mut provider = a.provider.load_mut()?;
    if *a.co_stake.owner == system_program::ID {
        let who = a.co_staker.key();
        let seeds: &[&[u8]] = &[
            seeds::CO_STAKE,
            address.as_ref(),
            who.as_ref(),
            &[ctx.bumps.co_stake],
        ];
        let mut new =
            Creator::new(&a.co_staker, &a.system_program)?.create::<CoStake>(&a.co_stake, seeds)?;
        new.provider = address;
        new.co_staker = who;
        new.acc = provider.co_acc;
        new.commission_bps = provider.commission_bps;
        new.bump = ctx.bumps.co_stake;
        new.version = VERSION;
        provider.co_stakers = provider.co_stakers.checked_add(1).or_overflow()?;
    } else {
        require_keys_eq!(
            a.system_program.key(),
            system_program::ID,
            IoError::WrongAccount
        );
    }
    {
        let mut data = a.co_stake.try_borrow_mut_data()?;
        let co = bytemuck::try_from_bytes_mut::<CoStake>(&mut data[CoStake::DISCRIMINATOR.len()..])
            .map_err(|_| error!(IoError::WrongAccount))?;
        require!(co.notice_until == 0, IoError::AlreadyLeaving);
        // One account, one set of terms: more under others needs another wallet.
        require!(
            co.commission_bps >= provider.commission_bps,
            IoError::CommissionTooHigh
        );
        let shares = costake::shares_for(amount, provider.co_shares, provider.co_assets)
            .map_err(|e| error!(IoError::from(e)))?;
        co.pending = co.pending.checked_add(shares).or_overflow()?;
        co.joined_at = now;
        provider.co_shares = provider.co_shares.checked_add(shares).or_overflow()?;
        provider.co_assets = provider.co_assets.checked_add(amount).or_overflow()?;
        co.invariant(&provider)?;
        provider.invariant()?;
        co_stake_changed(&key, co);
        provider_changed(&address, &provider);
    }
    drop(provider);
    let mut batch = Batch::new();
    batch.transfer(&a.token_account, &a.co_vault, &a.co_staker, amount);
    batch.invoke(&a.token_program, &[])
}
