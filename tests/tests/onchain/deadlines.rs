//! Each deadline one second before, on and one second after; and clocks that jump.

use io_network::{
    constants::MAX_MEASUREMENT_AGE,
    errors::IoError::{self, *},
};
use io_tests::{At, Call, MEASURED, Mint, PARAMS, Stage, UNITS};
use solana_signer::Signer;

/// What is expected one second before, on and one second after.
type Three = [Option<IoError>; 3];
const UNTIL_AND_ON: fn(IoError) -> Three = |late| [None, None, Some(late)];
const ONLY_BEFORE: fn(IoError) -> Three = |late| [None, Some(late), Some(late)];
const ONLY_AFTER: fn(IoError) -> Three = |early| [Some(early), Some(early), None];
const FROM: fn(IoError) -> Three = |early| [Some(early), None, None];

fn around(stage: &Stage, deadline: i64, expected: Three, call: impl Fn(&Stage) -> Call) {
    for (offset, expected) in (-1..=1).zip(expected) {
        let mut stage = stage.fork();
        stage.world.at(deadline + offset);
        let call = call(&stage);
        match (stage.world.attempt(&call), expected) {
            (Ok(_), None) => {}
            (Err(failed), Some(error)) => {
                assert!(
                    failed.is(error.into()),
                    "at {offset:+} s: expected {error:?}, got {:?}",
                    failed.error
                )
            }
            (Ok(_), Some(error)) => panic!("went through at {offset:+} s, expected {error:?}"),
            (Err(failed), None) => panic!(
                "refused at {offset:+} s: {:?}\n{}",
                failed.error,
                failed.logs.join("\n")
            ),
        }
    }
}

#[test]
fn a_job_can_be_accepted_before_its_deadline() {
    let mut stage = Stage::at(10, At::Open);
    let deadline = stage.job().deadline;
    // A fresh attestation, so that only the deadline matters.
    stage.world.at(deadline - 100);
    let rig = stage.rig.clone();
    stage.world.attest(&rig);
    around(&stage, deadline, ONLY_BEFORE(DeadlinePassed), |s| {
        s.world.accept_call(&s.key, &s.rig, 1)
    });
}

#[test]
fn a_ticket_is_needed_until_the_match_window_ends() {
    let stage = Stage::at(11, At::Open);
    let until = stage.job().match_until;
    assert_eq!(
        until,
        stage.job().created_at + i64::from(PARAMS.match_seconds)
    );
    around(&stage, until, ONLY_AFTER(TicketRequired), |s| {
        s.world.accept_call(&s.key, &s.rig, 1)
    });
}

#[test]
fn a_ticket_is_good_until_it_expires() {
    let stage = Stage::at(12, At::Open);
    let expires = stage.world.now() + 20;
    around(&stage, expires, UNTIL_AND_ON(TicketExpired), |s| {
        s.world.accept_with_ticket_call(&s.key, &s.rig, 1, expires)
    });
}

#[test]
fn an_attestation_is_good_until_it_ages() {
    let mut stage = Stage::empty(13, Mint::Io);
    stage.terms.deadline += 50_000;
    stage.create();
    let until =
        stage.world.device(&stage.rig.device).attested_at + i64::from(PARAMS.attestation_seconds);
    around(&stage, until, UNTIL_AND_ON(AttestationStale), |s| {
        s.world.accept_call(&s.key, &s.rig, 1)
    });
}

#[test]
fn a_device_that_was_never_attested_takes_nothing() {
    let mut stage = Stage::at(13, At::Open);
    let rig = stage.world.unregistered_rig(io_tests::CLASS_SMALL);
    for call in [
        stage.world.register_provider_call(&rig),
        stage.world.stake_call(&rig, PARAMS.min_bond * 2),
        stage.world.register_device_call(&rig, PARAMS.min_bond * 2),
    ] {
        stage.world.ok(&call);
    }
    let call = stage
        .world
        .accept_with_ticket_call(&stage.key, &rig, 1, stage.world.now() + 5);
    stage.world.refuse(&call, AttestationStale);
    // Nor on a young chain, on which the zero that it starts with is not long ago.
    stage.world.at(i64::from(PARAMS.attestation_seconds) - 10);
    let call = stage
        .world
        .accept_with_ticket_call(&stage.key, &rig, 1, stage.world.now() + 5);
    stage.world.refuse(&call, AttestationStale);
}

#[test]
fn a_result_is_in_time_until_the_run_ends() {
    let stage = Stage::at(14, At::Running);
    let job = stage.job();
    assert_eq!(
        job.run_until,
        job.accepted_at + i64::from(job.max_run_seconds)
    );
    around(&stage, job.run_until, UNTIL_AND_ON(DeadlinePassed), |s| {
        s.world.submit_call(&s.key, &s.rig, 1)
    });
    around(&stage, job.run_until, ONLY_AFTER(DeadlineNotPassed), |s| {
        s.world.expire_call(&s.key)
    });
}

#[test]
fn a_run_never_outlasts_the_jobs_deadline() {
    let mut stage = Stage::at(14, At::Open);
    let deadline = stage.job().deadline;
    stage.world.at(deadline - 7);
    let rig = stage.rig.clone();
    stage.world.attest(&rig);
    let call = stage.world.accept_call(&stage.key, &stage.rig, 1);
    stage.world.ok(&call);
    assert_eq!(stage.job().run_until, deadline);
    around(&stage, deadline, UNTIL_AND_ON(DeadlinePassed), |s| {
        s.world.submit_call(&s.key, &s.rig, 1)
    });
    around(&stage, deadline, ONLY_AFTER(DeadlineNotPassed), |s| {
        s.world.expire_call(&s.key)
    });
}

#[test]
fn an_open_job_expires_after_its_deadline() {
    let stage = Stage::at(15, At::Open);
    around(
        &stage,
        stage.job().deadline,
        ONLY_AFTER(DeadlineNotPassed),
        |s| s.world.expire_call(&s.key),
    );
}

#[test]
fn disputes_are_heard_until_the_challenge_window_ends() {
    let stage = Stage::at(16, At::Submitted);
    let job = stage.job();
    assert_eq!(
        job.challenge_until,
        job.submitted_at + i64::from(PARAMS.challenge_seconds)
    );
    around(
        &stage,
        job.challenge_until,
        UNTIL_AND_ON(ChallengeWindowOver),
        |s| s.world.dispute_call(&s.key, &s.renter.key),
    );
    around(
        &stage,
        job.challenge_until,
        UNTIL_AND_ON(ChallengeWindowOver),
        |s| s.world.dispute_call(&s.key, &s.world.oracles[1]),
    );
    around(
        &stage,
        job.challenge_until,
        ONLY_AFTER(ChallengeWindowOpen),
        |s| s.world.settle_unobjected_call(&s.key),
    );
    // A quorum may decide on either side of it.
    around(&stage, job.challenge_until, [None; 3], |s| {
        s.world.settle_call(&s.key, &[1, 2])
    });
    around(&stage, job.challenge_until, [None; 3], |s| {
        s.world.reject_call(&s.key, &[1, 2])
    });
}

/// The longer a device took, the longer oracles may take to run the work again: no length makes a job's dispute a refund.
#[test]
fn a_dispute_waits_for_as_long_as_the_work_takes() {
    for took in [0, 1, 1_500] {
        let mut stage = Stage::at(16, At::Running);
        stage.world.at(stage.job().accepted_at + took);
        stage.submit(UNITS);
        stage.world.advance(7);
        stage.dispute();
        let job = stage.job();
        assert_eq!(job.submitted_at - job.accepted_at, took);
        let window = i64::from(PARAMS.dispute_seconds) + 2 * took;
        assert_eq!(job.dispute_until, stage.world.now() + window);
    }
}

#[test]
fn a_dispute_refunds_after_its_deadline() {
    let stage = Stage::at(17, At::Disputed);
    let until = stage.job().dispute_until;
    around(&stage, until, ONLY_AFTER(DeadlineNotPassed), |s| {
        s.world.expire_call(&s.key)
    });
    // Until somebody expires it, a quorum may still decide; silence never settles it.
    around(&stage, until, [None; 3], |s| {
        s.world.settle_call(&s.key, &[0, 2])
    });
    around(&stage, until, [None; 3], |s| {
        s.world.reject_call(&s.key, &[0, 2])
    });
    around(&stage, until, [Some(NoSignatureInstruction); 3], |s| {
        s.world.settle_unobjected_call(&s.key)
    });
}

#[test]
fn strangers_close_a_job_after_its_retention() {
    let stage = Stage::at(18, At::Settled);
    let until = stage.job().finished_at + i64::from(PARAMS.retention_seconds);
    let stranger = stage.rig.operator.insecure_clone();
    around(&stage, until, ONLY_AFTER(RetentionNotOver), |s| {
        s.world.close_call(&s.key, &stranger)
    });
}

#[test]
fn stake_is_out_when_its_unbonding_time_has_passed() {
    let mut stage = Stage::empty(19, Mint::Io);
    let call = stage.world.stake_call(&stage.rig, 500);
    stage.world.ok(&call);
    let call = stage.world.request_unstake_call(&stage.rig, 500);
    stage.world.ok(&call);
    let ready = stage.world.now() + i64::from(PARAMS.unbond_seconds);
    around(&stage, ready, FROM(NothingMatured), |s| {
        s.world.withdraw_stake_call(&s.rig)
    });
}

#[test]
fn measurements_are_at_most_an_hour_old_and_never_of_the_future() {
    let stage = Stage::empty(20, Mint::Io);
    let measured_at = stage.world.now() + 10;
    let attest = |at: i64| move |s: &Stage| s.world.attest_with_call(&s.rig, at, MEASURED, &[0, 1]);
    around(
        &stage,
        measured_at + MAX_MEASUREMENT_AGE,
        UNTIL_AND_ON(EpochNotAcceptable),
        attest(measured_at),
    );
    around(
        &stage,
        measured_at,
        FROM(EpochNotAcceptable),
        attest(measured_at),
    );
    // Newer than what is on record, by a second at least.
    let mut later = stage.fork();
    later.world.at(measured_at + 5);
    let call = attest(measured_at)(&later);
    later.world.ok(&call);
    for stale in [measured_at - 1, measured_at, i64::MIN, i64::MAX] {
        let call = attest(stale)(&later);
        later.world.refuse(&call, EpochNotAcceptable);
    }
    let call = attest(measured_at + 1)(&later);
    later.world.ok(&call);
}

/// However late a statement is delivered: it is as old as its measurement.
#[test]
fn an_attestation_is_as_old_as_its_measurement() {
    let mut stage = Stage::empty(21, Mint::Io);
    stage.world.advance(10);
    let measured_at = stage.world.now();
    let late = stage.world.attest_call(&stage.rig, &[0, 1]);
    stage.world.advance(3_000);
    stage.world.ok(&late);
    assert_eq!(
        stage.world.device(&stage.rig.device).attested_at,
        measured_at
    );
}

/// Time that runs backwards, by hours: nothing panics, nothing opens early.
#[test]
fn a_clock_that_runs_backwards() {
    let mut stage = Stage::at(22, At::Running);
    stage.world.advance(-20_000);
    stage.submit(7);
    let call = stage.world.settle_unobjected_call(&stage.key);
    stage.world.refuse(&call, ChallengeWindowOpen);
    stage.dispute();
    stage.world.advance(-20_000);
    let call = stage.world.expire_call(&stage.key);
    stage.world.refuse(&call, DeadlineNotPassed);
    stage.settle();
    let stranger = stage.world.person();
    stage.world.advance(-20_000);
    let call = stage.world.close_call(&stage.key, &stranger);
    stage.world.refuse(&call, RetentionNotOver);
    stage.close();
    // Before 1970, too.
    stage.world.at(-5);
    stage.terms = io_tests::terms(&stage.world, 2);
    stage.terms.deadline = i64::MAX;
    let call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    stage.world.refuse(&call, BadTerms);
}

/// Time that jumps a thousand years: every way out stays open.
#[test]
fn a_clock_that_jumps_far_ahead() {
    const MILLENNIUM: i64 = 1_000 * 365 * 24 * 3_600;
    for at in [At::Open, At::Running, At::Disputed] {
        let mut stage = Stage::at(23, at);
        stage.world.advance(MILLENNIUM);
        let call = stage.world.expire_call(&stage.key);
        stage.world.ok(&call);
    }
    let mut stage = Stage::at(23, At::Submitted);
    stage.world.advance(MILLENNIUM);
    let call = stage.world.settle_unobjected_call(&stage.key);
    stage.world.ok(&call);
    let stranger = stage.world.person();
    stage.world.advance(MILLENNIUM);
    let call = stage.world.close_call(&stage.key, &stranger);
    stage.world.ok(&call);
    assert!(stage.world.account(&stage.key).is_none());
    assert_ne!(stranger.pubkey(), stage.payer.pubkey());
}
