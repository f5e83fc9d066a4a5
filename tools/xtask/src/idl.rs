//! The interface description, from the program's own sources.

use std::{fs, path::Path};

use anchor_lang_idl::build::IdlBuilder;
use anyhow::{Context, Result, bail};

use crate::{
    paths::Paths,
    program::{IO_CONSUMER, IO_NETWORK, Program, fingerprint},
    say,
    shell::{command, lock, output, read, write},
};

pub const PRINT: &str = "__print-idl";

/// Writes `idl/*.json`, or with `check` fails where one differs from what the sources give.
pub fn idl(paths: &Paths, check: bool) -> Result<()> {
    let cache = paths.cache.join("idl");
    let _lock = lock(&cache)?;
    for program in [IO_NETWORK, IO_CONSUMER] {
        let committed = paths
            .root
            .join("idl")
            .join(format!("{}.json", program.file));
        let fresh = generated(paths, &cache, &program)?;
        let current = fs::read_to_string(&committed).unwrap_or_default();
        let shown = paths.shown(&committed);
        if current == fresh {
            say!("{shown} is up to date");
        } else if check {
            bail!(
                "{shown} is stale: the program's interface changed. Run ./x idl and commit the file"
            );
        } else {
            write(&committed, fresh)?;
            say!("{shown} written");
        }
    }
    Ok(())
}

fn generated(paths: &Paths, cache: &Path, program: &Program) -> Result<String> {
    let key = fingerprint(paths, program, &["tools/xtask/src/idl.rs"])?;
    let kept = cache.join(format!("{}.json", program.file));
    let kept_key = cache.join(format!("{}.key", program.file));
    if kept.is_file() && fs::read_to_string(&kept_key).is_ok_and(|old| old == key) {
        return read(&kept);
    }
    say!("reading the interface of {}", program.package);
    // The builder passes its own environment on to cargo, so it runs in a process of its own. It sets RUSTFLAGS,
    // which would rebuild the workspace: hence the separate target folder.
    let mut print = command(std::env::current_exe()?);
    print
        .arg(PRINT)
        .arg(paths.root.join(program.folder))
        .env("CARGO_TARGET_DIR", cache.join("target"))
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    let json =
        output(&mut print).with_context(|| format!("{} gives no interface", program.package))?;
    write(&kept, &json)?;
    write(&kept_key, key)?;
    Ok(json)
}

/// The process behind `generated`.
pub fn print(folder: &Path) -> Result<()> {
    let idl = IdlBuilder::new()
        .program_path(folder.into())
        .cargo_args(
            // Run once and thrown away: compiled as fast as possible.
            ["--lib", "--config", "profile.dev.package.\"*\".opt-level=0"]
                .iter()
                .chain(&[
                    "--config",
                    "profile.dev.opt-level=0",
                    "--config",
                    "profile.dev.debug=false",
                ])
                .map(ToString::to_string)
                .collect(),
        )
        .build()?;
    println!("{}", serde_json::to_string_pretty(&idl)?);
    Ok(())
}
