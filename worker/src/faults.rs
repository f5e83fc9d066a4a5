//! Misbehaviour on demand, for the end-to-end tests. Only in builds with the feature `faults`, which nobody ships: what
//! the environment variable `IO_WORKER_FAULT` names, the worker does wrong.

#[cfg(feature = "faults")]
fn is(fault: &str) -> bool {
    std::env::var("IO_WORKER_FAULT").is_ok_and(|set| set == fault)
}

/// `crash_after=<step>`: dies as `kill -9` would, after the step took effect and before the journal says so.
pub(crate) fn crash_after(step: &str) {
    #[cfg(feature = "faults")]
    if is(&format!("crash_after={step}")) {
        std::process::abort();
    }
    #[cfg(not(feature = "faults"))]
    let _ = step;
}

/// `no_progress`: never runs what it accepted.
pub(crate) fn no_progress() -> bool {
    #[cfg(feature = "faults")]
    return is("no_progress");
    #[cfg(not(feature = "faults"))]
    false
}

/// `wrong_embedding`: what to run instead, of the same form and with other numbers.
#[cfg(feature = "faults")]
pub(crate) fn run_instead(spec: &io_engines::JobSpec) -> io_engines::JobSpec {
    let mut spec = spec.clone();
    if let io_engines::EngineSpec::Embed(embed) = &mut spec.engine
        && is("wrong_embedding")
    {
        embed.pooling = match embed.pooling {
            io_engines::Pooling::Mean => io_engines::Pooling::Cls,
            io_engines::Pooling::Cls => io_engines::Pooling::Mean,
        };
    }
    spec
}

/// Changes a finished result so that everything about it fits together but the work.
#[cfg(feature = "faults")]
pub(crate) fn tamper(
    outcome: &mut io_engines::Outcome,
    spec: &io_engines::JobSpec,
) -> std::io::Result<()> {
    let manifest = &mut outcome.manifest;
    manifest.spec = spec.hash();
    if is("other_job_result") {
        manifest.spec = io_engines::BlobHash::of(b"another job");
    }
    if is("truncated_result")
        && let (Some(file), Some(path)) = (manifest.files.first_mut(), outcome.files.get(1))
    {
        std::fs::File::options()
            .write(true)
            .open(path)?
            .set_len(file.size / 2)?;
        (file.hash, file.size) = io_engines::BlobHash::of_file(path)?;
    }
    std::fs::write(&outcome.files[0], manifest.canonical())?;
    outcome.output_hash = manifest.hash();
    Ok(())
}
