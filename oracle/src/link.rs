//! Links to workers: one WebSocket a device, over which heartbeats come and offers and verdicts go.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    extract::ws::{Message, WebSocket},
};
use io_api::{
    auth::{self, About, now_ms},
    text,
    types::{Auth, Heartbeat, Progress, ToOracle, ToWorker},
};
use io_client::Pubkey;
use io_protocol::messages::Bytes32;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::limits::Bucket,
    hardware::Said,
    matching::MAX_ENGINES,
    nonces::Seen,
    oracle::{Oracle, lock},
};

/// Largest message of a worker, bytes.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Time for the hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A link that says nothing for so long is closed.
const SILENCE: Duration = Duration::from_secs(60);
/// A worker that does not read for so long is dropped.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that wait for a worker; more are dropped with its link.
const OUTBOX: usize = 256;
/// Messages a second that a worker may send, and at once.
const MESSAGES_PER_SECOND: f64 = 50.0;
const MESSAGES_BURST: f64 = 200.0;
/// A link whose worker does not answer a ping in this time may be replaced.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Probes of one link at once.
const MAX_PROBES: usize = 8;
/// Refusals before a link is closed.
const MAX_REFUSALS: u32 = 20;
/// Links at once.
pub const MAX_LINKS: usize = 100_000;
/// Longest name of an engine, phase, version or reason, bytes.
const MAX_TEXT: usize = 200;

/// Two workers are one device.
const CONFLICT: &str = "conflict";

/// What a device last said.
#[derive(Clone, Default)]
pub struct LinkState {
    pub heartbeat: Option<Heartbeat>,
    pub heartbeat_at: Option<Instant>,
}

/// What a link carries to a worker.
pub enum Parcel {
    Message(Box<ToWorker>),
    /// A part of a burst.
    Bytes(Bytes),
    /// Asks for a pong of the same bytes.
    Ping([u8; 8]),
}

struct Link {
    id: u64,
    outbox: mpsc::Sender<Parcel>,
    state: LinkState,
    replaced: CancellationToken,
    probes: mpsc::Sender<oneshot::Sender<()>>,
}

/// What a session gets of its link.
struct Opened {
    id: u64,
    waiting: mpsc::Receiver<Parcel>,
    replaced: CancellationToken,
    probes: mpsc::Receiver<oneshot::Sender<()>>,
}

/// All links.
#[derive(Default)]
pub struct Links {
    links: Mutex<HashMap<Pubkey, Link>>,
    next: AtomicU64,
}

impl Links {
    pub fn devices(&self) -> Vec<Pubkey> {
        lock(&self.links).keys().copied().collect()
    }

    pub fn len(&self) -> usize {
        lock(&self.links).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn state(&self, device: &Pubkey) -> Option<LinkState> {
        lock(&self.links).get(device).map(|link| link.state.clone())
    }

    /// Hands a message to a device's link. False when there is none, or it is too slow.
    pub fn send(&self, device: &Pubkey, message: ToWorker) -> bool {
        self.put(device, Parcel::Message(Box::new(message)))
    }

    /// The same for anything that a link carries.
    pub fn put(&self, device: &Pubkey, parcel: Parcel) -> bool {
        lock(&self.links)
            .get(device)
            .is_some_and(|link| link.outbox.try_send(parcel).is_ok())
    }

    /// Whether a worker is at the other end of the device's link now: it answers a ping.
    pub async fn is_alive(&self, device: &Pubkey) -> bool {
        let (answer, answered) = oneshot::channel();
        let asked = lock(&self.links)
            .get(device)
            .map(|link| link.probes.try_send(answer));
        match asked {
            None => false,
            // So many ask at once: somebody is being answered.
            Some(Err(mpsc::error::TrySendError::Full(_))) => true,
            Some(Err(mpsc::error::TrySendError::Closed(_))) => false,
            Some(Ok(())) => matches!(timeout(PROBE_TIMEOUT, answered).await, Ok(Ok(()))),
        }
    }

    fn open(&self, device: Pubkey) -> Option<Opened> {
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        let (probe, probes) = mpsc::channel(MAX_PROBES);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let replaced = CancellationToken::new();
        let mut links = lock(&self.links);
        if links.len() >= MAX_LINKS && !links.contains_key(&device) {
            return None;
        }
        let link = Link {
            id,
            outbox,
            state: LinkState::default(),
            replaced: replaced.clone(),
            probes: probe,
        };
        if let Some(older) = links.insert(device, link) {
            older.replaced.cancel();
        }
        Some(Opened {
            id,
            waiting,
            replaced,
            probes,
        })
    }

    /// Whether it was the device's newest link.
    fn close(&self, device: &Pubkey, id: u64) -> bool {
        let mut links = lock(&self.links);
        let newest = links.get(device).is_some_and(|link| link.id == id);
        if newest {
            links.remove(device);
        }
        newest
    }

    fn beat(&self, device: &Pubkey, id: u64, heartbeat: Heartbeat) {
        if let Some(link) = lock(&self.links)
            .get_mut(device)
            .filter(|link| link.id == id)
        {
            link.state = LinkState {
                heartbeat: Some(heartbeat),
                heartbeat_at: Some(Instant::now()),
            };
        }
    }
}

#[cfg(test)]
impl Links {
    /// A link of which a test reads what goes to the worker.
    pub fn link(&self, device: Pubkey) -> mpsc::Receiver<Parcel> {
        self.open(device).expect("room").waiting
    }
}

/// Why a message is refused.
struct Refusal {
    code: &'static str,
    message: String,
}

fn refusal(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal {
        code,
        message: message.into(),
    }
}

/// Why a link ends.
enum End {
    Closed,
    Refused(Refusal),
}

/// Serves one connection until it ends.
pub async fn serve(oracle: Arc<Oracle>, mut socket: WebSocket, from: IpAddr) {
    let greeted = tokio::select! {
        () = oracle.shutdown.cancelled() => return,
        greeted = timeout(HELLO_TIMEOUT, greet(&oracle, &mut socket)) => greeted,
    };
    let (device, operator) = match greeted {
        Ok(Ok(linked)) => linked,
        Ok(Err(End::Closed)) => return,
        Ok(Err(End::Refused(refused))) => {
            tracing::debug!(%from, code = refused.code, message = refused.message, "link refused");
            refuse(&mut socket, refused).await;
            return;
        }
        Err(_) => {
            return refuse(&mut socket, refusal("bad_request", "no hello came in time")).await;
        }
    };
    // Two workers with one key would take turns at throwing each other out. Whoever is there stays; a link whose worker is gone
    // is replaced.
    if oracle.links.is_alive(&device).await {
        tracing::warn!(%device, %from, "a second worker of this device was refused");
        let message = format!(
            "another worker is linked as the device {device} with the same operator key, and answers"
        );
        return refuse(&mut socket, refusal(CONFLICT, message)).await;
    }
    let Some(opened) = oracle.links.open(device) else {
        return refuse(
            &mut socket,
            refusal("unavailable", "this oracle has too many links: use another"),
        )
        .await;
    };
    let id = opened.id;
    let _close = Close {
        oracle: oracle.clone(),
        device,
        id,
    };
    oracle.metrics.links.set(oracle.links.len() as i64);
    if send(
        &mut socket,
        &ToWorker::Linked {
            device: device.to_string(),
        },
    )
    .await
    .is_err()
    {
        return;
    }
    tracing::info!(%device, "linked");
    // Verdicts and offers from before the link.
    remind(&oracle, &device);
    let end = session(&oracle, &mut socket, device, operator, opened).await;
    if let End::Refused(refused) = end {
        refuse(&mut socket, refused).await;
    }
    tracing::info!(%device, "link ended");
}

struct Close {
    oracle: Arc<Oracle>,
    device: Pubkey,
    id: u64,
}

impl Drop for Close {
    fn drop(&mut self) {
        if self.oracle.links.close(&self.device, self.id) {
            self.oracle.hardware.unlinked(&self.device);
            self.oracle.paces.forget(&self.device);
        }
        self.oracle
            .metrics
            .links
            .set(self.oracle.links.len() as i64);
        self.oracle.refresh_device(&self.device);
    }
}

/// Says again what a worker may have missed: verdicts about its unsettled jobs.
fn remind(oracle: &Arc<Oracle>, device: &Pubkey) {
    use io_client::io_network::state::JobState;
    let jobs: Vec<_> = {
        let tables = oracle.index.read();
        let submitted = tables
            .in_state(JobState::Submitted)
            .iter()
            .chain(tables.in_state(JobState::Disputed));
        submitted
            .filter_map(|key| Some((*key, *tables.jobs.get(key)?)))
            .filter(|(_, job)| job.device == *device)
            .take(OUTBOX / 2)
            .collect()
    };
    for (address, job) in jobs {
        oracle.spawn(|oracle| async move { crate::verify::push(&oracle, &address, &job).await });
    }
}

async fn greet(oracle: &Oracle, socket: &mut WebSocket) -> Result<(Pubkey, Bytes32), End> {
    let welcome = ToWorker::Welcome {
        oracle: oracle.key.to_string(),
        cluster: text::key(&oracle.deployment.cluster),
        program: text::key(&oracle.deployment.program),
        now_ms: now_ms(),
    };
    send(socket, &welcome).await.map_err(|()| End::Closed)?;
    let message = loop {
        match socket.recv().await {
            Some(Ok(Message::Text(text))) => break parse(&text).map_err(End::Refused)?,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return Err(End::Closed),
        }
    };
    let ToOracle::Hello { device, auth } = message else {
        return Err(End::Refused(refusal(
            "bad_request",
            "expected a hello first",
        )));
    };
    let address: Pubkey = device
        .parse()
        .map_err(|_| End::Refused(refusal("bad_request", "the device is not a key in base58")))?;
    let operator = verify(oracle, &address, auth::LINK, b"", &auth).map_err(End::Refused)?;
    Ok((address, operator))
}

/// Checks that a message is signed by the device's operator, now, for the first time.
fn verify(
    oracle: &Oracle,
    device: &Pubkey,
    action: &str,
    body: &[u8],
    auth: &Auth,
) -> Result<Bytes32, Refusal> {
    let account = oracle.index.device(device).ok_or_else(|| {
        refusal(
            "not_found",
            format!(
                "no device at {device}: register it first, or wait until this oracle has seen it"
            ),
        )
    })?;
    let about = About {
        deployment: oracle.deployment,
        recipient: oracle.key.to_bytes(),
        subject: device.to_bytes(),
        action: auth::link_action(action),
    };
    let now = now_ms();
    let key = auth::verify(auth, &about, body, now)
        .map_err(|error| refusal("unauthorized", error.to_string()))?;
    if key != account.operator.to_bytes() {
        return Err(refusal(
            "unauthorized",
            format!(
                "signed by {}, and the device's operator is {}",
                text::key(&key),
                account.operator
            ),
        ));
    }
    match oracle.nonces.see(&key, auth, now) {
        Seen::New => Ok(key),
        Seen::Before => Err(refusal(
            "unauthorized",
            "this message has been sent before: sign a new one",
        )),
        Seen::Earlier => Err(refusal(
            "unauthorized",
            "signed before this oracle started: sign it again",
        )),
        Seen::Full => Err(refusal(
            "rate_limited",
            "too many signed requests: try again in a minute",
        )),
    }
}

async fn session(
    oracle: &Arc<Oracle>,
    socket: &mut WebSocket,
    device: Pubkey,
    operator: Bytes32,
    opened: Opened,
) -> End {
    let Opened {
        id,
        mut waiting,
        replaced,
        mut probes,
    } = opened;
    let mut asking: Vec<oneshot::Sender<()>> = Vec::new();
    let mut bucket = Bucket::full(MESSAGES_BURST);
    let mut sequence = None;
    let mut refusals = 0;
    loop {
        let message = tokio::select! {
            () = oracle.shutdown.cancelled() => return End::Closed,
            () = replaced.cancelled() => {
                return End::Refused(refusal(CONFLICT, "another link of this device has replaced this one"));
            }
            Some(probe) = probes.recv() => {
                asking.retain(|probe| !probe.is_closed());
                asking.push(probe);
                match send_frame(socket, Message::Ping(Default::default())).await {
                    Ok(()) => continue,
                    Err(()) => return End::Closed,
                }
            }
            Some(parcel) = waiting.recv() => {
                let sent = match parcel {
                    Parcel::Message(message) => send(socket, &message).await,
                    Parcel::Bytes(bytes) => send_frame(socket, Message::Binary(bytes)).await,
                    Parcel::Ping(nonce) => send_frame(socket, Message::Ping(nonce.to_vec().into())).await,
                };
                match sent {
                    Ok(()) => continue,
                    Err(()) => return End::Closed,
                }
            }
            message = timeout(SILENCE, socket.recv()) => message,
        };
        let text = match message {
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Pong(payload)))) if payload.len() == 8 => {
                oracle.paces.pong(&device, &payload);
                if !bucket.take(MESSAGES_PER_SECOND, MESSAGES_BURST) {
                    return End::Refused(refusal("rate_limited", "too many messages"));
                }
                continue;
            }
            Ok(Some(Ok(Message::Pong(_)))) if !asking.is_empty() => {
                for probe in asking.drain(..) {
                    let _ = probe.send(());
                }
                let told = ToWorker::Refused {
                    code: CONFLICT.into(),
                    message: format!(
                        "another worker asked to link as the device {device}, signed by this one's operator key, and was refused: is the key on two machines?"
                    ),
                };
                if send(socket, &told).await.is_err() {
                    return End::Closed;
                }
                continue;
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {
                if !bucket.take(MESSAGES_PER_SECOND, MESSAGES_BURST) {
                    return End::Refused(refusal("rate_limited", "too many messages"));
                }
                continue;
            }
            Ok(Some(Ok(Message::Binary(frame)))) => {
                if !oracle.paces.uploaded(&device, &frame) {
                    return End::Refused(refusal("bad_request", "bytes that were not asked for"));
                }
                if !bucket.take(MESSAGES_PER_SECOND, MESSAGES_BURST) {
                    return End::Refused(refusal("rate_limited", "too many messages"));
                }
                continue;
            }
            Ok(Some(Ok(Message::Close(_))) | Some(Err(_)) | None) => return End::Closed,
            Err(_) => return End::Refused(refusal("bad_request", "nothing heard for too long")),
        };
        if !bucket.take(MESSAGES_PER_SECOND, MESSAGES_BURST) {
            return End::Refused(refusal("rate_limited", "too many messages"));
        }
        if let Err(refused) = take(oracle, &device, &operator, id, &text, &mut sequence) {
            refusals += 1;
            // An operator that was replaced on chain, or a worker of another version.
            if refusals >= MAX_REFUSALS {
                return End::Refused(refused);
            }
            let told = ToWorker::Refused {
                code: refused.code.into(),
                message: refused.message,
            };
            if send(socket, &told).await.is_err() {
                return End::Closed;
            }
        }
    }
}

fn take(
    oracle: &Arc<Oracle>,
    device: &Pubkey,
    operator: &Bytes32,
    id: u64,
    text: &str,
    sequence: &mut Option<u64>,
) -> Result<(), Refusal> {
    match parse(text)? {
        ToOracle::Hello { .. } => Err(refusal("bad_request", "already linked")),
        ToOracle::Heartbeat { heartbeat, auth } => {
            let key = verify(oracle, device, auth::HEARTBEAT, heartbeat.as_bytes(), &auth)?;
            if key != *operator {
                return Err(refusal(
                    "unauthorized",
                    "signed by another key than the hello",
                ));
            }
            let heartbeat: Heartbeat = serde_json::from_str(&heartbeat).map_err(|error| {
                refusal(
                    "bad_request",
                    format!("the heartbeat does not parse: {error}"),
                )
            })?;
            check_heartbeat(&heartbeat, device, *sequence)?;
            *sequence = Some(heartbeat.sequence);
            if let Some(device) = oracle.index.device(device) {
                oracle.live.heartbeat(device.provider, &heartbeat);
            }
            let before = oracle.links.state(device).and_then(|s| s.heartbeat_at);
            oracle.links.beat(device, id, heartbeat);
            crate::rewards::beat(oracle, device, before.map(|at| at.elapsed()));
            oracle.device_changed(device);
            Ok(())
        }
        ToOracle::Decline { job, reason } => {
            oracle.declined(device, &job_key(&job)?, &short(&reason));
            Ok(())
        }
        ToOracle::Answer {
            job,
            request,
            answer,
            error,
        } => {
            let address = job_key(&job)?;
            let serves = oracle
                .index
                .job(&address)
                .is_some_and(|job| job.device == *device);
            if !serves {
                return Err(refusal("bad_request", "that lease is another device's"));
            }
            let answer = answer.ok_or_else(|| short(&error.unwrap_or_default()));
            oracle.leases.answered(&address, request, answer);
            Ok(())
        }
        ToOracle::Claim { claim } => oracle
            .hardware
            .claim(oracle, device, claim)
            .map_err(|reason| refusal("bad_request", reason)),
        ToOracle::Committed {
            round,
            roots,
            signature,
        } => in_round(oracle, device, &round, Said::Committed { roots, signature }),
        ToOracle::Filled { round } => in_round(oracle, device, &round, Said::Filled),
        ToOracle::Walked { round, root } => in_round(oracle, device, &round, Said::Walked { root }),
        ToOracle::Opened { round, rows } => in_round(oracle, device, &round, Said::Opened { rows }),
        ToOracle::Reopened {
            request,
            blob,
            error,
        } => {
            let answer = blob.ok_or_else(|| short(&error.unwrap_or_default()));
            oracle.hardware.reopened(device, request, answer);
            Ok(())
        }
        ToOracle::Downloaded { request, sha256 } => {
            oracle.paces.downloaded(device, request, &sha256);
            Ok(())
        }
        ToOracle::Unready { round, reason } => {
            let reason = short(&reason);
            in_round(oracle, device, &round, Said::Unready { reason })
        }
        ToOracle::Accepting { job } => {
            tracing::debug!(job, %device, "accepting");
            Ok(())
        }
        ToOracle::Progress { job, progress } => {
            let address = job_key(&job)?;
            let account = oracle
                .index
                .job(&address)
                .filter(|account| account.device == *device);
            // The chain may show the acceptance later than the worker.
            if let Some(account) = account {
                let progress = Progress {
                    phase: short(&progress.phase),
                    ..progress
                };
                oracle.update_note(&address, account.created_slot, |note| {
                    note.progress = Some(progress)
                });
            }
            Ok(())
        }
    }
}

fn in_round(oracle: &Oracle, device: &Pubkey, round: &str, said: Said) -> Result<(), Refusal> {
    if oracle.hardware.heard(device, round, said) {
        return Ok(());
    }
    Err(refusal(
        "not_found",
        format!("no round {} takes this now: it is over", short(round)),
    ))
}

fn job_key(text: &str) -> Result<Pubkey, Refusal> {
    text.parse()
        .map_err(|_| refusal("bad_request", "the job is not a key in base58"))
}

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_TEXT)
        .collect()
}

fn check_heartbeat(
    heartbeat: &Heartbeat,
    device: &Pubkey,
    before: Option<u64>,
) -> Result<(), Refusal> {
    let bad = |what: String| Err(refusal("bad_request", what));
    if heartbeat.device != device.to_string() {
        return bad(format!(
            "the heartbeat is of {}, the link of {device}",
            short(&heartbeat.device)
        ));
    }
    if before.is_some_and(|before| heartbeat.sequence <= before) {
        return Err(refusal(
            "unauthorized",
            format!("sequence {} is not after the last", heartbeat.sequence),
        ));
    }
    if heartbeat.engines.len() > MAX_ENGINES {
        return bad(format!(
            "{} engines, at most {MAX_ENGINES} are taken",
            heartbeat.engines.len()
        ));
    }
    for (name, offer) in &heartbeat.engines {
        if name.is_empty() || name.len() > MAX_TEXT || !offer.speed.is_finite() || offer.speed < 0.0
        {
            return bad(format!(
                "the offer of engine '{}' is not a name and a finite speed of at least 0",
                short(name)
            ));
        }
    }
    if !(0.0..=1.0).contains(&heartbeat.load) {
        return bad(format!("the load is {}, it must be 0 to 1", heartbeat.load));
    }
    if heartbeat.version.len() > MAX_TEXT
        || heartbeat
            .job
            .as_ref()
            .is_some_and(|job| job.parse::<Pubkey>().is_err())
    {
        return bad("the version is too long, or the job is not a key".into());
    }
    Ok(())
}

fn parse(text: &str) -> Result<ToOracle, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        refusal(
            "bad_request",
            format!("the message does not parse: {error}"),
        )
    })
}

async fn send(socket: &mut WebSocket, message: &ToWorker) -> Result<(), ()> {
    let Ok(text) = serde_json::to_string(message) else {
        return Err(());
    };
    send_frame(socket, Message::Text(text.into())).await
}

async fn send_frame(socket: &mut WebSocket, frame: Message) -> Result<(), ()> {
    match timeout(SEND_TIMEOUT, socket.send(frame)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

async fn refuse(socket: &mut WebSocket, refused: Refusal) {
    let told = ToWorker::Refused {
        code: refused.code.into(),
        message: refused.message,
    };
    if send(socket, &told).await.is_ok() {
        let _ = timeout(SEND_TIMEOUT, socket.send(Message::Close(None))).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use io_api::types::{Amount, EngineOffer};

    use super::*;

    fn heartbeat(device: &Pubkey) -> Heartbeat {
        Heartbeat {
            device: device.to_string(),
            sequence: 5,
            at_ms: 1,
            engines: BTreeMap::from([(
                "embed".into(),
                EngineOffer {
                    ask: Amount(1),
                    speed: 2.0,
                },
            )]),
            load: 0.5,
            memory_used_mib: 1,
            temperature_c: None,
            power_w: None,
            draining: false,
            job: None,
            rtt_ms: None,
            version: "1".into(),
        }
    }

    #[test]
    fn heartbeats_are_of_the_device_newer_and_sane() {
        let device = Pubkey::new_from_array([7; 32]);
        let good = heartbeat(&device);
        assert!(check_heartbeat(&good, &device, None).is_ok());
        assert!(check_heartbeat(&good, &device, Some(4)).is_ok());
        let offer = |speed| {
            BTreeMap::from([(
                "embed".to_owned(),
                EngineOffer {
                    ask: Amount(1),
                    speed,
                },
            )])
        };
        let bad = [
            (
                Heartbeat {
                    device: "x".into(),
                    ..good.clone()
                },
                None,
            ),
            (good.clone(), Some(5)),
            (good.clone(), Some(6)),
            (
                Heartbeat {
                    load: 1.5,
                    ..good.clone()
                },
                None,
            ),
            (
                Heartbeat {
                    load: f64::NAN,
                    ..good.clone()
                },
                None,
            ),
            (
                Heartbeat {
                    engines: offer(f64::INFINITY),
                    ..good.clone()
                },
                None,
            ),
            (
                Heartbeat {
                    engines: offer(-1.0),
                    ..good.clone()
                },
                None,
            ),
            (
                Heartbeat {
                    job: Some("../..".into()),
                    ..good.clone()
                },
                None,
            ),
            (
                Heartbeat {
                    version: "v".repeat(1_000),
                    ..good.clone()
                },
                None,
            ),
        ];
        for (heartbeat, before) in bad {
            assert!(
                check_heartbeat(&heartbeat, &device, before).is_err(),
                "{heartbeat:?} after {before:?}"
            );
        }
    }

    #[test]
    fn a_newer_link_replaces_one_that_is_gone() {
        let (links, device) = (Links::default(), Pubkey::new_from_array([7; 32]));
        let mut older = links.open(device).unwrap();
        let mut newer = links.open(device).unwrap();
        let (first, second) = (older.id, newer.id);
        assert!(older.replaced.is_cancelled());
        links.close(&device, first);
        assert!(
            links.send(
                &device,
                ToWorker::Linked {
                    device: String::new()
                }
            ),
            "the newer one is still there"
        );
        assert!(older.waiting.try_recv().is_err() && newer.waiting.try_recv().is_ok());
        links.beat(&device, first, heartbeat(&device));
        assert!(
            links.state(&device).unwrap().heartbeat.is_none(),
            "the older one says nothing any more"
        );
        links.close(&device, second);
        assert!(links.is_empty());
    }

    #[tokio::test]
    async fn a_link_is_alive_while_its_worker_answers() {
        let (links, device) = (Links::default(), Pubkey::new_from_array([7; 32]));
        assert!(!links.is_alive(&device).await, "there is none");
        let mut opened = links.open(device).unwrap();
        let answering = async { opened.probes.recv().await.unwrap().send(()).unwrap() };
        let (alive, ()) = tokio::join!(links.is_alive(&device), answering);
        assert!(alive);
        // Its session ends without an answer.
        let ending = async { drop(opened.probes.recv().await) };
        let (alive, ()) = tokio::join!(links.is_alive(&device), ending);
        assert!(!alive);
        drop(opened);
        assert!(!links.is_alive(&device).await, "its session has ended");
    }
}
