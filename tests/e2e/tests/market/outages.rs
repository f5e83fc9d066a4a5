//! Oracles that are down. Nothing is lost: a quorum of the rest decides, or time does.

use io_client::pda;
use std::collections::BTreeMap;

use io_e2e::{
    JobState, Market, Moved, Options,
    books::payment,
    command, inputs,
    jobs::{PATIENCE, until},
    market::WASM_ASK,
    process::{Service, io_binary},
};

/// Rounds of a module whose verification takes long enough to be interrupted.
const ROUNDS: u32 = 1 << 30;
const UNITS: u64 = 40_000;
/// A challenge window longer than anything done within it takes, seconds: the chain's clock is moved over its rest.
const WINDOW: u32 = 60;

/// One of three may be down; and one that is killed while it verifies says after its restart what it would have said,
/// and never two things.
#[tokio::test(flavor = "multi_thread")]
async fn a_quorum_of_the_rest_settles_and_a_killed_oracle_signs_one_verdict() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let echo = inputs::echo(&folder);
    let mut moved = Moved::default();

    market.kill_oracle(1).await;
    let job = market.submit_wasm(&echo, None, 1, &[]).await;
    market.ends(&job, JobState::Settled).await;
    moved = moved + payment(1, WASM_ASK, 0);
    books.balance_with(moved).await;

    // With one down, both others are needed, and one of them dies at its work.
    let job = market
        .submit_wasm(&inputs::count(&folder, ROUNDS), None, UNITS, &[])
        .await;
    market.until_state(&job, &[JobState::Submitted]).await;
    let before = market.attestation(0, &job).await;
    market.kill_oracle(0).await;
    assert!(before.is_none(), "killed while it verified");
    assert_eq!(
        market.job(&job).await.state,
        JobState::Submitted as u8,
        "no quorum without it"
    );
    market.start_oracle(0);
    let settled = market.ends(&job, JobState::Settled).await;
    moved = moved + payment(settled.units, WASM_ASK, 0);
    books.balance_with(moved).await;
    let verdict = market
        .attestation(0, &job)
        .await
        .expect("its verdict was needed");
    assert_eq!(verdict.verdict, io_api::types::WireVerdict::Valid);

    // It remembers: the same signature over the same words after another crash.
    market.kill_oracle(0).await;
    market.start_oracle(0);
    let again = until(
        "the oracle should know its verdict",
        PATIENCE,
        || market.logs(),
        async || market.attestation(0, &job).await,
    );
    assert_eq!(again.await, verdict);

    // The third one comes back, too, and finds what it missed on the chain.
    market.start_oracle(1);
    until(
        "the oracle should have caught up",
        PATIENCE,
        || market.logs(),
        async || {
            market
                .view(1, &job)
                .await
                .filter(|view| view.state.eq_ignore_ascii_case("settled"))
        },
    )
    .await;
    market.stop().await;
}

/// One key on two machines: whoever starts later finds the other one, says so, and ends; the first goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_oracle_with_the_same_key_is_found_out_and_ends() {
    let market = Market::start(Options::default()).await;
    let books = market.books().await;
    let home = market.folder().to_owned();
    let config = market.changed(
        &market.oracles[0].config.clone(),
        &[
            ("data_dir", serde_json::json!(home.join("elsewhere"))),
            ("listen", serde_json::json!("127.0.0.1:0")),
        ],
    );
    let mut run = command::bare(&io_binary(), &home, &BTreeMap::new());
    run.args(["oracle", "run", "--config"]).arg(config);
    let mut twin = Service::start("the twin", &mut run, home.join("twin.log"));
    let status = twin.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", twin.log());
    let said = twin.log();
    for words in [
        "this oracle's key",
        "one key is for one oracle",
        "set-oracles",
    ] {
        assert!(said.contains(words), "expected '{words}': {said}");
    }
    let job = market.submit_wasm(&inputs::echo(&home), None, 1, &[]).await;
    market.ends(&job, JobState::Settled).await;
    books.balance_with(payment(1, WASM_ASK, 0)).await;
    market.stop().await;
}

/// Every oracle loses what the renter brought, after a device has accepted. A worker that is there brings it again; where
/// nobody can, nobody can say whether the result is right: the escrow goes back, and the device is not punished.
#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_vanish_are_brought_again_or_cost_nobody_anything() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let echo = inputs::echo(&folder);
    let mut message = 0_u8;
    // A job that runs at a device, whose worker is dead, and of whose inputs no oracle knows any more.
    let mut bereft = async |market: &mut Market| {
        market.kill_worker(0).await;
        market.start_worker(0, Some("crash_after=run"));
        market.worker_is_available(0).await;
        message += 1;
        let input = inputs::write(&folder, "message.txt", &[message; 1_000]);
        let job = market.submit_wasm(&echo, Some(&input), 1, &[]).await;
        market.worker_dies(0).await;
        market.until_state(&job, &[JobState::Running]).await;
        for oracle in 0..market.oracles.len() {
            market.kill_oracle(oracle).await;
        }
        for oracle in 0..market.oracles.len() {
            let config = std::fs::read_to_string(&market.oracles[oracle].config).unwrap();
            let config: serde_json::Value = serde_json::from_str(&config).unwrap();
            let blobs = std::path::Path::new(config["data_dir"].as_str().unwrap()).join("blobs");
            std::fs::remove_dir_all(blobs).unwrap();
        }
        for oracle in 0..market.oracles.len() {
            market.start_oracle(oracle);
        }
        job
    };

    let job = bereft(&mut market).await;
    market.start_worker(0, None);
    market.ends(&job, JobState::Settled).await;
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    let windows = [
        "network",
        "set-params",
        "--challenge-seconds",
        "60",
        "--dispute-seconds",
        "8",
    ];
    market.io_as("admin", &windows).await.ok();
    let job = bereft(&mut market).await;
    market.start_worker(0, Some("crash_after=submit"));
    let submitted = market
        .until_state(&job, &[JobState::Submitted, JobState::Disputed])
        .await;
    // Oracles object when a quarter of the window is left.
    market.travel(44).await;
    let refunded = market.ends(&job, JobState::Expired).await;
    assert_eq!(refunded.device, submitted.device);
    assert_eq!(
        (
            refunded.refunded,
            refunded.paid,
            refunded.fees,
            refunded.penalty_due
        ),
        (refunded.escrow, 0, 0, 0)
    );
    books.balance_with(payment(1, WASM_ASK, 0)).await;
    market.stop().await;
}

/// Two of three are down: no quorum is possible, so time decides. Undisputed results are paid, disputed ones refunded.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_undisputed_results_settle_and_disputed_ones_refund() {
    let options = Options {
        workers: 2,
        challenge_seconds: WINDOW,
        dispute_seconds: 8,
        ..Options::default()
    };
    let mut market = Market::start(options).await;
    let books = market.books().await;
    let echo = inputs::echo(market.folder());
    market.kill_oracle(1).await;
    market.kill_oracle(2).await;

    let undisputed = market.submit_wasm(&echo, None, 1, &[]).await;
    let disputed = market.submit_wasm(&echo, None, 1, &[]).await;
    market.until_state(&disputed, &[JobState::Submitted]).await;
    market
        .io(&["job", "dispute", &disputed.to_string()])
        .await
        .ok();
    // The one oracle that is left has looked: it objects where it could not.
    until(
        "the oracle's verdict",
        PATIENCE,
        || market.logs(),
        async || market.attestation(0, &undisputed).await,
    )
    .await;
    market.travel(WINDOW.into()).await;

    let settled = market.ends(&undisputed, JobState::Settled).await;
    assert!(
        settled.finished_at > settled.challenge_until,
        "not a second early, without signatures"
    );
    let refunded = market.ends(&disputed, JobState::Expired).await;
    assert!(
        refunded.finished_at > refunded.dispute_until,
        "not a second early"
    );
    assert_eq!(
        (refunded.refunded, refunded.paid, refunded.fees),
        (refunded.escrow, 0, 0)
    );
    // Nobody has proven the device wrong.
    assert_eq!(refunded.penalty_due, 0);
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    // Nobody attests at all: the last oracle dies with the result submitted. The worker waits for the window's end.
    let job = market.submit_wasm(&echo, None, 1, &[]).await;
    market.until_state(&job, &[JobState::Submitted]).await;
    market.kill_oracle(0).await;
    market.travel(WINDOW.into()).await;
    let settled = market.ends(&job, JobState::Settled).await;
    assert!(settled.finished_at > settled.challenge_until);
    books
        .balance_with(payment(1, WASM_ASK, 0) + payment(1, WASM_ASK, 0))
        .await;
    assert_eq!(settled.vault, pda::vault(&job));
    market.stop().await;
}
