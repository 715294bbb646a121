use super::{Kind, Kinds};
use crate::channel::ChannelName;

/// An address that wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) url: Box<str>,
    pub(crate) kinds: Kinds,
    /// Only of channels whose names begin so.
    pub(crate) channel_prefix: Box<str>,
}

impl Endpoint {
    /// Whether it wants one of these kinds of a channel.
    pub(crate) fn wants_any(&self, kinds: Kinds, channel: &str) -> bool {
        self.kinds.meets(kinds) && channel.starts_with(&*self.channel_prefix)
    }

    pub(crate) fn wants(&self, kind: Kind, channel: &ChannelName) -> bool {
        self.wants_any(Kinds::of(&[kind]), channel.as_str())
    }
}
