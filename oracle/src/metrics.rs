//! What Prometheus reads at `/metrics`.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

pub type Label = [(&'static str, &'static str); 1];

pub struct Metrics {
    registry: Registry,
    pub transactions: Counter,
    pub index_age: Gauge<f64, AtomicU64>,
    pub jobs: Family<Label, Gauge<i64, AtomicI64>>,
    pub links: Gauge,
    pub available: Gauge,
    pub tickets: Counter,
    pub declines: Counter,
    pub verdicts: Family<Label, Counter>,
    pub audits: Family<Label, Counter>,
    pub verify_seconds: Histogram,
    pub match_seconds: Histogram,
    pub keeper: Family<Label, Counter>,
    pub blob_bytes: Gauge,
    pub blobs: Gauge,
    pub requests: Family<[(&'static str, String); 1], Counter>,
    pub limited: Counter,
    pub proofs: Family<Label, Counter>,
    pub proofs_put_off: Counter,
    pub proof_share: Gauge<f64, AtomicU64>,
    pub proof_check_seconds: Histogram,
    pub challenges: Family<Label, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("io_oracle");
        let transactions = Counter::default();
        registry.register(
            "transactions",
            "Transactions of the program that the history has",
            transactions.clone(),
        );
        let index_age = Gauge::<f64, AtomicU64>::default();
        registry.register_with_unit(
            "index_age",
            "Time since the index was known to be whole",
            Unit::Seconds,
            index_age.clone(),
        );
        let jobs = Family::<Label, Gauge<i64, AtomicI64>>::default();
        registry.register("jobs", "Jobs on chain by state", jobs.clone());
        let links = Gauge::default();
        registry.register("links", "Workers connected", links.clone());
        let available = Gauge::default();
        registry.register(
            "devices_available",
            "Devices that would take a job now",
            available.clone(),
        );
        let tickets = Counter::default();
        registry.register("tickets", "Match tickets issued", tickets.clone());
        let declines = Counter::default();
        registry.register(
            "declines",
            "Tickets that a device declined",
            declines.clone(),
        );
        let verdicts = Family::<Label, Counter>::default();
        registry.register("verdicts", "Results verified, by verdict", verdicts.clone());
        let audits = Family::<Label, Counter>::default();
        registry.register(
            "audits",
            "Results of which steps were re-run, and of which the form was looked at",
            audits.clone(),
        );
        let verify_seconds = Histogram::new(exponential_buckets(0.005, 2.0, 18));
        registry.register_with_unit(
            "verify",
            "Time of one verification",
            Unit::Seconds,
            verify_seconds.clone(),
        );
        let match_seconds = Histogram::new(exponential_buckets(0.000_001, 4.0, 12));
        registry.register_with_unit(
            "match",
            "Time of one search for a device",
            Unit::Seconds,
            match_seconds.clone(),
        );
        let keeper = Family::<Label, Counter>::default();
        registry.register(
            "keeper",
            "Transactions landed for all, by kind",
            keeper.clone(),
        );
        let blob_bytes = Gauge::default();
        registry.register_with_unit(
            "blobs",
            "Bytes of blobs held or reserved",
            Unit::Bytes,
            blob_bytes.clone(),
        );
        let blobs = Gauge::default();
        registry.register("blobs", "Whole blobs held", blobs.clone());
        let requests = Family::<[(&'static str, String); 1], Counter>::default();
        registry.register("requests", "HTTP answers by status", requests.clone());
        let limited = Counter::default();
        registry.register(
            "limited",
            "Requests refused by a rate limit",
            limited.clone(),
        );
        let proofs = Family::<Label, Counter>::default();
        registry.register(
            "hardware_proofs",
            "Hardware proofs of devices, by outcome",
            proofs.clone(),
        );
        let proofs_put_off = Counter::default();
        registry.register(
            "hardware_proofs_put_off",
            "Hardware proofs not asked for yet, because the device's budget was spent",
            proofs_put_off.clone(),
        );
        let proof_share = Gauge::<f64, AtomicU64>::default();
        registry.register(
            "hardware_device_time_share",
            "Largest share of a device's time that this oracle's rounds took lately, at most 0.005 over the number of oracles",
            proof_share.clone(),
        );
        let proof_check_seconds = Histogram::new(exponential_buckets(0.000_25, 2.0, 16));
        registry.register_with_unit(
            "hardware_check",
            "Time of checking one device's opened rows and strides",
            Unit::Seconds,
            proof_check_seconds.clone(),
        );
        let challenges = Family::<Label, Counter>::default();
        registry.register(
            "hardware_challenges",
            "Wrong hardware proofs brought before the program: opened, and then proven or lost",
            challenges.clone(),
        );
        Self {
            registry,
            transactions,
            index_age,
            jobs,
            links,
            available,
            tickets,
            declines,
            verdicts,
            audits,
            verify_seconds,
            match_seconds,
            keeper,
            blob_bytes,
            blobs,
            requests,
            limited,
            proofs,
            proofs_put_off,
            proof_share,
            proof_check_seconds,
            challenges,
        }
    }
}

impl Metrics {
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
