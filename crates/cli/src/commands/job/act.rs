//! What a renter can do to a job under way.

use io_client::{Pubkey, instructions, io_network::state::JobState};
use serde_json::json;

use super::show::{fetch_job, state_name, state_of};
use crate::{
    context::Context,
    failure::{Failure, Result},
};

pub async fn cancel(ctx: &Context, address: &Pubkey) -> Result<()> {
    let wallet = ctx.wallet()?;
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    if state != JobState::Open {
        let hint = match state {
            JobState::Running => {
                "A device runs it. `io job watch` follows it; if it doesn't deliver in time, everything is refunded."
            }
            JobState::Submitted | JobState::Disputed => "`io job dispute` objects to a result.",
            _ => "`io job get` shows how it ended.",
        };
        return Err(Failure::failed(format!(
            "the job is {}: only an open job can be cancelled",
            state_name(state)
        ))
        .hint(hint));
    }
    let unit = ctx.unit_of(&job.mint).await?;
    let instruction = instructions::cancel_job(&wallet.address(), address, &job);
    let done = ctx
        .transact(
            format!("cancel:{address}:{}", job.created_slot),
            &wallet,
            &[],
            vec![instruction],
        )
        .await?;
    let fields = json!({
        "job": address.to_string(), "state": "cancelled",
        "refunded": job.escrow, "refunded_text": unit.show(job.escrow),
    });
    ctx.report(&done, "cancelled", fields).await
}

pub async fn dispute(ctx: &Context, address: &Pubkey) -> Result<()> {
    let wallet = ctx.wallet()?;
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    if state != JobState::Submitted {
        return Err(Failure::failed(format!(
            "the job is {}: only a submitted result can be disputed",
            state_name(state)
        ))
        .hint("`io job get` shows the job; a settled result stands."));
    }
    let instruction = instructions::dispute_job(&wallet.address(), address);
    let done = ctx
        .transact(
            format!("dispute:{address}:{}", job.created_slot),
            &wallet,
            &[],
            vec![instruction],
        )
        .await?;
    let fields = json!({"job": address.to_string(), "state": "disputed"});
    ctx.report(
        &done,
        "disputed; a quorum of oracles decides, or the escrow comes back when their time is over",
        fields,
    )
    .await
}

pub async fn close(ctx: &Context, address: &Pubkey) -> Result<()> {
    let wallet = ctx.wallet()?;
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    if !state.is_final() {
        return Err(Failure::failed(format!(
            "the job is {}: only an ended job can be closed",
            state_name(state)
        ))
        .hint("`io job wait` waits for its end."));
    }
    let instruction = instructions::close_job(&wallet.address(), address, &job, &job.payer_token);
    let done = ctx
        .transact(
            format!("close:{address}:{}", job.created_slot),
            &wallet,
            &[],
            vec![instruction],
        )
        .await?;
    ctx.report(
        &done,
        "closed; its rent went back to the payer",
        json!({"job": address.to_string()}),
    )
    .await
}
