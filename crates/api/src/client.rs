//! A client of one oracle: every call with a time limit and bounded retries, every blob checked by its hash.
//!
//! Repeating a call is safe: reads change nothing, parts of a blob are appended by offset, and a device's attestation is
//! the same signature again.

use std::{
    fmt,
    io::SeekFrom,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};
use io_protocol::messages::{Bytes32, Deployment};
use reqwest::{Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt},
    sync::OnceCell,
};

use crate::{
    auth::{self, About, NO_SUBJECT, RequestKey},
    text,
    types::{
        API_PREFIX, ApiError, Attestation, BlobStatus, Burns, Conduct, DeviceAttestRequest,
        DeviceAttestation, Guidance, HardwareProofs, Identity, Info, JobView, Jobs, LeaseCount,
        LeaseReply, LeaseRequest, LeaseSignRequest, LeaseSignature, Offer, Offers, OpenReply,
        OpenRequest, Quote, QuoteRequest, Rewards, SignRootRequest, SignedRoot, SlashDecision,
    },
};

/// Time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for one request, answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest silence while a blob's bytes come.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// Tries after the first.
const RETRIES: usize = 4;
/// Pause before the first of these, doubling (with jitter) up to the longest.
const RETRY_DELAY: Duration = Duration::from_millis(100);
const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(2);
/// Largest part of an upload, bytes, where the oracle allows more.
const PART_BYTES: u64 = 4 * 1024 * 1024;
/// Largest JSON answer, bytes.
const MAX_JSON_BYTES: usize = 16 * 1024 * 1024;
/// Times that an upload may go back to what the oracle says it has: others may upload the same blob.
const MAX_REWINDS: usize = 16;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The oracle refused, and says why.
    #[error("{host} refused ({status}): {}{}", error.message, hint(error))]
    Api {
        host: String,
        status: u16,
        error: ApiError,
    },
    /// No answer, after retries.
    #[error("{host} does not answer: {message}. Check the address and that the oracle runs.")]
    Unreachable { host: String, message: String },
    /// An answer that is not what the interface promises.
    #[error(
        "{host} answered with {what}: client and oracle are of different versions, or it is no oracle"
    )]
    BadAnswer { host: String, what: String },
    #[error("{path}: {source}", path = path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    /// What came does not hash to what was asked for; it was thrown away.
    #[error(
        "{host} sent other bytes for blob {expected}: they hash to {found}. Ask another oracle."
    )]
    Damaged {
        host: String,
        expected: String,
        found: String,
    },
    #[error("blob {hash} has {size} bytes, more than the {max} that are wanted here")]
    TooBig { hash: String, size: u64, max: u64 },
    #[error("{host} belongs to another deployment: {what}")]
    WrongDeployment { host: String, what: String },
    #[error("'{url}' is not an oracle's address: expected something like http://127.0.0.1:8700")]
    BadUrl { url: String },
    /// A file changed while it was uploaded.
    #[error("{path} changed while it was read", path = path.display())]
    Changed { path: PathBuf },
}

fn hint(error: &ApiError) -> String {
    error
        .hint
        .as_ref()
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default()
}

impl ClientError {
    /// The oracle's own error, when it was that.
    pub fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The oracle does not have it.
    pub fn is_not_found(&self) -> bool {
        self.api().is_some_and(|error| error.code == "not_found")
    }

    /// Worth another try, later, without changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Api { status, .. } => {
                *status >= 500 || *status == StatusCode::TOO_MANY_REQUESTS.as_u16()
            }
            _ => false,
        }
    }
}

pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Bytes.
    pub done: u64,
    pub total: u64,
}

/// A blob to upload.
#[derive(Clone, Copy, Debug)]
pub enum BlobSource<'a> {
    Bytes(&'a [u8]),
    File(&'a Path),
}

/// An oracle as its `/v1/info` told, and when.
struct Known {
    info: Info,
    recipient: Bytes32,
    deployment: Deployment,
    at: Instant,
}

struct Inner {
    http: reqwest::Client,
    base: String,
    host: String,
    /// What the oracle must belong to, where the caller knows.
    expected: Option<Deployment>,
    /// Tries after the first.
    retries: usize,
    known: OnceCell<Known>,
}

/// A client of one oracle. Cheap to clone.
#[derive(Clone)]
pub struct OracleClient(Arc<Inner>);

impl fmt::Debug for OracleClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OracleClient({})", self.0.host)
    }
}

/// One request, to be sent as often as needed.
struct Call<'a> {
    method: Method,
    /// Path and query, from `/v1` on.
    path: String,
    body: Option<(&'static str, Vec<u8>)>,
    /// Who signs, about which subject, for whom.
    signed: Option<(&'a RequestKey, Bytes32, &'a Known)>,
    range_from: Option<u64>,
}

impl<'a> Call<'a> {
    fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            body: None,
            signed: None,
            range_from: None,
        }
    }

    fn post(path: String, request: &impl Serialize) -> Self {
        Self {
            method: Method::POST,
            body: Some(json_body(request)),
            ..Self::get(path)
        }
    }
}

impl OracleClient {
    /// `url` like `http://127.0.0.1:8700`. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self> {
        Self::build(url, None, RETRIES)
    }

    /// A client that refuses oracles of another deployment.
    pub fn for_deployment(url: &str, deployment: Deployment) -> Result<Self> {
        Self::build(url, Some(deployment), RETRIES)
    }

    /// The same, but every call is tried once: for callers that have others to ask.
    pub fn for_deployment_once(url: &str, deployment: Deployment) -> Result<Self> {
        Self::build(url, Some(deployment), 0)
    }

    fn build(url: &str, expected: Option<Deployment>, retries: usize) -> Result<Self> {
        let bad = || ClientError::BadUrl {
            url: url.chars().filter(|c| !c.is_control()).take(100).collect(),
        };
        let parsed = reqwest::Url::parse(url).map_err(|_| bad())?;
        let host = parsed.host_str().ok_or_else(bad)?;
        if !matches!(parsed.scheme(), "http" | "https")
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            return Err(bad());
        }
        let host = parsed
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Unreachable {
                host: host.clone(),
                message: error.to_string(),
            })?;
        let base = url.trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Inner {
            http,
            base,
            host,
            expected,
            retries,
            known: OnceCell::new(),
        })))
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// The address as given.
    pub fn url(&self) -> &str {
        &self.0.base
    }

    /// The link's address (`ws://…/v1/link`).
    pub fn link_url(&self) -> String {
        // "http" becomes "ws", "https" becomes "wss".
        format!(
            "ws{}{API_PREFIX}/link",
            self.0.base.trim_start_matches("http")
        )
    }

    // Reading

    pub async fn info(&self) -> Result<Info> {
        self.json(&Call::get(format!("{API_PREFIX}/info"))).await
    }

    /// Which process answers here; `nonce` is what it signs.
    pub async fn identity(&self, nonce: &Bytes32) -> Result<Identity> {
        let nonce = text::hash(nonce);
        self.json(&Call::get(format!("{API_PREFIX}/identity?nonce={nonce}")))
            .await
    }

    /// How far a blob's upload is; `None` when the oracle knows nothing of it.
    pub async fn blob_status(&self, hash: &Bytes32) -> Result<Option<BlobStatus>> {
        maybe(
            self.json(&Call::get(format!(
                "{API_PREFIX}/blobs/{}/status",
                text::hash(hash)
            )))
            .await,
        )
    }

    /// How far this key's own upload of a blob is.
    async fn upload_status(&self, hash: &Bytes32, key: &RequestKey) -> Result<Option<BlobStatus>> {
        let path = format!(
            "{API_PREFIX}/blobs/{}/status?uploader={}",
            text::hash(hash),
            text::key(&key.key())
        );
        maybe(self.json(&Call::get(path)).await)
    }

    /// One page of offers; `after` is the page before's `next`.
    pub async fn offers(&self, after: Option<&str>) -> Result<Offers> {
        self.json(&Call::get(paged("offers", &[("after", after)])))
            .await
    }

    pub async fn quote(&self, request: &QuoteRequest) -> Result<Quote> {
        let call = Call::post(format!("{API_PREFIX}/quote"), request);
        self.json(&call).await
    }

    /// One page of jobs, newest first; of one renter and in one state, where given.
    pub async fn jobs(
        &self,
        renter: Option<&str>,
        state: Option<&str>,
        after: Option<&str>,
    ) -> Result<Jobs> {
        self.json(&Call::get(paged(
            "jobs",
            &[("renter", renter), ("state", state), ("after", after)],
        )))
        .await
    }

    /// A job; `None` when the oracle has not seen it (yet).
    pub async fn job(&self, job: &Bytes32) -> Result<Option<JobView>> {
        maybe(
            self.json(&Call::get(format!("{API_PREFIX}/jobs/{}", text::key(job))))
                .await,
        )
    }

    /// The oracle's newest verdict about a job; `None` while it has none.
    pub async fn attestation(&self, job: &Bytes32) -> Result<Option<Attestation>> {
        self.attestation_at(job, None).await
    }

    /// The oracle's verdict from before a dispute (`Some(false)`), about it (`Some(true)`), or the newest.
    pub async fn attestation_at(
        &self,
        job: &Bytes32,
        disputed: Option<bool>,
    ) -> Result<Option<Attestation>> {
        let query = match disputed {
            None => "",
            Some(false) => "?disputed=false",
            Some(true) => "?disputed=true",
        };
        maybe(
            self.json(&Call::get(format!(
                "{API_PREFIX}/jobs/{}/attestation{query}",
                text::key(job)
            )))
            .await,
        )
    }

    /// What the oracle finds about another one's word that it ran a job.
    pub async fn conduct(&self, job: &Bytes32, said: &Attestation) -> Result<Conduct> {
        let call = Call::post(
            format!("{API_PREFIX}/jobs/{}/conduct", text::key(job)),
            said,
        );
        self.json(&call).await
    }

    /// What the oracle counted of a running lease; `None` while it counted nothing.
    pub async fn lease_count(&self, job: &Bytes32) -> Result<Option<LeaseCount>> {
        maybe(
            self.json(&Call::get(format!(
                "{API_PREFIX}/leases/{}",
                text::key(job)
            )))
            .await,
        )
    }

    /// Asks for the oracle's signature over seconds of a lease.
    pub async fn sign_lease(
        &self,
        asker: &RequestKey,
        job: &Bytes32,
        seconds: u64,
        at: i64,
    ) -> Result<LeaseSignature> {
        let mut call = Call::post(
            format!("{API_PREFIX}/leases/{}/sign", text::key(job)),
            &LeaseSignRequest { seconds, at },
        );
        call.signed = Some((asker, *job, self.known().await?));
        self.json(&call).await
    }

    /// Runs a spec on a leased device, or waits a little longer for it. `customer` is the lease's renter or payer.
    pub async fn lease_request(
        &self,
        customer: &RequestKey,
        job: &Bytes32,
        request: &LeaseRequest,
    ) -> Result<LeaseReply> {
        let mut call = Call::post(
            format!("{API_PREFIX}/leases/{}/requests", text::key(job)),
            request,
        );
        call.signed = Some((customer, *job, self.known().await?));
        self.json(&call).await
    }

    /// What was burned, hour by hour.
    pub async fn burns(&self) -> Result<Burns> {
        self.json(&Call::get(format!("{API_PREFIX}/burns?step=hour")))
            .await
    }

    /// The oracle's decision about an appealed slash case; `None` while it has none.
    pub async fn slash_decision(&self, case: &Bytes32) -> Result<Option<SlashDecision>> {
        maybe(
            self.json(&Call::get(format!(
                "{API_PREFIX}/slash/{}/decision",
                text::key(case)
            )))
            .await,
        )
    }

    /// One page of all devices.
    pub async fn devices(&self, after: Option<&str>) -> Result<Offers> {
        self.json(&Call::get(paged("devices", &[("after", after)])))
            .await
    }

    pub async fn device(&self, device: &Bytes32) -> Result<Option<Offer>> {
        maybe(
            self.json(&Call::get(format!(
                "{API_PREFIX}/devices/{}",
                text::key(device)
            )))
            .await,
        )
    }

    /// What the oracle saw in an epoch of emission, and signed for it; `None` while it has nothing.
    pub async fn rewards(&self, epoch: u64) -> Result<Option<Rewards>> {
        maybe(
            self.json(&Call::get(format!("{API_PREFIX}/rewards/{epoch}")))
                .await,
        )
    }

    /// How much of each class's time was hired in an epoch of emission, signed by the oracle; `None` while it has computed nothing.
    pub async fn guidance(&self, epoch: u64) -> Result<Option<Guidance>> {
        maybe(
            self.json(&Call::get(format!("{API_PREFIX}/guidance/{epoch}")))
                .await,
        )
    }

    // Signed

    /// Asks an oracle for its signature over an epoch's leaf set. `oracle` is the key of an active oracle.
    pub async fn sign_root(
        &self,
        oracle: &RequestKey,
        epoch: u64,
        request: &SignRootRequest,
    ) -> Result<SignedRoot> {
        let mut call = Call::post(format!("{API_PREFIX}/rewards/{epoch}/sign"), request);
        call.signed = Some((oracle, NO_SUBJECT, self.known().await?));
        self.json(&call).await
    }

    /// Asks for the oracle's signature over a device's measured figures. `operator` is the device's hot key.
    pub async fn attest_device(
        &self,
        operator: &RequestKey,
        device: &Bytes32,
        request: &DeviceAttestRequest,
    ) -> Result<DeviceAttestation> {
        let mut call = Call::post(
            format!("{API_PREFIX}/devices/{}/attest", text::key(device)),
            request,
        );
        call.signed = Some((operator, *device, self.known().await?));
        self.json(&call).await
    }

    /// A page of an hour's hardware proofs (hours since the Unix epoch).
    pub async fn hardware_proofs(&self, epoch: u64, after: Option<&str>) -> Result<HardwareProofs> {
        let path = paged(&format!("hardware/{epoch}"), &[("after", after)]);
        self.json(&Call::get(path)).await
    }

    /// Asks a device, through this oracle, to open rows of a pass that it committed to in a round; the roots of all its rows when none
    /// are named. Returns the blob's hash.
    pub async fn open_rows(
        &self,
        round: &Bytes32,
        device: &Bytes32,
        request: &OpenRequest,
    ) -> Result<OpenReply> {
        let path = format!(
            "{API_PREFIX}/hardware/{}/{}/open",
            text::hash(round),
            text::key(device)
        );
        let call = Call::post(path, request);
        self.json(&call).await
    }

    /// What signing for this oracle needs: its deployment and its key.
    pub async fn recipient(&self) -> Result<(Deployment, Bytes32)> {
        let known = self.known().await?;
        Ok((known.deployment, known.recipient))
    }

    // Blobs

    /// Uploads a blob, going on where an earlier upload stopped. Does nothing when the oracle has it.
    pub async fn put_blob(
        &self,
        key: &RequestKey,
        hash: &Bytes32,
        source: BlobSource<'_>,
        progress: impl Fn(Transfer),
    ) -> Result<BlobStatus> {
        let size = match source {
            BlobSource::Bytes(bytes) => bytes.len() as u64,
            BlobSource::File(path) => fs::metadata(path).await.map_err(io_error(path))?.len(),
        };
        let known = self.known().await?;
        let limits = &known.info.limits;
        if size > limits.max_blob_bytes {
            return Err(ClientError::TooBig {
                hash: text::hash(hash),
                size,
                max: limits.max_blob_bytes,
            });
        }
        let part_bytes = limits.max_part_bytes.clamp(1, PART_BYTES);
        let mut status = self.upload_status(hash, key).await?;
        let mut rewinds = 0;
        loop {
            let received = status.as_ref().map_or(0, |status| status.received);
            progress(Transfer {
                done: received.min(size),
                total: size,
            });
            if let Some(status) = &status
                && status.complete
            {
                return Ok(status.clone());
            }
            if received > size {
                return Err(
                    self.bad_answer(format!("{received} bytes received of a blob of {size}"))
                );
            }
            let length = part_bytes.min(size - received);
            let part = read_part(source, received, length).await?;
            let mut call = Call::get(format!(
                "{API_PREFIX}/blobs/{}?offset={received}&size={size}",
                text::hash(hash)
            ));
            call.method = Method::PUT;
            call.body = Some(("application/octet-stream", part));
            call.signed = Some((key, NO_SUBJECT, known));
            status = match self.json::<BlobStatus>(&call).await {
                Ok(status) if status.complete || status.received > received => Some(status),
                Ok(status) => {
                    return Err(
                        self.bad_answer(format!("no progress beyond {} bytes", status.received))
                    );
                }
                // Somebody else uploads the same blob, or an answer was lost: go on from what is there.
                Err(error)
                    if error.api().is_some_and(|api| api.code == "conflict")
                        && rewinds < MAX_REWINDS =>
                {
                    rewinds += 1;
                    self.upload_status(hash, key).await?
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Downloads a blob of at most `max` bytes to `path`, going on where an earlier download stopped (in a file beside it).
    /// The file appears whole and checked, or not at all. Does nothing when it is there already.
    pub async fn get_blob(
        &self,
        hash: &Bytes32,
        path: &Path,
        max: u64,
        progress: impl Fn(Transfer),
    ) -> Result<u64> {
        if let Ok(there) = fs::metadata(path).await
            && hash_file(path).await.map_err(io_error(path))? == *hash
        {
            return Ok(there.len());
        }
        let part = beside(path, hash);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).await.map_err(io_error(folder))?;
        }
        // What lies there from before may be another oracle's rubbish: then this one is asked for all of it.
        let mut resumed = fs::metadata(&part).await.is_ok_and(|part| part.len() > 0);
        loop {
            let attempt = || self.get_blob_once(hash, &part, max, &progress);
            let size = attempt
                .retry(self.backoff())
                .when(ClientError::is_transient)
                .await;
            let size = match size {
                // Longer than the whole may be.
                Err(ClientError::TooBig { .. }) if resumed => {
                    resumed = false;
                    continue;
                }
                size => size?,
            };
            let found = hash_file(&part).await.map_err(io_error(&part))?;
            if found == *hash {
                fs::rename(&part, path).await.map_err(io_error(path))?;
                return Ok(size);
            }
            fs::remove_file(&part).await.map_err(io_error(&part))?;
            if !std::mem::take(&mut resumed) {
                let (expected, found) = (text::hash(hash), text::hash(&found));
                return Err(ClientError::Damaged {
                    host: self.0.host.clone(),
                    expected,
                    found,
                });
            }
        }
    }

    /// A blob of at most `max` bytes in memory, checked.
    pub async fn get_blob_bytes(&self, hash: &Bytes32, max: u64) -> Result<Vec<u8>> {
        let once = || async {
            let mut answer = self
                .send(&Call::get(format!(
                    "{API_PREFIX}/blobs/{}",
                    text::hash(hash)
                )))
                .await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = answer
                .chunk()
                .await
                .map_err(|error| self.unreachable(&error))?
            {
                if (bytes.len() + chunk.len()) as u64 > max {
                    let size = answer.content_length().unwrap_or(max + 1);
                    return Err(ClientError::TooBig {
                        hash: text::hash(hash),
                        size,
                        max,
                    });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        let bytes = once
            .retry(self.backoff())
            .when(ClientError::is_transient)
            .await?;
        let found = *blake3::hash(&bytes).as_bytes();
        if found != *hash {
            let (expected, found) = (text::hash(hash), text::hash(&found));
            return Err(ClientError::Damaged {
                host: self.0.host.clone(),
                expected,
                found,
            });
        }
        Ok(bytes)
    }

    async fn get_blob_once(
        &self,
        hash: &Bytes32,
        part: &Path,
        max: u64,
        progress: &impl Fn(Transfer),
    ) -> Result<u64> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .await
            .map_err(io_error(part))?;
        let mut have = file.metadata().await.map_err(io_error(part))?.len();
        let mut call = Call::get(format!("{API_PREFIX}/blobs/{}", text::hash(hash)));
        call.range_from = (have > 0).then_some(have);
        let mut answer = match self.send(&call).await {
            // What is here is the whole of it, or more: the hash decides.
            Err(ClientError::Api { status: 416, .. }) => return Ok(have),
            other => other?,
        };
        if have > 0 && answer.status() != StatusCode::PARTIAL_CONTENT {
            // The whole again.
            file.set_len(0).await.map_err(io_error(part))?;
            have = 0;
        }
        let total = answer
            .content_length()
            .map(|rest| have.saturating_add(rest));
        let too_big = |size| ClientError::TooBig {
            hash: text::hash(hash),
            size,
            max,
        };
        if let Some(total) = total.filter(|total| *total > max) {
            drop(file);
            let _ = fs::remove_file(part).await;
            return Err(too_big(total));
        }
        loop {
            progress(Transfer {
                done: have,
                total: total.unwrap_or(have),
            });
            let Some(chunk) = answer
                .chunk()
                .await
                .map_err(|error| self.unreachable(&error))?
            else {
                break;
            };
            have += chunk.len() as u64;
            if have > max {
                drop(file);
                let _ = fs::remove_file(part).await;
                return Err(too_big(have));
            }
            file.write_all(&chunk).await.map_err(io_error(part))?;
        }
        file.flush().await.map_err(io_error(part))?;
        file.sync_all().await.map_err(io_error(part))?;
        Ok(have)
    }

    // Underneath

    fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAY)
            .with_max_delay(LONGEST_RETRY_DELAY)
            .with_max_times(self.0.retries)
            .with_jitter()
    }

    async fn known(&self) -> Result<&Known> {
        self.0
            .known
            .get_or_try_init(|| async {
                let info = self.info().await?;
                let parse = |text: &str, what: &str| {
                    text::parse_key(text)
                        .ok_or_else(|| self.bad_answer(format!("a {what} that is no key")))
                };
                let recipient = parse(&info.oracle, "oracle")?;
                let deployment = Deployment {
                    program: parse(&info.program, "program")?,
                    cluster: parse(&info.cluster, "cluster")?,
                };
                if let Some(expected) = self.0.expected
                    && expected != deployment
                {
                    return Err(ClientError::WrongDeployment {
                        host: self.0.host.clone(),
                        what: format!(
                            "program {} on cluster {}, expected program {} on cluster {}",
                            info.program,
                            info.cluster,
                            text::key(&expected.program),
                            text::key(&expected.cluster)
                        ),
                    });
                }
                Ok(Known {
                    info,
                    recipient,
                    deployment,
                    at: Instant::now(),
                })
            })
            .await
    }

    async fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T> {
        let once = || async {
            let mut answer = self.send(call).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = answer
                .chunk()
                .await
                .map_err(|error| self.unreachable(&error))?
            {
                if bytes.len() + chunk.len() > MAX_JSON_BYTES {
                    return Err(
                        self.bad_answer(format!("more than {MAX_JSON_BYTES} bytes of JSON"))
                    );
                }
                bytes.extend_from_slice(&chunk);
            }
            serde_json::from_slice(&bytes)
                .map_err(|error| self.bad_answer(format!("unexpected JSON ({error})")))
        };
        once.retry(self.backoff())
            .when(ClientError::is_transient)
            .await
    }

    /// Sends once; an answer that is not a success is an error.
    async fn send(&self, call: &Call<'_>) -> Result<reqwest::Response> {
        let mut request = self
            .0
            .http
            .request(call.method.clone(), format!("{}{}", self.0.base, call.path));
        let body = call.body.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        if let Some((key, subject, known)) = call.signed {
            let about = About {
                deployment: known.deployment,
                recipient: known.recipient,
                subject,
                action: auth::http_action(call.method.as_str(), &call.path),
            };
            // By the oracle's own clock: this machine's may be wrong.
            let at_ms = known
                .info
                .now_ms
                .saturating_add(known.at.elapsed().as_millis() as u64);
            // A new nonce each time: the oracle may have seen the last one, and its answer been lost.
            request = request.header(
                auth::HEADER,
                auth::to_header(&key.sign(&about, body, at_ms)),
            );
        }
        if let Some((kind, bytes)) = &call.body {
            request = request
                .header(header::CONTENT_TYPE, *kind)
                .body(bytes.clone());
        }
        match call.range_from {
            // A blob takes as long as it takes; silence is limited by the read timeout.
            Some(from) => request = request.header(header::RANGE, format!("bytes={from}-")),
            None if call.path.starts_with("/v1/blobs/") && call.method == Method::GET => {}
            None => request = request.timeout(REQUEST_TIMEOUT),
        }
        let answer = request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let error = match answer
            .bytes()
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            Some(error) => error,
            None => ApiError {
                code: if status == 404 {
                    "not_found"
                } else {
                    "internal"
                }
                .to_owned(),
                message: "an error without an explanation".to_owned(),
                hint: None,
            },
        };
        Err(ClientError::Api {
            host: self.0.host.clone(),
            status,
            error,
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        // The error's own text quotes the address; its causes say what happened.
        let mut cause: &dyn std::error::Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        ClientError::Unreachable {
            host: self.0.host.clone(),
            message: cause.to_string(),
        }
    }

    fn bad_answer(&self, what: String) -> ClientError {
        ClientError::BadAnswer {
            host: self.0.host.clone(),
            what,
        }
    }
}

fn maybe<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn json_body(value: &impl Serialize) -> (&'static str, Vec<u8>) {
    // The interface's types are strings, numbers and maps with string keys: they always serialise.
    (
        "application/json",
        serde_json::to_vec(value).unwrap_or_default(),
    )
}

fn paged(what: &str, query: &[(&str, Option<&str>)]) -> String {
    let mut path = format!("{API_PREFIX}/{what}");
    let mut separator = '?';
    for (name, value) in query {
        let Some(value) = value else { continue };
        path.push(separator);
        separator = '&';
        path.push_str(name);
        path.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    path
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> ClientError {
    let path = path.to_owned();
    move |source| ClientError::Io { path, source }
}

/// Where a download is kept until it is whole; named by the hash, so that another blob for the same path starts anew.
fn beside(path: &Path, hash: &Bytes32) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", &text::hash(hash)[..16]));
    path.with_file_name(name)
}

async fn read_part(source: BlobSource<'_>, offset: u64, length: u64) -> Result<Vec<u8>> {
    match source {
        BlobSource::Bytes(bytes) => Ok(bytes[offset as usize..(offset + length) as usize].to_vec()),
        BlobSource::File(path) => {
            let mut file = fs::File::open(path).await.map_err(io_error(path))?;
            file.seek(SeekFrom::Start(offset))
                .await
                .map_err(io_error(path))?;
            let mut part = Vec::with_capacity(length as usize);
            file.take(length)
                .read_to_end(&mut part)
                .await
                .map_err(io_error(path))?;
            if (part.len() as u64) < length {
                return Err(ClientError::Changed {
                    path: path.to_owned(),
                });
            }
            Ok(part)
        }
    }
}

/// BLAKE3 of a file, on a thread that may block.
pub async fn hash_file(path: &Path) -> std::io::Result<Bytes32> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut hasher = blake3::Hasher::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        Ok(*hasher.finalize().as_bytes())
    })
    .await
    .map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let client = OracleClient::new("http://127.0.0.1:8700/").unwrap();
        assert_eq!(
            (client.url(), client.host()),
            ("http://127.0.0.1:8700", "127.0.0.1:8700")
        );
        assert_eq!(client.link_url(), "ws://127.0.0.1:8700/v1/link");
        assert_eq!(
            OracleClient::new("https://o.example/x").unwrap().link_url(),
            "wss://o.example/x/v1/link"
        );
        for bad in [
            "",
            "127.0.0.1:8700",
            "ftp://x",
            "http://x/?a=b",
            "file:///etc/passwd",
        ] {
            assert!(
                matches!(OracleClient::new(bad), Err(ClientError::BadUrl { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn queries_are_escaped() {
        assert_eq!(
            paged(
                "jobs",
                &[
                    ("renter", None),
                    ("state", Some("a&b=c")),
                    ("after", Some("x"))
                ]
            ),
            "/v1/jobs?state=a%26b%3Dc&after=x"
        );
    }

    #[tokio::test]
    async fn a_dead_oracle_is_named() {
        // Port 1 of loopback: nothing listens there.
        let error = OracleClient::new("http://127.0.0.1:1")
            .unwrap()
            .info()
            .await
            .unwrap_err();
        assert!(
            error.is_transient() && error.to_string().contains("127.0.0.1:1"),
            "{error}"
        );
    }
}
