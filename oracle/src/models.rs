//! Models on this machine: the published ones in the cache, and folders of one's own.

use std::path::PathBuf;

use anyhow::{Context, Result};
use io_engines::{BlobError, BlobFiles, BlobHash, Blobs, models};

/// Where engines find models without fetching them.
pub struct Models {
    known: models::KnownModels,
    own: Vec<BlobFiles>,
}

impl Models {
    pub fn new(folders: &[PathBuf]) -> Result<Self> {
        let own = folders
            .iter()
            .map(|folder| {
                models::from_dir(folder)
                    .map(|(_, files)| files)
                    .with_context(|| format!("`model_dirs`: {}", folder.display()))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            known: models::KnownModels::new(),
            own,
        })
    }
}

impl Blobs for Models {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        self.own
            .iter()
            .map(|files| files.locate(hash))
            .find(Result::is_ok)
            .unwrap_or_else(|| self.known.locate(hash))
    }
}
