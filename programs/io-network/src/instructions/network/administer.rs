use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{log_snapshot, NetworkChanged},
    guard::{self, Role},
    instruction,
    state::{Network, NetworkParams, Proposal},
};

/// Accounts of the administrator's own instructions that no timelock holds back.
#[derive(Accounts)]
pub struct Administer<'info> {
    pub admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
}

impl Administer<'_> {
    /// admin: recorded in the network · network: the only account of its type.
    fn validate(&self) -> Result<()> {
        self.network
            .load()?
            .require_role(Role::Admin, self.admin.key)
    }
}

fn change(loader: &AccountLoader<Network>, f: impl FnOnce(&mut Network)) -> Result<()> {
    let mut network = loader.load_mut()?;
    f(&mut network);
    network.invariant()?;
    log_snapshot::<NetworkChanged, _>(None, None, &*network);
    Ok(())
}

/// `pauser` may stop, too; only the administrator restarts.
pub fn set_paused(ctx: Context<Administer>, paused: bool) -> Result<()> {
    let a = ctx.accounts;
    let by_pauser = paused && a.network.load()?.pauser == a.admin.key();
    if !by_pauser {
        a.validate()?;
    }
    change(&a.network, |network| network.paused = u8::from(paused))
}

pub fn propose_admin(ctx: Context<Administer>, admin: Pubkey) -> Result<()> {
    ctx.accounts.validate()?;
    change(&ctx.accounts.network, |network| {
        network.pending_admin = admin
    })
}

/// Who holds parts of the administration beside the administrator; zero for nobody. Not under the timelock: what the holders
/// do is, and a stolen role has to go at once.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// May pause.
    pub pauser: Pubkey,
    /// May change parameters, payment mints and classes.
    pub params: Pubkey,
    /// May change the oracle set.
    pub oracles: Pubkey,
}

pub fn set_roles(ctx: Context<Administer>, roles: Roles) -> Result<()> {
    ctx.accounts.validate()?;
    change(&ctx.accounts.network, |network| {
        network.pauser = roles.pauser;
        network.params_role = roles.params;
        network.oracles_role = roles.oracles;
    })
}

#[derive(Accounts)]
pub struct UpdateParams<'info> {
    /// Administrator or parameters role. Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network: the only account of its type.
pub fn update_params(ctx: Context<UpdateParams>, params: NetworkParams) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::UpdateParams { params };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.network.key(), &call)?;
    change(&a.network, |network| network.set_params(&params))
}

#[derive(Accounts)]
pub struct SetTimelock<'info> {
    /// Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard`; raising needs no proposal, only the administrator · network: the only account of its type.
pub fn set_timelock(ctx: Context<SetTimelock>, seconds: u32) -> Result<()> {
    let a = ctx.accounts;
    let raises = {
        let network = a.network.load()?;
        network.require_role(Role::Admin, a.admin.key)?;
        seconds >= network.timelock_seconds && a.proposal.is_none()
    };
    if !raises {
        let call = instruction::SetTimelock { seconds };
        guard::authorise(&a.network, &a.admin, &a.proposal, &a.network.key(), &call)?;
    }
    change(&a.network, |network| network.timelock_seconds = seconds)
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
    change(&ctx.accounts.network, |network| {
        network.admin = network.pending_admin;
        network.pending_admin = Pubkey::default();
    })
}
