//! Background jobs. PostgreSQL is their record: a job is claimed under a lease with a token, and
//! whatever a worker says later without that token is not heard.

mod grpc;
pub(crate) mod ingest;
mod kinds;
mod queues;
pub(crate) mod rescue;
pub(crate) mod runner;
mod store;

use std::time::Duration;

pub(crate) use grpc::JobApi;

/// The queue of this service; `ingest` is device-ingest's.
const QUEUE: &str = "default";
/// Attempts after which a job is given up. They count at the claim, so that a job that kills its
/// worker ends too.
const MOST_ATTEMPTS: i32 = 5;

/// Pause after a failed attempt: 2, 8, 32, 128 seconds.
fn backoff(attempt: i32) -> Duration {
    let exponent = u32::try_from(attempt.clamp(1, 5) - 1).unwrap_or(0);
    Duration::from_secs(2 * 4_u64.pow(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_fourfold() {
        let seconds: Vec<u64> = (1..=4).map(|n| backoff(n).as_secs()).collect();
        assert_eq!(seconds, [2, 8, 32, 128]);
    }
}
