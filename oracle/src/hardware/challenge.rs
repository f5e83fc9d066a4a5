//! What a round found wrong is brought before the program, by itself: of the rows that the device opened one wrong cell is proven, and the
//! device's bond is then in a slash case (`io_client::challenge`).
//!
//! One at a time, for a key has one account to write a claim into; those with the most at stake first, and none in a round's way. A claim
//! and its salt are in the database before anything is sent, and what was sent is in the journal: after a crash it goes on where it was, or
//! sees that it is over. Whoever else was first ends it, quietly. The oracles take their turns by rank, so that mostly one of them pays
//! fees.
//!
//! Nothing is sent for a device that nothing stands behind, nor before the cell was recomputed here and found wrong by the program's own
//! arithmetic, nor while this oracle's key could not pay for all of it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, ensure};
use io_api::{text, types::HardwareProof};
use io_client::{
    Pubkey, Signature, accounts,
    challenge::{Challenge, Failed, Moot, Step, lamports_needed, moot, provable, prove},
    io_network::{
        constants::MAX_ORACLES,
        state::{Device, Provider},
    },
};
use io_proof::hardware::{Committed, Hash, OpenedRow, wrong::wrong_cell};
use io_protocol::hardware::CommitmentStatement;
use tokio::{sync::Notify, time::timeout};

use crate::{
    db::ChallengeRow,
    oracle::{Oracle, lock},
};

/// Challenges that wait, at most. Beyond, those with the least at stake are left to whoever reads the records.
const MAX_WAITING: usize = 1_024;
/// First pause after a failure; it doubles up to the longest. The day in which a proof counts ends it.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_RETRY: Duration = Duration::from_secs(900);
/// Longest time for one, before it is another's turn.
const PATIENCE: Duration = Duration::from_secs(900);

/// An oracle's turn on a chain with slots of 0.4 s, seconds: a commitment's 32 slots, and what follows.
const TURN_SECONDS: u64 = 20;
/// What a challenge leaves for verdicts, roots and settlements, lamports.
const RESERVE_LAMPORTS: u64 = 10_000_000;

/// A device that a round found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub epoch: u64,
    pub round: Hash,
    pub device: Pubkey,
}

struct Waiting {
    found: Found,
    due: Instant,
    failures: u32,
}

/// What is to be brought before the program.
#[derive(Default)]
pub struct Challenges {
    waiting: Mutex<Vec<Waiting>>,
    came: Notify,
}

impl Challenges {
    /// Adds one that is due `after` a while. `stake` says how much stands behind a device. Returns what there is no room for.
    fn add(&self, found: Found, after: Duration, stake: impl Fn(&Pubkey) -> u64) -> Option<Found> {
        let left_out = {
            let mut waiting = lock(&self.waiting);
            if waiting.iter().any(|other| other.found == found) {
                return None;
            }
            waiting.push(Waiting {
                found,
                due: Instant::now() + after,
                failures: 0,
            });
            if waiting.len() > MAX_WAITING {
                let all = waiting.iter().enumerate().rev();
                let least = all.min_by_key(|(_, waiting)| stake(&waiting.found.device));
                least
                    .map(|(at, _)| at)
                    .map(|at| waiting.swap_remove(at).found)
            } else {
                None
            }
        };
        self.came.notify_one();
        left_out
    }

    /// Of those that are due now the one with the most at stake.
    fn next(&self, now: Instant, stake: impl Fn(&Pubkey) -> u64) -> Option<Found> {
        lock(&self.waiting)
            .iter()
            .filter(|waiting| waiting.due <= now)
            .max_by_key(|waiting| stake(&waiting.found.device))
            .map(|waiting| waiting.found)
    }

    /// When the next one is due.
    fn due(&self) -> Option<Instant> {
        lock(&self.waiting).iter().map(|waiting| waiting.due).min()
    }

    fn end(&self, found: &Found) {
        lock(&self.waiting).retain(|waiting| waiting.found != *found);
    }

    fn put_off(&self, found: &Found, now: Instant) {
        let mut all = lock(&self.waiting);
        if let Some(waiting) = all.iter_mut().find(|waiting| waiting.found == *found) {
            let pause = RETRY * 2_u32.pow(waiting.failures.min(12));
            waiting.due = now + pause.min(LONGEST_RETRY);
            waiting.failures = waiting.failures.saturating_add(1);
        }
    }
}

/// What can be lost, as far as it orders challenges, base units.
fn stake(oracle: &Oracle, device: &Pubkey) -> u64 {
    let tables = oracle.index.read();
    tables.devices.get(device).map_or(0, |device| device.bond)
}

/// Whether a proof would cost anybody as much as a device has to have at stake: its bond, also one that covers jobs, for what it can't pay
/// now stays due; and the owner's stake that binds nothing. Who has lost all that, or left a grain of it, goes on being wrong for nothing,
/// and must not cost the oracles their fees. `min_bond` is the network's. Pure.
fn costs(device: &Device, provider: &Provider, min_bond: u64) -> bool {
    let all = device.bond.saturating_add(accounts::unbound(provider));
    let least = device.minimum_bond(min_bond).unwrap_or(u64::MAX);
    all >= least.max(1)
}

/// A round found a device wrong in what it opened: its record is on disk.
pub(super) fn found(oracle: &Oracle, found: Found) {
    let rank = oracle.rank(&found.device).unwrap_or(MAX_ORACLES);
    let turn = match oracle.config.local_chain {
        true => oracle.config.keeper_seconds.into(),
        false => TURN_SECONDS.max(oracle.config.keeper_seconds.into()),
    };
    let turn = turn.saturating_mul(rank as u64);
    add(oracle, found, Duration::from_secs(turn));
}

/// The same of a round of an earlier process.
pub(super) fn found_before(oracle: &Oracle, found: Found) {
    add(oracle, found, Duration::ZERO);
}

fn add(oracle: &Oracle, found: Found, after: Duration) {
    if !oracle.config.open_slash_cases {
        return;
    }
    let challenges = &oracle.hardware.challenges;
    if let Some(Found { device, .. }) = challenges.add(found, after, |key| stake(oracle, key)) {
        tracing::warn!(%device, "too many wrong hardware proofs wait to be challenged: this one is left to others");
    }
}

/// How a challenge ended.
#[derive(Debug)]
enum End {
    /// With the case, if there was something to take.
    Proven(Option<Pubkey>),
    /// It can't be proven any more.
    Lost(String),
    /// Nothing was begun: nothing can be shown, or nobody would lose anything.
    Nothing(String),
    /// Before this process started.
    Before,
}

/// Challenges until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    let challenges = &oracle.hardware.challenges;
    loop {
        let Some(found) = challenges.next(Instant::now(), |key| stake(&oracle, key)) else {
            let pause = async {
                match challenges.due() {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = challenges.came.notified() => {}
                () = pause => {}
            }
            continue;
        };
        let device = found.device;
        let ended = match timeout(PATIENCE, challenge(&oracle, &found)).await {
            Ok(ended) => ended,
            Err(_) => Err(anyhow!("it takes longer than {} s", PATIENCE.as_secs())),
        };
        match ended {
            Ok(End::Proven(case)) => {
                let case = case.map(|case| case.to_string());
                tracing::info!(%device, case, "a wrong hardware proof was proven to the program");
            }
            Ok(End::Lost(reason)) => {
                tracing::info!(%device, reason, "a wrong hardware proof is not proven by this oracle")
            }
            Ok(End::Nothing(reason)) => {
                tracing::info!(%device, reason, "a wrong hardware proof is not challenged")
            }
            Ok(End::Before) => {}
            Err(error) => {
                tracing::warn!(%device, error = %format!("{error:#}"), "a wrong hardware proof is not proven yet");
                challenges.put_off(&found, Instant::now());
                continue;
            }
        }
        challenges.end(&found);
    }
}

/// What a record says was signed, by whom.
struct Signed {
    committed: Committed,
    statement: CommitmentStatement,
    operator: Pubkey,
    signature: Signature,
}

impl Signed {
    fn read(oracle: &Oracle, found: &Found, proof: &HardwareProof) -> Option<Self> {
        let roots = proof.roots.iter().map(|root| text::parse_hash(root));
        let committed = Committed {
            round_seed: found.round,
            device: found.device.to_bytes(),
            n: proof.ask.n,
            roots: roots.collect::<Option<Vec<Hash>>>()?,
        };
        if committed.roots.is_empty() {
            return None;
        }
        let signature = text::parse_signature(proof.commitment_signature.as_deref()?)?;
        Some(Self {
            statement: super::commitment_statement(oracle.deployment, found.epoch, &committed),
            operator: proof.operator.parse().ok()?,
            signature: Signature::from(signature),
            committed,
        })
    }
}

/// Takes one challenge to its end, if it comes to one now. An error: it is tried again later.
async fn challenge(oracle: &Arc<Oracle>, found: &Found) -> Result<End> {
    let (epoch, round, device) = (found.epoch, &found.round, &found.device.to_bytes());
    let begun = oracle.db.challenge(epoch, round, device).await?;
    if begun.as_ref().is_some_and(|row| row.ended) {
        return Ok(End::Before);
    }
    let Some(record) = oracle.db.proof(epoch, round, device).await? else {
        return Ok(End::Nothing("its record is forgotten".into()));
    };
    let proof: Option<HardwareProof> = serde_json::from_str(&record).ok();
    let signed = proof.and_then(|proof| Some((Signed::read(oracle, found, &proof)?, proof)));
    let Some((signed, proof)) = signed else {
        return Ok(End::Nothing("its record can't be read".into()));
    };
    let (statement, operator) = (&signed.statement, &signed.operator);
    let network = oracle.index.read().network;
    let min_bond = network.map_or(0, |network| network.min_bond);
    match provable(&oracle.rpc, statement, operator).await {
        Ok((account, provider)) if begun.is_none() && !costs(&account, &provider, min_bond) => {
            return Ok(End::Nothing("nothing stands behind the device".into()));
        }
        Ok(_) => {
            let needed = lamports_needed(&oracle.rpc, &oracle.key).await?;
            let held = oracle.rpc.balance(&oracle.key).await?;
            ensure!(
                held >= needed.saturating_add(RESERVE_LAMPORTS),
                "this oracle's key {} holds {held} lamports, fees and the rent until the case ends take {needed}, and {RESERVE_LAMPORTS} are for \
                 its other transactions: send it SOL",
                oracle.key
            );
        }
        Err(Failed::Moot(moot)) if begun.is_none() => {
            // A node that is behind knows less than this oracle does.
            ensure!(!is_known_provable(oracle, statement, operator), "{moot}");
            return Ok(End::Nothing(moot.to_string()));
        }
        // What was written before is closed below.
        Err(Failed::Moot(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let row = match begun {
        Some(row) => row,
        None => {
            let Some(row) = begin(oracle, &proof, &signed).await? else {
                let nothing = ChallengeRow {
                    salt: [0; 32],
                    claim: Vec::new(),
                    ended: true,
                };
                oracle
                    .db
                    .keep_challenge(epoch, round, device, &nothing)
                    .await?;
                return Ok(End::Nothing(
                    "no cell that it committed to was opened and is wrong".into(),
                ));
            };
            // On disk before anything is sent: another salt would be another commitment.
            oracle.db.keep_challenge(epoch, round, device, &row).await?;
            count(oracle, "opened");
            row
        }
    };
    let challenge = Challenge {
        statement: signed.statement,
        operator: signed.operator,
        signature: signed.signature,
        claim: row.claim.clone(),
        salt: row.salt,
    };
    let told = |step: Step| tracing::info!(device = %found.device, ?step, "challenging a wrong hardware proof");
    let proven = prove(
        &oracle.sender,
        &oracle.wallet,
        &oracle.io_mint,
        &challenge,
        told,
    )
    .await;
    let end = match proven {
        Ok(proven) => End::Proven(proven.case),
        // Before a crash.
        Err(Failed::Moot(Moot::Proven {
            case: Some((case, challenger)),
            ..
        })) if challenger == oracle.key => End::Proven(Some(case)),
        Err(Failed::Moot(moot)) => {
            ensure!(!is_known_provable(oracle, statement, operator), "{moot}");
            End::Lost(moot.to_string())
        }
        Err(error) => return Err(error.into()),
    };
    let row = ChallengeRow { ended: true, ..row };
    oracle.db.keep_challenge(epoch, round, device, &row).await?;
    count(
        oracle,
        match end {
            End::Proven(_) => "proven",
            _ => "lost",
        },
    );
    Ok(end)
}

/// Whether it can be proven by what this oracle has followed itself.
fn is_known_provable(oracle: &Oracle, statement: &CommitmentStatement, operator: &Pubkey) -> bool {
    let tables = oracle.index.read();
    let device = tables
        .devices
        .get(&Pubkey::new_from_array(statement.device));
    let both = device.and_then(|device| Some((device, tables.providers.get(&device.provider)?)));
    both.is_some_and(|(device, provider)| {
        moot(device, provider, statement, operator, oracle.clock.now()).is_none()
    })
}

fn count(oracle: &Oracle, outcome: &'static str) {
    let challenges = &oracle.metrics.challenges;
    challenges.get_or_create(&[("outcome", outcome)]).inc();
}

/// What is brought before the program; `None` when nothing that was opened shows a wrong cell.
async fn begin(
    oracle: &Arc<Oracle>,
    proof: &HardwareProof,
    signed: &Signed,
) -> Result<Option<ChallengeRow>> {
    let rows = proof.rows.as_deref().and_then(text::parse_hash);
    let Some(rows) = rows else {
        return Ok(None);
    };
    let length = OpenedRow::wire_len(signed.committed.n) as u64 * u64::from(proof.ask.rows);
    let bytes = oracle.blobs.read(&rows, length).await?;
    let committed = signed.committed.clone();
    let wrong = tokio::task::spawn_blocking(move || wrong_cell(&committed, &bytes)).await?;
    let Some(wrong) = wrong else {
        return Ok(None);
    };
    let mut salt = [0; 32];
    getrandom::fill(&mut salt).map_err(|error| anyhow!("no random numbers: {error}"))?;
    let challenge = Challenge::new(
        signed.statement,
        signed.operator,
        signed.signature,
        &signed.committed,
        &wrong,
        salt,
    )?;
    Ok(Some(ChallengeRow {
        salt,
        claim: challenge.claim,
        ended: false,
    }))
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    fn found(n: u16) -> Found {
        let mut device = [0; 32];
        device[..2].copy_from_slice(&n.to_le_bytes());
        Found {
            epoch: 1,
            round: [1; 32],
            device: Pubkey::new_from_array(device),
        }
    }

    /// Of device n the bond is n.
    fn bond(device: &Pubkey) -> u64 {
        let bytes = device.to_bytes();
        u16::from_le_bytes([bytes[0], bytes[1]]).into()
    }

    #[test]
    fn the_one_with_the_most_at_stake_is_next_among_those_that_are_due() {
        let challenges = Challenges::default();
        let later = Duration::from_secs(60);
        assert_eq!(challenges.next(Instant::now(), bond), None);
        assert_eq!(challenges.due(), None);
        for (n, after) in [(2, Duration::ZERO), (3, Duration::ZERO), (9, later)] {
            assert_eq!(challenges.add(found(n), after, bond), None);
        }
        let now = Instant::now();
        assert!(challenges.due().is_some_and(|due| due <= now));
        assert_eq!(challenges.next(now, bond), Some(found(3)));
        assert_eq!(challenges.next(now + later, bond), Some(found(9)));
        // One that fails lets the others go on, and comes back.
        challenges.put_off(&found(3), now);
        assert_eq!(challenges.next(now, bond), Some(found(2)));
        assert_eq!(challenges.next(now + RETRY, bond), Some(found(3)));
        challenges.end(&found(2));
        assert_eq!(challenges.next(now, bond), None);
    }

    #[test]
    fn pauses_grow_and_have_an_end() {
        let challenges = Challenges::default();
        challenges.add(found(1), Duration::ZERO, bond);
        let now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            challenges.put_off(&found(1), now);
            pauses.push(challenges.due().expect("it waits") - now);
        }
        assert_eq!(pauses[..3], [RETRY, RETRY * 2, RETRY * 4]);
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&LONGEST_RETRY));
    }

    /// Whoever sends many wrong proofs from devices with small bonds keeps none from being challenged that has a large one.
    #[test]
    fn when_there_are_too_many_the_least_at_stake_is_left_out() {
        let challenges = Challenges::default();
        for n in 0..MAX_WAITING as u16 {
            assert_eq!(challenges.add(found(100 + n), Duration::ZERO, bond), None);
        }
        assert_eq!(
            challenges.add(found(100), Duration::ZERO, bond),
            None,
            "it waits already"
        );
        let (small, large) = (found(50), found(5_000));
        assert_eq!(challenges.add(small, Duration::ZERO, bond), Some(small));
        assert_eq!(
            challenges.add(large, Duration::ZERO, bond),
            Some(found(100))
        );
        assert_eq!(challenges.next(Instant::now(), bond), Some(large));
        assert_eq!(lock(&challenges.waiting).len(), MAX_WAITING);
    }

    #[test]
    fn nothing_is_spent_on_a_device_that_nothing_stands_behind() {
        let device = Device {
            bond: 100,
            exposure: 100,
            ..Device::zeroed()
        };
        let provider = Provider {
            staked: 100,
            committed: 100,
            ..Provider::zeroed()
        };
        assert!(
            costs(&device, &provider, 100),
            "jobs bind its bond now: it stays due"
        );
        let bare = Device {
            bond: 0,
            exposure: 0,
            ..device
        };
        assert!(!costs(&bare, &provider, 100) && !costs(&bare, &provider, 0));
        let rich = Provider {
            staked: 200,
            ..provider
        };
        assert!(costs(&bare, &rich, 100));
        // A grain of a bond is none, nor is a grain of free stake.
        let dust = Device { bond: 99, ..bare };
        assert!(!costs(&dust, &provider, 100));
        let dust = Provider {
            staked: 101,
            ..provider
        };
        assert!(!costs(&bare, &dust, 100));
    }
}
