//! `io up` and `io down`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use clap::Args;
use io_client::tokens;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    amount::Unit,
    context::Context,
    failure::{Failure, Result, file_failure},
    local::{self, LocalNet, LocalOptions},
    services,
};

const DETACHED_READY: Duration = Duration::from_secs(400);
const DOWN_TIMEOUT: Duration = Duration::from_secs(40);
/// Epochs of emission here, unless asked otherwise: rewards come while somebody watches.
pub const EPOCH_SECONDS: u32 = 60;
const POLL: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Folder for keys, logs and the services' data. The chain itself is in memory: each start is a new one.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Port of the chain's RPC, 0 for a free one; WebSockets are on the next.
    #[arg(long, value_name = "PORT", default_value_t = 8899)]
    pub rpc_port: u16,
    /// Time from slot to slot, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub slot_ms: u64,
    /// Workers. Each gets an equal part of this machine and is a device of its own.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(local::MAX_WORKERS)))]
    pub workers: u16,
    /// Length of an epoch of emission, seconds. Real networks have 3600.
    #[arg(long, value_name = "SECONDS", default_value_t = EPOCH_SECONDS, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub epoch_seconds: u32,
    /// Go on when an oracle or a worker ends by itself: it can be started again with its configuration in the data folder.
    #[arg(long)]
    pub keep_going: bool,
    /// Return when the network is ready and leave it running; `io down` ends it.
    #[arg(long)]
    pub detach: bool,
    /// Write the network's addresses to this file, as JSON, when it is ready.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// The network's folder.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

fn folder(ctx: &Context, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| ctx.around.localnet_dir())
}

/// The network's addresses: what `--ready-file` holds and `-o json` prints.
pub fn addresses(net: &LocalNet) -> Value {
    json!({
        "rpc_url": net.rpc_url,
        "ws_url": net.ws_url,
        "oracles": net.oracle_urls,
        "io_mint": net.io_mint.to_string(),
        "usdc_mint": net.usdc_mint.to_string(),
        "wallet": net.renter.address().to_string(),
        "keypair": local::renter_key(&net.dir).display().to_string(),
        "provider": net.provider.address().to_string(),
        "admin": net.admin.address().to_string(),
        "app": net.app_url,
        "devices": net.devices.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "data_dir": net.dir.display().to_string(),
        "context": local::context_path(&net.dir).display().to_string(),
        "pid": std::process::id(),
        "processes": net.children.pids().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

/// Where its parts answer, for people, by what [`addresses`] says.
fn places(value: &Value) -> [(&'static str, String); 3] {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let oracles: Vec<&str> = value["oracles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let app = value["app"]
        .as_str()
        .unwrap_or("not built: ./x app in a checkout builds it, IO_APP_DIR names another");
    [
        (
            "chain",
            format!(
                "{} and {}; in memory, a new one each time",
                text("rpc_url"),
                text("ws_url")
            ),
        ),
        ("oracles", oracles.join(" ")),
        ("web app", app.to_owned()),
    ]
}

/// How another terminal reaches the network.
pub fn flag(ctx: &Context, net_dir: &Path) -> String {
    if ctx.around.localnet_dir() == net_dir {
        "-u localnet".to_owned()
    } else {
        format!("-u {}", local::context_path(net_dir).display())
    }
}

pub async fn run(args: &UpArgs, ctx: &Context) -> Result<()> {
    if args.detach {
        return detach(args, ctx).await;
    }
    let stop = CancellationToken::new();
    services::stop_on_signals(&stop, None)?;
    let options = LocalOptions {
        data_dir: folder(ctx, args.data_dir.as_ref()),
        rpc_port: args.rpc_port,
        slot_ms: args.slot_ms,
        workers: args.workers,
        epoch_seconds: args.epoch_seconds,
    };
    let mut net = tokio::select! {
        started = LocalNet::start(&options, ctx.out, ctx.quiet) => started?,
        () = stop.cancelled() => return Err(Failure::interrupted("interrupted while starting; everything was ended")),
    };
    let value = addresses(&net);
    if let Some(path) = &args.ready_file {
        services::write_ready(path, &value.to_string())?;
    }
    show(ctx, &net, &value).await?;
    let outcome = tokio::select! {
        failure = net.children.watch(args.keep_going, |text| ctx.say(text)) => Err(failure),
        () = stop.cancelled() => Ok(()),
    };
    ctx.say("ending workers, oracles and the chain");
    net.stop().await;
    outcome
}

async fn show(ctx: &Context, net: &LocalNet, value: &Value) -> Result<()> {
    let io = tokens::balance(
        &net.ctx.rpc,
        &tokens::associated(&net.renter.address(), &net.io_mint),
    )
    .await?
    .unwrap_or(0);
    let flag = flag(ctx, &net.dir);
    let [chain, oracles, app] = places(value);
    let rows = [
        chain,
        oracles,
        app,
        (
            "devices",
            format!(
                "{} on this machine's CPU, each an equal part of it with a hardware id of its own",
                net.devices.len()
            ),
        ),
        (
            "wallet",
            format!(
                "{} with {}",
                local::renter_key(&net.dir).display(),
                Unit::io().show(io)
            ),
        ),
        ("logs", local::logs_dir(&net.dir).display().to_string()),
        ("next", format!("io {flag} offers search")),
        (
            "",
            format!("io {flag} job submit embed passages.txt --max-price 2 --wait"),
        ),
        ("", "Ctrl-C ends everything".to_owned()),
    ];
    ctx.out.record(value, &rows)
}

/// Starts the same command in the background and waits until it is ready.
async fn detach(args: &UpArgs, ctx: &Context) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let dir = folder(ctx, args.data_dir.as_ref());
    fs::create_dir_all(&dir).map_err(|error| file_failure("the data folder", &dir, &error))?;
    let ready = dir.join("ready.json");
    let _ = fs::remove_file(&ready);
    let log_path = dir.join("up.log");
    let failed = |error: std::io::Error| file_failure("the log", &log_path, &error);
    let log = fs::File::create(&log_path).map_err(failed)?;
    let exe = std::env::current_exe()
        .map_err(|error| Failure::failed(format!("where this program is: {error}")))?;
    let mut command = std::process::Command::new(exe);
    command
        .arg("up")
        .arg("--data-dir")
        .arg(&dir)
        .arg("--rpc-port")
        .arg(args.rpc_port.to_string())
        .arg("--slot-ms")
        .arg(args.slot_ms.to_string())
        .arg("--workers")
        .arg(args.workers.to_string())
        .arg("--epoch-seconds")
        .arg(args.epoch_seconds.to_string())
        .args(args.keep_going.then_some("--keep-going"))
        .arg("--ready-file")
        .arg(&ready)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| Failure::failed(format!("starting io up: {error}")))?;
    let deadline = Instant::now() + DETACHED_READY;
    let line = loop {
        if let Ok(line) = fs::read_to_string(&ready) {
            break line;
        }
        if let Ok(Some(status)) = child.try_wait() {
            let text = fs::read_to_string(&log_path).unwrap_or_default();
            // The hints stand below the error.
            let said = text
                .lines()
                .rfind(|line| line.starts_with("error:"))
                .or_else(|| text.lines().rfind(|line| !line.trim().is_empty()))
                .unwrap_or_default();
            return Err(Failure::failed(format!("io up ended ({status}): {said}"))
                .hint(format!("Its log is {}.", log_path.display())));
        }
        if Instant::now() > deadline {
            return Err(Failure::time_out(format!(
                "the network was not ready after {} s",
                DETACHED_READY.as_secs()
            ))
            .hint(format!(
                "Its log is {}; `io down` ends it.",
                log_path.display()
            )));
        }
        tokio::time::sleep(POLL).await;
    };
    if let Some(path) = &args.ready_file {
        services::write_ready(path, line.trim())?;
    }
    let value: Value = serde_json::from_str(&line)
        .map_err(|error| Failure::failed(format!("{}: {error}", ready.display())))?;
    let dir = dir.canonicalize().unwrap_or(dir);
    let flag = flag(ctx, &dir);
    let [chain, oracles, app] = places(&value);
    let rows = [
        ("running", format!("process {}", value["pid"])),
        chain,
        oracles,
        app,
        ("log", log_path.display().to_string()),
        (
            "next",
            format!("io {flag} job submit embed passages.txt --max-price 2 --wait"),
        ),
        ("end", "io down".to_owned()),
    ];
    ctx.out.record(&value, &rows)
}

pub async fn down(args: &DownArgs, ctx: &Context) -> Result<()> {
    let dir = folder(ctx, args.data_dir.as_ref());
    let none = || {
        Failure::not_found(format!("no network runs from {}", dir.display()))
            .hint("Start one with `io up`, or name its folder with --data-dir.")
    };
    if !dir.is_dir() || local::lock(&dir)?.is_some() {
        return Err(none());
    }
    let text = fs::read_to_string(local::pid_path(&dir)).map_err(|_| none())?;
    let id: i32 = text.trim().parse().map_err(|_| none())?;
    let pid = Pid::from_raw(id).ok_or_else(none)?;
    kill_process(pid, Signal::TERM)
        .map_err(|error| Failure::failed(format!("ending process {id}: {error}")))?;
    let deadline = Instant::now() + DOWN_TIMEOUT;
    while local::lock(&dir)?.is_none() {
        if Instant::now() > deadline {
            return Err(Failure::time_out(format!(
                "process {id} has not ended after {} s",
                DOWN_TIMEOUT.as_secs()
            ))
            .hint(format!(
                "End it with: kill -9 {id}. Its children end by themselves."
            )));
        }
        tokio::time::sleep(POLL).await;
    }
    ctx.out.record(
        &json!({"ended": id, "data_dir": dir.display().to_string()}),
        &[("ended", format!("process {id}"))],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_every_address() {
        let mut value = json!({
            "rpc_url": "http://127.0.0.1:1", "ws_url": "ws://127.0.0.1:2",
            "oracles": ["http://127.0.0.1:3", "http://127.0.0.1:4"], "app": "http://127.0.0.1:3",
        });
        let [chain, oracles, app] = places(&value).map(|(_, text)| text);
        assert!(
            chain.starts_with("http://127.0.0.1:1 and ws://127.0.0.1:2;"),
            "{chain}"
        );
        assert_eq!(oracles, "http://127.0.0.1:3 http://127.0.0.1:4");
        assert_eq!(app, "http://127.0.0.1:3");
        value["app"] = Value::Null;
        let [_, _, (_, app)] = places(&value);
        assert!(app.contains("./x app"), "{app}");
    }
}
