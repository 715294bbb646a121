//! Which errors an operation can answer with.

use http::Method;
use serde_json::{Map, Value, json};
use yard_contracts::access::v1::{Rate, Scope};
use yard_fault::PROBLEM_JSON;

use crate::Config;
use crate::transcode::{self, BodyRule, Route};

/// Status, name of the component, what it means.
const PROBLEMS: [(u16, &str, &str); 15] = [
    (400, "Malformed", "The request could not be read."),
    (401, "Unauthenticated", "Not signed in, or no longer."),
    (
        403,
        "Forbidden",
        "Signed in, without the right; or the request came from another site; or access from there \
         is blocked.",
    ),
    (404, "NotFound", "Not there, or not the caller's to know of."),
    (409, "Conflict", "Contradicts what is stored."),
    (412, "Stale", "Was made against an older state."),
    (413, "TooLarge", "The body is larger than `x-yard-limits.body_bytes`."),
    (414, "UriTooLong", "Path and query are longer than the limit."),
    (415, "UnsupportedMediaType", "The content type, or a content encoding, is not taken here."),
    (422, "Invalid", "Read, but wrong; `pointer` names the value."),
    (
        429,
        "RateLimited",
        "Too many requests: of the address, the session, the tenant, or at the same time; see \
         `Retry-After`.",
    ),
    (431, "HeadersTooLarge", "The headers are more or larger than the limit."),
    (500, "Internal", "Our fault; `instance` finds it in our log."),
    (
        503,
        "Unavailable",
        "A part that is needed does not answer, there is more to do than can be carried, or the \
         platform is being maintained; see `Retry-After`.",
    ),
    (504, "Timeout", "Took too long; whether it was done is not known."),
];

/// `components.responses`.
pub(super) fn components() -> Map<String, Value> {
    PROBLEMS
        .iter()
        .map(|(status, name, text)| ((*name).to_owned(), problem(*status, text)))
        .collect()
}

/// `components.headers`.
pub(super) fn headers() -> Value {
    let text = |text: &str| json!({ "description": text, "schema": { "type": "string" } });
    json!({
        "RateLimit": text(
            "How the limits stand (draft-ietf-httpapi-ratelimit-headers-10): of each, `r` calls are \
             left and in `t` seconds all are back.",
        ),
        "RateLimit-Policy": text(
            "The limits that the call was counted in: of each, `q` calls are granted at once and \
             come back within `w` seconds.",
        ),
        "Retry-After": {
            "description": "Seconds to wait.",
            "schema": { "type": "integer", "minimum": 1 },
        },
    })
}

fn problem(status: u16, text: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let mut response = json!({
        "description": text,
        "content": { PROBLEM_JSON: { "schema": schema } },
    });
    if matches!(status, 429 | 503) {
        response["headers"] =
            json!({ "Retry-After": { "$ref": "#/components/headers/Retry-After" } });
    }
    response
}

/// The errors of one route, by status.
pub(super) fn errors_of(route: &Route, config: &Config) -> impl Iterator<Item = (String, Value)> {
    let largest = largest_body(route, config) / 1_024;
    PROBLEMS.iter().filter(move |(status, ..)| can_occur(*status, route)).map(
        move |(status, name, _)| {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            let answer = match status {
                413 => problem(413, &format!("The body is larger than {largest} KiB.")),
                _ => reference,
            };
            (status.to_string(), answer)
        },
    )
}

/// The largest body that an operation takes, bytes. A public one has no callers in a session.
pub(super) fn largest_body(route: &Route, config: &Config) -> usize {
    let policy = &route.rpc.policy;
    let known = policy.scope() != Scope::Public;
    transcode::largest_body(&config.limits, &config.caps, policy.rate(), known)
}

fn can_occur(status: u16, route: &Route) -> bool {
    let public = route.rpc.policy.scope() == Scope::Public;
    let credential = route.rpc.policy.rate() == Rate::Login;
    match status {
        401 => !public || credential,
        404 => route.is_unsafe() || names_a_thing(route),
        409 => route.is_unsafe(),
        412 => route.method == Method::PATCH || route.method == Method::PUT,
        413 => route.body != BodyRule::None,
        _ => true,
    }
}

/// Whether a read is told, in its path or by an id in its query, of what it asks for.
fn names_a_thing(route: &Route) -> bool {
    let asked = route.rpc.descriptor.input();
    route.template.fields().next().is_some()
        || asked.fields().any(|field| field.name().ends_with("_id"))
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
