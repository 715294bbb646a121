//! A tenant's departments: a tree that never becomes a loop.

mod grpc;
mod store;
