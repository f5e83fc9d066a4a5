//! `io worker`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    failure::{Failure, Result, file_failure},
    services,
};

/// Largest configuration of a service, bytes.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// Run a worker in the foreground until it is told to stop.
    Run(ServiceArgs),
}

#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// Configuration, TOML or JSON.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Write a line to this file when the service is ready.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// End when the process with this id is no longer the parent.
    #[arg(long, hide = true, value_name = "PID")]
    pub exit_with_parent: Option<u32>,
}

/// Reads a service's configuration. Relative paths in it stay relative to the working folder.
pub fn read_service_config<T: DeserializeOwned>(path: &Path) -> Result<T> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| file_failure("the configuration", path, &error);
    let mut text = String::new();
    std::fs::File::open(path)
        .map_err(failed)?
        .take(MAX_CONFIG_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(Failure::usage(format!(
            "{} has more than {MAX_CONFIG_BYTES} bytes: is it another file?",
            path.display()
        )));
    }
    let wrong = |reason: String| {
        Failure::usage(format!("{}: {reason}", path.display()))
            .hint("Correct the file; docs/getting-started-providers.md shows a worker's, docs/oracle.md an oracle's.")
    };
    if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
    } else {
        toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
    }
}

pub fn read_config(path: &Path) -> Result<io_worker::Config> {
    read_service_config(path)
}

pub async fn run(command: &WorkerCommand, _ctx: &Context) -> Result<()> {
    let WorkerCommand::Run(args) = command;
    let config: io_worker::Config = read_config(&args.config)?;
    let stop = CancellationToken::new();
    services::stop_on_signals(&stop, args.exit_with_parent)?;
    if let Some(path) = &args.ready_file {
        services::write_ready(path, "worker")?;
    }
    Ok(io_worker::run(config, stop).await?)
}
