use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use yard_ids::DeviceId;

use super::row::Row;

/// Devices remembered at once; 48 bytes each.
const MOST_DEVICES: usize = 50_000;

/// Keeps live events of one device to so many a second, over all writers.
#[derive(Debug)]
pub(super) struct Conflation {
    per_second: f64,
    buckets: Mutex<HashMap<DeviceId, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Conflation {
    pub(super) fn new(per_second: u32) -> Self {
        Self { per_second: f64::from(per_second), buckets: Mutex::default() }
    }

    /// The rows of a batch, sorted by device and time, that are worth telling. The latest of each
    /// device always is, so that a viewer is never left with an old value; it may put the bucket
    /// into debt, which the next batches pay back.
    pub(super) fn select<'r>(&self, rows: &'r [Row], now: Instant) -> Vec<&'r Row> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > MOST_DEVICES {
            self.forget_idle(&mut buckets, now);
        }
        let mut told = Vec::new();
        for of_device in rows.chunk_by(|a, b| (a.tenant, a.device) == (b.tenant, b.device)) {
            let Some((latest, earlier)) = of_device.split_last() else {
                continue;
            };
            let full = Bucket { tokens: self.per_second, at: now };
            let bucket = buckets.entry(latest.device).or_insert(full);
            self.fill(bucket, now);
            // One token is kept for the latest.
            for row in earlier {
                if bucket.tokens >= 2.0 {
                    bucket.tokens -= 1.0;
                    told.push(row);
                }
            }
            bucket.tokens = (bucket.tokens - 1.0).max(-self.per_second);
            told.push(latest);
        }
        told
    }

    fn fill(&self, bucket: &mut Bucket, now: Instant) {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.per_second).min(self.per_second);
        bucket.at = now;
    }

    /// A bucket that is full again says no more than none. If all are in use, all are forgotten:
    /// a burst of events is cheaper than memory without a bound.
    fn forget_idle(&self, buckets: &mut HashMap<DeviceId, Bucket>, now: Instant) {
        buckets.retain(|_, bucket| {
            self.fill(bucket, now);
            bucket.tokens < self.per_second
        });
        if buckets.len() > MOST_DEVICES {
            buckets.clear();
        }
    }
}

#[cfg(test)]
impl Conflation {
    pub(super) fn remembered(&self) -> usize {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
