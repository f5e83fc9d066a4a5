//! Cheaters are caught as often as the formulas say, and the page says so too.

use std::path::Path;

/// Seeds of each adversary.
const RUNS: u32 = 2_000;
const BEGIN: &str = "<!-- table: written by UPDATE_PROOFS=1 cargo nextest run -p io-cheats -->\n";
const END: &str = "<!-- end of table -->";

#[test]
fn every_cheater_is_caught_as_often_as_predicted_and_the_page_says_so() {
    let outcomes = io_cheats::all(RUNS);
    for o in &outcomes {
        let Some(predicted) = o.predicted else {
            continue;
        };
        assert!(
            (o.measured() - predicted).abs() <= o.tolerance(),
            "{}: predicted {predicted}, measured {} in {} rounds",
            o.name,
            o.measured(),
            o.runs
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security-proofs.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).unwrap();
    let (old, tail) = rest.split_once(END).unwrap();
    let table = io_cheats::table(&outcomes);
    if std::env::var_os("UPDATE_PROOFS").is_some() {
        std::fs::write(&path, [head, BEGIN, &table, END, tail].concat()).unwrap();
    } else {
        // Seeds are fixed, and so is every figure.
        assert_eq!(
            old, table,
            "docs/security-proofs.md is old: run with UPDATE_PROOFS=1"
        );
    }
}

#[test]
fn the_bound_is_never_above_the_exact_chance() {
    for wrong in 1..=64_u64 {
        let exact = io_proof::detection_probability(64, wrong, io_proof::hardware::sizes::ROWS);
        assert!(
            io_cheats::bound(wrong as f64 / 64.0) <= exact + 1e-12,
            "{wrong}"
        );
    }
}
