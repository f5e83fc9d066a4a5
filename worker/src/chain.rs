//! The worker's view of the chain: what it reads, and how it sends.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use io_api::auth::RequestKey;
use io_client::{
    CommitmentConfig, Instruction, Landed, Pubkey, Request, Rpc, SendConfig, Sender, Wallet,
    accounts,
    io_network::state::{Device, Job, Network, OracleSet, Provider},
    journal::FileJournal,
    tokens,
};
use io_protocol::messages::Deployment;

/// Payment token accounts known to exist, at most; beyond that they are looked up again.
const MAX_KNOWN_TOKEN_ACCOUNTS: usize = 1_024;

/// A connection to the chain with a key that signs. Cheap to clone.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    rpc: Rpc,
    sender: Sender,
    wallet: Wallet,
    deployment: Deployment,
    /// Seconds that the chain's clock was ahead of this machine's when it was last read.
    ahead: AtomicI64,
    token_accounts: Mutex<HashSet<Pubkey>>,
}

/// This machine's clock, Unix seconds.
pub fn local_time() -> i64 {
    i64::try_from(io_api::auth::now_ms() / 1_000).unwrap_or(i64::MAX)
}

impl Chain {
    /// Connects and reads which deployment this is. `journal` is the file of sent transactions.
    pub async fn connect(rpc_url: &str, journal: &Path, wallet: Wallet) -> Result<Self> {
        let rpc = Rpc::new(rpc_url, CommitmentConfig::confirmed())?;
        let network: Network = accounts::network(&rpc).await.map_err(|error| {
            let host = rpc.host();
            let what = if error.is_transient() {
                format!(
                    "the RPC node at {host} doesn't answer (check `rpc_url` in the configuration; `io up` starts a network on this machine)"
                )
            } else {
                format!(
                    "can't read the network's account through {host}: is the program set up there?"
                )
            };
            anyhow::Error::new(error).context(what)
        })?;
        let path = journal.to_owned();
        let journal = tokio::task::spawn_blocking(move || FileJournal::open(&path)).await??;
        // A node on this machine is asked often, anybody else's gently.
        let config = if rpc.is_local() {
            SendConfig::local()
        } else {
            SendConfig::default()
        };
        let sender = Sender::new(rpc.clone(), Arc::new(journal), config);
        Ok(Self(Arc::new(Inner {
            rpc,
            sender,
            wallet,
            deployment: network.deployment(),
            ahead: AtomicI64::new(0),
            token_accounts: Mutex::default(),
        })))
    }

    pub fn rpc(&self) -> &Rpc {
        &self.0.rpc
    }

    pub fn sender(&self) -> &Sender {
        &self.0.sender
    }

    pub fn deployment(&self) -> Deployment {
        self.0.deployment
    }

    /// The signing key's address.
    pub fn address(&self) -> Pubkey {
        self.0.wallet.address()
    }

    /// Signs requests to oracles with this key.
    pub fn request_key(&self) -> RequestKey {
        let wallet = self.0.wallet.clone();
        RequestKey::new(wallet.address().to_bytes(), move |message| {
            wallet.sign(message).into()
        })
    }

    /// This key's signature, base58.
    pub fn sign(&self, message: &[u8]) -> String {
        self.0.wallet.sign(message).to_string()
    }

    /// A job's account, `None` when there is none.
    pub async fn job(&self, job: &Pubkey) -> Result<Option<Job>> {
        Ok(accounts::fetch_maybe(self.rpc(), job).await?)
    }

    pub async fn device(&self, device: &Pubkey) -> Result<Option<Device>> {
        Ok(accounts::fetch_maybe(self.rpc(), device).await?)
    }

    pub async fn provider(&self, provider: &Pubkey) -> Result<Option<Provider>> {
        Ok(accounts::fetch_maybe(self.rpc(), provider).await?)
    }

    pub async fn network(&self) -> Result<Network> {
        Ok(accounts::network(self.rpc()).await?)
    }

    pub async fn oracle_set(&self) -> Result<OracleSet> {
        Ok(accounts::oracle_set(self.rpc()).await?)
    }

    /// Every job account that names the device.
    pub async fn jobs_of_device(&self, device: &Pubkey) -> Result<Vec<(Pubkey, Job)>> {
        let filter = accounts::field(std::mem::offset_of!(Job, device), device.as_ref());
        Ok(accounts::fetch_all(self.rpc(), vec![filter]).await?.1)
    }

    /// The chain's clock, Unix seconds, read from it.
    pub async fn time(&self) -> Result<i64> {
        let now = self.rpc().chain_time().await?;
        self.0
            .ahead
            .store(now.saturating_sub(local_time()), Ordering::Relaxed);
        Ok(now)
    }

    /// The chain's clock as it goes by this machine's, since it was last read.
    pub fn estimated_time(&self) -> i64 {
        local_time().saturating_add(self.0.ahead.load(Ordering::Relaxed))
    }

    /// Sends, once for each intent.
    pub async fn send(
        &self,
        intent: String,
        instructions: Vec<Instruction>,
    ) -> io_client::Result<Landed> {
        self.sender()
            .send(&Request::new(intent, self.0.wallet.signer(), instructions))
            .await
    }

    /// The account that an owner is paid to, and what creates it when it isn't there.
    pub async fn payment_account(
        &self,
        owner: &Pubkey,
        mint: &Pubkey,
        token_program: &Pubkey,
    ) -> Result<(Pubkey, Option<Instruction>)> {
        let account = tokens::associated_of(token_program, owner, mint);
        let known = |set: &Mutex<HashSet<Pubkey>>| {
            set.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&account)
        };
        if known(&self.0.token_accounts) {
            return Ok((account, None));
        }
        if tokens::balance(self.rpc(), &account).await?.is_none() {
            return Ok((
                account,
                Some(tokens::create_associated_of(
                    token_program,
                    &self.address(),
                    owner,
                    mint,
                )),
            ));
        }
        let mut accounts = self
            .0
            .token_accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= MAX_KNOWN_TOKEN_ACCOUNTS {
            accounts.clear();
        }
        accounts.insert(account);
        Ok((account, None))
    }

    /// The device's account, checked to be run by this key.
    pub async fn registered_device(&self, device: &Pubkey) -> Result<Device> {
        let account = self.device(device).await?.with_context(|| {
            format!(
                "this device ({device}) isn't registered: run `io device register` (with --gpu INDEX for a GPU), or start with --app URL to register it in the web app"
            )
        })?;
        ensure!(
            account.operator == self.address(),
            "the device {device} is run by the operator {}, and the configured key is {}: register a part of this machine as a device \
             of its own (`io device register --part 1/3`, and `device = {{ kind = \"host\", part = 0, parts = 3 }}` in the \
             configuration), use that key, or change the operator",
            account.operator,
            self.address()
        );
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is tried again, as a service may start before its node.
    #[tokio::test]
    async fn a_node_that_does_not_answer_is_named_with_what_to_do() {
        // Nothing listens on port 1 of loopback.
        let connected = Chain::connect(
            "http://127.0.0.1:1",
            Path::new("unused"),
            Wallet::generate(),
        )
        .await;
        let error = connected.err().expect("no node");
        let said = format!("{error:#}");
        for words in ["127.0.0.1:1 doesn't answer", "`rpc_url`", "`io up`"] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let cause = error.downcast_ref::<io_client::Error>();
        assert!(cause.is_some_and(io_client::Error::is_transient), "{said}");
    }
}
