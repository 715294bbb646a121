//! Watch lists: who of those that a signed-in user watches is online, over all instances.
//!
//! Somebody is online while a signed-in socket of theirs is open anywhere. Each instance says in Redis
//! whom it has; what it says replaces what it said before, and a killed one's is taken back when its
//! lease ends (ADR 0044). Over NATS goes only that somebody came or left, on a subject of their own
//! that an instance listens to while somebody on it watches them; who hears it looks in Redis. So a
//! watcher is told the state that holds, whatever was lost or came twice on the way.

mod interest;
mod lists;
mod lookout;
mod online;

use std::fmt;
use std::sync::Arc;

use crate::app::AppId;

pub(crate) use lists::{Seen, WatchLists};
pub(crate) use lookout::Lookout;
pub(crate) use online::Online;

/// Somebody who can be signed in to an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct User {
    app: AppId,
    id: Arc<str>,
}

impl User {
    fn new(app: AppId, id: &str) -> Self {
        Self { app, id: id.into() }
    }

    /// As it is written, read.
    fn parse(text: &str) -> Option<Self> {
        let (app, id) = text.split_once('/')?;
        Some(Self::new(AppId::new(app.parse().ok()?), id))
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_read_as_it_is_written() {
        for id in ["7", "a/b", "ä {x}"] {
            let user = User::new(AppId::new(3), id);
            assert_eq!(User::parse(&user.to_string()), Some(user));
        }
        for text in ["", "7", "x/7"] {
            assert_eq!(User::parse(text), None, "{text}");
        }
    }
}
