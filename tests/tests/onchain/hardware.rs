//! A wrong cell under an operator's signature costs the device, on nobody's word but the arithmetic's.

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use io_network::{
    constants::{EVICT_SECONDS, EVIDENCE_SECONDS, EVIDENCE_SLOTS},
    errors::IoError,
    state::{SlashCase, SlashParty},
};
use io_protocol::{
    hardware::{CommitmentStatement, RevealStatement},
    messages::epoch_of,
    money::IO,
    slashing::SlashVerdict,
};
use io_tests::{
    At, CLASS_SMALL, Mint, PARAMS, Rig, STAKE, Stage, World,
    ed25519::Ed25519,
    hardware::{Cell, commitment, evidence},
    reckon, world,
};
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;

const BOND: u64 = 1_000 * IO;
const HOUR: i64 = 3_600;

/// A device, and somebody who has written down a cell of its that is wrong.
struct Scene {
    world: World,
    rig: Rig,
    challenger: Keypair,
    cell: Cell,
}

impl Scene {
    fn of(seed: u64, cell: Cell) -> Self {
        let mut world = World::new(seed);
        let rig = world.rig(CLASS_SMALL, BOND);
        let challenger = world.person();
        world.write_claim(&challenger, &cell);
        Self {
            world,
            rig,
            challenger,
            cell,
        }
    }

    fn new(seed: u64) -> Self {
        Self::of(seed, Cell::off_by(64, 3, 1))
    }

    fn fork(&self) -> Self {
        Self {
            world: self.world.fork(),
            rig: self.rig.clone(),
            challenger: self.challenger.insecure_clone(),
            cell: self.cell.clone(),
        }
    }

    /// The cell is proven, and the provider has appealed.
    fn appealed(seed: u64) -> (Self, Pubkey) {
        let mut s = Self::new(seed);
        let (said, operator) = (s.said(), s.rig.operator.insecure_clone());
        let call = s.call(&said, &operator);
        s.world.ok(&call);
        let key = world::slash_case(&s.rig.provider, 0);
        let appeal = s.world.appeal_slash_call(&s.rig, &key);
        s.world.ok(&appeal);
        (s, key)
    }

    fn said(&self) -> CommitmentStatement {
        self.world.committed(&self.rig, &self.cell)
    }

    fn call(&self, said: &CommitmentStatement, signer: &Keypair) -> io_tests::Call {
        self.world
            .prove_bad_cell_call(&self.challenger, &self.rig, said, signer)
    }

    #[track_caller]
    fn refuse(&mut self, said: &CommitmentStatement, error: IoError) {
        let operator = self.rig.operator.insecure_clone();
        let call = self.call(said, &operator);
        self.world.refuse(&call, error);
    }
}

/// From the wrong cell to the challenger's reward: the whole bond at stake is escrowed, and after the time for an appeal divided.
#[test]
fn a_wrong_cell_costs_the_bond_and_rewards_its_challenger() {
    let mut s = Scene::new(480);
    let said = s.said();
    let operator = s.rig.operator.insecure_clone();
    let staked = s.world.provider(&s.rig.provider).staked;
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    let device = s.world.device(&s.rig.device);
    assert_eq!((device.bond, device.failed), (0, 1));
    assert_eq!(s.world.provider(&s.rig.provider).staked, staked - BOND);
    let key = world::slash_case(&s.rig.provider, 0);
    let case = s.world.slash_case(&key);
    assert_eq!(case.subject, said.commitment);
    assert_eq!((case.amount, case.cause), (BOND, 3));
    assert_eq!(
        (case.device, case.challenger),
        (s.rig.device, s.challenger.pubkey())
    );
    assert_eq!(
        (case.job, case.renter, case.accusers),
        (Pubkey::default(), Pubkey::default(), 0)
    );
    assert_eq!(
        case.appeal_until,
        s.world.now() + i64::from(STAKE.appeal_seconds)
    );
    assert_eq!(s.world.tokens(&world::vault(&key)), BOND);

    // The evidence has served its purpose: its rent comes back.
    let close = s.world.close_evidence_call(&s.challenger);
    s.world.ok(&close);
    assert!(s.world.account(&evidence(&s.challenger.pubkey())).is_none());

    s.world.at(case.appeal_until + 1);
    let call = s.world.finalise_slash_case_call(&key);
    s.world.ok(&call);
    let share = BOND * u64::from(STAKE.slash_challenger_bps) / 10_000;
    let case = s.world.slash_case(&key);
    // There is no renter: nobody else has a share, and the case can end.
    assert_eq!(
        (case.owed_challenger, case.owed_renter, case.burned),
        (share, 0, BOND - share)
    );
    let mint = s.world.io_mint;
    let reward = s.world.token_account(&mint, &s.challenger.pubkey(), 0);
    let call = s
        .world
        .pay_slash_share_call(&key, SlashParty::Challenger, &reward);
    s.world.ok(&call);
    assert_eq!(s.world.tokens(&reward), share);
    let call = s.world.close_slash_case_call(&key);
    s.world.ok(&call);
}

/// Due process as in any case: the provider appeals, a quorum decides.
#[test]
fn a_provider_may_appeal_against_a_wrong_cell() {
    let (mut s, key) = Scene::appealed(481);
    let call = s
        .world
        .decide_slash_call(&key, SlashVerdict::Returned, &[0, 1]);
    s.world.ok(&call);
    assert_eq!(s.world.provider(&s.rig.provider).staked, BOND);
}

/// The program itself has found it: oracles that are gone, or say nothing, forgive nothing.
#[test]
fn a_wrong_cell_is_not_forgiven_by_silence() {
    let (mut s, key) = Scene::appealed(498);
    let case = s.world.slash_case(&key);
    s.world.at(case.decide_until);
    let early = s.world.finalise_slash_case_call(&key);
    s.world.refuse(&early, IoError::DeadlineNotPassed);
    s.world.at(case.decide_until + 1);
    let call = s.world.finalise_slash_case_call(&key);
    s.world.ok(&call);
    let share = BOND * u64::from(STAKE.slash_challenger_bps) / 10_000;
    let upheld = s.world.slash_case(&key);
    assert_eq!(
        (upheld.owed_challenger, upheld.owed_appellant, upheld.burned),
        (share, 0, BOND - share + case.appeal_bond)
    );
    assert_eq!(s.world.provider(&s.rig.provider).staked, 0);
}

#[test]
fn a_right_cell_and_another_commitment_prove_nothing() {
    // What is right is by the definition: in a small size, in the least that rounds ask for, where hashes are first gathered more than once,
    // and in the largest.
    for n in [64, 1_024, 32_768] {
        let mut right = Scene::of(482, Cell::off_by(n, 3, 0));
        let said = right.said();
        right.refuse(&said, IoError::CellIsRight);
    }

    let s = Scene::new(483);
    let said = s.said();
    let bend = |bend: &dyn Fn(&mut CommitmentStatement)| {
        let mut other = said;
        bend(&mut other);
        other
    };
    let others = [
        (
            "commitment",
            bend(&|s| s.commitment[0] ^= 1),
            IoError::BadProof,
        ),
        ("round", bend(&|s| s.round_seed[0] ^= 1), IoError::BadProof),
        (
            "program",
            bend(&|s| s.deployment.program[0] ^= 1),
            IoError::WrongMessage,
        ),
        (
            "cluster",
            bend(&|s| s.deployment.cluster[0] ^= 1),
            IoError::WrongMessage,
        ),
        ("device", bend(&|s| s.device[0] ^= 1), IoError::WrongMessage),
    ];
    for (what, other, error) in others {
        let call = s.call(&other, &s.rig.operator);
        let mut w = s.world.fork();
        assert!(
            w.attempt(&call).is_err_and(|f| f.is(error.into())),
            "another {what}"
        );
    }
    // Every part of the claim is bound: none can be another's.
    for at in [0, 4, 8, 12, 16, 32, 64, 96, 96 + 128, 96 + 128 + 800] {
        let mut bent = s.fork();
        let mut bytes = bent.cell.bytes();
        // Another column of the same leaf would be as wrong.
        bytes[at] ^= if at == 16 { 32 } else { 1 };
        bent.world.write_bytes(&bent.challenger, &bytes);
        let call = bent.call(&said, &bent.rig.operator);
        assert!(
            bent.world
                .attempt(&call)
                .is_err_and(|f| f.is(IoError::BadProof.into())),
            "byte {at}"
        );
    }
    // Paths longer than any are refused before they are read.
    for at in [20, 24] {
        let mut bent = s.fork();
        let mut bytes = bent.cell.bytes();
        bytes[at] = 255;
        bent.world.write_bytes(&bent.challenger, &bytes);
        bent.refuse(&said, IoError::ParameterOutOfBounds);
    }
    let mut s = s;
    let call = s.world.write_evidence_call(&s.challenger, 1_280, &[0]);
    s.world.refuse(&call, IoError::ParameterOutOfBounds);
    let call = s.world.write_evidence_call(&s.challenger, u16::MAX, &[0]);
    s.world.refuse(&call, IoError::ParameterOutOfBounds);
}

/// A statement of another domain, however long, is no commitment.
#[test]
fn only_a_commitments_domain_counts() {
    let mut s = Scene::new(484);
    let said = s.said();
    let mut bytes = said.to_bytes();
    bytes[..16].copy_from_slice(b"io/ticket/2.....");
    let signed = Ed25519::signed(&bytes, &[&s.rig.operator]).instruction();
    let call = s.world.prove_bad_cell_with(&s.challenger, &s.rig, signed);
    s.world.refuse(&call, IoError::WrongMessage);
    let reveal = RevealStatement {
        deployment: said.deployment,
        oracle: said.device,
        round_seed: said.round_seed,
    };
    let signed = Ed25519::signed(&reveal.to_bytes(), &[&s.rig.operator]).instruction();
    let call = s.world.prove_bad_cell_with(&s.challenger, &s.rig, signed);
    s.world
        .refuse(&call, IoError::MalformedSignatureInstruction);
}

/// One signature, in the one layout: nothing borrowed from elsewhere, nothing beside it.
#[test]
fn the_signatures_layout_is_the_agreed_one() {
    let mut s = Scene::new(485);
    let said = s.said();
    let (bytes, operator) = (said.to_bytes(), s.rig.operator.insecure_clone());
    let good = Ed25519::signed(&bytes, &[&operator]);
    let mut bent = Vec::new();
    let mut longer = good.clone();
    longer.tail = vec![0];
    bent.push(longer.instruction());
    let stranger = s.world.keys.keypair();
    bent.push(Ed25519::signed(&bytes, &[&operator, &stranger]).instruction());
    bent.push(Ed25519::signed(&bytes[..183], &[&operator]).instruction());
    for signature in bent {
        let call = s
            .world
            .prove_bad_cell_with(&s.challenger, &s.rig, signature);
        s.world
            .refuse(&call, IoError::MalformedSignatureInstruction);
    }
    let mut none = s
        .world
        .prove_bad_cell_with(&s.challenger, &s.rig, good.instruction());
    none.before.pop();
    s.world.refuse(&none, IoError::NoSignatureInstruction);
    // A signature that is none stops at the precompile.
    let mut forged = good.clone();
    forged.pairs[0].0[0] ^= 1;
    let call = s
        .world
        .prove_bad_cell_with(&s.challenger, &s.rig, forged.instruction());
    assert!(s.world.attempt(&call).is_err());
    let call = s
        .world
        .prove_bad_cell_with(&s.challenger, &s.rig, good.instruction());
    s.world.ok(&call);
}

/// The precompile verifies what lies in other instructions too: the program would then read bytes that nobody signed.
#[test]
fn nothing_is_borrowed_from_another_instruction() {
    let mut s = Scene::new(496);
    let accusing = s.said().to_bytes();
    let honest = s
        .world
        .committed(&s.rig, &Cell::off_by(64, 3, 0))
        .to_bytes();
    let (operator, thief) = (
        s.rig.operator.insecure_clone(),
        s.challenger.insecure_clone(),
    );
    // Behind the compute budget's instruction.
    let elsewhere = 1;

    // What the operator did sign lies elsewhere, and what it didn't where the program looks.
    let other = Ed25519::signed(&honest, &[&operator]);
    let mut message = other.clone();
    message.message = accusing.to_vec();
    message.records[0].message_instruction = elsewhere;
    let message = ("message", other, message);
    // A stranger signed; the operator's key lies where the program looks.
    let other = Ed25519::signed(&accusing, &[&thief]);
    let mut key = other.clone();
    key.pairs[0].1 = operator.pubkey().to_bytes();
    key.records[0].key_instruction = elsewhere;
    let key = ("key", other, key);
    // All is signed, and a part of it in the wrong place.
    let other = Ed25519::signed(&accusing, &[&operator]);
    let mut signature = other.clone();
    signature.pairs[0].0 = [7; 64];
    signature.records[0].signature_instruction = elsewhere;
    let mut number = other.clone();
    number.records[0].message_instruction = elsewhere + 1;
    let signature = ("signature", other.clone(), signature);
    let number = ("its own number", other, number);
    for (what, other, borrowed) in [message, key, signature, number] {
        let mut call = s
            .world
            .prove_bad_cell_with(&s.challenger, &s.rig, borrowed.instruction());
        call.before.insert(elsewhere.into(), other.instruction());
        let refused = s.world.attempt(&call).expect_err(what);
        assert!(
            refused.is(IoError::MalformedSignatureInstruction.into()),
            "{what}: {:?}",
            refused.error
        );
    }
}

/// Nobody but the device's operator can incriminate it.
#[test]
fn only_its_operator_incriminates_a_device() {
    let mut s = Scene::new(486);
    let said = s.said();
    let others = [
        s.world.keys.keypair(),
        s.rig.authority.key.insecure_clone(),
        s.challenger.insecure_clone(),
        s.world.oracles[0].insecure_clone(),
    ];
    for signer in others {
        let call = s.call(&said, &signer);
        s.world.refuse(&call, IoError::NotOperator);
    }
    // Another device of the same provider, with another operator.
    let second = s.world.second_device(&s.rig, BOND);
    let call = s
        .world
        .prove_bad_cell_call(&s.challenger, &second, &said, &second.operator);
    s.world.refuse(&call, IoError::WrongMessage);

    let call = s.call(&said, &s.rig.operator);
    s.world.ok(&call);
}

/// Whoever stole an operator's key signs wrong commitments for every hour that can still be brought. They cost one fault a day, and the operator
/// can be changed meanwhile.
#[test]
fn a_stolen_key_costs_one_fault_a_day() {
    let mut s = Scene::new(493);
    let call = s.world.stake_call(&s.rig, 5 * BOND);
    s.world.ok(&call);
    s.world.advance(3 * 24 * HOUR);
    let (said, operator) = (s.said(), s.rig.operator.insecure_clone());
    let hour = epoch_of(s.world.now());
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    // The same again, with the next case's number; and another one of each hour that counts now or in the next day.
    let refill = s.world.set_device_bond_call(&s.rig, BOND);
    s.world.ok(&refill);
    for later in 0..=24 {
        s.world.at((hour as i64 + later) * HOUR + HOUR - 1);
        let now = epoch_of(s.world.now());
        for epoch in [now - 24, hour - 1, hour, hour + 1, now] {
            let said = s.cell.statement(s.world.deployment(), &s.rig.device, epoch);
            s.refuse(&said, IoError::EpochNotAcceptable);
        }
    }
    assert_eq!(s.world.device(&s.rig.device).failed, 1);
    // A second later is a day since the end of that hour: one more, of a later hour.
    s.world.advance(1);
    let [old, new] =
        [hour, hour + 1].map(|epoch| s.cell.statement(s.world.deployment(), &s.rig.device, epoch));
    s.refuse(&old, IoError::EpochNotAcceptable);
    let call = s.call(&new, &operator);
    s.world.ok(&call);
    assert_eq!(s.world.device(&s.rig.device).failed, 2);
    assert_eq!(s.world.provider(&s.rig.provider).slash_cases, 2);
    let again = s.said();
    s.refuse(&again, IoError::EpochNotAcceptable);
    // The clock goes back: neither what was proven nor what is not signed yet counts.
    for back in [1, HOUR, 25 * HOUR, 30 * 24 * HOUR] {
        let mut s = s.fork();
        s.world.advance(-back);
        let then = s.said();
        for said in [then, new, again] {
            s.refuse(&said, IoError::EpochNotAcceptable);
        }
    }
}

#[test]
fn a_proof_is_of_the_last_day_and_not_of_the_future() {
    let mut s = Scene::new(487);
    s.world.advance(3 * 24 * HOUR);
    let now = epoch_of(s.world.now());
    let day = (EVIDENCE_SECONDS / HOUR) as u64;
    for (epoch, good) in [
        (now + 1, false),
        (now, true),
        (now - day, true),
        (now - day - 1, false),
        (0, false),
        (u64::MAX, false),
    ] {
        let mut s = s.fork();
        let said = s.cell.statement(s.world.deployment(), &s.rig.device, epoch);
        if good {
            let call = s.call(&said, &s.rig.operator);
            s.world.ok(&call);
        } else {
            s.refuse(&said, IoError::EpochNotAcceptable);
        }
    }
}

/// What was signed before the hardware was registered is another holder's.
#[test]
fn a_new_holder_does_not_answer_for_the_old_one() {
    let mut s = Scene::new(488);
    let rig = s.rig.clone();
    s.world.until_answered(&rig);
    let before = s.said();
    let retire = s.world.retire_device_call(&s.rig);
    s.world.ok(&retire);
    s.world.advance(HOUR);
    // The same hardware and even the same operator's key, with another provider.
    let new = s.world.unregistered_rig(CLASS_SMALL);
    let rig = Rig {
        hardware: s.rig.hardware,
        device: s.rig.device,
        operator: s.rig.operator.insecure_clone(),
        ..new
    };
    let call = s.world.register_provider_call(&rig);
    s.world.ok(&call);
    let call = s.world.stake_call(&rig, BOND);
    s.world.ok(&call);
    s.world.ready_device(&rig, BOND);
    s.rig = rig;
    s.refuse(&before, IoError::EpochNotAcceptable);
    let now = s.said();
    let call = s.call(&now, &s.rig.operator);
    s.world.ok(&call);
}

/// A change of operator neither frees the one before nor burdens the one after; and changing often doesn't help.
#[test]
fn an_operator_answers_for_its_own_time() {
    let mut s = Scene::new(489);
    let (first, second) = (s.rig.operator.insecure_clone(), s.world.person());
    s.world.advance(2 * HOUR);
    let before = s.said();
    let call = s.world.set_device_operator_call(&s.rig, &second.pubkey());
    s.world.ok(&call);
    let changed = s.said();
    s.world.advance(2 * HOUR);
    let after = s.said();
    for (what, said, signer, good) in [
        ("the former, before", &before, &first, true),
        (
            "the former, in the hour of the change",
            &changed,
            &first,
            true,
        ),
        ("the former, after", &after, &first, false),
        ("the new one, after", &after, &second, true),
        (
            "the new one, in the hour of the change",
            &changed,
            &second,
            true,
        ),
    ] {
        let mut s = s.fork();
        let call = s.call(said, signer);
        match good {
            true => assert!(s.world.attempt(&call).is_ok(), "{what}"),
            false => s.world.refuse(&call, IoError::NotOperator),
        }
    }
    // Twice within a day would forget the first.
    let third = s.world.keys.pubkey();
    let again = s.world.set_device_operator_call(&s.rig, &third);
    s.world.refuse(&again, IoError::DeadlineNotPassed);
    // The same once more changes nothing, whenever.
    let same = s.world.set_device_operator_call(&s.rig, &second.pubkey());
    s.world.ok(&same);
    let since = s.world.device(&s.rig.device).operator_since;
    for (late, good) in [(-1, false), (0, true)] {
        let mut s = s.fork();
        s.world.at(since + EVIDENCE_SECONDS + late);
        let call = s.world.set_device_operator_call(&s.rig, &third);
        match good {
            true => drop(s.world.ok(&call)),
            false => s.world.refuse(&call, IoError::DeadlineNotPassed),
        }
    }
}

/// Whoever sees a proof coming cannot take the bond out of its way: device and bond stay until nothing that led to the device's figures can be
/// proven any more. Then the way out is open.
#[test]
fn neither_device_nor_bond_leaves_before_it_has_answered() {
    let mut s = Scene::new(497);
    s.world.advance(2 * HOUR);
    let rig = s.rig.clone();
    s.world.attest(&rig);
    let attested = s.world.now();
    let said = s.said();
    let until = (attested / HOUR + 25) * HOUR;
    for (at, may_leave) in [
        (attested, false),
        // The clock goes backwards.
        (attested - HOUR, false),
        (attested + 24 * HOUR, false),
        (until - 1, false),
        (until, true),
        (until + 1, true),
    ] {
        let mut s = s.fork();
        s.world.at(at);
        let lower = s.world.set_device_bond_call(&rig, BOND - 1);
        let retire = s.world.retire_device_call(&rig);
        // It may be raised at any time, and what is free may leave.
        let raise = [
            s.world.stake_call(&rig, 2 * IO),
            s.world.set_device_bond_call(&rig, BOND + IO),
            s.world.request_unstake_call(&rig, IO),
        ];
        for call in raise {
            s.world.ok(&call);
        }
        if !may_leave {
            for call in [&lower, &retire] {
                s.world.refuse(call, IoError::StillAnswering);
            }
            if at >= attested {
                let prove = s.call(&said, &rig.operator);
                s.world.ok(&prove);
                let case = s.world.slash_case(&world::slash_case(&rig.provider, 0));
                assert_eq!(case.amount, BOND + IO);
            }
            continue;
        }
        s.refuse(&said, IoError::EpochNotAcceptable);
        s.world.ok(&lower);
        s.world.ok(&retire);
    }
    // A device without figures has earned nothing, and goes when it likes.
    let hardware = s.world.keys.bytes();
    let fresh = Rig {
        hardware,
        device: world::device(&hardware),
        ..rig
    };
    for call in [
        s.world.stake_call(&fresh, BOND),
        s.world.register_device_call(&fresh, BOND),
        s.world.set_device_bond_call(&fresh, 0),
        s.world.retire_device_call(&fresh),
    ] {
        s.world.ok(&call);
    }
}

/// A device whose whole bond covers a job, of a provider that has `stake` in all. And the job.
fn exposed(seed: u64, stake: u64) -> (Scene, Pubkey) {
    let mut world = World::new(seed);
    let rig = world.rig_of(CLASS_SMALL, stake, BOND);
    let mut stage = Stage::with(world, rig, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = BOND;
    stage.terms.deadline = stage.world.now() + 50 * 24 * HOUR;
    stage.terms.max_run_seconds = 29 * 24 * 3_600;
    stage.create();
    stage.accept(BOND);
    let (mut world, rig) = (stage.world, stage.rig);
    assert_eq!(world.device(&rig.device).exposure, BOND);
    let (challenger, cell) = (world.person(), Cell::off_by(64, 3, 1));
    world.write_claim(&challenger, &cell);
    let scene = Scene {
        world,
        rig,
        challenger,
        cell,
    };
    (scene, stage.key)
}

/// A bond that is wholly bound by jobs shields nothing: the owner's free stake answers, and what is on its way out until it was paid. What even
/// that lacks stays due, and the fault is one.
#[test]
fn what_a_bond_lacks_is_taken_from_what_binds_nothing() {
    let (mut s, job) = exposed(494, BOND + 300 * IO);
    let rig = s.rig.clone();
    let unstake = s.world.request_unstake_call(&rig, 200 * IO);
    s.world.ok(&unstake);
    let free = s.world.request_unstake_call(&rig, 100 * IO);
    let mut raced = s.fork();
    raced.world.ok(&free);
    let mut waited = s.fork();
    waited.world.advance(i64::from(PARAMS.unbond_seconds));
    let mut paid = waited.fork();
    let withdraw = s.world.withdraw_stake_call(&rig);
    paid.world.ok(&withdraw);
    for (what, mut s, taken) in [
        ("now", s.fork(), 300 * IO),
        ("all of it on its way out", raced, 300 * IO),
        ("matured", waited, 300 * IO),
        ("paid", paid, 100 * IO),
    ] {
        let call = s.call(&s.said(), &rig.operator);
        s.world.ok(&call);
        let key = world::slash_case(&rig.provider, 0);
        let case = s.world.slash_case(&key);
        assert_eq!(
            (case.amount, case.owner_part, case.co_part),
            (taken, taken, 0),
            "{what}"
        );
        let (device, provider) = (s.world.device(&rig.device), s.world.provider(&rig.provider));
        assert_eq!((device.bond, device.exposure), (BOND, BOND), "{what}");
        assert_eq!((device.fault_due(), device.failed), (BOND - taken, 1));
        assert_eq!((provider.staked, provider.committed), (BOND, BOND));
        assert_eq!(provider.liabilities().unwrap(), BOND, "{what}");
        s.world.refuse(&withdraw, IoError::NothingMatured);
        // Returned, it is stake again.
        let appeal = s.world.appeal_slash_call(&rig, &key);
        s.world.ok(&appeal);
        let decide = s
            .world
            .decide_slash_call(&key, SlashVerdict::Returned, &[0, 1]);
        s.world.ok(&decide);
        assert_eq!(s.world.provider(&rig.provider).staked, BOND + taken);
        // And nothing is due that was never owed.
        assert_eq!(s.world.device(&rig.device).fault_due(), 0, "{what}");
    }

    // What is still due is taken when there is something, as long as the fault is proven: no second fault.
    let (said, operator) = (s.said(), rig.operator.insecure_clone());
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    s.refuse(&said, IoError::NothingOwed);
    let stake = s.world.stake_call(&rig, 500 * IO);
    s.world.ok(&stake);
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    s.refuse(&said, IoError::NothingOwed);
    let submit = s.world.submit_call(&job, &rig, 1_000);
    s.world.ok(&submit);
    let settle = s.world.settle_call(&job, &[0, 1]);
    s.world.ok(&settle);
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    s.refuse(&said, IoError::EpochNotAcceptable);
    let amounts = [0, 1, 2].map(|number| {
        let key = world::slash_case(&rig.provider, number);
        s.world.slash_case(&key).amount
    });
    assert_eq!(amounts, [300 * IO, 500 * IO, 200 * IO]);
    let device = s.world.device(&rig.device);
    assert_eq!((device.bond, device.fault_due()), (800 * IO, 0));
    assert_eq!((device.failed, device.completed), (1, 1));
}

/// With nothing to take the fault is recorded all the same, and no case opened.
#[test]
fn a_fault_is_recorded_when_there_is_nothing_to_take() {
    let (mut s, _) = exposed(495, BOND);
    let said = s.said();
    let call = s.call(&said, &s.rig.operator);
    s.world.ok(&call);
    let device = s.world.device(&s.rig.device);
    assert_eq!(
        (device.bond, device.fault_due(), device.failed),
        (BOND, BOND, 1)
    );
    assert_eq!(s.world.provider(&s.rig.provider).slash_cases, 0);
    let case = world::slash_case(&s.rig.provider, 0);
    assert!(s.world.account(&case).is_none());
    s.refuse(&said, IoError::NothingOwed);
    assert_eq!(s.world.device(&s.rig.device).failed, 1);
}

/// A wrong cell of the device is proven: the first case of its provider.
fn first_case(world: &mut World, rig: &Rig) -> SlashCase {
    let (challenger, cell) = (world.person(), Cell::off_by(64, 3, 1));
    world.write_claim(&challenger, &cell);
    let said = world.committed(rig, &cell);
    let call = world.prove_bad_cell_call(&challenger, rig, &said, &rig.operator);
    world.ok(&call);
    world.slash_case(&world::slash_case(&rig.provider, 0))
}

/// A device without a bond that accuses itself has no cheap day of peace before it: the least bond of its class is the least penalty.
#[test]
fn a_fault_costs_the_least_bond_at_least() {
    let mut world = World::new(498);
    let rig = world.unregistered_rig(CLASS_SMALL);
    for call in [
        world.register_provider_call(&rig),
        world.stake_call(&rig, BOND),
        world.register_device_call(&rig, BOND),
        world.set_device_bond_call(&rig, IO),
    ] {
        world.ok(&call);
    }
    let case = first_case(&mut world, &rig);
    let least = reckon::minimum_bond(PARAMS.min_bond, 125);
    assert_eq!((case.amount, case.owner_part), (least, least));
    let provider = world.provider(&rig.provider);
    assert_eq!((provider.staked, provider.committed), (BOND - least, 0));
}

/// The owner loses first. Co-stakers answer for bonds, with what exceeds the owner's stake, and for nothing beyond them.
#[test]
fn the_owner_loses_first_and_co_stakers_answer_for_bonds_only() {
    let exposed_with = |seed, bond, exposure| {
        let mut world = World::emitting(seed);
        let rig = world.rig(CLASS_SMALL, 300 * IO);
        world.co_staker(&rig, 300 * IO);
        let call = world.set_device_bond_call(&rig, bond);
        world.ok(&call);
        let mut stage = Stage::with(world, rig, Mint::Io);
        if exposure > 0 {
            stage.terms.max_units = 1_000;
            stage.terms.max_price = exposure;
            stage.create();
            stage.accept(exposure);
        }
        let (mut world, rig) = (stage.world, stage.rig);
        let case = first_case(&mut world, &rig);
        let due = world.device(&rig.device).fault_due();
        let provider = world.provider(&rig.provider);
        assert_eq!(provider.staked, 300 * IO - case.owner_part);
        assert_eq!(provider.co_assets, 300 * IO - case.co_part);
        (
            world,
            rig,
            [case.owner_part, case.co_part, due].map(|x| x / IO),
        )
    };
    for (bond, exposure, parts) in [
        // The bond is the owner's.
        (300, 0, [300, 0, 0]),
        // A part of it the pool's.
        (500, 0, [300, 200, 0]),
        // 50 of the bond, and of 200 that is free, all as long as it is the owner's.
        (400, 350, [250, 0, 150]),
        // The bond takes all that the owner has; of the pool's, 100 is free, and stays.
        (500, 200, [300, 0, 200]),
    ] {
        let (mut world, rig, found) = exposed_with(499, bond * IO, exposure * IO);
        assert_eq!(found, parts, "bond {bond}, exposure {exposure}");
        // Everybody has back what was taken when it was wrong.
        let key = world::slash_case(&rig.provider, 0);
        for call in [
            world.appeal_slash_call(&rig, &key),
            world.decide_slash_call(&key, SlashVerdict::Returned, &[0, 1]),
        ] {
            world.ok(&call);
        }
        let provider = world.provider(&rig.provider);
        assert_eq!((provider.staked, provider.co_assets), (300 * IO, 300 * IO));
        assert_eq!(world.device(&rig.device).fault_due(), 0);
    }
}

/// A device that owes a penalty takes no work, and nothing leaves it, until the penalty is paid: by whoever proves the fault, for a day;
/// then by anybody, as far as there is something, and it burns.
#[test]
fn who_owes_a_penalty_takes_no_work_and_takes_nothing_out() {
    let (mut s, job) = exposed(502, BOND);
    let (rig, opener) = (s.rig.clone(), s.world.person());
    let early = s.world.open_fault_case_call(&rig, &opener);
    s.world.refuse(&early, IoError::NothingOwed);
    let prove = s.call(&s.said(), &rig.operator);
    s.world.ok(&prove);
    assert_eq!(s.world.device(&rig.device).fault_due(), BOND);
    let proven = s.world.now();

    // It has handed in its result, and would take the next job.
    let submit = s.world.submit_call(&job, &rig, 1_000);
    s.world.ok(&submit);
    let blank = s.world.fork();
    let world = std::mem::replace(&mut s.world, blank);
    let mut stage = Stage::with(world, rig.clone(), Mint::Io);
    stage.terms.nonce = 2;
    stage.key = world::job(&stage.renter.pubkey(), stage.terms.nonce);
    stage.create();
    let expires = stage.world.now() + 30;
    let accept = stage
        .world
        .accept_with_ticket_call(&stage.key, &rig, 1, expires);
    stage.world.refuse(&accept, IoError::PenaltyUnpaid);
    let settle = stage.world.settle_call(&job, &[0, 1]);
    stage.world.ok(&settle);
    let raise = [
        stage.world.stake_call(&rig, 500 * IO),
        stage.world.set_device_bond_call(&rig, BOND + IO),
    ];
    for call in raise {
        stage.world.ok(&call);
    }
    stage.world.refuse(&accept, IoError::PenaltyUnpaid);
    let day = (proven / HOUR + 1) * HOUR + EVIDENCE_SECONDS;
    let pay = stage.world.open_fault_case_call(&rig, &opener);
    stage.world.at(day - 1);
    stage.world.refuse(&pay, IoError::DeadlineNotPassed);
    stage.world.at(day);
    for call in [
        stage.world.set_device_bond_call(&rig, BOND),
        stage.world.retire_device_call(&rig),
    ] {
        stage.world.refuse(&call, IoError::PenaltyUnpaid);
    }
    stage.world.ok(&pay);
    let key = world::slash_case(&rig.provider, 0);
    let case = stage.world.slash_case(&key);
    assert_eq!((case.amount, case.owner_part), (BOND, BOND));
    assert_eq!(
        (case.challenger, case.renter_bps, case.cause, case.due()),
        (Pubkey::default(), 0, 3, 0)
    );
    let device = stage.world.device(&rig.device);
    assert_eq!((device.bond, device.fault_due()), (IO, 0));
    let again = stage.world.open_fault_case_call(&rig, &opener);
    stage.world.refuse(&again, IoError::NothingOwed);
    stage.world.at(case.appeal_until + 1);
    let finalise = stage.world.finalise_slash_case_call(&key);
    stage.world.ok(&finalise);
    assert_eq!(stage.world.slash_case(&key).burned, BOND);

    let retire = stage.world.retire_device_call(&rig);
    stage.world.ok(&retire);
}

/// A case about hardware that was registered anew since changes nothing of the new registration's debt.
#[test]
fn a_new_registration_keeps_its_own_debt() {
    // The least bond, nothing else: a fault takes the 1 IO that is bonded, and leaves the rest due.
    let mut world = World::new(504);
    let rig = world.unregistered_rig(CLASS_SMALL);
    let enter = |world: &mut World, stake| {
        for call in [
            world.stake_call(&rig, stake),
            world.register_device_call(&rig, stake),
        ] {
            world.ok(&call);
        }
    };
    let register = world.register_provider_call(&rig);
    world.ok(&register);
    let least = reckon::minimum_bond(PARAMS.min_bond, 125);
    let bond = world.set_device_bond_call(&rig, IO);
    for call in [
        world.stake_call(&rig, least),
        world.register_device_call(&rig, least),
        bond.duplicate(),
        world.request_unstake_call(&rig, least - IO),
    ] {
        world.ok(&call);
    }
    world.advance(i64::from(PARAMS.unbond_seconds));
    let withdraw = world.withdraw_stake_call(&rig);
    world.ok(&withdraw);
    let first = first_case(&mut world, &rig);
    assert_eq!((first.amount, first.due()), (IO, least - IO));
    // Never attested, it is evicted with what it owes; it has earned nothing. Then the hardware comes back, and is faulted again.
    world.advance(EVICT_SECONDS + 1);
    let evict = world.evict_device_call(&rig);
    world.ok(&evict);
    enter(&mut world, least);
    world.ok(&bond);
    let unstake = world.request_unstake_call(&rig, least - IO);
    world.ok(&unstake);
    world.advance(i64::from(PARAMS.unbond_seconds));
    world.ok(&withdraw);
    let (challenger, cell) = (world.person(), Cell::off_by(64, 3, 1));
    world.write_claim(&challenger, &cell);
    let said = world.committed(&rig, &cell);
    let prove = world.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    world.ok(&prove);
    let due = world.device(&rig.device).fault_due();
    assert_eq!(due, least - IO);
    let key = world::slash_case(&rig.provider, 0);
    for call in [
        world.appeal_slash_call(&rig, &key),
        world.decide_slash_call(&key, SlashVerdict::Returned, &[0, 1]),
    ] {
        world.ok(&call);
    }
    assert_eq!(world.device(&rig.device).fault_due(), due);
}

/// A penalty that is given back forgives what it left due, and no more than that: what a second fault costs beside stays.
#[test]
fn what_is_due_adds_up_and_is_forgiven_case_by_case() {
    let (mut s, _) = exposed(503, BOND + 100 * IO);
    let rig = s.rig.clone();
    let prove = s.call(&s.said(), &rig.operator);
    s.world.ok(&prove);
    let first = world::slash_case(&rig.provider, 0);
    assert_eq!(s.world.slash_case(&first).due(), BOND - 100 * IO);
    // Two days later another is proven, with 50 IO more to take: what the first left is not forgotten.
    s.world.advance(2 * EVIDENCE_SECONDS);
    let stake = s.world.stake_call(&rig, 50 * IO);
    s.world.ok(&stake);
    let prove = s.call(&s.said(), &rig.operator);
    s.world.ok(&prove);
    let device = s.world.device(&rig.device);
    let all = 2 * BOND - 150 * IO;
    assert_eq!((device.fault_due(), device.failed), (all, 2));
    let second = world::slash_case(&rig.provider, 1);
    assert_eq!(s.world.slash_case(&second).due(), BOND - 50 * IO, "its own");
    // Nothing to take: no case, and it stays due.
    let opener = s.world.person();
    let pay = s.world.open_fault_case_call(&rig, &opener);
    let mut later = s.fork();
    later.world.advance(2 * EVIDENCE_SECONDS);
    later.world.refuse(&pay, IoError::StakeNotFree);

    let appeal = s.world.appeal_slash_call(&rig, &first);
    s.world.ok(&appeal);
    let decide = s
        .world
        .decide_slash_call(&first, SlashVerdict::Returned, &[0, 1]);
    s.world.ok(&decide);
    assert_eq!(
        s.world.device(&rig.device).fault_due(),
        all - (BOND - 100 * IO)
    );
    // The other way round: what the first left is still owed.
    let mut other = later;
    for call in [
        other.world.appeal_slash_call(&rig, &second),
        other
            .world
            .decide_slash_call(&second, SlashVerdict::Returned, &[0, 1]),
    ] {
        other.world.ok(&call);
    }
    assert_eq!(other.world.device(&rig.device).fault_due(), BOND - 100 * IO);
    // The second stands: so does what it left.
    let case = s.world.slash_case(&second);
    s.world.at(case.appeal_until + 1);
    let finalise = s.world.finalise_slash_case_call(&second);
    s.world.ok(&finalise);
    assert_eq!(
        s.world.device(&rig.device).fault_due(),
        all - (BOND - 100 * IO)
    );
}

/// What covers unsettled jobs stays with them.
#[test]
fn exposure_is_not_taken() {
    let mut stage = Stage::at(490, At::Running);
    let challenger = stage.world.person();
    let cell = Cell::off_by(64, 1, -7);
    stage.world.write_claim(&challenger, &cell);
    let (bond, exposure) = {
        let device = stage.world.device(&stage.rig.device);
        (device.bond, device.exposure)
    };
    assert!(exposure > 0);
    let said = stage.world.committed(&stage.rig, &cell);
    let call = stage
        .world
        .prove_bad_cell_call(&challenger, &stage.rig, &said, &stage.rig.operator);
    stage.world.ok(&call);
    let device = stage.world.device(&stage.rig.device);
    assert_eq!((device.bond, device.exposure), (exposure, exposure));
    assert_eq!(device.fault_due(), exposure);
    let key = world::slash_case(&stage.rig.provider, 0);
    assert_eq!(stage.world.slash_case(&key).amount, bond - exposure);
    // The job goes on, and ends as it would have.
    stage.submit(io_tests::UNITS);
    stage.settle();
}

/// Evidence is its challenger's alone, and may be written again.
#[test]
fn evidence_is_written_in_parts_and_over_again() {
    let mut s = Scene::new(491);
    let other = s.world.person();
    let said = s.said();
    let operator = s.rig.operator.insecure_clone();
    // Nobody proves with somebody else's, and nothing with none.
    let mut call = s
        .world
        .prove_bad_cell_call(&other, &s.rig, &said, &operator);
    call.instruction.accounts[2].pubkey = evidence(&s.challenger.pubkey());
    s.world.refuse(&call, IoError::WrongAccount);
    let right = Cell::off_by(64, 3, 0);
    s.world.write_claim(&s.challenger.insecure_clone(), &right);
    s.refuse(&said, IoError::BadProof);
    let wrong = s.cell.clone();
    s.world.write_claim(&s.challenger.insecure_clone(), &wrong);
    let call = s.call(&said, &operator);
    s.world.ok(&call);
}

/// Whoever copies what a challenger writes has committed to nothing by then: it is as late as a commitment needs to be old.
#[test]
fn whoever_copies_evidence_comes_too_late() {
    // Written, and committed to just long enough ago.
    let mut s = Scene::new(500);
    let (said, bytes) = (s.said(), s.cell.bytes());
    let (challenger, operator) = (
        s.challenger.insecure_clone(),
        s.rig.operator.insecure_clone(),
    );
    let copycat = s.world.person();
    let own = s.call(&said, &operator);
    let copied = s
        .world
        .prove_bad_cell_call(&copycat, &s.rig, &said, &operator);
    let writes = [(0, &bytes[..800]), (800, &bytes[800..])]
        .map(|(at, part)| s.world.write_evidence_call(&copycat, at, part));

    // Nothing is written before something was committed to.
    s.world
        .refuse(&writes[0], ErrorCode::AccountOwnedByWrongProgram);
    // The challenger's commitment is the challenger's.
    let mut thief = s.fork();
    let taken = commitment(&challenger.pubkey(), &bytes);
    let call = thief.world.commit_evidence_call(&copycat, taken);
    thief.world.ok(&call);
    thief.world.wait_slots(EVIDENCE_SLOTS);
    for call in &writes {
        thief.world.ok(call);
    }
    thief.world.refuse(&copied, IoError::NotCommitted);

    // Its own, in the slot in which it saw the claim.
    let mine = commitment(&copycat.pubkey(), &bytes);
    let call = s.world.commit_evidence_call(&copycat, mine);
    s.world.ok(&call);
    for call in &writes {
        s.world.ok(call);
    }
    let seen = s.world.slot();
    for (slots, late) in [(0, false), (31, false), (32, true), (33, true)] {
        let mut s = s.fork();
        s.world.wait_slots(slots);
        assert_eq!(s.world.slot(), seen + slots);
        let mut first = s.fork();
        match late {
            false => s.world.refuse(&copied, IoError::CommitmentTooNew),
            true => drop(s.world.ok(&copied)),
        }
        first.world.ok(&own);
        assert_eq!(first.world.provider(&s.rig.provider).slash_cases, 1);
    }

    // Slots that go backwards make no commitment older.
    let mut back = s.fork();
    back.world.set_clock(back.world.now(), seen - 1_000);
    back.world.refuse(&own, IoError::CommitmentTooNew);
    // What is written or salted otherwise was not committed to; and a commitment that is made again is new.
    for at in [0, 40, 1_279] {
        let mut s = s.fork();
        let call = s
            .world
            .write_evidence_call(&challenger, at, &[bytes[usize::from(at)] ^ 1]);
        s.world.ok(&call);
        s.world.refuse(&own, IoError::NotCommitted);
    }
    let mut salted = own.duplicate();
    *salted.instruction.data.last_mut().expect("the salt") ^= 1;
    s.world.refuse(&salted, IoError::NotCommitted);
    let call = s
        .world
        .commit_evidence_call(&challenger, commitment(&challenger.pubkey(), &bytes));
    s.world.ok(&call);
    s.world.refuse(&own, IoError::CommitmentTooNew);
    s.world.wait_slots(EVIDENCE_SLOTS);
    s.world.ok(&own);
}

/// At the largest sizes that rounds use, both transactions fit into a packet of 1,232 bytes.
#[test]
fn every_transaction_of_a_proof_fits() {
    let s = Scene::of(492, Cell::off_by(32_768, 256, 1));
    let said = s.said();
    // The challenger closes its evidence with it.
    let mut prove = s.world.close_evidence_call(&s.challenger);
    prove.before = s.call(&said, &s.rig.operator).instructions();
    let bytes = s.cell.bytes();
    let write = s.world.write_evidence_call(&s.challenger, 0, &bytes[..800]);
    for call in [prove, write] {
        let message = Message::new(&call.instructions(), Some(&s.challenger.pubkey()));
        let size = 1 + 64 + message.serialize().len();
        assert!(size <= 1_232, "{size} bytes");
    }
}
