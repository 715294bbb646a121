//! Pusher apps: who may sign for which channels, and how much each may take.
//!
//! One app is the platform's own, from the configuration: the console's and the mobiles'. The others
//! are tenants', made by their people and used by their own servers.

#[expect(clippy::module_inception, reason = "the folder is named for what it is about")]
mod app;
mod apps;
mod grpc;
mod known;
mod reader;
mod settings;
mod source;
mod store;
mod upkeep;
mod webhooks;
mod wishes;

use std::sync::Arc;

use yard_authn::Revocations;
use yard_authn::seal::Sealer;
use yard_pg::Pg;
use yard_runtime::{Runtime, TaskKind};

pub(crate) use app::{App, AppId, Secrets, to_hex};
pub(crate) use apps::{Apps, Ends, Unavailable};
pub(crate) use grpc::{AppsGrpc, number as stored_number};
pub(crate) use settings::AppSettings;

/// What an app's secret is sealed for; the secret's id is bound to it.
const SECRET: &str = "realtime-app-secret";

/// Begins to look after apps: the platform's own, and the tenants' in the database.
pub(crate) fn start(
    own: App,
    (pg, sealer): (&Pg, &Sealer),
    revocations: &Revocations,
    rt: &Runtime,
) -> (Apps, Ends) {
    let (task_pg, task_sealer) = (pg.clone(), sealer.clone());
    let soft = rt.shutdown().soft().clone();
    rt.tasks().spawn(TaskKind::Background, "sealed secrets", async move {
        soft.run_until_cancelled(upkeep::reseal(task_pg, task_sealer)).await;
        Ok(())
    });
    let stored = source::Stored { pg: pg.clone(), sealer: sealer.clone() };
    Apps::start(own, Arc::new(stored), revocations, rt)
}
