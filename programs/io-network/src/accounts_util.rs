//! Creating accounts.

use core::{cell::RefMut, mem::size_of};

use anchor_lang::{
    solana_program::instruction::Instruction, system_program, Discriminator, Owner, ZeroCopy,
};

use crate::{invoke::invoke, prelude::*};

/// Bytes that rent is paid for beside an account's data.
const ACCOUNT_OVERHEAD: u64 = 128;
/// Thresholds, as bits.
const ONE: u64 = 1f64.to_bits();
const TWO: u64 = 2f64.to_bits();
/// Instructions of the system program, by their published encoding.
const CREATE_ACCOUNT: u32 = 0;
const ASSIGN: u32 = 1;
const TRANSFER: u32 = 2;
const ALLOCATE: u32 = 8;

/// Creates accounts at PDAs, paid by one payer.
///
/// Anchor's `init` does the same for one account; doing it here reads the rent once, multiplies no floats and builds the
/// calls in place, which saves some 1,000 compute units an account.
pub struct Creator<'a, 'info> {
    payer: &'a AccountInfo<'info>,
    system_program: &'a AccountInfo<'info>,
    rent: Rent,
}

impl<'a, 'info> Creator<'a, 'info> {
    pub fn new(
        payer: &'a AccountInfo<'info>,
        system_program: &'a AccountInfo<'info>,
    ) -> Result<Self> {
        Ok(Self {
            payer,
            system_program,
            rent: Rent::get()?,
        })
    }

    /// Creates one of the program's own accounts, zeroed but for its discriminator.
    ///
    /// `seeds` include the bump. The caller checked that `account` is the PDA of those seeds; the runtime checks it again
    /// through the signature, and the system program that nothing is there yet.
    pub fn create<'b, T>(
        &self,
        account: &'b AccountInfo<'info>,
        seeds: &[&[u8]],
    ) -> Result<RefMut<'b, T>>
    where
        T: ZeroCopy + Owner + Discriminator,
    {
        let head = T::DISCRIMINATOR.len();
        self.create_for(&crate::ID, account, head + size_of::<T>(), seeds)?;
        let mut data = account.try_borrow_mut_data()?;
        data[..head].copy_from_slice(T::DISCRIMINATOR);
        Ok(RefMut::map(data, |data| {
            bytemuck::from_bytes_mut(&mut data[head..])
        }))
    }

    /// Creates an account of `space` bytes owned by `owner`, also when somebody sent lamports to its address first.
    pub fn create_for(
        &self,
        owner: &Pubkey,
        account: &AccountInfo<'info>,
        space: usize,
        seeds: &[&[u8]],
    ) -> Result<()> {
        let rent = minimum_balance(&self.rent, space);
        let held = account.lamports();
        let (lamports, bytes) = (rent.to_le_bytes(), (space as u64).to_le_bytes());
        if held == 0 {
            return self.call(
                CREATE_ACCOUNT,
                &[&lamports, &bytes, owner.as_ref()],
                true,
                account,
                seeds,
            );
        }
        if held < rent {
            self.call(
                TRANSFER,
                &[&(rent - held).to_le_bytes()],
                true,
                account,
                &[],
            )?;
        }
        self.call(ALLOCATE, &[&bytes], false, account, seeds)?;
        self.call(ASSIGN, &[owner.as_ref()], false, account, seeds)
    }

    fn call(
        &self,
        tag: u32,
        parts: &[&[u8]],
        paid: bool,
        account: &AccountInfo<'info>,
        seeds: &[&[u8]],
    ) -> Result<()> {
        let mut data = Vec::with_capacity(64);
        data.extend_from_slice(&tag.to_le_bytes());
        for part in parts {
            data.extend_from_slice(part);
        }
        let mut accounts = Vec::with_capacity(2);
        if paid {
            accounts.push(AccountMeta::new(*self.payer.key, true));
        }
        accounts.push(AccountMeta::new(*account.key, !seeds.is_empty()));
        let instruction = Instruction {
            program_id: system_program::ID,
            accounts,
            data,
        };
        invoke(
            instruction,
            &[
                self.payer.clone(),
                account.clone(),
                self.system_program.clone(),
            ],
            &[seeds],
        )
    }
}

/// Lamports that keep an account of `space` bytes. Floats are emulated on chain: the two thresholds there have been
/// (2 years, and 1 since rent is charged by the byte) go without.
#[allow(deprecated)] // The fields are those of the sysvar as it is on chain, whatever a later crate calls them.
fn minimum_balance(rent: &Rent, space: usize) -> u64 {
    let per_unit = (ACCOUNT_OVERHEAD + space as u64).saturating_mul(rent.lamports_per_byte_year);
    match rent.exemption_threshold.to_bits() {
        ONE => per_unit,
        TWO => per_unit.saturating_mul(2),
        _ => rent.minimum_balance(space),
    }
}
