//! The command line as a whole. Each command's own arguments are with the command.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    audit, co_stake, completions, config, demo, device, doctor, job, lease, net, network, offers,
    oracle, provider, quote, rewards, slash, stake, token, treasury, up, wallet, worker,
};

#[derive(Debug, Parser)]
#[command(
    name = "io",
    version,
    about = "IO Network: rent and offer GPU compute, settled on Solana",
    long_about = None,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Settings come from flags, then IO_* variables, ./io.toml, a local network's context, \
                  ~/.config/io/config.toml, and the Solana CLI's configuration. `io config show` tells which.\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 wallet, 4 not found, 5 funds, 6 time-out, 130 interrupted."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Cluster: localnet, devnet, mainnet, an RPC address, or the context file of a local network [env: IO_URL].
    #[arg(
        short = 'u',
        long,
        global = true,
        value_name = "CLUSTER",
        help_heading = "Global options"
    )]
    pub url: Option<String>,
    /// Key file of the wallet that signs and pays [env: IO_KEYPAIR].
    #[arg(
        short = 'k',
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub keypair: Option<PathBuf>,
    /// Address of an oracle; repeatable [env: IO_ORACLES, separated by commas].
    #[arg(
        long = "oracle",
        global = true,
        value_name = "URL",
        help_heading = "Global options"
    )]
    pub oracles: Vec<String>,
    /// table, json, jsonl or yaml [env: IO_OUTPUT] [default: table].
    #[arg(
        short = 'o',
        long,
        global = true,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub output: Option<String>,
    /// Agree to every question.
    #[arg(short = 'y', long, global = true, help_heading = "Global options")]
    pub yes: bool,
    /// Show the price and what the transaction would do; send nothing.
    #[arg(long, global = true, help_heading = "Global options")]
    pub dry_run: bool,
    /// Say nothing on stderr but errors.
    #[arg(short = 'q', long, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a whole network on this machine: chain, oracles, workers.
    Up(up::UpArgs),
    /// Stop the network that `io up --detach` started.
    Down(up::DownArgs),
    /// Run one real job through a network of its own, and show its life.
    Demo(demo::DemoArgs),
    /// Check everything that commands need, and say how to mend it.
    Doctor(doctor::DoctorArgs),
    /// Show or change settings.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Print a shell's completions.
    Completions(completions::CompletionsArgs),
    /// Make a key file, which nobody but you can read.
    Keygen(wallet::KeygenArgs),
    /// SOL from a faucet, on a local network or devnet; on a local network also IO.
    Airdrop(wallet::AirdropArgs),
    /// Devices that take jobs.
    #[command(subcommand)]
    Offers(offers::OffersCommand),
    /// What a job would cost, without submitting it.
    #[command(subcommand)]
    Quote(quote::QuoteCommand),
    /// Submit jobs and follow them.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// A provider's devices.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Registration as a provider.
    #[command(subcommand)]
    Provider(provider::ProviderCommand),
    /// A provider's stake.
    #[command(subcommand)]
    Stake(stake::StakeCommand),
    /// A device by the second: rent, extend, use and end it.
    #[command(subcommand)]
    Lease(lease::LeaseCommand),
    /// Stake beside a provider's own, and share its rewards and risk.
    #[command(subcommand)]
    CoStake(co_stake::CoStakeCommand),
    /// Penalties: evidence, appeals, decisions.
    #[command(subcommand)]
    Slash(slash::SlashCommand),
    /// Hold oracles to what they sign.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// What providers earn for being up.
    #[command(subcommand)]
    Rewards(rewards::RewardsCommand),
    /// The supply of IO: emission and vesting.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// The worker service.
    #[command(subcommand)]
    Worker(worker::WorkerCommand),
    /// The oracle service.
    #[command(subcommand)]
    Oracle(oracle::OracleCommand),
    /// Fees, what becomes of them, and selling IO to the treasury.
    #[command(subcommand)]
    Treasury(treasury::TreasuryCommand),
    /// The network's configuration on chain.
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// What is going on in the network.
    #[command(subcommand)]
    Net(net::NetCommand),
    /// Print this reference as Markdown.
    #[command(hide = true)]
    MarkdownHelp,
}

/// `90`, `90s`, `10m`, `2h`, `1d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected =
        || format!("'{text}' is no time: expected a number and s, m, h or d, like 90s or 10m");
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let seconds = match unit {
        "" | "s" => Some(number),
        "m" | "min" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        "d" => number.checked_mul(86_400),
        _ => return Err(expected()),
    };
    seconds.map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("10m", 600),
            ("2h", 7_200),
            ("1d", 86_400),
            ("0s", 0),
        ] {
            assert_eq!(duration(text).unwrap().as_secs(), seconds);
        }
        for text in ["", "s", "-1s", "1.5h", "1w", "99999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
