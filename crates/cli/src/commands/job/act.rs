//! What a renter can do to a job under way.

use io_client::{
    Pubkey, accounts,
    instructions::{self, FundJobArgs},
    io_network::state::JobState,
};
use serde_json::json;

use super::show::{fetch_job, state_name, state_of};
use crate::{
    commands::lease::sponsor_token,
    context::{Context, random_u64},
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
        "refunded": job.funded, "refunded_text": unit.show(job.funded),
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

pub async fn fund(ctx: &Context, address: &Pubkey, amount: &str) -> Result<()> {
    let wallet = ctx.wallet()?;
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    let unit = ctx.unit_of(&job.mint).await?;
    let amount = unit.parse("AMOUNT", amount)?;
    let missing = job.escrow.saturating_sub(job.funded);
    if state != JobState::Open || missing == 0 {
        return Err(Failure::failed(format!(
            "the job is {}, and {} are missing in its escrow",
            state_name(state),
            unit.show(missing)
        ))
        .hint("Only open jobs that are not funded yet take deposits; `io lease extend` adds to a lease."));
    }
    let taken = amount.min(missing);
    ctx.confirm_unless(
        &format!(
            "Put {} into this job's escrow? Its renter decides what becomes of it.",
            unit.show(taken)
        ),
        false,
    )?;
    let (token, index) = (
        sponsor_token(ctx, &wallet, &job).await?,
        random_u64()? as u16,
    );
    let args = FundJobArgs {
        created_slot: job.created_slot,
        amount: taken,
        index,
    };
    let fund = instructions::fund_job(&wallet.address(), address, &job, &token, args);
    let intent = format!("fund:{address}:{}:{index}", job.created_slot);
    let done = ctx.transact(intent, &wallet, &[], vec![fund]).await?;
    let fields = json!({
        "job": address.to_string(), "amount": taken, "amount_text": unit.show(taken),
        "missing": missing - taken, "missing_text": unit.show(missing - taken),
    });
    ctx.report(&done, "put in", fields).await
}

pub async fn release(ctx: &Context, address: &Pubkey) -> Result<()> {
    let wallet = ctx.wallet()?;
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    if !state.is_final() {
        return Err(Failure::failed(format!(
            "the job is {}: shares are known when it has ended",
            state_name(state)
        )));
    }
    let deposits = accounts::deposits_of_job(&ctx.rpc, address).await?;
    let mut last = None;
    for (key, deposit) in &deposits {
        let release = instructions::release_deposit(
            &wallet.address(),
            key,
            deposit,
            &job,
            &deposit.token_account,
        );
        last = Some(
            ctx.transact(format!("release:{key}"), &wallet, &[], vec![release])
                .await?,
        );
    }
    let fields = json!({"job": address.to_string(), "released": deposits.len()});
    match last {
        Some(done) => ctx.report(&done, "delivered", fields).await,
        None => Err(Failure::not_found(
            "no sponsor of this job waits for its share",
        )),
    }
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
