//! `io offers`.

use clap::{Args, Subcommand};
use io_api::types::{Offer, QuoteRequest};
use serde_json::{Value, json};

use crate::{
    amount::Unit,
    commands::{
        job::{put_reference, reference_row},
        requirement::RequirementArgs,
    },
    context::{Context, put_amount},
    failure::{Failure, Result},
    output::short,
};

#[derive(Debug, Subcommand)]
pub enum OffersCommand {
    /// Devices that take jobs, cheapest first.
    Search(SearchArgs),
    /// Why devices would or would not take a job.
    Explain(ExplainArgs),
}

#[derive(Debug, Args)]
pub struct SearchArgs {
    /// Only devices that run this engine: embed or wasm.
    #[arg(long, value_name = "NAME")]
    pub engine: Option<String>,
    /// Also devices that would take no job now.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub requirement: RequirementArgs,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The engine: embed or wasm.
    #[arg(default_value = "embed")]
    pub engine: String,
    /// Units of work: passages, or million fuel.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub units: u64,
    /// Payment token.
    #[arg(long, value_name = "MINT")]
    pub mint: Option<String>,
    #[command(flatten)]
    pub requirement: RequirementArgs,
}

fn meets(offer: &Offer, args: &SearchArgs) -> Result<bool> {
    let requirement = args.requirement.wire()?;
    Ok((args.all || offer.available)
        && args
            .engine
            .as_ref()
            .is_none_or(|engine| offer.engines.contains_key(engine))
        && requirement.class.is_none_or(|class| class == offer.class)
        && offer.memory_mib >= requirement.min_memory_mib
        && offer.reputation_bps >= requirement.min_reputation_bps
        && (requirement.region.is_none() || requirement.region == offer.region))
}

pub async fn run(command: &OffersCommand, ctx: &Context) -> Result<()> {
    match command {
        OffersCommand::Search(args) => search(args, ctx).await,
        OffersCommand::Explain(args) => explain(args, ctx).await,
    }
}

async fn search(args: &SearchArgs, ctx: &Context) -> Result<()> {
    if args.requirement.min_multiplier.is_some() {
        return Err(Failure::usage(
            "offers don't name multipliers: --min-multiplier cannot be searched for",
        )
        .hint("Use --class; `io network show` lists the classes and their multipliers."));
    }
    let oracles = ctx.oracles()?;
    let mut offers = if args.all {
        oracles.devices().await?
    } else {
        oracles.offers().await?
    };
    let mut kept = Vec::new();
    for offer in offers.drain(..) {
        if meets(&offer, args)? {
            kept.push(offer);
        }
    }
    let cheapest = |offer: &Offer| {
        let asks = offer
            .engines
            .iter()
            .filter(|(name, _)| args.engine.as_ref().is_none_or(|engine| engine == *name));
        asks.map(|(_, engine)| engine.ask.0)
            .min()
            .unwrap_or(u64::MAX)
    };
    kept.sort_by_key(|offer| (!offer.available, cheapest(offer), offer.device.clone()));
    let unit = Unit::io();
    let mut items = Vec::new();
    let mut cells = Vec::new();
    for offer in &kept {
        items.push(offer_json(offer, &unit));
        let engines: Vec<String> = offer
            .engines
            .iter()
            .map(|(name, engine)| {
                let ask = crate::amount::decimal(engine.ask.0, unit.decimals);
                let hour = engine.hour().map(|hour| hour_text(hour.0, &unit));
                let hour = hour.map(|hour| format!(", {hour}/h")).unwrap_or_default();
                format!("{name} {ask} ({:.0}/s{hour})", engine.speed)
            })
            .collect();
        cells.push(vec![
            short(&offer.device),
            offer.class_name.clone(),
            format!("{} MiB", offer.memory_mib),
            offer.region.clone().unwrap_or_default(),
            format!("{:.1} %", f64::from(offer.reputation_bps) / 100.0),
            engines.join(", "),
            offer
                .reference_hour
                .map(|hour| hour_text(hour.0, &unit))
                .unwrap_or_default(),
            if offer.available {
                "yes".to_owned()
            } else {
                offer.unavailable_because.clone().unwrap_or("no".to_owned())
            },
        ]);
    }
    let columns = [
        "DEVICE",
        "CLASS",
        "MEMORY",
        "REGION",
        "REPUTATION",
        "IO PER 1,000 UNITS (SPEED, IO AN HOUR)",
        "REFERENCE",
        "AVAILABLE",
    ];
    ctx.out.list(
        &items,
        &columns,
        &cells,
        "No device takes jobs now. With --all: those that are connected but don't.",
    )
}

/// An hour's price, short: it is a guide, and the exact amount is among the fields.
fn hour_text(base: u64, unit: &Unit) -> String {
    let whole = base as f64 / 10_f64.powi(i32::from(unit.decimals));
    format!("{whole:.3}")
}

pub fn offer_json(offer: &Offer, unit: &Unit) -> Value {
    let engines: serde_json::Map<String, Value> = offer
        .engines
        .iter()
        .map(|(name, engine)| {
            let mut fields = serde_json::Map::new();
            put_amount(&mut fields, "ask", engine.ask.0, unit);
            fields.insert("speed".into(), json!(engine.speed));
            if let Some(hour) = engine.hour() {
                put_amount(&mut fields, "hour", hour.0, unit);
            }
            (name.clone(), Value::Object(fields))
        })
        .collect();
    let mut value = json!({
        "device": offer.device, "provider": offer.provider, "class": offer.class, "class_name": offer.class_name,
        "memory_mib": offer.memory_mib, "tops_e2": offer.tops_e2, "region": offer.region,
        "down_mbit": offer.down_mbit, "up_mbit": offer.up_mbit, "latency_ms": offer.latency_ms,
        "reputation_bps": offer.reputation_bps, "available": offer.available,
        "unavailable_because": offer.unavailable_because, "engines": engines, "last_heartbeat_ms": offer.last_heartbeat_ms,
    });
    if let (Some(object), Some(hour)) = (value.as_object_mut(), offer.reference_hour) {
        put_amount(object, "reference_hour", hour.0, unit);
    }
    value
}

async fn explain(args: &ExplainArgs, ctx: &Context) -> Result<()> {
    let mint = ctx.mint(args.mint.as_deref()).await?;
    let request = QuoteRequest {
        engine: args.engine.clone(),
        units: args.units,
        requirement: args.requirement.wire()?,
        mint: Some(mint.address.to_string()),
    };
    let oracles = ctx.oracles()?;
    let quote = oracles.quote(&request).await?;
    let devices = oracles.devices().await?;
    let away: Vec<Value> = devices
        .iter()
        .filter(|device| !device.available)
        .map(|device| json!({"device": device.device, "because": device.unavailable_because}))
        .collect();
    let mut value = json!({
        "engine": quote.engine, "units": quote.units, "mint": quote.mint, "known": devices.len(), "devices": quote.devices,
        "removed": quote.removed, "unavailable": away,
    });
    if let Some(object) = value.as_object_mut() {
        if let Some(total) = quote.total {
            put_amount(object, "total", total.0, &mint.unit);
        }
        put_reference(object, &mint, &quote);
    }
    let mut rows = vec![
        (
            "devices",
            format!(
                "{} known, {} would take it now",
                devices.len(),
                quote.devices
            ),
        ),
        (
            "cheapest",
            quote
                .total
                .map(|total| mint.unit.show(total.0))
                .unwrap_or_default(),
        ),
    ];
    rows.extend(reference_row(&mint, &quote));
    for (why, count) in &quote.removed {
        rows.push(("left out", format!("{count}: {why}")));
    }
    for device in devices.iter().filter(|device| !device.available) {
        rows.push((
            "",
            format!(
                "{}: {}",
                short(&device.device),
                device.unavailable_because.clone().unwrap_or_default()
            ),
        ));
    }
    ctx.out.record(&value, &rows)
}
