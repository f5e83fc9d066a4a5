//! The instructions of staking, co-staking, slash cases and oracles' bonds, as they are when all is right.

use anchor_lang::prelude::{AccountMeta, Pubkey};
use io_network::{
    ClaimRewardsArgs, ConvictArgs, PublishRootArgs, accounts,
    attest::INSTRUCTIONS_SYSVAR,
    instruction,
    state::{CoStake, Oracle, SlashCase, SlashParty, StakeParams},
    token::TOKEN_PROGRAM,
};
use io_protocol::{
    rewards::{Leaf, Native, Tree},
    slashing::{ConductStatement, SlashStatement, SlashVerdict},
};
use solana_keypair::Keypair;
use solana_signer::Signer;

use crate::{
    ed25519,
    parties::{Party, Rig},
    world::{self, Call, SYSTEM, World, network, oracle_set},
};

/// What tests start with: the defaults.
pub const STAKE: StakeParams = StakeParams::DEFAULT;

impl World {
    pub fn oracle(&self, key: &Pubkey) -> Oracle {
        self.typed(&world::oracle(key))
    }

    pub fn co_stake(&self, provider: &Pubkey, co_staker: &Pubkey) -> CoStake {
        self.typed(&world::co_stake(provider, co_staker))
    }

    /// Changes what the tests start with.
    pub fn with_stake_params(&mut self, bend: impl FnOnce(&mut StakeParams)) {
        let mut params = world::PARAMS;
        bend(&mut params.stake);
        let call = self.update_params_call(params);
        self.ok(&call);
    }

    // Devices

    pub fn evict_device_call(&self, rig: &Rig) -> Call {
        Call::new(
            accounts::EvictDevice {
                authority: rig.authority.pubkey(),
                provider: rig.provider,
                device: rig.device,
            },
            instruction::EvictDevice {},
            &[],
        )
    }

    // Slash cases

    pub fn appeal_slash_call(&self, rig: &Rig, case: &Pubkey) -> Call {
        Call::new(
            accounts::AppealSlash {
                authority: rig.authority.pubkey(),
                network: network(),
                provider: rig.provider,
                slash_case: *case,
                slash_vault: world::vault(case),
                token_account: rig.authority.io,
                token_program: TOKEN_PROGRAM,
            },
            instruction::AppealSlash {},
            &[&rig.authority.key],
        )
    }

    /// An oracle of the set says what it found.
    pub fn file_evidence_call(&self, oracle: &Keypair, case: &Pubkey, evidence: [u8; 32]) -> Call {
        Call::new(
            accounts::FileEvidence {
                oracle: oracle.pubkey(),
                oracle_set: oracle_set(),
                slash_case: *case,
            },
            instruction::FileEvidence { evidence },
            &[oracle],
        )
    }

    pub fn finalise_slash_case_call(&self, case: &Pubkey) -> Call {
        let SlashCase {
            provider, device, ..
        } = self.slash_case(case);
        Call::new(
            accounts::FinaliseSlashCase {
                network: network(),
                provider,
                device,
                slash_case: *case,
                slash_vault: world::vault(case),
                stake_vault: world::stake_vault(&provider),
                co_vault: world::co_vault(&provider),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
            },
            instruction::FinaliseSlashCase {},
            &[],
        )
    }

    pub fn slash_statement(&self, case: &Pubkey, verdict: SlashVerdict) -> SlashStatement {
        SlashStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            case: case.to_bytes(),
            opened_at: self.slash_case(case).opened_at,
            verdict,
        }
    }

    /// Decides an appeal with these oracles' signatures.
    pub fn decide_slash_call(
        &self,
        case: &Pubkey,
        verdict: SlashVerdict,
        oracles: &[usize],
    ) -> Call {
        let SlashCase {
            provider, device, ..
        } = self.slash_case(case);
        let message = self.slash_statement(case, verdict).to_bytes();
        Call::new(
            accounts::DecideSlash {
                network: network(),
                oracle_set: oracle_set(),
                provider,
                device,
                slash_case: *case,
                slash_vault: world::vault(case),
                stake_vault: world::stake_vault(&provider),
                co_vault: world::co_vault(&provider),
                io_mint: self.io_mint,
                instructions: INSTRUCTIONS_SYSVAR,
                token_program: TOKEN_PROGRAM,
            },
            instruction::DecideSlash {
                verdict: verdict as u8,
            },
            &[],
        )
        .after(ed25519::signed(&message, &self.oracle_keys(oracles)))
    }

    pub fn pay_slash_share_call(
        &self,
        case: &Pubkey,
        party: SlashParty,
        destination: &Pubkey,
    ) -> Call {
        Call::new(
            accounts::PaySlashShare {
                network: network(),
                slash_case: *case,
                slash_vault: world::vault(case),
                destination: *destination,
                token_program: TOKEN_PROGRAM,
            },
            instruction::PaySlashShare { party },
            &[],
        )
    }

    pub fn close_slash_case_call(&self, case: &Pubkey) -> Call {
        Call::new(
            accounts::CloseSlashCase {
                network: network(),
                opener: self.slash_case(case).opener,
                slash_case: *case,
                slash_vault: world::vault(case),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
            },
            instruction::CloseSlashCase {},
            &[],
        )
    }

    // Co-stake

    pub fn set_co_stake_terms_call(&self, rig: &Rig, commission_bps: u16, open: bool) -> Call {
        Call::new(
            accounts::SetCoStakeTerms {
                authority: rig.authority.pubkey(),
                network: network(),
                provider: rig.provider,
                co_vault: world::co_vault(&rig.provider),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::SetCoStakeTerms {
                commission_bps,
                open,
            },
            &[&rig.authority.key],
        )
    }

    pub fn join_co_stake_call(&self, rig: &Rig, who: &Party, amount: u64) -> Call {
        self.join_co_stake_at_most_call(rig, who, amount, 10_000)
    }

    /// Joins if the commission is at most this.
    pub fn join_co_stake_at_most_call(
        &self,
        rig: &Rig,
        who: &Party,
        amount: u64,
        max_commission_bps: u16,
    ) -> Call {
        Call::new(
            accounts::JoinCoStake {
                co_staker: who.pubkey(),
                network: network(),
                provider: rig.provider,
                co_stake: world::co_stake(&rig.provider, &who.pubkey()),
                co_vault: world::co_vault(&rig.provider),
                token_account: who.io,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::JoinCoStake {
                amount,
                max_commission_bps,
            },
            &[&who.key],
        )
    }

    pub fn activate_co_stake_call(&self, rig: &Rig, who: &Party) -> Call {
        Call::new(
            accounts::ActivateCoStake {
                provider: rig.provider,
                co_stake: world::co_stake(&rig.provider, &who.pubkey()),
            },
            instruction::ActivateCoStake {},
            &[],
        )
    }

    pub fn claim_co_rewards_call(&self, rig: &Rig, who: &Party) -> Call {
        Call::new(
            accounts::ClaimCoRewards {
                network: network(),
                provider: rig.provider,
                co_stake: world::co_stake(&rig.provider, &who.pubkey()),
                co_vault: world::co_vault(&rig.provider),
                stake_vault: rig.stake_vault(),
                destination: who.io,
                token_program: TOKEN_PROGRAM,
            },
            instruction::ClaimCoRewards {},
            &[],
        )
    }

    /// Gives notice about `who`'s co-stake, signed by whoever.
    pub fn leave_co_stake_call(&self, rig: &Rig, who: &Pubkey, signer: &Keypair) -> Call {
        Call::new(
            accounts::LeaveCoStake {
                signer: signer.pubkey(),
                network: network(),
                provider: rig.provider,
                co_stake: world::co_stake(&rig.provider, who),
            },
            instruction::LeaveCoStake {},
            &[signer],
        )
    }

    pub fn start_co_unbond_call(&self, rig: &Rig, who: &Pubkey, signer: &Keypair) -> Call {
        Call::new(
            accounts::StartCoUnbond {
                signer: signer.pubkey(),
                network: network(),
                provider: rig.provider,
                co_stake: world::co_stake(&rig.provider, who),
            },
            instruction::StartCoUnbond {},
            &[signer],
        )
    }

    pub fn release_bond_for_leaver_call(&self, rig: &Rig, who: &Pubkey) -> Call {
        Call::new(
            accounts::ReleaseBondForLeaver {
                provider: rig.provider,
                device: rig.device,
                co_stake: world::co_stake(&rig.provider, who),
            },
            instruction::ReleaseBondForLeaver {},
            &[],
        )
    }

    pub fn withdraw_co_stake_call(&self, rig: &Rig, who: &Party) -> Call {
        Call::new(
            accounts::WithdrawCoStake {
                network: network(),
                provider: rig.provider,
                co_staker: who.pubkey(),
                co_stake: world::co_stake(&rig.provider, &who.pubkey()),
                co_vault: world::co_vault(&rig.provider),
                stake_vault: rig.stake_vault(),
                destination: who.io,
                token_program: TOKEN_PROGRAM,
            },
            instruction::WithdrawCoStake {},
            &[],
        )
    }

    // Oracles

    pub fn register_oracle_call(&self, key: &Keypair, owner: &Keypair) -> Call {
        let oracle = world::oracle(&key.pubkey());
        Call::new(
            accounts::RegisterOracle {
                key: key.pubkey(),
                owner: owner.pubkey(),
                network: network(),
                oracle,
                vault: world::stake_vault(&oracle),
                io_mint: self.io_mint,
                token_program: TOKEN_PROGRAM,
                system_program: SYSTEM,
            },
            instruction::RegisterOracle {},
            &[key, owner],
        )
    }

    fn move_oracle_bond(key: &Pubkey, signer: &Party) -> accounts::MoveOracleBond {
        let oracle = world::oracle(key);
        accounts::MoveOracleBond {
            signer: signer.pubkey(),
            network: network(),
            oracle,
            vault: world::stake_vault(&oracle),
            token_account: signer.io,
            token_program: TOKEN_PROGRAM,
        }
    }

    pub fn add_oracle_bond_call(&self, key: &Pubkey, payer: &Party, amount: u64) -> Call {
        Call::new(
            Self::move_oracle_bond(key, payer),
            instruction::AddOracleBond { amount },
            &[&payer.key],
        )
    }

    pub fn request_oracle_unbond_call(&self, key: &Pubkey, owner: &Keypair, amount: u64) -> Call {
        Call::new(
            accounts::RequestOracleUnbond {
                owner: owner.pubkey(),
                network: network(),
                oracle_set: oracle_set(),
                oracle: world::oracle(key),
            },
            instruction::RequestOracleUnbond { amount },
            &[owner],
        )
    }

    pub fn withdraw_oracle_bond_call(&self, key: &Pubkey, owner: &Party) -> Call {
        Call::new(
            Self::move_oracle_bond(key, owner),
            instruction::WithdrawOracleBond {},
            &[&owner.key],
        )
    }

    fn take_oracle_bond(&self, accused: &Pubkey, destination: &Pubkey) -> accounts::TakeOracleBond {
        let oracle = world::oracle(accused);
        accounts::TakeOracleBond {
            network: network(),
            oracle_set: oracle_set(),
            oracle,
            vault: world::stake_vault(&oracle),
            io_mint: self.io_mint,
            destination: *destination,
            instructions: INSTRUCTIONS_SYSVAR,
            token_program: TOKEN_PROGRAM,
        }
    }

    /// Accuses `accused` with whatever the Ed25519 instruction says.
    pub fn prove_equivocation_call(
        &self,
        accused: &Pubkey,
        destination: &Pubkey,
        proof: ed25519::Ed25519,
    ) -> Call {
        Call::new(
            self.take_oracle_bond(accused, destination),
            instruction::ProveEquivocation {},
            &[],
        )
        .after(proof.instruction())
    }

    /// What oracles sign who found that `accused` had not run the job that it says it ran.
    pub fn conduct_statement(
        &self,
        accused: &Pubkey,
        args: &ConvictArgs,
        finder: &Pubkey,
    ) -> ConductStatement {
        ConductStatement {
            deployment: self.deployment(),
            set_version: self.oracle_set().version,
            oracle: accused.to_bytes(),
            job: args.job.to_bytes(),
            created_slot: args.created_slot,
            epoch: args.epoch,
            evidence: args.evidence,
            finder: finder.to_bytes(),
        }
    }

    /// Convicts `accused` by whatever the Ed25519 instruction says.
    pub fn convict_oracle_call(
        &self,
        accused: &Pubkey,
        destination: &Pubkey,
        args: ConvictArgs,
        signed: ed25519::Ed25519,
    ) -> Call {
        Call::new(
            self.take_oracle_bond(accused, destination),
            instruction::ConvictOracle { args },
            &[],
        )
        .after(signed.instruction())
    }

    /// Sets the oracles, with the bond accounts of `bonded` beside.
    pub fn set_bonded_oracles_call(
        &self,
        quorum: u8,
        oracles: &[Pubkey],
        bonded: &[Pubkey],
    ) -> Call {
        let mut call = self.set_oracles_call(quorum, oracles);
        let more = bonded.iter().map(|key| AccountMeta {
            pubkey: world::oracle(key),
            is_signer: false,
            is_writable: false,
        });
        call.instruction.accounts.extend(more);
        call
    }

    /// A registered oracle with a bond. Its owner and its key are two.
    pub fn bonded_oracle(&mut self, key: &Keypair, bond: u64) -> Party {
        let owner = self.party();
        let call = self.register_oracle_call(key, &owner.key);
        self.ok(&call);
        if bond > 0 {
            let call = self.add_oracle_bond_call(&key.pubkey(), &owner, bond);
            self.ok(&call);
        }
        owner
    }

    /// A funded wallet that staked beside a provider, which takes 10 %.
    pub fn co_staker(&mut self, rig: &Rig, amount: u64) -> Party {
        let call = self.set_co_stake_terms_call(rig, 1_000, true);
        self.ok(&call);
        let who = self.party();
        let call = self.join_co_stake_call(rig, &who, amount);
        self.ok(&call);
        who
    }

    /// One more epoch passes, and a quorum puts the root of these leaves on chain. Returns the epoch and the tree.
    pub fn publish_epoch(&mut self, leaves: &[Leaf]) -> (u64, Tree) {
        let emission = self.emission();
        let epoch = emission.calendar().epoch_at(self.now()).max(1);
        self.at(emission.calendar().ends_at(epoch));
        let call = self.advance_epoch_call();
        self.ok(&call);
        let tree =
            Tree::build::<Native>(&io_network::ID.to_bytes(), leaves).expect("a tree of leaves");
        let root = PublishRootArgs {
            epoch,
            root: tree.root(),
            total: tree.total(),
            blob: [0x77; 32],
        };
        let call = self.publish_root_call(root, &[0, 1]);
        self.ok(&call);
        (epoch, tree)
    }

    /// One more epoch passes, a quorum says what each provider has earned since genesis, and each claims it.
    pub fn pay_rewards(&mut self, cumulative: &[(&Rig, u64)]) {
        let mut leaves: Vec<Leaf> = cumulative
            .iter()
            .map(|(rig, cumulative)| Leaf {
                provider: rig.provider.to_bytes(),
                cumulative: *cumulative,
            })
            .collect();
        leaves.sort();
        let (_, tree) = self.publish_epoch(&leaves);
        for (rig, cumulative) in cumulative {
            let place = leaves
                .iter()
                .position(|leaf| leaf.provider == rig.provider.to_bytes())
                .expect("its leaf");
            if *cumulative == self.provider(&rig.provider).claimed {
                continue;
            }
            let args = ClaimRewardsArgs {
                cumulative: *cumulative,
                index: place as u32,
                proof: tree.proof::<Native>(place).expect("a proof"),
            };
            let call =
                self.claim_rewards_call(&rig.authority.key, &rig.provider, &rig.payout.io, args);
            self.ok(&call);
        }
    }
}
