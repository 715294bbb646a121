//! The public listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use yard_runtime::{Runtime, TaskKind};

use crate::gateway::Gateway;
use crate::limits::addresses::Held;
use crate::limits::{Addresses, CapsConfig};

/// Where the parser gives up, with an answer without a body: twice what our own answer has words for.
const SLACK: usize = 2;

/// What connections of this listener may have.
struct Connections {
    all: Arc<Semaphore>,
    addresses: Addresses,
    builder: http1::Builder,
}

impl Connections {
    fn new(caps: &CapsConfig) -> Self {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(caps.header_time)
            .max_headers(caps.headers * SLACK)
            .max_buf_size((caps.header_bytes + caps.url_bytes) * SLACK);
        Self {
            all: Arc::new(Semaphore::new(caps.connections)),
            addresses: Addresses::new(caps.connections_per_address),
            builder,
        }
    }

    /// A connection's place. Proxies of ours bring many clients and have no limit of their own.
    fn enter(
        &self,
        peer: SocketAddr,
        gateway: &Gateway,
    ) -> Option<(OwnedSemaphorePermit, Option<Held>)> {
        let address = peer.ip().to_canonical();
        let held = if gateway.proxies.trusts(address) {
            None
        } else {
            Some(self.addresses.hold(address).or_else(|| refused("address"))?)
        };
        let place = Arc::clone(&self.all).try_acquire_owned().ok();
        Some((place.or_else(|| refused("all"))?, held))
    }
}

fn refused<T>(limit: &'static str) -> Option<T> {
    metrics::counter!("yard_http_connections_refused_total", "limit" => limit).increment(1);
    None
}

/// Accepts until the soft stop; calls in hand are finished.
pub(crate) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    caps: &CapsConfig,
    gateway: Arc<Gateway>,
) {
    let connections = Connections::new(caps);
    let tasks = runtime.tasks().clone();
    let soft = runtime.shutdown().soft().clone();
    runtime.tasks().spawn(TaskKind::Critical, "http", async move {
        loop {
            let accepted = tokio::select! {
                () = soft.cancelled() => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = connections.enter(peer, &gateway) else {
                        continue;
                    };
                    let (gateway, soft) = (Arc::clone(&gateway), soft.clone());
                    let builder = connections.builder.clone();
                    tasks.spawn_request(async move {
                        connection(builder, (stream, peer), gateway, soft).await;
                        drop(place);
                    });
                }
                // Out of file descriptors, most likely: others have to end first.
                Err(error) => {
                    tracing::warn!(error = %error, "could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
}

async fn connection(
    builder: http1::Builder,
    (stream, peer): (TcpStream, SocketAddr),
    gateway: Arc<Gateway>,
    soft: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "connection without TCP_NODELAY");
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, Infallible>(gateway.handle(request.map(Body::new), peer).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = soft.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended");
    }
}
