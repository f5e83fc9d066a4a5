//! The matching of jobs to devices: the matcher kept up with devices and links, and this oracle's tickets.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use io_api::{
    text,
    types::{Amount, ToWorker},
};
use io_client::{
    Pubkey,
    io_network::{
        constants::ANY_CLASS,
        state::{Device, Job, JobState},
    },
};
use io_proof::hardware::pace::MAX_LATENCY_MS;
use io_protocol::{
    lease,
    messages::TicketStatement,
    money::{self, E9},
};
use tokio::time::{sleep, timeout};

use crate::{
    db::TicketRow,
    matching::{Candidate, MAX_ENGINES, Match, Matcher, Skill, Want, turn},
    oracle::{InputState, Oracle, SpecState, lock},
};

/// Longest pause between looks at the open jobs.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Pause after news, in which more is gathered.
const GATHER: Duration = Duration::from_millis(5);
/// Open jobs tried in one look; the rest has its turn in the next.
const JOBS_PER_LOOK: usize = 1_000;
/// A device whose attestation ends so soon gets no new job, seconds.
const ATTESTATION_MARGIN: i64 = 5;
/// Refusals remembered.
const MAX_DECLINED: usize = 200_000;
/// Old tickets are kept this long in the database, seconds.
const KEEP_TICKETS: i64 = 3_600;

/// A job reserved for a device by this oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub device: Pubkey,
    pub created_slot: u64,
    /// Chain time.
    pub expires_at: i64,
}

#[derive(Default)]
pub struct Market {
    pub matcher: Matcher,
    tickets: HashMap<Pubkey, Ticket>,
    /// The ticket's job of each reserved device.
    reserved: HashMap<Pubkey, Pubkey>,
    /// Devices not to be asked for a job again before a chain time.
    declined: HashMap<(Pubkey, Pubkey), i64>,
    /// Where the next look begins among the open jobs.
    next: Option<Pubkey>,
}

impl Market {
    pub fn ticket(&self, job: &Pubkey) -> Option<Ticket> {
        self.tickets.get(job).copied()
    }

    pub fn reserved_for(&self, device: &Pubkey) -> Option<Pubkey> {
        self.reserved.get(device).copied()
    }

    /// Reserves a job for a device, if neither has a ticket.
    fn reserve(&mut self, job: Pubkey, ticket: Ticket) -> bool {
        let free = self.ticket(&job).is_none() && self.reserved_for(&ticket.device).is_none();
        if free {
            self.add_ticket(job, ticket);
            self.matcher.gave(&ticket.device.to_bytes());
            self.matcher.remove(&ticket.device.to_bytes());
        }
        free
    }

    fn add_ticket(&mut self, job: Pubkey, ticket: Ticket) {
        self.end_ticket(&job);
        self.tickets.insert(job, ticket);
        self.reserved.insert(ticket.device, job);
    }

    /// Ends a job's ticket; its device is free for others.
    pub fn end_ticket(&mut self, job: &Pubkey) -> Option<Pubkey> {
        let ticket = self.tickets.remove(job)?;
        if self.reserved.get(&ticket.device) == Some(job) {
            self.reserved.remove(&ticket.device);
        }
        Some(ticket.device)
    }

    fn decline(&mut self, job: Pubkey, device: Pubkey, until: i64) {
        if self.declined.len() >= MAX_DECLINED {
            self.declined.clear();
        }
        self.declined.insert((job, device), until);
    }
}

/// What a job needs, for matching.
pub fn want(job: &Job, engine: &str) -> Want {
    Want {
        // What a lease pays for is time, whatever runs in it.
        engine: if job.is_lease() { lease::OFFER } else { engine }.to_owned(),
        class: (job.class != ANY_CLASS).then_some(job.class),
        min_multiplier_e2: job.min_multiplier_e2,
        min_memory_mib: job.min_memory_mib,
        region: job.region,
        min_reputation_bps: job.min_reputation_bps,
        // Devices ask in IO: what the job pays in another mint is worth what its weight says.
        max_price: u64::try_from(u128::from(job.max_price) * u128::from(job.io_per_unit_e9) / E9)
            .unwrap_or(u64::MAX),
        max_units: match job.is_lease() {
            // What counts is the exposure, and that of a lease is an hour's.
            true => lease::EXPOSURE_SECONDS,
            false => job.max_units,
        },
        io_per_unit_e9: E9 as u64,
    }
}

impl Oracle {
    /// Why a device takes no job now; `None` when it does.
    pub fn unavailable(&self, address: &Pubkey, device: &Device) -> Option<&'static str> {
        let Some(network) = self.index.read().network else {
            return Some("the network is not indexed yet");
        };
        let now = self.clock.now();
        let Some(state) = self.links.state(address) else {
            return Some("not connected to this oracle");
        };
        let Some(heartbeat) = &state.heartbeat else {
            return Some("no heartbeat yet");
        };
        if state
            .heartbeat_at
            .is_none_or(|at| at.elapsed() > Duration::from_secs(self.config.stale_seconds.into()))
        {
            Some("no recent heartbeat")
        } else if heartbeat.draining || device.state != 0 {
            Some("draining")
        } else if heartbeat.job.is_some() || !device.is_idle() {
            Some("busy")
        } else if device.attested_at == 0 {
            Some("not attested yet")
        } else if now.saturating_add(ATTESTATION_MARGIN)
            > device
                .attested_at
                .saturating_add(network.attestation_seconds.into())
        {
            Some("its attestation is too old")
        } else if !device.is_bonded(network.min_bond).unwrap_or(false) {
            Some("its bond is too small")
        } else if device.fault_due() > 0 {
            Some("it owes a penalty")
        } else if lock(&self.market).reserved_for(address).is_some() {
            Some("reserved for a job")
        } else {
            None
        }
    }

    /// Takes over what changed about a device. True when jobs that wait should be tried again.
    pub fn refresh_device(&self, address: &Pubkey) -> bool {
        let device = self.index.device(address);
        let candidate = device
            .filter(|device| self.unavailable(address, device).is_none())
            .and_then(|device| {
                let provider = self.index.read().providers.get(&device.provider).copied()?;
                let state = self.links.state(address)?;
                let heartbeat = state.heartbeat?;
                let skill = |(engine, offer): (&String, &io_api::types::EngineOffer)| Skill {
                    engine: engine.clone(),
                    ask: offer.ask.0,
                    speed: offer.speed,
                };
                Some(Candidate {
                    device: address.to_bytes(),
                    class: device.class,
                    multiplier_e2: device.multiplier_e2,
                    memory_mib: device.memory_mib,
                    region: device.region,
                    reputation_bps: device.reputation_bps(&provider, self.clock.now()),
                    free_bond: device.bond.saturating_sub(device.exposure),
                    tops_e2: device.tops_e2,
                    // Attested before links were measured.
                    latency_ms: match device.latency_ms {
                        0 => MAX_LATENCY_MS,
                        measured => measured,
                    },
                    skills: heartbeat
                        .engines
                        .iter()
                        .take(MAX_ENGINES)
                        .map(skill)
                        .collect(),
                })
            });
        let mut market = lock(&self.market);
        // It may have been reserved since it was looked at.
        let news = match candidate.filter(|_| market.reserved_for(address).is_none()) {
            Some(candidate) => market.matcher.put(candidate),
            None => {
                market.matcher.remove(&address.to_bytes());
                false
            }
        };
        self.metrics.available.set(market.matcher.len() as i64);
        news
    }

    /// A device's answer to an offer.
    pub fn declined(&self, device: &Pubkey, job: &Pubkey, reason: &str) {
        let now = self.clock.now();
        {
            let mut market = lock(&self.market);
            if market
                .ticket(job)
                .is_none_or(|ticket| ticket.device != *device)
            {
                return;
            }
            market.end_ticket(job);
            market.decline(
                *job,
                *device,
                now.saturating_add(self.config.decline_seconds.into()),
            );
        }
        // Until the next look finds somebody else, or says why nobody is there.
        if let Some(account) = self.index.job(job) {
            self.update_note(job, account.created_slot, |note| {
                note.reason = Some("the device that was asked declined".into());
            });
        }
        tracing::info!(%job, %device, reason, "declined");
        self.metrics.declines.inc();
        self.refresh_device(device);
        self.tell();
    }
}

/// Matches open jobs whenever something changed, until shutdown.
pub async fn keep_matching(oracle: Arc<Oracle>) {
    restore(&oracle).await;
    let mut news = oracle.news.subscribe();
    let mut swept = Instant::now();
    loop {
        let _ = timeout(LOOK_EVERY, news.changed()).await;
        if oracle.shutdown.is_cancelled() {
            return;
        }
        // Much news is looked at once.
        sleep(GATHER).await;
        // Devices fall silent, attestations age, without news.
        if swept.elapsed() >= Duration::from_secs(1) {
            swept = Instant::now();
            for device in oracle.links.devices() {
                oracle.device_changed(&device);
            }
        }
        look(&oracle).await;
    }
}

/// Tickets from before a restart still bind.
async fn restore(oracle: &Oracle) {
    let now = oracle.clock.now();
    match oracle.db.live_tickets(now).await {
        Ok(rows) => {
            for row in rows {
                let (Ok(job), Ok(device)) = (row.job.parse::<Pubkey>(), row.device.parse()) else {
                    continue;
                };
                lock(&oracle.market).add_ticket(
                    job,
                    Ticket {
                        device,
                        created_slot: row.created_slot,
                        expires_at: row.expires_at,
                    },
                );
                // The index may have been told before that this job needs none any more.
                if oracle.index.job(&job).is_some() {
                    oracle.job_changed(&job);
                }
            }
        }
        Err(error) => tracing::error!(error = %format!("{error:#}"), "can't read earlier tickets"),
    }
    if let Err(error) = oracle
        .db
        .forget_tickets(now.saturating_sub(KEEP_TICKETS))
        .await
    {
        tracing::warn!(error = %format!("{error:#}"), "can't forget old tickets");
    }
}

fn expire_tickets(oracle: &Oracle, now: i64) {
    let freed: Vec<Pubkey> = {
        let mut market = lock(&oracle.market);
        let expired: Vec<_> = market
            .tickets
            .iter()
            .filter(|(_, ticket)| now > ticket.expires_at)
            .map(|(job, ticket)| (*job, *ticket))
            .collect();
        market.declined.retain(|_, until| *until > now);
        for (job, ticket) in &expired {
            market.end_ticket(job);
            market.decline(
                *job,
                ticket.device,
                now.saturating_add(oracle.config.decline_seconds.into()),
            );
            tracing::info!(%job, device = %ticket.device, "the ticket passed unused");
        }
        expired
            .into_iter()
            .map(|(_, ticket)| ticket.device)
            .collect()
    };
    for device in freed {
        oracle.refresh_device(&device);
    }
}

async fn look(oracle: &Arc<Oracle>) {
    let now = oracle.clock.now();
    expire_tickets(oracle, now);
    let oracles = oracle.active_oracles();
    let Some(set_version) = oracle.index.set().map(|set| set.version) else {
        return;
    };
    let me = oracle.key.to_bytes();
    for (address, job) in some_open_jobs(oracle) {
        if now >= job.deadline || lock(&oracle.market).ticket(&address).is_some() {
            continue;
        }
        let leads = crate::matching::rank(&address.to_bytes(), &oracles, &me).is_some_and(|rank| {
            rank == turn(
                job.created_at,
                now,
                oracle.config.leader_seconds,
                oracles.len(),
            )
        });
        let note = oracle.note(&address);
        let SpecState::Ready(spec) = note.spec else {
            continue;
        };
        if !leads || !matches!(note.inputs, InputState::Ready) {
            continue;
        }
        let want = want(&job, spec.engine.name());
        let start = Instant::now();
        let found = {
            let market = lock(&oracle.market);
            let declined = |device: &[u8; 32]| {
                market
                    .declined
                    .contains_key(&(address, Pubkey::new_from_array(*device)))
            };
            market.matcher.best(&address.to_bytes(), &want, &declined)
        };
        oracle
            .metrics
            .match_seconds
            .observe(start.elapsed().as_secs_f64());
        match found {
            Some(found) => {
                issue(oracle, address, &job, &found, set_version).await;
            }
            None => {
                let reason = why_none(oracle, &want);
                oracle.update_note(&address, job.created_slot, |note| {
                    note.reason = Some(reason)
                });
            }
        }
    }
}

/// Open jobs in the order of their addresses, going on where the last look ended.
fn some_open_jobs(oracle: &Oracle) -> Vec<(Pubkey, Job)> {
    let next = lock(&oracle.market).next.take();
    let tables = oracle.index.read();
    let open = tables.in_state(JobState::Open);
    let order = open
        .range(next.unwrap_or_default()..)
        .chain(open.range(..next.unwrap_or_default()));
    let mut keys = order.take(JOBS_PER_LOOK + 1).copied().collect::<Vec<_>>();
    if keys.len() > JOBS_PER_LOOK {
        lock(&oracle.market).next = keys.pop();
    }
    keys.into_iter()
        .filter_map(|key| Some((key, *tables.jobs.get(&key)?)))
        .collect()
}

fn why_none(oracle: &Oracle, want: &Want) -> String {
    let market = lock(&oracle.market);
    if market.matcher.is_empty() {
        return "no device takes jobs now".into();
    }
    let survey = market.matcher.survey(want);
    if !survey.asks.is_empty() {
        return format!("{} devices fit, and declined it lately", survey.asks.len());
    }
    let parts: Vec<_> = survey
        .removed
        .iter()
        .map(|(reason, count)| format!("{reason}: {count}"))
        .collect();
    format!("no device meets the requirement ({})", parts.join(", "))
}

async fn issue(oracle: &Arc<Oracle>, address: Pubkey, job: &Job, found: &Match, set_version: u64) {
    let device = Pubkey::new_from_array(found.device);
    // The search compared asks in IO; what the ticket binds is the price in the job's mint.
    let Ok(ask) = money::price_in_mint_ceil(found.ask, job.io_per_unit_e9) else {
        return;
    };
    let expires_at = oracle
        .clock
        .now()
        .saturating_add(oracle.config.ticket_seconds.into())
        .min(job.deadline);
    let row = TicketRow {
        job: address.to_string(),
        created_slot: job.created_slot,
        device: device.to_string(),
        expires_at,
        declined: false,
    };
    // On disk before it is signed: after a restart there is no second one beside it.
    if let Err(error) = oracle.db.add_ticket(&row).await {
        tracing::error!(error = %format!("{error:#}"), "a ticket can't be stored, so it is not given");
        return;
    }
    // Much can have happened while it was stored.
    let ticket = Ticket {
        device,
        created_slot: job.created_slot,
        expires_at,
    };
    if !lock(&oracle.market).reserve(address, ticket) {
        return;
    }
    let statement = TicketStatement {
        deployment: oracle.deployment,
        set_version,
        job: address.to_bytes(),
        created_slot: job.created_slot,
        device: device.to_bytes(),
        ask,
        expires_at,
    };
    let signature: [u8; 64] = oracle.wallet.sign(&statement.to_bytes()).into();
    let offer = ToWorker::Offer {
        job: address.to_string(),
        created_slot: job.created_slot,
        set_version,
        ask: Amount(ask),
        expires_at,
        signature: text::signature(&signature),
    };
    oracle.metrics.tickets.inc();
    tracing::info!(job = %address, %device, expires_at, "offered");
    if !oracle.links.send(&device, offer) {
        oracle.declined(&device, &address, "its link was lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tickets for one job, or two jobs for one device, would have two workers do what one is paid for.
    #[test]
    fn neither_a_job_nor_a_device_is_reserved_twice() {
        let key = |n: u8| Pubkey::new_from_array([n; 32]);
        let ticket = |device: u8| Ticket {
            device: key(device),
            created_slot: 1,
            expires_at: 10,
        };
        let mut market = Market::default();
        assert!(market.reserve(key(1), ticket(7)));
        assert!(!market.reserve(key(1), ticket(8)), "the job has a ticket");
        assert!(!market.reserve(key(2), ticket(7)), "the device has a job");
        assert_eq!(market.ticket(&key(1)), Some(ticket(7)));
        assert_eq!(market.ticket(&key(2)), None);
        assert_eq!(market.reserved_for(&key(8)), None);
        assert!(market.reserve(key(2), ticket(8)));
        assert_eq!(market.end_ticket(&key(1)), Some(key(7)));
        assert!(market.reserve(key(3), ticket(7)));
    }
}
