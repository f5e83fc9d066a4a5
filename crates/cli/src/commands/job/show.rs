//! Looking at jobs.

use io_api::types::JobView;
use io_client::{
    Pubkey, accounts,
    io_network::state::{Job, JobState},
};
use serde_json::{Map, Value, json};

use super::ListArgs;
use crate::{
    amount::Unit,
    context::{Context, put_amount, rows_of},
    failure::{Failure, Result},
    output::{short, utc},
};

/// Jobs that a list shows at most.
const MAX_LISTED: usize = 10_000;

pub fn state_of(job: &Job) -> Result<JobState> {
    job.state().map_err(|_| {
        Failure::failed(format!(
            "the job is in state {}, which this version does not know",
            job.state
        ))
        .hint("Install a newer version of io.")
    })
}

pub fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::None => "none",
        JobState::Open => "open",
        JobState::Running => "running",
        JobState::Submitted => "submitted",
        JobState::Disputed => "disputed",
        JobState::Settled => "settled",
        JobState::Rejected => "rejected",
        JobState::Cancelled => "cancelled",
        JobState::Expired => "expired",
    }
}

pub async fn fetch_job(ctx: &Context, address: &Pubkey) -> Result<Job> {
    accounts::fetch_maybe::<Job>(&ctx.rpc, address).await?.ok_or_else(|| {
        Failure::not_found(format!("there is no job {address} on the cluster at {}", ctx.rpc.host()))
            .hint("It may have been closed: `io job logs` asks the oracles. Check the cluster with -u.")
    })
}

/// A job's fields, the same in every command.
pub fn job_json(
    address: &Pubkey,
    job: &Job,
    unit: &Unit,
    view: Option<&JobView>,
) -> Result<Map<String, Value>> {
    let state = state_of(job)?;
    let known = |key: &Pubkey| (*key != Pubkey::default()).then(|| key.to_string());
    let hash = |bytes: &[u8; 32]| (*bytes != [0; 32]).then(|| hex::encode(bytes));
    let time = |at: i64| (at > 0).then_some(at);
    let mut object = Map::new();
    object.insert("job".into(), json!(address.to_string()));
    object.insert("state".into(), json!(state_name(state)));
    if let Some(view) = view {
        object.insert(
            "stage".into(),
            serde_json::to_value(&view.stage).unwrap_or_default(),
        );
        object.insert("reason".into(), json!(view.reason));
        object.insert(
            "progress".into(),
            serde_json::to_value(&view.progress).unwrap_or_default(),
        );
    }
    object.insert("renter".into(), json!(job.renter.to_string()));
    object.insert("payer".into(), json!(job.payer.to_string()));
    object.insert("provider".into(), json!(known(&job.provider)));
    object.insert("device".into(), json!(known(&job.device)));
    object.insert("mint".into(), json!(job.mint.to_string()));
    object.insert("spec_hash".into(), json!(hash(&job.spec_hash)));
    object.insert("output_hash".into(), json!(hash(&job.output_hash)));
    object.insert("max_units".into(), json!(job.max_units));
    object.insert("units".into(), json!((job.units > 0).then_some(job.units)));
    // As in `--max-price`: the most for the whole job. The chain's own figure is of 1,000 units.
    put_amount(&mut object, "max_price", job.escrow, unit);
    put_amount(&mut object, "max_price_per_1000", job.max_price, unit);
    if job.ask > 0 {
        put_amount(&mut object, "ask", job.ask, unit);
    }
    put_amount(&mut object, "escrow", job.escrow, unit);
    put_amount(&mut object, "paid", job.paid, unit);
    put_amount(&mut object, "fees", job.fees, unit);
    put_amount(&mut object, "refunded", job.refunded, unit);
    object.insert("created_at".into(), json!(job.created_at));
    object.insert("deadline".into(), json!(job.deadline));
    object.insert("accepted_at".into(), json!(time(job.accepted_at)));
    object.insert("submitted_at".into(), json!(time(job.submitted_at)));
    object.insert("challenge_until".into(), json!(time(job.challenge_until)));
    object.insert("finished_at".into(), json!(time(job.finished_at)));
    Ok(object)
}

pub async fn list(ctx: &Context, args: &ListArgs) -> Result<()> {
    const NAMES: [JobState; 8] = [
        JobState::Open,
        JobState::Running,
        JobState::Submitted,
        JobState::Disputed,
        JobState::Settled,
        JobState::Rejected,
        JobState::Cancelled,
        JobState::Expired,
    ];
    let wanted = match &args.state {
        None => None,
        Some(text) => Some(
            NAMES
                .into_iter()
                .find(|state| state_name(*state) == text.as_str())
                .ok_or_else(|| {
                    let names: Vec<_> = NAMES.into_iter().map(state_name).collect();
                    Failure::usage(format!("--state is '{text}'"))
                        .hint(format!("Expected one of {}.", names.join(", ")))
                })?,
        ),
    };
    let renter = match &args.renter {
        Some(text) => crate::context::address("--renter", text)?,
        None => ctx.wallet()?.address(),
    };
    ctx.network().await?;
    let mut jobs = accounts::jobs_of_renter(&ctx.rpc, &renter).await?;
    jobs.retain(|(_, job)| wanted.is_none_or(|state| job.state == state as u8));
    jobs.sort_by_key(|(address, job)| (std::cmp::Reverse(job.created_at), *address));
    jobs.truncate(args.limit.min(MAX_LISTED));
    let mut items = Vec::with_capacity(jobs.len());
    let mut cells = Vec::with_capacity(jobs.len());
    for (address, job) in &jobs {
        let unit = ctx.unit_of(&job.mint).await?;
        items.push(Value::Object(job_json(address, job, &unit, None)?));
        let cost = if job.finished_at > 0 {
            job.escrow.saturating_sub(job.refunded)
        } else {
            job.escrow
        };
        cells.push(vec![
            address.to_string(),
            state_name(state_of(job)?).to_owned(),
            utc(job.created_at),
            job.units.max(job.max_units).to_string(),
            unit.show(cost),
            if job.device == Pubkey::default() {
                String::new()
            } else {
                short(&job.device.to_string())
            },
        ]);
    }
    let empty = format!("No jobs of {renter}. Submit one: io job submit embed passages.txt --wait");
    ctx.out.list(
        &items,
        &["JOB", "STATE", "CREATED", "UNITS", "COST", "DEVICE"],
        &cells,
        &empty,
    )
}

pub async fn get(ctx: &Context, address: &Pubkey) -> Result<()> {
    let job = fetch_job(ctx, address).await?;
    let view = oracle_view(ctx, address).await;
    let unit = ctx.unit_of(&job.mint).await?;
    let value = Value::Object(job_json(address, &job, &unit, view.as_ref())?);
    show(ctx, &value)
}

/// What an oracle knows beyond the chain; nothing when none answers.
pub async fn oracle_view(ctx: &Context, address: &Pubkey) -> Option<JobView> {
    ctx.oracles().ok()?.job(address).await.ok().flatten()
}

/// A job's fields for people: times as UTC, progress in words.
pub fn show(ctx: &Context, value: &Value) -> Result<()> {
    let mut readable = value.clone();
    if let Some(object) = readable.as_object_mut() {
        for name in [
            "since",
            "created_at",
            "deadline",
            "accepted_at",
            "submitted_at",
            "challenge_until",
            "finished_at",
        ] {
            if let Some(at) = object.get(name).and_then(Value::as_i64) {
                object.insert(name.into(), json!(utc(at)));
            }
        }
        if let Some(progress) = object
            .get("progress")
            .filter(|progress| !progress.is_null())
        {
            let text = format!(
                "{} {}/{}",
                progress["phase"].as_str().unwrap_or_default(),
                progress["done"],
                progress["total"]
            );
            object.insert("progress".into(), json!(text));
        }
    }
    let rows = rows_of(&readable);
    let rows: Vec<(&str, String)> = rows
        .iter()
        .map(|(label, cell)| (label.as_str(), cell.clone()))
        .collect();
    ctx.out.record(value, &rows)
}

pub async fn logs(ctx: &Context, address: &Pubkey) -> Result<()> {
    let view = ctx.oracles()?.job(address).await?.ok_or_else(|| {
        Failure::not_found(format!("no oracle knows the job {address}"))
            .hint("Check the address, and the cluster with -u.")
    })?;
    let mut items = Vec::new();
    let mut cells = Vec::new();
    for step in &view.history {
        items.push(json!({
            "at": step.at, "from": step.from, "to": step.to, "signature": step.signature, "slot": step.slot,
        }));
        cells.push(vec![
            step.at.map_or_else(String::new, utc),
            format!("{} → {}", step.from, step.to),
            step.slot.to_string(),
            step.signature.clone(),
        ]);
    }
    if let Some(progress) = &view.progress {
        let at = (progress.at_ms / 1_000).cast_signed();
        items.push(json!({
            "at": at, "phase": progress.phase, "done": progress.done, "total": progress.total,
        }));
        cells.push(vec![
            utc(at),
            format!("{} {}/{}", progress.phase, progress.done, progress.total),
            String::new(),
            String::new(),
        ]);
    }
    if let Some(reason) = &view.reason {
        items.push(json!({"at": null, "stage": view.stage, "reason": reason}));
        cells.push(vec![
            String::new(),
            reason.clone(),
            String::new(),
            String::new(),
        ]);
    }
    ctx.out.list(
        &items,
        &["TIME", "EVENT", "SLOT", "SIGNATURE"],
        &cells,
        "Nothing has happened yet.",
    )
}

pub async fn cost(ctx: &Context, address: &Pubkey) -> Result<()> {
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    let unit = ctx.unit_of(&job.mint).await?;
    let mut object = Map::new();
    object.insert("job".into(), json!(address.to_string()));
    object.insert("state".into(), json!(state_name(state)));
    put_amount(&mut object, "escrow", job.escrow, &unit);
    if state.is_final() {
        put_amount(
            &mut object,
            "cost",
            job.escrow.saturating_sub(job.refunded),
            &unit,
        );
        put_amount(&mut object, "paid", job.paid, &unit);
        put_amount(&mut object, "fees", job.fees, &unit);
        put_amount(&mut object, "refunded", job.refunded, &unit);
        object.insert("units".into(), json!(job.units));
    } else if job.ask > 0 {
        let most = io_protocol::money::escrow_for(job.max_units, job.ask, job.fee_terms())
            .map_err(|_| Failure::failed("the job's price overflows"))?;
        put_amount(&mut object, "cost_at_most", most, &unit);
    } else {
        put_amount(&mut object, "cost_at_most", job.escrow, &unit);
    }
    let owed = job.owed_payer;
    if owed > 0 {
        put_amount(&mut object, "waiting_for_you", owed, &unit);
    }
    show(ctx, &Value::Object(object))
}
