//! A wrong result that passed by its form: what an objection changes.

use io_api::{
    auth::RequestKey,
    client::{BlobSource, OracleClient},
    types::WireVerdict,
};
use io_client::{
    Wallet, audit, instructions,
    io_network::{
        SubmitResultArgs,
        state::{Device, Job, Provider},
    },
};
use io_e2e::{
    JobState, Market, Options, Pubkey,
    books::penalty,
    inputs,
    jobs::{PATIENCE, until},
    market::{IO, WASM_ASK},
};
use io_engines::{
    BlobHash, Manifest, OutputFile, Status, manifest::MANIFEST_VERSION, wasm::OUTPUT_FILE,
};
use serde_json::{Value, json};

/// What an established device has behind it: jobs, and what each earned.
const RECORD: (u32, u64) = (40, 100 * IO);
/// Results that are tried until one is found that no oracle draws; each is one with a chance of 6 %.
const TRIES: u32 = 10_000;

/// Gives the first worker's device the record of an established one. It is the chain's next word about the device that the oracles read.
async fn establish(market: &Market) {
    let (address, now) = (market.devices[0], market.rpc.chain_time().await.unwrap());
    let (_, mut account) = market.rpc.account(&address).await.unwrap().unwrap();
    let mut device = market.rpc_device().await;
    for _ in 0..RECORD.0 {
        device.succeed(RECORD.1, 1_000_000_000, now).unwrap();
    }
    account.data[8..8 + size_of::<Device>()].copy_from_slice(bytemuck::bytes_of(&device));
    let hex: String = account
        .data
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "surfnet_setAccount",
        "params": [address.to_string(), {"data": hex}],
    });
    let answer = market
        .http()
        .post(&market.rpc_url)
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    assert_eq!(market.rpc_device().await.record, device.record);
}

/// A result with a right form and an invented output, of which no oracle's draw makes an audit.
struct Invented {
    output: Vec<u8>,
    manifest: Manifest,
    args: SubmitResultArgs,
}

fn invent(market: &Market, address: &Pubkey, job: &Job, reputation_bps: u16) -> Invented {
    let oracles: Vec<Wallet> = (1..=market.oracles.len())
        .map(|number| Wallet::load(&market.key_file(&format!("oracle-{number}"))).unwrap())
        .collect();
    let deployment = market.network.deployment();
    for n in 0..TRIES {
        let output = format!("an invented output, number {n}").into_bytes();
        let file = OutputFile {
            name: OUTPUT_FILE.to_owned(),
            size: output.len() as u64,
            hash: BlobHash::of(&output),
        };
        let manifest = Manifest {
            version: MANIFEST_VERSION,
            spec: BlobHash(job.spec_hash),
            status: Status::Ok,
            units: job.max_units,
            steps: 1,
            files: vec![file],
        };
        let args = SubmitResultArgs {
            output_hash: manifest.hash().0,
            trace_root: [7; 32],
            units: job.max_units,
        };
        let submitted = Job {
            output_hash: args.output_hash,
            trace_root: args.trace_root,
            units: args.units,
            ..*job
        };
        let message = audit::sample_message(
            &deployment,
            &address.to_bytes(),
            job.created_slot,
            &args.output_hash,
        );
        let drawn = oracles.iter().any(|oracle| {
            let (_, output) = oracle.draw(&message).unwrap();
            let address = address.to_bytes();
            let draw = audit::draw(&address, &submitted, &output, reputation_bps, 3, 2);
            assert!(draw.rate_ppm < 1_000_000, "every oracle would audit it");
            draw.audits
        });
        if !drawn {
            return Invented {
                output,
                manifest,
                args,
            };
        }
    }
    panic!("each of {TRIES} results is drawn by somebody");
}

/// An established device hands in what it made up, and is lucky: no oracle draws an audit, and all vouch for the form. The renter
/// looks at it and objects: now every oracle runs the job, what they signed before counts no more, and the renter has its money back.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_result_that_passed_by_its_form_is_rejected_when_its_renter_objects() {
    let mut market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    // Oracles that leave it to the worker to settle, for longer than this test takes.
    let patient = [("settle_grace_seconds", json!(600))];
    market.restart_oracles_with(&patient).await;
    establish(&market).await;
    market.kill_worker(0).await;
    market.start_worker(0, Some("crash_after=run"));
    market.worker_is_available(0).await;
    let message = inputs::write(&folder, "message.txt", b"what the renter wants back");
    let echo = inputs::echo(&folder);
    // At its ask and the fee on it, for all of its units: what it could gain is what it is paid.
    let [module, input] = [&echo, &message].map(|path| path.display().to_string());
    let price = format!("{:.7}", WASM_ASK as f64 * 1.0025 / IO as f64);
    let address = market
        .submit(&[
            "wasm",
            &module,
            "--input",
            &input,
            "--fuel",
            "1000000000",
            "--max-price",
            &price,
        ])
        .await;
    market.worker_dies(0).await;
    let job = market.until_state(&address, &[JobState::Running]).await;

    // The provider goes on by hand.
    let provider: Provider = io_client::accounts::fetch(&market.rpc, &job.provider)
        .await
        .unwrap();
    let reputation = market
        .rpc_device()
        .await
        .reputation_bps(&provider, market.rpc.chain_time().await.unwrap());
    let invented = invent(&market, &address, &job, reputation);
    let config: Value =
        serde_json::from_str(&std::fs::read_to_string(&market.workers[0].config).unwrap()).unwrap();
    let operator = Wallet::load(config["operator"].as_str().unwrap().as_ref()).unwrap();
    let signer = operator.clone();
    let key = RequestKey::new(operator.address().to_bytes(), move |message| {
        signer.sign(message).into()
    });
    let clients: Vec<OracleClient> = market
        .oracle_urls
        .iter()
        .map(|url| OracleClient::new(url).unwrap())
        .collect();
    for client in &clients {
        for bytes in [&invented.output, &invented.manifest.canonical()] {
            client
                .put_blob(
                    &key,
                    &BlobHash::of(bytes).0,
                    BlobSource::Bytes(bytes),
                    |_| {},
                )
                .await
                .unwrap();
        }
    }
    let submit = instructions::submit_result(
        &operator.address(),
        &market.devices[0],
        &address,
        invented.args,
    );
    market
        .send("submit by hand", &operator, vec![submit])
        .await
        .unwrap();
    let said = async |oracle: usize, disputed| {
        let client: &OracleClient = &clients[oracle];
        client
            .attestation_at(&address.to_bytes(), Some(disputed))
            .await
            .unwrap()
    };
    let mut before = Vec::new();
    for oracle in 0..clients.len() {
        let vouched = until(
            "an oracle's verdict",
            PATIENCE,
            || market.logs(),
            async || said(oracle, false).await,
        )
        .await;
        let audit = vouched.audit.clone().unwrap();
        assert_eq!(
            (vouched.verdict.clone(), audit.audited, audit.reputation_bps),
            (WireVerdict::Valid, false, reputation),
            "it looks right"
        );
        assert_eq!(said(oracle, true).await, None);
        before.push(vouched);
    }
    assert_eq!(
        market.job(&address).await.state,
        JobState::Submitted as u8,
        "two of these three signatures would settle it"
    );

    market
        .io(&["job", "dispute", &address.to_string()])
        .await
        .ok();
    let job = market.ends(&address, JobState::Rejected).await;
    assert_eq!(
        (job.refunded, job.paid, job.fees),
        (job.escrow, 0, 0),
        "the renter has its money back"
    );
    assert_eq!(job.challenger, market.renter.address());
    let case = market.slash(&address).await;
    books.balance_with(penalty(case.amount)).await;
    assert!(case.amount > 0);
    let mut found_wrong = 0;
    for (oracle, vouched) in before.iter().enumerate() {
        // What it vouched for stays its word, and for everybody to see.
        assert_eq!(
            said(oracle, false).await.map(|said| said.verdict),
            Some(WireVerdict::Valid)
        );
        let Some(found) = said(oracle, true).await else {
            continue;
        };
        assert!(found.disputed && found.audit.as_ref().unwrap().audited);
        assert_eq!(found.verdict, WireVerdict::Invalid, "{found:?}");
        assert_eq!(
            market.attestation(oracle, &address).await,
            Some(found.clone())
        );
        found_wrong += 1;
        // The two are no contradiction: nobody loses a bond for having looked at the form.
        let files = [("before", vouched), ("after", &found)].map(|(name, said)| {
            let bytes = serde_json::to_vec(said).unwrap();
            inputs::write(&folder, &format!("{name}-{oracle}.json"), &bytes)
                .display()
                .to_string()
        });
        market
            .io(&["oracle", "equivocation", &files[0], &files[1]])
            .await
            .fails_with(1, &["do not contradict"]);
    }
    assert!(found_wrong >= 2, "{found_wrong}");
    // All of it is in order: nobody had to run it before, everybody did afterwards.
    let audit = market
        .io(&["audit", "job", &address.to_string()])
        .await
        .ok();
    let rows = audit.as_array().unwrap();
    for disputed in [false, true] {
        let of: Vec<&Value> = rows
            .iter()
            .filter(|row| row["disputed"] == disputed)
            .collect();
        assert!(of.len() >= 2, "{audit}");
        for row in of {
            assert_eq!(
                (&row["signed"], &row["audited"], &row["right"]),
                (&json!(true), &json!(disputed), &json!(true)),
                "{row}"
            );
        }
    }
    market.stop().await;
}
