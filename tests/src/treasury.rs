//! Calls about the treasury, reference prices and migration, and a network whose second mint is one of Token-2022.

use anchor_lang::{
    prelude::{AccountMeta, Pubkey},
    solana_program::system_instruction,
};
use io_network::{
    BuyBackArgs, GuidanceArgs, accounts,
    attest::INSTRUCTIONS_SYSVAR,
    instruction, seeds,
    state::{BuyBack, NetworkParams},
    token::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM},
};
use io_protocol::guidance::GuidanceStatement;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{
    ed25519,
    parties::Party,
    world::{self, Call, Mint, SYSTEM, World, find, meta, network, oracle_set},
};

pub fn treasury_main(mint: &Pubkey) -> Pubkey {
    find(&[seeds::TREASURY_MAIN, mint.as_ref()])
}

pub fn buy_back(mint: &Pubkey) -> Pubkey {
    find(&[seeds::BUY_BACK, mint.as_ref()])
}

/// 2 to 4 units of the second mint for an IO, at most 1,000 of them an hour.
pub const BUY_BACK: BuyBackArgs = BuyBackArgs {
    floor_price: 20_000_000,
    ceiling_price: 40_000_000,
    budget: 1_000 * world::USD,
    enabled: true,
};

impl World {
    pub fn buy_back(&self, mint: &Pubkey) -> BuyBack {
        let data = self.account(&buy_back(mint)).expect("the rule").data;
        bytemuck::pod_read_unaligned(&data[8..])
    }

    pub fn init_treasury_main_call(&self, mint: &Pubkey) -> Call {
        Call::new(
            accounts::InitTreasuryMain {
                payer: self.fee_payer.pubkey(),
                network: network(),
                payment: world::payment(mint),
                mint: *mint,
                main: treasury_main(mint),
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::InitTreasuryMain {},
            &[&self.fee_payer],
        )
    }

    /// Sweeps these shards.
    pub fn sweep_call(&self, mint: &Pubkey, shards: &[u8]) -> Call {
        let mut call = Call::new(
            accounts::SweepTreasury {
                network: network(),
                payment: world::payment(mint),
                mint: *mint,
                main: treasury_main(mint),
                token_program: TOKEN_PROGRAM,
            },
            instruction::SweepTreasury {},
            &[],
        );
        let shards = shards.iter().map(|s| world::treasury_shard(mint, *s));
        let metas = shards.map(|key| meta(&key, false, true));
        call.instruction.accounts.extend(metas);
        call
    }

    pub fn set_treasury_owner_call(&self, owner: &Pubkey) -> Call {
        Call::new(
            accounts::SetTreasuryOwner {
                admin: self.admin.pubkey(),
                network: network(),
                proposal: None,
            },
            instruction::SetTreasuryOwner { owner: *owner },
            &[&self.admin],
        )
    }

    pub fn withdraw_treasury_call(&self, mint: &Pubkey, to: &Pubkey, amount: u64) -> Call {
        Call::new(
            accounts::WithdrawTreasury {
                admin: self.admin.pubkey(),
                network: network(),
                payment: world::payment(mint),
                main: treasury_main(mint),
                destination: *to,
                token_program: TOKEN_PROGRAM,
                proposal: None,
            },
            instruction::WithdrawTreasury { amount },
            &[&self.admin],
        )
    }

    pub fn set_buy_back_call(&self, mint: &Pubkey, args: BuyBackArgs) -> Call {
        Call::new(
            accounts::SetBuyBack {
                admin: self.admin.pubkey(),
                network: network(),
                payment: world::payment(mint),
                buy_back: buy_back(mint),
                system_program: SYSTEM,
                proposal: None,
            },
            instruction::SetBuyBack { args },
            &[&self.admin],
        )
    }

    /// Sells IO for the second mint.
    pub fn sell_call(&self, seller: &Party, io: u64, min_out: u64) -> Call {
        let mint = self.usd_mint;
        Call::new(
            accounts::SellToTreasury {
                seller: seller.pubkey(),
                network: network(),
                payment: world::payment(&mint),
                buy_back: buy_back(&mint),
                io_mint: self.io_mint,
                seller_io: seller.io,
                main: treasury_main(&mint),
                seller_token: seller.usd,
                io_token_program: TOKEN_PROGRAM,
                token_program: self.account(&mint).expect("the mint").owner,
            },
            instruction::SellToTreasury { io, min_out },
            &[&seller.key],
        )
    }

    pub fn guidance_statement(&self, class: u16, epoch: u64, bps: u16) -> GuidanceStatement {
        GuidanceStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            class: world::class(class).to_bytes(),
            epoch,
            utilisation_bps: bps,
        }
    }

    pub fn update_guidance_call(
        &self,
        class: u16,
        epoch: u64,
        utilisation_bps: u16,
        oracles: &[usize],
    ) -> Call {
        let statement = self.guidance_statement(class, epoch, utilisation_bps);
        Call::new(
            accounts::UpdateGuidance {
                network: network(),
                oracle_set: oracle_set(),
                emission: world::emission(),
                class: world::class(class),
                instructions: INSTRUCTIONS_SYSVAR,
            },
            instruction::UpdateGuidance {
                args: GuidanceArgs {
                    epoch,
                    utilisation_bps,
                },
            },
            &[],
        )
        .after(ed25519::signed(
            &statement.to_bytes(),
            &self.oracle_keys(oracles),
        ))
    }

    pub fn migrate_account_call(&self, payer: &Keypair, account: &Pubkey) -> Call {
        Call::new(
            accounts::MigrateAccount {
                payer: payer.pubkey(),
                account: *account,
                system_program: SYSTEM,
            },
            instruction::MigrateAccount {},
            &[payer],
        )
    }

    /// As [`World::new`], with a second mint of Token-2022 that carries a metadata pointer.
    pub fn token_2022(seed: u64, params: NetworkParams) -> Self {
        let mut world = Self::bare(seed);
        let mint = world.keys.keypair();
        // Base, type byte, and one extension of 64 bytes with its head.
        let space = 165 + 1 + 4 + 64;
        let create = system_instruction::create_account(
            &world.fee_payer.pubkey(),
            &mint.pubkey(),
            world.svm.minimum_balance_for_rent_exemption(space),
            space as u64,
            &TOKEN_2022_PROGRAM,
        );
        let authority = world.mint_authority.pubkey();
        let mut pointer = vec![39, 0];
        pointer.extend(authority.as_ref());
        pointer.extend(mint.pubkey().as_ref());
        let mut initialize = vec![20, 6];
        initialize.extend(authority.as_ref());
        initialize.push(1);
        initialize.extend(authority.as_ref());
        let of_mint = |data| Instruction {
            program_id: TOKEN_2022_PROGRAM,
            accounts: vec![AccountMeta::new(mint.pubkey(), false)],
            data,
        };
        world.must(&[create, of_mint(pointer), of_mint(initialize)], &[&mint]);
        world.usd_mint = mint.pubkey();
        world.set_up(params);
        world
    }

    /// The same instructions for the token program that the accounts they name are of: tests write them for SPL Token.
    pub(crate) fn to_token_programs(&self, instructions: &[Instruction]) -> Vec<Instruction> {
        let of_2022 = |key: &Pubkey| {
            self.account(key)
                .is_some_and(|a| a.owner == TOKEN_2022_PROGRAM)
        };
        let mut all = instructions.to_vec();
        if !of_2022(&self.usd_mint) {
            return all;
        }
        for one in &mut all {
            let named = one.accounts.iter().any(|m| of_2022(&m.pubkey));
            let both = one.accounts.iter().any(|m| m.pubkey == TOKEN_2022_PROGRAM);
            if !named || both {
                continue;
            }
            if one.program_id == TOKEN_PROGRAM {
                one.program_id = TOKEN_2022_PROGRAM;
            }
            for meta in &mut one.accounts {
                if meta.pubkey == TOKEN_PROGRAM {
                    meta.pubkey = TOKEN_2022_PROGRAM;
                }
            }
        }
        all
    }

    /// Everything that the treasury's main account of a mint did, as its books tell.
    pub fn main_balance(&self, mint: Mint) -> u64 {
        let p = self.payment(&world::payment(&self.mint(mint)));
        p.swept - p.burned - p.withdrawn - p.bought
    }
}
