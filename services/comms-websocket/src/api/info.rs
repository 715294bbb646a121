use serde_json::{Map, Value, json};

use super::problem::Problem;
use crate::channel::{ChannelName, Kind};
use crate::presence::Occupancy;

/// What a call wants to know of a channel: `info=user_count,subscription_count,cache`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Info {
    pub(super) user_count: bool,
    pub(super) subscription_count: bool,
    pub(super) cache: bool,
}

impl Info {
    pub(super) fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let mut info = Self::default();
        let text = text.unwrap_or_default();
        for attribute in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match attribute {
                "user_count" => info.user_count = true,
                "subscription_count" => info.subscription_count = true,
                "cache" => info.cache = true,
                _ => return Err(Problem::malformed("info names an attribute that is none")),
            }
        }
        Ok(info)
    }

    /// Of a call that publishes: attributes a channel does not have are left out of the answer.
    pub(super) fn of_event(text: Option<&str>) -> Result<Self, Problem> {
        let info = Self::parse(text)?;
        if info.cache {
            return Err(Problem::malformed("cache is not known of an event that is published"));
        }
        Ok(info)
    }

    /// Of a call that asks for one channel, which has to have them all.
    pub(super) fn of_channel(text: Option<&str>, name: &ChannelName) -> Result<Self, Problem> {
        let info = Self::parse(text)?;
        if info.user_count && name.kind() != Kind::Presence {
            return Err(Problem::malformed("user_count is known of presence channels only"));
        }
        if info.cache && !name.is_cache() {
            return Err(Problem::malformed("cache is known of cache channels only"));
        }
        Ok(info)
    }

    pub(super) const fn is_empty(self) -> bool {
        !(self.user_count || self.subscription_count || self.cache)
    }

    /// What there is to tell of a channel.
    pub(super) fn of(self, name: &ChannelName, occupancy: &Occupancy) -> Map<String, Value> {
        let mut told = Map::new();
        if self.user_count && name.kind() == Kind::Presence {
            told.insert("user_count".to_owned(), occupancy.people.into());
        }
        if self.subscription_count {
            told.insert("subscription_count".to_owned(), occupancy.listeners.into());
        }
        if self.cache {
            told.insert("cache".to_owned(), kept(occupancy));
        }
        told
    }
}

/// The data of the event that a channel keeps; `null` if it keeps none.
fn kept(occupancy: &Occupancy) -> Value {
    let frame = occupancy.kept.as_ref().map(|frame| serde_json::from_str::<Value>(frame.as_str()));
    let data =
        frame.and_then(Result::ok).and_then(|mut frame| frame.get_mut("data").map(Value::take));
    data.map_or(Value::Null, |data| json!({"data": data}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol;

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).unwrap()
    }

    #[test]
    fn attributes_are_those_that_the_channel_has() {
        let both = Info { user_count: true, subscription_count: true, cache: false };
        assert_eq!(Info::parse(Some("user_count, subscription_count")), Ok(both));
        assert_eq!(Info::parse(None), Ok(Info::default()));
        assert_eq!(Info::parse(Some("")), Ok(Info::default()));
        assert_eq!(Info::parse(Some("users")).unwrap_err().status, 400);
        assert!(Info::of_event(Some("cache")).is_err());
        assert_eq!(Info::of_event(Some("user_count,subscription_count")), Ok(both));
        assert!(Info::of_channel(Some("user_count"), &name("presence-x")).is_ok());
        assert!(Info::of_channel(Some("user_count"), &name("private-x")).is_err());
        assert!(Info::of_channel(Some("subscription_count"), &name("x")).is_ok());
        assert!(Info::of_channel(Some("cache"), &name("private-cache-x")).is_ok());
        assert!(Info::of_channel(Some("cache"), &name("private-x")).is_err());
    }

    #[test]
    fn answer_holds_what_was_asked_for_and_applies() {
        let frame = protocol::channel_event("presence-cache-x", "e", "{\"a\":1}");
        let occupancy =
            Occupancy { listeners: 3, people: 2, kept: Some(frame), ..Occupancy::default() };
        let all = Info { user_count: true, subscription_count: true, cache: true };
        assert_eq!(
            Value::Object(all.of(&name("presence-cache-x"), &occupancy)),
            json!({"user_count": 2, "subscription_count": 3, "cache": {"data": "{\"a\":1}"}})
        );
        let counts = Info { cache: false, ..all };
        assert_eq!(
            Value::Object(counts.of(&name("x"), &occupancy)),
            json!({"subscription_count": 3})
        );
        let none = Occupancy::default();
        assert_eq!(
            Info { cache: true, ..Info::default() }.of(&name("cache-x"), &none)["cache"],
            Value::Null
        );
    }
}
