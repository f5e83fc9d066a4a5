//! The embedding engine on the real model and real text.

mod common;
use common::*;
use io_engines::embed::{MIN_COSINE, write_jsonl};
use io_engines::*;
use std::path::Path;
use std::sync::Mutex;

const PASSAGES: &[u8] = include_bytes!("reference/passages.txt");

fn reference() -> Vec<Vec<f32>> {
    read_vectors(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/reference.safetensors"),
    )
}

#[test]
fn embeddings_equal_those_of_sentence_transformers() {
    need_model();
    let bench = Bench::new();
    let spec = embed_spec(bench.put(PASSAGES));
    let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
    let got = read_vectors(&bench.out().join("embeddings.safetensors"));
    let want = reference();
    assert_eq!(got.len(), want.len());
    let worst = got
        .iter()
        .zip(&want)
        .map(|(a, b)| cosine(a, b))
        .fold(1.0, f64::min);
    assert!(worst >= MIN_COSINE, "worst cosine {worst}");
    // What this build reaches; a change that loses precision shows here before it fails a job.
    assert!(worst >= 1.0 - 1e-6, "worst cosine {worst}");
    assert_eq!(outcome.units, 40);
    assert_eq!(outcome.manifest.steps, 40);
}
