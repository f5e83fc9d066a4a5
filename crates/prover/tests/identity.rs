//! Every backend, on every number of threads, yields the definition's bits; honest proofs are never refused.

use std::sync::atomic::AtomicBool;

use io_proof::hardware::{
    Hash, Shape, b_seed, memory as walk,
    memory::Walk,
    reference,
    sizes::{LEAST_N, OPEN_STRIDES, ROWS},
    tree::row_root,
};
use io_prover::{
    Backend, ProveError, checker,
    cpu::{Cpu, Kernel},
    memory, prove,
};

static GO: AtomicBool = AtomicBool::new(false);

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
}

fn seed(i: u32) -> Hash {
    let mut seed = [0x5a; 32];
    seed[..4].copy_from_slice(&i.to_le_bytes());
    seed
}

/// Nobody waits for memory that is not needed any more, and none that is filled in part is walked.
#[test]
fn a_filling_that_is_stopped_gives_nothing() {
    let walk = Walk {
        seed: seed(1),
        segments: 1 << 12,
        strides: 1,
    };
    let stopped = memory::fill_until(walk, 2, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(ProveError::Cancelled)));
}

#[test]
fn every_kernel_and_thread_count_yields_the_definitions_bits() {
    for n in [32, 64, 256] {
        let (a, b) = (seed(1), b_seed(&seed(2), n));
        let rows = reference::rows(&a, &b, n, &(0..n).collect::<Vec<_>>());
        let expected: Vec<_> = rows.iter().map(|row| row_root(row)).collect();
        for kernel in kernels() {
            for threads in [1, 2, 3, 8] {
                let cpu = Cpu::new(kernel, threads);
                let roots = cpu.load(&b, n).unwrap().row_roots(&a, &GO).unwrap();
                assert!(roots == expected, "{} differs at n = {n}", cpu.name());
            }
        }
        let lines: Vec<_> = [0, n - 1, 7].into_iter().map(|row| (a, row)).collect();
        let opened = Cpu::new(Kernel::best(), 3).rows(&b, n, &lines);
        for ((_, row), cells) in lines.iter().zip(opened) {
            assert_eq!(cells, rows[*row as usize]);
        }
    }
}

/// 10,240 honest runs, each a proof of one of 640 devices and rounds, checked by one of 16 draws of its own. Every kernel of the machine
/// with every n, number of passes and number of threads, about equally often: n is 128 or 256, and 512 in every 16th; passes are 1 to 3,
/// threads 1 to 3. A thread takes 128 rows at a time, so the product is one thread's at n = 128, two threads' at 256, and three threads'
/// at 512. 4 rows are opened, in every fifth proof as many as rounds ask for. Every fourth draw, 2,560 in all, has a walk of 64 strides
/// through 1 to 8 segments beside it, of which six are walked again.
#[test]
fn ten_thousand_honest_runs_are_never_refused() {
    const PROOFS: u32 = 640;
    const DRAWS: u32 = 16;
    let kernels: Vec<_> = kernels().collect();
    let (mut runs, mut walks) = (0, 0);
    for i in 0..PROOFS {
        // Each by another part of i, so that none is tied to another.
        let (kernel, rest) = (i as usize % kernels.len(), i / kernels.len() as u32);
        let (threads, rest) = (1 + rest as usize % 3, rest / 3);
        let cpu = Cpu::new(kernels[kernel], threads);
        let shape = Shape {
            n: match rest % 16 {
                15 => 512,
                even if even % 2 == 0 => 128,
                _ => 256,
            },
            passes: 1 + (rest + i) % 3,
        };
        let k = if i % 5 == 0 { ROWS } else { 4 };
        let (round, device) = (seed(i), seed(i + 1_000_000));
        let proof = prove(&cpu, &round, &device, shape, &GO).unwrap();
        let walk = Walk {
            seed: seed(i + 3_000_000),
            segments: 1 + u64::from(i % 8),
            strides: 64,
        };
        let filled = memory::fill(walk, threads).unwrap();
        for draw in 0..DRAWS {
            let reveal = seed(2_000_000 + DRAWS * i + draw);
            let rows = proof.open(&cpu, &reveal, k);
            let checker = checker(&round, &reveal, shape.n, 1).unwrap();
            assert_eq!(
                checker.check(&proof.committed, k, &rows),
                Ok(()),
                "{} {shape:?} run {i}",
                cpu.name()
            );
            runs += 1;
            if draw % 4 != 0 {
                continue;
            }
            let bytes = walk::states_to_bytes(&filled.walk(&reveal));
            let checked = walk::check_walk(&walk, &reveal, &round, &device, OPEN_STRIDES, &bytes);
            assert_eq!(checked, Ok(()), "{walk:?} run {i}");
            walks += 1;
        }
    }
    assert_eq!((runs, walks), (10_240, 2_560));
}

/// As rounds ask: their sizes, their rows, and the walk beside them.
#[test]
fn at_the_sizes_of_rounds_every_backend_has_one_commitment_that_is_never_refused() {
    for (n, passes) in [(LEAST_N, 2), (2 * LEAST_N, 1)] {
        let shape = Shape { n, passes };
        let mut commitments = std::collections::HashSet::new();
        for (at, kernel) in kernels().enumerate() {
            for threads in [1, 2] {
                let cpu = Cpu::new(kernel, threads);
                let proof = prove(&cpu, &seed(n), &seed(2), shape, &GO).unwrap();
                commitments.insert(proof.committed.commitment());
                let reveal = seed(n + at as u32);
                let rows = proof.open(&cpu, &reveal, ROWS);
                let checker = checker(&seed(n), &reveal, n, 2).unwrap();
                assert_eq!(
                    checker.check(&proof.committed, ROWS, &rows),
                    Ok(()),
                    "{}",
                    cpu.name()
                );
            }
        }
        assert_eq!(commitments.len(), 1, "n = {n}");
    }
    for i in 0..32 {
        let walk = Walk {
            seed: seed(i),
            segments: 1 + u64::from(i) * 37,
            strides: 1 + i * 61,
        };
        let states = memory::fill(walk, 2).unwrap().walk(&seed(i + 1));
        let bytes = walk::states_to_bytes(&states);
        for draw in 0..4 {
            let (root, draw) = (seed(i), seed(100 + draw));
            let checked = walk::check_walk(&walk, &seed(i + 1), &root, &draw, OPEN_STRIDES, &bytes);
            assert_eq!(checked, Ok(()), "{walk:?}");
        }
    }
}

#[test]
fn one_commitment_whatever_the_backend() {
    let shape = Shape { n: 128, passes: 3 };
    let commitments: std::collections::HashSet<_> = kernels()
        .flat_map(|kernel| [1, 4].map(|threads| Cpu::new(kernel, threads)))
        .map(|cpu| {
            prove(&cpu, &seed(1), &seed(2), shape, &GO)
                .unwrap()
                .committed
                .commitment()
        })
        .collect();
    assert_eq!(commitments.len(), 1);
}

#[test]
fn a_shared_sum_is_the_same_on_any_number_of_threads() {
    let cpu = Cpu::new(Kernel::best(), 2);
    let proof = prove(&cpu, &seed(1), &seed(2), Shape { n: 64, passes: 2 }, &GO).unwrap();
    let rows = proof.open(&cpu, &seed(3), 8);
    for threads in [1, 2, 5, 1_000] {
        let checker = checker(&seed(1), &seed(3), 64, threads).unwrap();
        assert_eq!(
            checker.check(&proof.committed, 8, &rows),
            Ok(()),
            "{threads} threads"
        );
    }
}

#[test]
fn a_proof_can_be_stopped_and_bad_sizes_are_refused() {
    let cpu = Cpu::new(Kernel::best(), 2);
    let stop = AtomicBool::new(true);
    let stopped = prove(&cpu, &seed(1), &seed(2), Shape { n: 64, passes: 2 }, &stop);
    assert!(matches!(stopped, Err(ProveError::Cancelled)));
    for shape in [
        Shape { n: 48, passes: 1 },
        Shape { n: 64, passes: 0 },
        Shape {
            n: 1 << 30,
            passes: 1,
        },
    ] {
        assert!(
            matches!(
                prove(&cpu, &seed(1), &seed(2), shape, &GO),
                Err(ProveError::Shape(_))
            ),
            "{shape:?}"
        );
    }
}

#[test]
fn a_walk_through_host_memory_is_accepted_whatever_filled_it() {
    let walk = Walk {
        seed: seed(1),
        segments: 97,
        strides: 32,
    };
    let walks: Vec<_> = [1, 2, 5]
        .into_iter()
        .map(|threads| memory::fill(walk, threads).unwrap().walk(&seed(2)))
        .collect();
    let bytes = walk::states_to_bytes(&walks[0]);
    assert_eq!(
        walk::check_walk(&walk, &seed(2), &seed(3), &seed(4), 32, &bytes),
        Ok(())
    );
    assert!(walks.iter().all(|states| *states == walks[0]));
}
