//! The `wasm` engine: the renter's WebAssembly module on the renter's input, the same bits on every machine.
//!
//! # What a module must be
//! A core WebAssembly module (no components) that exports a memory named `memory` and a function `run` without
//! parameters that returns an `i32`: 0 when all is well, anything else is the module's own error code, and what
//! it has written by then (its first 512 bytes) becomes the failure's message. It may use floating point, SIMD,
//! bulk memory, multiple values, reference types and extended constants; threads, relaxed SIMD, garbage
//! collection, exceptions, tail calls, 64-bit and multiple memories are refused.
//!
//! It may import these functions from `io`, and nothing else; there is no clock, no randomness, no file and no
//! network:
//!
//! | import | what it does | fuel besides the call's own |
//! |---|---|---|
//! | `input_len() -> i32` | the input's bytes | 0 |
//! | `input_read(ptr: i32, offset: i32, len: i32) -> i32` | copies at most `len` bytes of the input from `offset` to memory at `ptr`; returns how many, 0 behind the input's end | 1 a byte |
//! | `output_write(ptr: i32, len: i32)` | appends `len` bytes of memory at `ptr` to the output | 1 a byte |
//! | `progress(permille: i32)` | says how far the run is, in thousandths; affects nothing | 100 |
//!
//! Numbers are unsigned. Memory that isn't there is a trap.
//!
//! # Why every machine gives the same bits
//! NaNs are canonicalised, the instruction set is fixed, nothing non-deterministic can be imported, fuel is
//! counted the same everywhere, and a memory that may not grow by the spec doesn't grow anywhere. A module
//! that fails (a trap, out of fuel, an error code) fails everywhere in the same way at the same fuel: that is a
//! result as well, and the fuel used is paid.
//!
//! Two failures depend on the machine. They are results all the same, because a worker that had none to show would
//! pay a penalty for the renter's module:
//! - `stack_overflow`, for all of the job's fuel: how deep calls can nest depends on the size of the processor's
//!   frames. A module may count on [`PROMISED_WASM_STACK_BYTES`]; an oracle gives as much when it checks this claim,
//!   and [`MAX_WASM_STACK_BYTES`] when it checks any other.
//! - `time_limit`, for one unit: neither side gains by it. An oracle confirms it when the run doesn't end in an
//!   eighth of the time ([`TIME_LIMIT_DOUBT`]) there.
//!
//! # Trace
//! A step ends when [`STEP_FUEL_PER_PAGE`](steps::STEP_FUEL_PER_PAGE) fuel for each page of memory is used since the last one ended
//! (or a 4,096th of the job's fuel, if that is more), and binds what can be seen of the run there, the same on every machine:
//! ```text
//! "io-wasm/2/step" ‖ fuel used ‖ bytes of memory ‖ BLAKE3(memory) ‖ bytes of output ‖ BLAKE3(output so far)     numbers as u64 LE
//! ```
//! It is taken between two slices of 10⁶ fuel, or at a host function's call. The fuel is counted in whole slices since the last such
//! call; what running past a slice's end came to is left out. The last step is the summary
//! `"io-wasm/2/end" ‖ fuel used ‖ bytes of output ‖ BLAKE3(output) ‖ the manifest's status as JSON`. The two failures that depend on the
//! machine have it alone.
//!
//! Where there is more than the summary, the result has a file `steps.bin` with the hash of every step, 32 bytes each. So whoever runs
//! the job again finds the first step that differs while running, stops there, and has asked nobody anything.
//!
//! The call stack, locals and globals are not among what is bound (wasmtime shows them to nobody while a run is under way, nor
//! can it put them back): a step is re-executed by running the job from its start to the step's end.

mod compile;
pub mod steps;

use crate::blob::{self, BlobHash, BlobRef, Blobs};
use crate::engine::{
    CancelToken, Checked, Claim, Control, Engine, Outcome, Progress, Quote, RejectReason,
    Rejection, Sampling, Verdict, VerificationClass,
};
use crate::error::EngineError;
use crate::files::{self, io_error};
use crate::limits::*;
use crate::manifest::{
    Failure, MANIFEST_VERSION, Manifest, ManifestError, OutputFile, STACK_OVERFLOW, Status,
    TIME_LIMIT,
};
use crate::spec::{EngineSpec, JobSpec, WasmSpec};
use compile::Compilers;
use io_proof::{Hash, TraceBuilder, step_hash};
use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use steps::{Departure, MAX_SLICES, Recorder, STEPS_FILE};
use wasmtime::{
    Caller, Config, Extern, Linker, Module, OptLevel, ResourceLimiter, Store, Trap, WasmFeatures,
};

/// The file a module's output goes to.
pub const OUTPUT_FILE: &str = "output.bin";
/// Fuel of one unit.
pub const FUEL_PER_UNIT: u64 = 1_000_000;
/// The program takes no result of less.
const LEAST_UNITS: u64 = 1;

/// How often a run looks at its cancel token and its clock, in fuel: about a millisecond. Also how far the
/// fuel at a trap can lag behind (wasmtime doesn't save it before instructions that may trap).
const FUEL_SLICE: u64 = FUEL_PER_UNIT;
/// What host functions need of a fiber's stack on top of the module's own.
const HOST_STACK_BYTES: usize = 512 * 1024;
/// What a progress report costs, so that a module can't spend the host's time on reports.
const PROGRESS_FUEL: u64 = 100;
/// How much of a failed module's output its failure's message quotes.
const MAX_FAILURE_TEXT_BYTES: usize = 512;

/// Units for an amount of fuel: 10⁶ fuel each, rounded up.
pub fn units_for_fuel(fuel: u64) -> u64 {
    fuel.div_ceil(FUEL_PER_UNIT)
}

/// Runs WebAssembly. Make one and keep it.
pub struct WasmEngine {
    /// For runs.
    engine: wasmtime::Engine,
    /// For checks, with less and with more stack.
    shallow: wasmtime::Engine,
    deep: wasmtime::Engine,
    compilers: Compilers,
}

/// What a run gets of the machine.
struct Machine<'a> {
    engine: &'a wasmtime::Engine,
    time_limit: Duration,
}

impl WasmEngine {
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            engine: Self::engine(WASM_STACK_BYTES)?,
            shallow: Self::engine(PROMISED_WASM_STACK_BYTES)?,
            deep: Self::engine(MAX_WASM_STACK_BYTES)?,
            compilers: Compilers::default(),
        })
    }

    fn engine(stack_bytes: usize) -> Result<wasmtime::Engine, EngineError> {
        let mut config = Config::new();
        config
            .wasm_features(WasmFeatures::all(), false)
            .wasm_features(
                WasmFeatures::MUTABLE_GLOBAL
                    | WasmFeatures::SATURATING_FLOAT_TO_INT
                    | WasmFeatures::SIGN_EXTENSION
                    | WasmFeatures::REFERENCE_TYPES
                    | WasmFeatures::MULTI_VALUE
                    | WasmFeatures::BULK_MEMORY
                    | WasmFeatures::SIMD
                    | WasmFeatures::FLOATS
                    | WasmFeatures::EXTENDED_CONST,
                true,
            )
            .cranelift_opt_level(OptLevel::Speed)
            .cranelift_nan_canonicalization(true)
            .consume_fuel(true)
            // A run's memory is read where it is, between slices.
            .memory_may_move(false)
            .max_wasm_stack(stack_bytes)
            .async_stack_size(stack_bytes + HOST_STACK_BYTES);
        wasmtime::Engine::new(&config)
            .map_err(|e| EngineError::Host(format!("can't start wasmtime: {e:#}")))
    }

    /// Compiles a module and checks its imports and exports.
    fn compile(
        &self,
        engine: &wasmtime::Engine,
        bytes: Vec<u8>,
        cancel: &CancelToken,
    ) -> Result<Module, EngineError> {
        let module = self.compilers.compile(engine, bytes, cancel)?;
        for import in module.imports() {
            if import.module() != "io" || !HOST_FUNCTIONS.contains(&import.name()) {
                return Err(EngineError::Module(format!(
                    "it imports {}.{}, and all there is to import is io.{}",
                    import.module(),
                    import.name(),
                    HOST_FUNCTIONS.join(", io.")
                )));
            }
        }
        match module.get_export("memory") {
            Some(wasmtime::ExternType::Memory(_)) => {}
            _ => {
                return Err(EngineError::Module(
                    "it must export a memory named \"memory\"".into(),
                ));
            }
        }
        match module.get_export("run") {
            Some(wasmtime::ExternType::Func(f))
                if f.params().len() == 0
                    && f.results().len() == 1
                    && f.results().all(|t| t.is_i32()) => {}
            _ => {
                return Err(EngineError::Module(
                    "it must export a function \"run\" without parameters that returns an i32"
                        .into(),
                ));
            }
        }
        linker(engine)
            .and_then(|linker| linker.instantiate_pre(&module))
            .map_err(|e| EngineError::Module(format!("{e:#}")))?;
        Ok(module)
    }

    fn load(
        &self,
        engine: &wasmtime::Engine,
        spec: &WasmSpec,
        blobs: &dyn Blobs,
        cancel: &CancelToken,
    ) -> Result<Module, EngineError> {
        let bytes = blob::read(blobs, &spec.module, MAX_MODULE_BYTES)?;
        let module = self.compile(engine, bytes, cancel)?;
        check_size(&module, spec)?;
        Ok(module)
    }

    /// Runs a job to its end, or to the first step that isn't the committed one.
    fn execute(
        &self,
        spec: &WasmSpec,
        input: &BlobRef,
        blobs: &dyn Blobs,
        machine: Machine<'_>,
        committed: Option<Vec<Hash>>,
        control: &Control<'_>,
    ) -> Result<End, EngineError> {
        let engine = machine.engine;
        let module = self.load(engine, spec, blobs, &control.cancel)?;
        let input = blob::read(blobs, input, MAX_INPUT_BYTES)?;
        control.cancel.check()?;

        let reported = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let recorder = Arc::new(Mutex::new(Recorder::new(spec.fuel, committed)));
        let watch = Watch {
            recorder: recorder.clone(),
            cancel: control.cancel.clone(),
            until: Instant::now() + machine.time_limit,
            fuel: spec.fuel,
            looked: 0,
        };
        let until = watch.until;
        let mut store = Store::new(
            engine,
            Host {
                input,
                output: Vec::new(),
                max_output: spec.max_output as usize,
                max_memory: spec.memory_mib as usize * 1024 * 1024,
                table_elements: 0,
                permille: reported.clone(),
                watch,
                host_failure: None,
            },
        );
        store.limiter(|host| host);
        let failed_setup = |e: wasmtime::Error| EngineError::Host(format!("{e:#}"));
        store.set_fuel(spec.fuel).map_err(failed_setup)?;
        store
            .fuel_async_yield_interval(Some(FUEL_SLICE))
            .map_err(failed_setup)?;
        let linker = linker(engine).map_err(failed_setup)?;

        // Where the memory is; null until there is one.
        let memory_at = Cell::new(std::ptr::null());
        let ended = {
            let run = async {
                let instance = linker.instantiate_async(&mut store, &module).await?;
                let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
                if let Some(memory) = instance.get_memory(&mut store, "memory") {
                    memory_at.set(memory.data_ptr(&store).cast_const());
                }
                run.call_async(&mut store, ()).await
            };
            let mut run = pin!(run);
            let mut last_reported = 0;
            loop {
                // The run is pending only between two slices of fuel: nothing else in it waits.
                match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(ended) => break ended,
                    Poll::Pending => {
                        control.cancel.check()?;
                        if Instant::now() > until {
                            return Ok(End::TooLong);
                        }
                        let mut recorder = lock(&recorder);
                        if recorder.after_slice(FUEL_SLICE) && !memory_at.get().is_null() {
                            // SAFETY: the run is suspended on its fiber, so nothing changes the memory while this slice lives, which is
                            // until the end of this statement, and nobody else has the store. The memory never moves (the engine's
                            // `memory_may_move`), lives as long as the store, and is as long as the limiter last allowed: one that
                            // could then not be had ended the run.
                            let memory = unsafe {
                                std::slice::from_raw_parts(memory_at.get(), recorder.memory_bytes())
                            };
                            recorder.end_step(FUEL_SLICE, memory);
                            if let Some(departure) = recorder.departed() {
                                return Ok(End::Departed(departure.clone()));
                            }
                        }
                        drop(recorder);
                        let permille = reported.load(std::sync::atomic::Ordering::Relaxed);
                        if permille > last_reported {
                            last_reported = permille;
                            (control.progress)(Progress {
                                done: permille.into(),
                                total: 1000,
                            });
                        }
                    }
                }
            }
        };
        let fuel = spec.fuel - store.get_fuel().map_err(failed_setup)?;
        let host = store.into_data();
        if let Some(failure) = host.host_failure {
            return Err(EngineError::Host(failure));
        }
        let status = match ended {
            Ok(0) => Status::Ok,
            Ok(code) => {
                let said = &host.output[..host.output.len().min(MAX_FAILURE_TEXT_BYTES)];
                let said = String::from_utf8_lossy(said);
                let said = said.trim_end();
                let colon = if said.is_empty() { "" } else { ": " };
                failed(
                    "exit_code",
                    format!("run returned {code}{colon}{said}"),
                    fuel,
                )
            }
            Err(error) if error.downcast_ref() == Some(&Trap::StackOverflow) => overflowed(spec),
            Err(error) => match error.downcast_ref() {
                Some(Stop::Cancelled) => return Err(EngineError::Cancelled),
                Some(Stop::TooLong) => return Ok(End::TooLong),
                Some(Stop::Departed(departure)) => return Ok(End::Departed(departure.clone())),
                None => failure_of(&error, fuel)?,
            },
        };
        let fuel = match &status {
            Status::Failed(failure) => failure.fuel,
            Status::Ok => fuel,
        };
        // What a failed run wrote is of no use to anybody, and this way it needs no storage.
        let output = if status == Status::Ok {
            host.output
        } else {
            Vec::new()
        };
        // Where a stack ends depends on the machine, and so does how many steps there are before.
        let steps = match &status {
            Status::Failed(failure) if failure.kind == STACK_OVERFLOW => Vec::new(),
            _ => lock(&recorder).hashes().to_vec(),
        };
        if status == Status::Ok {
            (control.progress)(Progress {
                done: 1000,
                total: 1000,
            });
        }
        Ok(End::Ended(Execution {
            status,
            fuel,
            output,
            steps,
        }))
    }
}

/// What became of a run.
enum End {
    Ended(Execution),
    /// Not at its end after the time that the machine is lent for.
    TooLong,
    /// It did something else than was committed.
    Departed(Departure),
}

fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    // It is whole between any two of its calls.
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine for WasmEngine {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn class(&self) -> VerificationClass {
        VerificationClass::Exact
    }

    /// Compiles the module. The units are those of all its fuel.
    fn quote(&self, spec: &JobSpec, blobs: &dyn Blobs) -> Result<Quote, EngineError> {
        let wasm = check(spec)?;
        self.load(&self.engine, wasm, blobs, &CancelToken::new())?;
        blob::read(blobs, &spec.input, MAX_INPUT_BYTES)?;
        Ok(Quote {
            units: units_for_fuel(wasm.fuel),
            exact: false,
        })
    }

    fn run(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        out_dir: &Path,
        control: &Control<'_>,
    ) -> Result<Outcome, EngineError> {
        let wasm = check(spec)?;
        files::prepare(out_dir)?;
        let machine = Machine {
            engine: &self.engine,
            time_limit: Duration::from_secs(wasm.time_limit_s.into()),
        };
        let execution = match self.execute(wasm, &spec.input, blobs, machine, None, control)? {
            End::Ended(execution) if control.canary && wasm.max_output > 0 => execution.spoiled(),
            End::Ended(execution) => execution,
            End::TooLong => Execution::too_long(wasm),
            End::Departed(_) => return Err(EngineError::Host("nothing was committed".into())),
        };
        let result = execution.into_result(spec, &control.job)?;
        for (file, bytes) in result.manifest.files.iter().zip(&result.bytes) {
            let path = out_dir.join(&file.name);
            std::fs::write(&path, bytes).map_err(io_error("can't write the output", &path))?;
        }
        files::finish(out_dir, result.manifest, result.trace_root)
    }

    /// Runs the job again and compares everything.
    fn verify(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Verdict {
        self.check_claim(spec, blobs, claim, sampling, control)
            .unwrap_or_else(|e| Verdict::Inconclusive {
                reason: e.to_string(),
            })
    }
}

impl WasmEngine {
    fn check_claim(
        &self,
        spec: &JobSpec,
        blobs: &dyn Blobs,
        claim: &Claim,
        sampling: &Sampling,
        control: &Control<'_>,
    ) -> Result<Verdict, EngineError> {
        let wasm = check(spec)?;
        let claimed = match Manifest::load(blobs, &claim.output_hash) {
            Ok(manifest) => manifest,
            Err(ManifestError::Blob(e)) => return Err(e.into()),
            Err(e @ ManifestError::Malformed(_)) => {
                return Ok(Verdict::reject(RejectReason::Malformed, e.to_string()));
            }
        };
        if claimed.spec != spec.hash() {
            return Ok(Verdict::reject(
                RejectReason::OtherJob,
                format!(
                    "the result is of spec {}, the job's is {}",
                    claimed.spec,
                    spec.hash()
                ),
            ));
        }
        let limit = Duration::from_secs(wasm.time_limit_s.into());
        let kind = match &claimed.status {
            Status::Failed(failure) => failure.kind.as_str(),
            Status::Ok => "",
        };
        let machine = Machine {
            engine: match kind {
                STACK_OVERFLOW => &self.shallow,
                _ => &self.deep,
            },
            time_limit: match kind {
                TIME_LIMIT => limit / TIME_LIMIT_DOUBT,
                _ => limit * VERIFY_PATIENCE,
            },
        };
        // These two bind no steps, for a run on another machine has others.
        let committed = if kind == STACK_OVERFLOW || kind == TIME_LIMIT {
            None
        } else {
            match committed_steps(blobs, &claimed, claim, &control.job)? {
                Ok(committed) => Some(committed),
                Err(verdict) => return Ok(verdict),
            }
        };
        if !sampling.audit {
            return check_form(wasm, blobs, &claimed, claim);
        }
        let execution = match self.execute(wasm, &spec.input, blobs, machine, committed, control)? {
            End::Ended(execution) => execution,
            End::TooLong if kind == TIME_LIMIT => Execution::too_long(wasm),
            End::TooLong => {
                return Err(EngineError::Host(format!(
                    "the run takes longer than {VERIFY_PATIENCE} times its limit here"
                )));
            }
            End::Departed(departure) => {
                return Ok(Verdict::Reject(Rejection {
                    reason: RejectReason::Differs,
                    detail: departure_text(&departure, claimed.steps),
                    steps: vec![departure.step],
                }));
            }
        };
        let fuel = execution.fuel;
        let RunResult {
            manifest: right,
            trace_root,
            ..
        } = execution.into_result(spec, &control.job)?;
        if claimed != right {
            let of_this_machine =
                claimed.failure_of_a_machine().is_none() && right.failure_of_a_machine().is_some();
            return Ok(Verdict::reject(
                match of_this_machine {
                    true => RejectReason::OfThisMachine,
                    false => RejectReason::Differs,
                },
                difference(&right, &claimed),
            ));
        }
        if claim.trace_root != trace_root {
            return Ok(Verdict::reject(
                RejectReason::Trace,
                format!(
                    "the trace's root is {}, not {} (the run used {fuel} fuel)",
                    hex::encode(trace_root),
                    hex::encode(claim.trace_root)
                ),
            ));
        }
        if claim.units != right.units {
            return Ok(Verdict::reject(
                RejectReason::Units,
                format!(
                    "{} units were claimed, the run used {}",
                    claim.units, right.units
                ),
            ));
        }
        // Right, but the renter must be able to fetch it.
        for file in &right.files {
            blobs.locate(&file.hash)?;
        }
        Ok(Verdict::Accept(Checked {
            units: right.units,
            steps: right.steps,
            checked: right.steps,
            worst: None,
        }))
    }
}

fn check(spec: &JobSpec) -> Result<&WasmSpec, EngineError> {
    spec.check()?;
    match &spec.engine {
        EngineSpec::Wasm(wasm) => Ok(wasm),
        other => Err(EngineError::Spec(format!(
            "it is for the engine {}, not for wasm",
            other.name()
        ))),
    }
}

/// What a module has from the start must fit. Found out before a job is taken: the worker that took it would have no result to
/// show, and pay for that.
fn check_size(module: &Module, spec: &WasmSpec) -> Result<(), EngineError> {
    let needs = module.resources_required();
    let pages = needs.max_initial_memory_size.unwrap_or(0);
    let most_pages = u64::from(spec.memory_mib) * 1024 * 1024 / PAGE_BYTES;
    if pages > most_pages {
        return Err(EngineError::Module(format!(
            "its memory starts with {pages} pages of 64 KiB, and the job allows {most_pages}"
        )));
    }
    // Only the largest table is told: several count as if each were that large.
    let elements = u64::from(needs.num_tables) * needs.max_initial_table_size.unwrap_or(0);
    if needs.num_tables as usize > MAX_TABLES || elements > MAX_TABLE_ELEMENTS as u64 {
        return Err(EngineError::Module(format!(
            "its {} tables start with up to {elements} elements; {MAX_TABLES} and {MAX_TABLE_ELEMENTS} are the most",
            needs.num_tables
        )));
    }
    Ok(())
}

/// What can be said of a claim without running anything; its steps have been compared with its trace.
fn check_form(
    spec: &WasmSpec,
    blobs: &dyn Blobs,
    claimed: &Manifest,
    claim: &Claim,
) -> Result<Verdict, EngineError> {
    let most = units_for_fuel(spec.fuel);
    if claim.units != claimed.units || !(LEAST_UNITS..=most).contains(&claim.units) {
        return Ok(Verdict::reject(
            RejectReason::Units,
            format!(
                "{} units were claimed, the manifest has {}, and all of the job's fuel comes to {most}",
                claim.units, claimed.units
            ),
        ));
    }
    let has_output = claimed.status == Status::Ok;
    let names: Vec<_> = [(has_output, OUTPUT_FILE), (claimed.steps > 1, STEPS_FILE)]
        .into_iter()
        .filter_map(|(is_there, name)| is_there.then_some(name))
        .collect();
    if !claimed.files.iter().map(|file| &file.name).eq(&names) {
        return Ok(Verdict::reject(
            RejectReason::Malformed,
            format!("the result's files are not {}", names.join(" and ")),
        ));
    }
    if let Some(file) = claimed.file(OUTPUT_FILE) {
        let found = blob::read_hash(blobs, &file.hash, MAX_WASM_OUTPUT_BYTES)?.len() as u64;
        if found != file.size || found > spec.max_output {
            return Ok(Verdict::reject(
                RejectReason::Malformed,
                format!(
                    "{OUTPUT_FILE} has {found} bytes, the manifest says {}, and the job allows {}",
                    file.size, spec.max_output
                ),
            ));
        }
    }
    Ok(Verdict::Accept(Checked {
        units: claimed.units,
        steps: claimed.steps,
        checked: 0,
        worst: None,
    }))
}

/// The hashes of the steps that a claim commits to, without its summary's; or what is wrong with them.
fn committed_steps(
    blobs: &dyn Blobs,
    claimed: &Manifest,
    claim: &Claim,
    job: &[u8; 32],
) -> Result<Result<Vec<Hash>, Verdict>, EngineError> {
    let malformed = |what: String| Ok(Err(Verdict::reject(RejectReason::Malformed, what)));
    // One step is the summary: it is compared at the end.
    if claimed.steps <= 1 {
        return Ok(Ok(Vec::new()));
    }
    let Some(file) = claimed.file(STEPS_FILE) else {
        return malformed(format!(
            "the result has {} steps and no {STEPS_FILE}",
            claimed.steps
        ));
    };
    if claimed.steps > MAX_SLICES + 1 || file.size != claimed.steps * 32 {
        return malformed(format!(
            "{STEPS_FILE} has {} bytes, and the result {} steps of 32 bytes, of which {} are the most",
            file.size,
            claimed.steps,
            MAX_SLICES + 1
        ));
    }
    let bytes = blob::read_hash(blobs, &file.hash, (MAX_SLICES + 1) * 32)?;
    let Some(mut hashes) =
        steps::parse(&bytes).filter(|hashes| hashes.len() as u64 == claimed.steps)
    else {
        return malformed(format!("{STEPS_FILE} isn't {} hashes", claimed.steps));
    };
    if root_of(&hashes, job)? != claim.trace_root {
        return Ok(Err(Verdict::reject(
            RejectReason::Trace,
            format!("the steps in {STEPS_FILE} have another root than the committed one"),
        )));
    }
    hashes.pop();
    Ok(Ok(hashes))
}

/// The root of the steps that a result publishes, for this job: what its trace's committed root has to be. `None` where it publishes none that can
/// be read.
pub fn published_root(blobs: &dyn Blobs, claimed: &Manifest, job: &[u8; 32]) -> Option<Hash> {
    let file = claimed.file(STEPS_FILE)?;
    let bytes = blob::read_hash(blobs, &file.hash, (MAX_SLICES + 1) * 32).ok()?;
    root_of(&steps::parse(&bytes)?, job).ok()
}

fn root_of(steps: &[Hash], job: &[u8; 32]) -> Result<Hash, EngineError> {
    let mut trace = TraceBuilder::new(*job);
    for hash in steps {
        trace.push_hash(hash).map_err(host)?;
    }
    Ok(trace.finish().root())
}

fn departure_text(departure: &Departure, steps: u64) -> String {
    let Departure {
        step,
        fuel,
        right,
        committed,
    } = departure;
    let right = hex::encode(right);
    match committed {
        Some(committed) => format!(
            "step {step} of {steps} is the first that differs: run again from the start to {fuel} fuel it hashes to {right}, \
             committed was {}",
            hex::encode(committed)
        ),
        None => format!(
            "the committed trace ends after {steps} steps; run again there is a step {step}, at {fuel} fuel, with the hash {right}"
        ),
    }
}

fn host(error: io_proof::ProofError) -> EngineError {
    EngineError::Host(error.to_string())
}

fn difference(right: &Manifest, claimed: &Manifest) -> String {
    let files = |m: &Manifest| {
        m.files
            .iter()
            .map(|f| format!("{} {} bytes {}", f.name, f.size, f.hash))
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!(
        "running it again gives {:?}, {} units, [{}]; claimed were {:?}, {} units, [{}]",
        right.status,
        right.units,
        files(right),
        claimed.status,
        claimed.units,
        files(claimed)
    )
}

/// How a run ended, on every machine.
struct Execution {
    status: Status,
    fuel: u64,
    /// Empty for a failed run.
    output: Vec<u8>,
    /// Hashes of the steps before the summary.
    steps: Vec<Hash>,
}

/// A result, and what is in its files.
struct RunResult {
    manifest: Manifest,
    trace_root: Hash,
    bytes: Vec<Vec<u8>>,
}

impl Execution {
    /// A run that reached its time limit. Nothing about it is exact, so it costs the least that a result can.
    fn too_long(spec: &WasmSpec) -> Self {
        let message = format!(
            "the run took longer than the job's time limit of {} s",
            spec.time_limit_s
        );
        Self {
            status: failed(TIME_LIMIT, message, 0),
            fuel: 0,
            output: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// The same run with another end: the last bit of its output differs, or it did not fail. What is committed to is over that, so that
    /// nobody can tell from a right result without running it.
    fn spoiled(mut self) -> Self {
        match self.output.last_mut() {
            Some(last) => *last ^= 1,
            None => self.output.push(0),
        }
        Self {
            status: Status::Ok,
            ..self
        }
    }

    fn into_result(self, spec: &JobSpec, job: &[u8; 32]) -> Result<RunResult, EngineError> {
        let output_hash = BlobHash::of(&self.output);
        let mut summary = b"io-wasm/2/end".to_vec();
        summary.extend(self.fuel.to_le_bytes());
        summary.extend((self.output.len() as u64).to_le_bytes());
        summary.extend(output_hash.0);
        summary.extend(serde_json::to_vec(&self.status).expect("a status is strings and integers"));
        let mut steps = self.steps;
        steps.push(step_hash(&summary));
        let trace_root = root_of(&steps, job)?;
        let count = steps.len() as u64;
        let (mut files, mut bytes) = (Vec::new(), Vec::new());
        let mut file = |name: &str, content: Vec<u8>, hash| {
            files.push(OutputFile {
                name: name.into(),
                size: content.len() as u64,
                hash,
            });
            bytes.push(content);
        };
        if self.status == Status::Ok {
            file(OUTPUT_FILE, self.output, output_hash);
        }
        if steps.len() > 1 {
            let steps = steps.concat();
            let hash = BlobHash::of(&steps);
            file(STEPS_FILE, steps, hash);
        }
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            spec: spec.hash(),
            status: self.status,
            units: units_for_fuel(self.fuel).max(LEAST_UNITS),
            steps: count,
            files,
        };
        Ok(RunResult {
            manifest,
            trace_root,
            bytes,
        })
    }
}

/// A run whose calls nested too deeply. Where exactly depends on the machine, so the message says nothing of it, and all of the
/// fuel is paid: nobody gets work for nothing by ending it so.
fn overflowed(spec: &WasmSpec) -> Status {
    let message = format!(
        "the module's calls are nested too deeply: it can count on {} KiB of stack",
        PROMISED_WASM_STACK_BYTES / 1024
    );
    failed(STACK_OVERFLOW, message, spec.fuel)
}

fn failed(kind: &str, message: String, fuel: u64) -> Status {
    Status::Failed(Failure {
        kind: kind.into(),
        message,
        fuel,
    })
}

/// Tells a failure that every machine sees from one of this machine.
fn failure_of(error: &wasmtime::Error, fuel: u64) -> Result<Status, EngineError> {
    if let Some(HostTrap { kind, message }) = error.downcast_ref::<HostTrap>() {
        return Ok(failed(kind, message.clone(), fuel));
    }
    let Some(trap) = error.downcast_ref::<Trap>() else {
        // What a module asks for from the start was checked when it was loaded: this machine doesn't have it.
        return Err(EngineError::Host(format!("{error:#}")));
    };
    let kind = match trap {
        Trap::OutOfFuel => "out_of_fuel",
        Trap::MemoryOutOfBounds => "memory_out_of_bounds",
        Trap::TableOutOfBounds => "table_out_of_bounds",
        Trap::IndirectCallToNull => "indirect_call_to_null",
        Trap::BadSignature => "bad_signature",
        Trap::IntegerOverflow => "integer_overflow",
        Trap::IntegerDivisionByZero => "integer_division_by_zero",
        Trap::BadConversionToInteger => "bad_conversion_to_integer",
        Trap::UnreachableCodeReached => "unreachable",
        Trap::NullReference => "null_reference",
        other => return Err(EngineError::Host(format!("unexpected: {other}"))),
    };
    Ok(failed(kind, format!("{trap} after {fuel} fuel"), fuel))
}

/// A failure that a host function raises.
#[derive(Debug)]
struct HostTrap {
    kind: &'static str,
    message: String,
}

impl fmt::Display for HostTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostTrap {}

/// Ends a run from within a host function.
#[derive(Debug)]
enum Stop {
    Cancelled,
    TooLong,
    Departed(Departure),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped: {self:?}")
    }
}

impl std::error::Error for Stop {}

/// What watches a run from within: setting the fuel, as host functions do, begins a new slice, so a module that calls them often
/// enough is never seen between two.
struct Watch {
    recorder: Arc<Mutex<Recorder>>,
    cancel: CancelToken,
    until: Instant,
    /// The job's.
    fuel: u64,
    /// Fuel used at the last look at the clock.
    looked: u64,
}

/// A running module's view of the world, and its limits.
struct Host {
    input: Vec<u8>,
    output: Vec<u8>,
    max_output: usize,
    max_memory: usize,
    table_elements: usize,
    permille: Arc<std::sync::atomic::AtomicU32>,
    watch: Watch,
    /// Set when this machine, and not the module, is to blame.
    host_failure: Option<String>,
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed =
            desired <= self.max_memory && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            lock(&self.watch.recorder).grown(desired);
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Wasmtime also comes here for more than 4 GiB, before it asks `memory_growing`. That fails on every
        // machine, so the module simply gets its −1. Any other failure is this machine's, and must not be
        // mistaken for the module's own limit.
        if error.to_string().contains("memory type's limits") {
            return Ok(());
        }
        self.host_failure = Some(format!("no memory for the module: {error:#}"));
        Err(error)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self
            .table_elements
            .saturating_add(desired.saturating_sub(current));
        let allowed =
            total <= MAX_TABLE_ELEMENTS && maximum.is_none_or(|maximum| desired <= maximum);
        if allowed {
            self.table_elements = total;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        1
    }
}

/// A page of linear memory, by WebAssembly's definition.
const PAGE_BYTES: u64 = 64 * 1024;
/// Tables of one module.
const MAX_TABLES: usize = 16;

const HOST_FUNCTIONS: [&str; 4] = ["input_len", "input_read", "output_write", "progress"];

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap("io", "input_len", |caller: Caller<'_, Host>| -> u32 {
        caller.data().input.len() as u32
    })?;
    linker.func_wrap("io", "input_read", input_read)?;
    linker.func_wrap("io", "output_write", output_write)?;
    linker.func_wrap("io", "progress", progress)?;
    Ok(linker)
}

fn input_read(
    mut caller: Caller<'_, Host>,
    ptr: u32,
    offset: u32,
    len: u32,
) -> wasmtime::Result<u32> {
    let available = (caller.data().input.len() as u64).saturating_sub(offset.into());
    let len = available.min(len.into()) as usize;
    burn(&mut caller, len as u64)?;
    let (memory, host) = memory(&mut caller)?;
    let to = range(memory.len(), ptr, len)?;
    if len > 0 {
        memory[to].copy_from_slice(&host.input[offset as usize..][..len]);
    }
    Ok(len as u32)
}

fn output_write(mut caller: Caller<'_, Host>, ptr: u32, len: u32) -> wasmtime::Result<()> {
    burn(&mut caller, len.into())?;
    let (memory, host) = memory(&mut caller)?;
    let from = range(memory.len(), ptr, len as usize)?;
    if from.len() > host.max_output - host.output.len() {
        return Err(HostTrap {
            kind: "output_limit",
            message: format!(
                "the module wrote {} bytes and then {len} more, and the job allows {}",
                host.output.len(),
                host.max_output
            ),
        }
        .into());
    }
    lock(&host.watch.recorder).wrote(&memory[from.clone()]);
    host.output.extend_from_slice(&memory[from]);
    Ok(())
}

fn progress(mut caller: Caller<'_, Host>, permille: u32) -> wasmtime::Result<()> {
    burn(&mut caller, PROGRESS_FUEL)?;
    caller
        .data()
        .permille
        .fetch_max(permille.min(1000), std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// Takes fuel for a host function's work.
fn burn(caller: &mut Caller<'_, Host>, fuel: u64) -> wasmtime::Result<()> {
    let left = caller.get_fuel()?;
    caller.set_fuel(left.saturating_sub(fuel))?;
    if left < fuel {
        return Err(Trap::OutOfFuel.into());
    }
    let used = caller.data().watch.fuel - (left - fuel);
    let ends = lock(&caller.data().watch.recorder).at(used);
    if ends {
        let (memory, host) = memory(caller)?;
        let mut recorder = lock(&host.watch.recorder);
        recorder.end_step(FUEL_SLICE, memory);
        if let Some(departure) = recorder.departed() {
            return Err(Stop::Departed(departure.clone()).into());
        }
    }
    let watch = &mut caller.data_mut().watch;
    if used - watch.looked >= FUEL_SLICE {
        watch.looked = used;
        if watch.cancel.is_cancelled() {
            return Err(Stop::Cancelled.into());
        }
        if Instant::now() > watch.until {
            return Err(Stop::TooLong.into());
        }
    }
    Ok(())
}

fn memory<'a>(caller: &'a mut Caller<'_, Host>) -> wasmtime::Result<(&'a mut [u8], &'a mut Host)> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        // `compile` has checked that it is there.
        return Err(Trap::MemoryOutOfBounds.into());
    };
    Ok(memory.data_and_store_mut(caller))
}

fn range(memory: usize, ptr: u32, len: usize) -> wasmtime::Result<std::ops::Range<usize>> {
    let start = ptr as usize;
    let end = start + len;
    if end <= memory {
        Ok(start..end)
    } else {
        Err(Trap::MemoryOutOfBounds.into())
    }
}
