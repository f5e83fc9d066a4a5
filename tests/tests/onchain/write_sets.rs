//! Jobs of different renters on different devices never wait for each other: no step of one writes an account that the same step, or
//! any other, of the other writes. The chain runs transactions side by side whose write locks don't meet.
//!
//! Two exceptions, each asserted to be the only one: jobs whose keys chose the same of the sixteen treasury shards meet in it
//! when they are paid, and two devices of one provider are paid to the provider's own token account.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang::prelude::Pubkey;
use io_network::constants::TREASURY_SHARDS;
use io_protocol::money::IO;
use io_tests::{
    ASK, CLASS_SMALL, Call, Mint, Rig, Stage, UNITS, World, calls::terms, lease_terms, world,
};

type Keys = BTreeSet<Pubkey>;
/// Every step of a job's life → what it writes.
type Steps = BTreeMap<&'static str, Keys>;

/// What a transaction with this call locks for writing, without whoever pays its fee: that is anybody.
fn written(call: &Call) -> Keys {
    call.instructions()
        .iter()
        .flat_map(|instruction| &instruction.accounts)
        .filter(|meta| meta.is_writable)
        .map(|meta| meta.pubkey)
        .collect()
}

/// A job of a new renter and payer for a device, at an address that chooses a certain treasury shard.
fn stage(world: World, rig: &Rig, shard: u8, lease: bool) -> Stage {
    let mut stage = Stage::with(world, rig.clone(), Mint::Io);
    let (renter, mint) = (stage.renter.pubkey(), stage.world.io_mint);
    let payment = stage.world.payment(&world::payment(&mint));
    let wanted = world::treasury_shard(&mint, shard);
    let nonce = (1..1_000)
        .find(|nonce| payment.shard_for(&world::job(&renter, *nonce)) == wanted)
        .expect("one address in sixteen chooses it");
    stage.terms = match lease {
        true => lease_terms(&stage.world, nonce),
        false => terms(&stage.world, nonce),
    };
    stage.key = world::job(&renter, nonce);
    stage
}

/// Runs a call, and notes what it writes.
fn step(steps: &mut Steps, stage: &mut Stage, name: &'static str, call: Call) {
    stage.world.ok(&call);
    let before = steps.insert(name, written(&call));
    assert!(before.is_none(), "{name} twice");
}

/// All that can happen to a task and to a lease, each step really taken. Returns the world as it was, with two more parties in it.
fn life(world: World, rig: &Rig, shard: u8) -> (Steps, World) {
    let mut steps = Steps::new();
    let begun = stage(world, rig, shard, false);
    let fresh = begun.world.fork();

    let mut open = begun.fork();
    let call = open
        .world
        .create_job_call(&open.renter.key, &open.payer, open.mint, open.terms);
    step(&mut steps, &mut open, "create", call);
    let mut other = open.fork();
    let call = other.world.cancel_call(&other.key, &other.renter.key);
    step(&mut steps, &mut other, "cancel", call);
    other.world.advance(1);
    let call = other.world.close_call(&other.key, &other.payer.key);
    step(&mut steps, &mut other, "close", call);
    let mut other = open.fork();
    other.world.at(other.job().deadline + 1);
    let call = other.world.expire_call(&other.key);
    step(&mut steps, &mut other, "expire, open", call);

    let mut running = open;
    let call = running.world.accept_with_ticket_call(
        &running.key,
        &running.rig,
        ASK,
        running.world.now() + 30,
    );
    step(&mut steps, &mut running, "accept", call);
    let mut other = running.fork();
    other.world.at(other.job().run_until + 1);
    let call = other.world.expire_call(&other.key);
    step(&mut steps, &mut other, "expire, running", call);

    let mut submitted = running;
    let call = submitted
        .world
        .submit_call(&submitted.key, &submitted.rig, UNITS);
    step(&mut steps, &mut submitted, "submit", call);
    let mut other = submitted.fork();
    let call = other.world.settle_call(&other.key, &[0, 1]);
    step(&mut steps, &mut other, "settle", call);
    let mut other = submitted.fork();
    other.world.at(other.job().challenge_until + 1);
    let call = other.world.settle_unobjected_call(&other.key);
    step(&mut steps, &mut other, "settle, unobjected", call);
    let mut other = submitted.fork();
    let call = other.world.reject_call(&other.key, &[0, 1]);
    step(&mut steps, &mut other, "reject", call);

    let mut disputed = submitted;
    let call = disputed
        .world
        .dispute_call(&disputed.key, &disputed.renter.key);
    step(&mut steps, &mut disputed, "dispute", call);
    disputed.world.at(disputed.job().dispute_until + 1);
    let call = disputed.world.expire_call(&disputed.key);
    step(&mut steps, &mut disputed, "expire, disputed", call);

    let mut lease = stage(fresh, rig, shard, true);
    let fresh = lease.world.fork();
    lease.create();
    lease.accept(ASK);
    lease.world.advance(100);
    let call = lease
        .world
        .checkpoint_call(&lease.key, 90, lease.world.now(), &[0, 1]);
    step(&mut steps, &mut lease, "checkpoint", call);
    let call = lease
        .world
        .extend_job_call(&lease.key, &lease.renter.key, &lease.payer, 100, 0);
    step(&mut steps, &mut lease, "extend", call);
    let call = lease.world.end_lease_call(&lease.key, &lease.renter.key);
    step(&mut steps, &mut lease, "end lease", call);
    let over = lease.job().run_until + i64::from(lease.job().challenge_seconds) + 1;
    lease.world.at(over);
    let call = lease.world.finish_lease_call(&lease.key);
    step(&mut steps, &mut lease, "finish lease", call);
    (steps, fresh)
}

/// Steps of two jobs that write the same accounts, with these accounts.
fn meetings(ours: &Steps, theirs: &Steps) -> BTreeMap<(&'static str, &'static str), Keys> {
    let mut found = BTreeMap::new();
    for (a, mine) in ours {
        for (b, others) in theirs {
            let both: Keys = mine.intersection(others).copied().collect();
            if !both.is_empty() {
                found.insert((*a, *b), both);
            }
        }
    }
    found
}

/// The steps that pay a device.
const PAYING: [&str; 3] = ["checkpoint", "settle", "settle, unobjected"];

/// Asserts that two lives meet in one account only, and only where both pay a device.
fn meet_when_paying(ours: &Steps, theirs: &Steps, account: Pubkey) {
    let expected: BTreeMap<_, _> = PAYING
        .iter()
        .flat_map(|a| PAYING.iter().map(|b| ((*a, *b), Keys::from([account]))))
        .collect();
    assert_eq!(meetings(ours, theirs), expected);
}

#[test]
fn jobs_of_different_renters_and_devices_write_nothing_in_common() {
    let mut world = World::new(180);
    let first = world.rig(CLASS_SMALL, 1_000 * IO);
    let second = world.rig(CLASS_SMALL, 1_000 * IO);
    let (ours, world) = life(world, &first, 3);
    let (theirs, world) = life(world, &second, 4);
    assert_eq!(ours.len(), 16, "every step");
    for (name, keys) in &ours {
        assert!(!keys.is_empty(), "{name} writes something");
    }
    assert_eq!(meetings(&ours, &theirs), BTreeMap::new());

    // The same shard: there, and nowhere else.
    let mint = world.io_mint;
    let (same, _) = life(world, &second, 3);
    meet_when_paying(&ours, &same, world::treasury_shard(&mint, 3));
    assert_eq!(TREASURY_SHARDS, 16);
}

/// Exposure, bond and counters are per device: two devices of one provider only share the account that they are paid to.
#[test]
fn two_devices_of_one_provider_meet_in_its_purse_only() {
    let mut world = World::new(181);
    let first = world.rig(CLASS_SMALL, 1_000 * IO);
    let second = world.second_device(&first, 1_000 * IO);
    let (ours, world) = life(world, &first, 3);
    let (theirs, _) = life(world, &second, 4);
    meet_when_paying(&ours, &theirs, first.payout.io);
}
