//! The definition, written the slow way: what every backend must equal bit for bit.

use super::{
    Hash, Software,
    cell::{BLOCK_BYTES, stream_block},
};

/// Bytes of a stream from `block`, 32 a block.
pub fn stream(seed: &Hash, block: u32, out: &mut [u8]) {
    for (t, chunk) in out.chunks_mut(BLOCK_BYTES).enumerate() {
        chunk.copy_from_slice(&stream_block::<Software>(seed, block + t as u32)[..chunk.len()]);
    }
}

/// A row of A, or a column of B: `line` is its number. A stream's byte x stands for x − 128.
pub fn line(seed: &Hash, n: u32, line: u32) -> Vec<i8> {
    let mut bytes = vec![0; n as usize];
    stream(seed, line * (n / BLOCK_BYTES as u32), &mut bytes);
    bytes.iter().map(|byte| (byte ^ 0x80) as i8).collect()
}

/// Σ aₖ·bₖ: exact in i32 for up to 131,071 products.
pub fn dot(a: &[i8], b: &[i8]) -> i32 {
    // Wrapping, for checked additions would not be vectorised; the last sum is in range.
    a.iter().zip(b).fold(0, |sum: i32, (a, b)| {
        sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)))
    })
}

/// Rows of C, one after the other. Expands every column of B once: for small n and for opening a few rows.
pub fn rows(a_seed: &Hash, b_seed: &Hash, n: u32, rows: &[u32]) -> Vec<Vec<i32>> {
    let a: Vec<_> = rows.iter().map(|row| line(a_seed, n, *row)).collect();
    let mut out = vec![Vec::with_capacity(n as usize); rows.len()];
    for col in 0..n {
        let b = line(b_seed, n, col);
        for (row, a) in out.iter_mut().zip(&a) {
            row.push(dot(a, &b));
        }
    }
    out
}
