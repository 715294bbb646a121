//! Channels: their names, and what of the live bus they carry.

mod name;
mod topic;

pub(crate) use name::{ChannelKey, ChannelName, Kind, LONGEST_USER};
pub use topic::{CHANNEL_FORMS, FURTHER_FORMS};
pub(crate) use topic::Topic;
