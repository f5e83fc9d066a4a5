use crate::prelude::*;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::{log_snapshot, EvidenceChanged, EvidenceClosed},
    seeds,
    state::Evidence,
};

#[derive(Accounts)]
pub struct WriteEvidence<'info> {
    /// Pays the rent, which is theirs again when they close it.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// CHECK: created here at its PDA, or the challenger's from before.
    #[account(mut, seeds = [seeds::EVIDENCE, challenger.key().as_ref()], bump)]
    pub evidence: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

/// Writes a part of a claim at `offset`. The first part makes the account. What it says is checked by the proof.
///
/// challenger: pays, and alone may prove with it · evidence: the challenger's PDA · system_program: by type.
pub fn write_evidence(ctx: Context<WriteEvidence>, offset: u16, bytes: Vec<u8>) -> Result<()> {
    let a = ctx.accounts;
    if a.evidence.data_is_empty() {
        let challenger = a.challenger.key();
        let seeds: &[&[u8]] = &[seeds::EVIDENCE, challenger.as_ref(), &[ctx.bumps.evidence]];
        let creator = Creator::new(&a.challenger, &a.system_program)?;
        let mut evidence = creator.create::<Evidence>(&a.evidence, seeds)?;
        evidence.challenger = challenger;
        evidence.bump = ctx.bumps.evidence;
        evidence.version = VERSION;
    }
    require_keys_eq!(*a.evidence.owner, crate::ID, IoError::WrongOwner);
    let mut data = a.evidence.try_borrow_mut_data()?;
    Evidence::write(&mut data, usize::from(offset), &bytes)?;
    let after: &Evidence = bytemuck::from_bytes(&data[8..]);
    log_snapshot::<EvidenceChanged, _>(Some(a.evidence.key), None, after);
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
