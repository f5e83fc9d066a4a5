//! Forged oracle signatures: every way to bring something that looks like a quorum and isn't one, against every instruction
//! that asks for signatures.

use anchor_lang::{
    prelude::{AccountMeta, Pubkey},
    solana_program::system_instruction,
};
use io_network::{
    ConvictArgs,
    attest::ED25519_PROGRAM,
    errors::IoError,
    state::{JobState, OracleSet},
};
use io_protocol::messages::{
    Deployment, DeviceStatement, Measured, ResultStatement, TicketStatement, Verdict,
};
use io_tests::{
    ASK, At, Call, MEASURED, Refusal, Rig, Stage, World,
    ed25519::{self, Ed25519, THIS},
};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// The precompile's own refusals, as they appear in a transaction whose first instruction it is.
const BAD_SIGNATURE: Refusal = Refusal::Transaction("InstructionError(0, Custom(2))");
const BAD_OFFSETS: Refusal = Refusal::Transaction("InstructionError(0, Custom(3))");

const CONVICT: ConvictArgs = ConvictArgs {
    job: Pubkey::new_from_array([1; 32]),
    created_slot: 2,
    epoch: 3,
    evidence: [4; 32],
};

/// An instruction that asks for signatures, and the statement that it asks for.
struct Claim {
    name: &'static str,
    world: World,
    /// Without the Ed25519 instruction.
    call: Call,
    message: Vec<u8>,
    /// Signatures that it needs.
    need: usize,
}

impl Claim {
    fn new(name: &'static str, world: World, call: Call, message: Vec<u8>, need: usize) -> Self {
        let mut call = call;
        call.before.clear();
        Self {
            name,
            world,
            call,
            message,
            need,
        }
    }

    fn fork(&self) -> Self {
        Self {
            name: self.name,
            world: self.world.fork(),
            call: self.call.duplicate(),
            message: self.message.clone(),
            need: self.need,
        }
    }

    /// The signers that suffice.
    fn quorum(&self) -> Vec<Keypair> {
        self.world.oracles[..self.need]
            .iter()
            .map(Keypair::insecure_clone)
            .collect()
    }

    fn signed(&self) -> Ed25519 {
        let quorum = self.quorum();
        Ed25519::signed(&self.message, &quorum.iter().collect::<Vec<_>>())
    }

    fn with(&self, before: Vec<Instruction>) -> Call {
        let mut call = self.call.duplicate();
        call.before = before;
        call
    }

    #[track_caller]
    fn refuse(&mut self, what: &str, before: Vec<Instruction>, expected: impl Into<Refusal>) {
        let (call, expected) = (self.with(before), expected.into());
        match self.world.attempt(&call) {
            Ok(_) => panic!("{}: {what} went through, expected {expected:?}", self.name),
            Err(failed) => assert!(
                failed.is(expected),
                "{}: {what}: expected {expected:?}, got {:?}\n{}",
                self.name,
                failed.error,
                failed.logs.join("\n")
            ),
        }
    }

    fn accept(&self, before: Vec<Instruction>) {
        let mut claim = self.fork();
        let call = claim.with(before);
        claim.world.ok(&call);
    }
}

/// A disputed job's settlement and rejection, a device's attestation, a match ticket, and a finding about a former oracle.
fn claims() -> Vec<Claim> {
    let mut disputed = Stage::at(150, At::Disputed);
    let world = disputed.world.fork();
    let settle = Claim::new(
        "settle_job",
        world,
        disputed.world.settle_unobjected_call(&disputed.key),
        disputed
            .world
            .result_statement(&disputed.key, Verdict::Valid)
            .to_bytes()
            .to_vec(),
        2,
    );
    let reject = Claim::new(
        "reject_job",
        disputed.world.fork(),
        disputed.world.reject_without_call(&disputed.key),
        disputed
            .world
            .result_statement(&disputed.key, Verdict::Invalid)
            .to_bytes()
            .to_vec(),
        2,
    );
    let now = disputed.world.now() + 1;
    disputed.world.at(now);
    let attest = Claim::new(
        "attest_device",
        disputed.world.fork(),
        disputed
            .world
            .attest_with_call(&disputed.rig, now, MEASURED, &[0, 1]),
        disputed
            .world
            .device_statement(&disputed.rig, now, MEASURED)
            .to_bytes()
            .to_vec(),
        2,
    );
    let open = Stage::at(150, At::Open);
    let expires = open.world.now() + 30;
    let accept = Claim::new(
        "accept_job",
        open.world.fork(),
        open.world
            .accept_with_ticket_call(&open.key, &open.rig, ASK, expires),
        open.world
            .ticket_statement(&open.key, &open.rig, ASK, expires)
            .to_bytes()
            .to_vec(),
        1,
    );
    let mut world = World::new(150);
    let (accused, finder) = (world.person(), world.party());
    world.bonded_oracle(&accused, 100);
    let (key, args) = (accused.pubkey(), CONVICT);
    let said = world.conduct_statement(&key, &args, &finder.pubkey());
    let call = world.convict_oracle_call(&key, &finder.io, args, Ed25519::signed(&[], &[]));
    let convict = Claim::new("convict_oracle", world, call, said.to_bytes().to_vec(), 2);
    vec![settle, reject, attest, accept, convict]
}

#[test]
fn what_is_asked_for_is_accepted() {
    for claim in claims() {
        claim.accept(vec![claim.signed().instruction()]);
        // More than a quorum, and in any order.
        let all: Vec<&Keypair> = claim.world.oracles.iter().rev().collect();
        claim.accept(vec![ed25519::signed(&claim.message, &all)]);
        // Anything may stand before the Ed25519 instruction.
        let transfer = system_instruction::transfer(
            &claim.world.fee_payer.pubkey(),
            &claim.world.admin.pubkey(),
            1,
        );
        claim.accept(vec![transfer, claim.signed().instruction()]);
    }
}

#[test]
fn signers_that_are_no_oracles() {
    for mut claim in claims() {
        let stranger = claim.world.person();
        let mut signers = claim.quorum();
        *signers.last_mut().unwrap() = stranger.insecure_clone();
        let signers: Vec<&Keypair> = signers.iter().collect();
        claim.refuse(
            "a stranger's signature",
            vec![ed25519::signed(&claim.message, &signers)],
            IoError::NotAnOracle,
        );
        let admin = claim.world.admin.insecure_clone();
        let signers = vec![&admin; claim.need];
        claim.refuse(
            "the administrator's",
            vec![ed25519::signed(&claim.message, &signers)],
            IoError::NotAnOracle,
        );
        // A quorum, and a stranger on top.
        let mut more = claim.quorum();
        more.push(stranger);
        let more: Vec<&Keypair> = more.iter().collect();
        claim.refuse(
            "one stranger too many",
            vec![ed25519::signed(&claim.message, &more)],
            IoError::NotAnOracle,
        );
        // The zero key is in no set, though unused places of it are zero.
        let mut zero = claim.signed();
        zero.pairs.last_mut().unwrap().1 = [0; 32];
        let failed = claim
            .world
            .attempt(&claim.with(vec![zero.instruction()]))
            .expect_err("the zero key");
        assert!(
            failed.refusal().is_err(),
            "the precompile refuses it: {:?}",
            failed.error
        );
    }
}

#[test]
fn signatures_that_are_not_by_their_key() {
    for mut claim in claims() {
        let stranger = claim.world.person();
        let mut forged = Ed25519::signed(&claim.message, &vec![&stranger; claim.need]);
        for (pair, oracle) in forged.pairs.iter_mut().zip(&claim.world.oracles) {
            pair.1 = oracle.pubkey().to_bytes();
        }
        claim.refuse(
            "an oracle's key under another's signature",
            vec![forged.instruction()],
            BAD_SIGNATURE,
        );
        let mut zero = claim.signed();
        zero.pairs[0].0 = [0; 64];
        claim.refuse(
            "no signature at all",
            vec![zero.instruction()],
            BAD_SIGNATURE,
        );
        let mut other = claim.signed();
        other.message[20] ^= 1;
        claim.refuse(
            "a message changed after signing",
            vec![other.instruction()],
            BAD_SIGNATURE,
        );
    }
}

#[test]
fn the_same_oracle_twice() {
    for mut claim in claims() {
        let oracle = claim.world.oracles[0].insecure_clone();
        claim.refuse(
            "twice",
            vec![ed25519::signed(&claim.message, &[&oracle, &oracle])],
            IoError::DuplicateOracle,
        );
        let second = claim.world.oracles[1].insecure_clone();
        let signers = [&oracle, &second, &oracle];
        claim.refuse(
            "again after another",
            vec![ed25519::signed(&claim.message, &signers)],
            IoError::DuplicateOracle,
        );
    }
}

#[test]
fn fewer_than_the_quorum() {
    for mut claim in claims() {
        claim.refuse(
            "no signature",
            vec![ed25519::raw(vec![0, 0])],
            IoError::QuorumNotReached,
        );
        if claim.need == 2 {
            let one = claim.world.oracles[1].insecure_clone();
            claim.refuse(
                "one signature",
                vec![ed25519::signed(&claim.message, &[&one])],
                IoError::QuorumNotReached,
            );
            // Two instructions of one signature each are not one of two.
            let two = claim.world.oracles[2].insecure_clone();
            let before = vec![
                ed25519::signed(&claim.message, &[&one]),
                ed25519::signed(&claim.message, &[&two]),
            ];
            claim.refuse("two halves", before, IoError::QuorumNotReached);
        }
    }
}

/// Every field of every statement: another value, properly signed by a quorum, is another statement.
#[test]
fn statements_about_something_else() {
    let at_disputed = Stage::at(151, At::Disputed);
    let w = &at_disputed.world;
    let other = [0x77; 32];
    for verdict in [Verdict::Valid, Verdict::Invalid] {
        let right = w.result_statement(&at_disputed.key, verdict);
        let call = match verdict {
            Verdict::Valid => w.settle_unobjected_call(&at_disputed.key),
            Verdict::Invalid => w.reject_without_call(&at_disputed.key),
        };
        let mut claim = Claim::new("result", w.fork(), call, right.to_bytes().to_vec(), 2);
        let flipped = if verdict == Verdict::Valid {
            Verdict::Invalid
        } else {
            Verdict::Valid
        };
        for (what, wrong) in [
            (
                "another program",
                ResultStatement {
                    deployment: Deployment {
                        program: other,
                        ..right.deployment
                    },
                    ..right
                },
            ),
            (
                "another cluster",
                ResultStatement {
                    deployment: Deployment {
                        cluster: other,
                        ..right.deployment
                    },
                    ..right
                },
            ),
            (
                "an older oracle set",
                ResultStatement {
                    set_version: right.set_version - 1,
                    ..right
                },
            ),
            (
                "a later oracle set",
                ResultStatement {
                    set_version: right.set_version + 1,
                    ..right
                },
            ),
            (
                "another job",
                ResultStatement {
                    job: other,
                    ..right
                },
            ),
            (
                "another job at this address",
                ResultStatement {
                    created_slot: right.created_slot - 1,
                    ..right
                },
            ),
            (
                "another epoch",
                ResultStatement {
                    epoch: right.epoch + 1,
                    ..right
                },
            ),
            (
                "the other verdict",
                ResultStatement {
                    verdict: flipped,
                    ..right
                },
            ),
            (
                "another output",
                ResultStatement {
                    output_hash: other,
                    ..right
                },
            ),
            (
                "more units",
                ResultStatement {
                    units: right.units + 1,
                    ..right
                },
            ),
            (
                "fewer units",
                ResultStatement {
                    units: right.units - 1,
                    ..right
                },
            ),
            (
                "what was said before the dispute",
                ResultStatement {
                    disputed: false,
                    ..right
                },
            ),
        ] {
            let before = vec![ed25519::signed(&wrong.to_bytes(), &w.oracle_keys(&[0, 1]))];
            claim.refuse(what, before, IoError::WrongMessage);
        }
    }

    let now = w.now();
    let right = w.device_statement(&at_disputed.rig, now, MEASURED);
    let call = w.attest_with_call(&at_disputed.rig, now, MEASURED, &[0, 1]);
    let mut claim = Claim::new("device", w.fork(), call, right.to_bytes().to_vec(), 2);
    let figures = |measured: Measured| DeviceStatement { measured, ..right };
    for (what, wrong) in [
        (
            "another program",
            DeviceStatement {
                deployment: Deployment {
                    program: other,
                    ..right.deployment
                },
                ..right
            },
        ),
        (
            "another cluster",
            DeviceStatement {
                deployment: Deployment {
                    cluster: other,
                    ..right.deployment
                },
                ..right
            },
        ),
        (
            "an older oracle set",
            DeviceStatement {
                set_version: 0,
                ..right
            },
        ),
        (
            "another device",
            DeviceStatement {
                device: other,
                ..right
            },
        ),
        (
            "another provider's",
            DeviceStatement {
                provider: other,
                ..right
            },
        ),
        (
            "of another class",
            DeviceStatement {
                class: right.class + 1,
                ..right
            },
        ),
        (
            "an earlier registration",
            DeviceStatement {
                since: right.since - 1,
                ..right
            },
        ),
        (
            "measured earlier",
            DeviceStatement {
                measured_at: now - 1,
                ..right
            },
        ),
        (
            "more speed",
            figures(Measured {
                tops_e2: MEASURED.tops_e2 + 1,
                ..MEASURED
            }),
        ),
        (
            "more memory",
            figures(Measured {
                memory_mib: MEASURED.memory_mib + 1,
                ..MEASURED
            }),
        ),
        (
            "more bandwidth",
            figures(Measured {
                bandwidth_mib_s: MEASURED.bandwidth_mib_s + 1,
                ..MEASURED
            }),
        ),
        (
            "a faster way down",
            figures(Measured {
                down_mbit: MEASURED.down_mbit + 1,
                ..MEASURED
            }),
        ),
        (
            "a faster way up",
            figures(Measured {
                up_mbit: MEASURED.up_mbit + 1,
                ..MEASURED
            }),
        ),
        (
            "a shorter round trip",
            figures(Measured {
                latency_ms: MEASURED.latency_ms - 1,
                ..MEASURED
            }),
        ),
        (
            "another region",
            figures(Measured {
                region: 0,
                ..MEASURED
            }),
        ),
    ] {
        let before = vec![ed25519::signed(&wrong.to_bytes(), &w.oracle_keys(&[0, 1]))];
        claim.refuse(what, before, IoError::WrongMessage);
    }

    let open = Stage::at(151, At::Open);
    let w = &open.world;
    let expires = w.now() + 30;
    let right = w.ticket_statement(&open.key, &open.rig, ASK, expires);
    let call = w.accept_with_ticket_call(&open.key, &open.rig, ASK, expires);
    let mut claim = Claim::new("ticket", w.fork(), call, right.to_bytes().to_vec(), 1);
    for (what, wrong) in [
        (
            "another program",
            TicketStatement {
                deployment: Deployment {
                    program: other,
                    ..right.deployment
                },
                ..right
            },
        ),
        (
            "another cluster",
            TicketStatement {
                deployment: Deployment {
                    cluster: other,
                    ..right.deployment
                },
                ..right
            },
        ),
        (
            "an older oracle set",
            TicketStatement {
                set_version: 0,
                ..right
            },
        ),
        (
            "another job",
            TicketStatement {
                job: other,
                ..right
            },
        ),
        (
            "another job at this address",
            TicketStatement {
                created_slot: 0,
                ..right
            },
        ),
        (
            "another device",
            TicketStatement {
                device: other,
                ..right
            },
        ),
        (
            "a lower ask",
            TicketStatement {
                ask: ASK - 1,
                ..right
            },
        ),
        (
            "an earlier expiry",
            TicketStatement {
                expires_at: expires - 1,
                ..right
            },
        ),
    ] {
        claim.refuse(
            what,
            vec![ed25519::signed(&wrong.to_bytes(), &w.oracle_keys(&[0]))],
            IoError::WrongMessage,
        );
    }
}

/// One bit, anywhere in the statement.
#[test]
fn every_bit_of_a_statement_counts() {
    for mut claim in claims() {
        for at in 0..claim.message.len() {
            let mut message = claim.message.clone();
            message[at] ^= 1 << (at % 8);
            let quorum = claim.quorum();
            let before = vec![ed25519::signed(
                &message,
                &quorum.iter().collect::<Vec<_>>(),
            )];
            claim.refuse(&format!("byte {at}"), before, IoError::WrongMessage);
        }
    }
}

/// A statement with something before or after it, or cut short, properly signed as such.
#[test]
fn statements_of_another_length() {
    for mut claim in claims() {
        let quorum = claim.quorum();
        let signers: Vec<&Keypair> = quorum.iter().collect();
        let long = [claim.message.as_slice(), &[0]].concat();
        let early = [&[0], claim.message.as_slice()].concat();
        let short = claim.message[..claim.message.len() - 1].to_vec();
        let huge = [claim.message.as_slice(), &[0; 1_000]].concat();
        for message in [long, early, short, huge, vec![]] {
            let what = format!("{} bytes", message.len());
            claim.refuse(
                &what,
                vec![ed25519::signed(&message, &signers)],
                IoError::MalformedSignatureInstruction,
            );
        }
    }
}

/// Every offset that names another place than the one agreed, though the same bytes may lie there.
#[test]
fn offsets_are_the_agreed_ones() {
    for mut claim in claims() {
        // By its own number instead of "this one": true today, another instruction tomorrow.
        for field in 0..3 {
            for record in 0..claim.need {
                let mut bent = claim.signed();
                match field {
                    0 => bent.records[record].signature_instruction = 0,
                    1 => bent.records[record].key_instruction = 0,
                    _ => bent.records[record].message_instruction = 0,
                }
                claim.refuse(
                    "named by number",
                    vec![bent.instruction()],
                    IoError::MalformedSignatureInstruction,
                );
            }
        }
        // Everything in an earlier instruction: a genuine one, that says something else about somebody else.
        let genuine = claim.signed();
        let mut borrowed = genuine.clone();
        for record in &mut borrowed.records {
            (
                record.signature_instruction,
                record.key_instruction,
                record.message_instruction,
            ) = (0, 0, 0);
        }
        let before = vec![genuine.instruction(), borrowed.instruction()];
        claim.refuse(
            "borrowed from another instruction",
            before,
            IoError::MalformedSignatureInstruction,
        );

        // Valid signatures of strangers over something else, with the oracles' keys and the right message lying where
        // the program would look.
        let stranger = claim.world.person();
        let elsewhere = Ed25519::signed(b"anything at all", &vec![&stranger; claim.need]);
        let mut decoy = claim.signed();
        for (record, real) in decoy.records.iter_mut().zip(&elsewhere.records) {
            *record = *real;
            (
                record.signature_instruction,
                record.key_instruction,
                record.message_instruction,
            ) = (0, 0, 0);
        }
        for pair in &mut decoy.pairs {
            pair.0 = [0; 64];
        }
        let before = vec![elsewhere.instruction(), decoy.instruction()];
        claim.refuse("a decoy", before, IoError::MalformedSignatureInstruction);

        // The same inside one instruction: what is verified is appended after what is shown.
        let mut appended = claim.signed();
        let shown = appended.data().len();
        let signature = stranger.sign_message(b"hello");
        appended.tail = [signature.as_ref(), stranger.pubkey().as_ref(), b"hello"].concat();
        for record in &mut appended.records {
            record.signature = shown as u16;
            record.key = shown as u16 + 64;
            record.message = shown as u16 + 96;
            record.message_len = 5;
        }
        claim.refuse(
            "an appended message",
            vec![appended.instruction()],
            IoError::MalformedSignatureInstruction,
        );

        // Offsets beyond the end.
        let mut beyond = claim.signed();
        beyond.records[0].signature = u16::MAX;
        claim.refuse("beyond the end", vec![beyond.instruction()], BAD_OFFSETS);
        let mut missing = claim.signed();
        missing.records[0].key_instruction = 9;
        claim.refuse(
            "in an instruction that isn't there",
            vec![missing.instruction()],
            BAD_OFFSETS,
        );
    }
}

/// The parts in another order, or with something between or after them.
#[test]
fn the_layout_is_the_agreed_one() {
    for mut claim in claims() {
        let plain = claim.signed();
        let mut trailing = plain.clone();
        trailing.tail = vec![0];
        claim.refuse(
            "a trailing byte",
            vec![trailing.instruction()],
            IoError::MalformedSignatureInstruction,
        );
        let mut oversize = plain.clone();
        oversize.tail = vec![0; 4_000];
        claim.refuse(
            "4,000 trailing bytes",
            vec![oversize.instruction()],
            IoError::MalformedSignatureInstruction,
        );

        // The message first, the pairs behind it: every offset right, all verified, another layout.
        let head = ed25519::HEADER + claim.need * ed25519::RECORD;
        let mut moved = plain.clone();
        let length = claim.message.len();
        for (i, record) in moved.records.iter_mut().enumerate() {
            record.message = head as u16;
            record.signature = (head + length + i * ed25519::PAIR) as u16;
            record.key = record.signature + 64;
        }
        let mut data = plain.data();
        data[..head].copy_from_slice(&moved.data()[..head]);
        let (pairs, message) = data[head..].split_at(claim.need * ed25519::PAIR);
        let reordered = [&data[..head], message, pairs].concat();
        claim.refuse(
            "the message first",
            vec![ed25519::raw(reordered)],
            IoError::MalformedSignatureInstruction,
        );

        // Each signer with a copy of the message of its own.
        if claim.need == 2 {
            let mut copies = plain.clone();
            copies.tail = claim.message.clone();
            copies.records[1].message += length as u16;
            claim.refuse(
                "two copies",
                vec![copies.instruction()],
                IoError::MalformedSignatureInstruction,
            );
            // The pairs swapped against their records.
            let mut swapped = plain.clone();
            swapped.records.swap(0, 1);
            claim.refuse(
                "records out of order",
                vec![swapped.instruction()],
                IoError::MalformedSignatureInstruction,
            );
        }
        let mut padded = plain.data();
        padded[1] = 1;
        claim.refuse(
            "a padding byte that is not zero",
            vec![ed25519::raw(padded)],
            IoError::MalformedSignatureInstruction,
        );
        assert!(plain.records.iter().all(|r| r.message_instruction == THIS));
    }
}

/// The count says more or less than there is.
#[test]
fn counts_are_what_is_there() {
    for mut claim in claims() {
        let mut fewer = claim.signed();
        fewer.count -= 1;
        let expected = if claim.need == 2 {
            Refusal::from(IoError::QuorumNotReached)
        } else {
            // No signatures, and yet data: the precompile refuses that itself.
            Refusal::Transaction("InstructionError(0, Custom(4))")
        };
        claim.refuse("one fewer", vec![fewer.instruction()], expected);
        for count in [claim.need as u8 + 1, 255] {
            let mut more = claim.signed();
            more.count = count;
            let failed = claim
                .world
                .attempt(&claim.with(vec![more.instruction()]))
                .expect_err("more than there are");
            assert!(
                failed.refusal().is_err(),
                "the precompile refuses it: {:?}",
                failed.error
            );
        }
        // Far more than there are oracles, each signature genuine.
        let crowd: Vec<Keypair> = (0..40).map(|_| claim.world.keys.keypair()).collect();
        let crowd: Vec<&Keypair> = crowd.iter().collect();
        claim.refuse(
            "a crowd",
            vec![ed25519::signed(&claim.message, &crowd)],
            IoError::NotAnOracle,
        );
    }
}

/// The Ed25519 instruction is the one directly before, and no other.
#[test]
fn signatures_stand_directly_before() {
    for mut claim in claims() {
        let (signed, payer) = (claim.signed().instruction(), claim.world.fee_payer.pubkey());
        let transfer = system_instruction::transfer(&payer, &claim.world.admin.pubkey(), 1);
        claim.refuse("nothing before it", vec![], IoError::NoSignatureInstruction);
        let between = vec![signed.clone(), transfer.clone()];
        claim.refuse(
            "something between",
            between,
            IoError::NoSignatureInstruction,
        );
        // The signature's bytes, sent to another program: the system program refuses them, so a program that takes any.
        let with_account = Instruction {
            accounts: vec![AccountMeta::new_readonly(payer, false)],
            ..signed.clone()
        };
        claim.refuse(
            "with an account",
            vec![with_account],
            IoError::NoSignatureInstruction,
        );
        let compute_budget = solana_compute_budget_id();
        let mut data = vec![2];
        data.extend(400_000u32.to_le_bytes());
        let other = Instruction {
            program_id: compute_budget,
            accounts: vec![],
            data,
        };
        claim.refuse(
            "another program",
            vec![other],
            IoError::NoSignatureInstruction,
        );

        // After instead of before.
        let instructions = [claim.call.instruction.clone(), signed.clone()];
        let signers: Vec<&Keypair> = claim.call.signers.iter().collect();
        let failed = claim
            .world
            .send(&instructions, &signers, 0)
            .expect_err("after instead of before");
        assert!(
            failed.is(IoError::NoSignatureInstruction.into()),
            "{}: {:?}",
            claim.name,
            failed.error
        );
        assert_eq!(signed.program_id, ED25519_PROGRAM);

        // One Ed25519 instruction serves one instruction, not the one after that.
        let instructions = [
            signed,
            claim.call.instruction.clone(),
            claim.call.instruction.clone(),
        ];
        let failed = claim
            .world
            .send(&instructions, &signers, 2)
            .expect_err("served twice");
        // Neither a job's step nor a measurement counts twice anyhow.
        let expected = match claim.name {
            "attest_device" => IoError::EpochNotAcceptable,
            "convict_oracle" => IoError::NoSignatureInstruction,
            _ => IoError::WrongState,
        };
        assert!(
            failed.is(expected.into()),
            "{}: {:?}",
            claim.name,
            failed.error
        );
    }
    // A submitted job without signatures is told to wait rather than to bring an instruction.
    let mut submitted = Stage::at(152, At::Submitted);
    let call = submitted.world.settle_unobjected_call(&submitted.key);
    submitted.world.refuse(&call, IoError::ChallengeWindowOpen);
}

fn solana_compute_budget_id() -> anchor_lang::prelude::Pubkey {
    anchor_lang::prelude::Pubkey::from_str_const("ComputeBudget111111111111111111111111111111")
}

/// A statement works once: the state it leads to refuses it.
#[test]
fn replays() {
    let mut stage = Stage::at(153, At::Submitted);
    let (settle, reject) = (
        stage.world.settle_call(&stage.key, &[0, 1]),
        stage.world.reject_call(&stage.key, &[0, 1]),
    );
    stage.world.ok(&settle);
    stage.world.refuse(&settle, IoError::WrongState);
    stage.world.refuse(&reject, IoError::WrongState);
    // For another job of the same renter on the same device with the same result.
    stage.terms.nonce = 2;
    let first = std::mem::replace(
        &mut stage.key,
        io_tests::world::job(&stage.renter.pubkey(), 2),
    );
    stage.create();
    stage.accept(ASK);
    stage.submit(io_tests::UNITS);
    let mut replayed = stage.world.settle_unobjected_call(&stage.key);
    replayed.before = settle.before.clone();
    stage.world.refuse(&replayed, IoError::WrongMessage);
    assert_ne!(first, stage.key);

    // A device's attestation counts once, and none replaces a newer one.
    let rig = stage.rig.clone();
    stage.world.advance(2);
    let now = stage.world.now();
    let better = Measured {
        tops_e2: MEASURED.tops_e2 + 1,
        ..MEASURED
    };
    let older = stage.world.attest_with_call(&rig, now - 1, better, &[0, 1]);
    let attest = stage.world.attest_call(&rig, &[0, 1]);
    stage.world.ok(&attest);
    for stale in [&attest, &older] {
        stage.world.refuse(stale, IoError::EpochNotAcceptable);
    }
    assert_eq!(stage.world.device(&rig.device).measured(), MEASURED);
    // Nor is it for another device.
    let second = stage
        .world
        .second_device(&rig, 300 * io_protocol::money::IO);
    stage.world.advance(1);
    let mut other = stage.world.attest_call(&second, &[0, 1]);
    other.before = attest.before;
    stage.world.refuse(&other, IoError::WrongMessage);
}

/// What was signed about one registration of a piece of hardware is worth nothing for the next: neither to its owner, who
/// changed it meanwhile, nor to a provider that registers the same hardware.
#[test]
fn a_statement_ends_with_its_registration() {
    const BOND: u64 = 300 * io_protocol::money::IO;
    let mut w = World::new(158);
    let rig = w.rig(1, BOND);
    w.until_answered(&rig);
    let old = w.attest_call(&rig, &[0, 1]);
    let call = w.retire_device_call(&rig);
    w.ok(&call);
    let mut elsewhere = w.fork();
    let other = elsewhere.unregistered_rig(1);
    let other = Rig {
        hardware: rig.hardware,
        device: rig.device,
        ..other
    };
    for call in [
        elsewhere.register_provider_call(&other),
        elsewhere.stake_call(&other, BOND),
    ] {
        elsewhere.ok(&call);
    }
    for (w, rig) in [(&mut w, &rig), (&mut elsewhere, &other)] {
        let call = w.register_device_call(rig, BOND);
        w.ok(&call);
        let mut replay = w.attest_call(rig, &[0, 1]);
        replay.before = old.before.clone();
        w.refuse(&replay, IoError::WrongMessage);
        assert_eq!(w.device(&rig.device).attested_at, 0);
        w.attest(rig);
    }
}

/// What a removed oracle signed counts no more, whether it names the old set or the new one.
#[test]
fn removed_oracles() {
    for mut claim in claims() {
        let fresh = claim.world.person();
        let set: Vec<_> = [&claim.world.oracles[1], &claim.world.oracles[2], &fresh]
            .iter()
            .map(|k| k.pubkey())
            .collect();
        let change = claim.world.set_oracles_call(2, &set);
        claim.world.ok(&change);
        let old = claim.signed().instruction();
        claim.refuse("signed for the old set", vec![old], IoError::NotAnOracle);
        let remaining = [
            &claim.world.oracles[1].insecure_clone(),
            &claim.world.oracles[2].insecure_clone(),
        ];
        let old = ed25519::signed(&claim.message, &remaining);
        claim.refuse(
            "signed for the old set by those who stay",
            vec![old],
            IoError::WrongMessage,
        );

        let version = claim.world.oracle_set().version;
        assert_eq!(version, 2);
        let mut message = claim.message.clone();
        message[80..88].copy_from_slice(&version.to_le_bytes());
        let removed = claim.world.oracles[0].insecure_clone();
        let with_removed = ed25519::signed(&message, &[remaining[0], &removed]);
        claim.refuse("a removed oracle", vec![with_removed], IoError::NotAnOracle);
        claim.accept(vec![ed25519::signed(&message, &[remaining[0], &fresh])]);
    }
}

/// A disputing oracle must be one now.
#[test]
fn a_removed_oracle_disputes_nothing() {
    let mut stage = Stage::at(154, At::Submitted);
    let rest: Vec<_> = stage.world.oracles[1..]
        .iter()
        .map(Signer::pubkey)
        .collect();
    let change = stage.world.set_oracles_call(2, &rest);
    stage.world.ok(&change);
    let call = stage
        .world
        .dispute_call(&stage.key, &stage.world.oracles[0]);
    stage.world.refuse(&call, IoError::NotRenter);
    let call = stage
        .world
        .dispute_call(&stage.key, &stage.world.oracles[1]);
    stage.world.ok(&call);
}

/// The largest quorum there can be, 32 of 32, is counted like the smallest.
#[test]
fn a_quorum_of_thirty_two() {
    let mut stage = Stage::at(155, At::Submitted);
    let oracles: Vec<Keypair> = (0..32).map(|_| stage.world.keys.keypair()).collect();
    let keys: Vec<_> = oracles.iter().map(Signer::pubkey).collect();
    let change = stage.world.set_oracles_call(32, &keys);
    stage.world.ok(&change);
    stage.world.oracles = oracles;
    let all: Vec<usize> = (0..32).collect();
    let call = stage.world.settle_call(&stage.key, &all[..31]);
    stage.world.refuse(&call, IoError::QuorumNotReached);
    let call = stage.world.settle_call(&stage.key, &all);
    let done = stage.world.ok(&call);
    assert!(done.units < 60_000, "{} compute units", done.units);
    assert_eq!(size_of::<OracleSet>(), 8 + 32 * 32 + 64);
}

/// Oracles may have vouched for a result by its form. Once somebody objects, none of these signatures settles or rejects the job, alone
/// or beside newer ones; what oracles sign about the dispute does, and was worth nothing before it.
#[test]
fn what_was_signed_before_a_dispute_decides_nothing_after_it() {
    let submitted = Stage::at(159, At::Submitted);
    let said = |stage: &Stage, verdict, disputed| {
        let statement = ResultStatement {
            disputed,
            ..stage.world.result_statement(&stage.key, verdict)
        };
        statement.to_bytes()
    };
    for by_renter in [true, false] {
        let mut disputed = submitted.fork();
        let by = match by_renter {
            true => disputed.renter.key.insecure_clone(),
            false => disputed.world.oracles[2].insecure_clone(),
        };
        let call = disputed.world.dispute_call(&disputed.key, &by);
        disputed.world.ok(&call);
        for (verdict, end) in [
            (Verdict::Valid, JobState::Settled),
            (Verdict::Invalid, JobState::Rejected),
        ] {
            let call = |stage: &Stage| match verdict {
                Verdict::Valid => stage.world.settle_unobjected_call(&stage.key),
                Verdict::Invalid => stage.world.reject_without_call(&stage.key),
            };
            let with = |stage: &Stage, message: &[u8]| {
                let all = stage.world.oracle_keys(&[0, 1, 2]);
                call(stage).after(ed25519::signed(message, &all))
            };
            // Before the dispute: only what is about a result that nobody objected to.
            let mut before = submitted.fork();
            let early = with(&before, &said(&before, verdict, true));
            before.world.refuse(&early, IoError::WrongMessage);
            let right = with(&before, &said(&before, verdict, false));
            before.world.ok(&right);
            assert_eq!(before.job().state, end as u8);
            // After it: all three that were there before it are worth nothing.
            let mut after = disputed.fork();
            after.world.refuse(&right, IoError::WrongMessage);
            let old = with(&after, &said(&after, verdict, false));
            after.world.refuse(&old, IoError::WrongMessage);
            let one = after.world.oracle_keys(&[0]);
            let few = call(&after).after(ed25519::signed(&said(&after, verdict, true), &one));
            after.world.refuse(&few, IoError::QuorumNotReached);
            let new = with(&after, &said(&after, verdict, true));
            after.world.ok(&new);
            assert_eq!(after.job().state, end as u8);
        }
    }
}

/// Two contradicting statements of one oracle are both on the chain, signed: anybody can show it.
#[test]
fn equivocation_is_provable() {
    let stage = Stage::at(156, At::Submitted);
    let valid = stage
        .world
        .result_statement(&stage.key, Verdict::Valid)
        .to_bytes();
    let invalid = stage
        .world
        .result_statement(&stage.key, Verdict::Invalid)
        .to_bytes();
    let oracle = &stage.world.oracles[0];
    for message in [valid, invalid] {
        assert!(
            oracle
                .sign_message(&message)
                .verify(oracle.pubkey().as_ref(), &message)
        );
    }
    // They differ in the verdict alone: nothing else can explain the pair.
    let differing: Vec<usize> = (0..valid.len())
        .filter(|i| valid[*i] != invalid[*i])
        .collect();
    assert_eq!(differing, [136]);
}
