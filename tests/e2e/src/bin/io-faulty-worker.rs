//! A worker that does wrong what IO_WORKER_FAULT names, for the end-to-end tests: the worker's own library, built with
//! its feature `faults`. Everything else about it is `io worker run`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("io-faulty-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let path: PathBuf = std::env::args_os()
        .nth(1)
        .context("expected the worker's configuration file")?
        .into();
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let config: io_worker::Config = match path.extension().and_then(|extension| extension.to_str())
    {
        Some("json") => serde_json::from_str(&text)?,
        _ => toml::from_str(&text)?,
    };
    io_worker::run(config, CancellationToken::new()).await
}
