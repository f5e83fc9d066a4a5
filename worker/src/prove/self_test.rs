//! What this device measures: the figures that oracles attest, and the speed of each engine, which the matching uses.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use io_api::types::HardwareClaim;
use io_client::Pubkey;
use io_engines::{
    BlobHash, BlobRef, Blobs, CancelToken, EmbedSpec, EngineSpec, InputFormat, JobSpec, WasmSpec,
    models::KNOWN_MODELS, spec::SPEC_VERSION,
};
use io_protocol::lease;
use serde::{Deserialize, Serialize};

use super::{
    EngineHost, Progress, Run,
    hardware::{self, Prover},
};
use crate::{
    blobs::LocalBlobs,
    config::{Config, DeviceSelection, read_small, write_durably},
    devices::{Device, NO_ENGINE_FOR_A_GPU},
    limits::MAX_STATE_FILE_BYTES,
};

/// Runs of each benchmark; the best counts: what else the machine does makes it worse.
const ROUNDS: u32 = 3;
/// After so long there is no other.
const ENOUGH: Duration = Duration::from_secs(1);
/// Passages of the embedding benchmark: about a second of two cores.
const PASSAGES: usize = 96;
/// Fuel that the benchmark's module may use.
const FUEL: u64 = 2_000_000_000;

/// A loop of 30 million turns; `self_test::tests` checks that these bytes are that text:
/// `(module (memory (export "memory") 1) (func (export "run") (result i32) (local i32) (loop (br_if 0 (i32.lt_u
/// (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 30000000)))) (i32.const 0)))`
const MODULE: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
    0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7f, // type: () -> i32
    0x03, 0x02, 0x01, 0x00, // one function of it
    0x05, 0x03, 0x01, 0x00, 0x01, // one page of memory
    0x07, 0x10, 0x02, // two exports
    0x06, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 0x02, 0x00, // "memory"
    0x03, 0x72, 0x75, 0x6e, 0x00, 0x00, // "run"
    0x0a, 0x1a, 0x01, 0x18, 0x01, 0x01, 0x7f, // code: one function with one i32
    0x03, 0x40, // loop
    0x20, 0x00, 0x41, 0x01, 0x6a, 0x22, 0x00, // local 0 += 1
    0x41, 0x80, 0x87, 0xa7, 0x0e, 0x49, // < 30,000,000
    0x0d, 0x00, 0x0b, // br_if 0, end
    0x41, 0x00, 0x0b, // 0, end
];

/// A device's measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Of the worker that measured: another build may be faster.
    pub version: String,
    pub device: String,
    /// Threads that were used.
    pub threads: usize,
    /// What computes hardware proofs, and how fast: what this device claims to the oracles, which measure it.
    pub hardware: HardwareClaim,
    /// Engine → units of work a second. Engines that can't run here are missing.
    pub engines: BTreeMap<String, f64>,
    /// Why an engine is missing.
    pub notes: Vec<String>,
}

impl SelfTest {
    /// Int8 TOPS of a whole pass with its hashing, hundredths.
    pub fn tops_e2(&self) -> u32 {
        hardware::claimed_tops_e2(&self.hardware)
    }
}

fn version() -> String {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    format!("{} ({profile})", env!("CARGO_PKG_VERSION"))
}

fn file(config: &Config) -> PathBuf {
    config.data_dir.join("self-test.json")
}

/// Threads that engines use on a device.
pub fn threads(config: &Config, device: &Device) -> usize {
    if config.threads > 0 {
        config.threads.min(device.threads.max(1))
    } else {
        device.threads.max(1)
    }
}

/// Measures the device, or reads what an earlier run of the same build measured. `again` measures anyway.
pub async fn self_test(config: &Config, device: &Device, again: bool) -> Result<SelfTest> {
    let path = file(config);
    let threads = threads(config, device);
    let address = device.address().to_string();
    if !again
        && let Some(bytes) = read_small(&path, MAX_STATE_FILE_BYTES)?
        && let Ok(test) = serde_json::from_slice::<SelfTest>(&bytes)
        && (test.version == version() && test.device == address && test.threads == threads)
        // An engine that has since become able to run is worth another look.
        && config.engines.keys().all(|engine| test.engines.contains_key(engine))
    {
        return Ok(test);
    }
    let test = measure_all(config, device, threads).await?;
    write_durably(&path, &serde_json::to_vec_pretty(&test)?)?;
    Ok(test)
}

async fn measure_all(config: &Config, device: &Device, threads: usize) -> Result<SelfTest> {
    let of_device = device.clone();
    let measure = move || Prover::open(&of_device, threads)?.claim(of_device.memory_mib, threads);
    let hardware = tokio::task::spawn_blocking(measure)
        .await
        .context("measuring was interrupted")??;
    let mut test = SelfTest {
        version: version(),
        device: device.address().to_string(),
        threads,
        hardware,
        engines: BTreeMap::new(),
        notes: Vec::new(),
    };
    if let DeviceSelection::Nvidia { .. } = device.selection {
        test.notes.push(NO_ENGINE_FOR_A_GPU.into());
        return Ok(test);
    }
    let engines = Arc::new(EngineHost::default());
    for name in config.engines.keys() {
        match speed(config, &engines, name, threads).await {
            Ok(speed) => {
                test.engines.insert(name.clone(), speed);
            }
            Err(error) => test.notes.push(format!("{name} isn't offered: {error:#}")),
        }
    }
    Ok(test)
}

/// Units of work a second.
async fn speed(
    config: &Config,
    engines: &Arc<EngineHost>,
    engine: &str,
    threads: usize,
) -> Result<f64> {
    if engine == lease::OFFER {
        // A second a second.
        return Ok(1.0);
    }
    let folder = tempfile::Builder::new()
        .prefix("self-test-")
        .tempdir_in(&config.data_dir)
        .or_else(|_| {
            std::fs::create_dir_all(&config.data_dir)?;
            tempfile::Builder::new()
                .prefix("self-test-")
                .tempdir_in(&config.data_dir)
        })?;
    let scratch = Config {
        data_dir: folder.path().to_owned(),
        ..config.clone()
    };
    let blobs = LocalBlobs::new(&scratch);
    let put = |bytes: &[u8]| -> Result<BlobRef> {
        let blob = BlobRef::of(bytes);
        write_durably(&scratch.blobs_dir().join(blob.hash.to_string()), bytes)?;
        Ok(blob)
    };
    let (input, engine_spec) = match engine {
        "embed" => {
            let model = known_model(&blobs).await.context(
                "no known model is on this machine: run ./x setup, set IO_MODEL_DIR, or name its folder in model_dirs",
            )?;
            let spec = EmbedSpec {
                model: model.files,
                format: InputFormat::Lines,
                pooling: model.pooling,
                max_tokens: model.max_tokens,
            };
            (put(passages().as_bytes())?, EngineSpec::Embed(spec))
        }
        _ => {
            let module = put(MODULE)?;
            (
                put(b"")?,
                EngineSpec::Wasm(WasmSpec {
                    module,
                    fuel: FUEL,
                    memory_mib: 1,
                    time_limit_s: 60,
                    max_output: 0,
                }),
            )
        }
    };
    let spec = JobSpec {
        version: SPEC_VERSION,
        input,
        engine: engine_spec,
    };
    // Loads the model, compiles the module, so that only the work itself is timed.
    engines.quote(&spec, &blobs).await?;
    let begun = Instant::now();
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let run = Run {
            spec: spec.clone(),
            blobs: blobs.clone(),
            out_dir: folder.path().join("out"),
            job: Pubkey::default().to_bytes(),
            threads,
            canaries: None,
            cancel: CancelToken::new(),
            progress: Arc::new(Progress::default()),
        };
        let outcome = engines.run(run).await?;
        best = best.max(outcome.units as f64 / started.elapsed().as_secs_f64().max(1e-6));
        if begun.elapsed() >= ENOUGH {
            break;
        }
    }
    Ok(best)
}

async fn known_model(blobs: &LocalBlobs) -> Option<&'static io_engines::models::KnownModel> {
    let blobs = blobs.clone();
    let find = move || {
        KNOWN_MODELS.into_iter().find(|model| {
            let files = [
                model.files.config,
                model.files.tokenizer,
                model.files.weights,
            ];
            files.iter().all(|file| blobs.locate(&file.hash).is_ok())
        })
    };
    tokio::task::spawn_blocking(find).await.ok().flatten()
}

/// Text of usual length: no two passages the same.
fn passages() -> String {
    (0..PASSAGES)
        .map(|i| {
            let hash = BlobHash::of(&i.to_le_bytes()).to_string();
            format!(
                "Passage {i}: a package that needs the service must say so in its control file, and section {} of the manual \
                 explains which fields are read before the files are unpacked, and which after.\n",
                &hash[..6]
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchmarks_module_is_what_its_comment_says() {
        let text = r#"(module (memory (export "memory") 1) (func (export "run") (result i32) (local i32)
            (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 30000000)))) (i32.const 0)))"#;
        assert_eq!(wat::parse_str(text).unwrap(), MODULE);
    }

    #[tokio::test]
    async fn this_machine_is_measured_once_for_each_build() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config {
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        config.engines.retain(|name, _| name == "wasm");
        let device = crate::devices::select(&DeviceSelection::default()).unwrap();
        let test = self_test(&config, &device, false).await.unwrap();
        // Slower than a million instructions a second would be broken, faster than 10¹⁴ impossible.
        assert!((1.0..1e8).contains(&test.engines["wasm"]), "{test:?}");
        assert!(
            test.tops_e2() >= 1 && test.hardware.memory_mib > 0 && test.hardware.fill_mib_s > 0
        );
        assert_eq!(
            self_test(&config, &device, false).await.unwrap(),
            test,
            "read, not measured again"
        );

        let mut old = test.clone();
        old.version = "0.0.0".into();
        old.engines.insert("wasm".into(), 1.0);
        write_durably(&file(&config), &serde_json::to_vec(&old).unwrap()).unwrap();
        assert_ne!(
            self_test(&config, &device, false).await.unwrap().engines,
            old.engines,
            "another build's is not believed"
        );
        let left: Vec<_> = std::fs::read_dir(&config.data_dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        assert_eq!(left, ["self-test.json"], "nothing else is left behind");
    }
}
