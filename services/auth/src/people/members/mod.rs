//! Members of a tenant: listed, given roles, taken out.

pub(super) mod grpc;
mod store;
