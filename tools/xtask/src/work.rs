//! The tests, the demo and the benchmarks.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    app::{self, App},
    idl,
    paths::Paths,
    program, say, setup,
    shell::{Lock, cargo, entries, lock, on_path, remove_dir, run, start},
};

/// A named step of `./x test`, and how long it took.
struct Step {
    name: &'static str,
    took: Duration,
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        say!("{name}");
        let start = Instant::now();
        let result = work().with_context(|| format!("{name} failed"))?;
        self.0.push(Step {
            name,
            took: start.elapsed(),
        });
        Ok(result)
    }

    fn print(&self) {
        eprintln!();
        for Step { name, took } in &self.0 {
            let seconds = took.as_secs();
            eprintln!(
                "  ok  {name:<40} {:>3} min {:02} s",
                seconds / 60,
                seconds % 60
            );
        }
    }
}

/// Two checkouts that share a target folder would test each other's binaries: one works at a time.
pub fn one_at_a_time(paths: &Paths) -> Result<Lock> {
    lock(&paths.target.join(".x"))
}

/// Everything that must hold before a change is taken. `arguments` go to nextest.
pub fn test(paths: &Paths, arguments: &[&str]) -> Result<()> {
    let mut steps = Steps::default();
    steps.run("formatting", || {
        run(workspace(paths).args(["fmt", "--all", "--check"])).context("run cargo fmt --all")?;
        for manifest in own_workspaces(paths) {
            run(workspace(paths)
                .args(["fmt", "--check", "--manifest-path"])
                .arg(&manifest))
            .with_context(|| format!("run cargo fmt --manifest-path {}", paths.shown(&manifest)))?;
        }
        Ok(())
    })?;
    steps.run("system packages", || {
        setup::system()?;
        app::browser()
    })?;
    let _lock = one_at_a_time(paths)?;
    let lints = Lints::deny_warnings()?;
    say!("building what is tested beside the next steps; every warning and lint is an error");
    let built = start(lints.on(workspace(paths).args([
        "build",
        "--workspace",
        "--quiet",
        "--all-targets",
    ])))?;
    steps.run("setup", || {
        setup::setup(paths)?;
        setup::nextest(paths)
    })?;
    let app = steps.run("the web app's packages", || App::set_up(paths))?;
    steps.run("web app", || app.check())?;
    steps.run("programs", || {
        let programs: Vec<_> = program::ALL.iter().collect();
        program::build(paths, &programs)?;
        program::check_reproducible(paths, &programs)
    })?;
    steps.run("interfaces", || idl::idl(paths, true))?;
    if on_path("cargo-deny").is_some() {
        steps.run("licences, bans and sources of dependencies", || {
            run(workspace(paths).args(["deny", "--locked", "check", "bans", "licenses", "sources"]))
        })?;
    } else {
        say!("cargo-deny is not on PATH: dependencies' licences are not checked");
    }
    steps.run("lints, and building what is tested", || {
        built.wait()?;
        setup::keep_localnet(paths)?;
        // A build of its own, so that no misbehaviour is in the `io` that is tested.
        run(lints.on(workspace(paths).args([
            "build",
            "--workspace",
            "--quiet",
            "--features",
            "io-e2e/faults",
            "--bin",
            "io-faulty-worker",
        ])))
    })?;
    steps.run("tests", || {
        run(with_environment(paths, lints.on(&mut workspace(paths)))?
            .args(["nextest", "run", "--workspace"])
            .args(arguments))
    })?;
    steps.run("web app, in a browser", || {
        app.end_to_end(&paths.target.join("debug/io"), |tests| {
            with_environment(paths, tests).map(|_| ())
        })
    })?;
    steps.print();
    Ok(())
}

/// Sets up, builds, and becomes `io demo`, which prints to stdout and ends what it started.
pub fn demo(paths: &Paths, arguments: &[&str]) -> Result<()> {
    check_demo(arguments)?;
    check_text(arguments)?;
    let io = built_io(paths)?;
    let mut demo = Command::new(&io);
    demo.arg("demo").args(arguments);
    if !arguments
        .iter()
        .any(|argument| *argument == "--text" || argument.starts_with("--text="))
    {
        demo.arg("--text").arg(setup::text_file(paths));
    }
    become_command(with_environment(paths, &mut demo)?)
}

/// Flags of `io demo`, and whether a value follows.
const DEMO_FLAGS: [(&str, bool); 16] = [
    ("--exit", false),
    ("--text", true),
    ("--passages", true),
    ("--max-price", true),
    ("--data-dir", true),
    ("--slot-ms", true),
    ("--workers", true),
    ("-o", true),
    ("--output", true),
    ("-q", false),
    ("--quiet", false),
    ("-y", false),
    ("--yes", false),
    ("--dry-run", false),
    ("-k", true),
    ("--keypair", true),
];

/// A wrong flag is said before a quarter of an hour of building.
fn check_demo(arguments: &[&str]) -> Result<()> {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (*argument, None),
        };
        match DEMO_FLAGS.iter().find(|(flag, _)| *flag == name) {
            Some((_, true)) if value.is_none() && rest.next().is_none() => {
                bail!("{name} wants a value: ./x help lists what there is")
            }
            Some((_, false)) if value.is_some() => bail!("{name} takes no value"),
            Some(_) => {}
            None => bail!("./x demo doesn't know {argument:?}: ./x help lists what there is"),
        }
    }
    Ok(())
}

/// A wrong path is said before a quarter of an hour of building.
fn check_text(arguments: &[&str]) -> Result<()> {
    let named = arguments.iter().enumerate().find_map(|(at, argument)| {
        argument.strip_prefix("--text=").or_else(|| {
            arguments
                .get(at + 1)
                .copied()
                .filter(|_| *argument == "--text")
        })
    });
    if let Some(file) = named.filter(|file| !Path::new(file).is_file()) {
        bail!("--text {file}: there is no such file");
    }
    Ok(())
}

/// The `io` command where the user's shell finds it.
pub fn install(paths: &Paths, folder: Option<&Path>) -> Result<()> {
    let folder = match folder {
        Some(folder) => std::path::absolute(folder)?,
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set: name a folder")?)
            .join(".local/bin"),
    };
    let built = built_io(paths)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let io = folder.join("io");
    setup::copy_program(&built, &io)?;
    say!("installed {}", io.display());
    if on_path("io").as_deref() != Some(io.as_path()) {
        say!(
            "your shell does not find it yet: export PATH=\"{}:$PATH\"",
            folder.display()
        );
    }
    Ok(())
}

/// Measures, and writes docs/benchmarks.md.
pub fn bench(paths: &Paths, arguments: &[&str]) -> Result<()> {
    let io = built_io(paths)?;
    let mut bench = workspace(paths);
    bench
        .args(["run", "--quiet", "--package", "io-bench", "--"])
        .args(arguments);
    bench.env("IO_BIN", io);
    become_command(with_environment(paths, &mut bench)?)
}

/// The `io` command, in this checkout's own folder: a later build of another checkout does not touch it while it runs. And the local chain that
/// it starts, in the cache.
fn built_io(paths: &Paths) -> Result<PathBuf> {
    setup::system()?;
    let _lock = one_at_a_time(paths)?;
    say!("building the io command and the local chain");
    // The whole workspace's features, not the packages' own: the tests' build of the dependencies serves here too.
    let built = start(workspace(paths).args([
        "build",
        "--workspace",
        "--quiet",
        "--bin",
        "io",
        "--bin",
        "io-localnet",
    ]))?;
    setup::setup(paths)?;
    program::build(paths, &[&program::IO_NETWORK, &program::IO_CONSUMER])?;
    built.wait()?;
    setup::keep_localnet(paths)?;
    let io = paths.root.join(".io/bin/io");
    setup::copy_program(&paths.target.join("debug/io"), &io)?;
    Ok(io)
}

/// The local chain, where an installed `io` finds it.
pub fn localnet(paths: &Paths) -> Result<()> {
    let _lock = one_at_a_time(paths)?;
    say!("building the local chain");
    run(workspace(paths).args(["build", "--workspace", "--quiet", "--bin", "io-localnet"]))?;
    setup::keep_localnet(paths)
}

/// Clippy as the compiler of this workspace's own crates, as `cargo clippy` sets it up, but for a build that is kept: a
/// check apart would compile every dependency a second time. It leaves out optimisations that rustc makes before LLVM's, and nothing else.
pub struct Lints {
    driver: PathBuf,
}

impl Lints {
    pub fn deny_warnings() -> Result<Self> {
        let driver = on_path("clippy-driver")
            .context("clippy is missing. Run: rustup component add clippy")?;
        Ok(Self { driver })
    }

    pub fn on<'a>(&self, cargo: &'a mut Command) -> &'a mut Command {
        cargo
            .env("RUSTC_WORKSPACE_WRAPPER", &self.driver)
            .env("CLIPPY_ARGS", "-Dwarnings__CLIPPY_HACKERY__")
    }
}

/// Where the programs that run find what was set up.
pub fn with_environment<'a>(paths: &Paths, command: &'a mut Command) -> Result<&'a mut Command> {
    Ok(command
        .env("PATH", setup::path_with_tools(paths)?)
        .env("IO_LOCALNET_BIN", setup::localnet_binary(paths))
        .env("IO_PROGRAM_DIR", &paths.deploy)
        .env("IO_MODEL_DIR", setup::model_folder(paths)))
}

pub fn workspace(paths: &Paths) -> Command {
    let mut cargo = cargo();
    cargo
        .current_dir(&paths.root)
        .env("CARGO_TARGET_DIR", &paths.target);
    cargo
}

/// Crates with a lock file of their own, which the workspace's commands leave out.
fn own_workspaces(paths: &Paths) -> Vec<PathBuf> {
    ["tools/sbf/builtins", "tools/sbf/int128-probe"]
        .iter()
        .map(|folder| paths.root.join(folder).join("Cargo.toml"))
        .collect()
}

/// Replaces this process, so that signals and the exit status are the other program's own.
fn become_command(command: &mut Command) -> Result<()> {
    command.stdin(std::process::Stdio::inherit());
    let error = command.exec();
    bail!(
        "cannot start {}: {error}",
        Path::new(command.get_program()).display()
    )
}

/// Removes what the cache holds, or the named parts of it.
pub fn clean_cache(paths: &Paths, parts: &[&str]) -> Result<()> {
    let there: Vec<_> = entries(&paths.cache)?
        .into_iter()
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_string()))
        .collect();
    if let Some(unknown) = parts
        .iter()
        .find(|part| !there.iter().any(|name| name == *part))
    {
        bail!(
            "the cache has no part {unknown:?}: there are {}",
            there.join(", ")
        );
    }
    for name in there {
        if !parts.is_empty() && !parts.contains(&name.as_str()) {
            continue;
        }
        let folder = paths.cache.join(&name);
        let lock = lock(&folder)?;
        say!("removing {}", folder.display());
        remove_dir(&folder)?;
        drop(lock);
    }
    if parts.is_empty() {
        fs::remove_file(paths.cache.join("xtask.lock")).ok();
    }
    Ok(())
}
