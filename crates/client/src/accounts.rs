//! Reading the program's accounts. Owner, discriminator and size are checked before a byte is believed.

use std::mem::size_of;

use anchor_lang::{Discriminator, ZeroCopy, prelude::Pubkey};
use io_network::state::{
    BuyBack, CoStake, Deposit, Device, DeviceClass, Emission, Evidence, Job, JobState, Network,
    Oracle, OracleSet, PaymentMint, Proposal, Provider, SlashCase, Vesting,
};
use solana_account::Account;
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};

use crate::{
    error::{Error, Result},
    pda,
    rpc::Rpc,
};

/// Bytes of the discriminator before the struct.
pub const DISCRIMINATOR: usize = 8;

/// One of the program's account types.
pub trait ProgramAccount: ZeroCopy {
    /// As messages call it.
    const NAME: &'static str;
    /// Bytes of the whole account.
    const SIZE: usize = DISCRIMINATOR + size_of::<Self>();
}

macro_rules! program_accounts {
    ($($account:ident: $name:literal),* $(,)?) => {
        $(impl ProgramAccount for $account { const NAME: &'static str = $name; })*
    };
}

program_accounts!(
    Network: "the network",
    OracleSet: "the oracle set",
    PaymentMint: "a payment mint",
    DeviceClass: "a device class",
    Provider: "a provider",
    Device: "a device",
    Job: "a job",
    Deposit: "a deposit",
    Evidence: "a claim of evidence",
    SlashCase: "a slash case",
    CoStake: "a co-stake",
    Oracle: "an oracle's bond",
    Proposal: "a proposed change",
    BuyBack: "a buy-back rule",
    Emission: "the emission",
    Vesting: "a vesting account",
);

/// Takes an account's data for a `T`, after checking that it is one.
pub fn decode<T: ProgramAccount>(address: &Pubkey, account: &Account) -> Result<T> {
    let wrong = |reason: String| Error::BadAccount {
        address: *address,
        expected: T::NAME,
        reason,
    };
    if account.owner != io_network::ID {
        return Err(wrong(format!(
            "its owner is {}, expected the program {}",
            account.owner,
            io_network::ID
        )));
    }
    decode_data(&account.data).map_err(wrong)
}

fn decode_data<T: ProgramAccount>(data: &[u8]) -> std::result::Result<T, String> {
    let (discriminator, body) = data
        .split_at_checked(DISCRIMINATOR)
        .ok_or_else(|| format!("{} bytes", data.len()))?;
    if discriminator != T::DISCRIMINATOR {
        return Err("it is an account of another kind".to_owned());
    }
    bytemuck::try_pod_read_unaligned(body).map_err(|_| {
        format!(
            "{} bytes, expected {}: program and client are of different versions",
            data.len(),
            T::SIZE
        )
    })
}

/// The account at an address; an error when there is none.
pub async fn fetch<T: ProgramAccount>(rpc: &Rpc, address: &Pubkey) -> Result<T> {
    fetch_maybe(rpc, address).await?.ok_or(Error::NoAccount {
        address: *address,
        expected: T::NAME,
    })
}

/// The account at an address; `None` when there is none.
pub async fn fetch_maybe<T: ProgramAccount>(rpc: &Rpc, address: &Pubkey) -> Result<Option<T>> {
    rpc.account(address)
        .await?
        .map(|(_, account)| decode(address, &account))
        .transpose()
}

/// Accounts in the order asked for, `None` where there is none.
pub async fn fetch_many<T: ProgramAccount>(
    rpc: &Rpc,
    addresses: &[Pubkey],
) -> Result<Vec<Option<T>>> {
    let accounts = rpc.accounts(addresses).await?;
    addresses
        .iter()
        .zip(accounts)
        .map(|(address, account)| account.map(|a| decode(address, &a)).transpose())
        .collect()
}

/// Every account of one type that passes the filters (at most 2; kind and size are two more), in the order of their
/// addresses, and the slot they are from.
pub async fn fetch_all<T: ProgramAccount>(
    rpc: &Rpc,
    filters: Vec<RpcFilterType>,
) -> Result<(u64, Vec<(Pubkey, T)>)> {
    let mut all = kind_filters::<T>();
    all.extend(filters);
    let (slot, accounts) = rpc.program_accounts(&io_network::ID, all).await?;
    let decoded = accounts
        .into_iter()
        .map(|(address, account)| Ok((address, decode(&address, &account)?)));
    Ok((slot, decoded.collect::<Result<_>>()?))
}

/// Filters that let only accounts of one type pass.
pub fn kind_filters<T: ProgramAccount>() -> Vec<RpcFilterType> {
    vec![
        RpcFilterType::DataSize(T::SIZE as u64),
        RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, T::DISCRIMINATOR.to_vec())),
    ]
}

/// A filter on a field: `field(offset_of!(Job, renter), renter.as_ref())`.
pub fn field(offset: usize, bytes: &[u8]) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(
        DISCRIMINATOR + offset,
        bytes.to_vec(),
    ))
}

pub async fn network(rpc: &Rpc) -> Result<Network> {
    fetch(rpc, &pda::network()).await
}

pub async fn oracle_set(rpc: &Rpc) -> Result<OracleSet> {
    fetch(rpc, &pda::oracle_set()).await
}

pub async fn jobs_of_renter(rpc: &Rpc, renter: &Pubkey) -> Result<Vec<(Pubkey, Job)>> {
    Ok(fetch_all(
        rpc,
        vec![field(std::mem::offset_of!(Job, renter), renter.as_ref())],
    )
    .await?
    .1)
}

pub async fn jobs_in_state(rpc: &Rpc, state: JobState) -> Result<Vec<(Pubkey, Job)>> {
    Ok(fetch_all(
        rpc,
        vec![field(std::mem::offset_of!(Job, state), &[state as u8])],
    )
    .await?
    .1)
}

/// `provider` is the provider's account.
pub async fn devices_of_provider(rpc: &Rpc, provider: &Pubkey) -> Result<Vec<(Pubkey, Device)>> {
    Ok(fetch_all(
        rpc,
        vec![field(
            std::mem::offset_of!(Device, provider),
            provider.as_ref(),
        )],
    )
    .await?
    .1)
}

/// `provider` is the provider's account.
pub async fn co_stakes_of_provider(rpc: &Rpc, provider: &Pubkey) -> Result<Vec<(Pubkey, CoStake)>> {
    Ok(fetch_all(
        rpc,
        vec![field(
            std::mem::offset_of!(CoStake, provider),
            provider.as_ref(),
        )],
    )
    .await?
    .1)
}

/// `provider` is the provider's account.
pub async fn slash_cases_of_provider(
    rpc: &Rpc,
    provider: &Pubkey,
) -> Result<Vec<(Pubkey, SlashCase)>> {
    Ok(fetch_all(
        rpc,
        vec![field(
            std::mem::offset_of!(SlashCase, provider),
            provider.as_ref(),
        )],
    )
    .await?
    .1)
}

/// Sponsors' deposits of a job that were not released yet.
pub async fn deposits_of_job(rpc: &Rpc, job: &Pubkey) -> Result<Vec<(Pubkey, Deposit)>> {
    Ok(fetch_all(
        rpc,
        vec![field(std::mem::offset_of!(Deposit, job), job.as_ref())],
    )
    .await?
    .1)
}

/// The kind of an account of the program, by its discriminator, decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum AnyAccount {
    Network(Box<Network>),
    OracleSet(Box<OracleSet>),
    PaymentMint(Box<PaymentMint>),
    DeviceClass(Box<DeviceClass>),
    Provider(Box<Provider>),
    Device(Box<Device>),
    Job(Box<Job>),
    Deposit(Box<Deposit>),
    SlashCase(Box<SlashCase>),
    CoStake(Box<CoStake>),
    Oracle(Box<Oracle>),
    Proposal(Box<Proposal>),
    BuyBack(Box<BuyBack>),
    Emission(Box<Emission>),
    Vesting(Box<Vesting>),
}

impl AnyAccount {
    /// From an account's data, as an event of its migration carries it.
    pub fn from_data(address: &Pubkey, data: &[u8]) -> Result<Option<Self>> {
        let account = Account {
            owner: io_network::ID,
            data: data.to_vec(),
            ..Account::default()
        };
        Self::decode(address, &account)
    }

    /// `Ok(None)`: an account of the program that this client does not know.
    pub fn decode(address: &Pubkey, account: &Account) -> Result<Option<Self>> {
        let kind = account.data.get(..DISCRIMINATOR).unwrap_or_default();
        macro_rules! first_of {
            ($($variant:ident),*) => {
                $(if kind == $variant::DISCRIMINATOR {
                    return Ok(Some(Self::$variant(Box::new(decode(address, account)?))));
                })*
            };
        }
        first_of!(
            Network,
            OracleSet,
            PaymentMint,
            DeviceClass,
            Provider,
            Device,
            Job,
            Deposit,
            SlashCase,
            CoStake,
            Oracle,
            BuyBack,
            Proposal,
            Emission,
            Vesting
        );
        Ok(None)
    }
}

/// Whether a device has something to pay a penalty with: a bond that covers no unsettled job, or stake of its owner's, free or on its way out.
pub fn can_pay(device: &Device, provider: &Provider) -> bool {
    device.bond > device.exposure || unbound(provider) > 0
}

/// What of an owner's stake binds nothing, base units: free, or on its way out.
pub fn unbound(provider: &Provider) -> u64 {
    let leaving = provider.unbonding.iter().map(|part| part.amount);
    leaving.fold(provider.free().min(provider.staked), u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    fn account_of(job: &Job) -> Account {
        let mut data = Job::DISCRIMINATOR.to_vec();
        data.extend(bytemuck::bytes_of(job));
        Account {
            owner: io_network::ID,
            data,
            ..Account::default()
        }
    }

    #[test]
    fn an_account_is_believed_only_when_owner_kind_and_size_are_right() {
        let address = Pubkey::new_from_array([3; 32]);
        let job = Job {
            escrow: 7,
            state: 1,
            ..Job::zeroed()
        };
        let good = account_of(&job);
        assert_eq!(decode::<Job>(&address, &good).unwrap(), job);
        assert_eq!(
            AnyAccount::decode(&address, &good).unwrap(),
            Some(AnyAccount::Job(Box::new(job)))
        );

        let mut foreign = good.clone();
        foreign.owner = Pubkey::default();
        let mut other_kind = good.clone();
        other_kind.data[0] ^= 1;
        let mut short = good.clone();
        short.data.pop();
        let mut long = good.clone();
        long.data.push(0);
        let empty = Account {
            owner: io_network::ID,
            ..Account::default()
        };
        for bad in [foreign, other_kind, short, long, empty] {
            let error = decode::<Job>(&address, &bad).unwrap_err();
            assert!(matches!(error, Error::BadAccount { .. }), "{error}");
        }
        assert!(decode::<Device>(&address, &good).is_err());
    }

    #[test]
    fn the_program_and_the_client_agree_on_sizes() {
        assert_eq!(Job::SIZE, Job::SPACE);
        assert_eq!(Network::SIZE, Network::SPACE);
        assert_eq!(OracleSet::SIZE, OracleSet::SPACE);
    }
}
