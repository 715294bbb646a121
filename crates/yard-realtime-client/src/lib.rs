//! A client of the Pusher protocol that misses nothing in recoverable channels (ADR 0039).
//!
//! It keeps one socket, comes back by itself, joins its channels again and says where it stood: events of
//! a recoverable channel arrive once and in order, or [`Event::Gap`] says that some are gone. Confirmed
//! messages arrive once too, and are acknowledged by [`Client::acknowledge`].
//!
//! Nothing is spawned: drive [`Driver::run`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use yard_realtime_client::{AppSecret, Event, Settings, connect};
//!
//! let settings = Settings::new("ws://127.0.0.1:6071", "0123456789abcdef0123");
//! let secret = AppSecret::new("0123456789abcdef0123", b"the secret of the app");
//! let (client, mut events, driver) = connect(settings, secret);
//! client.subscribe("private-orders.7").await;
//! let hearing = async {
//!     while let Some(event) = events.next().await {
//!         if let Event::Said(said) = event {
//!             let _ = (said.channel, said.event, said.data);
//!         }
//!     }
//! };
//! tokio::join!(hearing, driver.run());
//! # Ok(())
//! # }
//! ```

mod authorize;
mod connection;
mod driver;
mod track;
mod wire;

use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use authorize::{AppSecret, Authorization, Authorize};
pub use driver::Driver;
pub use track::Position;

/// Events that may wait for whoever hears them; then the socket is not read until one is taken.
const EVENTS_WAITING: usize = 256;
const WISHES_WAITING: usize = 64;

/// Where to connect, and how patiently.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) url: String,
    pub(crate) key: String,
    /// Longest time for a connection to be established.
    pub connect_timeout: Duration,
    /// Pause after a connection that failed; the service may ask for none.
    pub pause: Duration,
}

impl Settings {
    /// `url` is `ws://host:port` or `wss://…`, with a path before `/app` if there is one.
    #[must_use]
    pub fn new(url: &str, key: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            key: key.to_owned(),
            connect_timeout: Duration::from_secs(10),
            pause: Duration::from_secs(1),
        }
    }
}

/// What is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A socket is open; the id changes with each.
    Connected {
        /// Its id.
        socket_id: String,
    },
    /// The socket is gone; another one is tried.
    Disconnected,
    /// A channel is joined, for the first time or again.
    Subscribed {
        /// Its name.
        channel: String,
        /// Who is in a presence channel; empty in others.
        data: Value,
    },
    /// A channel cannot be joined. It is tried again with the next socket.
    Refused {
        /// Its name.
        channel: String,
        /// As the service says, for example 401 or 403; 0 where the signature could not be had.
        status: u16,
        /// Why.
        reason: String,
    },
    /// An event of a channel.
    Said(Said),
    /// Events of a channel are gone: read anew what it is about.
    Gap {
        /// Its name.
        channel: String,
        /// Where it stands now.
        position: Position,
    },
    /// The service will not have this client: nothing more comes.
    Ended {
        /// Close code of the protocol, 4000 to 4099.
        code: u16,
        /// Why.
        reason: String,
    },
}

/// An event of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The channel's name.
    pub channel: String,
    /// The event's name.
    pub event: String,
    /// Its data; text that is no JSON is a string.
    pub data: Value,
    /// Where it stands in a recoverable channel.
    pub position: Option<Position>,
    /// Id of a confirmed message, which [`Client::acknowledge`] takes.
    pub message: Option<String>,
}

/// What has been heard, in order.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` after [`Event::Ended`] or the last [`Client`].
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// An event was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SayError {
    /// The service does not take it.
    #[error("the event is refused: {0}")]
    Refused(String),
    /// The client has ended.
    #[error("the client has ended")]
    Ended,
}

/// What a client wants.
#[derive(Debug)]
pub(crate) enum Wish {
    Subscribe(String),
    Unsubscribe(String),
    Acknowledge {
        channel: String,
        ids: Vec<String>,
    },
    Say {
        channel: String,
        event: String,
        data: Value,
        answer: oneshot::Sender<Result<Position, SayError>>,
    },
}

/// Speaks to the service. Cheap to clone; the driver ends with the last of them.
#[derive(Debug, Clone)]
pub struct Client {
    wishes: mpsc::Sender<Wish>,
}

impl Client {
    /// Joins a channel, now and with each new socket. Joining twice is joining once.
    pub async fn subscribe(&self, channel: &str) {
        self.wish(Wish::Subscribe(channel.to_owned())).await;
    }

    /// Leaves a channel; joining it later begins anew.
    pub async fn unsubscribe(&self, channel: &str) {
        self.wish(Wish::Unsubscribe(channel.to_owned())).await;
    }

    /// Tells the senders of confirmed messages that they were handled.
    pub async fn acknowledge(&self, channel: &str, ids: Vec<String>) {
        self.wish(Wish::Acknowledge { channel: channel.to_owned(), ids }).await;
    }

    /// Says `client-…` in a recoverable channel, again with each new socket until the service answers.
    ///
    /// # Errors
    /// When the service refuses it, or the client ends first.
    pub async fn say(&self, channel: &str, event: &str, data: Value) -> Result<Position, SayError> {
        let (answer, answered) = oneshot::channel();
        let (channel, event) = (channel.to_owned(), event.to_owned());
        self.wish(Wish::Say { channel, event, data, answer }).await;
        answered.await.unwrap_or(Err(SayError::Ended))
    }

    async fn wish(&self, wish: Wish) {
        // A driver that has ended has said so.
        drop(self.wishes.send(wish).await);
    }
}

/// A client, what it hears, and what has to be driven.
pub fn connect<A: Authorize>(settings: Settings, authorize: A) -> (Client, Events, Driver<A>) {
    let (wishes, wished) = mpsc::channel(WISHES_WAITING);
    let (events, heard) = mpsc::channel(EVENTS_WAITING);
    let driver = Driver::new(settings, authorize, wished, events);
    (Client { wishes }, Events(heard), driver)
}
