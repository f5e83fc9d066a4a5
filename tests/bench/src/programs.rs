//! Starting programs, and ending them whatever happens.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Output of a program that must succeed; its stderr is shown.
pub fn output(command: &mut Command) -> Result<String> {
    let shown = format!("{command:?}");
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| shown.clone())?;
    if !out.status.success() {
        bail!("{shown} ended with {}", out.status);
    }
    Ok(String::from_utf8(out.stdout)?)
}

/// The JSON objects that a program prints a line each; other lines are passed over.
pub fn figures(command: &mut Command) -> Result<Vec<Value>> {
    Ok(output(command)?
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(Value::is_object)
        .collect())
}

/// A program that is ended when this is dropped.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let shown = format!("{command:?}");
        Ok(Self(command.stdin(Stdio::null()).spawn().context(shown)?))
    }

    /// Waits until `path` holds JSON.
    pub fn ready(&mut self, path: &Path, within: Duration) -> Result<Value> {
        let until = Instant::now() + within;
        loop {
            if let Some(value) = std::fs::read_to_string(path)
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok())
            {
                return Ok(value);
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("it ended with {status} before it was ready");
            }
            if Instant::now() > until {
                bail!("it was not ready after {} s", within.as_secs());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first, so that it can end what it started.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if matches!(self.0.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CPU seconds that a process has used, and its resident memory in MiB.
pub fn usage(pid: u64) -> Result<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |i: usize| {
        fields
            .get(i)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // Ticks are 1/100 s on every Linux that matters; pages are 4 KiB on x86-64 and most of arm64.
    let rss_pages = ticks(21);
    Ok(((ticks(11) + ticks(12)) / 100.0, rss_pages * 4.0 / 1_024.0))
}

/// Middle and 95th percentile.
pub fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        values
            .get(((values.len() as f64 - 1.0) * share).round() as usize)
            .copied()
            .unwrap_or(f64::NAN)
    };
    (at(0.5), at(0.95))
}
