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
use crate::hub::{Item, Join, Membership, Outbox};
use crate::presence::Person;
use crate::protocol::{self, ClientEvent, Closing, Incoming, PING, PONG, Signin, Subscribe};
use crate::telemetry;
use crate::watch::Seen;

/// Messages given to a socket before it is flushed and its client is heard again.
const BATCH: usize = 64;
/// A client's event was not passed on.
const EVENT_REFUSED: u16 = 4301;
const SIGNIN_REFUSED: u16 = 4009;
/// Of a watch list not all are watched.
const WATCHLIST_REFUSED: u16 = 4302;
/// Longest name of an event, bytes.
const LONGEST_EVENT: usize = 200;
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
    /// While it is signed in.
    seen: Option<Box<Seen>>,
    budget: Budget,
    heard: Instant,
    pinged: Option<Instant>,
    entry: Entry,
}

/// A channel that the client is in.
struct Place {
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
            seen: None,
            budget: Budget::new(now),
            heard: now,
            pinged: None,
            entry,
        }
    }

    pub(super) async fn run(mut self) {
        let timeout = self.door.settings.activity_timeout.as_secs();
        self.outbox.say(protocol::established(self.outbox.socket(), timeout));
        let ending = self.converse().await;
        // Leaves the channels before the goodbye, which may take a while.
        self.channels.clear();
        self.seen = None;
        Box::pin(refusal::end(self.socket, ending)).await;
    }

    async fn converse(&mut self) -> Ending {
        let watch = sleep_until(self.heard + self.door.settings.activity_timeout);
        tokio::pin!(watch);
        loop {
            if let Err(ending) = self.write().await {
                return ending;
            }
            let outcome = tokio::select! {
                () = self.outbox.filled() => Ok(()),
                message = self.socket.next() => self.take(message).await,
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
                Item::Refused(channel, frame) => {
                    control += 1;
                    self.channels.remove(&channel);
                    frame
                }
                Item::Event(event) => {
                    events += 1;
                    event.frame.clone()
                }
            };
            self.socket.feed(Message::Text(frame)).await?;
        }
        if events + control > 0 {
            self.socket.flush().await?;
            self.door.meters.events_out.increment(events);
            self.door.meters.control_out.increment(control);
        }
        Ok(())
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
            // The library answers pings itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
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
        telemetry::heard(incoming.label());
        match incoming {
            Incoming::Ping => self.outbox.say(PONG),
            Incoming::Subscribe(wish) => self.subscribe(&wish),
            Incoming::Unsubscribe { channel } => {
                if let Ok(name) = ChannelName::parse(&channel) {
                    self.channels.remove(&name);
                }
            }
            Incoming::ClientEvent(event) => {
                if let Err(problem) = self.pass_on(event).await {
                    self.outbox.say(protocol::error(Some(EVENT_REFUSED), problem));
                }
            }
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
                    let membership = self.door.hub.join(join, &self.outbox);
                    self.channels.insert(name, Place { membership, user });
                }
            },
            Err(Refusal { kind, problem, status, label }) => {
                telemetry::join_refused(label);
                // A name that is none of ours is not repeated at length.
                let name: String = wish.channel.chars().take(256).collect();
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

    /// Gives a client's event to the others in its channel; says why not.
    async fn pass_on(&mut self, sent: ClientEvent) -> Result<(), &'static str> {
        let ClientEvent { event, channel, data } = sent;
        let (on, per_second, largest) = self.app.with_settings(|settings| {
            let per_second = settings.client_events_per_second;
            (settings.client_events, per_second, settings.max_event_bytes)
        });
        let name = ChannelName::parse(&channel).map_err(|_name| "the channel has no such name")?;
        let place = self.channels.get(&name);
        let place = place.ok_or("this socket is not in the channel")?;
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
        if self.budget.take(per_second, 1, Instant::now()).is_err() {
            return Err("this socket sends more events a second than it may");
        }
        let frame = protocol::client_event(&channel, &event, &data, place.user.as_deref());
        let except = Some(self.outbox.socket().into());
        let said = Said { event, frame, except, version: 0 };
        self.door.hub.say(&ChannelKey { app: self.app.id(), name }, said).await;
        Ok(())
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
        self.watch(&user.id, &wish.user_data);
        self.user = Some(Box::new(user));
        Ok(())
    }

    /// Is online from now on, and told of those on its watch list.
    fn watch(&mut self, user: &str, user_data: &str) {
        let most = self.door.settings.max_watched_users;
        let (ids, problem) = admission::watchlist(user_data, most);
        if let Some(problem) = problem {
            self.outbox.say(protocol::error(Some(WATCHLIST_REFUSED), problem));
        }
        let appear = || Box::new(self.door.lists.appear(self.app.id(), user, &self.outbox));
        self.seen.get_or_insert_with(appear).watch(&ids);
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
