//! Channels: their names, what they carry, and who may join.

mod app;
mod name;
mod topic;

pub(crate) use app::App;
pub(crate) use name::{ChannelName, Kind};
pub use topic::CHANNEL_FORMS;
pub(crate) use topic::Topic;
