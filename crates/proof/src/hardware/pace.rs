//! What a device's link to an oracle shows: how long a message takes there and back, and how fast bursts of bytes go each way.
//!
//! Every time is from what the oracle sends to the answer that only its receiver could give, by the oracle's clock: a ping of random
//! bytes to its pong, a burst of random bytes to their SHA-256, a seed to the bytes that follow from it ([`payload`]). Answering late
//! worsens a figure, and answering early is impossible. The way there and back is part of each time, so paces are lower bounds.

use super::{Hash, Software, cell::Sha256};

/// Pings of a measurement: their median counts.
pub const PINGS: usize = 5;
/// Bytes of a measurement's bursts, each way. A larger one follows only one that took at most [`GO_ON_MICROS`]: a slow link
/// carries the first alone.
pub const BURSTS: [u32; 2] = [256 * 1024, 1024 * 1024];
/// Bytes of all bursts of a measurement, each way.
pub const MAX_BYTES: u32 = BURSTS[0] + BURSTS[1];
pub const GO_ON_MICROS: u64 = 250_000;
/// Longest wait for a burst: in this time the first goes at 1 Mbit/s, and what is slower has no figure.
pub const PATIENCE_MICROS: u64 = BURSTS[0] as u64 * 8;
/// Largest pace, Mbit/s: what an oracle's own connection carries, and a burst this short can tell.
pub const MAX_MBIT: u32 = 10_000;
/// Longest wait for a pong, and so the longest latency, milliseconds: that of a device which answers later, or never.
pub const MAX_LATENCY_MS: u16 = 2_000;

/// A pace, Mbit/s rounded down: a bit in a microsecond is one.
pub fn mbit(bytes: u32, micros: u64) -> u32 {
    let pace = u64::from(bytes) * 8 / micros.max(1);
    pace.min(MAX_MBIT.into()) as u32
}

/// The pace that bursts of (bytes, microseconds) show: the best of theirs; 0 without any.
pub fn best(bursts: impl IntoIterator<Item = (u32, u64)>) -> u32 {
    let paces = bursts
        .into_iter()
        .map(|(bytes, micros)| mbit(bytes, micros));
    paces.max().unwrap_or(0)
}

/// The median of round trips in microseconds, milliseconds rounded up: at least 1.
pub fn latency_ms(round_trips: &[u64]) -> u16 {
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    sorted
        .get(sorted.len() / 2)
        .map_or(MAX_LATENCY_MS, |micros| {
            let ms = micros.div_ceil(1_000);
            ms.clamp(1, MAX_LATENCY_MS.into()) as u16
        })
}

/// The bytes that follow from a seed: SHA-256 over `"io/hw/burst/1" ‖ seed ‖ i as u64 LE`, for i = 0, 1, …
pub fn payload(seed: &Hash, bytes: u32) -> Vec<u8> {
    let mut payload = vec![0; bytes as usize];
    for (i, block) in payload.chunks_mut(32).enumerate() {
        let hash = Software::hash(&[b"io/hw/burst/1", seed, &(i as u64).to_le_bytes()]);
        block.copy_from_slice(&hash[..block.len()]);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_rounded_down_and_capped() {
        assert_eq!(mbit(250_000, 1_000_000), 2);
        assert_eq!(mbit(250_000, 1_000_001), 1);
        assert_eq!(mbit(BURSTS[0], PATIENCE_MICROS), 1);
        assert_eq!(mbit(BURSTS[0], PATIENCE_MICROS + 1), 0);
        assert_eq!(mbit(u32::MAX, 0), MAX_MBIT);
        assert_eq!(best([]), 0);
        assert_eq!(best([(250_000, 1_000_000), (1_000_000, 1_000_000)]), 8);
        assert_eq!(best([(250_000, 100_000), (1_000_000, 1_000_000)]), 20);
    }

    #[test]
    fn latency_is_the_median_rounded_up() {
        assert_eq!(latency_ms(&[]), MAX_LATENCY_MS);
        assert_eq!(latency_ms(&[0]), 1, "never none");
        assert_eq!(latency_ms(&[1_001]), 2);
        assert_eq!(latency_ms(&[90_000, 2_000, 1_000, 3_000, 70_000]), 3);
        assert_eq!(latency_ms(&[1_000, 5_000]), 5, "of two the longer");
        assert_eq!(latency_ms(&[u64::MAX; 5]), MAX_LATENCY_MS);
    }

    #[test]
    fn a_payload_is_its_seeds_alone_and_holds_no_block_twice() {
        let one = payload(&[1; 32], 100);
        assert_eq!(one.len(), 100);
        assert_eq!(one, payload(&[1; 32], 200)[..100]);
        assert_ne!(one, payload(&[2; 32], 100));
        assert_ne!(one[..32], one[32..64]);
    }
}
