//! `io lease`: a device by the second.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use io_client::{
    Pubkey, Wallet, accounts,
    instructions::{self, ExtendJobArgs},
    io_network::state::{Job, JobState},
    tokens,
};
use io_protocol::{
    lease,
    money::{self, split_settlement},
};
use serde_json::{Map, Value, json};

use super::{
    job::{
        JobArgs, LeaseOptions, SubmitOptions, fetch, price_for, put_result,
        show::{fetch_job, job_json, show, state_name, state_of},
        submit,
    },
    requirement::RequirementArgs,
};
use crate::{
    cli,
    context::{Context, Done, address, put_amount, random_u64},
    failure::{Failure, Result},
    output::seconds,
    work::{self, EmbedArgs, Prepared, WasmArgs},
};

#[derive(Debug, Subcommand)]
pub enum LeaseCommand {
    /// Rent a device's time: shows the price, asks, escrows.
    #[command(subcommand)]
    Create(Box<CreateCommand>),
    /// The wallet's leases, newest first.
    List,
    /// A lease: time left, what was served, paid, and what comes back.
    Show(JobArgs),
    /// Add time to a running lease.
    Extend(ExtendArgs),
    /// End a lease: as its renter or payer now, as its provider with notice.
    End(JobArgs),
    /// Run work on the leased device, and download its result.
    #[command(subcommand)]
    Request(Box<RequestCommand>),
}

/// What the device begins with.
#[derive(Debug, Subcommand)]
pub enum CreateCommand {
    /// A device for text embeddings.
    Embed {
        #[command(flatten)]
        work: EmbedArgs,
        #[command(flatten)]
        terms: LeaseArgs,
    },
    /// A device for WebAssembly modules.
    Wasm {
        #[command(flatten)]
        work: WasmArgs,
        #[command(flatten)]
        terms: LeaseArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Text embeddings.
    Embed {
        /// The lease's address.
        #[arg(long, value_name = "ADDRESS")]
        lease: String,
        #[command(flatten)]
        work: EmbedArgs,
        #[command(flatten)]
        result: OutArgs,
    },
    /// A WebAssembly module.
    Wasm {
        /// The lease's address.
        #[arg(long, value_name = "ADDRESS")]
        lease: String,
        #[command(flatten)]
        work: WasmArgs,
        #[command(flatten)]
        result: OutArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub struct OutArgs {
    /// Folder for the result; one named by the result when absent.
    #[arg(short = 'O', long = "out", value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Also write embeddings as JSON lines, embeddings.jsonl.
    #[arg(long)]
    pub jsonl: bool,
}

#[derive(Debug, Clone, Args)]
pub struct LeaseArgs {
    /// Time to rent now; at least a minute.
    #[arg(long = "for", value_name = "TIME", value_parser = cli::duration)]
    pub time: Duration,
    /// What it may come to with `io lease extend`, at most 30 days; the rented time when absent.
    #[arg(long, value_name = "TIME", value_parser = cli::duration)]
    pub longest: Option<Duration>,
    /// The most that the rented time may cost, fees included, in the payment token. Without it: what the median device asks.
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: Option<String>,
    /// Put in only this much of the escrow; sponsors put in the rest with `io job fund`.
    #[arg(long, value_name = "AMOUNT")]
    pub deposit: Option<String>,
    /// Payment token: IO, a mint's address, or its symbol in the configuration.
    #[arg(long, value_name = "MINT")]
    pub mint: Option<String>,
    /// A device must take it within this time, or everything is refunded.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = cli::duration)]
    pub deadline: Duration,
    #[command(flatten)]
    pub requirement: RequirementArgs,
}

#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// The lease's address.
    pub job: String,
    /// Time to add.
    #[arg(long = "for", value_name = "TIME", value_parser = cli::duration)]
    pub time: Duration,
}

/// What a renter of a lease can count on, and what not.
const METERED: &str = "metered: oracles attest the device's figures and its time; nobody checks that results are right";

pub async fn run(command: &LeaseCommand, ctx: &Context) -> Result<()> {
    match command {
        LeaseCommand::Create(create) => match create.as_ref() {
            CreateCommand::Embed { work, terms } => {
                let work = work.clone();
                let prepared = crate::blocking(move || work::embed(&work)).await?;
                self::create(ctx, prepared, terms).await
            }
            CreateCommand::Wasm { work, terms } => {
                let work = work.clone();
                let prepared = crate::blocking(move || work::wasm(&work)).await?;
                self::create(ctx, prepared, terms).await
            }
        },
        LeaseCommand::List => list(ctx).await,
        LeaseCommand::Show(args) => one(ctx, &address("JOB", &args.job)?).await,
        LeaseCommand::Extend(args) => extend(ctx, args).await,
        LeaseCommand::End(args) => end(ctx, &address("JOB", &args.job)?).await,
        LeaseCommand::Request(request) => match request.as_ref() {
            RequestCommand::Embed {
                lease,
                work,
                result,
            } => {
                let work = work.clone();
                let prepared = crate::blocking(move || work::embed(&work)).await?;
                self::request(ctx, &address("--lease", lease)?, prepared, result).await
            }
            RequestCommand::Wasm {
                lease,
                work,
                result,
            } => {
                let work = work.clone();
                let prepared = crate::blocking(move || work::wasm(&work)).await?;
                self::request(ctx, &address("--lease", lease)?, prepared, result).await
            }
        },
    }
}

async fn create(ctx: &Context, prepared: Prepared, args: &LeaseArgs) -> Result<()> {
    let wallet = ctx.wallet()?;
    let mint = ctx.mint(args.mint.as_deref()).await?;
    let parse = |name, text: &Option<String>| {
        text.as_ref()
            .map(|text| mint.unit.parse(name, text))
            .transpose()
    };
    let max_total = parse("--max-price", &args.max_price)?;
    let deposit = parse("--deposit", &args.deposit)?;
    let time = args.time.as_secs();
    if time < lease::MIN_LEASE_SECONDS {
        return Err(Failure::usage(format!(
            "--for is {time} s, and the shortest lease has {} s",
            lease::MIN_LEASE_SECONDS
        )));
    }
    let options = SubmitOptions {
        max_total,
        deadline: args.deadline,
        max_run: args.longest.unwrap_or(args.time).max(args.time),
        requirement: &args.requirement,
        deposit: deposit.unwrap_or(0),
        nonce: None,
        lease: Some(LeaseOptions { seconds: time }),
    };
    let price = price_for(ctx, lease::OFFER, time, &mint, &options).await?;
    ctx.say(format!("verified  {METERED}"));
    ctx.say(format!(
        "devices   {} can serve it now",
        price.quote.devices
    ));
    ctx.say(format!(
        "at most   {} for {}; time that nobody attested comes back",
        mint.unit.show(price.escrow),
        seconds(time as f64)
    ));
    let own = deposit.unwrap_or(price.escrow);
    ctx.confirm_unless(
        &format!("Rent a device and escrow {}?", mint.unit.show(own)),
        max_total.is_some(),
    )?;
    let submitted = submit(ctx, &wallet, &prepared, &mint, &price, &options).await?;
    let Done::Landed(landed) = &submitted.done else {
        let fields = json!({"seconds": time, "escrow": price.escrow});
        return ctx
            .report(&submitted.done, "would rent a device", fields)
            .await;
    };
    let job = fetch_job(ctx, &submitted.job).await?;
    let mut object = lease_json(ctx, &submitted.job, &job).await?;
    object.insert("signature".into(), json!(landed.signature.to_string()));
    let rows = [
        ("lease", submitted.job.to_string()),
        ("escrowed", mint.unit.show(job.funded)),
        ("next", format!("io lease show {}", submitted.job)),
    ];
    ctx.out.record(&Value::Object(object), &rows)
}

async fn lease_of(ctx: &Context, address: &Pubkey) -> Result<Job> {
    let job = fetch_job(ctx, address).await?;
    if !job.is_lease() {
        return Err(Failure::usage(format!("{address} is a task, not a lease"))
            .hint("`io job get` shows it."));
    }
    Ok(job)
}

/// A job's fields, and with them how long its time and money last.
async fn lease_json(ctx: &Context, address: &Pubkey, job: &Job) -> Result<Map<String, Value>> {
    let unit = ctx.unit_of(&job.mint).await?;
    let mut object = job_json(address, job, &unit, None)?;
    let now = ctx.rpc.chain_time().await?;
    let runs = state_of(job)? == JobState::Running;
    let left = job.run_until.saturating_sub(now).max(0);
    object.insert("kind".into(), json!("lease"));
    object.insert("verification".into(), json!(METERED));
    object.insert("bought_seconds".into(), json!(job.max_units));
    object.insert("longest_seconds".into(), json!(job.max_run_seconds));
    object.insert("attested_seconds".into(), json!(job.units));
    if job.accepted_at > 0 {
        object.insert("ends_at".into(), json!(job.run_until));
        object.insert("left_seconds".into(), json!(if runs { left } else { 0 }));
    }
    let ended_by = match job.ended_by {
        1 => Some("renter"),
        2 => Some("provider"),
        _ => None,
    };
    object.insert("ended_by".into(), json!(ended_by));
    put_amount(&mut object, "funded", job.funded, &unit);
    if runs {
        // If nothing more is attested, and if all of it is.
        let at = |seconds| split_settlement(job.funded, seconds, job.ask, job.fee_terms());
        let all = lease::most_seconds(job.accepted_at, job.run_until, job.run_until);
        if let (Ok(now), Ok(all)) = (at(job.units), at(all)) {
            put_amount(&mut object, "returns_if_ended_now", now.payer, &unit);
            put_amount(
                &mut object,
                "returns_if_served_to_the_end",
                all.payer,
                &unit,
            );
        }
    }
    Ok(object)
}

async fn one(ctx: &Context, address: &Pubkey) -> Result<()> {
    let job = lease_of(ctx, address).await?;
    show(ctx, &Value::Object(lease_json(ctx, address, &job).await?))
}

async fn list(ctx: &Context) -> Result<()> {
    ctx.network().await?;
    let renter = ctx.wallet()?.address();
    let mut jobs = accounts::jobs_of_renter(&ctx.rpc, &renter).await?;
    jobs.retain(|(_, job)| job.is_lease());
    jobs.sort_by_key(|(address, job)| (std::cmp::Reverse(job.created_at), *address));
    let mut items = Vec::with_capacity(jobs.len());
    let mut cells = Vec::with_capacity(jobs.len());
    for (address, job) in &jobs {
        let object = lease_json(ctx, address, job).await?;
        let text = |name: &str| {
            object
                .get(name)
                .and_then(Value::as_u64)
                .map_or_else(|| "-".to_owned(), |s| seconds(s as f64))
        };
        cells.push(vec![
            address.to_string(),
            state_name(state_of(job)?).to_owned(),
            text("attested_seconds"),
            text("left_seconds"),
        ]);
        items.push(Value::Object(object));
    }
    ctx.out.list(
        &items,
        &["lease", "state", "served", "left"],
        &cells,
        "No leases.",
    )
}

async fn extend(ctx: &Context, args: &ExtendArgs) -> Result<()> {
    let at = address("JOB", &args.job)?;
    let job = lease_of(ctx, &at).await?;
    let wallet = ctx.wallet()?;
    let unit = ctx.unit_of(&job.mint).await?;
    let added = args.time.as_secs();
    let total = job.max_units.saturating_add(added);
    if total > u64::from(job.max_run_seconds) {
        return Err(Failure::usage(format!(
            "the lease would come to {}, and its device agreed to {} at most",
            seconds(total as f64),
            seconds(f64::from(job.max_run_seconds))
        ))
        .hint("Rent another one for the rest: io lease create."));
    }
    let escrow = money::escrow_for(total, job.max_price, job.fee_terms())
        .map_err(|_| Failure::usage("the price overflows"))?;
    let amount = escrow.saturating_sub(job.escrow);
    ctx.confirm_unless(
        &format!(
            "Add {} and put {} more into the escrow?",
            seconds(added as f64),
            unit.show(amount)
        ),
        false,
    )?;
    let (token, index) = (
        sponsor_token(ctx, &wallet, &job).await?,
        random_u64()? as u16,
    );
    let extend = instructions::extend_job(
        &wallet.address(),
        &wallet.address(),
        &at,
        &job,
        &token,
        ExtendJobArgs {
            created_slot: job.created_slot,
            seconds: added,
            max_amount: amount,
            index,
        },
    );
    let intent = format!("extend:{at}:{}:{index}", job.created_slot);
    let done = ctx.transact(intent, &wallet, &[], vec![extend]).await?;
    let fields = json!({
        "job": at.to_string(), "added_seconds": added,
        "amount": amount, "amount_text": unit.show(amount),
        "ends_at": job.run_until.saturating_add_unsigned(added),
    });
    ctx.report(&done, "extended", fields).await
}

/// The wallet's account of the mint that a job is paid in.
pub async fn sponsor_token(ctx: &Context, wallet: &Wallet, job: &Job) -> Result<Pubkey> {
    let mint = ctx.mint(Some(&job.mint.to_string())).await?;
    Ok(tokens::associated_of(
        &mint.token_program,
        &wallet.address(),
        &job.mint,
    ))
}

async fn end(ctx: &Context, at: &Pubkey) -> Result<()> {
    let job = lease_of(ctx, at).await?;
    let wallet = ctx.wallet()?;
    let state = state_of(&job)?;
    if state != JobState::Running {
        let hint = match state {
            JobState::Open => "`io job cancel` takes back one that no device serves yet.",
            _ => "`io lease show` shows how it ended.",
        };
        return Err(Failure::failed(format!(
            "the lease is {}: only a running one can be ended",
            state_name(state)
        ))
        .hint(hint));
    }
    let end = instructions::end_lease(&wallet.address(), at, &job);
    let intent = format!("end-lease:{at}:{}", job.created_slot);
    let done = ctx.transact(intent, &wallet, &[], vec![end]).await?;
    let what = match job.is_customer(&wallet.address()) {
        true => "ended; what was served until now is paid, the rest comes back",
        false => "ended with notice; until then it is served and paid",
    };
    ctx.report(&done, what, json!({"job": at.to_string()}))
        .await
}

async fn request(ctx: &Context, at: &Pubkey, prepared: Prepared, out: &OutArgs) -> Result<()> {
    let job = lease_of(ctx, at).await?;
    let wallet = ctx.wallet()?;
    let oracles = ctx.oracles()?;
    let spec = prepared.spec.canonical();
    oracles
        .upload(ctx, &wallet, &spec, &prepared.uploads)
        .await?;
    let hash = prepared.spec.hash();
    let answer = oracles.lease_request(&wallet, at, &hash).await?;
    let output = io_api::text::parse_hash(&answer.output_hash)
        .ok_or_else(|| Failure::failed("the oracle's answer names no result"))?;
    let result = Job {
        spec_hash: hash.0,
        output_hash: output,
        ..job
    };
    let dir = out
        .out_dir
        .clone()
        .unwrap_or_else(|| PathBuf::from(&answer.output_hash));
    let download = fetch(ctx, &oracles, &result, &dir, out.jsonl).await?;
    let mut object = Map::new();
    object.insert("lease".into(), json!(at.to_string()));
    object.insert("output_hash".into(), json!(answer.output_hash));
    object.insert("units".into(), json!(answer.units));
    put_result(&mut object, &download);
    show(ctx, &Value::Object(object))
}
