use std::fmt;
use std::sync::Arc;

/// Longest name, bytes. Pusher documents 164, its libraries take 200.
const LONGEST: usize = 200;

/// What the start of a name says of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anyone may join.
    Public,
    /// Joined with our signature.
    Private,
    /// `presence-…`
    Presence,
    /// `private-encrypted-…`
    Encrypted,
    /// `cache-…`, `private-cache-…`
    Cache,
}

/// The text is no channel name: 1 to 200 of letters, digits and `-_=@,.;`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel name has 1 to 200 letters, digits or -_=@,.;")]
pub(crate) struct NameError;

/// A well-formed channel name; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ChannelName(Arc<str>);

impl ChannelName {
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        let taken = |b: u8| b.is_ascii_alphanumeric() || b"-_=@,.;".contains(&b);
        if text.is_empty() || text.len() > LONGEST || !text.bytes().all(taken) {
            return Err(NameError);
        }
        Ok(Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn kind(&self) -> Kind {
        let starts = |prefix| self.0.starts_with(prefix);
        match () {
            () if starts("presence-") => Kind::Presence,
            () if starts("private-encrypted-") => Kind::Encrypted,
            () if starts("private-cache-") || starts("cache-") => Kind::Cache,
            () if starts("private-") => Kind::Private,
            () => Kind::Public,
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_within_the_grammar_is_taken_and_its_kind_read() {
        let longest = "x".repeat(200);
        let cases = [
            ("orders", Kind::Public),
            ("a-private-orders", Kind::Public),
            ("private-a.b_c=d@e,f;g", Kind::Private),
            ("private-encrypted-x", Kind::Encrypted),
            ("private-cache-x", Kind::Cache),
            ("cache-x", Kind::Cache),
            ("presence-x", Kind::Presence),
            ("presence-cache-x", Kind::Presence),
            (longest.as_str(), Kind::Public),
        ];
        for (text, kind) in cases {
            assert_eq!(ChannelName::parse(text).map(|n| n.kind()), Ok(kind), "{text}");
        }
    }

    #[test]
    fn name_outside_the_grammar_is_refused() {
        let long = "x".repeat(201);
        for text in ["", " ", "a b", "a/b", "a:b", "#server-to-user-1", "ä", "a\n", "a*", &long] {
            assert_eq!(ChannelName::parse(text), Err(NameError), "{text}");
        }
    }
}
