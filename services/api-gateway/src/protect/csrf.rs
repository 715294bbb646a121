//! Proof that a request with side effects comes from our own pages: a header that no form can
//! send, the origin, and what the browser says of the site that asked.

use http::HeaderMap;
use yard_fault::{Code, Fault};

use super::Origins;
use crate::session::Credential;
use crate::transcode::Route;

/// Any text in it will do; other sites cannot send it at all.
const CSRF_HEADER: &str = "x-yard-csrf";

/// Refuses calls that a browser may have been tricked into: those that change something and are
/// authenticated by the cookie, and those that would put a session into the browser.
pub(crate) fn check(
    route: &Route,
    credential: &Credential,
    headers: &HeaderMap,
    origins: &Origins,
) -> Result<(), Fault> {
    let by_cookie = matches!(credential, Credential::Cookie(_));
    if by_cookie && !route.is_unsafe() {
        return read(headers, origins);
    }
    if !route.is_unsafe() || !(by_cookie || route.rpc.opens_session) {
        return Ok(());
    }
    if headers.get(CSRF_HEADER).is_none_or(|value| value.is_empty()) {
        return refuse("the header X-Yard-Csrf is missing");
    }
    if !origins.admits(headers) {
        return refuse("the origin is not allowed");
    }
    if is_cross_site(headers) {
        return refuse("the request came from another site");
    }
    Ok(())
}

/// What another site's page has fetched in a person's name, its script could measure even where it
/// may not read it. Following a link there is no fetch.
fn read(headers: &HeaderMap, origins: &Origins) -> Result<(), Fault> {
    let link = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if is_cross_site(headers) && !link && origins.listed(headers).is_none() {
        return refuse("the request came from another site");
    }
    Ok(())
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

fn refuse(what: &str) -> Result<(), Fault> {
    Err(Fault::new(Code::AuthCsrfFailed).with_public(what.to_owned()))
}
