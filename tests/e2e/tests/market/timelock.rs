//! Changes of a network under a timelock, by the command: published first, refused before their time, then in effect by the same
//! command, or withdrawn.

use io_e2e::{
    Market, Options,
    jobs::{PATIENCE, until},
};
use serde_json::Value;

/// Longer than looking around takes, seconds: the chain's clock is moved on.
const WAIT: i64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_published_waits_and_takes_effect_or_is_withdrawn() {
    let market = Market::start(Options::default()).await;
    let admin = async |arguments: &[&str]| market.io_as("admin", arguments).await;
    let network = async || market.io(&["network", "show"]).await.ok();
    let proposals = async || {
        let listed = market.io(&["network", "proposals"]).await.ok();
        listed.as_array().expect("a list").clone()
    };
    let before = network().await;
    assert_eq!(before["timelock_seconds"], 0);

    // Raising it acts at once; from then on changes wait.
    let wait = WAIT.to_string();
    admin(&["network", "set-timelock", &wait]).await.ok();
    assert_eq!(network().await["timelock_seconds"], WAIT);
    let change = ["network", "set-params", "--match-seconds", "41"];
    let proposed = admin(&change).await.ok();
    let address = proposed["proposal"]
        .as_str()
        .expect("an address")
        .to_owned();
    let other = ["network", "set-params", "--match-seconds", "42"];
    let withdrawn = admin(&other).await.ok()["proposal"].clone();
    assert_ne!(withdrawn, Value::from(address.clone()));
    let lower = ["network", "set-timelock", "0"];
    let lowering = admin(&lower).await.ok()["proposal"].clone();

    // Anybody sees what is coming, and when; nothing is in effect yet.
    let listed = proposals().await;
    assert_eq!(listed.len(), 3, "{listed:?}");
    let row = listed
        .iter()
        .find(|row| row["proposal"] == address.as_str())
        .expect("it is listed");
    assert_eq!(
        row["ready_at"].as_i64().unwrap() - row["proposed_at"].as_i64().unwrap(),
        WAIT
    );
    assert_eq!(row["proposer"], before["admin"]);
    assert_eq!(network().await["match_seconds"], before["match_seconds"]);
    admin(&change)
        .await
        .fails_with(1, &["takes effect in", &address]);

    // Only the administrator or the proposer withdraws one.
    let withdrawn = withdrawn.as_str().unwrap();
    market.io(&["network", "cancel", withdrawn]).await.fails(3);
    admin(&["network", "cancel", withdrawn]).await.ok();
    assert_eq!(proposals().await.len(), 2);

    // The same command again, once its time has come; the proposal is gone with it.
    market.travel(WAIT).await;
    until(
        "the change takes effect",
        PATIENCE,
        || market.logs(),
        async || (admin(&change).await.code == 0).then_some(()),
    )
    .await;
    assert_eq!(network().await["match_seconds"], 41);
    let left = proposals().await;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0]["proposal"], lowering);

    // What was withdrawn is published anew when it is given again, and changes nothing yet.
    let again = admin(&other).await.ok();
    assert!(again["proposal"].is_string(), "{again}");
    assert_eq!(network().await["match_seconds"], 41);
    until(
        "the timelock is lowered",
        PATIENCE,
        || market.logs(),
        async || (admin(&lower).await.code == 0).then_some(()),
    )
    .await;
    assert_eq!(network().await["timelock_seconds"], 0);
    market.stop().await;
}
