use std::collections::HashSet;
use std::time::Duration;

use fred::error::Error;
use futures::{StreamExt as _, stream};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use yard_runtime::Runtime;

use super::interest::Interests;
use super::lists::Pending;
use super::{Online, User};

/// How often everybody who is watched is looked at, told or not.
pub(super) const LOOK: Duration = Duration::from_secs(15);
/// Longest wait for the broker's answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// After Redis did not answer.
const PAUSE: Duration = Duration::from_millis(500);
const AT_ONCE: usize = 64;

/// Says who is signed in here, and tells watchers here who came and left. One task: of a user nothing
/// is said before the last word on them is answered.
pub(crate) struct Lookout {
    online: Online,
    interests: Interests,
    soft: CancellationToken,
}

impl Lookout {
    pub(crate) fn new(online: Online, rt: &Runtime) -> Self {
        let soft = rt.shutdown().soft().clone();
        Self { online, interests: Interests::default(), soft }
    }

    /// Until the soft stop, and then until the last signed-in socket has left.
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (soft, lists) = (self.soft.clone(), self.online.lists.clone());
        loop {
            let leaving = async {
                soft.cancelled().await;
                while !lists.is_empty() {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::select! {
                pending = lists.take() => self.round(pending).await,
                user = self.interests.next() => lists.doubt(user),
                _ = look.tick() => lists.doubt_all(),
                () = leaving => return Ok(()),
            }
        }
    }

    async fn round(&mut self, pending: Pending) {
        let Pending { changed, interests, mut doubted } = pending;
        let lists = self.online.lists.clone();
        self.interests.follow(&self.online.bus, &lists, &interests).await;
        doubted.extend(interests.into_iter().filter(|user| lists.is_watched(user)));
        let changed = self.say(changed).await;
        let doubted = match self.look(&doubted).await {
            Ok(()) => HashSet::new(),
            Err(error) => {
                tracing::debug!(error = %error, "who is online is told later");
                doubted
            }
        };
        if !changed.is_empty() || !doubted.is_empty() {
            lists.put_back(Pending { changed, doubted, ..Pending::default() });
            sleep(PAUSE).await;
        }
    }

    /// Says how these stand here; whom it could not be said of.
    async fn say(&self, changed: HashSet<User>) -> HashSet<User> {
        let online = &self.online;
        let said = stream::iter(changed).map(|user| async move {
            let said = online.say(&user).await;
            said.err().map(|error| {
                tracing::debug!(error = %error, "who is signed in is said later");
                user
            })
        });
        said.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
    }

    async fn look(&self, doubted: &HashSet<User>) -> Result<(), Error> {
        if doubted.is_empty() {
            return Ok(());
        }
        let users: Vec<User> = doubted.iter().cloned().collect();
        self.online.lists.tell(&self.online.look(users).await?);
        Ok(())
    }
}
