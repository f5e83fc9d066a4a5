//! `io audit`: holding oracles to what they sign.

use clap::Subcommand;

use crate::{
    context::{Context, address},
    failure::Result,
};

mod canary;
mod job;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Which oracles had to run a job's work again, and whether they did: worked out again from their signatures.
    Job {
        /// The job's address.
        job: String,
    },
    /// Jobs with a known answer that are answered wrong on purpose: which oracles vouch for it.
    #[command(subcommand)]
    Canary(canary::CanaryCommand),
}

pub async fn run(command: &AuditCommand, ctx: &Context) -> Result<()> {
    match command {
        AuditCommand::Job { job } => job::run(ctx, &address("JOB", job)?).await,
        AuditCommand::Canary(command) => canary::run(ctx, command).await,
    }
}
