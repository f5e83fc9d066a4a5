//! The little of the SPL Token program that is needed on chain: reading token accounts, and one batched call.
//!
//! Mints of the SPL Token program (p-token, at its usual address) go through its batch instruction. Payment mints of Token-2022
//! are allowed when they have harmless extensions only: no fee, hook, delegate or pause can then come between, so a plain
//! transfer moves exactly what it says. Account layout and instruction encoding are the token programs' published interface.

use crate::prelude::*;
use anchor_lang::solana_program::instruction::Instruction;

use crate::{errors::IoError, invoke::invoke};

/// Address of the SPL Token program.
pub const TOKEN_PROGRAM: Pubkey = pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// Address of the Token-2022 program.
pub const TOKEN_2022_PROGRAM: Pubkey = pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
/// Address of the Associated Token Account program.
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey =
    pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
/// Bytes of a token account.
pub const TOKEN_ACCOUNT_LEN: usize = 165;
/// Bytes of a mint.
pub const MINT_LEN: usize = 82;

const STATE_INITIALIZED: u8 = 1;
/// In Token-2022, extensions follow a byte that tells mints from accounts, both at the place where a token account ends.
const MINT_TYPE: u8 = 1;
const ACCOUNT_TYPE: u8 = 2;
/// Extensions that a payment mint may have: metadata pointer, token metadata, group pointer, group member pointer.
const ALLOWED_MINT_EXTENSIONS: [u16; 4] = [18, 19, 20, 22];
/// Extensions of an account that never keep tokens from coming in: immutable owner, CPI guard.
const HARMLESS_ACCOUNT_EXTENSIONS: [u16; 2] = [7, 11];
/// An account may ask for a memo before each transfer: then it cannot receive from a program.
const MEMO_TRANSFER: u16 = 8;
/// Extensions of one mint or account that are looked at, at most: there are fewer kinds.
const MAX_EXTENSIONS: usize = 32;
const TRANSFER: u8 = 3;
const SET_AUTHORITY: u8 = 6;
const MINT_TO: u8 = 7;
const BURN: u8 = 8;
const CLOSE_ACCOUNT: u8 = 9;
const INITIALIZE_ACCOUNT_3: u8 = 18;
const BATCH: u8 = 255;

/// What is read of a token account.
pub struct TokenAccount {
    pub mint: Pubkey,
    pub owner: Pubkey,
    /// Base units.
    pub amount: u64,
    /// Neither frozen nor uninitialised.
    pub usable: bool,
}

fn key_at(data: &[u8], at: usize) -> Pubkey {
    let mut key = [0u8; 32];
    key.copy_from_slice(&data[at..at + 32]);
    Pubkey::new_from_array(key)
}

/// Walks the extensions of a Token-2022 mint or account; `None` when they are malformed.
fn extensions(data: &[u8], kind: u8, mut each: impl FnMut(u16, &[u8])) -> Option<()> {
    let Some((first, mut rest)) = data.get(TOKEN_ACCOUNT_LEN..)?.split_first() else {
        return Some(());
    };
    if *first != kind {
        return None;
    }
    for _ in 0..MAX_EXTENSIONS {
        // Less than a whole head, or a head of zeroes: the rest is unused.
        let Some((head, after)) = rest.split_first_chunk::<4>() else {
            return Some(());
        };
        let extension = u16::from_le_bytes([head[0], head[1]]);
        if extension == 0 {
            return Some(());
        }
        let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
        each(extension, after.get(..len)?);
        rest = &after[len..];
    }
    None
}

/// Nothing keeps a Token-2022 account from receiving; `None` when it is no token account.
fn receives(data: &[u8]) -> Option<bool> {
    let mut receives = true;
    extensions(data, ACCOUNT_TYPE, |extension, value| {
        receives &= match extension {
            MEMO_TRANSFER => value == [0],
            other => HARMLESS_ACCOUNT_EXTENSIONS.contains(&other),
        };
    })?;
    Some(receives)
}

/// Reads an account if it is a token account of one of the two token programs.
pub fn read(info: &AccountInfo) -> Option<TokenAccount> {
    let data = info.try_borrow_data().ok()?;
    let receives = if *info.owner == TOKEN_PROGRAM {
        (data.len() == TOKEN_ACCOUNT_LEN).then_some(true)
    } else if *info.owner == TOKEN_2022_PROGRAM {
        receives(&data)
    } else {
        None
    }?;
    let mut amount = [0u8; 8];
    amount.copy_from_slice(&data[64..72]);
    Some(TokenAccount {
        mint: key_at(&data, 0),
        owner: key_at(&data, 32),
        amount: u64::from_le_bytes(amount),
        usable: receives && data[108] == STATE_INITIALIZED,
    })
}

/// A usable token account of `mint`, or an error.
pub fn require_usable(info: &AccountInfo, mint: &Pubkey) -> Result<TokenAccount> {
    let account = read(info).ok_or_else(|| error!(IoError::BadTokenAccount))?;
    require!(account.usable, IoError::BadTokenAccount);
    require_keys_eq!(account.mint, *mint, IoError::WrongMint);
    Ok(account)
}

/// A payee's account can receive `mint` now. A payee whose account is frozen, closed or replaced blocks nobody: its share
/// waits in the vault.
pub fn can_receive(info: &AccountInfo, mint: &Pubkey) -> bool {
    read(info).is_some_and(|a| a.usable && a.mint == *mint)
}

/// Decimals of an initialised mint of the SPL Token program.
pub fn mint_decimals(info: &AccountInfo) -> Result<u8> {
    require_keys_eq!(*info.owner, TOKEN_PROGRAM, IoError::WrongOwner);
    let data = info.try_borrow_data()?;
    require!(data.len() == MINT_LEN && data[45] == 1, IoError::WrongMint);
    Ok(data[44])
}

/// Decimals of a mint that jobs may be paid in, and whether it is one of Token-2022.
pub fn payment_mint(info: &AccountInfo) -> Result<(u8, bool)> {
    if *info.owner != TOKEN_2022_PROGRAM {
        return Ok((mint_decimals(info)?, false));
    }
    let data = info.try_borrow_data()?;
    let plain = data.len() == MINT_LEN || data.len() > TOKEN_ACCOUNT_LEN;
    require!(plain && data[45] == 1, IoError::WrongMint);
    if data.len() > MINT_LEN {
        let mut allowed = true;
        extensions(&data, MINT_TYPE, |extension, _| {
            allowed &= ALLOWED_MINT_EXTENSIONS.contains(&extension);
        })
        .ok_or_else(|| error!(IoError::WrongMint))?;
        require!(allowed, IoError::ExtensionNotAllowed);
    }
    Ok((data[44], true))
}

/// What is read of a mint.
pub struct Mint {
    pub authority: Option<Pubkey>,
    /// Base units.
    pub supply: u64,
    pub decimals: u8,
    /// Somebody can freeze its accounts.
    pub freezable: bool,
}

/// Reads an initialised mint of the SPL Token program.
pub fn read_mint(info: &AccountInfo) -> Result<Mint> {
    let decimals = mint_decimals(info)?;
    let data = info.try_borrow_data()?;
    let mut supply = [0u8; 8];
    supply.copy_from_slice(&data[36..44]);
    Ok(Mint {
        authority: (data[0] == 1).then(|| key_at(&data, 4)),
        supply: u64::from_le_bytes(supply),
        decimals,
        freezable: data[46] == 1,
    })
}

/// The associated token account of `owner` for a mint of the SPL Token program.
pub fn associated_address(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    let seeds = [owner.as_ref(), TOKEN_PROGRAM.as_ref(), mint.as_ref()];
    Pubkey::find_program_address(&seeds, &ASSOCIATED_TOKEN_PROGRAM).0
}

/// Token instructions collected into one batched call.
pub struct Batch<'info> {
    data: Vec<u8>,
    metas: Vec<AccountMeta>,
    infos: Vec<AccountInfo<'info>>,
}

impl Default for Batch<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'info> Batch<'info> {
    pub fn new() -> Self {
        let mut data = Vec::with_capacity(64);
        data.push(BATCH);
        Self {
            data,
            metas: Vec::with_capacity(12),
            infos: Vec::with_capacity(8),
        }
    }

    fn push(&mut self, account: &AccountInfo<'info>, writable: bool, signer: bool) {
        self.metas.push(AccountMeta {
            pubkey: *account.key,
            is_signer: signer,
            is_writable: writable,
        });
        // The runtime hands out one key for one account, however often it is named.
        if !self.infos.iter().any(|i| core::ptr::eq(i.key, account.key)) {
            self.infos.push(account.clone());
        }
    }

    /// Moves `amount` base units; nothing when it is zero.
    pub fn transfer(
        &mut self,
        from: &AccountInfo<'info>,
        to: &AccountInfo<'info>,
        authority: &AccountInfo<'info>,
        amount: u64,
    ) {
        if amount == 0 {
            return;
        }
        self.data.extend_from_slice(&[3, 9, TRANSFER]);
        self.data.extend_from_slice(&amount.to_le_bytes());
        self.push(from, true, false);
        self.push(to, true, false);
        self.push(authority, false, true);
    }

    /// Makes `account` a token account of `mint` owned by `owner`.
    pub fn initialize(
        &mut self,
        account: &AccountInfo<'info>,
        mint: &AccountInfo<'info>,
        owner: &Pubkey,
    ) {
        self.data.extend_from_slice(&[2, 33, INITIALIZE_ACCOUNT_3]);
        self.data.extend_from_slice(owner.as_ref());
        self.push(account, true, false);
        self.push(mint, false, false);
    }

    /// Mints `amount` base units; nothing when it is zero.
    pub fn mint_to(
        &mut self,
        mint: &AccountInfo<'info>,
        to: &AccountInfo<'info>,
        authority: &AccountInfo<'info>,
        amount: u64,
    ) {
        if amount == 0 {
            return;
        }
        self.data.extend_from_slice(&[3, 9, MINT_TO]);
        self.data.extend_from_slice(&amount.to_le_bytes());
        self.push(mint, true, false);
        self.push(to, true, false);
        self.push(authority, false, true);
    }

    /// Hands the right to mint over.
    pub fn set_mint_authority(
        &mut self,
        mint: &AccountInfo<'info>,
        authority: &AccountInfo<'info>,
        new: &Pubkey,
    ) {
        // Authority type 0: to mint.
        self.data.extend_from_slice(&[2, 35, SET_AUTHORITY, 0, 1]);
        self.data.extend_from_slice(new.as_ref());
        self.push(mint, true, false);
        self.push(authority, false, true);
    }

    /// Closes an empty token account; its rent goes to `rent_to`.
    pub fn close(
        &mut self,
        account: &AccountInfo<'info>,
        rent_to: &AccountInfo<'info>,
        authority: &AccountInfo<'info>,
    ) {
        self.data.extend_from_slice(&[3, 1, CLOSE_ACCOUNT]);
        self.push(account, true, false);
        self.push(rent_to, true, false);
        self.push(authority, false, true);
    }

    /// Burns `amount` base units; nothing when it is zero.
    pub fn burn(
        &mut self,
        from: &AccountInfo<'info>,
        mint: &AccountInfo<'info>,
        authority: &AccountInfo<'info>,
        amount: u64,
    ) {
        if amount == 0 {
            return;
        }
        self.data.extend_from_slice(&[3, 9, BURN]);
        self.data.extend_from_slice(&amount.to_le_bytes());
        self.push(from, true, false);
        self.push(mint, true, false);
        self.push(authority, false, true);
    }

    /// Sends the call, if there is anything in it.
    ///
    /// No account data may be borrowed by the caller.
    pub fn invoke(
        mut self,
        token_program: &AccountInfo<'info>,
        signer_seeds: &[&[&[u8]]],
    ) -> Result<()> {
        let one_by_one = *token_program.key == TOKEN_2022_PROGRAM;
        require!(
            one_by_one || *token_program.key == TOKEN_PROGRAM,
            IoError::WrongAccount
        );
        let Some(first) = self.infos.first() else {
            return Ok(());
        };
        // What moves decides which of the two it is.
        require_keys_eq!(*first.owner, *token_program.key, IoError::WrongAccount);
        self.infos.push(token_program.clone());
        if one_by_one {
            return self.invoke_each(signer_seeds);
        }
        let instruction = Instruction {
            program_id: TOKEN_PROGRAM,
            accounts: self.metas,
            data: self.data,
        };
        invoke(instruction, &self.infos, signer_seeds)
    }

    /// Sends the instructions of the batch one after the other, to Token-2022, which knows the same ones but no batch.
    fn invoke_each(self, signer_seeds: &[&[&[u8]]]) -> Result<()> {
        let (mut data, mut metas) = (&self.data[1..], self.metas.as_slice());
        while let [accounts, len, rest @ ..] = data {
            let (now, later) = rest.split_at(usize::from(*len));
            let (used, left) = metas.split_at(usize::from(*accounts));
            let instruction = Instruction {
                program_id: TOKEN_2022_PROGRAM,
                accounts: used.to_vec(),
                data: now.to_vec(),
            };
            invoke(instruction, &self.infos, signer_seeds)?;
            (data, metas) = (later, left);
        }
        Ok(())
    }
}
