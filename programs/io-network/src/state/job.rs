use crate::prelude::*;
use io_protocol::{
    deposits, lease,
    messages::{epoch_of, Deployment, ResultStatement, Verdict},
    money::{self, FeeTerms},
};

use crate::{
    constants::*,
    errors::{IoError, MoneyResult},
    state::{serialise_as_bytes, Device, Provider},
};

/// States of a job. The arrows are in the design: Open → Running → Submitted → Settled, with Cancelled, Expired, Rejected
/// and Disputed on the side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum JobState {
    /// Before creation; appears only as the `before` of a creation event.
    None = 0,
    Open = 1,
    Running = 2,
    Submitted = 3,
    Disputed = 4,
    Settled = 5,
    Rejected = 6,
    Cancelled = 7,
    Expired = 8,
}

impl JobState {
    /// The money has been divided; nothing changes any more but what is still owed.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            JobState::Settled | JobState::Rejected | JobState::Cancelled | JobState::Expired
        )
    }
}

impl TryFrom<u8> for JobState {
    type Error = anchor_lang::error::Error;

    fn try_from(value: u8) -> Result<Self> {
        Ok(match value {
            0 => JobState::None,
            1 => JobState::Open,
            2 => JobState::Running,
            3 => JobState::Submitted,
            4 => JobState::Disputed,
            5 => JobState::Settled,
            6 => JobState::Rejected,
            7 => JobState::Cancelled,
            8 => JobState::Expired,
            _ => return err!(IoError::Invariant),
        })
    }
}

/// What is rented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum JobKind {
    /// A piece of work, paid on its verified result.
    Task = 0,
    /// A device's time, paid by the attested second. Its unit is one second.
    Lease = 1,
}

/// How a result is verified; shown to the renter with its price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum VerificationClass {
    /// Bit-identical re-execution.
    Exact = 0,
    /// Sampled re-execution within a tolerance.
    Tolerant = 1,
    /// The renter's own container: attested hardware and uptime only.
    Metered = 2,
}

/// What the renter asks for.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTerms {
    /// Makes the job's address unique among the renter's jobs.
    pub nonce: u64,
    /// BLAKE3 of the spec blob.
    pub spec_hash: [u8; 32],
    /// Most the job pays for 1,000 units, base units of the payment mint.
    pub max_price: u64,
    /// Most units it pays for. In a lease: seconds bought now.
    pub max_units: u64,
    /// The most that may be escrowed, base units: whatever fees become before this lands, nobody pays more.
    pub max_escrow: u64,
    /// What the payer puts in now, base units; 0 for all of it. The job can be accepted once sponsors put in the rest.
    pub deposit: u64,
    /// Latest time at which a result can be submitted, or a lease be accepted, Unix seconds.
    pub deadline: i64,
    /// Longest run after acceptance, seconds. In a lease: what it may come to with extensions.
    pub max_run_seconds: u32,
    /// Class multiplier that the device must have at least, hundredths; 0 for any.
    pub min_multiplier_e2: u32,
    /// Device memory that the device must have at least, MiB.
    pub min_memory_mib: u32,
    /// Exact class id, or 65,535 for any.
    pub class: u16,
    /// Packed ISO 3166 code, or 0 for any.
    pub region: u16,
    /// Score that the device must have at least, basis points.
    pub min_reputation_bps: u16,
    /// 0 exact, 1 tolerant, 2 metered.
    pub verification: u8,
    /// Devices wanted. One, for now: several run as one cluster job.
    pub devices: u8,
    /// 0 task, 1 lease.
    pub kind: u8,
}

/// Everything of one job.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Job {
    pub renter: Pubkey,
    /// Funded the escrow and the rent; gets both back.
    pub payer: Pubkey,
    pub mint: Pubkey,
    /// Token account of this job alone.
    pub vault: Pubkey,
    /// Where refunds go.
    pub payer_token: Pubkey,
    /// Where fees go.
    pub treasury: Pubkey,
    /// Provider account; zero until accepted, as the next three.
    pub provider: Pubkey,
    pub device: Pubkey,
    /// Where the provider is paid.
    pub provider_token: Pubkey,
    /// Who disputed the result; zero when nobody did.
    pub challenger: Pubkey,
    pub spec_hash: [u8; 32],
    /// Hash of the submitted output manifest; zero until submitted, as the next.
    pub output_hash: [u8; 32],
    pub trace_root: [u8; 32],
    pub nonce: u64,
    pub max_price: u64,
    pub max_units: u64,
    /// The most it can cost, base units of the mint: what is escrowed once all deposits are in.
    pub escrow: u64,
    /// Put in so far; all of the escrow from acceptance on.
    pub funded: u64,
    /// The payer's own part of it, from creation. Each sponsor's is in a `Deposit`.
    pub deposited: u64,
    /// Accepted price of 1,000 units.
    pub ask: u64,
    /// Submitted units; after settlement the attested units. In a lease: seconds attested so far.
    pub units: u64,
    /// What the device could gain by cheating, IO base units.
    pub exposure: u64,
    /// Weight of the mint in exposure when the job was created.
    pub io_per_unit_e9: u64,
    /// Net amount for the provider, set when settled, as the next two. In a lease the first two grow with each checkpoint.
    pub paid: u64,
    pub fees: u64,
    /// Returned to the payer and all sponsors together.
    pub refunded: u64,
    /// Part of the above that could not be delivered (frozen or closed account) and waits in the vault.
    pub owed_provider: u64,
    pub owed_treasury: u64,
    pub owed_payer: u64,
    /// Sponsors' part of the refund that was not delivered yet.
    pub owed_sponsors: u64,
    /// Penalty taken from the device's bond that no slash case holds yet, IO base units.
    pub penalty_due: u64,
    /// Slot of creation: tells two jobs at one address apart.
    pub created_slot: u64,
    pub created_at: i64,
    /// Until then acceptance needs a match ticket.
    pub match_until: i64,
    pub deadline: i64,
    pub accepted_at: i64,
    /// A result must be submitted by then; a lease ends then.
    pub run_until: i64,
    /// When the result was submitted. In a lease: the time up to which seconds were counted.
    pub submitted_at: i64,
    /// Disputes are heard until then.
    pub challenge_until: i64,
    /// A disputed job refunds after that: `dispute_window` after the dispute.
    pub dispute_until: i64,
    /// When it reached a final state.
    pub finished_at: i64,
    pub max_run_seconds: u32,
    pub min_multiplier_e2: u32,
    pub min_memory_mib: u32,
    pub challenge_seconds: u32,
    pub dispute_seconds: u32,
    pub retention_seconds: u32,
    /// A provider that ends a lease early serves this long after it said so.
    pub notice_seconds: u32,
    /// Slots of the oracles that rejected it, as bits.
    pub accusers: u32,
    /// Sponsors' deposits that were not released yet.
    pub deposits: u16,
    pub class: u16,
    pub region: u16,
    pub min_reputation_bps: u16,
    pub reserve_bps: u16,
    /// The provider's side of the reservation fee, by its reputation when it accepted.
    pub provider_reserve_bps: u16,
    pub payment_bps: u16,
    pub expire_penalty_bps: u16,
    pub reject_penalty_bps: u16,
    pub verification: u8,
    pub devices: u8,
    pub state: u8,
    /// 1 for a mint of the Token-2022 program.
    pub token_2022: u8,
    pub bump: u8,
    pub vault_bump: u8,
    pub version: u8,
    /// 0 task, 1 lease.
    pub kind: u8,
    /// Who ended a lease early: 1 renter or payer, 2 provider; 0 nobody.
    pub ended_by: u8,
    pub reserved: [u8; 21],
}
serialise_as_bytes!(Job);

impl Job {
    pub fn state(&self) -> Result<JobState> {
        JobState::try_from(self.state)
    }

    pub fn require_state(&self, expected: JobState) -> Result<()> {
        require!(self.state == expected as u8, IoError::WrongState);
        Ok(())
    }

    pub fn is_lease(&self) -> bool {
        self.kind == JobKind::Lease as u8
    }

    /// It is a lease that a device serves.
    pub fn require_running_lease(&self) -> Result<()> {
        require!(self.is_lease(), IoError::NotALease);
        self.require_state(JobState::Running)
    }

    /// It is the job that a message was signed for, not another one created at its address since.
    pub fn require_created_at(&self, slot: u64) -> Result<()> {
        require!(self.created_slot == slot, IoError::AnotherJob);
        Ok(())
    }

    /// The renter or the payer.
    pub fn is_customer(&self, key: &Pubkey) -> bool {
        *key == self.renter || *key == self.payer
    }

    pub fn fee_terms(&self) -> FeeTerms {
        FeeTerms {
            reserve_bps: self.reserve_bps,
            provider_bps: self.provider_reserve_bps,
            payment_bps: self.payment_bps,
        }
    }

    /// The most that the provider can be paid at `ask`.
    pub fn most_payment(&self, ask: u64) -> Result<u64> {
        money::payment_ceil(self.max_units, ask).or_overflow()
    }

    /// What a device could gain at `ask`, IO base units, rounded up; never less than at a quarter of the job's highest price.
    pub fn exposure_at(&self, ask: u64) -> Result<u64> {
        let units = match self.is_lease() {
            true => lease::EXPOSURE_SECONDS,
            false => self.max_units,
        };
        let price = money::exposure_price(ask, self.max_price);
        let most = money::payment_ceil(units, price).or_overflow()?;
        money::exposure_ceil(most, self.io_per_unit_e9).or_overflow()
    }

    /// The payer's own share of a refund; the rest is the sponsors'.
    pub fn payers_share(&self, refund: u64) -> Result<u64> {
        if self.deposited == self.funded {
            return Ok(refund);
        }
        deposits::refund_share(refund, 0, self.deposited, self.funded).or_overflow()
    }

    /// The device meets the requirement (not its state, attestation or bond).
    pub fn met_by(&self, device: &Device, provider: &Provider, now: i64) -> bool {
        (self.class == ANY_CLASS || self.class == device.class)
            && device.multiplier_e2 >= self.min_multiplier_e2
            && device.memory_mib >= self.min_memory_mib
            && (self.region == 0 || self.region == device.region)
            && device.reputation_bps(provider, now) >= self.min_reputation_bps
    }

    /// Whether somebody objected to the result; also true of a job that has ended since.
    pub fn was_disputed(&self) -> bool {
        self.challenger != Pubkey::default()
    }

    /// How long a dispute waits for a quorum, seconds: the network's time, and twice what the device took. An oracle half as fast can so run
    /// the work again, however long it is.
    pub fn dispute_window(&self) -> i64 {
        let took = self.submitted_at.saturating_sub(self.accepted_at).max(0);
        i64::from(self.dispute_seconds).saturating_add(took.saturating_mul(2))
    }

    /// What oracles sign about this job's submitted result: after a dispute something else than before it, so that no signature from
    /// before decides.
    pub fn statement(
        &self,
        key: &Pubkey,
        deployment: Deployment,
        set_version: u64,
        verdict: Verdict,
    ) -> ResultStatement {
        ResultStatement {
            deployment,
            set_version,
            job: key.to_bytes(),
            created_slot: self.created_slot,
            epoch: epoch_of(self.submitted_at),
            verdict,
            output_hash: self.output_hash,
            units: self.units,
            disputed: self.was_disputed(),
        }
    }

    /// What the vault still owes: what was put in and not paid out until the job is final, then what was not delivered.
    pub fn liabilities(&self) -> Result<u64> {
        let undelivered = self
            .owed_provider
            .checked_add(self.owed_treasury)
            .and_then(|sum| sum.checked_add(self.owed_payer))
            .and_then(|sum| sum.checked_add(self.owed_sponsors))
            .or_overflow()?;
        if self.state()?.is_final() {
            return Ok(undelivered);
        }
        self.funded
            .checked_sub(self.paid)
            .and_then(|rest| rest.checked_sub(self.fees))
            .and_then(|rest| rest.checked_add(undelivered))
            .or_overflow()
    }

    pub fn invariant(&self) -> Result<()> {
        let state = self.state()?;
        require!(
            self.version == VERSION && state != JobState::None,
            IoError::Invariant
        );
        let accepted = self.device != Pubkey::default();
        match state {
            JobState::Open | JobState::Cancelled => require!(!accepted, IoError::Invariant),
            JobState::Expired => {}
            _ => require!(accepted && self.ask <= self.max_price, IoError::Invariant),
        }
        match state {
            JobState::Disputed => require!(self.was_disputed(), IoError::Invariant),
            JobState::Open | JobState::Running | JobState::Submitted => {
                require!(!self.was_disputed(), IoError::Invariant)
            }
            _ => {}
        }
        if !state.is_final() {
            let owed = self.owed_payer | self.owed_sponsors | self.refunded;
            require!(owed == 0, IoError::Invariant);
            // Only a running lease pays before its end.
            require!(
                state == JobState::Running && self.is_lease() || self.paid | self.fees == 0,
                IoError::Invariant
            );
        }
        require!(
            self.owed_provider <= self.paid
                && self.owed_treasury <= self.fees
                && self.owed_payer <= self.refunded
                && self.owed_sponsors <= self.refunded - self.owed_payer,
            IoError::Invariant
        );
        require!(
            self.deposited <= self.funded
                && self.funded <= self.escrow
                && (!accepted || self.funded == self.escrow),
            IoError::Invariant
        );
        require!(self.units <= self.max_units, IoError::Invariant);
        Ok(())
    }
}
