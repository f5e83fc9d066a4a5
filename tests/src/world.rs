//! A network on a virtual machine: the program's real bytecode, the real token program, mints, oracles and classes.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use anchor_lang::{
    InstructionData, ToAccountMetas,
    prelude::{AccountDeserialize, AccountMeta, Pubkey},
    solana_program::system_instruction,
};
use io_network::{
    InitializeEmissionArgs, VestingArgs, seeds,
    state::{
        Device, DeviceClass, Emission, Job, Network, NetworkParams, OracleSet, PaymentMint,
        Proposal, Provider, SlashCase, StakeParams, Vesting,
    },
    token::TOKEN_ACCOUNT_LEN,
};
use io_protocol::money::IO;
use litesvm::LiteSVM;
use solana_account::Account;
use solana_clock::Clock;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;

use crate::{
    artifacts,
    events::{Replica, decode_all},
    keys::Keys,
    outcome::{Done, Failed, Outcome, Refusal},
    spl,
};

/// Clock at the start, Unix seconds: the middle of an epoch, so that small moves stay in it.
pub const START: i64 = 1_800_000_000 + 1_000;
/// Slot at the start.
pub const START_SLOT: u64 = 400_000_000;
/// Lamports that every key starts with.
pub const LAMPORTS: u64 = 1_000_000_000_000;
/// The upgradeable loader.
pub const LOADER: Pubkey = Pubkey::from_str_const("BPFLoaderUpgradeab1e11111111111111111111111");
/// The system program.
pub const SYSTEM: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");

/// Base units in one unit of the second payment mint (6 decimals).
pub const USD: u64 = 1_000_000;
/// Weight of the second payment mint in exposure: 1 of it counts as 2 IO.
pub const USD_IO_E9: u64 = 200_000_000_000;
/// Its extra fee, basis points.
pub const USD_FEE_BPS: u16 = 200;

/// Community class: multiplier 1.25, no minimum figures.
pub const CLASS_SMALL: u16 = 1;
/// Enterprise class: multiplier 10.
pub const CLASS_BIG: u16 = 2;

/// Parameters that tests start with.
pub const PARAMS: NetworkParams = NetworkParams {
    min_bond: 200 * IO,
    match_seconds: 60,
    challenge_seconds: 600,
    dispute_seconds: 3_600,
    attestation_seconds: 7_200,
    unbond_seconds: 14 * 24 * 3_600,
    retention_seconds: 7 * 24 * 3_600,
    reclaim_notice_seconds: 24 * 3_600,
    reserve_bps: 25,
    expire_penalty_bps: 1_000,
    reject_penalty_bps: 10_000,
    burn_bps: 5_000,
    target_utilisation_bps: 7_000,
    stake: StakeParams::DEFAULT,
};

/// Hours, and the published split.
pub const EMISSION_ARGS: InitializeEmissionArgs = InitializeEmissionArgs {
    epoch_seconds: 3_600,
    enterprise_bps: 9_500,
};
/// Index of the community's part of the genesis supply.
pub const BANK_INDEX: u8 = 4;

/// One instruction under test, with what has to come before it and who signs.
#[derive(Debug)]
pub struct Call {
    /// Usually nothing, or an Ed25519 instruction.
    pub before: Vec<Instruction>,
    pub instruction: Instruction,
    pub signers: Vec<Keypair>,
}

impl Call {
    pub fn new(
        accounts: impl ToAccountMetas,
        arguments: impl InstructionData,
        signers: &[&Keypair],
    ) -> Self {
        Self {
            before: Vec::new(),
            instruction: Instruction {
                program_id: io_network::ID,
                accounts: accounts.to_account_metas(None),
                data: arguments.data(),
            },
            signers: signers.iter().map(|k| k.insecure_clone()).collect(),
        }
    }

    pub fn after(mut self, before: Instruction) -> Self {
        self.before.push(before);
        self
    }

    /// All its instructions, in order.
    pub fn instructions(&self) -> Vec<Instruction> {
        let mut all = self.before.clone();
        all.push(self.instruction.clone());
        all
    }

    pub fn duplicate(&self) -> Self {
        Self {
            before: self.before.clone(),
            instruction: self.instruction.clone(),
            signers: self.signers.iter().map(Keypair::insecure_clone).collect(),
        }
    }
}

/// Which payment mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mint {
    Io,
    Usd,
}

pub struct World {
    pub svm: LiteSVM,
    pub keys: Keys,
    /// Pays transaction fees and nothing else, so that every other balance moves by the program's hand only.
    pub fee_payer: Keypair,
    pub admin: Keypair,
    /// Mints both payment mints, and can freeze their accounts.
    pub mint_authority: Keypair,
    pub io_mint: Pubkey,
    pub usd_mint: Pubkey,
    pub oracles: Vec<Keypair>,
    /// Genesis hash that the network is told.
    pub cluster: [u8; 32],
    /// The accounts as the program's events tell them.
    pub replica: Replica,
    /// What tests put into vaults beside the program.
    pub donated: BTreeMap<Pubkey, u64>,
    /// Jobs whose money was seen divided.
    pub settled: BTreeSet<Pubkey>,
    /// Where IO comes from when the program alone can mint it: the community's part of the genesis supply.
    pub bank: Option<Bank>,
}

/// A wallet that gives IO away.
#[derive(Debug)]
pub struct Bank {
    pub key: Keypair,
    pub account: Pubkey,
}

impl Clone for Bank {
    fn clone(&self) -> Self {
        Self {
            key: self.key.insecure_clone(),
            ..*self
        }
    }
}

thread_local! {
    static ATTEMPTS: Cell<u64> = const { Cell::new(0) };
}

/// Calls that this thread's test has tried, in all its worlds.
pub fn attempts() -> u64 {
    ATTEMPTS.get()
}

impl World {
    /// Program, token program and mints; the network isn't initialised yet.
    pub fn bare(seed: u64) -> Self {
        Self::bare_with(seed, false)
    }

    /// With `clean`, IO is the administrator's to mint, and nobody's to freeze.
    fn bare_with(seed: u64, clean: bool) -> Self {
        let mut keys = Keys::new(seed);
        let (fee_payer, admin, mint_authority) = (keys.keypair(), keys.keypair(), keys.keypair());
        let oracles = (0..3).map(|_| keys.keypair()).collect();
        let (io_mint, usd_mint) = (keys.keypair(), keys.keypair());
        let mut svm = LiteSVM::new()
            .with_transaction_history(0)
            .with_log_bytes_limit(None);
        svm.add_program(io_network::ID, &artifacts::program("io_network"))
            .expect("the program loads");
        let mut world = Self {
            svm,
            cluster: keys.bytes(),
            keys,
            fee_payer,
            admin,
            mint_authority,
            io_mint: io_mint.pubkey(),
            usd_mint: usd_mint.pubkey(),
            oracles,
            replica: Replica::default(),
            donated: BTreeMap::new(),
            settled: BTreeSet::new(),
            bank: None,
        };
        for key in [world.fee_payer.pubkey(), world.admin.pubkey()] {
            world.fund(&key);
        }
        world.set_clock(START, START_SLOT);
        world.set_upgrade_authority(&world.admin.pubkey());
        for (mint, decimals) in [(&io_mint, 8), (&usd_mint, 6)] {
            let create = system_instruction::create_account(
                &world.fee_payer.pubkey(),
                &mint.pubkey(),
                world.svm.minimum_balance_for_rent_exemption(82),
                82,
                &io_network::token::TOKEN_PROGRAM,
            );
            let initialize = if clean && mint.pubkey() == world.io_mint {
                spl::initialize_free_mint(&mint.pubkey(), decimals, &world.admin.pubkey())
            } else {
                spl::initialize_mint(&mint.pubkey(), decimals, &world.mint_authority.pubkey())
            };
            world.must(&[create, initialize], &[mint]);
        }
        world
    }

    /// An initialised network: three oracles with quorum two, both payment mints with all treasury shards, two classes.
    pub fn new(seed: u64) -> Self {
        Self::with_params(seed, PARAMS)
    }

    pub fn with_params(seed: u64, params: NetworkParams) -> Self {
        let mut world = Self::bare(seed);
        world.set_up(params);
        world
    }

    /// As [`World::new`], with nothing of IO minted yet: nobody has any.
    pub fn unminted(seed: u64) -> Self {
        let mut world = Self::bare_with(seed, true);
        world.set_up(PARAMS);
        world
    }

    /// As [`World::new`], with the program as the only one that can mint IO, and all genesis supply available at once: the
    /// community's part to [`World::bank`], which feeds everybody, the other parts to the administrator.
    pub fn emitting(seed: u64) -> Self {
        let mut world = Self::unminted(seed);
        let call = world.initialize_emission_call(EMISSION_ARGS);
        world.ok(&call);
        let key = world.person();
        let account = world.token_account(&world.io_mint.clone(), &key.pubkey(), 0);
        for index in 0..5 {
            let beneficiary = if index == BANK_INDEX {
                key.pubkey()
            } else {
                world.admin.pubkey()
            };
            let call = world.create_vesting_call(VestingArgs {
                index,
                beneficiary,
                start_at: world.now(),
                cliff_seconds: 0,
                linear_seconds: 0,
            });
            world.ok(&call);
        }
        let call = world.claim_vested_call(&key, BANK_INDEX, &account);
        world.ok(&call);
        world.bank = Some(Bank { key, account });
        world
    }

    pub(crate) fn set_up(&mut self, params: NetworkParams) {
        let world = self;
        let call = world.initialize_network_call(params, 2);
        world.ok(&call);
        for (id, multiplier_e2) in [(CLASS_SMALL, 125), (CLASS_BIG, 1_000)] {
            let call = world.add_class_call(class_args(id, multiplier_e2));
            world.ok(&call);
        }
        for mint in [Mint::Io, Mint::Usd] {
            let call = world.add_payment_mint_call(&world.mint(mint), payment_args(mint));
            world.ok(&call);
            for shard in 0..16 {
                let call = world.init_treasury_shard_call(&world.mint(mint), shard);
                world.ok(&call);
            }
        }
    }

    /// A copy that goes its own way.
    pub fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            keys: self.keys.clone(),
            fee_payer: self.fee_payer.insecure_clone(),
            admin: self.admin.insecure_clone(),
            mint_authority: self.mint_authority.insecure_clone(),
            io_mint: self.io_mint,
            usd_mint: self.usd_mint,
            oracles: self.oracles.iter().map(Keypair::insecure_clone).collect(),
            cluster: self.cluster,
            replica: self.replica.clone(),
            donated: self.donated.clone(),
            settled: self.settled.clone(),
            bank: self.bank.clone(),
        }
    }

    pub fn mint(&self, mint: Mint) -> Pubkey {
        match mint {
            Mint::Io => self.io_mint,
            Mint::Usd => self.usd_mint,
        }
    }

    // Time

    pub fn now(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    pub fn slot(&self) -> u64 {
        self.svm.get_sysvar::<Clock>().slot
    }

    pub fn set_clock(&mut self, unix_timestamp: i64, slot: u64) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.unix_timestamp = unix_timestamp;
        clock.slot = slot;
        self.svm.set_sysvar(&clock);
    }

    /// Moves the clock to `unix_timestamp`, and one slot on.
    pub fn at(&mut self, unix_timestamp: i64) {
        self.set_clock(unix_timestamp, self.slot() + 1);
    }

    pub fn advance(&mut self, seconds: i64) {
        self.at(self.now() + seconds);
    }

    /// Moves on some slots, at the same time.
    pub fn wait_slots(&mut self, slots: u64) {
        self.set_clock(self.now(), self.slot() + slots);
    }

    // Sending

    /// Sends instructions and returns what came of it. `about` is the index of the one that the test is about.
    pub fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
        about: usize,
    ) -> Outcome {
        let instructions = &self.to_token_programs(instructions);
        let message = Message::new_with_blockhash(
            instructions,
            Some(&self.fee_payer.pubkey()),
            &self.svm.latest_blockhash(),
        );
        let pool: Vec<&Keypair> = std::iter::once(&self.fee_payer)
            .chain(signers.iter().copied())
            .collect();
        let needed: Vec<&Keypair> = message.account_keys
            [..usize::from(message.header.num_required_signatures)]
            .iter()
            .map(|key| {
                *pool
                    .iter()
                    .find(|k| k.pubkey() == *key)
                    .unwrap_or_else(|| panic!("nobody signs for {key}"))
            })
            .collect();
        let transaction = VersionedTransaction::try_new(VersionedMessage::Legacy(message), &needed)
            .expect("signed");
        match self.svm.send_transaction(transaction) {
            Ok(meta) => {
                let events = decode_all(&meta.logs);
                Ok(Done {
                    units: meta.compute_units_consumed,
                    events,
                    logs: meta.logs,
                })
            }
            Err(failed) => Err(Box::new(Failed {
                error: failed.err,
                index: about as u8,
                logs: failed.meta.logs,
            })),
        }
    }

    /// Sends instructions that prepare something and must go through.
    #[track_caller]
    pub fn must(&mut self, instructions: &[Instruction], signers: &[&Keypair]) {
        if let Err(failed) = self.send(instructions, signers, 0) {
            panic!("{:?}\n{}", failed.error, failed.logs.join("\n"));
        }
    }

    /// Tries a call, and counts it. Afterwards the accounts are what the events tell, whatever came of it, and all books balance.
    pub fn attempt(&mut self, call: &Call) -> Outcome {
        ATTEMPTS.set(ATTEMPTS.get() + 1);
        let instructions = call.instructions();
        let mut touched: Vec<Pubkey> = instructions
            .iter()
            .flat_map(|i| i.accounts.iter().map(|m| m.pubkey))
            .collect();
        touched.sort();
        touched.dedup();
        touched.retain(|key| *key != self.fee_payer.pubkey());
        let before: Vec<Option<Account>> = touched.iter().map(|key| self.account(key)).collect();
        let signers: Vec<&Keypair> = call.signers.iter().collect();
        let outcome = self.send(&instructions, &signers, call.before.len());
        match &outcome {
            Ok(done) => {
                for event in &done.events {
                    self.replica.apply(event);
                }
                let lone = instructions
                    .iter()
                    .filter(|i| i.program_id == io_network::ID)
                    .count()
                    == 1;
                for (key, before) in touched.iter().zip(&before) {
                    self.check_events(key, before.as_ref(), done, lone);
                }
                self.check_books();
            }
            Err(_) => {
                for (key, before) in touched.iter().zip(&before) {
                    assert_eq!(
                        self.account(key),
                        *before,
                        "a refused transaction changed {key}"
                    );
                }
            }
        }
        outcome
    }

    /// Every change of one of the program's accounts is told by exactly one event, which holds all of it.
    fn check_events(&self, key: &Pubkey, before: Option<&Account>, done: &Done, lone: bool) {
        let ours = |a: Option<&Account>| {
            a.filter(|a| a.owner == io_network::ID)
                .map(|a| a.data.clone())
        };
        let (before, after) = (ours(before), ours(self.account(key).as_ref()));
        let told = done.events.iter().filter(|e| e.account == *key).count();
        if lone {
            assert!(told <= 1, "{told} events tell of one change of {key}");
            assert!(
                before == after || told == 1,
                "{key} changed without an event"
            );
        }
        assert_eq!(
            self.replica.accounts.get(key),
            after.as_ref(),
            "{key} is not what its events tell"
        );
    }

    /// A call that must go through.
    #[track_caller]
    pub fn ok(&mut self, call: &Call) -> Done {
        match self.attempt(call) {
            Ok(done) => done,
            Err(failed) => panic!("refused: {:?}\n{}", failed.error, failed.logs.join("\n")),
        }
    }

    /// A call that must be refused with exactly this error.
    #[track_caller]
    pub fn refuse(&mut self, call: &Call, expected: impl Into<Refusal>) {
        let expected = expected.into();
        match self.attempt(call) {
            Ok(_) => panic!("went through, expected {expected:?}"),
            Err(failed) => {
                assert!(
                    failed.is(expected),
                    "expected {expected:?}, got {:?}\n{}",
                    failed.error,
                    failed.logs.join("\n")
                )
            }
        }
    }

    // Accounts

    /// An account, if it has lamports.
    pub fn account(&self, key: &Pubkey) -> Option<Account> {
        self.svm.get_account(key).filter(|a| a.lamports > 0)
    }

    pub(crate) fn typed<T: AccountDeserialize>(&self, key: &Pubkey) -> T {
        let account = self
            .account(key)
            .unwrap_or_else(|| panic!("there is no account {key}"));
        T::try_deserialize(&mut account.data.as_slice()).expect("an account of its type")
    }

    pub fn network(&self) -> Network {
        self.typed(&network())
    }

    pub fn oracle_set(&self) -> OracleSet {
        self.typed(&oracle_set())
    }

    pub fn emission(&self) -> Emission {
        self.typed(&emission())
    }

    pub fn vesting(&self, index: u8) -> Vesting {
        self.typed(&vesting(index))
    }

    pub fn job(&self, key: &Pubkey) -> Job {
        self.typed(key)
    }

    pub fn device(&self, key: &Pubkey) -> Device {
        self.typed(key)
    }

    pub fn provider(&self, key: &Pubkey) -> Provider {
        self.typed(key)
    }

    pub fn class(&self, key: &Pubkey) -> DeviceClass {
        self.typed(key)
    }

    pub fn payment(&self, key: &Pubkey) -> PaymentMint {
        self.typed(key)
    }

    pub fn proposal(&self, key: &Pubkey) -> Proposal {
        self.typed(key)
    }

    pub fn slash_case(&self, key: &Pubkey) -> SlashCase {
        self.typed(key)
    }

    /// Overwrites an account, beside every rule. For accounts that a test forges.
    pub fn write(&mut self, key: &Pubkey, account: Account) {
        self.svm
            .set_account(*key, account)
            .expect("the account is written");
    }

    pub fn lamports(&self, key: &Pubkey) -> u64 {
        self.svm.get_balance(key).unwrap_or(0)
    }

    pub fn fund(&mut self, key: &Pubkey) {
        self.write(
            key,
            Account {
                lamports: LAMPORTS,
                owner: SYSTEM,
                rent_epoch: u64::MAX,
                ..Account::default()
            },
        );
    }

    /// A funded key.
    pub fn person(&mut self) -> Keypair {
        let key = self.keys.keypair();
        self.fund(&key.pubkey());
        key
    }

    /// Names who may upgrade the program: the virtual machine leaves it without.
    pub fn set_upgrade_authority(&mut self, authority: &Pubkey) {
        let address = program_data();
        let mut account = self.account(&address).expect("the program's data");
        // The loader's enum (4 bytes), slot (8), then an option (1) of the authority (32).
        account.data[12] = 1;
        account.data[13..45].copy_from_slice(authority.as_ref());
        self.write(&address, account);
    }

    // Tokens

    /// A token account at an address of its own, with `amount` base units in it.
    pub fn token_account(&mut self, mint: &Pubkey, owner: &Pubkey, amount: u64) -> Pubkey {
        let account = self.keys.keypair();
        let key = account.pubkey();
        self.open_token_account(&account, mint, owner);
        if amount > 0 {
            self.mint_to(mint, &key, amount);
        }
        key
    }

    pub fn open_token_account(&mut self, account: &Keypair, mint: &Pubkey, owner: &Pubkey) {
        let create = system_instruction::create_account(
            &self.fee_payer.pubkey(),
            &account.pubkey(),
            self.svm
                .minimum_balance_for_rent_exemption(TOKEN_ACCOUNT_LEN),
            TOKEN_ACCOUNT_LEN as u64,
            &self.account(mint).expect("the mint").owner,
        );
        self.must(
            &[
                create,
                spl::initialize_account(&account.pubkey(), mint, owner),
            ],
            &[account],
        );
    }

    /// New tokens; of IO that only the program can mint, some of the bank's.
    pub fn mint_to(&mut self, mint: &Pubkey, account: &Pubkey, amount: u64) {
        if let Some(bank) = self.bank.clone().filter(|_| *mint == self.io_mint) {
            let give = spl::transfer(&bank.account, account, &bank.key.pubkey(), amount);
            return self.must(&[give], &[&bank.key]);
        }
        let authority = self.mint_authority.insecure_clone();
        self.must(
            &[spl::mint_to(mint, account, &authority.pubkey(), amount)],
            &[&authority],
        );
    }

    /// Puts tokens into a vault beside the program.
    pub fn donate(&mut self, mint: &Pubkey, vault: &Pubkey, amount: u64) {
        self.mint_to(mint, vault, amount);
        *self.donated.entry(*vault).or_default() += amount;
    }

    pub fn freeze(&mut self, mint: &Pubkey, account: &Pubkey) {
        let authority = self.mint_authority.insecure_clone();
        self.must(
            &[spl::freeze(account, mint, &authority.pubkey())],
            &[&authority],
        );
    }

    pub fn thaw(&mut self, mint: &Pubkey, account: &Pubkey) {
        let authority = self.mint_authority.insecure_clone();
        self.must(
            &[spl::thaw(account, mint, &authority.pubkey())],
            &[&authority],
        );
    }

    /// Base units in a token account; zero when there is none.
    pub fn tokens(&self, account: &Pubkey) -> u64 {
        match self.account(account) {
            Some(a)
                if [
                    io_network::token::TOKEN_PROGRAM,
                    io_network::token::TOKEN_2022_PROGRAM,
                ]
                .contains(&a.owner)
                    && a.data.len() >= TOKEN_ACCOUNT_LEN =>
            {
                u64::from_le_bytes(a.data[64..72].try_into().unwrap())
            }
            _ => 0,
        }
    }

    /// Everything of a mint that is in the treasury.
    pub fn treasury(&self, mint: &Pubkey) -> u64 {
        self.payment(&payment(mint))
            .shards
            .iter()
            .map(|shard| self.tokens(shard))
            .sum()
    }
}

// Addresses

pub(crate) fn find(parts: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(parts, &io_network::ID).0
}

pub fn network() -> Pubkey {
    find(&[seeds::NETWORK])
}

pub fn oracle_set() -> Pubkey {
    find(&[seeds::ORACLES])
}

pub fn payment(mint: &Pubkey) -> Pubkey {
    find(&[seeds::PAYMENT, mint.as_ref()])
}

pub fn treasury_shard(mint: &Pubkey, shard: u8) -> Pubkey {
    find(&[seeds::TREASURY, mint.as_ref(), &[shard]])
}

pub fn class(id: u16) -> Pubkey {
    find(&[seeds::CLASS, &id.to_le_bytes()])
}

pub fn provider(authority: &Pubkey) -> Pubkey {
    find(&[seeds::PROVIDER, authority.as_ref()])
}

pub fn stake_vault(provider: &Pubkey) -> Pubkey {
    find(&[seeds::STAKE, provider.as_ref()])
}

/// Vault of a provider's co-stakers.
pub fn co_vault(provider: &Pubkey) -> Pubkey {
    find(&[seeds::CO_VAULT, provider.as_ref()])
}

pub fn device(hardware: &[u8; 32]) -> Pubkey {
    find(&[seeds::DEVICE, hardware])
}

pub fn job(renter: &Pubkey, nonce: u64) -> Pubkey {
    find(&[seeds::JOB, renter.as_ref(), &nonce.to_le_bytes()])
}

/// The first nonce from `from` on that needs no search for the job's address, nor for its vault's.
pub fn job_nonce(renter: &Pubkey, from: u64) -> u64 {
    let bump = |parts: &[&[u8]]| Pubkey::find_program_address(parts, &io_network::ID).1;
    (from..)
        .find(|nonce| {
            let seed = nonce.to_le_bytes();
            let job = job(renter, *nonce);
            bump(&[seeds::JOB, renter.as_ref(), &seed]) == 255
                && bump(&[seeds::VAULT, job.as_ref()]) == 255
        })
        .expect("one in four serves")
}

/// Vault of a job or of a slash case.
pub fn vault(of: &Pubkey) -> Pubkey {
    find(&[seeds::VAULT, of.as_ref()])
}

/// Account of an oracle's bond. Its vault is `stake_vault` of it.
pub fn oracle(key: &Pubkey) -> Pubkey {
    find(&[seeds::ORACLE, key.as_ref()])
}

pub fn co_stake(provider: &Pubkey, co_staker: &Pubkey) -> Pubkey {
    find(&[seeds::CO_STAKE, provider.as_ref(), co_staker.as_ref()])
}

pub fn slash_case(provider: &Pubkey, number: u64) -> Pubkey {
    find(&[seeds::SLASH, provider.as_ref(), &number.to_le_bytes()])
}

pub fn proposal(hash: &[u8; 32]) -> Pubkey {
    find(&[seeds::PROPOSAL, hash])
}

pub fn emission() -> Pubkey {
    find(&[seeds::EMISSION])
}

pub fn vesting(index: u8) -> Pubkey {
    find(&[seeds::VESTING, &[index]])
}

pub fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[io_network::ID.as_ref()], &LOADER).0
}

// Arguments

pub fn class_args(id: u16, multiplier_e2: u32) -> io_network::ClassArgs {
    let mut name = [0; 32];
    name[..5].copy_from_slice(b"class");
    io_network::ClassArgs {
        id,
        name,
        multiplier_e2,
        min_tops_e2: 0,
        min_memory_mib: 0,
        norm_tops_e2: 0,
        group: u8::from(id == CLASS_BIG),
        price_floor: IO / 10,
        price_ceiling: 100 * IO,
        reference_price: IO,
    }
}

pub fn payment_args(mint: Mint) -> io_network::PaymentMintArgs {
    match mint {
        Mint::Io => io_network::PaymentMintArgs {
            io_per_unit_e9: 1_000_000_000,
            fee_bps: 0,
            enabled: true,
        },
        Mint::Usd => io_network::PaymentMintArgs {
            io_per_unit_e9: USD_IO_E9,
            fee_bps: USD_FEE_BPS,
            enabled: true,
        },
    }
}

/// Names an account of an instruction: (key, signs, writable).
pub fn meta(key: &Pubkey, signs: bool, writable: bool) -> AccountMeta {
    AccountMeta {
        pubkey: *key,
        is_signer: signs,
        is_writable: writable,
    }
}
