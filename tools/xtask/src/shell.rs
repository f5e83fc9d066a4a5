//! Running other programs, files, and what people see meanwhile. Everything said goes to stderr: stdout belongs to
//! the command's result.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// Variables of an outer cargo, or of a user's shell, that would change what an inner build makes.
const BUILD_VARIABLES: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_RUSTC",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_MANIFEST_DIR",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// One line about what happens now.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => { eprintln!("\u{25b8} {}", format_args!($($arg)*)) };
}

pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()));
    command
}

/// `cargo` with nothing inherited that changes the result.
pub fn cargo() -> Command {
    let mut command = command("cargo");
    for variable in BUILD_VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// In CI a lock file that does not fit the manifests is an error; at home cargo brings it up to date.
pub fn locked() -> Option<&'static str> {
    std::env::var_os("CI").map(|_| "--locked")
}

/// Runs to the end; anything but success is an error that names the command.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !status.success() {
        bail!("failed ({status}): {}", line(command));
    }
    Ok(())
}

/// A command that works beside others. It is ended when dropped before it was waited for, as when another step failed.
pub struct Beside {
    child: Child,
    line: String,
}

pub fn start(command: &mut Command) -> Result<Beside> {
    let line = line(command);
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {line}"))?;
    Ok(Beside { child, line })
}

impl Beside {
    /// Anything but success is an error that names the command. Says every minute that it is still at work.
    pub fn wait(mut self) -> Result<()> {
        let started = Instant::now();
        let mut said = 0;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            thread::sleep(Duration::from_millis(100));
            let minutes = started.elapsed().as_secs() / 60;
            if minutes > said {
                said = minutes;
                say!(
                    "still at work after {minutes} min (or waiting for another cargo): {}",
                    self.line
                );
            }
        };
        if !status.success() {
            bail!("failed ({status}): {}", self.line);
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs quietly; its output is shown when it fails.
pub fn run_quiet(command: &mut Command) -> Result<()> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        io::stderr().write_all(&output.stdout).ok();
        io::stderr().write_all(&output.stderr).ok();
        bail!("failed ({}): {}", output.status, line(command));
    }
    Ok(())
}

/// What it prints on stdout.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {}", line(command)))?;
    if !output.status.success() {
        bail!("failed ({}): {}", output.status, line(command));
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} printed no UTF-8", line(command)))
}

fn line(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Holds a folder of the cache for this process; given back when dropped, or when the process ends in any way.
pub struct Lock(#[allow(dead_code, reason = "the lock lives as long as the file is open")] File);

pub fn lock(folder: &Path) -> Result<Lock> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let path = folder.join(".lock");
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    if file.try_lock().is_err() {
        say!("another ./x works in {}: waiting for it", folder.display());
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(Lock(file))
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces the file in one step: a reader sees the old or the new content, never half of it.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let name = path
        .file_name()
        .context("a file without a name")?
        .to_string_lossy();
    let half = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    fs::write(&half, content).with_context(|| format!("cannot write {}", half.display()))?;
    fs::rename(&half, path).with_context(|| format!("cannot put {} in place", path.display()))
}

pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write(to, content)
}

pub fn remove_dir(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// A new, empty folder.
pub fn fresh_dir(folder: &Path) -> Result<()> {
    remove_dir(folder)?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// The entries of a folder, by name.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        })
        .with_context(|| format!("cannot list {}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

/// The one entry whose name starts and ends so.
pub fn only_entry(folder: &Path, start: &str, end: &str) -> Result<PathBuf> {
    entries(folder)?
        .into_iter()
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(start) && name.ends_with(end)
        })
        .with_context(|| format!("{} has no {start}…{end}", folder.display()))
}

pub fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", path.display()))?;
        if read == 0 {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(&buffer[..read]);
    }
}
