use crate::prelude::*;
use io_protocol::{
    messages::{self, Measured},
    money, reputation,
};

use crate::{
    constants::{EVIDENCE_SECONDS, VERSION},
    errors::{IoError, MoneyResult},
    state::{serialise_as_bytes, Provider, Record},
};

/// A kind of device, with what it must measure and how it weighs.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceClass {
    /// UTF-8, zero-padded.
    pub name: [u8; 32],
    /// What an hour of one of its devices costs, as a guide, IO base units; 0 while the class has no guidance.
    pub reference_price: u64,
    /// Least and highest reference price, IO base units; both 0 for no guidance.
    pub price_floor: u64,
    pub price_ceiling: u64,
    /// Epoch of emission whose utilisation moved the reference price last; 0 before the first.
    pub guidance_epoch: u64,
    /// Reward multiplier, hundredths (H100 = 1000).
    pub multiplier_e2: u32,
    /// Least measured int8 TOPS, hundredths.
    pub min_tops_e2: u32,
    /// Least measured device memory, MiB.
    pub min_memory_mib: u32,
    /// Int8 TOPS in hundredths that rewards measure performance by; 0 for none.
    pub norm_tops_e2: u32,
    pub id: u16,
    /// Utilisation in that epoch, basis points.
    pub utilisation_bps: u16,
    /// 0 community, 1 enterprise.
    pub group: u8,
    pub bump: u8,
    pub version: u8,
    pub reserved: [u8; 57],
}
serialise_as_bytes!(DeviceClass);

impl DeviceClass {
    /// Epoch that moved the reference price last, while `newest` is the newest epoch with a root. Hours since the Unix epoch were kept
    /// here once: what is later than every root says nothing, and the price moves on.
    pub fn guided_until(&self, newest: u64) -> u64 {
        if self.guidance_epoch <= newest {
            self.guidance_epoch
        } else {
            0
        }
    }
}

/// States of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DeviceState {
    /// Takes jobs when it runs none.
    Active = 0,
    /// Finishes what it has, takes nothing new.
    Draining = 1,
}

/// One physical GPU, or one host's CPU. Seeded by the hash of its hardware id, so that one piece of hardware is
/// one account. Holds its own bond, exposure and counters: jobs on two devices never write the same account.
#[account(zero_copy)]
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// Provider account.
    pub provider: Pubkey,
    /// Hot key: accepts jobs and submits results, can withdraw nothing.
    pub operator: Pubkey,
    /// SHA-256 of the hardware id.
    pub hardware: [u8; 32],
    /// The job it runs now; zero when idle.
    pub current_job: Pubkey,
    /// Provider stake bound to this device, IO base units.
    pub bond: u64,
    /// What the device could gain by cheating in its unsettled jobs, IO base units. Never above `bond` when a job is
    /// accepted.
    pub exposure: u64,
    /// What its reputation follows from.
    pub record: Record,
    pub completed: u64,
    pub failed: u64,
    /// Payments earned, weighed in IO base units.
    pub volume: u64,
    /// When the newest attested figures were measured, Unix seconds; 0 before the first. Only newer ones replace them.
    pub attested_at: i64,
    /// When its operator was changed last, Unix seconds. Long ago for devices that never had another: the epoch of an attestation was
    /// here once.
    pub operator_since: i64,
    /// When it was registered, Unix seconds.
    pub since: i64,
    /// Unsettled jobs that name this device.
    pub open_jobs: u32,
    /// Class multiplier, hundredths, as it was at registration or the newest attestation.
    pub multiplier_e2: u32,
    pub tops_e2: u32,
    pub memory_mib: u32,
    pub bandwidth_mib_s: u32,
    pub class: u16,
    pub region: u16,
    pub state: u8,
    pub bump: u8,
    pub version: u8,
    /// The operator before `operator_since`; zero when there was none.
    pub former_operator: Pubkey,
    /// Hour (since the Unix epoch, u64 little-endian) in which a hardware proof of its was proven wrong last.
    pub faulty_epoch: [u8; 8],
    /// Aligns what follows.
    pub spare: u8,
    /// Mbit/s that its link showed to the worst of the oracles that signed, each way; 0 where none was shown.
    pub down_mbit: u32,
    pub up_mbit: u32,
    /// Longest round trip to an oracle that signed, milliseconds; 0 before it was measured.
    pub latency_ms: u16,
    pub reserved: [u8; 2],
    /// What that fault still costs, IO base units (u64 little-endian): nothing was there to take it from.
    pub fault_due: [u8; 8],
}
serialise_as_bytes!(Device);

impl Device {
    pub fn is_idle(&self) -> bool {
        self.state == DeviceState::Active as u8 && self.current_job == Pubkey::default()
    }

    pub fn measured(&self) -> Measured {
        Measured {
            tops_e2: self.tops_e2,
            memory_mib: self.memory_mib,
            bandwidth_mib_s: self.bandwidth_mib_s,
            down_mbit: self.down_mbit,
            up_mbit: self.up_mbit,
            latency_ms: self.latency_ms,
            region: self.region,
        }
    }

    /// The device's score at `now` with its provider's record: retiring and registering again washes nothing.
    pub fn reputation_bps(&self, provider: &Provider, now: i64) -> u16 {
        reputation::Record::from(self.record)
            .with(provider.record.into())
            .score_bps(reputation::day_of(now))
    }

    /// Least bond of this device, IO base units.
    pub fn minimum_bond(&self, base: u64) -> Result<u64> {
        money::minimum_bond(base, self.multiplier_e2).or_overflow()
    }

    /// The bond is at least that.
    pub fn is_bonded(&self, base: u64) -> Result<bool> {
        Ok(self.bond >= self.minimum_bond(base)?)
    }

    /// Ends one unsettled job: its exposure no longer binds.
    pub fn end_job(&mut self, job: &Pubkey, exposure: u64) -> Result<()> {
        self.exposure = self.exposure.checked_sub(exposure).or_overflow()?;
        self.open_jobs = self.open_jobs.checked_sub(1).or_overflow()?;
        if self.current_job == *job {
            self.current_job = Pubkey::default();
        }
        Ok(())
    }

    /// Records a job that paid `paid` base units of a mint of this weight. One that paid nothing says nothing of the device.
    pub fn succeed(&mut self, paid: u64, io_per_unit_e9: u64, now: i64) -> Result<()> {
        if paid == 0 {
            return Ok(());
        }
        let volume = money::exposure_ceil(paid, io_per_unit_e9).or_overflow()?;
        self.completed = self.completed.saturating_add(1);
        self.volume = self.volume.saturating_add(volume);
        self.record
            .change(|r| r.succeeded(volume, reputation::day_of(now)));
        Ok(())
    }

    /// Records a fault and takes its penalty from the bond. Returns the penalty: `bps` of the exposure (rounded down), at
    /// most what the bond holds.
    pub fn penalise(&mut self, exposure: u64, bps: u16, now: i64) -> Result<u64> {
        let penalty = money::share_floor(exposure, bps)
            .or_overflow()?
            .min(self.bond);
        self.bond -= penalty;
        self.failed = self.failed.saturating_add(1);
        self.record.change(|r| r.failed(reputation::day_of(now)));
        Ok(penalty)
    }

    pub fn fault_epoch(&self) -> u64 {
        u64::from_le_bytes(self.faulty_epoch)
    }

    pub fn fault_due(&self) -> u64 {
        u64::from_le_bytes(self.fault_due)
    }

    /// Until when what led to its newest figures can be proven wrong, Unix seconds: a day after the end of the hour that they were
    /// measured in. What no figures followed from has earned nothing.
    pub fn answers_until(&self) -> i64 {
        if self.attested_at == 0 {
            return 0;
        }
        let hours = messages::epoch_of(self.attested_at).saturating_add(1);
        i64::try_from(hours)
            .unwrap_or(i64::MAX)
            .saturating_mul(messages::EPOCH_SECONDS)
            .saturating_add(EVIDENCE_SECONDS)
    }

    /// Neither the device nor a part of its bond may leave while it answers with them.
    pub fn require_answered(&self, now: i64) -> Result<()> {
        require!(now >= self.answers_until(), IoError::StillAnswering);
        Ok(())
    }

    /// Whether a wrong proof that is brought now is a fault of its own. One in a day: the hour of the last one lies before all that can be
    /// brought now.
    pub fn faultable(&self, now: i64) -> bool {
        messages::epoch_of(now.saturating_sub(EVIDENCE_SECONDS)) > self.fault_epoch()
    }

    /// Whether `key` was this device's operator at some time of an hour (since the Unix epoch).
    pub fn operated_by(&self, key: &[u8], epoch: u64) -> bool {
        let changed = messages::epoch_of(self.operator_since);
        let is = |operator: &Pubkey| *operator != Pubkey::default() && operator.as_ref() == key;
        (is(&self.operator) && epoch >= changed) || (is(&self.former_operator) && epoch <= changed)
    }

    /// Gives it another operator. The one before answers for what it signed, so it is not forgotten too soon.
    pub fn change_operator(&mut self, operator: Pubkey, now: i64) -> Result<()> {
        if operator == self.operator {
            return Ok(());
        }
        require!(
            self.former_operator == Pubkey::default()
                || now >= self.operator_since.saturating_add(EVIDENCE_SECONDS),
            IoError::DeadlineNotPassed
        );
        self.former_operator = self.operator;
        self.operator = operator;
        self.operator_since = now;
        Ok(())
    }

    /// Records a wrong hardware proof, whether or not there is something to take: it costs `bps` (rounded down) of the bond, or of the
    /// least that its class needs where a bond was lowered below it, and adds to what is due. Returns its cost.
    pub fn fault(&mut self, min_bond: u64, bps: u16, now: i64) -> Result<u64> {
        let base = self.bond.max(self.minimum_bond(min_bond)?);
        let penalty = money::share_floor(base, bps).or_overflow()?;
        self.faulty_epoch = messages::epoch_of(now).to_le_bytes();
        self.failed = self.failed.saturating_add(1);
        self.record.change(|r| r.failed(reputation::day_of(now)));
        let due = self.fault_due().checked_add(penalty).or_overflow()?;
        self.fault_due = due.to_le_bytes();
        Ok(penalty)
    }

    /// Takes a penalty that is due from the bond, never what covers unsettled jobs, and what that lacks from the owner's stake that binds
    /// nothing. What is missing even so stays due. Returns the owner's part and the pool's.
    pub fn pay(&mut self, provider: &mut Provider, penalty: u64) -> Result<(u64, u64)> {
        let free = self.bond.checked_sub(self.exposure).or_overflow()?;
        let bonded = penalty.min(free);
        self.bond -= bonded;
        let (owner_part, co_part) = provider.slash(bonded)?;
        let unbound = provider.take_unbound(penalty - bonded);
        let paid = bonded + unbound;
        let due = self.fault_due().checked_sub(paid).or_overflow()?;
        self.fault_due = due.to_le_bytes();
        Ok((owner_part.checked_add(unbound).or_overflow()?, co_part))
    }

    /// A penalty was wrong: so was what it left due.
    pub fn forgive(&mut self, due: u64) {
        self.fault_due = self.fault_due().saturating_sub(due).to_le_bytes();
    }

    /// Who owes a penalty takes no work, and takes nothing out.
    pub fn require_paid(&self) -> Result<()> {
        require!(self.fault_due == [0; 8], IoError::PenaltyUnpaid);
        Ok(())
    }

    pub fn invariant(&self) -> Result<()> {
        require!(self.version == VERSION, IoError::Invariant);
        require!(
            self.state <= DeviceState::Draining as u8,
            IoError::Invariant
        );
        require!(self.exposure <= self.bond, IoError::Invariant);
        require!(self.open_jobs > 0 || self.exposure == 0, IoError::Invariant);
        require!(
            self.open_jobs > 0 || self.current_job == Pubkey::default(),
            IoError::Invariant
        );
        Ok(())
    }
}
