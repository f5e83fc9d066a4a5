//! Holding oracles to what they sign.

use io_api::{
    client::OracleClient,
    types::{Attestation, WireVerdict},
};
use io_client::{Wallet, accounts, io_network::state::OracleSet, pda};
use io_e2e::{JobState, Market, Options, Pubkey, inputs, market::IO};
use serde_json::{Value, json};

fn rows(value: &Value) -> &Vec<Value> {
    value
        .as_array()
        .unwrap_or_else(|| panic!("no list: {value}"))
}

/// Devices here have no record, so every oracle audits every job, and everybody can see that it did. A canary that honest oracles
/// meet is rejected, and its evidence says so of each of them.
#[tokio::test(flavor = "multi_thread")]
async fn audits_and_canaries_show_what_oracles_signed() {
    let mut market = Market::start(Options::default()).await;
    let folder = market.folder().to_owned();
    let message = inputs::write(&folder, "message.txt", b"a job like any other");
    // Enough rounds for a trace of several steps.
    let count = inputs::count(&folder, 3_000_000);

    let job = market.submit_wasm(&count, Some(&message), 1_000, &[]).await;
    market.ends(&job, JobState::Settled).await;
    let audit = market.io(&["audit", "job", &job.to_string()]).await.ok();
    assert!(rows(&audit).len() >= 2, "{audit}");
    for row in rows(&audit) {
        assert_eq!(
            [
                &row["signed"],
                &row["had_to_audit"],
                &row["audited"],
                &row["right"]
            ],
            [&json!(true); 4],
            "{row}"
        );
        assert_eq!(row["rate_ppm"], 1_000_000, "{row}");
        assert_eq!(row["checked_steps"], row["total_steps"], "{row}");
        assert!(row["total_steps"].as_u64() > Some(1), "{row}");
    }

    // The canary: committed to, answered wrong on purpose, revealed.
    let canaries = folder.join("canaries");
    let (kept, evidence) = (canaries.display().to_string(), folder.join("evidence.json"));
    let evidence = evidence.display().to_string();
    let [module, input] = [&count, &message].map(|path| path.display().to_string());
    let work = [&module, "--input", &input, "--fuel", "1000000000"];
    let commit = ["audit", "canary", "commit", "--folder", &kept];
    let committed = market.io(&[&commit[..], &work].concat()).await.ok();
    let secret = committed["secret"].as_str().expect("a file").to_owned();
    let nonce = committed["nonce"].as_str().expect("a nonce").to_owned();
    let worker = market.changed(&market.workers[0].config, &[("canaries", json!(canaries))]);
    market.kill_worker(0).await;
    market.start_worker_with(0, &worker, None);
    market.worker_is_available(0).await;
    let canary = market
        .submit_wasm(&count, Some(&message), 1_000, &["--nonce", &nonce])
        .await;
    assert_eq!(committed["job"], canary.to_string());
    // The same again is no second job, and says which one there is.
    let again = ["job", "submit", "wasm", "--nonce", &nonce];
    market
        .io(&[&again[..], &work].concat())
        .await
        .fails_with(1, &["--nonce", &nonce, "is taken", &canary.to_string()]);
    let reveal = [
        "audit",
        "canary",
        "reveal",
        &secret,
        "--evidence",
        &evidence,
    ];
    let rejected = market.ends(&canary, JobState::Rejected).await;
    assert_eq!(rejected.refunded, rejected.escrow);
    let revealed = market.io(&reveal).await.ok();
    assert!(rows(&revealed).len() >= 2, "{revealed}");
    for row in rows(&revealed) {
        assert_eq!(row["vouched"], false, "{row}");
    }
    // Anybody runs either on a machine of their own.
    let again = market.io(&["audit", "result", &job.to_string()]).await.ok();
    assert_eq!(again["verdict"], "right", "{again}");
    assert_eq!(again["checked_steps"], again["total_steps"], "{again}");
    market
        .io(&["audit", "result", &canary.to_string()])
        .await
        .fails_with(1, &["not what the job comes to"]);
    let verified = market
        .io(&["audit", "canary", "verify", &evidence])
        .await
        .ok();
    assert_eq!(verified, revealed);

    // Whoever claims another right answer is told by running the job again.
    let text = std::fs::read_to_string(&evidence).unwrap();
    let lie = text.replace(
        serde_json::from_str::<Value>(&text).unwrap()["secret"]["right"]
            .as_str()
            .unwrap(),
        &"1".repeat(64),
    );
    let lie = inputs::write(&folder, "lie.json", lie.as_bytes());
    market
        .io(&["audit", "canary", "verify", &lie.display().to_string()])
        .await
        .fails_with(1, &["shows nothing"]);
    // A secret commits to one job: with another renter it is of none.
    let text = std::fs::read_to_string(&secret).unwrap();
    let other = text.replace(&market.renter.address().to_string(), &job.to_string());
    let other = inputs::write(&folder, "other.json", other.as_bytes());
    market
        .io(&["audit", "canary", "reveal", &other.display().to_string()])
        .await
        .fails(4);
    // The very work of the canary, for somebody who wants it: only a job that a secret names is answered wrong.
    let same = market.submit_wasm(&count, Some(&message), 1_000, &[]).await;
    market.ends(&same, JobState::Settled).await;
    // All of it at once.
    let folder = canaries.display().to_string();
    let run = [
        "audit",
        "canary",
        "run",
        "--folder",
        &folder,
        "--max-price",
        "10",
    ];
    let found = market.io(&[&run[..], &work].concat()).await.ok();
    assert!(rows(&found).len() >= 2, "{found}");
    for row in rows(&found) {
        assert_eq!(
            (&row["vouched"], &row["ran"]),
            (&json!(false), &json!(true))
        );
    }
    let files = std::fs::read_dir(&canaries).unwrap().count();
    assert_eq!(files, 3, "two secrets, and the evidence of the second");
    a_liar_loses_its_bond(&market, &job, &canary).await;
    market.stop().await;
}

/// An oracle that signs that it ran the canary and that its result is right: the two others run it, and what they sign costs its bond and
/// its place. Whoever did what it says has nothing to fear from a question.
async fn a_liar_loses_its_bond(market: &Market, honest: &Pubkey, canary: &Pubkey) {
    let folder = market.folder().to_owned();
    // Whoever was quick enough for both: two verdicts end a job, and the third oracle's check with it.
    let mut said_both = None;
    for oracle in 0..market.oracles.len() {
        let said = market.attestation(oracle, canary).await;
        if market.attestation(oracle, honest).await.is_some() {
            said_both = said_both.or(said.map(|said| (oracle, said)));
        }
    }
    let (oracle, mut lie) = said_both.expect("two of three about each, so one about both");
    let key_file = market.key_file(&format!("oracle-{}", oracle + 1));
    let liar = Wallet::load(&key_file).unwrap();
    let key = liar.address().to_string();
    for command in [
        &["register", "--oracle-key", &key_file.display().to_string()][..],
        &["add", &key, "1000", "--yes"],
    ] {
        market
            .io(&[&["oracle", "bond"], command].concat())
            .await
            .ok();
    }
    let convict = async |what: &str, more: &[&str]| {
        let mut command = vec!["oracle", "convict", what, "--wait", "60"];
        command.extend(more);
        market.io(&command).await
    };
    // Nobody vouched for the canary, and who vouched for the other job ran it and is right.
    convict(&canary.to_string(), &[])
        .await
        .fails_with(1, &["says that the result is wrong"]);
    convict(&honest.to_string(), &[])
        .await
        .fails_with(2, &["--of KEY"]);
    convict(&honest.to_string(), &["--of", &key])
        .await
        .fails_with(1, &["0 of 2", "comes to the same result"]);

    assert_eq!(lie.oracle, key);
    lie.verdict = WireVerdict::Valid;
    let statement = lie.statement(market.network.deployment()).unwrap();
    lie.signature = liar.sign(&statement.to_bytes()).to_string();
    // Its word that it looked at the form only: that it may do.
    let signed = |mut said: Attestation| {
        let did = said.audit_statement(&statement).to_bytes();
        said.audit_signature = Some(liar.sign(&did).to_string());
        said
    };
    let mut form = lie.clone();
    form.audit.as_mut().expect("an audit").audited = false;
    let file = |name: &str, said: &Attestation| {
        let bytes = serde_json::to_vec(said).unwrap();
        inputs::write(&folder, name, &bytes).display().to_string()
    };
    let form = file("form.json", &signed(form));
    convict(&form, &[]).await.fails_with(1, &["form only"]);
    let lie = file("lied.json", &signed(lie));
    let shown = market.io(&["oracle", "bond", "show", &key]).await.ok();
    assert_eq!(shown["convicted_by"], Value::Null);
    let convicted = convict(&lie, &[]).await.ok();
    assert_eq!(convicted["oracle"], key);
    assert_eq!(rows(&convicted["signed_by"]).len(), 2, "{convicted}");
    let shown = market.io(&["oracle", "bond", "show", &key]).await.ok();
    assert_eq!(shown["bond"], 0, "{shown}");
    assert_eq!(shown["slashed"], 1_000 * IO, "{shown}");
    assert_eq!(shown["convicted_by"], convicted["evidence"]);
    let set: OracleSet = accounts::fetch(&market.rpc, &pda::oracle_set())
        .await
        .unwrap();
    assert_eq!(
        (set.count, set.position(liar.address().as_ref())),
        (2, None)
    );
    // What it lost it by can be had of the others by its hash.
    let evidence = convicted["evidence"].as_str().expect("a hash");
    let kept = OracleClient::new(&market.oracle_urls[(oracle + 1) % 3])
        .unwrap()
        .get_blob_bytes(&io_api::text::parse_hash(evidence).unwrap(), 65_536)
        .await
        .unwrap();
    let kept: Attestation = serde_json::from_slice(&kept).unwrap();
    assert_eq!((kept.oracle, kept.verdict), (key, WireVerdict::Valid));
}
