//! Stored accounts of every type still load, with every field where it was. `tests/fixtures` holds them as they were on
//! the day each layout was fixed; a file that exists is never written again (`UPDATE_FIXTURES=1` adds missing ones).

use std::{fmt::Debug, path::PathBuf};

use anchor_lang::{AccountDeserialize, Discriminator, prelude::Pubkey};
use io_network::state::{
    BuyBack, CoStake, Deposit, Device, DeviceClass, Emission, Evidence, Job, Network, Oracle,
    OracleSet, PaymentMint, Proposal, Provider, Record, SlashCase, Unbonding, Vesting,
};

fn key(n: u8) -> Pubkey {
    Pubkey::new_from_array([n; 32])
}

/// A number whose bytes are all different, so that no two fields can change places unseen.
fn number(n: u8) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| {
        n.wrapping_mul(8).wrapping_add(i as u8)
    }))
}

fn time(n: u8) -> i64 {
    i64::from(half(n)) + (1 << 33)
}

fn half(n: u8) -> u32 {
    number(n) as u32
}

fn record(n: u8) -> Record {
    Record {
        completed: number(n),
        failed: number(n + 4),
        volume: number(n + 8),
        day: number(n + 12),
    }
}

fn quarter(n: u8) -> u16 {
    number(n) as u16
}

fn check<T: AccountDeserialize + Discriminator + bytemuck::NoUninit + PartialEq + Debug>(
    name: &str,
    expected: &T,
) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(format!("{name}.bin"));
    if !path.exists() && std::env::var_os("UPDATE_FIXTURES").is_some() {
        let data = [T::DISCRIMINATOR, bytemuck::bytes_of(expected)].concat();
        std::fs::write(&path, data).expect("the fixture is written");
    }
    let stored = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let loaded = T::try_deserialize(&mut stored.as_slice()).expect("an old account loads");
    assert_eq!(&loaded, expected, "{name}");
    assert_eq!(&stored[8..], bytemuck::bytes_of(expected), "{name}");
    assert_eq!(stored.len(), 8 + size_of::<T>(), "{name} keeps its size");
}

#[test]
fn network() {
    check(
        "network",
        &Network {
            admin: key(1),
            pending_admin: key(2),
            io_mint: key(3),
            cluster: [4; 32],
            pauser: key(15),
            params_role: key(16),
            oracles_role: key(17),
            treasury_owner: key(18),
            min_bond: number(5),
            min_oracle_bond: number(22),
            appeal_bond_floor: number(23),
            match_seconds: half(6),
            challenge_seconds: half(7),
            dispute_seconds: half(8),
            attestation_seconds: half(9),
            unbond_seconds: half(10),
            retention_seconds: half(11),
            reclaim_notice_seconds: half(30),
            timelock_seconds: half(19),
            appeal_seconds: half(24),
            decision_seconds: half(25),
            co_notice_seconds: half(26),
            reserve_bps: quarter(12),
            expire_penalty_bps: quarter(13),
            reject_penalty_bps: quarter(14),
            burn_bps: quarter(20),
            target_utilisation_bps: quarter(21),
            appeal_bond_bps: quarter(27),
            slash_renter_bps: quarter(28),
            slash_challenger_bps: quarter(29),
            paused: 1,
            bump: 254,
            version: 1,
            reserved: [0; 89],
        },
    );
}

#[test]
fn oracle_set() {
    check(
        "oracle_set",
        &OracleSet {
            version: number(1),
            oracles: std::array::from_fn(|i| {
                if i < 31 {
                    key(i as u8 + 1)
                } else {
                    Pubkey::default()
                }
            }),
            count: 31,
            quorum: 21,
            bump: 253,
            layout: 1,
            used: 31,
            next: 31,
            reserved: [0; 58],
        },
    );
}

#[test]
fn proposal() {
    check(
        "proposal",
        &Proposal {
            hash: [1; 32],
            proposer: key(2),
            target: key(3),
            tag: number(4).to_le_bytes(),
            proposed_at: time(5),
            ready_at: time(6),
            expires_at: time(7),
            bump: 243,
            version: 1,
            reserved: [0; 46],
        },
    );
}

#[test]
fn buy_back() {
    check(
        "buy_back",
        &BuyBack {
            mint: key(1),
            floor_price: number(2),
            ceiling_price: number(3),
            budget: number(4),
            epoch: number(5),
            spent: number(6),
            paid: number(7),
            burned: number(8),
            enabled: 1,
            bump: 242,
            version: 1,
            reserved: [0; 61],
        },
    );
}

#[test]
fn device_class() {
    check(
        "device_class",
        &DeviceClass {
            name: std::array::from_fn(|i| i as u8 + 1),
            reference_price: number(5),
            price_floor: number(6),
            price_ceiling: number(7),
            guidance_epoch: number(8),
            utilisation_bps: quarter(9),
            multiplier_e2: half(1),
            min_tops_e2: half(2),
            min_memory_mib: half(3),
            norm_tops_e2: half(9),
            id: quarter(4),
            group: 1,
            bump: 252,
            version: 1,
            reserved: [0; 57],
        },
    );
}

#[test]
fn payment_mint() {
    check(
        "payment_mint",
        &PaymentMint {
            mint: key(1),
            shards: std::array::from_fn(|i| key(i as u8 + 2)),
            main: key(30),
            io_per_unit_e9: number(20),
            swept: number(22),
            burned: number(23),
            withdrawn: number(24),
            bought: number(25),
            fee_bps: quarter(21),
            enabled: 1,
            decimals: 6,
            token_2022: 1,
            bump: 251,
            version: 1,
            reserved: [0; 57],
        },
    );
}

#[test]
fn provider() {
    check(
        "provider",
        &Provider {
            authority: key(1),
            payout_owner: key(2),
            staked: number(3),
            committed: number(4),
            co_assets: number(28),
            co_shares: number(29),
            co_earning: number(30),
            co_rewards: number(31),
            co_acc: [number(14), number(15)],
            co_disputed: number(16),
            claimed_until: time(17),
            unbonding: std::array::from_fn(|i| Unbonding {
                amount: number(5 + i as u8),
                ready_at: time(13 + i as u8),
            }),
            record: record(40),
            completed: number(22),
            failed: number(23),
            claimed: number(24),
            since: time(25),
            slash_cases: number(26),
            devices: half(27),
            co_stakers: half(18),
            commission_bps: quarter(19),
            bump: 250,
            vault_bump: 249,
            co_vault_bump: 248,
            co_open: 1,
            version: 1,
            reserved: [0; 65],
        },
    );
}

#[test]
fn device() {
    check(
        "device",
        &Device {
            provider: key(1),
            operator: key(2),
            hardware: [3; 32],
            current_job: key(4),
            bond: number(5),
            exposure: number(6),
            record: record(41),
            completed: number(7),
            failed: number(8),
            volume: number(9),
            attested_at: time(10),
            // Stored when this was the epoch of an attestation.
            operator_since: number(11) as i64,
            since: time(12),
            open_jobs: half(13),
            multiplier_e2: half(14),
            tops_e2: half(15),
            memory_mib: half(16),
            bandwidth_mib_s: half(17),
            class: quarter(18),
            region: quarter(19),
            state: 1,
            bump: 248,
            version: 1,
            former_operator: Pubkey::default(),
            faulty_epoch: [0; 8],
            spare: 0,
            // Stored before links were measured.
            down_mbit: 0,
            up_mbit: 0,
            latency_ms: 0,
            reserved: [0; 2],
            fault_due: [0; 8],
        },
    );
}

#[test]
fn evidence() {
    check(
        "evidence",
        &Evidence {
            challenger: key(1),
            n: half(2),
            passes: half(3),
            pass: half(4),
            row: half(5),
            col: half(6),
            path_len: half(7),
            item_path_len: half(8),
            spare: 0,
            a_seed: [9; 32],
            b_seed: [10; 32],
            leaf: [11; 128],
            path: std::array::from_fn(|i| [i as u8; 32]),
            item_path: std::array::from_fn(|i| [100 + i as u8; 32]),
            bump: 247,
            version: 1,
            reserved: [0; 30],
            commitment: [12; 32],
            committed_slot: number(13),
        },
    );
}

#[test]
fn job() {
    check(
        "job",
        &Job {
            renter: key(1),
            payer: key(2),
            mint: key(3),
            vault: key(4),
            payer_token: key(5),
            treasury: key(6),
            provider: key(7),
            device: key(8),
            provider_token: key(9),
            challenger: key(23),
            spec_hash: [10; 32],
            output_hash: [11; 32],
            trace_root: [12; 32],
            nonce: number(13),
            max_price: number(14),
            max_units: number(15),
            escrow: number(16),
            funded: number(29),
            deposited: number(30),
            ask: number(17),
            units: number(18),
            exposure: number(19),
            io_per_unit_e9: number(20),
            paid: number(21),
            fees: number(22),
            refunded: number(23),
            owed_provider: number(24),
            owed_treasury: number(25),
            owed_payer: number(26),
            owed_sponsors: number(31),
            penalty_due: number(27),
            created_slot: number(28),
            created_at: time(1),
            match_until: time(2),
            deadline: time(3),
            accepted_at: time(4),
            run_until: time(5),
            submitted_at: time(6),
            challenge_until: time(7),
            dispute_until: time(8),
            finished_at: time(9),
            max_run_seconds: half(10),
            min_multiplier_e2: half(11),
            min_memory_mib: half(12),
            challenge_seconds: half(13),
            dispute_seconds: half(14),
            retention_seconds: half(15),
            notice_seconds: half(25),
            deposits: quarter(24),
            accusers: half(24),
            class: quarter(16),
            region: quarter(17),
            min_reputation_bps: quarter(18),
            reserve_bps: quarter(19),
            provider_reserve_bps: quarter(23),
            payment_bps: quarter(20),
            expire_penalty_bps: quarter(21),
            reject_penalty_bps: quarter(22),
            verification: 1,
            devices: 2,
            state: 3,
            token_2022: 1,
            bump: 247,
            vault_bump: 246,
            version: 1,
            kind: 1,
            ended_by: 2,
            reserved: [0; 21],
        },
    );
}

#[test]
fn deposit() {
    check(
        "deposit",
        &Deposit {
            job: key(1),
            sponsor: key(2),
            token_account: key(3),
            start: number(4),
            amount: number(5),
            created_at: time(6),
            index: quarter(7),
            bump: 240,
            version: 1,
            reserved: [0; 52],
        },
    );
}

#[test]
fn slash_case() {
    check(
        "slash_case",
        &SlashCase {
            provider: key(1),
            device: key(2),
            job: key(3),
            renter: key(4),
            challenger: key(5),
            appellant: key(6),
            opener: key(7),
            subject: [8; 32],
            number: number(9),
            amount: number(10),
            owner_part: number(11),
            co_part: number(12),
            appeal_bond: number(13),
            owed_renter: number(14),
            owed_challenger: number(15),
            owed_appellant: number(16),
            burned: number(17),
            opened_at: time(1),
            appeal_until: time(2),
            decide_until: time(3),
            decided_at: time(4),
            accusers: half(18),
            decision_seconds: half(19),
            renter_bps: quarter(20),
            challenger_bps: quarter(21),
            cause: 2,
            state: 3,
            bump: 245,
            vault_bump: 244,
            version: 1,
            evidence: [0; 32],
            due: [0; 8],
            reserved: [0; 15],
        },
    );
}

#[test]
fn oracle() {
    check(
        "oracle",
        &Oracle {
            key: key(1),
            owner: key(2),
            bond: number(3),
            unbonding: number(4),
            ready_at: time(5),
            slashed: number(6),
            since: time(7),
            bump: 243,
            vault_bump: 242,
            version: 1,
            convicted_by: [0; 32],
            barred: 0,
            reserved: [0; 28],
        },
    );
}

#[test]
fn co_stake() {
    check(
        "co_stake",
        &CoStake {
            provider: key(1),
            co_staker: key(2),
            earning: number(3),
            pending: number(4),
            rewards: number(5),
            acc: [number(6), number(7)],
            unbonding: number(8),
            joined_at: time(9),
            notice_until: time(10),
            ready_at: time(11),
            commission_bps: quarter(12),
            bump: 241,
            version: 1,
            release_at: [0; 8],
            reserved: [0; 52],
        },
    );
}

#[test]
fn emission() {
    check(
        "emission",
        &Emission {
            mint: key(1),
            vault: key(2),
            root: [3; 32],
            root_blob: [4; 32],
            genesis_at: time(5),
            epochs_done: number(6),
            minted: number(7),
            root_epoch: number(8),
            root_total: number(9),
            claimed: number(10),
            epoch_seconds: half(11),
            enterprise_bps: quarter(12),
            vestings: 31,
            bump: 243,
            vault_bump: 242,
            version: 1,
            reserved: [0; 62],
        },
    );
}

#[test]
fn vesting() {
    check(
        "vesting",
        &Vesting {
            beneficiary: key(1),
            pending: key(2),
            vault: key(3),
            total: number(4),
            claimed: number(5),
            start_at: time(6),
            cliff_seconds: half(7),
            linear_seconds: half(8),
            index: 3,
            bump: 241,
            vault_bump: 240,
            version: 1,
            reserved: [0; 60],
        },
    );
}

/// Instructions and events keep their names' discriminators, accounts theirs: what is stored or signed today is read
/// tomorrow.
#[test]
fn discriminators() {
    use sha2::{Digest, Sha256};
    let of = |space: &str, name: &str| Sha256::digest(format!("{space}:{name}"))[..8].to_vec();
    assert_eq!(Job::DISCRIMINATOR, of("account", "Job"));
    assert_eq!(Deposit::DISCRIMINATOR, of("account", "Deposit"));
    assert_eq!(Device::DISCRIMINATOR, of("account", "Device"));
    assert_eq!(Evidence::DISCRIMINATOR, of("account", "Evidence"));
    assert_eq!(Provider::DISCRIMINATOR, of("account", "Provider"));
    assert_eq!(Network::DISCRIMINATOR, of("account", "Network"));
    assert_eq!(OracleSet::DISCRIMINATOR, of("account", "OracleSet"));
    assert_eq!(PaymentMint::DISCRIMINATOR, of("account", "PaymentMint"));
    assert_eq!(DeviceClass::DISCRIMINATOR, of("account", "DeviceClass"));
    assert_eq!(SlashCase::DISCRIMINATOR, of("account", "SlashCase"));
    assert_eq!(Oracle::DISCRIMINATOR, of("account", "Oracle"));
    assert_eq!(CoStake::DISCRIMINATOR, of("account", "CoStake"));
    assert_eq!(Emission::DISCRIMINATOR, of("account", "Emission"));
    assert_eq!(Vesting::DISCRIMINATOR, of("account", "Vesting"));
    assert_eq!(
        io_network::events::JobChanged::DISCRIMINATOR,
        of("event", "JobChanged")
    );
    assert_eq!(
        io_network::instruction::SettleJob::DISCRIMINATOR,
        of("global", "settle_job")
    );
    assert_eq!(
        io_network::instruction::CreateJob::DISCRIMINATOR,
        of("global", "create_job")
    );
}
