//! `io audit canary`: keeping oracles honest with jobs whose right answer is known beforehand.
//!
//! The known answer is committed to by the job's own address: its nonce is the head of
//! `SHA-256("io/canary/1....." ‖ spec hash ‖ hash of the right result ‖ salt)`. The job looks like any other until the salt is
//! shown. A device of one's own answers it wrong. Whatever oracle signs Valid has vouched for a wrong answer under a signature that
//! names the job's address, and so the commitment; whoever doubts the right answer runs the job again. The address says nothing of the
//! spec that the job was created with, but the wrong result's manifest does, and oracles let none pass that names another spec than its
//! job's.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use io_api::{text, types::Attestation};
use io_client::{Pubkey, pda};
use io_engines::{
    BlobFiles, BlobHash, Control, Engines, JobSpec, Manifest, VerificationClass,
    limits::{MAX_MANIFEST_BYTES, MAX_SPEC_BYTES},
};
use io_protocol::messages::{Deployment, Verdict};
use io_worker::canary::{Committed, Secret, secret_file};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    commands::{
        audit::result::{inputs, scratch},
        job::{
            self, SubmitOptions,
            show::{fetch_job, state_of},
        },
        requirement::RequirementArgs,
    },
    context::{Context, put_amount},
    failure::{Failure, Result, file_failure},
    work::{self, Prepared, WasmArgs},
};

/// A canary's terms, as `io job submit` has them when nothing else is said.
const DEADLINE: Duration = Duration::from_secs(3_600);
const MAX_RUN: Duration = Duration::from_secs(30 * 60);
/// Largest file of evidence that is read, bytes.
const MAX_EVIDENCE: u64 = 1024 * 1024;
/// Most attestations that evidence holds: of each oracle one from before a dispute, and one about it.
const MAX_ATTESTATIONS: usize = 64;

#[derive(Debug, Subcommand)]
pub enum CanaryCommand {
    /// All of it: run a job here, commit to its answer, submit it, wait for its end, and show what every oracle signed.
    Run(Box<RunArgs>),
    /// Run a job here, and commit to its answer: writes a secret file, and prints the nonce to submit the job with. Only exact jobs
    /// have an answer to know.
    Commit(CommitArgs),
    /// Once the job has ended: show the answer, and gather what each oracle signed as evidence.
    Reveal(RevealArgs),
    /// Check evidence: the commitment, every signature, and the right answer by running the job again.
    Verify {
        /// The file that `reveal` wrote.
        evidence: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub work: WasmArgs,
    /// The most that the job may cost, fees included, in the payment token. Naming it is agreement.
    #[arg(long, value_name = "AMOUNT")]
    pub max_price: String,
    /// Payment token: IO, a mint's address, or its symbol in the configuration.
    #[arg(long, value_name = "MINT")]
    pub mint: Option<String>,
    /// Folder for secret and evidence: the `canaries` of your worker's configuration, so that it answers this job wrong.
    #[arg(long, value_name = "DIR", default_value = "canaries")]
    pub folder: PathBuf,
    /// Wait no longer than this; the job goes on, and `reveal` does the rest.
    #[arg(long, value_name = "TIME", value_parser = crate::cli::duration)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct CommitArgs {
    #[command(flatten)]
    pub work: WasmArgs,
    /// Folder for the secret: the `canaries` of your worker's configuration.
    #[arg(long, value_name = "DIR", default_value = "canaries")]
    pub folder: PathBuf,
}

#[derive(Debug, Args)]
pub struct RevealArgs {
    /// The file that `commit` wrote.
    pub secret: PathBuf,
    /// Where to write the evidence.
    #[arg(long, value_name = "FILE", default_value = "canary-evidence.json")]
    pub evidence: PathBuf,
}

/// Everything that shows it: nobody has to be trusted, nor the chain to remember the job.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    program: BlobHash,
    cluster: BlobHash,
    renter: String,
    secret: Secret,
    /// The wrong result's manifest, as its canonical bytes: its hash is what oracles signed.
    wrong: String,
    pub attestations: Vec<Attestation>,
}

/// Refuses a result that depends on the machine.
fn same_everywhere(manifest: &Manifest) -> std::result::Result<(), String> {
    match manifest.failure_of_a_machine() {
        Some(kind) => Err(format!(
            "the result {} is '{kind}', which depends on the machine that runs the job",
            manifest.hash(),
        )),
        None => Ok(()),
    }
}

/// What the evidence shows of one oracle: what it said.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    oracle: String,
    /// It signed that the wrong result is valid; otherwise that it isn't.
    vouched: bool,
    /// It said so about the dispute over it.
    disputed: bool,
    /// It signed that it had run the job: beside `vouched` that is a lie.
    ran: bool,
}

impl Evidence {
    /// Checks all but the right answer itself. Pure.
    fn findings(&self) -> std::result::Result<Vec<Word>, String> {
        let renter = text::parse_key(&self.renter)
            .map(Pubkey::new_from_array)
            .ok_or_else(|| format!("the renter '{}' is no address", self.renter))?;
        if self.program.0 != io_client::io_network::ID.to_bytes() {
            return Err(format!(
                "it is about another program, {}",
                text::key(&self.program.0)
            ));
        }
        // An honest oracle signs Valid for this result only if the job has the spec that the result names.
        let wrong = Manifest::from_canonical(self.wrong.as_bytes())
            .map_err(|why| format!("the wrong result's manifest: {why}"))?;
        if wrong.spec != self.secret.spec {
            return Err(format!(
                "the wrong result is of spec {}, and the answer was committed to for {}",
                wrong.spec, self.secret.spec
            ));
        }
        same_everywhere(&wrong)?;
        let wrong = wrong.hash();
        if wrong == self.secret.right {
            return Err("it is about the right answer".into());
        }
        let job = self.secret.job(&renter);
        if self.attestations.len() > MAX_ATTESTATIONS {
            return Err(format!("more than {MAX_ATTESTATIONS} attestations"));
        }
        let deployment = Deployment {
            program: self.program.0,
            cluster: self.cluster.0,
        };
        let mut findings: Vec<Word> = Vec::new();
        for said in &self.attestations {
            let of = &said.oracle;
            if said.job != job.to_string() {
                return Err(format!(
                    "{of} speaks of job {}, and the answer was committed to by {job}",
                    said.job
                ));
            }
            let output = text::parse_hash(&said.output_hash)
                .ok_or_else(|| format!("{of}: no output hash"))?;
            if output != wrong.0 {
                return Err(format!("{of} speaks of another result than {wrong}"));
            }
            let twice = |finding: &Word| finding.oracle == *of && finding.disputed == said.disputed;
            if findings.iter().any(twice) {
                return Err(format!("{of} is there twice"));
            }
            let statement = said
                .signed(deployment)
                .ok_or_else(|| format!("{of} did not sign this"))?;
            let ran = said.signed_audit(&statement).is_some_and(|did| did.audited);
            findings.push(Word {
                oracle: of.clone(),
                vouched: statement.verdict == Verdict::Valid,
                disputed: said.disputed,
                ran,
            });
        }
        Ok(findings)
    }
}

/// Runs a job on this machine, and returns its result's hash, unless another machine could come to another.
fn answer(spec: &JobSpec, blobs: &BlobFiles) -> Result<BlobHash> {
    let engines = Engines::new()?;
    let engine = engines.get(spec);
    if engine.class() != VerificationClass::Exact {
        return Err(Failure::usage(format!(
            "the engine {} has no answer that is the same to the bit on every machine",
            engine.name()
        ))
        .hint("A canary is a wasm job."));
    }
    let folder = scratch()?;
    let outcome = engine.run(spec, blobs, folder.path(), &Control::new([0; 32]))?;
    same_everywhere(&outcome.manifest).map_err(Failure::failed)?;
    Ok(outcome.output_hash)
}

fn write(what: &str, path: &Path, value: &impl Serialize) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::usage(format!(
            "{} is there already: nothing is written over",
            path.display()
        ))
        .hint("Move it away, or name another file."),
        _ => file_failure(what, path, &error),
    };
    // Neither an older secret nor older evidence is lost.
    let file = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    serde_json::to_writer_pretty(file, value).map_err(|error| failed(error.into()))
}

pub fn read<T: serde::de::DeserializeOwned>(what: &str, path: &Path) -> Result<T> {
    let failed = |error: std::io::Error| file_failure(what, path, &error);
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_EVIDENCE {
        return Err(Failure::usage(format!(
            "{} has {size} bytes, more than {MAX_EVIDENCE}",
            path.display()
        )));
    }
    let content = std::fs::read(path).map_err(failed)?;
    serde_json::from_slice(&content)
        .map_err(|error| Failure::usage(format!("{} is no {what}: {error}", path.display())))
}

pub async fn run(ctx: &Context, command: &CanaryCommand) -> Result<()> {
    match command {
        CanaryCommand::Run(args) => whole(ctx, args).await,
        CanaryCommand::Commit(args) => commit(ctx, args).await,
        CanaryCommand::Reveal(args) => {
            let committed: Committed = read("secret", &args.secret)?;
            reveal(ctx, &committed, &args.evidence).await
        }
        CanaryCommand::Verify { evidence } => verify(ctx, evidence).await,
    }
}

/// Runs the work here, and commits to what comes out under the address of a job of `renter`'s.
async fn prepare(renter: Pubkey, work: WasmArgs) -> Result<(Prepared, Committed)> {
    if work.max_output == 0 {
        return Err(Failure::usage(
            "a canary is answered with another output, and --max-output is 0",
        ));
    }
    let (prepared, right) = crate::blocking(move || {
        let prepared = work::wasm(&work)?;
        let mut files = BlobFiles::default();
        for (blob, path) in &prepared.uploads {
            files.insert(blob.hash, path.clone());
        }
        let right = answer(&prepared.spec, &files)?;
        Ok((prepared, right))
    })
    .await?;
    let spec = prepared.spec.hash();
    let secret = loop {
        let mut salt = [0; 32];
        getrandom::fill(&mut salt)
            .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
        let secret = Secret {
            spec,
            right,
            salt: BlobHash(salt),
        };
        // As any other job's: the command and the web app choose nonces whose addresses are found at once.
        if pda::job_nonce(&renter, secret.nonce()) == secret.nonce() {
            break secret;
        }
    };
    let committed = Committed {
        renter: renter.to_string(),
        secret,
    };
    Ok((prepared, committed))
}

async fn commit(ctx: &Context, args: &CommitArgs) -> Result<()> {
    let renter = ctx.wallet()?.address();
    let (_, committed) = prepare(renter, args.work.clone()).await?;
    let (job, path) = keep(&args.folder, &renter, &committed)?;
    let nonce = committed.secret.nonce().to_string();
    let value = json!({
        "secret": path.display().to_string(),
        "spec_hash": committed.secret.spec,
        "nonce": nonce,
        "job": job.to_string(),
    });
    let next = format!(
        "name the folder as `canaries` in your worker's configuration, and submit the same work with --nonce {nonce}"
    );
    ctx.out.record(
        &value,
        &[
            ("secret", path.display().to_string()),
            ("spec", committed.secret.spec.to_string()),
            ("nonce", nonce),
            ("job", job.to_string()),
            ("next", next),
        ],
    )
}

/// Writes the secret where a worker looks for it.
fn keep(folder: &Path, renter: &Pubkey, committed: &Committed) -> Result<(Pubkey, PathBuf)> {
    std::fs::create_dir_all(folder).map_err(|error| file_failure("folder", folder, &error))?;
    let job = committed.secret.job(renter);
    let path = secret_file(folder, &job);
    write("secret", &path, committed)?;
    Ok((job, path))
}

/// Commits, submits, waits and reveals. Whatever ends it early, the secret is on the disk, and the rest can be done later.
async fn whole(ctx: &Context, args: &RunArgs) -> Result<()> {
    let wallet = ctx.wallet()?;
    let mint = ctx.mint(args.mint.as_deref()).await?;
    let work = job::within(&args.work, MAX_RUN);
    let max_total = mint.unit.parse("--max-price", &args.max_price)?;
    ctx.say("running the job here, for its right answer");
    let (prepared, committed) = prepare(wallet.address(), work).await?;
    let requirement = RequirementArgs::default();
    let options = SubmitOptions {
        max_total: Some(max_total),
        deadline: DEADLINE,
        max_run: MAX_RUN,
        requirement: &requirement,
        deposit: 0,
        nonce: Some(committed.secret.nonce()),
        lease: None,
    };
    let price = job::price(ctx, &prepared, &mint, &options).await?;
    let renter = wallet.address();
    let kept = match ctx.dry_run {
        true => None,
        false => Some(keep(&args.folder, &renter, &committed)?),
    };
    let submitted = job::submit(ctx, &wallet, &prepared, &mint, &price, &options).await?;
    let Some((job, secret)) = kept else {
        let mut fields = serde_json::Map::new();
        let job = committed.secret.job(&renter).to_string();
        fields.insert("job".into(), json!(job));
        put_amount(&mut fields, "escrow", price.escrow, &mint.unit);
        let what = "would submit the canary";
        return ctx.report(&submitted.done, what, fields.into()).await;
    };
    ctx.say(format!(
        "submitted {job}; its secret is {}",
        secret.display()
    ));
    let oracles = ctx.oracles()?;
    job::follow(ctx, Some(&oracles), &job, args.timeout)
        .await
        .map_err(|failure| {
            failure.hint(format!(
                "The job goes on. Once it has ended: io audit canary reveal {}",
                secret.display()
            ))
        })?;
    let evidence = args.folder.join(format!("{job}-evidence.json"));
    reveal(ctx, &committed, &evidence).await?;
    ctx.say(format!("evidence: {}", evidence.display()));
    Ok(())
}

async fn reveal(ctx: &Context, committed: &Committed, to: &Path) -> Result<()> {
    let Committed { renter, secret } = committed;
    let at = committed
        .job()
        .ok_or_else(|| Failure::usage(format!("the secret's renter '{renter}' is no address")))?;
    let job = fetch_job(ctx, &at).await?;
    if job.spec_hash != secret.spec.0 {
        return Err(Failure::usage(format!(
            "the job {at} is not of the spec that this secret commits to"
        ))
        .hint("Submit the same work, with the nonce that `io audit canary commit` printed."));
    }
    if !state_of(&job)?.is_final() {
        return Err(
            Failure::failed("the job has not ended: oracles would be warned")
                .hint("Wait for it: io job wait."),
        );
    }
    if job.output_hash == [0; 32] {
        return Err(Failure::failed(
            "the job ended without a result: it shows nothing",
        ));
    }
    if job.output_hash == secret.right.0 {
        return Err(
            Failure::failed("the job was answered right: it shows nothing").hint(
                "Its secret has to lie in the folder that is `canaries` in the configuration of the worker that takes it.",
            ),
        );
    }
    let deployment = ctx.network().await?.deployment();
    let oracles = ctx.oracles()?;
    let wrong = oracles
        .blob(&BlobHash(job.output_hash), MAX_MANIFEST_BYTES)
        .await?;
    let wrong = String::from_utf8(wrong)
        .map_err(|_| Failure::failed("the job's result has no manifest that can be read"))?;
    let mut attestations = oracles.attestations(&at).await;
    attestations.retain(|said| text::parse_hash(&said.output_hash) == Some(job.output_hash));
    attestations.sort_by(|a, b| (&a.oracle, a.disputed).cmp(&(&b.oracle, b.disputed)));
    attestations.dedup_by(|a, b| (&a.oracle, a.disputed) == (&b.oracle, b.disputed));
    let evidence = Evidence {
        program: BlobHash(deployment.program),
        cluster: BlobHash(deployment.cluster),
        renter: renter.clone(),
        secret: secret.clone(),
        wrong,
        attestations,
    };
    let findings = evidence.findings().map_err(Failure::failed)?;
    write("evidence", to, &evidence)?;
    report(ctx, &findings)
}

async fn verify(ctx: &Context, path: &Path) -> Result<()> {
    let evidence: Evidence = read("evidence", path)?;
    let findings = evidence
        .findings()
        .map_err(|why| Failure::failed(format!("{} shows nothing: {why}", path.display())))?;
    // Whoever ran the canary could have lied about the right answer.
    let oracles = ctx.oracles()?;
    let bytes = oracles.blob(&evidence.secret.spec, MAX_SPEC_BYTES).await?;
    let spec = JobSpec::from_canonical(&bytes)?;
    let folder = scratch()?;
    let files = inputs(ctx, &oracles, &spec, folder.path()).await?;
    let found = crate::blocking(move || answer(&spec, &files)).await?;
    if found != evidence.secret.right {
        return Err(Failure::failed(format!(
            "{} shows nothing: the right answer is {found}, and it says {}",
            path.display(),
            evidence.secret.right
        )));
    }
    report(ctx, &findings)
}

/// Whether oracles vouched for the wrong answer. That is a finding and no failure of the command.
fn report(ctx: &Context, findings: &[Word]) -> Result<()> {
    let items: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "oracle": finding.oracle,
                "vouched": finding.vouched,
                "disputed": finding.disputed,
                "ran": finding.ran,
            })
        })
        .collect();
    let cells: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            vec![
                finding.oracle.clone(),
                match (finding.vouched, finding.disputed) {
                    (true, false) => "vouched for the wrong answer".into(),
                    (true, true) => "vouched for it when it was disputed".into(),
                    (false, false) => "found it wrong".into(),
                    (false, true) => "found it wrong when it was disputed".into(),
                },
                match finding.ran {
                    true => "that it ran the job".into(),
                    false => "nothing of a run".into(),
                },
            ]
        })
        .collect();
    ctx.out.list(
        &items,
        &["ORACLE", "VERDICT", "AND SIGNED"],
        &cells,
        "No oracle gave a verdict.",
    )?;
    if findings
        .iter()
        .any(|finding| finding.vouched && finding.ran)
    {
        ctx.say("An oracle signed that it ran what it can't have run: io oracle convict EVIDENCE");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use io_api::types::{Audit, WireVerdict};
    use io_client::Wallet;
    use io_engines::Status;
    use io_protocol::messages::ResultStatement;

    use super::*;

    fn secret() -> Secret {
        Secret {
            spec: BlobHash([1; 32]),
            right: BlobHash([2; 32]),
            salt: BlobHash([3; 32]),
        }
    }

    fn manifest(spec: BlobHash, status: Status) -> Manifest {
        Manifest {
            version: io_engines::manifest::MANIFEST_VERSION,
            spec,
            status,
            units: 3,
            steps: 1,
            files: Vec::new(),
        }
    }

    fn failed(kind: &str) -> Status {
        Status::Failed(io_engines::Failure {
            kind: kind.into(),
            message: String::new(),
            fuel: 0,
        })
    }

    fn evidence() -> Evidence {
        evidence_of(&manifest(secret().spec, Status::Ok))
    }

    /// What oracles signed about a job with this result.
    fn evidence_of(wrong: &Manifest) -> Evidence {
        let output_hash = wrong.hash().0;
        let renter = Pubkey::new_from_array([7; 32]);
        let job = pda::job(&renter, secret().nonce());
        let deployment = Deployment {
            program: io_client::io_network::ID.to_bytes(),
            cluster: [5; 32],
        };
        let attestation = |n: u8, disputed, verdict| {
            let wallet = Wallet::from_seed(&[n; 32]);
            let statement = ResultStatement {
                deployment,
                set_version: 1,
                job: job.to_bytes(),
                created_slot: 9,
                epoch: 4,
                verdict,
                output_hash,
                units: 3,
                disputed,
            };
            let mut said = Attestation {
                oracle: wallet.address().to_string(),
                set_version: 1,
                job: job.to_string(),
                created_slot: 9,
                epoch: 4,
                verdict: if verdict == Verdict::Valid {
                    WireVerdict::Valid
                } else {
                    WireVerdict::Invalid
                },
                output_hash: text::hash(&output_hash),
                units: 3,
                disputed,
                signature: wallet.sign(&statement.to_bytes()).to_string(),
                checked_steps: 1,
                total_steps: 1,
                reason: None,
                verify_ms: 1,
                sample_proof: None,
                audit: Some(Audit {
                    audited: n == 1,
                    rate_ppm: 1,
                    reputation_bps: 2,
                }),
                audit_signature: None,
                wrong_steps: Vec::new(),
            };
            let did = said.audit_statement(&statement).to_bytes();
            said.audit_signature = Some(wallet.sign(&did).to_string());
            said
        };
        Evidence {
            program: BlobHash(deployment.program),
            cluster: BlobHash(deployment.cluster),
            renter: renter.to_string(),
            secret: secret(),
            wrong: String::from_utf8(wrong.canonical()).unwrap(),
            attestations: vec![
                attestation(1, false, Verdict::Valid),
                attestation(2, false, Verdict::Invalid),
                // The first one looks again, and finds it wrong: that it vouched stays.
                attestation(1, true, Verdict::Invalid),
            ],
        }
    }

    #[test]
    fn who_signed_for_a_known_wrong_answer_is_named() {
        let findings = evidence().findings().unwrap();
        let vouched: Vec<_> = findings.iter().map(|finding| finding.vouched).collect();
        assert_eq!(vouched, [true, false, false]);
        // The first one signed that it had run what it vouched for, which it can't have.
        let ran = |evidence: &Evidence| -> Vec<bool> {
            let findings = evidence.findings().unwrap();
            findings.iter().map(|finding| finding.ran).collect()
        };
        assert_eq!(ran(&evidence()), [true, false, true]);
        // Nobody else says so of it.
        let mut put_in = evidence();
        put_in.attestations[1].audit.as_mut().unwrap().audited = true;
        assert_eq!(ran(&put_in), [true, false, true]);
        // It survives being written and read.
        let text = serde_json::to_string(&evidence()).unwrap();
        let again: Evidence = serde_json::from_str(&text).unwrap();
        assert_eq!(again.findings().unwrap(), findings);
    }

    /// Neither another answer, salt, spec, renter nor oracle can be put in afterwards, and no verdict turned round.
    #[test]
    fn nothing_of_the_evidence_can_be_changed() {
        let other = manifest(secret().spec, failed("unreachable"));
        let changes: [&dyn Fn(&mut Evidence); 13] = [
            &|e| e.wrong = String::from_utf8(other.canonical()).unwrap(),
            &|e| e.wrong.push(' '),
            &|e| e.secret.right = BlobHash([9; 32]),
            &|e| e.secret.salt = BlobHash([9; 32]),
            &|e| e.secret.spec = BlobHash([9; 32]),
            &|e| e.renter = Pubkey::new_from_array([8; 32]).to_string(),
            &|e| e.cluster = BlobHash([6; 32]),
            &|e| e.attestations[1].verdict = WireVerdict::Valid,
            &|e| e.attestations[0].output_hash = text::hash(&[2; 32]),
            &|e| e.attestations[0].oracle = e.attestations[1].oracle.clone(),
            &|e| e.attestations[1] = e.attestations[0].clone(),
            &|e| e.attestations[0].disputed = true,
            &|e| e.attestations[2].disputed = false,
        ];
        for (i, change) in changes.iter().enumerate() {
            let mut changed = evidence();
            change(&mut changed);
            assert!(changed.findings().is_err(), "change {i}");
        }
    }

    /// A job of another spec at the committed address, answered right: its oracles did nothing wrong.
    #[test]
    fn another_jobs_right_answer_is_no_evidence() {
        let other = evidence_of(&manifest(BlobHash([9; 32]), Status::Ok));
        let why = other.findings().unwrap_err();
        assert!(why.contains("of spec"), "{why}");
        // Nor with a manifest put in its place that names the right spec: nobody signed that one.
        let replaced = Evidence {
            wrong: evidence().wrong,
            ..other
        };
        assert!(replaced.findings().unwrap_err().contains("another result"));
    }

    /// What oracles find where a run was too long or too deep for one machine shows nothing of them.
    #[test]
    fn results_that_depend_on_the_machine_are_no_evidence() {
        for kind in ["time_limit", "stack_overflow"] {
            let result = manifest(secret().spec, failed(kind));
            assert!(same_everywhere(&result).is_err());
            let why = evidence_of(&result).findings().unwrap_err();
            assert!(why.contains(kind), "{why}");
        }
        let trap = manifest(secret().spec, failed("unreachable"));
        assert!(same_everywhere(&trap).is_ok());
        assert_eq!(evidence_of(&trap).findings().unwrap().len(), 3);
    }

    #[test]
    fn the_right_answer_is_no_evidence() {
        let mut evidence = evidence();
        evidence.secret.right = manifest(secret().spec, Status::Ok).hash();
        let why = evidence.findings().unwrap_err();
        assert!(why.contains("right answer"), "{why}");
    }
}
