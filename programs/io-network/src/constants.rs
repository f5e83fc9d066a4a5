//! Limits and bounds. Parameters that an administrator may change are bounded here.

/// Account layout version written into every account.
pub const VERSION: u8 = 1;
/// Oracles in a set, at most.
pub const MAX_ORACLES: usize = 32;
/// Unbonding entries of a provider, at most.
pub const MAX_UNBONDING: usize = 8;
/// Treasury shards of each payment mint. A job's key chooses one, so that settlements don't queue for an account.
pub const TREASURY_SHARDS: usize = 16;

/// Longest time a job may run, seconds (30 days).
pub const MAX_RUN_SECONDS: u32 = 30 * 24 * 3_600;
/// Farthest deadline from creation, seconds (60 days).
pub const MAX_DEADLINE_SECONDS: i64 = 60 * 24 * 3_600;
/// Bounds of every window parameter, seconds.
pub const MIN_WINDOW_SECONDS: u32 = 1;
/// Upper bound of every window parameter, seconds (60 days).
pub const MAX_WINDOW_SECONDS: u32 = 60 * 24 * 3_600;
/// Largest reservation fee a side and largest payment fee, basis points (5 %).
pub const MAX_FEE_BPS: u16 = 500;
/// Largest penalty as a share of a job's exposure, basis points.
pub const MAX_PENALTY_BPS: u16 = 10_000;
/// Oldest epoch whose utilisation moves a reference price, epochs before the newest root's.
pub const MAX_GUIDANCE_EPOCHS: u64 = 2;
/// Basis points in a whole.
pub const MAX_BPS: u16 = 10_000;
/// Longest timelock, seconds (30 days).
pub const MAX_TIMELOCK_SECONDS: u32 = 30 * 24 * 3_600;
/// A proposed change lapses this long after it matured, seconds (14 days).
pub const PROPOSAL_VALID_SECONDS: u32 = 14 * 24 * 3_600;
/// Largest class multiplier, hundredths (100 ×).
pub const MAX_MULTIPLIER_E2: u32 = 10_000;
/// Oldest measurement that an attestation may carry, seconds (an hour).
pub const MAX_MEASUREMENT_AGE: i64 = 3_600;
/// Highest floor of an appeal's bond, base units (1,000 IO): nobody's appeal may be priced out.
pub const MAX_APPEAL_BOND_FLOOR: u64 = 1_000 * io_protocol::money::IO;
/// Largest bond that oracles may be asked for, base units (10,000,000 IO).
pub const MAX_ORACLE_BOND: u64 = 10_000_000 * io_protocol::money::IO;
/// Least that a co-staker joins with, base units (1 IO).
pub const MIN_CO_STAKE: u64 = io_protocol::money::IO;
/// A device that no quorum attested this long after its registration can be evicted by anybody, seconds (24 hours).
pub const EVICT_SECONDS: i64 = 24 * 3_600;
/// A wrong hardware proof can be brought before the program for so long, seconds (a day). So often an operator may change, for the one
/// before answers for what it signed; and so often a device can be faulted, for whoever steals its operator's key.
pub const EVIDENCE_SECONDS: i64 = 24 * 3_600;
/// Evidence is proven so many slots after it was committed to, at least: whoever copies it from its writing comes that much later.
pub const EVIDENCE_SLOTS: u64 = 32;
/// `class` of a requirement that any class meets.
pub const ANY_CLASS: u16 = u16::MAX;
/// Longest cliff and longest linear vesting, seconds (10 years).
pub const MAX_VESTING_SECONDS: u32 = 10 * 365 * 24 * 3_600;
/// One bit for each part of the genesis supply.
pub const ALL_VESTINGS: u8 = (1 << io_protocol::emission::ALLOCATIONS.len()) - 1;
