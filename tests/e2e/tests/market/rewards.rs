//! Epochs of seconds: devices that are up earn, a quorum of oracles agrees on how much, anybody can compute it again, and a
//! provider claims it, once.

use std::time::{Duration, Instant};

use io_client::{
    accounts,
    io_network::state::{Emission, Provider},
    pda, tokens,
};
use io_e2e::{Market, Options, jobs::until};
use io_protocol::emission::{GENESIS, emitted, epoch_emission};
use serde_json::Value;

/// Longest wait for a root.
const PATIENCE: Duration = Duration::from_secs(150);
const LOOK: Duration = Duration::from_millis(200);

/// The emission, once its root is of this epoch or a later one.
async fn root_of(market: &Market, epoch: u64) -> Emission {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let emission: Emission = accounts::fetch(&market.rpc, &pda::emission())
            .await
            .expect("the emission");
        if emission.root_epoch >= epoch {
            return emission;
        }
        assert!(
            Instant::now() < deadline,
            "no root of epoch {epoch} in time, the last is of {}\n{}",
            emission.root_epoch,
            market.logs()
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// The emission's epoch now, by the chain's clock.
async fn current_epoch(market: &Market) -> u64 {
    let emission: Emission = accounts::fetch(&market.rpc, &pda::emission())
        .await
        .expect("the emission");
    let now = market.rpc.chain_time().await.expect("the time");
    emission.calendar().epoch_at(now)
}

async fn balance(market: &Market, provider: &Provider) -> u64 {
    let account = tokens::associated(&provider.payout_owner, &market.io_mint);
    tokens::balance(&market.rpc, &account)
        .await
        .expect("the balance")
        .unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_are_up_earn_what_anybody_can_compute_and_claim_it_once() {
    let mut market = Market::start(Options {
        workers: 2,
        epoch_seconds: 10,
        ..Options::default()
    })
    .await;
    let device = market.rpc_device().await;
    let provider_of = |rpc: io_client::Rpc| async move {
        accounts::fetch::<Provider>(&rpc, &device.provider)
            .await
            .expect("the provider")
    };
    let before = provider_of(market.rpc.clone()).await;
    let held = balance(&market, &before).await;

    // Of an epoch that began when all devices were up, however long the start took.
    let emission = root_of(&market, current_epoch(&market).await + 1).await;
    assert_eq!(emission.minted, emitted(emission.epochs_done));
    assert!(emission.root_total > 0 && emission.root_total <= emission.minted);

    // The supply is what the schedule says, seen by whoever asks.
    let supply = market.io(&["token", "supply"]).await.ok();
    assert_eq!(supply["genesis"].as_u64(), Some(GENESIS));
    assert_eq!(supply["burned"].as_u64(), Some(0));
    let minted = supply["epochs_minted"].as_u64().unwrap();
    assert_eq!(supply["emitted"].as_u64(), Some(emitted(minted)));
    assert_eq!(
        supply["supply"].as_u64(),
        Some(GENESIS + emitted(minted)),
        "nothing else was ever minted"
    );

    // Both devices' epoch, computed again from what the oracles published.
    let provider = before.authority.to_string();
    let epoch = emission.root_epoch.to_string();
    let explained = market
        .io(&["rewards", "explain", &provider, "--epoch", &epoch])
        .await
        .ok();
    let devices = explained["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2, "{explained}");
    for device in devices {
        assert_eq!(device["group"], "community");
        assert!(device["slots"].as_u64().unwrap() > 0, "{device}");
        assert!(device["earned"].as_u64().unwrap() > 0, "{device}");
    }
    let community = explained["community_budget"].as_u64().unwrap();
    let earned: u64 = devices.iter().map(|d| d["earned"].as_u64().unwrap()).sum();
    assert!(
        earned <= 2 * community && earned + 2 >= community,
        "all of the community's part, and at most as much again of what was carried over: {explained}"
    );
    assert_eq!(
        explained["emitted"].as_u64(),
        Some(epoch_emission(emission.root_epoch))
    );

    // A stranger may send the claim; it goes to the payout owner.
    let claimed = market.io(&["rewards", "claim", &provider]).await.ok();
    let after = provider_of(market.rpc.clone()).await;
    assert_eq!(claimed["claimed"].as_u64(), Some(after.claimed));
    assert!(after.claimed >= earned);
    assert_eq!(balance(&market, &after).await, held + after.claimed);
    // Whatever comes later pays the difference only.
    let next = root_of(&market, emission.root_epoch + 2).await;
    market.io_as("provider", &["rewards", "claim"]).await.ok();
    let later = provider_of(market.rpc.clone()).await;
    assert!(later.claimed > after.claimed);
    assert_eq!(balance(&market, &later).await, held + later.claimed);

    // Two of three oracles are a quorum; the third comes back, agrees again, and signs nothing twice.
    market.kill_oracle(0).await;
    let without = root_of(&market, next.root_epoch + 2).await;
    market.start_oracle(0);
    let with = root_of(&market, without.root_epoch + 3).await;
    let epoch = with.root_epoch.to_string();
    let explained = market
        .io(&["rewards", "explain", &provider, "--epoch", &epoch])
        .await
        .ok();
    assert_eq!(explained["devices"].as_array().unwrap().len(), 2);
    let shown = market.io(&["rewards", "show", &provider]).await.ok();
    assert_eq!(shown["claimed"].as_u64(), Some(later.claimed));
    assert!(shown["claimable"].as_u64().unwrap() > 0);
    market.stop().await;
}

/// A device that stays linked and answers no round any more: when its figures have aged nobody is matched to it, and then it earns
/// nothing. One beside it that goes on answering is measured again at once, and earns.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_answers_no_more_rounds_loses_its_matches_and_then_its_rewards() {
    const EPOCH: i64 = 3_600;
    let mut market = Market::start(Options {
        workers: 2,
        epoch_seconds: EPOCH as u32,
        ..Options::default()
    })
    .await;
    let provider = market.rpc_device().await.provider;
    let provider: Provider = accounts::fetch(&market.rpc, &provider).await.unwrap();
    market.kill_worker(1).await;
    market.start_worker(1, Some("no_rounds"));
    market.worker_is_available(1).await;

    let shown = market.io(&["network", "show"]).await.ok();
    let lasts = shown["attestation_seconds"].as_i64().unwrap();
    // Beyond what oracles still sign, too: 2.2 times the time between two rounds.
    market.travel(lasts.max(2 * EPOCH) + EPOCH / 2).await;
    let [answers, silent] = [0, 1].map(|worker: usize| market.devices[worker].to_string());
    let why = |offers: &Value, device: &str| {
        let all = offers.as_array().unwrap().iter();
        let mut of_device = all.filter(|offer| offer["device"] == device);
        let offer = of_device
            .next()
            .unwrap_or_else(|| panic!("{device} is linked: {offers}"));
        offer["unavailable_because"].clone()
    };
    // First both are too old, then the one is measured again.
    until(
        "one of two to be too old",
        PATIENCE,
        || market.logs(),
        async || {
            let offers = market.io(&["offers", "search", "--all"]).await.ok();
            let [answers, silent] = [&answers, &silent].map(|device| why(&offers, device));
            (answers.is_null() && silent == "its attestation is too old").then_some(())
        },
    )
    .await;

    let epoch = current_epoch(&market).await;
    market.travel(EPOCH).await;
    let emission = root_of(&market, epoch).await;
    let (authority, epoch) = (
        provider.authority.to_string(),
        emission.root_epoch.to_string(),
    );
    let explained = market
        .io(&["rewards", "explain", &authority, "--epoch", &epoch])
        .await
        .ok();
    let devices = explained["devices"].as_array().unwrap();
    let named: Vec<_> = devices.iter().map(|device| &device["device"]).collect();
    assert_eq!(
        named,
        [market.devices[0].to_string().as_str()],
        "{explained}"
    );
    assert!(devices[0]["earned"].as_u64().unwrap() > 0, "{explained}");
    market.stop().await;
}

/// What has vested can be claimed by its beneficiary and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn the_genesis_supply_vests_to_its_beneficiaries_only() {
    let market = Market::start(Options::default()).await;
    let parts = market.io(&["token", "vesting"]).await.ok();
    let parts = parts.as_array().unwrap();
    let total: u64 = parts.iter().map(|p| p["total"].as_u64().unwrap()).sum();
    assert_eq!((parts.len(), total), (5, GENESIS));
    // The renter is nobody's heir.
    market
        .io(&["token", "claim-vested", "seed"])
        .await
        .fails_with(1, &["beneficiary"]);
    let claimed = market
        .io_as("admin", &["token", "claim-vested", "seed"])
        .await
        .ok();
    assert_eq!(claimed["claimed"], parts[0]["total"]);
    market
        .io_as("admin", &["token", "claim-vested", "seed"])
        .await
        .fails_with(5, &["nothing has vested"]);
    market
        .io(&["token", "claim-vested", "sead"])
        .await
        .fails_with(2, &["seed", "community"]);
    market.stop().await;
}
