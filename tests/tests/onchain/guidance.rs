//! Reference prices move by attested utilisation, a bounded step an epoch.

use io_network::{ClassArgs, errors::IoError};
use io_protocol::{guidance::next_price, money::IO, rewards::Leaf};
use io_tests::{CLASS_BIG, CLASS_SMALL, PARAMS, World, ed25519, world};

/// Another epoch is over and has its root on chain.
fn next_epoch(w: &mut World) -> u64 {
    let leaf = Leaf {
        provider: [7; 32],
        cumulative: 1,
    };
    w.publish_epoch(&[leaf]).0
}

#[test]
fn a_price_follows_utilisation_step_by_step() {
    let mut w = World::emitting(750);
    let at = world::class(CLASS_SMALL);
    assert_eq!(w.class(&at).reference_price, IO);
    let mut price = IO;
    for (i, utilisation) in [10_000, 10_000, 0, 7_000, 6_999, 7_001, 0]
        .into_iter()
        .enumerate()
    {
        let epoch = next_epoch(&mut w);
        let call = w.update_guidance_call(CLASS_SMALL, epoch, utilisation, &[0, 2]);
        w.ok(&call);
        price = next_price(
            price,
            utilisation,
            PARAMS.target_utilisation_bps,
            IO / 10,
            100 * IO,
        );
        let class = w.class(&at);
        assert_eq!(
            (
                class.reference_price,
                class.guidance_epoch,
                class.utilisation_bps
            ),
            (price, epoch, utilisation),
            "step {i}"
        );
        w.refuse(&call, IoError::EpochNotAcceptable);
    }
    assert_ne!(price, IO);
}

#[test]
fn an_epoch_counts_once_its_root_is_on_chain_and_while_it_is_new() {
    let mut w = World::emitting(751);
    // It is over, and nobody has signed what it was.
    w.advance(3_600);
    let call = w.update_guidance_call(CLASS_SMALL, 1, 1, &[0, 1]);
    w.refuse(&call, IoError::EpochNotAcceptable);
    let mut now = 0;
    for _ in 0..5 {
        now = next_epoch(&mut w);
    }
    for (epoch, good) in [
        (now + 1, false),
        (now, true),
        (now - 1, true),
        (now - 2, true),
        (now - 3, false),
        (0, false),
        (u64::MAX, false),
    ] {
        let call = w.update_guidance_call(CLASS_SMALL, epoch, 1, &[0, 1]);
        match good {
            true => drop(w.fork().ok(&call)),
            false => w.refuse(&call, IoError::EpochNotAcceptable),
        }
    }
    // An earlier epoch after a later one is void.
    let late = w.update_guidance_call(CLASS_SMALL, now - 1, 1, &[0, 1]);
    w.ok(&late);
    let early = w.update_guidance_call(CLASS_SMALL, now - 2, 1, &[0, 1]);
    w.refuse(&early, IoError::EpochNotAcceptable);
    let call = w.update_guidance_call(CLASS_SMALL, now, 10_001, &[0, 1]);
    w.refuse(&call, IoError::ParameterOutOfBounds);
}

#[test]
fn an_hour_since_the_unix_epoch_on_record_freezes_no_price() {
    let mut w = World::emitting(754);
    let epoch = next_epoch(&mut w);
    let at = world::class(CLASS_SMALL);
    // As an earlier version of the program left it.
    let mut class = w.class(&at);
    class.guidance_epoch = 495_000;
    let mut account = w.account(&at).expect("the class");
    account.data[8..].copy_from_slice(bytemuck::bytes_of(&class));
    w.write(&at, account);
    let call = w.update_guidance_call(CLASS_SMALL, epoch, 10_000, &[0, 2]);
    w.ok(&call);
    let class = w.class(&at);
    assert_eq!(class.guidance_epoch, epoch);
    assert!(class.reference_price > IO);
    w.refuse(&call, IoError::EpochNotAcceptable);
}

#[test]
fn a_quorum_signs_exactly_this() {
    let mut w = World::emitting(752);
    next_epoch(&mut w);
    let epoch = next_epoch(&mut w);
    let call = w.update_guidance_call(CLASS_SMALL, epoch, 5_000, &[1]);
    w.refuse(&call, IoError::QuorumNotReached);
    // Another class, epoch or figure; signed for an earlier set.
    let mut wrong = w.update_guidance_call(CLASS_SMALL, epoch, 5_000, &[0, 1]);
    for statement in [
        w.guidance_statement(CLASS_BIG, epoch, 5_000),
        w.guidance_statement(CLASS_SMALL, epoch - 1, 5_000),
        w.guidance_statement(CLASS_SMALL, epoch, 5_001),
        io_protocol::guidance::GuidanceStatement {
            set_version: 0,
            ..w.guidance_statement(CLASS_SMALL, epoch, 5_000)
        },
    ] {
        wrong.before = vec![ed25519::signed(
            &statement.to_bytes(),
            &w.oracle_keys(&[0, 1]),
        )];
        w.refuse(&wrong, IoError::WrongMessage);
    }
}

#[test]
fn classes_bound_their_price() {
    let mut w = World::emitting(753);
    let args = |price_floor, price_ceiling, reference_price| ClassArgs {
        price_floor,
        price_ceiling,
        reference_price,
        ..world::class_args(CLASS_SMALL, 125)
    };
    let at = world::class(CLASS_SMALL);
    let call = w.update_class_call(args(2, 1, 0));
    w.refuse(&call, IoError::ParameterOutOfBounds);
    for (floor, ceiling, given, price) in [
        (0, 100 * IO, 0, IO),
        (2 * IO, 3 * IO, 0, 2 * IO),
        (0, IO / 2, 0, IO / 2),
        (0, 10 * IO, 7 * IO, 7 * IO),
        (0, 10 * IO, 70 * IO, 10 * IO),
        (0, 0, 0, 0),
    ] {
        let call = w.update_class_call(args(floor, ceiling, given));
        w.ok(&call);
        assert_eq!(w.class(&at).reference_price, price);
    }
    // A class without bounds has no reference price.
    let call = w.update_guidance_call(CLASS_SMALL, 1, 1, &[0, 1]);
    w.refuse(&call, IoError::NoGuidance);
}
