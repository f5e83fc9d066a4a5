//! What every engine does, and what it is given and gives back.

use crate::blob::{BlobHash, Blobs};
use crate::embed::fingerprint::Difference;
use crate::error::EngineError;
use crate::manifest::Manifest;
use crate::spec::JobSpec;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a result is verified; shown to the renter with its price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerificationClass {
    /// Bit for bit, by running it again.
    Exact,
    /// Sampled steps run again, compared within a tolerance.
    Tolerant,
}

/// An engine. Its calls block and use the CPU for long: give them a thread of their own
/// (`tokio::task::spawn_blocking`). They are safe to call from several threads at once.
pub trait Engine: Send + Sync {
    /// As in a spec: "embed", "wasm".
    fn name(&self) -> &'static str;

    fn class(&self) -> VerificationClass;

    /// Checks the spec and everything it names without doing the work, and counts what the work is. Fails
    /// with what is wrong (in the input: at which line) for a job that can't be run. Renters quote with it,
    /// workers call it before they accept.
    fn quote(&self, spec: &JobSpec, blobs: &dyn Blobs) -> Result<Quote, EngineError>;

    /// Does the work. Leaves the result's files and [`MANIFEST_FILE`](crate::MANIFEST_FILE) in `out_dir`,
    /// which is made if it isn't there; files of the same names are replaced, so a run can be repeated after
    /// a crash. When it fails, `out_dir` holds no manifest.
    fn run(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        out_dir: &Path,
        control: &Control<'_>,
    ) -> Result<Outcome, EngineError>;

    /// Judges a result that somebody else claims. `blobs` has the job's blobs and the result's.
    fn verify(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Verdict;
}

/// What a job's work comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Units in the engine's unit: passages, or 10⁶ fuel. Prices are per 1,000 units.
    pub units: u64,
    /// Whether `units` is what the job will come to, or the most it can.
    pub exact: bool,
}

/// How far a run is, in the engine's steps: passages, or thousandths as the module reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    pub total: u64,
}

/// Ends a run from another thread. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs that hold this token end with [`EngineError::Cancelled`], within a second.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn check(&self) -> Result<(), EngineError> {
        if self.is_cancelled() {
            Err(EngineError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// What a run needs besides the job itself.
pub struct Control<'a> {
    /// The job's id: its account's address. The trace is bound to it.
    pub job: [u8; 32],
    /// Called now and then, from the run's own threads; must return at once.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    pub cancel: CancelToken,
    /// Threads to use; 0 means as many as the machine has.
    pub threads: usize,
    /// Answers wrong on purpose, in a form that nothing but running it again tells from a right answer: for jobs that keep oracles honest.
    /// Only exact engines can.
    pub canary: bool,
}

impl Control<'static> {
    /// No progress, no way to cancel, all the machine's threads, the right answer.
    pub fn new(job: [u8; 32]) -> Self {
        Self {
            job,
            progress: &|_| {},
            cancel: CancelToken::new(),
            threads: 0,
            canary: false,
        }
    }
}

/// What a run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub manifest: Manifest,
    /// The hash of the manifest's bytes: the `output hash` on chain.
    pub output_hash: BlobHash,
    /// The trace's root over `manifest.steps` steps, bound to the job.
    pub trace_root: [u8; 32],
    /// `manifest.units`, for convenience.
    pub units: u64,
    /// The manifest first, then its files in order: every blob to upload.
    pub files: Vec<PathBuf>,
}

/// What a worker committed to on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub output_hash: BlobHash,
    pub trace_root: [u8; 32],
    pub units: u64,
}

/// Which steps to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampling {
    /// From [`io_proof::sample_seed`]: unforeseeable when the claim was committed.
    pub seed: [u8; 32],
    /// Steps to run again, at most; [`DEFAULT_SAMPLE`](crate::embed::DEFAULT_SAMPLE) is a good number. An
    /// exact engine runs everything again, whatever this says.
    pub count: u32,
    /// Steps to run again besides: others found them wrong.
    pub also: Vec<u64>,
    /// Whether to run anything again. Without it the result's form is checked and nothing else: its manifest, files, units and
    /// trace.
    pub audit: bool,
}

/// An oracle's judgement of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Accept(Checked),
    Reject(Rejection),
    /// This machine can't tell now: a blob isn't here, it ran out of something, it was cancelled.
    Inconclusive {
        reason: String,
    },
}

/// What an accepting verdict rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The units that are right for this job; equal to the claim's.
    pub units: u64,
    /// Steps of the trace, and those of them run again.
    pub steps: u64,
    pub checked: u64,
    /// The smallest cosine and the largest difference of fingerprints between a claimed and a recomputed embedding.
    pub worst: Option<(f64, Difference)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub reason: RejectReason,
    /// In words, with what was expected and what came.
    pub detail: String,
    /// Steps that are wrong, as far as it hangs on some: the first of an exact run, all sampled ones of a tolerant one (at most
    /// [`MAX_WRONG_STEPS`](crate::limits::MAX_WRONG_STEPS)).
    pub steps: Vec<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// The manifest, or a file it names, isn't in the form that it must have.
    Malformed,
    /// The result of another spec.
    OtherJob,
    /// Not the units this job comes to.
    Units,
    /// The committed trace isn't over these outputs and this job.
    Trace,
    /// A passage left out, added or reordered.
    Count,
    /// A number that no embedding holds: not finite, or not of unit length.
    Value,
    /// A step run again gives something else, beyond the tolerance.
    Mismatch,
    /// The bytes, the status or the fuel of an exact run differ.
    Differs,
    /// An exact run ends here as it need not end on another machine, and did not there.
    OfThisMachine,
}

impl RejectReason {
    /// Whether it rests on no tolerance. The one that does (floating point on unlike hardware) escalates to more oracles before anyone is
    /// slashed.
    pub fn is_objective(self) -> bool {
        self != Self::Mismatch
    }
}

impl Verdict {
    pub(crate) fn reject(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self::Reject(Rejection {
            reason,
            detail: detail.into(),
            steps: Vec::new(),
        })
    }

    pub fn is_accept(&self) -> bool {
        matches!(self, Self::Accept(_))
    }
}
