//! What the device asks. The configuration's asks hold until `io device price` writes others into the data folder; a
//! running worker notices within a heartbeat.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use io_api::types::Amount;

use crate::{
    config::{Config, ENGINES, read_small, write_durably},
    limits::MAX_STATE_FILE_BYTES,
};

/// Engine → IO base units for 1,000 units of work.
pub type Asks = BTreeMap<String, Amount>;

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("asks.json")
}

/// The asks that `io device price` wrote; empty when it never did.
pub fn read_asks(data_dir: &Path) -> Result<Asks> {
    let path = file(data_dir);
    match read_small(&path, MAX_STATE_FILE_BYTES)? {
        None => Ok(Asks::new()),
        Some(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            format!(
                "{} isn't valid: set the prices again with `io device price`",
                path.display()
            )
        }),
    }
}

/// Changes one engine's ask (what `io device price` does). A running worker takes it over within a heartbeat.
pub fn set_ask(data_dir: &Path, engine: &str, ask: Amount) -> Result<Asks> {
    ensure!(
        ENGINES.contains(&engine),
        "'{engine}' isn't an engine; expected one of {}",
        ENGINES.join(", ")
    );
    let mut asks = read_asks(data_dir)?;
    asks.insert(engine.to_owned(), ask);
    write_durably(&file(data_dir), &serde_json::to_vec_pretty(&asks)?)?;
    Ok(asks)
}

/// The asks in force: the data folder's over the configuration's, for the configured engines.
pub fn current(config: &Config) -> Result<Asks> {
    let written = read_asks(&config.data_dir)?;
    Ok(config
        .engines
        .iter()
        .map(|(name, engine)| {
            (
                name.clone(),
                written.get(name).copied().unwrap_or(engine.ask),
            )
        })
        .collect())
}

/// When the asks last changed, to notice that cheaply.
pub(crate) fn changed_at(data_dir: &Path) -> Option<SystemTime> {
    std::fs::metadata(file(data_dir))
        .and_then(|meta| meta.modified())
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_asks_override_the_configurations_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        let before = current(&config).unwrap();
        assert_eq!(before["embed"], config.engines["embed"].ask);
        set_ask(&config.data_dir, "embed", Amount(7)).unwrap();
        let after = current(&config).unwrap();
        assert_eq!((after["embed"], after["wasm"]), (Amount(7), before["wasm"]));
        assert!(set_ask(&config.data_dir, "render", Amount(7)).is_err());
        std::fs::write(file(&config.data_dir), "{").unwrap();
        assert!(format!("{:#}", current(&config).unwrap_err()).contains("io device price"));
    }
}
