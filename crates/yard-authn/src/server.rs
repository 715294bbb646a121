//! The layer on every gRPC server: verifies the token, holds the method's policy against it, and
//! opens the span of the call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::{Layer, Service};
use tracing::Instrument as _;
use yard_contracts::policy::{self, MethodPolicy};
use yard_fault::{Class, Code, Fault};
use yard_ids::IdSource;
use yard_runtime::{Runtime, TaskKind, trace};

use crate::audit::{self, Answered, Auditor, Notes, Origin};
use crate::call::{Call, IDEMPOTENCY_KEY};
use crate::{Caller, Verifier};

/// Largest message either way, bytes.
pub const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// Flag and length before a gRPC message, bytes.
const FRAME_HEAD: usize = 5;

/// How often a silent peer is asked for a sign of life. One that vanished without a word would hold
/// its streams, and what they hold, for ever.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Serves `routes` until the soft stop; calls in hand are finished.
pub fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    verifier: &Verifier,
    auditor: &Auditor,
    routes: Routes,
) {
    let layer =
        AuthnLayer { verifier: verifier.clone(), ids: runtime.ids(), auditor: auditor.clone() };
    let soft = runtime.shutdown().soft().clone().cancelled_owned();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    runtime.tasks().spawn(TaskKind::Critical, "grpc", async move {
        let mut server = Server::builder().http2_keepalive_interval(Some(KEEPALIVE)).layer(layer);
        Ok(server.add_routes(routes).serve_with_incoming_shutdown(incoming, soft).await?)
    });
}

/// See the module.
#[derive(Clone)]
pub struct AuthnLayer {
    verifier: Verifier,
    ids: Arc<dyn IdSource>,
    auditor: Auditor,
}

impl<S> Layer<S> for AuthnLayer {
    type Service = Authn<S>;

    fn layer(&self, inner: S) -> Authn<S> {
        Authn { inner, layer: self.clone() }
    }
}

/// A service behind [`AuthnLayer`].
#[derive(Clone)]
pub struct Authn<S> {
    inner: S,
    layer: AuthnLayer,
}

impl<S> Service<Request<Body>> for Authn<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The one that is ready answers; its copy waits for the next call.
        let inner = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, inner);
        let layer = self.layer.clone();
        Box::pin(async move { Ok(layer.answer(inner, request).await) })
    }
}

impl AuthnLayer {
    async fn answer<S>(&self, inner: S, mut request: Request<Body>) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let incident = self.ids.uuid7().as_hyphenated().to_string();
        let path = request.uri().path().to_owned();
        let (caller, method) = match self.admit(&path, &incident, request.headers()).await {
            Ok(admitted) => admitted,
            Err(fault) => return refuse(&fault, &path, &incident),
        };
        let span =
            tracing::info_span!("rpc", otel.name = path.as_str(), rpc.method = path.as_str());
        trace::continue_from(&span, text(request.headers(), trace::TRACEPARENT));
        let key = text(request.headers(), IDEMPOTENCY_KEY).map(str::to_owned);
        let notes = Notes::default();
        let call = Call::new(caller.clone(), incident.clone(), key, notes.clone());
        request.extensions_mut().insert(call);
        let origin = Origin::of(request.headers());
        let answer = async {
            if method.policy.audit {
                self.audited(inner, request, (&caller, method), &incident, notes).await
            } else {
                done(inner, request).await
            }
        };
        let answer = answer.instrument(span).await;
        count(&path, "answered");
        // Refused by the handler, for what the policy cannot know.
        if let Some(code) = audit::of_headers(answer.headers()).and_then(Code::from_text)
            && code.class() == Class::Forbidden
        {
            self.auditor.denials().note(&caller, &path, &incident, origin, code);
        }
        answer
    }

    /// Announces the call, carries it out, and tells how it ended.
    async fn audited<S>(
        &self,
        inner: S,
        request: Request<Body>,
        (caller, method): (&Caller, &MethodPolicy),
        incident: &str,
        notes: Notes,
    ) -> Response<Body>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_MESSAGE + FRAME_HEAD).collect().await else {
            return refuse(&Code::RequestTooLarge.into(), &method.path, incident);
        };
        let body = body.to_bytes();
        let origin = Origin::of(&parts.headers);
        let record = self.auditor.announcement(method, caller, incident, origin, &body);
        let open = match self.auditor.begin(record).await {
            Ok(open) => open.with(notes),
            Err(fault) => return refuse(&fault, &method.path, incident),
        };
        let answer = done(inner, Request::from_parts(parts, Body::new(Full::new(body)))).await;
        let (head, body) = answer.into_parts();
        let streams = audit::method(&method.path).is_none_or(|m| m.is_server_streaming());
        if streams {
            // A stream may last for hours: that it began is what counts.
            let outcome = audit::of_headers(&head.headers).unwrap_or("ok");
            open.end(outcome, Answered::default()).await;
            return Response::from_parts(head, body);
        }
        let Ok(body) = body.collect().await else {
            // Dropped, the announcement becomes an entry with an unknown outcome.
            drop(open);
            return refuse(&Fault::internal("an answer broke off"), &method.path, incident);
        };
        let (trailers, body) = (body.trailers().cloned(), body.to_bytes());
        if let Some(outcome) = audit::of_headers(&head.headers) {
            open.end(outcome, Answered::default()).await;
            return Response::from_parts(head, Body::empty());
        }
        let made = audit::of_answer(&method.path, &body);
        open.end(audit::of_trailers(trailers.as_ref()), made).await;
        let trailers = std::future::ready(trailers.map(Ok));
        Response::from_parts(head, Body::new(Full::new(body).with_trailers(trailers)))
    }

    /// Who calls, if the method's policy lets them.
    async fn admit(
        &self,
        path: &str,
        incident: &str,
        headers: &HeaderMap,
    ) -> Result<(Caller, &'static MethodPolicy), Fault> {
        let method =
            policy::methods().get(path).ok_or_else(|| Fault::new(Code::RouteMethodNotAllowed))?;
        let caller = match text(headers, "authorization") {
            None => Ok(Caller::anonymous()),
            Some(header) => self.bearer(header).await,
        };
        let (caller, admitted) = match caller {
            Ok(caller) => {
                let admitted = caller
                    .admit(&method.policy)
                    .and_then(|()| caller.admit_age(&method.policy, self.verifier.now()));
                (caller, admitted)
            }
            Err(fault) => (Caller::anonymous(), Err(fault)),
        };
        let Err(fault) = admitted else { return Ok((caller, method)) };
        // Without any credential it is a visitor, with a wrong one an attempt.
        if fault.class() == Class::Forbidden || fault.code() == Code::AuthTokenInvalid {
            let origin = Origin::of(headers);
            self.auditor.denials().note(&caller, path, incident, origin, fault.code());
        }
        Err(fault)
    }

    async fn bearer(&self, header: &str) -> Result<Caller, Fault> {
        let token =
            header.strip_prefix("Bearer ").ok_or_else(|| Fault::new(Code::AuthTokenInvalid))?;
        Ok(Caller::verified(self.verifier.verify_fresh(token).await?))
    }
}

async fn done<S>(mut inner: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    match inner.call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

fn refuse(fault: &Fault, path: &str, incident: &str) -> Response<Body> {
    fault.log(incident, "admit a call");
    count(path, fault.code().as_str());
    fault.to_status(incident).into_http()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn count(path: &str, outcome: &'static str) {
    // Paths outside the contract would make as many series as an attacker likes.
    let method = policy::methods().get(path).map_or("unknown", |m| m.path.as_str());
    metrics::counter!("yard_grpc_calls_total", "method" => method, "outcome" => outcome)
        .increment(1);
}
