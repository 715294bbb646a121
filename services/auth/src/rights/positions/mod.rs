//! Positions in departments, their roles, and who holds them when.

mod assignments;
mod grpc;
pub(super) mod store;
