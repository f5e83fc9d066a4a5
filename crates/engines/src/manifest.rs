//! A result's manifest: the JSON that names a result's files. Its canonical bytes (as in [`crate::spec`]) are
//! a blob, and that blob's hash is the `output hash` on chain.

use crate::blob::{self, BlobHash, Blobs};
use crate::limits::{MAX_MANIFEST_BYTES, MAX_OUTPUT_FILES};
use serde::{Deserialize, Serialize};

/// The file name under which [`crate::Engine::run`] leaves the manifest beside the files it lists.
pub const MANIFEST_FILE: &str = "manifest.json";

pub const MANIFEST_VERSION: u32 = 1;

/// Kinds of failure that depend on the machine: its speed, and what its compiler makes of the stack.
pub(crate) const STACK_OVERFLOW: &str = "stack_overflow";
pub(crate) const TIME_LIMIT: &str = "time_limit";
const OF_A_MACHINE: [&str; 2] = [TIME_LIMIT, STACK_OVERFLOW];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub version: u32,
    /// The spec this is the result of: a result can't stand for another job.
    pub spec: BlobHash,
    pub status: Status,
    /// Work done, in the engine's unit; the `units` on chain.
    pub units: u64,
    /// Leaves of the trace.
    pub steps: u64,
    /// What the run left, in the engine's fixed order.
    pub files: Vec<OutputFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Status {
    /// The work is done.
    Ok,
    /// The renter's module failed in the same way on every machine. The work up to there is paid.
    Failed(Failure),
}

/// Why and where a renter's module failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// A stable name: `out_of_fuel`, `unreachable`, `memory_out_of_bounds`…
    pub kind: String,
    /// In words.
    pub message: String,
    /// Fuel used when it failed.
    pub fuel: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputFile {
    /// A plain file name: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    pub hash: BlobHash,
}

impl Manifest {
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest has only strings, integers and structs")
    }

    /// The hash on chain.
    pub fn hash(&self) -> BlobHash {
        BlobHash::of(&self.canonical())
    }

    /// Reads what [`canonical`](Self::canonical) writes, and nothing else. The error is a sentence.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(format!(
                "it has {} bytes, and {MAX_MANIFEST_BYTES} are the most",
                bytes.len()
            ));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if manifest.canonical() != bytes {
            return Err("its bytes aren't in canonical form".into());
        }
        if manifest.version != MANIFEST_VERSION {
            return Err(format!(
                "version {} is unknown here; this build reads version {MANIFEST_VERSION}",
                manifest.version
            ));
        }
        if manifest.files.len() > MAX_OUTPUT_FILES {
            return Err(format!(
                "it lists {} files, and {MAX_OUTPUT_FILES} are the most",
                manifest.files.len()
            ));
        }
        for (i, file) in manifest.files.iter().enumerate() {
            if !is_plain_name(&file.name) {
                return Err(format!("{:?} isn't a plain file name", file.name));
            }
            if manifest.files[..i].iter().any(|f| f.name == file.name) {
                return Err(format!("it lists {:?} twice", file.name));
            }
        }
        Ok(manifest)
    }

    /// Fetches and reads the manifest that an output hash names.
    pub fn load(blobs: &dyn Blobs, output_hash: &BlobHash) -> Result<Self, ManifestError> {
        let bytes = blob::read_hash(blobs, output_hash, MAX_MANIFEST_BYTES)?;
        Self::from_canonical(&bytes).map_err(ManifestError::Malformed)
    }

    /// The failure that one machine meets and another doesn't, if this is its result: neither is wrong about it.
    pub fn failure_of_a_machine(&self) -> Option<&str> {
        match &self.status {
            Status::Failed(failure) if OF_A_MACHINE.contains(&failure.kind.as_str()) => {
                Some(&failure.kind)
            }
            _ => None,
        }
    }

    pub fn file(&self, name: &str) -> Option<&OutputFile> {
        self.files.iter().find(|f| f.name == name)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error(transparent)]
    Blob(#[from] crate::error::BlobError),
    #[error("the result's manifest is malformed: {0}")]
    Malformed(String),
}

/// Names that are safe to create inside any folder.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('.')
        && name != MANIFEST_FILE
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
