//! Every message on the bus while the matrix runs: one under a subject that names a tenant holds
//! nothing of the other, one under a subject of no tenant holds nothing of either.

use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use futures::StreamExt as _;
use tokio::task::JoinSet;

use super::run::Report;
use crate::platform::Platform;
use crate::world::{Tenant, World};

/// First parts of subjects, as `yard_contracts::subjects` makes them.
const FAMILIES: [&str; 15] = [
    "tel", "qtn", "rpt", "cmd", "evt", "job", "audit", "dlq", "rt", "rtc", "rtx", "rcpt", "dir",
    "brk", "dev",
];
/// Tells of what a caller asked for, in the caller's own words: also of ids that are another's.
const TELLS_OF_ATTEMPTS: &str = "audit";
/// The server's own: requests to it, its deliveries to consumers and to who asked.
const OF_THE_SERVER: [&str; 3] = ["$JS", "_INBOX", "settle"];
/// The bucket of what ended.
const BUCKET: &str = "$KV";

/// Listens to everything.
pub(super) struct Bus {
    heard: Arc<Mutex<Vec<(String, String)>>>,
    listener: JoinSet<()>,
}

/// Begins to listen.
///
/// # Errors
/// When the server does not take the subscription.
pub(super) async fn listen(platform: &Platform) -> anyhow::Result<Bus> {
    let client = platform.nats().client().await;
    let mut messages = client.subscribe(">").await.context("listen to the bus")?;
    client.flush().await.context("listen to the bus")?;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&heard);
    let mut listener = JoinSet::new();
    listener.spawn(async move {
        while let Some(message) = messages.next().await {
            let subject = message.subject.as_str().to_owned();
            if family(&subject).is_none_or(|known| !OF_THE_SERVER.contains(&known)) {
                let text = String::from_utf8_lossy(&message.payload).into_owned();
                into.lock().expect("nobody panics while holding this").push((subject, text));
            }
        }
        // Held to the end: without it the subscription would be gone.
        drop(client);
    });
    Ok(Bus { heard, listener })
}

impl Bus {
    /// Searches what was heard.
    pub(super) async fn judge(mut self, world: &World, report: &mut Report) {
        self.listener.shutdown().await;
        let heard = std::mem::take(&mut *self.heard.lock().expect("the listener has ended"));
        for (subject, text) in &heard {
            report.messages += 1;
            match family(subject) {
                Some(_) => search(report, world, subject, text),
                None => report.methods_without_case.push(format!("subject {subject}")),
            }
        }
    }
}

fn search(report: &mut Report, world: &World, subject: &str, text: &str) {
    for (tenant, other) in [(&world.a, &world.b), (&world.b, &world.a)] {
        let own = subject.contains(&tenant.tenant_id);
        if let Some(canary) = canary_in(tenant, text).filter(|_| !own) {
            report.leaks.push(format!("{subject} holds {canary}"));
        }
        // A device is named where its tenant is, and where no tenant is.
        let named = subject.contains(&tenant.device_id) || text.contains(&tenant.device_id);
        if named && own {
            report.own_things_on_bus += 1;
        } else if named
            && subject.contains(&other.tenant_id)
            && family(subject) != Some(TELLS_OF_ATTEMPTS)
        {
            report.leaks.push(format!("{subject} names a device of another tenant"));
        }
    }
}

fn canary_in<'t>(tenant: &'t Tenant, text: &str) -> Option<&'t str> {
    tenant.canaries.iter().map(String::as_str).find(|canary| text.contains(canary))
}

/// The first part of a subject, if it is one that somebody thought of.
fn family(subject: &str) -> Option<&'static str> {
    let first = subject.split('.').next()?;
    FAMILIES.into_iter().chain(OF_THE_SERVER).chain([BUCKET]).find(|known| *known == first)
}
