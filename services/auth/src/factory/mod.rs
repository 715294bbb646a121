//! Devices that come from a manufacturer with a certificate of its own: it opens enrolment, once,
//! for a serial number that the tenant expects, and nothing else. The broker never hears of it.

mod birth;
mod enroll;
pub(crate) mod grpc;
mod proof;
mod store;
#[cfg(test)]
mod tests;

pub(crate) use enroll::FactoryEnrolment;
