//! Long runs of the random tests of the on-chain program.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::{
    paths::Paths,
    program, say, setup,
    shell::{fresh_dir, run},
    work::{Lints, one_at_a_time, with_environment, workspace},
};

/// Operations of a run, unless it is said.
const OPERATIONS: u64 = 1_000_000;
/// The random tests: each takes its part of the operations, and writes down how many it tried.
const TESTS: &str = "binary(=onchain) & (test(=state_machine::any_history_keeps_the_books) \
    | test(=lease_machine::any_life_of_a_lease_keeps_the_books) \
    | test(=stake_machine::any_history_keeps_everybodys_part) \
    | test(=emission::random_rewards_match_a_model))";
/// How many those are.
const COUNT: usize = 4;

fn parse(arguments: &[&str]) -> Result<(u64, u64)> {
    let number = |text: &str| {
        text.replace('_', "")
            .parse::<u64>()
            .with_context(|| format!("{text:?} is no number: ./x help lists what there is"))
    };
    match arguments {
        [] => Ok((OPERATIONS, 0)),
        ["--seed", seed] => Ok((OPERATIONS, number(seed)?)),
        [operations] => Ok((number(operations)?, 0)),
        [operations, "--seed", seed] => Ok((number(operations)?, number(seed)?)),
        _ => bail!(
            "./x fuzz doesn't know {:?}: ./x help lists what there is",
            arguments.join(" ")
        ),
    }
}

/// Runs at least so many random operations against the programs, all tests together, and says how many it were.
pub fn fuzz(paths: &Paths, arguments: &[&str]) -> Result<()> {
    let (operations, seed) = parse(arguments)?;
    setup::nextest(paths)?;
    program::build(paths, &[&program::IO_NETWORK])?;
    let _lock = one_at_a_time(paths)?;
    let folder = paths.target.join("fuzz");
    fresh_dir(&folder)?;
    say!("{operations} operations, from seed {seed}");
    // The same build as the tests'.
    let lints = Lints::deny_warnings()?;
    run(with_environment(paths, lints.on(&mut workspace(paths)))?
        .args([
            "nextest",
            "run",
            "--workspace",
            "--profile",
            "fuzz",
            "-E",
            TESTS,
        ])
        .env("IO_FUZZ_OPERATIONS", operations.to_string())
        .env("IO_FUZZ_SEED", seed.to_string())
        .env("IO_FUZZ_DIR", &folder))?;
    let mut counts = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let count: u64 = fs::read_to_string(entry.path())?
            .parse()
            .with_context(|| format!("the count of {name}"))?;
        counts.push((name, count));
    }
    ensure!(counts.len() == COUNT, "only {} tests ran", counts.len());
    counts.sort();
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    for (name, count) in &counts {
        say!("{name:<14} {count:>9}");
    }
    ensure!(
        all >= operations,
        "{all} operations were tried, {operations} were asked for"
    );
    say!("{all} operations, and the books balanced after each");
    Ok(())
}
