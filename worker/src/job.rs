//! A job's life on this device. Each turn reads the journal's record and the chain's account, asks
//! [`next`](crate::journal::next) what follows, does that, and turns again. A crash is a turn that didn't end.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use io_api::{
    text,
    types::{Attestation, ToOracle},
};
use io_client::{
    Pubkey, Signature, ed25519,
    instructions::{self, AcceptJobArgs, SubmitResultArgs},
    io_network::{
        errors::IoError,
        state::{Job, JobState},
    },
    tokens,
};
use io_engines::{BlobHash, CancelToken};
use io_protocol::messages::{TicketStatement, Verdict};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use crate::{
    blobs, faults,
    journal::{Next, Record, StoredResult, next},
    leases,
    limits::*,
    link::jittered,
    offers,
    prove::{self, Progress, Run, self_test},
    settle::{self, Verdicts},
    worker::{Handle, Worker},
};

/// After one oracle has all of a result, the others' uploads are waited for this long; what is left goes on beside.
const UPLOAD_GRACE: Duration = Duration::from_secs(3);

/// Drives a job to its end. `permit` is the device, if the caller holds it for this job already.
pub async fn drive(
    worker: Arc<Worker>,
    mut record: Record,
    handle: Arc<Handle>,
    inbox: mpsc::Receiver<Box<Attestation>>,
    permit: Option<OwnedSemaphorePermit>,
) {
    let Ok(address) = record.address() else {
        return;
    };
    let mut drive = Drive {
        worker: worker.clone(),
        address,
        handle,
        inbox,
        permit,
        uploads: JoinSet::new(),
        verdicts: None,
        gathering_since: None,
        offer_again_at: None,
    };
    let mut pause = RETRY;
    loop {
        let turn = tokio::select! {
            () = worker.shutdown.cancelled() => break,
            turn = drive.turn(&mut record) => turn,
        };
        match turn {
            Ok(true) => pause = RETRY,
            Ok(false) => break,
            Err(error) => {
                tracing::warn!(job = %address, error = %format!("{error:#}"), "will be tried again");
                tokio::select! {
                    () = worker.shutdown.cancelled() => break,
                    () = sleep(jittered(pause)) => {}
                }
                pause = (pause * 2).min(LONGEST_RETRY);
            }
        }
    }
    drive.release();
    worker.let_go(&address);
}

struct Drive {
    worker: Arc<Worker>,
    address: Pubkey,
    handle: Arc<Handle>,
    inbox: mpsc::Receiver<Box<Attestation>>,
    permit: Option<OwnedSemaphorePermit>,
    /// Uploads that go on beside.
    uploads: JoinSet<()>,
    /// Verdicts about the submission, so far, and since when they are gathered.
    verdicts: Option<Verdicts>,
    gathering_since: Option<Instant>,
    /// When the result may be offered again to oracles that say nothing.
    offer_again_at: Option<Instant>,
}

impl Drive {
    /// One turn; `false` when nothing is left to do.
    async fn turn(&mut self, record: &mut Record) -> Result<bool> {
        let chain = &self.worker.chain;
        let (job, now) = tokio::try_join!(chain.job(&self.address), chain.time())?;
        let next = next(record, job.as_ref(), &self.worker.address, now);
        if !matches!(next, Next::End(_) | Next::Gather) && self.permit.is_none() {
            self.permit = Some(self.worker.slot.clone().acquire_owned().await?);
            self.worker.busy_with(Some(self.address));
            // Time has passed while the device was waited for.
            return Ok(true);
        }
        tracing::debug!(job = %self.address, ?next, "next");
        let lease = job.as_ref().filter(|job| {
            job.is_lease()
                && job.state == JobState::Running as u8
                && job.device == self.worker.address
        });
        if let Some(lease) = lease {
            return self.serve(lease, now).await;
        }
        match (next, job) {
            (Next::End(reason), job) => {
                self.release();
                self.log_end(&reason, job.as_ref());
                self.worker.end(record, &reason).await?;
                Ok(false)
            }
            (Next::Accept, Some(job)) => self.accept(record, &job).await,
            (Next::Run, Some(job)) => self.run(record, &job, now).await,
            (Next::Upload, Some(_)) => self.upload(record).await,
            (Next::Submit, Some(_)) => self.submit(record).await,
            (Next::Gather, Some(job)) => {
                self.release();
                self.gather(record, &job, now).await
            }
            (Next::Expire, Some(job)) => self.expire(&job, now).await,
            (_, None) => bail!("the chain's account vanished"),
        }
    }

    /// One turn of serving a lease: the renter's requests are run beside.
    async fn serve(&mut self, job: &Job, now: i64) -> Result<bool> {
        let worker = self.worker.clone();
        worker.busy_with(Some(self.address));
        let (intent, all) = match leases::next(job, now) {
            leases::Next::Serve(seconds) => {
                self.pause(Duration::from_secs(seconds.unsigned_abs()))
                    .await;
                return Ok(true);
            }
            leases::Next::Checkpoint => {
                match leases::checkpoint(&worker, &self.address, job).await? {
                    Some((at, all)) => (format!("checkpoint:{at}"), all),
                    None => {
                        self.pause(CHAIN_EVERY).await;
                        return Ok(true);
                    }
                }
            }
            leases::Next::Finish => (
                "finish-lease".to_owned(),
                vec![instructions::finish_lease(&self.address, job)],
            ),
        };
        let intent = format!("{intent}:{}:{}", self.address, job.created_slot);
        match worker.chain.send(intent, all).await {
            Ok(landed) => {
                tracing::info!(job = %self.address, signature = %landed.signature, "time brought to account");
                if landed.earlier {
                    sleep(RETRY).await;
                }
                Ok(true)
            }
            // Somebody else was first, or the renter ended or extended it: the next turn sees.
            Err(error) if error.io_error().is_some() => {
                tracing::debug!(job = %self.address, %error, "not brought to account");
                sleep(RETRY).await;
                Ok(true)
            }
            Err(error) => Err(error).context("bringing a lease's time to account"),
        }
    }

    /// Waits until the job's account changes, or so long, but looks at the chain now and then.
    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = self.handle.changed.notified() => {}
            () = sleep(time.min(CHAIN_EVERY)) => {}
        }
    }

    /// The device is free for the next job.
    fn release(&mut self) {
        if self.permit.take().is_some() {
            self.worker.busy_with(None);
        }
    }

    fn log_end(&self, reason: &str, job: Option<&Job>) {
        match job {
            Some(job) if job.state == JobState::Settled as u8 => {
                tracing::info!(job = %self.address, paid = job.paid, fees = job.fees, refunded = job.refunded, "settled");
            }
            _ => tracing::info!(job = %self.address, reason, "ended"),
        }
    }

    async fn accept(&mut self, record: &mut Record, job: &Job) -> Result<bool> {
        let worker = self.worker.clone();
        let ticket = record.ticket.clone().context("no ticket")?;
        worker.broadcast(&ToOracle::Accepting {
            job: record.job.clone(),
        });
        let provider = worker
            .chain
            .provider(&worker.provider)
            .await?
            .context("this device's provider is gone")?;
        let (token_account, create) = worker
            .chain
            .payment_account(
                &provider.payout_owner,
                &job.mint,
                &tokens::program_of(job.token_2022),
            )
            .await?;
        let statement = TicketStatement {
            deployment: worker.chain.deployment(),
            set_version: ticket.set_version,
            job: self.address.to_bytes(),
            created_slot: record.created_slot,
            device: worker.address.to_bytes(),
            ask: record.ask,
            expires_at: ticket.expires_at,
        };
        let oracle: Pubkey = ticket
            .oracle
            .parse()
            .context("the ticket's oracle isn't a key")?;
        let signature: Signature = ticket
            .signature
            .parse()
            .context("the ticket's signature isn't one")?;
        let args = AcceptJobArgs {
            created_slot: record.created_slot,
            ask: record.ask,
            ticket_expires_at: ticket.expires_at,
        };
        let accept = instructions::accept_job(
            &worker.chain.address(),
            &self.address,
            &worker.address,
            &worker.provider,
            &token_account,
            args,
        );
        let mut all: Vec<_> = create.into_iter().collect();
        all.extend([
            ed25519::verify(&statement.to_bytes(), &[(oracle, signature)])?,
            accept,
        ]);
        match worker.chain.send(record.intent("accept"), all).await {
            Ok(landed) => {
                faults::crash_after("accept");
                tracing::info!(job = %self.address, signature = %landed.signature, ask = record.ask, "accepted");
                if landed.earlier {
                    // The chain still shows it open: the node lags behind. Not as fast as it can.
                    sleep(RETRY).await;
                }
                Ok(true)
            }
            // Somebody was quicker, or something changed since the offer was checked: it may come again.
            Err(error) if error.io_error().is_some_and(|e| e != IoError::WrongState) => {
                self.release();
                worker
                    .end(record, &format!("accepting was refused: {error}"))
                    .await?;
                tracing::info!(job = %self.address, %error, "accepting was refused");
                Ok(false)
            }
            Err(error) => Err(error).context("accepting"),
        }
    }

    async fn run(&mut self, record: &mut Record, job: &Job, now: i64) -> Result<bool> {
        let worker = self.worker.clone();
        worker.busy_with(Some(self.address));
        let left =
            Duration::from_secs(u64::try_from(job.run_until.saturating_sub(now)).unwrap_or(0));
        let until = Instant::now() + left;
        let address = self.address;
        let fetch = async {
            let spec = offers::fetch_spec(&worker, 0, record.spec_hash)
                .await
                .map_err(|reason| anyhow!(reason))?;
            let progress = |done, total| worker.progress(&address, "fetching", done, total);
            offers::fetch_inputs(&worker, 0, &spec, &progress).await?;
            anyhow::Ok(spec)
        };
        let spec = timeout(left, fetch)
            .await
            .context("the inputs came too late")??;
        worker.progress(&address, "loading", 0, 0);

        let (cancel, progress) = (CancelToken::new(), Arc::new(Progress::default()));
        // However this ends, the engine ends with it.
        let _guard = CancelOnDrop(cancel.clone());
        let engine = spec.engine.name();
        let run = Run {
            spec,
            canaries: worker.config.canaries.clone(),
            blobs: worker.blobs.clone(),
            out_dir: worker.journal.out_dir(record),
            job: address.to_bytes(),
            threads: self_test::threads(&worker.config, &worker.device),
            cancel: cancel.clone(),
            progress: progress.clone(),
        };
        let started = Instant::now();
        let mut running = std::pin::pin!(worker.engines.run(run));
        let mut reports = tokio::time::interval(PROGRESS_EVERY);
        let mut reported = (0, 0);
        let outcome = loop {
            tokio::select! {
                outcome = &mut running => break outcome,
                () = sleep_until(until), if !cancel.is_cancelled() => {
                    tracing::warn!(job = %address, "the job's time is over before its work");
                    cancel.cancel();
                }
                _ = reports.tick() => worker.report(&address, &progress, &mut reported),
            }
        };
        match outcome {
            Ok(outcome) => {
                faults::crash_after("run");
                let took = started.elapsed();
                worker.learn_speed(engine, outcome.units, took);
                let seconds = took.as_secs_f64();
                tracing::info!(job = %address, units = outcome.units, seconds, output = %outcome.output_hash, "done");
                worker.progress(
                    &address,
                    "storing",
                    outcome.manifest.steps,
                    outcome.manifest.steps,
                );
                record.result = Some(StoredResult {
                    output_hash: outcome.output_hash,
                    trace_root: BlobHash(outcome.trace_root),
                    units: outcome.units,
                });
                record.uploaded = false;
                worker.put(record).await?;
                self.bring(record, blobs::result_blobs(&outcome)).await
            }
            Err(_) if cancel.is_cancelled() => Ok(true),
            Err(error) => {
                worker.blobs.drop_damaged(&error);
                // Another try helps only against this machine's own trouble.
                record.failed_runs = if prove::worth_another_try(&error) {
                    record.failed_runs + 1
                } else {
                    MAX_RUN_ATTEMPTS
                };
                worker.put(record).await?;
                Err(error).context("the run failed")
            }
        }
    }

    async fn upload(&mut self, record: &mut Record) -> Result<bool> {
        let Some(result) = record.result else {
            return Ok(true);
        };
        match prove::stored(self.worker.journal.out_dir(record), result.output_hash).await {
            Some(blobs) => self.bring(record, blobs).await,
            None => {
                tracing::warn!(job = %self.address, "the stored result is damaged or gone: running it again");
                record.result = None;
                self.worker.put(record).await?;
                Ok(true)
            }
        }
    }

    /// Brings a result to all oracles; enough is when one has all of it, the others pull from it.
    async fn bring(
        &mut self,
        record: &mut Record,
        blobs: Vec<(BlobHash, PathBuf)>,
    ) -> Result<bool> {
        let worker = self.worker.clone();
        let blobs = Arc::new(blobs);
        let (done, mut outcomes) = mpsc::channel(worker.oracles.len().max(1));
        for oracle in &worker.oracles {
            let oracle = oracle.clone();
            let (key, blobs, done) = (worker.chain.request_key(), blobs.clone(), done.clone());
            self.uploads.spawn(async move {
                let outcome = blobs::upload(&oracle, &key, &blobs).await;
                let _ = done.send(outcome.map_err(|error| error.to_string())).await;
            });
        }
        drop(done);
        let mut errors = Vec::new();
        let mut whole = 0;
        let mut grace = None;
        loop {
            let outcome = tokio::select! {
                outcome = outcomes.recv() => outcome,
                () = sleep_until(grace.unwrap_or_else(Instant::now)), if grace.is_some() => break,
            };
            match outcome {
                Some(Ok(())) => {
                    whole += 1;
                    grace.get_or_insert_with(|| Instant::now() + UPLOAD_GRACE);
                }
                Some(Err(error)) => errors.push(error),
                None => break,
            }
        }
        if whole == 0 {
            bail!("no oracle took the result: {}", errors.join("; "));
        }
        faults::crash_after("upload");
        tracing::info!(job = %self.address, oracles = whole, "result uploaded");
        if !record.uploaded {
            record.uploaded = true;
            worker.put(record).await?;
        }
        Ok(true)
    }

    async fn submit(&mut self, record: &mut Record) -> Result<bool> {
        let result = record.result.context("no result")?;
        self.worker.progress(&self.address, "submitting", 0, 0);
        let args = SubmitResultArgs {
            output_hash: result.output_hash.0,
            trace_root: result.trace_root.0,
            units: result.units,
        };
        let submit = instructions::submit_result(
            &self.worker.chain.address(),
            &self.worker.address,
            &self.address,
            args,
        );
        let landed = self
            .worker
            .chain
            .send(record.intent("submit"), vec![submit])
            .await
            .context("submitting")?;
        faults::crash_after("submit");
        tracing::info!(job = %self.address, signature = %landed.signature, units = result.units, "submitted");
        self.release();
        if landed.earlier {
            sleep(RETRY).await;
        }
        Ok(true)
    }

    /// Gathers verdicts for a while, and settles when there is reason to. The next turn looks at the chain again.
    async fn gather(&mut self, record: &mut Record, job: &Job, now: i64) -> Result<bool> {
        let worker = self.worker.clone();
        let state = job
            .state()
            .map_err(|_| anyhow!("the job's state is unknown"))?;
        // Oracles do this as well; whoever comes first.
        if state == JobState::Submitted
            && now > job.challenge_until.saturating_add(KEEPER_GRACE_SECONDS)
        {
            tracing::info!(job = %self.address, "nobody objected in time");
            return self
                .settle(
                    record,
                    job,
                    vec![instructions::settle_job(&self.address, job)],
                )
                .await;
        }
        if state == JobState::Disputed && now > job.dispute_until {
            return self.expire_after(job, job.dispute_until, now).await;
        }
        let set = worker.chain.oracle_set().await?;
        let fresh = Verdicts::about(&self.address, job, worker.chain.deployment(), set);
        // What was gathered in earlier turns still counts, if it is about the same.
        let verdicts = match self
            .verdicts
            .take()
            .filter(|known| known.same_subject(&fresh))
        {
            Some(known) => self.verdicts.insert(known),
            None => self.verdicts.insert(fresh),
        };
        if let Some(settlement) = verdicts.settlement(&self.address, job)? {
            return self.settle(record, job, settlement).await;
        }
        let (told, mut answers) = mpsc::channel(MAX_ORACLES);
        // Often at first, when verdicts are due; then they come by the link, or late.
        let waited = self
            .gathering_since
            .get_or_insert_with(Instant::now)
            .elapsed();
        let every = (waited / 4).clamp(GATHER, LONGEST_GATHER);
        let disputed = verdicts.disputed();
        let _asking = settle::ask(&worker.oracles, self.address, disputed, every, &told);
        let until = Instant::now() + settle::LOOK;
        loop {
            let attestation = tokio::select! {
                Some(pushed) = self.inbox.recv() => pushed,
                Some(answer) = answers.recv() => answer,
                () = self.handle.changed.notified() => return Ok(true),
                () = sleep_until(until) => break,
            };
            // What was said before a dispute, or about one that this worker has not seen yet, is of no use here.
            if attestation.job != record.job
                || attestation.disputed != disputed
                || verdicts.has(&attestation.oracle)
            {
                continue;
            }
            match verdicts.add(&attestation) {
                Ok(Verdict::Valid) => {
                    faults::crash_after("gather");
                    tracing::debug!(job = %self.address, oracle = attestation.oracle, "valid");
                }
                Ok(Verdict::Invalid) => {
                    let reason = attestation.reason.as_deref().unwrap_or("no reason given");
                    tracing::warn!(job = %self.address, oracle = attestation.oracle, reason, "an oracle found the result wrong");
                }
                Err(reason) => {
                    tracing::warn!(job = %self.address, reason, "a verdict that is worth nothing");
                    continue;
                }
            }
            if let Some(settlement) = verdicts.settlement(&self.address, job)? {
                return self.settle(record, job, settlement).await;
            }
        }
        let (valid, invalid) = (
            verdicts.count(Verdict::Valid),
            verdicts.count(Verdict::Invalid),
        );
        tracing::debug!(job = %self.address, valid, invalid, quorum = verdicts.quorum(), "no quorum yet");
        // Those who say nothing may lack the result.
        while self.uploads.try_join_next().is_some() {}
        if valid + invalid < worker.oracles.len()
            && self.uploads.is_empty()
            && self.offer_again_at.is_none_or(|at| at <= Instant::now())
        {
            // Later and later: reading a whole result again isn't free.
            self.offer_again_at =
                Some(Instant::now() + (waited + CHAIN_EVERY).min(LONGEST_REOFFER));
            self.offer_again(record, job).await;
        }
        Ok(true)
    }

    /// Uploads the result beside, to oracles that may not have it. Does nothing where it is there.
    async fn offer_again(&mut self, record: &Record, job: &Job) {
        let Some(blobs) = prove::stored(
            self.worker.journal.out_dir(record),
            BlobHash(job.output_hash),
        )
        .await
        else {
            return;
        };
        // Whoever says nothing may lack what the work is about, too: here it is.
        let mut all =
            blobs::input_blobs(&self.worker.blobs, &self.worker.config, record.spec_hash).await;
        all.extend(blobs);
        let blobs = Arc::new(all);
        for oracle in &self.worker.oracles {
            let oracle = oracle.clone();
            let (key, blobs) = (self.worker.chain.request_key(), blobs.clone());
            self.uploads.spawn(async move {
                if let Err(error) = blobs::upload(&oracle, &key, &blobs).await {
                    tracing::debug!(oracle = oracle.host(), %error, "the result can't be uploaded");
                }
            });
        }
    }

    async fn settle(
        &mut self,
        record: &Record,
        job: &Job,
        instructions: Vec<io_client::Instruction>,
    ) -> Result<bool> {
        // With other signatures it is another transaction.
        let intent = match job.was_disputed() {
            false => record.intent("settle"),
            true => record.intent("settle-disputed"),
        };
        match self.worker.chain.send(intent, instructions).await {
            Ok(landed) => {
                tracing::debug!(job = %self.address, signature = %landed.signature, "settlement sent");
                if landed.earlier {
                    sleep(RETRY).await;
                }
                Ok(true)
            }
            // Somebody else settled or rejected it: the next turn sees.
            Err(error) if error.io_error() == Some(IoError::WrongState) => Ok(true),
            // Or disputed it, or changed the oracle set: other signatures are asked for.
            Err(error) if error.io_error() == Some(IoError::WrongMessage) => {
                sleep(RETRY).await;
                Ok(true)
            }
            Err(error) => Err(error).context("settling"),
        }
    }

    /// A job past its time keeps the device bound until somebody says so on chain.
    async fn expire(&mut self, job: &Job, now: i64) -> Result<bool> {
        self.expire_after(job, job.run_until, now).await
    }

    async fn expire_after(&mut self, job: &Job, until: i64, now: i64) -> Result<bool> {
        let due = until.saturating_add(KEEPER_GRACE_SECONDS);
        if now <= due {
            let wait =
                Duration::from_secs(u64::try_from(due - now).unwrap_or(0) + 1).min(CHAIN_EVERY);
            tokio::select! {
                () = self.handle.changed.notified() => {}
                () = sleep(wait) => {}
            }
            return Ok(true);
        }
        let intent = format!("expire:{}:{}", self.address, job.created_slot);
        match self
            .worker
            .chain
            .send(intent, vec![instructions::expire_job(&self.address, job)])
            .await
        {
            Ok(landed) => {
                if landed.earlier {
                    sleep(RETRY).await;
                }
                Ok(true)
            }
            Err(error) if error.io_error() == Some(IoError::WrongState) => Ok(true),
            Err(error) => Err(error).context("expiring"),
        }
    }
}

/// Ends an engine's run when whoever waits for it goes away.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Takes up a job that the chain says is this device's and the journal doesn't know as unfinished: its data folder was
/// lost, or its record ended too early.
pub async fn adopt(worker: &Arc<Worker>, address: Pubkey, job: &Job) -> Result<()> {
    let live = matches!(
        job.state(),
        Ok(JobState::Running | JobState::Submitted | JobState::Disputed)
    );
    if !live || job.device != worker.address {
        return Ok(());
    }
    let Some((handle, inbox)) = worker.take_up(address, job.created_slot) else {
        return Ok(());
    };
    let known = worker.journal.get(&address, job.created_slot);
    let record = match known {
        Some(record) => Record {
            ended: None,
            ended_at: None,
            ..record
        },
        None => Record::new(&address, job, job.ask, None),
    };
    tracing::info!(job = %address, spec = text::hash(&job.spec_hash), "the chain says that this job is ours: taking it up");
    if let Err(error) = worker.put(&record).await {
        worker.let_go(&address);
        return Err(error);
    }
    worker
        .tasks
        .spawn(drive(worker.clone(), record, handle, inbox, None));
    Ok(())
}
