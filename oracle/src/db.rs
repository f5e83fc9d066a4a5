//! What survives a restart: history of jobs, verdicts, tickets, uploads. One SQLite file. All but verdicts in progress
//! and uploads comes back from the chain when it is deleted.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use io_client::subscribe::Cursor;
use io_protocol::{lease::totals_contradict, money};
use sqlx::{
    Row, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};

/// Layout of the tables. 2: verdicts about disputes, and what burned. Tables that are missing are made; what is in the others stays as it
/// is.
const VERSION: i64 = 2;
/// How long a writer waits for another.
const BUSY: Duration = Duration::from_secs(10);
/// Connections at once.
const CONNECTIONS: u32 = 4;
/// Transitions shown of one job: more than a job can have.
pub const MAX_HISTORY: i64 = 64;

const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, created_slot INTEGER NOT NULL, renter TEXT NOT NULL, \
     state INTEGER NOT NULL, closed INTEGER NOT NULL, data BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS jobs_by_slot ON jobs (created_slot DESC, job DESC)",
    "CREATE INDEX IF NOT EXISTS jobs_by_renter ON jobs (renter, created_slot DESC, job DESC)",
    "CREATE TABLE IF NOT EXISTS transitions (job TEXT NOT NULL, created_slot INTEGER NOT NULL, slot INTEGER NOT NULL, \
     signature TEXT NOT NULL, number INTEGER NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL, at INTEGER, \
     PRIMARY KEY (job, created_slot, signature, number)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS verdicts (job TEXT NOT NULL, created_slot INTEGER NOT NULL, verdict TEXT NOT NULL, \
     at INTEGER NOT NULL, PRIMARY KEY (job, created_slot)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS dispute_verdicts (job TEXT NOT NULL, created_slot INTEGER NOT NULL, verdict TEXT NOT NULL, \
     at INTEGER NOT NULL, PRIMARY KEY (job, created_slot)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tickets (job TEXT NOT NULL, created_slot INTEGER NOT NULL, device TEXT NOT NULL, \
     expires_at INTEGER NOT NULL, declined INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, created_slot, device, expires_at)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS blobs (hash TEXT NOT NULL, uploader TEXT NOT NULL, size INTEGER NOT NULL, \
     complete INTEGER NOT NULL, touched INTEGER NOT NULL, PRIMARY KEY (hash, uploader)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS uptime (epoch INTEGER NOT NULL, device BLOB NOT NULL, seen INTEGER NOT NULL, hired INTEGER NOT NULL, \
     PRIMARY KEY (epoch, device)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS reports (epoch INTEGER PRIMARY KEY, report TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS roots (epoch INTEGER PRIMARY KEY, root TEXT NOT NULL, total INTEGER NOT NULL, leaves TEXT NOT NULL, \
     evidence TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS guidance_epochs (epoch INTEGER PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS guidance (epoch INTEGER NOT NULL, class INTEGER NOT NULL, utilisation_bps INTEGER NOT NULL, \
     PRIMARY KEY (epoch, class)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS slash_decisions (slash_case TEXT NOT NULL, opened_at INTEGER NOT NULL, verdict INTEGER NOT NULL, \
     PRIMARY KEY (slash_case, opened_at)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS evidence (hash TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS leases (job TEXT PRIMARY KEY, created_slot INTEGER NOT NULL, seconds INTEGER NOT NULL, \
     at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS lease_signatures (job TEXT NOT NULL, created_slot INTEGER NOT NULL, at INTEGER NOT NULL, \
     seconds INTEGER NOT NULL, PRIMARY KEY (job, created_slot, at)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS proofs (epoch INTEGER NOT NULL, round BLOB NOT NULL, device BLOB NOT NULL, at INTEGER NOT NULL, \
     record TEXT NOT NULL, PRIMARY KEY (epoch, round, device)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS proofs_by_time ON proofs (at, round, device)",
    "CREATE TABLE IF NOT EXISTS challenges (epoch INTEGER NOT NULL, round BLOB NOT NULL, device BLOB NOT NULL, salt BLOB NOT NULL, \
     claim BLOB NOT NULL, ended INTEGER NOT NULL, PRIMARY KEY (epoch, round, device)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS burns (account TEXT NOT NULL, total INTEGER NOT NULL, cause INTEGER NOT NULL, amount INTEGER NOT NULL, \
     at INTEGER NOT NULL, PRIMARY KEY (account, total)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS burns_by_time ON burns (at, cause, amount)",
];

/// Evidence of slash cases is kept this long, seconds (180 days): longer than an appeal and its decision may take.
const KEEP_EVIDENCE: i64 = 180 * 24 * 3_600;
/// Name of the time at which the database was made.
const MADE_AT: &str = "made_at";
/// Leases whose counts are taken up after a restart.
const MAX_LEASE_ROWS: i64 = 100_000;
/// Signed totals of one lease that are remembered: the newest.
const MAX_LEASE_SIGNATURES: usize = 16;
/// Signed totals are forgotten this long after the time that they are of, seconds: no lease is as long (60 days).
const KEEP_LEASE_SIGNATURES: i64 = 60 * 24 * 3_600;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db(SqlitePool);

/// A job as the events told it last.
#[derive(Clone, Debug)]
pub struct JobRow {
    pub job: String,
    pub created_slot: u64,
    pub closed: bool,
    /// The account's bytes, without discriminator.
    pub data: Vec<u8>,
}

/// What was counted of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRow {
    pub job: String,
    pub created_slot: u64,
    pub seconds: u64,
    pub at: i64,
}

/// A transition to be stored.
#[derive(Clone, Debug)]
pub struct TransitionRow {
    pub job: String,
    pub created_slot: u64,
    pub slot: u64,
    pub signature: String,
    /// Which event of its transaction.
    pub number: u32,
    pub before: u8,
    pub after: u8,
    pub at: Option<i64>,
}

/// Slots of an epoch in which a device was seen, and in which it ran a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UptimeRow {
    pub device: [u8; 32],
    pub seen: u64,
    pub hired: u64,
}

/// The root that this oracle signs for an epoch. Hashes are hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRow {
    pub epoch: u64,
    pub root: String,
    pub total: u64,
    pub leaves: String,
    pub evidence: String,
}

/// What an account says that it burned, or lost, ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurnRow {
    pub account: String,
    pub cause: u8,
    pub total: u64,
    /// Of what came to `total` since the account's last: the share that somebody got instead, basis points.
    pub share_bps: u16,
    /// Unix seconds.
    pub at: i64,
}

/// What was burned in a step of time for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BurnedRow {
    /// Unix seconds at the step's beginning.
    pub at: i64,
    pub cause: u8,
    pub amount: u64,
}

/// One device's hardware proof in one round. The record is JSON of a `HardwareProof`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRow {
    /// Hours since the Unix epoch.
    pub epoch: u64,
    /// Unix seconds.
    pub at: i64,
    pub round: [u8; 32],
    pub device: [u8; 32],
    pub record: String,
}

/// What this oracle brings before the program of a wrong hardware proof: on disk before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRow {
    pub salt: [u8; 32],
    /// As the program stores it. Empty where there is nothing to be shown.
    pub claim: Vec<u8>,
    /// Proven, or never to be.
    pub ended: bool,
}

/// What one transaction did to a job.
#[derive(Clone, Debug)]
pub struct JobEvent {
    pub row: JobRow,
    pub renter: String,
    pub state: u8,
    /// `None` when the state is what it was.
    pub transition: Option<TransitionRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketRow {
    pub job: String,
    pub created_slot: u64,
    pub device: String,
    pub expires_at: i64,
    pub declined: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRow {
    pub hash: String,
    pub uploader: String,
    pub size: u64,
    pub complete: bool,
    /// Unix seconds of the last write.
    pub touched: i64,
}

fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn u64_of(row: &SqliteRow, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.try_get::<i64, _>(column)?)?)
}

impl Db {
    pub async fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, BUSY, SqliteConnectOptions::new()).await
    }

    async fn open_with(path: &Path, busy: Duration, options: SqliteConnectOptions) -> Result<Self> {
        let options = options
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A verdict is on the disk before anybody sees it: never two different ones, whatever happens to the machine.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(busy);
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(BUSY)
            .connect_with(options)
            .await
            .with_context(|| format!("can't open the database {}", path.display()))?;
        let found: i64 = sqlx::query("PRAGMA user_version")
            .fetch_one(&pool)
            .await?
            .try_get(0)?;
        if found > VERSION {
            bail!(
                "{} was written by a newer version (layout {found}, this build reads {VERSION}): use that, or delete the folder \
                 (it comes back from the chain)",
                path.display()
            );
        }
        for statement in SCHEMA {
            sqlx::query(*statement)
                .execute(&pool)
                .await
                .with_context(|| format!("the database {}", path.display()))?;
        }
        if found == 1 {
            // Made before burns were kept: the history is read once more, from its beginning.
            sqlx::query("DELETE FROM meta WHERE name = 'cursor'")
                .execute(&pool)
                .await?;
        }
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "PRAGMA user_version = {VERSION}"
        )))
        .execute(&pool)
        .await?;
        Ok(Self(pool))
    }

    pub async fn close(&self) {
        self.0.close().await;
    }

    // Meta

    pub async fn meta(&self, name: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT value FROM meta WHERE name = ?")
            .bind(name)
            .fetch_optional(&self.0)
            .await?;
        Ok(row.map(|row| row.try_get("value")).transpose()?)
    }

    pub async fn set_meta(&self, name: &str, value: &str) -> Result<()> {
        sqlx::query("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(name)
            .bind(value)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// Notes when this database was made, at its first start: `now` is Unix seconds by the chain's clock.
    pub async fn remember_start(&self, now: i64) -> Result<()> {
        if self.meta(MADE_AT).await?.is_none() {
            self.set_meta(MADE_AT, &now.to_string()).await?;
        }
        Ok(())
    }

    /// Whether everything that was signed since `at` (Unix seconds) is in this database. One that was lost may have held more: about
    /// what is older than this one nothing is signed, so that an oracle never says two things.
    pub async fn was_there_at(&self, at: i64) -> Result<bool> {
        let text = self.meta(MADE_AT).await?;
        let made_at: i64 = text
            .context("the database does not say when it was made")?
            .parse()
            .context("the time in the database")?;
        Ok(at >= made_at)
    }

    pub async fn cursor(&self) -> Result<Option<Cursor>> {
        let Some(text) = self.meta("cursor").await? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_str(&text).context(
            "the stored cursor is damaged: delete the data folder",
        )?))
    }

    // History

    /// Stores one transaction's events and that it has been read, together.
    pub async fn record(
        &self,
        cursor: &Cursor,
        events: &[JobEvent],
        burns: &[BurnRow],
    ) -> Result<()> {
        let mut tx = self.0.begin().await?;
        for event in events {
            let row = &event.row;
            // A closed job stays closed until another is created at its address.
            sqlx::query(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET created_slot = excluded.created_slot, \
                 renter = excluded.renter, state = excluded.state, closed = excluded.closed, data = excluded.data \
                 WHERE excluded.created_slot >= jobs.created_slot",
            )
            .bind(&row.job)
            .bind(to_i64(row.created_slot))
            .bind(&event.renter)
            .bind(i64::from(event.state))
            .bind(row.closed)
            .bind(&row.data)
            .execute(&mut *tx)
            .await?;
            if let Some(t) = &event.transition {
                sqlx::query("INSERT OR IGNORE INTO transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
                    .bind(&t.job)
                    .bind(to_i64(t.created_slot))
                    .bind(to_i64(t.slot))
                    .bind(&t.signature)
                    .bind(i64::from(t.number))
                    .bind(i64::from(t.before))
                    .bind(i64::from(t.after))
                    .bind(t.at)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        for burn in burns {
            let before = sqlx::query(
                "SELECT COALESCE(MAX(total), 0) AS total FROM burns WHERE account = ? AND total < ?",
            )
            .bind(&burn.account)
            .bind(to_i64(burn.total))
            .fetch_one(&mut *tx)
            .await?;
            let grown = burn.total.saturating_sub(u64_of(&before, "total")?);
            let shared = money::share_floor(grown, burn.share_bps)
                .map_err(|error| anyhow::anyhow!("a burn's share: {error:?}"))?;
            // A transaction that is read again tells nothing new.
            sqlx::query("INSERT OR IGNORE INTO burns VALUES (?, ?, ?, ?, ?)")
                .bind(&burn.account)
                .bind(to_i64(burn.total))
                .bind(i64::from(burn.cause))
                .bind(to_i64(grown.saturating_sub(shared)))
                .bind(burn.at)
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query("INSERT INTO meta VALUES ('cursor', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(serde_json::to_string(cursor)?)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    pub async fn job(&self, job: &str) -> Result<Option<JobRow>> {
        let row = sqlx::query("SELECT * FROM jobs WHERE job = ?")
            .bind(job)
            .fetch_optional(&self.0)
            .await?;
        row.as_ref().map(job_row).transpose()
    }

    /// Jobs, newest first, after (slot, job) in that order; and how many there are in all.
    pub async fn jobs(
        &self,
        renter: Option<&str>,
        state: Option<u8>,
        after: Option<(u64, String)>,
        limit: u32,
    ) -> Result<(Vec<JobRow>, u64)> {
        let (slot, last) = after.map_or((i64::MAX, None), |(slot, job)| (to_i64(slot), Some(job)));
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE (?1 IS NULL OR renter = ?1) AND (?2 IS NULL OR state = ?2) \
             AND (created_slot < ?3 OR (created_slot = ?3 AND (?4 IS NULL OR job < ?4))) \
             ORDER BY created_slot DESC, job DESC LIMIT ?5",
        )
        .bind(renter)
        .bind(state.map(i64::from))
        .bind(slot)
        .bind(last)
        .bind(i64::from(limit))
        .fetch_all(&self.0)
        .await?;
        let total = sqlx::query("SELECT count(*) AS n FROM jobs WHERE (?1 IS NULL OR renter = ?1) AND (?2 IS NULL OR state = ?2)")
            .bind(renter)
            .bind(state.map(i64::from))
            .fetch_one(&self.0)
            .await?;
        Ok((
            rows.iter().map(job_row).collect::<Result<_>>()?,
            u64_of(&total, "n")?,
        ))
    }

    /// Transitions of one job, oldest first.
    pub async fn history(&self, job: &str, created_slot: u64) -> Result<Vec<TransitionRow>> {
        let rows = sqlx::query(
            "SELECT * FROM transitions WHERE job = ? AND created_slot = ? ORDER BY slot, after, number LIMIT ?",
        )
        .bind(job)
        .bind(to_i64(created_slot))
        .bind(MAX_HISTORY)
        .fetch_all(&self.0)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(TransitionRow {
                    job: row.try_get("job")?,
                    created_slot: u64_of(row, "created_slot")?,
                    slot: u64_of(row, "slot")?,
                    signature: row.try_get("signature")?,
                    number: row.try_get::<i64, _>("number")? as u32,
                    before: row.try_get::<i64, _>("before")? as u8,
                    after: row.try_get::<i64, _>("after")? as u8,
                    at: row.try_get("at")?,
                })
            })
            .collect()
    }

    /// What was burned in the newest steps of so many seconds in which something was, oldest first; and before those, with `at` 0.
    pub async fn burns(&self, step: u64, limit: u32) -> Result<(Vec<BurnedRow>, Vec<BurnedRow>)> {
        let first = sqlx::query(
            "SELECT DISTINCT at / ?1 * ?1 AS begun FROM burns ORDER BY begun DESC LIMIT 1 OFFSET ?2",
        )
        .bind(to_i64(step))
        .bind(i64::from(limit.saturating_sub(1)))
        .fetch_optional(&self.0)
        .await?;
        let first: i64 = first.map_or(Ok(0), |row| row.try_get("begun"))?;
        let one = |row: &SqliteRow| -> Result<BurnedRow> {
            Ok(BurnedRow {
                at: row.try_get("begun")?,
                cause: u8::try_from(row.try_get::<i64, _>("cause")?)?,
                amount: u64_of(row, "amount")?,
            })
        };
        let steps = sqlx::query(
            "SELECT at / ?1 * ?1 AS begun, cause, SUM(amount) AS amount FROM burns WHERE at >= ?2 GROUP BY begun, cause ORDER BY begun, cause",
        )
        .bind(to_i64(step))
        .bind(first)
        .fetch_all(&self.0)
        .await?;
        let before = sqlx::query(
            "SELECT 0 AS begun, cause, SUM(amount) AS amount FROM burns WHERE at < ? GROUP BY cause ORDER BY cause",
        )
        .bind(first)
        .fetch_all(&self.0)
        .await?;
        Ok((
            steps.iter().map(one).collect::<Result<_>>()?,
            before.iter().map(one).collect::<Result<_>>()?,
        ))
    }

    // Verdicts

    /// Stores the first verdict about a submission, or about the dispute over it, and returns what is stored: the first, whatever
    /// comes later.
    pub async fn decide(
        &self,
        job: &str,
        created_slot: u64,
        disputed: bool,
        verdict: &str,
        now: i64,
    ) -> Result<String> {
        let insert = match disputed {
            false => "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?)",
            true => "INSERT OR IGNORE INTO dispute_verdicts VALUES (?, ?, ?, ?)",
        };
        sqlx::query(insert)
            .bind(job)
            .bind(to_i64(created_slot))
            .bind(verdict)
            .bind(now)
            .execute(&self.0)
            .await?;
        let stored = self.verdict(job, created_slot, disputed).await?;
        stored.context("a verdict that was just stored is gone")
    }

    pub async fn verdict(
        &self,
        job: &str,
        created_slot: u64,
        disputed: bool,
    ) -> Result<Option<String>> {
        let select = match disputed {
            false => "SELECT verdict FROM verdicts WHERE job = ? AND created_slot = ?",
            true => "SELECT verdict FROM dispute_verdicts WHERE job = ? AND created_slot = ?",
        };
        let row = sqlx::query(select)
            .bind(job)
            .bind(to_i64(created_slot))
            .fetch_optional(&self.0)
            .await?;
        Ok(row.map(|row| row.try_get("verdict")).transpose()?)
    }

    // Slash cases

    /// Keeps the first decision about an appeal, before it is signed, and returns what is kept: an oracle decides once.
    pub async fn keep_slash_decision(&self, case: &str, opened_at: i64, verdict: u8) -> Result<u8> {
        sqlx::query("INSERT OR IGNORE INTO slash_decisions VALUES (?, ?, ?)")
            .bind(case)
            .bind(opened_at)
            .bind(i64::from(verdict))
            .execute(&self.0)
            .await?;
        let kept = self.slash_decision(case, opened_at).await?;
        kept.context("a decision that was just stored is gone")
    }

    pub async fn slash_decision(&self, case: &str, opened_at: i64) -> Result<Option<u8>> {
        let row = sqlx::query(
            "SELECT verdict FROM slash_decisions WHERE slash_case = ? AND opened_at = ?",
        )
        .bind(case)
        .bind(opened_at)
        .fetch_optional(&self.0)
        .await?;
        row.map(|row| Ok(u8::try_from(row.try_get::<i64, _>("verdict")?)?))
            .transpose()
    }

    /// Keeps a slash case's evidence from being dropped.
    pub async fn keep_evidence(&self, hash: &str, now: i64) -> Result<()> {
        sqlx::query("INSERT OR IGNORE INTO evidence VALUES (?, ?)")
            .bind(hash)
            .bind(now)
            .execute(&self.0)
            .await?;
        sqlx::query("DELETE FROM evidence WHERE at < ?")
            .bind(now.saturating_sub(KEEP_EVIDENCE))
            .execute(&self.0)
            .await?;
        Ok(())
    }

    // Leases

    /// Keeps what was counted; a count of the same lease never falls.
    pub async fn keep_lease(&self, row: &LeaseRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET created_slot = excluded.created_slot, \
             seconds = excluded.seconds, at = excluded.at \
             WHERE excluded.created_slot > leases.created_slot OR excluded.seconds >= leases.seconds",
        )
        .bind(&row.job)
        .bind(to_i64(row.created_slot))
        .bind(to_i64(row.seconds))
        .bind(row.at)
        .execute(&self.0)
        .await?;
        Ok(())
    }

    /// Keeps that a total of a lease is signed, before it is, unless it contradicts what was signed of that lease before: then
    /// `false`. What is older than all that is remembered counts as contradicting.
    pub async fn keep_lease_signature(&self, row: &LeaseRow) -> Result<bool> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let before = sqlx::query(
            "SELECT seconds, at FROM lease_signatures WHERE job = ? AND created_slot = ? ORDER BY at DESC",
        )
        .bind(&row.job)
        .bind(to_i64(row.created_slot))
        .fetch_all(&mut *transaction)
        .await?;
        let before: Vec<(u64, i64)> = before
            .iter()
            .map(|row| Ok((u64_of(row, "seconds")?, row.try_get("at")?)))
            .collect::<Result<_>>()?;
        let total = (row.seconds, row.at);
        if before.contains(&total) {
            return Ok(true);
        }
        let full = before.len() >= MAX_LEASE_SIGNATURES;
        let oldest = before.last().filter(|_| full);
        if oldest.is_some_and(|(_, oldest)| row.at < *oldest)
            || before
                .iter()
                .any(|signed| totals_contradict(*signed, total))
        {
            return Ok(false);
        }
        sqlx::query("INSERT INTO lease_signatures VALUES (?, ?, ?, ?)")
            .bind(&row.job)
            .bind(to_i64(row.created_slot))
            .bind(row.at)
            .bind(to_i64(row.seconds))
            .execute(&mut *transaction)
            .await?;
        if let Some((_, oldest)) = oldest {
            sqlx::query(
                "DELETE FROM lease_signatures WHERE job = ? AND created_slot = ? AND at = ?",
            )
            .bind(&row.job)
            .bind(to_i64(row.created_slot))
            .bind(oldest)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("DELETE FROM lease_signatures WHERE at < ?")
            .bind(row.at.saturating_sub(KEEP_LEASE_SIGNATURES))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The newest total that was signed of a lease: seconds, and up to when.
    pub async fn last_lease_signature(
        &self,
        job: &str,
        created_slot: u64,
    ) -> Result<Option<(u64, i64)>> {
        let row = sqlx::query(
            "SELECT seconds, at FROM lease_signatures WHERE job = ? AND created_slot = ? ORDER BY at DESC LIMIT 1",
        )
        .bind(job)
        .bind(to_i64(created_slot))
        .fetch_optional(&self.0)
        .await?;
        row.map(|row| Ok((u64_of(&row, "seconds")?, row.try_get("at")?)))
            .transpose()
    }

    pub async fn leases(&self) -> Result<Vec<LeaseRow>> {
        let rows = sqlx::query(
            "SELECT job, created_slot, seconds, at FROM leases ORDER BY at DESC LIMIT ?",
        )
        .bind(MAX_LEASE_ROWS)
        .fetch_all(&self.0)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(LeaseRow {
                    job: row.try_get("job")?,
                    created_slot: u64::try_from(row.try_get::<i64, _>("created_slot")?)?,
                    seconds: u64::try_from(row.try_get::<i64, _>("seconds")?)?,
                    at: row.try_get("at")?,
                })
            })
            .collect()
    }

    // Tickets

    pub async fn add_ticket(&self, ticket: &TicketRow) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO tickets VALUES (?, ?, ?, ?, ?)")
            .bind(&ticket.job)
            .bind(to_i64(ticket.created_slot))
            .bind(&ticket.device)
            .bind(ticket.expires_at)
            .bind(ticket.declined)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// Tickets that end after `now`.
    pub async fn live_tickets(&self, now: i64) -> Result<Vec<TicketRow>> {
        let rows = sqlx::query("SELECT * FROM tickets WHERE expires_at >= ?")
            .bind(now)
            .fetch_all(&self.0)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(TicketRow {
                    job: row.try_get("job")?,
                    created_slot: u64_of(row, "created_slot")?,
                    device: row.try_get("device")?,
                    expires_at: row.try_get("expires_at")?,
                    declined: row.try_get("declined")?,
                })
            })
            .collect()
    }

    pub async fn forget_tickets(&self, before: i64) -> Result<()> {
        sqlx::query("DELETE FROM tickets WHERE expires_at < ?")
            .bind(before)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    // Rewards

    /// Adds the slots of an epoch in which devices were seen and hired.
    pub async fn add_uptime(&self, epoch: u64, rows: &[UptimeRow]) -> Result<()> {
        let mut transaction = self.0.begin().await?;
        for row in rows {
            sqlx::query(
                "INSERT INTO uptime VALUES (?1, ?2, ?3, ?4) ON CONFLICT (epoch, device) \
                 DO UPDATE SET seen = seen | ?3, hired = hired | ?4",
            )
            .bind(to_i64(epoch))
            .bind(row.device.as_slice())
            .bind(row.seen as i64)
            .bind(row.hired as i64)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub async fn uptime(&self, epoch: u64) -> Result<Vec<UptimeRow>> {
        let rows = sqlx::query("SELECT * FROM uptime WHERE epoch = ?")
            .bind(to_i64(epoch))
            .fetch_all(&self.0)
            .await?;
        rows.iter()
            .map(|row| {
                let device: Vec<u8> = row.try_get("device")?;
                Ok(UptimeRow {
                    device: device
                        .try_into()
                        .map_err(|_| anyhow::anyhow!("a device's address is not 32 bytes"))?,
                    seen: row.try_get::<i64, _>("seen")? as u64,
                    hired: row.try_get::<i64, _>("hired")? as u64,
                })
            })
            .collect()
    }

    /// Keeps the first report of an epoch, and returns what is kept.
    pub async fn keep_report(&self, epoch: u64, report: &str) -> Result<String> {
        sqlx::query("INSERT OR IGNORE INTO reports VALUES (?, ?)")
            .bind(to_i64(epoch))
            .bind(report)
            .execute(&self.0)
            .await?;
        let kept = self.report(epoch).await?;
        kept.context("a report that was just stored is gone")
    }

    pub async fn report(&self, epoch: u64) -> Result<Option<String>> {
        let row = sqlx::query("SELECT report FROM reports WHERE epoch = ?")
            .bind(to_i64(epoch))
            .fetch_optional(&self.0)
            .await?;
        Ok(row.map(|row| row.try_get("report")).transpose()?)
    }

    /// Keeps the first root of an epoch, before it is signed, and returns what is kept: an oracle signs one.
    pub async fn keep_root(&self, root: &RootRow) -> Result<RootRow> {
        sqlx::query("INSERT OR IGNORE INTO roots VALUES (?, ?, ?, ?, ?)")
            .bind(to_i64(root.epoch))
            .bind(&root.root)
            .bind(to_i64(root.total))
            .bind(&root.leaves)
            .bind(&root.evidence)
            .execute(&self.0)
            .await?;
        let kept = self.root(root.epoch).await?;
        kept.context("a root that was just stored is gone")
    }

    pub async fn root(&self, epoch: u64) -> Result<Option<RootRow>> {
        let row = sqlx::query("SELECT * FROM roots WHERE epoch = ?")
            .bind(to_i64(epoch))
            .fetch_optional(&self.0)
            .await?;
        row.as_ref().map(root_row).transpose()
    }

    /// Forgets what was seen and signed in epochs before `epoch`, which have a later root on chain.
    pub async fn forget_rewards(&self, before: u64) -> Result<()> {
        for table in ["uptime", "reports", "roots"] {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "DELETE FROM {table} WHERE epoch < ?"
            )))
            .bind(to_i64(before))
            .execute(&self.0)
            .await?;
        }
        Ok(())
    }

    /// Blobs that reports, roots and slash cases name.
    pub async fn named_blobs(&self) -> Result<Vec<String>> {
        let rows = sqlx::query(
            "SELECT report AS hash FROM reports UNION SELECT leaves FROM roots UNION SELECT evidence FROM roots UNION SELECT hash FROM evidence",
        )
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("hash")?)).collect()
    }

    // Reference prices

    /// Keeps the first figures of an epoch, before they are signed, and returns what is kept: an oracle signs one for each class.
    /// Forgets epochs before `forget`.
    pub async fn keep_guidance(
        &self,
        epoch: u64,
        figures: &BTreeMap<u16, u16>,
        forget: u64,
    ) -> Result<BTreeMap<u16, u16>> {
        let mut transaction = self.0.begin().await?;
        let first = sqlx::query("INSERT OR IGNORE INTO guidance_epochs VALUES (?)")
            .bind(to_i64(epoch))
            .execute(&mut *transaction)
            .await?;
        if first.rows_affected() == 1 {
            for (class, bps) in figures {
                sqlx::query("INSERT INTO guidance VALUES (?, ?, ?)")
                    .bind(to_i64(epoch))
                    .bind(i64::from(*class))
                    .bind(i64::from(*bps))
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        for table in ["guidance_epochs", "guidance"] {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "DELETE FROM {table} WHERE epoch < ?"
            )))
            .bind(to_i64(forget))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        let kept = self.guidance(epoch).await?;
        kept.context("figures that were just stored are gone")
    }

    /// Utilisation by class in an epoch, basis points; `None` before it was computed.
    pub async fn guidance(&self, epoch: u64) -> Result<Option<BTreeMap<u16, u16>>> {
        let known = sqlx::query("SELECT 1 FROM guidance_epochs WHERE epoch = ?")
            .bind(to_i64(epoch))
            .fetch_optional(&self.0)
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        let rows = sqlx::query("SELECT class, utilisation_bps FROM guidance WHERE epoch = ?")
            .bind(to_i64(epoch))
            .fetch_all(&self.0)
            .await?;
        let figure = |row: &SqliteRow| -> Result<(u16, u16)> {
            Ok((
                u16::try_from(row.try_get::<i64, _>("class")?)?,
                u16::try_from(row.try_get::<i64, _>("utilisation_bps")?)?,
            ))
        };
        rows.iter().map(figure).collect::<Result<_>>().map(Some)
    }

    // Hardware proofs

    pub async fn keep_proof(&self, row: &ProofRow) -> Result<()> {
        sqlx::query("INSERT OR IGNORE INTO proofs VALUES (?, ?, ?, ?, ?)")
            .bind(to_i64(row.epoch))
            .bind(&row.round[..])
            .bind(&row.device[..])
            .bind(row.at)
            .bind(&row.record)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    /// Records of an epoch after a round and device, in their order.
    pub async fn proofs(
        &self,
        epoch: u64,
        after: Option<&([u8; 32], [u8; 32])>,
        limit: i64,
    ) -> Result<Vec<String>> {
        let (round, device): (&[u8], &[u8]) = match after {
            Some((round, device)) => (round, device),
            None => (&[], &[]),
        };
        let rows = sqlx::query(
            "SELECT record FROM proofs WHERE epoch = ? AND (round, device) > (?, ?) ORDER BY round, device LIMIT ?",
        )
        .bind(to_i64(epoch))
        .bind(round)
        .bind(device)
        .bind(limit)
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("record")?)).collect()
    }

    /// A page of records since a time, Unix seconds, oldest first: those after the last of the page before.
    pub async fn proofs_since(
        &self,
        at: i64,
        after: Option<&ProofRow>,
        limit: i64,
    ) -> Result<Vec<ProofRow>> {
        let (at, round, device): (i64, &[u8], &[u8]) = match after {
            Some(row) => (row.at, &row.round, &row.device),
            None => (at, &[], &[]),
        };
        let rows = sqlx::query(
            "SELECT * FROM proofs WHERE (at, round, device) > (?, ?, ?) ORDER BY at, round, device LIMIT ?",
        )
        .bind(at)
        .bind(round)
        .bind(device)
        .bind(limit)
        .fetch_all(&self.0)
        .await?;
        rows.iter().map(proof_row).collect()
    }

    /// The record of a device in a round.
    pub async fn proof(
        &self,
        epoch: u64,
        round: &[u8; 32],
        device: &[u8; 32],
    ) -> Result<Option<String>> {
        let row =
            sqlx::query("SELECT record FROM proofs WHERE epoch = ? AND round = ? AND device = ?")
                .bind(to_i64(epoch))
                .bind(&round[..])
                .bind(&device[..])
                .fetch_optional(&self.0)
                .await?;
        Ok(row.map(|row| row.try_get("record")).transpose()?)
    }

    /// What is known of a challenge, if it was begun.
    pub async fn challenge(
        &self,
        epoch: u64,
        round: &[u8; 32],
        device: &[u8; 32],
    ) -> Result<Option<ChallengeRow>> {
        let row = sqlx::query(
            "SELECT salt, claim, ended FROM challenges WHERE epoch = ? AND round = ? AND device = ?",
        )
        .bind(to_i64(epoch))
        .bind(&round[..])
        .bind(&device[..])
        .fetch_optional(&self.0)
        .await?;
        let challenge = |row: SqliteRow| -> Result<ChallengeRow> {
            let salt: Vec<u8> = row.try_get("salt")?;
            Ok(ChallengeRow {
                salt: salt.try_into().ok().context("the salt of a challenge")?,
                claim: row.try_get("claim")?,
                ended: row.try_get("ended")?,
            })
        };
        row.map(challenge).transpose()
    }

    pub async fn keep_challenge(
        &self,
        epoch: u64,
        round: &[u8; 32],
        device: &[u8; 32],
        row: &ChallengeRow,
    ) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO challenges VALUES (?, ?, ?, ?, ?, ?)")
            .bind(to_i64(epoch))
            .bind(&round[..])
            .bind(&device[..])
            .bind(&row.salt[..])
            .bind(&row.claim)
            .bind(row.ended)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    pub async fn forget_proofs(&self, before: u64) -> Result<()> {
        for table in ["proofs", "challenges"] {
            sqlx::query(sqlx::AssertSqlSafe(format!(
                "DELETE FROM {table} WHERE epoch < ?"
            )))
            .bind(to_i64(before))
            .execute(&self.0)
            .await?;
        }
        Ok(())
    }

    // Blobs

    pub async fn blobs(&self) -> Result<Vec<BlobRow>> {
        let rows = sqlx::query("SELECT * FROM blobs")
            .fetch_all(&self.0)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(BlobRow {
                    hash: row.try_get("hash")?,
                    uploader: row.try_get("uploader")?,
                    size: u64_of(row, "size")?,
                    complete: row.try_get("complete")?,
                    touched: row.try_get("touched")?,
                })
            })
            .collect()
    }

    pub async fn put_blob(&self, row: &BlobRow) -> Result<()> {
        sqlx::query("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?)")
            .bind(&row.hash)
            .bind(&row.uploader)
            .bind(to_i64(row.size))
            .bind(row.complete)
            .bind(row.touched)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    pub async fn remove_blob(&self, hash: &str, uploader: &str) -> Result<()> {
        sqlx::query("DELETE FROM blobs WHERE hash = ? AND uploader = ?")
            .bind(hash)
            .bind(uploader)
            .execute(&self.0)
            .await?;
        Ok(())
    }
}

fn root_row(row: &SqliteRow) -> Result<RootRow> {
    Ok(RootRow {
        epoch: u64_of(row, "epoch")?,
        root: row.try_get("root")?,
        total: u64_of(row, "total")?,
        leaves: row.try_get("leaves")?,
        evidence: row.try_get("evidence")?,
    })
}

fn proof_row(row: &SqliteRow) -> Result<ProofRow> {
    let bytes = |column: &str| -> Result<[u8; 32]> {
        let bytes: Vec<u8> = row.try_get(column)?;
        bytes
            .try_into()
            .map_err(|_| anyhow::anyhow!("a hardware proof's {column} is not 32 bytes"))
    };
    Ok(ProofRow {
        epoch: u64_of(row, "epoch")?,
        at: row.try_get("at")?,
        round: bytes("round")?,
        device: bytes("device")?,
        record: row.try_get("record")?,
    })
}

fn job_row(row: &SqliteRow) -> Result<JobRow> {
    Ok(JobRow {
        job: row.try_get("job")?,
        created_slot: u64_of(row, "created_slot")?,
        closed: row.try_get("closed")?,
        data: row.try_get("data")?,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    /// What can't be stored isn't said; and once the other process lets go, all is as before.
    #[tokio::test]
    async fn a_locked_database_refuses_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open_with(&path, SHORT, SqliteConnectOptions::new())
            .await
            .unwrap();
        let decide =
            async |job: &str, verdict: &str, now| db.decide(job, 1, false, verdict, now).await;
        assert_eq!(decide("a", "valid", 5).await.unwrap(), "valid");
        let options = SqliteConnectOptions::new().filename(&path);
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE")
            .execute(&mut other)
            .await
            .unwrap();
        let error = decide("b", "valid", 5).await.unwrap_err();
        assert!(format!("{error:#}").contains("locked"), "{error:#}");
        let ticket = TicketRow {
            job: "b".into(),
            created_slot: 1,
            device: "d".into(),
            expires_at: 9,
            declined: false,
        };
        assert!(db.add_ticket(&ticket).await.is_err());
        let stored = db.verdict("a", 1, false).await.unwrap();
        assert_eq!(stored.as_deref(), Some("valid"));
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        assert_eq!(db.verdict("b", 1, false).await.unwrap(), None);
        assert_eq!(db.live_tickets(0).await.unwrap(), []);
        assert_eq!(decide("b", "invalid", 6).await.unwrap(), "invalid");
        // The first stays, whatever comes later.
        assert_eq!(decide("b", "valid", 7).await.unwrap(), "invalid");
    }

    /// What is said about a dispute is kept beside what was said before it, each once; and a database from before there were such
    /// verdicts takes them, with all that it holds.
    #[tokio::test]
    async fn a_dispute_has_a_verdict_of_its_own_in_databases_old_and_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open(&path).await.unwrap();
        db.decide("a", 1, false, "valid", 5).await.unwrap();
        // As the first layout left it.
        for statement in ["DROP TABLE dispute_verdicts", "PRAGMA user_version = 1"] {
            sqlx::query(statement).execute(&db.0).await.unwrap();
        }
        db.close().await;
        let db = Db::open(&path).await.unwrap();
        let version: i64 = sqlx::query("PRAGMA user_version")
            .fetch_one(&db.0)
            .await
            .unwrap()
            .get(0);
        assert_eq!(version, VERSION);
        assert_eq!(db.verdict("a", 1, true).await.unwrap(), None);
        let decide = async |verdict, now| db.decide("a", 1, true, verdict, now).await.unwrap();
        assert_eq!(decide("invalid", 6).await, "invalid");
        assert_eq!(decide("valid", 7).await, "invalid", "once");
        let before = db.verdict("a", 1, false).await.unwrap();
        assert_eq!(before.as_deref(), Some("valid"));
    }

    /// Whoever asks for what, in whichever order: no two totals of a lease that were signed contradict each other.
    #[tokio::test]
    async fn signed_totals_of_a_lease_add_up() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db.sqlite")).await.unwrap();
        let sign = async |job: &str, seconds, at| {
            let row = LeaseRow {
                job: job.to_owned(),
                created_slot: 1,
                seconds,
                at,
            };
            db.keep_lease_signature(&row).await.unwrap()
        };
        assert!(sign("a", 50, 1_050).await);
        assert!(sign("a", 50, 1_050).await, "the same again");
        assert!(!sign("a", 51, 1_050).await);
        assert!(!sign("a", 49, 1_060).await);
        assert!(sign("a", 50, 1_049).await, "a little earlier, as many");
        assert!(!sign("a", 49, 1_049).await);
        assert!(sign("a", 60, 1_060).await);
        assert!(sign("b", 1, 1_060).await, "another lease");
        // Of many the newest are remembered, and nothing before those is signed any more.
        for n in 0..MAX_LEASE_SIGNATURES as u64 {
            assert!(sign("a", 100 + n, 1_100 + n as i64).await);
        }
        assert!(!sign("a", 60, 1_060).await, "forgotten");
        assert!(!sign("a", 70, 1_070).await);
        assert!(sign("a", 100, 1_100).await);
        let mut signed = Vec::new();
        for at in 0..200 {
            for seconds in [7, 3, 9, at] {
                if sign("c", seconds, 5_000 + (at * 37 % 101) as i64).await {
                    signed.push((seconds, 5_000 + (at * 37 % 101) as i64));
                }
            }
        }
        assert!(signed.len() > 3);
        for a in &signed {
            for b in &signed {
                assert!(!totals_contradict(*a, *b), "{a:?} {b:?}");
            }
        }
    }

    /// However many there are, no more than a page of records is in memory, and each comes once, in the order of time.
    #[tokio::test]
    async fn records_come_in_pages_by_time() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db.sqlite")).await.unwrap();
        let mut kept = Vec::new();
        for n in 0..50_u8 {
            // Several at one time, and times in another order than rounds and devices.
            let row = ProofRow {
                epoch: 1,
                at: 4_000 + i64::from(n) * 7 % 11,
                round: [n % 3; 32],
                device: [n; 32],
                record: format!("record {n}"),
            };
            db.keep_proof(&row).await.unwrap();
            kept.push(row);
        }
        kept.sort_by_key(|row| (row.at, row.round, row.device));
        let (mut read, mut pages) = (Vec::<ProofRow>::new(), 0);
        loop {
            let page = db.proofs_since(4_003, read.last(), 8).await.unwrap();
            assert!(page.len() <= 8);
            pages += 1;
            if page.is_empty() {
                break;
            }
            read.extend(page);
        }
        kept.retain(|row| row.at >= 4_003);
        assert_eq!(read, kept);
        assert!(pages > 4, "{pages}");
    }

    /// A challenge that was begun goes on with the same salt after a restart, and is forgotten with its record.
    #[tokio::test]
    async fn challenges_are_kept_as_long_as_their_records() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open(&path).await.unwrap();
        let (round, device) = ([1; 32], [2; 32]);
        let row = ChallengeRow {
            salt: [3; 32],
            claim: vec![4; 1_280],
            ended: false,
        };
        assert_eq!(db.challenge(7, &round, &device).await.unwrap(), None);
        db.keep_challenge(7, &round, &device, &row).await.unwrap();
        db.close().await;
        let db = Db::open(&path).await.unwrap();
        let kept = db.challenge(7, &round, &device).await.unwrap();
        assert_eq!(kept, Some(row.clone()));
        for (epoch, round, device) in [
            (8, [1; 32], device),
            (7, [9; 32], device),
            (7, round, [9; 32]),
        ] {
            let other = db.challenge(epoch, &round, &device).await.unwrap();
            assert_eq!(other, None);
        }
        let ended = ChallengeRow { ended: true, ..row };
        db.keep_challenge(7, &round, &device, &ended).await.unwrap();
        db.forget_proofs(7).await.unwrap();
        let kept = db.challenge(7, &round, &device).await.unwrap();
        assert_eq!(kept, Some(ended));
        db.forget_proofs(8).await.unwrap();
        assert_eq!(db.challenge(7, &round, &device).await.unwrap(), None);
    }

    /// Each burn counts once, however often and in which pieces its transaction is read; steps and what was before them add up.
    #[tokio::test]
    async fn burns_are_counted_once_and_by_the_hour() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open(&path).await.unwrap();
        let cursor: Cursor = serde_json::from_value(serde_json::json!({
            "slot": 1, "signature": "1".repeat(64)
        }))
        .unwrap();
        let (fees, bonds) = (1, 4);
        let row = |account: &str, cause, total, share_bps, at| BurnRow {
            account: account.to_owned(),
            cause,
            total,
            share_bps,
            at,
        };
        let told = [
            row("mint", fees, 0, 0, 10),
            row("mint", fees, 70, 0, 3_000),
            // Told again without having grown.
            row("mint", fees, 70, 0, 3_100),
            row("mint", fees, 100, 0, 3_599),
            row("oracle", bonds, 1_001, 2_500, 3_600),
            row("mint", fees, 101, 0, 90_000),
        ];
        for _ in 0..2 {
            for one in &told {
                db.record(&cursor, &[], std::slice::from_ref(one))
                    .await
                    .unwrap();
            }
        }
        let burned = |at, cause, amount| BurnedRow { at, cause, amount };
        // A quarter of the bond, rounded down, was the prover's.
        let all = [
            burned(0, fees, 100),
            burned(3_600, bonds, 751),
            burned(90_000, fees, 1),
        ];
        assert_eq!(db.burns(3_600, 9).await.unwrap(), (all.to_vec(), vec![]));
        assert_eq!(
            db.burns(3_600, 2).await.unwrap(),
            (all[1..].to_vec(), vec![burned(0, fees, 100)])
        );
        let days = [
            burned(0, fees, 100),
            burned(0, bonds, 751),
            burned(86_400, fees, 1),
        ];
        assert_eq!(db.burns(86_400, 9).await.unwrap(), (days.to_vec(), vec![]));
    }

    /// A database from before burns were kept reads the history again, and keeps what it decided.
    #[tokio::test]
    async fn an_earlier_layout_reads_the_history_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open(&path).await.unwrap();
        db.decide("a", 1, false, "valid", 5).await.unwrap();
        for statement in [
            "DROP TABLE burns",
            "INSERT INTO meta VALUES ('cursor', '{}')",
            "PRAGMA user_version = 1",
        ] {
            sqlx::query(statement).execute(&db.0).await.unwrap();
        }
        db.close().await;
        let db = Db::open(&path).await.unwrap();
        assert!(db.cursor().await.unwrap().is_none());
        assert_eq!(
            db.verdict("a", 1, false).await.unwrap().as_deref(),
            Some("valid")
        );
        assert_eq!(db.burns(3_600, 9).await.unwrap(), (vec![], vec![]));
    }

    /// Whatever is computed later, an oracle signs what it kept first.
    #[tokio::test]
    async fn an_epochs_utilisation_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(&folder.path().join("db.sqlite")).await.unwrap();
        assert_eq!(db.guidance(5).await.unwrap(), None);
        let (first, other) = (
            BTreeMap::from([(0, 0), (7, 10_000)]),
            BTreeMap::from([(0, 1)]),
        );
        assert_eq!(db.keep_guidance(5, &first, 0).await.unwrap(), first);
        assert_eq!(db.keep_guidance(5, &other, 0).await.unwrap(), first);
        // An epoch in which no class was up is known, and empty.
        let none = BTreeMap::new();
        assert_eq!(db.keep_guidance(6, &none, 0).await.unwrap(), none);
        assert_eq!(db.keep_guidance(6, &other, 6).await.unwrap(), none);
        assert_eq!(db.guidance(5).await.unwrap(), None, "forgotten");
    }

    /// A disk without room: nothing half of a verdict is there, and what was said before it stays said.
    #[tokio::test]
    async fn a_full_database_refuses_and_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let full = SqliteConnectOptions::new().pragma("max_page_count", "60");
        let db = Db::open_with(&path, SHORT, full).await.unwrap();
        let verdict = "v".repeat(3_000);
        let mut stored = 0;
        let error = loop {
            match db.decide(&stored.to_string(), 1, false, &verdict, 5).await {
                Ok(_) => stored += 1,
                Err(error) => break error,
            }
            assert!(stored < 1_000, "a database of 60 pages holds everything");
        };
        assert!(format!("{error:#}").contains("full"), "{error:#}");
        assert!(stored > 5, "only {stored}");
        db.close().await;
        let db = Db::open(&path).await.unwrap();
        for n in 0..stored {
            let found = db.verdict(&n.to_string(), 1, false).await.unwrap();
            assert_eq!(found.as_ref(), Some(&verdict), "verdict {n}");
        }
        let last = stored.to_string();
        assert_eq!(db.verdict(&last, 1, false).await.unwrap(), None);
        let whole: String = sqlx::query("PRAGMA integrity_check")
            .fetch_one(&db.0)
            .await
            .unwrap()
            .get(0);
        assert_eq!(whole, "ok");
        // With room it goes on.
        let more = db.decide(&last, 1, false, &verdict, 5).await;
        assert_eq!(more.unwrap(), verdict);
    }

    /// A file that is no database, or a torn one, is named, and never silently replaced: it may hold verdicts.
    #[tokio::test]
    async fn a_damaged_database_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.sqlite");
        let db = Db::open(&path).await.unwrap();
        db.decide("a", 1, false, "valid", 5).await.unwrap();
        db.close().await;
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn[..4_096].fill(0x5a);
        for bytes in [b"not a database at all".repeat(50), torn] {
            std::fs::write(&path, &bytes).unwrap();
            let Err(error) = Db::open(&path).await else {
                panic!("a damaged database opened")
            };
            assert!(format!("{error:#}").contains("db.sqlite"), "{error:#}");
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        std::fs::write(&path, &whole).unwrap();
        let db = Db::open(&path).await.unwrap();
        let stored = db.verdict("a", 1, false).await.unwrap();
        assert_eq!(stored.as_deref(), Some("valid"));
    }
}
