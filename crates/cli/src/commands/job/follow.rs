//! Waiting for a job's end. The job goes on by itself; waiting only looks.

use std::time::{Duration, Instant};

use io_api::types::{JobView, Stage};
use io_client::{
    Pubkey, accounts,
    io_network::state::{Job, JobState},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{
    ResultArgs,
    results::{self, default_dir, put_result},
    show::{fetch_job, job_json, show, state_name, state_of},
};
use crate::{
    context::Context,
    failure::{Failure, Result},
    oracles::Oracles,
    output::Format,
    progress::{self, Meter},
};

/// Pauses between looks at the job's account.
const POLL: Duration = Duration::from_secs(1);
const LOCAL_POLL: Duration = Duration::from_millis(50);
/// Pause between questions to an oracle about progress.
const PROGRESS_POLL: Duration = Duration::from_millis(700);
/// Looks at the chain that may fail one after the other before waiting gives up.
const MAX_FAILED_LOOKS: u32 = 60;

/// How a job ended, and when its steps were seen.
pub struct Followed {
    pub job: Job,
    /// When each state was first seen.
    pub seen: Vec<(JobState, Instant)>,
}

impl Followed {
    fn at(&self, state: JobState) -> Option<Instant> {
        self.seen
            .iter()
            .find(|(seen, _)| *seen == state)
            .map(|(_, at)| *at)
    }

    /// From the submitted result to the settled job, by this machine's clock; by the chain's, whole seconds, when the
    /// submission went by unseen.
    pub fn settle_ms(&self) -> Option<u64> {
        if self.job.state != JobState::Settled as u8 {
            return None;
        }
        match (self.at(JobState::Submitted), self.at(JobState::Settled)) {
            (Some(submitted), Some(settled)) => {
                u64::try_from((settled - submitted).as_millis()).ok()
            }
            _ => u64::try_from((self.job.finished_at - self.job.submitted_at) * 1_000).ok(),
        }
    }
}

/// Looks at a job until it has ended. `timeout` is a failure of its own kind; so is Ctrl-C.
pub async fn follow(
    ctx: &Context,
    oracles: Option<&Oracles>,
    address: &Pubkey,
    timeout: Option<Duration>,
) -> Result<Followed> {
    follow_states(ctx, oracles, address, timeout, |_| Ok(())).await
}

/// The same; `on_state` is told of every state that it sees before the last.
async fn follow_states(
    ctx: &Context,
    oracles: Option<&Oracles>,
    address: &Pubkey,
    timeout: Option<Duration>,
    mut on_state: impl FnMut(&Job) -> Result<()>,
) -> Result<Followed> {
    let started = Instant::now();
    let mut meter = Meter::new(ctx);
    let mut seen: Vec<(JobState, Instant)> = Vec::new();
    let pause = if ctx.is_local() { LOCAL_POLL } else { POLL };
    let mut next_question = started;
    let mut failed_looks = 0;
    let mut newest: Option<Job> = None;
    let come_back = || {
        format!(
            "The job goes on, and nothing is lost. Come back with: io job wait {address}{}",
            back_flags(ctx)
        )
    };
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        match accounts::fetch_maybe::<Job>(&ctx.rpc, address).await {
            Ok(Some(job)) => {
                failed_looks = 0;
                let state = state_of(&job)?;
                if seen.last().map(|(last, _)| *last) != Some(state) {
                    seen.push((state, Instant::now()));
                    meter.state(state_name(state));
                    if !state.is_final() {
                        on_state(&job)?;
                    }
                }
                newest = Some(job);
                if state.is_final() {
                    meter.finish();
                    return Ok(Followed { job, seen });
                }
            }
            Ok(None) => match newest {
                // Closed right after its end: the last look still had it.
                Some(_) => {
                    return Err(Failure::not_found(format!(
                        "the job {address} was closed while it was watched"
                    ))
                    .hint("`io job logs` asks the oracles how it ended."));
                }
                None => {
                    fetch_job(ctx, address).await?;
                }
            },
            Err(error) => {
                failed_looks += 1;
                if failed_looks >= MAX_FAILED_LOOKS || !error.is_transient() {
                    return Err(Failure::from(error).hint(come_back()));
                }
                meter.note("the RPC node does not answer; trying again");
            }
        }
        let now = Instant::now();
        if now >= next_question
            && let Some(oracles) = oracles
            && meter.visible()
        {
            next_question = now + PROGRESS_POLL;
            if let Ok(Some(view)) = oracles.job(address).await {
                meter.view(&view);
            }
        }
        if let Some(timeout) = timeout
            && started.elapsed() > timeout
        {
            meter.finish();
            let state = newest
                .as_ref()
                .and_then(|job| state_of(job).ok())
                .map_or("open", state_name);
            return Err(Failure::time_out(format!(
                "after {} s the job is {state}",
                timeout.as_secs()
            ))
            .hint(come_back()));
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = &mut interrupt => {
                meter.finish();
                return Err(Failure::interrupted("interrupted").hint(come_back()));
            }
        }
    }
}

/// Flags that lead to the same cluster again.
fn back_flags(ctx: &Context) -> String {
    match ctx.settings.rpc_url.source.as_str() {
        "-u" => format!(
            " -u {}",
            crate::settings::public_part(&ctx.settings.rpc_url.value)
        ),
        source
            if source.ends_with(crate::settings::CONTEXT_FILE)
                && ctx.settings.cluster == "localnet" =>
        {
            format!(" -u {source}")
        }
        _ => String::new(),
    }
}

/// What a job's view says in a few words.
pub fn words(view: &JobView) -> String {
    let stage = match view.stage {
        Stage::SpecMissing => "the oracles wait for the spec",
        Stage::SpecInvalid => "the spec is not valid",
        Stage::InputMissing => "the oracles wait for the input",
        Stage::Waiting => "waiting for a device",
        Stage::Matched => "offered to a device",
        Stage::Running => "running",
        Stage::Verifying => "being verified",
        Stage::Attested => "attested, about to settle",
        Stage::Refused => "refused",
        Stage::Final => "ended",
    };
    match &view.reason {
        Some(reason) => format!("{stage}: {reason}"),
        None => stage.to_owned(),
    }
}

/// How a job that did not settle ended, as a failure.
pub fn ended_badly(address: &Pubkey, job: &Job, refund: &str) -> Option<Failure> {
    let state = state_of(job).ok()?;
    let message = match state {
        JobState::Rejected => "the oracles found the result wrong",
        JobState::Expired => "no right result came in time",
        JobState::Cancelled => "the job was cancelled",
        _ => return None,
    };
    Some(
        Failure::failed(format!("{message}: {refund} went back to the payer")).hint(format!(
            "`io job logs {address}` shows what happened. Submit it again for another device."
        )),
    )
}

/// Waits, downloads, prints: `io job wait`, and the end of `io job submit --wait`.
pub async fn wait(ctx: &Context, address: &Pubkey, args: &ResultArgs) -> Result<()> {
    let oracles = ctx.oracles()?;
    let followed = follow(ctx, Some(&oracles), address, args.timeout).await?;
    finish(ctx, &oracles, address, &followed, args, None).await
}

pub async fn finish(
    ctx: &Context,
    oracles: &Oracles,
    address: &Pubkey,
    followed: &Followed,
    args: &ResultArgs,
    create_signature: Option<&str>,
) -> Result<()> {
    let job = &followed.job;
    let unit = ctx.unit_of(&job.mint).await?;
    let mut object = job_json(address, job, &unit, None)?;
    object.insert("settle_ms".into(), json!(followed.settle_ms()));
    if let Some(signature) = create_signature {
        object.insert("signature".into(), json!(signature));
    }
    if let Some(failure) = ended_badly(address, job, &unit.show(job.refunded)) {
        if !ctx.out.for_people() {
            ctx.out.document(&Value::Object(object))?;
        }
        return Err(failure);
    }
    let dir = args.out_dir.clone().unwrap_or_else(|| default_dir(address));
    let download = results::fetch(ctx, oracles, job, &dir, args.jsonl)
        .await
        .map_err(|failure| Failure {
            hint: Some(format!(
                "The job is settled and its result kept: io job download {address}{}",
                back_flags(ctx)
            )),
            ..failure
        })?;
    put_result(&mut object, &download);
    if !ctx.out.for_people() {
        return ctx.out.document(&Value::Object(object));
    }
    let cost = job.escrow.saturating_sub(job.refunded);
    let mut rows = vec![
        ("job", address.to_string()),
        ("state", state_name(state_of(job)?).to_owned()),
        ("units", job.units.to_string()),
        (
            "cost",
            format!(
                "{} ({} to the provider, {} fees)",
                unit.show(cost),
                unit.show(job.paid),
                unit.show(job.fees)
            ),
        ),
        ("refunded", unit.show(job.refunded)),
        ("result", download.dir.join("").display().to_string()),
    ];
    for file in &download.manifest.files {
        rows.push(("", format!("{} ({} bytes, verified)", file.name, file.size)));
    }
    if let Some(failure) = download.failure() {
        rows.push(("failure", failure));
    }
    ctx.out.record(&Value::Object(object), &rows)
}

pub async fn watch(ctx: &Context, address: &Pubkey, timeout: Option<Duration>) -> Result<()> {
    let oracles = ctx.oracles().ok();
    let mint = fetch_job(ctx, address).await?.mint;
    let unit = ctx.unit_of(&mint).await?;
    let on_state = |job: &Job| match ctx.out.format {
        Format::Jsonl => ctx
            .out
            .document(&Value::Object(job_json(address, job, &unit, None)?)),
        // On a terminal the meter says it.
        Format::Table if !progress::visible(ctx) => {
            ctx.say(format!("{address} is {}", state_name(state_of(job)?)));
            Ok(())
        }
        _ => Ok(()),
    };
    let followed = follow_states(ctx, oracles.as_ref(), address, timeout, on_state).await?;
    let mut object = job_json(address, &followed.job, &unit, None)?;
    object.insert("settle_ms".into(), json!(followed.settle_ms()));
    show(ctx, &Value::Object(object))
}
