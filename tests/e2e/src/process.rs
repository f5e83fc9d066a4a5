//! Processes that end when their test does, panic or not.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, test_kill_process};
use tokio::process::{Child, Command};

/// How long a process that was told to end may take.
pub const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
pub const POLL: Duration = Duration::from_millis(20);
/// Of a log, this much of its end is shown when a test fails, bytes.
const SHOWN_LOG_BYTES: usize = 6_000;

/// Cargo's target folder: what the tests and `./x` build is there.
fn target() -> PathBuf {
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        return target.into();
    }
    // <target>/debug/deps/market-…
    let test = std::env::current_exe().expect("the test's own path");
    test.ancestors().nth(3).expect("a target folder").to_owned()
}

fn built(name: &str, how: &str) -> PathBuf {
    let path = target().join("debug").join(name);
    assert!(path.is_file(), "{} is not there: {how}", path.display());
    path
}

/// The `io` command: `IO_BIN`, or the one that was built last.
pub fn io_binary() -> PathBuf {
    match std::env::var_os("IO_BIN") {
        Some(path) => path.into(),
        None => built("io", "cargo build -p io-cli (./x test does it)"),
    }
}

/// The worker that misbehaves on demand.
pub fn faulty_worker_binary() -> PathBuf {
    match std::env::var_os("IO_FAULTY_WORKER_BIN") {
        Some(path) => path.into(),
        None => built(
            "io-faulty-worker",
            "cargo build -p io-e2e --features faults (./x test does it)",
        ),
    }
}

/// A process of the test's own.
pub struct Service {
    pub name: String,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts `command` with its messages going to `log`.
    pub fn start(name: impl Into<String>, command: &mut Command, log: PathBuf) -> Self {
        let name = name.into();
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log's file");
        let again = file.try_clone().expect("the log's file");
        let child = command
            .stdin(Stdio::null())
            .stdout(again)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {command:?}: {error}"));
        Self { name, child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child
            .id()
            .unwrap_or_else(|| panic!("{} has ended", self.name))
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_some()
    }

    /// Waits until the process has ended by itself.
    pub async fn ended(&mut self, patience: Duration) -> std::process::ExitStatus {
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status.expect("its status"),
            Err(_) => panic!(
                "{} still ran after {} s\n{}",
                self.name,
                patience.as_secs(),
                self.log()
            ),
        }
    }

    /// `kill -9`, and waits for the end.
    pub async fn kill(&mut self) {
        self.child
            .kill()
            .await
            .unwrap_or_else(|error| panic!("killing {}: {error}", self.name));
    }

    /// Asks to end (SIGTERM), waits, and says how it ended.
    pub async fn stop(&mut self) -> std::process::ExitStatus {
        if let Some(pid) = self.child.id() {
            signal(pid, Signal::TERM);
        }
        self.ended(END_TIMEOUT).await
    }

    /// What it wrote.
    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of that.
    pub fn log(&self) -> String {
        format!(
            "--- the end of {}'s log ---\n{}",
            self.name,
            tail(&self.log)
        )
    }
}

fn pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Signals one process; false when there is none.
pub fn signal(process: u32, signal: Signal) -> bool {
    pid(process).is_some_and(|pid| kill_process(pid, signal).is_ok())
}

/// Whether a process is there and runs: one that ended and was not waited for does not. Its first thread can have ended
/// while others still do, and hold its files and locks.
pub fn runs(process: u32) -> bool {
    if pid(process).is_none_or(|pid| test_kill_process(pid).is_err()) {
        return false;
    }
    // "pid (name) state …": the name may hold anything, so the state is behind the last parenthesis.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let ended = stat
        .rsplit_once(')')
        .is_none_or(|(_, rest)| matches!(rest.trim_start().chars().next(), Some('Z' | 'X') | None));
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
    !ended || threads > 1
}

/// `kill -9` of a process that is somebody else's child; returns when it is gone.
pub async fn kill_and_wait(process: u32) {
    signal(process, Signal::KILL);
    let deadline = Instant::now() + END_TIMEOUT;
    while runs(process) {
        assert!(
            Instant::now() < deadline,
            "process {process} outlived SIGKILL"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// The end of a text file, for messages.
pub fn tail(path: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = File::open(path) {
        let mut bytes = Vec::new();
        let _ = file.read_to_end(&mut bytes);
        let from = bytes.len().saturating_sub(SHOWN_LOG_BYTES);
        text = String::from_utf8_lossy(&bytes[from..]).into_owned();
    }
    text
}
