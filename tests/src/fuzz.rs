//! Random tests take a share of as many operations as `./x fuzz` asks for, and a few without it.

use std::path::PathBuf;

use crate::world::attempts;

/// How long a random test goes on, measured in transactions that it tried.
pub struct Budget {
    name: &'static str,
    wanted: u64,
    /// First seed of the run.
    pub seed: u64,
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
    )
}

impl Budget {
    /// A test's part of all operations; `name` is unique among the random tests.
    pub fn of(name: &'static str, percent: u64) -> Self {
        let all = number("IO_FUZZ_OPERATIONS").unwrap_or(0);
        Self {
            name,
            wanted: (all * percent).div_ceil(100),
            seed: number("IO_FUZZ_SEED").unwrap_or(0),
        }
    }

    /// Whether another round is to be run.
    pub fn more(&self) -> bool {
        attempts() < self.wanted
    }

    /// Says how many operations it were.
    pub fn done(self) {
        let tried = attempts();
        assert!(tried >= self.wanted && tried > 0);
        if let Some(folder) = std::env::var_os("IO_FUZZ_DIR").map(PathBuf::from) {
            std::fs::write(folder.join(self.name), tried.to_string())
                .expect("the count is written");
        }
    }
}
