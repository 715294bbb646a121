use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::door::{Door, socket_id};
use super::refusal::{self, Ending, Socket};
use super::registry::Entry;
use crate::channel::{ChannelName, Kind};
use crate::hub::{Item, Membership, Outbox};
use crate::protocol::{self, Closing, Incoming, PING, PONG, Subscribe};
use crate::telemetry;

/// Messages given to a socket before it is flushed and its client is heard again.
const BATCH: usize = 64;
const CLIENT_EVENTS_OFF: u16 = 4301;
const SIGNIN_OFF: u16 = 4009;

/// One client. One task, and nothing it does waits for another client.
pub(super) struct Session {
    door: Arc<Door>,
    socket: Socket,
    outbox: Arc<Outbox>,
    id: String,
    channels: HashMap<ChannelName, Membership>,
    heard: Instant,
    pinged: Option<Instant>,
    entry: Entry,
}

/// A channel that is not joined: what the client is told.
struct Refusal {
    kind: &'static str,
    problem: &'static str,
    status: u16,
    label: &'static str,
}

impl Session {
    pub(super) fn new(door: Arc<Door>, socket: Socket, outbox: Arc<Outbox>, entry: Entry) -> Self {
        Self {
            door,
            socket,
            outbox,
            id: String::new(),
            channels: HashMap::new(),
            heard: Instant::now(),
            pinged: None,
            entry,
        }
    }

    pub(super) async fn run(mut self) {
        let ending = match socket_id() {
            Some(id) => {
                let timeout = self.door.settings.activity_timeout.as_secs();
                self.outbox.say(protocol::established(&id, timeout));
                self.id = id;
                self.converse().await
            }
            None => Ending::Close(Closing::OverCapacity),
        };
        // Leaves the channels before the goodbye, which may take a while.
        self.channels.clear();
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
                message = self.socket.next() => self.take(message),
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

    fn take(&mut self, message: Option<Result<Message, WsError>>) -> Result<(), Ending> {
        let message = match message {
            None => return Err(Ending::Gone),
            Some(Err(error)) => return Err(Ending::of(&error)),
            Some(Ok(message)) => message,
        };
        self.heard = Instant::now();
        self.pinged = None;
        match message {
            Message::Text(text) => {
                self.hear(&text);
                Ok(())
            }
            Message::Binary(_) => Err(Ending::Close(Closing::BinaryRefused)),
            Message::Close(_) => Err(Ending::Left),
            // The library answers pings itself.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn hear(&mut self, text: &Utf8Bytes) {
        let incoming = match Incoming::parse(text.as_str()) {
            Ok(incoming) => incoming,
            Err(malformed) => {
                telemetry::heard("malformed");
                return self.outbox.say(protocol::error(None, &malformed.to_string()));
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
            Incoming::ClientEvent => self.complain(CLIENT_EVENTS_OFF, "client events are off"),
            Incoming::Signin => self.complain(SIGNIN_OFF, "sign-in is not offered"),
            Incoming::Pong | Incoming::Unknown => {}
        }
    }

    fn complain(&self, code: u16, message: &str) {
        self.outbox.say(protocol::error(Some(code), message));
    }

    fn subscribe(&mut self, wish: &Subscribe) {
        match self.admit(wish) {
            Ok(name) => match self.channels.get(&name) {
                Some(membership) => membership.confirm(),
                None => {
                    let membership = self.door.hub.join(&name, &self.outbox);
                    self.channels.insert(name, membership);
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

    fn admit(&self, wish: &Subscribe) -> Result<ChannelName, Refusal> {
        let Ok(name) = ChannelName::parse(&wish.channel) else {
            return Err(INVALID);
        };
        let most = self.door.settings.max_channels_per_socket;
        if self.channels.len() >= most && !self.channels.contains_key(&name) {
            return Err(TOO_MANY);
        }
        match name.kind() {
            Kind::Public => Ok(name),
            Kind::Presence | Kind::Encrypted | Kind::Cache => Err(NOT_OFFERED),
            Kind::Private => {
                let auth = wish.auth.as_deref().unwrap_or_default();
                let app = &self.door.app;
                if let Some(grant) = app.verify_for(auth, &self.id, &wish.channel) {
                    // The signature may be older than the end of what it was given for.
                    if self.door.judge.verdict(&grant).is_some() {
                        return Err(ENDED);
                    }
                    self.entry.bind(grant);
                    return Ok(name);
                }
                let signed = app.verify(auth, &self.id, &wish.channel, wish.channel_data());
                signed.then_some(name).ok_or(UNSIGNED)
            }
        }
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

const INVALID: Refusal = Refusal {
    kind: "InvalidChannel",
    problem: "a channel name has 1 to 200 letters, digits or -_=@,.;",
    status: 400,
    label: "name",
};
const TOO_MANY: Refusal = Refusal {
    kind: "LimitReached",
    problem: "this socket is in as many channels as it may",
    status: 429,
    label: "limit",
};
const NOT_OFFERED: Refusal = Refusal {
    kind: "NotOffered",
    problem: "channels of this kind are not offered yet",
    status: 501,
    label: "not_offered",
};
const ENDED: Refusal = Refusal {
    kind: "AuthError",
    problem: "the session that this was signed for has ended or changed",
    status: 401,
    label: "session",
};
const UNSIGNED: Refusal = Refusal {
    kind: "AuthError",
    problem: "the signature does not allow this socket to join",
    status: 401,
    label: "signature",
};
