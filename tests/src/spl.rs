//! Instructions of the SPL Token program that tests need, by its published encoding.

use anchor_lang::prelude::{AccountMeta, Pubkey};
use io_network::token::TOKEN_PROGRAM;
use solana_instruction::Instruction;

fn instruction(data: Vec<u8>, accounts: Vec<AccountMeta>) -> Instruction {
    Instruction {
        program_id: TOKEN_PROGRAM,
        accounts,
        data,
    }
}

fn with_amount(tag: u8, amount: u64) -> Vec<u8> {
    let mut data = vec![tag];
    data.extend(amount.to_le_bytes());
    data
}

pub fn initialize_mint(mint: &Pubkey, decimals: u8, authority: &Pubkey) -> Instruction {
    let mut data = vec![20, decimals];
    data.extend(authority.as_ref());
    data.push(1);
    data.extend(authority.as_ref());
    instruction(data, vec![AccountMeta::new(*mint, false)])
}

/// A mint whose accounts nobody can freeze.
pub fn initialize_free_mint(mint: &Pubkey, decimals: u8, authority: &Pubkey) -> Instruction {
    let mut data = vec![20, decimals];
    data.extend(authority.as_ref());
    data.push(0);
    instruction(data, vec![AccountMeta::new(*mint, false)])
}

pub fn initialize_account(account: &Pubkey, mint: &Pubkey, owner: &Pubkey) -> Instruction {
    let mut data = vec![18];
    data.extend(owner.as_ref());
    instruction(
        data,
        vec![
            AccountMeta::new(*account, false),
            AccountMeta::new_readonly(*mint, false),
        ],
    )
}

pub fn transfer(from: &Pubkey, to: &Pubkey, authority: &Pubkey, amount: u64) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*from, false),
        AccountMeta::new(*to, false),
        AccountMeta::new_readonly(*authority, true),
    ];
    instruction(with_amount(3, amount), accounts)
}

pub fn approve(account: &Pubkey, delegate: &Pubkey, owner: &Pubkey, amount: u64) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*account, false),
        AccountMeta::new_readonly(*delegate, false),
        AccountMeta::new_readonly(*owner, true),
    ];
    instruction(with_amount(4, amount), accounts)
}

/// Whose authority `set_authority` changes.
#[derive(Clone, Copy)]
pub enum Authority {
    Owner = 2,
    Close = 3,
}

pub fn set_authority(
    account: &Pubkey,
    which: Authority,
    new: &Pubkey,
    owner: &Pubkey,
) -> Instruction {
    let mut data = vec![6, which as u8, 1];
    data.extend(new.as_ref());
    instruction(
        data,
        vec![
            AccountMeta::new(*account, false),
            AccountMeta::new_readonly(*owner, true),
        ],
    )
}

pub fn mint_to(mint: &Pubkey, account: &Pubkey, authority: &Pubkey, amount: u64) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*mint, false),
        AccountMeta::new(*account, false),
        AccountMeta::new_readonly(*authority, true),
    ];
    instruction(with_amount(7, amount), accounts)
}

pub fn close(account: &Pubkey, to: &Pubkey, owner: &Pubkey) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*account, false),
        AccountMeta::new(*to, false),
        AccountMeta::new_readonly(*owner, true),
    ];
    instruction(vec![9], accounts)
}

fn freezing(tag: u8, account: &Pubkey, mint: &Pubkey, authority: &Pubkey) -> Instruction {
    let accounts = vec![
        AccountMeta::new(*account, false),
        AccountMeta::new_readonly(*mint, false),
        AccountMeta::new_readonly(*authority, true),
    ];
    instruction(vec![tag], accounts)
}

pub fn freeze(account: &Pubkey, mint: &Pubkey, authority: &Pubkey) -> Instruction {
    freezing(10, account, mint, authority)
}

pub fn thaw(account: &Pubkey, mint: &Pubkey, authority: &Pubkey) -> Instruction {
    freezing(11, account, mint, authority)
}
