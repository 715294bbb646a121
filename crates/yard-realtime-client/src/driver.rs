use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::rand;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::authorize::{Authorization, Authorize};
use crate::connection::{Connection, End};
use crate::track::{Position, Track};
use crate::wire::{self, Incoming};
use crate::{Event, Said, SayError, Settings, Wish};

/// Keeps the socket and speaks by it.
#[must_use = "nothing happens until it is run"]
pub struct Driver<A> {
    settings: Settings,
    authorize: A,
    wishes: mpsc::Receiver<Wish>,
    events: mpsc::Sender<Event>,
    channels: HashMap<String, Track>,
    /// What was said and not answered, in the order in which it was said.
    saying: BTreeMap<u64, Saying>,
    next_id: u64,
    /// Before the ids: nobody guesses them, so that the service knows what is said again.
    drawn: String,
}

struct Saying {
    channel: String,
    event: String,
    data: Value,
    answer: oneshot::Sender<Result<Position, SayError>>,
}

/// Nobody is left who wants anything.
struct Over;

impl<A: Authorize> Driver<A> {
    pub(crate) fn new(
        settings: Settings,
        authorize: A,
        wishes: mpsc::Receiver<Wish>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        let (channels, saying) = (HashMap::new(), BTreeMap::new());
        let drawn = draw();
        Self { settings, authorize, wishes, events, channels, saying, next_id: 1, drawn }
    }

    /// Until the service will not have this client, or the last [`crate::Client`] is dropped.
    pub async fn run(mut self) {
        loop {
            let end = match Connection::open(&self.settings).await {
                Ok(mut connection) => match self.converse(&mut connection).await {
                    Ok(Over) => return,
                    Err(end) => {
                        self.tell(Event::Disconnected).await;
                        end
                    }
                },
                Err(end) => end,
            };
            self.channels.values_mut().for_each(Track::interrupt);
            match end {
                End::Never { code, reason } => {
                    return self.tell(Event::Ended { code, reason }).await;
                }
                End::Again { at_once: true } => {}
                End::Again { at_once: false } => {
                    if let Some(Over) = self.rest().await {
                        return;
                    }
                }
            }
        }
    }

    /// Between two sockets: what is wished meanwhile is remembered.
    async fn rest(&mut self) -> Option<Over> {
        let pause = sleep(self.settings.pause);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return None,
                wish = self.wishes.recv() => match wish {
                    Some(wish) => drop(self.remember(wish)),
                    None => return Some(Over),
                },
            }
        }
    }

    async fn converse(&mut self, connection: &mut Connection) -> Result<Over, End> {
        let socket_id = connection.socket_id.clone();
        self.tell(Event::Connected { socket_id }).await;
        let channels: Vec<String> = self.channels.keys().cloned().collect();
        for channel in channels {
            self.join(connection, &channel).await?;
        }
        loop {
            tokio::select! {
                incoming = connection.next() => self.hear(connection, incoming?).await?,
                wish = self.wishes.recv() => match wish {
                    Some(wish) => self.grant(connection, wish).await?,
                    None => return Ok(Over),
                },
            }
        }
    }

    async fn join(&mut self, connection: &mut Connection, channel: &str) -> Result<(), End> {
        let open = !["private-", "presence-"].iter().any(|start| channel.starts_with(start));
        let signed = if open {
            Ok(Authorization { auth: String::new(), channel_data: None })
        } else {
            self.authorize.authorize(&connection.socket_id, channel).await
        };
        match signed {
            Ok(signed) => {
                let recover = self.channels.get(channel).and_then(Track::position);
                connection.send(wire::subscribe(channel, &signed, recover)).await
            }
            Err(reason) => {
                self.tell(Event::Refused { channel: channel.to_owned(), status: 0, reason }).await;
                Ok(())
            }
        }
    }

    /// Keeps a wish for this socket and the next; what is to be sent for it now.
    fn remember(&mut self, wish: Wish) -> Option<Sending> {
        match wish {
            Wish::Subscribe(channel) => {
                let new = !self.channels.contains_key(&channel);
                self.channels.entry(channel.clone()).or_default();
                new.then_some(Sending::Join(channel))
            }
            Wish::Unsubscribe(channel) => {
                let known = self.channels.remove(&channel).is_some();
                known.then(|| Sending::Text(wire::unsubscribe(&channel)))
            }
            Wish::Acknowledge { channel, ids } => {
                let data = json!({ "ids": ids });
                Some(Sending::Text(wire::trigger(&channel, "client-comms-ack", &data)))
            }
            Wish::Say { channel, event, mut data, answer } => {
                let Some(fields) = data.as_object_mut() else {
                    let problem = "the data of an event that is said is an object".to_owned();
                    drop(answer.send(Err(SayError::Refused(problem))));
                    return None;
                };
                let id = self.next_id;
                self.next_id += 1;
                fields.insert("_cid".to_owned(), format!("{}-{id}", self.drawn).into());
                let text = wire::trigger(&channel, &event, &data);
                self.saying.insert(id, Saying { channel, event, data, answer });
                Some(Sending::Text(text))
            }
        }
    }

    async fn grant(&mut self, connection: &mut Connection, wish: Wish) -> Result<(), End> {
        match self.remember(wish) {
            Some(Sending::Join(channel)) => self.join(connection, &channel).await,
            Some(Sending::Text(text)) => connection.send(text).await,
            None => Ok(()),
        }
    }

    async fn hear(&mut self, connection: &mut Connection, incoming: Incoming) -> Result<(), End> {
        if incoming.event == "pusher:ping" {
            return connection.send(wire::pong()).await;
        }
        let Some(channel) = incoming.channel.clone() else { return Ok(()) };
        // What comes behind an unsubscribe is nobody's.
        if !self.channels.contains_key(&channel) {
            return Ok(());
        }
        if incoming.is_of_the_service() {
            return self.heed(connection, channel, incoming).await;
        }
        let place = self.channels.entry(channel.clone()).or_default().hear();
        let event = incoming.event.clone();
        let data = incoming.data();
        if let (true, Some(id)) = (place.again, &place.message) {
            let text = wire::trigger(&channel, "client-comms-ack", &json!({ "ids": [id] }));
            return connection.send(text).await;
        }
        let (position, message) = (place.position, place.message);
        self.tell(Event::Said(Said { channel, event, data, position, message })).await;
        Ok(())
    }

    /// What the service says of a channel.
    async fn heed(
        &mut self,
        connection: &mut Connection,
        channel: String,
        incoming: Incoming,
    ) -> Result<(), End> {
        let event = incoming.event.clone();
        let data = incoming.data();
        match event.as_str() {
            "pusher_internal:subscription_succeeded" => {
                let waiting: Vec<String> = self
                    .saying
                    .values()
                    .filter(|saying| saying.channel == channel)
                    .map(|saying| wire::trigger(&saying.channel, &saying.event, &saying.data))
                    .collect();
                self.tell(Event::Subscribed { channel, data }).await;
                for text in waiting {
                    connection.send(text).await?;
                }
            }
            "pusher:subscription_error" => {
                let status = data.get("status").and_then(Value::as_u64).unwrap_or_default();
                let reason = data.get("error").and_then(Value::as_str).unwrap_or_default();
                let (status, reason) = (u16::try_from(status).unwrap_or(0), reason.to_owned());
                self.tell(Event::Refused { channel, status, reason }).await;
            }
            "comms:position" | "comms:recovery" => self.place(channel, &data).await,
            "comms:message" => {
                let id = data.get("id").and_then(Value::as_str);
                if let (Some(track), Some(id)) = (self.channels.get_mut(&channel), id) {
                    track.announce(id.to_owned());
                }
            }
            "comms:accepted" | "comms:refused" => self.answer(&data),
            _ => {}
        }
        Ok(())
    }

    async fn place(&mut self, channel: String, data: &Value) {
        let Some(position) = wire::position(data) else { return };
        if let Some(track) = self.channels.get_mut(&channel) {
            track.stand_at(position.clone());
        }
        if data.get("recovered") == Some(&Value::Bool(false)) {
            self.tell(Event::Gap { channel, position }).await;
        }
    }

    fn answer(&mut self, data: &Value) {
        let id = data.get("_cid").and_then(Value::as_str).and_then(|id| id.rsplit_once('-'));
        let number = id.filter(|(drawn, _)| *drawn == self.drawn).and_then(|(_, n)| n.parse().ok());
        let Some(saying) = number.and_then(|n: u64| self.saying.remove(&n)) else { return };
        let reason = data.get("reason").and_then(Value::as_str).unwrap_or("no reason");
        let refused = || SayError::Refused(reason.to_owned());
        // Whoever said it may have lost interest.
        drop(saying.answer.send(wire::position(data).ok_or_else(refused)));
    }

    async fn tell(&self, event: Event) {
        // Nobody needs to listen.
        drop(self.events.send(event).await);
    }
}

/// 128 random bits. Without randomness ids could be guessed, and a retry may count twice; the client
/// works all the same.
fn draw() -> String {
    let mut bytes = [0; 16];
    let _filled = rand::fill(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

enum Sending {
    Join(String),
    Text(String),
}
