//! What can go wrong before there is a result.

use crate::blob::BlobHash;
use std::path::PathBuf;

/// Whose doing an error is; it decides whether a worker declines a job or tries it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The spec or the input is wrong: it fails on every machine. Decline the job.
    Renter,
    /// This machine (disk, memory, a blob that is missing or damaged here): another attempt or another
    /// machine can succeed.
    Host,
    /// The run was cancelled.
    Cancelled,
}

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the job's spec is wrong: {0}")]
    Spec(String),
    /// `line` counts from 1.
    #[error("the input is wrong at line {line}: {message}")]
    InputLine { line: u64, message: String },
    #[error("the input is wrong: {0}")]
    Input(String),
    #[error("the model is wrong: {0}")]
    Model(String),
    #[error("the module is wrong: {0}")]
    Module(String),
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error("{what}: {path}: {source}", path = path.display())]
    Io {
        what: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// A failure of this machine's own: out of memory, out of threads.
    #[error("this machine failed: {0}")]
    Host(String),
}

impl EngineError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::Spec(_)
            | Self::InputLine { .. }
            | Self::Input(_)
            | Self::Model(_)
            | Self::Module(_) => Fault::Renter,
            Self::Blob(BlobError::WrongSize { .. }) => Fault::Renter,
            Self::Blob(_) | Self::Io { .. } | Self::Host(_) => Fault::Host,
            Self::Cancelled => Fault::Cancelled,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("blob {0} isn't here: fetch it first")]
    Missing(BlobHash),
    #[error("blob {hash} can't be read at {path}: {source}", path = path.display())]
    Unreadable {
        hash: BlobHash,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The bytes hash right, but whoever named the blob gave another size.
    #[error("blob {hash} has {found} bytes, not the {expected} that were declared")]
    WrongSize {
        hash: BlobHash,
        expected: u64,
        found: u64,
    },
    #[error("blob {hash} has {found} bytes, more than the {limit} that are read here")]
    TooBig {
        hash: BlobHash,
        limit: u64,
        found: u64,
    },
    #[error("the bytes at {path} hash to {found}, not to {expected}: delete the file and fetch it again", path = path.display())]
    Damaged {
        expected: BlobHash,
        found: BlobHash,
        path: PathBuf,
    },
}
