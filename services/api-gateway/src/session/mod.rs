//! Sessions of people: the opaque token that a client holds, exchanged for the access token that
//! services understand. The access token never leaves the platform.

pub(crate) mod cookie;
mod credential;
mod exchange;

pub(crate) use credential::Credential;
pub(crate) use exchange::{Session, Sessions};

/// Name of the session cookie; the prefix makes browsers insist on `Secure`, `Path=/` and no domain.
pub const COOKIE: &str = "__Host-yard_session";
