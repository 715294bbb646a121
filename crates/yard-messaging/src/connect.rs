use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::{self};
use async_nats::{Auth, AuthError, Client, ConnectOptions, Event, Request, ServerAddr, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::timeout;
use yard_contracts::streams::BucketSpec;
use yard_runtime::{Check, Runtime};

use crate::{MessagingError, NatsConfig, streams};

const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// Unconfirmed publishes at once; the next one waits, without end. So it lies above all that can be
/// under way: whoever waits for confirmations in order (the largest receive maximum of MQTT is
/// 65,535) has to be able to publish the first one again while it holds all the others.
const MOST_UNCONFIRMED: usize = 1 << 17;
const OLDEST_SERVER: (u64, u64, u64) = (2, 10, 23);

/// A connection, with the streams in place.
#[derive(Clone)]
pub struct Nats {
    client: Client,
    jetstream: jetstream::Context,
    replicas: usize,
}

impl Nats {
    /// Connects, refuses servers that lose acknowledged work, and makes the streams. Reconnects by
    /// itself for ever; readiness follows by the check `nats`.
    ///
    /// # Errors
    /// When the server cannot be reached now, is too old, or refuses a stream.
    pub async fn connect(config: &NatsConfig, runtime: &Runtime) -> anyhow::Result<Self> {
        let url = config.resolve_url()?;
        let options = trust_and_credentials(config)
            .name(format!("{}/{}", runtime.service(), runtime.instance()))
            .ping_interval(Duration::from_secs(10))
            .connection_timeout(Duration::from_secs(5))
            .request_timeout(Some(ACK_TIMEOUT))
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(|event| async move { note(&event) });
        let servers: Vec<ServerAddr> =
            url.expose().split(',').map(str::parse).collect::<Result<_, _>>()?;
        let client = options.connect(servers).await?;
        refuse_old(&client.server_info().version)?;
        let jetstream = ContextBuilder::new()
            .timeout(ACK_TIMEOUT)
            .ack_timeout(ACK_TIMEOUT)
            .max_ack_inflight(MOST_UNCONFIRMED)
            .build(client.clone());
        let this = Self { client, jetstream, replicas: config.replicas };
        streams::ensure(&this.jetstream, config.replicas).await?;
        this.watch(runtime);
        Ok(this)
    }

    fn watch(&self, runtime: &Runtime) {
        let client = self.client.clone();
        runtime.health().register(Check::new("nats", move || {
            let state = client.connection_state();
            async move {
                match state {
                    State::Connected => Ok(()),
                    State::Pending | State::Disconnected => Err("not connected".to_owned()),
                }
            }
        }));
    }

    /// Whether the server is there at this moment, as far as is known.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// The JetStream context, for what this crate does not wrap.
    #[must_use]
    pub const fn jetstream(&self) -> &jetstream::Context {
        &self.jetstream
    }

    /// Opens a key-value bucket; it is made where it is missing.
    ///
    /// # Errors
    /// When the server does not answer or refuses it.
    pub async fn bucket(&self, spec: &BucketSpec) -> Result<Store, MessagingError> {
        streams::bucket(&self.jetstream, spec, self.replicas).await
    }

    /// Publishes on core NATS: to whoever listens now, kept nowhere.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn publish_live(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<(), MessagingError> {
        self.client
            .publish(subject, payload)
            .await
            .map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }

    /// Listens on core NATS. Reconnects keep the subscription; what was said meanwhile is lost.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn subscribe_live(&self, subject: String) -> Result<Subscriber, MessagingError> {
        self.client.subscribe(subject).await.map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }

    /// As [`Nats::subscribe_live`], but each message goes to one member of the group.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn subscribe_group(
        &self,
        subject: String,
        group: &str,
    ) -> Result<Subscriber, MessagingError> {
        self.client
            .queue_subscribe(subject, group.to_owned())
            .await
            .map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }

    /// Asks whoever answers on a subject of core NATS and waits for the answer.
    ///
    /// # Errors
    /// When nobody listens, or no answer comes within `patience`.
    pub async fn ask(
        &self,
        subject: String,
        payload: Bytes,
        patience: Duration,
    ) -> Result<Bytes, MessagingError> {
        let request = Request::new().payload(payload).timeout(Some(patience));
        let answer = self.client.send_request(subject, request).await;
        answer.map(|message| message.payload).map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }

    /// Asks everybody who listens on a subject of core NATS: the answers of the first `most`, or those
    /// that came within `patience`.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn ask_all(
        &self,
        subject: String,
        payload: Bytes,
        most: usize,
        patience: Duration,
    ) -> Result<Vec<Bytes>, MessagingError> {
        let inbox = self.client.new_inbox();
        let mut coming = self.subscribe_live(inbox.clone()).await?;
        let asked = self.client.publish_with_reply(subject, inbox, payload).await;
        asked.map_err(|e| MessagingError::Unconfirmed(Box::new(e)))?;
        let mut answers = Vec::new();
        let collecting = async {
            while answers.len() < most
                && let Some(answer) = coming.next().await
            {
                // The server's own word: nobody listens.
                if answer.status.is_some() {
                    break;
                }
                answers.push(answer.payload);
            }
        };
        // Late answers are not waited for.
        drop(timeout(patience, collecting).await);
        if let Err(error) = coming.unsubscribe().await {
            tracing::debug!(error = %error, "could not unsubscribe");
        }
        Ok(answers)
    }

    /// Returns once the server has taken everything that this connection said before: a
    /// subscription made just now hears all that is published from here on.
    ///
    /// # Errors
    /// When the server does not answer in time.
    pub async fn settle(&self) -> Result<(), MessagingError> {
        // A word to ourselves: the server gives it back in its turn, whoever else listens to whatever.
        let away = |e: &dyn std::fmt::Display| MessagingError::Unconfirmed(e.to_string().into());
        let inbox = self.client.new_inbox();
        let subscribed = self.client.subscribe(inbox.clone()).await;
        let mut heard = subscribed.map_err(|e| away(&e))?;
        heard.unsubscribe_after(1).await.map_err(|e| away(&e))?;
        self.client.publish(inbox, Bytes::new()).await.map_err(|e| away(&e))?;
        match timeout(ACK_TIMEOUT, heard.next()).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(_) => Err(away(&"the server does not answer in time")),
        }
    }

    /// Sends what is buffered.
    ///
    /// # Errors
    /// When the connection is closed for good.
    pub async fn flush(&self) -> Result<(), MessagingError> {
        self.client.flush().await.map_err(|e| MessagingError::Unconfirmed(Box::new(e)))
    }
}

/// Whom we take for the server, and who we are: looked up anew at each connection, so that the file's
/// credentials may be changed while the service runs: the broker's old user goes, it reconnects as
/// the new one. (The client does not take user and password from the URL by itself.)
fn trust_and_credentials(config: &NatsConfig) -> ConnectOptions {
    let ca_file = config.ca_file.clone();
    let config = config.clone();
    let options = ConnectOptions::with_auth_callback(move |_nonce| {
        let found = found_in(&config);
        async move { found.map_err(AuthError::new) }
    });
    if ca_file.as_os_str().is_empty() {
        return options;
    }
    options.add_root_certificates(ca_file).require_tls(true)
}

fn found_in(config: &NatsConfig) -> Result<Auth, String> {
    let url = config.resolve_url().map_err(|e| e.to_string())?;
    let mut auth = Auth::new();
    for server in url.expose().split(',') {
        let server: ServerAddr =
            server.parse().map_err(|_e| "nats.url holds no address".to_owned())?;
        if let Some((user, password)) = server.username().zip(server.password()) {
            (auth.username, auth.password) = (Some(user.to_owned()), Some(password.to_owned()));
            break;
        }
    }
    Ok(auth)
}

/// Quick at first, two seconds at most: a broker's restart shall not be felt for long.
fn reconnect_delay(attempts: usize) -> Duration {
    let doubled = 50_u64.saturating_mul(1 << attempts.min(6));
    Duration::from_millis(doubled.min(2_000))
}

fn note(event: &Event) {
    match event {
        Event::Connected => tracing::info!("broker connected"),
        Event::Disconnected => tracing::warn!("broker connection lost"),
        other => tracing::info!(event = %other, "broker event"),
    }
}

fn refuse_old(version: &str) -> Result<(), MessagingError> {
    let number = |part: Option<&str>| part.and_then(|p| p.parse::<u64>().ok()).unwrap_or(0);
    let mut parts = version.split(['.', '-']);
    let found = (number(parts.next()), number(parts.next()), number(parts.next()));
    if found < OLDEST_SERVER {
        return Err(MessagingError::TooOld { found: version.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_older_than_required_is_refused() {
        for version in ["2.9.10", "2.10.22", "2.10.22-RC.1", "1.4.1", "unknown"] {
            assert!(refuse_old(version).is_err(), "{version}");
        }
        for version in ["2.10.23", "2.10.27", "2.15.1", "3.0.0"] {
            assert!(refuse_old(version).is_ok(), "{version}");
        }
    }

    #[test]
    fn credentials_are_those_that_the_file_holds_at_the_time() {
        let file = std::env::temp_dir().join(format!("yard-nats-{}", uuid::Uuid::from_u128(9)));
        let mut config = NatsConfig::for_test("");
        config.url_file.clone_from(&file);
        for (user, password) in [("one", "a"), ("two", "b")] {
            std::fs::write(&file, format!("nats://h:1,nats://{user}:{password}@h:2\n")).unwrap();
            let found = found_in(&config).unwrap();
            assert_eq!(
                (found.username.as_deref(), found.password.as_deref()),
                (Some(user), Some(password))
            );
        }
        std::fs::remove_file(&file).unwrap();
        assert!(found_in(&config).is_err());
    }

    #[test]
    fn reconnect_delay_grows_to_two_seconds() {
        assert_eq!(reconnect_delay(0), Duration::from_millis(50));
        assert_eq!(reconnect_delay(1_000), Duration::from_secs(2));
    }
}
