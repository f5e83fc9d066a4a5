//! `docs/security-ledger.md` names tests that exist, and leaves no finding out.

use std::{collections::BTreeMap, fs, path::PathBuf};

/// The findings that the ledger must answer to.
const FINDINGS: [&str; 20] = [
    "missing signer or owner check, account substitution",
    "PDA collision, non-canonical bump",
    "duplicate mutable accounts",
    "rounding, first depositor",
    "reward precision",
    "re-initialisation, revival",
    "arbitrary CPI",
    "ed25519 introspection",
    "Token-2022",
    "freeze authority",
    "rent",
    "clock",
    "replay",
    "quorum",
    "front-running, races",
    "griefing",
    "unbounded work",
    "administration",
    "missing events",
    "always: vaults = liabilities after every step",
];

fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The ledger's rows: finding → (tests, note).
fn rows() -> BTreeMap<String, (Vec<String>, String)> {
    let text = fs::read_to_string(checkout().join("docs/security-ledger.md")).expect("the ledger");
    let mut rows = BTreeMap::new();
    for line in text
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| finding |"))
    {
        let inner = line
            .strip_prefix('|')
            .and_then(|l| l.trim_end().strip_suffix('|'))
            .expect("a row ends with a bar");
        let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
        let [finding, tests, note] = cells[..] else {
            panic!("three cells a row: {line}")
        };
        let names = tests.split_whitespace().map(|name| {
            let quoted = name.strip_prefix('`').and_then(|n| n.strip_suffix('`'));
            quoted
                .unwrap_or_else(|| panic!("a test's name in backticks, not {name:?}"))
                .to_owned()
        });
        let before = rows.insert(finding.to_owned(), (names.collect(), note.to_owned()));
        assert!(before.is_none(), "{finding} has two rows");
    }
    rows
}

/// A function of this name, marked as a test.
fn is_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    // The attribute stands in the few lines before, with at most some other attributes and comments between.
    let head: Vec<&str> = source[..at].lines().rev().take(8).collect();
    head.iter()
        .take_while(|line| !line.trim_end().ends_with('}') || line.contains("#["))
        .any(|line| line.contains("#[test]") || line.contains("#[tokio::test"))
}

#[test]
fn every_named_test_exists() {
    let mut missing = Vec::new();
    for (finding, (tests, note)) in rows() {
        if tests.is_empty() {
            assert!(
                note.starts_with("not applicable yet: "),
                "{finding} has neither a test nor a reason"
            );
        }
        for name in tests {
            let (file, test) = name.rsplit_once("::").expect("module::name");
            let path = if file.ends_with(".rs") {
                PathBuf::from(file)
            } else {
                PathBuf::from(format!("tests/tests/onchain/{file}.rs"))
            };
            let source = fs::read_to_string(checkout().join(&path)).unwrap_or_default();
            if !is_test(&source, test) {
                missing.push(format!("{finding}: {name}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "the ledger names tests that don't exist:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_finding_has_a_row() {
    let rows = rows();
    for finding in FINDINGS {
        assert!(
            rows.contains_key(finding),
            "{finding} is missing from the ledger"
        );
    }
}
