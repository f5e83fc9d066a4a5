//! Every statement that somebody signs.
//!
//! A statement is a fixed-size byte string: a 16-byte domain, then fields in a fixed order, integers little-endian.
//! Each names its domain, the program, the cluster (the genesis hash that the network was initialised with) and what
//! it is about, so that a signature made for one job, epoch, oracle set, program or cluster is worth nothing
//! anywhere else. The on-chain program rebuilds the bytes from its own accounts and compares; it never parses them.

/// A Solana public key or a 32-byte hash.
pub type Bytes32 = [u8; 32];

/// Seconds in an epoch of emission.
pub const EPOCH_SECONDS: i64 = 3_600;

/// The epoch (hours since the Unix epoch) that a Unix time lies in. Times before 1970 count as epoch 0.
pub fn epoch_of(unix_seconds: i64) -> u64 {
    unix_seconds.max(0) as u64 / EPOCH_SECONDS as u64
}

/// Domain of a [`ResultStatement`] about a result that nobody has disputed.
pub const RESULT_DOMAIN: [u8; 16] = *b"io/result/1.....";
/// Domain of a [`ResultStatement`] about a disputed result.
pub const DISPUTED_DOMAIN: [u8; 16] = *b"io/disputed/1...";
/// Domain of [`AuditStatement`]: never seen by the program.
pub const AUDIT_DOMAIN: [u8; 16] = *b"io/audit/1......";
/// Domain of [`TicketStatement`].
pub const TICKET_DOMAIN: [u8; 16] = *b"io/ticket/2.....";
/// Domain of [`DeviceStatement`].
pub const DEVICE_DOMAIN: [u8; 16] = *b"io/device/3.....";
/// Domain of [`RewardStatement`].
pub const REWARD_DOMAIN: [u8; 16] = *b"io/reward/1.....";
/// Domain of [`RequestStatement`]: signed HTTP and WebSocket requests, never seen by the program.
pub const REQUEST_DOMAIN: [u8; 16] = *b"io/request/1....";

/// The deployment a statement belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Program id.
    pub program: Bytes32,
    /// Genesis hash of the cluster, as recorded in the Network account.
    pub cluster: Bytes32,
}

/// What a quorum says of a submitted result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// The work is right: pay for the attested units.
    Valid = 1,
    /// The work is wrong: refund, and penalise the device.
    Invalid = 2,
}

/// An oracle's statement about one submitted result. Before a dispute an oracle may vouch for a result's form; once somebody objects,
/// only what was signed afterwards counts, under another domain, and an oracle signs there what it found by running the work. The
/// two are different statements: an oracle that vouched for the form and then finds the work wrong does not contradict itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Job account.
    pub job: Bytes32,
    /// Slot in which that job account was created: a closed and re-created job is another job.
    pub created_slot: u64,
    /// Epoch in which the result was submitted.
    pub epoch: u64,
    /// Right or wrong.
    pub verdict: Verdict,
    /// Output hash as submitted.
    pub output_hash: Bytes32,
    /// Units of work attested, in the engine's unit.
    pub units: u64,
    /// Whether it is said about a disputed result.
    pub disputed: bool,
}

/// Bytes of a [`ResultStatement`].
pub const RESULT_LEN: usize = 16 + 32 + 32 + 8 + 32 + 8 + 8 + 1 + 32 + 8;

impl ResultStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; RESULT_LEN] {
        let mut w = Writer::<RESULT_LEN>::new();
        w.put(match self.disputed {
            false => &RESULT_DOMAIN,
            true => &DISPUTED_DOMAIN,
        });
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.job);
        w.put(&self.created_slot.to_le_bytes());
        w.put(&self.epoch.to_le_bytes());
        w.put(&[self.verdict as u8]);
        w.put(&self.output_hash);
        w.put(&self.units.to_le_bytes());
        w.finish()
    }
}

/// What an oracle did before it signed a verdict: an oracle may look at a result's form or run the work, as it drew, and this holds it to
/// what it says of itself. The program never sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// Job account.
    pub job: Bytes32,
    /// Slot in which that job account was created.
    pub created_slot: u64,
    /// BLAKE3 of the bytes of the [`ResultStatement`] that it is about.
    pub verdict: Bytes32,
    /// Steps were run again; else only the form was looked at.
    pub audited: bool,
    /// Of the device when the result was checked, basis points: the chance of an audit follows from it. 0 when it was not looked up.
    pub reputation_bps: u16,
    /// Steps that were run.
    pub checked_steps: u64,
    /// Steps that there are.
    pub total_steps: u64,
}

/// Bytes of an [`AuditStatement`].
pub const AUDIT_LEN: usize = 16 + 32 + 32 + 32 + 8 + 32 + 1 + 2 + 8 + 8;

impl AuditStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; AUDIT_LEN] {
        let mut w = Writer::<AUDIT_LEN>::new();
        w.put(&AUDIT_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.job);
        w.put(&self.created_slot.to_le_bytes());
        w.put(&self.verdict);
        w.put(&[u8::from(self.audited)]);
        w.put(&self.reputation_bps.to_le_bytes());
        w.put(&self.checked_steps.to_le_bytes());
        w.put(&self.total_steps.to_le_bytes());
        w.finish()
    }
}

/// A match: one oracle reserves a job for a device until the ticket expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Job account.
    pub job: Bytes32,
    /// Slot in which that job account was created.
    pub created_slot: u64,
    /// Device account that the job is reserved for.
    pub device: Bytes32,
    /// Price of 1,000 units that the device was chosen for, base units of the job's mint: it accepts at this ask and no other.
    pub ask: u64,
    /// Unix time after which the ticket is void.
    pub expires_at: i64,
}

/// Bytes of a [`TicketStatement`].
pub const TICKET_LEN: usize = 16 + 32 + 32 + 8 + 32 + 8 + 32 + 8 + 8;

impl TicketStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; TICKET_LEN] {
        let mut w = Writer::<TICKET_LEN>::new();
        w.put(&TICKET_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.job);
        w.put(&self.created_slot.to_le_bytes());
        w.put(&self.device);
        w.put(&self.ask.to_le_bytes());
        w.put(&self.expires_at.to_le_bytes());
        w.finish()
    }
}

/// Measured figures of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Measured {
    /// Int8 tera-operations a second, in hundredths.
    pub tops_e2: u32,
    /// Usable device memory (host memory for a CPU device), MiB.
    pub memory_mib: u32,
    /// Memory bandwidth, MiB/s.
    pub bandwidth_mib_s: u32,
    /// What its link takes in and gives out, Mbit/s: the least that a signing oracle measured; 0 where none was shown.
    pub down_mbit: u32,
    pub up_mbit: u32,
    /// Longest round trip to a signing oracle, milliseconds rounded up.
    pub latency_ms: u16,
    /// Network region, a two-letter ISO 3166 code packed big-endian ("DE" = 0x4445); 0 when unknown.
    pub region: u16,
}

/// An oracle's statement about a device's measured figures. It is about one registration: the account of the same hardware,
/// retired and registered again by whomever, is another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Device account.
    pub device: Bytes32,
    /// The device's provider account.
    pub provider: Bytes32,
    /// The device's class.
    pub class: u16,
    /// When the device was registered, Unix seconds.
    pub since: i64,
    /// When the figures were measured, Unix seconds.
    pub measured_at: i64,
    /// The figures.
    pub measured: Measured,
}

/// Bytes of a [`DeviceStatement`].
pub const DEVICE_LEN: usize = 16 + 32 + 32 + 8 + 32 + 32 + 2 + 8 + 8 + 4 + 4 + 4 + 4 + 4 + 2 + 2;

impl DeviceStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; DEVICE_LEN] {
        let mut w = Writer::<DEVICE_LEN>::new();
        w.put(&DEVICE_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.device);
        w.put(&self.provider);
        w.put(&self.class.to_le_bytes());
        w.put(&self.since.to_le_bytes());
        w.put(&self.measured_at.to_le_bytes());
        w.put(&self.measured.tops_e2.to_le_bytes());
        w.put(&self.measured.memory_mib.to_le_bytes());
        w.put(&self.measured.bandwidth_mib_s.to_le_bytes());
        w.put(&self.measured.down_mbit.to_le_bytes());
        w.put(&self.measured.up_mbit.to_le_bytes());
        w.put(&self.measured.latency_ms.to_le_bytes());
        w.put(&self.measured.region.to_le_bytes());
        w.finish()
    }
}

/// An oracle's statement about who earned how much up to an epoch of emission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewardStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// `OracleSet.version` that the signer belongs to.
    pub set_version: u64,
    /// Epoch of emission (see [`crate::emission::Calendar`]), the first is 1. Not the hours that other statements count.
    pub epoch: u64,
    /// Root of the tree of all leaves (see [`crate::rewards`]).
    pub root: Bytes32,
    /// All leaves together, IO base units since genesis.
    pub total: u64,
    /// BLAKE3 of the leaf set's blob.
    pub blob: Bytes32,
}

/// Bytes of a [`RewardStatement`].
pub const REWARD_LEN: usize = 16 + 32 + 32 + 8 + 8 + 32 + 8 + 32;

impl RewardStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; REWARD_LEN] {
        let mut w = Writer::<REWARD_LEN>::new();
        w.put(&REWARD_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.set_version.to_le_bytes());
        w.put(&self.epoch.to_le_bytes());
        w.put(&self.root);
        w.put(&self.total.to_le_bytes());
        w.put(&self.blob);
        w.finish()
    }
}

/// A signed request from a wallet, an operator or an oracle to an oracle's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// Who is being asked (the oracle's key): a request to one oracle cannot be replayed to another.
    pub recipient: Bytes32,
    /// What it is about: a job or a device account, or zeroes.
    pub subject: Bytes32,
    /// BLAKE3 of `METHOD path?query` (HTTP) or of the message kind (WebSocket).
    pub action: Bytes32,
    /// BLAKE3 of the body.
    pub body: Bytes32,
    /// Unix milliseconds at signing.
    pub at_ms: u64,
    /// Random, remembered by the recipient while the time is acceptable.
    pub nonce: u64,
}

/// Bytes of a [`RequestStatement`].
pub const REQUEST_LEN: usize = 16 + 32 * 6 + 8 + 8 + 8;

impl RequestStatement {
    /// The bytes to sign. The epoch is derived from the time.
    pub fn to_bytes(&self) -> [u8; REQUEST_LEN] {
        let mut w = Writer::<REQUEST_LEN>::new();
        w.put(&REQUEST_DOMAIN);
        w.put(&self.deployment.program);
        w.put(&self.deployment.cluster);
        w.put(&self.recipient);
        w.put(&self.subject);
        w.put(&epoch_of((self.at_ms / 1_000) as i64).to_le_bytes());
        w.put(&self.action);
        w.put(&self.body);
        w.put(&self.at_ms.to_le_bytes());
        w.put(&self.nonce.to_le_bytes());
        w.finish()
    }
}

pub(crate) struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; N],
            at: 0,
        }
    }

    pub(crate) fn put(&mut self, part: &[u8]) {
        self.bytes[self.at..self.at + part.len()].copy_from_slice(part);
        self.at += part.len();
    }

    pub(crate) fn finish(self) -> [u8; N] {
        debug_assert_eq!(self.at, N);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn result() -> ResultStatement {
        ResultStatement {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            set_version: 3,
            job: [4; 32],
            created_slot: 5,
            epoch: 6,
            verdict: Verdict::Valid,
            output_hash: [7; 32],
            units: 8,
            disputed: false,
        }
    }

    #[test]
    fn every_field_of_a_result_statement_changes_its_bytes() {
        let base = result();
        let mut all = HashSet::from([base.to_bytes().to_vec()]);
        let variants = [
            ResultStatement {
                deployment: Deployment {
                    program: [9; 32],
                    ..base.deployment
                },
                ..base
            },
            ResultStatement {
                deployment: Deployment {
                    cluster: [9; 32],
                    ..base.deployment
                },
                ..base
            },
            ResultStatement {
                set_version: 9,
                ..base
            },
            ResultStatement {
                job: [9; 32],
                ..base
            },
            ResultStatement {
                created_slot: 9,
                ..base
            },
            ResultStatement { epoch: 9, ..base },
            ResultStatement {
                verdict: Verdict::Invalid,
                ..base
            },
            ResultStatement {
                output_hash: [9; 32],
                ..base
            },
            ResultStatement { units: 9, ..base },
            ResultStatement {
                disputed: true,
                ..base
            },
        ];
        for v in variants {
            assert!(
                all.insert(v.to_bytes().to_vec()),
                "{v:?} has the same bytes as another statement"
            );
        }
    }

    #[test]
    fn layout_is_fixed() {
        let b = result().to_bytes();
        assert_eq!(b.len(), 177);
        assert_eq!(&b[..16], b"io/result/1.....");
        assert_eq!(b[16], 1);
        assert_eq!(b[80..88], 3u64.to_le_bytes());
        assert_eq!(b[88], 4);
        assert_eq!(b[136], 1);
        assert_eq!(b[169..177], 8u64.to_le_bytes());
        // About a disputed result the domain differs, and nothing else.
        let disputed = ResultStatement {
            disputed: true,
            ..result()
        }
        .to_bytes();
        assert_eq!(&disputed[..16], b"io/disputed/1...");
        assert_eq!(disputed[16..], b[16..]);
    }

    #[test]
    fn domains_differ_and_lengths_too() {
        let domains = HashSet::from([
            RESULT_DOMAIN,
            DISPUTED_DOMAIN,
            AUDIT_DOMAIN,
            TICKET_DOMAIN,
            DEVICE_DOMAIN,
            REWARD_DOMAIN,
            REQUEST_DOMAIN,
        ]);
        assert_eq!(domains.len(), 7);
        assert_eq!(
            (RESULT_LEN, TICKET_LEN, DEVICE_LEN, REWARD_LEN, REQUEST_LEN),
            (177, 176, 194, 168, 232)
        );
    }

    #[test]
    fn every_field_of_an_audit_statement_changes_its_bytes() {
        let base = AuditStatement {
            deployment: result().deployment,
            job: [3; 32],
            created_slot: 4,
            verdict: [5; 32],
            audited: false,
            reputation_bps: 6,
            checked_steps: 7,
            total_steps: 8,
        };
        let elsewhere = |program, cluster| Deployment {
            program: [program; 32],
            cluster: [cluster; 32],
        };
        let variants = [
            base,
            AuditStatement {
                deployment: elsewhere(9, 2),
                ..base
            },
            AuditStatement {
                deployment: elsewhere(1, 9),
                ..base
            },
            AuditStatement {
                job: [9; 32],
                ..base
            },
            AuditStatement {
                created_slot: 9,
                ..base
            },
            AuditStatement {
                verdict: [9; 32],
                ..base
            },
            AuditStatement {
                audited: true,
                ..base
            },
            AuditStatement {
                reputation_bps: 9,
                ..base
            },
            AuditStatement {
                checked_steps: 9,
                ..base
            },
            AuditStatement {
                total_steps: 9,
                ..base
            },
        ];
        let all: HashSet<_> = variants.iter().map(AuditStatement::to_bytes).collect();
        assert_eq!(all.len(), variants.len());
        let bytes = base.to_bytes();
        assert_eq!((bytes.len(), &bytes[..16]), (171, &AUDIT_DOMAIN[..]));
        assert_eq!((bytes[80], bytes[120], bytes[152]), (3, 5, 0));
        assert_eq!(bytes[153..155], 6u16.to_le_bytes());
    }

    #[test]
    fn every_field_of_a_reward_statement_changes_its_bytes() {
        let base = RewardStatement {
            deployment: result().deployment,
            set_version: 1,
            epoch: 2,
            root: [3; 32],
            total: 4,
            blob: [5; 32],
        };
        let other = Deployment {
            program: [8; 32],
            ..base.deployment
        };
        let elsewhere = Deployment {
            cluster: [8; 32],
            ..base.deployment
        };
        let variants = [
            base,
            RewardStatement {
                deployment: other,
                ..base
            },
            RewardStatement {
                deployment: elsewhere,
                ..base
            },
            RewardStatement {
                set_version: 9,
                ..base
            },
            RewardStatement { epoch: 9, ..base },
            RewardStatement {
                root: [9; 32],
                ..base
            },
            RewardStatement { total: 9, ..base },
            RewardStatement {
                blob: [9; 32],
                ..base
            },
        ];
        let all: HashSet<_> = variants.iter().map(RewardStatement::to_bytes).collect();
        assert_eq!(all.len(), variants.len());
    }

    #[test]
    fn every_figure_of_a_device_statement_changes_its_bytes() {
        let of = |measured| {
            DeviceStatement {
                deployment: result().deployment,
                set_version: 1,
                device: [2; 32],
                provider: [3; 32],
                class: 4,
                since: 5,
                measured_at: 6,
                measured,
            }
            .to_bytes()
        };
        let base = Measured::default();
        let all = HashSet::from([
            of(base),
            of(Measured { tops_e2: 1, ..base }),
            of(Measured {
                memory_mib: 1,
                ..base
            }),
            of(Measured {
                bandwidth_mib_s: 1,
                ..base
            }),
            of(Measured {
                down_mbit: 1,
                ..base
            }),
            of(Measured { up_mbit: 1, ..base }),
            of(Measured {
                latency_ms: 1,
                ..base
            }),
            of(Measured { region: 1, ..base }),
        ]);
        assert_eq!(all.len(), 8);
        assert_eq!(&of(base)[..16], b"io/device/3.....");
    }

    #[test]
    fn epochs_are_hours() {
        assert_eq!(epoch_of(-1), 0);
        assert_eq!(epoch_of(3_599), 0);
        assert_eq!(epoch_of(3_600), 1);
    }
}
