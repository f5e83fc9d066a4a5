//! Events: one for every change, whole, in order; replaying them rebuilds the accounts. The harness holds that of every call
//! of every test; here is one long story that is replayed from its first event.

use std::collections::BTreeMap;

use anchor_lang::{Discriminator, prelude::Pubkey};
use io_network::state;
use io_protocol::money::IO;
use io_tests::{ASK, CLASS_SMALL, Mint, Stage, UNITS, World, events::Replica, world};
use solana_account::ReadableAccount;

/// The program's accounts as they are on chain.
fn on_chain(w: &World) -> BTreeMap<Pubkey, Vec<u8>> {
    let ours = w
        .svm
        .accounts_db()
        .inner
        .iter()
        .filter(|(_, a)| *a.owner() == io_network::ID);
    ours.map(|(key, a)| (*key, a.data().to_vec())).collect()
}

#[test]
fn replaying_events_rebuilds_every_account() {
    let w = World::new(190);
    let mut stage = {
        let mut w = w;
        let rig = w.rig(CLASS_SMALL, 1_000 * IO);
        Stage::with(w, rig, Mint::Usd)
    };
    stage.terms.max_price = 3_003;
    // One job to its settlement and its closing, one that expires with a penalty, one cancelled and left.
    stage.create();
    stage.accept(3_001);
    stage.submit(UNITS);
    stage.dispute();
    stage.settle();
    stage.world.advance(1);
    stage.close();
    for nonce in [2, 3] {
        stage.terms.nonce = nonce;
        stage.key = world::job(&stage.renter.pubkey(), nonce);
        stage.create();
        if nonce == 2 {
            stage.accept(1);
        } else {
            stage.cancel();
        }
    }
    stage.key = world::job(&stage.renter.pubkey(), 2);
    stage.expire();
    let rig = stage.rig.clone();
    let second = stage.world.second_device(&rig, 300 * IO);
    stage.world.until_answered(&second);
    for call in [
        stage
            .world
            .open_slash_case_call(&stage.key, &rig, &rig.operator),
        stage.world.retire_device_call(&second),
        stage.world.request_unstake_call(&rig, 100 * IO),
        stage.world.set_paused_call(true),
        stage.world.propose_admin_call(&rig.authority.pubkey()),
        stage.world.accept_admin_call(&rig.authority.key),
    ] {
        stage.world.ok(&call);
    }
    let chain = on_chain(&stage.world);
    assert_eq!(stage.world.replica.accounts, chain);
    // Nothing was left out of the story: every type of account is in it.
    for discriminator in [
        state::Network::DISCRIMINATOR,
        state::OracleSet::DISCRIMINATOR,
        state::DeviceClass::DISCRIMINATOR,
        state::PaymentMint::DISCRIMINATOR,
        state::Provider::DISCRIMINATOR,
        state::Device::DISCRIMINATOR,
        state::Job::DISCRIMINATOR,
        state::SlashCase::DISCRIMINATOR,
    ] {
        assert!(chain.values().any(|data| data.starts_with(discriminator)));
    }
}

/// Each transition of a job is one event that names the state before and holds the account after.
#[test]
fn each_transition_is_one_event_with_before_and_after() {
    let mut stage = Stage::empty(191, Mint::Io);
    let mut told = Vec::new();
    let mut tell = |done: io_tests::Done, key: &Pubkey| {
        let of_job: Vec<_> = done.events.iter().filter(|e| e.account == *key).collect();
        assert_eq!(of_job.len(), 1);
        let after = bytemuck::pod_read_unaligned::<state::Job>(&of_job[0].data[8..]).state;
        told.push((of_job[0].name, of_job[0].before, after));
    };
    let key = stage.key;
    let call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    tell(stage.world.ok(&call), &key);
    let call = stage
        .world
        .accept_with_ticket_call(&key, &stage.rig, ASK, stage.world.now() + 30);
    tell(stage.world.ok(&call), &key);
    let call = stage.world.submit_call(&key, &stage.rig, UNITS);
    tell(stage.world.ok(&call), &key);
    let call = stage.world.dispute_call(&key, &stage.renter.key);
    tell(stage.world.ok(&call), &key);
    let call = stage.world.reject_call(&key, &[0, 1]);
    tell(stage.world.ok(&call), &key);
    let call = stage
        .world
        .open_slash_case_call(&key, &stage.rig, &stage.rig.operator);
    tell(stage.world.ok(&call), &key);
    stage.world.advance(1);
    let call = stage.world.close_call(&key, &stage.renter.key);
    tell(stage.world.ok(&call), &key);
    assert_eq!(
        told,
        [
            ("JobChanged", Some(0), 1),
            ("JobChanged", Some(1), 2),
            ("JobChanged", Some(2), 3),
            ("JobChanged", Some(3), 4),
            ("JobChanged", Some(4), 6),
            ("JobChanged", Some(6), 6),
            ("JobClosed", None, 6),
        ]
    );
}

/// What another program logs in our transaction is not our word.
#[test]
fn only_the_programs_own_logs_count() {
    let mut stage = Stage::empty(192, Mint::Io);
    let call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    let done = stage.world.ok(&call);
    let line = done
        .logs
        .iter()
        .find(|l| l.starts_with("Program data: "))
        .expect("an event")
        .clone();
    let forged = vec![
        "Program 11111111111111111111111111111112 invoke [1]".to_owned(),
        line.clone(),
        format!("Program {} invoke [2]", io_network::ID),
        format!("Program {} success", io_network::ID),
        line.clone(),
        "Program 11111111111111111111111111111112 success".to_owned(),
        line,
    ];
    assert!(io_tests::events::decode_all(&forged).is_empty());
    let mut replica = Replica::default();
    for event in &done.events {
        replica.apply(event);
    }
    assert_eq!(
        replica.accounts.get(&stage.key).cloned(),
        stage.world.account(&stage.key).map(|a| a.data)
    );
}
