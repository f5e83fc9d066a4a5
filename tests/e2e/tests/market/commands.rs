//! Commands of renters and administrators that no job needs every day: objecting, watching, downloading again, and the
//! network's own configuration.

use std::{collections::BTreeMap, process::Stdio};

use io_client::{Pubkey, Wallet, accounts, tokens};
use io_e2e::{
    JobState, Market, Moved, Options, Ran,
    books::payment,
    command, inputs,
    jobs::{PATIENCE, until},
    market::{IO, WASM_ASK},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    time::timeout,
};

/// Runs `io` on the market with exactly these arguments, as a person who types them.
async fn typed(market: &Market, arguments: &[&str]) -> Ran {
    let context = market
        .folder()
        .join("net/localnet.toml")
        .display()
        .to_string();
    let mut all = vec!["-u", &context];
    all.extend(arguments);
    command::run(market.folder(), &BTreeMap::new(), &all).await
}

/// The same command in every format says the same: returns the rows of the JSON form.
async fn in_every_format(market: &Market, arguments: &[&str], shown: &[&str]) -> Vec<Value> {
    let of = async |format: &str| {
        let mut all = arguments.to_vec();
        all.extend(["-o", format]);
        let ran = typed(market, &all).await;
        assert_eq!(ran.code, 0, "{ran}");
        ran
    };
    let json = of("json").await;
    assert!(json.stderr.trim().is_empty(), "only data: {json}");
    assert_eq!(
        json.stdout.trim().lines().count(),
        1,
        "one line for programs: {json}"
    );
    let rows = match json.json() {
        Value::Array(rows) => rows,
        row => vec![row],
    };
    let lines = of("jsonl").await;
    let of_lines: Vec<Value> = lines
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {lines}")))
        .collect();
    assert_eq!(of_lines, rows, "JSON lines are the same rows");
    let (yaml, table) = (of("yaml").await, of("table").await);
    for row in &rows {
        for (name, value) in row.as_object().expect("an object") {
            assert!(
                yaml.stdout.contains(&format!("{name}:")),
                "{name} in {yaml}"
            );
            if value.is_string() {
                assert!(
                    yaml.stdout.contains(&value.to_string()),
                    "{value} in {yaml}"
                );
            }
        }
    }
    for text in shown {
        assert!(table.stdout.contains(text), "'{text}' for people: {table}");
    }
    rows
}

/// An oracle that answers every question with the same bytes.
async fn impostor(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    bytes.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(bytes).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renter_objects_watches_lists_and_downloads_in_every_way() {
    let mut market = Market::start(Options::default()).await;
    let folder = market.folder().to_owned();
    let books = market.books().await;
    let echo = inputs::echo(&folder);
    let text = "a result that is worth having ".repeat(2_000);
    let message = inputs::write(&folder, "message.txt", text.as_bytes());

    // No quorum is possible, so the job stays where it can be objected to.
    market.kill_oracle(1).await;
    market.kill_oracle(2).await;
    let job = market.submit_wasm(&echo, Some(&message), 1, &[]).await;
    market.until_state(&job, &[JobState::Submitted]).await;
    let name = job.to_string();
    let watched = typed(&market, &["job", "watch", &name, "--timeout", "1s"]).await;
    watched.fails_with(6, &[&format!("{name} is submitted"), "io job wait"]);
    market
        .io(&["job", "cancel", &name])
        .await
        .fails_with(1, &["submitted", "io job dispute"]);
    let dry = market
        .io(&["job", "dispute", &name, "--dry-run"])
        .await
        .ok();
    assert_eq!(
        (&dry["dry_run"], &dry["job"]),
        (&json!(true), &json!(name)),
        "{dry}"
    );
    assert_eq!(market.job(&job).await.state, JobState::Submitted as u8);
    market
        .io_as("provider", &["job", "dispute", &name])
        .await
        .fails_with(3, &["-k FILE"]);
    let nobody = Pubkey::new_from_array([9; 32]).to_string();
    for verb in ["dispute", "watch", "download", "get", "cost", "close"] {
        market
            .io(&["job", verb, &nobody])
            .await
            .fails_with(4, &[&nobody]);
        market
            .io(&["job", verb, "nonsense"])
            .await
            .fails_with(2, &["nonsense"]);
    }
    let disputed = market.io(&["job", "dispute", &name]).await.ok();
    assert_eq!(disputed["state"], "disputed");
    assert!(disputed["signature"].is_string());
    market
        .io(&["job", "dispute", &name])
        .await
        .fails_with(1, &["disputed"]);
    assert_eq!(
        market.io(&["job", "get", &name]).await.ok()["state"],
        "disputed"
    );
    // The result was right, which a quorum says as soon as there is one; whoever watches sees every state.
    let context = market.folder().join("net/localnet.toml");
    let mut watch = command::command(market.folder(), &BTreeMap::new())
        .arg("-u")
        .arg(&context)
        .args(["job", "watch", &name, "-o", "jsonl"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut seen = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut states = Vec::new();
    while let Some(line) = timeout(PATIENCE, seen.next_line()).await.unwrap().unwrap() {
        states.push(serde_json::from_str::<Value>(&line).unwrap());
        // There is no quorum before it has seen the first.
        if states.len() == 1 {
            market.start_oracle(1);
            market.start_oracle(2);
        }
    }
    assert_eq!(watch.wait().await.unwrap().code(), Some(0));
    let named: Vec<_> = states.iter().map(|seen| &seen["state"]).collect();
    assert_eq!(named, ["disputed", "settled"], "{states:?}");
    assert_eq!(states[1]["units"], 1, "{states:?}");
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    // Looking at jobs, for people and programs.
    let open = market
        .submit_wasm(&echo, None, 1_000, &["--min-memory", "100000000"])
        .await;
    let rows = in_every_format(
        &market,
        &["job", "list"],
        &[&name, &open.to_string(), "settled", "open", "STATE"],
    )
    .await;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        in_every_format(&market, &["job", "list", "--state", "settled"], &[&name])
            .await
            .len(),
        1
    );
    assert!(
        in_every_format(&market, &["job", "list", "--state", "rejected"], &[])
            .await
            .is_empty()
    );
    assert_eq!(
        in_every_format(&market, &["job", "list", "--limit", "1"], &[])
            .await
            .len(),
        1
    );
    for verb in ["get", "cost", "watch"] {
        let rows = in_every_format(&market, &["job", verb, &name], &[&name, "settled"]).await;
        assert_eq!(
            rows[0]["escrow_text"]
                .as_str()
                .map(|text| text.ends_with(" IO")),
            Some(true)
        );
    }
    let steps = in_every_format(
        &market,
        &["job", "logs", &name],
        &["submitted → disputed", "disputed → settled"],
    )
    .await;
    assert!(steps.len() >= 4, "{steps:?}");
    let dry = in_every_format(
        &market,
        &["job", "cancel", &open.to_string(), "--dry-run"],
        &["nothing was sent"],
    )
    .await;
    assert_eq!(
        dry[0]["simulation"]["changes"]
            .as_array()
            .map(|changes| !changes.is_empty()),
        Some(true),
        "{dry:?}"
    );
    assert_eq!(market.job(&open).await.state, JobState::Open as u8);
    let cancelled = typed(&market, &["job", "cancel", &open.to_string(), "-o", "yaml"]).await;
    assert_eq!(cancelled.code, 0, "{cancelled}");
    assert!(
        cancelled.stdout.contains("state: \"cancelled\""),
        "{cancelled}"
    );
    market.ends(&open, JobState::Cancelled).await;
    market
        .io(&["job", "download", &open.to_string()])
        .await
        .fails_with(4, &["no result"]);

    // The result, whole, to a folder of its own and to one that exists.
    let out = folder.join("out");
    let to = |folder: &std::path::Path| folder.display().to_string();
    let got = market
        .io(&["job", "download", &name, "-O", &to(&out)])
        .await
        .ok();
    assert_eq!(got["result_path"], to(&out));
    let result = out.join("output.bin");
    let whole = std::fs::read(&result).unwrap();
    assert_eq!(whole, text.as_bytes());
    market
        .io(&["job", "download", &name, "-O", &to(&out)])
        .await
        .ok();
    // A file of it that was damaged since is fetched again.
    std::fs::write(&result, b"damaged").unwrap();
    market
        .io(&["job", "download", &name, "-O", &to(&out)])
        .await
        .ok();
    assert_eq!(std::fs::read(&result).unwrap(), whole);
    // Somebody else's file of that name is not written over.
    let mine = folder.join("mine");
    std::fs::create_dir(&mine).unwrap();
    let kept = mine.join("output.bin");
    std::fs::write(&kept, b"something of my own").unwrap();
    market
        .io(&["job", "download", &name, "-O", &to(&mine)])
        .await
        .fails_with(1, &["output.bin", "-O DIR"]);
    assert_eq!(std::fs::read(&kept).unwrap(), b"something of my own");
    // A path that is a file, and one where nothing can be made.
    market
        .io(&["job", "download", &name, "-O", &to(&message)])
        .await
        .fails_with(1, &["message.txt"]);

    // A download that broke off goes on, whatever the part that is there holds.
    let hash = io_engines::BlobHash::of(&whole).to_string();
    for beginning in [&whole[..20_000], b"not the beginning of it at all"] {
        let resumed = folder.join(format!("resumed-{}", beginning.len()));
        std::fs::create_dir(&resumed).unwrap();
        let part = resumed.join(format!("output.bin.{}.part", &hash[..16]));
        std::fs::write(&part, beginning).unwrap();
        market
            .io(&["job", "download", &name, "-O", &to(&resumed)])
            .await
            .ok();
        assert_eq!(std::fs::read(resumed.join("output.bin")).unwrap(), whole);
        assert!(!part.exists());
    }

    // An oracle that sends something else is caught, nothing of it stays, and another one is asked.
    let liar = impostor(b"{\"not\": \"what was asked for\"}").await;
    let deceived = folder.join("deceived");
    let alone = [
        "--oracle",
        &liar,
        "job",
        "download",
        &name,
        "-O",
        &to(&deceived),
    ]
    .map(str::to_owned);
    market.io(&alone).await.fails_with(1, &["other bytes"]);
    assert!(
        !deceived.exists(),
        "nothing is written before the manifest is right"
    );
    let good = market.oracle_urls[0].clone();
    let both = [
        "--oracle",
        &liar,
        "--oracle",
        &good,
        "job",
        "download",
        &name,
        "-O",
        &to(&deceived),
    ]
    .map(str::to_owned);
    market.io(&both).await.ok();
    assert_eq!(std::fs::read(deceived.join("output.bin")).unwrap(), whole);
    books.balance_with(payment(1, WASM_ASK, 0)).await;
    market.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_changes_everything_that_may_change_and_nobody_else_does() {
    let market = Market::start(Options::default()).await;
    let folder = market.folder().to_owned();
    let books = market.books().await;
    let admin = async |arguments: &[&str]| market.io_as("admin", arguments).await;
    let network = async || market.io(&["network", "show"]).await.ok();
    let before = network().await;
    let successor = Wallet::generate();
    successor.save(&folder.join("successor.json")).unwrap();
    let fund = tokens::transfer_sol(&market.admin.address(), &successor.address(), 2_000_000_000);
    market
        .send("fund", &market.admin, vec![fund])
        .await
        .unwrap();
    let as_successor = async |arguments: &[&str]| {
        let mut all = vec!["-k", "successor.json"];
        all.extend(arguments);
        market.io(&all).await
    };
    let heir = successor.address().to_string();
    let keys: Vec<String> = before["oracle_set"]["oracles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    let usdc = market.usdc_mint.to_string();

    // Not the administrator: refused, each of them, and nothing changes. A dry run by the administrator changes nothing either.
    let commands: Vec<Vec<&str>> = vec![
        vec!["pause"],
        vec!["resume"],
        vec!["set-params", "--match-seconds", "7"],
        vec!["propose-admin", &heir],
        vec!["set-oracles", "--quorum", "1", &keys[0]],
        vec!["add-class", "900", "--name", "test", "--multiplier", "1.5"],
        vec!["update-class", "0", "--multiplier", "3"],
        vec!["update-mint", &usdc, "--fee-bps", "7"],
    ];
    for command in &commands {
        let all = [&["network"], &command[..]].concat();
        market
            .io(&all)
            .await
            .fails_with(3, &["administrator", "-k FILE"]);
        let dry = [&all[..], &["--dry-run"]].concat();
        assert_eq!(admin(&dry).await.ok()["dry_run"], true);
    }
    assert_eq!(network().await, before, "nothing has changed");

    // Parameters: what is named changes, the rest stays; bounds hold.
    admin(&["network", "set-params"])
        .await
        .fails_with(2, &["nothing to change"]);
    admin(&["network", "set-params", "--min-bond", "lots"])
        .await
        .fails_with(2, &["lots"]);
    admin(&["network", "set-params", "--reserve-bps", "501"])
        .await
        .fails_with(1, &["bounds", "--help"]);
    admin(&[
        "network",
        "set-params",
        "--min-bond",
        "250",
        "--retention-seconds",
        "99",
    ])
    .await
    .ok();
    let now = network().await;
    for (name, value) in now.as_object().unwrap() {
        match name.as_str() {
            "min_bond" => assert_eq!(value, &json!(250 * IO)),
            "min_bond_text" => assert_eq!(value, "250 IO"),
            "retention_seconds" => assert_eq!(value, 99),
            _ => assert_eq!(value, &before[name], "{name}"),
        }
    }
    admin(&["network", "set-params", "--min-bond", "200"])
        .await
        .ok();

    // A pause stops what comes in, and says so; what is out goes on.
    let echo = inputs::echo(&folder).display().to_string();
    let submit = [
        "job",
        "submit",
        "wasm",
        &echo,
        "--fuel",
        "1000000",
        "--max-price",
        "1",
    ];
    let waits = market
        .submit_wasm(
            &folder.join("echo.wasm"),
            None,
            1_000,
            &["--min-memory", "100000000"],
        )
        .await;
    admin(&["network", "pause"]).await.ok();
    assert_eq!(network().await["paused"], true);
    market
        .io(&submit)
        .await
        .fails_with(1, &["paused", "io network show"]);
    market
        .io_as("provider", &["stake", "add", "1"])
        .await
        .fails_with(1, &["paused"]);
    market.io(&["job", "cancel", &waits.to_string()]).await.ok();
    admin(&["network", "resume"]).await.ok();
    assert_eq!(network().await["paused"], false);
    books.balance_with(Moved::default()).await;

    // Classes.
    admin(&[
        "network",
        "add-class",
        "0",
        "--name",
        "again",
        "--multiplier",
        "1",
    ])
    .await
    .fails_with(1, &["CPU", "update-class"]);
    admin(&[
        "network",
        "add-class",
        "900",
        "--name",
        "",
        "--multiplier",
        "1",
    ])
    .await
    .fails(2);
    admin(&[
        "network",
        "add-class",
        "900",
        "--name",
        "Test",
        "--multiplier",
        "1.5",
        "--min-tops",
        "3",
        "--min-memory",
        "1000",
    ])
    .await
    .ok();
    admin(&["network", "update-class", "901", "--multiplier", "2"])
        .await
        .fails_with(4, &["901", "add-class"]);
    admin(&["network", "update-class", "900"])
        .await
        .fails_with(2, &["nothing to change"]);
    admin(&["network", "update-class", "900", "--multiplier", "0"])
        .await
        .fails_with(1, &["bounds"]);
    admin(&[
        "network",
        "update-class",
        "900",
        "--multiplier",
        "2.25",
        "--group",
        "enterprise",
    ])
    .await
    .ok();
    let classes = network().await["classes"].clone();
    let class = classes
        .as_array()
        .unwrap()
        .iter()
        .find(|class| class["id"] == 900)
        .unwrap();
    let expected = json!({
        "id": 900, "name": "Test", "multiplier_e2": 225, "min_tops_e2": 300, "min_memory_mib": 1000, "group": "enterprise"
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&class[field], value, "{field} of {class}");
    }

    // A third payment mint, with a treasury; its terms change one by one.
    let mint = Wallet::generate();
    let rent = market.rpc.rent_minimum(tokens::MINT_BYTES).await.unwrap();
    let authority = market.admin.address();
    let make = tokens::create_mint(&authority, &mint.address(), &authority, 6, rent).to_vec();
    let request =
        io_client::Request::new("mint", market.admin.signer(), make).with_signer(mint.signer());
    market.sender().send(&request).await.unwrap();
    let third = mint.address().to_string();
    admin(&["network", "add-mint", &heir, "--io-per-unit-e9", "5"])
        .await
        .fails(1);
    admin(&["network", "add-mint", &usdc, "--io-per-unit-e9", "5"])
        .await
        .fails_with(1, &["already", "update-mint"]);
    admin(&["network", "treasury", &third])
        .await
        .fails_with(4, &["add-mint"]);
    admin(&["network", "update-mint", &third, "--fee-bps", "5"])
        .await
        .fails_with(4, &["add-mint"]);
    admin(&[
        "network",
        "add-mint",
        &third,
        "--io-per-unit-e9",
        "5000000000",
        "--fee-bps",
        "30",
    ])
    .await
    .ok();
    let terms = async |mint: &str| {
        let mints = network().await["payment_mints"].clone();
        let found = mints
            .as_array()
            .unwrap()
            .iter()
            .find(|terms| terms["mint"] == mint);
        found
            .cloned()
            .unwrap_or_else(|| panic!("{mint} in {mints}"))
    };
    let added = terms(&third).await;
    assert_eq!(
        (
            &added["fee_bps"],
            &added["io_per_unit_e9"],
            &added["decimals"],
            &added["enabled"]
        ),
        (
            &json!(30),
            &json!(5_000_000_000_u64),
            &json!(6),
            &json!(true)
        ),
        "{added}"
    );
    assert_eq!(
        added["shards"],
        json!(io_client::io_network::constants::TREASURY_SHARDS)
    );
    let complete = market.io(&["network", "treasury", &third]).await.ok();
    assert_eq!(complete["created"], 0);
    admin(&["network", "update-mint", &third, "--enabled", "false"])
        .await
        .ok();
    let off = terms(&third).await;
    assert_eq!(
        (&off["fee_bps"], &off["io_per_unit_e9"], &off["enabled"]),
        (&json!(30), &json!(5_000_000_000_u64), &json!(false))
    );
    let refused = [&submit[..], &["--mint", &third]].concat();
    assert_ne!(
        market.io(&refused).await.code,
        0,
        "no new jobs in a mint that is off"
    );

    // The oracle set: a quorum of three of the same three, and what is signed counts only for the set of the day.
    admin(&[
        "network",
        "set-oracles",
        "--quorum",
        "4",
        &keys[0],
        &keys[1],
        &keys[2],
    ])
    .await
    .fails_with(1, &["oracle set"]);
    admin(&[
        "network",
        "set-oracles",
        "--quorum",
        "1",
        &keys[0],
        &keys[0],
    ])
    .await
    .fails_with(1, &["oracle set"]);
    admin(&["network", "set-oracles", "--quorum", "1", "nonsense"])
        .await
        .fails_with(2, &["nonsense"]);
    let version = accounts::oracle_set(&market.rpc).await.unwrap().version;
    admin(&[
        "network",
        "set-oracles",
        "--quorum",
        "3",
        &keys[0],
        &keys[1],
        &keys[2],
    ])
    .await
    .ok();
    let set = accounts::oracle_set(&market.rpc).await.unwrap();
    assert_eq!((set.version, set.quorum, set.count), (version + 1, 3, 3));
    let job = market
        .submit_wasm(&folder.join("echo.wasm"), None, 1, &[])
        .await;
    market.ends(&job, JobState::Settled).await;
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    // A new administrator, in two steps: the first gives nothing away.
    admin(&["network", "propose-admin", &heir]).await.ok();
    let proposed = network().await;
    assert_eq!(
        (&proposed["pending_admin"], &proposed["admin"]),
        (&json!(heir), &before["admin"])
    );
    let people = typed(&market, &["network", "show"]).await;
    assert!(people.stdout.contains(&heir), "{people}");
    market
        .io(&["network", "accept-admin"])
        .await
        .fails_with(3, &["proposed", "-k FILE"]);
    as_successor(&["network", "pause"]).await.fails(3);
    as_successor(&["network", "accept-admin"]).await.ok();
    let taken = network().await;
    assert_eq!(
        (&taken["pending_admin"], &taken["admin"]),
        (&Value::Null, &json!(heir))
    );
    admin(&["network", "pause"])
        .await
        .fails_with(3, &["administrator"]);
    as_successor(&["network", "set-params", "--match-seconds", "31"])
        .await
        .ok();
    assert_eq!(network().await["match_seconds"], 31);
    // Made once for ever.
    let init = [
        "network",
        "init",
        "--io-mint",
        &usdc,
        "--quorum",
        "1",
        &keys[0],
    ];
    let refused = admin(&init).await;
    assert_ne!(refused.code, 0, "{refused}");
    assert_eq!(network().await, {
        let mut same = taken;
        same["match_seconds"] = json!(31);
        same
    });

    // People who type a question get asked; where nobody is, nothing is done.
    let asked = typed(&market, &["-k", "successor.json", "network", "pause"]).await;
    asked.fails_with(2, &["Nobody is there to answer", "--yes"]);
    until(
        "the network still takes jobs",
        PATIENCE,
        || market.logs(),
        async || (network().await["paused"] == false).then_some(()),
    )
    .await;
    market.stop().await;
}
