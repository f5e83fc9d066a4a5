//! A passage's fingerprint: its last hidden state where it is largest, as TOPLOC takes it (Ong et al., "TOPLOC: A Locality Sensitive
//! Hashing Scheme for Trustless Verifiable Inference", 2025). Machines that compute the same model in f32 agree in it to a few
//! units of the mantissa; weights rounded to fewer bits, another model or other tokens do not.
//!
//! The hidden state is the matrix of tokens × features before pooling. A fingerprint holds its [`ENTRIES`] values of largest
//! magnitude (of equal ones those that come first) as `place as u32 LE ‖ value as f32 LE`, ordered by place = token · features +
//! feature. A state with fewer values leaves the rest as place 2³² − 1, value 0. A NaN is as large as infinity, so that a state that
//! isn't finite has a fingerprint that isn't either: its passage has no embedding. TOPLOC packs the same pairs into a polynomial over a
//! prime field to save bytes; here the pairs are a twelfth of what the embedding takes, and anybody can read them.

/// Values in a fingerprint.
pub const ENTRIES: usize = 16;
/// Bytes of a fingerprint.
pub const FINGERPRINT_BYTES: usize = ENTRIES * 8;
/// The place of an entry that there is no value for.
const NO_PLACE: u32 = u32::MAX;

/// Claimed places that may not be among the largest values of whoever checks: values of nearly equal size trade places.
pub const MAX_MISPLACED: u32 = 4;
/// Values whose sign or exponent may differ: one next to a power of two can fall on its other side.
pub const MAX_EXPONENTS: u32 = 2;
/// The most that mantissas may differ on average and in the median, in units of the last of their 23 bits.
pub const MAX_MEAN_MANTISSA: u32 = 2_048;
pub const MAX_MEDIAN_MANTISSA: u32 = 1_024;

#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint([(u32, f32); ENTRIES]);

impl Fingerprint {
    /// The fingerprint of a hidden state.
    pub fn of(state: &[f32]) -> Self {
        // Descending by magnitude; what comes first stays before what is equal. A NaN has no place in an order, and would lose its own
        // to what comes later.
        let magnitude = |value: f32| {
            if value.is_nan() {
                f32::INFINITY
            } else {
                value.abs()
            }
        };
        let mut largest = [(NO_PLACE, 0f32); ENTRIES];
        let mut count = 0;
        let mut least = -1f32;
        for (place, value) in state.iter().enumerate() {
            let size = magnitude(*value);
            if count == ENTRIES && size <= least {
                continue;
            }
            let at = largest[..count].partition_point(|(_, other)| magnitude(*other) >= size);
            if count < ENTRIES {
                count += 1;
            }
            largest.copy_within(at..count - 1, at + 1);
            largest[at] = (place as u32, *value);
            least = magnitude(largest[count - 1].1);
        }
        largest[..count].sort_unstable_by_key(|(place, _)| *place);
        Self(largest)
    }

    /// Whether the whole state is.
    pub fn is_finite(&self) -> bool {
        self.0.iter().all(|(_, value)| value.is_finite())
    }

    pub fn bytes(&self) -> [u8; FINGERPRINT_BYTES] {
        let mut bytes = [0; FINGERPRINT_BYTES];
        for ((place, value), to) in self.0.iter().zip(bytes.as_chunks_mut::<8>().0) {
            to[..4].copy_from_slice(&place.to_le_bytes());
            to[4..].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`bytes`](Self::bytes) writes for a state of so many values, and nothing else.
    pub fn parse(bytes: &[u8; FINGERPRINT_BYTES], values: u64) -> Option<Self> {
        let mut entries = [(NO_PLACE, 0f32); ENTRIES];
        for (entry, [p0, p1, p2, p3, v0, v1, v2, v3]) in
            entries.iter_mut().zip(bytes.as_chunks::<8>().0)
        {
            *entry = (
                u32::from_le_bytes([*p0, *p1, *p2, *p3]),
                f32::from_le_bytes([*v0, *v1, *v2, *v3]),
            );
        }
        let count = values.min(ENTRIES as u64) as usize;
        let (used, unused) = entries.split_at(count);
        let ordered = used.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let inside = used
            .iter()
            .all(|(p, v)| u64::from(*p) < values && v.is_finite());
        let empty = unused
            .iter()
            .all(|(p, v)| *p == NO_PLACE && v.to_bits() == 0);
        (ordered && inside && empty).then_some(Self(entries))
    }

    fn entries(&self) -> &[(u32, f32)] {
        let count = self.0.iter().take_while(|(p, _)| *p != NO_PLACE).count();
        &self.0[..count]
    }

    /// Where its values are, ascending.
    pub fn places(&self) -> Vec<u32> {
        self.entries().iter().map(|(place, _)| *place).collect()
    }

    /// How far this claimed fingerprint is from `own`, the checker's, whose state has `values` at the claimed
    /// [`places`](Self::places).
    pub fn difference(&self, own: &Self, values: &[f32]) -> Difference {
        let own = own.places();
        let mut difference = Difference::default();
        let mut mantissas = Vec::with_capacity(ENTRIES);
        for (i, (place, claimed)) in self.entries().iter().enumerate() {
            difference.misplaced += u32::from(own.binary_search(place).is_err());
            // What isn't there is as different as can be.
            let here = values.get(i).copied().unwrap_or(f32::NAN);
            let (a, b) = (claimed.to_bits(), here.to_bits());
            if a >> 23 == b >> 23 {
                mantissas.push((a & MANTISSA).abs_diff(b & MANTISSA));
            } else {
                difference.exponents += 1;
            }
        }
        mantissas.sort_unstable();
        if !mantissas.is_empty() {
            let sum: u64 = mantissas.iter().copied().map(u64::from).sum();
            difference.mean = (sum / mantissas.len() as u64) as u32;
            difference.median = mantissas[mantissas.len() / 2];
        }
        difference
    }
}

const MANTISSA: u32 = (1 << 23) - 1;

/// How far two fingerprints are from each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Difference {
    /// Claimed places that are not among the checker's largest.
    pub misplaced: u32,
    /// Values of another sign or exponent.
    pub exponents: u32,
    /// Mean (rounded down) and median distance of the other values' mantissas, units of their last bit.
    pub mean: u32,
    pub median: u32,
}

impl Difference {
    /// Whether machines that do the same work may differ so much.
    pub fn is_tolerable(&self) -> bool {
        self.misplaced <= MAX_MISPLACED
            && self.exponents <= MAX_EXPONENTS
            && self.mean <= MAX_MEAN_MANTISSA
            && self.median <= MAX_MEDIAN_MANTISSA
    }

    /// The larger figure of each kind.
    pub fn worst(self, other: Self) -> Self {
        Self {
            misplaced: self.misplaced.max(other.misplaced),
            exponents: self.exponents.max(other.exponents),
            mean: self.mean.max(other.mean),
            median: self.median.max(other.median),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_holds_the_largest_values_in_order_of_place() {
        let state: Vec<f32> = (0..100)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 7.0)
            .collect();
        let mut right: Vec<usize> = (0..100).collect();
        right.sort_by(|a, b| state[*b].abs().total_cmp(&state[*a].abs()).then(a.cmp(b)));
        right.truncate(ENTRIES);
        right.sort();
        let print = Fingerprint::of(&state);
        assert_eq!(
            print.places(),
            right.iter().map(|i| *i as u32).collect::<Vec<_>>()
        );
        assert_eq!(Fingerprint::parse(&print.bytes(), 100), Some(print));
        // All equal: the first ones.
        let even = Fingerprint::of(&[2.0; 40]);
        assert_eq!(even.places(), (0..16).collect::<Vec<_>>());
        // Fewer values than entries.
        let few = Fingerprint::of(&[1.0, -3.0]);
        assert_eq!(few.places(), [0, 1]);
        assert_eq!(Fingerprint::parse(&few.bytes(), 2), Some(few.clone()));
        assert_eq!(Fingerprint::parse(&few.bytes(), 3), None);
    }

    /// Wherever it stands, and whatever comes after it.
    #[test]
    fn a_state_that_is_not_finite_has_no_finite_fingerprint() {
        let state: Vec<f32> = (0..64).map(|i| i as f32 - 32.0).collect();
        assert!(Fingerprint::of(&state).is_finite());
        assert!(Fingerprint::of(&[1.0]).is_finite());
        for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for at in 0..state.len() {
                let mut broken = state.clone();
                broken[at] = value;
                let print = Fingerprint::of(&broken);
                assert!(!print.is_finite(), "{value} at {at}");
                assert_eq!(Fingerprint::parse(&print.bytes(), 64), None);
            }
        }
        assert!(!Fingerprint::of(&[f32::NAN; 40]).is_finite());
    }

    #[test]
    fn bytes_that_are_no_fingerprint_are_refused() {
        let state: Vec<f32> = (0..64).map(|i| i as f32 + 1.0).collect();
        let good = Fingerprint::of(&state).bytes();
        let changed = |at: usize, with: &[u8]| {
            let mut bytes = good;
            bytes[at..at + with.len()].copy_from_slice(with);
            Fingerprint::parse(&bytes, 64)
        };
        assert!(Fingerprint::parse(&good, 64).is_some());
        assert_eq!(Fingerprint::parse(&good, 63), None, "a place outside");
        assert_eq!(changed(0, &u32::MAX.to_le_bytes()), None);
        assert_eq!(changed(8, &48_u32.to_le_bytes()), None, "a place twice");
        assert_eq!(changed(4, &f32::NAN.to_le_bytes()), None);
        assert_eq!(changed(4, &f32::INFINITY.to_le_bytes()), None);
    }

    #[test]
    fn thresholds_are_the_documented_ones() {
        let state: Vec<f32> = (0..64).map(|i| 1.0 + i as f32 / 64.0).collect();
        let own = Fingerprint::of(&state);
        let places = own.places();
        let at =
            |state: &[f32]| -> Vec<f32> { places.iter().map(|p| state[*p as usize]).collect() };
        assert_eq!(own.difference(&own, &at(&state)), Difference::default());
        // Every mantissa off by so many units.
        let moved = |units: u32| {
            let off: Vec<f32> = state
                .iter()
                .map(|x| f32::from_bits(x.to_bits() - units))
                .collect();
            own.difference(&Fingerprint::of(&off), &at(&off))
        };
        assert!(moved(MAX_MEDIAN_MANTISSA).is_tolerable());
        assert!(!moved(MAX_MEDIAN_MANTISSA + 1).is_tolerable());
        // Values that are not there at all.
        let missing = own.difference(&own, &[]);
        assert_eq!(missing.exponents, ENTRIES as u32);
        assert!(!missing.is_tolerable());
        // Another order of magnitude.
        let double: Vec<f32> = state.iter().map(|x| x * 2.0).collect();
        assert!(!own.difference(&own, &at(&double)).is_tolerable());
        // Other places.
        let back: Vec<f32> = state.iter().rev().copied().collect();
        let elsewhere = own.difference(&Fingerprint::of(&back), &at(&state));
        assert_eq!(elsewhere.misplaced, ENTRIES as u32);
        assert!(!elsewhere.is_tolerable());
    }
}
