//! Renewal: a device that holds the key of one certificate gets the next.
//!
//! The earlier certificate holds for a week more and is then revoked. One that has expired renews
//! for thirty days into quarantine, and is given out only once device-ingest accepts nothing of
//! its device any more.

pub(crate) mod grpc;
mod proof;
mod renew;
mod standing;
mod store;

pub(crate) use renew::{Renewals, Renewed};
pub(crate) use standing::{Standing, end_by_claim};
