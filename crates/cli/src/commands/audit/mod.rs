//! `io audit`: holding oracles and devices to what they sign.

use clap::Subcommand;

use crate::{
    context::{Context, address},
    failure::Result,
};

pub mod canary;
mod hardware;
mod job;
mod result;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check an hour's hardware proofs: signatures, seeds, figures, opened rows, and whole passes computed anew.
    ///
    /// A pass that was committed to otherwise than it should be is narrowed down to one wrong cell, with the help of the device that has to
    /// open it. With --prove the cell is shown to the program: the device's bond goes to a slash case, and a share of it to you
    /// if nobody overturns it.
    Hardware(hardware::HardwareArgs),
    /// Which oracles had to run a job's work again: worked out again from what their keys drew. Whether an oracle audited, and the
    /// device's reputation, are its own word, which it signs.
    Job {
        /// The job's address.
        job: String,
    },
    /// Run a job again on this machine, as an oracle does, and compare its result: whoever doubts an oracle's word need not take it.
    Result(result::ResultArgs),
    /// Jobs with a known answer that are answered wrong on purpose: which oracles vouch for it.
    #[command(subcommand)]
    Canary(canary::CanaryCommand),
}

pub async fn run(command: &AuditCommand, ctx: &Context) -> Result<()> {
    match command {
        AuditCommand::Hardware(args) => hardware::run(args, ctx).await,
        AuditCommand::Job { job } => job::run(ctx, &address("JOB", job)?).await,
        AuditCommand::Result(args) => result::run(ctx, &address("JOB", &args.job)?, args).await,
        AuditCommand::Canary(command) => canary::run(ctx, command).await,
    }
}
