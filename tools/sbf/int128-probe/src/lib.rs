//! An on-chain program that does 128-bit arithmetic on the operands it is sent, and returns the results.
//!
//! Instruction data: one byte of operation (see `calculate`), then up to 64 pairs of little-endian 128-bit operands.
//! Return data: one little-endian 128-bit result a pair. It takes no accounts. Every operand comes from outside, so
//! the compiler can fold nothing.

#[cfg(target_arch = "bpf")]
use io_sbf_builtins as _;

/// The most results that fit into Solana's 1,024 bytes of return data.
const MOST_PAIRS: usize = 64;
const PAIR: usize = 32;

const BAD_INPUT: u64 = 1;
const UNKNOWN_OPERATION: u64 = 2;

unsafe extern "C" {
    fn sol_set_return_data(data: *const u8, length: u64);
}

/// # Safety
/// The loader calls this with its serialized input: the number of accounts (8 bytes), the accounts, the length of
/// the instruction data (8 bytes), that data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn entrypoint(input: *const u8) -> u64 {
    // SAFETY: the loader's layout; without accounts the data follows at offset 16.
    let data = unsafe {
        let header = input.cast::<u64>();
        if *header != 0 {
            return BAD_INPUT;
        }
        core::slice::from_raw_parts(input.add(16), *header.add(1) as usize)
    };
    let Some((&operation, operands)) = data.split_first() else {
        return BAD_INPUT;
    };
    let (pairs, rest) = operands.as_chunks::<PAIR>();
    if !rest.is_empty() || pairs.len() > MOST_PAIRS {
        return BAD_INPUT;
    }
    let mut results = [0; MOST_PAIRS * 16];
    for (pair, result) in pairs.iter().zip(results.as_chunks_mut::<16>().0) {
        let Some(value) = calculate(operation, half(pair, 0), half(pair, 16)) else {
            return UNKNOWN_OPERATION;
        };
        *result = value.to_le_bytes();
    }
    // SAFETY: the pointer and length name initialized memory of this frame.
    unsafe { sol_set_return_data(results.as_ptr(), (pairs.len() * 16) as u64) };
    0
}

fn half(pair: &[u8; PAIR], at: usize) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&pair[at..at + 16]);
    u128::from_le_bytes(bytes)
}

#[inline(never)]
fn calculate(operation: u8, a: u128, b: u128) -> Option<u128> {
    let (x, y) = (a as i128, b as i128);
    Some(match operation {
        0 => a.wrapping_mul(b),
        1 => a.checked_div(b)?,
        2 => a.checked_rem(b)?,
        3 if y != 0 => x.wrapping_div(y) as u128,
        4 if y != 0 => x.wrapping_rem(y) as u128,
        5 => a << (b % 128),
        6 => a >> (b % 128),
        7 => (x >> (b % 128)) as u128,
        // What overflow checks compile to.
        8 => a.overflowing_mul(b).1 as u128,
        9 => x.overflowing_mul(y).1 as u128,
        10 => x.wrapping_mul(y) as u128,
        11 => u128::from(a.leading_zeros()) << 32 | u128::from(a.trailing_zeros()),
        12 => a.wrapping_add(b),
        13 => a.wrapping_sub(b),
        _ => return None,
    })
}
