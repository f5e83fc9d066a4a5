//! A second telling of the rules, kept apart from the program's code: who may do what and when, and where every base unit
//! then is. It knows nothing of accounts, only of people, jobs, devices and seconds.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang::prelude::Pubkey;
use io_tests::{Mint, reckon};

/// What the network was set up with. Fees may change on the way, these don't.
pub struct Rules {
    pub min_bond: u64,
    pub match_seconds: i64,
    pub challenge_seconds: i64,
    pub dispute_seconds: i64,
    pub attestation_seconds: i64,
    pub unbond_seconds: i64,
    pub retention_seconds: i64,
    pub expire_penalty_bps: u16,
    pub reject_penalty_bps: u16,
    pub quorum: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open = 1,
    Running,
    Submitted,
    Disputed,
    Settled,
    Rejected,
    Cancelled,
    Expired,
}

impl State {
    pub fn is_final(self) -> bool {
        self as u8 > State::Disputed as u8
    }
}

#[derive(Clone, Debug)]
pub struct Job {
    pub renter: usize,
    pub payer: usize,
    pub mint: Mint,
    pub max_units: u64,
    pub max_price: u64,
    pub reserve_bps: u16,
    /// The provider's side of it, as its reputation was when it accepted.
    pub provider_bps: u16,
    pub mint_bps: u16,
    pub weight_e9: u64,
    pub escrow: u64,
    pub state: State,
    pub created_slot: u64,
    pub match_until: i64,
    pub deadline: i64,
    pub run_seconds: i64,
    pub accepted_at: i64,
    pub submitted_at: i64,
    pub run_until: i64,
    pub challenge_until: i64,
    pub dispute_until: i64,
    pub finished_at: i64,
    pub device: Option<usize>,
    pub ask: u64,
    pub exposure: u64,
    pub units: u64,
    pub penalty_due: u64,
    /// Owed to provider, treasury and payer.
    pub owed: [u64; 3],
    pub vault: Pubkey,
    pub payer_token: Pubkey,
    pub provider_token: Pubkey,
    pub treasury: Pubkey,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    pub bond: u64,
    pub exposure: u64,
    pub open_jobs: u32,
    /// Slot of the job it runs.
    pub runs: Option<usize>,
    pub draining: bool,
    pub attested_at: Option<i64>,
    pub completed: u64,
    pub failed: u64,
}

impl Device {
    /// A day after the hour of its newest figures neither it nor its bond may have left.
    fn answers_until(&self) -> i64 {
        const HOUR: i64 = 3_600;
        self.attested_at
            .map_or(0, |at| (at / HOUR + 1) * HOUR + 24 * HOUR)
    }
}

#[derive(Clone, Debug, Default)]
pub struct Provider {
    pub staked: u64,
    pub unbonding: Vec<(u64, i64)>,
    /// Penalties that no case holds yet.
    pub due: u64,
    pub cases: u64,
    /// Counters of retired devices.
    pub completed: u64,
    pub failed: u64,
    pub stake_vault: Pubkey,
    /// Account that stakes and withdraws.
    pub wallet: Pubkey,
    /// Accounts that earn.
    pub payout: [Pubkey; 2],
}

pub struct Model {
    pub rules: Rules,
    pub now: i64,
    pub slot: u64,
    pub paused: bool,
    pub reserve_bps: u16,
    pub jobs: BTreeMap<usize, Job>,
    pub devices: Vec<Option<Device>>,
    /// Which provider a device belongs to.
    pub owner: Vec<usize>,
    pub providers: Vec<Provider>,
    /// Every token account that matters.
    pub tokens: BTreeMap<Pubkey, u64>,
    pub frozen: BTreeSet<Pubkey>,
}

/// What a call comes to, by the rules.
pub type Allowed = bool;

impl Model {
    fn usable(&self, account: &Pubkey) -> bool {
        self.tokens.contains_key(account) && !self.frozen.contains(account)
    }

    fn held(&self, account: &Pubkey) -> u64 {
        self.tokens.get(account).copied().unwrap_or(0)
    }

    fn pay(&mut self, from: &Pubkey, to: &Pubkey, amount: u64) {
        *self.tokens.get_mut(from).expect("it exists") -= amount;
        *self.tokens.get_mut(to).expect("it exists") += amount;
    }

    fn committed(&self, provider: usize) -> u64 {
        let bonds: u64 = self
            .devices
            .iter()
            .zip(&self.owner)
            .filter(|(_, o)| **o == provider)
            .flat_map(|(d, _)| d)
            .map(|d| d.bond)
            .sum();
        bonds + self.providers[provider].due
    }

    fn free(&self, provider: usize) -> u64 {
        self.providers[provider].staked - self.committed(provider)
    }

    // Jobs

    /// A new job in a free place. The addresses are the caller's business.
    pub fn create(&mut self, place: usize, job: Job) -> Allowed {
        let escrow = reckon::escrow(job.max_units, job.max_price, job.reserve_bps, job.mint_bps);
        if self.paused
            || self.jobs.contains_key(&place)
            || !self.usable(&job.payer_token)
            || self.held(&job.payer_token) < escrow
        {
            return false;
        }
        self.tokens.insert(job.vault, 0);
        self.pay(&job.payer_token.clone(), &job.vault.clone(), escrow);
        self.jobs.insert(
            place,
            Job {
                escrow,
                state: State::Open,
                created_slot: self.slot,
                ..job
            },
        );
        true
    }

    pub fn accept(&mut self, place: usize, device: usize, ask: u64, ticket: bool) -> Allowed {
        let (Some(job), Some(Some(d))) = (self.jobs.get(&place), self.devices.get(device)) else {
            return false;
        };
        let payout = self.providers[self.owner[device]].payout[job.mint as usize];
        let exposure = reckon::exposure(
            job.max_units,
            ask.min(job.max_price),
            job.max_price,
            job.weight_e9,
        );
        let fresh = d
            .attested_at
            .is_some_and(|at| self.now <= at + self.rules.attestation_seconds);
        let good = job.state == State::Open
            && self.now < job.deadline
            && !d.draining
            && d.runs.is_none()
            && fresh
            && d.bond >= self.rules.min_bond
            && ask <= job.max_price
            && d.exposure + exposure <= d.bond
            && self.usable(&payout)
            && payout != job.payer_token
            && (ticket || self.now > job.match_until);
        if !good {
            return false;
        }
        let now = self.now;
        let job = self.jobs.get_mut(&place).expect("it exists");
        job.state = State::Running;
        job.device = Some(device);
        job.ask = ask;
        job.exposure = exposure;
        job.provider_token = payout;
        job.accepted_at = now;
        job.run_until = (now + job.run_seconds).min(job.deadline);
        let d = self.devices[device].as_mut().expect("it exists");
        d.runs = Some(place);
        d.exposure += exposure;
        d.open_jobs += 1;
        true
    }

    pub fn submit(&mut self, place: usize, units: u64) -> Allowed {
        let Some(job) = self.jobs.get_mut(&place) else {
            return false;
        };
        if job.state != State::Running
            || self.now > job.run_until
            || units == 0
            || units > job.max_units
        {
            return false;
        }
        job.state = State::Submitted;
        job.units = units;
        job.submitted_at = self.now;
        job.challenge_until = self.now + self.rules.challenge_seconds;
        self.devices[job.device.expect("accepted")]
            .as_mut()
            .expect("it exists")
            .runs = None;
        true
    }

    pub fn dispute(&mut self, place: usize, may: bool) -> Allowed {
        let Some(job) = self.jobs.get_mut(&place) else {
            return false;
        };
        if job.state != State::Submitted || self.now > job.challenge_until || !may {
            return false;
        }
        job.state = State::Disputed;
        let took = job.submitted_at - job.accepted_at;
        job.dispute_until = self.now + self.rules.dispute_seconds + 2 * took;
        true
    }

    /// Pays shares out of the vault, or owes them.
    fn divide(&mut self, place: usize, shares: [u64; 3]) {
        let job = self.jobs[&place].clone();
        let to = [job.provider_token, job.treasury, job.payer_token];
        let mut owed = [0; 3];
        for i in 0..3 {
            if shares[i] > 0 && self.usable(&to[i]) && !self.frozen.contains(&job.vault) {
                self.pay(&job.vault, &to[i], shares[i]);
            } else {
                owed[i] = shares[i];
            }
        }
        self.jobs.get_mut(&place).expect("it exists").owed = owed;
    }

    fn end(&mut self, place: usize, state: State) {
        let now = self.now;
        let job = self.jobs.get_mut(&place).expect("it exists");
        job.state = state;
        job.finished_at = now;
        if let Some(device) = job.device {
            let d = self.devices[device]
                .as_mut()
                .expect("a device with an open job stays");
            d.exposure -= job.exposure;
            d.open_jobs -= 1;
            if d.runs == Some(place) {
                d.runs = None;
            }
        }
    }

    fn refund(&mut self, place: usize) {
        let all = self.held(&self.jobs[&place].vault);
        self.divide(place, [0, 0, all]);
    }

    fn penalise(&mut self, place: usize, bps: u16) {
        let job = self.jobs.get_mut(&place).expect("it exists");
        let device = job.device.expect("accepted");
        let d = self.devices[device].as_mut().expect("it exists");
        let penalty = reckon::penalty(job.exposure, bps).min(d.bond);
        d.bond -= penalty;
        d.failed += 1;
        job.penalty_due = penalty;
        self.providers[self.owner[device]].due += penalty;
    }

    pub fn settle(&mut self, place: usize, signers: usize) -> Allowed {
        let Some(job) = self.jobs.get(&place).cloned() else {
            return false;
        };
        let silent = job.state == State::Submitted && self.now > job.challenge_until;
        let decided =
            matches!(job.state, State::Submitted | State::Disputed) && signers >= self.rules.quorum;
        if !silent && !decided {
            return false;
        }
        let shares = reckon::shares_at(
            self.held(&job.vault),
            job.units,
            job.ask,
            job.reserve_bps,
            job.provider_bps,
            job.mint_bps,
        );
        self.divide(place, [shares.provider, shares.treasury, shares.payer]);
        self.end(place, State::Settled);
        self.devices[job.device.expect("accepted")]
            .as_mut()
            .expect("it exists")
            .completed += u64::from(shares.provider > 0);
        true
    }

    pub fn reject(&mut self, place: usize, signers: usize) -> Allowed {
        let Some(job) = self.jobs.get(&place) else {
            return false;
        };
        if !matches!(job.state, State::Submitted | State::Disputed) || signers < self.rules.quorum {
            return false;
        }
        self.end(place, State::Rejected);
        self.penalise(place, self.rules.reject_penalty_bps);
        self.refund(place);
        true
    }

    pub fn cancel(&mut self, place: usize, may: bool) -> Allowed {
        if !may
            || self
                .jobs
                .get(&place)
                .is_none_or(|job| job.state != State::Open)
        {
            return false;
        }
        self.end(place, State::Cancelled);
        self.refund(place);
        true
    }

    pub fn expire(&mut self, place: usize) -> Allowed {
        let Some(job) = self.jobs.get(&place) else {
            return false;
        };
        let (state, until) = match job.state {
            State::Open => (State::Open, job.deadline),
            State::Running => (State::Running, job.run_until),
            State::Disputed => (State::Disputed, job.dispute_until),
            _ => return false,
        };
        if self.now <= until {
            return false;
        }
        self.end(place, State::Expired);
        if state == State::Running {
            self.penalise(place, self.rules.expire_penalty_bps);
        }
        self.refund(place);
        true
    }

    /// Delivers what is owed to one payee. `may`: to the agreed account, or on the payee's own word.
    pub fn release(
        &mut self,
        place: usize,
        payee: usize,
        destination: &Pubkey,
        may: bool,
    ) -> Allowed {
        let Some(job) = self.jobs.get(&place).cloned() else {
            return false;
        };
        let good = job.state.is_final()
            && job.owed[payee] > 0
            && may
            && self.usable(destination)
            && !self.frozen.contains(&job.vault);
        if !good {
            return false;
        }
        self.pay(&job.vault, destination, job.owed[payee]);
        self.jobs.get_mut(&place).expect("it exists").owed[payee] = 0;
        true
    }

    pub fn open_case(&mut self, place: usize, case_vault: Pubkey) -> Allowed {
        let Some(job) = self.jobs.get(&place).cloned() else {
            return false;
        };
        let Some(device) = job.device else {
            return false;
        };
        let owner = self.owner[device];
        let stake_vault = self.providers[owner].stake_vault;
        if job.penalty_due == 0 || self.frozen.contains(&stake_vault) {
            return false;
        }
        self.tokens.insert(case_vault, 0);
        self.pay(&stake_vault, &case_vault, job.penalty_due);
        let provider = &mut self.providers[owner];
        provider.due -= job.penalty_due;
        provider.staked -= job.penalty_due;
        provider.cases += 1;
        self.jobs.get_mut(&place).expect("it exists").penalty_due = 0;
        true
    }

    pub fn close(&mut self, place: usize, party: bool) -> Allowed {
        let Some(job) = self.jobs.get(&place).cloned() else {
            return false;
        };
        let left = self.held(&job.vault);
        let good = job.state.is_final()
            && job.owed == [0; 3]
            && job.penalty_due == 0
            && job.created_slot < self.slot
            && (party || self.now > job.finished_at + self.rules.retention_seconds)
            && (left == 0 || (self.usable(&job.payer_token) && !self.frozen.contains(&job.vault)));
        if !good {
            return false;
        }
        if left > 0 {
            self.pay(&job.vault, &job.payer_token, left);
        }
        self.tokens.remove(&job.vault);
        self.frozen.remove(&job.vault);
        self.jobs.remove(&place);
        true
    }

    // Providers and devices

    pub fn stake(&mut self, provider: usize, amount: u64) -> Allowed {
        let (wallet, vault) = (
            self.providers[provider].wallet,
            self.providers[provider].stake_vault,
        );
        let good = !self.paused
            && amount > 0
            && self.usable(&wallet)
            && self.usable(&vault)
            && self.held(&wallet) >= amount;
        if good {
            self.pay(&wallet, &vault, amount);
            self.providers[provider].staked += amount;
        }
        good
    }

    pub fn unstake(&mut self, provider: usize, amount: u64) -> Allowed {
        let good = amount > 0
            && amount <= self.free(provider)
            && self.providers[provider].unbonding.len() < 8;
        if good {
            let ready = self.now + self.rules.unbond_seconds;
            let provider = &mut self.providers[provider];
            provider.staked -= amount;
            provider.unbonding.push((amount, ready));
        }
        good
    }

    pub fn withdraw(&mut self, provider: usize) -> Allowed {
        let (wallet, vault) = (
            self.providers[provider].wallet,
            self.providers[provider].stake_vault,
        );
        let now = self.now;
        let ripe: u64 = self.providers[provider]
            .unbonding
            .iter()
            .filter(|(_, at)| *at <= now)
            .map(|(a, _)| a)
            .sum();
        let good = ripe > 0 && self.usable(&wallet) && self.usable(&vault);
        if good {
            self.providers[provider]
                .unbonding
                .retain(|(_, at)| *at > now);
            self.pay(&vault, &wallet, ripe);
        }
        good
    }

    pub fn register(&mut self, device: usize, bond: u64) -> Allowed {
        let owner = self.owner[device];
        let good = !self.paused
            && self.devices[device].is_none()
            && bond >= self.rules.min_bond
            && bond <= self.free(owner);
        if good {
            self.devices[device] = Some(Device {
                bond,
                ..Device::default()
            });
        }
        good
    }

    pub fn attest(&mut self, device: usize, signers: usize) -> Allowed {
        let (now, quorum) = (self.now, self.rules.quorum);
        let Some(d) = &mut self.devices[device] else {
            return false;
        };
        if signers < quorum || d.attested_at.is_some_and(|at| at >= now) {
            return false;
        }
        d.attested_at = Some(now);
        true
    }

    pub fn rebond(&mut self, device: usize, bond: u64) -> Allowed {
        let (free, now) = (self.free(self.owner[device]), self.now);
        let Some(d) = &mut self.devices[device] else {
            return false;
        };
        let good = bond >= d.exposure
            && bond <= free + d.bond
            && (bond >= d.bond || now >= d.answers_until());
        if good {
            d.bond = bond;
        }
        good
    }

    pub fn drain(&mut self, device: usize, draining: bool) -> Allowed {
        let Some(d) = &mut self.devices[device] else {
            return false;
        };
        d.draining = draining;
        true
    }

    pub fn retire(&mut self, device: usize) -> Allowed {
        let Some(d) = &self.devices[device] else {
            return false;
        };
        if d.open_jobs > 0 || self.now < d.answers_until() {
            return false;
        }
        let provider = &mut self.providers[self.owner[device]];
        provider.completed += d.completed;
        provider.failed += d.failed;
        self.devices[device] = None;
        true
    }
}
