//! Oracles' bonds: who needs one, how it leaves, and what two contradicting signatures cost.

use anchor_lang::prelude::Pubkey;
use io_network::{ConvictArgs, errors::IoError};
use io_protocol::{
    guidance::GuidanceStatement,
    lease::LeaseStatement,
    messages::{ResultStatement, RewardStatement, Verdict},
    money::IO,
    slashing::{SlashStatement, SlashVerdict},
};
use io_tests::{
    At, IN_USE, PARAMS, Party, START_IO, Stage, World,
    ed25519::{self, Ed25519},
    world,
};
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;

const BOND: u64 = 1_000 * IO;

/// A network whose three oracles have bonds, and asks for them.
fn bonded(seed: u64) -> (World, Vec<Party>) {
    let mut w = World::new(seed);
    let keys: Vec<Keypair> = w.oracles.iter().map(Keypair::insecure_clone).collect();
    let owners = keys.iter().map(|key| w.bonded_oracle(key, BOND)).collect();
    w.with_stake_params(|p| p.min_oracle_bond = BOND);
    (w, owners)
}

fn keys(w: &World) -> Vec<Pubkey> {
    w.oracles.iter().map(Signer::pubkey).collect()
}

fn result(w: &World) -> ResultStatement {
    ResultStatement {
        deployment: w.deployment(),
        set_version: 1,
        job: [1; 32],
        created_slot: 2,
        epoch: 3,
        verdict: Verdict::Valid,
        output_hash: [4; 32],
        units: 5,
        disputed: false,
    }
}

fn lease(w: &World) -> LeaseStatement {
    LeaseStatement {
        deployment: w.deployment(),
        set_version: 1,
        job: [1; 32],
        created_slot: 2,
        seconds: 5,
        at: 6,
    }
}

fn guidance(w: &World) -> GuidanceStatement {
    GuidanceStatement {
        deployment: w.deployment(),
        set_version: 1,
        class: [1; 32],
        epoch: 2,
        utilisation_bps: 5,
    }
}

fn supply(w: &World) -> u64 {
    let mint = w.account(&w.io_mint).expect("the mint");
    u64::from_le_bytes(mint.data[36..44].try_into().unwrap())
}

#[test]
fn a_bond_comes_in_and_leaves_in_its_time() {
    let mut w = World::new(440);
    let key = w.person();
    let owner = w.bonded_oracle(&key, 0);
    let again = w.register_oracle_call(&key, &owner.key);
    w.refuse(&again, IN_USE);
    let add = w.add_oracle_bond_call(&key.pubkey(), &owner, 0);
    w.refuse(&add, IoError::ZeroAmount);
    // Anybody may add; it resets nothing.
    let friend = w.party();
    for payer in [&owner, &friend] {
        let call = w.add_oracle_bond_call(&key.pubkey(), payer, 50);
        w.ok(&call);
    }
    let thief = w.request_oracle_unbond_call(&key.pubkey(), &friend.key, 10);
    w.refuse(&thief, IoError::NotOracleOwner);
    let thief = w.request_oracle_unbond_call(&key.pubkey(), &key, 10);
    w.refuse(&thief, IoError::NotOracleOwner);
    for (amount, expected) in [(0, IoError::ZeroAmount), (101, IoError::StakeNotFree)] {
        let call = w.request_oracle_unbond_call(&key.pubkey(), &owner.key, amount);
        w.refuse(&call, expected);
    }
    let call = w.request_oracle_unbond_call(&key.pubkey(), &owner.key, 60);
    w.ok(&call);
    let ready = w.now() + i64::from(PARAMS.unbond_seconds);
    assert_eq!(w.oracle(&key.pubkey()).ready_at, ready);
    w.advance(500);
    let second = w.request_oracle_unbond_call(&key.pubkey(), &owner.key, 1);
    w.refuse(&second, IoError::UnbondingInProgress);
    let call = w.add_oracle_bond_call(&key.pubkey(), &friend, 5);
    w.ok(&call);
    assert_eq!(
        w.oracle(&key.pubkey()).ready_at,
        ready,
        "nobody resets the clock"
    );
    let withdraw = w.withdraw_oracle_bond_call(&key.pubkey(), &owner);
    w.at(ready - 1);
    w.refuse(&withdraw, IoError::NothingMatured);
    let thief = w.withdraw_oracle_bond_call(&key.pubkey(), &friend);
    for late in [0, 1] {
        let mut w = w.fork();
        w.at(ready + late);
        w.refuse(&thief, IoError::NotOracleOwner);
        w.ok(&withdraw);
        assert_eq!(w.tokens(&owner.io), START_IO - 50 + 60);
        assert_eq!(w.oracle(&key.pubkey()).bond, 45);
        w.refuse(&withdraw, IoError::NothingMatured);
    }
    let mut call = withdraw.duplicate();
    w.at(ready);
    call.instruction.accounts[4].pubkey = world::stake_vault(&world::oracle(&key.pubkey()));
    w.refuse(&call, IoError::SameAccount);
}

/// A member keeps the minimum; whoever is out may take everything.
#[test]
fn a_member_keeps_the_minimum() {
    let (mut w, owners) = bonded(441);
    let key = w.oracles[2].pubkey();
    let one = w.request_oracle_unbond_call(&key, &owners[2].key, 1);
    w.refuse(&one, IoError::OracleBondTooSmall);
    let more = w.add_oracle_bond_call(&key, &owners[2], 7);
    w.ok(&more);
    let seven = w.request_oracle_unbond_call(&key, &owners[2].key, 7);
    w.ok(&seven);
    let rest = keys(&w)[..2].to_vec();
    let call = w.set_oracles_call(2, &rest);
    w.ok(&call);
    w.advance(i64::from(PARAMS.unbond_seconds));
    for call in [
        w.withdraw_oracle_bond_call(&key, &owners[2]),
        w.request_oracle_unbond_call(&key, &owners[2].key, BOND),
    ] {
        w.ok(&call);
    }
}

#[test]
fn a_new_oracle_needs_its_bond() {
    let (mut w, _) = bonded(442);
    let (rich, poor, none) = (w.person(), w.person(), w.person());
    w.bonded_oracle(&rich, BOND);
    w.bonded_oracle(&poor, BOND - 1);
    let with = |w: &World, new: &Keypair, beside: &[Pubkey]| {
        let mut all = keys(w);
        all.push(new.pubkey());
        w.set_bonded_oracles_call(2, &all, beside)
    };
    let call = with(&w, &rich, &[]);
    w.refuse(&call, IoError::OracleBondRequired);
    let call = with(&w, &none, &[none.pubkey()]);
    w.refuse(&call, IoError::OracleBondRequired);
    let call = with(&w, &none, &[rich.pubkey()]);
    w.refuse(&call, IoError::OracleBondRequired);
    let call = with(&w, &poor, &[poor.pubkey()]);
    w.refuse(&call, IoError::OracleBondTooSmall);
    // A forged account of another program counts for nothing.
    let mut forged = with(&w, &none, &[rich.pubkey()]);
    let fake = w.keys.pubkey();
    let mut account = w.account(&world::oracle(&rich.pubkey())).unwrap();
    account.data[8..40].copy_from_slice(none.pubkey().as_ref());
    account.owner = io_network::token::TOKEN_PROGRAM;
    w.write(&fake, account);
    forged.instruction.accounts.last_mut().unwrap().pubkey = fake;
    w.refuse(&forged, IoError::OracleBondRequired);
    let call = with(&w, &rich, &[poor.pubkey(), rich.pubkey()]);
    w.ok(&call);
    // Members need to show nothing again, and without a minimum nobody does.
    let mut all = keys(&w);
    all.push(rich.pubkey());
    let call = w.set_oracles_call(3, &all);
    w.ok(&call);
    w.with_stake_params(|p| p.min_oracle_bond = 0);
    let call = with(&w, &none, &[]);
    w.ok(&call);
}

/// An oracle keeps its slot while it is in; a hole is filled only after all other slots were.
#[test]
fn slots_name_oracles() {
    let mut w = World::new(443);
    let first = keys(&w);
    let slot = |w: &World, key: &Pubkey| w.oracle_set().position(key.as_ref());
    let new: Vec<Pubkey> = (0..40).map(|_| w.keys.pubkey()).collect();
    // Order among the arguments means nothing.
    let call = w.set_oracles_call(2, &[new[0], first[2], first[1]]);
    w.ok(&call);
    assert_eq!(slot(&w, &first[0]), None);
    assert_eq!(
        (slot(&w, &first[1]), slot(&w, &first[2])),
        (Some(1), Some(2))
    );
    assert_eq!(
        slot(&w, &new[0]),
        Some(3),
        "not the hole that was just left"
    );
    assert_eq!(w.oracle_set().mask(), 0b1110);
    // One after the other takes the next slot, until all were used.
    for (i, key) in new[1..29].iter().enumerate() {
        let call = w.set_oracles_call(2, &[*key, first[1], first[2]]);
        w.ok(&call);
        assert_eq!(slot(&w, key), Some(4 + i));
    }
    let call = w.set_oracles_call(2, &[new[30], first[1], first[2]]);
    w.ok(&call);
    assert_eq!(slot(&w, &new[30]), Some(0));
    let call = w.set_oracles_call(2, &[new[31], new[30], first[1], first[2]]);
    w.ok(&call);
    assert_eq!(slot(&w, &new[31]), Some(3));
    assert_eq!(w.oracle_set().count, 4);
    assert_eq!(slot(&w, &Pubkey::default()), None, "a hole is nobody");
}

/// Every kind of contradiction costs the whole bond, also what is on its way out, and the place in the set.
#[test]
fn contradictions_cost_the_bond() {
    let (start, owners) = bonded(444);
    let case = SlashStatement {
        deployment: start.deployment(),
        set_version: 2,
        case: [7; 32],
        opened_at: 8,
        verdict: SlashVerdict::Upheld,
    };
    let root = RewardStatement {
        deployment: start.deployment(),
        set_version: 2,
        epoch: 9,
        root: [1; 32],
        total: 10,
        blob: [2; 32],
    };
    let r = result(&start);
    let (lease, figure) = (lease(&start), guidance(&start));
    let on_dispute = ResultStatement {
        disputed: true,
        ..r
    };
    let proofs: [(&str, Vec<u8>, Vec<u8>); 10] = [
        (
            "another verdict on a dispute",
            on_dispute.to_bytes().to_vec(),
            ResultStatement {
                verdict: Verdict::Invalid,
                ..on_dispute
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "other units on a dispute, under another set",
            on_dispute.to_bytes().to_vec(),
            ResultStatement {
                units: 6,
                set_version: 9,
                ..on_dispute
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "another verdict",
            r.to_bytes().to_vec(),
            ResultStatement {
                verdict: Verdict::Invalid,
                ..r
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "another output, under another set",
            r.to_bytes().to_vec(),
            ResultStatement {
                output_hash: [5; 32],
                set_version: 9,
                ..r
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "other units",
            r.to_bytes().to_vec(),
            ResultStatement { units: 6, ..r }.to_bytes().to_vec(),
        ),
        (
            "another root",
            root.to_bytes().to_vec(),
            RewardStatement {
                root: [3; 32],
                ..root
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "another decision",
            case.to_bytes().to_vec(),
            SlashStatement {
                verdict: SlashVerdict::Returned,
                ..case
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "other seconds for the same time",
            lease.to_bytes().to_vec(),
            LeaseStatement {
                seconds: 6,
                ..lease
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "fewer seconds later",
            lease.to_bytes().to_vec(),
            LeaseStatement {
                seconds: 4,
                at: 7,
                ..lease
            }
            .to_bytes()
            .to_vec(),
        ),
        (
            "another utilisation",
            figure.to_bytes().to_vec(),
            GuidanceStatement {
                utilisation_bps: 6,
                ..figure
            }
            .to_bytes()
            .to_vec(),
        ),
    ];
    for (what, first, second) in proofs {
        let mut w = start.fork();
        let liar = w.oracles[1].insecure_clone();
        let key = liar.pubkey();
        for call in [
            w.add_oracle_bond_call(&key, &owners[1], 10),
            w.request_oracle_unbond_call(&key, &owners[1].key, 10),
        ] {
            w.ok(&call);
        }
        let reporter = w.party();
        let call =
            w.prove_equivocation_call(&key, &reporter.io, Ed25519::pair(&liar, &first, &second));
        let before = supply(&w);
        w.ok(&call);
        let share = (BOND + 10) / 10;
        assert_eq!(w.tokens(&reporter.io), START_IO + share, "{what}");
        assert_eq!(supply(&w), before - (BOND + 10 - share), "{what}");
        let (oracle, set) = (w.oracle(&key), w.oracle_set());
        assert_eq!(
            (oracle.bond, oracle.unbonding, oracle.slashed),
            (0, 0, BOND + 10),
            "{what}"
        );
        assert_eq!(
            (set.count, set.version, set.position(key.as_ref())),
            (2, 2, None),
            "{what}"
        );
        w.refuse(&call, IoError::NothingOwed);
        // Never again.
        let add = w.add_oracle_bond_call(&key, &owners[1], BOND);
        w.refuse(&add, IoError::OracleSlashed);
        let all = keys(&w);
        let back = w.set_bonded_oracles_call(2, &all, &[key]);
        w.refuse(&back, IoError::OracleSlashed);
        let out = w.withdraw_oracle_bond_call(&key, &owners[1]);
        w.advance(i64::from(PARAMS.unbond_seconds));
        w.refuse(&out, IoError::NothingMatured);
    }
}

/// The set never falls below its quorum: the member stays until the others can do without it.
#[test]
fn a_quorum_is_kept() {
    let (mut w, _) = bonded(445);
    let all = keys(&w);
    let call = w.set_oracles_call(3, &all);
    w.ok(&call);
    let liar = w.oracles[0].insecure_clone();
    let r = result(&w);
    let other = ResultStatement { units: 6, ..r };
    let reporter = w.party();
    let proof = Ed25519::pair(&liar, &r.to_bytes(), &other.to_bytes());
    let call = w.prove_equivocation_call(&liar.pubkey(), &reporter.io, proof);
    w.ok(&call);
    assert!(w.oracle_set().position(liar.pubkey().as_ref()).is_some());
    w.refuse(&call, IoError::NothingOwed);
    let fewer = w.set_oracles_call(2, &all);
    w.ok(&fewer);
    w.ok(&call);
    assert!(w.oracle_set().position(liar.pubkey().as_ref()).is_none());
}

/// What an honest oracle signs in its life is no proof against it.
#[test]
fn honest_signatures_prove_nothing() {
    let (mut w, _) = bonded(446);
    let oracle = w.oracles[0].insecure_clone();
    let reporter = w.party();
    let r = result(&w);
    let mut elsewhere = r;
    elsewhere.deployment.cluster[0] ^= 1;
    elsewhere.units = 9;
    let mut other_program = r;
    other_program.deployment.program[0] ^= 1;
    other_program.units = 9;
    for (what, other) in [
        ("the same again", r),
        (
            "the same for another set",
            ResultStatement {
                set_version: 9,
                ..r
            },
        ),
        (
            "another job",
            ResultStatement {
                job: [9; 32],
                units: 9,
                ..r
            },
        ),
        (
            "a job created anew",
            ResultStatement {
                created_slot: 9,
                units: 9,
                ..r
            },
        ),
        ("another network", elsewhere),
        ("another program", other_program),
        (
            "vouched for the form, and found the work wrong when somebody objected",
            ResultStatement {
                verdict: Verdict::Invalid,
                disputed: true,
                ..r
            },
        ),
        (
            "found right again when somebody objected",
            ResultStatement {
                disputed: true,
                ..r
            },
        ),
    ] {
        let proof = Ed25519::pair(&oracle, &r.to_bytes(), &other.to_bytes());
        let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof);
        assert!(
            w.attempt(&call)
                .is_err_and(|f| f.is(IoError::NoContradiction.into())),
            "{what}"
        );
    }
    // A lease goes on, and epochs follow each other.
    let (l, g) = (lease(&w), guidance(&w));
    let more = LeaseStatement {
        seconds: 9,
        at: 10,
        ..l
    };
    let as_many = LeaseStatement { at: 10, ..l };
    for other in [l, more, as_many] {
        let proof = Ed25519::pair(&oracle, &l.to_bytes(), &other.to_bytes());
        let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof);
        w.refuse(&call, IoError::NoContradiction);
    }
    let next = GuidanceStatement {
        epoch: 3,
        utilisation_bps: 9,
        ..g
    };
    for other in [g, next] {
        let proof = Ed25519::pair(&oracle, &g.to_bytes(), &other.to_bytes());
        let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof);
        w.refuse(&call, IoError::NoContradiction);
    }
    // Both of another network.
    let both = [
        elsewhere,
        ResultStatement {
            units: 10,
            ..elsewhere
        },
    ];
    let proof = Ed25519::pair(&oracle, &both[0].to_bytes(), &both[1].to_bytes());
    let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof);
    w.refuse(&call, IoError::NoContradiction);
    // Two oracles that disagree are no contradiction of one.
    let second = w.oracles[1].insecure_clone();
    let other = ResultStatement { units: 9, ..r };
    let mut proof = Ed25519::pair(&oracle, &r.to_bytes(), &other.to_bytes());
    proof.pairs[1] = Ed25519::signed(&other.to_bytes(), &[&second]).pairs[0];
    let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof.clone());
    w.refuse(&call, IoError::NotAnOracle);
    // Nor is one's signatures a proof against another.
    let proof = Ed25519::pair(&second, &r.to_bytes(), &other.to_bytes());
    let call = w.prove_equivocation_call(&oracle.pubkey(), &reporter.io, proof);
    w.refuse(&call, IoError::NotAnOracle);
    assert_eq!(w.oracle(&oracle.pubkey()).bond, BOND);
}

/// Only the agreed layout counts: nothing borrowed, nothing left over.
#[test]
fn a_proofs_layout_is_the_agreed_one() {
    let (mut w, _) = bonded(447);
    let liar = w.oracles[0].insecure_clone();
    let reporter = w.party();
    let r = result(&w).to_bytes();
    let other = ResultStatement {
        units: 6,
        ..result(&w)
    }
    .to_bytes();
    let good = Ed25519::pair(&liar, &r, &other);
    let call =
        |w: &World, proof: Ed25519| w.prove_equivocation_call(&liar.pubkey(), &reporter.io, proof);
    let mut bent = Vec::new();
    // The same message twice, the second record pointing at the first.
    let mut p = good.clone();
    p.records[1].message = p.records[0].message;
    p.pairs[1] = p.pairs[0];
    bent.push(p);
    // Messages in the other order.
    let mut p = good.clone();
    (p.records[0].message, p.records[1].message) = (p.records[1].message, p.records[0].message);
    p.pairs.swap(0, 1);
    bent.push(p);
    // One signature only.
    bent.push(Ed25519::signed(&r, &[&liar]));
    // Three.
    let mut p = good.clone();
    p.tail = vec![0];
    bent.push(p);
    for proof in bent {
        let call = call(&w, proof);
        assert!(
            w.attempt(&call)
                .is_err_and(|f| f.is(IoError::MalformedSignatureInstruction.into()))
        );
    }
    let mut none = call(&w, good.clone());
    none.before.clear();
    w.refuse(&none, IoError::NoSignatureInstruction);
    let mut short = call(&w, good.clone());
    short.before = vec![ed25519::raw(vec![])];
    assert!(w.attempt(&short).is_err());
    // A signature that is none stops at the precompile.
    let mut p = good.clone();
    p.pairs[1].0[0] ^= 1;
    let forged = call(&w, p);
    assert!(w.attempt(&forged).is_err());
    let call = call(&w, good);
    w.ok(&call);
}

/// A real job: an oracle that vouched for it by its form and helped to reject it on the dispute keeps its bond; one that signed both
/// verdicts on the dispute does not.
#[test]
fn a_dispute_is_another_question() {
    let mut stage = Stage::at(449, At::Submitted);
    let oracle = stage.world.oracles[0].insecure_clone();
    let owner = stage.world.bonded_oracle(&oracle, BOND);
    let before = stage
        .world
        .result_statement(&stage.key, Verdict::Valid)
        .to_bytes();
    stage.dispute();
    let [valid, invalid] = [Verdict::Valid, Verdict::Invalid]
        .map(|verdict| stage.world.result_statement(&stage.key, verdict).to_bytes());
    stage.reject();
    let prove = |stage: &Stage, first, second| {
        let proof = Ed25519::pair(&oracle, first, second);
        stage
            .world
            .prove_equivocation_call(&oracle.pubkey(), &owner.io, proof)
    };
    for (first, second) in [(&before, &invalid), (&invalid, &before), (&before, &valid)] {
        let call = prove(&stage, first, second);
        stage.world.refuse(&call, IoError::NoContradiction);
    }
    let call = prove(&stage, &valid, &invalid);
    stage.world.ok(&call);
    assert_eq!(stage.world.oracle(&oracle.pubkey()).bond, 0);
}

/// A real pair: an oracle that helped to settle a job and to reject it.
#[test]
fn both_verdicts_of_a_real_job() {
    let mut stage = Stage::at(448, At::Submitted);
    let liar = stage.world.oracles[0].insecure_clone();
    let owner = stage.world.bonded_oracle(&liar, BOND);
    let both = [Verdict::Valid, Verdict::Invalid]
        .map(|verdict| stage.world.result_statement(&stage.key, verdict).to_bytes());
    stage.settle();
    let proof = Ed25519::pair(&liar, &both[0], &both[1]);
    let call = stage
        .world
        .prove_equivocation_call(&liar.pubkey(), &owner.io, proof);
    // Even to its own account: a tenth, the rest is gone.
    stage.world.ok(&call);
    assert_eq!(stage.world.tokens(&owner.io), START_IO - BOND + BOND / 10);
}

const FOUND: ConvictArgs = ConvictArgs {
    job: Pubkey::new_from_array([1; 32]),
    created_slot: 2,
    epoch: 3,
    evidence: [4; 32],
};

/// A finding about the first oracle, signed by those in these slots.
fn convict(w: &World, finder: &Party, args: ConvictArgs, signers: &[usize]) -> io_tests::Call {
    let accused = w.oracles[0].pubkey();
    let said = w.conduct_statement(&accused, &args, &finder.pubkey());
    let signers: Vec<&Keypair> = signers.iter().map(|slot| &w.oracles[*slot]).collect();
    let signed = Ed25519::signed(&said.to_bytes(), &signers);
    w.convict_oracle_call(&accused, &finder.io, args, signed)
}

/// An oracle that signed that it had run what it had not loses all of its bond and its place, by what a quorum of the others found.
#[test]
fn a_quorum_of_the_others_convicts() {
    let (mut w, owners) = bonded(450);
    let key = w.oracles[0].pubkey();
    for call in [
        w.add_oracle_bond_call(&key, &owners[0], 10),
        w.request_oracle_unbond_call(&key, &owners[0].key, 10),
    ] {
        w.ok(&call);
    }
    let finder = w.party();
    let call = convict(&w, &finder, FOUND, &[1, 2]);
    let before = supply(&w);
    w.ok(&call);
    let share = (BOND + 10) / 10;
    assert_eq!(w.tokens(&finder.io), START_IO + share);
    assert_eq!(supply(&w), before - (BOND + 10 - share));
    let (oracle, set) = (w.oracle(&key), w.oracle_set());
    assert_eq!(
        (oracle.bond, oracle.unbonding, oracle.slashed),
        (0, 0, BOND + 10)
    );
    assert_eq!(oracle.convicted_by, FOUND.evidence);
    assert_eq!((set.count, set.position(key.as_ref())), (2, None));
    // The same finding, and anew for the set as it is now.
    w.refuse(&call, IoError::WrongMessage);
    let again = convict(&w, &finder, FOUND, &[1, 2]);
    w.refuse(&again, IoError::NothingOwed);
    let add = w.add_oracle_bond_call(&key, &owners[0], BOND);
    w.refuse(&add, IoError::OracleSlashed);
}

/// Nobody decides about itself, one oracle alone decides nothing, and only the finder that the signatures name is paid.
#[test]
fn a_finding_is_the_others_and_names_its_finder() {
    let (mut w, _) = bonded(451);
    let (finder, thief) = (w.party(), w.party());
    for (signers, expected) in [
        (&[1][..], IoError::QuorumNotReached),
        (&[0, 1], IoError::AccusedMayNotDecide),
        (&[2, 1, 0], IoError::AccusedMayNotDecide),
    ] {
        let call = convict(&w, &finder, FOUND, signers);
        w.refuse(&call, expected);
    }
    let good = convict(&w, &finder, FOUND, &[1, 2]);
    let mut stolen = good.duplicate();
    stolen.instruction.accounts[5].pubkey = thief.io;
    w.refuse(&stolen, IoError::WrongMessage);
    // What was signed about one thing convicts of no other.
    for other in [
        ConvictArgs {
            job: Pubkey::new_from_array([9; 32]),
            ..FOUND
        },
        ConvictArgs {
            created_slot: 9,
            ..FOUND
        },
        ConvictArgs { epoch: 9, ..FOUND },
        ConvictArgs {
            evidence: [9; 32],
            ..FOUND
        },
    ] {
        let mut call = convict(&w, &finder, other, &[1, 2]);
        call.before = good.before.clone();
        w.refuse(&call, IoError::WrongMessage);
    }
    // Nor another oracle.
    let mut call = good.duplicate();
    let second = world::oracle(&w.oracles[1].pubkey());
    call.instruction.accounts[2].pubkey = second;
    call.instruction.accounts[3].pubkey = world::stake_vault(&second);
    w.refuse(&call, IoError::WrongMessage);
    let oracle = w.oracle(&w.oracles[0].pubkey());
    assert_eq!((oracle.bond, oracle.convicted_by), (BOND, [0; 32]));
    w.ok(&good);
    assert_eq!(w.tokens(&thief.io), START_IO);
}

/// Where everybody is needed for a quorum, the others are none.
#[test]
fn without_a_quorum_of_others_nobody_is_convicted() {
    let (mut w, _) = bonded(452);
    let all = keys(&w);
    let call = w.set_oracles_call(3, &all);
    w.ok(&call);
    let finder = w.party();
    let call = convict(&w, &finder, FOUND, &[1, 2]);
    w.refuse(&call, IoError::QuorumNotReached);
    let call = convict(&w, &finder, FOUND, &[0, 1, 2]);
    w.refuse(&call, IoError::AccusedMayNotDecide);
}

/// Who has taken the bond out in time loses nothing more, and is barred all the same: also by a contradiction. The first finding stays.
#[test]
fn without_a_bond_a_fault_still_bars() {
    for by_contradiction in [false, true] {
        let (mut w, _) = bonded(453);
        w.with_stake_params(|p| p.min_oracle_bond = 0);
        let liar = w.person();
        let owner = w.bonded_oracle(&liar, 0);
        let (key, finder) = (liar.pubkey(), w.party());
        let said = |w: &World, args| {
            let said = w.conduct_statement(&key, &args, &finder.pubkey());
            let signed = Ed25519::signed(&said.to_bytes(), &[&w.oracles[1], &w.oracles[2]]);
            w.convict_oracle_call(&key, &finder.io, args, signed)
        };
        let call = if by_contradiction {
            let r = result(&w);
            let other = ResultStatement { units: 6, ..r };
            let proof = Ed25519::pair(&liar, &r.to_bytes(), &other.to_bytes());
            w.prove_equivocation_call(&key, &finder.io, proof)
        } else {
            said(&w, FOUND)
        };
        w.ok(&call);
        w.refuse(&call, IoError::NothingOwed);
        let again = said(
            &w,
            ConvictArgs {
                evidence: [5; 32],
                ..FOUND
            },
        );
        w.refuse(&again, IoError::NothingOwed);
        let oracle = w.oracle(&key);
        let found = if by_contradiction {
            [0; 32]
        } else {
            FOUND.evidence
        };
        assert_eq!(
            (oracle.barred, oracle.slashed, oracle.convicted_by),
            (1, 0, found)
        );
        assert_eq!(w.tokens(&finder.io), START_IO);
        let add = w.add_oracle_bond_call(&key, &owner, BOND);
        w.refuse(&add, IoError::OracleSlashed);
        w.with_stake_params(|p| p.min_oracle_bond = BOND);
        let mut all = keys(&w);
        all.push(key);
        let enter = w.set_bonded_oracles_call(2, &all, &all);
        w.refuse(&enter, IoError::OracleSlashed);
    }
}

/// A quorum of three fits into a packet of 1,232 bytes, with what sending adds: two instructions of the compute budget, in a message of
/// version 0.
#[test]
fn a_quorum_of_three_convicts_in_one_transaction() {
    const ADDED: usize = 54;
    let mut w = World::new(454);
    let one_more = w.person();
    w.oracles.push(one_more);
    let all = keys(&w);
    let call = w.set_oracles_call(3, &all);
    w.ok(&call);
    let liar = w.oracles[0].insecure_clone();
    w.bonded_oracle(&liar, BOND);
    let finder = w.party();
    let call = convict(&w, &finder, FOUND, &[1, 2, 3]);
    let payer = w.fee_payer.pubkey();
    let message = Message::new(&call.instructions(), Some(&payer));
    let size = 1 + 64 + message.serialize().len() + ADDED;
    assert!(size <= 1_232, "{size} bytes");
    w.ok(&call);
    assert_eq!(w.oracle(&liar.pubkey()).slashed, BOND);
}
