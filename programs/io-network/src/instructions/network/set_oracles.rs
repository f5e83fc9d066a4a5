use anchor_lang::prelude::*;

use crate::{
    constants::MAX_ORACLES,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, OracleSetChanged},
    guard, instruction,
    state::{Network, OracleSet, Proposal},
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
    #[account(mut)]
    pub proposal: Option<AccountLoader<'info, Proposal>>,
}

/// Writes a whole new set and raises its version.
pub(super) fn replace(set: &mut OracleSet, quorum: u8, oracles: &[Pubkey]) -> Result<()> {
    require!(oracles.len() <= MAX_ORACLES, IoError::BadOracleSet);
    set.oracles = [Pubkey::default(); MAX_ORACLES];
    set.oracles[..oracles.len()].copy_from_slice(oracles);
    set.count = oracles.len() as u8;
    set.quorum = quorum;
    set.version = set.version.checked_add(1).or_overflow()?;
    set.invariant()
}

/// admin, proposal: by `guard` · network, oracle_set: the only accounts of their types.
pub fn set_oracles(ctx: Context<SetOracles>, args: SetOraclesArgs) -> Result<()> {
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
    replace(&mut set, args.quorum, &args.oracles)?;
    log_snapshot::<OracleSetChanged, _>(None, None, &*set);
    Ok(())
}
