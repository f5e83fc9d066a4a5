//! Measures the system and writes docs/benchmarks.md: `./x bench [SECTION…]`.
//!
//! Every figure of time or memory stands beside a baseline measured in the same run. Sections that are not named keep
//! their text. Nothing here is a test: a slow machine changes numbers, not outcomes.

mod chain;
mod local;
mod page;
mod programs;
mod work;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};

/// A section of the page: its name on the command line, its heading, and what measures it.
struct Section {
    name: &'static str,
    heading: &'static str,
    measure: fn(&Places) -> Result<String>,
}

const SECTIONS: [Section; 4] = [
    Section {
        name: "chain",
        heading: "On chain",
        measure: chain::measure,
    },
    Section {
        name: "settlement",
        heading: "Settlement and the worker at rest",
        measure: local::measure,
    },
    Section {
        name: "matching",
        heading: "Matching",
        measure: work::matching,
    },
    Section {
        name: "embed",
        heading: "Embeddings and their verification",
        measure: work::embed,
    },
];

/// Where things are.
pub struct Places {
    root: PathBuf,
    io: PathBuf,
    programs: PathBuf,
}

impl Places {
    fn find() -> Result<Self> {
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .with_context(|| format!("{name} is not set: run ./x bench"))
        };
        Ok(Self {
            root: variable("IO_NETWORK_ROOT")?,
            io: variable("IO_BIN")?,
            programs: variable("IO_PROGRAM_DIR")?,
        })
    }

    fn page(&self) -> PathBuf {
        self.root.join("docs/benchmarks.md")
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = named
        .iter()
        .find(|name| !SECTIONS.iter().any(|s| s.name == name.as_str()))
    {
        let names: Vec<_> = SECTIONS.iter().map(|s| s.name).collect();
        bail!("there is no section '{unknown}': {}", names.join(", "));
    }
    let places = Places::find()?;
    let mut page = page::Page::load(&places.page())?;
    for section in &SECTIONS {
        if !named.is_empty() && !named.iter().any(|name| name == section.name) {
            continue;
        }
        eprintln!("measuring: {}", section.heading);
        let text =
            (section.measure)(&places).with_context(|| format!("measuring '{}'", section.name))?;
        page.set(section.name, section.heading, &text);
        // After each: a later one that fails loses nothing.
        page.save(&places.page())?;
    }
    eprintln!("written: docs/benchmarks.md");
    Ok(())
}
