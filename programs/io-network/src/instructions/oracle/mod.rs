//! Oracles' bonds, and what costs them.

mod convict_oracle;
mod move_oracle_bond;
mod prove_equivocation;
mod register_oracle;

pub use {convict_oracle::*, move_oracle_bond::*, prove_equivocation::*, register_oracle::*};

use crate::prelude::*;
use io_protocol::money;

use crate::{
    errors::{IoError, MoneyResult},
    events::{log_snapshot, oracle_changed, OracleSetChanged},
    seeds,
    state::{Network, Oracle, OracleSet},
    token::{self, Batch, TokenAccount},
};

/// Sends a token call signed by the oracle's account, the authority of its vault.
fn invoke_as_oracle<'info>(
    oracle: &Oracle,
    token_program: &AccountInfo<'info>,
    batch: Batch<'info>,
) -> Result<()> {
    let bump = [oracle.bump];
    let seeds: [&[u8]; 3] = [seeds::ORACLE, oracle.key.as_ref(), &bump];
    batch.invoke(token_program, &[&seeds])
}

/// Where a bond goes that is lost: the same for every reason.
struct Forfeit<'a, 'info> {
    network: &'a AccountLoader<'info, Network>,
    oracle_set: &'a AccountLoader<'info, OracleSet>,
    oracle: &'a AccountLoader<'info, Oracle>,
    vault: &'a AccountInfo<'info>,
    io_mint: &'a AccountInfo<'info>,
    destination: &'a AccountInfo<'info>,
    token_program: &'a AccountInfo<'info>,
}

impl Forfeit<'_, '_> {
    /// vault: the oracle's PDA · io_mint: the network's · destination: usable, of IO, not the vault · network, oracle_set, oracle: of
    /// their types, the oracle by whatever proves its fault · token_program: by address. Returns the destination.
    fn validate(&self) -> Result<TokenAccount> {
        let (network, oracle) = (self.network.load()?, self.oracle.load()?);
        oracle.require_vault(&self.oracle.key(), self.vault.key)?;
        require_keys_eq!(network.io_mint, *self.io_mint.key, IoError::WrongMint);
        require_keys_neq!(*self.vault.key, *self.destination.key, IoError::SameAccount);
        token::require_usable(self.destination, &network.io_mint)
    }

    /// The whole bond is lost: the share of whoever showed it is paid, the rest burned. The oracle leaves the set if the others reach the
    /// quorum, and is barred. `convicted_by`: what a quorum found, if that is the reason; the first finding stays.
    fn take(&self, convicted_by: Option<[u8; 32]>) -> Result<()> {
        let (lost, share) = {
            let mut oracle = self.oracle.load_mut()?;
            let mut set = self.oracle_set.load_mut()?;
            let removed = match set.position(oracle.key.as_ref()) {
                Some(slot) => set.remove(slot)?,
                None => false,
            };
            let lost = oracle.liabilities()?;
            // Shown once is enough; but a member that could not be removed then may be now.
            require!(
                lost > 0 || removed || oracle.barred == 0,
                IoError::NothingOwed
            );
            let share = money::share_floor(lost, self.network.load()?.slash_challenger_bps)
                .or_overflow()?;
            oracle.bond = 0;
            oracle.unbonding = 0;
            oracle.ready_at = 0;
            oracle.slashed = oracle.slashed.checked_add(lost).or_overflow()?;
            oracle.barred = 1;
            if let Some(evidence) = convicted_by.filter(|_| oracle.convicted_by == [0; 32]) {
                oracle.convicted_by = evidence;
            }
            oracle.invariant()?;
            oracle_changed(&self.oracle.key(), &oracle);
            if removed {
                log_snapshot::<OracleSetChanged, _>(None, None, &*set);
            }
            (lost, share)
        };
        let mut batch = Batch::new();
        batch.transfer(self.vault, self.destination, self.oracle.as_ref(), share);
        batch.burn(self.vault, self.io_mint, self.oracle.as_ref(), lost - share);
        invoke_as_oracle(&*self.oracle.load()?, self.token_program, batch)
    }
}
