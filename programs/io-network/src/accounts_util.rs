//! Creating program-owned accounts.

use anchor_lang::{
    prelude::*,
    solana_program::{program::invoke_signed_unchecked, system_instruction},
};

/// Creates a PDA of `space` bytes owned by `owner`, also when somebody sent lamports to its address first.
///
/// `seeds` include the bump. The caller checked that `account` is the PDA of those seeds; the system program checks it
/// again through the signature.
pub fn create_pda<'info>(
    payer: &AccountInfo<'info>,
    account: &AccountInfo<'info>,
    system_program: &AccountInfo<'info>,
    space: usize,
    owner: &Pubkey,
    seeds: &[&[u8]],
) -> Result<()> {
    let rent = Rent::get()?.minimum_balance(space);
    let held = account.lamports();
    if held == 0 {
        let ix = system_instruction::create_account(payer.key, account.key, rent, space as u64, owner);
        invoke_signed_unchecked(&ix, &[payer.clone(), account.clone(), system_program.clone()], &[seeds])?;
        return Ok(());
    }
    if held < rent {
        let ix = system_instruction::transfer(payer.key, account.key, rent - held);
        invoke_signed_unchecked(&ix, &[payer.clone(), account.clone(), system_program.clone()], &[])?;
    }
    let ix = system_instruction::allocate(account.key, space as u64);
    invoke_signed_unchecked(&ix, &[account.clone(), system_program.clone()], &[seeds])?;
    let ix = system_instruction::assign(account.key, owner);
    invoke_signed_unchecked(&ix, &[account.clone(), system_program.clone()], &[seeds])?;
    Ok(())
}
