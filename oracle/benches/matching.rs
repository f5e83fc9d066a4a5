//! Time to find the best device, with many devices and many open jobs in memory. Prints JSON lines
//! {name, value, unit, baseline}: the baseline is the aim.
//!
//! `cargo bench -p io-oracle --bench matching`. Under `cargo test` it runs once over a small market.

use std::time::Instant;

use io_oracle::matching::{Candidate, Matcher, Skill, Want};

/// Open jobs.
const JOBS: usize = 10_000;
const AIM_P99_US: f64 = 1_000.0;

/// xorshift64*: the same market in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

const CLASSES: [(u16, u32, u32); 8] = [
    (1, 3_000, 196_608),
    (2, 1_200, 144_384),
    (3, 1_000, 81_920),
    (4, 500, 81_920),
    (5, 450, 49_152),
    (6, 175, 24_576),
    (7, 125, 24_576),
    (8, 100, 16_384),
];

fn candidate(random: &mut Random, n: u32) -> Candidate {
    let (class, multiplier_e2, memory_mib) = CLASSES[random.below(8) as usize];
    let mut device = [0; 32];
    device[..4].copy_from_slice(&n.to_le_bytes());
    device[4] = random.below(256) as u8;
    Candidate {
        device,
        class,
        multiplier_e2,
        memory_mib,
        tops_e2: 1_000 + random.below(100_000) as u32,
        latency_ms: random.below(300) as u16,
        region: 0x4141 + random.below(40) as u16,
        reputation_bps: 3_000 + random.below(7_000) as u16,
        free_bond: 1_000_000 * (1 + random.below(1_000_000)),
        skills: vec![Skill {
            engine: "embed".into(),
            ask: 10_000_000 + random.below(90_000_000),
            speed: 50.0 + random.below(5_000) as f64,
        }],
    }
}

fn want(random: &mut Random) -> Want {
    let (class, multiplier_e2, memory_mib) = CLASSES[random.below(8) as usize];
    Want {
        engine: "embed".into(),
        class: (random.below(3) == 0).then_some(class),
        min_multiplier_e2: if random.below(3) == 0 {
            multiplier_e2
        } else {
            0
        },
        min_memory_mib: if random.below(2) == 0 { memory_mib } else { 0 },
        region: if random.below(3) == 0 {
            0x4141 + random.below(45) as u16
        } else {
            0
        },
        min_reputation_bps: random.below(10_000) as u16,
        max_price: 5_000_000 + random.below(95_000_000),
        max_units: random.below(2_000_000),
        io_per_unit_e9: 1_000_000_000,
    }
}

fn line(name: &str, value: f64, unit: &str, baseline: Option<f64>) {
    let baseline = baseline.map_or_else(|| "null".to_owned(), |baseline| baseline.to_string());
    println!(
        "{{\"name\":\"{name}\",\"value\":{value},\"unit\":\"{unit}\",\"baseline\":{baseline}}}"
    );
}

fn measure(devices: u32, jobs: usize) {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut matcher = Matcher::new();
    let start = Instant::now();
    for n in 0..devices {
        matcher.put(candidate(&mut random, n));
    }
    let filled = start.elapsed();
    let mut finds = Vec::with_capacity(jobs);
    let mut rounds = Vec::with_capacity(jobs);
    let mut matched = 0_u32;
    for n in 0..jobs {
        let want = want(&mut random);
        let mut job = [0; 32];
        job[..8].copy_from_slice(&(n as u64).to_le_bytes());
        let start = Instant::now();
        let found = matcher.best(&job, &want, &|_| false);
        finds.push(start.elapsed().as_secs_f64() * 1e6);
        if let Some(found) = found {
            matched += 1;
            // The device takes the job, and comes back with a new ask.
            matcher.gave(&found.device);
            matcher.remove(&found.device);
            let n = u32::from_le_bytes([
                found.device[0],
                found.device[1],
                found.device[2],
                found.device[3],
            ]);
            matcher.put(Candidate {
                device: found.device,
                ..candidate(&mut random, n)
            });
        }
        rounds.push(start.elapsed().as_secs_f64() * 1e6);
    }
    assert_eq!(matcher.len(), devices as usize);
    assert!(
        matched > 0 && (matched as usize) < jobs,
        "the market has both jobs that find a device and jobs that do not"
    );
    let quantile = |all: &mut Vec<f64>, q: f64| {
        all.sort_by(f64::total_cmp);
        all[((all.len() - 1) as f64 * q) as usize]
    };
    let name = |what: &str| format!("match_{what}_{devices}_devices_{jobs}_jobs");
    line(&name("p50"), quantile(&mut finds, 0.5), "us", None);
    line(
        &name("p99"),
        quantile(&mut finds, 0.99),
        "us",
        Some(AIM_P99_US),
    );
    line(
        &name("with_update_p99"),
        quantile(&mut rounds, 0.99),
        "us",
        Some(AIM_P99_US),
    );
    line(&name("matched"), f64::from(matched), "jobs", None);
    line(
        &format!("market_fill_{devices}_devices"),
        filled.as_secs_f64() * 1e3,
        "ms",
        None,
    );
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        measure(1_000, 500);
        return;
    }
    for devices in [1_000, 10_000, 100_000] {
        measure(devices, JOBS);
    }
}
