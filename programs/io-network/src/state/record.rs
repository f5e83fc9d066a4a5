use crate::prelude::*;
use io_protocol::reputation;

/// What a device did, or the retired devices of a provider, weighed by age: see `io_protocol::reputation`.
#[zero_copy]
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Record {
    /// Jobs completed and jobs failed, 2¹⁶ for one.
    pub completed: u64,
    pub failed: u64,
    /// Payments earned, weighed in IO base units.
    pub volume: u64,
    /// Days since the Unix epoch; the above are as of then.
    pub day: u64,
}

impl From<Record> for reputation::Record {
    fn from(r: Record) -> Self {
        Self {
            completed: r.completed,
            failed: r.failed,
            volume: r.volume,
            day: r.day,
        }
    }
}

impl From<reputation::Record> for Record {
    fn from(r: reputation::Record) -> Self {
        Self {
            completed: r.completed,
            failed: r.failed,
            volume: r.volume,
            day: r.day,
        }
    }
}

impl Record {
    /// Changes the record by one of `io_protocol::reputation`'s functions.
    pub fn change(&mut self, f: impl FnOnce(reputation::Record) -> reputation::Record) {
        *self = f((*self).into()).into();
    }
}
