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
use crate::presence::Occupancy;
use crate::protocol;

/// An event on its way to one channel.
struct Letter<'e> {
    event: &'e Event,
    channel: &'e ChannelKey,
    frame: Utf8Bytes,
    version: u64,
}

impl Api {
    /// Says events in their channels. Returns when the broker has them; what it returns is, for each
    /// event that asked, how its channels stand. Whatever may fail before the first is said is done
    /// before it.
    pub(super) async fn publish(
        &self,
        app: &App,
        events: &[Event],
    ) -> Result<Vec<Vec<Occupancy>>, Problem> {
        self.reachable()?;
        let work = async {
            let told = self.occupancies(events).await?;
            let mut letters = letters(events);
            self.keep(&mut letters).await?;
            let count = u32::try_from(letters.len()).unwrap_or(u32::MAX);
            for letter in letters {
                self.say(letter).await?;
            }
            self.heard.settle().await.map_err(|_error| BROKER_AWAY)?;
            app.activity().published.add(self.pace.interval(Instant::now()), count);
            Ok(told)
        };
        timeout(self.settings.patience, work).await.unwrap_or(Err(BROKER_AWAY))
    }

    /// Nothing is begun that would be refused half-way.
    pub(super) fn reachable(&self) -> Result<(), Problem> {
        if self.bus.nats().is_connected() { Ok(()) } else { Err(BROKER_AWAY) }
    }

    /// Ends the sockets of a user on every instance. Returns when the broker has it.
    pub(super) async fn terminate(&self, app: &App, user: &str) -> Result<Value, Problem> {
        if ChannelName::to_user(user).is_none() {
            return Err(Problem::malformed("a user's id has 1 to 128 bytes"));
        }
        self.reachable()?;
        let work = async {
            self.bus.terminate(app.id(), user).await?;
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

    async fn say(&self, letter: Letter<'_>) -> Result<(), Problem> {
        let Letter { event, channel, frame, version } = letter;
        let (name, except) = (event.name.clone(), event.except.clone());
        let said = Said { event: name, frame, except, version };
        self.bus.say(channel, &said).await.map_err(|_error| BROKER_AWAY)
    }
}

/// What clients are to get, each message written once.
fn letters<'e>(events: &'e [Event]) -> Vec<Letter<'e>> {
    let of_event = |event: &'e Event| {
        let Event { name, data, channels, .. } = event;
        channels.iter().map(move |channel| {
            let frame = protocol::channel_event(channel.name.as_str(), name, data);
            Letter { event, channel, frame, version: 0 }
        })
    };
    events.iter().flat_map(of_event).collect()
}

pub(super) const BROKER_AWAY: Problem = Problem::unavailable("the broker is away; try again");
pub(super) const STORE_AWAY: Problem =
    Problem::unavailable("what is known of channels is away; try again");
