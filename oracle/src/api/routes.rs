//! What is asked and answered.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, OriginalUri, Path, Request, State, WebSocketUpgrade},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures_util::{StreamExt, stream};
use io_api::{
    auth::{self, About, NO_SUBJECT, now_ms},
    text,
    types::{
        AccountEvent, Amount, ApiError, Attestation, BlobStatus, Burns, ClassUtilisation,
        ClockEvent, Conduct, ConductState, DeviceAttestRequest, DeviceAttestation, Figures,
        Finding, Guidance, HardwareProof, HardwareProofs, HeartbeatEvent, HelloEvent, Identity,
        Info, JobEvent, JobView, Jobs, LeaseCount, LeaseReply, LeaseRequest, LeaseSignRequest,
        LeaseSignature, Limits, Offer, Offers, OpenReply, OpenRequest, Peer, ProofAsk,
        ProofOutcome, Quote, QuoteRequest, Rewards, RoundOpening, SignRootRequest, SignedReport,
        SignedRoot, SlashDecision, hour_at,
    },
};
use io_client::{
    Pubkey,
    io_network::state::{Job, JobState},
};
use io_protocol::{
    messages::Bytes32,
    money::{self, E9},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{timeout, timeout_at};
use utoipa::OpenApi;

use crate::{
    api::{
        app,
        error::Refusal,
        events,
        limits::{Buckets, Held, Lately},
        server::From as ConnectedFrom,
        views,
    },
    attest, conduct, hardware, leases, link,
    matching::Want,
    nonces::Seen,
    oracle::{Oracle, lock},
    rewards, verify,
};

/// How old the count of devices that take no jobs may be.
const IDLE_LIFE: Duration = Duration::from_secs(2);
/// Largest JSON body, bytes.
pub const MAX_JSON_BYTES: u64 = 64 * 1024;
/// Longest time for a body, whatever its pace.
const BODY_TIMEOUT: Duration = Duration::from_secs(300);
/// Least pace of a body, after the patience for one piece: few clients that send by the byte must not hold all the places.
const BODY_BYTES_PER_SECOND: u64 = 16 * 1024;
/// Bodies read at once, of one asker and of all: each may be a part in memory.
const BODIES_EACH: usize = 32;
const BODIES: usize = 64;
/// Rows of a page.
const PAGE: usize = 100;
/// Signed requests of one key, a second and at once.
const SIGNED_PER_SECOND: u32 = 200;
const SIGNED_BURST: u32 = 1_000;
/// Longest query, bytes.
const MAX_QUERY: usize = 1_024;

/// Steps of an answer about burns.
const BURN_STEPS: u32 = 1_000;
/// What to do about a request that a leased device did not answer.
const LEASE_HINT: &str = "`io lease show` tells more";

type Answer<T> = Result<Json<T>, Refusal>;

/// JSON out.
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => (
                [(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )],
                body,
            )
                .into_response(),
            Err(error) => Refusal::internal(&error.into()).into_response(),
        }
    }
}

struct Api {
    oracle: Arc<Oracle>,
    addresses: Buckets<IpAddr>,
    keys: Buckets<Bytes32>,
    bodies: Held<IpAddr>,
    streams: Arc<Held<IpAddr>>,
    /// Why devices take no jobs, for quotes that nothing fits.
    idle: Lately<BTreeMap<&'static str, u32>>,
}

/// How many devices take no jobs now, by the reason.
fn unavailable(oracle: &Oracle) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    let keys: Vec<Pubkey> = {
        let tables = oracle.index.read();
        tables.devices.keys().copied().collect()
    };
    for key in keys {
        if let Some(device) = oracle.index.device(&key)
            && let Some(because) = oracle.unavailable(&key, &device)
        {
            *counts.entry(because).or_default() += 1;
        }
    }
    counts
}

/// A body being read.
struct Reading<'a> {
    bodies: &'a Held<IpAddr>,
    by: IpAddr,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.bodies.give_back(self.by);
    }
}

type Shared = State<Arc<Api>>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "IO Network oracle",
        description = "Matching, blobs, verification and attestations of one oracle. Amounts are base units as decimal strings."
    ),
    paths(
        health,
        metrics,
        info,
        identity,
        put_blob,
        get_blob,
        blob_status,
        offers,
        quote,
        jobs,
        job,
        attestation,
        conduct,
        slash_decision,
        lease,
        sign_lease,
        lease_request,
        lease_request_status,
        devices,
        device,
        attest_device,
        hardware_proofs,
        open_rows,
        reward,
        sign_root,
        guidance,
        burns,
        link_upgrade,
        app_config,
        event_stream
    ),
    components(schemas(
        ApiError,
        Info,
        Identity,
        Peer,
        Limits,
        BlobStatus,
        Offer,
        Offers,
        QuoteRequest,
        Quote,
        JobView,
        Jobs,
        Attestation,
        Conduct,
        ConductState,
        Finding,
        DeviceAttestRequest,
        DeviceAttestation,
        HardwareProofs,
        HardwareProof,
        OpenRequest,
        OpenReply,
        RoundOpening,
        ProofAsk,
        ProofOutcome,
        Figures,
        Rewards,
        SignedReport,
        SignedRoot,
        SignRootRequest,
        Guidance,
        ClassUtilisation,
        Health,
        HelloEvent,
        AccountEvent,
        JobEvent,
        HeartbeatEvent,
        ClockEvent,
        app::AppConfig
    ))
)]
struct Document;

/// The interface's description, as `app/openapi.json` holds it.
pub fn openapi_json() -> String {
    let document = Document::openapi().to_pretty_json();
    document.unwrap_or_default() + "\n"
}

/// The whole interface.
pub fn router(oracle: Arc<Oracle>) -> Router {
    let addresses = Buckets::new(
        oracle.config.requests_per_second,
        oracle.config.requests_burst,
    );
    let keys = Buckets::new(SIGNED_PER_SECOND, SIGNED_BURST);
    let bodies = Held::new(BODIES_EACH, BODIES);
    let api = Arc::new(Api {
        oracle,
        addresses,
        keys,
        bodies,
        streams: Arc::new(Held::new(events::STREAMS_EACH, events::STREAMS)),
        idle: Lately::new(IDLE_LIFE),
    });
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/openapi.json", get(openapi))
        .route("/v1/info", get(info))
        .route("/v1/identity", get(identity))
        .route("/v1/blobs/{hash}", put(put_blob).get(get_blob))
        .route("/v1/blobs/{hash}/status", get(blob_status))
        .route("/v1/offers", get(offers))
        .route("/v1/quote", post(quote))
        .route("/v1/jobs", get(jobs))
        .route("/v1/jobs/{job}", get(job))
        .route("/v1/jobs/{job}/attestation", get(attestation))
        .route("/v1/jobs/{job}/conduct", post(conduct))
        .route("/v1/slash/{case}/decision", get(slash_decision))
        .route("/v1/leases/{job}", get(lease))
        .route("/v1/leases/{job}/sign", post(sign_lease))
        .route("/v1/leases/{job}/requests", post(lease_request))
        .route(
            "/v1/leases/{job}/requests/{spec}",
            get(lease_request_status),
        )
        .route("/v1/devices", get(devices))
        .route("/v1/devices/{device}", get(device))
        .route("/v1/devices/{device}/attest", post(attest_device))
        .route("/v1/hardware/{epoch}", get(hardware_proofs))
        .route("/v1/hardware/{round}/{device}/open", post(open_rows))
        .route("/v1/rewards/{epoch}", get(reward))
        .route("/v1/rewards/{epoch}/sign", post(sign_root))
        .route("/v1/guidance/{epoch}", get(guidance))
        .route("/v1/burns", get(burns))
        .route("/v1/link", get(link_upgrade))
        .route("/v1/app", get(app_config))
        .route("/v1/events", get(event_stream))
        .fallback(fallback)
        .method_not_allowed_fallback(async |method: Method| {
            let message = format!("{method} is not for this path; /v1/openapi.json says what is");
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "bad_request", message, None)
        })
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

/// Every request passes here: rates, and what every answer carries.
async fn guard(State(api): Shared, request: Request, next: Next) -> Response {
    let from = request
        .extensions()
        .get::<ConnectedFrom>()
        .map(|from| from.0);
    let announced = request.headers();
    let has_body = announced.contains_key(header::TRANSFER_ENCODING)
        || announced
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    let origin = app::allowed_origin(&api.oracle.config, request.uri().path(), request.headers());
    let mut response = if from.is_some_and(|from| !api.addresses.take(from)) {
        api.oracle.metrics.limited.inc();
        Refusal::rate_limited().into_response()
    } else if request
        .uri()
        .query()
        .is_some_and(|query| query.len() > MAX_QUERY)
    {
        Refusal::bad(format!("the query is longer than {MAX_QUERY} bytes")).into_response()
    } else if origin.is_some() && app::is_preflight(request.method(), request.headers()) {
        app::preflight()
    } else {
        next.run(request).await
    };
    let status = response.status();
    let headers = response.headers_mut();
    // Pages of other origins than the configured ones may not read this.
    if !api.oracle.config.allowed_origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some(origin) = origin {
        app::share(headers, origin);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // What is left of a refused body is not read: the connection is good for nothing more, and the client should know.
    if !status.is_success() && has_body {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    api.oracle
        .metrics
        .requests
        .get_or_create(&[("status", status.as_str().to_owned())])
        .inc();
    response
}

// Reading what came

/// The query's fields; unknown and repeated ones are refused.
fn query(uri: &Uri, allowed: &[&str]) -> Result<HashMap<String, String>, Refusal> {
    let mut fields = HashMap::new();
    for pair in uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Refusal::bad("a field of the query has no value"))?;
        if !allowed.contains(&name) {
            return Err(Refusal::bad(format!(
                "'{}' is not a field of this query; it takes {}",
                plain(name),
                allowed.join(", ")
            )));
        }
        let value = unescape(value)
            .ok_or_else(|| Refusal::bad(format!("the query's '{name}' is not escaped UTF-8")))?;
        if fields.insert(name.to_owned(), value).is_some() {
            return Err(Refusal::bad(format!("the query has '{name}' twice")));
        }
    }
    Ok(fields)
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            bytes.push((digit(rest.next())? * 16 + digit(rest.next())?) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn number(fields: &HashMap<String, String>, name: &str) -> Result<u64, Refusal> {
    let text = fields
        .get(name)
        .ok_or_else(|| Refusal::bad(format!("the query's '{name}' is missing")))?;
    text.parse().map_err(|_| {
        Refusal::bad(format!(
            "the query's '{name}' is not a number: '{}'",
            plain(text)
        ))
    })
}

fn hash_of(text: &str) -> Result<Bytes32, Refusal> {
    text::parse_hash(text).ok_or_else(|| {
        Refusal::bad(format!(
            "a blob's hash is 64 lower-case hex digits, not '{}'",
            plain(text)
        ))
    })
}

fn key_of(text: &str, what: &str) -> Result<Pubkey, Refusal> {
    text::parse_key(text)
        .map(Pubkey::new_from_array)
        .ok_or_else(|| {
            Refusal::bad(format!(
                "{what} is 32 bytes in base58, not '{}'",
                plain(text)
            ))
        })
}

/// A body of at most `max` bytes, from a client that keeps sending.
async fn body(
    api: &Api,
    from: ConnectedFrom,
    headers: &HeaderMap,
    body: Body,
    max: u64,
) -> Result<Vec<u8>, Refusal> {
    let too_large = || Refusal::too_large(format!("the body is larger than {max} bytes"));
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    if !api.bodies.take(from.0) {
        api.oracle.metrics.limited.inc();
        return Err(Refusal::rate_limited());
    }
    let _reading = Reading {
        bodies: &api.bodies,
        by: from.0,
    };
    let slow = || {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "bad_request",
            "the body did not come in time",
            None,
        )
    };
    let patience = Duration::from_secs(api.oracle.config.io_timeout_seconds);
    let read = async {
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0) as usize);
        let mut pieces = body.into_data_stream();
        let start = tokio::time::Instant::now();
        while let Some(piece) = {
            let earned = Duration::from_secs(bytes.len() as u64 / BODY_BYTES_PER_SECOND);
            let until = start + patience + earned;
            let next = timeout(patience, pieces.next());
            timeout_at(until, next)
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or_else(slow)?
        } {
            let piece = piece.map_err(|_| Refusal::bad("the body broke off"))?;
            if (bytes.len() + piece.len()) as u64 > max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    timeout(BODY_TIMEOUT, read).await.map_err(|_| slow())?
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes)
        .map_err(|error| Refusal::bad(format!("the body is not the JSON expected: {error}")))
}

/// The key that signed a request.
fn signer(
    api: &Api,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    subject: Bytes32,
    body: &[u8],
) -> Result<Bytes32, Refusal> {
    let header = headers.get(auth::HEADER).ok_or(auth::AuthError::Missing)?;
    let auth = auth::from_header(header.to_str().map_err(|_| auth::AuthError::Malformed)?)?;
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let about = About {
        deployment: api.oracle.deployment,
        recipient: api.oracle.key.to_bytes(),
        subject,
        action: auth::http_action(method.as_str(), path),
    };
    let now = now_ms();
    let key = auth::verify(&auth, &about, body, now)?;
    match api.oracle.nonces.see(&key, &auth, now) {
        Seen::New => {}
        Seen::Before => {
            return Err(Refusal::unauthorized(
                "this request has been sent before: sign a new one",
            ));
        }
        Seen::Earlier => {
            return Err(Refusal::unauthorized(
                "signed before this oracle started: sign it again",
            ));
        }
        Seen::Full => return Err(Refusal::rate_limited()),
    }
    if !api.keys.take(key) {
        api.oracle.metrics.limited.inc();
        return Err(Refusal::rate_limited());
    }
    Ok(key)
}

// Answers

/// How this oracle is.
#[derive(Serialize, utoipa::ToSchema)]
struct Health {
    ok: bool,
    index_age_ms: u64,
    slot: u64,
    /// What is wrong.
    problems: Vec<String>,
}

/// Whether an index of this age counts as stale.
fn is_stale(oracle: &Oracle, age: Duration) -> bool {
    age > Duration::from_secs(oracle.config.max_index_age_seconds)
}

#[utoipa::path(get, path = "/health", responses((status = 200, body = Health), (status = 503, body = Health)))]
async fn health(State(api): Shared) -> Response {
    let oracle = &api.oracle;
    let age = oracle.clock.age();
    let mut problems = Vec::new();
    if is_stale(oracle, age) {
        problems.push(format!(
            "the index is {} s old: is the RPC node up?",
            age.as_secs()
        ));
    }
    if oracle.index.read().network.is_none() {
        problems.push("the network's account is not indexed".into());
    }
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let health = Health {
        ok: problems.is_empty(),
        index_age_ms: age.as_millis() as u64,
        slot: oracle.clock.slot(),
        problems,
    };
    (status, Json(health)).into_response()
}

#[utoipa::path(get, path = "/metrics", responses((status = 200, body = String, content_type = "text/plain")))]
async fn metrics(State(api): Shared) -> Response {
    let (bytes, blobs) = api.oracle.blobs.totals();
    api.oracle.metrics.blob_bytes.set(bytes as i64);
    api.oracle.metrics.blobs.set(blobs as i64);
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], api.oracle.metrics.text()).into_response()
}

async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[utoipa::path(get, path = "/v1/info", responses((status = 200, body = Info)))]
async fn info(State(api): Shared) -> Answer<Info> {
    let oracle = &api.oracle;
    let set = oracle.index.set();
    Ok(Json(Info {
        oracle: oracle.key.to_string(),
        program: text::key(&oracle.deployment.program),
        cluster: text::key(&oracle.deployment.cluster),
        version: env!("CARGO_PKG_VERSION").into(),
        set_version: set.map_or(0, |set| set.version),
        active: set.is_some_and(|set| set.position(oracle.key.as_ref()).is_some()),
        quorum: set.map_or(0, |set| set.quorum),
        slot: oracle.clock.slot(),
        index_age_ms: oracle.clock.age().as_millis() as u64,
        peers: oracle.peers.list(),
        now_ms: now_ms(),
        limits: Limits {
            max_blob_bytes: oracle.config.max_blob_bytes,
            max_part_bytes: oracle.config.max_part_bytes,
            max_json_bytes: MAX_JSON_BYTES,
        },
    }))
}

#[utoipa::path(get, path = "/v1/identity", params(("nonce" = String, Query, description = "32 bytes, lower-case hex")), responses((status = 200, body = Identity), (status = 400, body = ApiError)))]
async fn identity(State(api): Shared, OriginalUri(uri): OriginalUri) -> Answer<Identity> {
    let fields = query(&uri, &["nonce"])?;
    let nonce = fields
        .get("nonce")
        .and_then(|nonce| text::parse_hash(nonce))
        .ok_or_else(|| {
            Refusal::bad("the query's 'nonce' is missing or not 64 lower-case hex digits")
        })?;
    Ok(Json(crate::peers::identity(&api.oracle, &nonce)))
}

#[utoipa::path(
    put, path = "/v1/blobs/{hash}",
    params(("hash" = String, Path, description = "BLAKE3, lower-case hex"), ("offset" = u64, Query), ("size" = u64, Query, description = "Bytes of the whole"), ("x-io-auth" = String, Header)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = BlobStatus), (status = 401, body = ApiError), (status = 409, body = ApiError, description = "Not where the upload is"), (status = 413, body = ApiError), (status = 422, body = ApiError, description = "The whole hashes to something else"))
)]
async fn put_blob(
    State(api): Shared,
    Path(hash): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<BlobStatus> {
    let hash = hash_of(&hash)?;
    let fields = query(&uri, &["offset", "size"])?;
    let (offset, size) = (number(&fields, "offset")?, number(&fields, "size")?);
    // Before the body is read: who has no signature costs nothing.
    if !headers.contains_key(auth::HEADER) {
        return Err(auth::AuthError::Missing.into());
    }
    let part = body(
        &api,
        from,
        &headers,
        request,
        api.oracle.config.max_part_bytes,
    )
    .await?;
    let key = signer(&api, &method, &uri, &headers, NO_SUBJECT, &part)?;
    // Asked only when it matters: it looks through all devices.
    let device = api.oracle.blobs.is_crowded() && api.oracle.index.operates(&key);
    let status = api
        .oracle
        .blobs
        .append(&hash, &text::key(&key), device, offset, size, part)
        .await?;
    if status.complete {
        api.oracle.blob_news.send_modify(|n| *n = n.wrapping_add(1));
    }
    Ok(Json(status))
}

#[utoipa::path(
    get, path = "/v1/blobs/{hash}/status",
    params(("hash" = String, Path), ("uploader" = Option<String>, Query, description = "Whose upload; the farthest when left out")),
    responses((status = 200, body = BlobStatus), (status = 404, body = ApiError))
)]
async fn blob_status(
    State(api): Shared,
    Path(hash): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<BlobStatus> {
    let fields = query(&uri, &["uploader"])?;
    let uploader = fields
        .get("uploader")
        .map(|key| key_of(key, "the uploader"))
        .transpose()?
        .map(|key| key.to_string());
    let hash = hash_of(&hash)?;
    match api.oracle.blobs.status(&hash, uploader.as_deref()).await {
        // A published model's file needs no upload: it is on this machine already.
        Err(crate::blobs::StoreError::NotFound(_)) if known_size(&api.oracle, &hash).is_some() => {
            let size = known_size(&api.oracle, &hash).unwrap_or_default();
            Ok(Json(BlobStatus {
                hash: text::hash(&hash),
                size,
                received: size,
                complete: true,
            }))
        }
        other => Ok(Json(other?)),
    }
}

/// Size of a model's file that is here without having been uploaded.
fn known_size(oracle: &Oracle, hash: &Bytes32) -> Option<u64> {
    use io_engines::Blobs as _;
    let path = oracle.models.locate(&io_engines::BlobHash(*hash)).ok()?;
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

#[utoipa::path(
    get, path = "/v1/blobs/{hash}",
    params(("hash" = String, Path), ("range" = Option<String>, Header, description = "One range of bytes")),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"), (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 404, body = ApiError), (status = 416, body = ApiError))
)]
async fn get_blob(
    State(api): Shared,
    Path(hash): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let hash = hash_of(&hash)?;
    query(&uri, &[])?;
    let store = api.oracle.blobs.clone();
    let Some(size) = store.size(&hash) else {
        let message = format!("blob {} is not here, or not whole yet", text::hash(&hash));
        return Err(Refusal::not_found(message));
    };
    let range = match headers.get(header::RANGE) {
        None => None,
        Some(value) => {
            let parsed = value.to_str().ok().and_then(|text| byte_range(text, size));
            let unsatisfiable = || {
                let message =
                    format!("the range is not one range of bytes inside a blob of {size}");
                let mut refused = Refusal::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "bad_request",
                    message,
                    None,
                )
                .into_response();
                if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
                    refused.headers_mut().insert(header::CONTENT_RANGE, value);
                }
                refused
            };
            match parsed {
                Some(range) => Some(range),
                None => return Ok(unsatisfiable()),
            }
        }
    };
    let (from, until) = range.unwrap_or((0, size));
    // The first chunk before the head: a damaged blob is an error and not half an answer.
    let first = if from < until {
        Some(piece(&store, &hash, from, until).await?)
    } else {
        None
    };
    let at = from + first.as_ref().map_or(0, |bytes| bytes.len() as u64);
    let rest = stream::try_unfold(at, move |at| {
        let store = store.clone();
        async move {
            if at >= until {
                return Ok::<_, std::io::Error>(None);
            }
            let bytes = piece(&store, &hash, at, until)
                .await
                .map_err(std::io::Error::other)?;
            let next = at + bytes.len() as u64;
            Ok(Some((bytes, next)))
        }
    });
    let body = Body::from_stream(stream::iter(first.map(Ok)).chain(rest));
    let mut response = Response::new(body);
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(until - from));
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    if range.is_some()
        && let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{}/{size}", until - 1))
    {
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Bytes from `at` to the end of its chunk, or to `until`.
async fn piece(
    store: &crate::blobs::BlobStore,
    hash: &Bytes32,
    at: u64,
    until: u64,
) -> Result<Bytes, crate::blobs::StoreError> {
    let (start, chunk) = store.chunk(hash, at).await?;
    let (from, to) = (
        (at - start) as usize,
        (until - start).min(chunk.len() as u64) as usize,
    );
    if from >= to {
        return Err(crate::blobs::StoreError::Damaged(text::hash(hash)));
    }
    Ok(Bytes::from(chunk).slice(from..to))
}

/// One range of `bytes=a-b`, `a-` or `-n` as [from, until) inside `size`.
fn byte_range(text: &str, size: u64) -> Option<(u64, u64)> {
    let (from, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let digits = |text: &str| {
        (text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u64>().ok())?
    };
    let (from, until) = match (from, last) {
        ("", last) => (size.saturating_sub(digits(last)?), size),
        (from, "") => (digits(from)?, size),
        (from, last) => {
            let (from, last) = (digits(from)?, digits(last)?);
            if last < from {
                return None;
            }
            (from, last.saturating_add(1).min(size))
        }
    };
    (from < until).then_some((from, until))
}

fn device_page(api: &Api, uri: &Uri, keep: impl Fn(&Oracle, &Pubkey) -> bool) -> Answer<Offers> {
    let fields = query(uri, &["after"])?;
    let after = fields
        .get("after")
        .map(|key| key_of(key, "`after`"))
        .transpose()?;
    let oracle = &api.oracle;
    // Keys only, and of the page alone the accounts: there may be very many.
    let mut all: Vec<Pubkey> = {
        let tables = oracle.index.read();
        tables.devices.keys().copied().collect()
    };
    all.retain(|key| keep(oracle, key));
    let total = all.len() as u64;
    all.retain(|key| after.is_none_or(|after| *key > after));
    let more = all.len() > PAGE;
    if more {
        all.select_nth_unstable(PAGE);
        all.truncate(PAGE);
    }
    all.sort_unstable();
    let page: Vec<Offer> = all
        .iter()
        .filter_map(|key| Some(views::offer(oracle, key, &oracle.index.device(key)?)))
        .collect();
    let next = more
        .then(|| page.last().map(|offer| offer.device.clone()))
        .flatten();
    Ok(Json(Offers {
        offers: page,
        next,
        total,
    }))
}

#[utoipa::path(get, path = "/v1/offers", params(("after" = Option<String>, Query)), responses((status = 200, body = Offers)))]
async fn offers(State(api): Shared, OriginalUri(uri): OriginalUri) -> Answer<Offers> {
    device_page(&api, &uri, |oracle, key| {
        oracle
            .links
            .state(key)
            .is_some_and(|state| state.heartbeat.is_some())
    })
}

#[utoipa::path(get, path = "/v1/devices", params(("after" = Option<String>, Query)), responses((status = 200, body = Offers)))]
async fn devices(State(api): Shared, OriginalUri(uri): OriginalUri) -> Answer<Offers> {
    device_page(&api, &uri, |_, _| true)
}

#[utoipa::path(get, path = "/v1/devices/{device}", params(("device" = String, Path)), responses((status = 200, body = Offer), (status = 404, body = ApiError)))]
async fn device(State(api): Shared, Path(address): Path<String>) -> Answer<Offer> {
    let address = key_of(&address, "a device")?;
    let device = api
        .oracle
        .index
        .device(&address)
        .ok_or_else(|| Refusal::not_found(format!("no device at {address}")))?;
    Ok(Json(views::offer(&api.oracle, &address, &device)))
}

#[utoipa::path(
    post, path = "/v1/devices/{device}/attest",
    params(("device" = String, Path), ("x-io-auth" = String, Header, description = "By the device's operator")),
    request_body = DeviceAttestRequest,
    responses((status = 200, body = DeviceAttestation), (status = 401, body = ApiError), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "Not linked here"))
)]
async fn attest_device(
    State(api): Shared,
    Path(address): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<DeviceAttestation> {
    let address = key_of(&address, "a device")?;
    query(&uri, &[])?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let key = signer(&api, &method, &uri, &headers, address.to_bytes(), &bytes)?;
    let device = api
        .oracle
        .index
        .device(&address)
        .ok_or_else(|| Refusal::not_found(format!("no device at {address}")))?;
    if key != device.operator.to_bytes() {
        let message = format!(
            "signed by {}, and the device's operator is {}",
            text::key(&key),
            device.operator
        );
        return Err(Refusal::unauthorized(message));
    }
    Ok(Json(attest::device(
        &api.oracle,
        &address,
        &parse(&bytes)?,
    )?))
}

#[utoipa::path(
    get,
    path = "/v1/hardware/{epoch}",
    params(
        ("epoch" = u64, Path, description = "Hours since the Unix epoch"),
        ("after" = Option<String>, Query, description = "`next` of the page before")
    ),
    responses((status = 200, body = HardwareProofs), (status = 400, body = ApiError))
)]
async fn hardware_proofs(
    State(api): Shared,
    Path(epoch): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<HardwareProofs> {
    let fields = query(&uri, &["after"])?;
    let epoch = epoch_number(&epoch)?;
    let after = fields
        .get("after")
        .map(|text| {
            hardware::parse_after(text)
                .ok_or_else(|| Refusal::bad("`after` is not what a page's `next` said"))
        })
        .transpose()?;
    hardware::view(&api.oracle, epoch, after.as_ref())
        .await
        .map(Json)
        .map_err(|error| Refusal::internal(&error))
}

#[utoipa::path(
    get,
    path = "/v1/rewards/{epoch}",
    params(("epoch" = u64, Path, description = "Epoch of emission, the first is 1")),
    responses((status = 200, body = Rewards), (status = 404, body = ApiError))
)]
async fn reward(
    State(api): Shared,
    Path(epoch): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Rewards> {
    query(&uri, &[])?;
    let epoch = epoch_number(&epoch)?;
    match rewards::view(&api.oracle, epoch).await {
        Ok(Some(view)) => Ok(Json(view)),
        Ok(None) => Err(Refusal::not_found(format!(
            "this oracle has nothing about epoch {epoch}"
        ))),
        Err(error) => Err(Refusal::internal(&error)),
    }
}

#[utoipa::path(
    post,
    path = "/v1/hardware/{round}/{device}/open",
    params(("round" = String, Path), ("device" = String, Path)),
    request_body = OpenRequest,
    responses((status = 200, body = OpenReply), (status = 409, body = ApiError, description = "The device has no answer"))
)]
async fn open_rows(
    State(api): Shared,
    Path((round, device)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<OpenReply> {
    query(&uri, &[])?;
    let (round, device) = (hash_of(&round)?, key_of(&device, "a device")?);
    let asked = parse(&body(&api, from, &headers, request, MAX_JSON_BYTES).await?)?;
    if api.oracle.index.device(&device).is_none() {
        return Err(Refusal::not_found(format!("no device at {device}")));
    }
    let opened = api
        .oracle
        .hardware
        .open(&api.oracle, from.0, &device, &round, asked);
    match opened.await {
        Ok(blob) => Ok(Json(OpenReply { blob })),
        Err(reason) => Err(Refusal::conflict(
            format!("nothing opened: {reason}"),
            "a device keeps its newest rounds only, and answers while it is linked",
        )),
    }
}

fn epoch_number(text: &str) -> Result<u64, Refusal> {
    let number = text.parse().ok().filter(|epoch| *epoch <= i64::MAX as u64);
    number.ok_or_else(|| Refusal::bad(format!("'{}' is no epoch", plain(text))))
}

#[utoipa::path(
    post,
    path = "/v1/rewards/{epoch}/sign",
    params(("epoch" = u64, Path)),
    request_body = SignRootRequest,
    responses((status = 200, body = SignedRoot), (status = 401, body = ApiError), (status = 409, body = ApiError, description = "It does not follow from its evidence, or another was signed"))
)]
async fn sign_root(
    State(api): Shared,
    Path(epoch): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<SignedRoot> {
    query(&uri, &[])?;
    let epoch = epoch_number(&epoch)?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let key = signer(&api, &method, &uri, &headers, NO_SUBJECT, &bytes)?;
    let active = api
        .oracle
        .index
        .set()
        .is_some_and(|set| set.position(&key).is_some());
    if !active {
        return Err(Refusal::unauthorized(format!(
            "signed by {}, who is not an active oracle",
            text::key(&key)
        )));
    }
    let request: SignRootRequest = parse(&bytes)?;
    let leaves = hash_of(&request.leaves)?;
    rewards::sign_for_peer(&api.oracle, epoch, &leaves)
        .await
        .map(Json)
        .map_err(|error| {
            Refusal::conflict(
                format!("leaf set of epoch {epoch} not signed: {error:#}"),
                "compare the evidence",
            )
        })
}

#[utoipa::path(
    get,
    path = "/v1/guidance/{epoch}",
    params(("epoch" = u64, Path, description = "Epoch of emission, the first is 1")),
    responses((status = 200, body = Guidance), (status = 404, body = ApiError))
)]
async fn guidance(
    State(api): Shared,
    Path(epoch): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Guidance> {
    query(&uri, &[])?;
    let epoch = epoch_number(&epoch)?;
    crate::guidance::view(&api.oracle, epoch)
        .await?
        .map(Json)
        .ok_or_else(|| {
            Refusal::not_found(format!(
                "this oracle has no figures of epoch {epoch}: it computes them when the epoch's root is on chain"
            ))
        })
}

#[utoipa::path(
    get, path = "/v1/burns",
    params(("step" = String, Query, description = "`hour` or `day`")),
    responses((status = 200, body = Burns), (status = 400, body = ApiError))
)]
async fn burns(State(api): Shared, OriginalUri(uri): OriginalUri) -> Answer<Burns> {
    let fields = query(&uri, &["step"])?;
    let step = match fields.get("step").map(String::as_str) {
        Some("hour") => 3_600,
        Some("day") => 86_400,
        other => {
            return Err(Refusal::bad(format!(
                "the query's 'step' is 'hour' or 'day', not '{}'",
                plain(other.unwrap_or_default())
            )));
        }
    };
    let (steps, before) = api.oracle.db.burns(step, BURN_STEPS).await?;
    Ok(Json(views::burns(step, &steps, &before)))
}

#[utoipa::path(post, path = "/v1/quote", request_body = QuoteRequest, responses((status = 200, body = Quote), (status = 400, body = ApiError), (status = 404, body = ApiError, description = "Jobs can't be paid in this mint"), (status = 503, body = ApiError, description = "The index has gaps")))]
async fn quote(
    State(api): Shared,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<Quote> {
    query(&uri, &[])?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let request: QuoteRequest = parse(&bytes)?;
    let oracle = &api.oracle;
    // Devices and mints that are not read yet would look like none.
    if is_stale(oracle, oracle.clock.age()) {
        return Err(Refusal::unavailable(
            "the index isn't whole: ask again in a moment",
        ));
    }
    let mint = request
        .mint
        .as_deref()
        .map(|mint| key_of(mint, "the mint"))
        .transpose()?
        .unwrap_or(oracle.io_mint);
    let (payment, reserve_bps) = {
        let tables = oracle.index.read();
        (
            tables.mints.get(&mint).copied(),
            tables.network.map_or(0, |network| network.reserve_bps),
        )
    };
    let payment =
        payment.ok_or_else(|| Refusal::not_found(format!("jobs can't be paid in {mint}")))?;
    if payment.enabled == 0 {
        return Err(Refusal::bad(format!(
            "new jobs can't be paid in {mint} at present"
        )));
    }
    let region = match &request.requirement.region {
        None => 0,
        Some(region) => text::parse_region(region)
            .ok_or_else(|| Refusal::bad("the region is not a two-letter ISO 3166 code, like DE"))?,
    };
    let wanted = &request.requirement;
    let want = Want {
        engine: request.engine.clone(),
        class: wanted.class,
        min_multiplier_e2: wanted.min_multiplier_e2,
        min_memory_mib: wanted.min_memory_mib,
        region,
        min_reputation_bps: wanted.min_reputation_bps,
        max_price: u64::MAX,
        max_units: request.units,
        io_per_unit_e9: E9 as u64,
    };
    let survey = lock(&oracle.market).matcher.survey(&want);
    // Asks are in IO; in another mint they are worth what its weight says.
    let in_mint = |ask: u64| {
        u64::try_from((u128::from(ask) * E9).div_ceil(payment.io_per_unit_e9.max(1).into()))
            .unwrap_or(u64::MAX)
    };
    let ask_min = survey.asks.first().copied().map(in_mint);
    let fees = payment.fees(reserve_bps);
    let too_much = |_| Refusal::bad("so many units cost more than any amount can hold");
    let (mut cost, mut fee) = (None, None);
    if let Some(ask) = ask_min {
        let amount = money::payment_floor(request.units, ask).map_err(too_much)?;
        cost = Some(amount);
        fee = Some(money::fee_ceil(amount, fees.renter_bps()).map_err(too_much)?);
    }
    let class = survey.class;
    let reference = {
        let tables = oracle.index.read();
        class.and_then(|class| views::reference(tables.classes.get(&class)?))
    };
    let total = match (cost, fee) {
        (Some(cost), Some(fee)) => Some(
            cost.checked_add(fee)
                .ok_or_else(|| too_much(money::MoneyError::Overflow))?,
        ),
        _ => None,
    };
    let mut removed: BTreeMap<String, u32> = BTreeMap::new();
    if survey.asks.is_empty() {
        removed.extend(
            survey
                .removed
                .iter()
                .map(|(reason, count)| ((*reason).to_owned(), *count)),
        );
        for (because, count) in api.idle.get(|| unavailable(oracle)) {
            *removed.entry(because.to_owned()).or_default() += count;
        }
    }
    Ok(Json(Quote {
        engine: request.engine,
        units: request.units,
        mint: mint.to_string(),
        devices: u32::try_from(survey.asks.len()).unwrap_or(u32::MAX),
        ask_min: ask_min.map(Amount),
        ask_median: survey
            .asks
            .get(survey.asks.len() / 2)
            .copied()
            .map(in_mint)
            .map(Amount),
        ask_max: survey.asks.last().copied().map(in_mint).map(Amount),
        payment: cost.map(Amount),
        fees: fee.map(Amount),
        total: total.map(Amount),
        reserve_bps,
        payment_bps: payment.fee_bps,
        seconds: survey
            .speed
            .filter(|speed| *speed > 0.0)
            .map(|speed| request.units as f64 / speed),
        hour: ask_min
            .zip(survey.speed)
            .and_then(|(ask, speed)| hour_at(Amount(ask), speed)),
        reference_hour: reference.map(in_mint).map(Amount),
        removed,
    }))
}

/// A job's newest state: of the index, or what the history kept of one that was closed.
async fn find_job(oracle: &Oracle, address: &Pubkey) -> Result<Option<(Job, bool)>, Refusal> {
    if let Some(job) = oracle.index.job(address) {
        return Ok(Some((job, true)));
    }
    let Some(row) = oracle.db.job(&address.to_string()).await? else {
        return Ok(None);
    };
    let job = bytemuck::try_pod_read_unaligned(&row.data)
        .map_err(|_| anyhow::anyhow!("a stored job is damaged"))?;
    Ok(Some((job, false)))
}

#[utoipa::path(
    get, path = "/v1/jobs",
    params(("renter" = Option<String>, Query), ("state" = Option<String>, Query), ("after" = Option<String>, Query)),
    responses((status = 200, body = Jobs), (status = 400, body = ApiError))
)]
async fn jobs(State(api): Shared, OriginalUri(uri): OriginalUri) -> Answer<Jobs> {
    let fields = query(&uri, &["renter", "state", "after"])?;
    let renter = fields
        .get("renter")
        .map(|key| key_of(key, "the renter"))
        .transpose()?
        .map(|key| key.to_string());
    let state = match fields.get("state") {
        None => None,
        Some(name) => Some(
            (1..=8)
                .find(|state| JobState::try_from(*state).is_ok_and(|state| crate::keeper::state_name(state) == name))
                .ok_or_else(|| Refusal::bad(format!("'{}' is not a state; open, running, submitted, disputed, settled, rejected, cancelled and expired are", plain(name))))?,
        ),
    };
    let after = match fields.get("after") {
        None => None,
        Some(text) => {
            let bad = || Refusal::bad("`after` is not the `next` of a page before");
            let (slot, job) = text.split_once('-').ok_or_else(bad)?;
            Some((
                slot.parse::<u64>().map_err(|_| bad())?,
                key_of(job, "`after`")?.to_string(),
            ))
        }
    };
    let oracle = &api.oracle;
    let (rows, total) = oracle
        .db
        .jobs(renter.as_deref(), state, after, PAGE as u32)
        .await?;
    let next = (rows.len() == PAGE)
        .then(|| {
            rows.last()
                .map(|row| format!("{}-{}", row.created_slot, row.job))
        })
        .flatten();
    let mut page = Vec::with_capacity(rows.len());
    for row in rows {
        let address = key_of(&row.job, "a job")?;
        let stored: Job = bytemuck::try_pod_read_unaligned(&row.data)
            .map_err(|_| anyhow::anyhow!("a stored job is damaged"))?;
        let live = oracle
            .index
            .job(&address)
            .filter(|live| live.created_slot == row.created_slot);
        page.push(views::job(oracle, &address, &live.unwrap_or(stored), live.is_some()).await?);
    }
    Ok(Json(Jobs {
        jobs: page,
        next,
        total,
    }))
}

#[utoipa::path(get, path = "/v1/jobs/{job}", params(("job" = String, Path)), responses((status = 200, body = JobView), (status = 404, body = ApiError)))]
async fn job(State(api): Shared, Path(address): Path<String>) -> Answer<JobView> {
    let address = key_of(&address, "a job")?;
    match find_job(&api.oracle, &address).await? {
        Some((job, live)) => Ok(Json(views::job(&api.oracle, &address, &job, live).await?)),
        None => Err(Refusal::not_found(format!(
            "this oracle has seen no job at {address}"
        ))),
    }
}

#[utoipa::path(
    get, path = "/v1/jobs/{job}/attestation",
    params(("job" = String, Path), ("disputed" = Option<bool>, Query, description = "From before a dispute, or about it; the newest when left out")),
    responses((status = 200, body = Attestation), (status = 400, body = ApiError), (status = 404, body = ApiError))
)]
async fn attestation(
    State(api): Shared,
    Path(address): Path<String>,
    OriginalUri(uri): OriginalUri,
) -> Answer<Attestation> {
    let fields = query(&uri, &["disputed"])?;
    let disputed = match fields.get("disputed").map(String::as_str) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(Refusal::bad("`disputed` is true or false")),
    };
    let address = key_of(&address, "a job")?;
    let none = || Refusal::not_found(format!("this oracle has no verdict about {address}"));
    let (job, _) = find_job(&api.oracle, &address).await?.ok_or_else(none)?;
    let found = match disputed {
        Some(disputed) => {
            verify::decision(&api.oracle, &address, job.created_slot, disputed).await?
        }
        None => verify::last_word(&api.oracle, &address, job.created_slot).await?,
    }
    .ok_or_else(none)?;
    let attestation = verify::attest(&api.oracle, &address, job.created_slot, &found);
    attestation
        .map(Json)
        .ok_or_else(|| Refusal::unavailable("the oracle set is not indexed yet"))
}

#[utoipa::path(post, path = "/v1/jobs/{job}/conduct", params(("job" = String, Path)), request_body = Attestation, responses((status = 200, body = Conduct), (status = 400, body = ApiError, description = "The attestation is no signed word of a run that found the result right"), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "It is this oracle's own")))]
async fn conduct(
    State(api): Shared,
    Path(address): Path<String>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<Conduct> {
    let address = key_of(&address, "a job")?;
    query(&uri, &[])?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let said: Attestation = parse(&bytes)?;
    conduct::look(&api.oracle, &address, &said).await.map(Json)
}

#[utoipa::path(get, path = "/v1/slash/{case}/decision", params(("case" = String, Path)), responses((status = 200, body = SlashDecision), (status = 404, body = ApiError)))]
async fn slash_decision(State(api): Shared, Path(address): Path<String>) -> Answer<SlashDecision> {
    let address = key_of(&address, "a slash case")?;
    crate::slashes::attest(&api.oracle, &address)
        .await?
        .map(Json)
        .ok_or_else(|| Refusal::not_found(format!("this oracle has no decision about {address}")))
}

#[utoipa::path(get, path = "/v1/leases/{job}", params(("job" = String, Path)), responses((status = 200, body = LeaseCount), (status = 404, body = ApiError)))]
async fn lease(State(api): Shared, Path(address): Path<String>) -> Answer<LeaseCount> {
    let address = key_of(&address, "a lease")?;
    let count = leases::counted(&api.oracle, &address)
        .ok_or_else(|| Refusal::not_found(format!("this oracle counted nothing of {address}")))?;
    let signed = leases::last_signed(&api.oracle, &address, count.created_slot).await?;
    // Counted again: what was signed meanwhile is no more than that.
    let count = leases::counted(&api.oracle, &address).unwrap_or(count);
    Ok(Json(LeaseCount { signed, ..count }))
}

#[utoipa::path(post, path = "/v1/leases/{job}/sign", params(("job" = String, Path), ("x-io-auth" = String, Header, description = "By the device's operator, or an active oracle once the lease is over")), request_body = LeaseSignRequest, responses((status = 200, body = LeaseSignature), (status = 401, body = ApiError), (status = 409, body = ApiError, description = "More than this oracle counted, or another total than it signed")))]
async fn sign_lease(
    State(api): Shared,
    Path(address): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<LeaseSignature> {
    let address = key_of(&address, "a lease")?;
    query(&uri, &[])?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let key = signer(&api, &method, &uri, &headers, address.to_bytes(), &bytes)?;
    let request: LeaseSignRequest = parse(&bytes)?;
    let oracle = &api.oracle;
    let job = oracle
        .index
        .job(&address)
        .filter(|job| job.require_running_lease().is_ok())
        .ok_or_else(|| Refusal::not_found(format!("no running lease at {address}")))?;
    let (Some(set), Some(device)) = (oracle.index.set(), oracle.index.device(&job.device)) else {
        return Err(Refusal::unavailable(
            "the lease's device is not indexed yet",
        ));
    };
    let (operator, now) = (device.operator.to_bytes(), oracle.clock.now());
    if !leases::may_ask(&job, &set, &key, &operator, now) {
        return Err(Refusal::unauthorized(format!(
            "signed by {}, who is neither the device's operator nor, once the lease is over, an active oracle",
            text::key(&key)
        )));
    }
    leases::sign(oracle, &address, request.seconds, request.at)
        .await
        .map(Json)
        .map_err(|error| {
            Refusal::conflict(
                format!("{address} not signed: {error:#}"),
                "ask for no more than GET /v1/leases says, and for what follows the last signature",
            )
        })
}

#[utoipa::path(post, path = "/v1/leases/{job}/requests", params(("job" = String, Path)), request_body = LeaseRequest, responses((status = 200, body = LeaseReply), (status = 401, body = ApiError), (status = 409, body = ApiError, description = "The device has no answer")))]
async fn lease_request(
    State(api): Shared,
    Path(address): Path<String>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
    request: Body,
) -> Answer<LeaseReply> {
    let address = key_of(&address, "a lease")?;
    let bytes = body(&api, from, &headers, request, MAX_JSON_BYTES).await?;
    let key = signer(&api, &method, &uri, &headers, address.to_bytes(), &bytes)?;
    let job = api
        .oracle
        .index
        .job(&address)
        .filter(|job| job.require_running_lease().is_ok())
        .ok_or_else(|| Refusal::not_found(format!("no running lease at {address}")))?;
    if !job.is_customer(&Pubkey::new_from_array(key)) {
        return Err(Refusal::unauthorized(format!(
            "signed by {}, who is neither the lease's renter nor its payer",
            text::key(&key)
        )));
    }
    let request: LeaseRequest = parse(&bytes)?;
    let spec = hash_of(&request.spec)?;
    leases::request(&api.oracle, &address, &job, &text::hash(&spec))
        .await
        .map(Json)
        .map_err(|reason| Refusal::conflict(reason, LEASE_HINT))
}

#[utoipa::path(get, path = "/v1/leases/{job}/requests/{spec}", params(("job" = String, Path), ("spec" = String, Path, description = "BLAKE3 of the spec that was asked for")), responses((status = 200, body = LeaseReply), (status = 404, body = ApiError), (status = 409, body = ApiError, description = "The device has no answer")))]
async fn lease_request_status(
    State(api): Shared,
    Path((address, spec)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
) -> Answer<LeaseReply> {
    query(&uri, &[])?;
    let (address, spec) = (key_of(&address, "a lease")?, hash_of(&spec)?);
    let unknown = || {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "this oracle knows of no such request of a running lease",
            Some(
                "send it (again): POST /v1/leases/{job}/requests, signed by the renter or the payer",
            ),
        )
    };
    let job = api
        .oracle
        .index
        .job(&address)
        .filter(|job| job.require_running_lease().is_ok())
        .ok_or_else(unknown)?;
    leases::standing(&api.oracle, &address, &job, &text::hash(&spec))
        .await
        .ok_or_else(unknown)?
        .map(Json)
        .map_err(|reason| Refusal::conflict(reason, LEASE_HINT))
}

#[utoipa::path(get, path = "/v1/link", responses((status = 101, description = "WebSocket; the messages are ToWorker and ToOracle, as text frames of JSON")))]
async fn link_upgrade(State(api): Shared, request: Request) -> Result<Response, Refusal> {
    let from = request
        .extensions()
        .get::<ConnectedFrom>()
        .map(|from| from.0);
    let (mut parts, _): (Parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &())
        .await
        .map_err(|_| Refusal::bad("this path is a WebSocket: connect with one"))?;
    let oracle = api.oracle.clone();
    if oracle.index.read().network.is_none() {
        return Err(Refusal::unavailable(
            "this oracle is still reading the chain",
        ));
    }
    let from = from.unwrap_or(IpAddr::from([0, 0, 0, 0]));
    Ok(upgrade
        .max_message_size(link::MAX_MESSAGE_BYTES)
        .max_frame_size(link::MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| link::serve(oracle, socket, from)))
}

#[utoipa::path(get, path = "/v1/app", responses((status = 200, body = app::AppConfig)))]
async fn app_config(State(api): Shared) -> Json<app::AppConfig> {
    Json(app::config(&api.oracle))
}

#[utoipa::path(
    get, path = "/v1/events",
    params(("heartbeats" = Option<String>, Query, description = "Provider whose devices' heartbeats are wanted"), ("last-event-id" = Option<String>, Header, description = "Where an earlier stream ended")),
    responses((status = 200, description = "Server-sent events: hello, account, job, heartbeat, clock", body = String, content_type = "text/event-stream"), (status = 429, body = ApiError))
)]
async fn event_stream(
    State(api): Shared,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Extension(from): Extension<ConnectedFrom>,
) -> Result<Response, Refusal> {
    let fields = query(&uri, &["heartbeats"])?;
    let heartbeats = fields
        .get("heartbeats")
        .map(|key| key_of(key, "the provider"))
        .transpose()?;
    let Some(open) = events::Open::new(&api.streams, from.0) else {
        api.oracle.metrics.limited.inc();
        return Err(Refusal::rate_limited());
    };
    Ok(events::answer(
        api.oracle.clone(),
        open,
        &headers,
        heartbeats,
    ))
}

/// What is not the API's is the web app's, where it is served.
async fn fallback(State(api): Shared, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let config = &api.oracle.config;
    match &config.app_dir {
        Some(dir)
            if matches!(method, Method::GET | Method::HEAD) && !uri.path().starts_with("/v1/") =>
        {
            app::serve(config, dir, uri.path(), &headers).await
        }
        _ => Refusal::not_found(
            "there is nothing at this path; /v1/openapi.json lists what there is",
        )
        .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_one_and_inside() {
        let of_ten = |text| byte_range(text, 10);
        assert_eq!(of_ten("bytes=0-"), Some((0, 10)));
        assert_eq!(of_ten("bytes=3-4"), Some((3, 5)));
        assert_eq!(of_ten("bytes=3-99"), Some((3, 10)));
        assert_eq!(of_ten("bytes=-4"), Some((6, 10)));
        assert_eq!(of_ten("bytes=-99"), Some((0, 10)));
        for bad in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=10-",
            "bytes=4-3",
            "bytes=-0",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bits=0-1",
            "bytes=+1-2",
            "bytes=99999999999999999999999-",
            "bytes= 1-2",
        ] {
            assert_eq!(of_ten(bad), None, "{bad}");
        }
        assert_eq!(byte_range("bytes=0-", 0), None);
    }

    #[test]
    fn queries_are_strict() {
        let ask = |text: &str| query(&text.parse().unwrap(), &["a", "b"]);
        assert_eq!(
            ask("/x?a=1&b=%2F%c3%9f").unwrap(),
            HashMap::from([("a".into(), "1".into()), ("b".into(), "/ß".into())])
        );
        for bad in [
            "/x?c=1",
            "/x?a",
            "/x?a=1&a=2",
            "/x?a=%f",
            "/x?a=%zz",
            "/x?a=%ff",
        ] {
            assert!(ask(bad).is_err(), "{bad}");
        }
    }

    /// The web app's types are generated from this file. `UPDATE_OPENAPI=1` writes it.
    #[test]
    fn the_web_app_has_this_interface() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/openapi.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(&path, openapi_json()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == openapi_json(),
            "app/openapi.json is stale: run `io oracle openapi > app/openapi.json`, then `npm run generate` in app/"
        );
    }

    #[test]
    fn the_document_names_every_path() {
        let document = serde_json::to_value(Document::openapi()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        for path in [
            "/health",
            "/v1/info",
            "/v1/blobs/{hash}",
            "/v1/blobs/{hash}/status",
            "/v1/quote",
            "/v1/guidance/{epoch}",
            "/v1/jobs/{job}/attestation",
            "/v1/slash/{case}/decision",
            "/v1/link",
        ] {
            assert!(paths.contains_key(path), "{path}");
        }
        assert_eq!(
            document["components"]["schemas"]["Amount"]["type"],
            "string"
        );
    }
}
