//! A short measurement of a CPU: int8 arithmetic and memory bandwidth. Each takes about a tenth of a second, on as many
//! threads as the device has.
//!
//! What it measures is what this code reaches, not a data sheet's peak. It is attested by oracles, and not yet proven.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use io_protocol::messages::Measured;

use super::{Device, host};

/// Length of one measurement on each thread.
const SPAN: Duration = Duration::from_millis(100);
/// Measurements of each kind; the best counts: everything that disturbs makes it worse.
const ROUNDS: usize = 3;
/// Int8 values of each side of the product: both stay in the first-level cache.
const VECTOR: usize = 4_096;
/// Products between two looks at the clock.
const BATCH: usize = 256;
/// Bytes copied at once on one thread: beyond the caches of most processors.
const COPY_BYTES: usize = 32 * 1024 * 1024;
/// At most this share of the free memory is used for copying.
const MEMORY_SHARE: u64 = 8;

/// Measures a CPU device. Blocks for about a second.
pub fn measure(device: &Device, region: u16) -> Measured {
    let threads = device.threads.clamp(1, 256);
    Measured {
        tops_e2: to_u32(best(|| on_threads(threads, int8_ops)) / 1e12 * 100.0).max(1),
        memory_mib: device.memory_mib,
        bandwidth_mib_s: to_u32(best(|| bandwidth(threads)) / (1024.0 * 1024.0)),
        region,
    }
}

fn to_u32(value: f64) -> u32 {
    // `as` saturates.
    value.round() as u32
}

fn best(measure: impl Fn() -> f64) -> f64 {
    (0..ROUNDS).map(|_| measure()).fold(0.0, f64::max)
}

/// The sum of what the threads reach, a second.
fn on_threads(threads: usize, work: impl Fn() -> f64 + Sync) -> f64 {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        handles
            .into_iter()
            .map(|handle| handle.join().unwrap_or(0.0))
            .sum()
    })
}

/// Int8 operations (a multiplication and an addition are two) a second, on this thread.
fn int8_ops() -> f64 {
    let a: Vec<u8> = (0..VECTOR).map(|i| (i * 7 % 128) as u8).collect();
    let b: Vec<i8> = (0..VECTOR).map(|i| (i * 11 % 255) as i8).collect();
    let kernel = kernel();
    let start = Instant::now();
    let mut products = 0_u64;
    loop {
        for _ in 0..BATCH {
            black_box(kernel(black_box(&a), black_box(&b)));
        }
        products += BATCH as u64;
        let elapsed = start.elapsed();
        if elapsed >= SPAN {
            return products as f64 * VECTOR as f64 * 2.0 / elapsed.as_secs_f64();
        }
    }
}

type Kernel = fn(&[u8], &[i8]) -> i32;

fn kernel() -> Kernel {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return |a, b| {
            // SAFETY: the processor has AVX2, as was just asked.
            unsafe { dot_avx2(a, b) }
        };
    }
    dot
}

/// Σ aᵢ·bᵢ.
fn dot(a: &[u8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a) * i32::from(*b))
        .sum()
}

/// Σ aᵢ·bᵢ for aᵢ below 128 (else pairs of products would overflow 16 bits), over whole blocks of 128.
///
/// Four named sums and a plain loop: they stay in registers in builds without much optimisation, too.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn dot_avx2(a: &[u8], b: &[i8]) -> i32 {
    use std::arch::x86_64::*;
    const LANES: usize = 32;
    const BLOCK: usize = 4 * LANES;
    let end = a.len().min(b.len()) / BLOCK * BLOCK;
    let ones = _mm256_set1_epi16(1);
    let zero = _mm256_setzero_si256();
    let (mut s0, mut s1, mut s2, mut s3) = (zero, zero, zero, zero);
    let mut at = 0;
    while at < end {
        // SAFETY: BLOCK bytes follow `at` in both, and the loads need no alignment.
        unsafe {
            let x = a.as_ptr().add(at).cast::<__m256i>();
            let y = b.as_ptr().add(at).cast::<__m256i>();
            let p0 = _mm256_maddubs_epi16(_mm256_loadu_si256(x), _mm256_loadu_si256(y));
            let p1 =
                _mm256_maddubs_epi16(_mm256_loadu_si256(x.add(1)), _mm256_loadu_si256(y.add(1)));
            let p2 =
                _mm256_maddubs_epi16(_mm256_loadu_si256(x.add(2)), _mm256_loadu_si256(y.add(2)));
            let p3 =
                _mm256_maddubs_epi16(_mm256_loadu_si256(x.add(3)), _mm256_loadu_si256(y.add(3)));
            s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(p0, ones));
            s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(p1, ones));
            s2 = _mm256_add_epi32(s2, _mm256_madd_epi16(p2, ones));
            s3 = _mm256_add_epi32(s3, _mm256_madd_epi16(p3, ones));
        }
        at += BLOCK;
    }
    let total = _mm256_add_epi32(_mm256_add_epi32(s0, s1), _mm256_add_epi32(s2, s3));
    let mut lanes = [0_i32; 8];
    // SAFETY: eight i32 are 32 bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), total) };
    lanes.iter().sum()
}

/// Bytes read and written a second, by all threads together.
fn bandwidth(threads: usize) -> f64 {
    let budget = host::available_mib() * 1024 * 1024 / MEMORY_SHARE / (2 * threads as u64);
    let bytes = COPY_BYTES
        .min(usize::try_from(budget).unwrap_or(COPY_BYTES))
        .max(64 * 1024);
    on_threads(threads, || {
        let from = vec![1_u8; bytes];
        let mut to = vec![0_u8; bytes];
        let start = Instant::now();
        let mut copied = 0_u64;
        loop {
            to.copy_from_slice(black_box(&from));
            black_box(&mut to);
            // Read once and written once.
            copied += 2 * bytes as u64;
            let elapsed = start.elapsed();
            if elapsed >= SPAN {
                return copied as f64 / elapsed.as_secs_f64();
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is timed is the product, not something quicker.
        #[test]
        fn the_fast_kernel_computes_the_dot_product(
            a in proptest::collection::vec(0u8..128, 256), b in proptest::collection::vec(any::<i8>(), 256),
        ) {
            prop_assert_eq!(kernel()(&a, &b), dot(&a, &b));
        }
    }

    #[test]
    fn this_machine_measures_something_plausible() {
        let device = crate::devices::select(&crate::config::DeviceSelection::default()).unwrap();
        let measured = measure(&device, 0x4445);
        // From the slowest board to more than any CPU of today.
        assert!((1..=100_000).contains(&measured.tops_e2), "{measured:?}");
        assert!(
            (50..=100_000_000).contains(&measured.bandwidth_mib_s),
            "{measured:?}"
        );
        assert_eq!(
            (measured.memory_mib, measured.region),
            (device.memory_mib, 0x4445)
        );
    }
}
