//! The upstream toolchain for on-chain programs: Debian's rustc and library source, LLVM 23, `sbpf-linker`.
//!
//! Used where the official `cargo build-sbf` is not on PATH. Every part comes from a package registry; nothing is
//! installed on the system. Why each flag and patch is needed is said where it is set.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{
    debian::{Apt, Parts, Suite},
    paths::Paths,
    say,
    shell::{
        cargo, fresh_dir, locked, only_entry, output, read, remove_dir, run, run_quiet, write,
    },
};

const SBPF_LINKER: &str = "0.2.6";
/// Raised when the parts are laid out in another way, so that an older cache is fetched again.
const LAYOUT: &str = "1";
pub const TARGET: &str = "sbf-solana-solana";

/// The compiler runs against the machine's own C library, which loads the procedural macros that the machine's own
/// linker made; so these three must not come from the older release.
const FROM_THE_MACHINE: &[&str] = &[
    "libc.",
    "libm.",
    "libpthread.",
    "libdl.",
    "librt.",
    "libgcc_s.",
    "libstdc++.",
];

/// The fixed-key replacement for the only writable static that a program drags in from std: SBF has none.
const RANDOM_STATE: &str = "std/src/hash/random.rs";
const RANDOM_STATE_FROM: &str = "        thread_local!(static KEYS: Cell<(u64, u64)> = {
            Cell::new(hashmap_random_keys())
        });

        KEYS.with(|keys| {
            let (k0, k1) = keys.get();
            keys.set((k0.wrapping_add(1), k1));
            RandomState { k0, k1 }
        })
";
const RANDOM_STATE_TO: &str = "        RandomState { k0: 0, k1: 0 }\n";

pub struct Toolchain {
    folder: PathBuf,
    /// Versions of everything that decides the output's bytes.
    pub id: String,
}

impl Toolchain {
    /// Fetches what is missing. The caller holds the lock of `paths.sbf`.
    pub fn prepare(paths: &Paths) -> Result<Self> {
        let folder = paths.sbf.join("toolchain");
        let parts = folder.join("PARTS");
        let complete =
            fs::read_to_string(folder.join("LAYOUT")).is_ok_and(|layout| layout == LAYOUT);
        if !complete {
            say!(
                "setting up the on-chain toolchain in {} (once, about 1 GB)",
                folder.display()
            );
            let half = paths.sbf.join("toolchain.half");
            let linker = half.join("linker");
            // Compiling the linker takes the longest: what an interrupted run had finished is kept.
            if !linker.join("bin/sbpf-linker").is_file() {
                install_linker(paths, &linker)?;
            }
            let mut fetched = Parts::default();
            fetch_rustc(paths, &half.join("rust"), &mut fetched)?;
            fetch_llvm(paths, &half.join("llvm"), &mut fetched)?;
            write_wrappers(&half, &folder)?;
            write(
                &half.join("PARTS"),
                format!("{}sbpf-linker {SBPF_LINKER}\n", fetched.text()),
            )?;
            write(&half.join("LAYOUT"), LAYOUT)?;
            remove_dir(&folder)?;
            fs::rename(&half, &folder).context("cannot put the toolchain in place")?;
        }
        let id = read(&parts)?;
        let toolchain = Self { folder, id };
        if !complete {
            toolchain.try_out()?;
        }
        Ok(toolchain)
    }

    fn try_out(&self) -> Result<()> {
        let version = output(Command::new(self.rustc()).arg("--version"))?;
        run_quiet(crate::shell::command(self.linker()).arg("--version"))
            .context("the linker does not start on this machine")?;
        say!("on-chain toolchain ready: {}", version.trim());
        Ok(())
    }

    fn rustc(&self) -> PathBuf {
        self.folder.join("bin/rustc")
    }

    fn linker(&self) -> PathBuf {
        self.folder.join("bin/sbpf-linker")
    }

    /// `cargo build` for SBF, into `target`, of the workspace that `manifest` belongs to.
    pub fn cargo_build(
        &self,
        paths: &Paths,
        source: &Path,
        manifest: &Path,
        target: &Path,
    ) -> Command {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
        // No path of this machine may reach the program's bytes. Set in the wrapper and not in RUSTFLAGS, which
        // cargo hashes into symbol names.
        let mut remap = vec![
            (source.to_path_buf(), "/io-network"),
            (self.folder.join("rust"), "/rust"),
            (target.to_path_buf(), "/target"),
        ];
        remap.extend(home.map(|home| (home, "/cargo")));
        let remap: Vec<String> = remap
            .into_iter()
            .map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()))
            .collect();

        let flags = [
            "-Ctarget-cpu=v3",
            "-Ctarget-feature=+allows-misaligned-mem-access",
            "-Clink-arg=--arch=v3",
            // 4 KiB is SBF's stack frame. Jump tables off: LLVM 23 makes indirect jumps of them, SBPF has none.
            "-Clink-arg=--llvm-args=--bpf-stack-size=4096,--bpf-min-jump-table-entries=1000000",
            "-Zunstable-options",
            // std's panic machinery has writable statics.
            "-Cpanic=immediate-abort",
            // SBF is single-threaded and has no atomic instructions.
            "-Cpasses=lower-atomic",
            // Solana's crates take their on-chain paths; the target itself says `zkvm`, for which std needs no libc.
            "--cfg=target_os=\"solana\"",
            // Only so that std's allocator finds a minimum alignment.
            "--cfg=target_arch=\"csky\"",
            "-Aexplicit_builtin_cfgs_in_flags",
            // rustc would say on every crate that the target feature above is unstable; clippy sees the sources anyway.
            "-Awarnings",
        ];

        let mut build = cargo();
        build
            .args([
                "build",
                "--release",
                "-Zjson-target-spec",
                "-Zbuild-std=std,panic_abort",
            ])
            .args(locked())
            .arg("--target")
            .arg(source.join("tools/sbf").join(format!("{TARGET}.json")))
            .arg("--manifest-path")
            .arg(manifest)
            .current_dir(source)
            .env("RUSTC", self.rustc())
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC_BOOTSTRAP_SYNTHETIC_TARGET", "1")
            .env(
                "__CARGO_TESTS_ONLY_SRC_ROOT",
                self.folder.join("rust/library"),
            )
            .env("IO_NETWORK_REMAP", remap.join("\n"))
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_TARGET_SBF_SOLANA_SOLANA_LINKER", self.linker())
            .env("CARGO_TARGET_SBF_SOLANA_SOLANA_RUSTFLAGS", flags.join(" "))
            .env("CARGO_PROFILE_RELEASE_LTO", "fat")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
            .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .env("CARGO_PROFILE_RELEASE_INCREMENTAL", "false");
        if !paths.verbose() {
            build.arg("--quiet");
        }
        build
    }
}

fn install_linker(paths: &Paths, into: &Path) -> Result<()> {
    say!("building sbpf-linker {SBPF_LINKER} (one to two minutes)");
    let target = paths.sbf.join("linker-build");
    run(cargo()
        .args([
            "install",
            "--quiet",
            "--locked",
            "--version",
            SBPF_LINKER,
            "--root",
        ])
        .arg(into)
        .arg("sbpf-linker")
        .env("CARGO_TARGET_DIR", &target))?;
    remove_dir(&target)
}

/// The compiler, the libraries it needs, and the matching source of std.
fn fetch_rustc(paths: &Paths, into: &Path, parts: &mut Parts) -> Result<()> {
    let unpacked = paths.sbf.join("unpack");
    fresh_dir(&unpacked)?;
    let apt = Apt::open(&paths.sbf.join("apt"), Suite::Bookworm)?;
    apt.unpack_with_dependencies(&["libllvm22", "libstd-rust-web-dev"], &unpacked, parts)?;
    apt.unpack(&["rustc-web", "rust-web-src"], &unpacked, parts)?;
    apt.close()?;
    let version = parts.version("rust-web-src")?.to_string();

    // Only what is used is kept: the packages hold the whole compiler's source.
    fresh_dir(into)?;
    for folder in ["bin", "lib"] {
        fs::create_dir_all(into.join("usr"))?;
        fs::rename(
            unpacked.join("usr").join(folder),
            into.join("usr").join(folder),
        )?;
    }
    let libraries = only_entry(&into.join("usr/lib"), "", "-linux-gnu")?;
    // A few packages of bookworm still unpack into /lib.
    if let Ok(old) = only_entry(&unpacked.join("lib"), "", "-linux-gnu") {
        for library in crate::shell::entries(&old)? {
            let name = library.file_name().context("a library without a name")?;
            fs::rename(&library, libraries.join(name))?;
        }
    }
    for library in crate::shell::entries(&libraries)? {
        let name = library
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let loader = name.starts_with("ld-linux");
        if loader || FROM_THE_MACHINE.iter().any(|start| name.starts_with(start)) {
            fs::remove_file(&library)?;
        }
    }
    let source = only_entry(&unpacked.join("usr/src"), "rustc-", "")?;
    fs::rename(source.join("library"), into.join("library"))?;
    remove_dir(&unpacked)?;

    let file = into.join("library").join(RANDOM_STATE);
    let text = read(&file)?;
    ensure!(
        text.matches(RANDOM_STATE_FROM).count() == 1,
        "the library source of rust-web-src {version} differs from the one this was written for: RandomState::new in \
         {RANDOM_STATE} must be changed to fixed keys by hand (see RANDOM_STATE_FROM in tools/xtask/src/sbf.rs)"
    );
    write(&file, text.replace(RANDOM_STATE_FROM, RANDOM_STATE_TO))
}

/// LLVM 23 with a C library of its own: only Debian's unstable has it.
fn fetch_llvm(paths: &Paths, into: &Path, parts: &mut Parts) -> Result<()> {
    fresh_dir(into)?;
    let apt = Apt::open(&paths.sbf.join("apt"), Suite::Sid)?;
    let mut own = Parts::default();
    apt.unpack_with_dependencies(&["libllvm23"], into, &mut own)?;
    apt.close()?;
    parts.add_with_prefix("sid/", own);
    Ok(())
}

/// Both programs need their own libraries; the wrappers name the folder they will finally lie in.
fn write_wrappers(half: &Path, folder: &Path) -> Result<()> {
    let name = |path: PathBuf| -> Result<PathBuf> { Ok(folder.join(path.strip_prefix(half)?)) };
    let rust = name(only_entry(&half.join("rust/usr/lib"), "", "-linux-gnu")?)?;
    let llvm_here = only_entry(&half.join("llvm/usr/lib"), "", "-linux-gnu")?;
    let loader = name(only_entry(&llvm_here, "ld-linux", "")?)?;
    let llvm = name(llvm_here)?;
    let shown = folder.display();
    script(
        &half.join("bin/rustc"),
        &format!(
            "#!/bin/sh\n\
             # One --remap-path-prefix a line; paths may hold spaces.\n\
             IFS='\n'\n\
             set -f\n\
             export LD_LIBRARY_PATH='{}'\n\
             exec '{shown}/rust/usr/bin/rustc' \"$@\" $IO_NETWORK_REMAP\n",
            rust.display()
        ),
    )?;
    script(
        &half.join("bin/sbpf-linker"),
        &format!(
            "#!/bin/sh\n\
             export LD_LIBRARY_PATH='{0}'\n\
             exec '{1}' --library-path '{0}' '{shown}/linker/bin/sbpf-linker' \"$@\"\n",
            llvm.display(),
            loader.display()
        ),
    )
}

fn script(path: &Path, text: &str) -> Result<()> {
    write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
