use crate::prelude::*;
use io_protocol::change;

use crate::{
    accounts_util::Creator,
    constants::{PROPOSAL_VALID_SECONDS, VERSION},
    errors::IoError,
    events::{log_snapshot, ProposalChanged, ProposalClosed},
    guard, seeds,
    state::{Network, Proposal},
};

/// One instruction that changes the configuration, published before it takes effect.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct Change {
    /// Discriminator of the instruction.
    pub tag: [u8; 8],
    /// The account that it changes.
    pub target: Pubkey,
    /// Its arguments, as they will be sent. A transaction's size bounds them.
    pub arguments: Vec<u8>,
}

impl Change {
    pub fn hash(&self) -> [u8; 32] {
        guard::hash(&self.tag, &self.target, &self.arguments)
    }
}

#[derive(Accounts)]
#[instruction(change: Change)]
pub struct ProposeChange<'info> {
    /// Holds the role that the change needs, or is the administrator. Pays the rent.
    #[account(mut)]
    pub proposer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::PROPOSAL, &change.hash()], bump)]
    pub proposal: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl ProposeChange<'_> {
    /// proposer: holds the role that the change needs · network: the only account of its type · proposal: created here at its
    /// PDA, so one change is proposed once at a time · system_program: by type.
    fn validate(&self, change: &Change) -> Result<()> {
        let role = guard::role_of(&change.tag)?;
        self.network.load()?.require_role(role, self.proposer.key)
    }
}

pub fn propose_change(ctx: Context<ProposeChange>, change: Change) -> Result<()> {
    let a = ctx.accounts;
    a.validate(&change)?;
    let hash = change.hash();
    let seeds: &[&[u8]] = &[seeds::PROPOSAL, &hash, &[ctx.bumps.proposal]];
    let mut proposal =
        Creator::new(&a.proposer, &a.system_program)?.create::<Proposal>(&a.proposal, seeds)?;
    let now = Clock::get()?.unix_timestamp;
    proposal.hash = hash;
    proposal.proposer = a.proposer.key();
    proposal.target = change.target;
    proposal.tag = change.tag;
    proposal.proposed_at = now;
    (proposal.ready_at, proposal.expires_at) = change::window(
        now,
        a.network.load()?.timelock_seconds,
        PROPOSAL_VALID_SECONDS,
    );
    proposal.bump = ctx.bumps.proposal;
    proposal.version = VERSION;
    emit!(ProposalChanged {
        proposal: a.proposal.key(),
        after: *proposal,
        arguments: change.arguments,
    });
    Ok(())
}

#[derive(Accounts)]
pub struct CancelChange<'info> {
    /// The administrator, or who proposed it. Receives the rent.
    #[account(mut)]
    pub signer: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(mut, close = signer)]
    pub proposal: AccountLoader<'info, Proposal>,
}

impl CancelChange<'_> {
    /// signer: the administrator or the proposal's proposer · network: the only account of its type · proposal: any of its
    /// type, the administrator chooses which.
    fn validate(&self) -> Result<()> {
        let signer = self.signer.key();
        let allowed =
            signer == self.network.load()?.admin || signer == self.proposal.load()?.proposer;
        require!(allowed, IoError::NotAdmin);
        Ok(())
    }
}

pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
    let a = ctx.accounts;
    a.validate()?;
    log_snapshot::<ProposalClosed, _>(Some(&a.proposal.key()), None, &*a.proposal.load()?);
    Ok(())
}
