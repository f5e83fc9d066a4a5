use crate::prelude::*;
use io_protocol::slashing;

use crate::{
    attest,
    errors::IoError,
    instructions::oracle::Forfeit,
    state::{Network, Oracle, OracleSet},
};

#[derive(Accounts)]
pub struct ProveEquivocation<'info> {
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
    /// CHECK: receives the prover's share: any usable IO token account, checked in `Forfeit::validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ProveEquivocation<'_> {
    /// network, oracle_set: the only accounts of their types · oracle: the one that signed both statements · instructions: by
    /// address, in `attest` · the rest: in `Forfeit::validate`. Anybody may send it: the two signatures prove it.
    fn validate(&self) -> Result<()> {
        let deployment = self.network.load()?.deployment();
        attest::require_pair(&self.instructions, &self.oracle.load()?.key, |a, b| {
            slashing::contradiction(&deployment, a, b)
                .map(|_| ())
                .ok_or_else(|| error!(IoError::NoContradiction))
        })
    }
}

pub fn prove_equivocation(ctx: Context<ProveEquivocation>) -> Result<()> {
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
    forfeit.validate()?;
    a.validate()?;
    forfeit.take(None)
}
