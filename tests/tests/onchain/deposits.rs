//! Sponsored deposits: several people fund one job, each gets its share of what is left, to the base unit.

use io_network::errors::IoError;
use io_protocol::{deposits::MIN_DEPOSIT_SHARE, money::IO};
use io_tests::{ASK, Mint, Party, START_IO, Stage, UNITS, leases::deposit, reckon};

/// A job of which the payer put in `part` of a hundred.
fn partly(seed: u64, percent: u64) -> Stage {
    let mut stage = Stage::empty(seed, Mint::Io);
    let escrow = reckon::escrow(
        stage.terms.max_units,
        stage.terms.max_price,
        io_tests::PARAMS.reserve_bps,
        0,
    );
    stage.terms.deposit = escrow * percent / 100;
    stage.create();
    stage.world.advance(1);
    stage
}

fn fund(stage: &mut Stage, sponsor: &Party, amount: u64, index: u16) {
    let call = stage
        .world
        .fund_job_call(&stage.key, sponsor, amount, index);
    stage.world.ok(&call);
}

/// Three sponsors and the payer; the job is settled; every share is its fraction of what is left, and nothing stays behind.
#[test]
fn each_gets_its_share_of_what_is_left() {
    let mut stage = partly(230, 40);
    let job = stage.job();
    let payers = job.deposited;
    assert_eq!(
        (job.funded, stage.world.tokens(&stage.vault())),
        (payers, payers)
    );
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::NotFunded);
    let sponsors: Vec<Party> = (0..2).map(|_| stage.world.party()).collect();
    let third = job.escrow / 3;
    fund(&mut stage, &sponsors[0], third, 0);
    fund(&mut stage, &sponsors[1], job.escrow / 10, 7);
    stage.world.refuse(&accept, IoError::NotFunded);
    // No more than is missing is taken.
    fund(&mut stage, &sponsors[0], u64::MAX, 1);
    let funded = stage.job();
    assert_eq!((funded.funded, funded.deposits), (job.escrow, 3));
    assert_eq!(stage.world.tokens(&stage.vault()), job.escrow);
    let late = stage.world.fund_job_call(&stage.key, &sponsors[1], 1, 9);
    stage.world.refuse(&late, IoError::FundedAlready);
    let close = stage.world.close_call(&stage.key, &stage.payer.key);
    stage.world.refuse(&close, IoError::WrongState);

    stage.world.ok(&accept);
    stage.submit(UNITS);
    let released = deposit(&stage.key, &sponsors[1].pubkey(), 7);
    let early = stage
        .world
        .release_deposit_call(&released, &sponsors[1].key);
    stage.world.refuse(&early, IoError::WrongState);
    stage.settle();
    let job = stage.job();
    let rest = reckon::shares(job.escrow, UNITS, ASK, io_tests::PARAMS.reserve_bps, 0).payer;
    assert_eq!(job.refunded, rest);
    let own = reckon::deposit_share(rest, 0, payers, job.escrow);
    assert_eq!(stage.world.tokens(&stage.payer.io), START_IO - payers + own);
    assert_eq!(job.owed_sponsors, rest - own);
    stage.world.refuse(&close, IoError::StillOwed);

    let anybody = stage.world.person();
    for (sponsor, index) in [(&sponsors[1], 7), (&sponsors[0], 1), (&sponsors[0], 0)] {
        let key = deposit(&stage.key, &sponsor.pubkey(), index);
        let state = stage.world.deposit(&key);
        let share = reckon::deposit_share(rest, state.start, state.amount, job.escrow);
        let (had, rent) = (
            stage.world.tokens(&sponsor.io),
            stage.world.lamports(&sponsor.pubkey()),
        );
        let held = stage.world.lamports(&key);
        let call = stage.world.release_deposit_call(&key, &anybody);
        stage.world.ok(&call);
        assert_eq!(stage.world.tokens(&sponsor.io), had + share);
        assert_eq!(stage.world.lamports(&sponsor.pubkey()), rent + held);
        stage.world.refuse(
            &call,
            anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram,
        );
    }
    assert_eq!(stage.world.tokens(&stage.vault()), 0);
    stage.world.ok(&close);
}

/// A job that is never funded, never taken, or taken back returns to each what it put in.
#[test]
fn everything_comes_back_when_nothing_was_done() {
    for whole in [false, true] {
        for expire in [false, true] {
            let mut stage = partly(231, 25);
            let sponsor = stage.world.party();
            let missing = stage.job().escrow - stage.job().funded;
            let amount = if whole { missing } else { missing / 2 };
            fund(&mut stage, &sponsor, amount, 0);
            let (funded, own) = (stage.job().funded, stage.job().deposited);
            match expire {
                true => stage.expire(),
                false => stage.cancel(),
            }
            let job = stage.job();
            assert_eq!((job.refunded, job.owed_sponsors), (funded, funded - own));
            assert_eq!(stage.world.tokens(&stage.payer.io), START_IO);
            let key = deposit(&stage.key, &sponsor.pubkey(), 0);
            let call = stage.world.release_deposit_call(&key, &sponsor.key);
            stage.world.ok(&call);
            assert_eq!(stage.world.tokens(&sponsor.io), START_IO);
            stage.close();
        }
    }
}

/// A device that vanishes or works wrong: all of it comes back to all of them.
#[test]
fn a_fault_refunds_sponsors_too() {
    for reject in [false, true] {
        let mut stage = partly(232, 50);
        let sponsor = stage.world.party();
        fund(&mut stage, &sponsor, u64::MAX, 0);
        stage.accept(ASK);
        match reject {
            true => {
                stage.submit(UNITS);
                stage.reject();
            }
            false => stage.expire(),
        }
        assert_eq!(stage.job().refunded, stage.job().escrow);
        let key = deposit(&stage.key, &sponsor.pubkey(), 0);
        let anybody = stage.world.person();
        let call = stage.world.release_deposit_call(&key, &anybody);
        stage.world.ok(&call);
        for party in [&stage.payer.clone(), &sponsor] {
            assert_eq!(stage.world.tokens(&party.io), START_IO);
        }
    }
}

/// Funding ends with the job's deadline, to the second, and with a pause.
#[test]
fn a_job_is_funded_before_its_deadline() {
    let mut stage = partly(233, 50);
    let sponsor = stage.world.party();
    let call = stage.world.fund_job_call(&stage.key, &sponsor, u64::MAX, 0);
    let pause = stage.world.set_paused_call(true);
    stage.world.ok(&pause);
    stage.world.refuse(&call, IoError::Paused);
    let resume = stage.world.set_paused_call(false);
    stage.world.ok(&resume);
    let deadline = stage.job().deadline;
    for at in [deadline, deadline + 1] {
        let mut late = stage.fork();
        late.world.at(at);
        late.world.refuse(&call, IoError::DeadlinePassed);
    }
    stage.world.at(deadline - 1);
    stage.world.ok(&call);
}

/// Nobody can hang many small deposits on somebody else's job.
#[test]
fn deposits_are_bounded_in_number() {
    let mut stage = partly(234, 10);
    let sponsor = stage.world.party();
    let escrow = stage.job().escrow;
    let least = escrow.div_ceil(MIN_DEPOSIT_SHARE);
    for amount in [0, 1, least - 1] {
        let call = stage.world.fund_job_call(&stage.key, &sponsor, amount, 0);
        stage.world.refuse(&call, IoError::DepositTooSmall);
    }
    let mut count = 0u16;
    while stage.job().funded < escrow {
        fund(&mut stage, &sponsor, least, count);
        count += 1;
    }
    assert!(u64::from(count) <= MIN_DEPOSIT_SHARE);
    stage.cancel();
    let anybody = stage.world.person();
    for index in 0..count {
        let key = deposit(&stage.key, &sponsor.pubkey(), index);
        let call = stage.world.release_deposit_call(&key, &anybody);
        stage.world.ok(&call);
    }
    assert_eq!(stage.world.tokens(&sponsor.io), START_IO);
    stage.close();
}

/// Only the sponsor says that its share goes elsewhere; anybody may bring it to an account of the sponsor's.
#[test]
fn a_share_goes_to_its_sponsor() {
    let mut stage = partly(235, 50);
    let sponsor = stage.world.party();
    fund(&mut stage, &sponsor, u64::MAX, 0);
    stage.cancel();
    let key = deposit(&stage.key, &sponsor.pubkey(), 0);
    let amount = stage.world.deposit(&key).amount;
    let thief = stage.world.party();
    for signer in [&thief.key, &stage.payer.key.insecure_clone()] {
        let call = stage.world.release_deposit_to_call(&key, signer, &thief.io);
        stage.world.refuse(&call, IoError::WrongAccount);
    }
    let call = stage
        .world
        .release_deposit_to_call(&key, &sponsor.key, &stage.vault());
    stage.world.refuse(&call, IoError::SameAccount);
    // Its account is frozen: another one of the sponsor's will do, whoever made it.
    let mint = stage.world.io_mint;
    stage.world.freeze(&mint, &sponsor.io);
    let call = stage.world.release_deposit_call(&key, &thief.key);
    stage.world.refuse(&call, IoError::BadTokenAccount);
    let another = stage.world.token_account(&mint, &sponsor.pubkey(), 0);
    let mut delivered = stage.fork();
    let call = delivered
        .world
        .release_deposit_to_call(&key, &thief.key, &another);
    delivered.world.ok(&call);
    assert_eq!(delivered.world.tokens(&another), amount);
    let call = stage
        .world
        .release_deposit_to_call(&key, &sponsor.key, &thief.io);
    stage.world.ok(&call);
    assert_eq!(stage.world.tokens(&thief.io), START_IO + amount);
}

/// A sponsor funds the job that it looked at, not one created at the same address since.
#[test]
fn a_recreated_job_takes_no_earlier_sponsors_money() {
    let mut stage = partly(236, 50);
    let sponsor = stage.world.party();
    let call = stage.world.fund_job_call(&stage.key, &sponsor, u64::MAX, 0);
    stage.cancel();
    stage.close();
    stage.world.advance(1);
    stage.create();
    stage.world.advance(1);
    stage.world.refuse(&call, IoError::AnotherJob);
    assert_eq!(stage.world.tokens(&sponsor.io), START_IO);
}

/// A deposit is the payer's part of the escrow, and no more than it.
#[test]
fn the_payers_part_is_at_most_the_escrow() {
    let mut stage = Stage::empty(237, Mint::Io);
    let escrow = reckon::escrow(
        stage.terms.max_units,
        stage.terms.max_price,
        io_tests::PARAMS.reserve_bps,
        0,
    );
    stage.terms.deposit = escrow + 1;
    let call = stage
        .world
        .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
    stage.world.refuse(&call, IoError::BadTerms);
    stage.terms.deposit = escrow;
    stage.create();
    assert_eq!(
        (stage.job().funded, stage.job().deposited),
        (escrow, escrow)
    );
}

/// A gift to the vault is divided like the rest, also among sponsors: no unit is lost or made.
#[test]
fn gifts_are_divided_like_the_rest() {
    let mut stage = partly(238, 33);
    let sponsor = stage.world.party();
    fund(&mut stage, &sponsor, u64::MAX, 0);
    let (mint, vault) = (stage.world.io_mint, stage.vault());
    stage.world.donate(&mint, &vault, 3 * IO + 1);
    stage.cancel();
    let job = stage.job();
    assert_eq!(job.refunded, job.escrow + 3 * IO + 1);
    let key = deposit(&stage.key, &sponsor.pubkey(), 0);
    let call = stage.world.release_deposit_call(&key, &sponsor.key);
    stage.world.ok(&call);
    assert_eq!(stage.world.tokens(&vault), 0);
    assert!(stage.world.tokens(&sponsor.io) > START_IO + IO);
}
