//! One worker a data folder, one worker a device.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Held while its file is open; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks a file, or says that `what` is in use.
    pub fn take(path: &Path, what: &str) -> Result<Self> {
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
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!("{what} (lock {})", path.display()),
            Err(TryLockError::Error(e)) => {
                Err(e).with_context(|| format!("can't lock {}", path.display()))
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

    #[test]
    fn a_folder_is_for_one_worker_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/lock");
        let first = Lock::take(&path, "another worker uses this folder").unwrap();
        let error = Lock::take(&path, "another worker uses this folder")
            .unwrap_err()
            .to_string();
        assert!(error.contains("another worker"), "{error}");
        drop(first);
        Lock::take(&path, "another worker uses this folder").unwrap();
    }

    #[test]
    fn devices_and_operators_have_locks_of_their_own() {
        assert_ne!(device_lock_path("a", "x"), device_lock_path("b", "x"));
        assert_ne!(device_lock_path("a", "x"), device_lock_path("a", "y"));
        assert_eq!(device_lock_path("a", "x"), device_lock_path("a", "x"));
    }
}
