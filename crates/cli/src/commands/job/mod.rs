//! `io job`.

mod act;
mod follow;
mod results;
pub mod show;
mod submit;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
pub use follow::{follow, words};
pub use results::{fetch, put_result};
pub use submit::{
    LeaseOptions, SubmitOptions, price, price_for, price_json, price_rows, put_reference,
    reference_row, submit,
};

use crate::{
    cli,
    commands::requirement::RequirementArgs,
    context::{Context, address},
    failure::Result,
    work::{self, EmbedArgs, WasmArgs},
};

#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Submit a job: checks the input, shows the price, asks, uploads, escrows.
    #[command(subcommand)]
    Submit(Box<SubmitCommand>),
    /// The wallet's jobs, newest first.
    List(ListArgs),
    /// Everything about a job.
    Get(JobArgs),
    /// What happened to a job, and its device's progress.
    Logs(JobArgs),
    /// Wait until a job has ended, and download its result.
    Wait(WaitArgs),
    /// Follow a job until it has ended; downloads nothing. Without a terminal, or as JSON lines, every state is a line.
    Watch(WatchArgs),
    /// Take back a job that no device has accepted yet.
    Cancel(JobArgs),
    /// Object to a submitted result: only a quorum of oracles can settle it then.
    Dispute(JobArgs),
    /// Download a settled job's result and verify it.
    Download(DownloadArgs),
    /// What a job costs or has cost.
    Cost(JobArgs),
    /// Put into the escrow of a job that is not funded yet, anybody's: what comes back is shared.
    Fund(FundArgs),
    /// Deliver their shares to the sponsors of an ended job.
    Release(JobArgs),
    /// Close an ended job and get its rent back.
    Close(JobArgs),
}

#[derive(Debug, Subcommand)]
pub enum SubmitCommand {
    /// Text embeddings.
    Embed {
        #[command(flatten)]
        work: EmbedArgs,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// A WebAssembly module.
    Wasm {
        #[command(flatten)]
        work: WasmArgs,
        #[command(flatten)]
        terms: TermsArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub struct TermsArgs {
    /// The most that the whole job may cost, fees included, in the payment token. Without it: what the median device asks.
    /// Where nobody is there to be asked, naming it is agreement.
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: Option<String>,
    /// Payment token: IO, a mint's address, or its symbol in the configuration.
    #[arg(long, value_name = "MINT")]
    pub mint: Option<String>,
    /// Put in only this much of the escrow; sponsors put in the rest with `io job fund`, and share what comes back.
    #[arg(long, value_name = "AMOUNT")]
    pub deposit: Option<String>,
    /// The result must be submitted within this time, or everything is refunded.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = cli::duration)]
    pub deadline: Duration,
    /// Longest run on the device.
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = cli::duration)]
    pub max_run: Duration,
    /// Number that makes this job's address, for one that was committed to (io audit canary). Random when absent.
    #[arg(long, value_name = "N")]
    pub nonce: Option<u64>,
    /// Wait until the job has ended, and download the result.
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub result: ResultArgs,
    #[command(flatten)]
    pub requirement: RequirementArgs,
}

#[derive(Debug, Clone, Args)]
pub struct ResultArgs {
    /// Wait no longer than this; the job goes on.
    #[arg(long, value_name = "TIME", value_parser = cli::duration)]
    pub timeout: Option<Duration>,
    /// Folder for the result; a folder named by the job when absent.
    #[arg(short = 'O', long = "out", value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Also write an embedding job's vectors as JSON lines, embeddings.jsonl.
    #[arg(long)]
    pub jsonl: bool,
}

#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's address.
    pub job: String,
}

#[derive(Debug, Args)]
pub struct FundArgs {
    /// The job's address.
    pub job: String,
    /// The most to put in; no more than is missing is taken.
    pub amount: String,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only jobs in this state: open, running, submitted, disputed, settled, rejected, cancelled or expired.
    #[arg(long, value_name = "STATE")]
    pub state: Option<String>,
    /// Jobs of another renter.
    #[arg(long, value_name = "ADDRESS")]
    pub renter: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
}

#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The job's address.
    pub job: String,
    #[command(flatten)]
    pub result: ResultArgs,
}

#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The job's address.
    pub job: String,
    /// Watch no longer than this; the job goes on.
    #[arg(long, value_name = "TIME", value_parser = cli::duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// The job's address.
    pub job: String,
    /// Folder for the result; a folder named by the job when absent.
    #[arg(short = 'O', long = "out", value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Also write an embedding job's vectors as JSON lines, embeddings.jsonl.
    #[arg(long)]
    pub jsonl: bool,
}

/// The work with a time limit that fits into `max_run`: workers leave the rest of the time to storing and submitting.
pub fn within(work: &WasmArgs, max_run: Duration) -> WasmArgs {
    WasmArgs {
        time_limit: work.time_limit.min(max_run * 3 / 4),
        ..work.clone()
    }
}

pub async fn run(command: &JobCommand, ctx: &Context) -> Result<()> {
    match command {
        JobCommand::Submit(submit) => match submit.as_ref() {
            SubmitCommand::Embed { work, terms } => {
                let prepared = crate::blocking({
                    let work = work.clone();
                    move || work::embed(&work)
                })
                .await?;
                submit::run(ctx, prepared, terms).await
            }
            SubmitCommand::Wasm { work, terms } => {
                let prepared = crate::blocking({
                    let work = within(work, terms.max_run);
                    move || work::wasm(&work)
                })
                .await?;
                submit::run(ctx, prepared, terms).await
            }
        },
        JobCommand::List(args) => show::list(ctx, args).await,
        JobCommand::Get(args) => show::get(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Logs(args) => show::logs(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Cost(args) => show::cost(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Wait(args) => {
            follow::wait(ctx, &address("JOB", &args.job)?, &args.result).await
        }
        JobCommand::Watch(args) => {
            follow::watch(ctx, &address("JOB", &args.job)?, args.timeout).await
        }
        JobCommand::Cancel(args) => act::cancel(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Dispute(args) => act::dispute(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Close(args) => act::close(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Fund(args) => act::fund(ctx, &address("JOB", &args.job)?, &args.amount).await,
        JobCommand::Release(args) => act::release(ctx, &address("JOB", &args.job)?).await,
        JobCommand::Download(args) => {
            results::download(ctx, &address("JOB", &args.job)?, args).await
        }
    }
}
