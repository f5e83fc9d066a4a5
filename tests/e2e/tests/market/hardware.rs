//! Devices are what they have shown: what an oracle accepted can be checked by anybody, and what was wrong in it be proven.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use io_api::types::{HardwareProof, ProofOutcome};
use io_client::{
    Pubkey, Wallet, accounts,
    io_network::state::{Device, Evidence, Provider, SlashCase, SlashCause},
    pda,
    testing::{CuttableProxy, Slowness},
    tokens,
};
use io_e2e::{
    Market, Options, books, inputs,
    jobs::{PATIENCE, until},
};
use io_protocol::{messages::EPOCH_SECONDS, money::IO};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

async fn balance(market: &Market) -> u64 {
    let account = tokens::associated(&market.renter.address(), &market.io_mint);
    let held = tokens::balance(&market.rpc, &account).await.unwrap();
    held.expect("the renter's IO")
}

/// A market that begins when its hour has room for a test: records are looked up by the hour.
async fn market_of_one_hour(options: Options) -> Market {
    const ROOM: Duration = Duration::from_secs(150);
    let hour = Duration::from_secs(EPOCH_SECONDS.unsigned_abs());
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    let left = hour - Duration::from_secs(now.as_secs() % hour.as_secs());
    if left < ROOM {
        tokio::time::sleep(left).await;
    }
    Market::start(options).await
}

/// A device commits to one wrong cell. The row that the oracle draws is another one, so it accepts the proof. Somebody who has
/// nothing but what the oracle publishes finds the cell, proves it to the program, and is paid when the appeal has failed.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_cell_that_no_oracle_drew_is_found_and_proven_by_anybody() {
    let mut market = market_of_one_hour(Options::default()).await;
    let device = market.devices[0].to_string();

    // What honest devices proved holds, whoever looks.
    let honest = market
        .io(&["audit", "hardware", "--passes", "256"])
        .await
        .ok();
    assert!(
        honest["proven"].as_u64() >= Some(2),
        "a quorum measured it: {honest}"
    );
    assert_eq!(honest["problems"], json!([]), "{honest}");
    assert!(honest["passes_recomputed"].as_u64() > Some(0));
    // Of a device that nobody knows, and of an hour to come, there is nothing to hold.
    let nobody = Pubkey::new_from_array([9; 32]).to_string();
    let to_come = (honest["epoch"].as_u64().expect("an hour") + 1_000).to_string();
    for only in [["--device", &nobody], ["--epoch", &to_come]] {
        market
            .io(&[&["audit", "hardware"][..], &only].concat())
            .await
            .fails_with(4, &["no oracle has a proof", only[1]]);
    }

    // An oracle that knows nothing of the device yet, and opens one row of thousands.
    meet_one_row(&mut market, "new-oracle").await;
    let url = market.oracle_urls[2].clone();
    let look = ["audit", "hardware", "--oracle", &url, "--passes", "0"];
    let accepted = proof_accepted(&market, &look).await;
    let problems = accepted["problems"].as_array().expect("a list");
    assert_eq!(
        problems.len(),
        1,
        "the oracle saw nothing wrong: {accepted}"
    );
    let weak = problems[0]["problem"].as_str().unwrap_or_default();
    assert!(weak.contains("1 rows opened, of at least 16"), "{accepted}");

    // Whoever computes the passes anew sees it, and which cell it is.
    let epoch = accepted["epoch"].to_string();
    let audit = [
        "audit", "hardware", "--oracle", &url, "--epoch", &epoch, "--device", &device, "--passes",
        "256",
    ];
    market
        .io(&audit)
        .await
        .fails_with(1, &["not what they should be"]);
    let proven = market.io(&[&audit[..], &["--prove"]].concat()).await;
    let proven = proven.json();
    let problem = wrong_cell(&proven);
    assert_eq!(
        (&problem["row"], &problem["col"]),
        (&json!(123), &json!(77)),
        "{proven}"
    );
    let [committed, right] = ["committed", "right"].map(|name| problem[name].as_i64().unwrap());
    assert_eq!(committed, right + 1);

    // The device's bond is in a case. The provider appeals; the oracles see what the chain has shown.
    let name = problem["case"].as_str().expect("a case").to_owned();
    let account: Pubkey = name.parse().unwrap();
    let case: SlashCase = accounts::fetch(&market.rpc, &account).await.unwrap();
    assert_eq!(case.challenger, market.renter.address());
    // What was written for the proof is closed again. Once is enough for a day.
    let written = pda::evidence(&market.renter.address());
    assert!(market.rpc.account(&written).await.unwrap().is_none());
    let again = market.io(&[&audit[..], &["--prove"]].concat()).await;
    again.fails_with(1, &["not what they should be"]);
    let shown = again.json();
    let shown = wrong_cell(&shown);
    assert_eq!(shown["case"], json!(name), "{again}");
    let challenger = market.renter.address().to_string();
    assert_eq!(shown["challenger"], json!(challenger), "{again}");
    assert_eq!(cases(&market, &device).await.len(), 1);
    let before = balance(&market).await;
    market
        .io_as("provider", &["slash", "appeal", &name])
        .await
        .ok();
    market.slash_case_closes(&account).await;
    let reward = case.amount * u64::from(case.challenger_bps) / 10_000;
    assert!(reward > 0);
    assert_eq!(balance(&market).await, before + reward);

    // A day later the next one is proven. Nothing is left to take, so what it costs stays due, and the device is of no use until it is paid:
    // from stake that is there by then, another day later, by anybody.
    let pay = ["device", "pay-penalty", &device];
    market.io(&pay).await.fails_with(1, &["owes no penalty"]);
    market.travel(25 * 3_600).await;
    meet_one_row(&mut market, "newer-oracle").await;
    let accepted = proof_accepted(&market, &look).await;
    let epoch = accepted["epoch"].to_string();
    let audit = [
        "audit", "hardware", "--oracle", &url, "--epoch", &epoch, "--device", &device, "--passes",
        "256", "--prove",
    ];
    let proven = market.io(&audit).await.json();
    assert_eq!(wrong_cell(&proven)["case"], Value::Null, "{proven}");
    let owes = market.io(&["device", "show", &device]).await.ok();
    let due = owes["penalty_due"].as_u64().expect("an amount");
    assert!(due > 0, "{owes}");
    market
        .io(&pay)
        .await
        .fails_with(1, &["can still take the penalty", "24 hours"]);
    market.travel(25 * 3_600).await;
    market
        .io(&pay)
        .await
        .fails_with(5, &["nothing to pay", "io stake add"]);
    // As soon as there is something, an oracle collects it.
    market.io_as("provider", &["stake", "add", "50"]).await.ok();
    let part = 50 * IO;
    let left = until(
        "an oracle should collect what is there",
        PATIENCE,
        || market.logs(),
        async || {
            let owes = market.io(&["device", "show", &device]).await.ok();
            let left = owes["penalty_due"].as_u64().expect("an amount");
            (left < due).then_some(left)
        },
    )
    .await;
    assert_eq!(left, due - part);
    // Where none does, anybody can.
    for oracle in 0..3 {
        market.kill_oracle(oracle).await;
    }
    market
        .io_as("provider", &["stake", "add", "1000"])
        .await
        .ok();
    let due = left;
    let paid = market.io(&pay).await.ok();
    assert_eq!(paid["paid"], json!(due), "{paid}");
    assert_eq!(paid["penalty_due"], json!(0), "{paid}");
    let case: Pubkey = paid["slash_case"]
        .as_str()
        .expect("a case")
        .parse()
        .unwrap();
    let case: SlashCase = accounts::fetch(&market.rpc, &case).await.unwrap();
    assert_eq!((case.amount, case.challenger), (due, Pubkey::default()));
    market.stop().await;
}

/// The one problem that is about a cell.
fn wrong_cell(audit: &Value) -> &Value {
    let problems = audit["problems"].as_array().expect("a list");
    let found = problems.iter().find(|problem| problem["row"].is_number());
    found.unwrap_or_else(|| panic!("no wrong cell: {audit}"))
}

/// An oracle that knows nothing of the first device yet asks it for a proof, which the device does wrong. Returns the oracle's
/// configuration.
async fn meet(
    market: &mut Market,
    oracle: usize,
    folder: &str,
    fault: &str,
    fields: &[(&str, Value)],
) -> PathBuf {
    market.kill_worker(0).await;
    let folder = market.folder().join(folder);
    let fields = [&[("data_dir", json!(folder))][..], fields].concat();
    let config = market.restart_oracle_with(oracle, &fields).await;
    market.start_worker(0, Some(fault));
    config
}

/// A device that commits to one wrong cell is asked by an oracle that opens one row of thousands.
async fn meet_one_row(market: &mut Market, folder: &str) {
    let rounds = json!({"window_ms": 240, "commit_ms": 30_000, "strides": 4_096, "read_ns": 100_000, "rows": 1});
    meet(market, 2, folder, "wrong_cell", &[("rounds", rounds)]).await;
}

/// The first two oracles bring nothing before the program. They may not have measured the device before either, ask it too, and would be
/// first.
async fn others_let_it_be(market: &mut Market) {
    for other in 0..2 {
        let restrained = [("open_slash_cases", json!(false))];
        market.restart_oracle_with(other, &restrained).await;
    }
}

/// The slash cases of a device.
async fn cases(market: &Market, device: &str) -> Vec<(Pubkey, SlashCase)> {
    let (_, cases) = accounts::fetch_all::<SlashCase>(&market.rpc, Vec::new())
        .await
        .unwrap();
    let of = |case: &SlashCase| case.device.to_string() == device;
    cases.into_iter().filter(|(_, case)| of(case)).collect()
}

/// What an oracle's records show of the first device, once they show a wrong cell.
async fn wrong_record(market: &Market, oracle: usize) -> Value {
    let (url, device) = (&market.oracle_urls[oracle], market.devices[0].to_string());
    let look = [
        "audit", "hardware", "--oracle", url, "--device", &device, "--passes", "0",
    ];
    until(
        "the oracle should find the device wrong",
        PATIENCE,
        || market.logs(),
        async || {
            let ran = market.io(&look).await;
            let value: Value = serde_json::from_str(&ran.stdout).ok()?;
            let problems = value["problems"].as_array()?;
            let found = problems.iter().any(|problem| problem["row"].is_number());
            found.then_some(value)
        },
    )
    .await
}

/// A device that computes nothing, and opens what it committed to, is caught by the rows that an oracle draws. The oracle brings that
/// before the program by itself, over a crash between its steps; another oracle that catches the device as well spends nothing on what was proven.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_caught_loses_its_bond_without_anybodys_command() {
    // A commitment needs six seconds until it may be shown.
    let mut market = market_of_one_hour(Options {
        slot_ms: 200,
        ..Options::default()
    })
    .await;
    let device = market.devices[0].to_string();
    let before = market.rpc_device().await;
    assert!(before.bond > 0);
    let provider = async |market: &Market| -> Provider {
        accounts::fetch(&market.rpc, &before.provider)
            .await
            .unwrap()
    };
    let opened_before = provider(&market).await.slash_cases;
    others_let_it_be(&mut market).await;
    let money = market.books().await;
    let key = |n: usize| {
        let file = market.key_file(&format!("oracle-{n}"));
        Wallet::load(&file).unwrap().address()
    };
    let (challenger, other) = (key(3), key(2));

    // Its key can't pay for it: it says so, begins nothing, and tries again.
    let held = market.rpc.balance(&challenger).await.unwrap();
    let purse = Wallet::load(&market.key_file("oracle-3")).unwrap();
    let away = held - 5_000_000;
    let send = tokens::transfer_sol(&challenger, &market.renter.address(), away);
    let sent = market.send("an oracle's SOL", &purse, vec![send]).await;
    sent.unwrap();
    let config = meet(&mut market, 2, "new-oracle", "wrong_rows", &[]).await;
    let said = format!("this oracle's key {challenger} holds");
    until(
        "the oracle should say that it needs SOL",
        PATIENCE,
        || market.logs(),
        async || market.oracle_log(2).contains(&said).then_some(()),
    )
    .await;
    let written = pda::evidence(&challenger);
    assert!(market.rpc.account(&written).await.unwrap().is_none());
    assert!(cases(&market, &device).await.is_empty());
    let renter = market.renter.clone();
    let back = tokens::transfer_sol(&renter.address(), &challenger, away);
    let sent = market.send("and back", &renter, vec![back]).await;
    sent.unwrap();

    // It is killed when it has committed to what it will show.
    let salted = until(
        "the oracle should commit to what it found",
        PATIENCE,
        || market.logs(),
        async || {
            let evidence = accounts::fetch_maybe::<Evidence>(&market.rpc, &written).await;
            evidence.unwrap().map(|evidence| evidence.commitment)
        },
    )
    .await;
    market.kill_oracle(2).await;
    assert!(cases(&market, &device).await.is_empty());
    let evidence: Evidence = accounts::fetch(&market.rpc, &written).await.unwrap();
    assert_eq!(evidence.commitment, salted, "it was killed in the middle");
    market.start_oracle_with(2, &config);
    let (name, case) = until(
        "the oracle should prove what it found",
        PATIENCE,
        || market.logs(),
        async || cases(&market, &device).await.pop(),
    )
    .await;
    assert_eq!(case.cause, SlashCause::BadCell as u8);
    assert_eq!(case.challenger, challenger);
    assert_eq!(case.amount, before.bond, "all of the bond");
    let after = market.rpc_device().await;
    assert_eq!((after.bond, after.fault_due()), (0, 0));
    money.balance_with(books::penalty(case.amount)).await;
    // What was written is closed with the proof.
    assert!(market.rpc.account(&written).await.unwrap().is_none());
    let proven = "io_oracle_hardware_challenges_total{outcome=\"proven\"} 1";
    let url = format!("{}/metrics", market.oracle_urls[2]);
    until(
        "the oracle should count what it proved",
        PATIENCE,
        || market.logs(),
        async || {
            let answer = market.http().get(&url).send().await.ok()?;
            let text = answer.text().await.ok()?;
            text.contains(proven).then_some(())
        },
    )
    .await;

    // Whoever looks sees where the bond is, and that nothing is left to be done.
    let url = market.oracle_urls[2].clone();
    let look = [
        "audit", "hardware", "--oracle", &url, "--device", &device, "--passes", "0",
    ];
    let shown = market.io(&look).await.ok();
    let problem = wrong_cell(&shown);
    assert_eq!(problem["committed"], json!(0), "{shown}");
    assert_ne!(problem["right"], json!(0), "{shown}");
    assert_eq!(problem["case"], json!(name.to_string()), "{shown}");
    assert_eq!(
        problem["challenger"],
        json!(challenger.to_string()),
        "{shown}"
    );

    // Another oracle catches it too. One fault counts a day.
    meet(&mut market, 1, "another-oracle", "wrong_rows", &[]).await;
    let found = wrong_record(&market, 1).await;
    let refused = wrong_cell(&found)["refused"].as_str().unwrap_or_default();
    assert!(refused.contains("was proven already"), "{found}");
    until(
        "the other oracle should let it be",
        PATIENCE,
        || market.logs(),
        async || {
            let said = "a wrong hardware proof is not challenged";
            market.oracle_log(1).contains(said).then_some(())
        },
    )
    .await;
    let written = pda::evidence(&other);
    assert!(market.rpc.account(&written).await.unwrap().is_none());
    // It never sent anything for it, as the first one's journal shows that it would.
    let sent = |folder: &str| {
        let journal = market.folder().join(folder).join("journal.jsonl");
        std::fs::read_to_string(journal)
            .unwrap_or_default()
            .contains("evidence-commit")
    };
    assert_eq!((sent("new-oracle"), sent("another-oracle")), (true, false));
    assert_eq!(provider(&market).await.slash_cases, opened_before + 1);
    money.balance_with(books::penalty(case.amount)).await;
    market.stop().await;
}

/// The rounds in which a device was late by the published window.
fn late(proofs: &[HardwareProof]) -> impl Iterator<Item = &HardwareProof> {
    proofs.iter().filter(|proof| {
        let reason = proof.reason.as_deref().unwrap_or_default();
        reason.contains("and 2000 are the most")
    })
}

/// A device that is slower than when it measured itself is late in its window, which counts as a missed round. Then it claims what it does, and is
/// measured.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_slower_than_it_claims_claims_less() {
    let mut market = Market::start(Options::default()).await;
    let device = market.devices[0];
    // Who has not measured it yet would ask it at the same time.
    for other in 0..2 {
        until(
            "the other oracles should know the device",
            PATIENCE,
            || market.logs(),
            async || market.figures(other, &device).await,
        )
        .await;
    }
    // As published: the window is two seconds, and so is the time to a commitment. An oracle's hour pays for two such rounds, and a busy
    // machine may be late in the second as well: then another one meets the device.
    const MOST: usize = 3;
    let mut measured = None;
    for attempt in 1..=MOST {
        let rounds = json!({"strides": 4_096, "read_ns": 100_000});
        let folder = format!("strict-oracle-{attempt}");
        meet(&mut market, 2, &folder, "slower", &[("rounds", rounds)]).await;
        measured = until(
            "the oracle should measure the device",
            PATIENCE,
            || market.logs(),
            async || {
                if let Some(figures) = market.figures(2, &device).await {
                    return Some(Some(figures));
                }
                let found = market.proofs(2, &device).await.unwrap_or_default();
                (late(&found).count() >= 2).then_some(None)
            },
        )
        .await;
        if measured.is_some() {
            break;
        }
    }
    let figures = measured.unwrap_or_else(|| panic!("always late\n{}", market.logs()));
    assert!(figures.tops_e2 > 0, "{figures:?}");
    assert!(market.worker_log(0).contains("claims another speed"));
    let mut proofs = market.proofs(2, &device).await.expect("the records");
    proofs.sort_by_key(|proof| proof.at);
    let proven = proofs
        .iter()
        .find(|proof| proof.outcome == ProofOutcome::Proven);
    let first = late(&proofs).next().unwrap_or_else(|| panic!("{proofs:?}"));
    let proven = proven.expect("a proof");
    let work = |proof: &HardwareProof| {
        let (n, passes) = (u64::from(proof.ask.n), u64::from(proof.ask.passes));
        n.pow(3) * passes
    };
    assert!(work(proven) < work(first), "{first:?} {proven:?}");
    market.stop().await;
}

/// Answers as an oracle does that accepted what it found wrong: an outcome is the oracle's word. Returns its address.
async fn accepting(oracle: &str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (oracle, http) = (oracle.to_owned(), reqwest::Client::new());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match client.read_buf(&mut head).await {
                    Ok(read) if read > 0 => {}
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or("/");
            let Ok(answer) = http.get(format!("{oracle}{path}")).send().await else {
                continue;
            };
            let status = answer.status();
            let mut body = answer.bytes().await.unwrap_or_default().to_vec();
            if path.starts_with("/v1/hardware/") {
                let text = String::from_utf8(body).unwrap();
                let (from, to) = (r#""outcome":"wrong""#, r#""outcome":"proven""#);
                body = text.replace(from, to).into_bytes();
            }
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = client.write_all(&[head.into_bytes(), body].concat()).await;
        }
    });
    address
}

/// Where no oracle challenges, what it publishes is enough: the device that was caught is away, and anybody proves it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_oracle_refused_is_proven_from_what_it_publishes() {
    let mut market = market_of_one_hour(Options::default()).await;
    let before: Device = market.rpc_device().await;
    let money = market.books().await;
    let restrained = [("open_slash_cases", json!(false))];
    others_let_it_be(&mut market).await;
    meet(&mut market, 2, "new-oracle", "wrong_rows", &restrained).await;
    let found = wrong_record(&market, 2).await;
    assert_eq!(wrong_cell(&found)["provable"], json!(true), "{found}");
    let epoch = found["epoch"].to_string();
    market.kill_worker(0).await;

    let (url, device) = (market.oracle_urls[2].clone(), market.devices[0].to_string());
    let audit = [
        "audit", "hardware", "--oracle", &url, "--epoch", &epoch, "--device", &device,
    ];
    let only_looked = market.io(&audit).await;
    only_looked.fails_with(1, &["which can be proven to the program"]);
    // Nor does it matter whether the oracle refused it.
    let lenient = accepting(&url).await;
    let mut of_another = audit;
    of_another[3] = &lenient;
    let accepted = market.io(&of_another).await;
    accepted.fails_with(1, &["which can be proven to the program"]);
    let accepted = accepted.json();
    assert_eq!(accepted["proven"], json!(1), "{accepted}");
    let (mine, theirs) = (wrong_cell(&found), wrong_cell(&accepted));
    assert_eq!(mine["problem"], theirs["problem"], "{accepted}");
    assert!(cases(&market, &device).await.is_empty());
    let prove = [&audit[..], &["--prove"]].concat();
    let proven = market.io(&prove).await.ok();
    let name = wrong_cell(&proven)["case"].as_str().expect("a case");
    let (account, case) = cases(&market, &device).await.pop().expect("the case");
    assert_eq!(account.to_string(), name);
    assert_eq!(case.challenger, market.renter.address());
    assert_eq!(case.amount, before.bond);
    money.balance_with(books::penalty(case.amount)).await;
    // Once is enough.
    let again = market.io(&prove).await.ok();
    assert_eq!(wrong_cell(&again)["case"], json!(name), "{again}");
    assert_eq!(cases(&market, &device).await.len(), 1);
    // The device has lost its bond. An oracle that accepted what it showed has not answered for that.
    let accepted = market.io(&of_another).await;
    accepted.fails_with(1, &["the oracle accepted what it should not have"]);
    let accepted = accepted.json();
    assert_eq!(wrong_cell(&accepted)["case"], json!(name), "{accepted}");
    // Nor has one that says what was wrong, and does not show it.
    let blobs = market.folder().join("new-oracle").join("blobs");
    std::fs::remove_dir_all(&blobs).unwrap();
    std::fs::create_dir_all(&blobs).unwrap();
    let hidden = market.io(&audit).await;
    hidden.fails_with(1, &["what the oracle found wrong is not to be had"]);
    market.stop().await;
}

/// What an oracle has of this hour's proofs, once it accepted one.
async fn proof_accepted(market: &Market, look: &[&str]) -> Value {
    until(
        "the oracle should accept the proof",
        PATIENCE,
        || market.logs(),
        async || {
            let ran = market.io(look).await;
            let value: Value = serde_json::from_str(&ran.stdout).ok()?;
            (value["proven"].as_u64() >= Some(1)).then_some(value)
        },
    )
    .await
}

/// What oracles measure of a link is on chain. An oracle that reaches the same device through a slow connection has lower figures.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_behind_a_slow_connection_has_lower_figures() {
    const SLOW: Slowness = Slowness {
        delay: Duration::from_millis(30),
        bytes_per_second: 1_000_000,
    };
    let mut market = Market::start(Options::default()).await;
    let device = market.devices[0];
    let account = market.rpc_device().await;
    assert!(account.down_mbit > 0 && account.up_mbit > 0 && account.latency_ms > 0);
    let shown = market
        .io(&["device", "show", &device.to_string()])
        .await
        .ok();
    let figures = [
        ("down_mbit", account.down_mbit),
        ("up_mbit", account.up_mbit),
        ("latency_ms", account.latency_ms.into()),
    ];
    for (name, figure) in figures {
        assert_eq!(shown[name], json!(figure), "{shown}");
    }

    // An oracle that knows nothing of the device yet.
    market.kill_worker(0).await;
    let folder = market.folder().join("new-oracle");
    market
        .restart_oracle_with(2, &[("data_dir", json!(folder))])
        .await;
    let proxy = CuttableProxy::slow(&market.oracle_urls[2], SLOW).await;
    let text = std::fs::read_to_string(&market.workers[0].config).unwrap();
    let behind = text.replace(&market.oracle_urls[2], &proxy.http_url());
    assert_ne!(behind, text);
    let config = inputs::write(market.folder(), "worker-behind.json", behind.as_bytes());
    market.start_worker_with(0, &config, None);
    let far = until(
        "the oracle should measure the device",
        PATIENCE,
        || market.logs(),
        async || market.figures(2, &device).await,
    )
    .await;
    let near = market.figures(0, &device).await.expect("figures");
    assert!((1..=8).contains(&far.down_mbit), "{far:?}");
    assert!((1..=8).contains(&far.up_mbit), "{far:?}");
    assert!(far.latency_ms >= 60, "there and back: {far:?}");
    assert!(near.down_mbit > far.down_mbit && near.up_mbit > far.up_mbit);
    assert!(near.latency_ms < far.latency_ms, "{near:?}");
    market.stop().await;
}
