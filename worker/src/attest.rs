//! Keeping the device attested: a quorum of oracles signs what each of them has measured ([`crate::prove::hardware`]), and the
//! signatures go on chain.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use io_api::{
    auth::verify_signature,
    text,
    types::{DeviceAttestRequest, DeviceAttestation, Figures},
};
use io_client::{
    Pubkey, Signature, accounts, ed25519,
    instructions::{self, AttestDeviceArgs},
    io_network::state::{Device, DeviceClass, OracleSet},
    pda,
};
use io_proof::hardware::pace::MAX_LATENCY_MS;
use io_protocol::messages::{DeviceStatement, Measured};
use tokio::time::sleep;

use crate::{limits::*, link::jittered, worker::Worker};

/// Keeps the device attested until shutdown.
pub async fn keep(worker: Arc<Worker>) {
    let mut retry = ATTEST_RETRY;
    loop {
        let pause = match once(&worker).await {
            Ok(next) => {
                retry = ATTEST_RETRY;
                next
            }
            Err(error) => {
                let error = format!("{error:#}");
                // The first tries come before all links are up.
                if retry == ATTEST_RETRY {
                    tracing::debug!(error, "the device isn't attested yet");
                } else {
                    tracing::warn!(error, "the device isn't attested");
                }
                let pause = jittered(retry);
                retry = (retry * 2).min(ATTEST_LONGEST_RETRY);
                pause
            }
        };
        tokio::select! {
            () = worker.shutdown.cancelled() => return,
            () = worker.attest_now.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Attests if it is time to. Returns when to look again.
async fn once(worker: &Worker) -> Result<Duration> {
    let chain = &worker.chain;
    let (device, network, now) = (
        chain.registered_device(&worker.address).await?,
        chain.network().await?,
        chain.time().await?,
    );
    let life = u64::from(network.attestation_seconds);
    let renew_after = (life * ATTEST_AT_PERCENT / 100).min(ATTEST_LONGEST.as_secs());
    // Jitter towards earlier, so that many workers don't ask at once.
    let again = |seconds: u64| jittered(Duration::from_secs(seconds)).max(Duration::from_secs(1));
    let age = u64::try_from(now.saturating_sub(device.attested_at)).unwrap_or(0);
    if device.attested_at > 0 && age < renew_after {
        return Ok(again(renew_after - age));
    }
    let (statement, signatures) = sign(worker, &device, now).await?;
    send(worker, &device, &statement, &signatures).await?;
    let measured = statement.measured;
    tracing::info!(
        measured_at = now,
        tops = f64::from(measured.tops_e2) / 100.0,
        memory_mib = measured.memory_mib,
        "device attested"
    );
    worker.tell();
    Ok(again(renew_after))
}

/// What the oracles measured of the device, as far as it meets its class, by link.
async fn usable(worker: &Worker, device: &Device) -> Result<Vec<(usize, Figures)>> {
    let class: Option<DeviceClass> =
        accounts::fetch_maybe(worker.chain.rpc(), &pda::class(device.class)).await?;
    let least = class.map_or((0, 0), |class| (class.min_tops_e2, class.min_memory_mib));
    let mut figures = worker.proving.measured();
    figures.retain(|(_, figures)| figures.tops_e2 >= least.0 && figures.memory_mib >= least.1);
    Ok(figures)
}

/// Has a quorum of oracles sign figures of now.
async fn sign(
    worker: &Worker,
    device: &Device,
    now: i64,
) -> Result<(DeviceStatement, Vec<(Pubkey, Signature)>)> {
    let chain = &worker.chain;
    let set = chain.oracle_set().await?;
    let quorum = usize::from(set.quorum).max(1);
    let mut figures = usable(worker, device).await?;
    let count = figures.len();
    let region = worker.config.region_code()?;
    let mut refusals: Vec<String> = Vec::new();
    loop {
        let (asked, measured) =
            worst_of_the_best(&mut figures, quorum, region).with_context(|| {
                format!(
                    "{count} of {quorum} oracles have measured what the device's class asks for yet{}",
                    because(&refusals)
                )
            })?;
        let statement = DeviceStatement {
            deployment: chain.deployment(),
            set_version: set.version,
            device: worker.address.to_bytes(),
            provider: device.provider.to_bytes(),
            class: device.class,
            since: device.since,
            measured_at: now,
            measured,
        };
        let signed = gather(worker, &statement, &set, &mut refusals).await;
        let mut signatures = one_each(&signed);
        if signatures.len() >= quorum {
            signatures.truncate(quorum);
            return Ok((statement, signatures));
        }
        // Whoever doesn't sign what it measured itself may have said so to keep others from signing: it is asked no more.
        let before = figures.len();
        figures.retain(|(link, _)| {
            !asked.contains(link) || signed.get(*link).is_some_and(Option::is_some)
        });
        if figures.len() == before {
            anyhow::bail!(
                "{} of {quorum} oracles signed its figures{}",
                signatures.len(),
                because(&refusals)
            );
        }
    }
}

/// What oracles that didn't sign said, as the end of a sentence.
fn because(refusals: &[String]) -> String {
    match refusals {
        [] => String::new(),
        some => format!(": {}", some.join("; ")),
    }
}

/// The first signature of each oracle: several links may lead to one.
fn one_each(signed: &[Option<(Pubkey, Signature)>]) -> Vec<(Pubkey, Signature)> {
    let mut all: Vec<(Pubkey, Signature)> = Vec::new();
    for signed in signed.iter().flatten() {
        if all.iter().all(|(known, _)| *known != signed.0) {
            all.push(*signed);
        }
    }
    all
}

/// Asks every oracle to sign. What comes of it, by link; `refusals` then says why others didn't.
async fn gather(
    worker: &Worker,
    statement: &DeviceStatement,
    set: &OracleSet,
    refusals: &mut Vec<String>,
) -> Vec<Option<(Pubkey, Signature)>> {
    let measured = statement.measured;
    let request = DeviceAttestRequest {
        measured_at: statement.measured_at,
        tops_e2: measured.tops_e2,
        memory_mib: measured.memory_mib,
        bandwidth_mib_s: measured.bandwidth_mib_s,
        down_mbit: measured.down_mbit,
        up_mbit: measured.up_mbit,
        latency_ms: measured.latency_ms,
        region: worker.config.region.clone(),
    };
    let key = worker.chain.request_key();
    let answers = join_all(
        worker
            .oracles
            .iter()
            .map(|oracle| oracle.attest_device(&key, &statement.device, &request)),
    )
    .await;
    refusals.clear();
    let mut signed = Vec::new();
    for (oracle, answer) in worker.oracles.iter().zip(answers) {
        let checked = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| check(&answer, statement, set));
        signed.push(match checked {
            Ok(signed) => Some(signed),
            Err(reason) => {
                refusals.push(format!("{}: {reason}", oracle.host()));
                None
            }
        });
    }
    signed
}

/// What a quorum of oracles signs, and the links of those who measured it: in each figure the worst of the best. Oracles are as good as
/// their worst figure beside the middle one of all: one that claims the most in one figure and next to nothing in another doesn't lead.
fn worst_of_the_best(
    figures: &mut [(usize, Figures)],
    quorum: usize,
    region: u16,
) -> Option<(Vec<usize>, Measured)> {
    // The more the better. A round trip counts by how many of it fit into a time.
    const EACH: [fn(&Figures) -> f64; 6] = [
        |f| f.tops_e2.into(),
        |f| f.memory_mib.into(),
        |f| f.bandwidth_mib_s.into(),
        |f| f.down_mbit.into(),
        |f| f.up_mbit.into(),
        |f| f64::from(MAX_LATENCY_MS) / f64::from(f.latency_ms.max(1)),
    ];
    let middle = EACH.map(|of| {
        let mut all: Vec<f64> = figures.iter().map(|(_, figures)| of(figures)).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(0.0).max(1.0)
    });
    let worst = |figures: &Figures| {
        EACH.iter()
            .zip(middle)
            .map(|(of, middle)| of(figures) / middle)
            .fold(f64::INFINITY, f64::min)
    };
    figures.sort_by(|(_, a), (_, b)| worst(b).total_cmp(&worst(a)));
    let best = figures.get(..quorum)?;
    let least = |of: fn(&Figures) -> u32| best.iter().map(|(_, figures)| of(figures)).min();
    let measured = Measured {
        tops_e2: least(|f| f.tops_e2)?,
        memory_mib: least(|f| f.memory_mib)?,
        bandwidth_mib_s: least(|f| f.bandwidth_mib_s)?,
        down_mbit: least(|f| f.down_mbit)?,
        up_mbit: least(|f| f.up_mbit)?,
        latency_ms: best.iter().map(|(_, figures)| figures.latency_ms).max()?,
        region,
    };
    Some((best.iter().map(|(link, _)| *link).collect(), measured))
}

/// The signer and its signature, if the answer is worth something.
fn check(
    answer: &DeviceAttestation,
    statement: &DeviceStatement,
    set: &OracleSet,
) -> Result<(Pubkey, Signature), String> {
    let key = text::parse_key(&answer.oracle)
        .filter(|key| set.position(key).is_some())
        .ok_or("it isn't an active oracle")?;
    let signature = text::parse_signature(&answer.signature).ok_or("its signature isn't one")?;
    if !verify_signature(&key, &statement.to_bytes(), &signature) {
        return Err(format!(
            "it signed something else (its set is {}, ours {})",
            answer.set_version, statement.set_version
        ));
    }
    Ok((Pubkey::new_from_array(key), Signature::from(signature)))
}

async fn send(
    worker: &Worker,
    device: &Device,
    statement: &DeviceStatement,
    signatures: &[(Pubkey, Signature)],
) -> Result<()> {
    let measured = statement.measured;
    let args = AttestDeviceArgs {
        measured_at: statement.measured_at,
        tops_e2: measured.tops_e2,
        memory_mib: measured.memory_mib,
        bandwidth_mib_s: measured.bandwidth_mib_s,
        down_mbit: measured.down_mbit,
        up_mbit: measured.up_mbit,
        latency_ms: measured.latency_ms,
        region: measured.region,
    };
    let check = ed25519::verify(&statement.to_bytes(), signatures)?;
    let attest = instructions::attest_device(&worker.address, device.class, args);
    // The renewal of this very attestation, done once.
    let intent = format!(
        "attest:{}:{}:{}",
        worker.address, device.attested_at, device.since
    );
    worker
        .chain
        .send(intent, vec![check, attest])
        .await
        .context("attesting the device failed")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use io_client::Wallet;
    use io_protocol::messages::Deployment;

    fn of(link: usize, tops_e2: u32, memory_mib: u32, bandwidth_mib_s: u32) -> (usize, Figures) {
        let figures = Figures {
            measured_at: 0,
            tops_e2,
            memory_mib,
            bandwidth_mib_s,
            down_mbit: 100,
            up_mbit: 50,
            latency_ms: 20,
        };
        (link, figures)
    }

    /// The same with these figures of its link.
    fn linked(
        of: (usize, Figures),
        down_mbit: u32,
        up_mbit: u32,
        latency_ms: u16,
    ) -> (usize, Figures) {
        let figures = Figures {
            down_mbit,
            up_mbit,
            latency_ms,
            ..of.1
        };
        (of.0, figures)
    }

    #[test]
    fn a_quorum_is_asked_for_the_worst_that_its_best_measured() {
        let mut three = [
            of(0, 5, 1, 1),
            linked(of(1, 30, 64, 9), 90, 60, 10),
            linked(of(2, 20, 80, 7), 110, 40, 30),
        ];
        let (links, asked) = worst_of_the_best(&mut three, 2, 7).unwrap();
        assert_eq!(
            asked,
            Measured {
                tops_e2: 20,
                memory_mib: 64,
                bandwidth_mib_s: 7,
                down_mbit: 90,
                up_mbit: 40,
                latency_ms: 30,
                region: 7
            }
        );
        assert!(links.contains(&1) && links.contains(&2));
        let (_, all) = worst_of_the_best(&mut three, 3, 0).unwrap();
        assert_eq!(all.tops_e2, 5);
        assert_eq!(worst_of_the_best(&mut three, 4, 0), None);
        assert_eq!(worst_of_the_best(&mut [], 1, 0), None);
    }

    #[test]
    fn one_that_lies_in_a_figure_does_not_lead() {
        let honest = [of(0, 30, 64, 9), of(1, 29, 66, 8)];
        let lies = [
            (u32::MAX, 0, 0),
            (u32::MAX, 1, u32::MAX),
            (1, u32::MAX, u32::MAX),
            (30, 64, 0),
        ];
        for (tops, memory, bandwidth) in lies {
            let mut all = [of(2, tops, memory, bandwidth), honest[0], honest[1]];
            let (links, asked) = worst_of_the_best(&mut all, 2, 0).unwrap();
            assert!(!links.contains(&2), "{tops} {memory} {bandwidth}");
            assert_eq!(
                (asked.tops_e2, asked.memory_mib, asked.bandwidth_mib_s),
                (29, 64, 8)
            );
        }
        for (down, up, latency) in [(0, 50, 20), (u32::MAX, 0, 1), (100, 50, MAX_LATENCY_MS)] {
            let liar = linked(of(2, u32::MAX, 64, 9), down, up, latency);
            let mut all = [liar, honest[0], honest[1]];
            let (links, asked) = worst_of_the_best(&mut all, 2, 0).unwrap();
            assert!(!links.contains(&2), "{down} {up} {latency}");
            assert_eq!(
                (asked.down_mbit, asked.up_mbit, asked.latency_ms),
                (100, 50, 20)
            );
        }
        // One that says the most of everything leads, and asks nobody for more than another measured.
        let mut all = [of(2, u32::MAX, u32::MAX, u32::MAX), honest[0], honest[1]];
        let (links, asked) = worst_of_the_best(&mut all, 2, 0).unwrap();
        assert!(links.contains(&2) && asked.tops_e2 <= 30);
    }

    #[test]
    fn where_no_oracle_refused_no_reason_is_named() {
        assert_eq!(because(&[]), "");
        let two = ["a: late".to_owned(), "b: busy".to_owned()];
        assert_eq!(because(&two), ": a: late; b: busy");
    }

    #[test]
    fn two_links_to_one_oracle_are_one_signature() {
        let by = |seed| {
            let wallet = Wallet::from_seed(&[seed; 32]);
            (wallet.address(), wallet.sign(b"figures"))
        };
        let signed = [Some(by(1)), None, Some(by(2)), Some(by(1))];
        assert_eq!(one_each(&signed), [by(1), by(2)]);
    }

    #[test]
    fn only_an_active_oracles_signature_over_these_figures_counts() {
        let oracle = Wallet::from_seed(&[1; 32]);
        let mut set: OracleSet = bytemuck::Zeroable::zeroed();
        (set.version, set.count, set.used, set.quorum) = (4, 1, 1, 1);
        set.oracles[0] = oracle.address();
        let statement = DeviceStatement {
            deployment: Deployment {
                program: [1; 32],
                cluster: [2; 32],
            },
            set_version: 4,
            device: [7; 32],
            provider: [8; 32],
            class: 1,
            since: 5,
            measured_at: 9,
            measured: Measured {
                tops_e2: 10,
                memory_mib: 20,
                bandwidth_mib_s: 30,
                down_mbit: 40,
                up_mbit: 50,
                latency_ms: 60,
                region: 0,
            },
        };
        let answer = |by: &Wallet, over: &DeviceStatement| DeviceAttestation {
            oracle: by.address().to_string(),
            set_version: 4,
            device: Pubkey::new_from_array([7; 32]).to_string(),
            provider: Pubkey::new_from_array([8; 32]).to_string(),
            class: 1,
            since: 5,
            measured_at: 9,
            signature: by.sign(&over.to_bytes()).to_string(),
        };
        assert_eq!(
            check(&answer(&oracle, &statement), &statement, &set)
                .unwrap()
                .0,
            oracle.address()
        );
        let stranger = Wallet::from_seed(&[2; 32]);
        assert!(check(&answer(&stranger, &statement), &statement, &set).is_err());
        let better = DeviceStatement {
            measured: Measured {
                tops_e2: 11,
                ..statement.measured
            },
            ..statement
        };
        assert!(check(&answer(&oracle, &better), &statement, &set).is_err());
        let again = DeviceStatement {
            since: 6,
            ..statement
        };
        assert!(check(&answer(&oracle, &again), &statement, &set).is_err());
        let newer = DeviceStatement {
            set_version: 5,
            ..statement
        };
        assert!(check(&answer(&oracle, &statement), &newer, &set).is_err());
    }
}
