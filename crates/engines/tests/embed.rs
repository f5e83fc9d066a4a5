//! The embedding engine on the real model and real text, and on small models made here.

mod common;
use common::*;
use io_engines::embed::{MIN_COSINE, fingerprint::FINGERPRINT_BYTES, write_jsonl};
use io_engines::models::ALL_MINILM_L6_V2;
use io_engines::*;
use std::path::Path;
use std::sync::Mutex;

const PASSAGES: &[u8] = include_bytes!("reference/passages.txt");
const SIX: &[u8] = b"one\ntwo words\nthree words here\n\nfour\nfive\nsix\n";

fn reference() -> Vec<Vec<f32>> {
    read_vectors(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/reference.safetensors"),
    )
}

fn vectors(bench: &Bench) -> Vec<Vec<f32>> {
    read_vectors(&bench.out().join("embeddings.safetensors"))
}

fn passages(bench: &Bench) -> Vec<serde_json::Value> {
    std::fs::read_to_string(bench.out().join("passages.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

// ---- What comes out ----

#[test]
fn embeddings_equal_those_of_sentence_transformers() {
    need_model();
    let bench = Bench::new();
    let spec = embed_spec(bench.put(PASSAGES));
    assert_eq!(
        bench.quote(&spec).unwrap(),
        Quote {
            units: 40,
            exact: true
        }
    );
    let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
    let got = vectors(&bench);
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

    let lines = passages(&bench);
    let truncated: Vec<usize> = (0..40).filter(|i| lines[*i]["truncated"] == true).collect();
    assert_eq!(truncated, [39], "only the last passage is too long");
    assert_eq!(lines[39]["tokens"], 256);
    assert_eq!(lines[17]["tokens"], 3, "[CLS] a [SEP]");
}

/// Neither the passages around it nor the number of threads changes a passage's embedding.
#[test]
fn results_do_not_depend_on_batch_or_threads() {
    need_model();
    let bench = Bench::new();
    let spec = embed_spec(bench.put(PASSAGES));
    let threads = |threads| {
        let control = Control {
            threads,
            ..Control::new(JOB)
        };
        bench.run(&spec, &control).unwrap()
    };
    assert_eq!(threads(1), threads(3));
    let all = vectors(&bench);
    for i in [0, 17, 38] {
        let alone = PASSAGES.split(|b| *b == b'\n').nth(i).unwrap();
        bench
            .run(&embed_spec(bench.put(alone)), &Control::new(JOB))
            .unwrap();
        let alone = &vectors(&bench)[0];
        assert!(cosine(alone, &all[i]) > 1.0 - 1e-6, "passage {i}");
    }
}

#[test]
fn json_lines_keep_their_ids_and_numbers() {
    need_model();
    let bench = Bench::new();
    let input = "{\"id\":\"ä\\\"1\",\"text\":\"one\"}\r\n\n{\"text\":\"two \\u0077ords\"}\n{\"text\":\"\",\"id\":\"\"}";
    let mut spec = embed_spec(bench.put(input.as_bytes()));
    embed_mut(&mut spec).format = InputFormat::Jsonl;
    let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
    assert!(bench.verify(&spec, &claim(&outcome), 3).is_accept());
    assert_eq!(
        std::fs::read_to_string(bench.out().join("passages.jsonl")).unwrap(),
        "{\"index\":0,\"line\":1,\"id\":\"ä\\\"1\",\"tokens\":3,\"truncated\":false}\n\
         {\"index\":1,\"line\":3,\"tokens\":4,\"truncated\":false}\n\
         {\"index\":2,\"line\":4,\"id\":\"\",\"tokens\":2,\"truncated\":false}\n"
    );
    let as_json = vectors(&bench);
    bench
        .run(
            &embed_spec(bench.put(b"one\ntwo words")),
            &Control::new(JOB),
        )
        .unwrap();
    assert_eq!(as_json[..2], vectors(&bench)[..]);
}

#[test]
fn the_renters_json_lines_hold_the_same_numbers() {
    need_model();
    let bench = Bench::new();
    bench
        .run(&embed_spec(bench.put(SIX)), &Control::new(JOB))
        .unwrap();
    let embeddings = std::fs::read(bench.out().join("embeddings.safetensors")).unwrap();
    let lines = std::fs::read(bench.out().join("passages.jsonl")).unwrap();
    let mut text = Vec::new();
    assert_eq!(
        write_jsonl(&embeddings[..], &lines[..], &mut text).unwrap(),
        6
    );
    let rows: Vec<serde_json::Value> = text
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let vectors = vectors(&bench);
    assert_eq!(rows.len(), 6);
    for (row, vector) in rows.iter().zip(&vectors) {
        let numbers: Vec<f32> = serde_json::from_value(row["embedding"].clone()).unwrap();
        assert_eq!(&numbers, vector);
    }
    assert_eq!(rows[3]["line"], 5, "the blank line is counted");
    assert_eq!(rows[3]["index"], 3);

    // Files that don't belong together.
    let shorter = &lines[..lines.len() - 20];
    assert!(write_jsonl(&embeddings[..], shorter, std::io::sink()).is_err());
    let cut = &embeddings[..embeddings.len() - 1];
    assert!(write_jsonl(cut, &lines[..], std::io::sink()).is_err());
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend(&embeddings[8..]);
    assert!(write_jsonl(&huge[..], &lines[..], std::io::sink()).is_err());
}

#[test]
fn progress_counts_up_to_every_passage_and_a_run_can_be_cancelled() {
    need_model();
    let bench = Bench::new();
    let spec = embed_spec(bench.put(PASSAGES));
    let seen = Mutex::new(Vec::new());
    let report = |p: Progress| seen.lock().unwrap().push(p);
    let control = Control {
        progress: &report,
        ..Control::new(JOB)
    };
    bench.run(&spec, &control).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().all(|p| p.total == 40));
    assert_eq!(seen.iter().map(|p| p.done).max(), Some(40));

    let cancel = CancelToken::new();
    let stop = |_: Progress| cancel.cancel();
    let control = Control {
        progress: &stop,
        cancel: cancel.clone(),
        ..Control::new(JOB)
    };
    let error = bench.run(&spec, &control).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled), "{error:?}");
    // The earlier, finished run's manifest is gone: what is in the folder is of no run.
    assert!(!bench.out().join(MANIFEST_FILE).exists());
}

#[test]
fn bad_input_is_the_renters_fault_and_leaves_nothing() {
    need_model();
    let bench = Bench::new();
    for input in [&b""[..], b"\n\n", b"fine\n\xff\xfe\n"] {
        let spec = embed_spec(bench.put(input));
        let quoted = bench.quote(&spec).unwrap_err();
        let run = bench.run(&spec, &Control::new(JOB)).unwrap_err();
        assert_eq!(quoted.to_string(), run.to_string());
        assert_eq!(run.fault(), Fault::Renter, "{run}");
        assert!(!bench.out().join(MANIFEST_FILE).exists());
    }
    let mut spec = embed_spec(bench.put(b"x"));
    spec.input.size = 2;
    assert_eq!(bench.quote(&spec).unwrap_err().fault(), Fault::Renter);
    spec.input.hash = BlobHash([0; 32]);
    assert_eq!(bench.quote(&spec).unwrap_err().fault(), Fault::Host);
}

// ---- Claims ----

/// A finished job of six passages, accepted.
fn honest() -> (Bench, JobSpec, Outcome) {
    need_model();
    let bench = Bench::new();
    let spec = embed_spec(bench.put(SIX));
    let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
    match bench.verify(&spec, &claim(&outcome), 32) {
        Verdict::Accept(checked) => {
            assert_eq!((checked.units, checked.steps, checked.checked), (6, 6, 6));
            let (worst, difference) = checked.worst.unwrap();
            assert!(worst > 1.0 - 1e-6, "{worst}");
            assert!(difference.is_tolerable(), "{difference:?}");
        }
        other => panic!("{other:?}"),
    }
    (bench, spec, outcome)
}

/// What a cheater would commit to: changed files, with a manifest and a trace that fit them.
struct Forgery {
    embeddings: Vec<u8>,
    lines: Vec<u8>,
    fingerprints: Vec<u8>,
    manifest: Manifest,
    units: u64,
}

const DIMENSIONS: usize = 384;

impl Forgery {
    fn of(bench: &Bench, outcome: &Outcome) -> Self {
        Self {
            embeddings: std::fs::read(bench.out().join("embeddings.safetensors")).unwrap(),
            lines: std::fs::read(bench.out().join("passages.jsonl")).unwrap(),
            fingerprints: std::fs::read(bench.out().join("fingerprints.bin")).unwrap(),
            manifest: outcome.manifest.clone(),
            units: outcome.units,
        }
    }

    fn data(&self) -> usize {
        8 + u64::from_le_bytes(self.embeddings[..8].try_into().unwrap()) as usize
    }

    fn row(&mut self, i: usize) -> &mut [u8] {
        let at = self.data() + i * DIMENSIONS * 4;
        &mut self.embeddings[at..at + DIMENSIONS * 4]
    }

    fn set(&mut self, i: usize, vector: &[f32]) {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.row(i).copy_from_slice(&bytes);
    }

    fn commit(mut self, bench: &Bench) -> Claim {
        let files =
            [&self.embeddings, &self.lines, &self.fingerprints].map(|bytes| bench.put(bytes));
        for (file, blob) in self.manifest.files.iter_mut().zip(files) {
            (file.size, file.hash) = (blob.size, blob.hash);
        }
        let mut trace = io_proof::TraceBuilder::new(JOB);
        let texts = [
            "one",
            "two words",
            "three words here",
            "four",
            "five",
            "six",
        ];
        let rows = self.embeddings[self.data()..].chunks(DIMENSIONS * 4);
        for (((text, row), line), print) in texts
            .iter()
            .zip(rows)
            .zip(self.lines.split(|b| *b == b'\n'))
            .zip(self.fingerprints.chunks(FINGERPRINT_BYTES))
        {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap_or_default();
            let mut step = b"io-embed/2".to_vec();
            step.extend(BlobHash::of(text.as_bytes()).0);
            step.extend((line["tokens"].as_u64().unwrap_or(0) as u32).to_le_bytes());
            step.extend(print);
            step.extend(row);
            trace.push(&step).unwrap();
        }
        Claim {
            output_hash: bench.put(&self.manifest.canonical()).hash,
            trace_root: trace.finish().root(),
            units: self.units,
        }
    }
}

fn rejection(bench: &Bench, spec: &JobSpec, claim: &Claim) -> Rejection {
    match bench.verify(spec, claim, 32) {
        Verdict::Reject(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}

fn forged(change: impl FnOnce(&mut Forgery)) -> Rejection {
    let (bench, spec, outcome) = honest();
    let mut forgery = Forgery::of(&bench, &outcome);
    change(&mut forgery);
    let claim = forgery.commit(&bench);
    rejection(&bench, &spec, &claim)
}

/// The forger above commits just as the engine does: without a change its claim is accepted.
#[test]
fn an_unchanged_forgery_is_the_honest_claim() {
    let (bench, spec, outcome) = honest();
    let claimed = Forgery::of(&bench, &outcome).commit(&bench);
    assert_eq!(claimed, claim(&outcome));
    assert!(bench.verify(&spec, &claimed, 6).is_accept());
}

fn unit(seed: f32) -> Vec<f32> {
    let raw: Vec<f32> = (0..DIMENSIONS).map(|i| (i as f32 * seed).sin()).collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt();
    raw.iter().map(|x| x / length).collect()
}

#[test]
fn an_invented_embedding_is_a_mismatch() {
    let rejection = forged(|f| f.set(2, &unit(0.7)));
    assert_eq!(rejection.reason, RejectReason::Mismatch);
    assert!(!rejection.reason.is_objective());
    assert!(
        rejection.detail.contains("passage 2"),
        "{}",
        rejection.detail
    );
}

#[test]
fn another_passages_embedding_is_a_mismatch() {
    let rejection = forged(|f| {
        let first = f.row(0).to_vec();
        f.row(5).copy_from_slice(&first);
    });
    assert_eq!(rejection.reason, RejectReason::Mismatch);
}

/// The tolerance is where it is documented: a vector turned by a little less than it passes, by more fails.
#[test]
fn the_tolerance_is_the_documented_one() {
    let (bench, spec, outcome) = honest();
    let turned = |cosine: f64| {
        let mut forgery = Forgery::of(&bench, &outcome);
        let honest = &vectors(&bench)[1];
        // A unit vector at a right angle to the honest one.
        let other = unit(1.3);
        let dot: f32 = honest.iter().zip(&other).map(|(a, b)| a * b).sum();
        let right: Vec<f32> = honest
            .iter()
            .zip(&other)
            .map(|(a, b)| b - dot * a)
            .collect();
        let length = right.iter().map(|x| x * x).sum::<f32>().sqrt();
        let sine = (1.0 - cosine * cosine).sqrt();
        let vector: Vec<f32> = honest
            .iter()
            .zip(&right)
            .map(|(a, b)| (f64::from(*a) * cosine + f64::from(b / length) * sine) as f32)
            .collect();
        forgery.set(1, &vector);
        bench.verify(&spec, &forgery.commit(&bench), 32)
    };
    assert!(turned(1.0 - 0.5e-4).is_accept());
    assert!(matches!(turned(1.0 - 2e-4), Verdict::Reject(_)));
}

#[test]
fn numbers_that_no_embedding_holds_are_rejected_even_where_nothing_is_sampled() {
    let (bench, spec, outcome) = honest();
    for value in [f32::NAN, f32::INFINITY, 2.0, -1e30] {
        let mut forgery = Forgery::of(&bench, &outcome);
        forgery.row(4)[..4].copy_from_slice(&value.to_le_bytes());
        let claim = forgery.commit(&bench);
        match bench.verify(&spec, &claim, 0) {
            Verdict::Reject(r) => assert_eq!(r.reason, RejectReason::Value, "{value}"),
            other => panic!("{value}: {other:?}"),
        }
    }
}

#[test]
fn a_truncated_result_is_rejected() {
    let rejection = forged(|f| {
        let whole = f.embeddings.len() - DIMENSIONS * 4;
        f.embeddings.truncate(whole);
        f.lines.truncate(f.lines.len() - 2);
    });
    assert_eq!(rejection.reason, RejectReason::Count);
    // Consistently shorter, as if the input had five passages.
    let rejection = forged(|f| {
        f.units = 5;
        f.manifest.units = 5;
        f.manifest.steps = 5;
    });
    assert_eq!(rejection.reason, RejectReason::Units);
    let rejection = forged(|f| f.manifest.files.truncate(1));
    assert_eq!(rejection.reason, RejectReason::Malformed);
}

#[test]
fn more_units_than_passages_are_rejected() {
    let (bench, spec, outcome) = honest();
    let more = Claim {
        units: 7,
        ..claim(&outcome)
    };
    assert_eq!(rejection(&bench, &spec, &more).reason, RejectReason::Units);
    assert_eq!(forged(|f| f.manifest.steps = 7).reason, RejectReason::Units);
}

#[test]
fn changed_lines_are_rejected() {
    let replace = |from: &'static str, to: &'static str| {
        forged(move |f| {
            let text = String::from_utf8(f.lines.clone()).unwrap();
            assert!(text.contains(from));
            f.lines = text.replacen(from, to, 1).into_bytes();
        })
        .reason
    };
    assert_eq!(replace("\"line\":5", "\"line\":4"), RejectReason::Count);
    assert_eq!(replace("\"index\":2", "\"index\":3"), RejectReason::Count);
    assert_eq!(
        replace("{\"index\":2", " {\"index\":2"),
        RejectReason::Count
    );
    assert_eq!(
        replace("\"index\":2", "\"index\":02"),
        RejectReason::Malformed
    );
    assert_eq!(
        replace("\"tokens\":4", "\"tokens\":5"),
        RejectReason::Differs
    );
    assert_eq!(
        replace("\"truncated\":false", "\"truncated\":true"),
        RejectReason::Differs
    );
    let longer = forged(|f| f.lines.extend(b"{}\n"));
    assert_eq!(longer.reason, RejectReason::Count);
}

#[test]
fn another_header_or_file_name_is_rejected() {
    let header = forged(|f| {
        let at = f.embeddings.iter().position(|b| *b == b'F').unwrap();
        f.embeddings[at + 1] = b'1';
    });
    assert_eq!(header.reason, RejectReason::Malformed);
    let name = forged(|f| f.manifest.files[0].name = "vectors.safetensors".into());
    assert_eq!(name.reason, RejectReason::Malformed);
    let status = forged(|f| {
        f.manifest.status = Status::Failed(Failure {
            kind: "tired".into(),
            message: String::new(),
            fuel: 0,
        });
    });
    assert_eq!(status.reason, RejectReason::Malformed);
}

#[test]
fn the_trace_of_another_job_is_rejected() {
    let (bench, spec, _) = honest();
    let elsewhere = bench.run(&spec, &Control::new([1; 32])).unwrap();
    assert_eq!(
        rejection(&bench, &spec, &claim(&elsewhere)).reason,
        RejectReason::Trace
    );
}

#[test]
fn the_result_of_another_input_is_rejected() {
    let (bench, _, outcome) = honest();
    let other = embed_spec(bench.put(b"other\ntext\nof\nsix\npassages\nhere\n"));
    assert_eq!(
        rejection(&bench, &other, &claim(&outcome)).reason,
        RejectReason::OtherJob
    );
    // Even when its manifest names the right spec, the texts in the trace are others.
    let mut forgery = Forgery::of(&bench, &outcome);
    forgery.manifest.spec = other.hash();
    let text = String::from_utf8(forgery.lines.clone()).unwrap();
    let text = text
        .replace("\"line\":5", "\"line\":4")
        .replace("\"line\":6", "\"line\":5");
    forgery.lines = text.replace("\"line\":7", "\"line\":6").into_bytes();
    let claim = forgery.commit(&bench);
    assert_eq!(
        rejection(&bench, &other, &claim).reason,
        RejectReason::Trace
    );
}

#[test]
fn a_manifest_that_lies_about_a_size_is_rejected() {
    let (bench, spec, outcome) = honest();
    let mut manifest = outcome.manifest.clone();
    manifest.files[1].size += 1;
    let lying = Claim {
        output_hash: bench.put(&manifest.canonical()).hash,
        ..claim(&outcome)
    };
    assert_eq!(
        rejection(&bench, &spec, &lying).reason,
        RejectReason::Malformed
    );
}

#[test]
fn what_is_missing_or_damaged_here_is_inconclusive() {
    let (bench, spec, outcome) = honest();
    let inconclusive = |why: &str| match bench.verify(&spec, &claim(&outcome), 6) {
        Verdict::Inconclusive { reason } => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    };
    for file in [
        MANIFEST_FILE,
        "embeddings.safetensors",
        "passages.jsonl",
        "fingerprints.bin",
    ] {
        let bytes = std::fs::read(bench.out().join(file)).unwrap();
        let hash = BlobHash::of(&bytes);
        let mut rotten = bytes.clone();
        let last = rotten.len() - 2;
        rotten[last] ^= 1;
        bench.damage(&hash, &rotten);
        inconclusive("delete the file and fetch it again");
        bench.damage(&hash, &bytes[..last]);
        inconclusive("delete the file and fetch it again");
        bench.remove(&hash);
        inconclusive("fetch it first");
        bench.put(&bytes);
    }
    assert!(bench.verify(&spec, &claim(&outcome), 6).is_accept());
}

/// The vector is right, and yet: what it was made from isn't.
#[test]
fn a_fingerprint_of_other_numbers_is_a_mismatch() {
    let scaled = |by: f32| {
        forged(move |f| {
            for entry in
                f.fingerprints[2 * FINGERPRINT_BYTES..3 * FINGERPRINT_BYTES].chunks_exact_mut(8)
            {
                let value = f32::from_le_bytes(entry[4..].try_into().unwrap()) * by;
                entry[4..].copy_from_slice(&value.to_le_bytes());
            }
        })
    };
    for by in [1.001, 2.0, -1.0] {
        let rejection = scaled(by);
        assert_eq!(rejection.reason, RejectReason::Mismatch, "{by}");
        assert_eq!(rejection.steps, [2], "{by}");
    }
    let swapped = forged(|f| {
        let (first, second) = f.fingerprints.split_at_mut(FINGERPRINT_BYTES);
        first.copy_from_slice(&second[..FINGERPRINT_BYTES]);
    });
    // A place of a longer passage may not exist in a shorter one.
    assert!(matches!(
        swapped.reason,
        RejectReason::Mismatch | RejectReason::Value
    ));
    let garbage = forged(|f| f.fingerprints[..4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert_eq!(garbage.reason, RejectReason::Value);
}

/// All passages of the sample that are wrong are named, and those that others found wrong are run besides the sample.
#[test]
fn what_others_found_wrong_is_run_again() {
    let (bench, spec, outcome) = honest();
    let mut forgery = Forgery::of(&bench, &outcome);
    forgery.set(1, &unit(0.4));
    forgery.set(4, &unit(0.5));
    let claim = forgery.commit(&bench);
    let with = |count, also: &[u64], audit| {
        let sampling = Sampling {
            seed: [7; 32],
            count,
            also: also.to_vec(),
            audit,
        };
        match bench.verify_with(&spec, &claim, &sampling) {
            Verdict::Accept(checked) => Ok(checked.checked),
            Verdict::Reject(rejection) => Err(rejection.steps),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(6, &[], true), Err(vec![1, 4]));
    assert_eq!(with(0, &[], true), Ok(0));
    assert_eq!(with(0, &[4, 99], true), Err(vec![4]));
    assert_eq!(with(0, &[0, 2, 2], true), Ok(2));
    // Its form is as it should be.
    assert_eq!(with(6, &[1], false), Ok(0));
}

/// A worker that invents half of its results is caught by four samples out of six as often as the formula
/// says: never missed here, since only three are right.
#[test]
fn sampling_catches_who_invents_half() {
    let (bench, spec, outcome) = honest();
    let mut forgery = Forgery::of(&bench, &outcome);
    for i in [0, 2, 4] {
        forgery.set(i, &unit(0.3 + i as f32));
    }
    let claim = forgery.commit(&bench);
    assert_eq!(io_proof::detection_probability(6, 3, 4), 1.0);
    assert!(matches!(bench.verify(&spec, &claim, 4), Verdict::Reject(_)));
}

// ---- Models of one's own ----

const VOCABULARY: [&str; 8] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "##s",
];

/// A BERT of random numbers: 2 layers, 2 heads, 8 features.
struct Small {
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

impl Small {
    fn new() -> Self {
        let mut tensors = Vec::new();
        let mut state = 1u32;
        let mut add = |name: &str, shape: &[usize]| {
            let values = (0..shape.iter().product::<usize>())
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 24) as f32 - 0.5
                })
                .collect();
            tensors.push((name.to_owned(), shape.to_vec(), values));
        };
        add("embeddings.word_embeddings.weight", &[8, 8]);
        add("embeddings.position_embeddings.weight", &[16, 8]);
        add("embeddings.token_type_embeddings.weight", &[2, 8]);
        add("embeddings.LayerNorm.weight", &[8]);
        add("embeddings.LayerNorm.bias", &[8]);
        for layer in 0..2 {
            let mut add = |name: &str, shape: &[usize]| {
                add(&format!("encoder.layer.{layer}.{name}"), shape);
            };
            for part in ["self.query", "self.key", "self.value", "output.dense"] {
                add(&format!("attention.{part}.weight"), &[8, 8]);
                add(&format!("attention.{part}.bias"), &[8]);
            }
            add("attention.output.LayerNorm.weight", &[8]);
            add("attention.output.LayerNorm.bias", &[8]);
            add("intermediate.dense.weight", &[12, 8]);
            add("intermediate.dense.bias", &[12]);
            add("output.dense.weight", &[8, 12]);
            add("output.dense.bias", &[8]);
            add("output.LayerNorm.weight", &[8]);
            add("output.LayerNorm.bias", &[8]);
        }
        Self { tensors }
    }

    fn config() -> serde_json::Value {
        serde_json::json!({
            "model_type": "bert", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 12, "hidden_act": "gelu",
            "max_position_embeddings": 16, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "position_embedding_type": "absolute", "architectures": ["BertModel"]
        })
    }

    fn tokenizer() -> serde_json::Value {
        let vocabulary: serde_json::Map<String, serde_json::Value> = VOCABULARY
            .iter()
            .enumerate()
            .map(|(i, word)| (word.to_string(), i.into()))
            .collect();
        serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                           "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                           {"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                "pair": [],
                "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                                   "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
            "decoder": null,
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": vocabulary}
        })
    }

    fn safetensors(&self, prefix: &str, half: bool) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, shape, values) in &self.tensors {
            let start = data.len();
            for value in values {
                if half {
                    // bfloat16: the upper half of an f32.
                    data.extend(((value.to_bits() >> 16) as u16).to_le_bytes());
                } else {
                    data.extend(value.to_le_bytes());
                }
            }
            header.insert(
                format!("{prefix}{name}"),
                serde_json::json!({
                    "dtype": if half { "BF16" } else { "F32" },
                    "shape": shape, "data_offsets": [start, data.len()]
                }),
            );
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        bytes
    }

    fn tensor(&self, name: &str) -> &[f32] {
        &self.tensors.iter().find(|(n, ..)| n == name).unwrap().2
    }

    /// BERT as its paper says, one number at a time, in f64.
    fn naive(&self, ids: &[usize], mean: bool) -> Vec<f64> {
        let get = |name: &str, i: usize| f64::from(self.tensor(name)[i]);
        let linear = |x: &[f64], name: &str, outputs: usize| -> Vec<f64> {
            (0..outputs)
                .map(|o| {
                    let weight = |i: usize| get(&format!("{name}.weight"), o * x.len() + i);
                    let dot: f64 = x.iter().enumerate().map(|(i, x)| x * weight(i)).sum();
                    dot + get(&format!("{name}.bias"), o)
                })
                .collect()
        };
        let norm = |x: &[f64], name: &str| -> Vec<f64> {
            let mean = x.iter().sum::<f64>() / 8.0;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 8.0;
            x.iter()
                .enumerate()
                .map(|(i, x)| {
                    (x - mean) / variance.sqrt() * get(&format!("{name}.weight"), i)
                        + get(&format!("{name}.bias"), i)
                })
                .collect()
        };
        let gelu = |x: f64| {
            let (mut term, mut sum) = (x, x);
            for k in 1..100 {
                term *= x * x / f64::from(2 * k + 1);
                sum += term;
            }
            x * (0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt())
        };
        let add =
            |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
        let mut x: Vec<Vec<f64>> = ids
            .iter()
            .enumerate()
            .map(|(position, id)| {
                let sum: Vec<f64> = (0..8)
                    .map(|i| {
                        get("embeddings.word_embeddings.weight", id * 8 + i)
                            + get("embeddings.position_embeddings.weight", position * 8 + i)
                            + get("embeddings.token_type_embeddings.weight", i)
                    })
                    .collect();
                norm(&sum, "embeddings.LayerNorm")
            })
            .collect();
        for layer in 0..2 {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let all = |part: &str| -> Vec<Vec<f64>> {
                x.iter()
                    .map(|x| linear(x, &name(&format!("attention.self.{part}")), 8))
                    .collect()
            };
            let (q, k, v) = (all("query"), all("key"), all("value"));
            x = x
                .iter()
                .enumerate()
                .map(|(t, x)| {
                    let mut mixed = Vec::new();
                    for head in 0..2 {
                        let part = head * 4..head * 4 + 4;
                        let weights: Vec<f64> = k
                            .iter()
                            .map(|k| {
                                let dot: f64 = part.clone().map(|i| q[t][i] * k[i]).sum();
                                (dot / 2.0).exp()
                            })
                            .collect();
                        let total: f64 = weights.iter().sum();
                        mixed.extend(part.map(|i| {
                            weights.iter().zip(&v).map(|(w, v)| w * v[i]).sum::<f64>() / total
                        }));
                    }
                    let attended = norm(
                        &add(x, &linear(&mixed, &name("attention.output.dense"), 8)),
                        &name("attention.output.LayerNorm"),
                    );
                    let wide: Vec<f64> = linear(&attended, &name("intermediate.dense"), 12)
                        .into_iter()
                        .map(gelu)
                        .collect();
                    norm(
                        &add(&attended, &linear(&wide, &name("output.dense"), 8)),
                        &name("output.LayerNorm"),
                    )
                })
                .collect();
        }
        let pooled: Vec<f64> = if mean {
            (0..8)
                .map(|i| x.iter().map(|x| x[i]).sum::<f64>())
                .collect()
        } else {
            x[0].clone()
        };
        let length = pooled.iter().map(|x| x * x).sum::<f64>().sqrt();
        pooled.iter().map(|x| x / length).collect()
    }
}

fn small_spec(bench: &Bench, config: &[u8], tokenizer: &[u8], weights: &[u8]) -> JobSpec {
    let mut spec = embed_spec(bench.put(b"red greens\nblue blue blue\nunknown\n"));
    embed_mut(&mut spec).max_tokens = 16;
    embed_mut(&mut spec).model = ModelRef {
        config: bench.put(config),
        tokenizer: bench.put(tokenizer),
        weights: bench.put(weights),
    };
    spec
}

fn json(value: serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(&value).unwrap()
}

#[test]
fn a_model_of_ones_own_is_computed_as_the_paper_says() {
    let bench = Bench::new();
    let small = Small::new();
    let ids = [vec![2, 4, 5, 7, 3], vec![2, 6, 6, 6, 3], vec![2, 1, 3]];
    for (prefix, half, pooling) in [
        ("", false, Pooling::Mean),
        ("bert.", false, Pooling::Cls),
        ("bert.", true, Pooling::Mean),
    ] {
        let mut spec = small_spec(
            &bench,
            &json(Small::config()),
            &json(Small::tokenizer()),
            &small.safetensors(prefix, half),
        );
        embed_mut(&mut spec).pooling = pooling;
        let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
        assert!(bench.verify(&spec, &claim(&outcome), 3).is_accept());
        // bfloat16 keeps 8 bits of each weight.
        let tolerance = if half { 0.05 } else { 2e-6 };
        for (ids, got) in ids.iter().zip(vectors(&bench)) {
            let want = small.naive(ids, pooling == Pooling::Mean);
            for (got, want) in got.iter().zip(&want) {
                assert!(
                    (f64::from(*got) - want).abs() < tolerance,
                    "{prefix} {half} {pooling:?}: {got} and {want}"
                );
            }
        }
    }
}

#[test]
fn models_that_are_wrong_are_the_renters_fault() {
    let bench = Bench::new();
    let small = Small::new();
    let (config, tokenizer) = (json(Small::config()), json(Small::tokenizer()));
    let weights = small.safetensors("", false);
    let with = |field: &str, value: serde_json::Value| {
        let mut config = Small::config();
        config[field] = value;
        json(config)
    };
    let mut missing = Small::new();
    missing.tensors.pop();
    let mut integers = weights.clone();
    let at = integers.windows(5).position(|w| w == b"\"F32\"").unwrap();
    integers[at..at + 5].copy_from_slice(b"\"I32\"");

    for (config, tokenizer, weights, said) in [
        (
            with("hidden_act", "relu".into()),
            &tokenizer,
            &weights,
            "only \"gelu\"",
        ),
        (
            with("model_type", "gpt2".into()),
            &tokenizer,
            &weights,
            "only \"bert\"",
        ),
        (
            with("num_attention_heads", 3.into()),
            &tokenizer,
            &weights,
            "multiple",
        ),
        (
            with("hidden_size", 0.into()),
            &tokenizer,
            &weights,
            "it must be 1 to",
        ),
        (
            with("hidden_size", (1u64 << 40).into()),
            &tokenizer,
            &weights,
            "it must be 1 to",
        ),
        (
            with("num_hidden_layers", 3.into()),
            &tokenizer,
            &weights,
            "no tensor encoder.layer.2",
        ),
        (
            with("vocab_size", 9.into()),
            &tokenizer,
            &weights,
            "has shape [8, 8]",
        ),
        (
            with("max_position_embeddings", 15.into()),
            &tokenizer,
            &weights,
            "has shape [16, 8]",
        ),
        (b"{}".to_vec(), &tokenizer, &weights, "missing field"),
        (b"\xff".to_vec(), &tokenizer, &weights, "config.json"),
        (config.clone(), &b"{}".to_vec(), &weights, "tokenizer.json"),
        (
            config.clone(),
            &b"\0\0".to_vec(),
            &weights,
            "tokenizer.json",
        ),
        (
            config.clone(),
            &tokenizer,
            &b"\0".repeat(100),
            "model.safetensors",
        ),
        (
            config.clone(),
            &tokenizer,
            &weights[..weights.len() - 1].to_vec(),
            "model.safetensors",
        ),
        (
            config.clone(),
            &tokenizer,
            &missing.safetensors("", false),
            "no tensor",
        ),
        (config.clone(), &tokenizer, &integers, "not floating point"),
    ] {
        let spec = small_spec(&bench, &config, tokenizer, weights);
        let error = bench.quote(&spec).unwrap_err();
        assert!(matches!(error, EngineError::Model(_)), "{error:?}");
        assert!(error.to_string().contains(said), "{said}: {error}");
        assert_eq!(error.fault(), Fault::Renter);
    }
    let mut spec = small_spec(&bench, &config, &tokenizer, &weights);
    embed_mut(&mut spec).max_tokens = 17;
    let error = bench.quote(&spec).unwrap_err();
    assert!(
        error.to_string().contains("the model has 16 positions"),
        "{error}"
    );
}

/// What shows only with a passage that needs it passes every quote. The worker that ran into it has a result to show, and is paid;
/// nobody can claim it of a passage that is fine.
#[test]
fn a_passage_that_has_no_embedding_is_a_result() {
    let bench = Bench::new();
    let small = Small::new();
    let config = json(Small::config());
    let weights = small.safetensors("", false);
    let mut tokenizer_of_nine = Small::tokenizer();
    tokenizer_of_nine["model"]["vocab"]["unknown"] = 8.into();
    let mut no_special_tokens = Small::tokenizer();
    no_special_tokens["post_processor"] = serde_json::Value::Null;
    no_special_tokens["model"]["vocab"] =
        serde_json::json!({"[UNK]": 1, "red": 4, "unknown": 5, "blue": 6});
    let mut no_unknown = Small::tokenizer();
    no_unknown["model"]["vocab"]
        .as_object_mut()
        .unwrap()
        .remove("[UNK]");
    // The word "green" is no number.
    let mut not_a_number = Small::new();
    not_a_number.tensors[0].2[5 * 8] = f32::NAN;
    let cases = [
        (tokenizer_of_nine, &weights, "red\nblue\nunknown\nred\n"),
        (no_special_tokens, &weights, "red\nblue\n\x01\nred\n"),
        (no_unknown, &weights, "red\nblue\nunknown\nred\n"),
        (
            Small::tokenizer(),
            &not_a_number.safetensors("", false),
            "red\nblue\ngreen\ngreen\n",
        ),
    ];
    for (tokenizer, weights, input) in cases {
        let mut spec = small_spec(&bench, &config, &json(tokenizer), weights);
        spec.input = bench.put(input.as_bytes());
        assert_eq!(bench.quote(&spec).unwrap().units, 4);
        let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
        let Status::Failed(failure) = outcome.manifest.status.clone() else {
            panic!("{input}: {:?}", outcome.manifest);
        };
        assert_eq!(failure.kind, "passage");
        assert!(failure.message.starts_with("2 "), "{failure:?}");
        assert_eq!((outcome.units, outcome.manifest.steps), (4, 1));
        assert_eq!(outcome.files, [bench.out().join(MANIFEST_FILE)]);
        assert_eq!(std::fs::read_dir(bench.out()).unwrap().count(), 1);
        let verdict = bench.verify(&spec, &claim(&outcome), 32);
        assert!(verdict.is_accept(), "{input}: {verdict:?}");

        let lie = |change: &dyn Fn(&mut Manifest, &mut Claim)| {
            let (mut manifest, mut claim) = (outcome.manifest.clone(), claim(&outcome));
            change(&mut manifest, &mut claim);
            claim.output_hash = bench.put(&manifest.canonical()).hash;
            match bench.verify(&spec, &claim, 32) {
                Verdict::Reject(rejection) => {
                    // Who rejects what another machine could see otherwise names the passage, for others to look at.
                    let named: &[u64] = match rejection.reason {
                        RejectReason::Mismatch => &[1],
                        _ => &[],
                    };
                    assert_eq!(rejection.steps, named, "{rejection:?}");
                    rejection.reason
                }
                other => panic!("{other:?}"),
            }
        };
        let says = |text: &str| {
            Status::Failed(Failure {
                message: text.to_owned(),
                ..failure.clone()
            })
        };
        let about = |index: u64| failure.message.replacen('2', &index.to_string(), 1);
        assert_eq!(
            lie(&|manifest, _| manifest.status = says("it rained")),
            RejectReason::Malformed
        );
        assert_eq!(
            lie(&|manifest, _| manifest.status = says(&about(4))),
            RejectReason::Malformed
        );
        assert_eq!(
            lie(&|manifest, claim| (manifest.units, claim.units) = (5, 5)),
            RejectReason::Differs
        );
        assert_eq!(lie(&|_, claim| claim.units = 5), RejectReason::Units);
        assert_eq!(
            lie(&|manifest, _| manifest.status = says(&about(1))),
            RejectReason::Trace
        );
        // The whole lie, with its trace: passage 1 is fine.
        let mut trace = io_proof::TraceBuilder::new(JOB);
        let mut step = b"io-embed/1/failed".to_vec();
        step.extend(1_u64.to_le_bytes());
        trace.push(&step).unwrap();
        let root = trace.finish().root();
        assert_eq!(
            lie(&|manifest, claim| {
                manifest.status = says(&about(1));
                claim.trace_root = root;
            }),
            RejectReason::Mismatch
        );
    }
}

/// The first token's vector alone would hide what became of the others, and no oracle accepts a fingerprint of it.
#[test]
fn a_hidden_state_that_is_not_finite_is_a_failure_whatever_is_pooled() {
    let bench = Bench::new();
    let mut small = Small::new();
    for (name, _, values) in &mut small.tensors {
        let norm = name.ends_with("LayerNorm.weight");
        values.fill(if norm { 1.0 } else { 0.0 });
        match name.as_str() {
            // Only the word "green" has something in its first feature, and it grows beyond all bounds after the last layer's
            // attention, through which other tokens would see it.
            "embeddings.word_embeddings.weight" => {
                for (token, row) in values.chunks_exact_mut(8).enumerate() {
                    let at = if token == 5 { 0 } else { 1 };
                    (row[at], row[at + 1]) = (1.0, -1.0);
                }
            }
            "encoder.layer.1.intermediate.dense.weight" => values[0] = 1e15,
            "encoder.layer.1.output.dense.weight" => values[12] = 1e30,
            _ => {}
        }
    }
    let weights = small.safetensors("", false);
    let mut spec = small_spec(
        &bench,
        &json(Small::config()),
        &json(Small::tokenizer()),
        &weights,
    );
    embed_mut(&mut spec).pooling = Pooling::Cls;
    spec.input = bench.put(b"red\nblue red\nred\n");
    let fine = bench.run(&spec, &Control::new(JOB)).unwrap();
    assert_eq!(fine.manifest.status, Status::Ok);
    assert!(bench.verify(&spec, &claim(&fine), 32).is_accept());
    spec.input = bench.put(b"red\nblue red\nred green\nred\n");
    let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
    let Status::Failed(failure) = &outcome.manifest.status else {
        panic!("{:?}", outcome.manifest);
    };
    assert!(failure.message.starts_with("2 "), "{failure:?}");
    let verdict = bench.verify(&spec, &claim(&outcome), 32);
    assert!(verdict.is_accept(), "{verdict:?}");
}

#[test]
fn the_engine_forgets_its_model_when_told() {
    let bench = Bench::new();
    let small = Small::new();
    let weights = small.safetensors("", false);
    let spec = small_spec(
        &bench,
        &json(Small::config()),
        &json(Small::tokenizer()),
        &weights,
    );
    bench.run(&spec, &Control::new(JOB)).unwrap();
    // Loaded: its file isn't needed.
    bench.remove(&BlobHash::of(&weights));
    bench.run(&spec, &Control::new(JOB)).unwrap();
    bench.engines.unload();
    assert!(matches!(
        bench.run(&spec, &Control::new(JOB)),
        Err(EngineError::Blob(BlobError::Missing(_)))
    ));
    assert_eq!(ALL_MINILM_L6_V2.dimensions, DIMENSIONS);
}
