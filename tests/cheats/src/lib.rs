//! Workers that cheat at the hardware proof and at jobs ([`jobs`]), and how often they are caught: predicted beside measured.
//!
//! Each adversary runs against the real checks (`io_proof::hardware`) over many seeds, at a size at which many runs are
//! cheap: chances depend on the fraction of wrong rows and the number of opened ones, not on n. Time is the one thing
//! that is modelled ([`timed`]): what the work takes at a stated speed goes into the oracle's own rules.

use io_api::types::{Figures, ProofAsk};
use io_oracle::hardware::rules::{Rounds, Standing, measured};
use io_proof::hardware::{
    CheckError, Checker, Committed, Hash, OpenedRow, RowTree, a_seed, b_seed, drawn_rows,
    memory::{
        COMPRESSIONS_TO_DERIVE, PARENTS, Path, SEGMENT_BLOCKS, SEGMENT_WORDS, Walk, check_walk,
        segment, states_to_bytes,
    },
    reference, reveal_seed, round_seed,
    sizes::{MAX_HOP_NS, OPEN_STRIDES, ROWS},
    soundness,
    tree::row_root,
};

/// The classes that a network starts with: the command's own table, for the command is no library.
#[path = "../../../crates/cli/src/local/classes.rs"]
mod classes;
pub mod jobs;
pub mod timed;

/// Size of the adversaries' matrices.
const N: u32 = 32;
const PASSES: u32 = 2;
const DEVICE: Hash = [7; 32];
/// Words of a memory walk's segment come from 256 hashes; few segments keep runs cheap.
const SEGMENTS: u64 = 16;
/// Strides of a walk. The published number makes no other chances.
const STRIDES: u32 = 512;
/// A compression of SHA-256 on the fastest cores, nanoseconds, and the time to derive a word that is not there: as many one after another
/// as it takes on average.
const COMPRESSION_NS: u64 = 36;
const DERIVE_NS: u64 = COMPRESSION_NS * COMPRESSIONS_TO_DERIVE as u64;

/// What came of one cheat over many seeds.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub name: &'static str,
    /// What the worker does, in a sentence.
    pub does: String,
    /// What catches it.
    pub caught_by: &'static str,
    /// Chance a round, at least; `None` where the scheme claims nothing.
    pub predicted: Option<f64>,
    /// Runs of which no two are the same.
    pub runs: u32,
    pub caught: u32,
    /// Nothing in it is drawn: one run says all.
    pub by_construction: bool,
}

impl Outcome {
    /// Of a cheat in which nothing is drawn: run once.
    fn by_construction(self) -> Self {
        Self {
            by_construction: true,
            ..self
        }
    }

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

    /// Leaves out so many of its rows.
    fn lazy(round: &Hash, device: &Hash, wrong: u32) -> Self {
        Self::new(round, device, |pass, row, _, cells| {
            if skipped(pass, row, wrong) {
                cells.fill(0);
            }
        })
    }
}

/// The exact chance that `ROWS` of all rows, drawn without repetition, hold one of `wrong`.
fn exact(wrong: u32) -> f64 {
    let total = u64::from(N * PASSES);
    io_proof::detection_probability(total, u64::from(wrong), ROWS)
}

fn outcome(
    name: &'static str,
    does: impl Into<String>,
    caught_by: &'static str,
    predicted: Option<f64>,
    runs: u32,
    is_caught: impl Fn(u32) -> bool,
) -> Outcome {
    let caught = (0..runs).filter(|run| is_caught(*run)).count() as u32;
    Outcome {
        name,
        does: does.into(),
        caught_by,
        predicted,
        runs,
        caught,
        by_construction: false,
    }
}

/// Rows that a worker which skips some gets wrong: spread over all rows of all passes.
fn skipped(pass: u32, row: u32, wrong: u32) -> bool {
    let (at, total) = (pass * N + row, N * PASSES);
    at * wrong / total != (at + 1) * wrong / total
}

/// Rounds of a day, one an hour, of one of two honest oracles, for a worker that leaves out one of its rows: whether it is drawn, by
/// hour. The check says the same.
fn a_day(run: u32, oracle: u32) -> impl Iterator<Item = bool> {
    (0..24).map(move |hour| {
        let oracle = Oracle::new(4_000_000 + 64 * run + 2 * hour + oracle);
        Worker::lazy(&oracle.round, &DEVICE, 1).is_caught(&oracle)
    })
}

/// What an oracle measured that has nothing to find fault with.
fn shown(at: i64) -> Figures {
    let asked = walk_ask(STRIDES);
    measured(&Rounds::default(), &asked, false, 1, 1, None, at)
}

/// The chance that an oracle's figures are missing at the end of a day of a device that does not open what would be found wrong, with a
/// chance of `drawn` an hour: [`Standing`]'s count of misses, hour by hour.
fn withheld_a_day(drawn: f64) -> f64 {
    // A round that is not opened counts three, an answered one takes one off; six at most, and four are too many.
    let mut misses = [0.0; 7];
    misses[0] = 1.0;
    for _ in 0..24 {
        let mut after = [0.0; 7];
        for (count, chance) in misses.into_iter().enumerate() {
            after[(count + 3).min(6)] += chance * drawn;
            after[count.saturating_sub(1)] += chance * (1.0 - drawn);
        }
        misses = after;
    }
    misses[4..].iter().sum()
}

/// An ask of the least work, for a walk of so many strides.
fn walk_ask(strides: u32) -> ProofAsk {
    ProofAsk {
        n: N,
        passes: PASSES,
        rows: ROWS,
        segments: 1 << 10,
        strides,
        open_strides: OPEN_STRIDES,
    }
}

/// All adversaries, `runs` seeds each.
pub fn all(runs: u32) -> Vec<Outcome> {
    let device = DEVICE;
    let mut outcomes = vec![];
    let mut add = |outcome| outcomes.push(outcome);
    // What takes long.
    let memory_runs = runs.min(400);
    let days = runs.min(400);

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
                Worker::lazy(&oracle.round, &device, wrong).is_caught(&oracle)
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
    // One of three oracles is a friend that signs what it is asked to: figures need one of the two others.
    add(outcome(
        "computes 98 %, with one oracle's help",
        "one oracle of three signs whatever it likes, so passing one of the two honest ones' rounds is enough",
        "both draw a wrong row",
        Some(exact(1).powi(2)),
        runs,
        |run| {
            (0..2).all(|honest| {
                let oracle = Oracle::new(2_000_000 + 2 * run + honest);
                Worker::lazy(&oracle.round, &device, 1).is_caught(&oracle)
            })
        },
    ));
    add(outcome(
        "the same for a day",
        "opens whatever is drawn, every hour: an oracle that finds a wrong row signs nothing for a day",
        "both have drawn a wrong row before the day is over",
        Some((1.0 - (1.0 - exact(1)).powi(24)).powi(2)),
        runs,
        |run| {
            let (rounds, last) = (Rounds::default(), 23);
            let (hour, fresh) = hours(&rounds);
            (0..2).all(|honest| {
                let mut standing = Standing::default();
                for (at, is_drawn) in (0..).zip(a_day(run, honest)) {
                    if is_drawn {
                        standing.wrong(at * hour + i64::from(rounds.refuse_seconds));
                        break;
                    }
                    standing.proven(shown(at * hour), true, fresh);
                }
                standing.figures(last * hour, fresh).is_none()
            })
        },
    ));
    add(outcome(
        "the same, and is silent",
        format!(
            "does not open what would be found wrong, and so keeps its bond: without help it has no figures in {:.0} % of all hours",
            withheld_a_day(exact(1)) * 100.0
        ),
        "what is not opened counts as three misses: in the day's last hour, neither has figures to sign",
        Some(withheld_a_day(exact(1)).powi(2)),
        days,
        |run| {
            let (hour, fresh) = hours(&Rounds::default());
            (0..2).all(|honest| {
                let mut standing = Standing::default();
                for (at, is_drawn) in (0..).zip(a_day(run, honest)) {
                    match is_drawn {
                        true => standing.withheld(),
                        false => standing.proven(shown(at * hour), true, fresh),
                    }
                }
                standing.figures(23 * hour, fresh).is_none()
            })
        },
    ));

    timed::all(runs).into_iter().for_each(&mut add);

    // Memory.
    for (name, held) in [
        ("holds 99 % of its memory", 0.99),
        ("holds half of its memory", 0.5),
    ] {
        add(outcome(
            name,
            "guesses the words that it does not hold",
            "strides walked again",
            Some(io_proof::hardware::memory::caught_guessing(
                held,
                OPEN_STRIDES,
            )),
            memory_runs,
            // Which of 16 segments it lacks is a whole number; a word in a hundred is lacked instead.
            move |run| {
                let memory = Memory::new(run);
                let states = memory.path.walk(|address| {
                    let draw = seed(b"lacks", run ^ (address as u32) << 12);
                    match f64::from(u16::from_le_bytes([draw[0], draw[1]])) / 65_536.0 < held {
                        true => memory.words[address as usize],
                        false => 0,
                    }
                });
                memory.is_caught(&states)
            },
        ));
    }
    add(outcome(
        "holds nothing, one after another",
        "derives each word of the walk when it comes to it",
        "the oracle's clock",
        Some(1.0),
        memory_runs,
        |run| {
            let (memory, mut compressions) = (Memory::new(run), 0);
            memory.path.walk(|address| {
                compressions += compressions_to_derive(address);
                memory.words[address as usize]
            });
            let micros = compressions * COMPRESSION_NS / 1_000;
            let asked = walk_ask(STRIDES);
            measured(&Rounds::default(), &asked, false, 1, micros, None, 0).memory_mib == 0
        },
    ));
    let invented: Vec<Vec<bool>> = (0..memory_runs)
        .map(|run| invented_for(&Memory::path_of(run), DERIVE_NS as f64 / MAX_HOP_NS as f64))
        .collect();
    let share = |run: usize| {
        let count = invented[run].iter().filter(|invented| **invented).count();
        io_proof::detection_probability(STRIDES.into(), count as u64, OPEN_STRIDES)
    };
    let predicted = (0..invented.len()).map(share).sum::<f64>() / invented.len() as f64;
    add(outcome(
        "holds nothing, in parallel",
        "derives words on many cores, and invents the states that it would have to wait for: as few as we know how to",
        "strides walked again",
        Some(predicted),
        memory_runs,
        |run| {
            let memory = Memory::new(run);
            let mut states = vec![memory.path.first];
            for i in 1..=STRIDES {
                let state = match invented[run as usize][i as usize] {
                    true => memory.made_up(i),
                    false => memory
                        .path
                        .stride(i, &states, |address| memory.words[address as usize]),
                };
                states.push(state);
            }
            memory.is_caught(&states)
        },
    ));
    add(outcome(
        "walks one stride",
        "walks the first stride and makes up the rest",
        "strides walked again",
        Some(io_proof::detection_probability(
            STRIDES.into(),
            u64::from(STRIDES) - 1,
            OPEN_STRIDES,
        )),
        memory_runs,
        |run| {
            let memory = Memory::new(run);
            let mut states = vec![memory.path.first];
            states.push(
                memory
                    .path
                    .stride(1, &states, |address| memory.words[address as usize]),
            );
            states.extend((2..=STRIDES).map(|i| memory.made_up(i)));
            memory.is_caught(&states)
        },
    ));
    add(outcome(
        "walks beforehand",
        "walks while it still has all the time, before the reveal, and begins where the reveal says",
        "every hop is keyed by the reveal",
        Some(1.0),
        memory_runs,
        |run| {
            let memory = Memory::new(run);
            let guess = memory.walk.path(&seed(b"guess", run));
            let mut states = guess.walk(|address| memory.words[address as usize]);
            states[0] = memory.path.first;
            memory.is_caught(&states)
        },
    ));
    outcomes
}

/// Compressions of SHA-256 that a word needs which is not there, three a hash: all of its segment's chain forward, and the one backward
/// as far as the word's block.
fn compressions_to_derive(address: u64) -> u64 {
    let block = address % SEGMENT_WORDS as u64 / 4;
    let all = SEGMENT_BLOCKS as u64;
    3 * (all + all - block)
}

/// Seconds between two regular rounds, and for how long figures are signed.
fn hours(rounds: &Rounds) -> (i64, u32) {
    let every = rounds.every(timed::ORACLES).as_secs() as i64;
    (every, rounds.fresh_seconds(timed::ORACLES))
}

/// A device's memory, and the walk that it is asked for.
struct Memory {
    walk: Walk,
    path: Path,
    words: Vec<u64>,
    run: u32,
}

impl Memory {
    fn walk_of(run: u32) -> Walk {
        Walk {
            seed: seed(b"memory", run),
            segments: SEGMENTS,
            strides: STRIDES,
        }
    }

    fn path_of(run: u32) -> Path {
        Self::walk_of(run).path(&Oracle::new(run).reveal)
    }

    fn new(run: u32) -> Self {
        let walk = Self::walk_of(run);
        Self {
            walk,
            path: Self::path_of(run),
            words: (0..SEGMENTS)
                .flat_map(|at| segment(&walk.seed, at))
                .collect(),
            run,
        }
    }

    /// A state that it has not come to.
    fn made_up(&self, i: u32) -> u64 {
        let noise = seed(b"state", self.run ^ i << 16);
        noise[..8]
            .iter()
            .fold(0, |state, byte| state << 8 | u64::from(*byte))
    }

    /// By an oracle that draws strides for these states. Their root stands for them.
    fn is_caught(&self, states: &[u64]) -> bool {
        let reveal = Oracle::new(self.run).reveal;
        let (root, draw) = (seed(b"root", self.run), seed(b"draw", self.run));
        let bytes = states_to_bytes(states);
        check_walk(&self.walk, &reveal, &root, &draw, OPEN_STRIDES, &bytes).is_err()
    }
}

/// The states that a walker invents which has `parallel` times as long as a walk may take: the strides that it does not walk, so that no
/// path through the others is longer than a `parallel`-th of the walk. Greedy: of the strides that most of the longest paths go through,
/// a hundredth of all at a time. The best that we know; fewer may do.
pub fn invented_for(path: &Path, parallel: f64) -> Vec<bool> {
    let strides = path.strides;
    let n = strides as usize + 1;
    let parents: Vec<[u32; PARENTS]> = std::iter::once([0; PARENTS])
        .chain((1..=strides).map(|i| path.parents(i)))
        .collect();
    let most = (f64::from(strides) / parallel) as u32;
    let mut invented = vec![false; n];
    loop {
        let (mut before, mut after) = (vec![0_u32; n], vec![0_u32; n]);
        for i in 1..n {
            if !invented[i] {
                let longest = parents[i].iter().map(|p| before[*p as usize]).max();
                before[i] = before[i - 1].max(longest.unwrap_or(0)) + 1;
            }
        }
        if before.iter().max().is_none_or(|longest| *longest <= most) {
            return invented;
        }
        for i in (1..n).rev().filter(|i| !invented[*i]) {
            let through = after[i] + 1;
            for p in parents[i].iter().map(|p| *p as usize).chain([i - 1]) {
                after[p] = after[p].max(through);
            }
        }
        let mut walked: Vec<usize> = (1..n).filter(|i| !invented[*i]).collect();
        walked.sort_by_key(|i| std::cmp::Reverse(before[*i] + after[*i]));
        // Neighbours are on the same paths: a few apart cut more.
        let few = n.div_ceil(100);
        for i in walked.into_iter().take(20 * few).step_by(20) {
            invented[i] = true;
        }
    }
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
        let mut measured = format!("{:.4}", o.measured());
        if o.by_construction {
            measured += ", by construction";
        }
        text += &format!(
            "| {} | {} | {} | {predicted} | {measured} | {} |\n",
            o.name, o.does, o.caught_by, o.runs
        );
    }
    text
}
