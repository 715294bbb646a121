//! Which part answers a request.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use tracing::Instrument as _;
use yard_fault::Code;
use yard_runtime::Runtime;

use crate::console::Console;
use crate::observe::{self, Context};
use crate::problem::{self, Refusal};
use crate::protect::{Origins, Proxies, cors, headers};
use crate::socket::Tunnel;
use crate::transcode::{Found, Routes, Transcoder};

/// First path segments that never belong to the console.
const RESERVED: [&str; 9] =
    ["api", "app", "broadcasting", "errors", ".well-known", "livez", "readyz", "health", "metrics"];

/// Everything that the public listener needs.
pub(crate) struct Gateway {
    pub(crate) routes: Routes,
    pub(crate) transcoder: Transcoder,
    pub(crate) tunnel: Tunnel,
    pub(crate) console: Option<Console>,
    pub(crate) openapi: Bytes,
    pub(crate) origins: Origins,
    pub(crate) proxies: Proxies,
    pub(crate) https: bool,
    pub(crate) runtime: Runtime,
}

/// Answer and label of one request.
type Answer = (Cow<'static, str>, Result<Response, Refusal>);

impl Gateway {
    /// Answers any request.
    pub(crate) async fn handle(
        self: Arc<Self>,
        request: Request<Body>,
        peer: SocketAddr,
    ) -> Response {
        let context = Context::of(peer, request.headers(), &self.proxies, &self.runtime.ids());
        let span = context.span(request.method());
        self.observed(context, request).instrument(span).await
    }

    async fn observed(&self, context: Context, request: Request<Body>) -> Response {
        let (since, method) = (tokio::time::Instant::now(), request.method().clone());
        let asked = request.headers().clone();
        let (route, answer) = self.dispatch(&context, request).await;
        let mut response =
            answer.unwrap_or_else(|refusal| problem::respond(&refusal, &context.request_id));
        headers::apply(response.headers_mut(), self.https);
        cors::apply(&asked, &self.origins, response.headers_mut());
        let took: Duration = since.elapsed();
        observe::note(&context, &method, route, &response, took);
        response
    }

    async fn dispatch(&self, context: &Context, request: Request<Body>) -> Answer {
        let path = request.uri().path().to_owned();
        match self.routes.find(request.method(), &path) {
            Found::Route(route, captured) => {
                let streams = route.rpc.descriptor.is_server_streaming();
                let label = Cow::Owned(route.template.text().to_owned());
                if streams && request.method() == Method::HEAD {
                    return (label, Ok(refuse_method(&[Method::GET], context)));
                }
                let (parts, body) = request.into_parts();
                let answer = self.transcoder.answer(context, route, &captured, &parts, body);
                (label, answer.await)
            }
            Found::OtherMethods(methods) => {
                ("other-method".into(), Ok(self.other(&methods, &request, context)))
            }
            Found::Nothing => self.fixed(context, &path, request).await,
        }
    }

    /// What is not in the contract: pages, probes, the socket, the console.
    async fn fixed(&self, context: &Context, path: &str, request: Request<Body>) -> Answer {
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let first = path.strip_prefix('/').unwrap_or(path).split('/').next().unwrap_or_default();
        let reserved = RESERVED.contains(&first);
        let socket = Tunnel::is_at(path);
        let page = matches!(path, "/api/openapi.json" | "/livez" | "/readyz" | "/errors")
            || path.strip_prefix("/errors/").is_some_and(|code| !code.is_empty());
        let known = socket || page || (!reserved && self.console.is_some());
        if !known {
            return ("unmatched".into(), Err(Code::RouteNotFound.into()));
        }
        if !get {
            let answer = self.other(&[Method::GET], &request, context);
            return ("other-method".into(), Ok(answer));
        }
        if socket {
            return ("/app/{key}".into(), self.tunnel.answer(context, request).await);
        }
        if page {
            return self.page(path);
        }
        let Some(console) = &self.console else {
            return ("unmatched".into(), Err(Code::RouteNotFound.into()));
        };
        let answer = console.answer(request.method(), path, request.headers()).await;
        let label = if first == "assets" { "console-asset" } else { "console" };
        (label.into(), answer.map_err(Refusal::from))
    }

    fn page(&self, path: &str) -> Answer {
        match path {
            "/api/openapi.json" => {
                ("/api/openapi.json".into(), Ok(text(self.openapi.clone(), "application/json")))
            }
            "/livez" => ("/livez".into(), Ok(text("ok\n", "text/plain"))),
            "/readyz" if self.runtime.shutdown().is_draining() => {
                ("/readyz".into(), Err(Code::ServiceDraining.into()))
            }
            "/readyz" => ("/readyz".into(), Ok(text("ready\n", "text/plain"))),
            path => {
                let code = path.strip_prefix("/errors").unwrap_or_default().trim_start_matches('/');
                (
                    "/errors/{code}".into(),
                    problem::page(code).ok_or_else(|| Code::RouteNotFound.into()),
                )
            }
        }
    }

    /// `OPTIONS`, or 405 with what the address takes.
    fn other(&self, methods: &[Method], request: &Request<Body>, context: &Context) -> Response {
        if request.method() == Method::OPTIONS {
            return cors::options(cors::allow(methods), request.headers(), &self.origins);
        }
        refuse_method(methods, context)
    }
}

fn refuse_method(methods: &[Method], context: &Context) -> Response {
    let mut response = problem::respond(&Code::RouteMethodNotAllowed.into(), &context.request_id);
    response.headers_mut().insert(header::ALLOW, cors::allow(methods));
    response
}

fn text(body: impl Into<Body>, kind: &'static str) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
