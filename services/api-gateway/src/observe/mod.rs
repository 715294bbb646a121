//! One log line, one span and two metrics for every request.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, Method};
use tracing::Span;
use tracing::field::Empty;
use yard_ids::IdSource;
use yard_runtime::trace;

use crate::protect::{Origin, Proxies};

/// What is known of a request beside its content.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// In our log, and `instance` of an error.
    pub(crate) request_id: String,
    /// Where it comes from, as far as our own proxies say.
    pub(crate) origin: Origin,
    /// The caller's trace.
    pub(crate) traceparent: Option<String>,
}

impl Context {
    pub(crate) fn of(
        peer: SocketAddr,
        headers: &HeaderMap,
        proxies: &Proxies,
        ids: &Arc<dyn IdSource>,
    ) -> Self {
        let parent = headers.get(trace::TRACEPARENT).and_then(|v| v.to_str().ok());
        Self {
            request_id: ids.uuid7().as_hyphenated().to_string(),
            origin: proxies.origin(peer, headers),
            traceparent: parent.filter(|text| is_traceparent(text)).map(str::to_owned),
        }
    }

    /// The address that limits and bans are held against.
    pub(crate) const fn client(&self) -> IpAddr {
        self.origin.client
    }

    /// The span of the request, in the caller's trace.
    pub(crate) fn span(&self, method: &Method) -> Span {
        let span = tracing::info_span!(
            "http",
            otel.kind = "server",
            http.request.method = method_label(method),
            http.route = Empty,
            http.response.status_code = Empty,
            request_id = self.request_id.as_str(),
        );
        trace::continue_from(&span, self.traceparent.as_deref());
        span
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>` (W3C Trace Context).
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    lengths == [2, 32, 16, 2] && parts.iter().all(|part| part.bytes().all(hex))
}

/// Notes what became of a request. The path itself stays out: it may hold what is nobody's business.
pub(crate) fn note(
    context: &Context,
    method: &Method,
    route: Cow<'static, str>,
    response: &Response,
    took: std::time::Duration,
) {
    let (method, status) = (method_label(method), response.status().as_u16());
    let span = Span::current();
    trace::rename(&span, format!("{method} {route}"));
    span.record("http.route", route.as_ref());
    span.record("http.response.status_code", status);
    let labels = [
        ("method", Cow::Borrowed(method)),
        ("route", route.clone()),
        ("status", Cow::Owned(status.to_string())),
    ];
    metrics::counter!("yard_http_requests_total", &labels).increment(1);
    metrics::histogram!("yard_http_request_seconds", "route" => route.clone()).record(took);
    tracing::info!(
        request_id = context.request_id.as_str(),
        method,
        route = route.as_ref(),
        status,
        ms = took.as_secs_f64() * 1_000.0,
        "request"
    );
}

/// A label for methods of any spelling.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
