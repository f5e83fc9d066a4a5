//! What this device claims to the oracles: the speed that it measured, or, in a slower time, the one that its newest rounds showed.
//!
//! A commitment that is later than its window is a missed round. Heat, a renter or another process can make a device slower than it was
//! when it measured itself. After two rounds that were late, the newest of all or of one oracle, it claims what the quicker of them took; after two that
//! were quicker than it claims, the slower one's time. No figure is above a claim, so a low one earns nothing. One round alone may be an accident, but
//! where none was in time yet there is nothing to lose; and what an oracle asks beside the published numbers shows how it asks.

use std::{collections::VecDeque, time::Duration};

use io_api::types::{HardwareClaim, ProofAsk};
use io_proof::hardware::{
    Hash, Shape,
    sizes::{FILL_PERCENT, HIRED_FILL_PERCENT, WINDOW_MS},
};

use crate::limits::{CLAIM_CHANGE_PERCENT, LATE_PERCENT, MISSED_PERCENT, REMEMBERED_ROUNDS, WAY};

/// How many passes of the claimed size an ask's are as long as.
pub fn claimed_passes(claim: &HardwareClaim, ask: &ProofAsk) -> f64 {
    (f64::from(ask.n) / f64::from(claim.n)).powi(3) * f64::from(ask.passes)
}

/// What a round showed.
#[derive(Clone, Copy, Debug)]
struct Shown {
    seed: Hash,
    /// Its oracle's.
    link: usize,
    /// Microseconds of a pass of the claimed size.
    pass: u64,
    late: bool,
    /// The passes took so long that the way to the oracle can have made the commitment late.
    near: bool,
    /// That is what the oracle said.
    missed: bool,
    /// As long as a device's is that nobody uses: a shorter one is over before the device is hot.
    whole: bool,
}

/// See the module's description.
#[derive(Debug)]
pub struct Claims {
    now: HardwareClaim,
    /// Microseconds of a pass when nothing else kept the device busy.
    measured: u64,
    /// The newest rounds since it claimed that, newest first.
    newest: VecDeque<Shown>,
    /// A round before the newest was in time.
    was_in_time: bool,
    /// It claims less than it does for the way to an oracle: as much as makes up for that is not claimed again.
    by_way: bool,
}

impl Claims {
    pub fn new(measured: HardwareClaim) -> Self {
        Self {
            measured: measured.pass_micros,
            now: measured,
            newest: VecDeque::new(),
            was_in_time: false,
            by_way: false,
        }
    }

    pub fn now(&self) -> &HardwareClaim {
        &self.now
    }

    /// The most that it ever claimed: an oracle may have heard that last.
    pub fn most(&self) -> HardwareClaim {
        HardwareClaim {
            pass_micros: self.measured,
            ..self.now.clone()
        }
    }

    /// An ask's passes took so long, in a round of the oracle at `link`. Returns whether the claim is another one from now on.
    pub fn took(&mut self, seed: Hash, link: usize, ask: &ProofAsk, took: Duration) -> bool {
        let asked = Shape {
            n: ask.n,
            passes: ask.passes,
        };
        let usual = |fill| {
            [self.measured, self.now.pass_micros]
                .iter()
                .any(|pass| Shape::for_claim(self.now.n, *pass, fill, WINDOW_MS) == asked)
        };
        let whole = usual(FILL_PERCENT);
        if !whole && !usual(HIRED_FILL_PERCENT) {
            return false;
        }
        let window = Duration::from_millis(WINDOW_MS.into());
        let shown = Shown {
            seed,
            link,
            pass: (took.as_micros() as f64 / claimed_passes(&self.now, ask)) as u64,
            late: is_late(took),
            near: took + WAY > window,
            missed: false,
            whole,
        };
        self.was_in_time |= self.newest.front().is_some_and(|before| !before.late);
        self.newest.push_front(shown);
        self.newest.truncate(REMEMBERED_ROUNDS);
        self.settle(link)
    }

    /// The oracle at `link` had the commitment of its round too late, by its own clock. Returns whether the claim is another one from now on.
    pub fn missed(&mut self, seed: &Hash, link: usize) -> bool {
        let mut of = self.newest.iter_mut();
        let Some(shown) = of.find(|shown| (shown.seed, shown.link) == (*seed, link) && shown.near)
        else {
            return false;
        };
        (shown.late, shown.missed) = (true, true);
        self.settle(link)
    }

    fn settle(&mut self, link: usize) -> bool {
        let of_link = self.newest.iter().filter(|shown| shown.link == link);
        let pairs = [pair(self.newest.iter()), pair(of_link)];
        let first = self.newest.front().filter(|_| !self.was_in_time);
        let late = pairs
            .into_iter()
            .flatten()
            .chain(first.map(|first| [*first; 2]))
            .find(|pair| pair.iter().all(|shown| shown.late));
        let claimed = self.now.pass_micros;
        let percent = |percent: u64| claimed.saturating_mul(percent) / 100;
        let lower = late.and_then(|[a, b]| {
            let quick = a.pass.min(b.pass);
            if quick > percent(100 + CLAIM_CHANGE_PERCENT) {
                Some((quick, false))
            } else {
                // As quick as it claims, or nearly, and the way is what is long.
                (a.missed || b.missed).then(|| (percent(100 + MISSED_PERCENT), true))
            }
        });
        let change = match self.by_way {
            true => CLAIM_CHANGE_PERCENT + MISSED_PERCENT,
            false => CLAIM_CHANGE_PERCENT,
        };
        let raise = pairs[0].and_then(|[a, b]| {
            let slow = a.pass.max(b.pass);
            (a.whole && b.whole && slow < percent(100 - change)).then_some((slow, false))
        });
        let Some((pass, by_way)) = lower.or(raise) else {
            return false;
        };
        let pass = pass.max(self.measured);
        if pass == claimed {
            return false;
        }
        tracing::info!(
            before = claimed,
            pass_micros = pass,
            "the device claims another speed"
        );
        (self.now.pass_micros, self.by_way) = (pass, by_way);
        self.newest.clear();
        true
    }
}

/// Whether passes that took so long leave too little of the window for the way.
pub fn is_late(took: Duration) -> bool {
    took > Duration::from_millis(WINDOW_MS.into()) * LATE_PERCENT / 100
}

/// The first two, if there are.
fn pair<'a>(mut shown: impl Iterator<Item = &'a Shown>) -> Option<[Shown; 2]> {
    Some([*shown.next()?, *shown.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes of 20 ms: 75 of them are asked for.
    fn new() -> Claims {
        Claims::new(HardwareClaim {
            backend: String::new(),
            n: 1_024,
            pass_micros: 20_000,
            memory_mib: 64,
            fill_mib_s: 64,
        })
    }

    /// That have been in time.
    fn claims() -> Claims {
        let mut claims = new();
        let ask = usual(&claims);
        for seed in [[254; 32], [255; 32]] {
            assert!(!claims.took(seed, 0, &ask, ms(1_500)));
        }
        claims
    }

    /// As an oracle asks that has heard of `pass`.
    fn asked(pass: u64, fill: u32) -> ProofAsk {
        let Shape { n, passes } = Shape::for_claim(1_024, pass, fill, WINDOW_MS);
        ProofAsk {
            n,
            passes,
            rows: 16,
            segments: 256,
            strides: 1_024,
            open_strides: 6,
        }
    }

    fn usual(claims: &Claims) -> ProofAsk {
        asked(claims.now().pass_micros, FILL_PERCENT)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// By the oracles' rules a commitment after 2 s is none. A device is asked for 1.5 s of work at the speed that it claims.
    #[test]
    fn whoever_is_late_twice_claims_what_it_does_until_it_is_quicker() {
        let mut claims = claims();
        let ask = usual(&claims);
        assert_eq!((ask.n, ask.passes), (1_024, 75));
        for took in [700, 1_500, 1_800, 1_800] {
            assert!(!claims.took([0; 32], 0, &ask, ms(took)), "in time");
        }
        assert!(!claims.took([1; 32], 0, &ask, ms(60_000)), "an accident");
        assert!(!claims.took([2; 32], 0, &ask, ms(1_500)));
        assert!(!claims.took([3; 32], 0, &ask, ms(3_000)));
        assert_eq!(claims.now().pass_micros, 20_000);
        // Another oracle, that asks the same.
        assert!(claims.took([4; 32], 0, &ask, ms(4_500)));
        assert_eq!(claims.now().pass_micros, 40_000, "the quicker one's");
        // One that has not heard of it asks as before, which shows the same speed.
        assert!(!claims.took([5; 32], 0, &ask, ms(3_000)));
        let ask = usual(&claims);
        assert_eq!((ask.n, ask.passes), (1_024, 37));
        assert!(!claims.took([6; 32], 0, &ask, ms(1_480)));
        // A little quicker is nothing to tell of, and once may be chance.
        for took in [1_430, 1_430, 750, 1_500, 750] {
            assert!(!claims.took([7; 32], 0, &ask, ms(took)));
        }
        assert!(claims.took([8; 32], 0, &ask, ms(1_110)));
        assert_eq!(claims.now().pass_micros, 30_000, "the slower one's");
        let ask = usual(&claims);
        assert!(!claims.took([9; 32], 0, &ask, ms(1)));
        assert!(claims.took([10; 32], 0, &ask, ms(1)));
        assert_eq!(claims.now().pass_micros, 20_000, "as much as it measured");
        assert_eq!(claims.most(), *claims.now());
    }

    #[test]
    fn whoever_was_never_in_time_claims_what_it_does_at_once() {
        let mut claims = new();
        let ask = usual(&claims);
        assert!(claims.took([1; 32], 0, &ask, ms(7_500)));
        assert_eq!(claims.now().pass_micros, 100_000);
        let ask = usual(&claims);
        assert!(claims.took([2; 32], 0, &ask, ms(3_000)));
        assert_eq!(claims.now().pass_micros, 200_000);
        // Quick once, it may have been an accident all the same.
        let ask = usual(&claims);
        assert!(!claims.took([3; 32], 0, &ask, ms(500)));
        assert!(!claims.took([4; 32], 0, &ask, ms(9_000)), "in time before");
        assert!(claims.took([5; 32], 0, &ask, ms(9_000)));

        // An oracle had it too late.
        let mut claims = new();
        let ask = usual(&claims);
        assert!(!claims.took([1; 32], 0, &ask, ms(1_700)));
        assert!(claims.missed(&[1; 32], 0));
    }

    /// The way to an oracle counts by its clock, and the device sees only its own part.
    #[test]
    fn whom_oracles_have_too_late_is_late() {
        let mut claims = claims();
        let ask = usual(&claims);
        for seed in [[1; 32], [2; 32]] {
            assert!(!claims.took(seed, 0, &ask, ms(1_700)));
        }
        assert!(!claims.missed(&[3; 32], 0), "no round of these");
        assert!(!claims.missed(&[1; 32], 0));
        assert!(claims.missed(&[2; 32], 0));
        assert_eq!(claims.now().pass_micros, 1_700_000 / 75);
        assert!(!claims.missed(&[2; 32], 0));
    }

    /// At 1.5 s of passes, a way of half a second and more is too long: there is no slower speed to claim than the one it has.
    #[test]
    fn a_long_way_is_made_up_for_with_less_work() {
        for took in [1_501, 1_570] {
            let mut claims = claims();
            let ask = usual(&claims);
            for (seed, lowered) in [([1; 32], false), ([2; 32], true)] {
                assert!(!claims.took(seed, 3, &ask, ms(took)));
                assert_eq!(claims.missed(&seed, 3), lowered, "{took}");
            }
            assert_eq!(claims.now().pass_micros, 22_000);
            // With that much less it is in time: whoever says otherwise is not believed.
            let ask = usual(&claims);
            for seed in [[3; 32], [4; 32]] {
                assert!(!claims.took(seed, 3, &ask, ms(1_360)));
                assert!(!claims.missed(&seed, 3));
            }
            // Much quicker, it claims that.
            assert!(!claims.took([5; 32], 3, &ask, ms(1_000)));
            assert!(claims.took([6; 32], 3, &ask, ms(1_000)));
            assert_eq!(claims.now().pass_micros, 20_000);
        }
    }

    /// An oracle nearby has in time what a distant one has late, and one that means ill asks for less in between.
    #[test]
    fn two_late_rounds_of_one_oracle_are_enough() {
        let mut claims = claims();
        let (ask, short) = (usual(&claims), asked(20_000, HIRED_FILL_PERCENT));
        assert!(!claims.took([1; 32], 0, &ask, ms(1_700)));
        assert!(!claims.missed(&[1; 32], 1), "another's round");
        assert!(!claims.missed(&[1; 32], 0));
        assert!(!claims.took([2; 32], 1, &ask, ms(1_700)));
        assert!(!claims.took([3; 32], 1, &short, ms(800)));
        assert!(!claims.took([4; 32], 0, &ask, ms(1_700)));
        assert!(claims.missed(&[4; 32], 0));
        assert_eq!(claims.now().pass_micros, 1_700_000 / 75);
    }

    /// A renter has the device: its rounds are shorter, and say nothing of how it does for longer.
    #[test]
    fn short_rounds_lower_a_claim_and_do_not_raise_it() {
        let mut claims = claims();
        let ask = asked(20_000, HIRED_FILL_PERCENT);
        assert!(!claims.took([1; 32], 0, &ask, ms(2_100)));
        assert!(claims.took([2; 32], 0, &ask, ms(2_100)));
        assert_eq!(claims.now().pass_micros, 60_000);
        let ask = asked(60_000, HIRED_FILL_PERCENT);
        for seed in [[3; 32], [4; 32], [5; 32]] {
            assert!(!claims.took(seed, 0, &ask, ms(230)));
        }
        let ask = usual(&claims);
        assert!(!claims.took([6; 32], 0, &ask, ms(500)));
        assert!(claims.took([7; 32], 0, &ask, ms(500)));
        assert_eq!(claims.now().pass_micros, 20_000);
    }

    /// Small matrices are slow for their size, and long asks late however fast the device is.
    #[test]
    fn an_oracle_that_asks_otherwise_teaches_nothing() {
        let mut claims = claims();
        let (usual, short) = (usual(&claims), asked(20_000, 10));
        let longer = ProofAsk {
            passes: usual.passes + 1,
            ..usual
        };
        let small = ProofAsk {
            n: usual.n / 2,
            passes: usual.passes * 8,
            ..usual
        };
        for (seed, ask) in [longer, small, short, longer, small].iter().enumerate() {
            assert!(!claims.took([seed as u8; 32], 0, ask, ms(5_000)));
            assert!(!claims.missed(&[seed as u8; 32], 0));
        }
        assert!(!claims.took([9; 32], 0, &usual, ms(5_000)), "the first");
        assert!(claims.took([10; 32], 0, &usual, ms(5_000)), "the second");
    }
}
