//! Downloading a result: by hash, verified, resumable.

use std::{
    fs,
    path::{Path, PathBuf},
};

use io_client::{
    Pubkey,
    io_network::state::{Job, JobState},
};
use io_engines::{
    BlobHash, Manifest, Status,
    embed::{EMBEDDINGS_JSONL_FILE, write_jsonl},
    limits::{MAX_MANIFEST_BYTES, MAX_SPEC_BYTES},
    spec::EngineSpec,
};
use serde_json::{Value, json};

use super::{
    DownloadArgs,
    show::{fetch_job, job_json, show, state_name, state_of},
};
use crate::{
    context::Context,
    failure::{Failure, Result, file_failure},
    oracles::Oracles,
};

/// A result on this machine.
pub struct Download {
    pub dir: PathBuf,
    pub manifest: Manifest,
}

impl Download {
    /// The renter's module failed, in the same way everywhere.
    pub fn failure(&self) -> Option<String> {
        match &self.manifest.status {
            Status::Ok => None,
            Status::Failed(failure) => Some(format!("{} ({})", failure.message, failure.kind)),
        }
    }
}

/// Downloads everything that the job's output hash names into `dir`. What is there already is not fetched again.
pub async fn fetch(
    ctx: &Context,
    oracles: &Oracles,
    job: &Job,
    dir: &Path,
    jsonl: bool,
) -> Result<Download> {
    let hash = BlobHash(job.output_hash);
    let bytes = oracles.blob(&hash, MAX_MANIFEST_BYTES).await?;
    let manifest = Manifest::from_canonical(&bytes).map_err(|reason| {
        Failure::failed(format!(
            "the result's manifest {hash} is malformed: {reason}"
        ))
        .hint("Object with `io job dispute` while the challenge window is open.")
    })?;
    if manifest.spec.0 != job.spec_hash {
        return Err(Failure::failed(format!(
            "the result {hash} is of another job's spec, {}",
            manifest.spec
        ))
        .hint("Object with `io job dispute` while the challenge window is open."));
    }
    fs::create_dir_all(dir).map_err(|error| file_failure("the result's folder", dir, &error))?;
    keep_others(dir, &bytes, &manifest)?;
    for file in &manifest.files {
        oracles
            .download(ctx, &file.hash, file.size, &dir.join(&file.name))
            .await?;
    }
    let path = dir.join(io_engines::MANIFEST_FILE);
    fs::write(&path, &bytes).map_err(|error| file_failure("the manifest", &path, &error))?;
    // What was asked for lies beside its answer.
    if let Ok(spec) = oracles.blob(&BlobHash(job.spec_hash), MAX_SPEC_BYTES).await {
        let path = dir.join("spec.json");
        fs::write(&path, &spec).map_err(|error| file_failure("the spec", &path, &error))?;
        let is_embed = io_engines::JobSpec::from_canonical(&spec)
            .is_ok_and(|spec| matches!(spec.engine, EngineSpec::Embed(_)));
        if jsonl && is_embed {
            crate::blocking({
                let dir = dir.to_owned();
                move || json_lines(&dir)
            })
            .await?;
        }
    }
    Ok(Download {
        dir: dir.to_owned(),
        manifest,
    })
}

/// Refuses to write over files that aren't this result's. One that is damaged is fetched again: its manifest is there.
fn keep_others(dir: &Path, manifest_bytes: &[u8], manifest: &Manifest) -> Result<()> {
    let there = dir.join(io_engines::MANIFEST_FILE);
    let refused = |path: &Path| {
        Failure::failed(format!(
            "{} is there and is not of this result: nothing was written over",
            path.display()
        ))
        .hint("Name another folder with -O DIR, or move the file away.")
    };
    match fs::read(&there) {
        Ok(known) if known == manifest_bytes => return Ok(()),
        Ok(_) => return Err(refused(&there)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(file_failure("the manifest", &there, &error)),
    }
    for file in &manifest.files {
        let path = dir.join(&file.name);
        if path.exists() {
            let found = io_engines::BlobRef::of_file(&path)
                .map_err(|error| file_failure("the result", &path, &error))?;
            if found.hash != file.hash {
                return Err(refused(&path));
            }
        }
    }
    Ok(())
}

fn json_lines(dir: &Path) -> Result<()> {
    use io_engines::embed::output::{EMBEDDINGS_FILE, PASSAGES_FILE};
    let open = |name: &str| {
        let path = dir.join(name);
        fs::File::open(&path).map_err(|error| file_failure("the result", &path, &error))
    };
    let path = dir.join(EMBEDDINGS_JSONL_FILE);
    let partial = dir.join(format!("{EMBEDDINGS_JSONL_FILE}.part"));
    let to = fs::File::create(&partial)
        .map_err(|error| file_failure("the JSON lines", &partial, &error))?;
    write_jsonl(open(EMBEDDINGS_FILE)?, open(PASSAGES_FILE)?, to)
        .map_err(|error| Failure::failed(error.to_string()))?;
    fs::rename(&partial, &path).map_err(|error| file_failure("the JSON lines", &path, &error))
}

pub fn default_dir(address: &Pubkey) -> PathBuf {
    PathBuf::from(address.to_string())
}

pub async fn download(ctx: &Context, address: &Pubkey, args: &DownloadArgs) -> Result<()> {
    let job = fetch_job(ctx, address).await?;
    let state = state_of(&job)?;
    if job.output_hash == [0; 32] {
        let hint = if state.is_final() {
            "`io job get` shows how it ended."
        } else {
            "`io job wait` waits for the result."
        };
        return Err(Failure::not_found(format!(
            "the job is {} and has no result",
            state_name(state)
        ))
        .hint(hint));
    }
    if state == JobState::Rejected {
        ctx.say("The oracles found this result wrong; the escrow was refunded. Downloading it all the same.");
    } else if state != JobState::Settled {
        ctx.say("This result is not settled yet: the oracles may still find it wrong.");
    }
    let dir = args.out_dir.clone().unwrap_or_else(|| default_dir(address));
    let download = fetch(ctx, &ctx.oracles()?, &job, &dir, args.jsonl).await?;
    let unit = ctx.unit_of(&job.mint).await?;
    let mut object = job_json(address, &job, &unit, None)?;
    put_result(&mut object, &download);
    show(ctx, &Value::Object(object))
}

/// Fields about the result on this machine.
pub fn put_result(object: &mut serde_json::Map<String, Value>, download: &Download) {
    let dir = std::path::absolute(&download.dir).unwrap_or_else(|_| download.dir.clone());
    object.insert("result_path".into(), json!(dir.display().to_string()));
    object.insert(
        "files".into(),
        json!(
            download
                .manifest
                .files
                .iter()
                .map(|file| file.name.clone())
                .collect::<Vec<_>>()
                .join(" ")
        ),
    );
    object.insert("failure".into(), json!(download.failure()));
}
