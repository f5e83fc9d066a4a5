//! Oracles' bonds, and what costs them.

mod move_oracle_bond;
mod register_oracle;
mod take_oracle_bond;

pub use {move_oracle_bond::*, register_oracle::*, take_oracle_bond::*};

use crate::prelude::*;

use crate::{seeds, state::Oracle, token::Batch};

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
