use crate::prelude::*;

use crate::{
    constants::MAX_ORACLES,
    errors::IoError,
    events::{log_snapshot, OracleSetChanged},
    guard, instruction,
    state::{Network, Oracle, OracleSet, Proposal},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct SetOraclesArgs {
    pub quorum: u8,
    /// At most 32, all different.
    pub oracles: Vec<Pubkey>,
}

#[derive(Accounts)]
pub struct SetOracles<'info> {
    /// Administrator or oracles role. Receives a used proposal's rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut, close = admin)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// Every key that is not in the set yet has a bond: its `Oracle` account is among the remaining ones, in any order.
fn require_bonds(
    set: &OracleSet,
    least: u64,
    oracles: &[Pubkey],
    accounts: &[AccountInfo],
) -> Result<()> {
    for key in oracles
        .iter()
        .filter(|k| set.position(k.as_ref()).is_none())
    {
        let mut found = false;
        for info in accounts.iter().take(MAX_ORACLES) {
            if *info.owner != crate::ID {
                continue;
            }
            let data = info.try_borrow_data()?;
            let Some(oracle) = Oracle::read(&data) else {
                continue;
            };
            if oracle.key == *key {
                oracle.require_unblemished()?;
                require!(oracle.bond >= least, IoError::OracleBondTooSmall);
                found = true;
                break;
            }
        }
        require!(found, IoError::OracleBondRequired);
    }
    Ok(())
}

/// admin, proposal: by `guard` · network, oracle_set: the only accounts of their types · remaining accounts: while oracles need a
/// bond, the `Oracle` accounts of the new ones, by owner, type and key.
pub fn set_oracles(ctx: Context<SetOracles>, args: SetOraclesArgs) -> Result<()> {
    let remaining = ctx.remaining_accounts;
    let a = ctx.accounts;
    let call = instruction::SetOracles { args };
    guard::authorise(
        &a.network,
        &a.admin,
        &a.proposal,
        &a.oracle_set.key(),
        &call,
    )?;
    let args = call.args;
    let mut set = a.oracle_set.load_mut()?;
    let least = a.network.load()?.min_oracle_bond;
    if least > 0 {
        require_bonds(&set, least, &args.oracles, remaining)?;
    }
    set.replace(args.quorum, &args.oracles)?;
    log_snapshot::<OracleSetChanged, _>(None, None, &*set);
    Ok(())
}
