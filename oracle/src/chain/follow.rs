//! Keeping index, history and clock up with the chain.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use io_client::{
    CommitmentConfig, Pubkey,
    accounts::AnyAccount,
    events::IoEvent,
    io_network,
    subscribe::{AccountStream, EventStream, FollowConfig, Start, TransactionEvents, Update},
};
use io_network::state::Job;
use tokio::{sync::watch, time::sleep};

use crate::{
    chain::index::Changed,
    db::{JobEvent, JobRow, TransitionRow},
    oracle::Oracle,
};

/// Pause between readings of the chain's clock.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// Pause before a failed write to the database is tried again.
const DB_RETRY: Duration = Duration::from_secs(1);

fn follow_config(oracle: &Oracle) -> FollowConfig {
    if oracle.config.local_chain {
        FollowConfig { sweep: Duration::from_millis(500), resync: Duration::from_secs(5), ..FollowConfig::local() }
    } else {
        FollowConfig::default()
    }
}

/// Keeps the index; `whole` turns true once all accounts have been read.
pub async fn follow_accounts(oracle: Arc<Oracle>, connected: watch::Sender<bool>) -> Result<()> {
    let config = follow_config(&oracle);
    let mut stream =
        AccountStream::start(oracle.rpc.clone(), &oracle.config.ws_url, io_network::ID, Vec::new(), config)?;
    let mut health = stream.health();
    loop {
        tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
            changed = health.changed() => {
                changed.context("the account subscription ended")?;
                let up = health.borrow_and_update().connected;
                connected.send_if_modified(|now| std::mem::replace(now, up) != up);
            }
            update = stream.next() => {
                let update = update.context("the account subscription ended")?;
                let account = match update.account.as_ref().map(|account| AnyAccount::decode(&update.address, account)) {
                    None => None,
                    Some(Ok(Some(account))) => Some(account),
                    // Of a newer program.
                    Some(Ok(None)) => continue,
                    Some(Err(error)) => {
                        tracing::warn!(%error, "an account that does not decode");
                        continue;
                    }
                };
                match oracle.index.apply(update.address, update.slot, account) {
                    Changed::Job(job) => oracle.job_changed(&job),
                    Changed::Device(device) => oracle.device_changed(&device),
                    Changed::Other => oracle.all_changed(),
                }
            }
        }
    }
}

/// Keeps the history: every transition, once, in the chain's order.
pub async fn follow_events(oracle: Arc<Oracle>) -> Result<()> {
    let start = oracle.db.cursor().await?.map_or(Start::Beginning, Start::After);
    let mut stream =
        EventStream::start(oracle.rpc.clone(), &oracle.config.ws_url, io_network::ID, start, follow_config(&oracle))?;
    loop {
        let update = tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
            update = stream.next() => update.context("the event subscription ended")?,
        };
        let Update::Transaction(transaction) = update else { continue };
        let rows = rows(&transaction);
        while let Err(error) = oracle.db.record(&transaction.cursor, &rows).await {
            tracing::error!(error = %format!("{error:#}"), "the history can't be written: trying again");
            tokio::select! {
                () = oracle.shutdown.cancelled() => return Ok(()),
                () = sleep(DB_RETRY) => {}
            }
        }
        oracle.metrics.transactions.inc();
    }
}

fn rows(transaction: &TransactionEvents) -> Vec<JobEvent> {
    let signature = transaction.cursor.signature.to_string();
    let slot = transaction.cursor.slot;
    let event = |number: usize, address: &Pubkey, before: Option<u8>, job: &Job, closed: bool| {
        let job_text = address.to_string();
        let transition = before.filter(|before| *before != job.state).map(|before| TransitionRow {
            job: job_text.clone(),
            created_slot: job.created_slot,
            slot,
            signature: signature.clone(),
            number: u32::try_from(number).unwrap_or(u32::MAX),
            before,
            after: job.state,
            at: transaction.block_time,
        });
        let row = JobRow { job: job_text, created_slot: job.created_slot, closed, data: bytemuck::bytes_of(job).to_vec() };
        JobEvent { row, renter: job.renter.to_string(), state: job.state, transition }
    };
    let one = |(number, what): (usize, &IoEvent)| match what {
        IoEvent::JobChanged(changed) => Some(event(number, &changed.job, Some(changed.before), &changed.after, false)),
        IoEvent::JobClosed(closed) => Some(event(number, &closed.job, None, &closed.last, true)),
        _ => None,
    };
    transaction.events.iter().enumerate().filter_map(one).collect()
}

/// Reads the chain's clock, and notes whether the index can be trusted.
pub async fn keep_time(oracle: Arc<Oracle>, connected: watch::Receiver<bool>) {
    loop {
        match read_time(&oracle).await {
            Ok((time, slot)) => oracle.clock.set(time, slot, *connected.borrow()),
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the chain's clock"),
        }
        oracle.metrics.index_age.set(oracle.clock.age().as_secs_f64());
        tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            () = sleep(CLOCK_EVERY) => {}
        }
    }
}

pub async fn read_time(oracle: &Oracle) -> Result<(i64, u64)> {
    let time = oracle.rpc.chain_time().await?;
    let position = oracle.rpc.position(CommitmentConfig::confirmed()).await?;
    Ok((time, position.slot))
}
