use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

/// Why a call is not done, as it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// For programs.
    pub(super) code: &'static str,
    /// For people.
    pub(super) error: Cow<'static, str>,
    pub(super) retry_after: Option<Duration>,
}

impl Problem {
    const fn new(status: StatusCode, code: &'static str, error: &'static str) -> Self {
        Self { status, code, error: Cow::Borrowed(error), retry_after: None }
    }

    pub(super) fn malformed(error: impl Into<Cow<'static, str>>) -> Self {
        let (status, code) = (StatusCode::BAD_REQUEST, "malformed");
        Self { status, code, error: error.into(), retry_after: None }
    }

    /// Not signed as it has to be.
    pub(super) const fn unsigned(error: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "signature", error)
    }

    pub(super) const fn disabled() -> Self {
        Self::new(StatusCode::FORBIDDEN, "disabled", "the app is switched off")
    }

    pub(super) const fn forbidden(error: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", error)
    }

    pub(super) const fn not_found(error: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", error)
    }

    pub(super) const fn method() -> Self {
        let error = "this address takes another method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", error)
    }

    pub(super) const fn too_slow() -> Self {
        let error = "the body took too long to come";
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", error)
    }

    pub(super) fn too_large(error: String) -> Self {
        let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, "too_large");
        Self { status, code, error: error.into(), retry_after: None }
    }

    pub(super) const fn too_many(error: &'static str, wait: Duration) -> Self {
        let (status, code) = (StatusCode::TOO_MANY_REQUESTS, "rate_limited");
        Self { status, code, error: Cow::Borrowed(error), retry_after: Some(wait) }
    }

    /// Something that the call needs is away, or all hands are full.
    pub(super) const fn unavailable(error: &'static str) -> Self {
        let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, "unavailable");
        let retry_after = Some(Duration::from_secs(1));
        Self { status, code, error: Cow::Borrowed(error), retry_after }
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = json_response(&json!({"error": self.error, "code": self.code}));
        *response.status_mut() = self.status;
        if let Some(wait) = self.retry_after {
            // Whole seconds, and not before it is of use.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

pub(super) fn json_response(value: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(value.to_string()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_is_told_in_whole_seconds_that_suffice() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2")] {
            let response = Problem::too_many("x", Duration::from_millis(millis)).response();
            assert_eq!(response.headers()[header::RETRY_AFTER], seconds, "{millis}");
            assert_eq!(response.status(), 429);
        }
        assert!(!Problem::malformed("x").response().headers().contains_key(header::RETRY_AFTER));
    }
}
