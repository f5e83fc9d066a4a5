//! The oracles together: the first that answers serves a read; blobs go to all of them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use io_api::{
    auth::RequestKey,
    client::{BlobSource, ClientError, OracleClient},
    types::{Attestation, JobView, LeaseAnswer, LeaseRequest, Offer, Quote, QuoteRequest, Rewards},
};
use io_client::{Pubkey, Wallet};
use io_engines::{BlobHash, BlobRef};
use tokio::time::sleep;

use crate::{
    context::Context,
    failure::{Failure, Result},
    progress,
    settings::Settings,
};

/// How long oracles and device may take to see that a lease has begun, and the pause between tries.
const LEASE_PATIENCE: Duration = Duration::from_secs(10);
const LEASE_AGAIN: Duration = Duration::from_millis(250);
/// Offers that a command reads at most.
const MAX_OFFERS: usize = 100_000;
/// Blobs of more bytes are uploaded to one oracle only; the others fetch them from it.
const EVERYWHERE_BYTES: u64 = 16 * 1024 * 1024;

pub struct Oracles {
    pub clients: Vec<OracleClient>,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match &error {
            ClientError::BadUrl { .. } => Self::usage(message),
            ClientError::Unreachable { .. } => Self::failed(message)
                .hint("`io doctor` checks every oracle; `io up` starts some on this machine."),
            ClientError::Api { error: api, .. } if api.code == "not_found" => {
                Self::not_found(message)
            }
            _ => Self::failed(message).hint("Try again, or another oracle with --oracle URL."),
        }
    }
}

/// What signs requests in a wallet's name.
fn request_key(wallet: &Wallet) -> RequestKey {
    let signer = wallet.clone();
    RequestKey::new(wallet.address().to_bytes(), move |message| {
        signer.sign(message).into()
    })
}

impl Oracles {
    pub fn new(settings: &Settings) -> Result<Self> {
        settings.local_network()?;
        if settings.oracles.value.is_empty() {
            return Err(Failure::usage("no oracle is known").hint(
                "Pass --oracle URL, set IO_ORACLES, or: io config set oracles URL,URL. `io up` starts a network on this machine \
                 and -u localnet uses it.",
            ));
        }
        let clients = settings
            .oracles
            .value
            .iter()
            .map(|url| OracleClient::new(url))
            .collect::<Result<_, _>>()?;
        Ok(Self { clients })
    }

    /// Asks one after the other until one answers. A "no such thing" counts as an answer only when all say so.
    async fn first<T>(
        &self,
        ask: impl AsyncFn(&OracleClient) -> Result<T, ClientError>,
    ) -> Result<T> {
        let mut last = None;
        for client in &self.clients {
            match ask(client).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        let count = self.clients.len();
        let failure = last.map_or_else(|| Failure::failed("no oracle is known"), Failure::from);
        Err(if count > 1 {
            Failure {
                message: format!(
                    "none of {count} oracles could help; the last: {}",
                    failure.message
                ),
                ..failure
            }
        } else {
            failure
        })
    }

    pub async fn quote(&self, request: &QuoteRequest) -> Result<Quote> {
        self.first(async |client| client.quote(request).await).await
    }

    /// A job as the first oracle that knows it sees it.
    pub async fn job(&self, job: &Pubkey) -> Result<Option<JobView>> {
        let mut last = None;
        for client in &self.clients {
            match client.job(&job.to_bytes()).await {
                Ok(Some(view)) => return Ok(Some(view)),
                Ok(None) => last = Some(Ok(None)),
                Err(error) if last.is_none() => last = Some(Err(error)),
                Err(_) => {}
            }
        }
        Ok(last.unwrap_or(Ok(None))?)
    }

    /// Every device that takes jobs.
    pub async fn offers(&self) -> Result<Vec<Offer>> {
        self.pages(false).await
    }

    /// Every device.
    pub async fn devices(&self) -> Result<Vec<Offer>> {
        self.pages(true).await
    }

    async fn pages(&self, all: bool) -> Result<Vec<Offer>> {
        self.first(async |client| {
            let mut offers = Vec::new();
            let mut after: Option<String> = None;
            loop {
                let page = if all {
                    client.devices(after.as_deref()).await?
                } else {
                    client.offers(after.as_deref()).await?
                };
                let empty = page.offers.is_empty();
                offers.extend(page.offers);
                after = page.next;
                if after.is_none() || empty || offers.len() >= MAX_OFFERS {
                    return Ok(offers);
                }
            }
        })
        .await
    }

    /// Uploads a job's spec and files. One oracle must have all of them in the end; small ones go to every oracle, so that the
    /// job does not hang on one.
    pub async fn upload(
        &self,
        ctx: &Context,
        wallet: &Wallet,
        spec: &[u8],
        files: &[(BlobRef, PathBuf)],
    ) -> Result<()> {
        let key = request_key(wallet);
        let total: u64 = files.iter().map(|(blob, _)| blob.size).sum::<u64>() + spec.len() as u64;
        let mut complete = 0;
        let mut last = None;
        for client in &self.clients {
            match upload_to(ctx, client, &key, spec, files, total).await {
                Ok(()) => complete += 1,
                Err(error) => last = Some(error),
            }
            if complete > 0 && total > EVERYWHERE_BYTES {
                break;
            }
        }
        match last {
            Some(error) if complete == 0 => Err(Failure::from(error).hint(
                "Nothing was paid. Run the command again: what was uploaded is not sent twice.",
            )),
            _ => Ok(()),
        }
    }

    /// What every oracle that answers has of an epoch of emission.
    pub async fn rewards(&self, epoch: u64) -> Vec<Rewards> {
        let mut all = Vec::new();
        for client in &self.clients {
            match client.rewards(epoch).await {
                Ok(found) => all.extend(found),
                Err(error) => tracing::debug!(host = client.host(), %error, "no rewards"),
            }
        }
        all
    }

    /// What every oracle that answers has signed about a job's result, before a dispute and about it. Each speaks for itself alone: much of
    /// an attestation is not under its signature, and could be changed by whoever hands on another's.
    pub async fn attestations(&self, job: &Pubkey) -> Vec<Attestation> {
        let mut all = Vec::new();
        for client in &self.clients {
            let host = client.host();
            for disputed in [false, true] {
                let answer = async {
                    let said = client
                        .attestation_at(&job.to_bytes(), Some(disputed))
                        .await?;
                    let Some(said) = said else {
                        return Ok(None);
                    };
                    let own =
                        said.oracle == client.info().await?.oracle && said.disputed == disputed;
                    Ok::<_, ClientError>(Some((said, own)))
                };
                match answer.await {
                    Ok(Some((said, true))) => all.push(said),
                    Ok(Some((said, false))) => {
                        tracing::debug!(
                            host,
                            oracle = said.oracle,
                            disputed,
                            "another verdict than the one asked for"
                        );
                    }
                    Ok(None) => {}
                    Err(error) => tracing::debug!(host, %error, "no verdict"),
                }
            }
        }
        all
    }

    /// Runs a spec on a leased device, through the first oracle that its device is linked to, and waits for its answer.
    pub async fn lease_request(
        &self,
        wallet: &Wallet,
        lease: &Pubkey,
        spec: &BlobHash,
    ) -> Result<LeaseAnswer> {
        let key = request_key(wallet);
        let request = LeaseRequest {
            spec: spec.to_string(),
        };
        let started = Instant::now();
        loop {
            let reply = self
                .first(async |client| {
                    client
                        .lease_request(&key, &lease.to_bytes(), &request)
                        .await
                })
                .await;
            match reply {
                // The lease's end ends the wait: then the oracle refuses.
                Ok(reply) => {
                    if let Some(answer) = reply.answer {
                        return Ok(answer);
                    }
                }
                // A lease that has just begun is seen by one after the other.
                Err(_) if started.elapsed() < LEASE_PATIENCE => sleep(LEASE_AGAIN).await,
                Err(failure) => return Err(failure),
            }
        }
    }

    /// A small blob, verified.
    pub async fn blob(&self, hash: &BlobHash, max: u64) -> Result<Vec<u8>> {
        self.first(async |client| client.get_blob_bytes(&hash.0, max).await)
            .await
    }

    /// A blob to a file, verified and resumable.
    pub async fn download(
        &self,
        ctx: &Context,
        hash: &BlobHash,
        size: u64,
        path: &Path,
    ) -> Result<u64> {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bar = progress::bytes(ctx, &name, size);
        let downloaded = self
            .first(async |client| {
                client
                    .get_blob(&hash.0, path, size, |transfer| {
                        bar.set_position(transfer.done)
                    })
                    .await
            })
            .await;
        bar.finish_and_clear();
        downloaded
    }
}

async fn upload_to(
    ctx: &Context,
    client: &OracleClient,
    key: &RequestKey,
    spec: &[u8],
    files: &[(BlobRef, PathBuf)],
    total: u64,
) -> Result<(), ClientError> {
    let bar = progress::bytes(ctx, &format!("uploading to {}", client.host()), total);
    let mut before = 0;
    for (blob, path) in files {
        let put = client.put_blob(key, &blob.hash.0, BlobSource::File(path), |transfer| {
            bar.set_position(before + transfer.done)
        });
        put.await?;
        before += blob.size;
    }
    // The spec last: an oracle that has it can fetch the rest.
    client
        .put_blob(key, &BlobHash::of(spec).0, BlobSource::Bytes(spec), |_| {})
        .await?;
    bar.finish_and_clear();
    Ok(())
}

/// An oracle's verdict in words. The renter objects, or an oracle that found the result wrong.
pub fn verdict_name(said: &Attestation) -> String {
    let verdict = format!("{:?}", said.verdict).to_lowercase();
    match said.disputed {
        false => verdict,
        true => format!("{verdict}, after an objection"),
    }
}
