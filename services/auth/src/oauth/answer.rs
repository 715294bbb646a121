//! Errors as OAuth has them, and how ours become such.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use yard_fault::{Class, Fault};
use yard_pg::PgError;

/// An error that a client is told (RFC 6749 sections 4.1.2.1 and 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OauthError {
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl OauthError {
    pub(super) fn new(error: &'static str, description: impl Into<String>) -> Self {
        Self { error, description: description.into() }
    }

    /// A code or refresh token that is not taken. Why is nobody's business but ours.
    pub(super) fn invalid_grant() -> Self {
        Self::new("invalid_grant", "the code or token is unknown, used, expired or not yours")
    }
}

/// Why an endpoint does not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client's doing.
    Client(OauthError),
    /// Ours.
    Own(Fault),
}

impl From<OauthError> for Failure {
    fn from(error: OauthError) -> Self {
        Self::Client(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Own(fault)
    }
}

impl From<PgError> for Failure {
    fn from(error: PgError) -> Self {
        Self::Own(error.into())
    }
}

impl Failure {
    /// As the token endpoint answers it.
    pub(super) fn respond(self, incident: &str, doing: &'static str) -> Response {
        let (status, error) = match self {
            Self::Client(error) if error.error == "invalid_client" => {
                (StatusCode::UNAUTHORIZED, error)
            }
            Self::Client(error) => (StatusCode::BAD_REQUEST, error),
            Self::Own(fault) => {
                fault.log(incident, doing);
                own(&fault)
            }
        };
        let mut response =
            json_answer(&json!({"error": error.error, "error_description": error.description}));
        *response.status_mut() = status;
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"switchyard\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

fn own(fault: &Fault) -> (StatusCode, OauthError) {
    match fault.class() {
        Class::NotFound => {
            (StatusCode::NOT_FOUND, OauthError::new("invalid_request", "there is no issuer here"))
        }
        Class::Unavailable | Class::Draining => (
            StatusCode::SERVICE_UNAVAILABLE,
            OauthError::new("temporarily_unavailable", "try again in a moment"),
        ),
        _ => (
            StatusCode::INTERNAL_SERVER_ERROR,
            OauthError::new("server_error", "something went wrong on our side"),
        ),
    }
}

/// JSON that no cache keeps.
pub(super) fn json_answer(value: &serde_json::Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::PRAGMA, "no-cache"),
    ];
    (headers, value.to_string()).into_response()
}
