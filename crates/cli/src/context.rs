//! What commands share: settings, the chain, the wallet, the oracles, and the one way to spend.

use std::{
    io::{self, BufRead as _, IsTerminal, Write as _},
    path::Path,
    sync::Arc,
};

use io_client::{
    CommitmentConfig, Hash, Instruction, Pubkey, Request, Rpc, SendConfig, Sender, SharedSigner,
    Signer as _, Wallet, accounts,
    io_network::state::{Network, PaymentMint},
    journal::{FileJournal, Journal, MemoryJournal},
    pda,
    send::Simulation,
};
use io_protocol::messages::Deployment;
use serde_json::{Value, json};
use solana_cluster_type::ClusterType;
use tokio::sync::OnceCell;

use crate::{
    amount::Unit,
    failure::{Failure, Result},
    oracles::Oracles,
    output::Output,
    settings::{Settings, Surroundings, public_part},
};

pub struct Context {
    pub settings: Settings,
    pub around: Surroundings,
    pub out: Output,
    pub yes: bool,
    pub dry_run: bool,
    pub quiet: bool,
    pub rpc: Rpc,
    network: OnceCell<Network>,
    sender: OnceCell<Sender>,
}

/// A payment mint with everything that commands need of it.
#[derive(Debug, Clone)]
pub struct Mint {
    pub address: Pubkey,
    pub unit: Unit,
    /// Of its accounts.
    pub token_program: Pubkey,
}

/// What was done, or would be.
pub enum Done {
    Landed(io_client::Landed),
    /// With `--dry-run`.
    Simulated(Simulation),
}

impl Context {
    pub fn new(
        settings: Settings,
        around: Surroundings,
        out: Output,
        yes: bool,
        dry_run: bool,
        quiet: bool,
    ) -> Result<Self> {
        let rpc =
            Rpc::new(&settings.rpc_url.value, CommitmentConfig::confirmed()).map_err(|error| {
                // The address may hold a token: say where it came from instead of quoting it whole.
                let failure = Failure::from(error);
                if settings.rpc_url.value == public_part(&settings.rpc_url.value) {
                    failure
                } else {
                    Failure::usage(format!(
                        "the RPC address {} ({}) is not valid",
                        public_part(&settings.rpc_url.value),
                        settings.rpc_url.source
                    ))
                }
            })?;
        Ok(Self {
            settings,
            around,
            out,
            yes,
            dry_run,
            quiet,
            rpc,
            network: OnceCell::new(),
            sender: OnceCell::new(),
        })
    }

    pub fn is_local(&self) -> bool {
        self.rpc.is_local()
    }

    /// Whether this is a local network's deployment: its node is on this machine, and no node of a public cluster, which its owner
    /// reaches there too. By what everybody signs for: a node may name any cluster.
    pub fn is_local_network(&self, deployment: &Deployment) -> bool {
        is_local_network(&self.rpc, &deployment.cluster)
    }

    /// A line for people, on stderr.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprintln!("{}", crate::output::as_invoked(text.as_ref()));
        }
    }

    pub fn wallet(&self) -> Result<Wallet> {
        let keypair = &self.settings.keypair;
        load_wallet(&keypair.value).map_err(|failure| match self.settings.local_network() {
            // A local network brings its wallet along: without one, a key file isn't what is missing.
            Err(none) if !self.settings.names_wallet() => none,
            _ => Failure {
                message: format!("{} (from {})", failure.message, keypair.source),
                ..failure
            },
        })
    }

    /// The network's configuration on chain.
    pub async fn network(&self) -> Result<&Network> {
        self.network
            .get_or_try_init(async || {
                accounts::fetch_maybe::<Network>(&self.rpc, &pda::network()).await?.ok_or_else(|| {
                    Failure::not_found(format!(
                        "there is no IO network on the cluster at {} (program {})",
                        self.rpc.host(),
                        io_client::io_network::ID
                    ))
                    .hint("Choose another cluster with -u, or start a network on this machine with `io up`.")
                })
            })
            .await
    }

    /// The payment mint that `name` means: a symbol, an address, or IO when absent.
    pub async fn mint(&self, name: Option<&str>) -> Result<Mint> {
        let network = self.network().await?;
        let (address, symbol) = match name {
            None => (network.io_mint, "IO".to_owned()),
            Some(name) if name.eq_ignore_ascii_case("io") => (network.io_mint, "IO".to_owned()),
            Some(name) => {
                let known = self
                    .settings
                    .mints
                    .iter()
                    .find(|(symbol, _)| symbol.eq_ignore_ascii_case(name));
                let text = known.map_or(name, |(_, address)| address.as_str());
                let address = text.parse::<Pubkey>().map_err(|_| {
                    Failure::usage(format!("--mint is '{name}': neither IO, nor a mint's address, nor a symbol of the configuration"))
                        .hint("`io network show` lists the payment mints.")
                })?;
                (address, self.symbol(&address, network))
            }
        };
        let payment = accounts::fetch_maybe::<PaymentMint>(&self.rpc, &pda::payment(&address))
            .await?
            .ok_or_else(|| {
                Failure::not_found(format!("{address} is no payment mint of this network"))
                    .hint("`io network show` lists the payment mints.")
            })?;
        Ok(Mint {
            address,
            unit: Unit {
                symbol,
                decimals: payment.decimals,
            },
            token_program: io_client::tokens::program_of(payment.token_2022),
        })
    }

    /// What people call a mint: its symbol in the configuration, or the start of its address.
    pub fn symbol(&self, mint: &Pubkey, network: &Network) -> String {
        if *mint == network.io_mint {
            return "IO".to_owned();
        }
        let text = mint.to_string();
        let known = self
            .settings
            .mints
            .iter()
            .find(|(_, address)| **address == text);
        known.map_or_else(
            || text.chars().take(4).collect(),
            |(symbol, _)| symbol.clone(),
        )
    }

    /// The unit of a mint that a job was paid in.
    pub async fn unit_of(&self, mint: &Pubkey) -> Result<Unit> {
        Ok(self.mint(Some(&mint.to_string())).await?.unit)
    }

    pub fn oracles(&self) -> Result<Oracles> {
        Oracles::new(&self.settings)
    }

    /// Sends through a journal, so that a transaction in flight is followed and not repeated after a crash.
    pub async fn sender(&self) -> Result<&Sender> {
        self.sender
            .get_or_try_init(async || {
                let journal: Arc<dyn Journal> = if self.is_local() {
                    // A local chain ends with its process: its journal would only be in the way of the next.
                    Arc::new(MemoryJournal::default())
                } else {
                    let genesis = self.rpc.genesis_hash().await?;
                    let path = self
                        .around
                        .data_dir()
                        .join(format!("journal-{genesis}.jsonl"));
                    if let Some(folder) = path.parent() {
                        std::fs::create_dir_all(folder).map_err(|error| {
                            crate::failure::file_failure("the journal", folder, &error)
                        })?;
                    }
                    Arc::new(FileJournal::open(&path)?)
                };
                let config = if self.is_local() {
                    SendConfig::local()
                } else {
                    SendConfig::default()
                };
                let sender = Sender::new(self.rpc.clone(), journal, config);
                for (intent, outcome) in sender.resume().await? {
                    match outcome {
                        Ok(landed) => self.say(format!(
                            "finished from an earlier run: {intent} ({})",
                            landed.signature
                        )),
                        Err(error) => self.say(format!("from an earlier run, {intent}: {error}")),
                    }
                }
                Ok(sender)
            })
            .await
    }

    /// Sends, or with `--dry-run` only shows what would happen.
    pub async fn transact(
        &self,
        intent: String,
        payer: &Wallet,
        signers: &[SharedSigner],
        instructions: Vec<Instruction>,
    ) -> Result<Done> {
        let mut request = Request::new(intent, payer.signer(), instructions);
        for signer in signers {
            if signer.pubkey() != payer.address() {
                request = request.with_signer(signer.clone());
            }
        }
        let sender = self.sender().await?;
        if self.dry_run {
            return Ok(Done::Simulated(
                sender
                    .simulate(&request)
                    .await
                    .map_err(|error| self.explain(error, payer))?,
            ));
        }
        let landed = sender
            .send(&request)
            .await
            .map_err(|error| self.explain(error, payer))?;
        Ok(Done::Landed(landed))
    }

    fn explain(&self, error: io_client::Error, payer: &Wallet) -> Failure {
        // What the program says about stake and bonds is not about the wallet.
        let about_stake =
            matches!(&error, io_client::Error::Program(program) if program.io_error.is_some());
        let failure = Failure::from(error);
        if failure.exit == crate::failure::Exit::Funds && !about_stake {
            let source = if self.is_local() {
                "on a local network the wallets made by `io up` are funded (-u localnet)"
            } else {
                "`io doctor` shows what it holds"
            };
            return failure.hint(format!("The wallet is {}: {source}.", payer.address()));
        }
        failure
    }

    /// Shows the end of a command that sent a transaction: `fields` and the signature, or the simulation.
    pub async fn report(&self, done: &Done, what: &str, fields: Value) -> Result<()> {
        let mut value = fields;
        let object = value.as_object_mut();
        match done {
            Done::Landed(landed) => {
                if let Some(object) = object {
                    object.insert("signature".into(), json!(landed.signature.to_string()));
                    object.insert("slot".into(), json!(landed.slot));
                }
                let signature = landed.signature.to_string();
                let mut rows: Vec<(String, String)> =
                    vec![("done".into(), crate::output::as_invoked(what))];
                rows.extend(rows_of(&value));
                rows.retain(|(label, _)| label != "signature" && label != "slot");
                rows.push(("signature".into(), signature));
                let rows: Vec<(&str, String)> = rows
                    .iter()
                    .map(|(label, cell)| (label.as_str(), cell.clone()))
                    .collect();
                self.out.record(&value, &rows)
            }
            Done::Simulated(simulation) => {
                let network = self.network().await.ok();
                if let Some(object) = object {
                    object.insert("dry_run".into(), json!(true));
                    object.insert("simulation".into(), simulation_json(simulation));
                }
                let mut rows: Vec<(String, String)> = vec![(
                    "dry run".into(),
                    "this is what would happen; nothing was sent".into(),
                )];
                rows.extend(
                    rows_of(&value)
                        .into_iter()
                        .filter(|(label, _)| label != "dry run" && label != "simulation"),
                );
                let wallet = self.wallet().ok().map(|wallet| wallet.address());
                rows.push(("network fee".into(), Unit::sol().show(simulation.fee)));
                rows.push(("compute units".into(), simulation.units.to_string()));
                for change in &simulation.changes {
                    let unit = match (change.mint, network) {
                        (None, _) => Unit::sol(),
                        (Some(mint), Some(network)) => match self.unit_of(&mint).await {
                            Ok(unit) => unit,
                            Err(_) => Unit {
                                symbol: self.symbol(&mint, network),
                                decimals: 0,
                            },
                        },
                        (Some(_), None) => Unit {
                            symbol: "base units".into(),
                            decimals: 0,
                        },
                    };
                    let (sign, difference) = if change.after >= change.before {
                        ("+", change.after - change.before)
                    } else {
                        ("-", change.before - change.after)
                    };
                    let whose = if Some(change.owner) == wallet {
                        "your wallet".to_owned()
                    } else {
                        let new = if change.before == 0 { "new " } else { "" };
                        let kind = if change.mint.is_some() {
                            "token account"
                        } else {
                            "account"
                        };
                        format!(
                            "{new}{kind} {}",
                            crate::output::short(&change.account.to_string())
                        )
                    };
                    rows.push((
                        format!("change of {whose}"),
                        format!(
                            "{sign}{}, to {}",
                            unit.show(difference),
                            unit.show(change.after)
                        ),
                    ));
                }
                let rows: Vec<(&str, String)> = rows
                    .iter()
                    .map(|(label, cell)| (label.as_str(), cell.clone()))
                    .collect();
                self.out.record(&value, &rows)
            }
        }
    }

    /// Asks before something is spent. `--yes` and `--dry-run` answer for the person.
    pub fn confirm(&self, question: &str) -> Result<()> {
        self.confirm_unless(question, false)
    }

    /// The same; `limited` says that a limit was named on the command line, which is agreement enough where nobody is there
    /// to be asked.
    pub fn confirm_unless(&self, question: &str, limited: bool) -> Result<()> {
        if self.yes || self.dry_run {
            return Ok(());
        }
        let stdin = io::stdin();
        if !stdin.is_terminal() || !io::stderr().is_terminal() {
            if limited {
                return Ok(());
            }
            return Err(
                Failure::usage(format!("{question} Nobody is there to answer."))
                    .hint("Pass --yes to agree beforehand, or --dry-run to look only."),
            );
        }
        eprint!("{question} [y/N] ");
        let _ = io::stderr().flush();
        let mut answer = String::new();
        stdin
            .lock()
            .read_line(&mut answer)
            .map_err(|error| Failure::failed(format!("reading the answer: {error}")))?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            Ok(())
        } else {
            Err(Failure::failed("not agreed: nothing was sent or paid"))
        }
    }
}

/// Fields that people look for first, in this order; the others follow by name.
const FIRST: [&str; 28] = [
    "kind",
    "address",
    "job",
    "state",
    "stage",
    "reason",
    "progress",
    "engine",
    "units",
    "max_units",
    "cost",
    "cost_at_most",
    "escrow",
    "paid",
    "fees",
    "refunded",
    "provider",
    "authority",
    "device",
    "class",
    "staked",
    "committed",
    "free",
    "bond",
    "exposure",
    "created_at",
    "submitted_at",
    "finished_at",
];

/// Fields of an object as rows for people; the base units beside a readable amount are left out.
pub fn rows_of(value: &Value) -> Vec<(String, String)> {
    let Some(object) = value.as_object() else {
        return Vec::new();
    };
    let place = |key: &str| {
        let name = key.strip_suffix("_text").unwrap_or(key);
        FIRST
            .iter()
            .position(|first| *first == name)
            .unwrap_or(FIRST.len())
    };
    let mut fields: Vec<(&String, &Value)> = object
        .iter()
        .filter(|(key, _)| !object.contains_key(&format!("{key}_text")))
        .collect();
    fields.sort_by_key(|(key, _)| place(key));
    fields
        .into_iter()
        .map(|(key, value)| {
            let label = key.strip_suffix("_text").unwrap_or(key).replace('_', " ");
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                Value::Array(items) => items
                    .iter()
                    .map(|item| {
                        item.as_str()
                            .map_or_else(|| item.to_string(), str::to_owned)
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
                Value::Object(fields) if fields.is_empty() => String::new(),
                other => other.to_string(),
            };
            (label, text)
        })
        .collect()
}

fn is_local_network(rpc: &Rpc, cluster: &[u8; 32]) -> bool {
    let public = [
        ClusterType::MainnetBeta,
        ClusterType::Devnet,
        ClusterType::Testnet,
    ];
    let is =
        |public: &ClusterType| public.get_genesis_hash() == Some(Hash::new_from_array(*cluster));
    rpc.is_local() && !public.iter().any(is)
}

fn simulation_json(simulation: &Simulation) -> Value {
    json!({
        "units": simulation.units,
        "unit_limit": simulation.unit_limit,
        "unit_price": simulation.unit_price,
        "fee_lamports": simulation.fee,
        "bytes": simulation.bytes,
        "changes": simulation.changes.iter().map(|change| json!({
            "account": change.account.to_string(),
            "owner": change.owner.to_string(),
            "mint": change.mint.map(|mint| mint.to_string()),
            "before": change.before,
            "after": change.after,
        })).collect::<Vec<_>>(),
    })
}

pub fn load_wallet(path: &Path) -> Result<Wallet> {
    Ok(Wallet::load(path)?)
}

/// An address that a person typed.
pub fn address(what: &str, text: &str) -> Result<Pubkey> {
    text.parse().map_err(|_| {
        Failure::usage(format!("{what} is '{text}': expected an address in base58"))
            .hint("Addresses have 32 to 44 characters, like 5NeGiwEWmbW5Nn8GvnnpC5tUkn2hNmLccsm4B6uG5SXr.")
    })
}

/// An amount in both forms: `name` in base units, `name_text` readable.
pub fn put_amount(object: &mut serde_json::Map<String, Value>, name: &str, base: u64, unit: &Unit) {
    object.insert(name.to_owned(), json!(base));
    object.insert(format!("{name}_text"), json!(unit.show(base)));
}

/// A number that nobody can guess.
pub fn random_u64() -> Result<u64> {
    getrandom::u64()
        .map_err(|error| Failure::failed(format!("the system gives no random numbers: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_of_a_public_cluster_is_no_local_networks() {
        let main = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
        let dev = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
        let node = |url| Rpc::new(url, CommitmentConfig::confirmed()).unwrap();
        let local = &node("http://127.0.0.1:8899");
        for genesis in [main, dev] {
            let cluster = genesis.parse::<Hash>().unwrap().to_bytes();
            assert!(!is_local_network(local, &cluster), "{genesis}");
        }
        assert!(is_local_network(local, &[7; 32]));
        assert!(!is_local_network(
            &node("https://rpc.example.com"),
            &[7; 32]
        ));
    }
}
