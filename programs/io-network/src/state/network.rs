use crate::prelude::*;
use io_protocol::messages::Deployment;

use crate::{constants::*, errors::IoError, state::serialise_as_bytes};

/// Parameters that the administrator may change within the bounds of `constants.rs`. A job copies what concerns it
/// when it is created: a later change never touches it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkParams {
    /// Base of the minimum bond of a device, IO base units.
    pub min_bond: u64,
    /// After creation, a job can only be accepted with a match ticket for this long, seconds.
    pub match_seconds: u32,
    /// After submission, the renter or an oracle may dispute for this long, seconds.
    pub challenge_seconds: u32,
    /// A disputed job that no quorum decides refunds after this long, seconds, and twice the time that its device took.
    pub dispute_seconds: u32,
    /// A device's attestation is good for this long, seconds.
    pub attestation_seconds: u32,
    /// Unstaked IO can be withdrawn after this long, seconds.
    pub unbond_seconds: u32,
    /// A finished job is kept at least this long against closing by strangers, seconds.
    pub retention_seconds: u32,
    /// A provider that ends a lease early serves this long after it said so, seconds.
    pub reclaim_notice_seconds: u32,
    /// Reservation fee of each side, basis points.
    pub reserve_bps: u16,
    /// Penalty of a device that let a job expire, basis points of the job's exposure.
    pub expire_penalty_bps: u16,
    /// Penalty of a device whose work a quorum rejected, basis points of the job's exposure.
    pub reject_penalty_bps: u16,
    /// Share of fees taken in IO that a sweep of the treasury burns, basis points.
    pub burn_bps: u16,
    /// Share of a class's devices that should be at work: reference prices move towards it, basis points.
    pub target_utilisation_bps: u16,
    /// Bonds, slash cases and co-stake.
    pub stake: StakeParams,
}

/// Parameters of bonds, slash cases and co-stake. A case, a notice and an unbonding keep those of their beginning.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct StakeParams {
    /// Bond that a key must have to enter the oracle set, and to keep while it is in, IO base units; 0 for none.
    pub min_oracle_bond: u64,
    /// Least bond of an appeal, IO base units.
    pub appeal_bond_floor: u64,
    /// The slashed may appeal for this long, seconds.
    pub appeal_seconds: u32,
    /// An appeal that is not decided for this long succeeds, seconds.
    pub decision_seconds: u32,
    /// A leaving co-staker stays at risk for this long, in which the owner can refill, seconds.
    pub co_notice_seconds: u32,
    /// Bond of an appeal, basis points of the penalty.
    pub appeal_bond_bps: u16,
    /// Share of an upheld penalty for the renter, basis points. With the next at most half.
    pub slash_renter_bps: u16,
    /// Share for whoever disputed, and for whoever proves an oracle's contradiction, basis points.
    pub slash_challenger_bps: u16,
}

impl StakeParams {
    /// What a network starts with, but for the least bond of oracles.
    pub const DEFAULT: Self = Self {
        min_oracle_bond: 0,
        appeal_bond_floor: 10 * io_protocol::money::IO,
        appeal_seconds: 30 * 24 * 3_600,
        decision_seconds: 14 * 24 * 3_600,
        co_notice_seconds: 7 * 24 * 3_600,
        appeal_bond_bps: 1_000,
        slash_renter_bps: 2_500,
        slash_challenger_bps: 1_000,
    };
}

/// The deployment's configuration. Read-only in hot paths.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Network {
    pub admin: Pubkey,
    /// Proposed by the administrator; zero when none.
    pub pending_admin: Pubkey,
    pub io_mint: Pubkey,
    /// Genesis hash of the cluster; part of every signed message.
    pub cluster: [u8; 32],
    /// May pause, as the administrator may; only the administrator resumes. Zero when nobody, as the next two.
    pub pauser: Pubkey,
    /// May change parameters, payment mints and classes, as the administrator may.
    pub params_role: Pubkey,
    /// May change the oracle set, as the administrator may.
    pub oracles_role: Pubkey,
    /// Owner of the token accounts that the treasury pays to; zero until it is set.
    pub treasury_owner: Pubkey,
    pub min_bond: u64,
    pub min_oracle_bond: u64,
    pub appeal_bond_floor: u64,
    pub match_seconds: u32,
    pub challenge_seconds: u32,
    pub dispute_seconds: u32,
    pub attestation_seconds: u32,
    pub unbond_seconds: u32,
    pub retention_seconds: u32,
    pub reclaim_notice_seconds: u32,
    /// Changes of the configuration wait this long after they were published, seconds; 0 for not at all.
    pub timelock_seconds: u32,
    pub appeal_seconds: u32,
    pub decision_seconds: u32,
    pub co_notice_seconds: u32,
    pub reserve_bps: u16,
    pub expire_penalty_bps: u16,
    pub reject_penalty_bps: u16,
    pub burn_bps: u16,
    pub target_utilisation_bps: u16,
    pub appeal_bond_bps: u16,
    pub slash_renter_bps: u16,
    pub slash_challenger_bps: u16,
    /// 1 while new jobs and stakes are stopped.
    pub paused: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 89],
}
serialise_as_bytes!(Network);

impl Network {
    pub fn set_params(&mut self, p: &NetworkParams) {
        self.min_bond = p.min_bond;
        self.match_seconds = p.match_seconds;
        self.challenge_seconds = p.challenge_seconds;
        self.dispute_seconds = p.dispute_seconds;
        self.attestation_seconds = p.attestation_seconds;
        self.unbond_seconds = p.unbond_seconds;
        self.retention_seconds = p.retention_seconds;
        self.reclaim_notice_seconds = p.reclaim_notice_seconds;
        self.reserve_bps = p.reserve_bps;
        self.expire_penalty_bps = p.expire_penalty_bps;
        self.reject_penalty_bps = p.reject_penalty_bps;
        self.burn_bps = p.burn_bps;
        self.target_utilisation_bps = p.target_utilisation_bps;
        let stake = &p.stake;
        self.min_oracle_bond = stake.min_oracle_bond;
        self.appeal_bond_floor = stake.appeal_bond_floor;
        self.appeal_seconds = stake.appeal_seconds;
        self.decision_seconds = stake.decision_seconds;
        self.co_notice_seconds = stake.co_notice_seconds;
        self.appeal_bond_bps = stake.appeal_bond_bps;
        self.slash_renter_bps = stake.slash_renter_bps;
        self.slash_challenger_bps = stake.slash_challenger_bps;
    }

    /// The parameters of bonds, slash cases and co-stake, as they are now.
    pub fn stake_params(&self) -> StakeParams {
        StakeParams {
            min_oracle_bond: self.min_oracle_bond,
            appeal_bond_floor: self.appeal_bond_floor,
            appeal_seconds: self.appeal_seconds,
            decision_seconds: self.decision_seconds,
            co_notice_seconds: self.co_notice_seconds,
            appeal_bond_bps: self.appeal_bond_bps,
            slash_renter_bps: self.slash_renter_bps,
            slash_challenger_bps: self.slash_challenger_bps,
        }
    }

    pub fn deployment(&self) -> Deployment {
        Deployment {
            program: crate::ID.to_bytes(),
            cluster: self.cluster,
        }
    }

    pub fn require_running(&self) -> Result<()> {
        require!(self.paused == 0, IoError::Paused);
        Ok(())
    }

    /// Parameters inside their bounds. Cooldowns exceed challenge and dispute windows; where a job's own length makes a dispute longer, its
    /// exposure holds the bond until it is decided.
    pub fn invariant(&self) -> Result<()> {
        let window = MIN_WINDOW_SECONDS..=MAX_WINDOW_SECONDS;
        let windows = [
            self.challenge_seconds,
            self.dispute_seconds,
            self.attestation_seconds,
            self.unbond_seconds,
            self.retention_seconds,
            self.reclaim_notice_seconds,
            self.appeal_seconds,
            self.decision_seconds,
            self.co_notice_seconds,
        ];
        require!(
            windows.iter().all(|w| window.contains(w)),
            IoError::ParameterOutOfBounds
        );
        require!(
            self.match_seconds <= MAX_WINDOW_SECONDS,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.unbond_seconds > self.challenge_seconds,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.unbond_seconds > self.dispute_seconds,
            IoError::ParameterOutOfBounds
        );
        require!(self.min_bond > 0, IoError::ParameterOutOfBounds);
        require!(
            self.reserve_bps <= MAX_FEE_BPS,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.expire_penalty_bps <= MAX_PENALTY_BPS,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.reject_penalty_bps <= MAX_PENALTY_BPS,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.burn_bps <= MAX_BPS && (1..MAX_BPS).contains(&self.target_utilisation_bps),
            IoError::ParameterOutOfBounds
        );
        require!(
            self.timelock_seconds <= MAX_TIMELOCK_SECONDS,
            IoError::ParameterOutOfBounds
        );
        require!(
            self.appeal_bond_bps <= MAX_BPS
                && self.appeal_bond_floor <= MAX_APPEAL_BOND_FLOOR
                && self.min_oracle_bond <= MAX_ORACLE_BOND,
            IoError::ParameterOutOfBounds
        );
        // At least half of an upheld penalty is burned, whoever is in league with whom.
        require!(
            u32::from(self.slash_renter_bps) + u32::from(self.slash_challenger_bps)
                <= u32::from(MAX_BPS) / 2,
            IoError::ParameterOutOfBounds
        );
        require!(self.paused <= 1, IoError::Invariant);
        Ok(())
    }
}
