//! A whole network on this machine: chain, oracles and workers in one process tree, everything bound to loopback.

mod children;
mod classes;
mod setup;

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use children::Children;
use io_client::{Pubkey, Wallet};
use io_worker::config::DeviceSelection;

use crate::{
    context::Context,
    failure::{Failure, Result, file_failure},
    oracles::Oracles,
    output::Output,
    settings::{self, CONTEXT_FILE, Settings, Sourced, Surroundings},
};

/// Oracles that a local network runs, and how many of them decide.
pub const ORACLES: usize = 3;
pub const QUORUM: u8 = 2;
/// Workers that a local network runs at most.
pub const MAX_WORKERS: u16 = 16;
/// Waits for services: oracles read the chain, workers measure their device first.
const ORACLE_READY: Duration = Duration::from_secs(60);
const WORKERS_READY: Duration = Duration::from_secs(240);
const READY_POLL: Duration = Duration::from_millis(100);
/// Names the program of the local chain, and the folder with the on-chain programs.
const LOCALNET_VARIABLE: &str = "IO_LOCALNET_BIN";
const PROGRAMS_VARIABLE: &str = "IO_PROGRAM_DIR";
/// Names the folder with the web app's built files.
const APP_VARIABLE: &str = "IO_APP_DIR";
const PROGRAM_FILE: &str = "io_network.so";

#[derive(Debug, Clone)]
pub struct LocalOptions {
    pub data_dir: PathBuf,
    /// 0 for a free one.
    pub rpc_port: u16,
    pub slot_ms: u64,
    pub workers: u16,
    /// Length of an epoch of emission, seconds.
    pub epoch_seconds: u32,
}

/// A running local network. Dropping it ends every process it started.
pub struct LocalNet {
    pub dir: PathBuf,
    /// Works on this network, with the renter's wallet.
    pub ctx: Context,
    pub rpc_url: String,
    pub ws_url: String,
    pub oracle_urls: Vec<String>,
    pub io_mint: Pubkey,
    pub usdc_mint: Pubkey,
    pub renter: Wallet,
    pub provider: Wallet,
    pub admin: Wallet,
    pub devices: Vec<Pubkey>,
    /// Where the web app is served, if it is built.
    pub app_url: Option<String>,
    pub children: Children,
    _lock: fs::File,
}

pub fn context_path(dir: &Path) -> PathBuf {
    dir.join(CONTEXT_FILE)
}

pub fn renter_key(dir: &Path) -> PathBuf {
    dir.join("keys/renter.json")
}

pub fn pid_path(dir: &Path) -> PathBuf {
    dir.join("up.pid")
}

pub fn logs_dir(dir: &Path) -> PathBuf {
    dir.join("logs")
}

/// Makes a folder that only its owner can look into.
fn private_dir(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| file_failure("the data folder", path, &error))
}

/// The lock that says that a network runs from this folder. `None` when another process holds it.
pub fn lock(dir: &Path) -> Result<Option<fs::File>> {
    let path = dir.join("up.lock");
    let failed = |error: &std::io::Error| file_failure("the lock", &path, error);
    let file = fs::File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// A key of the network's own: kept from run to run.
fn key(dir: &Path, name: &str) -> Result<(Wallet, PathBuf)> {
    let path = dir.join("keys").join(format!("{name}.json"));
    if path.exists() {
        return Ok((Wallet::load(&path)?, path));
    }
    let wallet = Wallet::generate();
    wallet.save(&path)?;
    Ok((wallet, path))
}

/// Where `./x` keeps what it fetched and built.
fn cache_dir() -> Option<PathBuf> {
    std::env::var_os("IO_NETWORK_CACHE")
        .filter(|cache| !cache.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/io-network")))
}

fn localnet_binary() -> Result<PathBuf> {
    let mut looked = Vec::new();
    let candidates = [
        std::env::var_os(LOCALNET_VARIABLE).map(PathBuf::from),
        std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.join("io-localnet"))),
        cache_dir().map(|cache| cache.join("bin/io-localnet")),
    ];
    for path in candidates.into_iter().flatten() {
        if path.is_file() {
            return Ok(path);
        }
        looked.push(path.display().to_string());
    }
    Err(Failure::not_found(format!(
        "the local chain is not built; looked for {}",
        looked.join(", ")
    ))
    .hint(format!(
        "Run ./x setup in a checkout of IO Network, or set {LOCALNET_VARIABLE}."
    )))
}

fn program_file() -> Result<PathBuf> {
    let mut looked = Vec::new();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let candidates = [
        std::env::var_os(PROGRAMS_VARIABLE).map(PathBuf::from),
        target.map(|target| target.join("deploy")),
        std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.parent()?.join("deploy"))),
        cache_dir().map(|cache| cache.join("target/deploy")),
    ];
    for dir in candidates.into_iter().flatten() {
        let path = dir.join(PROGRAM_FILE);
        if path.is_file() {
            return Ok(path);
        }
        looked.push(path.display().to_string());
    }
    Err(Failure::not_found(format!(
        "the on-chain program is not built; looked for {}",
        looked.join(", ")
    ))
    .hint(format!(
        "Run ./x build in a checkout of IO Network, or set {PROGRAMS_VARIABLE}."
    )))
}

/// The web app's built files, where they are: a network without them lacks nothing else.
pub fn app_dir() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok();
    let beside = exe.as_deref().and_then(Path::parent);
    let candidates = [
        std::env::var_os(APP_VARIABLE).map(PathBuf::from),
        beside.map(|dir| dir.join("app")),
        // `.io/bin/io` of a checkout, and a folder inside one.
        beside.and_then(|dir| Some(dir.parent()?.parent()?.join("app/dist"))),
        std::env::current_dir().ok().map(|dir| dir.join("app/dist")),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|dir| dir.join("index.html").is_file())
        .and_then(|dir| dir.canonicalize().ok())
}

/// Ports that are free now. All are held until all are chosen, so that they differ.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let failed =
        |error: std::io::Error| Failure::failed(format!("no free port on 127.0.0.1: {error}"));
    let held = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<Vec<_>, _>>();
    held.and_then(|held| {
        held.iter()
            .map(|port| Ok(port.local_addr()?.port()))
            .collect::<Result<_, _>>()
    })
    .map_err(failed)
}

/// Settings of a local network's own.
fn local_settings(
    rpc_url: &str,
    ws_url: &str,
    keypair: PathBuf,
    oracles: Vec<String>,
    usdc: &Pubkey,
) -> Settings {
    let here = |value: &str| Sourced {
        value: value.to_owned(),
        source: "this network".to_owned(),
    };
    Settings {
        cluster: "localnet".to_owned(),
        rpc_url: here(rpc_url),
        ws_url: here(ws_url),
        keypair: Sourced {
            value: keypair,
            source: "this network".to_owned(),
        },
        oracles: Sourced {
            value: oracles,
            source: "this network".to_owned(),
        },
        output: None,
        mints: BTreeMap::from([("USDC".to_owned(), usdc.to_string())]),
    }
}

impl LocalNet {
    /// Starts everything and waits until every device takes jobs. `say` tells people what happens.
    pub async fn start(options: &LocalOptions, out: Output, quiet: bool) -> Result<Self> {
        let binary = localnet_binary()?;
        let program = program_file()?;
        private_dir(&options.data_dir)?;
        // Children run in no folder of ours, so paths are absolute.
        let dir = options
            .data_dir
            .canonicalize()
            .map_err(|error| file_failure("the data folder", &options.data_dir, &error))?;
        let Some(lock) = lock(&dir)? else {
            return Err(
                Failure::failed(format!("a network runs from {} already", dir.display())).hint(
                    "Stop it with Ctrl-C or `io down`, or choose another folder with --data-dir.",
                ),
            );
        };
        let pid = pid_path(&dir);
        fs::write(&pid, std::process::id().to_string())
            .map_err(|error| file_failure("the process id", &pid, &error))?;
        private_dir(&dir.join("keys"))?;
        private_dir(&logs_dir(&dir))?;
        // The chain is new each time, so what services knew of the last one is of no use.
        let services = dir.join("services");
        if services.exists() {
            fs::remove_dir_all(&services)
                .map_err(|error| file_failure("the services' data", &services, &error))?;
        }
        private_dir(&services)?;
        let say = |text: &str| {
            if !quiet {
                eprintln!("{text}");
            }
        };

        let (admin, _) = key(&dir, "admin")?;
        let (io_key, _) = key(&dir, "io-mint")?;
        let (usdc_key, _) = key(&dir, "usdc-mint")?;
        let (renter, renter_path) = key(&dir, "renter")?;
        let (provider, _) = key(&dir, "provider")?;
        let oracles = (1..=ORACLES)
            .map(|i| key(&dir, &format!("oracle-{i}")))
            .collect::<Result<Vec<_>>>()?;
        let operators = (1..=options.workers)
            .map(|i| key(&dir, &format!("operator-{i}")))
            .collect::<Result<Vec<_>>>()?;

        let mut children = Children::new(logs_dir(&dir));
        let funded = [&admin, &renter, &provider]
            .into_iter()
            .chain(oracles.iter().chain(&operators).map(|(wallet, _)| wallet));
        let chain = children
            .chain(
                &binary,
                &program,
                options,
                &admin.address(),
                &funded.map(Wallet::address).collect::<Vec<_>>(),
            )
            .await?;
        say(&format!(
            "chain at {} ({} ms slots)",
            chain.rpc_url, chain.slot_ms
        ));

        let (io_mint, usdc_mint) = (io_key.address(), usdc_key.address());
        let ports = free_ports(ORACLES)?;
        let oracle_urls: Vec<String> = ports
            .iter()
            .map(|port| format!("http://127.0.0.1:{port}"))
            .collect();
        let settings = local_settings(
            &chain.rpc_url,
            &chain.ws_url,
            renter_path.clone(),
            oracle_urls.clone(),
            &usdc_mint,
        );
        let ctx = Context::new(settings, Surroundings::real(), out, true, false, quiet)?;

        let parties = setup::Parties {
            admin: &admin,
            io_mint: &io_key,
            usdc_mint: &usdc_key,
            renter: &renter,
            provider: &provider,
            oracles: oracles.iter().map(|(wallet, _)| wallet.address()).collect(),
            epoch_seconds: options.epoch_seconds,
        };
        setup::create_network(&ctx, &parties).await?;
        say("network created: IO and USDC mints, treasury, device classes, oracle set");

        let app = app_dir();
        for (i, (_, key)) in oracles.iter().enumerate() {
            let peers = oracle_urls
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != i)
                .map(|(_, url)| url.clone())
                .collect();
            let config = setup::oracle_config(
                &chain,
                ports[i],
                key,
                peers,
                services.join(format!("oracle-{}", i + 1)),
                app.clone(),
            );
            children.service("oracle", i + 1, &services, &config)?;
        }
        let selections: Vec<DeviceSelection> = (0..options.workers)
            .map(|part| DeviceSelection::Host {
                part,
                parts: options.workers,
            })
            .collect();
        let devices = setup::create_provider(&ctx, &parties, &selections, &operators).await?;
        wait_for_oracles(&ctx, &mut children).await?;
        say(&format!("{ORACLES} oracles, {QUORUM} of them decide"));

        for (i, ((_, key), selection)) in operators.iter().zip(&selections).enumerate() {
            let data = services.join(format!("worker-{}", i + 1));
            let config = setup::worker_config(&chain, &oracle_urls, key, selection.clone(), data);
            children.service("worker", i + 1, &services, &config)?;
        }
        wait_for_devices(&ctx, &mut children, &devices).await?;
        say(&format!("{} workers take jobs", devices.len()));

        let context = settings::Config {
            url: Some(chain.rpc_url.clone()),
            ws_url: Some(chain.ws_url.clone()),
            keypair: Some(renter_path),
            oracles: Some(oracle_urls.clone()),
            output: None,
            mints: BTreeMap::from([("USDC".to_owned(), usdc_mint.to_string())]),
        };
        settings::write(&context_path(&dir), &context)?;
        Ok(Self {
            dir,
            ctx,
            rpc_url: chain.rpc_url,
            ws_url: chain.ws_url,
            app_url: app.and(oracle_urls.first().cloned()),
            oracle_urls,
            io_mint,
            usdc_mint,
            renter,
            provider,
            admin,
            devices,
            children,
            _lock: lock,
        })
    }

    /// Ends everything in order: workers, oracles, chain.
    pub async fn stop(mut self) {
        // The context leads to a chain that is about to end.
        let _ = fs::remove_file(context_path(&self.dir));
        let _ = fs::remove_file(pid_path(&self.dir));
        self.children.stop().await;
    }
}

async fn wait_for_oracles(ctx: &Context, children: &mut Children) -> Result<()> {
    let deadline = Instant::now() + ORACLE_READY;
    let oracles = Oracles::new(&ctx.settings)?;
    for client in &oracles.clients {
        loop {
            let last = match client.info().await {
                Ok(info) if info.active => break,
                Ok(info) => format!("{} is not in the oracle set that it sees", info.oracle),
                Err(error) => error.to_string(),
            };
            children.check()?;
            if Instant::now() > deadline {
                return Err(Failure::time_out(format!(
                    "the oracle at {} is not ready: {last}",
                    client.url()
                ))
                .hint(format!("Its log is in {}.", children.logs().display())));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }
    Ok(())
}

/// Every oracle must see every device as available: any of them may lead a job.
async fn wait_for_devices(
    ctx: &Context,
    children: &mut Children,
    devices: &[Pubkey],
) -> Result<()> {
    let deadline = Instant::now() + WORKERS_READY;
    let oracles = Oracles::new(&ctx.settings)?;
    for client in &oracles.clients {
        for device in devices {
            loop {
                let last = match client.device(&device.to_bytes()).await {
                    Ok(Some(offer)) if offer.available => break,
                    Ok(Some(offer)) => offer
                        .unavailable_because
                        .unwrap_or_else(|| "no reason given".to_owned()),
                    Ok(None) => "the oracle does not know it yet".to_owned(),
                    Err(error) => error.to_string(),
                };
                children.check()?;
                if Instant::now() > deadline {
                    return Err(Failure::time_out(format!(
                        "the device {device} takes no jobs ({}): {last}",
                        client.url()
                    ))
                    .hint(format!(
                        "The workers' logs are in {}.",
                        children.logs().display()
                    )));
                }
                tokio::time::sleep(READY_POLL).await;
            }
        }
    }
    Ok(())
}
