//! Debian packages without installing them: a private apt of one suite, signatures checked as always, and the
//! packages unpacked into a folder of the cache.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    say,
    shell::{
        command, entries, fresh_dir, on_path, output, remove_dir, run_quiet, sha256_of, write,
    },
};

const KEYRINGS: &[&str] = &[
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];
/// Bounds the search through an odd apt configuration.
const MOST_SOURCE_FILES: usize = 100;

pub const NEEDS_DEBIAN: &str =
    "this needs Debian's apt-get and dpkg (any release from bookworm on; a container will do)";

/// One release of Debian as apt sources.
pub enum Suite {
    /// With its security updates.
    Bookworm,
    Sid,
}

impl Suite {
    fn name(&self) -> &'static str {
        match self {
            Suite::Bookworm => "bookworm",
            Suite::Sid => "sid",
        }
    }

    fn sources(&self) -> Result<String> {
        let keyring = KEYRINGS.iter().find(|path| Path::new(path).is_file()).with_context(|| {
            format!(
                "Debian's archive keys are missing (looked for {}): apt-get install debian-archive-keyring",
                KEYRINGS.join(", ")
            )
        })?;
        let mirror = Mirror::find()?;
        let Mirror { main, security } = &mirror;
        Ok(match self {
            Suite::Bookworm => format!(
                "deb [signed-by={keyring}] {main} bookworm main\n\
                 deb [signed-by={keyring}] {security} bookworm-security main\n"
            ),
            Suite::Sid => format!("deb [signed-by={keyring}] {main} sid main\n"),
        })
    }
}

struct Mirror {
    main: String,
    security: String,
}

impl Mirror {
    /// This machine's own mirror, from apt's configuration, or the one named by the user.
    fn find() -> Result<Self> {
        let mut text = String::new();
        for variable in [
            "IO_NETWORK_DEBIAN_MIRROR",
            "IO_NETWORK_DEBIAN_SECURITY_MIRROR",
        ] {
            text += &std::env::var(variable).unwrap_or_default();
            text.push('\n');
        }
        for file in source_files() {
            text += &fs::read_to_string(&file).unwrap_or_default();
            text.push('\n');
        }
        Self::first_in(&text).context(
            "no Debian mirror in apt's configuration. Set IO_NETWORK_DEBIAN_MIRROR to one (a URL that ends in /debian)",
        )
    }

    /// The first addresses in apt's sources, of either format.
    fn first_in(text: &str) -> Option<Self> {
        let (mut main, mut security) = (None, None);
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            for word in line.split_whitespace().filter(|word| word.contains("://")) {
                let uri = word.trim_end_matches('/').to_string();
                if uri.ends_with("/debian") {
                    main.get_or_insert(uri);
                } else if uri.ends_with("/debian-security") {
                    security.get_or_insert(uri);
                }
            }
        }
        let main = main?;
        // Where only one is configured, the other lies beside it.
        let security = security.unwrap_or_else(|| format!("{main}-security"));
        Some(Self { main, security })
    }
}

fn source_files() -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    // Cloud images keep their mirrors' addresses in the second of these.
    for folder in ["/etc/apt/sources.list.d", "/etc/apt/mirrors"] {
        files.extend(entries(Path::new(folder)).unwrap_or_default());
    }
    files.retain(|file| {
        file.extension()
            .is_some_and(|end| end == "list" || end == "sources")
    });
    files.truncate(MOST_SOURCE_FILES);
    files
}

/// An apt of one suite, in a folder of its own, that believes nothing is installed.
pub struct Apt {
    folder: PathBuf,
    name: &'static str,
}

impl Apt {
    pub fn open(folder: &Path, suite: Suite) -> Result<Self> {
        ensure!(
            on_path("apt-get").is_some() && on_path("dpkg").is_some(),
            NEEDS_DEBIAN
        );
        fresh_dir(folder)?;
        for inner in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        write(&folder.join("status"), "")?;
        write(&folder.join("sources.list"), suite.sources()?)?;
        let apt = Self {
            folder: folder.into(),
            name: suite.name(),
        };
        say!("reading Debian {}'s package lists", apt.name);
        run_quiet(apt.get().arg("update"))?;
        Ok(apt)
    }

    fn get(&self) -> Command {
        let folder = self.folder.display();
        let mut get = command("apt-get");
        get.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        for option in [
            format!("Dir::State={folder}"),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::State::status={folder}/status"),
            format!("Dir::Cache={folder}"),
            format!("Dir::Cache::archives={folder}/archives"),
            format!("Dir::Etc::sourcelist={folder}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".into(),
            "Dir::Etc::preferences=/dev/null".into(),
            "Dir::Etc::preferencesparts=/dev/null".into(),
            "Acquire::Languages=none".into(),
            "Acquire::Retries=3".into(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".into(),
            "APT::Keep-Downloaded-Packages=true".into(),
            // The folder is the user's own: apt's unprivileged user cannot write there.
            "APT::Sandbox::User=".into(),
        ] {
            get.args(["-o", &option]);
        }
        get
    }

    /// Downloads the packages and everything they depend on, and unpacks them into `into`.
    pub fn unpack_with_dependencies(
        &self,
        packages: &[&str],
        into: &Path,
        parts: &mut Parts,
    ) -> Result<()> {
        say!(
            "fetching {} and what they need from Debian {}",
            packages.join(", "),
            self.name
        );
        let mut get = self.get();
        get.args([
            "install",
            "--yes",
            "--no-install-recommends",
            "--download-only",
        ])
        .args(packages);
        run_quiet(&mut get).with_context(|| {
            format!(
                "Debian {} cannot give {}: has a package been renamed?",
                self.name,
                packages.join(", ")
            )
        })?;
        self.unpack_all(&self.folder.join("archives"), into, parts)
    }

    /// Downloads these packages alone, and unpacks them into `into`.
    pub fn unpack(&self, packages: &[&str], into: &Path, parts: &mut Parts) -> Result<()> {
        say!("fetching {} from Debian {}", packages.join(", "), self.name);
        let folder = self.folder.join("single");
        fresh_dir(&folder)?;
        run_quiet(
            self.get()
                .current_dir(&folder)
                .arg("download")
                .args(packages),
        )
        .with_context(|| {
            format!(
                "Debian {} cannot give {}: has a package been renamed?",
                self.name,
                packages.join(", ")
            )
        })?;
        self.unpack_all(&folder, into, parts)
    }

    fn unpack_all(&self, folder: &Path, into: &Path, parts: &mut Parts) -> Result<()> {
        fs::create_dir_all(into)?;
        for package in entries(folder)? {
            if package.extension().is_none_or(|end| end != "deb") {
                continue;
            }
            parts.record(&package)?;
            run_quiet(command("dpkg").arg("--extract").arg(&package).arg(into))?;
            fs::remove_file(&package)?;
        }
        Ok(())
    }

    /// The lists and packages are of no more use.
    pub fn close(self) -> Result<()> {
        remove_dir(&self.folder)
    }
}

/// What was unpacked: package → version and SHA-256.
#[derive(Default)]
pub struct Parts(BTreeMap<String, (String, String)>);

impl Parts {
    fn record(&mut self, package: &Path) -> Result<()> {
        let field = |name: &str| -> Result<String> {
            Ok(
                output(command("dpkg-deb").arg("--field").arg(package).arg(name))?
                    .trim()
                    .into(),
            )
        };
        self.0
            .insert(field("Package")?, (field("Version")?, sha256_of(package)?));
        Ok(())
    }

    pub fn add_with_prefix(&mut self, prefix: &str, other: Parts) {
        self.0.extend(
            other
                .0
                .into_iter()
                .map(|(name, part)| (format!("{prefix}{name}"), part)),
        );
    }

    pub fn version(&self, package: &str) -> Result<&str> {
        match self.0.get(package) {
            Some((version, _)) => Ok(version),
            None => bail!("the package {package} was not among those unpacked"),
        }
    }

    /// One line a package: name, version, SHA-256.
    pub fn text(&self) -> String {
        self.0
            .iter()
            .map(|(name, (version, hash))| format!("{name} {version} sha256:{hash}\n"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_read_from_both_formats() {
        let list = "# deb http://old.example/debian x main\n\
                    deb [signed-by=/a.gpg] https://a.example/debian/ bookworm main\n\
                    deb https://a.example/debian-security bookworm-security main\n";
        let mirror = Mirror::first_in(list).expect("a mirror");
        assert_eq!(mirror.main, "https://a.example/debian");
        assert_eq!(mirror.security, "https://a.example/debian-security");

        let deb822 = "Types: deb\nURIs: http://b.example/debian\nSuites: trixie\n";
        let mirror = Mirror::first_in(deb822).expect("a mirror");
        assert_eq!(mirror.main, "http://b.example/debian");
        assert_eq!(mirror.security, "http://b.example/debian-security");
    }

    #[test]
    fn other_distributions_have_no_mirror() {
        assert!(Mirror::first_in("deb http://c.example/ubuntu noble main\n").is_none());
        assert!(Mirror::first_in("").is_none());
    }
}
