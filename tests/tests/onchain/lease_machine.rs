//! Random lives of leases and sponsored jobs, several on one chain at once, against a small model that works out by itself
//! what each call comes to. The harness holds after every step that all vaults hold what is owed.
//!
//! `./x fuzz` runs it for long.

use anchor_lang::prelude::Pubkey;
use io_network::{errors::IoError, state::JobState};
use io_protocol::money::IO;
use io_tests::{
    CLASS_SMALL, Mint, PARAMS, Party, Rig, START_IO, World, fuzz::Budget, lease_terms,
    leases::deposit, reckon, world,
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

const CASES: u32 = 48;
const STEPS: usize = 60;
const LEASES: usize = 2;
const SPONSORS: usize = 3;
/// Highest price and ask: 1,000 s.
const PRICE: u64 = 1_000_003;

#[derive(Clone, Debug)]
enum Op {
    Create {
        lease: usize,
        seconds: u64,
        more: u32,
        deposit_percent: u64,
    },
    Fund {
        lease: usize,
        sponsor: usize,
        percent: u64,
    },
    Accept {
        lease: usize,
        ask: u64,
    },
    Checkpoint {
        lease: usize,
        percent: u64,
        back: i64,
    },
    Extend {
        lease: usize,
        sponsor: usize,
        seconds: u64,
    },
    End {
        lease: usize,
        by_provider: bool,
    },
    Finish {
        lease: usize,
    },
    Cancel {
        lease: usize,
    },
    Expire {
        lease: usize,
    },
    Release {
        lease: usize,
        nth: usize,
    },
    Close {
        lease: usize,
    },
    Donate {
        lease: usize,
        amount: u64,
    },
    Wait {
        seconds: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let lease = 0..LEASES;
    let sponsor = 0..SPONSORS;
    prop_oneof![
        2 => (lease.clone(), 60u64..2_000, 0u32..4_000, 0u64..=100)
            .prop_map(|(lease, seconds, more, deposit_percent)| Op::Create { lease, seconds, more, deposit_percent }),
        3 => (lease.clone(), sponsor.clone(), 0u64..=120)
            .prop_map(|(lease, sponsor, percent)| Op::Fund { lease, sponsor, percent }),
        4 => (lease.clone(), 0..=PRICE + 1).prop_map(|(lease, ask)| Op::Accept { lease, ask }),
        6 => (lease.clone(), 0u64..=101, -1i64..5)
            .prop_map(|(lease, percent, back)| Op::Checkpoint { lease, percent, back }),
        3 => (lease.clone(), sponsor, 0u64..2_000)
            .prop_map(|(lease, sponsor, seconds)| Op::Extend { lease, sponsor, seconds }),
        1 => (lease.clone(), any::<bool>()).prop_map(|(lease, by_provider)| Op::End { lease, by_provider }),
        3 => lease.clone().prop_map(|lease| Op::Finish { lease }),
        1 => lease.clone().prop_map(|lease| Op::Cancel { lease }),
        1 => lease.clone().prop_map(|lease| Op::Expire { lease }),
        3 => (lease.clone(), 0usize..8).prop_map(|(lease, nth)| Op::Release { lease, nth }),
        2 => lease.clone().prop_map(|lease| Op::Close { lease }),
        1 => (lease, 1u64..1_000).prop_map(|(lease, amount)| Op::Donate { lease, amount }),
        5 => prop_oneof![1i64..3, 50i64..500, 500i64..8_000].prop_map(|seconds| Op::Wait { seconds }),
    ]
}

/// What the model knows of one lease.
#[derive(Clone, Debug)]
struct Lease {
    state: JobState,
    created_slot: u64,
    deadline: i64,
    seconds: u64,
    longest: u64,
    escrow: u64,
    /// Intervals of the escrow: who put what in, the payer's (`None`) first; gone when it was paid out.
    parts: Vec<(Option<(usize, u16)>, u64)>,
    ask: u64,
    accepted_at: i64,
    run_until: i64,
    counted_at: i64,
    attested: u64,
    ended: Option<bool>,
    paid: u64,
    refunded: u64,
    gifts: u64,
    penalty: u64,
    open_parts: Vec<usize>,
}

impl Lease {
    fn funded(&self) -> u64 {
        self.parts.iter().map(|(_, amount)| amount).sum()
    }

    fn start_of(&self, part: usize) -> u64 {
        self.parts[..part].iter().map(|(_, amount)| amount).sum()
    }

    fn share(&self, part: usize) -> u64 {
        reckon::deposit_share(
            self.refunded,
            self.start_of(part),
            self.parts[part].1,
            self.funded(),
        )
    }
}

struct Run {
    world: World,
    rigs: Vec<Rig>,
    renters: Vec<Party>,
    payers: Vec<Party>,
    sponsors: Vec<Party>,
    leases: Vec<Option<Lease>>,
    next_index: u16,
    /// IO that each sponsor and payer should hold.
    sponsors_io: Vec<u64>,
    payers_io: Vec<u64>,
    providers_io: Vec<u64>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new(240);
        let rigs = (0..LEASES)
            .map(|_| world.rig(CLASS_SMALL, 10_000 * IO))
            .collect();
        let mut parties = |n| (0..n).map(|_| world.party()).collect::<Vec<_>>();
        let (renters, payers, sponsors) = (parties(LEASES), parties(LEASES), parties(SPONSORS));
        Self {
            world,
            rigs,
            renters,
            payers,
            sponsors,
            leases: vec![None; LEASES],
            next_index: 0,
            sponsors_io: vec![START_IO; SPONSORS],
            payers_io: vec![START_IO; LEASES],
            providers_io: vec![0; LEASES],
        }
    }

    fn key(&self, lease: usize) -> Pubkey {
        world::job(&self.renters[lease].pubkey(), 1)
    }

    fn deposit_key(&self, lease: usize, part: usize) -> Option<Pubkey> {
        let (who, _) = self.leases[lease].as_ref()?.parts[part];
        let (sponsor, index) = who?;
        Some(deposit(
            &self.key(lease),
            &self.sponsors[sponsor].pubkey(),
            index,
        ))
    }

    #[track_caller]
    fn check(&mut self, what: &str, call: &io_tests::Call, allowed: bool) {
        match self.world.attempt(call) {
            Ok(_) => assert!(allowed, "{what} went through against the rules"),
            Err(failed) => assert!(
                !allowed,
                "{what} was refused against the rules: {:?}\n{}",
                failed.error,
                failed.logs.join("\n")
            ),
        }
    }

    /// Everything that returns is divided: the payer's part at once.
    fn refund(&mut self, at: usize, state: JobState) {
        let lease = self.leases[at].as_mut().expect("it is there");
        let kept = match lease.attested {
            0 => 0,
            seconds => {
                let all = reckon::shares(lease.escrow, seconds, lease.ask, PARAMS.reserve_bps, 0);
                all.provider + all.treasury
            }
        };
        lease.refunded = lease.funded() - kept + lease.gifts;
        lease.state = state;
        lease.open_parts = (1..lease.parts.len()).collect();
        self.payers_io[at] += lease.share(0);
    }

    fn apply(&mut self, op: &Op) {
        let now = self.world.now();
        match *op {
            Op::Create {
                lease: at,
                seconds,
                more,
                deposit_percent,
            } => {
                let key = self.key(at);
                let mut terms = lease_terms(&self.world, 1);
                terms.max_price = PRICE;
                terms.max_units = seconds;
                terms.max_run_seconds = seconds as u32 + more;
                let escrow = reckon::escrow(seconds, PRICE, PARAMS.reserve_bps, 0);
                terms.deposit = escrow * deposit_percent / 100;
                let call = self.world.create_job_call(
                    &self.renters[at].key,
                    &self.payers[at],
                    Mint::Io,
                    terms,
                );
                let allowed = self.leases[at].is_none();
                self.check("create", &call, allowed);
                if allowed {
                    let own = if terms.deposit == 0 {
                        escrow
                    } else {
                        terms.deposit
                    };
                    self.payers_io[at] -= own;
                    self.leases[at] = Some(Lease {
                        state: JobState::Open,
                        created_slot: self.world.job(&key).created_slot,
                        deadline: terms.deadline,
                        seconds,
                        longest: terms.max_run_seconds.into(),
                        escrow,
                        parts: vec![(None, own)],
                        ask: 0,
                        accepted_at: 0,
                        run_until: 0,
                        counted_at: 0,
                        attested: 0,
                        ended: None,
                        paid: 0,
                        refunded: 0,
                        gifts: 0,
                        penalty: 0,
                        open_parts: Vec::new(),
                    });
                }
            }
            Op::Fund {
                lease: at,
                sponsor,
                percent,
            } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                let amount = lease.escrow * percent / 100;
                let index = self.next_index;
                let call =
                    self.world
                        .fund_job_call(&self.key(at), &self.sponsors[sponsor], amount, index);
                let missing = lease.escrow - lease.funded();
                let taken = amount.min(missing);
                let allowed = lease.state == JobState::Open
                    && now < lease.deadline
                    && taken > 0
                    && (taken == missing || taken >= lease.escrow.div_ceil(64));
                self.check("fund", &call, allowed);
                if allowed {
                    self.next_index += 1;
                    self.sponsors_io[sponsor] -= taken;
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.parts.push((Some((sponsor, index)), taken));
                }
            }
            Op::Accept { lease: at, ask } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                let rig = self.rigs[at].clone();
                // Only newer figures replace older ones.
                if now > self.world.device(&rig.device).attested_at {
                    self.world.attest(&rig);
                }
                let call = self
                    .world
                    .accept_with_ticket_call(&self.key(at), &rig, ask, now + 30);
                let device = self.world.device(&rig.device);
                let allowed = lease.state == JobState::Open
                    && lease.funded() == lease.escrow
                    && now < lease.deadline
                    && ask <= PRICE
                    && device.bond >= reckon::minimum_bond(PARAMS.min_bond, 125);
                self.check("accept", &call, allowed);
                if allowed {
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.state = JobState::Running;
                    lease.ask = ask;
                    lease.accepted_at = now;
                    lease.run_until = now + lease.seconds as i64;
                }
            }
            Op::Checkpoint {
                lease: at,
                percent,
                back,
            } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                if lease.accepted_at == 0 {
                    return;
                }
                let when = now - back;
                let most = (when.min(lease.run_until) - lease.accepted_at).max(0) as u64;
                let seconds = match percent {
                    101 => most + 1,
                    percent => most * percent / 100,
                };
                let call = self
                    .world
                    .checkpoint_call(&self.key(at), seconds, when, &[0, 1]);
                let allowed = lease.state == JobState::Running
                    && when > lease.counted_at
                    && when <= now
                    && seconds >= lease.attested
                    && seconds <= most;
                self.check("checkpoint", &call, allowed);
                if allowed {
                    let all =
                        reckon::shares(lease.escrow, seconds, lease.ask, PARAMS.reserve_bps, 0);
                    self.providers_io[at] += all.provider - lease.paid;
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.paid = all.provider;
                    lease.attested = seconds;
                    lease.counted_at = when;
                }
            }
            Op::Extend {
                lease: at,
                sponsor,
                seconds,
            } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                let index = self.next_index;
                let call = self.world.extend_job_call(
                    &self.key(at),
                    &self.renters[at].key,
                    &self.sponsors[sponsor],
                    seconds,
                    index,
                );
                let escrow = reckon::escrow(lease.seconds + seconds, PRICE, PARAMS.reserve_bps, 0);
                let allowed = lease.state == JobState::Running
                    && lease.ended.is_none()
                    && now < lease.run_until
                    && seconds > 0
                    && lease.seconds + seconds <= lease.longest;
                self.check("extend", &call, allowed);
                if allowed {
                    self.next_index += 1;
                    let more = escrow - lease.escrow;
                    self.sponsors_io[sponsor] -= more;
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.parts.push((Some((sponsor, index)), more));
                    lease.escrow = escrow;
                    lease.seconds += seconds;
                    lease.run_until += seconds as i64;
                }
            }
            Op::End {
                lease: at,
                by_provider,
            } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                if lease.accepted_at == 0 {
                    return;
                }
                let (signer, until) = match by_provider {
                    true => (
                        self.rigs[at].operator.insecure_clone(),
                        now + i64::from(PARAMS.reclaim_notice_seconds),
                    ),
                    false => (self.renters[at].key.insecure_clone(), now),
                };
                let call = self.world.end_lease_call(&self.key(at), &signer);
                let allowed = lease.state == JobState::Running && until < lease.run_until;
                self.check("end", &call, allowed);
                if allowed {
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.run_until = until;
                    lease.ended = lease.ended.or(Some(by_provider));
                }
            }
            Op::Finish { lease: at } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                if lease.accepted_at == 0 {
                    return;
                }
                let call = self.world.finish_lease_call(&self.key(at));
                let grace = i64::from(PARAMS.challenge_seconds);
                let allowed = lease.state == JobState::Running
                    && (lease.counted_at >= lease.run_until || now > lease.run_until + grace);
                self.check("finish", &call, allowed);
                if allowed {
                    let fault = lease.attested == 0
                        && (lease.ended == Some(true) || lease.run_until - lease.accepted_at >= 60);
                    let state = match fault {
                        true => JobState::Expired,
                        false => JobState::Settled,
                    };
                    let exposure = reckon::exposure(3_600, lease.ask, PRICE, 1_000_000_000);
                    self.leases[at].as_mut().expect("it is there").penalty = match fault {
                        true => reckon::penalty(exposure, PARAMS.expire_penalty_bps),
                        false => 0,
                    };
                    self.refund(at, state);
                }
            }
            Op::Cancel { lease: at } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                let call = self.world.cancel_call(&self.key(at), &self.renters[at].key);
                let allowed = lease.state == JobState::Open;
                self.check("cancel", &call, allowed);
                if allowed {
                    self.refund(at, JobState::Cancelled);
                }
            }
            Op::Expire { lease: at } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                let call = self.world.expire_call(&self.key(at));
                let allowed = lease.state == JobState::Open && now > lease.deadline;
                self.check("expire", &call, allowed);
                if allowed {
                    self.refund(at, JobState::Expired);
                }
            }
            Op::Release { lease: at, nth } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                // One that is there: released ones have no account that a call could name.
                let left: Vec<usize> = match lease.state.is_final() {
                    true => lease.open_parts.clone(),
                    false => (1..lease.parts.len()).collect(),
                };
                if left.is_empty() {
                    return;
                }
                let part = left[nth % left.len()];
                let key = self.deposit_key(at, part).expect("a sponsor's");
                let anybody = self.payers[0].key.insecure_clone();
                let call = self.world.release_deposit_call(&key, &anybody);
                let allowed = lease.state.is_final();
                self.check("release", &call, allowed);
                if allowed {
                    let (sponsor, _) = lease.parts[part].0.expect("a sponsor's");
                    self.sponsors_io[sponsor] += lease.share(part);
                    let lease = self.leases[at].as_mut().expect("it is there");
                    lease.open_parts.retain(|p| *p != part);
                }
            }
            Op::Close { lease: at } => {
                let Some(lease) = self.leases[at].clone() else {
                    return;
                };
                if lease.penalty > 0 && lease.open_parts.is_empty() {
                    let opener = self.payers[0].key.insecure_clone();
                    let call =
                        self.world
                            .open_slash_case_call(&self.key(at), &self.rigs[at], &opener);
                    self.world.ok(&call);
                    self.leases[at].as_mut().expect("it is there").penalty = 0;
                }
                let call = self.world.close_call(&self.key(at), &self.payers[at].key);
                let allowed = lease.state.is_final()
                    && lease.open_parts.is_empty()
                    && lease.created_slot < self.world.slot();
                self.check("close", &call, allowed);
                if allowed {
                    self.leases[at] = None;
                }
            }
            Op::Donate { lease: at, amount } => {
                // What is given after the end goes to the payer when it is closed.
                if let Some(lease) = &mut self.leases[at]
                    && !lease.state.is_final()
                {
                    lease.gifts += amount;
                    let (mint, vault) = (self.world.io_mint, world::vault(&self.key(at)));
                    self.world.donate(&mint, &vault, amount);
                }
            }
            Op::Wait { seconds } => self.world.advance(seconds),
        }
        self.compare();
    }

    fn compare(&self) {
        for (at, lease) in self.leases.iter().enumerate() {
            assert_eq!(self.world.tokens(&self.payers[at].io), self.payers_io[at]);
            let earned = self.world.tokens(&self.rigs[at].payout.io);
            assert_eq!(earned, self.providers_io[at]);
            let Some(lease) = lease else { continue };
            let job = self.world.job(&self.key(at));
            assert_eq!(job.state, lease.state as u8);
            assert_eq!((job.escrow, job.funded), (lease.escrow, lease.funded()));
            assert_eq!((job.paid, job.units), (lease.paid, lease.attested));
            assert_eq!(job.refunded, lease.refunded);
            assert_eq!(job.penalty_due, lease.penalty);
        }
        for (sponsor, expected) in self.sponsors.iter().zip(&self.sponsors_io) {
            assert_eq!(self.world.tokens(&sponsor.io), *expected);
        }
    }

    /// Brings every lease to its close: no history is a trap.
    fn drain(&mut self) {
        for at in 0..LEASES {
            let Some(lease) = self.leases[at].clone() else {
                continue;
            };
            self.world.advance(10_000_000);
            match lease.state {
                JobState::Open => self.apply(&Op::Expire { lease: at }),
                JobState::Running => self.apply(&Op::Finish { lease: at }),
                _ => {}
            }
            for _ in 0..lease.parts.len() {
                self.apply(&Op::Release { lease: at, nth: 0 });
            }
            self.world.advance(1);
            self.apply(&Op::Close { lease: at });
            assert!(self.leases[at].is_none(), "every lease comes to its close");
        }
        let gone = self.world.job_gone(&self.key(0)) && self.world.job_gone(&self.key(1));
        assert!(gone);
    }
}

#[test]
fn any_life_of_a_lease_keeps_the_books() {
    let budget = Budget::of("lease_machine", 25);
    for round in 0.. {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let mut seed = [24; 32];
        seed[..8].copy_from_slice(&(budget.seed + round).to_le_bytes());
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let result = runner.run(&prop::collection::vec(op(), STEPS..=STEPS), |ops| {
            let mut run = Run::new();
            for op in &ops {
                run.apply(op);
            }
            run.drain();
            Ok(())
        });
        if let Err(error) = result {
            panic!("seed {}: {error}", budget.seed + round);
        }
        if !budget.more() {
            break;
        }
    }
    budget.done();
}

/// The errors that random lives meet are the ones that say what is wrong.
#[test]
fn an_unfunded_lease_says_so() {
    let mut run = Run::new();
    run.apply(&Op::Create {
        lease: 0,
        seconds: 100,
        more: 0,
        deposit_percent: 50,
    });
    let call =
        run.world
            .accept_with_ticket_call(&run.key(0), &run.rigs[0], PRICE, run.world.now() + 30);
    run.world.refuse(&call, IoError::NotFunded);
}
