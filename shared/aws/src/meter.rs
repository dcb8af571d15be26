//! Requests and consumed units of an operation, so that every figure of the design can be checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// What an operation used so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// DynamoDB requests.
    pub table_requests: u64,
    /// Read units consumed.
    pub read_units: f64,
    /// Write units consumed, indexes included.
    pub write_units: f64,
    /// KMS requests.
    pub kms_requests: u64,
    /// SQS requests.
    pub queue_requests: u64,
}

/// Counts for one operation. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    table_requests: AtomicU64,
    // DynamoDB bills in halves of a unit.
    half_read_units: AtomicU64,
    half_write_units: AtomicU64,
    kms_requests: AtomicU64,
    queue_requests: AtomicU64,
}

impl Meter {
    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let units = |counter: &AtomicU64| {
            u32::try_from(read(counter)).map_or(f64::from(u32::MAX), f64::from) / 2.0
        };
        Usage {
            table_requests: read(&self.0.table_requests),
            read_units: units(&self.0.half_read_units),
            write_units: units(&self.0.half_write_units),
            kms_requests: read(&self.0.kms_requests),
            queue_requests: read(&self.0.queue_requests),
        }
    }

    pub(crate) fn table_read(&self, consumed: &[ConsumedCapacity]) {
        self.0.table_requests.fetch_add(1, Ordering::Relaxed);
        self.0
            .half_read_units
            .fetch_add(halves(consumed), Ordering::Relaxed);
    }

    pub(crate) fn table_write(&self, consumed: &[ConsumedCapacity]) {
        self.0.table_requests.fetch_add(1, Ordering::Relaxed);
        self.0
            .half_write_units
            .fetch_add(halves(consumed), Ordering::Relaxed);
    }

    pub(crate) fn kms(&self) {
        self.0.kms_requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn queue(&self) {
        self.0.queue_requests.fetch_add(1, Ordering::Relaxed);
    }
}

fn halves(consumed: &[ConsumedCapacity]) -> u64 {
    consumed
        .iter()
        .filter_map(|capacity| capacity.capacity_units)
        // Exact: halves of a unit are small whole numbers.
        .map(|units| format!("{:.0}", units * 2.0).parse::<u64>().unwrap_or_default())
        .sum()
}
