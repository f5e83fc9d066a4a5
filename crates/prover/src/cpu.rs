//! Int8 products and their hashes on a CPU.
//!
//! B is packed once into panels of 32 columns, which is a leaf's width: each tile of rows × 32 cells is hashed while it
//! lies in the first-level cache, and C is never stored. A word of 32 bits holds the next 4 (VNNI) or 2 (others,
//! widened to 16 bits) values of a line. The layout after Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication" (2008), without the outer blocking over k: accumulators stay in registers along a whole row.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use io_proof::hardware::{Hash, Software, cell::Sha256, reference};

use crate::{Backend, Loaded, ProveError};

/// Columns of a panel: the cells of a leaf.
const PANEL: usize = 32;
/// Rows of a tile.
const TILE: usize = 8;
/// Rows that a thread takes at a time, at most.
const BLOCK: usize = 128;
/// Bytes of A that it takes at a time: they stay in the second-level cache while B passes by.
const BLOCK_BYTES: usize = 1024 * 1024;
/// Most threads.
pub const MAX_THREADS: usize = 256;

/// The inner loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    Portable,
    /// `vpmaddwd` on 256 bits.
    Avx2,
    /// `vpmaddwd` on 512 bits.
    Avx512,
    /// `vpdpbusd` on 512 bits.
    Vnni,
}

impl Kernel {
    pub const ALL: [Self; 4] = [Self::Portable, Self::Avx2, Self::Avx512, Self::Vnni];

    /// Whether this processor can run it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            match self {
                Self::Portable => true,
                Self::Avx2 => has!("avx2"),
                Self::Avx512 => has!("avx512f") && has!("avx512bw"),
                Self::Vnni => has!("avx512f") && has!("avx512bw") && has!("avx512vnni"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// The fastest that this processor can run.
    pub fn best() -> Self {
        Self::ALL
            .into_iter()
            .rev()
            .find(|kernel| kernel.is_available())
            .unwrap_or(Self::Portable)
    }

    /// Values in a packed word.
    fn values(self) -> usize {
        if self == Self::Vnni { 4 } else { 2 }
    }

    /// A tile of 8 rows × 32 columns. `a` holds `words` × 8 words, `b` `words` × 32, `init` what the sums begin with.
    fn tile(self, a: &[u32], b: &[u32], init: &[i32; TILE], out: &mut [[i32; PANEL]; TILE]) {
        let words = a.len() / TILE;
        assert!(a.len() == words * TILE && b.len() == words * PANEL);
        match self {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Cpu::new` admits only kernels that this processor can run; lengths were checked.
            Self::Avx2 => unsafe { x86::avx2(words, a, b, init, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 => unsafe { x86::avx512(words, a, b, init, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Vnni => unsafe { x86::vnni(words, a, b, init, out) },
            _ => portable(a, b, init, out),
        }
    }
}

fn portable(a: &[u32], b: &[u32], init: &[i32; TILE], out: &mut [[i32; PANEL]; TILE]) {
    for (row, init) in out.iter_mut().zip(init) {
        *row = [*init; PANEL];
    }
    for (a, b) in a.chunks_exact(TILE).zip(b.chunks_exact(PANEL)) {
        for (row, a) in out.iter_mut().zip(a) {
            let (a0, a1) = (i32::from(*a as i16), *a as i32 >> 16);
            for (sum, b) in row.iter_mut().zip(b) {
                // Wrapping, for checked additions would not be vectorised; the last sum is in range.
                let pair = a0
                    .wrapping_mul(i32::from(*b as i16))
                    .wrapping_add(a1.wrapping_mul(*b as i32 >> 16));
                *sum = sum.wrapping_add(pair);
            }
        }
    }
}

// Registers are named by number: that is what these loops become.
#[allow(clippy::needless_range_loop)]
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{PANEL, TILE};

    /// # Safety
    /// AVX2; `a` holds `words`·8 and `b` `words`·32 words.
    #[target_feature(enable = "avx2")]
    pub unsafe fn avx2(
        words: usize,
        a: &[u32],
        b: &[u32],
        init: &[i32; TILE],
        out: &mut [[i32; PANEL]; TILE],
    ) {
        // Sixteen registers: 4 rows × 16 columns at a time.
        for rows in (0..TILE).step_by(4) {
            for cols in (0..PANEL).step_by(16) {
                // SAFETY: rows + 4 ≤ 8 and cols + 16 ≤ 32 for every word below `words`.
                unsafe {
                    let (a, b) = (a.as_ptr().add(rows), b.as_ptr().add(cols));
                    let mut sums = [[_mm256_setzero_si256(); 2]; 4];
                    for r in 0..4 {
                        sums[r] = [_mm256_set1_epi32(init[rows + r]); 2];
                    }
                    for w in 0..words {
                        let b0 = _mm256_loadu_si256(b.add(w * PANEL).cast());
                        let b1 = _mm256_loadu_si256(b.add(w * PANEL + 8).cast());
                        for r in 0..4 {
                            let x = _mm256_set1_epi32(*a.add(w * TILE + r) as i32);
                            sums[r][0] = _mm256_add_epi32(sums[r][0], _mm256_madd_epi16(x, b0));
                            sums[r][1] = _mm256_add_epi32(sums[r][1], _mm256_madd_epi16(x, b1));
                        }
                    }
                    for r in 0..4 {
                        let to = out[rows + r].as_mut_ptr().add(cols);
                        _mm256_storeu_si256(to.cast(), sums[r][0]);
                        _mm256_storeu_si256(to.add(8).cast(), sums[r][1]);
                    }
                }
            }
        }
    }

    macro_rules! wide {
        ($name:ident, $features:literal, $multiply_add:expr) => {
            /// # Safety
            /// The named features; `a` holds `words`·8 and `b` `words`·32 words.
            #[target_feature(enable = $features)]
            pub unsafe fn $name(
                words: usize,
                a: &[u32],
                b: &[u32],
                init: &[i32; TILE],
                out: &mut [[i32; PANEL]; TILE],
            ) {
                // SAFETY: every access is below `words`·8, `words`·32 or inside `out`.
                unsafe {
                    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
                    let mut sums = [[_mm512_setzero_si512(); 2]; TILE];
                    for r in 0..TILE {
                        sums[r] = [_mm512_set1_epi32(init[r]); 2];
                    }
                    for _ in 0..words {
                        let b0 = _mm512_loadu_si512(b.cast());
                        let b1 = _mm512_loadu_si512(b.add(16).cast());
                        for r in 0..TILE {
                            let x = _mm512_set1_epi32(*a.add(r) as i32);
                            sums[r][0] = $multiply_add(sums[r][0], b0, x);
                            sums[r][1] = $multiply_add(sums[r][1], b1, x);
                        }
                        a = a.add(TILE);
                        b = b.add(PANEL);
                    }
                    for r in 0..TILE {
                        let to = out[r].as_mut_ptr();
                        _mm512_storeu_si512(to.cast(), sums[r][0]);
                        _mm512_storeu_si512(to.add(16).cast(), sums[r][1]);
                    }
                }
            }
        };
    }
    wide!(avx512, "avx512f,avx512bw", |sum, b, x| _mm512_add_epi32(
        sum,
        _mm512_madd_epi16(b, x)
    ));
    // Bytes of B are unsigned, of A signed; sums wrap, and the last one is in range.
    wide!(vnni, "avx512f,avx512bw,avx512vnni", |sum, b, x| {
        _mm512_dpbusd_epi32(sum, b, x)
    });
}

/// A host's CPU, or a share of it.
#[derive(Debug, Clone)]
pub struct Cpu {
    kernel: Kernel,
    threads: usize,
}

impl Cpu {
    /// A kernel that this processor can't run is replaced by the portable one.
    pub fn new(kernel: Kernel, threads: usize) -> Self {
        let kernel = if kernel.is_available() {
            kernel
        } else {
            Kernel::Portable
        };
        Self {
            kernel,
            threads: threads.clamp(1, MAX_THREADS),
        }
    }

    /// Single rows: (seed of A, row). Expands B once, on all threads.
    pub fn rows(&self, b_seed: &Hash, n: u32, lines: &[(Hash, u32)]) -> Vec<Vec<i32>> {
        let a: Vec<_> = lines
            .iter()
            .map(|(seed, row)| reference::line(seed, n, *row))
            .collect();
        let part = (n as usize).div_ceil(self.threads) as u32;
        let mut rows = vec![Vec::with_capacity(n as usize); lines.len()];
        std::thread::scope(|scope| {
            let parts: Vec<_> = (0..n)
                .step_by(part as usize)
                .map(|from| {
                    let a = &a;
                    scope.spawn(move || {
                        let mut rows = vec![Vec::with_capacity(part as usize); a.len()];
                        for col in from..(from + part).min(n) {
                            let b = reference::line(b_seed, n, col);
                            for (row, a) in rows.iter_mut().zip(a) {
                                row.push(reference::dot(a, &b));
                            }
                        }
                        rows
                    })
                })
                .collect();
            for part in parts {
                // A thread that panicked leaves short rows, which no check accepts.
                for (row, cells) in rows.iter_mut().zip(part.join().unwrap_or_default()) {
                    row.extend(cells);
                }
            }
        });
        rows
    }

    /// Runs `work(0..count)` on this CPU's threads.
    fn spread(&self, count: usize, work: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(count) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= count {
                            return;
                        }
                        work(at);
                    }
                });
            }
        });
    }

    /// Packs one line of `bytes` as line `at` of `width`: words `at`, `at + width`, …
    fn pack(&self, bytes: &[u8], signed: bool, at: usize, width: usize, to: &mut [u32]) {
        let words = to.chunks_exact_mut(width).map(|group| &mut group[at]);
        if self.kernel == Kernel::Vnni {
            let flip = if signed { 0x8080_8080 } else { 0 };
            for (word, values) in words.zip(bytes.as_chunks::<4>().0) {
                *word = u32::from_le_bytes(*values) ^ flip;
            }
        } else {
            for (word, [x, y]) in words.zip(bytes.as_chunks::<2>().0) {
                let value = |byte: u8| (i16::from(byte) - 128) as u16;
                *word = u32::from(value(*x)) | u32::from(value(*y)) << 16;
            }
        }
    }
}

impl Backend for Cpu {
    fn name(&self) -> String {
        format!("{:?}, {} threads", self.kernel, self.threads).to_lowercase()
    }

    fn load(&self, b_seed: &Hash, n: u32) -> Result<Box<dyn Loaded + '_>, ProveError> {
        io_proof::hardware::cell::check_n(n)?;
        let size = n as usize;
        let words = size / self.kernel.values();
        let panels: Vec<_> = (0..size / PANEL).map(|_| Mutex::new(Vec::new())).collect();
        self.spread(panels.len(), |panel| {
            let mut packed = vec![0; words * PANEL];
            let mut bytes = vec![0; size];
            for col in 0..PANEL {
                let line = (panel * PANEL + col) as u32;
                reference::stream(b_seed, line * (n / 32), &mut bytes);
                self.pack(&bytes, false, col, PANEL, &mut packed);
            }
            *panels[panel].lock().unwrap_or_else(PoisonError::into_inner) = packed;
        });
        let panels = panels
            .into_iter()
            .map(|panel| panel.into_inner().unwrap_or_default())
            .collect();
        Ok(Box::new(Packed {
            cpu: self,
            n,
            panels,
        }))
    }
}

struct Packed<'a> {
    cpu: &'a Cpu,
    n: u32,
    panels: Vec<Vec<u32>>,
}

impl Packed<'_> {
    /// Row roots of the rows from `first`.
    fn block(&self, a_seed: &Hash, first: usize, rows: usize) -> Vec<Hash> {
        let (n, kernel) = (self.n as usize, self.cpu.kernel);
        let words = n / kernel.values();
        let mut packed = vec![0; words * rows];
        let mut init = vec![0; rows];
        let mut bytes = vec![0; n];
        for (row, init) in init.iter_mut().enumerate() {
            reference::stream(a_seed, (first + row) as u32 * (self.n / 32), &mut bytes);
            let tile = &mut packed[row / TILE * TILE * words..][..TILE * words];
            self.cpu.pack(&bytes, true, row % TILE, TILE, tile);
            if kernel == Kernel::Vnni {
                // Σ a·(y − 128) = Σ a·y − 128·Σ a
                let sum: i32 = bytes.iter().map(|byte| i32::from(*byte) - 128).sum();
                *init = -128 * sum;
            }
        }
        let mut leaves = vec![[0; 32]; rows * self.panels.len()];
        let mut out = [[0; PANEL]; TILE];
        for (at, panel) in self.panels.iter().enumerate() {
            for tile in 0..rows / TILE {
                let a = &packed[tile * TILE * words..][..TILE * words];
                let mut begin = [0; TILE];
                begin.copy_from_slice(&init[tile * TILE..][..TILE]);
                kernel.tile(a, panel, &begin, &mut out);
                for (row, cells) in out.iter().enumerate() {
                    leaves[(tile * TILE + row) * self.panels.len() + at] = leaf(cells);
                }
            }
        }
        leaves
            .chunks_exact_mut(self.panels.len())
            .map(fold)
            .collect()
    }
}

fn leaf(cells: &[i32; PANEL]) -> Hash {
    let mut bytes = [0; 4 * PANEL];
    for (to, cell) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(cells) {
        *to = cell.to_le_bytes();
    }
    io_proof::hardware::cell::leaf_hash::<Software>(&bytes)
}

/// The top of a full tree, in place.
fn fold(nodes: &mut [Hash]) -> Hash {
    let mut width = nodes.len();
    while width > 1 {
        width /= 2;
        for i in 0..width {
            nodes[i] =
                io_proof::hardware::cell::node_hash::<Software>(&nodes[2 * i], &nodes[2 * i + 1]);
        }
    }
    nodes[0]
}

impl Loaded for Packed<'_> {
    fn row_roots(&mut self, a_seed: &Hash, stop: &AtomicBool) -> Result<Vec<Hash>, ProveError> {
        let n = self.n as usize;
        let rows = (BLOCK_BYTES / n).clamp(TILE, BLOCK).min(n);
        let blocks: Vec<_> = (0..n / rows).map(|_| Mutex::new(Vec::new())).collect();
        let this = &*self;
        this.cpu.spread(blocks.len(), |block| {
            if !stop.load(Ordering::Relaxed) {
                let roots = this.block(a_seed, block * rows, rows);
                *blocks[block].lock().unwrap_or_else(PoisonError::into_inner) = roots;
            }
        });
        if stop.load(Ordering::Relaxed) {
            return Err(ProveError::Cancelled);
        }
        Ok(blocks
            .into_iter()
            .flat_map(|block| block.into_inner().unwrap_or_default())
            .collect())
    }
}

/// One product at a time: what a benchmark times beside the same work in another library. Multiplies packed words only,
/// without expansion or hashing; returns operations done.
pub fn product_only(cpu: &Cpu, n: u32) -> u64 {
    let size = n as usize;
    let words = size / cpu.kernel.values();
    let seed = Software::hash(&[b"benchmark"]);
    let mut bytes = vec![0; size];
    reference::stream(&seed, 0, &mut bytes);
    let mut a = vec![0; words * BLOCK];
    let mut b = vec![0; words * PANEL];
    for row in 0..BLOCK {
        let tile = &mut a[row / TILE * TILE * words..][..TILE * words];
        cpu.pack(&bytes, true, row % TILE, TILE, tile);
    }
    for col in 0..PANEL {
        cpu.pack(&bytes, false, col, PANEL, &mut b);
    }
    cpu.spread(size / BLOCK * (size / PANEL), |_| {
        let mut out = [[0; PANEL]; TILE];
        for tile in a.chunks_exact(TILE * words) {
            cpu.kernel.tile(tile, &b, &[0; TILE], &mut out);
            std::hint::black_box(&out);
        }
    });
    2 * u64::from(n).pow(3)
}
