use std::collections::{HashMap, HashSet};

use futures::StreamExt as _;
use futures::stream::{BoxStream, SelectAll};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use yard_messaging::MessagingError;

use super::lookout::PATIENCE;
use super::{User, WatchLists};
use crate::bus::Bus;

/// What of the bus is listened to: one subject for each user who is watched here.
#[derive(Default)]
pub(super) struct Interests {
    heard: SelectAll<BoxStream<'static, User>>,
    /// Dropping one ends the subscription.
    ends: HashMap<User, DropGuard>,
}

impl Interests {
    /// Listens for those who are watched now, and for the others no longer; when this returns, the
    /// broker knows.
    pub(super) async fn follow(&mut self, bus: &Bus, lists: &WatchLists, users: &HashSet<User>) {
        let mut came = false;
        for user in users {
            if !lists.is_watched(user) {
                self.ends.remove(user);
            } else if !self.ends.contains_key(user) {
                came = true;
                if let Err(error) = self.listen(bus, user).await {
                    tracing::warn!(error = %error, "a watched user is looked for by time only");
                }
            }
        }
        // While the broker is away the interest is made when it is back.
        if came && !matches!(timeout(PATIENCE, bus.nats().settle()).await, Ok(Ok(()))) {
            tracing::debug!("users are watched while the broker is away");
        }
    }

    async fn listen(&mut self, bus: &Bus, user: &User) -> Result<(), MessagingError> {
        let subject = Bus::online_subject(user.app, &user.id);
        let source = bus.nats().subscribe_live(subject).await?;
        let end = CancellationToken::new();
        let (whose, ended) = (user.clone(), end.clone().cancelled_owned());
        self.heard.push(source.map(move |_told| whose.clone()).take_until(ended).boxed());
        self.ends.insert(user.clone(), end.drop_guard());
        Ok(())
    }

    /// The next who came or left; waits for ever while nobody is watched.
    pub(super) async fn next(&mut self) -> User {
        loop {
            match self.heard.next().await {
                Some(user) => return user,
                None => std::future::pending().await,
            }
        }
    }
}
