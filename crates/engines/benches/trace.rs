//! What a trace takes of a WebAssembly run: `cargo bench -p io-engines --bench trace`, or with `--profile dev` as the services run. The
//! run in the tightest loop, where a step is over soonest, beside hashing as much memory as its steps hash, in the same minute.

use std::time::Instant;

use io_engines::{
    BlobDir, BlobHash, BlobRef, Control, Engine as _, EngineSpec, JobSpec, WasmSpec,
    spec::SPEC_VERSION, wasm::WasmEngine,
};

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let blobs = BlobDir(folder.path().join("blobs"));
    std::fs::create_dir(&blobs.0).expect("a folder for blobs");
    let put = |bytes: &[u8]| {
        let blob = BlobRef::of(bytes);
        std::fs::write(blobs.0.join(blob.hash.to_string()), bytes).expect("a blob");
        blob
    };
    let engine = WasmEngine::new().expect("the engine");
    println!("| memory | units | steps | run | hashing | share |\n|---|---|---|---|---|---|");
    for pages in [1, 256] {
        let module = wat::parse_str(format!(
            r#"(module (memory (export "memory") {pages}) (func (export "run") (result i32) (local $i i32)
                (loop
                    (local.set $i (i32.add (local.get $i) (i32.const 64)))
                    (i32.store (i32.and (i32.mul (local.get $i) (i32.const 2654435)) (i32.const {mask})) (local.get $i))
                    (br_if 0 (i32.lt_u (local.get $i) (i32.const 3000000000))))
                (i32.const 0)))"#,
            mask = pages * 65_536 - 4
        ))
        .expect("a module");
        let spec = JobSpec {
            version: SPEC_VERSION,
            input: put(b""),
            engine: EngineSpec::Wasm(WasmSpec {
                module: put(&module),
                fuel: 2_000_000_000,
                memory_mib: 16,
                time_limit_s: 60,
                max_output: 1_024,
            }),
        };
        let out = folder.path().join("out");
        let started = Instant::now();
        let outcome = engine
            .run(&spec, &blobs, &out, &Control::new([1; 32]))
            .expect("a run");
        let run = started.elapsed();
        let memory = vec![7_u8; pages * 65_536];
        let started = Instant::now();
        for _ in 1..outcome.manifest.steps {
            std::hint::black_box(BlobHash::of(std::hint::black_box(&memory)));
        }
        let hashing = started.elapsed();
        println!(
            "| {pages} pages | {} | {} | {run:?} | {hashing:?} | {:.1} % |",
            outcome.units,
            outcome.manifest.steps,
            hashing.as_secs_f64() / run.as_secs_f64() * 100.0
        );
    }
}
