use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use yard_runtime::{ConfigError, Runtime, TaskKind, follow_files};

use super::caller::Connection;
use super::http::Est;
use super::tls::server_config;
use crate::config::EstConfig;

/// Connections at a time; the next wait to be taken.
const MOST_CONNECTIONS: usize = 256;
/// For a handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// From the handshake to the end, whatever is asked meanwhile.
const LONGEST: Duration = Duration::from_secs(60);
/// After the listener failed to take a connection: mostly there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the soft stop.
///
/// # Errors
/// When the listener's own certificate or key cannot be used.
pub(crate) fn serve(
    runtime: &Runtime,
    listener: TcpListener,
    config: &EstConfig,
    est: Est,
) -> Result<(), ConfigError> {
    let (publish, current) = watch::channel(server_config(config)?);
    let (files, config) = (vec![config.cert_file.clone(), config.key_file.clone()], config.clone());
    follow_files(runtime, "est certificate", files, move || {
        publish.send_replace(server_config(&config)?);
        Ok(())
    });
    let soft = runtime.shutdown().soft().clone();
    let accept = Acceptor { listener, current, router: est.router(), runtime: runtime.clone() };
    runtime.tasks().spawn(TaskKind::Critical, "est", accept.run(soft));
    Ok(())
}

struct Acceptor {
    listener: TcpListener,
    current: watch::Receiver<Arc<ServerConfig>>,
    router: Router,
    runtime: Runtime,
}

impl Acceptor {
    async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        loop {
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place?,
                () = stop.cancelled() => return Ok(()),
            };
            let taken = tokio::select! {
                taken = self.listener.accept() => taken,
                () = stop.cancelled() => return Ok(()),
            };
            let (stream, peer) = match taken {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::debug!(error = %error, "no EST connection taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let acceptor = TlsAcceptor::from(Arc::clone(&self.current.borrow()));
            let (router, stop) = (self.router.clone(), stop.clone());
            self.runtime.tasks().spawn_request(async move {
                let _place = place;
                let talk = connection(acceptor, stream, peer, router, stop);
                drop(tokio::time::timeout(LONGEST, talk).await);
            });
        }
    }
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
) {
    let Ok(Ok(stream)) = tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await else {
        return;
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let about = Connection {
        address: peer.ip().to_canonical(),
        certificate: shown.map(|certificate| certificate.to_vec()),
    };
    let service = TowerToHyperService::new(router.layer(Extension(about)));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(16 * 1024);
    let talk = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(talk);
    tokio::select! {
        // A client that breaks off is nobody's failure here.
        done = &mut talk => drop(done),
        () = stop.cancelled() => {
            talk.as_mut().graceful_shutdown();
            drop(talk.await);
        }
    }
}
