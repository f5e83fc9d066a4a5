//! Calls about leases and sponsored deposits, and a lease in any state.

use anchor_lang::prelude::Pubkey;
use io_network::{
    CheckpointArgs, ExtendJobArgs, FundJobArgs, accounts,
    attest::INSTRUCTIONS_SYSVAR,
    instruction, seeds,
    state::{Deposit, JobTerms},
    token::TOKEN_PROGRAM,
};
use io_protocol::lease::LeaseStatement;
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{
    calls::terms,
    ed25519,
    parties::Party,
    stage::{ASK, Stage},
    world::{Call, Mint, SYSTEM, World, find, network, oracle_set},
};

/// Seconds that a lease of these tests is bought for.
pub const LEASED: u64 = 1_000;
/// What it may come to with extensions.
pub const LONGEST: u32 = 5_000;

/// Terms of a lease that any device meets.
pub fn lease_terms(world: &World, nonce: u64) -> JobTerms {
    JobTerms {
        max_units: LEASED,
        max_run_seconds: LONGEST,
        verification: 2,
        kind: 1,
        ..terms(world, nonce)
    }
}

pub fn deposit(job: &Pubkey, sponsor: &Pubkey, index: u16) -> Pubkey {
    find(&[
        seeds::DEPOSIT,
        job.as_ref(),
        sponsor.as_ref(),
        &index.to_le_bytes(),
    ])
}

impl World {
    pub fn deposit(&self, key: &Pubkey) -> Deposit {
        let data = self.account(key).expect("the deposit").data;
        bytemuck::pod_read_unaligned(&data[8..])
    }

    /// The job's account is closed.
    pub fn job_gone(&self, job: &Pubkey) -> bool {
        self.account(job)
            .is_none_or(|account| account.data.is_empty())
    }

    fn mint_of(&self, job: &Pubkey) -> Mint {
        match self.job(job).mint == self.io_mint {
            true => Mint::Io,
            false => Mint::Usd,
        }
    }

    pub fn fund_job_call(&self, job: &Pubkey, sponsor: &Party, amount: u64, index: u16) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::FundJob {
                sponsor: sponsor.pubkey(),
                network: network(),
                job: *job,
                deposit: deposit(job, &sponsor.pubkey(), index),
                vault: state.vault,
                sponsor_token: sponsor.account(self.mint_of(job)),
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::FundJob {
                args: FundJobArgs {
                    created_slot: state.created_slot,
                    amount,
                    index,
                },
            },
            &[&sponsor.key],
        )
    }

    /// Anybody delivers a deposit's share to the account it came from.
    pub fn release_deposit_call(&self, deposit: &Pubkey, signer: &Keypair) -> Call {
        let to = self.deposit(deposit).token_account;
        self.release_deposit_to_call(deposit, signer, &to)
    }

    pub fn release_deposit_to_call(&self, key: &Pubkey, signer: &Keypair, to: &Pubkey) -> Call {
        let state = self.deposit(key);
        Call::new(
            accounts::ReleaseDeposit {
                signer: signer.pubkey(),
                sponsor: state.sponsor,
                job: state.job,
                deposit: *key,
                vault: self.job(&state.job).vault,
                destination: *to,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ReleaseDeposit {},
            &[signer],
        )
    }

    pub fn lease_statement(&self, job: &Pubkey, seconds: u64, at: i64) -> LeaseStatement {
        LeaseStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            job: job.to_bytes(),
            created_slot: self.job(job).created_slot,
            seconds,
            at,
        }
    }

    /// A checkpoint without any signature.
    pub fn checkpoint_unsigned_call(&self, job: &Pubkey, seconds: u64, at: i64) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::CheckpointJob {
                network: network(),
                oracle_set: oracle_set(),
                job: *job,
                vault: state.vault,
                provider_token: state.provider_token,
                treasury: state.treasury,
                instructions: INSTRUCTIONS_SYSVAR,
                token_program: TOKEN_PROGRAM,
            },
            instruction::CheckpointJob {
                args: CheckpointArgs { seconds, at },
            },
            &[],
        )
    }

    pub fn checkpoint_call(&self, job: &Pubkey, seconds: u64, at: i64, oracles: &[usize]) -> Call {
        let statement = self.lease_statement(job, seconds, at);
        self.checkpoint_unsigned_call(job, seconds, at)
            .after(ed25519::signed(
                &statement.to_bytes(),
                &self.oracle_keys(oracles),
            ))
    }

    pub fn extend_job_call(
        &self,
        job: &Pubkey,
        signer: &Keypair,
        sponsor: &Party,
        seconds: u64,
        index: u16,
    ) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::ExtendJob {
                signer: signer.pubkey(),
                sponsor: sponsor.pubkey(),
                network: network(),
                job: *job,
                deposit: deposit(job, &sponsor.pubkey(), index),
                vault: state.vault,
                sponsor_token: sponsor.account(self.mint_of(job)),
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::ExtendJob {
                args: ExtendJobArgs {
                    created_slot: state.created_slot,
                    seconds,
                    max_amount: u64::MAX,
                    index,
                },
            },
            &[signer, &sponsor.key],
        )
    }

    pub fn end_lease_call(&self, job: &Pubkey, signer: &Keypair) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::EndLease {
                signer: signer.pubkey(),
                provider: state.provider,
                device: state.device,
                job: *job,
            },
            instruction::EndLease {},
            &[signer],
        )
    }

    pub fn finish_lease_call(&self, job: &Pubkey) -> Call {
        let state = self.job(job);
        Call::new(
            accounts::FinishLease {
                job: *job,
                device: state.device,
                vault: state.vault,
                payer_token: state.payer_token,
                token_program: TOKEN_PROGRAM,
            },
            instruction::FinishLease {},
            &[],
        )
    }
}

impl Stage {
    /// A lease that nobody accepted yet.
    pub fn open_lease(seed: u64) -> Self {
        let mut stage = Self::empty(seed, Mint::Io);
        stage.terms = lease_terms(&stage.world, 1);
        stage.create();
        stage.world.advance(1);
        stage
    }

    /// A lease that a device serves.
    pub fn lease(seed: u64) -> Self {
        let mut stage = Self::open_lease(seed);
        stage.accept(ASK);
        stage
    }

    /// A quorum attests `seconds` up to now.
    #[track_caller]
    pub fn checkpoint(&mut self, seconds: u64) {
        let call = self
            .world
            .checkpoint_call(&self.key, seconds, self.world.now(), &[0, 1]);
        self.world.ok(&call);
    }

    #[track_caller]
    pub fn finish(&mut self) {
        let call = self.world.finish_lease_call(&self.key);
        self.world.ok(&call);
    }
}
