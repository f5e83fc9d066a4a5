//! What the administrator may do, within which bounds, and that users need it for nothing.

use anchor_lang::{InstructionData, error::ErrorCode, prelude::Pubkey};
use io_network::{
    errors::IoError,
    state::{NetworkParams, StakeParams},
};
use io_protocol::money::IO;
use io_tests::{
    At, CLASS_SMALL, Call, IN_USE, Mint, PARAMS, Refusal, START_IO, Stage, World,
    world::{self, LOADER, payment_args},
};
use solana_account::Account;
use solana_signer::Signer;

const SIXTY_DAYS: u32 = 60 * 24 * 3_600;

#[test]
fn the_network_is_initialised_once() {
    let mut w = World::new(100);
    let before = (w.network(), w.oracle_set());
    let mut other = PARAMS;
    other.min_bond = 1;
    let call = w.initialize_network_call(other, 1);
    w.refuse(&call, IN_USE);
    assert_eq!((w.network(), w.oracle_set()), before);
}

#[test]
fn only_the_upgrade_authority_initialises() {
    let w = World::bare(101);
    let mut stranger = w.fork();
    stranger.admin = stranger.person();
    let call = stranger.initialize_network_call(PARAMS, 2);
    stranger.refuse(&call, IoError::NotUpgradeAuthority);

    // Nor does somebody else's program data help.
    let mut forged = w.fork();
    let data = forged.account(&world::program_data()).unwrap();
    let mut forgery = Account {
        data: data.data[..45].to_vec(),
        ..data
    };
    let thief = forged.person();
    forgery.data[13..45].copy_from_slice(thief.pubkey().as_ref());
    let elsewhere = forged.keys.pubkey();
    forged.write(&elsewhere, forgery);
    forged.admin = thief;
    let mut call = forged.initialize_network_call(PARAMS, 2);
    call.instruction.accounts[5].pubkey = elsewhere;
    forged.refuse(&call, IoError::WrongAccount);

    // A program that can no longer be upgraded has no one to initialise it.
    let mut frozen = w.fork();
    let mut data = frozen.account(&world::program_data()).unwrap();
    assert_eq!(data.owner, LOADER);
    data.data[12] = 0;
    frozen.write(&world::program_data(), data);
    let call = frozen.initialize_network_call(PARAMS, 2);
    frozen.refuse(&call, IoError::NotUpgradeAuthority);
}

#[test]
fn io_has_eight_decimals() {
    let mut w = World::bare(102);
    w.io_mint = w.usd_mint;
    let call = w.initialize_network_call(PARAMS, 2);
    w.refuse(&call, IoError::WrongMint);
}

#[test]
fn a_new_network_holds_what_it_was_told() {
    let w = World::new(103);
    let (network, set) = (w.network(), w.oracle_set());
    assert_eq!(
        (network.admin, network.io_mint, network.cluster),
        (w.admin.pubkey(), w.io_mint, w.cluster)
    );
    assert_eq!(
        (network.pending_admin, network.paused, network.version),
        (Pubkey::default(), 0, 1)
    );
    assert_eq!((set.version, set.count, set.quorum), (1, 3, 2));
    assert_eq!(
        set.active().copied().collect::<Vec<_>>(),
        w.oracles.iter().map(Signer::pubkey).collect::<Vec<_>>()
    );
    assert_eq!(set.oracles[3..], [Pubkey::default(); 29]);
    let payment = w.payment(&world::payment(&w.usd_mint));
    assert_eq!(
        (
            payment.mint,
            payment.decimals,
            payment.enabled,
            payment.fee_bps
        ),
        (w.usd_mint, 6, 1, 200)
    );
    for (i, shard) in payment.shards.iter().enumerate() {
        assert_eq!(*shard, world::treasury_shard(&w.usd_mint, i as u8));
    }
}

fn admin_calls(w: &World) -> Vec<Call> {
    let someone = w.oracles[0].pubkey();
    let mint = w.usd_mint;
    vec![
        w.update_params_call(PARAMS),
        w.set_paused_call(true),
        w.propose_admin_call(&someone),
        w.set_oracles_call(1, &[someone]),
        w.add_payment_mint_call(&mint, payment_args(Mint::Usd)),
        w.update_payment_mint_call(&w.io_mint, payment_args(Mint::Io)),
        w.add_class_call(world::class_args(77, 100)),
        w.update_class_call(world::class_args(CLASS_SMALL, 100)),
    ]
}

#[test]
fn only_the_administrator_administers() {
    let mut w = World::bare(104);
    let call = w.initialize_network_call(PARAMS, 2);
    w.ok(&call);
    for call in [
        w.add_payment_mint_call(&w.io_mint, payment_args(Mint::Io)),
        w.add_class_call(world::class_args(CLASS_SMALL, 125)),
    ] {
        w.ok(&call);
    }
    let mut stranger = w.fork();
    stranger.admin = stranger.person();
    for call in admin_calls(&stranger) {
        stranger.refuse(&call, IoError::NotAdmin);
    }
    for call in admin_calls(&w) {
        w.fork().ok(&call);
    }
}

#[test]
fn the_administrator_changes_in_two_steps() {
    let mut w = World::new(105);
    let (heir, other) = (w.person(), w.person());
    let early = w.accept_admin_call(&heir);
    w.refuse(&early, IoError::NotPendingAdmin);
    let call = w.propose_admin_call(&heir.pubkey());
    w.ok(&call);
    assert_eq!(
        w.network().admin,
        w.admin.pubkey(),
        "a proposal changes nothing"
    );
    let call = w.accept_admin_call(&other);
    w.refuse(&call, IoError::NotPendingAdmin);
    // Taken back.
    let call = w.propose_admin_call(&Pubkey::default());
    w.ok(&call);
    w.refuse(&early, IoError::NotPendingAdmin);
    // Replaced.
    for key in [heir.pubkey(), other.pubkey()] {
        let call = w.propose_admin_call(&key);
        w.ok(&call);
    }
    w.refuse(&early, IoError::NotPendingAdmin);
    let call = w.accept_admin_call(&other);
    w.ok(&call);
    let network = w.network();
    assert_eq!(
        (network.admin, network.pending_admin),
        (other.pubkey(), Pubkey::default())
    );
    w.refuse(&call, IoError::NotPendingAdmin);
    let old = w.set_paused_call(true);
    w.refuse(&old, IoError::NotAdmin);
    w.admin = other;
    let new = w.set_paused_call(true);
    w.ok(&new);
}

#[test]
fn parameters_stay_inside_their_bounds() {
    type Bend = fn(&mut NetworkParams);
    let bad: [(&str, Bend); 31] = [
        ("no bond", |p| p.min_bond = 0),
        ("match window", |p| p.match_seconds = SIXTY_DAYS + 1),
        ("no challenge window", |p| p.challenge_seconds = 0),
        ("challenge window", |p| p.challenge_seconds = SIXTY_DAYS + 1),
        ("no dispute window", |p| p.dispute_seconds = 0),
        ("dispute window", |p| p.dispute_seconds = SIXTY_DAYS + 1),
        ("no attestation window", |p| p.attestation_seconds = 0),
        ("attestation window", |p| {
            p.attestation_seconds = SIXTY_DAYS + 1
        }),
        ("no unbonding", |p| p.unbond_seconds = 0),
        ("unbonding", |p| p.unbond_seconds = SIXTY_DAYS + 1),
        ("no retention", |p| p.retention_seconds = 0),
        ("retention", |p| p.retention_seconds = SIXTY_DAYS + 1),
        ("no notice of a lease's end", |p| {
            p.reclaim_notice_seconds = 0
        }),
        ("notice of a lease's end", |p| {
            p.reclaim_notice_seconds = SIXTY_DAYS + 1
        }),
        ("unbonding within the challenge window", |p| {
            p.challenge_seconds = p.unbond_seconds
        }),
        ("unbonding within the dispute window", |p| {
            p.dispute_seconds = p.unbond_seconds
        }),
        ("reservation fee", |p| p.reserve_bps = 501),
        ("expiry penalty", |p| p.expire_penalty_bps = 10_001),
        ("rejection penalty", |p| p.reject_penalty_bps = 10_001),
        ("no time to appeal", |p| p.stake.appeal_seconds = 0),
        ("time to appeal", |p| {
            p.stake.appeal_seconds = SIXTY_DAYS + 1
        }),
        ("no time to decide", |p| p.stake.decision_seconds = 0),
        ("time to decide", |p| {
            p.stake.decision_seconds = SIXTY_DAYS + 1
        }),
        ("no notice", |p| p.stake.co_notice_seconds = 0),
        ("notice", |p| p.stake.co_notice_seconds = SIXTY_DAYS + 1),
        ("an appeal's bond", |p| p.stake.appeal_bond_bps = 10_001),
        ("an appeal's floor", |p| {
            p.stake.appeal_bond_floor = 1_000 * IO + 1
        }),
        ("oracles' bond", |p| {
            p.stake.min_oracle_bond = 10_000_000 * IO + 1
        }),
        ("less than half burned", |p| {
            (p.stake.slash_renter_bps, p.stake.slash_challenger_bps) = (2_501, 2_500)
        }),
        ("shares that overflow", |p| {
            (p.stake.slash_renter_bps, p.stake.slash_challenger_bps) = (u16::MAX, u16::MAX)
        }),
        ("everything", |p| p.match_seconds = u32::MAX),
    ];
    let mut w = World::new(106);
    let bare = World::bare(106);
    for (what, bend) in bad {
        let mut params = PARAMS;
        bend(&mut params);
        for (w, call) in [
            (&mut w.fork(), w.update_params_call(params)),
            (&mut bare.fork(), bare.initialize_network_call(params, 2)),
        ] {
            let failed = w.attempt(&call).expect_err(what);
            assert!(
                failed.is(IoError::ParameterOutOfBounds.into()),
                "{what}: {:?}",
                failed.error
            );
        }
    }
    let edges = NetworkParams {
        min_bond: u64::MAX,
        match_seconds: 0,
        challenge_seconds: 1,
        dispute_seconds: SIXTY_DAYS - 1,
        attestation_seconds: SIXTY_DAYS,
        unbond_seconds: SIXTY_DAYS,
        retention_seconds: 1,
        reclaim_notice_seconds: 1,
        reserve_bps: 500,
        expire_penalty_bps: 0,
        reject_penalty_bps: 10_000,
        burn_bps: 10_000,
        target_utilisation_bps: 9_999,
        stake: StakeParams {
            min_oracle_bond: 10_000_000 * IO,
            appeal_bond_floor: 0,
            appeal_seconds: 1,
            decision_seconds: SIXTY_DAYS,
            co_notice_seconds: 1,
            appeal_bond_bps: 10_000,
            slash_renter_bps: 5_000,
            slash_challenger_bps: 0,
        },
    };
    let call = w.update_params_call(edges);
    w.ok(&call);
    assert_eq!(w.network().min_bond, u64::MAX);
}

#[test]
fn oracle_sets_are_valid_or_refused() {
    let w = World::new(107);
    let mut keys = io_tests::keys::Keys::new(1_107);
    let many: Vec<Pubkey> = (0..33).map(|_| keys.pubkey()).collect();
    let table: [(&str, u8, Vec<Pubkey>, bool); 11] = [
        ("one of one", 1, many[..1].to_vec(), true),
        ("all of 32", 32, many[..32].to_vec(), true),
        ("one of 32", 1, many[..32].to_vec(), true),
        ("33 oracles", 1, many.clone(), false),
        ("none", 0, vec![], false),
        ("a quorum of none", 1, vec![], false),
        ("no quorum", 0, many[..3].to_vec(), false),
        (
            "a quorum that cannot be reached",
            4,
            many[..3].to_vec(),
            false,
        ),
        (
            "the same oracle twice",
            1,
            vec![many[0], many[1], many[0]],
            false,
        ),
        ("the zero key", 1, vec![many[0], Pubkey::default()], false),
        ("quorum 255", 255, many[..3].to_vec(), false),
    ];
    for (what, quorum, oracles, good) in table {
        let mut w = w.fork();
        let call = w.set_oracles_call(quorum, &oracles);
        match good {
            true => {
                w.ok(&call);
                let set = w.oracle_set();
                assert_eq!((set.version, set.quorum), (2, quorum), "{what}");
                // A newcomer gets the next free slot after the one given last.
                let placed: Vec<Pubkey> = (0..32).map(|i| set.oracles[(3 + i) % 32]).collect();
                assert_eq!(placed[..oracles.len()], oracles, "{what}");
                let holes = &placed[oracles.len()..];
                assert!(holes.iter().all(|k| *k == Pubkey::default()), "{what}");
            }
            false => {
                let failed = w.attempt(&call).expect_err(what);
                assert!(
                    failed.is(IoError::BadOracleSet.into()),
                    "{what}: {:?}",
                    failed.error
                );
                assert_eq!(w.oracle_set().version, 1);
            }
        }
    }
}

/// A list that claims more keys than it carries is refused before anything is read from it.
#[test]
fn a_truncated_oracle_list_is_refused() {
    let mut w = World::new(108);
    let mut call = w.set_oracles_call(1, &[w.oracles[0].pubkey()]);
    let length_at = call.instruction.data.len() - 32 - 4;
    call.instruction.data[length_at..length_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    w.refuse(&call, ErrorCode::InstructionDidNotDeserialize);
    // And an instruction that nobody knows.
    call.instruction.data = vec![1, 2, 3, 4, 5, 6, 7, 8];
    w.refuse(&call, ErrorCode::InstructionFallbackNotFound);
    call.instruction.data.clear();
    w.refuse(&call, ErrorCode::InstructionFallbackNotFound);
}

#[test]
fn payment_mints_are_spl_mints_within_bounds() {
    let mut w = World::new(109);
    let call = w.add_payment_mint_call(&w.io_mint, payment_args(Mint::Io));
    w.refuse(&call, IN_USE);

    // Mints of a program that is none of the two token programs, and accounts that are no mints.
    let base = w.account(&w.usd_mint).unwrap();
    for owner in [world::SYSTEM, LOADER, io_network::ID] {
        let key = w.keys.pubkey();
        w.write(
            &key,
            Account {
                owner,
                ..base.clone()
            },
        );
        let call = w.add_payment_mint_call(&key, payment_args(Mint::Usd));
        w.refuse(&call, IoError::WrongOwner);
    }
    let token_account = w.party().io;
    let call = w.add_payment_mint_call(&token_account, payment_args(Mint::Usd));
    w.refuse(&call, IoError::WrongMint);
    let mut uninitialised = base.clone();
    uninitialised.data = vec![0; 82];
    let key = w.keys.pubkey();
    w.write(&key, uninitialised);
    let call = w.add_payment_mint_call(&key, payment_args(Mint::Usd));
    w.refuse(&call, IoError::WrongMint);

    let fresh = w.keys.pubkey();
    w.write(&fresh, base);
    for (fee_bps, io_per_unit_e9, good) in [
        (501, 1, false),
        (u16::MAX, 1, false),
        (0, 0, false),
        (500, 1, true),
        (0, u64::MAX, true),
    ] {
        let args = io_network::PaymentMintArgs {
            io_per_unit_e9,
            fee_bps,
            enabled: false,
        };
        for call in [
            w.add_payment_mint_call(&fresh, args),
            w.update_payment_mint_call(&w.usd_mint, args),
        ] {
            match good {
                true => drop(w.fork().ok(&call)),
                false => w.fork().refuse(&call, IoError::ParameterOutOfBounds),
            }
        }
    }
}

#[test]
fn treasury_shards_are_made_once_each() {
    let mut w = World::bare(110);
    let call = w.initialize_network_call(PARAMS, 2);
    w.ok(&call);
    let mint = w.io_mint;
    let call = w.add_payment_mint_call(&mint, payment_args(Mint::Io));
    w.ok(&call);
    for shard in [16, 255] {
        let call = w.init_treasury_shard_call(&mint, shard);
        w.refuse(&call, IoError::ParameterOutOfBounds);
    }
    let mut call = w.init_treasury_shard_call(&mint, 3);
    call.instruction.accounts[4].pubkey = world::treasury_shard(&mint, 4);
    w.refuse(&call, ErrorCode::ConstraintSeeds);
    let call = w.init_treasury_shard_call(&mint, 3);
    w.ok(&call);
    w.refuse(&call, IoError::SameAccount);
    assert_eq!(
        w.payment(&world::payment(&mint)).shards[3],
        world::treasury_shard(&mint, 3)
    );

    // A job whose shard isn't there yet waits for it.
    let rig = {
        let call = w.add_class_call(world::class_args(CLASS_SMALL, 125));
        w.ok(&call);
        w.rig(CLASS_SMALL, 1_000 * IO)
    };
    let mut stage = Stage::with(w, rig, Mint::Io);
    let shard = stage.key.as_ref()[0] % 16;
    assert_ne!(shard, 3, "else the test shows nothing");
    let create =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
    stage.world.refuse(&create, IoError::MintNotAllowed);
    let call = stage.world.init_treasury_shard_call(&mint, shard);
    stage.world.ok(&call);
    stage.world.ok(&create);
    assert_eq!(stage.job().treasury, world::treasury_shard(&mint, shard));
}

#[test]
fn classes_are_within_bounds() {
    let mut w = World::new(111);
    let call = w.add_class_call(world::class_args(CLASS_SMALL, 100));
    w.refuse(&call, IN_USE);
    type Bend = fn(&mut io_network::ClassArgs);
    let table: [(Bend, bool); 6] = [
        (|c| c.id = u16::MAX, false),
        (|c| c.multiplier_e2 = 0, false),
        (|c| c.multiplier_e2 = 10_001, false),
        (|c| c.group = 2, false),
        (|c| c.multiplier_e2 = 10_000, true),
        (|c| c.multiplier_e2 = 1, true),
    ];
    for (bend, good) in table {
        let mut args = world::class_args(9, 100);
        bend(&mut args);
        let call = w.add_class_call(args);
        match good {
            true => drop(w.fork().ok(&call)),
            false => w.fork().refuse(&call, IoError::ParameterOutOfBounds),
        }
        args.id = CLASS_SMALL;
        if good {
            let call = w.update_class_call(args);
            w.fork().ok(&call);
        }
    }
    let mut call = w.update_class_call(world::class_args(CLASS_SMALL, 100));
    call.instruction.accounts[2].pubkey = world::class(io_tests::CLASS_BIG);
    w.refuse(&call, IoError::WrongAccount);
}

/// Pausing stops what is new, and no way out.
#[test]
fn a_pause_blocks_no_way_out() {
    let pause = |stage: &mut Stage| {
        let call = stage.world.set_paused_call(true);
        stage.world.ok(&call);
    };
    let mut fresh = Stage::empty(112, Mint::Io);
    let newcomer = fresh.world.unregistered_rig(CLASS_SMALL);
    let second = io_tests::Rig {
        hardware: [5; 32],
        device: world::device(&[5; 32]),
        ..fresh.rig.clone()
    };
    pause(&mut fresh);
    for call in [
        fresh
            .world
            .create_job_call(&fresh.renter.key, &fresh.payer, Mint::Io, fresh.terms),
        fresh.world.stake_call(&fresh.rig, 1),
        fresh.world.register_provider_call(&newcomer),
        fresh.world.register_device_call(&second, 250 * IO),
    ] {
        fresh.world.refuse(&call, IoError::Paused);
    }
    let rig = fresh.rig.clone();
    fresh.world.until_answered(&rig);
    for call in [
        fresh.world.retire_device_call(&rig),
        fresh.world.request_unstake_call(&rig, 1_000 * IO),
    ] {
        fresh.world.ok(&call);
    }
    fresh.world.advance(i64::from(PARAMS.unbond_seconds));
    let call = fresh.world.withdraw_stake_call(&rig);
    fresh.world.ok(&call);
    assert_eq!(fresh.world.tokens(&rig.authority.io), START_IO);

    for at in [At::Open, At::Running, At::Submitted, At::Disputed] {
        let mut stage = Stage::at(112, at);
        pause(&mut stage);
        let rig = stage.rig.clone();
        stage.world.attest(&rig);
        match at {
            At::Open => {
                let mut other = stage.fork();
                other.accept(1);
                stage.cancel();
            }
            At::Running => {
                let mut other = stage.fork();
                other.expire();
                let opener = other.rig.authority.key.insecure_clone();
                let call = other
                    .world
                    .open_slash_case_call(&other.key, &other.rig, &opener);
                other.world.ok(&call);
                stage.submit(1);
                stage.reject();
                let call = stage
                    .world
                    .open_slash_case_call(&stage.key, &stage.rig, &opener);
                stage.world.ok(&call);
            }
            At::Submitted => {
                let mut other = stage.fork();
                other.dispute();
                let (mint, payee) = (stage.world.io_mint, stage.rig.payout.io);
                stage.world.freeze(&mint, &payee);
                stage.settle();
                stage.world.thaw(&mint, &payee);
                let stranger = stage.world.person();
                let call = stage.world.release_owed_call(
                    &stage.key,
                    io_network::Payee::Provider,
                    &stranger,
                    &payee,
                );
                stage.world.ok(&call);
            }
            _ => stage.expire(),
        }
        stage.close();
    }
    let call = fresh.world.set_paused_call(false);
    fresh.world.ok(&call);
    fresh.terms = io_tests::terms(&fresh.world, 1);
    fresh.create();
}

/// With the administrator's key lost, and every oracle silent, everybody gets their own back.
#[test]
fn a_lost_administrator_strands_nobody() {
    for at in [At::Open, At::Running, At::Submitted, At::Disputed] {
        let mut stage = Stage::at(113, at);
        stage.world.admin = stage.world.keys.keypair();
        stage.world.oracles.clear();
        stage.world.advance(61 * 24 * 3_600);
        let call = match at {
            At::Submitted => stage.world.settle_unobjected_call(&stage.key),
            _ => stage.world.expire_call(&stage.key),
        };
        stage.world.ok(&call);
        if stage.job().penalty_due > 0 {
            let opener = stage.world.person();
            let call = stage
                .world
                .open_slash_case_call(&stage.key, &stage.rig, &opener);
            stage.world.ok(&call);
        }
        stage.close();
        let (rig, paid) = (stage.rig.clone(), stage.world.tokens(&stage.rig.payout.io));
        stage.world.until_answered(&rig);
        let call = stage.world.retire_device_call(&rig);
        stage.world.ok(&call);
        let staked = stage.world.provider(&rig.provider).staked;
        let call = stage.world.request_unstake_call(&rig, staked);
        stage.world.ok(&call);
        stage.world.advance(i64::from(PARAMS.unbond_seconds));
        let call = stage.world.withdraw_stake_call(&rig);
        stage.world.ok(&call);
        assert_eq!(
            stage.world.tokens(&rig.authority.io),
            START_IO - (1_000 * IO - staked),
            "{at:?}"
        );
        assert_eq!(paid > 0, at == At::Submitted);
    }
}

/// No instruction lets the administrator, or anybody, name where an escrow goes: the treasury's undelivered share aside.
#[test]
fn the_administrator_cannot_touch_an_escrow() {
    for at in [At::Open, At::Running, At::Submitted, At::Disputed] {
        let mut stage = Stage::at(114, at);
        let admin = io_tests::Party {
            key: stage.world.admin.insecure_clone(),
            ..stage.renter.clone()
        };
        let to = stage
            .world
            .token_account(&stage.world.io_mint.clone(), &admin.pubkey(), 0);
        let call = stage.world.cancel_call(&stage.key, &admin.key);
        let expected = if at == At::Open {
            IoError::NotRenter
        } else {
            IoError::WrongState
        };
        stage.world.refuse(&call, expected);
        for payee in [
            io_network::Payee::Provider,
            io_network::Payee::Treasury,
            io_network::Payee::Payer,
        ] {
            let mut call = stage
                .world
                .release_owed_call(&stage.key, payee, &admin.key, &to);
            call.instruction.accounts[2].pubkey = stage.rig.provider;
            stage.world.refuse(&call, IoError::WrongState);
        }
        let call = stage.world.close_to_call(&stage.key, &admin.key, &to);
        stage.world.refuse(&call, IoError::WrongState);
        assert_eq!(stage.world.tokens(&to), 0);
        assert_eq!(stage.world.tokens(&stage.vault()), stage.job().escrow);
    }
}

/// Addresses: distinct inputs have distinct accounts, and only the canonical bump of each is accepted.
#[test]
fn addresses_are_canonical_and_never_collide() {
    let mut stage = Stage::empty(115, Mint::Io);
    let (renter, nonce) = (stage.renter.pubkey(), stage.terms.nonce.to_le_bytes());
    let mut others = Vec::new();
    for bump in (0..=255u8).rev() {
        let seeds: [&[u8]; 4] = [b"job", renter.as_ref(), &nonce, &[bump]];
        if let Ok(key) = Pubkey::create_program_address(&seeds, &io_network::ID) {
            others.push(key);
        }
    }
    assert_eq!(
        others[0], stage.key,
        "the highest bump is the canonical one"
    );
    for key in &others[1..3] {
        let mut call =
            stage
                .world
                .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
        call.instruction.accounts[5].pubkey = *key;
        call.instruction.accounts[6].pubkey = world::vault(key);
        stage.world.refuse(&call, ErrorCode::ConstraintSeeds);
    }
    let vaults: Vec<Pubkey> = (0..=255u8)
        .rev()
        .filter_map(|bump| {
            Pubkey::create_program_address(
                &[b"vault", stage.key.as_ref(), &[bump]],
                &io_network::ID,
            )
            .ok()
        })
        .collect();
    let mut call =
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms);
    call.instruction.accounts[6].pubkey = vaults[1];
    stage.world.refuse(&call, ErrorCode::ConstraintSeeds);

    // Jobs of one renter differ by nonce, jobs of two renters by renter, and no account is two things.
    let mut seen = std::collections::BTreeSet::new();
    let mut keys = io_tests::keys::Keys::new(115);
    for _ in 0..50 {
        let (a, b) = (keys.pubkey(), keys.bytes());
        for key in [
            world::provider(&a),
            world::stake_vault(&a),
            world::vault(&a),
            world::payment(&a),
            world::device(&b),
            world::job(&a, 0),
            world::job(&a, 1),
            world::job(&a, u64::MAX),
            world::slash_case(&a, 0),
            world::slash_case(&a, 1),
            world::treasury_shard(&a, 0),
            world::treasury_shard(&a, 1),
        ] {
            assert!(seen.insert(key), "two seeds lead to {key}");
        }
    }
}

/// Instruction data that is too short never panics.
#[test]
fn truncated_arguments_are_refused() {
    let stage = Stage::at(116, At::Submitted);
    let w = &stage.world;
    let someone = w.oracles[0].pubkey();
    let calls = [
        w.create_job_call(&stage.renter.key, &stage.payer, Mint::Io, stage.terms),
        w.submit_call(&stage.key, &stage.rig, 1),
        w.accept_call(&stage.key, &stage.rig, 1),
        w.update_params_call(PARAMS),
        w.propose_admin_call(&someone),
        w.attest_call(&stage.rig, &[0, 1]),
        w.stake_call(&stage.rig, 1),
    ];
    for call in calls {
        for keep in [8, 9, call.instruction.data.len() - 1] {
            let mut short = call.duplicate();
            short.instruction.data.truncate(keep);
            stage.fork().world.refuse(
                &short,
                Refusal::from(ErrorCode::InstructionDidNotDeserialize),
            );
        }
    }
    assert!(io_network::instruction::SettleJob {}.data().len() == 8);
}
