//! Blobs: bytes addressed by their BLAKE3 hash. Nothing is read here without checking its hash.

use crate::error::BlobError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A BLAKE3 hash; 64 lower-case hexadecimal digits as text and in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash and the size of a file's bytes.
    pub fn of_file(path: &Path) -> std::io::Result<(Self, u64)> {
        let mut hasher = blake3::Hasher::new();
        let mut file = File::open(path)?;
        let mut buffer = vec![0; 256 * 1024];
        let mut size = 0;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok((Self(*hasher.finalize().as_bytes()), size)),
                n => {
                    hasher.update(&buffer[..n]);
                    size += n as u64;
                }
            }
        }
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHash({self})")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a blob's hash is 64 lower-case hexadecimal digits, not {0:?}")]
pub struct BadHash(String);

impl FromStr for BlobHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let bad = || BadHash(text.chars().take(80).collect());
        // One spelling only: upper case would give one blob two names.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(bad());
        }
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| bad())?;
        Ok(Self(hash))
    }
}

impl Serialize for BlobHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BlobHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A blob as a spec names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    pub hash: BlobHash,
    /// Bytes.
    pub size: u64,
}

impl BlobRef {
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            hash: BlobHash::of(bytes),
            size: bytes.len() as u64,
        }
    }

    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        BlobHash::of_file(path).map(|(hash, size)| Self { hash, size })
    }
}

/// Where an engine finds blobs: a worker's cache, an oracle's store, a folder.
pub trait Blobs: Sync {
    /// A local file that should hold the blob. Callers hash what they read, so a source needn't.
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError>;
}

/// A folder with one file a blob, named by the hash.
pub struct BlobDir(pub PathBuf);

impl Blobs for BlobDir {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        let path = self.0.join(hash.to_string());
        if path.is_file() {
            Ok(path)
        } else {
            Err(BlobError::Missing(*hash))
        }
    }
}

/// Known files by hash, whatever their names: a renter's own input and model before anything is uploaded.
#[derive(Default)]
pub struct BlobFiles(std::collections::HashMap<BlobHash, PathBuf>);

impl BlobFiles {
    pub fn insert(&mut self, hash: BlobHash, path: PathBuf) {
        self.0.insert(hash, path);
    }
}

impl Blobs for BlobFiles {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        self.0.get(hash).cloned().ok_or(BlobError::Missing(*hash))
    }
}

/// The first source that has the blob.
pub struct FirstOf<'a>(pub &'a [&'a dyn Blobs]);

impl Blobs for FirstOf<'_> {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        self.0
            .iter()
            .find_map(|source| match source.locate(hash) {
                Err(BlobError::Missing(_)) => None,
                found => Some(found),
            })
            .unwrap_or(Err(BlobError::Missing(*hash)))
    }
}

/// Reads a whole blob of at most `limit` bytes and checks its hash.
pub fn read_hash(blobs: &dyn Blobs, hash: &BlobHash, limit: u64) -> Result<Vec<u8>, BlobError> {
    let path = blobs.locate(hash)?;
    let unreadable = |source| BlobError::Unreadable {
        hash: *hash,
        path: path.clone(),
        source,
    };
    let file = File::open(&path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let too_big = |found| BlobError::TooBig {
        hash: *hash,
        limit,
        found,
    };
    if size > limit {
        return Err(too_big(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // The file may grow while it is read; the limit holds all the same.
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(too_big(bytes.len() as u64));
    }
    let found = BlobHash::of(&bytes);
    if found != *hash {
        return Err(BlobError::Damaged {
            expected: *hash,
            found,
            path,
        });
    }
    Ok(bytes)
}

/// Reads a blob as a spec names it: at most `limit` bytes, hash and size checked.
pub fn read(blobs: &dyn Blobs, blob: &BlobRef, limit: u64) -> Result<Vec<u8>, BlobError> {
    let bytes = read_hash(blobs, &blob.hash, limit)?;
    if bytes.len() as u64 != blob.size {
        return Err(BlobError::WrongSize {
            hash: blob.hash,
            expected: blob.size,
            found: bytes.len() as u64,
        });
    }
    Ok(bytes)
}
