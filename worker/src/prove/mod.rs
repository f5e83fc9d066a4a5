//! Doing a job's work and committing to it: the engine, on threads that may block, with a result that survives a crash. And the
//! [`hardware`]'s own proof.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use io_client::Pubkey;
use io_engines::{
    BlobHash, Blobs, CancelToken, Control, EngineError, Engines, Fault, JobSpec, MANIFEST_FILE,
    Manifest, Outcome, Quote, VerificationClass,
};

use crate::{blobs::LocalBlobs, canary, config::sync_folder, faults};

pub mod claims;
pub mod hardware;
pub mod self_test;

/// How far a run is; read by whoever reports it.
#[derive(Debug, Default)]
pub struct Progress {
    pub done: AtomicU64,
    pub total: AtomicU64,
}

/// The engines of this process: made when first needed, freed when idle.
#[derive(Default)]
pub struct EngineHost {
    engines: Mutex<Option<Arc<Engines>>>,
    used: Mutex<Option<Instant>>,
}

impl EngineHost {
    fn get(&self) -> Result<Arc<Engines>, EngineError> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        match &*engines {
            Some(engines) => Ok(engines.clone()),
            None => Ok(engines.insert(Arc::new(Engines::new()?)).clone()),
        }
    }

    /// Counts a job's work and checks everything it names.
    pub async fn quote(
        self: &Arc<Self>,
        spec: &JobSpec,
        blobs: &LocalBlobs,
    ) -> Result<Quote, EngineError> {
        let (host, spec, blobs) = (self.clone(), spec.clone(), blobs.clone());
        blocking(move || host.get()?.get(&spec).quote(&spec, &blobs)).await
    }

    /// Runs a job into `out_dir`. When this returns, the result is on disk and stays there over a crash.
    pub async fn run(self: &Arc<Self>, run: Run) -> Result<Outcome, EngineError> {
        let host = self.clone();
        blocking(move || {
            let engines = host.get()?;
            let outcome = run.work(&engines);
            *host.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            outcome
        })
        .await
    }

    /// Frees the model when nothing was run for `idle`. Returns when to look again.
    pub fn unload_if_idle(&self, idle: Duration) -> Duration {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = *used else { return idle };
        let quiet = last.elapsed();
        if quiet < idle {
            return idle - quiet;
        }
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        // A run that still goes on holds its own reference.
        if engines
            .as_ref()
            .is_some_and(|engines| Arc::strong_count(engines) == 1)
        {
            if let Some(engines) = engines.take() {
                engines.unload();
                tracing::info!("idle: the model left the memory");
            }
            *used = None;
        }
        idle
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(EngineError::Host(format!("the engine panicked: {error}"))))
}

/// One run of a job.
pub struct Run {
    pub spec: JobSpec,
    pub blobs: LocalBlobs,
    pub out_dir: PathBuf,
    /// The job's account.
    pub job: [u8; 32],
    pub threads: usize,
    /// Where the secrets of jobs lie that are answered wrong on purpose.
    pub canaries: Option<PathBuf>,
    pub cancel: CancelToken,
    pub progress: Arc<Progress>,
}

impl Run {
    fn work(self, engines: &Engines) -> Result<Outcome, EngineError> {
        let progress = self.progress.clone();
        let report = move |at: io_engines::Progress| {
            progress.total.store(at.total, Ordering::Relaxed);
            progress.done.store(at.done, Ordering::Relaxed);
        };
        let job = Pubkey::new_from_array(self.job);
        let canary = engines.get(&self.spec).class() == VerificationClass::Exact
            && self
                .canaries
                .as_deref()
                .is_some_and(|folder| canary::is_one(folder, &job, &self.spec.hash()));
        if canary {
            tracing::warn!(%job, "a canary: answering it wrong on purpose");
        }
        let control = Control {
            job: self.job,
            progress: &report,
            cancel: self.cancel.clone(),
            threads: self.threads,
            canary,
        };
        while faults::no_progress() && !self.cancel.is_cancelled() {
            std::thread::sleep(Duration::from_millis(50));
        }
        #[cfg(feature = "faults")]
        let spec = &faults::run_instead(&self.spec);
        #[cfg(not(feature = "faults"))]
        let spec = &self.spec;
        let blobs: &dyn Blobs = &self.blobs;
        #[cfg_attr(not(feature = "faults"), allow(unused_mut))]
        let mut outcome = engines
            .get(spec)
            .run(spec, blobs, &self.out_dir, &control)?;
        #[cfg(feature = "faults")]
        faults::tamper(&mut outcome, &self.spec).map_err(|e| EngineError::Host(e.to_string()))?;
        sync(&outcome, &self.out_dir).map_err(|error| EngineError::Host(format!("{error:#}")))?;
        Ok(outcome)
    }
}

fn sync(outcome: &Outcome, out_dir: &Path) -> Result<()> {
    for path in &outcome.files {
        std::fs::File::open(path)
            .and_then(|file| file.sync_all())
            .with_context(|| format!("can't sync {}", path.display()))?;
    }
    sync_folder(out_dir)
}

/// The result that an earlier process left, if it is whole: its blobs, the manifest last.
pub async fn stored(out_dir: PathBuf, output_hash: BlobHash) -> Option<Vec<(BlobHash, PathBuf)>> {
    tokio::task::spawn_blocking(move || {
        let path = out_dir.join(MANIFEST_FILE);
        let (hash, _) = BlobHash::of_file(&path).ok()?;
        if hash != output_hash {
            return None;
        }
        let manifest = Manifest::from_canonical(&std::fs::read(&path).ok()?).ok()?;
        let mut blobs = Vec::with_capacity(manifest.files.len() + 1);
        for file in &manifest.files {
            let path = out_dir.join(&file.name);
            if BlobHash::of_file(&path).ok()? != (file.hash, file.size) {
                return None;
            }
            blobs.push((file.hash, path));
        }
        blobs.push((output_hash, path));
        Some(blobs)
    })
    .await
    .ok()
    .flatten()
}

/// Whether another try on this machine can succeed.
pub fn worth_another_try(error: &EngineError) -> bool {
    error.fault() == Fault::Host
}
