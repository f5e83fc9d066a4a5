//! An RPC node between everybody and the chain that drops, delays, repeats and refuses.

use std::{collections::BTreeMap, time::Duration};

use io_client::testing::{CuttableProxy, Fault, FaultyRpc};
use io_e2e::{JobState, Market, Options, books::payment, inputs, market::WASM_ASK};

/// Share of calls that go wrong.
const PERCENT: u64 = 15;
/// Any will do; the same faults come again with the same one.
const SEED: u64 = 20_261_121;
const JOBS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_settle_once_through_a_node_that_drops_delays_and_repeats() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let echo = inputs::echo(&folder);
    let (for_worker, for_renter) = (
        FaultyRpc::start(&market.rpc_url).await,
        FaultyRpc::start(&market.rpc_url).await,
    );
    let websocket = CuttableProxy::start(&market.ws_url).await;

    // The worker knows the chain only through its node.
    market.kill_worker(0).await;
    let config = std::fs::read_to_string(&market.workers[0].config).unwrap();
    let config = config
        .replace(&market.rpc_url, for_worker.url())
        .replace(&market.ws_url, &websocket.ws_url());
    assert!(
        config.contains(for_worker.url()) && config.contains(&websocket.ws_url()),
        "{config}"
    );
    let config = inputs::write(&folder, "worker-behind.json", config.as_bytes());
    market.start_worker_with(0, &config, None);
    market.worker_is_available(0).await;
    for_worker.randomly(PERCENT, SEED);

    let renters = BTreeMap::from([
        ("IO_URL".to_owned(), for_renter.url().to_owned()),
        ("IO_WS_URL".to_owned(), market.ws_url.clone()),
        ("IO_ORACLES".to_owned(), market.oracle_urls.join(",")),
        (
            "IO_KEYPAIR".to_owned(),
            market.key_file("renter").display().to_string(),
        ),
    ]);
    for_renter.randomly(PERCENT, SEED + 1);
    let faults = |n: u64| match n % 4 {
        0 => vec![Fault::LoseResponse, Fault::Duplicate],
        1 => vec![Fault::LoseRequest, Fault::LoseResponse],
        2 => vec![Fault::Delay(Duration::from_millis(700)), Fault::Duplicate],
        _ => vec![Fault::Garbage, Fault::Http(502)],
    };
    for n in 0..JOBS {
        // The worst moments are those when money moves.
        for node in [&for_worker, &for_renter] {
            node.next("sendTransaction", faults(n));
        }
        let message = inputs::write(&folder, &format!("message-{n}"), n.to_string().as_bytes());
        let arguments = [
            "wasm",
            &echo.display().to_string(),
            "--input",
            &message.display().to_string(),
            "--fuel",
            "1000000",
            "--max-price",
            "1",
        ];
        let job = market.submit_with(&renters, &arguments).await;
        websocket.cut();
        market.ends(&job, JobState::Settled).await;
        // One job was made, and it was paid for once.
        books
            .balance_with((0..=n).map(|_| payment(1, WASM_ASK, 0)).sum())
            .await;
    }
    let made = io_client::accounts::jobs_of_renter(
        &market.rpc,
        &io_client::Signer::pubkey(&*market.renter.signer()),
    )
    .await
    .unwrap();
    assert_eq!(made.len() as u64, JOBS);
    assert!(
        for_worker.calls("sendTransaction") >= 3 * JOBS,
        "accept, submit and settle went through the node"
    );
    assert!(for_renter.calls("sendTransaction") >= JOBS);

    // A node that is gone: commands say so, in time, and what is under way goes on without it.
    for_renter.always("sendTransaction", Some(Fault::Http(503)));
    for_renter.randomly(0, SEED);
    market.stop().await;
}
