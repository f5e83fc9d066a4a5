//! The processes of a local network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use io_client::Pubkey;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::LocalOptions;
use crate::failure::{Failure, Result, file_failure};

/// Wait for the chain's line of JSON.
const CHAIN_READY: Duration = Duration::from_secs(60);
/// Longest clean end of one process, before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);
const STOP_POLL: Duration = Duration::from_millis(20);
/// Lamports of each funded wallet: 1,000 SOL.
const AIRDROP: u64 = 1_000_000_000_000;
/// Bytes of a log's end that an error quotes.
const LOG_TAIL: usize = 2_000;

/// What the local chain prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Chain {
    pub rpc_url: String,
    pub ws_url: String,
    pub slot_ms: u64,
}

struct Process {
    name: String,
    log: PathBuf,
    child: Child,
}

/// Processes in the order they were started. Dropped ones are killed.
pub struct Children {
    processes: Vec<Process>,
    logs: PathBuf,
}

impl Children {
    pub fn new(logs: PathBuf) -> Self {
        Self {
            processes: Vec::new(),
            logs,
        }
    }

    pub fn logs(&self) -> &Path {
        &self.logs
    }

    fn start(&mut self, name: &str, command: &mut Command, piped: bool) -> Result<&mut Child> {
        let log = self.logs.join(format!("{name}.log"));
        let failed = |error: std::io::Error| file_failure("the log", &log, &error);
        let file = fs::File::create(&log).map_err(failed)?;
        let stdout = if piped {
            Stdio::piped()
        } else {
            Stdio::from(file.try_clone().map_err(failed)?)
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(file)
            // Ctrl-C reaches this process alone, which then ends the others in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                Failure::failed(format!("starting {name}: {error}"))
                    .hint("Is the file there and executable?")
            })?;
        self.processes.push(Process {
            name: name.to_owned(),
            log,
            child,
        });
        self.processes
            .last_mut()
            .map(|process| &mut process.child)
            .ok_or_else(|| Failure::failed("no process"))
    }

    pub async fn chain(
        &mut self,
        binary: &Path,
        program: &Path,
        options: &LocalOptions,
        admin: &Pubkey,
        funded: &[Pubkey],
    ) -> Result<Chain> {
        let mut command = Command::new(binary);
        command
            .arg("--rpc-port")
            .arg(options.rpc_port.to_string())
            .arg("--slot-ms")
            .arg(options.slot_ms.to_string())
            .arg("--program")
            .arg(format!(
                "{}={}",
                io_client::io_network::ID,
                program.display()
            ))
            .arg("--upgrade-authority")
            .arg(admin.to_string())
            .arg(format!("--exit-with-parent={}", std::process::id()));
        for wallet in funded {
            command.arg("--airdrop").arg(format!("{wallet}={AIRDROP}"));
        }
        let child = self.start("chain", &mut command, true)?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Failure::failed("the local chain has no output"))?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(CHAIN_READY, lines.next_line()).await;
        // Whatever else it prints must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        match line {
            Ok(Ok(Some(line))) => serde_json::from_str(&line).map_err(|error| {
                Failure::failed(format!(
                    "the local chain printed something else than its addresses: {error}"
                ))
            }),
            Ok(_) => {
                let log = self.logs.join("chain.log");
                Err(Failure::failed(format!("the local chain ended at its start: {}", tail(&log)))
                    .hint("Is another chain using the port? Choose one with --rpc-port, 0 for a free one."))
            }
            Err(_) => Err(Failure::time_out(format!(
                "the local chain was not ready after {} s",
                CHAIN_READY.as_secs()
            ))
            .hint(format!(
                "Its log is {}.",
                self.logs.join("chain.log").display()
            ))),
        }
    }

    /// Starts `io <kind> run` with this configuration.
    pub fn service(
        &mut self,
        kind: &str,
        number: usize,
        folder: &Path,
        config: &impl Serialize,
    ) -> Result<()> {
        let name = format!("{kind}-{number}");
        let path = folder.join(format!("{name}.json"));
        let text = serde_json::to_vec_pretty(config)
            .map_err(|error| Failure::failed(format!("{name}: {error}")))?;
        fs::write(&path, text).map_err(|error| file_failure("the configuration", &path, &error))?;
        let exe = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("where this program is: {error}")))?;
        let mut command = Command::new(exe);
        command
            .arg(kind)
            .arg("run")
            .arg("--config")
            .arg(&path)
            .arg(format!("--exit-with-parent={}", std::process::id()))
            .current_dir(folder);
        self.start(&name, &mut command, false)?;
        Ok(())
    }

    /// Fails when a process has ended by itself.
    pub fn check(&mut self) -> Result<()> {
        for process in &mut self.processes {
            if let Ok(Some(status)) = process.child.try_wait() {
                return Err(ended(process, status));
            }
        }
        Ok(())
    }

    /// Waits until a process ends by itself; with `keep_going`, until the chain does, and only tells of the others.
    pub async fn watch(&mut self, keep_going: bool, say: impl Fn(&str)) -> Failure {
        loop {
            let mut first = None;
            self.processes
                .retain_mut(|process| match process.child.try_wait() {
                    Ok(Some(status)) => {
                        let failure = ended(process, status);
                        if keep_going && process.name != "chain" {
                            say(&failure.message);
                        } else {
                            first.get_or_insert(failure);
                        }
                        false
                    }
                    _ => true,
                });
            if let Some(failure) = first {
                return failure;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Process ids by name.
    pub fn pids(&self) -> Vec<(String, u32)> {
        self.processes
            .iter()
            .filter_map(|process| Some((process.name.clone(), process.child.id()?)))
            .collect()
    }

    /// Ends the last started first: workers, oracles, the chain.
    pub async fn stop(&mut self) {
        let kinds = ["worker", "oracle", "chain"];
        for kind in kinds {
            let (now, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.processes)
                .into_iter()
                .partition(|process| process.name.starts_with(kind));
            self.processes = rest;
            let mut ending = now;
            for process in &ending {
                if let Some(pid) = process
                    .child
                    .id()
                    .and_then(|id| Pid::from_raw(id.cast_signed()))
                {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            let deadline = Instant::now() + STOP_TIMEOUT;
            for process in &mut ending {
                while !matches!(process.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    if Instant::now() > deadline {
                        let _ = process.child.kill().await;
                        break;
                    }
                    tokio::time::sleep(STOP_POLL).await;
                }
            }
        }
    }
}

fn ended(process: &Process, status: ExitStatus) -> Failure {
    Failure::failed(format!(
        "{} ended by itself ({status}): {}",
        process.name,
        tail(&process.log)
    ))
    .hint(format!("Its log is {}.", process.log.display()))
}

/// The last lines of a log.
fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let start = text.len().saturating_sub(LOG_TAIL);
    let text = String::from_utf8_lossy(&text[start..]);
    let lines: Vec<&str> = text.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
