use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use prost::Message as _;
use yard_contracts::realtime::v1::{ChannelPulse, InspectionQuery, InspectionReport};
use yard_contracts::subjects;
use yard_messaging::Nats;
use yard_runtime::{Runtime, TaskKind};

use super::pulse::{Pace, SHOWN};
use crate::app::{App, AppId, Apps};
use crate::channel::{ChannelKey, ChannelName};
use crate::hub::Hub;
use crate::socket::Door;

/// Channels of one question.
pub(super) const MOST_ASKED: usize = 200;

/// What a report is made from.
struct Desk {
    door: Arc<Door>,
    apps: Apps,
    hub: Hub,
    nats: Nats,
    pace: Pace,
}

/// Answers what is asked of all instances, until the soft stop.
pub(crate) fn answer(door: Arc<Door>, (apps, hub): (Apps, Hub), nats: Nats, rt: &Runtime) {
    let pace = door.watch.pace();
    let desk = Desk { door, apps, hub, nats, pace };
    let soft = rt.shutdown().soft().clone();
    rt.tasks().spawn(TaskKind::Background, "inspection", async move {
        let subject = subjects::LIVE_INSPECTION.to_owned();
        let mut questions = desk.nats.subscribe_live(subject).await?;
        while let Some(Some(question)) = soft.run_until_cancelled(questions.next()).await {
            let query = match InspectionQuery::decode(question.payload) {
                Ok(query) => query,
                Err(error) => {
                    tracing::warn!(error = %error, "a question about an app is not readable");
                    continue;
                }
            };
            let report = desk.report(&query);
            let Some(reply) = question.reply else { continue };
            let told = desk.nats.publish_live(reply.to_string(), report.encode_to_vec().into());
            if let Err(error) = told.await {
                tracing::debug!(error = %error, "a question about an app is not answered");
            }
        }
        Ok(())
    });
}

impl Desk {
    /// Of an app that nobody here is in there is nothing to tell.
    fn report(&self, query: &InspectionQuery) -> InspectionReport {
        let id = AppId::new(query.app);
        if query.trace {
            self.door.watch.renew(id);
        }
        let interval = self.pace.interval(Instant::now());
        let report = InspectionReport {
            interval: interval.saturating_sub(SHOWN as u64),
            sockets: whole(self.door.sockets(id)),
            channels: self.pulses(id, interval, &query.channels),
            ..InspectionReport::default()
        };
        let Some(app) = self.apps.peek(id) else { return report };
        self.of_app(&app, interval, query, report)
    }

    fn of_app(
        &self,
        app: &App,
        interval: u64,
        query: &InspectionQuery,
        report: InspectionReport,
    ) -> InspectionReport {
        let activity = app.activity();
        let subscriptions = self.hub.of_app(app.id()).iter().map(|live| live.count()).sum();
        InspectionReport {
            subscriptions: whole(subscriptions),
            published: activity.published.before(interval),
            client_events: activity.client_events.before(interval),
            refused: activity.refused.before(interval).iter().sum(),
            refusals: if query.refusals { activity.remembered() } else { Vec::new() },
            ..report
        }
    }

    fn pulses(&self, app: AppId, interval: u64, names: &[String]) -> Vec<ChannelPulse> {
        let pulse = |(index, name): (usize, &String)| {
            let name = ChannelName::parse(name).ok()?;
            let live = self.hub.find(&ChannelKey { app, name })?;
            let messages = live.said_before(interval);
            Some(ChannelPulse { index: whole(index), messages })
        };
        names.iter().take(MOST_ASKED).enumerate().filter_map(pulse).collect()
    }
}

fn whole(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
