//! What an epoch's rewards are computed from, and what comes of it, as bytes that anybody can read and compute again.
//!
//! 1. Every oracle writes a [`Report`] of the epoch: what it saw of each device. It signs it once ([`ReportStatement`]).
//! 2. The reports of at least a quorum together are the [`Evidence`].
//! 3. [`merge`] makes of the evidence one row a device, [`compute`] the leaf set from those and the leaf set before.
//!
//! Steps 2 and 3 leave no choice but which reports are in; no oracle can make up time that a quorum did not see, and none can take
//! time away that a quorum did. Integers are little-endian, lists sorted, nothing may follow the end.

use crate::{
    emission,
    messages::{Bytes32, Deployment},
    rewards::Leaf,
    scores::{DeviceEpoch, GROUPS, distribute},
};

/// Devices in a report, at most.
pub const MAX_DEVICES: usize = 1_000_000;
/// Reports in the evidence of an epoch, at most.
pub const MAX_REPORTS: usize = 32;
/// First bytes of each format.
pub const REPORT_MAGIC: [u8; 16] = *b"io/report-data/1";
/// First bytes of evidence.
pub const EVIDENCE_MAGIC: [u8; 16] = *b"io/evidence/1...";
/// First bytes of a leaf set.
pub const LEAF_SET_MAGIC: [u8; 16] = *b"io/leaf-set/1...";
/// Domain of [`ReportStatement`].
pub const REPORT_DOMAIN: [u8; 16] = *b"io/report/1.....";
/// Bytes of one row of a report.
const ROW: usize = 32 + 32 + 1 + 4 + 4 + 4 + 2 + 8 + 8;
/// Bytes of one leaf.
const LEAF: usize = 32 + 8;

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatError {
    /// They do not begin with the format's name.
    Magic,
    /// They end too early, or go on after the end.
    Length,
    /// More entries than the format allows.
    TooMany,
    /// Entries are not in ascending order, each once.
    Unsorted,
    /// A field is outside of its range.
    Range,
}

impl core::fmt::Display for FormatError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            FormatError::Magic => "not of the expected format",
            FormatError::Length => "too short, or longer than its contents",
            FormatError::TooMany => "more entries than allowed",
            FormatError::Unsorted => "entries not in ascending order, each once",
            FormatError::Range => "a field outside of its range",
        })
    }
}

impl std::error::Error for FormatError {}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, n: usize) -> Result<&'a [u8], FormatError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(FormatError::Length)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        self.bytes(N)?.try_into().map_err(|_| FormatError::Length)
    }

    fn magic(&mut self, want: &[u8; 16]) -> Result<(), FormatError> {
        (self.array::<16>()? == *want)
            .then_some(())
            .ok_or(FormatError::Magic)
    }

    fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_le_bytes)
    }

    fn count(&mut self, most: usize) -> Result<usize, FormatError> {
        let count = self.u32()? as usize;
        (count <= most).then_some(count).ok_or(FormatError::TooMany)
    }

    fn end(&self) -> Result<(), FormatError> {
        self.0.is_empty().then_some(()).ok_or(FormatError::Length)
    }
}

fn ascending<T, K: Ord>(entries: &[T], key: impl Fn(&T) -> K) -> Result<(), FormatError> {
    entries
        .windows(2)
        .all(|pair| key(&pair[0]) < key(&pair[1]))
        .then_some(())
        .ok_or(FormatError::Unsorted)
}

/// What one oracle saw of one device in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Device account.
    pub device: Bytes32,
    /// Provider account that owned it at the epoch's end.
    pub provider: Bytes32,
    /// The rest, as at the epoch's end.
    pub seen: DeviceEpoch,
}

/// What one oracle saw in an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Report {
    /// Epoch of emission.
    pub epoch: u64,
    /// By device, ascending.
    pub rows: Vec<Row>,
}

impl Report {
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(28 + self.rows.len() * ROW);
        out.extend_from_slice(&REPORT_MAGIC);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&(self.rows.len() as u32).to_le_bytes());
        for Row {
            device,
            provider,
            seen,
        } in &self.rows
        {
            out.extend_from_slice(device);
            out.extend_from_slice(provider);
            out.push(seen.group);
            out.extend_from_slice(&seen.multiplier_e2.to_le_bytes());
            out.extend_from_slice(&seen.tops_e2.to_le_bytes());
            out.extend_from_slice(&seen.norm_tops_e2.to_le_bytes());
            out.extend_from_slice(&seen.reputation_bps.to_le_bytes());
            out.extend_from_slice(&seen.seen.to_le_bytes());
            out.extend_from_slice(&seen.hired.to_le_bytes());
        }
        out
    }

    /// Reads and checks.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader(bytes);
        r.magic(&REPORT_MAGIC)?;
        let epoch = r.u64()?;
        let count = r.count(MAX_DEVICES)?;
        if r.0.len() != count * ROW {
            return Err(FormatError::Length);
        }
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let row = Row {
                device: r.array()?,
                provider: r.array()?,
                seen: DeviceEpoch {
                    group: r.array::<1>()?[0],
                    multiplier_e2: r.u32()?,
                    tops_e2: r.u32()?,
                    norm_tops_e2: r.u32()?,
                    reputation_bps: r.array().map(u16::from_le_bytes)?,
                    seen: r.u64()?,
                    hired: r.u64()?,
                },
            };
            if usize::from(row.seen.group) >= GROUPS {
                return Err(FormatError::Range);
            }
            rows.push(row);
        }
        ascending(&rows, |row: &Row| row.device)?;
        Ok(Self { epoch, rows })
    }
}

/// What an oracle signs about its report: one for each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportStatement {
    /// The deployment.
    pub deployment: Deployment,
    /// Epoch of emission.
    pub epoch: u64,
    /// BLAKE3 of the report.
    pub report: Bytes32,
}

/// Bytes of a [`ReportStatement`].
pub const REPORT_LEN: usize = 16 + 32 + 32 + 8 + 32;

impl ReportStatement {
    /// The bytes to sign.
    pub fn to_bytes(&self) -> [u8; REPORT_LEN] {
        let mut out = [0; REPORT_LEN];
        out[..16].copy_from_slice(&REPORT_DOMAIN);
        out[16..48].copy_from_slice(&self.deployment.program);
        out[48..80].copy_from_slice(&self.deployment.cluster);
        out[80..88].copy_from_slice(&self.epoch.to_le_bytes());
        out[88..].copy_from_slice(&self.report);
        out
    }
}

/// A report with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReport {
    /// Whose it is.
    pub oracle: Bytes32,
    /// Over the [`ReportStatement`] with these bytes' BLAKE3.
    pub signature: [u8; 64],
    /// [`Report::to_bytes`].
    pub report: Vec<u8>,
}

/// The reports that an epoch's rewards are computed from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Epoch of emission.
    pub epoch: u64,
    /// How many oracles must have seen a thing: the quorum of the set when the evidence was put together.
    pub quorum: u8,
    /// By oracle, ascending.
    pub reports: Vec<SignedReport>,
}

impl Evidence {
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&EVIDENCE_MAGIC);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.push(self.quorum);
        out.extend_from_slice(&(self.reports.len() as u32).to_le_bytes());
        for signed in &self.reports {
            out.extend_from_slice(&signed.oracle);
            out.extend_from_slice(&signed.signature);
            out.extend_from_slice(&(signed.report.len() as u32).to_le_bytes());
            out.extend_from_slice(&signed.report);
        }
        out
    }

    /// Reads and checks the form; signatures are the caller's to check.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader(bytes);
        r.magic(&EVIDENCE_MAGIC)?;
        let epoch = r.u64()?;
        let quorum = r.array::<1>()?[0];
        let count = r.count(MAX_REPORTS)?;
        let mut reports = Vec::with_capacity(count);
        for _ in 0..count {
            let (oracle, signature) = (r.array()?, r.array()?);
            let len = r.u32()? as usize;
            let report = r.bytes(len)?.to_vec();
            reports.push(SignedReport {
                oracle,
                signature,
                report,
            });
        }
        r.end()?;
        ascending(&reports, |signed: &SignedReport| signed.oracle)?;
        if quorum == 0 || usize::from(quorum) > reports.len() {
            return Err(FormatError::Range);
        }
        Ok(Self {
            epoch,
            quorum,
            reports,
        })
    }

    /// The reports, read, each of this evidence's epoch.
    pub fn read(&self) -> Result<Vec<Report>, FormatError> {
        let mut reports = Vec::with_capacity(self.reports.len());
        for signed in &self.reports {
            let report = Report::from_bytes(&signed.report)?;
            if report.epoch != self.epoch {
                return Err(FormatError::Range);
            }
            reports.push(report);
        }
        Ok(reports)
    }
}

/// The lower of the two middle values, or the middle one.
fn lower_median<T: Ord + Copy>(values: &mut [T]) -> T {
    values.sort_unstable();
    values[(values.len() - 1) / 2]
}

/// Slots that at least `quorum` of the masks have.
fn agreed(masks: impl Iterator<Item = u64> + Clone, quorum: usize) -> u64 {
    (0..64u32)
        .filter(|slot| masks.clone().filter(|mask| mask >> slot & 1 == 1).count() >= quorum)
        .fold(0, |all, slot| all | 1 << slot)
}

/// One row a device out of several reports. A device counts when at least `quorum` reports name it under the same provider and
/// group (the smallest such pair, should there be two); a slot when at least `quorum` of those have it; figures are the lower
/// median of those. Sorted by device.
pub fn merge(reports: &[Report], quorum: usize) -> Vec<Row> {
    let mut all: Vec<Row> = reports
        .iter()
        .flat_map(|report| report.rows.iter().copied())
        .collect();
    all.sort_by_key(|row| (row.device, row.provider, row.seen.group));
    let mut merged: Vec<Row> = Vec::new();
    for same in all.chunk_by(|a, b| {
        (a.device, a.provider, a.seen.group) == (b.device, b.provider, b.seen.group)
    }) {
        let first = same[0];
        let taken = merged.last().is_some_and(|row| row.device == first.device);
        if same.len() < quorum || taken {
            continue;
        }
        let of = |field: fn(&DeviceEpoch) -> u32| {
            lower_median(&mut same.iter().map(|row| field(&row.seen)).collect::<Vec<_>>())
        };
        merged.push(Row {
            seen: DeviceEpoch {
                group: first.seen.group,
                multiplier_e2: of(|d| d.multiplier_e2),
                tops_e2: of(|d| d.tops_e2),
                norm_tops_e2: of(|d| d.norm_tops_e2),
                reputation_bps: of(|d| d.reputation_bps.into()) as u16,
                seen: agreed(same.iter().map(|row| row.seen.seen), quorum),
                hired: agreed(same.iter().map(|row| row.seen.hired), quorum),
            },
            ..first
        });
    }
    merged
}

/// Who earned how much up to an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LeafSet {
    /// Epoch of emission.
    pub epoch: u64,
    /// The epoch of the leaf set before; 0 when there was none. Emission of epochs between is carried over.
    pub previous_epoch: u64,
    /// BLAKE3 of the leaf set before; zero when there was none.
    pub previous: Bytes32,
    /// BLAKE3 of the evidence.
    pub evidence: Bytes32,
    /// Share of enterprise classes, basis points.
    pub enterprise_bps: u16,
    /// IO base units of each group (community, enterprise) that later epochs may pay.
    pub carry: [u64; GROUPS],
    /// By provider, ascending.
    pub leaves: Vec<Leaf>,
}

impl LeafSet {
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160 + self.leaves.len() * LEAF);
        out.extend_from_slice(&LEAF_SET_MAGIC);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.previous_epoch.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&self.evidence);
        out.extend_from_slice(&self.enterprise_bps.to_le_bytes());
        for carry in self.carry {
            out.extend_from_slice(&carry.to_le_bytes());
        }
        out.extend_from_slice(&(self.leaves.len() as u32).to_le_bytes());
        for leaf in &self.leaves {
            out.extend_from_slice(&leaf.provider);
            out.extend_from_slice(&leaf.cumulative.to_le_bytes());
        }
        out
    }

    /// Reads and checks the form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut r = Reader(bytes);
        r.magic(&LEAF_SET_MAGIC)?;
        let (epoch, previous_epoch) = (r.u64()?, r.u64()?);
        let (previous, evidence) = (r.array()?, r.array()?);
        let enterprise_bps = r.array().map(u16::from_le_bytes)?;
        let carry = [r.u64()?, r.u64()?];
        let count = r.count(1 << crate::rewards::MAX_LEVELS)?;
        if r.0.len() != count * LEAF {
            return Err(FormatError::Length);
        }
        let mut leaves = Vec::with_capacity(count);
        for _ in 0..count {
            leaves.push(Leaf {
                provider: r.array()?,
                cumulative: r.u64()?,
            });
        }
        ascending(&leaves, |leaf: &Leaf| leaf.provider)?;
        Ok(Self {
            epoch,
            previous_epoch,
            previous,
            evidence,
            enterprise_bps,
            carry,
            leaves,
        })
    }

    /// Position and leaf of a provider.
    pub fn find(&self, provider: &Bytes32) -> Option<(usize, Leaf)> {
        let at = self
            .leaves
            .binary_search_by_key(provider, |leaf| leaf.provider)
            .ok()?;
        Some((at, self.leaves[at]))
    }
}

/// What a device earned in an epoch, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earned {
    /// What it was computed from.
    pub row: Row,
    /// IO base units.
    pub amount: u64,
}

/// The leaf set of an epoch, and what each device earned in it.
///
/// `before` is the leaf set before with its BLAKE3, none for the first. Pays what the epoch emits, and carries over what the
/// epochs emitted since `before` that got no leaf set of their own. `None` when the epoch is not after the one before, or
/// amounts do not fit.
pub fn compute(
    before: Option<(&LeafSet, Bytes32)>,
    epoch: u64,
    rows: &[Row],
    evidence: Bytes32,
    enterprise_bps: u16,
) -> Option<(LeafSet, Vec<Earned>)> {
    let (previous_epoch, previous, mut carry, old): (_, _, _, &[Leaf]) = match before {
        Some((set, hash)) => (set.epoch, hash, set.carry, &set.leaves),
        None => (0, [0; 32], [0; GROUPS], &[]),
    };
    if epoch <= previous_epoch {
        return None;
    }
    let skipped = emission::emitted(epoch - 1) - emission::emitted(previous_epoch);
    for (carry, more) in carry
        .iter_mut()
        .zip(crate::scores::budgets(skipped, enterprise_bps))
    {
        *carry = carry.checked_add(more)?;
    }
    let devices: Vec<DeviceEpoch> = rows.iter().map(|row| row.seen).collect();
    let paid = distribute(
        &devices,
        emission::epoch_emission(epoch),
        enterprise_bps,
        carry,
    )?;
    let mut new: Vec<Leaf> = rows
        .iter()
        .zip(&paid.earned)
        .filter(|(_, amount)| **amount > 0)
        .map(|(row, amount)| Leaf {
            provider: row.provider,
            cumulative: *amount,
        })
        .chain(old.iter().copied())
        .collect();
    new.sort_unstable_by_key(|leaf| leaf.provider);
    let mut leaves: Vec<Leaf> = Vec::with_capacity(new.len());
    for leaf in new {
        match leaves.last_mut() {
            Some(last) if last.provider == leaf.provider => {
                last.cumulative = last.cumulative.checked_add(leaf.cumulative)?;
            }
            _ => leaves.push(leaf),
        }
    }
    let earned = rows
        .iter()
        .zip(&paid.earned)
        .map(|(row, amount)| Earned {
            row: *row,
            amount: *amount,
        })
        .collect();
    let set = LeafSet {
        epoch,
        previous_epoch,
        previous,
        evidence,
        enterprise_bps,
        carry: paid.carry,
        leaves,
    };
    Some((set, earned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rewards, scores::ALL_SLOTS};
    use proptest::prelude::*;

    fn row(device: u8, provider: u8, seen: u64) -> Row {
        Row {
            device: [device; 32],
            provider: [provider; 32],
            seen: DeviceEpoch {
                group: 1,
                multiplier_e2: 1_000,
                tops_e2: 500,
                norm_tops_e2: 500,
                reputation_bps: 9_000,
                seen,
                hired: 0,
            },
        }
    }

    fn report(rows: &[Row]) -> Report {
        Report {
            epoch: 7,
            rows: rows.to_vec(),
        }
    }

    fn evidence() -> Evidence {
        Evidence {
            epoch: 7,
            quorum: 2,
            reports: [1, 2]
                .map(|oracle| SignedReport {
                    oracle: [oracle; 32],
                    signature: [oracle; 64],
                    report: report(&[row(1, 1, 3), row(2, 1, 1)]).to_bytes(),
                })
                .to_vec(),
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let r = report(&[row(1, 9, 5), row(2, 9, 6)]);
        assert_eq!(Report::from_bytes(&r.to_bytes()), Ok(r.clone()));
        let e = evidence();
        assert_eq!(Evidence::from_bytes(&e.to_bytes()), Ok(e.clone()));
        assert_eq!(e.read().unwrap().len(), 2);
        let (set, _) = compute(None, 7, &r.rows, [3; 32], 9_500).unwrap();
        assert_eq!(LeafSet::from_bytes(&set.to_bytes()), Ok(set.clone()));
        for bytes in [r.to_bytes(), e.to_bytes(), set.to_bytes()] {
            for cut in 0..bytes.len() {
                let cut = &bytes[..cut];
                assert!(Report::from_bytes(cut).is_err());
                assert!(Evidence::from_bytes(cut).is_err());
                assert!(LeafSet::from_bytes(cut).is_err());
            }
            let mut more = bytes.clone();
            more.push(0);
            assert!(Report::from_bytes(&more).is_err());
            assert!(Evidence::from_bytes(&more).is_err());
            assert!(LeafSet::from_bytes(&more).is_err());
        }
        let unsorted = report(&[row(2, 9, 5), row(1, 9, 6)]);
        assert_eq!(
            Report::from_bytes(&unsorted.to_bytes()),
            Err(FormatError::Unsorted)
        );
        let mut strange = report(&[row(2, 9, 5)]);
        strange.rows[0].seen.group = 2;
        assert_eq!(
            Report::from_bytes(&strange.to_bytes()),
            Err(FormatError::Range)
        );
        let mut weak = evidence();
        weak.quorum = 3;
        assert_eq!(
            Evidence::from_bytes(&weak.to_bytes()),
            Err(FormatError::Range)
        );
    }

    /// Who is there twice would be a quorum alone.
    #[test]
    fn nobody_counts_twice() {
        let mut twice = evidence();
        twice.reports[1] = twice.reports[0].clone();
        assert_eq!(
            Evidence::from_bytes(&twice.to_bytes()),
            Err(FormatError::Unsorted)
        );
        let same = report(&[row(1, 9, 5), row(1, 9, 5)]);
        assert_eq!(
            Report::from_bytes(&same.to_bytes()),
            Err(FormatError::Unsorted)
        );
    }

    #[test]
    fn a_report_is_signed_for_its_deployment_and_epoch() {
        let deployment = Deployment {
            program: [1; 32],
            cluster: [2; 32],
        };
        let statement = ReportStatement {
            deployment,
            epoch: 0x0807_0605_0403_0201,
            report: [3; 32],
        };
        let mut expected = b"io/report/1.....".to_vec();
        expected.extend([1; 32]);
        expected.extend([2; 32]);
        expected.extend(1..=8);
        expected.extend([3; 32]);
        assert_eq!(statement.to_bytes().to_vec(), expected);
    }

    #[test]
    fn every_error_says_something_of_its_own() {
        let all = [
            FormatError::Magic,
            FormatError::Length,
            FormatError::TooMany,
            FormatError::Unsorted,
            FormatError::Range,
        ]
        .map(|error| error.to_string());
        for (i, text) in all.iter().enumerate() {
            assert!(!text.is_empty() && !all[..i].contains(text), "{all:?}");
        }
    }

    #[test]
    fn a_quorum_decides_every_slot_and_figure() {
        let honest = [row(1, 1, 0b0111), row(2, 1, 0b1)];
        let mut liar = [row(1, 1, ALL_SLOTS), row(3, 4, ALL_SLOTS)];
        liar[0].seen.tops_e2 = u32::MAX;
        let merged = merge(
            &[report(&honest), report(&[row(1, 1, 0b0011)]), report(&liar)],
            2,
        );
        // Device 2 was seen by one, device 3 is the liar's own.
        assert_eq!(merged, [row(1, 1, 0b0111)]);
        // Without a quorum for one owner there is nothing.
        let merged = merge(&[report(&[row(1, 1, 1)]), report(&[row(1, 2, 1)])], 2);
        assert_eq!(merged, []);
    }

    #[test]
    fn amounts_accumulate_and_skipped_epochs_are_carried() {
        let rows = [row(1, 1, ALL_SLOTS), row(2, 2, ALL_SLOTS)];
        let (first, earned) = compute(None, 1, &rows, [1; 32], 9_500).unwrap();
        let budget = crate::scores::budgets(emission::emitted(1), 9_500);
        assert_eq!(earned[0].amount, budget[1] / 2);
        assert_eq!(first.carry[0], budget[0]);
        let (second, _) = compute(Some((&first, [5; 32])), 4, &rows[..1], [2; 32], 9_500).unwrap();
        assert_eq!((second.previous_epoch, second.previous), (1, [5; 32]));
        let spent = rewards::total(&second.leaves).unwrap();
        assert_eq!(
            spent + second.carry[0] + second.carry[1],
            emission::emitted(4)
        );
        assert_eq!(second.leaves[1], first.leaves[1]);
        assert_eq!(second.find(&[1; 32]).unwrap().0, 0);
        assert_eq!(second.find(&[7; 32]), None);
        assert_eq!(
            compute(Some((&second, [0; 32])), 4, &rows, [0; 32], 9_500),
            None
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_made_over_many_epochs(
            steps in prop::collection::vec((1u64..4, prop::collection::vec((0u8..6, 0u8..4, any::<u64>()), 0..8)), 1..12),
        ) {
            let mut set: Option<LeafSet> = None;
            let mut epoch = 0;
            for (skip, rows) in steps {
                epoch += skip;
                let mut rows: Vec<Row> = rows.into_iter().map(|(device, provider, seen)| row(device, provider, seen)).collect();
                rows.sort_by_key(|row| row.device);
                rows.dedup_by_key(|row| row.device);
                let before = set.as_ref().map(|set| (set, [1; 32]));
                let (next, earned) = compute(before, epoch, &rows, [2; 32], 9_500).unwrap();
                prop_assert_eq!(earned.len(), rows.len());
                let spent: u64 = next.leaves.iter().map(|leaf| leaf.cumulative).sum();
                prop_assert_eq!(spent + next.carry[0] + next.carry[1], emission::emitted(epoch));
                if let Some(set) = &set {
                    for leaf in &set.leaves {
                        prop_assert!(next.find(&leaf.provider).unwrap().1.cumulative >= leaf.cumulative);
                    }
                }
                set = Some(next);
            }
        }

        #[test]
        fn reading_never_panics(bytes: Vec<u8>, which in 0..3usize) {
            let magic = [REPORT_MAGIC, EVIDENCE_MAGIC, LEAF_SET_MAGIC][which];
            let mut all = magic.to_vec();
            all.extend(bytes);
            let _ = Report::from_bytes(&all);
            let _ = Evidence::from_bytes(&all).map(|e| e.read());
            let _ = LeafSet::from_bytes(&all);
        }
    }
}
