//! Exceptions for a person or a position, which expire.
//!
//! `requested → approved → expired | ended`, or `requested → refused | expired | ended`. A deny is
//! approved as it is asked for.

mod grpc;
mod store;
mod wish;
