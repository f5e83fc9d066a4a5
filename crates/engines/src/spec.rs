//! A job's specification: what to run on what. Its canonical bytes are a blob, and that blob's hash is the
//! `spec hash` on chain.
//!
//! Canonical means: JSON without white space, fields in the order of the structs below, integers only, hashes
//! in lower-case hexadecimal, strings escaped no more than JSON demands. [`JobSpec::from_canonical`] takes
//! nothing else, so one job has one hash.

use crate::blob::{BlobHash, BlobRef};
use crate::error::EngineError;
use crate::limits::*;
use serde::{Deserialize, Serialize};

/// The version that this build writes and reads. It fixes what a spec means, down to how wasmtime counts
/// fuel (release 48).
pub const SPEC_VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// [`SPEC_VERSION`].
    pub version: u32,
    /// What the engine works on.
    pub input: BlobRef,
    /// Which engine, and how.
    pub engine: EngineSpec,
}

/// `{"embed":{…}}` or `{"wasm":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum EngineSpec {
    Embed(EmbedSpec),
    Wasm(WasmSpec),
}

impl EngineSpec {
    /// "embed" or "wasm".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Embed(_) => "embed",
            Self::Wasm(_) => "wasm",
        }
    }
}

/// Text embeddings by a BERT-like model. Verified as `tolerant`. One unit is one passage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedSpec {
    pub model: ModelRef,
    pub format: InputFormat,
    pub pooling: Pooling,
    /// Tokens a passage is cut to, special tokens included: 3 to [`MAX_TOKENS`] and to the model's own
    /// positions. 256 for all-MiniLM-L6-v2.
    pub max_tokens: u32,
}

/// A model's three files. [`crate::models`] knows the hashes of published ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// config.json of a BERT.
    pub config: BlobRef,
    /// tokenizer.json of the tokenizers library.
    pub tokenizer: BlobRef,
    /// Weights as safetensors.
    pub weights: BlobRef,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFormat {
    /// UTF-8 text; each line that isn't blank is a passage.
    Lines,
    /// JSON lines `{"id": string, "text": string}`; `id` may be left out. Blank lines are skipped.
    Jsonl,
}

/// How token vectors become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's.
    Cls,
}

/// A WebAssembly module run on the input. Verified as `exact`. One unit is 10⁶ fuel, rounded up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WasmSpec {
    pub module: BlobRef,
    /// Most fuel, at most [`MAX_FUEL`]. Wasmtime's count: about one for each instruction.
    pub fuel: u64,
    /// Most linear memory, in MiB.
    pub memory_mib: u32,
    /// Longest run on the worker's machine, in seconds. Guards the machine; fuel is what is paid.
    pub time_limit_s: u32,
    /// Most bytes the module may write.
    pub max_output: u64,
}

impl JobSpec {
    /// The bytes that are stored and hashed.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a spec has only strings, integers and structs")
    }

    /// The hash on chain.
    pub fn hash(&self) -> BlobHash {
        BlobHash::of(&self.canonical())
    }

    /// Reads what [`canonical`](Self::canonical) writes, and nothing else.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, EngineError> {
        let spec = Self::from_json(bytes)?;
        if spec.canonical() != bytes {
            return Err(EngineError::Spec(
                "its bytes aren't in canonical form; write it with JobSpec::canonical".into(),
            ));
        }
        Ok(spec)
    }

    /// Reads a spec somebody wrote by hand: any white space and order of fields, unknown fields refused.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EngineError> {
        if bytes.len() as u64 > MAX_SPEC_BYTES {
            return Err(EngineError::Spec(format!(
                "it has {} bytes, and {MAX_SPEC_BYTES} are the most",
                bytes.len()
            )));
        }
        let spec: Self =
            serde_json::from_slice(bytes).map_err(|e| EngineError::Spec(e.to_string()))?;
        spec.check()?;
        Ok(spec)
    }

    /// Checks every number against its limit.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.version != SPEC_VERSION {
            return Err(EngineError::Spec(format!(
                "version {} is unknown here; this build reads version {SPEC_VERSION}",
                self.version
            )));
        }
        within("input.size", self.input.size, 0, MAX_INPUT_BYTES)?;
        match &self.engine {
            EngineSpec::Embed(embed) => {
                let model = &embed.model;
                within(
                    "model.config.size",
                    model.config.size,
                    1,
                    MAX_MODEL_CONFIG_BYTES,
                )?;
                within(
                    "model.tokenizer.size",
                    model.tokenizer.size,
                    1,
                    MAX_TOKENIZER_BYTES,
                )?;
                within(
                    "model.weights.size",
                    model.weights.size,
                    1,
                    MAX_WEIGHTS_BYTES,
                )?;
                within("max_tokens", embed.max_tokens.into(), 3, MAX_TOKENS.into())
            }
            EngineSpec::Wasm(wasm) => {
                within("module.size", wasm.module.size, 8, MAX_MODULE_BYTES)?;
                within("fuel", wasm.fuel, 1, MAX_FUEL)?;
                within(
                    "memory_mib",
                    wasm.memory_mib.into(),
                    1,
                    MAX_MEMORY_MIB.into(),
                )?;
                within(
                    "time_limit_s",
                    wasm.time_limit_s.into(),
                    1,
                    MAX_TIME_LIMIT_S.into(),
                )?;
                within("max_output", wasm.max_output, 0, MAX_WASM_OUTPUT_BYTES)
            }
        }
    }

    /// Every blob a worker or an oracle needs to run this job; the input comes first.
    pub fn blobs(&self) -> Vec<BlobRef> {
        let mut blobs = vec![self.input];
        match &self.engine {
            EngineSpec::Embed(embed) => {
                blobs.extend([
                    embed.model.config,
                    embed.model.tokenizer,
                    embed.model.weights,
                ]);
            }
            EngineSpec::Wasm(wasm) => blobs.push(wasm.module),
        }
        blobs
    }
}

fn within(field: &str, value: u64, least: u64, most: u64) -> Result<(), EngineError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(EngineError::Spec(format!(
            "{field} is {value}; it must be {least} to {most}"
        )))
    }
}
