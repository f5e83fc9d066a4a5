//! Which jobs are answered wrong on purpose, to see which oracles notice: those whose secret `io audit canary` left in the operator's
//! folder, at the operator's expense. A secret names one job's address, so nobody else's job is ever one.

use std::path::Path;

use io_client::Pubkey;
use serde::Deserialize;

/// Files of the folder that are looked at.
const MAX_FILES: usize = 10_000;
/// Largest secret, bytes.
const MAX_SECRET: u64 = 4 * 1024;

#[derive(Deserialize)]
struct Secret {
    job: String,
}

/// Whether a secret in the folder is of this job. What cannot be read is none.
pub fn is_one(folder: &Path, job: &Pubkey) -> bool {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "can't look for canaries: answering as to any other job");
            return false;
        }
    };
    let job = job.to_string();
    entries.flatten().take(MAX_FILES).any(|entry| {
        let small = entry
            .metadata()
            .is_ok_and(|file| file.is_file() && file.len() <= MAX_SECRET);
        let read = || serde_json::from_slice::<Secret>(&std::fs::read(entry.path()).ok()?).ok();
        small && read().is_some_and(|secret| secret.job == job)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_job_that_a_secret_names_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let [job, other] = [1, 2].map(|n| Pubkey::new_from_array([n; 32]));
        assert!(!is_one(folder.path(), &job));
        let write = |name: &str, content: &str| {
            std::fs::write(folder.path().join(name), content).unwrap();
        };
        write("notes.txt", "not a secret");
        write("broken.json", "{\"job\":");
        write(
            "large.json",
            &format!("{{\"job\":\"{other}\",\"x\":\"{}\"}}", "x".repeat(5_000)),
        );
        assert!(!is_one(folder.path(), &job));
        write(
            "canary.json",
            &format!("{{\"job\":\"{job}\",\"renter\":\"r\",\"secret\":{{}}}}"),
        );
        assert!(is_one(folder.path(), &job));
        assert!(!is_one(folder.path(), &other), "a file that is too large");
        assert!(!is_one(&folder.path().join("missing"), &job));
    }
}
