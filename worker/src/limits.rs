//! Every limit of the worker, by name.

use std::time::Duration;

/// Oracles that one worker talks to.
pub const MAX_ORACLES: usize = 32;
/// A key in `engines` of the configuration, bytes.
pub const MAX_ENGINE_NAME_BYTES: usize = 32;

/// Offers that wait for the worker to look at them; more are declined at once.
pub const MAX_PENDING_OFFERS: usize = 16;
/// An offer waits this long for a busy device.
pub const OFFER_WAIT: Duration = Duration::from_secs(3);
/// Jobs in the journal. A device has few unsettled jobs: its bond bounds them.
pub const MAX_JOURNALLED_JOBS: usize = 4_096;
/// A journal file, bytes.
pub const MAX_RECORD_BYTES: u64 = 64 * 1024;
/// A small file of the worker's own (asks, self-test), bytes.
pub const MAX_STATE_FILE_BYTES: u64 = 64 * 1024;
/// A decline's reason, bytes.
pub const MAX_REASON_BYTES: usize = 512;

/// Largest message on a link.
pub const MAX_LINK_MESSAGE_BYTES: usize = 256 * 1024;
/// An oracle that was told of this device has so long to measure it before the next one is told.
pub const CLAIM_TURN: Duration = Duration::from_secs(20);
/// Most passes that an oracle may ask for at once, at the most that this device ever claimed: windows of the published length. An oracle asks for
/// three quarters of one.
pub const MAX_ASKED_WINDOWS: u32 = 2;
/// Passes that take more of the window than this, percent, are late. They are asked for as three quarters of it, and a commitment has to
/// come within it.
pub const LATE_PERCENT: u32 = 90;
/// The way to an oracle and back takes no longer than this: whoever is quicker by more was not late by it.
pub const WAY: Duration = Duration::from_millis(501);
/// What a device claims less by, percent, for a way that makes it late.
pub const MISSED_PERCENT: u64 = 10;
/// Rounds that a claim follows from.
pub const REMEMBERED_ROUNDS: usize = 64;
/// What a device does differs from what it claims by more than this, percent, before it claims another speed.
pub const CLAIM_CHANGE_PERCENT: u64 = 5;
/// Longest filling of memory that an oracle may ask for, at the claimed speed.
pub const MAX_ASKED_FILLING: Duration = Duration::from_secs(10);
/// Most rows that an oracle may have opened of a round: four times the published number.
pub const MAX_ASKED_ROWS: u32 = 64;
/// Longest wait for an oracle's next step in a round of the hardware proof, and for an upload to it. It goes on when all devices of
/// its round have filled their memory, 30 s after it opened at the latest.
pub const ROUND_PATIENCE: Duration = Duration::from_secs(40);
/// After a round its oracle gets no other for so many times as long as it had the device wait: else rounds that are drawn out keep the other
/// oracles out. At most [`LONGEST_PAUSE`].
pub const PAUSES_A_WAIT: u32 = 20;
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// Rounds whose trees are kept for audits, and rows of all their passes (64 bytes each: 256 MiB).
pub const KEPT_ROUNDS: usize = 12;
pub const KEPT_ROWS: usize = 4 << 20;
/// Rows of one audit.
pub const MAX_AUDIT_ROWS: usize = 16;
/// A running proof looks this often whether the worker shuts down.
pub const LOOK_FOR_SHUTDOWN: Duration = Duration::from_millis(50);
/// Bytes both ways that one oracle may measure its link with in such a period: some 25 measurements, ten times what rounds need.
pub const MAX_PACE_BYTES: u64 = 64 << 20;
pub const PACE_PERIOD: Duration = Duration::from_secs(3_600);
/// Bytes of a burst in one frame: an oracle takes messages of up to 64 KiB.
pub const PACE_FRAME_BYTES: usize = 32 * 1024;
/// Looks for an offered job that this worker's node doesn't show yet.
pub const LOOKS_FOR_JOB: u32 = 8;
/// Messages that wait for a slow link; progress beyond that is dropped, the rest waits in the journal.
pub const LINK_QUEUE: usize = 64;
pub const LINK_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The oracle's greeting, and its answer to ours, must come within this.
pub const LINK_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses between connections: the first, doubling (with jitter) up to the longest.
pub const LINK_RECONNECT: Duration = Duration::from_millis(250);
pub const LINK_LONGEST_RECONNECT: Duration = Duration::from_secs(15);
/// A link is asked for a sign of life this often, and given up without one after so long.
pub const LINK_PING_EVERY: Duration = Duration::from_secs(10);
pub const LINK_SILENCE: Duration = Duration::from_secs(30);
/// So many refusals in a row because another worker is linked as this device count as that worker being there.
pub const CONFLICTS: u32 = 3;
/// Offset of an oracle's clock from this machine's that is worth a warning: requests are accepted within 60 s.
pub const CLOCK_SKEW_WARNING_MS: u64 = 20_000;

/// A lock that another process holds is waited for this long, with such pauses: it may have been killed a moment ago.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(5);
pub const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// Pauses between tries of a step that failed for a passing reason.
pub const RETRY: Duration = Duration::from_millis(200);
pub const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Tries of a run that failed by this machine's own fault.
pub const MAX_RUN_ATTEMPTS: u32 = 3;
/// Longest fetching of an offered job's inputs, however long its ticket holds.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(300);
/// A run's progress is reported this often.
pub const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Pauses between asking the oracles for verdicts, growing from the first to the longest. A pushed verdict doesn't wait.
pub const GATHER: Duration = Duration::from_millis(200);
pub const LONGEST_GATHER: Duration = Duration::from_secs(5);
/// A job's account is read at least this often while its verdicts are gathered.
pub const CHAIN_EVERY: Duration = Duration::from_secs(5);
/// Longest pause between offering a result again to oracles that say nothing about it.
pub const LONGEST_REOFFER: Duration = Duration::from_secs(300);
/// Seconds that oracles, who are the keepers, have for a job past its time before the worker sends what frees its device.
pub const KEEPER_GRACE_SECONDS: i64 = 15;
/// The chain's list of this device's jobs is read at least this often, in case a notification was lost.
pub const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A lease's served time is brought to account this often, seconds.
pub const CHECKPOINT_SECONDS: i64 = 60;

/// Share of a job's time that its expected run may take, percent: the rest is for storing, submitting and bad luck.
pub const MAX_RUN_SHARE_PERCENT: f64 = 80.0;
/// How many times longer a renter's code may take for its fuel than the code that this device was measured with: divisions,
/// memory far apart, calls of the host.
pub const SLOWEST_CODE: f64 = 64.0;

/// Pauses between tries to have figures attested.
pub const ATTEST_RETRY: Duration = Duration::from_secs(2);
pub const ATTEST_LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Attested figures are renewed at this share of their life, percent, and at least hourly; with jitter.
pub const ATTEST_AT_PERCENT: u64 = 50;
pub const ATTEST_LONGEST: Duration = Duration::from_secs(3_600);

/// The device's account is read this often (draining, a changed operator, a lost bond).
pub const DEVICE_EVERY: Duration = Duration::from_secs(30);
/// Old results and blobs are looked for this often.
pub const CLEAN_EVERY: Duration = Duration::from_secs(600);
/// Shutting down waits so long for links to say goodbye and for a run to notice.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Least SOL an operator should hold, lamports: a few hundred transactions.
pub const LOW_BALANCE_LAMPORTS: u64 = 10_000_000;
