//! The one way to send a transaction, so that it lands once or provably never.
//!
//! [`Sender::send`] simulates, sets the compute limit from what the simulation used and the priority fee from what others
//! lately paid, signs, writes the journal, sends, and repeats the very same transaction until it is confirmed or its
//! blockhash can no longer be used. Only then, when the first can provably not land any more, does it sign another.
//!
//! When is that proven? A transaction names a recent blockhash and is refused once that is about 150 blocks old. When the
//! *finalized* chain has passed that height, every later block descends from it and cannot hold the transaction; when a
//! node that has seen that slot then finds no trace of it in its history, it never landed.
//!
//! Each call names an *intent*, a key for the thing to be done. An intent that landed is not done again: the call returns
//! the earlier signature. One that is in flight, perhaps from before a crash, is first followed to its end.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use anchor_lang::prelude::Pubkey;
use base64::{Engine, prelude::BASE64_STANDARD};
use solana_account::Account;
use solana_commitment_config::CommitmentConfig;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_hash::Hash;
use solana_instruction::Instruction;
use solana_message::{VersionedMessage, v0};
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::TransactionStatus;
use tokio::sync::watch;

use crate::{
    error::{Error, Result, transaction_failed},
    journal::{Journal, MAX_INTENT_BYTES, Row, State},
    keys::SharedSigner,
    rpc::{Blockhash, Position, Rpc, STATUSES_PER_CALL, encode, to_bytes},
    tokens::{TOKEN_2022_PROGRAM, TOKEN_PROGRAM},
};

/// Largest transaction of the formats used here, bytes: an IPv6 packet's minimum less its headers.
pub const MAX_TRANSACTION_BYTES: usize = 1_232;
/// Most compute units that a transaction can ask for.
pub const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// Room above the simulated compute units, in percent and units: the state may change before the transaction runs.
pub const COMPUTE_MARGIN_PERCENT: u32 = 15;
pub const COMPUTE_MARGIN_UNITS: u32 = 2_000;
/// Lamports for each signature.
pub const SIGNATURE_FEE: u64 = 5_000;
/// Share of recent transactions that the offered priority fee beats, in percent.
const FEE_PERCENTILE: usize = 75;
/// Blocks past the last valid height before a transaction counts as expired: nodes differ by one in how they count.
const EXPIRY_MARGIN_BLOCKS: u64 = 2;
/// How often the height is looked at while waiting.
const HEIGHT_EVERY: Duration = Duration::from_secs(1);
/// JSON-RPC answers that say that the node will never take this transaction: invalid request or parameters, and Solana's
/// own "signature verification failure" and "unsupported transaction version".
const REFUSALS: &[i64] = &[-32600, -32602, -32003, -32015];

/// How to send. The defaults suit every cluster.
#[derive(Debug, Clone)]
pub struct SendConfig {
    /// What counts as landed.
    pub commitment: CommitmentConfig,
    /// Most lamports that one transaction offers above the base fee.
    pub max_priority_fee: u64,
    /// Least price of a compute unit, micro-lamports.
    pub min_price: u64,
    /// Transactions signed for one call at most; each after the last has provably expired.
    pub attempts: u32,
    /// Pause between looks at the states of all transactions in flight (one call for all of them).
    pub poll: Duration,
    /// Pause between sending the same transaction again.
    pub rebroadcast: Duration,
    /// Longest wait for one transaction's fate. The journal keeps it beyond that.
    pub deadline: Duration,
}

impl Default for SendConfig {
    fn default() -> Self {
        Self {
            commitment: CommitmentConfig::confirmed(),
            max_priority_fee: 1_000_000,
            min_price: 0,
            attempts: 3,
            poll: Duration::from_millis(100),
            rebroadcast: Duration::from_secs(1),
            deadline: Duration::from_secs(300),
        }
    }
}

impl SendConfig {
    /// For a chain on this machine, where polling costs nobody anything.
    pub fn local() -> Self {
        Self {
            poll: Duration::from_millis(15),
            rebroadcast: Duration::from_millis(250),
            ..Self::default()
        }
    }
}

/// What to send.
#[derive(Clone)]
pub struct Request {
    /// Names what this does, so that it is done once: the same intent must always mean the same thing.
    /// 1 to [`MAX_INTENT_BYTES`] bytes.
    pub intent: String,
    pub instructions: Vec<Instruction>,
    /// Pays the fee, and signs.
    pub payer: SharedSigner,
    /// The others that the instructions need.
    pub signers: Vec<SharedSigner>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("intent", &self.intent)
            .field("instructions", &self.instructions.len())
            .finish()
    }
}

impl Request {
    pub fn new(
        intent: impl Into<String>,
        payer: SharedSigner,
        instructions: Vec<Instruction>,
    ) -> Self {
        Self {
            intent: intent.into(),
            instructions,
            payer,
            signers: Vec::new(),
        }
    }

    pub fn with_signer(mut self, signer: SharedSigner) -> Self {
        self.signers.push(signer);
        self
    }
}

/// A transaction on the chain, with effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landed {
    pub signature: Signature,
    pub slot: u64,
    /// The intent had landed before this call, which sent nothing.
    pub earlier: bool,
    /// Transactions that this call signed.
    pub attempts: u32,
}

/// What a transaction would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// Compute units used, compute budget instructions included.
    pub units: u32,
    /// The limit that sending would set.
    pub unit_limit: u32,
    /// The price that sending would offer, micro-lamports a unit.
    pub unit_price: u64,
    /// Lamports: signatures and priority.
    pub fee: u64,
    pub logs: Vec<String>,
    /// SOL and tokens that would move, by account.
    pub changes: Vec<BalanceChange>,
    pub bytes: usize,
}

/// One account's balance before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BalanceChange {
    pub account: Pubkey,
    /// `None` for SOL.
    pub mint: Option<Pubkey>,
    /// Who may move it: the token account's owner; for SOL, the account itself.
    pub owner: Pubkey,
    /// Base units, or lamports.
    pub before: u64,
    pub after: u64,
}

/// Sends transactions; see the module's description. Cheap to clone; clones share one journal and one poll loop.
#[derive(Clone)]
pub struct Sender {
    rpc: Rpc,
    config: Arc<SendConfig>,
    journal: Arc<dyn Journal>,
    statuses: Arc<StatusPoll>,
    /// The finalized chain's position, looked at once for all transactions in flight.
    finalized: Arc<tokio::sync::Mutex<Option<(Instant, Position)>>>,
    /// One call at a time for each intent.
    intents: Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>,
}

/// How following one transaction ended.
enum Fate {
    Landed {
        slot: u64,
    },
    Failed {
        slot: u64,
        error: TransactionError,
    },
    Expired {
        last_refusal: Option<String>,
    },
    /// Every node asked refused it for good, so none has passed it on.
    Refused {
        reason: String,
    },
}

struct Signed {
    signature: Signature,
    encoded: String,
    last_valid_block_height: u64,
}

impl Sender {
    pub fn new(rpc: Rpc, journal: Arc<dyn Journal>, config: SendConfig) -> Self {
        let statuses = Arc::new(StatusPoll::new(rpc.clone(), config.poll));
        Self {
            rpc,
            config: Arc::new(config),
            journal,
            statuses,
            finalized: Arc::default(),
            intents: Arc::default(),
        }
    }

    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// Does what `request` says, once. See the module's description.
    ///
    /// Dropping the returned future abandons nothing: what was sent is in the journal, and the next call with the same
    /// intent, or [`Sender::resume`], follows it.
    pub async fn send(&self, request: &Request) -> Result<Landed> {
        let bytes = request.intent.len();
        if bytes == 0 || bytes > MAX_INTENT_BYTES {
            return Err(Error::BadIntent {
                bytes,
                max: MAX_INTENT_BYTES,
            });
        }
        let lock = self.intent_lock(&request.intent);
        let _one_at_a_time = lock.lock().await;

        if let Some(row) = self.journal_get(&request.intent).await?
            && let Some(landed) = self.earlier(row).await?
        {
            return Ok(landed);
        }

        let mut last = None;
        for attempt in 1..=self.config.attempts.max(1) {
            let signed = self.prepare(request, attempt).await?;
            let state = State::InFlight {
                transaction: signed.encoded.clone(),
                last_valid_block_height: signed.last_valid_block_height,
            };
            // On disk before the network can see it.
            self.journal_record(&request.intent, &signed.signature, state)
                .await?;
            tracing::debug!(intent = %request.intent, signature = %signed.signature, attempt, "sending");
            match self.follow(&signed, true).await? {
                Fate::Landed { slot } => {
                    self.journal_record(&request.intent, &signed.signature, State::Landed { slot })
                        .await?;
                    return Ok(Landed {
                        signature: signed.signature,
                        slot,
                        earlier: false,
                        attempts: attempt,
                    });
                }
                Fate::Failed { slot, error } => {
                    let error = self
                        .failed(&signed.signature, error, &programs(&request.instructions))
                        .await;
                    let state = State::Failed {
                        slot,
                        error: error.to_string(),
                    };
                    self.journal_record(&request.intent, &signed.signature, state)
                        .await?;
                    return Err(error);
                }
                Fate::Refused { reason } => {
                    self.journal_record(&request.intent, &signed.signature, State::Expired)
                        .await?;
                    return Err(Error::Rpc {
                        call: "sendTransaction",
                        host: self.rpc.host().to_owned(),
                        message: reason,
                        transient: false,
                    });
                }
                Fate::Expired { last_refusal } => {
                    self.journal_record(&request.intent, &signed.signature, State::Expired)
                        .await?;
                    tracing::info!(intent = %request.intent, signature = %signed.signature, attempt, "expired, signing anew");
                    last = Some((signed.signature, last_refusal, attempt));
                }
            }
        }
        // The loop runs at least once and leaves only through here after an expiry.
        let (signature, last_refusal, attempts) = last.unwrap_or_default();
        Err(Error::Expired {
            attempts,
            signature,
            last_refusal,
        })
    }

    /// What `request` would do, and cost, without doing it. An error is what sending would have run into.
    pub async fn simulate(&self, request: &Request) -> Result<Simulation> {
        let plan = self.plan(request, 1).await?;
        let message = self.message(request, plan.unit_limit, plan.unit_price, Hash::default())?;
        let signatures = usize::from(message.header().num_required_signatures);
        let precompile_signatures = count_precompile_signatures(&request.instructions);
        let unsigned = VersionedTransaction {
            signatures: vec![Signature::default(); signatures],
            message,
        };
        let base = SIGNATURE_FEE * (signatures as u64 + precompile_signatures);
        Ok(Simulation {
            units: plan.units,
            unit_limit: plan.unit_limit,
            unit_price: plan.unit_price,
            fee: base.saturating_add(priority_fee(plan.unit_price, plan.unit_limit)),
            logs: plan.logs,
            changes: plan.changes,
            bytes: to_bytes(&unsigned)?.len(),
        })
    }

    /// Follows every transaction in flight that an earlier process left behind to its end. Returns how each intent ended;
    /// one whose fate can still not be told stays in the journal. Call it at start, before sending.
    pub async fn resume(&self) -> Result<Vec<(String, Result<Landed>)>> {
        let journal = self.journal.clone();
        let rows = blocking(move || journal.in_flight()).await?;
        let mut ended = Vec::with_capacity(rows.len());
        // All at once: each may take until its blockhash expires.
        let follows: Vec<_> = rows
            .into_iter()
            .map(|row| {
                let sender = self.clone();
                tokio::spawn(async move {
                    let intent = row.intent.clone();
                    let lock = sender.intent_lock(&intent);
                    let _one_at_a_time = lock.lock().await;
                    let signature = row.signature.clone();
                    let outcome = match sender.earlier(row).await {
                        Ok(Some(landed)) => Ok(landed),
                        Ok(None) => Err(match sender.journal_get(&intent).await {
                            Ok(Some(Row {
                                state: State::Failed { error, .. },
                                ..
                            })) => Error::Input(error),
                            _ => Error::Expired {
                                attempts: 1,
                                signature: signature.parse().unwrap_or_default(),
                                last_refusal: None,
                            },
                        }),
                        Err(error) => Err(error),
                    };
                    (intent, outcome)
                })
            })
            .collect();
        for follow in follows {
            match follow.await {
                Ok(outcome) => ended.push(outcome),
                Err(error) => {
                    return Err(Error::Input(format!(
                        "following a transaction was interrupted: {error}"
                    )));
                }
            }
        }
        Ok(ended)
    }

    /// An intent that the journal knows: `Some` when it has landed, `None` when it is to be sent (again).
    async fn earlier(&self, row: Row) -> Result<Option<Landed>> {
        let signature: Signature = row.signature.parse().map_err(|_| {
            Error::Input(format!(
                "the journal holds '{}' where a signature belongs",
                row.signature
            ))
        })?;
        let (encoded, last_valid_block_height) = match row.state {
            State::Landed { slot } => {
                return Ok(Some(Landed {
                    signature,
                    slot,
                    earlier: true,
                    attempts: 0,
                }));
            }
            // Without effect, so the caller may do it again.
            State::Failed { .. } | State::Expired => return Ok(None),
            State::InFlight {
                transaction,
                last_valid_block_height,
            } => (transaction, last_valid_block_height),
        };
        let signed = Signed {
            signature,
            encoded,
            last_valid_block_height,
        };
        let fate = self.follow(&signed, false).await?;
        let (state, landed) = match fate {
            Fate::Landed { slot } => (
                State::Landed { slot },
                Some(Landed {
                    signature,
                    slot,
                    earlier: true,
                    attempts: 0,
                }),
            ),
            Fate::Failed { slot, error } => {
                let error = self
                    .failed(&signature, error, &programs_of(&signed.encoded))
                    .await;
                (
                    State::Failed {
                        slot,
                        error: error.to_string(),
                    },
                    None,
                )
            }
            Fate::Expired { .. } | Fate::Refused { .. } => (State::Expired, None),
        };
        self.journal_record(&row.intent, &signature, state).await?;
        Ok(landed)
    }

    /// Sends `signed` again and again until its fate is known. `fresh`: it was signed just now and has never been sent.
    async fn follow(&self, signed: &Signed, fresh: bool) -> Result<Fate> {
        let started = Instant::now();
        let mut watched = self.statuses.watch(signed.signature);
        let mut sends = 0_u32;
        let mut refused = 0_u32;
        let mut last_refusal = None;
        let mut next_send = started;
        let mut next_height = started + HEIGHT_EVERY;
        loop {
            let status = if sends == 0 && !fresh {
                // After a restart: it may have landed long ago.
                self.statuses.ask(signed.signature).await
            } else {
                watched.borrow_and_update().clone()
            };
            if let Some(fate) = status.and_then(|status| self.fate(&status)) {
                return Ok(fate);
            }
            let now = Instant::now();
            if now >= next_send {
                match self.rpc.send_encoded(&signed.encoded).await {
                    Ok(()) => last_refusal = None,
                    Err(Error::Rpc {
                        message, transient, ..
                    }) => {
                        if !transient
                            && REFUSALS
                                .iter()
                                .any(|code| message.contains(&format!("error {code}:")))
                        {
                            refused += 1;
                        }
                        tracing::debug!(signature = %signed.signature, %message, "sending");
                        last_refusal = Some(message);
                    }
                    Err(error) => return Err(error),
                }
                sends += 1;
                if fresh
                    && sends == 1
                    && refused == 1
                    && let Some(reason) = last_refusal
                {
                    return Ok(Fate::Refused { reason });
                }
                next_send = now + self.config.rebroadcast;
            }
            if now >= next_height {
                next_height = now + HEIGHT_EVERY;
                match self.expired(signed).await {
                    Ok(Some(Some(status))) => {
                        if let Some(fate) = self.fate(&status) {
                            return Ok(fate);
                        }
                    }
                    Ok(Some(None)) => return Ok(Fate::Expired { last_refusal }),
                    Ok(None) => {}
                    // The node doesn't answer now: that proves nothing.
                    Err(error) => last_refusal = Some(error.to_string()),
                }
            }
            if started.elapsed() > self.config.deadline {
                let seconds = self.config.deadline.as_secs();
                return Err(Error::Unresolved {
                    signature: signed.signature,
                    seconds,
                    last_refusal,
                });
            }
            let wake = next_send.min(next_height);
            tokio::select! {
                _ = watched.changed() => {}
                () = tokio::time::sleep_until(wake.into()) => {}
            }
        }
    }

    fn fate(&self, status: &TransactionStatus) -> Option<Fate> {
        if !status.satisfies_commitment(self.config.commitment) {
            return None;
        }
        Some(match &status.err {
            None => Fate::Landed { slot: status.slot },
            Some(error) => Fate::Failed {
                slot: status.slot,
                error: error.clone(),
            },
        })
    }

    /// `Some(None)`: provably never landed. `Some(status)`: too old to land now, but it did before. `None`: may still land.
    async fn expired(&self, signed: &Signed) -> Result<Option<Option<TransactionStatus>>> {
        let finalized = self.finalized().await?;
        if finalized.block_height
            <= signed
                .last_valid_block_height
                .saturating_add(EXPIRY_MARGIN_BLOCKS)
        {
            return Ok(None);
        }
        let (seen, mut statuses) = self.rpc.statuses(&[signed.signature], true).await?;
        // Behind a load balancer the second answer may come from a node that lags behind the first: it proves nothing.
        if seen < finalized.slot && statuses.first().is_some_and(Option::is_none) {
            return Ok(None);
        }
        Ok(Some(statuses.pop().flatten()))
    }

    async fn finalized(&self) -> Result<Position> {
        let mut known = self.finalized.lock().await;
        if let Some((at, position)) = *known
            && at.elapsed() < HEIGHT_EVERY / 2
        {
            return Ok(position);
        }
        let position = self.rpc.position(CommitmentConfig::finalized()).await?;
        *known = Some((Instant::now(), position));
        Ok(position)
    }

    async fn failed(
        &self,
        signature: &Signature,
        error: TransactionError,
        programs: &[Pubkey],
    ) -> Error {
        // Its logs say which program refused. Without them the number alone must do.
        let logs = match self.rpc.transaction_logs(signature).await {
            Ok(Some(found)) => found.logs,
            Ok(None) | Err(_) => Vec::new(),
        };
        transaction_failed(error, programs, logs, Some(*signature))
    }

    async fn prepare(&self, request: &Request, attempt: u32) -> Result<Signed> {
        let plan = self.plan(request, attempt).await?;
        let Blockhash {
            hash,
            last_valid_block_height,
            ..
        } = self.rpc.latest_blockhash().await?;
        let message = self.message(request, plan.unit_limit, plan.unit_price, hash)?;
        let transaction = sign(message, request)?;
        let signature = transaction.signatures.first().copied().unwrap_or_default();
        Ok(Signed {
            signature,
            encoded: encode(&transaction)?,
            last_valid_block_height,
        })
    }

    async fn plan(&self, request: &Request, attempt: u32) -> Result<Plan> {
        let message = self.message(request, MAX_COMPUTE_UNITS, 0, Hash::default())?;
        check_size(&message)?;
        let writable: Vec<Pubkey> = message
            .static_account_keys()
            .iter()
            .enumerate()
            .filter(|(i, _)| {
                message.is_maybe_writable_with_reserved_addresses(*i, None::<&HashSet<Pubkey>>)
            })
            .map(|(_, key)| *key)
            .collect();
        let (before, result, fees) = tokio::try_join!(
            self.rpc.account_map(&writable),
            self.rpc.simulate(&message, &writable),
            self.rpc.recent_priority_fees(&writable),
        )?;
        let logs = result.logs.unwrap_or_default();
        if let Some(error) = result.err {
            let programs: Vec<_> = message
                .instructions()
                .iter()
                .map(|instruction| {
                    let index = usize::from(instruction.program_id_index);
                    message
                        .static_account_keys()
                        .get(index)
                        .copied()
                        .unwrap_or_default()
                })
                .collect();
            return Err(transaction_failed(error.into(), &programs, logs, None));
        }
        let units = u32::try_from(
            result
                .units_consumed
                .unwrap_or(u64::from(MAX_COMPUTE_UNITS)),
        )
        .unwrap_or(MAX_COMPUTE_UNITS);
        let unit_limit = limit_for(units);
        let unit_price = price_for(fees, unit_limit, attempt, &self.config);
        let after = result.accounts.unwrap_or_default();
        let mut changes = Vec::new();
        for (address, after) in writable.iter().zip(after) {
            let after = after.and_then(|account| account.to_account());
            push_changes(&mut changes, *address, before.get(address), after.as_ref());
        }
        Ok(Plan {
            units,
            unit_limit,
            unit_price,
            logs,
            changes,
        })
    }

    fn message(
        &self,
        request: &Request,
        unit_limit: u32,
        unit_price: u64,
        blockhash: Hash,
    ) -> Result<VersionedMessage> {
        let mut instructions = vec![
            ComputeBudgetInstruction::set_compute_unit_limit(unit_limit),
            ComputeBudgetInstruction::set_compute_unit_price(unit_price),
        ];
        instructions.extend(request.instructions.iter().cloned());
        v0::Message::try_compile(&request.payer.pubkey(), &instructions, &[], blockhash)
            .map(VersionedMessage::V0)
            .map_err(|error| {
                Error::Input(format!(
                    "the instructions do not make a transaction: {error}"
                ))
            })
    }

    fn intent_lock(&self, intent: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut intents = self.intents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = intents.get(intent).and_then(Weak::upgrade) {
            return lock;
        }
        intents.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        intents.insert(intent.to_owned(), Arc::downgrade(&lock));
        lock
    }

    async fn journal_record(
        &self,
        intent: &str,
        signature: &Signature,
        state: State,
    ) -> Result<()> {
        let journal = self.journal.clone();
        let row = Row::new(intent, &signature.to_string(), state);
        blocking(move || journal.record(row)).await
    }

    async fn journal_get(&self, intent: &str) -> Result<Option<Row>> {
        let journal = self.journal.clone();
        let intent = intent.to_owned();
        blocking(move || journal.get(&intent)).await
    }
}

struct Plan {
    units: u32,
    unit_limit: u32,
    unit_price: u64,
    logs: Vec<String>,
    changes: Vec<BalanceChange>,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Error::Input(format!(
                "the journal's thread was interrupted: {error}"
            )))
        })
}

fn limit_for(units: u32) -> u32 {
    let margin = units / 100 * COMPUTE_MARGIN_PERCENT + COMPUTE_MARGIN_UNITS;
    units.saturating_add(margin).min(MAX_COMPUTE_UNITS)
}

/// What most recent transactions paid, more at each further attempt, never more than the configuration allows.
fn price_for(mut fees: Vec<u64>, unit_limit: u32, attempt: u32, config: &SendConfig) -> u64 {
    fees.sort_unstable();
    let market = fees
        .get(fees.len() * FEE_PERCENTILE / 100)
        .copied()
        .unwrap_or(0);
    let wanted = market.max(config.min_price);
    // A transaction that expired was outbid, or the network lost it: offer more, from something above nothing.
    let raised = (1..attempt).fold(wanted, |price, _| price.saturating_mul(2).max(1_000));
    let most = u128::from(config.max_priority_fee) * 1_000_000 / u128::from(unit_limit.max(1));
    raised.min(u64::try_from(most).unwrap_or(u64::MAX))
}

/// Lamports of a priority fee, rounded up as the runtime does.
fn priority_fee(unit_price: u64, unit_limit: u32) -> u64 {
    let micro = u128::from(unit_price) * u128::from(unit_limit);
    u64::try_from(micro.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The runtime charges for signatures that its precompiles check, too.
fn count_precompile_signatures(instructions: &[Instruction]) -> u64 {
    instructions
        .iter()
        .filter(|instruction| instruction.program_id == crate::ed25519::ED25519_PROGRAM)
        .map(|instruction| u64::from(instruction.data.first().copied().unwrap_or(0)))
        .sum()
}

fn programs(instructions: &[Instruction]) -> Vec<Pubkey> {
    // The two that set the compute budget come first.
    let budget = solana_compute_budget_interface::ID;
    [budget, budget]
        .into_iter()
        .chain(
            instructions
                .iter()
                .map(|instruction| instruction.program_id),
        )
        .collect()
}

fn programs_of(encoded: &str) -> Vec<Pubkey> {
    let Some(transaction) = BASE64_STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| wincode::deserialize::<VersionedTransaction>(&bytes).ok())
    else {
        return Vec::new();
    };
    let keys = transaction.message.static_account_keys();
    let index = |instruction: &solana_message::compiled_instruction::CompiledInstruction| {
        usize::from(instruction.program_id_index)
    };
    transaction
        .message
        .instructions()
        .iter()
        .map(|i| keys.get(index(i)).copied().unwrap_or_default())
        .collect()
}

fn check_size(message: &VersionedMessage) -> Result<()> {
    let signatures = usize::from(message.header().num_required_signatures);
    let unsigned = VersionedTransaction {
        signatures: vec![Signature::default(); signatures],
        message: message.clone(),
    };
    let bytes = to_bytes(&unsigned)?.len();
    if bytes > MAX_TRANSACTION_BYTES {
        return Err(Error::TooLarge {
            bytes,
            max: MAX_TRANSACTION_BYTES,
        });
    }
    Ok(())
}

fn sign(message: VersionedMessage, request: &Request) -> Result<VersionedTransaction> {
    let bytes = message.serialize();
    let required = usize::from(message.header().num_required_signatures);
    let mut signatures = Vec::with_capacity(required);
    for key in message.static_account_keys().iter().take(required) {
        let signer = std::iter::once(&request.payer)
            .chain(&request.signers)
            .find(|signer| signer.try_pubkey().is_ok_and(|address| address == *key))
            .ok_or(Error::MissingSigner(*key))?;
        let signature = signer
            .try_sign_message(&bytes)
            .map_err(|error| Error::Signing {
                address: *key,
                reason: error.to_string(),
            })?;
        signatures.push(signature);
    }
    Ok(VersionedTransaction {
        signatures,
        message,
    })
}

fn push_changes(
    changes: &mut Vec<BalanceChange>,
    account: Pubkey,
    before: Option<&Account>,
    after: Option<&Account>,
) {
    let lamports = |account: Option<&Account>| account.map_or(0, |account| account.lamports);
    if lamports(before) != lamports(after) {
        changes.push(BalanceChange {
            account,
            mint: None,
            owner: account,
            before: lamports(before),
            after: lamports(after),
        });
    }
    let (token_before, token_after) = (before.and_then(token), after.and_then(token));
    let Some((mint, owner, _)) = token_after.or(token_before) else {
        return;
    };
    let amount = |token: Option<(Pubkey, Pubkey, u64)>| token.map_or(0, |(_, _, amount)| amount);
    if amount(token_before) != amount(token_after) {
        changes.push(BalanceChange {
            account,
            mint: Some(mint),
            owner,
            before: amount(token_before),
            after: amount(token_after),
        });
    }
}

/// Mint, owner and amount of a token account of either token program.
fn token(account: &Account) -> Option<(Pubkey, Pubkey, u64)> {
    const SIZE: usize = 165;
    /// Token-2022's accounts say after the common part what they are: 2 is a token account.
    const KIND_ACCOUNT: u8 = 2;
    if account.owner != TOKEN_PROGRAM && account.owner != TOKEN_2022_PROGRAM {
        return None;
    }
    let data = &account.data;
    if data.len() != SIZE && data.get(SIZE) != Some(&KIND_ACCOUNT) {
        return None;
    }
    let key = |at: usize| {
        data.get(at..at + 32)
            .and_then(|bytes| Pubkey::try_from(bytes).ok())
    };
    let amount = data
        .get(64..72)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_le_bytes)?;
    Some((key(0)?, key(32)?, amount))
}

/// Asks for the states of all transactions in flight together: one call a tick, however many there are.
struct StatusPoll {
    rpc: Rpc,
    every: Duration,
    watched: Mutex<HashMap<Signature, watch::Sender<Option<TransactionStatus>>>>,
    running: Mutex<bool>,
}

impl StatusPoll {
    fn new(rpc: Rpc, every: Duration) -> Self {
        Self {
            rpc,
            every,
            watched: Mutex::default(),
            running: Mutex::default(),
        }
    }

    async fn ask(&self, signature: Signature) -> Option<TransactionStatus> {
        // History too: this is asked once, and it may be about yesterday's transaction.
        self.rpc
            .statuses(&[signature], true)
            .await
            .ok()
            .and_then(|(_, mut statuses)| statuses.pop().flatten())
    }

    /// Follows a transaction until every receiver of it is dropped.
    fn watch(self: &Arc<Self>, signature: Signature) -> watch::Receiver<Option<TransactionStatus>> {
        let receiver = {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched
                .entry(signature)
                .or_insert_with(|| watch::channel(None).0)
                .subscribe()
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !*running {
            *running = true;
            // Holds only itself: it ends with the last transaction it watches, and another starts with the next.
            tokio::spawn(self.clone().run());
        }
        receiver
    }

    async fn run(self: Arc<Self>) {
        loop {
            let signatures: Vec<Signature> = {
                // Locked together with the flag, so that none is added to a loop that has decided to end.
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
                watched.retain(|_, sender| sender.receiver_count() > 0);
                if watched.is_empty() {
                    *running = false;
                    return;
                }
                watched.keys().copied().collect()
            };
            for batch in signatures.chunks(STATUSES_PER_CALL) {
                let Ok((_, statuses)) = self.rpc.statuses(batch, false).await else {
                    continue;
                };
                let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
                for (signature, status) in batch.iter().zip(statuses) {
                    if let (Some(sender), Some(status)) = (watched.get(signature), status) {
                        // A receiver that is gone is swept in the next round.
                        sender.send_if_modified(|known| {
                            let news = known.as_ref() != Some(&status);
                            *known = Some(status);
                            news
                        });
                    }
                }
            }
            tokio::time::sleep(self.every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_leave_room_and_stay_within_the_networks() {
        assert_eq!(limit_for(10_000), 13_500);
        assert_eq!(limit_for(0), COMPUTE_MARGIN_UNITS);
        assert_eq!(limit_for(MAX_COMPUTE_UNITS), MAX_COMPUTE_UNITS);
        assert_eq!(limit_for(u32::MAX), MAX_COMPUTE_UNITS);
    }

    #[test]
    fn fees_follow_the_market_rise_after_an_expiry_and_are_bounded() {
        let config = SendConfig::default();
        let market: Vec<u64> = (0..100).collect();
        assert_eq!(price_for(market.clone(), 10_000, 1, &config), 75);
        assert_eq!(price_for(Vec::new(), 10_000, 1, &config), 0);
        assert_eq!(price_for(Vec::new(), 10_000, 2, &config), 1_000);
        assert_eq!(price_for(Vec::new(), 10_000, 3, &config), 2_000);
        let least = SendConfig {
            min_price: 80,
            ..config.clone()
        };
        assert_eq!(price_for(market, 10_000, 1, &least), 80);
        for limit in [1, 10_000, MAX_COMPUTE_UNITS] {
            let price = price_for(vec![u64::MAX; 10], limit, 3, &config);
            assert!(
                priority_fee(price, limit) <= config.max_priority_fee,
                "limit {limit}"
            );
        }
    }

    #[test]
    fn token_accounts_are_told_from_mints_and_other_programs() {
        let account = |owner: Pubkey, data: Vec<u8>| Account {
            owner,
            data,
            ..Account::default()
        };
        let mut data = vec![0; 165];
        data[64..72].copy_from_slice(&42_u64.to_le_bytes());
        assert_eq!(
            token(&account(TOKEN_PROGRAM, data.clone())).map(|token| token.2),
            Some(42)
        );
        assert_eq!(token(&account(Pubkey::default(), data.clone())), None);
        assert_eq!(token(&account(TOKEN_PROGRAM, vec![0; 82])), None);
        data.push(2);
        assert_eq!(
            token(&account(TOKEN_2022_PROGRAM, data.clone())).map(|token| token.2),
            Some(42)
        );
        data[165] = 1;
        assert_eq!(token(&account(TOKEN_2022_PROGRAM, data)), None);
    }
}
