//! How much anybody may ask for.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Askers remembered at once.
const MAX_ASKERS: usize = 65_536;

/// A token bucket: so many at once, so many a second.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub fn full(burst: f64) -> Self {
        Self {
            tokens: burst,
            at: Instant::now(),
        }
    }

    /// Takes one; false when there is none.
    pub fn take(&mut self, per_second: f64, burst: f64) -> bool {
        self.take_at(Instant::now(), per_second, burst)
    }

    fn take_at(&mut self, now: Instant, per_second: f64, burst: f64) -> bool {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.tokens = (self.tokens + earned).min(burst);
        self.at = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// A bucket for each asker.
pub struct Buckets<K> {
    per_second: f64,
    burst: f64,
    all: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: per_second.into(),
            burst: burst.into(),
            all: Mutex::default(),
        }
    }

    pub fn take(&self, asker: K) -> bool {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_ASKERS && !all.contains_key(&asker) {
            let now = Instant::now();
            let seconds_to_fill = self.burst / self.per_second;
            // Full buckets are as good as forgotten ones.
            all.retain(|_, bucket| {
                now.saturating_duration_since(bucket.at).as_secs_f64() < seconds_to_fill
            });
            if all.len() >= MAX_ASKERS {
                return false;
            }
        }
        all.entry(asker)
            .or_insert_with(|| Bucket::full(self.burst))
            .take(self.per_second, self.burst)
    }
}

/// Things held, so many by each and so many in all.
pub struct Held<K> {
    each: usize,
    all: usize,
    held: Mutex<(usize, HashMap<K, usize>)>,
}

impl<K: Eq + Hash + Copy> Held<K> {
    pub fn new(each: usize, all: usize) -> Self {
        Self {
            each,
            all,
            held: Mutex::default(),
        }
    }

    /// Takes one more; false when that would be too many.
    pub fn take(&self, by: K) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let own = held.1.get(&by).copied().unwrap_or(0);
        if held.0 >= self.all || own >= self.each {
            return false;
        }
        held.0 += 1;
        held.1.insert(by, own + 1);
        true
    }

    pub fn give_back(&self, by: K) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = held.0.saturating_sub(1);
        if let Some(own) = held.1.get_mut(&by) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                held.1.remove(&by);
            }
        }
    }
}

/// What was found out lately: not again for everybody who asks.
pub struct Lately<T>(Mutex<Option<(Instant, T)>>, Duration);

impl<T: Clone> Lately<T> {
    pub fn new(life: Duration) -> Self {
        Self(Mutex::new(None), life)
    }

    /// Whoever comes while it is being found out waits for it.
    pub fn get(&self, find_out: impl FnOnce() -> T) -> T {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((at, value)) if at.elapsed() < self.1 => value.clone(),
            _ => {
                let value = find_out();
                *known = Some((Instant::now(), value.clone()));
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_out_lately_is_not_found_out_again() {
        let lately = Lately::new(Duration::from_secs(3_600));
        assert_eq!(lately.get(|| 1), 1);
        assert_eq!(lately.get(|| panic!("again")), 1);
        let never = Lately::new(Duration::ZERO);
        assert_eq!((never.get(|| 1), never.get(|| 2)), (1, 2));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::full(3.0);
        let start = bucket.at;
        let taken = |bucket: &mut Bucket, ms| {
            (0..10)
                .filter(|_| bucket.take_at(start + Duration::from_millis(ms), 2.0, 3.0))
                .count()
        };
        assert_eq!(taken(&mut bucket, 0), 3);
        assert_eq!(taken(&mut bucket, 499), 0);
        assert_eq!(taken(&mut bucket, 1_100), 2);
        assert_eq!(taken(&mut bucket, 60_000), 3, "never more than the burst");
    }

    #[test]
    fn askers_do_not_share() {
        let buckets = Buckets::new(1, 2);
        assert!(buckets.take("a") && buckets.take("a") && !buckets.take("a"));
        assert!(buckets.take("b"));
    }

    #[test]
    fn holdings_are_limited_for_each_and_all() {
        let held = Held::new(2, 3);
        assert!(held.take(1) && held.take(1) && !held.take(1));
        assert!(held.take(2) && !held.take(3), "three in all");
        held.give_back(1);
        assert!(held.take(3));
        held.give_back(9);
    }
}
