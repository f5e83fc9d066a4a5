//! `io network`: the configuration on chain, and its administration.

use clap::{Args, Subcommand, ValueEnum};
use io_client::{
    Pubkey, Wallet, accounts, instructions,
    instructions::{
        ClassArgs, InitializeNetworkArgs, NetworkParams, PaymentMintArgs, Roles, SetOraclesArgs,
        StakeParams,
    },
    io_network::{
        constants::TREASURY_SHARDS,
        state::{BuyBack, DeviceClass, Network, OracleSet, PaymentMint, Proposal},
    },
    pda, tokens,
};
use serde_json::{Value, json};

use crate::{
    amount::Unit,
    context::{Context, Done, address, random_u64},
    failure::{Failure, Result},
    output::seconds,
};

/// Treasury shards that one transaction makes: more don't fit its size.
const SHARDS_A_TRANSACTION: usize = 4;

#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Parameters, oracles, payment mints and device classes.
    Show,
    /// Create the network. Signed by the program's upgrade authority, who becomes the administrator.
    Init(InitArgs),
    /// Replace the oracle set. Statements signed for the earlier set become void.
    SetOracles {
        /// Signatures that a decision needs.
        #[arg(long)]
        quorum: u8,
        /// The oracles' keys.
        // Not "oracles": that is the global --oracle.
        #[arg(id = "oracle_keys", value_name = "ORACLES", required = true)]
        oracles: Vec<String>,
    },
    /// Add a device class.
    AddClass(ClassOptions),
    /// Change a device class; what is not named stays.
    UpdateClass(ClassChanges),
    /// Allow a mint for payments, and create its treasury accounts.
    AddMint(MintOptions),
    /// Change a payment mint's fee, weight or availability; what is not named stays.
    UpdateMint(MintChanges),
    /// Create the treasury accounts that a payment mint still lacks, when `add-mint` was interrupted. Anybody may.
    Treasury {
        /// The mint.
        mint: String,
    },
    /// Change parameters; those not named stay.
    SetParams(ParamsOptions),
    /// Stop new jobs and stakes. Settlements, refunds and withdrawals go on.
    Pause,
    /// Take new jobs and stakes again.
    Resume,
    /// Say how long changes of the configuration wait; raising acts at once, lowering waits itself.
    SetTimelock {
        /// Seconds, at most 2592000 (30 days); 0 for not at all.
        seconds: u32,
    },
    /// Say who else may pause, change parameters, or change the oracle set; those not named stay.
    SetRoles(RoleOptions),
    /// Changes that are proposed, and when they can take effect.
    Proposals,
    /// Withdraw a proposed change.
    Cancel {
        /// Its address, as `proposals` lists it.
        proposal: String,
    },
    /// Propose a new administrator.
    ProposeAdmin {
        /// Their address.
        admin: String,
    },
    /// Take over, as the proposed administrator.
    AcceptAdmin,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// The IO mint; it has 8 decimals.
    #[arg(long, value_name = "MINT")]
    pub io_mint: String,
    /// Signatures that a decision needs.
    #[arg(long)]
    pub quorum: u8,
    /// The first oracles' keys.
    // Not "oracles": that is the global --oracle.
    #[arg(id = "oracle_keys", value_name = "ORACLES", required = true)]
    pub oracles: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ClassOptions {
    /// The class's number.
    pub id: u16,
    /// Its name, at most 32 bytes.
    #[arg(long)]
    pub name: String,
    /// Reward multiplier, like 1.25.
    #[arg(long)]
    pub multiplier: String,
    /// Least measured int8 TOPS, like 130.
    #[arg(long, default_value = "0")]
    pub min_tops: String,
    /// Least device memory, MiB.
    #[arg(long, default_value_t = 0)]
    pub min_memory: u32,
    /// Int8 TOPS that rewards measure a device's performance by, like 660; 0 for none: then each part of a machine earns as much as all
    /// of it.
    #[arg(long, default_value = "0")]
    pub norm_tops: String,
    /// The enterprise group instead of the community's.
    #[arg(long)]
    pub enterprise: bool,
    /// Least reference price of a device-hour, IO.
    #[arg(long, default_value = "0", value_name = "IO")]
    pub price_floor: String,
    /// Highest reference price of a device-hour, IO; 0 for none.
    #[arg(long, default_value = "0", value_name = "IO")]
    pub price_ceiling: String,
    /// Reference price to start with, IO; 0 keeps the present one.
    #[arg(long, default_value = "0", value_name = "IO")]
    pub reference_price: String,
}

#[derive(Debug, Args)]
pub struct ClassChanges {
    /// The class's number.
    pub id: u16,
    /// Its name, at most 32 bytes.
    #[arg(long)]
    pub name: Option<String>,
    /// Reward multiplier, like 1.25.
    #[arg(long)]
    pub multiplier: Option<String>,
    /// Least measured int8 TOPS, like 130.
    #[arg(long)]
    pub min_tops: Option<String>,
    /// Least device memory, MiB.
    #[arg(long)]
    pub min_memory: Option<u32>,
    /// Int8 TOPS that rewards measure a device's performance by, like 660; 0 for none: then each part of a machine earns as much as all
    /// of it.
    #[arg(long)]
    pub norm_tops: Option<String>,
    /// Whose rewards it shares in.
    #[arg(long, value_enum)]
    pub group: Option<Group>,
    /// Least reference price of a device-hour, IO.
    #[arg(long, value_name = "IO")]
    pub price_floor: Option<String>,
    /// Highest reference price of a device-hour, IO.
    #[arg(long, value_name = "IO")]
    pub price_ceiling: Option<String>,
    /// Reference price of a device-hour from now on, IO.
    #[arg(long, value_name = "IO")]
    pub reference_price: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Group {
    Community,
    Enterprise,
}

#[derive(Debug, Args)]
pub struct MintChanges {
    /// The mint.
    pub mint: String,
    /// Extra fee of the renter, basis points.
    #[arg(long)]
    pub fee_bps: Option<u16>,
    /// Weight against IO: IO base units for 10⁹ base units of it.
    #[arg(long, value_name = "N")]
    pub io_per_unit_e9: Option<u64>,
    /// Take new jobs in it, or refuse them.
    #[arg(long, value_name = "BOOL")]
    pub enabled: Option<bool>,
}

#[derive(Debug, Args)]
pub struct MintOptions {
    /// The mint.
    pub mint: String,
    /// Extra fee of the renter, basis points.
    #[arg(long, default_value_t = 0)]
    pub fee_bps: u16,
    /// Weight against IO: IO base units for 10⁹ base units of it.
    #[arg(long, value_name = "N")]
    pub io_per_unit_e9: u64,
    /// Refuse new jobs in it.
    #[arg(long)]
    pub disabled: bool,
}

#[derive(Debug, Args)]
pub struct RoleOptions {
    /// May pause; only the administrator resumes. "none" for nobody.
    #[arg(long, value_name = "KEY")]
    pub pauser: Option<String>,
    /// May change parameters, payment mints and device classes.
    #[arg(long, value_name = "KEY")]
    pub params: Option<String>,
    /// May change the oracle set.
    #[arg(long, value_name = "KEY")]
    pub oracles: Option<String>,
}

#[derive(Debug, Args)]
pub struct ParamsOptions {
    /// Base of the minimum bond, IO; more than 0.
    #[arg(long)]
    pub min_bond: Option<String>,
    /// How long a new job is its matched device's alone; at most 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub match_seconds: Option<u32>,
    /// How long a result may be objected to; 1 s to 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub challenge_seconds: Option<u32>,
    /// How long oracles may decide a dispute, beside twice the time that the device took; 1 s to 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub dispute_seconds: Option<u32>,
    /// How long a device's attested figures are good; 1 s to 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub attestation_seconds: Option<u32>,
    /// How long stake takes to leave; 1 s to 60 days, and longer than a challenge and a dispute.
    #[arg(long, value_name = "SECONDS")]
    pub unbond_seconds: Option<u32>,
    /// How long an ended job is kept from strangers who would close it; 1 s to 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub retention_seconds: Option<u32>,
    /// How long a provider that ends a lease early still serves it; 1 s to 60 days.
    #[arg(long, value_name = "SECONDS")]
    pub reclaim_notice_seconds: Option<u32>,
    /// Reservation fee of each side, basis points; at most 500.
    #[arg(long, value_name = "BPS")]
    pub reserve_bps: Option<u16>,
    /// What a job that is not delivered costs its device, basis points of the exposure; at most 10000.
    #[arg(long, value_name = "BPS")]
    pub expire_penalty_bps: Option<u16>,
    /// What a wrong result costs its device, basis points of the exposure; at most 10000.
    #[arg(long, value_name = "BPS")]
    pub reject_penalty_bps: Option<u16>,
    /// Share of IO fees that a sweep burns.
    #[arg(long, value_name = "BPS")]
    pub burn_bps: Option<u16>,
    /// Utilisation that reference prices move towards.
    #[arg(long, value_name = "BPS")]
    pub target_utilisation_bps: Option<u16>,
    /// Bond that a key must have to enter the oracle set, IO; 0 for none.
    #[arg(long, value_name = "IO")]
    pub min_oracle_bond: Option<String>,
    /// Least bond of an appeal, IO.
    #[arg(long, value_name = "IO")]
    pub appeal_bond_floor: Option<String>,
    /// Bond of an appeal, of the penalty.
    #[arg(long, value_name = "BPS")]
    pub appeal_bond_bps: Option<u16>,
    /// How long the slashed may appeal.
    #[arg(long, value_name = "SECONDS")]
    pub appeal_seconds: Option<u32>,
    /// An appeal that is not decided for this long succeeds.
    #[arg(long, value_name = "SECONDS")]
    pub decision_seconds: Option<u32>,
    /// Notice of a leaving co-staker.
    #[arg(long, value_name = "SECONDS")]
    pub co_notice_seconds: Option<u32>,
    /// Renter's share of an upheld penalty.
    #[arg(long, value_name = "BPS")]
    pub slash_renter_bps: Option<u16>,
    /// Share of whoever disputed, and of whoever proves an oracle's contradiction.
    #[arg(long, value_name = "BPS")]
    pub slash_challenger_bps: Option<u16>,
}

/// A network's parameters at its start: 0.25 % from each side, 14 days of unbonding, a bond of 200 IO.
pub fn default_params() -> NetworkParams {
    NetworkParams {
        min_bond: 200 * io_protocol::money::IO,
        match_seconds: 60,
        challenge_seconds: 600,
        dispute_seconds: 3_600,
        attestation_seconds: 2 * 3_600,
        unbond_seconds: 14 * 86_400,
        retention_seconds: 7 * 86_400,
        reclaim_notice_seconds: 86_400,
        reserve_bps: 25,
        expire_penalty_bps: 2_000,
        reject_penalty_bps: 10_000,
        burn_bps: 5_000,
        target_utilisation_bps: 7_000,
        stake: StakeParams {
            min_oracle_bond: 10_000 * io_protocol::money::IO,
            ..StakeParams::DEFAULT
        },
    }
}

fn stake_json(network: &Network) -> Value {
    json!({
        "min_oracle_bond": network.min_oracle_bond,
        "appeal_bond_floor": network.appeal_bond_floor,
        "appeal_bond_bps": network.appeal_bond_bps,
        "appeal_seconds": network.appeal_seconds,
        "decision_seconds": network.decision_seconds,
        "co_notice_seconds": network.co_notice_seconds,
        "slash_renter_bps": network.slash_renter_bps,
        "slash_challenger_bps": network.slash_challenger_bps,
    })
}

/// The parameters of bonds, slash cases and co-stake, with those changed that were given.
fn stake_params(options: &ParamsOptions, now: StakeParams) -> Result<StakeParams> {
    let io = Unit::io();
    let amount = |what: &str, text: &Option<String>, now: u64| match text {
        Some(text) => io.parse(what, text),
        None => Ok(now),
    };
    Ok(StakeParams {
        min_oracle_bond: amount(
            "--min-oracle-bond",
            &options.min_oracle_bond,
            now.min_oracle_bond,
        )?,
        appeal_bond_floor: amount(
            "--appeal-bond-floor",
            &options.appeal_bond_floor,
            now.appeal_bond_floor,
        )?,
        appeal_seconds: options.appeal_seconds.unwrap_or(now.appeal_seconds),
        decision_seconds: options.decision_seconds.unwrap_or(now.decision_seconds),
        co_notice_seconds: options.co_notice_seconds.unwrap_or(now.co_notice_seconds),
        appeal_bond_bps: options.appeal_bond_bps.unwrap_or(now.appeal_bond_bps),
        slash_renter_bps: options.slash_renter_bps.unwrap_or(now.slash_renter_bps),
        slash_challenger_bps: options
            .slash_challenger_bps
            .unwrap_or(now.slash_challenger_bps),
    })
}

pub fn params_of(network: &Network) -> NetworkParams {
    NetworkParams {
        min_bond: network.min_bond,
        match_seconds: network.match_seconds,
        challenge_seconds: network.challenge_seconds,
        dispute_seconds: network.dispute_seconds,
        attestation_seconds: network.attestation_seconds,
        unbond_seconds: network.unbond_seconds,
        retention_seconds: network.retention_seconds,
        reclaim_notice_seconds: network.reclaim_notice_seconds,
        reserve_bps: network.reserve_bps,
        expire_penalty_bps: network.expire_penalty_bps,
        reject_penalty_bps: network.reject_penalty_bps,
        burn_bps: network.burn_bps,
        target_utilisation_bps: network.target_utilisation_bps,
        stake: network.stake_params(),
    }
}

fn text_of(name: &[u8; 32]) -> String {
    String::from_utf8_lossy(name)
        .trim_end_matches('\0')
        .to_owned()
}

pub fn class_json(class: &DeviceClass) -> Value {
    json!({
        "id": class.id, "name": text_of(&class.name), "multiplier_e2": class.multiplier_e2,
        "min_tops_e2": class.min_tops_e2, "min_memory_mib": class.min_memory_mib,
        "group": if class.group == 1 { "enterprise" } else { "community" },
        "reference_price": class.reference_price, "price_floor": class.price_floor, "price_ceiling": class.price_ceiling,
        "utilisation_bps": class.utilisation_bps, "guidance_epoch": class.guidance_epoch,
    })
}

pub fn mint_json(payment: &PaymentMint, symbol: &str) -> Value {
    json!({
        "mint": payment.mint.to_string(), "symbol": symbol, "decimals": payment.decimals, "fee_bps": payment.fee_bps,
        "io_per_unit_e9": payment.io_per_unit_e9, "enabled": payment.enabled == 1,
        "token_2022": payment.token_2022 == 1,
        "treasury": some_key(&payment.main),
        "swept": payment.swept, "burned": payment.burned, "withdrawn": payment.withdrawn, "bought": payment.bought,
        "shards": payment.shards.iter().filter(|shard| **shard != Pubkey::default()).count(),
    })
}

/// An address, or nothing when it is not set.
fn some_key(key: &Pubkey) -> Option<String> {
    (*key != Pubkey::default()).then(|| key.to_string())
}

pub fn network_json(network: &Network) -> Value {
    let io = Unit::io();
    json!({
        "program": io_client::io_network::ID.to_string(),
        "admin": network.admin.to_string(),
        "pending_admin": some_key(&network.pending_admin),
        "io_mint": network.io_mint.to_string(),
        "cluster": io_client::Hash::new_from_array(network.cluster).to_string(),
        "paused": network.paused == 1,
        "min_bond": network.min_bond,
        "min_bond_text": io.show(network.min_bond),
        "match_seconds": network.match_seconds,
        "challenge_seconds": network.challenge_seconds,
        "dispute_seconds": network.dispute_seconds,
        "attestation_seconds": network.attestation_seconds,
        "unbond_seconds": network.unbond_seconds,
        "retention_seconds": network.retention_seconds,
        "reclaim_notice_seconds": network.reclaim_notice_seconds,
        "reserve_bps": network.reserve_bps,
        "expire_penalty_bps": network.expire_penalty_bps,
        "reject_penalty_bps": network.reject_penalty_bps,
        "stake": stake_json(network),
        "burn_bps": network.burn_bps,
        "target_utilisation_bps": network.target_utilisation_bps,
        "timelock_seconds": network.timelock_seconds,
        "roles": {
            "pauser": some_key(&network.pauser),
            "params": some_key(&network.params_role),
            "oracles": some_key(&network.oracles_role),
        },
        "treasury_owner": some_key(&network.treasury_owner),
    })
}

/// Unix seconds as a date would be; times of proposals.
pub fn proposal_json(address: &Pubkey, proposal: &Proposal) -> Value {
    json!({
        "proposal": address.to_string(),
        "change": instructions::name_of(&proposal.tag),
        "target": proposal.target.to_string(),
        "proposer": proposal.proposer.to_string(),
        "proposed_at": proposal.proposed_at,
        "ready_at": proposal.ready_at,
        "expires_at": proposal.expires_at,
    })
}

pub fn buy_back_json(rule: &BuyBack) -> Value {
    json!({
        "mint": rule.mint.to_string(),
        "floor_price": rule.floor_price,
        "ceiling_price": rule.ceiling_price,
        "budget": rule.budget,
        "enabled": rule.enabled == 1,
        "paid": rule.paid,
        "burned": rule.burned,
    })
}

pub fn oracles_json(set: &OracleSet) -> Value {
    json!({
        "version": set.version, "quorum": set.quorum,
        "oracles": set.active().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

async fn show(ctx: &Context) -> Result<()> {
    let network = ctx.network().await?;
    let set = accounts::oracle_set(&ctx.rpc).await?;
    let mut mints = accounts::fetch_all::<PaymentMint>(&ctx.rpc, Vec::new())
        .await?
        .1;
    mints.sort_by_key(|(_, payment)| (payment.mint != network.io_mint, payment.mint));
    let mut classes = accounts::fetch_all::<DeviceClass>(&ctx.rpc, Vec::new())
        .await?
        .1;
    classes.sort_by_key(|(_, class)| class.id);
    let mut value = network_json(network);
    if let Some(object) = value.as_object_mut() {
        object.insert("oracle_set".into(), oracles_json(&set));
        let list = mints
            .iter()
            .map(|(_, payment)| mint_json(payment, &ctx.symbol(&payment.mint, network)));
        object.insert("payment_mints".into(), list.collect());
        object.insert(
            "classes".into(),
            classes.iter().map(|(_, class)| class_json(class)).collect(),
        );
    }
    if !ctx.out.for_people() {
        return ctx.out.document(&value);
    }
    let time = |total: u32| seconds(f64::from(total));
    let percent = |bps: u16| format!("{} %", crate::amount::decimal(u64::from(bps), 2));
    let mut rows = vec![
        ("program", io_client::io_network::ID.to_string()),
        ("administrator", network.admin.to_string()),
        (
            "proposed",
            if network.pending_admin == Pubkey::default() {
                String::new()
            } else {
                format!(
                    "{} may take over: io network accept-admin",
                    network.pending_admin
                )
            },
        ),
        (
            "paused",
            if network.paused == 1 {
                "yes: no new jobs and stakes"
            } else {
                "no"
            }
            .to_owned(),
        ),
        (
            "fees",
            format!("{} from each side", percent(network.reserve_bps)),
        ),
        (
            "minimum bond",
            format!(
                "{} × the class's multiplier, at least × 1",
                Unit::io().show(network.min_bond)
            ),
        ),
        (
            "windows",
            format!(
                "match {}, challenge {}, dispute {}, unbonding {}",
                time(network.match_seconds),
                time(network.challenge_seconds),
                time(network.dispute_seconds),
                time(network.unbond_seconds)
            ),
        ),
        (
            "penalties",
            format!(
                "{} of the exposure when late, {} when wrong",
                percent(network.expire_penalty_bps),
                percent(network.reject_penalty_bps)
            ),
        ),
        (
            "oracles",
            format!(
                "{} of {} decide (set {})",
                set.quorum, set.count, set.version
            ),
        ),
    ];
    for oracle in set.active() {
        rows.push(("", oracle.to_string()));
    }
    for (_, payment) in &mints {
        let off = if payment.enabled == 1 {
            ""
        } else {
            ", not for new jobs"
        };
        rows.push((
            "payment mint",
            format!(
                "{} {}, + {}{off}",
                ctx.symbol(&payment.mint, network),
                payment.mint,
                percent(payment.fee_bps)
            ),
        ));
    }
    ctx.out.record(&value, &rows)?;
    let cells: Vec<Vec<String>> = classes
        .iter()
        .map(|(_, class)| {
            vec![
                class.id.to_string(),
                text_of(&class.name),
                crate::amount::decimal(u64::from(class.multiplier_e2), 2),
                crate::amount::decimal(u64::from(class.min_tops_e2), 2),
                format!("{} MiB", class.min_memory_mib),
                if class.group == 1 {
                    "enterprise"
                } else {
                    "community"
                }
                .to_owned(),
            ]
        })
        .collect();
    ctx.out.text("\n")?;
    ctx.out.list(
        &[],
        &[
            "CLASS",
            "NAME",
            "MULTIPLIER",
            "LEAST TOPS",
            "LEAST MEMORY",
            "GROUP",
        ],
        &cells,
        "No device classes yet.",
    )
}

fn keys(texts: &[String]) -> Result<Vec<Pubkey>> {
    texts
        .iter()
        .map(|text| address("an oracle", text))
        .collect()
}

fn hundredths(what: &str, text: &str) -> Result<u32> {
    let base = Unit {
        symbol: "hundredths".into(),
        decimals: 2,
    }
    .parse(what, text)?;
    u32::try_from(base).map_err(|_| Failure::usage(format!("{what} is {text}: too large")))
}

fn name_of(text: &str) -> Result<[u8; 32]> {
    if text.len() > 32 || text.is_empty() {
        return Err(
            Failure::usage(format!("--name has {} bytes, expected 1 to 32", text.len()))
                .hint("Choose another name."),
        );
    }
    Ok(instructions::class_name(text))
}

impl ClassOptions {
    fn args(&self) -> Result<ClassArgs> {
        Ok(ClassArgs {
            id: self.id,
            name: name_of(&self.name)?,
            multiplier_e2: hundredths("--multiplier", &self.multiplier)?,
            min_tops_e2: hundredths("--min-tops", &self.min_tops)?,
            min_memory_mib: self.min_memory,
            norm_tops_e2: hundredths("--norm-tops", &self.norm_tops)?,
            group: u8::from(self.enterprise),
            price_floor: Unit::io().parse("--price-floor", &self.price_floor)?,
            price_ceiling: Unit::io().parse("--price-ceiling", &self.price_ceiling)?,
            reference_price: Unit::io().parse("--reference-price", &self.reference_price)?,
        })
    }
}

impl ClassChanges {
    /// The class as it is, with these changes.
    fn apply(&self, now: &DeviceClass) -> Result<ClassArgs> {
        let tops = self
            .min_tops
            .as_ref()
            .map(|text| hundredths("--min-tops", text))
            .transpose()?;
        let multiplier = self
            .multiplier
            .as_ref()
            .map(|text| hundredths("--multiplier", text))
            .transpose()?;
        let norm = self
            .norm_tops
            .as_ref()
            .map(|text| hundredths("--norm-tops", text))
            .transpose()?;
        let price = |what: &str, text: &Option<String>, now: u64| match text {
            Some(text) => Unit::io().parse(what, text),
            None => Ok(now),
        };
        let before = ClassArgs {
            id: self.id,
            name: now.name,
            multiplier_e2: now.multiplier_e2,
            min_tops_e2: now.min_tops_e2,
            min_memory_mib: now.min_memory_mib,
            norm_tops_e2: now.norm_tops_e2,
            group: now.group,
            price_floor: now.price_floor,
            price_ceiling: now.price_ceiling,
            // The present one stays.
            reference_price: 0,
        };
        let args = ClassArgs {
            name: self.name.as_deref().map_or(Ok(now.name), name_of)?,
            multiplier_e2: multiplier.unwrap_or(now.multiplier_e2),
            min_tops_e2: tops.unwrap_or(now.min_tops_e2),
            min_memory_mib: self.min_memory.unwrap_or(now.min_memory_mib),
            norm_tops_e2: norm.unwrap_or(now.norm_tops_e2),
            group: self.group.map_or(now.group, |group| group as u8),
            price_floor: price("--price-floor", &self.price_floor, now.price_floor)?,
            price_ceiling: price("--price-ceiling", &self.price_ceiling, now.price_ceiling)?,
            reference_price: price("--reference-price", &self.reference_price, 0)?,
            ..before
        };
        if args == before {
            return Err(nothing_to_change());
        }
        Ok(args)
    }
}

fn nothing_to_change() -> Failure {
    Failure::usage("nothing to change").hint("Name at least one parameter; --help lists them.")
}

impl MintChanges {
    /// The payment mint as it is, with these changes.
    fn apply(&self, now: &PaymentMint) -> Result<PaymentMintArgs> {
        let args = PaymentMintArgs {
            io_per_unit_e9: self.io_per_unit_e9.unwrap_or(now.io_per_unit_e9),
            fee_bps: self.fee_bps.unwrap_or(now.fee_bps),
            enabled: self.enabled.unwrap_or(now.enabled == 1),
        };
        if (args.io_per_unit_e9, args.fee_bps, args.enabled)
            == (now.io_per_unit_e9, now.fee_bps, now.enabled == 1)
        {
            return Err(nothing_to_change());
        }
        Ok(args)
    }
}

async fn class_of(ctx: &Context, id: u16) -> Result<Option<DeviceClass>> {
    Ok(accounts::fetch_maybe::<DeviceClass>(&ctx.rpc, &pda::class(id)).await?)
}

async fn payment_of(ctx: &Context, mint: &Pubkey) -> Result<Option<PaymentMint>> {
    Ok(accounts::fetch_maybe::<PaymentMint>(&ctx.rpc, &pda::payment(mint)).await?)
}

fn no_payment_mint(mint: &Pubkey) -> Failure {
    Failure::not_found(format!("{mint} is no payment mint of this network"))
        .hint("`io network show` lists them; `io network add-mint` adds one.")
}

fn lacks_shards(payment: &PaymentMint) -> bool {
    payment
        .shards
        .iter()
        .any(|shard| *shard == Pubkey::default())
}

impl MintOptions {
    fn args(&self) -> PaymentMintArgs {
        PaymentMintArgs {
            io_per_unit_e9: self.io_per_unit_e9,
            fee_bps: self.fee_bps,
            enabled: !self.disabled,
        }
    }
}

/// One administrative instruction, sent and reported. While there is a timelock, a change is published first; the same
/// command, given again once it is ready, lets it take effect.
pub async fn administer(
    ctx: &Context,
    wallet: &Wallet,
    what: &str,
    instruction: io_client::Instruction,
    fields: Value,
) -> Result<()> {
    match send(ctx, wallet, instruction).await? {
        Some(done) => ctx.report(&done, what, fields).await,
        None => Ok(()),
    }
}

/// Sends an administrative instruction, or publishes it where the timelock asks for that, and says so: then `None`.
async fn send(
    ctx: &Context,
    wallet: &Wallet,
    mut instruction: io_client::Instruction,
) -> Result<Option<Done>> {
    if let Some(change) = instructions::change_of(&instruction) {
        let address = pda::proposal(&change.hash());
        let proposal = accounts::fetch_maybe::<Proposal>(&ctx.rpc, &address).await?;
        match proposal {
            Some(proposal) => {
                ready(&address, &proposal, ctx.rpc.chain_time().await?)?;
                instruction = instructions::with_proposal(instruction);
            }
            None if waits(ctx.network().await?, &instruction) => {
                propose(ctx, wallet, &instruction).await?;
                return Ok(None);
            }
            None => {}
        }
    }
    let intent = format!("network:{}", random_u64()?);
    let done = ctx.transact(intent, wallet, &[], vec![instruction]).await?;
    Ok(Some(done))
}

/// Raising the timelock is the one change that never waits.
fn waits(network: &Network, instruction: &io_client::Instruction) -> bool {
    let raise = instructions::new_timelock(instruction)
        .is_some_and(|seconds| seconds >= network.timelock_seconds);
    network.timelock_seconds > 0 && !raise
}

/// Whether a change may take effect at `now`, by the chain's clock.
fn ready(address: &Pubkey, proposal: &Proposal, now: i64) -> Result<()> {
    if now < proposal.ready_at {
        let wait = seconds((proposal.ready_at - now) as f64);
        return Err(Failure::failed(format!(
            "this change is proposed ({address}) and takes effect in {wait} at the earliest"
        ))
        .hint("Give the same command again then."));
    }
    if now > proposal.expires_at {
        return Err(
            Failure::failed("this change was proposed, but its time has passed").hint(format!(
                "Withdraw it with: io network cancel {address}; then propose it again."
            )),
        );
    }
    Ok(())
}

/// Publishes a change.
async fn propose(
    ctx: &Context,
    wallet: &Wallet,
    instruction: &io_client::Instruction,
) -> Result<()> {
    let Some(publish) = instructions::propose_change(&wallet.address(), instruction) else {
        return Err(Failure::usage("this change needs no proposal"));
    };
    let proposal = publish.accounts[2].pubkey;
    let network = ctx.network().await?;
    let wait = seconds(f64::from(network.timelock_seconds));
    let intent = format!("network:{}", random_u64()?);
    let done = ctx.transact(intent, wallet, &[], vec![publish]).await?;
    let what = format!("proposed; give the same command again in {wait}, and it takes effect");
    let mut fields = json!({ "proposal": proposal.to_string() });
    if matches!(done, Done::Landed(_)) {
        let published: Proposal = accounts::fetch(&ctx.rpc, &proposal).await?;
        fields["ready_at"] = json!(published.ready_at);
    }
    ctx.report(&done, &what, fields).await
}

/// Every proposed change.
async fn proposals(ctx: &Context) -> Result<()> {
    ctx.network().await?;
    let mut all = accounts::fetch_all::<Proposal>(&ctx.rpc, Vec::new())
        .await?
        .1;
    all.sort_by_key(|(address, proposal)| (proposal.ready_at, *address));
    let values: Vec<Value> = all
        .iter()
        .map(|(address, proposal)| proposal_json(address, proposal))
        .collect();
    let now = ctx.rpc.chain_time().await?;
    let cells: Vec<Vec<String>> = all
        .iter()
        .map(|(address, proposal)| {
            let when = match proposal.ready_at - now {
                _ if now > proposal.expires_at => "lapsed".to_owned(),
                left if left > 0 => format!("in {}", seconds(left as f64)),
                _ => format!("ready, for {}", seconds((proposal.expires_at - now) as f64)),
            };
            vec![
                address.to_string(),
                instructions::name_of(&proposal.tag).to_owned(),
                proposal.target.to_string(),
                when,
            ]
        })
        .collect();
    ctx.out.list(
        &values,
        &["PROPOSAL", "CHANGE", "OF", "TAKES EFFECT"],
        &cells,
        "No change is proposed.",
    )
}

pub async fn run(command: &NetworkCommand, ctx: &Context) -> Result<()> {
    match command {
        NetworkCommand::Show => return show(ctx).await,
        NetworkCommand::Proposals => return proposals(ctx).await,
        _ => {}
    }
    let wallet = ctx.wallet()?;
    let admin = wallet.address();
    match command {
        NetworkCommand::Show | NetworkCommand::Proposals => Ok(()),
        NetworkCommand::Cancel { proposal } => {
            let proposal = address("PROPOSAL", proposal)?;
            let instruction = instructions::cancel_change(&admin, &proposal);
            let fields = json!({"proposal": proposal.to_string()});
            administer(ctx, &wallet, "withdrawn", instruction, fields).await
        }
        NetworkCommand::SetTimelock { seconds: wait } => {
            let instruction = instructions::set_timelock(&admin, *wait);
            let fields = json!({"timelock_seconds": wait});
            administer(ctx, &wallet, "timelock changed", instruction, fields).await
        }
        NetworkCommand::SetRoles(options) => {
            let network = ctx.network().await?;
            let pick = |what: &str, text: &Option<String>, now: Pubkey| match text.as_deref() {
                None => Ok(now),
                Some("none") => Ok(Pubkey::default()),
                Some(text) => address(what, text),
            };
            let roles = Roles {
                pauser: pick("--pauser", &options.pauser, network.pauser)?,
                params: pick("--params", &options.params, network.params_role)?,
                oracles: pick("--oracles", &options.oracles, network.oracles_role)?,
            };
            let fields = json!({
                "pauser": some_key(&roles.pauser), "params": some_key(&roles.params),
                "oracles": some_key(&roles.oracles),
            });
            let instruction = instructions::set_roles(&admin, roles);
            administer(ctx, &wallet, "roles changed", instruction, fields).await
        }
        NetworkCommand::Init(args) => {
            let io_mint = address("--io-mint", &args.io_mint)?;
            let cluster = ctx.rpc.genesis_hash().await?.to_bytes();
            let oracles = keys(&args.oracles)?;
            let init = InitializeNetworkArgs {
                cluster,
                params: default_params(),
                quorum: args.quorum,
                oracles,
            };
            let instruction = instructions::initialize_network(&admin, &io_mint, init);
            let fields = json!({"admin": admin.to_string(), "io_mint": io_mint.to_string(), "quorum": args.quorum});
            let what = "created; next: io network add-mint IO-MINT --io-per-unit-e9 1000000000, and add-class";
            administer(ctx, &wallet, what, instruction, fields).await
        }
        NetworkCommand::SetOracles { quorum, oracles } => {
            let oracles = keys(oracles)?;
            ctx.confirm(&format!(
                "Replace the oracle set by these {} keys with quorum {quorum}?",
                oracles.len()
            ))?;
            let fields = json!({"quorum": quorum, "oracles": oracles.iter().map(ToString::to_string).collect::<Vec<_>>()});
            let set = accounts::oracle_set(&ctx.rpc).await?;
            let new: Vec<Pubkey> = match ctx.network().await?.min_oracle_bond {
                0 => Vec::new(),
                _ => oracles
                    .iter()
                    .filter(|key| set.position(key.as_ref()).is_none())
                    .copied()
                    .collect(),
            };
            let instruction = instructions::set_oracles(
                &admin,
                SetOraclesArgs {
                    quorum: *quorum,
                    oracles,
                },
            );
            let instruction = instructions::with_oracle_bonds(instruction, &new);
            administer(ctx, &wallet, "oracle set replaced", instruction, fields).await
        }
        NetworkCommand::AddClass(options) => {
            if let Some(there) = class_of(ctx, options.id).await? {
                return Err(Failure::failed(format!(
                    "class {} exists already: {}",
                    options.id,
                    text_of(&there.name)
                ))
                .hint("`io network update-class` changes it; `io network show` lists the numbers in use."));
            }
            let instruction = instructions::add_class(&admin, options.args()?);
            administer(
                ctx,
                &wallet,
                "class added",
                instruction,
                json!({"id": options.id, "name": options.name}),
            )
            .await
        }
        NetworkCommand::UpdateClass(options) => {
            let now = class_of(ctx, options.id).await?.ok_or_else(|| {
                Failure::not_found(format!("there is no device class {}", options.id))
                    .hint("`io network show` lists them; `io network add-class` adds one.")
            })?;
            let args = options.apply(&now)?;
            let name = text_of(&args.name);
            let instruction = instructions::update_class(&admin, args);
            administer(
                ctx,
                &wallet,
                "class changed",
                instruction,
                json!({"id": options.id, "name": name}),
            )
            .await
        }
        NetworkCommand::AddMint(options) => {
            let mint = address("MINT", &options.mint)?;
            if let Some(there) = payment_of(ctx, &mint).await? {
                let hint = if lacks_shards(&there) {
                    format!("Its treasury is not complete: io network treasury {mint}")
                } else {
                    "`io network update-mint` changes it.".to_owned()
                };
                return Err(Failure::failed(format!("{mint} is a payment mint already")).hint(hint));
            }
            let add = instructions::add_payment_mint(&admin, &mint, options.args());
            let fields = json!({"mint": mint.to_string()});
            let Some(done) = send(ctx, &wallet, add).await? else {
                return Ok(());
            };
            if !ctx.dry_run {
                treasury(ctx, &wallet, &mint).await.map_err(|failure| {
                    failure.hint(format!(
                        "The mint was added, its treasury is not complete: io network treasury {mint}"
                    ))
                })?;
            }
            let what = "payment mint added, with its treasury";
            ctx.report(&done, what, fields).await
        }
        NetworkCommand::UpdateMint(options) => {
            let mint = address("MINT", &options.mint)?;
            let now = payment_of(ctx, &mint)
                .await?
                .ok_or_else(|| no_payment_mint(&mint))?;
            let instruction =
                instructions::update_payment_mint(&admin, &mint, options.apply(&now)?);
            administer(
                ctx,
                &wallet,
                "payment mint changed",
                instruction,
                json!({"mint": mint.to_string()}),
            )
            .await
        }
        NetworkCommand::Treasury { mint } => {
            let mint = address("MINT", mint)?;
            let now = payment_of(ctx, &mint)
                .await?
                .ok_or_else(|| no_payment_mint(&mint))?;
            let shards = TREASURY_SHARDS;
            if !lacks_shards(&now) {
                let value = json!({"mint": mint.to_string(), "shards": shards, "created": 0});
                let all = format!("all {shards} treasury accounts are there already");
                return ctx.out.record(&value, &[("done", all)]);
            }
            let created = treasury(ctx, &wallet, &mint).await?;
            let value = json!({"mint": mint.to_string(), "shards": shards, "created": created, "dry_run": ctx.dry_run});
            let what = if ctx.dry_run {
                "would be created; nothing was sent"
            } else {
                "created"
            };
            ctx.out.record(
                &value,
                &[("treasury accounts", format!("{created} {what}"))],
            )
        }
        NetworkCommand::SetParams(options) => {
            let now = params_of(ctx.network().await?);
            let min_bond = options
                .min_bond
                .as_ref()
                .map(|text| Unit::io().parse("--min-bond", text))
                .transpose()?;
            let params = NetworkParams {
                min_bond: min_bond.unwrap_or(now.min_bond),
                match_seconds: options.match_seconds.unwrap_or(now.match_seconds),
                challenge_seconds: options.challenge_seconds.unwrap_or(now.challenge_seconds),
                dispute_seconds: options.dispute_seconds.unwrap_or(now.dispute_seconds),
                attestation_seconds: options
                    .attestation_seconds
                    .unwrap_or(now.attestation_seconds),
                unbond_seconds: options.unbond_seconds.unwrap_or(now.unbond_seconds),
                retention_seconds: options.retention_seconds.unwrap_or(now.retention_seconds),
                reclaim_notice_seconds: options
                    .reclaim_notice_seconds
                    .unwrap_or(now.reclaim_notice_seconds),
                reserve_bps: options.reserve_bps.unwrap_or(now.reserve_bps),
                expire_penalty_bps: options.expire_penalty_bps.unwrap_or(now.expire_penalty_bps),
                reject_penalty_bps: options.reject_penalty_bps.unwrap_or(now.reject_penalty_bps),
                burn_bps: options.burn_bps.unwrap_or(now.burn_bps),
                target_utilisation_bps: options
                    .target_utilisation_bps
                    .unwrap_or(now.target_utilisation_bps),
                stake: stake_params(options, now.stake)?,
            };
            if params == now {
                return Err(nothing_to_change());
            }
            let instruction = instructions::update_params(&admin, params);
            administer(
                ctx,
                &wallet,
                "parameters changed; jobs keep the terms they were created with",
                instruction,
                json!({}),
            )
            .await
        }
        NetworkCommand::Pause => {
            ctx.confirm("Stop new jobs and stakes?")?;
            administer(
                ctx,
                &wallet,
                "paused",
                instructions::set_paused(&admin, true),
                json!({"paused": true}),
            )
            .await
        }
        NetworkCommand::Resume => {
            administer(
                ctx,
                &wallet,
                "resumed",
                instructions::set_paused(&admin, false),
                json!({"paused": false}),
            )
            .await
        }
        NetworkCommand::ProposeAdmin { admin: proposed } => {
            let proposed = address("ADMIN", proposed)?;
            ctx.confirm(&format!("Propose {proposed} as the administrator?"))?;
            let instruction = instructions::propose_admin(&admin, &proposed);
            let fields = json!({"pending_admin": proposed.to_string()});
            administer(
                ctx,
                &wallet,
                "proposed; they take over with: io network accept-admin",
                instruction,
                fields,
            )
            .await
        }
        NetworkCommand::AcceptAdmin => {
            let fields = json!({"admin": admin.to_string()});
            administer(
                ctx,
                &wallet,
                "taken over",
                instructions::accept_admin(&admin),
                fields,
            )
            .await
        }
    }
}

/// Creates the treasury accounts that a payment mint still lacks, and says how many.
pub async fn treasury(ctx: &Context, payer: &Wallet, mint: &Pubkey) -> Result<usize> {
    let payment: PaymentMint = accounts::fetch(&ctx.rpc, &pda::payment(mint)).await?;
    let missing: Vec<u8> = (0..TREASURY_SHARDS as u8)
        .filter(|shard| payment.shards[usize::from(*shard)] == Pubkey::default())
        .collect();
    for batch in missing.chunks(SHARDS_A_TRANSACTION) {
        let make = batch
            .iter()
            .map(|shard| instructions::init_treasury_shard(&payer.address(), mint, *shard))
            .collect();
        let first = batch.first().copied().unwrap_or(0);
        ctx.transact(format!("treasury:{mint}:{first}"), payer, &[], make)
            .await?;
    }
    Ok(missing.len())
}

/// Sum of a mint's treasury accounts, base units.
pub async fn treasury_balance(ctx: &Context, mint: &Pubkey) -> Result<u64> {
    let mut sum: u64 = 0;
    for shard in 0..TREASURY_SHARDS as u8 {
        sum = sum.saturating_add(
            tokens::balance(&ctx.rpc, &pda::treasury(mint, shard))
                .await?
                .unwrap_or(0),
        );
    }
    Ok(sum)
}
