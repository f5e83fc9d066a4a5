//! Calling other programs.

use crate::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;

/// Calls a program. The same as the SDK's `invoke_signed_unchecked`, which copies the instruction first: this one moves it, which
/// saves some 150 compute units a call. A program that calls this one can use it, too.
///
/// `infos` hold every account of the instruction; the called program's own account need not be among them. No data and no lamports
/// of theirs may be borrowed by the caller.
///
/// # Errors
/// Where the runtime lets a program see one at all: a failed call ends the transaction.
pub fn invoke(
    instruction: Instruction,
    infos: &[AccountInfo<'_>],
    signer_seeds: &[&[&[u8]]],
) -> Result<()> {
    #[cfg(target_os = "solana")]
    {
        let instruction =
            solana_stable_layout::stable_instruction::StableInstruction::from(instruction);
        // SAFETY: the three are laid out as the runtime reads them, which checks every address and length; it writes lamports, data
        // and their lengths through the pointers in `infos`, which nobody borrows.
        let status = unsafe {
            solana_define_syscall::definitions::sol_invoke_signed_rust(
                (&raw const instruction).cast(),
                infos.as_ptr().cast(),
                infos.len() as u64,
                signer_seeds.as_ptr().cast(),
                signer_seeds.len() as u64,
            )
        };
        if status != 0 {
            return Err(ProgramError::from(status).into());
        }
    }
    #[cfg(not(target_os = "solana"))]
    let _ = (instruction, infos, signer_seeds);
    Ok(())
}
