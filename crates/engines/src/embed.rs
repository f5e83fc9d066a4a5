//! The `embed` engine: sentence embeddings by a BERT-like model, on the CPU with candle.
//!
//! A passage is tokenised and cut to `max_tokens`, goes through the model, and its token vectors are pooled
//! (their mean, or the first one's) and scaled to unit length. One unit is one passage.
//!
//! # Verification
//! Floating point differs a little between machines, so a result is checked in two parts. What is exact is
//! checked for every passage: the files' form, the number of passages, their lines and ids, that each vector is
//! finite and of unit length, and that the committed trace is over just these vectors and this input. What is
//! not is checked for an unforeseeable sample: the passages are embedded again, their token counts must be
//! equal, the cosine at least [`MIN_COSINE`], and the [`fingerprint`]s within their thresholds.
//!
//! # Failures
//! A passage that this model's files give no tokens, or no finite vector or hidden state for has no embedding on any machine. That
//! is a result: the status names the first such passage, it has no files, and all of the job's units are paid, because nothing in
//! the job was the worker's choice. Oracles embed that passage to confirm it.
//!
//! # Trace
//! One step a passage: `"io-embed/2" ‖ BLAKE3 of its text (32 bytes) ‖ tokens as u32 LE ‖ its fingerprint ‖ its vector as f32 LE`. A
//! failure has one step: `"io-embed/1/failed" ‖ the passage's index as u64 LE`.

mod bert;
pub mod fingerprint;
mod input;
mod kernels;
pub mod output;

use crate::blob::{self, BlobHash, BlobRef, Blobs};
use crate::engine::{
    Checked, Claim, Control, Engine, Outcome, Progress, Quote, RejectReason, Rejection, Sampling,
    Verdict, VerificationClass,
};
use crate::error::{BlobError, EngineError};
use crate::files::{self, io_error};
use crate::limits::*;
use crate::manifest::{Failure, MANIFEST_VERSION, Manifest, ManifestError, OutputFile, Status};
use crate::spec::{EmbedSpec, EngineSpec, JobSpec, ModelRef};
use bert::{Bert, Config, Embedded, Sequence};
use fingerprint::{Difference, FINGERPRINT_BYTES, Fingerprint};
pub use input::{Passage, parse};
use io_proof::TraceBuilder;
use output::{EMBEDDINGS_FILE, FINGERPRINTS_FILE, PASSAGES_FILE, PassageLine};
pub use output::{EMBEDDINGS_JSONL_FILE, write_jsonl};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokenizers::{Tokenizer, TruncationParams};

/// The least cosine between a claimed embedding and an oracle's own. Honest machines differ by about 1e-7.
pub const MIN_COSINE: f64 = 1.0 - 1e-4;
/// How far a claimed embedding's length may be from 1.
pub const MAX_NORM_ERROR: f64 = 1e-3;
/// Passages an oracle runs again. It finds a worker that invents a tenth of 1,000 results in 96.7 % of cases,
/// a hundredth in 27.9 % ([`io_proof::detection_probability`]); the stake does the rest.
pub const DEFAULT_SAMPLE: u32 = 32;

/// The kind of a failure that a passage without an embedding makes, and what its message says after the passage's index.
const DEFECTIVE: &str = "passage";
const DEFECTIVE_TEXT: &str = " is the index of a passage that has no embedding with this model: its tokenizer or its numbers fail";

/// Passages that are tokenised, embedded and written together. Bounds what a run holds in memory besides its
/// input: 2,048 × 256 tokens.
const WINDOW: usize = 2_048;
/// Tokens that go through the model at once on one thread.
const PACK_TOKENS: usize = 1_024;

/// Embeds texts. Make one and keep it: it holds on to the model it used last.
#[derive(Default)]
pub struct EmbedEngine {
    loaded: Mutex<Option<(ModelRef, Arc<Model>)>>,
}

impl EmbedEngine {
    pub fn new() -> Self {
        Self::default()
    }

    /// Frees the model.
    pub fn unload(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(ModelRef, Arc<Model>)>> {
        // A panic elsewhere leaves a whole model or none here.
        self.loaded.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The model that a spec names, from memory if it was used last.
    fn model(&self, spec: &EmbedSpec, blobs: &dyn Blobs) -> Result<Arc<Model>, EngineError> {
        let mut loaded = self.lock();
        if let Some((key, model)) = &*loaded
            && *key == spec.model
        {
            return Ok(model.clone());
        }
        // The old one goes first: two at once would double the memory.
        *loaded = None;
        let model = Arc::new(Model::load(&spec.model, blobs)?);
        *loaded = Some((spec.model, model.clone()));
        Ok(model)
    }
}

/// A model with its tokenizer.
struct Model {
    bert: Bert,
    tokenizer: Tokenizer,
}

/// A passage's tokens.
struct Tokens {
    ids: Vec<u32>,
    truncated: bool,
}

impl Model {
    fn load(files: &ModelRef, blobs: &dyn Blobs) -> Result<Self, EngineError> {
        let config = load_config(&files.config, blobs)?;
        let tokenizer = blob::read(blobs, &files.tokenizer, MAX_TOKENIZER_BYTES)?;
        let weights = blob::read(blobs, &files.weights, MAX_WEIGHTS_BYTES)?;
        // The renter's files reach libraries that may panic on what nobody tested them with.
        no_panic("the model's files", || {
            let mut tokenizer = Tokenizer::from_bytes(&tokenizer)
                .map_err(|e| EngineError::Model(format!("tokenizer.json: {e}")))?;
            tokenizer.with_padding(None);
            Ok(Self {
                bert: Bert::load(config, &weights)?,
                tokenizer,
            })
        })
    }

    /// The tokenizer, cutting at a job's `max_tokens`.
    fn tokenizer(&self, spec: &EmbedSpec) -> Result<Tokenizer, EngineError> {
        let positions = self.bert.config().max_position_embeddings;
        if spec.max_tokens as usize > positions {
            return Err(EngineError::Spec(format!(
                "max_tokens is {}, and the model has {positions} positions",
                spec.max_tokens
            )));
        }
        let mut tokenizer = self.tokenizer.clone();
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: spec.max_tokens as usize,
                ..TruncationParams::default()
            }))
            .map_err(|e| EngineError::Model(format!("tokenizer.json: {e}")))?;
        Ok(tokenizer)
    }

    fn tokenise(&self, tokenizer: &Tokenizer, text: &str) -> Result<Tokens, EngineError> {
        let encoding = no_panic("the tokenizer", || {
            tokenizer
                .encode_fast(text, true)
                .map_err(|e| EngineError::Model(format!("tokenizer.json: {e}")))
        })?;
        let ids = encoding.get_ids();
        let vocabulary = self.bert.config().vocab_size;
        if let Some(id) = ids.iter().find(|id| **id as usize >= vocabulary) {
            return Err(EngineError::Model(format!(
                "tokenizer.json gives the token {id}, and config.json has {vocabulary} tokens"
            )));
        }
        let positions = self.bert.config().max_position_embeddings;
        if !(1..=positions).contains(&ids.len()) {
            return Err(EngineError::Model(format!(
                "tokenizer.json gives {} tokens for a passage, and the model has {positions} positions",
                ids.len()
            )));
        }
        Ok(Tokens {
            ids: ids.to_vec(),
            truncated: !encoding.get_overflowing().is_empty(),
        })
    }

    /// Embeds passages on the current thread pool, in order. `probes` has places of each passage's hidden state to look up, or is
    /// empty.
    fn embed(
        &self,
        spec: &EmbedSpec,
        passages: &[Tokens],
        probes: &[Vec<u32>],
        done: &(dyn Fn(usize) -> Result<(), EngineError> + Sync),
    ) -> Result<Embedded, EngineError> {
        let mut packs = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (i, passage) in passages.iter().enumerate() {
            if i > start && tokens + passage.ids.len() > PACK_TOKENS {
                packs.push(start..i);
                (start, tokens) = (i, 0);
            }
            tokens += passage.ids.len();
        }
        if start < passages.len() {
            packs.push(start..passages.len());
        }
        let packs = packs
            .par_iter()
            // One pack at a time to whoever is free: packs are few and long.
            .with_max_len(1)
            .map(|pack| {
                let sequences: Vec<_> = pack
                    .clone()
                    .map(|i| Sequence {
                        ids: &passages[i].ids,
                        probes: probes.get(i).map_or(&[], Vec::as_slice),
                    })
                    .collect();
                let embedded = no_panic("the model", || {
                    self.bert
                        .embed(&sequences, spec.pooling)
                        .map_err(|e| EngineError::Model(e.to_string()))
                })?;
                done(pack.len())?;
                Ok(embedded)
            })
            .collect::<Result<Vec<_>, EngineError>>()?;
        let mut embedded = Embedded::default();
        for pack in packs {
            embedded.append(pack);
        }
        Ok(embedded)
    }
}

impl Model {
    /// Whether a passage has no embedding, on the current thread pool.
    fn is_defective(
        &self,
        spec: &EmbedSpec,
        tokenizer: &Tokenizer,
        passage: &Passage<'_>,
    ) -> Result<bool, EngineError> {
        let embedded = self
            .tokenise(tokenizer, &passage.text)
            .and_then(|tokens| self.embed(spec, &[tokens], &[], &|_| Ok(())));
        match embedded {
            Ok(embedded) => Ok(!embedded.is_whole(self.bert.dimensions())),
            Err(EngineError::Model(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Embedded {
    /// Whether each passage has a vector of length 1 and a finite fingerprint. Either may fail alone: of one pooled from the first
    /// token, other tokens' states are only in the fingerprint.
    fn is_whole(&self, dimensions: usize) -> bool {
        self.vectors
            .chunks_exact(dimensions)
            .all(|row| is_unit(row.iter().copied()))
            && self.fingerprints.iter().all(Fingerprint::is_finite)
    }
}

/// Whether a vector is finite and of length 1.
fn is_unit(vector: impl Iterator<Item = f32>) -> bool {
    let norm = vector.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    // Not so for a NaN.
    (norm - 1.0).abs() <= MAX_NORM_ERROR
}

/// The result of a job whose passage `index` has no embedding.
fn defective(
    spec: &JobSpec,
    job: [u8; 32],
    total: u64,
    index: u64,
) -> Result<(Manifest, [u8; 32]), EngineError> {
    let mut trace = TraceBuilder::new(job);
    let mut step = b"io-embed/1/failed".to_vec();
    step.extend(index.to_le_bytes());
    trace.push(&step).map_err(trace_error)?;
    let trace = trace.finish();
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        spec: spec.hash(),
        status: Status::Failed(Failure {
            kind: DEFECTIVE.into(),
            message: format!("{index}{DEFECTIVE_TEXT}"),
            fuel: 0,
        }),
        units: total,
        steps: trace.n_steps(),
        files: Vec::new(),
    };
    Ok((manifest, trace.root()))
}

/// The passage that a failure is about.
fn defective_index(failure: &Failure) -> Option<u64> {
    failure.message.strip_suffix(DEFECTIVE_TEXT)?.parse().ok()
}

/// Turns a panic of a library on a renter's data into an error.
fn no_panic<T>(
    what: &str,
    work: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(EngineError::Model(format!(
            "{what} can't be used: {message}"
        )))
    })
}

fn load_config(file: &BlobRef, blobs: &dyn Blobs) -> Result<Config, EngineError> {
    Config::from_json(&blob::read(blobs, file, MAX_MODEL_CONFIG_BYTES)?)
}

fn check(spec: &JobSpec) -> Result<&EmbedSpec, EngineError> {
    spec.check()?;
    match &spec.engine {
        EngineSpec::Embed(embed) => Ok(embed),
        other => Err(EngineError::Spec(format!(
            "it is for the engine {}, not for embed",
            other.name()
        ))),
    }
}

fn thread_pool(threads: usize) -> Result<rayon::ThreadPool, EngineError> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(MAX_THREADS))
        .build()
        .map_err(|e| EngineError::Host(format!("can't start {threads} threads: {e}")))
}

/// A step of the trace.
fn step(text: &str, tokens: u32, fingerprint: &[u8], vector: &[u8]) -> Vec<u8> {
    let mut step = b"io-embed/2".to_vec();
    step.extend(BlobHash::of(text.as_bytes()).0);
    step.extend(tokens.to_le_bytes());
    step.extend(fingerprint);
    step.extend(vector);
    step
}

fn trace_error(e: io_proof::ProofError) -> EngineError {
    EngineError::Host(e.to_string())
}

/// A file that is hashed as it is written.
struct HashedFile {
    to: BufWriter<File>,
    hasher: blake3::Hasher,
    size: u64,
}

impl HashedFile {
    fn create(path: &Path) -> Result<Self, EngineError> {
        let file = File::create(path).map_err(io_error("can't write the result", path))?;
        Ok(Self {
            to: BufWriter::new(file),
            hasher: blake3::Hasher::new(),
            size: 0,
        })
    }

    fn finish(mut self, name: &str, path: &Path) -> Result<OutputFile, EngineError> {
        self.to
            .flush()
            .map_err(io_error("can't write the result", path))?;
        Ok(OutputFile {
            name: name.into(),
            size: self.size,
            hash: BlobHash(*self.hasher.finalize().as_bytes()),
        })
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.size += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Engine for EmbedEngine {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn class(&self) -> VerificationClass {
        VerificationClass::Tolerant
    }

    /// Loads the model and counts the passages.
    fn quote(&self, spec: &JobSpec, blobs: &dyn Blobs) -> Result<Quote, EngineError> {
        let embed = check(spec)?;
        let input = blob::read(blobs, &spec.input, MAX_INPUT_BYTES)?;
        let passages = parse(&input, embed.format)?.len() as u64;
        self.model(embed, blobs)?.tokenizer(embed)?;
        Ok(Quote {
            units: passages,
            exact: true,
        })
    }

    fn run(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        out_dir: &Path,
        control: &Control<'_>,
    ) -> Result<Outcome, EngineError> {
        let embed = check(spec)?;
        files::prepare(out_dir)?;
        let input = blob::read(blobs, &spec.input, MAX_INPUT_BYTES)?;
        let passages = parse(&input, embed.format)?;
        control.cancel.check()?;
        let model = self.model(embed, blobs)?;
        let tokenizer = model.tokenizer(embed)?;
        let pool = thread_pool(control.threads)?;

        let total = passages.len() as u64;
        let dimensions = model.bert.dimensions();
        let embeddings_path = out_dir.join(EMBEDDINGS_FILE);
        let passages_path = out_dir.join(PASSAGES_FILE);
        let mut embeddings_file = HashedFile::create(&embeddings_path)?;
        let mut passages_file = HashedFile::create(&passages_path)?;
        let fingerprints_path = out_dir.join(FINGERPRINTS_FILE);
        let mut fingerprints_file = HashedFile::create(&fingerprints_path)?;
        let cant_write = |path| io_error("can't write the result", path);
        embeddings_file
            .write_all(&output::header(total, dimensions as u64))
            .map_err(cant_write(&embeddings_path))?;

        let mut trace = TraceBuilder::new(control.job);
        let done = AtomicU64::new(0);
        for (w, window) in passages.chunks(WINDOW).enumerate() {
            control.cancel.check()?;
            let embedded = pool.install(|| {
                let tokens = window
                    .par_iter()
                    .map(|passage| model.tokenise(&tokenizer, &passage.text))
                    .collect::<Result<Vec<_>, _>>()?;
                let embedded = model.embed(embed, &tokens, &[], &|passages| {
                    let done = done.fetch_add(passages as u64, Ordering::Relaxed);
                    (control.progress)(Progress {
                        done: done + passages as u64,
                        total,
                    });
                    control.cancel.check()
                })?;
                Ok::<_, EngineError>((tokens, embedded))
            });
            let (tokens, embedded) = match embedded {
                Ok((tokens, embedded)) if embedded.is_whole(dimensions) => (tokens, embedded),
                Ok(_) | Err(EngineError::Model(_)) => {
                    let defect = pool.install(|| {
                        window
                            .par_iter()
                            .map(|passage| {
                                control.cancel.check()?;
                                model.is_defective(embed, &tokenizer, passage)
                            })
                            .collect::<Result<Vec<_>, _>>()
                    })?;
                    let first = defect.iter().position(|defect| *defect).ok_or_else(|| {
                        EngineError::Host("passages fail together that don't alone".into())
                    })?;
                    let index = (w * WINDOW + first) as u64;
                    let (manifest, root) = defective(spec, control.job, total, index)?;
                    drop((embeddings_file, passages_file, fingerprints_file));
                    for path in [&embeddings_path, &passages_path, &fingerprints_path] {
                        std::fs::remove_file(path)
                            .map_err(io_error("can't remove the unfinished", path))?;
                    }
                    return files::finish(out_dir, manifest, root);
                }
                Err(error) => return Err(error),
            };
            for (i, (((passage, tokens), row), fingerprint)) in window
                .iter()
                .zip(&tokens)
                .zip(embedded.vectors.chunks_exact(dimensions))
                .zip(&embedded.fingerprints)
                .enumerate()
            {
                let bytes: Vec<u8> = row.iter().flat_map(|x| x.to_le_bytes()).collect();
                let count = tokens.ids.len() as u32;
                let fingerprint = fingerprint.bytes();
                trace
                    .push(&step(&passage.text, count, &fingerprint, &bytes))
                    .map_err(trace_error)?;
                fingerprints_file
                    .write_all(&fingerprint)
                    .map_err(cant_write(&fingerprints_path))?;
                embeddings_file
                    .write_all(&bytes)
                    .map_err(cant_write(&embeddings_path))?;
                PassageLine::new((w * WINDOW + i) as u64, passage, count, tokens.truncated)
                    .write(&mut passages_file)
                    .map_err(cant_write(&passages_path))?;
            }
        }
        let trace = trace.finish();
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            spec: spec.hash(),
            status: Status::Ok,
            units: total,
            steps: trace.n_steps(),
            files: vec![
                embeddings_file.finish(EMBEDDINGS_FILE, &embeddings_path)?,
                passages_file.finish(PASSAGES_FILE, &passages_path)?,
                fingerprints_file.finish(FINGERPRINTS_FILE, &fingerprints_path)?,
            ],
        };
        files::finish(out_dir, manifest, trace.root())
    }

    fn verify(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Verdict {
        match self.check_claim(spec, blobs, claim, sampling, control) {
            Ok(checked) => Verdict::Accept(checked),
            Err(Judgement::Wrong(reason, detail)) => Verdict::reject(reason, detail),
            Err(Judgement::Mismatch(steps, detail)) => Verdict::Reject(Rejection {
                reason: RejectReason::Mismatch,
                detail,
                steps,
            }),
            Err(Judgement::Unknown(e)) => Verdict::Inconclusive {
                reason: e.to_string(),
            },
        }
    }
}

/// Why a claim isn't accepted.
enum Judgement {
    Wrong(RejectReason, String),
    /// Passages that are beyond the tolerance here.
    Mismatch(Vec<u64>, String),
    Unknown(EngineError),
}

impl<E: Into<EngineError>> From<E> for Judgement {
    fn from(e: E) -> Self {
        Self::Unknown(e.into())
    }
}

/// `return Err(Wrong)` unless the condition holds.
macro_rules! demand {
    ($condition:expr, $reason:ident, $($detail:tt)+) => {
        // A comparison with a NaN does not hold.
        let holds: bool = $condition;
        if !holds {
            return Err(Judgement::Wrong(RejectReason::$reason, format!($($detail)+)));
        }
    };
}

/// What a claim says of one sampled passage.
struct Claimed {
    index: u64,
    vector: Vec<f32>,
    fingerprint: Fingerprint,
    tokens: u32,
    truncated: bool,
}

impl EmbedEngine {
    fn check_claim(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Result<Checked, Judgement> {
        let embed = check(spec)?;
        let manifest = match Manifest::load(blobs, &claim.output_hash) {
            Ok(manifest) => manifest,
            Err(ManifestError::Blob(e)) => return Err(e.into()),
            Err(e @ ManifestError::Malformed(_)) => {
                return Err(Judgement::Wrong(RejectReason::Malformed, e.to_string()));
            }
        };
        demand!(
            manifest.spec == spec.hash(),
            OtherJob,
            "the result is of spec {}, the job's is {}",
            manifest.spec,
            spec.hash()
        );
        let input = blob::read(blobs, &spec.input, MAX_INPUT_BYTES)?;
        let passages = parse(&input, embed.format)?;
        let total = passages.len() as u64;
        if let Status::Failed(failure) = &manifest.status {
            return self.check_failure(
                spec, blobs, claim, &manifest, failure, &passages, sampling, control,
            );
        }
        let dimensions = load_config(&embed.model.config, blobs)?.hidden_size;
        demand!(
            claim.units == total && manifest.units == total && manifest.steps == total,
            Units,
            "the input has {total} passages; the claim has {} units, its manifest {} units and {} steps",
            claim.units,
            manifest.units,
            manifest.steps
        );
        let [embeddings, lines, fingerprints] = &manifest.files[..] else {
            return Err(Judgement::Wrong(
                RejectReason::Malformed,
                format!(
                    "the result has {} files instead of {EMBEDDINGS_FILE}, {PASSAGES_FILE} and {FINGERPRINTS_FILE}",
                    manifest.files.len()
                ),
            ));
        };
        demand!(
            embeddings.name == EMBEDDINGS_FILE
                && lines.name == PASSAGES_FILE
                && fingerprints.name == FINGERPRINTS_FILE,
            Malformed,
            "the result's files are {}, {} and {} instead of {EMBEDDINGS_FILE}, {PASSAGES_FILE} and {FINGERPRINTS_FILE}",
            embeddings.name,
            lines.name,
            fingerprints.name
        );
        demand!(
            fingerprints.size == total * FINGERPRINT_BYTES as u64,
            Count,
            "{FINGERPRINTS_FILE} has {} bytes; {total} fingerprints have {FINGERPRINT_BYTES} each",
            fingerprints.size
        );
        let size = output::embeddings_size(total, dimensions as u64);
        demand!(
            embeddings.size == size,
            Count,
            "{EMBEDDINGS_FILE} has {} bytes; {total} embeddings of {dimensions} numbers have {size}",
            embeddings.size
        );
        demand!(
            lines.size <= total * output::MAX_PASSAGE_LINE_BYTES,
            Malformed,
            "{PASSAGES_FILE} has {} bytes, more than its lines can have",
            lines.size
        );

        let mut sample = Vec::new();
        if sampling.audit {
            sample = io_proof::sample_steps(&sampling.seed, total, sampling.count);
            sample.extend(sampling.also.iter().filter(|step| **step < total));
            sample.sort_unstable();
            sample.dedup();
        }
        let claimed = read_claim(
            blobs,
            [embeddings, lines, fingerprints],
            &passages,
            dimensions,
            claim,
            &sample,
            control,
        )?;

        if sample.is_empty() {
            return Ok(Checked {
                units: total,
                steps: total,
                checked: 0,
                worst: None,
            });
        }
        let model = self.model(embed, blobs)?;
        let tokenizer = model.tokenizer(embed)?;
        let probes: Vec<_> = claimed
            .iter()
            .map(|claimed| claimed.fingerprint.places())
            .collect();
        let (tokens, embedded) = thread_pool(control.threads)?.install(|| {
            let tokens = sample
                .par_iter()
                .map(|index| model.tokenise(&tokenizer, &passages[*index as usize].text))
                .collect::<Result<Vec<_>, _>>()?;
            let embedded = model.embed(embed, &tokens, &probes, &|_| control.cancel.check())?;
            Ok::<_, EngineError>((tokens, embedded))
        })?;
        let rows = embedded.vectors.chunks_exact(dimensions);
        let mut worst: Option<(f64, Difference)> = None;
        let (mut wrong, mut first) = (Vec::new(), None);
        for ((((claimed, tokens), row), own), values) in claimed
            .iter()
            .zip(&tokens)
            .zip(rows)
            .zip(&embedded.fingerprints)
            .zip(&embedded.probed)
        {
            let index = claimed.index;
            demand!(
                claimed.tokens == tokens.ids.len() as u32 && claimed.truncated == tokens.truncated,
                Differs,
                "passage {index} has {} tokens (truncated: {}), not {} (truncated: {})",
                tokens.ids.len(),
                tokens.truncated,
                claimed.tokens,
                claimed.truncated
            );
            let cosine = cosine(&claimed.vector, row);
            let difference = claimed.fingerprint.difference(own, values);
            // A NaN is no cosine that passes.
            let fits = cosine >= MIN_COSINE && difference.is_tolerable();
            if !fits {
                first.get_or_insert((index, cosine, difference));
                if wrong.len() < MAX_WRONG_STEPS {
                    wrong.push(index);
                }
                continue;
            }
            worst = Some(worst.map_or((cosine, difference), |(c, d)| {
                (c.min(cosine), d.worst(difference))
            }));
        }
        if let Some((index, cosine, difference)) = first {
            let Difference {
                misplaced,
                exponents,
                mean,
                median,
            } = difference;
            return Err(Judgement::Mismatch(
                wrong,
                format!(
                    "passage {index}'s embedding has the cosine {cosine:.6} with the one computed here ({MIN_COSINE} is the \
                     least), and of its fingerprint {misplaced} places and {exponents} exponents differ, its mantissas by {mean} \
                     on average and {median} in the median"
                ),
            ));
        }
        Ok(Checked {
            units: total,
            steps: total,
            checked: sample.len() as u64,
            worst,
        })
    }
}

impl EmbedEngine {
    /// Whether the passage that a failure names has no embedding here either.
    #[allow(clippy::too_many_arguments)]
    fn check_failure(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        manifest: &Manifest,
        failure: &Failure,
        passages: &[Passage<'_>],
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Result<Checked, Judgement> {
        let embed = check(spec)?;
        let total = passages.len() as u64;
        let claimed = defective_index(failure).and_then(|index| {
            let passage = passages.get(usize::try_from(index).ok()?)?;
            Some((index, passage))
        });
        let Some((index, passage)) = claimed else {
            return Err(Judgement::Wrong(
                RejectReason::Malformed,
                format!("the status {failure:?} names none of the {total} passages"),
            ));
        };
        let (right, root) = defective(spec, control.job, total, index)?;
        demand!(
            *manifest == right,
            Differs,
            "a failure at passage {index} has another manifest than the one claimed"
        );
        demand!(
            claim.units == total,
            Units,
            "the input has {total} passages, and {} units were claimed",
            claim.units
        );
        demand!(
            claim.trace_root == root,
            Trace,
            "the trace of a failure at passage {index} has the root {}, and {} was committed",
            hex::encode(root),
            hex::encode(claim.trace_root)
        );
        if !sampling.audit {
            return Ok(Checked {
                units: total,
                steps: 1,
                checked: 0,
                worst: None,
            });
        }
        let model = self.model(embed, blobs)?;
        let tokenizer = model.tokenizer(embed)?;
        let defective = thread_pool(control.threads)?
            .install(|| model.is_defective(embed, &tokenizer, passage))?;
        if !defective {
            // Named like any other step that is wrong here: peers confirm it by embedding just that passage.
            return Err(Judgement::Mismatch(
                vec![index],
                format!("passage {index} has an embedding, and the result says that it has none"),
            ));
        }
        Ok(Checked {
            units: total,
            steps: 1,
            checked: 1,
            worst: None,
        })
    }
}

/// Reads a result through once: checks its form, every vector, its hashes and the trace, and keeps the sampled
/// passages.
fn read_claim(
    blobs: &dyn Blobs,
    files: [&OutputFile; 3],
    passages: &[Passage<'_>],
    dimensions: usize,
    claim: &Claim,
    sample: &[u64],
    control: &Control<'_>,
) -> Result<Vec<Claimed>, Judgement> {
    let mut embeddings = HashedRead::open(blobs, files[0])?;
    let mut lines = HashedRead::open(blobs, files[1])?;
    let mut fingerprints = HashedRead::open(blobs, files[2])?;
    // What is found wrong counts only if the bytes turn out to be the ones that were committed.
    let judged = judge(
        &mut embeddings,
        &mut lines,
        &mut fingerprints,
        passages,
        dimensions,
        claim,
        sample,
        control,
    );
    embeddings.finish()?;
    lines.finish()?;
    fingerprints.finish()?;
    judged
}

#[allow(clippy::too_many_arguments)]
fn judge(
    embeddings: &mut HashedRead,
    lines: &mut HashedRead,
    fingerprints: &mut HashedRead,
    passages: &[Passage<'_>],
    dimensions: usize,
    claim: &Claim,
    sample: &[u64],
    control: &Control<'_>,
) -> Result<Vec<Claimed>, Judgement> {
    let expected = output::header(passages.len() as u64, dimensions as u64);
    let mut header = vec![0; expected.len()];
    embeddings.exactly(&mut header)?;
    demand!(
        header == expected,
        Malformed,
        "{EMBEDDINGS_FILE} has another header than {:?}",
        String::from_utf8_lossy(&expected[8..])
    );
    let mut trace = TraceBuilder::new(control.job);
    let mut sampled = Vec::with_capacity(sample.len());
    let mut next_sampled = sample.iter().peekable();
    let mut bytes = vec![0; dimensions * 4];
    let (mut line, mut right_line) = (Vec::new(), Vec::new());
    for (index, passage) in passages.iter().enumerate() {
        if index % WINDOW == 0 {
            control.cancel.check()?;
        }
        embeddings.exactly(&mut bytes)?;
        demand!(
            is_unit(output::floats(&bytes)),
            Value,
            "passage {index}'s embedding isn't of length 1"
        );

        let complete = output::read_line(&mut lines.from, &mut line)
            .map_err(|source| lines.unreadable(source))?;
        demand!(
            complete.is_some(),
            Count,
            "{PASSAGES_FILE} ends, or has a line that is too long, after {index} of {} lines",
            passages.len()
        );
        let parsed: Result<PassageLine<'_>, _> = serde_json::from_slice(&line);
        let Ok(parsed) = parsed else {
            return Err(Judgement::Wrong(
                RejectReason::Malformed,
                format!("line {} of {PASSAGES_FILE} can't be read", index + 1),
            ));
        };
        right_line.clear();
        PassageLine::new(index as u64, passage, parsed.tokens, parsed.truncated)
            .write(&mut right_line)
            .map_err(|e| EngineError::Host(e.to_string()))?;
        demand!(
            line == right_line,
            Count,
            "line {} of {PASSAGES_FILE} is {}, and the input makes it {}",
            index + 1,
            String::from_utf8_lossy(&line).trim_end(),
            String::from_utf8_lossy(&right_line).trim_end()
        );
        let mut print = [0; FINGERPRINT_BYTES];
        fingerprints.exactly(&mut print)?;
        let values = u64::from(parsed.tokens) * dimensions as u64;
        let Some(fingerprint) = Fingerprint::parse(&print, values) else {
            return Err(Judgement::Wrong(
                RejectReason::Value,
                format!("passage {index}'s fingerprint is none of {values} values"),
            ));
        };
        trace
            .push(&step(&passage.text, parsed.tokens, &print, &bytes))
            .map_err(trace_error)?;
        if next_sampled.next_if_eq(&&(index as u64)).is_some() {
            sampled.push(Claimed {
                index: index as u64,
                vector: output::floats(&bytes).collect(),
                fingerprint,
                tokens: parsed.tokens,
                truncated: parsed.truncated,
            });
        }
    }
    let mut rest = [0];
    let rest = lines
        .from
        .read(&mut rest)
        .map_err(|source| lines.unreadable(source))?;
    demand!(
        rest == 0,
        Count,
        "{PASSAGES_FILE} goes on after its {} lines",
        passages.len()
    );
    let root = trace.finish().root();
    demand!(
        root == claim.trace_root,
        Trace,
        "the trace of these embeddings has the root {}, and {} was committed",
        hex::encode(root),
        hex::encode(claim.trace_root)
    );
    Ok(sampled)
}

/// A result's file that is hashed as it is read.
struct HashedRead {
    from: BufReader<Hashing>,
    blob: BlobRef,
    path: std::path::PathBuf,
}

struct Hashing {
    file: io::Take<File>,
    hasher: blake3::Hasher,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

impl HashedRead {
    fn open(blobs: &dyn Blobs, file: &OutputFile) -> Result<Self, Judgement> {
        let path = blobs.locate(&file.hash)?;
        let unreadable = |source| BlobError::Unreadable {
            hash: file.hash,
            path: path.clone(),
            source,
        };
        let opened = File::open(&path).map_err(unreadable)?;
        let size = opened.metadata().map_err(unreadable)?.len();
        // The wrong size in the manifest, or the wrong bytes here?
        if size != file.size && BlobHash::of_file(&path).map_err(unreadable)?.0 == file.hash {
            return Err(Judgement::Wrong(
                RejectReason::Malformed,
                format!(
                    "{} has {size} bytes, and the manifest says {}",
                    file.name, file.size
                ),
            ));
        }
        Ok(Self {
            from: BufReader::new(Hashing {
                file: opened.take(file.size),
                hasher: blake3::Hasher::new(),
            }),
            blob: BlobRef {
                hash: file.hash,
                size: file.size,
            },
            path,
        })
    }

    fn unreadable(&self, source: io::Error) -> EngineError {
        BlobError::Unreadable {
            hash: self.blob.hash,
            path: self.path.clone(),
            source,
        }
        .into()
    }

    fn exactly(&mut self, buffer: &mut [u8]) -> Result<(), Judgement> {
        match self.from.read_exact(buffer) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(Judgement::Wrong(
                RejectReason::Count,
                format!("a file of {} bytes ends too early", self.blob.size),
            )),
            Err(e) => Err(self.unreadable(e).into()),
            Ok(()) => Ok(()),
        }
    }

    /// Reads to the end and checks the hash of everything.
    fn finish(mut self) -> Result<(), EngineError> {
        io::copy(&mut self.from, &mut io::sink()).map_err(|source| self.unreadable(source))?;
        let read = self.from.get_ref();
        let found = BlobHash(*read.hasher.finalize().as_bytes());
        if found != self.blob.hash {
            return Err(BlobError::Damaged {
                expected: self.blob.hash,
                found,
                path: self.path,
            }
            .into());
        }
        Ok(())
    }
}

/// The cosine of two vectors, in f64.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
