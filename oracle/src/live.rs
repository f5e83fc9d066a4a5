//! What happens, told as it happens: to browsers, through `GET /v1/events`.
//!
//! Two kinds of news. Changes of accounts are numbered and kept for a while, so that a reader that comes back gets what it
//! missed. What the next one supersedes (a heartbeat, progress, the clock) is told once, and a slow reader misses it.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use io_api::{
    auth::now_ms,
    types::{AccountEvent, ClockEvent, Heartbeat, HeartbeatEvent, JobEvent},
};
use io_client::{Pubkey, subscribe::AccountUpdate};
use serde::Serialize;
use tokio::sync::broadcast;

/// Changes kept for readers that come back.
const KEPT: usize = 4_096;
/// Changes that a reader may be behind before it is dropped.
const QUEUE: usize = 1_024;
/// Passing news that a reader may be behind before it misses some.
const PASSING_QUEUE: usize = 256;

/// One piece of news, in the form that goes over the wire.
#[derive(Debug)]
pub struct News {
    /// 0 for passing news.
    pub number: u64,
    /// The provider whom it concerns, for readers that want no other's heartbeats.
    pub provider: Option<Pubkey>,
    pub frame: String,
}

pub struct Live {
    /// Tells numbers of this run from those of another.
    run: u64,
    kept: Mutex<Kept>,
    changes: broadcast::Sender<Arc<News>>,
    passing: broadcast::Sender<Arc<News>>,
}

struct Kept {
    last: u64,
    news: VecDeque<Arc<News>>,
}

/// A reader's place in the stream.
pub struct Reader {
    /// Nothing was missed since the place that the reader named.
    pub resumed: bool,
    /// What came after that place.
    pub missed: Vec<Arc<News>>,
    pub changes: broadcast::Receiver<Arc<News>>,
    pub passing: broadcast::Receiver<Arc<News>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            run: now_ms(),
            kept: Mutex::new(Kept {
                last: 0,
                news: VecDeque::new(),
            }),
            changes: broadcast::channel(QUEUE).0,
            passing: broadcast::channel(PASSING_QUEUE).0,
        }
    }
}

pub fn frame(id: Option<String>, kind: &str, data: &impl Serialize) -> String {
    let mut frame = String::new();
    if let Some(id) = id {
        let _ = writeln!(frame, "id: {id}");
    }
    // JSON in one line: no line break can end the field early.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".into());
    let _ = write!(frame, "event: {kind}\ndata: {data}\n\n");
    frame
}

impl Live {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest place, as a reader names it.
    pub fn place(&self) -> String {
        format!("{}-{}", self.run, self.kept().last)
    }

    /// An account's newest bytes, discriminator included; null once it is closed.
    pub fn account(&self, update: &AccountUpdate) {
        let data = update
            .account
            .as_ref()
            .map(|account| BASE64_STANDARD.encode(&account.data));
        let mut kept = self.kept();
        kept.last += 1;
        let id = format!("{}-{}", self.run, kept.last);
        let body = AccountEvent {
            address: update.address.to_string(),
            slot: update.slot,
            data,
        };
        let news = Arc::new(News {
            number: kept.last,
            provider: None,
            frame: frame(Some(id), "account", &body),
        });
        if kept.news.len() >= KEPT {
            kept.news.pop_front();
        }
        kept.news.push_back(news.clone());
        // Under the lock, so that readers get them in their order. Nobody may be listening.
        let _ = self.changes.send(news);
    }

    fn pass(&self, kind: &str, provider: Option<Pubkey>, data: &impl Serialize) {
        if self.passing.receiver_count() == 0 {
            return;
        }
        let _ = self.passing.send(Arc::new(News {
            number: 0,
            provider,
            frame: frame(None, kind, data),
        }));
    }

    /// What the chain does not show of a job has changed: `GET /v1/jobs/{job}` has it.
    pub fn job(&self, job: &Pubkey) {
        let job = job.to_string();
        self.pass("job", None, &JobEvent { job });
    }

    pub fn heartbeat(&self, provider: Pubkey, heartbeat: &Heartbeat) {
        let data = HeartbeatEvent {
            provider: provider.to_string(),
            heartbeat: heartbeat.clone(),
        };
        self.pass("heartbeat", Some(provider), &data);
    }

    /// The chain's time and slot, and how far behind the index may be.
    pub fn clock(&self, time: i64, slot: u64, index_age_ms: u64) {
        let data = ClockEvent {
            time,
            slot,
            index_age_ms,
        };
        self.pass("clock", None, &data);
    }

    /// Begins to read after `place`, an id that an earlier reading got last.
    pub fn read(&self, place: Option<&str>) -> Reader {
        let kept = self.kept();
        let after = place.and_then(|place| {
            let (run, number) = place.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            let first = kept.last + 1 - kept.news.len() as u64;
            let there = run.parse() == Ok(self.run) && number <= kept.last && number + 1 >= first;
            there.then_some(number)
        });
        let missed = match after {
            None => Vec::new(),
            Some(after) => {
                let newer = |news: &&Arc<News>| news.number > after;
                kept.news.iter().filter(newer).cloned().collect()
            }
        };
        Reader {
            resumed: after.is_some(),
            missed,
            changes: self.changes.subscribe(),
            passing: self.passing.subscribe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(n: u8) -> AccountUpdate {
        AccountUpdate {
            address: Pubkey::new_from_array([n; 32]),
            slot: n.into(),
            account: None,
        }
    }

    #[test]
    fn who_comes_back_gets_what_it_missed_or_is_told() {
        let live = Live::default();
        let start = live.place();
        live.account(&update(1));
        let place = live.place();
        live.account(&update(2));
        let back = live.read(Some(&place));
        assert!(back.resumed);
        assert_eq!(back.missed.len(), 1);
        assert!(
            back.missed[0]
                .frame
                .starts_with(&format!("id: {}\n", live.place()))
        );
        assert_eq!(live.read(Some(&start)).missed.len(), 2);
        assert!(live.read(Some(&live.place())).resumed);
        for unknown in [
            None,
            Some(""),
            Some("x"),
            Some("1-1"),
            Some("-"),
            Some("99999999999999999999-1"),
        ] {
            let reader = live.read(unknown);
            assert!(!reader.resumed && reader.missed.is_empty(), "{unknown:?}");
        }
        let future = format!("{}-{}", live.run, 3);
        assert!(
            !live.read(Some(&future)).resumed,
            "a place that was never told"
        );
        for _ in 0..KEPT {
            live.account(&update(3));
        }
        assert!(!live.read(Some(&start)).resumed, "too long ago");
        assert!(live.read(Some(&place)).missed.len() <= KEPT);
    }

    #[test]
    fn passing_news_is_for_those_who_listen() {
        let live = Live::default();
        live.job(&Pubkey::new_from_array([1; 32]));
        let mut reader = live.read(None);
        live.clock(5, 6, 7);
        let news = reader.passing.try_recv().unwrap();
        assert_eq!(
            news.frame,
            "event: clock\ndata: {\"time\":5,\"slot\":6,\"index_age_ms\":7}\n\n"
        );
        assert!(reader.passing.try_recv().is_err());
    }
}
