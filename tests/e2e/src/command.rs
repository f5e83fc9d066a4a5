//! Running the `io` command as a user does.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use io_client::testing::{localnet_binary, program_file};
use io_engines::models::ALL_MINILM_L6_V2;
use serde_json::Value;
use tokio::process::Command;

use crate::process::io_binary;

/// No command of these tests takes longer.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

/// An `io` that ran.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The arguments, for messages.
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// What it printed, after it succeeded.
    pub fn ok(&self) -> Value {
        assert_eq!(self.code, 0, "{self}");
        self.json()
    }

    /// The document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.stdout.trim())
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self}"))
    }

    /// All that it said, after it failed with this exit code.
    pub fn fails(&self, code: i32) -> String {
        assert_eq!(self.code, code, "{self}");
        assert!(!self.stderr.contains("panicked at"), "{self}");
        let said = format!("{}\n{}", self.stdout, self.stderr);
        assert!(!said.trim().is_empty(), "a failure without a word: {self}");
        said
    }

    /// As [`fails`](Self::fails), and it says these words.
    pub fn fails_with(&self, code: i32, words: &[&str]) -> String {
        let said = self.fails(code);
        for word in words {
            assert!(said.contains(word), "expected it to say '{word}': {self}");
        }
        said
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`io {}` ended with {}\nstdout: {}\nstderr: {}",
            self.line, self.code, self.stdout, self.stderr
        )
    }
}

/// An environment in which nothing of the person who runs the tests is seen.
pub fn command(home: &Path, environment: &BTreeMap<String, String>) -> Command {
    bare(&io_binary(), home, environment)
}

/// The same for any program.
pub fn bare(program: &Path, home: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("NO_COLOR", "1");
    // Where things were set up.
    for name in [
        "PATH",
        "IO_LOCALNET_BIN",
        "IO_PROGRAM_DIR",
        "IO_MODEL_DIR",
        "IO_NETWORK_CACHE",
        "CARGO_TARGET_DIR",
        "RUST_BACKTRACE",
        "IO_LOG",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let cache = std::env::var_os("IO_NETWORK_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = std::env::var_os("HOME").expect("HOME is not set");
            Path::new(&home).join(".cache/io-network")
        });
    // The home is another one here, so what is looked for below it is named.
    let found = [
        ("IO_LOCALNET_BIN", localnet_binary()),
        (
            "IO_PROGRAM_DIR",
            program_file("io_network")
                .parent()
                .expect("its folder")
                .to_owned(),
        ),
        (
            "IO_MODEL_DIR",
            cache.join("models").join(ALL_MINILM_L6_V2.name),
        ),
        ("IO_NETWORK_CACHE", cache),
    ];
    for (name, path) in found {
        if std::env::var_os(name).is_none_or(|value| value.is_empty()) {
            command.env(name, path);
        }
    }
    command.envs(environment);
    command
}

/// Runs `io` to its end.
pub async fn run<S: AsRef<OsStr>>(
    home: &Path,
    environment: &BTreeMap<String, String>,
    arguments: &[S],
) -> Ran {
    let mut command = command(home, environment);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let line: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy().into_owned())
        .collect();
    let line = line.join(" ");
    let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output())
        .await
        .unwrap_or_else(|_| {
            panic!(
                "`io {line}` still ran after {} s",
                COMMAND_TIMEOUT.as_secs()
            )
        })
        .unwrap_or_else(|error| panic!("`io {line}`: {error}"));
    Ran {
        line,
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
