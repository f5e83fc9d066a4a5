use anchor_lang::prelude::*;

use crate::{
    constants::MAX_ORACLES,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, OracleSetChanged},
    state::{Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct SetOraclesArgs {
    pub quorum: u8,
    /// At most 32, all different.
    pub oracles: Vec<Pubkey>,
}

#[derive(Accounts)]
pub struct SetOracles<'info> {
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub oracle_set: AccountLoader<'info, OracleSet>,
}

impl SetOracles<'_> {
    /// admin: recorded in the network · network, oracle_set: the only accounts of their types.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.network.load()?.admin,
            self.admin.key(),
            IoError::NotAdmin
        );
        Ok(())
    }
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

pub fn set_oracles(ctx: Context<SetOracles>, args: SetOraclesArgs) -> Result<()> {
    ctx.accounts.validate()?;
    let mut set = ctx.accounts.oracle_set.load_mut()?;
    replace(&mut set, args.quorum, &args.oracles)?;
    log_snapshot::<OracleSetChanged, _>(None, None, &*set);
    Ok(())
}
