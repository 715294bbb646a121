use std::fmt;
use std::sync::Arc;

use crate::app::AppId;

/// Longest name, bytes. Pusher documents 164, its libraries take 200.
const LONGEST: usize = 200;
/// What is said to one person, whatever they have open.
const TO_USER: &str = "#server-to-user-";
/// Longest id of a person.
pub(crate) const LONGEST_USER: usize = 128;

/// Who may join a channel, as the start of its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anyone.
    Public,
    /// Who has the app's signature.
    Private,
    /// Who has the app's signature, which says who they are; all in it know each other.
    Presence,
    /// As private; what is said in it only its clients can read.
    Encrypted,
    /// Who is signed in as the one it is named for.
    ToUser,
}

/// The text is no channel name: 1 to 200 of letters, digits and `-_=@,.;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel name has 1 to 200 letters, digits or -_=@,.;")]
pub(crate) struct NameError;

/// A well-formed channel name; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelName(Arc<str>);

/// A channel of an app: apps know nothing of each other's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelKey {
    pub(crate) app: AppId,
    pub(crate) name: ChannelName,
}

impl ChannelName {
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let taken = |b: u8| b.is_ascii_alphanumeric() || b"-_=@,.;".contains(&b);
        if let Some(user) = text.strip_prefix(TO_USER) {
            return Self::to_user(user).ok_or(NameError);
        }
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(taken) {
            return Err(NameError);
        }
        Ok(Self(text.into()))
    }

    /// The channel of what is said to one person; `None` where this can be no id of one.
    pub(crate) fn to_user(user: &str) -> Option<Self> {
        let plain =
            !user.is_empty() && user.len() <= LONGEST_USER && !user.contains(char::is_control);
        plain.then(|| Self(format!("{TO_USER}{user}").into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn kind(&self) -> Kind {
        let starts = |prefix| self.0.starts_with(prefix);
        match () {
            () if starts(TO_USER) => Kind::ToUser,
            () if starts("presence-") => Kind::Presence,
            () if starts("private-encrypted-") => Kind::Encrypted,
            () if starts("private-") => Kind::Private,
            () => Kind::Public,
        }
    }

    /// Whether the last event is kept for who joins later.
    pub(crate) fn is_cache(&self) -> bool {
        ["cache-", "private-cache-", "private-encrypted-cache-", "presence-cache-"]
            .iter()
            .any(|prefix| self.0.starts_with(prefix))
    }

    /// Whose channel it is, if it is one person's.
    pub(crate) fn user(&self) -> Option<&str> {
        self.0.strip_prefix(TO_USER)
    }
}

impl Kind {
    /// Whether clients may speak in it, where the app lets them.
    pub(crate) const fn takes_client_events(self) -> bool {
        matches!(self, Self::Private | Self::Presence)
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_within_the_grammar_is_taken_and_its_kind_read() {
        let longest = "x".repeat(200);
        let cases = [
            ("orders", Kind::Public, false),
            ("a-private-orders", Kind::Public, false),
            ("private-a.b_c=d@e,f;g", Kind::Private, false),
            ("private-encrypted-x", Kind::Encrypted, false),
            ("private-encrypted-cache-x", Kind::Encrypted, true),
            ("private-cache-x", Kind::Private, true),
            ("cache-x", Kind::Public, true),
            ("presence-x", Kind::Presence, false),
            ("presence-cache-x", Kind::Presence, true),
            ("#server-to-user-Zoë 1", Kind::ToUser, false),
            (longest.as_str(), Kind::Public, false),
        ];
        for (text, kind, cache) in cases {
            let name = ChannelName::parse(text).unwrap();
            assert_eq!((name.kind(), name.is_cache()), (kind, cache), "{text}");
        }
    }

    #[test]
    fn name_outside_the_grammar_is_refused() {
        let long = "x".repeat(201);
        let user = format!("#server-to-user-{}", "x".repeat(129));
        for text in
            ["", " ", "a b", "a/b", "a:b", "#server-to-user-", "#x", &user, "ä", "a\n", "a*", &long]
        {
            assert_eq!(ChannelName::parse(text), Err(NameError), "{text}");
        }
    }

    #[test]
    fn channel_of_a_person_names_them() {
        let name = ChannelName::to_user("7").unwrap();
        assert_eq!((name.as_str(), name.user()), ("#server-to-user-7", Some("7")));
        assert_eq!(ChannelName::parse("private-7").unwrap().user(), None);
        assert_eq!(ChannelName::to_user(""), None);
    }

    /// Fuzz target: a name that is taken is within the grammar and means one thing.
    #[test]
    fn fuzz_damaged_names_are_taken_within_the_grammar_alone() {
        let tenant = "0190a6f2-7c2a-7b52-9c11-000000000001";
        let good: Vec<Vec<u8>> = [
            "news".to_owned(),
            "private-encrypted-cache-a=@,.;_".to_owned(),
            format!("presence-organization.{tenant}.online"),
            format!("private-organization.{tenant}"),
            format!("private-organization.{tenant}.device.{tenant}"),
            "#server-to-user-Zoë 1".to_owned(),
        ]
        .into_iter()
        .map(String::into_bytes)
        .collect();
        let mut taken = 0;
        yard_testkit::hammer(&good, 30_000, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return };
            let Ok(name) = ChannelName::parse(text) else { return };
            taken += 1;
            assert_eq!(name.as_str(), text);
            assert!(!text.contains(char::is_control));
            match name.user() {
                Some(user) => assert!((1..=LONGEST_USER).contains(&user.len())),
                None => assert!(text.is_ascii() && text.len() <= LONGEST),
            }
            if let Some(topic) = super::super::Topic::of(&name) {
                // One spelling of a tenant, so that nobody is somebody else's namesake.
                assert!(text.contains(&topic.tenant().to_string()), "{text}");
            }
        });
        assert!(taken > 300, "{taken}");
    }
}
