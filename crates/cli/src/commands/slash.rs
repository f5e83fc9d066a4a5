//! `io slash`.

use clap::{Subcommand, ValueEnum};
use io_api::types::Attestation;
use io_client::{
    Pubkey, accounts, instructions,
    instructions::SlashParty,
    io_network::state::{SlashCase, SlashCause, SlashState},
    pda, tokens,
};
use io_engines::BlobHash;
use io_protocol::messages::{Deployment, Verdict};
use serde_json::{Map, Value, json};

use super::provider;
use crate::{
    amount::Unit,
    context::{Context, address, put_amount, random_u64},
    failure::{Failure, Result},
    oracles::verdict_name,
    output::utc,
};

/// Largest evidence that is read, bytes.
const MAX_EVIDENCE_BYTES: u64 = 64 * 1024;

#[derive(Debug, Subcommand)]
pub enum SlashCommand {
    /// A provider's slash cases.
    List {
        /// The provider's authority or account; the wallet's own when absent.
        provider: Option<String>,
    },
    /// One case: what was taken, why, what the accuser found (fetched and verified), and until when what can be done.
    Show {
        /// Account of the case.
        case: String,
    },
    /// Contest a case as the provider, and put down the appeal's bond.
    Appeal {
        /// Account of the case.
        case: String,
    },
    /// Decide a case by time: unappealed it is upheld, undecided it is returned. Anybody may.
    Finalise {
        /// Account of the case.
        case: String,
    },
    /// Deliver what a decided case still owes, and close it. Anybody may.
    Claim {
        /// Account of the case.
        case: String,
        /// Deliver to this party alone.
        #[arg(long, value_enum)]
        party: Option<PartyName>,
    },
    /// What the oracles say about the job, each with its own signature.
    Evidence {
        /// Account of the case.
        case: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PartyName {
    Renter,
    Challenger,
    Appellant,
}

const PARTIES: [(PartyName, &str, SlashParty); 3] = [
    (PartyName::Renter, "renter", SlashParty::Renter),
    (PartyName::Challenger, "challenger", SlashParty::Challenger),
    (PartyName::Appellant, "appellant", SlashParty::Appellant),
];

fn owed(case: &SlashCase, party: SlashParty) -> (u64, Pubkey) {
    match party {
        SlashParty::Renter => (case.owed_renter, case.renter),
        SlashParty::Challenger => (case.owed_challenger, case.challenger),
        SlashParty::Appellant => (case.owed_appellant, case.appellant),
    }
}

fn state_name(case: &SlashCase) -> &'static str {
    match case.state() {
        Ok(SlashState::Open) => "open",
        Ok(SlashState::Appealed) => "appealed",
        Ok(SlashState::Upheld) => "upheld",
        Ok(SlashState::Returned) => "returned",
        Err(_) => "unknown",
    }
}

fn cause_name(case: &SlashCase) -> &'static str {
    match case.cause {
        1 => "expired",
        2 => "rejected",
        3 => "wrong hardware proof",
        _ => "unknown",
    }
}

/// Active oracles that a mask of slots names: those that have left are not told.
fn accusers(case: &SlashCase, slots: &[Pubkey]) -> Vec<String> {
    slots
        .iter()
        .enumerate()
        .filter(|(slot, key)| case.accusers & (1 << slot) != 0 && **key != Pubkey::default())
        .map(|(_, key)| key.to_string())
        .collect()
}

pub fn case_json(account: &Pubkey, case: &SlashCase) -> Map<String, Value> {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("case".into(), json!(account.to_string()));
    object.insert("number".into(), json!(case.number));
    object.insert("state".into(), json!(state_name(case)));
    object.insert("cause".into(), json!(cause_name(case)));
    object.insert("provider".into(), json!(case.provider.to_string()));
    object.insert("device".into(), json!(case.device.to_string()));
    object.insert("job".into(), json!(case.job.to_string()));
    object.insert("subject".into(), json!(hex(&case.subject)));
    object.insert(
        "evidence".into(),
        json!(filed(case).map(|hash| hash.to_string())),
    );
    for (name, amount) in [
        ("amount", case.amount),
        ("of_the_owner", case.owner_part),
        ("of_co_stakers", case.co_part),
        ("appeal_bond", case.appeal_bond),
        ("owed_renter", case.owed_renter),
        ("owed_challenger", case.owed_challenger),
        ("owed_appellant", case.owed_appellant),
        ("burned", case.burned),
    ] {
        put_amount(&mut object, name, amount, &io);
    }
    for (name, key) in [
        ("renter", case.renter),
        ("challenger", case.challenger),
        ("appellant", case.appellant),
        ("opener", case.opener),
    ] {
        let value = (key != Pubkey::default()).then(|| key.to_string());
        object.insert(name.into(), json!(value));
    }
    for (name, at) in [
        ("opened_at", case.opened_at),
        ("appeal_until", case.appeal_until),
        ("decide_until", case.decide_until),
        ("decided_at", case.decided_at),
    ] {
        object.insert(name.into(), json!((at != 0).then_some(at)));
    }
    object
}

/// The blob that an accuser filed.
fn filed(case: &SlashCase) -> Option<BlobHash> {
    (case.evidence != [0; 32]).then_some(BlobHash(case.evidence))
}

/// What an accuser found, from whichever oracle has it; its hash is checked.
async fn evidence(ctx: &Context, hash: &BlobHash) -> Result<Attestation> {
    let bytes = ctx.oracles()?.blob(hash, MAX_EVIDENCE_BYTES).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format!("the evidence {hash} is no attestation: {error}")))
}

/// Whether evidence is what the case needs: an accuser's own signed word against this very result. An accuser that has left the set
/// is known by its signature alone.
fn check(
    case: &SlashCase,
    slots: &[Pubkey],
    deployment: Deployment,
    said: &Attestation,
) -> std::result::Result<(), String> {
    let statement = said
        .statement(deployment)
        .ok_or("the evidence's job or output hash is none")?;
    if statement.job != case.job.to_bytes() || statement.output_hash != case.subject {
        return Err("the evidence is about another result".to_owned());
    }
    if statement.verdict != Verdict::Invalid {
        return Err("the evidence says that the result is right".to_owned());
    }
    let key = io_api::text::parse_key(&said.oracle).ok_or("the evidence names no oracle")?;
    let slot = slots.iter().position(|slot| slot.to_bytes() == key);
    if slot.is_some_and(|slot| case.accusers & (1 << slot) == 0) {
        return Err(format!(
            "the evidence is by {}, who did not accuse",
            said.oracle
        ));
    }
    if said.signed(deployment).is_none() {
        return Err(format!("the evidence is not signed by {}", said.oracle));
    }
    Ok(())
}

fn hex(bytes: &[u8; 32]) -> String {
    io_api::text::hash(bytes)
}

async fn find(ctx: &Context, text: &str) -> Result<(Pubkey, SlashCase)> {
    let account = address("CASE", text)?;
    let case = accounts::fetch_maybe::<SlashCase>(&ctx.rpc, &account)
        .await?
        .ok_or_else(|| {
            Failure::not_found(format!("there is no slash case at {account}")).hint(
                "It may be closed already. `io slash list PROVIDER` shows a provider's cases.",
            )
        })?;
    Ok((account, case))
}

async fn send(
    ctx: &Context,
    name: &str,
    account: &Pubkey,
    instructions: Vec<io_client::Instruction>,
    done: &str,
    mut fields: Map<String, Value>,
) -> Result<()> {
    let wallet = ctx.wallet()?;
    let intent = format!("slash-{name}:{account}:{}", random_u64()?);
    let sent = ctx.transact(intent, &wallet, &[], instructions).await?;
    fields.insert("case".into(), json!(account.to_string()));
    ctx.report(&sent, done, Value::Object(fields)).await
}

pub async fn run(command: &SlashCommand, ctx: &Context) -> Result<()> {
    let io = Unit::io();
    match command {
        SlashCommand::List { provider: text } => {
            let (account, _) = provider::find(ctx, text.as_deref()).await?;
            let mut all = accounts::slash_cases_of_provider(&ctx.rpc, &account).await?;
            all.sort_by_key(|(_, case)| case.number);
            let items: Vec<Value> = all
                .iter()
                .map(|(key, case)| Value::Object(case_json(key, case)))
                .collect();
            let cells: Vec<Vec<String>> = all
                .iter()
                .map(|(key, case)| {
                    vec![
                        key.to_string(),
                        case.number.to_string(),
                        cause_name(case).to_owned(),
                        state_name(case).to_owned(),
                        io.show(case.amount),
                        utc(case.appeal_until),
                    ]
                })
                .collect();
            ctx.out.list(
                &items,
                &["CASE", "NUMBER", "CAUSE", "STATE", "AMOUNT", "APPEAL UNTIL"],
                &cells,
                "The provider has no slash cases.",
            )
        }
        SlashCommand::Show { case } => {
            let (account, case) = find(ctx, case).await?;
            let set = accounts::oracle_set(&ctx.rpc).await?;
            let mut object = case_json(&account, &case);
            object.insert("accusers".into(), json!(accusers(&case, &set.oracles)));
            if let Some(hash) = filed(&case) {
                let deployment = ctx.network().await?.deployment();
                let found = match evidence(ctx, &hash).await {
                    Ok(said) => check(&case, &set.oracles, deployment, &said).map(|()| said),
                    Err(failure) => Err(failure.message),
                };
                match found {
                    Ok(said) => object.insert("found".into(), json!(said)),
                    Err(problem) => object.insert("evidence_problem".into(), json!(problem)),
                };
            }
            if ctx.out.for_people() {
                for name in ["opened_at", "appeal_until", "decide_until", "decided_at"] {
                    if let Some(at) = object.get(name).and_then(Value::as_i64) {
                        object.insert(name.into(), json!(utc(at)));
                    }
                }
            }
            super::job::show::show(ctx, &Value::Object(object))
        }
        SlashCommand::Appeal { case } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let (account, case) = find(ctx, case).await?;
            if case.provider != pda::provider(&wallet.address()) {
                return Err(Failure::wallet(format!(
                    "the case is against the provider {}, whose authority the wallet {} is not",
                    case.provider,
                    wallet.address()
                ))
                .hint("Sign with the provider's authority: -k FILE."));
            }
            let terms = match case.cause == SlashCause::BadCell as u8 {
                true => {
                    "is burned unless a quorum forgives what the program itself found wrong, which oracles do not do by themselves"
                }
                false => {
                    "comes back if the appeal succeeds or nobody decides it, and is burned if it fails"
                }
            };
            ctx.confirm(&format!(
                "Appeal, with a bond of {}? It {terms}.",
                io.show(case.appeal_bond)
            ))?;
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            let instruction = instructions::appeal_slash(&wallet.address(), &account, &token);
            let mut fields = Map::new();
            put_amount(&mut fields, "bond", case.appeal_bond, &io);
            send(
                ctx,
                "appeal",
                &account,
                vec![instruction],
                "appealed",
                fields,
            )
            .await
        }
        SlashCommand::Finalise { case } => {
            let network = ctx.network().await?;
            let (account, case) = find(ctx, case).await?;
            let instruction = instructions::finalise_slash_case(&account, &case, &network.io_mint);
            let done = match case.state() {
                Ok(SlashState::Appealed) if case.cause == SlashCause::BadCell as u8 => {
                    "upheld: the appeal was not decided in time"
                }
                Ok(SlashState::Appealed) => "returned: the appeal was not decided in time",
                _ => "upheld: nobody appealed",
            };
            send(
                ctx,
                "finalise",
                &account,
                vec![instruction],
                done,
                Map::new(),
            )
            .await
        }
        SlashCommand::Claim { case, party } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let (account, case) = find(ctx, case).await?;
            let mut instructions = Vec::new();
            let mut fields = Map::new();
            for (name, label, kind) in PARTIES {
                let (amount, owner) = owed(&case, kind);
                if amount == 0 || party.is_some_and(|wanted| wanted != name) {
                    continue;
                }
                let token = tokens::associated(&owner, &network.io_mint);
                instructions.push(tokens::create_associated(
                    &wallet.address(),
                    &owner,
                    &network.io_mint,
                ));
                instructions.push(instructions::pay_slash_share(&account, kind, &token));
                put_amount(&mut fields, label, amount, &io);
            }
            let decided = case.state().is_ok_and(SlashState::is_final);
            if decided && party.is_none() {
                instructions.push(instructions::close_slash_case(
                    &account,
                    &case,
                    &network.io_mint,
                ));
            }
            if instructions.is_empty() {
                return Err(Failure::failed(format!(
                    "the case is {} and owes nothing that could be delivered",
                    state_name(&case)
                ))
                .hint(
                    "An open case is decided first: `io slash finalise` when its time is over.",
                ));
            }
            send(ctx, "claim", &account, instructions, "delivered", fields).await
        }
        SlashCommand::Evidence { case } => {
            let (account, case) = find(ctx, case).await?;
            let said = ctx.oracles()?.attestations(&case.job).await;
            let mut object = Map::new();
            object.insert("case".into(), json!(account.to_string()));
            object.insert("job".into(), json!(case.job.to_string()));
            object.insert("cause".into(), json!(cause_name(&case)));
            object.insert("subject".into(), json!(hex(&case.subject)));
            let cells: Vec<Vec<String>> = said
                .iter()
                .map(|a| {
                    vec![
                        a.oracle.clone(),
                        verdict_name(a),
                        format!("{}/{}", a.checked_steps, a.total_steps),
                        a.reason.clone().unwrap_or_default(),
                    ]
                })
                .collect();
            object.insert("attestations".into(), json!(said));
            if !ctx.out.for_people() {
                return ctx.out.document(&Value::Object(object));
            }
            ctx.out.text(&format!(
                "{} of job {}, about {}\n",
                cause_name(&case),
                case.job,
                hex(&case.subject)
            ))?;
            ctx.out.list(
                &[],
                &["ORACLE", "VERDICT", "CHECKED", "REASON"],
                &cells,
                "No oracle that this command knows has a verdict about the job.",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    #[test]
    fn a_mask_names_those_still_there() {
        let case = SlashCase {
            accusers: 0b1011,
            ..SlashCase::zeroed()
        };
        let key = |n| Pubkey::new_from_array([n; 32]);
        let slots = [key(1), Pubkey::default(), key(3), key(4)];
        assert_eq!(
            accusers(&case, &slots),
            [key(1).to_string(), key(4).to_string()]
        );
    }
}
