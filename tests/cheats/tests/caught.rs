//! Cheaters are caught as often as the formulas say, and the page says so too.

use std::path::Path;

/// Seeds of each adversary.
const RUNS: u32 = 2_000;
/// Jobs of each adversary whose end hangs on a sample.
const JOB_RUNS: u32 = 200;
const UPDATE: &str = "UPDATE_PROOFS=1 cargo nextest run --workspace -E 'package(io-cheats)'";
const END: &str = "<!-- end of table -->";

/// Fails where a figure isn't the predicted one, or the page has another.
fn check(outcomes: &[io_cheats::Outcome], table: &str, of: &str) {
    for o in outcomes {
        let Some(predicted) = o.predicted else {
            continue;
        };
        assert!(
            (o.measured() - predicted).abs() <= o.tolerance(),
            "{}: predicted {predicted}, measured {} in {} {of}",
            o.name,
            o.measured(),
            o.runs
        );
        assert!(o.runs == 1 || !o.by_construction, "{}", o.name);
    }
    let begin = format!("<!-- {table}: written by {UPDATE} -->\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security-proofs.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(&begin).unwrap();
    let (old, tail) = rest.split_once(END).unwrap();
    let new = io_cheats::table(outcomes, of);
    if std::env::var_os("UPDATE_PROOFS").is_some() {
        std::fs::write(&path, [head, &begin, &new, END, tail].concat()).unwrap();
    } else {
        // Seeds are fixed, and so is every figure.
        assert_eq!(old, new, "docs/security-proofs.md is old: run {UPDATE}");
    }
}

/// Both tables are of one file, which the two must not write at once.
#[test]
fn every_cheater_is_caught_as_often_as_predicted_and_the_page_says_so() {
    check(&io_cheats::all(RUNS), "hardware", "rounds");
    let bench = io_cheats::jobs::Bench::new();
    check(&io_cheats::jobs::all(&bench, JOB_RUNS), "jobs", "jobs");
}

/// Whoever sums in another order is far inside the thresholds, so that no kernel that is to come stands at their edge.
#[test]
fn honest_machines_are_far_from_the_thresholds() {
    use io_engines::embed::{MIN_COSINE, fingerprint::*};
    let (cosine, difference) = io_cheats::jobs::honest_spread(&io_cheats::jobs::Bench::new());
    println!("worst cosine 1 - {:e}, {difference:?}", 1.0 - cosine);
    assert!(1.0 - cosine < (1.0 - MIN_COSINE) / 100.0, "{cosine}");
    assert!(difference.misplaced <= MAX_MISPLACED / 2, "{difference:?}");
    assert!(difference.exponents <= MAX_EXPONENTS / 2, "{difference:?}");
    assert!(difference.mean <= MAX_MEAN_MANTISSA / 8, "{difference:?}");
    assert!(
        difference.median <= MAX_MEDIAN_MANTISSA / 8,
        "{difference:?}"
    );
}

/// A cheaper model is seen in each single passage, and not just in the unlucky ones.
#[test]
fn a_cheaper_model_shows_in_every_passage() {
    for (name, wrong, detail) in io_cheats::jobs::cheaper_models(&io_cheats::jobs::Bench::new()) {
        println!("{name}: {wrong} of 40; {detail}");
        assert_eq!(wrong, 40, "{name}");
    }
}

/// Every test that the page names is there: a word in backticks of five parts or more is one.
#[test]
fn the_tests_that_the_page_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/security-proofs.md")).unwrap();
    let is_name = |text: &&str| {
        let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        text.matches('_').count() >= 4 && text.chars().all(is_word)
    };
    let mut named: Vec<&str> = page.split('`').filter(is_name).collect();
    named.sort_unstable();
    named.dedup();
    assert!(named.len() >= 10, "{named:?}");
    let mut folders: Vec<_> = ["crates", "oracle", "worker", "tests"]
        .map(|folder| root.join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let source = std::fs::read_to_string(&path).unwrap();
                named.retain(|name| !source.contains(&format!("fn {name}(")));
            }
        }
    }
    assert!(named.is_empty(), "no tests: {named:?}");
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
