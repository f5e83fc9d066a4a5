//! `io-localnet`: a Solana chain on this machine, for `io up` and the tests.
//!
//! surfpool-core embedded: a real virtual machine behind the real JSON-RPC and WebSocket interfaces, with slots and a
//! clock that move by themselves, p-token and Token-2022 loaded, nothing fetched from anywhere, bound to loopback only.
//! State lives in memory and ends with the process.
//!
//! Once both servers listen it prints one line of JSON, `{"rpc_url", "ws_url", "pid", "slot_ms"}`, on stdout (and writes
//! the same line to `--ready-file`, complete or not at all). Everything else goes to stderr.

use std::{
    error::Error,
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender};
use solana_pubkey::Pubkey;
use surfpool_core::{
    runloops::start_local_surfnet_runloop,
    surfnet::{
        locker::SurfnetSvmLocker,
        svm::{SurfnetSvm, SurfnetSvmConfig},
    },
};
use surfpool_types::{
    BlockProductionMode, RpcConfig, SimnetCommand, SimnetConfig, SimnetEvent, SurfpoolConfig,
};

/// Shortest and longest slot that can be asked for, in milliseconds. Below 10 the clock thread's own overhead dominates;
/// blockhashes live about 150 slots, so longer slots than this keep them valid for 25 minutes and more.
const SLOT_MS: std::ops::RangeInclusive<u64> = 10..=10_000;
const DEFAULT_SLOT_MS: u64 = 400;
/// The upgradeable loader's own bound: an account's largest size, 10 MiB.
const MAX_PROGRAM_BYTES: u64 = 10 * 1024 * 1024;
const MAX_PROGRAMS: usize = 32;
const MAX_AIRDROPS: usize = 256;
/// A transaction's log lines beyond this are cut off, as on the public clusters.
const LOG_BYTES_LIMIT: usize = 10_000;
/// How often free ports are chosen anew when somebody else takes them first.
const PORT_ATTEMPTS: u32 = 8;
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a clean end may take before the process ends anyway. Nothing is persisted, so nothing is lost.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
const PARENT_POLL: Duration = Duration::from_millis(200);
const CLOCK_CHECK: Duration = Duration::from_secs(2);
/// A clock further behind than this share of the time elapsed was paused or moved on purpose: it is left alone.
const CLOCK_LAG_CORRECTED: f64 = 0.25;

/// How surfpool begins its messages about single transactions.
const TRANSACTION_ERRORS: &[&str] = &[
    "Failed to process transaction",
    "Transaction execution failed",
    "Transaction simulation failed",
];

const HELP: &str = "\
io-localnet: a Solana chain on this machine, bound to 127.0.0.1

  --rpc-port PORT            JSON-RPC port, 0 for a free one (default 8899)
  --ws-port PORT             WebSocket port, 0 for a free one (default: 0 when --rpc-port is 0, else rpc-port + 1)
  --slot-ms MS               time from slot to slot, 10 to 10000 (default 400)
  --program ID=FILE.so       place a program at its declared address; repeatable
  --upgrade-authority PUBKEY who may upgrade the programs placed by --program (default: nobody who can sign)
  --airdrop PUBKEY=LAMPORTS  start with this balance; repeatable
  --ready-file FILE          also write the line of JSON that says the chain is ready to this file
  --exit-with-parent[=PID]   end when the parent process has ended
  --help, --version

Time can be moved over RPC: surfnet_timeTravel [{\"absoluteTimestamp\": MILLISECONDS}], surfnet_pauseClock,
surfnet_resumeClock.
";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Args {
    rpc_port: u16,
    ws_port: u16,
    slot_ms: u64,
    programs: Vec<(Pubkey, PathBuf)>,
    upgrade_authority: Option<Pubkey>,
    airdrops: Vec<(Pubkey, u64)>,
    ready_file: Option<PathBuf>,
    parent: Option<u32>,
}

fn main() -> ExitCode {
    let args = match parse_args(lexopt::Parser::from_env()) {
        Ok(Some(args)) => args,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("io-localnet: {error}\nTry io-localnet --help.");
            return ExitCode::from(2);
        }
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("io-localnet: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: help or the version was asked for and printed.
fn parse_args(mut parser: lexopt::Parser) -> Result<Option<Args>> {
    use lexopt::prelude::*;

    let mut rpc_port = 8899;
    let mut ws_port = None;
    let mut args = Args {
        rpc_port: 0,
        ws_port: 0,
        slot_ms: DEFAULT_SLOT_MS,
        programs: Vec::new(),
        upgrade_authority: None,
        airdrops: Vec::new(),
        ready_file: None,
        parent: None,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Long("rpc-port") => rpc_port = parser.value()?.parse()?,
            Long("ws-port") => ws_port = Some(parser.value()?.parse()?),
            Long("slot-ms") => {
                args.slot_ms = parser.value()?.parse()?;
                if !SLOT_MS.contains(&args.slot_ms) {
                    return Err(format!(
                        "--slot-ms is {}, expected {} to {}",
                        args.slot_ms,
                        SLOT_MS.start(),
                        SLOT_MS.end()
                    )
                    .into());
                }
            }
            Long("program") => {
                let (id, path) = key_value("--program", "ID=FILE.so", &parser.value()?.string()?)?;
                args.programs.push((id, PathBuf::from(path)));
                if args.programs.len() > MAX_PROGRAMS {
                    return Err(format!("more than {MAX_PROGRAMS} times --program").into());
                }
            }
            Long("upgrade-authority") => {
                let text = parser.value()?.string()?;
                args.upgrade_authority = Some(pubkey("--upgrade-authority", &text)?);
            }
            Long("airdrop") => {
                let (id, lamports) =
                    key_value("--airdrop", "PUBKEY=LAMPORTS", &parser.value()?.string()?)?;
                let lamports = lamports.parse().map_err(|error| {
                    format!("--airdrop: '{lamports}' is not a number of lamports: {error}")
                })?;
                args.airdrops.push((id, lamports));
                if args.airdrops.len() > MAX_AIRDROPS {
                    return Err(format!("more than {MAX_AIRDROPS} times --airdrop").into());
                }
            }
            Long("ready-file") => args.ready_file = Some(PathBuf::from(parser.value()?)),
            Long("exit-with-parent") => {
                args.parent = Some(match parser.optional_value() {
                    Some(pid) => pid.parse()?,
                    None => parent_pid(),
                });
            }
            Long("help") | Short('h') => {
                print!("{HELP}");
                return Ok(None);
            }
            Long("version") | Short('V') => {
                println!(
                    "io-localnet {} (surfpool-core 1.6.1)",
                    env!("CARGO_PKG_VERSION")
                );
                return Ok(None);
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    args.rpc_port = rpc_port;
    args.ws_port = match ws_port {
        Some(port) => port,
        None if rpc_port == 0 => 0,
        None => rpc_port
            .checked_add(1)
            .ok_or("--rpc-port 65535 leaves no port after it: pass --ws-port")?,
    };
    if args.rpc_port != 0 && args.rpc_port == args.ws_port {
        return Err(format!(
            "--rpc-port and --ws-port are both {}: they need a port each",
            args.rpc_port
        )
        .into());
    }
    Ok(Some(args))
}

fn key_value(flag: &str, form: &str, text: &str) -> Result<(Pubkey, String)> {
    let (id, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{flag} is '{text}', expected {form}"))?;
    Ok((pubkey(flag, id)?, value.to_owned()))
}

fn pubkey(flag: &str, text: &str) -> Result<Pubkey> {
    text.parse()
        .map_err(|error| format!("{flag}: '{text}' is not a base58 address: {error}").into())
}

fn run(args: Args) -> Result<()> {
    // Read before anything starts: a missing program is an error at once, not a chain that lacks it.
    let programs = args
        .programs
        .iter()
        .map(|(id, path)| Ok((*id, read_program(path)?)))
        .collect::<Result<Vec<_>>>()?;

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let stop = stop_signals(&runtime, args.parent)?;
    let chain = start(&args, &programs, &runtime)?;

    let line = serde_json::json!({
        "rpc_url": format!("http://127.0.0.1:{}", chain.rpc_port),
        "ws_url": format!("ws://127.0.0.1:{}", chain.ws_port),
        "pid": std::process::id(),
        "slot_ms": args.slot_ms,
    })
    .to_string();
    if let Some(path) = &args.ready_file {
        write_whole(path, &line)?;
    }
    let mut stdout = std::io::stdout();
    // A parent that doesn't read stdout (it polls the ready file) is no reason to end.
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());

    keep_time(chain.locker.clone(), args.slot_ms);

    // Whichever comes first: a signal, the parent's end, or the chain's own.
    loop {
        match stop.recv_timeout(PARENT_POLL) {
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if let Ok(outcome) = chain.ended.try_recv() {
                    return Err(format!("the chain ended by itself: {outcome}").into());
                }
            }
        }
    }
    if let Some(path) = &args.ready_file {
        // The file says that a chain answers at these ports, which is about to end.
        let _ = fs::remove_file(path);
    }
    let _ = chain.commands.send(SimnetCommand::Terminate(None));
    let _ = chain.ended.recv_timeout(SHUTDOWN_TIMEOUT);
    // Server threads may still sit in accept; there is nothing left to save.
    std::process::exit(0);
}

struct Chain {
    rpc_port: u16,
    ws_port: u16,
    locker: SurfnetSvmLocker,
    commands: Sender<SimnetCommand>,
    /// What ended the run loop.
    ended: Receiver<String>,
}

/// Starts the chain, choosing ports anew when chosen ones are taken between choosing and listening.
fn start(
    args: &Args,
    programs: &[(Pubkey, Vec<u8>)],
    runtime: &tokio::runtime::Runtime,
) -> Result<Chain> {
    let chosen = args.rpc_port == 0 || args.ws_port == 0;
    let mut attempt = 1;
    loop {
        // The RPC server listens with SO_REUSEPORT, so two chains starting at once could share a port without either
        // noticing. One at a time.
        let _lock = PortLock::take()?;
        let (rpc_port, ws_port) = pick_ports(args.rpc_port, args.ws_port)?;
        match start_once(args, programs, runtime, rpc_port, ws_port) {
            Ok(chain) => return Ok(chain),
            Err(error)
                if chosen && attempt < PORT_ATTEMPTS && error.to_string().contains("in use") =>
            {
                attempt += 1
            }
            Err(error) => return Err(error),
        }
    }
}

fn start_once(
    args: &Args,
    programs: &[(Pubkey, Vec<u8>)],
    runtime: &tokio::runtime::Runtime,
    rpc_port: u16,
    ws_port: u16,
) -> Result<Chain> {
    let simnet = SimnetConfig {
        offline_mode: true,
        remote_rpc_url: None,
        slot_time: args.slot_ms,
        // Blocks made by transactions only would expire every blockhash at once.
        block_production_mode: BlockProductionMode::Clock,
        // Profiling runs every transaction several times over and drops bursts.
        instruction_profiling_enabled: false,
        max_profiles: 1,
        log_bytes_limit: Some(LOG_BYTES_LIMIT),
        surfnet_id: "io-localnet".to_owned(),
        ..SimnetConfig::default()
    };
    let svm_config = SurfnetSvmConfig {
        surfnet_id: simnet.surfnet_id.clone(),
        slot_time: simnet.slot_time,
        instruction_profiling_enabled: simnet.instruction_profiling_enabled,
        max_profiles: simnet.max_profiles,
        log_bytes_limit: simnet.log_bytes_limit,
        ..SurfnetSvmConfig::default()
    };
    let config = SurfpoolConfig {
        simnets: vec![simnet],
        rpc: RpcConfig {
            bind_host: Ipv4Addr::LOCALHOST.to_string(),
            bind_port: rpc_port,
            ws_port,
            ..RpcConfig::default()
        },
        ..SurfpoolConfig::default()
    };

    let (svm, events, geyser) =
        SurfnetSvm::new(svm_config).map_err(|error| format!("the chain's state: {error}"))?;
    let locker = SurfnetSvmLocker::new(svm);
    let (ready_sender, ready) = mpsc::channel();
    drain(events, ready_sender);

    for (id, elf) in programs {
        runtime
            .block_on(locker.write_program(*id, args.upgrade_authority, 0, elf, &None))
            .map_err(|error| format!("placing program {id}: {error}"))?;
    }
    for (id, lamports) in &args.airdrops {
        if let Err(error) = locker.airdrop(id, *lamports) {
            return Err(format!("an airdrop of {lamports} lamports to {id}: {error:?}").into());
        }
    }

    let (commands, command_receiver) = crossbeam_channel::unbounded();
    let (ended_sender, ended) = crossbeam_channel::bounded(1);
    let handle = runtime.handle().clone();
    let (locker_in, commands_in) = (locker.clone(), commands.clone());
    thread::Builder::new()
        .name("chain".to_owned())
        .spawn(move || {
            let run = start_local_surfnet_runloop(
                locker_in,
                config,
                commands_in,
                command_receiver,
                geyser,
            );
            let outcome = match handle.block_on(run) {
                Ok(()) => "terminated".to_owned(),
                Err(error) => error.to_string(),
            };
            let _ = ended_sender.send(outcome);
        })?;

    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        if ready.recv_timeout(Duration::from_millis(5)).is_ok() {
            return Ok(Chain {
                rpc_port,
                ws_port,
                locker,
                commands,
                ended,
            });
        }
        if let Ok(outcome) = ended.try_recv() {
            return Err(format!("the chain did not start: {outcome}").into());
        }
        if Instant::now() > deadline {
            return Err(format!(
                "the chain was not ready after {} s",
                READY_TIMEOUT.as_secs()
            )
            .into());
        }
    }
}

/// Reads events for ever: the channel is bounded and a full one stops the chain.
fn drain(events: Receiver<SimnetEvent>, ready: mpsc::Sender<()>) {
    thread::spawn(move || {
        for event in events {
            match event {
                SimnetEvent::CoreStarted(_) => {
                    let _ = ready.send(());
                }
                // A failed transaction is its sender's affair, who is told over RPC.
                SimnetEvent::ErrorLog(_, text)
                    if TRANSACTION_ERRORS
                        .iter()
                        .any(|known| text.starts_with(known)) => {}
                SimnetEvent::ErrorLog(_, text) | SimnetEvent::Aborted(text) => {
                    eprintln!("io-localnet: {text}")
                }
                _ => {}
            }
        }
    });
}

/// Holds the chain's clock to the wall's.
///
/// surfpool adds exactly one slot's length for each slot, while a slot really takes that plus the thread's wake-up and
/// the block's own work. Left alone the chain falls behind by seconds an hour, and services compare the two clocks.
/// A clock that was paused or moved through RPC keeps its offset.
fn keep_time(locker: SurfnetSvmLocker, slot_ms: u64) {
    thread::spawn(move || {
        let read = || {
            locker.with_svm_reader(|svm| {
                (
                    svm.updated_at,
                    svm.latest_epoch_info.absolute_slot,
                    svm.slot_time,
                )
            })
        };
        let (mut chain, mut slot, _) = read();
        let mut wall = Instant::now();
        loop {
            thread::sleep(CLOCK_CHECK);
            let (chain_now, slot_now, slot_time) = read();
            let elapsed = u64::try_from(wall.elapsed().as_millis()).unwrap_or(u64::MAX);
            let passed = chain_now.saturating_sub(chain);
            // A jump of either clock or slot that slots alone don't explain was made on purpose.
            let regular = slot_time == slot_ms
                && passed == slot_now.saturating_sub(slot).saturating_mul(slot_ms);
            let lag = elapsed.saturating_sub(passed);
            if regular && lag > 0 && (lag as f64) < elapsed as f64 * CLOCK_LAG_CORRECTED {
                locker.with_svm_writer(move |svm| {
                    svm.updated_at = svm.updated_at.saturating_add(lag);
                    svm.genesis_updated_at = svm.genesis_updated_at.saturating_add(lag);
                });
            }
            (chain, slot, _) = read();
            wall = Instant::now();
        }
    });
}

/// A channel that hears SIGINT, SIGTERM and SIGHUP, and the parent's end where asked for.
fn stop_signals(
    runtime: &tokio::runtime::Runtime,
    parent: Option<u32>,
) -> Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let (sender, receiver) = mpsc::channel();
    let _guard = runtime.enter();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        runtime.spawn(async move {
            if signals.recv().await.is_some() {
                let _ = sender.send(());
            }
        });
    }
    if let Some(parent) = parent {
        // Not PR_SET_PDEATHSIG: that fires when the *thread* that forked ends, which for a test is the test's end, not
        // the process's.
        thread::spawn(move || {
            while parent_pid() == parent {
                thread::sleep(PARENT_POLL);
            }
            let _ = sender.send(());
        });
    }
    Ok(receiver)
}

fn parent_pid() -> u32 {
    std::os::unix::process::parent_id()
}

fn read_program(path: &Path) -> Result<Vec<u8>> {
    let at =
        |error: std::io::Error| format!("{}: {error}. Build the programs first.", path.display());
    let size = fs::metadata(path).map_err(at)?.len();
    if size > MAX_PROGRAM_BYTES {
        return Err(format!(
            "{} has {size} bytes, a program has at most {MAX_PROGRAM_BYTES}",
            path.display()
        )
        .into());
    }
    let elf = fs::read(path).map_err(at)?;
    if !elf.starts_with(b"\x7fELF") {
        return Err(format!(
            "{} is not an ELF file: expected a program built for SBF",
            path.display()
        )
        .into());
    }
    Ok(elf)
}

/// Ports to listen on: the asked for, or free ones for 0.
fn pick_ports(rpc_port: u16, ws_port: u16) -> Result<(u16, u16)> {
    // Both held at once, so that they differ.
    let rpc = bind("--rpc-port", rpc_port)?;
    let ws = bind("--ws-port", ws_port)?;
    Ok((rpc.local_addr()?.port(), ws.local_addr()?.port()))
}

fn bind(flag: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        format!("127.0.0.1:{port}: {error}. Choose another {flag}, or 0 for a free one.").into()
    })
}

/// An advisory lock between chains that start at the same time, released when dropped.
struct PortLock {
    _file: fs::File,
}

impl PortLock {
    fn take() -> Result<Self> {
        // One for each user: another user's file could not be opened.
        // SAFETY: getuid has no preconditions and cannot fail.
        let uid = unsafe { libc::getuid() };
        let path = std::env::temp_dir().join(format!("io-localnet-ports-{uid}.lock"));
        let file = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        file.lock()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { _file: file })
    }
}

fn write_whole(path: &Path, line: &str) -> Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, format!("{line}\n"))
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|error| format!("--ready-file {}: {error}", path.display()).into())
}
