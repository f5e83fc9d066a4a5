//! What becomes of a penalty: in whose time, by whose word, and to whom it goes.

use anchor_lang::prelude::Pubkey;
use io_network::{
    errors::IoError,
    state::{SlashCase, SlashParty},
};
use io_protocol::slashing::SlashVerdict;
use io_tests::{At, PARAMS, STAKE, Stage, World, ed25519, world};
use solana_keypair::Keypair;
use solana_signer::Signer;

const OPEN: u8 = 0;
const APPEALED: u8 = 1;
const UPHELD: u8 = 2;
const RETURNED: u8 = 3;

/// A finished job's penalty in its case.
struct Case {
    stage: Stage,
    opener: Keypair,
    key: Pubkey,
}

impl Case {
    fn of(mut stage: Stage) -> Self {
        let opener = stage.world.person();
        let call = stage
            .world
            .open_slash_case_call(&stage.key, &stage.rig, &opener);
        stage.world.ok(&call);
        let key = world::slash_case(&stage.rig.provider, 0);
        Self { stage, opener, key }
    }

    /// The case of a job that oracles 0 and 1 rejected.
    fn rejected(seed: u64) -> Self {
        Self::of(Stage::at(seed, At::Rejected))
    }

    fn fork(&self) -> Self {
        Self {
            stage: self.stage.fork(),
            opener: self.opener.insecure_clone(),
            key: self.key,
        }
    }

    fn world(&mut self) -> &mut World {
        &mut self.stage.world
    }

    fn case(&self) -> SlashCase {
        self.stage.world.slash_case(&self.key)
    }

    fn appeal(&mut self) {
        let call = self
            .stage
            .world
            .appeal_slash_call(&self.stage.rig, &self.key);
        self.stage.world.ok(&call);
    }

    fn finalise(&mut self) {
        let call = self.stage.world.finalise_slash_case_call(&self.key);
        self.stage.world.ok(&call);
    }

    fn decide(&mut self, verdict: SlashVerdict, oracles: &[usize]) {
        let call = self
            .stage
            .world
            .decide_slash_call(&self.key, verdict, oracles);
        self.stage.world.ok(&call);
    }

    fn supply(&self) -> u64 {
        supply(&self.stage.world)
    }
}

fn supply(world: &World) -> u64 {
    let mint = world.account(&world.io_mint).expect("the mint");
    u64::from_le_bytes(mint.data[36..44].try_into().unwrap())
}

#[test]
fn a_case_names_who_accused_and_keeps_its_terms() {
    let mut stage = Stage::at(400, At::Submitted);
    let second = stage.world.oracles[1].insecure_clone();
    let call = stage.world.dispute_call(&stage.key, &second);
    stage.world.ok(&call);
    let call = stage.world.reject_call(&stage.key, &[2, 0]);
    stage.world.ok(&call);
    assert_eq!(
        (stage.job().challenger, stage.job().accusers),
        (second.pubkey(), 0b101)
    );
    let penalty = stage.job().penalty_due;
    let mut c = Case::of(stage);
    let case = c.case();
    assert_eq!((case.challenger, case.accusers), (second.pubkey(), 0b101));
    assert_eq!(
        (case.amount, case.owner_part, case.co_part),
        (penalty, penalty, 0)
    );
    let tenth = penalty / 10;
    assert_eq!(case.appeal_bond, tenth.max(STAKE.appeal_bond_floor));
    assert_eq!(
        case.appeal_until,
        c.world().now() + i64::from(STAKE.appeal_seconds)
    );
    // Later parameters don't touch it.
    c.world().with_stake_params(|p| {
        (
            p.slash_renter_bps,
            p.slash_challenger_bps,
            p.decision_seconds,
        ) = (0, 0, 1);
        p.appeal_bond_floor = 500;
    });
    c.appeal();
    let case = c.case();
    assert_eq!(
        case.decide_until,
        c.world().now() + i64::from(STAKE.decision_seconds)
    );
    assert_eq!(case.appeal_bond, tenth.max(STAKE.appeal_bond_floor));
    c.decide(SlashVerdict::Upheld, &[1]);
    let case = c.case();
    assert_eq!(case.owed_renter, penalty / 4);
    assert_eq!(case.owed_challenger, penalty / 10);
}

/// Nobody appealed: after the time for it, shares are owed, the rest is burned, and each is delivered by anybody.
#[test]
fn an_unappealed_case_is_upheld_and_delivered() {
    let mut stage = Stage::at(401, At::Submitted);
    stage.dispute();
    stage.reject();
    let mut c = Case::of(stage);
    let (case, before) = (c.case(), c.supply());
    for late in [-1, 0] {
        let mut early = c.fork();
        early.world().at(case.appeal_until + late);
        let call = early.stage.world.finalise_slash_case_call(&early.key);
        early.world().refuse(&call, IoError::DeadlineNotPassed);
    }
    c.world().at(case.appeal_until + 1);
    c.finalise();
    let renter = case.amount / 4;
    let challenger = case.amount / 10;
    let burned = case.amount - renter - challenger;
    let decided = c.case();
    assert_eq!(
        (
            decided.state,
            decided.owed_renter,
            decided.owed_challenger,
            decided.burned
        ),
        (UPHELD, renter, challenger, burned)
    );
    assert!(burned >= case.amount / 2);
    assert_eq!(c.supply(), before - burned);
    let again = c.stage.world.finalise_slash_case_call(&c.key);
    c.world().refuse(&again, IoError::WrongState);

    // The renter disputed it: both shares are its own. To nobody else's account.
    let (mine, other) = (c.stage.renter.io, c.stage.payer.io);
    let close = c.stage.world.close_slash_case_call(&c.key);
    c.world().refuse(&close, IoError::StillOwed);
    let had = c.stage.world.tokens(&mine);
    for (party, amount) in [
        (SlashParty::Renter, renter),
        (SlashParty::Challenger, challenger),
    ] {
        let call = c.stage.world.pay_slash_share_call(&c.key, party, &other);
        c.world().refuse(&call, IoError::WrongOwner);
        let before = c.stage.world.tokens(&mine);
        let call = c.stage.world.pay_slash_share_call(&c.key, party, &mine);
        c.world().ok(&call);
        assert_eq!(c.stage.world.tokens(&mine), before + amount);
        c.world().refuse(&call, IoError::NothingOwed);
    }
    assert_eq!(c.stage.world.tokens(&mine), had + renter + challenger);

    // A gift keeps nothing open, and goes to nobody.
    let (mint, vault) = (c.stage.world.io_mint, world::vault(&c.key));
    c.world().donate(&mint, &vault, 77);
    let supply_before = c.supply();
    let opener = c.opener.pubkey();
    let rent = c.stage.world.lamports(&c.key) + c.stage.world.lamports(&vault);
    let had = c.stage.world.lamports(&opener);
    c.world().ok(&close);
    assert_eq!(c.supply(), supply_before - 77);
    assert_eq!(c.stage.world.lamports(&opener), had + rent);
    assert!(c.stage.world.account(&c.key).is_none() && c.stage.world.account(&vault).is_none());
    // The job was its last trace: the number is never given again.
    assert_eq!(c.stage.world.provider(&c.stage.rig.provider).slash_cases, 1);
}

#[test]
fn an_appeal_is_heard_in_time_from_the_provider_and_once() {
    let c = Case::rejected(402);
    let until = c.case().appeal_until;
    for (late, good) in [(-1, true), (0, true), (1, false)] {
        let mut c = c.fork();
        c.world().at(until + late);
        let call = c.stage.world.appeal_slash_call(&c.stage.rig, &c.key);
        if !good {
            c.world().refuse(&call, IoError::DeadlinePassed);
            continue;
        }
        let (from, vault) = (c.stage.rig.authority.io, world::vault(&c.key));
        let had = c.stage.world.tokens(&from);
        c.world().ok(&call);
        let case = c.case();
        assert_eq!(
            (case.state, case.appellant),
            (APPEALED, c.stage.rig.authority.pubkey())
        );
        assert_eq!(c.stage.world.tokens(&from), had - case.appeal_bond);
        assert_eq!(c.stage.world.tokens(&vault), case.amount + case.appeal_bond);
        c.world().refuse(&call, IoError::WrongState);
        // It is not decided by the time for appeals any more.
        let early = c.stage.world.finalise_slash_case_call(&c.key);
        c.world().refuse(&early, IoError::DeadlineNotPassed);
    }
    // Whoever cannot pay the bond has no appeal: the token program says so.
    let mut poor = c.fork();
    let authority = poor.stage.rig.authority.clone();
    let empty = poor.world().party_with(0, 0);
    let mut call = poor
        .stage
        .world
        .appeal_slash_call(&poor.stage.rig, &poor.key);
    call.instruction.accounts[5].pubkey = empty.io;
    assert!(poor.world().attempt(&call).is_err());
    call.instruction.accounts[5].pubkey = world::vault(&poor.key);
    poor.world().refuse(&call, IoError::SameAccount);
    call.instruction.accounts[5].pubkey = authority.usd;
    poor.world().refuse(&call, IoError::WrongMint);
    // A paused network hears appeals.
    let pause = poor.stage.world.set_paused_call(true);
    poor.world().ok(&pause);
    poor.appeal();
    assert_eq!(poor.case().state, APPEALED);
}

/// Who accused does not decide. Those that did not may be fewer than the quorum, but never none.
#[test]
fn accusers_do_not_decide() {
    let mut c = Case::rejected(403);
    assert_eq!(c.case().accusers, 0b011);
    c.appeal();
    for oracles in [&[0][..], &[0, 1], &[0, 2], &[2, 1], &[0, 1, 2]] {
        let call = c
            .stage
            .world
            .decide_slash_call(&c.key, SlashVerdict::Upheld, oracles);
        c.world().refuse(&call, IoError::AccuserMayNotDecide);
    }
    let mut alone = c.fork();
    alone.decide(SlashVerdict::Upheld, &[2]);
    assert_eq!(alone.case().state, UPHELD);

    // Two new oracles: with three that did not accuse the whole quorum is needed.
    let more: Vec<Keypair> = (0..2).map(|_| c.stage.world.keys.keypair()).collect();
    c.stage.world.oracles.extend(more);
    let keys: Vec<Pubkey> = c.stage.world.oracles.iter().map(Signer::pubkey).collect();
    let call = c.stage.world.set_oracles_call(2, &keys);
    c.world().ok(&call);
    let one = c
        .stage
        .world
        .decide_slash_call(&c.key, SlashVerdict::Returned, &[3]);
    c.world().refuse(&one, IoError::QuorumNotReached);
    c.decide(SlashVerdict::Returned, &[2, 4]);
    assert_eq!(c.case().state, RETURNED);
}

/// A penalty for a vanished device has no accusers: any quorum decides its appeal.
#[test]
fn an_expired_jobs_appeal_needs_a_quorum() {
    let mut c = Case::of(Stage::at(404, At::ExpiredRunning));
    assert_eq!(
        (c.case().accusers, c.case().challenger),
        (0, Pubkey::default())
    );
    c.appeal();
    let one = c
        .stage
        .world
        .decide_slash_call(&c.key, SlashVerdict::Upheld, &[0]);
    c.world().refuse(&one, IoError::QuorumNotReached);
    let (amount, bond, before) = (c.case().amount, c.case().appeal_bond, c.supply());
    c.decide(SlashVerdict::Upheld, &[0, 1]);
    // Nobody disputed: that share burns too, and so does the bond of an appeal that failed.
    let case = c.case();
    assert_eq!(case.owed_challenger, 0);
    assert_eq!(case.burned, amount - amount / 4 + bond);
    assert_eq!(c.supply(), before - case.burned);
    let renter = c.stage.renter.io;
    let call = c
        .stage
        .world
        .pay_slash_share_call(&c.key, SlashParty::Challenger, &renter);
    c.world().refuse(&call, IoError::WrongOwner);
}

/// An appeal that succeeds, or that nobody decides in time, gives everything back, the bond too.
#[test]
fn a_successful_appeal_costs_nothing() {
    let start = Case::rejected(405);
    let before = {
        let stage = Stage::at(405, At::Submitted);
        stage.world.provider(&stage.rig.provider).staked
    };
    let wealth = start.stage.world.tokens(&start.stage.rig.authority.io);
    let mut c = start;
    c.appeal();
    let until = c.case().decide_until;
    let supply = c.supply();
    let mut ways = Vec::new();
    for late in [-1, 0, 1] {
        let mut w = c.fork();
        w.world().at(until + late);
        let decide = w
            .stage
            .world
            .decide_slash_call(&w.key, SlashVerdict::Returned, &[2]);
        let lapse = w.stage.world.finalise_slash_case_call(&w.key);
        if late == 1 {
            w.world().refuse(&decide, IoError::DeadlinePassed);
            w.world().ok(&lapse);
        } else {
            w.world().refuse(&lapse, IoError::DeadlineNotPassed);
            w.world().ok(&decide);
        }
        ways.push(w);
    }
    for mut w in ways {
        let case = w.case();
        assert_eq!(
            (case.state, case.burned, case.owed_renter),
            (RETURNED, 0, 0)
        );
        assert_eq!(case.owed_appellant, case.appeal_bond);
        let rig = w.stage.rig.clone();
        let provider = w.stage.world.provider(&rig.provider);
        assert_eq!(provider.staked, before);
        assert_eq!(provider.free(), case.amount, "what came back is free");
        assert_eq!(w.supply(), supply);
        let stranger = w.world().party();
        let call = w
            .stage
            .world
            .pay_slash_share_call(&w.key, SlashParty::Appellant, &stranger.io);
        w.world().refuse(&call, IoError::WrongOwner);
        let call =
            w.stage
                .world
                .pay_slash_share_call(&w.key, SlashParty::Appellant, &rig.authority.io);
        w.world().ok(&call);
        assert_eq!(w.stage.world.tokens(&rig.authority.io), wealth);
        let close = w.stage.world.close_slash_case_call(&w.key);
        w.world().ok(&close);
    }
}

/// A decision is of one case, one verdict, this deployment, this set.
#[test]
fn a_decision_is_about_one_case() {
    let mut c = Case::rejected(406);
    c.appeal();
    let statement = c
        .stage
        .world
        .slash_statement(&c.key, SlashVerdict::Returned);
    let third = c.stage.world.oracles[2].insecure_clone();
    let good = c
        .stage
        .world
        .decide_slash_call(&c.key, SlashVerdict::Returned, &[2]);
    let mut wrong = Vec::new();
    let mut s = statement;
    s.verdict = SlashVerdict::Upheld;
    wrong.push(s);
    let mut s = statement;
    s.case = [9; 32];
    wrong.push(s);
    let mut s = statement;
    s.opened_at += 1;
    wrong.push(s);
    let mut s = statement;
    s.set_version += 1;
    wrong.push(s);
    let mut s = statement;
    s.deployment.cluster[0] ^= 1;
    wrong.push(s);
    let mut s = statement;
    s.deployment.program[0] ^= 1;
    wrong.push(s);
    for s in wrong {
        let mut call = good.duplicate();
        call.before = vec![ed25519::signed(&s.to_bytes(), &[&third])];
        c.world().refuse(&call, IoError::WrongMessage);
    }
    let mut call = good.duplicate();
    call.before.clear();
    c.world().refuse(&call, IoError::NoSignatureInstruction);
    for verdict in [0, 3, 255] {
        let mut call = good.duplicate();
        *call.instruction.data.last_mut().unwrap() = verdict;
        c.world().refuse(&call, IoError::ParameterOutOfBounds);
    }
    // A removed oracle's word counts no more.
    let keys: Vec<Pubkey> = c.stage.world.oracles[..2]
        .iter()
        .map(Signer::pubkey)
        .collect();
    let mut removed = c.fork();
    let call = removed.stage.world.set_oracles_call(2, &keys);
    removed.world().ok(&call);
    let call = removed
        .stage
        .world
        .decide_slash_call(&removed.key, SlashVerdict::Returned, &[2]);
    removed.world().refuse(&call, IoError::NotAnOracle);
    c.world().ok(&good);
    c.world().refuse(&good, IoError::WrongState);
}

/// An undecided case waits for its appeal whatever its provider does, and its stake is out of reach meanwhile.
#[test]
fn slash_against_unstake() {
    let mut stage = Stage::at(407, At::Rejected);
    let rig = stage.rig.clone();
    let due = stage.job().penalty_due;
    stage.world.until_answered(&rig);
    let retire = stage.world.retire_device_call(&rig);
    stage.world.ok(&retire);
    let all = stage.world.provider(&rig.provider).staked;
    let call = stage.world.request_unstake_call(&rig, all - due + 1);
    stage.world.refuse(&call, IoError::StakeNotFree);
    let call = stage.world.request_unstake_call(&rig, all - due);
    stage.world.ok(&call);
    let mut c = Case::of(stage);
    assert_eq!(c.case().amount, due);
    assert_eq!(c.stage.world.provider(&rig.provider).staked, 0);
    // What unbonds is untouched.
    c.world().advance(i64::from(PARAMS.unbond_seconds));
    let call = c.stage.world.withdraw_stake_call(&rig);
    c.world().ok(&call);
    assert_eq!(c.case().state, OPEN);
}

/// A party's frozen account blocks only its own share.
#[test]
fn a_frozen_party_waits_alone() {
    let mut stage = Stage::at(408, At::Submitted);
    let oracle = stage.world.oracles[1].insecure_clone();
    let call = stage.world.dispute_call(&stage.key, &oracle);
    stage.world.ok(&call);
    stage.reject();
    let mut c = Case::of(stage);
    let until = c.case().appeal_until;
    c.world().at(until + 1);
    c.finalise();
    let mint = c.stage.world.io_mint;
    let renter = c.stage.renter.io;
    c.world().freeze(&mint, &renter);
    let call = c
        .stage
        .world
        .pay_slash_share_call(&c.key, SlashParty::Renter, &renter);
    c.world().refuse(&call, IoError::BadTokenAccount);
    let theirs = c.world().token_account(&mint, &oracle.pubkey(), 0);
    let paid = c.case().owed_challenger;
    let other = c
        .stage
        .world
        .pay_slash_share_call(&c.key, SlashParty::Challenger, &theirs);
    c.world().ok(&other);
    assert_eq!(c.stage.world.tokens(&theirs), paid);
    c.world().thaw(&mint, &renter);
    c.world().ok(&call);
}

/// What an accuser found is filed under its own word: not by others, once, and while there is something to decide.
#[test]
fn an_accuser_files_what_it_found_once() {
    let start = Case::rejected(410);
    let oracles: Vec<Keypair> = start
        .stage
        .world
        .oracles
        .iter()
        .map(Keypair::insecure_clone)
        .collect();
    let key = start.key;
    let file = |world: &World, oracle: &Keypair, hash| world.file_evidence_call(oracle, &key, hash);

    let mut case = start.fork();
    let opener = case.opener.insecure_clone();
    let world = case.world();
    for (who, hash, refusal) in [
        (&oracles[2], [7; 32], IoError::NotAnOracle),
        (&opener, [7; 32], IoError::NotAnOracle),
        (&oracles[0], [0; 32], IoError::ParameterOutOfBounds),
    ] {
        let call = file(world, who, hash);
        world.refuse(&call, refusal);
    }
    let call = file(world, &oracles[1], [7; 32]);
    world.ok(&call);
    assert_eq!(case.case().evidence, [7; 32]);
    assert_eq!(case.case().subject, case.stage.job().output_hash);
    let world = case.world();
    for oracle in &oracles[..2] {
        let call = file(world, oracle, [8; 32]);
        world.refuse(&call, IoError::WrongState);
    }
    // It decides nothing by itself, and after the decision there is nothing to add.
    let mut appealed = start.fork();
    appealed.appeal();
    let mut undecided = appealed.fork();
    let call = file(undecided.world(), &oracles[0], [7; 32]);
    undecided.world().ok(&call);
    appealed.decide(SlashVerdict::Returned, &[2]);
    let call = file(appealed.world(), &oracles[0], [7; 32]);
    appealed.world().refuse(&call, IoError::WrongState);
    // Nobody accused a device that vanished: the chain itself shows it.
    let mut vanished = Case::of(Stage::at(411, At::ExpiredRunning));
    let oracle = vanished.stage.world.oracles[0].insecure_clone();
    let call = vanished
        .stage
        .world
        .file_evidence_call(&oracle, &vanished.key, [7; 32]);
    vanished.world().refuse(&call, IoError::NotAnOracle);
}
