//! Checking oracle signatures through the Ed25519 precompile and instruction introspection.
//!
//! The Ed25519 program verified every signature of the instruction directly before the current top-level one; what is left to
//! prove is *what* it verified. The rules are strict, one layout only:
//! - the instruction directly before the current one is the Ed25519 program's, with no accounts;
//! - every offset's instruction index is `u16::MAX` (itself), so that key, signature and message cannot lie elsewhere;
//! - its data are exactly: header, n offset records, n × (signature, key), the message once; nothing more, nothing
//!   less, in that order;
//! - the message equals, byte for byte, the one that this program built from its own accounts;
//! - each key is an active oracle, none twice.

use crate::prelude::*;

use crate::{errors::IoError, state::OracleSet};

/// Address of the Ed25519 precompile.
pub const ED25519_PROGRAM: Pubkey = pubkey!("Ed25519SigVerify111111111111111111111111111");
/// Address of the instructions sysvar.
pub const INSTRUCTIONS_SYSVAR: Pubkey = pubkey!("Sysvar1nstructions1111111111111111111111111");
const HEADER: usize = 2;
const RECORD: usize = 14;
const SIGNATURE: usize = 64;
const KEY: usize = 32;
const SELF: u16 = u16::MAX;

/// Size of the Ed25519 instruction that carries `count` signatures over a message of `message_len` bytes.
pub const fn instruction_len(count: usize, message_len: usize) -> usize {
    HEADER + count * (RECORD + SIGNATURE + KEY) + message_len
}

fn u16_at(data: &[u8], at: usize) -> Option<usize> {
    let bytes = data.get(at..at + 2)?;
    Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
}

/// Data of the instruction before the current one, if it is the Ed25519 program's. Reads the sysvar in place: loading it
/// through the helper would copy keys and data.
///
/// Sysvar layout: count u16, then a u16 offset for each instruction; at an offset: account count u16, 33 bytes an
/// account, program id, data length u16, data. The last two bytes of the sysvar are the current index.
fn previous_ed25519(data: &[u8]) -> Option<&[u8]> {
    let current = u16_at(data, data.len().checked_sub(2)?)?;
    let start = u16_at(data, 2 + current.checked_sub(1)? * 2)?;
    let accounts = u16_at(data, start)?;
    let program = start + 2 + accounts * 33;
    if accounts != 0 || data.get(program..program + 32)? != ED25519_PROGRAM.as_ref() {
        return None;
    }
    let len = u16_at(data, program + 32)?;
    data.get(program + 34..program + 34 + len)
}

/// Hands the data of the Ed25519 instruction directly before the current one to `read`.
fn read_signatures<T>(
    instructions: &AccountInfo,
    read: impl FnOnce(&[u8]) -> Result<T>,
) -> Result<T> {
    require_keys_eq!(
        *instructions.key,
        INSTRUCTIONS_SYSVAR,
        IoError::WrongAccount
    );
    let sysvar_data = instructions.try_borrow_data()?;
    let data =
        previous_ed25519(&sysvar_data).ok_or_else(|| error!(IoError::NoSignatureInstruction))?;
    read(data)
}

/// Requires at least `need` signatures of distinct active oracles over exactly `message`. Returns the slots of those that
/// signed, as bits.
pub fn require_signatures(
    instructions: &AccountInfo,
    set: &OracleSet,
    message: &[u8],
    need: usize,
) -> Result<u32> {
    read_signatures(instructions, |data| check(data, set, message, need))
}

fn check(data: &[u8], set: &OracleSet, message: &[u8], need: usize) -> Result<u32> {
    let malformed = || error!(IoError::MalformedSignatureInstruction);
    let count = usize::from(*data.first().ok_or_else(malformed)?);
    require!(count >= need && count > 0, IoError::QuorumNotReached);
    let fits = data.len() == instruction_len(count, message.len()) && data[1] == 0;
    require!(fits, IoError::MalformedSignatureInstruction);
    let pairs = HEADER + count * RECORD;
    let message_at = pairs + count * (SIGNATURE + KEY);
    let mut seen = 0u32;
    for i in 0..count {
        let signature_at = pairs + i * (SIGNATURE + KEY);
        let key_at = signature_at + SIGNATURE;
        let expected = [
            signature_at,
            usize::from(SELF),
            key_at,
            usize::from(SELF),
            message_at,
            message.len(),
            usize::from(SELF),
        ];
        for (field, want) in expected.into_iter().enumerate() {
            let have = u16_at(data, HEADER + i * RECORD + field * 2).ok_or_else(malformed)?;
            require!(have == want, IoError::MalformedSignatureInstruction);
        }
        let key = data.get(key_at..key_at + KEY).ok_or_else(malformed)?;
        let position = set
            .position(key)
            .ok_or_else(|| error!(IoError::NotAnOracle))?;
        require!(seen & (1 << position) == 0, IoError::DuplicateOracle);
        seen |= 1 << position;
    }
    require!(data[message_at..] == *message, IoError::WrongMessage);
    Ok(seen)
}

/// Signatures in an instruction that proves a contradiction.
const PAIR: usize = 2;

/// Size of the Ed25519 instruction that carries two signatures over two messages of `message_len` bytes each.
pub const fn pair_len(message_len: usize) -> usize {
    HEADER + PAIR * (RECORD + SIGNATURE + KEY + message_len)
}

/// Requires two signatures of `key` in the Ed25519 instruction directly before the current one, over two messages of one
/// length, and hands both messages to `judge`. The layout is as strict: header, two records, twice signature and key, the first
/// message, the second.
pub fn require_pair<T>(
    instructions: &AccountInfo,
    key: &Pubkey,
    judge: impl FnOnce(&[u8], &[u8]) -> Result<T>,
) -> Result<T> {
    read_signatures(instructions, |data| {
        let malformed = || error!(IoError::MalformedSignatureInstruction);
        // The first record's message length gives the rest.
        let message_len = u16_at(data, HEADER + 10).ok_or_else(malformed)?;
        let fits = data.len() == pair_len(message_len)
            && data.first() == Some(&(PAIR as u8))
            && data.get(1) == Some(&0);
        require!(fits, IoError::MalformedSignatureInstruction);
        let pairs = HEADER + PAIR * RECORD;
        let messages = pairs + PAIR * (SIGNATURE + KEY);
        for i in 0..PAIR {
            let signature_at = pairs + i * (SIGNATURE + KEY);
            let key_at = signature_at + SIGNATURE;
            let expected = [
                signature_at,
                usize::from(SELF),
                key_at,
                usize::from(SELF),
                messages + i * message_len,
                message_len,
                usize::from(SELF),
            ];
            for (field, want) in expected.into_iter().enumerate() {
                let have = u16_at(data, HEADER + i * RECORD + field * 2).ok_or_else(malformed)?;
                require!(have == want, IoError::MalformedSignatureInstruction);
            }
            require!(
                data[key_at..key_at + KEY] == *key.as_ref(),
                IoError::NotAnOracle
            );
        }
        let (first, second) = data[messages..].split_at(message_len);
        judge(first, second)
    })
}

/// Requires one signature in the Ed25519 instruction directly before the current one, over a message of `LEN` bytes, and hands key and
/// message to `judge`. The layout is that of [`require_signatures`] with one signer.
pub fn require_single<const LEN: usize, T>(
    instructions: &AccountInfo,
    judge: impl FnOnce(&[u8], &[u8; LEN]) -> Result<T>,
) -> Result<T> {
    read_signatures(instructions, |data| {
        const SIGNATURE_AT: usize = HEADER + RECORD;
        const KEY_AT: usize = SIGNATURE_AT + SIGNATURE;
        const MESSAGE_AT: usize = KEY_AT + KEY;
        let expected = [
            SIGNATURE_AT,
            usize::from(SELF),
            KEY_AT,
            usize::from(SELF),
            MESSAGE_AT,
            LEN,
            usize::from(SELF),
        ];
        let fits = data.len() == instruction_len(1, LEN) && data[..HEADER] == [1, 0];
        let agreed = expected
            .into_iter()
            .enumerate()
            .all(|(field, want)| u16_at(data, HEADER + field * 2) == Some(want));
        let message = data.get(MESSAGE_AT..).and_then(|m| m.first_chunk::<LEN>());
        match message {
            Some(message) if fits && agreed => judge(&data[KEY_AT..MESSAGE_AT], message),
            _ => err!(IoError::MalformedSignatureInstruction),
        }
    })
}
