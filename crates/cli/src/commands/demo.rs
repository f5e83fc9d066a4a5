//! `io demo`: one real job through a network of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use io_api::types::JobView;
use io_client::{
    Pubkey, Signature,
    io_network::state::{Job, JobState},
    tokens,
};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    job::{self, SubmitOptions},
    network::treasury_balance,
    requirement::RequirementArgs,
    up,
};
use crate::{
    amount::Unit,
    context::{Context, Done, put_amount},
    failure::{Exit, Failure, Result, file_failure},
    local::{self, LocalNet, LocalOptions},
    output::seconds,
    services,
    work::{self, EmbedArgs},
};

/// Letters that a paragraph must have to be a passage: headings and rules are shorter.
const MIN_PASSAGE_CHARS: usize = 20;
/// Largest text that passages are taken from, bytes.
const MAX_TEXT_BYTES: u64 = 64 * 1024 * 1024;
/// Longest wait for the job's end.
const JOB_TIMEOUT: Duration = Duration::from_secs(900);
/// How long the oracles may take to show the last transition.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(5);
/// Where `./x setup` puts the text of Debian's policy manual.
const TEXT_FILE: &str = ".cache/io-network/text/debian-policy.txt";

#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Run once, end everything that was started, and return.
    #[arg(long)]
    pub exit: bool,
    /// Text whose paragraphs are embedded: Debian's policy manual when absent.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Passages to embed, at most.
    #[arg(long, value_name = "N", default_value_t = 1_200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub passages: u64,
    /// The most that the job may cost, IO.
    #[arg(long, value_name = "AMOUNT", default_value = "2")]
    pub max_price: String,
    /// Folder for keys, logs, the services' data and the result.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Time from slot to slot, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub slot_ms: u64,
    /// Workers.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=i64::from(local::MAX_WORKERS)))]
    pub workers: u16,
}

/// Paragraphs as passages, one a line.
fn passages(text: &str, most: usize) -> Vec<String> {
    let mut passages = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        let line = line.trim();
        if !line.is_empty() {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.extend(line.split_whitespace().flat_map(|word| [word, " "]));
            paragraph.truncate(paragraph.trim_end().len());
            continue;
        }
        let whole = std::mem::take(&mut paragraph);
        if whole.chars().filter(|c| c.is_alphabetic()).count() >= MIN_PASSAGE_CHARS {
            passages.push(whole);
            if passages.len() == most {
                break;
            }
        }
    }
    passages
}

fn prepare_text(args: &DemoArgs, to: &Path) -> Result<usize> {
    let path = match &args.text {
        Some(path) => path.clone(),
        None => std::env::var_os("HOME")
            .map(|home| PathBuf::from(home).join(TEXT_FILE))
            .filter(|path| path.is_file())
            .ok_or_else(|| {
                Failure::not_found("the text of Debian's policy manual is not here")
                    .hint("Run ./x setup, or pass a text of your own: io demo --text FILE")
            })?,
    };
    let failed = |error: std::io::Error| file_failure("the text", &path, &error);
    let size = fs::metadata(&path).map_err(failed)?.len();
    if size > MAX_TEXT_BYTES {
        return Err(Failure::failed(format!(
            "{} has {size} bytes, the demo takes {MAX_TEXT_BYTES}",
            path.display()
        ))
        .hint("Use `io up` and `io job submit embed` for a large text."));
    }
    let bytes = fs::read(&path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        Failure::failed(format!("{} is not UTF-8", path.display())).hint("Save it as UTF-8.")
    })?;
    let passages = passages(&text, usize::try_from(args.passages).unwrap_or(usize::MAX));
    if passages.is_empty() {
        return Err(Failure::failed(format!(
            "{} has no paragraph of {MIN_PASSAGE_CHARS} letters",
            path.display()
        ))
        .hint("Pass a longer text."));
    }
    fs::write(to, passages.join("\n") + "\n")
        .map_err(|error| file_failure("the passages", to, &error))?;
    Ok(passages.len())
}

/// Balances of everybody whom the job concerns, base units of IO.
struct Balances {
    renter: u64,
    provider: u64,
    treasury: u64,
}

impl Balances {
    async fn read(net: &LocalNet) -> Result<Self> {
        let of = async |owner: &Pubkey| -> Result<u64> {
            Ok(
                tokens::balance(&net.ctx.rpc, &tokens::associated(owner, &net.io_mint))
                    .await?
                    .unwrap_or(0),
            )
        };
        Ok(Self {
            renter: of(&net.renter.address()).await?,
            provider: of(&net.provider.address()).await?,
            treasury: treasury_balance(&net.ctx, &net.io_mint).await?,
        })
    }
}

/// What the demo found out.
struct Life {
    job: Pubkey,
    chain: Job,
    create: Signature,
    settle_ms: Option<u64>,
    total_ms: u64,
    view: Option<JobView>,
    before: Balances,
    after: Balances,
    passages: usize,
    result: PathBuf,
}

pub async fn run(args: &DemoArgs, ctx: &Context) -> Result<()> {
    let stop = CancellationToken::new();
    services::stop_on_signals(&stop, None)?;
    let io = Unit::io();
    let max_total = io.parse("--max-price", &args.max_price)?;
    let data_dir = args
        .data_dir
        .clone()
        .unwrap_or_else(|| ctx.around.data_dir().join("demo"));
    fs::create_dir_all(&data_dir)
        .map_err(|error| file_failure("the data folder", &data_dir, &error))?;
    // Everything about the input is found out before anything starts.
    let input = data_dir.join("passages.txt");
    let count = prepare_text(args, &input)?;
    let embed = EmbedArgs {
        input,
        model: "all-MiniLM-L6-v2".to_owned(),
        format: None,
        pooling: None,
        max_tokens: None,
    };
    let prepared = crate::blocking(move || work::embed(&embed)).await?;

    let options = LocalOptions {
        data_dir: data_dir.clone(),
        rpc_port: 0,
        slot_ms: args.slot_ms,
        workers: args.workers,
        epoch_seconds: super::up::EPOCH_SECONDS,
    };
    let interrupted = || Failure::interrupted("interrupted; everything that was started was ended");
    let mut net = tokio::select! {
        started = LocalNet::start(&options, ctx.out, ctx.quiet) => started?,
        () = stop.cancelled() => return Err(interrupted()),
    };
    let life = tokio::select! {
        life = live(&net, &prepared, count, max_total) => life,
        () = stop.cancelled() => Err(interrupted()),
    };
    let life = match life {
        Ok(life) => life,
        Err(failure) => {
            // A process that died is the better explanation.
            let failure = if failure.exit == Exit::Interrupted {
                interrupted()
            } else {
                net.children.check().err().unwrap_or(failure)
            };
            let logs = local::logs_dir(&net.dir);
            net.stop().await;
            return Err(failure.hint_if_none(|| format!("The logs are in {}.", logs.display())));
        }
    };
    let value = to_json(&life);
    if args.exit {
        net.stop().await;
        return show(ctx, &life, &value);
    }
    show(ctx, &life, &value)?;
    let flag = up::flag(ctx, &net.dir);
    ctx.say(format!(
        "\nThe network runs on. In another terminal:\n  io {flag} job list\n  io {flag} job submit embed passages.txt --max-price 2 \
         --wait\nCtrl-C ends everything."
    ));
    let outcome = tokio::select! {
        failure = net.children.watch(false, |_| {}) => Err(failure),
        () = stop.cancelled() => Ok(()),
    };
    net.stop().await;
    outcome
}

async fn live(
    net: &LocalNet,
    prepared: &work::Prepared,
    count: usize,
    max_total: u64,
) -> Result<Life> {
    let ctx = &net.ctx;
    let mint = ctx.mint(None).await?;
    let requirement = RequirementArgs::default();
    let options = SubmitOptions {
        max_total: Some(max_total),
        deadline: JOB_TIMEOUT,
        max_run: JOB_TIMEOUT,
        requirement: &requirement,
        deposit: 0,
        nonce: None,
        lease: None,
    };
    let before = Balances::read(net).await?;
    let price = job::price(ctx, prepared, &mint, &options).await?;
    for (label, text) in job::price_rows(prepared, &mint, &price) {
        ctx.say(format!("{label:<9} {text}"));
    }
    let started = Instant::now();
    let submitted = job::submit(ctx, &net.renter, prepared, &mint, &price, &options).await?;
    let Done::Landed(landed) = &submitted.done else {
        return Err(Failure::failed("the job was only simulated"));
    };
    ctx.say(format!("job {}", submitted.job));
    let oracles = ctx.oracles()?;
    let followed = job::follow(ctx, Some(&oracles), &submitted.job, Some(JOB_TIMEOUT)).await?;
    let total_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if followed.job.state != JobState::Settled as u8 {
        let why = match oracles.job(&submitted.job).await {
            Ok(Some(view)) => job::words(&view),
            _ => "no oracle says why".to_owned(),
        };
        return Err(
            Failure::failed(format!("the job ended without being settled: {why}")).hint(format!(
                "The logs are in {}.",
                local::logs_dir(&net.dir).display()
            )),
        );
    }
    let result = net.dir.join("results").join(submitted.job.to_string());
    let download = job::fetch(ctx, &oracles, &followed.job, &result, true).await?;
    if download.manifest.units != count as u64 {
        return Err(Failure::failed(format!(
            "{} passages were embedded of {count}",
            download.manifest.units
        )));
    }
    // The last transition reaches the oracles' index a moment after the chain.
    let deadline = Instant::now() + HISTORY_TIMEOUT;
    let mut view = oracles.job(&submitted.job).await?;
    while Instant::now() < deadline && view.as_ref().is_none_or(|view| view.finished_at.is_none()) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        view = oracles.job(&submitted.job).await?;
    }
    Ok(Life {
        job: submitted.job,
        settle_ms: followed.settle_ms(),
        chain: followed.job,
        create: landed.signature,
        total_ms,
        view,
        before,
        after: Balances::read(net).await?,
        passages: count,
        result,
    })
}

fn to_json(life: &Life) -> Value {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("job".into(), json!(life.job.to_string()));
    object.insert("state".into(), json!("settled"));
    object.insert("settle_ms".into(), json!(life.settle_ms));
    put_amount(&mut object, "paid", life.chain.paid, &io);
    put_amount(&mut object, "refunded", life.chain.refunded, &io);
    put_amount(&mut object, "fees", life.chain.fees, &io);
    object.insert(
        "result_path".into(),
        json!(life.result.display().to_string()),
    );
    object.insert("passages".into(), json!(life.passages));
    object.insert("total_ms".into(), json!(life.total_ms));
    put_amount(&mut object, "escrow", life.chain.escrow, &io);
    object.insert("signature".into(), json!(life.create.to_string()));
    object.insert("device".into(), json!(life.chain.device.to_string()));
    let balances = |balances: &Balances| {
        let mut object = Map::new();
        put_amount(&mut object, "renter", balances.renter, &io);
        put_amount(&mut object, "provider", balances.provider, &io);
        put_amount(&mut object, "treasury", balances.treasury, &io);
        Value::Object(object)
    };
    object.insert("before".into(), balances(&life.before));
    object.insert("after".into(), balances(&life.after));
    let history = life.view.as_ref().map(|view| &view.history);
    object.insert(
        "history".into(),
        serde_json::to_value(history).unwrap_or_default(),
    );
    Value::Object(object)
}

fn show(ctx: &Context, life: &Life, value: &Value) -> Result<()> {
    if !ctx.out.for_people() {
        return ctx.out.document(value);
    }
    let io = Unit::io();
    let mut rows = vec![("job", life.job.to_string())];
    for step in life.view.iter().flat_map(|view| &view.history) {
        let at = step
            .at
            .map_or_else(String::new, |at| format!("{} ", crate::output::utc(at)));
        rows.push((
            "",
            format!(
                "{at}{:<9} slot {:<6} {}",
                step.to, step.slot, step.signature
            ),
        ));
    }
    let milliseconds = |ms: u64| seconds(ms as f64 / 1_000.0);
    rows.push((
        "passages",
        format!(
            "{} embedded, {} in all",
            life.passages,
            milliseconds(life.total_ms)
        ),
    ));
    rows.push((
        "settled",
        life.settle_ms.map_or_else(String::new, |ms| {
            format!("{} after the result was submitted", milliseconds(ms))
        }),
    ));
    rows.push(("escrowed", io.show(life.chain.escrow)));
    rows.push((
        "paid",
        format!(
            "{} to the provider, {} fees",
            io.show(life.chain.paid),
            io.show(life.chain.fees)
        ),
    ));
    rows.push(("refunded", io.show(life.chain.refunded)));
    let parties = [
        ("renter", life.before.renter, life.after.renter),
        ("provider", life.before.provider, life.after.provider),
        ("treasury", life.before.treasury, life.after.treasury),
    ];
    for (name, before, after) in parties {
        rows.push((name, format!("{} → {}", io.show(before), io.show(after))));
    }
    rows.push(("result", life.result.display().to_string()));
    ctx.out.record(value, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_passages() {
        let text = "Title\n=====\n\nThe first paragraph has\n  two lines.\n\n* 1. short\n\nThe second one is on a single line.\n";
        let found = passages(text, 10);
        assert_eq!(
            found,
            [
                "The first paragraph has two lines.",
                "The second one is on a single line."
            ]
        );
        assert_eq!(passages(text, 1).len(), 1);
        assert!(passages("", 10).is_empty());
    }
}
