//! Holding oracles to what they sign.

use io_e2e::{JobState, Market, Options, inputs};
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
    let (secret, evidence) = (folder.join("canary.json"), folder.join("evidence.json"));
    let (secret, evidence) = (secret.display().to_string(), evidence.display().to_string());
    let [module, input] = [&count, &message].map(|path| path.display().to_string());
    let committed = market
        .io(&[
            "audit",
            "canary",
            "commit",
            &module,
            "--input",
            &input,
            "--fuel",
            "1000000000",
            "--secret",
            &secret,
        ])
        .await
        .ok();
    let nonce = committed["nonce"].as_str().expect("a nonce").to_owned();
    let worker = market.changed(
        &market.workers[0].config,
        &[("canaries", json!([committed["spec_hash"]]))],
    );
    market.kill_worker(0).await;
    market.start_worker_with(0, &worker, None);
    market.worker_is_available(0).await;
    let canary = market
        .submit_wasm(&count, Some(&message), 1_000, &["--nonce", &nonce])
        .await;
    let reveal = [
        "audit",
        "canary",
        "reveal",
        &secret,
        &canary.to_string(),
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
    // An honest job's secret shows nothing about another job.
    market
        .io(&["audit", "canary", "reveal", &secret, &job.to_string()])
        .await
        .fails_with(2, &["not the job"]);
    market.stop().await;
}
