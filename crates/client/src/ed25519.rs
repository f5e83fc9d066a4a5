//! Instructions for Solana's Ed25519 precompile: several oracles' signatures over one message, checked by the runtime
//! before the program looks at them.
//!
//! Layout (little endian), the one the program accepts: count `u8`, zero `u8`, then for each signature seven `u16`
//! (signature's offset and instruction, key's offset and instruction, message's offset, size and instruction), then for
//! each signature the signature (64 bytes) and its key (32 bytes), then the message, once. Every instruction index is 65,535:
//! this very instruction, so that nothing can be borrowed from another.

use anchor_lang::prelude::Pubkey;
use solana_instruction::Instruction;
use solana_signature::Signature;

use crate::error::{Error, Result};

pub const ED25519_PROGRAM: Pubkey =
    Pubkey::from_str_const("Ed25519SigVerify111111111111111111111111111");

const HEADER: usize = 2;
const OFFSETS: usize = 14;
const KEY: usize = 32;
const SIGNATURE: usize = 64;
/// "In this very instruction".
const THIS: u16 = u16::MAX;

/// Signatures in one instruction: the runtime's own limit for one transaction's is far above what fits into it.
pub const MAX_SIGNATURES: usize = 12;

/// One instruction that checks all `signatures` over `message`. Put it directly before the instruction that relies on it.
pub fn verify(message: &[u8], signatures: &[(Pubkey, Signature)]) -> Result<Instruction> {
    if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
        return Err(Error::TooMany {
            what: "signatures",
            got: signatures.len(),
            max: MAX_SIGNATURES,
        });
    }
    let count = signatures.len();
    let message_at = HEADER + count * (OFFSETS + KEY + SIGNATURE);
    let size = message_at + message.len();
    let to_u16 = |value: usize| {
        u16::try_from(value).map_err(|_| Error::TooMany {
            what: "bytes of a signed message",
            got: size,
            max: u16::MAX.into(),
        })
    };
    to_u16(size)?;

    let mut data = Vec::with_capacity(size);
    data.extend([to_u16(count)? as u8, 0]);
    for i in 0..count {
        let signature_at = HEADER + count * OFFSETS + i * (SIGNATURE + KEY);
        let key_at = signature_at + SIGNATURE;
        let fields = [
            to_u16(signature_at)?,
            THIS,
            to_u16(key_at)?,
            THIS,
            to_u16(message_at)?,
            to_u16(message.len())?,
            THIS,
        ];
        for field in fields {
            data.extend(field.to_le_bytes());
        }
    }
    for (key, signature) in signatures {
        data.extend(signature.as_ref());
        data.extend(key.to_bytes());
    }
    data.extend(message);
    Ok(Instruction {
        program_id: ED25519_PROGRAM,
        accounts: Vec::new(),
        data,
    })
}

/// One instruction that checks two signatures of `key`, over two messages of one length: the proof that an oracle contradicted
/// itself. Layout: as above, with the second message after the first.
pub fn verify_pair(
    key: &Pubkey,
    messages: [&[u8]; 2],
    signatures: [&Signature; 2],
) -> Result<Instruction> {
    let size = messages[0].len();
    let messages_at = HEADER + 2 * (OFFSETS + KEY + SIGNATURE);
    if size != messages[1].len() || messages_at + 2 * size > usize::from(u16::MAX) {
        return Err(Error::TooMany {
            what: "bytes of a signed message",
            got: size.max(messages[1].len()),
            max: size.min((usize::from(u16::MAX) - messages_at) / 2),
        });
    }
    let mut data = vec![2, 0];
    for i in 0..2 {
        let signature_at = HEADER + 2 * OFFSETS + i * (SIGNATURE + KEY);
        let fields = [
            signature_at,
            usize::from(THIS),
            signature_at + SIGNATURE,
            usize::from(THIS),
            messages_at + i * size,
            size,
            usize::from(THIS),
        ];
        for field in fields {
            data.extend((field as u16).to_le_bytes());
        }
    }
    for signature in signatures {
        data.extend(signature.as_ref());
        data.extend(key.to_bytes());
    }
    data.extend(messages[0]);
    data.extend(messages[1]);
    Ok(Instruction {
        program_id: ED25519_PROGRAM,
        accounts: Vec::new(),
        data,
    })
}

#[cfg(test)]
mod tests {
    use solana_keypair::Keypair;
    use solana_signer::Signer;

    use super::*;

    /// Reads the instruction the way the precompile does, and checks each signature.
    fn check(data: &[u8]) -> usize {
        let field = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
        let count = usize::from(data[0]);
        for i in 0..count {
            let at = HEADER + i * OFFSETS;
            for instruction in [2, 6, 12] {
                assert_eq!(field(at + instruction), usize::from(THIS));
            }
            let (signature, key, message, size) =
                (field(at), field(at + 4), field(at + 8), field(at + 10));
            let signature = Signature::try_from(&data[signature..signature + SIGNATURE]).unwrap();
            assert!(signature.verify(&data[key..key + KEY], &data[message..message + size]));
            assert_eq!(message + size, data.len(), "nothing follows the message");
        }
        count
    }

    #[test]
    fn signatures_are_found_where_the_offsets_say() {
        for count in [1, 2, 5, MAX_SIGNATURES] {
            let message = vec![count as u8; 120];
            let signatures: Vec<_> = (0..count)
                .map(|_| {
                    let key = Keypair::new();
                    (key.pubkey(), key.sign_message(&message))
                })
                .collect();
            let instruction = verify(&message, &signatures).unwrap();
            assert!(instruction.accounts.is_empty());
            assert_eq!(check(&instruction.data), count);
        }
    }

    #[test]
    fn a_pair_is_two_messages_of_one_signer() {
        let key = Keypair::new();
        let (first, second) = ([1u8; 50], [2u8; 50]);
        let signed = [key.sign_message(&first), key.sign_message(&second)];
        let pair = verify_pair(&key.pubkey(), [&first, &second], [&signed[0], &signed[1]]);
        let data = pair.unwrap().data;
        let field = |at: usize| usize::from(u16::from_le_bytes([data[at], data[at + 1]]));
        for (i, message) in [first, second].iter().enumerate() {
            let at = HEADER + i * OFFSETS;
            let (signature, by, said) = (field(at), field(at + 4), field(at + 8));
            let signature = Signature::try_from(&data[signature..signature + SIGNATURE]).unwrap();
            assert_eq!(&data[said..said + field(at + 10)], message);
            assert!(signature.verify(&data[by..by + KEY], message));
        }
        assert_eq!(data.len(), HEADER + 2 * (OFFSETS + SIGNATURE + KEY + 50));
        let unlike = verify_pair(
            &key.pubkey(),
            [&first, &second[1..]],
            [&signed[0], &signed[1]],
        );
        assert!(unlike.is_err());
    }

    #[test]
    fn counts_and_sizes_are_bounded() {
        let one = (Pubkey::default(), Signature::default());
        assert!(verify(b"x", &[]).is_err());
        assert!(verify(b"x", &[one; MAX_SIGNATURES + 1]).is_err());
        assert!(verify(&vec![0; 70_000], &[one]).is_err());
    }
}
