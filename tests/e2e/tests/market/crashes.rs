//! `kill -9` of a worker at every step of a job: another start with the same folder takes it up, and it is paid once.

use std::time::Duration;

use io_e2e::{
    JobState, Market, Moved, Options,
    books::payment,
    inputs,
    jobs::{PATIENCE, until},
    market::WASM_ASK,
};

/// Where the worker dies, and the states that the chain can show then.
const STAGES: [(&str, &[JobState]); 5] = [
    ("accept", &[JobState::Running]),
    ("run", &[JobState::Running]),
    ("upload", &[JobState::Running]),
    ("submit", &[JobState::Submitted]),
    ("gather", &[JobState::Submitted]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_stage_and_started_again_finishes_the_job() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let echo = inputs::echo(&folder);
    let mut expected = Moved::default();
    for (stage, states) in STAGES {
        market.kill_worker(0).await;
        market.start_worker(0, Some(&format!("crash_after={stage}")));
        market.worker_is_available(0).await;
        let message = inputs::write(&folder, stage, stage.as_bytes());
        let job = market.submit_wasm(&echo, Some(&message), 1, &[]).await;
        market.worker_dies(0).await;
        // The chain may be a moment behind what the worker was told.
        let dead = market.until_state(&job, states).await;
        assert_eq!(
            (dead.paid, dead.refunded),
            (0, 0),
            "{stage}: nothing was paid yet"
        );
        market.start_worker(0, None);
        market.ends(&job, JobState::Settled).await;
        expected = expected + payment(1, WASM_ASK, 0);
        books.balance_with(expected).await;
        let out = folder.join(format!("out-{stage}"));
        market
            .io(&[
                "job",
                "download",
                &job.to_string(),
                "-O",
                &out.display().to_string(),
            ])
            .await
            .ok();
        assert_eq!(
            std::fs::read(out.join("output.bin")).unwrap(),
            stage.as_bytes()
        );
    }
    market.stop().await;
}

/// Rounds of a module that takes long enough to be interrupted.
const ROUNDS: u32 = 1 << 30;
/// Units that it may use; it needs less.
const UNITS: u64 = 40_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_in_the_middle_of_its_work_does_it_again() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let count = inputs::count(&folder, ROUNDS);
    let job = market.submit_wasm(&count, None, UNITS, &[]).await;
    until(
        "the device should report how far it is",
        PATIENCE,
        || market.logs(),
        async || {
            let progress = market.view(0, &job).await?.progress?;
            (progress.phase == "running" && progress.done > 0).then_some(())
        },
    )
    .await;
    market.kill_worker(0).await;
    assert_eq!(
        market.job(&job).await.state,
        JobState::Running as u8,
        "killed while it ran"
    );
    market.start_worker(0, None);
    let settled = market.ends(&job, JobState::Settled).await;
    books
        .balance_with(payment(settled.units, WASM_ASK, 0))
        .await;
    let out = folder.join("out");
    market
        .io(&[
            "job",
            "download",
            &job.to_string(),
            "-O",
            &out.display().to_string(),
        ])
        .await
        .ok();
    assert_eq!(
        std::fs::read(out.join("output.bin")).unwrap(),
        inputs::counted(ROUNDS).to_le_bytes()
    );

    // The same worker started twice on one folder: the second says so and ends, the first goes on.
    let config = market.workers[0].config.display().to_string();
    let second = market.io(&["worker", "run", "--config", &config]).await;
    second.fails(1);
    let again = market
        .submit_wasm(&inputs::echo(&folder), None, 1, &[])
        .await;
    market.ends(&again, JobState::Settled).await;
    assert!(
        settled.finished_at - settled.accepted_at
            < i64::try_from(Duration::from_secs(300).as_secs()).unwrap()
    );
    market.stop().await;
}
