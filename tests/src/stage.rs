//! A job in any state, with everybody around it.

use anchor_lang::prelude::Pubkey;
use io_network::state::{Job, JobTerms};
use io_protocol::money::IO;

use crate::{
    calls::terms,
    parties::{Party, Rig},
    world::{self, CLASS_SMALL, Mint, World},
};

/// Ask of the device, base units of the mint for 1,000 units.
pub const ASK: u64 = 700_001;
/// Units that it submits.
pub const UNITS: u64 = 9_999;

/// Where a job can be, and by which way it came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Open,
    Running,
    Submitted,
    Disputed,
    Settled,
    Rejected,
    Cancelled,
    /// Nobody took it.
    ExpiredOpen,
    /// The device vanished.
    ExpiredRunning,
    /// Nobody decided the dispute.
    ExpiredDisputed,
    /// Its account is no more.
    Closed,
}

pub const ALL: [At; 11] = [
    At::Open,
    At::Running,
    At::Submitted,
    At::Disputed,
    At::Settled,
    At::Rejected,
    At::Cancelled,
    At::ExpiredOpen,
    At::ExpiredRunning,
    At::ExpiredDisputed,
    At::Closed,
];

pub struct Stage {
    pub world: World,
    pub rig: Rig,
    /// Signs for the job.
    pub renter: Party,
    /// Pays for it.
    pub payer: Party,
    pub mint: Mint,
    pub terms: JobTerms,
    pub key: Pubkey,
}

impl Stage {
    /// A provider with an attested device, and a renter with a payer; no job yet.
    pub fn empty(seed: u64, mint: Mint) -> Self {
        let mut world = World::new(seed);
        let rig = world.rig(CLASS_SMALL, 1_000 * IO);
        Self::with(world, rig, mint)
    }

    pub fn with(mut world: World, rig: Rig, mint: Mint) -> Self {
        let renter = world.party();
        let payer = world.party();
        let terms = terms(&world, 1);
        let key = world::job(&renter.pubkey(), terms.nonce);
        Self {
            world,
            rig,
            renter,
            payer,
            mint,
            terms,
            key,
        }
    }

    /// As a client does: a nonce whose addresses need no search.
    pub fn choose_nonce(&mut self, renter: &Pubkey) {
        self.terms.nonce = world::job_nonce(renter, self.terms.nonce);
        self.key = world::job(renter, self.terms.nonce);
    }

    /// A job in a state.
    pub fn at(seed: u64, at: At) -> Self {
        let mut stage = Self::empty(seed, Mint::Io);
        stage.go(at);
        stage
    }

    pub fn fork(&self) -> Self {
        Self {
            world: self.world.fork(),
            rig: self.rig.clone(),
            renter: self.renter.clone(),
            payer: self.payer.clone(),
            ..*self
        }
    }

    pub fn job(&self) -> Job {
        self.world.job(&self.key)
    }

    pub fn vault(&self) -> Pubkey {
        world::vault(&self.key)
    }

    pub fn create(&mut self) {
        let call = self
            .world
            .create_job_call(&self.renter.key, &self.payer, self.mint, self.terms);
        self.world.ok(&call);
    }

    pub fn accept(&mut self, ask: u64) {
        let call =
            self.world
                .accept_with_ticket_call(&self.key, &self.rig, ask, self.world.now() + 30);
        self.world.ok(&call);
    }

    pub fn submit(&mut self, units: u64) {
        let call = self.world.submit_call(&self.key, &self.rig, units);
        self.world.ok(&call);
    }

    pub fn settle(&mut self) {
        let call = self.world.settle_call(&self.key, &[0, 1]);
        self.world.ok(&call);
    }

    pub fn reject(&mut self) {
        let call = self.world.reject_call(&self.key, &[0, 1]);
        self.world.ok(&call);
    }

    pub fn dispute(&mut self) {
        let call = self.world.dispute_call(&self.key, &self.renter.key);
        self.world.ok(&call);
    }

    pub fn cancel(&mut self) {
        let call = self.world.cancel_call(&self.key, &self.renter.key);
        self.world.ok(&call);
    }

    /// Waits until the job can expire, and lets it.
    pub fn expire(&mut self) {
        let job = self.job();
        let until = [job.deadline, job.run_until, job.dispute_until]
            .into_iter()
            .max()
            .unwrap_or(0);
        self.world.at(until + 1);
        let call = self.world.expire_call(&self.key);
        self.world.ok(&call);
    }

    pub fn close(&mut self) {
        let call = self.world.close_call(&self.key, &self.payer.key);
        self.world.ok(&call);
    }

    /// From no job at all to a job in a state.
    pub fn go(&mut self, at: At) {
        self.create();
        self.world.advance(1);
        match at {
            At::Open => {}
            At::Cancelled => self.cancel(),
            At::ExpiredOpen => self.expire(),
            At::Closed => {
                self.cancel();
                self.close();
            }
            _ => {
                self.accept(ASK);
                self.world.advance(1);
                match at {
                    At::Running => {}
                    At::ExpiredRunning => self.expire(),
                    _ => {
                        self.submit(UNITS);
                        self.world.advance(1);
                        match at {
                            At::Submitted => {}
                            At::Settled => self.settle(),
                            At::Rejected => self.reject(),
                            _ => {
                                self.dispute();
                                self.world.advance(1);
                                if at == At::ExpiredDisputed {
                                    self.expire();
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
