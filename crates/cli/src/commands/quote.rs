//! `io quote`.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    commands::{
        job::{self, SubmitOptions, price_json, price_rows},
        requirement::RequirementArgs,
    },
    context::Context,
    failure::Result,
    work::{self, EmbedArgs, Prepared, WasmArgs},
};

#[derive(Debug, Subcommand)]
pub enum QuoteCommand {
    /// Text embeddings.
    Embed {
        #[command(flatten)]
        work: EmbedArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
    /// A WebAssembly module.
    Wasm {
        #[command(flatten)]
        work: WasmArgs,
        #[command(flatten)]
        ask: AskArgs,
    },
}

#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// Payment token: IO, a mint's address, or its symbol in the configuration.
    #[arg(long, value_name = "MINT")]
    pub mint: Option<String>,
    #[command(flatten)]
    pub requirement: RequirementArgs,
}

pub async fn run(command: &QuoteCommand, ctx: &Context) -> Result<()> {
    let (prepared, ask): (Prepared, &AskArgs) = match command {
        QuoteCommand::Embed { work, ask } => {
            let work = work.clone();
            (crate::blocking(move || work::embed(&work)).await?, ask)
        }
        QuoteCommand::Wasm { work, ask } => {
            let work = work.clone();
            (crate::blocking(move || work::wasm(&work)).await?, ask)
        }
    };
    let mint = ctx.mint(ask.mint.as_deref()).await?;
    let options = SubmitOptions {
        max_total: None,
        deadline: Duration::ZERO,
        max_run: Duration::ZERO,
        requirement: &ask.requirement,
        deposit: 0,
        nonce: None,
        lease: None,
    };
    let price = job::price(ctx, &prepared, &mint, &options).await?;
    ctx.out.record(
        &Value::Object(price_json(&prepared, &mint, &price)),
        &price_rows(&prepared, &mint, &price),
    )
}
