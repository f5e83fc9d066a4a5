use crate::prelude::*;
use io_protocol::emission::ALLOCATIONS;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::{log_snapshot, EmissionChanged, VestingChanged},
    seeds,
    state::{Emission, Network, Vesting},
    token::{self, Batch, TOKEN_ACCOUNT_LEN},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct VestingArgs {
    /// Which of the five allocations. Amounts are fixed.
    pub index: u8,
    pub beneficiary: Pubkey,
    /// Unix seconds.
    pub start_at: i64,
    /// Nothing before this long after the start, seconds.
    pub cliff_seconds: u32,
    /// Then linearly over this long, seconds; 0: all at once.
    pub linear_seconds: u32,
}

#[derive(Accounts)]
#[instruction(args: VestingArgs)]
pub struct CreateVesting<'info> {
    /// The network's administrator. Pays the rent.
    #[account(mut)]
    pub admin: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut)]
    pub emission: AccountLoader<'info, Emission>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VESTING, &[args.index]], bump)]
    pub vesting: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, vesting.key().as_ref()], bump)]
    pub vault: UncheckedAccount<'info>,
    /// CHECK: the mint recorded in the emission, checked in `validate`.
    #[account(mut)]
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl CreateVesting<'_> {
    /// admin: recorded in the network · network, emission: the only accounts of their types · vesting, vault: created here at
    /// their PDAs, so each allocation once · io_mint: the emission's · token_program, system_program: by address.
    fn validate(&self) -> Result<()> {
        require_keys_eq!(
            self.network.load()?.admin,
            self.admin.key(),
            IoError::NotAdmin
        );
        require_keys_eq!(
            self.emission.load()?.mint,
            self.io_mint.key(),
            IoError::WrongMint
        );
        Ok(())
    }
}

pub fn create_vesting(ctx: Context<CreateVesting>, args: VestingArgs) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    let allocation = ALLOCATIONS
        .get(usize::from(args.index))
        .ok_or_else(|| error!(IoError::ParameterOutOfBounds))?;
    let creator = Creator::new(&a.admin, &a.system_program)?;
    let address = a.vesting.key();
    creator.create_for(
        &token::TOKEN_PROGRAM,
        &a.vault,
        TOKEN_ACCOUNT_LEN,
        &[seeds::VAULT, address.as_ref(), &[ctx.bumps.vault]],
    )?;
    let bump = a.emission.load()?.bump;
    let mut batch = Batch::new();
    batch.initialize(&a.vault, &a.io_mint, &address);
    batch.mint_to(&a.io_mint, &a.vault, a.emission.as_ref(), allocation.amount);
    batch.invoke(&a.token_program, &[&[seeds::EMISSION, &[bump]]])?;

    let seeds: &[&[u8]] = &[seeds::VESTING, &[args.index], &[ctx.bumps.vesting]];
    let mut vesting = creator.create::<Vesting>(&a.vesting, seeds)?;
    vesting.beneficiary = args.beneficiary;
    vesting.vault = a.vault.key();
    vesting.total = allocation.amount;
    vesting.start_at = args.start_at;
    vesting.cliff_seconds = args.cliff_seconds;
    vesting.linear_seconds = args.linear_seconds;
    vesting.index = args.index;
    vesting.bump = ctx.bumps.vesting;
    vesting.vault_bump = ctx.bumps.vault;
    vesting.version = VERSION;
    vesting.invariant()?;
    let mut emission = a.emission.load_mut()?;
    emission.vestings |= 1 << args.index;
    emission.invariant()?;
    log_snapshot::<VestingChanged, _>(Some(&address), None, &*vesting);
    log_snapshot::<EmissionChanged, _>(None, None, &*emission);
    Ok(())
}
