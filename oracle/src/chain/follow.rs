//! Keeping index, history and clock up with the chain.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures_util::FutureExt;
use io_client::{
    CommitmentConfig, Pubkey,
    accounts::AnyAccount,
    events::IoEvent,
    io_network, pda,
    subscribe::{
        AccountStream, AccountUpdate, EventStream, FollowConfig, Start, TransactionEvents, Update,
    },
};
use io_network::state::Job;
use tokio::{sync::watch, task::unconstrained, time::sleep};

use crate::{
    chain::index::Changed,
    db::{BurnRow, JobEvent, JobRow, TransitionRow},
    oracle::Oracle,
};

/// Pause between readings of the chain's clock.
const CLOCK_EVERY: Duration = Duration::from_secs(1);
/// Pause before a failed write to the database is tried again.
const DB_RETRY: Duration = Duration::from_secs(1);

fn follow_config(oracle: &Oracle) -> FollowConfig {
    if oracle.config.local_chain {
        FollowConfig {
            sweep: Duration::from_millis(500),
            resync: Duration::from_secs(5),
            ..FollowConfig::local()
        }
    } else {
        FollowConfig::default()
    }
}

/// Keeps the index; `whole` tells whether it has all accounts, and news of them arrives.
pub async fn follow_accounts(oracle: Arc<Oracle>, whole: watch::Sender<bool>) -> Result<()> {
    let config = follow_config(&oracle);
    let mut stream = AccountStream::start(
        oracle.rpc.clone(),
        &oracle.config.ws_url,
        io_network::ID,
        Vec::new(),
        config,
    )?;
    let mut health = stream.health();
    loop {
        tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
            changed = health.changed() => {
                changed.context("the account subscription ended")?;
                let is_whole = health.borrow_and_update().whole;
                // What makes it so was delivered before, however much it is.
                while let Some(Some(update)) = unconstrained(stream.next()).now_or_never() {
                    apply(&oracle, update);
                }
                whole.send_if_modified(|now| std::mem::replace(now, is_whole) != is_whole);
            }
            update = stream.next() => apply(&oracle, update.context("the account subscription ended")?),
        }
    }
}

fn apply(oracle: &Oracle, update: AccountUpdate) {
    oracle.live.account(&update);
    let decode = |account| AnyAccount::decode(&update.address, account);
    let account = match update.account.as_ref().map(decode) {
        None => None,
        Some(Ok(Some(account))) => Some(account),
        // Of a newer program.
        Some(Ok(None)) => return,
        Some(Err(error)) => {
            tracing::warn!(%error, "an account that does not decode");
            return;
        }
    };
    spread(
        oracle,
        oracle.index.apply(update.address, update.slot, account),
    );
}

fn spread(oracle: &Oracle, changed: Option<Changed>) {
    match changed {
        Some(Changed::Job(job)) => oracle.job_changed(&job),
        Some(Changed::Device(device)) => oracle.device_changed(&device),
        Some(Changed::Other) => oracle.all_changed(),
        None => {}
    }
}

/// The account that an event tells of, with its state afterwards.
fn account_of(event: IoEvent) -> Option<(Pubkey, Option<AnyAccount>)> {
    Some(match event {
        IoEvent::JobChanged(event) => (event.job, Some(AnyAccount::Job(Box::new(event.after)))),
        IoEvent::JobClosed(event) => (event.job, None),
        IoEvent::DeviceChanged(event) => (
            event.device,
            Some(AnyAccount::Device(Box::new(event.after))),
        ),
        IoEvent::DeviceRetired(event) => (event.device, None),
        IoEvent::ProviderChanged(event) => (
            event.provider,
            Some(AnyAccount::Provider(Box::new(event.after))),
        ),
        IoEvent::SlashCaseChanged(event) => (
            event.case,
            Some(AnyAccount::SlashCase(Box::new(event.after))),
        ),
        IoEvent::SlashCaseClosed(event) => (event.case, None),
        IoEvent::OracleChanged(event) => (
            event.oracle,
            Some(AnyAccount::Oracle(Box::new(event.after))),
        ),
        IoEvent::CoStakeChanged(event) => (
            event.co_stake,
            Some(AnyAccount::CoStake(Box::new(event.after))),
        ),
        IoEvent::CoStakeClosed(event) => (event.co_stake, None),
        IoEvent::NetworkChanged(event) => (
            pda::network(),
            Some(AnyAccount::Network(Box::new(event.after))),
        ),
        IoEvent::OracleSetChanged(event) => (
            pda::oracle_set(),
            Some(AnyAccount::OracleSet(Box::new(event.after))),
        ),
        IoEvent::DeviceClassChanged(event) => (
            event.class,
            Some(AnyAccount::DeviceClass(Box::new(event.after))),
        ),
        IoEvent::PaymentMintChanged(event) => (
            event.payment,
            Some(AnyAccount::PaymentMint(Box::new(event.after))),
        ),
        IoEvent::EmissionChanged(event) => (
            pda::emission(),
            Some(AnyAccount::Emission(Box::new(event.after))),
        ),
        IoEvent::VestingChanged(event) => (
            event.vesting,
            Some(AnyAccount::Vesting(Box::new(event.after))),
        ),
        IoEvent::ProposalChanged(event) => (
            event.proposal,
            Some(AnyAccount::Proposal(Box::new(event.after))),
        ),
        IoEvent::ProposalClosed(event) => (event.proposal, None),
        IoEvent::DepositChanged(event) => (
            event.deposit,
            Some(AnyAccount::Deposit(Box::new(event.after))),
        ),
        IoEvent::DepositClosed(event) => (event.deposit, None),
        IoEvent::BuyBackChanged(event) => (
            event.buy_back,
            Some(AnyAccount::BuyBack(Box::new(event.after))),
        ),
        // Whoever proves with it reads the account.
        IoEvent::EvidenceChanged(_) | IoEvent::EvidenceClosed(_) => return None,
        IoEvent::AccountMigrated(event) => {
            match AnyAccount::from_data(&event.account, &event.data) {
                Ok(Some(account)) => (event.account, Some(account)),
                _ => return None,
            }
        }
    })
}

/// What IO is burned for, as the database has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BurnCause {
    Fees = 1,
    Penalties = 2,
    BuyBacks = 3,
    Bonds = 4,
}

/// Name of the last known share of whoever proves a fault, basis points.
const CHALLENGER_SHARE: &str = "challenger_bps";

/// What a transaction's events say of burns. `share` is what whoever proves an oracle's fault gets, basis points, as the events told
/// it last. Pure.
fn burns(events: &[IoEvent], at: i64, share: &mut u16) -> Vec<BurnRow> {
    let mut rows = Vec::new();
    for event in events {
        let (account, cause, total, share_bps) = match event {
            IoEvent::NetworkChanged(event) => {
                *share = event.after.slash_challenger_bps;
                continue;
            }
            IoEvent::PaymentMintChanged(event) => {
                (event.payment, BurnCause::Fees, event.after.burned, 0)
            }
            IoEvent::SlashCaseChanged(event) => {
                (event.case, BurnCause::Penalties, event.after.burned, 0)
            }
            IoEvent::BuyBackChanged(event) => {
                (event.buy_back, BurnCause::BuyBacks, event.after.burned, 0)
            }
            // Of a lost bond its prover's share does not burn.
            IoEvent::OracleChanged(event) => {
                (event.oracle, BurnCause::Bonds, event.after.slashed, *share)
            }
            _ => continue,
        };
        if total > 0 {
            rows.push(BurnRow {
                account: account.to_string(),
                cause: cause as u8,
                total,
                share_bps,
                at,
            });
        }
    }
    rows
}

/// Keeps the history: every transition and every burn, once, in the chain's order.
pub async fn follow_events(oracle: Arc<Oracle>) -> Result<()> {
    // What is older the accounts tell, all at once.
    let present = oracle.clock.slot();
    let start = oracle
        .db
        .cursor()
        .await?
        .map_or(Start::Beginning, Start::After);
    let known = oracle.db.meta(CHALLENGER_SHARE).await?;
    let mut share: u16 = known.map_or(Ok(0), |text| text.parse())?;
    let mut stream = EventStream::start(
        oracle.rpc.clone(),
        &oracle.config.ws_url,
        io_network::ID,
        start,
        follow_config(&oracle),
    )?;
    loop {
        let update = tokio::select! {
            () = oracle.shutdown.cancelled() => return Ok(()),
            update = stream.next() => update.context("the event subscription ended")?,
        };
        let Update::Transaction(transaction) = update else {
            continue;
        };
        let at = transaction.block_time.unwrap_or_else(|| oracle.clock.now());
        let before = share;
        let burns = burns(&transaction.events, at, &mut share);
        let (rows, cursor) = (rows(&transaction), transaction.cursor);
        for event in transaction.events {
            if cursor.slot < present {
                break;
            }
            if let Some((address, account)) = account_of(event) {
                spread(
                    &oracle,
                    oracle.index.apply_event(address, cursor.slot, account),
                );
            }
        }
        let record = async || {
            if share != before {
                let text = share.to_string();
                oracle.db.set_meta(CHALLENGER_SHARE, &text).await?;
            }
            oracle.db.record(&cursor, &rows, &burns).await
        };
        while let Err(error) = record().await {
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
        let transition = before
            .filter(|before| *before != job.state)
            .map(|before| TransitionRow {
                job: job_text.clone(),
                created_slot: job.created_slot,
                slot,
                signature: signature.clone(),
                number: u32::try_from(number).unwrap_or(u32::MAX),
                before,
                after: job.state,
                at: transaction.block_time,
            });
        let row = JobRow {
            job: job_text,
            created_slot: job.created_slot,
            closed,
            data: bytemuck::bytes_of(job).to_vec(),
        };
        JobEvent {
            row,
            renter: job.renter.to_string(),
            state: job.state,
            transition,
        }
    };
    let one = |(number, what): (usize, &IoEvent)| match what {
        IoEvent::JobChanged(changed) => Some(event(
            number,
            &changed.job,
            Some(changed.before),
            &changed.after,
            false,
        )),
        IoEvent::JobClosed(closed) => Some(event(number, &closed.job, None, &closed.last, true)),
        _ => None,
    };
    transaction
        .events
        .iter()
        .enumerate()
        .filter_map(one)
        .collect()
}

/// Reads the chain's clock, and notes whether the index can be trusted.
pub async fn keep_time(oracle: Arc<Oracle>, mut whole: watch::Receiver<bool>) {
    loop {
        match read_time(&oracle).await {
            Ok((time, slot)) => {
                oracle.clock.set(time, slot, *whole.borrow_and_update());
                let age = oracle.clock.age().as_millis() as u64;
                oracle.live.clock(time, slot, age);
            }
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the chain's clock"),
        }
        oracle
            .metrics
            .index_age
            .set(oracle.clock.age().as_secs_f64());
        tokio::select! {
            () = oracle.shutdown.cancelled() => return,
            () = sleep(CLOCK_EVERY) => {}
            Ok(()) = whole.changed() => {}
        }
    }
}

pub async fn read_time(oracle: &Oracle) -> Result<(i64, u64)> {
    let time = oracle.rpc.chain_time().await?;
    let position = oracle.rpc.position(CommitmentConfig::confirmed()).await?;
    Ok((time, position.slot))
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;
    use io_client::io_network::{
        events::{
            BuyBackChanged, NetworkChanged, OracleChanged, PaymentMintChanged, SlashCaseChanged,
        },
        state::{BuyBack, Network, Oracle, PaymentMint, SlashCase},
    };

    use super::*;

    #[test]
    fn burns_are_read_from_what_accounts_say_they_burned() {
        let key = |n| Pubkey::new_from_array([n; 32]);
        let events = [
            IoEvent::OracleChanged(Box::new(OracleChanged {
                oracle: key(1),
                after: Oracle::zeroed(),
            })),
            IoEvent::PaymentMintChanged(Box::new(PaymentMintChanged {
                payment: key(2),
                after: PaymentMint {
                    burned: 5,
                    ..PaymentMint::zeroed()
                },
            })),
            IoEvent::SlashCaseChanged(Box::new(SlashCaseChanged {
                case: key(3),
                after: SlashCase {
                    burned: 6,
                    ..SlashCase::zeroed()
                },
            })),
            IoEvent::BuyBackChanged(Box::new(BuyBackChanged {
                buy_back: key(4),
                after: BuyBack {
                    burned: 7,
                    ..BuyBack::zeroed()
                },
            })),
            IoEvent::NetworkChanged(Box::new(NetworkChanged {
                after: Network {
                    slash_challenger_bps: 2_500,
                    ..Network::zeroed()
                },
            })),
            IoEvent::OracleChanged(Box::new(OracleChanged {
                oracle: key(1),
                after: Oracle {
                    slashed: 8,
                    ..Oracle::zeroed()
                },
            })),
        ];
        let mut share = 100;
        let rows = burns(&events, 9, &mut share);
        let row = |n, cause: BurnCause, total, share_bps| BurnRow {
            account: key(n).to_string(),
            cause: cause as u8,
            total,
            share_bps,
            at: 9,
        };
        assert_eq!(
            rows,
            [
                row(2, BurnCause::Fees, 5, 0),
                row(3, BurnCause::Penalties, 6, 0),
                row(4, BurnCause::BuyBacks, 7, 0),
                row(1, BurnCause::Bonds, 8, 2_500),
            ]
        );
        assert_eq!(share, 2_500);
    }
}
