//! Leases: paid for attested seconds and for nothing else, extended, ended by either side, and never a trap for money.

use anchor_lang::prelude::Pubkey;
use io_network::{Payee, errors::IoError, state::JobState};
use io_protocol::{
    lease::{LeaseStatement, MIN_LEASE_SECONDS},
    messages::Deployment,
    money::IO,
};
use io_tests::{
    ASK, At, CLASS_SMALL, FROZEN, LEASED, LONGEST, Mint, PARAMS, START_IO, Stage, World, ed25519,
    lease_terms, reckon, world,
};

/// What `seconds` of the stage's lease come to.
fn due(stage: &Stage, seconds: u64) -> reckon::Shares {
    let job = stage.job();
    reckon::shares(job.escrow, seconds, job.ask, PARAMS.reserve_bps, 0)
}

/// However time is cut into checkpoints, the end is that of one settlement: to the base unit.
#[test]
fn checkpoints_add_up_to_one_settlement() {
    for cuts in [
        vec![LEASED],
        vec![1, 2, 3, 500, 999, LEASED],
        (1..=40).map(|i| i * 25).collect(),
    ] {
        let mut stage = Stage::lease(200);
        let escrow = stage.job().escrow;
        let start = stage.world.now();
        for seconds in cuts {
            stage.world.at(start + seconds as i64);
            stage.checkpoint(seconds);
            let due = due(&stage, seconds);
            let job = stage.job();
            assert_eq!((job.paid, job.fees), (due.provider, due.treasury));
            assert_eq!(stage.world.tokens(&stage.rig.payout.io), due.provider);
            assert_eq!(job.state, JobState::Running as u8);
        }
        stage.finish();
        let (all, job) = (due(&stage, LEASED), stage.job());
        assert_eq!(job.refunded, all.payer);
        assert_eq!(
            stage.world.tokens(&stage.payer.io),
            START_IO - escrow + all.payer
        );
        assert_eq!(stage.world.tokens(&stage.vault()), 0);
        assert_eq!(job.state, JobState::Settled as u8);
        let device = stage.world.device(&stage.rig.device);
        assert_eq!(
            (device.completed, device.failed, device.open_jobs),
            (1, 0, 0)
        );
        assert_eq!(device.volume, all.provider);
        stage.world.advance(1);
        stage.close();
    }
}

/// A checkpoint says what was served up to when: never more than has passed, never less than before, never from the future.
#[test]
fn checkpoints_stay_within_time() {
    let stage = Stage::lease(201);
    let start = stage.world.now();
    let refused = |stage: &mut Stage, seconds: u64, at: i64| {
        let call = stage
            .world
            .checkpoint_call(&stage.key, seconds, at, &[0, 1]);
        stage.world.refuse(&call, IoError::BadCheckpoint);
    };
    let mut early = stage.fork();
    early.world.at(start + 100);
    refused(&mut early, 101, start + 100);
    refused(&mut early, 100, start + 101);
    refused(&mut early, 100, start + 99);
    refused(&mut early, u64::MAX, start + 100);
    refused(&mut early, 0, i64::MIN);
    early.checkpoint(100);
    // The same again, the same time with other seconds, less than was attested.
    refused(&mut early, 100, start + 100);
    refused(&mut early, 99, start + 100);
    early.world.advance(1);
    refused(&mut early, 99, start + 101);
    early.checkpoint(100);
    assert_eq!(early.job().units, 100, "time went on, nothing was served");

    // After its end no second more counts, whatever the time.
    let mut late = stage.fork();
    late.world.at(start + LEASED as i64 + 50);
    let now = late.world.now();
    refused(&mut late, LEASED + 1, now);
    late.checkpoint(LEASED);
    assert_eq!(late.job().units, LEASED);
}

/// Only a quorum pays, over exactly this lease, these seconds and this time.
#[test]
fn a_checkpoint_needs_a_quorum_over_these_seconds() {
    let mut stage = Stage::lease(202);
    stage.world.advance(100);
    let now = stage.world.now();
    let call = stage.world.checkpoint_unsigned_call(&stage.key, 100, now);
    stage.world.refuse(&call, IoError::NoSignatureInstruction);
    let call = stage.world.checkpoint_call(&stage.key, 100, now, &[0]);
    stage.world.refuse(&call, IoError::QuorumNotReached);
    let call = stage.world.checkpoint_call(&stage.key, 100, now, &[0, 0]);
    stage.world.refuse(&call, IoError::DuplicateOracle);
    let right = stage.world.lease_statement(&stage.key, 100, now);
    let other = [9; 32];
    let wrong = [
        LeaseStatement {
            deployment: Deployment {
                program: other,
                ..right.deployment
            },
            ..right
        },
        LeaseStatement {
            deployment: Deployment {
                cluster: other,
                ..right.deployment
            },
            ..right
        },
        LeaseStatement {
            set_version: 0,
            ..right
        },
        LeaseStatement {
            job: other,
            ..right
        },
        LeaseStatement {
            created_slot: 0,
            ..right
        },
        LeaseStatement {
            seconds: 99,
            ..right
        },
        LeaseStatement {
            at: now - 1,
            ..right
        },
    ];
    for statement in wrong {
        let mut call = stage.world.checkpoint_unsigned_call(&stage.key, 100, now);
        call.before = vec![ed25519::signed(
            &statement.to_bytes(),
            &stage.world.oracle_keys(&[0, 1]),
        )];
        stage.world.refuse(&call, IoError::WrongMessage);
    }
    let stranger = stage.world.keys.keypair();
    let mut call = stage.world.checkpoint_unsigned_call(&stage.key, 100, now);
    call.before = vec![ed25519::signed(
        &right.to_bytes(),
        &[&stage.world.oracles[0], &stranger],
    )];
    stage.world.refuse(&call, IoError::NotAnOracle);
    stage.checkpoint(100);
}

/// What a lease is paid for cannot be had by the ways of a task, nor a task by those of a lease.
#[test]
fn leases_and_tasks_do_not_mix() {
    let mut stage = Stage::lease(203);
    for call in [
        stage.world.submit_call(&stage.key, &stage.rig, 1),
        stage.world.settle_call(&stage.key, &[0, 1]),
        stage.world.reject_call(&stage.key, &[0, 1]),
        stage.world.dispute_call(&stage.key, &stage.renter.key),
        stage.world.cancel_call(&stage.key, &stage.renter.key),
    ] {
        stage.world.refuse(&call, IoError::WrongState);
    }
    stage.world.at(stage.job().run_until + 1_000_000);
    let call = stage.world.expire_call(&stage.key);
    stage.world.refuse(&call, IoError::WrongState);

    for at in [At::Open, At::Running, At::Submitted] {
        let mut task = Stage::at(204, at);
        let renter = task.renter.key.insecure_clone();
        let payer = task.payer.clone();
        let now = task.world.now();
        let mut calls = vec![
            task.world
                .extend_job_call(&task.key, &renter, &payer, 60, 0),
        ];
        if at != At::Open {
            calls.extend([
                task.world.checkpoint_call(&task.key, 0, now, &[0, 1]),
                task.world.end_lease_call(&task.key, &renter),
                task.world.finish_lease_call(&task.key),
            ]);
        }
        for call in calls {
            task.world.refuse(&call, IoError::NotALease);
        }
    }
    // An open lease: nothing to check, to extend.
    let mut open = Stage::open_lease(205);
    let (renter, payer) = (open.renter.key.insecure_clone(), open.payer.clone());
    let call = open
        .world
        .extend_job_call(&open.key, &renter, &payer, 60, 0);
    open.world.refuse(&call, IoError::WrongState);
}

#[test]
fn terms_of_a_lease_are_checked() {
    let base = Stage::empty(206, Mint::Io);
    let good = lease_terms(&base.world, 1);
    type Bend = fn(&mut io_network::state::JobTerms);
    let bad: [(&str, Bend); 5] = [
        ("another kind", |t| t.kind = 2),
        ("a lease that is verified", |t| t.verification = 1),
        ("shorter than the least", |t| {
            t.max_units = MIN_LEASE_SECONDS - 1
        }),
        ("longer than it may become", |t| {
            t.max_units = u64::from(LONGEST) + 1
        }),
        ("a month and a second", |t| {
            t.max_run_seconds = 30 * 86_400 + 1
        }),
    ];
    for (what, bend) in bad {
        let mut stage = base.fork();
        stage.terms = good;
        bend(&mut stage.terms);
        let call =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
        let failed = stage.world.attempt(&call).expect_err(what);
        assert!(failed.is(IoError::BadTerms.into()), "{what}");
    }
    for seconds in [MIN_LEASE_SECONDS, u64::from(LONGEST)] {
        let mut stage = base.fork();
        stage.terms = good;
        stage.terms.max_units = seconds;
        stage.create();
        stage.accept(ASK);
        let job = stage.job();
        assert_eq!(job.run_until, job.accepted_at + seconds as i64);
    }
}

/// A device's exposure in a lease is an hour's price, however long it is bought for or extended.
#[test]
fn exposure_is_an_hours() {
    for seconds in [60, LEASED, u64::from(LONGEST)] {
        let mut stage = Stage::empty(207, Mint::Io);
        stage.terms = lease_terms(&stage.world, 1);
        stage.terms.max_units = seconds;
        stage.create();
        stage.accept(ASK);
        let exposure = reckon::exposure(3_600, ASK, stage.terms.max_price, 1_000_000_000);
        assert_eq!(stage.job().exposure, exposure);
        assert_eq!(stage.world.device(&stage.rig.device).exposure, exposure);
    }
}

/// The renter ends it now: what was served is still paid, the rest returns, and the device is free.
#[test]
fn the_renter_ends_it() {
    for by_payer in [false, true] {
        let mut stage = Stage::lease(208);
        let start = stage.world.now();
        let signer = match by_payer {
            true => stage.payer.key.insecure_clone(),
            false => stage.renter.key.insecure_clone(),
        };
        stage.world.advance(300);
        let end = stage.world.end_lease_call(&stage.key, &signer);
        stage.world.ok(&end);
        assert_eq!(
            (stage.job().run_until, stage.job().ended_by),
            (start + 300, 1)
        );
        stage.world.refuse(&end, IoError::LeaseEnded);
        // The race that it must not win: ending before the last checkpoint lands.
        let finish = stage.world.finish_lease_call(&stage.key);
        stage.world.refuse(&finish, IoError::LeaseNotOver);
        stage.world.advance(5);
        let more = stage
            .world
            .checkpoint_call(&stage.key, 301, start + 305, &[0, 1]);
        stage.world.refuse(&more, IoError::BadCheckpoint);
        stage.checkpoint(300);
        stage.world.ok(&finish);
        let due = due(&stage, 300);
        assert_eq!(
            (stage.job().paid, stage.job().refunded),
            (due.provider, due.payer)
        );
        assert!(stage.world.device(&stage.rig.device).is_idle());
    }
}

/// The provider ends it with notice: until then it serves and is paid.
#[test]
fn the_provider_ends_it_with_notice() {
    let notice = i64::from(PARAMS.reclaim_notice_seconds);
    let mut world = World::new(209);
    let rig = world.rig(CLASS_SMALL, 1_000 * IO);
    let mut base = Stage::with(world, rig, Mint::Io);
    base.terms = lease_terms(&base.world, 1);
    base.terms.max_price = 20_003;
    base.terms.max_units = 2 * notice as u64;
    base.terms.max_run_seconds = 30 * 86_400;
    base.create();
    base.accept(20_001);
    for by_operator in [false, true] {
        let mut stage = base.fork();
        let start = stage.world.now();
        let signer = match by_operator {
            true => stage.rig.operator.insecure_clone(),
            false => stage.rig.authority.key.insecure_clone(),
        };
        let stranger = stage.world.person();
        let call = stage.world.end_lease_call(&stage.key, &stranger);
        stage.world.refuse(&call, IoError::NotRenter);
        stage.world.advance(10);
        let call = stage.world.end_lease_call(&stage.key, &signer);
        stage.world.ok(&call);
        assert_eq!(stage.job().run_until, start + 10 + notice);
        // Time that was given back is not extended; the renter may end it sooner.
        let payer = stage.payer.clone();
        let extend = stage
            .world
            .extend_job_call(&stage.key, &payer.key, &payer, 60, 0);
        stage.world.refuse(&extend, IoError::LeaseEnded);
        let mut sooner = stage.fork();
        sooner.world.advance(100);
        let call = sooner.world.end_lease_call(&sooner.key, &payer.key);
        sooner.world.ok(&call);
        assert_eq!(
            (sooner.job().run_until, sooner.job().ended_by),
            (start + 110, 2)
        );
        // Near the end notice shortens nothing.
        let mut near = base.fork();
        near.world.at(near.job().run_until - notice);
        let call = near.world.end_lease_call(&near.key, &signer);
        near.world.refuse(&call, IoError::LeaseEnded);

        stage.world.at(stage.job().run_until);
        stage.checkpoint(10 + notice as u64);
        stage.finish();
        assert_eq!(stage.job().units, 10 + notice as u64);
        assert_eq!(stage.job().penalty_due, 0);
    }
}

/// Nothing attested until the end and its grace: the device is at fault, the payer has everything back. Ended by the renter
/// before anything could be attested, nobody is.
#[test]
fn silence_is_the_devices_fault_if_it_had_time() {
    let start = Stage::lease(210);
    let grace = i64::from(PARAMS.challenge_seconds);
    let mut vanished = start.fork();
    let until = vanished.job().run_until + grace;
    let finish = vanished.world.finish_lease_call(&vanished.key);
    for at in [until - 1, until] {
        vanished.world.at(at);
        vanished.world.refuse(&finish, IoError::LeaseNotOver);
    }
    vanished.world.at(until + 1);
    vanished.world.ok(&finish);
    let job = vanished.job();
    let penalty = reckon::penalty(job.exposure, PARAMS.expire_penalty_bps);
    assert!(penalty > 0);
    assert_eq!(
        (job.state, job.penalty_due),
        (JobState::Expired as u8, penalty)
    );
    assert_eq!(job.refunded, job.escrow);
    let device = vanished.world.device(&vanished.rig.device);
    assert_eq!((device.failed, device.completed), (1, 0));

    for (seconds, fault) in [(59, false), (60, true)] {
        let mut ended = start.fork();
        ended.world.advance(seconds);
        let call = ended.world.end_lease_call(&ended.key, &ended.renter.key);
        ended.world.ok(&call);
        ended.world.advance(grace + 1);
        ended.finish();
        assert_eq!(ended.job().penalty_due > 0, fault);
        assert_eq!(ended.job().refunded, ended.job().escrow);
        assert_eq!(ended.world.device(&ended.rig.device).completed, 0);
    }
    // One attested second, and it is no fault; a quorum that counted to the end says so at once.
    let mut some = start.fork();
    some.world.at(some.job().run_until);
    some.checkpoint(1);
    some.finish();
    assert_eq!(some.job().penalty_due, 0);
    let mut none = start.fork();
    none.world.at(none.job().run_until);
    none.checkpoint(0);
    none.finish();
    assert_eq!(none.job().penalty_due, penalty);
}

/// A device that takes a lease and gives it back at once pays for it, although nothing could be attested.
#[test]
fn giving_a_lease_back_unserved_is_a_fault() {
    let mut stage = Stage::empty(211, Mint::Io);
    stage.terms = lease_terms(&stage.world, 1);
    stage.terms.max_price = 20_003;
    stage.terms.max_units = 200_000;
    stage.terms.max_run_seconds = 300_000;
    stage.create();
    stage.accept(20_001);
    let operator = stage.rig.operator.insecure_clone();
    let call = stage.world.end_lease_call(&stage.key, &operator);
    stage.world.ok(&call);
    let call = stage.world.end_lease_call(&stage.key, &stage.renter.key);
    stage.world.advance(1);
    stage.world.ok(&call);
    stage.world.advance(i64::from(PARAMS.challenge_seconds) + 1);
    stage.finish();
    assert!(stage.job().penalty_due > 0);
}

/// Time is added by the renter's or payer's word, with anybody's money, up to what the device agreed to.
#[test]
fn time_is_added() {
    let mut stage = Stage::lease(212);
    let before = stage.job();
    let sponsor = stage.world.party();
    let renter = stage.renter.key.insecure_clone();
    stage.world.advance(100);
    let stranger = stage
        .world
        .extend_job_call(&stage.key, &sponsor.key, &sponsor, 500, 0);
    stage.world.refuse(&stranger, IoError::NotRenter);
    let extend = stage
        .world
        .extend_job_call(&stage.key, &renter, &sponsor, 500, 0);
    stage.world.ok(&extend);
    let job = stage.job();
    assert_eq!(
        (job.max_units, job.run_until),
        (1_500, before.run_until + 500)
    );
    let escrow = reckon::escrow(1_500, job.max_price, PARAMS.reserve_bps, 0);
    assert_eq!((job.escrow, job.funded), (escrow, escrow));
    assert_eq!(
        stage.world.tokens(&sponsor.io),
        START_IO - (escrow - before.escrow)
    );
    for (seconds, index, expected) in [
        (0, 1, IoError::BadUnits),
        (u64::from(LONGEST) - 1_499, 1, IoError::BadUnits),
        (u64::MAX, 1, IoError::Overflow),
    ] {
        let call = stage
            .world
            .extend_job_call(&stage.key, &renter, &sponsor, seconds, index);
        stage.world.refuse(&call, expected);
    }
    // No more than the sponsor said, and only for the lease that it meant.
    let mut dear = stage
        .world
        .extend_job_call(&stage.key, &renter, &sponsor, 60, 1);
    let max_amount = dear.instruction.data.len() - 10;
    dear.instruction.data[max_amount..max_amount + 8].copy_from_slice(&1u64.to_le_bytes());
    stage.world.refuse(&dear, IoError::EscrowTooHigh);
    let mut another = stage
        .world
        .extend_job_call(&stage.key, &renter, &sponsor, 60, 1);
    another.instruction.data[8] ^= 1;
    stage.world.refuse(&another, IoError::AnotherJob);
    // The rest of what it may become.
    let call = stage.world.extend_job_call(
        &stage.key,
        &stage.payer.key,
        &stage.payer.clone(),
        u64::from(LONGEST) - 1_500,
        0,
    );
    stage.world.ok(&call);

    // Paid for to the last second; the sponsor and the payer share what returns.
    stage.world.at(stage.job().run_until);
    stage.checkpoint(u64::from(LONGEST));
    stage.finish();
    let (job, due) = (stage.job(), due(&stage, LONGEST.into()));
    assert_eq!((job.paid, job.refunded), (due.provider, due.payer));
    assert!(job.owed_sponsors > 0 && job.deposits == 2);
    let anybody = stage.world.person();
    for (of, index) in [(&sponsor, 0), (&stage.payer.clone(), 0)] {
        let key = io_tests::leases::deposit(&stage.key, &of.pubkey(), index);
        let call = stage.world.release_deposit_call(&key, &anybody);
        stage.world.ok(&call);
    }
    assert_eq!(stage.world.tokens(&stage.vault()), 0);
    stage.close();
}

#[test]
fn a_lease_that_is_over_is_not_extended() {
    let mut stage = Stage::lease(213);
    let payer = stage.payer.clone();
    stage.world.at(stage.job().run_until - 1);
    let extend = stage
        .world
        .extend_job_call(&stage.key, &payer.key, &payer, 60, 0);
    let mut late = stage.fork();
    late.world.advance(1);
    late.world.refuse(&extend, IoError::LeaseEnded);
    let pause = stage.world.set_paused_call(true);
    stage.world.ok(&pause);
    stage.world.refuse(&extend, IoError::Paused);
    let resume = stage.world.set_paused_call(false);
    stage.world.ok(&resume);
    stage.world.ok(&extend);
}

/// Every deadline of a lease to the second: its end, and its grace after a checkpoint.
#[test]
fn a_lease_is_finished_when_its_grace_has_passed() {
    let mut stage = Stage::lease(214);
    stage.world.advance(500);
    stage.checkpoint(500);
    let until = stage.job().run_until + i64::from(PARAMS.challenge_seconds);
    let finish = stage.world.finish_lease_call(&stage.key);
    for at in [until - 1, until] {
        stage.world.at(at);
        stage.world.refuse(&finish, IoError::LeaseNotOver);
    }
    // Until then what was served is still attested.
    let mut served = stage.fork();
    served.checkpoint(LEASED);
    served.world.ok(&finish);
    assert_eq!(served.job().units, LEASED);
    stage.world.at(until + 1);
    stage.world.ok(&finish);
    assert_eq!(stage.job().refunded, due(&stage, 500).payer);
    let late = stage
        .world
        .checkpoint_call(&stage.key, LEASED, until, &[0, 1]);
    stage.world.refuse(&late, IoError::WrongState);
    stage.world.refuse(&finish, IoError::WrongState);
}

/// Counted to its end it is finished at once: nobody waits for a grace that decides nothing.
#[test]
fn a_lease_counted_to_its_end_is_finished_at_once() {
    let mut stage = Stage::lease(215);
    let end = stage.job().run_until;
    stage.world.at(end - 1);
    stage.checkpoint(900);
    let finish = stage.world.finish_lease_call(&stage.key);
    stage.world.refuse(&finish, IoError::LeaseNotOver);
    stage.world.at(end);
    stage.checkpoint(900);
    stage.world.ok(&finish);
    assert_eq!(stage.job().units, 900);
}

/// A frozen payee delays nobody: its pay waits in the vault, is released while the lease runs, and counts in the end.
#[test]
fn a_frozen_provider_is_owed_while_the_lease_runs() {
    let mut stage = Stage::lease(216);
    let (mint, to) = (stage.world.io_mint, stage.rig.payout.io);
    stage.world.freeze(&mint, &to);
    stage.world.advance(200);
    stage.checkpoint(200);
    let first = due(&stage, 200).provider;
    assert_eq!(
        (stage.job().owed_provider, stage.job().paid),
        (first, first)
    );
    stage.world.thaw(&mint, &to);
    stage.world.advance(200);
    stage.checkpoint(400);
    let both = due(&stage, 400).provider;
    assert_eq!(stage.world.tokens(&to), both - first);
    assert_eq!(stage.job().owed_provider, first);
    let anybody = stage.world.person();
    let mut early = stage.fork();
    let call = early
        .world
        .release_owed_call(&early.key, Payee::Provider, &anybody, &to);
    early.world.ok(&call);
    assert_eq!(early.world.tokens(&to), both);
    early.world.refuse(&call, IoError::NothingOwed);
    // Left in the vault, it is not refunded.
    stage.world.at(stage.job().run_until);
    stage.checkpoint(400);
    stage.finish();
    assert_eq!(stage.job().refunded, due(&stage, 400).payer);
    assert_eq!(stage.world.tokens(&stage.vault()), first);
    let close = stage.world.close_call(&stage.key, &stage.payer.key);
    stage.world.refuse(&close, IoError::StillOwed);
    stage.world.ok(&call);
    stage.world.ok(&close);
}

/// A vault that the mint froze binds nobody: the lease is counted, ended and owed.
#[test]
fn a_frozen_vault_ends_a_lease_too() {
    let mut stage = Stage::lease(217);
    let (mint, vault) = (stage.world.io_mint, stage.vault());
    stage.world.freeze(&mint, &vault);
    stage.world.at(stage.job().run_until);
    stage.checkpoint(700);
    stage.finish();
    let (job, due) = (stage.job(), due(&stage, 700));
    assert_eq!(
        (job.owed_provider, job.owed_treasury, job.owed_payer),
        (due.provider, due.treasury, due.payer)
    );
    assert!(stage.world.device(&stage.rig.device).is_idle());
    let payer = stage.payer.clone();
    let release = stage
        .world
        .release_owed_call(&stage.key, Payee::Payer, &payer.key, &payer.io);
    stage.world.refuse(&release, FROZEN);
    stage.world.thaw(&mint, &vault);
    stage.world.ok(&release);
}

/// Gifts to the vault pay nobody for time that was not served; they go to the payer with the rest.
#[test]
fn gifts_to_a_lease_go_to_the_payer() {
    let mut stage = Stage::lease(218);
    let (mint, vault) = (stage.world.io_mint, stage.vault());
    stage.world.donate(&mint, &vault, 77);
    stage.world.advance(100);
    stage.checkpoint(100);
    assert_eq!(stage.job().paid, due(&stage, 100).provider);
    stage.world.at(stage.job().run_until);
    stage.checkpoint(100);
    stage.finish();
    assert_eq!(stage.job().refunded, due(&stage, 100).payer + 77);
}

/// A lease re-created at the same address is another one: what was attested for the first pays nothing of the second.
#[test]
fn a_recreated_lease_is_another_one() {
    let mut stage = Stage::lease(219);
    stage.world.at(stage.job().run_until);
    let now = stage.world.now();
    let old = stage
        .world
        .checkpoint_call(&stage.key, LEASED, now, &[0, 1]);
    stage.world.ok(&old);
    stage.finish();
    stage.world.advance(1);
    stage.close();
    stage.world.advance(1);
    stage.terms = lease_terms(&stage.world, 1);
    stage.create();
    stage.world.advance(1);
    let rig = stage.rig.clone();
    stage.world.attest(&rig);
    stage.accept(ASK);
    stage.world.advance(i64::from(LONGEST));
    // The same instruction, and its signatures under the new lease's time.
    stage.world.refuse(&old, IoError::BadCheckpoint);
    let mut again = stage.world.checkpoint_unsigned_call(
        &stage.key,
        LEASED,
        stage.job().accepted_at + LEASED as i64,
    );
    again.before = old.before;
    stage.world.refuse(&again, IoError::WrongMessage);
}

/// A payment mint of other decimals, with a fee of its own.
#[test]
fn a_lease_is_paid_in_another_mint() {
    let mut stage = Stage::empty(220, Mint::Usd);
    stage.terms = lease_terms(&stage.world, 1);
    stage.terms.max_price = 3_003;
    stage.create();
    stage.accept(3_001);
    stage.world.at(stage.job().run_until);
    stage.checkpoint(LEASED);
    stage.finish();
    let job = stage.job();
    let due = reckon::shares(
        job.escrow,
        LEASED,
        3_001,
        PARAMS.reserve_bps,
        world::USD_FEE_BPS,
    );
    assert_eq!(
        (job.paid, job.fees, job.refunded),
        (due.provider, due.treasury, due.payer)
    );
    assert_eq!(stage.world.tokens(&stage.rig.payout.usd), due.provider);
}

/// No two leases of other people write one account when they are counted and finished.
#[test]
fn leases_do_not_wait_for_each_other() {
    let stage = Stage::lease(221);
    let now = stage.world.now();
    let shared = |call: &io_tests::Call| -> Vec<Pubkey> {
        let job = stage.job();
        let own = [
            stage.key,
            job.vault,
            job.device,
            job.provider_token,
            job.payer_token,
            job.treasury,
        ];
        call.instruction
            .accounts
            .iter()
            .filter(|m| m.is_writable && !own.contains(&m.pubkey))
            .map(|m| m.pubkey)
            .collect()
    };
    for call in [
        stage.world.checkpoint_call(&stage.key, 0, now, &[0, 1]),
        stage.world.finish_lease_call(&stage.key),
        stage.world.end_lease_call(&stage.key, &stage.renter.key),
    ] {
        assert_eq!(shared(&call), []);
    }
}
