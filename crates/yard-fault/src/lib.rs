//! The closed list of error codes and what each of them is on every transport.
//!
//! A [`Fault`] has two texts: `public`, safe to show to any caller, and `detail`, for our log only.
//! Nothing converts a library error into a `Fault` by itself: whoever catches it chooses the code.

mod class;
mod codes;
mod fault;
mod grpc;
mod problem;

pub use class::{AckDecision, Class};
pub use codes::Code;
pub use fault::{Classify, Fault};
pub use grpc::{
    CODE_METADATA, INCIDENT_METADATA, MAX_AUTH_AGE_METADATA, POINTER_METADATA, RETRY_AFTER_METADATA,
};
pub use problem::{PROBLEM_JSON, Problem};

/// What most fallible functions of the services return.
pub type Result<T, E = Fault> = std::result::Result<T, E>;
