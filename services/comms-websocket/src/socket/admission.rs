//! Whether a socket may join a channel, and as whom.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use yard_authn::Grant;

use crate::app::App;
use crate::channel::{ChannelKey, ChannelName, Kind, LONGEST_USER};
use crate::hub::Join;
use crate::presence::Person;
use crate::protocol::Subscribe;

/// Largest information about somebody in a presence channel, bytes.
const LARGEST_INFO: usize = 1_024;

/// A channel that is not joined: what the client is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) kind: &'static str,
    pub(super) problem: &'static str,
    pub(super) status: u16,
    pub(super) label: &'static str,
}

/// Who wants to join.
pub(super) struct Candidate<'a> {
    pub(super) app: &'a App,
    pub(super) socket: &'a str,
    /// Whom it is signed in as.
    pub(super) user: Option<&'a Person>,
}

/// A join that is allowed, and what it rests on, where that can end.
pub(super) struct Allowed {
    pub(super) join: Join,
    pub(super) grant: Option<Grant>,
}

impl Candidate<'_> {
    pub(super) fn admit(&self, wish: &Subscribe) -> Result<Allowed, Refusal> {
        let name = ChannelName::parse(&wish.channel).map_err(|_name| INVALID)?;
        let topic = self.app.topic(&name).map_err(|_foreign| FOREIGN)?;
        let (person, grant) = match name.kind() {
            Kind::Public => (None, None),
            Kind::ToUser => (self.own(&name)?, None),
            Kind::Private | Kind::Encrypted => (None, self.signed(wish, wish.channel_data())?),
            Kind::Presence => self.person(wish)?,
        };
        let channel = ChannelKey { app: self.app.id(), name };
        Ok(Allowed { join: Join { channel, topic, person }, grant })
    }

    /// What is said to somebody is for them.
    fn own(&self, name: &ChannelName) -> Result<Option<Person>, Refusal> {
        let own = self.user.is_some_and(|user| name.user() == Some(&*user.id));
        own.then_some(None).ok_or(NOT_YOURS)
    }

    /// Holds the signature against what was signed; the grant, where it was made for one.
    fn signed(&self, wish: &Subscribe, data: Option<&str>) -> Result<Option<Grant>, Refusal> {
        let auth = wish.auth.as_deref().unwrap_or_default();
        if let Some(grant) = self.app.verify_for(auth, self.socket, &wish.channel, data) {
            return Ok(Some(grant));
        }
        let signed = self.app.verify(auth, self.socket, &wish.channel, data);
        signed.then_some(None).ok_or(UNSIGNED)
    }

    /// Who comes into a presence channel: whom the signed data names, or whom the socket is signed in
    /// as.
    fn person(&self, wish: &Subscribe) -> Result<(Option<Person>, Option<Grant>), Refusal> {
        let data = wish.channel_data();
        let grant = self.signed(wish, data)?;
        let person = match (data, self.user) {
            (Some(data), _) => member(data).ok_or(NOBODY)?,
            (None, Some(user)) => user.clone(),
            (None, None) => return Err(NOBODY),
        };
        Ok((Some(person), grant))
    }
}

#[derive(Deserialize)]
struct Member<'a> {
    user_id: Value,
    #[serde(borrow, default)]
    user_info: Option<&'a RawValue>,
}

/// The `channel_data` of a presence channel.
fn member(data: &str) -> Option<Person> {
    let Member { user_id, user_info } = serde_json::from_str(data).ok()?;
    person(&user_id, user_info)
}

#[derive(Deserialize)]
struct User<'a> {
    id: Value,
    #[serde(borrow, default)]
    user_info: Option<&'a RawValue>,
}

/// The `user_data` of a sign-in; its id has to be a text.
pub(super) fn user(data: &str) -> Option<Person> {
    let User { id, user_info } = serde_json::from_str(data).ok()?;
    if id.is_string() { person(&id, user_info) } else { None }
}

#[derive(Deserialize)]
struct Watching {
    #[serde(default)]
    watchlist: Vec<String>,
}

/// Whom the `user_data` of a sign-in watches, `most` at most, and what is wrong with its list.
pub(super) fn watchlist(data: &str, most: usize) -> (Vec<String>, Option<&'static str>) {
    let watching = serde_json::from_str(data);
    let Ok(Watching { watchlist: mut ids }) = watching else { return (Vec::new(), Some(NO_LIST)) };
    if ids.iter().any(|id| ChannelName::to_user(id).is_none()) {
        return (Vec::new(), Some(NO_LIST));
    }
    let problem = (ids.len() > most).then_some(LONG_LIST);
    ids.truncate(most);
    (ids, problem)
}

const NO_LIST: &str = "nobody is watched: a watchlist has users' ids, texts of 1 to 128 bytes";
const LONG_LIST: &str = "the watchlist is too long; only the first of its users are watched";

fn person(id: &Value, info: Option<&RawValue>) -> Option<Person> {
    let id = match id {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let info = info.map_or("null", RawValue::get);
    let fits = (1..=LONGEST_USER).contains(&id.len()) && info.len() <= LARGEST_INFO;
    fits.then(|| Person { id: id.into(), info: info.into() })
}

pub(super) const INVALID: Refusal = Refusal {
    kind: "InvalidChannel",
    problem: "a channel name has 1 to 200 letters, digits or -_=@,.;",
    status: 400,
    label: "name",
};
pub(super) const TOO_MANY: Refusal = Refusal {
    kind: "LimitReached",
    problem: "this socket is in as many channels as it may",
    status: 429,
    label: "limit",
};
pub(super) const ENDED: Refusal = Refusal {
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
const FOREIGN: Refusal = Refusal {
    kind: "AuthError",
    problem: "the channel is of another organisation",
    status: 403,
    label: "tenant",
};
const NOT_YOURS: Refusal = Refusal {
    kind: "AuthError",
    problem: "this channel is for the user it is named for, after pusher:signin",
    status: 401,
    label: "user",
};
const NOBODY: Refusal = Refusal {
    kind: "AuthError",
    problem: "a presence channel needs signed channel_data with a user_id of 1 to 128 bytes and a \
              user_info of at most 1,024, or a signed-in user",
    status: 401,
    label: "member",
};

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn watchlist_is_cut_at_its_limit_and_told_so_beyond() {
        let data = |ids: &[&str]| json!({"id": "1", "watchlist": ids}).to_string();
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        assert_eq!(watchlist(&data(&["2", "3"]), 2), (ids(&["2", "3"]), None));
        assert_eq!(watchlist(&data(&["2", "3", "4"]), 2), (ids(&["2", "3"]), Some(LONG_LIST)));
        assert_eq!(watchlist(r#"{"id":"1"}"#, 2), (Vec::new(), None));
        let longest = "x".repeat(LONGEST_USER);
        assert_eq!(watchlist(&data(&[&longest]), 2), (ids(&[&longest]), None));
    }

    #[test]
    fn watchlist_that_is_none_watches_nobody() {
        let long = json!({"watchlist": ["x".repeat(LONGEST_USER + 1)]}).to_string();
        for data in [r#"{"watchlist":7}"#, r#"{"watchlist":[7]}"#, r#"{"watchlist":[""]}"#, &long] {
            assert_eq!(watchlist(data, 9), (Vec::new(), Some(NO_LIST)), "{data}");
        }
    }
}
