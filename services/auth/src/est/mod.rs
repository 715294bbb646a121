//! EST (RFC 7030): enrolment and renewal for devices that speak the standard, on a TLS listener
//! of auth's own.
//!
//! TLS proves that a client holds the key of the certificate it shows, whatever that certificate
//! is; what it is worth is decided for each request, by what is stored. So an expired certificate
//! can ask for its renewal into quarantine, and a stranger's opens nothing.

mod body;
mod caller;
mod error;
mod http;
mod pkcs7;
mod serve;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use http::{Est, EstParts};
pub(crate) use serve::serve;
