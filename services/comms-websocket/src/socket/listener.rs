use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use yard_authn::Grant;
use yard_runtime::Runtime;

use super::Door;
use super::door::socket_id;
use super::handshake::{self, Opened, Wish};
use super::refusal::{self, Ending, Stream};
use super::session::Session;
use crate::app::{App, Unavailable};
use crate::protocol::Closing;
use crate::telemetry;

/// Connections beyond the limit that are still told why; more are dropped at once.
const TOLD: usize = 512;
/// After an error of `accept`, for example no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the soft stop, then closes everybody in waves.
pub(crate) async fn serve(
    door: Arc<Door>,
    listener: TcpListener,
    rt: Runtime,
) -> anyhow::Result<()> {
    let soft = rt.shutdown().soft().clone();
    let connected = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            () = soft.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let place = Place::take(&connected);
                if place.number > door.settings.max_connections + TOLD {
                    telemetry::closed("dropped");
                    continue;
                }
                let soft = soft.clone();
                rt.tasks().spawn_request(attend(Arc::clone(&door), stream, soft, place));
            }
            Err(error) => {
                tracing::warn!(error = %error, "could not accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    door.registry.drain(door.settings.drain_window).await;
    Ok(())
}

/// Counts a TCP connection: a socket, or what may become one.
pub(super) struct Place {
    connected: Arc<AtomicUsize>,
    number: usize,
}

impl Place {
    fn take(connected: &Arc<AtomicUsize>) -> Self {
        let number = connected.fetch_add(1, Ordering::Relaxed) + 1;
        Self { connected: Arc::clone(connected), number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The whole life of one connection. Nothing that happens here ends anything else.
async fn attend(door: Arc<Door>, stream: TcpStream, soft: CancellationToken, place: Place) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "connection is gone already");
        return;
    }
    let Some(stream) = Box::pin(door.secure(stream, &soft)).await else {
        telemetry::closed("handshake");
        return;
    };
    // Boxed: what the handshake needs is given back before the session's long life begins.
    let opening = Box::pin(handshake::open(&door, stream, place, &soft));
    let Some(Opened { socket, verdict, place: _place }) = opening.await else {
        return;
    };
    let admitted = match verdict {
        Ok(wish) => Box::pin(door.admit(wish)).await,
        Err(why) => Err(why),
    };
    let id = socket_id().ok_or(Closing::OverCapacity);
    let outbox = door.hub.outbox(door.limits(), id.as_deref().unwrap_or_default());
    let entered = id.and(admitted).and_then(|(app, grant)| {
        let entered = door.registry.enter(&outbox, &app, door.settings.max_connections);
        let entry = entered.inspect_err(|why| door.watch.socket_refused(&app, *why))?;
        if let Some(grant) = grant {
            entry.bind(grant);
        }
        Ok((app, entry))
    });
    match entered {
        Err(why) => Box::pin(refusal::end(socket, Ending::Close(why))).await,
        Ok((app, entry)) => Session::new(door, app, socket, outbox, entry).run().await,
    }
}

impl Door {
    /// Shakes hands by TLS where it is spoken here, and says whether the connection is as safe as it
    /// has to be; `None` when the client did not come so far.
    async fn secure(&self, stream: TcpStream, soft: &CancellationToken) -> Option<(Stream, bool)> {
        let Some(tls) = &self.tls else {
            return Some((Stream::Left(stream), true));
        };
        let opening = timeout(self.settings.handshake_timeout, tls.open(stream));
        soft.run_until_cancelled(opening).await?.ok()?.ok()
    }

    /// The app that a socket comes to, and what its ticket was made for, if it has one and its
    /// session still stands.
    async fn admit(&self, wish: Wish) -> Result<(Arc<App>, Option<Grant>), Closing> {
        let Wish { key, origin, ticket } = wish;
        let app = self.apps.by_key(&key).await.map_err(|Unavailable| Closing::Unavailable)?;
        let app = app.ok_or(Closing::UnknownApp)?;
        match self.let_in(&app, origin, ticket).await {
            Ok(grant) => Ok((app, grant)),
            Err(why) => {
                self.watch.socket_refused(&app, why);
                Err(why)
            }
        }
    }

    async fn let_in(
        &self,
        app: &App,
        origin: Option<String>,
        ticket: Option<String>,
    ) -> Result<Option<Grant>, Closing> {
        if let Some(why) = app.refusal() {
            return Err(why);
        }
        app.with_settings(|settings| match origin {
            Some(origin) if !settings.lets_in(&origin) => Err(Closing::OriginRefused),
            Some(_) | None => Ok(()),
        })?;
        let Some(ticket) = ticket else {
            // Tenants' own apps are as Pusher's: their servers sign for what needs it.
            let enough = self.settings.anonymous || app.tenant().is_some();
            return if enough { Ok(None) } else { Err(Closing::TicketRefused) };
        };
        let grant = self.tickets.redeem(&ticket).await.ok_or(Closing::TicketRefused)?;
        if app.tenant().is_some_and(|own| grant.tenant != Some(own)) {
            return Err(Closing::TicketRefused);
        }
        match self.judge.verdict(&grant) {
            Some(why) => Err(why),
            None => Ok(Some(grant)),
        }
    }
}
