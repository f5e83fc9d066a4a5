//! The oracle's configuration.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::hardware::Rounds;

/// Configuration of one oracle: one key, one data folder. Every field but the key file has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the API listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Address under which others reach the API, where it differs from `listen`.
    pub public_url: Option<String>,
    /// RPC node, and its WebSocket.
    pub rpc_url: String,
    pub ws_url: String,
    /// Key file of this oracle: signs verdicts and tickets, pays transaction fees.
    pub key: PathBuf,
    /// Everything that the oracle writes is in here. One oracle a folder. All of it but verdicts in progress and blobs
    /// comes back from the chain when it is deleted.
    pub data_dir: PathBuf,
    /// Addresses of the other oracles, like `http://127.0.0.1:8701`.
    pub peers: Vec<String>,
    /// Folders with a model each (config.json, tokenizer.json, model.safetensors), besides `$IO_MODEL_DIR` or the cache.
    pub model_dirs: Vec<PathBuf>,
    /// The chain is on this machine: look often instead of rarely.
    pub local_chain: bool,

    /// How long one oracle leads the matching of a job before the next may, seconds.
    pub leader_seconds: u32,
    /// How long a ticket reserves a job for a device, seconds.
    pub ticket_seconds: u32,
    /// A device that declined a job, or let its ticket pass, is not asked again for it so soon, seconds.
    pub decline_seconds: u32,
    /// A device without a heartbeat for so long is unavailable, seconds.
    pub stale_seconds: u32,
    /// What an oracle of rank n does for all (expiring, settling, rejecting) it does n times this late, seconds.
    pub keeper_seconds: u32,
    /// After a submission the worker has this long to settle before oracles do, seconds.
    pub settle_grace_seconds: u32,
    /// Opens slash cases for penalties that are due, and challenges hardware proofs that its rounds found wrong (costs rent until the case
    /// ends).
    pub open_slash_cases: bool,

    /// Jobs verified at once.
    pub verify_concurrency: usize,
    /// Threads for each; 0 for all of the machine's.
    pub verify_threads: usize,
    /// Steps of a tolerant job that are run again; 0 for the engine's own number.
    pub sample_steps: u32,

    /// Rounds of the hardware proof.
    pub rounds: Rounds,

    /// Largest blob, bytes.
    pub max_blob_bytes: u64,
    /// Largest part of an upload, bytes.
    pub max_part_bytes: u64,
    /// Bytes that one key may have uploaded, finished or not.
    pub max_uploader_bytes: u64,
    /// Bytes of all blobs.
    pub max_store_bytes: u64,
    /// An upload that stands still is dropped after this long, seconds.
    pub partial_seconds: u64,
    /// A blob that no job names is dropped after this long, seconds.
    pub unreferenced_seconds: u64,

    /// Requests a second that one address may make, and how many at once.
    pub requests_per_second: u32,
    pub requests_burst: u32,
    /// Connections open at once, and of those with one address.
    pub max_connections: usize,
    pub max_connections_per_address: usize,
    /// Longest wait for a request's head, for each piece of its body, and for a reader that does not read, seconds.
    pub io_timeout_seconds: u64,
    /// The web app's files, served beside the API.
    pub app_dir: Option<PathBuf>,
    /// The chain's RPC as browsers reach it. `rpc_url` is never shown: it may hold a key.
    pub app_rpc_url: Option<String>,
    /// The chain's WebSocket as workers reach it: the web app puts it into the command that sets one up.
    pub app_ws_url: Option<String>,
    /// Web pages of these origins (`https://app.example.com`) may ask the API, besides its own.
    pub allowed_origins: Vec<String>,
    /// The index counts as stale, and the oracle as unwell, when it has heard nothing for so long, seconds.
    pub max_index_age_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8700)),
            public_url: None,
            rpc_url: "http://127.0.0.1:8899".into(),
            ws_url: "ws://127.0.0.1:8900".into(),
            key: PathBuf::new(),
            data_dir: PathBuf::from("io-oracle"),
            peers: Vec::new(),
            model_dirs: Vec::new(),
            local_chain: false,
            leader_seconds: 5,
            ticket_seconds: 30,
            decline_seconds: 60,
            stale_seconds: 20,
            keeper_seconds: 3,
            settle_grace_seconds: 15,
            open_slash_cases: true,
            verify_concurrency: 1,
            verify_threads: 0,
            sample_steps: 0,
            rounds: Rounds::default(),
            max_blob_bytes: 4 << 30,
            max_part_bytes: 8 << 20,
            max_uploader_bytes: 16 << 30,
            max_store_bytes: 256 << 30,
            partial_seconds: 3_600,
            unreferenced_seconds: 24 * 3_600,
            requests_per_second: 500,
            requests_burst: 2_000,
            max_connections: 2_048,
            max_connections_per_address: 512,
            io_timeout_seconds: 20,
            app_dir: None,
            app_rpc_url: None,
            app_ws_url: None,
            allowed_origins: Vec::new(),
            max_index_age_seconds: 30,
        }
    }
}

impl Config {
    /// Says what is wrong before anything starts.
    pub fn check(&self) -> Result<()> {
        ensure!(
            !self.key.as_os_str().is_empty(),
            "`key` is missing: name the oracle's key file"
        );
        ensure!(
            self.leader_seconds > 0,
            "`leader_seconds` is 0: it must be at least 1"
        );
        ensure!(
            (5..=3_600).contains(&self.ticket_seconds),
            "`ticket_seconds` is {}: it must be 5 to 3600",
            self.ticket_seconds
        );
        ensure!(
            self.stale_seconds > 0,
            "`stale_seconds` is 0: it must be at least 1"
        );
        ensure!(
            (1..=64).contains(&self.verify_concurrency),
            "`verify_concurrency` is {}: it must be 1 to 64",
            self.verify_concurrency
        );
        self.rounds.check()?;
        ensure!(
            (1..=1 << 26).contains(&self.max_part_bytes),
            "`max_part_bytes` is {}: it must be 1 to {} (a part is held in memory)",
            self.max_part_bytes,
            1 << 26
        );
        ensure!(
            self.requests_per_second > 0 && self.requests_burst > 0,
            "`requests_per_second` and `requests_burst` must be at least 1"
        );
        ensure!(
            self.max_connections > 0 && self.max_connections_per_address > 0,
            "the connection limits must be at least 1"
        );
        ensure!(
            (1..=600).contains(&self.io_timeout_seconds),
            "`io_timeout_seconds` is {}: it must be 1 to 600",
            self.io_timeout_seconds
        );
        ensure!(
            self.app_dir.is_none() || self.app_rpc_url.is_some(),
            "`app_dir` is set and `app_rpc_url` is not: name an RPC that browsers may use"
        );
        ensure!(
            self.app_rpc_url
                .as_deref()
                .is_none_or(|url| crate::api::origin_of(url).is_some()),
            "`app_rpc_url` must begin with http:// or https:// and a host"
        );
        ensure!(
            self.app_ws_url
                .as_deref()
                .is_none_or(|url| url.starts_with("ws://") || url.starts_with("wss://")),
            "`app_ws_url` must begin with ws:// or wss://"
        );
        ensure!(
            self.allowed_origins.len() <= MAX_ORIGINS,
            "`allowed_origins` has {} entries, at most {MAX_ORIGINS} are taken",
            self.allowed_origins.len()
        );
        for origin in &self.allowed_origins {
            ensure!(
                crate::api::origin_of(origin) == Some(origin),
                "`allowed_origins` has '{origin}': expected scheme, host and port like https://app.example.com"
            );
        }
        ensure!(
            self.peers.len() <= MAX_PEERS,
            "`peers` has {} entries, at most {MAX_PEERS} are taken",
            self.peers.len()
        );
        Ok(())
    }
}

/// Origins that may ask, at most.
const MAX_ORIGINS: usize = 64;
/// Other oracles, at most: a set on chain has 32.
pub const MAX_PEERS: usize = 31;
