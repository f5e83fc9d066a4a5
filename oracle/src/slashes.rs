//! Slash cases: accusers file what they found, what time has decided is finalised, appeals are decided, shares delivered. What a device's
//! wrong hardware proof still costs is collected.
//!
//! The evidence is the accuser's attestation (its signed statement, the verdict's reason, how many steps it checked and the proof of the
//! draw that its sample follows from) as a blob, which every oracle keeps. The case names it by its hash. Nobody decides by it.
//!
//! An oracle that did not accuse decides an appeal by its own verdict about the job, made when the result was submitted, or
//! now if it has none, or one that rests on the result's form alone, and the data is still to be had; else it abstains. A device that let a
//! job expire is a fact of the chain: its appeal is refused. What is decided is in the database before it is signed, and never changes.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use io_api::{auth::verify_signature, text, types::SlashDecision};
use io_client::{
    Pubkey, Request, Signature, accounts, ed25519,
    instructions::{self, SlashParty},
    io_network::state::{Device, Job, OracleSet, Provider, SlashCase, SlashCause, SlashState},
    tokens,
};
use io_protocol::slashing::{SlashStatement, SlashVerdict, signatures_needed};
use tokio::time::timeout;

use crate::{oracle::Oracle, rewards, specs, verify};

/// Pauses between looks at the cases, on a chain far away and on one here.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_EVERY_LOCAL: Duration = Duration::from_secs(3);
/// Things done in one look: evidence filed or fetched, cases ended, appeals looked into. The next look goes on where it ended.
const MAX_ACTIONS: usize = 64;
/// Longest wait for one peer's decision.
const PEER_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest evidence that is kept for others, bytes.
const MAX_EVIDENCE_BYTES: u64 = 64 * 1024;
/// Seconds past a deadline before it counts: the chain's clock wavers.
const PAST: i64 = 1;

/// What is due for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Time has decided.
    Finalise,
    /// The provider appealed: oracles that did not accuse decide.
    Decide,
    /// Decided: shares are delivered, and the case closed.
    Deliver,
}

/// What an oracle of this rank has to do about a case now. Pure.
pub fn due(case: &SlashCase, rank: usize, now: i64, rank_seconds: i64) -> Option<Due> {
    let wait = rank_seconds.saturating_mul(i64::try_from(rank).unwrap_or(i64::MAX));
    let passed = |deadline: i64| now > deadline.saturating_add(PAST).saturating_add(wait);
    match case.state().ok()? {
        SlashState::Open => passed(case.appeal_until).then_some(Due::Finalise),
        SlashState::Appealed if passed(case.decide_until) => Some(Due::Finalise),
        SlashState::Appealed => (now <= case.decide_until).then_some(Due::Decide),
        SlashState::Upheld | SlashState::Returned => {
            passed(case.decided_at).then_some(Due::Deliver)
        }
    }
}

/// Looks after the cases until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    let every = oracle.every(LOOK_EVERY_LOCAL, LOOK_EVERY);
    let mut reached = None;
    while oracle.pause(every).await {
        if let Err(error) = look(&oracle, &mut reached).await {
            tracing::debug!(error = %format!("{error:#}"), "slash cases are not read");
        }
        if oracle.config.open_slash_cases {
            collect(&oracle).await;
        }
    }
}

/// Whether what a device's fault still costs can be collected by an oracle of this rank now: whoever proved the fault has had a day for it, and
/// there is something by now. Pure.
fn collectable(
    device: &Device,
    provider: &Provider,
    rank: usize,
    now: i64,
    rank_seconds: i64,
) -> bool {
    let wait = rank_seconds.saturating_mul(i64::try_from(rank).unwrap_or(i64::MAX));
    device.fault_due() > 0
        && accounts::can_pay(device, provider)
        && device.faultable(now.saturating_sub(PAST + wait))
}

/// Collects what devices owe for wrong hardware proofs, in this oracle's turn.
async fn collect(oracle: &Oracle) {
    let now = oracle.clock.certain();
    let seconds = i64::from(oracle.config.keeper_seconds);
    let due: Vec<(Pubkey, Pubkey, u64)> = {
        let tables = oracle.index.read();
        let due = tables.devices.iter().filter_map(|(address, device)| {
            if device.fault_due() == 0 {
                return None;
            }
            let provider = tables.providers.get(&device.provider)?;
            let rank = oracle.rank(address)?;
            collectable(device, provider, rank, now, seconds).then_some((
                *address,
                device.provider,
                provider.slash_cases,
            ))
        });
        due.take(MAX_ACTIONS).collect()
    };
    for (address, provider, number) in due {
        let instruction = instructions::open_fault_case(
            &oracle.key,
            &address,
            &provider,
            number,
            &oracle.io_mint,
        );
        let intent = format!("fault-case:{address}:{number}");
        let request = Request::new(intent, oracle.wallet.signer(), vec![instruction]);
        match oracle.sender.send(&request).await {
            Ok(_) => tracing::info!(device = %address, "collected what its fault still cost"),
            // Another oracle may have been first: the next look shows it.
            Err(error) => {
                tracing::debug!(device = %address, error = %format!("{error:#}"), "not collected")
            }
        }
    }
}

/// One look at all cases, in the order of their addresses: it goes on behind the one that the look before `reached`, until as much was done
/// as one look may. None waits for ever behind others that take all of a look.
struct Look<'a, T> {
    cases: std::vec::IntoIter<(Pubkey, T)>,
    reached: &'a mut Option<Pubkey>,
    /// What may still be done.
    left: usize,
}

impl<'a, T> Look<'a, T> {
    fn new(mut cases: Vec<(Pubkey, T)>, reached: &'a mut Option<Pubkey>, most: usize) -> Self {
        cases.sort_by_key(|(address, _)| *address);
        let done = cases.partition_point(|(address, _)| Some(*address) <= *reached);
        cases.rotate_left(done);
        Self {
            cases: cases.into_iter(),
            reached,
            left: most,
        }
    }

    /// Something was done.
    fn did(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    fn next(&mut self) -> Option<(Pubkey, T)> {
        if self.left == 0 {
            return None;
        }
        let next = self.cases.next();
        *self.reached = next.as_ref().map(|(address, _)| *address);
        next
    }
}

/// Sees to cases, as far as one look goes.
async fn look(oracle: &Arc<Oracle>, reached: &mut Option<Pubkey>) -> Result<()> {
    let Some(set) = oracle.index.set() else {
        return Ok(());
    };
    let (_, cases) = accounts::fetch_all::<SlashCase>(&oracle.rpc, Vec::new()).await?;
    let now = oracle.clock.certain();
    let mut look = Look::new(cases, reached, MAX_ACTIONS);
    while let Some((address, case)) = look.next() {
        // Whoever is in no set does nothing: appeals are not its business, and others pay for the rest.
        let Some(rank) = oracle.rank(&address) else {
            return Ok(());
        };
        let seconds = i64::from(oracle.config.keeper_seconds);
        let slot = set.position(oracle.key.as_ref());
        match see_to_evidence(oracle, &address, &case, slot, rank, now).await {
            Ok(true) => look.did(),
            Ok(false) => {}
            Err(error) => {
                look.did();
                tracing::debug!(case = %address, error = %format!("{error:#}"), "evidence has to wait");
            }
        }
        let Some(due) = due(&case, rank, now, seconds) else {
            continue;
        };
        let done = match due {
            Due::Decide if slot.is_none_or(|slot| case.accusers & (1 << slot) != 0) => continue,
            Due::Decide => decide(oracle, &set, &address, &case, rank).await,
            _ if !oracle.config.open_slash_cases => continue,
            Due::Finalise => finalise(oracle, &address, &case).await,
            Due::Deliver => deliver(oracle, &address, &case).await,
        };
        look.did();
        match done {
            Ok(true) => tracing::info!(case = %address, ?due, "done"),
            Ok(false) => {}
            // Another oracle may have been first: the next look shows it.
            Err(error) => {
                tracing::debug!(case = %address, ?due, error = %format!("{error:#}"), "not done")
            }
        }
    }
    Ok(())
}

/// Files what this oracle found, if it accused and nobody has yet; else keeps a copy of what another filed, so that it can be had
/// when that oracle is away. Whether there was anything to do.
async fn see_to_evidence(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    case: &SlashCase,
    slot: Option<usize>,
    rank: usize,
    now: i64,
) -> Result<bool> {
    if !case.state().is_ok_and(|state| !state.is_final()) {
        return Ok(false);
    }
    if case.evidence != [0; 32] {
        if oracle.blobs.has(&case.evidence) {
            return Ok(false);
        }
        if specs::pull(oracle, &case.evidence, MAX_EVIDENCE_BYTES).await {
            let hash = text::hash(&case.evidence);
            oracle.db.keep_evidence(&hash, now).await?;
        }
        return Ok(true);
    }
    let wait = i64::from(oracle.config.keeper_seconds).saturating_mul(rank as i64);
    let accused = slot.is_some_and(|slot| case.accusers & (1 << slot) != 0);
    if !accused || now < case.opened_at.saturating_add(wait) {
        return Ok(false);
    }
    let Some(row) = oracle.db.job(&case.job.to_string()).await? else {
        return Ok(false);
    };
    let found = verify::last_word(oracle, &case.job, row.created_slot).await?;
    let about = |found: &verify::Decision| {
        !found.valid && text::parse_hash(&found.output_hash) == Some(case.subject)
    };
    let Some(found) = found.filter(about) else {
        return Ok(false);
    };
    let said = verify::attest(oracle, &case.job, row.created_slot, &found)
        .context("the oracle set is not indexed")?;
    let hash = rewards::store(oracle, &serde_json::to_vec(&said)?).await?;
    oracle.db.keep_evidence(&text::hash(&hash), now).await?;
    let instruction = instructions::file_evidence(&oracle.key, address, hash);
    let intent = format!("slash-evidence:{address}:{}", text::hash(&hash));
    let request = Request::new(intent, oracle.wallet.signer(), vec![instruction]);
    oracle.sender.send(&request).await?;
    tracing::info!(case = %address, "filed what was found");
    Ok(true)
}

async fn finalise(oracle: &Oracle, address: &Pubkey, case: &SlashCase) -> Result<bool> {
    let instruction = instructions::finalise_slash_case(address, case, &oracle.io_mint);
    let intent = format!("slash-finalise:{address}:{}", case.state);
    oracle
        .sender
        .send(&Request::new(
            intent,
            oracle.wallet.signer(),
            vec![instruction],
        ))
        .await?;
    Ok(true)
}

/// Delivers to parties that have a token account; the others can ask for theirs (`io slash claim`). Closes what owes nothing.
async fn deliver(oracle: &Oracle, address: &Pubkey, case: &SlashCase) -> Result<bool> {
    let owed = [
        (SlashParty::Renter, case.owed_renter, case.renter),
        (
            SlashParty::Challenger,
            case.owed_challenger,
            case.challenger,
        ),
        (SlashParty::Appellant, case.owed_appellant, case.appellant),
    ];
    let mut instructions = Vec::new();
    let mut left = false;
    for (party, amount, owner) in owed {
        if amount == 0 {
            continue;
        }
        let token = tokens::associated(&owner, &oracle.io_mint);
        match tokens::balance(&oracle.rpc, &token).await? {
            Some(_) => {
                instructions.push(instructions::pay_slash_share(address, party, &token));
            }
            // One's own share is worth an account; other parties open theirs themselves.
            None if owner == oracle.key => {
                instructions.push(tokens::create_associated(
                    &oracle.key,
                    &owner,
                    &oracle.io_mint,
                ));
                instructions.push(instructions::pay_slash_share(address, party, &token));
            }
            None => left = true,
        }
    }
    if !left {
        instructions.push(instructions::close_slash_case(
            address,
            case,
            &oracle.io_mint,
        ));
    }
    if instructions.is_empty() {
        return Ok(false);
    }
    let intent = format!(
        "slash-deliver:{address}:{}:{}:{}",
        case.owed_renter, case.owed_challenger, case.owed_appellant
    );
    oracle
        .sender
        .send(&Request::new(intent, oracle.wallet.signer(), instructions))
        .await?;
    Ok(true)
}

/// This oracle's decision about an appealed case: what is stored, or what it found about the job (for the appeal just now, or its
/// verdict), stored first. `None`: it accused, or has found nothing by running the job.
pub async fn decision(
    oracle: &Oracle,
    address: &Pubkey,
    case: &SlashCase,
    reviewed: Option<verify::Decision>,
) -> Result<Option<SlashVerdict>> {
    let name = address.to_string();
    if let Some(stored) = oracle.db.slash_decision(&name, case.opened_at).await? {
        return Ok(SlashVerdict::from_u8(stored));
    }
    let Some(set) = oracle.index.set() else {
        return Ok(None);
    };
    let slot = set.position(oracle.key.as_ref());
    if case.state().ok() != Some(SlashState::Appealed)
        || slot.is_none_or(|slot| case.accusers & (1 << slot) != 0)
    {
        return Ok(None);
    }
    // A deadline that passed and a cell that is wrong are facts of the chain.
    let verdict = if case.cause != SlashCause::Rejected as u8 {
        SlashVerdict::Upheld
    } else {
        let found = match reviewed {
            Some(found) => Some(found),
            None => {
                // The job may be closed meanwhile: what was decided about it is kept by its address and creation.
                let Some(row) = oracle.db.job(&case.job.to_string()).await? else {
                    return Ok(None);
                };
                // A look at the form says nothing about the work, which is what the penalty is for.
                verify::last_word(oracle, &case.job, row.created_slot)
                    .await?
                    .filter(|found| !found.is_of_form_only())
            }
        };
        match found {
            // A verdict about another output than the one that was rejected says nothing here.
            Some(found) if text::parse_hash(&found.output_hash) == Some(case.subject) => {
                if found.valid {
                    SlashVerdict::Returned
                } else {
                    SlashVerdict::Upheld
                }
            }
            _ => return Ok(None),
        }
    };
    let stored = oracle
        .db
        .keep_slash_decision(&name, case.opened_at, verdict as u8)
        .await?;
    Ok(SlashVerdict::from_u8(stored))
}

/// Looks at the rejected result, if this oracle hasn't yet, or not at all of it. The job's account may be closed: what the events
/// told of it is kept.
async fn review(
    oracle: &Arc<Oracle>,
    address: &Pubkey,
    case: &SlashCase,
) -> Result<Option<verify::Decision>> {
    if case.cause != SlashCause::Rejected as u8 {
        return Ok(None);
    }
    // Decided: while signatures are gathered nothing is run again.
    let name = address.to_string();
    if oracle
        .db
        .slash_decision(&name, case.opened_at)
        .await?
        .is_some()
    {
        return Ok(None);
    }
    let Some(row) = oracle.db.job(&case.job.to_string()).await? else {
        return Ok(None);
    };
    let Ok(job) = bytemuck::try_pod_read_unaligned::<Job>(&row.data) else {
        return Ok(None);
    };
    if job.output_hash != case.subject {
        return Ok(None);
    }
    verify::review(oracle, &case.job, &job).await
}

fn statement(
    oracle: &Oracle,
    set: &OracleSet,
    address: &Pubkey,
    case: &SlashCase,
    verdict: SlashVerdict,
) -> SlashStatement {
    SlashStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        case: address.to_bytes(),
        opened_at: case.opened_at,
        verdict,
    }
}

/// This oracle's signed decision, for whoever asks.
pub async fn attest(oracle: &Oracle, address: &Pubkey) -> Result<Option<SlashDecision>> {
    let Some(case) = accounts::fetch_maybe::<SlashCase>(&oracle.rpc, address).await? else {
        return Ok(None);
    };
    let (Some(verdict), Some(set)) = (
        decision(oracle, address, &case, None).await?,
        oracle.index.set(),
    ) else {
        return Ok(None);
    };
    let message = statement(oracle, &set, address, &case, verdict).to_bytes();
    Ok(Some(SlashDecision {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        case: address.to_string(),
        opened_at: case.opened_at,
        upheld: verdict == SlashVerdict::Upheld,
        signature: oracle.wallet.sign(&message).to_string(),
    }))
}

/// Decides for itself, and, in its turn, gathers the others' signatures and sends the decision.
async fn decide(
    oracle: &Arc<Oracle>,
    set: &OracleSet,
    address: &Pubkey,
    case: &SlashCase,
    rank: usize,
) -> Result<bool> {
    let reviewed = review(oracle, address, case).await?;
    let Some(verdict) = decision(oracle, address, case, reviewed).await? else {
        return Ok(false);
    };
    let turn = case
        .opened_at
        .saturating_add(i64::from(oracle.config.keeper_seconds).saturating_mul(rank as i64));
    if oracle.clock.certain() < turn {
        return Ok(false);
    }
    let message = statement(oracle, set, address, case, verdict).to_bytes();
    let active = set.mask();
    let accusers = (active & case.accusers).count_ones();
    let need = signatures_needed(u32::from(set.quorum), active.count_ones(), accusers) as usize;
    let mut signatures: Vec<(Pubkey, Signature)> = vec![(oracle.key, oracle.wallet.sign(&message))];
    for (key, peer) in oracle.peers.known() {
        if signatures.len() >= need {
            break;
        }
        let accused = |slot: usize| case.accusers & (1 << slot) != 0;
        if set.position(&key).is_none_or(accused) {
            continue;
        }
        let Ok(Ok(Some(theirs))) =
            timeout(PEER_TIMEOUT, peer.slash_decision(&address.to_bytes())).await
        else {
            continue;
        };
        let Some(signature) = text::parse_signature(&theirs.signature) else {
            continue;
        };
        if verify_signature(&key, &message, &signature) {
            signatures.push((Pubkey::new_from_array(key), Signature::from(signature)));
        }
    }
    if signatures.len() < need {
        return Ok(false);
    }
    signatures.sort_by_key(|(key, _)| key.to_bytes());
    let instructions = vec![
        ed25519::verify(&message, &signatures).context("the decision's signatures")?,
        instructions::decide_slash(address, case, &oracle.io_mint, verdict),
    ];
    let intent = format!("slash-decide:{address}:{}:{}", verdict as u8, set.version);
    oracle
        .sender
        .send(&Request::new(intent, oracle.wallet.signer(), instructions))
        .await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    #[test]
    fn what_is_due_is_collected_in_turn_when_there_is_something() {
        const HOUR: i64 = 3_600;
        // Proven in hour 10: until the end of hour 34 whoever did can take it.
        let device = Device {
            bond: 100,
            exposure: 100,
            faulty_epoch: 10u64.to_le_bytes(),
            fault_due: 7u64.to_le_bytes(),
            ..Device::zeroed()
        };
        let poor = Provider {
            staked: 100,
            committed: 100,
            ..Provider::zeroed()
        };
        let rich = Provider {
            staked: 101,
            ..poor
        };
        let end = 35 * HOUR + PAST;
        assert!(collectable(&device, &rich, 0, end, 10));
        assert!(!collectable(&device, &rich, 0, end - 1, 10));
        assert!(!collectable(&device, &rich, 2, end + 19, 10), "its turn");
        assert!(collectable(&device, &rich, 2, end + 20, 10));
        assert!(!collectable(&device, &poor, 0, end, 10), "nothing there");
        let mut leaving = poor;
        leaving.unbonding[3].amount = 1;
        assert!(collectable(&device, &leaving, 0, end, 10));
        let idle = Device {
            exposure: 99,
            ..device
        };
        assert!(collectable(&idle, &poor, 0, end, 10));
        let paid = Device {
            fault_due: [0; 8],
            ..idle
        };
        assert!(!collectable(&paid, &rich, 0, end, 10));
    }

    fn case(state: SlashState) -> SlashCase {
        SlashCase {
            state: state as u8,
            appeal_until: 100,
            decide_until: 200,
            decided_at: 300,
            ..SlashCase::zeroed()
        }
    }

    /// However many cases there are, and however much the first ones ask for: looks that end at their limit reach all of them.
    #[test]
    fn no_case_waits_behind_others_for_ever() {
        let key = |n: u8| Pubkey::new_from_array([n; 32]);
        let mut reached = None;
        // What one look sees, of which each but those `at_rest` has something to be done.
        let mut look = |cases: &[u8], at_rest: &[u8]| {
            let cases = cases.iter().map(|n| (key(*n), *n)).collect();
            let (mut look, mut seen) = (Look::new(cases, &mut reached, 4), Vec::new());
            while let Some((_, n)) = look.next() {
                seen.push(n);
                if !at_rest.contains(&n) {
                    look.did();
                }
            }
            seen
        };
        const ALL: [u8; 6] = [9, 3, 7, 1, 5, 8];
        assert_eq!(look(&ALL, &[]), [1, 3, 5, 7]);
        assert_eq!(look(&ALL, &[]), [8, 9, 1, 3]);
        assert_eq!(look(&ALL, &[]), [5, 7, 8, 9]);
        // Looking costs nothing.
        assert_eq!(look(&ALL, &[3, 8]), [1, 3, 5, 7, 8, 9]);
        assert_eq!(look(&ALL, &[]), [1, 3, 5, 7], "that look came to its end");
        // One that was reached and is gone meanwhile: those behind it are next.
        assert_eq!(look(&[9, 3, 1, 5, 8], &[]), [8, 9, 1, 3]);
        assert!(look(&[], &[]).is_empty());
        assert_eq!(look(&ALL, &ALL), [1, 3, 5, 7, 8, 9]);
        // Two things may be done about one case: also if only one more may.
        let mut reached = None;
        let cases = [1, 2, 3].map(|n| (key(n), ())).to_vec();
        let mut three = Look::new(cases, &mut reached, 3);
        for n in [1, 2] {
            assert_eq!(three.next(), Some((key(n), ())));
            three.did();
            three.did();
        }
        assert_eq!(three.next(), None);
        assert_eq!(reached, Some(key(2)));
    }

    #[test]
    fn time_decides_for_one_after_the_other() {
        let at = |state, rank, now| due(&case(state), rank, now, 10);
        assert_eq!(at(SlashState::Open, 0, 100 + PAST), None);
        assert_eq!(at(SlashState::Open, 0, 101 + PAST), Some(Due::Finalise));
        assert_eq!(at(SlashState::Open, 2, 120 + PAST), None);
        assert_eq!(at(SlashState::Open, 2, 121 + PAST), Some(Due::Finalise));
        assert_eq!(at(SlashState::Appealed, 5, 150), Some(Due::Decide));
        assert_eq!(at(SlashState::Appealed, 0, 200), Some(Due::Decide));
        assert_eq!(
            at(SlashState::Appealed, 0, 201),
            None,
            "too late, and not yet certain"
        );
        assert_eq!(at(SlashState::Appealed, 0, 201 + PAST), Some(Due::Finalise));
        for state in [SlashState::Upheld, SlashState::Returned] {
            assert_eq!(at(state, 0, 300), None);
            assert_eq!(at(state, 1, 311 + PAST), Some(Due::Deliver));
        }
    }
}
