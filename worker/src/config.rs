//! The worker's configuration.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use io_api::types::Amount;
use io_protocol::lease;
use serde::{Deserialize, Serialize};

use crate::limits::*;

/// Engines that this build runs.
pub const ENGINES: [&str; 3] = ["embed", "wasm", lease::OFFER];

/// Configuration of one worker: one device, one operator key, one data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The oracles' addresses, like `http://127.0.0.1:7100`. At least one; better all of them.
    pub oracles: Vec<String>,
    /// RPC node, and its WebSocket.
    pub rpc_url: String,
    pub ws_url: String,
    /// Key file of the device's operator (hot: accepts jobs, submits results, pays transaction fees).
    pub operator: PathBuf,
    /// Which device this worker runs.
    pub device: DeviceSelection,
    /// Everything that the worker writes is in here. One worker a folder.
    pub data_dir: PathBuf,
    /// The engines to offer, and what to ask. `io device price` overrides the asks ([`crate::prices`]).
    pub engines: BTreeMap<String, EngineConfig>,
    /// Folders with a model each (config.json, tokenizer.json, model.safetensors), besides `$IO_MODEL_DIR` or the cache.
    pub model_dirs: Vec<PathBuf>,
    /// Two-letter ISO 3166 code of where the device is; said to renters, not proven.
    pub region: Option<String>,
    /// Pause between heartbeats, seconds.
    pub heartbeat_seconds: u64,
    /// Most bytes that blobs and results may take in `data_dir`.
    pub max_disk_bytes: u64,
    /// Bytes to leave free on its file system.
    pub min_free_disk_bytes: u64,
    /// Results of finished jobs are kept this long, seconds, for renters who come late.
    pub retention_seconds: u64,
    /// A model leaves the memory after so many seconds without a job.
    pub idle_unload_seconds: u64,
    /// Threads that an engine may use; 0 for all of the device's.
    pub threads: usize,
    /// Folder of `io audit canary`: exact jobs whose secret lies there are answered wrong on purpose, to see which oracles notice. It
    /// costs their penalty, and the device's reputation.
    pub canaries: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let ask = |ask| EngineConfig { ask: Amount(ask) };
        Self {
            oracles: Vec::new(),
            rpc_url: "http://127.0.0.1:8899".into(),
            ws_url: "ws://127.0.0.1:8900".into(),
            operator: PathBuf::new(),
            device: DeviceSelection::default(),
            data_dir: PathBuf::from("io-worker"),
            // 0.5 IO for 1,000 passages; 0.001 IO for 10⁹ fuel, about a second of one core; 1 IO
            // for 1,000 s of a lease.
            engines: BTreeMap::from([
                ("embed".into(), ask(50_000_000)),
                ("wasm".into(), ask(100_000)),
                (lease::OFFER.into(), ask(100_000_000)),
            ]),
            model_dirs: Vec::new(),
            region: None,
            heartbeat_seconds: 5,
            max_disk_bytes: 20 * 1024 * 1024 * 1024,
            min_free_disk_bytes: 1024 * 1024 * 1024,
            retention_seconds: 24 * 3_600,
            idle_unload_seconds: 300,
            threads: 0,
            canaries: None,
        }
    }
}

/// One engine on offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// IO base units for 1,000 units of work.
    pub ask: Amount,
}

/// Which device a worker runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceSelection {
    /// The host's CPU and memory, or one of `parts` equal parts of them: several workers on one host are devices of their
    /// own, each with its share.
    Host {
        #[serde(default)]
        part: u16,
        #[serde(default = "one")]
        parts: u16,
    },
    /// An NVIDIA GPU by its index, as `nvidia-smi` counts.
    Nvidia { index: u32 },
}

fn one() -> u16 {
    1
}

impl Default for DeviceSelection {
    fn default() -> Self {
        Self::Host { part: 0, parts: 1 }
    }
}

/// Longest and shortest pause between heartbeats that make sense, seconds.
const HEARTBEAT: std::ops::RangeInclusive<u64> = 1..=300;
/// Parts of a host.
const MAX_PARTS: u16 = 64;

impl Config {
    /// Checks every field. The error names the field, what it holds and what it should.
    pub fn check(&self) -> Result<()> {
        ensure!(
            !self.oracles.is_empty(),
            "oracles is empty: name at least one oracle, like http://127.0.0.1:7100"
        );
        ensure!(
            self.oracles.len() <= MAX_ORACLES,
            "oracles names {}, at most {MAX_ORACLES} are used",
            self.oracles.len()
        );
        for (i, url) in self.oracles.iter().enumerate() {
            let parsed = reqwest::Url::parse(url)
                .with_context(|| format!("oracles[{i}] is '{url}', expected http://host:port"))?;
            ensure!(
                matches!(parsed.scheme(), "http" | "https") && parsed.host_str().is_some(),
                "oracles[{i}] is '{url}', expected http://host:port"
            );
            ensure!(
                !self.oracles[..i].contains(url),
                "oracles names {url} twice"
            );
        }
        ensure!(
            !self.operator.as_os_str().is_empty(),
            "operator is empty: name the key file of the device's operator"
        );
        ensure!(
            !self.data_dir.as_os_str().is_empty(),
            "data_dir is empty: name a folder for the worker's data"
        );
        ensure!(
            !self.engines.is_empty(),
            "engines is empty: offer at least one of {}",
            ENGINES.join(", ")
        );
        for name in self.engines.keys() {
            if !ENGINES.contains(&name.as_str()) {
                let shown: String = name.chars().take(MAX_ENGINE_NAME_BYTES).collect();
                bail!(
                    "engines names '{shown}', this worker has {}",
                    ENGINES.join(", ")
                );
            }
        }
        if let DeviceSelection::Host { part, parts } = self.device {
            ensure!(
                (1..=MAX_PARTS).contains(&parts),
                "device.parts is {parts}, expected 1 to {MAX_PARTS}"
            );
            ensure!(
                part < parts,
                "device.part is {part}, expected 0 to {}",
                parts - 1
            );
        }
        ensure!(
            HEARTBEAT.contains(&self.heartbeat_seconds),
            "heartbeat_seconds is {}, expected {} to {}",
            self.heartbeat_seconds,
            HEARTBEAT.start(),
            HEARTBEAT.end()
        );
        self.region_code()?;
        Ok(())
    }

    /// The region packed as on chain; 0 when there is none.
    pub fn region_code(&self) -> Result<u16> {
        match self.region.as_deref() {
            None => Ok(0),
            Some(text) => pack_region(text).with_context(|| {
                format!("region is '{text}', expected two capital letters, like DE")
            }),
        }
    }

    pub fn jobs_dir(&self) -> PathBuf {
        self.data_dir.join("jobs")
    }

    pub fn blobs_dir(&self) -> PathBuf {
        self.data_dir.join("blobs")
    }
}

/// "DE" → 0x4445.
pub fn pack_region(text: &str) -> Option<u16> {
    match text.as_bytes() {
        [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => {
            Some(u16::from_be_bytes([*a, *b]))
        }
        _ => None,
    }
}

/// Reads a small file of the worker's own; `None` when there is none.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("can't read {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("can't read {}", path.display()))?;
    ensure!(
        bytes.len() as u64 <= limit,
        "{} has more than {limit} bytes: it isn't the worker's",
        path.display()
    );
    Ok(Some(bytes))
}

/// Writes a file so that after a crash it is there whole, or as it was before.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let what = || format!("can't write {}", path.display());
    let folder = path.parent().with_context(what)?;
    std::fs::create_dir_all(folder).with_context(what)?;
    let mut unfinished = tempfile::Builder::new()
        .prefix(".part-")
        .tempfile_in(folder)
        .with_context(what)?;
    unfinished
        .write_all(bytes)
        .and_then(|()| unfinished.as_file().sync_all())
        .with_context(what)?;
    unfinished
        .persist(path)
        .map_err(|e| e.error)
        .with_context(what)?;
    sync_folder(folder)
}

/// A rename is durable once its folder is.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("can't sync {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        Config {
            oracles: vec!["http://127.0.0.1:7100".into()],
            operator: "operator.json".into(),
            ..Config::default()
        }
    }

    #[test]
    fn a_configuration_survives_json_and_needs_little() {
        let config = good();
        config.check().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
        let short = r#"{"oracles":["http://127.0.0.1:7100"],"operator":"operator.json","device":{"kind":"host"}}"#;
        assert_eq!(serde_json::from_str::<Config>(short).unwrap(), config);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: Vec<(&str, Config)> = vec![
            (
                "oracles is empty",
                Config {
                    oracles: vec![],
                    ..good()
                },
            ),
            (
                "oracles[0]",
                Config {
                    oracles: vec!["ftp://x".into()],
                    ..good()
                },
            ),
            (
                "oracles[0]",
                Config {
                    oracles: vec!["7100".into()],
                    ..good()
                },
            ),
            (
                "twice",
                Config {
                    oracles: vec!["http://a".into(), "http://a".into()],
                    ..good()
                },
            ),
            (
                "operator",
                Config {
                    operator: PathBuf::new(),
                    ..good()
                },
            ),
            (
                "engines is empty",
                Config {
                    engines: BTreeMap::new(),
                    ..good()
                },
            ),
            (
                "'render'",
                Config {
                    engines: BTreeMap::from([("render".into(), EngineConfig { ask: Amount(1) })]),
                    ..good()
                },
            ),
            (
                "device.part ",
                Config {
                    device: DeviceSelection::Host { part: 2, parts: 2 },
                    ..good()
                },
            ),
            (
                "device.parts",
                Config {
                    device: DeviceSelection::Host { part: 0, parts: 0 },
                    ..good()
                },
            ),
            (
                "heartbeat_seconds",
                Config {
                    heartbeat_seconds: 0,
                    ..good()
                },
            ),
            (
                "region",
                Config {
                    region: Some("Germany".into()),
                    ..good()
                },
            ),
            (
                "region",
                Config {
                    region: Some("de".into()),
                    ..good()
                },
            ),
        ];
        for (expected, config) in cases {
            let error = format!("{:#}", config.check().unwrap_err());
            assert!(error.contains(expected), "{error} should name {expected}");
        }
        assert!(
            serde_json::from_str::<Config>(r#"{"oracle":[]}"#).is_err(),
            "a misspelt field is an error"
        );
    }

    #[test]
    fn regions_are_packed_big_endian() {
        assert_eq!(pack_region("DE"), Some(0x4445));
        assert_eq!(pack_region("D"), None);
        assert_eq!(pack_region("DEU"), None);
    }

    #[test]
    fn a_small_file_is_replaced_whole_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/file.json");
        assert_eq!(read_small(&path, 10).unwrap(), None);
        write_durably(&path, b"one").unwrap();
        write_durably(&path, b"two").unwrap();
        assert_eq!(read_small(&path, 3).unwrap().unwrap(), b"two");
        assert!(read_small(&path, 2).is_err());
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "no half-written file is left"
        );
    }
}
