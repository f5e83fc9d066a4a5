//! The IO Network program: registration, stake, job escrow and attested settlement.
//!
//! `lib.rs` only delegates. One instruction lives in one file under `instructions/`, with its arguments, accounts, checks
//! (`validate`) and handler; accounts live in `state/`; arithmetic and signed messages live in `io-protocol`, which the
//! services and the tests use too.

// Handlers and the functions of the program module share their names; Anchor needs both at the root.
#![allow(ambiguous_glob_reexports)]

use anchor_lang::prelude::*;
#[cfg(target_arch = "bpf")]
use io_sbf_builtins as _;

pub mod accounts_util;
pub mod attest;
pub mod constants;
pub mod errors;
pub mod events;
pub mod fail;
pub mod guard;
pub mod instructions;
pub mod invoke;
mod prelude;
pub mod seeds;
pub mod state;
pub mod token;

pub use instructions::*;

declare_id!("5NeGiwEWmbW5Nn8GvnnpC5tUkn2hNmLccsm4B6uG5SXr");

#[program]
pub mod io_network {
    use super::*;

    // The order is that of how often they are called: the dispatcher tries one after the other.

    // Job

    /// Escrows the most a job can cost.
    pub fn create_job(ctx: Context<CreateJob>, terms: state::JobTerms) -> Result<()> {
        instructions::create_job(ctx, terms)
    }

    /// A device takes an open job at its ask.
    pub fn accept_job(ctx: Context<AcceptJob>, args: AcceptJobArgs) -> Result<()> {
        instructions::accept_job(ctx, args)
    }

    /// Submits the hash of the result and the units of work done.
    pub fn submit_result(ctx: Context<SubmitResult>, args: SubmitResultArgs) -> Result<()> {
        instructions::submit_result(ctx, args)
    }

    /// Pays for a result that a quorum attested, or that nobody disputed in time. Anybody may send it.
    pub fn settle_job(ctx: Context<SettleJob>) -> Result<()> {
        instructions::settle_job(ctx)
    }

    /// Refunds a job whose result a quorum found wrong, and takes the device's penalty. Anybody may send it.
    pub fn reject_job(ctx: Context<RejectJob>) -> Result<()> {
        instructions::reject_job(ctx)
    }

    /// The renter or an oracle objects to a submitted result: only a quorum can settle it now.
    pub fn dispute_job(ctx: Context<DisputeJob>) -> Result<()> {
        instructions::dispute_job(ctx)
    }

    /// The renter or the payer takes back a job that nobody accepted.
    pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
        instructions::cancel_job(ctx)
    }

    /// Refunds a job whose deadline passed. Anybody may send it.
    pub fn expire_job(ctx: Context<ExpireJob>) -> Result<()> {
        instructions::expire_job(ctx)
    }

    /// Pays for the seconds of a lease that a quorum attested. Anybody may send it.
    pub fn checkpoint_job(ctx: Context<CheckpointJob>, args: CheckpointArgs) -> Result<()> {
        instructions::checkpoint_job(ctx, args)
    }

    /// Refunds what is left of a lease that is over. Anybody may send it.
    pub fn finish_lease(ctx: Context<FinishLease>) -> Result<()> {
        instructions::finish_lease(ctx)
    }

    /// The renter or the payer ends a lease now; the provider ends it with notice.
    pub fn end_lease(ctx: Context<EndLease>) -> Result<()> {
        instructions::end_lease(ctx)
    }

    /// Adds time to a running lease, paid by a sponsor: the payer or anybody else.
    pub fn extend_job(ctx: Context<ExtendJob>, args: ExtendJobArgs) -> Result<()> {
        instructions::extend_job(ctx, args)
    }

    /// A sponsor puts into the escrow of a job that is not funded yet. Anybody may.
    pub fn fund_job(ctx: Context<FundJob>, args: FundJobArgs) -> Result<()> {
        instructions::fund_job(ctx, args)
    }

    /// Delivers a sponsor's share of a finished job's refund, and closes its deposit. Anybody may send it.
    pub fn release_deposit(ctx: Context<ReleaseDeposit>) -> Result<()> {
        instructions::release_deposit(ctx)
    }

    /// Delivers what could not be delivered when the job ended.
    pub fn release_owed(ctx: Context<ReleaseOwed>, payee: Payee) -> Result<()> {
        instructions::release_owed(ctx, payee)
    }

    /// Moves a finished job's penalty from the provider's stake to a slash case. Anybody may send it.
    pub fn open_slash_case(ctx: Context<OpenSlashCase>) -> Result<()> {
        instructions::open_slash_case(ctx)
    }

    /// Closes a finished job and returns its rent to the payer.
    pub fn close_job(ctx: Context<CloseJob>) -> Result<()> {
        instructions::close_job(ctx)
    }

    // Device

    /// Registers a device and binds stake to it.
    pub fn register_device(ctx: Context<RegisterDevice>, args: RegisterDeviceArgs) -> Result<()> {
        instructions::register_device(ctx, args)
    }

    /// Records figures that a quorum of oracles measured.
    pub fn attest_device(ctx: Context<AttestDevice>, args: AttestDeviceArgs) -> Result<()> {
        instructions::attest_device(ctx, args)
    }

    /// Changes the stake bound to a device.
    pub fn set_device_bond(ctx: Context<ManageDevice>, bond: u64) -> Result<()> {
        instructions::set_device_bond(ctx, bond)
    }

    /// Replaces a device's hot key.
    pub fn set_device_operator(ctx: Context<ManageDevice>, operator: Pubkey) -> Result<()> {
        instructions::set_device_operator(ctx, operator)
    }

    /// Drains a device (it finishes what it has) or makes it take jobs again. Its provider or its operator.
    pub fn set_device_draining(ctx: Context<SetDeviceDraining>, draining: bool) -> Result<()> {
        instructions::set_device_draining(ctx, draining)
    }

    /// Closes a device without unsettled jobs; its bond becomes free stake, its record stays with the provider.
    pub fn retire_device(ctx: Context<RetireDevice>) -> Result<()> {
        instructions::retire_device(ctx)
    }

    /// Closes a device that no quorum attested within a day of its registration. Anybody may send it.
    pub fn evict_device(ctx: Context<EvictDevice>) -> Result<()> {
        instructions::evict_device(ctx)
    }

    // Provider

    /// Creates a provider and its stake vault.
    pub fn register_provider(ctx: Context<RegisterProvider>, payout_owner: Pubkey) -> Result<()> {
        instructions::register_provider(ctx, payout_owner)
    }

    /// Changes who owns the accounts that earnings go to. Jobs already accepted keep theirs.
    pub fn set_payout_owner(ctx: Context<ManageProvider>, payout_owner: Pubkey) -> Result<()> {
        instructions::set_payout_owner(ctx, payout_owner)
    }

    /// Stakes IO.
    pub fn stake(ctx: Context<MoveStake>, amount: u64) -> Result<()> {
        instructions::stake(ctx, amount)
    }

    /// Starts unbonding free stake. It counts for nothing at once.
    pub fn request_unstake(ctx: Context<ManageProvider>, amount: u64) -> Result<()> {
        instructions::request_unstake(ctx, amount)
    }

    /// Withdraws everything that has matured.
    pub fn withdraw_stake(ctx: Context<MoveStake>) -> Result<()> {
        instructions::withdraw_stake(ctx)
    }

    // Emission

    /// Pays what a provider earned and did not claim, by a proof of its leaf. Anybody may send it.
    pub fn claim_rewards(ctx: Context<ClaimRewards>, args: ClaimRewardsArgs) -> Result<()> {
        instructions::claim_rewards(ctx, args)
    }

    /// Mints what all epochs that are over emit. Anybody may send it.
    pub fn advance_epoch(ctx: Context<AdvanceEpoch>) -> Result<()> {
        instructions::advance_epoch(ctx)
    }

    /// Records a quorum's root over the cumulative rewards of all providers. Anybody may send it.
    pub fn publish_root(ctx: Context<PublishRoot>, args: PublishRootArgs) -> Result<()> {
        instructions::publish_root(ctx, args)
    }

    /// Pays what has vested to its beneficiary.
    pub fn claim_vested(ctx: Context<ClaimVested>) -> Result<()> {
        instructions::claim_vested(ctx)
    }

    /// The beneficiary proposes another; zero takes a proposal back.
    pub fn propose_beneficiary(ctx: Context<HandVesting>, beneficiary: Pubkey) -> Result<()> {
        instructions::propose_beneficiary(ctx, beneficiary)
    }

    /// The proposed beneficiary takes over.
    pub fn accept_beneficiary(ctx: Context<HandVesting>) -> Result<()> {
        instructions::accept_beneficiary(ctx)
    }

    /// Makes the program the only one that can mint IO. Only the administrator, on a mint of which nothing was minted.
    pub fn initialize_emission(
        ctx: Context<InitializeEmission>,
        args: InitializeEmissionArgs,
    ) -> Result<()> {
        instructions::initialize_emission(ctx, args)
    }

    /// Mints one part of the genesis supply into its vesting account.
    pub fn create_vesting(ctx: Context<CreateVesting>, args: VestingArgs) -> Result<()> {
        instructions::create_vesting(ctx, args)
    }

    /// Changes the split of later epochs between enterprise and community.
    pub fn set_enterprise_share(
        ctx: Context<SetEnterpriseShare>,
        enterprise_bps: u16,
    ) -> Result<()> {
        instructions::set_enterprise_share(ctx, enterprise_bps)
    }

    // Slash cases

    /// The provider contests a penalty and puts down the appeal's bond.
    pub fn appeal_slash(ctx: Context<AppealSlash>) -> Result<()> {
        instructions::appeal_slash(ctx)
    }

    /// An accusing oracle names the blob that holds what it found: its BLAKE3.
    pub fn file_evidence(ctx: Context<FileEvidence>, evidence: [u8; 32]) -> Result<()> {
        instructions::file_evidence(ctx, evidence)
    }

    /// Decides a case by time: unappealed it is upheld, undecided it is returned. Anybody may send it.
    pub fn finalise_slash_case(ctx: Context<FinaliseSlashCase>) -> Result<()> {
        instructions::finalise_slash_case(ctx)
    }

    /// Decides an appeal as a quorum of oracles that did not accuse signed: 1 upheld, 2 returned. Anybody may send it.
    pub fn decide_slash(ctx: Context<DecideSlash>, verdict: u8) -> Result<()> {
        instructions::decide_slash(ctx, verdict)
    }

    /// Delivers a party's share of a decided case. Anybody may send it.
    pub fn pay_slash_share(ctx: Context<PaySlashShare>, party: state::SlashParty) -> Result<()> {
        instructions::pay_slash_share(ctx, party)
    }

    /// Closes a decided case that owes nothing; its rent goes back to whoever opened it.
    pub fn close_slash_case(ctx: Context<CloseSlashCase>) -> Result<()> {
        instructions::close_slash_case(ctx)
    }

    // Co-stake

    /// Says whether co-stakers may join, and at which commission.
    pub fn set_co_stake_terms(
        ctx: Context<SetCoStakeTerms>,
        commission_bps: u16,
        open: bool,
    ) -> Result<()> {
        instructions::set_co_stake_terms(ctx, commission_bps, open)
    }

    /// Stakes IO beside a provider's own, at a commission of at most `max_commission_bps`.
    pub fn join_co_stake(
        ctx: Context<JoinCoStake>,
        amount: u64,
        max_commission_bps: u16,
    ) -> Result<()> {
        instructions::join_co_stake(ctx, amount, max_commission_bps)
    }

    /// Lets shares earn once the rewards of the time before they joined are claimed. Anybody may send it.
    pub fn activate_co_stake(ctx: Context<ActivateCoStake>) -> Result<()> {
        instructions::activate_co_stake(ctx)
    }

    /// Pays a co-staker its rewards. Anybody may send it.
    pub fn claim_co_rewards(ctx: Context<ClaimCoRewards>) -> Result<()> {
        instructions::claim_co_rewards(ctx)
    }

    /// Gives notice: the co-staker, or the provider's authority.
    pub fn leave_co_stake(ctx: Context<LeaveCoStake>) -> Result<()> {
        instructions::leave_co_stake(ctx)
    }

    /// After the notice, takes a co-staker out of the pool at its worth of now. Anybody may send it.
    pub fn start_co_unbond(ctx: Context<StartCoUnbond>) -> Result<()> {
        instructions::start_co_unbond(ctx)
    }

    /// After the notice, lowers a device's bond so that a co-staker can leave. Anybody may send it.
    pub fn release_bond_for_leaver(ctx: Context<ReleaseBondForLeaver>) -> Result<()> {
        instructions::release_bond_for_leaver(ctx)
    }

    /// Pays out a co-staker that left, and closes its account. Anybody may send it.
    pub fn withdraw_co_stake(ctx: Context<WithdrawCoStake>) -> Result<()> {
        instructions::withdraw_co_stake(ctx)
    }

    // Oracles

    /// Opens an account for an oracle's bond.
    pub fn register_oracle(ctx: Context<RegisterOracle>) -> Result<()> {
        instructions::register_oracle(ctx)
    }

    /// Adds to an oracle's bond. Anybody may.
    pub fn add_oracle_bond(ctx: Context<MoveOracleBond>, amount: u64) -> Result<()> {
        instructions::add_oracle_bond(ctx, amount)
    }

    /// Starts taking a bond out. It stays at stake until it is withdrawn.
    pub fn request_oracle_unbond(ctx: Context<RequestOracleUnbond>, amount: u64) -> Result<()> {
        instructions::request_oracle_unbond(ctx, amount)
    }

    /// Withdraws what has matured.
    pub fn withdraw_oracle_bond(ctx: Context<MoveOracleBond>) -> Result<()> {
        instructions::withdraw_oracle_bond(ctx)
    }

    /// Takes the bond of an oracle that signed two statements which contradict each other. Anybody may send it.
    pub fn prove_equivocation(ctx: Context<TakeOracleBond>) -> Result<()> {
        instructions::prove_equivocation(ctx)
    }

    /// Takes the bond of an oracle that signed that it had run a job which it had not: a quorum of the others found so. Anybody may
    /// send it.
    pub fn convict_oracle(ctx: Context<TakeOracleBond>, args: ConvictArgs) -> Result<()> {
        instructions::convict_oracle(ctx, args)
    }

    // Hardware proofs

    /// Commits to what will prove a wrong cell, before it is written.
    pub fn commit_evidence(ctx: Context<CommitEvidence>, commitment: [u8; 32]) -> Result<()> {
        instructions::commit_evidence(ctx, commitment)
    }

    /// Writes a part of what proves a wrong cell, before the proof.
    pub fn write_evidence(ctx: Context<WriteEvidence>, offset: u16, bytes: Vec<u8>) -> Result<()> {
        instructions::write_evidence(ctx, offset, bytes)
    }

    /// Closes evidence that is not needed.
    pub fn close_evidence(ctx: Context<CloseEvidence>) -> Result<()> {
        instructions::close_evidence(ctx)
    }

    /// Proves a wrong cell under a device's signed hardware commitment: a slash case opens. Anybody may send it.
    pub fn prove_bad_cell(ctx: Context<ProveBadCell>, salt: [u8; 32]) -> Result<()> {
        instructions::prove_bad_cell(ctx, salt)
    }

    /// Takes what a device's wrong hardware proof still costs, a day after it was proven: a slash case opens. Anybody may send it.
    pub fn open_fault_case(ctx: Context<OpenFaultCase>) -> Result<()> {
        instructions::open_fault_case(ctx)
    }

    // Network

    /// Creates the network and its empty oracle set. Only the program's upgrade authority.
    pub fn initialize_network(
        ctx: Context<InitializeNetwork>,
        args: InitializeNetworkArgs,
    ) -> Result<()> {
        instructions::initialize_network(ctx, args)
    }

    /// Changes parameters, inside their bounds. Jobs keep the terms they were created with.
    pub fn update_params(ctx: Context<UpdateParams>, params: state::NetworkParams) -> Result<()> {
        instructions::update_params(ctx, params)
    }

    /// Stops new jobs and stakes (administrator or pauser), or restarts them (administrator).
    pub fn set_paused(ctx: Context<Administer>, paused: bool) -> Result<()> {
        instructions::set_paused(ctx, paused)
    }

    /// Says who else may pause, change parameters and change the oracle set; zero for nobody.
    pub fn set_roles(ctx: Context<Administer>, roles: Roles) -> Result<()> {
        instructions::set_roles(ctx, roles)
    }

    /// Changes how long changes of the configuration wait. Raising acts at once; lowering waits itself.
    pub fn set_timelock(ctx: Context<SetTimelock>, seconds: u32) -> Result<()> {
        instructions::set_timelock(ctx, seconds)
    }

    /// Publishes a change of the configuration that will take effect after the timelock.
    pub fn propose_change(ctx: Context<ProposeChange>, change: Change) -> Result<()> {
        instructions::propose_change(ctx, change)
    }

    /// Withdraws a published change.
    pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
        instructions::cancel_change(ctx)
    }

    /// Proposes a new administrator; zero takes a proposal back.
    pub fn propose_admin(ctx: Context<Administer>, admin: Pubkey) -> Result<()> {
        instructions::propose_admin(ctx, admin)
    }

    /// The proposed administrator takes over.
    pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
        instructions::accept_admin(ctx)
    }

    /// Replaces the oracle set. Statements signed for the earlier set become void.
    pub fn set_oracles(ctx: Context<SetOracles>, args: SetOraclesArgs) -> Result<()> {
        instructions::set_oracles(ctx, args)
    }

    /// Allows a mint for payments.
    pub fn add_payment_mint(ctx: Context<AddPaymentMint>, args: PaymentMintArgs) -> Result<()> {
        instructions::add_payment_mint(ctx, args)
    }

    /// Changes a payment mint's fee, weight or availability.
    pub fn update_payment_mint(
        ctx: Context<UpdatePaymentMint>,
        args: PaymentMintArgs,
    ) -> Result<()> {
        instructions::update_payment_mint(ctx, args)
    }

    /// Creates one of a payment mint's treasury token accounts. Anybody may.
    pub fn init_treasury_shard(ctx: Context<InitTreasuryShard>, shard: u8) -> Result<()> {
        instructions::init_treasury_shard(ctx, shard)
    }

    /// Moves a class's reference price by the utilisation that a quorum attests. Anybody may send it.
    pub fn update_guidance(ctx: Context<UpdateGuidance>, args: GuidanceArgs) -> Result<()> {
        instructions::update_guidance(ctx, args)
    }

    /// Brings an account of an earlier version to today's layout. Anybody may send it.
    pub fn migrate_account(ctx: Context<MigrateAccount>) -> Result<()> {
        instructions::migrate_account(ctx)
    }

    // Treasury

    /// Moves fees from shards (the remaining accounts) to the main account, and burns a share of IO. Anybody may send it.
    pub fn sweep_treasury<'info>(ctx: Context<'info, SweepTreasury<'info>>) -> Result<()> {
        instructions::sweep_treasury(ctx)
    }

    /// Sells IO to the treasury at the price of the moment; it is burned. Anybody may.
    pub fn sell_to_treasury(ctx: Context<SellToTreasury>, io: u64, min_out: u64) -> Result<()> {
        instructions::sell_to_treasury(ctx, io, min_out)
    }

    /// Creates a payment mint's main treasury account. Anybody may.
    pub fn init_treasury_main(ctx: Context<InitTreasuryMain>) -> Result<()> {
        instructions::init_treasury_main(ctx)
    }

    /// Says whose token accounts the treasury may be paid to; zero for nobody's.
    pub fn set_treasury_owner(ctx: Context<SetTreasuryOwner>, owner: Pubkey) -> Result<()> {
        instructions::set_treasury_owner(ctx, owner)
    }

    /// Pays from the treasury to its recorded owner.
    pub fn withdraw_treasury(ctx: Context<WithdrawTreasury>, amount: u64) -> Result<()> {
        instructions::withdraw_treasury(ctx, amount)
    }

    /// Makes or changes the rule by which the treasury buys IO back for a mint.
    pub fn set_buy_back<'info>(
        ctx: Context<'info, SetBuyBack<'info>>,
        args: BuyBackArgs,
    ) -> Result<()> {
        instructions::set_buy_back(ctx, args)
    }

    /// Adds a device class.
    pub fn add_class(ctx: Context<AddClass>, args: ClassArgs) -> Result<()> {
        instructions::add_class(ctx, args)
    }

    /// Changes a device class. Devices take the change over with their next attestation.
    pub fn update_class(ctx: Context<UpdateClass>, args: ClassArgs) -> Result<()> {
        instructions::update_class(ctx, args)
    }
}
