use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::info::Info;
use super::problem::Problem;
use super::publish::Published;
use crate::app::App;
use crate::channel::{ChannelKey, ChannelName, Kind};
use crate::protocol::is_socket_id;

/// Channels that one event is said in.
const MOST_CHANNELS: usize = 100;
/// Events of one batch.
const MOST_EVENTS: usize = 10;
/// Longest name of an event, characters.
const LONGEST_NAME: usize = 200;
/// Longest key of an event, characters.
const LONGEST_KEY: usize = 64;
/// Events of the protocol's own and of this service: one that is made up would break what clients know
/// of a channel, or of what they have to acknowledge.
const RESERVED: [&str; 3] = ["pusher:", "pusher_internal:", "comms:"];

/// The body of a call that publishes one event. Fields that are not known here are no mistake.
#[derive(Debug, Deserialize)]
pub(super) struct OneEvent {
    name: String,
    data: String,
    #[serde(default)]
    channels: Option<Vec<String>>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(flatten)]
    more: More,
}

/// What an event may have besides.
#[derive(Debug, Default, Deserialize)]
struct More {
    #[serde(default)]
    socket_id: Option<String>,
    #[serde(default)]
    info: Option<String>,
    #[serde(default)]
    idempotency_key: Option<String>,
    /// Read by [`crate::confirmed::Wish`].
    #[serde(default)]
    confirm: Option<IgnoredAny>,
}

/// The body of a call that publishes several.
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    batch: Vec<BatchEvent>,
}

#[derive(Debug, Deserialize)]
struct BatchEvent {
    name: String,
    data: String,
    channel: String,
    #[serde(flatten)]
    more: More,
}

/// An event that may be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) name: String,
    /// As it is, whatever it is.
    pub(super) data: String,
    /// Each once.
    pub(super) channels: Vec<ChannelKey>,
    /// The socket that does not get it.
    pub(super) except: Option<Box<str>>,
    /// What the answer is to tell of the channels.
    pub(super) info: Info,
    /// By which a recoverable channel knows it when it is published again.
    pub(super) key: Option<String>,
}

impl Event {
    /// What the answer tells of each channel, in their order.
    pub(super) fn tell(&self, published: &Published) -> Vec<(String, Map<String, Value>)> {
        let tell = |(at, key): (usize, &ChannelKey)| {
            let stand = published.stand.get(at);
            let mut told = stand.map(|stand| self.info.of(&key.name, stand)).unwrap_or_default();
            if let Some(Some(position)) = published.positions.get(at) {
                told.insert("epoch".to_owned(), Value::from(&*position.epoch));
                told.insert("offset".to_owned(), position.offset.into());
            }
            (key.name.to_string(), told)
        };
        self.channels.iter().enumerate().map(tell).collect()
    }
}

impl OneEvent {
    /// Whether its recipients have to acknowledge it.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.more.confirm.is_some()
    }

    pub(super) fn in_channel(channel: String, name: String, data: String) -> Self {
        Self { name, data, channels: None, channel: Some(channel), more: More::default() }
    }

    pub(super) fn check(self, app: &App) -> Result<Event, Problem> {
        let channels = self.channels.or_else(|| self.channel.map(|channel| vec![channel]));
        let channels = channels.ok_or_else(|| Problem::malformed("channels is missing"))?;
        if !(1..=MOST_CHANNELS).contains(&channels.len()) {
            return Err(Problem::malformed("an event is for 1 to 100 channels"));
        }
        event(app, self.name, self.data, &channels, self.more)
    }
}

impl Batch {
    pub(super) fn check(self, app: &App) -> Result<Vec<Event>, Problem> {
        if self.batch.len() > MOST_EVENTS {
            return Err(Problem::malformed("a batch has at most 10 events"));
        }
        let check = |one: BatchEvent| {
            let BatchEvent { name, data, channel, more } = one;
            if more.confirm.is_some() {
                return Err(Problem::malformed("an event of a batch cannot be confirmed"));
            }
            event(app, name, data, &[channel], more)
        };
        self.batch.into_iter().map(check).collect()
    }
}

fn event(
    app: &App,
    name: String,
    data: String,
    channels: &[String],
    more: More,
) -> Result<Event, Problem> {
    let More { socket_id, info, idempotency_key: key, confirm: _ } = more;
    check_name(&name)?;
    let most = app.with_settings(|settings| settings.max_event_bytes);
    if data.len() > most {
        return Err(Problem::too_large(format!("the data of an event has at most {most} bytes")));
    }
    if socket_id.as_deref().is_some_and(|id| !is_socket_id(id)) {
        return Err(Problem::malformed("socket_id is not the id of a socket"));
    }
    if key.as_deref().is_some_and(|key| !is_key(key)) {
        let problem = "idempotency_key has 1 to 64 letters, digits or -_=@,.;:";
        return Err(Problem::malformed(problem));
    }
    let info = Info::of_event(info.as_deref())?;
    let channels = self::channels(app, channels)?;
    Ok(Event { name, data, channels, except: socket_id.map(Into::into), info, key })
}

fn is_key(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_=@,.;:".contains(&b);
    (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(plain)
}

fn check_name(name: &str) -> Result<(), Problem> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Problem::malformed("the name of an event has 1 to 200 characters"));
    }
    if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        return Err(Problem::malformed(
            "events named pusher:, pusher_internal: and comms: are the service's",
        ));
    }
    Ok(())
}

fn channels(app: &App, texts: &[String]) -> Result<Vec<ChannelKey>, Problem> {
    let mut channels = Vec::with_capacity(texts.len());
    for text in texts {
        let key = channel(app, text)?;
        if !channels.contains(&key) {
            channels.push(key);
        }
    }
    let encrypted = |key: &ChannelKey| key.name.kind() == Kind::Encrypted;
    if channels.len() > 1 && channels.iter().any(encrypted) {
        let problem = "what is said in an encrypted channel can be said in no other";
        return Err(Problem::malformed(problem));
    }
    Ok(channels)
}

/// A channel that this app's server may speak in or ask for.
pub(super) fn channel(app: &App, text: &str) -> Result<ChannelKey, Problem> {
    let name = ChannelName::parse(text).map_err(|wrong| Problem::malformed(wrong.to_string()))?;
    let own = app.topic(&name);
    own.map_err(|_foreign| Problem::forbidden("the channel is of another organisation"))?;
    Ok(ChannelKey { app: app.id(), name })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::app::{AppId, AppSettings, Secrets};

    fn app(tenant: Option<&str>) -> App {
        let secrets = Secrets::new([b"a secret of the tests".as_slice()]);
        let tenant = tenant.map(|text| text.parse().unwrap());
        let settings = AppSettings { max_event_bytes: 100, ..AppSettings::default() };
        App::new(AppId::new(1), "k", tenant, secrets, settings)
    }

    fn one(change: Value) -> Result<Event, u16> {
        let mut body = json!({"name": "e", "data": "{}", "channels": ["a"]});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let one: OneEvent = serde_json::from_value(body).map_err(|_malformed| 400_u16)?;
        one.check(&app(None)).map_err(|problem| problem.status.as_u16())
    }

    #[test]
    fn event_is_held_to_each_limit_at_its_edge() {
        let names = |count: usize| (0..count).map(|n| format!("c{n}")).collect::<Vec<_>>();
        let cases = [
            (json!({"name": "x".repeat(200)}), None),
            (json!({"name": "ä".repeat(200)}), None),
            (json!({"name": "x".repeat(201)}), Some(400)),
            (json!({"name": ""}), Some(400)),
            (json!({"name": null}), Some(400)),
            (json!({"name": "pusher:error"}), Some(400)),
            (json!({"name": "pusher_internal:member_added"}), Some(400)),
            (json!({"name": "pushers:x"}), None),
            (json!({"data": ""}), None),
            (json!({"data": "x".repeat(100)}), None),
            (json!({"data": "x".repeat(101)}), Some(413)),
            (json!({"data": "ä".repeat(51)}), Some(413)),
            (json!({"data": null}), Some(400)),
            (json!({"data": {"a": 1}}), Some(400)),
            (json!({"channels": names(100)}), None),
            (json!({"channels": names(101)}), Some(400)),
            (json!({"channels": []}), Some(400)),
            (json!({"channels": null}), Some(400)),
            (json!({"channels": "a"}), Some(400)),
            (json!({"channels": [1]}), Some(400)),
            (json!({"channels": null, "channel": "a"}), None),
            (json!({"channels": ["x".repeat(200)]}), None),
            (json!({"channels": ["x".repeat(201)]}), Some(400)),
            (json!({"channels": ["a b"]}), Some(400)),
            (json!({"channels": [""]}), Some(400)),
            (json!({"channels": ["#server-to-user-7"]}), None),
            (json!({"channels": ["#server-to-user-"]}), Some(400)),
            (json!({"channels": ["private-encrypted-a"]}), None),
            (json!({"channels": ["private-encrypted-a", "b"]}), Some(400)),
            (json!({"channels": ["b", "private-encrypted-cache-a"]}), Some(400)),
            (json!({"socket_id": "1.2"}), None),
            (json!({"socket_id": null}), None),
            (json!({"socket_id": "1"}), Some(400)),
            (json!({"socket_id": ""}), Some(400)),
            (json!({"socket_id": "1.2x"}), Some(400)),
            (json!({"idempotency_key": null}), None),
            (json!({"idempotency_key": "order:7".repeat(9)}), None),
            (json!({"idempotency_key": "x".repeat(64)}), None),
            (json!({"idempotency_key": "x".repeat(65)}), Some(400)),
            (json!({"idempotency_key": ""}), Some(400)),
            (json!({"idempotency_key": "a b"}), Some(400)),
            (json!({"idempotency_key": 1}), Some(400)),
            (json!({"info": "user_count,subscription_count"}), None),
            (json!({"info": "cache"}), Some(400)),
            (json!({"info": "occupied"}), Some(400)),
            (json!({"new": {"deep": [1]}}), None),
        ];
        for (change, status) in cases {
            assert_eq!(one(change.clone()).err(), status, "{change}");
        }
    }

    #[test]
    fn channel_that_is_named_twice_hears_once() {
        let event = one(json!({"channels": ["a", "b", "a"], "channel": "c"})).unwrap();
        let names: Vec<_> = event.channels.iter().map(|key| key.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn batch_has_ten_events_and_one_wrong_refuses_all() {
        let check = |batch: Vec<Value>| {
            let batch: Batch = serde_json::from_value(json!({"batch": batch})).unwrap();
            batch.check(&app(None)).map(|events| events.len()).map_err(|p| p.status.as_u16())
        };
        let event = json!({"name": "e", "data": "", "channel": "private-encrypted-a"});
        assert_eq!(check(vec![event.clone(); 10]), Ok(10));
        assert_eq!(check(vec![event.clone(); 11]), Err(400));
        assert_eq!(check(Vec::new()), Ok(0));
        let wrong = json!({"name": "e", "data": "", "channel": "a b"});
        assert_eq!(check(vec![event.clone(), wrong]), Err(400));
        let large = json!({"name": "e", "data": "x".repeat(101), "channel": "a"});
        assert_eq!(check(vec![event, large]), Err(413));
    }

    #[test]
    fn channel_of_another_tenant_is_forbidden() {
        let (own, other) =
            ("0190a6f2-7c2a-7b52-9c11-000000000001", "0190a6f2-7c2a-7b52-9c11-000000000002");
        let channel =
            |tenant: &str| channel(&app(Some(own)), &format!("private-organization.{tenant}"));
        assert!(channel(own).is_ok());
        assert_eq!(channel(other).unwrap_err().status, 403);
    }
}
