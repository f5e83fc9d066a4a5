//! The few SPL Token instructions that renters, providers and the setup of a network need.

use anchor_lang::{prelude::Pubkey, solana_program::system_program};
use solana_instruction::{AccountMeta, Instruction};

use crate::{
    error::{Error, Result},
    rpc::Rpc,
};

pub const TOKEN_PROGRAM: Pubkey =
    Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
pub const TOKEN_2022_PROGRAM: Pubkey =
    Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey =
    Pubkey::from_str_const("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
/// Bytes of a mint.
pub const MINT_BYTES: usize = 82;
/// Bytes of a token account.
pub const TOKEN_ACCOUNT_BYTES: usize = 165;

// SPL Token's instruction numbers.
const MINT_TO: u8 = 7;
const TRANSFER_CHECKED: u8 = 12;
const INITIALIZE_MINT_2: u8 = 20;
// The associated token account program's.
const CREATE_IDEMPOTENT: u8 = 1;

/// The token program of a mint, by the flag that payment mints and jobs carry.
pub fn program_of(token_2022: u8) -> Pubkey {
    match token_2022 {
        0 => TOKEN_PROGRAM,
        _ => TOKEN_2022_PROGRAM,
    }
}

/// The token account that wallets use for an owner and a mint of SPL Token.
pub fn associated(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    associated_of(&TOKEN_PROGRAM, owner, mint)
}

/// The token account that wallets use for an owner and a mint of `program`.
pub fn associated_of(program: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    let seeds = [owner.as_ref(), program.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &ASSOCIATED_TOKEN_PROGRAM).0
}

/// Creates [`associated`], if it isn't there.
pub fn create_associated(payer: &Pubkey, owner: &Pubkey, mint: &Pubkey) -> Instruction {
    create_associated_of(&TOKEN_PROGRAM, payer, owner, mint)
}

/// Creates [`associated_of`], if it isn't there.
pub fn create_associated_of(
    program: &Pubkey,
    payer: &Pubkey,
    owner: &Pubkey,
    mint: &Pubkey,
) -> Instruction {
    Instruction {
        program_id: ASSOCIATED_TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(*payer, true),
            AccountMeta::new(associated_of(program, owner, mint), false),
            AccountMeta::new_readonly(*owner, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new_readonly(system_program::ID, false),
            AccountMeta::new_readonly(*program, false),
        ],
        data: vec![CREATE_IDEMPOTENT],
    }
}

/// Creates a mint at `mint`, which signs; `rent` is [`Rpc::rent_minimum`] of [`MINT_BYTES`].
pub fn create_mint(
    payer: &Pubkey,
    mint: &Pubkey,
    authority: &Pubkey,
    decimals: u8,
    rent: u64,
) -> [Instruction; 2] {
    // System program's CreateAccount: number u32, lamports u64, space u64, owner.
    let mut create = vec![0; 4];
    create.extend(rent.to_le_bytes());
    create.extend((MINT_BYTES as u64).to_le_bytes());
    create.extend(TOKEN_PROGRAM.to_bytes());
    let mut initialize = vec![INITIALIZE_MINT_2, decimals];
    initialize.extend(authority.to_bytes());
    // No freeze authority.
    initialize.push(0);
    [
        Instruction {
            program_id: system_program::ID,
            accounts: vec![
                AccountMeta::new(*payer, true),
                AccountMeta::new(*mint, true),
            ],
            data: create,
        },
        Instruction {
            program_id: TOKEN_PROGRAM,
            accounts: vec![AccountMeta::new(*mint, false)],
            data: initialize,
        },
    ]
}

/// `amount` in base units; `authority` is the mint's.
pub fn mint_to(mint: &Pubkey, account: &Pubkey, authority: &Pubkey, amount: u64) -> Instruction {
    let mut data = vec![MINT_TO];
    data.extend(amount.to_le_bytes());
    Instruction {
        program_id: TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(*mint, false),
            AccountMeta::new(*account, false),
            AccountMeta::new_readonly(*authority, true),
        ],
        data,
    }
}

/// `amount` in base units, from one token account to another.
pub fn transfer(
    mint: &Pubkey,
    decimals: u8,
    from: &Pubkey,
    to: &Pubkey,
    owner: &Pubkey,
    amount: u64,
) -> Instruction {
    let mut data = vec![TRANSFER_CHECKED];
    data.extend(amount.to_le_bytes());
    data.push(decimals);
    Instruction {
        program_id: TOKEN_PROGRAM,
        accounts: vec![
            AccountMeta::new(*from, false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new(*to, false),
            AccountMeta::new_readonly(*owner, true),
        ],
        data,
    }
}

/// SOL, in lamports.
pub fn transfer_sol(from: &Pubkey, to: &Pubkey, lamports: u64) -> Instruction {
    let mut data = vec![2, 0, 0, 0];
    data.extend(lamports.to_le_bytes());
    Instruction {
        program_id: system_program::ID,
        accounts: vec![AccountMeta::new(*from, true), AccountMeta::new(*to, false)],
        data,
    }
}

/// Base units in a token account; `None` when there is no such account.
pub async fn balance(rpc: &Rpc, account: &Pubkey) -> Result<Option<u64>> {
    let Some((_, found)) = rpc.account(account).await? else {
        return Ok(None);
    };
    let expected = "a token account";
    let wrong = |reason: String| Error::BadAccount {
        address: *account,
        expected,
        reason,
    };
    if found.owner != TOKEN_PROGRAM && found.owner != TOKEN_2022_PROGRAM {
        return Err(wrong(format!("its owner is {}", found.owner)));
    }
    let amount = found
        .data
        .get(64..72)
        .filter(|_| found.data.len() >= TOKEN_ACCOUNT_BYTES);
    let bytes = amount
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| wrong(format!("{} bytes", found.data.len())))?;
    Ok(Some(u64::from_le_bytes(bytes)))
}

/// Supply in a mint's account data, base units.
pub fn supply(mint: &[u8]) -> Option<u64> {
    let bytes = mint.get(36..44).filter(|_| mint.len() >= MINT_BYTES)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// Decimals of a mint.
pub async fn decimals(rpc: &Rpc, mint: &Pubkey) -> Result<u8> {
    let expected = "a mint";
    let (_, found) = rpc.account(mint).await?.ok_or(Error::NoAccount {
        address: *mint,
        expected,
    })?;
    let is_token = found.owner == TOKEN_PROGRAM || found.owner == TOKEN_2022_PROGRAM;
    found
        .data
        .get(44)
        .copied()
        .filter(|_| is_token && found.data.len() >= MINT_BYTES)
        .ok_or_else(|| Error::BadAccount {
            address: *mint,
            expected,
            reason: format!("its owner is {}", found.owner),
        })
}
