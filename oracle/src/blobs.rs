//! Bytes by their BLAKE3 hash, in plain files: uploads are appended to, engines read finished ones by path.
//!
//! ```text
//! blobs/full/ab/abcd…      a whole blob, verified when it was finished
//! blobs/sums/abcd…         BLAKE3 of each MiB of it: every read is checked without reading the rest
//! blobs/partial/abcd….key  an upload, by its uploader: nobody can spoil another's
//! ```
//! A blob appears under `full` by a rename, after its hash was checked and its bytes were synced: whatever is there is whole.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use io_api::{text, types::BlobStatus};
use io_engines::{BlobError, BlobHash, Blobs};
use io_protocol::messages::Bytes32;
use tokio::task::spawn_blocking;

use crate::db::{BlobRow, Db};

/// Bytes that are checked together.
pub const CHUNK: u64 = 1 << 20;
/// Uploader of what peers gave: counts to the total only.
const FROM_PEERS: &str = "peers";
/// Unfinished uploads at once, of one key and of all.
const MAX_PARTIALS_PER_KEY: usize = 64;
const MAX_PARTIALS: usize = 4_096;
/// Where there are too many, the one that has stood still longest makes room, if it has for so many seconds.
const PARTIAL_IDLE_SECONDS: i64 = 60;
/// Whole blobs, at most.
const MAX_BLOBS: usize = 10_000_000;
/// Share of the store that anybody may fill; the rest is for results and for what jobs need from peers. Keys cost nothing: without
/// this, whoever fills the store keeps every device from being paid.
const ANYBODYS_PERCENT: u64 = 75;

/// What the store may hold, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    pub blob: u64,
    pub uploader: u64,
    pub total: u64,
}

/// Why the store does not take or give something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("blob {0} is not here")]
    NotFound(String),
    #[error("a blob has at most {max} bytes here, this one has {size}")]
    TooLarge { size: u64, max: u64 },
    #[error("this key may have {max} bytes here, and has {used}: {size} more do not fit")]
    UploaderFull { used: u64, size: u64, max: u64 },
    #[error("the store is full ({used} of {max} bytes): {size} more do not fit")]
    Full { used: u64, size: u64, max: u64 },
    #[error("too many unfinished uploads ({0}): finish some first")]
    TooManyPartials(usize),
    #[error("the upload is at byte {received}, and the part starts at {offset}")]
    WrongOffset { received: u64, offset: u64 },
    #[error("the upload was begun with {began} bytes in all, and now it is {now}")]
    OtherSize { began: u64, now: u64 },
    #[error("the part ends at byte {end}, beyond the {size} announced")]
    BeyondSize { end: u64, size: u64 },
    #[error("a part without bytes")]
    EmptyPart,
    /// The upload was thrown away.
    #[error("the bytes hash to {found}, not to {expected}")]
    WrongHash { expected: String, found: String },
    #[error("blob {0} was damaged on this oracle's disk and has been removed")]
    Damaged(String),
    #[error("the store failed")]
    Io(#[source] anyhow::Error),
}

impl From<anyhow::Error> for StoreError {
    fn from(error: anyhow::Error) -> Self {
        Self::Io(error)
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.into())
    }
}

#[derive(Default)]
struct Ledger {
    /// Size, uploader and last use of each whole blob.
    full: HashMap<Bytes32, (u64, String, i64)>,
    /// Announced size and last write of each upload.
    partial: HashMap<(Bytes32, String), (u64, i64)>,
    /// Announced by each key, whether it has come or not.
    by_uploader: HashMap<String, u64>,
    /// Bytes that are here. What is only announced takes no room from others.
    total: u64,
}

impl Ledger {
    fn charge(&mut self, uploader: &str, size: u64) {
        *self.by_uploader.entry(uploader.to_owned()).or_default() += size;
    }

    fn refund(&mut self, uploader: &str, size: u64) {
        if let Some(used) = self.by_uploader.get_mut(uploader) {
            *used = used.saturating_sub(size);
            if *used == 0 {
                self.by_uploader.remove(uploader);
            }
        }
    }

    fn is_nearly_full(&self, quotas: &Quotas) -> bool {
        self.total >= quotas.total / 100 * ANYBODYS_PERCENT
    }
}

struct Inner {
    root: PathBuf,
    quotas: Quotas,
    db: Db,
    ledger: Mutex<Ledger>,
    /// One writer a blob, and one puller.
    writers: Mutex<Locks>,
    pullers: Mutex<Locks>,
}

type Locks = HashMap<Bytes32, Weak<tokio::sync::Mutex<()>>>;

fn lock_for(locks: &Mutex<Locks>, hash: &Bytes32) -> Arc<tokio::sync::Mutex<()>> {
    let mut locks = lock(locks);
    if let Some(found) = locks.get(hash).and_then(Weak::upgrade) {
        return found;
    }
    locks.retain(|_, held| held.strong_count() > 0);
    let new = Arc::default();
    locks.insert(*hash, Arc::downgrade(&new));
    new
}

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore(Arc<Inner>);

pub fn unix_now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl BlobStore {
    /// Opens the store under `root`; files and books are brought into line, whatever moment the last run ended in.
    pub async fn open(root: PathBuf, quotas: Quotas, db: Db) -> Result<Self> {
        for folder in ["full", "sums", "partial", "pull"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("can't create {}", folder.display()))?;
        }
        let store = Self(Arc::new(Inner {
            root,
            quotas,
            db,
            ledger: Mutex::default(),
            writers: Mutex::default(),
            pullers: Mutex::default(),
        }));
        store.reconcile().await?;
        Ok(store)
    }

    async fn reconcile(&self) -> Result<()> {
        let db = &self.0.db;
        let mut known: HashMap<(String, String), BlobRow> = db
            .blobs()
            .await?
            .into_iter()
            .map(|row| ((row.hash.clone(), row.uploader.clone()), row))
            .collect();
        let root = self.0.root.clone();
        let (full, partial) = spawn_blocking(move || scan(&root)).await??;
        let mut ledger = Ledger::default();
        for (hash, size) in full {
            let name = text::hash(&hash);
            let row = known
                .iter()
                .find(|((h, _), row)| *h == name && row.complete)
                .map(|(key, _)| key.clone());
            let (uploader, touched) = match row.and_then(|key| known.remove(&key)) {
                Some(row) => (row.uploader, row.touched),
                // Finished just before the books could be written.
                None => {
                    let row = known.extract_if(|(h, _), _| *h == name).next();
                    let uploader =
                        row.map_or_else(|| FROM_PEERS.to_owned(), |((_, uploader), _)| uploader);
                    let row = BlobRow {
                        hash: name,
                        uploader: uploader.clone(),
                        size,
                        complete: true,
                        touched: unix_now(),
                    };
                    db.put_blob(&row).await?;
                    (uploader, row.touched)
                }
            };
            ledger.charge(&uploader, size);
            ledger.total += size;
            ledger.full.insert(hash, (size, uploader, touched));
        }
        for (hash, uploader, path, received) in partial {
            let name = text::hash(&hash);
            match known.remove(&(name, uploader.clone())) {
                Some(row) if !row.complete && !ledger.full.contains_key(&hash) => {
                    ledger.charge(&uploader, row.size);
                    ledger.total += received;
                    ledger
                        .partial
                        .insert((hash, uploader), (row.size, row.touched));
                }
                _ => fs::remove_file(&path)
                    .with_context(|| format!("can't remove {}", path.display()))?,
            }
        }
        for (hash, uploader) in known.into_keys() {
            db.remove_blob(&hash, &uploader).await?;
        }
        *lock(&self.0.ledger) = ledger;
        Ok(())
    }

    fn full_path(&self, hash: &Bytes32) -> PathBuf {
        let name = text::hash(hash);
        self.0.root.join("full").join(&name[..2]).join(name)
    }

    fn sums_path(&self, hash: &Bytes32) -> PathBuf {
        self.0.root.join("sums").join(text::hash(hash))
    }

    fn partial_path(&self, hash: &Bytes32, uploader: &str) -> PathBuf {
        self.0
            .root
            .join("partial")
            .join(format!("{}.{uploader}", text::hash(hash)))
    }

    fn writer(&self, hash: &Bytes32) -> Arc<tokio::sync::Mutex<()>> {
        lock_for(&self.0.writers, hash)
    }

    /// Held by whoever fetches the blob from a peer.
    pub fn puller(&self, hash: &Bytes32) -> Arc<tokio::sync::Mutex<()>> {
        lock_for(&self.0.pullers, hash)
    }

    /// Size of a whole blob.
    pub fn size(&self, hash: &Bytes32) -> Option<u64> {
        let mut ledger = lock(&self.0.ledger);
        let entry = ledger.full.get_mut(hash)?;
        entry.2 = unix_now();
        Some(entry.0)
    }

    pub fn has(&self, hash: &Bytes32) -> bool {
        self.size(hash).is_some()
    }

    /// Bytes and blobs held.
    pub fn totals(&self) -> (u64, u64) {
        let ledger = lock(&self.0.ledger);
        (ledger.total, ledger.full.len() as u64)
    }

    /// It matters who uploads: there is not room for everybody.
    pub fn is_crowded(&self) -> bool {
        let ledger = lock(&self.0.ledger);
        ledger.is_nearly_full(&self.0.quotas) || ledger.partial.len() >= MAX_PARTIALS
    }

    /// How far a blob is: `uploader`'s own upload where given, else the one that is farthest.
    pub async fn status(
        &self,
        hash: &Bytes32,
        uploader: Option<&str>,
    ) -> Result<BlobStatus, StoreError> {
        let name = text::hash(hash);
        if let Some(size) = self.size(hash) {
            return Ok(BlobStatus {
                hash: name,
                size,
                received: size,
                complete: true,
            });
        }
        let uploads: Vec<(String, u64)> = lock(&self.0.ledger)
            .partial
            .iter()
            .filter(|((h, by), _)| h == hash && uploader.is_none_or(|uploader| uploader == by))
            .map(|((_, by), (size, _))| (by.clone(), *size))
            .collect();
        let farthest = uploads
            .into_iter()
            .map(|(by, size)| {
                (
                    fs::metadata(self.partial_path(hash, &by)).map_or(0, |m| m.len()),
                    size,
                )
            })
            .max()
            .ok_or_else(|| StoreError::NotFound(name.clone()))?;
        Ok(BlobStatus {
            hash: name,
            size: farthest.1,
            received: farthest.0,
            complete: false,
        })
    }

    /// Appends a part. The last one makes the blob whole, if it hashes right. `device`: a registered device sends it, whose
    /// results are taken while there is any room.
    pub async fn append(
        &self,
        hash: &Bytes32,
        uploader: &str,
        device: bool,
        offset: u64,
        size: u64,
        part: Vec<u8>,
    ) -> Result<BlobStatus, StoreError> {
        let name = text::hash(hash);
        if size > self.0.quotas.blob {
            return Err(StoreError::TooLarge {
                size,
                max: self.0.quotas.blob,
            });
        }
        let end = offset.saturating_add(part.len() as u64);
        if end > size {
            return Err(StoreError::BeyondSize { end, size });
        }
        if part.is_empty() && size > 0 {
            return Err(StoreError::EmptyPart);
        }
        let writer = self.writer(hash);
        let _alone = writer.lock().await;
        if let Some(size) = self.size(hash) {
            return Ok(BlobStatus {
                hash: name,
                size,
                received: size,
                complete: true,
            });
        }
        self.drop_idle().await?;
        let path = self.partial_path(hash, uploader);
        let key = (*hash, uploader.to_owned());
        let begun = lock(&self.0.ledger)
            .partial
            .get(&key)
            .map(|(size, _)| *size);
        match begun {
            Some(began) if began != size => {
                // Nothing received is lost by mistake: another size starts anew only from the beginning.
                if offset != 0 {
                    return Err(StoreError::OtherSize { began, now: size });
                }
                self.drop_partial(hash, uploader).await?;
                self.begin(&key, device, size)?;
            }
            Some(_) => {}
            None => self.begin(&key, device, size)?,
        }
        let received = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        if received != offset {
            if begun.is_none() {
                self.drop_partial(hash, uploader).await?;
            }
            return Err(StoreError::WrongOffset { received, offset });
        }
        let row = BlobRow {
            hash: name.clone(),
            uploader: uploader.to_owned(),
            size,
            complete: false,
            touched: unix_now(),
        };
        if begun.is_none() {
            self.0.db.put_blob(&row).await?;
        }
        if let Some(entry) = lock(&self.0.ledger).partial.get_mut(&key) {
            entry.1 = unix_now();
        }
        let bytes = part.len() as u64;
        self.make_room(device, bytes)?;
        let target = path.clone();
        let written = spawn_blocking(move || {
            let mut file = OpenOptions::new().create(true).append(true).open(&target)?;
            let before = file.metadata()?.len();
            if let Err(error) = file.write_all(&part) {
                // A full disk must not leave half a part.
                let _ = file.set_len(before);
                return Err(error);
            }
            Ok(())
        })
        .await;
        let written = written.map_err(|error| StoreError::Io(error.into()));
        if let Err(error) = written.and_then(|written| Ok(written?)) {
            self.give_room(bytes);
            return Err(error);
        }
        if end < size {
            return Ok(BlobStatus {
                hash: name,
                size,
                received: end,
                complete: false,
            });
        }
        match self.finish(hash, path).await {
            Ok(()) => {}
            Err(error @ StoreError::WrongHash { .. }) => {
                self.drop_partial(hash, uploader).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        self.0
            .db
            .put_blob(&BlobRow {
                complete: true,
                ..row
            })
            .await?;
        let others: Vec<String> = {
            let mut ledger = lock(&self.0.ledger);
            ledger.partial.remove(&key);
            // Already charged when it was begun.
            ledger
                .full
                .insert(*hash, (size, uploader.to_owned(), unix_now()));
            ledger
                .partial
                .keys()
                .filter(|(h, _)| h == hash)
                .map(|(_, by)| by.clone())
                .collect()
        };
        for other in others {
            self.drop_partial(hash, &other).await?;
        }
        Ok(BlobStatus {
            hash: name,
            size,
            received: size,
            complete: true,
        })
    }

    /// Takes room for bytes that have come.
    fn make_room(&self, device: bool, bytes: u64) -> Result<(), StoreError> {
        let quotas = self.0.quotas;
        let mut ledger = lock(&self.0.ledger);
        let full = ledger.total.saturating_add(bytes) > quotas.total;
        if full || (!device && ledger.is_nearly_full(&quotas)) {
            return Err(StoreError::Full {
                used: ledger.total,
                size: bytes,
                max: quotas.total,
            });
        }
        ledger.total += bytes;
        Ok(())
    }

    fn give_room(&self, bytes: u64) {
        let mut ledger = lock(&self.0.ledger);
        ledger.total = ledger.total.saturating_sub(bytes);
    }

    /// Notes an upload. Room is taken by what comes of it.
    fn begin(&self, key: &(Bytes32, String), device: bool, size: u64) -> Result<(), StoreError> {
        let quotas = self.0.quotas;
        let mut ledger = lock(&self.0.ledger);
        let used = ledger.by_uploader.get(&key.1).copied().unwrap_or(0);
        if used.saturating_add(size) > quotas.uploader {
            return Err(StoreError::UploaderFull {
                used,
                size,
                max: quotas.uploader,
            });
        }
        if ledger.total.saturating_add(size) > quotas.total
            || (!device && ledger.is_nearly_full(&quotas))
            || ledger.full.len() >= MAX_BLOBS
        {
            return Err(StoreError::Full {
                used: ledger.total,
                size,
                max: quotas.total,
            });
        }
        let own = ledger.partial.keys().filter(|(_, by)| *by == key.1).count();
        // Keys cost nothing: all of them together leave devices their places.
        let most = if device {
            2 * MAX_PARTIALS
        } else {
            MAX_PARTIALS
        };
        if own >= MAX_PARTIALS_PER_KEY || ledger.partial.len() >= most {
            return Err(StoreError::TooManyPartials(own));
        }
        ledger.partial.insert(key.clone(), (size, unix_now()));
        ledger.charge(&key.1, size);
        Ok(())
    }

    /// Where there are too many uploads, drops one that stands still.
    async fn drop_idle(&self) -> Result<(), StoreError> {
        let idle = {
            let ledger = lock(&self.0.ledger);
            if ledger.partial.len() < MAX_PARTIALS {
                return Ok(());
            }
            let oldest = ledger.partial.iter().min_by_key(|(_, (_, at))| *at);
            oldest
                .filter(|(_, (_, at))| unix_now().saturating_sub(*at) > PARTIAL_IDLE_SECONDS)
                .map(|(key, _)| key.clone())
        };
        if let Some((hash, uploader)) = idle
            && let Ok(_alone) = self.writer(&hash).try_lock()
        {
            self.drop_partial(&hash, &uploader).await?;
        }
        Ok(())
    }

    async fn drop_partial(&self, hash: &Bytes32, uploader: &str) -> Result<(), StoreError> {
        let path = self.partial_path(hash, uploader);
        let received = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        remove_if_there(&path)?;
        self.give_room(received);
        self.0.db.remove_blob(&text::hash(hash), uploader).await?;
        let mut ledger = lock(&self.0.ledger);
        if let Some((size, _)) = ledger.partial.remove(&(*hash, uploader.to_owned())) {
            ledger.refund(uploader, size);
        }
        Ok(())
    }

    /// Checks a file's hash and makes it the blob.
    async fn finish(&self, hash: &Bytes32, from: PathBuf) -> Result<(), StoreError> {
        let (full, sums, expected) = (self.full_path(hash), self.sums_path(hash), *hash);
        spawn_blocking(move || {
            let mut file = File::open(&from)?;
            file.sync_all()?;
            let (found, chunk_sums) = hash_chunks(&mut file)?;
            if found != expected {
                return Err(StoreError::WrongHash {
                    expected: text::hash(&expected),
                    found: text::hash(&found),
                });
            }
            let partial = sums.with_extension("part");
            let mut out = File::create(&partial)?;
            out.write_all(&chunk_sums)?;
            out.sync_all()?;
            fs::rename(&partial, &sums)?;
            if let Some(folder) = full.parent() {
                fs::create_dir_all(folder)?;
                fs::rename(&from, &full)?;
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
        .map_err(|error| StoreError::Io(error.into()))?
    }

    /// Stores bytes that this oracle has in a file of its own (from a peer). The file is moved.
    pub async fn adopt(&self, hash: &Bytes32, from: PathBuf) -> Result<(), StoreError> {
        let writer = self.writer(hash);
        let _alone = writer.lock().await;
        if self.has(hash) {
            remove_if_there(&from)?;
            return Ok(());
        }
        let size = fs::metadata(&from)?.len();
        {
            let ledger = lock(&self.0.ledger);
            if ledger.total.saturating_add(size) > self.0.quotas.total {
                return Err(StoreError::Full {
                    used: ledger.total,
                    size,
                    max: self.0.quotas.total,
                });
            }
        }
        self.finish(hash, from).await?;
        let row = BlobRow {
            hash: text::hash(hash),
            uploader: FROM_PEERS.to_owned(),
            size,
            complete: true,
            touched: unix_now(),
        };
        self.0.db.put_blob(&row).await?;
        let mut ledger = lock(&self.0.ledger);
        ledger.charge(FROM_PEERS, size);
        ledger.total += size;
        ledger
            .full
            .insert(*hash, (size, FROM_PEERS.to_owned(), unix_now()));
        Ok(())
    }

    /// Where a blob from a peer is put until it is whole.
    pub fn pull_path(&self, hash: &Bytes32) -> PathBuf {
        self.0.root.join("pull").join(text::hash(hash))
    }

    /// The chunk of a whole blob that holds byte `at`, checked: its first byte's offset, and the bytes.
    pub async fn chunk(&self, hash: &Bytes32, at: u64) -> Result<(u64, Vec<u8>), StoreError> {
        let (full, sums, hash) = (self.full_path(hash), self.sums_path(hash), *hash);
        let number = at / CHUNK;
        let read = spawn_blocking(move || -> Result<Option<(u64, Vec<u8>)>, StoreError> {
            let start = number * CHUNK;
            let mut file = match File::open(&full) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return Err(StoreError::NotFound(text::hash(&hash)));
                }
                Err(error) => return Err(error.into()),
            };
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::with_capacity(CHUNK as usize);
            (&mut file).take(CHUNK).read_to_end(&mut bytes)?;
            let mut sum = [0; 32];
            let kept = File::open(&sums).and_then(|mut file| {
                file.seek(SeekFrom::Start(number * 32))?;
                file.read_exact(&mut sum)
            });
            if kept.is_ok() && sum == *blake3::hash(&bytes).as_bytes() {
                return Ok(Some((start, bytes)));
            }
            // The sums may be what is damaged: the blob's own hash decides, and they are made anew.
            file.seek(SeekFrom::Start(0))?;
            let (found, chunk_sums) = hash_chunks(&mut file)?;
            if found != hash {
                return Ok(None);
            }
            fs::write(&sums, chunk_sums)?;
            Ok(Some((start, bytes)))
        })
        .await
        .map_err(|error| StoreError::Io(error.into()))??;
        match read {
            Some(chunk) => Ok(chunk),
            None => {
                tracing::error!(blob = %text::hash(&hash), "damaged on disk: removed, to be fetched again");
                self.remove(&hash).await?;
                Err(StoreError::Damaged(text::hash(&hash)))
            }
        }
    }

    /// A whole blob of at most `max` bytes, checked.
    pub async fn read(&self, hash: &Bytes32, max: u64) -> Result<Vec<u8>, StoreError> {
        let size = self
            .size(hash)
            .ok_or_else(|| StoreError::NotFound(text::hash(hash)))?;
        if size > max {
            return Err(StoreError::TooLarge { size, max });
        }
        let mut all = Vec::with_capacity(size as usize);
        while (all.len() as u64) < size {
            let (_, chunk) = self.chunk(hash, all.len() as u64).await?;
            if chunk.is_empty() {
                return Err(StoreError::Damaged(text::hash(hash)));
            }
            all.extend(chunk);
        }
        Ok(all)
    }

    async fn remove(&self, hash: &Bytes32) -> Result<(), StoreError> {
        remove_if_there(&self.full_path(hash))?;
        remove_if_there(&self.sums_path(hash))?;
        let removed = lock(&self.0.ledger).full.remove(hash);
        if let Some((size, uploader, _)) = removed {
            lock(&self.0.ledger).refund(&uploader, size);
            self.give_room(size);
            self.0.db.remove_blob(&text::hash(hash), &uploader).await?;
        }
        Ok(())
    }

    /// Drops uploads that stand still, and whole blobs that nothing names and nobody has used. Returns how many.
    pub async fn collect(
        &self,
        named: &HashSet<Bytes32>,
        partial_seconds: u64,
        unnamed_seconds: u64,
    ) -> Result<usize, StoreError> {
        let now = unix_now();
        let old = |at: i64, seconds: u64| {
            now.saturating_sub(at) > i64::try_from(seconds).unwrap_or(i64::MAX)
        };
        let (partial, full) = {
            let ledger = lock(&self.0.ledger);
            let partial: Vec<_> = ledger
                .partial
                .iter()
                .filter(|(_, (_, at))| old(*at, partial_seconds))
                .map(|(key, _)| key.clone())
                .collect();
            let full: Vec<_> = ledger
                .full
                .iter()
                .filter(|(hash, (_, _, at))| old(*at, unnamed_seconds) && !named.contains(*hash))
                .map(|(hash, _)| *hash)
                .collect();
            (partial, full)
        };
        for (hash, uploader) in &partial {
            let writer = self.writer(hash);
            let _alone = writer.lock().await;
            self.drop_partial(hash, uploader).await?;
        }
        for hash in &full {
            let writer = self.writer(hash);
            let _alone = writer.lock().await;
            self.remove(hash).await?;
        }
        Ok(partial.len() + full.len())
    }
}

impl Blobs for BlobStore {
    fn locate(&self, hash: &BlobHash) -> Result<PathBuf, BlobError> {
        if self.has(&hash.0) {
            Ok(self.full_path(&hash.0))
        } else {
            Err(BlobError::Missing(*hash))
        }
    }
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The hash of a file from here on, and of each of its chunks.
fn hash_chunks(file: &mut File) -> std::io::Result<(Bytes32, Vec<u8>)> {
    let mut whole = blake3::Hasher::new();
    let mut sums = Vec::new();
    let mut chunk = Vec::with_capacity(CHUNK as usize);
    loop {
        chunk.clear();
        (&mut *file).take(CHUNK).read_to_end(&mut chunk)?;
        if chunk.is_empty() && !sums.is_empty() {
            break;
        }
        whole.update(&chunk);
        sums.extend_from_slice(blake3::hash(&chunk).as_bytes());
        if (chunk.len() as u64) < CHUNK {
            break;
        }
    }
    Ok((*whole.finalize().as_bytes(), sums))
}

type Scanned = (Vec<(Bytes32, u64)>, Vec<(Bytes32, String, PathBuf, u64)>);

/// Whole blobs and uploads on disk. What has no business there is removed.
fn scan(root: &Path) -> Result<Scanned> {
    let (mut full, mut partial) = (Vec::new(), Vec::new());
    for folder in fs::read_dir(root.join("full"))? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if let Some(hash) = entry.file_name().to_str().and_then(text::parse_hash) {
                full.push((hash, entry.metadata()?.len()));
            }
        }
    }
    for entry in fs::read_dir(root.join("partial"))? {
        let entry = entry?;
        let name = entry.file_name();
        let parsed = name.to_str().and_then(|name| {
            let (hash, uploader) = name.split_once('.')?;
            Some((
                text::parse_hash(hash)?,
                text::key(&text::parse_key(uploader)?),
            ))
        });
        match parsed {
            Some((hash, uploader)) => {
                partial.push((hash, uploader, entry.path(), entry.metadata()?.len()));
            }
            None => fs::remove_file(entry.path())?,
        }
    }
    Ok((full, partial))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: Quotas = Quotas {
        blob: 4 << 20,
        uploader: 6 << 20,
        total: 8 << 20,
    };

    fn uploader(n: u8) -> String {
        text::key(&[n; 32])
    }

    fn bytes(seed: u8, size: usize) -> (Bytes32, Vec<u8>) {
        let bytes: Vec<u8> = (0..size)
            .map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
            .collect();
        (*blake3::hash(&bytes).as_bytes(), bytes)
    }

    async fn open(folder: &Path) -> BlobStore {
        let db = Db::open(&folder.join("db.sqlite")).await.unwrap();
        BlobStore::open(folder.join("blobs"), QUOTAS, db)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn parts_make_a_whole_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let (hash, data) = bytes(1, 3 * CHUNK as usize / 2);
        let size = data.len() as u64;
        let store = open(folder.path()).await;
        let status = store
            .append(&hash, &uploader(1), false, 0, size, data[..1000].to_vec())
            .await
            .unwrap();
        assert_eq!((status.received, status.complete), (1000, false));
        drop(store);
        let store = open(folder.path()).await;
        assert_eq!(
            store
                .status(&hash, Some(&uploader(1)))
                .await
                .unwrap()
                .received,
            1000
        );
        let wrong = store
            .append(&hash, &uploader(1), false, 999, size, data[999..].to_vec())
            .await
            .unwrap_err();
        assert!(
            matches!(
                wrong,
                StoreError::WrongOffset {
                    received: 1000,
                    offset: 999
                }
            ),
            "{wrong}"
        );
        assert!(
            store
                .append(
                    &hash,
                    &uploader(1),
                    false,
                    1000,
                    size,
                    data[1000..].to_vec()
                )
                .await
                .unwrap()
                .complete
        );
        drop(store);
        let store = open(folder.path()).await;
        assert_eq!(store.read(&hash, size).await.unwrap(), data);
        assert_eq!(store.totals(), (size, 1));
    }

    #[tokio::test]
    async fn an_empty_blob_is_a_blob() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (hash, _) = bytes(0, 0);
        assert!(
            store
                .append(&hash, &uploader(1), false, 0, 0, Vec::new())
                .await
                .unwrap()
                .complete
        );
        assert_eq!(store.read(&hash, 10).await.unwrap(), Vec::<u8>::new());
    }

    #[tokio::test]
    async fn wrong_bytes_are_thrown_away_and_spoil_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (hash, data) = bytes(2, 5000);
        store
            .append(&hash, &uploader(1), false, 0, 5000, data[..2500].to_vec())
            .await
            .unwrap();
        let error = store
            .append(&hash, &uploader(2), false, 0, 5000, vec![9; 5000])
            .await
            .unwrap_err();
        assert!(matches!(error, StoreError::WrongHash { .. }), "{error}");
        assert!(!store.has(&hash));
        assert!(matches!(
            store.status(&hash, Some(&uploader(2))).await,
            Err(StoreError::NotFound(_))
        ));
        assert!(
            store
                .append(
                    &hash,
                    &uploader(1),
                    false,
                    2500,
                    5000,
                    data[2500..].to_vec()
                )
                .await
                .unwrap()
                .complete
        );
        assert_eq!(store.totals(), (5000, 1));
    }

    #[tokio::test]
    async fn quotas_hold_and_are_freed() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let mib = 1 << 20;
        let begin = |n: u8, by: u8, size: u64| {
            let store = store.clone();
            async move {
                store
                    .append(&[n; 32], &uploader(by), false, 0, size, vec![0])
                    .await
            }
        };
        assert!(matches!(
            begin(1, 1, 5 * mib).await,
            Err(StoreError::TooLarge { .. })
        ));
        begin(1, 1, 4 * mib).await.unwrap();
        assert!(matches!(
            begin(2, 1, 3 * mib).await,
            Err(StoreError::UploaderFull { .. })
        ));
        begin(2, 2, 3 * mib).await.unwrap();
        let beyond = store
            .append(&[4; 32], &uploader(3), false, 0, 3, vec![0; 4])
            .await;
        assert!(matches!(beyond, Err(StoreError::BeyondSize { .. })));
        assert_eq!(store.totals().0, 2, "what was announced has not come");
        // Nothing younger is dropped.
        assert_eq!(
            store.collect(&HashSet::new(), 3_600, 3_600).await.unwrap(),
            0
        );
        for (_, at) in lock(&store.0.ledger).partial.values_mut() {
            *at -= 4_000;
        }
        assert_eq!(
            store.collect(&HashSet::new(), 3_600, 3_600).await.unwrap(),
            2
        );
        assert_eq!(store.totals(), (0, 0));
        begin(1, 1, 4 * mib).await.unwrap();
    }

    /// Announcing costs a byte and keys cost nothing: neither may keep a device's result out.
    #[tokio::test]
    async fn strangers_leave_room_for_results() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let mib = 1 << 20;
        for n in 0..8 {
            let announced = store
                .append(&[n; 32], &uploader(n), false, 0, 4 * mib, vec![0])
                .await;
            assert!(!announced.unwrap().complete);
        }
        assert_eq!(store.totals().0, 8);
        // Real bytes, by ever new keys, until the store takes no more of them.
        let mut refused = None;
        for n in 10..20 {
            let (hash, data) = bytes(n, mib as usize);
            if let Err(error) = store.append(&hash, &uploader(n), false, 0, mib, data).await {
                refused = Some((n, error));
                break;
            }
        }
        let (n, error) = refused.expect("a store that strangers fill to the brim");
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert_eq!(n, 16, "three quarters of eight MiB");
        assert!(store.is_crowded());
        // An upload that was begun before is no way around it.
        let more = store
            .append(&[0; 32], &uploader(0), false, 1, 4 * mib, vec![0])
            .await;
        assert!(matches!(more, Err(StoreError::Full { .. })));
        let (hash, result) = bytes(99, mib as usize);
        let taken = store
            .append(&hash, &uploader(99), true, 0, mib, result)
            .await
            .unwrap();
        assert!(taken.complete);
        // The last byte is the limit for all.
        let (hash, result) = bytes(98, mib as usize);
        let beyond = store
            .append(&hash, &uploader(99), true, 0, mib, result)
            .await;
        assert!(matches!(beyond, Err(StoreError::Full { .. })));
        // The books are the same after a restart.
        let before = store.totals();
        drop(store);
        assert_eq!(open(folder.path()).await.totals(), before);
    }

    /// Entries of the books as if so many uploads of so many keys had been begun; their files come with their first bytes.
    fn announce(store: &BlobStore, keys: std::ops::Range<usize>, each: usize, at: i64) {
        let mut ledger = lock(&store.0.ledger);
        for key in keys {
            for n in 0..each {
                let mut hash = [0; 32];
                hash[..16].copy_from_slice(&((key as u128) << 64 | n as u128).to_le_bytes());
                ledger.partial.insert((hash, format!("key-{key}")), (1, at));
            }
        }
    }

    #[tokio::test]
    async fn one_key_has_so_many_unfinished_uploads_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let begin = |n: usize, by: u8| {
            let (store, mut hash) = (store.clone(), [7; 32]);
            hash[..8].copy_from_slice(&(n as u64).to_le_bytes());
            async move {
                store
                    .append(&hash, &uploader(by), false, 0, 2, vec![0])
                    .await
            }
        };
        for n in 0..MAX_PARTIALS_PER_KEY {
            begin(n, 1).await.unwrap();
        }
        let more = begin(MAX_PARTIALS_PER_KEY, 1).await;
        assert!(
            matches!(more, Err(StoreError::TooManyPartials(MAX_PARTIALS_PER_KEY))),
            "{more:?}"
        );
        assert!(!store.is_crowded());
        begin(MAX_PARTIALS_PER_KEY, 2).await.unwrap();
    }

    /// However many keys somebody makes up: the uploads of all are bounded, devices have places of their own, and an upload that
    /// stands still makes room.
    #[tokio::test]
    async fn all_keys_together_have_so_many_unfinished_uploads_and_idle_ones_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (hash, data) = bytes(1, 2);
        let begin = |by: u8, device: bool| {
            let (store, data) = (store.clone(), data[..1].to_vec());
            async move { store.append(&hash, &uploader(by), device, 0, 2, data).await }
        };
        let now = unix_now();
        announce(&store, 0..MAX_PARTIALS / 32, 32, now);
        assert!(store.is_crowded());
        assert!(matches!(
            begin(1, false).await,
            Err(StoreError::TooManyPartials(0))
        ));
        begin(2, true).await.unwrap();
        // Devices have as many again, and not one more.
        announce(&store, MAX_PARTIALS / 32..MAX_PARTIALS / 16, 32, now);
        assert!(matches!(
            begin(3, true).await,
            Err(StoreError::TooManyPartials(0))
        ));
        lock(&store.0.ledger)
            .partial
            .retain(|(_, by), _| by.starts_with("key-") && by.len() < 7);
        let before = lock(&store.0.ledger).partial.len();
        announce(&store, 10_000..10_000 + MAX_PARTIALS - before, 1, now);
        assert_eq!(lock(&store.0.ledger).partial.len(), MAX_PARTIALS);
        assert!(begin(4, false).await.is_err());
        // One that stands still for a second less than it may, and then a second more.
        let oldest = {
            let mut ledger = lock(&store.0.ledger);
            let (key, entry) = ledger.partial.iter_mut().next().unwrap();
            entry.1 = now - PARTIAL_IDLE_SECONDS + 30;
            key.clone()
        };
        assert!(begin(4, false).await.is_err());
        lock(&store.0.ledger).partial.get_mut(&oldest).unwrap().1 = now - PARTIAL_IDLE_SECONDS - 1;
        begin(4, false).await.unwrap();
        let ledger = lock(&store.0.ledger);
        assert!(!ledger.partial.contains_key(&oldest));
        assert_eq!(ledger.partial.len(), MAX_PARTIALS);
    }

    #[tokio::test]
    async fn damage_on_disk_is_never_served() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (hash, data) = bytes(3, 2 * CHUNK as usize);
        store
            .append(
                &hash,
                &uploader(1),
                false,
                0,
                data.len() as u64,
                data.clone(),
            )
            .await
            .unwrap();
        // Damaged sums are made anew from the blob.
        fs::write(store.sums_path(&hash), [0; 64]).unwrap();
        assert_eq!(
            store.chunk(&hash, CHUNK).await.unwrap().1,
            &data[CHUNK as usize..]
        );
        let mut damaged = data.clone();
        damaged[CHUNK as usize + 7] ^= 1;
        fs::write(store.full_path(&hash), &damaged).unwrap();
        assert!(
            store.chunk(&hash, 0).await.is_ok(),
            "the first chunk is right"
        );
        assert!(matches!(
            store.chunk(&hash, CHUNK).await,
            Err(StoreError::Damaged(_))
        ));
        assert!(!store.has(&hash), "it can be uploaded again");
    }

    #[tokio::test]
    async fn a_crash_at_any_moment_leaves_books_and_files_in_line() {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path()).await;
        let (hash, data) = bytes(4, 3000);
        store
            .append(&hash, &uploader(1), false, 0, 3000, data[..1000].to_vec())
            .await
            .unwrap();
        let (whole, rest) = bytes(5, 2000);
        store
            .append(&whole, &uploader(1), false, 0, 2000, rest.clone())
            .await
            .unwrap();
        // Renamed, but not yet in the books.
        store
            .0
            .db
            .put_blob(&BlobRow {
                hash: text::hash(&whole),
                uploader: uploader(1),
                size: 2000,
                complete: false,
                touched: 0,
            })
            .await
            .unwrap();
        // A stray file, and a row whose file is gone.
        fs::write(store.0.root.join("partial/garbage"), b"x").unwrap();
        store
            .0
            .db
            .put_blob(&BlobRow {
                hash: text::hash(&[9; 32]),
                uploader: uploader(2),
                size: 5,
                complete: true,
                touched: 0,
            })
            .await
            .unwrap();
        drop(store);
        let store = open(folder.path()).await;
        assert_eq!(store.read(&whole, 2000).await.unwrap(), rest);
        assert_eq!(store.totals(), (1000 + 2000, 1));
        assert!(!store.0.root.join("partial/garbage").exists());
        assert_eq!(store.0.db.blobs().await.unwrap().len(), 2);
    }
}
