//! `io audit result`: runs a job again on this machine, as an oracle does, and compares its result.

use std::path::Path;

use clap::Args;
use io_client::Pubkey;
use io_engines::{
    BlobFiles, BlobHash, Blobs as _, Claim, Control, Engines, FirstOf, JobSpec, Manifest, Sampling,
    Verdict, VerificationClass,
    embed::DEFAULT_SAMPLE,
    limits::{MAX_MANIFEST_BYTES, MAX_SPEC_BYTES},
    models::KnownModels,
};
use serde_json::json;

use crate::{
    commands::job::show::fetch_job,
    context::Context,
    failure::{Failure, Result},
    oracles::Oracles,
};

#[derive(Debug, Args)]
pub struct ResultArgs {
    /// The job's address.
    pub job: String,
    /// Of embeddings, so many passages, drawn at random; all where there are fewer. Exact jobs are run whole.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SAMPLE, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
}

/// Brings what a spec names into `folder`, but for models that are on this machine already.
pub async fn inputs(
    ctx: &Context,
    oracles: &Oracles,
    spec: &JobSpec,
    folder: &Path,
) -> Result<BlobFiles> {
    let known = KnownModels::new();
    let mut files = BlobFiles::default();
    for blob in spec.blobs() {
        if known.locate(&blob.hash).is_ok() {
            continue;
        }
        let to = folder.join(blob.hash.to_string());
        oracles.download(ctx, &blob.hash, blob.size, &to).await?;
        files.insert(blob.hash, to);
    }
    Ok(files)
}

/// A folder that goes when it is dropped.
pub fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("io-audit-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("no folder for the job's files: {error}")))
}

pub async fn run(ctx: &Context, address: &Pubkey, args: &ResultArgs) -> Result<()> {
    let job = fetch_job(ctx, address).await?;
    if job.output_hash == [0; 32] {
        return Err(Failure::failed(format!(
            "the job {address} has no result: there is nothing to compare"
        )));
    }
    let oracles = ctx.oracles()?;
    let folder = scratch()?;
    let spec = oracles
        .blob(&BlobHash(job.spec_hash), MAX_SPEC_BYTES)
        .await?;
    let spec = JobSpec::from_canonical(&spec)?;
    let mut files = inputs(ctx, &oracles, &spec, folder.path()).await?;
    let output_hash = BlobHash(job.output_hash);
    let bytes = oracles.blob(&output_hash, MAX_MANIFEST_BYTES).await?;
    let manifest = folder.path().join(output_hash.to_string());
    std::fs::write(&manifest, &bytes)
        .map_err(|error| crate::failure::file_failure("the manifest", &manifest, &error))?;
    files.insert(output_hash, manifest);
    // One that can't be read is the engine's to refuse.
    if let Ok(claimed) = Manifest::from_canonical(&bytes) {
        for file in claimed.files {
            let to = folder.path().join(file.hash.to_string());
            oracles.download(ctx, &file.hash, file.size, &to).await?;
            files.insert(file.hash, to);
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::failed(format!("no random numbers: {error}")))?;
    let (count, id) = (args.sample, address.to_bytes());
    ctx.say("running the job here");
    let (class, verdict) = crate::blocking(move || {
        let engines = Engines::new()?;
        let engine = engines.get(&spec);
        let claim = Claim {
            output_hash,
            trace_root: job.trace_root,
            units: job.units,
        };
        let sampling = Sampling {
            seed,
            count,
            also: Vec::new(),
            audit: true,
        };
        let blobs = FirstOf(&[&files, &KnownModels::new()]);
        let verdict = engine.verify(&spec, &blobs, &claim, &sampling, &Control::new(id));
        Ok((engine.class(), verdict))
    })
    .await?;
    let (name, checked, wrong, reason) = match verdict {
        Verdict::Accept(found) => (
            "right",
            Some((found.checked, found.steps)),
            Vec::new(),
            None,
        ),
        Verdict::Reject(found) => ("wrong", None, found.steps, Some(found.detail)),
        Verdict::Inconclusive { reason } => ("unknown", None, Vec::new(), Some(reason)),
    };
    let value = json!({
        "job": address.to_string(),
        "verdict": name,
        "checked_steps": checked.map(|(checked, _)| checked),
        "total_steps": checked.map(|(_, all)| all),
        "wrong_steps": wrong,
        "reason": reason,
    });
    let steps = checked.map(|(checked, all)| format!("{checked} of {all}"));
    let wrong: Vec<_> = wrong.iter().map(u64::to_string).collect();
    let rows = [
        ("job", address.to_string()),
        ("verdict", name.to_owned()),
        ("steps run", steps.unwrap_or_default()),
        ("wrong steps", wrong.join(", ")),
        ("reason", reason.unwrap_or_default()),
    ];
    ctx.out.record(&value, &rows)?;
    match name {
        "right" => Ok(()),
        "wrong" => {
            let convict = match class {
                VerificationClass::Exact => {
                    " An oracle that signed that it ran the job: io oracle convict."
                }
                VerificationClass::Tolerant => "",
            };
            Err(
                Failure::failed("the result is not what the job comes to here").hint(format!(
                    "While it can still be objected to: io job dispute.{convict}"
                )),
            )
        }
        _ => Err(Failure::failed("this machine can't tell")),
    }
}
