//! A wrong cell among the rows that a device opened, with all that proves it to the program: the rows come with their paths to what was
//! committed to, so nobody has to ask the device.

use super::{
    Hash, OpenedRow, Software,
    cell::{BadCell, CellClaim, CellError, LEAF_BYTES, bad_cell, check_n, check_passes},
    check::MAX_ROWS,
    reference,
    tree::{Committed, leaf_in_row},
};

/// A wrong cell that was committed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongCell {
    pub pass: u32,
    pub row: u32,
    pub col: u32,
    /// As committed, and as it should be.
    pub committed: i32,
    pub right: i32,
    /// The leaf that holds the cell.
    pub leaf: [u8; LEAF_BYTES],
    /// From the leaf's level to the top of its pass.
    pub path: Vec<Hash>,
    /// From the pass's item to the top of the commitment.
    pub item_path: Vec<Hash>,
}

impl WrongCell {
    /// A cell of an opened row, if it was committed to and is wrong. What the program would refuse is an error here.
    pub fn new(committed: &Committed, opened: &OpenedRow, col: u32) -> Result<Self, CellError> {
        check_n(committed.n)?;
        check_passes(u32::try_from(committed.roots.len()).unwrap_or(u32::MAX))?;
        let (pass, row) = (opened.pass, opened.row);
        if pass as usize >= committed.roots.len()
            || row >= committed.n
            || col >= committed.n
            || opened.cells.len() != committed.n as usize
        {
            return Err(CellError::OutOfRange);
        }
        let (leaf, mut path) = leaf_in_row(&opened.cells, col);
        path.extend(&opened.path);
        let mut wrong = Self {
            pass,
            row,
            col,
            committed: 0,
            right: 0,
            leaf,
            path,
            item_path: committed.item_path(pass),
        };
        // Decided by what the program itself decides by.
        let found = bad_cell::<Software>(
            &wrong.claim(committed),
            &committed.round_seed,
            &committed.device,
            &committed.commitment(),
        )?;
        BadCell {
            committed: wrong.committed,
            right: wrong.right,
        } = found;
        Ok(wrong)
    }

    /// What `prove_bad_cell` takes.
    pub fn claim<'a>(&'a self, of: &Committed) -> CellClaim<'a> {
        CellClaim {
            n: of.n,
            passes: of.roots.len() as u32,
            pass: self.pass,
            row: self.row,
            col: self.col,
            a_seed: of.a_seed(self.pass),
            b_seed: of.b_seed(),
            leaf: &self.leaf,
            path: &self.path,
            item_path: &self.item_path,
        }
    }
}

/// The first wrong cell of what a device opened, from the bytes as it sent them ([`OpenedRow::to_bytes`], one row after the other): first
/// by column, then in the order of the rows. `None` when every cell is right that was committed to. A row that leads to another root than
/// the committed one says nothing, nor does one of another length. Pure.
///
/// Every column of B is expanded once, up to the first wrong cell: at most n²/32 compressions of SHA-256, and n² products a row.
pub fn wrong_cell(committed: &Committed, bytes: &[u8]) -> Option<WrongCell> {
    let n = committed.n;
    check_n(n).ok()?;
    check_passes(u32::try_from(committed.roots.len()).ok()?).ok()?;
    let rows: Vec<(OpenedRow, Vec<i8>)> = bytes
        .chunks(OpenedRow::wire_len(n))
        .take(MAX_ROWS as usize)
        .filter_map(|bytes| OpenedRow::from_bytes(n, bytes))
        .filter(|opened| opened.is_committed(committed))
        .map(|opened| {
            let a = reference::line(&committed.a_seed(opened.pass), n, opened.row);
            (opened, a)
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let b_seed = committed.b_seed();
    (0..n).find_map(|col| {
        let b = reference::line(&b_seed, n, col);
        let wrong = |(opened, a): &&(OpenedRow, Vec<i8>)| {
            opened.cells[col as usize] != reference::dot(a, &b)
        };
        let (opened, _) = rows.iter().find(wrong)?;
        WrongCell::new(committed, opened, col).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::{
        a_seed, b_seed,
        cell::recompute_cell,
        tree::{RowTree, row_root},
    };

    const ROUND: Hash = [1; 32];
    const DEVICE: Hash = [2; 32];
    const N: u32 = 64;

    /// A commitment to `PASSES` products that `tamper` changes, and all that can be opened of it.
    struct Worker {
        committed: Committed,
        cells: Vec<Vec<Vec<i32>>>,
        trees: Vec<RowTree>,
    }

    const PASSES: u32 = 3;

    fn worker(tamper: impl Fn(u32, &mut Vec<Vec<i32>>)) -> Worker {
        with_seeds(&ROUND, &DEVICE, tamper)
    }

    /// The same with products over the seeds of another round or device.
    fn with_seeds(round: &Hash, device: &Hash, tamper: impl Fn(u32, &mut Vec<Vec<i32>>)) -> Worker {
        let (mut roots, mut cells, mut trees) = (Vec::<Hash>::new(), Vec::new(), Vec::new());
        let b = b_seed(round, N);
        for pass in 0..PASSES {
            let before = roots.last().copied().unwrap_or([0; 32]);
            let a = a_seed(round, device, N, pass, &before);
            let mut rows = reference::rows(&a, &b, N, &(0..N).collect::<Vec<_>>());
            tamper(pass, &mut rows);
            let tree = RowTree::new(rows.iter().map(|row| row_root(row)).collect());
            roots.push(tree.root(&a, &b));
            cells.push(rows);
            trees.push(tree);
        }
        let committed = Committed {
            round_seed: ROUND,
            device: DEVICE,
            n: N,
            roots,
        };
        Worker {
            committed,
            cells,
            trees,
        }
    }

    impl Worker {
        fn row(&self, pass: u32, row: u32) -> OpenedRow {
            OpenedRow {
                pass,
                row,
                cells: self.cells[pass as usize][row as usize].clone(),
                path: self.trees[pass as usize].row_path(row),
            }
        }

        fn blob(&self, rows: &[(u32, u32)]) -> Vec<u8> {
            let rows = rows
                .iter()
                .flat_map(|(pass, row)| self.row(*pass, *row).to_bytes());
            rows.collect()
        }
    }

    /// The program takes what was found.
    fn proven(of: &Worker, wrong: &WrongCell) {
        let committed = &of.committed;
        let claim = wrong.claim(committed);
        let found = bad_cell::<Software>(&claim, &ROUND, &DEVICE, &committed.commitment());
        let expected = BadCell {
            committed: wrong.committed,
            right: wrong.right,
        };
        assert_eq!(found, Ok(expected));
        let right = recompute_cell::<Software>(
            &committed.a_seed(wrong.pass),
            &committed.b_seed(),
            N,
            wrong.row,
            wrong.col,
        );
        assert_eq!(right, wrong.right);
    }

    #[test]
    fn right_rows_have_no_wrong_cell() {
        let worker = worker(|_, _| {});
        let all: Vec<(u32, u32)> = (0..PASSES)
            .flat_map(|pass| (0..N).map(move |row| (pass, row)))
            .collect();
        assert_eq!(wrong_cell(&worker.committed, &worker.blob(&all)), None);
        assert_eq!(wrong_cell(&worker.committed, &[]), None);
    }

    #[test]
    fn any_one_wrong_cell_is_found_and_can_be_proven() {
        for (pass, row, col) in [
            (0, 0, 0),
            (0, 5, 31),
            (1, 63, 32),
            (2, 40, 63),
            (PASSES - 1, N - 1, N - 1),
        ] {
            let worker = worker(|at, rows| {
                if at == pass {
                    rows[row as usize][col as usize] -= 7;
                }
            });
            // Among others that are right.
            let blob = worker.blob(&[(1, 7), (pass, row), (2, 2)]);
            let wrong = wrong_cell(&worker.committed, &blob).expect("a wrong cell");
            assert_eq!((wrong.pass, wrong.row, wrong.col), (pass, row, col));
            assert_eq!(wrong.committed, wrong.right - 7);
            proven(&worker, &wrong);
            // Where that row was not opened nothing is known of it.
            assert_eq!(
                wrong_cell(&worker.committed, &worker.blob(&[(1, 7), (2, 2)])),
                None
            );
        }
    }

    #[test]
    fn the_first_wrong_cell_is_of_the_first_column_and_then_of_the_row_that_came_first() {
        let worker = worker(|pass, rows| match pass {
            0 => rows[9][20] += 1,
            1 => rows[8][20] += 1,
            _ => rows[7][21] += 1,
        });
        let wrong = |rows: &[(u32, u32)]| {
            let found = wrong_cell(&worker.committed, &worker.blob(rows)).expect("a wrong cell");
            proven(&worker, &found);
            (found.pass, found.row, found.col)
        };
        assert_eq!(wrong(&[(2, 7), (1, 8), (0, 9)]), (1, 8, 20));
        assert_eq!(wrong(&[(2, 7), (0, 9), (1, 8)]), (0, 9, 20));
        assert_eq!(wrong(&[(2, 7)]), (2, 7, 21));
    }

    /// Rows of zeroes, as of a worker that computes nothing.
    #[test]
    fn zeroes_that_were_committed_to_are_wrong_cells() {
        let worker = worker(|_, rows| rows.iter_mut().for_each(|row| row.fill(0)));
        let wrong = wrong_cell(&worker.committed, &worker.blob(&[(2, 3), (0, 1)]));
        let wrong = wrong.expect("a wrong cell");
        assert_eq!(wrong.committed, 0);
        proven(&worker, &wrong);
    }

    /// Nothing is proven by rows that lead elsewhere: what was opened is wrong, and what was committed to isn't known.
    #[test]
    fn what_was_not_committed_to_proves_nothing() {
        let honest = worker(|_, _| {});
        let rows = [(0, 1), (2, 3)];
        let mut opened: Vec<OpenedRow> = rows.map(|(pass, row)| honest.row(pass, row)).to_vec();
        for row in &mut opened {
            row.cells[0] += 1;
        }
        let blob: Vec<u8> = opened.iter().flat_map(OpenedRow::to_bytes).collect();
        assert_eq!(wrong_cell(&honest.committed, &blob), None);
        // Random roots.
        let random = Committed {
            roots: vec![[7; 32], [8; 32], [9; 32]],
            ..honest.committed.clone()
        };
        assert_eq!(wrong_cell(&random, &honest.blob(&rows)), None);
        // Right products over the seeds of another round, or of another device.
        for (round, device) in [([3; 32], DEVICE), (ROUND, [3; 32])] {
            let other = with_seeds(&round, &device, |_, _| {});
            assert_eq!(wrong_cell(&other.committed, &other.blob(&rows)), None);
            // The claim may name those seeds: the path then leads to the commitment, where the cell is right.
            let own = Committed {
                round_seed: round,
                device,
                ..other.committed.clone()
            };
            let (leaf, mut path) = leaf_in_row(&other.row(0, 1).cells, 0);
            path.extend(other.row(0, 1).path);
            let item_path = other.committed.item_path(0);
            let claim = CellClaim {
                n: N,
                passes: PASSES,
                pass: 0,
                row: 1,
                col: 0,
                a_seed: own.a_seed(0),
                b_seed: own.b_seed(),
                leaf: &leaf,
                path: &path,
                item_path: &item_path,
            };
            let commitment = other.committed.commitment();
            let named = bad_cell::<Software>(&claim, &ROUND, &DEVICE, &commitment);
            assert!(matches!(named, Err(CellError::CellIsRight(_))), "{named:?}");
            let of_this_round = CellClaim {
                a_seed: other.committed.a_seed(0),
                b_seed: other.committed.b_seed(),
                ..claim
            };
            let found = bad_cell::<Software>(&of_this_round, &ROUND, &DEVICE, &commitment);
            assert_eq!(found, Err(CellError::WrongRoot));
        }
    }

    #[test]
    fn bytes_of_any_form_are_read_without_harm() {
        let worker = worker(|pass, rows| {
            if pass == 1 {
                rows[4][4] = 0;
            }
        });
        let committed = &worker.committed;
        let good = worker.blob(&[(1, 4)]);
        let found = wrong_cell(committed, &good).expect("a wrong cell");
        // A row that is cut off, names a pass or a row that isn't there, or comes behind such a one.
        for length in [0, 1, 8, good.len() - 1] {
            assert_eq!(wrong_cell(committed, &good[..length]), None);
        }
        for at in [0, 4] {
            let mut bytes = good.clone();
            bytes[at..at + 4].fill(0xff);
            assert_eq!(wrong_cell(committed, &bytes), None);
            bytes.extend(&good);
            assert_eq!(wrong_cell(committed, &bytes), Some(found.clone()));
        }
        let tail = [&good[..], &[0; 5]].concat();
        assert_eq!(wrong_cell(committed, &tail), Some(found));
        // No more rows are looked at than one may be asked for.
        let many = worker.blob(&vec![(0, 0); MAX_ROWS as usize]);
        assert_eq!(
            wrong_cell(committed, &[many, good.clone()].concat()),
            None,
            "it lies behind them"
        );
        for n in [0, 31, 33, 48, u32::MAX] {
            let other = Committed {
                n,
                ..committed.clone()
            };
            assert_eq!(wrong_cell(&other, &good), None, "{n}");
        }
        for roots in [vec![], vec![[0; 32]; 257]] {
            let other = Committed {
                roots,
                ..committed.clone()
            };
            assert_eq!(wrong_cell(&other, &good), None);
        }
    }
}
