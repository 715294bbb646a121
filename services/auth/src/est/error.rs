use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use yard_fault::{Class, Code, Fault};

/// When a client that found something missing here may come again, unless more is known.
const LATER: Duration = Duration::from_secs(30);

/// A refusal as EST clients read it: a status, perhaps Retry-After, and a line of text.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
    retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, text: &str) -> Self {
        Self { status, text: text.to_owned(), retry_after: None }
    }

    /// No credentials, or not the right ones.
    pub(super) fn unauthorized(text: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, text)
    }

    /// Too many from one address.
    pub(super) fn slow_down(wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited.title())
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        fault.log("", "answer an EST request");
        let status = StatusCode::from_u16(fault.class().http_status());
        let status = match fault.code() {
            // RFC 7030, section 4.2.3: a request that cannot be used is a bad one.
            Code::EnrollmentCsrInvalid => StatusCode::BAD_REQUEST,
            _ => status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let retry_after = fault.class().is_retryable().then_some(LATER);
        let text = match fault.class() {
            Class::Internal => fault.code().title().to_owned(),
            _ => fault.public().to_owned(),
        };
        Self { status, text: format!("{}: {text}", fault.code().as_str()), retry_after }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        let mut answer = (self.status, plain, self.text + "\n").into_response();
        let headers = answer.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let realm = HeaderValue::from_static("Basic realm=\"Switchyard enrolment\"");
            headers.insert(header::WWW_AUTHENTICATE, realm);
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        answer
    }
}
