//! Answering wrong on purpose, to see which oracles notice: `io audit canary`. Only for specs that the operator names, and at the
//! operator's expense: oracles that notice take the job's penalty.

use std::io;

use io_engines::{BlobHash, Outcome};

/// Changes a finished result so that its form is right: the last bit of its first file, and whatever names it. The trace stays as it
/// was, and its last step is over the right output: who looks for that needs no run to tell.
pub fn spoil(outcome: &mut Outcome) -> io::Result<()> {
    let manifest = &mut outcome.manifest;
    if let (Some(file), Some(path)) = (manifest.files.first_mut(), outcome.files.get(1)) {
        let mut bytes = std::fs::read(path)?;
        match bytes.last_mut() {
            Some(last) => *last ^= 1,
            None => bytes.push(0),
        }
        std::fs::write(path, &bytes)?;
        (file.hash, file.size) = (BlobHash::of(&bytes), bytes.len() as u64);
    }
    if let Some(path) = outcome.files.first() {
        std::fs::write(path, manifest.canonical())?;
    }
    outcome.output_hash = manifest.hash();
    Ok(())
}
