//! Who may change the configuration, and when: one check for every instruction that does.

use crate::prelude::*;
use anchor_lang::{Discriminator, InstructionData};
use io_protocol::change;

use crate::{
    errors::IoError,
    events::{log_snapshot, ProposalClosed},
    instruction,
    state::{Network, Proposal},
};

/// Who holds which part of the administration. The administrator holds all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Treasury, buy-back, timelock: the administrator alone.
    Admin,
    /// Parameters, payment mints and device classes.
    Params,
    /// The oracle set.
    Oracles,
}

/// An instruction that waits for the timelock.
struct Guarded {
    name: &'static str,
    tag: &'static [u8],
    role: Role,
    /// Places among its accounts of the one that it changes and of the proposal.
    places: (usize, usize),
}

macro_rules! guarded {
    ($name:literal, $call:ident, $role:ident, $target:literal, $proposal:literal) => {
        Guarded {
            name: $name,
            tag: instruction::$call::DISCRIMINATOR,
            role: Role::$role,
            places: ($target, $proposal),
        }
    };
}

/// Every instruction that waits for the timelock.
const GUARDED: &[Guarded] = &[
    guarded!("update_params", UpdateParams, Params, 1, 2),
    guarded!("set_timelock", SetTimelock, Admin, 1, 2),
    guarded!("set_treasury_owner", SetTreasuryOwner, Admin, 1, 2),
    guarded!("withdraw_treasury", WithdrawTreasury, Admin, 4, 6),
    guarded!("set_buy_back", SetBuyBack, Admin, 3, 5),
    guarded!("set_oracles", SetOracles, Oracles, 2, 3),
    guarded!("add_payment_mint", AddPaymentMint, Params, 3, 5),
    guarded!("update_payment_mint", UpdatePaymentMint, Params, 2, 3),
    guarded!("add_class", AddClass, Params, 2, 4),
    guarded!("update_class", UpdateClass, Params, 2, 3),
    guarded!("set_enterprise_share", SetEnterpriseShare, Params, 2, 3),
];

/// How many instructions wait for the timelock.
pub const fn count() -> usize {
    GUARDED.len()
}

fn find(tag: &[u8]) -> Option<&'static Guarded> {
    GUARDED.iter().find(|g| g.tag == tag)
}

/// The role that an instruction needs; an error for one that knows no proposals.
pub fn role_of(tag: &[u8]) -> Result<Role> {
    find(tag)
        .map(|g| g.role)
        .ok_or_else(|| error!(IoError::NotProposable))
}

/// Where among an instruction's accounts the one that it changes and the proposal are; none for one that knows no proposals.
pub fn places_of(tag: &[u8]) -> Option<(usize, usize)> {
    find(tag).map(|g| g.places)
}

/// Name of an instruction that waits for the timelock.
pub fn name_of(tag: &[u8]) -> Option<&'static str> {
    find(tag).map(|g| g.name)
}

impl Network {
    /// `key` holds `role`. A role that is not given to anybody is the administrator's alone.
    pub fn require_role(&self, role: Role, key: &Pubkey) -> Result<()> {
        let holder = match role {
            Role::Admin => self.admin,
            Role::Params => self.params_role,
            Role::Oracles => self.oracles_role,
        };
        require!(*key == self.admin || *key == holder, IoError::NotAdmin);
        Ok(())
    }
}

/// SHA-256 of a change.
pub fn hash(tag: &[u8; change::TAG_LEN], target: &Pubkey, arguments: &[u8]) -> [u8; 32] {
    let (program, target) = (crate::ID.to_bytes(), target.to_bytes());
    solana_sha256_hasher::hashv(&change::preimage(&program, tag, &target, arguments)).to_bytes()
}

/// Lets `call` change `target`: its signer holds the role, and while there is a timelock the same call was proposed, has
/// matured and has not lapsed. The proposal is used up: it closes with the instruction, and its rent goes to the signer.
pub fn authorise<'info>(
    network: &AccountLoader<'info, Network>,
    signer: &Signer<'info>,
    proposal: &Option<AccountLoader<'info, Proposal>>,
    target: &Pubkey,
    call: &impl InstructionData,
) -> Result<()> {
    let data = call.data();
    let (tag, arguments) = data
        .split_first_chunk::<{ change::TAG_LEN }>()
        .ok_or_else(|| error!(IoError::NotProposable))?;
    let network = network.load()?;
    network.require_role(role_of(tag)?, signer.key)?;
    let Some(loader) = proposal else {
        require!(network.timelock_seconds == 0, IoError::ProposalRequired);
        return Ok(());
    };
    let last = loader.load()?;
    require!(
        last.hash == hash(tag, target, arguments),
        IoError::WrongProposal
    );
    last.require_mature(Clock::get()?.unix_timestamp)?;
    log_snapshot::<ProposalClosed, _>(Some(&loader.key()), None, &*last);
    Ok(())
}
