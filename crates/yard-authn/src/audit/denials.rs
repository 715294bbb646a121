use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use yard_contracts::audit::v1::AuditRecord;
use yard_contracts::policy;
use yard_contracts::values::timestamp;
use yard_ids::{Clock, IdSource};
use yard_runtime::Runtime;

use super::Publish;

/// The same refusal within this time becomes one entry that counts.
const WINDOW: Duration = Duration::from_secs(10);
/// Different refusals kept at once, and records on their way. A flood beyond is only counted, so
/// that it can neither fill this memory nor the stream.
const MOST: usize = 1_000;

/// What was refused here, on its way to the trail. The first of a kind goes at once; what follows
/// within ten seconds is told as one record with its number.
#[derive(Debug, Clone)]
pub struct Denials(Arc<Inner>);

struct Inner {
    held: Mutex<HashMap<Key, (AuditRecord, i32)>>,
    sender: mpsc::Sender<AuditRecord>,
    service: &'static str,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denials").finish_non_exhaustive()
    }
}

/// Tenant, actor, action, outcome, address.
type Key = [String; 5];

impl Denials {
    pub(super) fn new(
        runtime: &Runtime,
        publish: Publish,
    ) -> (Self, impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(MOST);
        let this = Self(Arc::new(Inner {
            held: Mutex::default(),
            sender,
            service: runtime.service(),
            clock: runtime.clock(),
            ids: runtime.ids(),
        }));
        let work = this.clone().run(receiver, publish, runtime.clone());
        (this, work)
    }

    pub(super) fn take(&self, record: AuditRecord) {
        let known = policy::methods().contains_key(&format!("/{}", record.action));
        let action = if known { record.action.clone() } else { "unknown".to_owned() };
        let labels = [("method", action), ("code", record.outcome.clone())];
        metrics::counter!("yard_audit_denials_total", &labels).increment(1);
        let key = key(&record);
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, more)) = held.get_mut(&key) {
            *more = more.saturating_add(1);
            return;
        }
        if held.len() >= MOST || self.0.sender.try_send(self.complete(record.clone(), 1)).is_err() {
            metrics::counter!("yard_audit_denials_dropped_total").increment(1);
            return;
        }
        held.insert(key, (record, 0));
    }

    /// What came again since the last call; forgets the rest.
    fn repeated(&self) -> Vec<AuditRecord> {
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let all = std::mem::take(&mut *held).into_values();
        all.filter(|(_, more)| *more > 0)
            .map(|(record, more)| self.complete(record, more))
            .collect()
    }

    fn complete(&self, mut record: AuditRecord, repeats: i32) -> AuditRecord {
        record.event_id = self.0.ids.uuid7().as_hyphenated().to_string();
        record.occurred_at = Some(timestamp(self.0.clock.now()));
        self.0.service.clone_into(&mut record.service);
        record.repeats = repeats;
        record
    }

    async fn run(
        self,
        mut receiver: mpsc::Receiver<AuditRecord>,
        publish: Publish,
        runtime: Runtime,
    ) -> anyhow::Result<()> {
        let soft = runtime.shutdown().soft().clone();
        let mut window = tokio::time::interval(WINDOW);
        window.tick().await;
        loop {
            let due = tokio::select! {
                record = receiver.recv() => record.into_iter().collect(),
                _ = window.tick() => self.repeated(),
                () = soft.cancelled() => break,
            };
            for record in due {
                send(&publish, record, &runtime).await;
            }
        }
        // The last ones, once: nothing took effect by them.
        let mut rest = self.repeated();
        while let Ok(record) = receiver.try_recv() {
            rest.push(record);
        }
        for record in rest {
            drop(publish(record).await);
        }
        Ok(())
    }
}

/// Until it is durable, or the service stops.
async fn send(publish: &Publish, record: AuditRecord, runtime: &Runtime) {
    let mut pause = Duration::from_millis(100);
    while publish(record.clone()).await.is_err() {
        metrics::counter!("yard_audit_retries_total").increment(1);
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(5)),
            () = runtime.shutdown().soft().cancelled() => return,
        }
    }
}

fn key(record: &AuditRecord) -> Key {
    let parts =
        [&record.tenant_id, &record.actor, &record.action, &record.outcome, &record.address];
    parts.map(Clone::clone)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn refusal(actor: &str) -> AuditRecord {
        AuditRecord {
            actor: actor.to_owned(),
            action: "yard.device.v1.DeviceService/GetDevice".to_owned(),
            outcome: "auth.forbidden".to_owned(),
            ..AuditRecord::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_a_kind_are_told_once_and_then_counted() {
        let runtime = Runtime::builder("worker", "0").build();
        let (told, mut heard) = unbounded_channel();
        let publish: Publish = Arc::new(move |record: AuditRecord| {
            drop(told.send((record.actor, record.repeats)));
            async { Ok(()) }.boxed()
        });
        let (denials, work) = Denials::new(&runtime, publish);
        runtime.tasks().spawn_request(work.map(drop));
        for _ in 0..500 {
            denials.take(refusal("person:a"));
        }
        denials.take(refusal("person:b"));
        let mut found = vec![heard.recv().await.unwrap(), heard.recv().await.unwrap()];
        found.push(heard.recv().await.unwrap());
        let told = |actor: &str, n| (actor.to_owned(), n);
        assert_eq!(found, [told("person:a", 1), told("person:b", 1), told("person:a", 499)]);
        assert!(runtime.stop(Duration::ZERO, Duration::from_secs(5)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn flood_of_different_refusals_is_bounded() {
        let runtime = Runtime::builder("worker", "0").build();
        let publish: Publish = Arc::new(|_record| futures::future::pending().boxed());
        let (denials, _work) = Denials::new(&runtime, publish);
        for n in 0..5_000 {
            denials.take(refusal(&format!("person:{n}")));
        }
        let held = denials.0.held.lock().unwrap().len();
        assert_eq!(held, MOST);
    }
}
