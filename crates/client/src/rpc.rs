//! Reading from an RPC node: every call with a time limit, a commitment and bounded retries.
//!
//! The commitment is always passed: nodes differ in what they assume without one.

use std::{collections::BTreeMap, fmt, future::Future, net::IpAddr, sync::Arc, time::Duration};

use anchor_lang::prelude::Pubkey;
use backon::{ExponentialBuilder, Retryable};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use solana_account::Account;
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_commitment_config::CommitmentConfig;
use solana_hash::Hash;
use solana_message::VersionedMessage;
use solana_rpc_client::{
    nonblocking::rpc_client::RpcClient, rpc_client::GetConfirmedSignaturesForAddress2Config,
};
use solana_rpc_client_api::{
    client_error::{Error as ClientError, ErrorKind},
    config::{
        RpcAccountInfoConfig, RpcBlockConfig, RpcProgramAccountsConfig, RpcTransactionConfig,
    },
    filter::RpcFilterType,
    request::{RpcError, RpcRequest},
    response::{
        OptionalContext, Response, RpcBlockhash, RpcKeyedAccount, RpcSimulateTransactionResult,
    },
};
use solana_signature::Signature;
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::{
    EncodedConfirmedTransactionWithStatusMeta, TransactionConfirmationStatus, TransactionDetails,
    TransactionStatus, UiTransactionEncoding, option_serializer::OptionSerializer,
};

use crate::error::{Error, Result};

/// Time for one request, answer included.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Tries after the first, of calls that only read.
pub const READ_RETRIES: usize = 5;
/// Pause before the first of these, doubling (with jitter) up to the longest.
pub const RETRY_DELAY: Duration = Duration::from_millis(50);
pub const LONGEST_RETRY_DELAY: Duration = Duration::from_secs(2);
/// Accounts in one `getMultipleAccounts`, the RPC interface's own limit.
pub const ACCOUNTS_PER_CALL: usize = 100;
/// Accounts that one call of [`Rpc::accounts`] fetches at most.
pub const MAX_ACCOUNTS: usize = 100_000;
/// Signatures in one `getSignatureStatuses`, the RPC interface's own limit.
pub const STATUSES_PER_CALL: usize = 256;
/// Signatures in one `getSignaturesForAddress`, the RPC interface's own limit.
pub const SIGNATURES_PER_CALL: usize = 1_000;
/// Filters that `getProgramAccounts` takes, the RPC interface's own limit.
pub const MAX_FILTERS: usize = 4;
/// Accounts whose recent fees are asked for, the RPC interface's own limit.
pub const MAX_FEE_ACCOUNTS: usize = 128;
/// Newest transaction format asked for.
const MAX_TRANSACTION_VERSION: u8 = 1;

/// A connection to an RPC node. Cheap to clone.
#[derive(Clone)]
pub struct Rpc {
    client: Arc<RpcClient>,
    commitment: CommitmentConfig,
    url: Arc<str>,
    host: Arc<str>,
}

impl fmt::Debug for Rpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The whole address may hold a token.
        f.debug_struct("Rpc")
            .field("host", &self.host)
            .field("commitment", &self.commitment.commitment)
            .finish()
    }
}

/// A recent blockhash and the last block height at which a transaction with it can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blockhash {
    pub hash: Hash,
    /// At which it was the newest.
    pub slot: u64,
    pub last_valid_block_height: u64,
}

/// Where the chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub slot: u64,
    pub block_height: u64,
}

/// One row of an address's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub signature: Signature,
    pub slot: u64,
    pub failed: bool,
    /// Unix seconds, where the node knows it.
    pub block_time: Option<i64>,
}

/// Part of an address's history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistoryPage {
    pub entries: Vec<HistoryEntry>,
    /// Where the next page starts; `None` when there is no more.
    pub next: Option<Signature>,
}

/// What a transaction logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionLogs {
    pub slot: u64,
    pub block_time: Option<i64>,
    pub error: Option<TransactionError>,
    pub logs: Vec<String>,
}

impl Rpc {
    /// `commitment` is what every read uses; `confirmed` is right for nearly everything.
    pub fn new(url: &str, commitment: CommitmentConfig) -> Result<Self> {
        let host = host_of(url, &["http", "https"], "http://127.0.0.1:8899")?;
        let client =
            RpcClient::new_with_timeout_and_commitment(url.to_owned(), REQUEST_TIMEOUT, commitment);
        Ok(Self {
            client: Arc::new(client),
            commitment,
            url: url.into(),
            host: host.into(),
        })
    }

    pub fn commitment(&self) -> CommitmentConfig {
        self.commitment
    }

    /// Scheme-less host and port: safe to show and to log, which the whole address is not.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the node is on this machine.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The address, which may hold a token: never log it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client underneath, for calls that this type lacks. Pass a commitment to each.
    pub fn client(&self) -> &RpcClient {
        &self.client
    }

    pub async fn latest_blockhash(&self) -> Result<Blockhash> {
        let found: Response<RpcBlockhash> = self
            .read("getLatestBlockhash", || {
                let request = RpcRequest::GetLatestBlockhash;
                self.client.send(request, json!([self.commitment]))
            })
            .await?;
        let hash = found.value.blockhash.parse().map_err(|_| {
            self.answer(
                "getLatestBlockhash",
                format!("'{}' as a blockhash", found.value.blockhash),
            )
        })?;
        Ok(Blockhash {
            hash,
            slot: found.context.slot,
            last_valid_block_height: found.value.last_valid_block_height,
        })
    }

    /// The block at `slot`: its blockhash, and its time (Unix seconds) where the node knows it; none where there is no block, or the node
    /// does not keep it.
    pub async fn block_at(&self, slot: u64) -> Result<Option<(String, Option<i64>)>> {
        let config = RpcBlockConfig {
            transaction_details: Some(TransactionDetails::None),
            rewards: Some(false),
            commitment: Some(self.commitment),
            max_supported_transaction_version: Some(MAX_TRANSACTION_VERSION),
            ..RpcBlockConfig::default()
        };
        let found = self
            .read("getBlock", || {
                self.client.get_block_with_config(slot, config)
            })
            .await;
        match found {
            Ok(block) => Ok(Some((block.blockhash, block.block_time))),
            Err(error) if error.is_transient() => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Slot and block height at `commitment`.
    pub async fn position(&self, commitment: CommitmentConfig) -> Result<Position> {
        let info = self
            .read("getEpochInfo", || {
                self.client.get_epoch_info_with_commitment(commitment)
            })
            .await?;
        Ok(Position {
            slot: info.absolute_slot,
            block_height: info.block_height,
        })
    }

    /// The chain's own clock, Unix seconds: what the program compares deadlines with.
    pub async fn chain_time(&self) -> Result<i64> {
        // Clock: slot u64, epoch start i64, epoch u64, leader schedule epoch u64, Unix time i64.
        const UNIX_TIME: std::ops::Range<usize> = 32..40;
        let address = CLOCK_SYSVAR;
        let expected = "the clock sysvar";
        let (_, account) = self
            .account(&address)
            .await?
            .ok_or(Error::NoAccount { address, expected })?;
        let bytes = account
            .data
            .get(UNIX_TIME)
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(i64::from_le_bytes)
            .ok_or_else(|| Error::BadAccount {
                address,
                expected,
                reason: format!("{} bytes, expected 40", account.data.len()),
            })
    }

    /// Lamports; 0 for an address that holds nothing.
    pub async fn balance(&self, address: &Pubkey) -> Result<u64> {
        Ok(self
            .account(address)
            .await?
            .map_or(0, |(_, account)| account.lamports))
    }

    /// Least lamports for an account of `bytes`.
    pub async fn rent_minimum(&self, bytes: usize) -> Result<u64> {
        self.read("getMinimumBalanceForRentExemption", || {
            self.client.get_minimum_balance_for_rent_exemption(bytes)
        })
        .await
    }

    /// The node's version, as it says it.
    pub async fn version(&self) -> Result<String> {
        Ok(self
            .read("getVersion", || self.client.get_version())
            .await?
            .solana_core)
    }

    /// Tells clusters apart.
    pub async fn genesis_hash(&self) -> Result<Hash> {
        self.read("getGenesisHash", || self.client.get_genesis_hash())
            .await
    }

    /// Asks a test network for SOL.
    pub async fn request_airdrop(&self, address: &Pubkey, lamports: u64) -> Result<Signature> {
        self.client
            .request_airdrop(address, lamports)
            .await
            .map_err(|error| self.error("requestAirdrop", error))
    }

    /// The slot the answer is from, and the account when there is one.
    pub async fn account(&self, address: &Pubkey) -> Result<Option<(u64, Account)>> {
        let (slot, mut accounts) = self.accounts_call(std::slice::from_ref(address)).await?;
        Ok(accounts.pop().flatten().map(|account| (slot, account)))
    }

    /// Accounts in the order asked for, `None` where there is none. Fetched in batches: not from one slot when more than
    /// [`ACCOUNTS_PER_CALL`].
    pub async fn accounts(&self, addresses: &[Pubkey]) -> Result<Vec<Option<Account>>> {
        if addresses.len() > MAX_ACCOUNTS {
            return Err(Error::TooMany {
                what: "accounts",
                got: addresses.len(),
                max: MAX_ACCOUNTS,
            });
        }
        let mut all = Vec::with_capacity(addresses.len());
        for batch in addresses.chunks(ACCOUNTS_PER_CALL) {
            all.extend(self.accounts_call(batch).await?.1);
        }
        Ok(all)
    }

    async fn accounts_call(&self, addresses: &[Pubkey]) -> Result<(u64, Vec<Option<Account>>)> {
        let config = RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64),
            commitment: Some(self.commitment),
            data_slice: None,
            min_context_slot: None,
        };
        let response = self
            .read("getMultipleAccounts", || {
                self.client
                    .get_multiple_ui_accounts_with_config(addresses, config.clone())
            })
            .await?;
        if response.value.len() != addresses.len() {
            return Err(self.answer(
                "getMultipleAccounts",
                format!("{} accounts for {}", response.value.len(), addresses.len()),
            ));
        }
        let mut accounts = Vec::with_capacity(addresses.len());
        for (account, address) in response.value.iter().zip(addresses) {
            accounts.push(
                account
                    .as_ref()
                    .map(|account| self.decode_account(address, account))
                    .transpose()?,
            );
        }
        Ok((response.context.slot, accounts))
    }

    fn decode_account(&self, address: &Pubkey, account: &UiAccount) -> Result<Account> {
        account.to_account().ok_or_else(|| {
            self.answer(
                "getAccountInfo",
                format!("data of {address} in an encoding that was not asked for"),
            )
        })
    }

    /// Every account of `program` that passes all filters (at most [`MAX_FILTERS`]), and the slot they are from.
    pub async fn program_accounts(
        &self,
        program: &Pubkey,
        filters: Vec<RpcFilterType>,
    ) -> Result<(u64, Vec<(Pubkey, Account)>)> {
        if filters.len() > MAX_FILTERS {
            return Err(Error::TooMany {
                what: "account filters",
                got: filters.len(),
                max: MAX_FILTERS,
            });
        }
        for filter in &filters {
            filter
                .verify()
                .map_err(|error| Error::Input(format!("an account filter: {error}")))?;
        }
        let config = RpcProgramAccountsConfig {
            filters: Some(filters),
            account_config: RpcAccountInfoConfig {
                encoding: Some(UiAccountEncoding::Base64),
                commitment: Some(self.commitment),
                data_slice: None,
                min_context_slot: None,
            },
            with_context: Some(true),
            sort_results: Some(true),
        };
        let params = json!([program.to_string(), config]);
        let answer = self
            .read("getProgramAccounts", || {
                self.client.send::<OptionalContext<Vec<RpcKeyedAccount>>>(
                    RpcRequest::GetProgramAccounts,
                    params.clone(),
                )
            })
            .await?;
        let (slot, keyed) = match answer {
            OptionalContext::Context(Response { context, value }) => (context.slot, value),
            OptionalContext::NoContext(value) => (0, value),
        };
        let mut accounts = Vec::with_capacity(keyed.len());
        for RpcKeyedAccount { pubkey, account } in keyed {
            let address = pubkey.parse().map_err(|_| {
                self.answer(
                    "getProgramAccounts",
                    format!("'{pubkey}' where an address belongs"),
                )
            })?;
            accounts.push((address, self.decode_account(&address, &account)?));
        }
        Ok((slot, accounts))
    }

    /// States of transactions in the order asked for, and the slot the node has seen. At most [`STATUSES_PER_CALL`].
    ///
    /// With `history` the node also looks beyond the few minutes that it keeps at hand.
    pub async fn statuses(
        &self,
        signatures: &[Signature],
        history: bool,
    ) -> Result<(u64, Vec<Option<TransactionStatus>>)> {
        if signatures.len() > STATUSES_PER_CALL {
            return Err(Error::TooMany {
                what: "transaction states",
                got: signatures.len(),
                max: STATUSES_PER_CALL,
            });
        }
        let texts: Vec<String> = signatures.iter().map(ToString::to_string).collect();
        let params = json!([texts, { "searchTransactionHistory": history }]);
        let response = self
            .read("getSignatureStatuses", || {
                self.client
                    .send::<Response<Vec<Option<TransactionStatus>>>>(
                        RpcRequest::GetSignatureStatuses,
                        params.clone(),
                    )
            })
            .await?;
        if response.value.len() != signatures.len() {
            return Err(self.answer(
                "getSignatureStatuses",
                format!("{} states for {}", response.value.len(), signatures.len()),
            ));
        }
        Ok((response.context.slot, response.value))
    }

    /// One page of an address's transactions, newest first, from before `before` back to but without `until`. Rows that
    /// have not reached the commitment are left out.
    pub async fn history_page(
        &self,
        address: &Pubkey,
        before: Option<Signature>,
        until: Option<Signature>,
        limit: usize,
    ) -> Result<HistoryPage> {
        let limit = limit.clamp(1, SIGNATURES_PER_CALL);
        let rows = self
            .read("getSignaturesForAddress", || {
                let config = GetConfirmedSignaturesForAddress2Config {
                    before,
                    until,
                    limit: Some(limit),
                    commitment: Some(self.commitment),
                };
                self.client
                    .get_signatures_for_address_with_config(address, config)
            })
            .await?;
        let full = rows.len() >= limit;
        let mut page = HistoryPage::default();
        for row in rows {
            let signature: Signature = row.signature.parse().map_err(|_| {
                self.answer(
                    "getSignaturesForAddress",
                    format!("'{}' where a signature belongs", row.signature),
                )
            })?;
            page.next = full.then_some(signature);
            // Some nodes also list what they have only processed, where the order within a block is not settled yet.
            let reached = match row.confirmation_status {
                Some(TransactionConfirmationStatus::Processed) => self.commitment.is_processed(),
                Some(TransactionConfirmationStatus::Confirmed) => !self.commitment.is_finalized(),
                Some(TransactionConfirmationStatus::Finalized) | None => true,
            };
            if !reached {
                continue;
            }
            page.entries.push(HistoryEntry {
                signature,
                slot: row.slot,
                failed: row.err.is_some(),
                block_time: row.block_time,
            });
        }
        Ok(page)
    }

    /// What a transaction logged; `None` when the node does not have it (yet).
    pub async fn transaction_logs(&self, signature: &Signature) -> Result<Option<TransactionLogs>> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            // `processed` is not a commitment that this call knows.
            commitment: Some(if self.commitment.is_processed() {
                CommitmentConfig::confirmed()
            } else {
                self.commitment
            }),
            max_supported_transaction_version: Some(MAX_TRANSACTION_VERSION),
        };
        let params = json!([signature.to_string(), config]);
        let answer = self
            .read("getTransaction", || {
                self.client
                    .send::<Option<EncodedConfirmedTransactionWithStatusMeta>>(
                        RpcRequest::GetTransaction,
                        params.clone(),
                    )
            })
            .await?;
        Ok(answer.and_then(|answer| {
            let meta = answer.transaction.meta?;
            Some(TransactionLogs {
                slot: answer.slot,
                block_time: answer.block_time,
                error: meta.err.map(Into::into),
                logs: match meta.log_messages {
                    OptionSerializer::Some(logs) => logs,
                    OptionSerializer::None | OptionSerializer::Skip => Vec::new(),
                },
            })
        }))
    }

    /// Priority fees that transactions writing these accounts lately paid, micro-lamports a compute unit, oldest first.
    /// Empty where the node keeps no record of them.
    pub async fn recent_priority_fees(&self, writable: &[Pubkey]) -> Result<Vec<u64>> {
        let asked = &writable[..writable.len().min(MAX_FEE_ACCOUNTS)];
        let answer = self
            .read("getRecentPrioritizationFees", || {
                self.client.get_recent_prioritization_fees(asked)
            })
            .await;
        let mut fees = match answer {
            Ok(fees) => fees,
            // A node that doesn't offer the call is not a reason not to send.
            Err(Error::Rpc {
                transient: false, ..
            }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        fees.sort_by_key(|fee| fee.slot);
        Ok(fees.into_iter().map(|fee| fee.prioritization_fee).collect())
    }

    /// Runs a transaction without signatures and returns what would happen, with the accounts' states afterwards.
    pub(crate) async fn simulate(
        &self,
        message: &VersionedMessage,
        observed: &[Pubkey],
    ) -> Result<RpcSimulateTransactionResult> {
        let signatures =
            vec![Signature::default(); usize::from(message.header().num_required_signatures)];
        let transaction = solana_transaction::versioned::VersionedTransaction {
            signatures,
            message: message.clone(),
        };
        let observed: Vec<String> = observed.iter().map(ToString::to_string).collect();
        let params = json!([encode(&transaction)?, {
            "encoding": "base64",
            "sigVerify": false,
            "replaceRecentBlockhash": true,
            "commitment": self.commitment.commitment,
            "accounts": { "encoding": "base64", "addresses": observed },
        }]);
        let response = self
            .read("simulateTransaction", || {
                self.client.send::<Response<RpcSimulateTransactionResult>>(
                    RpcRequest::SimulateTransaction,
                    params.clone(),
                )
            })
            .await?;
        Ok(response.value)
    }

    /// Hands a signed transaction to the node, once. It was simulated before and will be sent again, so the node is told
    /// neither to check nor to repeat it.
    pub(crate) async fn send_encoded(&self, encoded: &str) -> Result<()> {
        let params = json!([encoded, {
            "encoding": "base64",
            "skipPreflight": true,
            "preflightCommitment": self.commitment.commitment,
            "maxRetries": 0,
        }]);
        self.client
            .send::<String>(RpcRequest::SendTransaction, params)
            .await
            .map(|_| ())
            .map_err(|error| self.error("sendTransaction", error))
    }

    /// States of several accounts by address, those that exist.
    pub(crate) async fn account_map(
        &self,
        addresses: &[Pubkey],
    ) -> Result<BTreeMap<Pubkey, Account>> {
        let accounts = self.accounts(addresses).await?;
        Ok(addresses
            .iter()
            .zip(accounts)
            .filter_map(|(address, account)| Some((*address, account?)))
            .collect())
    }

    async fn read<T, F, Fut>(&self, call: &'static str, request: F) -> Result<T>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = std::result::Result<T, ClientError>>,
    {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(RETRY_DELAY)
            .with_max_delay(LONGEST_RETRY_DELAY)
            .with_max_times(READ_RETRIES)
            .with_jitter();
        (|| async { request().await.map_err(|error| self.error(call, error)) })
            .retry(backoff)
            .when(Error::is_transient)
            .notify(|error, pause| tracing::debug!(%error, ?pause, "reading again"))
            .await
    }

    fn error(&self, call: &'static str, error: ClientError) -> Error {
        let transient = is_transient(error.kind());
        // Errors of the HTTP client quote the address.
        let message = self.without_url(chain_of(&error));
        Error::Rpc {
            call,
            host: self.host.to_string(),
            message,
            transient,
        }
    }

    /// The error for an answer that is not what the interface promises.
    fn answer(&self, call: &'static str, what: String) -> Error {
        Error::Rpc {
            call,
            host: self.host.to_string(),
            message: format!("the answer holds {what}"),
            transient: false,
        }
    }

    fn without_url(&self, text: String) -> String {
        let trimmed = self.url.trim_end_matches('/');
        text.replace(&format!("{trimmed}/"), &self.host)
            .replace(trimmed, &self.host)
    }
}

/// SysvarC1ock11111111111111111111111111111111
const CLOCK_SYSVAR: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");

pub(crate) fn encode(
    transaction: &solana_transaction::versioned::VersionedTransaction,
) -> Result<String> {
    Ok(BASE64_STANDARD.encode(to_bytes(transaction)?))
}

pub(crate) fn to_bytes(
    transaction: &solana_transaction::versioned::VersionedTransaction,
) -> Result<Vec<u8>> {
    wincode::serialize(transaction)
        .map_err(|error| Error::Input(format!("the transaction does not encode: {error}")))
}

/// Host and port of an address, refusing schemes other than the given.
pub(crate) fn host_of(url: &str, schemes: &[&str], expected: &'static str) -> Result<String> {
    let bad = |reason: String| {
        // What follows the host may be a token.
        let shown = url
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .chars()
            .take(80)
            .collect();
        Error::BadUrl {
            url: shown,
            reason,
            expected,
        }
    };
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| bad("no scheme".to_owned()))?;
    if !schemes.contains(&scheme) {
        return Err(bad(format!(
            "the scheme is '{scheme}', expected {}",
            schemes.join(" or ")
        )));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(bad("no host".to_owned()));
    }
    Ok(host.to_owned())
}

/// Whether a host, with or without its port, is this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    let ip = address.parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// An error with its causes, each once.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

fn is_transient(kind: &ErrorKind) -> bool {
    match kind {
        ErrorKind::Io(_)
        | ErrorKind::Reqwest(_)
        | ErrorKind::Middleware(_)
        | ErrorKind::SerdeJson(_) => true,
        ErrorKind::RpcError(RpcError::RpcRequestError(_)) => true,
        ErrorKind::RpcError(RpcError::RpcResponseError { code, .. }) => {
            TRANSIENT_CODES.contains(code)
        }
        _ => false,
    }
}

/// JSON-RPC's internal error; Solana's: no block yet, node unhealthy, block status not available yet, the node has not
/// reached the slot asked for; a server's own "too busy".
const TRANSIENT_CODES: &[i64] = &[-32603, -32004, -32005, -32014, -32016, 429, -32429, 503];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_shown_without_what_may_be_secret() {
        let host = |url| host_of(url, &["http", "https"], "x");
        assert_eq!(
            host("https://user:pass@rpc.example.com:443/token?api-key=secret").unwrap(),
            "rpc.example.com:443"
        );
        assert_eq!(host("http://[::1]:8899/").unwrap(), "[::1]:8899");
        for bad in [
            "",
            "rpc.example.com",
            "ftp://x",
            "http://",
            "http:///path",
            "http://a b",
        ] {
            assert!(matches!(host(bad), Err(Error::BadUrl { .. })), "{bad}");
        }
        let error = host("ws://x/?api-key=secret").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn this_machine_is_told_by_its_address() {
        for host in [
            "localhost",
            "localhost:8899",
            "127.0.0.1:8899",
            "127.3.2.1",
            "[::1]:8899",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example.com",
            "127.0.0.1.example.com:443",
            "127.example.com",
            "10.0.0.1:8899",
            "[2001:db8::1]:1",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[tokio::test]
    async fn a_dead_node_is_named_without_the_token_in_its_address() {
        // Port 1 of loopback: nothing listens there.
        let rpc = Rpc::new(
            "http://127.0.0.1:1/very-secret-token",
            CommitmentConfig::confirmed(),
        )
        .unwrap();
        let error = rpc.send_encoded("AA==").await.unwrap_err();
        assert!(error.is_transient());
        let text = format!("{error} {error:?} {rpc:?}");
        assert!(text.contains("127.0.0.1:1"), "{text}");
        assert!(!text.contains("very-secret-token"), "{text}");
    }

    #[test]
    fn addresses_must_be_http() {
        assert!(Rpc::new("localhost", CommitmentConfig::confirmed()).is_err());
    }
}
