//! What the tests share: a folder of blobs, the model on disk, jobs.
#![allow(dead_code)] // each test binary uses its own part

use io_engines::models::{self, ALL_MINILM_L6_V2, KnownModels, MODEL_FILES};
use io_engines::*;
use std::path::Path;
use tempfile::TempDir;

pub const JOB: [u8; 32] = [0x5a; 32];

/// A job's blobs and a folder for its result, on disk.
pub struct Bench {
    dir: TempDir,
    pub blobs: BlobDir,
    known: KnownModels,
    pub engines: Engines,
}

impl Bench {
    pub fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let blobs = dir.path().join("blobs");
        std::fs::create_dir(&blobs).unwrap();
        Self {
            blobs: BlobDir(blobs),
            dir,
            known: KnownModels::new(),
            engines: Engines::new().unwrap(),
        }
    }

    pub fn put(&self, bytes: &[u8]) -> BlobRef {
        let blob = BlobRef::of(bytes);
        std::fs::write(self.blobs.0.join(blob.hash.to_string()), bytes).unwrap();
        blob
    }

    /// Puts other bytes where a blob should be.
    pub fn damage(&self, blob: &BlobHash, bytes: &[u8]) {
        std::fs::write(self.blobs.0.join(blob.to_string()), bytes).unwrap();
    }

    pub fn remove(&self, blob: &BlobHash) {
        std::fs::remove_file(self.blobs.0.join(blob.to_string())).unwrap();
    }

    pub fn out(&self) -> std::path::PathBuf {
        self.dir.path().join("out")
    }

    pub fn quote(&self, spec: &JobSpec) -> Result<Quote, EngineError> {
        self.engines
            .get(spec)
            .quote(spec, &FirstOf(&[&self.blobs, &self.known]))
    }

    /// Runs a job and puts its result among the blobs.
    pub fn run(&self, spec: &JobSpec, control: &Control<'_>) -> Result<Outcome, EngineError> {
        let outcome = self.engines.get(spec).run(
            spec,
            &FirstOf(&[&self.blobs, &self.known]),
            &self.out(),
            control,
        )?;
        for file in &outcome.files {
            self.put(&std::fs::read(file).unwrap());
        }
        Ok(outcome)
    }

    pub fn verify(&self, spec: &JobSpec, claim: &Claim, sample: u32) -> Verdict {
        self.verify_with(
            spec,
            claim,
            &Sampling {
                seed: [7; 32],
                count: sample,
                also: Vec::new(),
                audit: true,
            },
        )
    }

    pub fn verify_with(&self, spec: &JobSpec, claim: &Claim, sampling: &Sampling) -> Verdict {
        self.engines.get(spec).verify(
            spec,
            &FirstOf(&[&self.blobs, &self.known]),
            claim,
            sampling,
            &Control::new(JOB),
        )
    }

    /// As an oracle checks that was not drawn to audit.
    pub fn look_at_form(&self, spec: &JobSpec, claim: &Claim) -> Verdict {
        let sampling = Sampling {
            seed: [7; 32],
            count: 32,
            also: vec![0],
            audit: false,
        };
        self.verify_with(spec, claim, &sampling)
    }
}

pub fn claim(outcome: &Outcome) -> Claim {
    Claim {
        output_hash: outcome.output_hash,
        trace_root: outcome.trace_root,
        units: outcome.units,
    }
}

/// Fails, rather than skips, on a machine without the model.
pub fn need_model() {
    let dir = models::dir(&ALL_MINILM_L6_V2).expect("HOME is not set");
    for file in MODEL_FILES {
        assert!(
            dir.join(file).is_file(),
            "{} isn't there: run ./x setup",
            dir.join(file).display()
        );
    }
}

pub fn embed_spec(input: BlobRef) -> JobSpec {
    JobSpec {
        version: spec::SPEC_VERSION,
        input,
        engine: EngineSpec::Embed(EmbedSpec {
            model: ALL_MINILM_L6_V2.files,
            format: InputFormat::Lines,
            pooling: Pooling::Mean,
            max_tokens: 256,
        }),
    }
}

pub fn embed_mut(spec: &mut JobSpec) -> &mut EmbedSpec {
    match &mut spec.engine {
        EngineSpec::Embed(embed) => embed,
        _ => panic!("not an embedding job"),
    }
}

/// The vectors of a safetensors file with one f32 tensor, read without the engine's own code.
pub fn read_vectors(path: &Path) -> Vec<Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let shape = &header["embeddings"]["shape"];
    assert_eq!(header["embeddings"]["dtype"], "F32");
    let columns = shape[1].as_u64().unwrap() as usize;
    let rows: Vec<Vec<f32>> = bytes[8 + length..]
        .chunks_exact(columns * 4)
        .map(|row| {
            row.chunks_exact(4)
                .map(|x| f32::from_le_bytes(x.try_into().unwrap()))
                .collect()
        })
        .collect();
    assert_eq!(rows.len() as u64, shape[0].as_u64().unwrap());
    rows
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
