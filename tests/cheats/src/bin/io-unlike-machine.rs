//! How far the fingerprints of one machine are from another's, on the job that the cheats get.
//!
//! ```text
//! io-unlike-machine run FOLDER          on the one machine: embeds, and keeps the result
//! io-unlike-machine compare FOLDER      on the other: checks every step, and prints the worst
//! ```
//!
//! One machine stands for several under an emulator that hides instruction sets, for kernels are chosen at run time:
//!
//! ```text
//! qemu-x86_64 -cpu Haswell io-unlike-machine run haswell      AVX2 and FMA
//! qemu-x86_64 -cpu Nehalem io-unlike-machine run nehalem      neither
//! ```

use std::{path::Path, process::ExitCode};

use io_cheats::jobs::Bench;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["run", folder] => Bench::new().keep_honest(Path::new(folder)),
        ["compare", folder] => {
            let (cosine, difference) = Bench::new().compare_kept(Path::new(folder));
            println!("worst cosine 1 - {:e}, {difference:?}", 1.0 - cosine);
        }
        _ => {
            eprintln!("usage: io-unlike-machine run|compare FOLDER");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
