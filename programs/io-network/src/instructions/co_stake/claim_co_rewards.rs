use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{co_stake_changed, provider_changed},
    state::{CoStake, Network, Provider},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct ClaimCoRewards<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    #[account(mut)]
    pub co_stake: AccountLoader<'info, CoStake>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `validate`.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: the provider's stake vault, where commission goes; a PDA checked in `validate`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: a usable IO token account that the co-staker owns, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ClaimCoRewards<'_> {
    /// network: the only account of its type · provider: the co-stake's · co_stake: any of its type · co_vault, stake_vault: the
    /// provider's PDAs · destination: usable, of IO, the co-staker's · token_program: by address. Anybody may send it: it can only
    /// go to its owner.
    fn validate(&self) -> Result<()> {
        let (provider, co) = (self.provider.load()?, self.co_stake.load()?);
        let key = self.provider.key();
        require_keys_eq!(co.provider, key, IoError::WrongAccount);
        provider.require_co_vault(&key, self.co_vault.key)?;
        provider.require_stake_vault(&key, self.stake_vault.key)?;
        let paid_to = token::require_usable(&self.destination, &self.network.load()?.io_mint)?;
        require_keys_eq!(paid_to.owner, co.co_staker, IoError::WrongOwner);
        Ok(())
    }
}

/// Pays what was earned, less the commission, which becomes the owner's stake.
pub fn claim_co_rewards(ctx: Context<ClaimCoRewards>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let (own, commission) = {
        let mut provider = a.provider.load_mut()?;
        let mut co = a.co_stake.load_mut()?;
        co.settle(&provider)?;
        require!(co.rewards > 0, IoError::NothingOwed);
        let shares = co.take_rewards(&mut provider)?;
        co.invariant(&provider)?;
        provider.invariant()?;
        co_stake_changed(&a.co_stake.key(), &co);
        provider_changed(&a.provider.key(), &provider);
        shares
    };
    let provider = *a.provider.load()?;
    let mut batch = Batch::new();
    batch.transfer(&a.co_vault, &a.destination, a.provider.as_ref(), own);
    batch.transfer(&a.co_vault, &a.stake_vault, a.provider.as_ref(), commission);
    batch.invoke(
        &a.token_program,
        &[&provider.signer_seeds(&[provider.bump])],
    )
}
