//! Changes of the configuration wait as long as the network says, and roles hold what they were given.

use io_network::{Roles, constants::PROPOSAL_VALID_SECONDS, errors::IoError, guard};
use io_tests::{
    CLASS_SMALL, Call, IN_USE, Mint, PARAMS, World,
    calls::{change_of, proposal_of, with_proposal},
    treasury::BUY_BACK,
    world::{self, payment_args},
};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Seconds.
const LOCK: u32 = 3 * 24 * 3_600;

/// A network in which every change could be made: with emission, a treasury with money, and an owner who can be paid.
fn prepared(seed: u64) -> World {
    let mut w = World::emitting(seed);
    let owner = w.person().pubkey();
    let mint = w.usd_mint;
    let account = Keypair::new_from_array([seed as u8; 32]);
    w.open_token_account(&account, &mint, &owner);
    w.mint_to(&mint, &world::treasury_shard(&mint, 0), 1_000);
    for call in [
        w.set_treasury_owner_call(&owner),
        w.init_treasury_main_call(&mint),
        w.sweep_call(&mint, &[0]),
    ] {
        w.ok(&call);
    }
    w
}

/// Every instruction that waits, as the administrator would send it.
fn guarded_calls(w: &mut World, seed: u64) -> Vec<Call> {
    let mint = w.keys.pubkey();
    let account = w.account(&w.usd_mint).expect("the mint");
    w.write(&mint, account);
    let oracle = w.oracles[0].pubkey();
    let usd = w.usd_mint;
    let to = Keypair::new_from_array([seed as u8; 32]).pubkey();
    let params = io_network::state::NetworkParams {
        reserve_bps: 26,
        ..PARAMS
    };
    vec![
        w.update_params_call(params),
        w.set_timelock_call(0),
        w.set_oracles_call(1, &[oracle]),
        w.set_treasury_owner_call(&oracle),
        w.withdraw_treasury_call(&usd, &to, 400),
        w.set_buy_back_call(&usd, BUY_BACK),
        w.set_enterprise_share_call(9_000),
        w.add_payment_mint_call(&mint, payment_args(Mint::Usd)),
        w.update_payment_mint_call(&usd, payment_args(Mint::Usd)),
        w.add_class_call(world::class_args(77, 100)),
        w.update_class_call(world::class_args(CLASS_SMALL, 100)),
    ]
}

fn locked(seed: u64) -> World {
    let mut w = prepared(seed);
    let call = w.set_timelock_call(LOCK);
    w.ok(&call);
    w
}

/// Publishes the call's change. Returns the call with its proposal.
fn propose(w: &mut World, call: &Call) -> Call {
    let admin = w.admin.insecure_clone();
    let publish = w.propose_change_call(&admin, call);
    w.ok(&publish);
    with_proposal(call, &proposal_of(call))
}

fn for_every_guarded_call(seed: u64, test: impl Fn(World, Call)) {
    let mut w = locked(seed);
    let calls = guarded_calls(&mut w, seed);
    let tags: std::collections::BTreeSet<_> = calls
        .iter()
        .map(|c| c.instruction.data[..8].to_vec())
        .collect();
    assert_eq!(tags.len(), guard::count(), "a call for each instruction");
    for call in calls {
        test(w.fork(), call);
    }
}

#[test]
fn without_a_timelock_nothing_waits() {
    let mut w = prepared(700);
    for call in guarded_calls(&mut w, 700) {
        w.fork().ok(&call);
    }
}

#[test]
fn under_a_timelock_no_change_goes_through_unpublished() {
    for_every_guarded_call(701, |mut w, call| {
        w.refuse(&call, IoError::ProposalRequired)
    });
}

#[test]
fn a_published_change_waits_to_the_second_and_lapses_to_the_second() {
    for_every_guarded_call(702, |mut w, call| {
        let ready = propose(&mut w, &call);
        let at = proposal_of(&call);
        let proposal = w.proposal(&at);
        assert_eq!(proposal.ready_at, w.now() + i64::from(LOCK));
        assert_eq!(
            proposal.expires_at,
            proposal.ready_at + i64::from(PROPOSAL_VALID_SECONDS)
        );
        w.refuse(&ready, IoError::ProposalNotReady);
        for (time, expected) in [
            (proposal.ready_at - 1, Some(IoError::ProposalNotReady)),
            (proposal.ready_at, None),
            (proposal.ready_at + 1, None),
            (proposal.expires_at - 1, None),
            (proposal.expires_at, None),
            (proposal.expires_at + 1, Some(IoError::ProposalExpired)),
        ] {
            let mut w = w.fork();
            w.at(time);
            match expected {
                Some(error) => w.refuse(&ready, error),
                None => drop(w.ok(&ready)),
            }
        }
    });
}

#[test]
fn a_change_takes_effect_once_and_gives_its_rent_back() {
    for_every_guarded_call(703, |mut w, call| {
        let ready = propose(&mut w, &call);
        let at = proposal_of(&call);
        let rent = w.lamports(&at);
        assert!(rent > 0);
        w.advance(i64::from(LOCK));
        let before = w.lamports(&w.admin.pubkey());
        let accounts = ready.instruction.accounts.iter().map(|m| m.pubkey);
        let fresh: Vec<_> = accounts.filter(|key| w.account(key).is_none()).collect();
        w.ok(&ready);
        assert!(w.account(&at).is_none(), "used up");
        // What the call itself creates, the administrator pays for.
        let created: u64 = fresh.iter().map(|key| w.lamports(key)).sum();
        assert_eq!(w.lamports(&w.admin.pubkey()), before + rent - created);
        let again = w.attempt(&ready).expect_err("a used proposal is gone");
        assert!(
            again.is(anchor_lang::error::ErrorCode::AccountOwnedByWrongProgram.into())
                || again.is(IN_USE),
            "{:?}",
            again.error
        );
    });
}

/// The proposal lets through exactly the call that was published: not another instruction's, target's or argument's.
#[test]
fn a_proposal_is_of_one_change_only() {
    for_every_guarded_call(704, |mut w, call| {
        propose(&mut w, &call);
        let at = proposal_of(&call);
        w.advance(i64::from(LOCK));
        for other in guarded_calls(&mut w, 704) {
            if change_of(&other).hash() != change_of(&call).hash() {
                let other = with_proposal(&other, &at);
                let failed = w.attempt(&other).expect_err("another change");
                assert!(
                    failed.is(IoError::WrongProposal.into()),
                    "{:?}",
                    failed.error
                );
            }
        }
        // One argument byte.
        let mut bent = with_proposal(&call, &at);
        let last = bent.instruction.data.len() - 1;
        bent.instruction.data[last] ^= 1;
        assert!(w.attempt(&bent).is_err());
    });
}

#[test]
fn one_change_is_published_once_at_a_time() {
    let mut w = locked(705);
    let call = w.update_params_call(PARAMS);
    propose(&mut w, &call);
    let admin = w.admin.insecure_clone();
    w.advance(10);
    let again = w.propose_change_call(&admin, &call);
    w.refuse(&again, IN_USE);
    let cancel = w.cancel_change_call(&admin, &proposal_of(&call));
    w.ok(&cancel);
    assert!(w.account(&proposal_of(&call)).is_none());
    w.ok(&again);
    assert_eq!(
        w.proposal(&proposal_of(&call)).ready_at,
        w.now() + i64::from(LOCK),
        "it waits anew"
    );
}

#[test]
fn only_what_waits_can_be_proposed() {
    let mut w = locked(706);
    let admin = w.admin.insecure_clone();
    let mut call = w.propose_change_call(&admin, &w.update_params_call(PARAMS));
    let paused = w.set_paused_call(true);
    let change = io_network::Change {
        tag: paused.instruction.data[..8].try_into().expect("a tag"),
        target: world::network(),
        arguments: vec![1],
    };
    let fresh = world::proposal(&change.hash());
    call.instruction.accounts[2].pubkey = fresh;
    call.instruction.data =
        anchor_lang::InstructionData::data(&io_network::instruction::ProposeChange { change });
    w.refuse(&call, IoError::NotProposable);
}

#[test]
fn the_administrator_and_the_proposer_withdraw() {
    let mut w = locked(707);
    let (role, stranger) = (w.person(), w.person());
    let roles = Roles {
        pauser: stranger.pubkey(),
        params: role.pubkey(),
        oracles: stranger.pubkey(),
    };
    let call = w.set_roles_call(roles);
    w.ok(&call);
    let change = w.update_params_call(PARAMS);
    let publish = w.propose_change_call(&role, &change);
    w.ok(&publish);
    let at = proposal_of(&change);
    let call = w.cancel_change_call(&stranger, &at);
    w.refuse(&call, IoError::NotAdmin);
    for key in [&role, &w.admin.insecure_clone()] {
        let mut w = w.fork();
        let (rent, before) = (w.lamports(&at), w.lamports(&key.pubkey()));
        let call = w.cancel_change_call(key, &at);
        w.ok(&call);
        assert_eq!(w.lamports(&key.pubkey()), before + rent);
    }
}

#[test]
fn raising_the_timelock_acts_at_once_and_lowering_waits() {
    let mut w = World::new(708);
    for seconds in [1, LOCK, LOCK, 30 * 24 * 3_600] {
        let call = w.set_timelock_call(seconds);
        w.ok(&call);
        assert_eq!(w.network().timelock_seconds, seconds);
    }
    let call = w.set_timelock_call(30 * 24 * 3_600 + 1);
    w.refuse(&call, IoError::ParameterOutOfBounds);
    let call = w.set_timelock_call(LOCK);
    w.refuse(&call, IoError::ProposalRequired);
    let ready = propose(&mut w, &call);
    w.advance(30 * 24 * 3_600 - 1);
    w.refuse(&ready, IoError::ProposalNotReady);
    w.advance(1);
    w.ok(&ready);
    assert_eq!(w.network().timelock_seconds, LOCK);
}

/// A change waits as long as was said when it was published, whatever happens to the timelock meanwhile.
#[test]
fn a_published_change_keeps_its_time() {
    let mut w = locked(709);
    let call = w.update_params_call(PARAMS);
    let ready = propose(&mut w, &call);
    let raise = w.set_timelock_call(2 * LOCK);
    w.ok(&raise);
    w.advance(i64::from(LOCK));
    w.ok(&ready);
}

#[test]
fn each_role_does_its_own_and_nothing_else() {
    let mut w = prepared(710);
    let keys: [Keypair; 3] = std::array::from_fn(|_| w.person());
    let call = w.set_roles_call(Roles {
        pauser: keys[0].pubkey(),
        params: keys[1].pubkey(),
        oracles: keys[2].pubkey(),
    });
    w.ok(&call);
    let owner = w.admin.insecure_clone();
    for (who, key) in keys.iter().enumerate() {
        let mut w = w.fork();
        w.admin = key.insecure_clone();
        for call in guarded_calls(&mut w, 710) {
            let tag = &call.instruction.data[..8];
            let may = match guard::role_of(tag).expect("a guarded call") {
                guard::Role::Admin => false,
                guard::Role::Params => who == 1,
                guard::Role::Oracles => who == 2,
            };
            let publish = w.propose_change_call(key, &call);
            match may {
                true => {
                    w.fork().ok(&call);
                    w.fork().ok(&publish);
                }
                false => {
                    w.fork().refuse(&call, IoError::NotAdmin);
                    w.fork().refuse(&publish, IoError::NotAdmin);
                }
            }
        }
        let pause = w.set_paused_call(true);
        match who {
            0 => drop(w.ok(&pause)),
            _ => w.refuse(&pause, IoError::NotAdmin),
        }
        for call in [
            w.set_paused_call(false),
            w.propose_admin_call(&key.pubkey()),
            w.set_roles_call(Roles {
                pauser: key.pubkey(),
                params: key.pubkey(),
                oracles: key.pubkey(),
            }),
        ] {
            w.refuse(&call, IoError::NotAdmin);
        }
        w.admin = owner.insecure_clone();
        let resume = w.set_paused_call(false);
        w.ok(&resume);
    }
    // Nobody's role is nobody's: the zero key signs nothing.
    let call = w.set_roles_call(Roles {
        pauser: Default::default(),
        params: Default::default(),
        oracles: Default::default(),
    });
    w.ok(&call);
    w.admin = keys[1].insecure_clone();
    let call = w.update_params_call(PARAMS);
    w.refuse(&call, IoError::NotAdmin);
}
