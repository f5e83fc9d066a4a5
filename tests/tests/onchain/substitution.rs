//! Every account of every instruction, swapped for a wrong one: the exact error, and nothing moved.
//!
//! `table` says of each account what it is; the mutations and their errors follow from that. The list of instructions and
//! accounts comes from the program's interface description, so that a new one without a row fails the test.

use std::collections::BTreeMap;

use anchor_lang::{error::ErrorCode, prelude::Pubkey};
use io_network::{
    ClaimRewardsArgs, ConvictArgs, Payee, PublishRootArgs, Roles, VestingArgs,
    attest::INSTRUCTIONS_SYSVAR,
    constants::{EVICT_SECONDS, EVIDENCE_SECONDS},
    errors::IoError,
    guard,
    state::SlashParty,
    token::{self, TOKEN_PROGRAM},
};
use io_protocol::{
    messages::{EPOCH_SECONDS, ResultStatement, Verdict},
    money::IO,
    rewards::{Leaf, Native, Tree},
    slashing::SlashVerdict,
};
use io_tests::{
    ASK, At, CLASS_BIG, CLASS_SMALL, Call, Mint, NOT_TOKEN_OWNER, PARAMS, Party, Refusal, Rig,
    STAKE, Stage, UNITS, USD, World,
    calls::{proposal_of, with_proposal},
    ed25519::Ed25519,
    hardware::{Cell, evidence},
    lease_terms,
    treasury::BUY_BACK,
    world::{self, EMISSION_ARGS},
};
use serde_json::Value;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;

const TOKEN_2022: Pubkey = Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");

/// What is expected of another user's valid account: an error, or nothing (any such account will do).
type Another = Option<Refusal>;

/// What an account is, and with it what must happen when it is another.
#[derive(Clone, Copy, Debug)]
enum Role {
    /// Signs. Somebody else's signature in its place comes to this.
    Signs(Another),
    /// One of the program's accounts. Another of its type comes to this.
    Typed(Another),
    /// One of the program's accounts of which there is only one.
    Only,
    /// Created at its PDA.
    New,
    /// Recognised by its address: whatever else is there comes to this.
    Bound(Refusal),
    /// Any token account that qualifies: what is no token account, and somebody else's.
    Token { not_one: Refusal, another: Another },
    /// A mint that qualifies: one of another program, an account that is none, and another mint.
    Mint {
        foreign: Refusal,
        not_one: Refusal,
        another: Another,
    },
    /// The program's data account of the upgradeable loader.
    ProgramData,
    /// An account of the program of an earlier layout, whichever.
    Migratable,
    /// The proposal that lets a change through the timelock: another, and none.
    Proposed,
}

use Role::*;

fn io(e: IoError) -> Refusal {
    e.into()
}

fn signs(e: IoError) -> Role {
    Signs(Some(io(e)))
}

fn typed(e: IoError) -> Role {
    Typed(Some(io(e)))
}

fn seeds() -> Refusal {
    ErrorCode::ConstraintSeeds.into()
}

/// The table: instruction → its accounts, in order.
fn table() -> BTreeMap<&'static str, Vec<(&'static str, Role)>> {
    use IoError::*;
    let wrong = Bound(io(WrongAccount));
    let system = ("system_program", Bound(ErrorCode::InvalidProgramId.into()));
    let token = ("token_program", wrong);
    let network = ("network", Only);
    let oracle_set = ("oracle_set", Only);
    let instructions = ("instructions", wrong);
    let admin = ("admin", signs(NotAdmin));
    let authority = ("authority", signs(NotProviderAuthority));
    let own_provider = ("provider", typed(NotProviderAuthority));
    let own_device = ("device", typed(WrongAccount));
    let vault = ("vault", wrong);
    let stake_vault = ("stake_vault", wrong);
    let co_vault = ("co_vault", wrong);
    let slash_vault = ("slash_vault", wrong);
    let any_provider = ("provider", typed(WrongAccount));
    let slash_case = ("slash_case", typed(WrongAccount));
    let co_stake = ("co_stake", typed(WrongAccount));
    let payer_token = ("payer_token", wrong);
    let io_mint = ("io_mint", Bound(io(WrongMint)));
    let proposal = ("proposal", Proposed);
    let bad_token = |another| Token {
        not_one: io(BadTokenAccount),
        another,
    };
    BTreeMap::from([
        (
            "initialize_network",
            vec![
                ("authority", signs(NotUpgradeAuthority)),
                ("network", New),
                ("oracle_set", New),
                (
                    "io_mint",
                    Role::Mint {
                        foreign: io(WrongOwner),
                        not_one: io(WrongMint),
                        another: Some(io(WrongMint)),
                    },
                ),
                ("program", Bound(ErrorCode::InvalidProgramId.into())),
                ("program_data", ProgramData),
                system,
            ],
        ),
        ("update_params", vec![admin, network, proposal]),
        ("set_timelock", vec![admin, network, proposal]),
        ("set_treasury_owner", vec![admin, network, proposal]),
        (
            "withdraw_treasury",
            vec![
                admin,
                network,
                ("payment", typed(WrongAccount)),
                ("main", wrong),
                // The proposal names the destination.
                ("destination", Bound(io(WrongProposal))),
                token,
                proposal,
            ],
        ),
        (
            "set_buy_back",
            vec![
                admin,
                network,
                // The mint is one of the rule's seeds.
                ("payment", Typed(Some(seeds()))),
                ("buy_back", New),
                system,
                proposal,
            ],
        ),
        (
            "init_treasury_main",
            vec![
                ("payer", Signs(None)),
                network,
                ("payment", typed(WrongMint)),
                // The mint is one of the account's seeds.
                ("mint", Bound(seeds())),
                ("main", New),
                token,
                system,
            ],
        ),
        (
            "sweep_treasury",
            vec![
                network,
                ("payment", typed(WrongMint)),
                ("mint", Bound(io(WrongMint))),
                ("main", wrong),
                token,
            ],
        ),
        (
            "sell_to_treasury",
            vec![
                ("seller", Signs(Some(NOT_TOKEN_OWNER))),
                network,
                ("payment", typed(WrongMint)),
                ("buy_back", typed(WrongMint)),
                io_mint,
                ("seller_io", bad_token(Some(NOT_TOKEN_OWNER))),
                ("main", wrong),
                ("seller_token", bad_token(None)),
                ("io_token_program", wrong),
                token,
            ],
        ),
        (
            "update_guidance",
            vec![
                network,
                oracle_set,
                ("emission", Only),
                ("class", typed(WrongMessage)),
                instructions,
            ],
        ),
        (
            "migrate_account",
            vec![("payer", Signs(None)), ("account", Migratable), system],
        ),
        ("set_roles", vec![admin, network]),
        (
            "propose_change",
            vec![
                ("proposer", signs(NotAdmin)),
                network,
                ("proposal", New),
                system,
            ],
        ),
        (
            "cancel_change",
            vec![
                ("signer", signs(NotAdmin)),
                network,
                // The administrator chooses which.
                ("proposal", Typed(None)),
            ],
        ),
        ("set_paused", vec![admin, network]),
        ("propose_admin", vec![admin, network]),
        (
            "accept_admin",
            vec![("pending_admin", signs(NotPendingAdmin)), network],
        ),
        ("set_oracles", vec![admin, network, oracle_set, proposal]),
        // The mint is one of the payment's seeds.
        (
            "add_payment_mint",
            vec![
                admin,
                network,
                ("mint", Bound(seeds())),
                ("payment", New),
                system,
                proposal,
            ],
        ),
        // The proposal names the account that it changes.
        (
            "update_payment_mint",
            vec![admin, network, ("payment", typed(WrongProposal)), proposal],
        ),
        (
            "init_treasury_shard",
            vec![
                ("payer", Signs(None)),
                network,
                ("payment", typed(WrongMint)),
                // The mint is one of the treasury's seeds.
                ("mint", Bound(seeds())),
                ("treasury", New),
                token,
                system,
            ],
        ),
        (
            "add_class",
            vec![admin, network, ("class", New), system, proposal],
        ),
        (
            "update_class",
            vec![admin, network, ("class", typed(WrongAccount)), proposal],
        ),
        (
            "initialize_emission",
            vec![
                admin,
                network,
                ("emission", New),
                // The emission is one of the vault's seeds.
                ("vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        (
            "create_vesting",
            vec![
                admin,
                network,
                ("emission", Only),
                ("vesting", New),
                ("vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        (
            "claim_vested",
            vec![
                ("beneficiary", signs(NotBeneficiary)),
                ("vesting", typed(NotBeneficiary)),
                vault,
                // The beneficiary chooses which.
                ("token_account", bad_token(None)),
                token,
            ],
        ),
        (
            "propose_beneficiary",
            vec![
                ("signer", signs(NotBeneficiary)),
                ("vesting", typed(NotBeneficiary)),
            ],
        ),
        (
            "accept_beneficiary",
            vec![
                ("signer", signs(NotBeneficiary)),
                ("vesting", typed(NotBeneficiary)),
            ],
        ),
        (
            "advance_epoch",
            vec![("emission", Only), io_mint, vault, token],
        ),
        (
            "publish_root",
            vec![network, oracle_set, ("emission", Only), instructions],
        ),
        (
            "claim_rewards",
            vec![
                // Anybody may send it to where this one goes.
                ("signer", Signs(None)),
                ("emission", Only),
                vault,
                ("provider", typed(WrongAccount)),
                co_vault,
                ("destination", bad_token(Some(io(WrongAccount)))),
                token,
            ],
        ),
        (
            "set_enterprise_share",
            vec![admin, network, ("emission", Only), proposal],
        ),
        (
            "register_provider",
            // The authority is one of the provider's seeds.
            vec![
                ("authority", Signs(Some(seeds()))),
                network,
                ("provider", New),
                ("stake_vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        ("set_payout_owner", vec![authority, network, own_provider]),
        ("request_unstake", vec![authority, network, own_provider]),
        (
            "stake",
            vec![
                authority,
                network,
                own_provider,
                stake_vault,
                ("token_account", bad_token(Some(NOT_TOKEN_OWNER))),
                token,
            ],
        ),
        (
            "withdraw_stake",
            vec![
                authority,
                network,
                own_provider,
                stake_vault,
                ("token_account", bad_token(None)),
                token,
            ],
        ),
        // The other class asks for a larger bond.
        (
            "register_device",
            vec![
                ("authority", signs(NotProviderAuthority)),
                network,
                own_provider,
                ("class", typed(BondTooSmall)),
                ("device", New),
                system,
            ],
        ),
        (
            "attest_device",
            vec![
                network,
                oracle_set,
                ("class", typed(WrongAccount)),
                ("device", typed(WrongMessage)),
                instructions,
            ],
        ),
        (
            "set_device_bond",
            vec![authority, network, own_provider, own_device],
        ),
        (
            "set_device_operator",
            vec![authority, network, own_provider, own_device],
        ),
        (
            "set_device_draining",
            vec![
                ("signer", signs(NotOperator)),
                ("provider", typed(WrongAccount)),
                own_device,
            ],
        ),
        ("retire_device", vec![authority, own_provider, own_device]),
        (
            "create_job",
            vec![
                // The renter is one of the job's seeds.
                ("renter", Signs(Some(seeds()))),
                ("payer", signs(WrongOwner)),
                network,
                ("payment", typed(WrongMint)),
                ("mint", Bound(io(WrongMint))),
                ("job", New),
                ("vault", New),
                ("payer_token", bad_token(Some(io(WrongOwner)))),
                token,
                system,
            ],
        ),
        (
            "accept_job",
            vec![
                ("operator", signs(NotOperator)),
                network,
                oracle_set,
                ("provider", typed(WrongAccount)),
                ("device", typed(NotOperator)),
                // The arguments name another slot of creation.
                ("job", typed(AnotherJob)),
                ("provider_token", bad_token(Some(io(WrongOwner)))),
                instructions,
            ],
        ),
        (
            "submit_result",
            vec![
                ("operator", signs(NotOperator)),
                own_device,
                ("job", typed(WrongAccount)),
            ],
        ),
        (
            "settle_job",
            vec![
                network,
                oracle_set,
                ("job", typed(WrongAccount)),
                own_device,
                vault,
                ("provider_token", wrong),
                payer_token,
                ("treasury", wrong),
                instructions,
                token,
            ],
        ),
        (
            "reject_job",
            vec![
                network,
                oracle_set,
                ("job", typed(WrongAccount)),
                own_device,
                vault,
                payer_token,
                instructions,
                token,
            ],
        ),
        (
            "dispute_job",
            vec![
                ("disputer", signs(NotRenter)),
                oracle_set,
                ("job", typed(NotRenter)),
            ],
        ),
        (
            "cancel_job",
            vec![
                ("signer", signs(NotRenter)),
                ("job", typed(NotRenter)),
                vault,
                payer_token,
                token,
            ],
        ),
        (
            "expire_job",
            vec![
                ("job", typed(WrongAccount)),
                own_device,
                vault,
                payer_token,
                token,
            ],
        ),
        (
            "release_owed",
            vec![
                // Anybody may deliver to the account that was agreed.
                ("signer", Signs(None)),
                network,
                ("provider", typed(WrongAccount)),
                ("job", typed(WrongAccount)),
                vault,
                ("destination", bad_token(Some(io(WrongAccount)))),
                token,
            ],
        ),
        (
            "fund_job",
            vec![
                // The sponsor is one of the deposit's seeds, as the job.
                ("sponsor", Signs(Some(seeds()))),
                network,
                ("job", Typed(Some(seeds()))),
                ("deposit", New),
                vault,
                ("sponsor_token", bad_token(Some(io(WrongOwner)))),
                token,
                system,
            ],
        ),
        (
            "extend_job",
            vec![
                ("signer", signs(NotRenter)),
                ("sponsor", Signs(Some(seeds()))),
                network,
                ("job", Typed(Some(seeds()))),
                ("deposit", New),
                vault,
                ("sponsor_token", bad_token(Some(io(WrongOwner)))),
                token,
                system,
            ],
        ),
        (
            "release_deposit",
            vec![
                // Anybody may deliver to the sponsor.
                ("signer", Signs(None)),
                ("sponsor", wrong),
                ("job", typed(WrongAccount)),
                ("deposit", typed(WrongAccount)),
                vault,
                (
                    "destination",
                    Token {
                        not_one: io(WrongAccount),
                        another: Some(io(WrongAccount)),
                    },
                ),
                token,
            ],
        ),
        (
            "checkpoint_job",
            vec![
                network,
                oracle_set,
                ("job", typed(WrongAccount)),
                vault,
                ("provider_token", wrong),
                ("treasury", wrong),
                instructions,
                token,
            ],
        ),
        (
            "end_lease",
            vec![
                ("signer", signs(NotRenter)),
                any_provider,
                own_device,
                ("job", typed(WrongAccount)),
            ],
        ),
        (
            "finish_lease",
            vec![
                ("job", typed(WrongAccount)),
                own_device,
                vault,
                payer_token,
                token,
            ],
        ),
        (
            "open_slash_case",
            vec![
                ("opener", Signs(None)),
                network,
                ("job", typed(WrongAccount)),
                // The provider is one of the case's seeds.
                ("provider", Typed(Some(seeds()))),
                stake_vault,
                co_vault,
                ("slash_case", New),
                ("slash_vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        // The challenger is the evidence's seed.
        (
            "commit_evidence",
            vec![
                ("challenger", Signs(Some(seeds()))),
                ("evidence", New),
                system,
            ],
        ),
        (
            "write_evidence",
            vec![
                ("challenger", signs(WrongAccount)),
                ("evidence", typed(WrongAccount)),
            ],
        ),
        (
            "close_evidence",
            vec![
                ("challenger", signs(WrongAccount)),
                ("evidence", typed(WrongAccount)),
            ],
        ),
        (
            "prove_bad_cell",
            vec![
                ("challenger", signs(WrongAccount)),
                network,
                ("evidence", typed(WrongAccount)),
                ("device", typed(WrongAccount)),
                // The provider is one of the case's seeds.
                ("provider", Typed(Some(seeds()))),
                stake_vault,
                co_vault,
                ("slash_case", New),
                ("slash_vault", New),
                io_mint,
                instructions,
                token,
                system,
            ],
        ),
        (
            "open_fault_case",
            vec![
                ("opener", Signs(None)),
                network,
                ("device", typed(WrongAccount)),
                // The provider is one of the case's seeds.
                ("provider", Typed(Some(seeds()))),
                stake_vault,
                co_vault,
                ("slash_case", New),
                ("slash_vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        (
            "evict_device",
            vec![("authority", wrong), any_provider, own_device],
        ),
        (
            "appeal_slash",
            vec![
                authority,
                network,
                own_provider,
                slash_case,
                slash_vault,
                ("token_account", bad_token(Some(NOT_TOKEN_OWNER))),
                token,
            ],
        ),
        (
            "finalise_slash_case",
            vec![
                network,
                any_provider,
                ("device", wrong),
                slash_case,
                slash_vault,
                stake_vault,
                co_vault,
                io_mint,
                token,
            ],
        ),
        (
            "file_evidence",
            vec![
                ("oracle", signs(NotAnOracle)),
                oracle_set,
                // It accused in both.
                ("slash_case", Typed(None)),
            ],
        ),
        (
            "decide_slash",
            vec![
                network,
                oracle_set,
                any_provider,
                ("device", wrong),
                slash_case,
                slash_vault,
                stake_vault,
                co_vault,
                io_mint,
                instructions,
                token,
            ],
        ),
        (
            "pay_slash_share",
            vec![
                network,
                slash_case,
                slash_vault,
                ("destination", bad_token(Some(io(WrongOwner)))),
                token,
            ],
        ),
        (
            "close_slash_case",
            vec![
                network,
                ("opener", wrong),
                slash_case,
                slash_vault,
                io_mint,
                token,
            ],
        ),
        (
            "set_co_stake_terms",
            vec![
                authority,
                network,
                own_provider,
                co_vault,
                io_mint,
                token,
                system,
            ],
        ),
        (
            "join_co_stake",
            vec![
                // Co-staker and provider are seeds of the co-stake.
                ("co_staker", Signs(Some(seeds()))),
                network,
                ("provider", Typed(Some(seeds()))),
                ("co_stake", New),
                co_vault,
                ("token_account", bad_token(Some(NOT_TOKEN_OWNER))),
                token,
                system,
            ],
        ),
        ("activate_co_stake", vec![any_provider, co_stake]),
        (
            "claim_co_rewards",
            vec![
                network,
                any_provider,
                co_stake,
                co_vault,
                stake_vault,
                ("destination", bad_token(Some(io(WrongOwner)))),
                token,
            ],
        ),
        (
            "leave_co_stake",
            vec![
                ("signer", signs(NotCoStaker)),
                network,
                any_provider,
                co_stake,
            ],
        ),
        (
            "start_co_unbond",
            vec![("signer", Signs(None)), network, any_provider, co_stake],
        ),
        (
            "release_bond_for_leaver",
            vec![any_provider, own_device, co_stake],
        ),
        (
            "withdraw_co_stake",
            vec![
                network,
                any_provider,
                ("co_staker", wrong),
                co_stake,
                co_vault,
                stake_vault,
                ("destination", bad_token(Some(io(WrongOwner)))),
                token,
            ],
        ),
        (
            "register_oracle",
            vec![
                // The key is one of the account's seeds.
                ("key", Signs(Some(seeds()))),
                ("owner", Signs(None)),
                network,
                ("oracle", New),
                ("vault", New),
                io_mint,
                token,
                system,
            ],
        ),
        (
            "add_oracle_bond",
            vec![
                ("signer", Signs(Some(NOT_TOKEN_OWNER))),
                network,
                ("oracle", typed(WrongAccount)),
                vault,
                ("token_account", bad_token(Some(NOT_TOKEN_OWNER))),
                token,
            ],
        ),
        (
            "request_oracle_unbond",
            vec![
                ("owner", signs(NotOracleOwner)),
                network,
                oracle_set,
                ("oracle", typed(NotOracleOwner)),
            ],
        ),
        (
            "withdraw_oracle_bond",
            vec![
                ("signer", signs(NotOracleOwner)),
                network,
                ("oracle", typed(NotOracleOwner)),
                vault,
                ("token_account", bad_token(None)),
                token,
            ],
        ),
        (
            "prove_equivocation",
            vec![
                network,
                oracle_set,
                ("oracle", typed(WrongAccount)),
                vault,
                io_mint,
                ("destination", bad_token(None)),
                instructions,
                token,
            ],
        ),
        (
            "convict_oracle",
            vec![
                network,
                oracle_set,
                ("oracle", typed(WrongAccount)),
                vault,
                io_mint,
                ("destination", bad_token(Some(io(WrongMessage)))),
                instructions,
                token,
            ],
        ),
        (
            "close_job",
            vec![
                ("signer", signs(RetentionNotOver)),
                ("payer", wrong),
                ("job", typed(WrongAccount)),
                vault,
                payer_token,
                token,
            ],
        ),
    ])
}

/// An account of an instruction, from the program's interface description.
#[derive(Clone, Debug)]
struct Listed {
    name: String,
    signer: bool,
    writable: bool,
    optional: bool,
}

/// While one works on some instructions, `SUBSTITUTE=stake,unstake` tries those only.
fn wanted(instruction: &str) -> bool {
    match std::env::var("SUBSTITUTE") {
        Ok(names) => names.split(',').any(|name| name == instruction),
        Err(_) => true,
    }
}

fn interface() -> BTreeMap<String, Vec<Listed>> {
    let idl: Value = serde_json::from_str(include_str!("../../../idl/io_network.json"))
        .expect("the IDL is JSON");
    let flag = |account: &Value, name: &str| account[name].as_bool().unwrap_or(false);
    idl["instructions"]
        .as_array()
        .expect("instructions")
        .iter()
        .map(|i| {
            let accounts = i["accounts"]
                .as_array()
                .expect("accounts")
                .iter()
                .map(|a| Listed {
                    name: a["name"].as_str().expect("a name").to_owned(),
                    signer: flag(a, "signer"),
                    writable: flag(a, "writable"),
                    optional: flag(a, "optional"),
                });
            (
                i["name"].as_str().expect("a name").to_owned(),
                accounts.collect(),
            )
        })
        .filter(|(name, _)| wanted(name))
        .collect()
}

/// Instructions of a network in which only the program mints IO.
const EMISSION: [&str; 7] = [
    "advance_epoch",
    "publish_root",
    "claim_rewards",
    "claim_vested",
    "propose_beneficiary",
    "accept_beneficiary",
    "set_enterprise_share",
];

/// A world in which one instruction would go through, and another user's accounts like those it names.
struct Scene {
    world: World,
    call: Call,
    others: BTreeMap<&'static str, Pubkey>,
}

impl Scene {
    fn fork(&self) -> Self {
        Self {
            world: self.world.fork(),
            call: self.call.duplicate(),
            others: self.others.clone(),
        }
    }
}

/// Two jobs of two renters on two devices in one world, both in the same state. The second is the other user's.
fn two(mut world: World, at: At) -> (Stage, Stage) {
    let theirs = world.rig(CLASS_SMALL, 1_000 * IO);
    let mut other = Stage::with(world, theirs, Mint::Io);
    other.go(at);
    let blank = other.world.fork();
    let mut world = std::mem::replace(&mut other.world, blank);
    let ours = world.rig(CLASS_SMALL, 1_000 * IO);
    let mut stage = Stage::with(world, ours, Mint::Io);
    stage.go(at);
    (stage, other)
}

/// Instructions about slash cases.
fn slash_scene(instruction: &str) -> Option<Scene> {
    let known = [
        "appeal_slash",
        "finalise_slash_case",
        "file_evidence",
        "decide_slash",
        "pay_slash_share",
        "close_slash_case",
    ];
    if !known.contains(&instruction) {
        return None;
    }
    let (stage, other) = two(World::new(135), At::Rejected);
    let mut w = stage.world.fork();
    let opener = w.person();
    let parties = [(&stage, &stage.rig), (&other, &other.rig)];
    let cases = parties.map(|(stage, rig)| {
        let call = w.open_slash_case_call(&stage.key, rig, &opener);
        w.ok(&call);
        (world::slash_case(&rig.provider, 0), rig, &stage.renter)
    });
    let (case, rig, renter) = cases[0];
    let (other_case, other_rig, other_renter) = cases[1];
    if instruction == "decide_slash" {
        for (case, rig, _) in cases {
            let call = w.appeal_slash_call(rig, &case);
            w.ok(&call);
        }
    } else if !["appeal_slash", "file_evidence"].contains(&instruction) {
        w.advance(i64::from(STAKE.appeal_seconds) + 1);
    }
    if ["pay_slash_share", "close_slash_case"].contains(&instruction) {
        for (case, _, _) in cases {
            let call = w.finalise_slash_case_call(&case);
            w.ok(&call);
        }
    }
    if instruction == "close_slash_case" {
        for (case, _, renter) in cases {
            let call = w.pay_slash_share_call(&case, SlashParty::Renter, &renter.io);
            w.ok(&call);
        }
    }
    let call = match instruction {
        "appeal_slash" => w.appeal_slash_call(rig, &case),
        "finalise_slash_case" => w.finalise_slash_case_call(&case),
        "file_evidence" => {
            let accuser = w.oracles[0].insecure_clone();
            w.file_evidence_call(&accuser, &case, [5; 32])
        }
        "decide_slash" => w.decide_slash_call(&case, SlashVerdict::Returned, &[2]),
        "pay_slash_share" => w.pay_slash_share_call(&case, SlashParty::Renter, &renter.io),
        _ => w.close_slash_case_call(&case),
    };
    let others = BTreeMap::from([
        ("provider", other_rig.provider),
        ("device", other_rig.device),
        ("slash_case", other_case),
        ("slash_vault", world::vault(&other_case)),
        ("stake_vault", other_rig.stake_vault()),
        ("co_vault", world::co_vault(&other_rig.provider)),
        ("token_account", other_rig.authority.io),
        ("destination", other_renter.io),
        ("opener", other_rig.authority.pubkey()),
        ("io_mint", w.usd_mint),
        ("instructions", CLOCK),
        ("token_program", TOKEN_2022),
    ]);
    Some(Scene {
        world: w,
        call,
        others,
    })
}

/// Instructions about co-stake and eviction.
fn co_stake_scene(instruction: &str) -> Option<Scene> {
    let known = [
        "set_co_stake_terms",
        "join_co_stake",
        "activate_co_stake",
        "claim_co_rewards",
        "leave_co_stake",
        "start_co_unbond",
        "release_bond_for_leaver",
        "withdraw_co_stake",
        "evict_device",
    ];
    if !known.contains(&instruction) {
        return None;
    }
    let mut w = World::emitting(136);
    let rigs = [(); 2].map(|()| w.rig(CLASS_SMALL, 1_000 * IO));
    let (rig, other_rig) = (&rigs[0], &rigs[1]);
    let mut others = BTreeMap::from([
        ("authority", other_rig.authority.pubkey()),
        ("provider", other_rig.provider),
        ("device", other_rig.device),
        ("co_vault", world::co_vault(&other_rig.provider)),
        ("stake_vault", other_rig.stake_vault()),
        ("io_mint", w.usd_mint),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
    ]);
    let call = match instruction {
        "set_co_stake_terms" => w.set_co_stake_terms_call(rig, 500, true),
        "evict_device" => {
            let unattested = [(); 2].map(|()| w.unregistered_rig(CLASS_SMALL));
            for rig in &unattested {
                for call in [
                    w.register_provider_call(rig),
                    w.stake_call(rig, 250 * IO),
                    w.register_device_call(rig, 250 * IO),
                ] {
                    w.ok(&call);
                }
            }
            w.advance(EVICT_SECONDS + 1);
            others.insert("provider", unattested[1].provider);
            others.insert("device", unattested[1].device);
            w.evict_device_call(&unattested[0])
        }
        _ => {
            let members = rigs.each_ref().map(|rig| w.co_staker(rig, 500 * IO));
            let (member, other_member) = (&members[0], &members[1]);
            others.extend([
                (
                    "co_stake",
                    world::co_stake(&other_rig.provider, &other_member.pubkey()),
                ),
                ("co_staker", other_member.pubkey()),
                ("token_account", other_member.io),
                ("destination", other_member.io),
            ]);
            if instruction == "join_co_stake" {
                let late = w.party();
                let call = w.join_co_stake_call(rig, &late, 2 * IO);
                return Some(Scene {
                    world: w,
                    call,
                    others,
                });
            }
            w.pay_rewards(&[(rig, 1_000), (other_rig, 1_000)]);
            if instruction == "activate_co_stake" {
                w.activate_co_stake_call(rig, member)
            } else {
                for (rig, member) in rigs.iter().zip(&members) {
                    let call = w.activate_co_stake_call(rig, member);
                    w.ok(&call);
                }
                w.pay_rewards(&[(rig, 2_000), (other_rig, 2_000)]);
                let leaving = ["claim_co_rewards", "leave_co_stake"].contains(&instruction);
                if !leaving {
                    for (rig, member) in rigs.iter().zip(&members) {
                        if instruction == "release_bond_for_leaver" {
                            // The co-stake stands behind a part of the bond.
                            let call = w.set_device_bond_call(rig, 1_200 * IO);
                            w.ok(&call);
                        }
                        let call = w.leave_co_stake_call(rig, &member.pubkey(), &member.key);
                        w.ok(&call);
                    }
                    w.advance(i64::from(STAKE.co_notice_seconds));
                }
                let anybody = w.person();
                if instruction == "withdraw_co_stake" {
                    for (rig, member) in rigs.iter().zip(&members) {
                        let call = w.start_co_unbond_call(rig, &member.pubkey(), &anybody);
                        w.ok(&call);
                    }
                    w.advance(i64::from(PARAMS.unbond_seconds));
                }
                if instruction == "release_bond_for_leaver" {
                    for (rig, member) in rigs.iter().zip(&members) {
                        let call = w.release_bond_for_leaver_call(rig, &member.pubkey());
                        w.ok(&call);
                    }
                    w.advance(EPOCH_SECONDS + EVIDENCE_SECONDS);
                }
                match instruction {
                    "claim_co_rewards" => w.claim_co_rewards_call(rig, member),
                    "leave_co_stake" => w.leave_co_stake_call(rig, &member.pubkey(), &member.key),
                    "start_co_unbond" => w.start_co_unbond_call(rig, &member.pubkey(), &anybody),
                    "release_bond_for_leaver" => {
                        w.release_bond_for_leaver_call(rig, &member.pubkey())
                    }
                    _ => w.withdraw_co_stake_call(rig, member),
                }
            }
        }
    };
    Some(Scene {
        world: w,
        call,
        others,
    })
}

/// Instructions about oracles' bonds.
fn oracle_scene(instruction: &str) -> Option<Scene> {
    let known = [
        "register_oracle",
        "add_oracle_bond",
        "request_oracle_unbond",
        "withdraw_oracle_bond",
        "prove_equivocation",
        "convict_oracle",
    ];
    if !known.contains(&instruction) {
        return None;
    }
    let mut w = World::new(137);
    let keys = [0, 1].map(|i: usize| w.oracles[i].insecure_clone());
    let owners = keys.each_ref().map(|key| w.bonded_oracle(key, 100 * IO));
    let (key, owner) = (&keys[0].pubkey(), &owners[0]);
    let call = match instruction {
        "register_oracle" => {
            let fresh = w.person();
            w.register_oracle_call(&fresh, &owner.key)
        }
        "add_oracle_bond" => w.add_oracle_bond_call(key, owner, 5),
        "request_oracle_unbond" => w.request_oracle_unbond_call(key, &owner.key, 5),
        "withdraw_oracle_bond" => {
            for (key, owner) in keys.iter().zip(&owners) {
                let call = w.request_oracle_unbond_call(&key.pubkey(), &owner.key, 5);
                w.ok(&call);
            }
            w.advance(i64::from(PARAMS.unbond_seconds));
            w.withdraw_oracle_bond_call(key, owner)
        }
        "convict_oracle" => {
            let args = ConvictArgs {
                job: Pubkey::new_from_array([1; 32]),
                created_slot: 2,
                epoch: 3,
                evidence: [4; 32],
            };
            let finder = w.party();
            let said = w.conduct_statement(key, &args, &finder.pubkey());
            let signed = Ed25519::signed(&said.to_bytes(), &[&w.oracles[1], &w.oracles[2]]);
            w.convict_oracle_call(key, &finder.io, args, signed)
        }
        _ => {
            let said = [Verdict::Valid, Verdict::Invalid].map(|verdict| {
                ResultStatement {
                    deployment: w.deployment(),
                    set_version: 1,
                    job: [1; 32],
                    created_slot: 2,
                    epoch: 3,
                    verdict,
                    output_hash: [4; 32],
                    units: 5,
                    disputed: false,
                }
                .to_bytes()
            });
            let proof = Ed25519::pair(&keys[0], &said[0], &said[1]);
            let reporter = w.party();
            w.prove_equivocation_call(key, &reporter.io, proof)
        }
    };
    let other = world::oracle(&keys[1].pubkey());
    let others = BTreeMap::from([
        ("oracle", other),
        ("vault", world::stake_vault(&other)),
        ("token_account", owners[1].io),
        ("destination", owners[1].io),
        ("io_mint", w.usd_mint),
        ("instructions", CLOCK),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
    ]);
    Some(Scene {
        world: w,
        call,
        others,
    })
}

/// Instructions about leases and deposits: two leases, or two sponsored jobs, of different people.
fn lease_scene(instruction: &str) -> Option<Scene> {
    let known = [
        "fund_job",
        "extend_job",
        "release_deposit",
        "checkpoint_job",
        "end_lease",
        "finish_lease",
    ];
    if !known.contains(&instruction) {
        return None;
    }
    let sponsored = ["fund_job", "release_deposit"].contains(&instruction);
    let mut world = World::new(139);
    let mut leases = Vec::new();
    for _ in 0..2 {
        let rig = world.rig(CLASS_SMALL, 1_000 * IO);
        let sponsor = world.party();
        let mut stage = Stage::with(world, rig, Mint::Io);
        stage.terms = lease_terms(&stage.world, 1);
        stage.terms.deposit = if sponsored { 500_000 } else { 0 };
        stage.create();
        stage.world.advance(1);
        if !sponsored {
            stage.accept(ASK);
        }
        if instruction == "release_deposit" {
            let call = stage.world.fund_job_call(&stage.key, &sponsor, u64::MAX, 0);
            stage.world.ok(&call);
            stage.cancel();
        }
        let blank = stage.world.fork();
        world = std::mem::replace(&mut stage.world, blank);
        leases.push((stage, sponsor));
    }
    let [(other, others_sponsor), (stage, sponsor)] = &leases[..] else {
        unreachable!("two leases")
    };
    if instruction == "finish_lease" {
        world.at(stage.job().run_until + i64::from(PARAMS.challenge_seconds) + 1);
    } else {
        world.advance(10);
    }
    let (key, renter) = (&stage.key, &stage.renter.key);
    let deposit =
        |stage: &Stage, of: &Party| io_tests::leases::deposit(&stage.key, &of.pubkey(), 0);
    let call = match instruction {
        "fund_job" => world.fund_job_call(key, sponsor, u64::MAX, 0),
        "extend_job" => world.extend_job_call(key, renter, sponsor, 60, 0),
        "release_deposit" => {
            let anybody = world.person();
            world.release_deposit_call(&deposit(stage, sponsor), &anybody)
        }
        "checkpoint_job" => world.checkpoint_call(key, 5, world.now(), &[0, 1]),
        "end_lease" => world.end_lease_call(key, renter),
        _ => world.finish_lease_call(key),
    };
    let others = BTreeMap::from([
        ("job", other.key),
        ("provider", other.rig.provider),
        ("device", other.rig.device),
        ("sponsor", others_sponsor.pubkey()),
        ("deposit", deposit(other, others_sponsor)),
        ("vault", other.vault()),
        ("sponsor_token", others_sponsor.io),
        ("destination", others_sponsor.io),
        ("provider_token", other.rig.payout.io),
        ("payer_token", other.payer.io),
        (
            "treasury",
            world::treasury_shard(&world.io_mint, (stage.key.as_ref()[0] + 1) % 16),
        ),
        ("instructions", CLOCK),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
    ]);
    Some(Scene {
        world,
        call,
        others,
    })
}

/// Instructions about hardware proofs.
fn hardware_scene(instruction: &str) -> Option<Scene> {
    const ALL: [&str; 5] = [
        "commit_evidence",
        "write_evidence",
        "close_evidence",
        "prove_bad_cell",
        "open_fault_case",
    ];
    if !ALL.contains(&instruction) {
        return None;
    }
    let mut w = World::new(141);
    let rigs = [0, 1].map(|_| w.rig(CLASS_SMALL, 1_000 * IO));
    let challengers = [0, 1].map(|_| w.person());
    let cell = Cell::off_by(32, 1, 1);
    if instruction != "commit_evidence" {
        for challenger in &challengers {
            w.write_claim(challenger, &cell);
        }
    }
    let (rig, challenger) = (&rigs[0], &challengers[0]);
    let call = match instruction {
        "commit_evidence" => w.commit_evidence_call(challenger, [1; 32]),
        "write_evidence" => w.write_evidence_call(challenger, 0, &[1]),
        "close_evidence" => w.close_evidence_call(challenger),
        "open_fault_case" => {
            // Neither bond covers its penalty at first; later there is stake for it.
            for (rig, challenger) in rigs.iter().zip(&challengers) {
                w.until_answered(rig);
                for call in [
                    w.set_device_bond_call(rig, IO),
                    w.request_unstake_call(rig, 999 * IO),
                ] {
                    w.ok(&call);
                }
                w.advance(i64::from(PARAMS.unbond_seconds));
                let said = w.committed(rig, &cell);
                for call in [
                    w.withdraw_stake_call(rig),
                    w.prove_bad_cell_call(challenger, rig, &said, &rig.operator),
                    w.stake_call(rig, 500 * IO),
                ] {
                    w.ok(&call);
                }
            }
            w.advance(EVIDENCE_SECONDS + EPOCH_SECONDS);
            w.open_fault_case_call(rig, challenger)
        }
        _ => {
            let said = w.committed(rig, &cell);
            w.prove_bad_cell_call(challenger, rig, &said, &rig.operator)
        }
    };
    let other = &rigs[1];
    let others = BTreeMap::from([
        ("evidence", evidence(&challengers[1].pubkey())),
        ("device", other.device),
        ("provider", other.provider),
        ("stake_vault", other.stake_vault()),
        ("co_vault", world::co_vault(&other.provider)),
        ("io_mint", w.usd_mint),
        ("instructions", CLOCK),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
    ]);
    Some(Scene {
        world: w,
        call,
        others,
    })
}

fn scene(instruction: &str) -> Scene {
    let of_stakes = slash_scene(instruction)
        .or_else(|| co_stake_scene(instruction))
        .or_else(|| oracle_scene(instruction))
        .or_else(|| hardware_scene(instruction))
        .or_else(|| treasury_scene(instruction))
        .or_else(|| guidance_scene(instruction))
        .or_else(|| lease_scene(instruction));
    if let Some(scene) = of_stakes {
        return scene;
    }
    if instruction == "initialize_network" {
        let mut world = World::bare(131);
        let call = world.initialize_network_call(PARAMS, 2);
        let others = BTreeMap::from([
            ("io_mint", world.usd_mint),
            ("program", TOKEN_PROGRAM),
            ("system_program", TOKEN_PROGRAM),
            ("network", world.keys.pubkey()),
            ("oracle_set", world.keys.pubkey()),
        ]);
        return Scene {
            world,
            call,
            others,
        };
    }
    if ["initialize_emission", "create_vesting"].contains(&instruction) {
        let mut world = World::unminted(134);
        let mut call = world.initialize_emission_call(EMISSION_ARGS);
        if instruction == "create_vesting" {
            world.ok(&call);
            let beneficiary = world.keys.pubkey();
            call = world.create_vesting_call(VestingArgs {
                index: 2,
                beneficiary,
                start_at: 0,
                cliff_seconds: 1,
                linear_seconds: 1,
            });
        }
        let others = BTreeMap::from([
            ("io_mint", world.usd_mint),
            ("token_program", TOKEN_2022),
            ("system_program", TOKEN_PROGRAM),
        ]);
        return Scene {
            world,
            call,
            others,
        };
    }
    let at = match instruction {
        "submit_result" | "expire_job" => At::Running,
        "settle_job" | "reject_job" | "dispute_job" | "release_owed" => At::Submitted,
        "open_slash_case" => At::ExpiredRunning,
        "close_job" => At::Cancelled,
        _ => At::Open,
    };
    let world = if EMISSION.contains(&instruction) {
        World::emitting(130)
    } else {
        World::new(130)
    };
    let (mut stage, other) = two(world, at);
    let rig = stage.rig.clone();
    let call = call(instruction, &mut stage, &rig, &other);
    let mut world = stage.world;
    // What waits for the timelock is shown with a proposal that has matured.
    let (call, other_proposal) = match guard::places_of(&call.instruction.data[..8]) {
        None => (call, None),
        Some(_) => {
            let (call, another) = matured(&mut world, &call);
            (call, Some(another))
        }
    };
    let fresh = world.keys.pubkey();
    let others = BTreeMap::from([
        (
            "proposal",
            other_proposal.unwrap_or_else(|| proposal_of(&world.set_timelock_call(0))),
        ),
        ("provider", other.rig.provider),
        ("device", other.rig.device),
        ("job", other.key),
        ("vault", world::vault(&other.key)),
        ("vesting", world::vesting(0)),
        ("stake_vault", other.rig.stake_vault()),
        ("payer", other.payer.pubkey()),
        ("payer_token", other.payer.io),
        ("provider_token", other.rig.payout.io),
        ("token_account", other.rig.authority.io),
        ("destination", other.rig.payout.io),
        (
            "treasury",
            world::treasury_shard(&world.io_mint, (stage.key.as_ref()[0] + 1) % 16),
        ),
        ("class", world::class(CLASS_BIG)),
        ("payment", world::payment(&world.usd_mint)),
        ("mint", world.usd_mint),
        ("io_mint", world.usd_mint),
        ("instructions", CLOCK),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
        ("co_vault", world::co_vault(&other.rig.provider)),
        ("slash_case", fresh),
        ("slash_vault", fresh),
    ]);
    Scene {
        world,
        call,
        others,
    }
}

/// The call with a proposal of it that has matured, and another proposal.
fn matured(world: &mut World, call: &Call) -> (Call, Pubkey) {
    let lock = world.set_timelock_call(60);
    world.ok(&lock);
    let admin = world.admin.insecure_clone();
    let another = world.add_class_call(world::class_args(78, 100));
    for change in [call, &another] {
        let publish = world.propose_change_call(&admin, change);
        world.ok(&publish);
    }
    world.advance(60);
    (
        with_proposal(call, &proposal_of(call)),
        proposal_of(&another),
    )
}

/// A step of a class's reference price, by an epoch that has its root.
fn guidance_scene(instruction: &str) -> Option<Scene> {
    if instruction != "update_guidance" {
        return None;
    }
    let mut world = World::emitting(139);
    let leaf = Leaf {
        provider: [7; 32],
        cumulative: 1,
    };
    let (epoch, _) = world.publish_epoch(&[leaf]);
    let call = world.update_guidance_call(CLASS_SMALL, epoch, 9_000, &[0, 1]);
    let others = BTreeMap::from([("class", world::class(CLASS_BIG)), ("instructions", CLOCK)]);
    Some(Scene {
        world,
        call,
        others,
    })
}

/// Instructions about the treasury and migration.
fn treasury_scene(instruction: &str) -> Option<Scene> {
    let known = [
        "set_treasury_owner",
        "withdraw_treasury",
        "set_buy_back",
        "init_treasury_main",
        "sweep_treasury",
        "sell_to_treasury",
        "migrate_account",
    ];
    if !known.contains(&instruction) {
        return None;
    }
    let stage = Stage::at(138, At::Open);
    let (mut w, job) = (stage.world, stage.key);
    let (someone, other) = (w.party(), w.party());
    let usd = w.usd_mint;
    // Another mint with all that this one has.
    let other_mint = Pubkey::new_from_array([0x77; 32]);
    let account = w.account(&usd).expect("the mint");
    w.write(&other_mint, account);
    let call = w.add_payment_mint_call(&other_mint, world::payment_args(Mint::Usd));
    w.ok(&call);
    let main = |mint| io_tests::treasury::treasury_main(mint);
    if instruction != "init_treasury_main" {
        w.mint_to(&usd, &world::treasury_shard(&usd, 0), 10 * USD);
        for call in [
            w.init_treasury_main_call(&usd),
            w.init_treasury_main_call(&w.io_mint),
            w.sweep_call(&usd, &[0]),
            w.set_treasury_owner_call(&someone.pubkey()),
        ] {
            w.ok(&call);
        }
    }
    let call = match instruction {
        "set_treasury_owner" => w.set_treasury_owner_call(&other.pubkey()),
        "withdraw_treasury" => w.withdraw_treasury_call(&usd, &someone.usd, 5),
        "set_buy_back" => w.set_buy_back_call(&usd, BUY_BACK),
        "init_treasury_main" => {
            let mut call = w.init_treasury_main_call(&usd);
            call.instruction.accounts[0].pubkey = someone.pubkey();
            call.signers = vec![someone.key.insecure_clone()];
            call
        }
        "sweep_treasury" => {
            w.mint_to(&usd, &world::treasury_shard(&usd, 1), 5);
            w.sweep_call(&usd, &[1])
        }
        "sell_to_treasury" => {
            for mint in [usd, other_mint] {
                let call = w.set_buy_back_call(&mint, BUY_BACK);
                w.ok(&call);
            }
            w.sell_call(&someone, IO, 1)
        }
        _ => {
            let mut short = w.account(&job).expect("the job");
            short.data.truncate(short.data.len() - 16);
            w.write(&job, short);
            w.migrate_account_call(&someone.key, &job)
        }
    };
    let (call, other_proposal) = match guard::places_of(&call.instruction.data[..8]) {
        Some(_) => matured(&mut w, &call),
        None => (call, Pubkey::default()),
    };
    let others = BTreeMap::from([
        ("payment", world::payment(&other_mint)),
        ("mint", w.io_mint),
        ("io_mint", usd),
        ("main", main(&w.io_mint)),
        ("buy_back", io_tests::treasury::buy_back(&other_mint)),
        ("destination", other.usd),
        ("seller_io", other.io),
        ("seller_token", other.usd),
        ("account", stage.payer.io),
        ("io_token_program", TOKEN_2022),
        ("token_program", TOKEN_2022),
        ("system_program", TOKEN_PROGRAM),
        ("proposal", other_proposal),
    ]);
    Some(Scene {
        world: w,
        call,
        others,
    })
}

fn call(instruction: &str, stage: &mut Stage, rig: &Rig, other: &Stage) -> Call {
    let key = stage.key;
    let (renter, payer) = (stage.renter.key.insecure_clone(), stage.payer.clone());
    let heir = stage.world.person();
    let new_rig = stage.world.unregistered_rig(CLASS_SMALL);
    let fresh_mint = stage.world.keys.pubkey();
    let w = &mut stage.world;
    match instruction {
        "update_params" => w.update_params_call(PARAMS),
        // Lowering waits.
        "set_timelock" => w.set_timelock_call(0),
        "set_roles" => w.set_roles_call(Roles {
            pauser: heir.pubkey(),
            params: heir.pubkey(),
            oracles: heir.pubkey(),
        }),
        "propose_change" => {
            let admin = w.admin.insecure_clone();
            w.propose_change_call(&admin, &w.update_params_call(PARAMS))
        }
        "cancel_change" => {
            let admin = w.admin.insecure_clone();
            let change = w.update_params_call(PARAMS);
            for published in [&change, &w.set_timelock_call(0)] {
                let call = w.propose_change_call(&admin, published);
                w.ok(&call);
            }
            w.cancel_change_call(&admin, &proposal_of(&change))
        }
        "set_paused" => w.set_paused_call(true),
        "propose_admin" => w.propose_admin_call(&heir.pubkey()),
        "accept_admin" => {
            let call = w.propose_admin_call(&heir.pubkey());
            w.ok(&call);
            w.accept_admin_call(&heir)
        }
        "set_oracles" => w.set_oracles_call(1, &[heir.pubkey()]),
        "add_payment_mint" => {
            let mint = w.account(&w.usd_mint).unwrap();
            w.write(&fresh_mint, mint);
            w.add_payment_mint_call(&fresh_mint, world::payment_args(Mint::Usd))
        }
        "update_payment_mint" => {
            w.update_payment_mint_call(&w.io_mint, world::payment_args(Mint::Io))
        }
        "init_treasury_shard" => {
            let mint = w.account(&w.usd_mint).unwrap();
            w.write(&fresh_mint, mint);
            let call = w.add_payment_mint_call(&fresh_mint, world::payment_args(Mint::Usd));
            w.ok(&call);
            let mut call = w.init_treasury_shard_call(&fresh_mint, 3);
            call.instruction.accounts[0].pubkey = heir.pubkey();
            call.signers = vec![heir];
            call
        }
        "add_class" => w.add_class_call(world::class_args(77, 100)),
        "update_class" => w.update_class_call(world::class_args(CLASS_SMALL, 100)),
        "register_provider" => w.register_provider_call(&new_rig),
        "set_payout_owner" => w.set_payout_owner_call(rig, &heir.pubkey()),
        "request_unstake" => {
            let call = w.stake_call(rig, 500);
            w.ok(&call);
            w.request_unstake_call(rig, 500)
        }
        "stake" => w.stake_call(rig, 500),
        "withdraw_stake" => {
            for call in [w.stake_call(rig, 500), w.request_unstake_call(rig, 500)] {
                w.ok(&call);
            }
            w.advance(i64::from(PARAMS.unbond_seconds));
            w.withdraw_stake_call(rig)
        }
        "register_device" => {
            let call = w.stake_call(rig, 1_000 * IO);
            w.ok(&call);
            let second = Rig {
                hardware: [3; 32],
                device: world::device(&[3; 32]),
                ..rig.clone()
            };
            w.register_device_call(&second, 1_000 * IO)
        }
        "attest_device" => w.attest_call(rig, &[0, 1]),
        "set_device_bond" => {
            let call = w.stake_call(rig, 100 * IO);
            w.ok(&call);
            w.set_device_bond_call(rig, 1_100 * IO)
        }
        "set_device_operator" => w.set_device_operator_call(rig, &heir.pubkey()),
        "set_device_draining" => w.set_device_draining_call(rig, &rig.operator, true),
        "retire_device" => {
            w.until_answered(rig);
            w.retire_device_call(rig)
        }
        "create_job" => {
            let terms = io_tests::terms(w, 2);
            w.create_job_call(&renter, &payer, Mint::Io, terms)
        }
        "accept_job" => w.accept_with_ticket_call(&key, rig, ASK, w.now() + 30),
        "submit_result" => w.submit_call(&key, rig, UNITS),
        "settle_job" => w.settle_call(&key, &[0, 1]),
        "reject_job" => w.reject_call(&key, &[0, 1]),
        "dispute_job" => w.dispute_call(&key, &renter),
        "cancel_job" => w.cancel_call(&key, &renter),
        "expire_job" => {
            w.advance(10_000);
            w.expire_call(&key)
        }
        "release_owed" => {
            // The other job, too, owes its provider.
            let mint = w.io_mint;
            for (job, account) in [(key, rig.payout.io), (other.key, other.rig.payout.io)] {
                w.freeze(&mint, &account);
                let call = w.settle_call(&job, &[0, 1]);
                w.ok(&call);
                w.thaw(&mint, &account);
            }
            w.release_owed_call(&key, Payee::Provider, &heir, &rig.payout.io)
        }
        "open_slash_case" => w.open_slash_case_call(&key, rig, &heir),
        // Signed by the renter: the payer could name any refund account.
        "close_job" => w.close_call(&key, &renter),
        "claim_vested" | "propose_beneficiary" | "accept_beneficiary" => {
            // Handed to somebody who has not claimed: the bank has. Another part than the other's.
            let admin = w.admin.insecure_clone();
            let account = w.token_account(&w.io_mint.clone(), &heir.pubkey(), 0);
            let propose = w.propose_beneficiary_call(&admin, 1, &heir.pubkey());
            w.ok(&propose);
            let accept = w.accept_beneficiary_call(&heir, 1);
            if instruction == "accept_beneficiary" {
                return accept;
            }
            w.ok(&accept);
            // The bank is the beneficiary of the other parts: only now is another's part somebody else's.
            if instruction == "propose_beneficiary" {
                return w.propose_beneficiary_call(&heir, 1, &admin.pubkey());
            }
            w.claim_vested_call(&heir, 1, &account)
        }
        "advance_epoch" | "publish_root" | "claim_rewards" => {
            let ends = w.emission().calendar().ends_at(1);
            w.at(ends);
            let advance = w.advance_epoch_call();
            if instruction == "advance_epoch" {
                return advance;
            }
            w.ok(&advance);
            // With a co-staker the pool's vault matters.
            w.co_staker(rig, 500 * IO);
            let leaf = Leaf {
                provider: rig.provider.to_bytes(),
                cumulative: 77,
            };
            let tree = Tree::build::<Native>(&io_network::ID.to_bytes(), &[leaf]).unwrap();
            let publish = w.publish_root_call(
                PublishRootArgs {
                    epoch: 1,
                    root: tree.root(),
                    total: 77,
                    blob: [1; 32],
                },
                &[0, 1],
            );
            if instruction == "publish_root" {
                return publish;
            }
            w.ok(&publish);
            // To the associated account, where anybody may deliver.
            let to = token::associated_address(&rig.payout.pubkey(), &w.io_mint);
            let account = w.account(&rig.payout.io).unwrap();
            w.write(&to, account);
            let args = ClaimRewardsArgs {
                cumulative: 77,
                index: 0,
                proof: Vec::new(),
            };
            w.claim_rewards_call(&heir, &rig.provider, &to, args)
        }
        "set_enterprise_share" => w.set_enterprise_share_call(5_000),
        other => panic!("no call for {other}: add one, and its row to the table"),
    }
}

/// A swapped account: what was done, and what must come of it.
struct Mutation {
    what: &'static str,
    scene: Scene,
    expected: Another,
}

fn swap(
    scene: &Scene,
    index: usize,
    what: &'static str,
    to: Pubkey,
    expected: Another,
) -> Mutation {
    let mut scene = scene.fork();
    scene.call.instruction.accounts[index].pubkey = to;
    Mutation {
        what,
        scene,
        expected,
    }
}

/// The same account content at another address, under another owner.
fn copy(scene: &mut Scene, index: usize, owner: Pubkey) -> Pubkey {
    let original = scene
        .world
        .account(&scene.call.instruction.accounts[index].pubkey);
    let account = Account {
        owner,
        executable: false,
        ..original.unwrap_or(Account {
            lamports: 10_000_000,
            data: vec![0; 200],
            ..Account::default()
        })
    };
    let key = scene.world.keys.pubkey();
    scene.world.write(&key, account);
    key
}

fn mutations(scene: &Scene, index: usize, listed: &Listed, role: Role) -> Vec<Mutation> {
    let mut all = Vec::new();
    let foreign_owner = Pubkey::new_from_array([0xee; 32]);
    let another = || {
        let name = listed.name.as_str();
        *scene
            .others
            .get(name)
            .unwrap_or_else(|| panic!("no other account for {name}"))
    };
    // An account of the program of another type: the oracle set for everything but itself.
    let oracle_set = world::oracle_set();
    let other_type = if scene.call.instruction.accounts[index].pubkey == oracle_set {
        world::network()
    } else {
        oracle_set
    };

    let with_copy = |owner: Pubkey, what: &'static str, expected: Refusal| {
        let mut changed = scene.fork();
        let key = copy(&mut changed, index, owner);
        swap(&changed, index, what, key, Some(expected))
    };
    match role {
        Signs(expected) => {
            let mut other = scene.fork();
            let key = other.world.person();
            other.call.signers.push(key.insecure_clone());
            all.push(swap(
                &other,
                index,
                "another signer",
                key.pubkey(),
                expected,
            ));
            let mut unsigned = scene.fork();
            unsigned.call.instruction.accounts[index].is_signer = false;
            all.push(Mutation {
                what: "unsigned",
                scene: unsigned,
                expected: Some(ErrorCode::AccountNotSigner.into()),
            });
        }
        Typed(_) | Only => {
            all.push(with_copy(
                foreign_owner,
                "wrong owner",
                ErrorCode::AccountOwnedByWrongProgram.into(),
            ));
            all.push(swap(
                scene,
                index,
                "wrong discriminator",
                other_type,
                Some(ErrorCode::AccountDiscriminatorMismatch.into()),
            ));
            if let Typed(expected) = role {
                all.push(swap(
                    scene,
                    index,
                    "another of its type",
                    another(),
                    expected,
                ));
            }
        }
        New => {
            all.push(with_copy(foreign_owner, "wrong owner", seeds()));
            all.push(swap(
                scene,
                index,
                "wrong discriminator",
                other_type,
                Some(seeds()),
            ));
            let fresh = scene.fork().world.keys.pubkey();
            all.push(swap(scene, index, "another address", fresh, Some(seeds())));
        }
        Bound(expected) => {
            all.push(with_copy(foreign_owner, "wrong owner", expected));
            let owner = scene
                .world
                .account(&scene.call.instruction.accounts[index].pubkey)
                .map(|a| a.owner);
            all.push(with_copy(
                owner.unwrap_or(TOKEN_PROGRAM),
                "a copy",
                expected,
            ));
            all.push(swap(
                scene,
                index,
                "an account of the program",
                other_type,
                Some(expected),
            ));
            all.push(swap(
                scene,
                index,
                "another of its kind",
                another(),
                Some(expected),
            ));
        }
        Token {
            not_one,
            another: expected,
        } => {
            all.push(with_copy(foreign_owner, "wrong owner", not_one));
            all.push(swap(
                scene,
                index,
                "an account of the program",
                other_type,
                Some(not_one),
            ));
            all.push(swap(
                scene,
                index,
                "a mint",
                scene.world.io_mint,
                Some(not_one),
            ));
            all.push(swap(
                scene,
                index,
                "a wallet",
                scene.world.fee_payer.pubkey(),
                Some(not_one),
            ));
            all.push(swap(scene, index, "another's", another(), expected));
        }
        Role::Mint {
            foreign,
            not_one,
            another: expected,
        } => {
            all.push(with_copy(TOKEN_2022, "a mint of another program", foreign));
            let mut with_account = scene.fork();
            let owner = with_account.world.fee_payer.pubkey();
            let mint = with_account.world.io_mint;
            let key = with_account.world.token_account(&mint, &owner, 0);
            all.push(swap(
                &with_account,
                index,
                "a token account",
                key,
                Some(not_one),
            ));
            all.push(swap(scene, index, "another mint", another(), expected));
        }
        Migratable => {
            all.push(with_copy(
                foreign_owner,
                "wrong owner",
                io(IoError::WrongOwner),
            ));
            let vault = another();
            all.push(swap(
                scene,
                index,
                "a token account",
                vault,
                Some(io(IoError::WrongOwner)),
            ));
            all.push(swap(
                scene,
                index,
                "an account of today",
                other_type,
                Some(io(IoError::NothingToMigrate)),
            ));
        }
        Proposed => {
            all.push(with_copy(
                foreign_owner,
                "wrong owner",
                ErrorCode::AccountOwnedByWrongProgram.into(),
            ));
            all.push(swap(
                scene,
                index,
                "wrong discriminator",
                other_type,
                Some(ErrorCode::AccountDiscriminatorMismatch.into()),
            ));
            all.push(swap(
                scene,
                index,
                "of another change",
                another(),
                Some(io(IoError::WrongProposal)),
            ));
        }
        ProgramData => {
            all.push(with_copy(
                foreign_owner,
                "wrong owner",
                ErrorCode::AccountOwnedByWrongProgram.into(),
            ));
            all.push(with_copy(
                world::LOADER,
                "a copy",
                io(IoError::WrongAccount),
            ));
            all.push(swap(
                scene,
                index,
                "a program",
                io_network::ID,
                Some(ErrorCode::AccountNotProgramData.into()),
            ));
        }
    }
    if listed.optional {
        // Anchor's sign for "not given". No caller of these may leave theirs out.
        all.push(swap(
            scene,
            index,
            "left out",
            io_network::ID,
            Some(io(match role {
                Proposed => IoError::ProposalRequired,
                _ => IoError::WrongAccount,
            })),
        ));
    }
    if listed.writable {
        let mut read_only = scene.fork();
        read_only.call.instruction.accounts[index].is_writable = false;
        all.push(Mutation {
            what: "read-only",
            scene: read_only,
            expected: Some(ErrorCode::ConstraintMut.into()),
        });
    }
    all
}

#[test]
fn every_account_of_every_instruction() {
    let (table, interface) = (table(), interface());
    let known: Vec<&str> = table.keys().copied().filter(|name| wanted(name)).collect();
    let listed: Vec<&str> = interface.keys().map(String::as_str).collect();
    assert_eq!(
        known, listed,
        "every instruction has a row in the table, and every row an instruction"
    );

    let (mut tried, mut wrong) = (0, Vec::new());
    for (instruction, accounts) in &interface {
        let roles = &table[instruction.as_str()];
        let names: Vec<&str> = roles.iter().map(|(name, _)| *name).collect();
        let listed: Vec<&str> = accounts.iter().map(|a| a.name.as_str()).collect();
        assert_eq!(
            names, listed,
            "the row of {instruction} names its accounts, in order"
        );

        let scene = scene(instruction);
        // A sweep's shards come after the accounts that are listed.
        let more = usize::from(instruction == "sweep_treasury");
        assert_eq!(scene.call.instruction.accounts.len(), accounts.len() + more);
        for (meta, account) in scene.call.instruction.accounts.iter().zip(accounts) {
            assert_eq!(
                (meta.is_signer, meta.is_writable),
                (account.signer, account.writable),
                "{instruction}.{}",
                account.name
            );
        }
        scene.fork().world.ok(&scene.call);

        for (index, (account, (_, role))) in accounts.iter().zip(roles).enumerate() {
            for mut mutation in mutations(&scene, index, account, *role) {
                tried += 1;
                let outcome = mutation.scene.world.attempt(&mutation.scene.call);
                let as_expected = match (&outcome, mutation.expected) {
                    (Ok(_), None) => true,
                    (Err(failed), Some(expected)) => failed.is(expected),
                    _ => false,
                };
                if !as_expected {
                    let got = match &outcome {
                        Ok(_) => "it went through".to_owned(),
                        Err(failed) => format!("{:?}", failed.error),
                    };
                    wrong.push(format!(
                        "{instruction}.{}, {}: expected {:?}, {got}",
                        account.name, mutation.what, mutation.expected
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        tried > 500 || std::env::var_os("SUBSTITUTE").is_some(),
        "only {tried} substitutions"
    );
}

/// Too few accounts.
#[test]
fn no_account_may_be_missing() {
    for (instruction, accounts) in interface() {
        let scene = scene(&instruction);
        for keep in 0..accounts.len() {
            let mut scene = scene.fork();
            scene.call.instruction.accounts.truncate(keep);
            scene
                .world
                .refuse(&scene.call, ErrorCode::AccountNotEnoughKeys);
        }
    }
}

/// What comes of one account of an instruction standing in another's place too, by what either place is for.
fn in_its_place(
    world: &World,
    key: &Pubkey,
    own: Role,
    place: Role,
    signs: bool,
) -> Option<Refusal> {
    let account = world.account(key).unwrap_or_default();
    let ours = account.owner == io_network::ID;
    let token_account =
        account.owner == TOKEN_PROGRAM && account.data.len() == token::TOKEN_ACCOUNT_LEN;
    match place {
        Signs(_) if !signs => Some(ErrorCode::AccountNotSigner.into()),
        Signs(another) => another,
        Migratable if !ours => Some(io(IoError::WrongOwner)),
        Typed(_) | Only | Proposed | ProgramData if !ours => {
            Some(ErrorCode::AccountOwnedByWrongProgram.into())
        }
        // No two places that are written are for accounts of one type.
        Typed(_) | Only | Proposed | Migratable | ProgramData => {
            Some(ErrorCode::AccountDiscriminatorMismatch.into())
        }
        New => Some(seeds()),
        Bound(refusal) => Some(refusal),
        Token { not_one, .. } if !token_account => Some(not_one),
        // A vault of the program's would pay itself.
        Token { .. } if matches!(own, Bound(_)) => Some(io(IoError::SameAccount)),
        Token { another, .. } => another,
        Role::Mint { foreign, .. } if account.owner != TOKEN_PROGRAM => Some(foreign),
        Role::Mint { not_one, .. } => Some(not_one),
    }
}

/// Where something else is noticed first: (instruction, account, in whose place).
fn noticed_first(instruction: &str, first: &str, second: &str) -> Option<Refusal> {
    match (instruction, first, second) {
        // An account that is closed cannot receive its own rent.
        ("close_job", "job", "payer")
        | ("close_slash_case", "slash_case", "opener")
        | ("evict_device", "device", "authority")
        | ("release_deposit", "deposit", "sponsor")
        | ("withdraw_co_stake", "co_stake", "co_staker") => Some(ErrorCode::ConstraintClose.into()),
        // Whose account it is is looked at before which.
        ("claim_co_rewards" | "withdraw_co_stake", "co_vault" | "stake_vault", "destination")
        | ("extend_job" | "fund_job", "vault", "sponsor_token")
        | ("pay_slash_share", "slash_vault", "destination") => Some(io(IoError::WrongOwner)),
        ("claim_rewards", "vault" | "co_vault", "destination") => Some(io(IoError::WrongAccount)),
        // The accounts of the two sides are of two mints.
        ("sell_to_treasury", "seller_io", "seller_token")
        | ("sell_to_treasury", "seller_token" | "main", "seller_io") => {
            Some(io(IoError::WrongMint))
        }
        _ => None,
    }
}

/// No two accounts that are written may be one and the same, in any instruction and any order.
#[test]
fn no_two_written_accounts_are_the_same() {
    let (table, interface) = (table(), interface());
    let known: Vec<&str> = table.keys().copied().filter(|name| wanted(name)).collect();
    let listed: Vec<&str> = interface.keys().map(String::as_str).collect();
    assert_eq!(known, listed, "every instruction is tried");
    let (mut tried, mut wrong) = (0, Vec::new());
    for (instruction, accounts) in &interface {
        let scene = scene(instruction);
        let roles = &table[instruction.as_str()];
        for (i, first) in accounts.iter().enumerate().filter(|(_, a)| a.writable) {
            for (j, second) in accounts.iter().enumerate().filter(|(_, a)| a.writable) {
                if i == j {
                    continue;
                }
                tried += 1;
                let mut scene = scene.fork();
                let keep_signing = scene.call.instruction.accounts[j].is_signer;
                let key = scene.call.instruction.accounts[i].pubkey;
                scene.call.instruction.accounts[j].pubkey = key;
                // A PDA cannot sign: then the signature is left out, which is one more wrong.
                let can_sign = scene
                    .call
                    .signers
                    .iter()
                    .any(|k: &Keypair| k.pubkey() == key);
                scene.call.instruction.accounts[j].is_signer = keep_signing && can_sign;
                let expected = noticed_first(instruction, &first.name, &second.name)
                    .or_else(|| in_its_place(&scene.world, &key, roles[i].1, roles[j].1, can_sign));
                let outcome = scene.world.attempt(&scene.call);
                let as_expected = match (&outcome, expected) {
                    (Err(failed), Some(expected)) => failed.is(expected),
                    _ => false,
                };
                if !as_expected {
                    let got = match &outcome {
                        Ok(_) => "it went through".to_owned(),
                        Err(failed) => format!("{:?}", failed.error),
                    };
                    wrong.push(format!(
                        "{instruction}: {} in the place of {}: expected {expected:?}, {got}",
                        first.name, second.name
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        tried > 150 || std::env::var_os("SUBSTITUTE").is_some(),
        "only {tried} pairs"
    );
}

/// The pairs that would pay somebody out of nothing, each with its error.
#[test]
fn paying_oneself_is_refused() {
    let stage = Stage::at(132, At::Open);
    let (vault, payer_token) = (stage.vault(), stage.payer.io);

    // The payer is the provider: its one account cannot be both sides.
    let mut selfish = stage.fork();
    let call = selfish
        .world
        .set_payout_owner_call(&selfish.rig, &selfish.payer.pubkey());
    selfish.world.ok(&call);
    let mut accept = selfish.world.accept_with_ticket_call(
        &selfish.key,
        &selfish.rig,
        ASK,
        selfish.world.now() + 30,
    );
    accept.instruction.accounts[6].pubkey = payer_token;
    selfish.world.refuse(&accept, IoError::SameAccount);

    // The job itself as payout owner, its vault as the account.
    let mut vaulted = stage.fork();
    let call = vaulted
        .world
        .set_payout_owner_call(&vaulted.rig, &vaulted.key);
    vaulted.world.ok(&call);
    let mut accept = vaulted.world.accept_with_ticket_call(
        &vaulted.key,
        &vaulted.rig,
        ASK,
        vaulted.world.now() + 30,
    );
    accept.instruction.accounts[6].pubkey = vault;
    vaulted.world.refuse(&accept, IoError::SameAccount);

    // Another job's vault as the payout account: that job's payer gets it, nobody else's books change.
    let mut crossed = stage.fork();
    crossed.terms.nonce = 2;
    let second = world::job(&crossed.renter.pubkey(), 2);
    let first = std::mem::replace(&mut crossed.key, second);
    crossed.create();
    let call = crossed.world.set_payout_owner_call(&crossed.rig, &second);
    crossed.world.ok(&call);
    let mut accept =
        crossed
            .world
            .accept_with_ticket_call(&first, &crossed.rig, ASK, crossed.world.now() + 30);
    accept.instruction.accounts[6].pubkey = world::vault(&second);
    crossed.world.ok(&accept);
    let submit = crossed.world.submit_call(&first, &crossed.rig, UNITS);
    crossed.world.ok(&submit);
    let settle = crossed.world.settle_call(&first, &[0, 1]);
    let paid = io_tests::reckon::shares(
        crossed.world.job(&first).escrow,
        UNITS,
        ASK,
        PARAMS.reserve_bps,
        0,
    )
    .provider;
    crossed.world.donated.insert(world::vault(&second), paid);
    crossed.world.ok(&settle);
    crossed.cancel();
    assert_eq!(crossed.job().refunded, crossed.job().escrow + paid);

    // A treasury shard as payout account: the provider gave its pay away.
    let mut generous = stage.fork();
    let call = generous
        .world
        .set_payout_owner_call(&generous.rig, &world::network());
    generous.world.ok(&call);
    let treasury = generous.job().treasury;
    let mut accept = generous.world.accept_with_ticket_call(
        &generous.key,
        &generous.rig,
        ASK,
        generous.world.now() + 30,
    );
    accept.instruction.accounts[6].pubkey = treasury;
    generous.world.ok(&accept);
    generous.submit(UNITS);
    generous.settle();
    assert_eq!(
        generous.world.tokens(&treasury),
        generous.job().paid + generous.job().fees
    );
}

/// False programs and sysvars in every slot that names one: the address decides, not what lies there.
#[test]
fn false_programs_and_sysvars() {
    let mut stage = Stage::at(133, At::Submitted);
    let settle = stage.world.settle_call(&stage.key, &[0, 1]);
    // A sysvar account of one's own making, right owner, wrong place.
    let sysvar_owner = Pubkey::from_str_const("Sysvar1111111111111111111111111111111111111");
    let fake = stage.world.keys.pubkey();
    let mut data = vec![1, 0, 4, 0];
    data.extend(settle.before[0].data.iter());
    data.extend([1, 0]);
    stage.world.write(
        &fake,
        Account {
            lamports: 10_000_000,
            data,
            owner: sysvar_owner,
            ..Account::default()
        },
    );
    let mut forged = settle.duplicate();
    forged.instruction.accounts[8].pubkey = fake;
    stage.world.refuse(&forged, IoError::WrongAccount);
    assert_eq!(settle.instruction.accounts[8].pubkey, INSTRUCTIONS_SYSVAR);
    // A copy of the token program at another address.
    let copy = stage.world.keys.pubkey();
    let original = stage.world.account(&TOKEN_PROGRAM).unwrap();
    stage.world.write(&copy, original);
    for program in [copy, TOKEN_2022, world::SYSTEM, io_network::ID] {
        let mut forged = settle.duplicate();
        forged.instruction.accounts[9].pubkey = program;
        stage.world.refuse(&forged, IoError::WrongAccount);
    }
    let party: &Party = &stage.payer;
    assert_eq!(
        stage.world.tokens(&party.io),
        io_tests::START_IO - stage.job().escrow
    );
}
