//! The programs' bytecode, built by `./x build`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The deploy folder below cargo's target folder.
pub fn deploy_folder() -> PathBuf {
    // A test binary lies at TARGET/PROFILE/deps/NAME, also where CARGO_TARGET_DIR isn't set.
    let target = env::var_os("CARGO_TARGET_DIR")
        .map(PathBuf::from)
        .or_else(|| {
            let binary = env::current_exe().ok()?;
            binary.ancestors().nth(3).map(Path::to_path_buf)
        });
    target
        .unwrap_or_else(|| PathBuf::from("target"))
        .join("deploy")
}

/// The ELF of one program: `program("io_network")`.
///
/// # Panics
/// When it hasn't been built.
pub fn program(name: &str) -> Vec<u8> {
    let path = deploy_folder().join(format!("{name}.so"));
    match std::fs::read(&path) {
        Ok(elf) => elf,
        Err(error) => panic!(
            "the program {} cannot be read ({error}): run ./x build",
            path.display()
        ),
    }
}
