//! A wrong cell under an operator's signature costs the device, on nobody's word but the arithmetic's.

use anchor_lang::prelude::Pubkey;
use io_network::{constants::EVIDENCE_SECONDS, errors::IoError, state::SlashParty};
use io_protocol::{
    hardware::{CommitmentStatement, RevealStatement},
    messages::epoch_of,
    money::IO,
    slashing::SlashVerdict,
};
use io_tests::{
    At, CLASS_SMALL, Rig, STAKE, Stage, World,
    ed25519::Ed25519,
    hardware::{Cell, evidence},
    world,
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
    let mut s = Scene::new(481);
    let (said, operator) = (s.said(), s.rig.operator.insecure_clone());
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    let key = world::slash_case(&s.rig.provider, 0);
    let appeal = s.world.appeal_slash_call(&s.rig, &key);
    s.world.ok(&appeal);
    let call = s
        .world
        .decide_slash_call(&key, SlashVerdict::Returned, &[0, 1]);
    s.world.ok(&call);
    assert_eq!(s.world.provider(&s.rig.provider).staked, BOND);
}

#[test]
fn a_right_cell_and_another_commitment_prove_nothing() {
    let mut right = Scene::of(482, Cell::off_by(64, 3, 0));
    let said = right.said();
    right.refuse(&said, IoError::CellIsRight);

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
        let call = bent
            .world
            .write_evidence_call(&bent.challenger, at as u16, &bytes[at..at + 1]);
        bent.world.ok(&call);
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
        let call = bent.world.write_evidence_call(&bent.challenger, at, &[255]);
        bent.world.ok(&call);
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
    // The message lies in the proof's own instruction.
    let mut borrowed = good.clone();
    borrowed.records[0].message_instruction = 2;
    borrowed.records[0].message = 0;
    for signature in bent {
        let call = s
            .world
            .prove_bad_cell_with(&s.challenger, &s.rig, signature);
        s.world
            .refuse(&call, IoError::MalformedSignatureInstruction);
    }
    let call = s
        .world
        .prove_bad_cell_with(&s.challenger, &s.rig, borrowed.instruction());
    assert!(s.world.attempt(&call).is_err());
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

/// Nobody but the device's operator can incriminate it; and it only once an hour.
#[test]
fn only_its_operator_incriminates_a_device_and_once_an_hour() {
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

    let operator = s.rig.operator.insecure_clone();
    let call = s.call(&said, &operator);
    s.world.ok(&call);
    // The same again, with the next case's number, and another wrong cell of that hour.
    s.refuse(&said, IoError::EpochNotAcceptable);
    let mut other = s.cell.clone();
    other.round_seed[5] ^= 1;
    let said_other = s.world.committed(&s.rig, &other);
    s.refuse(&said_other, IoError::EpochNotAcceptable);
    // The next hour is another fault; nothing is left of this bond.
    s.world.advance(HOUR);
    let later = s.said();
    s.refuse(&later, IoError::NothingOwed);
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

/// At the largest sizes that rounds use, both transactions fit into a packet of 1,232 bytes.
#[test]
fn every_transaction_of_a_proof_fits() {
    let s = Scene::of(492, Cell::off_by(32_768, 256, 1));
    let said = s.said();
    let prove = s.call(&said, &s.rig.operator);
    let bytes = s.cell.bytes();
    let write = s.world.write_evidence_call(&s.challenger, 0, &bytes[..800]);
    for call in [prove, write] {
        let message = Message::new(&call.instructions(), Some(&s.challenger.pubkey()));
        let size = 1 + 64 + message.serialize().len();
        assert!(size <= 1_232, "{size} bytes");
    }
}
