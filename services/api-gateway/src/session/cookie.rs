//! `yard-set-session: <token>;<seconds>` of any answer becomes a `Set-Cookie`; `yard-session-changed`
//! has the session looked at anew.

use http::HeaderValue;
use tonic::metadata::MetadataMap;
use yard_fault::Fault;

use super::COOKIE;
use super::credential::is_session_token;

/// Response metadata by which auth hands out or ends a browser's session.
const SET_SESSION: &str = "yard-set-session";

/// Response metadata by which auth says that a session is not what it was.
const SESSION_CHANGED: &str = "yard-session-changed";

/// Whether what is remembered of the session that asked is out of date.
pub(crate) fn changed(metadata: &MetadataMap) -> bool {
    metadata.contains_key(SET_SESSION) || metadata.contains_key(SESSION_CHANGED)
}

/// The cookie that an answer asks for, if any. No seconds left means that it ends.
pub(crate) fn of_metadata(metadata: &MetadataMap) -> Result<Option<HeaderValue>, Fault> {
    let Some(value) = metadata.get(SET_SESSION) else {
        return Ok(None);
    };
    let broken = || Fault::internal("a service asked for a session cookie that cannot be read");
    let text = value.to_str().map_err(|_e| broken())?;
    let (token, seconds) = text.rsplit_once(';').ok_or_else(broken)?;
    let seconds: u32 = seconds.trim().parse().map_err(|_e| broken())?;
    if seconds == 0 {
        return Ok(Some(cleared()));
    }
    if !is_session_token(token) {
        return Err(broken());
    }
    let cookie =
        format!("{COOKIE}={token}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    let mut cookie = HeaderValue::try_from(cookie).map_err(|_e| broken())?;
    cookie.set_sensitive(true);
    Ok(Some(cookie))
}

/// Ends the session in the browser.
pub(crate) fn cleared() -> HeaderValue {
    HeaderValue::from_static(
        "__Host-yard_session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
    )
}
