//! Leases: counting the seconds in which devices serve them, signing them, seeing to their end, and passing renters' requests
//! to the devices.
//!
//! Every oracle counts for itself. A device serves while it answers this oracle's probes on its link and says in its signed
//! heartbeats that it works on the lease; the time between two answered probes counts, if it is short. What was counted is in
//! the database before it is signed, and only grows. An oracle signs fewer seconds than it counted for whoever asks, since the
//! largest number that a quorum can agree on is below somebody's; about the whole lease it signs only nearly all that it
//! counted, since that ends it. All that it signs about one lease adds up, whoever asks in whichever order: two totals that
//! contradict each other would cost its bond.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures_util::FutureExt as _;
use io_api::{
    auth::RequestKey,
    lease::{Source, gather},
    text,
    types::{LeaseAnswer, LeaseCount, LeaseReply, LeaseRun, LeaseSignature, Progress, ToWorker},
};
use io_client::{
    Pubkey, Request, ed25519, instructions,
    io_network::state::{Job, JobState, OracleSet},
};
use io_protocol::{
    lease::{LeaseStatement, most_seconds},
    messages::Bytes32,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    db::LeaseRow,
    oracle::{Oracle, lock},
};

/// Pause between probes of a serving device.
const PROBE_EVERY: Duration = Duration::from_secs(4);
/// Longest time between two answered probes that counts as served, seconds.
const MAX_GAP: i64 = 15;
/// Leases probed in one round; the rest is not served by this oracle.
const MAX_LEASES: usize = 10_000;
/// Probes at once.
const MAX_PROBES: usize = 256;
/// What another oracle may have counted less of a whole lease, seconds.
const TOLERANCE: u64 = 30;
/// Seconds after a lease's end for its worker to bring the last checkpoint.
const WORKER_GRACE: i64 = 10;
/// Seconds past a deadline before it counts: the chain's clock wavers.
const PAST: i64 = 1;
/// Longest time that a device may work on a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How long whoever asks is kept waiting at once.
const REQUEST_WAIT: Duration = Duration::from_secs(10);
/// Requests and what came of them that are remembered: all leases' together, and those of one. Of a lease's the oldest is forgotten for a
/// new one; the device works on one at a time.
const MAX_REQUESTS: usize = 4_096;
const MAX_LEASE_REQUESTS: usize = 16;
/// How long a failure is told of: then the same request is one to try again. Whoever waits asks again at once.
const FAILURE_KEPT: Duration = Duration::from_secs(30);

/// What this oracle counted of one lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub created_slot: u64,
    /// Seconds served since acceptance.
    pub seconds: u64,
    /// Chain time of the last probe.
    pub at: i64,
    /// The last probe was answered.
    pub serving: bool,
}

impl Count {
    /// Takes a probe's outcome at a chain time. Pure.
    pub fn probe(&mut self, job: &Job, now: i64, answered: bool) {
        let now = now.min(job.run_until);
        if now <= self.at {
            return;
        }
        let gap = now - self.at.max(job.accepted_at);
        // The first probe finds a device that began when it accepted.
        let before = self.serving || self.at < job.accepted_at;
        if answered && before && (1..=MAX_GAP).contains(&gap) {
            let most = most_seconds(job.accepted_at, job.run_until, now);
            self.seconds = self.seconds.saturating_add(gap as u64).min(most);
        }
        self.at = now;
        self.serving = answered;
    }

    /// What of it lies within the lease: one that was ended is over since then, also if it was counted a little longer. Pure.
    pub fn within(self, job: &Job) -> Self {
        let at = self.at.min(job.run_until);
        Self {
            seconds: self
                .seconds
                .min(most_seconds(job.accepted_at, job.run_until, at)),
            at,
            ..self
        }
    }

    /// Whether these seconds up to this time may be signed. Pure.
    pub fn covers(&self, job: &Job, seconds: u64, at: i64, now: i64) -> bool {
        let counted = self.within(job);
        let whole = at >= job.run_until;
        let nearly_all = seconds.saturating_add(TOLERANCE) >= counted.seconds;
        seconds <= counted.seconds
            && at <= now.min(job.run_until)
            && seconds <= most_seconds(job.accepted_at, job.run_until, at)
            && (!whole || (nearly_all && counted.at >= job.run_until))
    }
}

/// A request that a device works on, or has answered.
struct Run {
    spec: String,
    number: u64,
    since: Instant,
    /// And when it came.
    outcome: watch::Sender<Option<(Result<LeaseAnswer, String>, Instant)>>,
    /// Who asked for it was told that it failed.
    told: bool,
}

impl Run {
    fn is_at_work(&self) -> bool {
        self.outcome.borrow().is_none()
    }

    fn is_remembered(&self, now: Instant) -> bool {
        match &*self.outcome.borrow() {
            None => now.saturating_duration_since(self.since) < REQUEST_TIMEOUT,
            Some((Err(_), at)) => now.saturating_duration_since(*at) < FAILURE_KEPT,
            Some((Ok(_), _)) => true,
        }
    }
}

/// Requests, each lease's in the order in which they were passed on.
#[derive(Default)]
struct Requests {
    next: u64,
    runs: HashMap<Pubkey, Vec<Run>>,
}

impl Requests {
    /// Forgets what lasted too long.
    fn tidy(&mut self, now: Instant) {
        self.runs.retain(|_, runs| {
            runs.retain(|run| run.is_remembered(now));
            !runs.is_empty()
        });
    }

    /// Forgets the oldest request that is answered, of whichever lease: whether there was one.
    fn forget_oldest(&mut self) -> bool {
        let answered = self.runs.iter().flat_map(|(lease, runs)| {
            let answered = runs.iter().filter(|run| !run.is_at_work());
            answered.map(|run| (run.number, *lease))
        });
        let Some((number, lease)) = answered.min() else {
            return false;
        };
        if let Some(runs) = self.runs.get_mut(&lease) {
            runs.retain(|run| run.number != number);
        }
        true
    }

    fn find(&mut self, lease: &Pubkey, spec: &str) -> Option<&mut Run> {
        let runs = self.runs.get_mut(lease)?;
        runs.iter_mut().find(|run| run.spec == spec)
    }

    /// Begins a request that `pass_on` can hand to the device with its number, unless it is remembered: whether it was begun. One whose
    /// failure was told is begun again.
    fn begin(
        &mut self,
        lease: &Pubkey,
        spec: &str,
        now: Instant,
        pass_on: impl FnOnce(u64) -> bool,
    ) -> Result<bool, String> {
        self.tidy(now);
        let all: usize = self.runs.values().map(Vec::len).sum();
        let runs = self.runs.entry(*lease).or_default();
        runs.retain(|run| !run.told);
        if runs.iter().any(|run| run.spec == spec) {
            return Ok(false);
        }
        if runs.iter().any(Run::is_at_work) {
            return Err("the device works on an earlier request of this lease: wait for it".into());
        }
        if all >= MAX_REQUESTS && runs.len() < MAX_LEASE_REQUESTS && !self.forget_oldest() {
            return Err("this oracle passes on too many requests now: try another".into());
        }
        let runs = self.runs.entry(*lease).or_default();
        self.next += 1;
        if !pass_on(self.next) {
            return Err("the device is not linked to this oracle now: try another".into());
        }
        if runs.len() >= MAX_LEASE_REQUESTS {
            runs.remove(0);
        }
        runs.push(Run {
            spec: spec.to_owned(),
            number: self.next,
            since: now,
            outcome: watch::Sender::new(None),
            told: false,
        });
        Ok(true)
    }

    /// Takes in what came of a request. What came first stands.
    fn answered(
        &self,
        lease: &Pubkey,
        request: u64,
        answer: Result<LeaseAnswer, String>,
        now: Instant,
    ) {
        let runs = self.runs.get(lease).into_iter().flatten();
        for run in runs.filter(|run| run.number == request && run.is_at_work()) {
            run.outcome.send_replace(Some((answer.clone(), now)));
        }
    }

    /// What a request has come to; `None` when nothing is known of it. `left` is what is left of its lease, seconds. A failure that `asker`,
    /// who may send it again, hears of is told; that anybody heard of it is nothing to them.
    fn tell(
        &mut self,
        (lease, spec): (&Pubkey, &str),
        left: u64,
        progress: Option<Progress>,
        asker: bool,
    ) -> Option<Result<LeaseReply, String>> {
        let run = self.find(lease, spec)?;
        let seconds = run.since.elapsed().as_secs();
        let outcome = run.outcome.borrow().clone();
        Some(match outcome {
            Some((Err(reason), _)) => {
                run.told |= asker;
                Err(reason)
            }
            Some((Ok(answer), _)) => Ok(LeaseReply {
                answer: Some(answer),
                running: None,
            }),
            None => Ok(LeaseReply {
                answer: None,
                running: Some(LeaseRun {
                    seconds,
                    at_most: REQUEST_TIMEOUT.as_secs().min(seconds.saturating_add(left)),
                    progress,
                }),
            }),
        })
    }
}

/// What the oracle knows of leases.
#[derive(Default)]
pub struct Leases {
    counts: std::sync::Mutex<HashMap<Pubkey, Count>>,
    requests: std::sync::Mutex<Requests>,
}

impl Leases {
    pub fn count(&self, address: &Pubkey, created_slot: u64) -> Option<Count> {
        let count = lock(&self.counts).get(address).copied();
        count.filter(|count| count.created_slot == created_slot)
    }

    /// A device's answer to a request. Nobody may be waiting any more.
    pub fn answered(&self, address: &Pubkey, request: u64, answer: Result<LeaseAnswer, String>) {
        lock(&self.requests).answered(address, request, answer, Instant::now());
    }
}

fn running(oracle: &Oracle) -> Vec<(Pubkey, Job)> {
    let tables = oracle.index.read();
    tables
        .in_state(JobState::Running)
        .iter()
        .filter_map(|key| Some((*key, *tables.jobs.get(key)?)))
        .filter(|(_, job)| job.is_lease())
        .take(MAX_LEASES)
        .collect()
}

/// Counts until shutdown.
pub async fn keep(oracle: Arc<Oracle>) {
    match oracle.db.leases().await {
        Ok(rows) => {
            let mut counts = lock(&oracle.leases.counts);
            for row in rows {
                let Ok(job) = row.job.parse() else { continue };
                let count = Count {
                    created_slot: row.created_slot,
                    seconds: row.seconds,
                    at: row.at,
                    // While this oracle was away it saw nothing.
                    serving: false,
                };
                counts.insert(job, count);
            }
        }
        Err(error) => tracing::error!(error = %format!("{error:#}"), "can't read what was counted"),
    }
    while oracle.pause(PROBE_EVERY).await {
        round(&oracle).await;
    }
}

async fn round(oracle: &Arc<Oracle>) {
    let leases = running(oracle);
    let live: std::collections::HashSet<Pubkey> = leases.iter().map(|(key, _)| *key).collect();
    lock(&oracle.leases.counts).retain(|key, _| live.contains(key));
    lock(&oracle.leases.requests)
        .runs
        .retain(|lease, _| live.contains(lease));
    let mut probes = JoinSet::new();
    for (address, job) in leases {
        while probes.len() >= MAX_PROBES {
            probes.join_next().await;
        }
        let oracle = oracle.clone();
        probes.spawn(async move {
            let answered = serves(&oracle, &address, &job).await;
            if let Err(error) = note(&oracle, &address, &job, answered).await {
                tracing::error!(job = %address, error = %format!("{error:#}"), "a count can't be stored");
            }
            see_to_end(&oracle, address, job);
        });
    }
    while probes.join_next().await.is_some() {}
}

async fn serves(oracle: &Oracle, address: &Pubkey, job: &Job) -> bool {
    let named = oracle
        .links
        .state(&job.device)
        .and_then(|state| state.heartbeat)
        .is_some_and(|heartbeat| heartbeat.job == Some(address.to_string()));
    named && oracle.links.is_alive(&job.device).await
}

async fn note(oracle: &Oracle, address: &Pubkey, job: &Job, answered: bool) -> Result<()> {
    let now = oracle.clock.now();
    let mut count = oracle
        .leases
        .count(address, job.created_slot)
        .unwrap_or(Count {
            created_slot: job.created_slot,
            ..Count::default()
        });
    count.probe(job, now, answered);
    // On disk before anybody has a signature over it: after a restart it never says less.
    oracle
        .db
        .keep_lease(&LeaseRow {
            job: address.to_string(),
            created_slot: count.created_slot,
            seconds: count.seconds,
            at: count.at,
        })
        .await?;
    lock(&oracle.leases.counts).insert(*address, count);
    Ok(())
}

/// What this oracle counted, for whoever gathers a checkpoint.
pub fn counted(oracle: &Oracle, address: &Pubkey) -> Option<LeaseCount> {
    let job = oracle.index.job(address)?;
    let count = oracle.leases.count(address, job.created_slot)?.within(&job);
    Some(LeaseCount {
        oracle: oracle.key.to_string(),
        job: address.to_string(),
        created_slot: job.created_slot,
        seconds: count.seconds,
        at: count.at,
        signed: None,
    })
}

/// The newest total that this oracle signed of a lease, signed for the oracle set of now: what was asked for before contradicts nothing.
pub async fn last_signed(
    oracle: &Oracle,
    address: &Pubkey,
    created_slot: u64,
) -> Result<Option<LeaseSignature>> {
    let Some(set) = oracle.index.set() else {
        return Ok(None);
    };
    let last = oracle
        .db
        .last_lease_signature(&address.to_string(), created_slot)
        .await?;
    Ok(last.map(|(seconds, at)| signature(oracle, &set, address, created_slot, seconds, at)))
}

/// Whether somebody may ask for signatures about a lease: the device's operator, whose payment it is, and once the lease is over the
/// other oracles, for a worker that vanished. They wait until the worker has had its time: whoever asks for few seconds keeps more from ever
/// being signed for that time.
pub fn may_ask(job: &Job, set: &OracleSet, key: &Bytes32, operator: &Bytes32, now: i64) -> bool {
    let vanished = now >= job.run_until.saturating_add(WORKER_GRACE);
    key == operator || (vanished && set.position(key).is_some())
}

/// This oracle's signature over seconds that it counted; an error says why not.
pub async fn sign(
    oracle: &Oracle,
    address: &Pubkey,
    seconds: u64,
    at: i64,
) -> Result<LeaseSignature> {
    let job = oracle
        .index
        .job(address)
        .context("the job is not indexed")?;
    job.require_running_lease()
        .map_err(|_| anyhow::anyhow!("the job is no running lease"))?;
    let set = oracle
        .index
        .set()
        .context("the oracle set is not indexed")?;
    let count = oracle
        .leases
        .count(address, job.created_slot)
        .context("nothing was counted yet")?;
    anyhow::ensure!(
        count.covers(&job, seconds, at, oracle.clock.now()),
        "asked for {seconds} s up to {at}, and {} s were counted up to {}",
        count.seconds,
        count.at
    );
    anyhow::ensure!(
        oracle.db.was_there_at(job.accepted_at).await?,
        "the lease was accepted before this oracle's database was made, and an earlier one may have held a signature over it"
    );
    let total = LeaseRow {
        job: address.to_string(),
        created_slot: job.created_slot,
        seconds,
        at,
    };
    anyhow::ensure!(
        oracle.db.keep_lease_signature(&total).await?,
        "{seconds} s up to {at} contradict what this oracle has signed of this lease"
    );
    Ok(signature(
        oracle,
        &set,
        address,
        job.created_slot,
        seconds,
        at,
    ))
}

/// Signs a total that is stored.
fn signature(
    oracle: &Oracle,
    set: &OracleSet,
    address: &Pubkey,
    created_slot: u64,
    seconds: u64,
    at: i64,
) -> LeaseSignature {
    let statement = LeaseStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        job: address.to_bytes(),
        created_slot,
        seconds,
        at,
    };
    let signature: [u8; 64] = oracle.wallet.sign(&statement.to_bytes()).into();
    LeaseSignature {
        oracle: oracle.key.to_string(),
        set_version: set.version,
        seconds,
        at,
        signature: text::signature(&signature),
    }
}

/// A lease whose worker vanished is counted and finished by the oracles, one after the other.
fn see_to_end(oracle: &Arc<Oracle>, address: Pubkey, job: Job) {
    let now = oracle.clock.certain();
    let rank = oracle
        .rank(&address)
        .and_then(|rank| i64::try_from(rank).ok());
    let wait =
        i64::from(oracle.config.keeper_seconds).saturating_mul(rank.unwrap_or(i64::from(u8::MAX)));
    let passed = |deadline: i64| now > deadline.saturating_add(PAST).saturating_add(wait);
    let counted = job.submitted_at >= job.run_until;
    let finish = (counted && passed(job.run_until.saturating_add(WORKER_GRACE)))
        || passed(job.run_until.saturating_add(job.challenge_seconds.into()));
    let count = !counted && passed(job.run_until.saturating_add(WORKER_GRACE));
    if !finish && !count {
        return;
    }
    oracle.once(format!("lease:{address}:{}", job.created_slot), move |oracle| async move {
        let done = match finish {
            true => end(&oracle, &address, &job).await,
            false => checkpoint(&oracle, &address, &job).await,
        };
        if let Err(error) = done {
            tracing::debug!(job = %address, error = %format!("{error:#}"), "a lease's end has to wait");
        }
    });
}

async fn end(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Result<()> {
    let intent = format!("finish-lease:{address}:{}", job.created_slot);
    send(
        oracle,
        intent,
        vec![instructions::finish_lease(address, job)],
    )
    .await?;
    tracing::info!(job = %address, "a lease was finished");
    Ok(())
}

async fn checkpoint(oracle: &Arc<Oracle>, address: &Pubkey, job: &Job) -> Result<()> {
    let set = oracle
        .index
        .set()
        .context("the oracle set is not indexed")?;
    let mut sources: Vec<Source> = oracle
        .peers
        .known()
        .into_iter()
        .filter(|(key, _)| set.position(key).is_some())
        .map(|(_, client)| Source::Remote(client))
        .collect();
    if set.position(&oracle.key.to_bytes()).is_some()
        && let Some(count) = counted(oracle, address)
    {
        let (own, address) = (oracle.clone(), *address);
        sources.push(Source::Own(
            count,
            Box::new(move |seconds, at| {
                let own = own.clone();
                async move {
                    let signed = sign(&own, &address, seconds, at).await;
                    signed.map_err(|error| error.to_string())
                }
                .boxed()
            }),
        ));
    }
    let quorum = usize::from(set.quorum);
    let members: Vec<_> = set.active().map(Pubkey::to_bytes).collect();
    let statement = LeaseStatement {
        deployment: oracle.deployment,
        set_version: set.version,
        job: address.to_bytes(),
        created_slot: job.created_slot,
        seconds: job.units,
        at: job.submitted_at,
    };
    let wallet = oracle.wallet.clone();
    let key = RequestKey::new(oracle.key.to_bytes(), move |message| {
        wallet.sign(message).into()
    });
    let gathered = gather(&key, &sources, statement, &members, quorum, job.run_until).await;
    let Some(gathered) = gathered else {
        return Ok(());
    };
    let message = gathered.statement.to_bytes();
    let signatures: Vec<_> = gathered
        .signatures
        .iter()
        .map(|(key, signature)| (Pubkey::new_from_array(*key), (*signature).into()))
        .collect();
    let args = instructions::CheckpointArgs {
        seconds: gathered.statement.seconds,
        at: gathered.statement.at,
    };
    let all = vec![
        ed25519::verify(&message, &signatures)?,
        instructions::checkpoint_job(address, job, args),
    ];
    let intent = format!("checkpoint:{address}:{}:{}", job.created_slot, args.at);
    send(oracle, intent, all).await
}

async fn send(oracle: &Oracle, intent: String, all: Vec<io_client::Instruction>) -> Result<()> {
    oracle
        .sender
        .send(&Request::new(intent, oracle.wallet.signer(), all))
        .await?;
    Ok(())
}

/// Passes a renter's request to the device and waits a while for its answer. The same request again waits on for the same run;
/// after a failure that was told it is passed on anew.
pub async fn request(
    oracle: &Oracle,
    address: &Pubkey,
    job: &Job,
    spec: &str,
) -> Result<LeaseReply, String> {
    let begun = lock(&oracle.leases.requests).begin(address, spec, Instant::now(), |request| {
        let message = ToWorker::Request {
            job: address.to_string(),
            request,
            spec: spec.to_owned(),
        };
        oracle.links.send(&job.device, message)
    })?;
    if begun {
        // What the device reported of the request before is not of this one.
        oracle.update_note(address, job.created_slot, |note| note.progress = None);
    }
    wait(oracle, address, job, spec, true)
        .await
        .unwrap_or_else(|| Err("the device did not answer in time".into()))
}

/// What a request that was passed on has come to, for anybody, after waiting a while for its answer; `None` when nothing is known of it.
pub async fn standing(
    oracle: &Oracle,
    address: &Pubkey,
    job: &Job,
    spec: &str,
) -> Option<Result<LeaseReply, String>> {
    wait(oracle, address, job, spec, false).await
}

async fn wait(
    oracle: &Oracle,
    address: &Pubkey,
    job: &Job,
    spec: &str,
    asker: bool,
) -> Option<Result<LeaseReply, String>> {
    let mut outcome = {
        let mut requests = lock(&oracle.leases.requests);
        requests.tidy(Instant::now());
        requests.find(address, spec)?.outcome.subscribe()
    };
    // However that ends, what there is now is told.
    let _ = timeout(REQUEST_WAIT, outcome.wait_for(Option::is_some)).await;
    let left = u64::try_from(job.run_until.saturating_sub(oracle.clock.now())).unwrap_or(0);
    let progress = oracle.note(address).progress;
    lock(&oracle.leases.requests).tell((address, spec), left, progress, asker)
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable;

    use super::*;

    fn job() -> Job {
        Job {
            accepted_at: 1_000,
            run_until: 1_100,
            ..Job::zeroed()
        }
    }

    #[test]
    fn time_counts_between_answered_probes() {
        let (job, mut count) = (job(), Count::default());
        count.probe(&job, 1_004, true);
        assert_eq!(count.seconds, 4, "it began when it accepted");
        count.probe(&job, 1_008, true);
        assert_eq!(count.seconds, 8);
        count.probe(&job, 1_008, true);
        count.probe(&job, 1_003, true);
        assert_eq!((count.seconds, count.at), (8, 1_008), "time only goes on");
        count.probe(&job, 1_012, false);
        count.probe(&job, 1_016, true);
        assert_eq!(count.seconds, 8, "nobody saw it in between");
        count.probe(&job, 1_020, true);
        assert_eq!(count.seconds, 12);
        count.probe(&job, 1_036, true);
        assert_eq!(count.seconds, 12, "too long ago to vouch for");
        count.probe(&job, 1_050, true);
        assert_eq!(count.seconds, 26);
        // Not a second after the end.
        for now in [1_064, 1_078, 1_092, 1_106, 1_120] {
            count.probe(&job, now, true);
        }
        assert_eq!((count.seconds, count.at), (26 + 50, 1_100));
    }

    const LEASE: Pubkey = Pubkey::new_from_array([1; 32]);

    /// Begins a request of a device that is linked.
    fn begin(requests: &mut Requests, lease: &Pubkey, spec: &str) -> Result<bool, String> {
        requests.begin(lease, spec, Instant::now(), |_| true)
    }

    fn answer() -> LeaseAnswer {
        LeaseAnswer {
            output_hash: "hash".into(),
            units: 3,
        }
    }

    #[test]
    fn a_request_is_told_of_until_who_asked_for_it_knows_that_it_failed() {
        let (mut requests, now) = (Requests::default(), Instant::now());
        let tell = |requests: &mut Requests, left, asker| {
            requests.tell((&LEASE, "spec"), left, None, asker)
        };
        assert_eq!(tell(&mut requests, 60, true), None, "nobody asked");
        let unlinked = requests.begin(&LEASE, "spec", now, |_| false).unwrap_err();
        assert!(unlinked.contains("not linked"), "{unlinked}");
        assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(true));
        assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(false));
        let told = tell(&mut requests, 60, true).unwrap().unwrap();
        let running = told.running.expect("the device is at it");
        assert_eq!((told.answer, running.at_most - running.seconds), (None, 60));
        let long = tell(&mut requests, 1 << 40, true).unwrap().unwrap();
        assert_eq!(long.running.unwrap().at_most, REQUEST_TIMEOUT.as_secs());

        // Whoever else reads of a failure takes it from nobody.
        let failed = Some(Err("no room".to_owned()));
        let number = requests.next;
        requests.answered(&LEASE, number, Err("no room".into()), now);
        requests.answered(&LEASE, number, Ok(answer()), now);
        assert_eq!(
            tell(&mut requests, 60, false),
            failed,
            "what came first stands"
        );
        assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(false));
        assert_eq!(tell(&mut requests, 60, true), failed);
        assert_eq!(tell(&mut requests, 60, true), failed);
        assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(true), "once more");

        // A failure that nobody asks for any more is forgotten.
        requests.answered(&LEASE, requests.next, Err("no room".into()), now);
        requests.tidy(now + FAILURE_KEPT - Duration::from_millis(1));
        assert_eq!(tell(&mut requests, 60, false), failed);
        requests.tidy(now + FAILURE_KEPT);
        assert_eq!(tell(&mut requests, 60, true), None);

        assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(true));
        requests.answered(&LEASE, requests.next, Ok(answer()), now);
        requests.tidy(now + 2 * REQUEST_TIMEOUT);
        for _ in 0..2 {
            assert_eq!(begin(&mut requests, &LEASE, "spec"), Ok(false));
            let told = tell(&mut requests, 0, true).unwrap().unwrap();
            assert_eq!((told.answer, told.running), (Some(answer()), None));
        }
    }

    /// However much one lease asks for, the others' requests find room.
    #[test]
    fn a_lease_takes_its_part_of_the_requests_and_no_more() {
        let mut requests = Requests::default();
        let done = |requests: &mut Requests, lease: &Pubkey, spec: &str| {
            let begun = begin(requests, lease, spec);
            requests.answered(lease, requests.next, Ok(answer()), Instant::now());
            begun
        };
        for n in 0..MAX_REQUESTS + 1 {
            assert_eq!(done(&mut requests, &LEASE, &n.to_string()), Ok(true));
        }
        assert_eq!(requests.runs[&LEASE].len(), MAX_LEASE_REQUESTS);
        let oldest = MAX_REQUESTS + 1 - MAX_LEASE_REQUESTS;
        assert!(requests.find(&LEASE, &(oldest - 1).to_string()).is_none());
        for n in oldest..MAX_REQUESTS + 1 {
            assert!(requests.find(&LEASE, &n.to_string()).is_some(), "{n}");
        }
        // One after the other.
        assert_eq!(begin(&mut requests, &LEASE, "long"), Ok(true));
        let busy = begin(&mut requests, &LEASE, "other").unwrap_err();
        assert!(busy.contains("wait for it"), "{busy}");
        requests.answered(&LEASE, requests.next, Ok(answer()), Instant::now());

        // Many leases together fill the table: answers are forgotten for new requests, the oldest first, and what is at work is not.
        let lease = |n: usize| {
            let mut key = [2; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            Pubkey::new_from_array(key)
        };
        for n in MAX_LEASE_REQUESTS..MAX_REQUESTS {
            assert_eq!(begin(&mut requests, &lease(n), "spec"), Ok(true));
        }
        let first = requests.runs[&LEASE][0].spec.clone();
        for n in 0..MAX_LEASE_REQUESTS {
            assert_eq!(begin(&mut requests, &lease(n), "spec"), Ok(true), "{n}");
            assert!(requests.find(&LEASE, &first).is_none());
        }
        let all: usize = requests.runs.values().map(Vec::len).sum();
        assert_eq!(all, MAX_REQUESTS);
        let full = begin(&mut requests, &LEASE, "again").unwrap_err();
        assert!(full.contains("too many requests"), "{full}");
        assert!(requests.find(&lease(0), "spec").is_some());
    }

    #[test]
    fn only_whose_payment_it_is_asks_for_signatures() {
        let (job, key) = (job(), [1; 32]);
        let mut set = OracleSet {
            count: 1,
            used: 1,
            quorum: 1,
            ..OracleSet::zeroed()
        };
        set.oracles[0] = Pubkey::new_from_array(key);
        let operator = [2; 32];
        for (who, now, may) in [
            (operator, 1_000, true),
            (operator, 1_100, true),
            (key, 1_109, false),
            (key, 1_110, true),
            ([3; 32], 1_110, false),
        ] {
            assert_eq!(
                may_ask(&job, &set, &who, &operator, now),
                may,
                "{who:?} at {now}"
            );
        }
    }

    #[test]
    fn a_late_oracle_counts_nothing_of_before() {
        let (job, mut count) = (job(), Count::default());
        count.probe(&job, 1_050, true);
        assert_eq!(count.seconds, 0);
        count.probe(&job, 1_054, true);
        assert_eq!(count.seconds, 4);
    }

    #[test]
    fn only_what_was_counted_is_signed() {
        let job = job();
        let count = Count {
            seconds: 60,
            at: 1_080,
            serving: true,
            created_slot: 0,
        };
        assert!(count.covers(&job, 60, 1_080, 1_081));
        assert!(count.covers(&job, 10, 1_080, 1_081), "others counted less");
        assert!(!count.covers(&job, 61, 1_080, 1_081));
        assert!(!count.covers(&job, 60, 1_082, 1_081), "not yet");
        assert!(
            !count.covers(&job, 60, 1_059, 1_081),
            "more than had passed"
        );
        // Ended a little before it was last probed.
        let ended = Job {
            run_until: 1_050,
            ..job
        };
        assert_eq!(
            (count.within(&ended).seconds, count.within(&ended).at),
            (50, 1_050)
        );
        assert!(count.covers(&ended, 50, 1_050, 1_081));
        assert!(!count.covers(&ended, 51, 1_050, 1_081));
        // The whole lease: only when it is over for this oracle, and only nearly all of it.
        assert!(!count.covers(&job, 60, 1_100, 1_200));
        let whole = Count { at: 1_100, ..count };
        assert!(whole.covers(&job, 60, 1_100, 1_200));
        assert!(whole.covers(&job, 30, 1_100, 1_200));
        assert!(!whole.covers(&job, 60, 1_101, 1_200), "beyond the lease");
        assert!(!whole.covers(&job, 29, 1_100, 1_200));
    }
}
