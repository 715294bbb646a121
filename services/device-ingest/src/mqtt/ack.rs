use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rumqttc::{AsyncClient, ManualAck, Publish};
use tokio::sync::{Notify, watch};

/// What has to be sent so that the broker forgets a message; nothing for QoS 0.
#[derive(Debug)]
pub(crate) struct Acknowledgement {
    ack: Option<ManualAck>,
    generation: u64,
}

/// Lets acknowledgements through to the connection that their messages came by, and to no other:
/// packet ids begin anew with each connection, so a late one would acknowledge a stranger.
#[derive(Clone)]
pub(crate) struct AckGate {
    client: AsyncClient,
    // Locked while an acknowledgement is queued and while a connection is cleaned up, so that none
    // can slip in between.
    current: Arc<Mutex<u64>>,
    changed: watch::Sender<u64>,
    again: Arc<Notify>,
}

impl AckGate {
    pub(super) fn new(client: AsyncClient) -> Self {
        Self {
            client,
            current: Arc::new(Mutex::new(0)),
            changed: watch::Sender::new(0),
            again: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection now.
    pub(crate) fn generation(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Follows the connection.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The acknowledgement of a message, to be sent later.
    pub(crate) fn prepare(&self, publish: &Publish, generation: u64) -> Acknowledgement {
        Acknowledgement { ack: self.client.prepare_ack(publish), generation }
    }

    /// Sends it, unless its connection is gone; then the broker delivers the message again.
    pub(crate) fn send(&self, acknowledgement: Acknowledgement) {
        let Some(ack) = acknowledgement.ack else {
            return;
        };
        let current = self.lock();
        if *current != acknowledgement.generation {
            return;
        }
        // The queue has no bound; it only fails when the link has left for good.
        if let Err(error) = self.client.try_manual_ack(ack) {
            tracing::debug!(error = %error, "acknowledgement not sent");
        }
    }

    /// Ends a connection: `clean` drops what was queued for it.
    pub(super) fn next_generation(&self, clean: impl FnOnce()) {
        let mut current = self.lock();
        *current += 1;
        clean();
        self.changed.send_replace(*current);
    }

    /// Asks for a new connection, on which the broker delivers again all that is unacknowledged.
    pub(crate) fn ask_again(&self) {
        self.again.notify_one();
    }

    pub(super) async fn asked_again(&self) {
        self.again.notified().await;
    }
}
