//! `io oracle`.

use clap::Subcommand;
use tokio_util::sync::CancellationToken;

use super::{
    oracle_bond, oracle_conduct,
    worker::{ServiceArgs, read_service_config},
};
use crate::{context::Context, failure::Result, services};

#[derive(Debug, Subcommand)]
pub enum OracleCommand {
    /// Run an oracle in the foreground until it is told to stop.
    Run(ServiceArgs),
    /// Print the API's OpenAPI document.
    Openapi,
    /// An oracle's bond.
    #[command(subcommand)]
    Bond(oracle_bond::BondCommand),
    /// Prove that an oracle signed two statements that contradict each other: its bond is lost, a share is the prover's.
    Equivocation(oracle_bond::EquivocationArgs),
    /// Have the other oracles run a job that an oracle signed that it ran: where its word was untrue, its bond is lost, and a share is
    /// the renter's.
    Convict(oracle_conduct::ConvictArguments),
}

pub async fn run(command: &OracleCommand, ctx: &Context) -> Result<()> {
    let args = match command {
        OracleCommand::Run(args) => args,
        OracleCommand::Openapi => {
            print!("{}", io_oracle::api::openapi_json());
            return Ok(());
        }
        OracleCommand::Bond(command) => return oracle_bond::run(command, ctx).await,
        OracleCommand::Equivocation(args) => return oracle_bond::equivocation(args, ctx).await,
        OracleCommand::Convict(args) => return oracle_conduct::convict(args, ctx).await,
    };
    let config: io_oracle::Config = read_service_config(&args.config)?;
    let stop = CancellationToken::new();
    services::stop_on_signals(&stop, args.exit_with_parent)?;
    let (ready, bound) = tokio::sync::oneshot::channel();
    if let Some(path) = args.ready_file.clone() {
        tokio::spawn(async move {
            if let Ok(address) = bound.await {
                let address: std::net::SocketAddr = address;
                if let Err(failure) = services::write_ready(&path, &format!("http://{address}")) {
                    tracing::error!(%failure, "the ready file");
                }
            }
        });
    }
    Ok(io_oracle::run_with_ready(config, stop, ready).await?)
}
