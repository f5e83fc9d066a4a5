//! Jobs that are answered wrong on purpose, to see which oracles notice (`io audit canary`), at the operator's expense: those whose secret lies in the operator's
//! folder. A secret commits to one job's address, before the job is there: nobody else's job is ever one.

use std::path::{Path, PathBuf};

use io_client::{Pubkey, pda};
use io_engines::BlobHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DOMAIN: [u8; 16] = *b"io/canary/1.....";
/// Largest secret, bytes.
const MAX_SECRET: u64 = 4 * 1024;

/// What is committed to, and the salt that keeps it unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    pub spec: BlobHash,
    /// Hash of the right result's manifest.
    pub right: BlobHash,
    pub salt: BlobHash,
}

impl Secret {
    /// The nonce of its job: the head of `SHA-256(domain ‖ spec ‖ right ‖ salt)`.
    pub fn nonce(&self) -> u64 {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(self.spec.0)
            .chain_update(self.right.0)
            .chain_update(self.salt.0)
            .finalize()
            .into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The job's address, when this renter submits it.
    pub fn job(&self, renter: &Pubkey) -> Pubkey {
        pda::job(renter, self.nonce())
    }
}

/// The file that waits for the job's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    pub renter: String,
    pub secret: Secret,
}

impl Committed {
    /// The job's address; `None` when the renter's is none.
    pub fn job(&self) -> Option<Pubkey> {
        let renter: Pubkey = self.renter.parse().ok()?;
        Some(self.secret.job(&renter))
    }
}

/// Where a job's secret lies.
pub fn secret_file(folder: &Path, job: &Pubkey) -> PathBuf {
    folder.join(format!("{job}.json"))
}

/// Whether the folder has the secret of this job of this spec. What cannot be read is none.
pub fn is_one(folder: &Path, job: &Pubkey, spec: &BlobHash) -> bool {
    let path = secret_file(folder, job);
    let content = match read(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a canary's secret can't be read: answering as to any other job");
            return false;
        }
    };
    serde_json::from_slice::<Committed>(&content)
        .is_ok_and(|committed| committed.job() == Some(*job) && committed.secret.spec == *spec)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = std::fs::symlink_metadata(path)?;
    if !file.is_file() || file.len() > MAX_SECRET {
        return Err(std::io::Error::other("no file of a secret's size"));
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_job_that_a_secret_commits_to_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let [renter, stranger] = [7, 8].map(|n| Pubkey::new_from_array([n; 32]));
        let secret = Secret {
            spec: BlobHash([1; 32]),
            right: BlobHash([2; 32]),
            salt: BlobHash([3; 32]),
        };
        let (spec, job) = (secret.spec, secret.job(&renter));
        assert!(!is_one(folder.path(), &job, &spec));
        let put = |job: &Pubkey, content: &[u8]| {
            std::fs::write(secret_file(folder.path(), job), content).unwrap();
        };
        let committed = Committed {
            renter: renter.to_string(),
            secret: secret.clone(),
        };
        let text = serde_json::to_vec(&committed).unwrap();
        put(&job, &text);
        assert!(is_one(folder.path(), &job, &spec));
        assert!(!is_one(folder.path(), &job, &BlobHash([9; 32])), "its spec");
        assert!(!is_one(&folder.path().join("missing"), &job, &spec));
        // A file that is called like somebody else's job does not make it one, whatever is in it.
        let other = secret.job(&stranger);
        let foreign = [
            text.clone(),
            serde_json::to_vec(&Committed {
                secret: Secret {
                    salt: BlobHash([4; 32]),
                    ..secret.clone()
                },
                renter: stranger.to_string(),
            })
            .unwrap(),
            format!("{{\"job\":\"{other}\",\"secret\":{{}}}}").into_bytes(),
            b"not a secret".to_vec(),
            vec![b' '; 5_000],
        ];
        for content in foreign {
            put(&other, &content);
            assert!(!is_one(folder.path(), &other, &spec));
        }
    }
}
