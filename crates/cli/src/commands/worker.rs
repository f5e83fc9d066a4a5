//! `io worker`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use io_client::{accounts, io_network::state::Device, rpc::Rpc};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::{
    context::{Context, load_wallet},
    failure::{Failure, Result, file_failure},
    services, settings,
};

/// Pause between looks whether a device was registered.
const REGISTERED_POLL: Duration = Duration::from_secs(2);
/// Largest configuration of a service, bytes.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// Run a worker in the foreground until it is told to stop.
    Run(RunArgs),
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub service: ServiceArgs,
    /// Where the web app is. A device that is not registered yet is registered there, by the wallet that owns the stake: a link is printed,
    /// and the worker starts when that is done. The key of that wallet never comes to this machine.
    #[arg(long, value_name = "URL")]
    pub app: Option<String>,
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

pub async fn run(command: &WorkerCommand, ctx: &Context) -> Result<()> {
    let WorkerCommand::Run(RunArgs { service: args, app }) = command;
    let config: io_worker::Config = read_config(&args.config)?;
    let stop = CancellationToken::new();
    services::stop_on_signals(&stop, args.exit_with_parent)?;
    if let Some(app) = app {
        tokio::select! {
            registered = until_registered(ctx, &config, app) => registered?,
            () = stop.cancelled() => return Ok(()),
        }
    }
    if let Some(path) = &args.ready_file {
        services::write_ready(path, "worker")?;
    }
    Ok(io_worker::run(config, stop).await?)
}

/// Waits until the configuration's device is registered, and says where that is done.
async fn until_registered(ctx: &Context, config: &io_worker::Config, app: &str) -> Result<()> {
    let app = app.trim_end_matches('/');
    settings::check_address(&format!("--app '{app}'"), app)?;
    let device = io_worker::devices::select(&config.device)?;
    let operator = load_wallet(&config.operator)?.address();
    let rpc = Rpc::new(&config.rpc_url, ctx.rpc.commitment())?;
    let mut said = false;
    loop {
        match accounts::fetch_maybe::<Device>(&rpc, &device.address()).await {
            Ok(Some(_)) => return Ok(()),
            Ok(None) if !said => {
                said = true;
                ctx.say(format!(
                    "This device ({}) is not registered yet. Register it with the wallet that owns the stake:\n\n  \
                     {app}/worker/setup?hardware={}&operator={operator}\n\nThe worker starts when that is done. Ctrl-C ends it.",
                    device.name,
                    hex::encode(device.hardware)
                ));
            }
            Ok(None) => {}
            Err(error) if error.is_transient() => {
                ctx.say(format!(
                    "The RPC node at {} does not answer; trying again. Check `rpc_url` in the configuration; `io up` starts a network on \
                     this machine.",
                    rpc.host()
                ));
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(REGISTERED_POLL).await;
    }
}
