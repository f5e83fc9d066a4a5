//! What each instruction costs in compute units, over many sets of keys: the search for a PDA's bump costs 1,500 a try and
//! varies with them. The keys come from fixed seeds, so that the same bytecode gives the same figures everywhere.
//!
//! `UPDATE_CU=1` writes `docs/cu.json`; without it, the test fails when the file is stale. Another toolchain makes other
//! bytecode: with `IO_CU_OTHER_TOOLS=1` only the aims are checked.

use std::{collections::BTreeMap, path::PathBuf};

use io_network::{Payee, Roles, state};
use io_protocol::money::IO;
use io_tests::{
    ASK, At, CLASS_SMALL, Call, Mint, PARAMS, Rig, Stage, UNITS, World, artifacts,
    calls::{proposal_of, with_proposal},
    keys::Keys,
    world::{class_args, payment_args},
};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_signer::Signer;

/// Sets of keys.
const SAMPLES: usize = 128;

/// The most that an instruction may cost at the median, compute units.
const AIMS: [(&str, u64); 9] = [
    ("create_job", 16_000),
    ("accept_job", 9_000),
    ("accept_job, with a ticket", 9_000),
    ("submit_result", 5_000),
    ("settle_job, 2 signatures", 14_000),
    ("cancel_job", 12_000),
    ("expire_job, open", 12_000),
    ("expire_job, running", 12_000),
    ("expire_job, disputed", 12_000),
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
    let call = w.set_device_bond_call(&rig, 900 * IO);
    ledger.run(w, "set_device_bond", &call);
    let call = w.set_device_operator_call(&rig, &rig.operator.pubkey());
    ledger.run(w, "set_device_operator", &call);
    let call = w.set_device_draining_call(&rig, &rig.operator, false);
    ledger.run(w, "set_device_draining", &call);
    let call = w.set_payout_owner_call(&rig, &rig.payout.pubkey());
    ledger.run(w, "set_payout_owner", &call);

    let mut leaving = w.fork();
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
    let call = open
        .world
        .create_job_call(&open.renter.key, &open.payer, open.mint, open.terms);
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

fn measure() -> BTreeMap<&'static str, Vec<u64>> {
    let (bare, base) = (World::bare(170), World::new(170));
    let mut ledger = Ledger::default();
    for sample in 0..SAMPLES {
        administration(&mut ledger, &bare, sample);
        let mut w = reseeded(&base, sample);
        let rig = provider(&mut ledger, &mut w);
        jobs(&mut ledger, Stage::with(w, rig, Mint::Io));
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
        "SlashCase": rent(state::SlashCase::SPACE),
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
            (
                what.to_owned(),
                json!({ "median": median(units), "max": most }),
            )
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
