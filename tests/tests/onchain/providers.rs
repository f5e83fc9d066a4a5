//! Stake, bonds, devices: what binds, what is free, and what a device must show to take a job.

use anchor_lang::prelude::Pubkey;
use io_network::{errors::IoError, state::JobTerms};
use io_protocol::{messages::Measured, money::IO};
use io_tests::{
    ASK, At, CLASS_BIG, CLASS_SMALL, IN_USE, INSUFFICIENT, MEASURED, Mint, PARAMS, START_IO, Stage,
    UNITS, World, reckon, world,
};

const SMALL_MINIMUM: u64 = 250 * IO;
const BIG_MINIMUM: u64 = 2_000 * IO;

#[test]
fn stake_comes_in_binds_and_leaves_whole() {
    let mut w = World::new(80);
    let rig = w.unregistered_rig(CLASS_SMALL);
    for call in [
        w.register_provider_call(&rig),
        w.stake_call(&rig, 1_000 * IO),
    ] {
        w.ok(&call);
    }
    let call = w.register_provider_call(&rig);
    w.refuse(&call, IN_USE);
    assert_eq!(w.provider(&rig.provider).staked, 1_000 * IO);
    let call = w.register_device_call(&rig, 1_000 * IO + 1);
    w.refuse(&call, IoError::StakeNotFree);
    let call = w.register_device_call(&rig, SMALL_MINIMUM - 1);
    w.refuse(&call, IoError::BondTooSmall);
    let call = w.register_device_call(&rig, 600 * IO);
    w.ok(&call);
    let provider = w.provider(&rig.provider);
    assert_eq!((provider.committed, provider.devices), (600 * IO, 1));
    for (amount, expected) in [
        (0, IoError::ZeroAmount),
        (400 * IO + 1, IoError::StakeNotFree),
        (u64::MAX, IoError::StakeNotFree),
    ] {
        let call = w.request_unstake_call(&rig, amount);
        w.refuse(&call, expected);
    }
    let call = w.request_unstake_call(&rig, 400 * IO);
    w.ok(&call);
    // It counts for nothing at once.
    assert_eq!(w.provider(&rig.provider).staked, 600 * IO);
    let call = w.set_device_bond_call(&rig, 600 * IO + 1);
    w.refuse(&call, IoError::StakeNotFree);
    let call = w.retire_device_call(&rig);
    w.ok(&call);
    let call = w.request_unstake_call(&rig, 600 * IO);
    w.ok(&call);
    w.advance(i64::from(PARAMS.unbond_seconds));
    let call = w.withdraw_stake_call(&rig);
    w.ok(&call);
    assert_eq!(w.tokens(&rig.authority.io), START_IO);
    assert_eq!(w.tokens(&rig.stake_vault()), 0);
    w.refuse(&call, IoError::NothingMatured);
}

#[test]
fn stakes_are_greater_than_zero_and_covered() {
    let mut w = World::new(81);
    let rig = w.unregistered_rig(CLASS_SMALL);
    let call = w.register_provider_call(&rig);
    w.ok(&call);
    let call = w.stake_call(&rig, 0);
    w.refuse(&call, IoError::ZeroAmount);
    for amount in [START_IO + 1, u64::MAX] {
        let call = w.stake_call(&rig, amount);
        w.refuse(&call, INSUFFICIENT);
    }
    let call = w.stake_call(&rig, START_IO);
    w.ok(&call);
}

/// Eight withdrawals can be on their way; each matures alone, and withdrawing takes all that have.
#[test]
fn unbonding_entries_are_bounded_and_independent() {
    let mut w = World::new(82);
    let rig = w.unregistered_rig(CLASS_SMALL);
    for call in [w.register_provider_call(&rig), w.stake_call(&rig, 1_000)] {
        w.ok(&call);
    }
    for i in 1..=8 {
        let call = w.request_unstake_call(&rig, i);
        w.ok(&call);
        w.advance(10);
    }
    let call = w.request_unstake_call(&rig, 9);
    w.refuse(&call, IoError::TooManyUnbonding);
    let third = w.provider(&rig.provider).unbonding[2].ready_at;
    w.at(third);
    let withdraw = w.withdraw_stake_call(&rig);
    w.ok(&withdraw);
    assert_eq!(w.tokens(&rig.authority.io), START_IO - 1_000 + 1 + 2 + 3);
    w.refuse(&withdraw, IoError::NothingMatured);
    // The free entries serve again.
    for amount in [10, 11, 12] {
        let call = w.request_unstake_call(&rig, amount);
        w.ok(&call);
    }
    w.advance(i64::from(PARAMS.unbond_seconds));
    w.ok(&withdraw);
    assert_eq!(w.tokens(&rig.authority.io), START_IO - 1_000 + 36 + 33);
}

/// Whoever gives to a stake vault gives for good: deposits and withdrawals never pay out more than came in.
#[test]
fn withdrawals_never_exceed_deposits() {
    let mut w = World::new(83);
    let rig = w.unregistered_rig(CLASS_SMALL);
    let call = w.register_provider_call(&rig);
    w.ok(&call);
    let (mint, vault) = (w.io_mint, rig.stake_vault());
    w.donate(&mint, &vault, 1_000_000);
    let mut out = 0;
    for round in 1..20u64 {
        let call = w.stake_call(&rig, round * 7);
        w.ok(&call);
        let call = w.request_unstake_call(&rig, round * 7 + 1);
        w.refuse(&call, IoError::StakeNotFree);
        let call = w.request_unstake_call(&rig, round * 7);
        w.ok(&call);
        w.advance(i64::from(PARAMS.unbond_seconds));
        let call = w.withdraw_stake_call(&rig);
        w.ok(&call);
        out += round * 7;
        assert_eq!(w.tokens(&rig.authority.io), START_IO);
        assert_eq!(w.tokens(&vault), 1_000_000);
    }
    assert!(out > 0);
}

/// Stake goes to and from IO accounts only, never the vault itself.
#[test]
fn stake_moves_between_io_accounts() {
    let mut w = World::new(84);
    let rig = w.rig(CLASS_SMALL, SMALL_MINIMUM);
    let (usd, vault) = (rig.authority.usd, rig.stake_vault());
    let mut call = w.stake_call(&rig, 5);
    call.instruction.accounts[4].pubkey = usd;
    w.refuse(&call, IoError::WrongMint);
    call.instruction.accounts[4].pubkey = vault;
    w.refuse(&call, IoError::SameAccount);
    let call = w.withdraw_stake_to_call(&rig, &vault);
    w.refuse(&call, IoError::SameAccount);
    // A frozen account refuses, another one takes it: nothing is lost.
    for call in [w.stake_call(&rig, 5), w.request_unstake_call(&rig, 5)] {
        w.ok(&call);
    }
    w.advance(i64::from(PARAMS.unbond_seconds));
    let (mint, frozen, spare) = (w.io_mint, rig.authority.io, rig.payout.io);
    w.freeze(&mint, &frozen);
    let call = w.withdraw_stake_call(&rig);
    w.refuse(&call, IoError::BadTokenAccount);
    let call = w.withdraw_stake_to_call(&rig, &spare);
    w.ok(&call);
    assert_eq!(w.tokens(&spare), 5);
}

#[test]
fn only_the_authority_manages_its_provider() {
    let mut w = World::new(85);
    let rig = w.rig(CLASS_SMALL, 1_000 * IO);
    for thief in [w.party(), rig.payout.clone()] {
        let fake = io_tests::Rig {
            authority: thief,
            ..rig.clone()
        };
        let heir = fake.authority.pubkey();
        for call in [
            w.set_payout_owner_call(&fake, &heir),
            w.request_unstake_call(&fake, 1),
            w.stake_call(&fake, 1),
            w.withdraw_stake_call(&fake),
            w.set_device_bond_call(&fake, 500 * IO),
            w.set_device_operator_call(&fake, &heir),
            w.retire_device_call(&fake),
        ] {
            w.refuse(&call, IoError::NotProviderAuthority);
        }
        let call = w.set_device_draining_call(&fake, &fake.authority.key, true);
        w.refuse(&call, IoError::NotOperator);
        let other = io_tests::Rig {
            hardware: [9; 32],
            device: world::device(&[9; 32]),
            ..fake
        };
        let call = w.register_device_call(&other, SMALL_MINIMUM);
        w.refuse(&call, IoError::NotProviderAuthority);
    }
    // A hot key switches its own device, and can take nothing.
    for draining in [true, false] {
        let call = w.set_device_draining_call(&rig, &rig.operator, draining);
        w.ok(&call);
        assert_eq!(w.device(&rig.device).state, u8::from(draining));
    }
    let hot = io_tests::Rig {
        authority: io_tests::Party {
            key: rig.operator.insecure_clone(),
            ..rig.authority.clone()
        },
        ..rig.clone()
    };
    for call in [
        w.withdraw_stake_call(&hot),
        w.request_unstake_call(&hot, 1),
        w.retire_device_call(&hot),
    ] {
        w.refuse(&call, IoError::NotProviderAuthority);
    }
}

/// Nobody is nobody's payout owner, operator or authority.
#[test]
fn the_zero_key_has_no_role() {
    let mut w = World::new(86);
    let rig = w.rig(CLASS_SMALL, 1_000 * IO);
    let zero = Pubkey::default();
    let call = w.set_payout_owner_call(&rig, &zero);
    w.refuse(&call, IoError::WrongAccount);
    let call = w.set_device_operator_call(&rig, &zero);
    w.refuse(&call, IoError::WrongAccount);
    let mut other = w.unregistered_rig(CLASS_SMALL);
    let mut call = w.register_provider_call(&other);
    call.instruction.data =
        anchor_lang::InstructionData::data(&io_network::instruction::RegisterProvider {
            payout_owner: zero,
        });
    w.refuse(&call, IoError::WrongAccount);
    other.authority = rig.authority;
    other.provider = rig.provider;
    let args = io_network::RegisterDeviceArgs {
        hardware: other.hardware,
        operator: zero,
        bond: SMALL_MINIMUM,
    };
    let mut call = w.register_device_call(&other, SMALL_MINIMUM);
    call.instruction.data =
        anchor_lang::InstructionData::data(&io_network::instruction::RegisterDevice { args });
    w.refuse(&call, IoError::WrongAccount);
}

/// Sends an accept for terms that `bend` changed, with a device that measured `MEASURED` in the small class.
fn accept_under(stage: &Stage, bend: impl Fn(&mut JobTerms)) -> Option<IoError> {
    let mut stage = stage.fork();
    bend(&mut stage.terms);
    stage.create();
    let call =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 5);
    match stage.world.attempt(&call) {
        Ok(_) => None,
        Err(failed) => {
            assert!(
                failed.is(IoError::RequirementNotMet.into()),
                "{:?}",
                failed.error
            );
            Some(IoError::RequirementNotMet)
        }
    }
}

/// Each requirement at its limit and one beyond it.
#[test]
fn a_device_meets_each_requirement_or_not() {
    let stage = Stage::empty(87, Mint::Io);
    type Bend = fn(&mut JobTerms);
    let table: [(&str, Bend, bool); 12] = [
        ("any", |_| {}, true),
        ("its class", |t| t.class = CLASS_SMALL, true),
        ("another class", |t| t.class = CLASS_BIG, false),
        ("a class that nobody has", |t| t.class = 999, false),
        ("its multiplier", |t| t.min_multiplier_e2 = 125, true),
        ("more multiplier", |t| t.min_multiplier_e2 = 126, false),
        ("its memory", |t| t.min_memory_mib = 24_576, true),
        ("more memory", |t| t.min_memory_mib = 24_577, false),
        ("its region", |t| t.region = 0x4445, true),
        ("another region", |t| t.region = 0x4652, false),
        (
            "a newcomer's reputation",
            |t| t.min_reputation_bps = 5_000,
            true,
        ),
        ("more reputation", |t| t.min_reputation_bps = 5_001, false),
    ];
    for (what, bend, good) in table {
        assert_eq!(accept_under(&stage, bend).is_none(), good, "{what}");
    }
}

/// A device that drains takes nothing new, and finishes what it has.
#[test]
fn a_draining_device_takes_nothing_new() {
    let mut stage = Stage::at(88, At::Running);
    let call = stage
        .world
        .set_device_draining_call(&stage.rig, &stage.rig.authority.key, true);
    stage.world.ok(&call);
    stage.submit(UNITS);
    stage.settle();
    stage.terms.nonce = 2;
    stage.key = world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::DeviceNotIdle);
    let call = stage
        .world
        .set_device_draining_call(&stage.rig, &stage.rig.operator, false);
    stage.world.ok(&call);
    stage.world.ok(&accept);
}

/// What a device could gain from its undecided jobs stays within its bond, to the base unit.
#[test]
fn exposure_stays_within_the_bond() {
    let mut w = World::new(89);
    let bond = SMALL_MINIMUM;
    let rig = w.rig(CLASS_SMALL, bond);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = bond + 1;
    stage.create();
    let ask = |stage: &Stage, ask| {
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ask, stage.world.now() + 30)
    };
    let call = ask(&stage, bond + 1);
    stage.world.refuse(&call, IoError::ExposureExceedsBond);
    let mut exact = stage.fork();
    let call = ask(&exact, bond);
    exact.world.ok(&call);
    assert_eq!(exact.world.device(&exact.rig.device).exposure, bond);

    // Two jobs that only together exceed it.
    let call = ask(&stage, bond - 1);
    stage.world.ok(&call);
    stage.submit(1_000);
    let first = stage.key;
    stage.terms.nonce = 2;
    stage.key = world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let call = ask(&stage, 2);
    stage.world.refuse(&call, IoError::ExposureExceedsBond);
    let settle = stage.world.settle_call(&first, &[0, 1]);
    stage.world.ok(&settle);
    let call = ask(&stage, 3);
    stage.world.ok(&call);

    // In the second mint the same figures weigh by its rate: 1 of it counts as 2 IO.
    let mut w = World::new(89);
    let rig = w.rig(CLASS_SMALL, bond);
    let mut stage = Stage::with(w, rig, Mint::Usd);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 126 * io_tests::USD;
    stage.create();
    let call = ask(&stage, 125 * io_tests::USD + 1);
    stage.world.refuse(&call, IoError::ExposureExceedsBond);
    let call = ask(&stage, 125 * io_tests::USD);
    stage.world.ok(&call);
    assert_eq!(stage.world.device(&stage.rig.device).exposure, bond);
}

/// A job whose exposure doesn't fit any number is taken by nobody, and its payer gets it back.
#[test]
fn an_exposure_that_overflows_is_refused() {
    let mut w = World::new(90);
    let mut heavy = world::payment_args(Mint::Io);
    heavy.io_per_unit_e9 = u64::MAX;
    let call = w.update_payment_mint_call(&w.io_mint, heavy);
    w.ok(&call);
    let rig = w.rig(CLASS_SMALL, 1_000 * IO);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.terms.max_units = 1 << 20;
    stage.terms.max_price = 1 << 20;
    stage.create();
    let call = stage.world.accept_with_ticket_call(
        &stage.key,
        &stage.rig,
        1 << 20,
        stage.world.now() + 30,
    );
    stage.world.refuse(&call, IoError::Overflow);
    stage.cancel();
    assert_eq!(stage.world.tokens(&stage.payer.io), START_IO);
}

/// A device below its class's minimum bond takes nothing, whatever it has free elsewhere.
#[test]
fn the_minimum_bond_counts_at_acceptance() {
    let mut stage = Stage::empty(91, Mint::Io);
    let rig = stage.rig.clone();
    stage.world.until_answered(&rig);
    let call = stage.world.set_device_bond_call(&rig, SMALL_MINIMUM - 1);
    stage.world.ok(&call);
    stage.world.attest(&rig);
    stage.terms = io_tests::terms(&stage.world, 1);
    stage.create();
    let accept =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::BondTooSmall);
    let call = stage.world.set_device_bond_call(&stage.rig, SMALL_MINIMUM);
    stage.world.ok(&call);
    stage.world.ok(&accept);
}

/// The dearer the class, the larger the bond; a class change reaches a device with its next attestation.
#[test]
fn bonds_follow_the_class() {
    let mut w = World::new(92);
    assert_eq!(reckon::minimum_bond(PARAMS.min_bond, 1_000), BIG_MINIMUM);
    let rig = w.unregistered_rig(CLASS_BIG);
    for call in [
        w.register_provider_call(&rig),
        w.stake_call(&rig, 2 * BIG_MINIMUM),
    ] {
        w.ok(&call);
    }
    let call = w.register_device_call(&rig, BIG_MINIMUM - 1);
    w.refuse(&call, IoError::BondTooSmall);
    w.ready_device(&rig, BIG_MINIMUM);
    let call = w.update_class_call(world::class_args(CLASS_BIG, 1_001));
    w.ok(&call);
    let mut stage = Stage::with(w, rig, Mint::Io);
    stage.create();
    let mut unaware = stage.fork();
    unaware.accept(ASK);
    let rig = stage.rig.clone();
    stage.world.advance(1);
    stage.world.attest(&rig);
    assert_eq!(stage.world.device(&rig.device).multiplier_e2, 1_001);
    let accept = stage
        .world
        .accept_with_ticket_call(&stage.key, &rig, ASK, stage.world.now() + 30);
    stage.world.refuse(&accept, IoError::BondTooSmall);
}

/// Figures below a class's minimum are no attestation for it.
#[test]
fn figures_must_reach_the_class() {
    let mut w = World::new(93);
    let mut args = world::class_args(7, 300);
    args.min_tops_e2 = 12_300;
    args.min_memory_mib = 24_576;
    let call = w.add_class_call(args);
    w.ok(&call);
    let rig = w.unregistered_rig(7);
    for call in [
        w.register_provider_call(&rig),
        w.stake_call(&rig, 600 * IO),
        w.register_device_call(&rig, 600 * IO),
    ] {
        w.ok(&call);
    }
    let now = w.now();
    for weak in [
        Measured {
            tops_e2: 12_299,
            ..MEASURED
        },
        Measured {
            memory_mib: 24_575,
            ..MEASURED
        },
    ] {
        let call = w.attest_with_call(&rig, now, weak, &[0, 1]);
        w.refuse(&call, IoError::RequirementNotMet);
    }
    w.attest(&rig);
    assert_eq!(w.device(&rig.device).measured(), MEASURED);
    assert_eq!(w.device(&rig.device).attested_at, now);
}

/// Two devices of one provider share its stake, not their bonds: one's penalty leaves the other's alone.
#[test]
fn devices_have_their_own_bonds() {
    let mut stage = Stage::at(94, At::Running);
    let rig = stage.rig.clone();
    let second = stage.world.second_device(&rig, 300 * IO);
    assert_eq!(stage.world.provider(&rig.provider).committed, 1_300 * IO);
    stage.expire();
    let due = stage.job().penalty_due;
    assert_eq!(stage.world.device(&rig.device).bond, 1_000 * IO - due);
    assert_eq!(stage.world.device(&second.device).bond, 300 * IO);
    assert_eq!(stage.world.device(&second.device).failed, 0);
    let call = stage.world.set_device_bond_call(&second, 300 * IO + 1);
    stage.world.refuse(&call, IoError::StakeNotFree);
}

/// Retiring a device and registering it again leaves its record where it was: with its provider.
#[test]
fn retiring_washes_no_record() {
    let mut stage = Stage::at(95, At::ExpiredRunning);
    let rig = stage.rig.clone();
    let score = |w: &World| {
        w.device(&rig.device)
            .reputation_bps(&w.provider(&rig.provider), w.now())
    };
    assert_eq!(score(&stage.world), 3_333);
    stage.world.until_answered(&rig);
    let before = score(&stage.world);
    let (authority, rent) = (rig.authority.pubkey(), stage.world.lamports(&rig.device));
    let had = stage.world.lamports(&authority);
    let call = stage.world.retire_device_call(&rig);
    stage.world.ok(&call);
    assert!(stage.world.account(&rig.device).is_none());
    assert_eq!(stage.world.lamports(&authority), had + rent);
    assert_eq!(stage.world.provider(&rig.provider).failed, 1);
    stage.world.ready_device(&rig, SMALL_MINIMUM);
    assert_eq!(stage.world.device(&rig.device).failed, 0);
    assert_eq!(score(&stage.world), before);
    // The penalty of the old job is still due, and reaches its case.
    let opener = stage.world.person();
    let call = stage.world.open_slash_case_call(&stage.key, &rig, &opener);
    stage.world.ok(&call);
}

/// Slash cases are numbered; each has its own account and vault.
#[test]
fn cases_are_numbered() {
    let mut stage = Stage::at(96, At::ExpiredRunning);
    let first = stage.key;
    stage.terms = io_tests::terms(&stage.world, 2);
    stage.key = world::job(&stage.renter.pubkey(), 2);
    stage.create();
    let rig = stage.rig.clone();
    stage.world.advance(1);
    stage.world.attest(&rig);
    stage.accept(ASK);
    stage.expire();
    let opener = stage.world.person();
    for (number, job) in [(0, stage.key), (1, first)] {
        let call = stage.world.open_slash_case_call(&job, &rig, &opener);
        stage.world.ok(&call);
        let case = stage
            .world
            .slash_case(&world::slash_case(&rig.provider, number));
        assert_eq!((case.number, case.job), (number, job));
    }
    assert_eq!(stage.world.provider(&rig.provider).slash_cases, 2);
}
