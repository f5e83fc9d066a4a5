//! A provider's life by the commands of the README, as they stand there: from registering to the last stake taken out.

use std::{collections::BTreeMap, time::Duration};

use io_client::{Pubkey, Wallet, accounts, io_network::state::Device, tokens};
use io_e2e::{
    JobState, Market, Options,
    books::payment,
    command, inputs,
    jobs::{PATIENCE, until},
    market::{IO, WASM_ASK},
    process::{Service, io_binary},
};
use serde_json::{Value, json};

/// SOL that a wallet of a test starts with, lamports.
const SOME_SOL: u64 = 2_000_000_000;
/// Rounds of a module that keeps its device busy while commands are tried, and units that it may use.
const ROUNDS: u32 = 1 << 30;
const UNITS: u64 = 40_000;

/// The commands of a README section, without the leading `io`.
fn commands_of(section: &str) -> Vec<Vec<String>> {
    let readme = include_str!("../../../../README.md");
    let start = readme
        .find(&format!("\n## {section}\n"))
        .unwrap_or_else(|| panic!("the README has no section {section}"));
    readme[start + 1..]
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter_map(|line| line.strip_prefix("    io "))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
}

/// What an oracle says of a device: why it takes no job, nothing when it does.
async fn unavailable(market: &Market, device: &Pubkey) -> Option<Option<String>> {
    let url = format!("{}/v1/devices/{device}", market.oracle_urls[0]);
    let response = market.http().get(url).send().await.ok()?;
    let offer: Value = response.json().await.ok()?;
    offer["available"].as_bool()?;
    Some(offer["unavailable_because"].as_str().map(str::to_owned))
}

async fn becomes(
    market: &Market,
    device: &Pubkey,
    because: Option<&str>,
    log: impl Fn() -> String,
) {
    let what = format!("the device should be {}", because.unwrap_or("available"));
    until(&what, PATIENCE, log, async || {
        (unavailable(market, device).await? == because.map(str::to_owned)).then_some(())
    })
    .await;
}

async fn device_of(market: &Market, address: &Pubkey) -> Device {
    accounts::fetch::<Device>(&market.rpc, address)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_commands_make_a_device_that_earns_and_can_be_left_again() {
    // Two devices that are halves of this machine: the README's is the whole.
    let market = Market::start(Options {
        workers: 2,
        ..Options::default()
    })
    .await;
    let home = market.folder().to_owned();
    // What getting started says to bring: an operator's key with some SOL. The wallet is the network's own.
    let (operator, payee, stranger) = (Wallet::generate(), Wallet::generate(), Wallet::generate());
    operator.save(&home.join("operator.json")).unwrap();
    stranger.save(&home.join("stranger.json")).unwrap();
    let fund: Vec<_> = [&operator, &stranger]
        .iter()
        .map(|wallet| tokens::transfer_sol(&market.admin.address(), &wallet.address(), SOME_SOL))
        .collect();
    market.send("fund", &market.admin, fund).await.unwrap();
    let config = json!({
        "oracles": market.oracle_urls, "rpc_url": market.rpc_url, "ws_url": market.ws_url, "operator": "operator.json",
        "data_dir": "io-worker", "region": "DE",
        "engines": {"embed": {"ask": "50000000"}, "wasm": {"ask": WASM_ASK.to_string()}},
    });
    // TOML, as documented: every JSON string, number and list is one of TOML's, too.
    let mut toml = String::new();
    for (name, value) in config.as_object().unwrap() {
        if name != "engines" {
            toml.push_str(&format!("{name} = {value}\n"));
        }
    }
    for (name, engine) in config["engines"].as_object().unwrap() {
        toml.push_str(&format!("[engines.{name}]\nask = {}\n", engine["ask"]));
    }
    std::fs::write(home.join("worker.toml"), toml).unwrap();
    let as_stranger = async |arguments: &[&str]| {
        let mut all = vec!["-k", "stranger.json"];
        all.extend(arguments);
        market.io(&all).await
    };

    // Before its time: each says what is missing.
    market
        .io(&["provider", "show"])
        .await
        .fails_with(4, &["io provider register"]);
    market
        .io(&["stake", "add", "1"])
        .await
        .fails_with(4, &["io provider register"]);
    let register = [
        "device",
        "register",
        "--class",
        "0",
        "--operator-key",
        "operator.json",
    ];
    market
        .io(&register)
        .await
        .fails_with(4, &["io provider register"]);
    let config_file = home.join("worker.toml").display().to_string();
    market
        .io(&["worker", "run", "--config", &config_file])
        .await
        .fails_with(1, &["io device register"]);

    // With the web app's address it waits, and says where the device is registered.
    for app in ["nowhere", "http:///worker"] {
        market
            .io(&["worker", "run", "--config", &config_file, "--app", app])
            .await
            .fails_with(2, &[app, "http://"]);
    }
    let mut waits = command::bare(&io_binary(), &home, &BTreeMap::new());
    waits.args(["worker", "run", "--config", "worker.toml"]);
    waits.args(["--app", "http://app.example/"]);
    let mut waiting = Service::start("the waiting worker", &mut waits, home.join("waiting.log"));
    let address = operator.address();
    let link = until(
        "it should say where the device is registered",
        PATIENCE,
        || waiting.log(),
        async || {
            let log = waiting.log();
            let from = log.find("http://app.example/worker/setup?hardware=")?;
            log[from..].split_whitespace().next().map(str::to_owned)
        },
    )
    .await;
    let (hardware, of) = link
        .split_once("hardware=")
        .unwrap()
        .1
        .split_once("&operator=")
        .unwrap();
    assert_eq!((hardware.len(), of), (64, &*address.to_string()), "{link}");

    // Nothing of a dry run happens.
    let dry = market.io(&["provider", "register", "--dry-run"]).await.ok();
    assert_eq!(dry["dry_run"], true, "{dry}");
    market.io(&["provider", "show"]).await.fails(4);

    // The README, word by word.
    let commands = commands_of("Provide");
    assert_eq!(commands.len(), 4, "{commands:?}");
    let mut device = None;
    for command in &commands[..3] {
        let ran = market.io(command).await;
        let value = ran.ok();
        assert!(value["signature"].is_string(), "{ran}");
        if let Some(address) = value["device"].as_str() {
            device = Some(address.parse::<Pubkey>().unwrap());
        }
    }
    let device = device.expect("the address of the new device");
    let name = device.to_string();
    market
        .io(&["provider", "register"])
        .await
        .fails_with(1, &["already"]);
    market
        .io(&register)
        .await
        .fails_with(1, &["registered already", "this provider", "--part"]);
    market
        .io(&["stake", "add", "99999999"])
        .await
        .fails_with(5, &["holds", "Send IO"]);
    market.io(&["stake", "add", "0"]).await.fails(2);
    market
        .io(&[
            "device",
            "register",
            "--class",
            "999",
            "--operator-key",
            "operator.json",
        ])
        .await
        .fails_with(4, &["999", "io network show"]);
    market
        .io(&[
            "device",
            "register",
            "--class",
            "0",
            "--operator-key",
            "nobody.json",
        ])
        .await
        .fails_with(3, &["--operator-key"]);
    let status = market.io(&["stake", "status"]).await.ok();
    assert_eq!(
        (&status["staked"], &status["committed"], &status["free"]),
        (&json!(1_000 * IO), &json!(200 * IO), &json!(800 * IO)),
        "{status}"
    );

    // Earnings go to an account that isn't the renter's, so that the books show them.
    let owner = payee.address().to_string();
    market
        .io(&["provider", "payout", &Pubkey::default().to_string()])
        .await
        .fails_with(2, &["OWNER"]);
    market.io(&["provider", "payout", &owner]).await.ok();
    let shown = market.io(&["provider", "show"]).await.ok();
    assert_eq!(shown["payout_owner"], owner);
    let as_account = market
        .io(&["provider", "show", shown["provider"].as_str().unwrap()])
        .await
        .ok();
    assert_eq!(as_account, shown);

    // Which starts the worker that waited.
    becomes(&market, &device, None, || waiting.log()).await;
    let registered = device_of(&market, &device).await.hardware;
    assert_eq!(
        registered.map(|byte| format!("{byte:02x}")).concat(),
        hardware
    );
    waiting.stop().await;

    // The last of the README's commands runs until it is told to stop.
    let mut run = command::bare(&io_binary(), &home, &BTreeMap::new());
    run.args(&commands[3]);
    let mut worker = Service::start("the new worker", &mut run, home.join("new-worker.log"));
    let logs = || format!("{}{}", worker.log(), market.logs());
    becomes(&market, &device, None, logs).await;
    let test = market
        .io(&["device", "self-test", "--config", &config_file])
        .await
        .ok();
    assert!(test["engines"]["wasm"].as_f64().unwrap() > 0.0, "{test}");

    // A job that only this device can take, because of where it is; really run, verified, and paid to the base unit.
    let books = market.books().await;
    let echo = inputs::echo(&home);
    let message = inputs::write(&home, "message.txt", b"through a new device");
    let job = market
        .submit_wasm(&echo, Some(&message), 1, &["--region", "DE"])
        .await;
    let settled = market.ends(&job, JobState::Settled).await;
    assert_eq!(settled.device, device);
    let earned = payment(1, WASM_ASK, 0);
    books.balance_with(earned).await;
    let payee_account = tokens::associated(&payee.address(), &market.io_mint);
    assert_eq!(
        tokens::balance(&market.rpc, &payee_account)
            .await
            .unwrap()
            .map(i128::from),
        Some(earned.providers)
    );
    assert_eq!(device_of(&market, &device).await.completed, 1);
    let listed = market.io(&["device", "list"]).await.ok();
    assert_eq!(
        (
            &listed[0]["device"],
            &listed[0]["region"],
            &listed[0]["completed"]
        ),
        (&json!(name), &json!("DE"), &json!(1)),
        "{listed}"
    );

    // The wrong wallet, for each.
    let other = Wallet::generate().address().to_string();
    for arguments in [
        &["device", "drain", &name][..],
        &["device", "bond", &name, "300"],
        &["device", "operator", &name, &other],
        &["device", "retire", &name],
    ] {
        as_stranger(arguments)
            .await
            .fails_with(3, &["authority", "-k FILE"]);
    }
    as_stranger(&["stake", "unstake", "1"])
        .await
        .fails_with(4, &["io provider register"]);

    // Drained by the hot key, it takes nothing; switched back, it takes what waited.
    let drained = market
        .io(&["-k", "operator.json", "device", "drain", &name])
        .await
        .ok();
    assert_eq!(drained["state"], "draining");
    becomes(&market, &device, Some("draining"), logs).await;
    let long = inputs::count(&home, ROUNDS);
    let waits = market
        .submit_wasm(&long, None, UNITS, &["--region", "DE"])
        .await;
    until(
        "an oracle should say that nobody takes it",
        PATIENCE,
        logs,
        async || {
            let view = market.view(0, &waits).await?;
            (view.stage == io_api::types::Stage::Waiting && view.reason.is_some()).then_some(())
        },
    )
    .await;
    market.io(&["device", "drain", &name, "--undo"]).await.ok();
    market.until_state(&waits, &[JobState::Running]).await;

    // A busy device and stake that isn't free stay.
    let (retire, bond) = (
        ["device", "retire", &name],
        ["device", "bond", &name, "0.0001"],
    );
    let (retired, bonded) = tokio::join!(market.io(&retire), market.io(&bond));
    retired.fails_with(1, &["unsettled", "io device drain"]);
    bonded.fails_with(5, &["unsettled"]);
    market
        .io(&["device", "bond", &name, "5000"])
        .await
        .fails_with(5, &["io stake add 4000"]);
    market
        .io(&["stake", "unstake", "801"])
        .await
        .fails_with(5, &["800 IO can be taken out"]);
    let settled = market.ends(&waits, JobState::Settled).await;
    assert_eq!(settled.device, device);
    books
        .balance_with(earned + payment(settled.units, WASM_ASK, 0))
        .await;

    // Another bond and another operator.
    let bonded = market.io(&["device", "bond", &name, "350"]).await.ok();
    assert_eq!(bonded["bond"], json!(350 * IO));
    market.io(&["device", "operator", &name, &other]).await.ok();
    assert_eq!(
        device_of(&market, &device).await.operator.to_string(),
        other
    );
    // The operator before answers for a day for what it signed: until then there is no third one.
    market
        .io(&["device", "operator", &name, &operator.address().to_string()])
        .await
        .fails_with(1, &["less than a day ago", "can be changed again from"]);

    // And out again: the device, then the stake, each when it may.
    assert!(worker.stop().await.success());
    // Its key is no longer the device's.
    market
        .io(&["worker", "run", "--config", &config_file])
        .await
        .fails_with(1, &[&other, "--part"]);
    // It answers with its bond for its newest figures.
    for (arguments, when) in [
        (&["device", "retire", &name][..], "on it can be retired"),
        (
            &["device", "bond", &name, "300"],
            "on its bond can be lowered",
        ),
    ] {
        market
            .io(arguments)
            .await
            .fails_with(1, &["can still be proven wrong", "Stop its worker", when]);
    }
    market.travel(25 * 3_600).await;
    let retired = market.io(&["device", "retire", &name]).await.ok();
    assert_eq!(retired["freed"], json!(350 * IO));
    market.io(&["device", "retire", &name]).await.fails(4);
    market.io(&["stake", "unstake", "300"]).await.ok();
    market
        .io(&["stake", "withdraw"])
        .await
        .fails_with(1, &["300 IO are free from"]);
    market
        .io_as(
            "admin",
            &[
                "network",
                "set-params",
                "--challenge-seconds",
                "1",
                "--dispute-seconds",
                "1",
                "--unbond-seconds",
                "2",
            ],
        )
        .await
        .ok();
    market.io(&["stake", "unstake", "200"]).await.ok();
    let withdrawn = until(
        "the second part should come out",
        PATIENCE,
        || market.logs(),
        async || {
            let ran = market.io(&["stake", "withdraw"]).await;
            (ran.code == 0).then(|| ran.json())
        },
    )
    .await;
    assert_eq!(withdrawn["withdrawn"], json!(200 * IO));
    let status = market.io(&["stake", "status"]).await.ok();
    assert_eq!(
        (
            &status["staked"],
            &status["free"],
            status["unbonding"].as_array().unwrap().len()
        ),
        (&json!(500 * IO), &json!(500 * IO), 1),
        "{status}"
    );
    market.stop().await;
}

/// A process that was killed holds its locks until its last thread has ended: whoever starts it again at once needn't know.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_started_in_the_moment_of_its_death_waits_for_its_lock_and_a_twin_is_found_out() {
    let mut market = Market::start(Options::default()).await;
    let home = market.folder().to_owned();
    let books = market.books().await;
    let echo = inputs::echo(&home);
    for _ in 0..3 {
        let pid = market.workers[0].pid();
        // Not waited for.
        assert!(io_e2e::process::signal(pid, io_e2e::process::Signal::KILL));
        market.start_worker(0, None);
    }
    market.worker_is_available(0).await;
    let job = market.submit_wasm(&echo, None, 1, &[]).await;
    market.ends(&job, JobState::Settled).await;
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    // The same key and the same device somewhere else: another data folder, and no lock in common.
    let elsewhere = home.join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let config = market.changed(
        &market.workers[0].config.clone(),
        &[("data_dir", json!(elsewhere.join("data")))],
    );
    let environment = BTreeMap::from([("TMPDIR".to_owned(), elsewhere.display().to_string())]);
    let mut run = command::bare(&io_binary(), &home, &environment);
    run.args(["worker", "run", "--config"]).arg(config);
    let mut twin = Service::start("the twin", &mut run, home.join("twin.log"));
    let status = twin.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", twin.log());
    let said = twin.log();
    for words in ["another worker is linked", "one worker", "No job is lost"] {
        assert!(said.contains(words), "expected '{words}': {said}");
    }
    // The first one was told, and goes on as if nothing had been.
    let told = until(
        "the first worker should be told",
        PATIENCE,
        || market.logs(),
        async || {
            let logs = market.logs();
            logs.contains("is the key on two machines?").then_some(logs)
        },
    );
    tokio::time::timeout(PATIENCE + Duration::from_secs(1), told)
        .await
        .unwrap();
    let job = market.submit_wasm(&echo, None, 1, &[]).await;
    market.ends(&job, JobState::Settled).await;
    books
        .balance_with(payment(1, WASM_ASK, 0) + payment(1, WASM_ASK, 0))
        .await;
    market.stop().await;
}
