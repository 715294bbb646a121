use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_contracts::realtime::v1::WebhookDelivery;
use yard_contracts::{subjects, values};
use yard_ids::Clock;
use yard_messaging::{Nats, Outgoing};

use super::event::{Event, body};
use super::{Endpoint, Told};
use crate::app::{App, AppId, Apps};
use crate::telemetry;

/// Events are gathered for so long.
const GATHER: Duration = Duration::from_millis(50);
/// As many are gathered at most.
const MOST_GATHERED: usize = 2_000;
/// Events of one call, and about so many bytes of it.
const MOST_EVENTS: usize = 100;
const LARGEST: usize = 256 * 1024;
/// How long JetStream may take to have a call.
const PATIENCE: Duration = Duration::from_secs(2);
/// So often a call is given to it.
const TRIES: u32 = 3;

/// Gathers what is told, app by app, and gives signed calls to JetStream. One task, so that an
/// instance's calls are there in the order in which things happened.
pub(super) struct Post {
    apps: Apps,
    nats: Nats,
    clock: Arc<dyn Clock>,
}

impl Post {
    pub(super) fn new(apps: Apps, nats: Nats, clock: Arc<dyn Clock>) -> Self {
        Self { apps, nats, clock }
    }

    /// Until `left`, and then all that waits.
    pub(super) async fn run(
        self,
        mut waiting: mpsc::Receiver<Told>,
        left: CancellationToken,
    ) -> anyhow::Result<()> {
        loop {
            let first = tokio::select! {
                biased;
                told = waiting.recv() => told,
                () = left.cancelled() => None,
            };
            let Some(first) = first else { return Ok(()) };
            let (mut count, mut gathered) = (first.events.len(), vec![first]);
            tokio::select! {
                () = sleep(GATHER) => {}
                () = left.cancelled() => {}
            }
            while count < MOST_GATHERED
                && let Ok(told) = waiting.try_recv()
            {
                count += told.events.len();
                gathered.push(told);
            }
            self.post(gathered).await;
        }
    }

    async fn post(&self, gathered: Vec<Told>) {
        let mut by_app: HashMap<AppId, Vec<Told>> = HashMap::new();
        for told in gathered {
            by_app.entry(told.app).or_default().push(told);
        }
        join_all(by_app.into_iter().map(|(app, all)| self.post_app(app, all))).await;
    }

    async fn post_app(&self, app: AppId, all: Vec<Told>) {
        // What is owed comes apart from what may be lost, which its failure must not repeat.
        let (owed, rest): (Vec<Told>, Vec<Told>) =
            all.into_iter().partition(|told| told.done.is_some());
        let mut lost = 0;
        let app = match self.apps.by_id(app).await {
            Ok(app) => app,
            Err(_away) => {
                lost += rest.iter().map(|told| told.events.len()).sum::<usize>();
                telemetry::webhooks_lost("database", lost as u64);
                return answer(owed, false);
            }
        };
        // An app that is gone, or off, tells nothing.
        let Some(app) = app.filter(|app| app.refusal().is_none()) else {
            return answer(owed, true);
        };
        let had = self.give(&app, &owed).await;
        answer(owed, had);
        if !self.give(&app, &rest).await {
            lost += rest.iter().map(|told| told.events.len()).sum::<usize>();
            telemetry::webhooks_lost("broker", lost as u64);
        }
    }

    /// Gives JetStream what the app's endpoints want to be told; whether it has all of it.
    async fn give(&self, app: &App, all: &[Told]) -> bool {
        let endpoints = app.with_settings(|settings| Arc::clone(&settings.webhooks));
        let mut calls = Vec::new();
        for endpoint in &*endpoints {
            let wanted = all.iter().flat_map(|told| &told.events);
            let wanted: Vec<&Event> =
                wanted.filter(|event| endpoint.wants(event.kind, &event.channel)).collect();
            for events in parcels(&wanted) {
                for event in events {
                    telemetry::webhook_event(event.kind.name());
                }
                calls.extend(self.call(app, endpoint, events));
            }
        }
        self.publish(calls).await
    }

    fn call(&self, app: &App, endpoint: &Endpoint, events: &[&Event]) -> Option<Outgoing> {
        let now = self.clock.now();
        let time_ms = i64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        let body = body(time_ms, events);
        let (tenant, signature) = (app.tenant()?, app.sign_body(&body)?);
        // The same events to the same address are the same call: JetStream takes it once.
        let ids: Vec<u8> = events.iter().flat_map(|event| *event.id.as_bytes()).collect();
        let id = Uuid::new_v5(&Uuid::new_v5(&Uuid::NAMESPACE_URL, endpoint.url.as_bytes()), &ids);
        let delivery = WebhookDelivery {
            id: id.as_hyphenated().to_string(),
            tenant_id: tenant.to_string(),
            app_id: app.id().to_string(),
            url: endpoint.url.to_string(),
            key: app.key().to_owned(),
            signature,
            body,
            made_at: Some(values::timestamp(now)),
        };
        let subject = subjects::webhook(tenant, app.id().number());
        Some(Outgoing { subject, id, payload: delivery.encode_to_vec().into(), traceparent: None })
    }

    async fn publish(&self, mut calls: Vec<Outgoing>) -> bool {
        for _ in 0..TRIES {
            if calls.is_empty() {
                return true;
            }
            calls = self.publish_once(calls).await;
        }
        calls.is_empty()
    }

    /// Publishes all, in their order; those that JetStream may not have.
    async fn publish_once(&self, calls: Vec<Outgoing>) -> Vec<Outgoing> {
        let mut acks = Vec::with_capacity(calls.len());
        for call in &calls {
            let sent = timeout(PATIENCE, self.nats.publish(call)).await;
            acks.push(sent.ok().and_then(Result::ok));
        }
        let confirmed = acks.into_iter().map(|ack| async {
            match ack {
                Some(ack) => matches!(timeout(PATIENCE, ack.confirmed()).await, Ok(Ok(_sequence))),
                None => false,
            }
        });
        let confirmed = join_all(confirmed).await;
        calls.into_iter().zip(confirmed).filter(|(_, had)| !had).map(|(call, _)| call).collect()
    }
}

/// Cuts events into calls of a bounded size.
fn parcels<'a, 'e>(events: &'a [&'e Event]) -> Vec<&'a [&'e Event]> {
    let (mut parcels, mut rest) = (Vec::new(), events);
    while !rest.is_empty() {
        let mut weight = 0;
        let fits = |event: &&&Event| {
            weight += event.weight();
            weight <= LARGEST
        };
        let count = rest.iter().take(MOST_EVENTS).take_while(fits).count().max(1);
        let (parcel, left) = rest.split_at(count);
        parcels.push(parcel);
        rest = left;
    }
    parcels
}

fn answer(owed: Vec<Told>, had: bool) {
    for told in owed {
        // Whoever asked may have stopped meanwhile.
        told.done.map(|done| done.send(had).ok());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::channel::ChannelName;

    #[test]
    fn calls_are_cut_by_count_and_by_size() {
        let channel = ChannelName::parse("private-x").unwrap();
        let small = Event::cache_miss(Uuid::nil(), &channel);
        let sizes = |events: &[&Event]| -> Vec<usize> {
            parcels(events).iter().map(|parcel| parcel.len()).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&vec![&small; 250]), [100, 100, 50]);
        let data = RawValue::from_string(format!("\"{}\"", "x".repeat(100_000))).unwrap();
        let large = Event::client_event(Uuid::nil(), &channel, ("client-x", &data), "1.2", None);
        assert_eq!(sizes(&[&large; 5]), [2, 2, 1]);
    }
}
