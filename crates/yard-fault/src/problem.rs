use serde::{Deserialize, Serialize};

use crate::Fault;

/// Media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of every HTTP error (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Reference to the code's page, `/errors/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title: the same words for every occurrence.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// The stable code, for programs.
    pub code: String,
    /// What was wrong this time.
    pub detail: String,
    /// JSON pointer to the value at fault.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pointer: Option<String>,
    /// How many seconds ago the caller may have proved who they are at most; with
    /// `auth.step_up_required`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_auth_age_seconds: Option<u32>,
    /// The id under which our log has the rest.
    pub instance: String,
}

impl Problem {
    /// Renders a fault; nothing private is in it.
    #[must_use]
    pub fn of(fault: &Fault, incident: &str) -> Self {
        let code = fault.code();
        Self {
            kind: format!("/errors/{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.class().http_status(),
            code: code.as_str().to_owned(),
            detail: fault.public().to_owned(),
            pointer: fault.pointer().map(str::to_owned),
            max_auth_age_seconds: fault.max_auth_age(),
            instance: incident.to_owned(),
        }
    }
}
