//! From a TCP connection to a WebSocket, or to calls of the HTTP API.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Either};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::Door;
use super::listener::Place;
use super::refusal::{Socket, Stream};
use crate::api::{Api, Line};
use crate::protocol::Closing;
use crate::telemetry;

/// What a call may still take when the service stops.
const LAST_CALL: Duration = Duration::from_secs(3);
/// Largest head, bytes; the least that the HTTP library allows.
const LARGEST_HEAD: usize = 8_192;
/// Of RFC 6455.
const VERSION: &str = "13";
/// Six differs from seven in nothing that a client can tell; pysher asks for it.
const VERSIONS: RangeInclusive<u16> = 6..=7;

/// A WebSocket, and whether it may stay. Refusals are told over the socket: an HTTP status would
/// make the client try again for ever.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) verdict: Result<Wish, Closing>,
    /// Among all connections.
    pub(super) place: Place,
}

/// What a socket comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// Of the app.
    pub(super) key: String,
    /// Of the page, from a browser.
    pub(super) origin: Option<String>,
    /// To be redeemed before anything is said.
    pub(super) ticket: Option<String>,
}

/// `None` when there was no WebSocket handshake: such requests have had their HTTP answers, and a
/// connection that made calls of the HTTP API is done with them.
pub(super) async fn open(
    door: &Door,
    (stream, secure): (Stream, bool),
    place: Place,
    soft: &CancellationToken,
) -> Option<Opened> {
    let desk = Arc::new(Desk::new(place));
    let reception = Reception { api: Arc::clone(&door.api), desk: Arc::clone(&desk), secure };
    let patience = door.settings.handshake_timeout;
    let mut http = http1::Builder::new();
    http.max_buf_size(LARGEST_HEAD).timer(TokioTimer::new()).header_read_timeout(patience);
    let mut connection = http.serve_connection(TokioIo::new(stream), reception);
    let done = tokio::select! {
        biased;
        done = poll_fn(|cx| connection.poll_without_shutdown(cx)) => done,
        () = soft.cancelled() => {
            // A handshake that is not done by the stop would only be closed again; a call is answered.
            if !desk.makes_calls() {
                return None;
            }
            Pin::new(&mut connection).graceful_shutdown();
            let rest = poll_fn(|cx| connection.poll_without_shutdown(cx));
            timeout(LAST_CALL, rest).await.ok()?
        }
    };
    if done.is_err() {
        if !desk.makes_calls() {
            telemetry::closed("handshake");
        }
        return None;
    }
    let (verdict, place) = desk.opened()?;
    let parts = connection.into_parts();
    let socket = WebSocketStream::from_partially_read(
        parts.io.into_inner(),
        parts.read_buf.to_vec(),
        Role::Server,
        Some(door.websocket()),
    )
    .await;
    Some(Opened { socket, verdict, place })
}

/// What is known of a connection while it speaks HTTP.
struct Desk(Mutex<Known>);

struct Known {
    /// Given back when the connection turns out to make calls, which have places of their own.
    place: Option<Place>,
    /// Set when the connection becomes a WebSocket.
    verdict: Option<Result<Wish, Closing>>,
    /// Set when it has made a call.
    line: Option<Line>,
}

impl Desk {
    const fn new(place: Place) -> Self {
        Self(Mutex::new(Known { place: Some(place), verdict: None, line: None }))
    }

    fn makes_calls(&self) -> bool {
        self.known().line.is_some()
    }

    /// Whether the connection may make a call. From its first on it is for nothing else.
    fn call(&self, api: &Api) -> bool {
        let mut known = self.known();
        if known.line.is_none() {
            known.line = api.line();
        }
        if known.line.is_some() {
            known.place = None;
        }
        known.line.is_some()
    }

    /// The connection becomes a WebSocket, unless it makes calls.
    fn open(&self, verdict: Result<Wish, Closing>) -> bool {
        let mut known = self.known();
        let may = known.line.is_none();
        if may {
            known.verdict = Some(verdict);
        }
        may
    }

    fn opened(&self) -> Option<(Result<Wish, Closing>, Place)> {
        let mut known = self.known();
        known.verdict.take().zip(known.place.take())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the requests of a connection: one handshake, or calls of the HTTP API.
struct Reception {
    api: Arc<Api>,
    desk: Arc<Desk>,
    /// Whether the connection is as safe as it has to be here.
    secure: bool,
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

impl Service<Request<Incoming>> for Reception {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    /// A handshake needs no allocation of its own.
    type Future = Either<Ready<Answer>, BoxFuture<'static, Answer>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        // Some HTTP clients offer to upgrade to HTTP/2 with every request.
        let upgrade = request.headers().get(header::UPGRADE);
        let wants_socket =
            upgrade.is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
        if !wants_socket && Api::is_served(request.uri().path()) {
            return self.pass_on(request);
        }
        Either::Left(ready(Ok(self.receive(&request))))
    }
}

impl Reception {
    fn pass_on(&self, request: Request<Incoming>) -> <Self as Service<Request<Incoming>>>::Future {
        if !self.secure {
            let refused = answer(StatusCode::FORBIDDEN, "only TLS is spoken here\n");
            return Either::Left(ready(Ok(refused)));
        }
        if !self.desk.call(&self.api) {
            let mut response = Api::full();
            close(&mut response);
            return Either::Left(ready(Ok(response)));
        }
        let api = Arc::clone(&self.api);
        Either::Right(async move { Ok(api.answer(request).await) }.boxed())
    }

    fn receive(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let wants_socket = request.headers().contains_key(header::UPGRADE);
        match create_response_with_body(request, Full::default) {
            Ok(response) => {
                let verdict = match self.secure {
                    true => judge(request.uri(), request.headers()),
                    false => Err(Closing::TlsOnly),
                };
                match self.desk.open(verdict) {
                    true => response,
                    false => answer(StatusCode::BAD_REQUEST, "this connection makes calls\n"),
                }
            }
            Err(_) if wants_socket && speaks_another(request.headers()) => {
                let mut response = answer(StatusCode::UPGRADE_REQUIRED, "unknown version\n");
                let spoken = header::HeaderValue::from_static(VERSION);
                response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, spoken);
                response
            }
            Err(_) if wants_socket => answer(StatusCode::BAD_REQUEST, "bad handshake\n"),
            Err(_) if is_app_path(request.uri().path()) => {
                answer(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n")
            }
            Err(_) => answer(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }
}

fn close(response: &mut Response<Full<Bytes>>) {
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}

fn answer(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    close(&mut response);
    if status == StatusCode::UPGRADE_REQUIRED {
        let value = header::HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, value);
    }
    response
}

/// Whether another version of WebSocket is asked for than is spoken.
fn speaks_another(headers: &HeaderMap) -> bool {
    headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|asked| asked != VERSION)
}

fn is_app_path(path: &str) -> bool {
    app_key(path).is_some()
}

/// The key in `…/app/{key}`: clients may put a path of their own before it.
fn app_key(path: &str) -> Option<&str> {
    let (before, key) = path.rsplit_once('/')?;
    before.ends_with("/app").then_some(key)
}

fn judge(uri: &http::Uri, headers: &HeaderMap) -> Result<Wish, Closing> {
    let key = app_key(uri.path()).ok_or(Closing::PathNotFound)?.to_owned();
    let query = uri.query().unwrap_or_default();
    check_version(query)?;
    let origin = match headers.get(header::ORIGIN).map(header::HeaderValue::to_str) {
        None => None,
        Some(Ok(origin)) => Some(origin.to_owned()),
        Some(Err(_)) => return Err(Closing::OriginRefused),
    };
    Ok(Wish { key, origin, ticket: ticket(query).map(str::to_owned) })
}

/// Tickets have no letter that a query writes otherwise.
fn ticket(query: &str) -> Option<&str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == "ticket").map(|(_, ticket)| ticket)
}

fn check_version(query: &str) -> Result<(), Closing> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, version) =
        pairs.find(|(name, _)| *name == "protocol").ok_or(Closing::VersionMissing)?;
    match version.parse::<u16>() {
        Ok(version) if VERSIONS.contains(&version) => Ok(()),
        Ok(_) => Err(Closing::VersionUnsupported),
        Err(_) => Err(Closing::VersionMalformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn app_key_is_read_behind_any_prefix() {
        assert_eq!(app_key("/app/key"), Some("key"));
        assert_eq!(app_key("/s/abc/app/key"), Some("key"));
        for path in ["/", "/app", "/apps/key", "/app/key/", "/app/a/b", "", "*"] {
            assert!(app_key(path).is_none_or(str::is_empty), "{path}");
        }
    }

    #[test]
    fn ticket_is_read_from_the_query_alone() {
        assert_eq!(ticket("protocol=7&ticket=ywt_a-B_9"), Some("ywt_a-B_9"));
        assert_eq!(ticket("ticket="), Some(""));
        assert_eq!(ticket("protocol=7&tickets=x"), None);
        assert_eq!(ticket(""), None);
    }

    #[test]
    fn version_other_than_six_and_seven_is_refused_with_its_own_code() {
        assert_eq!(check_version("protocol=7&client=js&version=8.6.0&flash=false"), Ok(()));
        assert_eq!(check_version("client=js&protocol=7"), Ok(()));
        assert_eq!(check_version("protocol=6"), Ok(()));
        assert_eq!(check_version("protocol=5"), Err(Closing::VersionUnsupported));
        assert_eq!(check_version(""), Err(Closing::VersionMissing));
        assert_eq!(check_version("protocol"), Err(Closing::VersionMissing));
        assert_eq!(check_version("protocol=8"), Err(Closing::VersionUnsupported));
        assert_eq!(check_version("protocol=x"), Err(Closing::VersionMalformed));
        assert_eq!(check_version("protocol=99999999"), Err(Closing::VersionMalformed));
    }
}
