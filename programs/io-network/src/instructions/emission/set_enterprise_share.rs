use crate::prelude::*;

use crate::{
    events::{log_snapshot, EmissionChanged},
    guard, instruction,
    state::{Emission, Network, Proposal},
};

#[derive(Accounts)]
pub struct SetEnterpriseShare<'info> {
    /// Administrator or parameters role. Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub emission: AccountLoader<'info, Emission>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// admin, proposal: by `guard` · network, emission: the only accounts of their types.
pub fn set_enterprise_share(ctx: Context<SetEnterpriseShare>, enterprise_bps: u16) -> Result<()> {
    let a = ctx.accounts;
    let call = instruction::SetEnterpriseShare { enterprise_bps };
    guard::authorise(&a.network, &a.admin, &a.proposal, &a.emission.key(), &call)?;
    let mut emission = a.emission.load_mut()?;
    emission.enterprise_bps = enterprise_bps;
    emission.invariant()?;
    log_snapshot::<EmissionChanged, _>(None, None, &*emission);
    Ok(())
}
