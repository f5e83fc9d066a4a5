//! An oracle's draws: a verifiable random function of its key, ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381.
//!
//! A signature cannot be foreseen either, but a key can sign a message in any number of ways, and so whoever dislikes what follows from one signature
//! makes another. Of this function every key has one output for an input, and a proof of it that anybody checks.
//!
//! The key is the one that signs statements. Both schemes make their nonces of the same prefix: this one of a point's 32 bytes, Ed25519 of the
//! message. [`Wallet::sign`] takes no 32 bytes, and no transaction is as short, so no nonce is ever used for both.

use io_protocol::messages::Bytes32;
use vrf_rfc9381::{
    Proof as _, Prover as _, Verifier as _,
    ec::edwards25519::{
        EdVrfProof,
        tai::{EdVrfEdwards25519TaiPublicKey, EdVrfEdwards25519TaiSecretKey},
    },
};

use crate::Wallet;

/// `pi_string` of the RFC: a point, the challenge, a scalar.
pub type Proof = [u8; 80];
/// `beta_string`: uniform for whoever does not have the key.
pub type Output = [u8; 64];

impl Wallet {
    /// What this key draws for an input, and the proof. `None` for one input in 2²⁵⁶.
    pub fn draw(&self, input: &[u8]) -> Option<(Proof, Output)> {
        let secret = EdVrfEdwards25519TaiSecretKey::from_slice(self.secret().as_slice()).ok()?;
        let proof: Proof = secret.prove(input).ok()?.encode_to_pi().try_into().ok()?;
        let output = drawn(&self.address().to_bytes(), input, &proof)?;
        Some((proof, output))
    }
}

/// What a key draws for an input, if the proof is of that.
pub fn drawn(key: &Bytes32, input: &[u8], proof: &Proof) -> Option<Output> {
    let proof = EdVrfProof::decode_pi(proof).ok()?;
    let key = EdVrfEdwards25519TaiPublicKey::from_slice(key).ok()?;
    Some(key.verify(input, proof).ok()?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        }
        bytes
    }

    /// 2²⁵² + 27742317777372353535851937790883648493, little-endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// RFC 9381, appendix B.3, example 16.
    #[test]
    fn a_draw_is_the_rfcs() {
        let wallet = Wallet::from_seed(&bytes(
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        ));
        let (proof, output) = wallet.draw(b"").unwrap();
        assert_eq!(
            proof,
            bytes(
                "8657106690b5526245a92b003bb079ccd1a92130477671f6fc01ad16f26f723f26f8a57ccaed74ee1b190bed1f479d97\
                 27d2d0f9b005a6e456a35d4fb0daab1268a1b0db10836d9826a528ca76567805"
            )
        );
        assert_eq!(
            output,
            bytes(
                "90cf1df3b703cce59e2a35b925d411164068269d7b2d29f3301c03dd757876ff66b71dda49d2de59d03450451af026798e8f81cd2e333de5cdf4f3e140fdd8ae"
            )
        );
    }

    /// Whatever passes for a proof, the output is the same: there is nothing to choose.
    #[test]
    fn a_key_has_one_output_for_an_input() {
        let [mine, other] = [1, 2].map(|seed| Wallet::from_seed(&[seed; 32]));
        let key = mine.address().to_bytes();
        let (proof, output) = mine.draw(b"a submission").unwrap();
        assert_eq!(drawn(&key, b"a submission", &proof), Some(output));
        assert_eq!(drawn(&key, b"another", &proof), None);
        assert_eq!(
            drawn(&other.address().to_bytes(), b"a submission", &proof),
            None
        );
        for bit in 0..8 * proof.len() {
            let mut changed = proof;
            changed[bit / 8] ^= 1 << (bit % 8);
            let found = drawn(&key, b"a submission", &changed);
            assert!(found.is_none_or(|found| found == output), "{bit}");
        }
        // The scalar and the group's order more: another proof, and the same draw.
        let mut again = proof;
        let mut carry = 0;
        for (byte, of_order) in again[48..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(of_order) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_ne!(again, proof);
        assert_eq!(drawn(&key, b"a submission", &again), Some(output));
        assert_ne!(mine.draw(b"another").unwrap().1, output);
        assert_ne!(other.draw(b"a submission").unwrap().1, output);
        // A key of small order has any output that it likes: it is none.
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(EdVrfEdwards25519TaiPublicKey::from_slice(&identity).is_err());
    }

    /// Two uses of one nonce would give the key away.
    #[test]
    #[should_panic(expected = "a statement has a domain")]
    fn a_key_signs_nothing_of_a_points_length() {
        Wallet::from_seed(&[1; 32]).sign(&[7; 32]);
    }
}
