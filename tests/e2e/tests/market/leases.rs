//! A device by the second: rented, used, extended, ended, paid for what the oracles attested and for nothing else.

use io_client::{accounts, io_network::state::Job};
use io_e2e::{
    JobState, Market, Options,
    books::payment,
    inputs,
    jobs::{PATIENCE, until},
};
use serde_json::json;

/// What a device asks for 1,000 s, unless it is told otherwise.
const LEASE_ASK: u64 = 100_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_served_used_extended_ended_and_paid_by_the_second() {
    let market = Market::start(Options {
        workers: 1,
        ..Options::default()
    })
    .await;
    let folder = market.folder().to_owned();
    let books = market.books().await;
    let echo = inputs::echo(&folder).display().to_string();
    let message = inputs::write(&folder, "message.txt", b"by the second")
        .display()
        .to_string();
    let created = market
        .io(&[
            "lease",
            "create",
            "wasm",
            &echo,
            "--input",
            &message,
            "--fuel",
            "1000000",
            "--for",
            "10m",
            "--longest",
            "1h",
            "--max-price",
            "1",
        ])
        .await
        .ok();
    let text = created["job"].as_str().expect("an address").to_owned();
    let address = text.parse().expect("an address");
    let job = market.until_state(&address, &[JobState::Running]).await;
    assert_eq!((job.kind, job.ask, job.max_units), (1, LEASE_ASK, 600));

    // The renter's work runs on the leased device; the same request again has the same result.
    let out = folder.join("answer").display().to_string();
    for _ in 0..2 {
        let answer = market
            .io(&[
                "lease", "request", "wasm", &echo, "--lease", &text, "--input", &message, "--fuel",
                "1000000", "-O", &out,
            ])
            .await
            .ok();
        assert_eq!(answer["lease"], json!(text));
        assert_eq!(
            std::fs::read(folder.join("answer/output.bin")).expect("the result"),
            b"by the second"
        );
    }

    let extended = market
        .io(&["lease", "extend", &text, "--for", "5m", "--yes"])
        .await
        .ok();
    assert_eq!(extended["added_seconds"], 300);
    let job = market.job(&address).await;
    assert_eq!((job.max_units, job.deposits), (900, 1));

    // A checkpoint pays while it runs; then the renter ends it.
    let paid = until(
        "a checkpoint",
        2 * PATIENCE,
        || market.logs(),
        async || {
            let job: Job = accounts::fetch(&market.rpc, &address).await.ok()?;
            (job.paid > 0).then_some(job)
        },
    )
    .await;
    assert!(paid.units > 0 && paid.units <= 900);
    let shown = market.io(&["lease", "show", &text]).await.ok();
    assert!(shown["left_seconds"].as_u64().is_some_and(|left| left > 0));
    market.io(&["lease", "end", &text]).await.ok();
    let job = market.until_state(&address, &[JobState::Settled]).await;
    assert_eq!(job.ended_by, 1);
    assert!(job.units >= paid.units);
    assert!(i64::try_from(job.units).expect("fits") <= job.run_until - job.accepted_at);

    // The extension's part comes back to its sponsor, who is the renter here; then not a unit is left in the vault.
    market.io(&["job", "release", &text]).await.ok();
    books.balance_with(payment(job.units, LEASE_ASK, 0)).await;
    market.io(&["job", "close", &text]).await.ok();
    market.stop().await;
}

/// Two people pay for one job, and share what it did not cost.
#[tokio::test(flavor = "multi_thread")]
async fn a_sponsor_completes_a_jobs_escrow_and_gets_its_share() {
    let market = Market::start(Options {
        workers: 1,
        ..Options::default()
    })
    .await;
    let folder = market.folder().to_owned();
    let books = market.books().await;
    let echo = inputs::echo(&folder);
    let address = market
        .submit_wasm(
            &echo,
            Some(&inputs::write(&folder, "in.txt", b"shared")),
            1,
            &["--deposit", "0.5"],
        )
        .await;
    let text = address.to_string();
    let job = market.job(&address).await;
    assert_eq!(job.funded, 50_000_000);
    // The same wallet may be its own sponsor: what counts is the deposit.
    let funded = market
        .io(&["job", "fund", &text, "100", "--yes"])
        .await
        .ok();
    assert_eq!(funded["amount"], json!(job.escrow - job.funded));
    let job = market.ends(&address, JobState::Settled).await;
    assert_eq!(job.deposits, 1);
    assert!(job.owed_sponsors > 0);
    market.io(&["job", "release", &text]).await.ok();
    books
        .balance_with(payment(job.units, io_e2e::market::WASM_ASK, 0))
        .await;
    market.io(&["job", "close", &text]).await.ok();
    market.stop().await;
}
