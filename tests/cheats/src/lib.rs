//! Workers that cheat at the hardware proof and at jobs ([`jobs`]), and how often they are caught: predicted beside measured.
//!
//! Each adversary runs against the real checks (`io_proof::hardware`) over many seeds, at a size at which many runs are
//! cheap: chances depend on the fraction of wrong rows and the number of opened ones, not on n. Time is the one thing
//! that is modelled: [`Oracle::in_time`] is the oracle's rule, applied to the time that the work takes at a stated speed.

use io_proof::hardware::{
    CheckError, Checker, Committed, Hash, OpenedRow, RowTree, Shape, a_seed, b_seed, drawn_rows,
    memory::{OpenedStride, Walk, Walked, check_walk, drawn_strides, segment},
    reference, reveal_seed, round_seed,
    sizes::{FILL_PERCENT, ROWS, WINDOW_MS},
    soundness,
    tree::row_root,
};

pub mod jobs;

/// Size of the adversaries' matrices.
const N: u32 = 32;
const PASSES: u32 = 2;
/// Words of a memory walk's segment come from 256 hashes; few segments keep runs cheap.
const SEGMENTS: u64 = 16;
/// Strides that are opened.
const STRIDES: u32 = 2;

/// What came of one cheat over many seeds.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub name: &'static str,
    /// What the worker does, in a sentence.
    pub does: &'static str,
    /// What catches it.
    pub caught_by: &'static str,
    /// Chance a round, at least; `None` where the scheme claims nothing.
    pub predicted: Option<f64>,
    pub runs: u32,
    pub caught: u32,
}

impl Outcome {
    pub fn measured(&self) -> f64 {
        f64::from(self.caught) / f64::from(self.runs)
    }

    /// Four standard deviations of a binomial: 1 in 16,000 tests of a true prediction would leave it.
    pub fn tolerance(&self) -> f64 {
        let p = self.predicted.unwrap_or(0.0);
        4.0 * (p * (1.0 - p) / f64::from(self.runs)).sqrt() + 1e-9
    }
}

fn seed(kind: &[u8], run: u32) -> Hash {
    use io_proof::hardware::{Software, cell::Sha256};
    Software::hash(&[b"cheats", kind, &run.to_le_bytes()])
}

/// One round of one oracle.
struct Oracle {
    round: Hash,
    reveal: Hash,
}

impl Oracle {
    fn new(run: u32) -> Self {
        let signature = |kind| {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&seed(kind, run));
            signature
        };
        let round = round_seed(b"round", &signature(b"opens"));
        Self {
            round,
            reveal: reveal_seed(&round, &signature(b"closes")),
        }
    }

    fn check(&self, committed: &Committed, rows: &[OpenedRow]) -> Result<(), CheckError> {
        Checker::new(&self.round, &self.reveal, committed.n)?.check(committed, ROWS, rows)
    }

    /// The oracle's clock: seed sent to commitment received, milliseconds.
    fn in_time(ms: f64) -> bool {
        ms <= f64::from(WINDOW_MS)
    }
}

/// A worker's rows of a round, as it would have them.
struct Worker {
    committed: Committed,
    cells: Vec<Vec<Vec<i32>>>,
    trees: Vec<RowTree>,
}

impl Worker {
    fn new(round: &Hash, device: &Hash, tamper: impl Fn(u32, u32, &Hash, &mut Vec<i32>)) -> Self {
        let mut committed = Committed {
            round_seed: *round,
            device: *device,
            n: N,
            roots: vec![],
        };
        let (mut cells, mut trees) = (vec![], vec![]);
        let b = b_seed(round, N);
        for pass in 0..PASSES {
            let before = committed.roots.last().copied().unwrap_or([0; 32]);
            let a = a_seed(round, device, N, pass, &before);
            let mut rows = reference::rows(&a, &b, N, &(0..N).collect::<Vec<_>>());
            for (row, cells) in rows.iter_mut().enumerate() {
                tamper(pass, row as u32, &a, cells);
            }
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

    /// Opens what is drawn for `as_whom`.
    fn open(&self, as_whom: &Committed, reveal: &Hash) -> Vec<OpenedRow> {
        let opened = drawn_rows(reveal, as_whom, ROWS).into_iter();
        opened
            .map(|(pass, row)| OpenedRow {
                pass,
                row,
                cells: self.cells[pass as usize][row as usize].clone(),
                path: self.trees[pass as usize].row_path(row),
            })
            .collect()
    }

    fn is_caught(&self, oracle: &Oracle) -> bool {
        oracle
            .check(&self.committed, &self.open(&self.committed, &oracle.reveal))
            .is_err()
    }
}

/// The exact chance that `ROWS` of all rows, drawn without repetition, hold one of `wrong`.
fn exact(wrong: u32) -> f64 {
    let total = u64::from(N * PASSES);
    io_proof::detection_probability(total, u64::from(wrong), ROWS)
}

fn outcome(
    name: &'static str,
    does: &'static str,
    caught_by: &'static str,
    predicted: Option<f64>,
    runs: u32,
    is_caught: impl Fn(u32) -> bool,
) -> Outcome {
    let caught = (0..runs).filter(|run| is_caught(*run)).count() as u32;
    Outcome {
        name,
        does,
        caught_by,
        predicted,
        runs,
        caught,
    }
}

/// Rows that a worker which skips some gets wrong: spread over all rows of all passes.
fn skipped(pass: u32, row: u32, wrong: u32) -> bool {
    let (at, total) = (pass * N + row, N * PASSES);
    at * wrong / total != (at + 1) * wrong / total
}

fn tops_ms(shape: Shape, tops: f64) -> f64 {
    shape.operations() as f64 / (tops * 1e12) * 1e3
}

/// All adversaries, `runs` seeds each.
pub fn all(runs: u32) -> Vec<Outcome> {
    let device = [7; 32];
    let mut outcomes = vec![];
    let mut add = |outcome| outcomes.push(outcome);

    add(outcome(
        "honest",
        "computes everything",
        "nothing",
        Some(0.0),
        runs,
        |run| {
            let oracle = Oracle::new(run);
            Worker::new(&oracle.round, &device, |_, _, _, _| {}).is_caught(&oracle)
        },
    ));
    add(outcome(
        "random answers",
        "commits to random cells",
        "row check",
        Some(1.0),
        runs,
        |run| {
            let oracle = Oracle::new(run);
            let noise = |pass, row: u32, _: &Hash, cells: &mut Vec<i32>| {
                let noise = seed(b"noise", run ^ (pass * N + row) << 16);
                for (i, cell) in cells.iter_mut().enumerate() {
                    *cell = i32::from_le_bytes([noise[i], noise[(i + 1) % 32], 0, 0]);
                }
            };
            Worker::new(&oracle.round, &device, noise).is_caught(&oracle)
        },
    ));
    add(outcome(
        "another's answer",
        "hands in what another device computed in the same round",
        "A seed of its own device",
        Some(1.0),
        runs,
        |run| {
            let oracle = Oracle::new(run);
            let other = Worker::new(&oracle.round, &[8; 32], |_, _, _, _| {});
            let committed = Committed {
                device,
                ..other.committed.clone()
            };
            oracle
                .check(&committed, &other.open(&committed, &oracle.reveal))
                .is_err()
        },
    ));
    add(outcome(
        "old proof",
        "hands in what it computed in an earlier round",
        "round seed",
        Some(1.0),
        runs,
        |run| {
            let (before, now) = (Oracle::new(run + 1_000_000), Oracle::new(run));
            let old = Worker::new(&before.round, &device, |_, _, _, _| {});
            let committed = Committed {
                round_seed: now.round,
                ..old.committed.clone()
            };
            now.check(&committed, &old.open(&committed, &now.reveal))
                .is_err()
        },
    ));
    for (name, wrong) in [
        ("computes 98 %", 1),
        ("computes 94 %", 4),
        ("computes 75 %", 16),
        ("computes half", 32),
    ] {
        add(outcome(
            name,
            "leaves out the other rows and commits to zeroes there",
            "drawn rows",
            Some(exact(wrong)),
            runs,
            move |run| {
                let oracle = Oracle::new(run);
                let lazy = |pass, row, _: &Hash, cells: &mut Vec<i32>| {
                    if skipped(pass, row, wrong) {
                        cells.fill(0);
                    }
                };
                Worker::new(&oracle.round, &device, lazy).is_caught(&oracle)
            },
        ));
    }
    add(outcome(
        "lower precision",
        "drops the lowest bit of A's and B's int8 (a quantised product)",
        "row check",
        Some(1.0),
        runs,
        |run| {
            let oracle = Oracle::new(run);
            let coarse = |line: Vec<i8>| line.into_iter().map(|x| x & !1).collect::<Vec<_>>();
            let b: Vec<_> = (0..N)
                .map(|col| coarse(reference::line(&b_seed(&oracle.round, N), N, col)))
                .collect();
            let rounded = |_, row, a_seed: &Hash, cells: &mut Vec<i32>| {
                let a = coarse(reference::line(a_seed, N, row));
                *cells = b.iter().map(|b| reference::dot(&a, b)).collect();
            };
            Worker::new(&oracle.round, &device, rounded).is_caught(&oracle)
        },
    ));
    add(outcome(
        "opened rows only",
        "commits to zeroes and computes rows once it knows which are opened",
        "committed roots",
        Some(1.0),
        runs,
        |run| {
            let oracle = Oracle::new(run);
            let empty = Worker::new(&oracle.round, &device, |_, _, _, cells| cells.fill(0));
            let mut rows = empty.open(&empty.committed, &oracle.reveal);
            for row in &mut rows {
                let a = empty.committed.a_seed(row.pass);
                row.cells = reference::rows(&a, &b_seed(&oracle.round, N), N, &[row.row]).remove(0);
            }
            oracle.check(&empty.committed, &rows).is_err()
        },
    ));
    add(outcome(
        "colludes with one oracle",
        "knows that oracle's rows beforehand and computes only those; a second, honest oracle opens its own round",
        "the quorum's other oracles",
        Some(1.0),
        runs,
        |run| {
            // What it computed for the first oracle's seed is worth nothing under the second's.
            let (corrupt, honest) = (Oracle::new(run), Oracle::new(run + 2_000_000));
            let prepared = Worker::new(&corrupt.round, &device, |_, _, _, _| {});
            let committed = Committed {
                round_seed: honest.round,
                ..prepared.committed.clone()
            };
            honest
                .check(&committed, &prepared.open(&committed, &honest.reveal))
                .is_err()
        },
    ));

    // Time. Passes are sized by the claim: 75 % of the window at the claimed speed.
    let claim = |tops: f64| {
        let n = io_proof::hardware::sizes::n_for((tops * 100.0) as u32);
        let pass = tops_ms(Shape { n, passes: 1 }, tops) * 1e3;
        Shape::for_window(n, pass as u32, FILL_PERCENT)
    };
    let spread = |run: u32| 1.0 + f64::from(seed(b"time", run)[0]) / 255.0 * 0.05;
    add(outcome(
        "bigger class",
        "claims an H100's 790 TOPS with an A100's 390",
        "the oracle's clock",
        Some(1.0),
        runs,
        |run| !Oracle::in_time(tops_ms(claim(790.0), 390.0) * spread(run)),
    ));
    add(outcome(
        "two identities",
        "serves two device accounts from one device; their rounds are at the same time",
        "the oracle's clock",
        Some(1.0),
        runs,
        |run| !Oracle::in_time(2.0 * tops_ms(claim(790.0), 790.0) * spread(run)),
    ));
    add(outcome(
        "lies on time",
        "says that it took half as long as it did",
        "the oracle uses its own clock",
        Some(1.0),
        runs,
        |run| {
            // Nothing that the worker says enters the figure: too late by the oracle's clock is too late.
            let took = tops_ms(claim(790.0), 500.0) * spread(run);
            let said = took / 2.0;
            Oracle::in_time(said) && !Oracle::in_time(took)
        },
    ));
    add(outcome(
        "borrows a faster machine",
        "relays the round to a machine of the claimed speed, 1 ms away",
        "nothing: that machine is then busy, and can't serve its own identity in the same round",
        None,
        runs,
        |run| {
            let shape = claim(790.0);
            !Oracle::in_time(tops_ms(shape, 790.0) * spread(run) + 2.0 * f64::from(shape.passes))
        },
    ));
    add(outcome(
        "lends itself",
        "is that machine, and answers for its own identity too",
        "the oracle's clock",
        Some(1.0),
        runs,
        |run| {
            let shape = claim(790.0);
            !Oracle::in_time(
                2.0 * tops_ms(shape, 790.0) * spread(run) + 2.0 * f64::from(shape.passes),
            )
        },
    ));

    // Memory.
    let memory_runs = runs.min(400);
    for (name, held) in [
        ("holds 99 % of its memory", 0.99),
        ("holds half of its memory", 0.5),
    ] {
        add(outcome(
            name,
            "guesses the words that it does not hold",
            "strides walked again",
            // Which of 16 segments it lacks is a whole number; a word in a hundred is lacked instead.
            Some(soundness_of_memory(held)),
            memory_runs,
            move |run| {
                let walk = Walk {
                    seed: seed(b"memory", run),
                    segments: SEGMENTS,
                    strides: 8,
                };
                let words: Vec<u64> = (0..SEGMENTS)
                    .flat_map(|at| segment(&walk.seed, at))
                    .collect();
                let lacks = |address: u64| {
                    let draw = seed(b"lacks", run ^ (address as u32) << 12);
                    f64::from(u16::from_le_bytes([draw[0], draw[1]])) / 65_536.0 >= held
                };
                let mut states = vec![walk.start(&seed(b"start", run))];
                for _ in 0..walk.strides {
                    let read = |address: u64| {
                        if lacks(address) {
                            0
                        } else {
                            words[address as usize]
                        }
                    };
                    states.push(walk.stride(states[states.len() - 1], read));
                }
                let Ok(walked) = Walked::new(&walk, states) else {
                    return true;
                };
                let reveal = Oracle::new(run).reveal;
                let opened: Vec<OpenedStride> =
                    drawn_strides(&reveal, &walk, &walked.root(), STRIDES)
                        .into_iter()
                        .filter_map(|stride| walked.open(stride).ok())
                        .collect();
                check_walk(&walk, &walked.root(), &reveal, STRIDES, &opened).is_err()
            },
        ));
    }
    outcomes
}

fn soundness_of_memory(held: f64) -> f64 {
    io_proof::hardware::memory::caught_guessing(held, STRIDES)
}

/// The bound that holds at any n for a fraction `f` of wrong rows.
pub fn bound(f: f64) -> f64 {
    soundness::caught(f, ROWS)
}

/// A table of the page, of so many `rounds` or `jobs`.
pub fn table(outcomes: &[Outcome], of: &str) -> String {
    let mut text = format!(
        "| worker | what it does | what catches it | predicted | measured | {of} |\n|---|---|---|---|---|---|\n",
    );
    for o in outcomes {
        let predicted = o.predicted.map_or("no claim".into(), |p| format!("{p:.4}"));
        text += &format!(
            "| {} | {} | {} | {predicted} | {:.4} | {} |\n",
            o.name,
            o.does,
            o.caught_by,
            o.measured(),
            o.runs
        );
    }
    text
}
