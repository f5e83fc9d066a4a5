//! Where things are.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// The folders every command works with. All are absolute.
pub struct Paths {
    /// The checkout.
    pub root: PathBuf,
    /// What may be thrown away and comes back by itself.
    pub cache: PathBuf,
    /// The workspace's target folder.
    pub target: PathBuf,
    /// The programs as the tests and the local chain load them.
    pub deploy: PathBuf,
    /// The parts and the builds of the on-chain toolchain.
    pub sbf: PathBuf,
}

impl Paths {
    pub fn find() -> Result<Self> {
        let root = folder("IO_NETWORK_ROOT")?;
        ensure!(
            root.join("tools/xtask/Cargo.toml").is_file(),
            "{} is not a checkout of IO Network: run ./x from one",
            root.display()
        );
        let cache = folder("IO_NETWORK_CACHE")?;
        let target = folder("CARGO_TARGET_DIR")?;
        Ok(Self {
            deploy: target.join("deploy"),
            sbf: cache.join("sbf"),
            root,
            cache,
            target,
        })
    }

    /// Whether the tools that are run may talk freely.
    pub fn verbose(&self) -> bool {
        env::var_os("IO_NETWORK_VERBOSE").is_some()
    }

    /// A path inside the checkout as people type it.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

fn folder(variable: &str) -> Result<PathBuf> {
    let path = env::var_os(variable)
        .with_context(|| format!("{variable} is not set: start this through ./x, which sets it"))?;
    let path = PathBuf::from(path);
    std::path::absolute(&path).with_context(|| format!("{variable}={}", path.display()))
}
