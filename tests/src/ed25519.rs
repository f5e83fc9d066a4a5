//! Ed25519 precompile instructions: the one layout that the program accepts, and anything else for forgeries.

use io_network::attest::ED25519_PROGRAM;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

/// "In this very instruction".
pub const THIS: u16 = u16::MAX;
pub const HEADER: usize = 2;
pub const RECORD: usize = 14;
pub const PAIR: usize = 64 + 32;

/// One record of the instruction's head: where signature, key and message lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    pub signature: u16,
    pub signature_instruction: u16,
    pub key: u16,
    pub key_instruction: u16,
    pub message: u16,
    pub message_len: u16,
    pub message_instruction: u16,
}

/// An Ed25519 instruction in parts, so that a test can bend any of them.
#[derive(Clone, Debug)]
pub struct Ed25519 {
    pub count: u8,
    pub records: Vec<Offsets>,
    /// Signature and key of each signer.
    pub pairs: Vec<([u8; 64], [u8; 32])>,
    pub message: Vec<u8>,
    pub tail: Vec<u8>,
}

impl Ed25519 {
    /// The layout that the program accepts, signed by each of `signers`.
    pub fn signed(message: &[u8], signers: &[&Keypair]) -> Self {
        let pairs = signers
            .iter()
            .map(|k| {
                (
                    k.sign_message(message).as_ref().try_into().unwrap(),
                    k.pubkey().to_bytes(),
                )
            })
            .collect();
        Self::with_pairs(message, pairs)
    }

    pub fn with_pairs(message: &[u8], pairs: Vec<([u8; 64], [u8; 32])>) -> Self {
        let first = HEADER + pairs.len() * RECORD;
        let message_at = first + pairs.len() * PAIR;
        let records = (0..pairs.len())
            .map(|i| Offsets {
                signature: (first + i * PAIR) as u16,
                signature_instruction: THIS,
                key: (first + i * PAIR + 64) as u16,
                key_instruction: THIS,
                message: message_at as u16,
                message_len: message.len() as u16,
                message_instruction: THIS,
            })
            .collect();
        Self {
            count: pairs.len() as u8,
            records,
            pairs,
            message: message.to_vec(),
            tail: Vec::new(),
        }
    }

    /// The layout that proves a contradiction: one signer, two messages of one length.
    pub fn pair(signer: &Keypair, first: &[u8], second: &[u8]) -> Self {
        let pairs = [first, second].map(|message| {
            (
                signer.sign_message(message).as_ref().try_into().unwrap(),
                signer.pubkey().to_bytes(),
            )
        });
        let mut proof = Self::with_pairs(first, pairs.to_vec());
        proof.records[1].message += first.len() as u16;
        proof.records[1].message_len = second.len() as u16;
        proof.message.extend(second);
        proof
    }

    pub fn data(&self) -> Vec<u8> {
        let mut data = vec![self.count, 0];
        for r in &self.records {
            for field in [
                r.signature,
                r.signature_instruction,
                r.key,
                r.key_instruction,
                r.message,
                r.message_len,
                r.message_instruction,
            ] {
                data.extend(field.to_le_bytes());
            }
        }
        for (signature, key) in &self.pairs {
            data.extend(signature);
            data.extend(key);
        }
        data.extend(&self.message);
        data.extend(&self.tail);
        data
    }

    pub fn instruction(&self) -> Instruction {
        raw(self.data())
    }
}

/// An Ed25519 instruction of any bytes.
pub fn raw(data: Vec<u8>) -> Instruction {
    Instruction {
        program_id: ED25519_PROGRAM,
        accounts: Vec::new(),
        data,
    }
}

/// Signatures of `signers` over `message`, in the layout that the program accepts.
pub fn signed(message: &[u8], signers: &[&Keypair]) -> Instruction {
    Ed25519::signed(message, signers).instruction()
}
