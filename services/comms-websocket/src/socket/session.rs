use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Door;
use super::admission::{self, Allowed, Candidate, ENDED, Refusal, TOO_MANY};
use super::refusal::{self, Ending, Socket};
use super::registry::Entry;
use crate::app::App;
use crate::budget::Budget;
use crate::bus::Said;
use crate::channel::{ChannelKey, ChannelName};
use crate::confirmed::{self, ACKNOWLEDGEMENT, Letter, PingNumber, Seat};
use crate::history::{Append, Position};
use crate::hub::{Item, Join, Membership, Outbox};
use crate::inspection::RefusedJoin;
use crate::presence::Person;
use crate::protocol::{self, ClientEvent, Closing, Incoming, PING, PONG, Signin, Subscribe};
use crate::telemetry;
use crate::webhook::{self, Kind};

/// Messages given to a socket before it is flushed and its client is heard again.
const BATCH: usize = 64;
/// A client's event was not passed on.
const EVENT_REFUSED: u16 = 4301;
const SIGNIN_REFUSED: u16 = 4009;
/// Longest name of an event, bytes.
const LONGEST_EVENT: usize = 200;
/// An id of so many characters, of a client's own event, is taken for one that nobody guesses.
const UNGUESSABLE: usize = 20;
/// Events of this service's own, of which a client may send none but those it offers.
const RESERVED: &str = "client-comms-";

/// One client. One task, and nothing it does waits for another client.
pub(super) struct Session {
    door: Arc<Door>,
    app: Arc<App>,
    socket: Socket,
    outbox: Arc<Outbox>,
    channels: HashMap<ChannelName, Place>,
    /// Whom the app's server vouched for.
    user: Option<Box<Person>>,
    budget: Budget,
    /// Of acknowledgements.
    receipts: Budget,
    heard: Instant,
    pinged: Option<Instant>,
    /// The library has the answer to a ping, perhaps not yet written.
    owes_pong: bool,
    entry: Entry,
}

/// A channel that the client is in.
struct Place {
    /// As a recipient of confirmed messages. It goes first: behind the channel's end nothing is sent.
    seat: Option<Box<Seat>>,
    membership: Membership,
    /// As whom, in a presence channel.
    user: Option<Box<str>>,
}

impl Session {
    pub(super) fn new(
        door: Arc<Door>,
        app: Arc<App>,
        socket: Socket,
        outbox: Arc<Outbox>,
        entry: Entry,
    ) -> Self {
        let now = Instant::now();
        Self {
            door,
            app,
            socket,
            outbox,
            channels: HashMap::new(),
            user: None,
            budget: Budget::new(now),
            receipts: Budget::new(now),
            heard: now,
            pinged: None,
            owes_pong: false,
            entry,
        }
    }

    pub(super) async fn run(mut self) {
        let timeout = self.door.settings.activity_timeout.as_secs();
        self.outbox.say(protocol::established(self.outbox.socket(), timeout));
        self.door.watch.opened(&self.app, self.outbox.socket());
        let ending = self.converse().await;
        // Leaves the channels before the goodbye, which may take a while.
        self.channels.clear();
        self.door.watch.ended(&self.app, self.outbox.socket());
        Box::pin(refusal::end(self.socket, ending)).await;
    }

    async fn converse(&mut self) -> Ending {
        let watch = sleep_until(self.heard + self.door.settings.activity_timeout);
        tokio::pin!(watch);
        loop {
            let outcome = tokio::select! {
                () = self.outbox.filled() => self.write().await,
                message = self.socket.next() => match self.take(message).await {
                    // Before more is read: pings by somebody who takes no answers would pile up.
                    Ok(()) if self.owes_pong => self.write().await,
                    outcome => outcome,
                },
                () = &mut watch => self.look_for_life().map(|next| watch.as_mut().reset(next)),
            };
            if let Err(ending) = outcome {
                return ending;
            }
        }
    }

    /// Writes what waits; ends if the client does not read for too long, or the end is called for.
    async fn write(&mut self) -> Result<(), Ending> {
        let (outbox, longest) = (Arc::clone(&self.outbox), self.door.settings.pong_timeout);
        tokio::select! {
            // First and mostly only: the others are polled when the kernel's buffer is full.
            biased;
            written = self.write_batch() => match written {
                Ok(()) => outbox.closing().map_or(Ok(()), |why| Err(Ending::Close(why))),
                Err(error) => Err(Ending::of(&error)),
            },
            why = outbox.ended() => Err(Ending::Close(why)),
            () = sleep(longest) => Err(Ending::Close(Closing::TooSlow)),
        }
    }

    async fn write_batch(&mut self) -> Result<(), WsError> {
        let (mut events, mut control) = (0, 0);
        while events + control < BATCH as u64 {
            let Some(item) = self.outbox.pop() else { break };
            let frame = match item {
                Item::Frame(frame) => {
                    control += 1;
                    frame
                }
                Item::Replay(_, frames) => {
                    for frame in frames {
                        events += 1;
                        self.socket.feed(Message::Text(frame)).await?;
                    }
                    continue;
                }
                Item::Refused(channel, frame) => {
                    control += 1;
                    self.channels.remove(&channel);
                    frame
                }
                Item::Event(event) => {
                    events += 1;
                    event.frame.clone()
                }
                Item::Confirmed(letter, ping) => {
                    events += 1;
                    self.write_confirmed(&letter, ping).await?;
                    continue;
                }
            };
            self.socket.feed(Message::Text(frame)).await?;
        }
        if events + control > 0 || self.owes_pong {
            self.socket.flush().await?;
            self.owes_pong = false;
            self.door.meters.events_out.increment(events);
            self.door.meters.control_out.increment(control);
        }
        Ok(())
    }

    async fn write_confirmed(
        &mut self,
        letter: &Letter,
        ping: Option<PingNumber>,
    ) -> Result<(), WsError> {
        self.socket.feed(Message::Text(letter.companion.clone())).await?;
        self.socket.feed(Message::Text(letter.event.clone())).await?;
        match ping {
            Some(ping) => self.socket.feed(Message::Ping(ping.payload())).await,
            None => Ok(()),
        }
    }

    async fn take(&mut self, message: Option<Result<Message, WsError>>) -> Result<(), Ending> {
        let message = match message {
            None => return Err(Ending::Gone),
            Some(Err(error)) => return Err(Ending::of(&error)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.pinged = None;
        match message {
            Message::Text(text) => self.hear(&text).await,
            Message::Binary(_) => Err(Ending::Close(Closing::BinaryRefused)),
            Message::Close(_) => Err(Ending::Left),
            Message::Pong(payload) => {
                self.door.confirmed.pong(&self.outbox, &payload);
                Ok(())
            }
            // The library answers pings itself, with our next flush.
            Message::Ping(_) => {
                self.owes_pong = true;
                Ok(())
            }
            Message::Frame(_) => Ok(()),
        }
    }

    async fn hear(&mut self, text: &Utf8Bytes) -> Result<(), Ending> {
        let incoming = match Incoming::parse(text.as_str()) {
            Ok(incoming) => incoming,
            Err(malformed) => {
                telemetry::heard("malformed");
                self.outbox.say(protocol::error(None, &malformed.to_string()));
                return Ok(());
            }
        };
        self.door.meters.heard(&incoming);
        match incoming {
            Incoming::Ping => self.outbox.say(PONG),
            Incoming::Subscribe(wish) => self.subscribe(&wish),
            Incoming::Unsubscribe { channel } => {
                if let Ok(name) = ChannelName::parse(&channel)
                    && self.channels.remove(&name).is_some()
                {
                    self.door.watch.left(&self.app, &name, self.outbox.socket());
                }
            }
            Incoming::ClientEvent(event) => self.take_event(event).await,
            Incoming::Signin(wish) => return self.sign_in(&wish),
            Incoming::Pong | Incoming::Unknown => {}
        }
        Ok(())
    }

    fn subscribe(&mut self, wish: &Subscribe) {
        match self.admit(wish) {
            Ok(join) => match self.channels.get(&join.channel.name) {
                Some(place) => place.membership.confirm(),
                None => {
                    let name = join.channel.name.clone();
                    let user = join.person.as_ref().map(|person| person.id.clone());
                    let channel = join.channel.clone();
                    let membership = self.door.hub.join(join, &self.outbox);
                    let known =
                        user.as_deref().or_else(|| self.user.as_ref().map(|user| &*user.id));
                    let seat = known
                        .and_then(|user| self.door.confirmed.sit(&channel, user, &self.outbox));
                    self.door.watch.joined(&self.app, &name, self.outbox.socket());
                    self.channels.insert(name, Place { seat, membership, user });
                }
            },
            Err(Refusal { kind, problem, status, label }) => {
                telemetry::join_refused(label);
                // A name that is none of ours is not repeated at length.
                let name: String = wish.channel.chars().take(256).collect();
                let socket = self.outbox.socket();
                let refused = RefusedJoin { channel: &name, socket, label, problem, status };
                self.door.watch.join_refused(&self.app, &refused);
                self.outbox.say(protocol::subscription_error(&name, kind, problem, status));
            }
        }
    }

    fn admit(&self, wish: &Subscribe) -> Result<Join, Refusal> {
        let (app, socket) = (&*self.app, self.outbox.socket());
        let candidate = Candidate { app, socket, user: self.user.as_deref() };
        let Allowed { join, grant } = candidate.admit(wish)?;
        let most = self.door.settings.max_channels_per_socket;
        if self.channels.len() >= most && !self.channels.contains_key(&join.channel.name) {
            return Err(TOO_MANY);
        }
        if let Some(grant) = grant {
            // The signature may be older than the end of what it was given for.
            if self.door.judge.verdict(&grant).is_some() {
                return Err(ENDED);
            }
            self.entry.bind(grant);
        }
        Ok(join)
    }

    /// Takes a client's event, and tells the client why not, or what became of one that it named.
    async fn take_event(&mut self, sent: ClientEvent) {
        let (channel, id) = (sent.channel.clone(), sent.id());
        let answer = match (self.pass_on(sent, id.as_deref()).await, &id) {
            (Ok(Some(position)), Some(id)) => protocol::accepted(&channel, id, &position),
            (Ok(_), _) => return,
            (Err(problem), Some(id)) => protocol::refused(&channel, id, problem),
            (Err(problem), None) => protocol::error(Some(EVENT_REFUSED), problem),
        };
        self.outbox.say(answer);
    }

    /// Gives a client's event to the others in its channel, and where it stands in one that is
    /// recoverable; says why not.
    async fn pass_on(
        &mut self,
        sent: ClientEvent,
        id: Option<&str>,
    ) -> Result<Option<Position>, &'static str> {
        let ClientEvent { event, channel, data } = sent;
        let (on, per_second, largest) = self.app.with_settings(|settings| {
            let per_second = settings.client_events_per_second;
            (settings.client_events, per_second, settings.max_event_bytes)
        });
        let name = ChannelName::parse(&channel).map_err(|_name| "the channel has no such name")?;
        let place = self.channels.get(&name);
        let place = place.ok_or("this socket is not in the channel")?;
        if event == ACKNOWLEDGEMENT {
            confirmed::acknowledge(place.seat.as_deref(), &mut self.receipts, &data);
            return Ok(None);
        }
        if !on {
            return Err("client events are off in this app");
        }
        if !name.kind().takes_client_events() {
            return Err("client events are for private and presence channels");
        }
        if event.len() > LONGEST_EVENT || event.starts_with(RESERVED) {
            return Err("the event's name is too long or reserved");
        }
        if data.get().len() > largest {
            return Err("the event's data is too large");
        }
        let now = Instant::now();
        if self.budget.take(per_second, 1, now).is_err() {
            return Err("this socket sends more events a second than it may");
        }
        let user = place.user.as_deref();
        let frame = protocol::client_event(&channel, &event, &data, user);
        if self.app.with_settings(|settings| settings.tells(Kind::ClientEvent, &name)) {
            let (id, socket) = (self.door.webhooks.new_id(), self.outbox.socket());
            let told = webhook::Event::client_event(id, &name, (&event, &data), socket, user);
            self.door.webhooks.tell(self.app.id(), told);
        }
        let except = Some(self.outbox.socket().into());
        let key = ChannelKey { app: self.app.id(), name };
        let mut said = Said { event, frame, except, ..Said::default() };
        said.position = self.keep(&key, &said, id).await?;
        let position = said.position.clone();
        let interval = self.door.meters.pace.interval(now.into_std());
        self.app.activity().client_events.add(interval, 1);
        self.door.hub.say(&key, said).await;
        Ok(position)
    }

    /// By what an event with that id of the client's is known. Nobody can take another's id; one that
    /// cannot be guessed is known whoever sends it again, and so by the next socket.
    fn known_by(&self, channel: &ChannelKey, id: &str) -> String {
        let here = self.channels.get(&channel.name).and_then(|place| place.user.as_deref());
        let user = self.user.as_ref().map(|user| &*user.id).or(here);
        match user {
            Some(user) => format!("user:{}:{user}:{id}", user.len()),
            None if id.chars().count() >= UNGUESSABLE => format!("any:{id}"),
            None => format!("socket:{}:{id}", self.outbox.socket()),
        }
    }

    /// Keeps what is said in a recoverable channel; where it stands.
    async fn keep(
        &self,
        channel: &ChannelKey,
        said: &Said,
        id: Option<&str>,
    ) -> Result<Option<Position>, &'static str> {
        let history = self.app.with_settings(|settings| settings.history(&channel.name));
        let Some((most, kept_for)) = history else { return Ok(None) };
        let key = id.map(|id| self.known_by(channel, id));
        let (event, frame) = (said.event.as_str(), &said.frame);
        let (except, key) = (said.except.as_deref(), key.as_deref());
        let append = Append { channel, event, frame, except, key, most, kept_for };
        match self.door.hub.history().append(&append).await {
            Ok(position) => Ok(Some(position)),
            Err(error) => {
                tracing::debug!(channel = %channel, error = %error, "a client's event is not kept");
                telemetry::event_refused("history");
                Err("what is said here cannot be kept now; send it again")
            }
        }
    }

    fn sign_in(&mut self, wish: &Signin) -> Result<(), Ending> {
        let signed = self.app.verify_user(&wish.auth, self.outbox.socket(), &wish.user_data);
        let user = signed.then(|| admission::user(&wish.user_data)).flatten();
        let user = user.ok_or(Ending::Close(Closing::SigninRefused))?;
        if self.user.as_ref().is_some_and(|known| known.id != user.id) {
            let problem = "this socket is signed in as somebody else";
            self.outbox.say(protocol::error(Some(SIGNIN_REFUSED), problem));
            return Ok(());
        }
        self.entry.sign_in(&user.id);
        self.outbox.say(protocol::signin_success(&wish.user_data));
        for (name, place) in self.channels.iter_mut().filter(|(_, place)| place.seat.is_none()) {
            let channel = ChannelKey { app: self.app.id(), name: name.clone() };
            place.seat = self.door.confirmed.sit(&channel, &user.id, &self.outbox);
        }
        self.user = Some(Box::new(user));
        Ok(())
    }

    /// When the timer fires: asks a silent client for a sign of life, or gives it up. Says when to
    /// look again; the timer is not touched for every message.
    fn look_for_life(&mut self) -> Result<Instant, Ending> {
        let now = Instant::now();
        let (activity, pong) = self.patience();
        if let Some(pinged) = self.pinged {
            let deadline = pinged + pong;
            return if now >= deadline {
                Err(Ending::Close(Closing::PongMissing))
            } else {
                Ok(deadline)
            };
        }
        if now < self.heard + activity {
            return Ok(self.heard + activity);
        }
        self.pinged = Some(now);
        self.outbox.say(PING);
        Ok(now + pong)
    }

    fn patience(&self) -> (Duration, Duration) {
        (self.door.settings.activity_timeout, self.door.settings.pong_timeout)
    }
}
