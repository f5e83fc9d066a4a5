//! `io device`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use io_api::types::Amount;
use io_client::{
    Pubkey, Wallet, accounts,
    instructions::{self, RegisterDeviceArgs},
    io_network::{
        constants::EVIDENCE_SECONDS,
        state::{Device, DeviceClass, DeviceState, Provider},
    },
    pda,
};
use io_worker::{config::DeviceSelection, devices};
use serde_json::{Map, Value, json};

use super::{provider, worker};
use crate::{
    amount::Unit,
    context::{Context, address, put_amount, random_u64},
    failure::{Failure, Result},
    output::{short, utc},
};

#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Register a device of this machine and bind stake to it.
    Register(RegisterArgs),
    /// The provider's devices on chain.
    List {
        /// The provider's authority or account; the wallet's own when absent.
        provider: Option<String>,
    },
    /// One device on chain: what was measured of it, what it has done.
    Show {
        /// The device's address.
        device: String,
    },
    /// Devices found on this machine.
    Find,
    /// Measure a device: TOPS, memory, bandwidth, and each engine's speed.
    SelfTest {
        /// The worker's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Measure even if there is a result already.
        #[arg(long)]
        again: bool,
    },
    /// Set what a device asks for 1,000 units of an engine's work. A running worker takes it over within a heartbeat.
    Price {
        /// embed or wasm.
        engine: String,
        /// IO for 1,000 units: 1,000 passages, or 10⁹ fuel.
        ask: String,
        /// The worker's configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Take no new jobs; those that run go on.
    Drain {
        /// The device's address.
        device: String,
        /// Take jobs again.
        #[arg(long)]
        undo: bool,
    },
    /// Change the stake bound to a device. It can be lowered a day after the device's last figures.
    Bond {
        /// The device's address.
        device: String,
        /// IO.
        amount: String,
    },
    /// Replace a device's hot key.
    Operator {
        /// The device's address.
        device: String,
        /// The new operator's address.
        operator: String,
    },
    /// Close a device without unsettled jobs, a day after its last figures; its bond becomes free stake.
    Retire {
        /// The device's address.
        device: String,
    },
    /// Pay what a device's wrong hardware proof still costs, from its bond and the provider's stake. Anybody may, a day after it was proven.
    PayPenalty {
        /// The device's address.
        device: String,
    },
    /// Remove somebody's registration that no quorum attested within a day. Anybody may; bond and rent go back to its provider.
    Evict {
        /// The device's address.
        device: String,
    },
}

#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// The device's class, by its number: `io network show` lists them.
    #[arg(long)]
    pub class: u16,
    /// Address of the operator, the hot key that the worker runs with. Or --operator-key.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "operator_key")]
    pub operator: Option<String>,
    /// Key file of the operator.
    #[arg(long, value_name = "FILE")]
    pub operator_key: Option<PathBuf>,
    /// Stake to bind, IO; the least that the class needs when absent.
    #[arg(long, value_name = "AMOUNT")]
    pub bond: Option<String>,
    /// One of several equal parts of this machine, like 1/2: each part is a device of its own.
    #[arg(long, value_name = "N/PARTS", default_value = "1/1", value_parser = part)]
    pub part: (u16, u16),
    /// An NVIDIA GPU of this machine instead of its CPU, as nvidia-smi counts.
    #[arg(long, value_name = "INDEX", conflicts_with = "part")]
    pub gpu: Option<u32>,
}

/// "2/4" → (1, 4).
fn part(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("'{text}' is no part: expected something like 1/2");
    let (number, parts) = text.split_once('/').ok_or_else(wrong)?;
    let (number, parts): (u16, u16) = (
        number.parse().map_err(|_| wrong())?,
        parts.parse().map_err(|_| wrong())?,
    );
    if number == 0 || number > parts {
        return Err(wrong());
    }
    Ok((number - 1, parts))
}

pub fn device_json(account: &Pubkey, device: &Device) -> Map<String, Value> {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("device".into(), json!(account.to_string()));
    object.insert("provider".into(), json!(device.provider.to_string()));
    object.insert("operator".into(), json!(device.operator.to_string()));
    object.insert("hardware".into(), json!(hex::encode(device.hardware)));
    object.insert("class".into(), json!(device.class));
    object.insert("multiplier_e2".into(), json!(device.multiplier_e2));
    let draining = device.state == DeviceState::Draining as u8;
    object.insert(
        "state".into(),
        json!(if draining { "draining" } else { "active" }),
    );
    let job = (device.current_job != Pubkey::default()).then(|| device.current_job.to_string());
    object.insert("current_job".into(), json!(job));
    object.insert("open_jobs".into(), json!(device.open_jobs));
    put_amount(&mut object, "bond", device.bond, &io);
    put_amount(&mut object, "exposure", device.exposure, &io);
    put_amount(&mut object, "penalty_due", device.fault_due(), &io);
    object.insert("completed".into(), json!(device.completed));
    object.insert("failed".into(), json!(device.failed));
    object.insert("tops_e2".into(), json!(device.tops_e2));
    object.insert("memory_mib".into(), json!(device.memory_mib));
    object.insert("bandwidth_mib_s".into(), json!(device.bandwidth_mib_s));
    object.insert("down_mbit".into(), json!(device.down_mbit));
    object.insert("up_mbit".into(), json!(device.up_mbit));
    object.insert(
        "latency_ms".into(),
        json!((device.latency_ms > 0).then_some(device.latency_ms)),
    );
    object.insert("region".into(), json!(io_api::text::region(device.region)));
    object.insert(
        "attested_at".into(),
        json!((device.attested_at > 0).then_some(device.attested_at)),
    );
    object.insert("since".into(), json!(device.since));
    object
}

async fn fetch(ctx: &Context, text: &str) -> Result<(Pubkey, Device)> {
    let account = address("DEVICE", text)?;
    let device = accounts::fetch_maybe::<Device>(&ctx.rpc, &account)
        .await?
        .ok_or_else(|| {
            Failure::not_found(format!(
                "there is no device {account} on the cluster at {}",
                ctx.rpc.host()
            ))
            .hint("`io device list` lists the provider's devices.")
        })?;
    Ok((account, device))
}

/// Fails, with when to try again, while a device owes a penalty, or answers with its bond for its newest figures.
async fn answered(ctx: &Context, account: &Pubkey, device: &Device, what: &str) -> Result<()> {
    if device.fault_due() > 0 {
        return Err(Failure::failed(format!(
            "{account} owes {} for a wrong hardware proof",
            Unit::io().show(device.fault_due())
        ))
        .hint(format!(
            "Pay it with `io device pay-penalty {account}`; then {what}."
        )));
    }
    let from = device.answers_until();
    if ctx.rpc.chain_time().await? >= from {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "what {account} signed for its newest figures can still be proven wrong"
    ))
    .hint(format!(
        "Stop its worker, so that it has no newer ones; from {} on {what}.",
        utc(from)
    )))
}

async fn pay_penalty(
    ctx: &Context,
    wallet: &Wallet,
    account: &Pubkey,
    device: &Device,
) -> Result<()> {
    let due = device.fault_due();
    if due == 0 {
        return Err(Failure::failed(format!("{account} owes no penalty"))
            .hint("What a wrong hardware proof costs is taken when it is proven; only what was not there is due later."));
    }
    if !device.faultable(ctx.rpc.chain_time().await?) {
        return Err(Failure::failed(format!(
            "whoever proved the fault of {account} can still take the penalty"
        ))
        .hint("Try again 24 hours after the end of the hour in which it was proven."));
    }
    let network = ctx.network().await?;
    let owner = accounts::fetch::<Provider>(&ctx.rpc, &device.provider).await?;
    if !accounts::can_pay(device, &owner) {
        return Err(Failure::funds(format!(
            "there is nothing to pay the {} with: the bond covers jobs, and no stake is free",
            Unit::io().show(due)
        ))
        .hint("Stake more with `io stake add`, or wait until the device's jobs are settled."));
    }
    let instruction = instructions::open_fault_case(
        &wallet.address(),
        account,
        &device.provider,
        owner.slash_cases,
        &network.io_mint,
    );
    let intent = format!("penalty:{account}:{}", owner.slash_cases);
    let done = ctx.transact(intent, wallet, &[], vec![instruction]).await?;
    let case = pda::slash_case(&device.provider, owner.slash_cases);
    let left = accounts::fetch::<Device>(&ctx.rpc, account).await?;
    let mut fields = Map::new();
    fields.insert("device".into(), json!(account.to_string()));
    fields.insert("slash_case".into(), json!(case.to_string()));
    put_amount(
        &mut fields,
        "paid",
        due.saturating_sub(left.fault_due()),
        &Unit::io(),
    );
    put_amount(&mut fields, "penalty_due", left.fault_due(), &Unit::io());
    ctx.report(&done, "penalty paid", Value::Object(fields))
        .await
}

pub async fn run(command: &DeviceCommand, ctx: &Context) -> Result<()> {
    match command {
        DeviceCommand::Register(args) => register(args, ctx).await,
        DeviceCommand::List { provider } => list(ctx, provider.as_deref()).await,
        DeviceCommand::Show { device } => {
            let (account, device) = fetch(ctx, device).await?;
            show(ctx, &account, &device)
        }
        DeviceCommand::Find => find(ctx).await,
        DeviceCommand::SelfTest { config, again } => {
            let config = worker::read_config(config)?;
            let device = devices::select(&config.device)?;
            let test = io_worker::prove::self_test::self_test(&config, &device, *again).await?;
            let mut value = serde_json::to_value(&test).unwrap_or_default();
            value["tops_e2"] = json!(test.tops_e2());
            let hardware = &test.hardware;
            let mut rows = vec![
                ("device", device.name.clone()),
                ("proof", hardware.backend.clone()),
                ("TOPS", crate::amount::decimal(u64::from(test.tops_e2()), 2)),
                (
                    "memory",
                    format!(
                        "{} MiB, filled at {} MiB/s",
                        hardware.memory_mib, hardware.fill_mib_s
                    ),
                ),
            ];
            if let Err(reason) = devices::nvidia::find() {
                rows.push(("GPU", format!("none ({reason}): the CPU computes")));
            }
            for (engine, speed) in &test.engines {
                rows.push(("engine", format!("{engine}, {speed:.1} units a second")));
            }
            for note in &test.notes {
                rows.push(("note", note.clone()));
            }
            ctx.out.record(&value, &rows)
        }
        DeviceCommand::Price {
            engine,
            ask,
            config,
        } => {
            let base = Unit::io().parse("ASK", ask)?;
            let config = worker::read_config(config)?;
            let asks = io_worker::prices::set_ask(&config.data_dir, engine, Amount(base)).map_err(
                |error| {
                    Failure::usage(format!("{error:#}")).hint("The engines are embed and wasm.")
                },
            )?;
            let value: Map<String, Value> = asks
                .iter()
                .map(|(engine, ask)| {
                    (
                        engine.clone(),
                        json!({"ask": ask.0, "ask_text": Unit::io().show(ask.0)}),
                    )
                })
                .collect();
            let rows: Vec<(&str, String)> = asks
                .iter()
                .map(|(engine, ask)| {
                    (
                        engine.as_str(),
                        format!("{} for 1,000 units", Unit::io().show(ask.0)),
                    )
                })
                .collect();
            ctx.out.record(&Value::Object(value), &rows)
        }
        DeviceCommand::Drain { device, undo } => {
            let wallet = ctx.wallet()?;
            let (account, device) = fetch(ctx, device).await?;
            // The hot key may drain its own device as well.
            if device.operator != wallet.address() {
                provider::must_own(&wallet, &account, &device)?;
            }
            let instruction = instructions::set_device_draining(
                &wallet.address(),
                &device.provider,
                &account,
                !undo,
            );
            let intent = format!("drain:{account}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let state = if *undo { "active" } else { "draining" };
            ctx.report(
                &done,
                state,
                json!({"device": account.to_string(), "state": state}),
            )
            .await
        }
        DeviceCommand::Bond { device, amount } => {
            let wallet = ctx.wallet()?;
            let (account, found) = fetch(ctx, device).await?;
            provider::must_own(&wallet, &account, &found)?;
            let base = Unit::io().parse("AMOUNT", amount)?;
            let (_, provider) = provider::find(ctx, None).await?;
            let more = base.saturating_sub(found.bond);
            if more > provider.free() {
                return Err(Failure::funds(format!(
                    "the bond would grow by {}, and {} of the stake is free",
                    Unit::io().show(more),
                    Unit::io().show(provider.free())
                ))
                .hint(format!(
                    "Stake more: io stake add {}",
                    crate::amount::decimal(more - provider.free(), Unit::io().decimals)
                )));
            }
            if let Ok(least) = found.minimum_bond(ctx.network().await?.min_bond)
                && base < least
            {
                ctx.say(format!(
                    "With less than {}, its class's minimum, the device takes no jobs.",
                    Unit::io().show(least)
                ));
            }
            if base < found.exposure {
                return Err(Failure::funds(format!(
                    "the device's unsettled jobs bind {}, more than {}",
                    Unit::io().show(found.exposure),
                    Unit::io().show(base)
                ))
                .hint("Wait until they are settled, or leave more."));
            }
            if base < found.bond {
                answered(ctx, &account, &found, "its bond can be lowered").await?;
            }
            let instruction = instructions::set_device_bond(&wallet.address(), &account, base);
            let done = ctx
                .transact(
                    format!("bond:{account}:{}", random_u64()?),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("device".into(), json!(account.to_string()));
            put_amount(&mut fields, "bond", base, &Unit::io());
            ctx.report(&done, "bond changed", Value::Object(fields))
                .await
        }
        DeviceCommand::Operator { device, operator } => {
            let wallet = ctx.wallet()?;
            let (account, found) = fetch(ctx, device).await?;
            provider::must_own(&wallet, &account, &found)?;
            let operator = address("OPERATOR", operator)?;
            let again = found.operator_since.saturating_add(EVIDENCE_SECONDS);
            if operator != found.operator
                && found.former_operator != Pubkey::default()
                && ctx.rpc.chain_time().await? < again
            {
                return Err(Failure::failed(format!(
                    "the operator of {account} was changed less than a day ago"
                ))
                .hint(format!(
                    "The one before still answers for what it signed. It can be changed again from {}.",
                    utc(again)
                )));
            }
            let instruction =
                instructions::set_device_operator(&wallet.address(), &account, &operator);
            let intent = format!("operator:{account}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let fields = json!({"device": account.to_string(), "operator": operator.to_string()});
            ctx.report(&done, "operator changed", fields).await
        }
        DeviceCommand::Retire { device } => {
            let wallet = ctx.wallet()?;
            let (account, found) = fetch(ctx, device).await?;
            provider::must_own(&wallet, &account, &found)?;
            if found.open_jobs > 0 {
                return Err(Failure::failed(format!(
                    "the device has {} unsettled jobs",
                    found.open_jobs
                ))
                .hint("Drain it with `io device drain`, and retire it when they are settled."));
            }
            answered(ctx, &account, &found, "it can be retired").await?;
            ctx.confirm(&format!("Retire {account}?"))?;
            let instruction = instructions::retire_device(&wallet.address(), &account);
            let done = ctx
                .transact(
                    format!("retire:{account}:{}", found.since),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("device".into(), json!(account.to_string()));
            put_amount(&mut fields, "freed", found.bond, &Unit::io());
            ctx.report(&done, "retired", Value::Object(fields)).await
        }
        DeviceCommand::PayPenalty { device } => {
            let wallet = ctx.wallet()?;
            let (account, found) = fetch(ctx, device).await?;
            pay_penalty(ctx, &wallet, &account, &found).await
        }
        DeviceCommand::Evict { device } => {
            let wallet = ctx.wallet()?;
            let (account, found) = fetch(ctx, device).await?;
            if found.attested_at != 0 {
                return Err(
                    Failure::failed(format!("the device {account} was attested"))
                        .hint("Only its provider can retire it: io device retire."),
                );
            }
            let owner = accounts::fetch::<Provider>(&ctx.rpc, &found.provider).await?;
            let instruction = instructions::evict_device(&owner.authority, &account);
            let done = ctx
                .transact(
                    format!("evict:{account}:{}", found.since),
                    &wallet,
                    &[],
                    vec![instruction],
                )
                .await?;
            let mut fields = Map::new();
            fields.insert("device".into(), json!(account.to_string()));
            fields.insert("provider".into(), json!(found.provider.to_string()));
            ctx.report(&done, "evicted", Value::Object(fields)).await
        }
    }
}

async fn register(args: &RegisterArgs, ctx: &Context) -> Result<()> {
    let wallet = ctx.wallet()?;
    let operator = match (&args.operator, &args.operator_key) {
        (Some(text), _) => address("--operator", text)?,
        (None, Some(path)) => crate::context::load_wallet(path)
            .map_err(|failure| {
                failure.hint("Make one with `io keygen FILE`, or name another with --operator-key.")
            })?
            .address(),
        (None, None) => {
            return Err(Failure::usage("the device's operator is missing").hint(
                "Make a key for it (`io keygen operator.json`) and pass --operator-key operator.json.",
            ));
        }
    };
    let selection = match (args.gpu, args.part) {
        (Some(index), _) => DeviceSelection::Nvidia { index },
        (None, (part, parts)) => DeviceSelection::Host { part, parts },
    };
    let device = crate::blocking(move || Ok(devices::select(&selection)?)).await?;
    let account = device.address();
    let network = ctx.network().await?;
    let (_, provider) = provider::find(ctx, None).await?;
    let class = accounts::fetch_maybe::<DeviceClass>(&ctx.rpc, &pda::class(args.class))
        .await?
        .ok_or_else(|| {
            Failure::not_found(format!("there is no device class {}", args.class))
                .hint("`io network show` lists the classes.")
        })?;
    let least = io_protocol::money::minimum_bond(network.min_bond, class.multiplier_e2)
        .map_err(|_| Failure::failed("the class's minimum bond overflows"))?;
    let io = Unit::io();
    let bond = args
        .bond
        .as_ref()
        .map(|text| io.parse("--bond", text))
        .transpose()?
        .unwrap_or(least);
    if bond < least {
        return Err(Failure::funds(format!(
            "--bond is {}, and the class needs {}",
            io.show(bond),
            io.show(least)
        ))
        .hint("Raise --bond, or leave it out."));
    }
    if bond > provider.free() {
        return Err(Failure::funds(format!(
            "the bond is {}, and {} of the stake is free",
            io.show(bond),
            io.show(provider.free())
        ))
        .hint(format!(
            "Stake more: io stake add {}",
            crate::amount::decimal(bond - provider.free(), io.decimals)
        )));
    }
    if let Some(existing) = accounts::fetch_maybe::<Device>(&ctx.rpc, &account).await? {
        let own = existing.provider == pda::provider(&wallet.address());
        let whose = if own {
            "by this provider"
        } else {
            "by another provider"
        };
        return Err(Failure::failed(format!("this device is registered already, {whose}: {account}"))
            .hint(
                "Register a part of this machine as a device of its own: --part 1/3, and device = { kind = \"host\", part = 0, parts = 3 } \
                 in the worker's configuration. `io device list` shows a provider's own; `io device retire` frees it.",
            ));
    }
    ctx.confirm(&format!(
        "Register {} as a device of class {} and bind {}?",
        device.name,
        args.class,
        io.show(bond)
    ))?;
    let register = RegisterDeviceArgs {
        hardware: device.hardware,
        operator,
        bond,
    };
    let instruction = instructions::register_device(&wallet.address(), args.class, register);
    let intent = format!(
        "register-device:{account}:{}:{}",
        provider.devices,
        provider.completed + provider.failed
    );
    let done = ctx
        .transact(intent, &wallet, &[], vec![instruction])
        .await?;
    let sol = ctx.rpc.balance(&operator).await?;
    if sol < io_worker::limits::LOW_BALANCE_LAMPORTS {
        ctx.say(format!(
            "The operator {operator} pays for the device's transactions and has {}: send it some SOL before you start the worker{}.",
            Unit::sol().show(sol),
            if ctx.is_local() {
                format!(" (on a local network: `io airdrop 1 --to {operator}`)")
            } else {
                String::new()
            }
        ));
    }
    let mut fields = Map::new();
    fields.insert("device".into(), json!(account.to_string()));
    fields.insert("operator".into(), json!(operator.to_string()));
    put_amount(&mut fields, "operator_sol", sol, &Unit::sol());
    fields.insert("class".into(), json!(args.class));
    put_amount(&mut fields, "bond", bond, &io);
    ctx.report(
        &done,
        "registered; next: io worker run --config worker.toml",
        Value::Object(fields),
    )
    .await
}

async fn list(ctx: &Context, text: Option<&str>) -> Result<()> {
    let (account, _): (Pubkey, Provider) = provider::find(ctx, text).await?;
    let mut found = accounts::devices_of_provider(&ctx.rpc, &account).await?;
    found.sort_by_key(|(address, _)| *address);
    let items: Vec<Value> = found
        .iter()
        .map(|(address, device)| Value::Object(device_json(address, device)))
        .collect();
    let io = Unit::io();
    let cells: Vec<Vec<String>> = found
        .iter()
        .map(|(address, device)| {
            vec![
                address.to_string(),
                device.class.to_string(),
                if device.state == DeviceState::Draining as u8 {
                    "draining"
                } else {
                    "active"
                }
                .to_owned(),
                io.show(device.bond),
                io.show(device.exposure),
                format!("{} / {}", device.completed, device.failed),
                crate::amount::decimal(u64::from(device.tops_e2), 2),
                link_text(device),
                attested_text(device),
                if device.current_job == Pubkey::default() {
                    String::new()
                } else {
                    short(&device.current_job.to_string())
                },
            ]
        })
        .collect();
    let columns = [
        "DEVICE",
        "CLASS",
        "STATE",
        "BOND",
        "EXPOSURE",
        "DONE / FAILED",
        "TOPS",
        "DOWN / UP, LATENCY",
        "ATTESTED",
        "JOB",
    ];
    ctx.out.list(
        &items,
        &columns,
        &cells,
        "No devices yet. Register one: io device register --class ID --operator-key FILE",
    )
}

/// What its link showed, for people.
fn link_text(device: &Device) -> String {
    if device.latency_ms == 0 {
        return String::new();
    }
    format!(
        "{} / {} Mbit/s, {} ms",
        device.down_mbit, device.up_mbit, device.latency_ms
    )
}

fn attested_text(device: &Device) -> String {
    if device.attested_at > 0 {
        utc(device.attested_at)
    } else {
        "never".to_owned()
    }
}

fn show(ctx: &Context, account: &Pubkey, device: &Device) -> Result<()> {
    let io = Unit::io();
    let known = device.attested_at > 0;
    let measured = |text: String| if known { text } else { String::new() };
    let state = match (
        device.state == DeviceState::Draining as u8,
        device.is_idle(),
    ) {
        (true, _) => "draining",
        (false, true) => "idle",
        (false, false) => "at work",
    };
    let rows = [
        ("device", account.to_string()),
        ("provider", device.provider.to_string()),
        ("operator", device.operator.to_string()),
        ("class", device.class.to_string()),
        ("state", state.to_owned()),
        ("attested", attested_text(device)),
        (
            "int8",
            measured(format!(
                "{} TOPS",
                crate::amount::decimal(u64::from(device.tops_e2), 2)
            )),
        ),
        ("memory", measured(format!("{} MiB", device.memory_mib))),
        (
            "bandwidth",
            measured(format!("{} MiB/s", device.bandwidth_mib_s)),
        ),
        ("down / up, latency", link_text(device)),
        (
            "region",
            io_api::text::region(device.region).unwrap_or_default(),
        ),
        ("bond", io.show(device.bond)),
        ("exposure", io.show(device.exposure)),
        ("penalty due", io.show(device.fault_due())),
        (
            "jobs",
            format!("{} done, {} failed", device.completed, device.failed),
        ),
        ("registered", utc(device.since)),
    ];
    ctx.out
        .record(&Value::Object(device_json(account, device)), &rows)
}

/// What names a found device in a worker's configuration.
fn selected_by(selection: &DeviceSelection) -> String {
    match selection {
        DeviceSelection::Host { .. } => "kind = \"host\"".into(),
        DeviceSelection::Nvidia { index } => format!("kind = \"nvidia\", index = {index}"),
    }
}

async fn find(ctx: &Context) -> Result<()> {
    let found = crate::blocking(|| Ok(devices::find()?)).await?;
    let mut items = Vec::new();
    let mut cells = Vec::new();
    for device in &found.devices {
        let account = device.address();
        let registered = accounts::fetch_maybe::<Device>(&ctx.rpc, &account)
            .await
            .ok()
            .flatten()
            .is_some();
        items.push(json!({
            "device": account.to_string(), "name": device.name, "memory_mib": device.memory_mib, "threads": device.threads,
            "unusable_because": device.unusable_because, "registered": registered, "selection": device.selection,
        }));
        cells.push(vec![
            account.to_string(),
            selected_by(&device.selection),
            device.name.clone(),
            format!("{} MiB", device.memory_mib),
            if registered { "yes" } else { "no" }.to_owned(),
            device.unusable_because.clone().unwrap_or_default(),
        ]);
    }
    for note in &found.notes {
        ctx.say(note);
    }
    ctx.out.list(
        &items,
        &[
            "DEVICE",
            "SELECTED BY",
            "NAME",
            "MEMORY",
            "REGISTERED",
            "CANNOT WORK BECAUSE",
        ],
        &cells,
        "No device was found.",
    )
}
