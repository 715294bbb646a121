//! What is passed through as it is: to auth's HTTP listener what OAuth clients call, whose requests are
//! forms and whose answers are redirects and errors of OAuth's own; to comms-websocket's listener what
//! servers call by Pusher's HTTP API, signed letter by letter. The contract's routes can say neither.
//!
//! Which addresses of OAuth that are is configuration. No cookie passes, in neither direction, and of headers
//! only those listed here; limits, caps, bans and maintenance hold as for any call.

mod config;

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use yard_authn::audit;
use yard_contracts::access::v1::{Policy, Rate, Scope};
use yard_fault::{Code, Fault};
use yard_runtime::{Runtime, trace};

pub use config::PassThroughConfig;

use crate::guard::Guard;
use crate::limits::{CapsConfig, LimitsConfig, Places, Quota, Rates};
use crate::observe::Context;
use crate::problem::Refusal;
use crate::transcode::body;

/// No answer is longer.
const LARGEST_ANSWER: usize = 256 * 1024;

const PASSED: [HeaderName; 3] = [header::ACCEPT, header::AUTHORIZATION, header::CONTENT_TYPE];
const RETURNED: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::PRAGMA,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// Where Pusher's HTTP API is, below comms-websocket's listener. The `pusher` of PyPI ends users'
/// connections below `/users/`, without naming the app.
const REALTIME_API: [&str; 2] = ["/apps/", "/users/"];

/// Passes through.
pub(crate) struct PassThrough {
    /// Each with what its posts are counted as.
    pub(crate) ways: [(PassThroughConfig, Rate); 2],
    pub(crate) rates: Arc<Rates>,
    pub(crate) places: Places,
    pub(crate) limits: LimitsConfig,
    pub(crate) caps: CapsConfig,
    pub(crate) guard: Arc<Guard>,
    pub(crate) runtime: Runtime,
}

impl PassThrough {
    /// To auth and to the listener for sockets. What is posted to auth is a credential; events are
    /// writes.
    pub(crate) fn ways(oauth: &PassThroughConfig, sockets: &str) -> [(PassThroughConfig, Rate); 2] {
        let realtime = PassThroughConfig {
            upstream: sockets.to_owned(),
            paths: REALTIME_API.map(str::to_owned).to_vec(),
        };
        [(oauth.clone(), Rate::Login), (realtime, Rate::Write)]
    }

    /// The path that an address is under.
    pub(crate) fn takes(&self, path: &str) -> Option<&str> {
        self.ways.iter().find_map(|(way, _)| way.find(path))
    }

    /// What such an address takes.
    pub(crate) const fn methods() -> [Method; 2] {
        [Method::GET, Method::POST]
    }

    /// Answers with what the service behind answers.
    pub(crate) async fn answer(
        &self,
        context: &Context,
        request: Request<Body>,
        quota: &mut Quota,
    ) -> Result<Response, Refusal> {
        if let Some(closed) = self.guard.maintenance() {
            return Err(closed);
        }
        let path = request.uri().path();
        let way = self.ways.iter().find(|(way, _)| way.find(path).is_some());
        let (way, posts) = way.ok_or(Code::RouteNotFound)?;
        let rate = if request.method() == Method::POST { *posts } else { Rate::Read };
        let policy = Policy { scope: Scope::Public.into(), rate: rate.into(), ..Policy::default() };
        self.rates.count(rate, Some(context.client()), None, quota).await?;
        drop(self.places.enter(&policy)?);
        let (parts, content) = request.into_parts();
        let most = body::most(&self.limits, &self.caps, rate, false);
        let content = body::read(content, most, &self.caps).await?;
        let _place = self.places.enter(&policy)?;
        let outgoing = outgoing(&way.upstream, context, &parts, content)?;
        let deadline = self.limits.of(rate).deadline;
        let answer = tokio::time::timeout(deadline, self.ask(&way.upstream, outgoing)).await;
        let late = || Fault::new(Code::ServiceUnavailable).with_detail("no answer in time");
        Ok(answer.map_err(|_elapsed| late())??)
    }

    async fn ask(&self, upstream: &str, outgoing: Request<Full<Bytes>>) -> Result<Response, Fault> {
        let unavailable = |e: Box<dyn std::error::Error + Send + Sync>| {
            Fault::new(Code::ServiceUnavailable)
                .with_detail("pass a request through")
                .with_source(e)
        };
        let stream = TcpStream::connect(upstream).await;
        let stream = TokioIo::new(stream.map_err(|e| unavailable(e.into()))?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(|e| unavailable(e.into()))?;
        self.runtime.tasks().spawn_request(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a passed connection ended");
            }
        });
        let answer = sender.send_request(outgoing).await.map_err(|e| unavailable(e.into()))?;
        returned(answer).await.map_err(unavailable)
    }
}

fn outgoing(
    upstream: &str,
    context: &Context,
    parts: &Parts,
    content: Bytes,
) -> Result<Request<Full<Bytes>>, Fault> {
    let target = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut outgoing = Request::new(Full::new(content));
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = target.parse().map_err(|_e| Code::RequestMalformed)?;
    let headers = outgoing.headers_mut();
    for name in PASSED {
        if let Some(value) = parts.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let agent = agent.map(|text| text.chars().take(audit::LONGEST_AGENT).collect::<String>());
    let parent = trace::current().or_else(|| context.traceparent.clone());
    let texts = [
        (header::HOST, Some(upstream.to_owned())),
        (HeaderName::from_static(audit::CLIENT_ADDRESS), Some(context.client().to_string())),
        (HeaderName::from_static(audit::USER_AGENT), agent),
        (HeaderName::from_static("yard-request-id"), Some(context.request_id.clone())),
        (HeaderName::from_static(trace::TRACEPARENT), parent),
    ];
    for (name, text) in texts {
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    Ok(outgoing)
}

async fn returned(
    answer: Response<Incoming>,
) -> Result<Response, Box<dyn std::error::Error + Send + Sync>> {
    let (parts, content) = answer.into_parts();
    if parts.status.is_informational() {
        return Err("an answer that is none".into());
    }
    let content = Limited::new(content, LARGEST_ANSWER).collect().await?.to_bytes();
    let mut response = Response::new(Body::from(content));
    *response.status_mut() = parts.status;
    copy(&parts.headers, response.headers_mut());
    Ok(response)
}

fn copy(from: &HeaderMap, to: &mut HeaderMap) {
    for name in RETURNED {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}
