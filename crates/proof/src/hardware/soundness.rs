//! How likely a cheater is caught.

use super::field::P;

/// The chance that a cheater with a fraction `f` (0 to 1) of wrong rows passes a check of `k` rows: at most
/// `(1 − f)^k + k/p`. The first term is never drawing a wrong row (drawing without repetition is no worse for the
/// oracle), the second is r hiding one that was drawn.
pub fn escape_bound(f: f64, k: u32) -> f64 {
    ((1.0 - f.clamp(0.0, 1.0)).powf(f64::from(k)) + f64::from(k) / P as f64).min(1.0)
}

/// The chance that it is caught, at least.
pub fn caught(f: f64, k: u32) -> f64 {
    1.0 - escape_bound(f, k)
}

/// The fewest rows that catch a fraction `f` of wrong rows with at least the chance `target`, up to
/// [`super::check::MAX_ROWS`].
pub fn rows_for(f: f64, target: f64) -> Option<u32> {
    (1..=super::check::MAX_ROWS).find(|k| caught(f, *k) >= target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_has_its_edges() {
        assert!((escape_bound(1.0, 16) - 16.0 / P as f64).abs() < 1e-30);
        assert_eq!(escape_bound(0.0, 16), 1.0);
        assert!((caught(0.1, 16) - (1.0 - 0.9_f64.powi(16))).abs() < 1e-12);
        assert_eq!(rows_for(0.5, 0.999), Some(10));
        assert_eq!(rows_for(0.0, 0.5), None);
    }
}
