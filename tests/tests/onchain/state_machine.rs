//! Random operations by several renters, payers, providers and oracles, with clocks that move, accounts that freeze and
//! gifts that nobody asked for. After every step the chain is compared with a model of the rules, balance by balance; at the
//! end everything is driven to its close and every token is with somebody whom the rules name.
//!
//! `./x fuzz` runs it for long.

use std::{cell::RefCell, collections::BTreeMap};

use anchor_lang::prelude::Pubkey;
use io_network::{Payee, state::JobTerms};
use io_protocol::money::IO;
use io_tests::{
    CLASS_SMALL, Call, Mint, PARAMS, Party, Rig, USD, World,
    fuzz::Budget,
    reckon,
    world::{self, USD_FEE_BPS, USD_IO_E9},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::model::{Device, Job, Model, Provider, Rules, State};

const CASES: u32 = 200;
const STEPS: std::ops::Range<usize> = 40..240;
/// Places for jobs: two nonces of each of three renters.
const PLACES: usize = 6;
const DEVICES: usize = 4;

/// One random operation. Numbers are reduced to what there is.
#[derive(Clone, Debug)]
enum Op {
    Create {
        place: usize,
        payer: usize,
        usd: bool,
        units: u64,
        price: u64,
        run: u32,
        deadline: i64,
    },
    Accept {
        job: usize,
        device: usize,
        ask_percent: u64,
        ticket: bool,
    },
    Submit {
        job: usize,
        percent: u64,
    },
    Settle {
        job: usize,
        signers: usize,
    },
    Reject {
        job: usize,
        signers: usize,
    },
    Dispute {
        job: usize,
        by: usize,
    },
    Cancel {
        job: usize,
        by: usize,
    },
    Expire {
        job: usize,
    },
    Release {
        job: usize,
        payee: usize,
        by: usize,
    },
    OpenCase {
        job: usize,
    },
    Close {
        job: usize,
        by: usize,
    },
    Stake {
        provider: usize,
        amount: u64,
    },
    Unstake {
        provider: usize,
        permille: u64,
    },
    Withdraw {
        provider: usize,
    },
    Register {
        device: usize,
        bond: u64,
    },
    Attest {
        device: usize,
        signers: usize,
    },
    Rebond {
        device: usize,
        bond: u64,
    },
    Drain {
        device: usize,
        draining: bool,
    },
    /// What would come next in a job's life, so that some lives are long.
    Progress {
        job: usize,
        device: usize,
        how: usize,
    },
    Retire {
        device: usize,
    },
    Wait {
        seconds: i64,
    },
    Donate {
        to: usize,
        amount: u64,
    },
    Freeze {
        account: usize,
    },
    Thaw {
        account: usize,
    },
    Pause {
        paused: bool,
    },
    SetFee {
        reserve_bps: u16,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0usize..64;
    let amount = prop_oneof![Just(0u64), Just(1), 1..1_000 * IO, Just(u64::MAX)];
    let bond = prop_oneof![4 => 250 * IO..600 * IO, 1 => Just(0u64), 1 => Just(250 * IO - 1), 1 => 0..2_000 * IO];
    let wait = prop_oneof![
        40 => 1i64..40, 12 => Just(61), 12 => Just(601), 6 => Just(1_801), 4 => Just(3_601), 2 => Just(7_201),
        1 => Just(8 * 24 * 3_600), 1 => Just(15 * 24 * 3_600),
    ];
    prop_oneof![
        10 => (n.clone(), n.clone(), any::<bool>(), 1u64..20_000, 1u64..3 * IO, 1u32..3_000, 60i64..9_000)
            .prop_map(|(place, payer, usd, units, price, run, deadline)| Op::Create { place, payer, usd, units, price, run, deadline }),
        14 => (n.clone(), n.clone(), prop_oneof![9 => 0u64..=100, 1 => Just(101)], prop_oneof![4 => Just(true), 1 => Just(false)])
            .prop_map(|(job, device, ask_percent, ticket)| Op::Accept { job, device, ask_percent, ticket }),
        14 => (n.clone(), prop_oneof![9 => 0u64..=100, 1 => Just(101)]).prop_map(|(job, percent)| Op::Submit { job, percent }),
        9 => (n.clone(), 0usize..4).prop_map(|(job, signers)| Op::Settle { job, signers }),
        4 => (n.clone(), 1usize..4).prop_map(|(job, signers)| Op::Reject { job, signers }),
        5 => (n.clone(), 0usize..4).prop_map(|(job, by)| Op::Dispute { job, by }),
        3 => (n.clone(), 0usize..3).prop_map(|(job, by)| Op::Cancel { job, by }),
        7 => n.clone().prop_map(|job| Op::Expire { job }),
        7 => (n.clone(), 0usize..3, 0usize..4).prop_map(|(job, payee, by)| Op::Release { job, payee, by }),
        6 => n.clone().prop_map(|job| Op::OpenCase { job }),
        7 => (n.clone(), 0usize..3).prop_map(|(job, by)| Op::Close { job, by }),
        3 => (n.clone(), amount.clone()).prop_map(|(provider, amount)| Op::Stake { provider, amount }),
        4 => (n.clone(), 0u64..=1_001).prop_map(|(provider, permille)| Op::Unstake { provider, permille }),
        3 => n.clone().prop_map(|provider| Op::Withdraw { provider }),
        4 => (n.clone(), bond.clone()).prop_map(|(device, bond)| Op::Register { device, bond }),
        8 => (n.clone(), prop_oneof![1 => Just(1usize), 6 => Just(2)]).prop_map(|(device, signers)| Op::Attest { device, signers }),
        3 => (n.clone(), bond).prop_map(|(device, bond)| Op::Rebond { device, bond }),
        2 => (n.clone(), prop_oneof![1 => Just(true), 3 => Just(false)]).prop_map(|(device, draining)| Op::Drain { device, draining }),
        40 => (n.clone(), n.clone(), 0usize..12).prop_map(|(job, device, how)| Op::Progress { job, device, how }),
        1 => n.clone().prop_map(|device| Op::Retire { device }),
        14 => wait.prop_map(|seconds| Op::Wait { seconds }),
        3 => (n.clone(), 1u64..1_000_000).prop_map(|(to, amount)| Op::Donate { to, amount }),
        3 => n.clone().prop_map(|account| Op::Freeze { account }),
        5 => n.prop_map(|account| Op::Thaw { account }),
        1 => prop_oneof![1 => Just(true), 9 => Just(false)].prop_map(|paused| Op::Pause { paused }),
        1 => (0u16..=500).prop_map(|reserve_bps| Op::SetFee { reserve_bps }),
    ]
}

/// Renters and payers, and providers with two devices each, in a world with nothing staked yet.
struct Cast {
    world: World,
    parties: Vec<Party>,
    rigs: Vec<Rig>,
    stranger: Keypair,
}

impl Cast {
    fn new() -> Self {
        let mut world = World::new(160);
        // Who may redirect what the treasury is owed.
        let call = world.set_treasury_owner_call(&world.admin.pubkey());
        world.ok(&call);
        let parties: Vec<Party> = (0..3).map(|_| world.party()).collect();
        let mut rigs = Vec::new();
        for i in 0..2 {
            let mut first = world.unregistered_rig(CLASS_SMALL);
            if i == 1 {
                // The second provider is paid to the accounts of somebody who rents and pays as well.
                first.payout = parties[2].clone();
            }
            let call = world.register_provider_call(&first);
            world.ok(&call);
            let hardware = world.keys.bytes();
            let second = Rig {
                hardware,
                device: world::device(&hardware),
                operator: world.person(),
                ..first.clone()
            };
            rigs.extend([first, second]);
        }
        let stranger = world.person();
        Self {
            world,
            parties,
            rigs,
            stranger,
        }
    }
}

fn weight(mint: Mint) -> u64 {
    match mint {
        Mint::Io => 1_000_000_000,
        Mint::Usd => USD_IO_E9,
    }
}

/// How often each operation went through and was refused.
type Counts = BTreeMap<&'static str, (u32, u32)>;

struct Run<'a> {
    world: World,
    cast: &'a Cast,
    model: Model,
    counts: &'a RefCell<Counts>,
}

impl<'a> Run<'a> {
    fn new(cast: &'a Cast, counts: &'a RefCell<Counts>) -> Self {
        let world = cast.world.fork();
        let mut tokens = BTreeMap::new();
        let wallets = cast
            .parties
            .iter()
            .chain(cast.rigs.iter().flat_map(|r| [&r.authority, &r.payout]));
        for key in wallets.flat_map(|p| [p.io, p.usd]) {
            tokens.insert(key, world.tokens(&key));
        }
        let shards = [world.io_mint, world.usd_mint]
            .into_iter()
            .flat_map(|m| (0..16).map(move |i| world::treasury_shard(&m, i)));
        tokens.extend(shards.map(|key| (key, 0)));
        let providers: Vec<Provider> = [0, 2]
            .iter()
            .map(|i| Provider {
                stake_vault: cast.rigs[*i].stake_vault(),
                wallet: cast.rigs[*i].authority.io,
                payout: [cast.rigs[*i].payout.io, cast.rigs[*i].payout.usd],
                ..Provider::default()
            })
            .collect();
        tokens.extend(providers.iter().map(|p| (p.stake_vault, 0)));
        let model = Model {
            rules: Rules {
                min_bond: reckon::minimum_bond(PARAMS.min_bond, 125),
                match_seconds: PARAMS.match_seconds.into(),
                challenge_seconds: PARAMS.challenge_seconds.into(),
                dispute_seconds: PARAMS.dispute_seconds.into(),
                attestation_seconds: PARAMS.attestation_seconds.into(),
                unbond_seconds: PARAMS.unbond_seconds.into(),
                retention_seconds: PARAMS.retention_seconds.into(),
                expire_penalty_bps: PARAMS.expire_penalty_bps,
                reject_penalty_bps: PARAMS.reject_penalty_bps,
                quorum: 2,
            },
            now: world.now(),
            slot: world.slot(),
            paused: false,
            reserve_bps: PARAMS.reserve_bps,
            jobs: BTreeMap::new(),
            devices: vec![None; DEVICES],
            owner: vec![0, 0, 1, 1],
            providers,
            tokens,
            frozen: Default::default(),
        };
        let mut run = Self {
            world,
            cast,
            model,
            counts,
        };
        for provider in 0..2 {
            run.apply(&Op::Stake {
                provider,
                amount: 1_200 * IO,
            });
            run.apply(&Op::Register {
                device: provider * 2,
                bond: 500 * IO,
            });
            run.apply(&Op::Attest {
                device: provider * 2,
                signers: 2,
            });
        }
        run
    }

    fn key(&self, place: usize) -> Pubkey {
        world::job(&self.cast.parties[place % 3].pubkey(), (place / 3) as u64)
    }

    /// One of the jobs there are.
    fn pick(&self, n: usize) -> Option<usize> {
        let places: Vec<usize> = self.model.jobs.keys().copied().collect();
        (!places.is_empty()).then(|| places[n % places.len()])
    }

    fn rig_of(&self, job: &Job) -> Option<&'a Rig> {
        job.device.map(|device| &self.cast.rigs[device])
    }

    /// Sends a call and holds what came of it against what the rules say.
    fn check(&mut self, what: &'static str, call: &Call, allowed: bool) {
        let outcome = self.world.attempt(call);
        match &outcome {
            Ok(_) => assert!(allowed, "{what} went through against the rules"),
            Err(failed) => {
                assert!(
                    !allowed,
                    "{what} was refused against the rules: {:?}\n{}",
                    failed.error,
                    failed.logs.join("\n")
                )
            }
        }
        let mut counts = self.counts.borrow_mut();
        let count = counts.entry(what).or_default();
        if allowed { count.0 += 1 } else { count.1 += 1 }
    }

    /// Reputation has tests of its own; here its discount is taken over, and held within its bounds.
    fn note_discount(&mut self, place: usize) {
        let on_chain = self.world.job(&self.key(place)).provider_reserve_bps;
        let job = self.model.jobs.get_mut(&place).expect("it exists");
        assert!(on_chain <= job.reserve_bps && on_chain >= job.reserve_bps / 2);
        job.provider_bps = on_chain;
    }

    fn apply(&mut self, op: &Op) {
        let cast = self.cast;
        match *op {
            Op::Create {
                place,
                payer,
                usd,
                units,
                price,
                run,
                deadline,
            } => {
                let place = place % PLACES;
                let mint = if usd { Mint::Usd } else { Mint::Io };
                // What a job may cost stays near what bonds can cover.
                let price = if usd { price % (3 * USD) + 1 } else { price };
                let (renter, payer) = (place % 3, payer % 3);
                let key = self.key(place);
                let terms = JobTerms {
                    nonce: (place / 3) as u64,
                    max_price: price,
                    max_units: units,
                    max_escrow: u64::MAX,
                    deposit: 0,
                    max_run_seconds: run,
                    deadline: self.model.now + deadline,
                    ..io_tests::terms(&self.world, 0)
                };
                let mint_key = self.world.mint(mint);
                let job = Job {
                    renter,
                    payer,
                    mint,
                    max_units: units,
                    max_price: price,
                    reserve_bps: self.model.reserve_bps,
                    provider_bps: self.model.reserve_bps,
                    mint_bps: if usd { USD_FEE_BPS } else { 0 },
                    weight_e9: weight(mint),
                    escrow: 0,
                    state: State::Open,
                    created_slot: 0,
                    match_until: self.model.now + self.model.rules.match_seconds,
                    deadline: terms.deadline,
                    run_seconds: run.into(),
                    run_until: 0,
                    challenge_until: 0,
                    accepted_at: 0,
                    submitted_at: 0,
                    dispute_until: 0,
                    finished_at: 0,
                    device: None,
                    ask: 0,
                    exposure: 0,
                    units: 0,
                    penalty_due: 0,
                    owed: [0; 3],
                    vault: world::vault(&key),
                    payer_token: cast.parties[payer].account(mint),
                    provider_token: Pubkey::default(),
                    treasury: world::treasury_shard(&mint_key, key.as_ref()[0] % 16),
                };
                let call = self.world.create_job_call(
                    &cast.parties[renter].key,
                    &cast.parties[payer],
                    mint,
                    terms,
                );
                let allowed = self.model.create(place, job);
                self.check("create", &call, allowed);
            }
            Op::Accept {
                job,
                device,
                ask_percent,
                ticket,
            } => {
                let Some(place) = self.pick(job) else { return };
                let device = device % DEVICES;
                let price = self.model.jobs[&place].max_price;
                let ask = if ask_percent > 100 {
                    price + 1
                } else {
                    (u128::from(price) * u128::from(ask_percent) / 100) as u64
                };
                let (key, rig) = (self.key(place), &cast.rigs[device]);
                let call = match ticket {
                    true => self
                        .world
                        .accept_with_ticket_call(&key, rig, ask, self.model.now + 30),
                    false => self.world.accept_call(&key, rig, ask),
                };
                let allowed = self.model.accept(place, device, ask, ticket);
                self.check("accept", &call, allowed);
                self.note_discount(place);
            }
            Op::Submit { job, percent } => {
                let Some(place) = self.pick(job) else { return };
                let most = self.model.jobs[&place].max_units;
                let units = if percent > 100 {
                    most + 1
                } else {
                    most * percent / 100
                };
                let Some(rig) = self.rig_of(&self.model.jobs[&place]) else {
                    return;
                };
                let call = self.world.submit_call(&self.key(place), rig, units);
                let allowed = self.model.submit(place, units);
                self.check("submit", &call, allowed);
            }
            Op::Settle { job, signers } => {
                let Some(place) = self.pick(job) else { return };
                let oracles: Vec<usize> = (0..signers).collect();
                let call = match signers {
                    0 => self.world.settle_unobjected_call(&self.key(place)),
                    _ => self.world.settle_call(&self.key(place), &oracles),
                };
                let allowed = self.model.settle(place, signers);
                self.check("settle", &call, allowed);
            }
            Op::Reject { job, signers } => {
                let Some(place) = self.pick(job) else { return };
                let oracles: Vec<usize> = (0..signers).collect();
                let call = self.world.reject_call(&self.key(place), &oracles);
                let allowed = self.model.reject(place, signers);
                self.check("reject", &call, allowed);
            }
            Op::Dispute { job, by } => {
                let Some(place) = self.pick(job) else { return };
                let job = &self.model.jobs[&place];
                let (signer, may) = match by {
                    0 | 1 => (&cast.parties[job.renter].key, true),
                    2 => (&cast.world.oracles[1], true),
                    _ => (&cast.stranger, false),
                };
                let call = self.world.dispute_call(&self.key(place), signer);
                let allowed = self.model.dispute(place, may);
                self.check("dispute", &call, allowed);
            }
            Op::Cancel { job, by } => {
                let Some(place) = self.pick(job) else { return };
                let job = &self.model.jobs[&place];
                let (signer, may) = match by {
                    0 => (&cast.parties[job.renter].key, true),
                    1 => (&cast.parties[job.payer].key, true),
                    _ => (&cast.stranger, false),
                };
                let call = self.world.cancel_call(&self.key(place), signer);
                let allowed = self.model.cancel(place, may);
                self.check("cancel", &call, allowed);
            }
            Op::Expire { job } => {
                let Some(place) = self.pick(job) else { return };
                let call = self.world.expire_call(&self.key(place));
                let allowed = self.model.expire(place);
                self.check("expire", &call, allowed);
            }
            Op::Release { job, payee, by } => self.release(job, payee, by),
            Op::OpenCase { job } => {
                let Some(place) = self.pick(job) else { return };
                let job = &self.model.jobs[&place];
                let Some(device) = job.device else { return };
                let number = self.model.providers[self.model.owner[device]].cases;
                let case = world::slash_case(&cast.rigs[device].provider, number);
                let call = self.world.open_slash_case_call(
                    &self.key(place),
                    &cast.rigs[device],
                    &cast.stranger,
                );
                let allowed = self.model.open_case(place, world::vault(&case));
                self.check("open case", &call, allowed);
            }
            Op::Close { job, by } => {
                let Some(place) = self.pick(job) else { return };
                let job = &self.model.jobs[&place];
                let (signer, party) = match by {
                    0 => (&cast.parties[job.renter].key, true),
                    1 => (&cast.parties[job.payer].key, true),
                    _ => (&cast.stranger, false),
                };
                let (key, vault) = (self.key(place), job.vault);
                let call = self.world.close_call(&key, signer);
                let allowed = self.model.close(place, party);
                self.check("close", &call, allowed);
                if allowed {
                    self.world.donated.remove(&vault);
                    assert!(
                        self.world.account(&key).is_none() && self.world.account(&vault).is_none()
                    );
                }
            }
            Op::Stake { provider, amount } => {
                let provider = provider % 2;
                let call = self.world.stake_call(&cast.rigs[provider * 2], amount);
                let allowed = self.model.stake(provider, amount);
                self.check("stake", &call, allowed);
            }
            Op::Unstake { provider, permille } => {
                let provider = provider % 2;
                let staked = self.model.providers[provider].staked;
                let amount = (u128::from(staked) * u128::from(permille) / 1_000) as u64;
                let call = self
                    .world
                    .request_unstake_call(&cast.rigs[provider * 2], amount);
                let allowed = self.model.unstake(provider, amount);
                self.check("unstake", &call, allowed);
            }
            Op::Withdraw { provider } => {
                let provider = provider % 2;
                let call = self.world.withdraw_stake_call(&cast.rigs[provider * 2]);
                let allowed = self.model.withdraw(provider);
                self.check("withdraw", &call, allowed);
            }
            Op::Register { device, bond } => {
                let device = device % DEVICES;
                let call = self.world.register_device_call(&cast.rigs[device], bond);
                let allowed = self.model.register(device, bond);
                self.check("register", &call, allowed);
            }
            Op::Attest { device, signers } => {
                let device = device % DEVICES;
                // A statement names a registration: without one there is nothing to sign.
                if self.model.devices[device].is_none() {
                    return;
                }
                let oracles: Vec<usize> = (0..signers).collect();
                let call = self.world.attest_call(&cast.rigs[device], &oracles);
                let allowed = self.model.attest(device, signers);
                self.check("attest", &call, allowed);
            }
            Op::Rebond { device, bond } => {
                let device = device % DEVICES;
                let call = self.world.set_device_bond_call(&cast.rigs[device], bond);
                let allowed = self.model.rebond(device, bond);
                self.check("rebond", &call, allowed);
            }
            Op::Drain { device, draining } => {
                let device = device % DEVICES;
                let rig = &cast.rigs[device];
                let call = self
                    .world
                    .set_device_draining_call(rig, &rig.operator, draining);
                let allowed = self.model.drain(device, draining);
                self.check("drain", &call, allowed);
            }
            Op::Progress {
                job: n,
                device,
                how,
            } => return self.progress(n, device, how),
            Op::Retire { device } => {
                let device = device % DEVICES;
                let call = self.world.retire_device_call(&cast.rigs[device]);
                let allowed = self.model.retire(device);
                self.check("retire", &call, allowed);
            }
            Op::Wait { seconds } => {
                self.world.advance(seconds);
                (self.model.now, self.model.slot) = (self.world.now(), self.world.slot());
            }
            Op::Donate { to, amount } => {
                let vaults: Vec<(Pubkey, Mint)> =
                    (self.model.jobs.values().map(|j| (j.vault, j.mint)))
                        .chain(
                            self.model
                                .providers
                                .iter()
                                .map(|p| (p.stake_vault, Mint::Io)),
                        )
                        .collect();
                let (vault, mint) = vaults[to % vaults.len()];
                if !self.model.frozen.contains(&vault) {
                    let mint = self.world.mint(mint);
                    self.world.donate(&mint, &vault, amount);
                    *self.model.tokens.get_mut(&vault).expect("a vault") += amount;
                }
            }
            Op::Freeze { account } => {
                let open: Vec<Pubkey> = self
                    .freezable()
                    .into_iter()
                    .filter(|key| !self.model.frozen.contains(key))
                    .collect();
                let key = open[account % open.len()];
                let mint = self.mint_of(&key);
                self.world.freeze(&mint, &key);
                self.model.frozen.insert(key);
            }
            Op::Thaw { account } => {
                let frozen: Vec<Pubkey> = self.model.frozen.iter().copied().collect();
                if !frozen.is_empty() {
                    self.thaw(&frozen[account % frozen.len()]);
                }
            }
            Op::Pause { paused } => {
                let call = self.world.set_paused_call(paused);
                self.model.paused = paused;
                self.check("pause", &call, true);
            }
            Op::SetFee { reserve_bps } => {
                let call = self
                    .world
                    .update_params_call(io_network::state::NetworkParams {
                        reserve_bps,
                        ..PARAMS
                    });
                self.model.reserve_bps = reserve_bps;
                self.check("set fee", &call, true);
            }
        }
        self.compare();
    }

    fn progress(&mut self, n: usize, device: usize, how: usize) {
        let Some(place) = self.pick(n) else { return };
        let job = self.model.jobs[&place].clone();
        match job.state {
            State::Open => {
                let idle = |d: &Option<Device>| {
                    d.as_ref().is_some_and(|d| d.runs.is_none() && !d.draining)
                };
                let idle: Vec<usize> = (0..DEVICES)
                    .filter(|i| idle(&self.model.devices[*i]))
                    .collect();
                let Some(device) = idle.get(device % idle.len().max(1)).copied() else {
                    return;
                };
                self.apply(&Op::Attest { device, signers: 2 });
                self.apply(&Op::Accept {
                    job: n,
                    device,
                    ask_percent: how as u64 * 9,
                    ticket: true,
                });
            }
            State::Running if how == 0 => {
                self.apply(&Op::Wait {
                    seconds: (job.run_until - self.model.now + 1).max(1),
                });
                self.apply(&Op::Expire { job: n });
            }
            State::Running => self.apply(&Op::Submit {
                job: n,
                percent: how as u64 * 9,
            }),
            State::Submitted | State::Disputed if how < 5 => {
                self.apply(&Op::Settle { job: n, signers: 2 })
            }
            State::Submitted | State::Disputed if how < 7 => {
                self.apply(&Op::Reject { job: n, signers: 2 })
            }
            State::Submitted if how < 10 => self.apply(&Op::Dispute { job: n, by: how }),
            State::Submitted => {
                self.apply(&Op::Wait {
                    seconds: (job.challenge_until - self.model.now + 1).max(1),
                });
                self.apply(&Op::Settle { job: n, signers: 0 });
            }
            State::Disputed => {
                self.apply(&Op::Wait {
                    seconds: (job.dispute_until - self.model.now + 1).max(1),
                });
                self.apply(&Op::Expire { job: n });
            }
            _ => {
                if let Some(payee) = job.owed.iter().position(|owed| *owed > 0) {
                    self.apply(&Op::Release {
                        job: n,
                        payee,
                        by: how % 4,
                    });
                } else if job.penalty_due > 0 {
                    self.apply(&Op::OpenCase { job: n });
                } else {
                    self.apply(&Op::Close {
                        job: n,
                        by: how % 3,
                    });
                }
            }
        }
    }

    fn release(&mut self, job: usize, payee: usize, by: usize) {
        let cast = self.cast;
        let Some(place) = self.pick(job) else { return };
        let job = self.model.jobs[&place].clone();
        let Some(rig) = self.rig_of(&job).or((payee != 0).then_some(&cast.rigs[0])) else {
            return;
        };
        let (who, fixed, owner) = match payee {
            0 => (Payee::Provider, job.provider_token, &rig.payout.key),
            1 => (Payee::Treasury, job.treasury, &cast.world.admin),
            _ => (Payee::Payer, job.payer_token, &cast.parties[job.payer].key),
        };
        let elsewhere = cast.parties[by % 3].account(job.mint);
        let (signer, destination) = match by {
            0 | 1 => (&cast.stranger, fixed),
            2 => (owner, elsewhere),
            _ => (&cast.stranger, elsewhere),
        };
        let may = destination == fixed || signer.pubkey() == owner.pubkey();
        let call = self
            .world
            .release_owed_call(&self.key(place), who, signer, &destination);
        let allowed = self.model.release(place, payee, &destination, may);
        self.check("release", &call, allowed);
    }

    fn freezable(&self) -> Vec<Pubkey> {
        let mut all: Vec<Pubkey> = self
            .cast
            .parties
            .iter()
            .flat_map(|p| [p.io, p.usd])
            .collect();
        all.extend(
            self.model
                .providers
                .iter()
                .flat_map(|p| [p.wallet, p.payout[0], p.payout[1], p.stake_vault]),
        );
        all.extend(self.model.jobs.values().map(|j| j.vault));
        all.extend(self.model.jobs.values().map(|j| j.treasury));
        all.sort();
        all.dedup();
        all
    }

    fn mint_of(&self, account: &Pubkey) -> Pubkey {
        let data = self.world.account(account).expect("a token account").data;
        Pubkey::new_from_array(data[..32].try_into().expect("32 bytes"))
    }

    fn thaw(&mut self, key: &Pubkey) {
        let mint = self.mint_of(key);
        self.world.thaw(&mint, key);
        self.model.frozen.remove(key);
    }

    /// The chain against the model: every balance, every job, every device, every stake.
    fn compare(&self) {
        for (key, amount) in &self.model.tokens {
            assert_eq!(self.world.tokens(key), *amount, "tokens in {key}");
        }
        for place in 0..PLACES {
            let key = self.key(place);
            let Some(job) = self.model.jobs.get(&place) else {
                assert!(
                    self.world.account(&key).is_none(),
                    "there is a job at {place}"
                );
                continue;
            };
            let on_chain = self.world.job(&key);
            assert_eq!(
                on_chain.state, job.state as u8,
                "state of the job at {place}"
            );
            assert_eq!(
                (on_chain.escrow, on_chain.ask, on_chain.units),
                (job.escrow, job.ask, job.units)
            );
            assert_eq!(
                (on_chain.exposure, on_chain.penalty_due),
                (job.exposure, job.penalty_due)
            );
            assert_eq!(
                [
                    on_chain.owed_provider,
                    on_chain.owed_treasury,
                    on_chain.owed_payer
                ],
                job.owed
            );
        }
        for (device, rig) in self.model.devices.iter().zip(&self.cast.rigs) {
            let Some(device) = device else {
                assert!(self.world.account(&rig.device).is_none());
                continue;
            };
            let d = self.world.device(&rig.device);
            let on_chain = Device {
                bond: d.bond,
                exposure: d.exposure,
                open_jobs: d.open_jobs,
                runs: (0..PLACES).find(|place| self.key(*place) == d.current_job),
                draining: d.state == 1,
                attested_at: (d.attested_at > 0).then_some(d.attested_at),
                completed: d.completed,
                failed: d.failed,
            };
            assert_eq!(&on_chain, device);
        }
        for (i, provider) in self.model.providers.iter().enumerate() {
            let p = self.world.provider(&self.cast.rigs[i * 2].provider);
            assert_eq!(
                (p.staked, p.slash_cases, p.completed, p.failed),
                (
                    provider.staked,
                    provider.cases,
                    provider.completed,
                    provider.failed
                )
            );
            let unbonding: u64 = provider.unbonding.iter().map(|(amount, _)| amount).sum();
            assert_eq!(p.unbonding.iter().map(|u| u.amount).sum::<u64>(), unbonding);
        }
    }

    /// Ends everything that is still open, and shows that nothing is stuck.
    fn wind_up(&mut self) {
        for key in self.model.frozen.clone() {
            self.thaw(&key);
        }
        self.apply(&Op::Wait {
            seconds: 61 * 24 * 3_600,
        });
        for place in self.model.jobs.keys().copied().collect::<Vec<_>>() {
            // The way that needs nobody's consent.
            let n = self
                .model
                .jobs
                .keys()
                .position(|p| *p == place)
                .expect("it is there");
            match self.model.jobs[&place].state {
                State::Open | State::Running | State::Disputed => {
                    self.apply(&Op::Expire { job: n })
                }
                State::Submitted => self.apply(&Op::Settle { job: n, signers: 0 }),
                _ => {}
            }
            for payee in 0..3 {
                if self.model.jobs[&place].owed[payee] > 0 {
                    self.apply(&Op::Release {
                        job: n,
                        payee,
                        by: 0,
                    });
                }
            }
            if self.model.jobs[&place].penalty_due > 0 {
                self.apply(&Op::OpenCase { job: n });
            }
            self.apply(&Op::Wait {
                seconds: 61 * 24 * 3_600,
            });
            self.apply(&Op::Close { job: n, by: 2 });
            assert!(
                !self.model.jobs.contains_key(&place),
                "the job at {place} is stuck"
            );
        }
        for device in 0..DEVICES {
            if self.model.devices[device].is_some() {
                self.apply(&Op::Retire { device });
            }
        }
        for provider in 0..2 {
            for _ in 0..2 {
                self.apply(&Op::Withdraw { provider });
                self.apply(&Op::Unstake {
                    provider,
                    permille: 1_000,
                });
                self.apply(&Op::Wait {
                    seconds: 61 * 24 * 3_600,
                });
            }
            let p = &self.model.providers[provider];
            assert!(
                p.staked == 0 && p.unbonding.is_empty() && p.due == 0,
                "stake of provider {provider} is stuck"
            );
            let vault = p.stake_vault;
            let given = self.world.donated.get(&vault).copied().unwrap_or(0);
            assert_eq!(
                self.world.tokens(&vault),
                given,
                "only what was given is left in a stake vault"
            );
        }
    }
}

#[test]
fn any_history_keeps_the_books() {
    let budget = Budget::of("state_machine", 50);
    let cast = Cast::new();
    let counts = RefCell::new(Counts::new());
    let mut cases = 0;
    for round in 0.. {
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            max_shrink_iters: 2_000,
            ..Config::default()
        };
        let mut seed = [0u8; 32];
        seed[..8].copy_from_slice(&(budget.seed + round).to_le_bytes());
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let result = runner.run(&prop::collection::vec(op(), STEPS), |ops| {
            let mut run = Run::new(&cast, &counts);
            for op in &ops {
                run.apply(op);
            }
            run.wind_up();
            Ok(())
        });
        if let Err(error) = result {
            panic!("seed {}: {error}", budget.seed + round);
        }
        cases += CASES;
        if !budget.more() {
            break;
        }
    }
    budget.done();
    // A test that never gets anywhere shows nothing: each operation went through, and was refused, a number of times.
    let counts = counts.into_inner();
    for what in [
        "create",
        "accept",
        "submit",
        "settle",
        "reject",
        "dispute",
        "cancel",
        "expire",
        "release",
        "open case",
        "close",
    ] {
        let (done, refused) = counts.get(what).copied().unwrap_or_default();
        assert!(
            done >= cases / 8 && refused >= cases / 8,
            "{what}: {done} went through, {refused} were refused, in {cases} cases"
        );
    }
    for what in [
        "stake", "unstake", "withdraw", "register", "attest", "rebond", "retire",
    ] {
        let (done, refused) = counts.get(what).copied().unwrap_or_default();
        assert!(
            done >= cases / 8 && refused > 0,
            "{what}: {done} went through, {refused} were refused, in {cases} cases"
        );
    }
}
