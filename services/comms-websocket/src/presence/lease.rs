use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use yard_ids::Clock;

use super::ledger::tell;
use super::{Changes, Rosters};
use crate::channel::ChannelKey;
use crate::hub::Hub;
use crate::protocol;
use crate::watch::Online;

/// An instance that has said nothing for so long is gone. Renewed every three seconds, looked for as
/// often: who was on a killed instance has left after twelve at most.
const LEASE: Duration = Duration::from_secs(9);

/// This instance's word that it is alive, and its eye on the others.
pub(super) struct Lease {
    rosters: Rosters,
    hub: Hub,
    changes: Changes,
    online: Online,
    clock: Arc<dyn Clock>,
}

impl Lease {
    pub(super) fn new(
        rosters: Rosters,
        hub: Hub,
        (changes, online): (Changes, Online),
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { rosters, hub, changes, online, clock }
    }

    pub(super) async fn beat(&self) {
        if let Err(error) = self.renew_and_look().await {
            tracing::debug!(error = %error, "the instance's lease could not be renewed");
        }
    }

    async fn renew_and_look(&self) -> Result<(), Error> {
        let now = self.now();
        let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
        if !self.rosters.renew(now + lease).await? {
            // Redis lost it, or another took this instance for gone: all is said anew.
            self.say_all();
        }
        for instance in self.rosters.ended(now).await? {
            tracing::info!(instance, "taking back what an instance that is gone has said");
            self.bury(&instance).await?;
        }
        Ok(())
    }

    /// Several may do it at once: each edge is told by whoever made it.
    async fn bury(&self, instance: &str) -> Result<(), Error> {
        for channel in self.rosters.channels_of(instance).await? {
            self.take_back(&channel, instance).await?;
        }
        self.online.bury(instance).await?;
        self.rosters.forget(instance).await
    }

    async fn take_back(&self, channel: &ChannelKey, instance: &str) -> Result<(), Error> {
        let dropped = self.rosters.drop_out(channel, instance).await?;
        for (user, version) in dropped.left {
            let frame = protocol::member_removed(channel.name.as_str(), &user);
            tell(&self.hub, channel, frame, version).await;
        }
        Ok(())
    }

    fn say_all(&self) {
        self.online.say_all();
        for live in self.hub.all() {
            self.changes.counts(live.key());
            for user in live.people() {
                self.changes.goes(live.key(), user);
            }
        }
    }

    /// This instance leaves of its own will, with nobody on it.
    pub(super) async fn end(&self) {
        let instance = Arc::clone(self.rosters.instance());
        if let Err(error) = self.bury(&instance).await {
            tracing::debug!(error = %error, "the others will find that this instance is gone");
        }
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }
}
