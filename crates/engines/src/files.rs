//! Writing a result's folder.

use crate::engine::Outcome;
use crate::error::EngineError;
use crate::manifest::{MANIFEST_FILE, Manifest};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(crate) fn io_error(
    what: &'static str,
    path: &Path,
) -> impl FnOnce(std::io::Error) -> EngineError {
    move |source| EngineError::Io {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Makes the folder and removes the manifest of an earlier run: a folder with a manifest is a finished one.
pub(crate) fn prepare(out_dir: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(out_dir).map_err(io_error("can't make the result's folder", out_dir))?;
    let manifest = out_dir.join(MANIFEST_FILE);
    match fs::remove_file(&manifest) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(io_error("can't remove an earlier manifest", &manifest)(e))
        }
        _ => Ok(()),
    }
}

/// Writes the manifest, last of all, and puts the outcome together.
pub(crate) fn finish(
    out_dir: &Path,
    manifest: Manifest,
    trace_root: [u8; 32],
) -> Result<Outcome, EngineError> {
    let path = out_dir.join(MANIFEST_FILE);
    let unfinished = out_dir.join("manifest.json.part");
    fs::write(&unfinished, manifest.canonical())
        .map_err(io_error("can't write the manifest", &unfinished))?;
    fs::rename(&unfinished, &path).map_err(io_error("can't write the manifest", &path))?;
    let files: Vec<PathBuf> = std::iter::once(path)
        .chain(manifest.files.iter().map(|file| out_dir.join(&file.name)))
        .collect();
    Ok(Outcome {
        output_hash: manifest.hash(),
        trace_root,
        units: manifest.units,
        manifest,
        files,
    })
}
