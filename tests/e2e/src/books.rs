//! Money, to the base unit: who holds what, what has moved, and that every vault holds what it owes.

use std::collections::BTreeSet;

use io_client::{
    Pubkey, Rpc, accounts,
    io_network::{
        constants::TREASURY_SHARDS,
        state::{Device, Job, PaymentMint, Provider, SlashCase},
    },
    pda, tokens,
};

/// What one mint's parties hold, base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    pub renter: u64,
    /// On the accounts that providers are paid to.
    pub providers: u64,
    pub treasury: u64,
    /// In jobs' vaults.
    pub escrowed: u64,
    /// In providers' stake vaults.
    pub staked: u64,
    /// In slash cases' vaults.
    pub slashed: u64,
}

/// Changes of [`Holdings`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    pub renter: i128,
    pub providers: i128,
    pub treasury: i128,
    pub escrowed: i128,
    pub staked: i128,
    pub slashed: i128,
}

impl std::ops::Add for Moved {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            renter: self.renter + other.renter,
            providers: self.providers + other.providers,
            treasury: self.treasury + other.treasury,
            escrowed: self.escrowed + other.escrowed,
            staked: self.staked + other.staked,
            slashed: self.slashed + other.slashed,
        }
    }
}

impl std::iter::Sum for Moved {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| sum + one)
    }
}

/// The reservation fee of each side that these networks are set up with, basis points.
pub const RESERVE_BPS: u64 = 25;

/// What moves when `units` are paid at `ask` base units for 1,000, by the rules as they are written down: the payment
/// rounded down, each side's fee rounded up, the renter's with the mint's own fee on top. Kept apart from the program's
/// own arithmetic on purpose.
pub fn payment(units: u64, ask: u64, mint_fee_bps: u64) -> Moved {
    let payment = i128::from(units) * i128::from(ask) / 1_000;
    let fee = |bps: u64| (payment * i128::from(bps) + 9_999) / 10_000;
    let (renter_fee, provider_fee) = (fee(RESERVE_BPS + mint_fee_bps), fee(RESERVE_BPS));
    Moved {
        renter: -(payment + renter_fee),
        providers: payment - provider_fee,
        treasury: renter_fee + provider_fee,
        ..Moved::default()
    }
}

/// What moves when a penalty went from the stake into a slash case.
pub fn penalty(amount: u64) -> Moved {
    Moved {
        staked: -i128::from(amount),
        slashed: i128::from(amount),
        ..Moved::default()
    }
}

/// One mint's holdings since a moment.
pub struct Books {
    rpc: Rpc,
    renter: Pubkey,
    mint: Pubkey,
    io_mint: Pubkey,
    opened: Holdings,
}

impl Books {
    pub async fn open(rpc: &Rpc, renter: &Pubkey, mint: &Pubkey, io_mint: &Pubkey) -> Self {
        let mut books = Self {
            rpc: rpc.clone(),
            renter: *renter,
            mint: *mint,
            io_mint: *io_mint,
            opened: Holdings::default(),
        };
        books.opened = books.now().await;
        books
    }

    async fn balance(&self, account: &Pubkey) -> u64 {
        tokens::balance(&self.rpc, account)
            .await
            .expect("a balance")
            .unwrap_or(0)
    }

    /// What everybody holds now.
    pub async fn now(&self) -> Holdings {
        let mut now = Holdings {
            renter: self
                .balance(&tokens::associated(&self.renter, &self.mint))
                .await,
            ..Holdings::default()
        };
        let providers = all::<Provider>(&self.rpc).await;
        let payees: BTreeSet<Pubkey> = providers
            .iter()
            .map(|(_, provider)| tokens::associated(&provider.payout_owner, &self.mint))
            .collect();
        for payee in payees {
            now.providers += self.balance(&payee).await;
        }
        for shard in 0..TREASURY_SHARDS {
            now.treasury += self
                .balance(&pda::treasury(
                    &self.mint,
                    u8::try_from(shard).expect("few shards"),
                ))
                .await;
        }
        for (_, job) in all::<Job>(&self.rpc).await {
            if job.mint == self.mint {
                now.escrowed += self.balance(&job.vault).await;
            }
        }
        if self.mint == self.io_mint {
            for (address, _) in &providers {
                now.staked += self.balance(&pda::stake_vault(address)).await;
            }
            for (address, _) in all::<SlashCase>(&self.rpc).await {
                now.slashed += self.balance(&pda::vault(&address)).await;
            }
        }
        now
    }

    pub async fn moved(&self) -> Moved {
        let (now, then) = (self.now().await, self.opened);
        let change = |now: u64, then: u64| i128::from(now) - i128::from(then);
        Moved {
            renter: change(now.renter, then.renter),
            providers: change(now.providers, then.providers),
            treasury: change(now.treasury, then.treasury),
            escrowed: change(now.escrowed, then.escrowed),
            staked: change(now.staked, then.staked),
            slashed: change(now.slashed, then.slashed),
        }
    }

    /// Exactly this has moved since the books were opened, nothing came from nowhere, and every vault holds what it owes.
    pub async fn balance_with(&self, expected: Moved) {
        let moved = self.moved().await;
        assert_eq!(
            moved, expected,
            "base units that moved since the books were opened"
        );
        let Moved {
            renter,
            providers,
            treasury,
            escrowed,
            staked,
            slashed,
        } = moved;
        assert_eq!(
            renter + providers + treasury + escrowed + staked + slashed,
            0,
            "{moved:?}"
        );
        audit(&self.rpc).await;
    }
}

async fn all<T: accounts::ProgramAccount>(rpc: &Rpc) -> Vec<(Pubkey, T)> {
    accounts::fetch_all::<T>(rpc, Vec::new())
        .await
        .unwrap_or_else(|error| panic!("{error}"))
        .1
}

/// Vaults = liabilities, and every account keeps its own rules.
pub async fn audit(rpc: &Rpc) {
    let held = async |account: Pubkey| {
        tokens::balance(rpc, &account)
            .await
            .expect("a balance")
            .unwrap_or(0)
    };
    for (address, job) in all::<Job>(rpc).await {
        job.invariant()
            .unwrap_or_else(|error| panic!("job {address}: {error}"));
        assert_eq!(
            held(job.vault).await,
            job.liabilities().expect("liabilities"),
            "the vault of job {address}: {job:?}"
        );
    }
    for (address, provider) in all::<Provider>(rpc).await {
        provider
            .invariant()
            .unwrap_or_else(|error| panic!("provider {address}: {error}"));
        let owed = provider.liabilities().expect("liabilities");
        assert_eq!(
            held(pda::stake_vault(&address)).await,
            owed,
            "the stake of provider {address}"
        );
    }
    for (address, case) in all::<SlashCase>(rpc).await {
        assert_eq!(
            held(pda::vault(&address)).await,
            case.amount,
            "the vault of slash case {address}"
        );
    }
    for (address, device) in all::<Device>(rpc).await {
        device
            .invariant()
            .unwrap_or_else(|error| panic!("device {address}: {error}"));
    }
    for (address, payment) in all::<PaymentMint>(rpc).await {
        payment
            .invariant()
            .unwrap_or_else(|error| panic!("payment mint {address}: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_by_hand() {
        // 60 passages at 0.5 IO for 1,000: 0.03 IO, and 0.25 % of it from each side.
        let moved = payment(60, 50_000_000, 0);
        assert_eq!(
            (moved.renter, moved.providers, moved.treasury),
            (-3_007_500, 2_992_500, 15_000)
        );
        // 1 unit at 100,000 for 1,000, in a mint with 2 % on top: 100, and fees of 3 and 1.
        let moved = payment(1, 100_000, 200);
        assert_eq!(
            (moved.renter, moved.providers, moved.treasury),
            (-103, 99, 4)
        );
    }
}
