//! Checking opened rows: Freivalds' test (R. Freivalds, "Probabilistic machines can use less running time", 1977), row by
//! row, over p = 2⁶¹ − 1.
//!
//! For a right row, ⟨Cᵢ, r⟩ = ⟨Aᵢ, B·r⟩. For a wrong one, drawn before r, the two sides are equal for one r in p. Only
//! committed rows bind: each is hashed to its pass's root. B·r is computed once for all workers of a round.

use super::{
    Hash, Software,
    cell::{self, CellError, Sha256, fold_full},
    field::{P, reduce},
    reference,
    seeds::{draw_seed, r_seed},
    tree::{Committed, row_root},
};
use crate::sample::sample_steps;

/// Most rows opened of one device in one round.
pub const MAX_ROWS: u32 = 256;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Shape(#[from] CellError),
    #[error("{0} rows to open: 1 to {MAX_ROWS}, and no more than there are, were expected")]
    Rows(u32),
    #[error("this commitment is for another round, device or size than the one checked")]
    OtherRound,
    #[error(
        "pass {found_pass} row {found_row} came, pass {pass} row {row} was drawn: open the drawn rows in order"
    )]
    NotDrawn {
        pass: u32,
        row: u32,
        found_pass: u32,
        found_row: u32,
    },
    #[error("row {row} of pass {pass} has {found} cells where {expected} were expected")]
    Cells {
        pass: u32,
        row: u32,
        expected: usize,
        found: usize,
    },
    #[error(
        "the path of row {row} of pass {pass} has {found} siblings where {expected} were expected"
    )]
    Path {
        pass: u32,
        row: u32,
        expected: usize,
        found: usize,
    },
    #[error("row {row} of pass {pass} is not the committed one: it leads to another root")]
    NotCommitted { pass: u32, row: u32 },
    #[error("row {row} of pass {pass} is wrong: it is not that row of the product")]
    WrongRow { pass: u32, row: u32 },
    #[error("{found} of {expected} drawn rows were opened")]
    Missing { expected: usize, found: usize },
    #[error("more rows came than were drawn ({0})")]
    TooMany(usize),
}

/// r, and B·r as columns are added to it.
///
/// Columns may be split over threads, each with its own `ColumnSums`, and merged: the sums are exact integers.
pub struct ColumnSums {
    b_seed: Hash,
    r: std::sync::Arc<[u64]>,
    /// Σ B·(low 31 bits of r) and Σ B·(high 30 bits): at most 2⁷·2³¹·2¹⁵ in size.
    low: Vec<i64>,
    high: Vec<i64>,
    columns: u32,
}

impl ColumnSums {
    pub fn new(round_seed: &Hash, reveal: &Hash, n: u32) -> Result<Self, CellError> {
        cell::check_n(n)?;
        Ok(Self {
            b_seed: super::b_seed(round_seed, n),
            r: r_vector(reveal, n).into(),
            low: vec![0; n as usize],
            high: vec![0; n as usize],
            columns: 0,
        })
    }

    /// Empty sums of the same r.
    pub fn fork(&self) -> Self {
        let zeroes = vec![0; self.r.len()];
        Self {
            b_seed: self.b_seed,
            r: self.r.clone(),
            low: zeroes.clone(),
            high: zeroes,
            columns: 0,
        }
    }

    /// Adds B's columns `columns`. n bytes at a time.
    pub fn add(&mut self, columns: std::ops::Range<u32>) {
        let n = self.r.len() as u32;
        let mut bytes = vec![0_u8; n as usize];
        for col in columns {
            reference::stream(&self.b_seed, col * (n / 32), &mut bytes);
            let r = self.r[col as usize];
            let (low, high) = ((r & 0x7fff_ffff) as i32, (r >> 31) as i32);
            add_column(&mut self.low, &mut self.high, &bytes, low, high);
            self.columns += 1;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.low.iter_mut().zip(&other.low) {
            *to += from;
        }
        for (to, from) in self.high.iter_mut().zip(&other.high) {
            *to += from;
        }
        self.columns += other.columns;
    }

    /// The sums of all n columns; `None` while some are missing.
    pub fn finish(self, round_seed: Hash, reveal: Hash) -> Option<Checker> {
        let n = self.r.len() as u32;
        (self.columns == n).then(|| Checker {
            round_seed,
            reveal,
            n,
            b_r: self
                .low
                .iter()
                .zip(&self.high)
                .map(|(low, high)| reduce(i128::from(*low) + (i128::from(*high) << 31)))
                .collect(),
            r: self.r,
        })
    }
}

/// Adds `low`·b and `high`·b for each b = byte − 128.
#[inline(always)]
fn add_column_anywhere(lows: &mut [i64], highs: &mut [i64], bytes: &[u8], low: i32, high: i32) {
    for ((sum_low, sum_high), byte) in lows.iter_mut().zip(highs).zip(bytes) {
        let b = i32::from((byte ^ 0x80) as i8);
        // In range by the sizes above; checked additions would not be vectorised.
        *sum_low = sum_low.wrapping_add(i64::from(b).wrapping_mul(i64::from(low)));
        *sum_high = sum_high.wrapping_add(i64::from(b).wrapping_mul(i64::from(high)));
    }
}

/// The same with 256-bit instructions: 32 × 32 → 64-bit products, which the baseline has not.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn add_column_avx2(lows: &mut [i64], highs: &mut [i64], bytes: &[u8], low: i32, high: i32) {
    add_column_anywhere(lows, highs, bytes, low, high);
}

fn add_column(lows: &mut [i64], highs: &mut [i64], bytes: &[u8], low: i32, high: i32) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just asked.
        return unsafe { add_column_avx2(lows, highs, bytes, low, high) };
    }
    add_column_anywhere(lows, highs, bytes, low, high);
}

/// n elements uniform in 0..p: four a SHA-256 block, 61 bits each; the one value of 2⁶¹ that is p itself is drawn again.
fn r_vector(reveal: &Hash, n: u32) -> Vec<u64> {
    let seed = r_seed(reveal, n);
    let mut r = Vec::with_capacity(n as usize);
    for t in 0..n / 4 {
        let block = cell::stream_block::<Software>(&seed, t);
        for word in block.chunks_exact(8) {
            r.push(element(word));
        }
    }
    r
}

fn element(word: &[u8]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(word);
    let value = u64::from_le_bytes(eight) & P;
    if value == P {
        element(&Software::hash(&[word])[..8])
    } else {
        value
    }
}

/// Passes and rows that a device opens: `k` distinct ones out of all its rows, drawn after the commitment.
pub fn drawn_rows(reveal: &Hash, committed: &Committed, k: u32) -> Vec<(u32, u32)> {
    let seed = draw_seed(reveal, &committed.device, &committed.commitment());
    let n = u64::from(committed.n);
    sample_steps(&seed, committed.roots.len() as u64 * n, k)
        .into_iter()
        .map(|at| ((at / n) as u32, (at % n) as u32))
        .collect()
}

/// One opened row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedRow {
    pub pass: u32,
    pub row: u32,
    pub cells: Vec<i32>,
    /// From the row's root to the pass's top.
    pub path: Vec<Hash>,
}

impl OpenedRow {
    /// Bytes of a row in [`OpenedRow::to_bytes`].
    pub const fn wire_len(n: u32) -> usize {
        8 + 4 * n as usize + 32 * n.trailing_zeros() as usize
    }

    /// Whether it leads to the root that its pass was committed to with.
    pub fn is_committed(&self, committed: &Committed) -> bool {
        let (n, pass) = (committed.n, self.pass);
        let Some(root) = committed.roots.get(pass as usize) else {
            return false;
        };
        if self.row >= n
            || self.cells.len() != n as usize
            || self.path.len() != n.trailing_zeros() as usize
        {
            return false;
        }
        let top = fold_full::<Software>(row_root(&self.cells), self.row, &self.path);
        let (a_seed, b_seed) = (committed.a_seed(pass), committed.b_seed());
        cell::pass_root::<Software>(&a_seed, &b_seed, n, &top) == *root
    }

    /// `pass ‖ row ‖ cells ‖ path`, integers 32-bit little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 4 * self.cells.len() + 32 * self.path.len());
        bytes.extend(self.pass.to_le_bytes());
        bytes.extend(self.row.to_le_bytes());
        for cell in &self.cells {
            bytes.extend(cell.to_le_bytes());
        }
        bytes.extend(self.path.as_flattened());
        bytes
    }

    /// Reads exactly [`OpenedRow::wire_len`] bytes; `None` for any other length.
    pub fn from_bytes(n: u32, bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::wire_len(n) {
            return None;
        }
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let (cells, path) = rest.split_at(4 * n as usize);
        let word = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        Some(Self {
            pass: word(&head[..4]),
            row: word(&head[4..]),
            cells: cells.chunks_exact(4).map(|b| word(b) as i32).collect(),
            path: path.as_chunks::<32>().0.to_vec(),
        })
    }
}

/// Checks all devices of a round that use one n.
pub struct Checker {
    round_seed: Hash,
    reveal: Hash,
    n: u32,
    r: std::sync::Arc<[u64]>,
    b_r: Vec<u64>,
}

impl Checker {
    /// Computes B·r on this thread.
    pub fn new(round_seed: &Hash, reveal: &Hash, n: u32) -> Result<Self, CellError> {
        let mut sums = ColumnSums::new(round_seed, reveal, n)?;
        sums.add(0..n);
        sums.finish(*round_seed, *reveal).ok_or(CellError::Size(n))
    }

    /// Begins a device's check: `k` rows are expected, one by one.
    pub fn begin<'a>(
        &'a self,
        committed: &'a Committed,
        k: u32,
    ) -> Result<RowsCheck<'a>, CheckError> {
        let passes = u32::try_from(committed.roots.len()).unwrap_or(u32::MAX);
        cell::check_passes(passes)?;
        if committed.round_seed != self.round_seed || committed.n != self.n {
            return Err(CheckError::OtherRound);
        }
        if !(1..=MAX_ROWS).contains(&k) || u64::from(k) > u64::from(passes) * u64::from(self.n) {
            return Err(CheckError::Rows(k));
        }
        Ok(RowsCheck {
            checker: self,
            committed,
            drawn: drawn_rows(&self.reveal, committed, k),
            done: 0,
        })
    }

    /// Checks all of a device's rows at once.
    pub fn check(
        &self,
        committed: &Committed,
        k: u32,
        rows: &[OpenedRow],
    ) -> Result<(), CheckError> {
        let mut check = self.begin(committed, k)?;
        for row in rows {
            check.row(row)?;
        }
        check.finish()
    }

    /// ⟨Cᵢ, r⟩ = ⟨Aᵢ, B·r⟩. |C| < 2³¹, r < 2⁶¹, n ≤ 2¹⁵: sums stay below 2¹⁰⁷.
    fn product_holds(&self, a_seed: &Hash, row: u32, cells: &[i32]) -> bool {
        let left: i128 = cells
            .iter()
            .zip(&*self.r)
            .map(|(c, r)| i128::from(i64::from(*c)) * i128::from(*r as i64))
            .sum();
        let a = reference::line(a_seed, self.n, row);
        let right: i128 = a
            .iter()
            .zip(&self.b_r)
            .map(|(a, y)| i128::from(i64::from(*a)) * i128::from(*y as i64))
            .sum();
        reduce(left) == reduce(right)
    }
}

/// A device's rows, checked as they come: one row is in memory at a time.
pub struct RowsCheck<'a> {
    checker: &'a Checker,
    committed: &'a Committed,
    drawn: Vec<(u32, u32)>,
    done: usize,
}

impl RowsCheck<'_> {
    pub fn row(&mut self, opened: &OpenedRow) -> Result<(), CheckError> {
        let n = self.checker.n;
        let &(pass, row) = self
            .drawn
            .get(self.done)
            .ok_or(CheckError::TooMany(self.drawn.len()))?;
        if (opened.pass, opened.row) != (pass, row) {
            let (found_pass, found_row) = (opened.pass, opened.row);
            return Err(CheckError::NotDrawn {
                pass,
                row,
                found_pass,
                found_row,
            });
        }
        let (expected, found) = (n as usize, opened.cells.len());
        if expected != found {
            return Err(CheckError::Cells {
                pass,
                row,
                expected,
                found,
            });
        }
        let (expected, found) = (n.trailing_zeros() as usize, opened.path.len());
        if expected != found {
            return Err(CheckError::Path {
                pass,
                row,
                expected,
                found,
            });
        }
        if !opened.is_committed(self.committed) {
            return Err(CheckError::NotCommitted { pass, row });
        }
        let a_seed = self.committed.a_seed(pass);
        if !self.checker.product_holds(&a_seed, row, &opened.cells) {
            return Err(CheckError::WrongRow { pass, row });
        }
        self.done += 1;
        Ok(())
    }

    pub fn finish(self) -> Result<(), CheckError> {
        let (expected, found) = (self.drawn.len(), self.done);
        if expected == found {
            Ok(())
        } else {
            Err(CheckError::Missing { expected, found })
        }
    }
}
