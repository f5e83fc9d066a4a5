//! The WebAssembly engine: the shipped example, every limit, and every way a module or a claim can be wrong.

mod common;
use common::*;
use io_engines::wasm::{FUEL_PER_UNIT, units_for_fuel};
use io_engines::*;
use proptest::prelude::*;

const PRICER: &[u8] = include_bytes!("../../../examples/wasm/option-pricer.wasm");

fn spec(module: BlobRef, input: BlobRef) -> JobSpec {
    JobSpec {
        version: io_engines::spec::SPEC_VERSION,
        input,
        engine: EngineSpec::Wasm(WasmSpec {
            module,
            fuel: 100_000_000,
            memory_mib: 16,
            time_limit_s: 60,
            max_output: 1024,
        }),
    }
}

fn wasm_mut(spec: &mut JobSpec) -> &mut WasmSpec {
    match &mut spec.engine {
        EngineSpec::Wasm(wasm) => wasm,
        _ => panic!("not a wasm job"),
    }
}

/// A module with a page of memory, all imports, and `body` as `run`.
fn module(body: &str) -> Vec<u8> {
    full_module(&format!(
        r#"(memory (export "memory") 1) (func $run (export "run") (result i32) {body})"#
    ))
}

fn full_module(rest: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
            (import "io" "input_len" (func $input_len (result i32)))
            (import "io" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
            (import "io" "output_write" (func $output_write (param i32 i32)))
            (import "io" "progress" (func $progress (param i32)))
            {rest})"#
    ))
    .unwrap()
}

/// Runs a module; then an oracle must accept what came out of it.
fn run_and_verify(bench: &Bench, spec: &JobSpec) -> Outcome {
    let outcome = bench.run(spec, &Control::new(JOB)).unwrap();
    let verdict = bench.verify(spec, &claim(&outcome), 0);
    assert!(verdict.is_accept(), "{verdict:?}");
    outcome
}

fn output(bench: &Bench) -> Vec<u8> {
    std::fs::read(bench.out().join("output.bin")).unwrap()
}

fn failure(outcome: &Outcome) -> &Failure {
    match &outcome.manifest.status {
        Status::Failed(failure) => failure,
        Status::Ok => panic!("the module should have failed"),
    }
}

fn run_body(body: &str) -> (Bench, Outcome) {
    let bench = Bench::new();
    let spec = spec(bench.put(&module(body)), bench.put(b"input"));
    let outcome = run_and_verify(&bench, &spec);
    (bench, outcome)
}

fn refused(bytes: &[u8]) -> String {
    let bench = Bench::new();
    let spec = spec(bench.put(bytes), bench.put(b""));
    let quoted = bench.quote(&spec).unwrap_err();
    let run = bench.run(&spec, &Control::new(JOB)).unwrap_err();
    assert!(matches!(run, EngineError::Module(_)), "{run:?}");
    assert_eq!(quoted.to_string(), run.to_string());
    assert_eq!(run.fault(), Fault::Renter);
    assert!(!bench.out().join(MANIFEST_FILE).exists());
    run.to_string()
}

// ---- The shipped example ----

fn price(bench: &Bench, input: &str) -> (f64, f64, Outcome) {
    let mut spec = spec(bench.put(PRICER), bench.put(input.as_bytes()));
    wasm_mut(&mut spec).fuel = 20_000_000_000;
    let outcome = run_and_verify(bench, &spec);
    assert_eq!(
        outcome.manifest.status,
        Status::Ok,
        "{:?}",
        outcome.manifest.status
    );
    let result: serde_json::Value = serde_json::from_slice(&output(bench)).unwrap();
    (
        result["price"].as_f64().unwrap(),
        result["standard_error"].as_f64().unwrap(),
        outcome,
    )
}

/// The closed formula for European options.
fn black_scholes(
    call: bool,
    spot: f64,
    strike: f64,
    rate: f64,
    volatility: f64,
    years: f64,
) -> f64 {
    // Φ by the series of its density.
    let normal = |x: f64| {
        let (mut term, mut sum) = (x, x);
        for k in 1..200 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 + sum * (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
    };
    let spread = volatility * years.sqrt();
    let d1 = ((spot / strike).ln() + (rate + volatility * volatility / 2.0) * years) / spread;
    let d2 = d1 - spread;
    let discounted = strike * (-rate * years).exp();
    if call {
        spot * normal(d1) - discounted * normal(d2)
    } else {
        discounted * normal(-d2) - spot * normal(-d1)
    }
}

#[test]
fn the_option_pricer_agrees_with_black_and_scholes() {
    let bench = Bench::new();
    for (kind, spot, strike, rate, volatility, years, seed) in [
        ("call", 100.0, 105.0, 0.03, 0.2, 1.0, 42),
        ("put", 100.0, 105.0, 0.03, 0.2, 1.0, 43),
        ("call", 36.0, 40.0, 0.06, 0.45, 2.0, 44),
        ("put", 250.0, 200.0, -0.005, 0.3, 0.25, 45),
    ] {
        let input = format!(
            r#"{{"kind":"{kind}","spot":{spot},"strike":{strike},"rate":{rate},"volatility":{volatility},"years":{years},"steps":4,"pairs":20000,"seed":{seed}}}"#
        );
        let (price, error, _) = price(&bench, &input);
        let exact = black_scholes(kind == "call", spot, strike, rate, volatility, years);
        assert!(
            (price - exact).abs() < 4.0 * error,
            "{input}: {price} ± {error}, and the formula gives {exact}"
        );
        assert!(error > 0.0 && error < 0.03 * exact, "{input}: ± {error}");
    }
}

/// With no volatility an option is worth its discounted intrinsic value, and an Asian one that of the mean.
#[test]
fn the_option_pricer_is_exact_without_volatility() {
    let bench = Bench::new();
    let job = |kind: &str| {
        format!(
            r#"{{"kind":"{kind}","spot":100,"strike":90,"rate":0.05,"volatility":0,"years":1,"steps":2,"pairs":2,"seed":1}}"#
        )
    };
    let (call, error, _) = price(&bench, &job("call"));
    assert!((call - (100.0 - 90.0 * (-0.05f64).exp())).abs() < 1e-9);
    assert_eq!(error, 0.0);
    let (asian, ..) = price(&bench, &job("asian-call"));
    let mean = 50.0 * (0.025f64.exp() + 0.05f64.exp());
    assert!((asian - (mean - 90.0) * (-0.05f64).exp()).abs() < 1e-9);
}

/// The same bits and the same units on every machine and with every later build: change these figures only
/// together with the spec's version.
#[test]
fn the_option_pricer_gives_the_same_bits_everywhere() {
    let bench = Bench::new();
    let input = r#"{"kind":"asian-put","spot":100,"strike":101,"rate":0.01,"volatility":0.25,"years":0.5,"steps":6,"pairs":1000,"seed":7}"#;
    let (.., outcome) = price(&bench, input);
    let again = price(&bench, input).2;
    assert_eq!(outcome, again);
    assert_eq!(String::from_utf8(output(&bench)).unwrap(), FIXED_OUTPUT);
    assert_eq!(outcome.output_hash.to_string(), FIXED_OUTPUT_HASH);
}
/// A browser's WebAssembly gives the same.
const FIXED_OUTPUT: &str =
    "{\"price\":5.077858291530366,\"standard_error\":0.09468681484215506,\"paths\":2000}\n";
/// The manifest's hash, which holds the units (3) and the output's and the spec's hashes.
const FIXED_OUTPUT_HASH: &str = "6c69f82a70ef35fa6203f84f680501ccbf062992af9e8668aad60be5c248dcb8";

#[test]
fn the_option_pricer_says_what_is_wrong_with_its_input() {
    let bench = Bench::new();
    for (input, said) in [
        ("", "isn't a JSON object"),
        ("{}", "isn't \"key\": value"),
        (r#"{"kind":"call"}"#, "spot is missing"),
        (
            r#"{"kind":"call","spot":"x"}"#,
            "spot is \"x\", not a number",
        ),
        (r#"{"kind":"swap","spot":1}"#, "it must be call, put"),
        (r#"{"colour":1}"#, "unknown"),
    ] {
        let spec = spec(bench.put(PRICER), bench.put(input.as_bytes()));
        let outcome = run_and_verify(&bench, &spec);
        let failure = failure(&outcome);
        assert_eq!(failure.kind, "exit_code");
        assert!(
            failure.message.starts_with("run returned 1: ") && failure.message.contains(said),
            "{input}: {}",
            failure.message
        );
    }
}

// ---- The host interface ----

#[test]
fn input_reaches_the_module_and_output_leaves_it() {
    let bench = Bench::new();
    // Copies the input to the output in two parts, then reads behind its end.
    let body = r"
        (drop (call $input_read (i32.const 8) (i32.const 0) (i32.const 3)))
        (drop (call $input_read (i32.const 11) (i32.const 3) (i32.const 1000)))
        (call $output_write (i32.const 8) (call $input_len))
        (call $input_read (i32.const 0) (i32.const 1000) (i32.const 5))";
    let spec = spec(bench.put(&module(body)), bench.put(b"hello, world"));
    let outcome = run_and_verify(&bench, &spec);
    assert_eq!(outcome.manifest.status, Status::Ok);
    assert_eq!(output(&bench), b"hello, world");
    assert_eq!(outcome.manifest.steps, 1);
    assert_eq!(outcome.units, 1);
}

#[test]
fn host_functions_cost_fuel_for_the_bytes_they_move() {
    let fuel = |len: u32| {
        let body = format!("(call $output_write (i32.const 0) (i32.const {len})) (unreachable)");
        failure(&run_body(&body).1).fuel
    };
    assert_eq!(fuel(1000) - fuel(0), 1000);
}

#[test]
fn a_module_that_loops_over_host_functions_runs_out_of_fuel() {
    let (_, outcome) = run_body(
        "(loop (call $output_write (i32.const 0) (i32.const 0)) (call $progress (i32.const 1)) (br 0)) \
         (i32.const 0)",
    );
    assert_eq!(failure(&outcome).kind, "out_of_fuel");
    let (_, outcome) = run_body(
        "(loop (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const -1))) (br 0)) (i32.const 0)",
    );
    assert_eq!(failure(&outcome).kind, "out_of_fuel");
}

#[test]
fn output_is_limited() {
    // max_output is 1024.
    let (bench, outcome) =
        run_body("(call $output_write (i32.const 0) (i32.const 1024)) (i32.const 0)");
    assert_eq!(outcome.manifest.status, Status::Ok);
    assert_eq!(output(&bench), [0; 1024]);
    let (bench, outcome) = run_body(
        "(call $output_write (i32.const 0) (i32.const 1024)) (call $output_write (i32.const 0) (i32.const 1)) \
         (i32.const 0)",
    );
    let failure = failure(&outcome);
    assert_eq!(failure.kind, "output_limit");
    assert!(failure.message.contains("1024 bytes and then 1 more"));
    assert!(outcome.manifest.files.is_empty());
    assert!(!bench.out().join("output.bin").exists());
}

#[test]
fn host_functions_refuse_memory_that_is_not_there() {
    for body in [
        "(call $output_write (i32.const 65536) (i32.const 1)) (i32.const 0)",
        "(call $output_write (i32.const -1) (i32.const 1)) (i32.const 0)",
        "(call $input_read (i32.const 65535) (i32.const 0) (i32.const 2))",
        "(call $output_write (i32.const 1) (i32.const 65536)) (i32.const 0)",
    ] {
        assert_eq!(
            failure(&run_body(body).1).kind,
            "memory_out_of_bounds",
            "{body}"
        );
    }
}

// ---- Limits ----

#[test]
fn an_endless_loop_ends_with_its_fuel() {
    let (_, outcome) = run_body("(loop (br 0)) (i32.const 0)");
    let failure = failure(&outcome);
    assert_eq!(failure.kind, "out_of_fuel");
    assert_eq!(failure.fuel, 100_000_000);
    assert!(
        failure.message.contains("100000000 fuel"),
        "{}",
        failure.message
    );
    assert_eq!(outcome.units, 100);
}

/// A claim of a run's result that some dishonest worker makes up.
fn made_up(bench: &Bench, spec: &JobSpec, kind: &str, message: &str, fuel: u64) -> Claim {
    let status = Status::Failed(Failure {
        kind: kind.into(),
        message: message.into(),
        fuel,
    });
    let mut summary = b"io-wasm/2/end".to_vec();
    summary.extend(fuel.to_le_bytes());
    summary.extend(0_u64.to_le_bytes());
    summary.extend(BlobHash::of(b"").0);
    summary.extend(serde_json::to_vec(&status).unwrap());
    let mut trace = io_proof::TraceBuilder::new(JOB);
    trace.push(&summary).unwrap();
    let manifest = Manifest {
        version: manifest::MANIFEST_VERSION,
        spec: spec.hash(),
        status,
        units: units_for_fuel(fuel).max(1),
        steps: 1,
        files: Vec::new(),
    };
    Claim {
        output_hash: bench.put(&manifest.canonical()).hash,
        trace_root: trace.finish().root(),
        units: manifest.units,
    }
}

/// The renter's module that doesn't come to its end in time costs its worker no penalty, and earns it next to nothing; nobody can
/// claim it of a run that ends.
#[test]
fn a_run_that_reaches_its_time_limit_is_a_result_of_one_unit() {
    let bench = Bench::new();
    let mut endless = spec(
        bench.put(&module("(loop (br 0)) (i32.const 0)")),
        bench.put(b""),
    );
    wasm_mut(&mut endless).fuel = limits::MAX_FUEL;
    wasm_mut(&mut endless).time_limit_s = 1;
    let outcome = run_and_verify(&bench, &endless);
    let failure = failure(&outcome);
    assert_eq!((failure.kind.as_str(), failure.fuel), ("time_limit", 0));
    assert_eq!((outcome.units, outcome.manifest.files.len()), (1, 0));
    // The claim that others are measured with is the honest one.
    let same = made_up(&bench, &endless, "time_limit", &failure.message, 0);
    assert_eq!(same, claim(&outcome));

    let mut short = spec(bench.put(&module("(i32.const 0)")), bench.put(b""));
    wasm_mut(&mut short).time_limit_s = 60;
    let message = failure.message.replace("1 s", "60 s");
    let lie = made_up(&bench, &short, "time_limit", &message, 0);
    assert_eq!(rejected(&bench, &short, &lie), RejectReason::Differs);
}

#[test]
fn a_run_can_be_cancelled() {
    let bench = Bench::new();
    let body = "(call $progress (i32.const 500)) (loop (br 0)) (i32.const 0)";
    let mut spec = spec(bench.put(&module(body)), bench.put(b""));
    wasm_mut(&mut spec).fuel = limits::MAX_FUEL;
    let cancel = CancelToken::new();
    let seen = std::sync::Mutex::new(Vec::new());
    let report = |progress: Progress| {
        seen.lock().unwrap().push(progress);
        cancel.cancel();
    };
    let control = Control {
        progress: &report,
        cancel: cancel.clone(),
        ..Control::new(JOB)
    };
    let error = bench.run(&spec, &control).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled), "{error:?}");
    assert_eq!(error.fault(), Fault::Cancelled);
    let half = Progress {
        done: 500,
        total: 1000,
    };
    assert_eq!(*seen.lock().unwrap(), [half]);
}

#[test]
fn memory_grows_to_its_limit_and_no_further() {
    // 16 MiB are 256 pages; one is there at the start. 65,536 pages more than a memory can ever have.
    let (bench, outcome) = run_body(
        "(i32.store (i32.const 0) (memory.grow (i32.const 65536)))
         (i32.store (i32.const 4) (memory.grow (i32.const 256)))
         (i32.store (i32.const 8) (memory.grow (i32.const 255)))
         (i32.store (i32.const 12) (memory.grow (i32.const 1)))
         (i32.store (i32.const 16) (memory.size))
         (i32.store8 (i32.const 0xffffff) (i32.const 1))
         (call $output_write (i32.const 0) (i32.const 20)) (i32.const 0)",
    );
    assert_eq!(outcome.manifest.status, Status::Ok);
    let got: Vec<i32> = output(&bench)
        .chunks(4)
        .map(|b| i32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    assert_eq!(got, [-1, -1, 1, -1, 256]);
}

#[test]
fn a_memory_or_table_that_starts_too_big_is_refused() {
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    let bench = Bench::new();
    for rest in [
        format!(r#"(memory (export "memory") 257) {run}"#),
        format!(r#"(memory (export "memory") 1) (table 65537 funcref) {run}"#),
        format!(
            r#"(memory (export "memory") 1) (table 40000 funcref) (table 40000 funcref) {run}"#
        ),
    ] {
        let spec = spec(bench.put(&full_module(&rest)), bench.put(b""));
        let error = bench.run(&spec, &Control::new(JOB)).unwrap_err();
        assert!(matches!(error, EngineError::Module(_)), "{error:?}");
        // Before anybody takes the job: it would be the worker that pays for it.
        let quoted = bench.quote(&spec).unwrap_err();
        assert_eq!(quoted.to_string(), error.to_string());
    }
    // The limits themselves.
    let rest =
        format!(r#"(memory (export "memory") 256) (table 32768 funcref) (table 1 funcref) {run}"#);
    let spec = spec(bench.put(&full_module(&rest)), bench.put(b""));
    bench.quote(&spec).unwrap();
    run_and_verify(&bench, &spec);
}

/// A module that calls itself `depth` times.
fn nested(depth: u32) -> Vec<u8> {
    full_module(&format!(
        r#"(memory (export "memory") 1)
        (func $down (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))
                (else (i32.const 0))))
        (func (export "run") (result i32) (call $down (i32.const {depth})))"#
    ))
}

/// Endless recursion passes every quote. Where it ends depends on the machine; that it ends doesn't.
#[test]
fn a_stack_overflow_is_a_result_that_costs_all_the_fuel() {
    let bench = Bench::new();
    let deep = spec(bench.put(&nested(u32::MAX)), bench.put(b""));
    bench.quote(&deep).unwrap();
    let outcome = run_and_verify(&bench, &deep);
    let failure = failure(&outcome);
    assert_eq!(
        (failure.kind.as_str(), failure.fuel),
        ("stack_overflow", 100_000_000)
    );
    assert_eq!((outcome.units, outcome.manifest.files.len()), (100, 0));

    // Within what is promised it can neither happen nor be claimed.
    let shallow = spec(bench.put(&nested(1_000)), bench.put(b""));
    assert_eq!(run_and_verify(&bench, &shallow).manifest.status, Status::Ok);
    let lie = made_up(
        &bench,
        &shallow,
        "stack_overflow",
        &failure.message,
        100_000_000,
    );
    assert_eq!(rejected(&bench, &shallow, &lie), RejectReason::Differs);
    // And an endless recursion can't be claimed to have come to an end.
    let lie = made_up(&bench, &deep, "unreachable", "wasm trap", 5_000);
    assert_eq!(rejected(&bench, &deep, &lie), RejectReason::OfThisMachine);
}

/// Between the stack that is promised and the most that there is, machines may differ: a run here, another there, and neither
/// contradicts the other.
#[test]
fn machines_with_larger_or_smaller_frames_do_not_contradict_each_other() {
    let bench = Bench::new();
    let (mut least, mut most) = (1_000_u32, u32::MAX);
    // The deepest recursion that fits here.
    while most - least > least / 16 {
        let middle = least + (most - least) / 2;
        let job = spec(bench.put(&nested(middle)), bench.put(b""));
        match bench.run(&job, &Control::new(JOB)).unwrap().manifest.status {
            Status::Ok => least = middle,
            Status::Failed(_) => most = middle,
        }
    }
    // A machine with frames half or twice as large comes to the other end, and is right as well.
    let deeper = spec(bench.put(&nested(most * 2)), bench.put(b""));
    let outcome = bench.run(&deeper, &Control::new(JOB)).unwrap();
    let text = failure(&outcome).message.clone();
    assert!(bench.verify(&deeper, &claim(&outcome), 0).is_accept());
    let shallower = spec(bench.put(&nested(least / 2)), bench.put(b""));
    let overflow = made_up(&bench, &shallower, "stack_overflow", &text, 100_000_000);
    assert!(bench.verify(&shallower, &overflow, 0).is_accept());
    assert_eq!(
        run_and_verify(&bench, &shallower).manifest.status,
        Status::Ok
    );
}

#[test]
fn what_keeps_a_compiler_busy_is_refused_by_its_form() {
    let of = |rest: &str| full_module(&format!(r#"(memory (export "memory") 1) {rest}"#));
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    // Loops within loops, each with every local: what joins where grows with their product.
    let knot = |loops: usize, locals: usize| {
        let uses: String = (0..locals)
            .map(|i| format!("(local.set {i} (i32.add (local.get {i}) (i32.const 1)))"))
            .collect();
        of(&format!(
            r#"(func (export "run") (result i32) (local {}) {} {uses} {} (i32.const 0))"#,
            "i32 ".repeat(locals),
            "(loop ".repeat(loops),
            ")".repeat(loops),
        ))
    };
    let table = format!(
        r#"(func (export "run") (result i32) (local {}) (block (br_table {} (i32.const 0))) (i32.const 0))"#,
        "i64 ".repeat(2_000),
        "0 ".repeat(4_000),
    );
    for (module, said) in [
        (
            of(&format!(
                "{run} (func {})",
                "(drop (i32.const 1))".repeat(100_000)
            )),
            "bytes in a function",
        ),
        (
            of(&format!("{run} (func (local {}))", "i32 ".repeat(4_097))),
            "locals in a function",
        ),
        (
            of(&format!("{run} {}", "(func)".repeat(50_000))),
            "functions",
        ),
        (
            of(&format!(
                "{run} (type (func (param {})))",
                "i32 ".repeat(65)
            )),
            "parameters and results",
        ),
        (knot(600, 2_000), "jumps × values in a function"),
        (of(&table), "jumps × values in a function"),
        (
            of(&format!(
                "{run} {}",
                format!(
                    "(func (local {}) {})",
                    "i32 ".repeat(4_000),
                    "(block)".repeat(250)
                )
                .repeat(20)
            )),
            "jumps × values,",
        ),
        (
            of(&format!(
                "{run} {}",
                "(global i32 (i32.const 0))".repeat(100_001)
            )),
            "globals",
        ),
    ] {
        let said_now = refused(&module);
        assert!(said_now.contains(said), "{said}: {said_now}");
    }
    // What is allowed compiles while somebody waits.
    let bench = Bench::new();
    let tangled = spec(bench.put(&knot(200, 2_000)), bench.put(b""));
    bench.quote(&tangled).unwrap();
}

/// Who doesn't want a module any more doesn't wait for its compiler.
#[test]
fn compiling_can_be_cancelled() {
    let bench = Bench::new();
    let body = "(drop (f64.sqrt (f64.const 2)))".repeat(10_000);
    let functions = format!("(func {body})").repeat(10);
    let large = spec(
        bench.put(&full_module(&format!(
            r#"(memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)) {functions}"#
        ))),
        bench.put(b""),
    );
    let control = Control::new(JOB);
    control.cancel.cancel();
    let error = bench.run(&large, &control).unwrap_err();
    assert!(matches!(error, EngineError::Cancelled), "{error:?}");
}

// ---- Traces ----

/// Counts to three million, writing what it comes to into memory; at a million it reads the input's first byte. With `speaks` it also
/// writes a byte of output every 4,096 rounds.
fn counter(speaks: bool) -> Vec<u8> {
    let speak = if speaks {
        "(if (i32.eqz (i32.and (local.get $i) (i32.const 4095)))
             (then (call $output_write (i32.const 16) (i32.const 1))))"
    } else {
        ""
    };
    module(&format!(
        "(local $i i32)
         (loop
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (i32.store (i32.const 16) (i32.add (i32.load (i32.const 16)) (local.get $i)))
             (if (i32.eq (local.get $i) (i32.const 1000000))
                 (then (drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 1)))))
             {speak}
             (br_if 0 (i32.lt_u (local.get $i) (i32.const 3000000))))
         (i32.const 0)"
    ))
}

fn counted(bench: &Bench, speaks: bool, input: &[u8]) -> (JobSpec, Outcome) {
    let mut spec = spec(bench.put(&counter(speaks)), bench.put(input));
    wasm_mut(&mut spec).fuel = 1_000_000_000;
    let outcome = run_and_verify(bench, &spec);
    (spec, outcome)
}

fn steps(bench: &Bench, outcome: &Outcome) -> Vec<[u8; 32]> {
    let bytes = std::fs::read(bench.out().join(wasm::steps::STEPS_FILE)).unwrap();
    assert_eq!(bytes.len() as u64, 32 * outcome.manifest.steps);
    bytes.as_chunks::<32>().0.to_vec()
}

/// What the trace is over: the root of the hashes that the result publishes, one every two million fuel for this page of memory.
#[test]
fn a_trace_has_a_step_for_each_slice_of_fuel() {
    for speaks in [false, true] {
        let bench = Bench::new();
        let (_, outcome) = counted(&bench, speaks, b"x");
        let steps = steps(&bench, &outcome);
        // A slice overshoots by a round, and where the host is called now and then by what lies between two calls.
        assert!(
            (outcome.units * 9 / 20..=outcome.units / 2 + 1).contains(&(steps.len() as u64)),
            "{} steps, {} units",
            steps.len(),
            outcome.units
        );
        assert!(steps.len() > 15);
        let mut trace = io_proof::TraceBuilder::new(JOB);
        for step in &steps {
            trace.push_hash(step).unwrap();
        }
        assert_eq!(trace.finish().root(), outcome.trace_root);
        let distinct: std::collections::HashSet<_> = steps.iter().collect();
        assert_eq!(distinct.len(), steps.len(), "no two steps are alike");
    }
}

/// A worker whose run took another turn half-way is told at which step, and nothing after it is run: the check ends there.
#[test]
fn a_run_that_departs_is_found_at_its_first_wrong_step() {
    for speaks in [false, true] {
        let bench = Bench::new();
        let (spec, honest) = counted(&bench, speaks, b"x");
        let right = steps(&bench, &honest);
        // The same but for one bit of memory from the millionth round on.
        let (_, other) = counted(&bench, speaks, b"y");
        let wrong = steps(&bench, &other);
        let first = right.iter().zip(&wrong).position(|(a, b)| a != b).unwrap();
        assert!(
            first > right.len() / 4 && first < right.len() / 2,
            "{first}"
        );
        let forged = Manifest {
            spec: spec.hash(),
            ..other.manifest.clone()
        };
        let claim = Claim {
            output_hash: bench.put(&forged.canonical()).hash,
            ..claim(&other)
        };
        let Verdict::Reject(rejection) = bench.verify(&spec, &claim, 0) else {
            panic!("accepted");
        };
        assert_eq!(rejection.reason, RejectReason::Differs);
        assert_eq!(rejection.steps, [first as u64]);
        assert!(
            rejection.detail.contains(&hex::encode(right[first]))
                && rejection.detail.contains(&hex::encode(wrong[first])),
            "{}",
            rejection.detail
        );
        // Its form is as it should be: only running it again shows it.
        assert!(bench.look_at_form(&spec, &claim).is_accept());
    }
}

#[test]
fn steps_that_are_not_the_committed_ones_are_rejected() {
    let bench = Bench::new();
    let (spec, honest) = counted(&bench, false, b"x");
    let right = steps(&bench, &honest);
    let with = |steps: &[[u8; 32]], claimed: u64, size: Option<u64>| {
        let blob = bench.put(&steps.concat());
        let mut manifest = honest.manifest.clone();
        manifest.steps = claimed;
        manifest.files[1].hash = blob.hash;
        manifest.files[1].size = size.unwrap_or(blob.size);
        let claim = claim_of(&bench, &honest, &manifest);
        let by_form = match bench.look_at_form(&spec, &claim) {
            Verdict::Reject(rejection) => rejection.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(rejected(&bench, &spec, &claim), by_form);
        by_form
    };
    let n = right.len() as u64;
    let mut swapped = right.clone();
    swapped.swap(3, 4);
    assert_eq!(with(&swapped, n, None), RejectReason::Trace);
    assert_eq!(with(&right[..20], 20, None), RejectReason::Trace);
    assert_eq!(with(&right[..20], n, None), RejectReason::Malformed);
    assert_eq!(with(&right[..20], n, Some(n * 32)), RejectReason::Malformed);
    assert_eq!(
        with(&right, 5_000, Some(5_000 * 32)),
        RejectReason::Malformed
    );
    let mut manifest = honest.manifest.clone();
    manifest.files.pop();
    let claim = claim_of(&bench, &honest, &manifest);
    assert_eq!(rejected(&bench, &spec, &claim), RejectReason::Malformed);
    // One who says that there are no steps departs with the first that there is.
    manifest.steps = 1;
    let claim = claim_of(&bench, &honest, &manifest);
    match bench.verify(&spec, &claim, 0) {
        Verdict::Reject(rejection) => assert_eq!(rejection.steps, [0]),
        other => panic!("{other:?}"),
    }
}

/// Setting the fuel begins a new slice: a module that does nothing but call host functions is never between two, and is stopped all
/// the same.
#[test]
fn a_module_that_only_calls_its_host_can_be_stopped_and_is_traced() {
    let bench = Bench::new();
    let chatter = module("(loop (call $progress (i32.const 1)) (br 0)) (i32.const 0)");
    let mut endless = spec(bench.put(&chatter), bench.put(b""));
    wasm_mut(&mut endless).fuel = limits::MAX_FUEL;
    wasm_mut(&mut endless).time_limit_s = 1;
    let outcome = run_and_verify(&bench, &endless);
    assert_eq!(failure(&outcome).kind, "time_limit");
    wasm_mut(&mut endless).time_limit_s = 600;
    let control = Control::new(JOB);
    let cancel = control.cancel.clone();
    let error = std::thread::scope(|scope| {
        scope.spawn(move || cancel.cancel());
        bench.run(&endless, &control).unwrap_err()
    });
    assert!(matches!(error, EngineError::Cancelled), "{error:?}");

    wasm_mut(&mut endless).fuel = 20_000_000;
    let outcome = run_and_verify(&bench, &endless);
    assert_eq!(failure(&outcome).kind, "out_of_fuel");
    assert!(outcome.manifest.steps >= 9, "{}", outcome.manifest.steps);
}

/// What steps hash is in proportion to what they run, whatever the memory's size: no page more than one for each 2 · 10⁶ fuel. (What
/// that takes of a run is measured by `benches/trace.rs`.)
#[test]
fn a_trace_hashes_a_page_for_each_share_of_its_fuel() {
    let bench = Bench::new();
    for pages in [1, 256] {
        let text = format!(
            r#"(memory (export "memory") {pages}) (func $run (export "run") (result i32) (local $i i32)
                (loop
                    (local.set $i (i32.add (local.get $i) (i32.const 64)))
                    (i32.store (i32.and (i32.mul (local.get $i) (i32.const 2654435)) (i32.const {mask})) (local.get $i))
                    (br_if 0 (i32.lt_u (local.get $i) (i32.const 3000000000))))
                (i32.const 0))"#,
            mask = pages * 65_536 - 4
        );
        let mut spec = spec(bench.put(&full_module(&text)), bench.put(b""));
        wasm_mut(&mut spec).fuel = 2_000_000_000;
        let outcome = bench.run(&spec, &Control::new(JOB)).unwrap();
        assert_eq!(outcome.manifest.status, Status::Ok);
        // A unit is 10⁶ fuel, the last one begun; the last step is the summary, which hashes no memory.
        let (whole_units, steps) = (outcome.units - 1, outcome.manifest.steps - 1);
        assert!(whole_units > 400, "too short to show anything");
        assert_eq!(steps, whole_units / (2 * pages as u64), "{pages} pages");
        let hashed = steps * pages as u64;
        assert!(hashed * io_engines::wasm::steps::STEP_FUEL_PER_PAGE <= whole_units * 1_000_000);
    }
}

/// The form alone: what a worker can't make up without being seen by anybody who looks.
#[test]
fn a_look_at_the_form_runs_nothing() {
    let bench = Bench::new();
    let (spec, outcome) = counted(&bench, true, b"x");
    match bench.look_at_form(&spec, &claim(&outcome)) {
        Verdict::Accept(checked) => {
            assert_eq!(
                (checked.checked, checked.steps),
                (0, outcome.manifest.steps)
            );
        }
        other => panic!("{other:?}"),
    }
    let form = |change: &dyn Fn(&mut Manifest)| {
        let mut manifest = outcome.manifest.clone();
        change(&mut manifest);
        let claim = Claim {
            units: manifest.units,
            ..claim_of(&bench, &outcome, &manifest)
        };
        match bench.look_at_form(&spec, &claim) {
            Verdict::Reject(rejection) => rejection.reason,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(form(&|m| m.units = 0), RejectReason::Units);
    assert_eq!(form(&|m| m.units = 1_001), RejectReason::Units);
    assert_eq!(form(&|m| m.files.swap(0, 1)), RejectReason::Malformed);
    assert_eq!(
        form(&|m| m.files[0].name = "out.bin".into()),
        RejectReason::Malformed
    );
    assert_eq!(form(&|m| m.files[0].size += 1), RejectReason::Malformed);
    assert_eq!(
        form(&|m| m.spec = BlobHash([1; 32])),
        RejectReason::OtherJob
    );
}

// ---- Failures ----

#[test]
fn every_trap_is_a_named_result_that_verifies() {
    for (body, kind) in [
        ("(unreachable)", "unreachable"),
        (
            "(i32.div_u (i32.const 1) (i32.const 0))",
            "integer_division_by_zero",
        ),
        (
            "(i32.div_s (i32.const 0x80000000) (i32.const -1))",
            "integer_overflow",
        ),
        (
            "(i32.trunc_f64_s (f64.const nan))",
            "bad_conversion_to_integer",
        ),
        ("(i32.load (i32.const 65536))", "memory_out_of_bounds"),
        (
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65537)) (i32.const 0)",
            "memory_out_of_bounds",
        ),
        ("(i32.const 3)", "exit_code"),
    ] {
        let (_, outcome) = run_body(body);
        let failure = failure(&outcome);
        assert_eq!(failure.kind, kind, "{body}");
        assert!(!failure.message.is_empty());
        assert_eq!(outcome.manifest.steps, 1);
        // The program takes no result of no units: a trap at once costs the least.
        assert_eq!(outcome.units, units_for_fuel(failure.fuel).max(1));
    }
    for (index, kind) in [
        (0, "indirect_call_to_null"),
        (1, "bad_signature"),
        (9, "table_out_of_bounds"),
    ] {
        let rest = format!(
            r#"(memory (export "memory") 1) (table 2 funcref) (elem (i32.const 1) $other)
               (func $other (param i64))
               (func (export "run") (result i32) (call_indirect (result i32) (i32.const {index})))"#
        );
        let bench = Bench::new();
        let outcome = run_and_verify(
            &bench,
            &spec(bench.put(&full_module(&rest)), bench.put(b"")),
        );
        assert_eq!(failure(&outcome).kind, kind);
    }
}

/// The work before a trap is paid, although the trap comes in the middle of a loop.
#[test]
fn fuel_before_a_trap_is_counted_to_the_unit() {
    let fuel = |trap: &str| {
        let body = format!(
            "(local $i i32)
             (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
                   (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000000))))
             {trap}"
        );
        failure(&run_body(&body).1).fuel
    };
    // `unreachable` saves the exact count; a division doesn't, but what it misses is less than a slice.
    let exact = fuel("(unreachable)");
    let at_trap = fuel("(i32.div_u (i32.const 1) (i32.const 0))");
    assert!(exact > 4 * FUEL_PER_UNIT, "{exact}");
    assert!(
        at_trap <= exact && exact - at_trap <= FUEL_PER_UNIT,
        "{at_trap} of {exact}"
    );
}

/// A NaN's sign and payload are the one thing WebAssembly leaves open.
#[test]
fn nans_are_canonical() {
    let (bench, _) = run_body(
        "(f64.store (i32.const 0) (f64.div (f64.const 0) (f64.const 0)))
         (f64.store (i32.const 8) (f64.sqrt (f64.const -1)))
         (f64.store (i32.const 16) (f64.add (f64.const -nan:0x123456) (f64.const 1)))
         (f64.store (i32.const 24) (f64.sub (f64.const inf) (f64.const inf)))
         (f64.store (i32.const 32) (f64.promote_f32 (f32.min (f32.const -nan:0x1234) (f32.const 1))))
         (v128.store (i32.const 40) (f64x2.mul
            (v128.const f64x2 -nan:0x777 inf) (v128.const f64x2 1 0)))
         (call $output_write (i32.const 0) (i32.const 56)) (i32.const 0)",
    );
    let canonical = 0x7ff8_0000_0000_0000u64.to_le_bytes();
    assert_eq!(output(&bench), canonical.repeat(7));
}

// ---- Modules that are refused ----

#[test]
fn modules_that_want_more_than_the_host_gives_are_refused_by_name() {
    let wasi = wat::parse_str(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))"#,
    )
    .unwrap();
    let said = refused(&wasi);
    assert!(
        said.contains("wasi_snapshot_preview1.fd_write") && said.contains("io.input_read"),
        "{said}"
    );
    let imported_memory = wat::parse_str(
        r#"(module (import "io" "memory" (memory 1)) (export "memory" (memory 0))
            (func (export "run") (result i32) (i32.const 0)))"#,
    )
    .unwrap();
    assert!(refused(&imported_memory).contains("io.memory"));
    let wrong_type = wat::parse_str(
        r#"(module (import "io" "input_len" (func (result i64)))
            (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))"#,
    )
    .unwrap();
    assert!(refused(&wrong_type).contains("input_len"));
}

#[test]
fn modules_without_the_right_exports_are_refused() {
    for (text, said) in [
        (
            r#"(module (func (export "run") (result i32) (i32.const 0)))"#,
            "memory",
        ),
        (r#"(module (memory (export "memory") 1))"#, "run"),
        (
            r#"(module (memory (export "memory") 1) (func (export "run")))"#,
            "returns an i32",
        ),
        (
            r#"(module (memory (export "memory") 1) (func (export "run") (param i32) (result i32) (i32.const 0)))"#,
            "without parameters",
        ),
        (
            r#"(module (func (export "memory")) (func (export "run") (result i32) (i32.const 0)))"#,
            "memory",
        ),
    ] {
        let error = refused(&wat::parse_str(text).unwrap());
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn features_that_differ_between_machines_are_refused() {
    let run = r#"(func (export "run") (result i32) (i32.const 0))"#;
    for text in [
        format!(r#"(module (memory (export "memory") 1 2 shared) {run})"#),
        format!(r#"(module (memory (export "memory") i64 1) {run})"#),
        format!(r#"(module (memory (export "memory") 1) (memory 1) {run})"#),
        format!(
            r#"(module (memory (export "memory") 1) {run}
            (func (param v128 v128 v128) (result v128)
                (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))"#
        ),
        format!(
            r#"(module (memory (export "memory") 1) {run} (func (result i32) (return_call 0)))"#
        ),
        format!(r#"(module (memory (export "memory") 1) (tag (param i32)) {run})"#),
    ] {
        refused(&wat::parse_str(&text).unwrap());
    }
}

#[test]
fn what_is_not_a_module_is_refused() {
    for bytes in [
        &b""[..],
        b"\0asm\x01\0\0",
        b"(module)",
        b"#!/bin/sh\nexit 0\n",
        b"\0asm\x0d\0\x01\0", // a component
    ] {
        let bench = Bench::new();
        let mut spec = spec(bench.put(bytes), bench.put(b""));
        if bytes.len() < 8 {
            // Shorter than any module: the spec itself says no.
            assert!(matches!(bench.quote(&spec), Err(EngineError::Spec(_))));
            wasm_mut(&mut spec).module.size = 8;
            let error = bench.quote(&spec).unwrap_err();
            assert!(
                matches!(error, EngineError::Blob(BlobError::WrongSize { .. })),
                "{error:?}"
            );
        } else {
            refused(bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any damage to a module's bytes ends in an error or a result, never in a panic.
    #[test]
    fn damaged_modules_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = module(
            "(local $i i32) (loop (local.set $i (i32.add (local.get $i) (call $input_len)))
             (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000))))
             (call $output_write (i32.const 0) (local.get $i)) (i32.const 0)",
        );
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let bench = Bench::new();
        let mut spec = spec(bench.put(&bytes), bench.put(b"123"));
        wasm_mut(&mut spec).fuel = 1_000_000;
        match bench.run(&spec, &Control::new(JOB)) {
            Ok(outcome) => prop_assert!(bench.verify(&spec, &claim(&outcome), 0).is_accept()),
            Err(error) => prop_assert_eq!(error.fault(), Fault::Renter),
        }
    }
}

// ---- Claims that are wrong ----

fn honest() -> (Bench, JobSpec, Outcome) {
    let bench = Bench::new();
    let body = "(drop (call $input_read (i32.const 0) (i32.const 0) (i32.const 64)))
        (call $output_write (i32.const 0) (call $input_len)) (i32.const 0)";
    let spec = spec(bench.put(&module(body)), bench.put(b"the right output"));
    let outcome = run_and_verify(&bench, &spec);
    (bench, spec, outcome)
}

fn rejected(bench: &Bench, spec: &JobSpec, claim: &Claim) -> RejectReason {
    match bench.verify(spec, claim, 0) {
        Verdict::Reject(rejection) => {
            assert!(rejection.reason.is_objective());
            rejection.reason
        }
        other => panic!("{other:?}"),
    }
}

/// Stores a manifest and claims it.
fn claim_of(bench: &Bench, honest: &Outcome, manifest: &Manifest) -> Claim {
    Claim {
        output_hash: bench.put(&manifest.canonical()).hash,
        ..claim(honest)
    }
}

/// A canary's answer is wrong, and everything that can be looked at without a run is right: its steps and its trace are over the wrong output.
#[test]
fn nothing_but_a_run_tells_a_canary() {
    let looping =
        "(local $i i32) (loop $again (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 3000000))))";
    for (body, right) in [
        // An output, steps before it, none at all, and a failure.
        (
            "(call $output_write (i32.const 0) (i32.const 9)) (i32.const 0)".to_owned(),
            Status::Ok,
        ),
        (
            format!("{looping} (call $output_write (i32.const 0) (i32.const 9)) (i32.const 0)"),
            Status::Ok,
        ),
        (format!("{looping} (i32.const 0)"), Status::Ok),
    ] {
        let bench = Bench::new();
        let spec = spec(bench.put(&module(&body)), bench.put(b"input"));
        let honest = run_and_verify(&bench, &spec);
        assert_eq!(honest.manifest.status, right);
        let control = Control {
            canary: true,
            ..Control::new(JOB)
        };
        let canary = bench.run(&spec, &control).unwrap();
        assert_eq!(
            (canary.units, canary.manifest.steps, &canary.manifest.status),
            (honest.units, honest.manifest.steps, &Status::Ok)
        );
        assert_ne!(canary.output_hash, honest.output_hash);
        let form = bench.look_at_form(&spec, &claim(&canary));
        assert!(form.is_accept(), "{form:?}");
        assert_eq!(
            rejected(&bench, &spec, &claim(&canary)),
            RejectReason::Differs
        );
        // The root of the steps that it publishes is the committed one; of one step it publishes none.
        let published = io_engines::wasm::published_root(&bench.blobs, &canary.manifest, &JOB);
        let committed = (canary.manifest.steps > 1).then_some(canary.trace_root);
        assert_eq!(published, committed);
    }
    // A failure becomes an output that is none.
    let bench = Bench::new();
    let spec = spec(bench.put(&module("unreachable")), bench.put(b""));
    let honest = run_and_verify(&bench, &spec);
    failure(&honest);
    let control = Control {
        canary: true,
        ..Control::new(JOB)
    };
    let canary = bench.run(&spec, &control).unwrap();
    assert_eq!(canary.manifest.status, Status::Ok);
    assert!(bench.look_at_form(&spec, &claim(&canary)).is_accept());
    assert_eq!(
        rejected(&bench, &spec, &claim(&canary)),
        RejectReason::Differs
    );
}

#[test]
fn another_output_is_rejected() {
    let (bench, spec, outcome) = honest();
    let wrong = bench.put(b"the wrong output");
    let mut manifest = outcome.manifest.clone();
    manifest.files[0].hash = wrong.hash;
    assert_eq!(
        rejected(&bench, &spec, &claim_of(&bench, &outcome, &manifest)),
        RejectReason::Differs
    );
}

#[test]
fn another_status_is_rejected() {
    let (bench, spec, outcome) = honest();
    let mut manifest = outcome.manifest.clone();
    manifest.status = Status::Failed(Failure {
        kind: "unreachable".into(),
        message: "pay me anyway".into(),
        fuel: 100_000_000,
    });
    manifest.files.clear();
    assert_eq!(
        rejected(&bench, &spec, &claim_of(&bench, &outcome, &manifest)),
        RejectReason::Differs
    );
}

#[test]
fn more_units_than_the_run_took_are_rejected() {
    let (bench, spec, outcome) = honest();
    let more = Claim {
        units: outcome.units + 1,
        ..claim(&outcome)
    };
    assert_eq!(rejected(&bench, &spec, &more), RejectReason::Units);
    let mut manifest = outcome.manifest.clone();
    manifest.units += 1;
    let more = Claim {
        units: manifest.units,
        ..claim_of(&bench, &outcome, &manifest)
    };
    assert_eq!(rejected(&bench, &spec, &more), RejectReason::Differs);
}

#[test]
fn the_trace_of_another_job_is_rejected() {
    let (bench, spec, outcome) = honest();
    let elsewhere = bench.run(&spec, &Control::new([1; 32])).unwrap();
    assert_eq!(elsewhere.output_hash, outcome.output_hash);
    assert_eq!(
        rejected(&bench, &spec, &claim(&elsewhere)),
        RejectReason::Trace
    );
}

#[test]
fn the_result_of_another_spec_is_rejected() {
    let (bench, mut spec, outcome) = honest();
    wasm_mut(&mut spec).fuel -= 1;
    assert_eq!(
        rejected(&bench, &spec, &claim(&outcome)),
        RejectReason::OtherJob
    );
}

#[test]
fn a_manifest_in_another_form_is_rejected() {
    let (bench, spec, outcome) = honest();
    let canonical = outcome.manifest.canonical();
    let mut spaced = canonical.clone();
    spaced.push(b'\n');
    for bytes in [&b"not json"[..], b"", b"{}", &spaced, &canonical[..40]] {
        let claim = Claim {
            output_hash: bench.put(bytes).hash,
            ..claim(&outcome)
        };
        assert_eq!(rejected(&bench, &spec, &claim), RejectReason::Malformed);
    }
}

#[test]
fn what_is_missing_or_damaged_here_is_inconclusive() {
    let (bench, spec, outcome) = honest();
    let inconclusive = |why: &str| match bench.verify(&spec, &claim(&outcome), 0) {
        Verdict::Inconclusive { reason } => assert!(reason.contains(why), "{reason}"),
        other => panic!("{other:?}"),
    };
    bench.damage(&outcome.output_hash, b"bit rot");
    inconclusive("delete the file and fetch it again");
    bench.put(&outcome.manifest.canonical());
    bench.remove(&outcome.manifest.files[0].hash);
    inconclusive("fetch it first");
    bench.put(b"the right output");
    assert!(bench.verify(&spec, &claim(&outcome), 0).is_accept());
    bench.remove(&spec.input.hash);
    inconclusive("fetch it first");
}
