//! What the worker remembers of its jobs over a crash: one small file a job, replaced whole and synced.
//!
//! The journal only ever says what was *intended* and what lies on this disk. What happened is the chain's to say:
//! [`next`] decides from both, and from nothing else, what to do now. That makes every crash the same case: read both
//! again, ask [`next`] again. Each action may be repeated: a transaction by its intent, a run because engines leave the
//! same result, an upload because blobs are addressed by their content.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, bail, ensure};
use io_client::{
    Pubkey,
    io_network::state::{Job, JobState},
};
use io_engines::BlobHash;
use serde::{Deserialize, Serialize};

use crate::{
    config::{read_small, sync_folder, write_durably},
    limits::*,
};

/// A job's file in its folder.
const RECORD_FILE: &str = "job.json";
/// The result's folder in the job's.
const OUT_DIR: &str = "out";

/// A match ticket: an oracle's signature that reserves the job for this device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub oracle: String,
    pub set_version: u64,
    /// Unix seconds, by the chain's clock.
    pub expires_at: i64,
    pub signature: String,
}

/// A result on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredResult {
    /// The manifest's hash.
    pub output_hash: BlobHash,
    pub trace_root: BlobHash,
    pub units: u64,
}

/// A job, as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The job's account, base58.
    pub job: String,
    /// Tells two jobs at one address apart.
    pub created_slot: u64,
    pub spec_hash: BlobHash,
    /// What this device asked, base units of the job's mint for 1,000 units.
    pub ask: u64,
    /// What reserves the job; absent for one found on the chain without the journal knowing.
    pub ticket: Option<Ticket>,
    pub result: Option<StoredResult>,
    /// At least one oracle has all of the result.
    pub uploaded: bool,
    /// Runs that failed by this machine's fault.
    pub failed_runs: u32,
    /// Set when nothing is left to do: why, in words.
    pub ended: Option<String>,
    /// Unix seconds by this machine's clock: when it ended.
    pub ended_at: Option<i64>,
}

impl Record {
    pub fn new(job: &Pubkey, chain: &Job, ask: u64, ticket: Option<Ticket>) -> Self {
        Self {
            job: job.to_string(),
            created_slot: chain.created_slot,
            spec_hash: BlobHash(chain.spec_hash),
            ask,
            ticket,
            result: None,
            uploaded: false,
            failed_runs: 0,
            ended: None,
            ended_at: None,
        }
    }

    pub fn address(&self) -> Result<Pubkey> {
        self.job
            .parse()
            .with_context(|| format!("'{}' in the journal isn't a job's address", self.job))
    }

    /// Folder name: two jobs at one address have two.
    fn key(&self) -> String {
        format!("{}-{}", self.job, self.created_slot)
    }

    /// Names what a transaction does, so that it is done once.
    pub fn intent(&self, what: &str) -> String {
        format!("{what}:{}:{}", self.job, self.created_slot)
    }
}

/// What to do next for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send `accept_job`.
    Accept,
    /// Fetch what it needs and run it.
    Run,
    /// Bring the result to the oracles.
    Upload,
    /// Send `submit_result`.
    Submit,
    /// Gather verdicts and settle.
    Gather,
    /// Its time has passed; somebody must send `expire_job`.
    Expire,
    /// Nothing is left to do, because…
    End(String),
}

/// Decides what to do from the journal's record, the chain's account (`None`: closed), this device and the chain's time.
pub fn next(record: &Record, chain: Option<&Job>, device: &Pubkey, now: i64) -> Next {
    let Some(chain) = chain.filter(|chain| chain.created_slot == record.created_slot) else {
        return Next::End("the job's account is closed".into());
    };
    let Ok(state) = chain.state() else {
        return Next::End(format!(
            "the chain says state {}, which this worker doesn't know: update it",
            chain.state
        ));
    };
    let ours = chain.device == *device;
    match state {
        JobState::Open => {
            let ticketed = record
                .ticket
                .as_ref()
                .is_some_and(|ticket| now <= ticket.expires_at);
            if now >= chain.deadline {
                Next::End("its deadline passed before it was accepted".into())
            } else if record.ticket.is_none() || (!ticketed && now <= chain.match_until) {
                Next::End("its match ticket expired before it was accepted".into())
            } else {
                Next::Accept
            }
        }
        JobState::Running if ours && now > chain.run_until => Next::Expire,
        JobState::Running if ours => match record.result {
            None if record.failed_runs >= MAX_RUN_ATTEMPTS => Next::Expire,
            None => Next::Run,
            Some(_) if !record.uploaded => Next::Upload,
            Some(_) => Next::Submit,
        },
        JobState::Submitted | JobState::Disputed if ours => Next::Gather,
        JobState::Running | JobState::Submitted | JobState::Disputed => {
            Next::End("another device has it".into())
        }
        JobState::Settled => Next::End("settled".into()),
        JobState::Rejected => Next::End("rejected: a quorum found the result wrong".into()),
        JobState::Cancelled => Next::End("cancelled".into()),
        JobState::Expired => Next::End("expired".into()),
        JobState::None => Next::End("the job's account is empty".into()),
    }
}

/// The journal: `data_dir/jobs/<job>-<slot>/job.json`, and the result beside it.
pub struct Journal {
    dir: PathBuf,
    /// Records at once.
    most: usize,
    records: Mutex<HashMap<String, Record>>,
}

impl Journal {
    /// Reads every record. A record that isn't readable is an error: a person must look, money may hang on it.
    pub fn open(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("can't make the folder {}", dir.display()))?;
        let mut records = HashMap::new();
        for entry in
            std::fs::read_dir(dir).with_context(|| format!("can't read {}", dir.display()))?
        {
            let folder = entry?.path();
            let path = folder.join(RECORD_FILE);
            let Some(bytes) = read_small(&path, MAX_RECORD_BYTES)? else {
                continue;
            };
            let record: Record = serde_json::from_slice(&bytes).with_context(|| {
                format!(
                    "{} isn't a record of this version: move its folder away to start without it",
                    path.display()
                )
            })?;
            record.address()?;
            records.insert(record.key(), record);
            ensure!(
                records.len() <= MAX_JOURNALLED_JOBS,
                "{} holds more than {MAX_JOURNALLED_JOBS} jobs: lower retention_seconds or move old folders away",
                dir.display()
            );
        }
        Ok(Self {
            dir: dir.to_owned(),
            most: MAX_JOURNALLED_JOBS,
            records: Mutex::new(records),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a record; it survives a crash when this returns. Blocks on the disk. When the journal is full, the job that
    /// ended longest ago makes room.
    pub fn put(&self, record: &Record) -> Result<()> {
        let key = record.key();
        let oldest = {
            let records = self.lock();
            let full = !records.contains_key(&key) && records.len() >= self.most;
            let ended = records.values().filter(|record| record.ended_at.is_some());
            full.then(|| ended.min_by_key(|record| record.ended_at).cloned())
        };
        match oldest {
            None => {}
            Some(Some(oldest)) => self.forget(&oldest)?,
            Some(None) => bail!("the journal holds {} unfinished jobs already", self.most),
        }
        let folder = self.dir.join(&key);
        let is_new = !folder.is_dir();
        write_durably(
            &folder.join(RECORD_FILE),
            &serde_json::to_vec_pretty(record)?,
        )?;
        if is_new {
            sync_folder(&self.dir)?;
        }
        self.lock().insert(key, record.clone());
        Ok(())
    }

    /// The record of a job's incarnation.
    pub fn get(&self, job: &Pubkey, created_slot: u64) -> Option<Record> {
        self.lock().get(&format!("{job}-{created_slot}")).cloned()
    }

    /// Records that something is left to do for.
    pub fn unfinished(&self) -> Vec<Record> {
        let mut all: Vec<Record> = self
            .lock()
            .values()
            .filter(|record| record.ended.is_none())
            .cloned()
            .collect();
        all.sort_by(|a, b| (a.created_slot, &a.job).cmp(&(b.created_slot, &b.job)));
        all
    }

    /// Records of jobs that ended before `before` (Unix seconds).
    pub fn ended_before(&self, before: i64) -> Vec<Record> {
        let mut all: Vec<Record> = self
            .lock()
            .values()
            .filter(|record| record.ended_at.is_some_and(|at| at < before))
            .cloned()
            .collect();
        all.sort_by_key(|record| record.ended_at);
        all
    }

    /// Forgets a job and deletes its result.
    pub fn forget(&self, record: &Record) -> Result<()> {
        let key = record.key();
        let folder = self.dir.join(&key);
        // The record first: a folder without one is rubbish, whatever else is in it.
        let path = folder.join(RECORD_FILE);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(e).with_context(|| format!("can't delete {}", path.display()));
            }
            _ => {}
        }
        self.lock().remove(&key);
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("can't delete {}", folder.display()))
    }

    /// Bytes of all results, and of the one that ended longest ago.
    pub fn results(&self) -> Result<(u64, Option<Record>)> {
        let mut bytes = 0_u64;
        for entry in std::fs::read_dir(&self.dir)?.flatten() {
            let Ok(files) = std::fs::read_dir(entry.path().join(OUT_DIR)) else {
                continue;
            };
            for file in files.flatten() {
                bytes = bytes.saturating_add(file.metadata().map_or(0, |meta| meta.len()));
            }
        }
        let records = self.lock();
        let oldest = records
            .values()
            .filter(|record| record.ended_at.is_some())
            .min_by_key(|record| record.ended_at);
        Ok((bytes, oldest.cloned()))
    }

    /// Where a job's result goes.
    pub fn out_dir(&self, record: &Record) -> PathBuf {
        self.dir.join(record.key()).join(OUT_DIR)
    }

    /// Deletes folders without a record: what a crash between the two steps of [`forget`](Self::forget) leaves.
    pub fn sweep(&self) -> Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let folder = entry?.path();
            if folder.is_dir() && !folder.join(RECORD_FILE).exists() {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("can't delete {}", folder.display()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use proptest::prelude::*;

    const DEVICE: Pubkey = Pubkey::new_from_array([7; 32]);
    const OTHER: Pubkey = Pubkey::new_from_array([8; 32]);
    const JOB: Pubkey = Pubkey::new_from_array([9; 32]);

    fn chain(state: JobState) -> Job {
        Job {
            state: state as u8,
            created_slot: 5,
            deadline: 1_000,
            match_until: 100,
            run_until: 500,
            device: if matches!(state, JobState::Open | JobState::Cancelled) {
                Pubkey::default()
            } else {
                DEVICE
            },
            spec_hash: [3; 32],
            ..Job::zeroed()
        }
    }

    fn ticket(expires_at: i64) -> Ticket {
        Ticket {
            oracle: OTHER.to_string(),
            set_version: 1,
            expires_at,
            signature: "s".into(),
        }
    }

    fn record() -> Record {
        Record::new(&JOB, &chain(JobState::Open), 10, Some(ticket(50)))
    }

    fn result() -> StoredResult {
        StoredResult {
            output_hash: BlobHash([1; 32]),
            trace_root: BlobHash([2; 32]),
            units: 3,
        }
    }

    #[test]
    fn an_open_job_is_accepted_while_it_is_reserved_or_free_for_all() {
        let open = chain(JobState::Open);
        let ends = |next: Next| matches!(next, Next::End(_));
        assert_eq!(next(&record(), Some(&open), &DEVICE, 50), Next::Accept);
        assert!(
            ends(next(&record(), Some(&open), &DEVICE, 51)),
            "reserved for whoever has a ticket"
        );
        assert_eq!(
            next(&record(), Some(&open), &DEVICE, 101),
            Next::Accept,
            "free for all"
        );
        assert!(
            ends(next(&record(), Some(&open), &DEVICE, 1_000)),
            "too late"
        );
        assert!(
            ends(next(
                &Record {
                    ticket: None,
                    ..record()
                },
                Some(&open),
                &DEVICE,
                101
            )),
            "never asked for"
        );
    }

    #[test]
    fn a_running_job_goes_on_where_its_record_stands() {
        let running = chain(JobState::Running);
        let stored = Record {
            result: Some(result()),
            ..record()
        };
        let uploaded = Record {
            uploaded: true,
            ..stored.clone()
        };
        assert_eq!(next(&record(), Some(&running), &DEVICE, 500), Next::Run);
        assert_eq!(next(&stored, Some(&running), &DEVICE, 500), Next::Upload);
        assert_eq!(next(&uploaded, Some(&running), &DEVICE, 500), Next::Submit);
        assert_eq!(next(&uploaded, Some(&running), &DEVICE, 501), Next::Expire);
        let failed = Record {
            failed_runs: MAX_RUN_ATTEMPTS,
            ..record()
        };
        assert_eq!(next(&failed, Some(&running), &DEVICE, 500), Next::Expire);
        assert!(matches!(
            next(&record(), Some(&running), &OTHER, 500),
            Next::End(_)
        ));
    }

    #[test]
    fn a_job_created_again_at_the_same_address_is_another_job() {
        let again = Job {
            created_slot: 6,
            ..chain(JobState::Running)
        };
        assert!(matches!(
            next(&record(), Some(&again), &DEVICE, 0),
            Next::End(_)
        ));
        assert!(matches!(next(&record(), None, &DEVICE, 0), Next::End(_)));
    }

    /// A crash after every prefix of the worker's writes: the record that is on disk then, and every state that the chain can
    /// have reached by then (a transaction may have landed or not).
    #[test]
    fn after_a_crash_between_any_two_writes_the_next_action_is_the_right_one() {
        let folder = tempfile::tempdir().unwrap();
        let stored = Record {
            result: Some(result()),
            ..record()
        };
        let uploaded = Record {
            uploaded: true,
            ..stored.clone()
        };
        // (journal write, chain states possible while it is the newest, what must follow in each)
        let steps = [
            (
                record(),
                vec![
                    (JobState::Open, Next::Accept),
                    (JobState::Running, Next::Run),
                ],
            ),
            (stored, vec![(JobState::Running, Next::Upload)]),
            (
                uploaded,
                vec![
                    (JobState::Running, Next::Submit),
                    (JobState::Submitted, Next::Gather),
                    (JobState::Disputed, Next::Gather),
                    (JobState::Settled, Next::End("settled".into())),
                ],
            ),
        ];
        let mut journal = Journal::open(folder.path()).unwrap();
        for (write, states) in steps {
            journal.put(&write).unwrap();
            // The process dies here; another opens what it left.
            drop(journal);
            // What a crash in the middle of the next write leaves must not matter.
            std::fs::write(
                folder.path().join(write.key()).join(".part-x"),
                b"{\"job\":",
            )
            .unwrap();
            journal = Journal::open(folder.path()).unwrap();
            let [read] = &journal.unfinished()[..] else {
                panic!("one record")
            };
            assert_eq!(*read, write);
            for (state, expected) in states {
                assert_eq!(
                    next(read, Some(&chain(state)), &DEVICE, 40),
                    expected,
                    "{state:?}"
                );
            }
        }
    }

    #[test]
    fn a_forgotten_job_leaves_nothing_even_when_the_crash_comes_half_way() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let ended = Record {
            ended: Some("settled".into()),
            ended_at: Some(100),
            ..record()
        };
        journal.put(&ended).unwrap();
        std::fs::create_dir_all(journal.out_dir(&ended)).unwrap();
        assert!(journal.unfinished().is_empty());
        assert!(journal.ended_before(100).is_empty());
        assert_eq!(journal.ended_before(101), vec![ended.clone()]);
        // The record is gone, the folder not yet: a crash.
        std::fs::remove_file(folder.path().join(ended.key()).join(RECORD_FILE)).unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert!(journal.get(&JOB, 5).is_none());
        journal.sweep().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        journal.put(&ended).unwrap();
        journal.forget(&ended).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_full_journal_forgets_what_ended_longest_ago_and_never_what_is_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal {
            most: 2,
            ..Journal::open(folder.path()).unwrap()
        };
        let numbered = |slot, ended_at: Option<i64>| Record {
            created_slot: slot,
            ended: ended_at.map(|_| "settled".into()),
            ended_at,
            ..record()
        };
        journal.put(&numbered(1, Some(20))).unwrap();
        journal.put(&numbered(2, Some(10))).unwrap();
        journal.put(&numbered(3, None)).unwrap();
        assert!(journal.get(&JOB, 1).is_some() && journal.get(&JOB, 2).is_none());
        journal.put(&numbered(4, None)).unwrap();
        assert!(
            journal
                .put(&numbered(5, None))
                .unwrap_err()
                .to_string()
                .contains("unfinished")
        );
        // What is there can always be written again.
        journal.put(&numbered(4, Some(30))).unwrap();
        assert_eq!(
            Journal::open(folder.path()).unwrap().unfinished(),
            vec![numbered(3, None)]
        );
    }

    #[test]
    fn a_damaged_record_stops_the_start_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("x")).unwrap();
        std::fs::write(folder.path().join("x").join(RECORD_FILE), b"{}").unwrap();
        let error = Journal::open(folder.path())
            .err()
            .map(|e| format!("{e:#}"))
            .unwrap();
        assert!(
            error.contains(RECORD_FILE) && error.contains("move"),
            "{error}"
        );
    }

    proptest! {
        /// Whatever record meets whatever account: no work for a job that isn't ours, none that is over, and a job of ours
        /// that still runs or waits for its verdict is never dropped.
        #[test]
        fn a_live_job_of_ours_is_never_dropped_and_no_other_is_touched(
            state in 0u8..12, ours: bool, same_slot: bool, stored: bool, uploaded: bool, failed_runs in 0u32..6,
            now in -10i64..2_000, ticketed: bool, expires in -10i64..2_000,
        ) {
            let record = Record {
                result: stored.then(result),
                uploaded: stored && uploaded,
                failed_runs,
                ticket: ticketed.then(|| ticket(expires)),
                ..record()
            };
            let account = Job {
                state,
                created_slot: if same_slot { 5 } else { 6 },
                device: if ours { DEVICE } else { OTHER },
                ..chain(JobState::Running)
            };
            let next = next(&record, Some(&account), &DEVICE, now);
            let live = matches!(state, 2..=4);
            if live && ours && same_slot {
                prop_assert!(!matches!(next, Next::End(_) | Next::Accept), "{next:?}");
            } else if next == Next::Accept {
                prop_assert!(state == 1 && same_slot && ticketed && now < account.deadline);
            } else {
                prop_assert!(matches!(next, Next::End(_)), "{next:?}");
            }
            if next == Next::Submit {
                prop_assert!(stored && uploaded && now <= account.run_until);
            }
        }
    }
}
