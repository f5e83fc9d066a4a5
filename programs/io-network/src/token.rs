//! The little of the SPL Token program that is needed on chain: reading token accounts, and one batched call.
//!
//! Only the SPL Token program is accepted (p-token, at its usual address). Account layout and instruction encoding are
//! the token program's published interface.

use anchor_lang::{
    prelude::*,
    solana_program::{instruction::Instruction, program::invoke_signed_unchecked},
};

use crate::errors::IoError;

/// Address of the SPL Token program.
pub const TOKEN_PROGRAM: Pubkey = pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// Address of the Associated Token Account program.
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey =
    pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
/// Bytes of a token account.
pub const TOKEN_ACCOUNT_LEN: usize = 165;
/// Bytes of a mint.
pub const MINT_LEN: usize = 82;

const STATE_INITIALIZED: u8 = 1;
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

/// Reads an account if it is a token account of the SPL Token program.
pub fn read(info: &AccountInfo) -> Option<TokenAccount> {
    if *info.owner != TOKEN_PROGRAM {
        return None;
    }
    let data = info.try_borrow_data().ok()?;
    if data.len() != TOKEN_ACCOUNT_LEN {
        return None;
    }
    let mut amount = [0u8; 8];
    amount.copy_from_slice(&data[64..72]);
    Some(TokenAccount {
        mint: key_at(&data, 0),
        owner: key_at(&data, 32),
        amount: u64::from_le_bytes(amount),
        usable: data[108] == STATE_INITIALIZED,
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
        require_keys_eq!(*token_program.key, TOKEN_PROGRAM, IoError::WrongAccount);
        if self.metas.is_empty() {
            return Ok(());
        }
        self.infos.push(token_program.clone());
        let instruction = Instruction {
            program_id: TOKEN_PROGRAM,
            accounts: self.metas,
            data: self.data,
        };
        invoke_signed_unchecked(&instruction, &self.infos, signer_seeds)?;
        Ok(())
    }
}
