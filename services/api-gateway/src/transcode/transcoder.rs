//! One REST call from its admission to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use prost_reflect::DynamicMessage;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{MetadataMap, MetadataValue};
use yard_authn::Caller;
use yard_authn::audit::{self, Auditor, Origin};
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::{Class, Code, Fault};
use yard_runtime::trace;

use super::rule::{BodyRule, Route};
use super::upstreams::Upstreams;
use super::{body, encode, request, sse};
use crate::observe::Context;
use crate::problem::Refusal;
use crate::protect::{Limits, Origins, csrf};
use crate::session::{self, Credential, Session, Sessions};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// How often a stream asks whether its session still stands, if the revocation feed says nothing.
/// With it a stream ends within two seconds of its session; without, after five.
const RECHECK: Duration = Duration::from_secs(3);

/// Answers REST calls by calling the services behind.
pub(crate) struct Transcoder {
    pub(crate) upstreams: Upstreams,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) origins: Origins,
    pub(crate) limits: Limits,
    pub(crate) auditor: Auditor,
    pub(crate) soft: CancellationToken,
}

impl Transcoder {
    /// Answers a call of `route`. What is refused here for lack of right is told to the audit
    /// trail; what a service refuses, the service tells.
    pub(crate) async fn answer(
        &self,
        context: &Context,
        route: &Route,
        captured: &[&str],
        parts: &Parts,
        content: Body,
    ) -> Result<Response, Refusal> {
        let answer = self.carry_out(context, route, captured, parts, content).await;
        if let Err(refusal) = &answer
            && refusal.is_own()
            && refusal.fault.class() == Class::Forbidden
        {
            self.tell(context, route, &parts.headers, refusal.fault.code()).await;
        }
        answer
    }

    async fn tell(&self, context: &Context, route: &Route, headers: &HeaderMap, code: Code) {
        let session = self.sessions.resolve(&Credential::of(headers), false).await.ok();
        let caller = session.map_or_else(Caller::anonymous, |session| session.caller.clone());
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let parent = trace::current().or_else(|| context.traceparent.clone());
        let address = context.client.to_string();
        let origin = Origin::new(&address, agent.unwrap_or_default(), parent.as_deref());
        let (path, incident) = (route.rpc.path.path(), context.request_id.as_str());
        self.auditor.denials().note(&caller, path, incident, origin, code);
    }

    async fn carry_out(
        &self,
        context: &Context,
        route: &Route,
        captured: &[&str],
        parts: &Parts,
        content: Body,
    ) -> Result<Response, Refusal> {
        let credential = Credential::of(&parts.headers);
        csrf::check(route, &credential, &parts.headers, &self.origins)?;
        let rate = route.rpc.policy.rate();
        let place = self.limits.enter(rate)?;
        let session = self.admit(route, &credential).await?;
        // Given back while the body comes: a few slow senders would else hold every place.
        drop(place);
        let content = match &route.body {
            BodyRule::None => bytes::Bytes::new(),
            BodyRule::Whole | BodyRule::Field(_) => {
                body::read(content, body::most(session.is_some())).await?
            }
        };
        let permit = self.limits.enter(rate)?;
        let query = parts.uri.query().unwrap_or_default();
        let message = request::read(route, captured, query, &parts.headers, &content)?;
        let metadata = metadata(context, session.as_deref(), &parts.headers)?;
        if route.rpc.descriptor.is_server_streaming() {
            let ousted = self.ousted(route, credential);
            return self.stream(context, route, (message, metadata), ousted, permit).await;
        }
        self.unary(route, &credential, message, metadata).await
    }

    /// Who calls, if the route's policy lets them. The service behind asks the same again.
    async fn admit(
        &self,
        route: &Route,
        credential: &Credential,
    ) -> Result<Option<Arc<Session>>, Fault> {
        if route.rpc.policy.scope() == Scope::Public {
            return Ok(None);
        }
        let session = self.sessions.resolve(credential, much(&route.rpc.policy)).await?;
        session.caller.admit(&route.rpc.policy)?;
        session.caller.admit_age(&route.rpc.policy, self.sessions.now())?;
        Ok(Some(session))
    }

    async fn unary(
        &self,
        route: &Route,
        credential: &Credential,
        message: DynamicMessage,
        metadata: MetadataMap,
    ) -> Result<Response, Refusal> {
        let answer = self.upstreams.unary(&route.rpc, message, metadata).await;
        let answer = answer.map_err(|status| Refusal::of_status(&status))?;
        let json = encode::message(answer.get_ref())?;
        let mut response = Response::new(Body::from(json.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(cookie) = session::cookie::of_metadata(answer.metadata())? {
            self.sessions.forget(credential);
            headers.append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    async fn stream(
        &self,
        context: &Context,
        route: &Route,
        (message, metadata): (DynamicMessage, MetadataMap),
        ousted: BoxFuture<'static, Fault>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Response, Refusal> {
        let stream = self.upstreams.stream(&route.rpc, message, metadata).await;
        let stream = stream.map_err(|status| Refusal::of_status(&status))?;
        Ok(sse::respond(stream, self.soft.clone(), ousted, context.request_id.clone(), permit))
    }

    /// Resolves when the caller of a stream is no longer admitted, be it that the session or the
    /// tenant has ended; an auth that does not answer ends nothing.
    fn ousted(&self, route: &Route, credential: Credential) -> BoxFuture<'static, Fault> {
        let (sessions, policy) = (Arc::clone(&self.sessions), route.rpc.policy.clone());
        if policy.scope() == Scope::Public {
            return future::pending().boxed();
        }
        async move {
            let mut changes = sessions.changes();
            loop {
                drop(tokio::time::timeout(RECHECK, changes.changed()).await);
                let admitted = match sessions.resolve(&credential, much(&policy)).await {
                    Ok(session) => session.caller.admit(&policy),
                    Err(fault) => match fault.class() {
                        Class::Unauthenticated | Class::Forbidden => Err(fault),
                        _unreachable => Ok(()),
                    },
                };
                if let Err(fault) = admitted {
                    return fault;
                }
            }
        }
        .boxed()
    }
}

/// Whether somebody whom the feed has not told us about could do much harm by the call.
fn much(policy: &Policy) -> bool {
    policy.scope() == Scope::Platform || policy.permission.ends_with(".manage")
}

/// What a service behind us gets to know beside the message. Nothing of the caller's own metadata
/// passes.
fn metadata(
    context: &Context,
    session: Option<&Session>,
    headers: &HeaderMap,
) -> Result<MetadataMap, Fault> {
    let mut metadata = MetadataMap::new();
    if let Some(session) = session {
        metadata.insert("authorization", session.bearer.clone());
    }
    if let Some(key) = headers.get(IDEMPOTENCY_KEY) {
        let key = key.to_str().ok().and_then(|text| text.parse().ok());
        metadata.insert(IDEMPOTENCY_KEY, key.ok_or(Code::IdempotencyKeyInvalid)?);
    }
    let parent = trace::current().or_else(|| context.traceparent.clone());
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let texts = [
        (trace::TRACEPARENT, parent),
        (audit::USER_AGENT, agent.map(|text| text.chars().take(audit::LONGEST_AGENT).collect())),
        (audit::CLIENT_ADDRESS, Some(context.client.to_string())),
        ("yard-request-id", Some(context.request_id.clone())),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|t| t.parse::<MetadataValue<_>>().ok()) {
            metadata.insert(name, value);
        }
    }
    Ok(metadata)
}
