//! The link's protocol at its edges, against a small server that plays the oracle's part.

use std::sync::Mutex;

use futures_util::{SinkExt, StreamExt};
use io_api::{
    auth::{link_action, verify},
    types::{Amount, Auth},
};
use io_client::Wallet;
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);
const DEVICE: Bytes32 = [7; 32];
const DEPLOYMENT: Deployment = Deployment {
    program: [1; 32],
    cluster: [2; 32],
};

struct Oracle {
    listener: TcpListener,
    key: Wallet,
}

type Served = WebSocketStream<TcpStream>;

impl Oracle {
    async fn start() -> Self {
        Self {
            listener: TcpListener::bind(("127.0.0.1", 0)).await.unwrap(),
            key: Wallet::from_seed(&[5; 32]),
        }
    }

    fn url(&self) -> String {
        format!("ws://{}/v1/link", self.listener.local_addr().unwrap())
    }

    fn welcome(&self, cluster: &Bytes32) -> ToWorker {
        ToWorker::Welcome {
            oracle: self.key.address().to_string(),
            cluster: text::key(cluster),
            program: text::key(&DEPLOYMENT.program),
            now_ms: now_ms(),
        }
    }

    async fn accept(&self) -> Served {
        let (stream, _) = timeout(PATIENCE, self.listener.accept())
            .await
            .unwrap()
            .unwrap();
        accept_async(stream).await.unwrap()
    }

    /// Accepts, greets and links a worker.
    async fn link(&self, operator: &Wallet) -> Served {
        let mut socket = self.accept().await;
        say(&mut socket, &self.welcome(&DEPLOYMENT.cluster)).await;
        let ToOracle::Hello { device, auth } = hear(&mut socket).await else {
            panic!("expected a hello")
        };
        assert_eq!(device, text::key(&DEVICE));
        self.check(&auth, auth::LINK, b"", operator);
        say(&mut socket, &ToWorker::Linked { device }).await;
        socket
    }

    fn check(&self, auth: &Auth, action: &str, body: &[u8], operator: &Wallet) {
        let about = About {
            deployment: DEPLOYMENT,
            recipient: self.key.address().to_bytes(),
            subject: DEVICE,
            action: link_action(action),
        };
        assert_eq!(
            verify(auth, &about, body, now_ms()),
            Ok(operator.address().to_bytes())
        );
    }
}

async fn say(socket: &mut Served, message: &ToWorker) {
    socket
        .send(Message::text(serde_json::to_string(message).unwrap()))
        .await
        .unwrap();
}

async fn hear(socket: &mut Served) -> ToOracle {
    loop {
        match timeout(PATIENCE, socket.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
        {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
}

struct Worker {
    operator: Wallet,
    outbound: mpsc::Sender<ToOracle>,
    news: watch::Sender<u64>,
    events: mpsc::Receiver<Event>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn worker(oracle: &Oracle) -> Worker {
    let operator = Wallet::from_seed(&[6; 32]);
    let shutdown = CancellationToken::new();
    let (signer, draining, sequence) = (operator.clone(), shutdown.clone(), Mutex::new(0));
    let link = Link {
        index: 0,
        url: oracle.url(),
        deployment: DEPLOYMENT,
        device: DEVICE,
        key: RequestKey::new(operator.address().to_bytes(), move |message| {
            signer.sign(message).into()
        }),
        heartbeat: Arc::new(move |rtt_ms| {
            let mut sequence = sequence.lock().unwrap();
            *sequence += 1;
            Heartbeat {
                device: text::key(&DEVICE),
                sequence: *sequence,
                at_ms: 0,
                engines: Default::default(),
                load: 0.5,
                memory_used_mib: 1,
                temperature_c: None,
                power_w: None,
                draining: draining.is_cancelled(),
                job: None,
                rtt_ms,
                version: "test".into(),
            }
        }),
        heartbeat_every: Duration::from_secs(3_600),
        reconnect: Duration::from_millis(10),
    };
    let (outbound, receiver) = mpsc::channel(LINK_QUEUE);
    let (sender, events) = mpsc::channel(2);
    let news = watch::channel(0).0;
    let task = tokio::spawn(link.run(receiver, news.subscribe(), sender, shutdown.clone()));
    Worker {
        operator,
        outbound,
        news,
        events,
        shutdown,
        task,
    }
}

impl Worker {
    async fn event(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv())
            .await
            .unwrap()
            .unwrap()
    }
}

fn offer(job: &str) -> ToWorker {
    ToWorker::Offer {
        job: job.into(),
        created_slot: 5,
        set_version: 1,
        ask: Amount(7),
        expires_at: 9,
        signature: "s".into(),
    }
}

#[tokio::test]
async fn a_link_says_hello_beats_and_brings_offers() {
    let oracle = Oracle::start().await;
    let mut worker = worker(&oracle);
    let mut socket = oracle.link(&worker.operator).await;
    assert_eq!(
        worker.event().await,
        Event::Up {
            link: 0,
            oracle: oracle.key.address().to_string()
        }
    );

    let ToOracle::Heartbeat { heartbeat, auth } = hear(&mut socket).await else {
        panic!("expected a heartbeat")
    };
    oracle.check(
        &auth,
        auth::HEARTBEAT,
        heartbeat.as_bytes(),
        &worker.operator,
    );
    let first: Heartbeat = serde_json::from_str(&heartbeat).unwrap();
    assert!(first.at_ms.abs_diff(now_ms()) < 10_000 && !first.draining);

    // A change is told at once, long before the next beat is due.
    worker.news.send_modify(|version| *version += 1);
    let ToOracle::Heartbeat { heartbeat, .. } = hear(&mut socket).await else {
        panic!("expected a heartbeat")
    };
    assert!(
        serde_json::from_str::<Heartbeat>(&heartbeat)
            .unwrap()
            .sequence
            > first.sequence
    );

    say(&mut socket, &offer("a")).await;
    let Event::Offer { link: 0, offer } = worker.event().await else {
        panic!("expected an offer")
    };
    assert_eq!(
        (offer.job.as_str(), offer.oracle),
        ("a", oracle.key.address().to_string())
    );
    assert_eq!((offer.ask, offer.expires_at), (7, 9));

    worker
        .outbound
        .send(ToOracle::Accepting { job: "a".into() })
        .await
        .unwrap();
    assert_eq!(
        hear(&mut socket).await,
        ToOracle::Accepting { job: "a".into() }
    );

    // The goodbye says that no more jobs are taken.
    worker.shutdown.cancel();
    let ToOracle::Heartbeat { heartbeat, .. } = hear(&mut socket).await else {
        panic!("expected a heartbeat")
    };
    assert!(
        serde_json::from_str::<Heartbeat>(&heartbeat)
            .unwrap()
            .draining
    );
    timeout(PATIENCE, worker.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lost_link_comes_back() {
    let oracle = Oracle::start().await;
    let mut worker = worker(&oracle);
    for _ in 0..2 {
        let socket = oracle.link(&worker.operator).await;
        assert!(matches!(worker.event().await, Event::Up { link: 0, .. }));
        drop(socket);
        assert_eq!(worker.event().await, Event::Down { link: 0 });
    }
}

#[tokio::test]
async fn another_deployments_oracle_gets_no_hello() {
    let oracle = Oracle::start().await;
    let worker = worker(&oracle);
    let mut socket = oracle.accept().await;
    say(&mut socket, &oracle.welcome(&[99; 32])).await;
    // Closed without a word; then it tries again.
    match timeout(PATIENCE, socket.next()).await.unwrap() {
        None | Some(Err(_) | Ok(Message::Close(_))) => {}
        Some(Ok(other)) => panic!("unexpected {other:?}"),
    }
    oracle.link(&worker.operator).await;
}

#[tokio::test]
async fn nonsense_and_refusals_end_a_connection_and_not_the_worker() {
    let oracle = Oracle::start().await;
    let mut worker = worker(&oracle);
    let bad = [
        Message::text("{}"),
        Message::text("not json"),
        Message::text(r#"{"type":"offer"}"#),
        Message::binary(vec![0, 1, 2]),
        Message::text("x".repeat(MAX_LINK_MESSAGE_BYTES + 1)),
        Message::text(
            serde_json::to_string(&ToWorker::Refused {
                code: "unauthorized".into(),
                message: "no".into(),
            })
            .unwrap(),
        ),
    ];
    for message in bad {
        let mut socket = oracle.accept().await;
        let _ = socket.send(message).await;
        while let Some(Ok(_)) = timeout(PATIENCE, socket.next()).await.unwrap() {}
    }
    let mut socket = oracle.link(&worker.operator).await;
    assert!(matches!(worker.event().await, Event::Up { .. }));
    // A refusal of one message doesn't end a link.
    say(
        &mut socket,
        &ToWorker::Refused {
            code: "bad_request".into(),
            message: "no".into(),
        },
    )
    .await;
    say(&mut socket, &offer("a")).await;
    assert!(matches!(worker.event().await, Event::Offer { .. }));
}

#[tokio::test]
async fn a_flood_of_offers_is_declined_not_queued() {
    let oracle = Oracle::start().await;
    let mut worker = worker(&oracle);
    let mut socket = oracle.link(&worker.operator).await;
    assert!(matches!(worker.event().await, Event::Up { .. }));
    let ToOracle::Heartbeat { .. } = hear(&mut socket).await else {
        panic!("expected a heartbeat")
    };
    // The test's worker hears two events at a time.
    for i in 0..5 {
        say(&mut socket, &offer(&i.to_string())).await;
    }
    for i in 2..5 {
        let ToOracle::Decline { job, reason } = hear(&mut socket).await else {
            panic!("expected a refusal")
        };
        assert_eq!(job, i.to_string());
        assert!(reason.contains("too many"));
    }
    assert!(matches!(worker.event().await, Event::Offer { .. }));
}

#[test]
fn pauses_are_between_half_and_whole() {
    for _ in 0..1_000 {
        let pause = jittered(Duration::from_secs(10));
        assert!(
            (Duration::from_secs(5)..=Duration::from_secs(10)).contains(&pause),
            "{pause:?}"
        );
    }
}

#[tokio::test]
async fn a_link_is_measured_both_ways() {
    use io_proof::hardware::pace::{BURSTS, payload};
    use sha2::{Digest, Sha256};

    let oracle = Oracle::start().await;
    let mut worker = worker(&oracle);
    let mut socket = oracle.link(&worker.operator).await;
    assert!(matches!(worker.event().await, Event::Up { .. }));
    assert!(matches!(
        hear(&mut socket).await,
        ToOracle::Heartbeat { .. }
    ));

    let (request, bytes) = (7, BURSTS[0]);
    say(&mut socket, &ToWorker::Download { request, bytes }).await;
    let burst = payload(&[3; 32], bytes);
    for part in burst.chunks(60_000) {
        socket
            .send(Message::Binary(part.to_vec().into()))
            .await
            .unwrap();
    }
    let sha256 = text::hash(&Sha256::digest(&burst).into());
    assert_eq!(
        hear(&mut socket).await,
        ToOracle::Downloaded { request, sha256 }
    );

    let (request, bytes) = (8, BURSTS[1]);
    let seed = text::hash(&[4; 32]);
    let upload = ToWorker::Upload {
        request,
        seed,
        bytes,
    };
    say(&mut socket, &upload).await;
    let expected = payload(&[4; 32], bytes);
    let mut came = Vec::new();
    while came.len() < expected.len() {
        let frame = timeout(PATIENCE, socket.next()).await.unwrap();
        match frame.unwrap().unwrap() {
            Message::Binary(frame) => {
                assert_eq!(frame[..8], 8_u64.to_le_bytes());
                assert!(frame.len() <= 64 * 1024, "an oracle takes no more");
                came.extend_from_slice(&frame[8..]);
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(came, expected);

    // Bytes that were not announced end the connection, and not the worker.
    socket.send(Message::Binary(vec![0].into())).await.unwrap();
    let mut socket = oracle.link(&worker.operator).await;
    assert!(matches!(
        hear(&mut socket).await,
        ToOracle::Heartbeat { .. }
    ));
}
