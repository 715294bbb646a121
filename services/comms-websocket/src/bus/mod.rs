//! What is said in channels, between the instances of this service.
//!
//! An instance listens for a channel only while a socket of its own is in it. Core NATS keeps
//! nothing: this way is for what may be missed.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use yard_contracts::realtime::v1::{ChannelMessage, RealtimeControl};
use yard_contracts::subjects;
use yard_messaging::{MessagingError, Nats};

use crate::app::AppId;
use crate::channel::ChannelKey;

/// One thing that is said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    pub(crate) event: String,
    /// The whole message, as sockets get it.
    pub(crate) frame: Utf8Bytes,
    /// The socket that does not get it.
    pub(crate) except: Option<Box<str>>,
    /// Where it stands in what the channel keeps, see [`crate::hub::Place`].
    pub(crate) version: u64,
}

/// Speaks to all instances.
#[derive(Clone)]
pub(crate) struct Bus {
    nats: Nats,
    /// This instance.
    own: Arc<str>,
}

impl Bus {
    pub(crate) fn new(nats: Nats, own: &str) -> Self {
        Self { nats, own: own.into() }
    }

    pub(crate) const fn nats(&self) -> &Nats {
        &self.nats
    }

    /// The subject of a channel.
    pub(crate) fn subject(channel: &ChannelKey) -> String {
        subjects::live_channel(channel.app.number(), channel.name.as_str())
    }

    /// Says it to every instance, this one included.
    ///
    /// # Errors
    /// While the broker is away; then it is said nowhere.
    pub(crate) async fn say(
        &self,
        channel: &ChannelKey,
        said: &Said,
    ) -> Result<(), MessagingError> {
        self.publish(channel, said, "").await
    }

    /// Says it to the others; this instance has it already.
    ///
    /// # Errors
    /// While the broker is away.
    pub(crate) async fn pass_on(
        &self,
        channel: &ChannelKey,
        said: &Said,
    ) -> Result<(), MessagingError> {
        self.publish(channel, said, &self.own).await
    }

    async fn publish(
        &self,
        channel: &ChannelKey,
        said: &Said,
        origin: &str,
    ) -> Result<(), MessagingError> {
        if !self.nats.is_connected() {
            // It would be kept by the client and said at some later time.
            return Err(MessagingError::Unconfirmed("the broker is away".into()));
        }
        let message = ChannelMessage {
            event: said.event.clone(),
            frame: said.frame.to_string(),
            except_socket: said.except.as_deref().unwrap_or_default().to_owned(),
            origin: origin.to_owned(),
            version: said.version,
        };
        self.nats.publish_live(Self::subject(channel), message.encode_to_vec().into()).await
    }

    /// Has every instance, this one included, read an app again.
    ///
    /// # Errors
    /// While the broker is away; then each reads it again by itself, within 30 seconds.
    pub(crate) async fn app_changed(&self, app: AppId) -> Result<(), MessagingError> {
        self.control(&RealtimeControl {
            app: app.number(),
            app_changed: true,
            ..RealtimeControl::default()
        })
        .await
    }

    /// Has every instance, this one included, end the sockets of an app's user.
    ///
    /// # Errors
    /// While the broker is away; then none is ended.
    pub(crate) async fn terminate(&self, app: AppId, user: &str) -> Result<(), MessagingError> {
        self.control(&RealtimeControl {
            app: app.number(),
            terminate_user: user.to_owned(),
            ..RealtimeControl::default()
        })
        .await
    }

    /// The subject of who comes and goes: no channel can have such a name.
    pub(crate) fn online_subject(app: AppId, user: &str) -> String {
        subjects::live_channel(app.number(), &format!("#online-{user}"))
    }

    /// Says that a user of an app came or left, to every instance on which they are watched.
    ///
    /// # Errors
    /// While the broker is away; then it is said nowhere.
    pub(crate) async fn online_changed(
        &self,
        app: AppId,
        user: &str,
    ) -> Result<(), MessagingError> {
        if !self.nats.is_connected() {
            return Err(MessagingError::Unconfirmed("the broker is away".into()));
        }
        self.nats.publish_live(Self::online_subject(app, user), Bytes::new()).await
    }

    async fn control(&self, what: &RealtimeControl) -> Result<(), MessagingError> {
        if !self.nats.is_connected() {
            return Err(MessagingError::Unconfirmed("the broker is away".into()));
        }
        let subject = subjects::LIVE_CONTROL.to_owned();
        self.nats.publish_live(subject, what.encode_to_vec().into()).await
    }

    /// What came; `None` for what this instance said to the others itself, or nobody can read.
    pub(crate) fn read(&self, payload: Bytes) -> Option<Said> {
        let message = match ChannelMessage::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(error = %error, "a channel's message could not be read");
                return None;
            }
        };
        if message.origin == *self.own {
            return None;
        }
        let except = message.except_socket;
        Some(Said {
            event: message.event,
            frame: message.frame.into(),
            except: (!except.is_empty()).then(|| except.into()),
            version: message.version,
        })
    }
}
