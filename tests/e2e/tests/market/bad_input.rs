//! What comes in wrong: a clear error, nothing written, nothing lost.

use std::time::{Duration, Instant};

use io_api::{
    auth::{self, About, NO_SUBJECT, RequestKey},
    text,
    types::{Info, Stage},
};
use io_client::{
    Pubkey, Signer, Wallet, accounts,
    instructions::{self, JobTerms},
    io_network::constants::ANY_CLASS,
    pda, tokens,
};
use io_e2e::{
    JobState, Market, Moved, Options,
    books::payment,
    inputs,
    jobs::{PATIENCE, until},
    market::WASM_ASK,
};
use io_engines::{BlobHash, BlobRef, EngineSpec, JobSpec, WasmSpec, spec::SPEC_VERSION};
use io_protocol::messages::Deployment;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An oracle that waits 6 s for the next byte has given up on a client after this, however busy the machine.
const STALL_PATIENCE: Duration = Duration::from_secs(30);

/// One oracle, and a key that signs requests to it.
struct Oracle<'a> {
    market: &'a Market,
    url: String,
    info: Info,
    key: RequestKey,
}

/// An answer.
struct Answer {
    what: String,
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    /// A refusal with this status, and an error that says what and what to do.
    fn refused(&self, status: u16, code: &str) -> String {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status.as_u16(), status, "{}: {text}", self.what);
        let error: Value =
            serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}: {text}", self.what));
        assert_eq!(error["code"], code, "{}: {text}", self.what);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.len() > 10, "{}: {text}", self.what);
        message.to_owned()
    }

    fn refused_as_any_of(&self, statuses: &[u16]) {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert!(
            statuses.contains(&self.status.as_u16()),
            "{}: {}, expected one of {statuses:?}: {text}",
            self.what,
            self.status
        );
    }
}

impl<'a> Oracle<'a> {
    async fn new(market: &'a Market) -> Self {
        Self::at(market, &market.oracle_urls[0]).await
    }

    async fn at(market: &'a Market, url: &str) -> Self {
        // It may be starting.
        let info = until(
            "the oracle should answer",
            PATIENCE,
            || market.logs(),
            async || {
                let info = market
                    .http()
                    .get(format!("{url}/v1/info"))
                    .send()
                    .await
                    .ok()?;
                info.json().await.ok()
            },
        )
        .await;
        let signer = market.renter.clone();
        let key = RequestKey::new(signer.address().to_bytes(), move |message| {
            signer.sign(message).into()
        });
        Self {
            market,
            url: url.to_owned(),
            info,
            key,
        }
    }

    fn about(&self, method: &str, path: &str) -> About {
        About {
            deployment: Deployment {
                program: io_client::io_network::ID.to_bytes(),
                cluster: self.market.network.cluster,
            },
            recipient: text::parse_key(&self.info.oracle).unwrap(),
            subject: NO_SUBJECT,
            action: auth::http_action(method, path),
        }
    }

    fn header(&self, method: &str, path: &str, body: &[u8]) -> String {
        auth::to_header(
            &self
                .key
                .sign(&self.about(method, path), body, auth::now_ms()),
        )
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        header: Option<String>,
        body: Vec<u8>,
    ) -> Answer {
        let mut request = self
            .market
            .http()
            .request(method.clone(), format!("{}{path}", self.url))
            .body(body);
        if let Some(header) = header {
            request = request.header(auth::HEADER, header);
        }
        if method == Method::POST {
            request = request.header("content-type", "application/json");
        }
        let shown: String = path.chars().take(120).collect();
        let what = format!("{method} {shown}");
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        let status = response.status();
        Answer {
            what,
            status,
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    /// Says how much will come and sends nothing of it: the answer must not wait for the rest.
    async fn announce(&self, method: &str, path: &str, length: u64) -> Answer {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{}: x\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n",
            auth::HEADER
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(STALL_PATIENCE, stream.read_to_end(&mut bytes))
            .await
            .unwrap_or_else(|_| panic!("{method} {path}: no answer"))
            .unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Answer {
            what: format!("{method} {path} with {length} bytes announced"),
            status: status.unwrap_or_else(|| panic!("no status in {text}")),
            body: body.as_bytes().to_vec(),
        }
    }

    /// Uploads as it should be done.
    async fn put(&self, path: &str, body: &[u8]) -> Answer {
        self.send(
            Method::PUT,
            path,
            Some(self.header("PUT", path, body)),
            body.to_vec(),
        )
        .await
    }
}

fn put_path(hash: &BlobHash, offset: u64, size: u64) -> String {
    format!("/v1/blobs/{hash}?offset={offset}&size={size}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_refuses_what_is_wrong_before_anything_is_sent_or_paid() {
    let market = Market::start(Options::default()).await;
    let books = market.books().await;
    let folder = market.folder().to_owned();
    let write =
        |name: &str, bytes: &[u8]| inputs::write(&folder, name, bytes).display().to_string();
    let good = write("good.txt", b"one passage\n");
    let module = inputs::echo(&folder).display().to_string();
    let forbidden = {
        let bytes = wat::parse_str(
            r#"(module (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
                (memory (export "memory") 1) (func (export "run") (result i32) (i32.const 0)))"#,
        );
        write("forbidden.wasm", &bytes.unwrap())
    };
    let long_line = write("long.txt", &vec![b'a'; 100_000]);
    let missing = folder.join("missing.txt").display().to_string();
    let here = folder.display().to_string();
    let (empty, blank) = (write("empty.txt", b""), write("blank.txt", b"\n \n\n"));
    let binary = write("binary.txt", &[0xff, 0xfe, 0x00, 0x80, b'\n']);
    let bad_lines = write("bad.jsonl", b"{\"text\": \"fine\"}\n{\"txt\": 1}\n");
    let no_module = write("no.wasm", b"\0asm of a kind");

    let embed = |more: &[&str]| {
        [&["job", "submit", "embed"], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let wasm = |more: &[&str]| {
        [&["job", "submit", "wasm"], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let job = |more: &[&str]| {
        [&["job"], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let nobody = Pubkey::new_from_array([9; 32]).to_string();
    // (what is typed, the exit code, what the error names)
    let cases: Vec<(Vec<String>, i32, &str)> = vec![
        (embed(&[&missing]), 4, "missing.txt"),
        (embed(&[&here]), 1, "folder"),
        (embed(&[&empty]), 1, "empty.txt"),
        (embed(&[&blank]), 1, "blank.txt"),
        (embed(&[&binary]), 1, "binary.txt"),
        (embed(&[&bad_lines]), 1, "bad.jsonl"),
        (embed(&[&long_line]), 1, "long.txt"),
        (
            embed(&[&good, "--max-price", "0.0000000001"]),
            2,
            "--max-price",
        ),
        (embed(&[&good, "--max-price", "-1"]), 2, "-1"),
        (embed(&[&good, "--max-price", "much"]), 2, "much"),
        (
            embed(&[&good, "--max-price", "0.00000001"]),
            5,
            "--max-price",
        ),
        (embed(&[&good, "--max-price", "99999999999"]), 5, "holds"),
        (embed(&[&good, "--model", "gpt-99"]), 4, "gpt-99"),
        (embed(&[&good, "--mint", "DOGE"]), 2, "DOGE"),
        (embed(&[&good, "--mint", &nobody]), 4, &nobody),
        (embed(&[&good, "--deadline", "soon"]), 2, "soon"),
        (embed(&[&good, "--deadline", "0s"]), 1, ""),
        (embed(&[&good, "--max-tokens", "1000000"]), 1, "max_tokens"),
        (embed(&[&good, "--region", "Germany"]), 2, "Germany"),
        (embed(&[&good, "--no-such-flag"]), 2, "--no-such-flag"),
        (wasm(&[&no_module]), 1, ""),
        (wasm(&[&forbidden]), 1, "random_get"),
        (
            wasm(&[&module, "--fuel", "18446744073709551615"]),
            1,
            "fuel",
        ),
        (wasm(&[&module, "--memory", "1000000"]), 1, "memory"),
        (job(&["get", "not-an-address"]), 2, "not-an-address"),
        (job(&["get", &nobody]), 4, &nobody),
        (job(&["cancel", &nobody]), 4, &nobody),
        (job(&["list", "--state", "lost"]), 2, "lost"),
    ];
    for (arguments, code, names) in &cases {
        let ran = market.io(arguments).await;
        ran.fails_with(*code, &[names]);
        assert!(ran.stdout.trim().is_empty(), "nothing on stdout: {ran}");
        let error: Value =
            serde_json::from_str(ran.stderr.lines().last().unwrap_or_default()).unwrap_or_default();
        if *names != "--no-such-flag" && error.is_object() {
            assert!(
                error["error"]["message"]
                    .as_str()
                    .is_some_and(|message| !message.is_empty()),
                "{ran}"
            );
        }
    }
    // Wallets that aren't there, can't be read, or are empty.
    for (key, code) in [(missing.clone(), 3), (good.clone(), 3)] {
        market
            .io(&[
                "-k".to_owned(),
                key,
                "job".into(),
                "submit".into(),
                "embed".into(),
                good.clone(),
            ])
            .await
            .fails(code);
    }
    let poor = Wallet::generate();
    let path = folder.join("poor.json");
    poor.save(&path).unwrap();
    let arguments = [
        "-k".to_owned(),
        path.display().to_string(),
        "job".into(),
        "submit".into(),
        "embed".into(),
        good.clone(),
    ];
    let said = market.io(&arguments).await.fails(5);
    let secret = std::fs::read_to_string(&path).unwrap();
    assert!(!said.contains(secret.trim()), "no secret in messages");
    // Nobody to answer the question and no limit named: no agreement.
    let mut command = io_e2e::command::command(&folder, &Default::default());
    command
        .args(["-o", "json", "-u"])
        .arg(folder.join("net/localnet.toml"));
    let output = command
        .args(["job", "submit", "embed", &good])
        .output()
        .await
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // A dry run shows what would happen.
    let dry = market
        .io(&[
            "job",
            "submit",
            "embed",
            &good,
            "--max-price",
            "1",
            "--dry-run",
        ])
        .await
        .ok();
    assert_eq!(dry["dry_run"], true, "{dry}");
    // An oracle that isn't there, and an address that isn't an RPC node.
    let dead = market
        .io(&[
            "--oracle",
            "http://127.0.0.1:9",
            "job",
            "submit",
            "embed",
            &good,
            "--max-price",
            "1",
        ])
        .await;
    assert_ne!(dead.code, 0, "{dead}");

    // Nothing was made and nothing moved.
    assert!(
        accounts::jobs_of_renter(&market.rpc, &market.renter.address())
            .await
            .unwrap()
            .is_empty()
    );
    books.balance_with(Moved::default()).await;
    market.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oracle_refuses_what_is_wrong_keeps_nothing_of_it_and_goes_on() {
    let mut market = Market::start(Options::default()).await;
    let oracle = Oracle::new(&market).await;
    let limits = oracle.info.limits.clone();
    let bytes = b"what is uploaded";
    let hash = BlobHash::of(bytes);
    let size = bytes.len() as u64;
    let path = put_path(&hash, 0, size);

    // Who sends it: nobody, nonsense, somebody else's signature, another path's, another body's, another oracle's, too old.
    let sign = |about: &About, body: &[u8], at_ms: u64| {
        auth::to_header(&oracle.key.sign(about, body, at_ms))
    };
    let about = oracle.about("PUT", &path);
    let now = auth::now_ms();
    let mut foreign = oracle.key.sign(&about, bytes, now);
    foreign.key = Wallet::generate().address().to_string();
    let headers = [
        None,
        Some("nonsense".to_owned()),
        Some("A".repeat(2_000)),
        Some(auth::to_header(&foreign)),
        Some(oracle.header("PUT", &put_path(&hash, 0, size + 1), bytes)),
        Some(oracle.header("GET", &path, bytes)),
        Some(oracle.header("PUT", &path, b"another body")),
        Some(sign(
            &About {
                recipient: [7; 32],
                ..about
            },
            bytes,
            now,
        )),
        Some(sign(
            &About {
                deployment: Deployment {
                    program: [1; 32],
                    ..about.deployment
                },
                ..about
            },
            bytes,
            now,
        )),
        Some(sign(&about, bytes, now - 120_000)),
        Some(sign(&about, bytes, now + 120_000)),
    ];
    for header in headers {
        let answer = oracle
            .send(Method::PUT, &path, header, bytes.to_vec())
            .await;
        answer.refused(401, "unauthorized");
    }
    oracle
        .get(&format!("/v1/blobs/{hash}"))
        .await
        .refused(404, "not_found");
    // The same signature twice.
    let header = oracle.header("PUT", &path, bytes);
    let first = oracle
        .send(Method::PUT, &path, Some(header.clone()), bytes.to_vec())
        .await;
    assert!(
        first.status.is_success(),
        "{}",
        String::from_utf8_lossy(&first.body)
    );
    oracle
        .send(Method::PUT, &path, Some(header), bytes.to_vec())
        .await
        .refused(401, "unauthorized");
    let read = oracle.get(&format!("/v1/blobs/{hash}")).await;
    assert_eq!((read.status, &read.body[..]), (StatusCode::OK, &bytes[..]));

    // What is sent: bytes that don't hash to their name leave nothing behind; sizes beyond the limits don't start.
    let wrong = BlobHash::of(b"something else");
    oracle
        .put(&put_path(&wrong, 0, size), bytes)
        .await
        .refused_as_any_of(&[400, 409, 422]);
    oracle
        .get(&format!("/v1/blobs/{wrong}"))
        .await
        .refused(404, "not_found");
    oracle
        .put(&put_path(&wrong, 0, limits.max_blob_bytes + 1), bytes)
        .await
        .refused(413, "too_large");
    oracle
        .put(&put_path(&wrong, 0, u64::MAX), bytes)
        .await
        .refused_as_any_of(&[400, 413]);
    let too_long = limits.max_part_bytes + 1;
    oracle
        .announce("PUT", &put_path(&wrong, 0, too_long), too_long)
        .await
        .refused(413, "too_large");
    // The same with all the bytes really sent: the answer arrives, and not a broken connection.
    let sent = vec![7_u8; usize::try_from(too_long).unwrap()];
    for _ in 0..5 {
        oracle
            .put(&put_path(&wrong, 0, too_long), &sent)
            .await
            .refused(413, "too_large");
        oracle
            .send(Method::POST, "/v1/quote", None, sent.clone())
            .await
            .refused(413, "too_large");
        oracle
            .send(
                Method::PUT,
                &put_path(&wrong, 0, too_long),
                None,
                sent.clone(),
            )
            .await
            .refused(401, "unauthorized");
    }
    // Parts out of place: behind what is there, beyond the size.
    oracle
        .put(&put_path(&wrong, 5, size), &bytes[5..])
        .await
        .refused_as_any_of(&[400, 409]);
    oracle
        .put(&put_path(&wrong, 0, 3), bytes)
        .await
        .refused_as_any_of(&[400, 409, 413]);
    // Names that aren't hashes, and paths that lead elsewhere.
    for name in [
        "zz",
        &"0".repeat(63),
        &"G".repeat(64),
        &"0".repeat(65),
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "..%2Finfo",
    ] {
        oracle
            .get(&format!("/v1/blobs/{name}"))
            .await
            .refused_as_any_of(&[400, 404]);
        let path = format!("/v1/blobs/{name}?offset=0&size=3");
        oracle
            .put(&path, b"abc")
            .await
            .refused_as_any_of(&[400, 404]);
    }
    for query in [
        "",
        "?offset=0",
        "?size=3",
        "?offset=-1&size=3",
        "?offset=0&size=three",
        "?offset=0&size=3&more=1",
    ] {
        let path = format!("/v1/blobs/{wrong}{query}");
        oracle.put(&path, b"abc").await.refused_as_any_of(&[400]);
    }
    oracle
        .get(&format!("/v1/blobs/{wrong}"))
        .await
        .refused(404, "not_found");

    // Questions.
    for body in [
        "",
        "{",
        "[]",
        "null",
        r#"{"engine":"embed"}"#,
        r#"{"engine":"embed","units":-1,"requirement":{}}"#,
    ] {
        oracle
            .send(Method::POST, "/v1/quote", None, body.into())
            .await
            .refused(400, "bad_request");
    }
    let unknown_field =
        r#"{"engine":"embed","units":1,"requirement":{},"mint":null,"discount":true}"#;
    let said = oracle
        .send(Method::POST, "/v1/quote", None, unknown_field.into())
        .await
        .refused(400, "bad_request");
    assert!(said.contains("discount"), "{said}");
    oracle
        .announce("POST", "/v1/quote", limits.max_json_bytes + 1)
        .await
        .refused(413, "too_large");
    oracle
        .get("/v1/jobs/not-an-address")
        .await
        .refused(400, "bad_request");
    oracle
        .get(&format!("/v1/jobs/{}", Pubkey::new_from_array([3; 32])))
        .await
        .refused(404, "not_found");
    oracle
        .get(&format!(
            "/v1/jobs/{}/attestation",
            Pubkey::new_from_array([3; 32])
        ))
        .await
        .refused(404, "not_found");
    oracle
        .get("/v1/nothing/here")
        .await
        .refused(404, "not_found");
    oracle
        .get("/v1/devices/..")
        .await
        .refused_as_any_of(&[400, 404]);

    // A job whose spec isn't anywhere, and one whose spec is rubbish: neither is matched, the renter is told, and the escrow
    // comes back.
    let books = market.books().await;
    let rubbish = b"{\"version\":1,\"input\":\"rubbish\"}";
    let rubbish_hash = BlobHash::of(rubbish);
    for url in &market.oracle_urls {
        let there = Oracle::at(&market, url).await;
        let put = there
            .put(&put_path(&rubbish_hash, 0, rubbish.len() as u64), rubbish)
            .await;
        assert!(
            put.status.is_success(),
            "{}",
            String::from_utf8_lossy(&put.body)
        );
    }
    let nowhere = create(&market, BlobHash::of(b"a spec that nobody has").0, 1, 600).await;
    let invalid = create(&market, rubbish_hash.0, 2, 600).await;
    let settled = market
        .submit_wasm(&inputs::echo(market.folder()), None, 1, &[])
        .await;
    market.ends(&settled, JobState::Settled).await;
    for (job, expected) in [(nowhere, Stage::SpecMissing), (invalid, Stage::SpecInvalid)] {
        let view = until(
            "the oracle should tell what is wrong with the spec",
            PATIENCE,
            || market.logs(),
            async || {
                market
                    .view(0, &job)
                    .await
                    .filter(|view| view.stage == expected)
            },
        )
        .await;
        assert!(view.reason.is_some_and(|reason| !reason.is_empty()));
        assert_eq!(
            market.job(&job).await.state,
            JobState::Open as u8,
            "never matched"
        );
        market.io(&["job", "cancel", &job.to_string()]).await.ok();
        market.ends(&job, JobState::Cancelled).await;
    }
    books.balance_with(payment(1, WASM_ASK, 0)).await;

    // More than it wants to serve, by its own limits: some are told to wait, and then it serves again. A client that stalls
    // loses its connection.
    let strict = [
        ("requests_per_second", json!(5)),
        ("requests_burst", json!(40)),
        ("io_timeout_seconds", json!(6)),
    ];
    market.restart_oracle_with(0, &strict).await;
    let oracle = Oracle::new(&market).await;
    let stalled = tokio::spawn(stall(oracle.url.clone(), path.clone()));
    let mut refused = 0;
    for answer in futures((0..100).map(|_| oracle.get("/v1/info")).collect()).await {
        if answer.status != StatusCode::OK {
            answer.refused(429, "rate_limited");
            refused += 1;
        }
    }
    assert!(refused > 0, "no limit on the rate of requests");
    until(
        "the oracle should serve again",
        PATIENCE,
        || market.logs(),
        async || (oracle.get("/v1/info").await.status == StatusCode::OK).then_some(()),
    )
    .await;
    let waited = stalled.await.unwrap();
    assert!(
        waited < STALL_PATIENCE,
        "a stalled upload was held for {waited:?}"
    );
    market.stop().await;
}

/// The spec is in order, and its input is nowhere: whoever took the job could only fail, and be punished for what the renter left
/// out. So nobody is asked to; the renter is told, and the escrow comes back, or the work is done once the input is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_input_is_nowhere_is_nobodys_until_it_is_there() {
    let market = Market::start(Options::default()).await;
    let books = market.books().await;
    let module = inputs::echo(market.folder());
    let module_bytes = std::fs::read(&module).unwrap();
    let upload = async |bytes: &[u8]| {
        let path = put_path(&BlobHash::of(bytes), 0, bytes.len() as u64);
        for url in &market.oracle_urls {
            let answer = Oracle::at(&market, url).await.put(&path, bytes).await;
            assert!(
                answer.status.is_success(),
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
        }
    };
    let spec_for = |input: &[u8]| JobSpec {
        version: SPEC_VERSION,
        input: BlobRef::of(input),
        engine: EngineSpec::Wasm(WasmSpec {
            module: BlobRef::of(&module_bytes),
            fuel: 1_000_000,
            memory_mib: 16,
            time_limit_s: 60,
            max_output: 1 << 20,
        }),
    };
    let (never, late) = (
        b"what nobody uploads".as_slice(),
        b"what comes late".as_slice(),
    );
    upload(&module_bytes).await;
    for input in [never, late] {
        upload(&spec_for(input).canonical()).await;
    }
    let lost = create(&market, spec_for(never).hash().0, 1, 120).await;
    let waits = create(&market, spec_for(late).hash().0, 2, 6_000).await;
    for job in [lost, waits] {
        for oracle in 0..market.oracles.len() {
            let view = until(
                "every oracle should tell that the input is missing",
                PATIENCE,
                || market.logs(),
                async || {
                    let view = market.view(oracle, &job).await?;
                    (view.stage == Stage::InputMissing).then_some(view)
                },
            )
            .await;
            assert!(
                view.reason
                    .is_some_and(|reason| reason.contains("upload it"))
            );
        }
    }
    market.travel(120).await;
    let expired = market.ends(&lost, JobState::Expired).await;
    assert_eq!(expired.device, Pubkey::default(), "no device ever took it");
    assert_eq!((expired.refunded, expired.penalty_due), (expired.escrow, 0));
    upload(late).await;
    let settled = market.ends(&waits, JobState::Settled).await;
    assert_eq!(settled.units, 1);
    books.balance_with(payment(1, WASM_ASK, 0)).await;
    let device: io_client::io_network::state::Device =
        accounts::fetch(&market.rpc, &market.devices[0])
            .await
            .unwrap();
    assert_eq!((device.completed, device.failed), (1, 0));
    market.stop().await;
}

/// Runs futures at the same time and returns their results in order.
async fn futures<F: Future>(all: Vec<F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        let mut pending = false;
        for (future, slot) in pinned.iter_mut().zip(&mut done) {
            if slot.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(output) => *slot = Some(output),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(done.iter_mut().filter_map(Option::take).collect())
        }
    })
    .await
}

/// Says that bytes will come and sends none; returns how long the oracle put up with it.
async fn stall(url: String, path: String) -> Duration {
    let address = url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 16\r\n\r\nhalf");
    stream.write_all(head.as_bytes()).await.unwrap();
    let started = Instant::now();
    let mut answer = Vec::new();
    // An answer, an end or a reset: anything but silence.
    let _ = tokio::time::timeout(STALL_PATIENCE, stream.read_to_end(&mut answer)).await;
    started.elapsed()
}

/// Creates a job with a spec hash of one's choice, as a renter without the `io` command might.
async fn create(market: &Market, spec_hash: [u8; 32], nonce: u64, seconds: i64) -> Pubkey {
    let renter = market.renter.address();
    let terms = JobTerms {
        nonce,
        spec_hash,
        max_price: WASM_ASK,
        max_units: 1_000,
        max_escrow: u64::MAX,
        deposit: 0,
        deadline: market.rpc.chain_time().await.unwrap() + seconds,
        max_run_seconds: 60,
        min_multiplier_e2: 0,
        min_memory_mib: 0,
        class: ANY_CLASS,
        region: 0,
        min_reputation_bps: 0,
        verification: 0,
        devices: 1,
        kind: 0,
    };
    let token = tokens::associated(&renter, &market.io_mint);
    let create = instructions::create_job(&renter, &renter, &market.io_mint, &token, terms);
    market
        .send(&format!("create:{nonce}"), &market.renter, vec![create])
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let job = pda::job(&market.renter.signer().pubkey(), nonce);
    assert_eq!(
        json!(market.job(&job).await.state),
        json!(JobState::Open as u8)
    );
    job
}
