//! Amounts of tokens: base units inside, decimals for people.

use crate::failure::{Failure, Result};

/// A token that amounts are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub symbol: String,
    pub decimals: u8,
}

impl Unit {
    pub fn io() -> Self {
        Self {
            symbol: "IO".to_owned(),
            decimals: io_protocol::money::IO_DECIMALS,
        }
    }

    pub fn sol() -> Self {
        Self {
            symbol: "SOL".to_owned(),
            decimals: 9,
        }
    }

    /// `1.5 IO`: exact, without trailing zeros.
    pub fn show(&self, base: u64) -> String {
        format!("{} {}", decimal(base, self.decimals), self.symbol)
    }

    /// Base units out of what a person typed. `what` names it in errors.
    pub fn parse(&self, what: &str, text: &str) -> Result<u64> {
        let wrong = |why: &str| {
            Failure::usage(format!("{what} is '{text}': {why}")).hint(format!(
                "Write an amount of {} with at most {} decimals, like 2 or 0.5.",
                self.symbol, self.decimals
            ))
        };
        let text = text.trim();
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(wrong("expected a number"));
        }
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(wrong("expected digits and at most one point"));
        }
        if fraction.len() > usize::from(self.decimals) {
            return Err(wrong("more decimals than the token has"));
        }
        let padded = format!(
            "{whole}{fraction:0<width$}",
            width = usize::from(self.decimals)
        );
        padded.parse().map_err(|_| wrong("too large"))
    }
}

/// Exact, without trailing zeros.
pub fn decimal(base: u64, decimals: u8) -> String {
    let scale = 10_u64.pow(u32::from(decimals.min(19)));
    let (whole, fraction) = (base / scale, base % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = format!("{fraction:0width$}", width = usize::from(decimals));
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_both_directions() {
        let io = Unit::io();
        for (text, base) in [
            ("0", 0),
            ("2", 200_000_000),
            ("0.5", 50_000_000),
            (".00000001", 1),
            ("1.", 100_000_000),
        ] {
            assert_eq!(io.parse("--max-price", text).unwrap(), base, "{text}");
        }
        assert_eq!(io.show(50_000_000), "0.5 IO");
        assert_eq!(io.show(u64::MAX), "184467440737.09551615 IO");
        assert_eq!(
            Unit {
                symbol: "X".into(),
                decimals: 0
            }
            .show(7),
            "7 X"
        );
        for base in [0, 1, 99_999_999, 100_000_000, 123_456_789, u64::MAX] {
            assert_eq!(io.parse("x", &decimal(base, 8)).unwrap(), base);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "-1",
            "1e3",
            "1,5",
            "0x10",
            "1.123456789",
            "184467440737.09551616",
            "1 IO",
            "١",
        ] {
            let failure = Unit::io().parse("--max-price", text).unwrap_err();
            assert_eq!(failure.exit, crate::failure::Exit::Usage, "{text}");
            assert!(failure.hint.is_some());
        }
    }
}
