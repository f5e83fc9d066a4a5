//! The `io` command: everything that renters, providers, oracles and administrators do, and a whole network on one machine.

mod amount;
mod cli;
mod commands;
mod context;
mod failure;
mod local;
mod oracles;
mod output;
mod progress;
mod services;
mod settings;
mod work;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Parser, ValueEnum as _};
use tracing_subscriber::EnvFilter;

use crate::{
    cli::{Cli, Command},
    context::Context,
    failure::{Failure, Result},
    output::{Format, Output},
    settings::{Flags, Surroundings},
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the system gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    // On the main thread: children that it starts live as long as the process, not as a pooled thread.
    let outcome = runtime.block_on(run(&cli));
    // A blocking read that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&cli, &failure);
            ExitCode::from(failure.exit as u8)
        }
    }
}

/// Errors go to stderr: for people in words, for programs that asked for JSON as an object.
fn complain(cli: &Cli, failure: &Failure) {
    let asked = cli
        .global
        .output
        .clone()
        .or_else(|| std::env::var("IO_OUTPUT").ok());
    if matches!(asked.as_deref(), Some("json" | "jsonl")) {
        let value = serde_json::json!({
            "error": {
                "code": failure.exit.name(),
                "exit": failure.exit as u8,
                "message": failure.message,
                "hint": failure.hint.as_deref().map(output::as_invoked),
            }
        });
        eprintln!("{value}");
        return;
    }
    let color = color_of(&io::stderr());
    let (red, plain) = if color {
        ("\x1b[31m", "\x1b[0m")
    } else {
        ("", "")
    };
    eprintln!(
        "{red}error:{plain} {}",
        output::as_invoked(&failure.message)
    );
    if let Some(hint) = &failure.hint {
        eprintln!("  {}", output::as_invoked(hint));
    }
}

/// https://no-color.org: any value that isn't empty turns colour off.
fn color_of(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub fn parse_format(text: &str) -> Result<Format> {
    Format::from_str(text, true).map_err(|_| {
        Failure::usage(format!("the output format is '{text}'"))
            .hint("Expected table, json, jsonl or yaml.")
    })
}

/// Runs what takes the CPU or the disk for long on a thread that may block.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::failed(format!("interrupted: {error}")))?
}

fn init_logs(cli: &Cli) {
    let is_service = matches!(cli.command, Command::Worker(_) | Command::Oracle(_));
    let default = if is_service { "info" } else { "error" };
    let filter = EnvFilter::try_from_env("IO_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let done = if std::env::var("IO_LOG_FORMAT").is_ok_and(|format| format == "json") {
        logs.json().try_init()
    } else {
        logs.with_ansi(color_of(&io::stderr())).try_init()
    };
    if let Err(error) = done {
        eprintln!("logs: {error}");
    }
}

async fn run(cli: &Cli) -> Result<()> {
    init_logs(cli);
    let around = Surroundings::real();
    let flags = Flags {
        url: cli.global.url.clone(),
        keypair: cli.global.keypair.clone(),
        oracles: cli.global.oracles.clone(),
        output: cli.global.output.clone(),
    };
    let resolved = settings::resolve(&flags, &around);
    let format = match (&resolved, &flags.output) {
        (Ok(settings), _) => settings
            .output
            .as_ref()
            .map(|output| parse_format(&output.value))
            .transpose()?,
        (Err(_), Some(text)) => Some(parse_format(text)?),
        (Err(_), None) => None,
    };
    let out = Output::new(format.unwrap_or(Format::Table), color_of(&io::stdout()));

    // What needs no cluster works without a valid configuration.
    match &cli.command {
        Command::Completions(args) => return commands::completions::run(args, &out),
        Command::MarkdownHelp => return commands::completions::markdown(&out),
        Command::Keygen(args) => return commands::wallet::keygen(args, &out),
        _ => {}
    }
    let settings = resolved?;
    let ctx = Context::new(
        settings,
        around,
        out,
        cli.global.yes,
        cli.global.dry_run,
        cli.global.quiet,
    )?;
    let outcome = dispatch(&cli.command, &ctx).await;
    outcome.map_err(|failure| match ctx.settings.local_network() {
        // Nobody answers where a local network would be: that there is none says more than which request failed.
        Err(none) if failure.node_is_silent => Failure {
            message: format!("{} ({})", none.message, failure.message),
            ..none
        },
        _ => failure,
    })
}

async fn dispatch(command: &Command, ctx: &Context) -> Result<()> {
    match command {
        Command::Up(args) => commands::up::run(args, ctx).await,
        Command::Down(args) => commands::up::down(args, ctx).await,
        Command::Demo(args) => commands::demo::run(args, ctx).await,
        Command::Doctor(args) => commands::doctor::run(args, ctx).await,
        Command::Config(command) => commands::config::run(command, ctx),
        Command::Completions(_) | Command::MarkdownHelp | Command::Keygen(_) => Ok(()),
        Command::Airdrop(args) => commands::wallet::airdrop(args, ctx).await,
        Command::Offers(command) => commands::offers::run(command, ctx).await,
        Command::Quote(command) => commands::quote::run(command, ctx).await,
        Command::Job(command) => commands::job::run(command, ctx).await,
        Command::Device(command) => commands::device::run(command, ctx).await,
        Command::Provider(command) => commands::provider::run(command, ctx).await,
        Command::Stake(command) => commands::stake::run(command, ctx).await,
        Command::Lease(command) => commands::lease::run(command, ctx).await,
        Command::CoStake(command) => commands::co_stake::run(command, ctx).await,
        Command::Slash(command) => commands::slash::run(command, ctx).await,
        Command::Audit(command) => commands::audit::run(command, ctx).await,
        Command::Rewards(command) => commands::rewards::run(command, ctx).await,
        Command::Token(command) => commands::token::run(command, ctx).await,
        Command::Worker(command) => commands::worker::run(command, ctx).await,
        Command::Oracle(command) => commands::oracle::run(command, ctx).await,
        Command::Treasury(command) => commands::treasury::run(command, ctx).await,
        Command::Network(command) => commands::network::run(command, ctx).await,
        Command::Net(command) => commands::net::run(command, ctx).await,
    }
}
