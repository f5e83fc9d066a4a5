use crate::prelude::*;

use crate::{
    errors::IoError,
    events::slash_case_changed,
    state::{OracleSet, SlashCase},
};

#[derive(Accounts)]
pub struct FileEvidence<'info> {
    /// An oracle that accused.
    pub oracle: Signer<'info>,
    pub oracle_set: AccountLoader<'info, OracleSet>,
    #[account(mut)]
    pub slash_case: AccountLoader<'info, SlashCase>,
}

impl FileEvidence<'_> {
    /// oracle: one of the case's accusers, by its slot in the set · oracle_set: the only account of its type · slash_case:
    /// undecided, without evidence yet. Whoever opened the case: only who accused says what they found, once.
    fn validate(&self, evidence: &[u8; 32]) -> Result<()> {
        let case = self.slash_case.load()?;
        require!(
            !case.state()?.is_final() && case.evidence == [0; 32],
            IoError::WrongState
        );
        require!(*evidence != [0; 32], IoError::ParameterOutOfBounds);
        let set = self.oracle_set.load()?;
        let slot = set
            .position(self.oracle.key.as_ref())
            .ok_or_else(|| error!(IoError::NotAnOracle))?;
        require!(case.accusers & (1 << slot) != 0, IoError::NotAnOracle);
        Ok(())
    }
}

pub fn file_evidence(ctx: Context<FileEvidence>, evidence: [u8; 32]) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&evidence)?;
    let mut case = a.slash_case.load_mut()?;
    case.evidence = evidence;
    case.invariant()?;
    slash_case_changed(&a.slash_case.key(), &case);
    Ok(())
}
