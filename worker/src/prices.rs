//! What the device asks. The configuration's asks hold until `io device price` writes others into the data folder; a
//! running worker notices within a heartbeat.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use io_api::types::Amount;
use io_protocol::money::E9;

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

/// An ask in IO as an ask in a job's own mint, rounded **up**: a provider never takes less than it asks.
/// `io_per_unit_e9` is the mint's weight, IO base units for 10⁹ of its own. `None` when no `u64` holds it.
pub fn ask_in_mint(ask: Amount, io_per_unit_e9: u64) -> Option<u64> {
    if io_per_unit_e9 == 0 {
        return None;
    }
    u64::try_from((u128::from(ask.0) * E9).div_ceil(u128::from(io_per_unit_e9))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn io_itself_is_worth_itself() {
        assert_eq!(ask_in_mint(Amount(5), 1_000_000_000), Some(5));
        // A base unit worth 20 IO base units; 50 IO units cost 2.5 of it, so 3.
        assert_eq!(ask_in_mint(Amount(50), 20_000_000_000), Some(3));
        assert_eq!(ask_in_mint(Amount(u64::MAX), 1), None);
        assert_eq!(ask_in_mint(Amount(1), 0), None);
    }

    proptest! {
        #[test]
        fn a_converted_ask_is_never_worth_less(ask in 0u64..1 << 50, weight in 1u64..1 << 50) {
            if let Some(converted) = ask_in_mint(Amount(ask), weight) {
                prop_assert!(u128::from(converted) * u128::from(weight) >= u128::from(ask) * E9);
                prop_assert!(u128::from(converted.saturating_sub(1)) * u128::from(weight) < u128::from(ask) * E9 || ask == 0);
            }
        }
    }
}
