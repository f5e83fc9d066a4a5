//! Which device is best for a job. Pure and in memory: no I/O, no clock.
//!
//! Devices that take jobs now are ranked for each engine, class and region: by score, among equal scores the one longest
//! without a job first. A query walks the rankings that can meet it from the best on, and ends with the first device that
//! meets the requirement; among equals in score and waiting (the first [`TIES`] of them by address), a hash of job and
//! device decides, so that no device is favoured by its address, and oracles that know the same choose the same.
//!
//! A ranking is cut into blocks that each know the best of what they hold, so a query passes over blocks in which nothing
//! can meet it.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use io_protocol::{messages::Bytes32, money};

/// Equals among which the hash decides, at most.
pub const TIES: usize = 32;
/// Engines that one device may offer.
pub const MAX_ENGINES: usize = 16;
/// Entries of a block before it is cut in two.
const BLOCK: usize = 128;

/// Points that halving the ask brings.
const PRICE_POINTS: f64 = 40.0;
/// Points that doubling the measured speed brings.
const SPEED_POINTS: f64 = 20.0;
/// Points between the worst and the best reputation.
const REPUTATION_POINTS: f64 = 100.0;
/// Points between no latency and an endless one; half of them are lost at [`HALF_LATENCY_MS`].
const LATENCY_POINTS: f64 = 20.0;
const HALF_LATENCY_MS: f64 = 100.0;
/// Devices closer than this are equals: about 7 % in price.
const POINTS_PER_SCORE: f64 = 4.0;

/// What a job needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub engine: String,
    /// Exact class; any where `None`.
    pub class: Option<u16>,
    pub min_multiplier_e2: u32,
    pub min_memory_mib: u32,
    /// Packed region; 0 for any.
    pub region: u16,
    pub min_reputation_bps: u16,
    /// Most for 1,000 units, base units of the job's mint.
    pub max_price: u64,
    pub max_units: u64,
    /// Weight of the job's mint in exposure.
    pub io_per_unit_e9: u64,
}

/// What a device asks for one engine, and does.
#[derive(Clone, Debug, PartialEq)]
pub struct Skill {
    pub engine: String,
    /// Base units for 1,000 units.
    pub ask: u64,
    /// Units a second, as the device says: for estimates, not for its rank.
    pub speed: f64,
}

/// A device that takes jobs now.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub device: Bytes32,
    pub class: u16,
    pub multiplier_e2: u32,
    pub memory_mib: u32,
    /// Attested int8 TOPS, hundredths, and round trip.
    pub tops_e2: u32,
    pub latency_ms: u16,
    pub region: u16,
    pub reputation_bps: u16,
    /// Bond less exposure, IO base units.
    pub free_bond: u64,
    pub skills: Vec<Skill>,
}

impl Candidate {
    /// Whether other jobs than before may fit: latency and speed only rank.
    fn differs(&self, other: &Self) -> bool {
        let asks = |candidate: &Self| {
            candidate
                .skills
                .iter()
                .map(|skill| (skill.engine.clone(), skill.ask))
                .collect::<Vec<_>>()
        };
        (
            self.class,
            self.multiplier_e2,
            self.memory_mib,
            self.region,
            self.reputation_bps,
            self.free_bond,
        ) != (
            other.class,
            other.multiplier_e2,
            other.memory_mib,
            other.region,
            other.reputation_bps,
            other.free_bond,
        ) || asks(self) != asks(other)
    }
}

/// Rank of a device for an engine; higher is better.
pub fn score(ask: u64, tops_e2: u32, reputation_bps: u16, latency_ms: u16) -> i32 {
    let price = -PRICE_POINTS * (ask as f64 + 1.0).log2();
    let speed = SPEED_POINTS * f64::from(tops_e2.max(1)).log2();
    let reputation = REPUTATION_POINTS * f64::from(reputation_bps) / 10_000.0;
    let latency = LATENCY_POINTS / (1.0 + f64::from(latency_ms) / HALF_LATENCY_MS);
    ((price + speed + reputation + latency) / POINTS_PER_SCORE).round() as i32
}

/// Which of equals: the higher hash.
fn rendezvous(job: &Bytes32, device: &Bytes32) -> Bytes32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(job);
    hasher.update(device);
    *hasher.finalize().as_bytes()
}

/// What the program takes as a device's gain by cheating in the job; `None` when it does not fit.
fn exposure(want: &Want, ask: u64) -> Option<u64> {
    // Who only asks what a job would cost names no highest price.
    let price = match want.max_price {
        u64::MAX => ask,
        most => money::exposure_price(ask, most),
    };
    let payment = money::payment_ceil(want.max_units, price).ok()?;
    money::exposure_ceil(payment, want.io_per_unit_e9).ok()
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    score: i32,
    /// Number of the last job given to the device; 0 for none yet.
    last_given: u64,
    device: Bytes32,
    ask: u64,
    free_bond: u64,
    speed: f64,
    multiplier_e2: u32,
    memory_mib: u32,
    class: u16,
    region: u16,
    reputation_bps: u16,
}

impl Entry {
    /// Best first.
    fn order(&self, other: &Self) -> Ordering {
        (other.score, self.last_given, &self.device).cmp(&(
            self.score,
            other.last_given,
            &other.device,
        ))
    }

    /// The first requirement that it does not meet.
    fn misses(&self, want: &Want) -> Option<&'static str> {
        if want.class.is_some_and(|class| class != self.class) {
            Some("class")
        } else if self.multiplier_e2 < want.min_multiplier_e2 {
            Some("min_multiplier_e2")
        } else if self.memory_mib < want.min_memory_mib {
            Some("min_memory_mib")
        } else if want.region != 0 && self.region != want.region {
            Some("region")
        } else if self.reputation_bps < want.min_reputation_bps {
            Some("min_reputation_bps")
        } else if self.ask > want.max_price {
            Some("max_price")
        } else if exposure(want, self.ask).is_none_or(|exposure| exposure > self.free_bond) {
            Some("bond")
        } else {
            None
        }
    }
}

/// The best of what a block holds.
#[derive(Clone, Copy, Debug)]
struct Summary {
    max_multiplier_e2: u32,
    max_memory_mib: u32,
    max_reputation_bps: u16,
    min_ask: u64,
    max_free_bond: u64,
}

impl Summary {
    const EMPTY: Self = Self {
        max_multiplier_e2: 0,
        max_memory_mib: 0,
        max_reputation_bps: 0,
        min_ask: u64::MAX,
        max_free_bond: 0,
    };

    fn add(&mut self, entry: &Entry) {
        self.max_multiplier_e2 = self.max_multiplier_e2.max(entry.multiplier_e2);
        self.max_memory_mib = self.max_memory_mib.max(entry.memory_mib);
        self.max_reputation_bps = self.max_reputation_bps.max(entry.reputation_bps);
        self.min_ask = self.min_ask.min(entry.ask);
        self.max_free_bond = self.max_free_bond.max(entry.free_bond);
    }

    /// False only if no entry can meet it.
    fn may_meet(&self, want: &Want) -> bool {
        self.max_multiplier_e2 >= want.min_multiplier_e2
            && self.max_memory_mib >= want.min_memory_mib
            && self.max_reputation_bps >= want.min_reputation_bps
            && self.min_ask <= want.max_price
            && exposure(want, self.min_ask).is_some_and(|least| least <= self.max_free_bond)
    }
}

struct Block {
    entries: Vec<Entry>,
    summary: Summary,
}

impl Block {
    fn new(entries: Vec<Entry>) -> Self {
        let mut block = Self {
            entries,
            summary: Summary::EMPTY,
        };
        block.summarise();
        block
    }

    fn summarise(&mut self) {
        self.summary = Summary::EMPTY;
        for entry in &self.entries {
            self.summary.add(entry);
        }
    }
}

/// Devices that offer one engine, of one class and region, best first.
#[derive(Default)]
struct Ranking {
    /// None is empty.
    blocks: Vec<Block>,
    len: usize,
}

impl Ranking {
    /// The block in which an entry is or belongs.
    fn block_of(&self, entry: &Entry) -> usize {
        let at = self.blocks.partition_point(|block| {
            block
                .entries
                .last()
                .is_some_and(|last| last.order(entry) == Ordering::Less)
        });
        at.min(self.blocks.len().saturating_sub(1))
    }

    /// Adds to `equals` what meets the requirement here and is as good.
    fn search<'a>(
        &'a self,
        want: &Want,
        excluded: &dyn Fn(&Bytes32) -> bool,
        equals: &mut Equals<'a>,
    ) {
        for block in &self.blocks {
            if block
                .entries
                .first()
                .is_some_and(|first| equals.compare(first) == Ordering::Greater)
            {
                return;
            }
            if !block.summary.may_meet(want) {
                continue;
            }
            for entry in &block.entries {
                if equals.compare(entry) == Ordering::Greater {
                    return;
                }
                if entry.misses(want).is_none() && !excluded(&entry.device) && !equals.take(entry) {
                    return;
                }
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.len += 1;
        let at = self.block_of(&entry);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(Block::new(vec![entry]));
            return;
        };
        let place = block
            .entries
            .partition_point(|other| other.order(&entry) == Ordering::Less);
        block.entries.insert(place, entry);
        block.summary.add(&entry);
        if block.entries.len() > BLOCK {
            let upper = block.entries.split_off(BLOCK / 2);
            block.summarise();
            self.blocks.insert(at + 1, Block::new(upper));
        }
    }

    fn remove(&mut self, entry: &Entry) {
        let at = self.block_of(entry);
        let Some(block) = self.blocks.get_mut(at) else {
            return;
        };
        let Ok(place) = block.entries.binary_search_by(|other| other.order(entry)) else {
            return;
        };
        block.entries.remove(place);
        self.len -= 1;
        block.summarise();
        if block.entries.is_empty() {
            self.blocks.remove(at);
        } else if block.entries.len() < BLOCK / 4
            && let Some(next) = self.blocks.get(at + 1)
            && next.entries.len() < BLOCK / 2
        {
            let next = self.blocks.remove(at + 1);
            if let Some(block) = self.blocks.get_mut(at) {
                block.entries.extend(next.entries);
                block.summarise();
            }
        }
    }
}

/// Devices that offer one engine: a ranking for each class and region, since those are what a job most often insists on.
#[derive(Default)]
struct Shelf {
    rankings: HashMap<(u16, u16), Ranking>,
    len: usize,
}

impl Shelf {
    fn insert(&mut self, entry: Entry) {
        self.rankings
            .entry((entry.class, entry.region))
            .or_default()
            .insert(entry);
        self.len += 1;
    }

    fn remove(&mut self, entry: &Entry) {
        let key = (entry.class, entry.region);
        if let Some(ranking) = self.rankings.get_mut(&key) {
            let before = ranking.len;
            ranking.remove(entry);
            self.len -= before - ranking.len;
            if ranking.len == 0 {
                self.rankings.remove(&key);
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.rankings
            .values()
            .flat_map(|ranking| &ranking.blocks)
            .flat_map(|block| &block.entries)
    }

    fn best(
        &self,
        job: &Bytes32,
        want: &Want,
        excluded: &dyn Fn(&Bytes32) -> bool,
    ) -> Option<&Entry> {
        // The best head first: what is found there ends the search in the others early.
        let mut rankings: Vec<(&Entry, &Ranking)> = self
            .rankings
            .iter()
            .filter(|((class, region), _)| {
                want.class.is_none_or(|wanted| wanted == *class)
                    && (want.region == 0 || want.region == *region)
            })
            .filter_map(|(_, ranking)| Some((ranking.blocks.first()?.entries.first()?, ranking)))
            .collect();
        rankings.sort_unstable_by(|(a, _), (b, _)| a.order(b));
        let mut equals = Equals::default();
        for (_, ranking) in rankings {
            ranking.search(want, excluded, &mut equals);
        }
        equals
            .found
            .into_values()
            .max_by_key(|entry| rendezvous(job, &entry.device))
    }
}

/// The best found so far: equals in score and waiting, the first [`TIES`] of them by address.
#[derive(Default)]
struct Equals<'a> {
    found: BTreeMap<Bytes32, &'a Entry>,
}

impl<'a> Equals<'a> {
    /// How an entry compares with what was found: `Less` when it is better.
    fn compare(&self, entry: &Entry) -> Ordering {
        match self.found.values().next() {
            None => Ordering::Less,
            Some(found) => (found.score, entry.last_given).cmp(&(entry.score, found.last_given)),
        }
    }

    /// Takes an entry that meets the requirement. False when nothing after it in its ranking can count any more.
    fn take(&mut self, entry: &'a Entry) -> bool {
        match self.compare(entry) {
            Ordering::Greater => return false,
            Ordering::Less => self.found.clear(),
            Ordering::Equal => {}
        }
        self.found.insert(entry.device, entry);
        if self.found.len() > TIES {
            let last = self.found.pop_last();
            return last.is_none_or(|(device, _)| device != entry.device);
        }
        true
    }
}

/// What a device was chosen with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    pub device: Bytes32,
    pub ask: u64,
    pub score: i32,
}

/// What meets a requirement, and why the rest does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Asks of those that meet it, lowest first.
    pub asks: Vec<u64>,
    /// Speed and class of a device with the lowest ask: of several the fastest.
    pub speed: Option<f64>,
    pub class: Option<u16>,
    /// The first requirement that a device does not meet → devices.
    pub removed: BTreeMap<&'static str, u32>,
}

/// All devices that take jobs now.
#[derive(Default)]
pub struct Matcher {
    shelves: HashMap<String, Shelf>,
    devices: HashMap<Bytes32, (Candidate, Vec<(String, Entry)>)>,
    /// Number of the last job given to each device; kept when it goes, so that coming back brings no advantage.
    given: HashMap<Bytes32, u64>,
    jobs_given: u64,
}

/// Devices whose last job is remembered.
const MAX_GIVEN: usize = 1_000_000;

impl Matcher {
    pub fn new() -> Self {
        Self::default()
    }

    /// Devices that take jobs now.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    pub fn contains(&self, device: &Bytes32) -> bool {
        self.devices.contains_key(device)
    }

    /// Adds a device or takes over what changed. True when jobs that wait should be tried again: not for every change of
    /// latency.
    pub fn put(&mut self, candidate: Candidate) -> bool {
        let news = match self.devices.get(&candidate.device) {
            Some((known, _)) if *known == candidate => return false,
            Some((known, _)) => known.differs(&candidate),
            None => true,
        };
        self.remove(&candidate.device);
        let last_given = self.given.get(&candidate.device).copied().unwrap_or(0);
        let mut entries = Vec::with_capacity(candidate.skills.len());
        for skill in candidate.skills.iter().take(MAX_ENGINES) {
            let entry = Entry {
                score: score(
                    skill.ask,
                    candidate.tops_e2,
                    candidate.reputation_bps,
                    candidate.latency_ms,
                ),
                last_given,
                device: candidate.device,
                ask: skill.ask,
                free_bond: candidate.free_bond,
                speed: skill.speed,
                multiplier_e2: candidate.multiplier_e2,
                memory_mib: candidate.memory_mib,
                class: candidate.class,
                region: candidate.region,
                reputation_bps: candidate.reputation_bps,
            };
            self.shelves
                .entry(skill.engine.clone())
                .or_default()
                .insert(entry);
            entries.push((skill.engine.clone(), entry));
        }
        self.devices.insert(candidate.device, (candidate, entries));
        news
    }

    pub fn remove(&mut self, device: &Bytes32) -> bool {
        let Some((_, entries)) = self.devices.remove(device) else {
            return false;
        };
        for (engine, entry) in entries {
            if let Some(shelf) = self.shelves.get_mut(&engine) {
                shelf.remove(&entry);
                if shelf.len == 0 {
                    self.shelves.remove(&engine);
                }
            }
        }
        true
    }

    /// The best device for a job, but for those excluded.
    pub fn best(
        &self,
        job: &Bytes32,
        want: &Want,
        excluded: &dyn Fn(&Bytes32) -> bool,
    ) -> Option<Match> {
        let entry = self.shelves.get(&want.engine)?.best(job, want, excluded)?;
        Some(Match {
            device: entry.device,
            ask: entry.ask,
            score: entry.score,
        })
    }

    /// Notes that a device was given a job: it stands behind its equals now.
    pub fn gave(&mut self, device: &Bytes32) {
        self.jobs_given += 1;
        if self.given.len() >= MAX_GIVEN && !self.given.contains_key(device) {
            self.given.clear();
        }
        self.given.insert(*device, self.jobs_given);
        if let Some((candidate, _)) = self.devices.get(device) {
            let candidate = candidate.clone();
            self.remove(device);
            self.put(candidate);
        }
    }

    /// What meets a requirement, looking at every device that offers the engine.
    pub fn survey(&self, want: &Want) -> Survey {
        let mut survey = Survey::default();
        let mut lowest: Option<&Entry> = None;
        for entry in self
            .shelves
            .get(&want.engine)
            .into_iter()
            .flat_map(Shelf::entries)
        {
            match entry.misses(want) {
                Some(reason) => *survey.removed.entry(reason).or_default() += 1,
                None => {
                    survey.asks.push(entry.ask);
                    let key = |entry: &Entry| (entry.ask, -entry.speed);
                    if lowest.is_none_or(|lowest| key(entry) < key(lowest)) {
                        lowest = Some(entry);
                    }
                }
            }
        }
        let others =
            self.devices.len() - self.shelves.get(&want.engine).map_or(0, |shelf| shelf.len);
        if others > 0 {
            survey
                .removed
                .insert("engine", u32::try_from(others).unwrap_or(u32::MAX));
        }
        survey.asks.sort_unstable();
        survey.speed = lowest.map(|entry| entry.speed);
        survey.class = lowest.map(|entry| entry.class);
        survey
    }
}

/// Oracles in the order in which they lead a job: highest BLAKE3(job ‖ oracle) first.
pub fn leaders(job: &Bytes32, oracles: &[Bytes32]) -> Vec<Bytes32> {
    let mut ranked: Vec<_> = oracles
        .iter()
        .map(|oracle| (rendezvous(job, oracle), *oracle))
        .collect();
    ranked.sort_unstable_by(|a, b| b.cmp(a));
    ranked.into_iter().map(|(_, oracle)| oracle).collect()
}

/// Place of an oracle among a job's leaders, 0 first; `None` when it is not in the set.
pub fn rank(job: &Bytes32, oracles: &[Bytes32], oracle: &Bytes32) -> Option<usize> {
    leaders(job, oracles).iter().position(|key| key == oracle)
}

/// Which place leads now: each in turn for `leader_seconds`, over and over, so that a leader that is down, or knows no
/// device, holds a job up no longer than that.
pub fn turn(created_at: i64, now: i64, leader_seconds: u32, oracles: usize) -> usize {
    let turns = now.saturating_sub(created_at).max(0) / i64::from(leader_seconds.max(1));
    usize::try_from(turns).unwrap_or(0) % oracles.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn want() -> Want {
        Want {
            engine: "embed".into(),
            class: None,
            min_multiplier_e2: 0,
            min_memory_mib: 0,
            region: 0,
            min_reputation_bps: 0,
            max_price: u64::MAX,
            max_units: 1_000,
            io_per_unit_e9: 1_000_000_000,
        }
    }

    fn candidate(n: u16, ask: u64) -> Candidate {
        let mut device = [0; 32];
        device[..2].copy_from_slice(&n.to_be_bytes());
        Candidate {
            device,
            class: n % 3,
            multiplier_e2: 100,
            memory_mib: 1_000,
            tops_e2: 100,
            latency_ms: 5,
            region: 0,
            reputation_bps: 5_000,
            free_bond: u64::MAX,
            skills: vec![Skill {
                engine: "embed".into(),
                ask,
                speed: 100.0,
            }],
        }
    }

    const NONE: &dyn Fn(&Bytes32) -> bool = &|_| false;

    #[test]
    fn better_is_cheaper_faster_trusted_and_near() {
        let base = score(1_000_000, 100, 5_000, 50);
        assert!(score(800_000, 100, 5_000, 50) > base);
        assert!(score(1_000_000, 200, 5_000, 50) > base);
        assert!(score(1_000_000, 100, 8_000, 50) > base);
        assert!(score(1_000_000, 100, 5_000, 2_000) < base);
        assert_eq!(
            score(1_010_000, 100, 5_000, 51),
            base,
            "a hundredth is nothing"
        );
        assert!(score(u64::MAX, 0, 0, u16::MAX) < base);
        assert!(score(0, u32::MAX, 10_000, 0) > base);
    }

    #[test]
    fn what_a_device_says_of_its_speed_brings_it_no_job() {
        let mut matcher = Matcher::new();
        let mut boaster = candidate(1, 1_000);
        boaster.skills[0].speed = 1e12;
        let faster = Candidate {
            tops_e2: 130,
            ..candidate(2, 1_000)
        };
        matcher.put(boaster);
        matcher.put(faster.clone());
        for job in 0..20u8 {
            let found = matcher.best(&[job; 32], &want(), NONE).unwrap();
            assert_eq!(found.device, faster.device);
        }
    }

    #[test]
    fn equals_take_turns() {
        let mut matcher = Matcher::new();
        for n in 0..5 {
            matcher.put(candidate(n, 1_000));
        }
        let mut order = Vec::new();
        for job in 0..10u8 {
            let found = matcher.best(&[job; 32], &want(), NONE).unwrap();
            matcher.gave(&found.device);
            order.push(found.device);
        }
        let mut first: Vec<_> = order[..5].to_vec();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5, "each once before any twice");
        assert_eq!(order[..5], order[5..], "then in the same order again");
    }

    #[test]
    fn leaving_and_coming_back_brings_nobody_forward() {
        let mut matcher = Matcher::new();
        matcher.put(candidate(1, 1_000));
        matcher.put(candidate(2, 1_000));
        let first = matcher.best(&[7; 32], &want(), NONE).unwrap().device;
        matcher.gave(&first);
        let again = candidate(u16::from_be_bytes([first[0], first[1]]), 1_000);
        matcher.remove(&first);
        matcher.put(again);
        for job in 0..20u8 {
            assert_ne!(
                matcher.best(&[job; 32], &want(), NONE).unwrap().device,
                first
            );
        }
    }

    #[test]
    fn no_address_is_favoured_among_equals() {
        let mut matcher = Matcher::new();
        for n in 0..8 {
            matcher.put(candidate(n, 1_000));
        }
        let mut wins: HashMap<Bytes32, u32> = HashMap::new();
        for job in 0..4_000u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&job.to_le_bytes());
            *wins
                .entry(matcher.best(&key, &want(), NONE).unwrap().device)
                .or_default() += 1;
        }
        // 500 each on average, standard deviation 21.
        assert!(
            wins.len() == 8 && wins.values().all(|n| (380..=620).contains(n)),
            "{wins:?}"
        );
    }

    #[test]
    fn waiting_jobs_are_tried_again_when_it_may_help() {
        let mut matcher = Matcher::new();
        assert!(matcher.put(candidate(1, 1_000)));
        assert!(!matcher.put(candidate(1, 1_000)));
        assert!(!matcher.put(Candidate {
            latency_ms: 99,
            ..candidate(1, 1_000)
        }));
        assert!(matcher.put(candidate(1, 999)));
        assert!(matcher.put(Candidate {
            free_bond: 5,
            ..candidate(1, 999)
        }));
    }

    #[test]
    fn a_survey_says_what_removed_whom() {
        let mut matcher = Matcher::new();
        for n in 0..6 {
            matcher.put(candidate(n, 1_000 + u64::from(n)));
        }
        matcher.put(Candidate {
            skills: vec![],
            ..candidate(9, 0)
        });
        let survey = matcher.survey(&Want {
            class: Some(0),
            max_price: 1_002,
            ..want()
        });
        assert_eq!(survey.asks, [1_000]);
        assert_eq!(
            survey.removed,
            BTreeMap::from([("class", 4), ("max_price", 1), ("engine", 1)])
        );
        assert_eq!((survey.speed, survey.class), (Some(100.0), Some(0)));
    }

    #[test]
    fn every_oracle_gets_its_turn_and_jobs_differ() {
        let oracles: Vec<Bytes32> = (0..3).map(|n| [n; 32]).collect();
        let mut firsts = std::collections::HashSet::new();
        for job in 0..50u8 {
            let ranked = leaders(&[job; 32], &oracles);
            firsts.insert(ranked[0]);
            assert_eq!(rank(&[job; 32], &oracles, &ranked[2]), Some(2));
        }
        assert_eq!(firsts.len(), 3);
        assert_eq!(rank(&[0; 32], &oracles, &[9; 32]), None);
        assert_eq!(
            [0, 4, 5, 10, 14, 15].map(|now| turn(0, now, 5, 3)),
            [0, 0, 1, 2, 2, 0]
        );
        assert_eq!(turn(100, 0, 5, 3), 0, "a clock that lags");
        assert_eq!(turn(0, i64::MAX, 0, 0), 0);
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (
            0u16..400,
            0u16..4,
            0u32..4,
            0u32..4,
            0u16..3,
            0u16..4,
            0u64..6,
            0u64..6,
            0u16..3,
        );
        prop::collection::vec(one, 0..400).prop_map(|all| {
            all.into_iter()
                .map(
                    |(n, class, multiplier, memory, region, reputation, ask, bond, latency)| {
                        Candidate {
                            class,
                            multiplier_e2: multiplier * 100,
                            memory_mib: memory * 1_000,
                            region,
                            reputation_bps: reputation * 2_500,
                            free_bond: bond * 1_000,
                            latency_ms: latency * 100,
                            ..candidate(n, ask * 1_000)
                        }
                    },
                )
                .collect()
        })
    }

    fn wants() -> impl Strategy<Value = Want> {
        (
            prop::option::of(0u16..4),
            0u32..4,
            0u32..4,
            0u16..3,
            0u16..4,
            0u64..6,
            0u64..3,
        )
            .prop_map(
                |(class, multiplier, memory, region, reputation, price, units)| Want {
                    class,
                    min_multiplier_e2: multiplier * 100,
                    min_memory_mib: memory * 1_000,
                    region,
                    min_reputation_bps: reputation * 2_500,
                    max_price: price * 1_000,
                    max_units: units * 1_000,
                    ..want()
                },
            )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn the_structure_agrees_with_looking_at_everything(
            all in candidates(), removed in prop::collection::vec(0u16..400, 0..80), given in prop::collection::vec(0u16..400, 0..40),
            wants in prop::collection::vec(wants(), 1..12), excluded in 0u16..400, job: [u8; 32],
        ) {
            let mut matcher = Matcher::new();
            let mut plain: BTreeMap<Bytes32, Candidate> = BTreeMap::new();
            let mut last: HashMap<Bytes32, u64> = HashMap::new();
            for c in all {
                plain.insert(c.device, c.clone());
                matcher.put(c);
            }
            for n in removed {
                let device = candidate(n, 0).device;
                prop_assert_eq!(plain.remove(&device).is_some(), matcher.remove(&device));
            }
            for (i, n) in given.into_iter().enumerate() {
                let device = candidate(n, 0).device;
                last.insert(device, i as u64 + 1);
                matcher.gave(&device);
            }
            prop_assert_eq!(matcher.len(), plain.len());
            let excluded = candidate(excluded, 0).device;
            for want in wants {
                let meets = |c: &Candidate| {
                    let ask = c.skills[0].ask;
                    want.class.is_none_or(|class| class == c.class) && c.multiplier_e2 >= want.min_multiplier_e2
                        && c.memory_mib >= want.min_memory_mib && (want.region == 0 || want.region == c.region)
                        && c.reputation_bps >= want.min_reputation_bps && ask <= want.max_price
                        && (want.max_units * ask.max(want.max_price.div_ceil(4))).div_ceil(1_000) <= c.free_bond
                };
                let mut fitting: Vec<_> = plain.values().filter(|c| meets(c) && c.device != excluded).collect();
                let place = |c: &Candidate| {
                    let s = score(c.skills[0].ask, c.tops_e2, c.reputation_bps, c.latency_ms);
                    (-s, last.get(&c.device).copied().unwrap_or(0))
                };
                fitting.sort_by_key(|c| (place(c), c.device));
                let expected = fitting.first().map(|first| {
                    let equals = fitting.iter().take_while(|c| place(c) == place(first)).take(TIES);
                    equals.max_by_key(|c| rendezvous(&job, &c.device)).unwrap().device
                });
                let found = matcher.best(&job, &want, &|device| *device == excluded).map(|found| found.device);
                prop_assert_eq!(found, expected);
                let survey = matcher.survey(&want);
                prop_assert_eq!(survey.asks.len(), plain.values().filter(|c| meets(c)).count());
                prop_assert_eq!(survey.asks.len() + survey.removed.values().sum::<u32>() as usize, plain.len());
            }
        }
    }
}
