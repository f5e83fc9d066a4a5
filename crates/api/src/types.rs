//! Types of the interface. Unknown fields are refused on the way in, so that a misspelt option is an error and not
//! silently ignored.

use std::collections::BTreeMap;

use io_protocol::messages::{AuditStatement, Bytes32, Deployment, ResultStatement, Verdict};
use serde::{Deserialize, Serialize};

use crate::{auth::verify_signature, text};

/// Version prefix of every path.
pub const API_PREFIX: &str = "/v1";

/// An amount in base units, written as a decimal string.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "150000000"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub u64);

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Amount).map_err(|_| {
            serde::de::Error::custom(format!(
                "expected an amount in base units as a decimal string, got '{text}'"
            ))
        })
    }
}

macro_rules! wire {
    ($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    };
    ($(#[$meta:meta])* pub enum $name:ident { $($body:tt)* }) => {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        $(#[$meta])*
        pub enum $name { $($body)* }
    };
}

wire! {
    /// Body of every response that is not a success.
    pub struct ApiError {
        /// Stable, for programs: `not_found`, `bad_request`, `too_large`, `unauthorized`, `rate_limited`, `unavailable`,
        /// `conflict`, `internal`.
        pub code: String,
        /// What was expected and what came.
        pub message: String,
        /// What to do next.
        pub hint: Option<String>,
    }
}

wire! {
    /// `GET /v1/info`: who this oracle is and where it stands.
    pub struct Info {
        pub oracle: String,
        pub program: String,
        /// Genesis hash of the cluster.
        pub cluster: String,
        pub version: String,
        /// Version of the oracle set on chain, and whether this oracle is in it.
        pub set_version: u64,
        pub active: bool,
        pub quorum: u8,
        /// Newest slot that the index has seen, and its age.
        pub slot: u64,
        pub index_age_ms: u64,
        /// Other oracles of the set with their addresses, as far as they are known.
        pub peers: Vec<Peer>,
        /// Unix milliseconds, for clock skew.
        pub now_ms: u64,
        pub limits: Limits,
    }
}

wire! {
    /// Another oracle.
    pub struct Peer {
        pub oracle: String,
        pub url: String,
    }
}

wire! {
    /// `GET /v1/identity?nonce=`: which process this is, proven with the oracle's key.
    pub struct Identity {
        pub oracle: String,
        /// Base58, drawn at each start.
        pub instance: String,
        /// Unix milliseconds, by its own clock.
        pub started_ms: u64,
        /// Ed25519 over `io/identity/1...` ‖ program ‖ cluster ‖ nonce ‖ instance ‖ started_ms as u64 LE.
        pub signature: String,
    }
}

wire! {
    /// Limits that a client should know before it sends.
    pub struct Limits {
        /// Largest blob, bytes.
        pub max_blob_bytes: u64,
        /// Largest part of an upload, bytes.
        pub max_part_bytes: u64,
        /// Largest JSON body, bytes.
        pub max_json_bytes: u64,
    }
}

wire! {
    /// `GET /v1/blobs/{hash}/status`, and the answer to each uploaded part.
    pub struct BlobStatus {
        /// BLAKE3 of the whole.
        pub hash: String,
        /// Size that the uploader announced, bytes.
        pub size: u64,
        /// Bytes stored so far, from the beginning: where to resume.
        pub received: u64,
        /// Complete and verified.
        pub complete: bool,
    }
}

wire! {
    /// One row of `GET /v1/offers`: a device that takes jobs.
    pub struct Offer {
        pub device: String,
        pub provider: String,
        pub class: u16,
        pub class_name: String,
        pub memory_mib: u32,
        pub tops_e2: u32,
        /// Mbit/s that its link showed to the worst of the oracles that signed its figures, each way; 0 where none was shown.
        pub down_mbit: u32,
        pub up_mbit: u32,
        /// Longest round trip to one of them, milliseconds; absent before it was measured.
        pub latency_ms: Option<u16>,
        pub region: Option<String>,
        pub reputation_bps: u16,
        /// Connected, idle, attested and bonded: would take a job now.
        pub available: bool,
        /// Why not, when it is not.
        pub unavailable_because: Option<String>,
        /// Engine name → what it asks and does.
        pub engines: BTreeMap<String, EngineOffer>,
        /// What an hour of a device of its class costs, as a guide, base units of IO; absent while the class has no reference
        /// price.
        pub reference_hour: Option<Amount>,
        pub last_heartbeat_ms: u64,
    }
}

wire! {
    /// What a device asks for one engine.
    pub struct EngineOffer {
        /// Base units of IO for 1,000 units of work.
        pub ask: Amount,
        /// Units of work a second, by its own measurement.
        pub speed: f64,
    }
}

impl EngineOffer {
    /// What an hour of the device comes to at this ask, base units of IO; `None` when no amount can hold it.
    pub fn hour(&self) -> Option<Amount> {
        hour_at(self.ask, self.speed)
    }
}

/// What an hour comes to at an ask for 1,000 units, on a device that does so many units a second.
pub fn hour_at(ask: Amount, speed: f64) -> Option<Amount> {
    // A speed is measured: thousandths of a unit are as exact as it gets. Nonsense is no speed.
    let units_e3 = (speed.max(0.0) * 1_000.0).round() as u64;
    io_protocol::guidance::price_of_an_hour(ask.0, units_e3).map(Amount)
}

wire! {
    /// `GET /v1/offers`: a page of offers.
    pub struct Offers {
        pub offers: Vec<Offer>,
        /// Pass as `after` for the next page.
        pub next: Option<String>,
        pub total: u64,
    }
}

wire! {
    /// What a job requires of a device.
    pub struct Requirement {
        pub class: Option<u16>,
        #[serde(default)]
        pub min_multiplier_e2: u32,
        #[serde(default)]
        pub min_memory_mib: u32,
        pub region: Option<String>,
        #[serde(default)]
        pub min_reputation_bps: u16,
    }
}

wire! {
    /// `POST /v1/quote`.
    pub struct QuoteRequest {
        pub engine: String,
        pub units: u64,
        pub requirement: Requirement,
        /// Base58 mint; IO when absent.
        pub mint: Option<String>,
    }
}

wire! {
    /// What a job would cost now. Escrow is the most it can cost.
    pub struct Quote {
        pub engine: String,
        pub units: u64,
        pub mint: String,
        /// Available devices that meet the requirement.
        pub devices: u32,
        /// Lowest, median and highest ask for 1,000 units among them; absent when there are none.
        pub ask_min: Option<Amount>,
        pub ask_median: Option<Amount>,
        pub ask_max: Option<Amount>,
        /// Payment at the lowest ask, fees on top of it, and their sum.
        pub payment: Option<Amount>,
        pub fees: Option<Amount>,
        pub total: Option<Amount>,
        pub reserve_bps: u16,
        pub payment_bps: u16,
        /// Expected run time at the lowest ask's device, seconds.
        pub seconds: Option<f64>,
        /// What an hour of that device comes to at its ask, base units of the mint.
        pub hour: Option<Amount>,
        /// What an hour of a device of its class costs, as a guide, base units of the mint; absent while the class has no
        /// reference price.
        pub reference_hour: Option<Amount>,
        /// When no device is left: which requirement removed how many.
        pub removed: BTreeMap<String, u32>,
    }
}

wire! {
    /// Stage of a job that the chain does not show.
    #[serde(rename_all = "snake_case")]
    pub enum Stage {
        /// The spec blob is not there, or does not hash, or is not valid.
        SpecMissing,
        SpecInvalid,
        /// The spec is fine, and something that it names is nowhere.
        InputMissing,
        /// Open; no eligible device now.
        Waiting,
        /// A ticket was issued to a device.
        Matched,
        Running,
        Verifying,
        Attested,
        Refused,
        Final,
    }
}

wire! {
    /// Progress that the device reports. Not proven.
    pub struct Progress {
        /// `fetching`, `loading`, `running`, `storing`, `submitting`.
        pub phase: String,
        pub done: u64,
        pub total: u64,
        pub at_ms: u64,
    }
}

wire! {
    /// `GET /v1/jobs/{job}`.
    pub struct JobView {
        pub job: String,
        pub renter: String,
        pub payer: String,
        pub mint: String,
        /// `task` or `lease`.
        pub kind: String,
        pub state: String,
        pub stage: Stage,
        /// Why it waits or was refused.
        pub reason: Option<String>,
        pub spec_hash: String,
        pub output_hash: Option<String>,
        pub device: Option<String>,
        pub provider: Option<String>,
        pub max_price: Amount,
        pub ask: Option<Amount>,
        pub max_units: u64,
        pub units: Option<u64>,
        pub escrow: Amount,
        pub paid: Option<Amount>,
        pub fees: Option<Amount>,
        pub refunded: Option<Amount>,
        /// Unix seconds, as on chain.
        pub created_at: i64,
        pub deadline: i64,
        pub accepted_at: Option<i64>,
        pub submitted_at: Option<i64>,
        pub challenge_until: Option<i64>,
        pub finished_at: Option<i64>,
        pub progress: Option<Progress>,
        /// Newest last: state, transaction, slot and time of every transition.
        pub history: Vec<Transition>,
    }
}

wire! {
    /// A transition that the index saw.
    pub struct Transition {
        pub from: String,
        pub to: String,
        pub signature: String,
        pub slot: u64,
        /// Unix seconds; block time.
        pub at: Option<i64>,
    }
}

wire! {
    /// `GET /v1/jobs`: a page of jobs, newest first.
    pub struct Jobs {
        pub jobs: Vec<JobView>,
        pub next: Option<String>,
        pub total: u64,
    }
}

wire! {
    /// Verdict about a submitted result.
    #[serde(rename_all = "snake_case")]
    pub enum WireVerdict {
        Valid,
        Invalid,
    }
}

wire! {
    /// `GET /v1/jobs/{job}/attestation`: this oracle's newest signed verdict: about the dispute, if there is one; `?disputed=false` asks
    /// for what it said before, `?disputed=true` for what it says about the dispute. `404` with `not_found` while it has none.
    pub struct Attestation {
        pub oracle: String,
        pub set_version: u64,
        pub job: String,
        pub created_slot: u64,
        pub epoch: u64,
        pub verdict: WireVerdict,
        pub output_hash: String,
        pub units: u64,
        /// Whether it is about a disputed result: then it rests on an audit, and the signature is of another domain. On a disputed job no
        /// other counts.
        #[serde(default)]
        pub disputed: bool,
        /// Ed25519 signature over the `ResultStatement` with these fields.
        pub signature: String,
        /// What was checked: steps re-executed, of how many.
        pub checked_steps: u64,
        pub total_steps: u64,
        /// Why, when invalid.
        pub reason: Option<String>,
        /// Time this oracle spent verifying, milliseconds.
        pub verify_ms: u64,
        /// Proof of what this oracle's key draws for the submission (ECVRF-EDWARDS25519-SHA512-TAI, base58), which the audit and the sample of
        /// checked steps follow from: nobody could foresee it, this oracle included could not choose it, anybody can draw the same from it.
        /// Absent when the result could not be fetched.
        #[serde(default)]
        pub sample_proof: Option<String>,
        /// Whether it had to audit the job, and whether it did.
        #[serde(default)]
        pub audit: Option<Audit>,
        /// Ed25519 signature over the `AuditStatement` of this verdict: what it did (`audit`, `checked_steps`, `total_steps`) is its signed
        /// word as well.
        #[serde(default)]
        pub audit_signature: Option<String>,
        /// Steps that it found wrong, at most 64: of an exact job the first, of a tolerant one those of its sample.
        #[serde(default)]
        pub wrong_steps: Vec<u64>,
    }
}

impl Attestation {
    /// The statement that it is about, unless one of its fields cannot be read.
    pub fn statement(&self, deployment: Deployment) -> Option<ResultStatement> {
        Some(ResultStatement {
            deployment,
            set_version: self.set_version,
            job: text::parse_key(&self.job)?,
            created_slot: self.created_slot,
            epoch: self.epoch,
            verdict: match self.verdict {
                WireVerdict::Valid => Verdict::Valid,
                WireVerdict::Invalid => Verdict::Invalid,
            },
            output_hash: text::parse_hash(&self.output_hash)?,
            units: self.units,
            disputed: self.disputed,
        })
    }

    /// That statement, if the oracle that it names signed it.
    pub fn signed(&self, deployment: Deployment) -> Option<ResultStatement> {
        let statement = self.statement(deployment)?;
        self.is_signature(&self.signature, &statement.to_bytes())
            .then_some(statement)
    }

    /// What the oracle did before it signed `verdict`, if it signed that as well.
    pub fn signed_audit(&self, verdict: &ResultStatement) -> Option<AuditStatement> {
        let did = self.audit_statement(verdict);
        self.is_signature(self.audit_signature.as_deref()?, &did.to_bytes())
            .then_some(did)
    }

    /// What it says of `job`, if its oracle signed that it ran the job and that the result is right: whoever did knows the right result.
    /// Otherwise why that cannot be held against it.
    pub fn vouches_by_running(
        &self,
        deployment: Deployment,
        job: &Bytes32,
    ) -> Result<ResultStatement, &'static str> {
        let statement = self
            .signed(deployment)
            .ok_or("it is not signed by the oracle that it names, about a job of this network")?;
        if statement.job != *job {
            return Err("it is about another job");
        }
        if statement.verdict != Verdict::Valid {
            return Err("it says that the result is wrong, and vouches for nothing");
        }
        let did = self
            .signed_audit(&statement)
            .ok_or("its oracle did not sign what it did before")?;
        if !did.audited {
            return Err("its oracle looked at the result's form only, and says so");
        }
        Ok(statement)
    }

    /// What of it is under a signature; the rest is as good as empty.
    pub fn signed_part(&self) -> Self {
        Self {
            reason: None,
            verify_ms: 0,
            sample_proof: None,
            audit: self.audit.as_ref().map(|audit| Audit {
                rate_ppm: 0,
                ..audit.clone()
            }),
            wrong_steps: Vec::new(),
            ..self.clone()
        }
    }

    /// The blob that it is known by as evidence: its signed part, as JSON.
    pub fn evidence(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.signed_part())
    }

    fn is_signature(&self, signature: &str, message: &[u8]) -> bool {
        text::parse_key(&self.oracle)
            .zip(text::parse_signature(signature))
            .is_some_and(|(key, signature)| verify_signature(&key, message, &signature))
    }

    /// What the oracle says that it did before it signed `verdict`.
    pub fn audit_statement(&self, verdict: &ResultStatement) -> AuditStatement {
        let (audited, reputation_bps) = self
            .audit
            .as_ref()
            .map_or((false, 0), |audit| (audit.audited, audit.reputation_bps));
        AuditStatement {
            deployment: verdict.deployment,
            job: verdict.job,
            created_slot: verdict.created_slot,
            verdict: *blake3::hash(&verdict.to_bytes()).as_bytes(),
            audited,
            reputation_bps,
            checked_steps: self.checked_steps,
            total_steps: self.total_steps,
        }
    }
}

wire! {
    /// `POST /v1/jobs/{job}/conduct`, with the [`Attestation`] of another oracle that signed that it ran this job and that its result is
    /// right: this oracle runs the job, and says whether that can be. Ask again while the state is `running`.
    pub struct Conduct {
        pub oracle: String,
        pub accused: String,
        pub state: ConductState,
        /// In words, unless it is `untrue` or `running`.
        pub reason: Option<String>,
        /// What the signature is over, when the attestation is untrue.
        pub finding: Option<Finding>,
    }
}

wire! {
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum ConductState {
        /// The job is being run.
        Running,
        /// Running it comes to what was attested.
        Right,
        /// Running it comes to another result: whoever attested it has not run it.
        Untrue,
        /// This oracle cannot tell: data are gone, or what comes out depends on the machine.
        Unable,
    }
}

wire! {
    /// An oracle's word that another one's attestation is untrue.
    pub struct Finding {
        pub set_version: u64,
        pub created_slot: u64,
        pub epoch: u64,
        /// BLAKE3 of the attestation, as the JSON that this API writes: a blob that oracles keep.
        pub evidence: String,
        /// The job's renter: gets the finder's share.
        pub finder: String,
        /// Ed25519 signature over the `ConductStatement` with these fields.
        pub signature: String,
    }
}

wire! {
    /// An oracle re-runs a job's steps, or looks at its form only: manifest, hashes, units, trace. Which of the two follows from
    /// what its key draws for the submission, so that anybody can see whether it had to.
    pub struct Audit {
        /// Steps were re-run: it was drawn, or somebody had disputed the result.
        pub audited: bool,
        /// The chance with which it had to, in millionths. It follows from the job's account, the oracle set and the reputation.
        pub rate_ppm: u32,
        /// Of the device when the result was checked, in basis points.
        pub reputation_bps: u16,
    }
}

wire! {
    /// `GET /v1/leases/{job}`: what this oracle counted of a running lease. `404` with `not_found` while it counted nothing.
    pub struct LeaseCount {
        pub oracle: String,
        pub job: String,
        pub created_slot: u64,
        /// Seconds in which the device served, since acceptance.
        pub seconds: u64,
        /// Unix seconds by the chain's clock: up to when.
        pub at: i64,
        /// The newest total that this oracle signed of it, for the oracle set of now; absent before it was asked for one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub signed: Option<LeaseSignature>,
    }
}

wire! {
    /// `POST /v1/leases/{job}/sign` (signed by the device's operator, or by an active oracle once the lease is over): asks for a
    /// signature over seconds of a lease. What an oracle signs about one lease adds up: no other seconds for the same time, and
    /// never fewer later.
    pub struct LeaseSignRequest {
        pub seconds: u64,
        /// Unix seconds.
        pub at: i64,
    }
}

wire! {
    /// The oracle's signature over a `LeaseStatement`.
    pub struct LeaseSignature {
        pub oracle: String,
        pub set_version: u64,
        pub seconds: u64,
        pub at: i64,
        pub signature: String,
    }
}

wire! {
    /// `POST /v1/leases/{job}/requests` (signed by the renter or the payer): runs a spec on the leased device. What it names was
    /// uploaded before. The same request again waits for the same run, or gets its result.
    pub struct LeaseRequest {
        /// BLAKE3 of the spec.
        pub spec: String,
    }
}

wire! {
    /// What a request has come to so far. `GET /v1/leases/{job}/requests/{spec}` tells it without another signature; it passes
    /// nothing on.
    pub struct LeaseReply {
        /// Absent while the device works on it: ask again.
        pub answer: Option<LeaseAnswer>,
        /// While the device works on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub running: Option<LeaseRun>,
    }
}

wire! {
    /// A request that the device works on.
    pub struct LeaseRun {
        /// Seconds since it was passed on.
        pub seconds: u64,
        /// Seconds from then on until it is given up, or the lease is over.
        pub at_most: u64,
        /// Absent before the device reported any.
        pub progress: Option<Progress>,
    }
}

wire! {
    /// What came of a request: a result whose blobs this oracle has.
    pub struct LeaseAnswer {
        /// BLAKE3 of the output manifest.
        pub output_hash: String,
        /// In the engine's unit.
        pub units: u64,
    }
}

wire! {
    /// `GET /v1/burns?step=hour`: IO that the program burned, as its events tell: what left the supply for good. What holders burned
    /// themselves is not among it.
    pub struct Burns {
        /// An hour's or a day's.
        pub step_seconds: u64,
        /// Before the first of `steps`.
        pub before: Burned,
        /// Steps in which something burned, oldest first: the newest of them, where there are too many.
        pub steps: Vec<BurnStep>,
    }
}

wire! {
    pub struct BurnStep {
        /// Unix seconds: its beginning, a multiple of `step_seconds`.
        pub at: i64,
        pub burned: Burned,
    }
}

wire! {
    /// IO base units, by what they were burned for.
    #[derive(Default, Eq)]
    pub struct Burned {
        /// The share of the treasury's fees, when it is swept.
        pub fees: Amount,
        /// Of upheld penalties, and of failed appeals' bonds.
        pub penalties: Amount,
        /// Bought back by the treasury.
        pub buy_backs: Amount,
        /// Of oracles that contradicted themselves.
        pub bonds: Amount,
    }
}

wire! {
    /// `GET /v1/slash/{case}/decision`: this oracle's signed decision about an appeal. `404` with `not_found` while it has none:
    /// it accused, or has no verdict about the job.
    pub struct SlashDecision {
        pub oracle: String,
        pub set_version: u64,
        pub case: String,
        /// When the case was opened, Unix seconds.
        pub opened_at: i64,
        /// The penalty stands; else everything goes back.
        pub upheld: bool,
        /// Ed25519 signature over the `SlashStatement` with these fields.
        pub signature: String,
    }
}

wire! {
    /// `POST /v1/devices/{device}/attest` (signed by the operator): asks for a signature over measured figures.
    pub struct DeviceAttestRequest {
        /// Unix seconds by the chain's clock.
        pub measured_at: i64,
        /// At most what the oracle measured; so are the next four.
        pub tops_e2: u32,
        pub memory_mib: u32,
        pub bandwidth_mib_s: u32,
        pub down_mbit: u32,
        pub up_mbit: u32,
        /// At least what it measured.
        pub latency_ms: u16,
        pub region: Option<String>,
    }
}

wire! {
    /// The oracle's signature over a `DeviceStatement` with the asked figures.
    pub struct DeviceAttestation {
        pub oracle: String,
        pub set_version: u64,
        pub device: String,
        /// The registration that it is about.
        pub provider: String,
        pub class: u16,
        /// Unix seconds.
        pub since: i64,
        /// Unix seconds.
        pub measured_at: i64,
        pub signature: String,
    }
}

wire! {
    /// `GET /v1/rewards/{epoch}`: what this oracle saw in an epoch of emission, and the leaf set that it signed for it. `404` with
    /// `not_found` while it has neither.
    pub struct Rewards {
        pub oracle: String,
        pub epoch: u64,
        /// This oracle's report, a blob.
        pub report: Option<SignedReport>,
        /// The leaf set that it signed.
        pub signed: Option<SignedRoot>,
    }
}

wire! {
    /// An oracle's report of an epoch.
    pub struct SignedReport {
        /// BLAKE3 of the report.
        pub report: String,
        /// Ed25519 signature over the `ReportStatement`.
        pub signature: String,
    }
}

wire! {
    /// An oracle's signature over an epoch's root.
    pub struct SignedRoot {
        pub oracle: String,
        pub set_version: u64,
        pub epoch: u64,
        /// Root of the tree, hex.
        pub root: String,
        /// All leaves together.
        pub total: Amount,
        /// BLAKE3 of the leaf set, a blob.
        pub leaves: String,
        /// Ed25519 signature over the `RewardStatement` with these fields.
        pub signature: String,
    }
}

wire! {
    /// `POST /v1/rewards/{epoch}/sign` (signed by an active oracle): asks for a signature over a leaf set.
    pub struct SignRootRequest {
        /// BLAKE3 of the leaf set.
        pub leaves: String,
    }
}

wire! {
    /// `GET /v1/guidance/{epoch}`: how much of each class's time was hired in an epoch of emission, signed by this oracle. `404`
    /// with `not_found` until the epoch's root is on chain. Classes that no device was up in are absent.
    pub struct Guidance {
        pub oracle: String,
        pub set_version: u64,
        pub epoch: u64,
        /// By class, ascending.
        pub classes: Vec<ClassUtilisation>,
    }
}

wire! {
    /// A class's utilisation in an epoch.
    pub struct ClassUtilisation {
        pub class: u16,
        /// Hired share of the time in which its devices were up, basis points.
        pub utilisation_bps: u16,
        /// Ed25519 signature over the `GuidanceStatement` with these fields.
        pub signature: String,
    }
}

wire! {
    /// Signature of a request, in the `x-io-auth` header as base64 of this as JSON, and in `Hello`.
    pub struct Auth {
        /// Base58 key that signed.
        pub key: String,
        pub at_ms: u64,
        pub nonce: u64,
        /// Base58 Ed25519 signature over the `RequestStatement`.
        pub signature: String,
    }
}

// WebSocket `/v1/link`: oracle ↔ worker. Text frames, one JSON message each.

wire! {
    /// From the oracle to a worker.
    #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    pub enum ToWorker {
        /// First: the worker answers with `Hello` whose auth names this oracle as recipient.
        Welcome { oracle: String, cluster: String, program: String, now_ms: u64 },
        /// The hello was accepted.
        Linked { device: String },
        /// A job reserved for this device at an ask (base units of the job's mint for 1,000 units), with the ticket's signature.
        Offer { job: String, created_slot: u64, set_version: u64, ask: Amount, expires_at: i64, signature: String },
        /// The renter of a lease that this device serves wants a spec run.
        Request { job: String, request: u64, spec: String },
        /// This oracle has reached a verdict about a job of this device.
        Attested { attestation: Attestation },
        /// A hardware proof is asked for, now: see [`RoundOpening`].
        Round { opening: RoundOpening, ask: ProofAsk },
        /// The round is closed: the oracle's signature over its `RevealStatement` draws rows and starts the walk.
        Reveal { round: String, signature: String },
        /// Somebody audits a round that this device committed to: rows of a pass are to be opened, or all its row roots when none are named.
        Open { round: String, request: u64, pass: u32, rows: Vec<u32> },
        /// So many random bytes follow in binary frames: their SHA-256 is asked for, to time the way down.
        Download { request: u64, bytes: u32 },
        /// So many bytes that follow from the seed (hex) are asked for, to time the way up: in binary frames that begin with the
        /// request as u64 little-endian.
        Upload { request: u64, seed: String, bytes: u32 },
        /// What came of this device's newest proof here: the figures that this oracle signs, if it signs any. With the round that it ends, if it
        /// isn't the answer to a claim.
        Measured { round: Option<String>, figures: Option<Figures>, outcome: ProofOutcome, reason: Option<String> },
        /// The last message was refused.
        Refused { code: String, message: String },
    }
}

wire! {
    /// From a worker to the oracle.
    #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
    pub enum ToOracle {
        /// Proves the operator key. `auth` covers action `link` and subject = device.
        Hello { device: String, auth: Auth },
        /// Signed state of the device, every few seconds; `auth` covers action `heartbeat`, subject = device and the body =
        /// the exact bytes of `heartbeat` (JSON text of a [`Heartbeat`]).
        Heartbeat { heartbeat: String, auth: Auth },
        /// What came of a renter's request.
        Answer { job: String, request: u64, answer: Option<LeaseAnswer>, error: Option<String> },
        /// Answer to an offer.
        Decline { job: String, reason: String },
        Accepting { job: String },
        Progress { job: String, progress: Progress },
        /// The device is ready for a hardware proof.
        Claim { claim: HardwareClaim },
        /// The roots of a round's passes (hex), and the operator's signature over the `CommitmentStatement` of all of them.
        Committed { round: String, roots: Vec<String>, signature: String },
        /// The memory that was asked for is filled.
        Filled { round: String },
        /// Root of the walk: the hash (hex) of the blob of its states.
        Walked { round: String, root: String },
        /// The drawn rows, an uploaded blob; the walk's states are one, too, by now.
        Opened { round: String, rows: String },
        /// What was opened for an audit, an uploaded blob; or why nothing is.
        Reopened { request: u64, blob: Option<String>, error: Option<String> },
        /// SHA-256 (hex) of the bytes that came.
        Downloaded { request: u64, sha256: String },
        /// Why the round can't be answered: the device proves itself to another oracle, or its budget is spent.
        Unready { round: String, reason: String },
    }
}

wire! {
    /// What a device says of itself, for the size of its rounds. A figure is never above the claim, nor above what was measured.
    pub struct HardwareClaim {
        /// What computes: `vnni, 8 threads`, or a GPU's name.
        pub backend: String,
        /// Matrix size that was timed.
        pub n: u32,
        /// Time of one pass of that size, microseconds.
        pub pass_micros: u64,
        pub memory_mib: u32,
        /// How fast memory is filled for a walk, MiB/s.
        pub fill_mib_s: u32,
    }
}

wire! {
    /// What opens a round. Its seed is SHA-256 over the `RoundStatement` and the signature.
    pub struct RoundOpening {
        pub oracle: String,
        /// Hours since the Unix epoch.
        pub epoch: u64,
        /// The newest blockhash when the round was opened (base58), and the slot of its block.
        pub blockhash: String,
        pub slot: u64,
        /// The oracle's, over the `RoundStatement`.
        pub signature: String,
    }
}

wire! {
    /// The work of one device in a round.
    #[derive(Copy)]
    pub struct ProofAsk {
        pub n: u32,
        pub passes: u32,
        /// Rows to open.
        pub rows: u32,
        /// 4 KiB segments of memory to fill.
        pub segments: u64,
        /// Strides of the walk, and how many of them are walked again.
        pub strides: u32,
        pub open_strides: u32,
    }
}

wire! {
    /// What an oracle measured of a device with its own clock.
    #[derive(Copy, Eq)]
    pub struct Figures {
        /// Unix seconds by the chain's clock.
        pub measured_at: i64,
        /// Hundredths of int8 TOPS: operations of all passes over the time from the round's opening to the commitment.
        pub tops_e2: u32,
        /// MiB that the walk went through.
        pub memory_mib: u32,
        /// MiB/s of a walk of dependent reads, a cache line (64 bytes) each.
        pub bandwidth_mib_s: u32,
        /// Pace of bursts of random bytes to the device and from it, Mbit/s rounded down; 0 where none came in time, or one was wrong.
        pub down_mbit: u32,
        pub up_mbit: u32,
        /// Median round trip over the link, milliseconds rounded up, at most 2,000: that of a device which answers no ping.
        pub latency_ms: u16,
    }
}

wire! {
    /// What was measured of a device's link, by the oracle's clock.
    #[derive(Default)]
    pub struct LinkTimes {
        /// Round trips, microseconds; one that did not end in time is the last, as long as was waited.
        pub pings: Vec<u64>,
        /// Bursts to the device, and from it.
        pub down: Vec<Burst>,
        pub up: Vec<Burst>,
    }
}

wire! {
    /// Random bytes over a link, from what the oracle sent to the answer that they had to have.
    #[derive(Copy, Eq)]
    pub struct Burst {
        pub bytes: u32,
        pub micros: u64,
    }
}

wire! {
    /// How a hardware proof ended.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum ProofOutcome {
        /// The rows and the walk are right.
        Proven,
        /// No commitment came in time, or the device was not ready.
        Missed,
        /// It committed, and did not open what was drawn.
        Withheld,
        /// An opened row is not that of the product, a state does not follow from the memory, or a path leads elsewhere.
        Wrong,
    }
}

wire! {
    /// One device's proof in one round, with everything that it was judged by. Hashes are hex, keys and signatures base58.
    pub struct HardwareProof {
        pub device: String,
        pub provider: String,
        /// Who had to sign the commitment.
        pub operator: String,
        pub class: u16,
        pub backend: String,
        /// Unix seconds by the chain's clock.
        pub at: i64,
        pub opening: RoundOpening,
        pub round: String,
        pub ask: ProofAsk,
        /// Whether it was asked for less because a renter used it.
        pub hired: bool,
        /// Whether it was a round of all devices; else one for devices without usable figures.
        pub regular: bool,
        /// Microseconds from sending the opening to the commitment's arrival, by this oracle's clock.
        pub commit_micros: Option<u64>,
        pub roots: Vec<String>,
        pub commitment: Option<String>,
        /// The operator's, over the `CommitmentStatement`.
        pub commitment_signature: Option<String>,
        pub reveal_signature: Option<String>,
        /// The blob of the walk's states, 64-bit little-endian. Kept for a day.
        pub walk_root: Option<String>,
        /// Microseconds from the reveal to the walk's root.
        pub walk_micros: Option<u64>,
        /// The oracle's, over the `RevealStatement` of this walk: it draws the strides that are walked again.
        pub draw_signature: Option<String>,
        /// The blob of opened rows, one after the other: `pass ‖ row ‖ cells ‖ path`, integers 32-bit little-endian. Kept for a day.
        pub rows: Option<String>,
        /// Measured of a device whose rows and walk were right.
        pub link: Option<LinkTimes>,
        pub outcome: ProofOutcome,
        pub reason: Option<String>,
        pub figures: Option<Figures>,
    }
}

wire! {
    /// `POST /v1/hardware/{round}/{device}/open`: asks a device to open more of what it committed to.
    pub struct OpenRequest {
        pub pass: u32,
        /// At most 16 rows; none for the roots of all rows of the pass.
        pub rows: Vec<u32>,
    }
}

wire! {
    /// The blob that the device uploaded: opened rows as in a proof, or row roots (32 bytes each, in order). Nothing in it is checked here.
    pub struct OpenReply {
        pub blob: String,
    }
}

wire! {
    /// `GET /v1/hardware/{epoch}`: proofs of an hour (since the Unix epoch), 100 a page, ordered by round and device.
    pub struct HardwareProofs {
        pub oracle: String,
        pub epoch: u64,
        pub proofs: Vec<HardwareProof>,
        /// `after` of the next page.
        pub next: Option<String>,
    }
}

// `GET /v1/events`: server-sent events. Each has a name, and one of these as its data.

wire! {
    /// `hello`, the first.
    pub struct HelloEvent {
        /// Nothing was missed since the id that the reader named. Else it has to read everything anew.
        pub resumed: bool,
        pub oracle: String,
    }
}

wire! {
    /// `account`: an account of the program has changed. These are numbered: `Last-Event-ID` goes on after one.
    pub struct AccountEvent {
        pub address: String,
        pub slot: u64,
        /// Its newest bytes, discriminator included, in base64; null once it is closed.
        pub data: Option<String>,
    }
}

wire! {
    /// `job`: what the chain does not show of a job has changed. `GET /v1/jobs/{job}` has it.
    pub struct JobEvent {
        pub job: String,
    }
}

wire! {
    /// `heartbeat` of a device of the provider that was asked for.
    pub struct HeartbeatEvent {
        pub provider: String,
        pub heartbeat: Heartbeat,
    }
}

wire! {
    /// `clock`, every second.
    pub struct ClockEvent {
        /// The chain's, Unix seconds.
        pub time: i64,
        pub slot: u64,
        /// How far the index may be behind.
        pub index_age_ms: u64,
    }
}

wire! {
    /// State of a device.
    pub struct Heartbeat {
        pub device: String,
        /// Grows by one each time; a replay is refused.
        pub sequence: u64,
        pub at_ms: u64,
        pub engines: BTreeMap<String, EngineOffer>,
        /// 0 to 1.
        pub load: f64,
        pub memory_used_mib: u32,
        /// Degrees Celsius, where the hardware tells.
        pub temperature_c: Option<f32>,
        /// Watts, where the hardware tells.
        pub power_w: Option<f32>,
        /// Takes no new jobs.
        pub draining: bool,
        pub job: Option<String>,
        /// Round trip to this oracle over the link, milliseconds.
        pub rtt_ms: Option<u32>,
        pub version: String,
    }
}
