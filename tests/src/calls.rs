//! Every instruction of the program as it is when all is right. Tests bend the result.

use anchor_lang::prelude::Pubkey;
use io_network::{
    AcceptJobArgs, AttestDeviceArgs, Change, ClaimRewardsArgs, ClassArgs, InitializeEmissionArgs,
    InitializeNetworkArgs, Payee, PaymentMintArgs, PublishRootArgs, RegisterDeviceArgs, Roles,
    SetOraclesArgs, SubmitResultArgs, VestingArgs, accounts,
    attest::INSTRUCTIONS_SYSVAR,
    guard, instruction,
    state::{JobState, JobTerms, NetworkParams},
    token::TOKEN_PROGRAM,
};
use io_protocol::messages::{
    Deployment, DeviceStatement, Measured, ResultStatement, RewardStatement, TicketStatement,
    Verdict, epoch_of,
};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{
    ed25519,
    parties::{Party, Rig},
    world::{self, Call, Mint, SYSTEM, World, network, oracle_set},
};

/// What a submission says it did, unless a test says otherwise.
pub const OUTPUT: [u8; 32] = [0x0a; 32];
/// Root of its trace.
pub const TRACE: [u8; 32] = [0x0b; 32];

/// Figures that every device measures.
pub const MEASURED: Measured = Measured {
    tops_e2: 12_300,
    memory_mib: 24_576,
    bandwidth_mib_s: 900_000,
    down_mbit: 940,
    up_mbit: 410,
    latency_ms: 23,
    region: 0x4445,
};

/// Terms that any device meets: 10,000 units at 5 IO (or 5 of the second mint's units of 10⁻⁸…) a thousand.
pub fn terms(world: &World, nonce: u64) -> JobTerms {
    JobTerms {
        nonce,
        spec_hash: [7; 32],
        max_price: 1_000_003,
        max_units: 12_345,
        max_escrow: u64::MAX,
        deposit: 0,
        deadline: world.now() + 7_200,
        max_run_seconds: 1_800,
        min_multiplier_e2: 0,
        min_memory_mib: 0,
        class: u16::MAX,
        region: 0,
        min_reputation_bps: 0,
        verification: 1,
        devices: 1,
        kind: 0,
    }
}

/// The change that a call makes, for the timelock.
pub fn change_of(call: &Call) -> Change {
    let (tag, arguments) = call.instruction.data.split_first_chunk().expect("a tag");
    let (target, _) = guard::places_of(tag).expect("a call that waits for the timelock");
    Change {
        tag: *tag,
        target: call.instruction.accounts[target].pubkey,
        arguments: arguments.to_vec(),
    }
}

/// Where the proposal of a call is.
pub fn proposal_of(call: &Call) -> Pubkey {
    world::proposal(&change_of(call).hash())
}

/// The same call, with the proposal that lets it through.
pub fn with_proposal(call: &Call, proposal: &Pubkey) -> Call {
    let mut call = call.duplicate();
    let (_, place) =
        guard::places_of(&call.instruction.data[..8]).expect("a call that waits for the timelock");
    call.instruction.accounts[place] = world::meta(proposal, false, true);
    call
}

impl World {
    // Network

    pub fn initialize_network_call(&self, params: NetworkParams, quorum: u8) -> Call {
        let args = InitializeNetworkArgs {
            cluster: self.cluster,
            params,
            quorum,
            oracles: self.oracles.iter().map(Signer::pubkey).collect(),
        };
        Call::new(
            accounts::InitializeNetwork {
                authority: self.admin.pubkey(),
                network: network(),
                oracle_set: oracle_set(),
                io_mint: self.io_mint,
                program: io_network::ID,
                program_data: world::program_data(),
                system_program: SYSTEM,
            },
            instruction::InitializeNetwork { args },
            &[&self.admin],
        )
    }

    fn administer(&self) -> accounts::Administer {
        accounts::Administer {
            admin: self.admin.pubkey(),
            network: network(),
        }
    }

    pub fn update_params_call(&self, params: NetworkParams) -> Call {
        Call::new(
            accounts::UpdateParams {
                admin: self.admin.pubkey(),
                network: network(),
                proposal: None,
            },
            instruction::UpdateParams { params },
            &[&self.admin],
        )
    }

    pub fn set_timelock_call(&self, seconds: u32) -> Call {
        Call::new(
            accounts::SetTimelock {
                admin: self.admin.pubkey(),
                network: network(),
                proposal: None,
            },
            instruction::SetTimelock { seconds },
            &[&self.admin],
        )
    }

    pub fn set_roles_call(&self, roles: Roles) -> Call {
        Call::new(
            self.administer(),
            instruction::SetRoles { roles },
            &[&self.admin],
        )
    }

    /// Publishes the change that a call makes.
    pub fn propose_change_call(&self, proposer: &Keypair, call: &Call) -> Call {
        let change = change_of(call);
        Call::new(
            accounts::ProposeChange {
                proposer: proposer.pubkey(),
                network: network(),
                proposal: world::proposal(&change.hash()),
                system_program: SYSTEM,
            },
            instruction::ProposeChange { change },
            &[proposer],
        )
    }

    pub fn cancel_change_call(&self, signer: &Keypair, proposal: &Pubkey) -> Call {
        Call::new(
            accounts::CancelChange {
                signer: signer.pubkey(),
                network: network(),
                proposal: *proposal,
            },
            instruction::CancelChange {},
            &[signer],
        )
    }

    pub fn set_paused_call(&self, paused: bool) -> Call {
        Call::new(
            self.administer(),
            instruction::SetPaused { paused },
            &[&self.admin],
        )
    }

    pub fn propose_admin_call(&self, admin: &Pubkey) -> Call {
        Call::new(
            self.administer(),
            instruction::ProposeAdmin { admin: *admin },
            &[&self.admin],
        )
    }

    pub fn accept_admin_call(&self, pending: &Keypair) -> Call {
        Call::new(
            accounts::AcceptAdmin {
                pending_admin: pending.pubkey(),
                network: network(),
            },
            instruction::AcceptAdmin {},
            &[pending],
        )
    }

    pub fn set_oracles_call(&self, quorum: u8, oracles: &[Pubkey]) -> Call {
        Call::new(
            accounts::SetOracles {
                admin: self.admin.pubkey(),
                network: network(),
                oracle_set: oracle_set(),
                proposal: None,
            },
            instruction::SetOracles {
                args: SetOraclesArgs {
                    quorum,
                    oracles: oracles.to_vec(),
                },
            },
            &[&self.admin],
        )
    }

    pub fn add_payment_mint_call(&self, mint: &Pubkey, args: PaymentMintArgs) -> Call {
        Call::new(
            accounts::AddPaymentMint {
                admin: self.admin.pubkey(),
                network: network(),
                mint: *mint,
                payment: world::payment(mint),
                system_program: SYSTEM,
                proposal: None,
            },
            instruction::AddPaymentMint { args },
            &[&self.admin],
        )
    }

    pub fn update_payment_mint_call(&self, mint: &Pubkey, args: PaymentMintArgs) -> Call {
        Call::new(
            accounts::UpdatePaymentMint {
                admin: self.admin.pubkey(),
                network: network(),
                payment: world::payment(mint),
                proposal: None,
            },
            instruction::UpdatePaymentMint { args },
            &[&self.admin],
        )
    }

    /// Paid by whoever pays the fees: anybody may.
    pub fn init_treasury_shard_call(&self, mint: &Pubkey, shard: u8) -> Call {
        Call::new(
            accounts::InitTreasuryShard {
                payer: self.fee_payer.pubkey(),
                network: network(),
                payment: world::payment(mint),
                mint: *mint,
                treasury: world::treasury_shard(mint, shard),
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::InitTreasuryShard { shard },
            &[&self.fee_payer],
        )
    }

    pub fn add_class_call(&self, args: ClassArgs) -> Call {
        Call::new(
            accounts::AddClass {
                admin: self.admin.pubkey(),
                network: network(),
                class: world::class(args.id),
                system_program: SYSTEM,
                proposal: None,
            },
            instruction::AddClass { args },
            &[&self.admin],
        )
    }

    pub fn update_class_call(&self, args: ClassArgs) -> Call {
        Call::new(
            accounts::UpdateClass {
                admin: self.admin.pubkey(),
                network: network(),
                class: world::class(args.id),
                proposal: None,
            },
            instruction::UpdateClass { args },
            &[&self.admin],
        )
    }

    // Emission

    pub fn initialize_emission_call(&self, args: InitializeEmissionArgs) -> Call {
        Call::new(
            accounts::InitializeEmission {
                admin: self.admin.pubkey(),
                network: network(),
                emission: world::emission(),
                vault: world::vault(&world::emission()),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::InitializeEmission { args },
            &[&self.admin],
        )
    }

    pub fn create_vesting_call(&self, args: VestingArgs) -> Call {
        let vesting = world::vesting(args.index);
        Call::new(
            accounts::CreateVesting {
                admin: self.admin.pubkey(),
                network: network(),
                emission: world::emission(),
                vesting,
                vault: world::vault(&vesting),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::CreateVesting { args },
            &[&self.admin],
        )
    }

    pub fn claim_vested_call(&self, beneficiary: &Keypair, index: u8, to: &Pubkey) -> Call {
        let vesting = world::vesting(index);
        Call::new(
            accounts::ClaimVested {
                beneficiary: beneficiary.pubkey(),
                vesting,
                vault: world::vault(&vesting),
                token_account: *to,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ClaimVested {},
            &[beneficiary],
        )
    }

    fn hand_vesting(signer: &Keypair, index: u8) -> accounts::HandVesting {
        accounts::HandVesting {
            signer: signer.pubkey(),
            vesting: world::vesting(index),
        }
    }

    pub fn propose_beneficiary_call(&self, from: &Keypair, index: u8, to: &Pubkey) -> Call {
        Call::new(
            Self::hand_vesting(from, index),
            instruction::ProposeBeneficiary { beneficiary: *to },
            &[from],
        )
    }

    pub fn accept_beneficiary_call(&self, by: &Keypair, index: u8) -> Call {
        Call::new(
            Self::hand_vesting(by, index),
            instruction::AcceptBeneficiary {},
            &[by],
        )
    }

    pub fn advance_epoch_call(&self) -> Call {
        Call::new(
            accounts::AdvanceEpoch {
                emission: world::emission(),
                io_mint: self.io_mint,
                vault: world::vault(&world::emission()),
                token_program: TOKEN_PROGRAM,
            },
            instruction::AdvanceEpoch {},
            &[],
        )
    }

    pub fn reward_statement(&self, args: &PublishRootArgs) -> RewardStatement {
        RewardStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            epoch: args.epoch,
            root: args.root,
            total: args.total,
            blob: args.blob,
        }
    }

    /// A root signed by these oracles.
    pub fn publish_root_call(&self, args: PublishRootArgs, oracles: &[usize]) -> Call {
        let statement = self.reward_statement(&args);
        Call::new(
            accounts::PublishRoot {
                network: network(),
                oracle_set: oracle_set(),
                emission: world::emission(),
                instructions: INSTRUCTIONS_SYSVAR,
            },
            instruction::PublishRoot { args },
            &[],
        )
        .after(ed25519::signed(
            &statement.to_bytes(),
            &self.oracle_keys(oracles),
        ))
    }

    /// A claim of what a tree says about a provider.
    pub fn claim_rewards_call(
        &self,
        signer: &Keypair,
        provider: &Pubkey,
        destination: &Pubkey,
        args: ClaimRewardsArgs,
    ) -> Call {
        Call::new(
            accounts::ClaimRewards {
                signer: signer.pubkey(),
                emission: world::emission(),
                vault: world::vault(&world::emission()),
                provider: *provider,
                co_vault: world::co_vault(provider),
                destination: *destination,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ClaimRewards { args },
            &[signer],
        )
    }

    pub fn set_enterprise_share_call(&self, enterprise_bps: u16) -> Call {
        Call::new(
            accounts::SetEnterpriseShare {
                admin: self.admin.pubkey(),
                network: network(),
                emission: world::emission(),
                proposal: None,
            },
            instruction::SetEnterpriseShare { enterprise_bps },
            &[&self.admin],
        )
    }

    // Provider

    pub fn register_provider_call(&self, rig: &Rig) -> Call {
        Call::new(
            accounts::RegisterProvider {
                authority: rig.authority.pubkey(),
                network: network(),
                provider: rig.provider,
                stake_vault: rig.stake_vault(),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::RegisterProvider {
                payout_owner: rig.payout.pubkey(),
            },
            &[&rig.authority.key],
        )
    }

    fn manage_provider(rig: &Rig) -> accounts::ManageProvider {
        accounts::ManageProvider {
            authority: rig.authority.pubkey(),
            network: network(),
            provider: rig.provider,
        }
    }

    pub fn set_payout_owner_call(&self, rig: &Rig, payout_owner: &Pubkey) -> Call {
        Call::new(
            Self::manage_provider(rig),
            instruction::SetPayoutOwner {
                payout_owner: *payout_owner,
            },
            &[&rig.authority.key],
        )
    }

    pub fn request_unstake_call(&self, rig: &Rig, amount: u64) -> Call {
        Call::new(
            Self::manage_provider(rig),
            instruction::RequestUnstake { amount },
            &[&rig.authority.key],
        )
    }

    fn move_stake(rig: &Rig, token_account: &Pubkey) -> accounts::MoveStake {
        accounts::MoveStake {
            authority: rig.authority.pubkey(),
            network: network(),
            provider: rig.provider,
            stake_vault: rig.stake_vault(),
            token_account: *token_account,
            token_program: TOKEN_PROGRAM,
        }
    }

    pub fn stake_call(&self, rig: &Rig, amount: u64) -> Call {
        Call::new(
            Self::move_stake(rig, &rig.authority.io),
            instruction::Stake { amount },
            &[&rig.authority.key],
        )
    }

    pub fn withdraw_stake_call(&self, rig: &Rig) -> Call {
        self.withdraw_stake_to_call(rig, &rig.authority.io)
    }

    pub fn withdraw_stake_to_call(&self, rig: &Rig, token_account: &Pubkey) -> Call {
        Call::new(
            Self::move_stake(rig, token_account),
            instruction::WithdrawStake {},
            &[&rig.authority.key],
        )
    }

    // Device

    pub fn register_device_call(&self, rig: &Rig, bond: u64) -> Call {
        Call::new(
            accounts::RegisterDevice {
                authority: rig.authority.pubkey(),
                network: network(),
                provider: rig.provider,
                class: world::class(rig.class),
                device: rig.device,
                system_program: SYSTEM,
            },
            instruction::RegisterDevice {
                args: RegisterDeviceArgs {
                    hardware: rig.hardware,
                    operator: rig.operator.pubkey(),
                    bond,
                },
            },
            &[&rig.authority.key],
        )
    }

    pub fn deployment(&self) -> Deployment {
        Deployment {
            program: io_network::ID.to_bytes(),
            cluster: self.cluster,
        }
    }

    pub fn device_statement(
        &self,
        rig: &Rig,
        measured_at: i64,
        measured: Measured,
    ) -> DeviceStatement {
        DeviceStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            device: rig.device.to_bytes(),
            provider: rig.provider.to_bytes(),
            class: rig.class,
            since: self.device(&rig.device).since,
            measured_at,
            measured,
        }
    }

    /// Figures of now, signed by these oracles.
    pub fn attest_call(&self, rig: &Rig, oracles: &[usize]) -> Call {
        self.attest_with_call(rig, self.now(), MEASURED, oracles)
    }

    pub fn attest_with_call(
        &self,
        rig: &Rig,
        measured_at: i64,
        measured: Measured,
        oracles: &[usize],
    ) -> Call {
        let statement = self.device_statement(rig, measured_at, measured);
        Call::new(
            accounts::AttestDevice {
                network: network(),
                oracle_set: oracle_set(),
                class: world::class(rig.class),
                device: rig.device,
                instructions: INSTRUCTIONS_SYSVAR,
            },
            instruction::AttestDevice {
                args: AttestDeviceArgs {
                    measured_at,
                    tops_e2: measured.tops_e2,
                    memory_mib: measured.memory_mib,
                    bandwidth_mib_s: measured.bandwidth_mib_s,
                    down_mbit: measured.down_mbit,
                    up_mbit: measured.up_mbit,
                    latency_ms: measured.latency_ms,
                    region: measured.region,
                },
            },
            &[],
        )
        .after(ed25519::signed(
            &statement.to_bytes(),
            &self.oracle_keys(oracles),
        ))
    }

    pub fn oracle_keys(&self, which: &[usize]) -> Vec<&Keypair> {
        which.iter().map(|i| &self.oracles[*i]).collect()
    }

    fn manage_device(rig: &Rig) -> accounts::ManageDevice {
        accounts::ManageDevice {
            authority: rig.authority.pubkey(),
            network: network(),
            provider: rig.provider,
            device: rig.device,
        }
    }

    pub fn set_device_bond_call(&self, rig: &Rig, bond: u64) -> Call {
        Call::new(
            Self::manage_device(rig),
            instruction::SetDeviceBond { bond },
            &[&rig.authority.key],
        )
    }

    pub fn set_device_operator_call(&self, rig: &Rig, operator: &Pubkey) -> Call {
        Call::new(
            Self::manage_device(rig),
            instruction::SetDeviceOperator {
                operator: *operator,
            },
            &[&rig.authority.key],
        )
    }

    pub fn set_device_draining_call(&self, rig: &Rig, signer: &Keypair, draining: bool) -> Call {
        Call::new(
            accounts::SetDeviceDraining {
                signer: signer.pubkey(),
                provider: rig.provider,
                device: rig.device,
            },
            instruction::SetDeviceDraining { draining },
            &[signer],
        )
    }

    pub fn retire_device_call(&self, rig: &Rig) -> Call {
        Call::new(
            accounts::RetireDevice {
                authority: rig.authority.pubkey(),
                provider: rig.provider,
                device: rig.device,
            },
            instruction::RetireDevice {},
            &[&rig.authority.key],
        )
    }

    // Job

    /// A job of `renter`, paid by `payer`. Its address is `world::job(renter, terms.nonce)`.
    pub fn create_job_call(
        &self,
        renter: &Keypair,
        payer: &Party,
        mint: Mint,
        terms: JobTerms,
    ) -> Call {
        let job = world::job(&renter.pubkey(), terms.nonce);
        let mint_key = self.mint(mint);
        Call::new(
            accounts::CreateJob {
                renter: renter.pubkey(),
                payer: payer.pubkey(),
                network: network(),
                payment: world::payment(&mint_key),
                mint: mint_key,
                job,
                vault: world::vault(&job),
                payer_token: payer.account(mint),
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::CreateJob { terms },
            &[renter, &payer.key],
        )
    }

    pub fn ticket_statement(
        &self,
        job: &Pubkey,
        rig: &Rig,
        ask: u64,
        expires_at: i64,
    ) -> TicketStatement {
        TicketStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            job: job.to_bytes(),
            created_slot: self.job(job).created_slot,
            device: rig.device.to_bytes(),
            ask,
            expires_at,
        }
    }

    fn accept_without(&self, job: &Pubkey, rig: &Rig, ask: u64, ticket_expires_at: i64) -> Call {
        let mint = if self.job(job).mint == self.io_mint {
            Mint::Io
        } else {
            Mint::Usd
        };
        Call::new(
            accounts::AcceptJob {
                operator: rig.operator.pubkey(),
                network: network(),
                oracle_set: oracle_set(),
                provider: rig.provider,
                device: rig.device,
                job: *job,
                provider_token: rig.payout.account(mint),
                instructions: INSTRUCTIONS_SYSVAR,
            },
            instruction::AcceptJob {
                args: AcceptJobArgs {
                    created_slot: self.job(job).created_slot,
                    ask,
                    ticket_expires_at,
                },
            },
            &[&rig.operator],
        )
    }

    /// Takes a job without a ticket.
    pub fn accept_call(&self, job: &Pubkey, rig: &Rig, ask: u64) -> Call {
        self.accept_without(job, rig, ask, 0)
    }

    /// Takes a job with a ticket of the first oracle.
    pub fn accept_with_ticket_call(
        &self,
        job: &Pubkey,
        rig: &Rig,
        ask: u64,
        expires_at: i64,
    ) -> Call {
        let ticket = self.ticket_statement(job, rig, ask, expires_at);
        self.accept_without(job, rig, ask, expires_at)
            .after(ed25519::signed(&ticket.to_bytes(), &self.oracle_keys(&[0])))
    }

    pub fn submit_call(&self, job: &Pubkey, rig: &Rig, units: u64) -> Call {
        Call::new(
            accounts::SubmitResult {
                operator: rig.operator.pubkey(),
                device: rig.device,
                job: *job,
            },
            instruction::SubmitResult {
                args: SubmitResultArgs {
                    output_hash: OUTPUT,
                    trace_root: TRACE,
                    units,
                },
            },
            &[&rig.operator],
        )
    }

    /// What oracles sign about a submitted job.
    pub fn result_statement(&self, job: &Pubkey, verdict: Verdict) -> ResultStatement {
        let state = self.job(job);
        ResultStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            job: job.to_bytes(),
            created_slot: state.created_slot,
            epoch: epoch_of(state.submitted_at),
            verdict,
            output_hash: state.output_hash,
            units: state.units,
            disputed: state.state == JobState::Disputed as u8,
        }
    }

    /// Settles without any signature.
    pub fn settle_unobjected_call(&self, job: &Pubkey) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::SettleJob {
                network: network(),
                oracle_set: oracle_set(),
                job: *job,
                device: state.device,
                vault: state.vault,
                provider_token: state.provider_token,
                payer_token: state.payer_token,
                treasury: state.treasury,
                instructions: INSTRUCTIONS_SYSVAR,
                token_program: TOKEN_PROGRAM,
            },
            instruction::SettleJob {},
            &[],
        )
    }

    /// Settles with these oracles' signatures.
    pub fn settle_call(&self, job: &Pubkey, oracles: &[usize]) -> Call {
        let message = self.result_statement(job, Verdict::Valid).to_bytes();
        self.settle_unobjected_call(job)
            .after(ed25519::signed(&message, &self.oracle_keys(oracles)))
    }

    pub fn reject_without_call(&self, job: &Pubkey) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::RejectJob {
                network: network(),
                oracle_set: oracle_set(),
                job: *job,
                device: state.device,
                vault: state.vault,
                payer_token: state.payer_token,
                instructions: INSTRUCTIONS_SYSVAR,
                token_program: TOKEN_PROGRAM,
            },
            instruction::RejectJob {},
            &[],
        )
    }

    pub fn reject_call(&self, job: &Pubkey, oracles: &[usize]) -> Call {
        let message = self.result_statement(job, Verdict::Invalid).to_bytes();
        self.reject_without_call(job)
            .after(ed25519::signed(&message, &self.oracle_keys(oracles)))
    }

    pub fn dispute_call(&self, job: &Pubkey, disputer: &Keypair) -> Call {
        Call::new(
            accounts::DisputeJob {
                disputer: disputer.pubkey(),
                oracle_set: oracle_set(),
                job: *job,
            },
            instruction::DisputeJob {},
            &[disputer],
        )
    }

    pub fn cancel_call(&self, job: &Pubkey, signer: &Keypair) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::CancelJob {
                signer: signer.pubkey(),
                job: *job,
                vault: state.vault,
                payer_token: state.payer_token,
                token_program: TOKEN_PROGRAM,
            },
            instruction::CancelJob {},
            &[signer],
        )
    }

    pub fn expire_call(&self, job: &Pubkey) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::ExpireJob {
                job: *job,
                device: (state.device != Pubkey::default()).then_some(state.device),
                vault: state.vault,
                payer_token: state.payer_token,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ExpireJob {},
            &[],
        )
    }

    /// Delivers to `destination`, signed by whoever.
    pub fn release_owed_call(
        &self,
        job: &Pubkey,
        payee: Payee,
        signer: &Keypair,
        destination: &Pubkey,
    ) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::ReleaseOwed {
                signer: signer.pubkey(),
                network: network(),
                provider: (payee == Payee::Provider).then_some(state.provider),
                job: *job,
                vault: state.vault,
                destination: *destination,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ReleaseOwed { payee },
            &[signer],
        )
    }

    pub fn open_slash_case_call(&self, job: &Pubkey, rig: &Rig, opener: &Keypair) -> Call {
        let case = world::slash_case(&rig.provider, self.provider(&rig.provider).slash_cases);
        Call::new(
            accounts::OpenSlashCase {
                opener: opener.pubkey(),
                network: network(),
                job: *job,
                provider: rig.provider,
                stake_vault: rig.stake_vault(),
                co_vault: world::co_vault(&rig.provider),
                slash_case: case,
                slash_vault: world::vault(&case),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::OpenSlashCase {},
            &[opener],
        )
    }

    pub fn close_call(&self, job: &Pubkey, signer: &Keypair) -> Call {
        let payer_token = self.job(job).payer_token;
        self.close_to_call(job, signer, &payer_token)
    }

    /// Closes, with what is left in the vault going to `payer_token`.
    pub fn close_to_call(&self, job: &Pubkey, signer: &Keypair, payer_token: &Pubkey) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::CloseJob {
                signer: signer.pubkey(),
                payer: state.payer,
                job: *job,
                vault: state.vault,
                payer_token: *payer_token,
                token_program: TOKEN_PROGRAM,
            },
            instruction::CloseJob {},
            &[signer],
        )
    }
}
