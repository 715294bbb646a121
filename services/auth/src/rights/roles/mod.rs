//! Roles of a tenant's own, beside the built-in ones.

mod grpc;
mod store;
