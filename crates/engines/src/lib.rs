//! The engines that run a job's work, and the check of their results. Workers run them, oracles verify with
//! them, renters quote with them; all three use this one library, so they agree on every byte.
//!
//! | engine | work | one unit (prices are per 1,000 units) | class |
//! |---|---|---|---|
//! | [`embed`] | text embeddings by a BERT-like model | a passage | tolerant |
//! | [`wasm`] | the renter's WebAssembly module | 10⁶ fuel, rounded up | exact |
//!
//! # How a job goes through
//! ```text
//! renter   spec = JobSpec{…}; spec.check(); engines.get(&spec).quote(&spec, &blobs) → units
//!          upload spec.canonical() and spec.blobs(); spec.hash() goes on chain
//! worker   spec = JobSpec::from_canonical(bytes); fetch spec.blobs()
//!          engine = engines.get(&spec); engine.quote(…)           before it accepts
//!          outcome = engine.run(&spec, &blobs, out_dir, &control)
//!          upload outcome.files; outcome.output_hash, .trace_root, .units go on chain
//! oracle   verdict = engine.verify(&spec, &blobs, &Claim{output_hash, trace_root, units},
//!                                  &Sampling{seed, count, also, audit}, &control)
//! renter   Manifest::load(&blobs, &output_hash) names the result's files
//! ```
//! `blobs` is anything that turns a hash into a local path ([`Blobs`]: [`BlobDir`], [`BlobFiles`], [`FirstOf`],
//! [`models::KnownModels`]); every byte read through it is hashed first. The formats are in docs/engines.md.

pub mod blob;
pub mod embed;
pub mod engine;
pub mod error;
mod files;
pub mod limits;
pub mod manifest;
pub mod models;
pub mod spec;
pub mod wasm;

pub use blob::{BlobDir, BlobFiles, BlobHash, BlobRef, Blobs, FirstOf};
pub use engine::{
    CancelToken, Checked, Claim, Control, Engine, Outcome, Progress, Quote, RejectReason,
    Rejection, Sampling, Verdict, VerificationClass,
};
pub use error::{BlobError, EngineError, Fault};
pub use manifest::{Failure, MANIFEST_FILE, Manifest, ManifestError, OutputFile, Status};
pub use spec::{EmbedSpec, EngineSpec, InputFormat, JobSpec, ModelRef, Pooling, WasmSpec};

/// One of each engine. Keep it for the process's life: the embedding engine holds on to the model it used
/// last.
pub struct Engines {
    embed: embed::EmbedEngine,
    wasm: wasm::WasmEngine,
}

impl Engines {
    /// Cheap: models load with the first job that names them.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            embed: embed::EmbedEngine::new(),
            wasm: wasm::WasmEngine::new()?,
        })
    }

    /// The engine that a spec names.
    pub fn get(&self, spec: &JobSpec) -> &dyn Engine {
        match spec.engine {
            EngineSpec::Embed(_) => &self.embed,
            EngineSpec::Wasm(_) => &self.wasm,
        }
    }

    /// Frees the model in memory, if there is one: about 90 MB for all-MiniLM-L6-v2.
    pub fn unload(&self) {
        self.embed.unload();
    }
}
