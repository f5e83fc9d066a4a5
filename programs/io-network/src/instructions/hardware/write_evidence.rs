use crate::prelude::*;

use crate::{
    errors::IoError,
    events::{log_snapshot, EvidenceChanged, EvidenceClosed},
    state::Evidence,
};

#[derive(Accounts)]
pub struct WriteEvidence<'info> {
    pub challenger: Signer<'info>,
    #[account(mut, has_one = challenger @ IoError::WrongAccount)]
    pub evidence: AccountLoader<'info, Evidence>,
}

/// Writes a part of a claim at `offset`. What it says, and whether it was committed to, is checked by the proof.
///
/// challenger: the evidence's · evidence: bound by its challenger.
pub fn write_evidence(ctx: Context<WriteEvidence>, offset: u16, bytes: Vec<u8>) -> Result<()> {
    let a = ctx.accounts;
    let mut evidence = a.evidence.load_mut()?;
    evidence.write(usize::from(offset), &bytes)?;
    log_snapshot::<EvidenceChanged, _>(Some(&a.evidence.key()), None, &*evidence);
    Ok(())
}

#[derive(Accounts)]
pub struct CloseEvidence<'info> {
    /// Receives the rent.
    #[account(mut)]
    pub challenger: Signer<'info>,
    #[account(mut, has_one = challenger @ IoError::WrongAccount, close = challenger)]
    pub evidence: AccountLoader<'info, Evidence>,
}

/// Gives the rent of evidence back that is not needed.
///
/// challenger: the evidence's · evidence: bound by its challenger.
pub fn close_evidence(ctx: Context<CloseEvidence>) -> Result<()> {
    let a = ctx.accounts;
    log_snapshot::<EvidenceClosed, _>(Some(&a.evidence.key()), None, &*a.evidence.load()?);
    Ok(())
}
