use crate::prelude::*;
use anchor_lang::Discriminator;

use crate::{
    accounts_util::Creator,
    constants::VERSION,
    errors::IoError,
    events::{log_snapshot, EvidenceChanged},
    seeds,
    state::Evidence,
};

#[derive(Accounts)]
pub struct CommitEvidence<'info> {
    /// Pays the rent, which is theirs again when they close it.
    #[account(mut)]
    pub challenger: Signer<'info>,
    /// CHECK: created here at its PDA, or the challenger's from before.
    #[account(mut, seeds = [seeds::EVIDENCE, challenger.key().as_ref()], bump)]
    pub evidence: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

/// Commits to evidence that is shown later: whoever copies what is written then has committed to nothing. The first commitment makes the account, a
/// later one takes the place of the one before.
///
/// challenger: pays, and alone may prove with it · evidence: the challenger's PDA · system_program: by type.
pub fn commit_evidence(ctx: Context<CommitEvidence>, commitment: [u8; 32]) -> Result<()> {
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
    let evidence =
        bytemuck::try_from_bytes_mut::<Evidence>(&mut data[Evidence::DISCRIMINATOR.len()..])
            .map_err(|_| error!(IoError::WrongAccount))?;
    evidence.commit(commitment, Clock::get()?.slot);
    log_snapshot::<EvidenceChanged, _>(Some(a.evidence.key), None, evidence);
    Ok(())
}
