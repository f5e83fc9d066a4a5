//! Links to the oracles: one WebSocket each, kept up for ever, over which offers come and heartbeats go.
//!
//! A link holds no state worth keeping. What it brings goes to the worker as [`Event`]s; what is lost with it is offered,
//! or asked for, again.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use io_api::{
    auth::{self, About, RequestKey, now_ms},
    text,
    types::{Attestation, Heartbeat, ToOracle, ToWorker},
};
use io_protocol::messages::{Bytes32, Deployment};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, interval_at, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

use self::pace::Pace;
use crate::limits::*;

mod pace;

/// What a link brings.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The oracle accepted this worker.
    Up { link: usize, oracle: String },
    /// The link that was up is no more.
    Down { link: usize },
    /// A job reserved for this device. The ticket isn't checked yet.
    Offer { link: usize, offer: Offer },
    /// A renter wants a spec run in its lease.
    Request {
        link: usize,
        job: String,
        request: u64,
        spec: String,
    },
    /// A verdict. Its signature isn't checked yet.
    Attested { attestation: Box<Attestation> },
    /// About the hardware proof: [`ToWorker::Round`], `Reveal`, `Open` or `Measured`.
    Hardware { link: usize, message: Box<ToWorker> },
    /// The oracle says, again and again, that another worker is this device.
    Conflict { link: usize, message: String },
}

/// The oracle serves another worker of this device.
#[derive(Debug, thiserror::Error)]
#[error("the oracle refused the link: {0}")]
struct Conflict(String);

/// A job reserved for this device, as an oracle says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The oracle's key, base58.
    pub oracle: String,
    pub job: String,
    pub created_slot: u64,
    pub set_version: u64,
    /// What it was chosen for, base units of the job's mint for 1,000 units.
    pub ask: u64,
    /// Unix seconds by the chain's clock.
    pub expires_at: i64,
    pub signature: String,
}

/// The device's state for a heartbeat; the argument is the round trip to the oracle, milliseconds.
pub type MakeHeartbeat = Arc<dyn Fn(Option<u32>) -> Heartbeat + Send + Sync>;

/// What a link needs to know.
#[derive(Clone)]
pub struct Link {
    /// Which of the configured oracles.
    pub index: usize,
    /// `ws://…/v1/link`.
    pub url: String,
    pub deployment: Deployment,
    /// The device's account.
    pub device: Bytes32,
    pub key: RequestKey,
    pub heartbeat: MakeHeartbeat,
    pub heartbeat_every: Duration,
    /// Pause before the first try to come back; it doubles up to [`LINK_LONGEST_RECONNECT`].
    pub reconnect: Duration,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Link {
    /// Keeps the link up until shutdown. `news` changes when the device's state does: the oracle should know at once.
    pub async fn run(
        self,
        mut outbound: mpsc::Receiver<ToOracle>,
        mut news: watch::Receiver<u64>,
        events: mpsc::Sender<Event>,
        shutdown: CancellationToken,
    ) {
        let mut pause = self.reconnect;
        let mut conflicts = 0_u32;
        let mut pace = Pace::new();
        while !shutdown.is_cancelled() {
            let connected = tokio::select! {
                () = shutdown.cancelled() => return,
                connected = self.connect() => connected,
            };
            match connected {
                Ok(session) => {
                    pause = self.reconnect;
                    conflicts = 0;
                    let served = self.serve(
                        session,
                        &mut pace,
                        &mut outbound,
                        &mut news,
                        &events,
                        &shutdown,
                    );
                    if let Err(error) = served.await {
                        tracing::warn!(url = %self.url, error = %format!("{error:#}"), "link lost");
                    }
                    let link = self.index;
                    if events.send(Event::Down { link }).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(url = %self.url, error = %format!("{error:#}"), "no link");
                    // An earlier process of this worker may not be gone for the oracle yet: once isn't enough.
                    conflicts = match error.downcast_ref::<Conflict>() {
                        Some(_) => conflicts.saturating_add(1),
                        None => 0,
                    };
                    if conflicts >= CONFLICTS {
                        let message = format!("{error:#}");
                        let link = self.index;
                        if events
                            .send(Event::Conflict { link, message })
                            .await
                            .is_err()
                        {
                            return;
                        }
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(jittered(pause)) => {}
            }
            pause = (pause * 2).min(LINK_LONGEST_RECONNECT);
        }
    }

    async fn connect(&self) -> Result<Session> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_LINK_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_LINK_MESSAGE_BYTES));
        let (socket, _) = timeout(
            LINK_CONNECT_TIMEOUT,
            connect_async_with_config(self.url.as_str(), Some(config), true),
        )
        .await
        .context("the oracle doesn't answer")?
        .context("can't connect")?;
        timeout(LINK_HANDSHAKE_TIMEOUT, self.greet(socket))
            .await
            .context("the oracle doesn't greet")?
    }

    /// Welcome, our hello, linked.
    async fn greet(&self, mut socket: Socket) -> Result<Session> {
        let ToWorker::Welcome {
            oracle,
            cluster,
            program,
            now_ms: theirs,
        } = receive(&mut socket).await?
        else {
            bail!("expected a welcome first");
        };
        let ours = (
            text::key(&self.deployment.program),
            text::key(&self.deployment.cluster),
        );
        ensure!(
            program == ours.0 && cluster == ours.1,
            "the oracle serves program {program} on cluster {cluster}, this worker program {} on cluster {}",
            ours.0,
            ours.1
        );
        let recipient = text::parse_key(&oracle)
            .with_context(|| format!("the oracle calls itself '{oracle}', which isn't a key"))?;
        let ahead_ms = i64::try_from(theirs)
            .unwrap_or(0)
            .saturating_sub(i64::try_from(now_ms()).unwrap_or(0));
        if ahead_ms.unsigned_abs() > CLOCK_SKEW_WARNING_MS {
            tracing::warn!(%oracle, ahead_ms, "the oracle's clock and this machine's differ: check this machine's");
        }
        let mut session = Session {
            socket,
            oracle,
            recipient,
            ahead_ms,
            rtt_ms: None,
        };
        let auth = session.sign(self, auth::LINK, b"");
        session
            .send(&ToOracle::Hello {
                device: text::key(&self.device),
                auth,
            })
            .await?;
        match receive(&mut session.socket).await? {
            ToWorker::Linked { device } => {
                ensure!(
                    device == text::key(&self.device),
                    "the oracle linked the device {device}, not this one"
                );
                Ok(session)
            }
            ToWorker::Refused { code, message } if code == "conflict" => {
                Err(Conflict(message).into())
            }
            ToWorker::Refused { code, message } => {
                bail!("the oracle refused the link ({code}): {message}")
            }
            other => bail!("expected to be linked, got {}", kind(&other)),
        }
    }

    async fn serve(
        &self,
        mut session: Session,
        pace: &mut Pace,
        outbound: &mut mpsc::Receiver<ToOracle>,
        news: &mut watch::Receiver<u64>,
        events: &mpsc::Sender<Event>,
        shutdown: &CancellationToken,
    ) -> Result<()> {
        // What waited for an earlier connection is about a state that has passed.
        while outbound.try_recv().is_ok() {}
        // The oracle knows the device's state before anything is asked of it.
        session.beat(self).await?;
        tracing::info!(oracle = %session.oracle, url = %self.url, "linked");
        let up = Event::Up {
            link: self.index,
            oracle: session.oracle.clone(),
        };
        if events.send(up).await.is_err() {
            return Ok(());
        }
        let mut beats = interval_at(Instant::now() + self.heartbeat_every, self.heartbeat_every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pings = interval(LINK_PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => {
                    // The last heartbeat says that this device takes no more jobs.
                    let goodbye = async {
                        session.beat(self).await?;
                        session.socket.close(None).await.context("closing")
                    };
                    let _ = timeout(SHUTDOWN_GRACE, goodbye).await;
                    return Ok(());
                }
                Some(message) = outbound.recv() => session.send(&message).await?,
                _ = beats.tick() => session.beat(self).await?,
                Ok(()) = news.changed() => session.beat(self).await?,
                _ = pings.tick() => {
                    ensure!(heard.elapsed() < LINK_SILENCE, "nothing heard for {} s", heard.elapsed().as_secs());
                    let sent = started.elapsed().as_micros() as u64;
                    session.socket.send(Message::Ping(sent.to_le_bytes().to_vec().into())).await?;
                }
                frame = session.socket.next() => {
                    heard = Instant::now();
                    let message = match frame.context("the oracle closed the link")?? {
                        Message::Text(text) => parse(text.as_str())?,
                        Message::Pong(payload) => {
                            if let Ok(sent) = <[u8; 8]>::try_from(&payload[..]) {
                                let micros = (started.elapsed().as_micros() as u64).saturating_sub(u64::from_le_bytes(sent));
                                session.rtt_ms = Some(u32::try_from(micros.div_ceil(1_000)).unwrap_or(u32::MAX));
                            }
                            continue;
                        }
                        Message::Close(frame) => {
                            let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                            bail!("the oracle closed the link {reason}");
                        }
                        Message::Ping(_) | Message::Frame(_) => continue,
                        Message::Binary(bytes) => {
                            if let Some(answer) = pace.take(&bytes)? {
                                session.send(&answer).await?;
                            }
                            continue;
                        }
                    };
                    match message {
                        ToWorker::Download { request, bytes } => pace.download(request, bytes)?,
                        ToWorker::Upload { request, seed, bytes } => {
                            for frame in pace.upload(request, &seed, bytes)? {
                                session.put(frame).await?;
                            }
                        }
                        ToWorker::Offer { job, created_slot, set_version, ask, expires_at, signature } => {
                            let oracle = session.oracle.clone();
                            let offer = Offer { oracle, job: job.clone(), created_slot, set_version, ask: ask.0, expires_at, signature };
                            if events.try_send(Event::Offer { link: self.index, offer }).is_err() {
                                session.send(&ToOracle::Decline { job, reason: "too many offers at once".into() }).await?;
                            }
                        }
                        ToWorker::Request { job, request, spec } => {
                            let event = Event::Request { link: self.index, job: job.clone(), request, spec };
                            if events.try_send(event).is_err() {
                                let error = Some("too much to do at once".into());
                                session.send(&ToOracle::Answer { job, request, answer: None, error }).await?;
                            }
                        }
                        ToWorker::Attested { attestation } => {
                            // One that is lost is asked for.
                            let _ = events.try_send(Event::Attested { attestation: Box::new(attestation) });
                        }
                        message @ (ToWorker::Round { .. } | ToWorker::Reveal { .. } | ToWorker::Open { .. } | ToWorker::Measured { .. }) => {
                            // One that is lost is a round that is missed; there is another.
                            let _ = events.try_send(Event::Hardware { link: self.index, message: Box::new(message) });
                        }
                        ToWorker::Refused { code, message } => {
                            tracing::warn!(oracle = %session.oracle, code, message, "the oracle refused a message");
                        }
                        other @ (ToWorker::Welcome { .. } | ToWorker::Linked { .. }) => {
                            tracing::debug!(kind = kind(&other), "out of turn");
                        }
                    }
                }
            }
        }
    }
}

/// An accepted connection.
struct Session {
    socket: Socket,
    oracle: String,
    recipient: Bytes32,
    /// Milliseconds that the oracle's clock is ahead of ours.
    ahead_ms: i64,
    rtt_ms: Option<u32>,
}

impl Session {
    fn sign(&self, link: &Link, action: &str, body: &[u8]) -> io_api::types::Auth {
        let about = About {
            deployment: link.deployment,
            recipient: self.recipient,
            subject: link.device,
            action: auth::link_action(action),
        };
        link.key
            .sign(&about, body, now_ms().saturating_add_signed(self.ahead_ms))
    }

    async fn beat(&mut self, link: &Link) -> Result<()> {
        let mut state = (link.heartbeat)(self.rtt_ms);
        state.at_ms = now_ms().saturating_add_signed(self.ahead_ms);
        let heartbeat = serde_json::to_string(&state)?;
        let auth = self.sign(link, auth::HEARTBEAT, heartbeat.as_bytes());
        self.send(&ToOracle::Heartbeat { heartbeat, auth }).await
    }

    async fn send(&mut self, message: &ToOracle) -> Result<()> {
        self.put(Message::text(serde_json::to_string(message)?))
            .await
    }

    async fn put(&mut self, frame: Message) -> Result<()> {
        timeout(LINK_SILENCE, self.socket.send(frame))
            .await
            .context("the oracle doesn't read")??;
        Ok(())
    }
}

/// The next message of the handshake.
async fn receive(socket: &mut Socket) -> Result<ToWorker> {
    loop {
        match socket
            .next()
            .await
            .context("the oracle closed the link")??
        {
            Message::Text(text) => return parse(text.as_str()),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Binary(_) => bail!("the oracle sent bytes where text belongs"),
            Message::Close(_) => bail!("the oracle closed the link"),
        }
    }
}

fn parse(text: &str) -> Result<ToWorker> {
    serde_json::from_str(text).context(
        "the oracle sent a message that this worker doesn't know: update the older of the two",
    )
}

fn kind(message: &ToWorker) -> &'static str {
    match message {
        ToWorker::Welcome { .. } => "welcome",
        ToWorker::Linked { .. } => "linked",
        ToWorker::Offer { .. } => "offer",
        ToWorker::Request { .. } => "request",
        ToWorker::Attested { .. } => "attested",
        ToWorker::Refused { .. } => "refused",
        ToWorker::Round { .. } => "round",
        ToWorker::Reveal { .. } => "reveal",
        ToWorker::Open { .. } => "open",
        ToWorker::Download { .. } => "download",
        ToWorker::Upload { .. } => "upload",
        ToWorker::Measured { .. } => "measured",
    }
}

/// Between half of `pause` and all of it, so that workers don't come back all at once.
pub(crate) fn jittered(pause: Duration) -> Duration {
    // Each state is seeded from the system's randomness.
    let random = RandomState::new().build_hasher().finish();
    pause / 2 + pause.mul_f64((random % 1_000) as f64 / 2_000.0)
}

#[cfg(test)]
mod tests;
