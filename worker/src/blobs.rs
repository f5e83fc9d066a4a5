//! The worker's blobs: what a job needs, fetched from the oracles into `data_dir/blobs`, and models that are on this
//! machine already. Every byte is hashed before an engine believes it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use io_api::auth::RequestKey;
use io_api::client::{BlobSource, OracleClient};
use io_engines::{
    BlobDir, BlobError, BlobFiles, BlobHash, BlobRef, Blobs, EngineError, JobSpec, Outcome,
    limits::MAX_SPEC_BYTES,
    models::{self, KnownModels},
};

use crate::config::Config;

/// Where an engine finds a job's blobs on this machine. Cheap to clone.
#[derive(Clone)]
pub struct LocalBlobs(Arc<Local>);

struct Local {
    dir: BlobDir,
    known: KnownModels,
    model_dirs: Vec<PathBuf>,
    /// The models of `model_dirs`, hashed when first asked for.
    own: OnceLock<BlobFiles>,
}

impl LocalBlobs {
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Local {
            dir: BlobDir(config.blobs_dir()),
            known: KnownModels::new(),
            model_dirs: config.model_dirs.clone(),
            own: OnceLock::new(),
        }))
    }

    fn own(&self) -> &BlobFiles {
        self.0.own.get_or_init(|| {
            let mut all = BlobFiles::default();
            for dir in &self.0.model_dirs {
                match models::from_dir(dir) {
                    Ok((model, files)) => {
                        for blob in [model.config, model.tokenizer, model.weights] {
                            if let Ok(path) = files.locate(&blob.hash) {
                                all.insert(blob.hash, path);
                            }
                        }
                    }
                    Err(error) => tracing::warn!(dir = %dir.display(), %error, "a folder of model_dirs can't be used"),
                }
            }
            all
        })
    }

    /// Deletes a fetched file that turned out to be damaged, so that it is fetched again.
    pub fn drop_damaged(&self, error: &EngineError) {
        if let EngineError::Blob(BlobError::Damaged { path, .. }) = error
            && path.starts_with(&self.0.dir.0)
        {
            tracing::warn!(path = %path.display(), "a damaged blob is deleted and will be fetched again");
            let _ = std::fs::remove_file(path);
        }
    }

    fn path(&self, hash: &BlobHash) -> PathBuf {
        self.0.dir.0.join(hash.to_string())
    }
}

impl Blobs for LocalBlobs {
    /// May read whole models once: call it from a thread that may block.
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        self.0
            .dir
            .locate(hash)
            .or_else(|_| self.0.known.locate(hash))
            .or_else(|_| self.own().locate(hash))
    }
}

/// Why a blob can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No oracle has it, or not in this size.
    #[error("{0}")]
    Unavailable(String),
    /// This machine's own trouble.
    #[error(transparent)]
    Here(#[from] anyhow::Error),
}

/// Fetches blobs that aren't here yet, each from the first oracle that has it. `first` is asked first.
pub async fn fetch(
    local: &LocalBlobs,
    oracles: &[OracleClient],
    first: usize,
    wanted: &[BlobRef],
    config: &Config,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), FetchError> {
    let here = {
        let (local, wanted) = (local.clone(), wanted.to_vec());
        tokio::task::spawn_blocking(move || {
            let mut missing: Vec<BlobRef> = Vec::new();
            for blob in wanted {
                match local.locate(&blob.hash) {
                    Ok(path) => touch(&path),
                    Err(_) if missing.iter().any(|known| known.hash == blob.hash) => {}
                    Err(_) => missing.push(blob),
                }
            }
            missing
        })
        .await
        .context("looking for blobs was interrupted")?
    };
    let total = here
        .iter()
        .fold(0_u64, |sum, blob| sum.saturating_add(blob.size));
    if total > 0 {
        check_space(config, total)?;
    }
    let mut before = 0;
    for blob in here {
        let path = local.path(&blob.hash);
        let mut last = String::from("no oracle is configured");
        let mut found = false;
        for i in 0..oracles.len() {
            let oracle = &oracles[(first + i) % oracles.len()];
            match oracle
                .get_blob(&blob.hash.0, &path, blob.size, |part| {
                    progress(before + part.done, total)
                })
                .await
            {
                Ok(size) if size == blob.size => {
                    found = true;
                    break;
                }
                Ok(size) => last = format!("it has {size} bytes, and the spec says {}", blob.size),
                Err(error) => last = error.to_string(),
            }
        }
        if !found {
            return Err(FetchError::Unavailable(format!(
                "blob {} can't be had: {last}",
                blob.hash
            )));
        }
        before += blob.size;
    }
    Ok(())
}

/// A file that was used lately is cleaned away last.
fn touch(path: &Path) {
    // A read-only model folder is no trouble.
    let _ = std::fs::File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()));
}

/// Says whether `bytes` more fit, before anything is fetched.
pub fn check_space(config: &Config, bytes: u64) -> Result<()> {
    let dir = &config.data_dir;
    std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let stat = rustix::fs::statvfs(dir)
        .with_context(|| format!("can't ask how full {} is", dir.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let needed = bytes.saturating_add(config.min_free_disk_bytes);
    if needed > free {
        bail!(
            "{bytes} bytes are needed and {} must stay free, but {} has {free} left",
            config.min_free_disk_bytes,
            dir.display()
        );
    }
    if bytes > config.max_disk_bytes {
        bail!(
            "{bytes} bytes are needed, and max_disk_bytes is {}",
            config.max_disk_bytes
        );
    }
    Ok(())
}

/// A result's blobs: hash and file, the manifest last: who has the manifest can expect the rest.
pub fn result_blobs(outcome: &Outcome) -> Vec<(BlobHash, PathBuf)> {
    let mut blobs: Vec<_> = outcome
        .manifest
        .files
        .iter()
        .zip(outcome.files.iter().skip(1))
        .map(|(file, path)| (file.hash, path.clone()))
        .collect();
    if let Some(manifest) = outcome.files.first() {
        blobs.push((outcome.output_hash, manifest.clone()));
    }
    blobs
}

/// A job's spec and what it names, as far as they were fetched for it: hash and file. Published models are everywhere.
pub async fn input_blobs(
    local: &LocalBlobs,
    config: &Config,
    spec: BlobHash,
) -> Vec<(BlobHash, PathBuf)> {
    let (local, path) = (local.clone(), config.blobs_dir().join(spec.to_string()));
    let look = move || {
        let bytes = crate::config::read_small(&path, MAX_SPEC_BYTES).ok()??;
        let parsed = JobSpec::from_canonical(&bytes).ok()?;
        let mut found: Vec<_> = parsed
            .blobs()
            .iter()
            .filter_map(|blob| Some((blob.hash, local.0.dir.locate(&blob.hash).ok()?)))
            .collect();
        found.push((spec, path));
        Some(found)
    };
    tokio::task::spawn_blocking(look)
        .await
        .ok()
        .flatten()
        .unwrap_or_default()
}

/// Brings all of a result to one oracle.
pub async fn upload(
    oracle: &OracleClient,
    key: &RequestKey,
    blobs: &[(BlobHash, PathBuf)],
) -> Result<(), io_api::client::ClientError> {
    for (hash, path) in blobs {
        oracle
            .put_blob(key, &hash.0, BlobSource::File(path), |_| {})
            .await?;
    }
    Ok(())
}

/// Deletes the blobs used least lately until `dir` holds at most `max` bytes. Returns how many bytes went.
pub fn clean(dir: &Path, max: u64) -> Result<u64> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e).with_context(|| format!("can't read {}", dir.display())),
    };
    for entry in entries.flatten() {
        if let Ok(meta) = entry.metadata()
            && meta.is_file()
        {
            files.push((
                meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                meta.len(),
                entry.path(),
            ));
        }
    }
    files.sort();
    let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
    let mut deleted = 0;
    for (_, size, path) in files {
        if total <= max {
            break;
        }
        std::fs::remove_file(&path).with_context(|| format!("can't delete {}", path.display()))?;
        total -= size;
        deleted += size;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_blobs_used_least_lately_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (name, age) in [("old", 300), ("older", 400), ("new", 10)] {
            let path = folder.path().join(name);
            std::fs::write(&path, [0; 100]).unwrap();
            std::fs::File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(now - Duration::from_secs(age))
                .unwrap();
        }
        assert_eq!(clean(folder.path(), 300).unwrap(), 0);
        touch(&folder.path().join("older"));
        assert_eq!(clean(folder.path(), 250).unwrap(), 100);
        assert!(!folder.path().join("old").exists());
        assert!(folder.path().join("older").exists() && folder.path().join("new").exists());
        assert_eq!(clean(&folder.path().join("none"), 0).unwrap(), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().into(),
            max_disk_bytes: 1_000,
            min_free_disk_bytes: 0,
            ..Config::default()
        };
        check_space(&config, 1_000).unwrap();
        assert!(
            check_space(&config, 1_001)
                .unwrap_err()
                .to_string()
                .contains("max_disk_bytes")
        );
        let config = Config {
            min_free_disk_bytes: u64::MAX,
            ..config
        };
        assert!(
            check_space(&config, 1)
                .unwrap_err()
                .to_string()
                .contains("must stay free")
        );
    }

    #[test]
    fn models_are_found_where_the_configuration_says() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in models::MODEL_FILES.iter().zip([b"a", b"b", b"c"]) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let config = Config {
            model_dirs: vec![folder.path().join("none"), folder.path().into()],
            ..Config::default()
        };
        let local = LocalBlobs::new(&config);
        let path = local.locate(&BlobHash::of(b"c")).unwrap();
        assert_eq!(path, folder.path().join("model.safetensors"));
        assert!(local.locate(&BlobHash::of(b"d")).is_err());
    }
}
