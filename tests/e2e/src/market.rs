//! A market of the test's own: `io up`, and hands on each of its processes.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use io_api::types::{Attestation, Figures, HardwareProof, HardwareProofs, JobView};
use io_client::{
    CommitmentConfig, Instruction, Pubkey, Request, Rpc, SendConfig, Sender, Wallet, accounts,
    instructions,
    io_network::state::{Device, Job, JobState, Network, OracleSet, Provider, SlashCase},
    journal::MemoryJournal,
    testing::{IO_DECIMALS, TEST_SLOT_MS},
};
use io_protocol::messages::epoch_of;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    books::Books,
    command::{self, Ran},
    jobs::{self, PATIENCE, until},
    process::{POLL, Service, faulty_worker_binary, io_binary, kill_and_wait, runs, signal, tail},
};

/// Oracles of a local network.
pub const ORACLES: usize = 3;
/// Longest start of a whole market on a busy machine with two cores.
const START_TIMEOUT: Duration = Duration::from_secs(300);
/// Where `io up` writes how to reach it, in its data folder.
const CONTEXT_FILE: &str = "localnet.toml";
/// What `io up` gives its workers' devices to ask, IO base units for 1,000 units.
pub const EMBED_ASK: u64 = 50_000_000;
pub const WASM_ASK: u64 = 100_000;
/// Base units of a whole IO.
pub const IO: u64 = 10_u64.pow(IO_DECIMALS as u32);

/// How a market differs from what `io up` starts by default.
#[derive(Debug, Clone)]
pub struct Options {
    pub workers: usize,
    pub match_seconds: u32,
    pub challenge_seconds: u32,
    pub dispute_seconds: u32,
    /// Length of an epoch of emission.
    pub epoch_seconds: u32,
    /// Length of a slot.
    pub slot_ms: u64,
}

impl Default for Options {
    /// Windows that no test's job comes near: only a quorum decides.
    fn default() -> Self {
        Self {
            workers: 1,
            match_seconds: 30,
            challenge_seconds: 300,
            dispute_seconds: 300,
            // No epoch ends during a test, unless it asks for it.
            epoch_seconds: 3_600,
            slot_ms: TEST_SLOT_MS,
        }
    }
}

/// One of the market's services: started by `io up`, or, after it was killed, by the test.
pub struct Node {
    pub name: String,
    /// Its own configuration, as `io up` wrote it.
    pub config: PathBuf,
    pid: u32,
    mine: Option<Service>,
}

impl Node {
    pub fn pid(&self) -> u32 {
        self.mine.as_ref().map_or(self.pid, Service::pid)
    }
}

/// A running market. Dropping it kills every process of it.
pub struct Market {
    home: tempfile::TempDir,
    data: PathBuf,
    up: Service,
    /// Every process that was ever started, to end them all.
    pids: Vec<u32>,
    starts: usize,
    pub rpc_url: String,
    pub ws_url: String,
    pub rpc: Rpc,
    pub oracles: Vec<Node>,
    pub oracle_urls: Vec<String>,
    pub workers: Vec<Node>,
    /// The accounts of the workers' devices.
    pub devices: Vec<Pubkey>,
    pub network: Network,
    pub renter: Wallet,
    pub admin: Wallet,
    pub io_mint: Pubkey,
    pub usdc_mint: Pubkey,
    http: reqwest::Client,
}

impl Market {
    pub async fn start(options: Options) -> Self {
        let home = tempfile::Builder::new()
            .prefix("io-e2e-")
            .tempdir()
            .expect("a folder for the market");
        let data = home.path().join("net");
        let ready = home.path().join("ready.json");
        let mut command = command::command(home.path(), &BTreeMap::new());
        command
            .args([
                "up",
                "-o",
                "json",
                "--keep-going",
                "--rpc-port",
                "0",
                "--slot-ms",
            ])
            .arg(options.slot_ms.to_string())
            .arg("--workers")
            .arg(options.workers.to_string())
            .arg("--epoch-seconds")
            .arg(options.epoch_seconds.to_string())
            .arg("--data-dir")
            .arg(&data)
            .arg("--ready-file")
            .arg(&ready);
        let mut up = Service::start("io up", &mut command, home.path().join("up.log"));
        let deadline = Instant::now() + START_TIMEOUT;
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            if up.has_ended() || Instant::now() > deadline {
                panic!("the market did not start\n{}{}", up.log(), logs(&data));
            }
            tokio::time::sleep(POLL).await;
        };
        let ready: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("'{text}': {error}"));
        let string = |value: &Value| {
            value
                .as_str()
                .unwrap_or_else(|| panic!("a string is missing in {text}"))
                .to_owned()
        };
        let processes: BTreeMap<String, u32> = serde_json::from_value(ready["processes"].clone())
            .unwrap_or_else(|error| panic!("processes in {text}: {error}"));
        let node = |kind: &str, number: usize| {
            let name = format!("{kind}-{number}");
            let pid = *processes
                .get(&name)
                .unwrap_or_else(|| panic!("no {name} in {text}"));
            Node {
                config: data.join(format!("services/{name}.json")),
                name,
                pid,
                mine: None,
            }
        };
        let key = |name: &str| {
            Wallet::load(&data.join(format!("keys/{name}.json")))
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let rpc_url = string(&ready["rpc_url"]);
        let rpc = Rpc::new(&rpc_url, CommitmentConfig::confirmed()).expect("the chain's address");
        let network = accounts::network(&rpc).await.expect("the network");
        let devices = ready["devices"]
            .as_array()
            .expect("devices")
            .iter()
            .map(|device| {
                string(device)
                    .parse()
                    .unwrap_or_else(|_| panic!("a device is no address in {text}"))
            });
        let mut pids: Vec<u32> = processes.values().copied().collect();
        pids.push(up.pid());
        let mut market = Self {
            oracles: (1..=ORACLES).map(|number| node("oracle", number)).collect(),
            devices: devices.collect(),
            workers: (1..=options.workers)
                .map(|number| node("worker", number))
                .collect(),
            oracle_urls: ready["oracles"]
                .as_array()
                .expect("oracles")
                .iter()
                .map(string)
                .collect(),
            ws_url: string(&ready["ws_url"]),
            renter: key("renter"),
            admin: key("admin"),
            io_mint: network.io_mint,
            usdc_mint: key("usdc-mint").address(),
            http: reqwest::Client::new(),
            home,
            data,
            up,
            pids,
            starts: 0,
            rpc_url,
            rpc,
            network,
        };
        let seconds = |n: u32| n.to_string();
        let changed = market
            .io_as(
                "admin",
                &[
                    "network",
                    "set-params",
                    "--match-seconds",
                    &seconds(options.match_seconds),
                    "--challenge-seconds",
                    &seconds(options.challenge_seconds),
                    "--dispute-seconds",
                    &seconds(options.dispute_seconds),
                ],
            )
            .await;
        changed.ok();
        market.network = accounts::network(&market.rpc).await.expect("the network");
        market
    }

    /// A folder of the test's own.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    pub fn key_file(&self, name: &str) -> PathBuf {
        self.data.join(format!("keys/{name}.json"))
    }

    fn context(&self) -> PathBuf {
        self.data.join(CONTEXT_FILE)
    }

    /// Runs `io` as the renter, on this market, with JSON on stdout.
    pub async fn io<S: AsRef<str>>(&self, arguments: &[S]) -> Ran {
        self.io_with(&BTreeMap::new(), arguments).await
    }

    /// The same with the key of somebody else: admin, provider, oracle-1…
    pub async fn io_as<S: AsRef<str>>(&self, who: &str, arguments: &[S]) -> Ran {
        let key = self.key_file(who).display().to_string();
        let mut all = vec!["-k".to_owned(), key];
        all.extend(
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self.io(&all).await
    }

    pub async fn io_with<S: AsRef<str>>(
        &self,
        environment: &BTreeMap<String, String>,
        arguments: &[S],
    ) -> Ran {
        let mut all: Vec<OsString> = ["-o", "json", "-y"].iter().map(OsString::from).collect();
        // `-u` and `IO_URL` say the same: the environment may choose another way to the same chain.
        if !environment.contains_key("IO_URL") {
            all.push("-u".into());
            all.push(self.context().into());
        }
        all.extend(
            arguments
                .iter()
                .map(|argument| OsString::from(argument.as_ref())),
        );
        command::run(self.home.path(), environment, &all).await
    }

    /// Submits a job (`arguments` after `io job submit`) and returns its address.
    pub async fn submit<S: AsRef<str>>(&self, arguments: &[S]) -> Pubkey {
        self.submit_with(&BTreeMap::new(), arguments).await
    }

    pub async fn submit_with<S: AsRef<str>>(
        &self,
        environment: &BTreeMap<String, String>,
        arguments: &[S],
    ) -> Pubkey {
        let mut all = vec!["job".to_owned(), "submit".to_owned()];
        all.extend(
            arguments
                .iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        let submitted = self.io_with(environment, &all).await;
        let value = submitted.ok();
        let address = value["job"]
            .as_str()
            .unwrap_or_else(|| panic!("no job: {submitted}"));
        address
            .parse()
            .unwrap_or_else(|_| panic!("'{address}' is no address"))
    }

    /// A WebAssembly job that pays for `units` at most, with the ask as its price.
    pub async fn submit_wasm(
        &self,
        module: &Path,
        input: Option<&Path>,
        units: u64,
        more: &[&str],
    ) -> Pubkey {
        let mut arguments = vec!["wasm".to_owned(), module.display().to_string()];
        if let Some(input) = input {
            arguments.extend(["--input".to_owned(), input.display().to_string()]);
        }
        arguments.extend([
            "--fuel".to_owned(),
            (units * io_engines::wasm::FUEL_PER_UNIT).to_string(),
        ]);
        arguments.extend(["--max-price".to_owned(), "5".to_owned()]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self.submit(&arguments).await
    }

    /// A text embedding job.
    pub async fn submit_embed(&self, passages: &Path, more: &[&str]) -> Pubkey {
        let mut arguments = vec!["embed".to_owned(), passages.display().to_string()];
        arguments.extend(["--max-price".to_owned(), "5".to_owned()]);
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        self.submit(&arguments).await
    }

    pub async fn job(&self, address: &Pubkey) -> Job {
        jobs::fetch(&self.rpc, address).await
    }

    /// Waits until a job is in one of `states`; panics when it ends in another one.
    pub async fn until_state(&self, address: &Pubkey, states: &[JobState]) -> Job {
        let what = format!("job {address} should become {states:?}");
        until(
            &what,
            PATIENCE,
            || self.explain(address),
            async || {
                let job = self.job(address).await;
                let now = jobs::state(&job);
                if states.contains(&now) {
                    return Some(job);
                }
                assert!(
                    !now.is_final(),
                    "{what}, and it is {now:?}\n{}",
                    self.explain(address)
                );
                None
            },
        )
        .await
    }

    /// Waits until a job has ended in `state`.
    pub async fn ends(&self, address: &Pubkey, state: JobState) -> Job {
        let job = self.until_state(address, &[state]).await;
        assert_eq!(
            (job.owed_payer, job.owed_provider, job.owed_treasury),
            (0, 0, 0),
            "everything was delivered"
        );
        job
    }

    /// What the `number`th oracle (from 0) says of a job; `None` when it doesn't know it or doesn't answer.
    pub async fn view(&self, number: usize, job: &Pubkey) -> Option<JobView> {
        self.get(number, &format!("/v1/jobs/{job}")).await
    }

    /// The oracle's verdict, if it has one.
    pub async fn attestation(&self, number: usize, job: &Pubkey) -> Option<Attestation> {
        self.get(number, &format!("/v1/jobs/{job}/attestation"))
            .await
    }

    /// The oracle's records of a device's hardware proofs, of this hour and the one before.
    pub async fn proofs(&self, number: usize, device: &Pubkey) -> Option<Vec<HardwareProof>> {
        let name = device.to_string();
        let now = self.rpc.chain_time().await.ok()?;
        let mut found = Vec::new();
        for epoch in [epoch_of(now).saturating_sub(1), epoch_of(now)] {
            let path = format!("/v1/hardware/{epoch}");
            let page: HardwareProofs = self.get(number, &path).await?;
            found.extend(page.proofs.into_iter().filter(|proof| proof.device == name));
        }
        Some(found)
    }

    /// What the oracle measured of a device last, in this hour or the one before.
    pub async fn figures(&self, number: usize, device: &Pubkey) -> Option<Figures> {
        let proofs = self.proofs(number, device).await?;
        let found = proofs.into_iter().filter_map(|proof| proof.figures);
        found.max_by_key(|figures| figures.measured_at)
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, number: usize, path: &str) -> Option<T> {
        let response = self
            .http
            .get(format!("{}{path}", self.oracle_urls[number]))
            .send()
            .await
            .ok()?;
        if !response.status().is_success() {
            return None;
        }
        let text = response.text().await.ok()?;
        Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}")))
    }

    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The journal of the test's own transactions is in memory.
    pub fn sender(&self) -> Sender {
        Sender::new(
            self.rpc.clone(),
            Arc::new(MemoryJournal::default()),
            SendConfig::local(),
        )
    }

    pub async fn send(
        &self,
        what: &str,
        signer: &Wallet,
        instructions: Vec<Instruction>,
    ) -> io_client::Result<()> {
        self.sender()
            .send(&Request::new(what, signer.signer(), instructions))
            .await
            .map(|_| ())
    }

    pub async fn books(&self) -> Books {
        self.books_in(&self.io_mint).await
    }

    pub async fn books_in(&self, mint: &Pubkey) -> Books {
        Books::open(&self.rpc, &self.renter.address(), mint, &self.io_mint).await
    }

    /// The first worker's device.
    pub async fn rpc_device(&self) -> Device {
        accounts::fetch(&self.rpc, &self.devices[0])
            .await
            .expect("the device")
    }

    pub async fn oracle_set(&self) -> OracleSet {
        accounts::oracle_set(&self.rpc)
            .await
            .expect("the oracle set")
    }

    /// Moves the chain's clock forward, and waits until it shows.
    pub async fn travel(&self, seconds: i64) {
        let now = || async { self.rpc.chain_time().await.expect("the chain's time") };
        let then = now().await + seconds;
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "surfnet_timeTravel",
            "params": [{"absoluteTimestamp": then * 1_000}],
        });
        let answer = self.http.post(&self.rpc_url).json(&body).send().await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        assert!(answer["error"].is_null(), "{answer}");
        until(
            "the chain's clock to move",
            PATIENCE,
            || self.logs(),
            async || (now().await >= then).then_some(()),
        )
        .await;
    }

    /// Waits until a slash case is decided, delivered and closed.
    pub async fn slash_case_closes(&self, case: &Pubkey) {
        until(
            "the slash case to be closed",
            PATIENCE,
            || format!("the slash case {case} is still there\n{}", self.logs()),
            async || {
                accounts::fetch_maybe::<SlashCase>(&self.rpc, case)
                    .await
                    .expect("the slash case")
                    .is_none()
                    .then_some(())
            },
        )
        .await;
    }

    /// Brings a job's penalty into a slash case, as anybody may (an oracle may be quicker), and returns the case.
    pub async fn slash(&self, address: &Pubkey) -> SlashCase {
        until(
            "a slash case for the job",
            PATIENCE,
            || self.explain(address),
            async || {
                let job = self.job(address).await;
                if job.penalty_due > 0 {
                    let provider: Provider = accounts::fetch(&self.rpc, &job.provider)
                        .await
                        .expect("the provider");
                    let open = instructions::open_slash_case(
                        &self.admin.address(),
                        address,
                        &job,
                        provider.slash_cases,
                        &self.io_mint,
                    );
                    // Refused when somebody opened it meanwhile, or another one of this provider.
                    let _ = self
                        .send(
                            &format!("slash:{address}:{}", provider.slash_cases),
                            &self.admin,
                            vec![open],
                        )
                        .await;
                    return None;
                }
                let cases = accounts::fetch_all::<SlashCase>(&self.rpc, Vec::new())
                    .await
                    .expect("slash cases")
                    .1;
                cases
                    .into_iter()
                    .map(|(_, case)| case)
                    .find(|case| case.job == *address)
            },
        )
        .await
    }

    /// Kills (`kill -9`) a worker, counted from 0.
    pub async fn kill_worker(&mut self, number: usize) {
        kill(&mut self.workers[number]).await;
    }

    pub async fn kill_oracle(&mut self, number: usize) {
        kill(&mut self.oracles[number]).await;
    }

    /// Starts a worker again with its own configuration and data, as whoever operates it would. `fault` makes it misbehave.
    pub fn start_worker(&mut self, number: usize, fault: Option<&str>) {
        let config = self.workers[number].config.clone();
        self.start_worker_with(number, &config, fault);
    }

    pub fn start_worker_with(&mut self, number: usize, config: &Path, fault: Option<&str>) {
        let command = match fault {
            Some(fault) => {
                let environment =
                    BTreeMap::from([("IO_WORKER_FAULT".to_owned(), fault.to_owned())]);
                let mut command =
                    command::bare(&faulty_worker_binary(), self.home.path(), &environment);
                command.arg(config);
                command
            }
            None => self.service_command("worker", config),
        };
        self.starts += 1;
        let log = self
            .home
            .path()
            .join(format!("worker-{}-start-{}.log", number + 1, self.starts));
        start(&mut self.workers[number], command, log, &mut self.pids);
    }

    pub fn start_oracle(&mut self, number: usize) {
        let config = self.oracles[number].config.clone();
        self.start_oracle_with(number, &config);
    }

    pub fn start_oracle_with(&mut self, number: usize, config: &Path) {
        let command = self.service_command("oracle", config);
        self.starts += 1;
        let log = self
            .home
            .path()
            .join(format!("oracle-{}-start-{}.log", number + 1, self.starts));
        start(&mut self.oracles[number], command, log, &mut self.pids);
    }

    /// Starts an oracle anew with some fields of its configuration changed; returns the configuration.
    pub async fn restart_oracle_with(
        &mut self,
        number: usize,
        fields: &[(&str, Value)],
    ) -> PathBuf {
        let config = self.changed(&self.oracles[number].config, fields);
        self.kill_oracle(number).await;
        self.start_oracle_with(number, &config);
        config
    }

    /// Starts every oracle anew with some fields of its configuration changed.
    pub async fn restart_oracles_with(&mut self, fields: &[(&str, Value)]) {
        for oracle in 0..self.oracles.len() {
            self.restart_oracle_with(oracle, fields).await;
        }
    }

    /// A copy of a service's configuration with some fields changed.
    pub fn changed(&self, config: &Path, fields: &[(&str, Value)]) -> PathBuf {
        let text = std::fs::read_to_string(config).expect("the configuration");
        let mut value: Value = serde_json::from_str(&text).expect("the configuration");
        for (name, field) in fields {
            value[*name] = field.clone();
        }
        let name = format!("changed-{}.json", self.starts);
        crate::inputs::write(self.home.path(), &name, value.to_string().as_bytes())
    }

    fn service_command(&self, kind: &str, config: &Path) -> tokio::process::Command {
        let mut command = command::bare(&io_binary(), self.home.path(), &BTreeMap::new());
        command.args([kind, "run", "--config"]).arg(config);
        command
    }

    /// Waits until a worker that the test started has died by itself.
    pub async fn worker_dies(&mut self, number: usize) {
        let node = &mut self.workers[number];
        let service = node
            .mine
            .as_mut()
            .unwrap_or_else(|| panic!("{} was not started by the test", node.name));
        let status = service.ended(PATIENCE).await;
        assert!(
            !status.success(),
            "{} ended as if all were well\n{}",
            node.name,
            service.log()
        );
    }

    /// Waits until every oracle that runs lists this worker's device as able to take a job.
    pub async fn worker_is_available(&self, number: usize) {
        let device = self.devices[number];
        for oracle in 0..self.oracles.len() {
            if !runs(self.oracles[oracle].pid()) {
                continue;
            }
            let what = format!(
                "{} should see {} as available",
                self.oracles[oracle].name, self.workers[number].name
            );
            until(
                &what,
                PATIENCE,
                || self.logs(),
                async || {
                    let offer: Option<io_api::types::Offer> =
                        self.get(oracle, &format!("/v1/devices/{device}")).await;
                    offer.filter(|offer| offer.available)
                },
            )
            .await;
        }
    }

    /// The worker whose device has a job.
    pub fn worker_of(&self, job: &Job) -> usize {
        self.devices
            .iter()
            .position(|device| *device == job.device)
            .unwrap_or_else(|| panic!("no worker has the device {}", job.device))
    }

    /// The log of an oracle that the test started.
    pub fn oracle_log(&self, number: usize) -> String {
        whole_log(&self.oracles[number])
    }

    /// Of a worker, likewise.
    pub fn worker_log(&self, number: usize) -> String {
        whole_log(&self.workers[number])
    }

    /// The ends of all logs.
    pub fn logs(&self) -> String {
        let mut text = logs(&self.data);
        for node in self.oracles.iter().chain(&self.workers) {
            if let Some(service) = &node.mine {
                text.push_str(&service.log());
            }
        }
        text
    }

    fn explain(&self, job: &Pubkey) -> String {
        format!("job {job}\n{}", self.logs())
    }

    /// Kills `io up` itself (`kill -9`): what it started notices and ends.
    pub async fn kill_up(mut self) {
        self.up.kill().await;
        until(
            "everything should end with `io up`",
            PATIENCE,
            || self.logs(),
            async || (!self.pids.iter().any(|pid| runs(*pid))).then_some(()),
        )
        .await;
    }

    /// Ends the market as Ctrl-C does: everything ends by itself, and cleanly.
    pub async fn stop(mut self) {
        for node in self.workers.iter_mut().chain(&mut self.oracles) {
            if let Some(service) = &mut node.mine
                && !service.has_ended()
            {
                service.stop().await;
            }
        }
        let status = self.up.stop().await;
        assert!(
            status.success(),
            "`io up` ended with {status}\n{}",
            self.up.log()
        );
        let left: Vec<u32> = self.pids.iter().copied().filter(|pid| runs(*pid)).collect();
        assert!(
            left.is_empty(),
            "`io up` ended and left processes behind: {left:?}"
        );
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        // `io up` first, so that it starts nothing; then whatever it or the test started.
        for pid in self.pids.iter().rev() {
            signal(*pid, Signal::KILL);
        }
    }
}

fn whole_log(node: &Node) -> String {
    let mine = node.mine.as_ref();
    mine.map(Service::whole_log)
        .unwrap_or_else(|| panic!("{} was not started by the test", node.name))
}

async fn kill(node: &mut Node) {
    match &mut node.mine {
        Some(service) => service.kill().await,
        None => kill_and_wait(node.pid).await,
    }
}

fn start(node: &mut Node, mut command: tokio::process::Command, log: PathBuf, pids: &mut Vec<u32>) {
    let service = Service::start(node.name.clone(), &mut command, log);
    pids.push(service.pid());
    node.mine = Some(service);
}

/// The ends of the logs that `io up` keeps.
fn logs(data: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(data.join("logs")) else {
        return String::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| format!("--- the end of {} ---\n{}\n", path.display(), tail(path)))
        .collect()
}
