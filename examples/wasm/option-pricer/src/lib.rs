//! Prices an option by simulating its asset's paths: geometric Brownian motion under the risk-neutral measure
//! (Black and Scholes, 1973), sampled at equal steps, in antithetic pairs.
//!
//! Input, a flat JSON object:
//!
//! | key | meaning |
//! |---|---|
//! | `kind` | `"call"`, `"put"`, `"asian-call"` or `"asian-put"` (Asian: on the mean of the path's prices) |
//! | `spot`, `strike` | prices, above 0 |
//! | `rate`, `volatility` | per year; 0.05 is 5 % |
//! | `years` | until the option expires, above 0 |
//! | `steps` | steps of a path, 1 to 10,000 |
//! | `pairs` | antithetic pairs of paths, 2 to 10⁹ |
//! | `seed` | an integer below 2⁵³; the same seed gives the same bits |
//!
//! Output: `{"price":…,"standard_error":…,"paths":…}`. Wrong input makes `run` return 1 after writing what is
//! wrong, which the engine passes on.

/// The engine's host functions, as crates/engines/src/wasm.rs documents them.
mod host {
    #[link(wasm_import_module = "io")]
    unsafe extern "C" {
        pub fn input_len() -> u32;
        pub fn input_read(ptr: *mut u8, offset: u32, len: u32) -> u32;
        pub fn output_write(ptr: *const u8, len: u32);
        pub fn progress(permille: u32);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    let (text, code) = match read_input().and_then(|input| Job::parse(&input)) {
        Ok(job) => (job.price(), 0),
        Err(error) => (error, 1),
    };
    // SAFETY: the pointer and length are those of a live string.
    unsafe { host::output_write(text.as_ptr(), text.len() as u32) };
    code
}

fn read_input() -> Result<String, String> {
    // SAFETY: the engine writes at most `len` bytes to a buffer of that size.
    let bytes = unsafe {
        let len = host::input_len();
        if len > 4096 {
            return Err(format!("the input has {len} bytes, and 4,096 are the most"));
        }
        let mut bytes = vec![0; len as usize];
        let read = host::input_read(bytes.as_mut_ptr(), 0, len);
        bytes.truncate(read as usize);
        bytes
    };
    String::from_utf8(bytes).map_err(|_| "the input isn't UTF-8".into())
}

struct Job {
    call: bool,
    asian: bool,
    spot: f64,
    strike: f64,
    rate: f64,
    volatility: f64,
    years: f64,
    steps: u32,
    pairs: u64,
    seed: u64,
}

impl Job {
    fn parse(text: &str) -> Result<Self, String> {
        let body = text
            .trim()
            .strip_prefix('{')
            .and_then(|t| t.strip_suffix('}'))
            .ok_or("the input isn't a JSON object")?;
        let mut kind = None;
        let mut numbers = [None; 8];
        const NAMES: [&str; 8] = [
            "spot",
            "strike",
            "rate",
            "volatility",
            "years",
            "steps",
            "pairs",
            "seed",
        ];
        for field in body.split(',') {
            let (key, value) = field
                .split_once(':')
                .ok_or_else(|| format!("{field:?} isn't \"key\": value"))?;
            let key = unquote(key).ok_or_else(|| format!("the key {key:?} needs quotes"))?;
            let value = value.trim();
            if key == "kind" {
                kind = Some(unquote(value).ok_or("kind must be a string")?);
            } else if let Some(i) = NAMES.iter().position(|name| *name == key) {
                let number: f64 = value
                    .parse()
                    .ok()
                    .filter(|n: &f64| n.is_finite())
                    .ok_or_else(|| format!("{key} is {value}, not a number"))?;
                numbers[i] = Some(number);
            } else {
                return Err(format!("the key {key:?} is unknown"));
            }
        }
        let number = |i: usize, least: f64, most: f64| {
            let n = numbers[i].ok_or_else(|| format!("{} is missing", NAMES[i]))?;
            if (least..=most).contains(&n) {
                Ok(n)
            } else {
                Err(format!(
                    "{} is {n}; it must be {least} to {most}",
                    NAMES[i]
                ))
            }
        };
        let integer = |i: usize, least: f64, most: f64| {
            let n = number(i, least, most)?;
            if n.trunc() == n {
                Ok(n as u64)
            } else {
                Err(format!("{} is {n}, not an integer", NAMES[i]))
            }
        };
        let (call, asian) = match kind {
            Some("call") => (true, false),
            Some("put") => (false, false),
            Some("asian-call") => (true, true),
            Some("asian-put") => (false, true),
            other => {
                return Err(format!(
                    "kind is {other:?}; it must be call, put, asian-call or asian-put"
                ));
            }
        };
        const TINY: f64 = 1e-9;
        const HUGE: f64 = 1e12;
        Ok(Self {
            call,
            asian,
            spot: number(0, TINY, HUGE)?,
            strike: number(1, TINY, HUGE)?,
            rate: number(2, -1.0, 10.0)?,
            volatility: number(3, 0.0, 10.0)?,
            years: number(4, TINY, 100.0)?,
            steps: integer(5, 1.0, 10_000.0)? as u32,
            pairs: integer(6, 2.0, 1e9)?,
            seed: integer(7, 0.0, 9_007_199_254_740_991.0)?,
        })
    }

    fn price(&self) -> String {
        let dt = self.years / f64::from(self.steps);
        let drift = (self.rate - 0.5 * self.volatility * self.volatility) * dt;
        let diffusion = self.volatility * dt.sqrt();
        let discount = (-self.rate * self.years).exp();
        let mut random = Random::new(self.seed);
        // Welford's running mean and sum of squares, which lose no precision over many paths.
        let (mut mean, mut squares) = (0.0, 0.0);
        let every = (self.pairs / 1000).max(1);
        for pair in 1..=self.pairs {
            let (mut up, mut down) = (0.0f64, 0.0f64);
            let (mut up_sum, mut down_sum) = (0.0, 0.0);
            for _ in 0..self.steps {
                let z = diffusion * random.normal();
                up += drift + z;
                down += drift - z;
                if self.asian {
                    up_sum += up.exp();
                    down_sum += down.exp();
                }
            }
            let (up, down) = if self.asian {
                let steps = f64::from(self.steps);
                (up_sum / steps, down_sum / steps)
            } else {
                (up.exp(), down.exp())
            };
            let value = 0.5 * (self.payoff(self.spot * up) + self.payoff(self.spot * down));
            let delta = value - mean;
            mean += delta / pair as f64;
            squares += delta * (value - mean);
            if pair % every == 0 {
                // SAFETY: takes a number only.
                unsafe { host::progress((pair as f64 / self.pairs as f64 * 1000.0) as u32) };
            }
        }
        let pairs = self.pairs as f64;
        let error = (squares / (pairs - 1.0) / pairs).sqrt();
        format!(
            "{{\"price\":{},\"standard_error\":{},\"paths\":{}}}\n",
            discount * mean,
            discount * error,
            2 * self.pairs
        )
    }

    fn payoff(&self, price: f64) -> f64 {
        let gain = if self.call {
            price - self.strike
        } else {
            self.strike - price
        };
        gain.max(0.0)
    }
}

fn unquote(text: &str) -> Option<&str> {
    text.trim().strip_prefix('"')?.strip_suffix('"')
}

/// xoshiro256++ (Blackman and Vigna, 2019), seeded by SplitMix64 as its authors advise.
struct Random {
    state: [u64; 4],
    /// The second normal of a pair.
    spare: Option<f64>,
}

impl Random {
    fn new(mut seed: u64) -> Self {
        let state = std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state, spare: None }
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform over (−1, 1), in steps of 2⁻⁵².
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 52) as f64) - 1.0
    }

    /// A standard normal, by Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (self.uniform(), self.uniform());
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let scale = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }
}
