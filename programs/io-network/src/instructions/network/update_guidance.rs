use crate::prelude::*;
use io_protocol::guidance::{next_price, GuidanceStatement};

use crate::{
    attest,
    constants::{MAX_BPS, MAX_GUIDANCE_EPOCHS},
    errors::IoError,
    events::{log_snapshot, DeviceClassChanged},
    state::{DeviceClass, Emission, Network, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct GuidanceArgs {
    /// Epoch of emission that was observed: one whose root, or a later one's, is on chain.
    pub epoch: u64,
    /// Hired share of the class's attested time, basis points.
    pub utilisation_bps: u16,
}

#[derive(Accounts)]
pub struct UpdateGuidance<'info> {
    pub network: AccountLoader<'info, Network>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    pub emission: AccountLoader<'info, Emission>,
    #[account(mut)]
    pub class: AccountLoader<'info, DeviceClass>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
}

impl UpdateGuidance<'_> {
    /// network, oracle_set, emission: the only accounts of their types · class: named by the signed statement, with guidance ·
    /// instructions: by address, in `attest`. Anybody may send it: the quorum's signatures decide.
    fn validate(&self, args: &GuidanceArgs) -> Result<()> {
        let class = self.class.load()?;
        require!(class.price_ceiling > 0, IoError::NoGuidance);
        // What the figure follows from is committed to by that epoch's root.
        let newest = self.emission.load()?.root_epoch;
        require!(
            args.epoch <= newest
                && args.epoch.saturating_add(MAX_GUIDANCE_EPOCHS) >= newest
                && args.epoch > class.guided_until(newest),
            IoError::EpochNotAcceptable
        );
        require!(
            args.utilisation_bps <= MAX_BPS,
            IoError::ParameterOutOfBounds
        );
        let set = self.oracle_set.load()?;
        let statement = GuidanceStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            class: self.class.key().to_bytes(),
            epoch: args.epoch,
            utilisation_bps: args.utilisation_bps,
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

pub fn update_guidance(ctx: Context<UpdateGuidance>, args: GuidanceArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&args)?;
    let target_bps = a.network.load()?.target_utilisation_bps;
    let mut class = a.class.load_mut()?;
    class.reference_price = next_price(
        class.reference_price,
        args.utilisation_bps,
        target_bps,
        class.price_floor,
        class.price_ceiling,
    );
    class.guidance_epoch = args.epoch;
    class.utilisation_bps = args.utilisation_bps;
    log_snapshot::<DeviceClassChanged, _>(Some(&a.class.key()), None, &*class);
    Ok(())
}
