//! Numbers that the host shows, for all instances together.
//!
//! A metric that the host does not take is none: what is told to it is dropped.

use crate::abi::metric;
use crate::host;

/// What only grows.
#[derive(Clone, Copy)]
pub struct Counter(Option<u32>);

/// What goes up and down.
#[derive(Clone, Copy)]
pub struct Gauge(Option<u32>);

/// What is measured again and again.
#[derive(Clone, Copy)]
pub struct Histogram(Option<u32>);

/// Returns the counter of a name. Keep it where it is used often.
pub fn counter(name: &str) -> Counter {
    Counter(host::define_metric(metric::COUNTER, name).ok())
}

/// Returns the gauge of a name.
pub fn gauge(name: &str) -> Gauge {
    Gauge(host::define_metric(metric::GAUGE, name).ok())
}

/// Returns the histogram of a name.
pub fn histogram(name: &str) -> Histogram {
    Histogram(host::define_metric(metric::HISTOGRAM, name).ok())
}

impl Counter {
    /// Adds to it.
    pub fn add(self, n: u32) {
        self.0.map(|id| host::increment(id, i64::from(n)));
    }

    /// What it is at.
    pub fn get(self) -> u64 {
        self.0.and_then(|id| host::metric(id).ok()).unwrap_or(0)
    }
}

impl Gauge {
    /// Sets it.
    pub fn set(self, n: u64) {
        self.0.map(|id| host::record(id, n));
    }

    /// Adds to it, or takes from it.
    pub fn add(self, n: i64) {
        self.0.map(|id| host::increment(id, n));
    }

    /// What it is at.
    pub fn get(self) -> u64 {
        self.0.and_then(|id| host::metric(id).ok()).unwrap_or(0)
    }
}

impl Histogram {
    /// Adds a measurement.
    pub fn record(self, n: u64) {
        self.0.map(|id| host::record(id, n));
    }
}
