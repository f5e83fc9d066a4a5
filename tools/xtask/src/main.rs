//! Builds the programs and their interface descriptions, sets up what they need, and runs the demo, the tests and the
//! benchmarks. `./x` is its door.

mod app;
mod debian;
mod fuzz;
mod idl;
mod paths;
mod program;
mod sbf;
mod setup;
mod shell;
mod work;

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::{paths::Paths, program::Program};

const HELP: &str = "\
./x COMMAND

  demo [--exit] [-o json] [--text FILE] [--passages N]
                                a market on this machine, and one job through all of it
  install [DIR]                 builds the io command and puts it into DIR (~/.local/bin)
  test [NEXTEST ARGUMENT…]      everything that must hold: formatting, lints, programs, interfaces, tests
  fuzz [OPERATIONS] [--seed N]  random operations against the on-chain program, a million unless said: the books are checked
                                after each, and every balance against a model
  bench                         measures, and writes docs/benchmarks.md
  build [PROGRAM…]              the on-chain programs, to $CARGO_TARGET_DIR/deploy
        --check-reproducible    … and once more from nothing: the bytes must be the same
  app                           the web app, to app/dist
  idl [--check]                 the programs' interfaces, to idl/
  setup                         fetches and builds what all of these need; they do it themselves
  clean-cache [PART…]           removes what was fetched and built
  help                          this text

Everything fetched or built lies in $IO_NETWORK_CACHE (~/.cache/io-network). IO_NETWORK_VERBOSE=1 shows more.
The programs are built with cargo build-sbf where it is on PATH, else with upstream LLVM; IO_NETWORK_SBF_TOOLS=official or
upstream chooses.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\u{2717} {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (command, rest) = arguments.split_first().unwrap_or((&"help", &[]));
    match (*command, rest) {
        ("help" | "--help" | "-h", _) => print!("{HELP}"),
        (idl::PRINT, [folder]) => idl::print(Path::new(folder))?,
        ("build", rest) => {
            let check = rest.contains(&"--check-reproducible");
            let named: Vec<_> = rest
                .iter()
                .filter(|name| **name != "--check-reproducible")
                .collect();
            let mut programs = named
                .iter()
                .map(|name| Program::named(name))
                .collect::<Result<Vec<_>>>()?;
            if programs.is_empty() {
                programs.extend(program::ALL);
            }
            let paths = Paths::find()?;
            program::build(&paths, &programs)?;
            if check {
                program::check_reproducible(&paths, &programs)?;
            }
        }
        ("app", []) => app::App::set_up(&Paths::find()?)?.build()?,
        ("idl", []) => idl::idl(&Paths::find()?, false)?,
        ("idl", ["--check"]) => idl::idl(&Paths::find()?, true)?,
        ("setup", []) => {
            let paths = Paths::find()?;
            setup::system()?;
            setup::setup(&paths)?;
            setup::nextest(&paths)?;
            program::prepare_tools(&paths)?;
            work::localnet(&paths)?;
            say!("everything is there: ./x demo runs a market, ./x install builds the io command");
        }
        (_, [flag]) if ["--help", "-h"].contains(flag) => print!("{HELP}"),
        ("install", []) => work::install(&Paths::find()?, None)?,
        ("install", [folder]) if !folder.starts_with('-') => {
            work::install(&Paths::find()?, Some(Path::new(folder)))?;
        }
        ("test", rest) => work::test(&Paths::find()?, rest)?,
        ("fuzz", rest) => fuzz::fuzz(&Paths::find()?, rest)?,
        ("demo", rest) if rest.iter().any(|flag| ["--help", "-h"].contains(flag)) => {
            print!("{HELP}")
        }
        ("demo", rest) => work::demo(&Paths::find()?, rest)?,
        ("bench", rest) => work::bench(&Paths::find()?, rest)?,
        ("clean-cache", rest) => work::clean_cache(&Paths::find()?, rest)?,
        _ => bail!(
            "cannot do {:?}: ./x help lists what there is",
            arguments.join(" ")
        ),
    }
    Ok(ExitCode::SUCCESS)
}
