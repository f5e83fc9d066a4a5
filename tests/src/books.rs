//! What must hold after every step: vaults hold exactly what is owed from them, and what binds a stake adds up.

use std::collections::BTreeMap;

use anchor_lang::{Discriminator, prelude::Pubkey};
use io_network::state::{
    CoStake, Deposit, Device, Emission, Job, Oracle, PaymentMint, Provider, SlashCase, Vesting,
};

use crate::treasury::treasury_main;
use crate::{
    reckon,
    world::{self, World},
};

/// Job states, as numbers: the checks below don't use the program's own functions.
const RUNNING: u8 = 2;
const DISPUTED: u8 = 4;

/// What a provider's co-stakers add up to.
#[derive(Default)]
struct Pool {
    count: u32,
    shares: u64,
    earning: u64,
    unbonding: u64,
    rewards: u64,
}

fn is_final(job: &Job) -> bool {
    job.state > DISPUTED
}

impl World {
    /// All accounts of one type.
    pub fn all<T: Discriminator + bytemuck::AnyBitPattern>(&self) -> Vec<(Pubkey, T)> {
        self.svm
            .accounts_db()
            .inner
            .iter()
            .filter_map(|(key, account)| {
                use solana_account::ReadableAccount;
                let data = account.data();
                let ours = *account.owner() == io_network::ID && data.starts_with(T::DISCRIMINATOR);
                ours.then(|| {
                    (
                        *key,
                        bytemuck::pod_read_unaligned(&data[8..8 + size_of::<T>()]),
                    )
                })
            })
            .collect()
    }

    fn check_vault(&self, vault: &Pubkey, owed: u64) {
        let donated = self.donated.get(vault).copied().unwrap_or(0);
        assert_eq!(self.tokens(vault), owed + donated, "vault {vault}");
    }

    /// Sums every vault against what it owes.
    ///
    /// # Panics
    /// When one base unit is too many or missing.
    pub fn check_books(&mut self) {
        let mut deposits: BTreeMap<Pubkey, Vec<Deposit>> = BTreeMap::new();
        for (_, deposit) in self.all::<Deposit>() {
            deposits.entry(deposit.job).or_default().push(deposit);
        }
        let jobs = self.all::<Job>();
        let devices = self.all::<Device>();
        let mut due: BTreeMap<Pubkey, u64> = BTreeMap::new();
        let mut exposed: BTreeMap<Pubkey, (u64, u32)> = BTreeMap::new();
        let mut bonded: BTreeMap<Pubkey, (u64, u32)> = BTreeMap::new();

        for (key, job) in &jobs {
            let vault = world::vault(key);
            assert_eq!(job.vault, vault, "a job's vault lies at its address");
            let owed = if is_final(job) {
                // Whatever lay in the vault was divided when the job ended, donations too.
                self.donated
                    .retain(|v, _| *v != vault || self.settled.contains(key));
                self.settled.insert(*key);
                job.owed_provider + job.owed_treasury + job.owed_payer + job.owed_sponsors
            } else {
                self.settled.remove(key);
                // A lease pays while it runs.
                job.funded - job.paid - job.fees + job.owed_provider + job.owed_treasury
            };
            let of_job = deposits.remove(key).unwrap_or_default();
            assert_eq!(
                usize::from(job.deposits),
                of_job.len(),
                "deposits of job {key}"
            );
            if is_final(job) {
                let due: u64 = of_job
                    .iter()
                    .map(|d| reckon::deposit_share(job.refunded, d.start, d.amount, job.funded))
                    .sum();
                assert_eq!(job.owed_sponsors, due, "owed to sponsors of job {key}");
            } else {
                let put: u64 = of_job.iter().map(|d| d.amount).sum();
                assert_eq!(job.funded, job.deposited + put, "funding of job {key}");
            }
            let donated = self.donated.get(&vault).copied().unwrap_or(0);
            assert_eq!(
                self.tokens(&vault),
                owed + donated,
                "vault of job {key} in state {}",
                job.state
            );
            *due.entry(job.provider).or_default() += job.penalty_due;
            if (RUNNING..=DISPUTED).contains(&job.state) {
                let entry = exposed.entry(job.device).or_default();
                entry.0 += job.exposure;
                entry.1 += 1;
            }
        }
        assert!(deposits.is_empty(), "every deposit has its job");
        for (key, device) in &devices {
            let (exposure, open) = exposed.get(key).copied().unwrap_or_default();
            assert_eq!(device.exposure, exposure, "exposure of device {key}");
            assert_eq!(device.open_jobs, open, "open jobs of device {key}");
            assert!(
                device.exposure <= device.bond,
                "device {key} could gain more than its bond"
            );
            let entry = bonded.entry(device.provider).or_default();
            entry.0 += device.bond;
            entry.1 += 1;
        }
        let mut pools: BTreeMap<Pubkey, Pool> = BTreeMap::new();
        for (_, co) in self.all::<CoStake>() {
            let pool = pools.entry(co.provider).or_default();
            pool.count += 1;
            pool.shares += co.earning + co.pending;
            pool.earning += co.earning;
            pool.unbonding += co.unbonding;
            pool.rewards += co.rewards;
        }
        let mut disputed: BTreeMap<Pubkey, u64> = BTreeMap::new();
        for (_, case) in self.all::<SlashCase>() {
            if case.state < 2 {
                *disputed.entry(case.provider).or_default() += case.co_part;
            }
        }
        for (key, provider) in self.all::<Provider>() {
            let unbonding: u64 = provider.unbonding.iter().map(|u| u.amount).sum();
            let vault = world::stake_vault(&key);
            let donated = self.donated.get(&vault).copied().unwrap_or(0);
            assert_eq!(
                self.tokens(&vault),
                provider.staked + unbonding + donated,
                "stake vault of {key}"
            );
            let (bonds, count) = bonded.get(&key).copied().unwrap_or_default();
            let due = due.get(&key).copied().unwrap_or(0);
            assert_eq!(provider.committed, bonds + due, "committed stake of {key}");
            assert!(
                provider.committed <= provider.staked + provider.co_assets,
                "{key} committed more than there is at stake"
            );
            assert_eq!(provider.devices, count, "devices of {key}");
            let members = pools.remove(&key).unwrap_or_default();
            assert_eq!(provider.co_stakers, members.count, "co-stakers of {key}");
            assert_eq!(provider.co_shares, members.shares, "shares of {key}");
            assert_eq!(
                provider.co_earning, members.earning,
                "earning shares of {key}"
            );
            assert!(provider.co_rewards >= members.rewards, "rewards of {key}");
            self.check_vault(
                &world::co_vault(&key),
                provider.co_assets + members.unbonding + provider.co_rewards,
            );
            let disputed = disputed.get(&key).copied().unwrap_or(0);
            assert_eq!(provider.co_disputed, disputed, "disputed of {key}");
        }
        assert!(pools.is_empty(), "every co-stake has its provider");
        for (key, case) in self.all::<SlashCase>() {
            let owed = match case.state {
                0 => case.amount,
                1 => case.amount + case.appeal_bond,
                _ => case.owed_renter + case.owed_challenger + case.owed_appellant,
            };
            self.check_vault(&world::vault(&key), owed);
        }
        for (key, oracle) in self.all::<Oracle>() {
            self.check_vault(&world::stake_vault(&key), oracle.bond + oracle.unbonding);
        }
        let mut genesis = 0;
        for (key, vesting) in self.all::<Vesting>() {
            genesis += vesting.total;
            assert!(vesting.claimed <= vesting.total, "claims of vesting {key}");
            self.check_vault(&world::vault(&key), vesting.total - vesting.claimed);
        }
        for (key, emission) in self.all::<Emission>() {
            let claimed: u64 = self.all::<Provider>().iter().map(|(_, p)| p.claimed).sum();
            assert_eq!(emission.claimed, claimed, "rewards claimed");
            assert!(emission.claimed <= emission.root_total);
            let due = io_protocol::emission::emitted(emission.epochs_done);
            assert_eq!(emission.minted, due, "what the schedule emits");
            assert!(emission.root_total <= emission.minted);
            self.check_vault(&world::vault(&key), emission.minted - emission.claimed);
            let mint = self.account(&emission.mint).expect("the IO mint");
            let supply = u64::from_le_bytes(mint.data[36..44].try_into().expect("supply"));
            // Burning makes it less; nothing makes it more.
            assert!(supply <= genesis + emission.minted, "supply of IO");
            assert!(supply <= io_protocol::emission::CAP, "cap of IO");
        }
        for (_, payment) in self.all::<PaymentMint>() {
            let main = payment.swept - payment.burned - payment.withdrawn - payment.bought;
            self.check_vault(&treasury_main(&payment.mint), main);
        }
        for (key, job) in &jobs {
            if job.state == RUNNING {
                let (_, device) = devices
                    .iter()
                    .find(|(d, _)| *d == job.device)
                    .expect("a running job has a device");
                assert_eq!(
                    device.current_job, *key,
                    "the device of a running job runs it"
                );
            }
        }
    }
}
