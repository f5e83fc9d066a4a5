//! One function for each instruction of the program. Addresses that follow from others are derived here; those that were
//! fixed when a job was created or accepted are read from the job, which the caller has fetched.
//!
//! Instructions that need oracles' signatures want [`crate::ed25519::verify`] directly before them.

use anchor_lang::{
    Discriminator, InstructionData, ToAccountMetas, prelude::Pubkey, solana_program::system_program,
};
pub use io_network::constants::EVIDENCE_SLOTS;
pub use io_network::instructions::{
    AcceptJobArgs, AttestDeviceArgs, BuyBackArgs, Change, CheckpointArgs, ClaimRewardsArgs,
    ClassArgs, ConvictArgs, ExtendJobArgs, FundJobArgs, GuidanceArgs, InitializeEmissionArgs,
    InitializeNetworkArgs, Payee, PaymentMintArgs, PublishRootArgs, RegisterDeviceArgs, Roles,
    SetOraclesArgs, SubmitResultArgs, VestingArgs,
};
pub use io_network::state::SlashParty;
pub use io_network::state::{JobTerms, NetworkParams, StakeParams};
use io_network::{
    ID, accounts, guard, instruction,
    state::{CLAIM_BYTES, Deposit, Job, PaymentMint, SlashCase},
};
use io_proof::hardware::{
    Software,
    cell::{CellClaim, MAX_CELL_PATH, MAX_ITEM_PATH, evidence_hash},
};
pub use io_protocol::slashing::SlashVerdict;
use solana_instruction::{AccountMeta, Instruction};

use crate::{
    pda,
    tokens::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM, program_of},
};

/// Where the runtime lists a transaction's instructions.
pub const INSTRUCTIONS_SYSVAR: Pubkey =
    Pubkey::from_str_const("Sysvar1nstructions1111111111111111111111111");

fn build(accounts: impl ToAccountMetas, data: impl InstructionData) -> Instruction {
    Instruction {
        program_id: ID,
        accounts: accounts.to_account_metas(None),
        data: data.data(),
    }
}

// The network

/// `authority` must be the program's upgrade authority and becomes the administrator.
pub fn initialize_network(
    authority: &Pubkey,
    io_mint: &Pubkey,
    args: InitializeNetworkArgs,
) -> Instruction {
    build(
        accounts::InitializeNetwork {
            authority: *authority,
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            io_mint: *io_mint,
            program: ID,
            program_data: pda::program_data(),
            system_program: system_program::ID,
        },
        instruction::InitializeNetwork { args },
    )
}

fn administer(admin: &Pubkey) -> accounts::Administer {
    accounts::Administer {
        admin: *admin,
        network: pda::network(),
    }
}

pub fn update_params(admin: &Pubkey, params: NetworkParams) -> Instruction {
    build(
        accounts::UpdateParams {
            admin: *admin,
            network: pda::network(),
            proposal: None,
        },
        instruction::UpdateParams { params },
    )
}

/// Lowering the timelock waits itself.
pub fn set_timelock(admin: &Pubkey, seconds: u32) -> Instruction {
    build(
        accounts::SetTimelock {
            admin: *admin,
            network: pda::network(),
            proposal: None,
        },
        instruction::SetTimelock { seconds },
    )
}

pub fn set_roles(admin: &Pubkey, roles: Roles) -> Instruction {
    build(administer(admin), instruction::SetRoles { roles })
}

/// The change that an instruction makes, if it is one that waits for the timelock.
pub fn change_of(instruction: &Instruction) -> Option<Change> {
    let (tag, arguments) = instruction.data.split_first_chunk::<8>()?;
    let (target, _) = guard::places_of(tag)?;
    let target = instruction.accounts.get(target)?.pubkey;
    Some(Change {
        tag: *tag,
        target,
        arguments: arguments.to_vec(),
    })
}

/// Name of an instruction that waits for the timelock, by its tag.
pub fn name_of(tag: &[u8]) -> &'static str {
    guard::name_of(tag).unwrap_or("unknown")
}

/// The timelock that an instruction sets, seconds; `None` for any other instruction.
pub fn new_timelock(instruction: &Instruction) -> Option<u32> {
    let seconds = instruction
        .data
        .strip_prefix(instruction::SetTimelock::DISCRIMINATOR)?;
    Some(u32::from_le_bytes(seconds.try_into().ok()?))
}

/// Publishes the change that `instruction` makes; `None` when it needs no timelock.
pub fn propose_change(proposer: &Pubkey, instruction: &Instruction) -> Option<Instruction> {
    let change = change_of(instruction)?;
    Some(build(
        accounts::ProposeChange {
            proposer: *proposer,
            network: pda::network(),
            proposal: pda::proposal(&change.hash()),
            system_program: system_program::ID,
        },
        instruction::ProposeChange { change },
    ))
}

/// The same instruction with the proposal that lets it through the timelock.
pub fn with_proposal(mut instruction: Instruction) -> Instruction {
    let proposal = change_of(&instruction).map(|change| pda::proposal(&change.hash()));
    let place = instruction.data.get(..8).and_then(guard::places_of);
    if let (Some(proposal), Some((_, place))) = (proposal, place)
        && let Some(meta) = instruction.accounts.get_mut(place)
    {
        *meta = AccountMeta::new(proposal, false);
    }
    instruction
}

/// `signer` is the administrator or the proposer, and receives the rent.
pub fn cancel_change(signer: &Pubkey, proposal: &Pubkey) -> Instruction {
    build(
        accounts::CancelChange {
            signer: *signer,
            network: pda::network(),
            proposal: *proposal,
        },
        instruction::CancelChange {},
    )
}

pub fn set_paused(admin: &Pubkey, paused: bool) -> Instruction {
    build(administer(admin), instruction::SetPaused { paused })
}

/// The zero address takes a proposal back.
pub fn propose_admin(admin: &Pubkey, proposed: &Pubkey) -> Instruction {
    build(
        administer(admin),
        instruction::ProposeAdmin { admin: *proposed },
    )
}

pub fn accept_admin(pending_admin: &Pubkey) -> Instruction {
    build(
        accounts::AcceptAdmin {
            pending_admin: *pending_admin,
            network: pda::network(),
        },
        instruction::AcceptAdmin {},
    )
}

pub fn set_oracles(admin: &Pubkey, args: SetOraclesArgs) -> Instruction {
    build(
        accounts::SetOracles {
            admin: *admin,
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            proposal: None,
        },
        instruction::SetOracles { args },
    )
}

pub fn add_payment_mint(admin: &Pubkey, mint: &Pubkey, args: PaymentMintArgs) -> Instruction {
    build(
        accounts::AddPaymentMint {
            admin: *admin,
            network: pda::network(),
            mint: *mint,
            payment: pda::payment(mint),
            system_program: system_program::ID,
            proposal: None,
        },
        instruction::AddPaymentMint { args },
    )
}

pub fn update_payment_mint(admin: &Pubkey, mint: &Pubkey, args: PaymentMintArgs) -> Instruction {
    build(
        accounts::UpdatePaymentMint {
            admin: *admin,
            network: pda::network(),
            payment: pda::payment(mint),
            proposal: None,
        },
        instruction::UpdatePaymentMint { args },
    )
}

/// Anybody may; jobs in the mint need all 16 shards.
pub fn init_treasury_shard(payer: &Pubkey, mint: &Pubkey, shard: u8) -> Instruction {
    build(
        accounts::InitTreasuryShard {
            payer: *payer,
            network: pda::network(),
            payment: pda::payment(mint),
            mint: *mint,
            treasury: pda::treasury(mint, shard),
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::InitTreasuryShard { shard },
    )
}

pub fn add_class(admin: &Pubkey, args: ClassArgs) -> Instruction {
    build(
        accounts::AddClass {
            admin: *admin,
            network: pda::network(),
            class: pda::class(args.id),
            system_program: system_program::ID,
            proposal: None,
        },
        instruction::AddClass { args },
    )
}

pub fn update_class(admin: &Pubkey, args: ClassArgs) -> Instruction {
    build(
        accounts::UpdateClass {
            admin: *admin,
            network: pda::network(),
            class: pda::class(args.id),
            proposal: None,
        },
        instruction::UpdateClass { args },
    )
}

/// A name for [`ClassArgs`]: UTF-8, zero-padded, cut at a character's end when longer than 32 bytes.
pub fn class_name(name: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let end = (0..=name.len().min(32))
        .rev()
        .find(|end| name.is_char_boundary(*end))
        .unwrap_or(0);
    bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
    bytes
}

// Emission and rewards

/// `admin` is the network's administrator and the mint authority of an IO mint of which nothing was minted.
pub fn initialize_emission(
    admin: &Pubkey,
    io_mint: &Pubkey,
    args: InitializeEmissionArgs,
) -> Instruction {
    build(
        accounts::InitializeEmission {
            admin: *admin,
            network: pda::network(),
            emission: pda::emission(),
            vault: pda::vault(&pda::emission()),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::InitializeEmission { args },
    )
}

/// Mints one part of the genesis supply into its vesting account.
pub fn create_vesting(admin: &Pubkey, io_mint: &Pubkey, args: VestingArgs) -> Instruction {
    let vesting = pda::vesting(args.index);
    build(
        accounts::CreateVesting {
            admin: *admin,
            network: pda::network(),
            emission: pda::emission(),
            vesting,
            vault: pda::vault(&vesting),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::CreateVesting { args },
    )
}

/// To any token account of IO that the beneficiary names.
pub fn claim_vested(beneficiary: &Pubkey, index: u8, token_account: &Pubkey) -> Instruction {
    let vesting = pda::vesting(index);
    build(
        accounts::ClaimVested {
            beneficiary: *beneficiary,
            vesting,
            vault: pda::vault(&vesting),
            token_account: *token_account,
            token_program: TOKEN_PROGRAM,
        },
        instruction::ClaimVested {},
    )
}

/// The zero address takes a proposal back.
pub fn propose_beneficiary(beneficiary: &Pubkey, index: u8, proposed: &Pubkey) -> Instruction {
    build(
        accounts::HandVesting {
            signer: *beneficiary,
            vesting: pda::vesting(index),
        },
        instruction::ProposeBeneficiary {
            beneficiary: *proposed,
        },
    )
}

pub fn accept_beneficiary(proposed: &Pubkey, index: u8) -> Instruction {
    build(
        accounts::HandVesting {
            signer: *proposed,
            vesting: pda::vesting(index),
        },
        instruction::AcceptBeneficiary {},
    )
}

/// Anybody may, once an epoch is over.
pub fn advance_epoch(io_mint: &Pubkey) -> Instruction {
    build(
        accounts::AdvanceEpoch {
            emission: pda::emission(),
            io_mint: *io_mint,
            vault: pda::vault(&pda::emission()),
            token_program: TOKEN_PROGRAM,
        },
        instruction::AdvanceEpoch {},
    )
}

/// Anybody may; needs a quorum's signatures over the [`RewardStatement`](io_protocol::messages::RewardStatement).
pub fn publish_root(args: PublishRootArgs) -> Instruction {
    build(
        accounts::PublishRoot {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            emission: pda::emission(),
            instructions: INSTRUCTIONS_SYSVAR,
        },
        instruction::PublishRoot { args },
    )
}

/// `destination` is an IO account of the provider's payout owner; when `signer` is a stranger, the associated one.
pub fn claim_rewards(
    signer: &Pubkey,
    provider: &Pubkey,
    destination: &Pubkey,
    args: ClaimRewardsArgs,
) -> Instruction {
    build(
        accounts::ClaimRewards {
            signer: *signer,
            emission: pda::emission(),
            vault: pda::vault(&pda::emission()),
            provider: *provider,
            co_vault: pda::co_vault(provider),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::ClaimRewards { args },
    )
}

/// Enterprise classes' share of later epochs, basis points.
pub fn set_enterprise_share(admin: &Pubkey, enterprise_bps: u16) -> Instruction {
    build(
        accounts::SetEnterpriseShare {
            admin: *admin,
            network: pda::network(),
            emission: pda::emission(),
            proposal: None,
        },
        instruction::SetEnterpriseShare { enterprise_bps },
    )
}

// Providers and their stake. `authority` is the provider's wallet.

pub fn register_provider(
    authority: &Pubkey,
    io_mint: &Pubkey,
    payout_owner: &Pubkey,
) -> Instruction {
    let provider = pda::provider(authority);
    build(
        accounts::RegisterProvider {
            authority: *authority,
            network: pda::network(),
            provider,
            stake_vault: pda::stake_vault(&provider),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::RegisterProvider {
            payout_owner: *payout_owner,
        },
    )
}

fn manage_provider(authority: &Pubkey) -> accounts::ManageProvider {
    accounts::ManageProvider {
        authority: *authority,
        network: pda::network(),
        provider: pda::provider(authority),
    }
}

pub fn set_payout_owner(authority: &Pubkey, payout_owner: &Pubkey) -> Instruction {
    build(
        manage_provider(authority),
        instruction::SetPayoutOwner {
            payout_owner: *payout_owner,
        },
    )
}

fn move_stake(authority: &Pubkey, token_account: &Pubkey) -> accounts::MoveStake {
    let provider = pda::provider(authority);
    accounts::MoveStake {
        authority: *authority,
        network: pda::network(),
        provider,
        stake_vault: pda::stake_vault(&provider),
        token_account: *token_account,
        token_program: TOKEN_PROGRAM,
    }
}

/// `amount` in IO base units, from `token_account`.
pub fn stake(authority: &Pubkey, token_account: &Pubkey, amount: u64) -> Instruction {
    build(
        move_stake(authority, token_account),
        instruction::Stake { amount },
    )
}

/// `amount` in IO base units.
pub fn request_unstake(authority: &Pubkey, amount: u64) -> Instruction {
    build(
        manage_provider(authority),
        instruction::RequestUnstake { amount },
    )
}

/// Everything that has matured, to `token_account`.
pub fn withdraw_stake(authority: &Pubkey, token_account: &Pubkey) -> Instruction {
    build(
        move_stake(authority, token_account),
        instruction::WithdrawStake {},
    )
}

// Devices

pub fn register_device(authority: &Pubkey, class: u16, args: RegisterDeviceArgs) -> Instruction {
    build(
        accounts::RegisterDevice {
            authority: *authority,
            network: pda::network(),
            provider: pda::provider(authority),
            class: pda::class(class),
            device: pda::device(&args.hardware),
            system_program: system_program::ID,
        },
        instruction::RegisterDevice { args },
    )
}

/// Needs a quorum's signatures over the device statement directly before it.
pub fn attest_device(device: &Pubkey, class: u16, args: AttestDeviceArgs) -> Instruction {
    build(
        accounts::AttestDevice {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            class: pda::class(class),
            device: *device,
            instructions: INSTRUCTIONS_SYSVAR,
        },
        instruction::AttestDevice { args },
    )
}

fn manage_device(authority: &Pubkey, device: &Pubkey) -> accounts::ManageDevice {
    accounts::ManageDevice {
        authority: *authority,
        network: pda::network(),
        provider: pda::provider(authority),
        device: *device,
    }
}

/// `bond` in IO base units.
pub fn set_device_bond(authority: &Pubkey, device: &Pubkey, bond: u64) -> Instruction {
    build(
        manage_device(authority, device),
        instruction::SetDeviceBond { bond },
    )
}

pub fn set_device_operator(authority: &Pubkey, device: &Pubkey, operator: &Pubkey) -> Instruction {
    build(
        manage_device(authority, device),
        instruction::SetDeviceOperator {
            operator: *operator,
        },
    )
}

/// `signer` is the provider's authority or the device's operator; `provider` the provider's account.
pub fn set_device_draining(
    signer: &Pubkey,
    provider: &Pubkey,
    device: &Pubkey,
    draining: bool,
) -> Instruction {
    build(
        accounts::SetDeviceDraining {
            signer: *signer,
            provider: *provider,
            device: *device,
        },
        instruction::SetDeviceDraining { draining },
    )
}

pub fn retire_device(authority: &Pubkey, device: &Pubkey) -> Instruction {
    build(
        accounts::RetireDevice {
            authority: *authority,
            provider: pda::provider(authority),
            device: *device,
        },
        instruction::RetireDevice {},
    )
}

// Jobs

/// `payer` funds the escrow from `payer_token` and gets refunds there; it may be the renter.
pub fn create_job(
    renter: &Pubkey,
    payer: &Pubkey,
    mint: &Pubkey,
    payer_token: &Pubkey,
    terms: JobTerms,
) -> Instruction {
    let job = pda::job(renter, terms.nonce);
    build(
        accounts::CreateJob {
            renter: *renter,
            payer: *payer,
            network: pda::network(),
            payment: pda::payment(mint),
            mint: *mint,
            job,
            vault: pda::vault(&job),
            payer_token: *payer_token,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::CreateJob { terms },
    )
}

/// Signed by the device's operator. With a match ticket, an oracle's signature over it goes directly before.
/// `provider_token` is an account of the job's mint that the provider's payout owner owns.
pub fn accept_job(
    operator: &Pubkey,
    job: &Pubkey,
    device: &Pubkey,
    provider: &Pubkey,
    provider_token: &Pubkey,
    args: AcceptJobArgs,
) -> Instruction {
    build(
        accounts::AcceptJob {
            operator: *operator,
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            provider: *provider,
            device: *device,
            job: *job,
            provider_token: *provider_token,
            instructions: INSTRUCTIONS_SYSVAR,
        },
        instruction::AcceptJob { args },
    )
}

/// A sponsor puts into the escrow of a job that is not funded yet. `sponsor_token` is its account of the job's mint.
pub fn fund_job(
    sponsor: &Pubkey,
    address: &Pubkey,
    job: &Job,
    sponsor_token: &Pubkey,
    args: FundJobArgs,
) -> Instruction {
    build(
        accounts::FundJob {
            sponsor: *sponsor,
            network: pda::network(),
            job: *address,
            deposit: pda::deposit(address, sponsor, args.index),
            vault: job.vault,
            sponsor_token: *sponsor_token,
            token_program: program_of(job.token_2022),
            system_program: system_program::ID,
        },
        instruction::FundJob { args },
    )
}

/// Delivers a deposit's share of a finished job's refund. Anybody may send it; to another account than the one that it came
/// from or one that the sponsor owns only with the sponsor's signature.
pub fn release_deposit(
    signer: &Pubkey,
    address: &Pubkey,
    deposit: &Deposit,
    job: &Job,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::ReleaseDeposit {
            signer: *signer,
            sponsor: deposit.sponsor,
            job: deposit.job,
            deposit: *address,
            vault: job.vault,
            destination: *destination,
            token_program: program_of(job.token_2022),
        },
        instruction::ReleaseDeposit {},
    )
}

/// Pays for attested seconds of a lease. Anybody may send it, with a quorum's signatures over the lease statement directly
/// before it.
pub fn checkpoint_job(address: &Pubkey, job: &Job, args: CheckpointArgs) -> Instruction {
    build(
        accounts::CheckpointJob {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            job: *address,
            vault: job.vault,
            provider_token: job.provider_token,
            treasury: job.treasury,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: program_of(job.token_2022),
        },
        instruction::CheckpointJob { args },
    )
}

/// Adds time to a running lease. `signer` is its renter or payer, `sponsor` pays from `sponsor_token`.
pub fn extend_job(
    signer: &Pubkey,
    sponsor: &Pubkey,
    address: &Pubkey,
    job: &Job,
    sponsor_token: &Pubkey,
    args: ExtendJobArgs,
) -> Instruction {
    build(
        accounts::ExtendJob {
            signer: *signer,
            sponsor: *sponsor,
            network: pda::network(),
            job: *address,
            deposit: pda::deposit(address, sponsor, args.index),
            vault: job.vault,
            sponsor_token: *sponsor_token,
            token_program: program_of(job.token_2022),
            system_program: system_program::ID,
        },
        instruction::ExtendJob { args },
    )
}

/// Signed by the renter or the payer: the lease ends now. By the provider's authority or the device's operator: it ends after
/// the notice.
pub fn end_lease(signer: &Pubkey, address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::EndLease {
            signer: *signer,
            provider: job.provider,
            device: job.device,
            job: *address,
        },
        instruction::EndLease {},
    )
}

/// Refunds what is left of a lease that is over. Anybody may send it.
pub fn finish_lease(address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::FinishLease {
            job: *address,
            device: job.device,
            vault: job.vault,
            payer_token: job.payer_token,
            token_program: program_of(job.token_2022),
        },
        instruction::FinishLease {},
    )
}

pub fn submit_result(
    operator: &Pubkey,
    device: &Pubkey,
    job: &Pubkey,
    args: SubmitResultArgs,
) -> Instruction {
    build(
        accounts::SubmitResult {
            operator: *operator,
            device: *device,
            job: *job,
        },
        instruction::SubmitResult { args },
    )
}

/// Anybody may send it. Needs a quorum's signatures over the result statement directly before it, unless the challenge
/// window has passed unobjected.
pub fn settle_job(address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::SettleJob {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            job: *address,
            device: job.device,
            vault: job.vault,
            provider_token: job.provider_token,
            payer_token: job.payer_token,
            treasury: job.treasury,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: program_of(job.token_2022),
        },
        instruction::SettleJob {},
    )
}

/// Anybody may send it. Needs a quorum's signatures over the result statement directly before it.
pub fn reject_job(address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::RejectJob {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            job: *address,
            device: job.device,
            vault: job.vault,
            payer_token: job.payer_token,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: program_of(job.token_2022),
        },
        instruction::RejectJob {},
    )
}

/// `disputer` is the renter or an active oracle.
pub fn dispute_job(disputer: &Pubkey, job: &Pubkey) -> Instruction {
    build(
        accounts::DisputeJob {
            disputer: *disputer,
            oracle_set: pda::oracle_set(),
            job: *job,
        },
        instruction::DisputeJob {},
    )
}

/// `signer` is the renter or the payer.
pub fn cancel_job(signer: &Pubkey, address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::CancelJob {
            signer: *signer,
            job: *address,
            vault: job.vault,
            payer_token: job.payer_token,
            token_program: program_of(job.token_2022),
        },
        instruction::CancelJob {},
    )
}

/// Anybody may send it.
pub fn expire_job(address: &Pubkey, job: &Job) -> Instruction {
    build(
        accounts::ExpireJob {
            job: *address,
            device: (job.device != Pubkey::default()).then_some(job.device),
            vault: job.vault,
            payer_token: job.payer_token,
            token_program: program_of(job.token_2022),
        },
        instruction::ExpireJob {},
    )
}

/// `destination` is the account fixed in the job, or, when `signer` is the payee, any of theirs.
pub fn release_owed(
    signer: &Pubkey,
    address: &Pubkey,
    job: &Job,
    payee: Payee,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::ReleaseOwed {
            signer: *signer,
            network: pda::network(),
            provider: matches!(payee, Payee::Provider).then_some(job.provider),
            job: *address,
            vault: job.vault,
            destination: *destination,
            token_program: program_of(job.token_2022),
        },
        instruction::ReleaseOwed { payee },
    )
}

/// Anybody may send it; `number` is the provider's count of slash cases so far.
pub fn open_slash_case(
    opener: &Pubkey,
    address: &Pubkey,
    job: &Job,
    number: u64,
    io_mint: &Pubkey,
) -> Instruction {
    let slash_case = pda::slash_case(&job.provider, number);
    build(
        accounts::OpenSlashCase {
            opener: *opener,
            network: pda::network(),
            job: *address,
            provider: job.provider,
            stake_vault: pda::stake_vault(&job.provider),
            co_vault: pda::co_vault(&job.provider),
            slash_case,
            slash_vault: pda::vault(&slash_case),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::OpenSlashCase {},
    )
}

/// An oracle that accused names the blob that holds what it found.
pub fn file_evidence(oracle: &Pubkey, slash_case: &Pubkey, evidence: [u8; 32]) -> Instruction {
    build(
        accounts::FileEvidence {
            oracle: *oracle,
            oracle_set: pda::oracle_set(),
            slash_case: *slash_case,
        },
        instruction::FileEvidence { evidence },
    )
}

/// The renter or the payer at any time; anybody once the retention is over. `payer_token` receives what strangers added to
/// the vault: the job's own refund account will do.
pub fn close_job(
    signer: &Pubkey,
    address: &Pubkey,
    job: &Job,
    payer_token: &Pubkey,
) -> Instruction {
    build(
        accounts::CloseJob {
            signer: *signer,
            payer: job.payer,
            job: *address,
            vault: job.vault,
            payer_token: *payer_token,
            token_program: program_of(job.token_2022),
        },
        instruction::CloseJob {},
    )
}

/// The same instruction for a mint of Token-2022: those made here that take no [`Job`] name SPL Token.
pub fn for_token_2022(mut instruction: Instruction) -> Instruction {
    for meta in &mut instruction.accounts {
        if meta.pubkey == TOKEN_PROGRAM {
            meta.pubkey = TOKEN_2022_PROGRAM;
        }
    }
    instruction
}

// The treasury. `payment` is the mint's account, as it is on chain.

/// Anybody may.
pub fn init_treasury_main(payer: &Pubkey, payment: &PaymentMint) -> Instruction {
    build(
        accounts::InitTreasuryMain {
            payer: *payer,
            network: pda::network(),
            payment: pda::payment(&payment.mint),
            mint: payment.mint,
            main: pda::treasury_main(&payment.mint),
            token_program: program_of(payment.token_2022),
            system_program: system_program::ID,
        },
        instruction::InitTreasuryMain {},
    )
}

/// Moves what these shards hold to the main account. Anybody may send it.
pub fn sweep_treasury(payment: &PaymentMint, shards: &[Pubkey]) -> Instruction {
    let mut instruction = build(
        accounts::SweepTreasury {
            network: pda::network(),
            payment: pda::payment(&payment.mint),
            mint: payment.mint,
            main: payment.main,
            token_program: program_of(payment.token_2022),
        },
        instruction::SweepTreasury {},
    );
    let shards = shards.iter().map(|shard| AccountMeta::new(*shard, false));
    instruction.accounts.extend(shards);
    instruction
}

pub fn set_treasury_owner(admin: &Pubkey, owner: &Pubkey) -> Instruction {
    build(
        accounts::SetTreasuryOwner {
            admin: *admin,
            network: pda::network(),
            proposal: None,
        },
        instruction::SetTreasuryOwner { owner: *owner },
    )
}

/// `destination` is a token account of the treasury's owner; `amount` in base units.
pub fn withdraw_treasury(
    admin: &Pubkey,
    payment: &PaymentMint,
    destination: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        accounts::WithdrawTreasury {
            admin: *admin,
            network: pda::network(),
            payment: pda::payment(&payment.mint),
            main: payment.main,
            destination: *destination,
            token_program: program_of(payment.token_2022),
            proposal: None,
        },
        instruction::WithdrawTreasury { amount },
    )
}

pub fn set_buy_back(admin: &Pubkey, mint: &Pubkey, args: BuyBackArgs) -> Instruction {
    build(
        accounts::SetBuyBack {
            admin: *admin,
            network: pda::network(),
            payment: pda::payment(mint),
            buy_back: pda::buy_back(mint),
            system_program: system_program::ID,
            proposal: None,
        },
        instruction::SetBuyBack { args },
    )
}

/// Sells `io` base units of IO for at least `min_out` base units of the payment mint.
pub fn sell_to_treasury(
    seller: &Pubkey,
    io_mint: &Pubkey,
    seller_io: &Pubkey,
    payment: &PaymentMint,
    seller_token: &Pubkey,
    io: u64,
    min_out: u64,
) -> Instruction {
    build(
        accounts::SellToTreasury {
            seller: *seller,
            network: pda::network(),
            payment: pda::payment(&payment.mint),
            buy_back: pda::buy_back(&payment.mint),
            io_mint: *io_mint,
            seller_io: *seller_io,
            main: payment.main,
            seller_token: *seller_token,
            io_token_program: TOKEN_PROGRAM,
            token_program: program_of(payment.token_2022),
        },
        instruction::SellToTreasury { io, min_out },
    )
}

/// Needs a quorum's signatures over the guidance statement directly before it.
pub fn update_guidance(class: u16, args: GuidanceArgs) -> Instruction {
    build(
        accounts::UpdateGuidance {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            emission: pda::emission(),
            class: pda::class(class),
            instructions: INSTRUCTIONS_SYSVAR,
        },
        instruction::UpdateGuidance { args },
    )
}

/// Anybody may; `payer` pays the rent of what is added.
pub fn migrate_account(payer: &Pubkey, account: &Pubkey) -> Instruction {
    build(
        accounts::MigrateAccount {
            payer: *payer,
            account: *account,
            system_program: system_program::ID,
        },
        instruction::MigrateAccount {},
    )
}

// Slash cases. `address` is the case's account.

/// The provider's authority contests a penalty; the appeal's bond is paid from `token_account`.
pub fn appeal_slash(authority: &Pubkey, address: &Pubkey, token_account: &Pubkey) -> Instruction {
    build(
        accounts::AppealSlash {
            authority: *authority,
            network: pda::network(),
            provider: pda::provider(authority),
            slash_case: *address,
            slash_vault: pda::vault(address),
            token_account: *token_account,
            token_program: TOKEN_PROGRAM,
        },
        instruction::AppealSlash {},
    )
}

/// Anybody may send it once time has decided.
pub fn finalise_slash_case(address: &Pubkey, case: &SlashCase, io_mint: &Pubkey) -> Instruction {
    build(
        accounts::FinaliseSlashCase {
            network: pda::network(),
            provider: case.provider,
            device: case.device,
            slash_case: *address,
            slash_vault: pda::vault(address),
            stake_vault: pda::stake_vault(&case.provider),
            co_vault: pda::co_vault(&case.provider),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
        },
        instruction::FinaliseSlashCase {},
    )
}

/// Needs signatures over the slash statement directly before it, of oracles that did not accuse.
pub fn decide_slash(
    address: &Pubkey,
    case: &SlashCase,
    io_mint: &Pubkey,
    verdict: SlashVerdict,
) -> Instruction {
    build(
        accounts::DecideSlash {
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            provider: case.provider,
            device: case.device,
            slash_case: *address,
            slash_vault: pda::vault(address),
            stake_vault: pda::stake_vault(&case.provider),
            co_vault: pda::co_vault(&case.provider),
            io_mint: *io_mint,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: TOKEN_PROGRAM,
        },
        instruction::DecideSlash {
            verdict: verdict as u8,
        },
    )
}

/// Anybody may send it; `destination` is an IO account that the party owns.
pub fn pay_slash_share(address: &Pubkey, party: SlashParty, destination: &Pubkey) -> Instruction {
    build(
        accounts::PaySlashShare {
            network: pda::network(),
            slash_case: *address,
            slash_vault: pda::vault(address),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::PaySlashShare { party },
    )
}

/// Anybody may send it once nothing is owed; the rent goes to whoever opened the case.
pub fn close_slash_case(address: &Pubkey, case: &SlashCase, io_mint: &Pubkey) -> Instruction {
    build(
        accounts::CloseSlashCase {
            network: pda::network(),
            opener: case.opener,
            slash_case: *address,
            slash_vault: pda::vault(address),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
        },
        instruction::CloseSlashCase {},
    )
}

/// Anybody may send it: `authority` is the provider's. For a device that nobody attested within a day.
pub fn evict_device(authority: &Pubkey, device: &Pubkey) -> Instruction {
    build(
        accounts::EvictDevice {
            authority: *authority,
            provider: pda::provider(authority),
            device: *device,
        },
        instruction::EvictDevice {},
    )
}

// Co-stake. `provider` is the provider's account.

/// The provider says whether co-stakers may join, and at which commission.
pub fn set_co_stake_terms(
    authority: &Pubkey,
    io_mint: &Pubkey,
    commission_bps: u16,
    open: bool,
) -> Instruction {
    let provider = pda::provider(authority);
    build(
        accounts::SetCoStakeTerms {
            authority: *authority,
            network: pda::network(),
            provider,
            co_vault: pda::co_vault(&provider),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::SetCoStakeTerms {
            commission_bps,
            open,
        },
    )
}

/// `amount` in IO base units, from `token_account`; refused above `max_commission_bps`.
pub fn join_co_stake(
    co_staker: &Pubkey,
    provider: &Pubkey,
    token_account: &Pubkey,
    amount: u64,
    max_commission_bps: u16,
) -> Instruction {
    build(
        accounts::JoinCoStake {
            co_staker: *co_staker,
            network: pda::network(),
            provider: *provider,
            co_stake: pda::co_stake(provider, co_staker),
            co_vault: pda::co_vault(provider),
            token_account: *token_account,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::JoinCoStake {
            amount,
            max_commission_bps,
        },
    )
}

/// Anybody may send it, once the provider's rewards of the time before the joining are claimed.
pub fn activate_co_stake(provider: &Pubkey, co_staker: &Pubkey) -> Instruction {
    build(
        accounts::ActivateCoStake {
            provider: *provider,
            co_stake: pda::co_stake(provider, co_staker),
        },
        instruction::ActivateCoStake {},
    )
}

/// Anybody may send it; `destination` is an IO account that the co-staker owns.
pub fn claim_co_rewards(
    provider: &Pubkey,
    co_staker: &Pubkey,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::ClaimCoRewards {
            network: pda::network(),
            provider: *provider,
            co_stake: pda::co_stake(provider, co_staker),
            co_vault: pda::co_vault(provider),
            stake_vault: pda::stake_vault(provider),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::ClaimCoRewards {},
    )
}

/// `signer` is the co-staker or the provider's authority.
pub fn leave_co_stake(signer: &Pubkey, provider: &Pubkey, co_staker: &Pubkey) -> Instruction {
    build(
        accounts::LeaveCoStake {
            signer: *signer,
            network: pda::network(),
            provider: *provider,
            co_stake: pda::co_stake(provider, co_staker),
        },
        instruction::LeaveCoStake {},
    )
}

/// Anybody may send it when the notice is over; only the co-staker while a case with a part of the pool is undecided.
pub fn start_co_unbond(signer: &Pubkey, provider: &Pubkey, co_staker: &Pubkey) -> Instruction {
    build(
        accounts::StartCoUnbond {
            signer: *signer,
            network: pda::network(),
            provider: *provider,
            co_stake: pda::co_stake(provider, co_staker),
        },
        instruction::StartCoUnbond {},
    )
}

/// Anybody may send it when the notice is over and the rest does not cover all bonds. The first call starts the day (and an hour) in which
/// devices answer for what they showed before; those after it free bonds.
pub fn release_bond_for_leaver(
    provider: &Pubkey,
    device: &Pubkey,
    co_staker: &Pubkey,
) -> Instruction {
    build(
        accounts::ReleaseBondForLeaver {
            provider: *provider,
            device: *device,
            co_stake: pda::co_stake(provider, co_staker),
        },
        instruction::ReleaseBondForLeaver {},
    )
}

/// Anybody may send it; `destination` is an IO account that the co-staker owns.
pub fn withdraw_co_stake(
    provider: &Pubkey,
    co_staker: &Pubkey,
    destination: &Pubkey,
) -> Instruction {
    build(
        accounts::WithdrawCoStake {
            network: pda::network(),
            provider: *provider,
            co_staker: *co_staker,
            co_stake: pda::co_stake(provider, co_staker),
            co_vault: pda::co_vault(provider),
            stake_vault: pda::stake_vault(provider),
            destination: *destination,
            token_program: TOKEN_PROGRAM,
        },
        instruction::WithdrawCoStake {},
    )
}

// Oracles' bonds. `key` signs statements, `owner` takes the bond out.

pub fn register_oracle(key: &Pubkey, owner: &Pubkey, io_mint: &Pubkey) -> Instruction {
    let oracle = pda::oracle(key);
    build(
        accounts::RegisterOracle {
            key: *key,
            owner: *owner,
            network: pda::network(),
            oracle,
            vault: pda::stake_vault(&oracle),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::RegisterOracle {},
    )
}

fn move_oracle_bond(
    key: &Pubkey,
    signer: &Pubkey,
    token_account: &Pubkey,
) -> accounts::MoveOracleBond {
    let oracle = pda::oracle(key);
    accounts::MoveOracleBond {
        signer: *signer,
        network: pda::network(),
        oracle,
        vault: pda::stake_vault(&oracle),
        token_account: *token_account,
        token_program: TOKEN_PROGRAM,
    }
}

/// `amount` in IO base units, from anybody's `token_account`.
pub fn add_oracle_bond(
    key: &Pubkey,
    payer: &Pubkey,
    token_account: &Pubkey,
    amount: u64,
) -> Instruction {
    build(
        move_oracle_bond(key, payer, token_account),
        instruction::AddOracleBond { amount },
    )
}

/// `amount` in IO base units.
pub fn request_oracle_unbond(key: &Pubkey, owner: &Pubkey, amount: u64) -> Instruction {
    build(
        accounts::RequestOracleUnbond {
            owner: *owner,
            network: pda::network(),
            oracle_set: pda::oracle_set(),
            oracle: pda::oracle(key),
        },
        instruction::RequestOracleUnbond { amount },
    )
}

/// What has matured, to `token_account`.
pub fn withdraw_oracle_bond(key: &Pubkey, owner: &Pubkey, token_account: &Pubkey) -> Instruction {
    build(
        move_oracle_bond(key, owner, token_account),
        instruction::WithdrawOracleBond {},
    )
}

fn take_oracle_bond(
    key: &Pubkey,
    io_mint: &Pubkey,
    destination: &Pubkey,
) -> accounts::TakeOracleBond {
    let oracle = pda::oracle(key);
    accounts::TakeOracleBond {
        network: pda::network(),
        oracle_set: pda::oracle_set(),
        oracle,
        vault: pda::stake_vault(&oracle),
        io_mint: *io_mint,
        destination: *destination,
        instructions: INSTRUCTIONS_SYSVAR,
        token_program: TOKEN_PROGRAM,
    }
}

/// Anybody may send it, with [`crate::ed25519::verify_pair`] directly before it. The prover's share goes to `destination`.
pub fn prove_equivocation(key: &Pubkey, io_mint: &Pubkey, destination: &Pubkey) -> Instruction {
    build(
        take_oracle_bond(key, io_mint, destination),
        instruction::ProveEquivocation {},
    )
}

/// Anybody may send it, with a quorum's signatures over the [`io_protocol::slashing::ConductStatement`] directly before it
/// ([`crate::ed25519::verify`]). The finder's share goes to `destination`, which is the finder's.
pub fn convict_oracle(
    key: &Pubkey,
    io_mint: &Pubkey,
    destination: &Pubkey,
    args: ConvictArgs,
) -> Instruction {
    build(
        take_oracle_bond(key, io_mint, destination),
        instruction::ConvictOracle { args },
    )
}

/// Commits to a claim ([`evidence_commitment`]) before it is written. It can be proven [`EVIDENCE_SLOTS`] later: write it no sooner, for then
/// whoever copies it is late.
pub fn commit_evidence(challenger: &Pubkey, commitment: [u8; 32]) -> Instruction {
    build(
        accounts::CommitEvidence {
            challenger: *challenger,
            evidence: pda::evidence(challenger),
            system_program: system_program::ID,
        },
        instruction::CommitEvidence { commitment },
    )
}

/// What a challenger commits to: the claim's bytes ([`evidence_bytes`]) with a random salt, which the proof names.
pub fn evidence_commitment(challenger: &Pubkey, salt: &[u8; 32], bytes: &[u8]) -> [u8; 32] {
    evidence_hash::<Software>(&challenger.to_bytes(), salt, bytes)
}

/// Writes a part of a cell's claim ([`evidence_bytes`]) before the proof: [`MAX_EVIDENCE_PART`] bytes fit into a transaction.
pub fn write_evidence(challenger: &Pubkey, offset: u16, bytes: &[u8]) -> Instruction {
    build(
        accounts::WriteEvidence {
            challenger: *challenger,
            evidence: pda::evidence(challenger),
        },
        instruction::WriteEvidence {
            offset,
            bytes: bytes.to_vec(),
        },
    )
}

/// Bytes of a claim that one transaction can write.
pub const MAX_EVIDENCE_PART: usize = 800;

/// A claim as the program reads it: integers little-endian, paths padded with zeroes. `None` if a path is longer than any.
pub fn evidence_bytes(claim: &CellClaim) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(CLAIM_BYTES);
    let lengths = [claim.path.len(), claim.item_path.len()];
    if lengths[0] > MAX_CELL_PATH || lengths[1] > MAX_ITEM_PATH {
        return None;
    }
    for number in [claim.n, claim.passes, claim.pass, claim.row, claim.col] {
        bytes.extend(number.to_le_bytes());
    }
    for length in lengths {
        bytes.extend((length as u32).to_le_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(claim.a_seed);
    bytes.extend(claim.b_seed);
    bytes.extend(claim.leaf);
    for (path, most) in [
        (claim.path, MAX_CELL_PATH),
        (claim.item_path, MAX_ITEM_PATH),
    ] {
        bytes.extend(path.as_flattened());
        bytes.resize(bytes.len() + (most - path.len()) * 32, 0);
    }
    Some(bytes)
}

pub fn close_evidence(challenger: &Pubkey) -> Instruction {
    build(
        accounts::CloseEvidence {
            challenger: *challenger,
            evidence: pda::evidence(challenger),
        },
        instruction::CloseEvidence {},
    )
}

/// Put it directly behind [`crate::ed25519::verify`] with the operator's signature over the commitment, when the claim is written.
/// `number` is the provider's count of slash cases, `salt` what the challenger committed with.
pub fn prove_bad_cell(
    challenger: &Pubkey,
    device: &Pubkey,
    provider: &Pubkey,
    number: u64,
    io_mint: &Pubkey,
    salt: [u8; 32],
) -> Instruction {
    let slash_case = pda::slash_case(provider, number);
    build(
        accounts::ProveBadCell {
            challenger: *challenger,
            network: pda::network(),
            evidence: pda::evidence(challenger),
            device: *device,
            provider: *provider,
            stake_vault: pda::stake_vault(provider),
            co_vault: pda::co_vault(provider),
            slash_case,
            slash_vault: pda::vault(&slash_case),
            io_mint: *io_mint,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::ProveBadCell { salt },
    )
}

/// Anybody may send it a day after a device's fault was proven, while it still costs something. `number` is the provider's count of slash
/// cases.
pub fn open_fault_case(
    opener: &Pubkey,
    device: &Pubkey,
    provider: &Pubkey,
    number: u64,
    io_mint: &Pubkey,
) -> Instruction {
    let slash_case = pda::slash_case(provider, number);
    build(
        accounts::OpenFaultCase {
            opener: *opener,
            network: pda::network(),
            device: *device,
            provider: *provider,
            stake_vault: pda::stake_vault(provider),
            co_vault: pda::co_vault(provider),
            slash_case,
            slash_vault: pda::vault(&slash_case),
            io_mint: *io_mint,
            token_program: TOKEN_PROGRAM,
            system_program: system_program::ID,
        },
        instruction::OpenFaultCase {},
    )
}

/// What [`set_oracles`] needs beside while oracles need a bond: the bonds of the new ones.
pub fn with_oracle_bonds(mut set_oracles: Instruction, new: &[Pubkey]) -> Instruction {
    let bonds = new
        .iter()
        .map(|key| AccountMeta::new_readonly(pda::oracle(key), false));
    set_oracles.accounts.extend(bonds);
    set_oracles
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    #[test]
    fn every_instruction_of_the_program_has_its_function() {
        let source = include_str!("instructions.rs");
        let missing: Vec<_> = crate::idl::names("instructions")
            .into_iter()
            .filter(|name| !source.contains(&format!("pub fn {name}(")))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn class_names_are_cut_between_characters() {
        assert_eq!(&class_name("H100")[..5], b"H100\0");
        let long = class_name(&"ü".repeat(20));
        assert_eq!(std::str::from_utf8(&long).unwrap(), "ü".repeat(16));
        let odd = class_name(&format!("a{}", "ü".repeat(20)));
        assert_eq!(
            std::str::from_utf8(&odd[..31]).unwrap(),
            format!("a{}", "ü".repeat(15))
        );
        assert_eq!(odd[31], 0);
    }

    #[test]
    fn a_jobs_instructions_name_the_accounts_that_the_job_fixed() {
        let key = |byte| Pubkey::new_from_array([byte; 32]);
        let job = Job {
            device: key(1),
            vault: key(2),
            provider_token: key(3),
            payer_token: key(4),
            treasury: key(5),
            payer: key(6),
            ..Job::zeroed()
        };
        let settle = settle_job(&key(9), &job);
        assert_eq!(settle.program_id, ID);
        for expected in [1, 2, 3, 4, 5, 9] {
            assert!(
                settle
                    .accounts
                    .iter()
                    .any(|meta| meta.pubkey == key(expected)),
                "{expected}"
            );
        }
        // An open job has no device: Anchor marks the absent account with the program's own address.
        let open = Job {
            device: Pubkey::default(),
            ..job
        };
        assert_eq!(expire_job(&key(9), &open).accounts[1].pubkey, ID);
        assert_eq!(expire_job(&key(9), &job).accounts[1].pubkey, key(1));
    }
}
