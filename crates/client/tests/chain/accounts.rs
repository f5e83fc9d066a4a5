use io_client::{
    Error, Pubkey, Request, Wallet, accounts, instructions,
    instructions::{ClassArgs, PaymentMintArgs},
    pda,
    testing::{LocalChain, test_params},
    tokens,
};
use io_network::state::{DeviceClass, Network, OracleSet, PaymentMint, Provider};

#[tokio::test(flavor = "multi_thread")]
async fn the_programs_accounts_are_read_as_what_they_are() {
    let chain = LocalChain::start().await;
    let rpc = chain.rpc();
    assert!(
        matches!(accounts::network(&rpc).await, Err(Error::NoAccount { .. }))
            || chain.is_external()
    );
    let oracles: Vec<Pubkey> = (0..3).map(|_| Wallet::generate().address()).collect();
    let made = chain.network(oracles.clone(), 2, test_params()).await;
    let sender = chain.sender();
    let admin = chain.authority().clone();

    let network: Network = accounts::network(&rpc).await.unwrap();
    assert_eq!(
        (network.admin, network.io_mint),
        (admin.address(), made.io_mint)
    );
    assert_eq!(
        network.cluster,
        rpc.genesis_hash().await.unwrap().to_bytes()
    );
    if !chain.is_external() {
        let set: OracleSet = accounts::oracle_set(&rpc).await.unwrap();
        assert_eq!(
            (set.active().copied().collect(), set.quorum),
            (oracles.to_vec(), 2)
        );
    }

    // An account of another kind, and one of another program.
    let wrong = accounts::fetch::<Provider>(&rpc, &pda::network()).await;
    assert!(matches!(wrong, Err(Error::BadAccount { .. })), "{wrong:?}");
    let foreign = accounts::fetch::<Provider>(&rpc, &made.io_mint).await;
    assert!(
        matches!(foreign, Err(Error::BadAccount { .. })),
        "{foreign:?}"
    );

    // Several of a kind, found by a field.
    let args = PaymentMintArgs {
        io_per_unit_e9: 1_000_000_000,
        fee_bps: 0,
        enabled: true,
    };
    let mut setup = vec![instructions::add_payment_mint(
        &admin.address(),
        &made.io_mint,
        args,
    )];
    let ids = [7_001_u16, 7_002, 7_003];
    for id in ids {
        let args = ClassArgs {
            id,
            name: instructions::class_name("T4"),
            multiplier_e2: 50,
            min_tops_e2: 0,
            min_memory_mib: 0,
            norm_tops_e2: 0,
            group: if id == 7_002 { 1 } else { 0 },
            price_floor: 0,
            price_ceiling: 0,
            reference_price: 0,
        };
        setup.push(instructions::add_class(&admin.address(), args));
    }
    for (i, instruction) in setup.into_iter().enumerate() {
        let request = Request::new(format!("setup {i}"), admin.signer(), vec![instruction]);
        if let Err(error) = sender.send(&request).await {
            assert!(chain.is_external(), "{error}\n{}", error.logs().join("\n"));
        }
    }
    let group = accounts::field(std::mem::offset_of!(DeviceClass, group), &[1]);
    let id = accounts::field(
        std::mem::offset_of!(DeviceClass, id),
        &7_002_u16.to_le_bytes(),
    );
    let (slot, found) = accounts::fetch_all::<DeviceClass>(&rpc, vec![group, id])
        .await
        .unwrap();
    assert!(slot > 0);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1.id), (pda::class(7_002), 7_002));

    let mut addresses: Vec<Pubkey> = (0..150).map(|_| Pubkey::new_unique()).collect();
    addresses[3] = pda::class(7_001);
    addresses[140] = pda::class(7_003);
    let many = accounts::fetch_many::<DeviceClass>(&rpc, &addresses)
        .await
        .unwrap();
    assert_eq!(
        many.iter()
            .flatten()
            .map(|class| class.id)
            .collect::<Vec<_>>(),
        [7_001, 7_003]
    );
    assert_eq!(
        many[140].unwrap().id,
        7_003,
        "in the order asked for, over several calls"
    );

    let payment: PaymentMint = accounts::fetch(&rpc, &pda::payment(&made.io_mint))
        .await
        .unwrap();
    assert_eq!(payment.mint, made.io_mint);
    assert_eq!(
        tokens::decimals(&rpc, &made.io_mint).await.unwrap(),
        payment.decimals
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chains_clock_follows_the_walls_and_moves_when_told() {
    let wall = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs() as i64
    };
    let before = wall();
    let chain = LocalChain::start().await;
    let rpc = chain.rpc();
    let now = rpc.chain_time().await.unwrap();
    // A local chain is as late as it was in starting.
    let (early, late) = match chain.is_external() {
        true => (wall() - 5, wall() + 5),
        false => (before - 1, wall() + 1),
    };
    assert!(
        (early..=late).contains(&now),
        "chain {now}, wall {before} to {}",
        wall()
    );
    if chain.is_external() {
        return;
    }
    chain.travel(100_000).await;
    let later = rpc.chain_time().await.unwrap();
    assert!(
        (100_000..100_060).contains(&(later - now)),
        "{}",
        later - now
    );
    // Transactions still land after it.
    let wallet = chain.wallet(1_000_000_000).await;
    let to = Wallet::generate().address();
    let request = Request::new(
        "pay",
        wallet.signer(),
        vec![tokens::transfer_sol(&wallet.address(), &to, 1_000_000)],
    );
    chain.sender().send(&request).await.unwrap();
    assert_eq!(rpc.balance(&to).await.unwrap(), 1_000_000);
}
