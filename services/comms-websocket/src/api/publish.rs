use std::time::Instant;

use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::Api;
use super::event::Event;
use super::problem::Problem;
use crate::app::App;
use crate::bus::Said;
use crate::channel::{ChannelKey, ChannelName};
use crate::history::{Append, Position};
use crate::presence::Occupancy;
use crate::protocol;

/// What is told of an event that was published, of each of its channels.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// How they stand, where that was asked for.
    pub(super) stand: Vec<Occupancy>,
    /// Where the event stands in those that are recoverable.
    pub(super) positions: Vec<Option<Position>>,
}

/// An event on its way to one channel.
struct Letter<'e> {
    event: &'e Event,
    channel: &'e ChannelKey,
    frame: Utf8Bytes,
    version: u64,
    position: Option<Position>,
}

impl Api {
    /// Says events in their channels. Returns when they are kept, those of recoverable channels, and
    /// when the broker has the others. Whatever may fail before the first is said is done before it.
    pub(super) async fn publish(
        &self,
        app: &App,
        events: &[Event],
    ) -> Result<Vec<Published>, Problem> {
        if !events.iter().all(|event| is_kept(app, event)) {
            self.reachable()?;
        }
        let work = async {
            let stands = self.occupancies(events).await?;
            let mut letters = letters(events);
            self.keep(&mut letters).await?;
            let count = u32::try_from(letters.len()).unwrap_or(u32::MAX);
            for letter in &mut letters {
                letter.position = self.append(app, letter).await?;
            }
            let positions: Vec<_> = letters.iter().map(|one| one.position.clone()).collect();
            let mut settle = false;
            for letter in letters {
                settle |= letter.position.is_none();
                self.say(letter).await?;
            }
            if settle {
                self.heard.settle().await.map_err(|_error| BROKER_AWAY)?;
            }
            app.activity().published.add(self.pace.interval(Instant::now()), count);
            Ok(published(events, stands, positions))
        };
        timeout(self.settings.patience, work).await.unwrap_or(Err(BROKER_AWAY))
    }

    /// Nothing is begun that would be refused half-way.
    pub(super) fn reachable(&self) -> Result<(), Problem> {
        if self.hub.bus().nats().is_connected() { Ok(()) } else { Err(BROKER_AWAY) }
    }

    /// Ends the sockets of a user on every instance. Returns when the broker has it.
    pub(super) async fn terminate(&self, app: &App, user: &str) -> Result<Value, Problem> {
        if ChannelName::to_user(user).is_none() {
            return Err(Problem::malformed("a user's id has 1 to 128 bytes"));
        }
        self.reachable()?;
        let work = async {
            self.hub.bus().terminate(app.id(), user).await?;
            self.heard.settle().await
        };
        match timeout(self.settings.patience, work).await {
            Ok(Ok(())) => Ok(json!({})),
            Ok(Err(_)) | Err(_) => Err(BROKER_AWAY),
        }
    }

    async fn occupancies(&self, events: &[Event]) -> Result<Vec<Vec<Occupancy>>, Problem> {
        try_join_all(events.iter().map(|event| async {
            if event.info.is_empty() {
                return Ok(Vec::new());
            }
            let reads = event.channels.iter().map(|channel| self.rosters.read(channel, false));
            try_join_all(reads).await.map_err(|_error| STORE_AWAY)
        }))
        .await
    }

    /// Puts into each cache channel what it is to keep, and learns at which version.
    async fn keep(&self, letters: &mut [Letter<'_>]) -> Result<(), Problem> {
        let lifetime = i64::try_from(self.settings.cache_ttl.as_millis()).unwrap_or(i64::MAX);
        for letter in letters.iter_mut().filter(|letter| letter.channel.name.is_cache()) {
            let kept = self.rosters.keep(letter.channel, letter.frame.as_str(), lifetime).await;
            letter.version = kept.map_err(|_error| STORE_AWAY)?;
        }
        Ok(())
    }

    /// Keeps what is said in a recoverable channel; where it stands.
    async fn append(&self, app: &App, letter: &Letter<'_>) -> Result<Option<Position>, Problem> {
        let Letter { event, channel, frame, .. } = letter;
        let history = app.with_settings(|settings| settings.history(&channel.name));
        let Some((most, kept_for)) = history else { return Ok(None) };
        let key = event.key.as_ref().map(|key| format!("server:{key}"));
        let append = Append {
            channel,
            event: &event.name,
            frame,
            except: event.except.as_deref(),
            key: key.as_deref(),
            most,
            kept_for,
        };
        let position = self.hub.history().append(&append).await;
        position.map(Some).map_err(|_error| STORE_AWAY)
    }

    async fn say(&self, letter: Letter<'_>) -> Result<(), Problem> {
        let Letter { event, channel, frame, version, position } = letter;
        let kept = position.is_some();
        let (name, except) = (event.name.clone(), event.except.clone());
        let said = Said { event: name, frame, except, version, position };
        match self.hub.bus().say(channel, &said).await {
            Ok(()) => Ok(()),
            Err(error) if kept => {
                // Each instance finds it when it looks.
                tracing::debug!(channel = %channel, error = %error, "an event is kept, not told");
                Ok(())
            }
            Err(_) => Err(BROKER_AWAY),
        }
    }
}

/// Whether every channel of an event keeps it, so that the broker may be away.
fn is_kept(app: &App, event: &Event) -> bool {
    let keeps = |key: &ChannelKey| app.with_settings(|settings| settings.history(&key.name));
    event.channels.iter().all(|key| keeps(key).is_some())
}

/// What clients are to get, each message written once.
fn letters<'e>(events: &'e [Event]) -> Vec<Letter<'e>> {
    let of_event = |event: &'e Event| {
        let Event { name, data, channels, .. } = event;
        channels.iter().map(move |channel| {
            let frame = protocol::channel_event(channel.name.as_str(), name, data);
            Letter { event, channel, frame, version: 0, position: None }
        })
    };
    events.iter().flat_map(of_event).collect()
}

/// What is told of each event, of the channels' positions in the order of the letters.
fn published(
    events: &[Event],
    stands: Vec<Vec<Occupancy>>,
    positions: Vec<Option<Position>>,
) -> Vec<Published> {
    let mut positions = positions.into_iter();
    let of_event = |(event, stand): (&Event, Vec<Occupancy>)| Published {
        stand,
        positions: positions.by_ref().take(event.channels.len()).collect(),
    };
    events.iter().zip(stands).map(of_event).collect()
}

pub(super) const BROKER_AWAY: Problem = Problem::unavailable("the broker is away; try again");
pub(super) const STORE_AWAY: Problem =
    Problem::unavailable("what is known of channels is away; try again");
