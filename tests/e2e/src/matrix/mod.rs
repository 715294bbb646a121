//! The access matrix: every RPC of the descriptors × own tenant, other tenant, nobody, too little
//! permission, system administrator. A method without a case fails; so does a byte of one tenant
//! in another's answer.

mod cases;
pub mod idempotency;
mod internal;
mod route;
mod run;

pub use cases::arguments;
pub use run::{Report, run};
