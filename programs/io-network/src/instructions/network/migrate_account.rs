use core::mem::offset_of;

use crate::prelude::*;
use anchor_lang::{system_program, Discriminator};

use crate::{constants::VERSION, errors::IoError, events::AccountMigrated, state::*};

/// Where a type's accounts keep their version, and how long they are now.
struct Layout {
    tag: &'static [u8],
    version_at: usize,
    space: usize,
}

macro_rules! layouts {
    ($($account:ident . $version:ident),* $(,)?) => {
        const LAYOUTS: &[Layout] = &[$(Layout {
            tag: $account::DISCRIMINATOR,
            version_at: 8 + offset_of!($account, $version),
            space: $account::SPACE,
        }),*];
        /// Names of the account types that can be migrated.
        pub const MIGRATABLE: &[&str] = &[$(stringify!($account)),*];
    };
}

layouts!(
    BuyBack.version,
    CoStake.version,
    Deposit.version,
    Device.version,
    DeviceClass.version,
    Emission.version,
    Evidence.version,
    Job.version,
    Network.version,
    Oracle.version,
    OracleSet.layout,
    PaymentMint.version,
    Proposal.version,
    Provider.version,
    SlashCase.version,
    Vesting.version,
);

#[derive(Accounts)]
pub struct MigrateAccount<'info> {
    /// Pays the rent of the bytes that are added. Anybody.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// CHECK: an account of this program that an earlier version made; owner, type and length are checked here.
    #[account(mut)]
    pub account: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

/// Brings an account that an earlier version of the program made to today's length: new fields are added at the end, and zero is
/// what they all begin with. No byte that was there changes but the version.
///
/// payer: pays, nothing else · account: by owner, type and length · system_program: by type.
pub fn migrate_account(ctx: Context<MigrateAccount>) -> Result<()> {
    let a = ctx.accounts;
    require_keys_eq!(*a.account.owner, crate::ID, IoError::WrongOwner);
    let layout = {
        let data = a.account.try_borrow_data()?;
        let layout = LAYOUTS.iter().find(|l| data.starts_with(l.tag));
        let layout = layout.ok_or_else(|| error!(IoError::WrongAccount))?;
        require!(
            data.len() > layout.version_at && data.len() < layout.space,
            IoError::NothingToMigrate
        );
        layout
    };
    let missing = Rent::get()?
        .minimum_balance(layout.space)
        .saturating_sub(a.account.lamports());
    if missing > 0 {
        let accounts = system_program::Transfer {
            from: a.payer.to_account_info(),
            to: a.account.to_account_info(),
        };
        system_program::transfer(CpiContext::new(a.system_program.key(), accounts), missing)?;
    }
    a.account.resize(layout.space)?;
    let data = {
        let mut data = a.account.try_borrow_mut_data()?;
        data[layout.version_at] = VERSION;
        data.to_vec()
    };
    emit!(AccountMigrated {
        account: a.account.key(),
        data,
    });
    Ok(())
}
