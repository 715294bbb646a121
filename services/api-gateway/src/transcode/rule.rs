//! What the descriptors say of an RPC: `google.api.http`, policy and owner.

use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    MethodDescriptor, Value,
};
use yard_contracts::access::v1::{Policy, Scope};

use super::template::Template;

/// A contract that cannot be served over HTTP; found at start and by the tests, never later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path template cannot be used.
    #[error("path template {template} {problem}")]
    Template {
        /// As written.
        template: String,
        /// Why.
        problem: &'static str,
    },
    /// The RPC's options cannot be used.
    #[error("{rpc} {problem}")]
    Rpc {
        /// Full name.
        rpc: String,
        /// Why.
        problem: String,
    },
}

/// An RPC that has a route.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// For comments and names.
    pub descriptor: MethodDescriptor,
    /// `/package.Service/Method`.
    pub path: PathAndQuery,
    /// The service that answers.
    pub owner: String,
    /// Who may call.
    pub policy: Policy,
    /// A browser that makes this call may leave with a session cookie.
    pub opens_session: bool,
}

/// Where the request body goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyRule {
    /// There is none.
    None,
    /// It is the whole message.
    Whole,
    /// It is one field.
    Field(FieldDescriptor),
}

/// One HTTP route of an RPC.
#[derive(Debug, Clone)]
pub struct Route {
    /// What it calls.
    pub rpc: Arc<Rpc>,
    /// HTTP method.
    pub method: Method,
    /// Path.
    pub template: Template,
    /// Body.
    pub body: BodyRule,
}

impl Route {
    /// A form can be sent instead of JSON: every field of the body is one string.
    #[must_use]
    pub fn takes_form(&self) -> bool {
        let flat = |f: &FieldDescriptor| {
            f.kind() == Kind::String && f.cardinality() != Cardinality::Repeated
        };
        let input = self.rpc.descriptor.input();
        self.body == BodyRule::Whole
            && input.fields().len() > 0
            && input.fields().all(|field| flat(&field))
    }

    /// Whether the call may change something.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        self.method != Method::GET
    }
}

/// The field at a dotted path.
#[must_use]
pub fn field_at(message: &MessageDescriptor, path: &str) -> Option<FieldDescriptor> {
    let mut parts = path.split('.');
    let mut field = message.get_field_by_name(parts.next()?)?;
    for part in parts {
        let Kind::Message(inner) = field.kind() else {
            return None;
        };
        let plain = field.cardinality() != Cardinality::Repeated;
        field = plain.then(|| inner.get_field_by_name(part)).flatten()?;
    }
    Some(field)
}

/// The routes of an RPC; none for internal ones.
pub(super) fn routes_of(method: &MethodDescriptor) -> Result<Vec<Route>, RouteError> {
    let rpc = Arc::new(rpc(method)?);
    if rpc.policy.scope() == Scope::Internal {
        return Ok(Vec::new());
    }
    let rule = option(&method.options(), method.parent_pool(), "google.api.http")
        .and_then(|value| value.as_message().cloned())
        .ok_or_else(|| refuse(method, "has no route"))?;
    if method.is_client_streaming() {
        return Err(refuse(method, "streams from the client, which HTTP/1.1 cannot"));
    }
    let more = rule.get_field_by_name("additional_bindings");
    let more: Vec<_> = more.iter().filter_map(|list| list.as_list()).flatten().collect();
    let rules = std::iter::once(&rule).chain(more.into_iter().filter_map(|rule| rule.as_message()));
    rules.map(|rule| route(&rpc, rule)).collect()
}

fn rpc(method: &MethodDescriptor) -> Result<Rpc, RouteError> {
    let (service, pool) = (method.parent_service().clone(), method.parent_pool());
    let policy = option(&method.options(), pool, "yard.access.v1.policy")
        .and_then(|value| value.as_message()?.transcode_to::<Policy>().ok())
        .ok_or_else(|| refuse(method, "has no policy"))?;
    let owner = option(&service.options(), pool, "yard.access.v1.owner")
        .and_then(|value| value.as_str().map(str::to_owned))
        .ok_or_else(|| refuse(method, "has no owner"))?;
    let path = PathAndQuery::try_from(format!("/{}/{}", service.full_name(), method.name()))
        .map_err(|e| refuse(method, &e.to_string()))?;
    let opens_session = method.input().fields().any(|field| {
        matches!(field.kind(), Kind::Enum(e) if e.full_name() == "yard.identity.v1.SessionDelivery")
    });
    Ok(Rpc { descriptor: method.clone(), path, owner, policy, opens_session })
}

fn option(options: &DynamicMessage, pool: &DescriptorPool, name: &str) -> Option<Value> {
    let extension = pool.get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

fn refuse(method: &MethodDescriptor, problem: &str) -> RouteError {
    RouteError::Rpc { rpc: method.full_name().to_owned(), problem: problem.to_owned() }
}

fn route(rpc: &Arc<Rpc>, rule: &DynamicMessage) -> Result<Route, RouteError> {
    let method = &rpc.descriptor;
    let text = |name: &str| {
        rule.get_field_by_name(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    if !text("response_body").is_empty()
        || !matches!(method.output().full_name(), name if !name.starts_with("google."))
    {
        return Err(refuse(method, "answers with less than one message of ours"));
    }
    let verbs = ["get", "put", "post", "delete", "patch"];
    let verb = verbs.into_iter().find(|verb| rule.has_field_by_name(verb));
    let verb = verb.ok_or_else(|| refuse(method, "has a route without one of our methods"))?;
    let template = Template::parse(&text(verb))?;
    for path in template.fields() {
        let field = field_at(&method.input(), path);
        if !field.is_some_and(|f| is_scalar(&f)) {
            return Err(refuse(
                method,
                &format!("binds {path}, which is no scalar of its request"),
            ));
        }
    }
    let body = body_rule(method, &text("body"))?;
    if verb == "get" && body != BodyRule::None {
        return Err(refuse(method, "reads a body with GET"));
    }
    let verb = Method::from_bytes(verb.to_uppercase().as_bytes())
        .map_err(|e| refuse(method, &e.to_string()))?;
    Ok(Route { rpc: Arc::clone(rpc), method: verb, template, body })
}

fn is_scalar(field: &FieldDescriptor) -> bool {
    field.cardinality() != Cardinality::Repeated && !matches!(field.kind(), Kind::Message(_))
}

fn body_rule(method: &MethodDescriptor, text: &str) -> Result<BodyRule, RouteError> {
    match text {
        "" => Ok(BodyRule::None),
        "*" => Ok(BodyRule::Whole),
        name => {
            let field = method.input().get_field_by_name(name);
            let field = field.filter(|f| {
                f.cardinality() != Cardinality::Repeated && matches!(f.kind(), Kind::Message(_))
            });
            field.map(BodyRule::Field).ok_or_else(|| {
                refuse(method, &format!("has the body {name}, which is no message of its request"))
            })
        }
    }
}
