//! What each instruction costs in compute units, over many sets of keys: the search for a PDA's bump costs 1,500 a try and
//! varies with them. The keys come from fixed seeds, so that the same bytecode gives the same figures everywhere.
//!
//! `UPDATE_CU=1` writes `docs/cu.json`; without it, the test fails when the file is stale. Another toolchain makes other
//! bytecode: with `IO_CU_OTHER_TOOLS=1` only the aims are checked.

use std::{collections::BTreeMap, path::PathBuf};

use io_network::{
    ClaimRewardsArgs, ConvictArgs, Payee, PublishRootArgs, Roles, VestingArgs,
    constants::{EVICT_SECONDS, EVIDENCE_SECONDS, EVIDENCE_SLOTS},
    state, token,
};
use io_proof::hardware::cell::MAX_N;
use io_protocol::{
    messages::EPOCH_SECONDS,
    money::IO,
    rewards::{Leaf, Native, root_of},
    slashing::SlashVerdict,
};
use io_tests::{
    ASK, At, CLASS_SMALL, Call, Mint, PARAMS, Rig, Stage, UNITS, USD, World, artifacts,
    calls::{proposal_of, with_proposal},
    ed25519::Ed25519,
    hardware::{self, Cell},
    keys::Keys,
    lease_terms,
    leases::deposit,
    treasury::BUY_BACK,
    world::{self, EMISSION_ARGS, class_args, payment_args, slash_case},
};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::consumer::Office;

/// Sets of keys.
const SAMPLES: usize = 128;

/// The most that an instruction may cost at the median, compute units.
const AIMS: [(&str, u64); 16] = [
    ("create_job", 16_000),
    ("create_job, by another program, in all", 20_000),
    ("accept_job", 9_000),
    ("accept_job, with a ticket", 9_000),
    ("submit_result", 5_000),
    ("settle_job, 2 signatures", 14_000),
    ("cancel_job", 12_000),
    ("expire_job, open", 12_000),
    ("expire_job, running", 12_000),
    ("expire_job, disputed", 12_000),
    ("checkpoint_job, 2 signatures", 14_000),
    ("finish_lease", 12_000),
    ("claim_rewards, 20 levels", 12_000),
    ("stake", 12_000),
    ("prove_bad_cell, n = 16384", 300_000),
    ("attest_device, 2 signatures", 16_000),
];

#[derive(Default)]
struct Ledger(BTreeMap<&'static str, Vec<u64>>);

impl Ledger {
    fn run(&mut self, world: &mut World, what: &'static str, call: &Call) {
        let units = world.ok(call).units;
        self.0.entry(what).or_default().push(units);
    }
}

/// A world in which every key is another.
fn reseeded(base: &World, sample: usize) -> World {
    let mut world = base.fork();
    world.keys = Keys::new(7_000 + sample as u64);
    world
}

/// Everything about the network, from nothing.
fn administration(ledger: &mut Ledger, bare: &World, sample: usize) {
    let mut w = reseeded(bare, sample);
    w.admin = w.person();
    w.set_upgrade_authority(&w.admin.pubkey());
    w.oracles = (0..3).map(|_| w.keys.keypair()).collect();
    let call = w.initialize_network_call(PARAMS, 2);
    ledger.run(&mut w, "initialize_network", &call);
    let call = w.update_params_call(PARAMS);
    ledger.run(&mut w, "update_params", &call);
    let call = w.set_paused_call(false);
    ledger.run(&mut w, "set_paused", &call);
    let call = w.set_roles_call(Roles {
        pauser: w.oracles[0].pubkey(),
        params: w.oracles[1].pubkey(),
        oracles: w.oracles[2].pubkey(),
    });
    ledger.run(&mut w, "set_roles", &call);
    timelock(ledger, &w);
    treasury(ledger, &w, sample as u8 % 16);
    let keys: Vec<_> = (0..3).map(|_| w.keys.pubkey()).collect();
    let call = w.set_oracles_call(2, &keys);
    ledger.run(&mut w, "set_oracles, 3", &call);
    let keys: Vec<_> = (0..32).map(|_| w.keys.pubkey()).collect();
    let call = w.set_oracles_call(20, &keys);
    ledger.run(&mut w, "set_oracles, 32", &call);
    let mint = w.keys.pubkey();
    let account = w.account(&w.usd_mint).expect("the mint");
    w.write(&mint, account);
    let call = w.add_payment_mint_call(&mint, payment_args(Mint::Usd));
    ledger.run(&mut w, "add_payment_mint", &call);
    let call = w.update_payment_mint_call(&mint, payment_args(Mint::Usd));
    ledger.run(&mut w, "update_payment_mint", &call);
    let call = w.init_treasury_shard_call(&mint, sample as u8 % 16);
    ledger.run(&mut w, "init_treasury_shard", &call);
    let id = sample as u16 + 100;
    let call = w.add_class_call(class_args(id, 100));
    ledger.run(&mut w, "add_class", &call);
    let call = w.update_class_call(class_args(id, 200));
    ledger.run(&mut w, "update_class", &call);
    let heir = w.person();
    let call = w.propose_admin_call(&heir.pubkey());
    ledger.run(&mut w, "propose_admin", &call);
    let call = w.accept_admin_call(&heir);
    ledger.run(&mut w, "accept_admin", &call);
}

/// Fees on their way, and IO that is bought with them.
fn treasury(ledger: &mut Ledger, w: &World, shard: u8) {
    let mut w = w.fork();
    let (usd, io) = (w.usd_mint, w.io_mint);
    for mint in [usd, io] {
        let call = w.add_payment_mint_call(&mint, payment_args(Mint::Usd));
        w.ok(&call);
        for shard in 0..16 {
            let call = w.init_treasury_shard_call(&mint, shard);
            w.ok(&call);
        }
        let call = w.init_treasury_main_call(&mint);
        match mint == usd {
            true => ledger.run(&mut w, "init_treasury_main", &call),
            false => drop(w.ok(&call)),
        }
    }
    w.mint_to(&io, &world::treasury_shard(&io, shard), 1_000);
    let call = w.sweep_call(&io, &[shard]);
    ledger.run(&mut w, "sweep_treasury, 1 shard, with burn", &call);
    for shard in 0..16 {
        w.mint_to(&usd, &world::treasury_shard(&usd, shard), USD);
    }
    let all: Vec<u8> = (0..16).collect();
    let call = w.sweep_call(&usd, &all);
    ledger.run(&mut w, "sweep_treasury, 16 shards", &call);
    let seller = w.party();
    let call = w.set_treasury_owner_call(&seller.pubkey());
    ledger.run(&mut w, "set_treasury_owner", &call);
    let call = w.withdraw_treasury_call(&usd, &seller.usd, 5);
    ledger.run(&mut w, "withdraw_treasury", &call);
    let call = w.set_buy_back_call(&usd, BUY_BACK);
    ledger.run(&mut w, "set_buy_back", &call);
    let call = w.sell_call(&seller, IO, 1);
    ledger.run(&mut w, "sell_to_treasury", &call);
    let call = w.add_class_call(class_args(CLASS_SMALL, 125));
    w.ok(&call);
    let at = world::class(CLASS_SMALL);
    let mut short = w.account(&at).expect("the class");
    short.data.truncate(short.data.len() - 16);
    w.write(&at, short);
    let payer = w.person();
    let call = w.migrate_account_call(&payer, &at);
    ledger.run(&mut w, "migrate_account", &call);
}

/// A change that is published, withdrawn, published again and takes effect.
fn timelock(ledger: &mut Ledger, w: &World) {
    let mut w = w.fork();
    let call = w.set_timelock_call(60);
    ledger.run(&mut w, "set_timelock", &call);
    let admin = w.admin.insecure_clone();
    let change = w.update_params_call(PARAMS);
    let publish = w.propose_change_call(&admin, &change);
    ledger.run(&mut w, "propose_change", &publish);
    let at = proposal_of(&change);
    let cancel = w.cancel_change_call(&admin, &at);
    ledger.run(&mut w, "cancel_change", &cancel);
    w.ok(&publish);
    w.advance(60);
    let call = with_proposal(&change, &at);
    ledger.run(&mut w, "update_params, proposed", &call);
}

/// A provider's life.
fn provider(ledger: &mut Ledger, w: &mut World) -> Rig {
    let rig = w.unregistered_rig(CLASS_SMALL);
    let call = w.register_provider_call(&rig);
    ledger.run(w, "register_provider", &call);
    let call = w.stake_call(&rig, 2_000 * IO);
    ledger.run(w, "stake", &call);
    let call = w.register_device_call(&rig, 1_000 * IO);
    ledger.run(w, "register_device", &call);
    let call = w.attest_call(&rig, &[0, 1]);
    ledger.run(w, "attest_device, 2 signatures", &call);
    let call = w.set_device_bond_call(&rig, 1_100 * IO);
    ledger.run(w, "set_device_bond", &call);
    let call = w.set_device_operator_call(&rig, &rig.operator.pubkey());
    ledger.run(w, "set_device_operator", &call);
    let call = w.set_device_draining_call(&rig, &rig.operator, false);
    ledger.run(w, "set_device_draining", &call);
    let call = w.set_payout_owner_call(&rig, &rig.payout.pubkey());
    ledger.run(w, "set_payout_owner", &call);

    let mut leaving = w.fork();
    leaving.until_answered(&rig);
    let call = leaving.retire_device_call(&rig);
    ledger.run(&mut leaving, "retire_device", &call);
    let call = leaving.request_unstake_call(&rig, 2_000 * IO);
    ledger.run(&mut leaving, "request_unstake", &call);
    leaving.advance(i64::from(PARAMS.unbond_seconds));
    let call = leaving.withdraw_stake_call(&rig);
    ledger.run(&mut leaving, "withdraw_stake", &call);
    rig
}

/// A job's lives. Renter and payer are two.
fn jobs(ledger: &mut Ledger, mut open: Stage) {
    let create = |stage: &Stage| {
        stage
            .world
            .create_job_call(&stage.renter.key, &stage.payer, stage.mint, stage.terms)
    };
    let mut any = open.fork();
    let call = create(&any);
    ledger.run(&mut any.world, "create_job, any nonce", &call);
    open.choose_nonce(&open.renter.pubkey());
    let call = create(&open);
    ledger.run(&mut open.world, "create_job", &call);
    open.world.advance(1);

    let mut cancelled = open.fork();
    let call = cancelled
        .world
        .cancel_call(&cancelled.key, &cancelled.renter.key);
    ledger.run(&mut cancelled.world, "cancel_job", &call);
    let mut expired = open.fork();
    expired.world.at(expired.job().deadline + 1);
    let call = expired.world.expire_call(&expired.key);
    ledger.run(&mut expired.world, "expire_job, open", &call);

    let mut late = open.fork();
    late.world.at(late.job().match_until + 1);
    let call = late.world.accept_call(&late.key, &late.rig, ASK);
    ledger.run(&mut late.world, "accept_job", &call);

    let mut running = open;
    let call = running.world.accept_with_ticket_call(
        &running.key,
        &running.rig,
        ASK,
        running.world.now() + 30,
    );
    ledger.run(&mut running.world, "accept_job, with a ticket", &call);
    let mut expired = running.fork();
    expired.world.at(expired.job().run_until + 1);
    let call = expired.world.expire_call(&expired.key);
    ledger.run(&mut expired.world, "expire_job, running", &call);
    let opener = expired.world.person();
    let call = expired
        .world
        .open_slash_case_call(&expired.key, &expired.rig, &opener);
    ledger.run(&mut expired.world, "open_slash_case", &call);

    let mut submitted = running;
    let call = submitted
        .world
        .submit_call(&submitted.key, &submitted.rig, UNITS);
    ledger.run(&mut submitted.world, "submit_result", &call);
    let mut unobjected = submitted.fork();
    unobjected.world.at(unobjected.job().challenge_until + 1);
    let call = unobjected.world.settle_unobjected_call(&unobjected.key);
    ledger.run(&mut unobjected.world, "settle_job, unobjected", &call);
    let mut rejected = submitted.fork();
    let call = rejected.world.reject_call(&rejected.key, &[0, 1]);
    ledger.run(&mut rejected.world, "reject_job, 2 signatures", &call);
    let mut disputed = submitted.fork();
    let call = disputed
        .world
        .dispute_call(&disputed.key, &disputed.renter.key);
    ledger.run(&mut disputed.world, "dispute_job", &call);
    disputed.world.at(disputed.job().dispute_until + 1);
    let call = disputed.world.expire_call(&disputed.key);
    ledger.run(&mut disputed.world, "expire_job, disputed", &call);

    // Five of five: the set changes, so does what they sign.
    let mut five = submitted.fork();
    let more: Vec<Keypair> = (0..5).map(|_| five.world.keys.keypair()).collect();
    let keys: Vec<_> = more.iter().map(Signer::pubkey).collect();
    let call = five.world.set_oracles_call(5, &keys);
    five.world.ok(&call);
    five.world.oracles = more;
    let call = five.world.settle_call(&five.key, &[0, 1, 2, 3, 4]);
    ledger.run(&mut five.world, "settle_job, 5 signatures", &call);

    let mut owing = submitted.fork();
    let (mint, payee) = (
        owing.world.mint(owing.mint),
        owing.rig.payout.account(owing.mint),
    );
    owing.world.freeze(&mint, &payee);
    owing.settle();
    owing.world.thaw(&mint, &payee);
    let stranger = owing.world.person();
    let call = owing
        .world
        .release_owed_call(&owing.key, Payee::Provider, &stranger, &payee);
    ledger.run(&mut owing.world, "release_owed", &call);

    let mut settled = submitted;
    let call = settled.world.settle_call(&settled.key, &[0, 1]);
    ledger.run(&mut settled.world, "settle_job, 2 signatures", &call);
    let call = settled.world.close_call(&settled.key, &settled.payer.key);
    ledger.run(&mut settled.world, "close_job", &call);
}

/// A lease that a sponsor completed, counted, extended, ended and finished.
fn leases(ledger: &mut Ledger, mut stage: Stage) {
    let sponsor = stage.world.party();
    stage.terms = lease_terms(&stage.world, 1);
    stage.terms.deposit = 500_000;
    stage.create();
    let call = stage.world.fund_job_call(&stage.key, &sponsor, u64::MAX, 0);
    ledger.run(&mut stage.world, "fund_job", &call);
    let call =
        stage
            .world
            .accept_with_ticket_call(&stage.key, &stage.rig, ASK, stage.world.now() + 30);
    ledger.run(&mut stage.world, "accept_job, a lease", &call);
    stage.world.advance(100);
    let now = stage.world.now();
    let call = stage.world.checkpoint_call(&stage.key, 100, now, &[0, 1]);
    ledger.run(&mut stage.world, "checkpoint_job, 2 signatures", &call);
    let call = stage
        .world
        .extend_job_call(&stage.key, &stage.renter.key, &sponsor, 60, 1);
    ledger.run(&mut stage.world, "extend_job", &call);
    let call = stage.world.end_lease_call(&stage.key, &stage.renter.key);
    ledger.run(&mut stage.world, "end_lease", &call);
    stage.world.advance(1);
    stage.checkpoint(100);
    let call = stage.world.finish_lease_call(&stage.key);
    ledger.run(&mut stage.world, "finish_lease", &call);
    let deposit = deposit(&stage.key, &sponsor.pubkey(), 0);
    let call = stage.world.release_deposit_call(&deposit, &sponsor.key);
    ledger.run(&mut stage.world, "release_deposit", &call);
}

/// A job that the example integrator escrows from its own account: its work and the call to this program together.
fn integrator(ledger: &mut Ledger, stage: Stage) {
    let mut office = Office::with(stage);
    let user = office.stage.payer.clone();
    let call = office.request_call(&user);
    let mut any = office.stage.world.fork();
    ledger.run(
        &mut any,
        "create_job, by another program, any nonce, in all",
        &call,
    );
    office.choose_nonce();
    let call = office.request_call(&user);
    ledger.run(
        &mut office.stage.world,
        "create_job, by another program, in all",
        &call,
    );
}

/// IO's supply, from a new mint on. `w` is not initialised but for its network.
fn emission(ledger: &mut Ledger, unminted: &World, sample: usize) {
    let mut w = reseeded(unminted, sample);
    let rig = w.unregistered_rig_with(CLASS_SMALL, 0);
    let call = w.register_provider_call(&rig);
    w.ok(&call);
    let call = w.initialize_emission_call(EMISSION_ARGS);
    ledger.run(&mut w, "initialize_emission", &call);
    let (owner, heir) = (w.person(), w.person());
    for index in 0..5 {
        let args = VestingArgs {
            index,
            beneficiary: owner.pubkey(),
            start_at: w.now(),
            cliff_seconds: 0,
            linear_seconds: 0,
        };
        let call = w.create_vesting_call(args);
        if index == 0 {
            ledger.run(&mut w, "create_vesting", &call);
        } else {
            w.ok(&call);
        }
    }
    let account = w.token_account(&w.io_mint.clone(), &owner.pubkey(), 0);
    let call = w.claim_vested_call(&owner, 0, &account);
    ledger.run(&mut w, "claim_vested", &call);
    let call = w.propose_beneficiary_call(&owner, 0, &heir.pubkey());
    ledger.run(&mut w, "propose_beneficiary", &call);
    let call = w.accept_beneficiary_call(&heir, 0);
    ledger.run(&mut w, "accept_beneficiary", &call);
    let call = w.set_enterprise_share_call(9_000);
    ledger.run(&mut w, "set_enterprise_share", &call);

    // All bits of the number of epochs: the most multiplications there can be.
    let ends = w.emission().calendar().ends_at((1 << 17) - 1);
    w.at(ends);
    let call = w.advance_epoch_call();
    ledger.run(&mut w, "advance_epoch, 131,071 epochs", &call);
    w.advance(3_600);
    let call = w.advance_epoch_call();
    ledger.run(&mut w, "advance_epoch", &call);

    // Twenty levels: a million providers.
    let leaf = Leaf {
        provider: rig.provider.to_bytes(),
        cumulative: 12_345 * IO,
    };
    let (index, proof) = (777_777, (0..20u8).map(|i| [i; 32]).collect::<Vec<_>>());
    let hash = leaf.hash::<Native>(&io_network::ID.to_bytes());
    let root = root_of::<Native>(hash, index, &proof).expect("a root");
    let args = PublishRootArgs {
        epoch: 1,
        root,
        total: leaf.cumulative,
        blob: [1; 32],
    };
    let call = w.publish_root_call(args, &[0, 1]);
    ledger.run(&mut w, "publish_root, 2 signatures", &call);
    let call = w.update_guidance_call(CLASS_SMALL, args.epoch, 9_000, &[0, 1]);
    ledger.run(&mut w, "update_guidance, 2 signatures", &call);
    let args = ClaimRewardsArgs {
        cumulative: leaf.cumulative,
        index,
        proof,
    };
    let call = w.claim_rewards_call(
        &rig.authority.key,
        &rig.provider,
        &rig.payout.io,
        args.clone(),
    );
    ledger.run(&mut w.fork(), "claim_rewards, 20 levels", &call);
    let to = token::associated_address(&rig.payout.pubkey(), &w.io_mint);
    let account = w.account(&rig.payout.io).expect("the account");
    w.write(&to, account);
    let call = w.claim_rewards_call(&heir, &rig.provider, &to, args);
    ledger.run(&mut w, "claim_rewards, 20 levels, by a stranger", &call);
}

/// Co-stake, a slash case with its appeal, and oracles' bonds, from nothing.
fn stakes(ledger: &mut Ledger, base: &World, sample: usize) {
    let mut w = reseeded(base, sample);
    let rig = w.rig(CLASS_SMALL, 300 * IO);
    let call = w.set_co_stake_terms_call(&rig, 1_000, true);
    ledger.run(&mut w, "set_co_stake_terms, first", &call);
    let call = w.set_co_stake_terms_call(&rig, 500, true);
    ledger.run(&mut w, "set_co_stake_terms", &call);
    let member = w.party();
    let call = w.join_co_stake_call(&rig, &member, 200 * IO);
    ledger.run(&mut w, "join_co_stake", &call);
    w.pay_rewards(&[(&rig, 1_000)]);
    let call = w.activate_co_stake_call(&rig, &member);
    ledger.run(&mut w, "activate_co_stake", &call);
    w.pay_rewards(&[(&rig, 9_000)]);
    let call = w.claim_co_rewards_call(&rig, &member);
    ledger.run(&mut w, "claim_co_rewards", &call);
    let call = w.set_device_bond_call(&rig, 400 * IO);
    w.ok(&call);

    let mut leaving = w.fork();
    let who = member.pubkey();
    let call = leaving.leave_co_stake_call(&rig, &who, &member.key);
    ledger.run(&mut leaving, "leave_co_stake", &call);
    leaving.advance(i64::from(PARAMS.stake.co_notice_seconds));
    let call = leaving.release_bond_for_leaver_call(&rig, &who);
    ledger.run(&mut leaving, "release_bond_for_leaver, first", &call);
    leaving.advance(EPOCH_SECONDS + EVIDENCE_SECONDS);
    ledger.run(&mut leaving, "release_bond_for_leaver", &call);
    let call = leaving.start_co_unbond_call(&rig, &who, &member.key);
    ledger.run(&mut leaving, "start_co_unbond", &call);
    leaving.advance(i64::from(PARAMS.unbond_seconds));
    let call = leaving.withdraw_co_stake_call(&rig, &member);
    ledger.run(&mut leaving, "withdraw_co_stake", &call);

    w.attest(&rig);
    let mut stage = Stage::with(w, rig.clone(), Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 350 * IO;
    stage.create();
    stage.accept(350 * IO);
    stage.submit(1_000);
    stage.dispute();
    stage.reject();
    let (renter, mut w) = (stage.renter, stage.world);
    let opener = w.person();
    let call = w.open_slash_case_call(&stage.key, &rig, &opener);
    ledger.run(&mut w, "open_slash_case, with co-stake", &call);
    let case = slash_case(&rig.provider, 0);
    let accuser = w.oracles[0].insecure_clone();
    let call = w.file_evidence_call(&accuser, &case, [9; 32]);
    ledger.run(&mut w, "file_evidence", &call);
    let mut unappealed = w.fork();
    unappealed.advance(i64::from(PARAMS.stake.appeal_seconds) + 1);
    let call = unappealed.finalise_slash_case_call(&case);
    ledger.run(&mut unappealed, "finalise_slash_case", &call);
    let call = unappealed.pay_slash_share_call(&case, state::SlashParty::Renter, &renter.io);
    ledger.run(&mut unappealed, "pay_slash_share", &call);
    let call = unappealed.pay_slash_share_call(&case, state::SlashParty::Challenger, &renter.io);
    unappealed.ok(&call);
    let call = unappealed.close_slash_case_call(&case);
    ledger.run(&mut unappealed, "close_slash_case", &call);
    let call = w.appeal_slash_call(&rig, &case);
    ledger.run(&mut w, "appeal_slash", &call);
    let call = w.decide_slash_call(&case, SlashVerdict::Returned, &[2]);
    ledger.run(&mut w, "decide_slash, returned", &call);

    let unattested = w.unregistered_rig(CLASS_SMALL);
    for call in [
        w.register_provider_call(&unattested),
        w.stake_call(&unattested, 250 * IO),
        w.register_device_call(&unattested, 250 * IO),
    ] {
        w.ok(&call);
    }
    w.advance(EVICT_SECONDS + 1);
    let call = w.evict_device_call(&unattested);
    ledger.run(&mut w, "evict_device", &call);

    let liar = w.oracles[1].insecure_clone();
    let (key, owner) = (liar.pubkey(), w.party());
    let call = w.register_oracle_call(&liar, &owner.key);
    ledger.run(&mut w, "register_oracle", &call);
    let call = w.add_oracle_bond_call(&key, &owner, 100);
    ledger.run(&mut w, "add_oracle_bond", &call);
    let call = w.request_oracle_unbond_call(&key, &owner.key, 10);
    ledger.run(&mut w, "request_oracle_unbond", &call);
    let mut later = w.fork();
    later.advance(i64::from(PARAMS.unbond_seconds));
    let call = later.withdraw_oracle_bond_call(&key, &owner);
    ledger.run(&mut later, "withdraw_oracle_bond", &call);
    let said = [SlashVerdict::Upheld, SlashVerdict::Returned]
        .map(|verdict| w.slash_statement(&case, verdict).to_bytes());
    let proof = Ed25519::pair(&liar, &said[0], &said[1]);
    let call = w.prove_equivocation_call(&key, &renter.io, proof);
    let mut convicted = w.fork();
    ledger.run(&mut w, "prove_equivocation", &call);
    let args = ConvictArgs {
        job: case,
        created_slot: 2,
        epoch: 3,
        evidence: [4; 32],
    };
    let said = convicted.conduct_statement(&key, &args, &renter.pubkey());
    let signed = Ed25519::signed(&said.to_bytes(), &[&w.oracles[0], &w.oracles[2]]);
    let call = convicted.convict_oracle_call(&key, &renter.io, args, signed);
    ledger.run(&mut convicted, "convict_oracle", &call);
}

fn hardware(ledger: &mut Ledger, base: &World, sample: usize) {
    let mut w = reseeded(base, sample);
    let rig = w.rig(CLASS_SMALL, 300 * IO);
    let challenger = w.person();
    let cell = Cell::off_by(16_384, 16, 1);
    let bytes = cell.bytes();
    let (first, second) = bytes.split_at(800);
    let commitment = hardware::commitment(&challenger.pubkey(), &bytes);
    let call = w.commit_evidence_call(&challenger, commitment);
    ledger.run(&mut w, "commit_evidence, first", &call);
    ledger.run(&mut w, "commit_evidence", &call);
    w.wait_slots(EVIDENCE_SLOTS);
    let call = w.write_evidence_call(&challenger, 0, first);
    ledger.run(&mut w, "write_evidence, 800 bytes", &call);
    let call = w.write_evidence_call(&challenger, 800, second);
    w.ok(&call);
    let mut largest = w.fork();
    let said = w.committed(&rig, &cell);
    let call = w.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    ledger.run(&mut w, "prove_bad_cell, n = 16384", &call);
    // The largest matrix that a round asks for.
    let cell_of_largest = Cell::off_by(MAX_N, 8, 1);
    largest.write_claim(&challenger, &cell_of_largest);
    let said = largest.committed(&rig, &cell_of_largest);
    let call = largest.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    ledger.run(&mut largest, "prove_bad_cell, n = 32768", &call);
    let call = w.close_evidence_call(&challenger);
    ledger.run(&mut w, "close_evidence", &call);

    // A bond that lies wholly behind a job, and the owner has nothing else: the penalty is paid when the job is.
    let bound = w.rig(CLASS_SMALL, 300 * IO);
    let mut stage = Stage::with(w, bound, Mint::Io);
    stage.terms.max_units = 1_000;
    stage.terms.max_price = 300 * IO;
    stage.create();
    stage.accept(300 * IO);
    let (mut w, rig) = (stage.world, stage.rig);
    w.write_claim(&challenger, &cell);
    let said = w.committed(&rig, &cell);
    let call = w.prove_bad_cell_call(&challenger, &rig, &said, &rig.operator);
    w.ok(&call);
    let call = w.stake_call(&rig, 300 * IO);
    w.ok(&call);
    w.advance(2 * EVIDENCE_SECONDS);
    let call = w.open_fault_case_call(&rig, &challenger);
    ledger.run(&mut w, "open_fault_case", &call);
}

fn measure() -> BTreeMap<&'static str, Vec<u64>> {
    let (bare, base) = (World::bare(170), World::new(170));
    let unminted = World::unminted(170);
    let emitting = World::emitting(172);
    let mut ledger = Ledger::default();
    for sample in 0..SAMPLES {
        administration(&mut ledger, &bare, sample);
        emission(&mut ledger, &unminted, sample);
        let mut w = reseeded(&base, sample);
        let rig = provider(&mut ledger, &mut w);
        integrator(&mut ledger, Stage::with(w.fork(), rig.clone(), Mint::Io));
        leases(&mut ledger, Stage::with(w.fork(), rig.clone(), Mint::Io));
        jobs(&mut ledger, Stage::with(w, rig, Mint::Io));
        stakes(&mut ledger, &emitting, sample);
        hardware(&mut ledger, &emitting, sample);
    }
    ledger.0
}

/// The middle one; of two, the higher.
fn median(mut units: Vec<u64>) -> u64 {
    units.sort_unstable();
    units[units.len() / 2]
}

/// What the accounts weigh: bytes, and the lamports that keep them.
fn accounts() -> Value {
    let stage = Stage::at(171, At::Open);
    let rent = |bytes: usize| json!({ "bytes": bytes, "rent_lamports": stage.world.svm.minimum_balance_for_rent_exemption(bytes) });
    json!({
        "Network": rent(state::Network::SPACE),
        "OracleSet": rent(state::OracleSet::SPACE),
        "DeviceClass": rent(state::DeviceClass::SPACE),
        "PaymentMint": rent(state::PaymentMint::SPACE),
        "Provider": rent(state::Provider::SPACE),
        "Device": rent(state::Device::SPACE),
        "Job": rent(state::Job::SPACE),
        "Deposit": rent(state::Deposit::SPACE),
        "SlashCase": rent(state::SlashCase::SPACE),
        "Evidence": rent(state::Evidence::SPACE),
        "CoStake": rent(state::CoStake::SPACE),
        "Oracle": rent(state::Oracle::SPACE),
        "Emission": rent(state::Emission::SPACE),
        "Vesting": rent(state::Vesting::SPACE),
        "token account": rent(io_network::token::TOKEN_ACCOUNT_LEN),
    })
}

fn report() -> Value {
    let measured = measure();
    let instructions: serde_json::Map<String, Value> = measured
        .into_iter()
        .map(|(what, units)| {
            assert_eq!(units.len(), SAMPLES, "{what}");
            let most = *units.iter().max().expect("samples");
            let mut row = json!({ "median": median(units), "max": most });
            if let Some((_, aim)) = AIMS.iter().find(|(name, _)| *name == what) {
                row["aim"] = json!(aim);
            }
            (what.to_owned(), row)
        })
        .collect();
    json!({
        "about": "Compute units of each instruction, its whole transaction, over sets of random keys. Written by the test cu::figures_are_current.",
        "samples": SAMPLES,
        "elf_bytes": artifacts::program("io_network").len(),
        "instructions": instructions,
        "accounts": accounts(),
    })
}

#[test]
fn figures_are_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/cu.json");
    let report = report();
    let text = serde_json::to_string_pretty(&report).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_CU").is_some() {
        std::fs::write(&path, text).expect("docs/cu.json is written");
    } else if std::env::var_os("IO_CU_OTHER_TOOLS").is_none() {
        let stored = std::fs::read_to_string(&path).expect("docs/cu.json");
        // The ELF's size may depend on where the tools lie; what it costs to run does not.
        let figures = |text: &str| -> Vec<String> {
            let lines = text.lines().filter(|line| !line.contains("\"elf_bytes\""));
            lines.map(str::to_owned).collect()
        };
        let (stored, current) = (figures(&stored), figures(&text));
        let differing: Vec<String> = stored
            .iter()
            .zip(&current)
            .filter(|(a, b)| a != b)
            .map(|(a, b)| format!("{a} → {b}"))
            .collect();
        assert!(
            stored == current,
            "docs/cu.json is stale; UPDATE_CU=1 cargo nextest run --workspace --test onchain cu:: writes it anew\n{}",
            differing.join("\n")
        );
    }
    for (what, aim) in AIMS {
        let median = report["instructions"][what]["median"]
            .as_u64()
            .unwrap_or_else(|| panic!("{what} wasn't measured"));
        assert!(
            median <= aim,
            "{what} costs {median} compute units at the median, aim {aim}"
        );
    }
}
