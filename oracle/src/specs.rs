//! A job's spec and inputs: found here or at a peer, checked.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use io_api::client::OracleClient;
use io_client::{
    Pubkey,
    io_network::state::{Job, JobState},
};
use io_engines::{BlobHash, Blobs, EngineSpec, JobSpec, limits::MAX_SPEC_BYTES};
use io_protocol::messages::Bytes32;
use tokio::time::{Instant, timeout};

use crate::oracle::{InputState, Note, Oracle, SpecState};

/// Pauses between looks: the first, growing to the longest.
pub const LOOK: Duration = Duration::from_millis(50);
pub const LONGEST_LOOK: Duration = Duration::from_secs(3);
/// Longest wait for a peer to say whether it has a blob.
const ASK_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest time for one blob from one peer: this, and a second for so many bytes. A peer that gives it by the drop must not keep
/// the others from being asked in time.
const PULL_TIMEOUT: Duration = Duration::from_secs(15);
const PULL_BYTES_PER_SECOND: u64 = 1 << 20;

/// A pause that grows.
pub fn longer(pause: Duration) -> Duration {
    pause.mul_f64(1.5).min(LONGEST_LOOK)
}

/// Whether the engines find a blob here.
pub fn is_here(oracle: &Oracle, hash: &Bytes32) -> bool {
    oracle.blobs.has(hash) || oracle.models.locate(&BlobHash(*hash)).is_ok()
}

/// Peers that say they have a blob of at most `max` bytes.
async fn holders(oracle: &Oracle, hash: &Bytes32, max: u64) -> Vec<(OracleClient, u64)> {
    let max = max.min(oracle.config.max_blob_bytes);
    // All are asked at once: one that is down holds nobody up.
    let ask = |peer: OracleClient| async move {
        let status = timeout(ASK_TIMEOUT, peer.blob_status(hash))
            .await
            .ok()?
            .ok()??;
        (status.complete && status.size <= max).then_some((peer, status.size))
    };
    let answers = join_all(oracle.peers.clients().iter().cloned().map(ask)).await;
    answers.into_iter().flatten().collect()
}

/// Gets a blob of at most `max` bytes from whichever peer has it. False when none has it now.
pub async fn pull(oracle: &Arc<Oracle>, hash: &Bytes32, max: u64) -> bool {
    if is_here(oracle, hash) {
        return true;
    }
    let max = max.min(oracle.config.max_blob_bytes);
    for (peer, size) in holders(oracle, hash, max).await {
        // The file is one puller's at a time.
        let guard = oracle.blobs.puller(hash);
        let _alone = guard.lock().await;
        if is_here(oracle, hash) {
            return true;
        }
        let path = oracle.blobs.pull_path(hash);
        let patience = PULL_TIMEOUT + Duration::from_secs(size / PULL_BYTES_PER_SECOND);
        match timeout(patience, peer.get_blob(hash, &path, max, |_| {})).await {
            Ok(Ok(_)) => match oracle.blobs.adopt(hash, path).await {
                Ok(()) => return true,
                Err(error) => {
                    tracing::warn!(blob = %BlobHash(*hash), %error, "can't keep a peer's blob")
                }
            },
            Ok(Err(error)) => {
                tracing::debug!(blob = %BlobHash(*hash), peer = peer.host(), %error, "a peer does not give a blob")
            }
            Err(_) => {
                tracing::debug!(blob = %BlobHash(*hash), peer = peer.host(), "a peer is too slow")
            }
        }
    }
    false
}

/// Waits a while, or until somebody has uploaded a blob here.
pub async fn wait(oracle: &Oracle, pause: Duration) {
    let mut news = oracle.blob_news.subscribe();
    let _ = timeout(pause, news.changed()).await;
}

/// Why a spec cannot be this job's; `None` when it can.
pub fn mismatch(spec: &JobSpec, job: &Job) -> Option<String> {
    let class = match spec.engine {
        EngineSpec::Embed(_) => 1,
        EngineSpec::Wasm(_) => 0,
    };
    // A lease is metered: the spec is what its renter begins with.
    if job.verification != class && !job.is_lease() {
        let name = |class| {
            ["exact", "tolerant", "metered"]
                .get(usize::from(class))
                .copied()
                .unwrap_or("unknown")
        };
        return Some(format!(
            "the engine '{}' is verified as {}, and the job says {}",
            spec.engine.name(),
            name(class),
            name(job.verification)
        ));
    }
    if job.devices != 1 {
        return Some(format!(
            "the job wants {} devices, and the engine runs on one",
            job.devices
        ));
    }
    None
}

/// The job's spec from the store; `Ok(None)` when it is not there.
pub async fn read(oracle: &Oracle, job: &Job) -> Result<Option<JobSpec>, String> {
    let Ok(bytes) = oracle.blobs.read(&job.spec_hash, MAX_SPEC_BYTES).await else {
        return match oracle.blobs.size(&job.spec_hash) {
            Some(size) if size > MAX_SPEC_BYTES => Err(format!(
                "the spec has {size} bytes, and {MAX_SPEC_BYTES} are the most"
            )),
            _ => Ok(None),
        };
    };
    let spec = JobSpec::from_canonical(&bytes).map_err(|error| error.to_string())?;
    match mismatch(&spec, job) {
        None => Ok(Some(spec)),
        Some(reason) => Err(reason),
    }
}

/// The first of a spec's blobs that is neither here nor at a peer.
async fn nowhere(oracle: &Oracle, spec: &JobSpec) -> Option<BlobHash> {
    for blob in spec.blobs() {
        let here = match oracle.blobs.size(&blob.hash.0) {
            // Of another size than the spec says, it is not what the spec names.
            Some(size) if size != blob.size => return Some(blob.hash),
            Some(_) => true,
            None => is_here(oracle, &blob.hash.0),
        };
        if !here && holders(oracle, &blob.hash.0, blob.size).await.is_empty() {
            return Some(blob.hash);
        }
    }
    None
}

/// Waits until what an open job's spec names can be had: a device that took it before could not deliver, and would be
/// punished for what the renter left out.
async fn await_inputs(oracle: Arc<Oracle>, address: Pubkey, job: Job, spec: Arc<JobSpec>) {
    let mut pause = LOOK;
    loop {
        match oracle.index.job(&address) {
            Some(now)
                if now.created_slot == job.created_slot && now.state == JobState::Open as u8 => {}
            _ => return,
        }
        let missing = nowhere(&oracle, &spec).await;
        oracle.update_note(&address, job.created_slot, |note| {
            note.inputs = missing.map_or(InputState::Ready, InputState::Missing);
        });
        if missing.is_none() {
            return oracle.tell();
        }
        wait(&oracle, pause).await;
        pause = longer(pause);
    }
}

/// Finds a job's spec, and looks again and again while it is missing. Then the same for what the spec names.
pub async fn resolve(oracle: Arc<Oracle>, address: Pubkey, job: Job) {
    let mut pause = LOOK;
    loop {
        match oracle.index.job(&address) {
            Some(now)
                if now.created_slot == job.created_slot
                    && now.state().is_ok_and(|state| !state.is_final()) => {}
            _ => return,
        }
        match oracle.note(&address) {
            Note {
                spec: SpecState::Ready(spec),
                inputs: InputState::Wanted | InputState::Missing(_),
                ..
            } => return await_inputs(oracle, address, job, spec).await,
            Note {
                spec: SpecState::Ready(_) | SpecState::Invalid(_),
                ..
            } => return,
            _ => {}
        }
        pull(&oracle, &job.spec_hash, MAX_SPEC_BYTES).await;
        let state = match read(&oracle, &job).await {
            Ok(Some(spec)) => SpecState::Ready(Arc::new(spec)),
            Ok(None) => SpecState::Missing,
            Err(reason) => SpecState::Invalid(reason),
        };
        let found = !matches!(state, SpecState::Missing);
        let ready = match &state {
            SpecState::Ready(spec) => Some(spec.clone()),
            _ => None,
        };
        oracle.update_note(&address, job.created_slot, |note| note.spec = state);
        if let Some(spec) = ready {
            return await_inputs(oracle, address, job, spec).await;
        }
        if found {
            oracle.tell();
            return;
        }
        wait(&oracle, pause).await;
        pause = longer(pause);
    }
}

/// Gets a running job's inputs here before they are needed.
pub async fn prefetch(oracle: Arc<Oracle>, address: Pubkey, job: Job) {
    let mut pause = LOOK;
    loop {
        match oracle.index.job(&address) {
            Some(now)
                if now.created_slot == job.created_slot
                    && now.state().is_ok_and(|state| !state.is_final()) => {}
            _ => return,
        }
        if let SpecState::Ready(spec) = oracle.note(&address).spec {
            let mut all = true;
            for blob in spec.blobs() {
                all &= pull(&oracle, &blob.hash.0, blob.size).await;
            }
            if all {
                return;
            }
        }
        wait(&oracle, pause).await;
        pause = longer(pause);
    }
}

/// What is still missing of some blobs, after asking every peer once.
pub async fn missing(oracle: &Arc<Oracle>, wanted: &[(Bytes32, u64)]) -> Vec<Bytes32> {
    let mut missing = Vec::new();
    for (hash, max) in wanted {
        if !pull(oracle, hash, *max).await {
            missing.push(*hash);
        }
    }
    missing
}

/// Until a deadline of the chain's clock.
pub fn until(oracle: &Oracle, chain_time: i64) -> Instant {
    let seconds = chain_time.saturating_sub(oracle.clock.now()).max(0);
    Instant::now() + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
