//! The program's accounts in memory, with what the services look up by.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use io_client::{Pubkey, accounts::AnyAccount};
use io_network::state::{
    Deposit, Device, DeviceClass, Emission, Job, JobState, Network, OracleSet, PaymentMint,
    Provider,
};

/// Addresses whose sources are remembered; then those of closed accounts are forgotten.
const MAX_SOURCES: usize = 2_000_000;
/// States of a job, counted.
const STATES: usize = 9;

/// The accounts. Reading holds a lock: copy what is needed and let go.
#[derive(Default)]
pub struct Tables {
    pub network: Option<Network>,
    pub set: Option<OracleSet>,
    pub emission: Option<Emission>,
    /// By mint.
    pub mints: HashMap<Pubkey, PaymentMint>,
    pub classes: HashMap<u16, DeviceClass>,
    pub providers: HashMap<Pubkey, Provider>,
    pub devices: HashMap<Pubkey, Device>,
    pub jobs: HashMap<Pubkey, Job>,
    by_state: [BTreeSet<Pubkey>; STATES],
    /// Sponsors' deposits that were not released yet.
    pub deposits: HashMap<Pubkey, Deposit>,
    /// Finished jobs whose penalty no slash case holds yet.
    penalties: BTreeSet<Pubkey>,
    /// What each address holds, to know what went when it is closed.
    kinds: HashMap<Pubkey, Kind>,
    /// Where each address's state is from.
    sources: HashMap<Pubkey, Source>,
    /// Newest slot of any account.
    pub slot: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Mint(Pubkey),
    Class(u16),
    Provider,
    Device,
    Job,
    Deposit,
}

/// Where a state came from. Two ways lead here: events are complete and in order; notifications of accounts also tell what
/// was before the history begins, but nodes send them out of order within a slot.
#[derive(Clone, Copy)]
struct Source {
    slot: u64,
    event: bool,
}

/// What a change was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    Job(Pubkey),
    Device(Pubkey),
    /// Something that many things depend on.
    Other,
}

impl Tables {
    pub fn in_state(&self, state: JobState) -> &BTreeSet<Pubkey> {
        &self.by_state[state as usize]
    }

    pub fn penalties(&self) -> &BTreeSet<Pubkey> {
        &self.penalties
    }

    pub fn class_of(&self, device: &Device) -> Option<&DeviceClass> {
        self.classes.get(&device.class)
    }

    /// Jobs in each state.
    pub fn counts(&self) -> [(JobState, usize); STATES - 1] {
        [
            JobState::Open,
            JobState::Running,
            JobState::Submitted,
            JobState::Disputed,
            JobState::Settled,
            JobState::Rejected,
            JobState::Cancelled,
            JobState::Expired,
        ]
        .map(|state| (state, self.in_state(state).len()))
    }

    fn unlist_job(&mut self, address: &Pubkey) {
        if let Some(before) = self.jobs.remove(address) {
            if let Some(set) = self.by_state.get_mut(usize::from(before.state)) {
                set.remove(address);
            }
            self.penalties.remove(address);
        }
    }

    /// Takes a state that an account notification tells, unless a newer one is known; `None` when it was closed.
    pub fn apply(
        &mut self,
        address: Pubkey,
        slot: u64,
        account: Option<AnyAccount>,
    ) -> Option<Changed> {
        match self.sources.get(&address) {
            Some(known) if slot < known.slot || (slot == known.slot && known.event) => None,
            _ => Some(self.replace(address, Source { slot, event: false }, account)),
        }
    }

    /// Takes a state that an event tells, unless a newer one is known; `None` when it was closed.
    pub fn apply_event(
        &mut self,
        address: Pubkey,
        slot: u64,
        account: Option<AnyAccount>,
    ) -> Option<Changed> {
        match (self.sources.get(&address), &account) {
            (Some(known), _) if slot < known.slot => return None,
            // Gone already, and this is from before.
            (None, None) => return None,
            // Of the same slot the account may have told the end already: jobs never go back.
            (Some(known), Some(AnyAccount::Job(job)))
                if !known.event
                    && slot == known.slot
                    && self.jobs.get(&address).is_some_and(|j| {
                        j.created_slot == job.created_slot && j.state > job.state
                    }) =>
            {
                return None;
            }
            _ => {}
        }
        Some(self.replace(address, Source { slot, event: true }, account))
    }

    fn replace(&mut self, address: Pubkey, source: Source, account: Option<AnyAccount>) -> Changed {
        self.slot = self.slot.max(source.slot);
        if self.sources.len() > MAX_SOURCES {
            let kinds = &self.kinds;
            self.sources
                .retain(|address, _| kinds.contains_key(address));
        }
        // Kept for closed accounts, too: a late notification from before must not bring one back.
        self.sources.insert(address, source);
        let Some(account) = account else {
            return match self.kinds.remove(&address) {
                Some(Kind::Job) => {
                    self.unlist_job(&address);
                    Changed::Job(address)
                }
                Some(Kind::Device) => {
                    self.devices.remove(&address);
                    Changed::Device(address)
                }
                Some(Kind::Deposit) => {
                    self.deposits.remove(&address);
                    Changed::Other
                }
                Some(Kind::Provider) => {
                    self.providers.remove(&address);
                    Changed::Other
                }
                Some(Kind::Mint(mint)) => {
                    self.mints.remove(&mint);
                    Changed::Other
                }
                Some(Kind::Class(id)) => {
                    self.classes.remove(&id);
                    Changed::Other
                }
                None => Changed::Other,
            };
        };
        match account {
            AnyAccount::Network(network) => self.network = Some(*network),
            AnyAccount::OracleSet(set) => self.set = Some(*set),
            AnyAccount::PaymentMint(mint) => {
                self.kinds.insert(address, Kind::Mint(mint.mint));
                self.mints.insert(mint.mint, *mint);
            }
            AnyAccount::DeviceClass(class) => {
                self.kinds.insert(address, Kind::Class(class.id));
                self.classes.insert(class.id, *class);
            }
            AnyAccount::Provider(provider) => {
                self.kinds.insert(address, Kind::Provider);
                self.providers.insert(address, *provider);
            }
            AnyAccount::Device(device) => {
                self.kinds.insert(address, Kind::Device);
                self.devices.insert(address, *device);
                return Changed::Device(address);
            }
            AnyAccount::Job(job) => {
                self.unlist_job(&address);
                self.kinds.insert(address, Kind::Job);
                if let Some(set) = self.by_state.get_mut(usize::from(job.state)) {
                    set.insert(address);
                }
                if job.penalty_due > 0 {
                    self.penalties.insert(address);
                }
                self.jobs.insert(address, *job);
                return Changed::Job(address);
            }
            AnyAccount::Deposit(deposit) => {
                self.kinds.insert(address, Kind::Deposit);
                self.deposits.insert(address, *deposit);
            }
            AnyAccount::Emission(emission) => self.emission = Some(*emission),
            AnyAccount::BuyBack(_)
            | AnyAccount::SlashCase(_)
            | AnyAccount::CoStake(_)
            | AnyAccount::Oracle(_)
            | AnyAccount::Proposal(_)
            | AnyAccount::Vesting(_) => {}
        }
        Changed::Other
    }
}

/// The tables, shared.
#[derive(Default)]
pub struct Index(RwLock<Tables>);

impl Index {
    pub fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn apply(
        &self,
        address: Pubkey,
        slot: u64,
        account: Option<AnyAccount>,
    ) -> Option<Changed> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply(address, slot, account)
    }

    pub fn apply_event(
        &self,
        address: Pubkey,
        slot: u64,
        account: Option<AnyAccount>,
    ) -> Option<Changed> {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .apply_event(address, slot, account)
    }

    pub fn job(&self, address: &Pubkey) -> Option<Job> {
        self.read().jobs.get(address).copied()
    }

    pub fn device(&self, address: &Pubkey) -> Option<Device> {
        self.read().devices.get(address).copied()
    }

    /// Whether a key works for a registered device.
    pub fn operates(&self, key: &[u8; 32]) -> bool {
        self.read()
            .devices
            .values()
            .any(|device| device.operator.as_ref() == key)
    }

    pub fn set(&self) -> Option<OracleSet> {
        self.read().set
    }

    pub fn emission(&self) -> Option<Emission> {
        self.read().emission
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn job(state: JobState, penalty_due: u64) -> Option<AnyAccount> {
        Some(AnyAccount::Job(Box::new(Job {
            state: state as u8,
            penalty_due,
            ..Job::zeroed()
        })))
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut tables = Tables::default();
        let state = |tables: &Tables| tables.jobs.get(&key(1)).map(|job| job.state);
        // Accounts out of order within a slot: the events put it right.
        tables.apply(key(1), 5, job(JobState::Settled, 0));
        tables.apply(key(1), 5, job(JobState::Submitted, 0));
        assert_eq!(state(&tables), Some(JobState::Submitted as u8));
        tables.apply_event(key(1), 5, job(JobState::Submitted, 0));
        tables.apply_event(key(1), 5, job(JobState::Settled, 0));
        assert_eq!(tables.apply(key(1), 5, job(JobState::Submitted, 0)), None);
        assert_eq!(state(&tables), Some(JobState::Settled as u8));
        // Events of a slot whose end the account told already.
        tables.apply(key(1), 6, job(JobState::Settled, 9));
        assert_eq!(
            tables.apply_event(key(1), 6, job(JobState::Submitted, 0)),
            None
        );
        assert_eq!(tables.apply_event(key(1), 5, job(JobState::Open, 0)), None);
        // Closed is closed.
        assert_eq!(
            tables.apply_event(key(1), 7, None),
            Some(Changed::Job(key(1)))
        );
        assert_eq!(tables.apply(key(1), 7, job(JobState::Settled, 0)), None);
        assert_eq!(state(&tables), None);
        tables.apply(key(1), 8, job(JobState::Open, 0));
        assert_eq!(
            state(&tables),
            Some(JobState::Open as u8),
            "another job at the same address"
        );
    }

    #[test]
    fn a_job_is_listed_in_its_state_only() {
        let mut tables = Tables::default();
        assert_eq!(
            tables.apply(key(1), 5, job(JobState::Open, 0)),
            Some(Changed::Job(key(1)))
        );
        tables.apply(key(2), 5, job(JobState::Open, 0));
        tables.apply(key(1), 7, job(JobState::Expired, 3));
        assert_eq!(
            tables.in_state(JobState::Open).iter().collect::<Vec<_>>(),
            [&key(2)]
        );
        assert!(
            tables.in_state(JobState::Expired).contains(&key(1))
                && tables.penalties().contains(&key(1))
        );
        tables.apply(key(1), 8, job(JobState::Expired, 0));
        assert!(tables.penalties().is_empty());
        assert_eq!(tables.apply(key(1), 9, None), Some(Changed::Job(key(1))));
        assert!(
            tables.in_state(JobState::Expired).is_empty() && !tables.jobs.contains_key(&key(1))
        );
        assert_eq!(tables.slot, 9);
    }

    #[test]
    fn a_closed_account_goes_from_its_own_table() {
        let mut tables = Tables::default();
        tables.apply(
            key(1),
            1,
            Some(AnyAccount::Device(Box::new(Device::zeroed()))),
        );
        assert_eq!(tables.apply(key(1), 2, None), Some(Changed::Device(key(1))));
        assert!(tables.devices.is_empty());
        assert_eq!(tables.apply(key(9), 3, None), Some(Changed::Other));
    }
}
