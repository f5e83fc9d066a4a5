//! Who gets how much, to the base unit.

use io_network::errors::IoError;
use io_protocol::money::IO;
use io_tests::{
    ASK, At, Mint, PARAMS, START_IO, START_USD, Stage, UNITS, reckon, world::USD_FEE_BPS,
};
use proptest::prelude::*;
use solana_signer::Signer;

fn mint_fee(mint: Mint) -> u16 {
    match mint {
        Mint::Io => 0,
        Mint::Usd => USD_FEE_BPS,
    }
}

fn start(mint: Mint) -> u64 {
    match mint {
        Mint::Io => START_IO,
        Mint::Usd => START_USD,
    }
}

/// Runs a job of these figures to its settlement and compares every balance with the reckoning.
fn settle_and_compare(
    stage: &Stage,
    max_units: u64,
    max_price: u64,
    units: u64,
    ask: u64,
    donation: u64,
) {
    let mut s = stage.fork();
    let mint = s.mint;
    let mint_key = s.world.mint(mint);
    s.terms.max_units = max_units;
    s.terms.max_price = max_price;
    let payer_token = s.payer.account(mint);
    s.create();
    let escrow = reckon::escrow(max_units, max_price, PARAMS.reserve_bps, mint_fee(mint));
    assert_eq!(s.job().escrow, escrow);
    assert_eq!(s.world.tokens(&s.vault()), escrow);
    assert_eq!(s.world.tokens(&payer_token), start(mint) - escrow);
    s.accept(ask);
    s.submit(units);
    if donation > 0 {
        let vault = s.vault();
        s.world.donate(&mint_key, &vault, donation);
    }
    let treasury = s.world.treasury(&mint_key);
    s.settle();
    let shares = reckon::shares(
        escrow + donation,
        units,
        ask,
        PARAMS.reserve_bps,
        mint_fee(mint),
    );
    let job = s.job();
    assert_eq!(
        (job.paid, job.fees, job.refunded),
        (shares.provider, shares.treasury, shares.payer)
    );
    assert_eq!(
        (job.owed_provider, job.owed_treasury, job.owed_payer),
        (0, 0, 0)
    );
    assert_eq!(s.world.tokens(&s.rig.payout.account(mint)), shares.provider);
    assert_eq!(s.world.treasury(&mint_key), treasury + shares.treasury);
    assert_eq!(
        s.world.tokens(&payer_token),
        start(mint) - escrow + shares.payer
    );
    assert_eq!(s.world.tokens(&s.vault()), 0);
    assert_eq!(
        s.world.tokens(&s.renter.account(mint)),
        start(mint),
        "the renter itself neither pays nor gets"
    );
}

#[test]
fn settlements_are_exact_in_io() {
    let stage = Stage::empty(30, Mint::Io);
    settle_and_compare(&stage, 12_345, 1_000_003, UNITS, ASK, 0);
    settle_and_compare(&stage, 12_345, 1_000_003, 12_345, 1_000_003, 0);
    // Nothing is worth less than one base unit: payment zero, no fee, all back.
    settle_and_compare(&stage, 1, 1, 1, 1, 0);
    settle_and_compare(&stage, 999, 1, 999, 1, 0);
    settle_and_compare(&stage, 1_000, 1, 1_000, 1, 0);
    settle_and_compare(&stage, 1_000, 1, 1_000, 0, 0);
    settle_and_compare(&stage, 1_001, 1_000, 1, 999, 7);
}

#[test]
fn settlements_are_exact_in_the_second_mint() {
    let stage = Stage::empty(31, Mint::Usd);
    settle_and_compare(&stage, 12_345, 3_003, UNITS, 2_999, 0);
    settle_and_compare(&stage, 1, 1, 1, 1, 0);
    settle_and_compare(&stage, 1_000, 1, 1_000, 1, 123_456_789);
    settle_and_compare(&stage, 1_000_000, 400, 999_999, 399, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn settlements_are_exact_for_any_figures(
        max_units in 1u64..200_000, max_price in 1u64..400_000, units in 0.0f64..1.0, ask in 0.0f64..=1.0,
        donation in prop_oneof![Just(0u64), 1u64..1 << 40], usd: bool,
    ) {
        thread_local! {
            static STAGES: [Stage; 2] = [Stage::empty(32, Mint::Io), Stage::empty(32, Mint::Usd)];
        }
        // What the device could gain must fit its bond; dearer jobs are the business of another test.
        let max_price = if usd { max_price.min(400 * 1_000_000_000 / 200 / max_units).max(1) } else { max_price };
        let units = ((max_units as f64 * units) as u64).clamp(1, max_units);
        let ask = ((max_price as f64 * ask) as u64).min(max_price);
        STAGES.with(|stages| settle_and_compare(&stages[usize::from(usd)], max_units, max_price, units, ask, donation));
    }
}

/// Every way that ends without work returns the whole escrow, and what was added to it, to the payer.
#[test]
fn refunds_are_whole() {
    for at in [
        At::Cancelled,
        At::ExpiredOpen,
        At::ExpiredRunning,
        At::ExpiredDisputed,
        At::Rejected,
    ] {
        let stage = Stage::at(33, at);
        let job = stage.job();
        assert_eq!(
            (job.paid, job.fees, job.refunded),
            (0, 0, job.escrow),
            "{at:?}"
        );
        assert_eq!(stage.world.tokens(&stage.payer.io), START_IO, "{at:?}");
        assert_eq!(stage.world.tokens(&stage.rig.payout.io), 0, "{at:?}");
        assert_eq!(stage.world.treasury(&stage.world.io_mint), 0, "{at:?}");
    }
    let mut stage = Stage::at(33, At::Open);
    let (mint, vault) = (stage.world.io_mint, stage.vault());
    stage.world.donate(&mint, &vault, 77);
    stage.cancel();
    assert_eq!(stage.job().refunded, stage.job().escrow + 77);
    assert_eq!(stage.world.tokens(&stage.payer.io), START_IO + 77);
}

/// A job settled by silence pays the same as one settled by a quorum.
#[test]
fn silence_pays_like_a_quorum() {
    let quorum = Stage::at(34, At::Settled);
    let mut silent = Stage::at(34, At::Submitted);
    silent.world.at(silent.job().challenge_until + 1);
    let call = silent.world.settle_unobjected_call(&silent.key);
    silent.world.ok(&call);
    for key in [quorum.payer.io, quorum.rig.payout.io] {
        assert_eq!(quorum.world.tokens(&key), silent.world.tokens(&key));
    }
    assert_eq!(quorum.job().fees, silent.job().fees);
}

/// The record of a device that worked: one more completed, its volume weighed in IO.
#[test]
fn volume_is_weighed_in_io() {
    let mut stage = Stage::empty(35, Mint::Usd);
    stage.terms.max_price = 3_003;
    stage.create();
    stage.accept(3_001);
    stage.submit(UNITS);
    stage.settle();
    let (job, device) = (stage.job(), stage.world.device(&stage.rig.device));
    assert_eq!(device.completed, 1);
    // 1 of the second mint (10⁶ base units) counts as 2 IO (2 × 10⁸).
    assert_eq!(device.volume, job.paid * 200);
}

/// An expired run costs the device its penalty: recorded, held back from the bond, then moved to a case.
#[test]
fn a_vanished_device_pays_its_penalty() {
    let mut stage = Stage::at(36, At::ExpiredRunning);
    let job = stage.job();
    let exposure = reckon::exposure(job.max_units, ASK, job.max_price, 1_000_000_000);
    assert_eq!(job.exposure, exposure);
    let penalty = reckon::penalty(exposure, PARAMS.expire_penalty_bps);
    assert_eq!(job.penalty_due, penalty);
    penalty_to_case(
        &mut stage,
        penalty,
        io_network::state::SlashCause::Expired,
        job.spec_hash,
    );
}

#[test]
fn rejected_work_pays_its_penalty() {
    let mut stage = Stage::at(37, At::Rejected);
    let job = stage.job();
    let penalty = reckon::penalty(job.exposure, PARAMS.reject_penalty_bps);
    assert_eq!(
        penalty, job.exposure,
        "a rejected job costs the whole exposure"
    );
    assert_eq!(job.penalty_due, penalty);
    penalty_to_case(
        &mut stage,
        penalty,
        io_network::state::SlashCause::Rejected,
        io_tests::OUTPUT,
    );
}

fn penalty_to_case(
    stage: &mut Stage,
    penalty: u64,
    cause: io_network::state::SlashCause,
    evidence: [u8; 32],
) {
    let bond = 1_000 * IO;
    let device = stage.world.device(&stage.rig.device);
    assert_eq!(
        (device.bond, device.failed, device.completed),
        (bond - penalty, 1, 0)
    );
    let provider = stage.world.provider(&stage.rig.provider);
    assert_eq!(
        (provider.staked, provider.committed),
        (bond, bond),
        "due, and still in the stake vault"
    );

    // It cannot leave the vault before it is in its case.
    let call = stage.world.request_unstake_call(&stage.rig, 1);
    stage.world.refuse(&call, IoError::StakeNotFree);

    let opener = stage.world.person();
    let call = stage
        .world
        .open_slash_case_call(&stage.key, &stage.rig, &opener);
    let case_key = io_tests::world::slash_case(&stage.rig.provider, 0);
    stage.world.ok(&call);
    let case = stage.world.slash_case(&case_key);
    assert_eq!(case.amount, penalty);
    assert_eq!(case.cause, cause as u8);
    assert_eq!(case.subject, evidence);
    assert_eq!(
        (case.provider, case.device, case.job),
        (stage.rig.provider, stage.rig.device, stage.key)
    );
    assert_eq!(
        (case.renter, case.opener),
        (stage.renter.pubkey(), opener.pubkey())
    );
    assert_eq!(
        (case.opened_at, case.appeal_until),
        (stage.world.now(), stage.world.now() + 30 * 24 * 3_600)
    );
    assert_eq!(
        stage.world.tokens(&io_tests::world::vault(&case_key)),
        penalty
    );
    assert_eq!(stage.world.tokens(&stage.rig.stake_vault()), bond - penalty);
    let provider = stage.world.provider(&stage.rig.provider);
    assert_eq!(
        (provider.staked, provider.committed, provider.slash_cases),
        (bond - penalty, bond - penalty, 1)
    );
    assert_eq!(stage.job().penalty_due, 0);

    // Once only.
    let call = stage
        .world
        .open_slash_case_call(&stage.key, &stage.rig, &opener);
    stage.world.refuse(&call, IoError::NothingOwed);
    stage.close();
}

/// The price limits a job, the ask fixes it.
#[test]
fn an_ask_is_at_most_the_jobs_price() {
    let stage = Stage::at(38, At::Open);
    let limit = stage.terms.max_price;
    for (ask, good) in [
        (0, true),
        (limit, true),
        (limit + 1, false),
        (u64::MAX, false),
    ] {
        let mut stage = stage.fork();
        let call =
            stage
                .world
                .accept_with_ticket_call(&stage.key, &stage.rig, ask, stage.world.now() + 5);
        match good {
            true => {
                stage.world.ok(&call);
                assert_eq!(stage.job().ask, ask);
            }
            false => stage.world.refuse(&call, IoError::AskTooHigh),
        }
    }
}

/// Fees and penalties are those of the day the job was created, whatever the administrator changes afterwards.
#[test]
fn a_job_keeps_its_terms() {
    let mut stage = Stage::at(39, At::Submitted);
    let mut params = PARAMS;
    params.reserve_bps = 500;
    params.reject_penalty_bps = 1;
    params.challenge_seconds = 1;
    params.dispute_seconds = 1;
    params.retention_seconds = 1;
    let call = stage.world.update_params_call(params);
    stage.world.ok(&call);
    let mut payment = io_tests::world::payment_args(Mint::Io);
    payment.fee_bps = 500;
    payment.io_per_unit_e9 = 1;
    payment.enabled = false;
    let call = stage
        .world
        .update_payment_mint_call(&stage.world.io_mint, payment);
    stage.world.ok(&call);
    stage.world.advance(60);
    let call = stage.world.settle_unobjected_call(&stage.key);
    stage.world.refuse(&call, IoError::ChallengeWindowOpen);
    let mut rejected = stage.fork();
    rejected.reject();
    assert_eq!(rejected.job().penalty_due, rejected.job().exposure);
    stage.settle();
    let shares = reckon::shares(stage.job().escrow, UNITS, ASK, PARAMS.reserve_bps, 0);
    assert_eq!(stage.job().paid, shares.provider);
    assert_eq!(stage.job().fees, shares.treasury);
    // A new job is refused: its mint isn't enabled any more.
    stage.terms.nonce += 1;
    let call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms);
    stage.world.refuse(&call, IoError::MintNotAllowed);
}
