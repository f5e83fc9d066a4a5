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

/// `no_rounds`: stays linked and says nothing when an oracle asks for a hardware proof.
pub(crate) fn no_rounds() -> bool {
    #[cfg(feature = "faults")]
    return is("no_rounds");
    #[cfg(not(feature = "faults"))]
    false
}

/// `slower`: passes take 1.6 times as long as when the device measured itself.
#[cfg(feature = "faults")]
pub(crate) fn hold_up(started: std::time::Instant, measured: std::time::Duration) {
    if is("slower") {
        std::thread::sleep((measured * 8 / 5).saturating_sub(started.elapsed()));
    }
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

/// Where `wrong_cell` is wrong: a row of the last pass, and a column.
#[cfg(feature = "faults")]
const WRONG: (u32, usize) = (123, 77);

/// `wrong_rows`: commits to zeroes everywhere, as who computes nothing.
#[cfg(feature = "faults")]
fn zeroes(proof: &io_prover::Proof) -> io_prover::Proof {
    use io_proof::hardware::{RowTree, tree::row_root};
    let mut committed = proof.committed.clone();
    let n = committed.n as usize;
    let tree = RowTree::new(vec![row_root(&vec![0; n]); n]);
    let passes = committed.roots.len();
    for pass in 0..passes {
        // What a pass is of follows from the root of the one before.
        let a_seed = committed.a_seed(pass as u32);
        committed.roots[pass] = tree.root(&a_seed, &committed.b_seed());
    }
    io_prover::Proof::new(committed, vec![tree; passes])
}

/// `wrong_cell`: commits to one cell that is one too large.
#[cfg(feature = "faults")]
pub(crate) fn with_a_wrong_cell(
    proof: io_prover::Proof,
    cpu: &io_prover::cpu::Cpu,
) -> io_prover::Proof {
    use io_proof::hardware::{RowTree, tree::row_root};
    if is("wrong_rows") {
        return zeroes(&proof);
    }
    if !is("wrong_cell") {
        return proof;
    }
    let last = proof.committed.roots.len() as u32 - 1;
    let mut opened = proof.open_rows(cpu, &[(last, WRONG.0)]);
    opened[0].cells[WRONG.1] += 1;
    let (mut committed, mut trees) = (proof.committed.clone(), proof.trees().to_vec());
    let mut roots = trees[last as usize].row_roots().to_vec();
    roots[WRONG.0 as usize] = row_root(&opened[0].cells);
    let tree = RowTree::new(roots);
    committed.roots[last as usize] = tree.root(&committed.a_seed(last), &committed.b_seed());
    trees[last as usize] = tree;
    io_prover::Proof::new(committed, trees)
}

/// And opens it as it was committed.
#[cfg(feature = "faults")]
pub(crate) fn open_the_wrong_cell(
    opened: &mut [io_proof::hardware::OpenedRow],
    proof: &io_prover::Proof,
) {
    let last = proof.committed.roots.len() as u32 - 1;
    for row in opened {
        if is("wrong_rows") {
            row.cells.fill(0);
        }
        if is("wrong_cell") && (row.pass, row.row) == (last, WRONG.0) {
            row.cells[WRONG.1] += 1;
        }
    }
}
