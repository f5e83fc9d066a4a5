//! The element-wise parts of a transformer, on the CPU.
//!
//! Each function is plain arithmetic that the compiler vectorises; `Arch::dispatch` compiles it once for each
//! instruction set and picks the machine's at run time. Sums run in [`LANES`] lanes whatever the set, and
//! nothing is contracted to fused multiply-adds, so every machine gets the same bits from this file.

use pulp::Arch;

/// Partial sums of a reduction: one AVX-512 register of f32.
const LANES: usize = 16;

/// Adds `bias` to every row.
pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (x, b) in row.iter_mut().zip(bias) {
                    *x += b;
                }
            }
        },
    );
}

/// Adds `bias` to every row and applies GELU, the one with the error function.
pub fn bias_gelu(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (x, b) in row.iter_mut().zip(bias) {
                    *x = gelu(*x + b);
                }
            }
        },
    );
}

/// A layer norm's parameters.
pub struct LayerNorm {
    pub weight: Vec<f32>,
    pub bias: Vec<f32>,
    pub epsilon: f32,
}

/// `rows = norm(rows + bias + residual)`, row by row.
pub fn add_norm(rows: &mut [f32], bias: &[f32], residual: &[f32], norm: &LayerNorm) {
    let width = bias.len();
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (row, residual) in rows
                .chunks_exact_mut(width)
                .zip(residual.chunks_exact(width))
            {
                for ((x, b), r) in row.iter_mut().zip(bias).zip(residual) {
                    *x += b + r;
                }
                normalise(row, norm);
            }
        },
    );
}

/// A layer norm of every row.
pub fn norm(rows: &mut [f32], norm: &LayerNorm) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(norm.weight.len()) {
                normalise(row, norm);
            }
        },
    );
}

/// `softmax(scale · row)` for every row of `width`.
pub fn softmax(rows: &mut [f32], width: usize, scale: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(width) {
                let top = max(row);
                for x in row.iter_mut() {
                    *x = exp((*x - top) * scale);
                }
                let inverse = 1.0 / sum(row);
                for x in row.iter_mut() {
                    *x *= inverse;
                }
            }
        },
    );
}

/// Adds every row of `rows` to `sum`.
pub fn add_rows(sum: &mut [f32], rows: &[f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sum.len()) {
                for (s, x) in sum.iter_mut().zip(row) {
                    *s += x;
                }
            }
        },
    );
}

/// Scales a vector to unit length; a zero vector stays zero.
pub fn unit_length(vector: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let length = sum_of_squares(vector).sqrt();
            // The reference's own floor, torch.nn.functional.normalize's eps.
            let inverse = 1.0 / if length > 1e-12 { length } else { 1e-12 };
            for x in vector.iter_mut() {
                *x *= inverse;
            }
        },
    );
}

#[inline(always)]
fn normalise(row: &mut [f32], norm: &LayerNorm) {
    let scale = 1.0 / row.len() as f32;
    let mean = sum(row) * scale;
    for x in row.iter_mut() {
        *x -= mean;
    }
    let variance = sum_of_squares(row) * scale;
    let inverse = 1.0 / (variance + norm.epsilon).sqrt();
    for ((x, w), b) in row.iter_mut().zip(&norm.weight).zip(&norm.bias) {
        *x = *x * inverse * w + b;
    }
}

/// Folds values into [`LANES`] lanes with `f`, and the lanes into one with `merge`.
#[inline(always)]
fn fold(
    values: &[f32],
    start: f32,
    f: impl Fn(f32, f32) -> f32,
    merge: impl Fn(f32, f32) -> f32,
) -> f32 {
    let mut lanes = [start; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = f(*lane, *x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = f(*lane, *x);
    }
    lanes.into_iter().fold(start, merge)
}

#[inline(always)]
fn max(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if a > b { a } else { b };
    fold(values, f32::NEG_INFINITY, larger, larger)
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    fold(values, 0.0, |a, b| a + b, |a, b| a + b)
}

#[inline(always)]
fn sum_of_squares(values: &[f32]) -> f32 {
    fold(values, 0.0, |sum, x| sum + x * x, |a, b| a + b)
}

/// `x · Φ(x)`, with the error function of Abramowitz and Stegun 7.1.26, whose error is below 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    // 1 − erf(|z|), which keeps its precision where it is small.
    let tail = 0.5 * poly * exp(-z * z);
    x * if x < 0.0 { tail } else { 1.0 - tail }
}

/// e^x for x ≤ 0, within 2 units in the last place; below −87 it gives about e^−87 instead of a denormal.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7 (remainder below 5e-9), 2^n
/// through the exponent's bits. Adding and subtracting 1.5·2²³ rounds to the nearest integer.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first with few enough bits that n times it is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let poly = 1.0
        + r * (1.0
            + r * (0.5
                + r * (1.666_666_7e-1
                    + r * (4.166_666_8e-2
                        + r * (8.333_334e-3 + r * (1.388_888_9e-3 + r * 1.984_127e-4))))));
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    poly * f32::from_bits(exponent.wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest distance of `f` from `exact` over a fine grid, relative to `exact` or to `floor`.
    fn worst(
        from: f64,
        to: f64,
        floor: f64,
        f: impl Fn(f32) -> f32,
        exact: impl Fn(f64) -> f64,
    ) -> f64 {
        (0..200_000)
            .map(|i| {
                let x = (from + (to - from) * f64::from(i) / 200_000.0) as f32;
                let want = exact(f64::from(x));
                (f64::from(f(x)) - want).abs() / want.abs().max(floor)
            })
            .fold(0.0, f64::max)
    }

    /// Φ by the series of its density: enough terms for |x| ≤ 8.
    fn gelu_exact(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for k in 1..400 {
            term *= x * x / f64::from(2 * k + 1);
            sum += term;
        }
        let density = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        x * (0.5 + density * sum)
    }

    #[test]
    fn exp_is_exact_to_two_units_in_the_last_place() {
        let error = worst(-86.9, 0.0, f64::MIN_POSITIVE, exp, f64::exp);
        assert!(error < 2.0 * f64::from(f32::EPSILON), "{error:e}");
        assert!(exp(-1e30) < 2e-38 && exp(f32::NEG_INFINITY) < 2e-38);
    }

    #[test]
    fn gelu_is_within_its_approximation() {
        let error = worst(-6.0, 6.0, 1.0, gelu, gelu_exact);
        assert!(error < 6e-7, "{error:e}");
    }

    #[test]
    fn softmax_matches_the_definition_at_odd_widths() {
        for width in [1, 2, 15, 16, 17, 100, 513] {
            let row: Vec<f32> = (0..width).map(|i| ((i * 37 % 23) as f32) - 11.0).collect();
            let mut got = row.clone();
            softmax(&mut got, width, 0.25);
            let exps: Vec<f64> = row.iter().map(|x| (f64::from(*x) * 0.25).exp()).collect();
            let sum: f64 = exps.iter().sum();
            for (got, exp) in got.iter().zip(&exps) {
                assert!((f64::from(*got) - exp / sum).abs() < 1e-6, "width {width}");
            }
        }
    }

    #[test]
    fn norms_match_the_definition() {
        let width = 37;
        let norm = LayerNorm {
            weight: (0..width).map(|i| 0.5 + i as f32 * 0.1).collect(),
            bias: (0..width).map(|i| i as f32 * -0.2).collect(),
            epsilon: 1e-12,
        };
        let row: Vec<f32> = (0..width).map(|i| ((i * 13 % 7) as f32) - 3.0).collect();
        let residual: Vec<f32> = (0..width).map(|i| (i % 5) as f32).collect();
        let bias: Vec<f32> = (0..width).map(|i| (i % 3) as f32 * 0.5).collect();
        let mut got = row.clone();
        add_norm(&mut got, &bias, &residual, &norm);
        let x: Vec<f64> = (0..width)
            .map(|i| f64::from(row[i] + bias[i] + residual[i]))
            .collect();
        let mean = x.iter().sum::<f64>() / width as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
        for i in 0..width {
            let want = (x[i] - mean) / variance.sqrt() * f64::from(norm.weight[i])
                + f64::from(norm.bias[i]);
            assert!((f64::from(got[i]) - want).abs() < 1e-4, "{i}");
        }
    }
}
