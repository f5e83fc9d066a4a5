//! Cheats at the clock: what the work takes at a stated speed goes into the oracle's own rules (`io_oracle::hardware::rules`), and what a
//! device then has by the classes that a network starts with and by `io_protocol::scores`.

use std::time::Duration;

use io_api::types::{Figures, HardwareClaim, ProofAsk};
use io_client::instructions::{ClassArgs, class_name};
use io_oracle::hardware::rules::{Rounds, Standing, ask, measured};
use io_proof::hardware::{
    Shape,
    sizes::{LEAST_N, n_for},
};
use io_protocol::scores::{ALL_SLOTS, DeviceEpoch};

use crate::{Outcome, classes, outcome, seed};

/// What a chip reaches of its data sheet's int8 figure in the products of a round: an honest one, and the best that we allow for.
const REACHED: f64 = 0.6;
const BEST: f64 = 0.9;
/// Oracles of a set.
pub const ORACLES: u32 = 3;
/// What a device is late by at random, at most.
const NOISE: f64 = 0.05;
/// How much more than it does a device claims that means to hide a wait behind its work.
const EXAGGERATED: f64 = 10.0;
/// A machine in parts.
const PARTS: u32 = 8;

/// One of the classes that a network starts with.
pub fn class(name: &str) -> ClassArgs {
    let name = class_name(name);
    let mut all = classes::all().into_iter();
    all.find(|class| class.name == name).expect("a class")
}

/// Int8 TOPS of a class's data sheet, which is its norm.
fn sheet(class: &ClassArgs) -> f64 {
    f64::from(class.norm_tops_e2) / 100.0
}

/// A device with a clock: what it claims, and what the chip behind it does.
#[derive(Clone, Copy)]
struct Timed {
    claims: f64,
    tops: f64,
    /// On its way to another machine and back, before each pass, milliseconds.
    hop_ms: f64,
    hired: bool,
}

impl Timed {
    /// Claims what it does.
    fn new(tops: f64) -> Self {
        Self {
            claims: tops,
            tops,
            hop_ms: 0.0,
            hired: false,
        }
    }

    fn claiming(self, claims: f64) -> Self {
        Self { claims, ..self }
    }

    /// In use, with so much of its chip left for the proof.
    fn hired(self, left: f64) -> Self {
        Self {
            tops: self.tops * left,
            hired: true,
            ..self
        }
    }

    fn asked(&self, rounds: &Rounds) -> ProofAsk {
        let n = n_for((self.claims * 100.0) as u32).max(LEAST_N);
        let claim = HardwareClaim {
            backend: String::new(),
            n,
            pass_micros: (tops_ms(Shape { n, passes: 1 }, self.claims) * 1e3) as u64,
            memory_mib: 1_024,
            fill_mib_s: 1_024,
        };
        ask(rounds, &claim, 0, self.hired)
    }
}

fn tops_ms(shape: Shape, tops: f64) -> f64 {
    shape.operations() as f64 / (tops * 1e12) * 1e3
}

/// Figures of a round at `at` in which one chip serves these identities one after another; none of those that the oracle no longer waits
/// for. With a seed, each is late at random.
fn serve(identities: &[Timed], run: Option<u32>, at: i64) -> Vec<Option<Figures>> {
    let rounds = Rounds::default();
    let mut ms = 0.0;
    let identities = identities.iter().enumerate();
    identities
        .map(|(which, identity)| {
            let asked = identity.asked(&rounds);
            let shape = Shape {
                n: asked.n,
                passes: asked.passes,
            };
            let drawn = run.map_or([0; 32], |run| {
                seed(b"time", run ^ (at as u32) << 14 ^ (which as u32) << 11)
            });
            let late = f64::from(u16::from_le_bytes([drawn[0], drawn[1]])) / 65_536.0 * NOISE;
            ms += tops_ms(shape, identity.tops) * (1.0 + late)
                + identity.hop_ms * f64::from(asked.passes);
            rounds
                .is_in_time(Duration::from_secs_f64(ms / 1e3))
                .then(|| {
                    let (hired, micros) = (identity.hired, (ms * 1e3) as u64);
                    measured(&rounds, &asked, hired, micros, 1, None, at)
                })
        })
        .collect()
}

/// Whether a class takes figures.
fn is_enough(class: &ClassArgs, figures: Option<Figures>) -> bool {
    figures.is_some_and(|figures| figures.tops_e2 >= class.min_tops_e2)
}

/// The class takes none of these identities, or not all of them.
fn is_caught(class: &ClassArgs, identities: &[Timed], run: u32) -> bool {
    let figures = serve(identities, Some(run), 0);
    !figures.into_iter().all(|figures| is_enough(class, figures))
}

/// What an epoch's score weighs these figures with, of a device that was up all the time.
fn score(class: &ClassArgs, figures: Option<Figures>) -> u128 {
    let Some(figures) = figures.filter(|figures| is_enough(class, Some(*figures))) else {
        return 0;
    };
    let device = DeviceEpoch {
        group: class.group,
        multiplier_e2: class.multiplier_e2,
        tops_e2: figures.tops_e2,
        norm_tops_e2: class.norm_tops_e2,
        reputation_bps: 10_000,
        seen: ALL_SLOTS,
        hired: 0,
    };
    device.score()
}

/// How many times as much identities of one chip score as another does by itself, when nobody is late.
fn gain(of: (&ClassArgs, &[Timed]), beside: (&ClassArgs, Timed)) -> f64 {
    let all = |class, identities: &[Timed]| -> u128 {
        let figures = serve(identities, None, 0).into_iter();
        figures.map(|figures| score(class, figures)).sum()
    };
    all(of.0, of.1) as f64 / all(beside.0, &[beside.1]) as f64
}

/// All that cheat at the clock, `runs` seeds each.
pub fn all(runs: u32) -> Vec<Outcome> {
    let rounds = Rounds::default();
    let (hour, fresh) = (
        rounds.every(ORACLES).as_secs() as i64,
        rounds.fresh_seconds(ORACLES),
    );
    let h100 = class("H100");
    let least = f64::from(h100.min_tops_e2) / 100.0;
    let (does, best) = (REACHED * sheet(&h100), BEST * sheet(&h100));
    let (honest, good) = (Timed::new(does), Timed::new(best));
    let mut outcomes = vec![];
    let mut add = |outcome| outcomes.push(outcome);
    let clock = "the oracle's clock";

    add(outcome(
        "honest, timed",
        format!(
            "an H100 that reaches 60 % of its data sheet's {} TOPS and claims that; the class takes {least:.1}",
            sheet(&h100)
        ),
        "nothing",
        Some(0.0),
        runs,
        |run| is_caught(&h100, &[honest], run),
    ));
    add(outcome(
        "honest, hired",
        "is asked for 35 % of the window, and the renter's job leaves it three quarters of the chip",
        "nothing",
        Some(0.0),
        runs,
        |run| is_caught(&h100, &[honest.hired(0.75)], run),
    ));
    add(outcome(
        "honest, hired, half of it left",
        "the same, and the job leaves it half: 30 % of the data sheet, where its class wants 40",
        "the oracle's clock, wrongly: it is not attested while the job leaves it so little",
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[honest.hired(0.5)], run),
    ));
    let a100 = sheet(&class("A100-80"));
    add(outcome(
        "bigger class",
        format!(
            "an A100 that reaches all of its data sheet's {a100} TOPS is registered as an H100 and claims what that does, {does:.0}"
        ),
        clock,
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[Timed::new(a100).claiming(does)], run),
    ));
    add(outcome(
        "lies on time",
        "claims to need twice the time that it does, so that a second identity has the other half",
        "no figure is above the claim",
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[honest.claiming(does / 2.0)], run),
    ));
    add(outcome(
        "two identities",
        "serves two device accounts from one device that reaches 60 %; in a day's regular rounds the second is served after the first and is \
         late, and a moment after each it is quick when it alone is asked",
        "the oracle's clock, from the second round on; only regular rounds count",
        Some(1.0),
        runs,
        |run| {
            let (mut first, mut second) = (Standing::default(), Standing::default());
            let mut both = 0;
            for at in (0..24).map(|round| round * hour) {
                let regular = serve(&[honest, honest], Some(run), at);
                for (standing, figures) in [&mut first, &mut second].into_iter().zip(regular) {
                    match figures {
                        Some(figures) => standing.proven(figures, true, fresh),
                        None => standing.missed(true),
                    }
                }
                let alone = serve(&[honest], Some(run), at + 2)[0].expect("in time");
                second.proven(alone, false, fresh);
                let figures = [first.figures(at + 2, fresh), second.figures(at + 2, fresh)];
                both += u32::from(figures.into_iter().all(|f| is_enough(&h100, f)));
            }
            // Misses count from the second on.
            both <= 1
        },
    ));
    add(outcome(
        "two identities in turn",
        "serves two device accounts from one device, and misses every other round with each",
        "misses are counted",
        Some(1.0),
        runs,
        |run| {
            let mut each = [Standing::default(), Standing::default()];
            let mut usable = [0; 2];
            for round in 0..24 {
                let at = round * hour;
                for (which, standing) in each.iter_mut().enumerate() {
                    match round % 2 == which as i64 {
                        true => {
                            let shown = serve(&[honest], Some(run), at)[0].expect("in time");
                            standing.proven(shown, true, fresh);
                        }
                        false => standing.missed(true),
                    }
                    usable[which] += u32::from(is_enough(&h100, standing.figures(at, fresh)));
                }
            }
            // Together half of what one honest device has.
            usable.iter().sum::<u32>() < 12
        },
    ));
    let hired = honest.hired(1.0);
    add(outcome(
        "two hired identities",
        "the same two while both are hired and asked for 35 % of the window, with jobs that take nothing of the chip: 70 % fits in, but \
         the second is done when twice its time is over",
        clock,
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[hired, hired], run),
    ));
    let halves = [good.claiming(best / 2.0); 2];
    add(outcome(
        "two identities on a quick chip",
        format!(
            "a chip that reaches 90 % of its data sheet, of which the class wants 40: each claims half and has it. Together they score \
             {:.2} times what the chip does as one, with twice the bond",
            gain((&h100, &halves), (&h100, good))
        ),
        "nothing",
        None,
        runs,
        |run| is_caught(&h100, &halves, run),
    ));
    add(outcome(
        "two identities on a quick chip, one after the other",
        format!(
            "the same, and each claims all of it: the second is late. Together they score {:.2} times what the chip does as one",
            gain((&h100, &[good, good]), (&h100, good))
        ),
        clock,
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[good, good], run),
    ));
    let greedy = [honest, honest.claiming(EXAGGERATED * does)];
    add(outcome(
        "two identities, one exaggerates",
        format!(
            "a device that reaches 60 %, and whose second account claims ten times that: it is asked for ten times the work, beside \
             which the wait for the first is short, but which is late. Together they score {:.2} times what the device does as one",
            gain((&h100, &greedy), (&h100, honest))
        ),
        clock,
        Some(1.0),
        runs,
        |run| is_caught(&h100, &greedy, run),
    ));
    let a_ms_away = Timed {
        hop_ms: 2.0,
        ..honest
    };
    add(outcome(
        "borrows a faster machine",
        "has an A100, and relays the round to an H100 that reaches 60 %, 1 ms away",
        "nothing: that machine is then busy, and can't serve its own identity in the same round",
        None,
        runs,
        |run| is_caught(&h100, &[a_ms_away], run),
    ));
    add(outcome(
        "lends itself",
        "is that machine, and answers for its own identity too",
        clock,
        Some(1.0),
        runs,
        |run| is_caught(&h100, &[a_ms_away, honest], run),
    ));
    let (chip, as_class) = (class("RTX 4090"), class("RTX 4080"));
    let (usual, whole) = (Timed::new(REACHED * sheet(&chip)), Timed::new(sheet(&chip)));
    add(outcome(
        "better-paid class",
        format!(
            "a 4090 that reaches 60 % is registered as a 4080, which is slower, and which the administration's multiplier pays better. It \
             scores {:.2} times what it does as a 4090; {:.2} times where it reaches all of its data sheet, for more than one and a half \
             norms count for nothing",
            gain((&as_class, &[usual]), (&chip, usual)),
            gain((&as_class, &[whole]), (&chip, whole))
        ),
        "nothing: a class is a speed and memory, and whoever has more of both has them. Multipliers are set by `io network update-class`",
        None,
        runs,
        |run| is_caught(&as_class, &[usual], run),
    ));
    let as_class = class("A100-80");
    add(outcome(
        "better-paid class, with its host's memory",
        format!(
            "the same 4090 as an A100-80, whose {} MiB its host's memory shows. It scores {:.2} times what it does as a 4090, and in \
             the group that most of the emission is for",
            as_class.min_memory_mib,
            gain((&as_class, &[usual]), (&chip, usual))
        ),
        "nothing: memory is shown, and not whose it is (nor modelled here)",
        None,
        runs,
        |run| is_caught(&as_class, &[usual], run),
    ));
    let cpu = class("CPU");
    // On cores of their own, all at the same time.
    let parts = |tops: f64| -> f64 {
        let part = Timed::new(tops / f64::from(PARTS));
        f64::from(PARTS) * gain((&cpu, &[part]), (&cpu, Timed::new(tops)))
    };
    add(outcome(
        "parts of one CPU",
        format!(
            "registers a machine as {PARTS} devices of an eighth of its cores. One of 8 TOPS scores {:.2} times what it does as one; one \
             of 40 TOPS, four times the norm of {} of which one and a half count, {:.2} times",
            parts(8.0),
            sheet(&cpu),
            parts(40.0)
        ),
        "nothing: each part is a device, with a bond of its own",
        None,
        runs,
        |run| is_caught(&cpu, &[Timed::new(8.0 / f64::from(PARTS))], run),
    ));
    outcomes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows say these numbers in words.
    #[test]
    fn classes_are_as_the_rows_say() {
        let h100 = class("H100");
        assert_eq!(
            (h100.norm_tops_e2, h100.min_tops_e2, h100.multiplier_e2),
            (197_900, 79_160, 1_000)
        );
        let better = |chip: &str, other: &str| {
            let (chip, other) = (class(chip), class(other));
            assert!(chip.norm_tops_e2 > other.norm_tops_e2);
            assert!(chip.multiplier_e2 < other.multiplier_e2);
            assert!(f64::from(chip.norm_tops_e2) * REACHED > f64::from(other.min_tops_e2));
        };
        better("RTX 4090", "RTX 4080");
        better("RTX 4090", "A100-80");
        assert_eq!(class("CPU").norm_tops_e2, 1_000);
        let rounds = Rounds::default();
        assert_eq!((rounds.fill_percent, rounds.hired_fill_percent), (75, 35));
    }

    /// Served one after another, the second has what is left of the window, of which the first takes three quarters or claims less: together
    /// they have at most 1.25 times what the chip does.
    #[test]
    fn identities_in_a_row_have_what_is_left() {
        let chip = Timed::new(1_000.0);
        let [first, second] = serve(&[chip; 2], None, 0)[..] else {
            panic!("two");
        };
        let share = f64::from(first.unwrap().tops_e2) / 100_000.0;
        assert!((0.97..=1.001).contains(&share) && second.is_none());
        for claims in 1..=40 {
            for beside in 1..=40 {
                let both = [claims, beside].map(|part| chip.claiming(f64::from(part) * 50.0));
                let figures = serve(&both, None, 0).into_iter().flatten();
                let shown: u32 = figures.map(|figures| figures.tops_e2).sum();
                assert!(shown <= 125_500, "{claims} {beside}: {shown}");
            }
        }
    }

    /// What an oracle does not wait for is no figure.
    #[test]
    fn who_exaggerates_too_much_is_late() {
        let chip = Timed::new(1_000.0);
        assert!(serve(&[chip.claiming(1_300.0)], None, 0)[0].is_some());
        assert!(serve(&[chip.claiming(1_400.0)], None, 0)[0].is_none());
    }
}
