//! Times the engines and prints one JSON line a figure: `{"name", "value", "unit"}`.
//!
//!     bench-engines passages.txt [--threads N] [--rounds N]
//!
//! `passages.txt` has one passage a line. Each figure is the best of the rounds (3), after one round that only
//! warms up. `embed_passages_per_s` is tokenising and the model with its files written, as a worker does it;
//! `embed_verify_share` is what an oracle's check costs of it.

use io_engines::models::{ALL_MINILM_L6_V2, KnownModels};
use io_engines::*;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut passages = None;
    let (mut threads, mut rounds) = (0, 3);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = |name| {
            args.next()
                .and_then(|n| n.parse().ok())
                .ok_or(format!("{name} needs a number"))
        };
        match arg.as_str() {
            "--threads" => threads = number("--threads")?,
            "--rounds" => rounds = number("--rounds")?,
            _ => passages = Some(PathBuf::from(arg)),
        }
    }
    let passages =
        passages.ok_or("usage: bench-engines passages.txt [--threads N] [--rounds N]")?;
    let out = std::env::temp_dir().join(format!("bench-engines-{}", std::process::id()));
    let measured = measure(&passages, threads, rounds, &out);
    let _ = std::fs::remove_dir_all(&out);
    for (name, value, unit) in measured? {
        println!("{{\"name\":\"{name}\",\"value\":{value:.6},\"unit\":\"{unit}\"}}");
    }
    Ok(())
}

type Figure = (&'static str, f64, &'static str);

fn measure(
    passages: &Path,
    threads: usize,
    rounds: usize,
    out: &Path,
) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut files = BlobFiles::default();
    let input = BlobRef::of_file(passages)?;
    files.insert(input.hash, passages.to_owned());
    let known = KnownModels::new();
    let spec = JobSpec {
        version: spec::SPEC_VERSION,
        input,
        engine: EngineSpec::Embed(EmbedSpec {
            model: ALL_MINILM_L6_V2.files,
            format: InputFormat::Lines,
            pooling: ALL_MINILM_L6_V2.pooling,
            max_tokens: ALL_MINILM_L6_V2.max_tokens,
        }),
    };
    let engines = Engines::new()?;
    let engine = engines.get(&spec);
    let control = Control {
        threads,
        ..Control::new([1; 32])
    };
    let load = Instant::now();
    let quote = engine.quote(&spec, &FirstOf(&[&files, &known]))?;
    let load = load.elapsed().as_secs_f64();

    let (mut run_s, mut verify_s) = (f64::INFINITY, f64::INFINITY);
    for round in 0..=rounds {
        let started = Instant::now();
        let outcome = engine.run(&spec, &FirstOf(&[&files, &known]), out, &control)?;
        let run = started.elapsed().as_secs_f64();
        for (file, path) in outcome.manifest.files.iter().zip(&outcome.files[1..]) {
            files.insert(file.hash, path.clone());
        }
        files.insert(outcome.output_hash, outcome.files[0].clone());
        let claim = Claim {
            output_hash: outcome.output_hash,
            trace_root: outcome.trace_root,
            units: outcome.units,
        };
        let sampling = Sampling {
            seed: [round as u8; 32],
            count: embed::DEFAULT_SAMPLE,
            also: Vec::new(),
            audit: true,
        };
        let started = Instant::now();
        let verdict = engine.verify(
            &spec,
            &FirstOf(&[&files, &known]),
            &claim,
            &sampling,
            &control,
        );
        let verify = started.elapsed().as_secs_f64();
        if !verdict.is_accept() {
            return Err(format!("the result wasn't accepted: {verdict:?}").into());
        }
        if round > 0 {
            run_s = run_s.min(run);
            verify_s = verify_s.min(verify);
        }
    }
    Ok(vec![
        ("embed_passages", quote.units as f64, "passages"),
        ("embed_model_load_s", load, "s"),
        ("embed_run_s", run_s, "s"),
        (
            "embed_passages_per_s",
            quote.units as f64 / run_s,
            "passages/s",
        ),
        ("embed_verify_s", verify_s, "s"),
        ("embed_verify_share", verify_s / run_s, "of the run"),
    ])
}
