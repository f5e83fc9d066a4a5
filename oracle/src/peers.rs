//! The other oracles: who they are, and what they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use io_api::{
    auth::verify_signature,
    client::OracleClient,
    text,
    types::{Identity, Info, Peer},
};
use io_protocol::messages::{Bytes32, Deployment};
use tokio::time::{sleep, timeout};

use crate::{config::MAX_PEERS, oracle::Oracle};

/// Domain of the signature that proves which process holds a key.
const IDENTITY_DOMAIN: [u8; 16] = *b"io/identity/1...";
/// Longest wait for such a proof.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(5);

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

fn identity_message(
    deployment: &Deployment,
    nonce: &Bytes32,
    instance: &Bytes32,
    started_ms: u64,
) -> Vec<u8> {
    let mut message = IDENTITY_DOMAIN.to_vec();
    message.extend(deployment.program);
    message.extend(deployment.cluster);
    message.extend(nonce);
    message.extend(instance);
    message.extend(started_ms.to_le_bytes());
    message
}

/// Which process this is, for whoever asks with a nonce of its own.
pub fn identity(oracle: &Oracle, nonce: &Bytes32) -> Identity {
    let (instance, started_ms) = (oracle.instance, oracle.started_ms);
    let message = identity_message(&oracle.deployment, nonce, &instance, started_ms);
    let signature: [u8; 64] = oracle.wallet.sign(&message).into();
    Identity {
        oracle: oracle.key.to_string(),
        instance: text::key(&instance),
        started_ms,
        signature: text::signature(&signature),
    }
}

/// When the process that gave this identity started, and its instance, if it holds the key and signed this nonce.
fn proven(
    key: &Bytes32,
    deployment: &Deployment,
    nonce: &Bytes32,
    identity: &Identity,
) -> Option<(u64, Bytes32)> {
    let instance = text::parse_key(&identity.instance)?;
    let signature = text::parse_signature(&identity.signature)?;
    let message = identity_message(deployment, nonce, &instance, identity.started_ms);
    verify_signature(key, &message, &signature).then_some((identity.started_ms, instance))
}

/// Looks for another process with this oracle's key where peers say that this oracle is. Of two, the one that started later
/// ends: two would sign two tickets for one job, and may sign two verdicts. Only a proof with the key counts, so that nobody
/// else can end an oracle.
async fn look_for_twin(oracle: &Oracle, urls: &BTreeSet<String>) -> anyhow::Result<()> {
    let mine = (oracle.started_ms, oracle.instance);
    for url in urls.iter().take(MAX_PEERS) {
        let nonce = io_client::Wallet::generate().address().to_bytes();
        let Ok(client) = OracleClient::for_deployment_once(url, oracle.deployment) else {
            continue;
        };
        let Ok(Ok(identity)) = timeout(IDENTITY_TIMEOUT, client.identity(&nonce)).await else {
            continue;
        };
        let key = oracle.key.to_bytes();
        match proven(&key, &oracle.deployment, &nonce, &identity) {
            Some(twin) if twin.1 != mine.1 && twin < mine => anyhow::bail!(
                "another oracle runs with this oracle's key {} at {}, and started first: one key is for one oracle. End that \
                 one, or give this one a key of its own and have it added to the set (`io network set-oracles`)",
                oracle.key,
                client.host()
            ),
            Some(twin) if twin.1 != mine.1 => tracing::error!(
                at = client.host(),
                "another oracle was started with this oracle's key; this one was first and goes on, that one should end: is the key on \
                 two machines?"
            ),
            _ => {}
        }
    }
    Ok(())
}

/// Learns who the peers are, and keeps up with it. Fails when another process runs with this oracle's key and was first.
pub async fn meet(oracle: Arc<Oracle>) -> anyhow::Result<()> {
    loop {
        let mut all = true;
        let mut mine = BTreeSet::new();
        for client in oracle.peers.clients() {
            let info = tokio::select! {
                () = oracle.shutdown.cancelled() => return Ok(()),
                info = client.info() => info,
            };
            let me = oracle.key.to_bytes();
            if let Ok(info) = &info {
                let own = oracle.key.to_string();
                let listed = info.peers.iter().filter(|peer| peer.oracle == own);
                mine.extend(listed.take(1).map(|peer| peer.url.clone()));
            }
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
                // This one at its own address, or another with its key.
                Who::Ourselves => {
                    mine.insert(client.url().to_owned());
                }
                Who::Stranger => {}
            }
            all = false;
        }
        tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
            looked = look_for_twin(&oracle, &mine) => looked?,
        }
        tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
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

    #[test]
    fn only_the_key_over_this_nonce_proves_a_process() {
        let wallet = io_client::Wallet::from_seed(&[4; 32]);
        let key = wallet.address().to_bytes();
        let here = Deployment {
            program: [1; 32],
            cluster: [2; 32],
        };
        let (nonce, instance) = ([3; 32], [5; 32]);
        let signed = |by: &io_client::Wallet, at: &Deployment, nonce: &Bytes32, started_ms: u64| {
            let signature: [u8; 64] = by
                .sign(&identity_message(at, nonce, &instance, started_ms))
                .into();
            Identity {
                oracle: wallet.address().to_string(),
                instance: text::key(&instance),
                started_ms: 7,
                signature: text::signature(&signature),
            }
        };
        let good = signed(&wallet, &here, &nonce, 7);
        assert_eq!(proven(&key, &here, &nonce, &good), Some((7, instance)));
        let elsewhere = Deployment {
            cluster: [9; 32],
            ..here
        };
        let stranger = io_client::Wallet::from_seed(&[6; 32]);
        for bad in [
            signed(&stranger, &here, &nonce, 7),
            signed(&wallet, &elsewhere, &nonce, 7),
            signed(&wallet, &here, &[8; 32], 7),
            signed(&wallet, &here, &nonce, 6),
        ] {
            assert_eq!(proven(&key, &here, &nonce, &bad), None);
        }
    }
}
