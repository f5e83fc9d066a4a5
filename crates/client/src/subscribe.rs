//! Following the program: its events, complete, once each and in the chain's order; and its accounts as they change.
//!
//! A WebSocket alone promises none of that: it loses what happens while it is down, and says nothing of what it dropped.
//! Here a notification is only a *hint that there is news* (and saves fetching the log that it carries). What is delivered,
//! and in which order, comes from the program's history, read from the last delivered transaction on, after every hint,
//! after every reconnection, and every few seconds even if nothing was heard. So a gap cannot be skipped: it is only
//! delivered later.

use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use anchor_lang::prelude::Pubkey;
use futures_util::{SinkExt, StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use solana_account::Account;
use solana_account_decoder_client_types::UiAccount;
use solana_rpc_client_api::filter::RpcFilterType;
use solana_signature::Signature;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::{
    error::{Error, Result},
    events::{IoEvent, parse},
    rpc::{HistoryEntry, Rpc, SIGNATURES_PER_CALL, host_of},
};

/// Transactions that one catching-up reads at most. Beyond that, rebuild from the accounts.
pub const MAX_BACKFILL: usize = 500_000;
/// Items that wait for a slow reader; then reading from the chain waits, too.
pub const BUFFER: usize = 1_024;
/// Hints whose logs are kept until their turn. What does not fit is fetched instead.
const MAX_HINTS: usize = 4_096;
/// Delivered transactions remembered against the chance that a node lists one twice.
const MAX_RECENT: usize = 8_192;
/// Transactions fetched at once while catching up.
const FETCHES: usize = 8;
/// Pause before looking again for a transaction that was heard of and is not in the history yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// After this long such a transaction is given up: its block was dropped.
const HINT_PATIENCE: Duration = Duration::from_secs(60);
/// A transaction in the history whose log the node does not have after this long is delivered as incomplete.
const LOG_PATIENCE: Duration = Duration::from_secs(30);
/// Pauses between connections: the first, doubling up to the longest.
const RECONNECT: Duration = Duration::from_millis(100);
const LONGEST_RECONNECT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection is asked for a sign of life this often, and given up without one after so long.
const PING_EVERY: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// Largest message: an account of 10 MiB in base64, and its surroundings.
const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Accounts that one subscription follows at most.
pub const MAX_FOLLOWED: usize = 1_000_000;

/// How to follow.
#[derive(Debug, Clone)]
pub struct FollowConfig {
    /// Pause after a hint, in which more are gathered: one look at the history serves them all.
    pub gather: Duration,
    /// Longest pause between looks at the history, hint or not.
    pub sweep: Duration,
    /// Longest pause between looks at all accounts, in case a change was not notified (a closed account is not, by some
    /// nodes).
    pub resync: Duration,
}

impl Default for FollowConfig {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(50),
            sweep: Duration::from_secs(5),
            resync: Duration::from_secs(60),
        }
    }
}

impl FollowConfig {
    /// For a chain on this machine, where looking costs nobody anything.
    pub fn local() -> Self {
        Self {
            gather: Duration::from_millis(5),
            ..Self::default()
        }
    }
}

/// A delivered transaction: keep it with what was made of its events, and go on after it next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub slot: u64,
    #[serde(with = "signature_text")]
    pub signature: Signature,
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest transaction that the node still has.
    Beginning,
    /// With what happens from now on.
    Now,
    /// With the first after this one.
    After(Cursor),
}

/// A successful transaction's events.
#[derive(Debug)]
pub struct TransactionEvents {
    pub cursor: Cursor,
    /// Unix seconds, where the node knows it.
    pub block_time: Option<i64>,
    pub events: Vec<IoEvent>,
    /// Some events may be missing: read the accounts that this may concern.
    pub incomplete: bool,
}

#[derive(Debug)]
pub enum Update {
    Transaction(TransactionEvents),
    /// Everything up to the node's present has been delivered: once after the start, and again after each reconnection.
    CaughtUp,
}

/// How a subscription is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// The WebSocket is up. Without it news arrives late, by sweeps, but still completely.
    pub connected: bool,
    /// Of an [`AccountStream`]: it is up, and all accounts that there were then have been read since. They lie in the stream before this
    /// is told.
    pub whole: bool,
    pub connections: u64,
    pub last_error: Option<String>,
    /// Slot of the newest delivered transaction.
    pub slot: u64,
}

/// Which connection is up.
fn connection_of(health: &Health) -> Option<u64> {
    health.connected.then_some(health.connections)
}

/// The program's events. Dropping it ends the subscription.
pub struct EventStream {
    items: mpsc::Receiver<Update>,
    health: watch::Receiver<Health>,
    _tasks: [Task; 2],
}

impl EventStream {
    /// Starts following `program`. `ws_url` belongs to the same node as `rpc`.
    pub fn start(
        rpc: Rpc,
        ws_url: &str,
        program: Pubkey,
        start: Start,
        config: FollowConfig,
    ) -> Result<Self> {
        let address = Address::new(ws_url)?;
        let (items_sender, items) = mpsc::channel(BUFFER);
        let (health_sender, health) = watch::channel(Health::default());
        let health_sender = Arc::new(health_sender);
        let (hints_sender, hints) = mpsc::channel(MAX_HINTS);
        let params = json!([{ "mentions": [program.to_string()] }, { "commitment": rpc.commitment().commitment }]);
        let listen = listen(
            address,
            "logsSubscribe",
            params,
            hints_sender,
            health_sender.clone(),
        );
        let follow = Follow {
            rpc,
            program,
            cursor: None,
            recent: Recent::default(),
            pending: HashMap::new(),
            items: items_sender,
            health: health_sender,
        };
        let tasks = [
            Task(tokio::spawn(listen)),
            Task(tokio::spawn(follow.run(start, hints, config))),
        ];
        Ok(Self {
            items,
            health,
            _tasks: tasks,
        })
    }

    /// The next item; `None` never comes while the process is well.
    pub async fn next(&mut self) -> Option<Update> {
        self.items.recv().await
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

/// Ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a connection says.
enum Heard {
    /// Subscribed (again): something may have been missed until now.
    Connected,
    /// A notification's `result`.
    Notification(Value),
}

struct Hint {
    logs: Option<Vec<String>>,
    since: Instant,
}

struct Follow {
    rpc: Rpc,
    program: Pubkey,
    cursor: Option<Cursor>,
    recent: Recent,
    /// Transactions heard of and not delivered yet.
    pending: HashMap<Signature, Hint>,
    items: mpsc::Sender<Update>,
    health: Arc<watch::Sender<Health>>,
}

/// The reader is gone.
struct Closed;

impl Follow {
    async fn run(mut self, start: Start, mut heard: mpsc::Receiver<Heard>, config: FollowConfig) {
        let mut pause = RECONNECT;
        match start {
            Start::Beginning => {}
            Start::After(cursor) => self.cursor = Some(cursor),
            Start::Now => loop {
                match self
                    .rpc
                    .history_page(&self.program, None, None, SIGNATURES_PER_CALL)
                    .await
                {
                    Ok(page) => {
                        self.cursor = page.entries.first().map(|e| Cursor {
                            slot: e.slot,
                            signature: e.signature,
                        });
                        break;
                    }
                    Err(error) => self.trouble(&error.to_string(), &mut pause).await,
                }
            },
        }
        let mut announce = true;
        let mut pause = RECONNECT;
        loop {
            match self.sweep().await {
                Ok(Ok(())) => {
                    pause = RECONNECT;
                    if announce && self.items.send(Update::CaughtUp).await.is_err() {
                        return;
                    }
                    announce = false;
                }
                Ok(Err(Closed)) => return,
                // Nothing is skipped: the next sweep begins after what was delivered.
                Err(error) => {
                    self.trouble(&error.to_string(), &mut pause).await;
                    continue;
                }
            }
            let wait = if self.pending.is_empty() {
                config.sweep
            } else {
                LOOK_AGAIN
            };
            match timeout(wait, heard.recv()).await {
                Ok(Some(first)) => {
                    announce |= self.hear(first);
                    tokio::time::sleep(config.gather).await;
                    while let Ok(more) = heard.try_recv() {
                        announce |= self.hear(more);
                    }
                }
                // The listener never ends by itself.
                Ok(None) => return,
                Err(_) => {}
            }
            self.pending.retain(|signature, hint| {
                let keep = hint.since.elapsed() < HINT_PATIENCE;
                if !keep {
                    tracing::warn!(%signature, "heard of, but never in the history: its block was dropped");
                }
                keep
            });
        }
    }

    async fn trouble(&self, error: &str, pause: &mut Duration) {
        tracing::warn!(
            error,
            retry_ms = pause.as_millis() as u64,
            "following the program"
        );
        self.health
            .send_modify(|health| health.last_error = Some(error.to_owned()));
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(LONGEST_RECONNECT);
    }

    /// Takes note of what a connection said; true when it was a new connection.
    fn hear(&mut self, heard: Heard) -> bool {
        let value = match heard {
            Heard::Connected => return true,
            Heard::Notification(value) => value,
        };
        let signature = value
            .pointer("/value/signature")
            .and_then(Value::as_str)
            .and_then(|text| text.parse().ok());
        let Some(signature) = signature else {
            tracing::debug!("a notification without a signature");
            return false;
        };
        if self.recent.contains(&signature) || self.pending.len() >= MAX_HINTS {
            return false;
        }
        let failed = value
            .pointer("/value/err")
            .is_some_and(|error| !error.is_null());
        if failed {
            return false;
        }
        let logs = value
            .pointer("/value/logs")
            .and_then(|logs| serde_json::from_value(logs.clone()).ok());
        if let Entry::Vacant(entry) = self.pending.entry(signature) {
            entry.insert(Hint {
                logs,
                since: Instant::now(),
            });
        }
        false
    }

    /// Delivers everything after the cursor, oldest first.
    async fn sweep(&mut self) -> Result<std::result::Result<(), Closed>> {
        let mut news = self.news().await?;
        news.reverse();
        let mut fetched = {
            // Logs of what was heard are there; the rest is fetched, several at once, in order.
            let jobs: Vec<_> = news
                .into_iter()
                .map(|entry| {
                    let logs = self
                        .pending
                        .get_mut(&entry.signature)
                        .and_then(|hint| hint.logs.take());
                    (self.rpc.clone(), entry, logs)
                })
                .collect();
            stream::iter(jobs)
                .map(|(rpc, entry, logs)| load(rpc, entry, logs))
                .buffered(FETCHES)
        };
        while let Some(loaded) = fetched.next().await {
            let (entry, logs) = loaded?;
            let cursor = Cursor {
                slot: entry.slot,
                signature: entry.signature,
            };
            self.pending.remove(&entry.signature);
            if !entry.failed {
                let mut parsed = logs
                    .as_deref()
                    .map(|logs| parse(&self.program, logs))
                    .unwrap_or_default();
                parsed.incomplete |= logs.is_none();
                if !parsed.events.is_empty() || parsed.incomplete {
                    let item = TransactionEvents {
                        cursor,
                        block_time: entry.block_time,
                        events: parsed.events,
                        incomplete: parsed.incomplete,
                    };
                    if self.items.send(Update::Transaction(item)).await.is_err() {
                        return Ok(Err(Closed));
                    }
                }
            }
            self.recent.insert(entry.signature);
            self.cursor = Some(cursor);
            self.health.send_if_modified(|health| {
                let newer = cursor.slot > health.slot;
                health.slot = health.slot.max(cursor.slot);
                newer
            });
        }
        Ok(Ok(()))
    }

    /// What is in the history after the cursor, newest first.
    async fn news(&self) -> Result<Vec<HistoryEntry>> {
        let mut news: Vec<HistoryEntry> = Vec::new();
        let mut before = None;
        loop {
            let until = self.cursor.map(|cursor| cursor.signature);
            let page = self
                .rpc
                .history_page(&self.program, before, until, SIGNATURES_PER_CALL)
                .await?;
            for entry in page.entries {
                // A node that doesn't know the cursor's transaction lists what is before it, too.
                if let Some(cursor) = self.cursor
                    && (entry.slot < cursor.slot || entry.signature == cursor.signature)
                {
                    return Ok(news);
                }
                if !self.recent.contains(&entry.signature) {
                    news.push(entry);
                }
            }
            if news.len() > MAX_BACKFILL {
                return Err(Error::TooMany {
                    what: "missed transactions",
                    got: news.len(),
                    max: MAX_BACKFILL,
                });
            }
            match page.next {
                Some(next) => before = Some(next),
                None => return Ok(news),
            }
        }
    }
}

/// An entry with its log: the heard one, or fetched. `None` when the node has none.
async fn load(
    rpc: Rpc,
    entry: HistoryEntry,
    heard: Option<Vec<String>>,
) -> Result<(HistoryEntry, Option<Vec<String>>)> {
    if entry.failed || heard.is_some() {
        return Ok((entry, heard));
    }
    let deadline = Instant::now() + LOG_PATIENCE;
    let mut pause = LOOK_AGAIN;
    loop {
        if let Some(found) = rpc.transaction_logs(&entry.signature).await? {
            return Ok((entry, Some(found.logs)));
        }
        if Instant::now() >= deadline {
            tracing::warn!(signature = %entry.signature, "in the history, but the node has no log of it");
            return Ok((entry, None));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_RECONNECT);
    }
}

#[derive(Default)]
struct Recent {
    order: VecDeque<Signature>,
    all: HashSet<Signature>,
}

impl Recent {
    fn contains(&self, signature: &Signature) -> bool {
        self.all.contains(signature)
    }

    fn insert(&mut self, signature: Signature) {
        if self.all.insert(signature) {
            self.order.push_back(signature);
        }
        while self.order.len() > MAX_RECENT {
            if let Some(oldest) = self.order.pop_front() {
                self.all.remove(&oldest);
            }
        }
    }
}

/// An account's newest state.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountUpdate {
    pub address: Pubkey,
    pub slot: u64,
    /// `None`: closed, or no longer what the filters let pass.
    pub account: Option<Account>,
}

/// Accounts of a program as they change: each account's newest state, not every state in between. Begins with all there
/// are. Dropping it ends the subscription.
pub struct AccountStream {
    items: mpsc::Receiver<AccountUpdate>,
    health: watch::Receiver<Health>,
    _tasks: [Task; 2],
}

impl AccountStream {
    pub fn start(
        rpc: Rpc,
        ws_url: &str,
        program: Pubkey,
        filters: Vec<RpcFilterType>,
        config: FollowConfig,
    ) -> Result<Self> {
        let address = Address::new(ws_url)?;
        let (items_sender, items) = mpsc::channel(BUFFER);
        let (health_sender, health) = watch::channel(Health::default());
        let health_sender = Arc::new(health_sender);
        let (heard_sender, heard) = mpsc::channel(MAX_HINTS);
        let params = json!([
            program.to_string(),
            { "commitment": rpc.commitment().commitment, "encoding": "base64", "filters": filters },
        ]);
        let listen = listen(
            address,
            "programSubscribe",
            params,
            heard_sender,
            health_sender.clone(),
        );
        let watch = WatchAccounts {
            rpc,
            program,
            filters,
            known: HashMap::new(),
            items: items_sender,
            health: health_sender,
        };
        let tasks = [
            Task(tokio::spawn(listen)),
            Task(tokio::spawn(watch.run(heard, config))),
        ];
        Ok(Self {
            items,
            health,
            _tasks: tasks,
        })
    }

    /// The next change; `None` never comes while the process is well.
    pub async fn next(&mut self) -> Option<AccountUpdate> {
        self.items.recv().await
    }

    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

struct WatchAccounts {
    rpc: Rpc,
    program: Pubkey,
    filters: Vec<RpcFilterType>,
    /// Slot and fingerprint of the last delivered state.
    known: HashMap<Pubkey, (u64, u64)>,
    items: mpsc::Sender<AccountUpdate>,
    health: Arc<watch::Sender<Health>>,
}

impl WatchAccounts {
    async fn run(mut self, mut heard: mpsc::Receiver<Heard>, config: FollowConfig) {
        let mut pause = RECONNECT;
        let mut next_resync = Instant::now();
        loop {
            if Instant::now() >= next_resync {
                let began_in = connection_of(&self.health.borrow());
                match self.resync().await {
                    Ok(Ok(())) => {
                        // Nothing was missed between the connection and the reading.
                        self.health.send_if_modified(|health| {
                            let whole = began_in.is_some() && began_in == connection_of(health);
                            whole && !std::mem::replace(&mut health.whole, true)
                        });
                        pause = RECONNECT;
                        next_resync = Instant::now() + config.resync;
                    }
                    Ok(Err(Closed)) => return,
                    Err(error) => {
                        tracing::warn!(%error, "reading all accounts");
                        self.health
                            .send_modify(|health| health.last_error = Some(error.to_string()));
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_RECONNECT);
                        continue;
                    }
                }
            }
            match timeout(
                next_resync.saturating_duration_since(Instant::now()),
                heard.recv(),
            )
            .await
            {
                // Changes may have been missed: look at all of them.
                Ok(Some(Heard::Connected)) => next_resync = Instant::now(),
                Ok(Some(Heard::Notification(value))) => {
                    let Some(update) = account_of(&value) else {
                        tracing::debug!("an account notification that does not decode");
                        next_resync = Instant::now();
                        continue;
                    };
                    if self.deliver(update).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(_) => {}
            }
        }
    }

    async fn resync(&mut self) -> Result<std::result::Result<(), Closed>> {
        let (slot, accounts) = self
            .rpc
            .program_accounts(&self.program, self.filters.clone())
            .await?;
        if accounts.len() > MAX_FOLLOWED {
            return Err(Error::TooMany {
                what: "accounts",
                got: accounts.len(),
                max: MAX_FOLLOWED,
            });
        }
        let present: HashSet<Pubkey> = accounts.iter().map(|(address, _)| *address).collect();
        let gone: Vec<_> = self
            .known
            .iter()
            .filter(|(address, (seen, _))| !present.contains(*address) && *seen <= slot)
            .map(|(address, _)| *address)
            .collect();
        for address in gone {
            if self
                .deliver(AccountUpdate {
                    address,
                    slot,
                    account: None,
                })
                .await
                .is_err()
            {
                return Ok(Err(Closed));
            }
        }
        for (address, account) in accounts {
            if self
                .deliver(AccountUpdate {
                    address,
                    slot,
                    account: Some(account),
                })
                .await
                .is_err()
            {
                return Ok(Err(Closed));
            }
        }
        Ok(Ok(()))
    }

    /// Delivers what is new.
    async fn deliver(&mut self, update: AccountUpdate) -> std::result::Result<(), Closed> {
        let before = self.known.get(&update.address).copied();
        if before.is_some_and(|(slot, _)| slot > update.slot) {
            return Ok(());
        }
        match &update.account {
            Some(account) => {
                let print = fingerprint(account);
                let same = before.is_some_and(|(_, known)| known == print);
                if before.is_none() && self.known.len() >= MAX_FOLLOWED {
                    tracing::warn!("more accounts than {MAX_FOLLOWED}: a new one is not followed");
                    return Ok(());
                }
                self.known.insert(update.address, (update.slot, print));
                if same {
                    return Ok(());
                }
            }
            None => {
                if self.known.remove(&update.address).is_none() {
                    return Ok(());
                }
            }
        }
        self.health.send_if_modified(|health| {
            health.slot = health.slot.max(update.slot);
            false
        });
        self.items.send(update).await.map_err(|_| Closed)
    }
}

fn fingerprint(account: &Account) -> u64 {
    let mut hasher = DefaultHasher::new();
    (account.lamports, &account.data, &account.owner).hash(&mut hasher);
    hasher.finish()
}

fn account_of(value: &Value) -> Option<AccountUpdate> {
    let slot = value.pointer("/context/slot")?.as_u64()?;
    let address = value.pointer("/value/pubkey")?.as_str()?.parse().ok()?;
    let account: UiAccount =
        serde_json::from_value(value.pointer("/value/account")?.clone()).ok()?;
    let account = account.to_account()?;
    Some(AccountUpdate {
        address,
        slot,
        account: (account.lamports > 0).then_some(account),
    })
}

#[derive(Clone)]
struct Address {
    url: Arc<str>,
    host: Arc<str>,
    tls: bool,
}

impl Address {
    fn new(url: &str) -> Result<Self> {
        let host = host_of(url, &["ws", "wss"], "ws://127.0.0.1:8900")?;
        Ok(Self {
            url: url.into(),
            host: host.into(),
            tls: url.starts_with("wss:"),
        })
    }
}

/// Keeps a connection with one subscription, for ever; pauses between attempts grow up to a bound.
async fn listen(
    address: Address,
    method: &'static str,
    params: Value,
    heard: mpsc::Sender<Heard>,
    health: Arc<watch::Sender<Health>>,
) {
    let mut pause = RECONNECT;
    loop {
        let started = Instant::now();
        let reason = match connection(&address, method, &params, &heard, &health).await {
            Ok(()) => return,
            Err(reason) => reason,
        };
        let error = Error::Subscription {
            host: address.host.to_string(),
            reason,
        };
        tracing::debug!(%error, "reconnecting");
        health.send_modify(|health| {
            health.connected = false;
            health.whole = false;
            health.last_error = Some(error.to_string());
        });
        if started.elapsed() > LONGEST_RECONNECT {
            // It worked for a while: try again at once.
            pause = RECONNECT;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_RECONNECT);
    }
}

/// One connection to its end. `Ok`: nobody listens any more.
async fn connection(
    address: &Address,
    method: &str,
    params: &Value,
    heard: &mpsc::Sender<Heard>,
    health: &watch::Sender<Health>,
) -> std::result::Result<(), String> {
    let mut socket = timeout(CONNECT_TIMEOUT, connect(address))
        .await
        .map_err(|_| "no connection in time".to_owned())??;
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
    socket
        .send(Message::text(request))
        .await
        .map_err(|error| error.to_string())?;
    let mut subscribed = false;
    let mut last_heard = Instant::now();
    let mut ping = tokio::time::interval(PING_EVERY);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            _ = ping.tick() => {
                if last_heard.elapsed() > SILENCE {
                    return Err(format!("nothing heard for {} s", SILENCE.as_secs()));
                }
                if !subscribed && last_heard.elapsed() > CONNECT_TIMEOUT {
                    return Err("the subscription was not answered".to_owned());
                }
                socket.send(Message::Ping(Vec::new().into())).await.map_err(|error| error.to_string())?;
                continue;
            }
        };
        let message = message
            .ok_or("closed by the node")?
            .map_err(|error| error.to_string())?;
        last_heard = Instant::now();
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err("closed by the node".to_owned()),
            _ => continue,
        };
        let mut value: Value = serde_json::from_str(&text)
            .map_err(|error| format!("an answer that is not JSON: {error}"))?;
        if let Some(error) = value.get("error") {
            return Err(format!("{method} was refused: {error}"));
        }
        if !subscribed {
            // The answer to the request; notifications only come after it.
            if value.get("id").and_then(Value::as_u64) == Some(1) && value.get("result").is_some() {
                subscribed = true;
                health.send_modify(|health| {
                    health.connected = true;
                    health.connections += 1;
                });
                if heard.send(Heard::Connected).await.is_err() {
                    return Ok(());
                }
            }
            continue;
        }
        if let Some(result) = value.pointer_mut("/params/result") {
            let result = result.take();
            // A reader too slow for its hints loses none of the news: sweeps find it.
            match heard.try_send(Heard::Notification(result)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err("more notifications than are read".to_owned());
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Ok(()),
            }
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(address: &Address) -> std::result::Result<Socket, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let connector = if address.tls {
        Connector::Rustls(tls()?)
    } else {
        Connector::Plain
    };
    connect_async_tls_with_config(address.url.as_ref(), Some(config), true, Some(connector))
        .await
        .map(|(socket, _)| socket)
        .map_err(|error| {
            error
                .to_string()
                .replace(address.url.as_ref(), &address.host)
        })
}

/// The provider is named: several may be compiled in, and then there is no default.
fn tls() -> std::result::Result<Arc<rustls::ClientConfig>, String> {
    let roots = rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
        .map_err(|error| error.to_string())
}

mod signature_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use solana_signature::Signature;

    pub fn serialize<S: Serializer>(
        signature: &Signature,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(signature)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(|_| D::Error::custom("not a base58 signature"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_kept_as_text() {
        let cursor = Cursor {
            slot: 9,
            signature: Signature::from([7; 64]),
        };
        let text = serde_json::to_string(&cursor).unwrap();
        assert!(text.contains(&cursor.signature.to_string()));
        assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor);
        assert!(serde_json::from_str::<Cursor>(r#"{"slot":1,"signature":"no"}"#).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut recent = Recent::default();
        let signature = |i: usize| {
            let mut bytes = [0; 64];
            bytes[..8].copy_from_slice(&i.to_le_bytes());
            Signature::from(bytes)
        };
        for i in 0..MAX_RECENT + 10 {
            recent.insert(signature(i));
            recent.insert(signature(i));
        }
        assert_eq!(recent.all.len(), MAX_RECENT);
        assert!(!recent.contains(&signature(9)) && recent.contains(&signature(10)));
    }

    #[test]
    fn addresses_must_be_websockets() {
        assert!(Address::new("http://127.0.0.1:8900").is_err());
        assert!(Address::new("wss://rpc.example.com/token").unwrap().tls);
    }

    #[test]
    fn notifications_that_do_not_decode_are_told_apart() {
        let good = json!({
            "context": { "slot": 5 },
            "value": { "pubkey": Pubkey::default().to_string(), "account": {
                "lamports": 1, "data": ["AQ==", "base64"], "owner": Pubkey::default().to_string(),
                "executable": false, "rentEpoch": 0, "space": 1,
            }},
        });
        assert_eq!(account_of(&good).unwrap().account.unwrap().data, [1]);
        let mut closed = good.clone();
        closed["value"]["account"]["lamports"] = json!(0);
        assert_eq!(account_of(&closed).unwrap().account, None);
        for path in [
            "/context/slot",
            "/value/pubkey",
            "/value/account/data",
            "/value/account/owner",
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = json!("\u{0}");
            assert!(account_of(&bad).is_none(), "{path}");
        }
    }
}
