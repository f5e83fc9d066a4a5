//! The program's events: decoding them from logs, and rebuilding its accounts from nothing but them.

use std::collections::BTreeMap;

use anchor_lang::{AnchorDeserialize, Discriminator, prelude::Pubkey};
use base64::{Engine, engine::general_purpose::STANDARD};
use io_network::{events as wire, seeds, state};

/// One decoded event, with the bytes of the account after it (or, when it is closed, the last before).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Name of the event's type.
    pub name: &'static str,
    pub account: Pubkey,
    /// `JobState` before the change, in events about jobs.
    pub before: Option<u8>,
    /// Whole account data, discriminator included.
    pub data: Vec<u8>,
    pub closed: bool,
}

fn account_data<T: Discriminator + bytemuck::NoUninit>(value: &T) -> Vec<u8> {
    let mut data = T::DISCRIMINATOR.to_vec();
    data.extend_from_slice(bytemuck::bytes_of(value));
    data
}

fn single(seed: &[u8]) -> Pubkey {
    Pubkey::find_program_address(&[seed], &io_network::ID).0
}

fn read<T: AnchorDeserialize>(body: &[u8]) -> T {
    T::try_from_slice(body).expect("an event of the right length")
}

fn decode(bytes: &[u8]) -> Event {
    let (head, body) = bytes.split_at(8);
    let changed = |name, account, data| Event {
        name,
        account,
        before: None,
        data,
        closed: false,
    };
    macro_rules! is {
        ($t:ty) => {
            head == <$t as Discriminator>::DISCRIMINATOR
        };
    }
    if is!(wire::JobChanged) {
        let e: wire::JobChanged = read(body);
        Event {
            before: Some(e.before),
            ..changed("JobChanged", e.job, account_data::<state::Job>(&e.after))
        }
    } else if is!(wire::JobClosed) {
        let e: wire::JobClosed = read(body);
        Event {
            closed: true,
            ..changed("JobClosed", e.job, account_data::<state::Job>(&e.last))
        }
    } else if is!(wire::DeviceChanged) {
        let e: wire::DeviceChanged = read(body);
        changed(
            "DeviceChanged",
            e.device,
            account_data::<state::Device>(&e.after),
        )
    } else if is!(wire::DeviceRetired) {
        let e: wire::DeviceRetired = read(body);
        Event {
            closed: true,
            ..changed(
                "DeviceRetired",
                e.device,
                account_data::<state::Device>(&e.last),
            )
        }
    } else if is!(wire::ProviderChanged) {
        let e: wire::ProviderChanged = read(body);
        changed(
            "ProviderChanged",
            e.provider,
            account_data::<state::Provider>(&e.after),
        )
    } else if is!(wire::SlashCaseChanged) {
        let e: wire::SlashCaseChanged = read(body);
        changed(
            "SlashCaseChanged",
            e.case,
            account_data::<state::SlashCase>(&e.after),
        )
    } else if is!(wire::NetworkChanged) {
        let e: wire::NetworkChanged = read(body);
        changed(
            "NetworkChanged",
            single(seeds::NETWORK),
            account_data::<state::Network>(&e.after),
        )
    } else if is!(wire::OracleSetChanged) {
        let e: wire::OracleSetChanged = read(body);
        changed(
            "OracleSetChanged",
            single(seeds::ORACLES),
            account_data::<state::OracleSet>(&e.after),
        )
    } else if is!(wire::DeviceClassChanged) {
        let e: wire::DeviceClassChanged = read(body);
        changed(
            "DeviceClassChanged",
            e.class,
            account_data::<state::DeviceClass>(&e.after),
        )
    } else if is!(wire::PaymentMintChanged) {
        let e: wire::PaymentMintChanged = read(body);
        changed(
            "PaymentMintChanged",
            e.payment,
            account_data::<state::PaymentMint>(&e.after),
        )
    } else if is!(wire::EmissionChanged) {
        let e: wire::EmissionChanged = read(body);
        changed(
            "EmissionChanged",
            single(seeds::EMISSION),
            account_data::<state::Emission>(&e.after),
        )
    } else if is!(wire::VestingChanged) {
        let e: wire::VestingChanged = read(body);
        changed(
            "VestingChanged",
            e.vesting,
            account_data::<state::Vesting>(&e.after),
        )
    } else if is!(wire::EvidenceChanged) {
        let e: wire::EvidenceChanged = read(body);
        changed(
            "EvidenceChanged",
            e.evidence,
            account_data::<state::Evidence>(&e.after),
        )
    } else if is!(wire::EvidenceClosed) {
        let e: wire::EvidenceClosed = read(body);
        Event {
            closed: true,
            ..changed(
                "EvidenceClosed",
                e.evidence,
                account_data::<state::Evidence>(&e.last),
            )
        }
    } else if is!(wire::ProposalChanged) {
        let e: wire::ProposalChanged = read(body);
        changed(
            "ProposalChanged",
            e.proposal,
            account_data::<state::Proposal>(&e.after),
        )
    } else if is!(wire::ProposalClosed) {
        let e: wire::ProposalClosed = read(body);
        Event {
            closed: true,
            ..changed(
                "ProposalClosed",
                e.proposal,
                account_data::<state::Proposal>(&e.last),
            )
        }
    } else if is!(wire::SlashCaseClosed) {
        let e: wire::SlashCaseClosed = read(body);
        Event {
            closed: true,
            ..changed(
                "SlashCaseClosed",
                e.case,
                account_data::<state::SlashCase>(&e.last),
            )
        }
    } else if is!(wire::OracleChanged) {
        let e: wire::OracleChanged = read(body);
        changed(
            "OracleChanged",
            e.oracle,
            account_data::<state::Oracle>(&e.after),
        )
    } else if is!(wire::CoStakeChanged) {
        let e: wire::CoStakeChanged = read(body);
        changed(
            "CoStakeChanged",
            e.co_stake,
            account_data::<state::CoStake>(&e.after),
        )
    } else if is!(wire::CoStakeClosed) {
        let e: wire::CoStakeClosed = read(body);
        Event {
            closed: true,
            ..changed(
                "CoStakeClosed",
                e.co_stake,
                account_data::<state::CoStake>(&e.last),
            )
        }
    } else if is!(wire::BuyBackChanged) {
        let e: wire::BuyBackChanged = read(body);
        changed(
            "BuyBackChanged",
            e.buy_back,
            account_data::<state::BuyBack>(&e.after),
        )
    } else if is!(wire::DepositChanged) {
        let e: wire::DepositChanged = read(body);
        changed(
            "DepositChanged",
            e.deposit,
            account_data::<state::Deposit>(&e.after),
        )
    } else if is!(wire::DepositClosed) {
        let e: wire::DepositClosed = read(body);
        Event {
            closed: true,
            ..changed(
                "DepositClosed",
                e.deposit,
                account_data::<state::Deposit>(&e.last),
            )
        }
    } else if is!(wire::AccountMigrated) {
        let e: wire::AccountMigrated = read(body);
        changed("AccountMigrated", e.account, e.data)
    } else {
        panic!("an event that no one knows: {head:?}")
    }
}

/// The events that the program itself logged, in order. Data logged by programs it called is not its word.
pub fn decode_all(logs: &[String]) -> Vec<Event> {
    let ours = io_network::ID.to_string();
    let mut stack: Vec<&str> = Vec::new();
    let mut events = Vec::new();
    for line in logs {
        if let Some(data) = line.strip_prefix("Program data: ") {
            if stack.last() == Some(&ours.as_str()) {
                events.push(decode(&STANDARD.decode(data).expect("base64")));
            }
        } else if let Some(rest) = line.strip_prefix("Program ") {
            let mut words = rest.split(' ');
            let (program, verb) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            match verb {
                "invoke" => stack.push(program),
                "success" | "failed:" => {
                    stack.pop();
                }
                _ => {}
            }
        }
    }
    events
}

/// The program's accounts, rebuilt from its events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    pub accounts: BTreeMap<Pubkey, Vec<u8>>,
}

impl Replica {
    pub fn apply(&mut self, event: &Event) {
        if event.closed {
            let last = self.accounts.remove(&event.account);
            assert_eq!(
                last.as_ref(),
                Some(&event.data),
                "{} must carry the last state",
                event.name
            );
        } else {
            if let Some(before) = event.before {
                let had = self
                    .accounts
                    .get(&event.account)
                    .map_or(0, |data| job_state(data));
                assert_eq!(before, had, "{} must name the state before", event.name);
            }
            self.accounts.insert(event.account, event.data.clone());
        }
    }
}

fn job_state(data: &[u8]) -> u8 {
    bytemuck::pod_read_unaligned::<state::Job>(&data[8..]).state
}
