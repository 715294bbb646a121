//! Tenants of a person, and their session's way from one to another.

pub(super) mod grpc;
mod store;
