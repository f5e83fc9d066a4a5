use std::time::Duration;

use io_client::{
    Instruction, Request, Sender, Wallet,
    events::IoEvent,
    instructions,
    subscribe::{AccountStream, Cursor, EventStream, FollowConfig, Start, Update},
    testing::{CuttableProxy, Fault, FaultyRpc, LocalChain, PATIENCE, eventually, test_params},
    tokens,
};
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};
use tokio::time::timeout;

/// Sweeps that never come: what is delivered was heard, or read after a reconnection.
const NO_SWEEPS: FollowConfig = FollowConfig {
    gather: Duration::from_millis(5),
    sweep: Duration::from_secs(3_600),
    resync: Duration::from_secs(3_600),
};

/// A network whose parameter `min_bond` is set to numbers in order; every change is one event.
struct Changes {
    chain: LocalChain,
    sender: Sender,
    next: u64,
}

impl Changes {
    async fn start() -> Self {
        let chain = LocalChain::start().await;
        chain
            .network(vec![Wallet::generate().address()], 1, test_params())
            .await;
        let sender = chain.sender();
        Self {
            chain,
            sender,
            next: 1_000_000,
        }
    }

    fn change(&self, min_bond: u64) -> Request {
        let admin = self.chain.authority();
        let params = instructions::NetworkParams {
            min_bond,
            ..test_params()
        };
        Request::new(
            format!("change to {min_bond}"),
            admin.signer(),
            vec![instructions::update_params(&admin.address(), params)],
        )
    }

    /// Makes `count` changes, one after the other, and returns their numbers.
    async fn make(&mut self, count: u64) -> Vec<u64> {
        let numbers: Vec<u64> = (self.next..self.next + count).collect();
        for number in &numbers {
            let request = self.change(*number);
            self.sender
                .send(&request)
                .await
                .unwrap_or_else(|error| panic!("{error}\n{}", error.logs().join("\n")));
        }
        self.next += count;
        numbers
    }

    fn follow(&self, ws_url: &str, start: Start, config: FollowConfig) -> EventStream {
        EventStream::start(self.chain.rpc(), ws_url, io_network::ID, start, config).unwrap()
    }
}

/// The next `count` changes, and the cursor after them.
async fn take(stream: &mut EventStream, count: usize) -> (Vec<u64>, Option<Cursor>) {
    let mut numbers = Vec::new();
    let mut cursor = None;
    while numbers.len() < count {
        let update = timeout(PATIENCE, stream.next())
            .await
            .unwrap_or_else(|_| panic!("only {numbers:?} of {count} came"));
        match update.expect("the stream goes on") {
            Update::CaughtUp => {}
            Update::Transaction(transaction) => {
                assert!(!transaction.incomplete);
                for event in &transaction.events {
                    match event {
                        IoEvent::NetworkChanged(changed) => numbers.push(changed.after.min_bond),
                        // The network's creation brings one.
                        IoEvent::OracleSetChanged(_) => {}
                        other => panic!("unexpected {other:?}"),
                    }
                }
                cursor = Some(transaction.cursor);
            }
        }
    }
    (numbers, cursor)
}

/// Nothing more comes until the chain has gone on for a while.
async fn nothing_more(stream: &mut EventStream, changes: &mut Changes) {
    // One more change: whatever was doubled or late would come before it.
    let expected = changes.make(1).await;
    assert_eq!(take(stream, 1).await.0, expected);
}

async fn caught_up(stream: &mut EventStream) {
    let update = timeout(PATIENCE, stream.next())
        .await
        .expect("catching up")
        .expect("the stream goes on");
    assert!(
        matches!(update, Update::CaughtUp),
        "{update:?} before the start"
    );
}

async fn connected(stream: &EventStream, times: u64) {
    let health = stream.health();
    eventually("a connection", || async {
        Ok(health.borrow().connections >= times && health.borrow().connected)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_once_in_order_and_without_polling() {
    let mut changes = Changes::start().await;
    let mut stream = changes.follow(changes.chain.ws_url(), Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    connected(&stream, 1).await;
    let expected = changes.make(12).await;
    assert_eq!(take(&mut stream, 12).await.0, expected);
    nothing_more(&mut stream, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bursts_in_one_slot_keep_the_chains_order() {
    let mut changes = Changes::start().await;
    let mut stream = changes.follow(changes.chain.ws_url(), Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    connected(&stream, 1).await;
    // Sent all at once: the chain decides on the order, and all readers see the same.
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=30 {
        let (sender, request) = (changes.sender.clone(), changes.change(number));
        tasks.spawn(async move { sender.send(&request).await.map(|landed| landed.slot) });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap().unwrap();
    }
    let (heard, _) = take(&mut stream, 30).await;
    if !changes.chain.is_external() {
        let mut reread = changes.follow(changes.chain.ws_url(), Start::Beginning, NO_SWEEPS);
        let (all, _) = take(&mut reread, 31).await;
        assert_eq!(
            all[1..],
            heard,
            "read afterwards, the order is the same (the first is the network's creation)"
        );
    }
    let mut sorted = heard.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=30).collect::<Vec<_>>());
    nothing_more(&mut stream, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_connection_was_down_is_delivered_when_it_is_back() {
    let mut changes = Changes::start().await;
    let proxy = CuttableProxy::start(changes.chain.ws_url()).await;
    let mut stream = changes.follow(&proxy.ws_url(), Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    connected(&stream, 1).await;
    let mut expected = changes.make(3).await;
    for round in 0..3 {
        proxy.refuse(true);
        let health = stream.health();
        eventually("the cut", || async { Ok(!health.borrow().connected) }).await;
        expected.extend(changes.make(4).await);
        proxy.refuse(false);
        connected(&stream, 2 + round).await;
        expected.extend(changes.make(2).await);
    }
    assert_eq!(take(&mut stream, expected.len()).await.0, expected);
    nothing_more(&mut stream, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cuts_in_the_middle_of_a_burst_lose_and_double_nothing() {
    let mut changes = Changes::start().await;
    let proxy = CuttableProxy::start(changes.chain.ws_url()).await;
    let mut stream = changes.follow(&proxy.ws_url(), Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    connected(&stream, 1).await;
    let mut expected = Vec::new();
    for _ in 0..8 {
        expected.extend(changes.make(3).await);
        proxy.cut();
    }
    assert_eq!(take(&mut stream, expected.len()).await.0, expected);
    connected(&stream, 2).await;
    nothing_more(&mut stream, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_connection_the_history_is_swept() {
    let mut changes = Changes::start().await;
    let config = FollowConfig {
        sweep: Duration::from_millis(100),
        ..NO_SWEEPS
    };
    // Nothing listens at port 1.
    let mut stream = changes.follow("ws://127.0.0.1:1", Start::Now, config);
    caught_up(&mut stream).await;
    let expected = changes.make(5).await;
    assert_eq!(take(&mut stream, 5).await.0, expected);
    let health = stream.health();
    assert!(!health.borrow().connected && health.borrow().last_error.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_restarts_goes_on_after_its_cursor() {
    let mut changes = Changes::start().await;
    let ws_url = changes.chain.ws_url().to_owned();
    let mut stream = changes.follow(&ws_url, Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    let first = changes.make(4).await;
    let (numbers, cursor) = take(&mut stream, 3).await;
    assert_eq!(numbers, first[..3]);
    drop(stream);
    let later = changes.make(4).await;
    let kept = serde_json::to_string(&cursor.unwrap()).unwrap();
    let cursor: Cursor = serde_json::from_str(&kept).unwrap();
    let mut stream = changes.follow(&ws_url, Start::After(cursor), NO_SWEEPS);
    let (numbers, _) = take(&mut stream, 5).await;
    assert_eq!(numbers, [&first[3..], &later[..]].concat());
    nothing_more(&mut stream, &mut changes).await;

    // From the beginning everything comes, the creation of the network first.
    if !changes.chain.is_external() {
        let mut stream = changes.follow(&ws_url, Start::Beginning, NO_SWEEPS);
        let (numbers, _) = take(&mut stream, 10).await;
        assert_eq!(numbers[0], test_params().min_bond);
        assert_eq!(numbers[1..9], [first, later].concat());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_a_third_of_all_calls_delays_events_and_loses_none() {
    let mut changes = Changes::start().await;
    let faulty = FaultyRpc::start(changes.chain.rpc_url()).await;
    let proxy = CuttableProxy::start(changes.chain.ws_url()).await;
    let config = FollowConfig {
        sweep: Duration::from_millis(200),
        ..NO_SWEEPS
    };
    let mut stream = EventStream::start(
        faulty.rpc(),
        &proxy.ws_url(),
        io_network::ID,
        Start::Now,
        config,
    )
    .unwrap();
    caught_up(&mut stream).await;
    faulty.randomly(33, 11);
    let mut expected = Vec::new();
    for _ in 0..4 {
        expected.extend(changes.make(3).await);
        proxy.cut();
    }
    assert_eq!(take(&mut stream, expected.len()).await.0, expected);
    faulty.randomly(0, 0);
    nothing_more(&mut stream, &mut changes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_forged_lines_are_no_events() {
    let mut changes = Changes::start().await;
    let mut stream = changes.follow(changes.chain.ws_url(), Start::Now, NO_SWEEPS);
    caught_up(&mut stream).await;
    connected(&stream, 1).await;
    // A transaction that mentions the program and logs the runtime's own words through the memo program.
    let forger = changes.chain.wallet(1_000_000_000).await;
    let memo = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
        .parse()
        .unwrap();
    let text = format!("Program {} invoke [1]\nProgram data: AAAA", io_network::ID);
    let forged = Instruction {
        program_id: memo,
        accounts: Vec::new(),
        data: text.into_bytes(),
    };
    let mut mention = tokens::transfer_sol(&forger.address(), &forger.address(), 1);
    mention.accounts.push(io_mention());
    let request = Request::new("forge", forger.signer(), vec![mention, forged]);
    changes.sender.send(&request).await.unwrap();
    nothing_more(&mut stream, &mut changes).await;
}

fn io_mention() -> solana_instruction::AccountMeta {
    solana_instruction::AccountMeta::new_readonly(io_network::ID, false)
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_followed_over_cuts_and_closings() {
    let chain = LocalChain::start().await;
    let network = chain
        .network(vec![Wallet::generate().address()], 1, test_params())
        .await;
    let mint = network.io_mint;
    let authority = chain.authority().clone();
    let owner = chain.wallet(1_000_000_000).await;
    let account = tokens::associated(&owner.address(), &mint);
    let proxy = CuttableProxy::start(chain.ws_url()).await;
    let filters = vec![
        RpcFilterType::DataSize(tokens::TOKEN_ACCOUNT_BYTES as u64),
        RpcFilterType::Memcmp(Memcmp::new_raw_bytes(
            32,
            owner.address().to_bytes().to_vec(),
        )),
    ];
    let config = FollowConfig {
        resync: Duration::from_secs(1),
        ..FollowConfig::default()
    };
    let mut stream = AccountStream::start(
        chain.rpc(),
        &proxy.ws_url(),
        tokens::TOKEN_PROGRAM,
        filters,
        config,
    )
    .unwrap();
    let sender = chain.sender();
    let send = |intent: &'static str, instructions: Vec<Instruction>| {
        let (sender, authority, owner) = (sender.clone(), authority.clone(), owner.clone());
        async move {
            let request =
                Request::new(intent, authority.signer(), instructions).with_signer(owner.signer());
            sender
                .send(&request)
                .await
                .unwrap_or_else(|error| panic!("{error}"));
        }
    };
    let admin = authority.address();
    send(
        "create",
        vec![
            tokens::create_associated(&admin, &owner.address(), &mint),
            tokens::mint_to(&mint, &account, &admin, 1),
        ],
    )
    .await;
    wait_for(&mut stream, Some(1)).await;
    send("more", vec![tokens::mint_to(&mint, &account, &admin, 1)]).await;
    wait_for(&mut stream, Some(2)).await;

    proxy.refuse(true);
    send(
        "while down",
        vec![tokens::mint_to(&mint, &account, &admin, 1)],
    )
    .await;
    proxy.refuse(false);
    wait_for(&mut stream, Some(3)).await;

    let burn_and_close = vec![
        tokens::transfer(&mint, 8, &account, &account, &owner.address(), 1),
        burn(&mint, &account, &owner, 3),
        close(&account, &owner),
    ];
    send("close", burn_and_close).await;
    wait_for(&mut stream, None).await;
}

/// Who trusts what it has read must not do so before it has read it: hearing of changes is not enough.
#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_whole_when_they_have_been_read_since_the_connection() {
    let chain = LocalChain::start().await;
    chain
        .network(vec![Wallet::generate().address()], 1, test_params())
        .await;
    let (node, news) = (
        FaultyRpc::start(chain.rpc_url()).await,
        CuttableProxy::start(chain.ws_url()).await,
    );
    let read = "getProgramAccounts";
    node.always(read, Some(Fault::Http(403)));
    let (program, filters) = (io_network::ID, Vec::new());
    let mut stream =
        AccountStream::start(node.rpc(), &news.ws_url(), program, filters, NO_SWEEPS).unwrap();
    let health = stream.health();
    eventually("the connection and a failed reading", || async {
        let health = health.borrow();
        Ok(health.connected && health.last_error.is_some())
    })
    .await;
    assert!(!health.borrow().whole);
    let whole = || eventually("all accounts", || async { Ok(health.borrow().whole) });
    node.always(read, None);
    whole().await;
    // What makes it so lies there already.
    let first = timeout(Duration::ZERO, stream.next()).await;
    assert!(first.is_ok_and(|update| update.is_some()));

    // What changed while nothing was heard is missing until it has been read.
    node.always(read, Some(Fault::Http(403)));
    news.refuse(true);
    eventually("the cut", || async { Ok(!health.borrow().connected) }).await;
    assert!(!health.borrow().whole);
    news.refuse(false);
    eventually("the connection", || async { Ok(health.borrow().connected) }).await;
    assert!(!health.borrow().whole);
    node.always(read, None);
    whole().await;
}

/// Reads until the followed account holds `amount`, or is closed.
async fn wait_for(stream: &mut AccountStream, amount: Option<u64>) {
    loop {
        let update = timeout(PATIENCE, stream.next())
            .await
            .unwrap_or_else(|_| panic!("{amount:?} never came"))
            .expect("goes on");
        let held = update
            .account
            .map(|account| u64::from_le_bytes(account.data[64..72].try_into().unwrap()));
        if held == amount {
            return;
        }
    }
}

fn burn(
    mint: &io_client::Pubkey,
    account: &io_client::Pubkey,
    owner: &Wallet,
    amount: u64,
) -> Instruction {
    use solana_instruction::AccountMeta;
    let mut data = vec![8];
    data.extend(amount.to_le_bytes());
    let accounts = vec![
        AccountMeta::new(*account, false),
        AccountMeta::new(*mint, false),
        AccountMeta::new_readonly(owner.address(), true),
    ];
    Instruction {
        program_id: tokens::TOKEN_PROGRAM,
        accounts,
        data,
    }
}

fn close(account: &io_client::Pubkey, owner: &Wallet) -> Instruction {
    use solana_instruction::AccountMeta;
    let accounts = vec![
        AccountMeta::new(*account, false),
        AccountMeta::new(owner.address(), false),
        AccountMeta::new_readonly(owner.address(), true),
    ];
    Instruction {
        program_id: tokens::TOKEN_PROGRAM,
        accounts,
        data: vec![9],
    }
}
