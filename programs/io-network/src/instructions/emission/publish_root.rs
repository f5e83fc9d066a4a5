use crate::prelude::*;
use io_protocol::messages::RewardStatement;

use crate::{
    attest,
    errors::IoError,
    events::{log_snapshot, EmissionChanged},
    state::{Emission, Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct PublishRootArgs {
    /// Epoch of emission, over and minted.
    pub epoch: u64,
    pub root: [u8; 32],
    /// All leaves together, IO base units.
    pub total: u64,
    /// BLAKE3 of the leaf set.
    pub blob: [u8; 32],
}

#[derive(Accounts)]
pub struct PublishRoot<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub emission: AccountLoader<'info, Emission>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
}

impl PublishRoot<'_> {
    /// network, oracle_set, emission: the only accounts of their types · instructions: by address, in `attest`. Anybody may send
    /// it: the quorum's signatures decide, within what was minted.
    fn validate(&self, args: &PublishRootArgs) -> Result<()> {
        let emission = self.emission.load()?;
        require!(args.epoch > emission.root_epoch, IoError::RootNotNewer);
        require!(args.epoch <= emission.epochs_done, IoError::EpochNotOver);
        require!(
            args.total >= emission.root_total && args.total <= emission.minted,
            IoError::TotalOutOfRange
        );
        let set = self.oracle_set.load()?;
        let statement = RewardStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            epoch: args.epoch,
            root: args.root,
            total: args.total,
            blob: args.blob,
        };
        attest::require_signatures(
            &self.instructions,
            &set,
            &statement.to_bytes(),
            usize::from(set.quorum),
        )?;
        Ok(())
    }
}

pub fn publish_root(ctx: Context<PublishRoot>, args: PublishRootArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&args)?;
    let mut emission = a.emission.load_mut()?;
    emission.root = args.root;
    emission.root_blob = args.blob;
    emission.root_epoch = args.epoch;
    emission.root_total = args.total;
    emission.invariant()?;
    log_snapshot::<EmissionChanged, _>(None, None, &*emission);
    Ok(())
}
