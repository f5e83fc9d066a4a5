use crate::prelude::*;

use crate::{
    events::{log_snapshot, NetworkChanged},
    guard, instruction,
    state::{Network, Proposal},
};

#[derive(Accounts)]
pub struct SetTreasuryOwner<'info> {
    /// Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    #[account(mut)]
    pub network: AccountLoader<'info, Network>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network: the only account of its type.
pub fn set_treasury_owner(ctx: Context<SetTreasuryOwner>, owner: Pubkey) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::SetTreasuryOwner { owner };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.network.key(), &call)?;
    let mut network = a.network.load_mut()?;
    network.treasury_owner = owner;
    network.invariant()?;
    log_snapshot::<NetworkChanged, _>(None, None, &*network);
    Ok(())
}
