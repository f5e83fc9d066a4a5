//! What the chain says: an index in memory that is rebuilt from the accounts at every start, and a history in the
//! database that is rebuilt from the transactions when the database is new.

mod follow;
mod index;

use std::{
    sync::Mutex,
    sync::PoisonError,
    time::{Duration, Instant},
};

pub use follow::{BurnCause, follow_accounts, follow_events, keep_time, read_time};
pub use index::{Index, Tables};

/// The chain's clock, kept between readings by this machine's.
#[derive(Default)]
pub struct ChainClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    /// Unix seconds on the chain.
    time: i64,
    slot: u64,
    at: Instant,
    /// When the index was last known to be whole.
    fresh: Option<Instant>,
}

impl ChainClock {
    pub fn set(&self, time: i64, slot: u64, fresh: bool) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let before = reading.and_then(|reading| reading.fresh);
        *reading = Some(Reading {
            time,
            slot,
            at,
            fresh: if fresh { Some(at) } else { before },
        });
    }

    fn get(&self) -> Option<Reading> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Unix seconds by the chain's clock; 0 before the first reading.
    pub fn now(&self) -> i64 {
        self.get().map_or(0, |reading| {
            reading
                .time
                .saturating_add(reading.at.elapsed().as_secs() as i64)
        })
    }

    /// Unix seconds at the last reading: the chain's clock is at least there.
    pub fn certain(&self) -> i64 {
        self.get().map_or(0, |reading| reading.time)
    }

    pub fn slot(&self) -> u64 {
        self.get().map_or(0, |reading| reading.slot)
    }

    /// Time since the index was last known to be whole; a very long time before that.
    pub fn age(&self) -> Duration {
        self.get()
            .and_then(|reading| reading.fresh)
            .map_or(Duration::from_secs(u32::MAX.into()), |fresh| {
                fresh.elapsed()
            })
    }
}
