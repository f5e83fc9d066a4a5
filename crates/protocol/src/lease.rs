//! Leases: a device rented by the second, paid for the seconds that a quorum attests.
//!
//! A lease's unit is one second, so that prices are quoted per 1,000 seconds. What was attested is always paid, the rest
//! always returns.

use crate::messages::{Bytes32, Deployment, Writer};

/// Domain of [`LeaseStatement`].
pub const LEASE_DOMAIN: [u8; 16] = *b"io/lease/1......";

/// Name under which devices ask for their time, beside their engines: base units for 1,000 seconds.
pub const OFFER: &str = "lease";
/// Shortest lease, seconds. A lease that was ended before cannot be held against the device.
pub const MIN_LEASE_SECONDS: u64 = 60;
/// A device's exposure in a lease is the price of this many seconds (an hour), however many are bought or added: time is
/// attested before it is paid, so that vanishing is all that a device could do.
pub const EXPOSURE_SECONDS: u64 = 3_600;

/// Who ended a lease before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EndedBy {
    /// It runs as long as was bought.
    Nobody = 0,
    /// The renter or the payer, at once.
    Renter = 1,
    /// The provider, with notice.
    Provider = 2,
}

/// An oracle's statement about a lease: up to `at`, the device served for `seconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Job account.
    pub job: Bytes32,
    /// Slot in which that job account was created.
    pub created_slot: u64,
    /// Seconds since acceptance in which the device served.
    pub seconds: u64,
    /// Unix time up to which they were counted.
    pub at: i64,
}

/// Bytes of a [`LeaseStatement`].
pub const LEASE_LEN: usize = 16 + 32 + 32 + 8 + 32 + 8 + 8 + 8;

impl LeaseStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; LEASE_LEN] {
        let mut w = Writer::<LEASE_LEN>::new();
        w.put(&LEASE_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.job);
        w.put(&self.created_slot.to_le_bytes());
        w.put(&self.seconds.to_le_bytes());
        w.put(&self.at.to_le_bytes());
        w.finish()
    }
}

/// Whether two statements of one oracle about one lease cannot both be meant, each as its seconds and the time up to which they
/// were counted: another total for the same time, or one that fell. An oracle may know of fewer seconds than it counted and vouch
/// for those, as long as what it said adds up.
pub fn totals_contradict(a: (u64, i64), b: (u64, i64)) -> bool {
    match a.1.cmp(&b.1) {
        core::cmp::Ordering::Less => a.0 > b.0,
        core::cmp::Ordering::Equal => a.0 != b.0,
        core::cmp::Ordering::Greater => a.0 < b.0,
    }
}

/// Most seconds that can have been served up to `at` in a lease accepted at `accepted_at` that ends at `run_until`.
pub fn most_seconds(accepted_at: i64, run_until: i64, at: i64) -> u64 {
    at.min(run_until).saturating_sub(accepted_at).max(0) as u64
}

/// A lease of which nothing was attested counts as the device's fault if it had the time to serve, or gave it back itself.
pub fn is_fault(attested: u64, accepted_at: i64, run_until: i64, ended_by: u8) -> bool {
    attested == 0
        && (ended_by == EndedBy::Provider as u8
            || most_seconds(accepted_at, run_until, run_until) >= MIN_LEASE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_field_changes_the_bytes() {
        let base = LeaseStatement {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            set_version: 3,
            job: [4; 32],
            created_slot: 5,
            seconds: 6,
            at: 7,
        };
        let variants = [
            base,
            LeaseStatement {
                deployment: Deployment {
                    program: [9; 32],
                    ..base.deployment
                },
                ..base
            },
            LeaseStatement {
                deployment: Deployment {
                    cluster: [9; 32],
                    ..base.deployment
                },
                ..base
            },
            LeaseStatement {
                set_version: 9,
                ..base
            },
            LeaseStatement {
                job: [9; 32],
                ..base
            },
            LeaseStatement {
                created_slot: 9,
                ..base
            },
            LeaseStatement { seconds: 9, ..base },
            LeaseStatement { at: 9, ..base },
        ];
        let all: HashSet<_> = variants.iter().map(LeaseStatement::to_bytes).collect();
        assert_eq!(all.len(), variants.len());
        assert_eq!(base.to_bytes().len(), 144);
        assert_eq!(base.to_bytes()[..16], *b"io/lease/1......");
    }

    #[test]
    fn totals_go_on_and_are_one_at_a_time() {
        for (a, b, contradict) in [
            ((5, 10), (5, 10), false),
            ((5, 10), (6, 10), true),
            ((5, 10), (5, 11), false),
            ((5, 10), (6, 11), false),
            ((5, 10), (4, 11), true),
        ] {
            assert_eq!(totals_contradict(a, b), contradict, "{a:?} {b:?}");
            assert_eq!(totals_contradict(b, a), contradict, "{b:?} {a:?}");
        }
    }

    #[test]
    fn time_is_bounded_by_the_lease_and_by_the_statement() {
        assert_eq!(most_seconds(100, 200, 99), 0);
        assert_eq!(most_seconds(100, 200, 100), 0);
        assert_eq!(most_seconds(100, 200, 150), 50);
        assert_eq!(most_seconds(100, 200, 201), 100);
        assert_eq!(most_seconds(i64::MIN, i64::MAX, i64::MAX), i64::MAX as u64);
    }

    #[test]
    fn silence_is_a_fault_only_where_there_was_time_to_speak() {
        let (nobody, renter, provider) = (0, 1, 2);
        assert!(is_fault(0, 100, 160, nobody));
        assert!(is_fault(0, 100, 160, renter));
        assert!(
            !is_fault(0, 100, 159, renter),
            "ended at once by the renter"
        );
        assert!(is_fault(0, 100, 101, provider));
        for by in [nobody, renter, provider] {
            assert!(!is_fault(1, 100, 1_000, by));
        }
    }
}
