use std::collections::HashSet;
use std::time::Duration;

use serde::Deserialize;

use crate::channel::{ChannelName, Kind};

/// How long a message is sent again where its sender says nothing.
const USUAL_TTL: u64 = 3_600;
const LONGEST_TTL: u64 = 7 * 86_400;
/// Recipients that are named, at most.
const MOST_NAMED: usize = 100;
/// Longest idempotency key, characters.
const LONGEST_KEY: usize = 64;

/// What acknowledges a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// Its bytes arrived at the client's stack; that code ran is not proven.
    Transport,
    /// The client says so.
    App,
}

impl Level {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::App => "app",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Transport, Self::App].into_iter().find(|level| level.as_str() == text)
    }
}

/// What `confirm` of a publish asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) level: Level,
    pub(crate) ttl: Duration,
    pub(crate) to: To,
    pub(crate) key: Option<String>,
}

/// For whom a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    /// Each once.
    Named(Vec<String>),
    /// Who is in the presence channel at that moment.
    Present,
}

/// The body of a publish, as far as it is about this.
#[derive(Deserialize)]
struct Body {
    confirm: Confirm,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    socket_id: Option<String>,
    #[serde(default)]
    info: Option<String>,
}

/// A field that is misspelt here would change for whom a message is, so that none is passed over.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirm {
    level: String,
    #[serde(default)]
    ttl: Option<u64>,
    #[serde(default)]
    to: Option<Vec<String>>,
}

impl Wish {
    /// Reads the body of a publish to `channel` that has `confirm`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn read(body: &[u8], channel: &ChannelName) -> Result<Self, &'static str> {
        let Ok(Body { confirm, idempotency_key: key, socket_id, info }) =
            serde_json::from_slice(body)
        else {
            return Err(
                "confirm holds level, a text, and if wanted ttl, whole seconds, and to, texts",
            );
        };
        let level = Level::parse(&confirm.level).ok_or("confirm.level is transport or app")?;
        let ttl = confirm.ttl.unwrap_or(USUAL_TTL);
        if !(1..=LONGEST_TTL).contains(&ttl) {
            return Err("confirm.ttl is 1 to 604800 seconds");
        }
        if key.as_ref().is_some_and(|key| !is_key(key)) {
            return Err("idempotency_key has 1 to 64 characters");
        }
        if socket_id.is_some() {
            return Err("a confirmed event is for users, all their sockets: leave socket_id out");
        }
        if info.is_some_and(|info| !info.is_empty()) {
            return Err("info is not told of a confirmed event");
        }
        Ok(Self { level, ttl: Duration::from_secs(ttl), to: To::read(confirm.to, channel)?, key })
    }
}

impl To {
    fn read(named: Option<Vec<String>>, channel: &ChannelName) -> Result<Self, &'static str> {
        match (named, channel.user()) {
            (None, Some(user)) => Ok(Self::Named(vec![user.to_owned()])),
            (Some(named), Some(user)) if named != [user] => {
                Err("this channel has one recipient, the user it is named for")
            }
            (Some(named), _) => Self::checked(named),
            (None, None) if channel.kind() == Kind::Presence => Ok(Self::Present),
            (None, None) => Err("confirm.to names who shall get what is said in this channel"),
        }
    }

    fn checked(named: Vec<String>) -> Result<Self, &'static str> {
        if !(1..=MOST_NAMED).contains(&named.len()) {
            return Err("confirm.to names 1 to 100 users");
        }
        if named.iter().any(|user| ChannelName::to_user(user).is_none()) {
            return Err("a user's id in confirm.to has 1 to 128 bytes and no control characters");
        }
        let distinct: HashSet<&String> = named.iter().collect();
        if distinct.len() < named.len() {
            return Err("confirm.to names a user twice");
        }
        Ok(Self::Named(named))
    }
}

fn is_key(key: &str) -> bool {
    (1..=LONGEST_KEY).contains(&key.chars().count()) && !key.contains('\0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn read(channel: &str, confirm: &Value) -> Result<Wish, &'static str> {
        let body = json!({"confirm": confirm}).to_string();
        Wish::read(body.as_bytes(), &ChannelName::parse(channel).unwrap())
    }

    fn to(users: &[String]) -> bool {
        read("private-a", &json!({"level": "app", "to": users})).is_ok()
    }

    #[test]
    fn wish_without_more_than_a_level_is_for_an_hour_and_for_whom_the_channel_says() {
        let wish = read("presence-a", &json!({"level": "transport"})).unwrap();
        assert_eq!((wish.level, wish.ttl.as_secs()), (Level::Transport, 3_600));
        assert_eq!((wish.to, wish.key), (To::Present, None));
        let wish = read("#server-to-user-7", &json!({"level": "app"})).unwrap();
        assert_eq!(wish.to, To::Named(vec!["7".to_owned()]));
        assert!(read("#server-to-user-7", &json!({"level": "app", "to": ["7"]})).is_ok());
        assert!(read("#server-to-user-7", &json!({"level": "app", "to": ["8"]})).is_err());
        assert!(read("#server-to-user-7", &json!({"level": "app", "to": ["7", "8"]})).is_err());
        for channel in ["a", "private-a", "private-encrypted-a", "cache-a"] {
            assert!(read(channel, &json!({"level": "app"})).is_err(), "{channel}");
        }
    }

    #[test]
    fn wish_is_held_to_each_limit_at_its_edge() {
        let ttl = |ttl: Value| read("presence-a", &json!({"level": "app", "ttl": ttl})).is_ok();
        assert!(ttl(json!(1)) && ttl(json!(604_800)) && ttl(Value::Null));
        for wrong in [json!(0), json!(-1), json!(604_801), json!(1.5), json!("1"), json!(1e30)] {
            assert!(!ttl(wrong.clone()), "{wrong}");
        }
        let users = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(to(&users(1)) && to(&users(100)) && !to(&users(101)) && !to(&users(0)));
        let user = |text: &str| to(&[text.to_owned()]);
        assert!(user(&"x".repeat(128)) && !user(&"x".repeat(129)));
        assert!(!user("") && !user("a\nb") && !user("\0"));
        assert!(!to(&["7".to_owned(), "7".to_owned()]));
        for level in [json!("none"), json!("App"), json!(1), Value::Null] {
            assert!(read("presence-a", &json!({"level": level})).is_err(), "{level}");
        }
        assert!(read("presence-a", &json!({"level": "app", "too": ["7"]})).is_err());
        assert!(read("presence-a", &json!(true)).is_err());
    }

    #[test]
    fn key_has_a_limit_and_what_is_for_sockets_is_refused() {
        let read = |change: Value| {
            let mut body = json!({"confirm": {"level": "app"}});
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            Wish::read(body.to_string().as_bytes(), &ChannelName::parse("presence-a").unwrap())
        };
        let key = |key: String| read(json!({"idempotency_key": key}));
        assert_eq!(key("é".repeat(64)).unwrap().key.unwrap().chars().count(), 64);
        assert!(key("é".repeat(65)).is_err() && key(String::new()).is_err());
        assert!(key("a\0".to_owned()).is_err());
        assert!(read(json!({"socket_id": "1.2"})).is_err());
        assert!(read(json!({"info": "user_count"})).is_err());
        assert!(read(json!({"info": "", "socket_id": null})).is_ok());
    }

    proptest! {
        #[test]
        fn read_never_panics(body in r#"\{"confirm":.{0,60}\}"#) {
            drop(Wish::read(body.as_bytes(), &ChannelName::parse("presence-a").unwrap()));
        }
    }
}
