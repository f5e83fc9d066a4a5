//! Any history of staking, co-staking, rewards, slash cases and proven wrong cells, against exact fractions that share no code with
//! the program: nobody gets more than is theirs, nobody misses more than rounding, and the books balance after every step.
//!
//! `./x fuzz` runs it for long.

use std::collections::BTreeMap;

use anchor_lang::prelude::Pubkey;
use io_network::errors::IoError;
use io_protocol::{money::IO, slashing::SlashVerdict};
use io_tests::{
    CLASS_SMALL, Mint, PARAMS, Party, Rig, STAKE, Stage, World, fuzz::Budget, hardware::Cell,
    terms, world,
};
use num_bigint::BigInt;
use num_rational::BigRational;

/// Histories in a run, at least, and the steps of each.
const LIVES: u64 = 2;
const STEPS: usize = 200;
const HOUR: i64 = 3_600;

fn big(x: u64) -> BigRational {
    BigRational::from_integer(BigInt::from(x))
}

/// A small, even generator: the same history for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A co-staker as exact fractions see it.
struct Member {
    party: Party,
    /// Part of the pool, base units, exactly.
    worth: BigRational,
    /// Rewards after commission, exactly, ever.
    earned: BigRational,
    /// Roundings that went against it: joins, leaving, payments.
    roundings: u64,
    put_in: u64,
    earning: bool,
}

struct Model {
    world: World,
    rig: Rig,
    members: BTreeMap<Pubkey, Member>,
    cumulative: u64,
    commission_bps: u16,
    /// Rents and pays while a wrong cell is proven.
    customers: [Party; 2],
    faults: Faults,
}

/// How many wrong cells were proven, and what they took from.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    all: u32,
    of_the_pool: u32,
    beyond_the_bond: u32,
    on_its_way_out: u32,
    due: u32,
    paid_later: u32,
}

impl Model {
    fn pool(&self) -> u64 {
        self.world.provider(&self.rig.provider).co_assets
    }

    fn join(&mut self, dice: &mut Dice) {
        let provider = self.world.provider(&self.rig.provider);
        let room = provider.staked.saturating_sub(provider.co_assets);
        let amount = IO + dice.roll(300 * IO);
        if amount > room || provider.co_disputed > 0 || self.members.len() >= 8 {
            return;
        }
        let party = self.world.party();
        let call = self.world.join_co_stake_call(&self.rig, &party, amount);
        self.world.ok(&call);
        self.members.insert(
            party.pubkey(),
            Member {
                party,
                worth: big(amount),
                earned: big(0),
                roundings: 2,
                put_in: amount,
                earning: false,
            },
        );
    }

    fn reward(&mut self, dice: &mut Dice) {
        let amount = 1 + dice.roll(40 * IO);
        let provider = self.world.provider(&self.rig.provider);
        let earning: BigRational = self
            .members
            .values()
            .filter(|m| m.earning)
            .map(|m| m.worth.clone())
            .sum();
        let all = big(provider.staked) + &earning;
        self.cumulative += amount;
        self.world.pay_rewards(&[(&self.rig, self.cumulative)]);
        let keep = big(10_000 - u64::from(self.commission_bps)) / big(10_000);
        for member in self.members.values_mut() {
            if member.earning && all > big(0) {
                member.earned += big(amount) * &member.worth / &all * &keep;
                member.roundings += 2;
            }
        }
        // All of the time before is paid for now.
        let who: Vec<Pubkey> = self.members.keys().copied().collect();
        for key in who {
            let member = self.members.get_mut(&key).expect("a member");
            if !member.earning {
                let call = self.world.activate_co_stake_call(&self.rig, &member.party);
                self.world.ok(&call);
                member.earning = true;
            }
        }
    }

    fn claim(&mut self, dice: &mut Dice) {
        let Some(key) = self.pick(dice) else { return };
        let member = self.members.get_mut(&key).expect("a member");
        let call = self.world.claim_co_rewards_call(&self.rig, &member.party);
        if self.world.attempt(&call).is_ok() {
            member.roundings += 2;
        }
    }

    fn pick(&self, dice: &mut Dice) -> Option<Pubkey> {
        let count = self.members.len() as u64;
        (count > 0).then(|| {
            *self
                .members
                .keys()
                .nth(dice.roll(count) as usize)
                .expect("a key")
        })
    }

    /// Somebody leaves with everything: what it has at the end is what exact fractions say, less rounding.
    fn leave(&mut self, dice: &mut Dice) {
        let Some(key) = self.pick(dice) else { return };
        let party = self.members[&key].party.clone();
        let call = self.world.leave_co_stake_call(&self.rig, &key, &party.key);
        self.world.ok(&call);
        self.world.advance(i64::from(STAKE.co_notice_seconds));
        let before = self.pool();
        let call = self.world.start_co_unbond_call(&self.rig, &key, &party.key);
        self.world.ok(&call);
        let got = before - self.pool();
        let member = self.members.remove(&key).expect("a member");
        let fair = member.worth.clone();
        let slack = big(member.roundings + 8);
        assert!(
            big(got) <= &fair + &slack && fair <= big(got) + &slack + fair_share(&fair),
            "{got} of {fair}"
        );
        // What rounding left in the pool is the others', alike.
        self.spread(&fair - big(got));
        self.world.advance(i64::from(PARAMS.unbond_seconds));
        let call = self.world.withdraw_co_stake_call(&self.rig, &party);
        self.world.ok(&call);
        let has = self.world.tokens(&party.io);
        let earned = has + member.put_in - io_tests::START_IO - got;
        assert!(
            big(earned) <= member.earned,
            "{earned} is more than {}",
            member.earned
        );
        assert!(
            member.earned.clone() <= big(earned) + &slack + fair_share(&member.earned),
            "{earned} of {}",
            member.earned
        );
    }

    fn spread(&mut self, amount: BigRational) {
        let all: BigRational = self.members.values().map(|m| m.worth.clone()).sum();
        if all > big(0) {
            for member in self.members.values_mut() {
                let part = &member.worth / &all;
                member.worth += &amount * part;
            }
        }
    }

    /// A job is rejected, and its penalty decided: the owner loses first, all shares alike, or nobody anything.
    fn slash(&mut self, dice: &mut Dice) {
        let provider = self.world.provider(&self.rig.provider);
        let device = self.world.device(&self.rig.device);
        let want = (provider.committed - device.bond) + 1 + dice.roll(provider.collateral().max(1));
        let bond = want
            .max(250 * IO)
            .min(provider.collateral() - (provider.committed - device.bond));
        if bond < 250 * IO {
            return;
        }
        let rig = self.rig.clone();
        if bond < device.bond {
            self.world.until_answered(&rig);
        }
        let call = self.world.set_device_bond_call(&rig, bond);
        self.world.ok(&call);
        // Figures are replaced by newer ones only.
        if device.attested_at < self.world.now() {
            self.world.attest(&rig);
        }
        let blank = self.world.fork();
        let world = std::mem::replace(&mut self.world, blank);
        let mut stage = Stage::with(world, rig, Mint::Io);
        stage.terms.max_units = 1_000;
        stage.terms.max_price = bond;
        stage.create();
        stage.accept(bond);
        stage.submit(1_000);
        stage.reject();
        let opener = stage.world.person();
        let number = stage.world.provider(&stage.rig.provider).slash_cases;
        let call = stage
            .world
            .open_slash_case_call(&stage.key, &stage.rig, &opener);
        stage.world.ok(&call);
        let case = world::slash_case(&stage.rig.provider, number);
        let (owner_part, co_part) = {
            let c = stage.world.slash_case(&case);
            (c.owner_part, c.co_part)
        };
        assert_eq!(
            owner_part,
            bond.min(provider.staked),
            "the owner's stake first"
        );
        assert_eq!(owner_part + co_part, bond);
        self.world = stage.world;
        self.decide(&case, &[2], dice);
    }

    /// A case is upheld or returned, on appeal or without one. What the pool lost is every member's, alike; and the owner carries on.
    fn decide(&mut self, case: &Pubkey, oracles: &[usize], dice: &mut Dice) {
        let co_part = self.world.slash_case(case).co_part;
        let returned = dice.roll(3) == 0;
        if dice.roll(2) == 0 {
            let call = self.world.appeal_slash_call(&self.rig, case);
            self.world.ok(&call);
            let verdict = if returned {
                SlashVerdict::Returned
            } else {
                SlashVerdict::Upheld
            };
            let call = self.world.decide_slash_call(case, verdict, oracles);
            self.world.ok(&call);
        } else {
            self.world.advance(i64::from(STAKE.appeal_seconds) + 1);
            let call = self.world.finalise_slash_case_call(case);
            self.world.ok(&call);
        }
        if self.world.slash_case(case).state == 2 && co_part > 0 {
            let all: BigRational = self.members.values().map(|m| m.worth.clone()).sum();
            for member in self.members.values_mut() {
                let part = &member.worth / &all;
                member.worth -= big(co_part) * part;
            }
        }
        let refill = self
            .world
            .stake_call(&self.rig, 400 * IO + dice.roll(400 * IO));
        let _ = self.world.attempt(&refill);
    }

    /// A wrong cell is proven while the bond covers a job, or none: the bond that covers nothing is lost, the owner's part of it first; and what
    /// the job binds is made up for by the owner's own stake, free or on its way out. Then the job is paid as if nothing had been.
    fn fault(&mut self, dice: &mut Dice) {
        let rig = self.rig.clone();
        // The last fault is a day ago.
        self.world.advance(26 * HOUR);
        let provider = self.world.provider(&rig.provider);
        let least = self.world.device(&rig.device).bond.max(250 * IO);
        let bond = match dice.roll(3) {
            // The owner takes out what it may, and bonds no more than it must.
            0 => {
                let out = self
                    .world
                    .request_unstake_call(&rig, provider.unstakeable().saturating_sub(250 * IO));
                let _ = self.world.attempt(&out);
                least
            }
            // A half of the pool stands behind the bond too.
            1 => least.max(provider.staked + provider.co_assets / 2),
            _ => least + dice.roll(provider.free() + 1),
        };
        let call = self.world.set_device_bond_call(&rig, bond);
        if self.world.attempt(&call).is_err() {
            return;
        }
        self.world.attest(&rig);
        let (device, before) = (
            self.world.device(&rig.device),
            self.world.provider(&rig.provider),
        );
        let blank = self.world.fork();
        let world = std::mem::replace(&mut self.world, blank);
        // Always the same two: the bank's IO is not without end.
        let (renter, payer) = (self.customers[0].clone(), self.customers[1].clone());
        let terms = terms(&world, u64::from(self.faults.all));
        let mut stage = Stage {
            key: world::job(&renter.pubkey(), terms.nonce),
            world,
            rig: rig.clone(),
            renter,
            payer,
            mint: Mint::Io,
            terms,
        };
        let exposure = match dice.roll(3) {
            0 => 0,
            1 => device.bond,
            _ => 1 + dice.roll(device.bond),
        };
        if exposure > 0 {
            stage.terms.max_units = 1_000;
            stage.terms.max_price = exposure;
            stage.create();
            stage.accept(exposure);
            assert_eq!(stage.job().exposure, exposure);
        }
        let challenger = stage.world.person();
        let cell = Cell::off_by(32, 1, 1);
        stage.world.write_claim(&challenger, &cell);
        let said = stage.world.committed(&rig, &cell);
        let call = stage
            .world
            .prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
        stage.world.ok(&call);

        let cooling: u64 = before.unbonding.iter().map(|u| u.amount).sum();
        let free = before.staked + before.co_assets - before.committed;
        let bonded = device.bond - exposure;
        let of_bond = bonded.min(before.staked);
        let unbound = exposure.min(free).min(before.staked - of_bond);
        let out = (exposure - unbound).min(cooling);
        let owner_part = of_bond + unbound + out;
        let co_part = bonded - of_bond;
        let due = exposure - unbound - out;
        let after = stage.world.device(&rig.device);
        assert_eq!((after.bond, after.fault_due()), (exposure, due));
        assert_eq!(after.failed, device.failed + 1);
        let case = world::slash_case(&rig.provider, before.slash_cases);
        let taken = owner_part + co_part > 0;
        if taken {
            let c = stage.world.slash_case(&case);
            assert_eq!((c.owner_part, c.co_part), (owner_part, co_part));
        } else {
            assert!(stage.world.account(&case).is_none());
        }
        self.faults.all += 1;
        self.faults.of_the_pool += u32::from(co_part > 0);
        self.faults.beyond_the_bond += u32::from(unbound > 0);
        self.faults.on_its_way_out += u32::from(out > 0);
        self.faults.due += u32::from(due > 0);
        if exposure > 0 {
            stage.submit(1_000);
            stage.settle();
        }
        self.world = stage.world;
        if taken {
            self.decide(&case, &[0, 1], dice);
            // A penalty that was wrong left nothing due.
            let left = if self.world.slash_case(&case).state == 3 {
                0
            } else {
                due
            };
            assert_eq!(self.world.device(&rig.device).fault_due(), left);
        }
        self.pay_due(dice);
    }

    /// What a fault still costs is paid a day later, by the bond that the job left free; until then the device is of no use.
    fn pay_due(&mut self, dice: &mut Dice) {
        let rig = self.rig.clone();
        let (device, before) = (
            self.world.device(&rig.device),
            self.world.provider(&rig.provider),
        );
        let due = device.fault_due();
        if due == 0 {
            return;
        }
        let opener = self.world.person();
        let call = self.world.open_fault_case_call(&rig, &opener);
        // A case that was finalised took longer than that.
        if self.world.now() < HOUR * (device.fault_epoch() as i64 + 25) {
            self.world.refuse(&call, IoError::DeadlineNotPassed);
            self.world.advance(26 * HOUR);
        }
        for call in [
            self.world.set_device_bond_call(&rig, device.bond - 1),
            self.world.retire_device_call(&rig),
        ] {
            self.world.refuse(&call, IoError::PenaltyUnpaid);
        }
        self.world.ok(&call);
        let case = world::slash_case(&rig.provider, before.slash_cases);
        let c = self.world.slash_case(&case);
        assert_eq!(c.owner_part, due.min(before.staked));
        assert_eq!(c.owner_part + c.co_part, due);
        let after = self.world.device(&rig.device);
        assert_eq!((after.bond, after.fault_due()), (device.bond - due, 0));
        self.faults.paid_later += 1;
        self.decide(&case, &[0, 1], dice);
    }

    fn owner(&mut self, dice: &mut Dice) {
        let free = self.world.provider(&self.rig.provider).unstakeable();
        let call = match dice.roll(2) {
            0 => self.world.stake_call(&self.rig, 1 + dice.roll(200 * IO)),
            _ if free > 1 => self
                .world
                .request_unstake_call(&self.rig, 1 + dice.roll(free)),
            _ => return,
        };
        // All entries may be in use: then they mature.
        if self.world.attempt(&call).is_err() {
            self.world.advance(i64::from(PARAMS.unbond_seconds));
            let call = self.world.withdraw_stake_call(&self.rig);
            let _ = self.world.attempt(&call);
        }
    }

    /// The pool is what its members have, but for rounding.
    fn check(&self) {
        let all: BigRational = self.members.values().map(|m| m.worth.clone()).sum();
        let (pool, slack) = (big(self.pool()), big(1_000));
        assert!(
            all < &pool + &slack && pool < &all + &slack,
            "the pool of {pool} is off {all}"
        );
    }
}

/// Rounding of share prices after heavy losses: a billionth of what is divided.
fn fair_share(x: &BigRational) -> BigRational {
    x / big(1_000_000_000)
}

#[test]
fn any_history_keeps_everybodys_part() {
    let budget = Budget::of("stake_machine", 10);
    let mut faults = Faults::default();
    for round in 0.. {
        if round >= LIVES && !budget.more() {
            break;
        }
        let seed = budget.seed + round;
        let mut world = World::emitting(460 + seed);
        let rig = world.rig_of(CLASS_SMALL, 2_000 * IO, 250 * IO);
        let call = world.set_co_stake_terms_call(&rig, 1_500, true);
        world.ok(&call);
        let customers = [world.party(), world.party()];
        let mut model = Model {
            world,
            customers,
            rig,
            members: BTreeMap::new(),
            cumulative: 0,
            commission_bps: 1_500,
            faults,
        };
        let mut dice = Dice(seed);
        for _ in 0..STEPS {
            match dice.roll(14) {
                0..=2 => model.join(&mut dice),
                3..=5 => model.reward(&mut dice),
                6..=7 => model.claim(&mut dice),
                8 => model.leave(&mut dice),
                9 => model.slash(&mut dice),
                10..=11 => model.fault(&mut dice),
                _ => model.owner(&mut dice),
            }
            model.check();
        }
        while !model.members.is_empty() {
            model.leave(&mut dice);
        }
        assert!(model.cumulative > 0, "seed {seed}");
        faults = model.faults;
    }
    budget.done();
    // Every way of taking a fault's penalty was gone.
    let Faults {
        all,
        of_the_pool,
        beyond_the_bond,
        on_its_way_out,
        due,
        paid_later,
    } = faults;
    let each = [
        of_the_pool,
        beyond_the_bond,
        on_its_way_out,
        due,
        paid_later,
    ];
    assert!(all >= 10 && each.iter().all(|n| *n > 0), "{faults:?}");
}
