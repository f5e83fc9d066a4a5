//! The journal of sent transactions: what makes a sender safe to kill at any moment.
//!
//! A row is on disk before its transaction can reach the network, and another after its fate is known. After a crash the
//! rows without a fate are looked up on the chain; the intent that a row carries keeps a repeated command from acting
//! twice.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, TryLockError},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Longest intent, bytes.
pub const MAX_INTENT_BYTES: usize = 256;
/// Finished intents that are remembered; the oldest are forgotten first. An intent in flight is never forgotten.
pub const MAX_FINISHED: usize = 50_000;
/// Intents in flight at once.
pub const MAX_IN_FLIGHT: usize = 4_096;
/// A row's longest line, bytes: a transaction of 4,096 bytes in base64, and its surroundings.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// The file is rewritten when it has this many lines more than rows worth keeping.
const COMPACT_AFTER: usize = 20_000;

/// What is known of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Signed, perhaps sent. `transaction` is the whole of it, in base64, to be sent again.
    InFlight {
        transaction: String,
        last_valid_block_height: u64,
    },
    /// On the chain, with effect.
    Landed { slot: u64 },
    /// On the chain, refused: no effect but the fee.
    Failed { slot: u64, error: String },
    /// Provably not on the chain, and never will be.
    Expired,
}

/// The newest transaction for an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What the sender wants done, once; chosen by the caller.
    pub intent: String,
    /// Base58.
    pub signature: String,
    #[serde(flatten)]
    pub state: State,
    /// Unix seconds, by this machine's clock.
    pub at: i64,
}

impl Row {
    pub fn new(intent: &str, signature: &str, state: State) -> Self {
        let at = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        Self {
            intent: intent.to_owned(),
            signature: signature.to_owned(),
            state,
            at,
        }
    }

    pub fn is_in_flight(&self) -> bool {
        matches!(self.state, State::InFlight { .. })
    }
}

/// Where rows are kept. Calls may block on a disk; the sender makes them from a thread that may.
pub trait Journal: Send + Sync + 'static {
    /// Keeps `row` as the newest of its intent. When this returns, the row survives a loss of power.
    fn record(&self, row: Row) -> Result<()>;
    /// The newest row of an intent.
    fn get(&self, intent: &str) -> Result<Option<Row>>;
    /// Rows without a fate.
    fn in_flight(&self) -> Result<Vec<Row>>;
}

#[derive(Default)]
struct Table {
    rows: HashMap<String, Row>,
    /// Finished intents in the order they finished; stale entries are skipped.
    finished: VecDeque<(String, String)>,
    in_flight: usize,
}

impl Table {
    fn check(&self, row: &Row) -> std::result::Result<(), String> {
        let known = self.rows.get(&row.intent).is_some_and(Row::is_in_flight);
        if row.is_in_flight() && !known && self.in_flight >= MAX_IN_FLIGHT {
            return Err(format!(
                "{MAX_IN_FLIGHT} transactions are in flight already: wait for some to land"
            ));
        }
        Ok(())
    }

    fn insert(&mut self, row: Row) {
        if row.is_in_flight() {
            self.in_flight += 1;
        } else {
            self.finished
                .push_back((row.intent.clone(), row.signature.clone()));
        }
        if self
            .rows
            .insert(row.intent.clone(), row)
            .is_some_and(|before| before.is_in_flight())
        {
            self.in_flight -= 1;
        }
        while self.finished.len() > MAX_FINISHED {
            let Some((intent, signature)) = self.finished.pop_front() else {
                break;
            };
            // The entry may be older than the intent's newest row.
            if self
                .rows
                .get(&intent)
                .is_some_and(|row| !row.is_in_flight() && row.signature == signature)
            {
                self.rows.remove(&intent);
            }
        }
    }

    fn in_flight(&self) -> Vec<Row> {
        let mut rows: Vec<_> = self
            .rows
            .values()
            .filter(|row| row.is_in_flight())
            .cloned()
            .collect();
        rows.sort_by(|a, b| (a.at, &a.intent).cmp(&(b.at, &b.intent)));
        rows
    }
}

/// Rows in memory only: for one-off commands whose caller looks for itself, and for tests.
#[derive(Default)]
pub struct MemoryJournal(Mutex<Table>);

impl Journal for MemoryJournal {
    fn record(&self, row: Row) -> Result<()> {
        let mut table = lock(&self.0);
        table.check(&row).map_err(|reason| Error::Journal {
            path: "(memory)".into(),
            reason,
        })?;
        table.insert(row);
        Ok(())
    }

    fn get(&self, intent: &str) -> Result<Option<Row>> {
        Ok(lock(&self.0).rows.get(intent).cloned())
    }

    fn in_flight(&self) -> Result<Vec<Row>> {
        Ok(lock(&self.0).in_flight())
    }
}

/// Rows in a file, one line of JSON each, appended and synced. One process at a time.
pub struct FileJournal {
    path: PathBuf,
    inner: Mutex<Inner>,
    /// Held as long as the journal is open.
    _lock: File,
}

struct Inner {
    table: Table,
    file: File,
    lines: usize,
    /// After a write that failed half-way nothing may follow it on its line.
    broken: bool,
}

impl FileJournal {
    /// Opens or creates the journal at `path` (and a lock beside it). A last line cut off by a crash is dropped: its
    /// transaction was never sent.
    pub fn open(path: &Path) -> Result<Self> {
        let wrong = |reason: String| Error::Journal {
            path: path.to_owned(),
            reason,
        };
        let io = |error: std::io::Error| wrong(error.to_string());
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let lock_path = with_suffix(path, ".lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(lock_path)
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(wrong(
                    "another process uses it: end that one, or give this one a folder of its own"
                        .to_owned(),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let (table, lines) = read(path).map_err(wrong)?;
        // Always rewritten: drops the torn line and what is no longer worth keeping.
        let file = rewrite(path, &table).map_err(io)?;
        let lines_kept = table.rows.len();
        if lines != lines_kept {
            tracing::debug!(path = %path.display(), lines, lines_kept, "journal compacted");
        }
        let inner = Inner {
            table,
            file,
            lines: lines_kept,
            broken: false,
        };
        Ok(Self {
            path: path.to_owned(),
            inner: Mutex::new(inner),
            _lock: lock,
        })
    }
}

impl Journal for FileJournal {
    fn record(&self, row: Row) -> Result<()> {
        let wrong = |reason: String| Error::Journal {
            path: self.path.clone(),
            reason,
        };
        let mut inner = lock(&self.inner);
        inner.table.check(&row).map_err(wrong)?;
        let mut line = serde_json::to_vec(&row).map_err(|error| wrong(error.to_string()))?;
        line.push(b'\n');
        if line.len() > MAX_LINE_BYTES {
            return Err(wrong(format!(
                "a row of {} bytes, at most {MAX_LINE_BYTES} are kept",
                line.len()
            )));
        }
        if inner.broken || inner.lines > inner.table.rows.len() + COMPACT_AFTER {
            inner.file =
                rewrite(&self.path, &inner.table).map_err(|error| wrong(error.to_string()))?;
            inner.lines = inner.table.rows.len();
            inner.broken = false;
        }
        let written = inner
            .file
            .write_all(&line)
            .and_then(|()| inner.file.sync_data());
        if let Err(error) = written {
            inner.broken = true;
            return Err(wrong(format!(
                "{error}. Free some space; nothing was sent."
            )));
        }
        inner.lines += 1;
        inner.table.insert(row);
        Ok(())
    }

    fn get(&self, intent: &str) -> Result<Option<Row>> {
        Ok(lock(&self.inner).table.rows.get(intent).cloned())
    }

    fn in_flight(&self) -> Result<Vec<Row>> {
        Ok(lock(&self.inner).table.in_flight())
    }
}

/// A panic elsewhere leaves the table whole: it changes only after all that can fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Rows and lines of the file; none when it is not there yet.
fn read(path: &Path) -> std::result::Result<(Table, usize), String> {
    let mut table = Table::default();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((table, 0)),
        Err(error) => return Err(error.to_string()),
    };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let limit = MAX_LINE_BYTES as u64 + 1;
        let size = std::io::Read::take(&mut reader, limit)
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if size == 0 {
            return Ok((table, number));
        }
        number += 1;
        if !line.ends_with(b"\n") && size <= MAX_LINE_BYTES {
            // Cut off: it is the last one, and was not on disk when its transaction would have been sent.
            return Ok((table, number));
        }
        let row: Row = serde_json::from_slice(&line).map_err(|error| {
            format!("line {number} is damaged ({error}). Move the file away to start afresh; check the last transactions by hand.")
        })?;
        table.insert(row);
    }
}

/// Replaces the file by one that holds the table, complete or not at all, and opens it for appending.
fn rewrite(path: &Path, table: &Table) -> std::io::Result<File> {
    let partial = with_suffix(path, ".partial");
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial)?;
    let mut text = Vec::new();
    // Finished in order, so that the oldest are still forgotten first, then those in flight.
    let mut write = |row: &Row| -> std::io::Result<()> {
        serde_json::to_writer(&mut text, row)?;
        text.push(b'\n');
        Ok(())
    };
    for (intent, signature) in &table.finished {
        if let Some(row) = table
            .rows
            .get(intent)
            .filter(|row| !row.is_in_flight() && row.signature == *signature)
        {
            write(row)?;
        }
    }
    for row in table.in_flight() {
        write(&row)?;
    }
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;
    if let Some(folder) = path.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        // The rename itself must survive, too.
        File::open(folder)?.sync_all()?;
    }
    File::options().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(intent: &str, signature: &str) -> Row {
        let state = State::InFlight {
            transaction: "AAAA".to_owned(),
            last_valid_block_height: 7,
        };
        Row::new(intent, signature, state)
    }

    fn landed(intent: &str, signature: &str) -> Row {
        Row::new(intent, signature, State::Landed { slot: 9 })
    }

    #[test]
    fn rows_survive_and_the_newest_of_an_intent_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        {
            let journal = FileJournal::open(&path).unwrap();
            journal.record(in_flight("a", "1")).unwrap();
            journal.record(in_flight("b", "2")).unwrap();
            journal.record(landed("a", "1")).unwrap();
        }
        let journal = FileJournal::open(&path).unwrap();
        assert_eq!(
            journal.get("a").unwrap().unwrap().state,
            State::Landed { slot: 9 }
        );
        assert_eq!(
            journal
                .in_flight()
                .unwrap()
                .iter()
                .map(|row| row.intent.as_str())
                .collect::<Vec<_>>(),
            ["b"]
        );
        assert_eq!(journal.get("c").unwrap(), None);
    }

    #[test]
    fn every_cut_of_the_file_is_read_as_the_rows_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        let journal = FileJournal::open(&path).unwrap();
        for row in [in_flight("a", "1"), landed("a", "1"), in_flight("b", "2")] {
            journal.record(row).unwrap();
        }
        drop(journal);
        let whole = fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let lines = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
            let journal = FileJournal::open(&path).unwrap();
            let a = journal.get("a").unwrap();
            assert_eq!(a.is_some(), lines >= 1, "cut at {cut}");
            assert_eq!(
                a.is_some_and(|row| !row.is_in_flight()),
                lines >= 2,
                "cut at {cut}"
            );
            assert_eq!(
                journal.get("b").unwrap().is_some(),
                lines >= 3,
                "cut at {cut}"
            );
            // And it can be written to.
            journal.record(landed("c", "3")).unwrap();
            drop(journal);
            assert!(
                FileJournal::open(&path)
                    .unwrap()
                    .get("c")
                    .unwrap()
                    .is_some(),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn damage_that_is_not_a_cut_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        for damage in [
            "{\"intent\":\"a\"}\n",
            "\u{0}\u{0}\n",
            &"x".repeat(MAX_LINE_BYTES + 10),
        ] {
            fs::write(&path, damage).unwrap();
            let Err(error) = FileJournal::open(&path) else {
                panic!("opened a damaged journal")
            };
            assert!(error.to_string().contains("line 1 is damaged"), "{error}");
        }
    }

    #[test]
    fn two_processes_cannot_share_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        let first = FileJournal::open(&path).unwrap();
        let Err(error) = FileJournal::open(&path) else {
            panic!("opened twice")
        };
        assert!(error.to_string().contains("another process"), "{error}");
        drop(first);
        assert!(FileJournal::open(&path).is_ok());
    }

    #[test]
    fn what_is_finished_is_forgotten_oldest_first_and_what_is_in_flight_never() {
        let journal = MemoryJournal::default();
        journal.record(in_flight("waiting", "w")).unwrap();
        journal.record(landed("first", "f")).unwrap();
        for i in 0..MAX_FINISHED {
            journal.record(landed(&format!("i{i}"), "s")).unwrap();
        }
        assert_eq!(journal.get("first").unwrap(), None);
        assert!(journal.get("i0").unwrap().is_some());
        assert_eq!(journal.in_flight().unwrap().len(), 1);
    }

    #[test]
    fn what_is_in_flight_is_bounded() {
        let journal = MemoryJournal::default();
        for i in 0..MAX_IN_FLIGHT {
            journal.record(in_flight(&format!("i{i}"), "s")).unwrap();
        }
        assert!(journal.record(in_flight("one more", "s")).is_err());
        // A retry of one that is in flight already takes no more room.
        journal.record(in_flight("i0", "again")).unwrap();
        journal.record(landed("i0", "again")).unwrap();
        journal.record(in_flight("one more", "s")).unwrap();
    }

    #[test]
    fn intents_keep_every_character() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.jsonl");
        let intent = "new\nline \"quote\" \u{1f600}";
        FileJournal::open(&path)
            .unwrap()
            .record(landed(intent, "s"))
            .unwrap();
        assert!(
            FileJournal::open(&path)
                .unwrap()
                .get(intent)
                .unwrap()
                .is_some()
        );
    }
}
