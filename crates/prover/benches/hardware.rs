//! Hardware proofs on this machine: `cargo bench -p io-prover`, or `cargo bench -p io-prover --profile dev` for what the
//! services run. Prints a table; ratios are to other code of the same run.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use io_proof::hardware::{
    OpenedRow, Shape, cell,
    memory::{STRIDE, Walk, check_walk, states_to_bytes},
    sizes::{HIRED_FILL_PERCENT, OPEN_STRIDES, ROWS, STRIDES, WINDOW_MS},
};
use io_prover::{
    checker,
    cpu::{Cpu, Kernel, product_only},
    cuda::Gpu,
    memory, prove,
};

fn best(rounds: u32, mut work: impl FnMut()) -> Duration {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

/// Memory that a device in use is asked for, segments of 4 KiB.
const HIRED_SEGMENTS: u64 = 16 * 256;
/// How long a renter's job runs with a round beside it, and without.
const JOB: Duration = Duration::from_secs(10);

/// What a job on all threads gets done in [`JOB`], small products, and how long what is done `beside` it takes.
fn job(threads: usize, beside: impl FnOnce()) -> (u64, Duration) {
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let mut took = Duration::ZERO;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(reference(256, 1));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        beside();
        took = started.elapsed();
        std::thread::sleep(JOB.saturating_sub(took));
        stop.store(true, Ordering::Relaxed);
    });
    (done.into_inner(), took)
}

/// A round of a device that a renter uses, as an oracle asks for it at the speed that the device claims: how long it takes beside the job,
/// and what the job loses by it.
fn hired(threads: usize) {
    let go = AtomicBool::new(false);
    let cpu = Cpu::new(Kernel::best(), threads);
    let pass = best(3, || {
        let shape = Shape {
            n: 2_048,
            passes: 1,
        };
        drop(prove(&cpu, &[1; 32], &[2; 32], shape, &go).unwrap());
    });
    let micros = pass.as_micros() as u64;
    let shape = Shape::for_claim(2_048, micros, HIRED_FILL_PERCENT, WINDOW_MS);
    let walk = Walk {
        seed: [1; 32],
        segments: HIRED_SEGMENTS,
        strides: STRIDES,
    };
    let round = || {
        let proof = prove(&cpu, &[1; 32], &[2; 32], shape, &go).unwrap();
        let filled = memory::fill(walk, threads).unwrap();
        std::hint::black_box(filled.walk(&[3; 32]));
        std::hint::black_box(proof.open(&cpu, &[3; 32], ROWS));
    };
    let (mut alone, mut beside, mut took) = (0, 0, Duration::ZERO);
    for _ in 0..3 {
        alone += job(threads, || {}).0;
        let (done, held) = job(threads, round);
        (beside, took) = (beside + done, took + held);
    }
    let lost = (1.0 - beside as f64 / alone as f64) * JOB.as_secs_f64();
    println!(
        "| a hired device's round beside a job on all threads ({} passes, n = {}) | {:.2} s; the job lost {lost:.2} s by it, {:.3} % of an hour |",
        shape.passes,
        shape.n,
        took.as_secs_f64() / 3.0,
        lost / 36.0
    );
}

/// Operations a second of the `gemm` crate in f32, the same sizes and threads.
fn reference(n: usize, threads: usize) -> f64 {
    let (a, b) = (vec![1.0_f32; n * n], vec![1.0_f32; n * n]);
    let mut c = vec![0.0_f32; n * n];
    let parallel = if threads > 1 {
        gemm::Parallelism::Rayon(threads)
    } else {
        gemm::Parallelism::None
    };
    let time = best(3, || {
        // SAFETY: three n×n matrices, A row-major, B column-major, C row-major.
        unsafe {
            gemm::gemm(
                n,
                n,
                n,
                c.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                1,
                n as isize,
                b.as_ptr(),
                n as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                parallel,
            );
        }
        std::hint::black_box(&c);
    });
    2.0 * (n as f64).powi(3) / time.as_secs_f64()
}

fn main() {
    let go = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let n = 2_048;
    println!("| what | figure |\n|---|---|");
    for threads in [1, threads] {
        let f32 = reference(n as usize, threads);
        println!(
            "| gemm f32, n = {n}, {threads} threads | {:.3} TOPS |",
            f32 / 1e12
        );
        for kernel in Kernel::ALL
            .into_iter()
            .filter(|kernel| kernel.is_available())
        {
            let cpu = Cpu::new(kernel, threads);
            let mut operations = 0;
            let time = best(3, || operations = product_only(&cpu, n));
            let rate = operations as f64 / time.as_secs_f64();
            println!(
                "| product {kernel:?}, {threads} threads | {:.3} TOPS, {:.2} × gemm f32 |",
                rate / 1e12,
                rate / f32
            );
        }
    }
    let cpu = Cpu::new(Kernel::best(), threads);
    for n in [1_024, 2_048, 4_096] {
        let shape = Shape { n, passes: 2 };
        let time = best(2, || {
            drop(prove(&cpu, &[1; 32], &[2; 32], shape, &go).unwrap())
        });
        println!(
            "| whole proof, n = {n}, 2 passes, {} | {:.1} ms a pass, {:.3} TOPS |",
            io_prover::Backend::name(&cpu),
            time.as_secs_f64() * 500.0,
            f64::from(shape.tops_e2(time.as_micros() as u64)) / 100.0
        );
    }
    // An oracle's side at the size that the limits are stated for.
    let n = 16_384;
    let shape = Shape { n, passes: 1 };
    let time = Instant::now();
    let proof = prove(&cpu, &[1; 32], &[2; 32], shape, &go).unwrap();
    println!(
        "| one pass, n = {n} | {:.2} s |",
        time.elapsed().as_secs_f64()
    );
    let time = Instant::now();
    let checker = checker(&[1; 32], &[3; 32], n, 1).unwrap();
    println!(
        "| B·r, n = {n}, one thread, once a round | {:.2} s |",
        time.elapsed().as_secs_f64()
    );
    let time = Instant::now();
    let rows = proof.open(&cpu, &[3; 32], ROWS);
    println!(
        "| opening {ROWS} rows | {:.2} s |",
        time.elapsed().as_secs_f64()
    );
    let time = best(3, || checker.check(&proof.committed, ROWS, &rows).unwrap());
    println!(
        "| checking a device: {ROWS} rows, one thread | {:.2} ms |",
        time.as_secs_f64() * 1e3
    );
    println!(
        "| bytes a proof | {} |",
        32 + ROWS as usize * OpenedRow::wire_len(n)
    );
    let time = best(3, || {
        std::hint::black_box(cell::recompute_cell::<io_proof::hardware::Software>(
            &[1; 32], &[2; 32], n, 1, 2,
        ));
    });
    println!(
        "| one cell from its seeds | {:.3} ms |",
        time.as_secs_f64() * 1e3
    );
    let walk = Walk {
        seed: [1; 32],
        segments: 1 << 16,
        strides: STRIDES,
    };
    let time = Instant::now();
    let filled = memory::fill(walk, threads).unwrap();
    let fill = time.elapsed();
    let time = best(2, || drop(filled.walk(&[2; 32])));
    println!(
        "| memory: 256 MiB filled, walked | {:.2} s, {:.0} ns a hop |",
        fill.as_secs_f64(),
        time.as_secs_f64() * 1e9 / f64::from(walk.strides * STRIDE)
    );
    let states = states_to_bytes(&filled.walk(&[2; 32]));
    let time = best(3, || {
        check_walk(&walk, &[2; 32], &[4; 32], &[5; 32], OPEN_STRIDES, &states).unwrap();
    });
    println!(
        "| checking a device: {OPEN_STRIDES} strides of its walk, one thread | {:.2} ms |",
        time.as_secs_f64() * 1e3
    );
    hired(threads);
    match Gpu::open(0) {
        Ok(gpu) => {
            for product in gpu.products() {
                let gpu = Gpu::open(0)
                    .and_then(|gpu| gpu.with_product(product))
                    .unwrap();
                for n in [16_384, 32_768] {
                    // A library that doesn't suit the driver fails here; the others are still timed.
                    let figure = match gpu.time_product(n, 5) {
                        Ok(time) => {
                            format!("{:.1} TOPS", 2.0 * f64::from(n).powi(3) / time / 1e12)
                        }
                        Err(error) => error.to_string(),
                    };
                    println!("| GPU product {product:?}, n = {n} | {figure} |");
                }
            }
            for n in [16_384, 32_768] {
                let shape = Shape { n, passes: 4 };
                let time = best(2, || {
                    drop(prove(&gpu, &[1; 32], &[2; 32], shape, &go).unwrap())
                });
                println!(
                    "| GPU whole proof, n = {n}, {} | {:.1} ms a pass, {:.1} TOPS |",
                    io_prover::Backend::name(&gpu),
                    time.as_secs_f64() * 250.0,
                    f64::from(shape.tops_e2(time.as_micros() as u64)) / 100.0
                );
            }
        }
        Err(error) => println!("| GPU | {error} |"),
    }
}
