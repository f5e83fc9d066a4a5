//! What a round asks for, what its times show, and what stays of it: the rules without what carries them out. Pure.

use std::time::Duration;

use anyhow::Result;
use io_api::types::{Figures, HardwareClaim, ProofAsk};
use io_proof::hardware::{
    Shape,
    memory::{MAX_SEGMENTS, MAX_STRIDES, STRIDE},
    pace::MAX_LATENCY_MS,
    sizes::{self, MAX_HOP_NS},
};
use serde::{Deserialize, Serialize};

/// Segments of 4 KiB in a MiB.
const SEGMENTS_A_MIB: u64 = 256;
/// Memory that a device in use is asked for, MiB: the rest is its renter's, and what was shown before stands.
const HIRED_MEMORY_MIB: u32 = 16;
/// Figures last for two rounds at their latest, and a tenth more, percent of the time between two.
const FRESH_PERCENT: u64 = 220;
/// A round comes earlier than its latest time by up to this share of it.
pub const JITTER_PERCENT: u64 = 20;
/// What a missed regular round adds, a proven one takes off, and what is too much: whoever misses a third of its rounds is refused
/// in time. Else two devices of one owner could be one that answers for each of them in turn.
const MISS: u32 = 2;
const TOO_MANY_MISSES: u32 = 4;
const MOST_MISSES: u32 = 6;
/// What a round adds that was committed to and then not opened: once may be an accident.
const WITHHELD: u32 = 3;

/// How rounds are made. The defaults are the network's published numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rounds {
    /// From the opening to the commitment, milliseconds: what a device's work is sized by.
    pub window_ms: u32,
    /// Share of the window that a device's passes fill at the speed it claims, percent; and while a renter uses it.
    pub fill_percent: u32,
    pub hired_fill_percent: u32,
    /// Longest time between two rounds, seconds; with so many oracles that the budget needs longer, that.
    pub every_seconds: u32,
    /// Longest time from the opening to a commitment that counts, milliseconds; the window when absent. Whoever claims more than it does, so that it is asked for work beside
    /// which the wait for another identity's is short, is too late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_ms: Option<u32>,
    /// How long the memory's filling, and then openings, are waited for, milliseconds.
    pub patience_ms: u32,
    /// Rows opened of each device.
    pub rows: u32,
    /// Strides of a walk through memory, 16 reads each.
    pub strides: u32,
    /// Longest mean time of a read of the walk, the way there and back included, nanoseconds: slower, it shows no memory.
    pub read_ns: u32,
    /// Figures older than this are not signed, seconds, nor those of more than two rounds ago.
    pub figures_seconds: u32,
    /// A device that sent something wrong is not attested for so long, seconds.
    pub refuse_seconds: u32,
}

impl Default for Rounds {
    fn default() -> Self {
        Self {
            window_ms: sizes::WINDOW_MS,
            fill_percent: sizes::FILL_PERCENT,
            hired_fill_percent: sizes::HIRED_FILL_PERCENT,
            every_seconds: sizes::ROUND_SECONDS,
            commit_ms: None,
            patience_ms: 30_000,
            rows: sizes::ROWS,
            strides: sizes::STRIDES,
            read_ns: MAX_HOP_NS as u32,
            figures_seconds: 5_400,
            refuse_seconds: 24 * 3_600,
        }
    }
}

impl Rounds {
    pub fn check(&self) -> Result<()> {
        let bounds = [
            ("window_ms", self.window_ms, 50, 60_000),
            ("fill_percent", self.fill_percent, 1, 100),
            ("hired_fill_percent", self.hired_fill_percent, 1, 100),
            ("every_seconds", self.every_seconds, 60, 86_400),
            ("commit_ms", self.commit_ms(), self.window_ms, 600_000),
            ("patience_ms", self.patience_ms, self.window_ms, 600_000),
            ("rows", self.rows, 1, io_proof::hardware::check::MAX_ROWS),
            ("strides", self.strides, sizes::OPEN_STRIDES, MAX_STRIDES),
            ("read_ns", self.read_ns, 100, 1_000_000),
            ("figures_seconds", self.figures_seconds, 60, 7 * 86_400),
            ("refuse_seconds", self.refuse_seconds, 60, 30 * 86_400),
        ];
        for (name, value, least, most) in bounds {
            anyhow::ensure!(
                (least..=most).contains(&value),
                "`rounds.{name}` is {value}: it must be {least} to {most}"
            );
        }
        Ok(())
    }

    /// Longest time from the opening to a commitment that counts, milliseconds.
    pub fn commit_ms(&self) -> u32 {
        self.commit_ms.unwrap_or(self.window_ms)
    }

    /// Whether a commitment that came so long after the opening counts.
    pub fn is_in_time(&self, took: Duration) -> bool {
        took <= Duration::from_millis(self.commit_ms().into())
    }

    /// Share of the window that passes fill, percent.
    pub fn fill(&self, hired: bool) -> u32 {
        match hired {
            true => self.hired_fill_percent,
            false => self.fill_percent,
        }
    }

    /// What a device's passes take at the speed that it claims, microseconds. Who is done in less time shows no more than in that: else who claims
    /// half its speed would have the other half for a second identity.
    pub fn claimed_micros(&self, hired: bool) -> u64 {
        u64::from(self.window_ms) * 10 * u64::from(self.fill(hired))
    }

    /// How long figures are signed, seconds: as configured, or until the round after the next has been missed.
    pub fn fresh_seconds(&self, oracles: u32) -> u32 {
        let rounds = self.every(oracles).as_secs() * FRESH_PERCENT / 100;
        u32::try_from(rounds)
            .unwrap_or(u32::MAX)
            .max(self.figures_seconds)
    }

    /// What a round is reckoned to take of a device, milliseconds.
    pub fn busy_ms(&self, hired: bool) -> u64 {
        sizes::busy_ms(self.window_ms, self.fill(hired))
    }

    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.patience_ms.into())
    }

    /// Longest time between two rounds: as configured, or what the budget of so many oracles needs, with room for jitter.
    pub fn every(&self, oracles: u32) -> Duration {
        let busy = self.busy_ms(false);
        let needed = u64::from(Shape::round_seconds(oracles.max(1), busy, 0));
        let with_jitter = (needed * 100).div_ceil(100 - JITTER_PERCENT);
        Duration::from_secs(with_jitter.max(self.every_seconds.into()))
    }
}

/// The work for a device: as much as fills its part of the window at the speed that it claims.
pub fn ask(rounds: &Rounds, claim: &HardwareClaim, least_memory_mib: u32, hired: bool) -> ProofAsk {
    let fill = rounds.fill(hired);
    let shape = Shape::for_claim(claim.n, claim.pass_micros, fill, rounds.window_ms);
    // As much memory as is filled in the time of the passes, and what the class needs.
    let filled =
        u64::from(claim.fill_mib_s) * u64::from(rounds.window_ms) * u64::from(fill) / 100_000;
    let memory = if hired {
        u64::from(HIRED_MEMORY_MIB)
    } else {
        filled.max(least_memory_mib.into())
    };
    let mib = memory.clamp(1, claim.memory_mib.max(1).into());
    ProofAsk {
        n: shape.n,
        passes: shape.passes,
        rows: rounds.rows.min(shape.n),
        segments: (mib * SEGMENTS_A_MIB).min(MAX_SEGMENTS),
        strides: rounds.strides,
        open_strides: sizes::OPEN_STRIDES,
    }
}

/// Figures of a proof that was right, without those of the link. `before` is what was shown by the round before.
pub fn measured(
    rounds: &Rounds,
    ask: &ProofAsk,
    hired: bool,
    commit_micros: u64,
    walk_micros: u64,
    before: Option<Figures>,
    at: i64,
) -> Figures {
    let shape = Shape {
        n: ask.n,
        passes: ask.passes,
    };
    let hops = u64::from(ask.strides) * u64::from(STRIDE);
    let in_time = walk_micros.saturating_mul(1_000) <= hops.saturating_mul(rounds.read_ns.into());
    let shown = if in_time {
        (ask.segments / SEGMENTS_A_MIB) as u32
    } else {
        0
    };
    // A renter has the rest of its memory: what was shown before stands.
    let stands = before.filter(|_| hired).map_or(0, |f| f.memory_mib);
    let bandwidth = hops.saturating_mul(64 * 1_000_000) / walk_micros.max(1) / (1 << 20);
    Figures {
        measured_at: at,
        tops_e2: shape.tops_e2(commit_micros.max(rounds.claimed_micros(hired))),
        memory_mib: shown.max(stands),
        bandwidth_mib_s: u32::try_from(bandwidth).unwrap_or(u32::MAX),
        down_mbit: 0,
        up_mbit: 0,
        latency_ms: MAX_LATENCY_MS,
    }
}

/// What one round showed.
#[derive(Clone, Copy, Debug)]
struct Shown {
    figures: Figures,
    regular: bool,
}

/// What a device is known by.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The newest two rounds that count, newest first.
    recent: [Option<Shown>; 2],
    misses: u32,
    /// By the chain's clock; 0 for never.
    refused_until: i64,
}

impl Standing {
    /// A proof was right. One that was asked for apart from the regular rounds, of this device alone, counts as long as there are no
    /// fresh figures of a regular one: else whoever is slow when all are asked would be fast a moment later.
    pub fn proven(&mut self, figures: Figures, regular: bool, fresh_seconds: u32) {
        if regular {
            self.recent = [Some(Shown { figures, regular }), self.recent[0]];
            self.misses = self.misses.saturating_sub(1);
        } else if self.may_retry(figures.measured_at, fresh_seconds) {
            self.recent[0] = Some(Shown { figures, regular });
        }
    }

    /// Whether a round apart from the regular ones would count.
    pub fn may_retry(&self, now: i64, fresh_seconds: u32) -> bool {
        self.misses < TOO_MANY_MISSES
            && self.recent[0]
                .is_none_or(|newest| !newest.regular || !newest.is_fresh(now, fresh_seconds))
    }

    /// It did not answer a round, or could not be asked in a regular one.
    pub fn missed(&mut self, regular: bool) {
        if regular {
            self.misses = (self.misses + MISS).min(MOST_MISSES);
        }
    }

    /// It committed, and then did not open what was drawn: whoever knows that it would be found wrong says nothing. In any round; only
    /// regular ones make up for it.
    pub fn withheld(&mut self) {
        self.misses = (self.misses + WITHHELD).min(MOST_MISSES);
    }

    pub fn wrong(&mut self, until: i64) {
        self.recent = [None, None];
        self.refused_until = until;
    }

    pub fn is_refused(&self, now: i64) -> bool {
        now < self.refused_until
    }

    /// What the newest round showed, however old it is.
    pub fn newest(&self) -> Option<Figures> {
        self.recent[0].map(|shown| shown.figures)
    }

    /// What may be signed at `now`: the least of the newest two rounds, as far as they are fresh. The newest alone would let one device
    /// answer for two in turn.
    pub fn figures(&self, now: i64, fresh_seconds: u32) -> Option<Figures> {
        if self.is_refused(now) || self.misses >= TOO_MANY_MISSES {
            return None;
        }
        let fresh = |shown: &Option<Shown>| {
            shown
                .filter(|shown| shown.is_fresh(now, fresh_seconds))
                .map(|shown| shown.figures)
        };
        let [newest, before] = &self.recent;
        let newest = fresh(newest)?;
        Some(match fresh(before) {
            None => newest,
            Some(before) => Figures {
                tops_e2: newest.tops_e2.min(before.tops_e2),
                memory_mib: newest.memory_mib.min(before.memory_mib),
                bandwidth_mib_s: newest.bandwidth_mib_s.min(before.bandwidth_mib_s),
                down_mbit: newest.down_mbit.min(before.down_mbit),
                up_mbit: newest.up_mbit.min(before.up_mbit),
                latency_ms: newest.latency_ms.max(before.latency_ms),
                ..newest
            },
        })
    }
}

impl Shown {
    fn is_fresh(&self, now: i64, fresh_seconds: u32) -> bool {
        self.figures
            .measured_at
            .saturating_add(fresh_seconds.into())
            >= now
    }
}

const _: () = assert!(SEGMENTS_A_MIB * 4_096 == 1 << 20);

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> HardwareClaim {
        HardwareClaim {
            backend: "test".into(),
            n: 1_024,
            pass_micros: 10_000,
            memory_mib: 1_000,
            fill_mib_s: 100,
        }
    }

    fn asked(hired: bool) -> ProofAsk {
        ask(&Rounds::default(), &claim(), 64, hired)
    }

    fn figures(at: i64, tops_e2: u32) -> Figures {
        Figures {
            measured_at: at,
            tops_e2,
            memory_mib: 100,
            bandwidth_mib_s: 10,
            down_mbit: 100,
            up_mbit: 50,
            latency_ms: 20,
        }
    }

    #[test]
    fn a_figure_is_bounded_by_the_claim_and_falls_with_the_time_taken() {
        let (rounds, asked) = (Rounds::default(), asked(false));
        let shape = Shape {
            n: asked.n,
            passes: asked.passes,
        };
        let fill = 1_500_000;
        let at = |commit| measured(&rounds, &asked, false, commit, 1_000, None, 5).tops_e2;
        assert_eq!(
            at(1),
            shape.tops_e2(fill),
            "done at once: no more than claimed"
        );
        assert_eq!(at(fill), shape.tops_e2(fill));
        assert_eq!(at(2 * fill), shape.tops_e2(2 * fill));
        // Two identities on one device: each has half.
        assert!(at(2 * fill).abs_diff(at(fill) / 2) <= 1);
    }

    #[test]
    fn a_walk_that_had_to_derive_its_words_shows_no_memory() {
        let (rounds, asked) = (Rounds::default(), asked(false));
        let hops = u64::from(asked.strides) * u64::from(STRIDE);
        let shown = |micros| measured(&rounds, &asked, false, 1, micros, None, 0).memory_mib;
        assert_eq!(shown(hops / 10), 150, "1.5 s of filling");
        assert_eq!(shown(hops * MAX_HOP_NS / 1_000), 150);
        assert_eq!(shown(hops * MAX_HOP_NS / 1_000 + 1), 0);
        assert_eq!(shown(hops * 14), 0);
    }

    #[test]
    fn a_hired_device_is_asked_for_less_and_keeps_the_memory_that_it_has_shown() {
        let (free, hired) = (asked(false), asked(true));
        let work = |ask: &ProofAsk| {
            let (n, passes) = (ask.n, ask.passes);
            Shape { n, passes }.operations()
        };
        assert!(work(&hired) * 10 < work(&free) * 6 && hired.segments < free.segments);
        let (rounds, of) = (Rounds::default(), asked(true));
        let before = Some(figures(0, 1));
        assert_eq!(
            measured(&rounds, &of, true, 1, 1_000, before, 0).memory_mib,
            100
        );
        assert_eq!(
            measured(&rounds, &of, true, 1, 1_000, None, 0).memory_mib,
            HIRED_MEMORY_MIB
        );
    }

    #[test]
    fn figures_are_the_least_of_two_rounds_while_they_are_fresh() {
        let mut standing = Standing::default();
        assert_eq!(standing.figures(0, 100), None);
        standing.proven(figures(1_000, 50), true, 100);
        assert_eq!(standing.figures(1_000, 100).unwrap().tops_e2, 50);
        assert_eq!(standing.figures(1_101, 100), None, "stale");
        standing.proven(figures(1_050, 90), true, 100);
        assert_eq!(standing.figures(1_100, 100).unwrap().tops_e2, 50);
        assert_eq!(standing.figures(1_101, 100).unwrap().tops_e2, 90);
    }

    /// Who serves two identities is slow with the second when both are asked, and fast when it alone is asked a moment later.
    #[test]
    fn a_round_of_its_own_makes_up_for_no_regular_one() {
        let mut standing = Standing::default();
        // Until the first regular round there is nothing else.
        for (at, tops) in [(1_000, 1), (1_002, 50)] {
            assert!(standing.may_retry(at, 100));
            standing.proven(figures(at, tops), false, 100);
            assert_eq!(standing.figures(at, 100).unwrap().tops_e2, tops);
        }
        standing.proven(figures(1_010, 1), true, 100);
        assert!(!standing.may_retry(1_012, 100));
        standing.proven(figures(1_012, 50), false, 100);
        assert_eq!(standing.figures(1_012, 100).unwrap().tops_e2, 1);
        standing.proven(figures(1_020, 50), true, 100);
        assert_eq!(standing.figures(1_020, 100).unwrap().tops_e2, 1);
        standing.proven(figures(1_030, 50), true, 100);
        assert_eq!(standing.figures(1_030, 100).unwrap().tops_e2, 50);
        // A device that was away comes back.
        assert!(standing.may_retry(1_131, 100));
        standing.proven(figures(1_131, 40), false, 100);
        assert_eq!(standing.figures(1_131, 100).unwrap().tops_e2, 40);
    }

    #[test]
    fn who_commits_and_does_not_open_has_no_figures_from_the_second_time_on() {
        let mut standing = Standing::default();
        standing.proven(figures(1, 50), true, 100);
        standing.withheld();
        assert!(standing.figures(2, 100).is_some(), "an accident");
        standing.withheld();
        assert_eq!(standing.figures(3, 100), None);
        assert!(
            !standing.may_retry(200, 100),
            "a round of its own is no way out"
        );
        for at in 4..7 {
            assert_eq!(standing.figures(at, 100), None);
            standing.proven(figures(at, 50), true, 100);
        }
        assert!(standing.figures(7, 100).is_some());
    }

    #[test]
    fn a_link_is_as_good_as_the_worse_of_its_newest_two_rounds() {
        let link = |at, down_mbit, up_mbit, latency_ms| Figures {
            down_mbit,
            up_mbit,
            latency_ms,
            ..figures(at, 50)
        };
        let mut standing = Standing::default();
        standing.proven(link(1_000, 90, 50, 20), true, 100);
        standing.proven(link(1_001, 100, 40, 30), true, 100);
        let signed = standing.figures(1_002, 100).unwrap();
        assert_eq!(
            (signed.down_mbit, signed.up_mbit, signed.latency_ms),
            (90, 40, 30)
        );
        // It was interrupted once: two rounds later that is forgotten.
        standing.proven(link(1_002, 0, 0, MAX_LATENCY_MS), true, 100);
        assert_eq!(standing.figures(1_003, 100).unwrap().down_mbit, 0);
        standing.proven(link(1_003, 95, 45, 25), true, 100);
        standing.proven(link(1_004, 95, 45, 25), true, 100);
        let signed = standing.figures(1_005, 100).unwrap();
        assert_eq!((signed.down_mbit, signed.latency_ms), (95, 25));
    }

    #[test]
    fn a_wrong_proof_refuses_the_device_for_its_time() {
        let mut standing = Standing::default();
        standing.proven(figures(1_000, 50), true, 100);
        standing.wrong(2_000);
        standing.proven(figures(1_990, 50), true, 100);
        assert_eq!(standing.figures(1_999, 100), None);
        assert!(standing.figures(2_000, 100).is_some());
    }

    #[test]
    fn one_device_cannot_answer_for_two_in_turn() {
        // Every other round is missed: refused after some hours, for good.
        let mut alternating = Standing::default();
        let signed: Vec<bool> = (0..24)
            .map(|hour| {
                match hour % 2 {
                    0 => alternating.proven(figures(hour, 50), true, 100),
                    _ => alternating.missed(true),
                }
                alternating.figures(hour, 100).is_some()
            })
            .collect();
        assert!(!signed[8..].contains(&true), "{signed:?}");
        // Slow in every other round: the figure is that of the slow ones.
        let mut slow = Standing::default();
        for hour in 0..4 {
            slow.proven(figures(hour, if hour % 2 == 0 { 50 } else { 2 }), true, 100);
        }
        assert_eq!(slow.figures(4, 100).unwrap().tops_e2, 2);
        // A round missed now and then costs nothing, by the real clock and however late rounds are.
        let rounds = Rounds::default();
        for oracles in [1, 3, 8, 32] {
            let (every, fresh) = (
                rounds.every(oracles).as_secs() as i64,
                rounds.fresh_seconds(oracles),
            );
            let mut honest = Standing::default();
            for round in 0..24 {
                let at = round * every;
                match round % 6 {
                    5 => honest.missed(true),
                    _ => honest.proven(figures(at, 50), true, fresh),
                }
                let last = at + every - 1;
                assert!(honest.figures(last, fresh).is_some(), "{oracles}: {round}");
            }
        }
    }

    #[test]
    fn regular_rounds_come_hourly_while_the_budget_allows_it() {
        let rounds = Rounds::default();
        assert_eq!(rounds.every(3), Duration::from_secs(3_600));
        assert!(rounds.every(32) > Duration::from_secs(3_600));
        // However early they come, they are within the budget.
        for oracles in 1..=32 {
            let earliest = rounds.every(oracles).as_millis() as u64 * (100 - JITTER_PERCENT) / 100;
            let busy = rounds.busy_ms(false);
            let part = earliest * u64::from(sizes::BUDGET_PPM) / 1_000_000 / u64::from(oracles);
            assert!(busy <= part, "{oracles}: {busy} of {part}");
        }
    }

    #[test]
    fn a_commitment_counts_within_its_window() {
        let rounds = Rounds::default();
        let at = |ms| rounds.is_in_time(Duration::from_millis(ms));
        assert_eq!((at(2_000), at(2_001)), (true, false));
        // A longer window has its own length, and a shorter time is none.
        let longer: Rounds = serde_json::from_str(r#"{"window_ms": 5000}"#).unwrap();
        assert!(longer.check().is_ok());
        assert_eq!(longer.commit_ms(), 5_000);
        let short: Rounds = serde_json::from_str(r#"{"commit_ms": 1999}"#).unwrap();
        let refused = short.check().unwrap_err().to_string();
        assert!(refused.contains("rounds.commit_ms"), "{refused}");
        let long: Rounds = serde_json::from_str(r#"{"commit_ms": 30000}"#).unwrap();
        assert!(long.check().is_ok() && long.is_in_time(Duration::from_secs(30)));
    }

    #[test]
    fn settings_out_of_bounds_are_refused_with_their_name() {
        assert!(Rounds::default().check().is_ok());
        let bad = Rounds {
            window_ms: 0,
            ..Rounds::default()
        };
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .contains("rounds.window_ms")
        );
    }
}
