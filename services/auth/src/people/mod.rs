//! People of a tenant.

pub(crate) mod grpc;
mod store;
