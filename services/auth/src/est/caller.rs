//! Who asks: what the connection has proved, and what the request says.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longest credentials of HTTP Basic, in base64: a user name of some length and a claim code.
const LONGEST: usize = 1_024;

/// What is known of a connection, the same for all its requests.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) address: IpAddr,
    /// The certificate whose key the client has proved to hold, DER.
    pub(super) certificate: Option<Vec<u8>>,
}

/// The password of HTTP Basic, which is a claim code; the user name says nothing.
pub(super) fn claim_code(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") || encoded.len() > LONGEST {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    pair.split_once(':').map(|(_user, password)| password.to_owned())
}

/// What a client calls itself.
pub(super) fn agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
