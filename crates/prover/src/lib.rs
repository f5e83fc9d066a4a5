//! Hardware proofs, quickly. Every backend yields the bits of `io_proof::hardware::reference`.
//!
//! * [`cpu`]: portable, AVX2, AVX-512 and AVX-512-VNNI kernels, chosen by what the processor has, on any number of threads.
//! * [`cuda`]: NVIDIA GPUs; kernels are compiled on the machine. Without a driver it says so, and the CPU is used.
//! * [`memory`]: the walk through host memory.

pub mod cpu;
pub mod cuda;
pub mod memory;

use std::sync::atomic::{AtomicBool, Ordering};

use io_proof::{
    hardware::{
        Committed, Hash, OpenedRow, RowTree, Shape, Software, a_seed, b_seed,
        cell::{CellError, Sha256},
        check::ColumnSums,
        drawn_rows,
        tree::row_root,
    },
    sample_steps,
};

/// Rows that are computed a second time before a round is committed to ([`prove_checked`]).
pub const SELF_CHECK_ROWS: u32 = 8;
/// They are of a pass in so large a part of all, percent: the second computation is over before the last pass.
const SELF_CHECK_PERCENT: u32 = 75;

#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error(transparent)]
    Shape(#[from] CellError),
    #[error("the proof was cancelled")]
    Cancelled,
    #[error("{0}")]
    Unavailable(String),
    #[error("the GPU failed: {0}")]
    Gpu(String),
    #[error(
        "the self-check failed: row {row} of pass {pass} is another one when the host computes it. The device or its kernels are \
         faulty: nothing was committed to, and a proof with this row would cost the device's bond"
    )]
    Faulty { pass: u32, row: u32 },
}

/// What computes passes.
pub trait Backend: Send + Sync {
    /// For logs and the benchmark page.
    fn name(&self) -> String;

    /// Expands B and keeps it as this backend wants it.
    fn load(&self, b_seed: &Hash, n: u32) -> Result<Box<dyn Loaded + '_>, ProveError>;
}

/// A backend with B in place.
pub trait Loaded {
    /// The roots of all rows of A·B, in order.
    fn row_roots(&mut self, a_seed: &Hash, stop: &AtomicBool) -> Result<Vec<Hash>, ProveError>;
}

/// A finished round of one device: what it commits to, and what it needs to open rows.
pub struct Proof {
    pub committed: Committed,
    trees: Vec<RowTree>,
}

/// Computes all passes of a round. `stop` ends it early.
pub fn prove(
    backend: &dyn Backend,
    round_seed: &Hash,
    device: &Hash,
    shape: Shape,
    stop: &AtomicBool,
) -> Result<Proof, ProveError> {
    compute(backend, round_seed, device, shape, stop, |_, _| {})
}

/// As [`prove`], for whoever is about to sign the commitment: [`SELF_CHECK_ROWS`] rows of one pass are computed a second time, by the
/// host from the seeds alone and with other arithmetic than the kernels', and must have the roots that the backend found. A backend that
/// is wrong in a part f of its rows passes with a chance of (1 − f)⁸; a single flipped bit is not looked for.
///
/// The host works beside the passes. What it costs it: B expanded once more (n² bytes of SHA-256), and 8 · n² multiplications, whatever
/// the number of passes.
pub fn prove_checked(
    backend: &dyn Backend,
    host: &cpu::Cpu,
    round_seed: &Hash,
    device: &Hash,
    shape: Shape,
    stop: &AtomicBool,
) -> Result<Proof, ProveError> {
    shape.check()?;
    let (pass, rows) = self_checked(round_seed, device, shape);
    std::thread::scope(|scope| {
        let mut again = None;
        let proof = compute(backend, round_seed, device, shape, stop, |at, a_seed| {
            if at == pass {
                let lines: Vec<_> = rows.iter().map(|row| (*a_seed, *row)).collect();
                let b_seed = b_seed(round_seed, shape.n);
                again = Some(scope.spawn(move || host.rows(&b_seed, shape.n, &lines)));
            }
        })?;
        // A host that couldn't do it has confirmed nothing.
        let cells = again
            .and_then(|again| again.join().ok())
            .unwrap_or_default();
        let found = proof.trees[pass as usize].row_roots();
        for (at, row) in rows.iter().enumerate() {
            let right = cells
                .get(at)
                .filter(|cells| cells.len() == shape.n as usize);
            if right.map(|cells| row_root(cells)) != found.get(*row as usize).copied() {
                return Err(ProveError::Faulty { pass, row: *row });
            }
        }
        Ok(proof)
    })
}

/// The pass, and its rows, that are computed again. Other ones in each round.
fn self_checked(round_seed: &Hash, device: &Hash, shape: Shape) -> (u32, Vec<u32>) {
    let seed = Software::hash(&[b"io-prover/self-check", round_seed, device]);
    let passes = (shape.passes * SELF_CHECK_PERCENT / 100).max(1);
    let pass = u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]) % passes;
    let rows = sample_steps(&seed, shape.n.into(), SELF_CHECK_ROWS);
    (pass, rows.into_iter().map(|row| row as u32).collect())
}

/// Computes all passes, and says of each when it begins.
fn compute(
    backend: &dyn Backend,
    round_seed: &Hash,
    device: &Hash,
    shape: Shape,
    stop: &AtomicBool,
    mut begins: impl FnMut(u32, &Hash),
) -> Result<Proof, ProveError> {
    shape.check()?;
    let b_seed = b_seed(round_seed, shape.n);
    let mut loaded = backend.load(&b_seed, shape.n)?;
    let mut committed = Committed {
        round_seed: *round_seed,
        device: *device,
        n: shape.n,
        roots: Vec::new(),
    };
    let mut trees = Vec::new();
    for pass in 0..shape.passes {
        let before = committed.roots.last().copied().unwrap_or([0; 32]);
        let a_seed = a_seed(round_seed, device, shape.n, pass, &before);
        begins(pass, &a_seed);
        let tree = RowTree::new(loaded.row_roots(&a_seed, stop)?);
        committed.roots.push(tree.root(&a_seed, &b_seed));
        trees.push(tree);
        if stop.load(Ordering::Relaxed) {
            return Err(ProveError::Cancelled);
        }
    }
    Ok(Proof { committed, trees })
}

impl Proof {
    /// From what was committed and the trees of its passes, in order.
    pub fn new(committed: Committed, trees: Vec<RowTree>) -> Self {
        Self { committed, trees }
    }

    /// Opens the drawn rows.
    pub fn open(&self, cpu: &cpu::Cpu, reveal: &Hash, k: u32) -> Vec<OpenedRow> {
        self.open_rows(cpu, &drawn_rows(reveal, &self.committed, k))
    }

    /// Opens rows (pass, row) that there are. They are computed again: nothing but trees is kept between commitment and opening.
    pub fn open_rows(&self, cpu: &cpu::Cpu, rows: &[(u32, u32)]) -> Vec<OpenedRow> {
        let lines: Vec<_> = rows
            .iter()
            .map(|(pass, row)| (self.committed.a_seed(*pass), *row))
            .collect();
        let cells = cpu.rows(&self.committed.b_seed(), self.committed.n, &lines);
        let opened = rows.iter().zip(cells);
        opened
            .map(|(&(pass, row), cells)| OpenedRow {
                pass,
                row,
                cells,
                path: self.trees[pass as usize].row_path(row),
            })
            .collect()
    }

    pub fn trees(&self) -> &[RowTree] {
        &self.trees
    }

    /// The tree of one pass.
    pub fn tree(&self, pass: u32) -> Option<&RowTree> {
        self.trees.get(pass as usize)
    }
}

/// B·r of a round, on `threads` threads: what an oracle computes once for all its workers.
pub fn checker(
    round_seed: &Hash,
    reveal: &Hash,
    n: u32,
    threads: usize,
) -> Result<io_proof::hardware::Checker, CellError> {
    let mut sums = ColumnSums::new(round_seed, reveal, n)?;
    let part = n.div_ceil(threads.clamp(1, 256) as u32);
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..n)
            .step_by(part as usize)
            .map(|from| {
                let mut sums = sums.fork();
                scope.spawn(move || {
                    sums.add(from..(from + part).min(n));
                    sums
                })
            })
            .collect();
        for part in parts {
            if let Ok(part) = part.join() {
                sums.merge(&part);
            }
        }
    });
    sums.finish(*round_seed, *reveal).ok_or(CellError::Size(n))
}

/// The fastest backend of this machine for a host device: its CPU.
pub fn for_host(threads: usize) -> cpu::Cpu {
    cpu::Cpu::new(cpu::Kernel::best(), threads)
}
