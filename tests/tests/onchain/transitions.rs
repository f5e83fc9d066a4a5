//! Every instruction about a job in every state of a job: what goes through, and with which error the rest is refused.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use io_network::{Payee, errors::IoError, state::JobState};
use io_tests::{At, Call, IN_USE, Refusal, Stage, stage};
use solana_signer::Signer;

/// One row of the table: an instruction as the right person would send it at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Accept,
    Submit,
    SettleByQuorum,
    SettleUnobjected,
    Reject,
    DisputeByRenter,
    DisputeByOracle,
    CancelByRenter,
    CancelByPayer,
    Expire,
    ReleaseToProvider,
    ReleaseToTreasury,
    ReleaseToPayer,
    OpenSlashCase,
    CloseByRenter,
    CloseByPayer,
}

use Step::*;

const STEPS: [Step; 17] = [
    Create,
    Accept,
    Submit,
    SettleByQuorum,
    SettleUnobjected,
    Reject,
    DisputeByRenter,
    DisputeByOracle,
    CancelByRenter,
    CancelByPayer,
    Expire,
    ReleaseToProvider,
    ReleaseToTreasury,
    ReleaseToPayer,
    OpenSlashCase,
    CloseByRenter,
    CloseByPayer,
];

fn is_final(at: At) -> bool {
    !matches!(at, At::Open | At::Running | At::Submitted | At::Disputed)
}

/// The table. `Ok` names the state afterwards.
fn expected(step: Step, at: At) -> Result<JobState, Refusal> {
    use IoError::*;
    let no = |e: IoError| Err(Refusal::from(e));
    if at == At::Closed {
        return if step == Create {
            Ok(JobState::Open)
        } else {
            Err(ErrorCode::AccountOwnedByWrongProgram.into())
        };
    }
    let penalised = matches!(at, At::Rejected | At::ExpiredRunning);
    match (step, at) {
        (Create, _) => Err(IN_USE),
        (Accept, At::Open) => Ok(JobState::Running),
        (Submit, At::Running) => Ok(JobState::Submitted),
        (SettleByQuorum, At::Submitted | At::Disputed) => Ok(JobState::Settled),
        (SettleUnobjected, At::Submitted) => no(ChallengeWindowOpen),
        (SettleUnobjected, At::Disputed) => no(NoSignatureInstruction),
        (Reject, At::Submitted | At::Disputed) => Ok(JobState::Rejected),
        (DisputeByRenter | DisputeByOracle, At::Submitted) => Ok(JobState::Disputed),
        (CancelByRenter | CancelByPayer, At::Open) => Ok(JobState::Cancelled),
        (Expire, At::Open | At::Running | At::Disputed) => no(DeadlineNotPassed),
        // Nobody took it: it has no provider.
        (ReleaseToProvider, At::Cancelled | At::ExpiredOpen) => no(WrongAccount),
        (ReleaseToProvider | ReleaseToTreasury | ReleaseToPayer, _) if is_final(at) => {
            no(NothingOwed)
        }
        (OpenSlashCase, _) if penalised => Ok(final_state(at)),
        (OpenSlashCase, _) if is_final(at) => no(NothingOwed),
        (CloseByRenter | CloseByPayer, _) if penalised => no(PenaltyPending),
        (CloseByRenter | CloseByPayer, _) if is_final(at) => Ok(JobState::None),
        _ => no(WrongState),
    }
}

fn final_state(at: At) -> JobState {
    match at {
        At::Settled => JobState::Settled,
        At::Rejected => JobState::Rejected,
        At::Cancelled => JobState::Cancelled,
        _ => JobState::Expired,
    }
}

/// A job that nobody took names no device; what a caller would put there is the stage's own.
fn name_device(stage: &Stage, mut call: Call) -> Call {
    let spare = [stage.rig.device, stage.rig.payout.account(stage.mint)];
    let mut spare = spare.iter();
    for meta in &mut call.instruction.accounts {
        if meta.pubkey == Pubkey::default() {
            meta.pubkey = *spare.next().expect("two accounts of the device's side");
        }
    }
    call
}

fn call(stage: &mut Stage, step: Step) -> Call {
    let (key, rig) = (stage.key, stage.rig.clone());
    let (renter, payer) = (stage.renter.key.insecure_clone(), stage.payer.clone());
    let payer_token = payer.account(stage.mint);
    let terms = io_tests::terms(&stage.world, stage.terms.nonce);
    let opener = stage.world.person();
    let world = &stage.world;
    match step {
        Create => world.create_job_call(&renter, &payer, stage.mint, terms),
        Accept => world.accept_with_ticket_call(&key, &rig, io_tests::ASK, world.now() + 30),
        Submit => world.submit_call(&key, &rig, io_tests::UNITS),
        SettleByQuorum => name_device(stage, world.settle_call(&key, &[0, 1])),
        SettleUnobjected => name_device(stage, world.settle_unobjected_call(&key)),
        Reject => name_device(stage, world.reject_call(&key, &[0, 1])),
        DisputeByRenter => world.dispute_call(&key, &renter),
        DisputeByOracle => world.dispute_call(&key, &world.oracles[2]),
        CancelByRenter => world.cancel_call(&key, &renter),
        CancelByPayer => world.cancel_call(&key, &payer.key),
        Expire => world.expire_call(&key),
        ReleaseToProvider => {
            let mut call = world.release_owed_call(
                &key,
                Payee::Provider,
                &opener,
                &rig.payout.account(stage.mint),
            );
            call.instruction.accounts[2].pubkey = rig.provider;
            call
        }
        ReleaseToTreasury => {
            world.release_owed_call(&key, Payee::Treasury, &opener, &world.job(&key).treasury)
        }
        ReleaseToPayer => world.release_owed_call(&key, Payee::Payer, &opener, &payer_token),
        OpenSlashCase => world.open_slash_case_call(&key, &rig, &opener),
        CloseByRenter => world.close_call(&key, &renter),
        CloseByPayer => world.close_call(&key, &payer.key),
    }
}

/// Tries every step from one state, each in a world of its own.
fn try_all(at: At) {
    let stage = match at {
        At::Closed => Stage::at(1, At::Cancelled),
        _ => Stage::at(1, at),
    };
    for step in STEPS {
        let mut stage = stage.fork();
        let call = call(&mut stage, step);
        if at == At::Closed {
            stage.close();
        }
        match expected(step, at) {
            Ok(after) => {
                let done = stage.world.attempt(&call);
                assert!(
                    done.is_ok(),
                    "{step:?} of a job {at:?} must go through: {done:?}"
                );
                if after == JobState::None {
                    assert!(
                        stage.world.account(&stage.key).is_none(),
                        "{step:?} at {at:?} closes the job"
                    );
                    assert!(
                        stage.world.account(&stage.vault()).is_none(),
                        "{step:?} at {at:?} closes the vault"
                    );
                } else {
                    assert_eq!(stage.job().state, after as u8, "{step:?} of a job {at:?}");
                }
            }
            Err(refusal) => match stage.world.attempt(&call) {
                Ok(_) => panic!("{step:?} of a job {at:?} went through, expected {refusal:?}"),
                Err(failed) => assert!(
                    failed.is(refusal),
                    "{step:?} of a job {at:?}: expected {refusal:?}, got {:?}\n{}",
                    failed.error,
                    failed.logs.join("\n")
                ),
            },
        }
    }
}

#[test]
fn every_step_from_open() {
    try_all(At::Open);
}

#[test]
fn every_step_from_running() {
    try_all(At::Running);
}

#[test]
fn every_step_from_submitted() {
    try_all(At::Submitted);
}

#[test]
fn every_step_from_disputed() {
    try_all(At::Disputed);
}

#[test]
fn every_step_from_settled() {
    try_all(At::Settled);
}

#[test]
fn every_step_from_rejected() {
    try_all(At::Rejected);
}

#[test]
fn every_step_from_cancelled() {
    try_all(At::Cancelled);
}

#[test]
fn every_step_from_expired() {
    try_all(At::ExpiredOpen);
    try_all(At::ExpiredRunning);
    try_all(At::ExpiredDisputed);
}

#[test]
fn every_step_from_closed() {
    try_all(At::Closed);
}

/// Long after every deadline, each state has a way out that needs nobody's consent.
#[test]
fn no_state_is_a_trap() {
    for at in stage::ALL {
        let mut stage = Stage::at(2, at);
        if at == At::Closed {
            continue;
        }
        stage.world.advance(90 * 24 * 3_600);
        let stranger = stage.world.person();
        match at {
            At::Open | At::Running | At::Disputed => {
                let call = stage.world.expire_call(&stage.key);
                stage.world.ok(&call);
            }
            At::Submitted => {
                let call = stage.world.settle_unobjected_call(&stage.key);
                stage.world.ok(&call);
            }
            _ => {}
        }
        if stage.job().penalty_due > 0 {
            let call = stage
                .world
                .open_slash_case_call(&stage.key, &stage.rig, &stranger);
            stage.world.ok(&call);
        }
        stage.world.advance(90 * 24 * 3_600);
        let (payer, before) = (
            stage.payer.pubkey(),
            stage.world.lamports(&stage.payer.pubkey()),
        );
        let rent = stage.world.lamports(&stage.key) + stage.world.lamports(&stage.vault());
        let call = stage.world.close_call(&stage.key, &stranger);
        stage.world.ok(&call);
        assert_eq!(
            stage.world.lamports(&payer),
            before + rent,
            "rent of a job {at:?} returns to its payer"
        );
        assert!(stage.world.account(&stage.key).is_none());
        let device = stage.world.device(&stage.rig.device);
        assert_eq!(
            (device.exposure, device.open_jobs, device.current_job),
            (0, 0, Pubkey::default())
        );
    }
}

/// Who may not: each signer's rights are theirs alone.
#[test]
fn strangers_can_do_nothing_of_others() {
    let mut open = Stage::at(3, At::Open);
    let stranger = open.world.person();
    let call = open.world.cancel_call(&open.key, &stranger);
    open.world.refuse(&call, IoError::NotRenter);
    let operator = open.rig.operator.insecure_clone();
    let call = open.world.cancel_call(&open.key, &operator);
    open.world.refuse(&call, IoError::NotRenter);

    let mut submitted = Stage::at(3, At::Submitted);
    for disputer in [
        submitted.world.person(),
        submitted.payer.key.insecure_clone(),
        submitted.rig.operator.insecure_clone(),
        submitted.world.admin.insecure_clone(),
    ] {
        let call = submitted.world.dispute_call(&submitted.key, &disputer);
        submitted.world.refuse(&call, IoError::NotRenter);
    }

    let mut settled = Stage::at(3, At::Settled);
    for signer in [
        settled.world.person(),
        settled.rig.operator.insecure_clone(),
        settled.world.admin.insecure_clone(),
    ] {
        let call = settled.world.close_call(&settled.key, &signer);
        settled.world.refuse(&call, IoError::RetentionNotOver);
    }
    // The renter may close, but cannot name another refund account; only the payer can.
    let elsewhere = settled.renter.io;
    let renter = settled.renter.key.insecure_clone();
    let call = settled
        .world
        .close_to_call(&settled.key, &renter, &elsewhere);
    settled.world.refuse(&call, IoError::WrongAccount);
    let payer = settled.payer.key.insecure_clone();
    let call = settled
        .world
        .close_to_call(&settled.key, &payer, &elsewhere);
    settled.world.ok(&call);
}

/// The device's own key, and no other, accepts and submits.
#[test]
fn only_the_operator_accepts_and_submits() {
    let stage = Stage::at(4, At::Open);
    for wrong in [
        &stage.rig.authority.key,
        &stage.rig.payout.key,
        &stage.renter.key,
    ] {
        let mut stage = stage.fork();
        let mut rig = stage.rig.clone();
        rig.operator = wrong.insecure_clone();
        let call = stage
            .world
            .accept_with_ticket_call(&stage.key, &rig, 1, stage.world.now() + 30);
        stage.world.refuse(&call, IoError::NotOperator);
        stage.accept(1);
        let call = stage.world.submit_call(&stage.key, &rig, 1);
        stage.world.refuse(&call, IoError::NotOperator);
    }
    // A replaced operator loses its rights at once, the new one has them at once.
    let mut stage = stage;
    stage.accept(1);
    let fresh = stage.world.person();
    let call = stage
        .world
        .set_device_operator_call(&stage.rig, &fresh.pubkey());
    stage.world.ok(&call);
    let call = stage.world.submit_call(&stage.key, &stage.rig, 1);
    stage.world.refuse(&call, IoError::NotOperator);
    stage.rig.operator = fresh;
    stage.submit(1);
}

/// A submission names work inside the job's limits.
#[test]
fn submissions_are_bounded() {
    let stage = Stage::at(5, At::Running);
    let most = stage.terms.max_units;
    for (units, expected) in [
        (0, Some(IoError::BadUnits)),
        (1, None),
        (most, None),
        (most + 1, Some(IoError::BadUnits)),
        (u64::MAX, Some(IoError::BadUnits)),
    ] {
        let mut stage = stage.fork();
        let call = stage.world.submit_call(&stage.key, &stage.rig, units);
        match expected {
            Some(error) => stage.world.refuse(&call, error),
            None => {
                stage.world.ok(&call);
                assert_eq!(stage.job().units, units);
            }
        }
    }
    let mut stage = stage;
    let mut call = stage.world.submit_call(&stage.key, &stage.rig, 1);
    let zero_hash = io_network::SubmitResultArgs {
        output_hash: [0; 32],
        trace_root: [1; 32],
        units: 1,
    };
    call.instruction.data =
        anchor_lang::InstructionData::data(&io_network::instruction::SubmitResult {
            args: zero_hash,
        });
    stage.world.refuse(&call, IoError::BadTerms);
}

/// A submission is recorded as it came: oracles draw their samples from the trace's root.
#[test]
fn a_submission_is_recorded_as_it_came() {
    let mut stage = Stage::at(8, At::Running);
    let mut call = stage.world.submit_call(&stage.key, &stage.rig, 3);
    let args = io_network::SubmitResultArgs {
        output_hash: [21; 32],
        trace_root: [22; 32],
        units: 3,
    };
    call.instruction.data =
        anchor_lang::InstructionData::data(&io_network::instruction::SubmitResult { args });
    stage.world.ok(&call);
    let (job, now) = (stage.job(), stage.world.now());
    assert_eq!(
        (job.output_hash, job.trace_root, job.units),
        ([21; 32], [22; 32], 3)
    );
    assert_eq!(
        (job.submitted_at, job.challenge_until),
        (now, now + i64::from(job.challenge_seconds))
    );
}

/// Terms that make no sense are refused when the job is created.
#[test]
fn terms_are_checked() {
    let mut stage = Stage::empty(6, io_tests::Mint::Io);
    let good = stage.terms;
    let now = stage.world.now();
    let sixty_days = 60 * 24 * 3_600;
    type Bend = fn(&mut io_network::state::JobTerms);
    let bad: [(&str, Bend); 9] = [
        ("no spec", |t| t.spec_hash = [0; 32]),
        ("no price", |t| t.max_price = 0),
        ("no units", |t| t.max_units = 0),
        ("no time", |t| t.max_run_seconds = 0),
        ("too much time", |t| t.max_run_seconds = 30 * 24 * 3_600 + 1),
        ("impossible reputation", |t| t.min_reputation_bps = 10_001),
        ("unknown verification", |t| t.verification = 3),
        ("no device", |t| t.devices = 0),
        ("several devices", |t| t.devices = 2),
    ];
    for (what, bend) in bad {
        let mut terms = good;
        bend(&mut terms);
        let call = stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, terms);
        let failed = stage.world.attempt(&call).expect_err(what);
        assert!(
            failed.is(IoError::BadTerms.into()),
            "{what}: {:?}",
            failed.error
        );
    }
    for (deadline, good_one) in [
        (i64::MIN, false),
        (now - 1, false),
        (now, false),
        (now + 1, true),
        (now + sixty_days, true),
        (now + sixty_days + 1, false),
        (i64::MAX, false),
    ] {
        let mut stage = stage.fork();
        stage.terms.deadline = deadline;
        let call =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
        match good_one {
            true => drop(stage.world.ok(&call)),
            false => stage.world.refuse(&call, IoError::BadTerms),
        }
    }
    // Amounts that do not fit.
    for (units, price) in [
        (u64::MAX, u64::MAX),
        (u64::MAX, 1_001),
        (1_001, u64::MAX),
        (u64::MAX, 1_000),
    ] {
        stage.terms.max_units = units;
        stage.terms.max_price = price;
        let call =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
        stage.world.refuse(&call, IoError::Overflow);
    }
    // An amount that fits, but isn't there.
    stage.terms.max_units = 1 << 40;
    stage.terms.max_price = 1 << 30;
    let call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    stage.world.refuse(&call, io_tests::INSUFFICIENT);
}
