use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};
use yard_ids::{Clock, IdSource, RandomIds, SystemClock};

use crate::build_info::BuildInfo;
use crate::{Health, Shutdown, Tasks};

/// What a service gets at start; cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

struct Inner {
    build: BuildInfo,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    shutdown: Shutdown,
    tasks: Tasks,
    health: Health,
    addresses: Mutex<HashMap<&'static str, SocketAddr>>,
}

/// Builds a [`Runtime`] with other clocks and ids than the system's.
pub struct RuntimeBuilder {
    service: &'static str,
    version: &'static str,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl RuntimeBuilder {
    /// Replaces the clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the source of ids.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = ids;
        self
    }

    /// Installs the crypto provider and builds.
    #[must_use]
    pub fn build(self) -> Runtime {
        crate::install_crypto_provider();
        let shutdown = Shutdown::default();
        let instance = self.ids.uuid7().as_hyphenated().to_string();
        let build = BuildInfo { service: self.service, version: self.version, instance };
        Runtime {
            inner: Arc::new(Inner {
                build,
                clock: self.clock,
                ids: self.ids,
                tasks: Tasks::new(shutdown.clone()),
                shutdown,
                health: Health::default(),
                addresses: Mutex::default(),
            }),
        }
    }
}

impl Runtime {
    /// A runtime on the system's clock and randomness.
    #[must_use]
    pub fn builder(service: &'static str, version: &'static str) -> RuntimeBuilder {
        RuntimeBuilder { service, version, clock: Arc::new(SystemClock), ids: Arc::new(RandomIds) }
    }

    /// The service's name, for example `device-ingest`.
    #[must_use]
    pub fn service(&self) -> &'static str {
        self.inner.build.service
    }

    /// One id per process start; names lease holders and log lines.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.inner.build.instance
    }

    pub(crate) fn build(&self) -> &BuildInfo {
        &self.inner.build
    }

    /// Where the time comes from.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// Where ids come from.
    #[must_use]
    pub fn ids(&self) -> Arc<dyn IdSource> {
        Arc::clone(&self.inner.ids)
    }

    /// The two stops.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// Where tasks are started.
    #[must_use]
    pub fn tasks(&self) -> &Tasks {
        &self.inner.tasks
    }

    /// Readiness and checks.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Binds a listener and remembers its address under `name`.
    ///
    /// # Errors
    /// Names the listener and the address.
    pub async fn bind(&self, name: &'static str, at: SocketAddr) -> anyhow::Result<TcpListener> {
        let listener = listen(at).with_context(|| format!("bind {name} listener to {at}"))?;
        let address = listener.local_addr()?;
        tracing::info!(listener = name, address = %address, "listening");
        let mut addresses = self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.insert(name, address);
        Ok(listener)
    }

    /// The address of a listener bound before; for tests that asked for any port.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        let addresses = self.inner.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(name).copied()
    }

    /// Drains and waits for all tasks; `false` if some had to be abandoned or a critical one failed.
    pub async fn stop(&self, drain_delay: Duration, deadline: Duration) -> bool {
        self.inner.shutdown.begin();
        tokio::time::sleep(drain_delay).await;
        self.inner.shutdown.stop_softly();
        let tasks = &self.inner.tasks;
        let in_time = tokio::time::timeout(deadline, tasks.finished()).await.is_ok();
        if !in_time {
            tracing::warn!(tasks = tasks.alive(), "tasks did not finish in time");
            self.inner.shutdown.stop_hard();
            drop(tokio::time::timeout(Duration::from_secs(2), tasks.finished()).await);
        }
        in_time && !tasks.any_critical_failed()
    }
}

/// Connections that may wait to be accepted; the kernel takes `net.core.somaxconn` if that is less.
/// Clients that lost one instance come back at once, and a connection that finds no room waits a
/// second before it tries again.
const BACKLOG: u32 = 4_096;

fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A service that restarts takes its port back while old connections are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}
