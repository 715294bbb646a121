//! From a TCP connection to a WebSocket.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Door;
use super::refusal::Socket;
use crate::protocol::Closing;
use crate::telemetry;

/// From the first byte to the end of the request's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest head, bytes; the least that the HTTP library allows.
const LARGEST_HEAD: usize = 8_192;
const VERSION: u16 = 7;

/// A WebSocket, and whether it may stay. Refusals are told over the socket: an HTTP status would
/// make the client try again for ever.
pub(super) struct Opened {
    pub(super) socket: Socket,
    pub(super) verdict: Result<Wish, Closing>,
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

/// `None` when there was no WebSocket handshake; such a request has had its HTTP answer.
pub(super) async fn open(door: &Door, stream: TcpStream) -> Option<Opened> {
    let reception = Reception { verdict: Mutex::new(None) };
    let mut http = http1::Builder::new();
    http.max_buf_size(LARGEST_HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), reception);
    let done = tokio::time::timeout(PATIENCE, connection.without_shutdown()).await;
    let Ok(Ok(parts)) = done else {
        telemetry::closed("handshake");
        return None;
    };
    let verdict = parts.service.verdict.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let socket = WebSocketStream::from_partially_read(
        parts.io.into_inner(),
        parts.read_buf.to_vec(),
        Role::Server,
        Some(door.websocket()),
    )
    .await;
    Some(Opened { socket, verdict })
}

/// Answers the one request of a connection.
struct Reception {
    /// Set when the connection becomes a WebSocket.
    verdict: Mutex<Option<Result<Wish, Closing>>>,
}

impl Service<Request<Incoming>> for Reception {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let wants_socket = request.headers().contains_key(header::UPGRADE);
        let response = match create_response_with_body(&request, Full::default) {
            Ok(response) => {
                let verdict = judge(request.uri(), request.headers());
                *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
                response
            }
            Err(_) if wants_socket => answer(StatusCode::BAD_REQUEST, "bad handshake\n"),
            Err(_) if is_app_path(request.uri().path()) => {
                answer(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n")
            }
            Err(_) => answer(StatusCode::NOT_FOUND, "nothing here\n"),
        };
        ready(Ok(response))
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    if status == StatusCode::UPGRADE_REQUIRED {
        let value = header::HeaderValue::from_static("websocket");
        response.headers_mut().insert(header::UPGRADE, value);
    }
    response
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
        Ok(VERSION) => Ok(()),
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
    fn version_other_than_seven_is_refused_with_its_own_code() {
        assert_eq!(check_version("protocol=7&client=js&version=8.6.0&flash=false"), Ok(()));
        assert_eq!(check_version("client=js&protocol=7"), Ok(()));
        assert_eq!(check_version(""), Err(Closing::VersionMissing));
        assert_eq!(check_version("protocol"), Err(Closing::VersionMissing));
        assert_eq!(check_version("protocol=8"), Err(Closing::VersionUnsupported));
        assert_eq!(check_version("protocol=x"), Err(Closing::VersionMalformed));
        assert_eq!(check_version("protocol=99999999"), Err(Closing::VersionMalformed));
    }
}
