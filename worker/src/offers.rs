//! Whether to take an offered job: everything that can be wrong is found before anything is promised.

use std::time::Duration;

use io_api::{auth::verify_signature, text};
use io_client::{
    Pubkey,
    io_network::state::{Device, Job, JobState, Network, OracleSet, Provider, VerificationClass},
};
use io_engines::{BlobHash, BlobRef, EngineSpec, JobSpec, limits::MAX_SPEC_BYTES};
use io_protocol::{lease, messages::TicketStatement, money};
use tokio::time::{sleep, timeout};

use crate::{
    blobs::{self, FetchError},
    chain::Chain,
    journal::{Record, Ticket},
    limits::*,
    link::Offer,
    worker::{Worker, lock},
};

/// Why an offer is declined, in words for the oracle and the renter.
pub type Declined = String;

/// An offer's ticket and the accounts it is about, checked against each other.
pub struct View<'a> {
    pub job: &'a Job,
    pub device: &'a Device,
    pub provider: &'a Provider,
    pub network: &'a Network,
    pub set: &'a OracleSet,
    /// The chain's time, Unix seconds.
    pub now: i64,
}

/// Checks everything that the program will check, so that no fee is paid for a refusal. Pure.
pub fn check_terms(
    offer: &Offer,
    address: &Pubkey,
    device_address: &Pubkey,
    view: &View<'_>,
) -> Result<Ticket, Declined> {
    let View {
        job,
        device,
        provider,
        network,
        set,
        now,
    } = *view;
    if job.created_slot != offer.created_slot {
        return Err("the offer is about an earlier job at this address".into());
    }
    if job.state != JobState::Open as u8 {
        return Err("the job is no longer open".into());
    }
    if now >= job.deadline {
        return Err("the job's deadline has passed".into());
    }
    if !device.is_idle() {
        return Err("the device is busy or draining".into());
    }
    let attested_until = device
        .attested_at
        .saturating_add(i64::from(network.attestation_seconds));
    if device.attested_at == 0 || now > attested_until {
        return Err("the device's attestation isn't fresh".into());
    }
    if !job.met_by(device, provider, now) {
        return Err("the device doesn't meet the job's requirement".into());
    }
    if !device.is_bonded(network.min_bond).unwrap_or(false) {
        return Err("the device's bond is below its class's minimum".into());
    }
    if device.fault_due() > 0 {
        return Err("the device owes a penalty: pay it with `io device pay-penalty`".into());
    }
    if offer.set_version != set.version {
        return Err(format!(
            "the ticket is for oracle set {}, and now it is {}",
            offer.set_version, set.version
        ));
    }
    if now > offer.expires_at {
        return Err("the ticket has expired".into());
    }
    let oracle = text::parse_key(&offer.oracle).filter(|key| set.position(key).is_some());
    let Some(oracle) = oracle else {
        return Err("the ticket isn't by an active oracle".into());
    };
    let statement = TicketStatement {
        deployment: network.deployment(),
        set_version: set.version,
        job: address.to_bytes(),
        created_slot: job.created_slot,
        device: device_address.to_bytes(),
        ask: offer.ask,
        expires_at: offer.expires_at,
    };
    if !text::parse_signature(&offer.signature)
        .is_some_and(|s| verify_signature(&oracle, &statement.to_bytes(), &s))
    {
        return Err("the ticket's signature doesn't fit".into());
    }
    Ok(Ticket {
        oracle: offer.oracle.clone(),
        set_version: offer.set_version,
        expires_at: offer.expires_at,
        signature: offer.signature.clone(),
    })
}

/// Whether the job pays what the device asks, whether the ticket was given for no less, and whether the bond covers it.
/// Returns the ticket's ask: the only one that the program takes. Pure.
pub fn check_price(
    job: &Job,
    device: &Device,
    ask: io_api::types::Amount,
    offered: u64,
) -> Result<u64, Declined> {
    let own = money::price_in_mint_ceil(ask.0, job.io_per_unit_e9)
        .map_err(|_| "the ask doesn't fit the job's mint")?;
    if offered < own {
        return Err(format!(
            "the ticket is for an ask of {offered} base units, and the ask is {own}"
        ));
    }
    let ask = offered;
    if ask > job.max_price {
        return Err(format!(
            "the ask is {ask} base units for 1,000 units, and the job pays at most {}",
            job.max_price
        ));
    }
    let exposure = job
        .exposure_at(ask)
        .map_err(|_| "the job's exposure overflows")?;
    let total = device
        .exposure
        .checked_add(exposure)
        .ok_or("the device's exposure overflows")?;
    if total > device.bond {
        let free = device.bond.saturating_sub(device.exposure);
        return Err(format!(
            "the job could pay {exposure}, and {free} of the device's bond are free: wait, or bond more"
        ));
    }
    Ok(ask)
}

/// Whether the work fits the job's limits and time. `speed` is in units a second. Pure.
pub fn check_work(
    job: &Job,
    quote: io_engines::Quote,
    time_limit_s: Option<u32>,
    speed: f64,
    now: i64,
) -> Result<(), Declined> {
    if quote.units == 0 {
        return Err("there is no work in it".into());
    }
    if quote.units > job.max_units {
        return Err(format!(
            "the work comes to {} units, and the job pays for {} at most",
            quote.units, job.max_units
        ));
    }
    let seconds = i64::from(job.max_run_seconds)
        .min(job.deadline.saturating_sub(now))
        .max(0) as f64;
    let mut expected = quote.units as f64 / speed.max(1e-9);
    if let Some(limit) = time_limit_s {
        // The renter's own code may be slow in what it asks for; its limit ends it in any case.
        expected = f64::from(limit).min(expected * SLOWEST_CODE);
    }
    if expected > seconds * MAX_RUN_SHARE_PERCENT / 100.0 {
        return Err(format!(
            "the work could take {expected:.0} s here, and the job leaves {seconds:.0} s"
        ));
    }
    Ok(())
}

/// The renter's limit of a run's time, for an engine that runs the renter's code.
pub fn time_limit_s(spec: &JobSpec) -> Option<u32> {
    match &spec.engine {
        EngineSpec::Embed(_) => None,
        EngineSpec::Wasm(wasm) => Some(wasm.time_limit_s),
    }
}

/// Whether this device can run what a spec asks for. Pure.
pub fn check_spec(spec: &JobSpec, job: &Job, memory_mib: u32) -> Result<(), Declined> {
    let (class, needs_mib) = match &spec.engine {
        EngineSpec::Embed(embed) => (
            VerificationClass::Tolerant,
            embed.model.weights.size / (1024 * 1024),
        ),
        EngineSpec::Wasm(wasm) => (VerificationClass::Exact, u64::from(wasm.memory_mib)),
    };
    // A lease is metered: its spec says what it begins with.
    if job.verification != class as u8 && !job.is_lease() {
        return Err(format!(
            "the job asks for verification class {}, and {} has {}",
            job.verification,
            spec.engine.name(),
            class as u8
        ));
    }
    if needs_mib > u64::from(memory_mib) {
        return Err(format!(
            "it needs {needs_mib} MiB, and this device has {memory_mib}"
        ));
    }
    Ok(())
}

/// The spec that a job names.
pub async fn fetch_spec(
    worker: &Worker,
    first: usize,
    hash: BlobHash,
) -> Result<JobSpec, Declined> {
    // The size isn't on chain; the limit is.
    let path = worker.config.blobs_dir().join(hash.to_string());
    let mut last = String::from("no oracle is configured");
    let mut bytes = None;
    if let Ok(Some(found)) = crate::config::read_small(&path, MAX_SPEC_BYTES)
        && BlobHash::of(&found) == hash
    {
        bytes = Some(found);
    }
    for i in 0..worker.oracles.len() {
        if bytes.is_some() {
            break;
        }
        match worker.oracles[(first + i) % worker.oracles.len()]
            .get_blob_bytes(&hash.0, MAX_SPEC_BYTES)
            .await
        {
            Ok(found) => bytes = Some(found),
            Err(error) => last = error.to_string(),
        }
    }
    let bytes = bytes.ok_or_else(|| format!("the spec {hash} can't be had: {last}"))?;
    let spec = JobSpec::from_canonical(&bytes).map_err(|e| e.to_string())?;
    let kept =
        tokio::task::spawn_blocking(move || crate::config::write_durably(&path, &bytes)).await;
    if let Ok(Err(error)) = kept {
        tracing::warn!(error = %format!("{error:#}"), "the spec can't be kept");
    }
    Ok(spec)
}

/// Fetches everything that a job needs.
pub async fn fetch_inputs(
    worker: &Worker,
    first: usize,
    spec: &JobSpec,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<(), FetchError> {
    let wanted: Vec<BlobRef> = spec.blobs();
    blobs::fetch(
        &worker.blobs,
        &worker.oracles,
        first,
        &wanted,
        &worker.config,
        progress,
    )
    .await
}

/// A job that an oracle saw already; this worker's node may be a moment behind the oracle's.
async fn job_when_seen(
    chain: &Chain,
    address: &Pubkey,
    created_slot: u64,
) -> anyhow::Result<Option<Job>> {
    for _ in 0..LOOKS_FOR_JOB {
        match chain.job(address).await? {
            Some(job) if job.created_slot >= created_slot => return Ok(Some(job)),
            _ => sleep(RETRY).await,
        }
    }
    chain.job(address).await
}

/// Looks at an offer thoroughly. `Ok` is a job worth taking, not yet in the journal.
pub async fn evaluate(worker: &Worker, link: usize, offer: &Offer) -> Result<Record, Declined> {
    let address: Pubkey = offer
        .job
        .parse()
        .map_err(|_| "the job's address isn't one")?;
    let chain: &Chain = &worker.chain;
    let unread = |error: anyhow::Error| format!("the chain can't be read now: {error:#}");
    let now = chain.time().await.map_err(unread)?;
    let (job, device, provider, network, set) = tokio::try_join!(
        job_when_seen(chain, &address, offer.created_slot),
        chain.device(&worker.address),
        chain.provider(&worker.provider),
        chain.network(),
        chain.oracle_set(),
    )
    .map_err(unread)?;
    let job = job.ok_or("there is no such job")?;
    let device = device.ok_or("this device isn't registered any more")?;
    let provider = provider.ok_or("this device's provider is gone")?;
    let view = View {
        job: &job,
        device: &device,
        provider: &provider,
        network: &network,
        set: &set,
        now,
    };
    let ticket = check_terms(offer, &address, &worker.address, &view)?;

    // Before the spec is here, the cheapest engine must fit.
    let spec = fetch_spec(worker, link, BlobHash(job.spec_hash)).await?;
    let engine = match job.is_lease() {
        true => lease::OFFER,
        false => spec.engine.name(),
    };
    let state = lock(&worker.state).clone();
    let (Some(ask), Some(speed)) = (state.asks.get(engine), state.speeds.get(engine)) else {
        return Err(format!("this device doesn't offer {engine}"));
    };
    check_spec(&spec, &job, worker.device.memory_mib)?;
    let ask = check_price(&job, &device, *ask, offer.ask)?;

    // No longer than the ticket holds: the device waits meanwhile. What was fetched by then stays for the next offer.
    let until = offer.expires_at.min(job.deadline);
    let left = Duration::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
        .min(FETCH_TIMEOUT);
    let progress = |done, total| worker.progress(&address, "fetching", done, total);
    timeout(left, fetch_inputs(worker, link, &spec, &progress))
        .await
        .map_err(|_| "the inputs come too slowly")?
        .map_err(|error| error.to_string())?;
    if job.is_lease() {
        return Ok(Record::new(&address, &job, ask, Some(ticket)));
    }
    let quote = worker
        .engines
        .quote(&spec, &worker.blobs)
        .await
        .map_err(|error| {
            worker.blobs.drop_damaged(&error);
            error.to_string()
        })?;
    check_work(
        &job,
        quote,
        time_limit_s(&spec),
        *speed,
        chain.estimated_time(),
    )?;
    Ok(Record::new(&address, &job, ask, Some(ticket)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use io_api::types::Amount;
    use io_client::{Wallet, io_network};
    use io_engines::Quote;
    use proptest::prelude::*;

    const JOB: Pubkey = Pubkey::new_from_array([9; 32]);
    const DEVICE: Pubkey = Pubkey::new_from_array([7; 32]);

    struct Case {
        oracle: Wallet,
        job: Job,
        device: Device,
        provider: Provider,
        network: Network,
        set: OracleSet,
        now: i64,
    }

    fn case() -> Case {
        let oracle = Wallet::from_seed(&[1; 32]);
        let mut set = OracleSet {
            version: 4,
            count: 1,
            used: 1,
            quorum: 1,
            ..OracleSet::zeroed()
        };
        set.oracles[0] = oracle.address();
        Case {
            oracle,
            job: Job {
                state: JobState::Open as u8,
                created_slot: 5,
                deadline: 1_000,
                max_price: 100,
                max_units: 50_000,
                max_run_seconds: 600,
                io_per_unit_e9: 1_000_000_000,
                class: io_network::constants::ANY_CLASS,
                ..Job::zeroed()
            },
            device: Device {
                bond: 10_000,
                attested_at: 90,
                multiplier_e2: 100,
                ..Device::zeroed()
            },
            provider: Provider::zeroed(),
            network: Network {
                min_bond: 1_000,
                attestation_seconds: 60,
                ..Network::zeroed()
            },
            set,
            now: 100,
        }
    }

    impl Case {
        fn offer(&self) -> Offer {
            let expires_at = 120;
            let statement = TicketStatement {
                deployment: self.network.deployment(),
                set_version: 4,
                job: JOB.to_bytes(),
                created_slot: 5,
                device: DEVICE.to_bytes(),
                ask: 100,
                expires_at,
            };
            Offer {
                oracle: self.oracle.address().to_string(),
                job: JOB.to_string(),
                created_slot: 5,
                set_version: 4,
                ask: 100,
                expires_at,
                signature: self.oracle.sign(&statement.to_bytes()).to_string(),
            }
        }

        fn check(&self, offer: &Offer) -> Result<Ticket, Declined> {
            let Self {
                job,
                device,
                provider,
                network,
                set,
                now,
                ..
            } = self;
            check_terms(
                offer,
                &JOB,
                &DEVICE,
                &View {
                    job,
                    device,
                    provider,
                    network,
                    set,
                    now: *now,
                },
            )
        }
    }

    #[test]
    fn a_good_offer_is_taken_with_its_ticket() {
        let case = case();
        let ticket = case.check(&case.offer()).unwrap();
        assert_eq!(
            (ticket.expires_at, ticket.oracle),
            (120, case.oracle.address().to_string())
        );
    }

    #[test]
    fn every_flaw_of_an_offer_is_named() {
        let good = case();
        let offer = good.offer();
        let stranger = Wallet::from_seed(&[2; 32]).address().to_string();
        let flaws: Vec<(&str, Case, Offer)> = vec![
            (
                "earlier job",
                Case {
                    job: Job {
                        created_slot: 6,
                        ..good.job
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "no longer open",
                Case {
                    job: Job {
                        state: JobState::Running as u8,
                        ..good.job
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "deadline",
                Case {
                    now: 1_000,
                    ..case()
                },
                offer.clone(),
            ),
            (
                "busy",
                Case {
                    device: Device {
                        current_job: JOB,
                        ..good.device
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "busy",
                Case {
                    device: Device {
                        state: 1,
                        ..good.device
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "attestation",
                Case {
                    device: Device {
                        attested_at: 0,
                        ..good.device
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "attestation",
                Case {
                    device: Device {
                        attested_at: 39,
                        ..good.device
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "requirement",
                Case {
                    job: Job {
                        min_memory_mib: 1,
                        ..good.job
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "bond",
                Case {
                    device: Device {
                        bond: 999,
                        ..good.device
                    },
                    ..case()
                },
                offer.clone(),
            ),
            (
                "oracle set",
                Case {
                    set: OracleSet {
                        version: 5,
                        ..good.set
                    },
                    ..case()
                },
                offer.clone(),
            ),
            ("expired", Case { now: 121, ..case() }, offer.clone()),
            (
                "active oracle",
                case(),
                Offer {
                    oracle: stranger,
                    ..offer.clone()
                },
            ),
            (
                "active oracle",
                case(),
                Offer {
                    oracle: "x".into(),
                    ..offer.clone()
                },
            ),
            (
                "signature",
                case(),
                Offer {
                    expires_at: 130,
                    ..offer.clone()
                },
            ),
            (
                "signature",
                case(),
                Offer {
                    ask: 99,
                    ..offer.clone()
                },
            ),
            (
                "signature",
                case(),
                Offer {
                    signature: "x".into(),
                    ..offer.clone()
                },
            ),
        ];
        for (expected, case, offer) in flaws {
            let reason = case.check(&offer).unwrap_err();
            assert!(
                reason.contains(expected),
                "'{reason}' should name '{expected}'"
            );
        }
    }

    #[test]
    fn a_price_below_the_ask_and_a_job_beyond_the_bond_are_declined() {
        let Case { job, device, .. } = case();
        assert_eq!(check_price(&job, &device, Amount(100), 100), Ok(100));
        assert_eq!(check_price(&job, &device, Amount(99), 100), Ok(100));
        assert!(
            check_price(&job, &device, Amount(100), 99)
                .unwrap_err()
                .contains("an ask of 99")
        );
        assert!(
            check_price(&job, &device, Amount(101), 101)
                .unwrap_err()
                .contains("at most 100")
        );
        let exposed = Device {
            exposure: 5_001,
            ..device
        };
        assert!(
            check_price(&job, &exposed, Amount(100), 100)
                .unwrap_err()
                .contains("4999")
        );
        // 50,000 units at 100 are 5,000.
        assert_eq!(
            check_price(
                &job,
                &Device {
                    exposure: 5_000,
                    ..device
                },
                Amount(100),
                100
            ),
            Ok(100)
        );
    }

    #[test]
    fn work_that_does_not_fit_is_declined() {
        let Case { job, now, .. } = case();
        let check = |units, limit: Option<u32>, speed, now| {
            let exact = limit.is_none();
            check_work(&job, Quote { units, exact }, limit, speed, now)
        };
        check(48_000, None, 100.0, now).unwrap();
        let too_long = check(48_001, None, 100.0, now).unwrap_err();
        assert!(too_long.contains("600 s"), "{too_long}");
        assert!(
            check(50_001, None, 1e9, now)
                .unwrap_err()
                .contains("at most")
        );
        assert!(check(0, None, 1e9, now).is_err());
        let late = check(10_000, None, 100.0, 950).unwrap_err();
        assert!(late.contains("50 s"), "{late}");
    }

    /// A renter's code that does what is slow, or never ends, is over before its worker's time is.
    #[test]
    fn a_renters_code_is_taken_only_if_its_slowest_run_fits() {
        let Case { job, now, .. } = case();
        let check = |units, limit, speed| {
            let quote = Quote {
                units,
                exact: false,
            };
            check_work(&job, quote, Some(limit), speed, now)
        };
        // 80 % of 600 s.
        check(50_000, 480, 100.0).unwrap();
        let declined = check(50_000, 481, 100.0).unwrap_err();
        assert!(declined.contains("could take 481 s"), "{declined}");
        // So little work that its limit doesn't matter.
        check(50_000, 86_400, 50_000.0 * SLOWEST_CODE / 480.0).unwrap();
        assert!(check(50_000, 86_400, 49_999.0 * SLOWEST_CODE / 480.0).is_err());
    }

    proptest! {
        /// Whatever is taken, the program will take as well: ask within the job's price, exposure within the bond.
        #[test]
        fn what_is_taken_is_within_price_and_bond(
            ask in 0u64..1 << 40, max_price in 1u64..1 << 40, max_units in 1u64..1 << 40,
            weight in 1u64..1 << 40, bond: u64, exposure: u64, more in 0u64..3,
        ) {
            let job = Job { max_price, max_units, io_per_unit_e9: weight, ..case().job };
            let device = Device { bond, exposure, ..case().device };
            let offered = money::price_in_mint_ceil(ask, weight).unwrap_or(0).saturating_add(more);
            if let Ok(accepted) = check_price(&job, &device, Amount(ask), offered) {
                prop_assert!(accepted == offered && accepted <= max_price);
                let exposed = job.exposure_at(accepted).unwrap();
                prop_assert!(exposure.checked_add(exposed).unwrap() <= bond);
            }
        }
    }
}
