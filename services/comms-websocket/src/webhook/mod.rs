//! Telling tenants' servers what happens in the channels of their apps (Pusher's webhooks, ADR 0040).
//!
//! Edges (a channel is occupied or vacated, somebody came or left) are owed in Redis until JetStream
//! has them: whichever instance comes first takes them, tells them and strikes them off. A crash
//! between repeats them with the same ids. What happens on this instance alone (client events, missing
//! events, counts) is told at most once. Both are gathered for a moment, signed, and given to the
//! worker by way of JetStream; it calls the tenant's server.

mod config;
mod edges;
mod endpoint;
mod event;
mod kind;
mod post;

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use yard_ids::IdSource;
use yard_messaging::Nats;
use yard_runtime::{Runtime, TaskKind};

pub use config::WebhooksConfig;
pub(crate) use endpoint::Endpoint;
pub(crate) use event::Event;
pub(crate) use kind::{Kind, Kinds};

use crate::app::{AppId, Apps};
use crate::presence::Rosters;
use crate::telemetry;
use edges::Edges;
use post::Post;

/// Events of all apps that may wait to be posted; one more is lost.
const MOST_WAITING: usize = 10_000;

/// Tells webhooks. Cheap to clone; telling never waits.
#[derive(Clone)]
pub(crate) struct Webhooks {
    told: mpsc::Sender<Told>,
    /// Something is owed now.
    owed: Arc<Notify>,
    ids: Arc<dyn IdSource>,
}

/// Something that happened in an app.
struct Told {
    app: AppId,
    events: Vec<Event>,
    /// Hears whether JetStream has it, or nobody wants it.
    done: Option<oneshot::Sender<bool>>,
}

impl Webhooks {
    /// Begins to post, until `left` and all that waits then.
    pub(crate) fn start(
        apps: &Apps,
        rosters: &Rosters,
        nats: &Nats,
        rt: &Runtime,
        left: CancellationToken,
    ) -> Self {
        let (told, waiting) = mpsc::channel(MOST_WAITING);
        let this = Self { told, owed: Arc::default(), ids: rt.ids() };
        let post = Post::new(apps.clone(), nats.clone(), rt.clock());
        rt.tasks().spawn(TaskKind::Critical, "webhooks", post.run(waiting, left));
        let edges = Edges::new(rosters.clone(), apps.clone(), this.clone(), rt);
        let soft = rt.shutdown().soft().clone();
        rt.tasks().spawn(TaskKind::Critical, "webhook edges", edges.run(soft));
        this
    }

    /// Of an event.
    pub(crate) fn new_id(&self) -> Uuid {
        self.ids.uuid7()
    }

    /// Something happened, which somebody wants to know. It may be lost.
    pub(crate) fn tell(&self, app: AppId, event: Event) {
        let told = Told { app, events: vec![event], done: None };
        if self.told.try_send(told).is_err() {
            telemetry::webhooks_lost("queue", 1);
        }
    }

    /// Redis owes webhooks something at this moment.
    pub(crate) fn owe(&self) {
        self.owed.notify_one();
    }

    /// Tells, and says whether JetStream has it.
    async fn tell_surely(&self, app: AppId, events: Vec<Event>) -> bool {
        let (done, answer) = oneshot::channel();
        let told = Told { app, events, done: Some(done) };
        self.told.send(told).await.is_ok() && answer.await.unwrap_or(false)
    }
}
