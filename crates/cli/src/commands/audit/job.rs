//! `io audit job`.
//!
//! Of an attestation the verdict, the draw, and what the oracle did are signed: whether it audited, and the device's reputation that the
//! rate follows from, are its own word, and it can be held to it.

use io_api::{
    text,
    types::{Attestation, WireVerdict},
};
use io_client::{
    Pubkey, accounts, audit,
    io_network::state::{Job, OracleSet},
    vrf,
};
use io_protocol::messages::{Deployment, ResultStatement, Verdict};
use serde_json::json;

use crate::{
    commands::job::show::fetch_job,
    context::Context,
    failure::{Failure, Result},
    oracles::verdict_name,
    output::short,
};

/// What an oracle's attestation comes to when it is worked out again.
#[derive(Debug, PartialEq, Eq)]
struct Checked {
    /// It is an oracle of the set, and signed this verdict about this result.
    signed: bool,
    /// What it says that it did is under its signature, too.
    did_signed: bool,
    /// Drawn by its key for the submission, at a rate no lower than the job's, `None` without one; on a dispute always.
    had_to_audit: Option<bool>,
    /// By its own word.
    audited: bool,
}

impl Checked {
    fn is_right(&self) -> bool {
        // Who looked into it without having to did no wrong.
        self.signed && self.did_signed && self.had_to_audit.is_some_and(|had| self.audited || !had)
    }
}

/// Pure.
fn check(
    address: &Pubkey,
    job: &Job,
    set: &OracleSet,
    deployment: Deployment,
    said: &Attestation,
) -> Checked {
    let key = text::parse_key(&said.oracle);
    let verdict = match said.verdict {
        WireVerdict::Valid => Verdict::Valid,
        WireVerdict::Invalid => Verdict::Invalid,
    };
    let about_job = ResultStatement {
        disputed: said.disputed,
        ..job.statement(address, deployment, said.set_version, verdict)
    };
    let signed = said
        .signed(deployment)
        .filter(|statement| *statement == about_job)
        .filter(|_| key.is_some_and(|key| set.position(&key).is_some()));
    let audit = said.audit.as_ref();
    let message = audit::sample_message(
        &deployment,
        &address.to_bytes(),
        job.created_slot,
        &job.output_hash,
    );
    let drawn = || {
        let proof = text::parse_proof(said.sample_proof.as_deref()?)?;
        let output = vrf::drawn(&key?, &message, &proof)?;
        let (oracles, quorum) = (set.count.into(), set.quorum.into());
        let reputation = audit?.reputation_bps;
        let address = address.to_bytes();
        Some(audit::draw(&address, job, &output, reputation, oracles, quorum).audits)
    };
    Checked {
        signed: signed.is_some(),
        did_signed: signed.is_some_and(|statement| said.signed_audit(&statement).is_some()),
        // A result that is wrong by its form has no steps to draw from.
        had_to_audit: match said.verdict {
            WireVerdict::Invalid if audit.is_none() => Some(false),
            // Nothing is drawn once somebody objects: what is found right then was run.
            WireVerdict::Invalid if said.disputed => Some(false),
            WireVerdict::Valid if said.disputed => Some(true),
            _ => drawn(),
        },
        audited: audit.is_some_and(|audit| audit.audited),
    }
}

pub async fn run(ctx: &Context, address: &Pubkey) -> Result<()> {
    let job = fetch_job(ctx, address).await?;
    let network = ctx.network().await?;
    let set = accounts::fetch::<OracleSet>(&ctx.rpc, &io_client::pda::oracle_set()).await?;
    let said = ctx.oracles()?.attestations(address).await;
    let mut items = Vec::new();
    let mut cells = Vec::new();
    let mut wrong = Vec::new();
    for said in &said {
        let checked = check(address, &job, &set, network.deployment(), said);
        if !checked.is_right() {
            wrong.push(said.oracle.clone());
        }
        let (rate, reputation) = said
            .audit
            .as_ref()
            .map_or((0, 0), |audit| (audit.rate_ppm, audit.reputation_bps));
        items.push(json!({
            "oracle": said.oracle,
            "verdict": said.verdict,
            "disputed": said.disputed,
            "signed": checked.signed,
            "did_signed": checked.did_signed,
            "had_to_audit": checked.had_to_audit,
            "audited": checked.audited,
            "rate_ppm": rate,
            "reputation_bps": reputation,
            "checked_steps": said.checked_steps,
            "total_steps": said.total_steps,
            "wrong_steps": said.wrong_steps,
            "reason": said.reason,
            "right": checked.is_right(),
        }));
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        cells.push(vec![
            short(&said.oracle),
            verdict_name(said),
            yes(checked.signed && checked.did_signed),
            checked.had_to_audit.map_or("can't be told".into(), yes),
            if checked.audited {
                "its steps".into()
            } else {
                "its form only".into()
            },
            format!("{} %", f64::from(rate) / 10_000.0),
            format!("{}/{}", said.checked_steps, said.total_steps),
        ]);
    }
    ctx.out.list(
        &items,
        &[
            "ORACLE",
            "VERDICT",
            "SIGNED",
            "HAD TO AUDIT",
            "SAYS IT LOOKED AT",
            "RATE",
            "STEPS",
        ],
        &cells,
        "No oracle that this command knows has a verdict about this job.",
    )?;
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "not in order: {}",
        wrong.join(", ")
    ))
    .hint(
        "The set of oracles may have changed since: its size and quorum enter the rate. If it has not, show this to the network's \
         administration.",
    ))
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use io_api::types::Audit;
    use io_client::Wallet;

    use super::*;

    /// An oracle that was drawn and looked at the form only is found out, whatever rate it states; one that wasn't drawn is not
    /// blamed, and neither is one that did more than it had to.
    #[test]
    fn an_oracle_that_passed_over_what_it_had_to_audit_is_found_out() {
        let deployment = Deployment {
            program: [1; 32],
            cluster: [2; 32],
        };
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..40_u8 {
            let oracle = Wallet::from_seed(&[n + 1; 32]);
            let mut set = OracleSet {
                version: 3,
                count: 3,
                used: 3,
                quorum: 2,
                ..OracleSet::zeroed()
            };
            set.oracles[0] = oracle.address();
            let job = Job {
                units: 1_000,
                ask: 5_000_000,
                io_per_unit_e9: 1_000_000_000,
                exposure: 5_000_000,
                reject_penalty_bps: 10_000,
                ..Job::zeroed()
            };
            let address = Pubkey::new_from_array([n; 32]);
            let message = audit::sample_message(&deployment, &address.to_bytes(), 0, &[0; 32]);
            let statement = |verdict| job.statement(&address, deployment, 3, verdict).to_bytes();
            // As an oracle signs what it did.
            let with_word = |said: Attestation, verdict: ResultStatement| {
                let did = said.audit_statement(&verdict).to_bytes();
                Attestation {
                    audit_signature: Some(oracle.sign(&did).to_string()),
                    ..said
                }
            };
            let valid = job.statement(&address, deployment, 3, Verdict::Valid);
            let unworded = |audited, rate_ppm| Attestation {
                oracle: oracle.address().to_string(),
                set_version: 3,
                job: address.to_string(),
                created_slot: 0,
                epoch: 0,
                verdict: WireVerdict::Valid,
                output_hash: text::hash(&[0; 32]),
                units: 1_000,
                disputed: false,
                signature: oracle.sign(&statement(Verdict::Valid)).to_string(),
                checked_steps: 0,
                total_steps: 9,
                reason: None,
                verify_ms: 0,
                sample_proof: Some(text::proof(&oracle.draw(&message).unwrap().0)),
                audit: Some(Audit {
                    audited,
                    rate_ppm,
                    reputation_bps: 9_500,
                }),
                audit_signature: None,
                wrong_steps: Vec::new(),
            };
            let said = |audited, rate_ppm| with_word(unworded(audited, rate_ppm), valid);
            let of = |said: &Attestation| check(&address, &job, &set, deployment, said);
            // Whoever finds a disputed result right has run it, whatever was drawn.
            let about_dispute = |verdict, audited| {
                let signed = ResultStatement {
                    disputed: true,
                    ..job.statement(&address, deployment, 3, verdict)
                };
                let said = Attestation {
                    verdict: if verdict == Verdict::Valid {
                        WireVerdict::Valid
                    } else {
                        WireVerdict::Invalid
                    },
                    disputed: true,
                    signature: oracle.sign(&signed.to_bytes()).to_string(),
                    ..unworded(audited, 0)
                };
                with_word(said, signed)
            };
            assert!(of(&about_dispute(Verdict::Valid, true)).is_right());
            assert!(!of(&about_dispute(Verdict::Valid, false)).is_right());
            assert!(of(&about_dispute(Verdict::Invalid, false)).is_right());
            let relabelled = Attestation {
                disputed: true,
                ..said(true, 0)
            };
            assert!(!of(&relabelled).signed);
            let passed_over = of(&said(false, 0));
            let drawn = passed_over.had_to_audit.unwrap();
            seen.insert(drawn);
            assert_eq!(passed_over.is_right(), !drawn, "{n}");
            assert!(of(&said(true, 1_000_000)).is_right());
            // Another's draw is none, and no draw is no excuse.
            let other = Wallet::from_seed(&[99; 32]);
            let borrowed = Attestation {
                sample_proof: Some(text::proof(&other.draw(&message).unwrap().0)),
                ..said(false, 0)
            };
            assert!(!of(&borrowed).is_right());
            let silent = Attestation {
                sample_proof: None,
                ..said(true, 0)
            };
            assert!(!of(&silent).is_right());
            let forged = Attestation {
                signature: other.sign(&statement(Verdict::Valid)).to_string(),
                ..said(true, 0)
            };
            assert!(!of(&forged).signed);
            // Nobody, on the way either, says of it that it did what it didn't sign.
            assert!(!of(&unworded(true, 0)).is_right());
            for changed in [
                Attestation {
                    audit_signature: said(false, 0).audit_signature,
                    ..said(true, 0)
                },
                Attestation {
                    checked_steps: 9,
                    ..said(true, 0)
                },
                Attestation {
                    total_steps: 1,
                    ..said(true, 0)
                },
                Attestation {
                    audit_signature: about_dispute(Verdict::Valid, true).audit_signature,
                    ..said(true, 0)
                },
            ] {
                assert!(!of(&changed).did_signed && !of(&changed).is_right());
            }
        }
        assert_eq!(seen.len(), 2, "some were drawn, some not");
    }
}
