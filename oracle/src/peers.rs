//! The other oracles: who they are, and what they have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use io_api::{client::OracleClient, text, types::Peer};
use io_protocol::messages::{Bytes32, Deployment};
use tokio::time::sleep;

use crate::oracle::Oracle;

/// Pause between questions to peers that have not answered yet, and to those that have.
const UNKNOWN_EVERY: Duration = Duration::from_secs(1);
const KNOWN_EVERY: Duration = Duration::from_secs(60);

/// The configured peers.
pub struct Peers {
    clients: Vec<OracleClient>,
    /// Who answered at which address.
    known: Mutex<BTreeMap<Bytes32, OracleClient>>,
}

impl Peers {
    pub fn new(urls: &[String], deployment: Deployment) -> anyhow::Result<Self> {
        let clients = urls
            .iter()
            .map(|url| OracleClient::for_deployment_once(url, deployment))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clients,
            known: Mutex::default(),
        })
    }

    /// All of them, whoever they are: what they give is checked by its hash.
    pub fn clients(&self) -> &[OracleClient] {
        &self.clients
    }

    /// Peers that said who they are.
    pub fn known(&self) -> Vec<(Bytes32, OracleClient)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .map(|(key, client)| (*key, client.clone()))
            .collect()
    }

    pub fn list(&self) -> Vec<Peer> {
        self.known()
            .iter()
            .map(|(key, client)| Peer {
                oracle: text::key(key),
                url: client.url().to_owned(),
            })
            .collect()
    }
}

/// Learns who the peers are, and keeps up with it.
pub async fn meet(oracle: Arc<Oracle>) {
    loop {
        let mut all = true;
        for client in oracle.peers.clients() {
            let info = tokio::select! {
                () = oracle.shutdown.cancelled() => return,
                info = client.info() => info,
            };
            let key = match &info {
                Ok(info) if text::parse_key(&info.program) != Some(oracle.deployment.program) => {
                    None
                }
                Ok(info) if text::parse_key(&info.cluster) != Some(oracle.deployment.cluster) => {
                    None
                }
                Ok(info) => text::parse_key(&info.oracle),
                Err(_) => None,
            };
            let mut known = oracle
                .peers
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if key == Some(oracle.key.to_bytes()) {
                tracing::error!(
                    peer = client.host(),
                    "it has this oracle's own key: two with one key may sign two tickets or verdicts; end one of them"
                );
            }
            match key.filter(|key| *key != oracle.key.to_bytes()) {
                Some(key) => {
                    known.retain(|other, at| *other == key || at.url() != client.url());
                    known.insert(key, client.clone());
                }
                None => all = false,
            }
        }
        tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            () = sleep(if all { KNOWN_EVERY } else { UNKNOWN_EVERY }) => {}
        }
    }
}
