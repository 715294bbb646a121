//! Which errors an operation can answer with.

use http::Method;
use serde_json::{Map, Value, json};
use yard_contracts::access::v1::{Rate, Scope};
use yard_fault::PROBLEM_JSON;

use crate::transcode::{BodyRule, Route};

/// Status, name of the component, what it means.
const PROBLEMS: [(u16, &str, &str); 13] = [
    (400, "Malformed", "The request could not be read."),
    (401, "Unauthenticated", "Not signed in, or no longer."),
    (403, "Forbidden", "Signed in, without the right; or the request came from another site."),
    (404, "NotFound", "Not there, or not the caller's to know of."),
    (409, "Conflict", "Contradicts what is stored."),
    (412, "Stale", "Was made against an older state."),
    (413, "TooLarge", "The body is larger than 1 MiB."),
    (415, "UnsupportedMediaType", "The content type is not taken here."),
    (422, "Invalid", "Read, but wrong; `pointer` names the value."),
    (429, "RateLimited", "Too many requests; see `Retry-After`."),
    (500, "Internal", "Our fault; `instance` finds it in our log."),
    (503, "Unavailable", "A part that is needed does not answer; see `Retry-After`."),
    (504, "Timeout", "Took too long; whether it was done is not known."),
];

/// `components.responses`.
pub(super) fn components() -> Map<String, Value> {
    PROBLEMS
        .iter()
        .map(|(status, name, text)| ((*name).to_owned(), problem(*status, text)))
        .collect()
}

fn problem(status: u16, text: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let mut response = json!({
        "description": text,
        "content": { PROBLEM_JSON: { "schema": schema } },
    });
    if matches!(status, 429 | 503) {
        response["headers"] = json!({ "Retry-After": {
            "description": "Seconds to wait.",
            "schema": { "type": "integer", "minimum": 1 },
        }});
    }
    response
}

/// The errors of one route, by status.
pub(super) fn errors_of(route: &Route) -> impl Iterator<Item = (String, Value)> {
    PROBLEMS.iter().filter(move |(status, ..)| can_occur(*status, route)).map(
        |(status, name, _)| {
            (status.to_string(), json!({ "$ref": format!("#/components/responses/{name}") }))
        },
    )
}

fn can_occur(status: u16, route: &Route) -> bool {
    let public = route.rpc.policy.scope() == Scope::Public;
    let credential = route.rpc.policy.rate() == Rate::Login;
    match status {
        401 => !public || credential,
        403 => !public || route.rpc.opens_session,
        404 => route.is_unsafe() || route.template.fields().next().is_some(),
        409 => route.is_unsafe(),
        412 => route.method == Method::PATCH || route.method == Method::PUT,
        413 | 415 => route.body != BodyRule::None,
        _ => true,
    }
}

/// The schema of every error body.
pub(super) fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["code", "detail", "instance", "status", "title", "type"],
        "properties": {
            "type": { "type": "string", "description": "Reference to the page of the code." },
            "title": { "type": "string", "description": "The same words for every occurrence." },
            "status": { "type": "integer", "format": "int32", "description": "The HTTP status." },
            "code": {
                "type": "string",
                "description": "Stable; what programs compare with.",
                "examples": ["request.invalid"],
            },
            "detail": { "type": "string", "description": "What was wrong this time." },
            "pointer": {
                "type": "string",
                "description": "JSON pointer (RFC 6901) to the value at fault, where there is one.",
            },
            "instance": { "type": "string", "description": "The id under which our log has the rest." },
        },
    })
}
