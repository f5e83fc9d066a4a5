//! `io doctor`: everything that commands need, and how to mend what is missing.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use io_api::client::OracleClient;
use io_client::{accounts, io_network::state::Network, keys, pda, tokens};
use io_engines::{Engines, models};
use io_worker::{
    devices,
    prove::hardware::{Prover, claimed_tops_e2},
};
use serde_json::{Value, json};

use crate::{
    amount::Unit,
    context::Context,
    failure::{Failure, Result},
    settings::public_part,
};

/// Skew of the chain's clock against this machine's that is worth a warning, and that is an error, seconds: signed
/// requests are accepted within 60 s.
const SKEW_WARNING: u64 = 15;
const SKEW_ERROR: u64 = 60;
/// Free space below which a worker should not run, bytes.
const LEAST_FREE_BYTES: u64 = 1024 * 1024 * 1024;
/// Lamports that a few transactions and a job's rent take.
const LEAST_LAMPORTS: u64 = 20_000_000;
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// The committed interface that this program was built with.
const IDL: &str = include_str!("../../../../idl/io_network.json");

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also check what a worker needs.
    #[arg(long)]
    pub provider: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Warning,
    Error,
    /// Could not be looked at because something before it failed.
    Skipped,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

struct Check {
    name: String,
    status: Status,
    detail: String,
    fix: Option<String>,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Check {
            name: name.into(),
            status: Status::Ok,
            detail: detail.into(),
            fix: None,
        });
    }

    fn bad(
        &mut self,
        status: Status,
        name: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.0.push(Check {
            name: name.into(),
            status,
            detail: detail.into(),
            fix: Some(fix.into()),
        });
    }

    fn error(
        &mut self,
        name: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.bad(Status::Error, name, detail, fix);
    }

    fn warning(
        &mut self,
        name: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.bad(Status::Warning, name, detail, fix);
    }

    fn skipped(&mut self, name: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Check {
            name: name.into(),
            status: Status::Skipped,
            detail: detail.into(),
            fix: None,
        });
    }
}

async fn limited<T>(what: impl Future<Output = io_client::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(CHECK_TIMEOUT, what).await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
    }
}

pub async fn run(args: &DoctorArgs, ctx: &Context) -> Result<()> {
    let mut checks = Checks::default();
    let alive = rpc(ctx, &mut checks).await;
    let network = if alive {
        program(ctx, &mut checks).await
    } else {
        None
    };
    wallet(ctx, &mut checks, alive, network.as_ref()).await;
    oracles(ctx, &mut checks, network.as_ref()).await;
    engines(&mut checks);
    if args.provider {
        provider(&mut checks).await;
    }

    let items: Vec<Value> = checks
        .0
        .iter()
        .map(|check| json!({"name": check.name, "status": check.status.name(), "detail": check.detail, "fix": check.fix}))
        .collect();
    let mut cells = Vec::new();
    for check in &checks.0 {
        cells.push(vec![
            check.status.name().to_owned(),
            check.name.clone(),
            check.detail.clone(),
        ]);
        if let Some(fix) = &check.fix {
            cells.push(vec![String::new(), String::new(), format!("→ {fix}")]);
        }
    }
    ctx.out
        .list(&items, &["STATUS", "CHECK", "FOUND"], &cells, "")?;
    let errors = checks
        .0
        .iter()
        .filter(|check| check.status == Status::Error)
        .count();
    if errors > 0 {
        return Err(
            Failure::failed(format!("{errors} of {} checks failed", checks.0.len()))
                .hint("Each failed check above names its fix."),
        );
    }
    Ok(())
}

async fn rpc(ctx: &Context, checks: &mut Checks) -> bool {
    let url = public_part(&ctx.settings.rpc_url.value);
    let from = &ctx.settings.rpc_url.source;
    match limited(ctx.rpc.version()).await {
        Ok(version) => checks.ok("rpc", format!("{url} runs {version} (from {from})")),
        Err(error) => {
            checks.error(
                "rpc",
                error,
                format!(
                    "Choose another node with -u (now {url}, from {from}), or start one: io up"
                ),
            );
            checks.skipped("clock", "needs the RPC node");
            checks.skipped("program", "needs the RPC node");
            return false;
        }
    }
    match limited(ctx.rpc.chain_time()).await {
        Ok(chain) => {
            let here = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs());
            let skew = here.abs_diff(u64::try_from(chain).unwrap_or(0));
            let detail = format!("{skew} s between the chain's clock and this machine's");
            let fix = "Set this machine's clock: timedatectl set-ntp true. A local chain whose time was moved is as it should be.";
            match skew {
                0..=SKEW_WARNING => checks.ok("clock", detail),
                s if s <= SKEW_ERROR => checks.warning("clock", detail, fix),
                _ => checks.error("clock", detail, fix),
            }
        }
        Err(error) => checks.error("clock", error, "Choose another RPC node with -u."),
    }
    true
}

async fn program(ctx: &Context, checks: &mut Checks) -> Option<Network> {
    let id = io_client::io_network::ID;
    let declared = serde_json::from_str::<Value>(IDL)
        .ok()
        .and_then(|idl| Some(idl["address"].as_str()?.to_owned()));
    match declared {
        Some(address) if address == id.to_string() => checks.ok(
            "interface",
            format!("io_network.json and client agree on {id}"),
        ),
        Some(address) => checks.error(
            "interface",
            format!("io_network.json names {address}, the client {id}"),
            "Build again from one checkout: ./x idl && cargo build -p io-cli",
        ),
        None => checks.error(
            "interface",
            "io_network.json names no address",
            "Write it anew: ./x idl",
        ),
    }
    match limited(ctx.rpc.account(&id)).await {
        Ok(Some((_, account))) if account.executable => {
            checks.ok("program", format!("{id} is deployed"))
        }
        Ok(_) => {
            checks.error(
                "program",
                format!("{id} is not deployed on this cluster"),
                "Choose another cluster with -u.",
            );
            return None;
        }
        Err(error) => {
            checks.error("program", error, "Choose another RPC node with -u.");
            return None;
        }
    }
    match limited(accounts::fetch_maybe::<Network>(&ctx.rpc, &pda::network())).await {
        Ok(Some(network)) => {
            if network.paused == 1 {
                checks.warning(
                    "network",
                    "paused: no new jobs and stakes",
                    "Wait until the administrator resumes it.",
                );
            } else {
                checks.ok(
                    "network",
                    format!("initialised, IO mint {}", network.io_mint),
                );
            }
            Some(network)
        }
        Ok(None) => {
            checks.error(
                "network",
                "not initialised on this cluster",
                "Choose another cluster with -u, or: io network init",
            );
            None
        }
        Err(error) => {
            checks.error(
                "network",
                error,
                "Client and program are of different versions: update io.",
            );
            None
        }
    }
}

async fn wallet(ctx: &Context, checks: &mut Checks, alive: bool, network: Option<&Network>) {
    let path = &ctx.settings.keypair.value;
    let wallet = match ctx.wallet() {
        Ok(wallet) => {
            checks.ok(
                "wallet",
                format!("{} ({})", wallet.address(), path.display()),
            );
            wallet
        }
        Err(failure) => {
            checks.error(
                "wallet",
                failure.message,
                failure.hint.unwrap_or_else(|| {
                    "Create one with `io keygen FILE`, or pass another with -k FILE.".to_owned()
                }),
            );
            checks.skipped("balances", "needs the wallet");
            return;
        }
    };
    match keys::exposed_mode(path) {
        None => checks.ok("key file", "only its owner can read it"),
        Some(mode) => checks.error(
            "key file",
            format!("others can use it (mode {mode:03o})"),
            format!("chmod 600 {}", path.display()),
        ),
    }
    if !alive {
        checks.skipped("balances", "needs the RPC node");
        return;
    }
    match limited(ctx.rpc.balance(&wallet.address())).await {
        Ok(lamports) if lamports >= LEAST_LAMPORTS => checks.ok("SOL", Unit::sol().show(lamports)),
        Ok(lamports) => checks.warning(
            "SOL",
            format!(
                "{}, too little for fees and rent",
                Unit::sol().show(lamports)
            ),
            format!("Send SOL to {}", wallet.address()),
        ),
        Err(error) => checks.error("SOL", error, "Choose another RPC node with -u."),
    }
    let Some(network) = network else { return };
    let account = tokens::associated(&wallet.address(), &network.io_mint);
    match limited(tokens::balance(&ctx.rpc, &account)).await {
        Ok(Some(balance)) if balance > 0 => checks.ok("IO", Unit::io().show(balance)),
        Ok(_) => checks.warning("IO", "none", format!("Send IO to {}", wallet.address())),
        Err(error) => checks.error("IO", error, "Choose another RPC node with -u."),
    }
}

async fn oracles(ctx: &Context, checks: &mut Checks, network: Option<&Network>) {
    if ctx.settings.oracles.value.is_empty() {
        checks.error(
            "oracles",
            "none is configured",
            "Pass --oracle URL, or: io config set oracles URL,URL",
        );
        return;
    }
    for url in &ctx.settings.oracles.value {
        let name = format!("oracle {}", public_part(url));
        let info = match OracleClient::new(url) {
            Ok(client) => match tokio::time::timeout(CHECK_TIMEOUT, client.info()).await {
                Ok(info) => info.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
            },
            Err(error) => Err(error.to_string()),
        };
        match info {
            Err(error) => checks.error(
                name,
                error,
                "Check the address, and that the oracle runs; use another meanwhile.",
            ),
            Ok(info) => {
                let cluster = network
                    .map(|network| io_client::Hash::new_from_array(network.cluster).to_string());
                if info.program != io_client::io_network::ID.to_string()
                    || cluster.is_some_and(|cluster| cluster != info.cluster)
                {
                    checks.error(
                        name,
                        "it belongs to another program or cluster",
                        "Choose the cluster with -u that it belongs to.",
                    );
                } else if !info.active {
                    checks.warning(
                        name,
                        format!("{} is not in the oracle set", info.oracle),
                        "Use an oracle of the set: io network show",
                    );
                } else {
                    checks.ok(
                        name,
                        format!(
                            "{}, at slot {}, {} ms behind",
                            info.oracle, info.slot, info.index_age_ms
                        ),
                    );
                }
            }
        }
    }
}

fn engines(checks: &mut Checks) {
    match Engines::new() {
        Ok(_) => checks.ok(
            "sandbox",
            "WebAssembly modules are checked here before they are sent",
        ),
        Err(error) => checks.error(
            "sandbox",
            error.to_string(),
            "WebAssembly jobs need a 64-bit machine with enough address space.",
        ),
    }
}

/// What computes a device's hardware proofs, and how fast.
async fn proof(checks: &mut Checks, device: &devices::Device) {
    let of = device.clone();
    let threads = device.threads.max(1);
    let measured = crate::blocking(move || {
        let prover = Prover::open(&of, threads).map_err(anyhow::Error::from)?;
        Ok(prover.claim(of.memory_mib, threads)?)
    })
    .await;
    match measured {
        Ok(claim) => checks.ok(
            "hardware proof",
            format!(
                "{}: {} TOPS, memory filled at {} MiB/s",
                claim.backend,
                crate::amount::decimal(u64::from(claimed_tops_e2(&claim)), 2),
                claim.fill_mib_s
            ),
        ),
        Err(failure) => checks.warning(
            "hardware proof",
            failure.message,
            "Oracles attest only what they have measured: without a proof this device earns nothing.",
        ),
    }
}

async fn provider(checks: &mut Checks) {
    let found = crate::blocking(|| Ok(devices::find()?)).await;
    match found {
        Ok(found) => {
            for device in &found.devices {
                let detail = format!("{}, {} MiB", device.name, device.memory_mib);
                match &device.unusable_because {
                    None => checks.ok("device", detail),
                    Some(reason) => checks.warning(
                        "device",
                        format!("{detail}: {reason}"),
                        "The worker uses the CPU.",
                    ),
                }
                proof(checks, device).await;
                let sample = devices::Sampler::new(device).sample();
                match sample.temperature_c {
                    Some(degrees) => checks.ok("temperature", format!("{degrees:.0} °C")),
                    None => checks.warning(
                        "temperature",
                        "the hardware does not tell",
                        "On a real machine load its sensor driver (sensors-detect); virtual machines have none.",
                    ),
                }
            }
            for note in found.notes {
                checks.warning(
                    "driver",
                    note,
                    "For a GPU install NVIDIA's driver, so that nvidia-smi lists it. The CPU works without.",
                );
            }
        }
        Err(failure) => checks.error("device", failure.message, "Is /proc mounted?"),
    }
    let free = |path: &Path| -> Option<u64> {
        let stat = rustix::fs::statvfs(path).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    };
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    match free(&here) {
        Some(bytes) if bytes >= LEAST_FREE_BYTES => {
            checks.ok(
                "disk",
                format!("{} GiB free in {}", bytes >> 30, here.display()),
            );
        }
        Some(bytes) => checks.error(
            "disk",
            format!("{} MiB free in {}", bytes >> 20, here.display()),
            "Free some space, or put data_dir of the worker's configuration on another disk.",
        ),
        None => checks.warning("disk", "the free space is not known", "Look with df."),
    }
    let model = &models::ALL_MINILM_L6_V2;
    match models::dir(model).filter(|dir| {
        models::MODEL_FILES
            .iter()
            .all(|file| dir.join(file).is_file())
    }) {
        Some(dir) => checks.ok("model", format!("{} in {}", model.name, dir.display())),
        None => checks.error(
            "model",
            format!("{} is not here", model.name),
            format!(
                "Run ./x setup, or put {} into a folder that {} names.",
                models::MODEL_FILES.join(", "),
                models::MODEL_DIR_VARIABLE
            ),
        ),
    }
}
