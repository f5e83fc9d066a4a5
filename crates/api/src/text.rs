//! Keys, hashes and signatures as text. One spelling each: what decodes, encodes to the same text again.

use io_protocol::messages::Bytes32;

/// Base58 characters of 32 bytes, at most.
const MAX_KEY_CHARS: usize = 44;
/// Base58 characters of 64 bytes, at most.
const MAX_SIGNATURE_CHARS: usize = 88;

/// Base58 characters of 80 bytes, at most.
const MAX_PROOF_CHARS: usize = 110;

/// A key in base58.
pub fn key(bytes: &Bytes32) -> String {
    bs58::encode(bytes).into_string()
}

/// A key out of base58; `None` when it is not 32 bytes in base58.
pub fn parse_key(text: &str) -> Option<Bytes32> {
    base58(text, MAX_KEY_CHARS)
}

/// A signature in base58.
pub fn signature(bytes: &[u8; 64]) -> String {
    bs58::encode(bytes).into_string()
}

/// A signature out of base58; `None` when it is not 64 bytes in base58.
pub fn parse_signature(text: &str) -> Option<[u8; 64]> {
    base58(text, MAX_SIGNATURE_CHARS)
}

/// A draw's proof in base58.
pub fn proof(bytes: &[u8; 80]) -> String {
    bs58::encode(bytes).into_string()
}

/// A draw's proof out of base58; `None` when it is not 80 bytes in base58.
pub fn parse_proof(text: &str) -> Option<[u8; 80]> {
    base58(text, MAX_PROOF_CHARS)
}

fn base58<const N: usize>(text: &str, max_chars: usize) -> Option<[u8; N]> {
    if text.len() > max_chars {
        return None;
    }
    let mut bytes = [0; N];
    // Into a buffer of exactly the size: longer contents do not fit.
    match bs58::decode(text).onto(&mut bytes) {
        Ok(written) if written == N => Some(bytes),
        _ => None,
    }
}

/// A hash in lower-case hex.
pub fn hash(bytes: &Bytes32) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(64);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// A hash out of exactly 64 lower-case hex digits. Anything else is `None`: upper case would give one blob two names, and
/// what is only digits can be no path.
pub fn parse_hash(text: &str) -> Option<Bytes32> {
    let digits: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// A region as text: two upper-case letters packed big-endian ("DE" = 0x4445); `None` for 0 and what is no such pair.
pub fn region(packed: u16) -> Option<String> {
    let letters = packed.to_be_bytes();
    letters
        .iter()
        .all(u8::is_ascii_uppercase)
        .then(|| letters.iter().map(|l| char::from(*l)).collect())
}

/// The packed form of a region's two letters, in either case.
pub fn parse_region(text: &str) -> Option<u16> {
    let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
    letters
        .iter()
        .all(u8::is_ascii_alphabetic)
        .then(|| u16::from_be_bytes(letters.map(|letter| letter.to_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes: [u8; 32], long: [u8; 32]) {
            prop_assert_eq!(parse_key(&key(&bytes)), Some(bytes));
            prop_assert_eq!(parse_hash(&hash(&bytes)), Some(bytes));
            let mut both = [0; 64];
            both[..32].copy_from_slice(&bytes);
            both[32..].copy_from_slice(&long);
            prop_assert_eq!(parse_signature(&signature(&both)), Some(both));
            prop_assert_eq!(parse_key(&signature(&both)), None);
        }

        #[test]
        fn garbage_never_panics(text in ".*") {
            let _ = (parse_key(&text), parse_hash(&text), parse_signature(&text), parse_region(&text));
        }
    }

    #[test]
    fn a_hash_has_one_spelling_and_is_never_a_path() {
        let good = "a".repeat(64);
        assert!(parse_hash(&good).is_some());
        for bad in [
            good.to_uppercase(),
            "a".repeat(63),
            "a".repeat(65),
            format!("../{}", "a".repeat(61)),
            format!("{}\0", "a".repeat(63)),
        ] {
            assert_eq!(parse_hash(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn regions_are_two_letters() {
        assert_eq!(parse_region("de"), Some(0x4445));
        assert_eq!(region(0x4445).as_deref(), Some("DE"));
        assert_eq!(region(0), None);
        for bad in ["", "D", "DEU", "D1", "ß"] {
            assert_eq!(parse_region(bad), None, "{bad:?}");
        }
    }
}
