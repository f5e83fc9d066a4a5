//! `io oracle bond` and `io oracle equivocation`.

use clap::{Args, Subcommand};
use io_api::{text, types::Attestation};
use io_client::{
    Pubkey, Signature, accounts, ed25519, instructions, io_network::state::Oracle, pda, tokens,
};
use io_protocol::slashing::{Contradiction, contradiction};
use serde_json::{Map, Value, json};

use crate::{
    amount::Unit,
    context::{Context, address, load_wallet, put_amount, random_u64},
    failure::{Failure, Result},
    output::utc,
};

#[derive(Debug, Subcommand)]
pub enum BondCommand {
    /// Open an account for an oracle's bond. The wallet becomes its owner, the oracle's key signs too.
    Register {
        /// Key file of the oracle.
        #[arg(long, value_name = "FILE")]
        oracle_key: std::path::PathBuf,
    },
    /// Add to an oracle's bond from the wallet. Anybody may.
    Add {
        /// Key of the oracle.
        oracle: String,
        /// Amount of IO.
        amount: String,
    },
    /// An oracle's bond.
    Show {
        /// Key of the oracle.
        oracle: String,
    },
    /// Start taking a bond out; it stays at stake until it is withdrawn.
    Unbond {
        /// Key of the oracle.
        oracle: String,
        /// Amount of IO.
        amount: String,
    },
    /// Withdraw what has matured.
    Withdraw {
        /// Key of the oracle.
        oracle: String,
    },
}

#[derive(Debug, Args)]
pub struct EquivocationArgs {
    /// Two files, each with one statement that the oracle signed: {"message": HEX, "signature": BASE58}, or an attestation as
    /// `GET /v1/jobs/JOB/attestation` answers it.
    #[arg(required = true, num_args = 2, value_names = ["FIRST", "SECOND"])]
    pub statements: Vec<std::path::PathBuf>,
    /// Key of the oracle [default: the one that the statements name].
    #[arg(long, value_name = "KEY")]
    pub of: Option<String>,
}

/// Largest statement file, bytes.
const MAX_STATEMENT: u64 = 64 * 1024;

async fn find(ctx: &Context, what: &str) -> Result<(Pubkey, Oracle)> {
    let key = address("ORACLE", what)?;
    let bond = accounts::fetch_maybe::<Oracle>(&ctx.rpc, &pda::oracle(&key))
        .await?
        .ok_or_else(|| {
            Failure::not_found(format!("the oracle {key} has no bond account"))
                .hint("`io oracle bond register --oracle-key FILE` opens one.")
        })?;
    Ok((key, bond))
}

fn fields(key: &Pubkey, bond: &Oracle) -> Map<String, Value> {
    let io = Unit::io();
    let mut object = Map::new();
    object.insert("oracle".into(), json!(key.to_string()));
    object.insert("account".into(), json!(pda::oracle(key).to_string()));
    object.insert("owner".into(), json!(bond.owner.to_string()));
    put_amount(&mut object, "bond", bond.bond, &io);
    put_amount(&mut object, "unbonding", bond.unbonding, &io);
    put_amount(&mut object, "slashed", bond.slashed, &io);
    let ready = (bond.ready_at != 0).then_some(bond.ready_at);
    object.insert("ready_at".into(), json!(ready));
    let convicted = (bond.convicted_by != [0; 32]).then(|| text::hash(&bond.convicted_by));
    object.insert("convicted_by".into(), json!(convicted));
    let barred = bond.require_unblemished().is_err();
    object.insert("barred".into(), json!(barred));
    object
}

pub async fn run(command: &BondCommand, ctx: &Context) -> Result<()> {
    let io = Unit::io();
    match command {
        BondCommand::Register { oracle_key } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let oracle = load_wallet(oracle_key)?;
            let key = oracle.address();
            let instruction =
                instructions::register_oracle(&key, &wallet.address(), &network.io_mint);
            let done = ctx
                .transact(
                    format!("oracle-register:{key}"),
                    &wallet,
                    &[oracle.signer()],
                    vec![instruction],
                )
                .await?;
            let fields = json!({"oracle": key.to_string(), "owner": wallet.address().to_string()});
            ctx.report(&done, "registered; next: io oracle bond add", fields)
                .await
        }
        BondCommand::Add { oracle, amount } => {
            let wallet = ctx.wallet()?;
            let base = io.parse("AMOUNT", amount)?;
            let network = ctx.network().await?;
            let (key, bond) = find(ctx, oracle).await?;
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            ctx.confirm(&format!(
                "Add {} to the bond of {key}? Only {} can take it out again.",
                io.show(base),
                bond.owner
            ))?;
            let instruction = instructions::add_oracle_bond(&key, &wallet.address(), &token, base);
            let intent = format!("oracle-bond:{key}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let mut fields = fields(&key, &bond);
            put_amount(&mut fields, "bond", bond.bond.saturating_add(base), &io);
            ctx.report(&done, "added", Value::Object(fields)).await
        }
        BondCommand::Show { oracle } => {
            let (key, bond) = find(ctx, oracle).await?;
            let mut object = fields(&key, &bond);
            if ctx.out.for_people() && bond.ready_at != 0 {
                object.insert("ready_at".into(), json!(utc(bond.ready_at)));
            }
            super::job::show::show(ctx, &Value::Object(object))
        }
        BondCommand::Unbond { oracle, amount } => {
            let wallet = ctx.wallet()?;
            let base = io.parse("AMOUNT", amount)?;
            let network = ctx.network().await?;
            let (key, bond) = find(ctx, oracle).await?;
            ctx.confirm(&format!(
                "Take {} out? It stays at stake for {}, then it can be withdrawn.",
                io.show(base),
                crate::output::seconds(f64::from(network.unbond_seconds))
            ))?;
            let instruction = instructions::request_oracle_unbond(&key, &wallet.address(), base);
            let intent = format!("oracle-unbond:{key}:{}", random_u64()?);
            let done = ctx
                .transact(intent, &wallet, &[], vec![instruction])
                .await?;
            let mut fields = fields(&key, &bond);
            put_amount(&mut fields, "bond", bond.bond.saturating_sub(base), &io);
            put_amount(&mut fields, "unbonding", base, &io);
            ctx.report(&done, "unbonding", Value::Object(fields)).await
        }
        BondCommand::Withdraw { oracle } => {
            let wallet = ctx.wallet()?;
            let network = ctx.network().await?;
            let (key, bond) = find(ctx, oracle).await?;
            let token = tokens::associated(&wallet.address(), &network.io_mint);
            let instructions = vec![
                tokens::create_associated(&wallet.address(), &wallet.address(), &network.io_mint),
                instructions::withdraw_oracle_bond(&key, &wallet.address(), &token),
            ];
            let intent = format!("oracle-withdraw:{key}:{}", random_u64()?);
            let done = ctx.transact(intent, &wallet, &[], instructions).await?;
            let mut fields = fields(&key, &bond);
            put_amount(&mut fields, "withdrawn", bond.unbonding, &io);
            ctx.report(&done, "withdrawn", Value::Object(fields)).await
        }
    }
}

/// A signed statement, with the key that it names if it names one.
#[derive(Debug, PartialEq, Eq)]
struct Signed {
    message: Vec<u8>,
    signature: [u8; 64],
    by: Option<Pubkey>,
}

#[derive(serde::Deserialize)]
struct Raw {
    message: String,
    signature: String,
    oracle: Option<String>,
}

fn read(path: &std::path::Path, deployment: io_protocol::messages::Deployment) -> Result<Signed> {
    let wrong = |why: String| {
        Failure::usage(format!("{} is no signed statement: {why}", path.display())).hint(
            "Expected {\"message\": HEX, \"signature\": BASE58}, or an attestation of an oracle's API.",
        )
    };
    let size = std::fs::metadata(path)
        .map_err(|e| wrong(e.to_string()))?
        .len();
    if size > MAX_STATEMENT {
        return Err(wrong(format!("{size} bytes, more than {MAX_STATEMENT}")));
    }
    let content = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    parse(&content, deployment).map_err(wrong)
}

fn parse(
    content: &str,
    deployment: io_protocol::messages::Deployment,
) -> std::result::Result<Signed, String> {
    let key = |text: &str| text.parse::<Pubkey>().map_err(|e| format!("'{text}': {e}"));
    let signature = |text: &str| {
        text::parse_signature(text)
            .ok_or_else(|| "the signature is not base58 of 64 bytes".to_owned())
    };
    if let Ok(raw) = serde_json::from_str::<Raw>(content) {
        return Ok(Signed {
            message: hex_bytes(&raw.message).ok_or("the message is not hexadecimal")?,
            signature: signature(&raw.signature)?,
            by: raw.oracle.as_deref().map(key).transpose()?,
        });
    }
    let said: Attestation = serde_json::from_str(content).map_err(|e| e.to_string())?;
    let statement = said
        .statement(deployment)
        .ok_or("its job or output hash is none")?;
    Ok(Signed {
        message: statement.to_bytes().to_vec(),
        signature: signature(&said.signature)?,
        by: Some(key(&said.oracle)?),
    })
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Sends the proof that an oracle contradicted itself.
pub async fn equivocation(args: &EquivocationArgs, ctx: &Context) -> Result<()> {
    let wallet = ctx.wallet()?;
    let network = ctx.network().await?;
    let deployment = network.deployment();
    let [first, second] = args.statements.as_slice() else {
        return Err(Failure::usage("two statements are needed"));
    };
    let (first, second) = (read(first, deployment)?, read(second, deployment)?);
    let key = match (&args.of, first.by.or(second.by)) {
        (Some(text), _) => address("--of", text)?,
        (None, Some(key)) => key,
        (None, None) => {
            return Err(
                Failure::usage("the statements don't name their signer").hint("Name it: --of KEY.")
            );
        }
    };
    for (name, signed) in [("first", &first), ("second", &second)] {
        if !io_api::auth::verify_signature(&key.to_bytes(), &signed.message, &signed.signature) {
            return Err(Failure::failed(format!(
                "the {name} statement is not signed by {key}"
            ))
            .hint("The network's genesis hash, the program and every field are part of what is signed."));
        }
    }
    let kind = match contradiction(&deployment, &first.message, &second.message) {
        Some(Contradiction::Result) => "two verdicts about one result, or about one dispute",
        Some(Contradiction::Reward) => "two roots of one epoch",
        Some(Contradiction::Slash) => "two decisions of one case",
        Some(Contradiction::Lease) => "two totals of one lease that don't add up",
        Some(Contradiction::Guidance) => "two figures of one class and epoch",
        None => {
            return Err(Failure::failed("the two statements do not contradict each other")
                .hint(
                    "They must be about the same job, epoch, case or lease on this network, and say something else. What an oracle found \
                     on a dispute does not contradict what it signed before it.",
                ));
        }
    };
    let token = tokens::associated(&wallet.address(), &network.io_mint);
    let signatures = [
        Signature::from(first.signature),
        Signature::from(second.signature),
    ];
    let instructions = vec![
        tokens::create_associated(&wallet.address(), &wallet.address(), &network.io_mint),
        ed25519::verify_pair(
            &key,
            [&first.message, &second.message],
            [&signatures[0], &signatures[1]],
        )?,
        instructions::prove_equivocation(&key, &network.io_mint, &token),
    ];
    let intent = format!("equivocation:{key}:{}", random_u64()?);
    let done = ctx.transact(intent, &wallet, &[], instructions).await?;
    let fields = json!({"oracle": key.to_string(), "proof": kind});
    ctx.report(&done, "proven: its bond is lost", fields).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: io_protocol::messages::Deployment = io_protocol::messages::Deployment {
        program: [1; 32],
        cluster: [2; 32],
    };

    #[test]
    fn raw_statements_are_read() {
        let signature = text::signature(&[7; 64]);
        let json = format!("{{\"message\": \"00ff10\", \"signature\": \"{signature}\"}}");
        let signed = parse(&json, HERE).unwrap();
        assert_eq!(
            (signed.message, signed.signature, signed.by),
            (vec![0, 255, 16], [7; 64], None)
        );
        for bad in [
            "{}".to_owned(),
            String::new(),
            format!("{{\"message\": \"0\", \"signature\": \"{signature}\"}}"),
            format!("{{\"message\": \"zz\", \"signature\": \"{signature}\"}}"),
            "{\"message\": \"00\", \"signature\": \"1\"}".to_owned(),
        ] {
            assert!(parse(&bad, HERE).is_err(), "{bad}");
        }
    }
}
