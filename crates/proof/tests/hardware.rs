//! The hardware proof against its definition: honest proofs pass, every change is named.

use io_proof::hardware::{
    CheckError, Checker, ColumnSums, Committed, Hash, OpenedRow, RowTree, Software, a_seed, b_seed,
    cell::{
        BadCell, CellClaim, CellError, MAX_CELL_PATH, MAX_ITEM_PATH, MAX_N, Sha256, bad_cell,
        recompute_cell,
    },
    drawn_rows,
    field::P,
    memory::{
        MemoryError, PARENTS, Path, SEGMENT_WORDS, Walk, check_walk, drawn_strides, segment,
        states_to_bytes,
    },
    reference, reveal_seed, round_seed,
    tree::row_root,
};
use proptest::prelude::*;

/// A stream of one byte, the seed's first.
struct FirstByte;

impl Sha256 for FirstByte {
    fn hash(parts: &[&[u8]]) -> Hash {
        [parts[0][0]; 32]
    }
}

const N: u32 = 64;
const PASSES: u32 = 3;
const K: u32 = 12;

/// A worker that keeps everything, and may be told to commit to something else.
struct Worker {
    committed: Committed,
    cells: Vec<Vec<Vec<i32>>>,
    trees: Vec<RowTree>,
}

impl Worker {
    fn new(
        round: Hash,
        device: Hash,
        n: u32,
        passes: u32,
        tamper: impl Fn(u32, &mut Vec<Vec<i32>>),
    ) -> Self {
        let mut committed = Committed {
            round_seed: round,
            device,
            n,
            roots: vec![],
        };
        let (mut cells, mut trees) = (vec![], vec![]);
        let b = b_seed(&round, n);
        for pass in 0..passes {
            let before = committed.roots.last().copied().unwrap_or([0; 32]);
            let a = a_seed(&round, &device, n, pass, &before);
            let mut rows = reference::rows(&a, &b, n, &(0..n).collect::<Vec<_>>());
            tamper(pass, &mut rows);
            let tree = RowTree::new(rows.iter().map(|row| row_root(row)).collect());
            committed.roots.push(tree.root(&a, &b));
            cells.push(rows);
            trees.push(tree);
        }
        Self {
            committed,
            cells,
            trees,
        }
    }

    fn open(&self, reveal: &Hash, k: u32) -> Vec<OpenedRow> {
        drawn_rows(reveal, &self.committed, k)
            .into_iter()
            .map(|(pass, row)| OpenedRow {
                pass,
                row,
                cells: self.cells[pass as usize][row as usize].clone(),
                path: self.trees[pass as usize].row_path(row),
            })
            .collect()
    }

    fn claim<'a>(
        &self,
        pass: u32,
        row: u32,
        col: u32,
        parts: &'a mut ([u8; 128], Vec<Hash>, Vec<Hash>),
    ) -> CellClaim<'a> {
        let cells = &self.cells[pass as usize][row as usize];
        (parts.0, parts.1) = self.trees[pass as usize].cell_path(row, cells, col);
        parts.2 = self.committed.item_path(pass);
        CellClaim {
            n: self.committed.n,
            passes: self.committed.roots.len() as u32,
            pass,
            row,
            col,
            a_seed: self.committed.a_seed(pass),
            b_seed: self.committed.b_seed(),
            leaf: &parts.0,
            path: &parts.1,
            item_path: &parts.2,
        }
    }
}

fn honest() -> Worker {
    Worker::new([1; 32], [2; 32], N, PASSES, |_, _| {})
}

const REVEAL: Hash = [9; 32];

fn checker() -> Checker {
    Checker::new(&[1; 32], &REVEAL, N).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn honest_work_always_passes(round: Hash, device: Hash, reveal: Hash, log_n in 5_u32..7, passes in 1_u32..5, k in 1_u32..20) {
        let worker = Worker::new(round, device, 1 << log_n, passes, |_, _| {});
        let rows = worker.open(&reveal, k);
        let checker = Checker::new(&round, &reveal, 1 << log_n).unwrap();
        prop_assert_eq!(checker.check(&worker.committed, k, &rows), Ok(()));
        let again: Vec<_> = rows.iter().map(|row| OpenedRow::from_bytes(1 << log_n, &row.to_bytes()).unwrap()).collect();
        prop_assert_eq!(again, rows);
    }

    #[test]
    fn one_wrong_cell_is_found_in_its_row_and_proven(pass in 0..PASSES, row in 0..N, col in 0..N, change in 1_i32..) {
        let worker = Worker::new([1; 32], [2; 32], N, PASSES, |at, rows| if at == pass {
            rows[row as usize][col as usize] = rows[row as usize][col as usize].wrapping_add(change);
        });
        // All rows are drawn: the first wrong one is named.
        let k = (PASSES * N).min(io_proof::hardware::check::MAX_ROWS);
        let found = checker().check(&worker.committed, k, &worker.open(&REVEAL, k));
        prop_assert_eq!(found, Err(CheckError::WrongRow { pass, row }));
        let mut parts = ([0; 128], vec![], vec![]);
        let claim = worker.claim(pass, row, col, &mut parts);
        let commitment = worker.committed.commitment();
        let right = recompute_cell::<Software>(&claim.a_seed, &claim.b_seed, N, row, col);
        let proven = bad_cell::<Software>(&claim, &[1; 32], &[2; 32], &commitment);
        prop_assert_eq!(proven, Ok(BadCell { committed: right.wrapping_add(change), right }));
        // Its neighbour in the same leaf is right.
        let claim = CellClaim { col: col ^ 1, ..claim };
        prop_assert!(matches!(bad_cell::<Software>(&claim, &[1; 32], &[2; 32], &commitment), Err(CellError::CellIsRight(_))));
    }

    #[test]
    fn a_cell_from_its_seeds_is_the_dot_product(a: Hash, b: Hash, log_n in 5_u32..=MAX_N.ilog2(), row in 0_u32..32, col in 0_u32..32) {
        let n = 1 << log_n;
        let expected = reference::dot(&reference::line(&a, n, row), &reference::line(&b, n, col));
        prop_assert_eq!(recompute_cell::<Software>(&a, &b, n, row, col), expected);
    }

    #[test]
    fn column_sums_do_not_depend_on_how_columns_are_split(reveal: Hash, cut in 0_u32..=N) {
        let worker = honest();
        let mut left = ColumnSums::new(&[1; 32], &reveal, N).unwrap();
        let mut right = left.fork();
        left.add(0..cut);
        right.add(cut..N);
        left.merge(&right);
        let checker = left.finish([1; 32], reveal).unwrap();
        prop_assert_eq!(checker.check(&worker.committed, K, &worker.open(&reveal, K)), Ok(()));
    }
}

#[test]
fn missing_columns_give_no_checker() {
    let mut sums = ColumnSums::new(&[1; 32], &REVEAL, N).unwrap();
    sums.add(0..N - 1);
    assert!(sums.finish([1; 32], REVEAL).is_none());
}

#[test]
fn every_change_of_an_opening_has_its_error() {
    let worker = honest();
    let rows = worker.open(&REVEAL, K);
    let checker = checker();
    let check = |change: &dyn Fn(&mut Vec<OpenedRow>)| {
        let mut rows = rows.clone();
        change(&mut rows);
        checker.check(&worker.committed, K, &rows).unwrap_err()
    };
    let (pass, row) = (rows[0].pass, rows[0].row);
    assert_eq!(
        check(&|rows| rows[0].cells[5] += 1),
        CheckError::NotCommitted { pass, row }
    );
    assert_eq!(
        check(&|rows| rows[0].path[2][0] ^= 1),
        CheckError::NotCommitted { pass, row }
    );
    assert_eq!(
        check(&|rows| rows[0].cells.swap(0, 1)),
        CheckError::NotCommitted { pass, row }
    );
    assert!(matches!(
        check(&|rows| rows.swap(0, 1)),
        CheckError::NotDrawn { .. }
    ));
    assert!(matches!(
        check(&|rows| rows[1] = rows[0].clone()),
        CheckError::NotDrawn { .. }
    ));
    assert_eq!(
        check(&|rows| {
            rows.pop();
        }),
        CheckError::Missing {
            expected: 12,
            found: 11
        }
    );
    assert_eq!(
        check(&|rows| rows.push(rows[0].clone())),
        CheckError::TooMany(12)
    );
    assert_eq!(
        check(&|rows| {
            rows[0].cells.pop();
        }),
        CheckError::Cells {
            pass,
            row,
            expected: 64,
            found: 63
        }
    );
    assert_eq!(
        check(&|rows| rows[0].cells.push(0)),
        CheckError::Cells {
            pass,
            row,
            expected: 64,
            found: 65
        }
    );
    assert_eq!(
        check(&|rows| rows[0].path.push([0; 32])),
        CheckError::Path {
            pass,
            row,
            expected: 6,
            found: 7
        }
    );
    // The cells of another committed row under this row's name.
    let other = rows
        .iter()
        .find(|other| (other.pass, other.row) != (pass, row))
        .unwrap();
    let error =
        check(&|rows| (rows[0].cells, rows[0].path) = (other.cells.clone(), other.path.clone()));
    assert_eq!(error, CheckError::NotCommitted { pass, row });
    let bytes = rows[0].to_bytes();
    assert_eq!(OpenedRow::from_bytes(N, &bytes[1..]), None);
    assert_eq!(OpenedRow::from_bytes(N, &[&bytes[..], &[0]].concat()), None);
}

#[test]
fn a_commitment_is_bound_to_round_device_order_and_size() {
    let worker = honest();
    let checker = checker();
    let begin = |committed: &Committed, k| checker.begin(committed, k).err();
    let mut other = worker.committed.clone();
    other.round_seed = [3; 32];
    assert_eq!(begin(&other, K), Some(CheckError::OtherRound));
    other.roots.clear();
    assert_eq!(
        begin(&other, K),
        Some(CheckError::Shape(CellError::Passes(0)))
    );
    assert_eq!(begin(&worker.committed, 0), Some(CheckError::Rows(0)));
    assert_eq!(begin(&worker.committed, 257), Some(CheckError::Rows(257)));
    let all = [
        worker.committed.clone(),
        Committed {
            device: [4; 32],
            ..worker.committed.clone()
        },
        Committed {
            round_seed: [4; 32],
            ..worker.committed.clone()
        },
        Committed {
            n: 128,
            ..worker.committed.clone()
        },
        Committed {
            roots: worker.committed.roots[..2].to_vec(),
            ..worker.committed.clone()
        },
        Committed {
            roots: worker.committed.roots.iter().rev().copied().collect(),
            ..worker.committed.clone()
        },
    ];
    let distinct: std::collections::HashSet<_> = all.iter().map(Committed::commitment).collect();
    assert_eq!(distinct.len(), all.len());
    // Another device's proof as one's own: its A differs, so its rows are not this device's products.
    let stolen = Committed {
        device: [7; 32],
        ..worker.committed.clone()
    };
    let rows: Vec<_> = drawn_rows(&REVEAL, &stolen, K)
        .into_iter()
        .map(|(pass, row)| OpenedRow {
            pass,
            row,
            cells: worker.cells[pass as usize][row as usize].clone(),
            path: worker.trees[pass as usize].row_path(row),
        })
        .collect();
    assert!(matches!(
        checker.check(&stolen, K, &rows),
        Err(CheckError::NotCommitted { .. })
    ));
}

#[test]
fn passes_are_chained_and_share_b() {
    let worker = honest();
    let seeds: Vec<_> = (0..PASSES)
        .map(|pass| worker.committed.a_seed(pass))
        .collect();
    let mut other = worker.committed.clone();
    other.roots[0][0] ^= 1;
    assert_eq!(other.a_seed(0), seeds[0]);
    assert_ne!(other.a_seed(1), seeds[1]);
    assert_eq!(other.a_seed(2), seeds[2]);
    assert_eq!(other.b_seed(), worker.committed.b_seed());
    assert_ne!(b_seed(&[1; 32], 64), b_seed(&[1; 32], 128));
}

#[test]
fn seeds_depend_on_every_input() {
    let signature = [5; 64];
    assert_ne!(round_seed(b"ab", &signature), round_seed(b"ac", &signature));
    assert_ne!(round_seed(b"ab", &signature), round_seed(b"ab", &[6; 64]));
    assert_ne!(
        reveal_seed(&[1; 32], &signature),
        reveal_seed(&[2; 32], &signature)
    );
    assert_ne!(
        reveal_seed(&[1; 32], &signature).to_vec(),
        round_seed(&[1; 32], &signature).to_vec()
    );
}

#[test]
fn claims_that_lead_elsewhere_prove_nothing() {
    let worker = Worker::new([1; 32], [2; 32], N, PASSES, |_, rows| rows[3][40] += 1);
    let commitment = worker.committed.commitment();
    let mut parts = ([0; 128], vec![], vec![]);
    let claim = worker.claim(1, 3, 40, &mut parts);
    let check = |claim: &CellClaim, round: &Hash, device: &Hash, commitment: &Hash| {
        bad_cell::<Software>(claim, round, device, commitment).err()
    };
    assert_eq!(check(&claim, &[1; 32], &[2; 32], &commitment), None);
    let wrong = Some(CellError::WrongRoot);
    assert_eq!(check(&claim, &[8; 32], &[2; 32], &commitment), wrong);
    assert_eq!(check(&claim, &[1; 32], &[8; 32], &commitment), wrong);
    assert_eq!(check(&claim, &[1; 32], &[2; 32], &[8; 32]), wrong);
    for changed in [
        CellClaim { pass: 0, ..claim },
        CellClaim { row: 4, ..claim },
        CellClaim { col: 10, ..claim },
        CellClaim {
            a_seed: [8; 32],
            ..claim
        },
        CellClaim {
            b_seed: [8; 32],
            ..claim
        },
        CellClaim {
            leaf: &[0; 128],
            ..claim
        },
    ] {
        assert_eq!(
            check(&changed, &[1; 32], &[2; 32], &commitment),
            wrong,
            "{changed:?}"
        );
    }
    let path = CellClaim {
        path: &claim.path[1..],
        ..claim
    };
    assert_eq!(
        check(&path, &[1; 32], &[2; 32], &commitment),
        Some(CellError::PathLength {
            expected: 7,
            found: 6
        })
    );
    let item_path = CellClaim {
        item_path: &[],
        ..claim
    };
    assert_eq!(
        check(&item_path, &[1; 32], &[2; 32], &commitment),
        Some(CellError::PathLength {
            expected: 2,
            found: 0
        })
    );
    for (changed, error) in [
        (CellClaim { row: N, ..claim }, CellError::OutOfRange),
        (CellClaim { col: N, ..claim }, CellError::OutOfRange),
        (
            CellClaim {
                pass: PASSES,
                ..claim
            },
            CellError::OutOfRange,
        ),
        (CellClaim { n: 48, ..claim }, CellError::Size(48)),
        (
            CellClaim {
                n: u32::MAX,
                ..claim
            },
            CellError::Size(u32::MAX),
        ),
        (
            CellClaim {
                n: 2 * MAX_N,
                ..claim
            },
            CellError::Size(2 * MAX_N),
        ),
        (CellClaim { passes: 0, ..claim }, CellError::Passes(0)),
        (
            CellClaim {
                passes: 257,
                ..claim
            },
            CellError::Passes(257),
        ),
    ] {
        assert_eq!(
            check(&changed, &[1; 32], &[2; 32], &commitment),
            Some(error)
        );
    }
}

#[test]
fn paths_stay_within_their_limits() {
    assert_eq!(
        (u64::from(MAX_N) * u64::from(MAX_N) / 32).ilog2() as usize,
        MAX_CELL_PATH
    );
    for pass in 0..256 {
        assert!(io_proof::hardware::cell::item_path_len(pass, 256) <= MAX_ITEM_PATH);
    }
}

#[test]
fn sums_are_exact_up_to_the_largest_size() {
    let lowest = vec![-128_i8; 131_071];
    assert_eq!(
        i64::from(reference::dot(&lowest, &lowest)),
        131_071 * 16_384
    );
    assert_eq!(
        i64::from(reference::dot(&lowest, &vec![127; 131_071])),
        -131_071 * 128 * 127
    );
}

#[test]
fn the_layout_is_fixed_for_ever() {
    // Computed with Python's hashlib: see vectors/hardware.py.
    assert_eq!(hex(&b_seed(&[1; 32], 64)), B_SEED);
    assert_eq!(&reference::line(&[1; 32], 64, 2)[30..36], LINE_30_36);
    assert_eq!(hex(&honest().committed.commitment()), COMMITMENT);
}
include!("vectors/hardware.rs");

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

// Memory.

const WALK: Walk = Walk {
    seed: [3; 32],
    segments: 40,
    strides: 96,
};
const START: Hash = [4; 32];
const DRAW: Hash = [5; 32];

/// The root is the caller's to check: any will do.
fn checked(states: &[u64], k: u32) -> Result<(), MemoryError> {
    check_walk(&WALK, &START, &[6; 32], &DRAW, k, &states_to_bytes(states))
}

fn memory() -> Vec<u64> {
    (0..WALK.segments)
        .flat_map(|index| segment(&WALK.seed, index))
        .collect()
}

#[test]
fn a_walk_through_the_real_memory_passes_and_one_through_less_does_not() {
    let memory = memory();
    let path = WALK.path(&START);
    let honest = path.walk(|address| memory[address as usize]);
    assert_eq!(checked(&honest, 6), Ok(()));
    assert_eq!(checked(&honest, WALK.strides), Ok(()));
    // A tenth is missing: 96 hops nearly always meet it.
    let held = memory.len() as u64 * 9 / 10;
    let cheat = path.walk(|address| {
        if address < held {
            memory[address as usize]
        } else {
            0
        }
    });
    let result = checked(&cheat, 6);
    assert!(
        matches!(result, Err(MemoryError::WrongWalk(_))),
        "{result:?}"
    );
    let length = |found| MemoryError::Length {
        expected: WALK.states_len(),
        found,
    };
    assert_eq!(checked(&honest[1..], 6), Err(length(96 * 8)));
    assert_eq!(
        check_walk(&WALK, &START, &[6; 32], &DRAW, 6, &[0; 7]),
        Err(length(7))
    );
    let huge = Walk {
        segments: 1 << 60,
        ..WALK
    };
    let bytes = states_to_bytes(&honest);
    assert!(matches!(
        check_walk(&huge, &START, &[6; 32], &DRAW, 6, &bytes),
        Err(MemoryError::Size { .. })
    ));
}

/// Every state is bound to the one before, to its parents and to the memory: one that is another shows where it was to come from, and where
/// it leads to.
#[test]
fn another_state_is_found_wherever_it_is() {
    let memory = memory();
    let path = WALK.path(&START);
    let honest = path.walk(|address| memory[address as usize]);
    let mut first = honest.clone();
    first[0] ^= 1;
    assert_eq!(checked(&first, 1), Err(MemoryError::Start));
    for at in 1..=WALK.strides {
        let mut bent = honest.clone();
        bent[at as usize] ^= 1;
        assert_eq!(
            checked(&bent, WALK.strides),
            Err(MemoryError::WrongWalk(at))
        );
    }
    // Of which those that begin from it would have another end.
    let child = (2..=WALK.strides)
        .find(|i| path.parents(*i).contains(&1) && *i > 2)
        .expect("a stride that has the first as a parent");
    let mut bent = honest.clone();
    bent[1] ^= 1;
    let end = path.stride(child, &bent, |address| memory[address as usize]);
    assert_ne!(end, honest[child as usize]);
}

/// Nothing of a walk is known before its reveal: neither its way nor what a hop does with a word.
#[test]
fn every_hop_is_of_its_reveal() {
    let (one, other) = (WALK.path(&START), WALK.path(&[7; 32]));
    assert_ne!((one.first, one.key), (other.first, other.key));
    assert!((8..=WALK.strides).any(|i| one.parents(i) != other.parents(i)));
    let memory = memory();
    let walked = one.walk(|address| memory[address as usize]);
    // Whoever walks before from a state of its own has another way from there on.
    let end = |path: &Path| path.stride(1, &walked[..1], |address| memory[address as usize]);
    assert_eq!(end(&one), walked[1]);
    assert_ne!(end(&other), walked[1]);
    assert!(
        check_walk(
            &WALK,
            &[7; 32],
            &[6; 32],
            &DRAW,
            96,
            &states_to_bytes(&walked)
        )
        .is_err()
    );
}

#[test]
fn parents_are_earlier_states_at_every_distance() {
    let path = Walk {
        strides: 4_096,
        ..WALK
    }
    .path(&START);
    assert_eq!(path.parents(1), [0; PARENTS]);
    let mut of_scale = [0_u32; 12];
    for i in 1..4_096 {
        for parent in path.parents(i) {
            assert!(parent < i);
            if i > 2_048 {
                of_scale[(i - parent).ilog2() as usize] += 1;
            }
        }
    }
    // Each power of two has a twelfth of 16,384.
    for (scale, count) in of_scale.into_iter().enumerate() {
        assert!((1_200..1_550).contains(&count), "2^{scale}: {count}");
    }
}

#[test]
fn strides_are_drawn_from_all_of_the_walk_for_its_root() {
    let drawn = |root: u8, k| drawn_strides(&DRAW, &WALK, &[root; 32], k);
    assert_eq!(drawn(1, 96), (1..=96).collect::<Vec<_>>());
    assert_eq!(drawn(1, 200).len(), 96);
    assert_ne!(drawn(1, 8), drawn(2, 8));
    assert_ne!(drawn(1, 8), drawn_strides(&START, &WALK, &[1; 32], 8));
}

#[test]
fn walks_reach_every_part_of_the_memory() {
    let memory = memory();
    let mut seen = std::collections::HashSet::new();
    WALK.path(&START).walk(|address| {
        seen.insert(address / SEGMENT_WORDS as u64);
        memory[address as usize]
    });
    assert_eq!(seen.len() as u64, WALK.segments);
}

/// Computed with Python: see vectors/hardware.py.
#[test]
fn the_walk_is_fixed_for_ever() {
    let memory = memory();
    let walked = WALK.path(&START).walk(|address| memory[address as usize]);
    assert_eq!(walked[WALK.strides as usize], WALK_END);
}

#[test]
fn the_prime_is_the_mersenne_prime() {
    assert_eq!(P, 2_305_843_009_213_693_951);
}

/// Rows and columns of the least and greatest elements are where sums are greatest.
#[test]
fn extreme_cells_are_the_dot_product() {
    const EXTREME: [u8; 7] = [0, 1, 127, 128, 129, 254, 255];
    let element = |byte: u8| i32::from(byte) - 128;
    for (x, y) in EXTREME.iter().flat_map(|x| EXTREME.map(|y| (*x, y))) {
        let expected = element(x) * element(y) * MAX_N as i32;
        let found = recompute_cell::<FirstByte>(&[x; 32], &[y; 32], MAX_N, 3, 5);
        assert_eq!(found, expected, "{x} and {y}");
    }
}
