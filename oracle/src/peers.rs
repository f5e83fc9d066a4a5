//! The other oracles: who they are, and what they have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use io_api::{
    client::OracleClient,
    text,
    types::{Info, Peer},
};
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

/// Who answers at a peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Peer(Bytes32),
    /// It has this oracle's own key.
    Ourselves,
    /// Of another deployment, or nobody.
    Stranger,
}

fn who(info: &Info, deployment: Deployment, me: &Bytes32) -> Who {
    let ours = text::parse_key(&info.program) == Some(deployment.program)
        && text::parse_key(&info.cluster) == Some(deployment.cluster);
    match text::parse_key(&info.oracle) {
        Some(key) if ours && key == *me => Who::Ourselves,
        Some(key) if ours => Who::Peer(key),
        _ => Who::Stranger,
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
            let me = oracle.key.to_bytes();
            let who = info.map_or(Who::Stranger, |info| who(&info, oracle.deployment, &me));
            let mut known = oracle
                .peers
                .known
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match who {
                Who::Peer(key) => {
                    known.retain(|other, at| *other == key || at.url() != client.url());
                    known.insert(key, client.clone());
                    continue;
                }
                Who::Ourselves => tracing::error!(
                    peer = client.host(),
                    "it has this oracle's own key: two with one key may sign two tickets or verdicts; end one of them"
                ),
                Who::Stranger => {}
            }
            all = false;
        }
        tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            () = sleep(if all { KNOWN_EVERY } else { UNKNOWN_EVERY }) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use io_api::types::Limits;

    use super::*;

    /// A peer of another program or cluster signs other statements; one with this oracle's key is no second signature.
    #[test]
    fn a_peer_is_another_oracle_of_this_deployment() {
        let deployment = Deployment {
            program: [1; 32],
            cluster: [2; 32],
        };
        let info = |oracle: &[u8; 32], program: &[u8; 32], cluster: &[u8; 32]| Info {
            oracle: text::key(oracle),
            program: text::key(program),
            cluster: text::key(cluster),
            version: String::new(),
            set_version: 1,
            active: true,
            quorum: 1,
            slot: 1,
            index_age_ms: 1,
            peers: Vec::new(),
            now_ms: 1,
            limits: Limits {
                max_blob_bytes: 1,
                max_part_bytes: 1,
                max_json_bytes: 1,
            },
        };
        let who = |info: &Info| who(info, deployment, &[3; 32]);
        assert_eq!(who(&info(&[4; 32], &[1; 32], &[2; 32])), Who::Peer([4; 32]));
        assert_eq!(who(&info(&[3; 32], &[1; 32], &[2; 32])), Who::Ourselves);
        for (program, cluster) in [([9; 32], [2; 32]), ([1; 32], [9; 32])] {
            for oracle in [[3; 32], [4; 32]] {
                assert_eq!(who(&info(&oracle, &program, &cluster)), Who::Stranger);
            }
        }
        let nobody = Info {
            oracle: "x".into(),
            ..info(&[4; 32], &[1; 32], &[2; 32])
        };
        assert_eq!(who(&nobody), Who::Stranger);
    }
}
