use crate::prelude::*;
use io_protocol::slashing::ConductStatement;

use crate::{
    attest,
    errors::IoError,
    instructions::oracle::Forfeit,
    state::{Network, Oracle, OracleSet},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvictArgs {
    /// The job that the oracle says it ran.
    pub job: Pubkey,
    /// Slot in which that job account was created.
    pub created_slot: u64,
    /// Epoch in which its result was submitted.
    pub epoch: u64,
    /// BLAKE3 of the untrue attestation, a blob that oracles keep.
    pub evidence: [u8; 32],
}

#[derive(Accounts)]
pub struct ConvictOracle<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub oracle: AccountLoader<'info, Oracle>,
    /// CHECK: the oracle's vault, a PDA checked in `Forfeit::validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, which burns; checked in `Forfeit::validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: receives the finder's share: a usable IO token account (`Forfeit::validate`) of whom the signatures name.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ConvictOracle<'_> {
    /// network, oracle_set: the only accounts of their types · oracle: the one that a quorum of the others names · destination: of
    /// the finder that they name · instructions: by address, in `attest` · the rest: in `Forfeit::validate`, before this. Anybody may
    /// send it: signatures decide.
    fn validate(&self, args: &ConvictArgs, finder: &Pubkey) -> Result<()> {
        let (set, oracle) = (self.oracle_set.load()?, self.oracle.load()?);
        let statement = ConductStatement {
            deployment: self.network.load()?.deployment(),
            set_version: set.version,
            oracle: oracle.key.to_bytes(),
            job: args.job.to_bytes(),
            created_slot: args.created_slot,
            epoch: args.epoch,
            evidence: args.evidence,
            finder: finder.to_bytes(),
        };
        let signers = attest::require_signatures(
            &self.instructions,
            &set,
            &statement.to_bytes(),
            usize::from(set.quorum),
        )?;
        // Nobody decides about itself, not even against itself: a quorum is of the others.
        let accused = set.position(oracle.key.as_ref());
        require!(
            accused.is_none_or(|slot| signers & (1 << slot) == 0),
            IoError::AccusedMayNotDecide
        );
        Ok(())
    }
}

pub fn convict_oracle(ctx: Context<ConvictOracle>, args: ConvictArgs) -> Result<()> {
    let a = ctx.accounts;
    let forfeit = Forfeit {
        network: &a.network,
        oracle_set: &a.oracle_set,
        oracle: &a.oracle,
        vault: &a.vault,
        io_mint: &a.io_mint,
        destination: &a.destination,
        token_program: &a.token_program,
    };
    let destination = forfeit.validate()?;
    a.validate(&args, &destination.owner)?;
    forfeit.take(Some(args.evidence))
}
