//! A worker that takes a job and is never seen again.

use io_client::io_network::state::SlashCause;
use io_e2e::{
    JobState, Market, Options,
    books::{payment, penalty},
    inputs,
    market::WASM_ASK,
};

/// Most units of the job that is let down.
const UNITS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn the_payer_is_refunded_in_full_and_the_penalty_lies_in_a_slash_case() {
    let mut market = Market::start(Options {
        workers: 2,
        ..Options::default()
    })
    .await;
    let books = market.books().await;
    let echo = inputs::echo(market.folder());
    // Both devices let their jobs down, in two ways: dead, and there but not working.
    for (number, fault) in [(0, "crash_after=accept"), (1, "no_progress")] {
        market.kill_worker(number).await;
        market.start_worker(number, Some(fault));
    }
    market.worker_is_available(0).await;
    market.worker_is_available(1).await;
    let jobs = [
        market
            .submit_wasm(&echo, None, UNITS, &["--max-run", "8s"])
            .await,
        market
            .submit_wasm(&echo, None, UNITS, &["--max-run", "8s"])
            .await,
    ];
    let mut devices = Vec::new();
    let mut least = 0;
    for job in &jobs {
        let expired = market.ends(job, JobState::Expired).await;
        assert!(
            expired.finished_at > expired.run_until,
            "not a second early"
        );
        assert_eq!(
            (expired.refunded, expired.paid, expired.fees),
            (expired.escrow, 0, 0)
        );
        devices.push(expired.device);
        // Reckoned at a quarter of the job's highest price, at least.
        least = (expired.max_units * expired.max_price.div_ceil(4)).div_ceil(1_000);
    }
    assert_ne!(devices[0], devices[1], "one job each");

    // The refund didn't wait for the penalty: `expire_penalty_bps` of what the device could have gained.
    let most = least.max(UNITS * WASM_ASK / 1_000);
    let each = most * u64::from(market.network.expire_penalty_bps) / 10_000;
    assert!(each > 0);
    for job in &jobs {
        let case = market.slash(job).await;
        let job = market.job(job).await;
        assert_eq!(
            (case.amount, case.cause, case.subject),
            (each, SlashCause::Expired as u8, job.spec_hash)
        );
        assert_eq!(
            (case.provider, case.device, case.renter),
            (job.provider, job.device, job.renter)
        );
    }
    books.balance_with(penalty(each) + penalty(each)).await;

    // The devices are free again, and an honest worker earns with one.
    market.kill_worker(1).await;
    market.start_worker(1, None);
    market.worker_is_available(1).await;
    let job = market.submit_wasm(&echo, None, 1, &[]).await;
    market.ends(&job, JobState::Settled).await;
    books
        .balance_with(penalty(each) + penalty(each) + payment(1, WASM_ASK, 0))
        .await;
    market.stop().await;
}
