use crate::prelude::*;
use io_protocol::{money, slashing};

use crate::{
    attest,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, oracle_changed, OracleSetChanged},
    instructions::oracle::invoke_as_oracle,
    state::{Network, Oracle, OracleSet},
    token::{self, Batch},
};

#[derive(Accounts)]
pub struct ProveEquivocation<'info> {
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub oracle: AccountLoader<'info, Oracle>,
    /// CHECK: the oracle's vault, a PDA checked in `validate`.
    #[account(mut)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, which burns; checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: receives the prover's share: any usable IO token account, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl ProveEquivocation<'_> {
    /// network, oracle_set: the only accounts of their types · oracle: the one that signed both statements · vault: the oracle's PDA
    /// · io_mint: the network's · destination: usable, of IO, not the vault · instructions: by address, in `attest` ·
    /// token_program: by address. Anybody may send it: the two signatures prove it.
    fn validate(&self) -> Result<()> {
        let (network, oracle) = (self.network.load()?, self.oracle.load()?);
        oracle.require_vault(&self.oracle.key(), self.vault.key)?;
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        require_keys_neq!(
            self.vault.key(),
            self.destination.key(),
            IoError::SameAccount
        );
        token::require_usable(&self.destination, &network.io_mint)?;
        let deployment = network.deployment();
        attest::require_pair(&self.instructions, &oracle.key, |a, b| {
            slashing::contradiction(&deployment, a, b)
                .map(|_| ())
                .ok_or_else(|| error!(IoError::NoContradiction))
        })
    }
}

/// The whole bond is lost: the prover's share is paid, the rest burned. The oracle leaves the set if the others reach the quorum.
pub fn prove_equivocation(ctx: Context<ProveEquivocation>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let (lost, share) = {
        let mut oracle = a.oracle.load_mut()?;
        let mut set = a.oracle_set.load_mut()?;
        let removed = match set.position(oracle.key.as_ref()) {
            Some(slot) => set.remove(slot)?,
            None => false,
        };
        let lost = oracle.liabilities()?;
        // Proven once is enough; but a member that could not be removed then may be now.
        require!(lost > 0 || removed, IoError::NothingOwed);
        let share =
            money::share_floor(lost, a.network.load()?.slash_challenger_bps).or_overflow()?;
        oracle.bond = 0;
        oracle.unbonding = 0;
        oracle.ready_at = 0;
        oracle.slashed = oracle.slashed.checked_add(lost).or_overflow()?;
        oracle.invariant()?;
        oracle_changed(&a.oracle.key(), &oracle);
        if removed {
            log_snapshot::<OracleSetChanged, _>(None, None, &*set);
        }
        (lost, share)
    };
    let mut batch = Batch::new();
    batch.transfer(&a.vault, &a.destination, a.oracle.as_ref(), share);
    batch.burn(&a.vault, &a.io_mint, a.oracle.as_ref(), lost - share);
    invoke_as_oracle(&*a.oracle.load()?, &a.token_program, batch)
}
