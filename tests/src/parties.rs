//! Who takes part: renters and payers with token accounts, and providers with stake and a device.

use anchor_lang::prelude::Pubkey;
use io_protocol::money::IO;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::world::{self, Mint, USD, World};

/// IO that a party starts with, base units.
pub const START_IO: u64 = 1_000_000 * IO;
/// The second mint, base units.
pub const START_USD: u64 = 1_000_000 * USD;

/// Somebody with a wallet.
#[derive(Debug)]
pub struct Party {
    pub key: Keypair,
    pub io: Pubkey,
    pub usd: Pubkey,
}

impl Party {
    pub fn pubkey(&self) -> Pubkey {
        self.key.pubkey()
    }

    pub fn account(&self, mint: Mint) -> Pubkey {
        match mint {
            Mint::Io => self.io,
            Mint::Usd => self.usd,
        }
    }
}

impl Clone for Party {
    fn clone(&self) -> Self {
        Self {
            key: self.key.insecure_clone(),
            ..*self
        }
    }
}

/// A provider with one device. Authority, payout owner and operator are three different keys.
#[derive(Debug)]
pub struct Rig {
    pub authority: Party,
    pub payout: Party,
    pub operator: Keypair,
    pub provider: Pubkey,
    pub hardware: [u8; 32],
    pub device: Pubkey,
    pub class: u16,
}

impl Clone for Rig {
    fn clone(&self) -> Self {
        Self {
            authority: self.authority.clone(),
            payout: self.payout.clone(),
            operator: self.operator.insecure_clone(),
            ..*self
        }
    }
}

impl Rig {
    pub fn stake_vault(&self) -> Pubkey {
        world::stake_vault(&self.provider)
    }
}

impl World {
    /// A funded wallet with both kinds of tokens.
    pub fn party(&mut self) -> Party {
        self.party_with(START_IO, START_USD)
    }

    pub fn party_with(&mut self, io: u64, usd: u64) -> Party {
        let key = self.person();
        let owner = key.pubkey();
        Party {
            io: self.token_account(&self.io_mint.clone(), &owner, io),
            usd: self.token_account(&self.usd_mint.clone(), &owner, usd),
            key,
        }
    }

    /// Keys and addresses of a provider with one device, nothing registered yet.
    pub fn unregistered_rig(&mut self, class: u16) -> Rig {
        self.unregistered_rig_with(class, START_IO)
    }

    /// The same, with `io` base units of IO to stake.
    pub fn unregistered_rig_with(&mut self, class: u16, io: u64) -> Rig {
        let authority = self.party_with(io, START_USD);
        let payout = self.party_with(0, 0);
        let hardware = self.keys.bytes();
        Rig {
            provider: world::provider(&authority.pubkey()),
            device: world::device(&hardware),
            operator: self.person(),
            authority,
            payout,
            hardware,
            class,
        }
    }

    /// A registered provider that staked and bonded `bond` IO base units to an attested device.
    pub fn rig(&mut self, class: u16, bond: u64) -> Rig {
        self.rig_of(class, bond, bond)
    }

    /// The same, with more at stake than is bonded.
    pub fn rig_of(&mut self, class: u16, stake: u64, bond: u64) -> Rig {
        let rig = self.unregistered_rig(class);
        let call = self.register_provider_call(&rig);
        self.ok(&call);
        let call = self.stake_call(&rig, stake);
        self.ok(&call);
        self.ready_device(&rig, bond);
        rig
    }

    /// Waits until a device has answered for its newest figures: it can be retired, and its bond lowered.
    pub fn until_answered(&mut self, rig: &Rig) {
        let until = self.device(&rig.device).answers_until();
        if self.now() < until {
            self.at(until);
        }
    }

    /// Registers and attests the device of a provider that has the stake for it.
    pub fn ready_device(&mut self, rig: &Rig, bond: u64) {
        let call = self.register_device_call(rig, bond);
        self.ok(&call);
        self.attest(rig);
    }

    /// Attests a device now.
    pub fn attest(&mut self, rig: &Rig) {
        let call = self.attest_call(rig, &[0, 1]);
        self.ok(&call);
    }

    /// One more device of the same provider, with `bond` of fresh stake.
    pub fn second_device(&mut self, rig: &Rig, bond: u64) -> Rig {
        let hardware = self.keys.bytes();
        let second = Rig {
            operator: self.person(),
            hardware,
            device: world::device(&hardware),
            ..rig.clone()
        };
        let call = self.stake_call(&second, bond);
        self.ok(&call);
        self.ready_device(&second, bond);
        second
    }
}
