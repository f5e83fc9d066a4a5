use crate::prelude::*;

use crate::{
    errors::{IoError, MoneyResult},
    events::oracle_changed,
    instructions::oracle::invoke_as_oracle,
    state::{Network, Oracle, OracleSet},
    token::{self, Batch},
};

/// Accounts for adding to an oracle's bond and for withdrawing what has matured.
#[derive(Accounts)]
pub struct MoveOracleBond<'info> {
    /// Adding: whoever pays. Withdrawing: the bond's owner.
    pub signer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub oracle: AccountLoader<'info, Oracle>,
    /// CHECK: the oracle's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: an IO token account: pays, or receives. Checked in `validate`.
    #[account(mut)]
    pub token_account: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl MoveOracleBond<'_> {
    /// signer: anybody adds (the token program checks what is paid from), the owner withdraws · network: the only account of its
    /// type · oracle: any of its type · vault: the oracle's PDA · token_account: usable, of IO, not the vault ·
    /// token_program: by address.
    fn validate(&self) -> Result<()> {
        let oracle = self.oracle.load()?;
        oracle.require_vault(&self.oracle.key(), self.vault.key)?;
        require_keys_neq!(
            self.vault.key(),
            self.token_account.key(),
            IoError::SameAccount
        );
        token::require_usable(&self.token_account, &self.network.load()?.io_mint)?;
        Ok(())
    }
}

pub fn add_oracle_bond(ctx: Context<MoveOracleBond>, amount: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    a.network.load()?.require_running()?;
    require!(amount > 0, IoError::ZeroAmount);
    {
        let mut oracle = a.oracle.load_mut()?;
        oracle.require_unblemished()?;
        oracle.bond = oracle.bond.checked_add(amount).or_overflow()?;
        oracle.invariant()?;
        oracle_changed(&a.oracle.key(), &oracle);
    }
    let mut batch = Batch::new();
    batch.transfer(&a.token_account, &a.vault, &a.signer, amount);
    batch.invoke(&a.token_program, &[])
}

pub fn withdraw_oracle_bond(ctx: Context<MoveOracleBond>) -> Result<()> {
    let a = ctx.accounts;
    let now = Clock::get()?.unix_timestamp;
    require_keys_eq!(
        a.oracle.load()?.owner,
        a.signer.key(),
        IoError::NotOracleOwner
    );
    a.validate()?;
    let amount = {
        let mut oracle = a.oracle.load_mut()?;
        require!(
            oracle.unbonding > 0 && oracle.ready_at <= now,
            IoError::NothingMatured
        );
        oracle.ready_at = 0;
        let amount = core::mem::take(&mut oracle.unbonding);
        oracle.invariant()?;
        oracle_changed(&a.oracle.key(), &oracle);
        amount
    };
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.token_account, a.oracle.as_ref(), amount);
    invoke_as_oracle(&*a.oracle.load()?, &a.token_program, batch)
}

#[derive(Accounts)]
pub struct RequestOracleUnbond<'info> {
    pub owner: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub oracle: AccountLoader<'info, Oracle>,
}

impl RequestOracleUnbond<'_> {
    /// owner: of the bond · network, oracle_set: the only accounts of their types · oracle: bound by its owner.
    fn validate(&self, amount: u64) -> Result<()> {
        let (oracle, network) = (self.oracle.load()?, self.network.load()?);
        require_keys_eq!(oracle.owner, self.owner.key(), IoError::NotOracleOwner);
        require!(amount > 0, IoError::ZeroAmount);
        require!(oracle.unbonding == 0, IoError::UnbondingInProgress);
        let rest = oracle.bond.checked_sub(amount);
        let rest = rest.ok_or_else(|| error!(IoError::StakeNotFree))?;
        let in_set = self.oracle_set.load()?.position(oracle.key.as_ref());
        require!(
            in_set.is_none() || rest >= network.min_oracle_bond,
            IoError::OracleBondTooSmall
        );
        Ok(())
    }
}

/// It stays at stake until it is withdrawn: what the oracle signed in the set can be held against it meanwhile.
pub fn request_oracle_unbond(ctx: Context<RequestOracleUnbond>, amount: u64) -> Result<()> {
    let a = ctx.accounts;
    a.validate(amount)?;
    let ready_at = Clock::get()?.unix_timestamp + i64::from(a.network.load()?.unbond_seconds);
    let mut oracle = a.oracle.load_mut()?;
    oracle.bond = oracle.bond.checked_sub(amount).or_overflow()?;
    oracle.unbonding = amount;
    oracle.ready_at = ready_at;
    oracle.invariant()?;
    oracle_changed(&a.oracle.key(), &oracle);
    Ok(())
}
