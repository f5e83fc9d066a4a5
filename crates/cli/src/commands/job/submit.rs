//! Submitting a job.

use std::time::Duration;

use io_api::types::{Amount, Quote, QuoteRequest};
use io_client::{
    Pubkey, Wallet, accounts,
    instructions::{self, JobTerms},
    io_network::{
        constants::ANY_CLASS,
        state::{Job, VerificationClass},
    },
    pda, tokens,
};
use io_protocol::money::{self, FeeTerms};
use serde_json::{Map, Value, json};

use super::{
    TermsArgs, follow,
    show::{job_json, state_name, state_of},
};
use crate::{
    commands::requirement::RequirementArgs,
    context::{Context, Done, Mint, put_amount, random_u64},
    failure::{Failure, Result},
    output::seconds,
    work::Prepared,
};

/// Lamports that creating a job takes besides the rent of its two accounts: signature and priority fees.
const FEE_LAMPORTS: u64 = 1_000_000;

/// What a submission needs beyond the work itself.
pub struct SubmitOptions<'a> {
    /// Most for the whole job, base units of the mint; what the median device asks when absent.
    pub max_total: Option<u64>,
    pub deadline: Duration,
    pub max_run: Duration,
    pub requirement: &'a RequirementArgs,
    /// The payer's part of the escrow, base units; 0 for all of it.
    pub deposit: u64,
    /// Tells apart jobs of one renter; random when absent.
    pub nonce: Option<u64>,
    /// A lease instead of a task; `max_run` is what it may come to.
    pub lease: Option<LeaseOptions>,
}

/// What makes it a lease.
pub struct LeaseOptions {
    /// Time to rent now.
    pub seconds: u64,
}

/// A price that the renter can agree to.
pub struct Price {
    pub quote: Quote,
    /// Most for 1,000 units, base units of the mint.
    pub max_price: u64,
    pub escrow: u64,
}

pub struct Submitted {
    pub job: Pubkey,
    pub done: Done,
}

fn fees_of(quote: &Quote) -> FeeTerms {
    FeeTerms {
        reserve_bps: quote.reserve_bps,
        provider_bps: quote.reserve_bps,
        payment_bps: quote.payment_bps,
    }
}

/// The highest price of 1,000 units at which `units` cost no more than `total`, fees included; 0 when none does.
fn highest_price(units: u64, total: u64, fees: FeeTerms) -> u64 {
    let fits =
        |price: u64| money::escrow_for(units, price, fees).is_ok_and(|escrow| escrow <= total);
    let (mut low, mut high) = (0_u64, u64::MAX);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle
        } else {
            high = middle - 1
        }
    }
    low
}

/// Asks the oracles what the work costs now, and settles what the job offers.
pub async fn price(
    ctx: &Context,
    prepared: &Prepared,
    mint: &Mint,
    options: &SubmitOptions<'_>,
) -> Result<Price> {
    price_for(ctx, prepared.engine(), prepared.units, mint, options).await
}

/// The same for so many units of what devices offer under a name.
pub async fn price_for(
    ctx: &Context,
    engine: &str,
    units: u64,
    mint: &Mint,
    options: &SubmitOptions<'_>,
) -> Result<Price> {
    let request = QuoteRequest {
        engine: engine.to_owned(),
        units,
        requirement: options.requirement.wire()?,
        mint: Some(mint.address.to_string()),
    };
    let quote = ctx.oracles()?.quote(&request).await?;
    let fees = fees_of(&quote);
    let overflow =
        || Failure::usage("the price overflows").hint("Split the input into several jobs.");
    let max_price = match options.max_total {
        Some(total) => {
            let highest = highest_price(units, total, fees);
            let least = quote.total.map(|Amount(total)| total);
            if highest == 0 || least.is_some_and(|least| least > total) {
                let needed = least
                    .map(|least| format!("the cheapest device asks {}", mint.unit.show(least)))
                    .unwrap_or_else(|| format!("{units} units cost more at any price"));
                return Err(Failure::funds(format!(
                    "--max-price is {}, and {needed}, fees included",
                    mint.unit.show(total)
                ))
                .hint("Raise --max-price, or wait for a cheaper device: io offers search."));
            }
            highest
        }
        None => match quote.ask_median {
            Some(Amount(ask)) => ask.max(1),
            None => {
                let why: Vec<String> = quote
                    .removed
                    .iter()
                    .map(|(why, count)| format!("{why}: {count}"))
                    .collect();
                let why = if why.is_empty() {
                    "none is connected".to_owned()
                } else {
                    why.join(", ")
                };
                return Err(Failure::not_found(format!("no device takes this job now ({why})")).hint(
                    "`io offers explain` tells more. With --max-price the job can be submitted all the same, and waits.",
                ));
            }
        },
    };
    let escrow = money::escrow_for(units, max_price, fees).map_err(|_| overflow())?;
    Ok(Price {
        quote,
        max_price,
        escrow,
    })
}

/// Uploads and creates the job, or simulates that with `--dry-run`.
pub async fn submit(
    ctx: &Context,
    wallet: &Wallet,
    prepared: &Prepared,
    mint: &Mint,
    price: &Price,
    options: &SubmitOptions<'_>,
) -> Result<Submitted> {
    let payer_token = tokens::associated_of(&mint.token_program, &wallet.address(), &mint.address);
    let spec = prepared.spec.canonical();
    if !ctx.dry_run {
        ctx.oracles()?
            .upload(ctx, wallet, &spec, &prepared.uploads)
            .await?;
    }
    let requirement = options.requirement.wire()?;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let terms = JobTerms {
        nonce: match options.nonce {
            Some(nonce) => nonce,
            None => pda::job_nonce(&wallet.address(), random_u64()?),
        },
        spec_hash: prepared.spec.hash().0,
        max_price: price.max_price,
        max_units: options
            .lease
            .as_ref()
            .map_or(prepared.units, |lease| lease.seconds),
        max_escrow: price.escrow,
        deposit: options.deposit,
        deadline: ctx
            .rpc
            .chain_time()
            .await?
            .saturating_add(seconds(options.deadline)),
        max_run_seconds: u32::try_from(options.max_run.as_secs()).unwrap_or(u32::MAX),
        min_multiplier_e2: requirement.min_multiplier_e2,
        min_memory_mib: requirement.min_memory_mib,
        class: requirement.class.unwrap_or(ANY_CLASS),
        region: options.requirement.region_code()?,
        min_reputation_bps: requirement.min_reputation_bps,
        verification: match options.lease {
            Some(_) => VerificationClass::Metered as u8,
            None => prepared.verification_number(),
        },
        devices: 1,
        kind: u8::from(options.lease.is_some()),
    };
    let job = pda::job(&wallet.address(), terms.nonce);
    let mut create = instructions::create_job(
        &wallet.address(),
        &wallet.address(),
        &mint.address,
        &payer_token,
        terms,
    );
    if mint.token_program == tokens::TOKEN_2022_PROGRAM {
        create = instructions::for_token_2022(create);
    }
    let done = ctx
        .transact(format!("create:{job}"), wallet, &[], vec![create])
        .await?;
    Ok(Submitted { job, done })
}

/// Fails where the wallet has a job of this nonce: before anything is uploaded.
async fn check_nonce(ctx: &Context, wallet: &Wallet, nonce: u64) -> Result<()> {
    let address = pda::job(&wallet.address(), nonce);
    let Some(job) = accounts::fetch_maybe::<Job>(&ctx.rpc, &address).await? else {
        return Ok(());
    };
    let state = state_name(state_of(&job)?);
    Err(Failure::failed(format!(
        "--nonce {nonce} is taken: this wallet's job {address} has it, and is {state}"
    ))
    .hint(format!(
        "If it is this job, it is submitted: `io job watch {address}`. For another one leave --nonce out."
    )))
}

/// Whether the wallet holds what the job takes.
async fn check_funds(ctx: &Context, wallet: &Wallet, mint: &Mint, escrow: u64) -> Result<()> {
    let token = tokens::associated_of(&mint.token_program, &wallet.address(), &mint.address);
    let held = tokens::balance(&ctx.rpc, &token).await?.unwrap_or(0);
    let mint_to = if ctx.is_local() {
        "On a local network use the renter's wallet: -u localnet."
    } else {
        "Send it some."
    };
    if held < escrow {
        return Err(Failure::funds(format!(
            "the wallet {} holds {}, and the job escrows {}",
            wallet.address(),
            mint.unit.show(held),
            mint.unit.show(escrow)
        ))
        .hint(format!("{mint_to} Or lower --max-price.")));
    }
    let rent = ctx.rpc.rent_minimum(Job::SPACE).await?
        + ctx.rpc.rent_minimum(tokens::TOKEN_ACCOUNT_BYTES).await?;
    let sol = ctx.rpc.balance(&wallet.address()).await?;
    let needed = rent + FEE_LAMPORTS;
    if sol < needed {
        let unit = crate::amount::Unit::sol();
        return Err(Failure::funds(format!(
            "the wallet {} holds {}, and the job takes {} (rent that comes back, and fees)",
            wallet.address(),
            unit.show(sol),
            unit.show(needed)
        ))
        .hint(mint_to));
    }
    Ok(())
}

/// What the renter reads before agreeing.
pub fn price_rows(prepared: &Prepared, mint: &Mint, price: &Price) -> Vec<(&'static str, String)> {
    let quote = &price.quote;
    let most = if prepared.exact { "" } else { "at most " };
    let mut rows = vec![
        (
            "work",
            format!(
                "{}, {most}{} {}",
                prepared.engine(),
                prepared.units,
                prepared.unit_name()
            ),
        ),
        ("verified", prepared.verification_name().to_owned()),
        ("devices", format!("{} can take it now", quote.devices)),
    ];
    if let (Some(payment), Some(fees), Some(total)) = (quote.payment, quote.fees, quote.total) {
        let time = quote
            .seconds
            .map(|time| format!(", about {} on that device", seconds(time)))
            .unwrap_or_default();
        rows.push((
            "cheapest",
            format!(
                "{} ({} and {} fees){time}",
                mint.unit.show(total.0),
                mint.unit.show(payment.0),
                mint.unit.show(fees.0)
            ),
        ));
    }
    rows.extend(reference_row(mint, quote));
    rows.push((
        "at most",
        format!(
            "{} is escrowed; what isn't used comes back",
            mint.unit.show(price.escrow)
        ),
    ));
    rows
}

/// The cheapest device's hour beside the reference price of its class, for those that have one.
pub fn reference_row(mint: &Mint, quote: &Quote) -> Option<(&'static str, String)> {
    let reference = quote.reference_hour?;
    let hour = quote
        .hour
        .map(|hour| format!("; that device's comes to {}", mint.unit.show(hour.0)))
        .unwrap_or_default();
    let text = format!("{} an hour{hour}", mint.unit.show(reference.0));
    Some(("reference", text))
}

/// The hour and the reference price as fields.
pub fn put_reference(object: &mut Map<String, Value>, mint: &Mint, quote: &Quote) {
    for (name, amount) in [
        ("hour", quote.hour),
        ("reference_hour", quote.reference_hour),
    ] {
        if let Some(Amount(base)) = amount {
            put_amount(object, name, base, &mint.unit);
        }
    }
}

/// The same as fields.
pub fn price_json(prepared: &Prepared, mint: &Mint, price: &Price) -> Map<String, Value> {
    let quote = &price.quote;
    let mut object = Map::new();
    object.insert("engine".into(), json!(prepared.engine()));
    object.insert("units".into(), json!(prepared.units));
    object.insert("exact".into(), json!(prepared.exact));
    object.insert("mint".into(), json!(mint.address.to_string()));
    object.insert("devices".into(), json!(quote.devices));
    let amounts = [
        ("ask_min", quote.ask_min),
        ("ask_median", quote.ask_median),
        ("ask_max", quote.ask_max),
        ("payment", quote.payment),
        ("fees", quote.fees),
        ("total", quote.total),
    ];
    for (name, amount) in amounts {
        if let Some(Amount(base)) = amount {
            put_amount(&mut object, name, base, &mint.unit);
        }
    }
    put_reference(&mut object, mint, quote);
    put_amount(&mut object, "max_price", price.escrow, &mint.unit);
    put_amount(
        &mut object,
        "max_price_per_1000",
        price.max_price,
        &mint.unit,
    );
    put_amount(&mut object, "escrow", price.escrow, &mint.unit);
    object.insert("seconds".into(), json!(quote.seconds));
    object.insert("removed".into(), json!(quote.removed));
    object
}

pub async fn run(ctx: &Context, prepared: Prepared, terms: &TermsArgs) -> Result<()> {
    let wallet = ctx.wallet()?;
    let mint = ctx.mint(terms.mint.as_deref()).await?;
    let max_total = terms
        .max_price
        .as_ref()
        .map(|text| mint.unit.parse("--max-price", text))
        .transpose()?;
    let deposit = terms
        .deposit
        .as_ref()
        .map(|text| mint.unit.parse("--deposit", text))
        .transpose()?;
    let options = SubmitOptions {
        max_total,
        deadline: terms.deadline,
        max_run: terms.max_run,
        requirement: &terms.requirement,
        deposit: deposit.unwrap_or(0),
        nonce: terms.nonce,
        lease: None,
    };
    if let Some(nonce) = options.nonce {
        check_nonce(ctx, &wallet, nonce).await?;
    }
    let price = price(ctx, &prepared, &mint, &options).await?;
    for (label, text) in price_rows(&prepared, &mint, &price) {
        ctx.say(format!("{label:<9} {text}"));
    }
    let own = deposit.unwrap_or(price.escrow);
    check_funds(ctx, &wallet, &mint, own).await?;
    ctx.confirm_unless(
        &format!("Submit this job and escrow {}?", mint.unit.show(own)),
        max_total.is_some(),
    )?;

    let submitted = submit(ctx, &wallet, &prepared, &mint, &price, &options).await?;
    let Done::Landed(landed) = &submitted.done else {
        let fields = Value::Object(price_json(&prepared, &mint, &price));
        return ctx
            .report(&submitted.done, "would submit the job", fields)
            .await;
    };
    let signature = landed.signature.to_string();
    if terms.wait {
        ctx.say(format!("submitted {}", submitted.job));
        let oracles = ctx.oracles()?;
        let followed =
            follow::follow(ctx, Some(&oracles), &submitted.job, terms.result.timeout).await?;
        return follow::finish(
            ctx,
            &oracles,
            &submitted.job,
            &followed,
            &terms.result,
            Some(&signature),
        )
        .await;
    }
    let job = super::show::fetch_job(ctx, &submitted.job).await?;
    let mut object = job_json(&submitted.job, &job, &mint.unit, None)?;
    object.insert("signature".into(), json!(signature));
    let rows = [
        ("submitted", submitted.job.to_string()),
        ("escrowed", mint.unit.show(job.funded)),
        ("signature", signature.clone()),
        ("next", format!("io job wait {}", submitted.job)),
    ];
    ctx.out.record(&Value::Object(object), &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_the_highest_that_the_limit_covers() {
        for (units, total, bps) in [
            (1_200, 200_000_000, 25),
            (1, 1, 0),
            (7, 1_000, 500),
            (1_000_000, u64::MAX, 225),
        ] {
            let fees = FeeTerms {
                reserve_bps: bps,
                provider_bps: bps,
                payment_bps: 0,
            };
            let price = highest_price(units, total, fees);
            if price > 0 {
                assert!(money::escrow_for(units, price, fees).unwrap() <= total);
            }
            assert!(
                money::escrow_for(units, price + 1, fees).map_or(true, |escrow| escrow > total)
            );
        }
        assert_eq!(highest_price(1_000, 0, FeeTerms::default()), 0);
    }
}
