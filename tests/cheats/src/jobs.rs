//! Workers that cheat at jobs, against the real engines on the real model: what is caught by looking at the form, by running sampled
//! steps again, and by drawing who is audited at all.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use bytemuck::Zeroable as _;
use io_client::{Wallet, audit as drawing, io_network::state::Job};
use io_engines::{
    BlobDir, BlobHash, BlobRef, Checked, Claim, Control, EmbedSpec, Engine, EngineSpec, FirstOf,
    InputFormat, JobSpec, Manifest, ModelRef, Outcome as Run, Pooling, RejectReason, Sampling,
    Verdict, WasmSpec,
    embed::{
        EmbedEngine,
        fingerprint::{Difference, FINGERPRINT_BYTES, Fingerprint},
        output,
    },
    models::{self, ALL_MINILM_L6_V2, KnownModels, MODEL_FILES},
    spec::SPEC_VERSION,
    wasm::{OUTPUT_FILE, WasmEngine},
};
use io_proof::{Hash, TraceBuilder};
use io_protocol::messages::Deployment;
use tempfile::TempDir;

use crate::{Outcome, outcome, seed};

const JOB: Hash = [0x5a; 32];
/// Passages of a job, and how many of them an oracle samples.
const PASSAGES: u64 = 40;
const SAMPLE: u32 = 8;
const DIMENSIONS: usize = 384;
/// The first words of the jobs' passages, another in each job: one token each, so that a result has the form that any of the jobs wants. A
/// cheat whose end doesn't hang on the sample runs once on each job.
const KINDS: [&str; 20] = [
    "device", "machine", "engine", "server", "worker", "market", "network", "river", "city",
    "house", "garden", "window", "table", "school", "station", "library", "computer", "bridge",
    "island", "forest",
];
const SURE: u32 = KINDS.len() as u32;
/// What a kept result's manifest is called.
const KEPT_MANIFEST: &str = "manifest.json";
/// Machines that sum in another order.
const MACHINES: u32 = 12;

/// A folder of blobs, with the engines that workers and oracles have.
pub struct Bench {
    folder: TempDir,
    blobs: BlobDir,
    known: KnownModels,
    embed: EmbedEngine,
    wasm: WasmEngine,
}

/// A job: what is to be done, and its address.
struct Task {
    spec: JobSpec,
    job: Hash,
}

/// A job of the cheats, and what an honest worker makes of it.
struct Case {
    task: Task,
    honest: Result,
    claim: Claim,
}

/// A result of an embedding job, taken apart.
#[derive(Clone)]
struct Result {
    vectors: Vec<Vec<f32>>,
    fingerprints: Vec<Fingerprint>,
    lines: Vec<u8>,
}

impl Bench {
    pub fn new() -> Self {
        let model = models::dir(&ALL_MINILM_L6_V2).expect("HOME is not set");
        for file in MODEL_FILES {
            let path = model.join(file);
            assert!(
                path.is_file(),
                "{} isn't there: run ./x setup",
                path.display()
            );
        }
        let folder = TempDir::new().unwrap();
        let blobs = folder.path().join("blobs");
        std::fs::create_dir(&blobs).unwrap();
        Self {
            folder,
            blobs: BlobDir(blobs),
            known: KnownModels::new(),
            embed: EmbedEngine::new(),
            wasm: WasmEngine::new().unwrap(),
        }
    }

    fn put(&self, bytes: &[u8]) -> BlobRef {
        let blob = BlobRef::of(bytes);
        std::fs::write(self.blobs.0.join(blob.hash.to_string()), bytes).unwrap();
        blob
    }

    fn spec(&self, kind: &str, model: ModelRef) -> JobSpec {
        let text: String = (0..PASSAGES)
            .map(|i| {
                format!(
                    "{kind} {i} of {} devices runs {} jobs\n",
                    i * 37 % 101,
                    i * i
                )
            })
            .collect();
        JobSpec {
            version: SPEC_VERSION,
            input: self.put(text.as_bytes()),
            engine: EngineSpec::Embed(EmbedSpec {
                model,
                format: InputFormat::Lines,
                pooling: Pooling::Mean,
                max_tokens: 32,
            }),
        }
    }

    fn engine(&self, spec: &JobSpec) -> &dyn Engine {
        match &spec.engine {
            EngineSpec::Embed(_) => &self.embed,
            EngineSpec::Wasm(_) => &self.wasm,
        }
    }

    /// One of the cheats' jobs, done honestly.
    fn case(&self, which: u32) -> Case {
        let task = Task {
            spec: self.spec(KINDS[which as usize], ALL_MINILM_L6_V2.files),
            job: seed(b"address", which),
        };
        let run = self.run(&task.spec, task.job);
        let honest = self.take_apart(&run.manifest);
        assert_eq!(self.commit(&task, &honest), claim(&run));
        Case {
            task,
            honest,
            claim: claim(&run),
        }
    }

    fn run(&self, spec: &JobSpec, job: Hash) -> Run {
        let blobs = FirstOf(&[&self.blobs, &self.known]);
        let out = self.folder.path().join("out");
        let run = self
            .engine(spec)
            .run(spec, &blobs, &out, &Control::new(job))
            .unwrap();
        for file in &run.files {
            self.put(&std::fs::read(file).unwrap());
        }
        run
    }

    fn blob(&self, hash: &BlobHash) -> Vec<u8> {
        std::fs::read(self.blobs.0.join(hash.to_string())).unwrap()
    }

    fn verify(&self, task: &Task, claim: &Claim, seed: Hash, audit: bool) -> Verdict {
        let blobs = FirstOf(&[&self.blobs, &self.known]);
        let sampling = Sampling {
            seed,
            count: SAMPLE,
            also: Vec::new(),
            audit,
        };
        let Task { spec, job } = task;
        let verdict = self
            .engine(spec)
            .verify(spec, &blobs, claim, &sampling, &Control::new(*job));
        assert!(
            !matches!(verdict, Verdict::Inconclusive { .. }),
            "{verdict:?}"
        );
        verdict
    }

    /// Whether an oracle that audits, with a sample of its own, finds it wrong.
    fn is_caught(&self, task: &Task, claim: &Claim, run: u32) -> bool {
        self.rejected(task, claim, run, true).is_some()
    }

    /// Whether it finds it wrong by running sampled passages again, and the form is right.
    fn is_sampled(&self, task: &Task, claim: &Claim, run: u32) -> bool {
        match self.rejected(task, claim, run, true) {
            None => false,
            Some(RejectReason::Mismatch) => true,
            Some(other) => panic!("{other:?} is no sampled passage"),
        }
    }

    /// What is wrong by the form alone.
    fn by_form(&self, task: &Task, claim: &Claim) -> Option<RejectReason> {
        self.rejected(task, claim, 0, false)
    }

    fn rejected(&self, task: &Task, claim: &Claim, run: u32, audit: bool) -> Option<RejectReason> {
        match self.verify(task, claim, seed(b"sample", run), audit) {
            Verdict::Reject(rejection) => Some(rejection.reason),
            _ => None,
        }
    }

    fn take_apart(&self, manifest: &Manifest) -> Result {
        let [embeddings, lines, prints] = &manifest.files[..] else {
            panic!("{manifest:?}");
        };
        let bytes = self.blob(&embeddings.hash);
        let data = output::header(PASSAGES, DIMENSIONS as u64).len();
        let vectors = bytes[data..]
            .chunks_exact(DIMENSIONS * 4)
            .map(|row| output::floats(row).collect())
            .collect();
        let lines = self.blob(&lines.hash);
        let tokens = tokens(&lines);
        let prints = self.blob(&prints.hash);
        let fingerprints = prints
            .as_chunks::<FINGERPRINT_BYTES>()
            .0
            .iter()
            .zip(tokens)
            .map(|(bytes, tokens)| {
                Fingerprint::parse(bytes, u64::from(tokens) * DIMENSIONS as u64).unwrap()
            })
            .collect();
        Result {
            vectors,
            fingerprints,
            lines,
        }
    }

    /// Commits to a result as if it were this job's.
    fn commit(&self, task: &Task, result: &Result) -> Claim {
        let Task { spec, job } = task;
        let mut embeddings = output::header(PASSAGES, DIMENSIONS as u64);
        let mut prints = Vec::new();
        let mut trace = TraceBuilder::new(*job);
        let input = String::from_utf8(self.blob(&spec.input.hash)).unwrap();
        for (((text, vector), print), tokens) in input
            .lines()
            .zip(&result.vectors)
            .zip(&result.fingerprints)
            .zip(tokens(&result.lines))
        {
            let vector: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            let mut step = b"io-embed/2".to_vec();
            step.extend(BlobHash::of(text.as_bytes()).0);
            step.extend(tokens.to_le_bytes());
            step.extend(print.bytes());
            step.extend(&vector);
            trace.push(&step).unwrap();
            embeddings.extend(vector);
            prints.extend(print.bytes());
        }
        let names = [
            output::EMBEDDINGS_FILE,
            output::PASSAGES_FILE,
            output::FINGERPRINTS_FILE,
        ];
        let files = [&embeddings, &result.lines, &prints].map(|bytes| self.put(bytes));
        let manifest = Manifest {
            version: io_engines::manifest::MANIFEST_VERSION,
            spec: spec.hash(),
            status: io_engines::Status::Ok,
            units: PASSAGES,
            steps: PASSAGES,
            files: names
                .iter()
                .zip(files)
                .map(|(name, blob)| io_engines::OutputFile {
                    name: (*name).into(),
                    size: blob.size,
                    hash: blob.hash,
                })
                .collect(),
        };
        Claim {
            output_hash: self.put(&manifest.canonical()).hash,
            trace_root: trace.finish().root(),
            units: PASSAGES,
        }
    }

    /// The job whose honest results are compared.
    fn compared(&self) -> Task {
        Task {
            spec: self.spec(KINDS[0], ALL_MINILM_L6_V2.files),
            job: JOB,
        }
    }

    /// Runs the honest job here, and keeps its result in `folder` for [`compare_kept`](Self::compare_kept) on another machine.
    pub fn keep_honest(&self, folder: &Path) {
        let task = self.compared();
        let run = self.run(&task.spec, task.job);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(KEPT_MANIFEST), run.manifest.canonical()).unwrap();
        for file in &run.files {
            std::fs::copy(file, folder.join(file.file_name().unwrap())).unwrap();
        }
    }

    /// What a check of every step on this machine says of a result that another one kept: the worst cosine, and the worst difference of
    /// fingerprints.
    pub fn compare_kept(&self, folder: &Path) -> (f64, Difference) {
        let task = self.compared();
        let manifest = std::fs::read(folder.join(KEPT_MANIFEST)).unwrap();
        let manifest = Manifest::from_canonical(&manifest).unwrap();
        for file in &manifest.files {
            self.put(&std::fs::read(folder.join(&file.name)).unwrap());
        }
        let claim = self.commit(&task, &self.take_apart(&manifest));
        self.spread(&task, &claim)
    }

    /// How far an honest result is from this machine's own, in its worst passage.
    fn spread(&self, task: &Task, claim: &Claim) -> (f64, Difference) {
        let blobs = FirstOf(&[&self.blobs, &self.known]);
        let Task { spec, job } = task;
        let verdict = self
            .embed
            .verify(spec, &blobs, claim, &everything(), &Control::new(*job));
        let Verdict::Accept(Checked {
            worst: Some(worst), ..
        }) = verdict
        else {
            panic!("an honest machine was refused: {verdict:?}");
        };
        worst
    }

    /// The results of another model, committed to as the jobs'.
    fn of_model<'a>(
        &self,
        tasks: impl IntoIterator<Item = &'a Task>,
        model: ModelRef,
    ) -> Vec<Claim> {
        let claims = tasks.into_iter().map(|task| {
            let mut other = task.spec.clone();
            if let EngineSpec::Embed(embed) = &mut other.engine {
                embed.model = model;
            }
            let run = self.run(&other, task.job);
            self.commit(task, &self.take_apart(&run.manifest))
        });
        let claims = claims.collect();
        if model.weights != ALL_MINILM_L6_V2.files.weights {
            // 90 MB that nobody needs any more.
            std::fs::remove_file(self.blobs.0.join(model.weights.hash.to_string())).unwrap();
        }
        claims
    }

    /// The model with other weights.
    fn weights(&self, change: impl Fn(&mut Tensors)) -> ModelRef {
        let mut tensors = Tensors::load();
        change(&mut tensors);
        ModelRef {
            weights: self.put(&tensors.bytes),
            ..ALL_MINILM_L6_V2.files
        }
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

fn tokens(lines: &[u8]) -> Vec<u32> {
    lines
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            line["tokens"].as_u64().unwrap() as u32
        })
        .collect()
}

fn model_file(name: &str) -> PathBuf {
    models::dir(&ALL_MINILM_L6_V2).unwrap().join(name)
}

/// The model's weights, changed where they are in the file.
struct Tensors {
    bytes: Vec<u8>,
    /// Name → shape and place.
    index: HashMap<String, (Vec<usize>, std::ops::Range<usize>)>,
}

impl Tensors {
    fn load() -> Self {
        let bytes = std::fs::read(model_file("model.safetensors")).unwrap();
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        let number = |value: &serde_json::Value| value.as_u64().unwrap() as usize;
        let index = header
            .iter()
            .filter(|(_, tensor)| tensor["dtype"] == "F32")
            .map(|(name, tensor)| {
                let shape = tensor["shape"].as_array().unwrap().iter().map(number);
                let at = |i: usize| 8 + length + number(&tensor["data_offsets"][i]);
                (name.clone(), (shape.collect(), at(0)..at(1)))
            })
            .collect();
        Self { bytes, index }
    }

    fn read(&self, name: &str) -> Vec<f32> {
        output::floats(&self.bytes[self.index[name].1.clone()]).collect()
    }

    fn write(&mut self, name: &str, values: &[f32]) {
        let place = self.index[name].1.clone();
        for (to, value) in self.bytes[place]
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .zip(values)
        {
            *to = value.to_le_bytes();
        }
    }

    /// Changes every row of every matrix.
    fn each_row(&mut self, change: impl Fn(&mut [f32])) {
        let matrices: Vec<_> = self
            .index
            .iter()
            .filter(|(_, (shape, _))| shape.len() == 2)
            .map(|(name, (shape, _))| (name.clone(), shape[1]))
            .collect();
        for (name, columns) in matrices {
            let mut values = self.read(&name);
            values.chunks_exact_mut(columns).for_each(&change);
            self.write(&name, &values);
        }
    }

    /// Another order of the features between the two halves of each feed-forward layer: the same model, whose sums run in another
    /// order, as on a machine with other kernels.
    fn reorder(&mut self, machine: u32) {
        for layer in 0..6 {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            let wide = self.index[&name("intermediate.dense.bias")].0[0];
            let mut order: Vec<usize> = (0..wide).collect();
            let key = |i: &usize| seed(b"order", machine << 20 | layer << 16 | *i as u32);
            order.sort_by_cached_key(key);
            let bias = self.read(&name("intermediate.dense.bias"));
            let bias: Vec<f32> = order.iter().map(|i| bias[*i]).collect();
            self.write(&name("intermediate.dense.bias"), &bias);
            let up = self.read(&name("intermediate.dense.weight"));
            let width = up.len() / wide;
            let up: Vec<f32> = order
                .iter()
                .flat_map(|i| up[i * width..][..width].iter().copied())
                .collect();
            self.write(&name("intermediate.dense.weight"), &up);
            let down = self.read(&name("output.dense.weight"));
            let down: Vec<f32> = down
                .chunks_exact(wide)
                .flat_map(|row| order.iter().map(|i| row[*i]))
                .collect();
            self.write(&name("output.dense.weight"), &down);
        }
    }
}

/// Rounds to the 8 significant bits of a bfloat16.
fn to_bf16(row: &mut [f32]) {
    for x in row {
        let bits = x.to_bits();
        *x = f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000);
    }
}

/// Rounds to 255 steps between the row's extremes.
fn to_int8(row: &mut [f32]) {
    let scale = row.iter().fold(0f32, |most, x| most.max(x.abs())) / 127.0;
    if scale > 0.0 {
        for x in row {
            *x = (*x / scale).round() * scale;
        }
    }
}

fn noise(run: u32, n: usize) -> Vec<f32> {
    let mut values = Vec::with_capacity(n);
    let mut block = 0;
    while values.len() < n {
        let bytes = seed(b"noise", run << 12 ^ block);
        values.extend(bytes.iter().map(|b| f32::from(*b) / 128.0 - 1.0));
        block += 1;
    }
    values.truncate(n);
    values
}

/// An answer that costs nothing: of the right form, and made up.
fn invent(result: &mut Result, passage: usize, run: u32) {
    let run = run * PASSAGES as u32 + passage as u32;
    let vector = noise(run, DIMENSIONS);
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    result.vectors[passage] = vector.iter().map(|x| x / length).collect();
    let state = noise(!run, tokens(&result.lines)[passage] as usize * DIMENSIONS);
    result.fingerprints[passage] = Fingerprint::of(&state);
}

/// A worker that invents `wrong` of the passages, spread over all of them.
fn lazy(honest: &Result, wrong: u64, run: u32) -> Result {
    let mut result = honest.clone();
    for i in 0..wrong {
        invent(&mut result, (i * PASSAGES / wrong) as usize, run);
    }
    result
}

/// The wasm job of the cheats: counts in memory, and takes a byte of its input into it at one turn.
fn counter_text(turn: u32) -> String {
    format!(
        r#"(module
    (import "io" "input_read" (func $read (param i32 i32 i32) (result i32)))
    (import "io" "output_write" (func $write (param i32 i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (local $i i32)
        (loop
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $i)))
            (if (i32.eq (local.get $i) (i32.const {turn}))
                (then (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1)))))
            (br_if 0 (i32.lt_u (local.get $i) (i32.const 900000))))
        (call $write (i32.const 16) (i32.const 4))
        (i32.const 0)))"#
    )
}

/// The job numbered `which`, with this byte as its input: other jobs take the turn elsewhere, from a third of their run on.
fn counter(bench: &Bench, which: u32, byte: u8) -> Task {
    let module = counter_text(300_000 + 1_000 * which);
    let spec = JobSpec {
        version: SPEC_VERSION,
        input: bench.put(&[byte]),
        engine: EngineSpec::Wasm(WasmSpec {
            module: bench.put(&wat::parse_str(module).unwrap()),
            fuel: 1_000_000_000,
            memory_mib: 1,
            time_limit_s: 600,
            max_output: 64,
        }),
    };
    Task {
        spec,
        job: seed(b"wasm address", which),
    }
}

fn claim(run: &Run) -> Claim {
    Claim {
        output_hash: run.output_hash,
        trace_root: run.trace_root,
        units: run.units,
    }
}

/// Cheaper models, and what each does.
const MODELS: [(&str, &str); 3] = [
    (
        "bfloat16 weights",
        "runs the model with weights of 8 bits of mantissa",
    ),
    (
        "int8 weights",
        "runs the model with weights of 8 bits, scaled row by row",
    ),
    ("smaller model", "leaves out the last of six layers"),
];

impl Bench {
    fn cheaper(&self, (name, _): (&str, &str)) -> ModelRef {
        match name {
            "bfloat16 weights" => self.weights(|tensors| tensors.each_row(to_bf16)),
            "int8 weights" => self.weights(|tensors| tensors.each_row(to_int8)),
            _ => {
                let config = std::fs::read(model_file("config.json")).unwrap();
                let mut config: serde_json::Value = serde_json::from_slice(&config).unwrap();
                config["num_hidden_layers"] = 5.into();
                ModelRef {
                    config: self.put(&serde_json::to_vec(&config).unwrap()),
                    ..ALL_MINILM_L6_V2.files
                }
            }
        }
    }
}

fn everything() -> Sampling {
    Sampling {
        seed: [0; 32],
        count: PASSAGES as u32,
        also: Vec::new(),
        audit: true,
    }
}

/// What a check of every passage says of each cheaper model, and how many passages show it.
pub fn cheaper_models(bench: &Bench) -> Vec<(&'static str, usize, String)> {
    let task = bench.compared();
    MODELS
        .iter()
        .map(|model| {
            let claimed = bench.of_model([&task], bench.cheaper(*model)).remove(0);
            let blobs = FirstOf(&[&bench.blobs, &bench.known]);
            let control = Control::new(task.job);
            match bench
                .embed
                .verify(&task.spec, &blobs, &claimed, &everything(), &control)
            {
                Verdict::Reject(rejection) => (model.0, rejection.steps.len(), rejection.detail),
                other => panic!("{}: {other:?}", model.0),
            }
        })
        .collect()
}

/// How far honest machines are from each other, and the tolerance that they have: the worst of all passages of all machines.
pub fn honest_spread(bench: &Bench) -> (f64, Difference) {
    let task = bench.compared();
    let mut worst: Option<(f64, Difference)> = None;
    for machine in 0..MACHINES {
        let model = bench.weights(|tensors| tensors.reorder(machine));
        let claimed = bench.of_model([&task], model).remove(0);
        let here = bench.spread(&task, &claimed);
        worst = Some(worst.map_or(here, |(cosine, difference)| {
            (cosine.min(here.0), difference.worst(here.1))
        }));
    }
    worst.unwrap()
}

/// All adversaries; those whose end hangs on a sample `runs` times, and the others on each of the jobs.
pub fn all(bench: &Bench, runs: u32) -> Vec<Outcome> {
    let cases: Vec<Case> = (0..SURE).map(|which| bench.case(which)).collect();
    let case = |run: u32| &cases[run as usize % cases.len()];
    let lengths = |case: &Case| tokens(&case.honest.lines);
    assert!(
        cases.iter().all(|case| lengths(case) == lengths(&cases[0])),
        "a result is of one job's form alone"
    );
    let mut outcomes = vec![];
    let mut add = |outcome| outcomes.push(outcome);

    add(outcome(
        "honest",
        "computes everything, on the checker's machine",
        "nothing",
        Some(0.0),
        SURE,
        |run| bench.is_caught(&case(run).task, &case(run).claim, run),
    ));
    let machines: Vec<Claim> = (0..MACHINES)
        .flat_map(|machine| {
            let model = bench.weights(|tensors| tensors.reorder(machine));
            bench.of_model([&case(machine).task], model)
        })
        .collect();
    add(outcome(
        "honest, unlike machine",
        "computes everything, with sums in another order",
        "nothing",
        Some(0.0),
        MACHINES,
        |run| bench.is_caught(&case(run).task, &machines[run as usize], run),
    ));
    let made_up = |run: u32| {
        let mut made_up = case(run).honest.clone();
        for passage in 0..PASSAGES as usize {
            invent(&mut made_up, passage, run);
        }
        bench.commit(&case(run).task, &made_up)
    };
    add(outcome(
        "random answers",
        "makes up vectors and fingerprints of the right form",
        "sampled passages",
        Some(1.0),
        SURE,
        |run| bench.is_sampled(&case(run).task, &made_up(run), run),
    ));
    add(outcome(
        "another's answer",
        "hands in the result and trace of another job on the same input",
        "the trace is bound to the job; seen by its form",
        Some(1.0),
        SURE,
        |run| {
            let other = Task {
                spec: case(run).task.spec.clone(),
                job: seed(b"another's address", run),
            };
            let answer = bench.commit(&other, &case(run).honest);
            bench.by_form(&case(run).task, &answer) == Some(RejectReason::Trace)
        },
    ));
    add(outcome(
        "another's answer, committed anew",
        "copies what another worker computed for the same input, under a trace of its own",
        "nothing: it is the right answer",
        None,
        SURE,
        |run| {
            let copied = bench.commit(&case(run).task, &case(run).honest);
            bench.is_caught(&case(run).task, &copied, run)
        },
    ));
    add(outcome(
        "old proof",
        "hands in what it computed for an earlier job",
        "the manifest names its spec; seen by its form",
        Some(1.0),
        SURE,
        |run| {
            let (old, now) = (case(run), case(run + 1));
            bench.by_form(&now.task, &old.claim) == Some(RejectReason::OtherJob)
        },
    ));
    add(outcome(
        "old proof, relabelled",
        "the same under a manifest and a trace of this job",
        "sampled passages",
        Some(1.0),
        SURE,
        |run| {
            let (old, now) = (case(run), case(run + 1));
            bench.is_sampled(&now.task, &bench.commit(&now.task, &old.honest), run)
        },
    ));
    let variants = MODELS.map(|name| {
        let tasks = cases.iter().map(|case| &case.task);
        (name, bench.of_model(tasks, bench.cheaper(name)))
    });
    for ((name, does), claimed) in variants {
        add(outcome(
            name,
            does,
            "sampled passages: the fingerprint",
            Some(1.0),
            SURE,
            |run| bench.is_sampled(&case(run).task, &claimed[run as usize], run),
        ));
    }
    for (name, wrong) in [
        ("computes 95 %", 2),
        ("computes 75 %", 10),
        ("computes half", 20),
    ] {
        let claimed: Vec<Claim> = (0..SURE)
            .map(|run| bench.commit(&case(run).task, &lazy(&case(run).honest, wrong, run)))
            .collect();
        add(outcome(
            name,
            "makes up the other passages",
            "sampled passages (8 of 40 here, 32 in service)",
            Some(io_proof::detection_probability(PASSAGES, wrong, SAMPLE)),
            runs,
            |run| bench.is_sampled(&case(run).task, &claimed[(run % SURE) as usize], run),
        ));
    }
    add(outcome(
        "lies on units",
        "claims one passage more than there is",
        "the input is counted; seen by its form",
        Some(1.0),
        SURE,
        |run| {
            let more = Claim {
                units: case(run).claim.units + 1,
                ..case(run).claim
            };
            bench.by_form(&case(run).task, &more) == Some(RejectReason::Units)
        },
    ));
    add(outcome(
        "knows one oracle's sample",
        "computes only the passages that this oracle will sample; another one was drawn to audit, too, and has a sample of its own",
        "that oracle's sample",
        Some(io_proof::detection_probability(
            PASSAGES,
            PASSAGES - u64::from(SAMPLE),
            SAMPLE,
        )),
        SURE,
        |run| {
            let known = io_proof::sample_steps(&seed(b"told", run), PASSAGES, SAMPLE);
            let mut result = case(run).honest.clone();
            for passage in (0..PASSAGES).filter(|passage| !known.contains(passage)) {
                invent(&mut result, passage as usize, run);
            }
            let claimed = bench.commit(&case(run).task, &result);
            bench.is_sampled(&case(run).task, &claimed, run)
        },
    ));

    // The exact engine.
    let relabel = |right: &Task, run: &Run, change: &dyn Fn(&mut Manifest)| {
        let mut manifest = run.manifest.clone();
        manifest.spec = right.spec.hash();
        change(&mut manifest);
        Claim {
            output_hash: bench.put(&manifest.canonical()).hash,
            trace_root: run.trace_root,
            units: manifest.units,
        }
    };
    let modules: Vec<(Task, Run)> = (0..SURE)
        .map(|which| {
            let task = counter(bench, which, which as u8);
            let run = bench.run(&task.spec, task.job);
            (task, run)
        })
        .collect();
    add(outcome(
        "honest (wasm)",
        "runs the module",
        "nothing",
        Some(0.0),
        SURE,
        |run| {
            let (task, honest) = &modules[run as usize];
            bench.is_caught(task, &claim(honest), run)
        },
    ));
    add(outcome(
        "another turn (wasm)",
        "one byte of memory differs from a third of the run on; the output is the same",
        "every step is run again",
        Some(1.0),
        SURE,
        |run| {
            let (task, honest) = &modules[run as usize];
            let other = counter(bench, run, !(run as u8));
            let departed = bench.run(&other.spec, task.job);
            let output = |run: &Run| {
                let mut files = run.manifest.files.iter();
                files.find(|file| file.name == OUTPUT_FILE).cloned()
            };
            assert_eq!(output(&departed), output(honest));
            bench.is_caught(task, &relabel(task, &departed, &|_| {}), run)
        },
    ));
    add(outcome(
        "lies on units (wasm)",
        "claims a million fuel more than it used",
        "the fuel is counted again",
        Some(1.0),
        SURE,
        |run| {
            let (task, honest) = &modules[run as usize];
            let greedy = relabel(task, honest, &|manifest| manifest.units += 1);
            bench.is_caught(task, &greedy, run)
        },
    ));

    // Who is audited at all: an established device with a penalty of the job's price, three oracles, two of which pay.
    let made_up: Vec<Claim> = (0..SURE).map(made_up).collect();
    // What an oracle says of each that looks at the form only, and one that audits.
    let vouches: Vec<[bool; 2]> = (0..SURE)
        .map(|run| {
            let (task, claim) = (&case(run).task, &made_up[run as usize]);
            let says = |audit| bench.verify(task, claim, seed(b"sample", run), audit);
            [false, true].map(|audit| says(audit).is_accept())
        })
        .collect();
    // The friend signs that it is right, whatever it drew.
    let is_paid = |run: u32, drawn: [bool; ORACLES], friend: Option<usize>| {
        let vouches = &vouches[(run % SURE) as usize];
        let signed = (0..ORACLES)
            .filter(|oracle| friend == Some(*oracle) || vouches[usize::from(drawn[*oracle])]);
        signed.count() >= QUORUM
    };
    let rate = f64::from(rate_ppm(ESTABLISHED)) / 1e6;
    add(outcome(
        "hopes not to be drawn",
        format!(
            "an established device makes everything up; two of three oracles' signatures pay, each is drawn to audit with a chance of \
             {:.1} %, and those not drawn look at the form only",
            rate * 100.0
        ),
        "the draw: fewer than two oracles pass over it",
        Some(1.0 - at_least(QUORUM, ORACLES, 1.0 - rate)),
        runs * 10,
        |run| !is_paid(run, draws(run, ESTABLISHED), None),
    ));
    add(outcome(
        "hopes not to be drawn, with one oracle's help",
        "the same, and one of the three signs whatever it drew: one of the two others that passes over it is enough",
        "the draw: neither of the others passes over it",
        Some(1.0 - at_least(QUORUM - 1, ORACLES - 1, 1.0 - rate)),
        runs * 10,
        // Any of the three may be the friend.
        |run| {
            let friend = run as usize % ORACLES;
            !is_paid(run, draws(run, ESTABLISHED), Some(friend))
        },
    ));
    assert_eq!(rate_ppm(NEWCOMER), io_proof::PPM);
    add(outcome(
        "new device",
        "the same by a device without a record",
        "every oracle audits it, at a rate of one",
        Some(1.0),
        1,
        |run| {
            let drawn = draws(run, NEWCOMER);
            drawn == [true; ORACLES] && !is_paid(run, drawn, None)
        },
    )
    .by_construction());
    outcomes
}

/// Oracles of a set, and how many of them pay a result.
const ORACLES: usize = 3;
const QUORUM: usize = 2;

/// The chance that at least `least` of `n` do what each does with the chance `p`.
fn at_least(least: usize, n: usize, p: f64) -> f64 {
    let exactly = |k: usize| {
        let ways = (0..k).fold(1.0, |ways, i| ways * (n - i) as f64 / (i + 1) as f64);
        ways * p.powi(k as i32) * (1.0 - p).powi((n - k) as i32)
    };
    (least..=n).map(exactly).sum()
}

/// Price and penalty of a job, base units of IO, and what its device could gain.
const PRICE: u64 = 1_000_000;
/// Reputation of a device with a long record, and of one without, basis points.
const ESTABLISHED: u16 = 9_500;
const NEWCOMER: u16 = 5_000;

/// A job of a made-up result.
fn made_up_job(run: u32) -> Job {
    Job {
        units: 1_000,
        ask: PRICE,
        io_per_unit_e9: 1_000_000_000,
        exposure: PRICE,
        reject_penalty_bps: 10_000,
        created_slot: run.into(),
        output_hash: seed(b"made up", run),
        trace_root: seed(b"its trace", run),
        ..Job::zeroed()
    }
}

/// With what chance each oracle audits it, ppm.
fn rate_ppm(reputation_bps: u16) -> u32 {
    let job = made_up_job(0);
    drawing::rate_ppm(&job, reputation_bps, ORACLES as u32, QUORUM as u32)
}

/// Which of the oracles audit a made-up result: each draws with its key for the submission, as it does in service.
fn draws(run: u32, reputation_bps: u16) -> [bool; ORACLES] {
    let job = made_up_job(run);
    let (deployment, address) = (
        Deployment {
            program: [1; 32],
            cluster: [2; 32],
        },
        seed(b"job", run),
    );
    let message =
        drawing::sample_message(&deployment, &address, job.created_slot, &job.output_hash);
    [1, 2, 3].map(|oracle| {
        let (_, output) = Wallet::from_seed(&[oracle; 32])
            .draw(&message)
            .expect("a draw");
        let (oracles, quorum) = (ORACLES as u32, QUORUM as u32);
        drawing::draw(&address, &job, &output, reputation_bps, oracles, quorum).audits
    })
}
