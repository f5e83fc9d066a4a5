//! The oracle as others meet it: over real connections, on a real local chain.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{LazyLock, atomic::AtomicBool},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use io_api::{
    auth::{self, About, NO_SUBJECT, RequestKey, now_ms},
    client::{BlobSource, ClientError, OracleClient},
    text,
    types::*,
};
use io_client::{
    Pubkey, Request, Signature, Wallet, accounts, ed25519,
    instructions::{
        self, AcceptJobArgs, AttestDeviceArgs, ClassArgs, JobTerms, PaymentMintArgs,
        RegisterDeviceArgs,
    },
    io_network::{
        constants::ANY_CLASS,
        state::{Device, Job, OracleSet, PaymentMint},
    },
    pda,
    testing::{CuttableProxy, LocalChain, Slowness, test_params},
    tokens,
};
use io_engines::{BlobRef, EngineSpec, JobSpec, WasmSpec};
use io_oracle::{Config, hardware::Rounds};
use io_proof::hardware::{
    OpenedRow, Shape, Software,
    cell::Sha256,
    memory::{Walk, states_to_bytes},
    pace::{BURSTS, payload},
    reveal_seed, round_seed,
    seeds::memory_seed,
    tree::row_root,
};
use io_protocol::{
    hardware::{CommitmentStatement, RoundStatement},
    messages::{Deployment, DeviceStatement, Measured, TicketStatement},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};
use tokio_util::sync::CancellationToken;

/// How long tests wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);
const PART: u64 = 256 * 1024;
const BLOB: u64 = 16 << 20;
const IO_TIMEOUT: u64 = 4;

/// A chain with one oracle, one renter and one device, for all tests of this file.
struct World {
    rpc_url: String,
    ws_url: String,
    address: SocketAddr,
    oracle: Pubkey,
    key_file: PathBuf,
    data_dir: PathBuf,
    deployment: Deployment,
    io_mint: Pubkey,
    renter: Wallet,
    renter_token: Pubkey,
    provider: Wallet,
    operator: Wallet,
    device: Pubkey,
    chain: LocalChain,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let (send, receive) = std::sync::mpsc::channel();
    // A runtime of its own: it outlives each test's. It ends with the process, and the chain with it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            send.send(build().await)
                .unwrap_or_else(|_| panic!("nobody waits for the world"));
            std::future::pending::<()>().await;
        });
    });
    receive.recv().expect("the world")
});

fn config(chain_urls: (&str, &str), key: PathBuf, data_dir: PathBuf) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        rpc_url: chain_urls.0.to_owned(),
        ws_url: chain_urls.1.to_owned(),
        key,
        data_dir,
        local_chain: true,
        max_part_bytes: PART,
        max_blob_bytes: BLOB,
        io_timeout_seconds: IO_TIMEOUT,
        // One heartbeat lasts a test, however busy the machine.
        stale_seconds: 300,
        rounds: Rounds {
            window_ms: 400,
            // Tests share the cores with each other.
            commit_ms: Some(30_000),
            strides: 4_096,
            read_ns: 100_000,
            ..Rounds::default()
        },
        ..Config::default()
    }
}

async fn start(
    config: Config,
    stop: CancellationToken,
) -> (SocketAddr, tokio::task::JoinHandle<anyhow::Result<()>>) {
    let (ready, bound) = oneshot::channel();
    let task = tokio::spawn(io_oracle::run_with_ready(config, stop, ready));
    match bound.await {
        Ok(address) => (address, task),
        Err(_) => panic!("the oracle did not start: {:?}", task.await),
    }
}

/// A folder for as long as the process lives, which nothing outlives: leftovers of earlier runs are removed first.
fn folder() -> PathBuf {
    const PREFIX: &str = "io-oracle-api-";
    const OLD: Duration = Duration::from_secs(3_600);
    let root = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
    for entry in std::fs::read_dir(&root).unwrap().flatten() {
        let age = entry
            .metadata()
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|at| at.elapsed().ok());
        if entry.file_name().to_string_lossy().starts_with(PREFIX)
            && age.is_some_and(|age| age > OLD)
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(PREFIX)
        .tempdir_in(root)
        .unwrap()
        .keep()
}

async fn build() -> World {
    let folder = folder();
    let chain = LocalChain::start().await;
    let sol = 10_000_000_000;
    let oracle = chain.wallet(sol).await;
    let provider = chain.wallet(sol).await;
    let renter = chain.wallet(sol).await;
    let operator = chain.wallet(sol).await;
    let network = chain
        .network(vec![oracle.address()], 1, test_params())
        .await;
    let (admin, mint) = (chain.authority().clone(), network.io_mint);
    let sender = chain.sender();
    let send = async |what: &str, payer: &Wallet, instructions| {
        let request = Request::new(what, payer.signer(), instructions);
        sender
            .send(&request)
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}\n{}", error.logs().join("\n")));
    };
    let terms = PaymentMintArgs {
        io_per_unit_e9: 1_000_000_000,
        fee_bps: 0,
        enabled: true,
    };
    let class = ClassArgs {
        id: 1,
        name: instructions::class_name("CPU"),
        multiplier_e2: 100,
        min_tops_e2: 1,
        min_memory_mib: 64,
        norm_tops_e2: 0,
        group: 0,
        price_floor: 0,
        price_ceiling: 0,
        reference_price: 0,
    };
    let at = admin.address();
    send(
        "mint and class",
        &admin,
        vec![
            instructions::add_payment_mint(&at, &mint, terms),
            instructions::add_class(&at, class),
        ],
    )
    .await;
    for shards in [0..6u8, 6..11, 11..16] {
        let make = shards
            .clone()
            .map(|shard| instructions::init_treasury_shard(&at, &mint, shard))
            .collect();
        send(&format!("shards {shards:?}"), &admin, make).await;
    }
    for wallet in [&provider, &renter] {
        let token = tokens::associated(&wallet.address(), &mint);
        let make = vec![
            tokens::create_associated(&at, &wallet.address(), &mint),
            tokens::mint_to(&mint, &token, &at, 2_000_000_000),
        ];
        send(&format!("tokens {}", wallet.address()), &admin, make).await;
    }
    let hardware = [9; 32];
    let owner = provider.address();
    let register = vec![
        instructions::register_provider(&owner, &mint, &owner),
        instructions::stake(&owner, &tokens::associated(&owner, &mint), 1_900_000_000),
        instructions::register_device(
            &owner,
            1,
            RegisterDeviceArgs {
                hardware,
                operator: operator.address(),
                bond: 400_000_000,
            },
        ),
    ];
    send("provider", &provider, register).await;

    let key_file = folder.join("oracle.json");
    oracle.save(&key_file).unwrap();
    let data_dir = folder.join("oracle");
    let (rpc_url, ws_url) = (chain.rpc_url().to_owned(), chain.ws_url().to_owned());
    let (address, _) = start(
        config((&rpc_url, &ws_url), key_file.clone(), data_dir.clone()),
        CancellationToken::new(),
    )
    .await;
    let account = accounts::network(&chain.rpc()).await.unwrap();
    let world = World {
        address,
        oracle: oracle.address(),
        key_file,
        data_dir,
        deployment: account.deployment(),
        io_mint: mint,
        renter_token: tokens::associated(&renter.address(), &mint),
        renter,
        provider,
        operator,
        device: pda::device(&hardware),
        rpc_url,
        ws_url,
        chain,
    };
    // It serves before it has read every account, and quotes only after.
    let client = world.client();
    let request = QuoteRequest {
        engine: "wasm".into(),
        units: 1,
        requirement: Requirement {
            class: None,
            min_multiplier_e2: 0,
            min_memory_mib: 0,
            region: None,
            min_reputation_bps: 0,
        },
        mint: None,
    };
    eventually("the index", async || {
        let indexed = client.device(&world.device.to_bytes()).await;
        let quoted = client.quote(&request).await;
        (matches!(indexed, Ok(Some(_))) && quoted.is_ok()).then_some(())
    })
    .await;
    world
}

/// An oracle beside the world's, with a key and a folder of its own.
struct AnotherOracle {
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
    _folder: tempfile::TempDir,
}

impl AnotherOracle {
    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

impl World {
    async fn another_oracle(&self, change: impl FnOnce(Config) -> Config) -> AnotherOracle {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("key.json");
        Wallet::generate().save(&key_file).unwrap();
        let urls = (self.rpc_url.as_str(), self.ws_url.as_str());
        let usual = config(urls, key_file, folder.path().join("data"));
        let stop = CancellationToken::new();
        let (address, task) = start(change(usual), stop.clone()).await;
        AnotherOracle {
            address,
            stop,
            task,
            _folder: folder,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn client(&self) -> OracleClient {
        OracleClient::for_deployment(&self.url(""), self.deployment).unwrap()
    }

    fn about(&self, method: &str, path: &str, subject: [u8; 32]) -> About {
        About {
            deployment: self.deployment,
            recipient: self.oracle.to_bytes(),
            subject,
            action: auth::http_action(method, path),
        }
    }
}

fn request_key(wallet: &Wallet) -> RequestKey {
    let signer = wallet.clone();
    RequestKey::new(wallet.address().to_bytes(), move |message| {
        signer.sign(message).into()
    })
}

/// Terms of a task of one unit that any device may take.
fn terms(nonce: u64, spec_hash: [u8; 32], now: i64) -> JobTerms {
    JobTerms {
        nonce,
        spec_hash,
        max_price: 1_000,
        max_units: 1,
        max_escrow: u64::MAX,
        deposit: 0,
        deadline: now + 3_000,
        max_run_seconds: 600,
        min_multiplier_e2: 0,
        min_memory_mib: 0,
        class: ANY_CLASS,
        region: 0,
        min_reputation_bps: 0,
        verification: 0,
        devices: 1,
        kind: 0,
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not happen in {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Status and error of an answer.
async fn refused(response: reqwest::Response) -> (u16, ApiError) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let text = response.text().await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{status} {text}: {error}")),
    )
}

#[tokio::test]
async fn blobs_go_up_in_parts_and_come_down_checked() {
    let world = &*WORLD;
    let folder = tempfile::tempdir().unwrap();
    let data: Vec<u8> = (0..3 * PART as u32 + 17)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let name = hash(&data);
    let (client, key) = (world.client(), request_key(&Wallet::generate()));
    let file = folder.path().join("up");
    std::fs::write(&file, &data).unwrap();
    assert_eq!(client.blob_status(&name).await.unwrap(), None);
    let seen = std::cell::RefCell::new(Vec::new());
    let status = client
        .put_blob(&key, &name, BlobSource::File(&file), |t| {
            seen.borrow_mut().push(t.done)
        })
        .await
        .unwrap();
    assert!(status.complete && status.size == data.len() as u64);
    assert_eq!(*seen.borrow(), [0, PART, 2 * PART, 3 * PART, 3 * PART + 17]);
    assert!(
        client
            .put_blob(&key, &name, BlobSource::Bytes(&data), |_| {})
            .await
            .unwrap()
            .complete,
        "again is nothing"
    );

    // A download that broke off goes on.
    let down = folder.path().join("down");
    let part = folder
        .path()
        .join(format!("down.{}.part", &text::hash(&name)[..16]));
    std::fs::write(&part, &data[..1_000]).unwrap();
    assert_eq!(
        client.get_blob(&name, &down, BLOB, |_| {}).await.unwrap(),
        data.len() as u64
    );
    assert_eq!(std::fs::read(&down).unwrap(), data);
    assert!(!part.exists());
    // What another oracle left is no reason to refuse this one's: it is asked for all of it.
    for (n, rubbish) in [b"garbage".to_vec(), vec![7; data.len() + 1]]
        .into_iter()
        .enumerate()
    {
        let other = folder.path().join(format!("other-{n}"));
        let part = folder
            .path()
            .join(format!("other-{n}.{}.part", &text::hash(&name)[..16]));
        std::fs::write(&part, rubbish).unwrap();
        let size = data.len() as u64;
        assert_eq!(
            client.get_blob(&name, &other, size, |_| {}).await.unwrap(),
            size
        );
        assert_eq!(std::fs::read(&other).unwrap(), data);
        assert!(!part.exists());
    }
    // Who sends other bytes is named, and nothing of them stays.
    let liar = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let lying = OracleClient::new(&format!("http://{}", liar.local_addr().unwrap())).unwrap();
    let lies = tokio::spawn(async move {
        let (mut socket, _) = liar.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4_096]).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc";
        socket.write_all(answer).await.unwrap();
    });
    let other = folder.path().join("other");
    assert!(matches!(
        lying.get_blob(&name, &other, BLOB, |_| {}).await,
        Err(ClientError::Damaged { .. })
    ));
    lies.await.unwrap();
    assert!(
        std::fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .all(|entry| {
                let entry = entry.file_name().to_string_lossy().into_owned();
                entry != "other" && !entry.ends_with(".part")
            })
    );
    assert!(matches!(
        client.get_blob(&name, &other, 100, |_| {}).await,
        Err(ClientError::TooBig { .. })
    ));
    assert_eq!(client.get_blob_bytes(&name, BLOB).await.unwrap(), data);

    let http = reqwest::Client::new();
    let url = world.url(&format!("/v1/blobs/{}", text::hash(&name)));
    let ranged = http
        .get(&url)
        .header("range", "bytes=10-19")
        .send()
        .await
        .unwrap();
    assert_eq!(ranged.status(), 206);
    assert_eq!(
        ranged.headers()["content-range"],
        format!("bytes 10-19/{}", data.len())
    );
    assert_eq!(ranged.bytes().await.unwrap(), &data[10..20]);
    for bad in ["bytes=5-4", "bytes=99999999-", "pages=1", "bytes=0-1,3-4"] {
        let (status, error) =
            refused(http.get(&url).header("range", bad).send().await.unwrap()).await;
        assert_eq!((status, error.code.as_str()), (416, "bad_request"), "{bad}");
    }
}

#[tokio::test]
async fn wrong_blobs_are_refused_and_nothing_stays() {
    let world = &*WORLD;
    let (client, key) = (world.client(), request_key(&Wallet::generate()));
    // Bytes that do not hash to their name.
    let name = hash(b"what was promised");
    let error = client
        .put_blob(&key, &name, BlobSource::Bytes(b"what came instead"), |_| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ClientError::Api { status: 422, .. }),
        "{error}"
    );
    assert_eq!(client.blob_status(&name).await.unwrap(), None);
    // Too large a blob, told before anything is sent; and by the oracle itself.
    let large = vec![0; BLOB as usize + 1];
    assert!(matches!(
        client
            .put_blob(&key, &hash(&large), BlobSource::Bytes(&large), |_| {})
            .await,
        Err(ClientError::TooBig { .. })
    ));
    let put = async |path: String, body: Vec<u8>| {
        let auth = key.sign(&world.about("PUT", &path, NO_SUBJECT), &body, now_ms());
        let request = reqwest::Client::new()
            .put(world.url(&path))
            .header(auth::HEADER, auth::to_header(&auth))
            .body(body);
        refused(request.send().await.unwrap()).await
    };
    let path = |query: &str| format!("/v1/blobs/{}?{query}", text::hash(&name));
    let cases = [
        (
            path(&format!("offset=0&size={}", BLOB + 1)),
            vec![1],
            413,
            "too_large",
        ),
        (path("offset=0&size=3"), vec![1; 4], 413, "too_large"),
        (
            path(&format!("offset=0&size={BLOB}")),
            vec![0; PART as usize + 1],
            413,
            "too_large",
        ),
        (path("offset=7&size=10"), vec![1; 3], 409, "conflict"),
        (path("offset=0&size=10"), vec![], 400, "bad_request"),
        (path("offset=-1&size=10"), vec![1], 400, "bad_request"),
        (path("offset=0"), vec![1], 400, "bad_request"),
        (
            path("offset=0&size=1&mode=777"),
            vec![1],
            400,
            "bad_request",
        ),
        (
            path("offset=0&offset=0&size=1"),
            vec![1],
            400,
            "bad_request",
        ),
    ];
    for (path, body, status, code) in cases {
        let (got, error) = put(path.clone(), body).await;
        assert_eq!(
            (got, error.code.as_str()),
            (status, code),
            "{path}: {}",
            error.message
        );
    }
    assert_eq!(
        client.blob_status(&name).await.unwrap(),
        None,
        "nothing was begun"
    );
}

#[tokio::test]
async fn names_of_blobs_are_no_paths() {
    let world = &*WORLD;
    let digits = "a".repeat(64);
    for path in [
        format!("/v1/blobs/{}", digits.to_uppercase()),
        format!("/v1/blobs/{}", &digits[1..]),
        "/v1/blobs/..%2f..%2foracle.sqlite".into(),
        "/v1/blobs/%2e%2e".into(),
        format!("/v1/blobs/{digits}%00"),
        "/v1/blobs/../../etc/passwd".into(),
        format!("/v1/blobs//{digits}"),
        "/v1/jobs/../../secret".into(),
        "/v1/jobs/0".into(),
        "/v1/devices/%F0%9F%92%A9".into(),
        format!("/v1/jobs/{}", "1".repeat(200)),
    ] {
        // By hand: a client would tidy the path up.
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400") || answer.starts_with("HTTP/1.1 404"),
            "{path}: {answer}"
        );
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let error: ApiError =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        assert!(!error.message.contains("root:"), "{path}");
    }
}

#[tokio::test]
async fn a_signature_is_for_one_request() {
    let world = &*WORLD;
    let key = request_key(&Wallet::generate());
    let body = b"hello".to_vec();
    let path = format!("/v1/blobs/{}?offset=0&size=5", text::hash(&hash(&body)));
    let http = reqwest::Client::new();
    let put = async |header: Option<String>| {
        let request = http.put(world.url(&path)).body(body.clone());
        match header {
            Some(header) => request.header(auth::HEADER, header),
            None => request,
        }
        .send()
        .await
        .unwrap()
    };
    let about = world.about("PUT", &path, NO_SUBJECT);
    let sign = |about: &About, body: &[u8], at| auth::to_header(&key.sign(about, body, at));
    let elsewhere = Deployment {
        cluster: [9; 32],
        ..world.deployment
    };
    let now = now_ms();
    let wrong = [
        None,
        Some("not base64!".to_owned()),
        Some("e30=".to_owned()),
        Some("A".repeat(5_000)),
        Some(sign(&about, b"other body", now)),
        Some(sign(
            &About {
                recipient: [7; 32],
                ..about
            },
            &body,
            now,
        )),
        Some(sign(
            &About {
                deployment: elsewhere,
                ..about
            },
            &body,
            now,
        )),
        Some(sign(
            &About {
                subject: [7; 32],
                ..about
            },
            &body,
            now,
        )),
        Some(sign(&world.about("POST", &path, NO_SUBJECT), &body, now)),
        Some(sign(
            &world.about("PUT", &path.replace("offset=0", "offset=1"), NO_SUBJECT),
            &body,
            now,
        )),
        Some(sign(&about, &body, now - auth::MAX_SKEW_MS - 5_000)),
        Some(sign(&about, &body, now + auth::MAX_SKEW_MS + 60_000)),
    ];
    for header in wrong {
        let (status, error) = refused(put(header.clone()).await).await;
        assert_eq!(
            (status, error.code.as_str()),
            (401, "unauthorized"),
            "{header:?}: {}",
            error.message
        );
    }
    let good = sign(&about, &body, now_ms());
    assert_eq!(put(Some(good.clone())).await.status(), 200);
    let (status, error) = refused(put(Some(good)).await).await;
    assert_eq!(status, 401);
    assert!(error.message.contains("before"), "{}", error.message);
}

#[tokio::test]
async fn garbage_is_answered_in_kind() {
    let world = &*WORLD;
    let http = reqwest::Client::new();
    let quote = async |body: String| {
        refused(
            http.post(world.url("/v1/quote"))
                .body(body)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let good = json!({ "engine": "wasm", "units": 5, "requirement": { "class": null, "region": null }, "mint": null });
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed.to_string()
    };
    for body in [
        String::new(),
        "{".into(),
        "[]".into(),
        "\u{0}".into(),
        with("units", json!(-1)),
        with("units", json!("5")),
        with("unit", json!(5)),
        with("mint", json!("not a key")),
        with("requirement", json!({ "class": 1, "region": "Germany" })),
        format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
    ] {
        let (status, error) = quote(body.clone()).await;
        assert_eq!(
            (status, error.code.as_str()),
            (400, "bad_request"),
            "{body:.100}: {}",
            error.message
        );
    }
    assert_eq!(quote(" ".repeat(100_000)).await.0, 413);
    assert_eq!(
        quote(with(
            "mint",
            json!(Pubkey::new_from_array([5; 32]).to_string())
        ))
        .await
        .0,
        404
    );
    let answer = http
        .post(world.url("/v1/quote"))
        .body(good.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);

    assert_eq!(
        refused(http.get(world.url("/")).send().await.unwrap())
            .await
            .0,
        404
    );
    assert_eq!(
        refused(http.delete(world.url("/v1/info")).send().await.unwrap())
            .await
            .0,
        405
    );
    assert_eq!(
        refused(http.get(world.url("/v1/link")).send().await.unwrap())
            .await
            .0,
        400
    );
    for query in ["state=nonsense", "renter=x", "after=1", "limit=5"] {
        assert_eq!(
            refused(
                http.get(world.url(&format!("/v1/jobs?{query}")))
                    .send()
                    .await
                    .unwrap()
            )
            .await
            .0,
            400,
            "{query}"
        );
    }
    assert_eq!(
        refused(
            http.get(world.url(&format!("/v1/jobs?after={}", "x".repeat(3_000))))
                .send()
                .await
                .unwrap()
        )
        .await
        .0,
        400
    );
}

#[tokio::test]
async fn those_that_do_not_send_are_not_waited_for() {
    let world = &*WORLD;
    let ended_after = async |bytes: &[u8]| {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let limit = Duration::from_secs(5 * IO_TIMEOUT);
        tokio::time::timeout(limit, socket.read_to_end(&mut answer))
            .await
            .expect("still waiting")
            .ok();
        String::from_utf8_lossy(&answer).into_owned()
    };
    // A head that never ends gets no answer, and its connection ends.
    let answer = ended_after(b"GET /v1/info HTTP/1.1\r\nhost: x\r\n").await;
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    let answer = ended_after(
        b"POST /v1/quote HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 50\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // By the byte: always a piece in time, and never done.
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    let head =
        b"POST /v1/quote HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 60000\r\n\r\n";
    socket.write_all(head).await.unwrap();
    let (mut answers, mut sends) = socket.into_split();
    let drip = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        while sends.write_all(b"{").await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut answer = Vec::new();
    tokio::time::timeout(
        Duration::from_secs(5 * IO_TIMEOUT),
        answers.read_to_end(&mut answer),
    )
    .await
    .expect("still taking what drips")
    .ok();
    drip.abort();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    let answer =
        ended_after(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer:.80}");
}

#[tokio::test]
async fn those_that_do_not_read_are_not_waited_for() {
    let world = &*WORLD;
    // More than the buffers of both sides hold.
    let data = vec![7; 12 << 20];
    let name = hash(&data);
    let (client, key) = (world.client(), request_key(&Wallet::generate()));
    client
        .put_blob(&key, &name, BlobSource::Bytes(&data), |_| {})
        .await
        .unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut socket = socket.connect(world.address).await.unwrap();
    let request = format!(
        "GET /v1/blobs/{} HTTP/1.1\r\nhost: x\r\n\r\n",
        text::hash(&name)
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket.readable().await.unwrap();
    // Nothing is read until the oracle has given up: then what is sent to it finds nobody.
    eventually("the end of the connection", async || {
        socket.write_all(b"x").await.is_err().then_some(())
    })
    .await;
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while let Ok(Ok(size)) = tokio::time::timeout(PATIENCE, socket.read(&mut buffer)).await {
        if size == 0 {
            break;
        }
        received += size;
    }
    assert!(received < data.len(), "all {received} bytes came");
}

#[tokio::test]
async fn it_says_who_and_how_it_is() {
    let world = &*WORLD;
    let info = world.client().info().await.unwrap();
    assert_eq!(info.oracle, world.oracle.to_string());
    assert_eq!(
        (info.limits.max_part_bytes, info.limits.max_blob_bytes),
        (PART, BLOB)
    );
    eventually("the index", async || {
        world
            .client()
            .info()
            .await
            .ok()
            .filter(|info| info.active && info.quorum == 1)
    })
    .await;
    eventually("health", async || {
        (reqwest::get(world.url("/health")).await.unwrap().status() == 200).then_some(())
    })
    .await;
    let metrics = reqwest::get(world.url("/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        metrics.contains("io_oracle_index_age_seconds") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    let document: Value = serde_json::from_str(
        &reqwest::get(world.url("/v1/openapi.json"))
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
    )
    .unwrap();
    assert!(document["paths"]["/v1/blobs/{hash}"]["put"].is_object());
}

#[tokio::test]
async fn a_folder_is_one_oracles() {
    let world = &*WORLD;
    let second = config(
        (&world.rpc_url, &world.ws_url),
        world.key_file.clone(),
        world.data_dir.clone(),
    );
    let error = io_oracle::run(second, CancellationToken::new())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("another oracle uses"),
        "{error:#}"
    );
    let keyless = Config {
        key: PathBuf::new(),
        ..config(
            (&world.rpc_url, &world.ws_url),
            PathBuf::new(),
            PathBuf::new(),
        )
    };
    assert!(
        io_oracle::run(keyless, CancellationToken::new())
            .await
            .unwrap_err()
            .to_string()
            .contains("`key`")
    );
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn receive(socket: &mut Socket) -> ToWorker {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("a message")
            .expect("an open link")
            .unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

/// The next bytes of a burst.
async fn receive_bytes(socket: &mut Socket) -> Vec<u8> {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("bytes")
            .expect("an open link")
            .unwrap();
        match message {
            Message::Binary(bytes) => return bytes.to_vec(),
            Message::Text(text) => panic!("{text} among a burst"),
            _ => {}
        }
    }
}

async fn say(socket: &mut Socket, message: &ToOracle) {
    socket
        .send(Message::Text(
            serde_json::to_string(message).unwrap().into(),
        ))
        .await
        .unwrap();
}

impl World {
    fn sign_link(&self, wallet: &Wallet, action: &str, body: &[u8]) -> Auth {
        self.sign_link_of(&self.device, wallet, action, body)
    }

    fn sign_link_of(&self, device: &Pubkey, wallet: &Wallet, action: &str, body: &[u8]) -> Auth {
        let about = About {
            deployment: self.deployment,
            recipient: self.oracle.to_bytes(),
            subject: device.to_bytes(),
            action: auth::link_action(action),
        };
        request_key(wallet).sign(&about, body, now_ms())
    }

    async fn connect(&self) -> Socket {
        let (mut socket, _) = connect_async(self.client().link_url()).await.unwrap();
        let ToWorker::Welcome { oracle, .. } = receive(&mut socket).await else {
            panic!("expected a welcome")
        };
        assert_eq!(oracle, self.oracle.to_string());
        socket
    }

    async fn hello(&self, socket: &mut Socket, wallet: &Wallet) -> ToWorker {
        self.hello_of(&self.device, socket, wallet).await
    }

    async fn hello_of(&self, device: &Pubkey, socket: &mut Socket, wallet: &Wallet) -> ToWorker {
        let auth = self.sign_link_of(device, wallet, auth::LINK, b"");
        say(
            socket,
            &ToOracle::Hello {
                device: device.to_string(),
                auth,
            },
        )
        .await;
        receive(socket).await
    }

    fn heartbeat(&self, sequence: u64) -> ToOracle {
        self.heartbeat_of(&self.device, &self.operator, sequence)
    }

    fn heartbeat_of(&self, device: &Pubkey, operator: &Wallet, sequence: u64) -> ToOracle {
        let heartbeat = Heartbeat {
            device: device.to_string(),
            sequence,
            at_ms: now_ms(),
            engines: BTreeMap::from([(
                "wasm".to_owned(),
                EngineOffer {
                    ask: Amount(1_000),
                    speed: 10.0,
                },
            )]),
            load: 0.1,
            memory_used_mib: 100,
            temperature_c: None,
            power_w: None,
            draining: false,
            job: None,
            rtt_ms: Some(1),
            version: "test".into(),
        };
        let heartbeat = serde_json::to_string(&heartbeat).unwrap();
        let auth = self.sign_link_of(device, operator, auth::HEARTBEAT, heartbeat.as_bytes());
        ToOracle::Heartbeat { heartbeat, auth }
    }
}

/// What a device sends at the end of a round.
struct Opening {
    rows: Vec<u8>,
    states: Vec<u8>,
    /// Changes the SHA-256 of what comes down before it is said.
    downloaded: fn([u8; 32]) -> [u8; 32],
}

/// A backend for which every product is zero.
struct Zeroes;

impl io_prover::Backend for Zeroes {
    fn name(&self) -> String {
        "zeroes".into()
    }

    fn load(
        &self,
        _: &[u8; 32],
        n: u32,
    ) -> Result<Box<dyn io_prover::Loaded + '_>, io_prover::ProveError> {
        Ok(Box::new(OfSize(n)))
    }
}

struct OfSize(u32);

impl io_prover::Loaded for OfSize {
    fn row_roots(
        &mut self,
        _: &[u8; 32],
        _: &AtomicBool,
    ) -> Result<Vec<[u8; 32]>, io_prover::ProveError> {
        let root = row_root(&vec![0; self.0 as usize]);
        Ok(vec![root; self.0 as usize])
    }
}

/// Opens the zeroes that it committed to.
fn zero(opening: &mut Opening, ask: &ProofAsk) {
    for row in opening.rows.chunks_mut(OpenedRow::wire_len(ask.n)) {
        row[8..8 + 4 * ask.n as usize].fill(0);
    }
}

/// Says that a device is ready to be asked.
async fn claim(link: &mut Socket) {
    let claim = HardwareClaim {
        backend: "test".into(),
        n: 1_024,
        pass_micros: 20_000,
        memory_mib: 64,
        fill_mib_s: 10,
    };
    say(link, &ToOracle::Claim { claim }).await;
}

/// The round that a device is asked in.
async fn asked(link: &mut Socket) -> (RoundOpening, ProofAsk) {
    match receive(link).await {
        ToWorker::Round { opening, ask } => (opening, ask),
        other => panic!("no round: {other:?}"),
    }
}

/// Answers what the oracle asks to measure the link, until it says what it measured.
async fn be_measured(
    link: &mut Socket,
    downloaded: fn([u8; 32]) -> [u8; 32],
) -> (ProofOutcome, Option<Figures>) {
    loop {
        match receive(link).await {
            ToWorker::Download { request, bytes } => {
                let mut came = Vec::new();
                while came.len() < bytes as usize {
                    came.extend(receive_bytes(link).await);
                }
                let sha256 = text::hash(&downloaded(Software::hash(&[&came])));
                say(link, &ToOracle::Downloaded { request, sha256 }).await;
            }
            ToWorker::Upload {
                request,
                seed,
                bytes,
            } => {
                let payload = payload(&text::parse_hash(&seed).unwrap(), bytes);
                for part in payload.chunks(32 * 1024) {
                    let frame = [&request.to_le_bytes()[..], part].concat();
                    link.send(Message::Binary(frame.into())).await.unwrap();
                }
            }
            ToWorker::Measured {
                figures, outcome, ..
            } => return (outcome, figures),
            other => panic!("{other:?}"),
        }
    }
}

impl World {
    /// Registers another device of the provider's, and waits until the oracle knows it.
    async fn another_device(&self, number: u8) -> (Pubkey, Wallet) {
        let hardware = [number; 32];
        let (device, operator) = (pda::device(&hardware), Wallet::generate());
        let args = RegisterDeviceArgs {
            hardware,
            operator: operator.address(),
            bond: 100_000_000,
        };
        let register = instructions::register_device(&self.provider.address(), 1, args);
        let request = Request::new("register", self.provider.signer(), vec![register]);
        self.chain.sender().send(&request).await.unwrap();
        let client = self.client();
        eventually("the device in the index", async || {
            client.device(&device.to_bytes()).await.unwrap()
        })
        .await;
        (device, operator)
    }

    /// Links a device over a socket that was just opened.
    async fn link_device(&self, link: &mut Socket, device: &Pubkey, operator: &Wallet) {
        let answer = self.hello_of(device, link, operator).await;
        assert!(matches!(answer, ToWorker::Linked { .. }), "{answer:?}");
        say(link, &self.heartbeat_of(device, operator, 1)).await;
    }

    /// Proves a device over its link, with the worker's own prover, and lets the link be measured. `tamper` changes what is opened.
    async fn prove(
        &self,
        link: &mut Socket,
        device: &Pubkey,
        operator: &Wallet,
        tamper: impl FnOnce(&mut Opening),
    ) -> (ProofOutcome, Option<Figures>) {
        claim(link).await;
        let round = asked(link).await;
        let honest = io_prover::for_host(2);
        let downloaded = self
            .show(
                &self.client(),
                link,
                (device, operator),
                round,
                &honest,
                tamper,
            )
            .await;
        be_measured(link, downloaded).await
    }

    /// A round's seed, as its opening signs it.
    fn seed_of(&self, opening: &RoundOpening) -> [u8; 32] {
        let statement = RoundStatement {
            deployment: self.deployment,
            oracle: self.oracle.to_bytes(),
            epoch: opening.epoch,
            blockhash: text::parse_key(&opening.blockhash).unwrap(),
        }
        .to_bytes();
        let signature = text::parse_signature(&opening.signature).unwrap();
        assert!(auth::verify_signature(
            &self.oracle.to_bytes(),
            &statement,
            &signature
        ));
        round_seed(&statement, &signature)
    }

    /// Computes what a round asks for, and signs it.
    fn commitment(
        &self,
        device: &Pubkey,
        operator: &Wallet,
        (opening, ask): (&RoundOpening, &ProofAsk),
        backend: &dyn io_prover::Backend,
    ) -> (io_prover::Proof, ToOracle) {
        let seed = self.seed_of(opening);
        let shape = Shape {
            n: ask.n,
            passes: ask.passes,
        };
        let (stop, key) = (AtomicBool::new(false), device.to_bytes());
        let proof = io_prover::prove(backend, &seed, &key, shape, &stop).unwrap();
        let statement = CommitmentStatement {
            deployment: self.deployment,
            device: key,
            epoch: opening.epoch,
            round_seed: seed,
            commitment: proof.committed.commitment(),
        };
        let committed = ToOracle::Committed {
            round: text::hash(&seed),
            roots: proof.committed.roots.iter().map(text::hash).collect(),
            signature: operator.sign(&statement.to_bytes()).to_string(),
        };
        (proof, committed)
    }

    /// Answers a round up to what was drawn.
    async fn show(
        &self,
        client: &OracleClient,
        link: &mut Socket,
        (device, operator): (&Pubkey, &Wallet),
        (opening, ask): (RoundOpening, ProofAsk),
        backend: &dyn io_prover::Backend,
        tamper: impl FnOnce(&mut Opening),
    ) -> fn([u8; 32]) -> [u8; 32] {
        let cpu = io_prover::for_host(2);
        let (seed, key) = (self.seed_of(&opening), device.to_bytes());
        let round = text::hash(&seed);
        let (proof, committed) = self.commitment(device, operator, (&opening, &ask), backend);
        say(link, &committed).await;
        let walk = Walk {
            seed: memory_seed(&seed, &key),
            segments: ask.segments,
            strides: ask.strides,
        };
        let filled = io_prover::memory::fill(walk, 2).unwrap();
        say(
            link,
            &ToOracle::Filled {
                round: round.clone(),
            },
        )
        .await;
        let ToWorker::Reveal { signature, .. } = receive(link).await else {
            panic!("no reveal");
        };
        let reveal = reveal_seed(&seed, &text::parse_signature(&signature).unwrap());
        let rows = proof.open(&cpu, &reveal, ask.rows);
        let mut opening = Opening {
            rows: rows.iter().flat_map(|row| row.to_bytes()).collect(),
            states: states_to_bytes(&filled.walk(&reveal)),
            downloaded: |sha256| sha256,
        };
        tamper(&mut opening);
        let [root, blob] = [&opening.states, &opening.rows].map(|bytes| hash(bytes));
        let message = ToOracle::Walked {
            round: round.clone(),
            root: text::hash(&root),
        };
        say(link, &message).await;
        for (hash, bytes) in [(root, &opening.states), (blob, &opening.rows)] {
            client
                .put_blob(
                    &request_key(operator),
                    &hash,
                    BlobSource::Bytes(bytes),
                    |_| {},
                )
                .await
                .unwrap();
        }
        let rows = text::hash(&blob);
        say(link, &ToOracle::Opened { round, rows }).await;
        opening.downloaded
    }
}

/// Rows that are not the product's, or not those that were committed to, and states that don't follow from the memory, refuse the device, and
/// everybody can read why.
#[tokio::test]
async fn a_wrong_hardware_proof_refuses_the_device_and_is_published() {
    let world = &*WORLD;
    let client = world.client();
    type Tamper = fn(&mut Opening, &ProofAsk);
    let honest = io_prover::for_host(2);
    let wrongs: [(u8, &str, &dyn io_prover::Backend, Tamper); 5] = [
        (20, "is not the committed one", &honest, |o, _| {
            o.rows[8] ^= 1
        }),
        (21, "the memory was not there", &honest, |o, _| {
            o.states[8..].iter_mut().for_each(|byte| *byte ^= 1)
        }),
        (22, "0 of 16 drawn rows", &honest, |o, _| o.rows.clear()),
        (23, "is not that row of the product", &Zeroes, zero),
        (24, "does not begin where it had to", &honest, |o, _| {
            o.states[0] ^= 1
        }),
    ];
    for (number, said, backend, tamper) in wrongs {
        let (device, operator) = world.another_device(number).await;
        let mut link = world.connect().await;
        world.link_device(&mut link, &device, &operator).await;
        claim(&mut link).await;
        let round = asked(&mut link).await;
        let (epoch, ask) = (round.0.epoch, round.1);
        let downloaded = world
            .show(
                &client,
                &mut link,
                (&device, &operator),
                round,
                backend,
                |o| tamper(o, &ask),
            )
            .await;
        let (outcome, figures) = be_measured(&mut link, downloaded).await;
        assert_eq!((outcome, figures), (ProofOutcome::Wrong, None), "{said}");
        let request = DeviceAttestRequest {
            measured_at: world.chain.rpc().chain_time().await.unwrap(),
            tops_e2: 1,
            memory_mib: 64,
            bandwidth_mib_s: 0,
            down_mbit: 0,
            up_mbit: 0,
            latency_ms: 1,
            region: None,
        };
        let key = request_key(&operator);
        let refused = client
            .attest_device(&key, &device.to_bytes(), &request)
            .await;
        assert!(
            matches!(refused, Err(ClientError::Api { status: 409, .. })),
            "{refused:?}"
        );
        // The record says what was asked, committed and found.
        let proofs = client.hardware_proofs(epoch, None).await.unwrap().proofs;
        let mine = device.to_string();
        let record = proofs
            .iter()
            .find(|proof| proof.device == mine)
            .expect("the record");
        let reason = record.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(said), "{reason} for {said}");
        assert_eq!(record.operator, operator.address().to_string());
        assert_eq!(record.roots.len(), record.ask.passes as usize);
        assert!(record.commitment_signature.is_some() && record.rows.is_some());
    }
}

/// Whoever commits when the window is over is told nothing of what is drawn, and has missed the round; asked for less, it is in time.
#[tokio::test]
async fn a_commitment_after_its_window_is_a_missed_round() {
    let world = &*WORLD;
    let folder = tempfile::tempdir().unwrap();
    let usual = config(
        (&world.rpc_url, &world.ws_url),
        world.key_file.clone(),
        folder.path().join("strict"),
    );
    // The window that is published, and no longer time than that.
    let rounds = Rounds {
        window_ms: Rounds::default().window_ms,
        commit_ms: None,
        ..usual.rounds.clone()
    };
    let window = Duration::from_millis(rounds.window_ms.into());
    let stop = CancellationToken::new();
    let (address, task) = start(Config { rounds, ..usual }, stop.clone()).await;
    let strict =
        OracleClient::for_deployment(&format!("http://{address}"), world.deployment).unwrap();
    let (device, operator) = world.another_device(70).await;
    eventually("the device in the strict oracle's index", async || {
        strict.device(&device.to_bytes()).await.unwrap()
    })
    .await;
    let (mut link, _) = connect_async(strict.link_url()).await.unwrap();
    assert!(matches!(receive(&mut link).await, ToWorker::Welcome { .. }));
    world.link_device(&mut link, &device, &operator).await;
    claim(&mut link).await;
    let (opening, ask) = asked(&mut link).await;
    let (asked_at, backend) = (Instant::now(), io_prover::for_host(2));
    let round = text::hash(&world.seed_of(&opening));
    let (proof, committed) = world.commitment(&device, &operator, (&opening, &ask), &backend);
    tokio::time::sleep_until((asked_at + window + Duration::from_millis(1)).into()).await;
    say(&mut link, &committed).await;
    // No reveal comes first.
    match receive(&mut link).await {
        ToWorker::Measured {
            round: ended,
            outcome,
            figures: None,
            ..
        } => assert_eq!(
            (ended, outcome),
            (Some(round.clone()), ProofOutcome::Missed)
        ),
        other => panic!("{other:?}"),
    }
    // It claims less, and so is asked for less.
    let slower = HardwareClaim {
        backend: "test".into(),
        n: 1_024,
        pass_micros: 100_000,
        memory_mib: 64,
        fill_mib_s: 10,
    };
    say(&mut link, &ToOracle::Claim { claim: slower }).await;

    let proofs = strict.hardware_proofs(opening.epoch, None).await.unwrap();
    let record = proofs
        .proofs
        .iter()
        .find(|proof| proof.round == round)
        .expect("the record");
    let reason = record.reason.as_deref().unwrap_or_default();
    assert!(reason.contains("and 2000 are the most"), "{reason}");
    assert!(record.commit_micros > Some(window.as_micros() as u64));
    let roots: Vec<String> = proof.committed.roots.iter().map(text::hash).collect();
    assert_eq!(record.roots, roots);
    assert_eq!((&record.reveal_signature, record.figures), (&None, None));

    let round = asked(&mut link).await;
    // In time, now.
    assert!(round.1.passes < ask.passes / 4, "{:?}", round.1);
    let downloaded = world
        .show(
            &strict,
            &mut link,
            (&device, &operator),
            round,
            &backend,
            |_| {},
        )
        .await;
    let (outcome, figures) = be_measured(&mut link, downloaded).await;
    assert_eq!(outcome, ProofOutcome::Proven);
    assert!(figures.is_some_and(|figures| figures.tops_e2 > 0));
    stop.cancel();
    task.await.unwrap().unwrap();
}

/// A device behind a slow link has the lower figures, and one that lies about what came down none of that way.
#[tokio::test]
async fn a_slow_link_has_lower_figures_and_a_lie_none() {
    const SLOW: Slowness = Slowness {
        delay: Duration::from_millis(30),
        bytes_per_second: 1_000_000,
    };
    let world = &*WORLD;
    let client = world.client();
    let proxy = CuttableProxy::slow(&world.url(""), SLOW).await;
    let measure = async |number: u8, url: String, tamper: fn(&mut Opening)| {
        let (device, operator) = world.another_device(number).await;
        let (mut link, _) = connect_async(url).await.unwrap();
        assert!(matches!(receive(&mut link).await, ToWorker::Welcome { .. }));
        world.link_device(&mut link, &device, &operator).await;
        let (outcome, figures) = world.prove(&mut link, &device, &operator, tamper).await;
        assert_eq!(outcome, ProofOutcome::Proven);
        (link, device, operator, figures.expect("figures"))
    };
    let direct = client.link_url();
    let slow_url = format!("{}/v1/link", proxy.ws_url());
    // A busy machine may hold up the direct one for as long as the slow one takes, but not each time.
    let mut number = 80;
    let (near_device, near, far) = loop {
        let (_near, device, _, near) = measure(number, direct.clone(), |_| {}).await;
        let (_far, _, _, far) = measure(number + 1, slow_url.clone(), |_| {}).await;
        let slower = far.down_mbit.min(far.up_mbit) > 0
            && near.down_mbit > far.down_mbit
            && near.up_mbit > far.up_mbit;
        number += 2;
        if slower || number == 86 {
            break (device, near, far);
        }
    };
    assert!((1..=8).contains(&far.down_mbit), "{far:?}");
    assert!((1..=8).contains(&far.up_mbit), "{far:?}");
    assert!(far.latency_ms >= 60, "there and back: {far:?}");
    assert!(near.down_mbit > far.down_mbit && near.up_mbit > far.up_mbit);
    assert!((1..far.latency_ms).contains(&near.latency_ms), "{near:?}");

    let lie: fn(&mut Opening) = |opening| opening.downloaded = |sha256| sha256.map(|byte| !byte);
    let (_link, liar, operator, figures) = measure(32, direct, lie).await;
    assert_eq!(figures.down_mbit, 0);
    assert!(figures.up_mbit > 0 && figures.tops_e2 > 0, "{figures:?}");
    let now = world.chain.rpc().chain_time().await.unwrap();
    let mut request = DeviceAttestRequest {
        measured_at: now,
        tops_e2: figures.tops_e2,
        memory_mib: figures.memory_mib,
        bandwidth_mib_s: figures.bandwidth_mib_s,
        down_mbit: 1,
        up_mbit: figures.up_mbit,
        latency_ms: figures.latency_ms,
        region: None,
    };
    let key = request_key(&operator);
    let refused = client.attest_device(&key, &liar.to_bytes(), &request).await;
    assert!(
        matches!(refused, Err(ClientError::Api { status: 400, .. })),
        "{refused:?}"
    );
    request.down_mbit = 0;
    client
        .attest_device(&key, &liar.to_bytes(), &request)
        .await
        .unwrap();

    // What the figures follow from is in the records.
    let epoch = io_protocol::messages::epoch_of(now);
    let mut proofs = client.hardware_proofs(epoch, None).await.unwrap().proofs;
    // The first was measured in the hour before, if that ended meanwhile.
    if epoch > 0 {
        let before = client.hardware_proofs(epoch - 1, None).await.unwrap();
        proofs.extend(before.proofs);
    }
    let times = |device: &Pubkey| {
        let name = device.to_string();
        let proof = proofs.iter().find(|proof| proof.device == name);
        proof.and_then(|proof| proof.link.clone()).expect("times")
    };
    assert_eq!(times(&liar).down, []);
    let near = times(&near_device);
    assert_eq!((near.pings.len(), near.down[0].bytes), (5, BURSTS[0]));
}

/// A device that stalls while its link is measured keeps nobody else of its round waiting, who may be asked again meanwhile.
#[tokio::test]
async fn a_device_that_stalls_keeps_no_other_from_its_next_round() {
    // The other device is asked again 2 s after its failure, with a second's look. Measuring one that answers nothing takes 6 s.
    let world = &*WORLD;
    let mut number = 50;
    let (mut staller, device, operator, mut other, round) = loop {
        let (device, operator) = world.another_device(number).await;
        let (second, key) = world.another_device(number + 1).await;
        let (mut staller, mut other) = (world.connect().await, world.connect().await);
        world.link_device(&mut staller, &device, &operator).await;
        world.link_device(&mut other, &second, &key).await;
        claim(&mut staller).await;
        claim(&mut other).await;
        let (round, others) = (asked(&mut staller).await, asked(&mut other).await);
        let reason = "busy".to_owned();
        let unready = ToOracle::Unready {
            round: text::hash(&world.seed_of(&others.0)),
            reason,
        };
        say(&mut other, &unready).await;
        if round.0 == others.0 {
            break (staller, device, operator, other, round);
        }
        // The first was asked a moment before the second had claimed.
        number += 2;
        assert!(number < 60, "two claims do not share a round");
    };
    world
        .show(
            &world.client(),
            &mut staller,
            (&device, &operator),
            round,
            &io_prover::for_host(2),
            |_| {},
        )
        .await;
    let ToWorker::Measured { outcome, .. } = receive(&mut other).await else {
        panic!("nothing came of the round");
    };
    assert_eq!(outcome, ProofOutcome::Missed);
    asked(&mut other).await;
    let measured = |message: Option<Result<Message, _>>| {
        let Message::Text(text) = message.expect("an open link").unwrap() else {
            return None;
        };
        match serde_json::from_str(&text).unwrap() {
            ToWorker::Measured { figures, .. } => Some(figures),
            _ => None,
        }
    };
    // The staller's turn still goes on.
    while let Some(message) = staller.next().now_or_never() {
        assert_eq!(measured(message), None, "the other was kept waiting");
    }
    // It ends, too, with what was measured.
    let figures = loop {
        if let Some(figures) = measured(staller.next().await) {
            break figures.expect("figures");
        }
    };
    assert!(figures.tops_e2 > 0);
    assert_eq!((figures.down_mbit, figures.up_mbit), (0, 0));
}

/// Bytes that nobody asked for end a link.
#[tokio::test]
async fn bytes_that_were_not_asked_for_end_a_link() {
    let world = &*WORLD;
    let (device, operator) = world.another_device(33).await;
    let mut link = world.connect().await;
    world.link_device(&mut link, &device, &operator).await;
    let frame = [&u64::MAX.to_le_bytes()[..], b"bytes"].concat();
    link.send(Message::Binary(frame.into())).await.unwrap();
    let ToWorker::Refused { code, message } = receive(&mut link).await else {
        panic!("they were taken");
    };
    assert_eq!(code, "bad_request");
    assert!(message.contains("not asked for"), "{message}");
}

/// A link is its operator's alone, for as long as it is the operator; it is bounded in what it may say, and how often wrong.
#[tokio::test]
async fn links_are_their_operators_and_bounded() {
    let world = &*WORLD;
    let client = world.client();
    let hardware = [10; 32];
    let device = pda::device(&hardware);
    let (first, second) = (Wallet::generate(), Wallet::generate());
    let owner = world.provider.address();
    let sender = world.chain.sender();
    let send = async |what: &str, instruction| {
        let request = Request::new(what, world.provider.signer(), vec![instruction]);
        sender.send(&request).await.unwrap();
    };
    let args = RegisterDeviceArgs {
        hardware,
        operator: first.address(),
        bond: 400_000_000,
    };
    send("second", instructions::register_device(&owner, 1, args)).await;
    eventually("the device in the index", async || {
        client.device(&device.to_bytes()).await.unwrap()
    })
    .await;
    let link = async |operator: &Wallet| {
        let mut socket = world.connect().await;
        let answer = world.hello_of(&device, &mut socket, operator).await;
        assert!(matches!(answer, ToWorker::Linked { .. }), "{answer:?}");
        socket
    };
    let refusal = async |socket: &mut Socket| match receive(socket).await {
        ToWorker::Refused { code, message } => (code, message),
        other => panic!("{other:?}"),
    };

    // A heartbeat that was taken over one link counts on no other, although its sequence is the first there.
    let mut socket = link(&first).await;
    let beat = world.heartbeat_of(&device, &first, 1);
    say(&mut socket, &beat).await;
    let wrong = ToOracle::Decline {
        job: "no key".into(),
        reason: String::new(),
    };
    say(&mut socket, &wrong).await;
    assert_eq!(
        refusal(&mut socket).await.0,
        "bad_request",
        "the heartbeat was taken"
    );
    let mut socket = link(&first).await;
    say(&mut socket, &beat).await;
    let (code, message) = refusal(&mut socket).await;
    assert_eq!(code, "unauthorized");
    assert!(message.contains("sent before"), "{message}");

    // Nineteen mistakes are told, the twentieth ends the link; one was made already.
    for n in 2..20 {
        say(&mut socket, &wrong).await;
        assert_eq!(refusal(&mut socket).await.0, "bad_request", "mistake {n}");
    }
    say(&mut socket, &wrong).await;
    assert_eq!(refusal(&mut socket).await.0, "bad_request");
    let end = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    assert!(
        matches!(end, None | Some(Ok(Message::Close(_)) | Err(_))),
        "{end:?}"
    );

    // More messages than a worker has to send.
    let mut socket = link(&first).await;
    let progress = serde_json::to_string(&ToOracle::Accepting { job: String::new() }).unwrap();
    let flood = async {
        for _ in 0..1_000_000 {
            let message = Message::Text(progress.clone().into());
            if socket.send(message).await.is_err() {
                return;
            }
        }
        panic!("a million messages were taken");
    };
    tokio::time::timeout(PATIENCE, flood)
        .await
        .expect("the flood's end");
    let told = eventually("word of it", async || match socket.next().await {
        Some(Ok(Message::Text(text))) => Some(Some(text.to_string())),
        Some(Ok(_)) => None,
        None | Some(Err(_)) => Some(None),
    })
    .await;
    // The connection may have broken before the word came.
    if let Some(told) = told {
        assert!(told.contains("rate_limited"), "{told}");
    }

    // The operator changes. The link of the one before is nobody's: not its own, not the new one's.
    let mut socket = link(&first).await;
    let change = instructions::set_device_operator(&owner, &device, &second.address());
    send("operator", change).await;
    let figures = DeviceAttestRequest {
        measured_at: 0,
        tops_e2: 0,
        memory_mib: 0,
        bandwidth_mib_s: 0,
        down_mbit: 0,
        up_mbit: 0,
        latency_ms: 1,
        region: None,
    };
    eventually("the new operator in the index", async || {
        let asked = client
            .attest_device(&request_key(&second), &device.to_bytes(), &figures)
            .await;
        (!matches!(asked, Err(ClientError::Api { status: 401, .. }))).then_some(())
    })
    .await;
    for (operator, said) in [
        (&first, "the device's operator is"),
        (&second, "another key than the hello"),
    ] {
        let beat = world.heartbeat_of(&device, operator, 9);
        say(&mut socket, &beat).await;
        let (code, message) = refusal(&mut socket).await;
        assert_eq!(code, "unauthorized");
        assert!(message.contains(said), "{message}");
    }
}

/// Link, attestation, quote, offer, decline, cancellation and history: one device's life, in order, on one chain.
#[tokio::test]
async fn a_device_is_linked_attested_and_offered_a_job() {
    let world = &*WORLD;
    let client = world.client();
    eventually("the device in the index", async || {
        client.device(&world.device.to_bytes()).await.unwrap()
    })
    .await;

    // Somebody else's key, and a hello that was seen.
    let mut socket = world.connect().await;
    let answer = world.hello(&mut socket, &world.renter).await;
    assert!(
        matches!(&answer, ToWorker::Refused { code, .. } if code == "unauthorized"),
        "{answer:?}"
    );
    let mut first = world.connect().await;
    let auth = world.sign_link(&world.operator, auth::LINK, b"");
    let hello = ToOracle::Hello {
        device: world.device.to_string(),
        auth,
    };
    say(&mut first, &hello).await;
    assert!(matches!(receive(&mut first).await, ToWorker::Linked { .. }));
    let mut replay = world.connect().await;
    say(&mut replay, &hello).await;
    assert!(matches!(
        receive(&mut replay).await,
        ToWorker::Refused { .. }
    ));

    // Figures are signed for a device that beats, to its operator only.
    let now = world.chain.rpc().chain_time().await.unwrap();
    let figures = DeviceAttestRequest {
        measured_at: now,
        tops_e2: 50,
        memory_mib: 1_000,
        bandwidth_mib_s: 10,
        down_mbit: 0,
        up_mbit: 0,
        latency_ms: 1,
        region: Some("DE".into()),
    };
    let operator = request_key(&world.operator);
    let early = client
        .attest_device(&operator, &world.device.to_bytes(), &figures)
        .await
        .unwrap_err();
    assert!(
        matches!(&early, ClientError::Api { status: 409, .. }),
        "{early}"
    );
    // A second worker with the same key is refused as long as the first answers, and both are told.
    let mut twin = world.connect().await;
    let (refused, told) =
        tokio::join!(world.hello(&mut twin, &world.operator), receive(&mut first));
    for said in [refused, told] {
        assert!(matches!(said, ToWorker::Refused { code, .. } if code == "conflict"));
    }
    // One that does not answer, or is gone, is replaced.
    let mut link = world.connect().await;
    assert!(matches!(
        world.hello(&mut link, &world.operator).await,
        ToWorker::Linked { .. }
    ));
    drop(first);
    let beat = world.heartbeat(1);
    say(&mut link, &beat).await;
    say(&mut link, &beat).await;
    assert!(
        matches!(receive(&mut link).await, ToWorker::Refused { code, .. } if code == "unauthorized"),
        "a replayed heartbeat"
    );
    let strangers = client
        .attest_device(
            &request_key(&world.renter),
            &world.device.to_bytes(),
            &figures,
        )
        .await
        .unwrap_err();
    assert!(
        matches!(&strangers, ClientError::Api { status: 401, .. }),
        "{strangers}"
    );
    let ask = async |figures: DeviceAttestRequest| {
        client
            .attest_device(&operator, &world.device.to_bytes(), &figures)
            .await
    };
    // What it says of itself is not enough: it proves itself, and this oracle signs what it measured, in no figure more.
    let unproven = ask(figures.clone()).await.unwrap_err();
    assert!(
        matches!(&unproven, ClientError::Api { status: 409, .. })
            && unproven.to_string().contains("not measured"),
        "{unproven}"
    );
    let (outcome, measured) = world
        .prove(&mut link, &world.device, &world.operator, |_| {})
        .await;
    assert_eq!(outcome, ProofOutcome::Proven);
    let measured = measured.expect("figures");
    assert_eq!(measured.memory_mib, 64, "what the class needs");
    let now = world.chain.rpc().chain_time().await.unwrap();
    let figures = DeviceAttestRequest {
        measured_at: now,
        tops_e2: measured.tops_e2,
        memory_mib: measured.memory_mib,
        bandwidth_mib_s: measured.bandwidth_mib_s,
        down_mbit: measured.down_mbit,
        up_mbit: measured.up_mbit,
        latency_ms: measured.latency_ms,
        region: Some("DE".into()),
    };
    for bad in [
        DeviceAttestRequest {
            tops_e2: 0,
            ..figures.clone()
        },
        DeviceAttestRequest {
            tops_e2: figures.tops_e2 + 1,
            ..figures.clone()
        },
        DeviceAttestRequest {
            memory_mib: 63,
            ..figures.clone()
        },
        DeviceAttestRequest {
            memory_mib: 65,
            ..figures.clone()
        },
        DeviceAttestRequest {
            bandwidth_mib_s: figures.bandwidth_mib_s + 1,
            ..figures.clone()
        },
        DeviceAttestRequest {
            down_mbit: figures.down_mbit + 1,
            ..figures.clone()
        },
        DeviceAttestRequest {
            up_mbit: figures.up_mbit + 1,
            ..figures.clone()
        },
        DeviceAttestRequest {
            latency_ms: figures.latency_ms - 1,
            ..figures.clone()
        },
        DeviceAttestRequest {
            measured_at: figures.measured_at - 1_000,
            ..figures.clone()
        },
        DeviceAttestRequest {
            measured_at: figures.measured_at + 1_000,
            ..figures.clone()
        },
        DeviceAttestRequest {
            region: Some("nowhere".into()),
            ..figures.clone()
        },
    ] {
        assert!(
            matches!(
                ask(bad.clone()).await,
                Err(ClientError::Api { status: 400, .. })
            ),
            "{bad:?}"
        );
    }
    let attested = ask(figures.clone()).await.unwrap();
    let measured = Measured {
        tops_e2: figures.tops_e2,
        memory_mib: figures.memory_mib,
        bandwidth_mib_s: figures.bandwidth_mib_s,
        down_mbit: figures.down_mbit,
        up_mbit: figures.up_mbit,
        latency_ms: figures.latency_ms,
        region: 0x4445,
    };
    let statement = DeviceStatement {
        deployment: world.deployment,
        set_version: attested.set_version,
        device: world.device.to_bytes(),
        provider: text::parse_key(&attested.provider).unwrap(),
        class: 1,
        since: attested.since,
        measured_at: figures.measured_at,
        measured,
    };
    let signature = Signature::from(text::parse_signature(&attested.signature).unwrap());
    let args = AttestDeviceArgs {
        measured_at: figures.measured_at,
        tops_e2: figures.tops_e2,
        memory_mib: figures.memory_mib,
        bandwidth_mib_s: figures.bandwidth_mib_s,
        down_mbit: figures.down_mbit,
        up_mbit: figures.up_mbit,
        latency_ms: figures.latency_ms,
        region: 0x4445,
    };
    let check = ed25519::verify(&statement.to_bytes(), &[(world.oracle, signature)]).unwrap();
    let sender = world.chain.sender();
    let put = vec![check, instructions::attest_device(&world.device, 1, args)];
    sender
        .send(&Request::new("attest", world.operator.signer(), put))
        .await
        .unwrap();
    let offer = eventually("availability", async || {
        client
            .device(&world.device.to_bytes())
            .await
            .unwrap()
            .filter(|offer| offer.available)
    })
    .await;
    assert_eq!(
        (offer.class_name.as_str(), offer.region.as_deref()),
        ("CPU", Some("DE"))
    );
    assert!(figures.down_mbit > 0 && figures.up_mbit > 0);
    assert_eq!(
        (offer.down_mbit, offer.up_mbit, offer.latency_ms),
        (figures.down_mbit, figures.up_mbit, Some(figures.latency_ms))
    );
    let offers = client.offers(None).await.unwrap();
    let mine = world.device.to_string();
    assert!(offers.offers.iter().any(|offer| offer.device == mine));

    // What a job costs, and why nothing fits.
    let mut request = QuoteRequest {
        engine: "wasm".into(),
        units: 2_000,
        requirement: Requirement {
            class: None,
            min_multiplier_e2: 0,
            min_memory_mib: 0,
            region: Some("de".into()),
            min_reputation_bps: 0,
        },
        mint: None,
    };
    let quote = eventually("a quote with the device", async || {
        let quote = client.quote(&request).await.unwrap();
        (quote.devices > 0).then_some(quote)
    })
    .await;
    assert_eq!(
        (quote.devices, quote.payment, quote.fees, quote.total),
        (1, Some(Amount(2_000)), Some(Amount(5)), Some(Amount(2_005)))
    );
    assert_eq!(quote.seconds, Some(200.0));
    request.requirement.min_memory_mib = 5_000;
    let quote = client.quote(&request).await.unwrap();
    assert_eq!(
        (quote.devices, quote.total, quote.removed),
        (0, None, BTreeMap::from([("min_memory_mib".to_owned(), 1)]))
    );

    // A job: first without its spec, then with it.
    const MODULE: &[u8] = b"a module that is never run here";
    let module = BlobRef::of(MODULE);
    let wasm = WasmSpec {
        module,
        fuel: 1_000_000,
        memory_mib: 16,
        time_limit_s: 10,
        max_output: 1_000,
    };
    let spec = JobSpec {
        version: 1,
        input: BlobRef::of(b""),
        engine: EngineSpec::Wasm(wasm),
    };
    let terms = JobTerms {
        max_price: 5_000,
        max_units: 10_000,
        ..terms(7, spec.hash().0, now)
    };
    let renter = world.renter.address();
    let create =
        instructions::create_job(&renter, &renter, &world.io_mint, &world.renter_token, terms);
    sender
        .send(&Request::new("create", world.renter.signer(), vec![create]))
        .await
        .unwrap();
    let job = pda::job(&renter, 7);
    let view = async |stage: Stage| {
        eventually(&format!("{stage:?}"), async || {
            client
                .job(&job.to_bytes())
                .await
                .unwrap()
                .filter(|view| view.stage == stage)
        })
        .await
    };
    let missing = view(Stage::SpecMissing).await;
    assert!(missing.reason.unwrap().contains(&spec.hash().to_string()));
    let canonical = spec.canonical();
    client
        .put_blob(
            &request_key(&world.renter),
            &spec.hash().0,
            BlobSource::Bytes(&canonical),
            |_| {},
        )
        .await
        .unwrap();
    // Nobody is asked before what the spec names is there.
    let missing = view(Stage::InputMissing).await;
    assert!(missing.reason.unwrap().contains("upload it"));
    for bytes in [&b""[..], MODULE] {
        client
            .put_blob(
                &request_key(&world.renter),
                &BlobRef::of(bytes).hash.0,
                BlobSource::Bytes(bytes),
                |_| {},
            )
            .await
            .unwrap();
    }
    say(&mut link, &world.heartbeat(2)).await;
    let ToWorker::Offer {
        job: offered,
        created_slot,
        set_version,
        ask,
        expires_at,
        signature,
    } = receive(&mut link).await
    else {
        panic!("expected an offer")
    };
    assert_eq!(offered, job.to_string());
    let ticket = TicketStatement {
        deployment: world.deployment,
        set_version,
        job: job.to_bytes(),
        created_slot,
        device: world.device.to_bytes(),
        ask: ask.0,
        expires_at,
    };
    let signature = text::parse_signature(&signature).unwrap();
    assert!(auth::verify_signature(
        &world.oracle.to_bytes(),
        &ticket.to_bytes(),
        &signature
    ));
    assert_eq!(
        view(Stage::Matched).await.device,
        Some(world.device.to_string())
    );
    assert_eq!(
        client
            .quote(&QuoteRequest {
                requirement: Requirement {
                    min_memory_mib: 0,
                    ..request.requirement.clone()
                },
                ..request.clone()
            })
            .await
            .unwrap()
            .devices,
        0,
        "it is reserved"
    );

    // Declined: the job waits, the device is free for others, and is not asked again at once.
    say(
        &mut link,
        &ToOracle::Decline {
            job: offered,
            reason: "testing".into(),
        },
    )
    .await;
    let waiting = eventually("waiting", async || {
        let view = client.job(&job.to_bytes()).await.unwrap()?;
        (view.stage == Stage::Waiting && view.reason.is_some()).then_some(view)
    })
    .await;
    assert!(waiting.reason.unwrap().contains("declined"));
    assert_eq!(client.attestation(&job.to_bytes()).await.unwrap(), None);

    // Cancelled and closed, it is in the history; and in that of an oracle that starts from nothing.
    let account = accounts::fetch(&world.chain.rpc(), &job).await.unwrap();
    let cancel = instructions::cancel_job(&renter, &job, &account);
    sender
        .send(&Request::new("cancel", world.renter.signer(), vec![cancel]))
        .await
        .unwrap();
    let close = instructions::close_job(&renter, &job, &account, &world.renter_token);
    sender
        .send(&Request::new("close", world.renter.signer(), vec![close]))
        .await
        .unwrap();
    let told = |view: &JobView| {
        view.history
            .iter()
            .map(|t| (t.from.clone(), t.to.clone()))
            .collect::<Vec<_>>()
    };
    let whole = [
        ("none".to_owned(), "open".to_owned()),
        ("open".to_owned(), "cancelled".to_owned()),
    ];
    let ended = eventually("the end", async || {
        client
            .job(&job.to_bytes())
            .await
            .unwrap()
            .filter(|view| view.state == "cancelled" && told(view) == whole)
    })
    .await;
    assert_eq!(ended.refunded, Some(ended.escrow));
    let stop = CancellationToken::new();
    let folder = tempfile::tempdir().unwrap();
    let fresh = config(
        (&world.rpc_url, &world.ws_url),
        world.key_file.clone(),
        folder.path().join("new"),
    );
    let (address, task) = start(fresh, stop.clone()).await;
    let other =
        OracleClient::for_deployment(&format!("http://{address}"), world.deployment).unwrap();
    let rebuilt = eventually("the history", async || {
        other
            .job(&job.to_bytes())
            .await
            .unwrap()
            .filter(|view| told(view) == whole)
    })
    .await;
    assert_eq!(rebuilt.history.len(), ended.history.len());
    for (again, first) in rebuilt.history.iter().zip(&ended.history) {
        // A local chain's block times move as its clock is put right.
        let moved = again.at.unwrap().abs_diff(first.at.unwrap());
        assert!(moved <= 2, "{again:?} {first:?}");
        let again = Transition {
            at: first.at,
            ..again.clone()
        };
        assert_eq!(&again, first);
    }
    let listed = other
        .jobs(Some(&renter.to_string()), Some("cancelled"), None)
        .await
        .unwrap();
    assert_eq!(
        (listed.total, listed.jobs[0].job.clone()),
        (1, job.to_string())
    );
    let open = other
        .jobs(Some(&renter.to_string()), Some("open"), None)
        .await
        .unwrap();
    assert_eq!(open.total, 0);
    stop.cancel();
    task.await.unwrap().unwrap();
}

impl World {
    /// Attests a device on chain, as its oracle would.
    async fn attest(&self, device: &Pubkey) {
        let (rpc, oracle) = (self.chain.rpc(), Wallet::load(&self.key_file).unwrap());
        let set: OracleSet = accounts::fetch(&rpc, &pda::oracle_set()).await.unwrap();
        let account: Device = accounts::fetch(&rpc, device).await.unwrap();
        let measured = Measured {
            tops_e2: 50,
            memory_mib: 64,
            bandwidth_mib_s: 10,
            down_mbit: 0,
            up_mbit: 0,
            latency_ms: 1,
            region: 0,
        };
        let statement = DeviceStatement {
            deployment: self.deployment,
            set_version: set.version,
            device: device.to_bytes(),
            provider: account.provider.to_bytes(),
            class: account.class,
            since: account.since,
            measured_at: rpc.chain_time().await.unwrap(),
            measured,
        };
        let args = AttestDeviceArgs {
            measured_at: statement.measured_at,
            tops_e2: measured.tops_e2,
            memory_mib: measured.memory_mib,
            bandwidth_mib_s: measured.bandwidth_mib_s,
            down_mbit: measured.down_mbit,
            up_mbit: measured.up_mbit,
            latency_ms: measured.latency_ms,
            region: measured.region,
        };
        let message = statement.to_bytes();
        let check = ed25519::verify(&message, &[(oracle.address(), oracle.sign(&message))]);
        let attest = instructions::attest_device(device, account.class, args);
        let all = vec![check.unwrap(), attest];
        let request = Request::new("attest for a lease", self.provider.signer(), all);
        self.chain.sender().send(&request).await.unwrap();
    }

    /// A lease of the renter's that a device serves.
    async fn lease(&self, device: &Pubkey, operator: &Wallet) -> Pubkey {
        const NONCE: u64 = 40;
        let (rpc, sender) = (self.chain.rpc(), self.chain.sender());
        let (renter, provider) = (self.renter.address(), self.provider.address());
        let terms = JobTerms {
            max_units: 600,
            verification: 2,
            kind: 1,
            ..terms(NONCE, [4; 32], rpc.chain_time().await.unwrap())
        };
        let create =
            instructions::create_job(&renter, &renter, &self.io_mint, &self.renter_token, terms);
        let request = Request::new("create a lease", self.renter.signer(), vec![create]);
        sender.send(&request).await.unwrap();
        let address = pda::job(&renter, NONCE);
        let job: Job = accounts::fetch(&rpc, &address).await.unwrap();
        // From then on a device needs no ticket.
        eventually("the end of the matching", async || {
            (rpc.chain_time().await.unwrap() > job.match_until).then_some(())
        })
        .await;
        let args = AcceptJobArgs {
            created_slot: job.created_slot,
            ask: job.max_price,
            ticket_expires_at: 0,
        };
        let paid = tokens::associated(&provider, &self.io_mint);
        let accept = instructions::accept_job(
            &operator.address(),
            &address,
            device,
            &pda::provider(&provider),
            &paid,
            args,
        );
        // The operator has no SOL.
        let request = Request::new("accept a lease", self.provider.signer(), vec![accept])
            .with_signer(operator.signer());
        sender.send(&request).await.unwrap();
        let client = self.client();
        eventually("the lease in the index", async || {
            let view = client.job(&address.to_bytes()).await.unwrap()?;
            (view.state == "running").then_some(())
        })
        .await;
        address
    }
}

/// The number of the request that a device is asked for.
async fn requested(link: &mut Socket, expected: &str) -> u64 {
    match receive(link).await {
        ToWorker::Request { request, spec, .. } if spec == expected => request,
        other => panic!("no request: {other:?}"),
    }
}

/// What a lease's request has come to anybody may read, and takes from nobody: a failure is told to who asked before the device is
/// asked again.
#[tokio::test]
async fn a_leases_request_is_its_customers_and_its_state_is_everybodys() {
    let world = &*WORLD;
    let client = world.client();
    let (device, operator) = world.another_device(40).await;
    world.attest(&device).await;
    let lease = world.lease(&device, &operator).await;
    let mut link = world.connect().await;
    world.link_device(&mut link, &device, &operator).await;

    let spec = text::hash(&[5; 32]);
    let ask = async |by: &Wallet| {
        let request = LeaseRequest { spec: spec.clone() };
        client
            .lease_request(&request_key(by), &lease.to_bytes(), &request)
            .await
    };
    let path = |lease: &Pubkey, spec: &str| format!("/v1/leases/{lease}/requests/{spec}");
    let get = async |path: String| reqwest::get(world.url(&path)).await.unwrap();
    let state = async || {
        let answer = get(path(&lease, &spec)).await;
        assert_eq!(answer.status(), 200);
        serde_json::from_str::<LeaseReply>(&answer.text().await.unwrap()).unwrap()
    };
    let failure = async || refused(get(path(&lease, &spec)).await).await;

    let (status, error) = failure().await;
    assert_eq!((status, error.code.as_str()), (404, "not_found"));
    assert!(error.hint.unwrap().contains("signed by the renter"));
    for (path, expected) in [
        (path(&pda::job(&lease, 1), &spec), 404),
        (path(&lease, "no-hash"), 400),
        (format!("{}?wait=1", path(&lease, &spec)), 400),
    ] {
        assert_eq!(refused(get(path.clone()).await).await.0, expected, "{path}");
    }
    let strangers = ask(&world.provider).await;
    assert!(
        matches!(strangers, Err(ClientError::Api { status: 401, .. })),
        "{strangers:?}"
    );

    // As long as the device works on it, everybody is told so.
    let (asked, (first, seen)) = tokio::join!(ask(&world.renter), async {
        // The oracle knows of what the device has.
        let first = requested(&mut link, &spec).await;
        (first, state().await)
    });
    for reply in [asked.unwrap(), seen] {
        let running = reply.running.expect("the device is at it");
        assert_eq!(reply.answer, None);
        // The lease has 600 s, some of which are over.
        assert!((500..=620).contains(&running.at_most), "{running:?}");
    }

    // It fails. Who has no part in it reads so, however often; who asked is told, and may then ask anew.
    let answer = async |link: &mut Socket, request, answer: Result<LeaseAnswer, &str>| {
        let said = ToOracle::Answer {
            job: lease.to_string(),
            request,
            error: answer.as_ref().err().map(|error| error.to_string()),
            answer: answer.ok(),
        };
        say(link, &said).await;
    };
    answer(&mut link, first, Err("no room for it")).await;
    for _ in 0..2 {
        let (status, error) = failure().await;
        assert_eq!((status, error.code.as_str()), (409, "conflict"));
        assert!(error.message.contains("no room for it"), "{error:?}");
    }
    let told = ask(&world.renter).await;
    assert!(
        matches!(&told, Err(ClientError::Api { status: 409, error, .. }) if error.message.contains("no room for it")),
        "{told:?}"
    );
    let result = LeaseAnswer {
        output_hash: text::hash(&[6; 32]),
        units: 3,
    };
    let (replied, second) = tokio::join!(ask(&world.renter), async {
        let second = requested(&mut link, &spec).await;
        answer(&mut link, second, Ok(result.clone())).await;
        second
    });
    assert_eq!(second, first + 1, "it was passed on once in between");
    for reply in [replied.unwrap(), state().await] {
        assert_eq!((reply.answer, reply.running), (Some(result.clone()), None));
    }
}

/// What left the supply is told by the hour and by the day, as the chain says it.
#[tokio::test]
async fn what_was_burned_is_told_by_the_hour() {
    // Of an odd amount half burns, rounded down.
    const SWEPT: u64 = 1_001;
    const BURNED: u64 = 500;
    assert_eq!(test_params().burn_bps, 5_000);
    let world = &*WORLD;
    let client = world.client();
    let none = Burns {
        step_seconds: 3_600,
        before: Burned::default(),
        steps: Vec::new(),
    };
    assert_eq!(client.burns().await.unwrap(), none);

    let (rpc, sender) = (world.chain.rpc(), world.chain.sender());
    let (admin, mint) = (world.chain.authority().clone(), world.io_mint);
    let payment =
        async || -> PaymentMint { accounts::fetch(&rpc, &pda::payment(&mint)).await.unwrap() };
    let send = async |what: &str, instruction| {
        let request = Request::new(what, admin.signer(), vec![instruction]);
        sender.send(&request).await.unwrap();
    };
    let shard = pda::treasury(&mint, 3);
    let fees = tokens::mint_to(&mint, &shard, &admin.address(), SWEPT);
    send("fees", fees).await;
    let main = instructions::init_treasury_main(&admin.address(), &payment().await);
    send("main", main).await;
    let sweep = instructions::sweep_treasury(&payment().await, &[shard]);
    send("sweep", sweep).await;
    assert_eq!(payment().await.burned, BURNED);

    let told = eventually("word of the burn", async || {
        let told = client.burns().await.unwrap();
        (told != none).then_some(told)
    })
    .await;
    let burned = Burned {
        fees: Amount(BURNED),
        ..Burned::default()
    };
    let now = rpc.chain_time().await.unwrap();
    let step = |told: &Burns, seconds: i64| {
        let [step] = told.steps.as_slice() else {
            panic!("one step: {told:?}");
        };
        assert_eq!((&step.burned, &told.before), (&burned, &Burned::default()));
        assert_eq!((step.at % seconds, told.step_seconds as i64), (0, seconds));
        // It may have ended since.
        assert!((0..2 * seconds).contains(&(now - step.at)), "{step:?}");
    };
    step(&told, 3_600);
    let ask = async |query: &str| {
        let url = world.url(&format!("/v1/burns{query}"));
        reqwest::get(url).await.unwrap()
    };
    let daily = ask("?step=day").await.text().await.unwrap();
    step(&serde_json::from_str(&daily).unwrap(), 86_400);
    for wrong in ["", "?step=minute", "?step=hour&step=day", "?since=0"] {
        let (status, error) = refused(ask(wrong).await).await;
        assert_eq!(
            (status, error.code.as_str()),
            (400, "bad_request"),
            "{wrong}"
        );
    }
}

/// Jobs of one renter: more than a page.
const MANY: u64 = 103;
const PAGE: usize = 100;

#[tokio::test]
async fn a_list_is_read_page_by_page_each_row_once() {
    let world = &*WORLD;
    let renter = world.chain.wallet(10_000_000_000).await;
    let admin = world.chain.authority().clone();
    let (owner, at) = (renter.address(), admin.address());
    let token = tokens::associated(&owner, &world.io_mint);
    let sender = world.chain.sender();
    let fund = vec![
        tokens::create_associated(&at, &owner, &world.io_mint),
        tokens::mint_to(&world.io_mint, &token, &at, 1_000_000),
    ];
    sender
        .send(&Request::new("fund the renter", admin.signer(), fund))
        .await
        .unwrap();
    let now = world.chain.rpc().chain_time().await.unwrap();
    let mut creating = tokio::task::JoinSet::new();
    for nonce in 0..MANY {
        let terms = terms(nonce, [3; 32], now);
        let create = instructions::create_job(&owner, &owner, &world.io_mint, &token, terms);
        let (sender, signer) = (sender.clone(), renter.signer());
        creating.spawn(async move {
            let request = Request::new(format!("create {nonce}"), signer, vec![create]);
            sender.send(&request).await
        });
    }
    while let Some(sent) = creating.join_next().await {
        sent.unwrap().unwrap();
    }
    let client = world.client();
    let name = owner.to_string();
    eventually("the index of all jobs", async || {
        let page = client.jobs(Some(&name), None, None).await.unwrap();
        (page.total == MANY).then_some(())
    })
    .await;
    let first = client.jobs(Some(&name), None, None).await.unwrap();
    assert_eq!(first.jobs.len(), PAGE);
    let next = first.next.clone().expect("there is more");
    let second = client.jobs(Some(&name), None, Some(&next)).await.unwrap();
    assert_eq!(second.next, None);
    let mut found: Vec<String> = first
        .jobs
        .iter()
        .chain(&second.jobs)
        .map(|view| view.job.clone())
        .collect();
    found.sort();
    let mut all: Vec<String> = (0..MANY)
        .map(|nonce| pda::job(&owner, nonce).to_string())
        .collect();
    all.sort();
    assert_eq!(found, all, "every job once");
}

#[tokio::test]
async fn answers_say_how_long_they_hold_and_only_named_origins_read_them() {
    let world = &*WORLD;
    const FRIEND: &str = "https://app.example.com";
    let other = world
        .another_oracle(|usual| Config {
            allowed_origins: vec![FRIEND.into()],
            ..usual
        })
        .await;
    let address = other.address;
    let http = reqwest::Client::new();
    let ask = async |method: reqwest::Method, path: &str, origin: &str| {
        http.request(method, format!("http://{address}{path}"))
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .send()
            .await
            .unwrap()
    };
    let answer = ask(reqwest::Method::GET, "/v1/info", FRIEND).await;
    let header = |answer: &reqwest::Response, name: &str| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        header(&answer, "access-control-allow-origin").unwrap(),
        FRIEND
    );
    assert!(
        header(&answer, "access-control-expose-headers")
            .unwrap()
            .contains("retry-after")
    );
    assert_eq!(header(&answer, "vary").unwrap(), "origin");
    // What changes from moment to moment is kept by nobody.
    assert_eq!(header(&answer, "cache-control").unwrap(), "no-store");
    assert_eq!(
        header(&answer, "x-content-type-options").unwrap(),
        "nosniff"
    );

    let asked = ask(reqwest::Method::OPTIONS, "/v1/blobs/x", FRIEND).await;
    assert_eq!(asked.status(), 204);
    assert!(
        header(&asked, "access-control-allow-methods")
            .unwrap()
            .contains("PUT")
    );
    assert!(
        header(&asked, "access-control-allow-headers")
            .unwrap()
            .contains("x-io-auth")
    );

    for (path, origin) in [
        ("/v1/info", "https://app.example.com.evil.org"),
        ("/v1/info", "null"),
        // Only the API is shared.
        ("/metrics", FRIEND),
    ] {
        let answer = ask(reqwest::Method::GET, path, origin).await;
        assert_eq!(
            header(&answer, "access-control-allow-origin"),
            None,
            "{path} {origin}"
        );
    }
    other.end().await;

    // What is named by its contents never changes.
    let data = b"bytes that are their own name";
    world
        .client()
        .put_blob(
            &request_key(&world.renter),
            &hash(data),
            BlobSource::Bytes(data),
            |_| {},
        )
        .await
        .unwrap();
    let blob = reqwest::get(world.url(&format!("/v1/blobs/{}", text::hash(&hash(data)))))
        .await
        .unwrap();
    assert!(
        header(&blob, "cache-control")
            .unwrap()
            .contains("immutable")
    );
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_back() {
    let world = &*WORLD;
    const BURST: usize = 4;
    let other = world
        .another_oracle(|usual| Config {
            requests_per_second: 1,
            requests_burst: BURST as u32,
            ..usual
        })
        .await;
    let address = other.address;
    let http = reqwest::Client::new();
    let (mut served, mut limited) = (0, 0);
    // Far more than the bucket earns meanwhile.
    for _ in 0..50 {
        let answer = http
            .get(format!("http://{address}/v1/info"))
            .send()
            .await
            .unwrap();
        if answer.status() == 200 {
            served += 1;
            continue;
        }
        limited += 1;
        assert_eq!(answer.headers()["retry-after"], "1");
        let (status, error) = refused(answer).await;
        assert_eq!((status, error.code.as_str()), (429, "rate_limited"));
        assert!(error.hint.is_some());
    }
    assert!(
        served >= BURST && limited > served,
        "{served} served, {limited} refused"
    );
    // It does not last.
    eventually("an answer again", async || {
        let answer = http
            .get(format!("http://{address}/v1/info"))
            .send()
            .await
            .unwrap();
        (answer.status() == 200).then_some(())
    })
    .await;
    other.end().await;
}

#[tokio::test]
async fn an_index_that_may_have_gaps_is_asked_for_no_price() {
    let world = &*WORLD;
    // Any index is older.
    let other = world
        .another_oracle(|usual| Config {
            max_index_age_seconds: 0,
            ..usual
        })
        .await;
    let address = other.address;
    let http = reqwest::Client::new();
    // A mint that it knows, and one that it may not have read yet.
    for mint in [world.io_mint, Pubkey::new_from_array([5; 32])] {
        let wanted = json!({
            "engine": "wasm",
            "units": 5,
            "requirement": { "class": null, "region": null },
            "mint": mint.to_string(),
        });
        let answer = http
            .post(format!("http://{address}/v1/quote"))
            .body(wanted.to_string())
            .send()
            .await
            .unwrap();
        let (status, error) = refused(answer).await;
        assert_eq!((status, error.code.as_str()), (503, "unavailable"));
        assert!(error.hint.is_some());
    }
    let health = http
        .get(format!("http://{address}/health"))
        .send()
        .await
        .unwrap();
    assert_eq!(health.status(), 503);
    other.end().await;
}
