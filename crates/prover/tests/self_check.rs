//! A chip or a kernel that computes something else is noticed by its own prover, before anything is committed to.

use std::sync::atomic::{AtomicBool, Ordering};

use io_proof::hardware::{Hash, Shape};
use io_prover::{
    Backend, Loaded, ProveError, SELF_CHECK_ROWS,
    cpu::{Cpu, Kernel},
    prove, prove_checked,
};

static GO: AtomicBool = AtomicBool::new(false);

/// A backend of which some rows are wrong.
struct Spoiled {
    cpu: Cpu,
    is_wrong: fn(u32) -> bool,
}

struct SpoiledRows<'a>(Box<dyn Loaded + 'a>, fn(u32) -> bool);

impl Backend for Spoiled {
    fn name(&self) -> String {
        "spoiled".into()
    }

    fn load(&self, b_seed: &Hash, n: u32) -> Result<Box<dyn Loaded + '_>, ProveError> {
        Ok(Box::new(SpoiledRows(
            self.cpu.load(b_seed, n)?,
            self.is_wrong,
        )))
    }
}

impl Loaded for SpoiledRows<'_> {
    fn row_roots(&mut self, a_seed: &Hash, stop: &AtomicBool) -> Result<Vec<Hash>, ProveError> {
        let mut roots = self.0.row_roots(a_seed, stop)?;
        for (row, root) in roots.iter_mut().enumerate() {
            if (self.1)(row as u32) {
                root[0] ^= 1;
            }
        }
        Ok(roots)
    }
}

fn seed(i: u32) -> Hash {
    let mut seed = [0x3c; 32];
    seed[..4].copy_from_slice(&i.to_le_bytes());
    seed
}

/// The row that the self-check stumbled over, if it did.
fn stumbles(is_wrong: fn(u32) -> bool, round: u32, shape: Shape) -> Option<u32> {
    let cpu = Cpu::new(Kernel::best(), 2);
    let backend = Spoiled {
        cpu: cpu.clone(),
        is_wrong,
    };
    match prove_checked(&backend, &cpu, &seed(round), &seed(9), shape, &GO) {
        Ok(_) => None,
        Err(error @ ProveError::Faulty { .. }) => {
            let said = error.to_string();
            assert!(said.contains("nothing was committed to"), "{said}");
            let ProveError::Faulty { pass, row } = error else {
                unreachable!()
            };
            assert!(pass < shape.passes && row < shape.n);
            Some(row)
        }
        Err(other) => panic!("{other}"),
    }
}

/// With every kernel and any number of passes the check finds nothing, and what is committed to is what it would be without.
#[test]
fn an_honest_prover_passes_its_own_check() {
    for kernel in Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
    {
        let cpu = Cpu::new(kernel, 3);
        for (round, (n, passes)) in [(32, 1), (64, 2), (128, 3), (256, 9)]
            .into_iter()
            .enumerate()
        {
            let (round, shape) = (seed(round as u32), Shape { n, passes });
            let checked = prove_checked(&cpu, &cpu, &round, &seed(9), shape, &GO).unwrap();
            let plain = prove(&cpu, &round, &seed(9), shape, &GO).unwrap();
            assert!(checked.committed == plain.committed, "{kernel:?}, n = {n}");
        }
    }
}

/// A backend that is wrong everywhere is always found; one that is wrong in half of its rows as often as 8 rows find it; and the row that
/// is named is a wrong one.
#[test]
fn a_faulty_backend_is_found_before_anything_is_signed() {
    let shape = Shape { n: 64, passes: 4 };
    for round in 0..32 {
        assert!(stumbles(|_| true, round, shape).is_some(), "round {round}");
        assert_eq!(stumbles(|_| false, round, shape), None, "round {round}");
    }
    let rounds = 256;
    let half: Vec<_> = (0..rounds)
        .filter_map(|round| stumbles(|row| row % 2 == 1, round, shape))
        .collect();
    assert!(half.iter().all(|row| row % 2 == 1));
    // 8 of 64 rows without repetition miss 32 wrong ones with a chance of 0.24 %: less than one round in 256.
    assert!(
        half.len() as u32 >= rounds - 4,
        "{} of {rounds}",
        half.len()
    );
    let few = (0..rounds)
        .filter(|round| stumbles(|row| row < 8, *round, shape).is_some())
        .count();
    // 8 of 64 rows find one of 8 wrong ones with a chance of 68.1 %: 174 rounds, four standard deviations are 30.
    assert!((144..=204).contains(&few), "{few} of {rounds}");
    assert_eq!(SELF_CHECK_ROWS, 8, "what these chances are worked out for");
}

/// One that is told to stop says so, and not that something is faulty.
#[test]
fn a_cancelled_proof_is_not_a_faulty_one() {
    let cpu = Cpu::new(Kernel::Portable, 1);
    let stop = AtomicBool::new(true);
    let shape = Shape { n: 64, passes: 2 };
    let stopped = prove_checked(&cpu, &cpu, &seed(1), &seed(2), shape, &stop);
    assert!(matches!(stopped, Err(ProveError::Cancelled)));
    assert!(stop.load(Ordering::Relaxed));
}
