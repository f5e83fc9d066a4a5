// Prices European options by Monte Carlo, as a job for IO Network's `wasm` engine.
//
// Input: text, one option a line, `#` starts a comment:
//     spot strike rate volatility years paths seed
// Rate and volatility are per year (0.05 is 5 %); paths is the number of antithetic pairs.
//
// Output: one JSON object a line:
//     {"line":1,"call":10.447210,"call_stderr":0.010321,"put":5.571002,"put_stderr":0.006712,"paths":1000000}
// `*_stderr` is the standard error of the estimate.
//
// Model: geometric Brownian motion, S_T = S₀·exp((r − σ²/2)·T + σ·√T·Z). Z comes from xoshiro256++ (Blackman and Vigna)
// through the inverse normal distribution (Wichura's AS 241, PPND16). No library: exp and log are below, so every machine
// computes the same bits.
//
// Error codes: 1 input too large, 2 a line has not seven numbers, 3 a number is out of range.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

__attribute__((import_module("io"), import_name("input_len"))) u32 input_len(void);
__attribute__((import_module("io"), import_name("input_read"))) u32 input_read(void *to, u32 offset, u32 len);
__attribute__((import_module("io"), import_name("output_write"))) void output_write(const void *from, u32 len);
__attribute__((import_module("io"), import_name("progress"))) void progress(u32 permille);

enum { MAX_INPUT = 1 << 20, FIELDS = 7, PROGRESS_EVERY = 1 << 16 };

static u8 input[MAX_INPUT];
static u8 line_out[256];

// Arithmetic

static double from_bits(u64 bits) {
    union { u64 u; double d; } x = {.u = bits};
    return x.d;
}

static u64 to_bits(double value) {
    union { double d; u64 u; } x = {.d = value};
    return x.u;
}

// e^x for |x| < 700: x = k·ln 2 + r with |r| ≤ ln 2 / 2, then the Taylor series of e^r to r^13 (error below 1e-16).
static double exp_(double x) {
    const double ln2_hi = 0x1.62e42fee00000p-1, ln2_lo = 0x1.a39ef35793c76p-33;
    double scaled = x * 0x1.71547652b82fep+0;
    i64 k = (i64)(scaled + (scaled < 0 ? -0.5 : 0.5));
    double r = (x - (double)k * ln2_hi) - (double)k * ln2_lo;
    double term = 1, sum = 1;
    for (int i = 1; i <= 13; i++) {
        term *= r / i;
        sum += term;
    }
    return sum * from_bits((u64)(k + 1023) << 52);
}

// ln x for normal x > 0: x = m·2^e with m in [√½, √2), ln m = 2·atanh((m−1)/(m+1)) by its series.
static double log_(double x) {
    u64 bits = to_bits(x);
    i64 e = (i64)(bits >> 52) - 1023;
    double m = from_bits((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        e += 1;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, term = s, sum = 0;
    for (int i = 1; i <= 23; i += 2) {
        sum += term / i;
        term *= s2;
    }
    return 2 * sum + (double)e * 0.69314718055994530942;
}

// Inverse of the normal distribution function: Wichura (1988), algorithm AS 241, PPND16.
static double normal_quantile(double p) {
    double q = p - 0.5;
    if (q >= -0.425 && q <= 0.425) {
        double r = 0.180625 - q * q;
        return q *
               (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r +
                    45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r +
                 133.14166789178437745) * r + 3.387132872796366608) /
               (((((((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r +
                    21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r +
                 42.313330701600911252) * r + 1.0);
    }
    double r = __builtin_sqrt(-log_(q < 0 ? p : 1 - p)), x;
    if (r <= 5) {
        r -= 1.6;
        x = (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r +
                 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r +
              4.6303378461565452959) * r + 1.42343711074968357734) /
            (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r +
                 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r +
              2.05319162663775882187) * r + 1.0);
    } else {
        r -= 5;
        x = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r +
                 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r +
              5.4637849111641143699) * r + 6.6579046435011037772) /
            (((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r +
                 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.13692988092273580531) * r +
              0.59983220655588793769) * r + 1.0);
    }
    return q < 0 ? -x : x;
}

// Random numbers

static u64 state[4];

static u64 rotate(u64 x, int k) { return (x << k) | (x >> (64 - k)); }

// SplitMix64 fills the state from a seed.
static void seed_random(u64 seed) {
    for (int i = 0; i < 4; i++) {
        u64 z = (seed += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        state[i] = z ^ (z >> 31);
    }
}

static u64 next_random(void) {
    u64 result = rotate(state[0] + state[3], 23) + state[0], t = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotate(state[3], 45);
    return result;
}

// In (0, 1), never an end of it.
static double next_uniform(void) { return ((double)(next_random() >> 11) + 0.5) * 0x1p-53; }

// Text

static u32 put_text(u32 at, const char *text) {
    while (*text) line_out[at++] = (u8)*text++;
    return at;
}

static u32 put_integer(u32 at, u64 value) {
    u8 digits[20];
    u32 n = 0;
    do digits[n++] = (u8)('0' + value % 10);
    while (value /= 10);
    while (n) line_out[at++] = digits[--n];
    return at;
}

// Six decimals, rounded half up; value ≥ 0 and below 9e12.
static u32 put_decimal(u32 at, double value) {
    u64 micro = (u64)(value * 1e6 + 0.5);
    at = put_integer(at, micro / 1000000);
    line_out[at++] = '.';
    for (u64 unit = 100000; unit; unit /= 10) line_out[at++] = (u8)('0' + micro / unit % 10);
    return at;
}

// Reads a decimal number; returns the position behind it, or 0 if there is none.
static u32 take_number(u32 at, u32 end, double *value) {
    double whole = 0, scale = 1;
    int negative = 0, digits = 0, fraction = 0;
    if (at < end && input[at] == '-') negative = 1, at++;
    for (; at < end; at++) {
        u8 c = input[at];
        if (c == '.' && !fraction) {
            fraction = 1;
        } else if (c >= '0' && c <= '9' && digits < 18) {
            whole = whole * 10 + (c - '0');
            digits++;
            if (fraction) scale *= 10;
        } else {
            break;
        }
    }
    *value = (negative ? -whole : whole) / scale;
    return digits ? at : 0;
}

// The job

static double total_pairs, done_pairs;

static int price(u32 line, const double *f) {
    double spot = f[0], strike = f[1], rate = f[2], volatility = f[3], years = f[4];
    u64 pairs = (u64)f[5];
    if (!(spot > 0 && spot < 1e9 && strike > 0 && strike < 1e9 && rate > -1 && rate < 1 && volatility > 0 &&
          volatility < 5 && years > 0 && years < 100 && f[5] >= 2 && f[5] < 1e12 && f[6] >= 0 && f[6] < 9e15))
        return 3;
    seed_random((u64)f[6]);
    double drift = (rate - volatility * volatility / 2) * years, spread = volatility * __builtin_sqrt(years);
    double discount = exp_(-rate * years);
    double call = 0, call2 = 0, put = 0, put2 = 0;
    for (u64 i = 0; i < pairs; i++) {
        double z = spread * normal_quantile(next_uniform());
        // A pair of antithetic paths counts as one sample.
        double up = spot * exp_(drift + z) - strike, down = spot * exp_(drift - z) - strike;
        double c = ((up > 0 ? up : 0) + (down > 0 ? down : 0)) / 2;
        double p = ((up < 0 ? -up : 0) + (down < 0 ? -down : 0)) / 2;
        call += c;
        call2 += c * c;
        put += p;
        put2 += p * p;
        if (i % PROGRESS_EVERY == 0) progress((u32)((done_pairs + (double)i) / total_pairs * 1000));
    }
    done_pairs += (double)pairs;
    double n = (double)pairs;
    double call_variance = (call2 - call * call / n) / (n - 1), put_variance = (put2 - put * put / n) / (n - 1);
    u32 at = put_text(0, "{\"line\":");
    at = put_integer(at, line);
    at = put_text(at, ",\"call\":");
    at = put_decimal(at, discount * call / n);
    at = put_text(at, ",\"call_stderr\":");
    at = put_decimal(at, discount * __builtin_sqrt((call_variance > 0 ? call_variance : 0) / n));
    at = put_text(at, ",\"put\":");
    at = put_decimal(at, discount * put / n);
    at = put_text(at, ",\"put_stderr\":");
    at = put_decimal(at, discount * __builtin_sqrt((put_variance > 0 ? put_variance : 0) / n));
    at = put_text(at, ",\"paths\":");
    at = put_integer(at, 2 * pairs);
    at = put_text(at, "}\n");
    output_write(line_out, at);
    return 0;
}

// Reads every line; prices it, or only counts its pairs.
static int each_line(u32 len, int pricing) {
    u32 at = 0;
    for (u32 line = 1; at < len; line++) {
        u32 end = at;
        while (end < len && input[end] != '\n' && input[end] != '#') end++;
        double fields[FIELDS];
        u32 n = 0, i = at;
        for (;;) {
            while (i < end && (input[i] == ' ' || input[i] == '\t' || input[i] == '\r')) i++;
            if (i == end) break;
            if (n == FIELDS || !(i = take_number(i, end, &fields[n]))) return 2;
            n++;
        }
        if (n && n != FIELDS) return 2;
        if (n && !pricing) total_pairs += fields[5];
        if (n && pricing) {
            int error = price(line, fields);
            if (error) return error;
        }
        while (end < len && input[end] != '\n') end++;
        at = end + 1;
    }
    return 0;
}

__attribute__((export_name("run"))) int run(void) {
    u32 len = input_len();
    if (len > MAX_INPUT) return 1;
    for (u32 at = 0; at < len;) {
        u32 n = input_read(input + at, at, len - at);
        if (!n) break;
        at += n;
    }
    int error = each_line(len, 0);
    return error ? error : each_line(len, 1);
}
