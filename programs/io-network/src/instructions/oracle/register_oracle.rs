use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::oracle_changed,
    seeds,
    state::{Network, Oracle},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(Accounts)]
pub struct RegisterOracle<'info> {
    /// The key that will sign statements: nobody opens an account for somebody else's.
    pub key: Signer<'info>,
    /// Takes the bond out one day. Pays the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::ORACLE, key.key().as_ref()], bump)]
    pub oracle: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::STAKE, oracle.key().as_ref()], bump)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `validate`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl RegisterOracle<'_> {
    /// key, owner: sign for themselves · network: the only account of its type · oracle, vault: created here at their PDAs ·
    /// io_mint: the network's · token_program, system_program: by address.
    fn validate(&self) -> Result<()> {
        let network = self.network.load()?;
        network.require_running()?;
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        Ok(())
    }
}

pub fn register_oracle(ctx: Context<RegisterOracle>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let (address, key) = (a.oracle.key(), a.key.key());
    let creator = Creator::new(&a.owner, &a.system_program)?;
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::STAKE, address.as_ref(), &[ctx.bumps.vault]],
    )?;
    let mut batch = Batch::new();
    batch.initialize(&a.vault, &a.io_mint, &address);
    batch.invoke(&a.token_program, &[])?;
    let seeds: &[&[u8]] = &[seeds::ORACLE, key.as_ref(), &[ctx.bumps.oracle]];
    let mut oracle = creator.create::<Oracle>(&a.oracle, seeds)?;
    oracle.key = key;
    oracle.owner = a.owner.key();
    oracle.since = Clock::get()?.unix_timestamp;
    oracle.bump = ctx.bumps.oracle;
    oracle.vault_bump = ctx.bumps.vault;
    oracle.version = VERSION;
    oracle.invariant()?;
    oracle_changed(&address, &oracle);
    Ok(())
}
