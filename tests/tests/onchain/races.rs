//! Two transactions that race: whichever lands first decides, and the second is refused with nothing moved.

use io_network::errors::IoError;
use io_tests::{ASK, At, Mint, PARAMS, START_IO, Stage, UNITS, reckon};
use solana_signer::Signer;

#[test]
fn cancel_against_accept() {
    let open = Stage::at(70, At::Open);
    let accept =
        open.world
            .accept_with_ticket_call(&open.key, &open.rig, ASK, open.world.now() + 30);
    let cancel = open.world.cancel_call(&open.key, &open.renter.key);
    let mut first = open.fork();
    first.world.ok(&cancel);
    first.world.refuse(&accept, IoError::WrongState);
    let mut second = open.fork();
    second.world.ok(&accept);
    second.world.refuse(&cancel, IoError::WrongState);
}

/// Fees go up between a payer's signature and its landing: it escrows no more than it named, or nothing.
#[test]
fn a_fee_change_against_a_creation() {
    let mut stage = Stage::empty(76, Mint::Io);
    let escrow = reckon::escrow(
        stage.terms.max_units,
        stage.terms.max_price,
        PARAMS.reserve_bps,
        0,
    );
    for (max_escrow, goes) in [(0, false), (escrow - 1, false), (escrow, true)] {
        let mut stage = stage.fork();
        stage.terms.max_escrow = max_escrow;
        let create =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
        match goes {
            false => stage.world.refuse(&create, IoError::EscrowTooHigh),
            true => drop(stage.world.ok(&create)),
        }
    }
    stage.terms.max_escrow = escrow;
    let create =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    let mut params = PARAMS;
    params.reserve_bps += 1;
    let change = stage.world.update_params_call(params);
    stage.world.ok(&change);
    stage.world.refuse(&create, IoError::EscrowTooHigh);
    assert_eq!(stage.world.tokens(&stage.payer.io), START_IO);
}

#[test]
fn expire_against_settle() {
    let mut disputed = Stage::at(71, At::Disputed);
    disputed.world.at(disputed.job().dispute_until + 1);
    let expire = disputed.world.expire_call(&disputed.key);
    let settle = disputed.world.settle_call(&disputed.key, &[0, 1]);
    let mut first = disputed.fork();
    first.world.ok(&expire);
    first.world.refuse(&settle, IoError::WrongState);
    assert_eq!(first.world.tokens(&first.payer.io), START_IO);
    let mut second = disputed.fork();
    second.world.ok(&settle);
    second.world.refuse(&expire, IoError::WrongState);
    assert_eq!(
        second.world.tokens(&second.rig.payout.io),
        second.job().paid
    );
}

#[test]
fn expire_against_submit() {
    let mut running = Stage::at(72, At::Running);
    let submit = running.world.submit_call(&running.key, &running.rig, UNITS);
    running.world.at(running.job().run_until);
    let expire = running.world.expire_call(&running.key);
    running.world.refuse(&expire, IoError::DeadlineNotPassed);
    running.world.ok(&submit);
    running.world.advance(1);
    running.world.refuse(&expire, IoError::WrongState);
}

#[test]
fn settle_against_dispute_and_rejection() {
    let submitted = Stage::at(73, At::Submitted);
    let settle = submitted.world.settle_call(&submitted.key, &[0, 1]);
    let reject = submitted.world.reject_call(&submitted.key, &[1, 2]);
    let dispute = submitted
        .world
        .dispute_call(&submitted.key, &submitted.renter.key);
    let mut first = submitted.fork();
    first.world.ok(&settle);
    first.world.refuse(&reject, IoError::WrongState);
    first.world.refuse(&dispute, IoError::WrongState);
    let mut second = submitted.fork();
    second.world.ok(&dispute);
    // What was signed before somebody objected decides nothing any more: oracles look again.
    second.world.refuse(&settle, IoError::WrongMessage);
    second.world.refuse(&reject, IoError::WrongMessage);
    let again = second.world.reject_call(&second.key, &[1, 2]);
    second.world.ok(&again);
    second.world.refuse(&settle, IoError::WrongState);
    // Unobjected settlement against a late rejection: the quorum's word counts as long as nobody settled.
    let mut third = submitted.fork();
    third.world.at(third.job().challenge_until + 1);
    let unobjected = third.world.settle_unobjected_call(&third.key);
    let mut settled = third.fork();
    settled.world.ok(&unobjected);
    settled.world.refuse(&reject, IoError::WrongState);
    third.world.ok(&reject);
    third.world.refuse(&unobjected, IoError::WrongState);
}

/// Two devices want one job: one gets it.
#[test]
fn two_devices_one_job() {
    let mut stage = Stage::at(74, At::Open);
    let other = stage
        .world
        .rig(io_tests::CLASS_SMALL, 1_000 * io_protocol::money::IO);
    stage.world.at(stage.job().match_until + 1);
    let (a, b) = (
        stage.world.accept_call(&stage.key, &stage.rig, 1),
        stage.world.accept_call(&stage.key, &other, 2),
    );
    stage.world.ok(&a);
    stage.world.refuse(&b, IoError::WrongState);
    assert_eq!(stage.job().device, stage.rig.device);
}

/// One device, two jobs: the second waits until the first is submitted; then both bind its bond until they end.
#[test]
fn one_device_two_jobs() {
    let mut stage = Stage::at(75, At::Running);
    let first = stage.key;
    stage.terms.nonce = 2;
    stage.key = io_tests::world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::DeviceNotIdle);
    let submit = stage.world.submit_call(&first, &stage.rig, UNITS);
    stage.world.ok(&submit);
    stage.world.ok(&accept);
    let device = stage.world.device(&stage.rig.device);
    assert_eq!((device.open_jobs, device.current_job), (2, stage.key));
    assert_eq!(device.exposure, stage.job().exposure * 2);
    // The first one's end leaves the second one running.
    let settle = stage.world.settle_call(&first, &[0, 1]);
    stage.world.ok(&settle);
    let device = stage.world.device(&stage.rig.device);
    assert_eq!(
        (device.open_jobs, device.current_job, device.exposure),
        (1, stage.key, stage.job().exposure)
    );
}

/// A penalty that is due against stake that wants to leave: the stake is bound from acceptance to the case.
#[test]
fn slash_against_unstake() {
    let mut stage = Stage::at(76, At::Submitted);
    let bond = stage.world.device(&stage.rig.device).bond;
    let exposure = stage.job().exposure;
    let rig = stage.rig.clone();
    // While the job is undecided, bond can leave the device down to the exposure, no further; and none while it answers for its figures.
    let call = stage.world.set_device_bond_call(&rig, exposure - 1);
    stage.world.refuse(&call, IoError::BondBelowExposure);
    let call = stage.world.set_device_bond_call(&rig, exposure);
    stage.world.refuse(&call, IoError::StillAnswering);
    stage.world.until_answered(&rig);
    stage.world.ok(&call);
    let call = stage.world.request_unstake_call(&rig, bond - exposure + 1);
    stage.world.refuse(&call, IoError::StakeNotFree);
    let call = stage.world.request_unstake_call(&rig, bond - exposure);
    stage.world.ok(&call);
    let call = stage.world.retire_device_call(&rig);
    stage.world.refuse(&call, IoError::DeviceBusy);
    stage.reject();
    let call = stage.world.retire_device_call(&rig);
    stage.world.ok(&call);
    let call = stage.world.request_unstake_call(&rig, 1);
    stage.world.refuse(&call, IoError::StakeNotFree);
    stage.world.advance(i64::from(PARAMS.unbond_seconds) + 1);
    let call = stage.world.withdraw_stake_call(&rig);
    stage.world.ok(&call);
    assert_eq!(
        stage.world.tokens(&rig.stake_vault()),
        exposure,
        "what is due stays"
    );
    let opener = stage.world.person();
    let call = stage.world.open_slash_case_call(&stage.key, &rig, &opener);
    stage.world.ok(&call);
    assert_eq!(stage.world.provider(&rig.provider).staked, 0);
}

/// The oracles change between the signature and its use: the statement is void, and a new one settles.
#[test]
fn an_oracle_change_against_a_settlement() {
    let mut stage = Stage::at(77, At::Submitted);
    let settle = stage.world.settle_call(&stage.key, &[0, 1]);
    let same: Vec<_> = stage.world.oracles.iter().map(Signer::pubkey).collect();
    let change = stage.world.set_oracles_call(2, &same);
    stage.world.ok(&change);
    stage.world.refuse(&settle, IoError::WrongMessage);
    let settle = stage.world.settle_call(&stage.key, &[0, 1]);
    stage.world.ok(&settle);
}

/// A minimum bond that rises stops new jobs, not those under way.
#[test]
fn a_parameter_change_against_a_running_job() {
    let mut stage = Stage::at(78, At::Running);
    let mut params = PARAMS;
    params.min_bond = 10_000 * io_protocol::money::IO;
    params.attestation_seconds = 1;
    let call = stage.world.update_params_call(params);
    stage.world.ok(&call);
    stage.world.advance(60);
    stage.submit(UNITS);
    stage.settle();
    stage.terms.nonce = 2;
    stage.key = io_tests::world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::AttestationStale);
    let rig = stage.rig.clone();
    stage.world.attest(&rig);
    stage.world.refuse(&accept, IoError::BondTooSmall);
}

/// Payments agreed at acceptance stay agreed: a new payout owner concerns later jobs.
#[test]
fn a_new_payout_owner_against_a_running_job() {
    let mut stage = Stage::at(79, At::Running);
    let heir = stage.world.party_with(0, 0);
    let call = stage
        .world
        .set_payout_owner_call(&stage.rig, &heir.pubkey());
    stage.world.ok(&call);
    stage.submit(UNITS);
    stage.settle();
    assert_eq!(stage.world.tokens(&stage.rig.payout.io), stage.job().paid);
    stage.terms.nonce = 2;
    stage.key = io_tests::world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::WrongOwner);
    stage.rig.payout = heir;
    stage.accept(ASK);
}
