use anchor_lang::prelude::*;

use crate::{
    errors::IoError,
    events::{log_snapshot, NetworkChanged},
    state::{Network, NetworkParams},
};

/// Accounts of the administrator's own instructions.
#[derive(Accounts)]
pub struct Administer<'info> {
    pub admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
}

impl Administer<'_> {
    /// admin: recorded in the network · network: the only account of its type.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.network.load()?.admin,
            self.admin.key(),
            IoError::NotAdmin
        );
        Ok(())
    }

    fn change(&self, f: impl FnOnce(&mut Network)) -> Result<()> {
        self.validate()?;
        let mut network = self.network.load_mut()?;
        f(&mut network);
        network.invariant()?;
        log_snapshot::<NetworkChanged, _>(None, None, &*network);
        Ok(())
    }
}

pub fn update_params(ctx: Context<Administer>, params: NetworkParams) -> Result<()> {
    ctx.accounts.change(|network| network.set_params(&params))
}

pub fn set_paused(ctx: Context<Administer>, paused: bool) -> Result<()> {
    ctx.accounts
        .change(|network| network.paused = u8::from(paused))
}

pub fn propose_admin(ctx: Context<Administer>, admin: Pubkey) -> Result<()> {
    ctx.accounts.change(|network| network.pending_admin = admin)
}

#[derive(Accounts)]
pub struct AcceptAdmin<'info> {
    pub pending_admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
}

impl AcceptAdmin<'_> {
    /// pending_admin: was proposed · network: the only account of its type.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.network.load()?.pending_admin,
            self.pending_admin.key(),
            IoError::NotPendingAdmin
        );
        Ok(())
    }
}

pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
    ctx.accounts.validate()?;
    let mut network = ctx.accounts.network.load_mut()?;
    network.admin = network.pending_admin;
    network.pending_admin = Pubkey::default();
    network.invariant()?;
    log_snapshot::<NetworkChanged, _>(None, None, &*network);
    Ok(())
}
