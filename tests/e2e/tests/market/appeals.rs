//! A penalty that its provider contests: oracles that did not accuse look at the work themselves.

use io_client::{accounts, io_network::state::Provider, pda};
use io_e2e::{
    JobState, Market, Options, inputs,
    jobs::{PATIENCE, until},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_appeal_is_decided_by_those_that_did_not_accuse() {
    let mut market = Market::start(Options::default()).await;
    let passages = inputs::few_passages(market.folder(), 12, 9);
    market.kill_worker(0).await;
    market.start_worker(0, Some("wrong_embedding"));
    market.worker_is_available(0).await;
    let address = market.submit_embed(&passages, &[]).await;
    market.ends(&address, JobState::Rejected).await;
    let case = market.slash(&address).await;
    assert_eq!(case.accusers.count_ones(), 2, "a quorum accused");
    let account = pda::slash_case(&case.provider, case.number);
    let name = account.to_string();

    let listed = market.io_as("provider", &["slash", "list"]).await.ok();
    assert_eq!(listed[0]["case"], name, "the case is listed");
    let evidence = market.io(&["slash", "evidence", &name]).await.ok();
    assert_eq!(evidence["attestations"][0]["verdict"], "invalid");
    // An accuser files what it found: a blob that the case names, with its signed statement against this very output.
    let shown = until(
        "an accuser's evidence",
        PATIENCE,
        || market.logs(),
        async || {
            let shown = market.io(&["slash", "show", &name]).await.ok();
            shown["found"].is_object().then_some(shown)
        },
    )
    .await;
    let found = &shown["found"];
    assert_eq!(found["job"], address.to_string(), "{shown}");
    assert_eq!(
        (&found["verdict"], &found["output_hash"]),
        (&"invalid".into(), &shown["subject"])
    );
    assert!(
        found["reason"].as_str().is_some_and(|r| !r.is_empty()),
        "{shown}"
    );
    assert!(found["sample_proof"].is_string(), "{shown}");
    let accusers = shown["accusers"].as_array().unwrap();
    assert!(accusers.contains(&found["oracle"]), "{shown}");
    assert!(shown["evidence_problem"].is_null(), "{shown}");
    // The penalty is in the case.
    let slashed: Provider = accounts::fetch(&market.rpc, &case.provider)
        .await
        .expect("the provider");
    // Only the provider appeals.
    market.io(&["slash", "appeal", &name]).await.fails(3);
    market
        .io_as("provider", &["slash", "appeal", &name])
        .await
        .ok();
    // The third oracle finds the result as wrong as the two did: upheld, delivered and closed, and nobody had to ask for it.
    market.slash_case_closes(&account).await;
    let after: Provider = accounts::fetch(&market.rpc, &case.provider)
        .await
        .expect("the provider");
    assert!(case.amount > 0);
    assert_eq!(
        (after.staked, after.co_assets),
        (slashed.staked, slashed.co_assets),
        "upheld: a returned penalty of {} would be stake again",
        case.amount
    );
    market.stop().await;
}
