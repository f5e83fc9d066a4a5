//! Arithmetic modulo the Mersenne prime p = 2⁶¹ − 1.

/// 2⁶¹ − 1.
pub const P: u64 = (1 << 61) - 1;

/// `x mod p`, in 0..p, for any i128: 2⁶¹ ≡ 1, so the parts above bit 61 are added to those below.
pub fn reduce(x: i128) -> u64 {
    let negative = x < 0;
    let m = x.unsigned_abs();
    let p = u128::from(P);
    // 128 bits → at most 2⁶⁷ + 2⁶¹ → at most 2⁶¹ + 2⁷.
    let m = (m & p) + (m >> 61);
    let m = ((m & p) + (m >> 61)) as u64;
    let m = if m >= P { m - P } else { m };
    match (negative, m) {
        (true, 1..) => P - m,
        _ => m,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reduction_is_the_remainder(x in any::<i128>()) {
            prop_assert_eq!(i128::from(reduce(x)), x.rem_euclid(i128::from(P)));
        }
    }

    #[test]
    fn reduction_at_its_edges() {
        let p = i128::from(P);
        for x in [
            0,
            1,
            -1,
            p - 1,
            p,
            p + 1,
            -p,
            2 * p,
            p * p,
            -p * p - 1,
            i128::MAX,
            i128::MIN,
        ] {
            assert_eq!(i128::from(reduce(x)), x.rem_euclid(p), "{x}");
        }
    }
}
