//! Looking at jobs on the chain.

use std::time::{Duration, Instant};

use io_client::{
    Pubkey, Rpc, accounts,
    io_network::state::{Job, JobState},
};

use crate::process::POLL;

/// How long a job may take to get anywhere; all the tests' jobs are small.
pub const PATIENCE: Duration = Duration::from_secs(90);

pub async fn fetch(rpc: &Rpc, job: &Pubkey) -> Job {
    accounts::fetch::<Job>(rpc, job)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

pub fn state(job: &Job) -> JobState {
    job.state().expect("a state that this build knows")
}

/// Asks again until `done` says what it found; panics with `what` and `explain` when it never does.
pub async fn until<T>(
    what: &str,
    patience: Duration,
    explain: impl Fn() -> String,
    mut done: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = done().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: not after {} s\n{}",
            patience.as_secs(),
            explain()
        );
        tokio::time::sleep(POLL).await;
    }
}
