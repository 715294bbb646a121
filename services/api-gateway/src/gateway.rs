//! Which part answers a request.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, Method, Request, StatusCode, header};
use tracing::Instrument as _;
use yard_fault::Code;
use yard_runtime::Runtime;

use crate::console::Console;
use crate::guard::Guard;
use crate::limits::{Addresses, CapsConfig, Quota, head};
use crate::observe::{self, Context};
use crate::openapi::Served;
use crate::pass::PassThrough;
use crate::problem::{self, Refusal};
use crate::protect::{Origins, Proxies, cors, headers};
use crate::session::Credential;
use crate::socket::Tunnel;
use crate::transcode::{Call, Found, Routes, Transcoder};

/// First path segments that never belong to the console.
const RESERVED: [&str; 12] = [
    "api",
    "app",
    "apps",
    "broadcasting",
    "errors",
    ".well-known",
    "livez",
    "oauth2",
    "readyz",
    "health",
    "metrics",
    "users",
];

/// Everything that the public listener needs.
pub(crate) struct Gateway {
    pub(crate) routes: Arc<Routes>,
    pub(crate) transcoder: Transcoder,
    pub(crate) tunnel: Tunnel,
    pub(crate) pass: PassThrough,
    pub(crate) console: Option<Console>,
    pub(crate) openapi: Served,
    pub(crate) origins: Origins,
    pub(crate) proxies: Proxies,
    pub(crate) guard: Arc<Guard>,
    /// Calls under way of each address.
    pub(crate) calls: Addresses,
    pub(crate) caps: CapsConfig,
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
        let mut quota = Quota::default();
        let (route, answer) = self.admitted(&context, request, &mut quota).await;
        let mut response = answer.unwrap_or_else(|refusal| {
            self.guard.note(context.client(), refusal.fault.code());
            problem::respond(&refusal, &context.request_id)
        });
        quota.apply(response.headers_mut());
        headers::apply(response.headers_mut(), self.https);
        cors::apply(&asked, &self.origins, response.headers_mut());
        let took: Duration = since.elapsed();
        observe::note(&context, &method, route, &response, took);
        response
    }

    /// Holds what no request may be against it, whatever it asks for.
    async fn admitted(
        &self,
        context: &Context,
        request: Request<Body>,
        quota: &mut Quota,
    ) -> Answer {
        let path = request.uri().path();
        // Whoever probes has to be answered.
        if matches!(path, "/livez" | "/readyz") {
            return self.dispatch(context, request, quota).await;
        }
        if let Some(to) = self.secure(context, &request) {
            return ("to-https".into(), Ok(to));
        }
        let client = context.client();
        let signed_in = !matches!(Credential::of(request.headers()), Credential::None);
        let checked = head::check(request.uri(), request.headers(), &self.caps)
            .and_then(|()| self.guard.admit_address(client, signed_in));
        if let Err(fault) = checked {
            return ("refused".into(), Err(fault.into()));
        }
        let Some(_held) = self.calls.hold(client) else {
            return ("refused".into(), Err(Refusal::later(Code::RateConcurrency.into(), 1)));
        };
        self.dispatch(context, request, quota).await
    }

    /// To the same address by HTTPS, for what a proxy of ours got without.
    fn secure(&self, context: &Context, request: &Request<Body>) -> Option<Response> {
        let headers = request.headers();
        let plain = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "http");
        if !(self.https && context.origin.trusted && plain) {
            return None;
        }
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let to = HeaderValue::try_from(format!("https://{host}{path}")).ok()?;
        let mut response = Response::new(Body::empty());
        // The method and the body stay as they are.
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, to);
        Some(response)
    }

    async fn dispatch(
        &self,
        context: &Context,
        request: Request<Body>,
        quota: &mut Quota,
    ) -> Answer {
        let path = request.uri().path().to_owned();
        match self.routes.find(request.method(), &path) {
            Found::Route(route, captured) => {
                let streams = route.rpc.descriptor.is_server_streaming();
                let label = Cow::Owned(route.template.text().to_owned());
                if streams && request.method() == Method::HEAD {
                    return (label, Ok(refuse_method(&[Method::GET], context)));
                }
                let (parts, body) = request.into_parts();
                let call = Call { context, route, captured: &captured, parts: &parts };
                (label, self.transcoder.answer(&call, body, quota).await)
            }
            Found::OtherMethods(methods) => {
                ("other-method".into(), Ok(self.other(&methods, &request, context)))
            }
            Found::Nothing => match self.pass.takes(&path) {
                Some(label) => self.pass_on(context, label, request, quota).await,
                None => self.fixed(context, &path, request).await,
            },
        }
    }

    async fn pass_on(
        &self,
        context: &Context,
        label: &str,
        request: Request<Body>,
        quota: &mut Quota,
    ) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            let answer = self.other(&PassThrough::methods(), &request, context);
            return ("other-method".into(), Ok(answer));
        }
        (Cow::Owned(label.to_owned()), self.pass.answer(context, request, quota).await)
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
            return self.page(path).await;
        }
        let Some(console) = &self.console else {
            return ("unmatched".into(), Err(Code::RouteNotFound.into()));
        };
        let answer = console.answer(request.method(), path, request.headers()).await;
        let label = if first == "assets" { "console-asset" } else { "console" };
        (label.into(), answer.map_err(Refusal::from))
    }

    async fn page(&self, path: &str) -> Answer {
        match path {
            "/api/openapi.json" => {
                let document = self.openapi.get().await.map(|json| text(json, "application/json"));
                ("/api/openapi.json".into(), document.map_err(Refusal::from))
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
