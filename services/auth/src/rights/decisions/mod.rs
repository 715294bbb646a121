//! Why somebody may do something or not, and who answers for what happens.

mod explain;
mod grpc;
mod route;
mod store;
