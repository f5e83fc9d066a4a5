//! Building the programs to bytecode.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    paths::Paths,
    say,
    sbf::{TARGET, Toolchain},
    shell::{
        cargo, command, copy, entries, fresh_dir, lock, locked, on_path, output, read, remove_dir,
        run, sha256_of, write,
    },
};

/// One on-chain program.
pub struct Program {
    pub package: &'static str,
    /// Its folder in the checkout.
    pub folder: &'static str,
    /// The file in the deploy folder, without `.so`.
    pub file: &'static str,
}

pub const IO_NETWORK: Program = Program {
    package: "io-network",
    folder: "programs/io-network",
    file: "io_network",
};
pub const IO_CONSUMER: Program = Program {
    package: "io-consumer",
    folder: "programs/io-consumer",
    file: "io_consumer",
};
/// Runs the 128-bit helpers inside the VM, for their test.
pub const INT128_PROBE: Program = Program {
    package: "io-int128-probe",
    folder: "tools/sbf/int128-probe",
    file: "io_int128_probe",
};
pub const ALL: &[Program] = &[IO_NETWORK, IO_CONSUMER, INT128_PROBE];

/// Builds kept beside the newest of each program: switching branches back and forth costs nothing.
const KEPT_BUILDS: usize = 12;

impl Program {
    pub fn named(name: &str) -> Result<&'static Program> {
        ALL.iter()
            .find(|program| program.package == name || program.file == name)
            .with_context(|| {
                let names: Vec<_> = ALL.iter().map(|program| program.package).collect();
                format!(
                    "no program is called {name:?}: there are {}",
                    names.join(", ")
                )
            })
    }

    fn manifest(&self, source: &Path) -> PathBuf {
        source.join(self.folder).join("Cargo.toml")
    }

    fn elf(&self) -> String {
        format!("{}.so", self.file)
    }
}

/// Chooses the tools where both could be used.
const TOOLS: &str = "IO_NETWORK_SBF_TOOLS";

enum Tools {
    Official { version: String },
    Upstream(Toolchain),
}

impl Tools {
    fn find(paths: &Paths) -> Result<Self> {
        let official = match std::env::var(TOOLS).as_deref() {
            Ok("official") => true,
            Ok("upstream") => false,
            Ok(other) => bail!("{TOOLS}={other}: expected official or upstream"),
            Err(_) => on_path("cargo-build-sbf").is_some(),
        };
        if official {
            ensure!(
                on_path("cargo-build-sbf").is_some(),
                "cargo build-sbf is not on PATH: install the Solana tools, or set {TOOLS}=upstream"
            );
            let version = output(cargo().args(["build-sbf", "--version"]))?;
            return Ok(Tools::Official {
                version: version.trim().replace('\n', ", "),
            });
        }
        Ok(Tools::Upstream(Toolchain::prepare(paths)?))
    }

    fn id(&self) -> &str {
        match self {
            Tools::Official { version } => version,
            Tools::Upstream(toolchain) => &toolchain.id,
        }
    }

    /// Builds `program` from the checkout at `source` and leaves the ELF at `into`.
    fn build(
        &self,
        paths: &Paths,
        program: &Program,
        source: &Path,
        target: &Path,
        into: &Path,
    ) -> Result<()> {
        let manifest = program.manifest(source);
        match self {
            Tools::Official { .. } => {
                let folder = target.join("official");
                run(cargo()
                    .args(["build-sbf", "--manifest-path"])
                    .arg(&manifest)
                    .arg("--sbf-out-dir")
                    .arg(&folder)
                    .current_dir(source)
                    .env("CARGO_TARGET_DIR", target))?;
                copy(&folder.join(program.elf()), into)
            }
            Tools::Upstream(toolchain) => {
                let release = target.join(TARGET).join("release");
                let name = format!("lib{}", program.elf());
                // A program that another one calls is built twice, with and without its entry point, under this
                // same name. Removed first, it is always linked for the build asked for.
                for old in [release.join(&name), release.join("deps").join(&name)] {
                    if old.exists() {
                        fs::remove_file(&old)?;
                    }
                }
                run(toolchain
                    .cargo_build(paths, source, &manifest, target)
                    .args(["-p", program.package]))
                .with_context(|| format!("{} does not build to SBF", program.package))?;
                copy(&release.join(&name), into)
            }
        }
    }
}

/// Fetches what building programs needs, and builds none.
pub fn prepare_tools(paths: &Paths) -> Result<()> {
    let _lock = lock(&paths.sbf)?;
    Tools::find(paths)?;
    Ok(())
}

/// Builds `programs` where their sources or tools changed, into the deploy folder.
pub fn build(paths: &Paths, programs: &[&Program]) -> Result<()> {
    let _lock = lock(&paths.sbf)?;
    let tools = Tools::find(paths)?;
    for program in programs {
        let built = built(paths, &tools, program)?;
        let deployed = paths.deploy.join(program.elf());
        if !deployed.is_file() || sha256_of(&deployed)? != sha256_of(&built)? {
            copy(&built, &deployed)?;
        }
    }
    Ok(())
}

/// The program's ELF in the cache, built if it isn't there.
fn built(paths: &Paths, tools: &Tools, program: &Program) -> Result<PathBuf> {
    let folder = build_folder(paths, tools, program)?;
    let elf = folder.join(program.elf());
    if elf.is_file() {
        return Ok(elf);
    }
    say!("building {} to SBF", program.package);
    tools.build(paths, program, &paths.root, &paths.sbf.join("target"), &elf)?;
    write(&folder.join("TOOLS"), tools.id())?;
    say!("{}: {} bytes", program.elf(), fs::metadata(&elf)?.len());
    forget_old_builds(paths)?;
    Ok(elf)
}

fn build_folder(paths: &Paths, tools: &Tools, program: &Program) -> Result<PathBuf> {
    let sources = fingerprint(
        paths,
        program,
        &["tools/xtask/src/sbf.rs", "tools/sbf/sbf-solana-solana.json"],
    )?;
    let mut hash = Sha256::new();
    hash.update(sources);
    hash.update(tools.id());
    Ok(paths
        .sbf
        .join("built")
        .join(&hex::encode(hash.finalize())[..32]))
}

fn forget_old_builds(paths: &Paths) -> Result<()> {
    let mut builds = Vec::new();
    for build in entries(&paths.sbf.join("built"))? {
        builds.push((fs::metadata(&build)?.modified()?, build));
    }
    builds.sort();
    let old = builds.len().saturating_sub(KEPT_BUILDS);
    for (_, build) in builds.into_iter().take(old) {
        remove_dir(&build)?;
    }
    Ok(())
}

/// Builds each program again from a copy of the sources in another folder, from nothing, and compares the bytes.
pub fn check_reproducible(paths: &Paths, programs: &[&Program]) -> Result<()> {
    let _lock = lock(&paths.sbf)?;
    let tools = Tools::find(paths)?;
    let mut unchecked = Vec::new();
    for program in programs {
        let elf = built(paths, &tools, program)?;
        if elf.with_file_name("REPRODUCED").is_file() {
            say!(
                "{}: a second build gave the same bytes before",
                program.elf()
            );
        } else {
            unchecked.push((program, elf));
        }
    }
    if unchecked.is_empty() {
        return Ok(());
    }

    let folder = paths.sbf.join("reproduce");
    fresh_dir(&folder)?;
    let source = folder.join("a-different/path");
    copy_checkout(paths, &source)?;
    for (program, first) in &unchecked {
        say!(
            "building {} again, from nothing and at another path",
            program.package
        );
        let second = folder.join(program.elf());
        tools.build(paths, program, &source, &folder.join("target"), &second)?;
        let (hash, again) = (sha256_of(first)?, sha256_of(&second)?);
        if hash != again {
            let kept = paths.sbf.join(format!("{}.second.so", program.file));
            copy(&second, &kept)?;
            bail!(
                "{} is not reproducible: {hash} at first, {again} from a copy of the same sources. Compare {} with {}",
                program.elf(),
                first.display(),
                kept.display()
            );
        }
        write(&first.with_file_name("REPRODUCED"), &hash)?;
        say!("{}: the same bytes twice, sha256 {hash}", program.elf());
    }
    remove_dir(&folder)
}

/// The files git knows or would take, as they are now.
fn copy_checkout(paths: &Paths, into: &Path) -> Result<()> {
    let list = output(
        command("git")
            // A checkout that another user made, as in some CI systems, is read all the same.
            .args(["-c", "safe.directory=*"])
            .current_dir(&paths.root)
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ]),
    )
    .context("the second build copies the files that git lists")?;
    for name in list.split('\0').filter(|name| !name.is_empty()) {
        let from = paths.root.join(name);
        // A file removed from the working tree is still listed.
        if from.is_file() {
            copy(&from, &into.join(name))?;
        }
    }
    Ok(())
}

/// A hash of everything that decides what the program becomes, apart from the tools: its own sources, those of the
/// crates of this checkout it depends on, versions and features of all others, and the build profiles.
pub fn fingerprint(paths: &Paths, program: &Program, also: &[&str]) -> Result<String> {
    let text = output(
        cargo()
            .args(["metadata", "--format-version", "1"])
            .args(locked())
            .arg("--manifest-path")
            .arg(program.manifest(&paths.root)),
    )
    .with_context(|| {
        format!(
            "cargo cannot read the dependencies of {} (in CI, Cargo.lock must fit the manifests)",
            program.package
        )
    })?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is not JSON")?;

    let packages: BTreeMap<&str, &Value> = list(&metadata["packages"])?
        .iter()
        .filter_map(|package| Some((package["id"].as_str()?, package)))
        .collect();
    let nodes: BTreeMap<&str, &Value> = list(&metadata["resolve"]["nodes"])?
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let root = packages
        .iter()
        .find(|(_, package)| package["name"] == program.package && package["source"].is_null())
        .map(|(id, _)| *id)
        .with_context(|| format!("{} has no package {}", program.folder, program.package))?;

    let mut seen = BTreeSet::from([root]);
    let mut queue = vec![root];
    while let Some(id) = queue.pop() {
        for dependency in list(&nodes.get(id).context("a package without a node")?["deps"])? {
            let kinds = list(&dependency["dep_kinds"])?;
            let id = dependency["pkg"]
                .as_str()
                .context("a dependency without an id")?;
            if kinds.iter().any(|kind| kind["kind"] != "dev") && seen.insert(id) {
                queue.push(id);
            }
        }
    }

    let mut lines = Vec::new();
    for id in seen {
        let package = packages.get(id).context("a node without a package")?;
        let (name, version) = (
            package["name"].as_str().unwrap_or(""),
            package["version"].as_str().unwrap_or(""),
        );
        lines.push(format!("{name} {version} {}", nodes[id]["features"]));
        if package["source"].is_null() {
            let manifest = Path::new(
                package["manifest_path"]
                    .as_str()
                    .context("a package without a manifest")?,
            );
            let folder = manifest.parent().context("a manifest without a folder")?;
            ensure!(
                folder.starts_with(&paths.root),
                "{name} lies outside the checkout, in {}",
                folder.display()
            );
            hash_folder(paths, folder, &["target", "tests", "benches"], &mut lines)?;
        }
    }
    for file in also {
        let path = paths.root.join(file);
        lines.push(format!("{file} {}", sha256_of(&path)?));
    }
    lines.extend(profiles(&read(&paths.root.join("Cargo.toml"))?));
    lines.sort();
    Ok(hex::encode(Sha256::digest(lines.join("\n"))))
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value
        .as_array()
        .context("cargo metadata has another shape than expected")
}

/// Every file below `folder` except in the folders to `skip`, which take no part in the build.
fn hash_folder(paths: &Paths, folder: &Path, skip: &[&str], lines: &mut Vec<String>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !skip.contains(&&*name) && !name.starts_with('.') {
                hash_folder(paths, &path, &[], lines)?;
            }
        } else {
            lines.push(format!("{} {}", paths.shown(&path), sha256_of(&path)?));
        }
    }
    Ok(())
}

/// The lines of the workspace manifest that say how to compile.
fn profiles(manifest: &str) -> Vec<String> {
    let mut inside = false;
    manifest
        .lines()
        .filter(|line| {
            if line.starts_with('[') {
                inside = line.starts_with("[profile.release");
            }
            inside && !line.trim().is_empty() && !line.starts_with('#')
        })
        .map(String::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_release_profiles_decide_the_bytes() {
        let manifest = "[package]\nname = \"x\"\n[profile.dev]\nopt-level = 1\n[profile.release]\n# why\nlto = true\n\n\
                        [profile.release.package.a]\nopt-level = 2\n[lints]\nb = 1\n";
        assert_eq!(
            profiles(manifest),
            [
                "[profile.release]",
                "lto = true",
                "[profile.release.package.a]",
                "opt-level = 2"
            ]
        );
    }

    #[test]
    fn programs_are_named_by_package_or_file() {
        assert_eq!(
            Program::named("io-network").expect("a package").file,
            "io_network"
        );
        assert_eq!(
            Program::named("io_consumer").expect("a file").package,
            "io-consumer"
        );
        let error = Program::named("io").err().expect("refused").to_string();
        assert!(
            error.contains("io-network") && error.contains("\"io\""),
            "{error}"
        );
    }
}
