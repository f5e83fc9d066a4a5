//! Results that are wrong, and objections to results that are right.

use io_client::io_network::state::SlashCause;
use io_e2e::{
    JobState, Market, Moved, Options, Pubkey,
    books::{payment, penalty},
    inputs,
    market::{EMBED_ASK, WASM_ASK},
};
use serde_json::json;

/// Passages of each job.
const PASSAGES: usize = 12;

/// Lets the one worker misbehave in one job, which ends rejected. Returns what moved.
async fn rejected(
    market: &mut Market,
    fault: &str,
    job: impl AsyncFnOnce(&Market) -> Pubkey,
    most: u64,
) -> Moved {
    market.kill_worker(0).await;
    market.start_worker(0, Some(fault));
    market.worker_is_available(0).await;
    let address = job(market).await;
    let job = market.ends(&address, JobState::Rejected).await;
    assert_eq!(
        (job.refunded, job.paid, job.fees),
        (job.escrow, 0, 0),
        "{fault}: refunded in full"
    );
    // Reckoned at a quarter of the job's highest price, at least.
    let least = (job.max_units * job.max_price.div_ceil(4)).div_ceil(1_000);
    let due = most.max(least) * u64::from(market.network.reject_penalty_bps) / 10_000;
    assert!(due > 0);
    let case = market.slash(&address).await;
    assert_eq!(
        (case.amount, case.cause, case.subject),
        (due, SlashCause::Rejected as u8, job.output_hash),
        "{fault}"
    );
    // A quorum said so, each for itself and with its reason.
    let mut reasons = 0;
    for oracle in 0..market.oracles.len() {
        if let Some(verdict) = market.attestation(oracle, &address).await {
            assert_eq!(
                verdict.verdict,
                io_api::types::WireVerdict::Invalid,
                "{fault}: {verdict:?}"
            );
            assert!(
                verdict.reason.is_some_and(|reason| !reason.is_empty()),
                "{fault}"
            );
            reasons += 1;
        }
    }
    assert!(reasons >= 2, "{fault}: {reasons} verdicts");
    // The renter is told, and not given a wrong result as if it were right.
    let told = market.io(&["job", "wait", &address.to_string()]).await;
    told.fails_with(1, &["wrong"]);
    penalty(due)
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_results_are_rejected_refunded_and_penalised_and_right_ones_survive_a_dispute() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let text = |seed: u64| inputs::few_passages(&folder, PASSAGES, seed);
    let most_embed = PASSAGES as u64 * EMBED_ASK / 1_000;
    let mut moved = Moved::default();

    for (seed, fault) in [
        (1, "wrong_embedding"),
        (2, "truncated_result"),
        (3, "other_job_result"),
    ] {
        let passages = text(seed);
        moved = moved
            + rejected(
                &mut market,
                fault,
                async |market| market.submit_embed(&passages, &[]).await,
                most_embed,
            )
            .await;
        books.balance_with(moved).await;
    }
    // The exact engine: one bit, or in this case half of the output, decides.
    let message = inputs::write(&folder, "message.txt", b"twenty bytes of text");
    let echo = inputs::echo(&folder);
    let most_wasm = 1_000 * WASM_ASK / 1_000;
    moved = moved
        + rejected(
            &mut market,
            "truncated_result",
            async |market| market.submit_wasm(&echo, Some(&message), 1_000, &[]).await,
            most_wasm,
        )
        .await;
    books.balance_with(moved).await;

    // An honest result to which the renter objects: a quorum says that it is right, and it is paid. Oracles that leave it to the worker to
    // settle, for longer than this takes.
    let patient = [("settle_grace_seconds", json!(600))];
    market.restart_oracles_with(&patient).await;
    market.kill_worker(0).await;
    market.start_worker(0, Some("crash_after=submit"));
    market.worker_is_available(0).await;
    let job = market.submit_wasm(&echo, Some(&message), 1, &[]).await;
    market.worker_dies(0).await;
    market.until_state(&job, &[JobState::Submitted]).await;
    // A stranger can't dispute, the renter can, once.
    market
        .io_as("provider", &["job", "dispute", &job.to_string()])
        .await
        .fails(3);
    market.io(&["job", "dispute", &job.to_string()]).await.ok();
    market
        .until_state(&job, &[JobState::Disputed, JobState::Settled])
        .await;
    market.start_worker(0, None);
    market.ends(&job, JobState::Settled).await;
    books.balance_with(moved + payment(1, WASM_ASK, 0)).await;
    market.stop().await;
}
