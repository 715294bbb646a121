use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_contracts::topics::broker;

use super::Refusals;
use super::report::{BrokerState, Kicked, RefusalReport};

/// Reports that may wait. There is about one a second.
const WAITING: usize = 256;

struct Letter {
    topic: String,
    payload: Bytes,
}

/// Where the pipeline leaves the broker's reports, and where those who asked for a kick wait.
/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct BrokerDesk {
    letters: mpsc::Sender<Letter>,
    state: watch::Sender<Option<BrokerState>>,
    awaited: Arc<Mutex<HashMap<Uuid, oneshot::Sender<u32>>>>,
}

/// The other end of [`BrokerDesk`].
pub(crate) struct BrokerEars {
    letters: mpsc::Receiver<Letter>,
    desk: BrokerDesk,
}

impl BrokerDesk {
    pub(crate) fn new() -> (Self, BrokerEars) {
        let (letters, waiting) = mpsc::channel(WAITING);
        let desk = Self { letters, state: watch::Sender::new(None), awaited: Arc::default() };
        (desk.clone(), BrokerEars { letters: waiting, desk })
    }

    /// Whether a topic is the plugin's. Devices cannot publish there.
    pub(crate) fn is_report(topic: &str) -> bool {
        topic.starts_with(broker::REPORTS)
    }

    /// Leaves a report; never waits, so that it holds no telemetry up.
    pub(crate) fn leave(&self, topic: &str, payload: Bytes) {
        let letter = Letter { topic: topic.to_owned(), payload };
        if self.letters.try_send(letter).is_err() {
            count("no_room");
        }
    }

    /// What the broker last said of its revocation list; `None` before it has said anything.
    pub(crate) fn state(&self) -> watch::Receiver<Option<BrokerState>> {
        self.state.subscribe()
    }

    /// Waits for the answer to a kick. Dropping the receiver gives up.
    pub(crate) fn await_kick(&self, request: Uuid) -> oneshot::Receiver<u32> {
        let (sender, receiver) = oneshot::channel();
        let mut awaited = self.lock();
        awaited.retain(|_, waiting| !waiting.is_closed());
        awaited.insert(request, sender);
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, oneshot::Sender<u32>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_state(&self, state: BrokerState) {
        if let Some(number) = state.list.and_then(|number| u32::try_from(number).ok()) {
            metrics::gauge!("yard_broker_list_number").set(f64::from(number));
        }
        let unreadable = if state.list_unreadable { 1.0 } else { 0.0 };
        metrics::gauge!("yard_broker_list_unreadable").set(unreadable);
        if state.list_unreadable {
            tracing::error!(
                "the broker cannot read its revocation list: it lets revoked devices in"
            );
        }
        self.state.send_replace(Some(state));
    }

    fn note_kick(&self, kicked: Kicked) {
        metrics::counter!("yard_broker_kicked_connections_total")
            .increment(u64::from(kicked.connections));
        // Another instance's wish, or one that was given up: nobody waits here.
        if let Some(waiting) = self.lock().remove(&kicked.request) {
            let _given_up = waiting.send(kicked.connections);
        }
    }
}

impl BrokerEars {
    /// Reads reports until `stop`.
    pub(crate) async fn run(
        mut self,
        mut refusals: Refusals,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let letter = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                letter = self.letters.recv() => letter,
            };
            let Some(Letter { topic, payload }) = letter else { return Ok(()) };
            match topic.as_str() {
                broker::REFUSALS => {
                    if let Some(report) = read::<RefusalReport>(&payload) {
                        refusals.take(&report).await;
                    }
                }
                broker::STATE => {
                    if let Some(state) = read(&payload) {
                        self.desk.note_state(state);
                    }
                }
                broker::KICKED => {
                    if let Some(kicked) = read(&payload) {
                        self.desk.note_kick(kicked);
                    }
                }
                _ => count("unknown"),
            }
        }
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    match serde_json::from_slice(payload) {
        Ok(read) => {
            count("read");
            Some(read)
        }
        Err(error) => {
            count("unreadable");
            tracing::warn!(error = %error, "a report of the broker's plugin cannot be read");
            None
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("yard_broker_reports_total", "outcome" => outcome).increment(1);
}
