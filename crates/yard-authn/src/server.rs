//! The layer on every gRPC server: verifies the token, holds the method's policy against it, and
//! opens the span of the call.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::{Layer, Service};
use tracing::Instrument as _;
use yard_contracts::policy;
use yard_fault::{Code, Fault};
use yard_ids::IdSource;
use yard_runtime::{Runtime, TaskKind, trace};

use crate::call::{Call, IDEMPOTENCY_KEY};
use crate::{Caller, Verifier};

/// Largest message either way, bytes.
pub const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;

/// How often a silent peer is asked for a sign of life. One that vanished without a word would hold
/// its streams, and what they hold, for ever.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Serves `routes` until the soft stop; calls in hand are finished.
pub fn serve(runtime: &Runtime, listener: TcpListener, verifier: &Verifier, routes: Routes) {
    let layer = AuthnLayer { verifier: verifier.clone(), ids: runtime.ids() };
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
        // The one that was ready answers; a clone of it waits for the next call.
        let next = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move { layer.answer(inner, request).await })
    }
}

impl AuthnLayer {
    async fn answer<S>(
        &self,
        mut inner: S,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, Infallible>
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    {
        let incident = self.ids.uuid7().as_hyphenated().to_string();
        let path = request.uri().path().to_owned();
        let admitted = admit(&self.verifier, &path, request.headers()).await;
        let (caller, audited) = match admitted {
            Ok(admitted) => admitted,
            Err(fault) => {
                fault.log(&incident, "admit a call");
                count(&path, fault.code().as_str());
                return Ok(fault.to_status(&incident).into_http());
            }
        };
        let span =
            tracing::info_span!("rpc", otel.name = path.as_str(), rpc.method = path.as_str());
        trace::continue_from(&span, text(request.headers(), trace::TRACEPARENT));
        if audited {
            let subject = caller.subject();
            tracing::info!(target: "audit", method = path, subject, incident, "audited call");
        }
        let key = text(request.headers(), IDEMPOTENCY_KEY).map(str::to_owned);
        request.extensions_mut().insert(Call::new(caller, incident, key));
        let answer = inner.call(request).instrument(span).await;
        count(&path, "answered");
        answer
    }
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

async fn admit(
    verifier: &Verifier,
    path: &str,
    headers: &HeaderMap,
) -> Result<(Caller, bool), Fault> {
    let method =
        policy::methods().get(path).ok_or_else(|| Fault::new(Code::RouteMethodNotAllowed))?;
    let caller = match text(headers, "authorization") {
        None => Caller::anonymous(),
        Some(header) => {
            let token =
                header.strip_prefix("Bearer ").ok_or_else(|| Fault::new(Code::AuthTokenInvalid))?;
            Caller::verified(verifier.verify_fresh(token).await?)
        }
    };
    caller.admit(&method.policy)?;
    caller.admit_age(&method.policy, verifier.now())?;
    Ok((caller, method.policy.audit))
}
