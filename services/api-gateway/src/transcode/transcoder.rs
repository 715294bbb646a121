//! One REST call from its admission to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use http::request::Parts;
use http::{HeaderValue, header};
use prost_reflect::DynamicMessage;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{MetadataMap, MetadataValue};
use yard_authn::Caller;
use yard_authn::audit::{self, Auditor, Origin};
use yard_contracts::access::v1::{Policy, Scope};
use yard_fault::{Class, Code, Fault};
use yard_runtime::trace;

use super::depth::Shape;
use super::rule::{BodyRule, Route};
use super::upstreams::Upstreams;
use super::{body, encode, request, sse};
use crate::guard::{self, Guard};
use crate::limits::{CapsConfig, LimitsConfig, Place, Places, Quota, Rates};
use crate::observe::Context;
use crate::problem::Refusal;
use crate::protect::{Origins, Proxies, csrf};
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
    pub(crate) rates: Arc<Rates>,
    pub(crate) places: Places,
    pub(crate) limits: LimitsConfig,
    pub(crate) caps: CapsConfig,
    pub(crate) guard: Arc<Guard>,
    pub(crate) proxies: Proxies,
    pub(crate) auditor: Auditor,
    pub(crate) soft: CancellationToken,
}

/// A call of a route, without its body.
pub(crate) struct Call<'c> {
    pub(crate) context: &'c Context,
    pub(crate) route: &'c Route,
    /// The path's fields, encoded.
    pub(crate) captured: &'c [&'c str],
    pub(crate) parts: &'c Parts,
}

const AUTHORIZATION: &str = "authorization";

/// Whether a service refused a token that was good when it was made.
fn is_of_another_time(status: &tonic::Status) -> bool {
    matches!(Fault::from_status(status).code(), Code::AuthTokenRevoked | Code::AuthTokenInvalid)
}

impl Transcoder {
    /// Answers a call. `quota` gets the limits that it was held against. What is refused here for
    /// lack of right is told to the audit trail; what a service refuses, the service tells.
    pub(crate) async fn answer(
        &self,
        call: &Call<'_>,
        content: Body,
        quota: &mut Quota,
    ) -> Result<Response, Refusal> {
        let answer = self.carry_out(call, content, quota).await;
        if let Err(refusal) = &answer
            && refusal.is_own()
            && refusal.fault.class() == Class::Forbidden
        {
            self.tell(call, refusal.fault.code()).await;
        }
        answer
    }

    async fn tell(&self, call: &Call<'_>, code: Code) {
        let (context, headers) = (call.context, &call.parts.headers);
        let session = self.sessions.resolve(&Credential::of(headers), false).await.ok();
        let caller = session.map_or_else(Caller::anonymous, |session| session.caller.clone());
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let parent = trace::current().or_else(|| context.traceparent.clone());
        let address = context.client().to_string();
        let origin = Origin::new(&address, agent.unwrap_or_default(), parent.as_deref());
        let (path, incident) = (call.route.rpc.path.path(), context.request_id.as_str());
        self.auditor.denials().note(&caller, path, incident, origin, code);
    }

    async fn carry_out(
        &self,
        call: &Call<'_>,
        content: Body,
        quota: &mut Quota,
    ) -> Result<Response, Refusal> {
        let (route, parts) = (call.route, call.parts);
        let policy = &route.rpc.policy;
        let credential = Credential::of(&parts.headers);
        csrf::check(route, &credential, &parts.headers, &self.origins)?;
        let place = self.places.enter(policy)?;
        let session = self.admit_counted(call, &credential, quota).await?;
        // Given back while the body comes: a few slow senders would else hold every place.
        drop(place);
        let content = self.body(route, session.is_some(), content).await?;
        let place = self.places.enter(policy)?;
        let query = parts.uri.query().unwrap_or_default();
        let shape = Shape { depth: self.caps.depth, members: self.caps.members };
        let message = request::read(route, call.captured, query, &parts.headers, &content, shape)?;
        let metadata = self.metadata(call, session.as_deref())?;
        if route.rpc.descriptor.is_server_streaming() {
            let ousted = self.ousted(route, credential);
            return self.stream(call, (message, metadata), ousted, place).await;
        }
        self.unary(route, &credential, message, metadata).await
    }

    /// Who calls, counted in their limits. A session that is known already is counted together with
    /// the address, another one after auth has said whose it is.
    async fn admit_counted(
        &self,
        call: &Call<'_>,
        credential: &Credential,
        quota: &mut Quota,
    ) -> Result<Option<Arc<Session>>, Refusal> {
        let (route, client) = (call.route, call.context.client());
        let rate = route.rpc.policy.rate();
        let public = route.rpc.policy.scope() == Scope::Public;
        let known = if public { None } else { self.sessions.fresh(credential) };
        let caller = known.as_ref().map(|session| &session.caller);
        self.rates.count(rate, Some(client), caller, quota).await?;
        let admitted = self.admit(route, credential).await;
        if let Some(closed) = self.closed(route, admitted.as_ref()) {
            return Err(closed);
        }
        let session = admitted?;
        if let Some(session) = &session {
            self.guard.admit_caller(&session.caller)?;
            if known.is_none() {
                self.rates.count(rate, None, Some(&session.caller), quota).await?;
            }
        }
        Ok(session)
    }

    /// During maintenance only operators are served, and those who sign in: they may be some.
    fn closed(
        &self,
        route: &Route,
        admitted: Result<&Option<Arc<Session>>, &Fault>,
    ) -> Option<Refusal> {
        let closed = self.guard.maintenance()?;
        let operator = match admitted {
            Ok(Some(session)) => guard::is_operator(&session.caller),
            Ok(None) => route.rpc.opens_session,
            Err(_refused) => false,
        };
        (!operator).then_some(closed)
    }

    async fn body(&self, route: &Route, known: bool, content: Body) -> Result<Bytes, Fault> {
        if route.body == BodyRule::None {
            return Ok(Bytes::new());
        }
        let most = body::most(&self.limits, &self.caps, route.rpc.policy.rate(), known);
        body::read(content, most, &self.caps).await
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
        mut metadata: MetadataMap,
    ) -> Result<Response, Refusal> {
        let deadline = self.limits.of(route.rpc.policy.rate()).deadline;
        let sent = (message.clone(), metadata.clone());
        let mut answer = self.upstreams.unary(&route.rpc, sent.0, sent.1, deadline).await;
        if answer.as_ref().is_err_and(is_of_another_time) && metadata.contains_key(AUTHORIZATION) {
            // What the caller may do has changed while the call was on its way, and the service knew
            // first. It did nothing: a token of now decides.
            self.sessions.forget(credential);
            if let Some(session) = self.admit(route, credential).await? {
                metadata.insert(AUTHORIZATION, session.bearer.clone());
            }
            answer = self.upstreams.unary(&route.rpc, message, metadata, deadline).await;
        }
        let answer = answer.map_err(|status| Refusal::of_status(&status))?;
        let json = encode::message(answer.get_ref())?;
        let mut response = Response::new(Body::from(json.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(cookie) = session::cookie::of_metadata(answer.metadata())? {
            headers.append(header::SET_COOKIE, cookie);
        }
        if session::cookie::changed(answer.metadata()) {
            self.sessions.forget(credential);
        }
        Ok(response)
    }

    async fn stream(
        &self,
        call: &Call<'_>,
        (message, metadata): (DynamicMessage, MetadataMap),
        ousted: BoxFuture<'static, Fault>,
        place: Place,
    ) -> Result<Response, Refusal> {
        let rpc = &call.route.rpc;
        let deadline = self.limits.of(rpc.policy.rate()).deadline;
        let stream = self.upstreams.stream(rpc, message, metadata, deadline).await;
        let stream = stream.map_err(|status| Refusal::of_status(&status))?;
        let (soft, request_id) = (self.soft.clone(), call.context.request_id.clone());
        Ok(sse::respond(stream, soft, ousted, request_id, place.into_class()))
    }

    /// Resolves when the caller of a stream is no longer admitted, be it that the session or the
    /// tenant has ended; an auth that does not answer ends nothing.
    fn ousted(&self, route: &Route, credential: Credential) -> BoxFuture<'static, Fault> {
        let (sessions, policy) = (Arc::clone(&self.sessions), route.rpc.policy.clone());
        let guard = Arc::clone(&self.guard);
        if policy.scope() == Scope::Public {
            return future::pending().boxed();
        }
        async move {
            let mut changes = sessions.changes();
            loop {
                drop(tokio::time::timeout(RECHECK, changes.changed()).await);
                let admitted = match sessions.resolve(&credential, much(&policy)).await {
                    Ok(session) => {
                        let caller = &session.caller;
                        caller.admit(&policy).and_then(|()| guard.admit_caller(caller))
                    }
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

    /// What a service behind us gets to know beside the message. Nothing of the caller's own
    /// metadata passes.
    fn metadata(&self, call: &Call<'_>, session: Option<&Session>) -> Result<MetadataMap, Fault> {
        let (context, headers) = (call.context, &call.parts.headers);
        let mut metadata = MetadataMap::new();
        if let Some(session) = session {
            metadata.insert(AUTHORIZATION, session.bearer.clone());
        }
        if let Some(key) = headers.get(IDEMPOTENCY_KEY) {
            let key = key.to_str().ok().and_then(|text| text.parse().ok());
            metadata.insert(IDEMPOTENCY_KEY, key.ok_or(Code::IdempotencyKeyInvalid)?);
        }
        let parent = trace::current().or_else(|| context.traceparent.clone());
        let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        let mut texts = vec![
            (trace::TRACEPARENT, parent),
            (
                audit::USER_AGENT,
                agent.map(|text| text.chars().take(audit::LONGEST_AGENT).collect()),
            ),
            (audit::CLIENT_ADDRESS, Some(context.client().to_string())),
            ("yard-request-id", Some(context.request_id.clone())),
        ];
        // How the address came about concerns nobody but operators.
        if call.route.rpc.policy.scope() == Scope::Platform {
            texts.push(("yard-peer-ip", Some(context.origin.peer.to_string())));
            texts.push(("yard-peer-trusted", Some(context.origin.trusted.to_string())));
            texts.push(("yard-forwarded-header", Some(self.proxies.header().name().to_owned())));
            texts.push(("yard-forwarded", Some(self.proxies.said(headers))));
        }
        for (name, text) in texts {
            if let Some(value) = text.and_then(|t| t.parse::<MetadataValue<_>>().ok()) {
                metadata.insert(name, value);
            }
        }
        Ok(metadata)
    }
}

/// Whether somebody whom the feed has not told us about could do much harm by the call.
fn much(policy: &Policy) -> bool {
    policy.scope() == Scope::Platform || policy.permission.ends_with(".manage")
}
