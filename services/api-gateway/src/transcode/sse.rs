//! Server streaming as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use http::{HeaderValue, header};
use prost_reflect::DynamicMessage;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use yard_fault::{Code, Fault};

use super::encode;
use crate::problem::{self, Refusal};

/// Between signs of life, so that proxies keep the connection.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A stream of events. Dropping it, as a client that leaves does, cancels the call behind it.
struct Events {
    upstream: Streaming<DynamicMessage>,
    soft: CancellationToken,
    keepalive: Interval,
    /// Resolves when the caller may no longer listen.
    ousted: BoxFuture<'static, Fault>,
    request_id: String,
    ended: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

/// The response for a stream that has begun.
pub(super) fn respond(
    upstream: Streaming<DynamicMessage>,
    soft: CancellationToken,
    ousted: BoxFuture<'static, Fault>,
    request_id: String,
    permit: Option<OwnedSemaphorePermit>,
) -> Response {
    let mut keepalive = interval(KEEPALIVE);
    keepalive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let events =
        Events { upstream, soft, keepalive, ousted, request_id, ended: false, _permit: permit };
    let mut response = Response::new(Body::from_stream(stream(events)));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn stream(events: Events) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    futures::stream::unfold(events, |mut events| async move {
        let text = events.next().await?;
        Some((Ok(Bytes::from(text)), events))
    })
}

impl Events {
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        tokio::select! {
            biased;
            fault = &mut self.ousted => Some(self.end(fault.into())),
            () = self.soft.cancelled() => Some(self.end(Fault::new(Code::ServiceDraining).into())),
            item = self.upstream.message() => match item {
                Ok(Some(message)) => Some(match encode::message(&message) {
                    Ok(json) => format!("event: message\ndata: {json}\n\n"),
                    Err(fault) => self.end(fault.into()),
                }),
                Ok(None) => None,
                Err(status) => Some(self.end(Refusal::of_status(&status))),
            },
            _ = self.keepalive.tick() => Some(": keepalive\n\n".to_owned()),
        }
    }

    /// The last event.
    fn end(&mut self, refusal: Refusal) -> String {
        self.ended = true;
        let problem = problem::render(&refusal, &self.request_id, "stream an answer");
        let json = serde_json::to_string(&problem).unwrap_or_default();
        format!("event: error\ndata: {json}\n\n")
    }
}
