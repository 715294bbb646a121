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
use tokio_util::sync::CancellationToken;
use yard_runtime::{Runtime, TaskKind};

use crate::gateway::Gateway;

/// Until a request line and its headers are there, also on a connection that is kept open.
const HEADER_DEADLINE: Duration = Duration::from_secs(30);
/// Request line and headers, bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// Accepts until the soft stop; calls in hand are finished.
pub(crate) fn serve(runtime: &Runtime, listener: TcpListener, gateway: Arc<Gateway>) {
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
                    let (gateway, soft) = (Arc::clone(&gateway), soft.clone());
                    tasks.spawn_request(connection(stream, peer, gateway, soft));
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
    stream: TcpStream,
    peer: SocketAddr,
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
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
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
