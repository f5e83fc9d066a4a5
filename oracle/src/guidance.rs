//! Reference prices: once a root is on chain, its epoch's evidence says how much of each class's time was hired. Every oracle
//! computes that for itself, once, and signs it for whoever asks; with a quorum's signatures the oracle whose turn it is sends the
//! step of each class that has a reference price.
//!
//! Nobody has anything to choose: the root commits to the evidence, and a device's class is on chain. Should oracles still differ
//! about a class (a device left between two looks), its price keeps still for that epoch. An oracle signs one figure for each class
//! and epoch, whatever happens: it is in the database before it is signed, and nothing is signed for epochs that were over before
//! the database was made.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use io_api::{
    auth::verify_signature,
    text,
    types::{ClassUtilisation, Guidance},
};
use io_client::{
    Pubkey, Request, Signature, ed25519,
    instructions::{self, GuidanceArgs},
    io_network::state::{Emission, OracleSet},
    pda,
};
use io_protocol::{
    evidence::{Evidence, LeafSet, merge},
    guidance::{GuidanceStatement, utilisation},
    messages::Bytes32,
};
use tokio::time::timeout;

use crate::{
    matching,
    oracle::Oracle,
    rewards::{LOOK_EVERY, LOOK_EVERY_LOCAL, fetch, since},
};

/// The oracles take turns at sending, seconds.
const TURN_SECONDS: u32 = 10;
/// Classes of an epoch that are kept and signed, at most; lower numbers first.
const MAX_CLASSES: usize = 256;
/// Epochs whose figures are kept.
const KEEP_EPOCHS: u64 = 2_190;
/// Longest wait for one peer's answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks after reference prices until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    let every = oracle.every(LOOK_EVERY_LOCAL, LOOK_EVERY);
    while oracle.pause(every).await {
        if let Err(error) = look(&oracle).await {
            tracing::debug!(error = %format!("{error:#}"), "reference prices have to wait");
        }
    }
}

async fn look(oracle: &Arc<Oracle>) -> Result<()> {
    let (Some(emission), Some(set)) = (oracle.index.emission(), oracle.index.set()) else {
        return Ok(());
    };
    let (epoch, calendar) = (emission.root_epoch, emission.calendar());
    let now = oracle.clock.certain();
    if epoch == 0 || epoch < since(oracle, calendar.epoch_at(now)).await? {
        return Ok(());
    }
    let figures = match oracle.db.guidance(epoch).await? {
        Some(figures) => figures,
        None => {
            let figures = observed(oracle, &emission).await?;
            oracle
                .db
                .keep_guidance(epoch, &figures, epoch.saturating_sub(KEEP_EPOCHS))
                .await?
        }
    };
    let due: Vec<u16> = {
        let tables = oracle.index.read();
        let steps = |class: &u16| {
            let class = tables.classes.get(class);
            class.is_some_and(|class| class.price_ceiling > 0 && class.guided_until(epoch) < epoch)
        };
        figures.keys().copied().filter(steps).collect()
    };
    let turn_key = *blake3::hash(&epoch.to_le_bytes()).as_bytes();
    let rank = matching::rank(&turn_key, &oracle.active_oracles(), &oracle.key.to_bytes());
    let turn = matching::turn(
        calendar.ends_at(epoch),
        now,
        TURN_SECONDS,
        usize::from(set.count),
    );
    if due.is_empty() || rank != Some(turn) {
        return Ok(());
    }
    oracle.once(format!("guidance:{epoch}"), move |oracle| async move {
        if let Err(error) = send(&oracle, &set, epoch, &figures, &due).await {
            // Another oracle may have been first: the next look shows it.
            tracing::debug!(epoch, error = %format!("{error:#}"), "reference prices not moved");
        }
    });
    Ok(())
}

/// Each class's utilisation in the epoch of the newest root, from the evidence that the root commits to.
async fn observed(oracle: &Arc<Oracle>, emission: &Emission) -> Result<BTreeMap<u16, u16>> {
    let leaves = LeafSet::from_bytes(&fetch(oracle, &emission.root_blob).await?)?;
    ensure!(
        leaves.epoch == emission.root_epoch,
        "the root of epoch {} has a leaf set of epoch {}",
        emission.root_epoch,
        leaves.epoch
    );
    let evidence = Evidence::from_bytes(&fetch(oracle, &leaves.evidence).await?)?;
    let rows = merge(&evidence.read()?, usize::from(evidence.quorum));
    let tables = oracle.index.read();
    let class_of = |device: &Bytes32| {
        let device = tables.devices.get(&Pubkey::new_from_array(*device))?;
        Some(device.class)
    };
    let mut figures = utilisation(&rows, class_of);
    while figures.len() > MAX_CLASSES {
        figures.pop_last();
    }
    Ok(figures)
}

fn statement(oracle: &Oracle, set: &OracleSet, epoch: u64, class: u16, bps: u16) -> Vec<u8> {
    GuidanceStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        class: pda::class(class).to_bytes(),
        epoch,
        utilisation_bps: bps,
    }
    .to_bytes()
    .to_vec()
}

/// What this oracle says of an epoch, signed; `None` while it has computed nothing.
pub async fn view(oracle: &Oracle, epoch: u64) -> Result<Option<Guidance>> {
    let (Some(figures), Some(set)) = (oracle.db.guidance(epoch).await?, oracle.index.set()) else {
        return Ok(None);
    };
    let signed = figures.iter().map(|(class, bps)| ClassUtilisation {
        class: *class,
        utilisation_bps: *bps,
        signature: oracle
            .wallet
            .sign(&statement(oracle, &set, epoch, *class, *bps))
            .to_string(),
    });
    Ok(Some(Guidance {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        epoch,
        classes: signed.collect(),
    }))
}

/// Gathers the others' signatures and sends the step of each class that a quorum agrees on.
async fn send(
    oracle: &Arc<Oracle>,
    set: &OracleSet,
    epoch: u64,
    figures: &BTreeMap<u16, u16>,
    due: &[u16],
) -> Result<()> {
    let mut answers: Vec<(Bytes32, Guidance)> = Vec::new();
    for (key, peer) in oracle.peers.known() {
        if set.position(&key).is_none() {
            continue;
        }
        match timeout(PEER_TIMEOUT, peer.guidance(epoch)).await {
            Ok(Ok(Some(theirs))) => answers.push((key, theirs)),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => tracing::debug!(epoch, peer = peer.host(), %error, "no figures"),
            Err(_) => tracing::debug!(epoch, peer = peer.host(), "too slow"),
        }
    }
    let quorum = usize::from(set.quorum);
    for class in due {
        let bps = *figures.get(class).context("a class without a figure")?;
        let message = statement(oracle, set, epoch, *class, bps);
        let mut signatures = vec![(oracle.key, oracle.wallet.sign(&message))];
        let others = answers
            .iter()
            .filter_map(|(key, theirs)| endorsement(key, theirs, *class, &message));
        signatures.extend(others.take(quorum.saturating_sub(1)));
        if signatures.len() < quorum {
            tracing::debug!(epoch, class, bps, "no quorum for a class's utilisation");
            continue;
        }
        signatures.sort_by_key(|(key, _)| key.to_bytes());
        let args = GuidanceArgs {
            epoch,
            utilisation_bps: bps,
        };
        let all = vec![
            ed25519::verify(&message, &signatures)?,
            instructions::update_guidance(*class, args),
        ];
        let intent = format!("guidance:{class}:{epoch}:{}", set.version);
        oracle
            .sender
            .send(&Request::new(intent, oracle.wallet.signer(), all))
            .await?;
        tracing::info!(epoch, class, bps, "reference price moved");
    }
    Ok(())
}

/// A peer's signature over this very statement, if it gave one. Pure.
fn endorsement(
    key: &Bytes32,
    theirs: &Guidance,
    class: u16,
    message: &[u8],
) -> Option<(Pubkey, Signature)> {
    let said = theirs.classes.iter().find(|said| said.class == class)?;
    let signature = text::parse_signature(&said.signature)?;
    verify_signature(key, message, &signature)
        .then(|| (Pubkey::new_from_array(*key), Signature::from(signature)))
}

#[cfg(test)]
mod tests {
    use io_client::Wallet;

    use super::*;

    /// What peers answer is theirs to make up: only a signature of that peer over the very statement counts.
    #[test]
    fn only_the_peers_signature_over_this_statement_counts() {
        let (peer, stranger) = (Wallet::from_seed(&[1; 32]), Wallet::from_seed(&[2; 32]));
        let key = peer.address().to_bytes();
        let answer = |class, signature: String| Guidance {
            oracle: peer.address().to_string(),
            set_version: 1,
            epoch: 5,
            classes: vec![ClassUtilisation {
                class,
                utilisation_bps: 7,
                signature,
            }],
        };
        let message = b"the statement";
        let good = answer(3, peer.sign(message).to_string());
        let found = endorsement(&key, &good, 3, message).expect("it is signed");
        assert_eq!(found.0, peer.address());
        assert!(endorsement(&key, &good, 4, message).is_none());
        assert!(endorsement(&key, &good, 3, b"another").is_none());
        let forged = answer(3, stranger.sign(message).to_string());
        assert!(endorsement(&key, &forged, 3, message).is_none());
        let broken = answer(3, "nonsense".to_owned());
        assert!(endorsement(&key, &broken, 3, message).is_none());
    }
}
