use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use futures::{StreamExt as _, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use yard_ids::{Clock, IdSource};
use yard_runtime::Runtime;

use super::{Event, Webhooks};
use crate::app::Apps;
use crate::channel::ChannelKey;
use crate::presence::Rosters;
use crate::telemetry;

/// How often it is looked for what has become due.
const LOOK: Duration = Duration::from_millis(250);
/// Channels that are looked at in one round, and at the same time.
const MOST: i64 = 1_000;
const AT_ONCE: usize = 64;
/// Whoever took edges has so long to tell them before another does. Longer than posting may take.
const LEASE: Duration = Duration::from_secs(15);
/// Edges of a channel that are told together.
const MOST_EDGES: i64 = 1_000;

/// Tells webhooks what Redis says is owed to them. Every instance does; each edge is taken by one.
pub(super) struct Edges {
    rosters: Rosters,
    apps: Apps,
    webhooks: Webhooks,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Edges {
    pub(super) fn new(rosters: Rosters, apps: Apps, webhooks: Webhooks, rt: &Runtime) -> Self {
        Self { rosters, apps, webhooks, clock: rt.clock(), ids: rt.ids() }
    }

    /// Until `stop`; what is owed then is told by the others, or by whoever starts next.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.webhooks.owed.notified() => {}
                () = sleep(LOOK) => {}
            }
            if let Err(error) = self.round().await {
                tracing::debug!(error = %error, "webhooks are told later");
            }
        }
    }

    async fn round(&self) -> Result<(), Error> {
        let due = self.rosters.due(self.now(), MOST).await?;
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |channel| async move {
                if let Err(error) = self.look_at(&channel).await {
                    tracing::debug!(channel = %channel, error = %error, "webhooks are told later");
                }
            })
            .await;
        Ok(())
    }

    /// Puts the channel off so that nobody else looks at it meanwhile, and on again for what is due
    /// next. Whoever changes it in between brings it forward.
    async fn look_at(&self, channel: &ChannelKey) -> Result<(), Error> {
        let claim = self.now() + millis(LEASE);
        self.rosters.put_off(channel, claim).await?;
        if !self.settle(channel).await? {
            return Ok(());
        }
        match self.rosters.next_due(channel).await? {
            Some(due) => self.rosters.bring_forward(channel, due).await,
            None => self.rosters.strike_off(channel, claim).await,
        }
    }

    /// Tells what is due; `false` where that has to be tried again after the lease.
    async fn settle(&self, channel: &ChannelKey) -> Result<bool, Error> {
        let Ok(app) = self.apps.by_id(channel.app).await else { return Ok(false) };
        let wanted = app
            .is_some_and(|app| app.with_settings(|settings| settings.tells_edges(&channel.name)));
        if !wanted {
            self.rosters.unhook(channel).await?;
            return Ok(true);
        }
        let (id, lease) = (self.ids.uuid7(), millis(LEASE));
        let Some(taken) = self.rosters.settle(channel, id, lease, MOST_EDGES).await? else {
            return Ok(true);
        };
        let edges = taken.edges.iter();
        let events = edges.filter_map(|edge| Event::edge(taken.id, edge, &channel.name)).collect();
        if !self.webhooks.tell_surely(channel.app, events).await {
            telemetry::webhooks_postponed();
            tracing::debug!(channel = %channel, "JetStream has not taken a webhook; told again");
            return Ok(true);
        }
        self.rosters.told(channel, taken.id).await?;
        Ok(true)
    }

    fn now(&self) -> i64 {
        i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
