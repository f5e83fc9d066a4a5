use crate::prelude::*;
use io_protocol::{
    money,
    slashing::{self, ConductStatement},
};

use crate::{
    attest,
    errors::{IoError, MoneyResult},
    events::{log_snapshot, oracle_changed, OracleSetChanged},
    instructions::oracle::invoke_as_oracle,
    state::{Network, Oracle, OracleSet},
    token::{self, Batch, TokenAccount},
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

/// Accounts for taking an oracle's bond, by whatever shows its fault.
#[derive(Accounts)]
pub struct TakeOracleBond<'info> {
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
    /// CHECK: receives the share of whoever showed it: a usable IO token account, checked in `validate`.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
}

impl TakeOracleBond<'_> {
    /// network, oracle_set: the only accounts of their types · oracle: by whatever shows its fault · vault: the oracle's PDA · io_mint: the
    /// network's · destination: usable, of IO, not the vault; returned · instructions: by address, in `attest` · token_program: by
    /// address. Anybody may send it: signatures show the fault.
    fn validate(&self) -> Result<TokenAccount> {
        let (network, oracle) = (self.network.load()?, self.oracle.load()?);
        oracle.require_vault(&self.oracle.key(), self.vault.key)?;
        require_keys_eq!(network.io_mint, self.io_mint.key(), IoError::WrongMint);
        require_keys_neq!(
            self.vault.key(),
            self.destination.key(),
            IoError::SameAccount
        );
        token::require_usable(&self.destination, &network.io_mint)
    }

    /// The oracle signed both of two statements that contradict each other.
    fn require_contradiction(&self) -> Result<()> {
        let deployment = self.network.load()?.deployment();
        attest::require_pair(&self.instructions, &self.oracle.load()?.key, |a, b| {
            slashing::contradiction(&deployment, a, b)
                .map(|_| ())
                .ok_or_else(|| error!(IoError::NoContradiction))
        })
    }

    /// A quorum of the others found it, and named this finder.
    fn require_finding(&self, args: &ConvictArgs, finder: &Pubkey) -> Result<()> {
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

    /// The whole bond is lost: the share of whoever showed it is paid, the rest burned. The oracle leaves the set if the others reach the
    /// quorum, and is barred. `convicted_by`: what a quorum found, if that is the reason; the first finding stays.
    fn forfeit(&self, convicted_by: Option<[u8; 32]>) -> Result<()> {
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
        batch.transfer(&self.vault, &self.destination, self.oracle.as_ref(), share);
        batch.burn(
            &self.vault,
            &self.io_mint,
            self.oracle.as_ref(),
            lost - share,
        );
        invoke_as_oracle(&*self.oracle.load()?, &self.token_program, batch)
    }
}

pub fn prove_equivocation(ctx: Context<TakeOracleBond>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    a.require_contradiction()?;
    a.forfeit(None)
}

pub fn convict_oracle(ctx: Context<TakeOracleBond>, args: ConvictArgs) -> Result<()> {
    let a = ctx.accounts;
    let destination = a.validate()?;
    a.require_finding(&args, &destination.owner)?;
    a.forfeit(Some(args.evidence))
}
