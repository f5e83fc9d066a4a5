use crate::prelude::*;
use io_proof::hardware::cell::{bad_cell, CellError, Sha256};
use io_protocol::{
    hardware::{CommitmentStatement, COMMITMENT_LEN},
    messages::epoch_of,
};

use crate::{
    attest,
    constants::EVIDENCE_SECONDS,
    errors::IoError,
    events::device_changed,
    instructions::provider::CaseOpening,
    seeds,
    state::{Device, Evidence, Network, Provider, SlashCause},
};

/// Hashing through the syscall.
struct Syscall;

impl Sha256 for Syscall {
    #[inline(always)]
    fn hash(parts: &[&[u8]]) -> [u8; 32] {
        solana_sha256_hasher::hashv(parts).to_bytes()
    }

    #[cfg(target_os = "solana")]
    #[inline(always)]
    fn hash_into(parts: &[&[u8]], hash: &mut [u8; 32]) {
        // SAFETY: the syscall reads as many slices as it is told, and writes 32 bytes.
        unsafe {
            solana_define_syscall::definitions::sol_sha256(
                parts.as_ptr().cast(),
                parts.len() as u64,
                hash.as_mut_ptr(),
            );
        }
    }
}

#[derive(Accounts)]
pub struct ProveBadCell<'info> {
    /// Pays the case's rent, which is theirs again when it ends, and has the challenger's share.
    #[account(mut)]
    pub challenger: Signer<'info>,
    pub network: AccountLoader<'info, Network>,
    #[account(has_one = challenger @ IoError::WrongAccount)]
    pub evidence: AccountLoader<'info, Evidence>,
    #[account(mut)]
    pub device: AccountLoader<'info, Device>,
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// CHECK: the provider's stake vault, a PDA checked in `CaseOpening`.
    #[account(mut)]
    pub stake_vault: UncheckedAccount<'info>,
    /// CHECK: the vault of the provider's co-stakers, a PDA checked in `CaseOpening`; it need not be there.
    #[account(mut)]
    pub co_vault: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::SLASH, provider.key().as_ref(), &provider.load()?.slash_cases.to_le_bytes()], bump)]
    pub slash_case: UncheckedAccount<'info>,
    /// CHECK: created here at its PDA.
    #[account(mut, seeds = [seeds::VAULT, slash_case.key().as_ref()], bump)]
    pub slash_vault: UncheckedAccount<'info>,
    /// CHECK: the network's IO mint, checked in `CaseOpening`.
    pub io_mint: UncheckedAccount<'info>,
    /// CHECK: the instructions sysvar, checked by `attest`.
    pub instructions: UncheckedAccount<'info>,
    /// CHECK: checked by the batched call.
    pub token_program: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl<'info> ProveBadCell<'info> {
    /// challenger: pays, the evidence's · network: the only account of its type · evidence: bound by its challenger, who
    /// committed to it · device: named by the signed commitment; its operator of that hour signed · provider: the device's · slash_case,
    /// slash_vault: created here at their PDAs · the rest: in `CaseOpening::validate`, `attest` and by address. Anybody may send it: the
    /// operator's signature and the arithmetic decide. Returns the commitment.
    fn validate(
        &self,
        opening: &CaseOpening<'_, 'info>,
        salt: &[u8; 32],
        clock: &Clock,
    ) -> Result<[u8; 32]> {
        opening.validate()?;
        let now = clock.unix_timestamp;
        let device = self.device.load()?;
        require_keys_eq!(device.provider, self.provider.key(), IoError::WrongAccount);
        let deployment = self.network.load()?.deployment();
        attest::require_single::<COMMITMENT_LEN, _>(&self.instructions, |key, message| {
            let said = CommitmentStatement::read(message)
                .filter(|said| said.deployment == deployment)
                .filter(|said| said.device == self.device.key().to_bytes())
                .ok_or_else(|| error!(IoError::WrongMessage))?;
            let oldest = epoch_of(now.saturating_sub(EVIDENCE_SECONDS));
            require!(
                (oldest..=epoch_of(now)).contains(&said.epoch)
                    // Who held the hardware before it was registered anew is another's business.
                    && said.epoch >= epoch_of(device.since)
                    // One fault a day; what it still costs can be taken as long as it is proven.
                    && (device.faultable(now) || device.fault_due() > 0),
                IoError::EpochNotAcceptable
            );
            require!(device.operated_by(key, said.epoch), IoError::NotOperator);
            let evidence = self.evidence.load()?;
            evidence.require_committed::<Syscall>(salt, clock.slot)?;
            let claim = evidence.claim()?;
            bad_cell::<Syscall>(&claim, &said.round_seed, &said.device, &said.commitment).map_err(
                |error| match error {
                    CellError::CellIsRight(_) => error!(IoError::CellIsRight),
                    _ => error!(IoError::BadProof),
                },
            )?;
            Ok(said.commitment)
        })
    }
}

/// One wrong cell under an operator's signature: the device's penalty is escrowed in a slash case. An appeal can be heard, as in any case, but
/// succeeds by a quorum's word alone.
/// What the bond lacks, for it covers unsettled jobs, is taken from the owner's stake that binds nothing. If there is nothing to take now, the
/// fault is recorded and no case opened.
/// `salt` opens the challenger's commitment to it.
pub fn prove_bad_cell(ctx: Context<ProveBadCell>, salt: [u8; 32]) -> Result<()> {
    let a = ctx.accounts;
    let clock = Clock::get()?;
    let now = clock.unix_timestamp;
    let opening = CaseOpening {
        opener: &a.challenger,
        network: &a.network,
        provider: &a.provider,
        stake_vault: &a.stake_vault,
        co_vault: &a.co_vault,
        slash_case: &a.slash_case,
        slash_vault: &a.slash_vault,
        io_mint: &a.io_mint,
        token_program: &a.token_program,
        system_program: &a.system_program,
        case_bump: ctx.bumps.slash_case,
        vault_bump: ctx.bumps.slash_vault,
    };
    let commitment = a.validate(&opening, &salt, &clock)?;
    let (parts, due, again) = {
        let (mut device, mut provider) = (a.device.load_mut()?, a.provider.load_mut()?);
        let network = a.network.load()?;
        // Proven again within a day, it costs what is still due, and leaves nothing of its own.
        let again = !device.faultable(now);
        let penalty = match again {
            true => device.fault_due(),
            false => device.fault(network.min_bond, network.reject_penalty_bps, now)?,
        };
        let before = device.fault_due();
        let parts = device.pay(&mut provider, penalty)?;
        device.invariant()?;
        device_changed(&a.device.key(), &device);
        let paid = before - device.fault_due();
        (parts, if again { 0 } else { penalty - paid }, again)
    };
    if parts == (0, 0) {
        require!(!again, IoError::NothingOwed);
        return Ok(());
    }
    let (device, challenger) = (a.device.key(), a.challenger.key());
    opening.open(parts, now, |case| {
        case.device = device;
        case.challenger = challenger;
        case.cause = SlashCause::BadCell as u8;
        case.subject = commitment;
        case.due = due.to_le_bytes();
        // There is no renter: that share burns.
        case.renter_bps = 0;
    })
}
