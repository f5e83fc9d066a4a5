//! Signed requests that have been seen, as long as their time is acceptable: none is accepted twice.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use io_api::{auth::MAX_SKEW_MS, types::Auth};
use io_protocol::messages::Bytes32;

/// Requests remembered at most; then signed requests are refused until some are too old.
pub const MAX_NONCES: usize = 1_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    New,
    Before,
    /// Too many signed requests a minute.
    Full,
    /// Signed before this process began to remember: it may have been taken by the one before.
    Earlier,
}

#[derive(Default)]
struct Memory {
    /// Two generations: when the younger has lived as long as a request can be valid, the older is forgotten.
    young: HashSet<(Bytes32, u64)>,
    old: HashSet<(Bytes32, u64)>,
    turned_ms: u64,
}

pub struct Nonces {
    memory: Mutex<Memory>,
    /// Requests remembered at most, in each generation.
    most: usize,
    since_ms: u64,
}

/// A request may be signed this far ahead and be sent again this long after.
const LIFE_MS: u64 = 2 * MAX_SKEW_MS + 1_000;

impl Nonces {
    /// Remembers from now on.
    pub fn since(now_ms: u64) -> Self {
        Self {
            memory: Mutex::default(),
            most: MAX_NONCES,
            since_ms: now_ms,
        }
    }

    /// Notes a request whose signature and time were found right.
    pub fn see(&self, key: &Bytes32, auth: &Auth, now_ms: u64) -> Seen {
        if auth.at_ms < self.since_ms {
            return Seen::Earlier;
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.saturating_sub(memory.turned_ms) > LIFE_MS {
            memory.old = std::mem::take(&mut memory.young);
            memory.turned_ms = now_ms;
        }
        let entry = (*key, auth.nonce);
        if memory.old.contains(&entry) || memory.young.contains(&entry) {
            return Seen::Before;
        }
        if memory.young.len() >= self.most {
            return Seen::Full;
        }
        memory.young.insert(entry);
        Seen::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(nonce: u64) -> Auth {
        Auth {
            key: String::new(),
            at_ms: 0,
            nonce,
            signature: String::new(),
        }
    }

    #[test]
    fn no_request_is_new_twice_while_its_time_is_acceptable() {
        let nonces = Nonces::since(0);
        let start = 10_000_000;
        assert_eq!(nonces.see(&[1; 32], &auth(7), start), Seen::New);
        assert_eq!(
            nonces.see(&[2; 32], &auth(7), start),
            Seen::New,
            "another key's"
        );
        assert_eq!(nonces.see(&[1; 32], &auth(8), start), Seen::New);
        for later in (0..=2 * MAX_SKEW_MS).step_by(7_000) {
            assert_eq!(
                nonces.see(&[1; 32], &auth(7), start + later),
                Seen::Before,
                "{later} ms later"
            );
        }
        // Forgotten once nobody would accept its time any more.
        nonces.see(&[3; 32], &auth(1), start + LIFE_MS + 1);
        nonces.see(&[3; 32], &auth(2), start + 2 * LIFE_MS + 2);
        nonces.see(&[3; 32], &auth(3), start + 3 * LIFE_MS + 3);
        assert_eq!(
            nonces.see(&[1; 32], &auth(7), start + 3 * LIFE_MS + 4),
            Seen::New
        );
    }

    /// A process that starts again doesn't know what the one before it took.
    #[test]
    fn what_was_signed_before_the_start_is_not_new() {
        let nonces = Nonces::since(10_000);
        let at = |at_ms| Auth { at_ms, ..auth(7) };
        assert_eq!(nonces.see(&[1; 32], &at(9_999), 10_001), Seen::Earlier);
        assert_eq!(nonces.see(&[1; 32], &at(10_000), 10_001), Seen::New);
        assert_eq!(nonces.see(&[1; 32], &at(10_000), 10_002), Seen::Before);
    }

    /// When there is no room to remember a request, it isn't taken: nothing is ever forgotten to make room.
    #[test]
    fn a_full_memory_takes_nothing_new_and_forgets_nothing() {
        let nonces = Nonces {
            most: 3,
            ..Nonces::since(0)
        };
        let now = 10_000_000;
        for nonce in 0..3 {
            assert_eq!(nonces.see(&[1; 32], &auth(nonce), now), Seen::New);
        }
        assert_eq!(nonces.see(&[1; 32], &auth(3), now), Seen::Full);
        assert_eq!(nonces.see(&[2; 32], &auth(0), now), Seen::Full);
        for nonce in 0..3 {
            assert_eq!(nonces.see(&[1; 32], &auth(nonce), now), Seen::Before);
        }
        let later = now + LIFE_MS + 1;
        assert_eq!(nonces.see(&[1; 32], &auth(3), later), Seen::New);
        assert_eq!(nonces.see(&[1; 32], &auth(0), later), Seen::Before);
    }
}
