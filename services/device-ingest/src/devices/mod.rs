//! The registry of devices as people see it.

mod create;
mod grpc;
mod import;
mod rules;
mod store;

pub(crate) use create::Registrar;
pub(crate) use grpc::Devices;
pub(crate) use rules::checked_name;
