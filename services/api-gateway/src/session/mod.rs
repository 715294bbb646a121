//! Sessions of people.

/// Name of the session cookie; the prefix makes browsers insist on `Secure`, `Path=/` and no domain.
pub const COOKIE: &str = "__Host-yard_session";
