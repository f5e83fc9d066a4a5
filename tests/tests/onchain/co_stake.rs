//! Co-stake: who may join, what it earns and loses, and how it leaves.

use anchor_lang::prelude::Pubkey;
use io_network::{
    constants::{EVICT_SECONDS, EVIDENCE_SECONDS},
    errors::IoError,
};
use io_protocol::{messages::EPOCH_SECONDS, money::IO, slashing::SlashVerdict};
use io_tests::{
    CLASS_SMALL, Call, Mint, PARAMS, Party, Rig, STAKE, START_IO, Stage, World, hardware::Cell,
    world,
};

/// A provider with 1,000 IO of its own, a quarter of it bonded, that takes co-stake at 10 %.
fn open_provider(seed: u64) -> (World, Rig) {
    let mut w = World::emitting(seed);
    let rig = w.rig_of(CLASS_SMALL, 1_000 * IO, 250 * IO);
    let call = w.set_co_stake_terms_call(&rig, 1_000, true);
    w.ok(&call);
    (w, rig)
}

fn join(w: &mut World, rig: &Rig, amount: u64) -> Party {
    let who = w.party();
    let call = w.join_co_stake_call(rig, &who, amount);
    w.ok(&call);
    who
}

fn activate(w: &mut World, rig: &Rig, who: &Party) {
    let call = w.activate_co_stake_call(rig, who);
    w.ok(&call);
}

/// Gives notice and waits until it is over.
fn give_notice(w: &mut World, rig: &Rig, who: &Party) {
    let call = w.leave_co_stake_call(rig, &who.pubkey(), &who.key);
    w.ok(&call);
    w.advance(i64::from(STAKE.co_notice_seconds));
}

fn start(w: &World, rig: &Rig, who: &Party) -> Call {
    w.start_co_unbond_call(rig, &who.pubkey(), &w.admin.insecure_clone())
}

/// From the end of the notice to the last base unit.
fn leave_now(w: &mut World, rig: &Rig, who: &Party) {
    let call = start(w, rig, who);
    w.ok(&call);
    w.advance(i64::from(PARAMS.unbond_seconds));
    let call = w.withdraw_co_stake_call(rig, who);
    w.ok(&call);
}

#[test]
fn joining_is_open_to_others_within_the_owners_stake() {
    let (mut w, rig) = open_provider(420);
    let who = w.party();
    let most = 1_000 * IO;
    for (amount, expected) in [
        (0, IoError::CoStakeTooSmall),
        (IO - 1, IoError::CoStakeTooSmall),
        (most + 1, IoError::CoStakeTooLarge),
        (u64::MAX, IoError::CoStakeTooLarge),
    ] {
        let call = w.join_co_stake_call(&rig, &who, amount);
        w.refuse(&call, expected);
    }
    let call = w.join_co_stake_at_most_call(&rig, &who, IO, 999);
    w.refuse(&call, IoError::CommissionTooHigh);
    for own in [&rig.authority, &rig.payout] {
        let call = w.join_co_stake_call(&rig, own, IO);
        w.refuse(&call, IoError::OwnCoStake);
    }
    for (paused, open, expected) in [
        (true, true, IoError::Paused),
        (false, false, IoError::CoStakeClosed),
    ] {
        let mut shut = w.fork();
        for call in [
            shut.set_co_stake_terms_call(&rig, 1_000, open),
            shut.set_paused_call(paused),
        ] {
            shut.ok(&call);
        }
        let call = shut.join_co_stake_call(&rig, &who, IO);
        shut.refuse(&call, expected);
    }
    let call = w.set_co_stake_terms_call(&rig, 10_001, true);
    w.refuse(&call, IoError::ParameterOutOfBounds);
    let mut call = w.join_co_stake_call(&rig, &who, IO);
    call.instruction.accounts[5].pubkey = world::co_vault(&rig.provider);
    w.refuse(&call, IoError::SameAccount);
    call.instruction.accounts[5].pubkey = who.usd;
    w.refuse(&call, IoError::WrongMint);

    let call = w.join_co_stake_call(&rig, &who, most);
    w.ok(&call);
    let provider = w.provider(&rig.provider);
    assert_eq!(
        (provider.co_assets, provider.co_shares, provider.co_earning),
        (most, most, 0)
    );
    assert_eq!(provider.free(), 1_750 * IO);
    let more = w.join_co_stake_call(&rig, &who, IO);
    w.refuse(&more, IoError::CoStakeTooLarge);
}

/// A co-stake keeps the commission of its joining; more joins it under the same terms only.
#[test]
fn terms_are_those_of_joining() {
    let (mut w, rig) = open_provider(421);
    let who = join(&mut w, &rig, 100 * IO);
    let raise = w.set_co_stake_terms_call(&rig, 5_000, true);
    w.ok(&raise);
    assert_eq!(
        w.co_stake(&rig.provider, &who.pubkey()).commission_bps,
        1_000
    );
    let more = w.join_co_stake_call(&rig, &who, 50 * IO);
    w.refuse(&more, IoError::CommissionTooHigh);
    let lower = w.set_co_stake_terms_call(&rig, 100, true);
    w.ok(&lower);
    w.ok(&more);
    let co = w.co_stake(&rig.provider, &who.pubkey());
    assert_eq!((co.commission_bps, co.pending), (1_000, 150 * IO));
    assert_eq!(w.provider(&rig.provider).co_stakers, 1);
}

#[test]
fn leaving_takes_notice_and_unbonding_to_the_second() {
    let (mut w, rig) = open_provider(422);
    let who = join(&mut w, &rig, 400 * IO);
    let stranger = w.party();
    let call = w.leave_co_stake_call(&rig, &who.pubkey(), &stranger.key);
    w.refuse(&call, IoError::NotCoStaker);
    let unbond = start(&w, &rig, &who);
    w.refuse(&unbond, IoError::NotLeaving);
    let withdraw = w.withdraw_co_stake_call(&rig, &who);
    w.refuse(&withdraw, IoError::NothingMatured);

    let leave = w.leave_co_stake_call(&rig, &who.pubkey(), &who.key);
    w.ok(&leave);
    let until = w.now() + i64::from(STAKE.co_notice_seconds);
    assert_eq!(w.co_stake(&rig.provider, &who.pubkey()).notice_until, until);
    // Nobody turns the clock back: not itself, not the owner, not by joining with more.
    w.advance(1_000);
    w.refuse(&leave, IoError::AlreadyLeaving);
    let dismiss = w.leave_co_stake_call(&rig, &who.pubkey(), &rig.authority.key);
    w.refuse(&dismiss, IoError::AlreadyLeaving);
    let more = w.join_co_stake_call(&rig, &who, IO);
    w.refuse(&more, IoError::AlreadyLeaving);
    assert_eq!(
        w.provider(&rig.provider).co_assets,
        400 * IO,
        "still at stake"
    );
    w.at(until - 1);
    w.refuse(&unbond, IoError::DeadlineNotPassed);
    for late in [0, 1] {
        let mut on_time = w.fork();
        on_time.at(until + late);
        on_time.ok(&unbond);
    }
    w.at(until);
    w.ok(&unbond);
    w.refuse(&unbond, IoError::WrongState);
    let co = w.co_stake(&rig.provider, &who.pubkey());
    let ready = until + i64::from(PARAMS.unbond_seconds);
    assert_eq!((co.unbonding, co.ready_at), (400 * IO, ready));
    assert_eq!(w.provider(&rig.provider).co_assets, 0);
    w.at(ready - 1);
    w.refuse(&withdraw, IoError::NothingMatured);
    w.at(ready);
    let mut call = withdraw.duplicate();
    call.instruction.accounts[6].pubkey = stranger.io;
    w.refuse(&call, IoError::WrongOwner);
    let (key, had) = (
        world::co_stake(&rig.provider, &who.pubkey()),
        w.lamports(&who.pubkey()),
    );
    let rent = w.lamports(&key);
    w.ok(&withdraw);
    assert_eq!(w.tokens(&who.io), START_IO);
    assert_eq!(w.lamports(&who.pubkey()), had + rent);
    assert!(w.account(&key).is_none());
    assert_eq!(w.provider(&rig.provider).co_stakers, 0);
    // It can join anew, from nothing.
    let call = w.join_co_stake_call(&rig, &who, 5 * IO);
    w.ok(&call);
    assert_eq!(w.co_stake(&rig.provider, &who.pubkey()).notice_until, 0);
}

/// The owner may ask its co-stakers to go; it could not leave itself otherwise.
#[test]
fn an_owner_leaves_after_its_co_stakers() {
    let (mut w, rig) = open_provider(423);
    let who = join(&mut w, &rig, 600 * IO);
    // The first loss stays: 1,000 staked, 600 rely on it.
    let too_much = w.request_unstake_call(&rig, 400 * IO + 1);
    w.refuse(&too_much, IoError::StakeNotFree);
    let call = w.request_unstake_call(&rig, 400 * IO);
    w.ok(&call);
    let call = w.request_unstake_call(&rig, 1);
    w.refuse(&call, IoError::StakeNotFree);
    let dismiss = w.leave_co_stake_call(&rig, &who.pubkey(), &rig.authority.key);
    w.ok(&dismiss);
    w.advance(i64::from(STAKE.co_notice_seconds));
    leave_now(&mut w, &rig, &who);
    assert_eq!(w.tokens(&who.io), START_IO);
    let retire = w.retire_device_call(&rig);
    w.ok(&retire);
    let call = w.request_unstake_call(&rig, 600 * IO);
    w.ok(&call);
}

/// What is bonded on the strength of a co-stake: the owner refills, or anybody lowers the bonds, never below what runs.
#[test]
fn a_leaver_is_not_held_by_the_bonds() {
    let (mut w, rig) = open_provider(424);
    let who = join(&mut w, &rig, 500 * IO);
    let call = w.set_device_bond_call(&rig, 1_400 * IO);
    w.ok(&call);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 1_200 * IO;
    stage.terms.deadline = stage.world.now() + 50 * 24 * 3_600;
    stage.terms.max_run_seconds = 29 * 24 * 3_600;
    stage.create();
    stage.accept(1_200 * IO);
    let rig = stage.rig.clone();
    let w = &mut stage.world;
    let release = w.release_bond_for_leaver_call(&rig, &who.pubkey());
    w.refuse(&release, IoError::NotLeaving);
    let call = w.leave_co_stake_call(&rig, &who.pubkey(), &who.key);
    w.ok(&call);
    w.refuse(&release, IoError::DeadlineNotPassed);
    w.advance(i64::from(STAKE.co_notice_seconds));
    let unbond = start(w, &rig, &who);
    w.refuse(&unbond, IoError::StakeNotFree);

    // The owner refills in time: nothing is taken from its device.
    let mut refilled = w.fork();
    let call = refilled.stake_call(&rig, 400 * IO);
    refilled.ok(&call);
    refilled.refuse(&release, IoError::BondNotShort);
    refilled.ok(&unbond);
    assert_eq!(refilled.device(&rig.device).bond, 1_400 * IO);

    // It doesn't: what the device showed can be proven wrong for a day, and all of the bond stands behind it.
    w.ok(&release);
    assert_eq!(w.device(&rig.device).bond, 1_400 * IO);
    let called = w.now();
    let ready = called + EPOCH_SECONDS + EVIDENCE_SECONDS;
    assert_eq!(w.co_stake(&rig.provider, &who.pubkey()).release_at(), ready);
    // Asked again, or attested anew, nothing is put off.
    w.advance(EPOCH_SECONDS);
    w.attest(&rig);
    w.refuse(&release, IoError::StillAnswering);
    let mut early = w.fork();
    early.at(ready - 1);
    early.refuse(&release, IoError::StillAnswering);
    w.at(ready);
    // The bond falls to the exposure of what runs, and no further.
    w.ok(&release);
    assert_eq!(w.device(&rig.device).bond, 1_200 * IO);
    w.refuse(&release, IoError::BondBelowExposure);
    w.refuse(&unbond, IoError::StakeNotFree);
    stage.submit(1_000);
    stage.settle();
    let w = &mut stage.world;
    w.ok(&release);
    assert_eq!(w.device(&rig.device).bond, 1_000 * IO);
    w.ok(&unbond);
    assert_eq!(w.provider(&rig.provider).collateral(), 1_000 * IO);
}

/// What was asked for is there for a day; who didn't take it asks again. Nothing is freed of a device that owes a penalty.
#[test]
fn bonds_that_were_asked_for_are_freed_in_their_day() {
    let (mut w, rig) = open_provider(425);
    let who = join(&mut w, &rig, 500 * IO);
    let call = w.set_device_bond_call(&rig, 1_400 * IO);
    w.ok(&call);
    give_notice(&mut w, &rig, &who);
    let release = w.release_bond_for_leaver_call(&rig, &who.pubkey());
    let asked = |w: &mut World| {
        w.ok(&release);
        let ready = w.now() + EPOCH_SECONDS + EVIDENCE_SECONDS;
        assert_eq!(w.co_stake(&rig.provider, &who.pubkey()).release_at(), ready);
        assert_eq!(w.device(&rig.device).bond, 1_400 * IO);
        ready
    };
    let ready = asked(&mut w);
    for (at, freed) in [
        (ready, true),
        (ready + EVIDENCE_SECONDS - 1, true),
        (ready + EVIDENCE_SECONDS, false),
        (ready + 30 * EVIDENCE_SECONDS, false),
    ] {
        let mut then = w.fork();
        then.at(at);
        if freed {
            then.ok(&release);
            assert_eq!(then.device(&rig.device).bond, 1_000 * IO);
        } else {
            asked(&mut then);
        }
    }

    // A wrong cell takes what it can first: 1,400 of the bond in a case. With nothing bonded nothing is short.
    let mut faulted = w.fork();
    let (challenger, cell) = (faulted.person(), Cell::off_by(64, 3, 1));
    faulted.write_claim(&challenger, &cell);
    let said = faulted.committed(&rig, &cell);
    let call = faulted.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    faulted.ok(&call);
    faulted.at(ready);
    faulted.refuse(&release, IoError::BondNotShort);
}

/// What a device owes is taken before anything of its bond is freed for a leaver.
#[test]
fn nothing_is_freed_of_a_device_that_owes() {
    let (mut w, rig) = open_provider(426);
    let who = join(&mut w, &rig, 500 * IO);
    let call = w.set_device_bond_call(&rig, 1_500 * IO);
    w.ok(&call);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 1_200 * IO;
    stage.terms.deadline = stage.world.now() + 50 * 24 * 3_600;
    stage.terms.max_run_seconds = 29 * 24 * 3_600;
    stage.create();
    stage.accept(1_200 * IO);
    let rig = stage.rig.clone();
    give_notice(&mut stage.world, &rig, &who);
    let release = stage
        .world
        .release_bond_for_leaver_call(&rig, &who.pubkey());
    stage.world.ok(&release);
    let w = &mut stage.world;
    let (challenger, cell) = (w.person(), Cell::off_by(64, 3, 1));
    w.write_claim(&challenger, &cell);
    let said = w.committed(&rig, &cell);
    let prove = w.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    w.ok(&prove);
    assert_eq!(w.device(&rig.device).fault_due(), 1_200 * IO);
    stage.submit(1_000);
    stage.settle();
    // The bond is free now, and still nothing of it leaves.
    let w = &mut stage.world;
    let at = w.co_stake(&rig.provider, &who.pubkey()).release_at();
    w.at(at);
    w.refuse(&release, IoError::PenaltyUnpaid);
    let opener = w.person();
    let pay = w.open_fault_case_call(&rig, &opener);
    w.ok(&pay);
    assert_eq!(w.device(&rig.device).bond, 0);
}

/// Rewards follow the stake and each one's own terms; who joins late earns nothing of the past.
#[test]
fn rewards_are_divided_from_the_time_of_joining() {
    let (mut w, rig) = open_provider(425);
    let first = join(&mut w, &rig, 500 * IO);
    let wait = w.activate_co_stake_call(&rig, &first);
    w.refuse(&wait, IoError::NotEarningYet);
    // The first reward is of a time that the joining lies in: all of it is the owner's.
    w.pay_rewards(&[(&rig, 900)]);
    assert_eq!(w.tokens(&rig.payout.io), 900);
    activate(&mut w, &rig, &first);
    w.refuse(&wait, IoError::NothingOwed);
    // 500 of 1,500: a third, less a base unit of rounding, of which a tenth (rounded up) is the owner's, as stake.
    w.pay_rewards(&[(&rig, 900 + 3_000)]);
    assert_eq!(w.tokens(&rig.payout.io), 900 + 2_000);
    let late = join(&mut w, &rig, 500 * IO);
    let staked = w.provider(&rig.provider).staked;
    let claim = w.claim_co_rewards_call(&rig, &first);
    w.ok(&claim);
    assert_eq!(w.tokens(&first.io), START_IO - 500 * IO + 899);
    assert_eq!(w.provider(&rig.provider).staked, staked + 100);
    w.refuse(&claim, IoError::NothingOwed);
    let nothing = w.claim_co_rewards_call(&rig, &late);
    w.refuse(&nothing, IoError::NothingOwed);
    // A reward of the time in which it joined does not reach it yet.
    w.pay_rewards(&[(&rig, 3_900 + 3_000)]);
    w.refuse(&nothing, IoError::NothingOwed);
    activate(&mut w, &rig, &late);
    w.refuse(&nothing, IoError::NothingOwed);
    // Now both earn alike.
    w.pay_rewards(&[(&rig, 6_900 + 4_000)]);
    for who in [&first, &late] {
        let before = w.tokens(&who.io);
        let call = w.claim_co_rewards_call(&rig, who);
        w.ok(&call);
        let earned = w.tokens(&who.io) - before;
        let shared = if who.pubkey() == first.pubkey() {
            900
        } else {
            0
        };
        assert!((898..=900).contains(&(earned - shared)), "{earned}");
    }
    // To nobody but its owner.
    w.pay_rewards(&[(&rig, 20_000)]);
    let mut call = w.claim_co_rewards_call(&rig, &first);
    call.instruction.accounts[5].pubkey = late.io;
    w.refuse(&call, IoError::WrongOwner);
    // What is earned until the end of the notice comes with the stake.
    let provider = w.provider(&rig.provider);
    give_notice(&mut w, &rig, &late);
    leave_now(&mut w, &rig, &late);
    assert!(w.tokens(&late.io) > START_IO + 900);
    assert!(w.provider(&rig.provider).co_rewards < provider.co_rewards);
}

/// Whatever is sent to the pool's vault changes no share's price and is nobody's.
#[test]
fn donations_change_nothing() {
    let (mut w, rig) = open_provider(426);
    let (mint, vault) = (w.io_mint, world::co_vault(&rig.provider));
    w.donate(&mint, &vault, 700 * IO);
    let first = join(&mut w, &rig, IO);
    w.donate(&mint, &vault, 300 * IO);
    let second = join(&mut w, &rig, 100 * IO + 1);
    assert_eq!(
        w.co_stake(&rig.provider, &second.pubkey()).pending,
        100 * IO + 1
    );
    for who in [&first, &second] {
        let call = w.leave_co_stake_call(&rig, &who.pubkey(), &who.key);
        w.ok(&call);
    }
    w.advance(i64::from(STAKE.co_notice_seconds));
    for who in [&first, &second] {
        leave_now(&mut w, &rig, who);
        assert_eq!(w.tokens(&who.io), START_IO);
    }
    assert_eq!(w.tokens(&vault), 1_000 * IO);
}

/// A provider whose own 300 IO and 300 IO of two co-stakers stand behind one device with a job worth 450, which is rejected.
fn slashed(seed: u64) -> (Stage, Party, Party) {
    let mut w = World::emitting(seed);
    let rig = w.rig(CLASS_SMALL, 300 * IO);
    let first = w.co_staker(&rig, 200 * IO);
    let second = join(&mut w, &rig, 100 * IO);
    let call = w.set_device_bond_call(&rig, 500 * IO);
    w.ok(&call);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 450 * IO;
    stage.create();
    stage.accept(450 * IO);
    stage.submit(1_000);
    stage.reject();
    let opener = stage.world.person();
    let call = stage
        .world
        .open_slash_case_call(&stage.key, &stage.rig, &opener);
    stage.world.ok(&call);
    (stage, first, second)
}

fn case_of(rig: &Rig) -> Pubkey {
    world::slash_case(&rig.provider, 0)
}

#[test]
fn the_owner_loses_first_and_all_shares_alike() {
    let (mut stage, first, second) = slashed(427);
    let rig = stage.rig.clone();
    let w = &mut stage.world;
    let case = w.slash_case(&case_of(&rig));
    assert_eq!((case.owner_part, case.co_part), (300 * IO, 150 * IO));
    let provider = w.provider(&rig.provider);
    assert_eq!((provider.staked, provider.co_assets), (0, 150 * IO));
    assert_eq!(provider.co_disputed, 150 * IO);
    for (who, worth) in [(&first, 100 * IO), (&second, 50 * IO)] {
        let co = w.co_stake(&rig.provider, &who.pubkey());
        assert_eq!(co.worth(&provider).unwrap(), worth);
    }
    // While it is undecided nobody buys into what may come back, and nobody is made to forgo it.
    let refill = w.stake_call(&rig, 300 * IO);
    w.ok(&refill);
    let late = w.party();
    let buy = w.join_co_stake_call(&rig, &late, IO);
    w.refuse(&buy, IoError::CaseUndecided);
    for who in [&first, &second] {
        let call = w.leave_co_stake_call(&rig, &who.pubkey(), &who.key);
        w.ok(&call);
    }
    w.advance(i64::from(STAKE.co_notice_seconds));
    let push = start(w, &rig, &first);
    w.refuse(&push, IoError::CaseUndecided);
    let own = w.start_co_unbond_call(&rig, &first.pubkey(), &first.key);
    let mut hasty = w.fork();
    hasty.ok(&own);
    assert_eq!(
        hasty.co_stake(&rig.provider, &first.pubkey()).unbonding,
        100 * IO
    );

    // Returned: what was taken from the pool is the pool's again, for those that stayed.
    let appeal = w.appeal_slash_call(&rig, &case_of(&rig));
    w.ok(&appeal);
    hasty.ok(&appeal);
    let decide = w.decide_slash_call(&case_of(&rig), SlashVerdict::Returned, &[2]);
    w.ok(&decide);
    hasty.ok(&decide);
    assert_eq!(w.provider(&rig.provider).staked, 600 * IO);
    w.ok(&push);
    assert_eq!(
        w.co_stake(&rig.provider, &first.pubkey()).unbonding,
        200 * IO
    );
    // In the other world the one that stayed has its own and what the hasty one left.
    let push = start(&hasty, &rig, &second);
    hasty.ok(&push);
    assert_eq!(
        hasty.co_stake(&rig.provider, &second.pubkey()).unbonding,
        200 * IO
    );

    // Upheld: gone for good, and the pool is open again.
    let (mut upheld, first, _) = slashed(428);
    let rig = upheld.rig.clone();
    let w = &mut upheld.world;
    w.advance(i64::from(STAKE.appeal_seconds) + 1);
    let call = w.finalise_slash_case_call(&case_of(&rig));
    w.ok(&call);
    assert_eq!(w.provider(&rig.provider).co_disputed, 0);
    give_notice(w, &rig, &first);
    leave_now(w, &rig, &first);
    assert_eq!(w.tokens(&first.io), START_IO - 100 * IO);
}

/// When everybody has left a pool, what comes back to it is the owner's.
#[test]
fn a_return_to_an_empty_pool_is_the_owners() {
    let (mut stage, first, second) = slashed(429);
    let rig = stage.rig.clone();
    let w = &mut stage.world;
    let refill = w.stake_call(&rig, 300 * IO);
    w.ok(&refill);
    for who in [&first, &second] {
        let call = w.leave_co_stake_call(&rig, &who.pubkey(), &who.key);
        w.ok(&call);
    }
    w.advance(i64::from(STAKE.co_notice_seconds));
    for who in [&first, &second] {
        let call = w.start_co_unbond_call(&rig, &who.pubkey(), &who.key);
        w.ok(&call);
    }
    for call in [
        w.appeal_slash_call(&rig, &case_of(&rig)),
        w.decide_slash_call(&case_of(&rig), SlashVerdict::Returned, &[2]),
    ] {
        w.ok(&call);
    }
    let provider = w.provider(&rig.provider);
    assert_eq!((provider.staked, provider.co_assets), (750 * IO, 0));
}

/// A pool that lost everything takes nobody in before its holders are gone; they leave with nothing, their account with its rent.
#[test]
fn a_pool_that_lost_everything_starts_anew() {
    let mut w = World::emitting(430);
    let rig = w.rig(CLASS_SMALL, 300 * IO);
    let who = w.co_staker(&rig, 300 * IO);
    let call = w.set_device_bond_call(&rig, 600 * IO);
    w.ok(&call);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 600 * IO;
    stage.create();
    stage.accept(600 * IO);
    stage.submit(1_000);
    stage.reject();
    let (rig, key) = (stage.rig.clone(), stage.key);
    let w = &mut stage.world;
    let opener = w.person();
    let call = w.open_slash_case_call(&key, &rig, &opener);
    w.ok(&call);
    w.advance(i64::from(STAKE.appeal_seconds) + 1);
    let call = w.finalise_slash_case_call(&case_of(&rig));
    w.ok(&call);
    let provider = w.provider(&rig.provider);
    assert_eq!(
        (provider.staked, provider.co_assets, provider.co_shares),
        (0, 0, 300 * IO)
    );
    let call = w.stake_call(&rig, 300 * IO);
    w.ok(&call);
    let newcomer = w.party();
    let buy = w.join_co_stake_call(&rig, &newcomer, IO);
    w.refuse(&buy, IoError::PoolWipedOut);
    let dismiss = w.leave_co_stake_call(&rig, &who.pubkey(), &rig.authority.key);
    w.ok(&dismiss);
    w.advance(i64::from(STAKE.co_notice_seconds));
    leave_now(w, &rig, &who);
    assert_eq!(w.tokens(&who.io), START_IO - 300 * IO);
    w.ok(&buy);
    assert_eq!(w.co_stake(&rig.provider, &newcomer.pubkey()).pending, IO);
}

/// Leaving stays possible while the network is paused.
#[test]
fn a_pause_holds_no_co_staker() {
    let (mut w, rig) = open_provider(431);
    let who = join(&mut w, &rig, 10 * IO);
    let pause = w.set_paused_call(true);
    w.ok(&pause);
    give_notice(&mut w, &rig, &who);
    leave_now(&mut w, &rig, &who);
    assert_eq!(w.tokens(&who.io), START_IO);
}

/// A registration that no quorum confirms within a day can be removed by anybody, at nobody's cost.
#[test]
fn unattested_hardware_can_be_evicted() {
    let mut w = World::new(432);
    let squatter = w.unregistered_rig(CLASS_SMALL);
    for call in [
        w.register_provider_call(&squatter),
        w.stake_call(&squatter, 250 * IO),
        w.register_device_call(&squatter, 250 * IO),
    ] {
        w.ok(&call);
    }
    let since = w.now();
    let evict = w.evict_device_call(&squatter);
    for late in [0, EVICT_SECONDS - 1, EVICT_SECONDS] {
        w.at(since + late);
        w.refuse(&evict, IoError::DeadlineNotPassed);
    }
    // Attested in time, it stays.
    let mut attested = w.fork();
    attested.attest(&squatter);
    attested.advance(10 * EVICT_SECONDS);
    attested.refuse(&evict, IoError::DeviceAttested);

    w.at(since + EVICT_SECONDS + 1);
    let authority = squatter.authority.pubkey();
    let (had, rent) = (w.lamports(&authority), w.lamports(&squatter.device));
    w.ok(&evict);
    assert_eq!(w.lamports(&authority), had + rent);
    let provider = w.provider(&squatter.provider);
    assert_eq!(
        (provider.committed, provider.devices, provider.free()),
        (0, 0, 250 * IO)
    );
    // Its owner registers it now.
    let owner = w.unregistered_rig(CLASS_SMALL);
    let owner = Rig {
        hardware: squatter.hardware,
        device: squatter.device,
        ..owner
    };
    for call in [
        w.register_provider_call(&owner),
        w.stake_call(&owner, 250 * IO),
    ] {
        w.ok(&call);
    }
    w.ready_device(&owner, 250 * IO);
    assert_eq!(w.device(&owner.device).provider, owner.provider);
}
