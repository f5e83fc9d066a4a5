//! `io oracle convict`: an oracle that signed that it ran a job and that its result is right, when running the job comes to another.
//!
//! Nothing is decided here. Each of the other oracles runs the job itself and signs what it finds; a quorum of such signatures costs the
//! accused its bond.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use io_api::{
    auth::verify_signature,
    client::OracleClient,
    text,
    types::{Attestation, Conduct, ConductState},
};
use io_client::{
    Pubkey, Signature, accounts, ed25519,
    instructions::{self, ConvictArgs},
    io_network::state::OracleSet,
    pda, tokens,
};
use io_protocol::{
    messages::{Bytes32, Deployment},
    slashing::ConductStatement,
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    commands::audit::canary,
    context::{Context, address, random_u64},
    failure::{Failure, Result},
    output::short,
    progress::Meter,
};

/// Pause between questions to an oracle that runs the job.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub struct ConvictArguments {
    /// A job's address, or a file: a canary's evidence, or an attestation as `GET /v1/jobs/JOB/attestation` answers it.
    #[arg(value_name = "JOB|FILE")]
    pub what: String,
    /// Key of the oracle, where several signed that they ran the job and that its result is right.
    #[arg(long, value_name = "KEY")]
    pub of: Option<String>,
    /// Longest wait for the oracles to run the job, seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub wait: u64,
}

/// An attestation that can be held against its oracle, and what it is about.
struct Charge {
    accused: Pubkey,
    job: Pubkey,
    said: Attestation,
}

/// What can be held against oracles among `all`, one of each; or why nothing can.
fn charges(
    deployment: Deployment,
    all: Vec<Attestation>,
) -> std::result::Result<Vec<Charge>, String> {
    let (mut charges, mut reasons) = (BTreeMap::new(), BTreeSet::new());
    for said in all {
        let keys = text::parse_key(&said.oracle).zip(text::parse_key(&said.job));
        let Some((accused, job)) = keys else {
            reasons.insert("its oracle or its job is no address");
            continue;
        };
        match said.vouches_by_running(deployment, &job) {
            Err(why) => {
                reasons.insert(why);
            }
            Ok(_) => {
                charges.entry(accused).or_insert(Charge {
                    accused: Pubkey::new_from_array(accused),
                    job: Pubkey::new_from_array(job),
                    // Oracles keep what is under a signature: the same for all of them.
                    said: said.signed_part(),
                });
            }
        }
    }
    if charges.is_empty() {
        let reasons: Vec<_> = reasons.into_iter().collect();
        return Err(match reasons.is_empty() {
            true => "no oracle has a verdict".to_owned(),
            false => reasons.join("; "),
        });
    }
    Ok(charges.into_values().collect())
}

fn from_file(path: &Path) -> Result<Vec<Attestation>> {
    if let Ok(evidence) = canary::read::<canary::Evidence>("evidence", path) {
        return Ok(evidence.attestations);
    }
    match canary::read::<Attestation>("attestation", path) {
        Ok(said) => Ok(vec![said]),
        Err(_) => Err(Failure::usage(format!(
            "{} is neither a canary's evidence nor an attestation",
            path.display()
        ))
        .hint("`io audit canary run` and `reveal` write evidence; an oracle's API answers attestations.")),
    }
}

impl Charge {
    /// What is found, as far as it is this charge's.
    fn args(&self) -> ConvictArgs {
        let said = self.said.evidence().unwrap_or_default();
        ConvictArgs {
            job: self.job,
            created_slot: self.said.created_slot,
            epoch: self.said.epoch,
            evidence: *blake3::hash(&said).as_bytes(),
        }
    }

    /// What an oracle signs who finds it, for the set of this version and this finder.
    fn statement(
        &self,
        deployment: Deployment,
        set_version: u64,
        finder: Bytes32,
    ) -> ConductStatement {
        let args = self.args();
        ConductStatement {
            deployment,
            set_version,
            oracle: self.accused.to_bytes(),
            job: self.job.to_bytes(),
            created_slot: args.created_slot,
            epoch: args.epoch,
            evidence: args.evidence,
            finder,
        }
    }
}

/// What the oracles that were asked say.
#[derive(Default)]
struct Answers {
    /// By the finder that they name: one that names another keeps nobody's signature from counting.
    signatures: BTreeMap<Bytes32, BTreeMap<Bytes32, Signature>>,
    /// Of oracles that signed nothing: who, and why.
    others: Vec<(String, String)>,
}

impl Answers {
    /// The finder that most name, and who signed for it.
    fn most(&self) -> Option<(&Bytes32, &BTreeMap<Bytes32, Signature>)> {
        self.signatures.iter().max_by_key(|(_, by)| by.len())
    }

    fn count(&self) -> usize {
        self.most().map_or(0, |(_, by)| by.len())
    }
}

/// Who signed an answer, and the finder that it names, if all of it is what that oracle may sign. Pure.
fn finding(
    deployment: Deployment,
    set: &OracleSet,
    charge: &Charge,
    answer: &Conduct,
) -> Option<(Bytes32, Bytes32, Signature)> {
    let found = answer.finding.as_ref()?;
    let by = text::parse_key(&answer.oracle)?;
    let finder = text::parse_key(&found.finder)?;
    let statement = charge.statement(deployment, set.version, finder);
    let signature = text::parse_signature(&found.signature)?;
    let counts = set.position(&by).is_some()
        && by != charge.accused.to_bytes()
        && verify_signature(&by, &statement.to_bytes(), &signature);
    counts.then(|| (by, finder, Signature::from(signature)))
}

/// Asks each oracle until all that can have answered, or a quorum has signed, or `until`.
async fn ask(
    clients: &[OracleClient],
    deployment: Deployment,
    set: &OracleSet,
    charge: &Charge,
    until: Instant,
) -> Answers {
    let mut answers = Answers::default();
    let job: Bytes32 = charge.job.to_bytes();
    let mut asked: Vec<&OracleClient> = clients.iter().collect();
    while !asked.is_empty() && answers.count() < usize::from(set.quorum) {
        let mut running = Vec::new();
        for client in asked {
            let host = client.host().to_owned();
            match client.conduct(&job, &charge.said).await {
                Ok(answer) if answer.state == ConductState::Running => {
                    if Instant::now() < until {
                        running.push(client);
                    } else {
                        let why = "still runs the job; ask again later".to_owned();
                        answers.others.push((host, why));
                    }
                }
                Ok(answer) => match finding(deployment, set, charge, &answer) {
                    Some((by, finder, signature)) => {
                        let of_finder = answers.signatures.entry(finder).or_default();
                        of_finder.insert(by, signature);
                    }
                    None => {
                        let why = answer
                            .reason
                            .unwrap_or_else(|| "signed nothing that counts".to_owned());
                        answers.others.push((host, why));
                    }
                },
                // Its own word: it is not asked about itself.
                Err(error) if error.api().is_some_and(|error| error.code == "conflict") => {}
                Err(error) if error.is_transient() && Instant::now() < until => {
                    running.push(client);
                }
                Err(error) => answers.others.push((host, error.to_string())),
            }
        }
        asked = running;
        if !asked.is_empty() {
            sleep(AGAIN).await;
        }
    }
    answers
}

pub async fn convict(args: &ConvictArguments, ctx: &Context) -> Result<()> {
    let wallet = ctx.wallet()?;
    let network = ctx.network().await?;
    let deployment = network.deployment();
    let oracles = ctx.oracles()?;
    let file = PathBuf::from(&args.what);
    let said = if file.is_file() {
        from_file(&file)?
    } else {
        let job = address("JOB", &args.what).map_err(|failure| {
            failure.hint("Expected a job's address, or a file that is there.")
        })?;
        oracles.attestations(&job).await
    };
    let mut charges = charges(deployment, said).map_err(|why| {
        Failure::failed(format!(
            "no oracle signed that it ran this job and that its result is right: {why}"
        ))
    })?;
    if let Some(of) = &args.of {
        let of = address("--of", of)?;
        charges.retain(|charge| charge.accused == of);
    }
    let charge = match charges.as_slice() {
        [charge] => charge,
        [] => {
            return Err(Failure::failed(
                "that oracle did not sign that it ran this job and that its result is right",
            ));
        }
        several => {
            let keys: Vec<_> = several
                .iter()
                .map(|charge| charge.accused.to_string())
                .collect();
            return Err(Failure::usage(format!(
                "{} oracles signed that they ran it and that its result is right: {}",
                keys.len(),
                keys.join(", ")
            ))
            .hint("Name one: --of KEY."));
        }
    };
    let set = accounts::fetch::<OracleSet>(&ctx.rpc, &pda::oracle_set()).await?;
    let mut meter = Meter::new(ctx);
    meter.state("the other oracles run the job");
    let until = Instant::now() + Duration::from_secs(args.wait);
    let answers = ask(&oracles.clients, deployment, &set, charge, until).await;
    meter.finish();
    let quorum = usize::from(set.quorum);
    let Some((finder, signed)) = answers.most().filter(|(_, by)| by.len() >= quorum) else {
        let others: Vec<_> = answers
            .others
            .iter()
            .map(|(host, why)| format!("{host}: {why}"))
            .collect();
        let failure = Failure::failed(format!(
            "{} of {quorum} needed oracles found the word of {} untrue. {}",
            answers.count(),
            short(&charge.accused.to_string()),
            if others.is_empty() {
                "No other was asked.".to_owned()
            } else {
                others.join("; ")
            }
        ));
        // One that answered otherwise has not been forgotten.
        return Err(if answers.count() + others.len() < quorum {
            failure.hint(
                "Every oracle of the network has to be known here: `io config show`, --oracle URL.",
            )
        } else {
            failure
        });
    };
    // No more than it takes: a transaction has room for few.
    let signatures: Vec<(Pubkey, Signature)> = signed
        .iter()
        .take(quorum)
        .map(|(by, signature)| (Pubkey::new_from_array(*by), *signature))
        .collect();
    let message = charge
        .statement(deployment, set.version, *finder)
        .to_bytes();
    let finder = Pubkey::new_from_array(*finder);
    let found = charge.args();
    let destination = tokens::associated(&finder, &network.io_mint);
    if tokens::balance(&ctx.rpc, &destination).await?.is_none() {
        // One of its own, as the other has no room for it.
        let create = tokens::create_associated(&wallet.address(), &finder, &network.io_mint);
        let intent = format!("finder-account:{finder}");
        let done = ctx.transact(intent, &wallet, &[], vec![create]).await?;
        if ctx.dry_run {
            let fields =
                json!({"oracle": charge.accused.to_string(), "finder": finder.to_string()});
            let what = "would open the finder's token account, and then convict";
            return ctx.report(&done, what, fields).await;
        }
    }
    let instructions = vec![
        ed25519::verify(&message, &signatures)?,
        instructions::convict_oracle(&charge.accused, &network.io_mint, &destination, found),
    ];
    let intent = format!("convict:{}:{}", charge.accused, random_u64()?);
    let done = ctx.transact(intent, &wallet, &[], instructions).await?;
    let fields = json!({
        "oracle": charge.accused.to_string(),
        "job": found.job.to_string(),
        "evidence": text::hash(&found.evidence),
        "finder": finder.to_string(),
        "signed_by": signatures.iter().map(|(key, _)| key.to_string()).collect::<Vec<_>>(),
    });
    ctx.report(&done, "convicted: its bond is lost", fields)
        .await
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use io_api::types::{Audit, Finding, WireVerdict};
    use io_client::Wallet;

    use super::*;

    const HERE: Deployment = Deployment {
        program: [1; 32],
        cluster: [2; 32],
    };
    const JOB: [u8; 32] = [3; 32];

    fn said(oracle: &Wallet, verdict: WireVerdict, audited: bool) -> Attestation {
        let mut said = Attestation {
            oracle: oracle.address().to_string(),
            set_version: 1,
            job: text::key(&JOB),
            created_slot: 9,
            epoch: 4,
            verdict,
            output_hash: text::hash(&[5; 32]),
            units: 3,
            disputed: false,
            signature: String::new(),
            checked_steps: 1,
            total_steps: 1,
            reason: Some("not signed".into()),
            verify_ms: 7,
            sample_proof: None,
            audit: Some(Audit {
                audited,
                rate_ppm: 1,
                reputation_bps: 2,
            }),
            audit_signature: None,
            wrong_steps: vec![8],
        };
        let statement = said.statement(HERE).unwrap();
        said.signature = oracle.sign(&statement.to_bytes()).to_string();
        let did = said.audit_statement(&statement).to_bytes();
        said.audit_signature = Some(oracle.sign(&did).to_string());
        said
    }

    /// Only who signed both, that it ran the job and that the result is right, has said anything that can be untrue.
    #[test]
    fn only_a_signed_run_that_vouches_is_a_charge() {
        let wallets = [11, 12, 13].map(|seed| Wallet::from_seed(&[seed; 32]));
        let [liar, form, honest] = &wallets;
        let all = vec![
            said(liar, WireVerdict::Valid, true),
            said(form, WireVerdict::Valid, false),
            said(honest, WireVerdict::Invalid, true),
        ];
        let found = charges(HERE, all.clone()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].accused, liar.address());
        // What nobody signed is not part of it.
        assert_eq!((found[0].said.verify_ms, &found[0].said.reason), (0, &None));
        assert!(found[0].said.wrong_steps.is_empty());

        assert!(charges(HERE, all[1..].to_vec()).is_err());
        let elsewhere = Deployment {
            cluster: [9; 32],
            ..HERE
        };
        assert!(charges(elsewhere, all.clone()).is_err());
        // Nobody else can put it into an oracle's mouth.
        type Change<'a> = &'a dyn Fn(&mut Attestation);
        let changes: [Change<'_>; 5] = [
            &|said| said.audit.as_mut().unwrap().audited = true,
            &|said| said.verdict = WireVerdict::Valid,
            &|said| said.oracle = honest.address().to_string(),
            &|said| said.audit_signature = None,
            &|said| said.job = text::key(&[4; 32]),
        ];
        for (of, change) in [(1, 0), (2, 1), (0, 2), (0, 3), (0, 4)] {
            let mut put_in = all[of].clone();
            changes[change](&mut put_in);
            assert!(charges(HERE, vec![put_in]).is_err(), "{of} {change}");
        }
    }

    /// A finding counts only under the signature of another oracle of the set, over this very charge.
    #[test]
    fn a_finding_is_another_oracles_about_this_charge() {
        let [liar, other, stranger] = [11, 12, 13].map(|seed| Wallet::from_seed(&[seed; 32]));
        let mut set = OracleSet {
            version: 6,
            used: 2,
            count: 2,
            quorum: 1,
            ..OracleSet::zeroed()
        };
        set.oracles[0] = liar.address();
        set.oracles[1] = other.address();
        let charge = charges(HERE, vec![said(&liar, WireVerdict::Valid, true)])
            .unwrap()
            .remove(0);
        let renter = [8; 32];
        let evidence = *blake3::hash(&serde_json::to_vec(&charge.said).unwrap()).as_bytes();
        let good = ConductStatement {
            deployment: HERE,
            set_version: 6,
            oracle: liar.address().to_bytes(),
            job: JOB,
            created_slot: 9,
            epoch: 4,
            evidence,
            finder: renter,
        };
        let answer = |by: &Wallet, statement: ConductStatement| Conduct {
            oracle: by.address().to_string(),
            accused: liar.address().to_string(),
            state: ConductState::Untrue,
            reason: None,
            finding: Some(Finding {
                set_version: statement.set_version,
                created_slot: statement.created_slot,
                epoch: statement.epoch,
                evidence: text::hash(&statement.evidence),
                finder: text::key(&renter),
                signature: by.sign(&statement.to_bytes()).to_string(),
            }),
        };
        let counted = finding(HERE, &set, &charge, &answer(&other, good)).unwrap();
        assert_eq!((counted.0, counted.1), (other.address().to_bytes(), renter));
        for by in [&liar, &stranger] {
            assert!(finding(HERE, &set, &charge, &answer(by, good)).is_none());
        }
        for wrong in [
            ConductStatement {
                set_version: 5,
                ..good
            },
            ConductStatement {
                oracle: [9; 32],
                ..good
            },
            ConductStatement {
                job: [9; 32],
                ..good
            },
            ConductStatement {
                evidence: [9; 32],
                ..good
            },
            ConductStatement {
                created_slot: 1,
                ..good
            },
            ConductStatement { epoch: 1, ..good },
            ConductStatement {
                finder: [9; 32],
                ..good
            },
        ] {
            assert!(finding(HERE, &set, &charge, &answer(&other, wrong)).is_none());
        }
        let nothing = Conduct {
            finding: None,
            ..answer(&other, good)
        };
        assert!(finding(HERE, &set, &charge, &nothing).is_none());
    }

    /// An accomplice that names another finder signs for nobody but itself.
    #[test]
    fn one_answer_takes_nobody_elses_signature_away() {
        let mut answers = Answers::default();
        let signature = Signature::from([1; 64]);
        let mut add = |finder: u8, by: u8| {
            let of = answers.signatures.entry([finder; 32]).or_default();
            of.insert([by; 32], signature);
        };
        add(1, 1);
        for by in [2, 3, 3] {
            add(2, by);
        }
        assert_eq!(answers.count(), 2);
        assert_eq!(answers.most().unwrap().0, &[2; 32]);
    }
}
