//! Reference prices: with every epoch's root the oracles agree on how much of a class's time was hired, its price moves one step, and
//! renters see it beside what devices ask.

use io_client::{
    accounts,
    io_network::state::{DeviceClass, Network},
    pda,
};
use io_e2e::{
    JobState, Market, Options, inputs,
    jobs::{PATIENCE, until},
    market::IO,
};
use io_protocol::guidance::next_price;

/// The class of a host's CPU, and where its reference price begins on a local network.
const CPU: u16 = 0;
const START: u64 = IO / 10;

async fn cpu(market: &Market) -> DeviceClass {
    accounts::fetch(&market.rpc, &pda::class(CPU))
        .await
        .expect("the class")
}

/// Follows the class, each of whose steps must be the formula's, until one is `wanted`.
async fn step(
    market: &Market,
    network: &Network,
    what: &str,
    wanted: impl Fn(&DeviceClass, &DeviceClass) -> bool,
) -> DeviceClass {
    let mut last = cpu(market).await;
    until(
        what,
        3 * PATIENCE,
        || market.logs(),
        async || {
            let before = std::mem::replace(&mut last, cpu(market).await);
            assert!(last.guidance_epoch >= before.guidance_epoch);
            // Two steps at once can't be checked one by one.
            if last.guidance_epoch != before.guidance_epoch + 1 {
                return None;
            }
            let expected = next_price(
                before.reference_price,
                last.utilisation_bps,
                network.target_utilisation_bps,
                last.price_floor,
                last.price_ceiling,
            );
            assert_eq!(
                last.reference_price, expected,
                "the step of epoch {}",
                last.guidance_epoch
            );
            wanted(&before, &last).then_some(last)
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_price_follows_what_is_hired_and_renters_see_it() {
    let market = Market::start(Options {
        workers: 1,
        epoch_seconds: 10,
        ..Options::default()
    })
    .await;
    let network = accounts::network(&market.rpc).await.expect("the network");

    // Nobody hires: down.
    let idle = step(&market, &network, "a step down", |before, after| {
        after.utilisation_bps == 0 && after.reference_price < before.reference_price
    })
    .await;
    assert!(idle.reference_price < START);

    // One rents the device: up, as soon as an epoch was hired for more than the aim.
    let echo = inputs::echo(market.folder()).display().to_string();
    let message = inputs::write(market.folder(), "message.txt", b"hired")
        .display()
        .to_string();
    let lease = [
        "wasm",
        &echo,
        "--input",
        &message,
        "--fuel",
        "1000000",
        "--for",
        "10m",
        "--max-price",
        "1",
    ];
    let create = [&["lease", "create"], &lease[..]].concat();
    let created = market.io(&create).await.ok();
    let address = created["job"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("an address");
    market.until_state(&address, &[JobState::Running]).await;
    let hired = step(&market, &network, "a step up", |before, after| {
        after.utilisation_bps > network.target_utilisation_bps
            && after.reference_price > before.reference_price
    })
    .await;

    // A quorum signed it, each for itself, and says so to whoever asks.
    let mut said = 0;
    for url in &market.oracle_urls {
        let client = io_api::client::OracleClient::new(url).expect("a client");
        let Some(guidance) = client
            .guidance(hired.guidance_epoch)
            .await
            .expect("an answer")
        else {
            continue;
        };
        let figure = guidance.classes.iter().find(|class| class.class == CPU);
        said += usize::from(
            figure.is_some_and(|figure| figure.utilisation_bps == hired.utilisation_bps),
        );
    }
    assert!(said >= 2, "{said} oracles");

    // Shown where a renter looks. It moves on meanwhile: within the class's bounds is what can be said of it.
    let inside = |value: &serde_json::Value| {
        let price = value.as_u64().unwrap_or_else(|| panic!("a price: {value}"));
        assert!((hired.price_floor..=hired.price_ceiling).contains(&price));
    };
    let offers = market.io(&["offers", "search", "--all"]).await.ok();
    inside(&offers[0]["reference_hour"]);
    // 1 IO for 1,000 s: the lease's own hour needs no measurement.
    assert_eq!(offers[0]["engines"]["lease"]["hour"], 36 * IO / 10);
    market
        .io(&["lease", "end", &address.to_string()])
        .await
        .ok();
    market.worker_is_available(0).await;
    let quote = [&["quote"], &lease[..6]].concat();
    let quote = market.io(&quote).await.ok();
    inside(&quote["reference_hour"]);
    assert!(quote["hour"].as_u64().is_some_and(|hour| hour > 0));
    let dry = [&["--dry-run"], &create[..]].concat();
    let dry = market.io(&dry).await.ok();
    inside(&dry["reference_hour"]);
    let explained = market.io(&["offers", "explain", "wasm"]).await.ok();
    inside(&explained["reference_hour"]);
    market.stop().await;
}
