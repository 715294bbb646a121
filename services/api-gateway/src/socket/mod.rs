//! `/app/{key}`: WebSockets are passed through to comms-websocket byte by byte, without looking
//! into their frames.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use yard_fault::{Code, Fault};
use yard_runtime::{Runtime, trace};

use crate::guard::Guard;
use crate::limits::Addresses;
use crate::limits::addresses::Held;
use crate::observe::Context;
use crate::problem::Refusal;
use crate::protect::Origins;

/// Until comms-websocket has answered.
const DEADLINE: Duration = Duration::from_secs(5);

/// A stop closes the tunnels spread over this time, so that their clients do not come back all at
/// once. comms-websocket has words for a stop of its own; ours cuts.
const SPREAD: Duration = Duration::from_secs(5);

/// What passes from the client. Cookies do not: a socket is authorised by its own messages.
const PASSED: [HeaderName; 8] = [
    header::HOST,
    header::ORIGIN,
    header::USER_AGENT,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
    HeaderName::from_static(trace::TRACEPARENT),
];

const RETURNED: [HeaderName; 5] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

/// Opens tunnels.
pub(crate) struct Tunnel {
    pub(crate) upstream: String,
    pub(crate) origins: Origins,
    pub(crate) guard: Arc<Guard>,
    /// Sockets of each address.
    pub(crate) sockets: Addresses,
    pub(crate) runtime: Runtime,
}

impl Tunnel {
    /// Whether an address is a socket's.
    pub(crate) fn is_at(path: &str) -> bool {
        path.strip_prefix("/app/").is_some_and(|key| !key.is_empty() && !key.contains('/'))
    }

    /// Answers an upgrade.
    pub(crate) async fn answer(
        &self,
        context: &Context,
        mut request: Request<Body>,
    ) -> Result<Response, Refusal> {
        if !is_upgrade(request.headers()) {
            let text = "this address is for WebSockets";
            return Err(Fault::new(Code::RequestMalformed).with_public(text).into());
        }
        if !self.origins.admits(request.headers()) {
            count("refused");
            return Err(Fault::new(Code::AuthCsrfFailed)
                .with_public("the origin is not allowed")
                .into());
        }
        // Those who are connected are told; whoever comes now is answered as everywhere else.
        if let Some(closed) = self.guard.maintenance() {
            count("refused");
            return Err(closed);
        }
        let Some(held) = self.sockets.hold(context.client()) else {
            count("refused");
            return Err(Code::RateConcurrency.into());
        };
        let client = hyper::upgrade::on(&mut request);
        let handshake =
            tokio::time::timeout(DEADLINE, self.handshake(outgoing(context, &request)?));
        let answer = handshake.await.map_err(|_elapsed| Fault::new(Code::ServiceTimeout))??;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            count("refused");
            return Err(refused(answer.status()).into());
        }
        let response = switching(answer.headers());
        self.carry(client, hyper::upgrade::on(answer), context.client(), held);
        Ok(response)
    }

    async fn handshake(
        &self,
        outgoing: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        let unavailable = |e: Box<dyn std::error::Error + Send + Sync>| {
            Fault::new(Code::ServiceUnavailable).with_detail("open a socket").with_source(e)
        };
        let stream = TcpStream::connect(&self.upstream).await.map_err(|e| unavailable(e.into()))?;
        stream.set_nodelay(true).map_err(|e| unavailable(e.into()))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|e| unavailable(e.into()))?;
        self.runtime.tasks().spawn_request(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(error = %error, "socket connection ended");
            }
        });
        sender.send_request(outgoing).await.map_err(|e| unavailable(e.into()))
    }

    fn carry(&self, client: OnUpgrade, upstream: OnUpgrade, address: IpAddr, held: Held) {
        let guard = Arc::clone(&self.guard);
        let shutdown = self.runtime.shutdown();
        let (soft, hard) = (shutdown.soft().clone(), shutdown.hard().clone());
        let pause = pause(&self.runtime);
        self.runtime.tasks().spawn_request(async move {
            let (client, upstream) = match tokio::try_join!(client, upstream) {
                Ok(both) => both,
                Err(error) => {
                    count("broken");
                    tracing::debug!(error = %error, "socket was not upgraded");
                    return;
                }
            };
            count("opened");
            metrics::gauge!("yard_socket_tunnels").increment(1.0);
            tokio::select! {
                () = hard.cancelled() => {}
                () = leave(&soft, pause) => {}
                () = guard.until_banned(address) => {}
                () = copy(client, upstream) => {}
            }
            metrics::gauge!("yard_socket_tunnels").decrement(1.0);
            drop(held);
        });
    }
}

/// Where in [`SPREAD`] a tunnel closes: the low bits of an id are random.
fn pause(runtime: &Runtime) -> Duration {
    let place = runtime.ids().uuid7().as_u128() % SPREAD.as_millis();
    Duration::from_millis(place.try_into().unwrap_or_default())
}

async fn leave(soft: &CancellationToken, pause: Duration) {
    soft.cancelled().await;
    tokio::time::sleep(pause).await;
}

async fn copy(client: Upgraded, upstream: Upgraded) {
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    match copy_bidirectional(&mut client, &mut upstream).await {
        Ok((up, down)) => {
            metrics::counter!("yard_socket_bytes_total", "direction" => "up").increment(up);
            metrics::counter!("yard_socket_bytes_total", "direction" => "down").increment(down);
        }
        Err(error) => tracing::debug!(error = %error, "socket broke off"),
    }
}

fn outgoing(context: &Context, request: &Request<Body>) -> Result<Request<Empty<Bytes>>, Fault> {
    let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let mut outgoing = Request::new(Empty::new());
    *outgoing.uri_mut() = target.parse().map_err(|_e| Code::RequestMalformed)?;
    let headers = outgoing.headers_mut();
    for name in PASSED {
        if let Some(value) = request.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(client) = HeaderValue::try_from(context.client().to_string()) {
        headers.insert("x-forwarded-for", client);
    }
    Ok(outgoing)
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let names = |name: HeaderName, wanted: &str| {
        let lines = headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    names(header::CONNECTION, "upgrade") && names(header::UPGRADE, "websocket")
}

fn switching(upstream: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    for name in RETURNED {
        if let Some(value) = upstream.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// Why comms-websocket did not switch protocols.
fn refused(status: StatusCode) -> Fault {
    Fault::new(match status {
        StatusCode::NOT_FOUND => Code::RouteNotFound,
        StatusCode::FORBIDDEN => Code::AuthForbidden,
        StatusCode::TOO_MANY_REQUESTS => Code::RateLimited,
        status if status.is_client_error() => Code::RequestMalformed,
        _ => Code::ServiceUnavailable,
    })
}

fn count(outcome: &'static str) {
    metrics::counter!("yard_socket_tunnels_total", "outcome" => outcome).increment(1);
}
