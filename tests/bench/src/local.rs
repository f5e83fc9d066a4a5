//! A network on this machine: how long settlement takes beside the chain's own confirmation, and what an idle worker costs.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use io_client::{
    CommitmentConfig, Request, Rpc, SendConfig, Sender, Wallet, journal::MemoryJournal,
};
use serde_json::Value;

use crate::{
    Places,
    page::{machine, table},
    programs::{Running, output, percentiles, usage},
};

const READY: Duration = Duration::from_secs(300);
const JOBS: usize = 20;
const TRANSFERS: usize = 20;
/// Milliseconds of a slot, as `io up` has them.
const SLOT_MS: u64 = 400;
/// One option, few paths: a job of negligible compute.
const SMALL_OPTION: &str = r#"{"kind":"call","spot":100,"strike":105,"rate":0.03,"volatility":0.2,"years":1,"steps":1,"pairs":1000,"seed":42}"#;
const IDLE: Duration = Duration::from_secs(20);

pub fn measure(places: &Places) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let ready = folder.path().join("ready.json");
    let mut up = Running::start(
        Command::new(&places.io)
            .args(["up", "--rpc-port", "0", "--workers", "1", "--data-dir"])
            .arg(folder.path().join("net"))
            .arg("--ready-file")
            .arg(&ready)
            .stdout(Stdio::null()),
    )?;
    let net = up.ready(&ready, READY)?;
    let text = |name: &str| {
        net[name]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("the ready file has no {name}"))
    };

    let pid = net["processes"]
        .as_object()
        .and_then(|all| all.iter().find(|(name, _)| name.contains("worker")))
        .and_then(|(_, pid)| pid.as_u64())
        .context("the ready file names no worker")?;
    let (before, _) = usage(pid)?;
    std::thread::sleep(IDLE);
    let (after, memory) = usage(pid)?;
    let idle_share = (after - before) / IDLE.as_secs_f64() * 100.0;

    let runtime = tokio::runtime::Runtime::new()?;
    let mut settle = Vec::new();
    let mut confirm = Vec::new();
    let wallet = Wallet::load(std::path::Path::new(&text("keypair")?))?;
    let rpc = Rpc::new(&text("rpc_url")?, CommitmentConfig::confirmed())?;
    let sender = Sender::new(rpc, Arc::new(MemoryJournal::default()), SendConfig::local());
    let input = folder.path().join("option.json");
    std::fs::write(&input, SMALL_OPTION)?;
    let module = places.root.join("examples/wasm/option-pricer.wasm");
    // Alternating, so that both meet the same conditions.
    for round in 0..JOBS.max(TRANSFERS) {
        let to_self = solana_system_interface::instruction::transfer(
            &wallet.address(),
            &wallet.address(),
            1 + round as u64,
        );
        let request = Request::new(format!("bench-{round}"), wallet.signer(), vec![to_self]);
        // A job ends at the same moment of a slot each time: transfers begin at moments spread over one.
        std::thread::sleep(Duration::from_millis(
            round as u64 * SLOT_MS / TRANSFERS as u64,
        ));
        let start = Instant::now();
        runtime.block_on(sender.send(&request))?;
        confirm.push(start.elapsed().as_secs_f64() * 1_000.0);

        let printed = output(
            Command::new(&places.io)
                .args(["-u", &text("context")?, "job", "submit", "wasm"])
                .arg(&module)
                .arg("--input")
                .arg(&input)
                .args(["--max-price", "1", "--yes", "--wait", "-o", "json", "-O"])
                .arg(folder.path().join(format!("result-{round}"))),
        )?;
        let job: Value = serde_json::from_str(&printed).context("the job's JSON")?;
        settle.push(
            job["settle_ms"]
                .as_f64()
                .context("the job has no settle_ms")?,
        );
    }
    let (settle_p50, settle_p95) = percentiles(settle);
    let (confirm_p50, confirm_p95) = percentiles(confirm);
    let ratio = settle_p50 / confirm_p50;
    Ok(format!(
        "{}\nLocal chain with 400 ms slots, three oracles (quorum 2), one worker; {JOBS} jobs of negligible compute, each beside one \
         transfer sent through the same path at a moment of its own in a slot, and confirmed.\n\n{}\nSubmitted-to-settled is {ratio:.2} × the chain's own confirmation \
         (aim: at most 3 ×).\n\nA worker at rest, over {} s: {memory:.0} MiB resident, {idle_share:.2} % of one core.\n",
        machine(),
        table(
            &["", "median", "95 %"],
            &[
                vec![
                    "transfer, sent to confirmed".into(),
                    format!("{confirm_p50:.0} ms"),
                    format!("{confirm_p95:.0} ms")
                ],
                vec![
                    "job, submitted to settled".into(),
                    format!("{settle_p50:.0} ms"),
                    format!("{settle_p95:.0} ms")
                ],
            ],
        ),
        IDLE.as_secs()
    ))
}
