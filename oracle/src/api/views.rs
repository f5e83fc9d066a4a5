//! Accounts as the interface shows them.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use io_api::{
    text,
    types::{Amount, BurnStep, Burned, Burns, EngineOffer, JobView, Offer, Stage, Transition},
};
use io_client::{
    Pubkey,
    io_network::state::{Device, DeviceClass, Job, JobState, Provider},
};

use crate::{
    chain::BurnCause,
    db::BurnedRow,
    keeper::state_name,
    oracle::{InputState, Oracle, SpecState, lock},
    verify::verdict,
};

pub fn class_name(class: &DeviceClass) -> String {
    let end = class
        .name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(class.name.len());
    String::from_utf8_lossy(&class.name[..end]).into_owned()
}

/// A class's reference price, base units of IO for an hour; `None` while it has none.
pub fn reference(class: &DeviceClass) -> Option<u64> {
    (class.price_ceiling > 0).then_some(class.reference_price)
}

pub fn offer(oracle: &Oracle, address: &Pubkey, device: &Device) -> Offer {
    let (class, provider): (Option<DeviceClass>, Option<Provider>) = {
        let tables = oracle.index.read();
        (
            tables.class_of(device).copied(),
            tables.providers.get(&device.provider).copied(),
        )
    };
    let state = oracle.links.state(address).unwrap_or_default();
    let because = oracle.unavailable(address, device);
    let age_ms = state
        .heartbeat_at
        .map(|at| at.elapsed())
        .map_or(0, |age: Duration| age.as_millis() as u64);
    let engines: BTreeMap<String, EngineOffer> = state
        .heartbeat
        .as_ref()
        .map(|heartbeat| heartbeat.engines.clone())
        .unwrap_or_default();
    Offer {
        device: address.to_string(),
        provider: device.provider.to_string(),
        class: device.class,
        class_name: class.as_ref().map(class_name).unwrap_or_default(),
        memory_mib: device.memory_mib,
        tops_e2: device.tops_e2,
        down_mbit: device.down_mbit,
        up_mbit: device.up_mbit,
        latency_ms: (device.latency_ms > 0).then_some(device.latency_ms),
        region: text::region(device.region),
        reputation_bps: provider.map_or(0, |provider| {
            device.reputation_bps(&provider, oracle.clock.now())
        }),
        available: because.is_none(),
        unavailable_because: because.map(str::to_owned),
        engines,
        reference_hour: class.as_ref().and_then(reference).map(Amount),
        last_heartbeat_ms: state
            .heartbeat_at
            .map_or(0, |_| io_api::auth::now_ms().saturating_sub(age_ms)),
    }
}

fn some_time(seconds: i64) -> Option<i64> {
    (seconds != 0).then_some(seconds)
}

fn some_key(key: &Pubkey) -> Option<String> {
    (*key != Pubkey::default()).then(|| key.to_string())
}

/// A job as index, history and this oracle's own work show it. `live` is false for one that has been closed.
pub async fn job(oracle: &Oracle, address: &Pubkey, job: &Job, live: bool) -> Result<JobView> {
    let name = address.to_string();
    let state = JobState::try_from(job.state).unwrap_or(JobState::None);
    let found = if job.submitted_at != 0 {
        verdict(oracle, address, job).await?
    } else {
        None
    };
    let note = oracle.note(address);
    let note = if live && note.created_slot == job.created_slot {
        note
    } else {
        Default::default()
    };
    let ticket = lock(&oracle.market).ticket(address);
    let (stage, reason) = match state {
        _ if state.is_final() => (
            Stage::Final,
            found.as_ref().and_then(|found| found.reason.clone()),
        ),
        JobState::Running => (Stage::Running, None),
        JobState::Open => match (&note.spec, &note.inputs, ticket) {
            (SpecState::Invalid(reason), ..) => (Stage::SpecInvalid, Some(reason.clone())),
            (SpecState::Missing, ..) => {
                let reason = format!(
                    "no oracle here has the spec {}: upload it",
                    text::hash(&job.spec_hash)
                );
                (Stage::SpecMissing, Some(reason))
            }
            (_, _, Some(_)) => (Stage::Matched, None),
            (SpecState::Ready(_), InputState::Missing(hash), None) => {
                let reason =
                    format!("no oracle here has the input {hash} that the spec names: upload it");
                (Stage::InputMissing, Some(reason))
            }
            _ => (Stage::Waiting, note.reason.clone()),
        },
        _ => match &found {
            Some(found) if found.valid => (Stage::Attested, None),
            Some(found) => (Stage::Refused, found.reason.clone()),
            None => (
                Stage::Verifying,
                note.reason.clone().filter(|_| !note.verifying),
            ),
        },
    };
    let history = oracle.db.history(&name, job.created_slot).await?;
    let transition = |row: crate::db::TransitionRow| {
        let name = |state| {
            JobState::try_from(state)
                .map_or("unknown", state_name)
                .to_owned()
        };
        Transition {
            from: name(row.before),
            to: name(row.after),
            signature: row.signature,
            slot: row.slot,
            at: row.at,
        }
    };
    let accepted = job.device != Pubkey::default();
    let submitted = job.submitted_at != 0;
    let last = state.is_final();
    let device = some_key(&job.device).or_else(|| ticket.map(|ticket| ticket.device.to_string()));
    Ok(JobView {
        job: name,
        renter: job.renter.to_string(),
        payer: job.payer.to_string(),
        mint: job.mint.to_string(),
        kind: if job.is_lease() { "lease" } else { "task" }.to_owned(),
        state: state_name(state).to_owned(),
        stage,
        reason,
        spec_hash: text::hash(&job.spec_hash),
        output_hash: submitted.then(|| text::hash(&job.output_hash)),
        device,
        provider: some_key(&job.provider),
        max_price: Amount(job.max_price),
        ask: accepted.then_some(Amount(job.ask)),
        max_units: job.max_units,
        units: submitted.then_some(job.units),
        escrow: Amount(job.escrow),
        paid: last.then_some(Amount(job.paid)),
        fees: last.then_some(Amount(job.fees)),
        refunded: last.then_some(Amount(job.refunded)),
        created_at: job.created_at,
        deadline: job.deadline,
        accepted_at: some_time(job.accepted_at),
        submitted_at: some_time(job.submitted_at),
        challenge_until: some_time(job.challenge_until),
        finished_at: some_time(job.finished_at),
        progress: note.progress,
        history: history.into_iter().map(transition).collect(),
    })
}

/// What was burned, from rows in the order of time.
pub fn burns(step: u64, steps: &[BurnedRow], before: &[BurnedRow]) -> Burns {
    let add = |burned: &mut Burned, row: &BurnedRow| {
        let part = match row.cause {
            cause if cause == BurnCause::Fees as u8 => &mut burned.fees,
            cause if cause == BurnCause::Penalties as u8 => &mut burned.penalties,
            cause if cause == BurnCause::BuyBacks as u8 => &mut burned.buy_backs,
            _ => &mut burned.bonds,
        };
        part.0 = part.0.saturating_add(row.amount);
    };
    let mut all: Vec<BurnStep> = Vec::new();
    for row in steps {
        match all.last_mut().filter(|last| last.at == row.at) {
            Some(last) => add(&mut last.burned, row),
            None => {
                let mut burned = Burned::default();
                add(&mut burned, row);
                all.push(BurnStep { at: row.at, burned });
            }
        }
    }
    let mut earlier = Burned::default();
    for row in before {
        add(&mut earlier, row);
    }
    Burns {
        step_seconds: step,
        before: earlier,
        steps: all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_one_step_stand_beside_each_other() {
        let row = |at, cause: BurnCause, amount| BurnedRow {
            at,
            cause: cause as u8,
            amount,
        };
        let rows = [
            row(0, BurnCause::Fees, 1),
            row(0, BurnCause::Bonds, 2),
            row(3_600, BurnCause::BuyBacks, 3),
            row(3_600, BurnCause::Penalties, 4),
        ];
        let seen = burns(3_600, &rows, &[row(0, BurnCause::Fees, 9)]);
        let burned = |fees, penalties, buy_backs, bonds| Burned {
            fees: Amount(fees),
            penalties: Amount(penalties),
            buy_backs: Amount(buy_backs),
            bonds: Amount(bonds),
        };
        assert_eq!(
            seen,
            Burns {
                step_seconds: 3_600,
                before: burned(9, 0, 0, 0),
                steps: vec![
                    BurnStep {
                        at: 0,
                        burned: burned(1, 0, 0, 2)
                    },
                    BurnStep {
                        at: 3_600,
                        burned: burned(0, 4, 3, 0)
                    },
                ],
            }
        );
    }
}
