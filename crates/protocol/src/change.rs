//! Changes of the network's configuration that wait before they take effect.
//!
//! A change is one instruction: its tag, the account that it changes and its arguments. It is known by its hash, so that what
//! takes effect in the end is, byte for byte, what was published.

use crate::messages::Bytes32;

/// Domain of a change's hash.
pub const CHANGE_DOMAIN: [u8; 16] = *b"io/change/1.....";

/// Bytes of an instruction's tag (Anchor's discriminator).
pub const TAG_LEN: usize = 8;

/// What a change's SHA-256 is taken over, in order: domain, program, tag, target, arguments. Only the last part's length
/// varies, so no two changes have the same bytes.
pub fn preimage<'a>(
    program: &'a Bytes32,
    tag: &'a [u8; TAG_LEN],
    target: &'a Bytes32,
    arguments: &'a [u8],
) -> [&'a [u8]; 5] {
    [&CHANGE_DOMAIN, program, tag, target, arguments]
}

/// When a change that is proposed at `now` may take effect, and until when, Unix seconds. It lapses `valid_seconds` after it
/// matured: what was published long ago surprises nobody.
pub fn window(now: i64, timelock_seconds: u32, valid_seconds: u32) -> (i64, i64) {
    let ready_at = now.saturating_add(i64::from(timelock_seconds));
    (ready_at, ready_at.saturating_add(i64::from(valid_seconds)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_part_of_a_change_changes_what_is_hashed() {
        let bytes = |program, tag, target, arguments: &[u8]| {
            preimage(&[program; 32], &[tag; 8], &[target; 32], arguments).concat()
        };
        let all = HashSet::from([
            bytes(1, 2, 3, &[4]),
            bytes(9, 2, 3, &[4]),
            bytes(1, 9, 3, &[4]),
            bytes(1, 2, 9, &[4]),
            bytes(1, 2, 3, &[9]),
            bytes(1, 2, 3, &[4, 0]),
            bytes(1, 2, 3, &[]),
        ]);
        assert_eq!(all.len(), 7);
        assert_eq!(bytes(1, 2, 3, &[4]).len(), 16 + 32 + 8 + 32 + 1);
    }

    #[test]
    fn a_change_waits_and_lapses() {
        assert_eq!(window(100, 0, 10), (100, 110));
        assert_eq!(window(100, 50, 10), (150, 160));
        assert_eq!(window(i64::MAX, 50, 10), (i64::MAX, i64::MAX));
    }
}
