use std::{path::Path, sync::Arc, time::Duration};

use io_client::{
    Error, Instruction, Pubkey, Request, Rpc, SendConfig, Sender, Wallet, ed25519, instructions,
    journal::{FileJournal, Journal, MemoryJournal, State},
    testing::{ChainOptions, Fault, FaultyRpc, LocalChain, TEST_SLOT_MS, eventually, test_params},
    tokens,
};
use io_network::errors::IoError;
use serde_json::json;

const SOL: u64 = 1_000_000_000;

fn sender(rpc: Rpc) -> (Sender, Arc<MemoryJournal>) {
    let journal = Arc::new(MemoryJournal::default());
    (
        Sender::new(rpc, journal.clone(), SendConfig::local()),
        journal,
    )
}

/// A transfer of `lamports` to a new address.
fn transfer(intent: &str, from: &Wallet, lamports: u64) -> (Request, Pubkey) {
    let to = Wallet::generate().address();
    let instruction = tokens::transfer_sol(&from.address(), &to, lamports);
    (Request::new(intent, from.signer(), vec![instruction]), to)
}

fn state(journal: &MemoryJournal, intent: &str) -> State {
    journal.get(intent).unwrap().expect("a row").state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intent_lands_once_however_often_it_is_sent() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let (sender, journal) = sender(proxy.rpc());
    let (request, to) = transfer("pay", &wallet, SOL);

    // Twice at the same time, and again afterwards.
    let (first, second) = tokio::join!(sender.send(&request), sender.send(&request));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.signature, second.signature);
    assert!(
        first.earlier != second.earlier,
        "one of the two sent, the other waited for it"
    );
    let sent = proxy.calls("sendTransaction");
    let again = sender.send(&request).await.unwrap();
    assert_eq!(
        (again.signature, again.earlier, again.attempts),
        (first.signature, true, 0)
    );
    assert_eq!(
        proxy.calls("sendTransaction"),
        sent,
        "nothing was sent again"
    );
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
    assert_eq!(state(&journal, "pay"), State::Landed { slot: first.slot });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_a_lost_request_and_a_doubled_one_land_once() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let (sender, _) = sender(proxy.rpc());
    let delay = Fault::Delay(Duration::from_millis(400));
    let faults = [
        Fault::LoseResponse,
        Fault::LoseRequest,
        Fault::Duplicate,
        delay,
        Fault::Http(503),
        Fault::Garbage,
    ];
    for (i, fault) in faults.into_iter().enumerate() {
        proxy.next("sendTransaction", [fault.clone()]);
        let (request, to) = transfer(&format!("pay {i}"), &wallet, SOL);
        let landed = sender
            .send(&request)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(
            landed.attempts, 1,
            "{fault:?}: the same transaction is repeated, not another signed"
        );
        assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_transfers_over_a_node_that_fails_a_third_of_all_calls_land_once_each() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(100 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    proxy.randomly(33, 7);
    let (sender, _) = sender(proxy.rpc());
    let to = Wallet::generate().address();
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..40_u64 {
        let (sender, signer, from) = (sender.clone(), wallet.signer(), wallet.address());
        tasks.spawn(async move {
            let instruction = tokens::transfer_sol(&from, &to, 1_000_000 + i);
            let request = Request::new(format!("pay {i}"), signer, vec![instruction]);
            // A call fails when one read failed six times in a row. Repeating the intent is always safe.
            for _ in 0..10 {
                match sender.send(&request).await {
                    Ok(_) => return,
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
            panic!("transfer {i} never landed");
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
    let expected: u64 = (0..40).map(|i| 1_000_000 + i).sum();
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_transaction_is_signed_anew_and_lands_once() {
    // Blockhashes live 150 slots: 3 seconds here.
    let chain = LocalChain::start_with(ChainOptions {
        slot_ms: 20,
        ..ChainOptions::default()
    })
    .await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    // The node takes transactions and drops them.
    proxy.always("sendTransaction", Some(Fault::Answer(json!("dropped"))));
    let (sender, journal) = sender(proxy.rpc());
    let (request, to) = transfer("pay", &wallet, SOL);
    let sending = tokio::spawn({
        let (sender, request) = (sender.clone(), request.clone());
        async move { sender.send(&request).await }
    });
    eventually("the first transaction", || async {
        Ok(!journal.in_flight()?.is_empty())
    })
    .await;
    let first = journal.in_flight().unwrap()[0].signature.clone();
    let first_sent = proxy.calls("sendTransaction");
    assert!(
        first_sent <= 2 || proxy.calls("getLatestBlockhash") == 1,
        "not signed anew before it expired"
    );
    eventually("another signature", || async {
        Ok(proxy.calls("getLatestBlockhash") >= 2)
    })
    .await;
    proxy.always("sendTransaction", None);
    let landed = sending.await.unwrap().unwrap();
    assert!(landed.attempts >= 2);
    assert_ne!(landed.signature.to_string(), first);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);

    // The first one, sent now by somebody who kept it, is refused.
    let status = chain
        .rpc()
        .statuses(&[first.parse().unwrap()], true)
        .await
        .unwrap()
        .1;
    assert_eq!(status, [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_never_lands_is_given_up_after_the_attempts_allowed() {
    let chain = LocalChain::start_with(ChainOptions {
        slot_ms: 20,
        ..ChainOptions::default()
    })
    .await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    proxy.always("sendTransaction", Some(Fault::Rpc(-32005)));
    let journal = Arc::new(MemoryJournal::default());
    let sender = Sender::new(
        proxy.rpc(),
        journal.clone(),
        SendConfig {
            attempts: 2,
            ..SendConfig::local()
        },
    );
    let (request, to) = transfer("pay", &wallet, SOL);
    let error = sender.send(&request).await.unwrap_err();
    assert!(
        matches!(&error, Error::Expired { attempts: 2, last_refusal: Some(reason), .. } if reason.contains("injected")),
        "{error}"
    );
    assert_eq!(state(&journal, "pay"), State::Expired);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), 0);

    // Repeating it later works.
    proxy.always("sendTransaction", None);
    assert!(!sender.send(&request).await.unwrap().earlier);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hides_what_happened_makes_nobody_sign_twice() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let journal = Arc::new(MemoryJournal::default());
    let config = SendConfig {
        deadline: Duration::from_secs(2),
        ..SendConfig::local()
    };
    let sender = Sender::new(proxy.rpc(), journal.clone(), config);
    // It lands, but the states of transactions cannot be read.
    proxy.always("getSignatureStatuses", Some(Fault::Rpc(-32601)));
    let (request, to) = transfer("pay", &wallet, SOL);
    let error = sender.send(&request).await.unwrap_err();
    assert!(matches!(error, Error::Unresolved { .. }), "{error}");
    assert_eq!(
        journal.in_flight().unwrap().len(),
        1,
        "it stays in the journal"
    );
    eventually("the transfer", || async {
        Ok(chain.rpc().balance(&to).await? == SOL)
    })
    .await;
    assert_eq!(proxy.calls("getLatestBlockhash"), 1);

    proxy.always("getSignatureStatuses", None);
    let landed = sender.send(&request).await.unwrap();
    assert!(landed.earlier);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
}

/// Starts sending and stops in the middle, as a crash would, when the node has seen `calls` of `method`.
async fn crash_after(
    proxy: &FaultyRpc,
    journal: &Path,
    request: &Request,
    method: &str,
    calls: u64,
) {
    let journal = Arc::new(FileJournal::open(journal).unwrap());
    let sender = Sender::new(proxy.rpc(), journal.clone(), SendConfig::local());
    let task = tokio::spawn({
        let (sender, request) = (sender.clone(), request.clone());
        async move { sender.send(&request).await.map(|_| ()) }
    });
    eventually(method, || async {
        Ok(proxy.calls(method) >= calls || task.is_finished())
    })
    .await;
    task.abort();
    let _ = task.await;
    drop(sender);
    // What still runs in another thread holds the journal a moment longer.
    let weak = Arc::downgrade(&journal);
    drop(journal);
    eventually("the crash", || async { Ok(weak.strong_count() == 0) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_before_the_node_took_it_the_same_transaction_lands() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sent.jsonl");
    let (request, to) = transfer("pay", &wallet, SOL);

    proxy.always("sendTransaction", Some(Fault::LoseRequest));
    crash_after(&proxy, &path, &request, "sendTransaction", 1).await;
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), 0);
    proxy.always("sendTransaction", None);

    let journal = Arc::new(FileJournal::open(&path).unwrap());
    let signature = journal.in_flight().unwrap()[0].signature.clone();
    let sender = Sender::new(proxy.rpc(), journal.clone(), SendConfig::local());
    let ended = sender.resume().await.unwrap();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0, "pay");
    assert_eq!(
        ended[0].1.as_ref().unwrap().signature.to_string(),
        signature
    );
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
    assert!(sender.send(&request).await.unwrap().earlier);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
    assert!(journal.in_flight().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_before_the_journal_knew_the_landed_one_is_found() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sent.jsonl");
    let (request, to) = transfer("pay", &wallet, SOL);

    proxy.always("sendTransaction", Some(Fault::LoseResponse));
    proxy.always("getSignatureStatuses", Some(Fault::Rpc(-32601)));
    crash_after(&proxy, &path, &request, "sendTransaction", 1).await;
    eventually("the transfer", || async {
        Ok(chain.rpc().balance(&to).await? == SOL)
    })
    .await;
    proxy.always("sendTransaction", None);
    proxy.always("getSignatureStatuses", None);

    let journal = Arc::new(FileJournal::open(&path).unwrap());
    let signature = journal.in_flight().unwrap()[0].signature.parse().unwrap();
    let rpc = chain.rpc();
    eventually("its confirmation", || async {
        Ok(rpc.statuses(&[signature], true).await?.1[0].is_some())
    })
    .await;
    let sent = proxy.calls("sendTransaction");
    let sender = Sender::new(proxy.rpc(), journal, SendConfig::local());
    assert!(sender.send(&request).await.unwrap().earlier);
    assert_eq!(
        proxy.calls("sendTransaction"),
        sent,
        "it was found, not sent again"
    );
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), SOL);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_crash_and_a_long_sleep_an_expired_one_is_known_to_be_and_the_intent_can_be_repeated()
 {
    let chain = LocalChain::start_with(ChainOptions {
        slot_ms: 20,
        ..ChainOptions::default()
    })
    .await;
    let wallet = chain.wallet(10 * SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sent.jsonl");
    let (request, to) = transfer("pay", &wallet, SOL);
    proxy.always("sendTransaction", Some(Fault::Answer(json!("dropped"))));
    crash_after(&proxy, &path, &request, "sendTransaction", 1).await;
    let rpc = chain.rpc();
    let start = rpc
        .position(io_client::CommitmentConfig::confirmed())
        .await
        .unwrap()
        .block_height;
    eventually("160 blocks", || async {
        Ok(rpc
            .position(io_client::CommitmentConfig::confirmed())
            .await?
            .block_height
            > start + 160)
    })
    .await;
    let sender = Sender::new(
        proxy.rpc(),
        Arc::new(FileJournal::open(&path).unwrap()),
        SendConfig::local(),
    );
    let ended = sender.resume().await.unwrap();
    assert!(
        matches!(ended[0].1, Err(Error::Expired { .. })),
        "{:?}",
        ended[0].1
    );
    proxy.always("sendTransaction", None);
    assert!(!sender.send(&request).await.unwrap().earlier);
    assert_eq!(rpc.balance(&to).await.unwrap(), SOL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_programs_error_and_sends_nothing() {
    let chain = LocalChain::start().await;
    let oracle = Wallet::generate().address();
    chain.network(vec![oracle], 1, test_params()).await;
    let stranger = chain.wallet(SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let (sender, journal) = sender(proxy.rpc());
    let request = Request::new(
        "pause",
        stranger.signer(),
        vec![instructions::set_paused(&stranger.address(), true)],
    );
    let error = sender.send(&request).await.unwrap_err();
    assert_eq!(error.io_error(), Some(IoError::NotAdmin), "{error}");
    assert!(
        error
            .to_string()
            .contains("Only the network's administrator"),
        "{error}"
    );
    assert!(error.to_string().contains("NotAdmin"), "{error}");
    assert!(!error.is_transient());
    assert!(!error.logs().is_empty());
    assert_eq!(proxy.calls("sendTransaction"), 0);
    assert!(journal.get("pause").unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_on_the_chain_is_told_with_its_signature_and_may_be_repeated() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(SOL).await;
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let (sender, journal) = sender(proxy.rpc());
    let (request, to) = transfer("pay", &wallet, 5 * SOL);
    // The state changes between simulation and execution: here the simulation is simply wrong.
    let good = json!({ "context": { "slot": 1 }, "value": { "err": null, "logs": [], "unitsConsumed": 600, "accounts": [] } });
    proxy.next("simulateTransaction", [Fault::Answer(good)]);
    let error = sender.send(&request).await.unwrap_err();
    match &error {
        Error::Program(program) => {
            assert!(program.signature.is_some());
            assert_eq!(program.name.as_deref(), Some("ResultWithNegativeLamports"));
            assert_eq!(
                program.instruction, 2,
                "after the two of the compute budget"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(state(&journal, "pay"), State::Failed { .. }));
    chain.fund(&wallet.address(), 10 * SOL).await;
    assert!(!sender.send(&request).await.unwrap().earlier);
    assert_eq!(chain.rpc().balance(&to).await.unwrap(), 5 * SOL);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_would_move_and_moves_nothing() {
    let chain = LocalChain::start().await;
    let network = chain
        .network(vec![Wallet::generate().address()], 1, test_params())
        .await;
    let authority = chain.authority().clone();
    let owner = chain.wallet(SOL).await;
    let account = tokens::associated(&owner.address(), &network.io_mint);
    let proxy = FaultyRpc::start(chain.rpc_url()).await;
    let (sender, _) = sender(proxy.rpc());
    let request = Request::new(
        "mint",
        authority.signer(),
        vec![
            tokens::create_associated(&authority.address(), &owner.address(), &network.io_mint),
            tokens::mint_to(&network.io_mint, &account, &authority.address(), 42),
        ],
    );
    let dry = sender.simulate(&request).await.unwrap();
    assert!(
        dry.units > 0 && dry.unit_limit > dry.units && dry.fee >= 5_000 && dry.bytes > 200,
        "{dry:?}"
    );
    let token = dry
        .changes
        .iter()
        .find(|change| change.mint == Some(network.io_mint))
        .expect("a token change");
    assert_eq!(
        (token.account, token.owner, token.before, token.after),
        (account, owner.address(), 0, 42)
    );
    let sol = dry
        .changes
        .iter()
        .find(|change| change.account == authority.address())
        .expect("the payer's change");
    assert!(sol.mint.is_none() && sol.after < sol.before);
    assert_eq!(proxy.calls("sendTransaction"), 0);
    assert_eq!(tokens::balance(&chain.rpc(), &account).await.unwrap(), None);

    sender.send(&request).await.unwrap();
    assert_eq!(
        tokens::balance(&chain.rpc(), &account).await.unwrap(),
        Some(42)
    );
    assert_eq!(
        tokens::decimals(&chain.rpc(), &network.io_mint)
            .await
            .unwrap(),
        8
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_be_sent_is_refused_at_once() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(SOL).await;
    let (sender, _) = sender(chain.rpc());
    let (mut request, _) = transfer("", &wallet, 1);
    assert!(matches!(
        sender.send(&request).await,
        Err(Error::BadIntent { .. })
    ));
    request.intent = "x".repeat(257);
    assert!(matches!(
        sender.send(&request).await,
        Err(Error::BadIntent { .. })
    ));

    // An instruction of another wallet's, without its signature.
    let other = Wallet::generate();
    let stolen = tokens::transfer_sol(&other.address(), &wallet.address(), 1);
    chain.fund(&other.address(), SOL).await;
    let request = Request::new("steal", wallet.signer(), vec![stolen]);
    assert!(
        matches!(sender.send(&request).await, Err(Error::MissingSigner(who)) if who == other.address())
    );

    let memo: Pubkey = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
        .parse()
        .unwrap();
    let long = Instruction {
        program_id: memo,
        accounts: Vec::new(),
        data: vec![b'x'; 1_300],
    };
    let request = Request::new("long", wallet.signer(), vec![long]);
    assert!(matches!(
        sender.send(&request).await,
        Err(Error::TooLarge { max: 1_232, .. })
    ));

    let empty = Wallet::generate();
    let (request, _) = transfer("poor", &empty, 1);
    let error = sender.send(&request).await.unwrap_err().to_string();
    assert!(error.contains("SOL"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runtime_checks_signatures_built_here() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(SOL).await;
    let (sender, _) = sender(chain.rpc());
    let message = b"a statement".to_vec();
    let signed: Vec<_> = (0..3)
        .map(|_| {
            let oracle = Wallet::generate();
            (oracle.address(), oracle.sign(&message))
        })
        .collect();
    let good = ed25519::verify(&message, &signed).unwrap();
    sender
        .send(&Request::new("good", wallet.signer(), vec![good]))
        .await
        .unwrap();
    let mut forged = signed;
    forged[1].0 = forged[2].0;
    let bad = ed25519::verify(&message, &forged).unwrap();
    let error = sender
        .send(&Request::new("bad", wallet.signer(), vec![bad]))
        .await
        .unwrap_err();
    assert!(!error.is_transient(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_takes_about_as_long_as_the_chain_takes_to_confirm() {
    let chain = LocalChain::start().await;
    let wallet = chain.wallet(10 * SOL).await;
    let (sender, _) = sender(chain.rpc());
    let mut times = Vec::new();
    for i in 0..10 {
        let (request, _) = transfer(&format!("pay {i}"), &wallet, 1_000_000);
        let started = std::time::Instant::now();
        sender.send(&request).await.unwrap();
        times.push(started.elapsed());
    }
    times.sort();
    // Two slots, and as much again for a machine that is busy with other tests. The bound guards against a wait that
    // should not be there (a rebroadcast or a poll in seconds), not against a slow machine.
    let bound = Duration::from_millis(TEST_SLOT_MS * 40);
    assert!(
        times[5] < bound,
        "median {:?}, expected below {bound:?}",
        times[5]
    );
}
