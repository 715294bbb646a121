//! Cross-origin requests, from listed origins only.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::Origins;

const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, idempotency-key, traceparent, x-yard-csrf",
);
/// What a listed site's script may read beside the few headers that every script may.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("ratelimit, ratelimit-policy, retry-after");

/// The answer to `OPTIONS`.
pub(crate) fn options(allow: HeaderValue, request: &HeaderMap, origins: &Origins) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let preflight = request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if preflight && origins.listed(request).is_some() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, allow.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    headers.insert(header::ALLOW, allow);
    response
}

/// Lets a listed origin read an answer. Caches have to keep answers of different origins apart, also
/// those that no other site may read.
pub(crate) fn apply(request: &HeaderMap, origins: &Origins, response: &mut HeaderMap) {
    if origins.any() {
        response.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = origins.listed(request).and_then(|o| HeaderValue::from_str(o).ok()) else {
        return;
    };
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
}

/// `Allow` for an address: what it takes, and what follows from that.
pub(crate) fn allow(methods: &[Method]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.sort_unstable();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static("OPTIONS"))
}
