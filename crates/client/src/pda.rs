//! Addresses of the program's accounts. Each function gives the canonical address; the bump is on the account.

use anchor_lang::{prelude::Pubkey, solana_program::bpf_loader_upgradeable};
use io_network::{ID, seeds};

fn find(parts: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(parts, &ID).0
}

pub fn network() -> Pubkey {
    find(&[seeds::NETWORK])
}

pub fn oracle_set() -> Pubkey {
    find(&[seeds::ORACLES])
}

pub fn payment(mint: &Pubkey) -> Pubkey {
    find(&[seeds::PAYMENT, mint.as_ref()])
}

/// One of a payment mint's [`TREASURY_SHARDS`](io_network::constants::TREASURY_SHARDS) token accounts.
pub fn treasury(mint: &Pubkey, shard: u8) -> Pubkey {
    find(&[seeds::TREASURY, mint.as_ref(), &[shard]])
}

/// The shard that a job's fees go to.
pub fn treasury_shard_of(job: &Pubkey) -> u8 {
    job.as_ref().first().map_or(0, |byte| {
        byte % io_network::constants::TREASURY_SHARDS as u8
    })
}

pub fn class(id: u16) -> Pubkey {
    find(&[seeds::CLASS, &id.to_le_bytes()])
}

pub fn provider(authority: &Pubkey) -> Pubkey {
    find(&[seeds::PROVIDER, authority.as_ref()])
}

/// Token account of a provider's stake.
pub fn stake_vault(provider: &Pubkey) -> Pubkey {
    find(&[seeds::STAKE, provider.as_ref()])
}

/// Token account of what a provider's co-stakers put in.
pub fn co_vault(provider: &Pubkey) -> Pubkey {
    find(&[seeds::CO_VAULT, provider.as_ref()])
}

/// Somebody's stake beside a provider's own.
pub fn co_stake(provider: &Pubkey, co_staker: &Pubkey) -> Pubkey {
    find(&[seeds::CO_STAKE, provider.as_ref(), co_staker.as_ref()])
}

/// An oracle's bond; `key` signs its statements. Its token account is [`stake_vault`] of it.
pub fn oracle(key: &Pubkey) -> Pubkey {
    find(&[seeds::ORACLE, key.as_ref()])
}

/// `hardware` is the SHA-256 of the hardware id.
pub fn device(hardware: &[u8; 32]) -> Pubkey {
    find(&[seeds::DEVICE, hardware])
}

pub fn job(renter: &Pubkey, nonce: u64) -> Pubkey {
    find(&[seeds::JOB, renter.as_ref(), &nonce.to_le_bytes()])
}

/// The first nonce from `from` on whose job and vault are found at the first try. The program searches for both addresses, and each further
/// try costs 1,500 compute units; one nonce in four is such a one. `renter` may be a PDA that rents through CPI.
pub fn job_nonce(renter: &Pubkey, from: u64) -> u64 {
    let at_once = |parts: &[&[u8]]| {
        let (address, bump) = Pubkey::find_program_address(parts, &ID);
        (bump == u8::MAX).then_some(address)
    };
    let mut nonce = from;
    loop {
        let job = at_once(&[seeds::JOB, renter.as_ref(), &nonce.to_le_bytes()]);
        if job.is_some_and(|job| at_once(&[seeds::VAULT, job.as_ref()]).is_some()) {
            return nonce;
        }
        nonce = nonce.wrapping_add(1);
    }
}

/// A sponsor's deposit in a job; `index` tells several of one sponsor apart.
pub fn deposit(job: &Pubkey, sponsor: &Pubkey, index: u16) -> Pubkey {
    find(&[
        seeds::DEPOSIT,
        job.as_ref(),
        sponsor.as_ref(),
        &index.to_le_bytes(),
    ])
}

/// Token account of one job's escrow, or of one slash case's penalty.
pub fn vault(of: &Pubkey) -> Pubkey {
    find(&[seeds::VAULT, of.as_ref()])
}

/// A provider's slash case, counted from 0.
pub fn slash_case(provider: &Pubkey, number: u64) -> Pubkey {
    find(&[seeds::SLASH, provider.as_ref(), &number.to_le_bytes()])
}

/// What a challenger writes to prove a wrong cell.
pub fn evidence(challenger: &Pubkey) -> Pubkey {
    find(&[seeds::EVIDENCE, challenger.as_ref()])
}

/// The schedule of emission: mint authority of IO, and what rewards are claimed from.
pub fn emission() -> Pubkey {
    find(&[seeds::EMISSION])
}

/// A part of the genesis supply, by its position in [`io_protocol::emission::ALLOCATIONS`].
pub fn vesting(index: u8) -> Pubkey {
    find(&[seeds::VESTING, &[index]])
}

/// Token account that a payment mint's shards are swept into.
pub fn treasury_main(mint: &Pubkey) -> Pubkey {
    find(&[seeds::TREASURY_MAIN, mint.as_ref()])
}

/// The rule by which the treasury buys IO back for a mint.
pub fn buy_back(mint: &Pubkey) -> Pubkey {
    find(&[seeds::BUY_BACK, mint.as_ref()])
}

/// A published change of the configuration, by its hash ([`io_network::guard::hash`]).
pub fn proposal(hash: &[u8; 32]) -> Pubkey {
    find(&[seeds::PROPOSAL, hash])
}

/// Where the loader keeps this program's code and upgrade authority.
pub fn program_data() -> Pubkey {
    Pubkey::find_program_address(&[ID.as_ref()], &bpf_loader_upgradeable::ID).0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn distinct_inputs_give_distinct_addresses() {
        let (a, b) = (
            Pubkey::new_from_array([1; 32]),
            Pubkey::new_from_array([2; 32]),
        );
        let all = [
            network(),
            oracle_set(),
            payment(&a),
            payment(&b),
            treasury(&a, 0),
            treasury(&a, 1),
            class(1),
            class(256),
            provider(&a),
            stake_vault(&a),
            device(&[1; 32]),
            job(&a, 1),
            job(&a, 2),
            job(&b, 1),
            vault(&a),
            slash_case(&a, 0),
            slash_case(&a, 1),
            co_vault(&a),
            co_stake(&a, &b),
            co_stake(&b, &a),
            oracle(&a),
            oracle(&b),
            proposal(&[1; 32]),
            treasury_main(&a),
            buy_back(&a),
            emission(),
            vesting(0),
            vesting(1),
            program_data(),
        ];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_nonce_whose_addresses_are_found_at_once_is_near() {
        let bump = |parts: &[&[u8]]| Pubkey::find_program_address(parts, &ID).1;
        let both = |renter: &Pubkey, nonce: u64| {
            let bumps = [
                bump(&[seeds::JOB, renter.as_ref(), &nonce.to_le_bytes()]),
                bump(&[seeds::VAULT, job(renter, nonce).as_ref()]),
            ];
            bumps == [255, 255]
        };
        for i in 0..20 {
            let renter = Pubkey::new_from_array([i; 32]);
            let nonce = job_nonce(&renter, 1_000);
            assert!(both(&renter, nonce));
            assert!((1_000..nonce).all(|other| !both(&renter, other)));
            // At the end of the numbers it goes on from the beginning.
            assert!(both(&renter, job_nonce(&renter, u64::MAX)));
        }
    }
}
