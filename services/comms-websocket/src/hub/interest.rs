use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use futures::stream::SelectAll;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use yard_messaging::MessagingError;

use super::live::Live;
use crate::bus::Bus;
use crate::channel::Topic;
use crate::history::History;
use crate::presence::Changes;
use crate::telemetry::{self, Meters};

/// Without the broker's answer by then the join is confirmed all the same: the subscription is
/// made when the connection is back, and a client that waits for ever would be worse off.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked whether a recoverable channel has more than the broker brought.
const LOOK: Duration = Duration::from_secs(3);
/// Events that are read at once.
const PAGE: usize = 200;

/// What one channel's listeners are to hear, from the first to the last of them.
pub(super) struct Interest {
    pub(super) bus: Bus,
    pub(super) live: Arc<Live>,
    pub(super) topic: Option<Topic>,
    pub(super) meters: Arc<Meters>,
    pub(super) history: History,
}

impl Interest {
    /// Listens for the channel until its last listener is gone.
    pub(super) async fn follow(self, changes: Changes) {
        let said_in_it = Bus::subject(self.live.key());
        let mut sources = match self.subscribe(&said_in_it).await {
            Ok(sources) => sources,
            Err(error) => {
                tracing::error!(channel = %self.live.key(), error = %error, "channel hears nothing");
                SelectAll::new()
            }
        };
        self.meters.interests.increment(1);
        match timeout(PATIENCE, self.bus.nats().settle()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(channel = %self.live.key(), "channel joined while the broker is away");
            }
        }
        self.catch_up().await;
        for (id, user) in self.live.begin() {
            changes.comes(&self.live, id, user);
        }
        self.listen(&mut sources, &said_in_it).await;
        for mut source in sources {
            if let Err(error) = source.unsubscribe().await {
                tracing::debug!(error = %error, "could not unsubscribe");
            }
        }
        self.meters.interests.decrement(1);
    }

    async fn subscribe(&self, said_in_it: &str) -> Result<SelectAll<Subscriber>, MessagingError> {
        let mut sources = SelectAll::new();
        let subjects = self.topic.map(Topic::subjects).unwrap_or_default();
        for subject in subjects.into_iter().chain([said_in_it.to_owned()]) {
            sources.push(self.bus.nats().subscribe_live(subject).await?);
        }
        Ok(sources)
    }

    async fn listen(&self, sources: &mut SelectAll<Subscriber>, said_in_it: &str) {
        let mut looks = interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let recoverable = self.live.is_recoverable();
        loop {
            tokio::select! {
                () = self.live.abandoned() => return,
                message = sources.next(), if !sources.is_empty() => {
                    if let Some(message) = message {
                        self.hear(message, said_in_it);
                    }
                }
                () = self.live.holed(), if recoverable => self.catch_up().await,
                _ = looks.tick(), if recoverable => self.catch_up().await,
            }
        }
    }

    fn hear(&self, message: Message, said_in_it: &str) {
        if message.subject.as_str() == said_in_it {
            if let Some(said) = self.bus.read(message.payload) {
                self.live.hear(said, &self.meters);
            }
            return;
        }
        match self.topic.and_then(|topic| topic.event_in(&message.subject)) {
            Some(event) => self.live.publish(event, message.payload, &self.meters),
            None => telemetry::event_refused("foreign_subject"),
        }
    }

    /// Reads what was said in a recoverable channel and did not come by the broker.
    async fn catch_up(&self) {
        if !self.live.is_recoverable() {
            return;
        }
        loop {
            let since = self.live.position();
            match self.history.read(self.live.key(), since.as_ref(), PAGE).await {
                Ok(page) => {
                    let more = page.events.len() == PAGE;
                    self.live.fill(page, since.as_ref(), &self.meters);
                    if !more {
                        return;
                    }
                }
                Err(error) => {
                    // It is looked again; what is kept is not lost by waiting.
                    tracing::debug!(channel = %self.live.key(), error = %error, "history is away");
                    telemetry::hole("unread");
                    return;
                }
            }
        }
    }
}
