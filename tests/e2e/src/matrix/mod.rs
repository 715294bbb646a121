//! The access matrix: every RPC of the descriptors × own tenant, other tenant, nobody, too little
//! permission, system administrator. A method without a case fails; so does a byte of one tenant
//! in another's answer. The same for every form of channel, and for every message on the bus while
//! all this goes on.

mod cases;
mod channels;
pub mod idempotency;
mod internal;
mod route;
mod run;
mod subjects;

pub use cases::arguments;
pub use run::{Report, run};
