use std::time::Duration;

use anyhow::Context as _;
use async_nats::jetstream::kv::{Entry, Store};
use futures::StreamExt as _;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use yard_contracts::streams;
use yard_messaging::Nats;
use yard_runtime::{Check, Runtime, TaskKind};

use super::entry::{HEARTBEAT, KEY_SET, Revocation};
use super::{LOST, Revocations};
use crate::Verifier;

/// How long a start waits for all that is in the bucket.
const SNAPSHOT: Duration = Duration::from_secs(10);
/// auth speaks every five seconds. After so long without a word the watch is begun anew, in case
/// it is the watch that is broken.
const SILENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(250);

/// What a silent feed means for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It lets people in: without the feed it is not ready.
    Readiness,
    /// Others let them in; operators see it.
    Advice,
}

/// Follows the feed into `verifier` until the soft stop. Returns once all that was in the bucket
/// is known, so that a service is not ready before.
///
/// # Errors
/// When the bucket cannot be read.
pub async fn follow(
    runtime: &Runtime,
    nats: &Nats,
    verifier: &Verifier,
    need: Need,
) -> anyhow::Result<()> {
    let (done, mut complete) = watch::channel(false);
    let follower = Follower {
        nats: nats.clone(),
        verifier: verifier.clone(),
        stop: runtime.shutdown().soft().clone(),
        complete: done,
    };
    runtime.tasks().spawn(TaskKind::Critical, "revocations", follower.run());
    watch_age(runtime, verifier.revocations(), need);
    let snapshot = timeout(SNAPSHOT, complete.wait_for(|done| *done)).await;
    snapshot.context("the revocation feed was not there within 10 s")?.context("it has ended")?;
    Ok(())
}

fn watch_age(runtime: &Runtime, revocations: &Revocations, need: Need) {
    let feed = revocations.clone();
    let check = Check::new("revocations", move || {
        let age = feed.age();
        async move { if age <= LOST { Ok(()) } else { Err(format!("no news for {} s", age.as_secs())) } }
    });
    let check = if need == Need::Readiness { check } else { check.advisory() };
    runtime.health().register(check);
}

struct Follower {
    nats: Nats,
    verifier: Verifier,
    stop: CancellationToken,
    complete: watch::Sender<bool>,
}

impl Follower {
    async fn run(self) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let round = stop.run_until_cancelled(Box::pin(self.listen())).await;
            if let Some(Err(error)) = round {
                tracing::warn!(error = %format!("{error:#}"), "revocation feed begins anew");
                stop.run_until_cancelled(sleep(PAUSE)).await;
            }
        }
        Ok(())
    }

    /// Takes in all that is there, then what comes, until something breaks.
    async fn listen(&self) -> anyhow::Result<()> {
        let bucket = self.nats.bucket(&streams::REVOCATIONS).await?;
        // Looked at before the watch: what comes in between is news, and the watch has it.
        let empty = bucket.status().await?.values() == 0;
        let mut watch = bucket.watch_with_history(">").await?;
        if empty {
            self.complete.send_replace(true);
        }
        let revocations = self.verifier.revocations().clone();
        loop {
            let entry = tokio::select! {
                entry = timeout(SILENCE, watch.next()) => entry.context("silence")?,
                () = revocations.0.wanted.notified() => {
                    self.refetch(&bucket).await;
                    continue;
                }
            };
            let entry = entry.context("the watch has ended")??;
            self.take(&entry);
            if entry.seen_current {
                self.complete.send_replace(true);
            }
        }
    }

    fn take(&self, entry: &Entry) {
        let revocations = self.verifier.revocations();
        let text = std::str::from_utf8(&entry.value).unwrap_or_default();
        if entry.key == KEY_SET {
            self.learn(text);
            return;
        }
        let Ok(at_ms) = text.parse::<i64>() else {
            tracing::warn!(key = entry.key, "entry of the revocation feed without a time");
            return;
        };
        if entry.key == HEARTBEAT {
            // An old one, read in the snapshot, is no sign of life.
            if entry.seen_current {
                revocations.heard(at_ms);
            }
        } else if let Some(what) = Revocation::parse(&entry.key) {
            revocations.apply(what, at_ms);
        } else {
            tracing::warn!(key = entry.key, "entry of the revocation feed of an unknown kind");
        }
    }

    fn learn(&self, statement: &str) {
        match self.verifier.learn(statement) {
            Ok(true) => {
                tracing::info!("the issuer's key set has changed");
                self.verifier.revocations().touch();
            }
            Ok(false) => {}
            // Keys that are in force stay so.
            Err(error) => tracing::warn!(error = %error, "the issuer's key set was refused"),
        }
    }

    /// Reads the key set itself, in case the watch has missed it.
    async fn refetch(&self, bucket: &Store) {
        metrics::counter!("yard_key_set_refetches_total").increment(1);
        match bucket.get(KEY_SET).await {
            Ok(Some(value)) => self.learn(std::str::from_utf8(&value).unwrap_or_default()),
            Ok(None) => {}
            Err(error) => tracing::warn!(error = %error, "the issuer's key set was not read"),
        }
    }
}
