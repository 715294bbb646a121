//! Errors as HTTP has them.

mod pages;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use yard_fault::{Class, Code, Fault, INCIDENT_METADATA, PROBLEM_JSON, Problem};

pub(crate) use pages::page;

use crate::session::cookie;

/// A fault on its way out, with what the service behind us said beside it.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// The id under which the service's log has the rest; then it is logged already.
    incident: Option<String>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault, incident: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Fault::new(code).into()
    }
}

impl Refusal {
    /// Refused here, before any service saw it.
    pub(crate) const fn is_own(&self) -> bool {
        self.incident.is_none()
    }

    /// To be repeated after so many seconds.
    pub(crate) fn later(fault: Fault, seconds: u32) -> Self {
        fault.with_retry_after(seconds).into()
    }

    /// What a service answered.
    pub(crate) fn of_status(status: &tonic::Status) -> Self {
        let text = |key| status.metadata().get(key).and_then(|v| v.to_str().ok());
        Self {
            fault: Fault::from_status(status),
            incident: text(INCIDENT_METADATA).map(str::to_owned),
        }
    }
}

/// The body of an error. What no service has logged is logged here.
pub(crate) fn render(refusal: &Refusal, request_id: &str, doing: &'static str) -> Problem {
    if refusal.incident.is_none() {
        refusal.fault.log(request_id, doing);
    }
    Problem::of(&refusal.fault, refusal.incident.as_deref().unwrap_or(request_id))
}

/// An error as a response.
pub(crate) fn respond(refusal: &Refusal, request_id: &str) -> Response {
    let problem = render(refusal, request_id, "answer a request");
    let mut response = Response::new(Body::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    match refusal.fault.class() {
        Class::Unauthenticated => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Class::Forbidden if refusal.fault.max_auth_age().is_some() => {
            let age = refusal.fault.max_auth_age().unwrap_or_default();
            let challenge =
                format!("Bearer error=\"insufficient_user_authentication\", max_age=\"{age}\"");
            if let Ok(challenge) = HeaderValue::try_from(challenge) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        Class::RateLimited | Class::Unavailable | Class::Draining => {
            let seconds = refusal.fault.retry_after().unwrap_or(2).max(1);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        _ => {}
    }
    if refusal.fault.code() == Code::AuthSessionExpired {
        headers.append(header::SET_COOKIE, cookie::cleared());
    }
    response
}
