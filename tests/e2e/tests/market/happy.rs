//! What a renter comes for.

use io_e2e::{
    JobState, Market, Options,
    books::payment,
    inputs,
    market::{EMBED_ASK, WASM_ASK},
};
use serde_json::{Value, json};

/// Passages of the job that is paid in the second mint.
const FEW: usize = 20;
/// What a device asks in the second mint for 1,000 passages, its base units: 0.5 IO at 500 IO base units each.
const EMBED_ASK_USDC: u64 = EMBED_ASK / 500;
/// The second mint's own fee, basis points.
const USDC_FEE_BPS: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn text_and_modules_are_worked_on_verified_and_paid_to_the_base_unit() {
    let market = Market::start(Options {
        workers: 2,
        ..Options::default()
    })
    .await;
    let folder = market.folder().to_owned();
    let (io, usdc) = (
        market.books().await,
        market.books_in(&market.usdc_mint).await,
    );

    // Three jobs side by side, each with nothing but what a renter types.
    let text = inputs::passages(&folder);
    let few = inputs::few_passages(&folder, FEW, 1);
    let message = inputs::write(
        &folder,
        "message.txt",
        "to and fro\n".repeat(5_000).as_bytes(),
    );
    let echo = inputs::echo(&folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let (text, few, message, echo) = (
        text.display().to_string(),
        few.display().to_string(),
        message.display().to_string(),
        echo.display().to_string(),
    );
    let (embeddings, echoed, paid_in_usdc) = (path("embeddings"), path("echoed"), path("usdc"));
    let embed = [
        "job",
        "submit",
        "embed",
        &text,
        "--max-price",
        "2",
        "--wait",
        "--jsonl",
        "-O",
        &embeddings,
    ];
    let wasm = [
        "job",
        "submit",
        "wasm",
        &echo,
        "--input",
        &message,
        "--fuel",
        "1000000",
        "--max-price",
        "1",
        "--wait",
        "-O",
        &echoed,
    ];
    let in_usdc = [
        "job",
        "submit",
        "embed",
        &few,
        "--mint",
        "USDC",
        "--max-price",
        "1",
        "--wait",
        "-O",
        &paid_in_usdc,
    ];
    let (embed, wasm, in_usdc) =
        tokio::join!(market.io(&embed), market.io(&wasm), market.io(&in_usdc));
    let (embed, wasm, in_usdc) = (embed.ok(), wasm.ok(), in_usdc.ok());

    // The money: what the device asked for what was done, and nothing else, moved.
    let for_text = payment(inputs::PASSAGES as u64, EMBED_ASK, 0);
    io.balance_with(for_text + payment(1, WASM_ASK, 0)).await;
    usdc.balance_with(payment(FEW as u64, EMBED_ASK_USDC, USDC_FEE_BPS))
        .await;
    assert_eq!(embed["state"], "settled");
    assert_eq!(embed["units"], inputs::PASSAGES);
    assert_eq!(embed["paid"], json!(for_text.providers));
    assert_eq!(embed["fees"], json!(for_text.treasury));
    let escrow = embed["escrow"].as_i64().unwrap();
    assert_eq!(
        embed["refunded"],
        json!(i128::from(escrow) + for_text.renter)
    );
    assert_eq!(
        (&wasm["state"], &wasm["units"]),
        (&json!("settled"), &json!(1))
    );
    assert_eq!(in_usdc["mint"], market.usdc_mint.to_string());

    // The work: the vectors that sentence-transformers gives, and the bytes that went in.
    let vectors =
        inputs::vectors(&std::fs::read(folder.join("embeddings/embeddings.safetensors")).unwrap());
    assert_eq!(vectors.len(), inputs::PASSAGES);
    let reference = inputs::reference_vectors();
    for (i, vector) in vectors.iter().enumerate() {
        let cosine = inputs::cosine(vector, &reference[i % reference.len()]);
        assert!(cosine >= 1.0 - 1e-4, "passage {i}: cosine {cosine}");
    }
    let lines = std::fs::read_to_string(folder.join("embeddings/embeddings.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), inputs::PASSAGES);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["index"], 0);
    assert_eq!(
        std::fs::read(folder.join("echoed/output.bin")).unwrap(),
        std::fs::read(folder.join("message.txt")).unwrap()
    );

    // A module that fails fails everywhere in the same way: that is a result, and what it used is paid.
    let endless = inputs::endless(&folder).display().to_string();
    let failed = market
        .io(&[
            "job",
            "submit",
            "wasm",
            &endless,
            "--fuel",
            "5000000",
            "--max-price",
            "1",
            "--wait",
            "-O",
            &path("f"),
        ])
        .await;
    let failed = failed.ok();
    assert_eq!(failed["state"], "settled");
    assert!(
        failed["failure"].as_str().unwrap().contains("out_of_fuel"),
        "{failed}"
    );
    let units = failed["units"].as_u64().unwrap();
    assert!((1..=5).contains(&units), "{failed}");
    io.balance_with(for_text + payment(1, WASM_ASK, 0) + payment(units, WASM_ASK, 0))
        .await;

    // What a renter sees afterwards, from the chain and from the oracles.
    let listed = market.io(&["job", "list", "--state", "settled"]).await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let address = embed["job"].as_str().unwrap();
    let got = market.io(&["job", "get", address]).await.ok();
    assert_eq!(got["output_hash"], embed["output_hash"]);
    let history = market.io(&["job", "logs", address]).await.ok();
    let states: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["to"].as_str())
        .collect();
    assert!(
        states.iter().any(|to| to.eq_ignore_ascii_case("settled")),
        "{history}"
    );
    let again = market
        .io(&["job", "download", address, "-O", &path("again")])
        .await
        .ok();
    assert_eq!(again["output_hash"], embed["output_hash"]);
    assert_eq!(
        std::fs::read(folder.join("again/embeddings.safetensors")).unwrap(),
        std::fs::read(folder.join("embeddings/embeddings.safetensors")).unwrap()
    );
    // An ended job can't be taken back, disputed, or ended again; closing it returns its rent, and its money stays where it is.
    market
        .io(&["job", "cancel", address])
        .await
        .fails_with(1, &["settled"]);
    market
        .io(&["job", "dispute", address])
        .await
        .fails_with(1, &["settled"]);
    market.io(&["job", "close", address]).await.ok();
    market.io(&["job", "get", address]).await.fails(4);
    io.balance_with(for_text + payment(1, WASM_ASK, 0) + payment(units, WASM_ASK, 0))
        .await;

    // Nothing was left running, nothing disputed.
    for view in listed.as_array().unwrap() {
        assert_eq!(view["state"], "settled", "{view}");
    }
    market.stop().await;
}

/// A renter who changes their mind, before anybody has accepted.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_takes_is_cancelled_and_refunded_in_full() {
    let market = Market::start(Options::default()).await;
    let books = market.books().await;
    let echo = inputs::echo(market.folder());
    // No device here has that much memory.
    let job = market
        .submit_wasm(&echo, None, 1_000, &["--min-memory", "100000000"])
        .await;
    let escrow = market.job(&job).await.escrow;
    assert!(escrow > 0);
    let moved = books.moved().await;
    assert_eq!(
        (moved.renter, moved.escrowed),
        (-i128::from(escrow), i128::from(escrow))
    );
    // Somebody else may not; the renter may, once.
    market
        .io_as("provider", &["job", "cancel", &job.to_string()])
        .await
        .fails(3);
    market.io(&["job", "cancel", &job.to_string()]).await.ok();
    market.ends(&job, JobState::Cancelled).await;
    market
        .io(&["job", "cancel", &job.to_string()])
        .await
        .fails_with(1, &["cancelled"]);
    books.balance_with(io_e2e::Moved::default()).await;

    // The same, when the deadline decides.
    let job = market
        .submit_wasm(
            &echo,
            None,
            1_000,
            &["--min-memory", "100000000", "--deadline", "60s"],
        )
        .await;
    market.travel(60).await;
    market.ends(&job, JobState::Expired).await;
    books.balance_with(io_e2e::Moved::default()).await;
    market.stop().await;
}

/// A network on one machine is one process tree, however its root ends.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_running_when_io_up_is_killed() {
    Market::start(Options::default()).await.kill_up().await;
}
