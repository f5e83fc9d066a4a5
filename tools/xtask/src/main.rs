//! Builds the programs and their interface descriptions, sets up what they need, and runs the demo, the tests and the
//! benchmarks. `./x` is its door.

mod debian;
mod idl;
mod paths;
mod program;
mod sbf;
mod shell;

use std::{path::Path, process::ExitCode};

use anyhow::{Result, bail};

use crate::{paths::Paths, program::Program};

const HELP: &str = "\
./x COMMAND

  build [PROGRAM…]              the on-chain programs, to $CARGO_TARGET_DIR/deploy
        --check-reproducible    … and once more from nothing: the bytes must be the same
  idl [--check]                 the programs' interfaces, to idl/
  help                          this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("x: {error:#}");
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
        ("idl", []) => idl::idl(&Paths::find()?, false)?,
        ("idl", ["--check"]) => idl::idl(&Paths::find()?, true)?,
        _ => bail!(
            "cannot do {:?}: ./x help lists what there is",
            arguments.join(" ")
        ),
    }
    Ok(ExitCode::SUCCESS)
}
