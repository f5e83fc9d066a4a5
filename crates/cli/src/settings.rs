//! Where settings come from. Earlier wins: flag, `IO_*` variable, `./io.toml`, the context of a local network (with
//! `-u localnet` or a file), `~/.config/io/config.toml`, the Solana CLI's own configuration and key.

use std::{
    collections::BTreeMap,
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result, file_failure};

/// Largest configuration file that is read, bytes.
const MAX_CONFIG_BYTES: u64 = 64 * 1024;
/// Oracles that a configuration names at most, as many as an oracle set holds.
pub const MAX_ORACLES: usize = 32;
/// Where `io up` writes the local network's context.
pub const CONTEXT_FILE: &str = "localnet.toml";
/// A configuration in the working folder.
pub const LOCAL_FILE: &str = "io.toml";

/// What a configuration file may say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `localnet`, `devnet`, `mainnet`, an RPC address, or a context file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The WebSocket address that belongs to the RPC address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_url: Option<String>,
    /// A key file in the Solana CLI's format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keypair: Option<PathBuf>,
    /// Addresses of oracles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oracles: Option<Vec<String>>,
    /// `table`, `json`, `jsonl` or `yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Symbols of payment mints: symbol = mint address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mints: BTreeMap<String, String>,
}

/// The keys that `io config set` takes.
pub const KEYS: [&str; 5] = ["url", "ws_url", "keypair", "oracles", "output"];

/// A value and the place it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    pub value: T,
    pub source: String,
}

impl<T> Sourced<T> {
    fn new(value: T, source: impl Into<String>) -> Self {
        Self {
            value,
            source: source.into(),
        }
    }
}

/// What the flags say.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub url: Option<String>,
    pub keypair: Option<PathBuf>,
    pub oracles: Vec<String>,
    pub output: Option<String>,
}

/// What a command works with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `localnet`, `devnet`, `mainnet`, or empty for a plain address.
    pub cluster: String,
    pub rpc_url: Sourced<String>,
    pub ws_url: Sourced<String>,
    pub keypair: Sourced<PathBuf>,
    pub oracles: Sourced<Vec<String>>,
    pub output: Option<Sourced<String>>,
    pub mints: BTreeMap<String, String>,
}

impl Settings {
    /// Fails where the local network of `io up` is meant and none is there: its context, which names its oracles and its wallet, is there
    /// from when it is ready until it ends.
    pub fn local_network(&self) -> Result<()> {
        if self.cluster != "localnet" || !self.oracles.value.is_empty() {
            return Ok(());
        }
        Err(
            Failure::failed("no local network is running here").hint(
                "`io up` starts one. For one that was started otherwise: --oracle URL or IO_ORACLES, and -k FILE.",
            ),
        )
    }

    /// Whether the wallet is named nearer than in a local network's context: it is this one with and without the network.
    pub fn names_wallet(&self) -> bool {
        let source = &self.keypair.source;
        matches!(source.as_str(), "-k" | "IO_KEYPAIR") || Path::new(source).ends_with(LOCAL_FILE)
    }
}

/// Looks a variable of the environment up.
type Variables = Box<dyn Fn(&str) -> Option<String>>;

/// The surroundings that settings are read from; tests bring their own.
pub struct Surroundings {
    pub variable: Variables,
    pub working_dir: PathBuf,
    pub home: Option<PathBuf>,
}

impl Surroundings {
    pub fn real() -> Self {
        Self {
            variable: Box::new(|name| env::var(name).ok().filter(|value| !value.is_empty())),
            working_dir: env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            home: env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from),
        }
    }

    fn var(&self, name: &str) -> Option<String> {
        (self.variable)(name)
    }

    /// `~/.config/io/config.toml`.
    pub fn user_file(&self) -> Option<PathBuf> {
        let base = self
            .var("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(self.home.as_ref()?.join(".config")))?;
        Some(base.join("io/config.toml"))
    }

    /// `~/.local/share/io-network`.
    pub fn data_dir(&self) -> PathBuf {
        self.var("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(self.home.as_ref()?.join(".local/share")))
            .unwrap_or_else(|| self.working_dir.clone())
            .join("io-network")
    }

    /// Where `io up` keeps a local network by default.
    pub fn localnet_dir(&self) -> PathBuf {
        self.data_dir().join("localnet")
    }

    fn solana_file(&self) -> Option<PathBuf> {
        Some(self.home.as_ref()?.join(".config/solana/cli/config.yml"))
    }
}

/// Reads the configuration at `path`; `None` when there is none.
pub fn read(path: &Path) -> Result<Option<Config>> {
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    let mut config: Config = toml::from_str(&text).map_err(|error| {
        Failure::usage(format!("{}: {}", path.display(), error.message())).hint(format!(
            "Correct the file. It may hold {} and a table of mints.",
            KEYS.join(", ")
        ))
    })?;
    if config
        .oracles
        .as_ref()
        .is_some_and(|oracles| oracles.len() > MAX_ORACLES)
    {
        return Err(Failure::usage(format!(
            "{}: more than {MAX_ORACLES} oracles",
            path.display()
        )));
    }
    // A relative key file belongs to the file that names it.
    if let (Some(keypair), Some(folder)) = (&config.keypair, path.parent())
        && keypair.is_relative()
        && !keypair.starts_with("~")
    {
        config.keypair = Some(folder.join(keypair));
    }
    Ok(Some(config))
}

fn read_text(path: &Path) -> Result<Option<String>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(file_failure("the configuration", path, &error)),
    };
    let mut text = String::new();
    file.take(MAX_CONFIG_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| file_failure("the configuration", path, &error))?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(Failure::usage(format!(
            "{} has more than {MAX_CONFIG_BYTES} bytes: is it another file?",
            path.display()
        )));
    }
    Ok(Some(text))
}

/// `key: value` lines of the Solana CLI's YAML.
fn solana_value(text: &str, key: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
        .map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty() && value != "null" && value != "~")
}

/// Finds every setting. Fails on a file that is there and wrong, never on one that is missing.
pub fn resolve(flags: &Flags, around: &Surroundings) -> Result<Settings> {
    let load = |path: Option<PathBuf>| -> Result<Option<(String, Config)>> {
        let Some(path) = path else { return Ok(None) };
        Ok(read(&path)?.map(|config| (path.display().to_string(), config)))
    };
    let local = load(Some(around.working_dir.join(LOCAL_FILE)))?;
    let user = load(around.user_file())?;
    let solana_path = around.solana_file();
    let solana = solana_path
        .as_ref()
        .and_then(|path| Some((path, read_text(path).ok()??)));

    let asked = flags
        .url
        .clone()
        .map(|url| Sourced::new(url, "-u"))
        .or_else(|| Some(Sourced::new(around.var("IO_URL")?, "IO_URL")))
        .or_else(|| from(&local, |config| config.url.clone()))
        .or_else(|| from(&user, |config| config.url.clone()))
        .or_else(|| {
            let (path, text) = solana.as_ref()?;
            Some(Sourced::new(
                solana_value(text, "json_rpc_url")?,
                path.display().to_string(),
            ))
        })
        .unwrap_or_else(|| Sourced::new("localnet".to_owned(), "default"));

    let (cluster, context_path) = match asked.value.as_str() {
        "localnet" | "l" => ("localnet", Some(around.localnet_dir().join(CONTEXT_FILE))),
        "devnet" | "d" => ("devnet", None),
        "mainnet" | "m" | "mainnet-beta" => ("mainnet", None),
        path if path.ends_with(".toml") => {
            let path = around.working_dir.join(expand(path, around));
            if !path.is_file() {
                return Err(Failure::not_found(format!(
                    "the context {}: there is no such file",
                    path.display()
                ))
                .hint("`io up` writes one; pass the path that it prints."));
            }
            ("localnet", Some(path))
        }
        url if url.starts_with("http://") || url.starts_with("https://") => ("", None),
        other => {
            return Err(Failure::usage(format!(
                "-u is '{other}': expected localnet, devnet, mainnet, an RPC address like http://127.0.0.1:8899, or a \
                 context file"
            ))
            .hint("`io config show` tells where each setting comes from."));
        }
    };
    let context = load(context_path)?;

    let rpc_url = match cluster {
        "localnet" => from(&context, |config| config.url.clone())
            .unwrap_or_else(|| Sourced::new("http://127.0.0.1:8899".to_owned(), "localnet")),
        "devnet" => Sourced::new(
            "https://api.devnet.solana.com".to_owned(),
            asked.source.clone(),
        ),
        "mainnet" => Sourced::new(
            "https://api.mainnet-beta.solana.com".to_owned(),
            asked.source.clone(),
        ),
        _ => asked.clone(),
    };
    let ws_url = around
        .var("IO_WS_URL")
        .map(|url| Sourced::new(url, "IO_WS_URL"))
        .or_else(|| from(&context, |config| config.ws_url.clone()))
        .or_else(|| from(&local, |config| config.ws_url.clone()))
        .or_else(|| from(&user, |config| config.ws_url.clone()))
        .unwrap_or_else(|| {
            Sourced::new(websocket_of(&rpc_url.value), "derived from the RPC address")
        });

    let keypair = flags
        .keypair
        .clone()
        .map(|path| Sourced::new(path, "-k"))
        .or_else(|| {
            Some(Sourced::new(
                PathBuf::from(around.var("IO_KEYPAIR")?),
                "IO_KEYPAIR",
            ))
        })
        .or_else(|| from(&local, |config| config.keypair.clone()))
        .or_else(|| from(&context, |config| config.keypair.clone()))
        .or_else(|| from(&user, |config| config.keypair.clone()))
        .or_else(|| {
            let (path, text) = solana.as_ref()?;
            Some(Sourced::new(
                solana_value(text, "keypair_path")?.into(),
                path.display().to_string(),
            ))
        })
        .unwrap_or_else(|| Sourced::new(PathBuf::from("~/.config/solana/id.json"), "default"));
    let keypair = Sourced::new(
        expand(&keypair.value.to_string_lossy(), around),
        keypair.source,
    );

    let split = |text: String| {
        text.split(',')
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect()
    };
    let oracles: Sourced<Vec<String>> = (!flags.oracles.is_empty())
        .then(|| Sourced::new(flags.oracles.clone(), "--oracle"))
        .or_else(|| Some(Sourced::new(split(around.var("IO_ORACLES")?), "IO_ORACLES")))
        .or_else(|| from(&local, |config| config.oracles.clone()))
        .or_else(|| from(&context, |config| config.oracles.clone()))
        .or_else(|| from(&user, |config| config.oracles.clone()))
        .unwrap_or_else(|| Sourced::new(Vec::new(), "none"));
    for oracle in &oracles.value {
        check_address(
            &format!("the oracle '{oracle}' ({})", oracles.source),
            oracle,
        )?;
    }

    let output = flags
        .output
        .clone()
        .map(|output| Sourced::new(output, "-o"))
        .or_else(|| Some(Sourced::new(around.var("IO_OUTPUT")?, "IO_OUTPUT")))
        .or_else(|| from(&local, |config| config.output.clone()))
        .or_else(|| from(&user, |config| config.output.clone()));

    let mut mints = BTreeMap::new();
    for config in [&user, &context, &local].into_iter().flatten() {
        mints.extend(config.1.mints.clone());
    }
    Ok(Settings {
        cluster: cluster.to_owned(),
        rpc_url,
        ws_url,
        keypair,
        oracles,
        output,
        mints,
    })
}

/// Fails unless `url` is an http(s) address with a host. `what` names it in the error.
pub fn check_address(what: &str, url: &str) -> Result<()> {
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .and_then(|authority| authority.rsplit('@').next())
        .unwrap_or_default();
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if host.is_empty() || host.starts_with(':') || url.contains(odd) {
        return Err(Failure::usage(format!("{what} is no address"))
            .hint("Expected something like http://127.0.0.1:8801."));
    }
    Ok(())
}

fn from<T>(
    file: &Option<(String, Config)>,
    get: impl FnOnce(&Config) -> Option<T>,
) -> Option<Sourced<T>> {
    let (path, config) = file.as_ref()?;
    Some(Sourced::new(get(config)?, path.clone()))
}

/// `~/x` in the home folder.
pub fn expand(path: &str, around: &Surroundings) -> PathBuf {
    match (path.strip_prefix("~/"), &around.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}

/// Public nodes serve both on one address; a node with a port serves WebSockets on the next one.
fn websocket_of(url: &str) -> String {
    let (scheme, rest) = match url.strip_prefix("https://") {
        Some(rest) => ("wss", rest),
        None => ("ws", url.strip_prefix("http://").unwrap_or(url)),
    };
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, String::new()), |(host, path)| {
            (host, format!("/{path}"))
        });
    match host
        .rsplit_once(':')
        .and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?.checked_add(1)?)))
    {
        Some((name, port)) => format!("{scheme}://{name}:{port}{path}"),
        None => format!("{scheme}://{host}{path}"),
    }
}

/// An address without path and query, which may hold a token.
pub fn public_part(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return "?".to_owned();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let hidden = rest.len() > host.len() && rest != format!("{host}/");
    format!("{scheme}://{host}{}", if hidden { "/…" } else { "" })
}

/// Sets one key of the user's file, keeping the others.
pub fn set(path: &Path, key: &str, value: &str) -> Result<()> {
    let mut config = read(path)?.unwrap_or_default();
    match key {
        "url" => config.url = Some(value.to_owned()),
        "ws_url" => config.ws_url = Some(value.to_owned()),
        "keypair" => config.keypair = Some(PathBuf::from(value)),
        "oracles" => {
            config.oracles = Some(
                value
                    .split(',')
                    .map(|part| part.trim().to_owned())
                    .collect(),
            )
        }
        "output" => config.output = Some(value.to_owned()),
        other => {
            return Err(Failure::usage(format!("'{other}' is no setting"))
                .hint(format!("The settings are {}.", KEYS.join(", "))));
        }
    }
    write(path, &config)
}

/// Writes a configuration, complete or not at all.
pub fn write(path: &Path, config: &Config) -> Result<()> {
    let failed = |error: std::io::Error| file_failure("the configuration", path, &error);
    let text = toml::to_string_pretty(config)
        .map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let partial = path.with_extension("toml.part");
    fs::write(&partial, text)
        .and_then(|()| fs::rename(&partial, path))
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(folder: &Path, variables: &[(&str, &str)]) -> Surroundings {
        let variables: BTreeMap<String, String> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Surroundings {
            variable: Box::new(move |name| variables.get(name).cloned()),
            working_dir: folder.join("work"),
            home: Some(folder.to_owned()),
        }
    }

    fn put(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_nearer_place_wins() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let none = around(home, &[]);
        let url =
            |flags: &Flags, around: &Surroundings| resolve(flags, around).unwrap().rpc_url.value;
        assert_eq!(url(&Flags::default(), &none), "http://127.0.0.1:8899");

        put(
            home.join(".config/solana/cli/config.yml"),
            "---\njson_rpc_url: \"http://solana:1\"\nwebsocket_url: ''\nkeypair_path: /solana/id.json\n",
        );
        let settings = resolve(&Flags::default(), &none).unwrap();
        assert_eq!(settings.rpc_url.value, "http://solana:1");
        assert_eq!(settings.keypair.value, Path::new("/solana/id.json"));

        put(
            home.join(".config/io/config.toml"),
            "url = \"http://user:1\"\nkeypair = \"~/user.json\"\n",
        );
        let settings = resolve(&Flags::default(), &none).unwrap();
        assert_eq!(settings.rpc_url.value, "http://user:1");
        assert_eq!(settings.keypair.value, home.join("user.json"));

        put(
            home.join("work/io.toml"),
            "url = \"http://here:1\"\nkeypair = \"here.json\"\noracles = [\"http://o:1\"]\n",
        );
        let settings = resolve(&Flags::default(), &none).unwrap();
        assert_eq!(settings.rpc_url.value, "http://here:1");
        assert_eq!(settings.keypair.value, home.join("work/here.json"));
        assert_eq!(settings.oracles.value, ["http://o:1"]);

        let variable = around(
            home,
            &[
                ("IO_URL", "http://variable:1"),
                ("IO_ORACLES", "http://a:1, http://b:2"),
            ],
        );
        let settings = resolve(&Flags::default(), &variable).unwrap();
        assert_eq!(
            settings.rpc_url,
            Sourced::new("http://variable:1".to_owned(), "IO_URL")
        );
        assert_eq!(settings.oracles.value, ["http://a:1", "http://b:2"]);

        let flags = Flags {
            url: Some("http://flag:1".into()),
            ..Flags::default()
        };
        assert_eq!(url(&flags, &variable), "http://flag:1");
    }

    #[test]
    fn a_local_networks_context_brings_its_wallet_and_oracles() {
        let folder = tempfile::tempdir().unwrap();
        let around = around(folder.path(), &[]);
        put(
            folder.path().join(".config/io/config.toml"),
            "keypair = \"/real/key.json\"\n",
        );
        put(
            around.localnet_dir().join(CONTEXT_FILE),
            "url = \"http://127.0.0.1:5\"\nws_url = \"ws://127.0.0.1:7\"\nkeypair = \"keys/renter.json\"\noracles = [\"http://127.0.0.1:9\"]\n",
        );
        let flags = Flags {
            url: Some("localnet".into()),
            ..Flags::default()
        };
        let settings = resolve(&flags, &around).unwrap();
        assert_eq!(settings.rpc_url.value, "http://127.0.0.1:5");
        assert_eq!(settings.ws_url.value, "ws://127.0.0.1:7");
        assert_eq!(
            settings.keypair.value,
            around.localnet_dir().join("keys/renter.json")
        );
        assert_eq!(settings.oracles.value, ["http://127.0.0.1:9"]);
        let devnet = Flags {
            url: Some("devnet".into()),
            ..Flags::default()
        };
        assert_eq!(
            resolve(&devnet, &around).unwrap().keypair.value,
            Path::new("/real/key.json")
        );
    }

    #[test]
    fn without_a_local_network_it_is_what_is_missing_unless_its_parts_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let settings = |flags: &Flags| resolve(flags, &around(folder.path(), &[])).unwrap();
        let none = settings(&Flags::default());
        let failure = none.local_network().unwrap_err();
        assert!(
            failure.message.contains("no local network") && failure.hint.unwrap().contains("io up"),
        );
        assert!(!none.names_wallet());
        let named = settings(&Flags {
            keypair: Some("key.json".into()),
            oracles: vec!["http://127.0.0.1:9".into()],
            ..Flags::default()
        });
        assert!(named.local_network().is_ok() && named.names_wallet());
        put(
            folder.path().join("work/io.toml"),
            "keypair = \"here.json\"\n",
        );
        assert!(settings(&Flags::default()).names_wallet());
    }

    #[test]
    fn an_address_has_a_scheme_and_a_host() {
        for good in [
            "http://127.0.0.1:8801",
            "https://oracle.example/path",
            "http://[::1]:8801/",
        ] {
            assert!(check_address("it", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "nowhere",
            "ftp://oracle.example",
            "http://",
            "https:///path",
            "http://:8801",
            "http://?x=oracle.example",
            "http://oracle.example/a b",
        ] {
            let failure = check_address("it", bad).unwrap_err();
            assert_eq!(failure.exit, crate::failure::Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn a_wrong_file_is_told_a_missing_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let around = around(folder.path(), &[]);
        put(
            folder.path().join("work/io.toml"),
            "urll = \"http://here:1\"\n",
        );
        let failure = resolve(&Flags::default(), &around).unwrap_err();
        assert!(
            failure.message.contains("urll") && failure.message.contains("io.toml"),
            "{failure}"
        );
        let bad = Flags {
            url: Some("moon".into()),
            ..Flags::default()
        };
        fs::remove_file(folder.path().join("work/io.toml")).unwrap();
        assert_eq!(
            resolve(&bad, &around).unwrap_err().exit,
            crate::failure::Exit::Usage
        );
    }

    #[test]
    fn websockets_are_one_port_up_and_tokens_stay_hidden() {
        assert_eq!(websocket_of("http://127.0.0.1:8899"), "ws://127.0.0.1:8900");
        assert_eq!(
            websocket_of("https://api.devnet.solana.com"),
            "wss://api.devnet.solana.com"
        );
        assert_eq!(
            public_part("https://rpc.example.com/secret-token?key=1"),
            "https://rpc.example.com/…"
        );
        assert_eq!(
            public_part("https://user:secret@rpc.example.com/"),
            "https://rpc.example.com/…"
        );
        assert_eq!(
            public_part("http://127.0.0.1:8899"),
            "http://127.0.0.1:8899"
        );
    }

    #[test]
    fn one_key_is_set_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("io/config.toml");
        set(&path, "url", "devnet").unwrap();
        set(&path, "oracles", "http://a:1,http://b:2").unwrap();
        let config = read(&path).unwrap().unwrap();
        assert_eq!(config.url.as_deref(), Some("devnet"));
        assert_eq!(config.oracles.unwrap().len(), 2);
        assert_eq!(
            set(&path, "colour", "red").unwrap_err().exit,
            crate::failure::Exit::Usage
        );
    }
}
