//! What a program needs beside `core` when upstream LLVM compiles it to SBF.
//!
//! rustc 1.96 returns an `i128` from a function through a hidden pointer, while LLVM 23's BPF backend, which
//! emits the calls below for 128-bit multiplication and division, expects it in registers. The versions of
//! `compiler_builtins` therefore write through a wild pointer. `extern "unadjusted"` passes LLVM's own types
//! through, so the two agree. These are strong symbols and win over every weak definition.
//!
//! On every other architecture, the official toolchain's `sbf` included, this crate is empty.
//!
//! Inside the helpers nothing multiplies, divides or shifts a whole 128-bit integer: LLVM would turn that into a
//! call of the helper itself.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(abi_unadjusted), allow(internal_features))]

#[cfg(target_arch = "bpf")]
use solana_compiler_builtins as _;

#[cfg(target_arch = "bpf")]
mod int128 {
    const LOW_32: u64 = 0xffff_ffff;

    /// An unsigned 128-bit integer as two registers.
    #[derive(Clone, Copy)]
    struct Wide {
        hi: u64,
        lo: u64,
    }

    impl Wide {
        #[inline(always)]
        fn new(value: u128) -> Self {
            Self {
                hi: (value >> 64) as u64,
                lo: value as u64,
            }
        }

        #[inline(always)]
        fn get(self) -> u128 {
            (self.hi as u128) << 64 | self.lo as u128
        }

        #[inline(always)]
        fn negate_if(self, negative: bool) -> Self {
            if !negative {
                return self;
            }
            let lo = self.lo.wrapping_neg();
            Self {
                hi: (!self.hi).wrapping_add((lo == 0) as u64),
                lo,
            }
        }

        #[inline(always)]
        fn at_least(self, other: Self) -> bool {
            self.hi > other.hi || (self.hi == other.hi && self.lo >= other.lo)
        }

        #[inline(always)]
        fn minus(self, other: Self) -> Self {
            let borrow = (self.lo < other.lo) as u64;
            Self {
                hi: self.hi.wrapping_sub(other.hi).wrapping_sub(borrow),
                lo: self.lo.wrapping_sub(other.lo),
            }
        }
    }

    /// The full product of two 64-bit integers, from 32-bit halves.
    #[inline(always)]
    fn multiply_64(a: u64, b: u64) -> Wide {
        let (a1, a0) = (a >> 32, a & LOW_32);
        let (b1, b0) = (b >> 32, b & LOW_32);
        let low = a0.wrapping_mul(b0);
        // Neither sum can overflow: (2^32-1)^2 + 2(2^32-1) = 2^64 - 1.
        let mid = a1.wrapping_mul(b0).wrapping_add(low >> 32);
        let mid2 = a0.wrapping_mul(b1).wrapping_add(mid & LOW_32);
        Wide {
            hi: a1
                .wrapping_mul(b1)
                .wrapping_add(mid >> 32)
                .wrapping_add(mid2 >> 32),
            lo: (mid2 << 32) | (low & LOW_32),
        }
    }

    /// `(hi·2^64 + lo) ÷ d` for `hi < d`: quotient and remainder. Knuth's algorithm D with two 32-bit digits
    /// (The Art of Computer Programming, vol. 2, 4.3.1).
    #[inline(always)]
    fn divide_128_by_64(hi: u64, lo: u64, d: u64) -> (u64, u64) {
        let shift = d.leading_zeros();
        let d = d << shift;
        let (d1, d0) = (d >> 32, d & LOW_32);
        let n32 = if shift == 0 {
            hi
        } else {
            hi << shift | lo >> (64 - shift)
        };
        let n10 = lo << shift;

        let q1 = quotient_digit(n32, n10 >> 32, d1, d0);
        let n21 = (n32 << 32 | n10 >> 32).wrapping_sub(q1.wrapping_mul(d));
        let q0 = quotient_digit(n21, n10 & LOW_32, d1, d0);
        let remainder = (n21 << 32 | n10 & LOW_32).wrapping_sub(q0.wrapping_mul(d));
        ((q1 << 32).wrapping_add(q0), remainder >> shift)
    }

    /// One 32-bit digit of the quotient: at most two too high after the native division, then corrected.
    #[inline(always)]
    fn quotient_digit(n: u64, next: u64, d1: u64, d0: u64) -> u64 {
        let mut q = n / d1;
        let mut rest = n - q * d1;
        while q > LOW_32 || q.wrapping_mul(d0) > (rest << 32 | next) {
            q -= 1;
            rest += d1;
            if rest > LOW_32 {
                break;
            }
        }
        q
    }

    /// Quotient and remainder. A zero divisor never comes here: Rust checks it before the division.
    #[inline(always)]
    fn divide(n: Wide, d: Wide) -> (Wide, Wide) {
        if d.hi == 0 {
            if n.hi == 0 {
                if d.lo == 0 {
                    return (Wide { hi: 0, lo: 0 }, n);
                }
                return (
                    Wide {
                        hi: 0,
                        lo: n.lo / d.lo,
                    },
                    Wide {
                        hi: 0,
                        lo: n.lo % d.lo,
                    },
                );
            }
            if d.lo == 0 {
                return (Wide { hi: 0, lo: 0 }, n);
            }
            let (q_hi, r_hi) = (n.hi / d.lo, n.hi % d.lo);
            if d.lo <= LOW_32 {
                // The usual case for money (basis points, units per price): every partial dividend fits in 64 bits.
                let a = r_hi << 32 | n.lo >> 32;
                let b = (a % d.lo) << 32 | n.lo & LOW_32;
                let lo = (a / d.lo) << 32 | b / d.lo;
                return (
                    Wide { hi: q_hi, lo },
                    Wide {
                        hi: 0,
                        lo: b % d.lo,
                    },
                );
            }
            let (q_lo, r) = divide_128_by_64(r_hi, n.lo, d.lo);
            return (Wide { hi: q_hi, lo: q_lo }, Wide { hi: 0, lo: r });
        }
        if !n.at_least(d) {
            return (Wide { hi: 0, lo: 0 }, n);
        }
        // The quotient fits in 64 bits. Estimate it from the divisor's top 64 bits: never more than one too high,
        // so one is taken off and given back where it was right (Warren, Hacker's Delight, 9-5).
        let shift = d.hi.leading_zeros();
        let top = if shift == 0 {
            d.hi
        } else {
            d.hi << shift | d.lo >> (64 - shift)
        };
        let (estimate, _) = divide_128_by_64(n.hi >> 1, n.hi << 63 | n.lo >> 1, top);
        let mut q = estimate >> (63 - shift);
        q = q.saturating_sub(1);
        let mut product = multiply_64(q, d.lo);
        product.hi = product.hi.wrapping_add(q.wrapping_mul(d.hi));
        let mut r = n.minus(product);
        if r.at_least(d) {
            q += 1;
            r = r.minus(d);
        }
        (Wide { hi: 0, lo: q }, r)
    }

    #[unsafe(no_mangle)]
    extern "unadjusted" fn __multi3(a: i128, b: i128) -> i128 {
        let (a, b) = (Wide::new(a as u128), Wide::new(b as u128));
        let mut product = multiply_64(a.lo, b.lo);
        product.hi = product
            .hi
            .wrapping_add(a.lo.wrapping_mul(b.hi))
            .wrapping_add(a.hi.wrapping_mul(b.lo));
        product.get() as i128
    }

    #[unsafe(no_mangle)]
    extern "unadjusted" fn __udivti3(n: u128, d: u128) -> u128 {
        divide(Wide::new(n), Wide::new(d)).0.get()
    }

    #[unsafe(no_mangle)]
    extern "unadjusted" fn __umodti3(n: u128, d: u128) -> u128 {
        divide(Wide::new(n), Wide::new(d)).1.get()
    }

    #[unsafe(no_mangle)]
    extern "unadjusted" fn __divti3(n: i128, d: i128) -> i128 {
        let (n_negative, d_negative) = (n < 0, d < 0);
        let n = Wide::new(n as u128).negate_if(n_negative);
        let d = Wide::new(d as u128).negate_if(d_negative);
        divide(n, d).0.negate_if(n_negative != d_negative).get() as i128
    }

    /// The remainder takes the dividend's sign.
    #[unsafe(no_mangle)]
    extern "unadjusted" fn __modti3(n: i128, d: i128) -> i128 {
        let (n_negative, d_negative) = (n < 0, d < 0);
        let n = Wide::new(n as u128).negate_if(n_negative);
        let d = Wide::new(d as u128).negate_if(d_negative);
        divide(n, d).1.negate_if(n_negative).get() as i128
    }
}
