//! For tests: a real chain of one's own, and ways to make its RPC node misbehave.
//!
//! Functions here panic instead of returning errors, with what to do: a test that cannot run has failed.

use std::{
    collections::{HashMap, VecDeque},
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anchor_lang::prelude::Pubkey;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use io_proof::hardware::{
    Committed, Hash, OpenedRow, RowTree, WrongCell, reference, tree::row_root, wrong,
};
use serde_json::{Value, json};
use solana_commitment_config::CommitmentConfig;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, Command},
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    error::{Error, Result},
    instructions::{self, InitializeNetworkArgs, NetworkParams, StakeParams},
    journal::MemoryJournal,
    keys::Wallet,
    pda,
    rpc::Rpc,
    send::{Request, SendConfig, Sender},
    tokens,
};

/// The slots of a test's chain: an eighth of the network's, so that tests wait an eighth as long.
pub const TEST_SLOT_MS: u64 = 50;
/// How long a chain may take to answer; one on a busy machine with two cores took 4 s.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long tests wait for something that must happen. On a chain with slots of 400 ms a blockhash alone takes a minute
/// to expire.
pub const PATIENCE: Duration = Duration::from_secs(180);
/// Decimals of IO.
pub const IO_DECIMALS: u8 = 8;

/// What a chain starts with.
#[derive(Debug, Clone)]
pub struct ChainOptions {
    pub slot_ms: u64,
    /// Programs at their addresses: (address, ELF file).
    pub programs: Vec<(Pubkey, PathBuf)>,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self {
            slot_ms: TEST_SLOT_MS,
            programs: vec![(io_network::ID, program_file("io_network"))],
        }
    }
}

/// A chain with the program on it, ended when dropped. With `IO_TEST_RPC_URL` and `IO_TEST_WS_URL` set, the chain there
/// instead, which is left running.
pub struct LocalChain {
    rpc_url: String,
    ws_url: String,
    /// Upgrade authority of the programs, with SOL.
    authority: Wallet,
    child: Option<Child>,
}

impl LocalChain {
    pub async fn start() -> Self {
        Self::start_with(ChainOptions::default()).await
    }

    pub async fn start_with(options: ChainOptions) -> Self {
        if let (Ok(rpc_url), Ok(ws_url)) = (env::var("IO_TEST_RPC_URL"), env::var("IO_TEST_WS_URL"))
        {
            let file = env::var("IO_TEST_AUTHORITY")
                .expect("IO_TEST_AUTHORITY is not set: name the key file of the programs' upgrade authority");
            let authority =
                Wallet::load(Path::new(&file)).unwrap_or_else(|error| panic!("{error}"));
            let chain = Self {
                rpc_url,
                ws_url,
                authority,
                child: None,
            };
            chain
                .fund(&chain.authority.address(), 100_000_000_000)
                .await;
            return chain;
        }
        let authority = Wallet::generate();
        let mut command = Command::new(localnet_binary());
        command
            .args([
                "--rpc-port",
                "0",
                "--exit-with-parent",
                "--slot-ms",
                &options.slot_ms.to_string(),
            ])
            .args(["--upgrade-authority", &authority.address().to_string()])
            .args([
                "--airdrop",
                &format!("{}=100000000000", authority.address()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        for (id, file) in &options.programs {
            assert!(
                file.is_file(),
                "{} is not there: run ./x build",
                file.display()
            );
            command
                .arg("--program")
                .arg(format!("{id}={}", file.display()));
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}. Run ./x setup."));
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START_TIMEOUT, lines.next_line())
            .await
            .unwrap_or_else(|_| {
                panic!(
                    "io-localnet was not ready after {} s",
                    START_TIMEOUT.as_secs()
                )
            })
            .expect("io-localnet's output")
            .expect("io-localnet ended before it was ready; its messages are above");
        let ready: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("'{line}': {error}"));
        let url = |key: &str| {
            ready[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in '{line}'"))
                .to_owned()
        };
        Self {
            rpc_url: url("rpc_url"),
            ws_url: url("ws_url"),
            authority,
            child: Some(child),
        }
    }

    pub fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// Somebody else's chain, named by the environment: its clock cannot be moved, and other tests use it, too.
    pub fn is_external(&self) -> bool {
        self.child.is_none()
    }

    /// Upgrade authority of the programs; has SOL.
    pub fn authority(&self) -> &Wallet {
        &self.authority
    }

    pub fn rpc(&self) -> Rpc {
        Rpc::new(&self.rpc_url, CommitmentConfig::confirmed()).expect("the chain's own address")
    }

    /// A sender with a journal of its own, in memory.
    pub fn sender(&self) -> Sender {
        Sender::new(
            self.rpc(),
            Arc::new(MemoryJournal::default()),
            SendConfig::local(),
        )
    }

    /// A new wallet with `lamports`.
    pub async fn wallet(&self, lamports: u64) -> Wallet {
        let wallet = Wallet::generate();
        self.fund(&wallet.address(), lamports).await;
        wallet
    }

    /// Gives an address SOL, and waits until it is there.
    pub async fn fund(&self, address: &Pubkey, lamports: u64) {
        let rpc = self.rpc();
        let before = rpc.balance(address).await.expect("a balance");
        rpc.request_airdrop(address, lamports)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        eventually("an airdrop", || async {
            Ok(rpc.balance(address).await? >= before + lamports)
        })
        .await;
    }

    /// Moves the chain's clock forward to a Unix time, in seconds.
    pub async fn travel_to(&self, unix_seconds: i64) {
        let params = json!([{ "absoluteTimestamp": unix_seconds * 1_000 }]);
        self.cheat("surfnet_timeTravel", params).await;
        let rpc = self.rpc();
        eventually("time travel", || async {
            Ok(rpc.chain_time().await? >= unix_seconds)
        })
        .await;
    }

    /// Moves the chain's clock forward.
    pub async fn travel(&self, seconds: i64) {
        let now = self.rpc().chain_time().await.expect("the chain's time");
        self.travel_to(now + seconds).await;
    }

    /// Stops making blocks.
    pub async fn pause(&self) {
        self.cheat("surfnet_pauseClock", json!([])).await;
    }

    /// Makes blocks again.
    pub async fn resume(&self) {
        self.cheat("surfnet_resumeClock", json!([])).await;
    }

    /// One of surfpool's own calls.
    pub async fn cheat(&self, method: &'static str, params: Value) -> Value {
        assert!(
            !self.is_external(),
            "{method} is something only the local chain can do"
        );
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let response = reqwest::Client::new()
            .post(&self.rpc_url)
            .json(&body)
            .send()
            .await
            .expect(method);
        let mut answer: Value = response.json().await.expect(method);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Creates the IO mint and the network (or, on a chain of somebody else's, uses those that are there).
    pub async fn network(
        &self,
        oracles: Vec<Pubkey>,
        quorum: u8,
        params: NetworkParams,
    ) -> TestNetwork {
        let rpc = self.rpc();
        let authority = &self.authority;
        if self.is_external()
            && let Some(network) =
                crate::accounts::fetch_maybe::<io_network::state::Network>(&rpc, &pda::network())
                    .await
                    .expect("the network")
        {
            return TestNetwork {
                io_mint: network.io_mint,
            };
        }
        let sender = self.sender();
        let mint = Wallet::generate();
        let rent = rpc
            .rent_minimum(tokens::MINT_BYTES)
            .await
            .expect("the rent");
        let address = authority.address();
        let create = tokens::create_mint(&address, &mint.address(), &address, IO_DECIMALS, rent);
        let request = Request::new("create the IO mint", authority.signer(), create.to_vec())
            .with_signer(mint.signer());
        sender
            .send(&request)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let cluster = rpc
            .genesis_hash()
            .await
            .expect("the genesis hash")
            .to_bytes();
        let args = InitializeNetworkArgs {
            cluster,
            params,
            quorum,
            oracles,
        };
        let initialize = instructions::initialize_network(&address, &mint.address(), args);
        let request = Request::new(
            "initialise the network",
            authority.signer(),
            vec![initialize],
        );
        sender
            .send(&request)
            .await
            .unwrap_or_else(|error| panic!("{error}\n{}", error.logs().join("\n")));
        TestNetwork {
            io_mint: mint.address(),
        }
    }
}

/// What [`LocalChain::network`] made. The chain's authority is its administrator and may mint IO.
#[derive(Debug, Clone)]
pub struct TestNetwork {
    pub io_mint: Pubkey,
}

/// A device's commitment to one wrong pass of n = 32, and what the row that is wrong shows of it: cell (6, 9) is one too large.
pub fn wrong_cell(round_seed: Hash, device: Hash) -> (Committed, WrongCell) {
    let n = 32;
    let mut committed = Committed {
        round_seed,
        device,
        n,
        roots: Vec::new(),
    };
    let (a, b) = (committed.a_seed(0), committed.b_seed());
    let mut rows = reference::rows(&a, &b, n, &(0..n).collect::<Vec<_>>());
    rows[6][9] += 1;
    let tree = RowTree::new(rows.iter().map(|row| row_root(row)).collect());
    committed.roots.push(tree.root(&a, &b));
    let opened = OpenedRow {
        pass: 0,
        row: 6,
        cells: rows[6].clone(),
        path: tree.row_path(6),
    };
    let wrong = wrong::wrong_cell(&committed, &opened.to_bytes()).expect("a wrong cell");
    (committed, wrong)
}

/// Parameters with short windows.
pub fn test_params() -> NetworkParams {
    NetworkParams {
        min_bond: 1_000,
        match_seconds: 5,
        challenge_seconds: 60,
        dispute_seconds: 120,
        attestation_seconds: 3_600,
        unbond_seconds: 600,
        retention_seconds: 600,
        reclaim_notice_seconds: 60,
        reserve_bps: 25,
        expire_penalty_bps: 1_000,
        reject_penalty_bps: 10_000,
        burn_bps: 5_000,
        target_utilisation_bps: 7_000,
        stake: StakeParams::DEFAULT,
    }
}

/// The local chain's binary: `IO_LOCALNET_BIN`, or where `./x setup` puts it.
pub fn localnet_binary() -> PathBuf {
    let path = env::var_os("IO_LOCALNET_BIN")
        .map(PathBuf::from)
        .unwrap_or_else(|| cache().join("bin/io-localnet"));
    assert!(
        path.is_file(),
        "{} is not there: run ./x setup",
        path.display()
    );
    path
}

fn cache() -> PathBuf {
    env::var_os("IO_NETWORK_CACHE")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            let home = env::var_os("HOME").expect("HOME is not set");
            Path::new(&home).join(".cache/io-network")
        })
}

/// A built program: `IO_PROGRAM_DIR`, or the folder `deploy` in cargo's target folder.
pub fn program_file(name: &str) -> PathBuf {
    let file = format!("{name}.so");
    let from_binary = || {
        env::current_exe()
            .ok()?
            .ancestors()
            .nth(3)
            .map(|target| target.join("deploy"))
    };
    let folders = [
        env::var_os("IO_PROGRAM_DIR").map(PathBuf::from),
        env::var_os("CARGO_TARGET_DIR").map(|target| Path::new(&target).join("deploy")),
        from_binary(),
        Some(cache().join("target/deploy")),
    ];
    let found = folders
        .iter()
        .flatten()
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{file} is in none of {folders:?}: run ./x build"))
}

/// Asks again until the answer is yes; panics after [`PATIENCE`].
pub async fn eventually<F, Fut>(what: &str, mut ask: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<bool>>,
{
    let deadline = Instant::now() + PATIENCE;
    let mut last: Option<Error> = None;
    loop {
        match ask().await {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => last = Some(error),
        }
        assert!(
            Instant::now() < deadline,
            "{what} did not happen in {} s; the last error: {last:?}",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How a call goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The node never sees the request; the caller's connection breaks.
    LoseRequest,
    /// The node answers; the answer is lost.
    LoseResponse,
    /// The node sees the request this much later.
    Delay(Duration),
    /// The node sees the request twice.
    Duplicate,
    /// An HTTP error instead of an answer.
    Http(u16),
    /// A JSON-RPC error instead of an answer.
    Rpc(i64),
    /// Bytes that are no JSON.
    Garbage,
    /// This instead of the answer's `result`.
    Answer(Value),
}

/// An RPC node that misbehaves on demand, in front of a real one.
pub struct FaultyRpc {
    url: String,
    state: Arc<ProxyState>,
    task: JoinHandle<()>,
}

struct ProxyState {
    upstream: String,
    http: reqwest::Client,
    queued: Mutex<HashMap<String, VecDeque<Fault>>>,
    constant: Mutex<HashMap<String, Fault>>,
    calls: Mutex<HashMap<String, u64>>,
    /// Percent of calls that go wrong at random, and the generator's state.
    random_percent: AtomicU64,
    random: AtomicU64,
}

impl FaultyRpc {
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let state = Arc::new(ProxyState {
            upstream: upstream.to_owned(),
            http: reqwest::Client::new(),
            queued: Mutex::default(),
            constant: Mutex::default(),
            calls: Mutex::default(),
            random_percent: AtomicU64::new(0),
            random: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/", post(proxy))
            .with_state(state.clone());
        let task = tokio::spawn(async move {
            // Ends when aborted.
            let _ = axum::serve(listener, router).await;
        });
        Self { url, state, task }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn rpc(&self) -> Rpc {
        Rpc::new(&self.url, CommitmentConfig::confirmed()).expect("the proxy's own address")
    }

    /// The next calls of `method` go wrong like this, one each.
    pub fn next(&self, method: &str, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state.queued)
            .entry(method.to_owned())
            .or_default()
            .extend(faults);
    }

    /// Every call of `method` goes wrong like this, until told otherwise.
    pub fn always(&self, method: &str, fault: Option<Fault>) {
        match fault {
            Some(fault) => lock(&self.state.constant).insert(method.to_owned(), fault),
            None => lock(&self.state.constant).remove(method),
        };
    }

    /// This share of all calls goes wrong: lost before or after the node saw them, doubled, delayed or refused, as a
    /// generator with this seed says.
    pub fn randomly(&self, percent: u64, seed: u64) {
        self.state.random.store(seed, Ordering::Relaxed);
        self.state.random_percent.store(percent, Ordering::Relaxed);
    }

    /// Calls of `method` so far, faulty ones included.
    pub fn calls(&self, method: &str) -> u64 {
        lock(&self.state.calls).get(method).copied().unwrap_or(0)
    }
}

impl Drop for FaultyRpc {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProxyState {
    fn fault_for(&self, method: &str) -> Option<Fault> {
        if let Some(fault) = lock(&self.queued)
            .get_mut(method)
            .and_then(VecDeque::pop_front)
        {
            return Some(fault);
        }
        if let Some(fault) = lock(&self.constant).get(method) {
            return Some(fault.clone());
        }
        let percent = self.random_percent.load(Ordering::Relaxed);
        if percent == 0 {
            return None;
        }
        // SplitMix64: any seed will do, and a run can be repeated.
        let state = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if z % 100 >= percent {
            return None;
        }
        Some(match (z >> 32) % 6 {
            0 => Fault::LoseRequest,
            1 => Fault::LoseResponse,
            2 => Fault::Delay(Duration::from_millis((z >> 40) % 200)),
            3 => Fault::Duplicate,
            4 => Fault::Http(503),
            _ => Fault::Rpc(-32005),
        })
    }

    async fn forward(&self, body: Bytes) -> Response {
        let sent = self
            .http
            .post(&self.upstream)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await;
        match sent {
            Ok(response) => {
                let status = StatusCode::from_u16(response.status().as_u16())
                    .unwrap_or(StatusCode::BAD_GATEWAY);
                match response.bytes().await {
                    Ok(bytes) => {
                        (status, [(CONTENT_TYPE, "application/json")], bytes).into_response()
                    }
                    Err(_) => StatusCode::BAD_GATEWAY.into_response(),
                }
            }
            Err(_) => StatusCode::BAD_GATEWAY.into_response(),
        }
    }
}

/// An answer that breaks off.
fn broken() -> Response {
    let body =
        futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut off")) });
    Response::new(Body::from_stream(body))
}

async fn proxy(State(state): State<Arc<ProxyState>>, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = request["method"].as_str().unwrap_or_default().to_owned();
    *lock(&state.calls).entry(method.clone()).or_default() += 1;
    let answer = |value: Value| axum::Json(value).into_response();
    // A node goes on with what it was sent when the client hangs up.
    let forward = async |body: Bytes| {
        let state = state.clone();
        let sent = tokio::spawn(async move { state.forward(body).await }).await;
        sent.unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response())
    };
    match state.fault_for(&method) {
        None => forward(body).await,
        Some(Fault::LoseRequest) => broken(),
        Some(Fault::LoseResponse) => {
            forward(body).await;
            broken()
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(delay).await;
            forward(body).await
        }
        Some(Fault::Duplicate) => {
            forward(body.clone()).await;
            forward(body).await
        }
        Some(Fault::Http(status)) => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::BAD_GATEWAY)
            .into_response(),
        Some(Fault::Rpc(code)) => answer(
            json!({ "jsonrpc": "2.0", "id": request["id"], "error": { "code": code, "message": "an injected fault" } }),
        ),
        Some(Fault::Garbage) => "<html>not JSON</html>".into_response(),
        Some(Fault::Answer(value)) => {
            answer(json!({ "jsonrpc": "2.0", "id": request["id"], "result": value }))
        }
    }
}

/// How slow a proxy makes a connection, each way.
#[derive(Clone, Copy, Debug)]
pub struct Slowness {
    pub delay: Duration,
    pub bytes_per_second: u32,
}

/// Bytes that a slow connection carries at once, and such pieces that are under way.
const SLOW_PIECE: usize = 4 * 1024;
const SLOW_PIECES: usize = 1_024;

/// Carries one way what comes, as slowly, until it ends.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, slowness: Slowness) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(SLOW_PIECES);
    let read = async move {
        let mut piece = vec![0; SLOW_PIECE];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let due = Instant::now() + slowness.delay;
            if sender.send((due, piece[..length].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        let mut free = Instant::now();
        while let Some((due, piece)) = under_way.recv().await {
            let takes = piece.len() as f64 / f64::from(slowness.bytes_per_second);
            free = free.max(due) + Duration::from_secs_f64(takes);
            sleep_until(free).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// A TCP proxy whose connections can be cut, and may be slow: for WebSockets.
pub struct CuttableProxy {
    address: SocketAddr,
    refusing: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl CuttableProxy {
    /// `upstream` is a `ws://` or `http://` address with host and port.
    pub async fn start(upstream: &str) -> Self {
        Self::with(upstream, None).await
    }

    /// One whose connections are slow.
    pub async fn slow(upstream: &str, slowness: Slowness) -> Self {
        Self::with(upstream, Some(slowness)).await
    }

    async fn with(upstream: &str, slowness: Option<Slowness>) -> Self {
        let upstream = upstream
            .split_once("://")
            .map_or(upstream, |(_, rest)| rest)
            .trim_end_matches('/')
            .to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("its address");
        let refusing = Arc::new(AtomicBool::new(false));
        let connections: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let accepted = Arc::new(AtomicU64::new(0));
        let (refuse, keep, count) = (refusing.clone(), connections.clone(), accepted.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if refuse.load(Ordering::Acquire) {
                    continue;
                }
                count.fetch_add(1, Ordering::AcqRel);
                let upstream = upstream.clone();
                let connection = tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(&upstream).await else {
                        return;
                    };
                    let Some(slowness) = slowness else {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                        return;
                    };
                    let _ = (client.set_nodelay(true), server.set_nodelay(true));
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::join!(
                        carry(from_client, to_server, slowness),
                        carry(from_server, to_client, slowness)
                    );
                });
                lock(&keep).push(connection.abort_handle());
            }
        });
        Self {
            address,
            refusing,
            connections,
            accepted,
            task,
        }
    }

    pub fn ws_url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub fn http_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection; new ones are accepted.
    pub fn cut(&self) {
        for connection in lock(&self.connections).drain(..) {
            connection.abort();
        }
    }

    /// Breaks every connection and refuses new ones, or accepts them again.
    pub fn refuse(&self, refuse: bool) {
        self.refusing.store(refuse, Ordering::Release);
        if refuse {
            self.cut();
        }
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }
}

impl Drop for CuttableProxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
