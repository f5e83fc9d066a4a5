//! One worker a data folder, one worker a device.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use crate::limits::{LOCK_AGAIN, LOCK_PATIENCE};

/// Held while its file is open; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a file, or says that `what` is in use. A process that was just killed may hold its locks for another moment,
    /// until its last thread has ended: that is waited for.
    pub async fn take(path: &Path, what: &str) -> Result<Self> {
        Self::take_within(path, what, LOCK_PATIENCE).await
    }

    async fn take_within(path: &Path, what: &str, patience: Duration) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("can't make the folder {}", folder.display()))?;
        }
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .with_context(|| format!("can't open the lock {}", path.display()))?;
        let deadline = Instant::now() + patience;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    if !told {
                        tracing::info!(lock = %path.display(), "{what}; waiting a moment for it to end");
                        told = true;
                    }
                    sleep(LOCK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => bail!("{what} (lock {})", path.display()),
                Err(TryLockError::Error(e)) => {
                    return Err(e).with_context(|| format!("can't lock {}", path.display()));
                }
            }
        }
    }
}

/// Where a device's lock is: the same for every worker of this user on this machine. The operator is part of it: only one
/// key may run a device on one network, and two networks on one machine (tests) don't get in each other's way.
pub fn device_lock_path(device: &str, operator: &str) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let name = blake3::hash(format!("{device} {operator}").as_bytes()).to_hex();
    std::env::temp_dir()
        .join(format!("io-worker-{user}"))
        .join(format!("{}.lock", &name[..32]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USED: &str = "another worker uses this folder";

    #[tokio::test]
    async fn a_folder_is_for_one_worker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        let first = Lock::take(&path, USED).await.unwrap();
        let error = Lock::take_within(&path, USED, Duration::from_millis(50))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("another worker"), "{error}");
        drop(first);
        Lock::take_within(&path, USED, Duration::ZERO)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_lock_that_is_let_go_in_time_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, USED).await.unwrap();
        let release = async move {
            sleep(LOCK_AGAIN * 3).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(Lock::take(&path, USED), release);
        second.unwrap();
    }

    #[test]
    fn devices_and_operators_have_locks_of_their_own() {
        assert_ne!(device_lock_path("a", "x"), device_lock_path("b", "x"));
        assert_ne!(device_lock_path("a", "x"), device_lock_path("a", "y"));
        assert_eq!(device_lock_path("a", "x"), device_lock_path("a", "x"));
    }
}
